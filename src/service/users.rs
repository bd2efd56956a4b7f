//! Users: create, get, replace, patch, delete.

use super::breaker::{Loss, Lost};
use super::change::{Difference, entry_of};
use super::error::AttemptError;
use super::guards::is_active;
use super::membership::MAX_MEMBER_CHANGES;
use super::redo::Staging;
use super::restore::MEMBERS_OMITTED;
use super::write::{Retry, changed, created, date, now, now_after};
use super::{Answer, Caller, Preconditions, Service, ServiceError};
use crate::protocol::change as rules;
use crate::protocol::index;
use crate::protocol::projection::Projection;
use crate::protocol::representation::{self, GroupOfUser, Shown};
use crate::protocol::schema::ResourceType;
use crate::protocol::{Object, patch, validation};
use crate::store::redo::{Kind, MemberChange, Redo, State};
use crate::store::related::Tied;
use crate::store::transaction::{GroupTouch, MAX_ACTIONS};
use crate::store::{CommitError, StoreError, Stored, TenantStore};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Instant;

const USER: ResourceType = ResourceType::User;
/// The unique attribute of a user, as the table names it.
const USER_NAME: &str = "User.userName";

/// Actions that take a member out of a group: membership, mirror, group.
const ACTIONS_TO_LEAVE: usize = 3;

impl Service {
    /// RFC 7644 section 3.3. `active` is true unless the client says otherwise.
    ///
    /// # Errors
    ///
    /// 400 for the body, 409 `uniqueness` for a userName in use, unless the settings say what else becomes of it.
    pub async fn create_user(
        &self,
        caller: &mut Caller,
        body: Value,
        projection: &Projection,
    ) -> Result<Answer, ServiceError> {
        let schema = self.schema(USER);
        let mut kept = validation::accept(schema, body, &mut caller.quirks)?;
        kept.entry("active").or_insert(Value::Bool(true));
        let kept = validation::settle(schema, kept)?;
        rules::check(schema, &Object::new(), &kept)?;
        let mut user = created(USER, kept);
        user.is_unmanaged = self.settings.creates_unmanaged;
        let indexed = index::values(schema, &user.kept);
        let store = self.store(caller);
        let nothing = Object::new();
        let difference = Difference::between(&nothing, &user.kept);
        let mut retry = Retry::until(caller.deadline);
        loop {
            let attempt: Result<_, AttemptError> = async {
                let mut record = difference.record("create", &user.meta, caller, &user.meta.created, self.expiry());
                store.stage_change(&mut record).await?;
                let mut transaction = store.transaction();
                transaction.create(&user, &indexed);
                transaction.log(&record);
                match transaction.commit().await {
                    Ok(()) => Ok(None),
                    Err(CommitError::Taken { attribute, holder: Some(holder) }) if attribute == USER_NAME => {
                        self.instead_of(&store, caller, &holder, &user, projection).await.map(Some)
                    }
                    Err(error) => Err(error.into()),
                }
            }
            .await;
            if let Some(instead) = retry.settled(attempt).await? {
                return Ok(instead.unwrap_or_else(|| self.user_answer(caller, user, &[], projection)));
            }
            date(&mut user.meta, now());
        }
    }

    /// RFC 7644 section 3.4.1.
    ///
    /// # Errors
    ///
    /// 404.
    pub async fn get_user(&self, caller: &Caller, id: &str, projection: &Projection) -> Result<Answer, ServiceError> {
        let store = self.store(caller);
        let user = self.existing(&store, USER, id).await?;
        let groups = self.groups_of(&store, &user, projection).await?;
        Ok(self.user_answer(caller, user, &groups, projection))
    }

    /// RFC 7644 section 3.5.1. Without `active` the stored value stays: a body that does not speak of access changes
    /// none.
    ///
    /// # Errors
    ///
    /// 400 for the body, 404, 409 `uniqueness`, 412.
    pub async fn replace_user(
        &self,
        caller: &mut Caller,
        id: &str,
        body: Value,
        preconditions: &Preconditions,
        projection: &Projection,
    ) -> Result<Answer, ServiceError> {
        let kept = validation::accept(self.schema(USER), body, &mut caller.quirks)?;
        self.change_user(caller, id, "replace", preconditions, projection, |service, _, before| {
            let mut kept = kept.clone();
            if let (None, Some(active)) = (kept.get("active"), before.get("active")) {
                kept.insert("active".into(), active.clone());
            }
            rules::keep_immutable(service.schema(USER), before, &mut kept);
            Ok(validation::settle(service.schema(USER), kept)?)
        })
        .await
    }

