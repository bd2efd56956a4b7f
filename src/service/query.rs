//! Queries (RFC 7644 sections 3.4.2 and 3.4.3, RFC 9865): a page of what `select` finds.

use super::cursor::{Position, Sealer};
use super::error::AttemptError;
use super::redo::Resource;
use super::select::Selected;
use super::write::Retry;
use super::{Caller, Service, ServiceError};
use crate::ambient;
use crate::protocol::error::ScimError;
use crate::protocol::filter::Filter;
use crate::protocol::index;
use crate::protocol::list::{self, ListResponse, Page};
use crate::protocol::members::Membership;
use crate::protocol::projection::Projection;
use crate::protocol::representation::Shown;
use crate::protocol::schema::ResourceType;
use crate::protocol::size;
use crate::protocol::sort::Sort;
use crate::store::reads::Batch;
use crate::store::{Stored, TenantStore};
use futures_util::future::{try_join, try_join_all};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Resources whose groups or members are read at the same time.
pub(super) const CONCURRENT_RESOURCES: usize = 25;
/// Members of groups that are read at the same time.
const CONCURRENT_MEMBERS: u64 = 10_000;

/// What a client asks for.
#[derive(Debug)]
pub struct Query {
    /// Which resources.
    pub filter: Option<Filter>,
    /// In which order; by id when it is none.
    pub sort: Option<Sort>,
    /// Which of them.
    pub paging: Paging,
    /// What of each.
    pub projection: Projection,
}

/// What a client asks for of one resource type in a query of all types.
#[derive(Debug)]
pub struct TypeQuery {
    /// The type.
    pub resource_type: ResourceType,
    /// Which resources.
    pub filter: Option<Filter>,
    /// In which order.
    pub sort: Option<Sort>,
    /// What of each.
    pub projection: Projection,
}

/// Which part of the result.
#[derive(Debug)]
pub enum Paging {
    /// By `startIndex`.
    Index(Page),
    /// By cursor.
    Cursor {
        /// What the page before ended with; none for the first page.
        after: Option<Position>,
        /// Most resources on the page.
        count: usize,
        /// Seals the next cursor.
        sealer: Sealer,
    },
}

/// A page and what surrounds it.
struct Found {
    total: usize,
    page: Vec<Selected>,
    /// Whether something follows the page.
    more: bool,
}

impl Service {
    /// A `ListResponse` of one resource type.
    ///
    /// # Errors
    ///
    /// 400 `tooMany` for a query that would read more than it may.
    pub async fn list(
        &self,
        caller: &mut Caller,
        resource_type: ResourceType,
        query: &Query,
    ) -> Result<ListResponse<Shown>, ServiceError> {
        let store = self.store(caller);
        let group = query.filter.as_ref().filter(|_| query.sort.is_none());
        let group = group.and_then(|filter| index::group_of_members(self.schema(resource_type), filter));
        let Found { total, page, more } = match (&query.filter, &query.sort) {
            (None, None) => self.page_of_all(&store, caller, resource_type, &query.paging).await?,
            _ if group.is_some() => {
                self.page_of_members(&store, caller, group.unwrap_or_default(), &query.paging).await?
            }
            (filter, sort) => {
                let all = self.select(&store, caller, resource_type, filter.as_ref(), sort.as_ref()).await?;
                cut(all, sort.as_ref(), &query.paging)
            }
        };
        let shown = self.represent_page(&store, caller, &page, |_| &query.projection).await?;
        let is_short = shown.len() < page.len();
        match &query.paging {
            Paging::Index(asked) => Ok(ListResponse {
                total_results: total,
                start_index: Some(asked.start_index),
                resources: shown,
                next_cursor: None,
            }),
            Paging::Cursor { count, sealer, .. } => {
                let last = page.get(shown.len().wrapping_sub(1)).filter(|_| more || is_short);
                let mut body =
                    ListResponse { total_results: total, start_index: None, resources: shown, next_cursor: None };
                if let Some(last) = last {
                    let position = Position {
                        id: last.stored.meta.id.clone(),
                        key: last.key.clone(),
                        count: *count,
                        issued: ambient::now().as_second(),
                    };
                    // Without a cursor the client would take this for the last page.
                    let next = ambient::nonce().and_then(|nonce| sealer.seal(&position, nonce)).ok_or_else(|| {
                        ScimError::new(500, "The next cursor cannot be sealed: the system has no randomness to give.")
                    })?;
                    body.next_cursor = Some(next);
                }
                Ok(body)
            }
        }
    }

