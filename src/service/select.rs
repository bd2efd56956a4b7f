//! Which resources satisfy a filter, and at what cost: the lookups of [`index`] where the filter allows one, else a walk
//! of the collection, up to a budget.

use super::query::together;
use super::users::group_of_user;
use super::{Caller, Service, ServiceError};
use crate::protocol::error::{ScimError, ScimType};
use crate::protocol::filter::Filter;
use crate::protocol::index::{self, Lookup, Related};
use crate::protocol::matching;
use crate::protocol::members::{MEMBERS, Membership};
use crate::protocol::projection::Projection;
use crate::protocol::representation::{self, GroupOfUser};
use crate::protocol::schema::ResourceType;
use crate::protocol::sort::{Sort, SortKey};
use crate::store::reads::{Batch, Found};
use crate::store::{Stored, TenantStore};
use futures_util::future::try_join_all;
use std::collections::BTreeSet;

/// A resource of a result, and what it is sorted by.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) stored: Stored,
    pub(super) key: Option<SortKey>,
}

impl Selected {
    pub(super) fn unsorted(stored: Stored) -> Self {
        Self { stored, key: None }
    }

    pub(super) fn sort_position(&self) -> (&SortKey, &str) {
        (self.key.as_ref().unwrap_or(&SortKey::Missing), &self.stored.meta.id)
    }
}

/// The name of the attribute that memberships make.
fn related_attribute(resource_type: ResourceType) -> &'static str {
    match resource_type {
        ResourceType::User => "groups",
        ResourceType::Group => MEMBERS,
    }
}

impl Service {
    /// Every resource of a type that satisfies `filter`, in the order of `sort`, or of the ids.
    ///
    /// # Errors
    ///
    /// 400 `tooMany` when more resources would have to be read than one query may.
    pub(super) async fn select(
        &self,
        store: &TenantStore,
        caller: &mut Caller,
        resource_type: ResourceType,
        filter: Option<&Filter>,
        sort: Option<&Sort>,
    ) -> Result<Vec<Selected>, ServiceError> {
        let schema = self.schema(resource_type);
        let found = match filter {
            Some(filter) => self.filtered(store, caller, resource_type, filter).await?,
            None => {
                let total = self.walk_budget(store, caller, resource_type).await?;
                store.collection(resource_type, total, |_| true).await?
            }
        };
        let mut selected: Vec<Selected> = found.into_iter().map(Selected::unsorted).collect();
        if let Some(sort) = sort {
            for selected in &mut selected {
                let Stored { meta, kept, .. } = &selected.stored;
                let resource = representation::represent(&caller.base_url, meta, kept.clone(), None);
                selected.key = Some(sort.key(&resource, schema));
            }
            selected.sort_by(|left, right| sort.compare(left.sort_position(), right.sort_position()));
        }
        Ok(selected)
    }

    /// How many resources a walk would read, if that is not too many.
    async fn walk_budget(
        &self,
        store: &TenantStore,
        caller: &mut Caller,
        resource_type: ResourceType,
    ) -> Result<u64, ServiceError> {
        caller.plan = Some("walk");
        let total = store.counters(resource_type).await?.total();
        self.check_budget(resource_type, total)?;
        Ok(total)
    }

    fn check_budget(&self, resource_type: ResourceType, needed: u64) -> Result<(), ServiceError> {
        if needed <= self.settings.max_walk {
            return Ok(());
        }
        let indexed = match resource_type {
            ResourceType::User => "userName, externalId or emails.value",
            ResourceType::Group => "displayName, externalId or members.value",
        };
        Err(ScimError::bad_request(
            ScimType::TooMany,
            format!(
                "The query would read {needed} resources; one query may read {}. Compare id, {indexed} with eq, or list \
                 without filter and sort.",
                self.settings.max_walk
            ),
        )
        .into())
    }

    async fn filtered(
        &self,
        store: &TenantStore,
        caller: &mut Caller,
        resource_type: ResourceType,
        filter: &Filter,
    ) -> Result<Vec<Stored>, ServiceError> {
        let schema = self.schema(resource_type);
        let related = index::related(filter, related_attribute(resource_type));
        let Some(lookup) = index::lookup(schema, filter) else {
            return self.filter_collection(store, caller, resource_type, filter, &related).await;
        };
        caller.plan = Some(if matches!(lookup, Lookup::Id(_)) { "point" } else { "lookup" });
        let ids: BTreeSet<String> = match lookup {
            Lookup::Id(id) => BTreeSet::from([id]),
            Lookup::Value(value) => store.holders(&value).await?.into_iter().collect(),
            Lookup::GroupsOfMember(id) => {
                store.groups_of_id(&id).await?.into_iter().map(|group| group.meta.id).collect()
            }
            Lookup::MembersOfGroup(id) => match store.resource(ResourceType::Group, &id).await? {
                Some(group) => store.members(&group).await?.into_iter().map(|member| member.id).collect(),
                None => BTreeSet::new(),
            },
        };
        self.check_budget(resource_type, ids.len() as u64)?;
        let mut batch =
            Batch { resources: ids.iter().map(|id| (resource_type, id.clone())).collect(), ..Batch::default() };
        if let Related::Ids(others) = &related {
            add_memberships(&mut batch, resource_type, &ids, others);
        }
        let mut found = store.batch(&batch).await?;
        let candidates: Vec<Stored> =
            ids.into_iter().filter_map(|id| found.resources.remove(&(resource_type, id))).collect();
        match &related {
            Related::Everything => self.filter_with_all_related(store, caller, candidates, filter).await,
            Related::Nothing | Related::Ids(_) => Ok(candidates
                .into_iter()
                .filter(|stored| {
                    let known = known_related(&caller.base_url, stored, &related, &found);
                    let resource =
                        representation::represent(&caller.base_url, &stored.meta, stored.kept.clone(), known);
                    matching::matches(filter, &resource, schema)
                })
                .collect()),
        }
    }

