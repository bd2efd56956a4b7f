//! The examples of the RFCs, sent as they stand (`fixtures/`, named by section), and the requirements that no other
//! test holds. `docs/conformance.md` says which test holds which requirement.

use crate::harness::{Answer, App};
use serde_json::{Value, json};
use std::collections::BTreeSet;

mod rfc7643;
mod rfc7644;
mod rfc9865;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// An example, by the name of its file.
fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/it/rfc/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect(name);
    serde_json::from_str(&text).expect(name)
}

/// An example with its `{{name}}` filled in.
fn filled(example: &Value, names: &[(&str, &str)]) -> Value {
    let fill = |text: String, (name, value): &(&str, &str)| {
        let quoted = Value::from(*value).to_string();
        text.replace(&format!("{{{{{name}}}}}"), &quoted[1..quoted.len() - 1])
    };
    serde_json::from_str(&names.iter().fold(example.to_string(), fill)).expect("JSON")
}

/// A resource without what the server assigns.
fn sent(resource: &Value) -> Value {
    let mut rest = resource.clone();
    for name in ["id", "meta", "groups", "password"] {
        rest.as_object_mut().expect("a resource").shift_remove(name);
    }
    rest
}

/// Asserts that every attribute of `expected` stands in `resource` with the very value.
#[track_caller]
fn assert_holds(resource: &Value, expected: &Value) {
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&resource[name], value, "{name} of {resource}");
    }
}

/// `member` of each resource of a list.
#[track_caller]
fn each<'a>(list: &'a Answer, member: &str) -> Vec<&'a str> {
    let resources = list.body["Resources"].as_array().expect("Resources");
    resources.iter().map(|resource| resource[member].as_str().unwrap_or_default()).collect()
}

fn set<'a>(values: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    values.into_iter().collect()
}

#[track_caller]
fn size(number: &Value) -> usize {
    number.as_u64().and_then(|number| usize::try_from(number).ok()).expect("a number")
}

#[track_caller]
fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The attributes of a served schema with their sub-attributes, each with its parent.
fn attributes(schema: &Value) -> Vec<(&Value, Option<&Value>)> {
    let mut all = Vec::new();
    for attribute in schema["attributes"].as_array().expect("attributes") {
        all.push((attribute, None));
        let subs = attribute["subAttributes"].as_array().into_iter().flatten();
        all.extend(subs.map(|sub| (sub, Some(attribute))));
    }
    all
}

async fn user_with(app: &App, name: &str, attributes: Value) -> String {
    let mut user = attributes;
    user["userName"] = name.into();
    app.post("/Users", user).await.expect(201).id()
}
