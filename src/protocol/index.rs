//! Which attributes a lookup can start from, and which lookup a filter allows. What is not here is found by evaluating
//! the filter over the collection.

use super::filter::{CompareValue, Filter, Operator};
use super::path::AttributePath;
use super::schema::{ResourceSchema, ResourceType, Type, Uniqueness};
use super::{Object, case, members};
use serde_json::Value;

/// A value under which a resource can be found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexedValue {
    /// `User.userName`, `Group.externalId`, …
    pub attribute: String,
    /// The value as it is compared: folded unless the attribute is caseExact.
    pub value: String,
    /// Whether one resource at most may hold it.
    pub is_unique: bool,
}

/// Where the search for a filter starts: every resource that satisfies the filter is among what this finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// At the resource itself.
    Id(String),
    /// At an indexed value.
    Value(IndexedValue),
    /// At the memberships of a member, for groups.
    GroupsOfMember(String),
    /// At the members of a group, for users.
    MembersOfGroup(String),
}

/// An attribute under whose values a resource can be found.
#[derive(Debug, Clone, Copy)]
struct Indexed<'a> {
    extension: Option<&'a str>,
    attribute: &'a str,
    sub_attribute: Option<&'a str>,
    case_exact: bool,
    is_unique: bool,
}

impl<'a> Indexed<'a> {
    const fn core(attribute: &'a str, case_exact: bool) -> Self {
        Self { extension: None, attribute, sub_attribute: None, case_exact, is_unique: false }
    }

    fn path(&self) -> AttributePath {
        AttributePath {
            extension: self.extension.map(str::to_owned),
            attribute: self.attribute.to_owned(),
            sub_attribute: self.sub_attribute.map(str::to_owned),
        }
    }

    fn is(&self, path: &AttributePath) -> bool {
        self.attribute == path.attribute
            && self.extension == path.extension.as_deref()
            && self.sub_attribute == path.sub_attribute.as_deref()
    }

    fn name(&self, resource_type: ResourceType) -> String {
        format!("{}.{}", resource_type.name(), self.path())
    }

    fn holding(&self, resource_type: ResourceType, text: &str) -> IndexedValue {
        IndexedValue {
            attribute: self.name(resource_type),
            value: if self.case_exact { text.to_owned() } else { case::fold(text) },
            is_unique: self.is_unique,
        }
    }
}

/// The indexed attributes of a resource type: what the schema calls unique, `externalId`, and `emails.value` of users.
fn attributes(schema: &ResourceSchema) -> Vec<Indexed<'_>> {
    let mut attributes: Vec<_> = schema
        .attributes()
        .filter(|(_, found)| found.uniqueness != Uniqueness::None && found.kind == Type::String && !found.multi_valued)
        .map(|(extension, found)| Indexed {
            extension,
            is_unique: true,
            ..Indexed::core(&found.name, found.case_exact)
        })
        .collect();
    if schema.resource_type == ResourceType::Group && !attributes.iter().any(|found| found.attribute == "displayName") {
        attributes.push(Indexed::core("displayName", false));
    }
    attributes.push(Indexed::core("externalId", true));
    if schema.resource_type == ResourceType::User {
        attributes.push(Indexed { sub_attribute: Some("value"), ..Indexed::core("emails", false) });
    }
    attributes
}

/// The names of the indexed attributes, as [`IndexedValue`] has them.
#[must_use]
pub fn names(schema: &ResourceSchema) -> Vec<String> {
    attributes(schema).iter().map(|indexed| indexed.name(schema.resource_type)).collect()
}

/// The values under which `resource` is to be found, each once.
#[must_use]
pub fn values(schema: &ResourceSchema, resource: &Object) -> std::collections::BTreeSet<IndexedValue> {
    let mut values = std::collections::BTreeSet::new();
    for indexed in attributes(schema) {
        let container = match indexed.extension {
            None => Some(resource),
            Some(uri) => resource.get(uri).and_then(Value::as_object),
        };
        let Some(value) = container.and_then(|object| object.get(indexed.attribute)) else { continue };
        let texts: Vec<&str> = match indexed.sub_attribute {
            None => value.as_str().into_iter().collect(),
            Some(name) => {
                value.as_array().into_iter().flatten().filter_map(|element| element.get(name)?.as_str()).collect()
            }
        };
        let assigned = texts.into_iter().filter(|text| !text.is_empty());
        values.extend(assigned.map(|text| indexed.holding(schema.resource_type, text)));
    }
    values
}

/// The best lookup that `filter` allows; `None` when none of its conjuncts is an indexed equality.
#[must_use]
pub fn lookup(schema: &ResourceSchema, filter: &Filter) -> Option<Lookup> {
    match filter {
        Filter::Compare(path, Operator::Equal, CompareValue::Text(text)) => equality(schema, path, text),
        Filter::And(terms) => terms.iter().filter_map(|term| lookup(schema, term)).min_by_key(rank),
        Filter::Value(path, inner) => {
            let path = AttributePath { sub_attribute: Some("value".into()), ..path.clone() };
            equality(schema, &path, value_in(inner)?)
        }
        _ => None,
    }
}

