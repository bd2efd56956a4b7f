//! Groups: create, get, replace, patch, delete.

use super::change::Difference;
use super::error::AttemptError;
use super::membership::{Plan, Wish};
use super::write::{Retry, changed, created};
use super::{Answer, Caller, Preconditions, Service, ServiceError};
use crate::protocol::change as rules;
use crate::protocol::index;
use crate::protocol::members::{self, MEMBERS, MemberEdit};
use crate::protocol::projection::Projection;
use crate::protocol::representation;
use crate::protocol::schema::ResourceType;
use crate::protocol::{Object, patch, validation};
use crate::store::transaction::GroupTouch;
use crate::store::{Membership, StoreError, Stored, TenantStore};
use serde_json::Value;
use std::time::Duration;

const GROUP: ResourceType = ResourceType::Group;

/// Longest time that a deletion spends on the memberships of the deleted group. They are unreachable already.
const SWEEP_TIME: Duration = Duration::from_secs(8);

/// What a change of a group ends in: the group and its members, as far as they are known for certain.
pub(super) struct Changed {
    group: Stored,
    members: Option<Vec<Membership>>,
    /// False when other writers may have changed the group in the same moment: its version is not known.
    exact: bool,
}

impl Service {
    /// RFC 7644 section 3.3.
    ///
    /// # Errors
    ///
    /// 400 for the body and when none of the members exists, 409 `uniqueness` for a displayName in use, 413 for more
    /// members than a transaction holds.
    pub async fn create_group(
        &self,
        caller: &mut Caller,
        body: Value,
        projection: &Projection,
    ) -> Result<Answer, ServiceError> {
        let schema = self.schema(GROUP);
        let mut kept = validation::accept(schema, body, &mut caller.quirks)?;
        let wanted = members::take_members(&mut kept)?;
        let kept = validation::settle(schema, kept)?;
        rules::check(schema, &Object::new(), &kept)?;
        let mut group = created(GROUP, kept);
        let indexed = index::values(schema, &group.kept);
        let store = self.store(caller);
        let wish = Wish::of(&[MemberEdit::Add(wanted)], &[]);
        let mut retry = Retry::until(caller.deadline);
        loop {
            let attempt: Result<_, AttemptError> = async {
                let plan = Plan::make(&store, &group.meta.id, &wish, &[]).await?;
                plan.check(caller)?;
                group.member_count = plan.add.len() as u64;
                let mut transaction = store.transaction();
                transaction.create(&group, &indexed);
                plan.write(&mut transaction, &group.meta.id, &group.meta.created);
                let difference = plan.log(Difference::between(&Object::new(), &group.kept));
                transaction.log(&difference.record("create", &group.meta, caller, &group.meta.created));
                transaction.commit().await?;
                Ok(self.group_answer(caller, &group, &plan.after(&[]), projection))
            }
            .await;
            if let Some(done) = retry.settled(attempt).await? {
                return Ok(done);
            }
        }
    }

    /// RFC 7644 section 3.4.1. The members are read beside the group, and only if the answer shows them.
    ///
    /// # Errors
    ///
    /// 404.
    pub async fn get_group(&self, caller: &Caller, id: &str, projection: &Projection) -> Result<Answer, ServiceError> {
        let store = self.store(caller);
        let (group, members) = futures_util::future::try_join(self.existing(&store, GROUP, id), async {
            Ok(self.members_of(&store, id, projection).await?)
        })
        .await?;
        Ok(self.group_answer(caller, &group, &members, projection))
    }

    /// RFC 7644 section 3.5.1. Without `members` the group has none afterwards.
    ///
    /// # Errors
    ///
    /// 400 for the body and when none of the members exists, 404, 409 `uniqueness`, 412, 413.
    pub async fn replace_group(
        &self,
        caller: &mut Caller,
        id: &str,
        body: Value,
        preconditions: &Preconditions,
        projection: &Projection,
    ) -> Result<Answer, ServiceError> {
        let schema = self.schema(GROUP);
        let mut kept = validation::accept(schema, body, &mut caller.quirks)?;
        let edits = [MemberEdit::Replace(members::take_members(&mut kept)?)];
        let done = self
            .change_group(caller, id, "replace", &edits, preconditions, |_, _, before| {
                let mut kept = kept.clone();
                rules::keep_immutable(schema, before, &mut kept);
                Ok(validation::settle(schema, kept)?)
            })
            .await?;
        self.changed_answer(caller, done, projection).await
    }

    /// RFC 7644 section 3.5.2. Gives the group only when the client names attributes: an identity provider has no use
    /// for the members of a group of which it changed one.
    ///
    /// # Errors
    ///
    /// 400 for the body and when none of the added members exists, 404, 409 `uniqueness`, 412, 413.
    pub async fn patch_group(
        &self,
        caller: &mut Caller,
        id: &str,
        body: &Value,
        preconditions: &Preconditions,
        projection: &Projection,
    ) -> Result<Option<Answer>, ServiceError> {
        let schema = self.schema(GROUP);
        let operations = patch::parse(schema, body, &mut caller.quirks)?;
        let (operations, edits) = members::split(schema, operations, &mut caller.quirks)?;
        let done = self
            .change_group(caller, id, "patch", &edits, preconditions, |service, caller, before| {
                Ok(patch::apply(service.schema(GROUP), before, &operations, &mut caller.quirks)?)
            })
            .await?;
        if !projection.is_explicit() {
            return Ok(None);
        }
        self.changed_answer(caller, done, projection).await.map(Some)
    }

