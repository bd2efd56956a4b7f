//! The functions: every event of `events/`, the shapes that API Gateway gives a request, and the names that template,
//! events and router share.

use crate::harness::App;
use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use lambda_http::{Context, LambdaEvent};
use scimlet::config::Config;
use scimlet::http::{Api, Route, router};
use scimlet::lambda::Event;
use scimlet::protocol::error::ERROR_URI;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

mod names;
mod process;
mod shapes;

const TOKEN: &str = "local-invoke-token";
/// The handler, and the event, of the function that a schedule calls.
const NO_ROUTE: &str = "sweep";
/// Ids that stand in the events for ids that the service provider gave.
const USER_ID: &str = "2819c223-7f76-453a-919d-413861904646";
const GROUP_ID: &str = "6c5bb468-14b2-4183-baf2-06d523e03bd3";
/// The host in the events.
const HOST: &str = "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com";

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// What API Gateway gets: file, status, schema of the body; `""` for no body.
const EVENTS: [(&str, u16, &str); 26] = [
    ("bulk", 200, "urn:ietf:params:scim:api:messages:2.0:BulkResponse"),
    ("discovery-base", 200, LIST),
    ("discovery-resource-types", 200, LIST),
    ("discovery-schema", 200, "urn:ietf:params:scim:schemas:core:2.0:Schema"),
    ("discovery-schemas", 200, LIST),
    ("discovery-service-provider-config", 200, "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"),
    ("groups-create", 201, GROUP),
    ("groups-delete", 204, ""),
    ("groups-find", 200, LIST),
    ("groups-get", 200, GROUP),
    ("groups-list", 200, LIST),
    ("groups-patch", 204, ""),
    ("groups-patch-remove-member", 204, ""),
    ("groups-patch-rest", 204, ""),
    ("groups-replace", 200, GROUP),
    ("me", 501, ERROR_URI),
    ("search", 200, LIST),
    ("users-create", 201, USER),
    ("users-create-rest", 201, USER),
    ("users-delete", 204, ""),
    ("users-find", 200, LIST),
    ("users-find-rest", 200, LIST),
    ("users-get", 200, USER),
    ("users-list", 200, LIST),
    ("users-patch", 200, USER),
    ("users-replace", 200, USER),
];

/// What a function returns to API Gateway.
#[derive(Debug)]
struct Returned {
    status: u64,
    /// Of both payload versions, in lower case.
    headers: BTreeMap<String, String>,
    body: Value,
}

impl Returned {
    #[track_caller]
    fn expect(self, status: u64) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// A SCIM error, whatever else.
    #[track_caller]
    fn is_error(&self, status: u64) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.body["schemas"], json!([ERROR_URI]), "{self:?}");
        assert_eq!(self.body["status"], status.to_string(), "{self:?}");
        assert_eq!(self.headers["content-type"], "application/scim+json", "{self:?}");
    }
}

/// The function that serves `route`, over the table of `app`.
fn function(app: &App, route: Route) -> Router {
    let environment: Value = serde_json::from_str(&read("events/env.json")).unwrap();
    let parameters = &environment["Parameters"];
    assert_eq!(parameters["SCIM_TOKEN"], TOKEN);
    let config = Config::read(|name| match name {
        "SCIM_TOKEN" | "SCIM_TOKEN_SHA256" => Some(parameters[name].as_str().unwrap().to_owned()),
        _ => None,
    });
    router(&Api::new(config.unwrap(), app.store_of(route.name())), &[route])
}

async fn invoke(function: &Router, event: &Value) -> Returned {
    let payload: Event = serde_json::from_str(&event.to_string()).unwrap();
    let is_first_version = event.get("version") != Some(&json!("2.0"));
    let mut context = Context::default();
    context.request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned();
    let answer = scimlet::lambda::answer(function.clone(), LambdaEvent::new(payload, context)).await.unwrap();
    let returned = returned(&serde_json::to_value(answer).unwrap(), is_first_version);
    assert_eq!(returned.headers["x-request-id"], "8476a536-e9f4-11e8-9739-2dfe598c3fcd");
    returned
}

