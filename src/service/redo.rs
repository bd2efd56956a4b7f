//! Redos: how a change that no transaction holds is staged, committed and finished, and what becomes of one that was
//! left behind. `store::redo` says what they are.

use super::error::AttemptError;
use super::write::{Retry, now, now_after};
use super::{Caller, Service, ServiceError};
use crate::ambient;
use crate::protocol::members::Membership;
use crate::protocol::schema::ResourceType;
use crate::store::meter::Meter;
use crate::store::redo::{Chunk, Kind, MemberChange, Redo, Registered, State, cut};
use crate::store::transaction::{GroupTouch, MAX_ACTIONS};
use crate::store::{CommitError, StoreError, Stored, TenantStore, Transaction};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Transactions of one redo under way at the same time.
const AT_ONCE: usize = 8;
/// Groups that a deleted member is taken out of in one transaction: three actions each.
const LEFT_TOGETHER: usize = 30;
/// How long after its deadline whoever has no other limit goes on with what was committed.
pub(super) const FINISH_TIME: Duration = Duration::from_secs(4);

/// A resource by type and id.
pub(super) type Resource = (ResourceType, String);

/// What a sweep found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Redos that it ended.
    pub ended: u64,
    /// Redos that a request may still commit.
    pub under_way: u64,
    /// Redos for which there was no time.
    pub left: u64,
}

/// What one request has staged so far; its next attempt goes on from there.
#[derive(Debug, Default)]
pub(super) struct Staging {
    redo: Option<Redo>,
    /// The resources that have its mark.
    marked: BTreeSet<Resource>,
    /// Where its chunks begin.
    chunks: Vec<String>,
    /// Whether one transaction turned out to be too small, so that the version is read before the members are.
    pub(super) is_needed: bool,
}

impl Service {
    /// Stages the changes of a group's members: chunks, and the marks on who is added.
    ///
    /// # Errors
    ///
    /// [`AttemptError::Moved`] when one who is to be added was deleted since it was read.
    pub(super) async fn stage_members(
        &self,
        store: &TenantStore,
        staging: &mut Staging,
        group_id: &str,
        changes: &[MemberChange],
        at: &str,
        deadline: Instant,
    ) -> Result<Redo, AttemptError> {
        let chunks = cut(changes, at)?;
        let redo = self.redo_of(store, staging, Kind::Members, group_id, deadline).await?;
        let wanted: BTreeSet<Resource> = changes.iter().filter_map(added).collect();
        // Marks stand on nobody whom no chunk names: whoever clears the redo finds them by the chunks.
        let stale: Vec<Resource> = staging.marked.difference(&wanted).cloned().collect();
        in_transactions(store, &stale, deadline, |transaction, (resource_type, id)| {
            transaction.unstage_member(*resource_type, id, &redo);
        })
        .await?;
        staging.marked.retain(|resource| wanted.contains(resource));
        let mut transaction = store.transaction();
        if staging.chunks.is_empty() {
            transaction.register(&redo, at);
            transaction.commit().await?;
        }
        if store.put_chunks(&redo, &chunks, &staging.chunks).await? {
            // What comes late comes for nobody: the next attempt has a redo of its own.
            self.kill(store, &redo).await?;
            return Err(AttemptError::Moved);
        }
        staging.chunks = chunks.into_iter().map(|chunk| chunk.first).collect();
        let new: Vec<Resource> = wanted.difference(&staging.marked).cloned().collect();
        let gone = in_transactions(store, &new, deadline, |transaction, (resource_type, id)| {
            transaction.stage_member(*resource_type, id, &redo);
        })
        .await?;
        staging.marked.extend(new.into_iter().filter(|(_, id)| !gone.contains(id)));
        if gone.is_empty() { Ok(redo) } else { Err(AttemptError::Moved) }
    }

    /// Stages that a member leaves its groups. Gives the redo.
    pub(super) async fn stage_leave(
        &self,
        store: &TenantStore,
        staging: &mut Staging,
        member_id: &str,
        groups: &[String],
        at: &str,
        deadline: Instant,
    ) -> Result<Redo, AttemptError> {
        let redo = self.redo_of(store, staging, Kind::Leave, member_id, deadline).await?;
        let wanted: BTreeSet<Resource> = groups.iter().map(|id| (ResourceType::Group, id.clone())).collect();
        let new: Vec<Resource> = wanted.difference(&staging.marked).cloned().collect();
        let mut transaction = store.transaction();
        transaction.register_leave(&redo, groups, at);
        transaction.commit().await?;
        let _gone = in_transactions(store, &new, deadline, |transaction, (_, id)| {
            transaction.stage_leave(id, &redo);
        })
        .await?;
        staging.marked.extend(new);
        Ok(redo)
    }