/// The group whose users a filter asks for, if it asks for nothing else.
#[must_use]
pub fn group_of_members<'f>(schema: &ResourceSchema, filter: &'f Filter) -> Option<&'f str> {
    let text = match filter {
        Filter::Compare(_, Operator::Equal, CompareValue::Text(text)) => text.as_str(),
        Filter::Value(_, inner) => match &**inner {
            Filter::Compare(_, Operator::Equal, CompareValue::Text(text)) => text.as_str(),
            _ => return None,
        },
        _ => return None,
    };
    matches!(lookup(schema, filter)?, Lookup::MembersOfGroup(_)).then_some(text)
}

fn rank(lookup: &Lookup) -> u8 {
    match lookup {
        Lookup::Id(_) => 0,
        Lookup::Value(value) if value.is_unique => 1,
        Lookup::Value(_) => 2,
        Lookup::GroupsOfMember(_) => 3,
        Lookup::MembersOfGroup(_) => 4,
    }
}

/// The text that `value` must equal for a value filter to hold.
fn value_in(filter: &Filter) -> Option<&str> {
    match filter {
        Filter::Compare(path, Operator::Equal, CompareValue::Text(text)) if path.attribute == "value" => Some(text),
        Filter::And(terms) => terms.iter().find_map(value_in),
        _ => None,
    }
}

fn equality(schema: &ResourceSchema, path: &AttributePath, text: &str) -> Option<Lookup> {
    if path.is_core("id") {
        return Some(Lookup::Id(text.to_owned()));
    }
    let is_value_of = |attribute| path.is_core(attribute) && path.sub_attribute.as_deref() == Some("value");
    match schema.resource_type {
        ResourceType::Group if is_value_of(members::MEMBERS) => return Some(Lookup::GroupsOfMember(text.to_owned())),
        ResourceType::User if is_value_of("groups") => return Some(Lookup::MembersOfGroup(text.to_owned())),
        _ => {}
    }
    let indexed = attributes(schema).into_iter().find(|indexed| indexed.is(path))?;
    // An empty value is not indexed.
    (!text.is_empty()).then(|| Lookup::Value(indexed.holding(schema.resource_type, text)))
}

/// What has to be read of the memberships of a resource to decide a filter on `members.value` or `groups.value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Related {
    /// The filter does not look at them.
    Nothing,
    /// Whether these ids are among them.
    Ids(Vec<String>),
    /// All of them.
    Everything,
}

