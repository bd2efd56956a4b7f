//! PATCH (RFC 7644 section 3.5.2): reading a request into strict operations, and applying them.
//!
//! [`parse`] gives operations that each have a path; [`apply`] knows no vendor.

mod apply;
mod merge;

pub use apply::apply;

use super::error::{ScimError, ScimType};
use super::path::{self, AttributePath, Name, Target};
use super::quirks::{self, Quirks};
use super::schema::{Mutability, ResourceSchema};
use super::{Object, case};
use serde_json::Value;

/// Most operations in one request. Clients send 100, and can be configured to send 1,000.
pub const MAX_OPERATIONS: usize = 1000;

/// Most bytes that the value filters of one request are compared with: each of [`MAX_OPERATIONS`] may look at a whole
/// resource once.
pub const MAX_COMPARED_BYTES: usize = MAX_OPERATIONS * super::size::MAX_RESOURCE_BYTES;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the RFC's")]
pub enum Op {
    Add,
    Remove,
    Replace,
}

/// One operation on one target.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// What it does.
    pub op: Op,
    /// Where it acts.
    pub target: Target,
    /// The value of add and replace. `None` clears the target.
    pub value: Option<Value>,
}

impl Operation {
    /// Members of an extension object, each of which is an operation of its own.
    fn merged_members(&self) -> usize {
        match (&self.target, &self.value) {
            (Target::Extension(_), Some(Value::Object(members))) => members.len(),
            _ => 0,
        }
    }
}

/// Reads a PATCH request. Operations without a path become one operation for each member of their value; a `remove`
/// with a value becomes one for each value.
///
/// # Errors
///
/// 400 `invalidSyntax` for a body that is not a PATCH request or an unknown `op`; 400 `invalidPath` for a path;
/// 400 `noTarget` for a `remove` without a path; 400 `invalidValue` for a missing value; 400 `mutability` for a path to
/// a read-only attribute; 413 past [`MAX_OPERATIONS`].
pub fn parse(schema: &ResourceSchema, body: &Value, quirks: &mut Quirks) -> Result<Vec<Operation>, ScimError> {
    const SHAPE: &str =
        "A PATCH body is an object with 'Operations': a non-empty array of objects with 'op', 'path' and 'value'";
    let operations = body
        .as_object()
        .and_then(|body| case::member(body, "Operations"))
        .and_then(Value::as_array)
        .filter(|operations| !operations.is_empty())
        .ok_or_else(|| ScimError::invalid_syntax(format!("{SHAPE} (RFC 7644 section 3.5.2).")))?;
    let mut parsed = Vec::new();
    let mut merged = 0;
    for operation in operations {
        let operation = operation
            .as_object()
            .ok_or_else(|| ScimError::invalid_syntax(format!("{SHAPE}; one of the operations is not an object.")))?;
        let before = parsed.len();
        parse_operation(schema, operation, &mut parsed, quirks)?;
        merged += parsed[before..].iter().map(Operation::merged_members).sum::<usize>();
        if operations.len().max(parsed.len()).max(merged) > MAX_OPERATIONS {
            return Err(ScimError::new(
                413,
                format!("The request has more than {MAX_OPERATIONS} operations. Send them in several requests."),
            ));
        }
    }
    Ok(parsed)
}

fn parse_operation(
    schema: &ResourceSchema,
    operation: &Object,
    parsed: &mut Vec<Operation>,
    quirks: &mut Quirks,
) -> Result<(), ScimError> {
    let op = op(case::member(operation, "op"), quirks)?;
    let value = case::member(operation, "value").cloned();
    let path = match case::member(operation, "path") {
        None | Some(Value::Null) => None,
        Some(Value::String(path)) if path.is_empty() => None,
        Some(Value::String(path)) => Some(path),
        Some(other) => return Err(ScimError::wrong_type("path", "a string", other)),
    };
    let Some(path) = path else { return parse_without_path(schema, op, value, parsed, quirks) };
    let target = path::parse(path, schema, quirks)?;
    check_mutability(schema, op, &target)?;
    match (op, value) {
        (Op::Remove, Some(value)) if !value.is_null() => remove_values(schema, target, value, parsed, quirks),
        (Op::Remove, _) => {
            parsed.push(Operation { op, target, value: None });
            Ok(())
        }
        (_, None) => Err(ScimError::invalid_value(format!("The operation on '{path}' has no 'value'."))),
        (_, Some(value)) => {
            parsed.push(with_value(op, target, value, quirks));
            Ok(())
        }
    }
}

fn op(value: Option<&Value>, quirks: &mut Quirks) -> Result<Op, ScimError> {
    let unknown = |found: &str| {
        Err(ScimError::invalid_syntax(format!(
            "An operation's 'op' must be add, remove or replace; the request has {found}."
        )))
    };
    match value.and_then(Value::as_str) {
        None => unknown("none"),
        Some(text) => match quirks::capitalised_op(text, quirks).as_str() {
            "add" => Ok(Op::Add),
            "remove" => Ok(Op::Remove),
            "replace" => Ok(Op::Replace),
            _ => unknown(&format!("'{text}'")),
        },
    }
}

