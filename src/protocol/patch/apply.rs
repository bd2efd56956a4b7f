//! Applying operations to a resource (RFC 7644 sections 3.5.2.1 to 3.5.2.3).

use super::merge::{append, keep_one_primary, merge, merge_elements};
use super::{MAX_COMPARED_BYTES, Op, Operation};
use crate::protocol::error::{ScimError, ScimType};
use crate::protocol::filter::Filter;
use crate::protocol::path::{AttributePath, Target};
use crate::protocol::quirks::{self, Quirks};
use crate::protocol::schema::{Attribute, ResourceSchema, Returned, Type};
use crate::protocol::{Object, case, matching, size, validation};
use serde_json::Value;

/// Applies `operations` in order and settles the result. `resource` is untouched: a request is applied whole or not
/// at all.
///
/// # Errors
///
/// 400 `invalidValue` for a value of the wrong type or a required attribute that is gone, 400 `noTarget` for a value
/// filter that matches nothing and describes no element, 400 `invalidPath` for a sub-attribute of several values, 413 past
/// [`MAX_COMPARED_BYTES`] and past what one resource may hold.
pub fn apply(
    schema: &ResourceSchema,
    resource: &Object,
    operations: &[Operation],
    quirks: &mut Quirks,
) -> Result<Object, ScimError> {
    let mut changed = resource.clone();
    let mut compared = 0;
    for operation in operations {
        compared += compared_bytes(&changed, &operation.target);
        if compared > MAX_COMPARED_BYTES {
            return Err(ScimError::new(
                413,
                format!(
                    "The value filters of the request would be compared with more than {MAX_COMPARED_BYTES} bytes. Send its \
                     operations in several requests, or filters with fewer terms."
                ),
            ));
        }
        apply_one(schema, &mut changed, operation, quirks)?;
    }
    validation::settle(schema, changed)
}

/// What a value filter is compared with, in bytes: each of its terms with all values of the attribute.
fn compared_bytes(resource: &Object, target: &Target) -> usize {
    let Target::Value { path, filter, .. } = target else { return 0 };
    let container = match &path.extension {
        None => Some(resource),
        Some(uri) => case::member(resource, uri).and_then(Value::as_object),
    };
    let values = container.and_then(|object| case::member(object, &path.attribute));
    values.map_or(0, size::json_bytes).saturating_mul(filter.terms())
}

fn apply_one(
    schema: &ResourceSchema,
    resource: &mut Object,
    operation: &Operation,
    quirks: &mut Quirks,
) -> Result<(), ScimError> {
    let value = operation.value.clone();
    match (&operation.target, operation.op, value) {
        (Target::Extension(uri), Op::Remove, _) | (Target::Extension(uri), _, None) => {
            if let Some(key) = case::spelling(resource, uri) {
                resource.shift_remove(&key);
            }
            Ok(())
        }
        (Target::Extension(uri), op, Some(value)) => merge_extension(schema, resource, uri, op, value, quirks),
        // RFC 7643 section 2.5: null is an empty array, and to add no values changes nothing.
        (Target::Attribute(path), Op::Add, None) if is_multi_valued(schema, path) => Ok(()),
        (Target::Attribute(path), Op::Remove, _) | (Target::Attribute(path), _, None) => {
            remove_attribute(resource, path);
            Ok(())
        }
        (Target::Attribute(path), op, Some(value)) => set_attribute(schema, resource, path, op, value, quirks),
        (Target::Value { path, filter, sub_attribute }, Op::Remove, _)
        | (Target::Value { path, filter, sub_attribute }, _, None) => {
            let definition = path.target_definition(schema);
            remove_elements(resource, path, filter, sub_attribute.as_deref(), definition);
            Ok(())
        }
        (Target::Value { path, filter, sub_attribute }, _, Some(value)) => {
            let element = ElementTarget { path, filter, sub_attribute: sub_attribute.as_deref() };
            element.set(schema, resource, value, quirks)
        }
    }
}

fn is_multi_valued(schema: &ResourceSchema, path: &AttributePath) -> bool {
    path.sub_attribute.is_none() && path.definition(schema).is_some_and(|found| found.multi_valued)
}

