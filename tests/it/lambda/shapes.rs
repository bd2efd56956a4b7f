//! The shapes in which API Gateway hands over one request: payload 1.0 and 2.0, with and without a stage, a custom
//! domain, an encoded body, a query as it was written or in parts.

use super::{HOST, Returned, TOKEN, USER, function, invoke};
use crate::harness::App;
use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use scimlet::http::Route;
use scimlet::protocol::discovery::MAX_BODY_BYTES;
use serde_json::{Map, Value, json};

/// Payload 2.0, as an HTTP API sends it: one value a header, names in lower case.
pub(super) fn http_api(method: &str, path: &str, query: &str) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": { "authorization": format!("Bearer {TOKEN}"), "host": HOST, "x-forwarded-proto": "https" },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "domainName": HOST,
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.25" },
            "requestId": "v4NItBB9qqzxVK4=",
            "stage": "$default",
        },
        "isBase64Encoded": false,
    })
}

/// Payload 1.0, as a REST API sends it on its own domain, where the path that the client wrote has the stage `prod`.
pub(super) fn rest_api(method: &str, path: &str, query: &[(&str, &[&str])]) -> Value {
    let all: Map<String, Value> = query.iter().map(|(name, values)| ((*name).to_owned(), json!(values))).collect();
    let last: Map<String, Value> =
        query.iter().map(|(name, values)| ((*name).to_owned(), json!(values.last()))).collect();
    let authorization = format!("Bearer {TOKEN}");
    json!({
        "resource": "/scim/v2/Users",
        "path": path,
        "httpMethod": method,
        "headers": { "Authorization": authorization, "Host": HOST, "X-Forwarded-Proto": "https" },
        "multiValueHeaders": { "Authorization": [authorization], "Host": [HOST], "X-Forwarded-Proto": ["https"] },
        "queryStringParameters": last,
        "multiValueQueryStringParameters": all,
        "requestContext": {
            "resourcePath": "/scim/v2/Users",
            "httpMethod": method,
            "path": format!("/prod{path}"),
            "stage": "prod",
            "domainName": HOST,
            "requestId": "2aa70751-eda8-7dab-02dc-b862fb5880b8",
            "identity": { "sourceIp": "203.0.113.25" },
        },
        "body": null,
        "isBase64Encoded": false,
    })
}

/// Sets a header in whatever members the event has for it; `None` takes it away.
fn set_header(event: &mut Value, name: &str, value: Option<&str>) {
    let is_first_version = event.get("multiValueHeaders").is_some();
    for member in if is_first_version { &["headers", "multiValueHeaders"][..] } else { &["headers"] } {
        let Some(headers) = event[*member].as_object_mut() else { continue };
        headers.retain(|known, _| !known.eq_ignore_ascii_case(name));
        if let Some(value) = value {
            headers.insert(name.into(), if *member == "headers" { json!(value) } else { json!([value]) });
        }
    }
}

fn with(mut event: Value, pointer: &str, value: Value) -> Value {
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    event.pointer_mut(parent).unwrap()[member] = value;
    event
}

pub(super) fn with_header(mut event: Value, name: &str, value: Option<&str>) -> Value {
    set_header(&mut event, name, value);
    event
}

pub(super) fn with_body(event: Value, body: &str, is_encoded: bool) -> Value {
    let event = with_header(event, "content-type", Some("application/scim+json"));
    let body = if is_encoded { STANDARD.encode(body) } else { body.to_owned() };
    with(with(event, "/body", json!(body)), "/isBase64Encoded", json!(is_encoded))
}

async fn users() -> (App, Router) {
    let app = App::start().await;
    let function = function(&app, Route::Users);
    (app, function)
}