/// What API Gateway is given in `answer`.
fn returned(answer: &Value, is_first_version: bool) -> Returned {
    assert!(answer.get("statusCode").is_some(), "no answer to API Gateway: {answer}");
    // Payload 1.0 takes headers as lists; it would send one twice that is in both members.
    let headers: BTreeMap<String, String> = if is_first_version {
        assert_eq!(answer["headers"], json!({}), "{answer}");
        let headers = answer["multiValueHeaders"].as_object().unwrap();
        headers.iter().map(|(name, values)| (name.clone(), values[0].as_str().unwrap().to_owned())).collect()
    } else {
        let headers = answer["headers"].as_object().unwrap();
        headers.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
    };
    assert!(!headers["x-request-id"].is_empty());
    assert_eq!(headers["cache-control"], "no-store");
    let body = answer.get("body").and_then(Value::as_str).unwrap_or_default();
    let is_gzip = headers.get("content-encoding").is_some_and(|coding| coding == "gzip");
    assert_eq!(answer["isBase64Encoded"], json!(is_gzip), "bytes are sent in base64, and text is not: {answer}");
    let unpacked = if is_gzip { unpacked(body) } else { body.to_owned() };
    let body = unpacked.as_str();
    let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body).unwrap() };
    Returned { status: answer["statusCode"].as_u64().unwrap(), headers, body }
}