    /// Reads the group and what the edits need to know of its members, lets `next` decide on its attributes, and
    /// writes if something changed.
    ///
    /// Edits that name their members one by one touch nothing else: they hold whatever other writers do to the group,
    /// and cost the same in a group of any size. Other edits need the whole list, and hold for the version they read.
    async fn change_group(
        &self,
        caller: &mut Caller,
        id: &str,
        operation: &'static str,
        edits: &[MemberEdit],
        preconditions: &Preconditions,
        next: impl Fn(&Self, &mut Caller, &Object) -> Result<Object, ServiceError>,
    ) -> Result<Changed, ServiceError> {
        let schema = self.schema(GROUP);
        let store = self.store(caller);
        let mut retry = Retry::until(caller.deadline);
        loop {
            let attempt: Result<_, AttemptError> = async {
                let (before, wish, members) = self.read_for(&store, id, edits).await?;
                let Some(before) = before else {
                    return Err(crate::protocol::error::ScimError::not_found(GROUP.name(), id).into());
                };
                preconditions.check(&before.meta)?;
                let kept = next(self, caller, &before.kept)?;
                rules::check(schema, &before.kept, &kept)?;
                wish.plan.check(caller)?;
                let plan = &wish.plan;
                let members_after = members.as_ref().map(|members| plan.after(members));
                if kept == before.kept && plan.is_empty() {
                    return Ok(Changed { group: before, members: members_after, exact: true });
                }
                let mut after = changed(&before, kept);
                after.member_count = before.member_count.saturating_add_signed(plan.delta());
                let at = after.meta.last_modified.clone();
                let exact = wish.is_whole || after.kept != before.kept || preconditions.is_conditional();
                let mut transaction = store.transaction();
                if after.kept == before.kept {
                    let version = exact.then_some(before.meta.version);
                    transaction.touch_group(&GroupTouch { id, delta: plan.delta(), at: &at, version });
                } else {
                    let (indexed_before, indexed_after) =
                        (index::values(schema, &before.kept), index::values(schema, &after.kept));
                    transaction.rewrite(&before, &after, &indexed_before, &indexed_after);
                }
                plan.write(&mut transaction, id, &at);
                let difference = plan.log(Difference::between(&before.kept, &after.kept));
                transaction.log(&difference.record(operation, &after.meta, caller, &at));
                transaction.commit().await?;
                Ok(Changed { group: after, members: members_after, exact })
            }
            .await;
            if let Some(done) = retry.settled(attempt).await? {
                return Ok(done);
            }
        }
    }

    async fn read_for(
        &self,
        store: &TenantStore,
        id: &str,
        edits: &[MemberEdit],
    ) -> Result<(Option<Stored>, Planned, Option<Vec<Membership>>), AttemptError> {
        let is_whole = edits.iter().any(|edit| matches!(edit, MemberEdit::Replace(_) | MemberEdit::RemoveWhere(_)));
        if !is_whole {
            let wish = Wish::of(edits, &[]);
            let (group, plan) = Plan::make_with_group(store, id, &wish).await?;
            return Ok((group, Planned { plan, is_whole }, None));
        }
        let (group, members) = futures_util::future::try_join(store.resource(GROUP, id), store.members(id)).await?;
        let wish = Wish::of(edits, &members);
        let plan = Plan::make(store, id, &wish, &members).await?;
        Ok((group, Planned { plan, is_whole }, Some(members)))
    }

    async fn changed_answer(
        &self,
        caller: &Caller,
        done: Changed,
        projection: &Projection,
    ) -> Result<Answer, ServiceError> {
        match done.members {
            Some(members) if done.exact => Ok(self.group_answer(caller, &done.group, &members, projection)),
            _ => self.get_group(caller, &done.group.meta.id, projection).await,
        }
    }

    /// RFC 7644 section 3.6. The group is gone in one transaction at any size; its memberships are then unreachable,
    /// as ids are never used again and a user's groups are read together with the groups they name.
    ///
    /// # Errors
    ///
    /// 404, 412; 413 for a group in more groups than a transaction holds.
    pub async fn delete_group(
        &self,
        caller: &mut Caller,
        id: &str,
        preconditions: &Preconditions,
    ) -> Result<(), ServiceError> {
        let store = self.store(caller);
        let mut retry = Retry::until(caller.deadline);
        loop {
            let attempt: Result<_, AttemptError> = async {
                let group = self.existing(&store, GROUP, id).await?;
                preconditions.check(&group.meta)?;
                self.delete_with_memberships(&store, caller, &group).await
            }
            .await;
            if retry.settled(attempt).await?.is_some() {
                break;
            }
        }
        // The deletion has happened. What is not swept now is rubbish that nobody can reach.
        let _unswept = tokio::time::timeout(SWEEP_TIME, store.sweep_members(id)).await;
        Ok(())
    }

    /// The members of a group, if the answer shows them.
    pub(super) async fn members_of(
        &self,
        store: &TenantStore,
        id: &str,
        projection: &Projection,
    ) -> Result<Vec<Membership>, StoreError> {
        if projection.shows(MEMBERS) { store.members(id).await } else { Ok(Vec::new()) }
    }

    pub(super) fn group_answer(
        &self,
        caller: &Caller,
        group: &Stored,
        members: &[Membership],
        projection: &Projection,
    ) -> Answer {
        let members = members_value(&caller.base_url, members);
        let resource = representation::represent(&caller.base_url, &group.meta, &group.kept, Some((MEMBERS, members)));
        self.answer(group.meta.clone(), resource, projection)
    }
}

struct Planned {
    plan: Plan,
    is_whole: bool,
}

/// `Group.members` as an answer shows it.
pub(super) fn members_value(base_url: &str, members: &[Membership]) -> Value {
    members
        .iter()
        .map(|member| representation::member(base_url, &member.id, member.resource_type, member.display.as_deref()))
        .collect()
}
