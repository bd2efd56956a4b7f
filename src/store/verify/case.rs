//! One thing that must hold, of one item and its counterparts: what has to be read for it, and what is wrong.
//!
//! The same decision is made twice: on the page of a scan and a batch of counterparts, which may be from different
//! moments, and, where that finds something, on all of them read in one transaction.

use super::Rules;
use super::repair::Step;
use super::report::{Example, Kind};
use super::snapshot::{Needs, Snapshot, marks, text, wrong_copies};
use crate::protocol::index::IndexedValue;
use crate::protocol::schema::ResourceType;
use crate::store::calls::Item;
use crate::store::items::{copies, s};
use crate::store::keys::{ALONE, Key, Keys, Place};

/// What is wrong, and the transaction that mends it.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) kind: Kind,
    pub(super) example: Example,
    /// None for what is left alone.
    pub(super) steps: Option<Vec<Step>>,
    /// The key that it is about, if it is about one.
    pub(super) key: Option<Key>,
    /// The group whose members are fewer or others after the repair.
    pub(super) group: Option<String>,
}

impl Finding {
    pub(super) fn new(kind: Kind, example: Example, steps: Option<Vec<Step>>) -> Self {
        Self { kind, example, steps, key: None, group: None }
    }

    fn about(self, key: &Key) -> Self {
        Self { key: Some(key.clone()), ..self }
    }

    pub(super) fn changing(self, group: &str) -> Self {
        Self { group: Some(group.to_owned()), ..self }
    }
}

/// The findings of a case, or what has to be read first.
pub(super) type Decided = Result<Vec<Finding>, Needs>;

/// How much of a counterpart is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Depth {
    /// What [`super::scan::PART`] names.
    Part,
    /// All of it.
    Whole,
}

/// What is asked of an item.
#[derive(Debug, Clone)]
pub(super) enum Question {
    /// Can the resource be read, and are its copies right?
    Copies(ResourceType, String),
    /// Has the value of the resource its key?
    Value(ResourceType, String, IndexedValue),
    /// Has the key its resource? By its partition's name.
    Holder(Key, String),
    /// Has the membership its mirror, its group and its member, who most likely is of this type?
    Membership { group: String, member: String, likely: ResourceType },
    /// Has the mirror its membership?
    Mirror { group: String, member: String },
    /// Is an entry of `joining` still of use?
    Joining(ResourceType, String, String),
    /// Is an entry of `leaving` still of use?
    Leaving(String, String),
    /// Is the intent of the group in the register?
    Intent(String),
    /// Does the group name the redo in the register?
    Redo(String),
    /// Is there an intent of the chunk?
    Chunk { group: String, intent: String, key: Key },
}

/// A question and whose item it is about.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) keys: Keys,
    pub(super) question: Question,
}

impl Case {
    /// The questions to ask of an item.
    pub(super) fn of(keys: &Keys, place: &Place, key: &Key, item: &Item, snapshot: &Snapshot) -> Vec<Self> {
        let case = |question| Self { keys: keys.clone(), question };
        match place {
            Place::Resource(resource_type, id) => {
                let resource_type = *resource_type;
                let mut cases = vec![case(Question::Copies(resource_type, id.clone()))];
                if let Ok(Some(Some(readable))) = snapshot.resource(key) {
                    let values = readable.holders.values().cloned();
                    cases.extend(values.map(|value| case(Question::Value(resource_type, id.clone(), value))));
                }
                let joining = marks(item, "joining").iter();
                cases.extend(joining.map(|mark| case(Question::Joining(resource_type, id.clone(), mark.clone()))));
                if resource_type == ResourceType::Group {
                    let leaving = marks(item, "leaving").iter();
                    cases.extend(leaving.map(|mark| case(Question::Leaving(id.clone(), mark.clone()))));
                    cases.extend(item.contains_key("intent").then(|| case(Question::Intent(id.clone()))));
                }
                cases
            }
            Place::Membership { group, member } => {
                let likely = super::snapshot::said_type(item).unwrap_or(ResourceType::User);
                vec![case(Question::Membership { group: group.clone(), member: member.clone(), likely })]
            }
            Place::Mirror { group, member } => {
                vec![case(Question::Mirror { group: group.clone(), member: member.clone() })]
            }
            Place::Holder(name) => vec![case(Question::Holder(key.clone(), name.clone()))],
            Place::Redo(name) => vec![case(Question::Redo(name.clone()))],
            Place::Chunk { group, intent } => {
                vec![case(Question::Chunk { group: group.clone(), intent: intent.clone(), key: key.clone() })]
            }
            Place::Counter(..) | Place::Change | Place::Part | Place::Breaker | Place::Tombstone => Vec::new(),
        }
    }

