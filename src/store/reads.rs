//! One function for each access pattern that reads. All reads are strongly consistent.

use super::TenantStore;
use super::calls::{self, Range};
use super::error::StoreError;
use super::items::{self, Stored};
use super::keys::Key;
use crate::protocol::case;
use crate::protocol::index::IndexedValue;
use crate::protocol::members::Membership;
use crate::protocol::schema::ResourceType;
use futures_util::future::{try_join, try_join_all};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// How many resources of a type there are, by the first three digits of their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, u64>);

impl Counters {
    /// All resources of the type.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// In which range of ids the resource at `position` (from 0, in id order) stands, and how many stand before it in
    /// that range. `None` past the end.
    #[must_use]
    pub fn locate(&self, position: u64) -> Option<(&str, u64)> {
        let mut before = 0;
        for (prefix, &count) in &self.0 {
            if position < before + count {
                return Some((prefix, position - before));
            }
            before += count;
        }
        None
    }
}

/// Parts into which a whole collection is read at the same time, at most.
const PARALLEL_RANGES: u64 = 16;
/// Memberships of a deleted group that are read, and then removed, at a time.
const SWEPT_AT_ONCE: usize = 250;
/// Resources that are read whole beside others, in the same call, when it would be enough to know that they exist.
const READ_WHOLE: usize = 40;
/// Resources for which another part is worth a query.
const RESOURCES_PER_RANGE: u64 = 500;

impl TenantStore {
    /// `GetItem` of a resource.
    pub(crate) async fn resource(&self, resource_type: ResourceType, id: &str) -> Result<Option<Stored>, StoreError> {
        let found = self.get_item(&self.keys.resource(resource_type, id)).await?;
        found.as_ref().map(|item| items::stored(resource_type, item)).transpose()
    }

    /// `GetItem` of what is left of a deleted resource, until it expires.
    ///
    /// # Errors
    ///
    /// What the table said.
    pub async fn tombstone(
        &self,
        resource_type: ResourceType,
        id: &str,
    ) -> Result<Option<items::Tombstone>, StoreError> {
        let found = self.get_item(&self.keys.tombstone(resource_type, id)).await?;
        found.as_ref().map(items::tombstone).transpose()
    }

    /// `Query` of what is left of deleted resources: those that had this userName or displayName, in any case of letters,
    /// by id.
    ///
    /// # Errors
    ///
    /// What the table said.
    pub async fn tombstones_named(
        &self,
        resource_type: ResourceType,
        name: &str,
    ) -> Result<Vec<(String, items::Tombstone)>, StoreError> {
        let wanted = case::fold(name);
        let mut found = Vec::new();
        self.query_each(&self.keys.tombstones(resource_type), &Range::default(), |item| {
            let tombstone = items::tombstone(&item)?;
            if tombstone.name.as_deref().is_some_and(|name| case::fold(name) == wanted) {
                found.push((calls::key_of(&item).sk, tombstone));
            }
            Ok(ControlFlow::Continue(()))
        })
        .await?;
        Ok(found)
    }

    /// `BatchGetItem` of resources and of memberships at once. The memberships are as their items say; see
    /// [`super::related`].
    pub(super) async fn batch_as_stored(&self, wanted: &Batch) -> Result<Found, StoreError> {
        let resource_key = |(resource_type, id): &(ResourceType, String)| self.keys.resource(*resource_type, id);
        let mut keys: Vec<Key> = wanted.resources.iter().map(resource_key).collect();
        keys.extend(wanted.memberships.iter().map(|(group, member)| self.keys.membership(group, member)));
        let is_one_call = wanted.existing.len() <= READ_WHOLE;
        let (mut items, existing) = if is_one_call {
            keys.extend(wanted.existing.iter().map(resource_key));
            let items = self.batch_get(keys, None).await?;
            let is_there = |wanted: &&(ResourceType, String)| items.contains_key(&resource_key(wanted));
            let existing = wanted.existing.iter().filter(is_there).cloned().collect();
            (items, existing)
        } else {
            try_join(self.batch_get(keys, None), self.existing(&wanted.existing)).await?
        };
        let mut found = Found { existing, ..Found::default() };
        for wanted in &wanted.resources {
            if let Some(item) = items.remove(&resource_key(wanted)) {
                found.resources.insert(wanted.clone(), items::stored(wanted.0, &item)?);
            }
        }
        for (group, member) in &wanted.memberships {
            if let Some(item) = items.remove(&self.keys.membership(group, member)) {
                found.memberships.insert((group.clone(), member.clone()), items::membership(&item)?);
            }
        }
        Ok(found)
    }

