//! From the edits of a request to the memberships that change: who shall be a member, who is, and who exists.

use super::change::Difference;
use super::{Caller, ServiceError};
use crate::protocol::error::ScimError;
use crate::protocol::matching;
use crate::protocol::members::{MEMBERS, Member, MemberEdit};
use crate::protocol::representation;
use crate::protocol::schema::ResourceType;
use crate::store::reads::{Batch, Found};
use crate::store::{Membership, StoreError, Stored, TenantStore, Transaction};
use std::collections::{BTreeMap, BTreeSet};

/// What shall be true of the ids that the edits name: a member (with what the client said of it), or none.
#[derive(Debug, Default)]
pub(super) struct Wish(BTreeMap<String, Option<Member>>);

impl Wish {
    /// The outcome of `edits` in order. `members` is the whole list when an edit needs it, else empty.
    pub(super) fn of(edits: &[MemberEdit], members: &[Membership]) -> Self {
        let mut wish = BTreeMap::new();
        for edit in edits {
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
}

/// The memberships that change.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Who becomes a member.
    pub(super) add: Vec<(Member, ResourceType)>,
    rename: Vec<(Member, ResourceType)>,
    remove: Vec<String>,
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
        batch.resources.extend(wish.0.values().flatten().map(likely));
        let mut found = store.batch(&batch).await?;
        let group = found.resources.remove(&group_key);
        let members = found.memberships.values().cloned().map(|member| (member.id.clone(), member)).collect();
        let plan = Self::decide(store, group_id, wish, &members, found).await?;
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
        let batch = Batch { resources: new.map(likely).collect(), ..Batch::default() };
        let found = store.batch(&batch).await?;
        Self::decide(store, group_id, wish, &members, found).await
    }

    async fn decide(
        store: &TenantStore,
        group_id: &str,
        wish: &Wish,
        members: &BTreeMap<String, Membership>,
        found: Found,
    ) -> Result<Self, StoreError> {
        let mut plan = Self::default();
        let mut exists: BTreeMap<String, ResourceType> =
            found.resources.into_keys().map(|(resource_type, id)| (id, resource_type)).collect();
        let is_open = |id: &String| id != group_id && !members.contains_key(id);
        let missing =
            wish.0.values().flatten().filter(|member| is_open(&member.id) && !exists.contains_key(&member.id));
        let others = Batch { resources: missing.map(unlikely).collect(), ..Batch::default() };
        if !others.resources.is_empty() {
            let others = store.batch(&others).await?.resources;
            exists.extend(others.into_keys().map(|(resource_type, id)| (id, resource_type)));
        }
        for (id, wished) in &wish.0 {
            match (members.get(id), wished) {
                (Some(_), None) => plan.remove.push(id.clone()),
                (Some(current), Some(member)) => {
                    plan.some_known = true;
                    if member.display.is_some() && member.display != current.display {
                        plan.rename.push((member.clone(), current.resource_type));
                    }
                }
                (None, Some(_)) if id == group_id => plan.of_itself = true,
                (None, Some(member)) => match exists.get(id) {
                    Some(&resource_type) => {
                        plan.some_known = true;
                        plan.add.push((member.clone(), resource_type));
                    }
                    None => plan.unknown.push(id.clone()),
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
        if !self.unknown.is_empty() && !self.some_known {
            return Err(ScimError::invalid_value(format!(
                "None of the members exists: {}. Provision them first; 'value' is the id that this server gave.",
                self.unknown.join(", ")
            ))
            .into());
        }
        caller.skipped_members.extend(self.unknown.iter().cloned());
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty() && self.rename.is_empty()
    }

    /// Members more, or fewer.
    pub(super) fn delta(&self) -> i64 {
        let count = |ids: usize| i64::try_from(ids).unwrap_or(i64::MAX);
        count(self.add.len()) - count(self.remove.len())
    }

    pub(super) fn write(&self, transaction: &mut Transaction<'_>, group_id: &str, at: &str) {
        for (member, resource_type) in &self.add {
            transaction.add_member(group_id, member, *resource_type, at);
        }
        for (member, _) in &self.rename {
            transaction.rename_member(group_id, &member.id, member.display.as_deref().unwrap_or_default());
        }
        for id in &self.remove {
            transaction.remove_member(group_id, id);
        }
    }

    pub(super) fn log(&self, difference: Difference) -> Difference {
        let changed = self.add.iter().chain(&self.rename).map(|(member, _)| member.id.clone()).collect::<Vec<_>>();
        difference.with_ids(MEMBERS, &self.remove, &changed)
    }

    /// The whole list after the change of `members`, in id order.
    pub(super) fn after(&self, members: &[Membership]) -> Vec<Membership> {
        let mut after: BTreeMap<_, _> = members.iter().map(|member| (member.id.clone(), member.clone())).collect();
        for id in &self.remove {
            after.remove(id);
        }
        for (member, resource_type) in self.add.iter().chain(&self.rename) {
            let membership =
                Membership { id: member.id.clone(), resource_type: *resource_type, display: member.display.clone() };
            after.insert(member.id.clone(), membership);
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
