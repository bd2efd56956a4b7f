//! The table, item by item, against the entity chart of `store/keys.rs`: what holds whenever no request is under way.
//! The keys are written out here once more, so that a change of one is a decision.

use scimlet::protocol::case::fold;
use scimlet::store::keys::hex;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Every item of a table by its key.
pub type Dump = BTreeMap<(String, String), Value>;

/// Item attributes that a user or group may have.
const RESOURCE_ITEM: [&str; 16] = [
    "PK",
    "SK",
    "resource",
    "version",
    "created",
    "lastModified",
    "userName",
    "active",
    "displayName",
    "email",
    "externalId",
    "joins",
    "memberGroups",
    "settled",
    "memberCount",
    "unmanaged",
];
/// What the server knows of a resource and does not keep in its JSON.
const NOT_KEPT: [&str; 5] = ["id", "meta", "members", "groups", "password"];

#[derive(Default)]
struct Table<'a> {
    /// By tenant, `USER` or `GROUP`, and id.
    resources: BTreeMap<(&'a str, &'a str, &'a str), &'a Value>,
    /// By tenant, group and member.
    memberships: BTreeMap<(&'a str, &'a str, &'a str), &'a Value>,
    /// By tenant, group and member.
    mirrors: BTreeMap<(&'a str, &'a str, &'a str), &'a Value>,
    /// Partition key, sort key, and id of who holds the value.
    keys: BTreeSet<(String, String, String)>,
    /// By tenant, type and first two digits.
    counters: BTreeMap<(&'a str, &'a str, &'a str), &'a Value>,
    /// With the tenant.
    changes: Vec<(&'a str, &'a Value)>,
    /// Tombstones by tenant, type and id.
    gone: BTreeMap<(&'a str, &'a str, &'a str), &'a Value>,
}

impl<'a> Table<'a> {
    fn read(dump: &'a Dump) -> Self {
        let mut table = Self::default();
        for ((pk, sk), item) in dump {
            if pk == "TOKENS" || pk == "VERIFIED" {
                continue;
            }
            let (tenant, rest) = pk.strip_prefix("T#").and_then(|pk| pk.split_once('#')).expect("T#<tenant>#");
            let (kind, name) = rest.split_once('#').unwrap_or((rest, ""));
            match kind {
                "USER" | "GROUP" if name.is_empty() => {
                    table.resources.insert((tenant, kind, sk), item);
                }
                "MEMBERS" => {
                    table.memberships.insert((tenant, name, sk), item);
                }
                "MEMBEROF" => {
                    table.mirrors.insert((tenant, sk, name), item);
                }
                "KEY" | "DIGEST" => {
                    assert_eq!(
                        sk == "-",
                        item.get("id").is_some(),
                        "a unique key has an id, a lookup key has none: {pk}"
                    );
                    let holder = item["id"].as_str().unwrap_or(sk);
                    table.keys.insert((pk.clone(), sk.clone(), holder.to_owned()));
                }
                "COUNT" => {
                    table.counters.insert((tenant, name, sk), item);
                }
                "BREAKER" => assert_eq!(sk, "-"),
                "LOG" if sk.contains('#') => assert!(item["part"].is_string(), "{pk} / {sk}: {item}"),
                "LOG" => {
                    assert_eq!(item["at"].as_str().expect("at")[..10], *name, "the day of a change");
                    table.changes.push((tenant, item));
                }
                "GONE" => {
                    table.gone.insert((tenant, name, sk), item);
                }
                _ => panic!("no chart has the item {pk} / {sk}: {item}"),
            }
        }
        table
    }
}

/// Panics where the table contradicts itself.
#[track_caller]
pub fn invariants(dump: &Dump) {
    let table = Table::read(dump);
    for ((_, kind, id), item) in &table.resources {
        resource(kind, id, item);
    }
    memberships(&table);
    keys(&table);
    counters(&table);
    changes(&table);
}

fn kept(item: &Value) -> Value {
    serde_json::from_str(item["resource"].as_str().expect("resource")).expect("JSON")
}

/// The copies say what the JSON says, and nothing else is there.
fn resource(kind: &str, id: &str, item: &Value) {
    for name in item.as_object().expect("an item").keys() {
        // When memberships of one sixteenth of the members ended, and when the group was rewritten.
        let is_time = kind == "GROUP" && matches!(name.strip_prefix('t'), Some(digit) if digit.len() < 2);
        assert!(is_time || RESOURCE_ITEM.contains(&name.as_str()), "{kind} {id} has the item attribute {name}");
    }
    let kept = kept(item);
    for name in NOT_KEPT {
        assert!(kept.get(name).is_none(), "{kind} {id} keeps '{name}' in its JSON");
    }
    let text = |name: &str| kept.get(name).filter(|value| value.is_string());
    let emails = kept["emails"].as_array().map_or(&[][..], Vec::as_slice);
    let email = emails.iter().find(|email| email["primary"] == true).or_else(|| emails.first());
    for (copy, original) in [
        ("userName", text("userName")),
        ("active", kept.get("active").filter(|value| value.is_boolean())),
        ("displayName", text("displayName")),
        ("externalId", text("externalId")),
        ("email", email.and_then(|email| email.get("value")).filter(|value| value.is_string())),
    ] {
        assert_eq!(item.get(copy), original, "{copy} of {kind} {id} and its copy");
    }
    assert!(item["version"].as_u64().is_some_and(|version| version > 0), "version of {kind} {id}");
    assert!(item["created"].as_str().expect("created") <= item["lastModified"].as_str().expect("lastModified"));
    assert_eq!(item.get("memberCount").is_some(), kind == "GROUP", "memberCount of {kind} {id}");
}

/// Each membership has its mirror, both ends exist, and the counts are exact.
fn memberships(table: &Table<'_>) {
    let ends = |items: &BTreeMap<(&str, &str, &str), &Value>| {
        let end = |((tenant, group, member), item): (&(&str, &str, &str), &&Value)| {
            let name = |name: &str| item[name].as_str().expect(name).to_owned();
            [(*tenant).to_owned(), (*group).to_owned(), (*member).to_owned(), name("type"), name("added")]
        };
        items.iter().map(end).collect::<BTreeSet<_>>()
    };
    assert_eq!(ends(&table.memberships), ends(&table.mirrors), "memberships (left) and their mirrors (right)");
    for ((tenant, group, member), item) in &table.memberships {
        assert!(
            table.resources.contains_key(&(*tenant, "GROUP", *group)),
            "membership of {member} in no group {group}"
        );
        let kind = match item["type"].as_str() {
            Some("User") => "USER",
            Some("Group") => "GROUP",
            _ => panic!("type of membership {group} / {member}: {item}"),
        };
        let found = table.resources.get(&(*tenant, kind, *member));
        let found = found.unwrap_or_else(|| panic!("{kind} {member} is a member of {group} and does not exist"));
        assert!(
            found["joins"].as_u64().is_some_and(|joins| joins > 0),
            "joins of {kind} {member}, a member of {group}"
        );
    }
    for ((tenant, kind, id), item) in &table.resources {
        if *kind == "GROUP" {
            let members = table.memberships.keys().filter(|(of, group, _)| of == tenant && group == id).count();
            assert_eq!(item["memberCount"].as_u64(), Some(members as u64), "memberCount of {id}");
            let is_group = |((of, group, _), item): &(&(&str, &str, &str), &&Value)| {
                of == tenant && group == id && item["type"] == "Group"
            };
            let groups = table.memberships.iter().filter(is_group).count();
            let counted = item.get("memberGroups").map_or(Some(0), Value::as_u64);
            assert_eq!(counted, Some(groups as u64), "memberGroups of {id}");
        }
    }
}

/// Every indexed value has its key, and every key names a resource that holds the value.
fn keys(table: &Table<'_>) {
    let mut expected = BTreeSet::new();
    for ((tenant, kind, id), item) in &table.resources {
        let kept = kept(item);
        let mut hold = |attribute: &str, value: Option<&str>, is_unique: bool| {
            let Some(value) = value.filter(|value| !value.is_empty()) else { return };
            let value = if value.len() <= 1024 {
                format!("KEY#{attribute}#{value}")
            } else {
                format!("DIGEST#{attribute}#{}", hex(&Sha256::digest(value)))
            };
            let sk = if is_unique { "-" } else { id };
            expected.insert((format!("T#{tenant}#{value}"), sk.to_owned(), (*id).to_owned()));
        };
        let folded = |value: &Value| value.as_str().map(fold);
        if *kind == "GROUP" {
            hold("Group.displayName", folded(&kept["displayName"]).as_deref(), true);
            hold("Group.externalId", kept["externalId"].as_str(), false);
            continue;
        }
        hold("User.userName", folded(&kept["userName"]).as_deref(), true);
        hold("User.externalId", kept["externalId"].as_str(), false);
        for email in kept["emails"].as_array().into_iter().flatten() {
            hold("User.emails.value", folded(&email["value"]).as_deref(), false);
        }
    }
    let missing: Vec<_> = expected.difference(&table.keys).collect();
    let stray: Vec<_> = table.keys.difference(&expected).collect();
    assert!(missing.is_empty() && stray.is_empty(), "keys that are missing: {missing:?}; that stray: {stray:?}");
}

/// The counters are the resources, counted by the first two digits of their ids and, within that, by the third.
fn counters(table: &Table<'_>) {
    let mut counted = BTreeMap::new();
    for (tenant, kind, id) in table.resources.keys() {
        *counted.entry((*tenant, *kind, &id[..2], "n")).or_insert(0_i64) += 1;
        *counted.entry((*tenant, *kind, &id[..2], &id[2..3])).or_insert(0_i64) += 1;
    }
    let mut non_zero = BTreeMap::new();
    for ((tenant, kind, prefix), item) in &table.counters {
        let attributes =
            item.as_object().expect("an item").iter().filter(|(name, _)| !["PK", "SK"].contains(&name.as_str()));
        for (name, number) in attributes {
            let number = number.as_i64().expect("a number");
            if number != 0 {
                non_zero.insert((*tenant, *kind, *prefix, name.as_str()), number);
            }
        }
    }
    assert_eq!(non_zero, counted, "counters (left) and resources (right)");
}

/// Every version of a resource has its change record, and every record its effect.
fn changes(table: &Table<'_>) {
    let mut counts: BTreeMap<(&str, &str, &str), BTreeMap<&str, u64>> = BTreeMap::new();
    let mut left: BTreeMap<(&str, String), u64> = BTreeMap::new();
    for (tenant, change) in &table.changes {
        let text = |name: &str| change[name].as_str().filter(|text| !text.is_empty()).expect(name);
        if text("resourceType") == "Tenant" {
            continue;
        }
        let kind = if text("resourceType") == "User" { "USER" } else { "GROUP" };
        let changes: Option<Value> = change["changes"].as_str().map(|text| serde_json::from_str(text).expect("JSON"));
        assert_eq!(changes.is_some(), change.get("parts").is_none(), "{change}");
        let is_again = changes.as_ref().is_some_and(|changes| {
            let after = &changes["after"];
            changes["before"] == serde_json::json!({})
                && (after.get("userName").is_some() || after.get("displayName").is_some())
        });
        let operation = match text("operation") {
            "restore" if is_again => "create again",
            operation => operation,
        };
        assert_eq!((text("actor").is_empty(), text("requestId").is_empty()), (false, false));
        if operation == "void" {
            // An attempt that was given up, and did nothing.
            assert_eq!(changes, Some(serde_json::json!({ "before": {}, "after": {} })), "{change}");
            continue;
        }
        *counts.entry((tenant, kind, text("resourceId"))).or_default().entry(operation).or_default() += 1;
        let Some(changes) = changes else { continue };
        if operation == "delete" {
            // A group that loses a deleted member gets a version from that member's record.
            for group in changes["before"]["groups"].as_array().into_iter().flatten() {
                *left.entry((tenant, group["value"].as_str().expect("value").to_owned())).or_default() += 1;
            }
        } else if operation != "adopt" {
            assert_ne!(changes["before"], changes["after"], "a change record without a change: {change}");
        }
    }
    for (key @ (tenant, kind, id), count) in &counts {
        let of = |operation| count.get(operation).copied().unwrap_or(0);
        let alive = of("create") + of("create again") - of("delete");
        assert!(of("create") == 1 && alive <= 1, "records of {kind} {id}: {count:?}");
        assert_eq!(alive == 0, table.gone.contains_key(key), "tombstone of {kind} {id}: {count:?}");
        assert_eq!(alive == 1, table.resources.contains_key(key), "records of {kind} {id}: {count:?}");
        if let Some(item) = table.resources.get(key) {
            let without_own = left.get(&(*tenant, (*id).to_owned())).copied().unwrap_or(0);
            let own =
                count.iter().filter(|(operation, _)| **operation != "delete").map(|(_, count)| count).sum::<u64>();
            let version = own + without_own;
            assert_eq!(item["version"].as_u64(), Some(version), "version of {kind} {id}: {count:?}");
        }
    }
    for key in table.resources.keys().chain(table.gone.keys()) {
        assert!(counts.contains_key(key), "{key:?} has no change record");
    }
    for ((_, kind, id), tombstone) in &table.gone {
        let record = table.changes.iter().find(|(_, change)| change["SK"] == tombstone["change"]);
        let (_, record) = record.unwrap_or_else(|| panic!("no record deleted {kind} {id}: {tombstone}"));
        assert_eq!((&record["operation"], &record["resourceId"]), (&"delete".into(), &(*id).into()), "{tombstone}");
    }
}
