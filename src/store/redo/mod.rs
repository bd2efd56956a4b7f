//! Redos: changes that no single transaction holds, and that happen at once all the same.
//!
//! | redo | too big for one transaction | happens with |
//! |---|---|---|
//! | `members` | the memberships of a group that a request changes | the group's `intent`, which names it |
//! | `leave` | the groups of a user or group that is deleted | the deletion of its item |
//!
//! A redo is *staged* under a fresh id that nobody refers to: it is in the register, each member that an intent adds has
//! it in `joining`, each group that a member leaves has it in `leaving`, and the changes of an intent stand in chunks.
//! It is *committed* by one transaction. From then on it has happened: whoever reads overlays what is not applied yet
//! ([`super::related`]). It is *applied* chunk by chunk, or group by group, each in a transaction of its own that also
//! takes the chunk or mark away, so that it is applied once, whoever does it and however often. Then its mark is taken
//! off and it leaves the register.
//!
//! Nothing of it expires by itself: what was staged and never committed is cleared by the sweep, which first makes sure
//! that it can never be committed.

mod writes;

pub(crate) use writes::cut;

use super::TenantStore;
use super::calls::{Item, Range};
use super::error::StoreError;
use super::items::{Mark, Reader, named_type};
use super::keys::Key;
use crate::protocol::schema::ResourceType;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Queries for single chunks at the same time; more ids than this are looked up in all chunks.
const LOOKUPS: usize = 16;

/// What a redo is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Memberships of a group change.
    Members,
    /// A member is deleted.
    Leave,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Members, Self::Leave];

    fn name(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::Leave => "leave",
        }
    }
}

/// A redo.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Redo {
    pub(crate) kind: Kind,
    /// Id of the group, or of the member that is deleted.
    pub(crate) subject: String,
    pub(crate) id: String,
}

impl Redo {
    /// A redo that nobody refers to.
    pub(crate) fn new(kind: Kind, subject: &str) -> Self {
        Self { kind, subject: subject.to_owned(), id: crate::ambient::new_id() }
    }

    /// How it stands on the resources that it touches.
    pub(crate) fn mark(&self) -> Mark {
        Mark { subject: self.subject.clone(), redo: self.id.clone() }
    }

    fn name(&self) -> String {
        format!("{}#{}#{}", self.kind.name(), self.subject, self.id)
    }

    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.splitn(3, '#');
        let (kind, subject, id) = (parts.next()?, parts.next()?, parts.next()?);
        let kind = Kind::ALL.into_iter().find(|known| known.name() == kind)?;
        Some(Self { kind, subject: subject.to_owned(), id: id.to_owned() })
    }
}

/// How far a redo has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It may still be committed.
    Staged,
    /// It has happened.
    Committed,
    /// It can never be committed.
    Dead,
}

/// A redo in the register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) redo: Redo,
    pub(crate) state: State,
    /// When it was staged, RFC 3339.
    pub(crate) staged: String,
}

/// The change of one membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MemberChange {
    /// Who is no member becomes one.
    Add { id: String, resource_type: ResourceType, display: Option<String> },
    /// A member is one no more.
    Remove { id: String, resource_type: ResourceType },
    /// A member gets another display name.
    Rename { id: String, display: String },
}

impl MemberChange {
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Add { id, .. } | Self::Remove { id, .. } | Self::Rename { id, .. } => id,
        }
    }

    /// Actions that it takes in a transaction: membership, mirror, member.
    pub(crate) fn actions(&self) -> usize {
        match self {
            Self::Add { .. } => 3,
            Self::Remove { .. } => 2,
            Self::Rename { .. } => 1,
        }
    }
}

/// A change as a chunk holds it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Row {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    add: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remove: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rename: Option<String>,
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    resource_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    display: Option<String>,
}

impl From<&MemberChange> for Row {
    fn from(change: &MemberChange) -> Self {
        let name = |resource_type: ResourceType| Some(resource_type.name().to_owned());
        match change.clone() {
            MemberChange::Add { id, resource_type, display } => {
                Self { add: Some(id), resource_type: name(resource_type), display, ..Self::default() }
            }
            MemberChange::Remove { id, resource_type } => {
                Self { remove: Some(id), resource_type: name(resource_type), ..Self::default() }
            }
            MemberChange::Rename { id, display } => {
                Self { rename: Some(id), display: Some(display), ..Self::default() }
            }
        }
    }
}