#[tokio::test]
async fn a_location_begins_with_the_url_that_the_client_used() {
    let (_app, users) = users().await;
    let custom = |event: Value, path: &str| {
        let event = with_header(event, "Host", Some("scim.example.com"));
        with(with(event, "/requestContext/path", json!(path)), "/requestContext/domainName", json!("scim.example.com"))
    };
    let path = "/scim/v2/Users";
    let named_stage = with(http_api("POST", "/prod/scim/v2/Users", ""), "/requestContext/stage", json!("prod"));
    // A test from the console of API Gateway has no headers of its own.
    let console = with(rest_api("POST", path, &[]), "/multiValueHeaders", Value::Null);
    let console = with(console, "/headers", json!({ "authorization": TOKEN }));
    let no_host = with_header(http_api("POST", path, ""), "host", None);
    let cases = [
        ("payload 2.0", http_api("POST", path, ""), format!("https://{HOST}/scim/v2/Users/")),
        ("payload 2.0, bare", http_api("POST", "/scim/Users", ""), format!("https://{HOST}/scim/Users/")),
        ("payload 2.0, slash", http_api("POST", "/scim/v2/Users/", ""), format!("https://{HOST}/scim/v2/Users/")),
        ("payload 2.0, stage", named_stage, format!("https://{HOST}/prod/scim/v2/Users/")),
        ("payload 2.0, no host", no_host, format!("https://{HOST}/scim/v2/Users/")),
        ("payload 1.0, stage", rest_api("POST", path, &[]), format!("https://{HOST}/prod/scim/v2/Users/")),
        (
            "payload 1.0, custom domain",
            custom(rest_api("POST", path, &[]), "/scim/v2/Users"),
            "https://scim.example.com/scim/v2/Users/".to_owned(),
        ),
        (
            "payload 1.0, custom domain and base path",
            custom(rest_api("POST", path, &[]), "/idp/scim/v2/Users"),
            "https://scim.example.com/idp/scim/v2/Users/".to_owned(),
        ),
        (
            "payload 1.0, no path in the context",
            with(rest_api("POST", path, &[]), "/requestContext/path", Value::Null),
            format!("https://{HOST}/scim/v2/Users/"),
        ),
        (
            "payload 1.0 of SAM's local API: the route in the context",
            with(rest_api("POST", path, &[]), "/requestContext/path", json!("/scim/v2/{proxy+}")),
            format!("https://{HOST}/scim/v2/Users/"),
        ),
        ("payload 1.0 of the console", console, format!("https://{HOST}/prod/scim/v2/Users/")),
    ];
    for (index, (name, event, expected)) in cases.into_iter().enumerate() {
        let user = json!({ "schemas": [USER], "userName": format!("é{index}") }).to_string();
        let returned = invoke(&users, &with_body(event, &user, index % 2 == 0)).await.expect(201);
        let location = &returned.headers["location"];
        assert_eq!(location, &format!("{expected}{}", returned.body["id"].as_str().unwrap()), "{name}");
        assert_eq!(returned.body["meta"]["location"], json!(location), "{name}");
        assert_eq!(returned.body["userName"], format!("é{index}"), "{name}");
    }
}