/// What `filter` needs to know of `attribute`, which is `members` or `groups`.
#[must_use]
pub fn related(filter: &Filter, attribute: &str) -> Related {
    let one = |path: &AttributePath, id: Option<&str>| match id {
        _ if !path.is_core(attribute) => Related::Nothing,
        Some(id) => Related::Ids(vec![id.to_owned()]),
        None => Related::Everything,
    };
    match filter {
        Filter::Compare(path, Operator::Equal, CompareValue::Text(id))
            if path.sub_attribute.as_deref() == Some("value") =>
        {
            one(path, Some(id))
        }
        Filter::Present(path) | Filter::Compare(path, ..) => one(path, None),
        Filter::Value(path, inner) => one(path, value_in(inner)),
        Filter::Not(inner) => related(inner, attribute),
        Filter::And(terms) | Filter::Or(terms) => {
            terms.iter().fold(Related::Nothing, |all, term| match (all, related(term, attribute)) {
                (Related::Nothing, other) | (other, Related::Nothing) => other,
                (Related::Ids(mut left), Related::Ids(right)) => {
                    left.extend(right);
                    Related::Ids(left)
                }
                _ => Related::Everything,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::filter;
    use crate::protocol::quirks::Quirks;
    use crate::protocol::schema::Schemas;
    use serde_json::json;

    fn parsed(resource_type: ResourceType, text: &str) -> (ResourceSchema, Filter) {
        let schema = Schemas::load(true).unwrap().of(resource_type).clone();
        let filter = filter::parse(text, &schema, &mut Quirks::default()).unwrap();
        (schema, filter)
    }

    #[test]
    fn a_lookup_starts_at_the_narrowest_indexed_equality() {
        let value = |attribute: &str, value: &str, is_unique| {
            Some(Lookup::Value(IndexedValue { attribute: attribute.into(), value: value.into(), is_unique }))
        };
        let cases = [
            (ResourceType::User, "userName eq \"Ann\"", value("User.userName", "ann", true)),
            (ResourceType::User, "externalId eq \"Ann\"", value("User.externalId", "Ann", false)),
            (ResourceType::User, "emails eq \"A@b\"", value("User.emails.value", "a@b", false)),
            (ResourceType::User, "emails[type eq \"work\"].value eq \"A@b\"", value("User.emails.value", "a@b", false)),
            (ResourceType::User, "externalId eq \"x\" and id eq \"7\"", Some(Lookup::Id("7".into()))),
            (ResourceType::User, "externalId eq \"x\" and userName eq \"y\"", value("User.userName", "y", true)),
            (ResourceType::User, "userName eq \"a\" or userName eq \"b\"", None),
            (ResourceType::User, "not (userName eq \"a\")", None),
            (ResourceType::User, "userName co \"a\"", None),
            (ResourceType::User, "groups.value eq \"g\"", Some(Lookup::MembersOfGroup("g".into()))),
            (ResourceType::Group, "members eq \"u\"", Some(Lookup::GroupsOfMember("u".into()))),
            (ResourceType::Group, "members[value eq \"u\"]", Some(Lookup::GroupsOfMember("u".into()))),
            (ResourceType::Group, "displayName eq \"TEAM\"", value("Group.displayName", "team", true)),
        ];
        for (resource_type, text, expected) in cases {
            let (schema, filter) = parsed(resource_type, text);
            assert_eq!(lookup(&schema, &filter), expected, "{text}");
        }
    }

    #[test]
    fn what_a_schema_calls_unique_is_indexed_and_the_names_of_groups_always_are() {
        let mut schemas = Schemas::load(false).unwrap();
        let badge = json!({ "id": "urn:example:2.0:User", "resourceType": "User", "attributes": [
            { "name": "badge", "uniqueness": "server", "caseExact": true }, { "name": "colour" },
        ] });
        schemas.add("badge.json", &badge.to_string()).unwrap();
        let user = schemas.of(ResourceType::User);
        let expected = ["User.userName", "User.urn:example:2.0:User:badge", "User.externalId", "User.emails.value"];
        assert_eq!(names(user), expected);
        assert_eq!(names(schemas.of(ResourceType::Group)), ["Group.displayName", "Group.externalId"]);
        let unique = Schemas::load(true).unwrap();
        assert_eq!(names(unique.of(ResourceType::Group)), ["Group.displayName", "Group.externalId"]);

        let text = "urn:example:2.0:User:badge eq \"A7\"";
        let badge = IndexedValue { attribute: expected[1].into(), value: "A7".into(), is_unique: true };
        let filter = filter::parse(text, user, &mut Quirks::default()).unwrap();
        assert_eq!(lookup(user, &filter), Some(Lookup::Value(badge.clone())));
        let resource = json!({ "urn:example:2.0:User": { "badge": "A7", "colour": "red" }, "badge": "B" });
        assert_eq!(values(user, resource.as_object().unwrap()), [badge].into());
    }

    #[test]
    fn the_group_whose_members_are_listed_is_that_of_a_filter_that_asks_for_nothing_else() {
        let cases = [
            (ResourceType::User, "groups.value eq \"g\"", Some("g")),
            (ResourceType::User, "groups eq \"g\"", Some("g")),
            (ResourceType::User, "groups[value eq \"g\"]", Some("g")),
            (ResourceType::User, "groups[value eq \"g\" and type eq \"direct\"]", None),
            (ResourceType::User, "groups.value eq \"g\" and active eq true", None),
            (ResourceType::User, "groups.value ne \"g\"", None),
            (ResourceType::User, "groups[type eq \"direct\"]", None),
            (ResourceType::User, "groups.display eq \"g\"", None),
            (ResourceType::User, "userName eq \"g\"", None),
            (ResourceType::User, "id eq \"g\"", None),
            (ResourceType::Group, "members.value eq \"g\"", None),
        ];
        for (resource_type, text, expected) in cases {
            let (schema, filter) = parsed(resource_type, text);
            assert_eq!(group_of_members(&schema, &filter), expected, "{text}");
        }
    }

    #[test]
    fn only_equality_with_an_id_can_be_decided_without_all_members() {
        let ids = |ids: &[&str]| Related::Ids(ids.iter().map(|&id| id.to_owned()).collect());
        let cases = [
            ("displayName eq \"x\"", Related::Nothing),
            ("id eq \"g\" and members eq \"u\"", ids(&["u"])),
            ("members eq \"u\" or not (members.value eq \"v\")", ids(&["u", "v"])),
            ("members ne \"u\"", Related::Everything),
            ("members pr", Related::Everything),
            ("members eq \"u\" and members.type eq \"Group\"", Related::Everything),
        ];
        for (text, expected) in cases {
            let (_, filter) = parsed(ResourceType::Group, text);
            assert_eq!(related(&filter, "members"), expected, "{text}");
        }
    }

    #[test]
    fn every_indexed_value_of_a_resource_is_found_once() {
        let schema = Schemas::load(true).unwrap();
        let user = json!({"userName": "Ann", "externalId": "E", "emails": [{"value": "A@b"}, {"value": "a@B"}, {"type": "home"}]});
        let values = values(schema.of(ResourceType::User), user.as_object().unwrap());
        let names: Vec<_> = values.iter().map(|found| (found.attribute.as_str(), found.value.as_str())).collect();
        assert_eq!(names, [("User.emails.value", "a@b"), ("User.externalId", "E"), ("User.userName", "ann")]);
    }
}
