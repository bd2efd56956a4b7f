//! Redos: how a change that no transaction holds is staged, committed and finished, and what becomes of one that was
//! left behind. `store::redo` says what they are.

mod apply;

use super::error::AttemptError;
use super::write::Retry;
use super::{Caller, Service, ServiceError};
use crate::ambient;
use crate::protocol::schema::ResourceType;
use crate::store::meter::Meter;
use crate::store::redo::{Kind, MemberChange, Redo, Registered, State, cut};
use crate::store::transaction::MAX_ACTIONS;
use crate::store::{CommitError, StoreError, TenantStore, Transaction};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Transactions of one redo under way at the same time.
const AT_ONCE: usize = 8;
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

/// What a transaction without unique values ended in.
pub(super) fn failed(error: CommitError) -> ServiceError {
    match AttemptError::from(error) {
        AttemptError::Final(error) => error,
        AttemptError::Moved => ServiceError::Contended { attempts: 1 },
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