    /// Which of these resources exist: `BatchGetItem` of their keys alone.
    pub(crate) async fn existing(
        &self,
        wanted: &BTreeSet<(ResourceType, String)>,
    ) -> Result<BTreeSet<(ResourceType, String)>, StoreError> {
        let keys = wanted.iter().map(|(resource_type, id)| self.keys.resource(*resource_type, id)).collect();
        let users = self.keys.resources(ResourceType::User);
        let mut existing = BTreeSet::new();
        self.batch_get_each(keys, Some("PK, SK"), |key, _| {
            let resource_type = if key.pk == users { ResourceType::User } else { ResourceType::Group };
            existing.insert((resource_type, key.sk));
        })
        .await?;
        Ok(existing)
    }

    /// The ids of the resources that hold an indexed value: `GetItem` of a unique key, `Query` of lookup keys.
    pub(crate) async fn holders(&self, indexed: &IndexedValue) -> Result<Vec<String>, StoreError> {
        if indexed.is_unique {
            let found = self.get_item(&self.keys.holder(indexed, "")).await?;
            return found.iter().map(items::holder).collect();
        }
        let found = self.query(&self.keys.holders(indexed), &Range::default()).await?;
        found.iter().map(items::holder).collect()
    }

    /// `Query` of the mirrors of a member: the groups it is in, and such as were deleted.
    pub(crate) async fn mirrors(&self, member_id: &str) -> Result<Vec<Membership>, StoreError> {
        let found = self.query(&self.keys.groups_of(member_id), &Range::default()).await?;
        found.iter().map(items::membership).collect()
    }

    /// `BatchGetItem` of groups, each with the membership of one member, as the items say.
    pub(crate) async fn groups_and_memberships(
        &self,
        group_ids: &[String],
        member_id: &str,
    ) -> Result<Vec<(Stored, Option<Membership>)>, StoreError> {
        let wanted = Batch {
            resources: group_ids.iter().map(|id| (ResourceType::Group, id.clone())).collect(),
            memberships: group_ids.iter().map(|id| (id.clone(), member_id.to_owned())).collect(),
            ..Batch::default()
        };
        let Found { resources, mut memberships, .. } = self.batch_as_stored(&wanted).await?;
        let with_membership = |group: Stored| {
            let membership = memberships.remove(&(group.meta.id.clone(), member_id.to_owned()));
            (group, membership)
        };
        Ok(resources.into_values().map(with_membership).collect())
    }

    /// `Query` of the counters of a type.
    pub(crate) async fn counters(&self, resource_type: ResourceType) -> Result<Counters, StoreError> {
        let found = self.query(&self.keys.counters(resource_type), &Range::default()).await?;
        let counters: Result<Vec<_>, _> = found.iter().map(items::counter).collect();
        Ok(Counters(counters?.into_iter().flatten().collect()))
    }

    /// `Query` of `count` resources in id order, from the one that stands `skip` places after the first whose id is
    /// not below `prefix`; an empty one is below every id, and DynamoDB takes no empty key value.
    pub(crate) async fn page(
        &self,
        resource_type: ResourceType,
        prefix: &str,
        skip: u64,
        count: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let range = Range {
            from: (!prefix.is_empty()).then(|| prefix.to_owned()),
            limit: Some(skip.saturating_add(count)),
            ..Range::default()
        };
        let found = self.query(&self.keys.resources(resource_type), &range).await?;
        found.iter().skip(skip).map(|item| items::stored(resource_type, item)).collect()
    }

