//! What the table counts: the members of each group, and the resources by the first digits of their ids.
//!
//! The tally of a scan is of many moments. Where it differs from what stands there, both are read again: the number,
//! what it counts, and the number once more. Only when nothing moved meanwhile is it believed.

use super::case::Finding;
use super::repair::Step;
use super::snapshot::{marks, number, said_type, text};
use super::{Example, Kind, Progress, State, StoreError, Verifier, patiently, pause};
use crate::protocol::schema::ResourceType;
use crate::store::calls::{Item, Range};
use crate::store::items::{COUNTED_DIGITS, n};
use crate::store::keys::{Key, Keys, Place, SK};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often something that moves is counted again.
const RECOUNTS: u32 = 6;
/// What is counted at the same time.
const COUNTED_AT_ONCE: usize = 4;
/// What a group says of its members, and what tells that they changed.
const OF_MEMBERS: [&str; 5] = ["version", "memberCount", "memberGroups", "intent", "leaving"];

/// Members of a group: all, and those that are groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Members {
    all: i64,
    groups: i64,
}

impl Members {
    fn add(&mut self, delta: i64, is: Option<ResourceType>) {
        self.all += delta;
        if is == Some(ResourceType::Group) {
            self.groups += delta;
        }
    }
}

#[derive(Debug, Default)]
struct GroupTally {
    counted: Members,
    /// What the group says; `None` until it was seen, and for what is no number.
    said: Option<Members>,
    /// Whether it has to be counted again in any case.
    is_open: bool,
}

/// How many resources have ids that begin like this: all, and by the third digit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Counted {
    all: i64,
    digits: [i64; 16],
}

impl Counted {
    fn add(&mut self, id: &str) {
        self.all += 1;
        let digit = COUNTED_DIGITS.iter().position(|digit| id.get(2..3) == Some(digit));
        if let Some(count) = digit.and_then(|digit| self.digits.get_mut(digit)) {
            *count += 1;
        }
    }

    /// What a counter says; `None` when that is not all numbers.
    fn said(item: Option<&Item>) -> Option<Self> {
        let Some(item) = item else { return Some(Self::default()) };
        let mut said = Self { all: number(item, "n")?, ..Self::default() };
        for (count, name) in said.digits.iter_mut().zip(COUNTED_DIGITS) {
            *count = number(item, name)?;
        }
        Some(said)
    }
}

/// What was counted of a tenant.
#[derive(Debug)]
pub(super) struct Tally {
    keys: Keys,
    groups: HashMap<String, GroupTally>,
    /// By type and the first two digits.
    counted: BTreeMap<(ResourceType, String), Counted>,
    said: BTreeMap<(ResourceType, String), Option<Counted>>,
}

impl Tally {
    pub(super) fn new(keys: &Keys) -> Self {
        Self { keys: keys.clone(), groups: HashMap::new(), counted: BTreeMap::new(), said: BTreeMap::new() }
    }

    pub(super) fn note(&mut self, place: &Place, item: &Item) {
        match place {
            Place::Resource(resource_type, id) => {
                let prefix = self.keys.counter(*resource_type, id).sk;
                self.counted.entry((*resource_type, prefix)).or_default().add(id);
                if *resource_type == ResourceType::Group {
                    let group = self.groups.entry(id.clone()).or_default();
                    group.said = said_members(item);
                    group.is_open |=
                        group.said.is_none() || item.contains_key("intent") || item.contains_key("leaving");
                }
            }
            Place::Membership { group, .. } => {
                self.groups.entry(group.clone()).or_default().counted.add(1, said_type(item));
            }
            Place::Counter(resource_type, prefix) => {
                self.said.insert((*resource_type, prefix.clone()), Counted::said(Some(item)));
            }
            Place::Mirror { .. }
            | Place::Holder(_)
            | Place::Redo(_)
            | Place::Chunk { .. }
            | Place::Change
            | Place::Part
            | Place::Breaker
            | Place::Tombstone => {}
        }
    }

    /// The groups that do not seem to say what was counted.
    fn open_groups(&self) -> Vec<String> {
        let is_open = |group: &GroupTally| group.is_open || group.said.is_some_and(|said| said != group.counted);
        self.groups.iter().filter(|(_, group)| is_open(group)).map(|(id, _)| id.clone()).collect()
    }

    /// The counters that do not seem to.
    fn open_counters(&self) -> Vec<(ResourceType, String)> {
        let none = Counted::default();
        let both: BTreeSet<_> = self.counted.keys().chain(self.said.keys()).cloned().collect();
        let differs = |at: &(ResourceType, String)| {
            let said = self.said.get(at).map_or(Some(&none), Option::as_ref);
            said != Some(self.counted.get(at).unwrap_or(&none))
        };
        both.into_iter().filter(differs).collect()
    }
}

