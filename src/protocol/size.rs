//! How large a resource may be.

use super::Object;
use super::error::ScimError;
use serde::Serialize;
use serde_json::Value;

/// Largest resource in bytes of its JSON text. A DynamoDB item holds 400 KB, the copies beside the text included.
pub const MAX_RESOURCE_BYTES: usize = 256 * 1024;

/// Most attributes of one object: of a resource, of an extension, of a complex value. A name is looked for among all of
/// them, as names are not case-sensitive.
pub const MAX_ATTRIBUTES: usize = 2000;

/// Most values of one attribute, but for the members of a group. A value filter of a PATCH looks at each.
pub const MAX_VALUES: usize = 5000;

/// Deepest nesting of a value. SCIM's own go three levels deep; JSON is read to 127, and an answer and the change log
/// nest a resource deeper than the request did.
pub const MAX_RESOURCE_DEPTH: usize = 32;

/// Checks a whole resource; `kind` says in an error what it is.
///
/// # Errors
///
/// 400 `invalidValue` past [`MAX_RESOURCE_DEPTH`], 413 past the other bounds.
pub fn check(kind: &str, resource: &Object) -> Result<(), ScimError> {
    if resource.values().any(|value| !is_nested_at_most(value, MAX_RESOURCE_DEPTH)) {
        let detail = format!("The {kind} has values nested more than {MAX_RESOURCE_DEPTH} levels deep.");
        return Err(ScimError::invalid_value(detail));
    }
    check_width(resource)?;
    resource.iter().try_for_each(|(name, value)| check_value(name, value))?;
    if most_object_bytes(resource) <= MAX_RESOURCE_BYTES {
        return Ok(());
    }
    let bytes = json_bytes(resource);
    if bytes > MAX_RESOURCE_BYTES {
        let detail = format!("The {kind} would hold {bytes} bytes; one resource may hold {MAX_RESOURCE_BYTES}.");
        return Err(ScimError::new(413, detail));
    }
    Ok(())
}

/// # Errors
///
/// 413 past [`MAX_ATTRIBUTES`].
pub fn check_width(object: &Object) -> Result<(), ScimError> {
    if object.len() <= MAX_ATTRIBUTES {
        return Ok(());
    }
    Err(ScimError::new(
        413,
        format!(
            "A resource, an extension or a complex value would have more than {MAX_ATTRIBUTES} attributes. Send only those \
             that are needed."
        ),
    ))
}

/// `name` says in an error of which attribute these are the values.
///
/// # Errors
///
/// 413 past [`MAX_VALUES`].
pub fn check_count(name: &str, values: &[Value]) -> Result<(), ScimError> {
    if values.len() <= MAX_VALUES {
        return Ok(());
    }
    Err(ScimError::new(
        413,
        format!(
            "Attribute '{name}' would have {} values; one may have {MAX_VALUES}. Send fewer, or remove some first.",
            values.len()
        ),
    ))
}

/// [`check_width`] and [`check_count`] of a value and all that is in it.
fn check_value(name: &str, value: &Value) -> Result<(), ScimError> {
    match value {
        Value::Array(values) => {
            check_count(name, values)?;
            values.iter().try_for_each(|value| check_value(name, value))
        }
        Value::Object(members) => {
            check_width(members)?;
            members.iter().try_for_each(|(name, value)| check_value(name, value))
        }
        _ => Ok(()),
    }
}

/// Bytes of the JSON text of a value.
pub fn json_bytes(value: &impl Serialize) -> usize {
    let mut length = Length(0);
    serde_json::to_writer(&mut length, value).map_or(usize::MAX, |()| length.0)
}

/// What [`json_bytes`] of a value, and a comma, cannot exceed: quick to count, and nearly always enough.
fn most_json_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 6,
        Value::Number(_) => 32,
        Value::String(text) => most_bytes(text),
        Value::Array(elements) => 3 + elements.iter().map(most_json_bytes).sum::<usize>(),
        Value::Object(members) => most_object_bytes(members),
    }
}

