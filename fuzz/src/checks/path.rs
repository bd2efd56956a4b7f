//! An attribute path, as a PATCH operation, `attributes` and `sortBy` have it.

use super::samples::{self, SETTINGS, Setting};
use scimlet::protocol::error::ScimType;
use scimlet::protocol::path::{self, MAX_PATH_BYTES, Target};
use scimlet::protocol::projection::Projection;
use scimlet::protocol::quirks::Quirks;
use scimlet::protocol::schema::{ResourceSchema, ResourceType};
use scimlet::protocol::sort::Sort;
use std::cmp::Ordering;

pub fn check(text: &str) {
    let [lenient, strict] = &*SETTINGS;
    for resource_type in ResourceType::ALL {
        let (read, quirks) = parsed(text, lenient, resource_type);
        let (strictly, _) = parsed(text, strict, resource_type);
        // What a quirk is for is refused without it, but for two URIs, which could be another extension's.
        let is_other_uri = |name: &&str| ["misspelt_schema_uri", "dot_after_schema_uri"].contains(name);
        let is_another = strictly.is_some() && strictly != read && !quirks.names().iter().any(is_other_uri);
        assert!(!is_another, "strict SCIM means another thing: {text:?}");
        let schema = lenient.schemas.of(resource_type);
        if let Some(target) = read {
            prints_to_itself(&target, text, schema);
        }
        projects(Some(text), None, schema);
        projects(None, Some(text), schema);
        projects(Some(text), Some("id,emails.value,members"), schema);
        sorts(text, schema);
    }
}

fn parsed(text: &str, setting: &Setting, resource_type: ResourceType) -> (Option<Target>, Quirks) {
    let mut quirks = (setting.quirks)();
    let read = path::parse(text, setting.schemas.of(resource_type), &mut quirks);
    assert!(setting.is_lenient || quirks.names().is_empty(), "{quirks:?}");
    (samples::unless_refused(read, text, ScimType::InvalidPath), quirks)
}

fn prints_to_itself(target: &Target, text: &str, schema: &ResourceSchema) {
    let printed = target.to_string();
    match path::parse(&printed, schema, &mut Quirks::off()) {
        Ok(again) => assert_eq!(again, *target, "{text:?} printed as {printed:?}"),
        // What is printed has more parentheses, and escapes.
        Err(error) => assert!(
            error.detail.contains("levels of nesting") || printed.len() > MAX_PATH_BYTES,
            "{text:?} printed as {printed:?}: {error:?}"
        ),
    }
}

/// What is shown was there, and showing it again takes nothing more away.
fn projects(attributes: Option<&str>, excluded: Option<&str>, schema: &ResourceSchema) {
    let sent = attributes.or(excluded).map_or(0, str::len);
    let projection = match Projection::parse(attributes, excluded, schema, &mut Quirks::default()) {
        Ok(projection) => projection,
        Err(error) => return samples::is_refusal(&error, sent),
    };
    for resource in samples::resources(schema.resource_type) {
        let mut shown = resource.clone();
        projection.apply(&mut shown, schema);
        assert_eq!(shown.get("id"), resource.get("id"), "an id is always shown");
        assert!(shown.keys().all(|name| resource.contains_key(name)));
        let mut again = shown.clone();
        projection.apply(&mut again, schema);
        assert_eq!(again, shown, "{projection:?}");
        for name in ["members", "groups", "emails"] {
            assert!(projection.shows(name) || !shown.contains_key(name), "{name} is not read, and is shown");
        }
    }
}

/// An order: the same from both sides, and one way the reverse of the other but for equals, which their ids order.
fn sorts(text: &str, schema: &ResourceSchema) {
    let read = |order| Sort::parse(Some(text), Some(order), schema, &mut Quirks::default());
    let (ascending, descending) = match (read("ascending"), read("descending")) {
        (Ok(Some(ascending)), Ok(Some(descending))) => (ascending, descending),
        (Ok(None), Ok(None)) => return,
        (Err(error), Err(_)) => return samples::is_refusal(&error, text.len()),
        other => panic!("{other:?}"),
    };
    let resources = samples::resources(schema.resource_type);
    for left in resources {
        for right in resources {
            let (left, right) = (ascending.key(left, schema), ascending.key(right, schema));
            let order = ascending.compare((&left, "1"), (&right, "2"));
            assert_eq!(ascending.compare((&right, "2"), (&left, "1")), order.reverse());
            let reverse = descending.compare((&left, "1"), (&right, "2"));
            assert!(order != reverse || (left == right && order == Ordering::Less), "{left:?} {right:?}");
        }
    }
}
