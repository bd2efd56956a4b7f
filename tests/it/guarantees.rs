//! The guarantees of the design, each on the table itself: what a request leaves there, item by item.

use crate::harness::{ACME_TOKEN, Answer, App, OTHER_TOKEN, TOKEN};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub mod invariants;
mod memberships;
mod queries;
mod verbatim;

/// Asserts that the table does not contradict itself.
pub async fn is_intact(app: &App) {
    invariants::invariants(&app.dump().await);
}

/// Creates `user0@example.com` and so on.
pub async fn users(app: &App, count: usize) -> Vec<String> {
    let mut users = Vec::with_capacity(count);
    for number in 0..count {
        users.push(app.user(&format!("user{number}@example.com")).await);
    }
    users
}

/// The item of a resource of the tenant `default`; null when there is none.
pub async fn item(app: &App, kind: &str, id: &str) -> Value {
    app.dump().await.remove(&(format!("T#default#{kind}"), id.to_owned())).unwrap_or_default()
}

/// The ids in a group's `members`, each of them once.
pub async fn members(app: &App, group: &str) -> BTreeSet<String> {
    values(&app.get(&format!("/Groups/{group}")).await.expect(200).body["members"])
}

/// The `value` of each element, which holds none twice.
pub fn values(elements: &Value) -> BTreeSet<String> {
    let elements = elements.as_array().map_or(&[][..], Vec::as_slice);
    let values: BTreeSet<String> =
        elements.iter().map(|element| element["value"].as_str().unwrap().to_owned()).collect();
    assert_eq!(values.len(), elements.len(), "a value is there twice: {elements:?}");
    values
}

/// The ETag of a version, as JSON.
pub fn etag(version: usize) -> Value {
    json!(format!("W/\"{version}\""))
}

/// The change records of the tenant `default`, oldest first: operation, type, id, actor, request id, before and after.
async fn changes(app: &App) -> Vec<(String, String, String, String, String, Value)> {
    let dump = app.dump().await;
    let records: BTreeMap<_, _> = dump.iter().filter(|((pk, _), _)| pk.starts_with("T#default#LOG#")).collect();
    let text = |item: &Value, name: &str| item[name].as_str().expect(name).to_owned();
    let record = |item: &Value| {
        let [operation, kind, id, actor, request] =
            ["operation", "resourceType", "resourceId", "actor", "requestId"].map(|name| text(item, name));
        (operation, kind, id, actor, request, serde_json::from_str(&text(item, "changes")).unwrap())
    };
    records.values().map(|item| record(item)).collect()
}

fn request_id(answer: &Answer) -> String {
    answer.headers["x-request-id"].to_str().unwrap().to_owned()
}

async fn with_token(app: &App, token: &str, method: &str, path: &str, body: Value) -> Answer {
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/scim+json")];
    app.send(method, path, &headers, (!body.is_null()).then(|| body.to_string().into_bytes())).await
}

#[tokio::test]
async fn each_operation_leaves_exactly_the_items_of_the_chart() {
    let app = App::start().await;
    is_intact(&app).await;
    // Users and groups, memberships and mirrors, keys, changes, tombstones.
    let items = async |expected: [usize; 5]| {
        let dump = app.dump().await;
        invariants::invariants(&dump);
        let count = |kinds: &[&str]| {
            let of_kind = |pk: &str| kinds.iter().any(|kind| pk.starts_with(&format!("T#default#{kind}")));
            dump.keys().filter(|(pk, _)| of_kind(pk)).count()
        };
        let found = [
            count(&["USER", "GROUP"]),
            count(&["MEMBERS#", "MEMBEROF#"]),
            count(&["KEY#"]),
            count(&["LOG#"]),
            count(&["GONE#"]),
        ];
        assert_eq!(found, expected);
    };
    let ann = json!({ "userName": "Ann", "externalId": "E1", "emails": [{ "value": "A@b" }, { "value": "a@B" }, { "value": "c@d" }] });
    let ann = format!("/Users/{}", app.post("/Users", ann).await.expect(201).id());
    items([1, 0, 4, 1, 0]).await;
    let bob = app.user("bob").await;
    items([2, 0, 5, 2, 0]).await;
    let team =
        json!({ "displayName": "Team", "externalId": "G1", "members": [{ "value": &ann[7..] }, { "value": bob }] });
    let team = format!("/Groups/{}", app.post("/Groups", team).await.expect(201).id());
    items([3, 4, 7, 3, 0]).await;
    app.put(&ann, json!({ "userName": "ANN", "emails": [{ "value": "x@y", "primary": true }] })).await.expect(200);
    items([3, 4, 5, 4, 0]).await;
    let operations = json!([
        { "op": "replace", "path": "userName", "value": "anna" },
        { "op": "remove", "path": "emails" },
        { "op": "add", "path": "externalId", "value": "E2" },
    ]);
    app.operations(&ann, operations).await.expect(200);
    items([3, 4, 5, 5, 0]).await;
    let operations = json!([
        { "op": "replace", "path": "displayName", "value": "Sales" },
        { "op": "remove", "path": format!("members[value eq \"{bob}\"]") },
    ]);
    app.operations(&team, operations).await.expect(204);
    items([3, 2, 5, 6, 0]).await;
    app.put(&team, json!({ "displayName": "sales", "members": [{ "value": bob }] })).await.expect(200);
    items([3, 2, 4, 7, 0]).await;
    app.delete(&format!("/Users/{bob}")).await.expect(204);
    items([2, 0, 3, 8, 1]).await;
    app.delete(&team).await.expect(204);
    items([1, 0, 2, 9, 2]).await;
    app.delete(&ann).await.expect(204);
    items([0, 0, 0, 10, 3]).await;
}