#[tokio::test]
async fn a_query_means_the_same_however_it_is_written() {
    let (app, users) = users().await;
    for name in ["a+b@example.com", "a b@example.com", "zoë", "c&d=e"] {
        app.user(name).await;
    }
    // As clients write it, and as it arrives in parts.
    let cases = [
        ("filter=userName+eq+%22a%2Bb%40example.com%22", Some("a+b@example.com")),
        ("filter=userName%20eq%20%22a%2bb@example.com%22&", Some("a+b@example.com")),
        ("filter=userName eq \"a%2Bb@example.com\"&", Some("a+b@example.com")),
        ("aadOptscim062020&filter=userName+eq+\"a+b@example.com\"", Some("a b@example.com")),
        ("filter=userName+eq+%22zo%C3%AB%22", Some("zoë")),
        ("filter=userName eq \"zoë\"", Some("zoë")),
        ("&&filter=userName+eq+%22c%26d%3De%22&count=10", Some("c&d=e")),
        ("filter=userName+eq+%22zo%C3%AB%22&filter=userName+eq+%22nobody%22", Some("zoë")),
        ("filter=userName+eq+%22nobody%22&filter=userName+eq+%22zo%C3%AB%22", None),
    ];
    for (query, expected) in cases {
        let mut parts: Vec<(String, Vec<String>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
            match parts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(value),
                None => parts.push((name, vec![value])),
            }
        }
        let parts: Vec<(&str, Vec<&str>)> =
            parts.iter().map(|(name, values)| (name.as_str(), values.iter().map(String::as_str).collect())).collect();
        let parts: Vec<(&str, &[&str])> = parts.iter().map(|(name, values)| (*name, values.as_slice())).collect();
        let in_parts = rest_api("GET", "/scim/v2/Users", &parts);
        let mut events = vec![http_api("GET", "/scim/v2/Users", query), in_parts.clone()];
        if query.matches("filter=").count() == 1 {
            events.push(with(in_parts, "/multiValueQueryStringParameters", Value::Null));
        }
        for event in events {
            let returned = invoke(&users, &event).await.expect(200);
            let found = returned.body.pointer("/Resources/0/userName").and_then(Value::as_str);
            assert_eq!(found, expected, "{query}: {}", returned.body);
            assert_eq!(returned.body["totalResults"], json!(u8::from(expected.is_some())), "{query}");
        }
    }
}

/// API Gateway would answer in a function's place if it failed.
#[tokio::test]
async fn a_header_beyond_ascii_and_a_body_that_is_not_encoded_as_it_says_are_answered_in_scim() {
    let (_app, users) = users().await;
    let path = "/scim/v2/Users";
    for event in [http_api("GET", path, ""), rest_api("GET", path, &[])] {
        invoke(&users, &with_header(event, "user-agent", Some("Zoë/1"))).await.expect(200);
    }
    for event in [http_api("POST", path, ""), rest_api("POST", path, &[])] {
        let event = with(with_body(event, "no base64 %", false), "/isBase64Encoded", json!(true));
        invoke(&users, &event).await.is_error(400);
    }
}

#[tokio::test]
async fn a_body_past_the_cap_is_413_in_every_encoding() {
    let (_app, users) = users().await;
    let mut user = json!({ "schemas": [USER], "userName": "ann", "nickName": "" }).to_string();
    user.push_str(&" ".repeat(MAX_BODY_BYTES + 1 - user.len()));
    for is_encoded in [false, true] {
        for event in [http_api("POST", "/scim/v2/Users", ""), rest_api("POST", "/scim/v2/Users", &[])] {
            invoke(&users, &with_body(event, &user, is_encoded)).await.is_error(413);
        }
    }
    user.pop();
    invoke(&users, &with_body(http_api("POST", "/scim/v2/Users", ""), &user, true)).await.expect(201);
}

#[tokio::test]
async fn a_function_serves_its_own_route_alone() {
    let app = App::start().await;
    for route in Route::ALL {
        let function = function(&app, route);
        for other in Route::ALL.into_iter().filter(|other| *other != route) {
            for path in other.paths() {
                // With a method that it has, and with one that it never has.
                let is_post_alone = path.ends_with(".search") || *path == "/Bulk";
                let (known, unknown) = if is_post_alone { ("POST", "GET") } else { ("GET", "TRACE") };
                let path = format!("/scim/v2{}", path.replace(['{', '}'], ""));
                for event in [http_api(known, &path, ""), rest_api(known, &path, &[])] {
                    invoke(&function, &event).await.is_error(404);
                }
                for event in [http_api(unknown, &path, ""), rest_api(unknown, &path, &[])] {
                    let returned = invoke(&function, &event).await;
                    assert!(returned.headers["allow"].split(',').any(|method| method == known), "{path}: {returned:?}");
                    returned.is_error(405);
                }
            }
        }
    }
    let discovery = function(&app, Route::Discovery);
    for path in ["", "/", "/favicon.ico", "/scim/v2/Unknown", "/scim/v2/Schemas/a/b", "/Users"] {
        invoke(&discovery, &http_api("GET", path, "")).await.is_error(404);
    }
    invoke(&discovery, &http_api("GET", "/scim/v1/Users", "")).await.is_error(400);
    invoke(&discovery, &http_api("PUT", "/scim/v2/Schemas", "")).await.is_error(405);
}