    /// What is read for it to begin with.
    pub(super) fn reads(&self, rules: &Rules, snapshot: &Snapshot) -> Vec<(Key, Depth)> {
        let keys = &self.keys;
        let group_of = |group: &str| keys.resource(ResourceType::Group, group);
        let part = |found: Vec<Key>| found.into_iter().map(|key| (key, Depth::Part)).collect();
        match &self.question {
            Question::Copies(resource_type, id) => vec![(keys.resource(*resource_type, id), Depth::Whole)],
            Question::Value(resource_type, id, value) => {
                vec![(keys.resource(*resource_type, id), Depth::Whole), (keys.holder(value, id), Depth::Part)]
            }
            Question::Holder(key, name) => {
                let holder = resource_of(rules, keys, key, name, snapshot.item(key).ok().flatten());
                let resource = holder.map(|(_, resource)| (resource, Depth::Whole));
                [(key.clone(), Depth::Part)].into_iter().chain(resource).collect()
            }
            Question::Membership { group, member, likely } => part(vec![
                keys.membership(group, member),
                keys.mirror(group, member),
                group_of(group),
                keys.resource(*likely, member),
            ]),
            Question::Mirror { group, member } => {
                part(vec![keys.mirror(group, member), keys.membership(group, member)])
            }
            Question::Joining(resource_type, id, mark) => {
                let mut found = vec![keys.resource(*resource_type, id)];
                if let Some((group, _)) = mark.rsplit_once('#') {
                    found.extend([keys.redo(&format!("members#{mark}")), group_of(group)]);
                }
                part(found)
            }
            Question::Leaving(group, mark) => part(vec![group_of(group), keys.redo(&format!("leave#{mark}"))]),
            Question::Intent(group) => {
                let intent = snapshot.item(&group_of(group)).ok().flatten().and_then(|item| text(item, "intent"));
                let redo = intent.map(|intent| keys.redo(&format!("members#{group}#{intent}")));
                part([group_of(group)].into_iter().chain(redo).collect())
            }
            Question::Redo(name) => {
                let group = name.strip_prefix("members#").and_then(|rest| rest.rsplit_once('#'));
                let group = group.map(|(group, _)| group_of(group));
                part([keys.redo(name)].into_iter().chain(group).collect())
            }
            Question::Chunk { group, intent, key } => {
                part(vec![key.clone(), group_of(group), keys.redo(&format!("members#{group}#{intent}"))])
            }
        }
    }

    /// What is wrong.
    pub(super) fn decide(&self, rules: &Rules, snapshot: &Snapshot) -> Decided {
        match &self.question {
            Question::Copies(resource_type, id) => self.copies(snapshot, *resource_type, id),
            Question::Value(resource_type, id, value) => self.value(snapshot, *resource_type, id, value),
            Question::Holder(key, name) => self.holder(rules, snapshot, key, name),
            Question::Membership { group, member, likely } => self.membership(snapshot, group, member, *likely),
            Question::Mirror { group, member } => self.mirror(snapshot, group, member),
            Question::Joining(resource_type, id, mark) => self.joining(snapshot, *resource_type, id, mark),
            Question::Leaving(group, mark) => self.leaving(snapshot, group, mark),
            Question::Intent(group) => self.intent(snapshot, group),
            Question::Redo(name) => self.redo(snapshot, name),
            Question::Chunk { group, intent, key } => self.chunk(snapshot, group, intent, key),
        }
    }

    /// Whether it is about a key, of which resources have more to say.
    pub(super) fn is_of_a_key(&self) -> bool {
        matches!(self.question, Question::Holder(..))
    }

    pub(super) fn example(&self) -> Example {
        Example::new(&self.keys)
    }

    fn copies(&self, snapshot: &Snapshot, resource_type: ResourceType, id: &str) -> Decided {
        let key = self.keys.resource(resource_type, id);
        let (Some(item), Some(readable)) = (snapshot.item(&key)?, snapshot.resource(&key)?) else {
            return Ok(Vec::new());
        };
        let example = self.example().with("type", resource_type.name()).id("id", id);
        let assigned = text(item, "created").is_some()
            && text(item, "lastModified").is_some()
            && item.get("version").and_then(|version| version.as_n().ok()?.parse::<u64>().ok()).is_some();
        let Some(readable) = readable.filter(|_| assigned) else {
            return Ok(vec![Finding::new(Kind::Unreadable, example, None)]);
        };
        let wrong = wrong_copies(&readable.kept, item);
        if wrong.is_empty() {
            return Ok(Vec::new());
        }
        let right = copies(&readable.kept);
        let set: Vec<_> = right.into_iter().filter(|(name, _)| wrong.contains(name)).collect();
        let remove = wrong.iter().copied().filter(|name| !set.iter().any(|(written, _)| written == name)).collect();
        let watched = [&["version", "lastModified"], wrong.as_slice()].concat();
        let step = Step::check(snapshot, &key, &watched)?.set(set, remove);
        Ok(vec![Finding::new(Kind::Copy, example.with("copies", wrong.join(" and ")), Some(vec![step]))])
    }

