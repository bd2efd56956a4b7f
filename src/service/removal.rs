//! The escape hatch: everything that identity providers have put into a tenant is taken out again.

use super::guards::is_active;
use super::{Caller, Preconditions, Service, ServiceError};
use crate::config::Guards;
use crate::protocol::case::fold;
use crate::protocol::schema::ResourceType;
use crate::store::Stored;
use serde_json::{Value, json};

/// Resources that are read at a time.
const AT_ONCE: usize = 500;

/// A resource that may be deleted, or the reason why it stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It came from an identity provider.
    Goes,
    /// It is the application's own.
    IsUnmanaged,
    /// `SCIM_PROTECTED_USERS` names it.
    IsProtected,
}

/// A resource, as far as its deletion needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: String,
    /// Whether it goes.
    pub verdict: Verdict,
    /// Whether it is a user with access.
    pub is_active: bool,
}

impl Service {
    /// The next resources of a type after an id, in the order of their ids; none at the end.
    ///
    /// # Errors
    ///
    /// What the table said.
    pub async fn candidates(
        &self,
        caller: &Caller,
        resource_type: ResourceType,
        after: Option<&str>,
        guards: &Guards,
    ) -> Result<Vec<Candidate>, ServiceError> {
        // `!` sorts right after the id itself.
        let from = after.map(|id| format!("{id}!")).unwrap_or_default();
        let page = self.store(caller).page(resource_type, &from, 0, AT_ONCE).await?;
        Ok(page.iter().map(|stored| candidate(stored, guards)).collect())
    }

    /// Deletes one of them, as a DELETE does. That it is gone already is fine.
    ///
    /// # Errors
    ///
    /// What a deletion can end in.
    pub async fn remove(&self, caller: &mut Caller, resource_type: ResourceType, id: &str) -> Result<(), ServiceError> {
        let done = match resource_type {
            ResourceType::User => self.delete_user(caller, id, &Preconditions::default()).await,
            ResourceType::Group => self.delete_group(caller, id, &Preconditions::default()).await,
        };
        match done {
            Err(ServiceError::Scim(error)) if error.status == 404 => Ok(()),
            other => other,
        }
    }

    /// Records how many were deleted and how many could not be.
    ///
    /// # Errors
    ///
    /// What the table said.
    pub async fn record_removal(
        &self,
        caller: &Caller,
        resource_type: ResourceType,
        deleted: u64,
        left: u64,
    ) -> Result<(), ServiceError> {
        let summary = json!({ "resourceType": resource_type.name(), "deleted": deleted, "left": left });
        let store = self.store(caller);
        let mut transaction = store.transaction();
        transaction.log(&self.record_of_tenant(caller, "delete all", &summary));
        transaction.commit().await.map_err(super::redo::failed)
    }
}

fn candidate(stored: &Stored, guards: &Guards) -> Candidate {
    let is_user = stored.meta.resource_type == ResourceType::User;
    let name = stored.kept.get("userName").and_then(Value::as_str).filter(|_| is_user);
    let verdict = if stored.is_unmanaged {
        Verdict::IsUnmanaged
    } else if name.is_some_and(|name| guards.protected_users.contains(&fold(name))) {
        Verdict::IsProtected
    } else {
        Verdict::Goes
    };
    Candidate { id: stored.meta.id.clone(), verdict, is_active: is_user && is_active(&stored.kept) }
}
