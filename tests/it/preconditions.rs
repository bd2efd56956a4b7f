//! Versions and conditional requests: RFC 7644 section 3.14, RFC 9110 section 13.1.

use crate::guarantees::is_intact;
use crate::harness::{Answer, App};
use serde_json::{Value, json};

const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// A user and a group with her in it, each at version 3, and the writes that would change them.
struct Stage {
    app: App,
    user: String,
    group: String,
}

impl Stage {
    async fn set() -> Self {
        let app = App::start().await;
        let ann = app.user("ann@example.com").await;
        let group = format!("/Groups/{}", app.group("Team", &[]).await);
        let user = format!("/Users/{ann}");
        for title in ["one", "two"] {
            let replace = json!([{ "op": "replace", "path": "title", "value": title }]);
            app.operations(&user, replace).await.expect(200);
        }
        let add = json!([{ "op": "add", "path": "members", "value": [{ "value": ann }] }]);
        app.operations(&group, add).await.expect(204);
        let rename = json!([{ "op": "replace", "path": "displayName", "value": "Team A" }]);
        app.operations(&group, rename).await.expect(204);
        Self { app, user, group }
    }

    /// Each kind of write to each type: what it takes, and what it answers when it is carried out.
    fn writes(&self) -> Vec<(&'static str, &str, Value, u16)> {
        let patch = |operation: Value| json!({ "schemas": [PATCH_OP], "Operations": [operation] });
        let id = |path: &str| path.rsplit('/').next().unwrap().to_owned();
        let nobody = patch(json!({ "op": "remove", "path": format!("members[value eq \"{}\"]", id(&self.user)) }));
        vec![
            ("PATCH", &self.user, patch(json!({ "op": "replace", "path": "title", "value": "three" })), 200),
            ("PUT", &self.user, json!({ "userName": "ann@example.com", "title": "four" }), 200),
            ("PATCH", &self.group, nobody, 204),
            ("PATCH", &self.group, patch(json!({ "op": "replace", "path": "displayName", "value": "Team B" })), 204),
            ("PUT", &self.group, json!({ "displayName": "Team C", "members": [{ "value": id(&self.user) }] }), 200),
            ("DELETE", &self.group, Value::Null, 204),
            ("DELETE", &self.user, Value::Null, 204),
        ]
    }

    async fn send(&self, method: &str, path: &str, conditions: &[(&str, &str)], body: &Value) -> Answer {
        let mut headers = vec![("content-type", "application/scim+json")];
        headers.extend(conditions);
        let body = (!body.is_null()).then(|| body.to_string().into_bytes());
        self.app.send(method, path, &headers, body).await
    }

    async fn version(&self, path: &str) -> String {
        self.app.get(path).await.expect(200).body["meta"]["version"].as_str().unwrap().to_owned()
    }

    /// Every write under these conditions is a 412 that names the version there is, and writes nothing.
    async fn all_refused(&self, conditions: &[(&str, &str)]) {
        let before = self.app.dump().await;
        for (method, path, body, _) in self.writes() {
            let answer = self.send(method, path, conditions, &body).await;
            assert_eq!(answer.status, 412, "{conditions:?} {method} {path}: {}", answer.text);
            answer.is_error(412, None);
            assert!(answer.detail().contains(&self.version(path).await), "{}", answer.text);
            assert_eq!(self.app.dump().await, before, "{conditions:?} {method} {path} wrote");
        }
    }

    /// Every write is carried out under the conditions made of the version that there is.
    async fn all_carried_out(&self, name: &str, condition: impl Fn(&str) -> String) {
        for (method, path, body, status) in self.writes() {
            let condition = condition(&self.version(path).await);
            let answer = self.send(method, path, &[(name, &condition)], &body).await;
            assert_eq!(answer.status, status, "{name}: {condition} {method} {path}: {}", answer.text);
        }
        assert_eq!(self.app.get("/Users").await.total() + self.app.get("/Groups").await.total(), 0);
        is_intact(&self.app).await;
    }
}

#[track_caller]
fn etag(answer: &Answer) -> &str {
    answer.headers["etag"].to_str().unwrap()
}

#[tokio::test]
async fn the_etag_is_the_version_in_every_answer_with_a_resource() {
    let app = App::start().await;
    for (endpoint, name) in [("/Users", "userName"), ("/Groups", "displayName")] {
        let created = app.post(endpoint, json!({ name: "one" })).await.expect(201);
        let path = format!("{endpoint}/{}", created.id());
        let shown = app.get(&path).await.expect(200);
        let projected = app.get(&format!("{path}?attributes={name}")).await.expect(200);
        let replaced = app.put(&path, json!({ name: "two" })).await.expect(200);
        let rename =
            json!({ "schemas": [PATCH_OP], "Operations": [{ "op": "replace", "path": name, "value": "three" }] });
        let patched = app.patch(&format!("{path}?attributes=meta"), rename).await.expect(200);
        for (answer, version) in
            [(&created, "W/\"1\""), (&shown, "W/\"1\""), (&replaced, "W/\"2\""), (&patched, "W/\"3\"")]
        {
            assert_eq!((etag(answer), &answer.body["meta"]["version"]), (version, &json!(version)), "{}", answer.text);
        }
        assert_eq!(etag(&projected), "W/\"1\"", "{}", projected.text);
        let listed = app.get(endpoint).await.expect(200);
        assert_eq!(listed.body["Resources"][0]["meta"]["version"], "W/\"3\"");
    }
    is_intact(&app).await;
}

