//! From what a client sent to what is kept: names in canonical spelling, values of the schema's type, nothing that
//! is read-only, nothing unassigned. What no schema names is kept as it came.

use super::error::ScimError;
use super::quirks::{self, Quirks};
use super::schema::{Attribute, Mutability, ResourceSchema, Returned, Type};
use super::{Object, case, matching, size};
use base64::Engine as _;
use base64::engine::general_purpose::GeneralPurposeConfig;
use base64::engine::{DecodePaddingMode, GeneralPurpose};
use serde_json::Value;
use std::fmt::Display;

/// Reads the body of a POST or PUT as a resource. Read-only attributes (`id`, `meta`, `groups`) are ignored (RFC 7644
/// section 3.5.1); attributes that are never returned (`password`) are checked and then dropped; `schemas` is made
/// from what is there. Required attributes are checked by [`settle`].
///
/// # Errors
///
/// 400 `invalidSyntax` when the body is not an object; 400 `invalidValue` for a value of the wrong type and for a
/// name that stands there twice in different case.
pub fn accept(schema: &ResourceSchema, body: Value, quirks: &mut Quirks) -> Result<Object, ScimError> {
    let Value::Object(body) = body else {
        return Err(ScimError::invalid_syntax(format!(
            "The request body must be a JSON object: a {}.",
            schema.resource_type.name()
        )));
    };
    let mut resource = Object::new();
    for (name, value) in body {
        let Some(definition) = schema.attribute(None, &name) else {
            match extension_uri(schema, &name, &value, quirks) {
                Some(uri) => merge_extension(schema, &mut resource, &uri, value, quirks)?,
                None if value.is_null() => {}
                None => insert_once(&mut resource, &name, value)?,
            }
            continue;
        };
        if definition.mutability == Mutability::ReadOnly {
            continue;
        }
        if let Some(value) = normalise(definition, &definition.name, value, quirks)?
            && definition.returned != Returned::Never
        {
            insert_once(&mut resource, &definition.name, value)?;
        }
    }
    names_differ(&resource)?;
    Ok(resource)
}

/// The canonical URI if `name` is that of an extension schema: a known one, or any URN that holds an object.
fn extension_uri(schema: &ResourceSchema, name: &str, value: &Value, quirks: &mut Quirks) -> Option<String> {
    if let Some(known) = schema.extension(name) {
        return Some(known.id.clone());
    }
    if let Some(known) = quirks::misspelt_schema_uri(name, quirks) {
        return Some(known.to_owned());
    }
    (value.is_object() && case::strip_prefix(name, "urn:").is_some()).then(|| name.to_owned())
}

fn merge_extension(
    schema: &ResourceSchema,
    resource: &mut Object,
    uri: &str,
    value: Value,
    quirks: &mut Quirks,
) -> Result<(), ScimError> {
    if value.is_null() {
        return Ok(());
    }
    let Some(extension) = normalise_extension(schema, uri, value, quirks)? else { return Ok(()) };
    insert_once(resource, uri, Value::Object(extension))
}

/// The object of an extension, checked against its schema if there is one. `None` when nothing in it is assigned.
///
/// # Errors
///
/// 400 `invalidValue`, as [`accept`].
pub fn normalise_extension(
    schema: &ResourceSchema,
    uri: &str,
    value: Value,
    quirks: &mut Quirks,
) -> Result<Option<Object>, ScimError> {
    let Value::Object(members) = value else {
        return Err(ScimError::wrong_type(uri, "an object", &value));
    };
    let mut extension = Object::new();
    for (name, value) in members {
        let Some(definition) = schema.attribute(Some(uri), &name) else {
            if !value.is_null() {
                insert_once(&mut extension, &name, value)?;
            }
            continue;
        };
        let label = format_args!("{uri}:{}", definition.name);
        if definition.mutability != Mutability::ReadOnly
            && let Some(value) = normalise(definition, &label, value, quirks)?
            && definition.returned != Returned::Never
        {
            insert_once(&mut extension, &definition.name, value)?;
        }
    }
    names_differ(&extension)?;
    Ok((!extension.is_empty()).then_some(extension))
}

fn insert_once(object: &mut Object, name: &str, value: Value) -> Result<(), ScimError> {
    match object.insert(name.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(twice(name)),
    }
}