#[tokio::test]
async fn every_effective_change_has_one_record_that_says_who_and_what() {
    let app = App::start().await;
    let body = json!({ "userName": "ann", "title": "one", "password": "s3cret-one" });
    let created = app.post("/Users", body).await.expect(201);
    let (id, user) = (created.id(), format!("/Users/{}", created.id()));
    let put = json!({ "userName": "ann", "nickName": "A", "password": "s3cret-two" });
    let replaced = with_token(&app, OTHER_TOKEN, "PUT", &user, put).await.expect(200);
    let group = app.post("/Groups", json!({ "displayName": "Team", "members": [{ "value": id }] })).await.expect(201);
    let team = format!("/Groups/{}", group.id());
    let operations = json!([
        { "op": "add", "path": "nickName", "value": "B" },
        { "op": "replace", "path": "password", "value": "s3cret-three" },
    ]);
    let patched = app.operations(&user, operations).await.expect(200);
    let regrouped = json!([{ "op": "remove", "path": format!("members[value eq \"{id}\"]") }]);
    let regrouped = app.operations(&team, regrouped).await.expect(204);
    let joined = app.operations(&team, json!([{ "op": "add", "path": "members", "value": [{ "value": id }] }])).await;
    let deleted = app.delete(&user).await.expect(204);

    // Neither what changes nothing nor what is refused leaves a record.
    let before = app.dump().await;
    app.operations(&team, json!([{ "op": "replace", "path": "displayName", "value": "Team" }])).await.expect(204);
    app.put(&team, json!({ "displayName": "Team" })).await.expect(200);
    app.operations(&team, json!([{ "op": "remove", "path": "members" }])).await.expect(204);
    app.post("/Groups", json!({ "displayName": "TEAM" })).await.is_error(409, Some("uniqueness"));
    app.delete(&user).await.is_error(404, None);
    app.put(&team, json!({})).await.is_error(400, Some("invalidValue"));
    assert_eq!(app.dump().await, before);

    let records = changes(&app).await;
    let member = json!({ "members": [{ "value": id }] });
    let record = |operation: &str, answer: &Answer, of: &Answer, actor: &str, before: Value, after: Value| {
        let kind = if of.id() == id { "User" } else { "Group" };
        let changes = json!({ "before": before, "after": after });
        (operation.to_owned(), kind.to_owned(), of.id(), actor.to_owned(), request_id(answer), changes)
    };
    let new = json!({ "userName": "ann", "title": "one", "active": true });
    let team = json!({ "displayName": "Team", "members": [{ "value": id }] });
    let last = json!({ "userName": "ann", "nickName": "B", "active": true, "groups": [{ "value": group.id() }] });
    let expected = [
        record("create", &created, &created, "entra", json!({}), new),
        record("replace", &replaced, &created, "okta", json!({ "title": "one" }), json!({ "nickName": "A" })),
        record("create", &group, &group, "entra", json!({}), team),
        record("patch", &patched, &created, "entra", json!({ "nickName": "A" }), json!({ "nickName": "B" })),
        record("patch", &regrouped, &group, "entra", member.clone(), json!({})),
        record("patch", &joined, &group, "entra", json!({}), member),
        record("delete", &deleted, &created, "entra", last, json!({})),
    ];
    assert_eq!(records.len(), expected.len(), "{records:#?}");
    for (record, expected) in records.iter().zip(&expected) {
        assert_eq!(record, expected);
    }
    let dump = app.dump().await;
    let text = format!("{dump:?}");
    for secret in ["s3cret", "password", TOKEN, OTHER_TOKEN] {
        assert!(!text.contains(secret), "the table holds '{secret}'");
    }
    invariants::invariants(&dump);
}

