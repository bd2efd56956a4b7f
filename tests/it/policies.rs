//! The roles of the functions allow what the functions ask of the table, and nothing else. Every other test runs under
//! these roles and fails by a call that is not allowed; here each function is made to need all that it is allowed.

use crate::big_groups::cut::{Point, cut};
use crate::big_groups::table::{group_of, people};
use crate::harness::App;
use crate::template::TEMPLATE;
use scimlet::http::{Api, sweep};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// More memberships than one transaction holds.
const MANY: usize = 120;

fn add(members: &[String]) -> Value {
    let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
    json!([{ "op": "add", "path": "members", "value": members }])
}

fn patch(operations: Value) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations })
}

async fn bulk(app: &App, method: &str, path: &str, data: Value) {
    let operation = json!({ "method": method, "path": path, "bulkId": "b", "data": data });
    let request = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [operation],
    });
    let answer = app.post("/Bulk", request).await.expect(200);
    assert!(answer.body["Operations"][0]["status"].as_str().unwrap().starts_with('2'), "{}", answer.text);
}

/// A group whose large change is committed and not applied.
async fn left_behind(app: &App, name: &str, members: &[String]) -> String {
    let group = group_of(app, name, &members[..1]).await;
    cut(app, Point::Committed(0), "PATCH", &format!("/Groups/{group}"), &patch(add(members))).await;
    group
}

async fn users(app: &App) {
    let ids = people(app, "user", MANY).await;
    let ann = app.user("ann@example.com").await;
    app.group("Team", &[&ann]).await;
    let path = format!("/Users/{ann}");
    app.get(&path).await.expect(200);
    app.get("/Users?count=10&sortBy=userName").await.expect(200);
    app.find("/Users", "userName eq \"ann@example.com\" or title pr").await.expect(200);
    let schemas = json!(["urn:ietf:params:scim:schemas:core:2.0:User"]);
    app.put(&path, json!({ "schemas": schemas, "userName": "anna@example.com" })).await.expect(200);
    app.operations(&path, json!([{ "op": "replace", "path": "active", "value": false }])).await.expect(200);
    app.delete(&path).await.expect(204);
    // Who is in more groups than one transaction can be told of leaves them by a redo.
    for number in 0..MANY {
        group_of(app, &format!("Of one user {number}"), &ids[..1]).await;
    }
    app.delete(&format!("/Users/{}", ids[0])).await.expect(204);
}

async fn groups(app: &App) {
    let ids = people(app, "member", MANY).await;
    let group = app.group("Many", &[&ids[0]]).await;
    let path = format!("/Groups/{group}");
    app.operations(&path, add(&ids)).await.expect(204);
    app.operations(&path, json!([{ "op": "remove", "path": format!("members[value eq \"{}\"]", ids[1]) }])).await;
    app.get(&path).await.expect(200);
    app.find("/Groups", "displayName sw \"M\"").await.expect(200);
    app.put(&path, json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Few" })).await;
    app.delete(&path).await.expect(204);
}

async fn bulks(app: &App) {
    let ids = people(app, "bulk", MANY).await;
    let group = app.group("Bulk", &[]).await;
    bulk(app, "PATCH", &format!("/Groups/{group}"), patch(add(&ids))).await;
    bulk(app, "DELETE", &format!("/Users/{}", ids[0]), Value::Null).await;
    bulk(app, "DELETE", &format!("/Groups/{group}"), Value::Null).await;
    bulk(app, "POST", "/Users", json!({ "userName": "beth@example.com" })).await;
}

async fn searches(app: &App) {
    let ids = people(app, "found", MANY).await;
    left_behind(app, "Left to a search", &ids).await;
    for (endpoint, filter) in [
        ("/Users", "userName eq \"found1@example.com\""),
        ("/Users", "title pr"),
        ("/Groups", "members.value pr"),
        ("", "displayName sw \"Left\""),
    ] {
        let request = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": filter, "count": 10,
        });
        app.post(&format!("{endpoint}/.search"), request).await.expect(200);
    }
}

async fn sweeps(app: &App) {
    let ids = people(app, "swept", MANY).await;
    left_behind(app, "Left to the sweep", &ids).await;
    let staged = group_of(app, "Never committed", &ids[..1]).await;
    cut(app, Point::Staged, "PATCH", &format!("/Groups/{staged}"), &patch(add(&ids))).await;
    let api = Api::new(app.config.clone(), app.store_of("sweep"));
    sweep(&api, Duration::from_secs(60), Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn each_function_needs_all_that_its_role_allows() {
    let app = App::start_with(&[("SCIM_BREAKER_SHARE", "100"), ("SCIM_TOKEN_LAST_USE", "1")]).await;
    users(&app).await;
    groups(&app).await;
    bulks(&app).await;
    searches(&app).await;
    sweeps(&app).await;
    app.get("/ServiceProviderConfig").await.expect(200);
    app.get("/Me").await.is_error(501, None);
    let seen: BTreeMap<_, _> = TEMPLATE.functions.keys().map(|handler| (handler, app.seen.of(handler))).collect();
    let allowed: BTreeMap<_, _> = TEMPLATE.functions.iter().map(|(handler, it)| (handler, it.calls.clone())).collect();
    assert_eq!(seen, allowed, "what was seen, and what template.yaml allows");
}

#[test]
fn beside_the_table_a_role_allows_its_own_log_and_the_key_of_the_table() {
    for (handler, function) in &TEMPLATE.functions {
        let logs = format!("!GetAtt {}{}Logs.Arn", handler[..1].to_uppercase(), &handler[1..]);
        let log = ["logs:CreateLogStream", "logs:PutLogEvents"].map(|action| (action.to_owned(), logs.clone()));
        let key = |action: &str| (format!("kms:{action}"), "!Ref TableKeyArn".to_owned());
        let mut expected = BTreeSet::from(log);
        if !function.calls.is_empty() {
            expected.extend(["Decrypt", "DescribeKey"].map(key));
        }
        if function.calls.iter().any(|call| call.starts_with("TransactWriteItems")) {
            expected.extend(["Encrypt", "GenerateDataKey*", "ReEncrypt*"].map(key));
        }
        assert_eq!(function.others, expected, "{handler}");
    }
}