fn unpacked(body: &str) -> String {
    let bytes = STANDARD.decode(body).unwrap();
    let mut text = String::new();
    GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn a_large_answer_is_compressed_and_sent_in_base64() {
    let app = App::start().await;
    for number in 0..60 {
        app.user(&format!("user-{number}@example.com")).await;
    }
    let mut event = events().remove("users-list").unwrap();
    event["headers"]["accept-encoding"] = json!("identity");
    let plain = invoke(&function(&app, Route::Users), &event).await;
    event["headers"]["accept-encoding"] = json!("gzip");
    let packed = invoke(&function(&app, Route::Users), &event).await;
    assert_eq!(packed.headers["content-encoding"], "gzip");
    assert!(!plain.headers.contains_key("content-encoding"));
    assert_eq!(packed.body, plain.body);
}

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Name without `.json`, and text, of every event that API Gateway sends.
fn events() -> BTreeMap<String, Value> {
    let files =
        std::fs::read_dir(file("events")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    files
        .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
        .filter(|name| name != "env" && name != NO_ROUTE)
        .map(|name| {
            let event = serde_json::from_str(&read(&format!("events/{name}.json"))).unwrap();
            (name, event)
        })
        .collect()
}

fn route_of_file(name: &str) -> Route {
    let prefix = name.split('-').next().unwrap();
    prefix.parse().unwrap_or_else(|error| panic!("events/{name}.json: {error}"))
}

/// The event with `id` for `placeholder`, in its body too.
fn replaced(event: &Value, placeholder: &str, id: &str) -> Value {
    let mut event: Value = serde_json::from_str(&event.to_string().replace(placeholder, id)).unwrap();
    if event["isBase64Encoded"] == json!(true) {
        let body = String::from_utf8(STANDARD.decode(event["body"].as_str().unwrap()).unwrap()).unwrap();
        event["body"] = STANDARD.encode(body.replace(placeholder, id)).into();
    }
    event
}

/// The path of an event; whether it names one resource of the service provider's.
fn names_a_resource(event: &Value) -> bool {
    let path = event["rawPath"].as_str().or(event["path"].as_str()).unwrap();
    path.contains(USER_ID) || path.contains(GROUP_ID)
}

#[tokio::test]
async fn every_event_is_answered_as_its_name_says() {
    check_every_event(async |app, route, event| invoke(&function(app, route), event).await).await;
}

async fn check_every_event(invoke: impl AsyncFn(&App, Route, &Value) -> Returned) {
    let expected: BTreeMap<&str, (u16, &str)> = EVENTS.map(|(name, status, schema)| (name, (status, schema))).into();
    let events = events();
    let (there, listed) =
        (events.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected.keys().copied().collect());
    assert_eq!(there, listed, "files in events/, and the table in this file");

    for (name, event) in &events {
        let app = App::start().await;
        let route = route_of_file(name);
        let (status, schema) = expected[name.as_str()];
        if names_a_resource(event) {
            invoke(&app, route, event).await.is_error(404);
        }
        let (mut user, mut group) = (USER_ID.to_owned(), GROUP_ID.to_owned());
        if !name.contains("create") {
            user = app.user("ann.lee@example.com").await;
            let members: &[&str] = if name.contains("remove") { &[&user] } else { &[] };
            group = app.group("Team A", members).await;
        }
        let event = replaced(&replaced(event, USER_ID, &user), GROUP_ID, &group);
        let returned = invoke(&app, route, &event).await.expect(status.into());
        is_well_formed(name, &returned, schema);
        had_its_effect(name, &app, &user, &group, &returned).await;
    }
}

#[track_caller]
fn is_well_formed(name: &str, returned: &Returned, schema: &str) {
    let Returned { status, headers, body } = returned;
    if schema.is_empty() {
        assert_eq!(body, &Value::Null, "{name}");
        assert_eq!(headers.get("content-type"), None, "{name}");
        return;
    }
    assert!(body["schemas"].as_array().unwrap().contains(&json!(schema)), "{name}: {body}");
    assert_eq!(headers["content-type"], "application/scim+json", "{name}");
    let is_resource = [USER, GROUP].contains(&schema);
    assert_eq!(headers.get("etag").map(|tag| json!(tag)).as_ref(), body["meta"].get("version"), "{name}");
    assert_eq!(headers.contains_key("etag"), is_resource, "{name}");
    assert_eq!(headers.contains_key("location"), *status == 201, "{name}");
    if is_resource {
        // The REST API has a stage, and the client wrote it.
        let stage = if name.ends_with("-rest") { "/prod" } else { "" };
        let endpoint = if schema == USER { "Users" } else { "Groups" };
        let location = format!("https://{HOST}{stage}/scim/v2/{endpoint}/{}", body["id"].as_str().unwrap());
        assert_eq!(body["meta"]["location"], location, "{name}");
        assert_eq!(headers.get("location").unwrap_or(&location), &location, "{name}");
    }
}

/// What the event is for came about.
async fn had_its_effect(name: &str, app: &App, user: &str, group: &str, returned: &Returned) {
    let total = returned.body["totalResults"].as_u64();
    let members = app.find("/Groups", &format!("members.value eq \"{user}\"")).await.expect(200).total();
    match name {
        "groups-find" | "groups-list" | "users-find" | "users-find-rest" | "users-list" => assert_eq!(total, Some(1)),
        "groups-patch" | "groups-patch-rest" | "groups-replace" => assert_eq!(members, 1, "{name}"),
        "groups-patch-remove-member" => assert_eq!(members, 0, "{name}"),
        "groups-delete" => app.get(&format!("/Groups/{group}")).await.is_error(404, None),
        "users-delete" => app.get(&format!("/Users/{user}")).await.is_error(404, None),
        "users-patch" => assert_eq!(returned.body["active"], json!(false), "{name}"),
        "users-replace" => assert_eq!(returned.body["displayName"], "Ann Lee-Byrne", "{name}"),
        "users-create" | "users-create-rest" => {
            let id = returned.body["id"].as_str().unwrap();
            let stored = app.get(&format!("/Users/{id}")).await.expect(200);
            assert_eq!(stored.body["name"]["familyName"], "Lee", "{name}");
        }
        _ => {}
    }
}