    fn value(&self, snapshot: &Snapshot, resource_type: ResourceType, id: &str, value: &IndexedValue) -> Decided {
        let resource = self.keys.resource(resource_type, id);
        let key = self.keys.holder(value, id);
        let holds = |snapshot: &Snapshot, resource: &Key| -> Result<bool, Needs> {
            Ok(snapshot.resource(resource)?.flatten().is_some_and(|found| found.holders.contains_key(&key)))
        };
        if !holds(snapshot, &resource)? {
            return Ok(Vec::new());
        }
        let example = self.example().with("attribute", &value.attribute).id("id", id);
        let named = match snapshot.item(&key)? {
            None => {
                let right = if value.is_unique { vec![("id", s(id))] } else { Vec::new() };
                let write = Step::check(snapshot, &key, &[])?.put(right);
                let steps = vec![write, Step::check(snapshot, &resource, &["version"])?];
                return Ok(vec![Finding::new(Kind::KeyMissing, example, Some(steps)).about(&key)]);
            }
            Some(item) => text(item, "id"),
        };
        if named == value.is_unique.then_some(id) {
            return Ok(Vec::new());
        }
        let own = Step::check(snapshot, &resource, &["version"])?;
        let right = Step::check(snapshot, &key, &["id"])?;
        let right = if value.is_unique {
            right.set(vec![("id", s(id))], Vec::new())
        } else {
            right.set(Vec::new(), vec!["id"])
        };
        let mut steps = vec![right, own];
        let example = example.id("other", named.unwrap_or_default());
        if let Some(named) = named.filter(|named| value.is_unique && *named != id) {
            let other = self.keys.resource(resource_type, named);
            if holds(snapshot, &other)? {
                return Ok(vec![Finding::new(Kind::Conflict, example, None).about(&key)]);
            }
            steps.push(Step::check(snapshot, &other, &["version"])?);
        }
        Ok(vec![Finding::new(Kind::KeyOfAnother, example, Some(steps)).about(&key)])
    }

    fn holder(&self, rules: &Rules, snapshot: &Snapshot, key: &Key, name: &str) -> Decided {
        let Some(item) = snapshot.item(key)? else { return Ok(Vec::new()) };
        let (attribute, is_indexed) = attribute_of(rules, name);
        let example = self.example().with("attribute", attribute);
        let Some((id, resource)) = resource_of(rules, &self.keys, key, name, Some(item)) else {
            return Ok(vec![Finding::new(Kind::Foreign, example, None)]);
        };
        let example = example.id("id", &id);
        match snapshot.resource(&resource)? {
            // Said of the resource itself.
            Some(None) => return Ok(Vec::new()),
            Some(Some(readable)) if readable.holders.contains_key(key) => return Ok(Vec::new()),
            Some(Some(_)) if !is_indexed => return Ok(vec![Finding::new(Kind::NotIndexed, example, None)]),
            Some(Some(_)) | None => {}
        }
        let steps =
            vec![Step::check(snapshot, key, &["id"])?.delete(), Step::check(snapshot, &resource, &["version"])?];
        Ok(vec![Finding::new(Kind::KeyStray, example, Some(steps)).about(key)])
    }
}

/// The attribute of a key, by the name of its partition, and whether the schemas index it.
fn attribute_of<'n>(rules: &'n Rules, name: &'n str) -> (&'n str, bool) {
    let is_of = |attribute: &&String| name.strip_prefix(attribute.as_str()).is_some_and(|rest| rest.starts_with('#'));
    match rules.attributes.iter().find(is_of) {
        Some(attribute) => (attribute, true),
        None => {
            let attribute = name.split('#').next().unwrap_or_default();
            let is_path = attribute.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-_$".contains(&b));
            (if is_path { attribute } else { "(not an attribute)" }, false)
        }
    }
}

/// The resource that a key names: its id and its own key.
fn resource_of(rules: &Rules, keys: &Keys, key: &Key, name: &str, item: Option<&Item>) -> Option<(String, Key)> {
    let (attribute, _) = attribute_of(rules, name);
    let (type_name, _) = attribute.split_once('.')?;
    let resource_type = ResourceType::ALL.into_iter().find(|resource_type| resource_type.name() == type_name)?;
    let id =
        item.and_then(|item| text(item, "id")).or((key.sk != ALONE).then_some(key.sk.as_str())).unwrap_or_default();
    Some((id.to_owned(), keys.resource(resource_type, id)))
}
