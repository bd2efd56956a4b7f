//! What a change may not do whatever the values are: alter what is immutable, or, in strict mode, bring in what no
//! schema names.

use super::Object;
use super::error::{ScimError, ScimType};
use super::schema::{Attribute, Mutability, ResourceSchema};
use serde_json::Value;

/// Gives `after`, the body of a PUT, the immutable attributes of `before` that it leaves out: what is not sent is not
/// changed (RFC 7644 section 3.5.1).
pub fn keep_immutable(schema: &ResourceSchema, before: &Object, after: &mut Object) {
    for (extension, definition) in schema.attributes().filter(|(_, found)| found.mutability == Mutability::Immutable) {
        let Some(uri) = extension else {
            if let (None, Some(value)) = (after.get(&definition.name), before.get(&definition.name)) {
                after.insert(definition.name.clone(), value.clone());
            }
            continue;
        };
        let Some(value) = before.get(uri).and_then(|found| found.get(&definition.name)) else { continue };
        let extension = after.entry(uri).or_insert_with(|| Value::Object(Object::new()));
        if let Some(extension) = extension.as_object_mut() {
            extension.entry(&definition.name).or_insert_with(|| value.clone());
        }
    }
}

/// Checks the step from `before` (empty for a new resource) to `after`.
///
/// # Errors
///
/// 400 `mutability` for an immutable attribute with another value (RFC 7643 section 7); in strict mode 400
/// `invalidSyntax` for a new attribute that no schema names.
pub fn check(schema: &ResourceSchema, before: &Object, after: &Object) -> Result<(), ScimError> {
    for (extension, definition) in schema.attributes().filter(|(_, found)| holds_immutable(found)) {
        if let Some(old) = value(before, extension, definition) {
            let label = extension.map_or_else(|| definition.name.clone(), |uri| format!("{uri}:{}", definition.name));
            check_immutable(definition, &label, old, value(after, extension, definition))?;
        }
    }
    if schema.is_strict { check_known(schema, before, after) } else { Ok(()) }
}

fn value<'r>(resource: &'r Object, extension: Option<&str>, definition: &Attribute) -> Option<&'r Value> {
    match extension {
        None => resource.get(&definition.name),
        Some(uri) => resource.get(uri)?.get(&definition.name),
    }
}

/// Whether it is immutable, or has a sub-attribute for which [`check_immutable`] asks.
fn holds_immutable(definition: &Attribute) -> bool {
    definition.mutability == Mutability::Immutable
        || !definition.multi_valued && definition.sub_attributes.iter().any(holds_immutable)
}

fn check_immutable(definition: &Attribute, label: &str, old: &Value, new: Option<&Value>) -> Result<(), ScimError> {
    if definition.mutability == Mutability::Immutable && Some(old) != new {
        return Err(ScimError::bad_request(
            ScimType::Mutability,
            format!("Attribute '{label}' is immutable: it was set before and cannot be changed."),
        ));
    }
    // The elements of a multi-valued attribute come and go; only what has one value can be told to have changed.
    if !definition.multi_valued {
        for sub in &definition.sub_attributes {
            if let Some(old) = old.get(&sub.name) {
                check_immutable(sub, &format!("{label}.{}", sub.name), old, new.and_then(|new| new.get(&sub.name)))?;
            }
        }
    }
    Ok(())
}

fn check_known(schema: &ResourceSchema, before: &Object, after: &Object) -> Result<(), ScimError> {
    for (name, value) in after.iter().filter(|(name, value)| before.get(*name) != Some(*value)) {
        if let Some(definition) = schema.attribute(None, name) {
            check_known_sub_attributes(definition, name, value)?;
        } else if let (Some(extension), Value::Object(members)) = (schema.extension(name), value) {
            for (name, value) in members {
                let label = format!("{}:{name}", extension.id);
                match schema.attribute(Some(&extension.id), name) {
                    Some(definition) => check_known_sub_attributes(definition, &label, value)?,
                    None => return Err(unknown(&label)),
                }
            }
        } else {
            return Err(unknown(name));
        }
    }
    Ok(())
}

fn check_known_sub_attributes(definition: &Attribute, label: &str, value: &Value) -> Result<(), ScimError> {
    if definition.sub_attributes.is_empty() {
        return Ok(());
    }
    let elements = match value {
        Value::Array(elements) => elements.iter().collect(),
        single => vec![single],
    };
    let members = elements.into_iter().filter_map(Value::as_object).flatten();
    match members.map(|(name, _)| name).find(|name| definition.sub_attribute(name).is_none()) {
        Some(name) => Err(unknown(&format!("{label}.{name}"))),
        None => Ok(()),
    }
}

fn unknown(label: &str) -> ScimError {
    ScimError::invalid_syntax(format!("No schema has the attribute '{label}', and this server keeps no unknown ones."))
}

#[cfg(test)]
mod tests;
