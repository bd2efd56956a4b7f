//! The shape of every item, both ways.

use super::calls::Item;
use super::error::StoreError;
use super::keys::{Key, PK, SK};
use crate::protocol::Object;
use crate::protocol::representation::Meta;
use crate::protocol::schema::ResourceType;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

/// A resource as the table holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// What the server assigned.
    pub meta: Meta,
    /// What the client sent.
    pub kept: Object,
    /// How often this resource was added to a group. 0 says that it has no groups; more, that it may have some. A
    /// deletion is conditional on it, so that no membership slips in beside it.
    pub joins: u64,
    /// Members of a group; 0 for a user.
    pub member_count: u64,
}

/// A membership or its mirror, without the end it was asked from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Id of the other end: the member, or the group for a mirror.
    pub id: String,
    /// Type of the member.
    pub resource_type: ResourceType,
    /// The name that the client sent with the member.
    pub display: Option<String>,
}

/// One string item attribute.
pub(super) fn s(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// One number.
pub(super) fn n(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Bytes of a value in an item. A number takes up to 21.
pub(super) fn size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(_) => 21,
        _ => 1,
    }
}

/// An item with this key and these item attributes.
pub(super) fn item(key: &Key, attributes: impl IntoIterator<Item = (&'static str, AttributeValue)>) -> Item {
    let mut item: Item = attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    item.insert(PK.to_owned(), s(&key.pk));
    item.insert(SK.to_owned(), s(&key.sk));
    item
}

/// Names of the copies that an application reads without parsing `resource`.
pub(super) const COPIES: [&str; 5] = ["userName", "active", "displayName", "email", "externalId"];

/// The copies of a resource; those of [`COPIES`] that are missing have no value.
pub(super) fn copies(kept: &Object) -> Vec<(&'static str, AttributeValue)> {
    let text = |name: &str| kept.get(name).and_then(Value::as_str).map(s);
    [
        ("userName", text("userName")),
        ("active", kept.get("active").and_then(Value::as_bool).map(AttributeValue::Bool)),
        ("displayName", text("displayName")),
        ("email", primary_email(kept).map(s)),
        ("externalId", text("externalId")),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

/// The primary e-mail address, or the first.
fn primary_email(kept: &Object) -> Option<&str> {
    let emails = kept.get("emails")?.as_array()?;
    let primary = emails.iter().find(|email| email["primary"] == true).or_else(|| emails.first())?;
    primary["value"].as_str()
}

/// The item attributes of a resource that a change of it rewrites.
pub(super) fn resource_attributes(stored: &Stored) -> Vec<(&'static str, AttributeValue)> {
    let mut attributes = vec![
        ("resource", s(Value::Object(stored.kept.clone()).to_string())),
        ("version", n(stored.meta.version)),
        ("lastModified", s(&stored.meta.last_modified)),
    ];
    attributes.extend(copies(&stored.kept));
    attributes
}

/// The whole item of a new resource.
pub(super) fn new_resource(key: &Key, stored: &Stored) -> Item {
    let mut attributes = resource_attributes(stored);
    attributes.push(("created", s(&stored.meta.created)));
    if stored.meta.resource_type == ResourceType::Group {
        attributes.push(("memberCount", n(stored.member_count)));
    }
    item(key, attributes)
}

/// Reads an item. `attribute` names what was missing when it cannot be used.
struct Reader<'a>(&'a Item);

impl<'a> Reader<'a> {
    fn corrupt(&self, attribute: &'static str) -> StoreError {
        let key = |name: &str| self.optional(name).unwrap_or_default().to_owned();
        // `T#default#KEY` of a lookup key: what follows is a person's, and this text goes into the log.
        let pk = key(PK).splitn(4, '#').take(3).collect::<Vec<_>>().join("#");
        StoreError::Corrupt { pk, sk: key(SK), attribute }
    }

    fn optional(&self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_s().ok().map(String::as_str)
    }

    fn text(&self, name: &'static str) -> Result<&'a str, StoreError> {
        self.optional(name).ok_or_else(|| self.corrupt(name))
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.as_n().ok()?.parse().ok()
    }
}

/// A resource from its item.
pub(super) fn stored(resource_type: ResourceType, item: &Item) -> Result<Stored, StoreError> {
    let item = Reader(item);
    let kept = serde_json::from_str(item.text("resource")?).map_err(|_| item.corrupt("resource"))?;
    Ok(Stored {
        meta: Meta {
            resource_type,
            id: item.text(SK)?.to_owned(),
            version: item.number("version").ok_or_else(|| item.corrupt("version"))?,
            created: item.text("created")?.to_owned(),
            last_modified: item.text("lastModified")?.to_owned(),
        },
        kept,
        joins: item.number("joins").unwrap_or(0),
        member_count: item.number("memberCount").unwrap_or(0),
    })
}

/// A membership or mirror from its item.
pub(super) fn membership(item: &Item) -> Result<Membership, StoreError> {
    let item = Reader(item);
    Ok(Membership {
        id: item.text(SK)?.to_owned(),
        resource_type: match item.text("type")? {
            "User" => ResourceType::User,
            "Group" => ResourceType::Group,
            _ => return Err(item.corrupt("type")),
        },
        display: item.optional("display").map(str::to_owned),
    })
}

/// A counter from its item: the first digits of the ids, and how many there are.
pub(super) fn counter(item: &Item) -> Result<(String, u64), StoreError> {
    let item = Reader(item);
    // A counter that was decremented below zero would wrap; it reads as corrupt instead.
    Ok((item.text(SK)?.to_owned(), item.number("n").ok_or_else(|| item.corrupt("n"))?))
}

/// The id that a unique or lookup key names.
pub(super) fn holder(item: &Item) -> Result<String, StoreError> {
    let item = Reader(item);
    match item.optional("id") {
        Some(id) => Ok(id.to_owned()),
        None => Ok(item.text(SK)?.to_owned()),
    }
}
