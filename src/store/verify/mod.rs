//! Whether the table contradicts itself, and its repair.
//!
//! The whole table is read once, page by page, in `Scan`s of its segments at the same time. Each item is held against
//! its counterparts, which one batch reads for the page (`case`); what counts something is tallied (`recount`).
//! Whatever looks wrong is read again, all of it in one transaction, before it is believed: a page and its counterparts
//! are from different moments, and other writers go on. A repair is one transaction too, on condition that everything
//! it follows from is as it was read.
//!
//! What is held is a page for each segment, and a number or two for each group and for each three first digits of ids.

mod calls;
mod case;
mod edges;
mod recount;
mod redos;
mod repair;
pub mod report;
mod scan;
mod snapshot;

pub use report::{Example, Findings, Kind, Report, Seen};

use super::calls::Item;
use super::items;
use super::keys::{self, Key};
use super::meter::Meter;
use super::{CommitError, Store, StoreError, TenantStore};
use crate::protocol::Object;
use crate::protocol::index::IndexedValue;
use crate::protocol::schema::ResourceType;
use case::{Case, Finding};
use recount::Tally;
use snapshot::{Needs, Snapshot};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a finding that changes under the hand is looked at again.
const ATTEMPTS: u32 = 8;
/// How often a call that DynamoDB throttles or does not answer is made again: a look takes minutes, and shall not end
/// with one such answer.
const PATIENCE: u32 = 10;
/// Longest pause before that.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Which values of a resource have keys.
pub struct Rules {
    /// The names of the indexed attributes.
    pub attributes: Vec<String>,
    /// The indexed values of a resource.
    pub values: Values,
}

/// Gives the indexed values of a resource.
pub type Values = Box<dyn Fn(ResourceType, &Object) -> BTreeSet<IndexedValue> + Send + Sync>;

impl std::fmt::Debug for Rules {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Rules").field("attributes", &self.attributes).finish_non_exhaustive()
    }
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether what is wrong is repaired.
    pub repair: bool,
    /// Parts of the table that are read at the same time. An engine that is one process has nothing of more than one.
    pub segments: u16,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Of the items of the table, this many are checked. DynamoDB counts a table's items every six hours.
    Items {
        /// How many are checked.
        checked: u64,
        /// How many there are, about.
        of: u64,
    },
    /// Of what has to be counted again, this much is.
    Counts {
        /// How many are counted.
        checked: u64,
        /// How many there are.
        of: u64,
    },
}

/// Is told how far it is.
pub type Observer = Arc<dyn Fn(Progress) + Send + Sync>;

#[derive(Debug, Default)]
struct State {
    report: Report,
    /// By tenant.
    tallies: BTreeMap<String, Tally>,
    /// Keys that look stray. They are looked at when the resources have been: the value may be another's.
    strays: Vec<Case>,
    /// Keys that are missing or another's, and the resource that holds the value.
    wanted: HashMap<Key, String>,
    /// Keys of which it was said that they are another's.
    claimed: HashSet<Key>,
}

struct Verifier {
    table: TenantStore,
    rules: Rules,
    options: Options,
    observer: Observer,
    expected: u64,
    state: Mutex<State>,
}

impl Store {
    /// Checks every item of the table against its counterparts, and recounts what is counted.
    ///
    /// # Errors
    ///
    /// When the table cannot be read, or not be written in a repair. What was repaired until then stays so.
    pub async fn verify(&self, rules: Rules, options: Options, observer: Observer) -> Result<Report, StoreError> {
        let meter = Meter::default();
        // The calls name whole keys, of any tenant.
        let table = self.tenant(crate::config::DEFAULT_TENANT, &meter);
        let expected = patiently(|| self.items()).await?;
        let state = Mutex::new(State::default());
        let verifier = Arc::new(Verifier { table, rules, options, observer, expected, state });
        verifier.scan().await?;
        verifier.look_at_strays().await?;
        verifier.recount().await?;
        let mut state = verifier.state();
        state.report.cost = meter.cost();
        Ok(std::mem::take(&mut state.report))
    }
}

impl Store {
    /// Notes when the table was verified, and how much is left wrong.
    ///
    /// # Errors
    ///
    /// What the table said.
    pub async fn note_verified(&self, at: &str, left: u64) -> Result<(), StoreError> {
        let table = self.tenant(crate::config::DEFAULT_TENANT, &Meter::default());
        let values = vec![("at", items::s(at)), ("left", items::n(left))];
        table.update_item(&keys::verified(), "SET #at = :at, #left = :left", None, values).await.map(|_| ())
    }

    /// When the table was last verified (RFC 3339), and how much was left wrong; `None` when it never was.
    ///
    /// # Errors
    ///
    /// What the table said.
    pub async fn verified(&self) -> Result<Option<(String, u64)>, StoreError> {
        let table = self.tenant(crate::config::DEFAULT_TENANT, &Meter::default());
        let found = table.get_item(&keys::verified()).await?;
        let read = |item| {
            let reader = items::Reader(item);
            Ok::<_, StoreError>((reader.text("at")?.to_owned(), reader.number("left").unwrap_or(0)))
        };
        found.as_ref().map(read).transpose()
    }
}

