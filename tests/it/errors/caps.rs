//! What is too much: past each cap 413, at the cap carried out.

use super::{Stage, patch};
use crate::guarantees::{is_intact, item};
use serde_json::{Value, json};

const MIB: usize = 1024 * 1024;
const MAX_RESOURCE_BYTES: usize = 256 * 1024;

#[tokio::test]
async fn a_body_over_4_mib_is_413_and_one_of_4_mib_is_read() {
    let stage = Stage::set().await;
    let padded = |text: &str, bytes: usize| format!("{text}{}", " ".repeat(bytes - text.len()));
    for (method, path) in stage.bodies() {
        let body = padded("{\"userName\":\"new@example.com\"}", 4 * MIB + 1);
        stage.refused(stage.raw(method, &path, body), 413, None, &["4194304"]).await;
    }
    stage.raw("POST", "/Users", padded("{\"userName\":\"new@example.com\"}", 4 * MIB)).await.expect(201);
    is_intact(&stage.app).await;
}

#[tokio::test]
async fn a_resource_over_256_kib_is_413_and_one_of_256_kib_is_kept() {
    let stage = Stage::set().await;
    for (kind, path, whole) in [
        ("USER", &stage.user, json!({ "userName": "ann@example.com", "active": true })),
        ("GROUP", &stage.group, json!({ "displayName": "Team", "members": [{ "value": stage.ann }] })),
    ] {
        let note = |bytes: usize| {
            let mut body = whole.clone();
            body["urn:example:2.0:Note"] = json!({ "text": "x".repeat(bytes) });
            body
        };
        stage.app.put(path, note(1)).await.expect(200);
        let id = path.rsplit('/').next().unwrap();
        let bytes = item(&stage.app, kind, id).await["resource"].as_str().unwrap().len() - 1;
        let fits = MAX_RESOURCE_BYTES - bytes;
        stage.app.put(path, note(fits)).await.expect(200);
        stage.refused(stage.app.put(path, note(fits + 1)), 413, None, &["262144", "262145"]).await;
        let grow = patch(json!([{ "op": "add", "path": "externalId", "value": "grown" }]));
        stage.refused(stage.app.patch(path, grow), 413, None, &["262144"]).await;
        assert_eq!(
            stage.app.get(path).await.expect(200).body["urn:example:2.0:Note"],
            note(fits)["urn:example:2.0:Note"]
        );
    }
    let body =
        json!({ "userName": "new@example.com", "urn:example:2.0:Note": { "text": "x".repeat(MAX_RESOURCE_BYTES) } });
    stage.refused(stage.app.post("/Users", body), 413, None, &["262144"]).await;
    is_intact(&stage.app).await;
}

/// The item holds the resource and copies of some of its attributes, and DynamoDB takes 400 KB. Whatever is said no to
/// is said no to by us.
#[tokio::test]
async fn what_no_item_can_hold_is_413() {
    let stage = Stage::set().await;
    let long = "x".repeat(250 * 1024);
    let words = ["bytes"];
    stage.refused(stage.app.post("/Users", json!({ "userName": long })), 413, None, &words).await;
    stage.refused(stage.app.put(&stage.user, json!({ "userName": long })), 413, None, &words).await;
    let replace = json!([{ "op": "replace", "path": "displayName", "value": long }]);
    stage.refused(stage.app.patch(&stage.user, patch(replace.clone())), 413, None, &words).await;
    stage.refused(stage.app.post("/Groups", json!({ "displayName": long })), 413, None, &words).await;
    stage.refused(stage.app.patch(&stage.group, patch(replace)), 413, None, &words).await;
    let member = json!({ "value": stage.ann, "display": "x".repeat(MIB) });
    let add = json!([{ "op": "add", "path": "members", "value": [member] }]);
    stage.refused(stage.app.patch(&stage.group, patch(add)), 413, None, &words).await;
    let many: Vec<Value> = (0..120).map(|number| json!({ "value": format!("ann{number}@example.com") })).collect();
    let body = json!({ "userName": "new@example.com", "emails": many });
    stage.refused(stage.app.post("/Users", body), 413, None, &["e-mail"]).await;
    let mut others = Vec::new();
    for number in 0..21 {
        let id = stage.app.user(&format!("other{number}@example.com")).await;
        others.push(json!({ "value": id, "display": "x".repeat(190 * 1024) }));
    }
    let add = json!([{ "op": "add", "path": "members", "value": others }]);
    stage.refused(stage.app.patch(&stage.group, patch(add)), 413, None, &words).await;
    is_intact(&stage.app).await;
}

#[tokio::test]
async fn more_than_1000_operations_are_413_and_1000_are_carried_out() {
    let stage = Stage::set().await;
    let operation = |number: usize| json!({ "op": "replace", "path": "title", "value": format!("title {number}") });
    let operations = |count: usize| patch((0..count).map(operation).collect());
    stage.refused(stage.app.patch(&stage.user, operations(1001)), 413, None, &["1000"]).await;
    assert_eq!(stage.app.patch(&stage.user, operations(1000)).await.expect(200).body["title"], "title 999");
    let ids: Vec<Value> = (0..1001).map(|number| json!({ "value": format!("nobody-{number}") })).collect();
    let remove = json!([{ "op": "remove", "path": "members", "value": ids }]);
    stage.refused(stage.app.patch(&stage.group, patch(remove)), 413, None, &["1000"]).await;
}

/// Far past each cap: refused in the time that reading the body takes, before anything is built of it.
#[tokio::test]
async fn what_is_far_too_much_is_refused_like_what_is_a_little_too_much() {
    let stage = Stage::set().await;
    let user = stage.user.clone();
    let search = |filter: String| json!({ "filter": filter });
    let deep = format!("{}userName pr{}", "(".repeat(1000), ")".repeat(1000));
    let nots = format!("{}userName pr{}", "not (".repeat(1000), ")".repeat(1000));
    let long = format!("userName eq \"{}\"", "x".repeat(MIB));
    let chain = vec!["userName eq \"x\""; 60_000].join(" or ");
    for filter in [deep, nots, long, chain] {
        stage
            .refused(stage.app.post("/Users/.search", search(filter)), 400, Some("invalidFilter"), &["expected"])
            .await;
    }
    let operation = json!({ "op": "replace", "path": "title", "value": "x" });
    let many = patch(vec![operation; 10_000].into());
    stage.refused(stage.app.patch(&user, many), 413, None, &["1000"]).await;
    let key = |number: usize| (format!("attribute{number}"), json!(number));
    let keys: serde_json::Map<String, Value> = (0..10_000).map(key).collect();
    let many = patch(json!([{ "op": "replace", "value": keys }]));
    stage.refused(stage.app.patch(&user, many), 413, None, &["1000"]).await;
    let bulk = json!({ "method": "DELETE", "path": user });
    stage.refused(stage.app.post("/Bulk", json!({ "Operations": vec![bulk; 10_000] })), 413, None, &["1000"]).await;
    let path = format!("emails[value eq \"{}\"]", "x".repeat(MIB));
    let long = patch(json!([{ "op": "remove", "path": path }]));
    stage.refused(stage.app.patch(&user, long), 400, Some("invalidPath"), &["4096"]).await;
}