    /// A `ListResponse` of users and groups: a query of the root (RFC 7644 section 3.4.2.1). Users come first unless it
    /// is sorted.
    ///
    /// # Errors
    ///
    /// 400 `tooMany` for a query that would read more than it may.
    pub async fn list_all(
        &self,
        caller: &mut Caller,
        queries: &[TypeQuery; 2],
        page: Page,
    ) -> Result<ListResponse<Shown>, ServiceError> {
        let store = self.store(caller);
        let mut all = Vec::new();
        for TypeQuery { resource_type, filter, sort, .. } in queries {
            all.extend(self.select(&store, caller, *resource_type, filter.as_ref(), sort.as_ref()).await?);
        }
        let [first, second] = queries;
        if let Some(sort) = &first.sort {
            all.sort_by(|left, right| sort.compare(left.sort_position(), right.sort_position()));
        }
        let total = all.len();
        let of = |found| if found == first.resource_type { &first.projection } else { &second.projection };
        let shown = self.represent_page(&store, caller, &list::slice(all, page), of).await?;
        Ok(ListResponse {
            total_results: total,
            start_index: Some(page.start_index),
            resources: shown,
            next_cursor: None,
        })
    }

    /// A page of the whole collection in id order: the counters say how many there are and where the page starts, so
    /// that every page costs what the first one costs.
    async fn page_of_all(
        &self,
        store: &TenantStore,
        caller: &mut Caller,
        resource_type: ResourceType,
        paging: &Paging,
    ) -> Result<Found, ServiceError> {
        caller.plan = Some("range");
        let total = |counted: u64| usize::try_from(counted).unwrap_or(usize::MAX);
        let (counted, mut page, count) = match paging {
            Paging::Cursor { after, count, .. } => {
                // One more than asked for tells whether there is a next page. `!` sorts right after the id itself.
                let from = after.as_ref().map(|position| format!("{}!", position.id)).unwrap_or_default();
                let wanted = if *count == 0 { 0 } else { count + 1 };
                let found =
                    try_join(store.counters(resource_type), store.page(resource_type, &from, 0, wanted)).await?;
                (total(found.0.total()), found.1, *count)
            }
            Paging::Index(page) if page.start_index == 1 => {
                let found =
                    try_join(store.counters(resource_type), store.page(resource_type, "", 0, page.count)).await?;
                (total(found.0.total()), found.1, page.count)
            }
            Paging::Index(page) => {
                let counters = store.counters(resource_type).await?;
                let found = match counters.locate(page.start_index as u64 - 1) {
                    Some((prefix, skip)) => store.page(resource_type, prefix, skip, page.count).await?,
                    None => Vec::new(),
                };
                (total(counters.total()), found, page.count)
            }
        };
        let more = page.len() > count;
        page.truncate(count);
        Ok(Found { total: counted, page: page.into_iter().map(Selected::unsorted).collect(), more })
    }

    /// A page of the users in a group, in id order: the group says how many there are, and the page is a part of its
    /// memberships. A `startIndex` costs the memberships before it, 40 of which take one read unit; a cursor none.
    async fn page_of_members(
        &self,
        store: &TenantStore,
        caller: &mut Caller,
        group_id: &str,
        paging: &Paging,
    ) -> Result<Found, ServiceError> {
        caller.plan = Some("range");
        let mut retry = Retry::until(caller.deadline);
        let mut missing = BTreeSet::new();
        loop {
            let attempt = self.try_page_of_members(store, group_id, paging, &mut missing).await;
            if let Some(found) = retry.settled(attempt).await? {
                return Ok(found);
            }
        }
    }

