//! What an identity provider may not do, whatever its token allows: change the accounts that let an administrator back
//! in, and those that are the application's own.

use super::{Service, ServiceError};
use crate::config::Guards;
use crate::protocol::Object;
use crate::protocol::case::fold;
use crate::protocol::error::ScimError;
use crate::protocol::index::IndexedValue;
use crate::protocol::schema::ResourceType;
use crate::store::reads::Batch;
use crate::store::{StoreError, Stored, TenantStore};
use futures_util::future::try_join_all;
use serde_json::Value;
use std::collections::BTreeSet;

/// Whether a user has access: unless `active` is false.
pub(super) fn is_active(user: &Object) -> bool {
    user.get("active") != Some(&Value::Bool(false))
}

fn protected(id: &str, what: &str) -> ServiceError {
    let detail = format!(
        "User '{id}' is protected (SCIM_PROTECTED_USERS): provisioning {what}. Take the account out of what is \
         provisioned, or off that list."
    );
    ScimError::new(403, detail).into()
}

impl Service {
    pub(super) fn guards(&self) -> Option<&Guards> {
        self.settings.guards.as_ref()
    }

    /// Whether nothing may change this user.
    pub(super) fn is_protected(&self, user: &Stored) -> bool {
        let name = user.kept.get("userName").and_then(Value::as_str);
        let names = self.guards().map(|guards| &guards.protected_users).filter(|names| !names.is_empty());
        names.zip(name).is_some_and(|(names, name)| names.contains(&fold(name)))
    }

    /// Refuses a change of a user that only an administrator makes.
    pub(super) fn guard_change(&self, user: &Stored) -> Result<(), ServiceError> {
        let Some(guards) = self.guards() else { return Ok(()) };
        if self.is_protected(user) {
            return Err(protected(&user.meta.id, "reads it and never changes it"));
        }
        if user.is_unmanaged && !guards.adopt_existing {
            return Err(self.unmanaged(user, "is not changed by provisioning"));
        }
        Ok(())
    }

    /// Refuses a deletion that only an administrator makes.
    pub(super) fn guard_deletion(&self, user: &Stored) -> Result<(), ServiceError> {
        if self.guards().is_none() {
            return Ok(());
        }
        if self.is_protected(user) {
            return Err(protected(&user.meta.id, "reads it and never deletes it"));
        }
        if user.is_unmanaged {
            return Err(self.unmanaged(user, "is not deleted by provisioning"));
        }
        Ok(())
    }

    fn unmanaged(&self, user: &Stored, what: &str) -> ServiceError {
        let detail = format!(
            "User '{}' is the application's own and {what}. With SCIM_ADOPT_EXISTING=true a POST of its userName, or a \
             lookup of it, puts it under the identity provider.",
            user.meta.id
        );
        ScimError::new(403, detail).into()
    }

    /// Refuses that protected users are taken out of a group.
    pub(super) async fn guard_removals(
        &self,
        store: &TenantStore,
        removed: &BTreeSet<&str>,
    ) -> Result<(), ServiceError> {
        let protected_ids = self.protected_ids(store).await?;
        match protected_ids.iter().find(|id| removed.contains(id.as_str())) {
            Some(id) => Err(protected(id, "takes it out of no group")),
            None => Ok(()),
        }
    }

    /// Refuses the deletion of a group that protected users are in.
    pub(super) async fn guard_members_of(&self, store: &TenantStore, group: &Stored) -> Result<(), ServiceError> {
        let protected_ids = self.protected_ids(store).await?;
        if protected_ids.is_empty() {
            return Ok(());
        }
        let group_id = &group.meta.id;
        let batch = Batch {
            resources: BTreeSet::from([(ResourceType::Group, group_id.clone())]),
            memberships: protected_ids.into_iter().map(|id| (group_id.clone(), id)).collect(),
            ..Batch::default()
        };
        match store.batch(&batch).await?.memberships.into_keys().next() {
            Some((_, id)) => Err(protected(&id, "takes it out of no group, and deletes none that it is in")),
            None => Ok(()),
        }
    }

    async fn protected_ids(&self, store: &TenantStore) -> Result<Vec<String>, StoreError> {
        let Some(guards) = self.guards() else { return Ok(Vec::new()) };
        let values: Vec<IndexedValue> = guards
            .protected_users
            .iter()
            .map(|name| IndexedValue { attribute: "User.userName".into(), value: name.clone(), is_unique: true })
            .collect();
        Ok(try_join_all(values.iter().map(|value| store.holders(value))).await?.concat())
    }
}