fn twice(name: &str) -> ScimError {
    ScimError::invalid_value(format!(
        "Attribute '{name}' stands in the request twice. Names are not case-sensitive; send it once."
    ))
}

/// Members of an object up to which each is compared with each: no schema has as many, and a set costs more than that.
const FEW_MEMBERS: usize = 64;

/// No two members of the object are called the same in different case. A body can hold half a million.
fn names_differ(object: &Object) -> Result<(), ScimError> {
    let mut names = object.keys();
    let mut seen = std::collections::BTreeSet::new();
    let again = if object.len() <= FEW_MEMBERS {
        let is_before =
            |(at, name): &(usize, &String)| object.keys().take(*at).any(|one| one.eq_ignore_ascii_case(name));
        names.enumerate().find(is_before).map(|(_, name)| name)
    } else {
        names.find(|name| !seen.insert(name.to_ascii_lowercase()))
    };
    again.map_or(Ok(()), |name| Err(twice(name)))
}

/// A value as the schema wants it; `None` when it is unassigned (null, `[]`, an object without members). `label` is
/// how an error names the attribute.
///
/// # Errors
///
/// 400 `invalidValue` for a value of the wrong type.
pub fn normalise(
    definition: &Attribute,
    label: &dyn Display,
    value: Value,
    quirks: &mut Quirks,
) -> Result<Option<Value>, ScimError> {
    if value.is_null() {
        return Ok(None);
    }
    if !definition.multi_valued {
        let value = match definition.kind {
            Type::Complex => quirks::array_as_single_value(value, quirks),
            _ => value,
        };
        return normalise_single(definition, label, value, quirks);
    }
    let values = quirks::single_value_as_array(value, quirks)
        .map_err(|single| ScimError::wrong_type(&label.to_string(), "an array", &single))?;
    let mut elements = Vec::new();
    for element in values {
        if let Some(element) = normalise_single(definition, label, element, quirks)? {
            elements.push(element);
        }
    }
    Ok((!elements.is_empty()).then_some(Value::Array(elements)))
}

