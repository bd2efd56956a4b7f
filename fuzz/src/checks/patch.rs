//! The body of a PATCH: it is refused or leaves a resource that a PUT would accept as it is.
//!
//! The input is the body; its member `resource`, if it has one, is the resource that is there before.

use super::samples::{self, SETTINGS, Setting};
use scimlet::protocol::members::{self, MemberEdit};
use scimlet::protocol::patch::{self, Op, Operation};
use scimlet::protocol::path::Target;
use scimlet::protocol::quirks::Quirks;
use scimlet::protocol::schema::{ResourceSchema, ResourceType};
use scimlet::protocol::{Object, change, matching, validation};
use serde_json::Value;

pub fn check(text: &str) {
    let Ok(body) = serde_json::from_str::<Value>(text) else { return };
    for setting in &*SETTINGS {
        for schema in setting.each_schema() {
            let sent = body.get("resource").cloned().and_then(|resource| accepted(schema, resource, setting, text));
            let resource = sent.unwrap_or_else(|| sample(schema));
            is_patched(&resource, &body, schema, setting, text.len());
        }
    }
}

fn sample(schema: &ResourceSchema) -> Object {
    let resource = samples::resources(schema.resource_type)[0].clone();
    let mut lenient = Quirks::default();
    let kept = validation::accept(schema, resource.into(), &mut lenient).and_then(|kept| settled(schema, kept));
    kept.expect("the sample is a resource")
}

/// What a POST of the resource would keep; of a group, without the members, which are kept elsewhere.
fn accepted(schema: &ResourceSchema, resource: Value, setting: &Setting, text: &str) -> Option<Object> {
    let mut quirks = (setting.quirks)();
    let kept = validation::accept(schema, resource, &mut quirks).and_then(|kept| settled(schema, kept));
    match kept {
        Ok(kept) => {
            is_resource(schema, &kept);
            Some(kept)
        }
        Err(error) => {
            samples::is_refusal(&error, text.len());
            None
        }
    }
}

fn settled(schema: &ResourceSchema, mut kept: Object) -> Result<Object, scimlet::protocol::error::ScimError> {
    if schema.resource_type == ResourceType::Group {
        members::take_members(&mut kept)?;
    }
    validation::settle(schema, kept)
}

/// Strict SCIM, and sent as it is in a PUT it is the same.
#[track_caller]
fn is_resource(schema: &ResourceSchema, kept: &Object) {
    let mut strict = Quirks::off();
    let again = validation::accept(schema, kept.clone().into(), &mut strict).and_then(|kept| settled(schema, kept));
    assert_eq!(again.as_ref(), Ok(kept), "a PUT of what is kept");
    assert_eq!(change::check(schema, kept, kept), Ok(()), "a PUT of what is kept");
    let mut unchanged = kept.clone();
    change::keep_immutable(schema, kept, &mut unchanged);
    assert_eq!(unchanged, *kept);
}

fn is_patched(before: &Object, body: &Value, schema: &ResourceSchema, setting: &Setting, sent: usize) {
    let mut quirks = (setting.quirks)();
    let operations = match patch::parse(schema, body, &mut quirks) {
        Ok(operations) => operations,
        Err(error) => return samples::is_refusal(&error, sent),
    };
    assert!(operations.len() <= patch::MAX_OPERATIONS);
    let mut edits = Vec::new();
    let operations = match schema.resource_type {
        ResourceType::User => operations,
        ResourceType::Group => match members::split(schema, operations, &mut quirks) {
            Ok((operations, found)) => {
                edits = found;
                operations
            }
            Err(error) => return samples::is_refusal(&error, sent),
        },
    };
    edits.iter().for_each(each_member_has_an_id);
    let applied = patch::apply(schema, before, &operations, &mut quirks);
    assert!(setting.is_lenient || quirks.names().is_empty(), "{quirks:?}");
    let after = match applied {
        Ok(after) => after,
        Err(error) => return samples::is_refusal(&error, sent),
    };
    is_resource(schema, &after);
    let refused = change::check(schema, before, &after).err();
    refused.iter().for_each(|error| samples::is_refusal(error, sent));
    if let [operation] = &operations[..]
        && is_idempotent(operation, before, &after, schema)
    {
        let twice = patch::apply(schema, &after, &operations, &mut (setting.quirks)());
        assert_eq!(twice.as_ref(), Ok(&after), "{operation:?} twice");
    }
}

/// RFC 7644 section 3.5.2: what is added already, is gone already or stands there already changes nothing. A value filter
/// that chooses other elements the second time asks for another change.
fn is_idempotent(operation: &Operation, before: &Object, after: &Object, schema: &ResourceSchema) -> bool {
    let chosen = |resource: &Object| match &operation.target {
        Target::Value { path, filter, .. } => {
            let container = match &path.extension {
                None => Some(resource),
                Some(uri) => resource.get(uri).and_then(Value::as_object),
            };
            let elements = container.and_then(|found| found.get(&path.attribute)).and_then(Value::as_array);
            let definition = path.target_definition(schema);
            let holds = |element: &&Value| matching::matches_element(filter, element, definition);
            elements.map_or(0, |elements| elements.iter().filter(holds).count())
        }
        _ => 0,
    };
    operation.op == Op::Remove || chosen(before) == chosen(after)
}

fn each_member_has_an_id(edit: &MemberEdit) {
    match edit {
        MemberEdit::Add(members) | MemberEdit::Replace(members) => {
            assert!(members.iter().all(|member| !member.id.is_empty()), "{edit:?}");
        }
        MemberEdit::Remove(_) | MemberEdit::RemoveWhere(_) => {}
    }
}
