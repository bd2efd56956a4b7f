//! The table, written and read past the service: many users and large groups in the shape that requests leave them in,
//! and what is there after a change.

use crate::guarantees::invariants::Dump;
use crate::guarantees::is_intact;
use crate::harness::App;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use scimlet::http::{Api, sweep};
use scimlet::store::keys::hex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

type Item = HashMap<String, AttributeValue>;

const AT: &str = "2026-01-31T10:00:00.000Z";
/// Items in one `BatchWriteItem`.
const TOGETHER: usize = 25;

fn s(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn n(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn item(pk: String, sk: &str, attributes: impl IntoIterator<Item = (&'static str, AttributeValue)>) -> Item {
    let keys = [("PK", s(pk)), ("SK", s(sk))];
    keys.into_iter().chain(attributes).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// An id that is always the same for a name, spread over all ids.
fn id_of(name: &str) -> String {
    let hex = hex(&Sha256::digest(name));
    [&hex[..8], &hex[8..12], &format!("4{}", &hex[13..16]), &format!("a{}", &hex[17..20]), &hex[20..32]].join("-")
}

/// `count` users in the order of their ids, with everything that their creation leaves. `prefix` tells them from others.
pub async fn people(app: &App, prefix: &str, count: usize) -> Vec<String> {
    let mut items = Vec::with_capacity(3 * count);
    let mut ids = Vec::with_capacity(count);
    for number in 0..count {
        let name = format!("{prefix}{number}@example.com");
        let kept = json!({ "userName": name, "active": true });
        // More joins than memberships are no contradiction.
        let own = [("userName", s(&name)), ("active", AttributeValue::Bool(true)), ("joins", n(1))];
        ids.push(resource(&mut items, "USER", "User", "userName", &name, &kept, own));
    }
    put(app, items).await;
    count_up(app, "USER", &ids).await;
    ids.sort();
    ids
}

/// So many that they are no more than their own items: they have no keys, no counters and no change records.
pub async fn bare_people(app: &App, count: usize) -> Vec<String> {
    let mut ids = Vec::with_capacity(count);
    let mut items = Vec::with_capacity(3 * count);
    for number in 0..count {
        let name = format!("u{number}@example.com");
        let own = [("userName", s(&name)), ("joins", n(1))];
        ids.push(resource(&mut items, "USER", "User", "userName", &name, &json!({ "userName": name }), own));
    }
    let is_user = |item: &Item| item["PK"] == s("T#default#USER");
    items.retain(is_user);
    put(app, items).await;
    ids.sort();
    ids
}

/// A group of these users, with everything that a `POST` of it leaves.
pub async fn group_of(app: &App, name: &str, members: &[String]) -> String {
    let mut items = Vec::with_capacity(2 * members.len() + 3);
    let own = [("displayName", s(name)), ("memberCount", n(members.len()))];
    let group = resource(&mut items, "GROUP", "Group", "displayName", name, &json!({ "displayName": name }), own);
    for member in members {
        for (pk, sk) in [(format!("MEMBERS#{group}"), member), (format!("MEMBEROF#{member}"), &group)] {
            items.push(item(format!("T#default#{pk}"), sk, [("type", s("User")), ("added", s(AT))]));
        }
    }
    put(app, items).await;
    count_up(app, "GROUP", std::slice::from_ref(&group)).await;
    group
}

fn resource(
    items: &mut Vec<Item>,
    kind: &str,
    resource_type: &str,
    unique: &str,
    name: &str,
    kept: &Value,
    own: impl IntoIterator<Item = (&'static str, AttributeValue)>,
) -> String {
    let id = id_of(name);
    let schemas = json!([format!("urn:ietf:params:scim:schemas:core:2.0:{resource_type}")]);
    let mut whole = json!({ "schemas": schemas });
    whole.as_object_mut().unwrap().extend(kept.as_object().unwrap().clone());
    let shared = [("resource", s(whole.to_string())), ("version", n(1)), ("created", s(AT)), ("lastModified", s(AT))];
    items.push(item(format!("T#default#{kind}"), &id, shared.into_iter().chain(own)));
    let key = format!("T#default#KEY#{resource_type}.{unique}#{}", name.to_lowercase());
    items.push(item(key, "-", [("id", s(&id))]));
    let changes = json!({ "before": {}, "after": kept }).to_string();
    let record = [
        ("operation", "create"),
        ("resourceType", resource_type),
        ("resourceId", &id),
        ("actor", "entra"),
        ("requestId", "r"),
        ("at", AT),
        ("changes", &changes),
    ];
    items.push(item(format!("T#default#LOG#{}", &AT[..10]), &id, record.map(|(name, text)| (name, s(text)))));
    id
}

async fn put(app: &App, items: Vec<Item>) {
    for some in items.chunks(TOGETHER) {
        let put = |item: &Item| PutRequest::builder().set_item(Some(item.clone())).build().unwrap();
        let requests = some.iter().map(|item| WriteRequest::builder().put_request(put(item)).build()).collect();
        let batch = app.store.client().batch_write_item().request_items(app.store.table(), requests);
        let left = batch.send().await.unwrap().unprocessed_items.unwrap_or_default();
        assert!(left.is_empty(), "not written: {left:?}");
    }
}

async fn count_up(app: &App, kind: &str, ids: &[String]) {
    let mut counted: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for id in ids {
        *counted.entry(&id[..2]).or_default().entry(&id[2..3]).or_default() += 1;
    }
    for (prefix, digits) in counted {
        let update = app.store.client().update_item().table_name(app.store.table());
        let mut update = update.key("PK", s(format!("T#default#COUNT#{kind}"))).key("SK", s(prefix));
        let mut expression = vec!["#n :n".to_owned()];
        let all: usize = digits.values().sum();
        update = update.expression_attribute_names("#n", "n").expression_attribute_values(":n", n(all));
        for (digit, count) in digits {
            expression.push(format!("#{digit} :{digit}"));
            update = update.expression_attribute_names(format!("#{digit}"), digit);
            update = update.expression_attribute_values(format!(":{digit}"), n(count));
        }
        update.update_expression(format!("ADD {}", expression.join(", "))).send().await.unwrap();
    }
}

/// Asserts that a group has exactly these members in the table, from both ends, and as many versions and change records
/// as `version` says; and that nothing of a redo is left.
pub async fn holds(app: &App, group: &str, members: &BTreeSet<String>, version: usize) {
    let dump = app.dump().await;
    let memberships = format!("T#default#MEMBERS#{group}");
    let end = |(pk, sk): &(String, String)| {
        let member = pk.strip_prefix("T#default#MEMBEROF#").filter(|_| sk == group);
        (pk == &memberships).then(|| (0, sk.clone())).or_else(|| member.map(|member| (1, member.to_owned())))
    };
    let (left, right): (Vec<_>, Vec<_>) = dump.keys().filter_map(end).partition(|(side, _)| *side == 0);
    let ids = |side: Vec<(usize, String)>| side.into_iter().map(|(_, id)| id).collect::<BTreeSet<_>>();
    for (side, name) in [(ids(left), "memberships"), (ids(right), "mirrors")] {
        let (stray, missing) = (side.difference(members).count(), members.difference(&side).count());
        assert_eq!((stray, missing), (0, 0), "{name} that stray, and that are missing");
    }
    let item = &dump[&("T#default#GROUP".to_owned(), group.to_owned())];
    let counts = ["memberCount", "version"].map(|name| item[name].as_u64().unwrap() as usize);
    let of_group =
        |((pk, _), item): &(&(String, String), &Value)| pk.starts_with("T#default#LOG#") && item["resourceId"] == group;
    assert_eq!((counts, dump.iter().filter(of_group).count()), ([members.len(), version], version), "{item}");
    assert_eq!(residue(&dump), Vec::<String>::new());
}

/// What redos have left: items of their own, and marks on resources.
pub fn residue(dump: &Dump) -> Vec<String> {
    let is_of_redo = |pk: &str| pk.ends_with("#REDO") || pk.contains("#INTENT#");
    let marks = ["intent", "joining", "leaving"];
    let is_marked = |item: &Value| marks.iter().any(|mark| item.get(mark).is_some());
    let left = dump.iter().filter(|((pk, _), item)| is_of_redo(pk) || is_marked(item));
    left.map(|((pk, sk), item)| format!("{pk} / {sk}: {item}")).collect()
}

/// Ends all redos.
pub async fn sweep_all(app: &App, when: &str) {
    let api = Api::new(app.config.clone(), app.store_of("sweep"));
    let swept = sweep(&api, Duration::from_secs(60), Duration::ZERO).await.unwrap();
    assert_eq!((swept.under_way, swept.left), (0, 0), "{when}");
}

/// Sweeps, and asserts that nothing of a redo is left and that the table does not contradict itself.
pub async fn is_clean_after_the_sweep(app: &App, when: &str) {
    sweep_all(app, when).await;
    assert_eq!(residue(&app.dump().await), Vec::<String>::new(), "{when}");
    is_intact(app).await;
}