#[tokio::test]
async fn a_deleted_resource_leaves_a_tombstone_and_its_id_to_nobody() {
    let app = App::start().await;
    let mut ids = BTreeSet::new();
    for _ in 0..5 {
        let ann = app.post("/Users", json!({ "userName": "Ann", "displayName": "Ann Lee" })).await.expect(201).id();
        let team = app.group("Team", &[&ann]).await;
        let ends = [
            ("USER", format!("/Users/{ann}"), &ann, json!("Ann"), json!("Ann Lee")),
            ("GROUP", format!("/Groups/{team}"), &team, Value::Null, json!("Team")),
        ];
        for (kind, path, id, user_name, display_name) in ends {
            app.delete(&path).await.expect(204);
            let left = item(&app, &format!("GONE#{kind}"), id).await;
            assert_eq!((&left["userName"], &left["displayName"]), (&user_name, &display_name), "{left}");
            assert!(left["deleted"].as_str().unwrap().starts_with("20"), "{left}");
            assert!(ids.insert(id.clone()), "{id} was used twice");
            app.get(&path).await.is_error(404, None);
            app.delete(&path).await.is_error(404, None);
            app.put(&path, json!({ "userName": "Ann", "displayName": "Team" })).await.is_error(404, None);
        }
        is_intact(&app).await;
    }
    // A client cannot choose an id, nor bring one back.
    let old = ids.first().unwrap().clone();
    let again = app.post("/Users", json!({ "userName": "Ann", "id": old })).await.expect(201);
    assert!(!ids.contains(&again.id()));
}

#[tokio::test]
async fn tenants_do_not_see_each_other_and_may_use_the_same_names() {
    let app = App::start().await;
    let body = json!({ "userName": "ann@example.com", "externalId": "E1", "emails": [{ "value": "ann@example.com" }] });
    let ours = app.post("/Users", body.clone()).await.expect(201).id();
    let our_team = app.group("Team", &[&ours]).await;
    let acme = async |method: &str, path: &str, body: Value| with_token(&app, ACME_TOKEN, method, path, body).await;
    for endpoint in ["/Users", "/Groups"] {
        assert_eq!(acme("GET", endpoint, Value::Null).await.expect(200).total(), 0);
    }
    let theirs = acme("POST", "/Users", body).await.expect(201).id();
    let their_team = acme("POST", "/Groups", json!({ "displayName": "Team", "members": [{ "value": theirs }] })).await;
    let their_team = their_team.expect(201).id();
    for (filter, expected) in [
        ("userName%20eq%20%22ann@example.com%22".to_owned(), vec![theirs.clone()]),
        ("externalId%20eq%20%22E1%22".into(), vec![theirs.clone()]),
        ("emails%20eq%20%22ann@example.com%22".into(), vec![theirs.clone()]),
        ("userName%20pr".into(), vec![theirs.clone()]),
        (format!("id%20eq%20%22{ours}%22"), vec![]),
        (format!("groups.value%20eq%20%22{our_team}%22"), vec![]),
        (format!("groups.value%20eq%20%22{their_team}%22"), vec![theirs.clone()]),
    ] {
        let found = acme("GET", &format!("/Users?filter={filter}"), Value::Null).await.expect(200);
        assert_eq!((found.ids(), found.total()), (expected.clone(), expected.len() as u64), "{filter}");
    }
    // A member of another tenant does not exist.
    let add = json!({ "Operations": [{ "op": "add", "path": "members", "value": [{ "value": ours }] }] });
    acme("PATCH", &format!("/Groups/{their_team}"), add).await.is_error(400, Some("invalidValue"));
    for path in [format!("/Users/{ours}"), format!("/Groups/{our_team}")] {
        let before = app.dump().await;
        let body = json!({ "userName": "x", "displayName": "x" });
        acme("GET", &path, Value::Null).await.is_error(404, None);
        acme("PUT", &path, body).await.is_error(404, None);
        acme("PATCH", &path, json!({ "Operations": [{ "op": "replace", "path": "externalId", "value": "x" }] }))
            .await
            .is_error(404, None);
        acme("DELETE", &path, Value::Null).await.is_error(404, None);
        assert_eq!(app.dump().await, before);
    }
    acme("DELETE", &format!("/Users/{theirs}"), Value::Null).await.expect(204);
    acme("DELETE", &format!("/Groups/{their_team}"), Value::Null).await.expect(204);
    assert_eq!(members(&app, &our_team).await, [ours].into());
    is_intact(&app).await;
}
