//! What identity providers send that is not strict SCIM, rewritten to strict SCIM before the strict code runs: one
//! named function each. The names of those that fired go into the request's log line.
//!
//! What RFC 7643 itself allows (names in any case, `null` and `[]` for "unassigned") is not a quirk.

use super::filter::{CompareValue, Filter, Operator};
use super::lexer::{Token, TokenKind};
use super::path::AttributePath;
use super::schema::{Attribute, ENTERPRISE_URI, Type};
use super::{Object, case};
use serde_json::Value;

/// The names of the quirks that fired in one request, each once. By default all are on.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Quirks {
    fired: Vec<&'static str>,
    off: bool,
}

impl Quirks {
    /// None fires: what is not strict SCIM is refused.
    #[must_use]
    pub fn off() -> Self {
        Self { fired: Vec::new(), off: true }
    }

    /// Notes that a quirk fires, and says whether it may.
    pub fn fire(&mut self, name: &'static str) -> bool {
        if !self.off && !self.fired.contains(&name) {
            self.fired.push(name);
        }
        !self.off
    }

    /// The names, in the order they fired.
    #[must_use]
    pub fn names(&self) -> &[&'static str] {
        &self.fired
    }
}

/// Entra ID: `"op": "Add"`. The RFC's examples are lower case, its text does not say.
pub fn capitalised_op(op: &str, quirks: &mut Quirks) -> String {
    let lower = op.to_ascii_lowercase();
    if lower == op || !quirks.fire("capitalised_op") { op.to_owned() } else { lower }
}

/// Entra ID, a Keycloak plug-in: `"active": "False"`.
pub fn boolean_as_string(value: &Value, quirks: &mut Quirks) -> Option<bool> {
    let flag = boolean_text(value.as_str()?)?;
    quirks.fire("boolean_as_string").then_some(flag)
}

fn boolean_text(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// `OneLogin`'s default template: `"emails": {…}` where an array is due. A bare string stands for one value alike.
///
/// # Errors
///
/// The value, when it is no array and is not to be taken for one.
pub fn single_value_as_array(value: Value, quirks: &mut Quirks) -> Result<Vec<Value>, Value> {
    match value {
        Value::Array(values) => Ok(values),
        single if quirks.fire("single_value_as_array") => Ok(vec![single]),
        single => Err(single),
    }
}

/// Entra ID: `"manager": "26118915"`; `"members": ["2819c223"]` in Microsoft's test set. The string is the `value` of
/// a complex attribute that has one.
pub fn string_as_complex(attribute: &Attribute, value: Value, quirks: &mut Quirks) -> Value {
    match value {
        Value::String(text) if attribute.sub_attribute("value").is_some() && quirks.fire("string_as_complex") => {
            let mut object = Object::new();
            object.insert("value".into(), text.into());
            Value::Object(object)
        }
        other => other,
    }
}

/// Entra ID's documentation: `"manager": [{"value": "26118915"}]`. One element of an array where one object is due.
pub fn array_as_single_value(value: Value, quirks: &mut Quirks) -> Value {
    match value {
        Value::Array(mut values) if values.len() == 1 && quirks.fire("array_as_single_value") => values.remove(0),
        other => other,
    }
}

/// SCIM 1.1, in `OneLogin`'s templates: `manager.managerId` where 2.0 has `manager.value`.
pub fn manager_id(attribute: &Attribute, object: &mut Object, quirks: &mut Quirks) {
    if attribute.name != "manager" || case::member(object, "value").is_some() {
        return;
    }
    if let Some(key) = case::spelling(object, "managerId")
        && quirks.fire("manager_id")
        && let Some(id) = object.shift_remove(&key)
    {
        object.insert("value".into(), id);
    }
}

/// `OneLogin` and Entra ID's documentation: the enterprise extension under its SCIM 1.x URI, or with a colon missing.
pub fn misspelt_schema_uri(uri: &str, quirks: &mut Quirks) -> Option<&'static str> {
    const MISSPELT: [&str; 3] = [
        "urn:scim:schemas:extension:enterprise:1.0",
        "urn:scim:schemas:extension:enterprise:2.0",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0User",
    ];
    let known = MISSPELT.iter().any(|misspelt| misspelt.eq_ignore_ascii_case(uri));
    (known && quirks.fire("misspelt_schema_uri")).then_some(ENTERPRISE_URI)
}

/// Entra ID, its oldest shape: `urn:…:enterprise:2.0:User.manager`, a dot where the colon is due. `rest` is what
/// follows the URI.
pub fn dot_after_schema_uri<'a>(rest: &'a str, quirks: &mut Quirks) -> Option<&'a str> {
    let name = rest.strip_prefix('.')?;
    quirks.fire("dot_after_schema_uri").then_some(name)
}

/// Entra ID: `manager` for `urn:…:enterprise:2.0:User:manager`, in paths and in filters.
pub fn unqualified_extension_attribute(quirks: &mut Quirks) -> bool {
    quirks.fire("unqualified_extension_attribute")
}

/// authentik 2025.8: `userName eq ann@example.com`, no quotes. Given the type of the attribute, a bare word is the
/// string that was meant.
pub fn unquoted_filter_value(word: &str, quirks: &mut Quirks) -> Option<CompareValue> {
    quirks.fire("unquoted_filter_value").then(|| CompareValue::Text(word.to_owned()))
}

/// Entra ID: `roles[primary eq "True"]`, a string compared with a boolean attribute.
pub fn boolean_in_filter_as_string(text: &str, quirks: &mut Quirks) -> Option<CompareValue> {
    let flag = boolean_text(text)?;
    quirks.fire("boolean_in_filter_as_string").then_some(CompareValue::Boolean(flag))
}

