//! Whether a resource satisfies a filter (RFC 7644 section 3.4.2.2).

use super::filter::{CompareValue, Filter, Operator};
use super::path::AttributePath;
use super::schema::{Attribute, ResourceSchema, Type};
use super::{Object, case};
use serde_json::Value;
use std::cmp::Ordering;

/// Whether `resource`, in the form a client would get it, satisfies `filter`.
#[must_use]
pub fn matches(filter: &Filter, resource: &Object, schema: &ResourceSchema) -> bool {
    match filter {
        Filter::And(terms) => terms.iter().all(|term| matches(term, resource, schema)),
        Filter::Or(terms) => terms.iter().any(|term| matches(term, resource, schema)),
        Filter::Not(inner) => !matches(inner, resource, schema),
        Filter::Present(path) => values(path, resource, None).into_iter().any(is_assigned),
        Filter::Compare(path, operator, value) => {
            let definition = path.target_definition(schema);
            let unsaid = value_when_unsaid(definition, value);
            compare_any(&values(path, resource, unsaid), *operator, value, definition)
        }
        Filter::Value(path, inner) => {
            let definition = path.target_definition(schema);
            values(path, resource, None).into_iter().any(|element| matches_element(inner, element, definition))
        }
    }
}

/// Whether one element of a multi-valued attribute satisfies a value filter.
#[must_use]
pub fn matches_element(filter: &Filter, element: &Value, definition: Option<&Attribute>) -> bool {
    match filter {
        Filter::And(terms) => terms.iter().all(|term| matches_element(term, element, definition)),
        Filter::Or(terms) => terms.iter().any(|term| matches_element(term, element, definition)),
        Filter::Not(inner) => !matches_element(inner, element, definition),
        Filter::Present(path) => sub_values(element, &path.attribute, None).into_iter().any(is_assigned),
        Filter::Compare(path, operator, value) => {
            let sub_definition = match definition {
                Some(found) if found.kind == Type::Complex => found.sub_attribute(&path.attribute),
                other => other,
            };
            let unsaid = value_when_unsaid(sub_definition, value);
            compare_any(&sub_values(element, &path.attribute, unsaid), *operator, value, sub_definition)
        }
        // The parser has no value filter inside a value filter.
        Filter::Value(..) => false,
    }
}

static NOT_PRIMARY: Value = Value::Bool(false);

/// RFC 7643 section 2.4: without `primary` an element is not primary.
fn value_when_unsaid(definition: Option<&Attribute>, wanted: &CompareValue) -> Option<&'static Value> {
    let is_primary = definition.is_some_and(|found| found.kind == Type::Boolean && found.name == "primary");
    (is_primary && matches!(wanted, CompareValue::Boolean(_))).then_some(&NOT_PRIMARY)
}

/// The values at `path`: the elements of an array one by one, `unsaid` for one without the sub-attribute.
fn values<'a>(path: &AttributePath, resource: &'a Object, unsaid: Option<&'a Value>) -> Vec<&'a Value> {
    let container = match &path.extension {
        Some(uri) => case::member(resource, uri).and_then(Value::as_object),
        None => Some(resource),
    };
    let Some(value) = container.and_then(|object| case::member(object, &path.attribute)) else { return Vec::new() };
    match &path.sub_attribute {
        None => elements(value),
        Some(name) => elements(value).into_iter().flat_map(|element| sub_values(element, name, unsaid)).collect(),
    }
}

fn elements(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        single => vec![single],
    }
}

/// The sub-attribute of one element. A simple value is its own `value`.
fn sub_values<'a>(element: &'a Value, name: &str, unsaid: Option<&'a Value>) -> Vec<&'a Value> {
    match element {
        Value::Object(object) => case::member(object, name).or(unsaid).map(elements).unwrap_or_default(),
        simple if name.eq_ignore_ascii_case("value") => vec![simple],
        _ => Vec::new(),
    }
}

/// RFC 7643 section 2.5: null and the empty array are "unassigned". A complex value is assigned if a member is.
fn is_assigned(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => values.iter().any(is_assigned),
        Value::Object(object) => object.values().any(is_assigned),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// A multi-valued attribute matches if any of its values does. Without a value `eq null` and `ne` anything hold.
fn compare_any(values: &[&Value], operator: Operator, wanted: &CompareValue, definition: Option<&Attribute>) -> bool {
    let assigned = || values.iter().filter(|value| is_assigned(value) || value.as_str().is_some());
    match (operator, wanted) {
        (Operator::Equal, CompareValue::Null) => assigned().next().is_none(),
        (Operator::NotEqual, CompareValue::Null) => assigned().next().is_some(),
        (Operator::NotEqual, _) if assigned().next().is_none() => true,
        _ => assigned().any(|value| compare(value, operator, wanted, definition)),
    }
}

fn compare(value: &Value, operator: Operator, wanted: &CompareValue, definition: Option<&Attribute>) -> bool {
    use Operator as Op;
    let ordering = match (value, wanted) {
        (Value::Bool(left), CompareValue::Boolean(right)) => Some(left.cmp(right)),
        (Value::Number(left), CompareValue::Number(right)) => compare_numbers(left, right),
        (Value::String(left), CompareValue::Text(right)) => {
            // RFC 7643 section 7: caseExact is false unless a schema says otherwise.
            let (left, right) = match definition {
                None => (case::fold(left), case::fold(right)),
                Some(found) if found.folds_case() => (case::fold(left), case::fold(right)),
                Some(_) => (left.clone(), right.clone()),
            };
            match operator {
                Op::Contains => return left.contains(&right),
                Op::StartsWith => return left.starts_with(&right),
                Op::EndsWith => return left.ends_with(&right),
                _ => {}
            }
            let is_instant = definition.is_some_and(|found| found.kind == Type::DateTime);
            match (instant(&left), instant(&right)) {
                (Some(left), Some(right)) if is_instant => Some(left.cmp(&right)),
                _ => Some(left.cmp(&right)),
            }
        }
        _ => None,
    };
    match operator {
        Op::Equal => ordering == Some(Ordering::Equal),
        Op::NotEqual => ordering != Some(Ordering::Equal),
        Op::GreaterThan => ordering == Some(Ordering::Greater),
        Op::GreaterOrEqual => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
        Op::LessThan => ordering == Some(Ordering::Less),
        Op::LessOrEqual => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
        Op::Contains | Op::StartsWith | Op::EndsWith => false,
    }
}

fn compare_numbers(left: &serde_json::Number, right: &serde_json::Number) -> Option<Ordering> {
    match (left.as_i64(), right.as_i64()) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

/// The instant that an xsd:dateTime names (RFC 7643 section 2.3.5). Without an offset, which XML Schema allows, it is
/// taken as UTC.
#[must_use]
pub fn instant(text: &str) -> Option<jiff::Timestamp> {
    let in_utc = || text.contains('T').then(|| text.parse::<jiff::civil::DateTime>().ok()).flatten();
    text.parse().ok().or_else(|| in_utc()?.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp()))
}

#[cfg(test)]
mod tests;
