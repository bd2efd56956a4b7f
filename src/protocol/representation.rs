//! A resource as a client sees it: what is kept, with the attributes that the server assigns (RFC 7643 section 3.1).

use super::Object;
use super::members::{MEMBERS, Membership};
use super::projection::Projection;
use super::schema::{ResourceSchema, ResourceType};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Value, json};

/// What the server assigns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Type of the resource.
    pub resource_type: ResourceType,
    /// Its id.
    pub id: String,
    /// Counts its changes from 1; the `ETag` is made of it.
    pub version: u64,
    /// When it was created, RFC 3339.
    pub created: String,
    /// When it was changed last, RFC 3339.
    pub last_modified: String,
}

impl Meta {
    /// The `ETag`, weak because a projection changes the bytes and not the version (RFC 7644 section 3.14).
    #[must_use]
    pub fn etag(&self) -> String {
        etag(self.version)
    }
}

/// The `ETag` of a version.
#[must_use]
pub fn etag(version: u64) -> String {
    format!("W/\"{version}\"")
}

/// The version in `W/"3"` or `"3"`. Any other tag is of no version.
#[must_use]
pub fn parse_etag(tag: &str) -> Option<u64> {
    tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

/// The URI of a resource.
#[must_use]
pub fn location(base_url: &str, resource_type: ResourceType, id: &str) -> String {
    format!("{base_url}{}/{id}", resource_type.endpoint())
}

/// One entry of `User.groups`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupOfUser {
    /// Id of the group.
    pub id: String,
    /// Its displayName.
    pub display: String,
}

/// `User.groups`, direct memberships alone.
#[must_use]
pub fn groups(base_url: &str, groups: &[GroupOfUser]) -> Value {
    groups
        .iter()
        .map(|group| {
            json!({
                "value": group.id,
                "$ref": location(base_url, ResourceType::Group, &group.id),
                "display": group.display,
                "type": "direct",
            })
        })
        .collect()
}

/// One entry of `Group.members`.
#[must_use]
pub fn member(base_url: &str, id: &str, resource_type: ResourceType, display: Option<&str>) -> Value {
    let mut member = json!({
        "value": id,
        "$ref": location(base_url, resource_type, id),
        "type": resource_type.name(),
    });
    if let Some(display) = display {
        member["display"] = display.into();
    }
    member
}

/// `Group.members`.
#[must_use]
pub fn members(base_url: &str, members: &[Membership]) -> Value {
    let one = |membership: &Membership| {
        member(base_url, &membership.id, membership.resource_type, membership.display.as_deref())
    };
    members.iter().map(one).collect()
}

/// A resource as an answer shows it. There may be very many members, so they are written one by one from what little is
/// known of each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shown {
    resource: Object,
    members: Option<ShownMembers>,
}

#[derive(Debug, Clone, PartialEq)]
struct ShownMembers {
    base_url: String,
    members: Vec<Membership>,
    /// The sub-attributes that are shown.
    parts: Vec<&'static str>,
}

/// The sub-attributes of a member.
const PARTS: [&str; 4] = ["value", "$ref", "type", "display"];

impl Shown {
    /// As much of a resource as the client asked to see.
    #[must_use]
    pub fn new(mut resource: Object, projection: &Projection, schema: &ResourceSchema) -> Self {
        projection.apply(&mut resource, schema);
        Self { resource, members: None }
    }

    /// The same of a group with these members.
    #[must_use]
    pub fn with_members(
        resource: Object,
        base_url: &str,
        members: Vec<Membership>,
        projection: &Projection,
        schema: &ResourceSchema,
    ) -> Self {
        let mut shown = Self::new(resource, projection, schema);
        let parts = projection.parts(MEMBERS, &PARTS, schema);
        if !members.is_empty() && !parts.is_empty() {
            shown.members = Some(ShownMembers { base_url: base_url.to_owned(), members, parts });
        }
        shown
    }

    /// The same without the members.
    #[must_use]
    pub fn without_members(self) -> Self {
        Self { members: None, ..self }
    }
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut members = self.members.as_ref();
        for (name, value) in &self.resource {
            if name == "meta"
                && let Some(members) = members.take()
            {
                map.serialize_entry(MEMBERS, members)?;
            }
            map.serialize_entry(name, value)?;
        }
        if let Some(members) = members {
            map.serialize_entry(MEMBERS, members)?;
        }
        map.end()
    }
}

impl Serialize for ShownMembers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.members.iter().map(|membership| ShownMember { of: self, membership }))
    }
}

struct ShownMember<'a> {
    of: &'a ShownMembers,
    membership: &'a Membership,
}

impl Serialize for ShownMember<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Membership { id, resource_type, display } = self.membership;
        let mut map = serializer.serialize_map(None)?;
        for part in &self.of.parts {
            match (*part, display) {
                ("value", _) => map.serialize_entry(part, id)?,
                ("$ref", _) => map.serialize_entry(part, &location(&self.of.base_url, *resource_type, id))?,
                ("type", _) => map.serialize_entry(part, resource_type.name())?,
                (_, Some(display)) => map.serialize_entry(part, display)?,
                (_, None) => {}
            }
        }
        map.end()
    }
}

/// The whole resource, from what is kept. `related` is `groups` of a user or `members` of a group, when it is to be shown and not empty.
#[must_use]
pub fn represent(base_url: &str, meta: &Meta, kept: Object, related: Option<(&str, Value)>) -> Object {
    let mut resource = kept;
    let after_schemas = resource.keys().take_while(|name| *name == "schemas").count();
    resource.shift_insert(after_schemas, "id".into(), meta.id.clone().into());
    if let Some((name, value)) = related
        && value.as_array().is_some_and(|values| !values.is_empty())
    {
        resource.insert(name.to_owned(), value);
    }
    resource.insert(
        "meta".into(),
        json!({
            "resourceType": meta.resource_type.name(),
            "created": meta.created,
            "lastModified": meta.last_modified,
            "location": location(base_url, meta.resource_type, &meta.id),
            "version": meta.etag(),
        }),
    );
    resource
}

#[cfg(test)]
mod tests;