    /// The redo that this request stages. Another one when somebody else saw to it that the first is never committed.
    async fn redo_of(
        &self,
        store: &TenantStore,
        staging: &mut Staging,
        kind: Kind,
        subject: &str,
        deadline: Instant,
    ) -> Result<Redo, ServiceError> {
        if let Some(redo) = staging.redo.clone() {
            match self.state(store, &redo).await? {
                Some(State::Staged) => return Ok(redo),
                Some(State::Dead) => self.clear(store, &redo, deadline).await?,
                // It was committed after all.
                Some(State::Committed) | None => {}
            }
        }
        let redo = Redo::new(kind, subject);
        *staging = Staging { redo: Some(redo.clone()), is_needed: staging.is_needed, ..Staging::default() };
        Ok(redo)
    }

    async fn state(&self, store: &TenantStore, redo: &Redo) -> Result<Option<State>, ServiceError> {
        Ok(store.redo_states(&BTreeSet::from([redo.clone()])).await?.remove(redo))
    }

    /// Ends the redo of a request: finishes it when it was committed, within the time that is left for the answer, and
    /// clears what was staged when not. It fails in silence, as the answer does not hang on it: the sweep does the rest.
    pub(super) async fn end_redo(&self, store: &TenantStore, caller: &mut Caller, staging: Staging) {
        let Some(redo) = staging.redo else { return };
        let deadline = caller.finish_by;
        let left = deadline.saturating_duration_since(ambient::monotonic());
        let is_ended = matches!(tokio::time::timeout(left, self.end(store, &redo, deadline)).await, Ok(Ok(())));
        caller.redo = Some(if is_ended { "ended" } else { "left to the sweep" });
    }

