//! From the edits of a request to the memberships that change: who shall be a member, who is, and who exists.

use super::change::{Difference, entry_of, member_entry};
use super::{Caller, ServiceError};
use crate::protocol::error::ScimError;
use crate::protocol::matching;
use crate::protocol::members::{Member, MemberEdit, Membership};
use crate::protocol::representation;
use crate::protocol::schema::ResourceType;
use crate::store::reads::Batch;
use crate::store::redo::MemberChange;
use crate::store::transaction::MAX_ACTIONS;
use crate::store::{StoreError, Stored, TenantStore, Transaction};
use std::collections::{BTreeMap, BTreeSet};

/// Unknown members that an error names.
const NAMED: usize = 20;
/// Actions that the change of one membership takes at most: membership, mirror, member.
const MEMBER_ACTIONS: usize = 3;
/// Actions that the group itself usually takes at most: its item, the change record, and keys that move.
const GROUP_ACTIONS: usize = 8;
/// Memberships that one request may change. A body of 4 MiB names fewer; one that empties a group names none.
pub const MAX_MEMBER_CHANGES: usize = 100_000;
/// Comparisons that the value filters of one request may make with members: each term with each member. One term is
/// compared with however many there are.
pub const MAX_MEMBER_COMPARISONS: usize = 1_000_000;

/// What shall be true of the ids that the edits name: a member (with what the client said of it), or none.
#[derive(Debug, Default)]
pub(super) struct Wish(BTreeMap<String, Option<Member>>);

impl Wish {
    /// Whether `edits` choose among the members by more than [`MAX_MEMBER_COMPARISONS`].
    ///
    /// # Errors
    ///
    /// 413.
    pub(super) fn check(edits: &[MemberEdit], members: &[Membership]) -> Result<(), ScimError> {
        let (mut terms, mut count) = (0, members.len());
        for edit in effective(edits) {
            match edit {
                MemberEdit::RemoveWhere(filter) => terms += filter.terms(),
                MemberEdit::Add(named) | MemberEdit::Replace(named) => count += named.len(),
                MemberEdit::Remove(_) => {}
            }
        }
        if terms < 2 || terms.saturating_mul(count) <= MAX_MEMBER_COMPARISONS {
            return Ok(());
        }
        Err(ScimError::new(
            413,
            format!(
                "The value filters of the request would make {terms} comparisons with each of {count} members; all together may \
                 be {MAX_MEMBER_COMPARISONS}. Name each member to remove: members[value eq \"…\"]."
            ),
        ))
    }

    /// The outcome of `edits` in order. `members` is the whole list when an edit needs it, else empty.
    pub(super) fn of(edits: &[MemberEdit], members: &[Membership]) -> Self {
        let mut wish = BTreeMap::new();
        for edit in effective(edits) {
            match edit {
                MemberEdit::Add(added) => {
                    wish.extend(added.iter().map(|member| (member.id.clone(), Some(member.clone()))));
                }
                MemberEdit::Remove(removed) => wish.extend(removed.iter().map(|id| (id.clone(), None))),
                MemberEdit::Replace(wanted) => {
                    for id in members.iter().map(|member| &member.id) {
                        wish.insert(id.clone(), None);
                    }
                    wish.values_mut().for_each(|member| *member = None);
                    wish.extend(wanted.iter().map(|member| (member.id.clone(), Some(member.clone()))));
                }
                MemberEdit::RemoveWhere(filter) => {
                    let is_chosen = |id: &str, resource_type, display: Option<&str>| {
                        matching::matches_element(filter, &representation::member("", id, resource_type, display), None)
                    };
                    for member in members {
                        let wished = wish.get(&member.id).is_none_or(Option::is_some);
                        if wished && is_chosen(&member.id, member.resource_type, member.display.as_deref()) {
                            wish.insert(member.id.clone(), None);
                        }
                    }
                    for (id, member) in &mut wish {
                        let chosen = member.as_ref().is_some_and(|member| {
                            is_chosen(id, member.resource_type.unwrap_or(ResourceType::User), member.display.as_deref())
                        });
                        if chosen {
                            *member = None;
                        }
                    }
                }
            }
        }
        Self(wish)
    }

    /// Whether it may take more actions than a transaction holds, with the change of the group itself.
    pub(super) fn may_be_large(&self) -> bool {
        self.0.len() * MEMBER_ACTIONS + GROUP_ACTIONS > MAX_ACTIONS
    }
}

