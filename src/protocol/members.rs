//! `Group.members` (RFC 7643 section 4.2). A group's members are not part of its resource: they are a set of
//! memberships beside it, and what a request does to them is a list of edits.

use super::error::{ScimError, ScimType};
use super::filter::{CompareValue, Filter, Operator};
use super::patch::{Op, Operation};
use super::path::Target;
use super::quirks::Quirks;
use super::schema::{ResourceSchema, ResourceType};
use super::{Object, case, validation};
use serde_json::Value;

/// Name of the attribute.
pub const MEMBERS: &str = "members";

/// One member as a client names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Id of a user or a group.
    pub id: String,
    /// Which of the two, if the client said so by `type` or `$ref`.
    pub resource_type: Option<ResourceType>,
    /// The name that the client sent with it. It is kept, so that it comes back.
    pub display: Option<String>,
}

/// One member of a group: a user or another group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Id of the member; of the group, when a member's groups are listed.
    pub id: String,
    /// Type of the member.
    pub resource_type: ResourceType,
    /// The name that the client sent with the member.
    pub display: Option<String>,
}

/// What one operation does to the set of members.
#[derive(Debug, Clone, PartialEq)]
pub enum MemberEdit {
    /// These are members, whoever else is.
    Add(Vec<Member>),
    /// These are not members.
    Remove(Vec<String>),
    /// These alone are members.
    Replace(Vec<Member>),
    /// Who satisfies the value filter is not a member.
    RemoveWhere(Filter),
}

/// The error for a group with more members than an answer of `limit` bytes holds. RFC 7644 has no status for it; `tooMany`
/// is what a filter that finds too much gets.
#[must_use]
pub fn too_many_to_show(group_id: &str, limit: usize) -> ScimError {
    ScimError::bad_request(
        ScimType::TooMany,
        format!(
            "The answer holds more members than the {limit} bytes that it may have as sent. Ask with \
             'excludedAttributes=members', and list the members page by page with GET /Users?filter=groups.value eq \
             \"{group_id}\"."
        ),
    )
}

/// Takes the members out of a Group that was sent whole. `None` when it has none.
///
/// # Errors
///
/// 400 `invalidValue` for a member without `value`.
pub fn take_members(resource: &mut Object) -> Result<Vec<Member>, ScimError> {
    match resource.shift_remove(MEMBERS) {
        Some(value) => members(&value),
        None => Ok(Vec::new()),
    }
}

/// Splits the operations of a PATCH of a group: those on the resource, and the edits of its members. The two never
/// touch each other, so their order among themselves is all that counts.
///
/// # Errors
///
/// 400 `invalidValue` for a member without `value`, 400 `mutability` for an operation on a sub-attribute of a member.
pub fn split(
    schema: &ResourceSchema,
    operations: Vec<Operation>,
    quirks: &mut Quirks,
) -> Result<(Vec<Operation>, Vec<MemberEdit>), ScimError> {
    let mut others = Vec::new();
    let mut edits = Vec::new();
    for operation in operations {
        let is_members = operation.target.attribute_path().is_some_and(|path| path.is_core(MEMBERS));
        if is_members {
            edits.push(edit(schema, operation, quirks)?);
        } else {
            others.push(operation);
        }
    }
    Ok((others, edits))
}

fn edit(schema: &ResourceSchema, operation: Operation, quirks: &mut Quirks) -> Result<MemberEdit, ScimError> {
    let immutable = || {
        ScimError::bad_request(
            ScimType::Mutability,
            "The sub-attributes of a member are immutable. Remove the member and add another.",
        )
    };
    match (operation.op, operation.target) {
        (Op::Remove, Target::Attribute(path)) if path.sub_attribute.is_none() => Ok(MemberEdit::Replace(Vec::new())),
        (Op::Remove, Target::Value { filter, sub_attribute: None, .. }) => Ok(match one_id(&filter) {
            Some(id) => MemberEdit::Remove(vec![id]),
            None => MemberEdit::RemoveWhere(filter),
        }),
        (op, Target::Attribute(path)) if path.sub_attribute.is_none() => {
            let definition = schema.attribute(None, MEMBERS);
            let value = match (definition, operation.value) {
                (Some(definition), Some(value)) => validation::normalise(definition, &MEMBERS, value, quirks)?,
                (_, value) => value,
            };
            let members = value.as_ref().map_or_else(|| Ok(Vec::new()), members)?;
            Ok(if op == Op::Add { MemberEdit::Add(members) } else { MemberEdit::Replace(members) })
        }
        _ => Err(immutable()),
    }
}

/// The id in `value eq "…"`.
fn one_id(filter: &Filter) -> Option<String> {
    match filter {
        Filter::Compare(path, Operator::Equal, CompareValue::Text(id)) if path.attribute == "value" => Some(id.clone()),
        _ => None,
    }
}

fn members(value: &Value) -> Result<Vec<Member>, ScimError> {
    let mut members: Vec<Member> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for element in value.as_array().into_iter().flatten() {
        let member = element.as_object().and_then(member).ok_or_else(|| {
            ScimError::invalid_value(
                "Each of 'members' needs a 'value': the id of a user or a group, as this server gave it.",
            )
        })?;
        if seen.insert(member.id.clone()) {
            members.push(member);
        }
    }
    Ok(members)
}

fn member(object: &Object) -> Option<Member> {
    let text = |name| case::member(object, name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let by_reference = |endpoint: &str| text("$ref").is_some_and(|uri| uri.contains(endpoint));
    let resource_type = match text("type") {
        Some(name) if name.eq_ignore_ascii_case("Group") => Some(ResourceType::Group),
        Some(name) if name.eq_ignore_ascii_case("User") => Some(ResourceType::User),
        _ if by_reference("/Groups/") => Some(ResourceType::Group),
        _ if by_reference("/Users/") => Some(ResourceType::User),
        _ => None,
    };
    Some(Member { id: text("value")?.to_owned(), resource_type, display: text("display").map(str::to_owned) })
}

#[cfg(test)]
mod tests;