fn most_object_bytes(members: &Object) -> usize {
    3 + members.iter().map(|(name, value)| most_bytes(name) + most_json_bytes(value)).sum::<usize>()
}

/// Of a string with its quotes and what follows it: a control character takes six.
const fn most_bytes(text: &str) -> usize {
    6 * text.len() + 3
}

/// Counts the bytes that are written, and keeps none.
struct Length(usize);

impl std::io::Write for Length {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0 += text.len();
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn is_nested_at_most(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if levels == 0 => false,
        Value::Array(elements) => elements.iter().all(|element| is_nested_at_most(element, levels - 1)),
        Value::Object(members) => members.values().all(|member| is_nested_at_most(member, levels - 1)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `x` with so many of them around it.
    fn nested(levels: usize, around: fn(Value) -> Value) -> Value {
        (0..levels).fold(json!("x"), |value, _| around(value))
    }

    #[test]
    fn each_bound_is_held_and_no_more_than_it() {
        let wide = |members: usize| (0..members).map(|at| (format!("x{at}"), json!(1))).collect::<Object>();
        let many = |values: usize| json!(vec![1; values]);
        // Of the JSON text {"x":"…"}, all but 8 bytes are the value.
        let long = |bytes: usize| json!("y".repeat(bytes - 8));
        let in_array = |value: Value| json!([value]);
        let in_object = |value: Value| json!({ "y": value });
        let cases = [
            (json!({ "x": long(MAX_RESOURCE_BYTES) }), json!({ "x": long(MAX_RESOURCE_BYTES + 1) }), 413),
            (json!(wide(MAX_ATTRIBUTES)), json!(wide(MAX_ATTRIBUTES + 1)), 413),
            (json!({ "x": wide(MAX_ATTRIBUTES) }), json!({ "x": wide(MAX_ATTRIBUTES + 1) }), 413),
            (json!({ "x": [wide(MAX_ATTRIBUTES)] }), json!({ "x": [wide(MAX_ATTRIBUTES + 1)] }), 413),
            (json!({ "x": many(MAX_VALUES) }), json!({ "x": many(MAX_VALUES + 1) }), 413),
            (json!({ "x": { "y": many(MAX_VALUES) } }), json!({ "x": { "y": many(MAX_VALUES + 1) } }), 413),
            (json!({ "x": [many(MAX_VALUES)] }), json!({ "x": [many(MAX_VALUES + 1)] }), 413),
            (
                json!({ "x": nested(MAX_RESOURCE_DEPTH, in_array) }),
                json!({ "x": nested(MAX_RESOURCE_DEPTH + 1, in_array) }),
                400,
            ),
            (
                json!({ "x": nested(MAX_RESOURCE_DEPTH, in_object) }),
                json!({ "x": nested(MAX_RESOURCE_DEPTH + 1, in_object) }),
                400,
            ),
        ];
        for (at, (most, more, status)) in cases.into_iter().enumerate() {
            assert_eq!(check("User", most.as_object().unwrap()), Ok(()), "{at}");
            assert_eq!(check("User", more.as_object().unwrap()).unwrap_err().status, status, "{at}");
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_json_text() {
        for value in [json!(null), json!({ "é": ["\"", 1.5, {}], "x": "\u{1}" }), json!([[], "🙂"])] {
            assert_eq!(json_bytes(&value), value.to_string().len(), "{value}");
        }
    }

    #[test]
    fn the_quick_count_is_never_less() {
        let scalars = [json!(null), json!(false), json!(i64::MIN), json!(-1.797_693_134_862_315_7e308), json!(5e-324)];
        let texts = ["", "a", "\u{1}", "\u{1f}\u{7f}", "\"\\", "é🙂"].map(|text| json!(text));
        for value in scalars.into_iter().chain(texts) {
            for around in
                [json!(value), json!([value, value]), json!([[], {}]), json!({ "": value, "x": [{ "": value }] })]
            {
                // With the comma that may follow.
                assert!(most_json_bytes(&around) > json_bytes(&around), "{around}");
            }
        }
    }
}
