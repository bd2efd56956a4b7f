//! What was: a resource, and the members of a group, as they were at a time, from what the change log says of every
//! change since. And back to it.

use super::change::Difference;
use super::write::{created, date, later_than};
use super::{Caller, Preconditions, Service, ServiceError};
use crate::protocol::error::ScimError;
use crate::protocol::index;
use crate::protocol::projection::Projection;
use crate::protocol::schema::ResourceType;
use crate::protocol::{Object, members, validation};
use crate::store::log::Record;
use crate::store::{CommitError, TenantStore};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// The operation of what is restored, in the change log.
const RESTORE: &str = "restore";
/// On the record of a deleted group that had more members than it names: how many.
pub(super) const MEMBERS_OMITTED: &str = "membersOmitted";
/// Members that are added to a group that is created again in one change.
const MEMBERS_AT_ONCE: usize = 1_000;

/// What a resource was at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// Its attributes; none when it was not there.
    pub kept: Option<Object>,
    /// Of a group its members, of what is deleted now the groups that it was in: as the log names them, by id.
    pub related: BTreeMap<String, Value>,
    /// Whether it is there now.
    pub is_there: bool,
    /// Changes of it since.
    pub changes: usize,
    /// Whether the log says who its members were: not of a deleted group of more than 100,000.
    pub knows_members: bool,
}

/// What was brought back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// Whether it had to be created again.
    pub is_created: bool,
    /// Memberships that are there again, or were there still.
    pub memberships: usize,
    /// Members, or groups, that are gone themselves.
    pub gone: usize,
}

impl Service {
    /// What a resource was at `at` (RFC 3339): what it is now, with the changes since undone, from the last to the first.
    ///
    /// # Errors
    ///
    /// What the table said.
    pub async fn past(
        &self,
        caller: &Caller,
        resource_type: ResourceType,
        id: &str,
        at: &str,
    ) -> Result<Past, ServiceError> {
        let store = self.store(caller);
        let mut since: Vec<Record> = Vec::new();
        // A minute more: the clocks of writers differ, and what is under way is recorded in a moment.
        let until = format!("{:.3}", crate::ambient::now() + jiff::SignedDuration::from_secs(60));
        let name = resource_type.name();
        store
            .records(at, &until, |record| {
                let is_of_it = record.resource_type == name && record.resource_id == id;
                let is_member_gone = record.operation == "delete" && left(&record, id).is_some();
                if record.at.as_str() > at && (is_of_it || is_member_gone) {
                    since.push(record);
                }
                ControlFlow::Continue(())
            })
            .await?;
        let current = store.resource(resource_type, id).await?;
        let mut past =
            Past { is_there: current.is_some(), related: BTreeMap::new(), kept: None, changes: 0, knows_members: true };
        if let Some(current) = current {
            if resource_type == ResourceType::Group && current.member_count > 0 {
                let found = store.members(&current).await?;
                let entries = found.iter().map(|member| (member.id.clone(), super::change::entry_of(member)));
                past.related = entries.collect();
            }
            past.kept = Some(current.kept);
        }
        for record in since.iter().rev() {
            past.undo(record, id);
        }
        Ok(past)
    }

    /// Brings a resource back to what it was: its attributes; with `members` the members of a group too. What was deleted
    /// is created again with its id, with its members, or in the groups that it was in.
    ///
    /// # Errors
    ///
    /// 404 when there was none, 409 when another resource has taken its name, and what a change can end in.
    pub async fn restore(
        &self,
        caller: &mut Caller,
        resource_type: ResourceType,
        id: &str,
        past: &Past,
        members: bool,
    ) -> Result<Restored, ServiceError> {
        let missing = || ScimError::not_found(resource_type.name(), id);
        let kept = past.kept.clone().ok_or_else(missing)?;
        caller.operation = Some(RESTORE);
        let store = self.store(caller);
        let mut restored = Restored { is_created: !past.is_there, ..Restored::default() };
        let is_group = resource_type == ResourceType::Group;
        if past.is_there {
            let mut body = kept;
            body.insert("schemas".into(), json!([self.schema(resource_type).core.id]));
            if !is_group {
                self.replace_user(caller, id, Value::Object(body), &Preconditions::default(), &Projection::default())
                    .await?;
                return Ok(restored);
            }
            let now = store.resource(resource_type, id).await?.ok_or_else(missing)?;
            let wanted = if members {
                let known = self.known(&store, past, &mut restored).await?;
                restored.memberships = known.len();
                known
            } else {
                store.members(&now).await?.iter().map(super::change::entry_of).collect()
            };
            body.insert(members::MEMBERS.into(), Value::Array(wanted));
            self.replace_group(caller, id, Value::Object(body), &Preconditions::default(), &Projection::default())
                .await?;
            return Ok(restored);
        }
        self.create_again(&store, caller, resource_type, id, kept).await?;
        if is_group {
            let known = self.known(&store, past, &mut restored).await?;
            for some in known.chunks(MEMBERS_AT_ONCE) {
                self.add_members(caller, id, some.to_vec()).await?;
                restored.memberships += some.len();
            }
            return Ok(restored);
        }
        for group in past.related.keys() {
            if store.resource(ResourceType::Group, group).await?.is_none() {
                restored.gone += 1;
                continue;
            }
            self.add_members(caller, group, vec![json!({ "value": id })]).await?;
            restored.memberships += 1;
        }
        Ok(restored)
    }