#[tokio::test]
async fn no_token_and_a_wrong_one_are_401_but_discovery_needs_none() {
    let app = App::start().await;
    for token in [None, Some("Bearer nobody")] {
        for event in [http_api("GET", "/scim/v2/Users", ""), rest_api("GET", "/scim/v2/Users", &[])] {
            let event = with_header(event, "authorization", token);
            let returned = invoke(&function(&app, Route::Users), &event).await;
            assert_eq!(returned.headers["www-authenticate"], "Bearer");
            returned.is_error(401);
        }
        let event = with_header(http_api("GET", "/scim/v2/Schemas", ""), "authorization", token);
        invoke(&function(&app, Route::Discovery), &event).await.expect(200);
    }
}

#[tokio::test]
async fn every_value_of_a_repeated_header_counts() {
    let (app, users) = users().await;
    let path = format!("/scim/v2/Users/{}", app.user("ann").await);
    let tag = "W/\"1\"";
    // Payload 2.0 joins the values, 1.0 lists them and has the last one beside that.
    let joined = with_header(http_api("GET", &path, ""), "if-none-match", Some("W/\"1\",W/\"9\""));
    let listed = with_header(rest_api("GET", &path, &[]), "If-None-Match", Some("W/\"9\""));
    let listed = with(listed, "/multiValueHeaders/If-None-Match", json!([tag, "W/\"9\""]));
    let alone = with_header(rest_api("GET", &path, &[]), "If-None-Match", Some(tag));
    let in_lists_alone = with(alone.clone(), "/headers", Value::Null);
    let in_none = with(alone.clone(), "/multiValueHeaders", Value::Null);
    for event in [joined, listed, alone, in_lists_alone, in_none] {
        let returned = invoke(&users, &event).await.expect(304);
        assert_eq!((returned.headers["etag"].as_str(), &returned.body), (tag, &Value::Null), "{event}");
    }
}

#[tokio::test]
async fn a_204_has_neither_body_nor_content_type() {
    let (app, users) = users().await;
    for event in [http_api, |method: &str, path: &str, _: &str| rest_api(method, path, &[])] {
        let path = format!("/scim/v2/Users/{}", app.user("ann").await);
        let Returned { headers, body, .. } = invoke(&users, &event("DELETE", &path, "")).await.expect(204);
        assert_eq!(body, Value::Null);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["cache-control", "x-request-id"]);
    }
}

/// API Gateway sends no such host; the rest is for a client to write.
#[tokio::test]
async fn nothing_that_a_client_writes_ends_the_function() {
    let (_app, users) = users().await;
    let ids = [
        "zoë", "a b", "a\"b", "a<b>", "{id}", "%", "%zz", "%2F", "a|b", "a\\b", "[::1]", "a^b", "~", "..", "é%C3%A9",
        "%FF",
    ];
    for id in ids {
        for (name, value) in [("host", "[not a host"), ("x-forwarded-proto", "http, https"), ("accept", "*/*")] {
            let path = format!("/scim/v2/Users/{id}");
            for event in [http_api("GET", &path, id), rest_api("GET", &path, &[(id, &[id])])] {
                let returned = invoke(&users, &with_header(event, name, Some(value))).await;
                returned.is_error(404);
            }
        }
    }
    for path in ["", "*", ":1", "@a", "//scim/v2/Users/1", "scim/v2/Users/1", "/scim/v2/Users/a?b#c"] {
        invoke(&users, &http_api("GET", path, "")).await.is_error(404);
        invoke(&users, &with(rest_api("GET", path, &[]), "/requestContext/path", json!(path))).await.is_error(404);
    }
}