impl Verifier {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads everything again that the case is about, decides, and repairs or reports.
    async fn settle(&self, case: &Case) -> Result<(), StoreError> {
        let mut keys: BTreeSet<Key> = BTreeSet::new();
        for attempt in 0..ATTEMPTS {
            let findings = self.look(case, &mut keys).await?;
            let Some(finding) = findings.iter().find(|found| self.options.repair && found.steps.is_some()) else {
                findings.into_iter().for_each(|found| self.report(found, false));
                return Ok(());
            };
            let is_last = attempt + 1 == ATTEMPTS;
            if self.mend(finding).await? {
                self.repaired(finding);
            } else if is_last {
                findings.into_iter().for_each(|found| self.report(found, false));
            } else {
                pause(attempt).await;
            }
        }
        Ok(())
    }

    /// What is wrong with the case, on items that were all read at one moment.
    async fn look(&self, case: &Case, keys: &mut BTreeSet<Key>) -> Result<Vec<Finding>, StoreError> {
        let mut snapshot = Snapshot::default();
        loop {
            let first = case.reads(&self.rules, &snapshot);
            keys.extend(first.into_iter().map(|(key, _)| key));
            let found = self.read_together(keys).await?;
            snapshot = Snapshot::default();
            for (key, item) in found {
                snapshot.put(&self.rules, key, item);
            }
            match case.decide(&self.rules, &snapshot) {
                Ok(findings) => return Ok(findings),
                Err(Needs(key)) => {
                    keys.insert(key);
                }
            }
        }
    }

    async fn read_together(&self, keys: &BTreeSet<Key>) -> Result<Vec<(Key, Option<Item>)>, StoreError> {
        let possible: Vec<&Key> = keys.iter().filter(|key| key.is_possible()).collect();
        let found = patiently(|| self.table.snapshot(&possible)).await?;
        Ok(possible.into_iter().cloned().zip(found).collect())
    }

    /// Carries a repair out. False: something of it is not as it was read any more.
    async fn mend(&self, finding: &Finding) -> Result<bool, StoreError> {
        let steps = finding.steps.as_deref().unwrap_or_default();
        for attempt in 0.. {
            match self.table.transact(repair::actions(steps, &self.table.table)?, None).await {
                Ok(()) => return Ok(true),
                Err(CommitError::Store(error)) => wait_or_fail(attempt, error).await?,
                Err(_) => return Ok(false),
            }
        }
        Ok(false)
    }

    fn repaired(&self, finding: &Finding) {
        let mut state = self.state();
        state.report.add(finding.kind, Some(finding.example.clone()), true);
        if let Some(group) = &finding.group {
            state.recount_group(&finding.example, group);
        }
    }

    fn report(&self, finding: Finding, is_repaired: bool) {
        let mut state = self.state();
        let Finding { mut kind, mut example, key, .. } = finding;
        if let Some(key) = key {
            match kind {
                // The key that the one asks for is the key of the other's value.
                Kind::KeyMissing if key.sk == keys::ALONE => {
                    let id = example.0.iter().find(|(name, _)| *name == "id").map(|(_, id)| id.clone());
                    let id = id.unwrap_or_default();
                    if let Some(other) = state.wanted.get(&key) {
                        (kind, example) = (Kind::Conflict, example.with("other", other.as_str()));
                    } else {
                        state.wanted.insert(key, id);
                    }
                }
                Kind::KeyOfAnother => {
                    state.claimed.insert(key);
                }
                _ => {}
            }
        }
        state.report.add(kind, Some(example), is_repaired);
    }

    async fn look_at_strays(&self) -> Result<(), StoreError> {
        let strays = {
            let mut state = self.state();
            let State { strays, claimed, .. } = &mut *state;
            let is_open =
                |case: &Case| !matches!(&case.question, case::Question::Holder(key, _) if claimed.contains(key));
            std::mem::take(strays).into_iter().filter(is_open).collect::<Vec<_>>()
        };
        self.settle_all(&strays).await
    }
}

/// Makes a call again when DynamoDB throttles it or does not answer.
async fn patiently<T, F: Future<Output = Result<T, StoreError>>>(call: impl Fn() -> F) -> Result<T, StoreError> {
    let mut attempt = 0;
    loop {
        match call().await {
            Ok(done) => return Ok(done),
            Err(error) => wait_or_fail(attempt, error).await?,
        }
        attempt += 1;
    }
}

async fn wait_or_fail(attempt: u32, error: StoreError) -> Result<(), StoreError> {
    match error {
        StoreError::Throttled(_) | StoreError::Unavailable(_) if attempt < PATIENCE => {
            pause(attempt).await;
            Ok(())
        }
        error => Err(error),
    }
}

/// Exponential, with jitter.
async fn pause(attempt: u32) {
    let longest = Duration::from_millis(20 << attempt.min(10)).min(LONGEST_PAUSE);
    tokio::time::sleep(crate::ambient::jitter(longest)).await;
}
