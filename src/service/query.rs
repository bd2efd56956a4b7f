//! Queries (RFC 7644 section 3.4.2): a page of the collection, a lookup, or a filter over the collection.

use super::groups::members_value;
use super::users::group_of_user;
use super::{Caller, Service, ServiceError};
use crate::protocol::filter::Filter;
use crate::protocol::index::{self, Lookup, Related};
use crate::protocol::list::{self, Page};
use crate::protocol::members::MEMBERS;
use crate::protocol::projection::Projection;
use crate::protocol::representation::{self, GroupOfUser};
use crate::protocol::schema::ResourceType;
use crate::protocol::{Object, matching};
use crate::store::reads::{Batch, Found};
use crate::store::{Membership, StoreError, Stored, TenantStore};
use futures_util::future::{try_join, try_join_all};
use std::collections::BTreeSet;

/// Resources whose groups or members are read at the same time.
const CONCURRENT_RESOURCES: usize = 25;

/// What a client asks for.
#[derive(Debug, Clone)]
pub struct Query {
    /// Which resources.
    pub filter: Option<Filter>,
    /// Which of them.
    pub page: Page,
    /// What of each.
    pub projection: Projection,
}

/// A resource type and the name of the attribute that its memberships make.
fn related_attribute(resource_type: ResourceType) -> &'static str {
    match resource_type {
        ResourceType::User => "groups",
        ResourceType::Group => MEMBERS,
    }
}

impl Service {
    /// A `ListResponse`.
    ///
    /// # Errors
    ///
    /// When the table fails.
    pub async fn list(
        &self,
        caller: &Caller,
        resource_type: ResourceType,
        query: &Query,
    ) -> Result<Object, ServiceError> {
        let store = self.store(caller);
        let (total, found) = match &query.filter {
            None => self.page(&store, resource_type, query.page).await?,
            Some(filter) => {
                let found = self.filtered(&store, caller, resource_type, filter).await?;
                (found.len(), list::slice(found, query.page))
            }
        };
        let resources = self.represent_page(&store, caller, found, &query.projection).await?;
        Ok(list::list_response(total, query.page.start_index, resources))
    }

    /// A page of the whole collection in id order: the counters say how many there are and where the page starts, so
    /// that every page costs what the first one costs.
    async fn page(
        &self,
        store: &TenantStore,
        resource_type: ResourceType,
        page: Page,
    ) -> Result<(usize, Vec<Stored>), StoreError> {
        let total = |counted: u64| usize::try_from(counted).unwrap_or(usize::MAX);
        if page.start_index == 1 && page.count > 0 {
            let (counters, found) =
                try_join(store.counters(resource_type), store.page(resource_type, "", 0, page.count)).await?;
            return Ok((total(counters.total()), found));
        }
        let counters = store.counters(resource_type).await?;
        let found = match counters.locate(page.start_index as u64 - 1) {
            Some((prefix, skip)) if page.count > 0 => store.page(resource_type, prefix, skip, page.count).await?,
            _ => Vec::new(),
        };
        Ok((total(counters.total()), found))
    }

    /// Every resource that satisfies `filter`, in id order.
    async fn filtered(
        &self,
        store: &TenantStore,
        caller: &Caller,
        resource_type: ResourceType,
        filter: &Filter,
    ) -> Result<Vec<Stored>, ServiceError> {
        let schema = self.schema(resource_type);
        let related = index::related(filter, related_attribute(resource_type));
        let Some(lookup) = index::lookup(schema, filter) else {
            return self.filter_collection(store, caller, resource_type, filter, &related).await;
        };
        let ids: BTreeSet<String> = match lookup {
            Lookup::Id(id) => BTreeSet::from([id]),
            Lookup::Value(value) => store.holders(&value).await?.into_iter().collect(),
            Lookup::GroupsOfMember(id) => store.groups_of(&id).await?.into_iter().map(|mirror| mirror.id).collect(),
            Lookup::MembersOfGroup(id) => store.members(&id).await?.into_iter().map(|member| member.id).collect(),
        };
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
                    let resource = representation::represent(&caller.base_url, &stored.meta, &stored.kept, known);
                    matching::matches(filter, &resource, schema)
                })
                .collect()),
        }
    }

    /// The filter evaluated on every resource of the type.
    async fn filter_collection(
        &self,
        store: &TenantStore,
        caller: &Caller,
        resource_type: ResourceType,
        filter: &Filter,
        related: &Related,
    ) -> Result<Vec<Stored>, ServiceError> {
        let schema = self.schema(resource_type);
        let total = store.counters(resource_type).await?.total();
        if *related == Related::Nothing {
            let keep = |stored: &Stored| {
                let resource = representation::represent(&caller.base_url, &stored.meta, &stored.kept, None);
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
        let everything = Projection::default();
        let mut candidates = candidates.into_iter().peekable();
        while candidates.peek().is_some() {
            let chunk: Vec<Stored> = candidates.by_ref().take(CONCURRENT_RESOURCES).collect();
            let shown = self.represent_all(store, caller, &chunk, &everything).await?;
            kept.extend(chunk.into_iter().zip(shown).filter_map(|(stored, resource)| {
                matching::matches(filter, &resource, self.schema(stored.meta.resource_type)).then_some(stored)
            }));
        }
        Ok(kept)
    }

    /// The resources of a page with their groups or members. The page ends early when it would hold more than
    /// [`list::MAX_PAGE_BYTES`]; it always holds one resource.
    async fn represent_page(
        &self,
        store: &TenantStore,
        caller: &Caller,
        found: Vec<Stored>,
        projection: &Projection,
    ) -> Result<Vec<Object>, ServiceError> {
        let mut resources = Vec::new();
        let mut bytes = 0;
        for chunk in found.chunks(CONCURRENT_RESOURCES) {
            for mut resource in self.represent_all(store, caller, chunk, projection).await? {
                if let Some(stored) = chunk.first() {
                    projection.apply(&mut resource, self.schema(stored.meta.resource_type));
                }
                bytes += serde_json::to_vec(&resource).map_or(0, |text| text.len());
                if bytes > list::MAX_PAGE_BYTES && !resources.is_empty() {
                    return Ok(resources);
                }
                resources.push(resource);
            }
        }
        Ok(resources)
    }

    async fn represent_all(
        &self,
        store: &TenantStore,
        caller: &Caller,
        resources: &[Stored],
        projection: &Projection,
    ) -> Result<Vec<Object>, StoreError> {
        try_join_all(resources.iter().map(|stored| self.represent_one(store, caller, stored, projection))).await
    }

    async fn represent_one(
        &self,
        store: &TenantStore,
        caller: &Caller,
        stored: &Stored,
        projection: &Projection,
    ) -> Result<Object, StoreError> {
        let related = match stored.meta.resource_type {
            ResourceType::User => {
                let groups = self.groups_of(store, stored, projection).await?;
                ("groups", representation::groups(&caller.base_url, &groups))
            }
            ResourceType::Group if stored.member_count == 0 => (MEMBERS, serde_json::Value::Null),
            ResourceType::Group => {
                let members = self.members_of(store, &stored.meta.id, projection).await?;
                (MEMBERS, members_value(&caller.base_url, &members))
            }
        };
        Ok(representation::represent(&caller.base_url, &stored.meta, &stored.kept, Some(related)))
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
            members_value(base_url, &members)
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