fn with_value(op: Op, target: Target, value: Value, quirks: &mut Quirks) -> Operation {
    let cleared = value.is_null() || quirks::empty_string_clears(&value, quirks);
    Operation { op, target, value: (!cleared).then_some(value) }
}

/// RFC 7644 section 3.5.2.1 and 3.5.2.3: without a path the value is an object of attributes.
fn parse_without_path(
    schema: &ResourceSchema,
    op: Op,
    value: Option<Value>,
    parsed: &mut Vec<Operation>,
    quirks: &mut Quirks,
) -> Result<(), ScimError> {
    if op == Op::Remove {
        return Err(ScimError::bad_request(
            ScimType::NoTarget,
            "A remove operation needs a 'path' (RFC 7644 section 3.5.2.2).",
        ));
    }
    let value = quirks::object_as_json_string(value.unwrap_or(Value::Null), quirks);
    let Value::Object(members) = value else {
        return Err(ScimError::wrong_type("value", "an object of attributes, as the operation has no path", &value));
    };
    for (key, value) in members {
        let target = match path::resolve(&key, schema, quirks) {
            Some(Name::Schema(uri)) if uri == schema.core.id => {
                parse_without_path(schema, op, Some(value), parsed, quirks)?;
                continue;
            }
            Some(Name::Schema(uri)) => Target::Extension(uri),
            // What no schema names is kept as it came, as in POST and PUT.
            None if value.is_object() && case::strip_prefix(&key, "urn:").is_some() && !key.contains('[') => {
                Target::Extension(key)
            }
            name => key_target(schema, &key, name, quirks)?,
        };
        if is_read_only(schema, &target) {
            continue;
        }
        parsed.push(with_value(op, target, value, quirks));
    }
    Ok(())
}

/// What a key of a value without a path stands for: an attribute, or a path. What no schema names is kept as it came, as
/// in POST and PUT.
fn key_target(
    schema: &ResourceSchema,
    key: &str,
    name: Option<Name>,
    quirks: &mut Quirks,
) -> Result<Target, ScimError> {
    let is_known = |path: &AttributePath| path.target_definition(schema).is_some() || path.extension.is_some();
    if !quirks::path_as_key(key, quirks) {
        return Err(ScimError::bad_request(
            ScimType::InvalidPath,
            format!("'{key}' is no attribute name. Send it as the 'path' of an operation."),
        ));
    }
    match name {
        Some(Name::Attribute(path)) if path.sub_attribute.is_none() || is_known(&path) => Ok(Target::Attribute(path)),
        _ if key.contains('[') => path::parse(key, schema, quirks),
        _ => Ok(Target::Attribute(AttributePath::core(key))),
    }
}

fn remove_values(
    schema: &ResourceSchema,
    target: Target,
    value: Value,
    parsed: &mut Vec<Operation>,
    quirks: &mut Quirks,
) -> Result<(), ScimError> {
    let definition = match &target {
        Target::Attribute(path) if path.sub_attribute.is_none() => {
            path.definition(schema).filter(|definition| definition.multi_valued)
        }
        _ => None,
    };
    let (Some(definition), Target::Attribute(path)) = (definition, &target) else {
        // A value beside the removal of something that has one value says nothing more.
        parsed.push(Operation { op: Op::Remove, target, value: None });
        return Ok(());
    };
    let filters = quirks::remove_with_value(definition, value, quirks).ok_or_else(|| {
        ScimError::invalid_value(format!(
            "Each value to remove from '{path}' must be an object with a 'value', or a string."
        ))
    })?;
    parsed.extend(filters.into_iter().map(|filter| Operation {
        op: Op::Remove,
        target: Target::Value { path: path.clone(), filter, sub_attribute: None },
        value: None,
    }));
    Ok(())
}

fn is_read_only(schema: &ResourceSchema, target: &Target) -> bool {
    let (path, sub_attribute) = match target {
        Target::Extension(_) => return false,
        Target::Attribute(path) => (path, &path.sub_attribute),
        Target::Value { path, sub_attribute, .. } => (path, sub_attribute),
    };
    let Some(definition) = path.definition(schema) else { return false };
    let sub_attribute = sub_attribute.as_ref().and_then(|name| definition.sub_attribute(name));
    [Some(definition), sub_attribute].into_iter().flatten().any(|found| found.mutability == Mutability::ReadOnly)
}

/// RFC 7644 section 3.5.2: a read-only attribute cannot be changed, and a required one cannot be removed.
fn check_mutability(schema: &ResourceSchema, op: Op, target: &Target) -> Result<(), ScimError> {
    let refused = |why: &str| Err(ScimError::bad_request(ScimType::Mutability, format!("Attribute '{target}' {why}.")));
    if is_read_only(schema, target) {
        return refused("is read-only; the server assigns it");
    }
    match target {
        Target::Attribute(path)
            if op == Op::Remove && path.target_definition(schema).is_some_and(|found| found.required) =>
        {
            refused("is required; replace its value instead of removing it")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
