//! `sortBy` and `sortOrder` (RFC 7644 section 3.4.2.3).

use super::error::{ScimError, ScimType};
use super::matching;
use super::path::{self, AttributePath, Name};
use super::quirks::Quirks;
use super::schema::{Attribute, ResourceSchema, Type};
use super::{Object, case};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cmp::Ordering;

/// How much of a string is compared. It stands in cursors, and those in URLs, which API Gateway caps at 10,240 bytes.
pub const MAX_SORT_CHARS: usize = 256;

/// By which attribute, and which way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    path: AttributePath,
    descending: bool,
}

/// What a resource is sorted by. A missing value comes last when ascending.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SortKey {
    /// A number.
    Number(f64),
    /// False before true.
    Boolean(bool),
    /// A dateTime, in microseconds since 1970.
    DateTime(i64),
    /// A string, folded unless it is caseExact, up to [`MAX_SORT_CHARS`].
    Text(String),
    /// No value.
    Missing,
}

impl SortKey {
    fn text(text: &str) -> Self {
        Self::Text(text.chars().take(MAX_SORT_CHARS).collect())
    }
}

impl Sort {
    /// Reads the two parameters; `None` without `sortBy`.
    ///
    /// # Errors
    ///
    /// 400 `invalidPath` for an attribute that cannot be sorted by, 400 `invalidValue` for another `sortOrder`.
    pub fn parse(
        sort_by: Option<&str>,
        sort_order: Option<&str>,
        schema: &ResourceSchema,
        quirks: &mut Quirks,
    ) -> Result<Option<Self>, ScimError> {
        let descending = match sort_order.map(str::to_ascii_lowercase).as_deref() {
            None | Some("" | "ascending") => false,
            Some("descending") => true,
            Some(other) => {
                let detail = format!("'sortOrder' expects ascending or descending; the request has '{other}'.");
                return Err(ScimError::invalid_value(detail));
            }
        };
        let Some(sort_by) = sort_by.filter(|name| !name.is_empty()) else { return Ok(None) };
        let refused =
            |why: &str| ScimError::bad_request(ScimType::InvalidPath, format!("'sortBy' names '{sort_by}', {why}."));
        let Some(Name::Attribute(mut path)) = path::resolve(sort_by, schema, quirks) else {
            return Err(refused("which is no attribute"));
        };
        match path.target_definition(schema) {
            None if path.is_unknown(schema) => {
                return Err(refused(&format!("which {} does not have", schema.resource_type.name())));
            }
            Some(found) if found.kind == Type::Complex => {
                if found.sub_attribute("value").is_none() {
                    return Err(refused("a complex attribute: name one of its sub-attributes"));
                }
                path.sub_attribute = Some("value".into());
            }
            _ => {}
        }
        Ok(Some(Self { path, descending }))
    }

    /// What `resource` is sorted by: of several values the primary one, or the first.
    #[must_use]
    pub fn key(&self, resource: &Object, schema: &ResourceSchema) -> SortKey {
        let definition = self.path.target_definition(schema);
        match self.value(resource) {
            Some(Value::Bool(flag)) => SortKey::Boolean(*flag),
            Some(Value::Number(number)) => number.as_f64().map_or(SortKey::Missing, SortKey::Number),
            Some(Value::String(text)) => match definition.map(|found| found.kind) {
                Some(Type::DateTime) => matching::instant(text)
                    .map_or(SortKey::Missing, |instant| SortKey::DateTime(instant.as_microsecond())),
                _ if definition.is_none_or(Attribute::folds_case) => SortKey::text(&case::fold(text)),
                _ => SortKey::text(text),
            },
            _ => SortKey::Missing,
        }
    }

    fn value<'a>(&self, resource: &'a Object) -> Option<&'a Value> {
        let container = match &self.path.extension {
            Some(uri) => case::member(resource, uri)?.as_object()?,
            None => resource,
        };
        let mut value = case::member(container, &self.path.attribute)?;
        if let Value::Array(elements) = value {
            let primary = elements.iter().find(|element| element.get("primary") == Some(&Value::Bool(true)));
            value = primary.or_else(|| elements.first())?;
        }
        match (&self.path.sub_attribute, value) {
            (Some(name), Value::Object(object)) => case::member(object, name),
            _ => Some(value),
        }
    }

    /// The order of two resources by key and, between equals, by id: the same on every page.
    #[must_use]
    pub fn compare(&self, left: (&SortKey, &str), right: (&SortKey, &str)) -> Ordering {
        let by_key = compare_keys(left.0, right.0);
        let by_key = if self.descending { by_key.reverse() } else { by_key };
        by_key.then_with(|| left.1.cmp(right.1))
    }
}

