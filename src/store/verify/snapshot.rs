//! Items as they were read together, and what was read out of them.

use super::super::calls::Item;
use super::super::items;
use super::super::keys::{Key, Keys, Place};
use super::Rules;
use crate::protocol::Object;
use crate::protocol::index::IndexedValue;
use crate::protocol::schema::ResourceType;
use std::collections::BTreeMap;

/// A key that has to be read before a decision can be made.
#[derive(Debug)]
pub(super) struct Needs(pub(super) Key);

/// A resource as its JSON says.
#[derive(Debug)]
pub(super) struct Readable {
    pub(super) kept: Object,
    /// The keys that its indexed values have.
    pub(super) holders: BTreeMap<Key, IndexedValue>,
}

/// Items by key; `None` for those that are not there.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    items: BTreeMap<Key, Option<Item>>,
    /// Resources of which the JSON was read; `None` for those whose JSON is none.
    resources: BTreeMap<Key, Option<Readable>>,
}

impl Snapshot {
    /// Notes an item of which only some item attributes were read, `resource` not among them.
    pub(super) fn put_part(&mut self, key: Key, item: Option<Item>) {
        self.items.insert(key, item);
    }

    /// Notes an item.
    pub(super) fn put(&mut self, rules: &Rules, key: Key, item: Option<Item>) {
        if let (Some(item), Some((keys, Place::Resource(resource_type, id)))) = (&item, key.place()) {
            self.resources.insert(key.clone(), readable(rules, &keys, resource_type, &id, item));
        }
        self.items.insert(key, item);
    }

    /// Whether the key was read.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.items.contains_key(key)
    }

    /// The item under a key, if it is there.
    pub(super) fn item(&self, key: &Key) -> Result<Option<&Item>, Needs> {
        match self.items.get(key) {
            Some(item) => Ok(item.as_ref()),
            None if !key.is_possible() => Ok(None),
            None => Err(Needs(key.clone())),
        }
    }

    /// The resource under a key, if it is there; `Some(None)` when its JSON is none.
    pub(super) fn resource(&self, key: &Key) -> Result<Option<Option<&Readable>>, Needs> {
        if self.item(key)?.is_none() {
            return Ok(None);
        }
        self.resources.get(key).map(|found| Some(found.as_ref())).ok_or_else(|| Needs(key.clone()))
    }

    /// What a member is: the key and item of the user or group with this id, of `likely` type first.
    pub(super) fn member(
        &self,
        keys: &Keys,
        id: &str,
        likely: ResourceType,
    ) -> Result<Option<(ResourceType, &Item)>, Needs> {
        for resource_type in [likely, other(likely)] {
            if let Some(item) = self.item(&keys.resource(resource_type, id))? {
                return Ok(Some((resource_type, item)));
            }
        }
        Ok(None)
    }
}

fn readable(rules: &Rules, keys: &Keys, resource_type: ResourceType, id: &str, item: &Item) -> Option<Readable> {
    let kept: Object = serde_json::from_str(text(item, "resource")?).ok()?;
    let values = (rules.values)(resource_type, &kept);
    let holders = values.into_iter().map(|value| (keys.holder(&value, id), value)).collect();
    Some(Readable { kept, holders })
}

fn other(resource_type: ResourceType) -> ResourceType {
    match resource_type {
        ResourceType::User => ResourceType::Group,
        ResourceType::Group => ResourceType::User,
    }
}

pub(super) fn text<'i>(item: &'i Item, name: &str) -> Option<&'i str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// A number; absent is 0, and what is none is `None`.
pub(super) fn number(item: &Item, name: &str) -> Option<i64> {
    match item.get(name) {
        None => Some(0),
        Some(value) => value.as_n().ok()?.parse().ok(),
    }
}

pub(super) fn is_set(item: &Item, name: &str) -> bool {
    item.get(name).and_then(|value| value.as_bool().ok()).copied().unwrap_or(false)
}

/// The entries of a set of marks, each `<subject>#<redo>`.
pub(super) fn marks<'i>(item: &'i Item, name: &str) -> &'i [String] {
    item.get(name).and_then(|value| value.as_ss().ok()).map(Vec::as_slice).unwrap_or_default()
}

/// The type that a membership says its member has.
pub(super) fn said_type(item: &Item) -> Option<ResourceType> {
    let said = text(item, "type")?;
    ResourceType::ALL.into_iter().find(|resource_type| resource_type.name() == said)
}

/// Which copies of a resource its item has otherwise than its JSON.
pub(super) fn wrong_copies(kept: &Object, item: &Item) -> Vec<&'static str> {
    let right = items::copies(kept);
    let differs =
        |copy: &&'static str| right.iter().find(|(name, _)| name == copy).map(|(_, value)| value) != item.get(*copy);
    items::COPIES.into_iter().filter(|copy| differs(copy)).collect()
}
