//! A query string: it means the same as it was written, percent-encoded anew, in parts as a REST API hands it over, and in
//! the body of a search.

use super::event::{answer, is_scim};
use super::function::{Returned, TOKEN};
use scimlet::lambda::Event;
use serde_json::{Map, Value, json};

/// What a `SearchRequest` has a member for.
const PARAMETERS: [&str; 8] =
    ["attributes", "excludedAttributes", "filter", "sortBy", "sortOrder", "cursor", "startIndex", "count"];

pub fn check(text: &str) {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
    for endpoint in ["/Users", "/Groups"] {
        let path = format!("/scim/v2{endpoint}");
        let written = ask(http_api("GET", &path, text));
        is_scim(&written);
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
        assert_eq!(ask(http_api("GET", &path, &encoded)), written, "{text:?} written as {encoded:?}");
        assert_eq!(ask(rest_api(&path, &pairs)), written, "{text:?} in parts");
        let mut search = Map::new();
        for (name, value) in pairs.iter().filter(|(name, _)| PARAMETERS.contains(&name.as_str())) {
            search.entry(name).or_insert_with(|| value.as_str().into());
        }
        let mut event = http_api("POST", &format!("{path}/.search"), "");
        event["body"] = Value::Object(search).to_string().into();
        assert_eq!(ask(event), written, "{text:?} as a search");
    }
}

/// The answer, but for the cursor, which is sealed anew each time.
fn ask(event: Value) -> Returned {
    let event: Event = serde_json::from_str(&event.to_string()).expect("an event");
    let mut returned = answer(event);
    if let Value::Object(body) = &mut returned.body
        && let Some(cursor) = body.get_mut("nextCursor")
    {
        *cursor = Value::Bool(cursor.is_string());
    }
    returned
}

fn http_api(method: &str, path: &str, query: &str) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": { "authorization": format!("Bearer {TOKEN}"), "host": "scim.example.com" },
        "requestContext": {
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.25" },
            "stage": "$default",
        },
        "isBase64Encoded": false,
    })
}

fn rest_api(path: &str, pairs: &[(String, String)]) -> Value {
    let (mut all, mut last) = (Map::new(), Map::new());
    for (name, value) in pairs {
        if let Value::Array(values) = all.entry(name).or_insert_with(|| json!([])) {
            values.push(value.as_str().into());
        }
        last.insert(name.clone(), value.as_str().into());
    }
    json!({
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": "GET",
        "headers": { "Authorization": format!("Bearer {TOKEN}"), "Host": "scim.example.com" },
        "multiValueHeaders": { "Authorization": [format!("Bearer {TOKEN}")], "Host": ["scim.example.com"] },
        "queryStringParameters": last,
        "multiValueQueryStringParameters": all,
        "requestContext": { "httpMethod": "GET", "path": path, "stage": "prod", "identity": {} },
        "body": null,
        "isBase64Encoded": false,
    })
}
