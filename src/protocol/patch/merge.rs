//! What a PATCH puts into lists and objects that are there.

use crate::protocol::error::ScimError;
use crate::protocol::validation::is_primary;
use crate::protocol::{Object, size};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasherDefault, DefaultHasher};

/// Adds the values that are not there yet, each once. A body can hold a million of them.
pub(super) fn append(name: &str, elements: &mut Vec<Value>, values: Vec<Value>) -> Result<(), ScimError> {
    let mut seen: HashSet<&Value, BuildHasherDefault<DefaultHasher>> = elements.iter().collect();
    let is_new: Vec<bool> = values.iter().map(|value| seen.insert(value)).collect();
    elements.extend(values.into_iter().zip(is_new).filter_map(|(value, is_new)| is_new.then_some(value)));
    size::check_count(name, elements)
}

/// Puts `members` into `object`, each under the spelling that it has there: names are not case-sensitive.
pub(super) fn merge(object: &mut Object, members: Object) {
    let mut spellings: Option<BTreeMap<String, String>> = None;
    for (name, value) in members {
        if object.contains_key(&name) {
            object.insert(name, value);
            continue;
        }
        let known =
            spellings.get_or_insert_with(|| object.keys().map(|key| (key.to_ascii_lowercase(), key.clone())).collect());
        let key = known.get(&name.to_ascii_lowercase()).cloned().unwrap_or(name);
        object.insert(key, value);
    }
}

/// Merges `members` into the elements at `indices`. If that makes them primary, the last one stays it.
pub(super) fn merge_elements(elements: &mut [Value], indices: &[usize], members: &Object) {
    for &index in indices {
        if let Some(Value::Object(element)) = elements.get_mut(index) {
            merge(element, members.clone());
        }
    }
    if let Some(&last) = indices.last().filter(|_| members.get("primary") == Some(&Value::Bool(true))) {
        keep_one_primary(elements, last);
    }
}

/// RFC 7644 section 3.5.2: when the element at `index` is primary, the others are no longer.
pub(super) fn keep_one_primary(elements: &mut [Value], index: usize) {
    if !elements.get(index).is_some_and(is_primary) {
        return;
    }
    for (at, element) in elements.iter_mut().enumerate() {
        if at != index && is_primary(element) {
            element["primary"] = Value::Bool(false);
        }
    }
}
