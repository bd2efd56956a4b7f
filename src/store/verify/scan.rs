//! The table page by page, each item held against its counterparts.

use super::case::{Case, Depth};
use super::recount::Tally;
use super::snapshot::Snapshot;
use super::{Kind, Progress, State, StoreError, Verifier, patiently};
use crate::store::Store;
use crate::store::calls::Item;
use crate::store::keys::{Key, Keys, Place, is_of_no_tenant};
use futures_util::future::try_join;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Items of a page. DynamoDB ends one at 1 MB.
const PAGE_ITEMS: i32 = 1000;
/// Findings that are settled at the same time.
const SETTLED_AT_ONCE: usize = 16;

/// The item attributes of a counterpart that a decision asks for; `resource`, which is what is large, is read where a
/// decision needs it.
const PART: &str = "#PK, #SK, #id, #type, #added, #joins, #joining, #leaving, #intent, #staged, #committed, #dead";
const WHOLE: &str = "#PK, #SK, #version, #resource";

impl Store {
    /// `DescribeTable`: how many items there are, about.
    pub(super) async fn items(&self) -> Result<u64, StoreError> {
        let described = self.client().describe_table().table_name(self.table()).send().await;
        let described = described.map_err(|error| crate::store::calls::store_error("DescribeTable", &error))?;
        let count = described.table.and_then(|table| table.item_count).unwrap_or(0);
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

impl Verifier {
    /// `Scan` of all segments.
    pub(super) async fn scan(self: &Arc<Self>) -> Result<(), StoreError> {
        let segments = self.options.segments.max(1);
        let mut tasks = JoinSet::new();
        for segment in 0..segments {
            let verifier = Arc::clone(self);
            let part = (segments > 1).then_some((i32::from(segment), i32::from(segments)));
            tasks.spawn(async move { verifier.scan_segment(part).await });
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(|error| StoreError::Unavailable(error.to_string()))??;
        }
        Ok(())
    }

    async fn scan_segment(&self, part: Option<(i32, i32)>) -> Result<(), StoreError> {
        let mut start: Option<Item> = None;
        loop {
            let (items, last) = patiently(|| self.table.scan_page(part, start.clone(), PAGE_ITEMS)).await?;
            let count = items.len() as u64;
            self.check_page(items).await?;
            let checked = {
                let mut state = self.state();
                state.report.items += count;
                state.report.items
            };
            (self.observer)(Progress::Items { checked, of: self.expected.max(checked) });
            match last {
                Some(last) => start = Some(last),
                None => return Ok(()),
            }
        }
    }

    async fn check_page(&self, items: Vec<Item>) -> Result<(), StoreError> {
        let mut snapshot = Snapshot::default();
        let mut places: Vec<(Keys, Place, Key)> = Vec::with_capacity(items.len());
        {
            let mut state = self.state();
            for item in items {
                let key = crate::store::calls::key_of(&item);
                if let Some((keys, place)) = key.place() {
                    state.note(&keys, &place, &item);
                    places.push((keys, place, key.clone()));
                    snapshot.put(&self.rules, key, Some(item));
                } else if !is_of_no_tenant(&key.pk) {
                    state.report.add(Kind::Foreign, None, false);
                }
            }
        }
        let mut cases = Vec::with_capacity(places.len());
        for (keys, place, key) in &places {
            if let Ok(Some(item)) = snapshot.item(key) {
                cases.extend(Case::of(keys, place, key, item, &snapshot));
            }
        }
        self.read_counterparts(&cases, &mut snapshot).await?;
        let suspects = cases.into_iter().filter(|case| {
            let decided = case.decide(&self.rules, &snapshot);
            !decided.is_ok_and(|findings| findings.is_empty())
        });
        let (strays, suspects): (Vec<Case>, Vec<Case>) = suspects.partition(Case::is_of_a_key);
        drop(snapshot);
        self.state().strays.extend(strays);
        self.settle_all(&suspects).await
    }

    /// `BatchGetItem` of the counterparts that are not on the page.
    async fn read_counterparts(&self, cases: &[Case], snapshot: &mut Snapshot) -> Result<(), StoreError> {
        let mut wanted: BTreeMap<Key, Depth> = BTreeMap::new();
        for (key, depth) in cases.iter().flat_map(|case| case.reads(&self.rules, snapshot)) {
            if !snapshot.has(&key) {
                let deepest = wanted.entry(key).or_insert(depth);
                *deepest = depth.max(*deepest);
            }
        }
        let (whole, part): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|(_, depth)| *depth == Depth::Whole);
        let keys = |wanted: &[(Key, Depth)]| wanted.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
        let (mut found_whole, mut found_part) = try_join(
            patiently(|| self.table.batch_get(keys(&whole), Some(WHOLE))),
            patiently(|| self.table.batch_get(keys(&part), Some(PART))),
        )
        .await?;
        for (key, _) in whole {
            let item = found_whole.remove(&key);
            snapshot.put(&self.rules, key, item);
        }
        for (key, _) in part {
            let item = found_part.remove(&key);
            snapshot.put_part(key, item);
        }
        Ok(())
    }

    pub(super) async fn settle_all(&self, cases: &[Case]) -> Result<(), StoreError> {
        let settled: Vec<_> = cases.iter().map(|case| self.settle(case)).collect();
        stream::iter(settled).buffer_unordered(SETTLED_AT_ONCE).try_collect().await
    }
}

impl State {
    /// Counts an item.
    fn note(&mut self, keys: &Keys, place: &Place, item: &Item) {
        let seen = self.report.tenants.entry(keys.tenant().to_owned()).or_default();
        match place {
            Place::Resource(crate::protocol::schema::ResourceType::User, _) => seen.users += 1,
            Place::Resource(crate::protocol::schema::ResourceType::Group, _) => seen.groups += 1,
            Place::Membership { .. } => seen.memberships += 1,
            Place::Holder(_) => seen.keys += 1,
            Place::Change => seen.changes += 1,
            Place::Mirror { .. }
            | Place::Counter(..)
            | Place::Redo(_)
            | Place::Chunk { .. }
            | Place::Part
            | Place::Breaker
            | Place::Tombstone => {}
        }
        let tally = self.tallies.entry(keys.tenant().to_owned()).or_insert_with(|| Tally::new(keys));
        tally.note(place, item);
    }
}