    /// Every resource of a type that `keep` keeps, in id order: ranges of ids are queried at the same time, as many as
    /// `total` is worth. What is not kept is held no longer than its page.
    pub(crate) async fn collection(
        &self,
        resource_type: ResourceType,
        total: u64,
        keep: impl Fn(&Stored) -> bool,
    ) -> Result<Vec<Stored>, StoreError> {
        let parts = (total / RESOURCES_PER_RANGE).clamp(1, PARALLEL_RANGES);
        // Ids are hexadecimal: part i of n starts at the digit 16 * i / n, and `~` sorts after every digit.
        let digit = |part: u64| format!("{:x}", 16 * part / parts);
        let partition = self.keys.resources(resource_type);
        let ranges: Vec<Range> = (0..parts)
            .map(|part| Range {
                from: (part > 0).then(|| digit(part)),
                to: (part + 1 < parts).then(|| format!("{:x}~", 16 * (part + 1) / parts - 1)),
                ..Range::default()
            })
            .collect();
        let parts = ranges.iter().map(|range| self.kept_in(resource_type, &partition, range, &keep));
        Ok(try_join_all(parts).await?.into_iter().flatten().collect())
    }

    async fn kept_in(
        &self,
        resource_type: ResourceType,
        partition: &str,
        range: &Range,
        keep: &impl Fn(&Stored) -> bool,
    ) -> Result<Vec<Stored>, StoreError> {
        let mut kept = Vec::new();
        self.query_each(partition, range, |item| {
            let stored = items::stored(resource_type, &item)?;
            if keep(&stored) {
                kept.push(stored);
            }
            Ok(ControlFlow::Continue(()))
        })
        .await?;
        Ok(kept)
    }

    /// Removes the memberships of a group that is gone, with their mirrors. Nothing can be added to it any more.
    pub(crate) async fn sweep_members(&self, group_id: &str) -> Result<(), StoreError> {
        let some = Range { limit: Some(SWEPT_AT_ONCE), ..Range::default() };
        loop {
            let members = self.query(&self.keys.members(group_id), &some).await?;
            if members.is_empty() {
                return Ok(());
            }
            let mut keys: Vec<Key> = Vec::with_capacity(2 * members.len());
            for item in &members {
                let member = items::membership(item)?;
                keys.extend([self.keys.mirror(group_id, &member.id), self.keys.membership(group_id, &member.id)]);
            }
            self.batch_write(Vec::new(), &keys).await?;
        }
    }
}

/// What to read in one round trip.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Resources by type and id.
    pub resources: BTreeSet<(ResourceType, String)>,
    /// Memberships by group and member.
    pub memberships: BTreeSet<(String, String)>,
    /// Resources by type and id, of which it is enough to know whether they exist.
    pub existing: BTreeSet<(ResourceType, String)>,
}

/// What of a [`Batch`] is there.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Resources by type and id.
    pub resources: BTreeMap<(ResourceType, String), Stored>,
    /// Memberships by group and member.
    pub memberships: BTreeMap<(String, String), Membership>,
    /// Those of [`Batch::existing`] that exist.
    pub existing: BTreeSet<(ResourceType, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_locate_a_position_by_their_prefix_sums() {
        // `80` was counted before its third digits were.
        let counted = [("001", 2), ("00f", 1), ("7f0", 0), ("80", 3), ("ff0", 1)];
        let counters = Counters(counted.map(|(prefix, count)| (prefix.to_owned(), count)).into());
        assert_eq!(counters.total(), 7);
        let expected = [
            Some(("001", 0)),
            Some(("001", 1)),
            Some(("00f", 0)),
            Some(("80", 0)),
            Some(("80", 1)),
            Some(("80", 2)),
            Some(("ff0", 0)),
            None,
        ];
        for (position, expected) in expected.into_iter().enumerate() {
            assert_eq!(counters.locate(position as u64), expected, "{position}");
        }
    }
}