/// An extension object is merged member by member, each under the rules of its own attribute.
fn merge_extension(
    schema: &ResourceSchema,
    resource: &mut Object,
    uri: &str,
    op: Op,
    value: Value,
    quirks: &mut Quirks,
) -> Result<(), ScimError> {
    let Value::Object(members) = value else {
        return Err(ScimError::wrong_type(uri, "an object", &value));
    };
    size::check_width(&members)?;
    for (name, value) in members {
        let definition = schema.attribute(Some(uri), &name);
        let path = AttributePath {
            extension: Some(uri.to_owned()),
            attribute: definition.map_or(name.as_str(), |found| &found.name).to_owned(),
            sub_attribute: None,
        };
        let value = (!value.is_null() && !quirks::empty_string_clears(&value, quirks)).then_some(value);
        apply_one(schema, resource, &Operation { op, target: Target::Attribute(path), value }, quirks)?;
    }
    Ok(())
}

fn container<'a>(resource: &'a mut Object, path: &AttributePath) -> Option<&'a mut Object> {
    match &path.extension {
        None => Some(resource),
        Some(uri) => {
            let key = case::spelling(resource, uri)?;
            resource.get_mut(&key)?.as_object_mut()
        }
    }
}

/// The object that holds the attribute; an extension object is made when it is not there.
fn container_or_new<'a>(resource: &'a mut Object, path: &AttributePath) -> Result<&'a mut Object, ScimError> {
    let Some(uri) = &path.extension else { return Ok(resource) };
    let key = case::spelling(resource, uri).unwrap_or_else(|| uri.clone());
    resource
        .entry(key)
        .or_insert_with(|| Value::Object(Object::new()))
        .as_object_mut()
        .ok_or_else(|| ScimError::bad_request(ScimType::InvalidPath, format!("'{uri}' does not hold an object.")))
}

/// Removes what became empty: an object without members, an array without elements, an extension without attributes.
fn prune(resource: &mut Object, path: &AttributePath) {
    let is_empty = |value: &Value| match value {
        Value::Object(object) => object.is_empty(),
        Value::Array(array) => array.is_empty(),
        _ => false,
    };
    if let Some(container) = container(resource, path)
        && let Some(key) = case::spelling(container, &path.attribute)
        && container.get(&key).is_some_and(is_empty)
    {
        container.shift_remove(&key);
    }
    if let Some(key) = path.extension.as_deref().and_then(|uri| case::spelling(resource, uri))
        && resource.get(&key).is_some_and(is_empty)
    {
        resource.shift_remove(&key);
    }
}

fn remove_attribute(resource: &mut Object, path: &AttributePath) {
    let Some(container) = container(resource, path) else { return };
    let Some(key) = case::spelling(container, &path.attribute) else { return };
    match &path.sub_attribute {
        None => {
            container.shift_remove(&key);
        }
        Some(name) => match container.get_mut(&key) {
            Some(Value::Object(object)) => remove_member(object, name),
            Some(Value::Array(elements)) => {
                for element in elements.iter_mut().filter_map(Value::as_object_mut) {
                    remove_member(element, name);
                }
                elements.retain(|element| element.as_object().is_none_or(|object| !object.is_empty()));
            }
            _ => {}
        },
    }
    prune(resource, path);
}

fn remove_member(object: &mut Object, name: &str) {
    if let Some(key) = case::spelling(object, name) {
        object.shift_remove(&key);
    }
}

fn remove_elements(
    resource: &mut Object,
    path: &AttributePath,
    filter: &Filter,
    sub_attribute: Option<&str>,
    definition: Option<&Attribute>,
) {
    let Some(container) = container(resource, path) else { return };
    let Some(key) = case::spelling(container, &path.attribute) else { return };
    if let Some(Value::Array(elements)) = container.get_mut(&key) {
        match sub_attribute {
            None => elements.retain(|element| !matching::matches_element(filter, element, definition)),
            Some(name) => {
                for element in
                    elements.iter_mut().filter(|element| matching::matches_element(filter, element, definition))
                {
                    if let Some(object) = element.as_object_mut() {
                        remove_member(object, name);
                    }
                }
                elements.retain(|element| element.as_object().is_none_or(|object| !object.is_empty()));
            }
        }
    }
    prune(resource, path);
}