/// RFC 7644 section 3.4.2.3: ascending, resources without a value come last; descending, first.
fn compare_keys(left: &SortKey, right: &SortKey) -> Ordering {
    use SortKey as K;
    let rank = |key: &SortKey| match key {
        K::Number(_) => 0,
        K::Boolean(_) => 1,
        K::DateTime(_) => 2,
        K::Text(_) => 3,
        K::Missing => 4,
    };
    match (left, right) {
        (K::Number(left), K::Number(right)) => left.total_cmp(right),
        (K::Boolean(left), K::Boolean(right)) => left.cmp(right),
        (K::DateTime(left), K::DateTime(right)) => left.cmp(right),
        (K::Text(left), K::Text(right)) => left.cmp(right),
        _ => rank(left).cmp(&rank(right)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::schema::{ResourceType, Schemas};
    use serde_json::json;

    /// With an attribute that is a number, which the standard ones are not.
    fn schemas() -> Schemas {
        let mut schemas = Schemas::load(true).unwrap();
        let core = json!({ "id": "urn:ietf:params:scim:schemas:core:2.0:User", "resourceType": "User",
            "attributes": [{ "name": "shoeSize", "type": "integer" }] });
        schemas.add("core.json", &core.to_string()).unwrap();
        schemas
    }

    fn sorted(sort_by: &str, sort_order: &str, resources: &[Value]) -> Vec<String> {
        let schemas = schemas();
        let schema = schemas.of(ResourceType::User);
        let sort = Sort::parse(Some(sort_by), Some(sort_order), schema, &mut Quirks::default()).unwrap().unwrap();
        let mut keyed: Vec<(SortKey, String)> = resources
            .iter()
            .map(|resource| {
                (sort.key(resource.as_object().unwrap(), schema), resource["id"].as_str().unwrap().to_owned())
            })
            .collect();
        keyed.sort_by(|left, right| sort.compare((&left.0, &left.1), (&right.0, &right.1)));
        keyed.into_iter().map(|(_, id)| id).collect()
    }

    #[test]
    fn rfc7644_section_3_4_2_3_case_primary_and_missing_values() {
        let users = [
            json!({ "id": "1", "userName": "bob", "externalId": "b", "shoeSize": 44, "meta": { "created": "2026-01-01T00:30:00Z" }, "emails": [{ "value": "z@x" }, { "value": "a@x", "primary": true }] }),
            json!({ "id": "2", "userName": "Ann", "externalId": "C", "shoeSize": 9, "emails": [{ "value": "M@x" }] }),
            json!({ "id": "3", "userName": "cid", "externalId": "a", "active": true }),
            json!({ "id": "4", "userName": "ANN", "active": false, "meta": { "created": "2026-01-01T01:00:00+02:00" } }),
        ];
        let cases = [
            ("userName", "ascending", ["2", "4", "1", "3"]),
            ("USERNAME", "Descending", ["3", "1", "2", "4"]),
            ("externalId", "ascending", ["2", "3", "1", "4"]),
            ("emails", "ascending", ["1", "2", "3", "4"]),
            ("emails.value", "descending", ["3", "4", "2", "1"]),
            ("active", "ascending", ["4", "3", "1", "2"]),
            ("meta.created", "ascending", ["4", "1", "2", "3"]),
            ("meta.created", "descending", ["2", "3", "1", "4"]),
            ("shoeSize", "ascending", ["2", "1", "3", "4"]),
            ("urn:example:2.0:User:badge", "ascending", ["1", "2", "3", "4"]),
        ];
        for (sort_by, sort_order, expected) in cases {
            assert_eq!(sorted(sort_by, sort_order, &users), expected, "{sort_by} {sort_order}");
        }
    }

    #[test]
    fn what_cannot_be_sorted_by_is_refused() {
        let schemas = schemas();
        let schema = schemas.of(ResourceType::User);
        for (sort_by, sort_order, expected) in [
            ("hatSize", "", "does not have"),
            ("name", "", "complex"),
            ("a b", "", "no attribute"),
            ("userName", "up", "'sortOrder' expects"),
        ] {
            let error = Sort::parse(Some(sort_by), Some(sort_order), schema, &mut Quirks::default()).unwrap_err();
            assert!(error.detail.contains(expected), "{}", error.detail);
        }
    }
}