#[tokio::test]
async fn get_with_the_version_that_the_client_has_is_304_without_a_body() {
    let stage = Stage::set().await;
    for path in [&stage.user, &stage.group] {
        let current = stage.version(path).await;
        assert_eq!(current, "W/\"3\"");
        for known in ["W/\"3\"", "\"3\"", "*", "W/\"1\", W/\"3\"", "\"x\" ,\"3\""] {
            let answer = stage.send("GET", path, &[("if-none-match", known)], &Value::Null).await;
            assert_eq!((answer.status, answer.text.as_str()), (304, ""), "{known}");
            assert_eq!(etag(&answer), current);
        }
        for other in ["W/\"2\"", "\"33\"", "W/\"1\", W/\"2\"", "3", "\"\""] {
            let answer = stage.send("GET", path, &[("if-none-match", other)], &Value::Null).await;
            assert_eq!(answer.status, 200, "{other}");
            assert_eq!(etag(&answer), current);
        }
    }
}

#[tokio::test]
async fn a_write_to_a_version_that_is_gone_is_412_and_writes_nothing() {
    let stage = Stage::set().await;
    for stale in ["W/\"2\"", "\"2\"", "W/\"1\", W/\"2\"", "W/\"4\"", "\"x\"", "3", "W/3", "\"\"", ""] {
        stage.all_refused(&[("if-match", stale)]).await;
    }
    is_intact(&stage.app).await;
}

/// RFC 9110 section 13.1.2: the condition is false when one of the listed versions is the one there is.
#[tokio::test]
async fn a_write_that_wants_another_or_no_version_is_412_and_writes_nothing() {
    let stage = Stage::set().await;
    for unwanted in ["*", "W/\"3\"", "\"3\"", "W/\"1\", W/\"3\""] {
        stage.all_refused(&[("if-none-match", unwanted)]).await;
    }
    stage.all_refused(&[("if-match", "*"), ("if-none-match", "*")]).await;
}

#[tokio::test]
async fn a_write_to_the_current_version_is_carried_out() {
    let forms: [fn(&str) -> String; 5] = [
        |current| current.to_owned(),
        |current| current.trim_start_matches("W/").to_owned(),
        |current| format!("W/\"1000\", {current}"),
        |current| format!("\"x\",{current} , \"y\""),
        |_| "*".to_owned(),
    ];
    for form in forms {
        Stage::set().await.all_carried_out("if-match", form).await;
    }
}

#[tokio::test]
async fn a_write_that_does_not_want_an_old_version_is_carried_out() {
    Stage::set().await.all_carried_out("if-none-match", |_| "W/\"1\", \"2\"".to_owned()).await;
}

#[tokio::test]
async fn if_match_of_a_resource_that_does_not_exist_is_404() {
    let app = App::start().await;
    let nobody = "2819c223-7f76-453a-919d-413861904646";
    for endpoint in ["/Users", "/Groups"] {
        let path = format!("{endpoint}/{nobody}");
        for condition in ["*", "W/\"1\""] {
            let answer = app.send("DELETE", &path, &[("if-match", condition)], None).await;
            answer.is_error(404, None);
        }
    }
}

#[tokio::test]
async fn a_no_op_keeps_the_version_and_still_checks_the_condition() {
    let stage = Stage::set().await;
    let (user, group) = (stage.user.as_str(), stage.group.as_str());
    let id = user.rsplit('/').next().unwrap();
    let patch = |operation: Value| json!({ "schemas": [PATCH_OP], "Operations": [operation] });
    let whole = json!({ "userName": "ann@example.com", "title": "two" });
    let no_ops = [
        ("PATCH", user, patch(json!({ "op": "replace", "path": "title", "value": "two" }))),
        ("PATCH", user, patch(json!({ "op": "remove", "path": "nickName" }))),
        ("PATCH", user, patch(json!({ "op": "replace", "path": "password", "value": "s3cret-one" }))),
        ("PUT", user, whole),
        ("PATCH", group, patch(json!({ "op": "add", "path": "members", "value": [{ "value": id }] }))),
        ("PATCH", group, patch(json!({ "op": "remove", "path": "members[value eq \"nobody\"]" }))),
        ("PATCH", group, patch(json!({ "op": "replace", "value": { "displayName": "Team A" } }))),
        ("PUT", group, json!({ "displayName": "Team A", "members": [{ "value": id }] })),
    ];
    let before = stage.app.dump().await;
    for (method, path, body) in no_ops {
        for conditions in [&[][..], &[("if-match", "W/\"3\"")], &[("if-match", "*")]] {
            let answer = stage.send(method, path, conditions, &body).await;
            assert!(matches!(answer.status, 200 | 204), "{method} {path} {body}: {}", answer.text);
            assert_eq!(stage.version(path).await, "W/\"3\"");
        }
        stage.send(method, path, &[("if-match", "W/\"2\"")], &body).await.is_error(412, None);
        assert_eq!(stage.app.dump().await, before, "{method} {path} {body}");
    }
    is_intact(&stage.app).await;
}