fn set_attribute(
    schema: &ResourceSchema,
    resource: &mut Object,
    path: &AttributePath,
    op: Op,
    value: Value,
    quirks: &mut Quirks,
) -> Result<(), ScimError> {
    let Some(definition) = path.definition(schema) else {
        return set_unknown(resource, path, op, value);
    };
    if definition.returned == Returned::Never {
        // The value of `password` is checked and goes nowhere.
        return validation::normalise(definition, path, value, quirks).map(|_| ());
    }
    match (&path.sub_attribute, definition.multi_valued) {
        (Some(name), true) => set_in_elements(definition, resource, path, name, value, quirks),
        (Some(name), false) => {
            let mut object = Object::new();
            object.insert(name.clone(), value);
            merge_complex(definition, resource, path, Value::Object(object), quirks)
        }
        (None, false) if definition.kind == Type::Complex => merge_complex(definition, resource, path, value, quirks),
        (None, false) => match validation::normalise(definition, path, value, quirks)? {
            Some(value) => {
                container_or_new(resource, path)?.insert(path.attribute.clone(), value);
                Ok(())
            }
            None => {
                remove_attribute(resource, path);
                Ok(())
            }
        },
        (None, true) => {
            let Some(Value::Array(values)) = validation::normalise(definition, path, value, quirks)? else {
                if op == Op::Replace {
                    remove_attribute(resource, path);
                }
                return Ok(());
            };
            // One after the other, each would take the place of the one before, and be added again when it is sent again.
            validation::one_primary_at_most(definition, || path.to_string(), &values)?;
            let container = container_or_new(resource, path)?;
            let elements = match container.get_mut(&path.attribute) {
                Some(Value::Array(elements)) if op == Op::Add => elements,
                _ => {
                    container.insert(path.attribute.clone(), Value::Array(values));
                    return Ok(());
                }
            };
            let old = elements.len();
            append(&path.attribute, elements, values)?;
            if let Some(last) = elements.iter().skip(old).rposition(validation::is_primary) {
                keep_one_primary(elements, old + last);
            }
            Ok(())
        }
    }
}

/// An attribute that no schema names: the value as it came; `add` to an array appends.
fn set_unknown(resource: &mut Object, path: &AttributePath, op: Op, value: Value) -> Result<(), ScimError> {
    let container = container_or_new(resource, path)?;
    let key = case::spelling(container, &path.attribute).unwrap_or_else(|| path.attribute.clone());
    let Some(name) = &path.sub_attribute else {
        match (container.get_mut(&key), value) {
            (Some(Value::Array(elements)), Value::Array(values)) if op == Op::Add => {
                append(&path.attribute, elements, values)?;
            }
            (Some(Value::Object(object)), Value::Object(members)) => merge(object, members),
            (_, value) => {
                container.insert(key, value);
            }
        }
        return size::check_width(container);
    };
    let object = container.entry(key).or_insert_with(|| Value::Object(Object::new()));
    match object.as_object_mut() {
        Some(object) => {
            merge(object, Object::from_iter([(name.clone(), value)]));
            Ok(())
        }
        None => {
            Err(ScimError::bad_request(ScimType::InvalidPath, format!("'{}' does not hold an object.", path.attribute)))
        }
    }
}

/// RFC 7644 section 3.5.2.3: sub-attributes that the value does not name are left unchanged.
fn merge_complex(
    definition: &Attribute,
    resource: &mut Object,
    path: &AttributePath,
    value: Value,
    quirks: &mut Quirks,
) -> Result<(), ScimError> {
    let label = AttributePath { sub_attribute: None, ..path.clone() };
    let value = quirks::array_as_single_value(value, quirks);
    let cleared: Vec<String> = cleared_members(&value);
    if let Some(Value::Object(members)) = validation::normalise_single(definition, &label, value, quirks)? {
        let container = container_or_new(resource, path)?;
        match container.get_mut(&path.attribute) {
            Some(Value::Object(object)) => {
                forget_what_described_the_old_value(definition, object, &members);
                merge(object, members);
            }
            _ => {
                container.insert(path.attribute.clone(), Value::Object(members));
            }
        }
    }
    for name in cleared {
        remove_attribute(resource, &AttributePath { sub_attribute: Some(name), ..path.clone() });
    }
    Ok(())
}

/// When a reference gets another `value` (a new manager), the `$ref` and the name of the old one are no longer true.
fn forget_what_described_the_old_value(definition: &Attribute, object: &mut Object, members: &Object) {
    let is_reference = definition.sub_attribute("$ref").is_some();
    if is_reference && members.get("value").is_some_and(|value| object.get("value") != Some(value)) {
        for name in ["$ref", "display", "displayName"] {
            object.shift_remove(name);
        }
    }
}

/// The members of a value that are null: those sub-attributes become unassigned.
fn cleared_members(value: &Value) -> Vec<String> {
    let members = value.as_object().into_iter().flatten();
    members.filter(|(_, value)| value.is_null()).map(|(name, _)| name.clone()).collect()
}