    /// RFC 7644 section 3.5.2.
    ///
    /// # Errors
    ///
    /// 400 for the body, 404, 409 `uniqueness`, 412.
    pub async fn patch_user(
        &self,
        caller: &mut Caller,
        id: &str,
        body: &Value,
        preconditions: &Preconditions,
        projection: &Projection,
    ) -> Result<Answer, ServiceError> {
        let operations = patch::parse(self.schema(USER), body, &mut caller.quirks)?;
        self.change_user(caller, id, "patch", preconditions, projection, |service, caller, before| {
            Ok(patch::apply(service.schema(USER), before, &operations, &mut caller.quirks)?)
        })
        .await
    }

    /// Reads, lets `next` decide, and writes if something changed.
    async fn change_user(
        &self,
        caller: &mut Caller,
        id: &str,
        operation: &'static str,
        preconditions: &Preconditions,
        projection: &Projection,
        next: impl Fn(&Self, &mut Caller, &Object) -> Result<Object, ServiceError>,
    ) -> Result<Answer, ServiceError> {
        let schema = self.schema(USER);
        let store = self.store(caller);
        let mut retry = Retry::until(caller.deadline);
        let mut loss = Loss::default();
        loop {
            let attempt: Result<_, AttemptError> = async {
                let before = self.existing(&store, USER, id).await?;
                preconditions.check(&before.meta)?;
                let kept = next(self, caller, &before.kept)?;
                rules::check(schema, &before.kept, &kept)?;
                if kept == before.kept {
                    let groups = self.groups_of(&store, &before, projection).await?;
                    return Ok(self.user_answer(caller, before, &groups, projection));
                }
                self.guard_change(&before)?;
                if is_active(&before.kept) && !is_active(&kept) {
                    self.admit(&store, caller, &mut loss, Lost::user()).await?;
                }
                let mut after = changed(&before, kept);
                after.is_unmanaged &= self.settings.guards.is_none();
                let difference = Difference::between(&before.kept, &after.kept);
                let (meta, at) = (&after.meta, &after.meta.last_modified);
                let mut record = difference.record(operation, meta, caller, at, self.expiry());
                store.stage_change(&mut record).await?;
                let mut transaction = store.transaction();
                transaction.rewrite(
                    &before,
                    &after,
                    &index::values(schema, &before.kept),
                    &index::values(schema, &after.kept),
                    &[],
                );
                transaction.log(&record);
                let (written, groups) =
                    futures_util::future::join(transaction.commit(), self.groups_of(&store, &before, projection)).await;
                written?;
                Ok(self.user_answer(caller, after, &groups?, projection))
            }
            .await;
            if let Some(done) = retry.settled(attempt).await? {
                return Ok(done);
            }
        }
    }

    /// RFC 7644 section 3.6: the user, its keys and its memberships in one transaction.
    ///
    /// # Errors
    ///
    /// 404, 412; 413 for a user in more groups than a transaction holds.
    pub async fn delete_user(
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
                let user = self.existing(&store, USER, id).await?;
                preconditions.check(&user.meta)?;
                self.guard_deletion(&user)?;
                self.admit(&store, caller, &mut loss, Lost::deleted_user()).await?;
                self.delete_member(&store, caller, &user, &mut staging).await
            }
            .await;
            match retry.settled(attempt).await {
                Ok(None) => {}
                Ok(Some(())) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.end_redo(&store, caller, staging).await;
        deleted
    }

    /// Deletes a resource and takes it out of the groups it is a member of: in one transaction, or by a redo if these
    /// are too many.
    pub(super) async fn delete_member(
        &self,
        store: &TenantStore,
        caller: &Caller,
        stored: &Stored,
        staging: &mut Staging,
    ) -> Result<(), AttemptError> {
        let meta = &stored.meta;
        let Ties { groups, to_kill } = self.ties(store, stored, caller.deadline).await?;
        let at = now_after(groups.iter().chain([stored]));
        let left: Vec<String> = groups.iter().map(|group| group.meta.id.clone()).collect();
        let members = match stored.member_count {
            0 => Vec::new(),
            few if few <= MAX_MEMBER_CHANGES as u64 => store.members(stored).await?,
            _ => Vec::new(),
        };
        let mut before = stored.kept.clone();
        if members.is_empty() && stored.member_count > 0 {
            before.insert(MEMBERS_OMITTED.into(), stored.member_count.into());
        }
        let nothing = Object::new();
        let difference = Difference::between(&before, &nothing)
            .with_groups_left(&left)
            .with_members(members.iter().map(entry_of).collect(), Vec::new());
        let expires_at = self.expiry();
        let mut record = difference.record("delete", meta, caller, &at, expires_at);
        store.stage_change(&mut record).await?;
        let removal = || {
            let mut transaction = store.transaction();
            transaction.delete_resource(stored, &index::values(self.schema(meta.resource_type), &stored.kept), &record);
            to_kill.iter().for_each(|redo| transaction.kill_redo(redo));
            transaction.log(&record);
            transaction
        };
        let mut transaction = removal();
        if groups.is_empty() || transaction.actions() + ACTIONS_TO_LEAVE * groups.len() <= MAX_ACTIONS {
            for group in &groups {
                let removal = MemberChange::Remove { id: meta.id.clone(), resource_type: meta.resource_type };
                transaction.change_member(&group.meta.id, &removal, &at);
                transaction.touch_group(&GroupTouch {
                    id: &group.meta.id,
                    delta: -1,
                    groups_delta: -i64::from(meta.resource_type == ResourceType::Group),
                    at: Some(&at),
                    changes: std::slice::from_ref(&removal),
                    version: None,
                    intent: group.marks.intent.as_deref(),
                });
            }
        } else {
            let redo = self.stage_leave(store, staging, &meta.id, &left, &at, caller.deadline).await?;
            transaction = removal();
            transaction.commit_redo(&redo, &at);
        }
        Ok(transaction.commit().await?)
    }

