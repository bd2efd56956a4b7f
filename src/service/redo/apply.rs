//! Carrying out what a redo says, once it is committed, and clearing what one leaves that never will be.

use super::{AT_ONCE, Resource, added, failed, in_transactions, later};
use crate::protocol::members::Membership;
use crate::protocol::schema::ResourceType;
use crate::service::error::AttemptError;
use crate::service::write::{Retry, now, now_after};
use crate::service::{Service, ServiceError};
use crate::store::redo::{Chunk, Kind, Redo};
use crate::store::transaction::GroupTouch;
use crate::store::{CommitError, Stored, TenantStore, Transaction};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::BTreeSet;
use std::time::Instant;

/// Groups that a deleted member is taken out of in one transaction: three actions each.
const LEFT_TOGETHER: usize = 30;

impl Service {
    /// Applies what a group's intent says of some of its members, so that these can be changed.
    pub(in crate::service) async fn settle(
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
    pub(in crate::service) async fn finish_intent(
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
    pub(super) async fn finish_leave(
        &self,
        store: &TenantStore,
        redo: &Redo,
        deadline: Instant,
    ) -> Result<(), ServiceError> {
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
    pub(in crate::service) async fn settle_leaving(
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
    pub(in crate::service) async fn clear(
        &self,
        store: &TenantStore,
        redo: &Redo,
        deadline: Instant,
    ) -> Result<(), ServiceError> {
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