impl Row {
    fn change(self) -> Option<MemberChange> {
        let resource_type = self.resource_type.as_deref().and_then(named_type);
        Some(match (self.add, self.remove, self.rename) {
            (Some(id), None, None) => MemberChange::Add { id, resource_type: resource_type?, display: self.display },
            (None, Some(id), None) => MemberChange::Remove { id, resource_type: resource_type? },
            (None, None, Some(id)) => MemberChange::Rename { id, display: self.display? },
            _ => return None,
        })
    }
}

/// A part of an intent: what one transaction applies. The chunks of an intent cover all ids without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// The first id that it covers; empty for all from the beginning on.
    pub(crate) first: String,
    /// The first id that it does not cover; none for all to the end.
    pub(crate) until: Option<String>,
    /// In the order of the ids.
    pub(crate) changes: Vec<MemberChange>,
    /// When the request was made, RFC 3339.
    pub(crate) at: String,
}

impl Chunk {
    /// Whether this is the chunk that an id would stand in.
    pub(crate) fn covers(&self, id: &str) -> bool {
        self.first.as_str() <= id && self.until.as_deref().is_none_or(|until| id < until)
    }

    fn covers_one_of(&self, ids: &BTreeSet<String>) -> bool {
        ids.range(self.first.clone()..).next().is_some_and(|id| self.covers(id))
    }

    /// The change of a member's membership, if it has one here.
    pub(crate) fn change_of(&self, id: &str) -> Option<&MemberChange> {
        let found = self.changes.binary_search_by(|change| change.id().cmp(id)).ok()?;
        self.changes.get(found)
    }

    fn read(item: &Item) -> Result<Self, StoreError> {
        let item = Reader(item);
        let rows: Vec<Row> = serde_json::from_str(item.text("changes")?).map_err(|_| item.corrupt("changes"))?;
        let changes: Option<Vec<_>> = rows.into_iter().map(Row::change).collect();
        let (_, first) = item.text(super::keys::SK)?.split_once('#').ok_or_else(|| item.corrupt(super::keys::SK))?;
        Ok(Self {
            first: first.to_owned(),
            until: item.optional("until").map(str::to_owned),
            changes: changes.ok_or_else(|| item.corrupt("changes"))?,
            at: item.text("at")?.to_owned(),
        })
    }
}

impl TenantStore {
    /// `Query` of the register: what is staged, or not finished.
    pub(crate) async fn registered(&self) -> Result<Vec<Registered>, StoreError> {
        self.query(&self.keys.redos(), &Range::default()).await?.iter().map(registered).collect()
    }

    /// `BatchGetItem` of redos in the register. Those that are not in it are missing.
    pub(crate) async fn redo_states(&self, redos: &BTreeSet<Redo>) -> Result<BTreeMap<Redo, State>, StoreError> {
        let keys: Vec<Key> = redos.iter().map(|redo| self.keys.redo(&redo.name())).collect();
        let found = self.batch_get(keys, None).await?;
        found.values().map(|item| registered(item).map(|found| (found.redo, found.state))).collect()
    }

    /// The groups that the member of a redo leaves.
    pub(crate) async fn leaving_groups(&self, redo: &Redo) -> Result<BTreeSet<String>, StoreError> {
        let found = self.get_item(&self.keys.redo(&redo.name())).await?;
        let groups = found.as_ref().and_then(|item| item.get("groups")?.as_ss().ok());
        Ok(groups.into_iter().flatten().cloned().collect())
    }

    /// `Query` of the chunks of an intent that are not applied yet, in the order of the ids they cover.
    pub(crate) async fn chunks(&self, group_id: &str, intent: &str) -> Result<Vec<Chunk>, StoreError> {
        let range = Range { from: Some(format!("{intent}#")), to: Some(format!("{intent}$")), ..Range::default() };
        self.query(&self.keys.chunks(group_id), &range).await?.iter().map(Chunk::read).collect()
    }

