//! What identity providers ask of a service provider, as numbered requirements, through the router: one module for each
//! section, the numbers (and who needs them) in a comment above each test.
//!
//! Left out: time limits (19, 20) and throttling (21), which no router over an embedded engine can show.

use crate::harness::{Answer, App};
use serde_json::{Value, json};
use std::collections::BTreeSet;

mod discovery;
mod filters;
mod group_members;
mod groups;
mod lifecycle;
mod lists;
mod transport;
mod user_create;
mod user_patch;
mod user_patch_body;
mod user_put;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// An extension that the server has no schema for.
const CUSTOM: &str = "urn:ietf:params:scim:schemas:extension:acme:2.0:User";
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// An id that no resource has.
const NOBODY: &str = "2819c223-7f76-453a-919d-413861904646";

/// A user with each kind of attribute.
fn ann() -> Value {
    json!({
        "schemas": [USER, ENTERPRISE],
        "externalId": "ann",
        "userName": "ann@example.com",
        "active": true,
        "displayName": "Ann Lee",
        "title": "Engineer",
        "name": { "formatted": "Ann Lee", "givenName": "Ann", "familyName": "Lee" },
        "emails": [{ "value": "ann@example.com", "type": "work", "primary": true }],
        "phoneNumbers": [{ "value": "+1 (555) 01-00", "type": "work" }],
        ENTERPRISE: { "employeeNumber": "7", "department": "Tools" }
    })
}

/// Creates a user or a group, and gives its endpoint.
async fn create(app: &App, endpoint: &str, body: Value) -> String {
    let answer = app.post(endpoint, body).await.expect(201);
    format!("{endpoint}/{}", id_of(&answer.body))
}

/// What a GET gives.
async fn read(app: &App, path: &str) -> Value {
    app.get(path).await.expect(200).body
}

/// A request that must fail with this SCIM error and leave every item of the table as it was.
pub async fn refused(app: &App, request: impl Future<Output = Answer>, status: u16, scim_type: Option<&str>) -> Answer {
    let before = app.dump().await;
    let answer = request.await;
    assert_eq!(answer.status, status, "{}", answer.text);
    answer.is_error(status, scim_type);
    assert_eq!(app.dump().await, before, "a refused request wrote to the table: {}", answer.text);
    answer
}

/// A request that must succeed and leave every item of the table as it was: no new version, no change record.
async fn changes_nothing(app: &App, request: impl Future<Output = Answer>) -> Answer {
    let before = app.dump().await;
    let answer = request.await;
    assert!(matches!(answer.status, 200 | 204), "status {}: {}", answer.status, answer.text);
    assert_eq!(app.dump().await, before, "a request without effect wrote to the table: {}", answer.text);
    answer
}

/// The ids that a filter finds, all on one page.
async fn found(app: &App, endpoint: &str, filter: &str) -> BTreeSet<String> {
    let answer = app.find(endpoint, filter).await;
    assert_eq!(answer.status, 200, "{filter}: {}", answer.text);
    let ids: BTreeSet<String> = answer.ids().into_iter().collect();
    assert_eq!(answer.total(), ids.len() as u64, "{filter}: totalResults");
    ids
}

/// The ids in a group's `members`, each of them once.
async fn members(app: &App, group: &str) -> BTreeSet<String> {
    values(&read(app, &format!("/Groups/{group}")).await["members"])
}

/// The ids of the groups that a user shows.
async fn groups_of(app: &App, user: &str) -> BTreeSet<String> {
    values(&read(app, &format!("/Users/{user}")).await["groups"])
}

/// The `value` of each element of a multi-valued attribute, which holds none twice.
fn values(elements: &Value) -> BTreeSet<String> {
    let elements = elements.as_array().map_or(&[][..], Vec::as_slice);
    let values = set(elements.iter().map(|element| element["value"].as_str().unwrap_or_default()));
    assert_eq!(values.len(), elements.len(), "a value is there twice: {elements:?}");
    values
}

fn set<'a>(ids: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    ids.into_iter().map(str::to_owned).collect()
}

fn id_of(resource: &Value) -> String {
    resource["id"].as_str().unwrap_or_default().to_owned()
}

/// A resource without the attributes named, to compare the rest.
fn without(resource: &Value, names: &[&str]) -> Value {
    let mut rest = resource.clone();
    if let Some(attributes) = rest.as_object_mut() {
        attributes.retain(|name, _| !names.contains(&name.as_str()));
    }
    rest
}

/// Asserts that every attribute of `sent` stands in `resource` with the very value.
#[track_caller]
fn assert_holds(resource: &Value, sent: &Value) {
    let rest = without(sent, &["schemas"]);
    for (name, value) in rest.as_object().into_iter().flatten() {
        assert_eq!(&resource[name], value, "attribute {name} of {resource}");
    }
}

/// Whether `schemas` of a resource names this URI.
fn has_schema(resource: &Value, uri: &str) -> bool {
    resource["schemas"].as_array().is_some_and(|uris| uris.iter().any(|each| each == uri))
}

/// The path behind the base URL, to follow a location with.
fn path_of(location: &Value) -> String {
    let location = location.as_str().unwrap_or_default();
    location.split_once("/scim/v2").map_or(location, |(_, path)| path).to_owned()
}

/// A header of the answer, or nothing.
fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// `Content-Type` without its parameters.
fn media_type(answer: &Answer) -> &str {
    header(answer, "content-type").split(';').next().unwrap_or_default().trim()
}