    /// What ties a resource to groups. What the intents of these say of it is applied first.
    async fn ties(&self, store: &TenantStore, stored: &Stored, deadline: Instant) -> Result<Ties, AttemptError> {
        if stored.joins == 0 {
            return Ok(Ties::default());
        }
        let id = &stored.meta.id;
        let tied = store.tied_groups(stored).await?;
        let only = BTreeSet::from([id.clone()]);
        for Tied { group, .. } in &tied {
            if self.settle(store, group, &only, deadline).await? {
                return Err(AttemptError::Moved);
            }
        }
        let staged = stored.marks.joining.iter().map(|mark| Redo {
            kind: Kind::Members,
            subject: mark.subject.clone(),
            id: mark.redo.clone(),
        });
        let states = store.redo_states(&staged.collect()).await?;
        let exists = |group_id: &String| tied.iter().any(|tied| tied.group.meta.id == *group_id);
        if states.iter().any(|(redo, state)| *state == State::Committed && exists(&redo.subject)) {
            // Committed since the group was read, or applied since this resource was.
            return Err(AttemptError::Moved);
        }
        let is_staged = |(_, state): &(Redo, State)| *state == State::Staged;
        let to_kill = states.into_iter().filter(is_staged).map(|(redo, _)| redo).collect();
        let groups = tied.into_iter().filter(|tied| tied.is_mirrored).map(|tied| tied.group).collect();
        Ok(Ties { groups, to_kill })
    }

    /// The groups of a user, by name, if the answer shows them. Mirrors of groups that are gone show nowhere.
    pub(super) async fn groups_of(
        &self,
        store: &TenantStore,
        user: &Stored,
        projection: &Projection,
    ) -> Result<Vec<GroupOfUser>, StoreError> {
        Ok(self.groups_of_each(store, &[user], projection).await?.pop().unwrap_or_default())
    }

    /// The same for each of some users, with one read of the groups of all.
    pub(super) async fn groups_of_each(
        &self,
        store: &TenantStore,
        users: &[&Stored],
        projection: &Projection,
    ) -> Result<Vec<Vec<GroupOfUser>>, StoreError> {
        if !projection.shows("groups") || users.iter().all(|user| user.joins == 0) {
            return Ok(vec![Vec::new(); users.len()]);
        }
        let groups = store.groups_of_each(users).await?;
        Ok(groups.iter().map(|groups| groups.iter().map(group_of_user).collect()).collect())
    }

    pub(super) fn user_answer(
        &self,
        caller: &Caller,
        user: Stored,
        groups: &[GroupOfUser],
        projection: &Projection,
    ) -> Answer {
        let groups = representation::groups(&caller.base_url, groups);
        let resource = representation::represent(&caller.base_url, &user.meta, user.kept, Some(("groups", groups)));
        Answer { meta: user.meta, resource: Shown::new(resource, projection, self.schema(USER)) }
    }
}

/// What ties a resource to groups.
#[derive(Debug, Default)]
pub(super) struct Ties {
    /// Those that it is a member of.
    groups: Vec<Stored>,
    /// The redos that would add it to others, and that must not.
    to_kill: Vec<Redo>,
}

/// How a user's `groups` show a group.
pub(super) fn group_of_user(group: &Stored) -> GroupOfUser {
    let display = group.kept.get("displayName").and_then(Value::as_str).unwrap_or_default();
    GroupOfUser { id: group.meta.id.clone(), display: display.to_owned() }
}
