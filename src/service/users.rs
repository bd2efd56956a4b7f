//! Users: create, get, replace, patch, delete.

use super::change::Difference;
use super::error::AttemptError;
use super::write::{Retry, changed, created, now};
use super::{Answer, Caller, Preconditions, Service, ServiceError};
use crate::protocol::change as rules;
use crate::protocol::index;
use crate::protocol::projection::Projection;
use crate::protocol::representation::{self, GroupOfUser};
use crate::protocol::schema::ResourceType;
use crate::protocol::{Object, patch, validation};
use crate::store::reads::Batch;
use crate::store::transaction::GroupTouch;
use crate::store::{StoreError, Stored, TenantStore};
use serde_json::Value;

const USER: ResourceType = ResourceType::User;

impl Service {
    /// RFC 7644 section 3.3. `active` is true unless the client says otherwise.
    ///
    /// # Errors
    ///
    /// 400 for the body, 409 `uniqueness` for a userName in use.
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
        let user = created(USER, kept);
        let indexed = index::values(schema, &user.kept);
        let store = self.store(caller);
        let mut retry = Retry::until(caller.deadline);
        loop {
            let attempt: Result<_, AttemptError> = async {
                let mut transaction = store.transaction();
                transaction.create(&user, &indexed);
                transaction.log(&Difference::between(&Object::new(), &user.kept).record(
                    "create",
                    &user.meta,
                    caller,
                    &user.meta.created,
                ));
                Ok(transaction.commit().await?)
            }
            .await;
            if retry.settled(attempt).await?.is_some() {
                return Ok(self.user_answer(caller, &user, &[], projection));
            }
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
        Ok(self.user_answer(caller, &user, &groups, projection))
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
        loop {
            let attempt: Result<_, AttemptError> = async {
                let before = self.existing(&store, USER, id).await?;
                preconditions.check(&before.meta)?;
                let kept = next(self, caller, &before.kept)?;
                rules::check(schema, &before.kept, &kept)?;
                if kept == before.kept {
                    let groups = self.groups_of(&store, &before, projection).await?;
                    return Ok(self.user_answer(caller, &before, &groups, projection));
                }
                let after = changed(&before, kept);
                let mut transaction = store.transaction();
                transaction.rewrite(
                    &before,
                    &after,
                    &index::values(schema, &before.kept),
                    &index::values(schema, &after.kept),
                );
                let difference = Difference::between(&before.kept, &after.kept);
                transaction.log(&difference.record(operation, &after.meta, caller, &after.meta.last_modified));
                let (written, groups) =
                    futures_util::future::join(transaction.commit(), self.groups_of(&store, &before, projection)).await;
                written?;
                Ok(self.user_answer(caller, &after, &groups?, projection))
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
        let mut retry = Retry::until(caller.deadline);
        loop {
            let attempt: Result<_, AttemptError> = async {
                let user = self.existing(&store, USER, id).await?;
                preconditions.check(&user.meta)?;
                self.delete_with_memberships(&store, caller, &user).await
            }
            .await;
            if let Some(done) = retry.settled(attempt).await? {
                return Ok(done);
            }
        }
    }

    /// Deletes a resource and takes it out of the groups it is a member of.
    pub(super) async fn delete_with_memberships(
        &self,
        store: &TenantStore,
        caller: &Caller,
        stored: &Stored,
    ) -> Result<(), AttemptError> {
        let meta = &stored.meta;
        let mirrors = if stored.joins == 0 { Vec::new() } else { store.groups_of(&meta.id).await? };
        let groups = Batch {
            resources: mirrors.iter().map(|mirror| (ResourceType::Group, mirror.id.clone())).collect(),
            ..Batch::default()
        };
        let existing =
            if mirrors.is_empty() { Vec::new() } else { store.batch(&groups).await?.resources.into_keys().collect() };
        let at = now();
        let mut transaction = store.transaction();
        transaction.delete_resource(stored, &index::values(self.schema(meta.resource_type), &stored.kept), &at);
        let left: Vec<String> = existing.into_iter().map(|(_, group)| group).collect();
        for group in &left {
            transaction.remove_member(group, &meta.id);
            transaction.touch_group(&GroupTouch { id: group, delta: -1, at: &at, version: None });
        }
        let difference = Difference::between(&stored.kept, &Object::new()).with_ids("groups", &left, &[]);
        transaction.log(&difference.record("delete", meta, caller, &at));
        Ok(transaction.commit().await?)
    }

    /// The groups of a user, by name, if the answer shows them. Mirrors of groups that are gone show nowhere.
    pub(super) async fn groups_of(
        &self,
        store: &TenantStore,
        user: &Stored,
        projection: &Projection,
    ) -> Result<Vec<GroupOfUser>, StoreError> {
        if user.joins == 0 || !projection.shows("groups") {
            return Ok(Vec::new());
        }
        let mirrors = store.groups_of(&user.meta.id).await?;
        let wanted = Batch {
            resources: mirrors.into_iter().map(|mirror| (ResourceType::Group, mirror.id)).collect(),
            ..Batch::default()
        };
        let found = store.batch(&wanted).await?;
        Ok(found.resources.into_values().map(|group| group_of_user(&group)).collect())
    }

    pub(super) fn user_answer(
        &self,
        caller: &Caller,
        user: &Stored,
        groups: &[GroupOfUser],
        projection: &Projection,
    ) -> Answer {
        let groups = representation::groups(&caller.base_url, groups);
        let resource = representation::represent(&caller.base_url, &user.meta, &user.kept, Some(("groups", groups)));
        self.answer(user.meta.clone(), resource, projection)
    }
}

/// How a user's `groups` show a group.
pub(super) fn group_of_user(group: &Stored) -> GroupOfUser {
    let display = group.kept.get("displayName").and_then(Value::as_str).unwrap_or_default();
    GroupOfUser { id: group.meta.id.clone(), display: display.to_owned() }
}
