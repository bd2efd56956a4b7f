//! Groups whose changes no single transaction holds: what each request answers, and what it leaves in the table.

mod answers;
mod bad_input;
mod beside;
pub mod cut;
mod left_behind;
mod linearizable;
mod long_names;
mod meanwhile;
mod pages;
mod past_the_cap;
mod readers;
mod sizes;
pub mod table;

use crate::guarantees::members;
use crate::harness::App;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn list<'a>(ids: impl IntoIterator<Item = &'a String>) -> Value {
    ids.into_iter().map(|id| json!({ "value": id })).collect()
}

fn set<'a>(ids: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
    ids.into_iter().cloned().collect()
}

/// Operations that add members.
fn add<'a>(ids: impl IntoIterator<Item = &'a String>) -> Value {
    json!([{ "op": "add", "path": "members", "value": list(ids) }])
}

/// The operation that removes one.
fn remove(id: &str) -> Value {
    json!([{ "op": "remove", "path": format!("members[value eq \"{id}\"]") }])
}

/// A PATCH as a whole body.
fn patch(operations: Value) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations })
}

/// A group as a whole body.
fn whole<'a>(name: &str, ids: impl IntoIterator<Item = &'a String>) -> Value {
    json!({ "displayName": name, "members": list(ids) })
}

/// A path with its parameters.
fn query(endpoint: &str, parameters: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("{endpoint}?{query}")
}

fn id_and_member(group: &str, user: &str) -> String {
    format!("id eq \"{group}\" and members eq \"{user}\"")
}

/// Asserts that every view shows exactly these members: the group, the filter on it, and each of the `asked` users.
async fn shows(app: &App, group: &str, expected: &BTreeSet<String>, asked: &[&String], when: &str) {
    let shown = members(app, group).await;
    let (stray, missing) = (shown.difference(expected).count(), expected.difference(&shown).count());
    assert_eq!((stray, missing), (0, 0), "{when}: who is no member, and who is missing, in a GET of the group");
    let of_group = format!("groups.value eq \"{group}\"");
    let mut found = Vec::new();
    loop {
        let start = (found.len() + 1).to_string();
        let parameters = [("filter", of_group.as_str()), ("attributes", "userName"), ("startIndex", &start)];
        let page = app.get(&query("/Users", &parameters)).await.expect(200);
        assert_eq!(page.total(), expected.len() as u64, "{when}: totalResults of {of_group}");
        found.extend(page.ids());
        if page.ids().is_empty() {
            break;
        }
    }
    assert!(found.iter().eq(expected), "{when}: {of_group} finds {} of {}", found.len(), expected.len());
    for user in asked {
        let is_member = expected.contains(*user);
        let got = app.get(&format!("/Users/{user}?attributes=groups")).await;
        if got.status == 404 {
            assert!(!is_member, "{when}: {user} does not exist");
        } else {
            let groups = got.expect(200).body["groups"].to_string();
            assert_eq!(groups.contains(group), is_member, "{when}: groups of {user}: {groups}");
        }
        let found = app.find("/Groups", &format!("members eq \"{user}\"")).await.expect(200).ids();
        assert_eq!(found.iter().any(|id| id == group), is_member, "{when}: members eq {user}");
        let found = app.find("/Groups", &id_and_member(group, user)).await.expect(200).total();
        assert_eq!(found == 1, is_member, "{when}: id eq and members eq {user}");
    }
}
