//! A POST with the userName of somebody who is there: of a user of the application's own, or of one who is not active.

use super::change::Difference;
use super::error::AttemptError;
use super::guards::is_active;
use super::write::changed;
use super::{Answer, Caller, Service, ServiceError};
use crate::config::Reprovision;
use crate::protocol::change as rules;
use crate::protocol::error::ScimError;
use crate::protocol::filter::Filter;
use crate::protocol::index::{self, IndexedValue, Lookup};
use crate::protocol::projection::Projection;
use crate::protocol::schema::ResourceType;
use crate::protocol::{Object, validation};
use crate::store::{CommitError, Stored, TenantStore};
use std::collections::BTreeSet;

const USER: ResourceType = ResourceType::User;
/// The unique attribute of a user, as the table names it.
const USER_NAME: &str = "User.userName";

impl Service {
    /// What becomes of the creation of `user` while the user with the id `holder` has its userName.
    pub(super) async fn instead_of(
        &self,
        store: &TenantStore,
        caller: &mut Caller,
        holder: &str,
        user: &Stored,
        projection: &Projection,
    ) -> Result<Answer, AttemptError> {
        // Deleted since: the name may be free now.
        let held = store.resource(USER, holder).await?.ok_or(AttemptError::Moved)?;
        let taken = |why: &str| {
            let detail =
                format!("Another User '{holder}' has this 'userName'. It must be unique, in any case of letters.{why}");
            Err(AttemptError::from(ScimError::uniqueness(detail)))
        };
        let Some(guards) = self.guards() else { return taken("") };
        if self.is_protected(&held) {
            return taken(" It is protected (SCIM_PROTECTED_USERS): provisioning reads it and never changes it.");
        }
        if held.is_unmanaged {
            if !guards.adopt_existing {
                return taken(
                    " It is the application's own. With SCIM_ADOPT_EXISTING=true provisioning takes it over.",
                );
            }
            return self.take_over(store, caller, "adopt", &held, user, projection).await;
        }
        if is_active(&held.kept) {
            return taken("");
        }
        match guards.reprovision {
            Reprovision::Refuse => taken(
                " It is not active: set its 'active' to true, or see SCIM_REPROVISION for what else a POST can do.",
            ),
            Reprovision::Revive => self.take_over(store, caller, "revive", &held, user, projection).await,
            Reprovision::New => self.create_beside(store, caller, &held, user, projection).await,
        }
    }

    /// `held` becomes what the client describes, and keeps its id.
    async fn take_over(
        &self,
        store: &TenantStore,
        caller: &mut Caller,
        operation: &'static str,
        held: &Stored,
        user: &Stored,
        projection: &Projection,
    ) -> Result<Answer, AttemptError> {
        let schema = self.schema(USER);
        let mut kept = user.kept.clone();
        rules::keep_immutable(schema, &held.kept, &mut kept);
        let kept = validation::settle(schema, kept)?;
        rules::check(schema, &held.kept, &kept)?;
        let mut after = changed(held, kept);
        after.is_unmanaged = false;
        let (meta, at) = (&after.meta, &after.meta.last_modified);
        let difference = Difference::between(&held.kept, &after.kept);
        let mut record = difference.record(operation, meta, caller, at, self.expiry());
        store.stage_change(&mut record).await?;
        let mut transaction = store.transaction();
        let (indexed_before, indexed_after) = (index::values(schema, &held.kept), index::values(schema, &after.kept));
        transaction.rewrite(held, &after, &indexed_before, &indexed_after, &[]);
        transaction.log(&record);
        transaction.commit().await?;
        let groups = self.groups_of(store, &after, projection).await?;
        Ok(self.user_answer(caller, after, &groups, projection))
    }

    /// `user` is created, and `held`, who is not active, gets another userName: its own and its id.
    async fn create_beside(
        &self,
        store: &TenantStore,
        caller: &mut Caller,
        held: &Stored,
        user: &Stored,
        projection: &Projection,
    ) -> Result<Answer, AttemptError> {
        let schema = self.schema(USER);
        let mut kept = held.kept.clone();
        if let Some(name) = kept.get_mut("userName") {
            *name = format!("{}#{}", name.as_str().unwrap_or_default(), held.meta.id).into();
        }
        let freed = changed(held, kept);
        let indexed = index::values(schema, &user.kept);
        let is_name = |value: &&IndexedValue| value.attribute == USER_NAME;
        let Some(name) = indexed.iter().find(is_name) else { return Err(AttemptError::Moved) };
        let without = |indexed: BTreeSet<IndexedValue>| indexed.into_iter().filter(|value| value != name).collect();
        let at = &freed.meta.last_modified;
        let mut created = Difference::between(&Object::new(), &user.kept).record(
            "create",
            &user.meta,
            caller,
            &user.meta.created,
            self.expiry(),
        );
        let mut renamed =
            Difference::between(&held.kept, &freed.kept).record("rename", &freed.meta, caller, at, self.expiry());
        store.stage_change(&mut created).await?;
        store.stage_change(&mut renamed).await?;
        let mut transaction = store.transaction();
        let before: BTreeSet<IndexedValue> = without(index::values(schema, &held.kept));
        transaction.rewrite(held, &freed, &before, &index::values(schema, &freed.kept), &[]);
        transaction.create(user, &without(indexed.clone()));
        transaction.hand_over(name, &held.meta.id, &user.meta.id);
        transaction.log(&renamed);
        transaction.log(&created);
        transaction.commit().await?;
        Ok(self.user_answer(caller, user.clone(), &[], projection))
    }

    /// Takes over the user of the application's own that an identity provider looks up by userName, if that is what the
    /// settings say.
    ///
    /// # Errors
    ///
    /// What the table said.
    pub async fn adopt_looked_up(&self, caller: &mut Caller, filter: Option<&Filter>) -> Result<(), ServiceError> {
        let schema = self.schema(USER);
        let is_on = self.guards().is_some_and(|guards| guards.adopt_existing);
        let Some(filter) = filter.filter(|_| is_on) else { return Ok(()) };
        let Some(Lookup::Value(value)) = index::lookup(schema, filter) else { return Ok(()) };
        if value.attribute != USER_NAME {
            return Ok(());
        }
        let store = self.store(caller);
        for id in store.holders(&value).await? {
            let Some(user) = store.resource(USER, &id).await? else { continue };
            if !user.is_unmanaged || self.is_protected(&user) {
                continue;
            }
            let mut adopted = changed(&user, user.kept.clone());
            adopted.is_unmanaged = false;
            let indexed = index::values(schema, &user.kept);
            let (meta, at) = (&adopted.meta, &adopted.meta.last_modified);
            let record = Difference::default().record("adopt", meta, caller, at, self.expiry());
            let mut transaction = store.transaction();
            transaction.rewrite(&user, &adopted, &indexed, &indexed, &[]);
            transaction.log(&record);
            match transaction.commit().await {
                // Somebody else changed it, and has taken it over by that.
                Ok(()) | Err(CommitError::Moved) => {}
                Err(error) => return Err(super::redo::failed(error)),
            }
        }
        Ok(())
    }
}