/// `emails.value` without a value filter: the primary element is meant, or the only one.
fn set_in_elements(
    definition: &Attribute,
    resource: &mut Object,
    path: &AttributePath,
    name: &str,
    value: Value,
    quirks: &mut Quirks,
) -> Result<(), ScimError> {
    let members = sub_value(definition, path, Some(name), value, quirks)?;
    let elements = elements_or_new(resource, path)?;
    let index = match elements.len() {
        0 => {
            elements.push(Value::Object(Object::new()));
            0
        }
        1 => 0,
        count => elements.iter().position(validation::is_primary).ok_or_else(|| {
            ScimError::bad_request(
                ScimType::InvalidPath,
                format!("The path '{path}' could mean {count} values. Choose one with a value filter, such as {}[type eq \"work\"].", path.attribute),
            )
        })?,
    };
    merge_elements(elements, &[index], &members);
    prune(resource, path);
    Ok(())
}

fn elements_or_new<'a>(resource: &'a mut Object, path: &AttributePath) -> Result<&'a mut Vec<Value>, ScimError> {
    let container = container_or_new(resource, path)?;
    let key = case::spelling(container, &path.attribute).unwrap_or_else(|| path.attribute.clone());
    container.entry(key).or_insert_with(|| Value::Array(Vec::new())).as_array_mut().ok_or_else(|| {
        ScimError::bad_request(
            ScimType::InvalidPath,
            format!("'{}' does not hold an array, so a value filter cannot choose from it.", path.attribute),
        )
    })
}

/// `{name: value}` under the rules of the element, or the element that `value` is.
fn sub_value(
    definition: &Attribute,
    path: &AttributePath,
    name: Option<&str>,
    value: Value,
    quirks: &mut Quirks,
) -> Result<Object, ScimError> {
    let label = AttributePath { sub_attribute: None, ..path.clone() };
    let value = match name {
        Some(name) => Value::Object(Object::from_iter([(name.to_owned(), value)])),
        None => quirks::array_as_single_value(value, quirks),
    };
    match validation::normalise_single(definition, &label, value, quirks)? {
        Some(Value::Object(members)) => Ok(members),
        Some(other) => Err(ScimError::wrong_type(&label.to_string(), "an object", &other)),
        None => Ok(Object::new()),
    }
}

/// `emails[type eq "work"].value`.
struct ElementTarget<'a> {
    path: &'a AttributePath,
    filter: &'a Filter,
    sub_attribute: Option<&'a str>,
}

impl ElementTarget<'_> {
    fn set(
        &self,
        schema: &ResourceSchema,
        resource: &mut Object,
        value: Value,
        quirks: &mut Quirks,
    ) -> Result<(), ScimError> {
        let definition = self.path.target_definition(schema);
        let members = match (definition, self.sub_attribute, value) {
            (Some(definition), name, value) => sub_value(definition, self.path, name, value, quirks)?,
            (None, Some(name), value) => Object::from_iter([(name.to_owned(), value)]),
            (None, None, Value::Object(members)) => members,
            (None, None, other) => return Err(ScimError::wrong_type(&self.path.to_string(), "an object", &other)),
        };
        let elements = elements_or_new(resource, self.path)?;
        let matching: Vec<usize> = (0..elements.len())
            .filter(|&index| matching::matches_element(self.filter, &elements[index], definition))
            .collect();
        if matching.is_empty() {
            elements.push(Value::Object(self.create(definition, quirks)?));
            size::check_count(&self.path.attribute, elements)?;
            let last = elements.len() - 1;
            merge_elements(elements, &[last], &members);
            keep_one_primary(elements, last);
            return Ok(());
        }
        merge_elements(elements, &matching, &members);
        Ok(())
    }

    fn create(&self, definition: Option<&Attribute>, quirks: &mut Quirks) -> Result<Object, ScimError> {
        let no_target = || {
            ScimError::bad_request(
                ScimType::NoTarget,
                format!(
                    "No value of '{}' satisfies the value filter, and the filter does not describe one to create.",
                    self.path
                ),
            )
        };
        let element = quirks::value_path_creates(self.filter, quirks).ok_or_else(no_target)?;
        let Some(definition) = definition else { return Ok(element) };
        match validation::normalise_single(definition, self.path, Value::Object(element), quirks)? {
            Some(Value::Object(element)) => Ok(element),
            _ => Err(no_target()),
        }
    }
}