    /// The filter evaluated on every resource of the type.
    async fn filter_collection(
        &self,
        store: &TenantStore,
        caller: &mut Caller,
        resource_type: ResourceType,
        filter: &Filter,
        related: &Related,
    ) -> Result<Vec<Stored>, ServiceError> {
        let schema = self.schema(resource_type);
        let total = self.walk_budget(store, caller, resource_type).await?;
        if *related == Related::Nothing {
            let keep = |stored: &Stored| {
                let resource = representation::represent(&caller.base_url, &stored.meta, stored.kept.clone(), None);
                matching::matches(filter, &resource, schema)
            };
            return Ok(store.collection(resource_type, total, keep).await?);
        }
        let all = store.collection(resource_type, total, |_| true).await?;
        self.filter_with_all_related(store, caller, all, filter).await
    }

    async fn filter_with_all_related(
        &self,
        store: &TenantStore,
        caller: &Caller,
        candidates: Vec<Stored>,
        filter: &Filter,
    ) -> Result<Vec<Stored>, ServiceError> {
        let mut kept = Vec::new();
        let mut candidates: Vec<Selected> = candidates.into_iter().map(Selected::unsorted).collect();
        while !candidates.is_empty() {
            let rest = candidates.split_off(together(&candidates));
            let stored: Vec<&Stored> = candidates.iter().map(|candidate| &candidate.stored).collect();
            let related = self.all_related(store, caller, &stored).await?;
            let chunk = candidates.into_iter().zip(related).map(|(candidate, related)| (candidate.stored, related));
            kept.extend(chunk.filter_map(|(stored, (attribute, related))| {
                let meta = &stored.meta;
                let resource =
                    representation::represent(&caller.base_url, meta, stored.kept.clone(), Some((attribute, related)));
                matching::matches(filter, &resource, self.schema(meta.resource_type)).then_some(stored)
            }));
            candidates = rest;
        }
        Ok(kept)
    }

    /// All groups or members of each of some resources of one type, as its attribute of that name shows them.
    async fn all_related(
        &self,
        store: &TenantStore,
        caller: &Caller,
        resources: &[&Stored],
    ) -> Result<Vec<(&'static str, serde_json::Value)>, ServiceError> {
        let everything = Projection::default();
        let Some(resource_type) = resources.first().map(|stored| stored.meta.resource_type) else {
            return Ok(Vec::new());
        };
        let related: Vec<serde_json::Value> = match resource_type {
            ResourceType::User => {
                let groups = self.groups_of_each(store, resources, &everything).await?;
                groups.iter().map(|groups| representation::groups(&caller.base_url, groups)).collect()
            }
            ResourceType::Group => {
                let members =
                    resources.iter().map(|group| self.group_with_members(store, caller, (*group).clone(), &everything));
                let members = try_join_all(members).await?;
                members.iter().map(|(_, members)| representation::members(&caller.base_url, members)).collect()
            }
        };
        Ok(related.into_iter().map(|related| (related_attribute(resource_type), related)).collect())
    }
}

/// Asks, for each of `ids`, whether it and each of `others` are tied by a membership; for users, also for the groups,
/// as a mirror may outlive its group.
fn add_memberships(batch: &mut Batch, resource_type: ResourceType, ids: &BTreeSet<String>, others: &[String]) {
    for id in ids {
        for other in others {
            batch.memberships.insert(match resource_type {
                ResourceType::Group => (id.clone(), other.clone()),
                ResourceType::User => (other.clone(), id.clone()),
            });
        }
    }
    if resource_type == ResourceType::User {
        batch.resources.extend(others.iter().map(|other| (ResourceType::Group, other.clone())));
    }
}

/// Those memberships of `stored` that were asked for and are there.
fn known_related(
    base_url: &str,
    stored: &Stored,
    related: &Related,
    found: &Found,
) -> Option<(&'static str, serde_json::Value)> {
    let Related::Ids(others) = related else { return None };
    let id = &stored.meta.id;
    let attribute = related_attribute(stored.meta.resource_type);
    let value = match stored.meta.resource_type {
        ResourceType::Group => {
            let members: Vec<Membership> = others
                .iter()
                .filter_map(|other| found.memberships.get(&(id.clone(), other.clone())).cloned())
                .collect();
            representation::members(base_url, &members)
        }
        ResourceType::User => {
            let is_in = |group: &&String| found.memberships.contains_key(&((*group).clone(), id.clone()));
            let groups: Vec<GroupOfUser> = others
                .iter()
                .filter(is_in)
                .filter_map(|group| found.resources.get(&(ResourceType::Group, group.clone())).map(group_of_user))
                .collect();
            representation::groups(base_url, &groups)
        }
    };
    Some((attribute, value))
}
