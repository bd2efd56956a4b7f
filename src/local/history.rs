//! `scimlet log`: the change log, for a person and for a program.

use super::admin::Admin;
use super::columns::{cut, plain};
use super::listing::names;
use crate::protocol::schema::ResourceType;
use crate::store::log::Record;
use crate::store::meter::Meter;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Characters of a value in a line for a person.
const VALUE_WIDTH: usize = 40;

/// Which records.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Of this resource, by id.
    pub resource: Option<String>,
    /// Of this actor: the label of a token.
    pub actor: Option<String>,
    /// From this time on, RFC 3339.
    pub since: String,
    /// Before this time, RFC 3339.
    pub until: String,
}

impl Wanted {
    /// Whether a record is about the resource: as itself, as a member of a group, or as a group that a deleted user was
    /// in.
    fn is_about(record: &Record, id: &str) -> bool {
        let names = |side: &str, list: &str| {
            let entries = record.changes[side][list].as_array();
            entries.is_some_and(|entries| entries.iter().any(|entry| entry["value"] == id))
        };
        record.resource_id == id || names("before", "members") || names("after", "members") || names("before", "groups")
    }

    fn has(&self, record: &Record) -> bool {
        self.resource.as_deref().is_none_or(|id| Self::is_about(record, id))
            && self.actor.as_deref().is_none_or(|actor| record.actor == actor)
    }
}

/// The records, in order of time, and the time of the last one that was looked at, wanted or not.
///
/// # Errors
///
/// What the table said, in a sentence.
pub async fn records(admin: &Admin, wanted: &Wanted) -> Result<(Vec<Record>, Option<String>), String> {
    let (mut found, mut last) = (Vec::new(), None);
    let visit = |record: Record| {
        last = Some(record.at.clone());
        if wanted.has(&record) {
            found.push(record);
        }
        ControlFlow::Continue(())
    };
    let store = admin.store(&Meter::default());
    store.records(&wanted.since, &wanted.until, visit).await.map_err(|error| error.to_string())?;
    Ok((found, last))
}

/// A record for a program: one line of JSON.
#[must_use]
pub fn json_line(record: &Record) -> String {
    json!({
        "id": record.id,
        "at": record.at,
        "operation": record.operation,
        "resourceType": record.resource_type,
        "resourceId": record.resource_id,
        "actor": record.actor,
        "requestId": record.request_id,
        "clientRequestId": record.client_request_id,
        "quirks": record.quirks,
        "changes": record.changes,
    })
    .to_string()
}

/// What resources are called, as far as it is known.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<(String, String), String>);

impl Names {
    /// Learns the names of the resources that the records are about: from the records, from the resources, and from what
    /// is left of those that were deleted.
    ///
    /// # Errors
    ///
    /// What the table said, in a sentence.
    pub async fn learn(&mut self, admin: &Admin, records: &[Record]) -> Result<(), String> {
        for record in records {
            let name = ["after", "before"].iter().find_map(|side| {
                let side = &record.changes[*side];
                side["userName"].as_str().or_else(|| side["displayName"].as_str())
            });
            // A user's displayName is not what it is found by.
            let name = name.filter(|_| record.resource_type != "User" || has_user_name(record));
            if let Some(name) = name {
                self.0.insert((record.resource_type.clone(), record.resource_id.clone()), name.to_owned());
            }
        }
        let unknown: BTreeSet<(ResourceType, String)> = records
            .iter()
            .filter(|record| !self.0.contains_key(&(record.resource_type.clone(), record.resource_id.clone())))
            .filter_map(|record| Some((type_named(&record.resource_type)?, record.resource_id.clone())))
            .collect();
        let found = names(admin, unknown.clone()).await?;
        let store = admin.store(&Meter::default());
        for (resource_type, id) in unknown {
            let name = match found.get(&(resource_type, id.clone())) {
                Some(name) => Some(name.clone()),
                None => {
                    let left = store.tombstone(resource_type, &id).await.map_err(|error| error.to_string())?;
                    left.and_then(|left| left.name)
                }
            };
            self.0.insert((resource_type.name().to_owned(), id.clone()), name.unwrap_or(id));
        }
        Ok(())
    }

    fn of<'n>(&'n self, record: &'n Record) -> &'n str {
        let key = (record.resource_type.clone(), record.resource_id.clone());
        self.0.get(&key).map_or(record.resource_id.as_str(), String::as_str)
    }
}

fn has_user_name(record: &Record) -> bool {
    ["after", "before"].iter().any(|side| record.changes[*side]["userName"].is_string())
}

fn type_named(name: &str) -> Option<ResourceType> {
    ResourceType::ALL.into_iter().find(|resource_type| resource_type.name() == name)
}

/// A record for a person: one line, cut to `width` characters if there is one.
#[must_use]
pub fn line(record: &Record, names: &Names, width: Option<usize>) -> String {
    let quirks = if record.quirks.is_empty() { String::new() } else { format!("  ({})", record.quirks.join(", ")) };
    let kind = record.resource_type.to_lowercase();
    let name = names.of(record);
    let changes = changes(&record.changes);
    let line =
        format!("{}  {:12}  {:8}  {kind:7}  {name}  {changes}{quirks}", record.at, record.actor, record.operation);
    let line = plain(line.trim_end());
    match width {
        Some(width) => cut(&line, width),
        None => line,
    }
}

/// `active: true -> false; members: +2 -1`.
fn changes(changes: &Value) -> String {
    let empty = serde_json::Map::new();
    let side = |name: &str| changes[name].as_object().unwrap_or(&empty);
    let (before, after) = (side("before"), side("after"));
    let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let one = |name: &String| {
        let (was, is) = (before.get(name), after.get(name));
        if name == "members" || name == "groups" {
            return memberships(name, was, is);
        }
        let text = |value: Option<&Value>| match value {
            None => "-".to_owned(),
            Some(Value::String(text)) => cut(text, VALUE_WIDTH),
            Some(other) => cut(&other.to_string(), VALUE_WIDTH),
        };
        match (was, is) {
            (None, is) => format!("{name}: {}", text(is)),
            (was, is) => format!("{name}: {} -> {}", text(was), text(is)),
        }
    };
    all.into_iter().map(one).collect::<Vec<_>>().join("; ")
}

fn memberships(name: &str, was: Option<&Value>, is: Option<&Value>) -> String {
    let ids = |list: Option<&Value>| -> BTreeSet<String> {
        let entries = list.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        entries.iter().filter_map(|entry| entry["value"].as_str().map(str::to_owned)).collect()
    };
    let (was, is) = (ids(was), ids(is));
    let parts = [
        (is.difference(&was).count(), "+"),
        (was.difference(&is).count(), "-"),
        (was.intersection(&is).count(), "renamed "),
    ];
    let said: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, sign)| format!("{sign}{count}")).collect();
    format!("{name}: {}", said.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_and_what_is() {
        let cases = [
            (json!({ "before": { "active": true }, "after": { "active": false } }), "active: true -> false"),
            (json!({ "before": {}, "after": { "userName": "ann", "active": true } }), "active: true; userName: ann"),
            (json!({ "before": { "title": "x" }, "after": {} }), "title: x -> -"),
            (
                json!({ "before": { "members": [{ "value": "1" }, { "value": "2" }] }, "after": { "members": [{ "value": "1", "display": "A" }, { "value": "3" }] } }),
                "members: +1 -1 renamed 1",
            ),
            (json!({ "before": {}, "after": {} }), ""),
        ];
        for (record, expected) in cases {
            assert_eq!(changes(&record), expected);
        }
    }
}