impl State {
    /// Has a group counted again whatever was tallied.
    pub(super) fn recount_group(&mut self, example: &Example, group: &str) {
        let tenant = example.0.iter().find(|(name, _)| *name == "tenant").map(|(_, tenant)| tenant.as_str());
        if let Some(tally) = tenant.and_then(|tenant| self.tallies.get_mut(tenant)) {
            tally.groups.entry(group.to_owned()).or_default().is_open = true;
        }
    }
}

fn said_members(item: &Item) -> Option<Members> {
    Some(Members { all: number(item, "memberCount")?, groups: number(item, "memberGroups")? })
}

/// What has to be counted again.
enum Open {
    Group(Keys, String),
    Counter(Keys, ResourceType, String),
}

impl Verifier {
    pub(super) async fn recount(&self) -> Result<(), StoreError> {
        let tallies = std::mem::take(&mut self.state().tallies);
        let mut open = Vec::new();
        for tally in tallies.values() {
            let keys = || tally.keys.clone();
            open.extend(tally.open_groups().into_iter().map(|group| Open::Group(keys(), group)));
            let counters = tally.open_counters().into_iter();
            open.extend(counters.map(|(resource_type, prefix)| Open::Counter(keys(), resource_type, prefix)));
        }
        drop(tallies);
        let (of, done) = (open.len() as u64, AtomicU64::new(0));
        let counted: Vec<_> = open
            .into_iter()
            .map(|open| async {
                match open {
                    Open::Group(keys, group) => self.recount_members(&keys, &group).await?,
                    Open::Counter(keys, resource_type, prefix) => {
                        self.recount_resources(&keys, resource_type, &prefix).await?;
                    }
                }
                let checked = done.fetch_add(1, Ordering::Relaxed) + 1;
                (self.observer)(Progress::Counts { checked, of });
                Ok::<_, StoreError>(())
            })
            .collect();
        stream::iter(counted).buffer_unordered(COUNTED_AT_ONCE).try_collect().await
    }

    /// `GetItem` of the group, `Query` of its members and of the chunks of its intent, `GetItem` of the group.
    async fn recount_members(&self, keys: &Keys, group: &str) -> Result<(), StoreError> {
        let key = keys.resource(ResourceType::Group, group);
        let example = Example::new(keys).id("group", group);
        for attempt in 0..RECOUNTS {
            let Some(before) = patiently(|| self.table.get_item(&key)).await? else { return Ok(()) };
            let (pending, chunks) = patiently(|| self.pending(keys, group, &before)).await?;
            let (mut counted, gone) = patiently(|| self.members_of(keys, group, &before)).await?;
            let (_, chunks_after) = patiently(|| self.pending(keys, group, &before)).await?;
            counted.all += pending.all;
            counted.groups += pending.groups;
            let after = patiently(|| self.table.get_item(&key)).await?;
            let is_same = |name: &&str| after.as_ref().and_then(|after| after.get(*name)) == before.get(*name);
            if after.is_none() || !OF_MEMBERS.iter().all(is_same) || chunks != chunks_after {
                pause(attempt).await;
                continue;
            }
            let said = said_members(&before);
            // Of those that leave it may count whom it has still to let go, or not.
            let without_gone = Members { all: counted.all - gone.all, groups: counted.groups - gone.groups };
            if said == Some(counted) || said == Some(without_gone) {
                return Ok(());
            }
            let set = vec![("memberCount", n(counted.all)), ("memberGroups", n(counted.groups))];
            let step = Step::of(&key, Some(&before), &OF_MEMBERS).set(set, Vec::new());
            let figures = |members: Option<Members>| {
                members.map_or("no number".to_owned(), |found| format!("{} of whom groups {}", found.all, found.groups))
            };
            let example = example.clone().with("says", figures(said)).with("has", figures(Some(counted)));
            if self.mend_or_report(Finding::new(Kind::MemberCount, example, Some(vec![step]))).await? {
                return Ok(());
            }
            pause(attempt).await;
        }
        self.report(Finding::new(Kind::Unsettled, example, None), false);
        Ok(())
    }

    /// `Query` of the memberships of a group; and those among them of members that a redo takes away and that do not
    /// exist.
    async fn members_of(&self, keys: &Keys, group: &str, item: &Item) -> Result<(Members, Members), StoreError> {
        let leaving: BTreeSet<&str> =
            marks(item, "leaving").iter().filter_map(|mark| mark.rsplit_once('#')).map(|(member, _)| member).collect();
        let (mut all, mut left) = (Members::default(), BTreeMap::new());
        self.table
            .query_each(&keys.members(group), &Range::default(), |item| {
                all.add(1, said_type(&item));
                if let Some(member) = text(&item, SK).filter(|member| leaving.contains(member)) {
                    left.insert(member.to_owned(), said_type(&item));
                }
                Ok(ControlFlow::Continue(()))
            })
            .await?;
        let mut gone = Members::default();
        for (member, is) in left {
            let of_any_type =
                ResourceType::ALL.into_iter().map(|resource_type| keys.resource(resource_type, &member)).collect();
            if self.table.batch_get(of_any_type, None).await?.is_empty() {
                gone.add(1, is);
            }
        }
        Ok((all, gone))
    }

