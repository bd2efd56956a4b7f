//! Every refusal: a SCIM error with its status and keyword, a detail that says what was wrong, and a table that is as
//! it was before.

use crate::guarantees::{is_intact, members};
use crate::harness::{Answer, App};
use serde_json::{Value, json};

mod caps;

const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const NOBODY: &str = "2819c223-7f76-453a-919d-413861904646";
const SCIM_JSON: (&str, &str) = ("content-type", "application/scim+json");

/// A service provider with a user, a second one, and a group with the first in it.
struct Stage {
    app: App,
    ann: String,
    user: String,
    group: String,
}

impl Stage {
    async fn set() -> Self {
        let app = App::start().await;
        let ann = app.user("ann@example.com").await;
        app.user("bob@example.com").await;
        let group = format!("/Groups/{}", app.group("Team", &[&ann]).await);
        app.group("Sales", &[]).await;
        Self { user: format!("/Users/{ann}"), app, ann, group }
    }

    /// A request that must fail like this, say each of `words`, and leave every item as it was.
    async fn refused(
        &self,
        request: impl Future<Output = Answer>,
        status: u16,
        scim_type: Option<&str>,
        words: &[&str],
    ) -> Answer {
        let before = self.app.dump().await;
        let answer = request.await;
        answer.is_error(status, scim_type);
        for word in words {
            assert!(answer.detail().contains(word), "no {word:?} in {:?}", answer.detail());
        }
        assert_eq!(self.app.dump().await, before, "a refused request wrote: {}", answer.text);
        answer
    }

    async fn raw(&self, method: &str, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.app.send(method, path, &[SCIM_JSON], Some(body.into())).await
    }

