//! `scimlet status`: what there is.

use super::admin::Admin;
use super::when::written;
use crate::protocol::filter;
use crate::protocol::list::Page;
use crate::protocol::projection::Projection;
use crate::protocol::quirks::Quirks;
use crate::protocol::schema::ResourceType;
use crate::service::query::{Paging, Query};
use crate::store::log::Record;
use crate::store::meter::Meter;
use jiff::{SignedDuration, Timestamp};
use std::ops::ControlFlow;

/// What a tenant has in the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    /// All users.
    pub users: usize,
    /// Of them, those with `active` false.
    pub inactive: usize,
    /// All groups.
    pub groups: usize,
    /// Members of all groups.
    pub memberships: u64,
    /// The last change.
    pub last: Option<Record>,
}

/// Counts. It reads every user and group once: a read unit for each 4 KB.
///
/// # Errors
///
/// What the table said, in a sentence.
pub async fn count(admin: &Admin, now: Timestamp) -> Result<Counts, String> {
    let store = admin.store(&Meter::default());
    let failed = |error: crate::store::StoreError| error.to_string();
    let total = async |text: Option<&str>, resource_type| {
        let schema = admin.service.schemas().of(resource_type);
        let mut quirks = Quirks::default();
        let filter = text.map(|text| filter::parse(text, schema, &mut quirks)).transpose();
        let filter = filter.map_err(|error| error.detail)?;
        let paging = Paging::Index(Page { start_index: 1, count: 0 });
        let query = Query { filter, sort: None, paging, projection: Projection::default() };
        let found = admin.service.list(&mut admin.caller(), resource_type, &query).await;
        found.map(|found| found.total_results).map_err(|error| error.to_string())
    };
    let users = total(None, ResourceType::User).await?;
    let groups = total(None, ResourceType::Group).await?;
    let all = store.collection(ResourceType::Group, groups as u64, |_| true).await.map_err(failed)?;
    Ok(Counts {
        users,
        inactive: total(Some("active eq false"), ResourceType::User).await?,
        groups,
        memberships: all.iter().map(|group| group.member_count).sum(),
        last: last_change(admin, now).await?,
    })
}

/// The last record of the newest day that has one.
async fn last_change(admin: &Admin, now: Timestamp) -> Result<Option<Record>, String> {
    let store = admin.store(&Meter::default());
    let first = store.first_day_of_log(admin.log_days()).await.map_err(|error| error.to_string())?;
    let Some(first) = first else { return Ok(None) };
    for days in 0..=i64::from(admin.log_days()) {
        let day = written(now - SignedDuration::from_hours(24 * days));
        let day = day.get(..10).unwrap_or_default();
        if day < first.as_str() {
            return Ok(None);
        }
        let mut last = None;
        let visit = |record| {
            last = Some(record);
            ControlFlow::Continue(())
        };
        let _to_the_end = store.records_of(day, None, visit).await.map_err(|error| error.to_string())?;
        if last.is_some() {
            return Ok(last);
        }
    }
    Ok(None)
}
