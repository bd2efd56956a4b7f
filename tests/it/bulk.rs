//! Bulk requests (RFC 7644 section 3.7): what the answer says of each operation, and what the table holds afterwards.

use crate::guarantees::{is_intact, users};
use crate::harness::{Answer, App};
use crate::requirements::refused;
use serde_json::{Value, json};

mod circles;
mod references;

const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
const REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// An id that no resource has.
const NOBODY: &str = "2819c223-7f76-453a-919d-413861904646";

fn operation(method: &str, path: &str, data: Value) -> Value {
    let mut operation = json!({ "method": method, "path": path, "data": data });
    if data == Value::Null {
        operation.as_object_mut().unwrap().shift_remove("data");
    }
    operation
}

/// A POST whose bulkId is `bulk_id`.
fn post(path: &str, bulk_id: &str, data: Value) -> Value {
    let mut operation = operation("POST", path, data);
    operation["bulkId"] = bulk_id.into();
    operation
}

/// A POST of a user whose userName is its bulkId.
fn user(name: &str) -> Value {
    post("/Users", name, json!({ "userName": name }))
}

/// A POST of a group whose displayName is its bulkId, and whose members are the values.
fn group(name: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|value| json!({ "value": value })).collect();
    post("/Groups", name, json!({ "displayName": name, "members": members }))
}

fn patch(path: &str, operations: Value) -> Value {
    operation("PATCH", path, json!({ "Operations": operations }))
}

fn versioned(mut operation: Value, version: &str) -> Value {
    operation["version"] = version.into();
    operation
}

async fn request(app: &App, body: Value) -> Answer {
    app.post("/Bulk", body).await
}

/// What the answer says of each operation that was done; the message is as section 3.7.3 has it.
async fn some(app: &App, fail_on_errors: Option<u64>, operations: &[Value]) -> Vec<Value> {
    let mut body = json!({ "schemas": [REQUEST], "Operations": operations });
    if let Some(limit) = fail_on_errors {
        body["failOnErrors"] = limit.into();
    }
    let answer = request(app, body).await.expect(200);
    assert_eq!(answer.body["schemas"], json!([RESPONSE]));
    assert_eq!(answer.body.as_object().unwrap().len(), 2, "{}", answer.text);
    is_intact(app).await;
    let outcomes = answer.body["Operations"].as_array().unwrap().clone();
    outcomes.iter().for_each(is_an_outcome);
    outcomes
}