/// One value, or one element of a multi-valued attribute.
///
/// # Errors
///
/// 400 `invalidValue` for a value of the wrong type.
pub fn normalise_single(
    definition: &Attribute,
    label: &dyn Display,
    value: Value,
    quirks: &mut Quirks,
) -> Result<Option<Value>, ScimError> {
    if value.is_null() {
        return Ok(None);
    }
    if definition.kind == Type::Complex {
        return normalise_complex(definition, label, value, quirks);
    }
    let wrong = |expected: &str, value: &Value| Err(ScimError::wrong_type(&label.to_string(), expected, value));
    match (definition.kind, &value) {
        (Type::Boolean, Value::Bool(_)) => Ok(Some(value)),
        (Type::Boolean, _) => match quirks::boolean_as_string(&value, quirks) {
            Some(flag) => Ok(Some(flag.into())),
            None => wrong("true or false", &value),
        },
        (Type::Integer, Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(Some(value)),
        (Type::Integer, _) => wrong("an integer", &value),
        (Type::Decimal, Value::Number(_)) => Ok(Some(value)),
        (Type::Decimal, _) => wrong("a number", &value),
        (Type::DateTime, Value::String(text)) if matching::instant(text).is_some() => Ok(Some(value)),
        (Type::DateTime, _) => wrong("a dateTime such as \"2026-01-31T09:00:00Z\"", &value),
        (Type::Binary, Value::String(text)) if is_base64(text) => Ok(Some(value)),
        (Type::Binary, _) => wrong("a base64 string", &value),
        (Type::String | Type::Reference, Value::String(_)) => Ok(Some(value)),
        (Type::String | Type::Reference, _) => wrong("a string", &value),
        (Type::Complex, _) => wrong("an object", &value),
    }
}

fn normalise_complex(
    definition: &Attribute,
    label: &dyn Display,
    value: Value,
    quirks: &mut Quirks,
) -> Result<Option<Value>, ScimError> {
    let mut members = match quirks::string_as_complex(definition, value, quirks) {
        Value::Object(members) => members,
        other => return Err(ScimError::wrong_type(&label.to_string(), "an object", &other)),
    };
    quirks::manager_id(definition, &mut members, quirks);
    let mut complex = Object::new();
    for (name, value) in members {
        let Some(sub) = definition.sub_attribute(&name) else {
            if !value.is_null() {
                insert_once(&mut complex, &name, value)?;
            }
            continue;
        };
        if sub.mutability == Mutability::ReadOnly {
            continue;
        }
        if let Some(value) = normalise(sub, &format_args!("{label}.{}", sub.name), value, quirks)? {
            insert_once(&mut complex, &sub.name, value)?;
        }
    }
    names_differ(&complex)?;
    Ok((!complex.is_empty()).then_some(Value::Object(complex)))
}

fn is_base64(text: &str) -> bool {
    const ANY_PADDING: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [&base64::alphabet::STANDARD, &base64::alphabet::URL_SAFE]
        .into_iter()
        .any(|alphabet| GeneralPurpose::new(alphabet, ANY_PADDING).decode(text).is_ok())
}

/// The last check before a resource is kept: required attributes are there, one element at most is `primary`, the
/// size fits, and `schemas` names the core schema and each extension that is there.
///
/// # Errors
///
/// 400 `invalidValue` naming the attribute, and what [`size::check`] refuses.
pub fn settle(schema: &ResourceSchema, mut resource: Object) -> Result<Object, ScimError> {
    for (extension, definition) in schema.attributes().filter(|(_, found)| has_rules(found)) {
        let container = match extension {
            None => Some(&resource),
            Some(uri) => resource.get(uri).and_then(Value::as_object),
        };
        let Some(container) = container else { continue };
        check(definition, extension, container.get(&definition.name))?;
    }
    if let Some(missing) = schema.extensions.iter().find(|found| found.required && !resource.contains_key(&found.id)) {
        return Err(ScimError::invalid_value(format!("The extension '{}' is required.", missing.id)));
    }
    let extensions =
        resource.iter().filter(|(name, value)| value.is_object() && case::strip_prefix(name, "urn:").is_some());
    let uris: Vec<Value> = std::iter::once(schema.core.id.as_str())
        .chain(extensions.map(|(name, _)| name.as_str()))
        .map(Value::from)
        .collect();
    resource.shift_remove("schemas");
    resource.shift_insert(0, "schemas".into(), Value::Array(uris));
    size::check(schema.resource_type.name(), &resource)?;
    Ok(resource)
}

/// Whether [`check`] asks anything of its values.
fn has_rules(definition: &Attribute) -> bool {
    definition.required
        || definition.sub_attributes.iter().any(|sub| sub.required)
        || definition.sub_attribute("primary").is_some()
}

fn check(definition: &Attribute, extension: Option<&str>, value: Option<&Value>) -> Result<(), ScimError> {
    let label = || match extension {
        Some(uri) => format!("{uri}:{}", definition.name),
        None => definition.name.clone(),
    };
    let is_missing = || value.is_none_or(|value| value.as_str().is_some_and(|text| text.trim().is_empty()));
    if definition.required && definition.mutability != Mutability::ReadOnly && is_missing() {
        return Err(ScimError::invalid_value(format!("Attribute '{}' is required and must not be empty.", label())));
    }
    let elements = match value {
        Some(Value::Array(elements)) => elements.iter().collect(),
        Some(single) => vec![single],
        None => Vec::new(),
    };
    for sub in definition.sub_attributes.iter().filter(|sub| sub.required && sub.mutability != Mutability::ReadOnly) {
        if elements.iter().any(|element| element.get(&sub.name).is_none_or(|value| value.as_str() == Some(""))) {
            return Err(ScimError::invalid_value(format!("Attribute '{}.{}' is required.", label(), sub.name)));
        }
    }
    one_primary_at_most(definition, label, elements)
}

/// Whether a value of an attribute is the primary one.
#[must_use]
pub fn is_primary(element: &Value) -> bool {
    element.get("primary") == Some(&Value::Bool(true))
}

/// Checks the values of one attribute that stand together in a resource or in a request.
///
/// # Errors
///
/// 400 `invalidValue` when more than one is primary.
pub fn one_primary_at_most<'a>(
    definition: &Attribute,
    label: impl FnOnce() -> String,
    elements: impl IntoIterator<Item = &'a Value>,
) -> Result<(), ScimError> {
    let primaries = elements.into_iter().filter(|element| is_primary(element)).count();
    if definition.sub_attribute("primary").is_some() && primaries > 1 {
        return Err(ScimError::invalid_value(format!(
            "Attribute '{}' has {primaries} primary values; at most one may be primary (RFC 7643 section 2.4).",
            label()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