/// The edits that count: the last one that names the whole list, and those behind it.
fn effective(edits: &[MemberEdit]) -> &[MemberEdit] {
    let whole = edits.iter().rposition(|edit| matches!(edit, MemberEdit::Replace(_)));
    whole.and_then(|at| edits.get(at..)).unwrap_or(edits)
}

/// The memberships that change.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// In the order of the ids.
    pub(super) changes: Vec<MemberChange>,
    /// Those of them who are members, as they were, by id.
    previous: BTreeMap<String, Membership>,
    /// Who shall be a member and does not exist.
    unknown: Vec<String>,
    /// Whether one of those who shall be members exists.
    some_known: bool,
    /// Whether the group itself shall be a member.
    of_itself: bool,
}

impl Plan {
    /// Reads the group together with what the wish needs to know: one round trip for users, a second one for ids that
    /// are no users.
    pub(super) async fn make_with_group(
        store: &TenantStore,
        group_id: &str,
        wish: &Wish,
    ) -> Result<(Option<Stored>, Self), StoreError> {
        let group_key = (ResourceType::Group, group_id.to_owned());
        let mut batch = Batch { resources: BTreeSet::from([group_key.clone()]), ..Batch::default() };
        batch.memberships.extend(wish.0.keys().map(|id| (group_id.to_owned(), id.clone())));
        batch.existing.extend(wish.0.values().flatten().map(likely).filter(|key| *key != group_key));
        let mut found = store.batch(&batch).await?;
        let group = found.resources.remove(&group_key);
        let members = found.memberships.into_values().map(|member| (member.id.clone(), member)).collect();
        let plan = Self::decide(store, group_id, wish, &members, found.existing).await?;
        Ok((group, plan))
    }

    /// The same when the whole list of members is known.
    pub(super) async fn make(
        store: &TenantStore,
        group_id: &str,
        wish: &Wish,
        members: &[Membership],
    ) -> Result<Self, StoreError> {
        let members: BTreeMap<_, _> = members.iter().map(|member| (member.id.clone(), member.clone())).collect();
        let new = wish.0.values().flatten().filter(|member| !members.contains_key(&member.id));
        let existing = store.existing(&new.map(likely).collect()).await?;
        Self::decide(store, group_id, wish, &members, existing).await
    }

    async fn decide(
        store: &TenantStore,
        group_id: &str,
        wish: &Wish,
        members: &BTreeMap<String, Membership>,
        existing: BTreeSet<(ResourceType, String)>,
    ) -> Result<Self, StoreError> {
        let mut plan = Self::default();
        let mut exists: BTreeMap<String, ResourceType> =
            existing.into_iter().map(|(resource_type, id)| (id, resource_type)).collect();
        let is_open = |id: &String| id != group_id && !members.contains_key(id);
        let missing =
            wish.0.values().flatten().filter(|member| is_open(&member.id) && !exists.contains_key(&member.id));
        let others: BTreeSet<_> = missing.map(unlikely).collect();
        if !others.is_empty() {
            exists.extend(store.existing(&others).await?.into_iter().map(|(resource_type, id)| (id, resource_type)));
        }
        for (id, wished) in &wish.0 {
            let id = id.clone();
            match (members.get(&id), wished) {
                (Some(current), None) => {
                    plan.previous.insert(id.clone(), current.clone());
                    plan.changes.push(MemberChange::Remove { id, resource_type: current.resource_type });
                }
                (Some(current), Some(member)) => {
                    plan.some_known = true;
                    if let Some(display) =
                        member.display.clone().filter(|display| current.display.as_ref() != Some(display))
                    {
                        plan.previous.insert(id.clone(), current.clone());
                        plan.changes.push(MemberChange::Rename { id, display });
                    }
                }
                (None, Some(_)) if id == group_id => plan.of_itself = true,
                (None, Some(member)) => match exists.get(&id) {
                    Some(&resource_type) => {
                        plan.some_known = true;
                        let display = member.display.clone();
                        plan.changes.push(MemberChange::Add { id, resource_type, display });
                    }
                    None => plan.unknown.push(id),
                },
                (None, None) => {}
            }
        }
        Ok(plan)
    }