    /// Sees to it that a staged redo is never committed, if it is not yet.
    async fn kill(&self, store: &TenantStore, redo: &Redo) -> Result<(), ServiceError> {
        let mut transaction = store.transaction();
        transaction.kill_redo(redo);
        match transaction.commit().await {
            Ok(()) | Err(CommitError::Moved) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Ends a redo that nobody goes on with.
    pub(super) async fn end(&self, store: &TenantStore, redo: &Redo, deadline: Instant) -> Result<(), ServiceError> {
        if self.state(store, redo).await? == Some(State::Staged) {
            self.kill(store, redo).await?;
        }
        match (self.state(store, redo).await?, redo.kind) {
            (Some(State::Dead), _) => self.clear(store, redo, deadline).await,
            (Some(State::Committed), Kind::Leave) => self.finish_leave(store, redo, deadline).await,
            (Some(State::Committed), Kind::Members) => {
                let group = store.resource(ResourceType::Group, &redo.subject).await?;
                match group {
                    Some(group) if group.marks.intent.as_ref() == Some(&redo.id) => {
                        self.finish_intent(store, &redo.subject, &redo.id, deadline).await
                    }
                    // The group was deleted since.
                    None => {
                        self.clear(store, redo, deadline).await?;
                        Ok(store.sweep_members(&redo.subject).await?)
                    }
                    // Another one has finished it, and takes it out of the register.
                    Some(_) => Ok(()),
                }
            }
            (Some(State::Staged) | None, _) => Ok(()),
        }
    }

    /// Ends the redos of a tenant that no request goes on with.
    ///
    /// # Errors
    ///
    /// What the table said. The others are for the next time.
    pub async fn sweep(
        &self,
        tenant: &str,
        meter: &Meter,
        deadline: Instant,
        abandoned_after: Duration,
    ) -> Result<Swept, ServiceError> {
        let store = self.store.tenant(tenant, meter);
        let mut swept = Swept::default();
        for Registered { redo, state, staged } in store.registered().await? {
            if state == State::Staged && age(&staged) < abandoned_after {
                swept.under_way += 1;
            } else if ambient::monotonic() >= deadline {
                swept.left += 1;
            } else {
                self.end(&store, &redo, deadline).await?;
                swept.ended += 1;
            }
        }
        Ok(swept)
    }

    /// Applies what a group's intent says of some of its members, so that these can be changed.
    pub(super) async fn settle(
        &self,
        store: &TenantStore,
        group: &Stored,
        members: &BTreeSet<String>,
        deadline: Instant,
    ) -> Result<bool, ServiceError> {
        let Some(intent) = &group.marks.intent else { return Ok(false) };
        let redo = Redo { kind: Kind::Members, subject: group.meta.id.clone(), id: intent.clone() };
        let chunks = store.chunks_of(&redo.subject, intent, members).await?;
        let is_due = !chunks.is_empty();
        self.apply(store, &redo, chunks, deadline).await?;
        Ok(is_due)
    }

    /// Applies all of a group's intent and takes its mark off.
    pub(super) async fn finish_intent(
        &self,
        store: &TenantStore,
        group_id: &str,
        intent: &str,
        deadline: Instant,
    ) -> Result<(), ServiceError> {
        let redo = Redo { kind: Kind::Members, subject: group_id.to_owned(), id: intent.to_owned() };
        let mut retry = Retry::until(deadline);
        loop {
            let chunks = store.chunks(group_id, intent).await?;
            self.apply(store, &redo, chunks, deadline).await?;
            let mut transaction = store.transaction();
            transaction.finish_intent(&redo, &now());
            let attempt = match transaction.commit().await {
                Err(CommitError::Moved) => {
                    let group = store.resource(ResourceType::Group, group_id).await?;
                    let is_ours = group.is_some_and(|group| group.marks.intent.as_deref() == Some(intent));
                    // Else another one has finished it.
                    if is_ours { Err(AttemptError::Moved) } else { Ok(()) }
                }
                other => other.map_err(AttemptError::from),
            };
            if let Some(done) = retry.settled(attempt).await? {
                return Ok(done);
            }
        }
    }

    async fn apply(
        &self,
        store: &TenantStore,
        redo: &Redo,
        chunks: Vec<Chunk>,
        deadline: Instant,
    ) -> Result<(), ServiceError> {
        let applied: Vec<_> = chunks.into_iter().map(|chunk| apply_one(store, redo, chunk, deadline)).collect();
        stream::iter(applied).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Takes a deleted member out of the groups that it left, and the redo out of the register.
    async fn finish_leave(&self, store: &TenantStore, redo: &Redo, deadline: Instant) -> Result<(), ServiceError> {
        let groups: Vec<String> = store.leaving_groups(redo).await?.into_iter().collect();
        let parts: Vec<_> =
            groups.chunks(LEFT_TOGETHER).map(|part| self.leave_together(store, redo, part, deadline)).collect();
        stream::iter(parts).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let mut transaction = store.transaction();
        transaction.forget_redo(redo);
        transaction.commit().await.map_err(failed)
    }

    /// Takes a deleted member out of some groups in one transaction; out of each by itself when something is in its way.
    async fn leave_together(
        &self,
        store: &TenantStore,
        redo: &Redo,
        groups: &[String],
        deadline: Instant,
    ) -> Result<(), ServiceError> {
        let mut transaction = store.transaction();
        let mut is_plain = true;
        for (group, membership) in store.groups_and_memberships(groups, &redo.subject).await? {
            is_plain &= group.marks.intent.is_none() && group.marks.leaving.contains(&redo.mark());
            write_leave(&mut transaction, redo, &group, membership.as_ref());
        }
        if is_plain && (transaction.actions() == 0 || transaction.commit().await.is_ok()) {
            return Ok(());
        }
        for group in groups {
            self.leave(store, redo, group, deadline).await?;
        }
        Ok(())
    }

    /// Takes a deleted member out of one group.
    async fn leave(
        &self,
        store: &TenantStore,
        redo: &Redo,
        group_id: &str,
        deadline: Instant,
    ) -> Result<(), ServiceError> {
        let only = BTreeSet::from([redo.subject.clone()]);
        let mut retry = Retry::until(deadline);
        loop {
            let found = store.groups_and_memberships(&[group_id.to_owned()], &redo.subject).await?;
            let Some((group, membership)) = found.into_iter().next() else { return Ok(()) };
            if !group.marks.leaving.contains(&redo.mark()) {
                return Ok(());
            }
            let attempt = if self.settle(store, &group, &only, deadline).await? {
                Err(AttemptError::Moved)
            } else {
                let mut transaction = store.transaction();
                write_leave(&mut transaction, redo, &group, membership.as_ref());
                match transaction.commit().await {
                    // The group was deleted since it was read.
                    Err(CommitError::Gone(_)) => Ok(()),
                    other => other.map_err(later),
                }
            };
            if retry.settled(attempt).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Takes deleted members out of a group that is about to change.
    pub(super) async fn settle_leaving(
        &self,
        store: &TenantStore,
        group: &Stored,
        deadline: Instant,
    ) -> Result<bool, ServiceError> {
        let gone = store.gone(group, |_| true).await?;
        for mark in group.marks.leaving.iter().filter(|mark| gone.contains(&mark.subject)) {
            let redo = Redo { kind: Kind::Leave, subject: mark.subject.clone(), id: mark.redo.clone() };
            self.leave(store, &redo, &group.meta.id, deadline).await?;
        }
        Ok(!gone.is_empty())
    }

    /// Clears what a redo that can never be committed, or whose group is gone, has left in the table.
    pub(super) async fn clear(&self, store: &TenantStore, redo: &Redo, deadline: Instant) -> Result<(), ServiceError> {
        match redo.kind {
            Kind::Members => {
                let chunks = store.chunks(&redo.subject, &redo.id).await?;
                let marked: Vec<Resource> = chunks.iter().flat_map(|chunk| &chunk.changes).filter_map(added).collect();
                in_transactions(store, &marked, deadline, |transaction, (resource_type, id)| {
                    transaction.unstage_member(*resource_type, id, redo);
                })
                .await?;
                store.delete_chunks(redo, &chunks).await?;
            }
            Kind::Leave => {
                let groups = store.leaving_groups(redo).await?;
                let marked: Vec<Resource> = groups.into_iter().map(|id| (ResourceType::Group, id)).collect();
                in_transactions(store, &marked, deadline, |transaction, (_, id)| {
                    transaction.end_leave(id, redo, &now());
                })
                .await?;
            }
        }
        let mut transaction = store.transaction();
        transaction.forget_redo(redo);
        transaction.commit().await.map_err(failed)
    }
}

/// How long ago this was, by the time of day.
fn age(staged: &str) -> Duration {
    let staged = staged.parse::<jiff::Timestamp>().unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    Duration::try_from(ambient::now().duration_since(staged)).unwrap_or_default()
}

/// Whom a change adds.
fn added(change: &MemberChange) -> Option<Resource> {
    match change {
        MemberChange::Add { id, resource_type, .. } => Some((*resource_type, id.clone())),
        MemberChange::Remove { .. } | MemberChange::Rename { .. } => None,
    }
}

/// Takes a deleted member out of a group that was read with its membership.
fn write_leave(transaction: &mut Transaction<'_>, redo: &Redo, group: &Stored, membership: Option<&Membership>) {
    let (group_id, at) = (&group.meta.id, now_after([group]));
    let Some(membership) = membership else { return transaction.end_leave(group_id, redo, &at) };
    let touch = GroupTouch {
        id: group_id,
        delta: -1,
        groups_delta: -i64::from(membership.resource_type == ResourceType::Group),
        at: Some(&at),
        changes: &[],
        version: None,
        intent: group.marks.intent.as_deref(),
    };
    transaction.apply_leave(&touch, redo, membership.resource_type, &at);
}

/// What a transaction without unique values ended in.
pub(super) fn failed(error: CommitError) -> ServiceError {
    match AttemptError::from(error) {
        AttemptError::Final(error) => error,
        AttemptError::Moved => ServiceError::Contended { attempts: 1 },
    }
}

async fn apply_one(store: &TenantStore, redo: &Redo, chunk: Chunk, deadline: Instant) -> Result<(), ServiceError> {
    let mut without: Vec<String> = Vec::new();
    let mut retry = Retry::until(deadline);
    let place = BTreeSet::from([chunk.first.clone()]);
    loop {
        let mut transaction = store.transaction();
        transaction.apply_chunk(redo, &chunk, &without);
        let attempt = match transaction.commit().await {
            Err(CommitError::Gone(ids)) => {
                without.extend(ids);
                Err(AttemptError::Moved)
            }
            // Another one may have applied it.
            Err(CommitError::Moved) if store.chunks_of(&redo.subject, &redo.id, &place).await?.is_empty() => Ok(()),
            other => other.map_err(later),
        };
        if let Some(done) = retry.settled(attempt).await? {
            return Ok(done);
        }
    }
}

/// What a transaction of a redo ended in. There are many of them: when the table asks for fewer at once, it gets them
/// later.
fn later(error: CommitError) -> AttemptError {
    match error {
        CommitError::Store(StoreError::Throttled(_)) => AttemptError::Moved,
        other => AttemptError::from(other),
    }
}

/// Does the same to each of these resources, many in a transaction. Gives the ids of those that do not exist.
async fn in_transactions(
    store: &TenantStore,
    resources: &[Resource],
    deadline: Instant,
    write: impl Fn(&mut Transaction<'_>, &Resource),
) -> Result<BTreeSet<String>, ServiceError> {
    let write = &write;
    let parts = resources.chunks(MAX_ACTIONS).map(|part| async move {
        let mut gone = BTreeSet::new();
        let mut retry = Retry::until(deadline);
        loop {
            let mut transaction = store.transaction();
            for resource in part.iter().filter(|(_, id)| !gone.contains(id)) {
                write(&mut transaction, resource);
            }
            if transaction.actions() == 0 {
                return Ok::<_, ServiceError>(gone);
            }
            let attempt = match transaction.commit().await {
                Err(CommitError::Gone(ids)) => {
                    gone.extend(ids);
                    Err(AttemptError::Moved)
                }
                other => other.map_err(later),
            };
            if retry.settled(attempt).await?.is_some() {
                return Ok(gone);
            }
        }
    });
    let parts: Vec<_> = parts.collect();
    let gone: Vec<BTreeSet<String>> = stream::iter(parts).buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(gone.into_iter().flatten().collect())
}