    /// The chunks that cover these ids and are not applied yet: a `Query` of one item for each id, or of all chunks for
    /// many.
    pub(crate) async fn chunks_of(
        &self,
        group_id: &str,
        intent: &str,
        ids: &BTreeSet<String>,
    ) -> Result<Vec<Chunk>, StoreError> {
        if ids.len() > LOOKUPS {
            let all = self.chunks(group_id, intent).await?;
            return Ok(all.into_iter().filter(|chunk| chunk.covers_one_of(ids)).collect());
        }
        let lookups: Vec<_> = ids.iter().map(|id| self.chunk_of(group_id, intent, id)).collect();
        let found: Vec<Option<Chunk>> = stream::iter(lookups).buffered(LOOKUPS).try_collect().await?;
        let by_place: BTreeMap<String, Chunk> =
            found.into_iter().flatten().map(|chunk| (chunk.first.clone(), chunk)).collect();
        Ok(by_place.into_values().collect())
    }

    async fn chunk_of(&self, group_id: &str, intent: &str, id: &str) -> Result<Option<Chunk>, StoreError> {
        let last = Range {
            from: Some(format!("{intent}#")),
            to: Some(format!("{intent}#{id}")),
            limit: Some(1),
            is_descending: true,
        };
        let found = self.query(&self.keys.chunks(group_id), &last).await?;
        let chunk = found.first().map(Chunk::read).transpose()?;
        // The chunk before the one that covered it, when that is applied.
        Ok(chunk.filter(|chunk| chunk.covers(id)))
    }
}

fn registered(item: &Item) -> Result<Registered, StoreError> {
    let item = Reader(item);
    let redo = Redo::parse(item.text(super::keys::SK)?).ok_or_else(|| item.corrupt(super::keys::SK))?;
    let state = match (item.flag("dead"), item.optional("committed")) {
        (true, _) => State::Dead,
        (false, Some(_)) => State::Committed,
        (false, None) => State::Staged,
    };
    Ok(Registered { redo, state, staged: item.text("staged")?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(first: &str, until: Option<&str>) -> Chunk {
        let change = |id: &str| MemberChange::Remove { id: id.to_owned(), resource_type: ResourceType::User };
        let changes = vec![change("b"), change("d")];
        Chunk { first: first.to_owned(), until: until.map(str::to_owned), changes, at: String::new() }
    }

    #[test]
    fn a_chunk_covers_from_its_first_id_to_the_next_chunks() {
        let cases = [
            (chunk("", Some("e")), "", true),
            (chunk("", Some("e")), "d", true),
            (chunk("", Some("e")), "e", false),
            (chunk("b", None), "a", false),
            (chunk("b", None), "zzz", true),
        ];
        for (chunk, id, expected) in cases {
            assert_eq!(chunk.covers(id), expected, "{id} in {chunk:?}");
        }
        assert_eq!(chunk("", None).change_of("d").map(MemberChange::id), Some("d"));
        assert_eq!(chunk("", None).change_of("c"), None);
    }

    #[test]
    fn a_change_comes_back_from_its_row() {
        let (id, display) = ("u".to_owned(), "Ann".to_owned());
        for change in [
            MemberChange::Add { id: id.clone(), resource_type: ResourceType::User, display: None },
            MemberChange::Add { id: id.clone(), resource_type: ResourceType::Group, display: Some(display.clone()) },
            MemberChange::Remove { id: id.clone(), resource_type: ResourceType::Group },
            MemberChange::Rename { id, display },
        ] {
            let text = serde_json::to_string(&Row::from(&change)).unwrap();
            let row: Row = serde_json::from_str(&text).unwrap();
            assert_eq!(row.change(), Some(change), "{text}");
        }
    }

    #[test]
    fn a_redo_comes_back_from_its_name() {
        for kind in Kind::ALL {
            let redo = Redo { kind, subject: "s".to_owned(), id: "r".to_owned() };
            assert_eq!(Redo::parse(&redo.name()), Some(redo));
        }
        assert_eq!(Redo::parse("other#s#r"), None);
    }
}