    /// Refuses what cannot be: a group in itself, or members of whom none exists. Unknown members beside known ones
    /// are skipped and named in the log: one stale id must not cost an identity provider the whole batch.
    pub(super) fn check(&self, caller: &mut Caller) -> Result<(), ServiceError> {
        if self.of_itself {
            return Err(ScimError::invalid_value("A group cannot be a member of itself.").into());
        }
        self.check_size()?;
        if !self.unknown.is_empty() && !self.some_known {
            let named = self.unknown.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            let more = match self.unknown.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            return Err(ScimError::invalid_value(format!(
                "None of the members exists: {named}{more}. Provision them first; 'value' is the id that this server gave."
            ))
            .into());
        }
        caller.skipped_members.extend(self.unknown.iter().cloned());
        Ok(())
    }

    /// Refuses more changes than one request may make.
    fn check_size(&self) -> Result<(), ServiceError> {
        let (asked, limit) = (self.changes.len(), MAX_MEMBER_CHANGES);
        if asked <= limit {
            return Ok(());
        }
        let detail = format!(
            "The request changes {asked} members; one request may change {limit}. Send the rest in further requests."
        );
        Err(ScimError::new(413, detail).into())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Actions that the changes take in a transaction.
    pub(super) fn actions(&self) -> usize {
        self.changes.iter().map(MemberChange::actions).sum()
    }

    /// The ids of the memberships that change.
    pub(super) fn ids(&self) -> BTreeSet<String> {
        self.changes.iter().map(|change| change.id().to_owned()).collect()
    }

    /// Members more, or fewer.
    pub(super) fn delta(&self) -> i64 {
        self.count(|_| true)
    }

    /// Of them, groups.
    pub(super) fn groups_delta(&self) -> i64 {
        self.count(|resource_type| resource_type == ResourceType::Group)
    }

    fn count(&self, counts: impl Fn(ResourceType) -> bool) -> i64 {
        let one = |change: &MemberChange| match change {
            MemberChange::Add { resource_type, .. } if counts(*resource_type) => 1,
            MemberChange::Remove { resource_type, .. } if counts(*resource_type) => -1,
            MemberChange::Add { .. } | MemberChange::Remove { .. } | MemberChange::Rename { .. } => 0,
        };
        self.changes.iter().map(one).sum()
    }

    pub(super) fn write(&self, transaction: &mut Transaction<'_>, group_id: &str, at: &str) {
        for change in &self.changes {
            transaction.change_member(group_id, change, at);
        }
    }

    /// The ids of those who are members no more.
    pub(super) fn removed(&self) -> BTreeSet<&str> {
        let removed = |change: &MemberChange| matches!(change, MemberChange::Remove { .. });
        self.changes.iter().filter(|change| removed(change)).map(MemberChange::id).collect()
    }

    pub(super) fn log<'d>(&self, difference: Difference<'d>) -> Difference<'d> {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for change in &self.changes {
            match change {
                MemberChange::Add { id, resource_type, display } => {
                    after.push(member_entry(id, *resource_type, display.as_deref()));
                }
                MemberChange::Remove { id, .. } => before.extend(self.previous.get(id).map(entry_of)),
                MemberChange::Rename { id, display } => {
                    if let Some(old) = self.previous.get(id) {
                        before.push(entry_of(old));
                        after.push(member_entry(id, old.resource_type, Some(display)));
                    }
                }
            }
        }
        difference.with_members(before, after)
    }

    /// The whole list after the change of `members`, in id order.
    pub(super) fn after(&self, members: &[Membership]) -> Vec<Membership> {
        let mut after: BTreeMap<_, _> = members.iter().map(|member| (member.id.clone(), member.clone())).collect();
        for change in &self.changes {
            match change.clone() {
                MemberChange::Add { id, resource_type, display } => {
                    after.insert(id.clone(), Membership { id, resource_type, display });
                }
                MemberChange::Remove { id, .. } => {
                    after.remove(&id);
                }
                MemberChange::Rename { id, display } => {
                    if let Some(member) = after.get_mut(&id) {
                        member.display = Some(display);
                    }
                }
            }
        }
        after.into_values().collect()
    }
}

/// What an id most likely is: what the client said, or a user.
fn likely(member: &Member) -> (ResourceType, String) {
    (member.resource_type.unwrap_or(ResourceType::User), member.id.clone())
}

/// What it is if it is not that.
fn unlikely(member: &Member) -> (ResourceType, String) {
    let other = match likely(member).0 {
        ResourceType::User => ResourceType::Group,
        ResourceType::Group => ResourceType::User,
    };
    (other, member.id.clone())
}