#[track_caller]
fn is_an_outcome(outcome: &Value) {
    const KNOWN: [&str; 6] = ["location", "method", "bulkId", "version", "status", "response"];
    assert!(outcome.as_object().unwrap().keys().all(|name| KNOWN.contains(&name.as_str())), "{outcome}");
    let status: u16 = outcome["status"].as_str().unwrap().parse().unwrap();
    let (is_post, failed) = (outcome["method"] == "POST", status >= 400);
    if failed {
        assert_eq!(outcome["response"]["schemas"], json!([ERROR]), "{outcome}");
        assert_eq!(outcome["response"]["status"], outcome["status"], "{outcome}");
        assert!(outcome["response"]["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{outcome}");
        assert!(!is_post || outcome.get("location").is_none(), "a failed POST has no location: {outcome}");
    } else {
        assert!([200, 201, 204].contains(&status), "{outcome}");
        assert!(outcome.get("response").is_none(), "{outcome}");
        let location = outcome["location"].as_str().unwrap_or_else(|| panic!("no location: {outcome}"));
        assert!(location.starts_with("http://scim.test/scim/v2/") && !location.contains("bulkId"), "{outcome}");
        assert!(!is_post || outcome["version"].is_string(), "no version: {outcome}");
    }
}

/// What the answer says of each operation: all of them, in the order of the request.
async fn bulk(app: &App, operations: &[Value]) -> Vec<Value> {
    let outcomes = some(app, None, operations).await;
    assert_eq!(outcomes.len(), operations.len(), "{outcomes:#?}");
    for (operation, outcome) in operations.iter().zip(&outcomes) {
        assert_eq!(outcome.get("bulkId"), operation.get("bulkId").filter(|name| name.is_string()), "{outcome}");
        if operation["method"].is_string() {
            assert_eq!(outcome["method"], operation["method"], "{outcome}");
        }
    }
    outcomes
}

fn status(outcome: &Value) -> u16 {
    outcome["status"].as_str().unwrap().parse().unwrap()
}

fn statuses(outcomes: &[Value]) -> Vec<u16> {
    outcomes.iter().map(status).collect()
}

/// Asserts that an operation failed with this SCIM error.
#[track_caller]
fn is_error(outcome: &Value, expected: u16, scim_type: Option<&str>) {
    assert_eq!(status(outcome), expected, "{outcome}");
    assert_eq!(outcome["response"].get("scimType").and_then(Value::as_str), scim_type, "{outcome}");
}

/// The id in the location.
fn id(outcome: &Value) -> String {
    let location = outcome["location"].as_str().unwrap_or_else(|| panic!("no location: {outcome}"));
    location.rsplit('/').next().unwrap().to_owned()
}

/// The resource at the location.
async fn at(app: &App, outcome: &Value) -> Value {
    let location = outcome["location"].as_str().unwrap_or_else(|| panic!("no location: {outcome}"));
    app.get(location.split_once("scim.test").unwrap().1).await.expect(200).body
}

async fn total(app: &App, endpoint: &str) -> u64 {
    app.get(&format!("{endpoint}?count=0")).await.expect(200).total()
}

/// The same operation as a request of its own.
async fn alone(app: &App, operation: &Value) -> Answer {
    let text = |name: &str| operation[name].as_str();
    let mut headers = vec![("content-type", "application/scim+json")];
    headers.extend(text("version").map(|version| ("if-match", version)));
    let body = operation.get("data").map(|data| data.to_string().into_bytes());
    app.send(text("method").unwrap(), text("path").unwrap(), &headers, body).await
}

/// Every resource without its `meta`, each id replaced by the name.
async fn state(app: &App) -> String {
    let mut lists = Vec::new();
    let mut names = Vec::new();
    for (endpoint, name) in [("/Users", "userName"), ("/Groups", "displayName")] {
        let mut resources = app.get(endpoint).await.expect(200).body["Resources"].as_array().unwrap().clone();
        for resource in &mut resources {
            resource.as_object_mut().unwrap().shift_remove("meta");
            names.push((resource["id"].as_str().unwrap().to_owned(), resource[name].as_str().unwrap().to_owned()));
        }
        resources.sort_by_key(|resource| resource[name].to_string());
        lists.push(resources);
    }
    names.iter().fold(json!(lists).to_string(), |text, (id, name)| text.replace(id, name))
}

#[tokio::test]
async fn rfc7644_section_3_7_each_operation_does_what_its_single_request_does() {
    let (together, one_by_one) = (App::start().await, App::start().await);
    let mut answers = Vec::new();
    for (app, at_once) in [(&together, true), (&one_by_one, false)] {
        let ids = users(app, 4).await;
        let paths: Vec<String> = ids.iter().map(|id| format!("/Users/{id}")).collect();
        let team = format!("/Groups/{}", app.group("Team", &[&ids[0], &ids[1]]).await);
        let nobody = format!("/Users/{NOBODY}");
        let operations = [
            user("new"),
            operation("PUT", &paths[0], json!({ "userName": "put", "title": "T" })),
            patch(&paths[1], json!([{ "op": "replace", "path": "active", "value": false }])),
            operation("DELETE", &paths[2], Value::Null),
            group("Empty", &[]),
            patch(&team, json!([{ "op": "add", "path": "members", "value": [{ "value": ids[3] }] }])),
            operation("PUT", &team, json!({ "displayName": "Crew", "members": [{ "value": ids[3] }] })),
            patch(&team, json!([{ "op": "Replace", "value": { "externalId": "E" } }])),
            // Each of these fails.
            post("/Users", "wrong", json!({ "userName": 7 })),
            post("/Users", "nameless", json!({ "title": "T" })),
            post("/Groups", "stranger", json!({ "displayName": "Stranger", "members": [{ "value": NOBODY }] })),
            post("/Groups", "again", json!({ "displayName": "CREW" })),
            operation("PUT", &nobody, json!({ "userName": "x" })),
            patch(&nobody, json!([{ "op": "remove", "path": "title" }])),
            operation("DELETE", &nobody, Value::Null),
            patch(&paths[1], json!([{ "op": "replace", "path": "id", "value": "x" }])),
            patch(&paths[1], json!([{ "op": "swap" }])),
            patch(&paths[1], json!([{ "op": "add", "path": "emails[", "value": "x" }])),
            versioned(operation("PUT", &paths[1], json!({ "userName": "x" })), "W/\"99\""),
            versioned(operation("DELETE", &paths[1], Value::Null), "W/\"99\""),
        ];
        let mut answer = Vec::new();
        if at_once {
            let outcomes = bulk(app, &operations).await;
            answer.extend(outcomes.into_iter().map(|outcome| (status(&outcome), outcome["response"].clone())));
        } else {
            for operation in &operations {
                let Answer { status, body, .. } = alone(app, operation).await;
                answer.push((status, if status < 400 { Value::Null } else { body }));
            }
        }
        assert!(answer[..8].iter().all(|(status, _)| *status < 300), "{answer:#?}");
        assert!(answer[8..].iter().all(|(status, _)| *status >= 400), "{answer:#?}");
        // What differs between the two tables.
        let text = json!(answer).to_string().replace(&team[8..], "TEAM").replace(&ids[1], "USER");
        answers.push(text);
    }
    assert_eq!(answers[0], answers[1], "together (left) and one by one (right)");
    assert_eq!(state(&together).await, state(&one_by_one).await);
}

#[tokio::test]
async fn rfc7644_section_3_7_3_location_and_version_are_those_of_the_resource() {
    let app = App::start().await;
    let ids = users(&app, 3).await;
    let path = |index: usize| format!("/Users/{}", ids[index]);
    let outcomes = bulk(
        &app,
        &[
            user("ann"),
            versioned(operation("PUT", &path(0), json!({ "userName": "put" })), "W/\"1\""),
            versioned(patch(&path(1), json!([{ "op": "add", "path": "title", "value": "T" }])), "W/\"1\""),
            versioned(operation("DELETE", &path(2), Value::Null), "W/\"1\""),
        ],
    )
    .await;
    assert_eq!(statuses(&outcomes), [201, 200, 200, 204]);
    for (outcome, expected) in outcomes[1..].iter().zip(&ids) {
        assert_eq!(&id(outcome), expected);
    }
    for outcome in &outcomes[..3] {
        let meta = at(&app, outcome).await["meta"].clone();
        assert_eq!((&outcome["location"], &outcome["version"]), (&meta["location"], &meta["version"]));
    }
    app.get(&path(2)).await.is_error(404, None);
}

#[tokio::test]
async fn an_operation_that_cannot_be_read_costs_the_others_nothing() {
    let app = App::start().await;
    let lone = format!("/Users/{}", app.user("lone").await);
    let ann = json!({ "userName": "ann" });
    let bad = [
        json!(7),
        json!({}),
        operation("GET", &lone, Value::Null),
        json!({ "path": lone, "data": ann }),
        json!({ "method": "POST", "bulkId": "a", "data": ann }),
        json!({ "method": "POST", "bulkId": "b", "path": 7, "data": ann }),
        operation("POST", "/Users", ann.clone()),
        post("/Users", "c", Value::Null),
        post("/Users", "d", json!([ann])),
        post(&lone, "e", ann.clone()),
        post("/Schemas", "f", ann.clone()),
        post("/Bulk", "g", json!({ "Operations": [user("inner")] })),
        post("/Users/.search", "h", json!({})),
        operation("PUT", "/Users", ann.clone()),
        operation("PUT", &lone, Value::Null),
        operation("PATCH", &lone, Value::Null),
        operation("PATCH", &lone, json!([{ "op": "remove", "path": "title" }])),
        operation("DELETE", "/Users", Value::Null),
        operation("DELETE", "/Groups/", Value::Null),
    ];
    for bad in bad {
        let before = app.dump().await;
        let outcomes = bulk(&app, std::slice::from_ref(&bad)).await;
        assert_eq!(status(&outcomes[0]), 400, "{bad}: {}", outcomes[0]);
        assert_eq!(app.dump().await, before, "{bad}");
        let outcomes = bulk(&app, &[user("x"), bad.clone(), user("y")]).await;
        assert_eq!(statuses(&outcomes), [201, 400, 201], "{bad}");
        for outcome in [&outcomes[0], &outcomes[2]] {
            app.delete(&format!("/Users/{}", id(outcome))).await.expect(204);
        }
    }
}

#[tokio::test]
async fn a_version_that_is_not_the_resources_is_412_and_a_name_is_given_once() {
    let app = App::start().await;
    let path = format!("/Users/{}", app.user("ann").await);
    let team = format!("/Groups/{}", app.group("Team", &[]).await);
    let retitle = json!([{ "op": "add", "path": "title", "value": "T" }]);
    let rename = json!([{ "op": "replace", "path": "displayName", "value": "Crew" }]);
    let outcomes = bulk(
        &app,
        &[
            versioned(patch(&path, retitle.clone()), "W/\"1\""),
            versioned(patch(&path, retitle), "W/\"1\""),
            versioned(operation("PUT", &path, json!({ "userName": "x" })), "W/\"1\""),
            versioned(operation("DELETE", &path, Value::Null), "W/\"1\""),
            versioned(patch(&team, rename.clone()), "W/\"7\""),
            versioned(patch(&team, rename), "nonsense"),
            user("bob"),
            post("/Users", "other", json!({ "userName": "BOB" })),
        ],
    )
    .await;
    assert_eq!(statuses(&outcomes), [200, 412, 412, 412, 412, 412, 201, 409]);
    is_error(&outcomes[7], 409, Some("uniqueness"));
    assert_eq!(app.get(&path).await.expect(200).body["title"], "T");
    assert_eq!(app.get(&team).await.expect(200).body["displayName"], "Team");
    assert_eq!(total(&app, "/Users").await, 2);
}

#[tokio::test]
async fn rfc7644_section_3_7_3_fail_on_errors_ends_the_job() {
    let app = App::start().await;
    let bad = |name: &str| post("/Users", name, json!({ "userName": 7 }));
    let cases = [
        (Some(1), vec![201, 400]),
        (Some(2), vec![201, 400, 201, 400]),
        (Some(3), vec![201, 400, 201, 400, 201]),
        (Some(1000), vec![201, 400, 201, 400, 201]),
        (None, vec![201, 400, 201, 400, 201]),
    ];
    for (limit, expected) in cases {
        let outcomes = some(&app, limit, &[user("a"), bad("b"), user("c"), bad("d"), user("e")]).await;
        assert_eq!(statuses(&outcomes), expected, "failOnErrors {limit:?}");
        let created: Vec<&Value> = outcomes.iter().filter(|outcome| status(outcome) == 201).collect();
        assert_eq!(total(&app, "/Users").await, created.len() as u64, "failOnErrors {limit:?}");
        for outcome in created {
            app.delete(&format!("/Users/{}", id(outcome))).await.expect(204);
        }
    }
}

#[tokio::test]
async fn a_message_that_is_wrong_as_a_whole_does_nothing() {
    let app = App::start().await;
    let with = |fail_on_errors: Value| json!({ "failOnErrors": fail_on_errors, "Operations": [user("ann")] });
    for body in [with(json!(0)), with(json!(-1)), with(json!("1")), with(json!(1.5)), with(json!([1]))] {
        let answer = refused(&app, request(&app, body.clone()), 400, Some("invalidValue")).await;
        assert!(answer.detail().contains("failOnErrors"), "{body}: {}", answer.text);
    }
    for body in [json!([user("ann")]), json!({}), json!({ "Operations": user("ann") }), json!("x"), json!(null)] {
        refused(&app, request(&app, body), 400, Some("invalidSyntax")).await;
    }
    for twice in [[user("ann"), post("/Users", "ann", json!({ "userName": "bob" }))], [user("ann"), group("ann", &[])]]
    {
        let body = json!({ "Operations": twice });
        let answer = refused(&app, request(&app, body), 400, Some("invalidValue")).await;
        assert!(answer.detail().contains("ann"), "{}", answer.text);
    }
    let body = json!({ "Operations": [user("ann")] }).to_string().into_bytes();
    let sent = app.send("POST", "/Bulk", &[("authorization", "Bearer wrong")], Some(body.clone()));
    refused(&app, sent, 401, None).await;
    let sent = app.send("POST", "/Bulk", &[("content-type", "text/plain")], Some(body));
    refused(&app, sent, 415, None).await;
    refused(&app, app.send("POST", "/Bulk", &[], Some(b"{".to_vec())), 400, Some("invalidSyntax")).await;
}

#[tokio::test]
async fn rfc7644_section_3_7_4_the_limits_are_published_kept_and_named() {
    let app = App::start().await;
    let config = app.get("/ServiceProviderConfig").await.expect(200).body;
    assert_eq!(config["bulk"], json!({ "supported": true, "maxOperations": 1000, "maxPayloadSize": 4_194_304 }));

    let bad = json!({ "method": "GET", "path": "/Users" });
    let outcomes = bulk(&app, &vec![bad.clone(); 1000]).await;
    assert!(outcomes.iter().all(|outcome| status(outcome) == 400));
    let mut over = vec![user("ann")];
    over.extend(vec![bad; 1000]);
    let answer = refused(&app, request(&app, json!({ "Operations": over })), 413, None).await;
    assert!(answer.detail().contains("1000"), "{}", answer.text);

    let padded = |bytes: usize| {
        let mut body = json!({ "Operations": [user("ann")] }).to_string().into_bytes();
        body.resize(bytes, b' ');
        app.send("POST", "/Bulk", &[("content-type", "application/scim+json")], Some(body))
    };
    let answer = refused(&app, padded(4_194_305), 413, None).await;
    assert!(answer.detail().contains("4194304"), "{}", answer.text);
    assert_eq!(padded(4_194_304).await.expect(200).body["Operations"][0]["status"], "201");
}

#[tokio::test]
async fn only_post_is_bulk() {
    let app = App::start().await;
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        let answer = app.send(method, "/Bulk", &[], None).await;
        answer.is_error(405, None);
        assert_eq!(answer.headers["allow"], "POST", "{method}");
    }
}