/// Entra ID, when that is the matching attribute: `emails[type eq "work"].value eq "ann@example.com"`, which the
/// grammar does not have. Rewritten to `emails[(type eq "work") and value eq "ann@example.com"]`.
pub fn comparison_after_value_path(tokens: &mut Vec<Token>, quirks: &mut Quirks) {
    let mut index = 0;
    while let Some(end) = (index..tokens.len()).find(|&at| tokens[at].kind == TokenKind::CloseBracket) {
        index = end + 1;
        let Some(TokenKind::Word(word)) = tokens.get(end + 1).map(|token| &token.kind) else { continue };
        let Some(sub_attribute) = word.strip_prefix('.').map(str::to_owned) else { continue };
        let Some(open) = (0..end).rev().find(|&at| tokens[at].kind == TokenKind::OpenBracket) else { continue };
        let is_present = matches!(tokens.get(end + 2).map(|token| &token.kind),
            Some(TokenKind::Word(word)) if word.eq_ignore_ascii_case("pr"));
        let comparison = if is_present { 2 } else { 3 };
        if end + comparison >= tokens.len() || !quirks.fire("comparison_after_value_path") {
            continue;
        }
        let at = tokens[end + 1].offset;
        let mut moved: Vec<Token> = tokens.drain(end..=end + comparison).collect();
        let close = moved.remove(0);
        moved[0].kind = TokenKind::Word(sub_attribute);
        moved.push(close);
        let between = [TokenKind::Close, TokenKind::Word("and".into())].map(|kind| Token { kind, offset: at });
        tokens.splice(end..end, between.into_iter().chain(moved));
        let opening = Token { kind: TokenKind::Open, offset: tokens[open].offset };
        tokens.insert(open + 1, opening);
        // Past the closing bracket: it stands behind the three new tokens and the comparison now.
        index = end + comparison + 4;
    }
}

/// scim-for-keycloak: the value of an operation without a path is a JSON string that holds the object.
pub fn object_as_json_string(value: Value, quirks: &mut Quirks) -> Value {
    match value.as_str().and_then(|text| serde_json::from_str::<Object>(text).ok()) {
        Some(object) if quirks.fire("object_as_json_string") => Value::Object(object),
        _ => value,
    }
}

/// Entra ID with `aadOptscim062020`: keys of an operation without a path that are themselves paths
/// (`"name.givenName"`, `"emails[type eq \"work\"].value"`, `"urn:…:User:department"`). False when the key is such a
/// path and may not be.
pub fn path_as_key(key: &str, quirks: &mut Quirks) -> bool {
    let is_path = key.contains(['.', '[']) || case::strip_prefix(key, "urn:").is_some();
    !is_path || quirks.fire("path_as_key")
}

/// The validator, Okta: `replace` with `""` means that the attribute is to be cleared.
pub fn empty_string_clears(value: &Value, quirks: &mut Quirks) -> bool {
    let empty = value.as_str() == Some("")
        || value.as_object().is_some_and(|object| {
            object.len() == 1 && case::member(object, "value").is_some_and(|inner| inner.as_str() == Some(""))
        });
    empty && quirks.fire("empty_string_clears")
}

/// Entra ID, authentik, JumpCloud: `{"op": "Remove", "path": "members", "value": [{"value": "2819c223"}]}`. Read to
/// the letter the RFC would empty the group; what is meant are these values alone. Gives one value filter for each,
/// or `None` when an element names nothing to look for.
pub fn remove_with_value(attribute: &Attribute, value: Value, quirks: &mut Quirks) -> Option<Vec<Filter>> {
    if !quirks.fire("remove_with_value") {
        return None;
    }
    let values = match value {
        Value::Array(values) => values,
        single => vec![single],
    };
    values.into_iter().map(|value| element_filter(attribute, value)).collect()
}

fn element_filter(attribute: &Attribute, value: Value) -> Option<Filter> {
    let compare = |name: &str, value: &Value| {
        let name = attribute.sub_attribute(name).map_or(name, |sub| &sub.name);
        Some(Filter::Compare(AttributePath::sub_attribute_alone(name), Operator::Equal, CompareValue::of_json(value)?))
    };
    match value {
        Value::Object(object) => match case::member(&object, "value").filter(|value| !value.is_null()) {
            Some(value) => compare("value", value),
            None => {
                let terms: Vec<Filter> = object
                    .iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(name, value)| compare(name, value))
                    .collect::<Option<_>>()?;
                (!terms.is_empty()).then_some(Filter::And(terms))
            }
        },
        scalar => compare("value", &scalar),
    }
}

/// Entra ID: `replace` of `emails[type eq "work"].value` when there is no work e-mail creates it. `filter` must be a
/// conjunction of `eq`; gives the element that it describes.
pub fn value_path_creates(filter: &Filter, quirks: &mut Quirks) -> Option<Object> {
    let mut element = Object::new();
    describe(filter, &mut element)?;
    quirks.fire("value_path_creates").then_some(element)
}

fn describe(filter: &Filter, element: &mut Object) -> Option<()> {
    match filter {
        Filter::Compare(path, Operator::Equal, value) => {
            element.insert(path.attribute.clone(), value.to_json()?);
            Some(())
        }
        Filter::And(terms) => terms.iter().try_for_each(|term| describe(term, element)),
        _ => None,
    }
}

/// Whether `attribute` holds booleans.
#[must_use]
pub fn is_boolean(attribute: Option<&Attribute>) -> bool {
    attribute.is_some_and(|attribute| attribute.kind == Type::Boolean)
}

#[cfg(test)]
mod tests;