    /// Each endpoint that takes a body, with its method.
    fn bodies(&self) -> [(&'static str, String); 6] {
        [
            ("POST", "/Users".into()),
            ("POST", "/Groups".into()),
            ("PUT", self.user.clone()),
            ("PUT", self.group.clone()),
            ("PATCH", self.user.clone()),
            ("PATCH", self.group.clone()),
        ]
    }
}

fn patch(operations: Value) -> Value {
    json!({ "schemas": [PATCH_OP], "Operations": operations })
}

#[tokio::test]
async fn without_a_known_token_every_request_is_401() {
    let stage = Stage::set().await;
    for authorization in ["", "Bearer", "Bearer no-token", "Basic dG9rZW4="] {
        let headers = [("authorization", authorization), SCIM_JSON];
        for (method, path) in stage.bodies() {
            let body = Some(patch(json!([])).to_string().into_bytes());
            let answer = stage.app.send(method, &path, &headers, body);
            let answer = stage.refused(answer, 401, None, &["Authorization", "token"]).await;
            assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        }
        for (method, path) in [("GET", "/Users"), ("GET", &stage.group), ("DELETE", &stage.user)] {
            stage.refused(stage.app.send(method, path, &headers, None), 401, None, &["Bearer"]).await;
        }
    }
}

#[tokio::test]
async fn switched_off_every_request_is_403_and_the_data_stays() {
    let app = App::start_with(&[("SCIM_ENABLED", "false")]).await;
    let before = app.dump().await;
    let body = || Some(json!({ "userName": "ann@example.com" }).to_string().into_bytes());
    for (endpoint, one) in [("/Users", "/Users/x"), ("/Groups", "/Groups/x")] {
        for (method, path, body) in [
            ("GET", endpoint, None),
            ("POST", endpoint, body()),
            ("GET", one, None),
            ("PUT", one, body()),
            ("PATCH", one, body()),
            ("DELETE", one, None),
        ] {
            let answer = app.send(method, path, &[SCIM_JSON], body).await;
            answer.is_error(403, None);
            assert!(answer.detail().contains("SCIM_ENABLED"), "{}", answer.text);
            app.send(method, path, &[("authorization", ""), SCIM_JSON], None).await.is_error(403, None);
        }
    }
    for path in ["/", "/ServiceProviderConfig", "/ResourceTypes", "/ResourceTypes/User", "/Schemas", "/Me"] {
        app.get(path).await.is_error(403, None);
    }
    for path in ["/Bulk", "/.search", "/Users/.search", "/Groups/.search"] {
        app.post(path, json!({})).await.is_error(403, None);
    }
    assert_eq!(app.dump().await, before);
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_invalid_syntax() {
    let stage = Stage::set().await;
    let nested = |open: &str, close: &str| format!("{{\"x\":{}1{}}}", open.repeat(200), close.repeat(200));
    for (method, path) in stage.bodies() {
        for (body, word) in [
            (String::new(), "JSON"),
            (" \n".into(), "JSON"),
            ("{\"userName\": \"x\"".into(), "column"),
            ("{\"userName\": \"x\",}".into(), "column"),
            ("{'userName': 'x'}".into(), "column"),
            ("{\"userName\": \"x\"} {}".into(), "column"),
            (nested("[", "]"), "column"),
            (nested("{\"x\":", "}"), "column"),
            ("[]".into(), "object"),
            ("[{\"userName\": \"x\"}]".into(), "object"),
            ("\"userName\"".into(), "object"),
            ("7".into(), "object"),
            ("null".into(), "object"),
        ] {
            stage.refused(stage.raw(method, &path, body), 400, Some("invalidSyntax"), &[word]).await;
        }
        stage.refused(stage.raw(method, &path, b"{\"x\": \"\xff\"}"), 400, Some("invalidSyntax"), &["JSON"]).await;
    }
}

#[tokio::test]
async fn a_body_of_another_media_type_is_415() {
    let stage = Stage::set().await;
    for (method, path) in stage.bodies() {
        for media_type in ["text/plain", "application/xml", "application/x-www-form-urlencoded", "application/jsonp"] {
            let body = Some(json!({ "userName": "x", "displayName": "x" }).to_string().into_bytes());
            let headers = [("content-type", media_type)];
            let answer = stage.app.send(method, &path, &headers, body);
            stage.refused(answer, 415, None, &[media_type, "application/scim+json"]).await;
        }
    }
}

#[tokio::test]
async fn a_filter_that_cannot_be_read_is_invalid_filter_with_its_offset() {
    let stage = Stage::set().await;
    for (filter, words) in [
        ("", &["offset 0"][..]),
        ("userName", &["offset 8"]),
        ("userName eq", &["offset 11"]),
        ("userName is \"x\"", &["offset 9", "'is'"]),
        ("userName eq \"x\" and", &["offset 19"]),
        ("userName eq \"x\" xor title pr", &["offset 16", "'xor'"]),
        ("(userName eq \"x\"", &["offset 16", "')'"]),
        ("userName eq \"x", &["offset 12"]),
        ("emails[type eq \"work\"", &["offset 21", "']'"]),
        ("userName gt null", &["userName gt null"]),
        ("active co \"t\"", &["active"]),
        ("noSuchThing eq \"x\"", &["noSuchThing"]),
    ] {
        let answer = stage.app.find("/Users", filter);
        let answer = stage.refused(answer, 400, Some("invalidFilter"), words).await;
        assert!(answer.body.get("Resources").is_none());
    }
    let deep = format!("{}title pr{}", "(".repeat(17), ")".repeat(17));
    stage.refused(stage.app.find("/Users", &deep), 400, Some("invalidFilter"), &["16 levels"]).await;
    let longest = format!("title eq \"{}\"", "x".repeat(8192 - 11));
    assert_eq!(stage.app.find("/Users", &longest).await.expect(200).total(), 0);
    let longer = longest.replacen('x', "xx", 1);
    stage.refused(stage.app.find("/Users", &longer), 400, Some("invalidFilter"), &["8192"]).await;
}

#[tokio::test]
async fn a_patch_that_cannot_be_read_names_the_path_or_the_operation() {
    let stage = Stage::set().await;
    let (path, syntax, value) = (Some("invalidPath"), Some("invalidSyntax"), Some("invalidValue"));
    let replace = |path: &str| json!([{ "op": "replace", "path": path, "value": "x" }]);
    for (operations, scim_type, words) in [
        (replace("name."), path, &["name."][..]),
        (replace("emails[type eq]"), path, &["offset 14"]),
        (replace("emails[type eq \"work\"].value.more"), path, &["emails"]),
        (replace("noSuchThing"), path, &["noSuchThing"]),
        (replace("7"), path, &["7"]),
        (json!([{ "op": "replace", "path": 7, "value": "x" }]), value, &["'path'", "a string", "the number 7"]),
        (json!([{ "op": "move", "path": "title", "value": "x" }]), syntax, &["'move'", "add, remove or replace"]),
        (json!([{ "path": "title", "value": "x" }]), syntax, &["'op'"]),
        (json!([{ "op": "add", "path": "title" }]), value, &["'title'", "'value'"]),
        (json!([{ "op": "remove" }]), Some("noTarget"), &["'path'"]),
        (json!([{ "op": "replace", "path": "id", "value": "x" }]), Some("mutability"), &["'id'", "read-only"]),
        (json!([{ "op": "remove", "path": "userName" }]), Some("mutability"), &["'userName'", "required"]),
        (json!([{ "op": "replace", "path": "title", "value": 7 }]), value, &["'title'", "a string", "the number 7"]),
        (json!(["add"]), syntax, &["Operations"]),
        (json!([]), syntax, &["Operations"]),
        (json!({}), syntax, &["Operations"]),
    ] {
        let answer = stage.app.patch(&stage.user, patch(operations));
        stage.refused(answer, 400, scim_type, words).await;
    }
}

/// RFC 7644 section 3.5.2: a request that fails in one operation is not carried out at all.
#[tokio::test]
async fn what_stands_before_a_bad_operation_is_not_carried_out() {
    let stage = Stage::set().await;
    let good = json!({ "op": "replace", "path": "displayName", "value": "changed" });
    for bad in [
        json!({ "op": "replace", "path": "noSuchThing", "value": "x" }),
        json!({ "op": "replace", "path": "externalId", "value": 7 }),
        json!({ "op": "jump" }),
    ] {
        for path in [&stage.user, &stage.group] {
            let before = stage.app.dump().await;
            assert_eq!(stage.app.patch(path, patch(json!([good, bad]))).await.status, 400, "{bad}");
            assert_eq!(stage.app.dump().await, before, "{bad}");
        }
    }
}

#[tokio::test]
async fn a_value_of_the_wrong_type_names_attribute_expected_and_got() {
    let stage = Stage::set().await;
    for (attribute, value, words) in [
        ("title", json!(7), &["'title'", "a string", "the number 7"][..]),
        ("active", json!("perhaps"), &["'active'", "true or false", "\"perhaps\""]),
        ("name", json!("Ann"), &["'name'", "an object", "\"Ann\""]),
        ("name", json!({ "givenName": true }), &["'name.givenName'", "a string", "the boolean true"]),
        ("emails", json!([{ "value": [] }]), &["'emails.value'", "a string", "an array"]),
        ("emails", json!([{ "value": "a@b", "primary": 1 }]), &["'emails.primary'", "true or false", "the number 1"]),
        ("x509Certificates", json!([{ "value": "%%" }]), &["'x509Certificates.value'", "base64"]),
    ] {
        let body = json!({ "userName": "new@example.com", "active": true, attribute: value });
        let body = if attribute == "active" { json!({ "userName": "new@example.com", "active": value }) } else { body };
        let invalid = Some("invalidValue");
        stage.refused(stage.app.post("/Users", body.clone()), 400, invalid, words).await;
        stage.refused(stage.app.put(&stage.user, body), 400, invalid, words).await;
        let operations = json!([{ "op": "replace", "value": { attribute: value } }]);
        stage.refused(stage.app.patch(&stage.user, patch(operations)), 400, invalid, words).await;
    }
    for (body, word) in [
        (json!({ "active": true }), "'userName'"),
        (json!({ "userName": null }), "'userName'"),
        (json!({ "userName": " " }), "'userName'"),
        (json!({ "userName": "x", "USERNAME": "y" }), "twice"),
        (json!({ "userName": "x", "name": { "givenName": "x", "GivenName": "x" } }), "twice"),
        (json!({ "userName": "x", "badge": 1, "Badge": 2 }), "twice"),
        (json!({ "userName": "x", "emails": [{ "primary": true }, { "primary": true }] }), "'emails'"),
    ] {
        stage.refused(stage.app.post("/Users", body), 400, Some("invalidValue"), &[word]).await;
    }
    stage.refused(stage.app.post("/Groups", json!({})), 400, Some("invalidValue"), &["'displayName'"]).await;
}

#[tokio::test]
async fn a_taken_name_is_a_conflict_that_names_attribute_and_holder() {
    let stage = Stage::set().await;
    let bob = format!("/Users/{}", stage.app.find("/Users", "userName eq \"bob@example.com\"").await.ids()[0]);
    let sales = format!("/Groups/{}", stage.app.find("/Groups", "displayName eq \"sales\"").await.ids()[0]);
    let team = stage.group.trim_start_matches("/Groups/");
    for (endpoint, other, attribute, value, holder) in [
        ("/Users", &bob, "userName", "ANN@example.com", stage.ann.as_str()),
        ("/Groups", &sales, "displayName", "TEAM", team),
    ] {
        let words = [attribute, holder];
        let operations = patch(json!([{ "op": "replace", "path": attribute, "value": value }]));
        let body = json!({ attribute: value });
        stage.refused(stage.app.post(endpoint, body.clone()), 409, Some("uniqueness"), &words).await;
        stage.refused(stage.app.put(other, body), 409, Some("uniqueness"), &words).await;
        stage.refused(stage.app.patch(other, operations), 409, Some("uniqueness"), &words).await;
    }
}

#[tokio::test]
async fn what_does_not_exist_is_404() {
    let stage = Stage::set().await;
    let other_type = [format!("/Groups/{}", stage.ann), stage.group.replace("/Groups/", "/Users/")];
    let ids = [NOBODY, "x", "%20", "%00", "a%2Fb", "%F0%9F%A6%80", &"x".repeat(3000)];
    let unknown = ids.iter().flat_map(|id| [format!("/Users/{id}"), format!("/Groups/{id}")]);
    for path in unknown.chain(other_type) {
        let body = json!({ "userName": "x@example.com", "displayName": "x" });
        let operations = json!([{ "op": "replace", "path": "externalId", "value": "x" }]);
        let id = path.rsplit('/').next().unwrap();
        let words = if id.contains('%') { vec!["does not exist"] } else { vec![id, "does not exist"] };
        stage.refused(stage.app.get(&path), 404, None, &words).await;
        stage.refused(stage.app.put(&path, body), 404, None, &words).await;
        stage.refused(stage.app.patch(&path, patch(operations)), 404, None, &words).await;
        stage.refused(stage.app.delete(&path), 404, None, &words).await;
    }
    for path in ["/Nothing", "/users", "/Users/x/y", "/ResourceTypes/Device", "/Schemas/urn:none"] {
        stage.refused(stage.app.get(path), 404, None, &[]).await;
        assert!(matches!(stage.app.post(path, json!({})).await.status, 404 | 405), "{path}");
    }
}

#[tokio::test]
async fn another_method_is_405_and_allow_names_those_there_are() {
    let stage = Stage::set().await;
    for (path, methods, allowed) in [
        ("/Users", &["PUT", "PATCH", "DELETE"][..], &["GET", "POST"][..]),
        ("/Groups", &["PUT", "PATCH", "DELETE"], &["GET", "POST"]),
        (&stage.user, &["POST", "OPTIONS", "PURGE"], &["GET", "PUT", "PATCH", "DELETE"]),
        (&stage.group, &["POST", "OPTIONS", "PURGE"], &["GET", "PUT", "PATCH", "DELETE"]),
        ("/ServiceProviderConfig", &["POST", "PUT", "PATCH", "DELETE"], &["GET"]),
        ("/ResourceTypes", &["POST", "DELETE"], &["GET"]),
        ("/Schemas", &["POST", "DELETE"], &["GET"]),
    ] {
        for method in methods {
            let answer = stage.app.send(method, path, &[SCIM_JSON], None);
            let answer = stage.refused(answer, 405, None, &[method]).await;
            let allow = answer.headers["allow"].to_str().unwrap();
            let mut named: Vec<&str> = allow.split(',').map(str::trim).filter(|name| *name != "HEAD").collect();
            let mut expected = allowed.to_vec();
            named.sort_unstable();
            expected.sort_unstable();
            assert_eq!(named, expected, "{method} {path}: {allow}");
        }
    }
}

#[tokio::test]
async fn members_that_cannot_be_are_refused_by_name() {
    let stage = Stage::set().await;
    let invalid = Some("invalidValue");
    let id = stage.group.trim_start_matches("/Groups/").to_owned();
    let add = |ids: &[&str]| {
        let ids: Vec<Value> = ids.iter().map(|id| json!({ "value": id })).collect();
        patch(json!([{ "op": "add", "path": "members", "value": ids }]))
    };
    let put = |id: &str| json!({ "displayName": "Team", "members": [{ "value": id }] });
    let itself = "cannot be a member of itself";
    stage.refused(stage.app.patch(&stage.group, add(&[&id])), 400, invalid, &[itself]).await;
    stage.refused(stage.app.patch(&stage.group, add(&[&stage.ann, &id])), 400, invalid, &[itself]).await;
    stage.refused(stage.app.put(&stage.group, put(&id)), 400, invalid, &[itself]).await;

    let long = "x".repeat(3000);
    for unknown in [&[NOBODY][..], &[NOBODY, "nobody-else"], &[&long]] {
        stage.refused(stage.app.patch(&stage.group, add(unknown)), 400, invalid, unknown).await;
    }
    stage.refused(stage.app.put(&stage.group, put(NOBODY)), 400, invalid, &[NOBODY]).await;
    let new = json!({ "displayName": "New", "members": [{ "value": NOBODY }] });
    stage.refused(stage.app.post("/Groups", new), 400, invalid, &[NOBODY]).await;
    for broken in [json!([{ "display": "Ann" }]), json!([{ "value": "" }]), json!([{ "value": 7 }]), json!([7])] {
        let operations = json!([{ "op": "add", "path": "members", "value": broken }]);
        stage.refused(stage.app.patch(&stage.group, patch(operations)), 400, invalid, &["members"]).await;
    }

    let bob = stage.app.find("/Users", "userName eq \"bob@example.com\"").await.ids().remove(0);
    stage.app.patch(&stage.group, add(&[NOBODY, &bob, &long])).await.expect(204);
    assert_eq!(members(&stage.app, &id).await, [stage.ann.clone(), bob].into());
    is_intact(&stage.app).await;
}

/// Ids that are no key of the table are ids that nobody has.
#[tokio::test]
async fn an_id_that_cannot_be_is_found_nowhere() {
    let stage = Stage::set().await;
    let before = stage.app.dump().await;
    for id in ["", "x", &"x".repeat(1100), &"é".repeat(1500)] {
        for (endpoint, filter) in [
            ("/Users", format!("id eq \"{id}\"")),
            ("/Groups", format!("id eq \"{id}\"")),
            ("/Users", format!("groups.value eq \"{id}\"")),
            ("/Groups", format!("members.value eq \"{id}\"")),
            ("/Groups", format!("members[value eq \"{id}\"]")),
            ("/Groups", format!("displayName eq \"team\" and members.value eq \"{id}\"")),
            ("/Users", format!("userName eq \"{id}\"")),
            ("/Users", format!("externalId eq \"{id}\"")),
        ] {
            assert_eq!(stage.app.find(endpoint, &filter).await.expect(200).total(), 0, "{endpoint} {filter}");
        }
        let remove = json!([{ "op": "remove", "path": format!("members[value eq \"{id}\"]") }]);
        stage.app.operations(&stage.group, remove).await.expect(204);
    }
    assert_eq!(stage.app.dump().await, before);
}
