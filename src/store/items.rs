//! The shape of every item, both ways.

use super::calls::Item;
use super::error::StoreError;
use super::keys::{Key, PK, SK};
use super::order;
use crate::protocol::members::Membership;
use crate::protocol::representation::Meta;
use crate::protocol::schema::ResourceType;
use crate::protocol::{self, Object};
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use std::collections::BTreeSet;

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
    /// How many of them are groups.
    pub member_groups: u64,
    /// Whether a user is the application's own: no identity provider has taken it over.
    pub is_unmanaged: bool,
    /// Of a group: the last time that its next change must come after, in ms since 1970; 0 for none.
    pub ordered: i64,
    /// What redos under way have written on it.
    pub marks: Marks,
}

impl Stored {
    /// The time of its last change, as far as it is known.
    #[must_use]
    pub fn last_change(&self) -> jiff::Timestamp {
        let modified = self.meta.last_modified.parse().unwrap_or_default();
        jiff::Timestamp::from_millisecond(self.ordered).map_or(modified, |ordered| ordered.max(modified))
    }
}

/// What redos under way have written on a resource (`store::redo`). Nearly always empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// Of a group: the intent that was committed and is being applied. Memberships that a chunk of it still names are
    /// as the chunk says.
    pub intent: Option<String>,
    /// Of a group: when the last redo of it ended, RFC 3339. What was read beside the group in one batch may be from
    /// before that.
    pub settled: Option<String>,
    /// Of a group: members that are about to be deleted, or were. Who does not exist is no member.
    pub leaving: BTreeSet<Mark>,
    /// Of a user or group: groups that staged intents add it to. It is a member of those whose `intent` this is.
    pub joining: BTreeSet<Mark>,
}

/// One entry of [`Marks`]: whom it is about, and the redo that wrote it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Id of a group or of a member.
    pub subject: String,
    /// Id of the redo.
    pub redo: String,
}

impl std::fmt::Display for Mark {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}#{}", self.subject, self.redo)
    }
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
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::N(_) => 21,
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        _ => 1,
    }
}

/// An item with this key and these item attributes.
pub(super) fn item(key: &Key, attributes: impl IntoIterator<Item = (&'static str, AttributeValue)>) -> Item {
    let attributes = attributes.into_iter();
    let mut item = Item::with_capacity(attributes.size_hint().0 + 2);
    item.extend(attributes.map(|(name, value)| (name.to_owned(), value)));
    item.insert(PK.to_owned(), s(&key.pk));
    item.insert(SK.to_owned(), s(&key.sk));
    item
}

/// On a user that is the application's own.
pub(super) const UNMANAGED: &str = "unmanaged";

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
        ("resource", s(protocol::json_text(&stored.kept))),
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
    attributes.extend(stored.is_unmanaged.then_some((UNMANAGED, AttributeValue::Bool(true))));
    if stored.meta.resource_type == ResourceType::Group {
        attributes.push(("memberCount", n(stored.member_count)));
        if stored.member_groups > 0 {
            attributes.push(("memberGroups", n(stored.member_groups)));
        }
        attributes.extend(stored.marks.intent.as_ref().map(|intent| ("intent", s(intent))));
    }
    item(key, attributes)
}

/// Reads an item. `attribute` names what was missing when it cannot be used.
pub(super) struct Reader<'a>(pub(super) &'a Item);

impl<'a> Reader<'a> {
    pub(super) fn corrupt(&self, attribute: &'static str) -> StoreError {
        let key = |name: &str| self.optional(name).unwrap_or_default().to_owned();
        // `T#default#KEY` of a lookup key: what follows is a person's, and this text goes into the log.
        let pk = key(PK).splitn(4, '#').take(3).collect::<Vec<_>>().join("#");
        StoreError::Corrupt { pk, sk: key(SK), attribute }
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(|value| value.as_bool().ok()).copied().unwrap_or(false)
    }

    pub(super) fn optional(&self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_s().ok().map(String::as_str)
    }

    pub(super) fn text(&self, name: &'static str) -> Result<&'a str, StoreError> {
        self.optional(name).ok_or_else(|| self.corrupt(name))
    }

    fn marks(&self, name: &str) -> BTreeSet<Mark> {
        let entries = self.0.get(name).and_then(|value| value.as_ss().ok()).map(Vec::as_slice).unwrap_or_default();
        let mark = |(subject, redo): (&str, &str)| Mark { subject: subject.to_owned(), redo: redo.to_owned() };
        entries.iter().filter_map(|entry| entry.rsplit_once('#')).map(mark).collect()
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.as_n().ok()?.parse().ok()
    }
}

/// A resource from its item.
pub(super) fn stored(resource_type: ResourceType, item: &Item) -> Result<Stored, StoreError> {
    let ordered = if resource_type == ResourceType::Group { order::last_remembered(item) } else { 0 };
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
        member_groups: item.number("memberGroups").unwrap_or(0),
        is_unmanaged: item.flag(UNMANAGED),
        ordered,
        marks: Marks {
            intent: item.optional("intent").map(str::to_owned),
            settled: item.optional("settled").map(str::to_owned),
            leaving: item.marks("leaving"),
            joining: item.marks("joining"),
        },
    })
}

