//! One function for each access pattern that reads. All reads are strongly consistent.

use super::TenantStore;
use super::calls::Range;
use super::error::StoreError;
use super::items::{self, Membership, Stored};
use super::keys::Key;
use crate::protocol::index::IndexedValue;
use crate::protocol::schema::ResourceType;
use futures_util::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};

/// How many resources of a type there are, by the first two digits of their ids.
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
/// Resources for which another part is worth a query.
const RESOURCES_PER_RANGE: u64 = 500;

impl TenantStore {
    /// `GetItem` of a resource.
    pub(crate) async fn resource(&self, resource_type: ResourceType, id: &str) -> Result<Option<Stored>, StoreError> {
        let found = self.get_item(&self.keys.resource(resource_type, id)).await?;
        found.as_ref().map(|item| items::stored(resource_type, item)).transpose()
    }

    /// `BatchGetItem` of resources and of memberships at once: everything a decision needs in one round trip.
    pub(crate) async fn batch(&self, wanted: &Batch) -> Result<Found, StoreError> {
        let resource_keys = wanted.resources.iter().map(|(resource_type, id)| self.keys.resource(*resource_type, id));
        let membership_keys = wanted.memberships.iter().map(|(group, member)| self.keys.membership(group, member));
        let mut items = self.batch_get(resource_keys.chain(membership_keys).collect()).await?;
        let mut found = Found::default();
        for (resource_type, id) in &wanted.resources {
            if let Some(item) = items.remove(&self.keys.resource(*resource_type, id)) {
                found.resources.insert((*resource_type, id.clone()), items::stored(*resource_type, &item)?);
            }
        }
        for (group, member) in &wanted.memberships {
            if let Some(item) = items.remove(&self.keys.membership(group, member)) {
                found.memberships.insert((group.clone(), member.clone()), items::membership(&item)?);
            }
        }
        Ok(found)
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

    /// `Query` of the members of a group, in id order.
    pub(crate) async fn members(&self, group_id: &str) -> Result<Vec<Membership>, StoreError> {
        let found = self.query(&self.keys.members(group_id), &Range::default()).await?;
        found.iter().map(items::membership).collect()
    }

    /// `Query` of the mirrors of a member: the groups it is in, and such as were deleted.
    pub(crate) async fn groups_of(&self, member_id: &str) -> Result<Vec<Membership>, StoreError> {
        let found = self.query(&self.keys.groups_of(member_id), &Range::default()).await?;
        found.iter().map(items::membership).collect()
    }

    /// `Query` of the counters of a type.
    pub(crate) async fn counters(&self, resource_type: ResourceType) -> Result<Counters, StoreError> {
        let found = self.query(&self.keys.counters(resource_type), &Range::default()).await?;
        let counters: Result<Vec<_>, _> = found.iter().map(items::counter).collect();
        Ok(Counters(counters?.into_iter().collect()))
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
            to: None,
            limit: Some(skip.saturating_add(count)),
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
                limit: None,
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
            Ok(())
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
            self.batch_delete(&keys).await?;
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
}

/// What of a [`Batch`] is there.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Resources by type and id.
    pub resources: BTreeMap<(ResourceType, String), Stored>,
    /// Memberships by group and member.
    pub memberships: BTreeMap<(String, String), Membership>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_locate_a_position_by_their_prefix_sums() {
        let counters = Counters([("00", 2), ("7f", 0), ("80", 3), ("ff", 1)].map(|(p, n)| (p.to_owned(), n)).into());
        assert_eq!(counters.total(), 6);
        let expected = [
            Some(("00", 0)),
            Some(("00", 1)),
            Some(("80", 0)),
            Some(("80", 1)),
            Some(("80", 2)),
            Some(("ff", 0)),
            None,
        ];
        for (position, expected) in expected.into_iter().enumerate() {
            assert_eq!(counters.locate(position as u64), expected, "{position}");
        }
    }
}
