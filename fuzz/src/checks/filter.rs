//! A filter: it is refused with its offset or means something, and the same however it is written, evaluated or looked up.

use super::samples::{self, SETTINGS, Setting};
use scimlet::protocol::Object;
use scimlet::protocol::error::ScimType;
use scimlet::protocol::filter::{self, Filter};
use scimlet::protocol::index::{self, Lookup, Related};
use scimlet::protocol::matching::matches;
use scimlet::protocol::path::AttributePath;
use scimlet::protocol::quirks::Quirks;
use scimlet::protocol::schema::{ResourceSchema, ResourceType};
use serde_json::{Value, json};

pub fn check(text: &str) {
    let [lenient, strict] = &*SETTINGS;
    for resource_type in ResourceType::ALL {
        let (read, quirks) = parsed(text, lenient, resource_type);
        let (strictly, _) = parsed(text, strict, resource_type);
        // What a quirk is for is refused without it, but for two URIs, which could be another extension's.
        let is_other_uri = |name: &&str| ["misspelt_schema_uri", "dot_after_schema_uri"].contains(name);
        let is_another = strictly.is_some() && strictly != read && !quirks.names().iter().any(is_other_uri);
        assert!(!is_another, "strict SCIM means another thing: {text:?}");
        let Some(filter) = read else { continue };
        let schema = lenient.schemas.of(resource_type);
        prints_to_itself(&filter, text, schema);
        let resources = samples::resources(resource_type);
        let made = resources.iter().flat_map(|resource| [false, true].map(|upper| described(&filter, resource, upper)));
        for resource in resources.iter().cloned().chain(made.flatten()) {
            is_evaluated(&filter, &resource, schema);
        }
        // In a query of all types, what only another one has is absent.
        let among_all = lenient.schemas.among_all(resource_type);
        let mut quirks = Quirks::default();
        assert!(filter::parse(text, &among_all, &mut quirks).is_ok(), "{text:?} is known to one type and not to all");
    }
}

fn parsed(text: &str, setting: &Setting, resource_type: ResourceType) -> (Option<Filter>, Quirks) {
    let mut quirks = (setting.quirks)();
    let read = filter::parse(text, setting.schemas.of(resource_type), &mut quirks);
    assert!(setting.is_lenient || quirks.names().is_empty(), "{quirks:?}");
    (samples::unless_refused(read, text, ScimType::InvalidFilter), quirks)
}

fn prints_to_itself(filter: &Filter, text: &str, schema: &ResourceSchema) {
    let printed = filter.to_string();
    let mut quirks = Quirks::off();
    match filter::parse(&printed, schema, &mut quirks) {
        Ok(again) => assert_eq!(again, *filter, "{text:?} printed as {printed:?}"),
        // What is printed has more parentheses, and escapes.
        Err(error) => assert!(
            error.detail.contains("levels of nesting") || printed.len() > filter::MAX_FILTER_BYTES,
            "{text:?} printed as {printed:?}: {error:?}"
        ),
    }
}

/// Each comparison of a filter: at the attribute, or at the sub-attribute of an element.
fn comparisons(filter: &Filter, element_of: Option<&AttributePath>, found: &mut Vec<(AttributePath, Value)>) {
    match filter {
        Filter::Compare(path, _, value) => {
            let path = match element_of {
                Some(parent) => AttributePath { sub_attribute: Some(path.attribute.clone()), ..parent.clone() },
                None => path.clone(),
            };
            found.extend(value.to_json().map(|value| (path, value)));
        }
        Filter::And(terms) | Filter::Or(terms) => terms.iter().for_each(|term| comparisons(term, element_of, found)),
        Filter::Not(inner) => comparisons(inner, element_of, found),
        Filter::Value(path, inner) => comparisons(inner, Some(path), found),
        Filter::Present(_) => {}
    }
}

/// `base` with the values that the filter names, as they stand or in capital letters. `None` when it names none.
fn described(filter: &Filter, base: &Object, upper: bool) -> Option<Object> {
    let mut found = Vec::new();
    comparisons(filter, None, &mut found);
    let mut resource = base.clone();
    for (path, value) in &found {
        let value = match value {
            Value::String(text) if upper => text.to_uppercase().into(),
            other => other.clone(),
        };
        let container = match &path.extension {
            None => &mut resource,
            Some(uri) => resource.entry(uri).or_insert_with(|| json!({})).as_object_mut()?,
        };
        let attribute = container.entry(&path.attribute).or_insert(Value::Null);
        match &path.sub_attribute {
            None => *attribute = value,
            Some(name) => match attribute {
                Value::Array(elements) => elements.push(json!({ name: value })),
                Value::Object(object) => {
                    object.insert(name.clone(), value);
                }
                other => *other = json!([{ name: value }]),
            },
        }
    }
    (!found.is_empty()).then_some(resource)
}

fn is_evaluated(filter: &Filter, resource: &Object, schema: &ResourceSchema) {
    let holds = matches(filter, resource, schema);
    let not = Filter::Not(Box::new(filter.clone()));
    assert_eq!(matches(&not, resource, schema), !holds, "not ({filter})");
    if holds && let Some(lookup) = index::lookup(schema, filter) {
        let is_found = match &lookup {
            Lookup::Id(id) => resource.get("id").and_then(Value::as_str) == Some(id),
            Lookup::Value(value) => index::values(schema, resource).contains(value),
            Lookup::GroupsOfMember(id) => samples::has_value(resource, "members", id),
            Lookup::MembersOfGroup(id) => samples::has_value(resource, "groups", id),
        };
        assert!(is_found, "{filter} holds for {resource:?}, which {lookup:?} does not find");
    }
    if let Some(id) = index::group_of_members(schema, filter) {
        assert_eq!(holds, samples::has_value(resource, "groups", id), "{filter} asks for the users of {id}");
    }
    for attribute in ["members", "groups"] {
        let mut less = resource.clone();
        let elements = less.get_mut(attribute).and_then(Value::as_array_mut);
        match (index::related(filter, attribute), elements) {
            (Related::Nothing, _) => drop(less.shift_remove(attribute)),
            (Related::Ids(ids), Some(elements)) => {
                elements.retain(|element| ids.iter().any(|id| element.get("value").and_then(Value::as_str) == Some(id)))
            }
            _ => continue,
        }
        assert_eq!(matches(filter, &less, schema), holds, "{filter} needs more of '{attribute}' in {resource:?}");
    }
}
