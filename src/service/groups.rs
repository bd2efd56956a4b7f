//! Groups: create, get, replace, patch, delete.

use super::breaker::{Loss, Lost};
use super::change::Difference;
use super::error::AttemptError;
use super::membership::{Plan, Wish};
use super::redo::Staging;
use super::write::{Retry, changed, created, date, now};
use super::{Answer, Caller, Preconditions, Service, ServiceError};
use crate::ambient;
use crate::protocol::change as rules;
use crate::protocol::error::ScimError;
use crate::protocol::index;
use crate::protocol::members::{self, MEMBERS, MemberEdit, Membership};
use crate::protocol::projection::Projection;
use crate::protocol::representation::{self, Shown};
use crate::protocol::schema::ResourceType;
use crate::protocol::{Object, patch, validation};
use crate::store::redo::{Kind, Redo};
use crate::store::transaction::{GroupTouch, MAX_ACTIONS};
use crate::store::{Stored, TenantStore};
use serde_json::Value;
use std::time::{Duration, Instant};

const GROUP: ResourceType = ResourceType::Group;

/// Bytes that a member takes in any answer: an id has 122 random bits, which no compression takes away, and compressed
/// bytes are sent in base64. What is more than fits is not read.
const LEAST_MEMBER_BYTES: usize = 20;
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
        let mut staging = Staging::default();
        let mut retry = Retry::until(caller.deadline);
        let created = loop {
            let attempt: Result<_, AttemptError> = async {
                let (id, at) = (group.meta.id.clone(), group.meta.created.clone());
                let plan = Plan::make(&store, &id, &wish, &[]).await?;
                plan.check(caller)?;
                group.member_count = plan.delta().unsigned_abs();
                group.member_groups = plan.groups_delta().unsigned_abs();
                let nothing = Object::new();
                let difference = plan.log(Difference::between(&nothing, &group.kept));
                let mut record = difference.record("create", &group.meta, caller, &at, self.expiry());
                store.stage_change(&mut record).await?;
                let mut transaction = store.transaction();
                transaction.create(&group, &indexed);
                transaction.log(&record);
                if transaction.actions() + plan.actions() <= MAX_ACTIONS {
                    plan.write(&mut transaction, &id, &at);
                } else if !plan.is_empty() {
                    let redo =
                        self.stage_members(&store, &mut staging, &id, &plan.changes, &at, caller.deadline).await?;
                    let mut group = group.clone();
                    group.marks.intent = Some(redo.id.clone());
                    transaction = store.transaction();
                    transaction.create(&group, &indexed);
                    transaction.log(&record);
                    transaction.commit_redo(&redo, &at);
                }
                transaction.commit().await?;
                Ok(self.group_answer(caller, &group, plan.after(&[]), projection))
            }
            .await;
            match retry.settled(attempt).await {
                Ok(None) => date(&mut group.meta, now()),
                Ok(Some(done)) => break Ok(done),
                Err(error) => break Err(error),
            }
        };
        self.end_redo(&store, caller, staging).await;
        created
    }

    /// RFC 7644 section 3.4.1. The members are read beside the group, and only if the answer shows them.
    ///
    /// # Errors
    ///
    /// 404.
    pub async fn get_group(&self, caller: &Caller, id: &str, projection: &Projection) -> Result<Answer, ServiceError> {
        let store = self.store(caller);
        let group = self.existing(&store, GROUP, id).await?;
        let (group, members) = self.group_with_members(&store, caller, group, projection).await?;
        Ok(self.group_answer(caller, &group, members, projection))
    }

    /// A group that was read, or read again, with the members that it had then, if the answer shows them.
    pub(super) async fn group_with_members(
        &self,
        store: &TenantStore,
        caller: &Caller,
        mut group: Stored,
        projection: &Projection,
    ) -> Result<(Stored, Vec<Membership>), ServiceError> {
        let mut retry = Retry::until(caller.deadline);
        loop {
            let shown = self.members_shown(store, &group, projection).await;
            if let Some(members) = retry.settled(shown).await? {
                return Ok((group, members));
            }
            group = self.existing(store, GROUP, &group.meta.id).await?;
        }
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
    /// and cost the same in a group of any size. Other edits need the whole list, and hold for the version they read; so
    /// do more changes than one transaction holds.
    async fn change_group(
        &self,
        caller: &mut Caller,
        id: &str,
        operation: &'static str,
        edits: &[MemberEdit],
        preconditions: &Preconditions,
        next: impl Fn(&Self, &mut Caller, &Object) -> Result<Object, ServiceError>,
    ) -> Result<Changed, ServiceError> {
        let store = self.store(caller);
        let mut staging = Staging::default();
        let mut retry = Retry::until(caller.deadline);
        let mut loss = Loss::default();
        let changed = loop {
            let attempt = async {
                let read = self.read_for(&store, id, edits, staging.is_needed, caller.deadline).await?;
                preconditions.check(&read.group.meta)?;
                let kept = next(self, caller, &read.group.kept)?;
                read.plan.check(caller)?;
                let removed = read.plan.removed();
                if !removed.is_empty() {
                    self.guard_removals(&store, &removed).await?;
                    self.admit(&store, caller, &mut loss, Lost::memberships(removed.len() as u64)).await?;
                }
                let is_conditional = preconditions.is_conditional();
                self.write_group(&store, caller, operation, read, kept, is_conditional, &mut staging).await
            };
            match retry.settled(attempt.await).await {
                Ok(None) => {}
                Ok(Some(done)) => break Ok(done),
                Err(error) => break Err(error),
            }
        };
        self.end_redo(&store, caller, staging).await;
        changed
    }

    /// One attempt at a change that is decided.
    #[expect(clippy::too_many_arguments, reason = "all of what a change is made of")]
    async fn write_group(
        &self,
        store: &TenantStore,
        caller: &Caller,
        operation: &'static str,
        read: Read,
        kept: Object,
        is_conditional: bool,
        staging: &mut Staging,
    ) -> Result<Changed, AttemptError> {
        let Read { group: before, plan, members, is_of_version } = read;
        let schema = self.schema(GROUP);
        rules::check(schema, &before.kept, &kept)?;
        if kept == before.kept && plan.is_empty() {
            if members.is_some() {
                // Nothing is written that would be refused if the list had changed while it was read.
                self.confirm(store, &before).await?;
            }
            return Ok(Changed { group: before, members, exact: true });
        }
        let mut after = changed(&before, kept);
        after.member_count = before.member_count.saturating_add_signed(plan.delta());
        after.member_groups = before.member_groups.saturating_add_signed(plan.groups_delta());
        let (id, at) = (after.meta.id.clone(), after.meta.last_modified.clone());
        let members = members.map(|members| plan.after(&members));
        let difference = plan.log(Difference::between(&before.kept, &after.kept));
        let mut record = difference.record(operation, &after.meta, caller, &at, self.expiry());
        store.stage_change(&mut record).await?;
        let (indexed_before, indexed_after) = (index::values(schema, &before.kept), index::values(schema, &after.kept));
        let is_rewritten = after.kept != before.kept;
        let mut exact = members.is_some() || is_rewritten || is_conditional;
        let mut transaction = store.transaction();
        transaction.log(&record);
        if is_rewritten {
            transaction.rewrite(&before, &after, &indexed_before, &indexed_after, &plan.changes);
        } else {
            transaction.touch_group(&GroupTouch {
                id: &id,
                delta: plan.delta(),
                groups_delta: plan.groups_delta(),
                at: Some(&at),
                changes: &plan.changes,
                version: exact.then_some(before.meta.version),
                intent: before.marks.intent.as_deref(),
            });
        }
        if transaction.actions() + plan.actions() <= MAX_ACTIONS {
            plan.write(&mut transaction, &id, &at);
        } else if !plan.is_empty() {
            if let Some(intent) = &before.marks.intent {
                // A group has one intent at a time.
                self.finish_intent(store, &id, intent, caller.deadline).await?;
                return Err(AttemptError::Moved);
            }
            if !is_of_version {
                staging.is_needed = true;
                return Err(AttemptError::Moved);
            }
            let redo = self.stage_members(store, staging, &id, &plan.changes, &at, caller.deadline).await?;
            after.marks.intent = Some(redo.id.clone());
            transaction = store.transaction();
            transaction.log(&record);
            transaction.rewrite(&before, &after, &indexed_before, &indexed_after, &plan.changes);
            transaction.commit_redo(&redo, &at);
            exact = true;
        }
        transaction.commit().await?;
        Ok(Changed { group: after, members, exact })
    }

    /// The group, and what is to become of its members. What a redo left behind says of them is applied first.
    ///
    /// Small changes are on condition that each membership is as it was read. A redo is on condition that the group has
    /// the version that was read, so that comes first: what a batch reads is not of one moment.
    async fn read_for(
        &self,
        store: &TenantStore,
        id: &str,
        edits: &[MemberEdit],
        needs_redo: bool,
        deadline: Instant,
    ) -> Result<Read, AttemptError> {
        let missing = || ScimError::not_found(GROUP.name(), id);
        let is_whole = edits.iter().any(|edit| matches!(edit, MemberEdit::Replace(_) | MemberEdit::RemoveWhere(_)));
        if !is_whole {
            let wish = Wish::of(edits, &[]);
            let is_of_version = needs_redo || wish.may_be_large();
            let first = if is_of_version { Some(self.existing(store, GROUP, id).await?) } else { None };
            let (group, plan) = Plan::make_with_group(store, id, &wish).await?;
            let group = first.or(group).ok_or_else(missing)?;
            let is_settled = !self.settle(store, &group, &plan.ids(), deadline).await?;
            let is_left = self.settle_leaving(store, &group, deadline).await?;
            return if is_settled && !is_left {
                Ok(Read { group, plan, members: None, is_of_version })
            } else {
                Err(AttemptError::Moved)
            };
        }
        // The members after the group: the write is refused if the group has changed since.
        let group = self.existing(store, GROUP, id).await?;
        if let Some(intent) = &group.marks.intent {
            self.finish_intent(store, id, intent, deadline).await?;
            return Err(AttemptError::Moved);
        }
        if self.settle_leaving(store, &group, deadline).await? {
            return Err(AttemptError::Moved);
        }
        let members = if group.member_count == 0 { Vec::new() } else { store.members(&group).await? };
        Wish::check(edits, &members)?;
        let wish = Wish::of(edits, &members);
        let plan = Plan::make(store, id, &wish, &members).await?;
        Ok(Read { group, plan, members: Some(members), is_of_version: true })
    }

    async fn changed_answer(
        &self,
        caller: &Caller,
        done: Changed,
        projection: &Projection,
    ) -> Result<Answer, ServiceError> {
        match done.members {
            Some(members) if done.exact => Ok(self.group_answer(caller, &done.group, members, projection)),
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
        let mut staging = Staging::default();
        let mut retry = Retry::until(caller.deadline);
        let mut loss = Loss::default();
        let deleted = loop {
            let attempt: Result<_, AttemptError> = async {
                let group = self.existing(&store, GROUP, id).await?;
                preconditions.check(&group.meta)?;
                if group.member_count > 0 {
                    self.guard_members_of(&store, &group).await?;
                    self.admit(&store, caller, &mut loss, Lost::memberships(group.member_count)).await?;
                }
                self.delete_member(&store, caller, &group, &mut staging).await?;
                Ok(group)
            }
            .await;
            match retry.settled(attempt).await {
                Ok(None) => {}
                Ok(Some(group)) => break Ok(group),
                Err(error) => break Err(error),
            }
        };
        self.end_redo(&store, caller, staging).await;
        // The deletion has happened. What is not swept now is rubbish that nobody can reach.
        let group = deleted?;
        let left = caller.finish_by.saturating_duration_since(ambient::monotonic()).min(SWEEP_TIME);
        let _unswept = tokio::time::timeout(left, self.sweep_group(&store, &group, caller.finish_by)).await;
        Ok(())
    }

    /// Clears what is left of a deleted group: an intent that was being applied, and the memberships.
    async fn sweep_group(&self, store: &TenantStore, group: &Stored, deadline: Instant) -> Result<(), ServiceError> {
        if let Some(intent) = &group.marks.intent {
            let redo = Redo { kind: Kind::Members, subject: group.meta.id.clone(), id: intent.clone() };
            self.clear(store, &redo, deadline).await?;
        }
        Ok(store.sweep_members(&group.meta.id).await?)
    }

    /// The members of a group, if the answer shows them. They are those of the version that was read.
    pub(super) async fn members_shown(
        &self,
        store: &TenantStore,
        group: &Stored,
        projection: &Projection,
    ) -> Result<Vec<Membership>, AttemptError> {
        if group.member_count == 0 || !projection.shows(MEMBERS) {
            return Ok(Vec::new());
        }
        if group.member_count > (self.settings.max_answer_bytes / LEAST_MEMBER_BYTES) as u64 {
            return Err(members::too_many_to_show(&group.meta.id, self.settings.max_answer_bytes).into());
        }
        let members = store.members(group).await?;
        self.confirm(store, group).await?;
        Ok(members)
    }

    /// Makes sure that a group has not changed since it was read.
    pub(super) async fn confirm(&self, store: &TenantStore, group: &Stored) -> Result<(), AttemptError> {
        match store.resource(GROUP, &group.meta.id).await? {
            Some(now) if now.meta.version == group.meta.version => Ok(()),
            _ => Err(AttemptError::Moved),
        }
    }

    pub(super) fn group_answer(
        &self,
        caller: &Caller,
        group: &Stored,
        members: Vec<Membership>,
        projection: &Projection,
    ) -> Answer {
        Answer { meta: group.meta.clone(), resource: self.shown_group(caller, group, members, projection) }
    }

    pub(super) fn shown_group(
        &self,
        caller: &Caller,
        group: &Stored,
        members: Vec<Membership>,
        projection: &Projection,
    ) -> Shown {
        let resource = representation::represent(&caller.base_url, &group.meta, group.kept.clone(), None);
        Shown::with_members(resource, &caller.base_url, members, projection, self.schema(GROUP))
    }
}

/// What a change is decided on.
struct Read {
    group: Stored,
    plan: Plan,
    /// All members, when the edits need them.
    members: Option<Vec<Membership>>,
    /// Whether the memberships were read after the group: they are then those of its version, if it still has that.
    is_of_version: bool,
}
