//! The bounds that no other module tests: at each a request is carried out, and one past it is refused with an error that
//! names bound and remedy. `docs/limits.md` has all of them.

use crate::guarantees::users;
use crate::harness::{Answer, App};
use scimlet::protocol::patch::{self, MAX_COMPARED_BYTES};
use scimlet::protocol::quirks::Quirks;
use scimlet::protocol::schema::{ResourceType, Schemas};
use serde_json::{Map, Value, json};

mod document;
mod growth;

const EXTENSION: &str = "urn:example:2.0:Note";

#[track_caller]
fn refused(answer: &Answer, status: u16, scim_type: Option<&str>, words: &[&str]) {
    answer.is_error(status, scim_type);
    for word in words {
        assert!(answer.detail().contains(word), "no {word:?} in {:?}", answer.detail());
    }
}

fn attributes(count: usize) -> Map<String, Value> {
    (0..count).map(|number| (format!("a{number}"), json!(number))).collect()
}

/// `[[…]]`, so many levels.
fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

#[tokio::test]
async fn an_object_has_2000_attributes() {
    let app = App::start().await;
    let with = |count: usize| json!({ "userName": format!("of-{count}"), EXTENSION: attributes(count) });
    let one = format!("/Users/{}", app.post("/Users", with(2000)).await.expect(201).id());
    let words = ["2000 attributes"];
    refused(&app.post("/Users", with(2001)).await, 413, None, &words);
    refused(&app.put(&one, with(2001)).await, 413, None, &words);
    // userName, active, schemas and 1997 more.
    let mut whole = attributes(1997);
    whole.insert("userName".into(), json!("whole"));
    let two = format!("/Users/{}", app.post("/Users", whole.clone().into()).await.expect(201).id());
    let add = |attribute: &str| json!([{ "op": "add", "value": { attribute: 1 } }]);
    app.operations(&two, add("a1996")).await.expect(200);
    refused(&app.operations(&two, add("a1997")).await, 413, None, &words);
    refused(
        &app.operations(&one, json!([{ "op": "add", "value": { EXTENSION: { "more": 1 } } }])).await,
        413,
        None,
        &words,
    );
    // As operations count those that a value without a path sets.
    let merge = json!([{ "op": "add", "value": { EXTENSION: attributes(1001) } }]);
    refused(&app.operations(&two, merge).await, 413, None, &["1000 operations"]);
    whole.insert("a1997".into(), json!(1));
    refused(&app.post("/Users", whole.into()).await, 413, None, &words);
    let inner = json!({ "userName": "inner", "x": [{ "y": attributes(2001) }] });
    refused(&app.post("/Users", inner).await, 413, None, &words);
}

#[tokio::test]
async fn an_attribute_has_5000_values() {
    let app = App::start().await;
    let values = |from: usize, count: usize| -> Vec<Value> {
        (from..from + count).map(|number| json!({ "value": format!("e{number}") })).collect()
    };
    let user = |count: usize| json!({ "userName": "many", "entitlements": values(0, count) });
    refused(&app.post("/Users", user(5001)).await, 413, None, &["'entitlements'", "5001", "5000"]);
    let one = format!("/Users/{}", app.post("/Users", user(5000)).await.expect(201).id());
    let add = |path: &str, values: Vec<Value>| json!([{ "op": "add", "path": path, "value": values }]);
    // Who is there already is not added.
    app.operations(&one, add("entitlements", values(4000, 1000))).await.expect(200);
    for more in [values(5000, 1), values(4000, 1001)] {
        let answer = app.operations(&one, add("entitlements", more)).await;
        refused(&answer, 413, None, &["'entitlements'", "5001", "5000"]);
    }
    let new = json!([{ "op": "add", "path": "entitlements[value eq \"new\"].display", "value": "x" }]);
    refused(&app.operations(&one, new).await, 413, None, &["'entitlements'"]);
    let numbers = |from: usize, count: usize| (from..from + count).map(Value::from).collect::<Vec<_>>();
    let unknown = |values: Vec<Value>| json!([{ "op": "add", "value": { "badges": values } }]);
    app.operations(&one, unknown(numbers(0, 5000))).await.expect(200);
    refused(&app.operations(&one, unknown(numbers(4999, 2))).await, 413, None, &["'badges'"]);
}

#[tokio::test]
async fn a_value_is_nested_32_levels_and_a_body_127() {
    let app = App::start().await;
    let user = |levels: usize| json!({ "userName": format!("deep-{levels}"), "x": nested(levels) });
    let one = format!("/Users/{}", app.post("/Users", user(32)).await.expect(201).id());
    let words = ["32 levels"];
    refused(&app.post("/Users", user(33)).await, 400, Some("invalidValue"), &words);
    refused(&app.put(&one, user(33)).await, 400, Some("invalidValue"), &words);
    let add = json!([{ "op": "add", "value": { "y": nested(33) } }]);
    refused(&app.operations(&one, add).await, 400, Some("invalidValue"), &words);
    // The object around it is a level too.
    refused(&app.post("/Users", user(126)).await, 400, Some("invalidValue"), &words);
    refused(&app.post("/Users", user(127)).await, 400, Some("invalidSyntax"), &["recursion limit"]);
}

