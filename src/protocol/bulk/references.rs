//! `bulkId:` references in the data and the path of an operation (RFC 7644 section 3.7.2).

use super::BulkOperation;
use crate::protocol::error::ScimError;
use crate::protocol::{Object, case};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a reference begins with.
const PREFIX: &str = "bulkId:";

/// The client's name in `bulkId:name`.
fn name(text: &str) -> Option<&str> {
    case::strip_prefix(text, PREFIX)
}

/// The bulkIds that an operation refers to: as its target, as a value anywhere in its data, or inside the value filter
/// of a PATCH path.
#[must_use]
pub fn of(operation: &BulkOperation) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    found.extend(operation.id.as_deref().and_then(name).map(str::to_owned));
    collect(&operation.data, &mut found);
    found
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            found.extend(name(text).map(str::to_owned));
            found.extend(quoted(text).map(str::to_owned));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        Value::Object(object) => object.values().for_each(|value| collect(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The names in `members[value eq "bulkId:name"]`.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2).filter_map(name)
}

/// Puts the ids of what was created in the place of the references.
pub fn fill_in(value: &mut Value, ids: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            if let Some(id) = name(text).and_then(|name| ids.get(name)) {
                id.clone_into(text);
                return;
            }
            let fill = |(index, part)| match name(part).filter(|_| index % 2 == 1).and_then(|name| ids.get(name)) {
                Some(id) => id.as_str(),
                None => part,
            };
            let filled: Vec<&str> = text.split('"').enumerate().map(fill).collect();
            *text = filled.join("\"");
        }
        Value::Array(values) => values.iter_mut().for_each(|value| fill_in(value, ids)),
        Value::Object(object) => object.values_mut().for_each(|value| fill_in(value, ids)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The id of an operation's target: that of what was created if it is a reference to it.
#[must_use]
pub fn target<'a>(operation: &'a BulkOperation, ids: &'a BTreeMap<String, String>) -> Option<&'a str> {
    let id = operation.id.as_deref()?;
    Some(name(id).and_then(|name| ids.get(name)).map_or(id, String::as_str))
}

/// Takes out of the data of a POST what refers to `later`: resources that only come to be after this one, as the
/// references run in a circle. Gives the operations of the PATCH that adds it when they exist.
///
/// # Errors
///
/// 400 `invalidValue` when a reference stands where nothing can be taken out: in a simple attribute.
pub fn take_out(data: &mut Value, later: &BTreeSet<String>) -> Result<Vec<Value>, ScimError> {
    let mut operations = Vec::new();
    let Value::Object(resource) = data else { return Ok(operations) };
    let names: Vec<String> = resource.keys().cloned().collect();
    for attribute in names {
        let Some(Value::Object(extension)) = resource.get_mut(&attribute).filter(|_| attribute.starts_with("urn:"))
        else {
            take_out_attribute(resource, &attribute, &attribute, later, &mut operations)?;
            continue;
        };
        let inner: Vec<String> = extension.keys().cloned().collect();
        for name in inner {
            take_out_attribute(extension, &name, &format!("{attribute}:{name}"), later, &mut operations)?;
        }
    }
    Ok(operations)
}

fn take_out_attribute(
    object: &mut Object,
    attribute: &str,
    path: &str,
    later: &BTreeSet<String>,
    operations: &mut Vec<Value>,
) -> Result<(), ScimError> {
    let refers = |value: &Value| {
        let mut found = BTreeSet::new();
        collect(value, &mut found);
        !found.is_disjoint(later)
    };
    if !object.get(attribute).is_some_and(refers) {
        return Ok(());
    }
    let taken = match object.get_mut(attribute) {
        Some(Value::Array(elements)) => {
            let (taken, left) = std::mem::take(elements).into_iter().partition(refers);
            *elements = left;
            Value::Array(taken)
        }
        Some(Value::Object(_)) => object.shift_remove(attribute).unwrap_or(Value::Null),
        _ => {
            return Err(ScimError::invalid_value(format!(
                "Attribute '{path}' refers to a resource that in turn needs this one to exist. Such a circle can be resolved \
                 for references such as 'members' and 'manager' alone."
            )));
        }
    };
    operations.push(json!({ "op": "add", "path": path, "value": taken }));
    Ok(())
}