    /// What the chunks of a group's intent will change, and which chunks there are.
    async fn pending(&self, keys: &Keys, group: &str, item: &Item) -> Result<(Members, Vec<String>), StoreError> {
        let (mut members, mut chunks) = (Members::default(), Vec::new());
        let Some(intent) = text(item, "intent") else { return Ok((members, chunks)) };
        let own = keys.chunk(group, intent, "").sk;
        let range = Range { from: Some(own.clone()), ..Range::default() };
        self.table
            .query_each(&keys.chunks(group), &range, |item| {
                let sk = text(&item, SK).unwrap_or_default();
                if !sk.starts_with(&own) {
                    return Ok(ControlFlow::Break(()));
                }
                chunks.push(sk.to_owned());
                let changes = text(&item, "changes").unwrap_or_default();
                let changes: Vec<serde_json::Value> = serde_json::from_str(changes).unwrap_or_default();
                for change in changes {
                    let is = (change["type"] == ResourceType::Group.name()).then_some(ResourceType::Group);
                    let delta = i64::from(change["add"].is_string()) - i64::from(change["remove"].is_string());
                    members.add(delta, is);
                }
                Ok(ControlFlow::Continue(()))
            })
            .await?;
        Ok((members, chunks))
    }

    /// `GetItem` of the counter, `Query` of the resources it counts, `GetItem` of the counter. What comes and goes
    /// between may leave the counter as it was; a difference counts when it is there twice.
    async fn recount_resources(
        &self,
        keys: &Keys,
        resource_type: ResourceType,
        prefix: &str,
    ) -> Result<(), StoreError> {
        let key = Key { pk: keys.counters(resource_type), sk: prefix.to_owned() };
        // A counter of anything else than two digits counts what others count.
        let is_counter = keys.counter(resource_type, prefix) == key && prefix.len() == 2;
        let range = Range { from: Some(prefix.to_owned()), to: Some(format!("{prefix}~")), ..Range::default() };
        let example = Example::new(keys).with("type", resource_type.name()).with("digits", digits(prefix));
        let mut before = patiently(|| self.table.get_item(&key)).await?;
        let partition = keys.resources(resource_type);
        let mut last: Option<Counted> = None;
        for attempt in 0..2 * RECOUNTS {
            let counted =
                if is_counter { patiently(|| self.count(&partition, &range)).await? } else { Counted::default() };
            let after = patiently(|| self.table.get_item(&key)).await?;
            let is_settled = before == after;
            before = after;
            let said = Counted::said(before.as_ref());
            if is_settled && said.as_ref() == Some(&counted) {
                return Ok(());
            }
            if !is_settled || last.as_ref() != Some(&counted) {
                last = is_settled.then_some(counted);
                pause(attempt / 2).await;
                continue;
            }
            let watched: Vec<&'static str> = ["n"].into_iter().chain(COUNTED_DIGITS).collect();
            let set = [("n", n(counted.all))].into_iter();
            let set = set.chain(COUNTED_DIGITS.into_iter().zip(counted.digits).map(|(name, count)| (name, n(count))));
            let step = Step::of(&key, before.as_ref(), &watched).set(set.collect(), Vec::new());
            let says = said.map_or("no number".to_owned(), |said| said.all.to_string());
            let example = example.clone().with("says", says).with("counted", counted.all.to_string());
            if self.mend_or_report(Finding::new(Kind::Counter, example, Some(vec![step]))).await? {
                return Ok(());
            }
            last = None;
        }
        self.report(Finding::new(Kind::Unsettled, example, None), false);
        Ok(())
    }

    async fn count(&self, partition: &str, range: &Range) -> Result<Counted, StoreError> {
        let mut counted = Counted::default();
        self.table
            .query_each(partition, range, |item| {
                counted.add(text(&item, SK).unwrap_or_default());
                Ok(ControlFlow::Continue(()))
            })
            .await?;
        Ok(counted)
    }

    /// False: it has to be looked at again.
    async fn mend_or_report(&self, finding: Finding) -> Result<bool, StoreError> {
        if !self.options.repair {
            self.report(finding, false);
            return Ok(true);
        }
        let is_mended = self.mend(&finding).await?;
        if is_mended {
            self.repaired(&finding);
        }
        Ok(is_mended)
    }
}

/// The digits that a counter counts, if they are digits.
fn digits(prefix: &str) -> &str {
    if prefix.len() == 2 && prefix.bytes().all(|b| b.is_ascii_hexdigit()) { prefix } else { "(not digits)" }
}