    async fn try_page_of_members(
        &self,
        store: &TenantStore,
        group_id: &str,
        paging: &Paging,
        missing: &mut BTreeSet<Resource>,
    ) -> Result<Found, AttemptError> {
        let Some(group) = store.resource(ResourceType::Group, group_id).await? else {
            return Ok(Found { total: 0, page: Vec::new(), more: false });
        };
        let (from, skip, count) = match paging {
            Paging::Index(page) => (String::new(), page.start_index - 1, page.count),
            // `!` sorts right after the id itself.
            Paging::Cursor { after: Some(position), count, .. } => (format!("{}!", position.id), 0, *count),
            Paging::Cursor { after: None, count, .. } => (String::new(), 0, *count),
        };
        // One more than asked for tells whether there is a next page. Groups among the members may stand between.
        let most = (group.member_groups == 0).then_some(skip + count + 1);
        let mut ids = Vec::new();
        let mut left = skip;
        if count > 0 {
            let visit = |member: Membership| {
                if member.resource_type != ResourceType::User {
                } else if left > 0 {
                    left -= 1;
                } else {
                    ids.push((ResourceType::User, member.id));
                }
                if ids.len() > count { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            store.each_member(&group, Some(&from), most, visit).await?;
        }
        let more = ids.len() > count;
        ids.truncate(count);
        let wanted = Batch { resources: ids.into_iter().collect(), ..Batch::default() };
        let found = if wanted.resources.is_empty() { BTreeMap::new() } else { store.batch(&wanted).await?.resources };
        // Who is missing was deleted since the group was read. One who is missing a second time has left a membership
        // behind, which is for `verify` to find.
        let is_missing = |user: &&Resource| !found.contains_key(*user);
        let missed: BTreeSet<Resource> = wanted.resources.iter().filter(is_missing).cloned().collect();
        if !missed.is_subset(missing) {
            *missing = missed;
            return Err(AttemptError::Moved);
        }
        let total = store.user_count(&group).await?;
        self.confirm(store, &group).await?;
        let page = found.into_values().map(Selected::unsorted).collect();
        Ok(Found { total: usize::try_from(total).unwrap_or(usize::MAX), page, more })
    }

    /// The resources of a page with their groups or members. The page ends early when it would hold more than
    /// [`list::MAX_PAGE_BYTES`]; it always holds one resource.
    async fn represent_page<'p>(
        &self,
        store: &TenantStore,
        caller: &Caller,
        page: &[Selected],
        projection: impl Fn(ResourceType) -> &'p Projection,
    ) -> Result<Vec<Shown>, ServiceError> {
        let mut resources = Vec::new();
        let mut bytes = 0;
        let mut rest = page;
        while !rest.is_empty() && bytes <= list::MAX_PAGE_BYTES {
            let (chunk, after) = rest.split_at(together(rest));
            rest = after;
            for shown in self.represent_together(store, caller, chunk, &projection).await? {
                bytes += size::json_bytes(&shown);
                if bytes > list::MAX_PAGE_BYTES && !resources.is_empty() {
                    return Ok(resources);
                }
                resources.push(shown);
            }
        }
        Ok(resources)
    }

    async fn represent_together<'p>(
        &self,
        store: &TenantStore,
        caller: &Caller,
        chunk: &[Selected],
        projection: &impl Fn(ResourceType) -> &'p Projection,
    ) -> Result<Vec<Shown>, ServiceError> {
        let of = |wanted| move |stored: &&Stored| stored.meta.resource_type == wanted;
        let all = || chunk.iter().map(|selected| &selected.stored);
        let users: Vec<&Stored> = all().filter(of(ResourceType::User)).collect();
        let shown = projection(ResourceType::User);
        let mut groups_of_users = self.groups_of_each(store, &users, shown).await?.into_iter();
        let shown = projection(ResourceType::Group);
        let groups = all().filter(of(ResourceType::Group));
        let groups = groups.map(|group| self.group_with_members(store, caller, group.clone(), shown));
        let mut groups = try_join_all(groups).await?.into_iter();
        let represented = all().map(|stored| match stored.meta.resource_type {
            ResourceType::User => {
                let groups = groups_of_users.next().unwrap_or_default();
                Some(self.user_answer(caller, stored.clone(), &groups, projection(ResourceType::User)).resource)
            }
            ResourceType::Group => {
                let (group, members) = groups.next()?;
                Some(self.shown_group(caller, &group, members, projection(ResourceType::Group)))
            }
        });
        Ok(represented.flatten().collect())
    }
}

/// How many of the first resources are read at the same time: few, if their members are many.
pub(super) fn together(page: &[Selected]) -> usize {
    let mut members = 0;
    let fits = page.iter().take(CONCURRENT_RESOURCES).take_while(|selected| {
        members += selected.stored.member_count;
        members <= CONCURRENT_MEMBERS
    });
    fits.count().max(1)
}

/// The page of `all`, which is in the order of `sort`, or of the ids.
fn cut(all: Vec<Selected>, sort: Option<&Sort>, paging: &Paging) -> Found {
    let total = all.len();
    match paging {
        Paging::Index(page) => Found { total, page: list::slice(all, *page), more: false },
        Paging::Cursor { after, count, .. } => {
            let follows = |selected: &Selected| match (after, sort) {
                (None, _) => true,
                (Some(position), None) => selected.stored.meta.id > position.id,
                (Some(position), Some(sort)) => {
                    let missing = crate::protocol::sort::SortKey::Missing;
                    let before = (position.key.as_ref().unwrap_or(&missing), position.id.as_str());
                    sort.compare(selected.sort_position(), before).is_gt()
                }
            };
            let mut page: Vec<Selected> = all.into_iter().filter(follows).take(count + 1).collect();
            let more = *count > 0 && page.len() > *count;
            page.truncate(*count);
            Found { total, page, more }
        }
    }
}