/// What is left of a deleted resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// Its userName or displayName, if it had one.
    pub name: Option<String>,
    /// When it was deleted, RFC 3339.
    pub deleted: String,
    /// Its last version.
    pub version: u64,
}

/// A tombstone from its item.
pub(super) fn tombstone(item: &Item) -> Result<Tombstone, StoreError> {
    let item = Reader(item);
    Ok(Tombstone {
        name: item.optional("userName").or_else(|| item.optional("displayName")).map(str::to_owned),
        deleted: item.text("deleted")?.to_owned(),
        version: item.number("version").unwrap_or(0),
    })
}

/// The type that an item names.
pub(super) fn named_type(name: &str) -> Option<ResourceType> {
    ResourceType::ALL.into_iter().find(|resource_type| resource_type.name() == name)
}

/// A membership or mirror from its item.
pub(super) fn membership(item: &Item) -> Result<Membership, StoreError> {
    let item = Reader(item);
    Ok(Membership {
        id: item.text(SK)?.to_owned(),
        resource_type: named_type(item.text("type")?).ok_or_else(|| item.corrupt("type"))?,
        display: item.optional("display").map(str::to_owned),
    })
}

/// The item attributes by which a counter tells its ids apart: their third digit.
pub(super) const COUNTED_DIGITS: [&str; 16] =
    ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f"];

/// The one of them that counts `id`.
pub(super) fn counted_digit(id: &str) -> Option<&'static str> {
    COUNTED_DIGITS.into_iter().find(|digit| id.get(2..3) == Some(digit))
}

/// A counter from its item: the first three digits of ids and how many there are, in order. Two digits where the third
/// was not counted from the first resource on: what was counted then is missing in every sum since.
pub(super) fn counter(item: &Item) -> Result<Vec<(String, u64)>, StoreError> {
    let item = Reader(item);
    let prefix = item.text(SK)?;
    // A counter that was decremented below zero would wrap; it reads as corrupt instead.
    let all = item.number("n").ok_or_else(|| item.corrupt("n"))?;
    let counted: Vec<(String, u64)> =
        COUNTED_DIGITS.iter().filter_map(|digit| Some((format!("{prefix}{digit}"), item.number(digit)?))).collect();
    let is_whole = counted.iter().map(|(_, count)| count).sum::<u64>() == all;
    Ok(if is_whole { counted } else { vec![(prefix.to_owned(), all)] })
}

/// The id that a unique or lookup key names.
pub(super) fn holder(item: &Item) -> Result<String, StoreError> {
    let item = Reader(item);
    match item.optional("id") {
        Some(id) => Ok(id.to_owned()),
        None => Ok(item.text(SK)?.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_tells_third_digits_apart_if_it_counted_them_from_the_start() {
        let read = |attributes: &[(&str, i64)]| {
            let mut counted = item(&Key { pk: "T#default#COUNT#USER".into(), sk: "7f".into() }, []);
            counted.extend(attributes.iter().map(|(name, number)| ((*name).to_owned(), n(number))));
            counter(&counted).ok()
        };
        let prefixes = |expected: &[(&str, u64)]| {
            Some(expected.iter().map(|(prefix, count)| ((*prefix).to_owned(), *count)).collect::<Vec<_>>())
        };
        assert_eq!(read(&[("n", 3), ("0", 1), ("f", 2)]), prefixes(&[("7f0", 1), ("7ff", 2)]));
        assert_eq!(read(&[("n", 1), ("0", 1), ("f", 0)]), prefixes(&[("7f0", 1), ("7ff", 0)]));
        assert_eq!(read(&[("n", 0)]), prefixes(&[]));
        // Three were there before; then one came, or went.
        assert_eq!(read(&[("n", 4), ("0", 1)]), prefixes(&[("7f", 4)]));
        assert_eq!(read(&[("n", 2), ("0", -1)]), prefixes(&[("7f", 2)]));
        assert_eq!(read(&[("n", -1), ("0", -1)]), None);
        assert_eq!(read(&[("0", 1)]), None);
        assert_eq!(counted_digit("2819c223"), Some("1"));
        assert_eq!(counted_digit("é"), None);
    }
}