#[tokio::test]
async fn a_list_of_names_has_500() {
    let app = App::start().await;
    app.user("ann@example.com").await;
    let names = |count: usize| (0..count).map(|number| format!("a{number}")).collect::<Vec<_>>();
    for parameter in ["attributes", "excludedAttributes"] {
        let query = |count: usize| format!("/Users?{parameter}={}", names(count).join(","));
        app.get(&query(500)).await.expect(200);
        refused(&app.get(&query(501)).await, 400, Some("invalidValue"), &[parameter, "500"]);
        let search = |count: usize| json!({ parameter: names(count) });
        app.post("/Users/.search", search(500)).await.expect(200);
        refused(&app.post("/.search", search(501)).await, 400, Some("invalidValue"), &[parameter, "500"]);
    }
}

#[tokio::test]
async fn a_page_has_100_resources() {
    let app = App::start().await;
    users(&app, 101).await;
    for (count, expected) in [("100", 100), ("101", 100), ("9223372036854775807", 100)] {
        let page = app.get(&format!("/Users?count={count}")).await.expect(200);
        assert_eq!((page.ids().len(), page.total()), (expected, 101), "{count}");
    }
    let next = app.get("/Users?startIndex=101").await.expect(200);
    assert_eq!(next.ids().len(), 1);
}

/// A name that a client gives its request is kept with the change if it is short and plain; else the request has none.
#[tokio::test]
async fn the_clients_name_of_a_request_has_128_bytes() {
    let app = App::start().await;
    for (bytes, is_kept) in [(128, true), (129, false)] {
        let name = "n".repeat(bytes);
        let user = json!({ "userName": format!("of-{bytes}") });
        let headers = [("content-type", "application/scim+json"), ("x-request-id", name.as_str())];
        app.send("POST", "/Users", &headers, Some(user.to_string().into_bytes())).await.expect(201);
        let kept = app.dump().await.values().any(|item| item["clientRequestId"] == json!(name));
        assert_eq!(kept, is_kept, "{bytes}");
    }
}

/// API Gateway lets 10,240 bytes through. What comes in another way costs what it takes to read it.
#[tokio::test]
async fn what_a_client_writes_around_a_body_may_be_long() {
    let app = App::start().await;
    let long = "x".repeat(60_000);
    let header = |name| vec![(name, long.as_str())];
    app.send("GET", "/Users", &header("authorization"), None).await.is_error(401, None);
    for name in ["x-request-id", "if-match", "if-none-match", "accept", "accept-encoding", "host", "x-forwarded-proto"]
    {
        app.send("GET", "/Users", &header(name), None).await.expect(200);
    }
    app.get(&format!("/Users/{long}")).await.is_error(404, None);
    app.get(&format!("/{}", "a/".repeat(30_000))).await.is_error(404, None);
    app.get(&format!("/Users?{}", "a=b&".repeat(15_000))).await.expect(200);
    refused(&app.get(&format!("/Users?filter={long}")).await, 400, Some("invalidFilter"), &["8192"]);
    refused(&app.get(&format!("/Users?cursor={long}")).await, 400, Some("invalidCursor"), &["cursor"]);
    for parameter in ["sortBy", "startIndex", "count", "sortOrder", "attributes"] {
        let answer = app.get(&format!("/Users?{parameter}={long}")).await;
        assert!(matches!(answer.status, 200 | 400), "{parameter}: {}", answer.text);
    }
}

#[test]
fn value_filters_of_one_patch_are_compared_with_262_144_000_bytes() {
    let schemas = Schemas::load(true).unwrap();
    let schema = schemas.of(ResourceType::User);
    // 500 operations of two terms each, then what makes the resource small enough to be kept.
    let operations = |bytes: usize| {
        let value = "x".repeat(MAX_COMPARED_BYTES / 1000 - r#"[{"value":""}]"#.len() + bytes);
        let user = json!({ "userName": "ann", "active": true, "entitlements": [{ "value": value }] });
        let none = json!({ "op": "remove", "path": "entitlements[not (value pr) and not (value pr)]" });
        let mut operations = vec![none; 500];
        operations.push(json!({ "op": "remove", "path": "entitlements" }));
        let operations = patch::parse(schema, &json!({ "Operations": operations }), &mut Quirks::default()).unwrap();
        patch::apply(schema, user.as_object().unwrap(), &operations, &mut Quirks::default())
    };
    assert_eq!(operations(0).unwrap().get("entitlements"), None);
    let error = operations(1).unwrap_err();
    assert_eq!(error.status, 413);
    assert!(error.detail.contains(&MAX_COMPARED_BYTES.to_string()), "{}", error.detail);
    assert!(error.detail.contains("several requests"), "{}", error.detail);
}

#[tokio::test]
async fn value_filters_of_one_patch_are_compared_with_a_million_members() {
    let app = App::start().await;
    let people = users(&app, 101).await;
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let ten_terms = ["type eq \"Group\""; 10].join(" and ");
    let remove = json!({ "op": "remove", "path": format!("members[{ten_terms}]") });
    let operations = json!(vec![remove; 1000]);
    let (fits, over) = (app.group("Fits", &people[..100]).await, app.group("Over", &people).await);
    app.operations(&format!("/Groups/{fits}"), operations.clone()).await.expect(204);
    let before = app.dump().await;
    let answer = app.operations(&format!("/Groups/{over}"), operations).await;
    refused(&answer, 413, None, &["10000 comparisons", "101 members", "1000000"]);
    assert_eq!(app.dump().await, before);
    // One term is compared with however many there are, and what precedes a whole list costs nothing.
    let all = json!([{ "op": "remove", "path": "members[type eq \"User\"]" }]);
    app.operations(&format!("/Groups/{over}"), all).await.expect(204);
    assert_eq!(app.get(&format!("/Groups/{over}")).await.body.get("members"), None);
}