    /// The members that exist.
    async fn known(
        &self,
        store: &TenantStore,
        past: &Past,
        restored: &mut Restored,
    ) -> Result<Vec<Value>, ServiceError> {
        let key = |(id, entry): (&String, &Value)| {
            let is_group = entry["type"] == ResourceType::Group.name();
            (if is_group { ResourceType::Group } else { ResourceType::User }, id.clone())
        };
        let existing = store.existing(&past.related.iter().map(key).collect()).await?;
        restored.gone += past.related.len() - existing.len();
        let there = past.related.iter().filter(|member| existing.contains(&key(*member)));
        Ok(there.map(|(_, entry)| entry.clone()).collect())
    }

    async fn add_members(&self, caller: &mut Caller, group: &str, added: Vec<Value>) -> Result<(), ServiceError> {
        let body = json!({
            "Operations": [{ "op": "add", "path": members::MEMBERS, "value": added }],
        });
        self.patch_group(caller, group, &body, &Preconditions::default(), &Projection::default()).await.map(|_| ())
    }

    async fn create_again(
        &self,
        store: &TenantStore,
        caller: &Caller,
        resource_type: ResourceType,
        id: &str,
        kept: Object,
    ) -> Result<(), ServiceError> {
        let kept = validation::settle(self.schema(resource_type), kept)?;
        let mut stored = created(resource_type, kept);
        id.clone_into(&mut stored.meta.id);
        let tombstone = store.tombstone(resource_type, id).await?;
        // Further than any version that somebody knows.
        stored.meta.version = tombstone.as_ref().map_or(1, |tombstone| tombstone.version + 1);
        date(&mut stored.meta, later_than(tombstone.as_ref().and_then(|tombstone| tombstone.deleted.parse().ok())));
        let indexed = index::values(self.schema(resource_type), &stored.kept);
        let nothing = Object::new();
        let difference = Difference::between(&nothing, &stored.kept);
        let mut record = difference.record(RESTORE, &stored.meta, caller, &stored.meta.created, self.expiry());
        store.stage_change(&mut record).await?;
        let mut transaction = store.transaction();
        transaction.create(&stored, &indexed);
        if tombstone.is_some() {
            transaction.unbury(resource_type, id);
        }
        transaction.log(&record);
        match transaction.commit().await {
            Ok(()) => Ok(()),
            Err(CommitError::Taken { attribute, holder }) => {
                let (attribute, holder) =
                    (attribute.rsplit('.').next().unwrap_or_default(), holder.unwrap_or_default());
                let detail = format!(
                    "{} '{holder}' has taken the '{attribute}' of '{id}'. Give it another one, or delete it, and restore again.",
                    resource_type.name()
                );
                Err(ScimError::uniqueness(detail).into())
            }
            Err(error) => Err(super::redo::failed(error)),
        }
    }
}

/// How a record of what was deleted names the group with this id among those that it was in.
fn left<'r>(record: &'r Record, group: &str) -> Option<&'r Value> {
    record.changes["before"]["groups"].as_array()?.iter().find(|entry| entry["value"] == group)
}

impl Past {
    /// What was before a change of the resource with this id.
    fn undo(&mut self, record: &Record, id: &str) {
        if record.resource_id != id {
            // A member that was deleted.
            let mut entry = json!({ "value": record.resource_id });
            if record.resource_type != ResourceType::User.name() {
                entry["type"] = record.resource_type.clone().into();
            }
            self.related.insert(record.resource_id.clone(), entry);
            return;
        }
        self.changes += 1;
        let side = |name: &str| record.changes[name].as_object().cloned().unwrap_or_default();
        let (mut before, mut after) = (side("before"), side("after"));
        let entries = |side: &mut Object, name: &str| -> BTreeMap<String, Value> {
            let list = side.remove(name).and_then(|list| list.as_array().cloned()).unwrap_or_default();
            list.into_iter().filter_map(|entry| Some((entry["value"].as_str()?.to_owned(), entry))).collect()
        };
        let is_group = record.resource_type == ResourceType::Group.name();
        if record.operation == "delete" {
            let groups = entries(&mut before, "groups");
            let members = if is_group { entries(&mut before, members::MEMBERS) } else { BTreeMap::new() };
            self.related = if is_group { members } else { groups };
            self.knows_members = before.remove(MEMBERS_OMITTED).is_none();
            self.kept = Some(before);
            return;
        }
        if is_group {
            let (was, came) = (entries(&mut before, members::MEMBERS), entries(&mut after, members::MEMBERS));
            self.related.retain(|id, _| !came.contains_key(id));
            self.related.extend(was);
        }
        let is_creation = record.operation == "create"
            || (record.operation == RESTORE && before.is_empty() && after.contains_key(name_of(is_group)));
        if is_creation {
            self.kept = None;
            self.related.clear();
            return;
        }
        let kept = self.kept.get_or_insert_default();
        for name in after.keys() {
            kept.remove(name);
        }
        kept.extend(before);
    }
}

/// The attribute that every resource of a type has from its creation on.
fn name_of(is_group: bool) -> &'static str {
    if is_group { "displayName" } else { "userName" }
}
