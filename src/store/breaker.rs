//! What the breaker counts: one item for each tenant, with numbers for each part of the window.

use super::TenantStore;
use super::action::Refusal;
use super::error::StoreError;
use super::items::{Reader, n};
use super::transaction::Transaction;
use std::collections::BTreeMap;

/// What was taken away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// Users who were active and are not, or who were deleted.
    pub users: i64,
    /// Of them, those who were deleted.
    pub deleted: i64,
    /// Members who were taken out of groups.
    pub memberships: i64,
}

impl Losses {
    /// The same, given back.
    #[must_use]
    pub fn negated(&self) -> Self {
        Self { users: -self.users, deleted: -self.deleted, memberships: -self.memberships }
    }

    /// The same, without memberships if `other` has none, and without users likewise.
    #[must_use]
    pub fn of_kinds_in(&self, other: &Self) -> Self {
        let users = other.users != 0;
        Self {
            users: if users { self.users } else { 0 },
            deleted: self.deleted,
            memberships: if other.memberships == 0 { 0 } else { self.memberships },
        }
    }

    /// Users, never fewer than none.
    #[must_use]
    pub fn lost_users(&self) -> u64 {
        self.users.try_into().unwrap_or(0)
    }

    /// Memberships, never fewer than none.
    #[must_use]
    pub fn lost_memberships(&self) -> u64 {
        self.memberships.try_into().unwrap_or(0)
    }

    /// The larger of users and memberships.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.lost_users().max(self.lost_memberships())
    }
}

/// What stands in the item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BreakerState {
    parts: BTreeMap<i64, Losses>,
    /// Until when everything is let through, in seconds since 1970.
    pub allowed_until: Option<i64>,
    /// When it last stopped something after a while, in seconds since 1970.
    pub tripped: Option<i64>,
}

/// Parts that are kept; more are cleared away.
const KEPT_PARTS: u64 = 36;
/// Names in one expression that clears parts away. An expression holds 4 KB.
const MAX_CLEARED: usize = 108;
/// How the number attributes of a part begin, before its number.
const NAMES: [&str; 3] = ["u", "d", "m"];

impl BreakerState {
    /// What was lost in the parts from one to another, both included.
    #[must_use]
    pub fn sum(&self, from: i64, to: i64) -> Losses {
        self.parts.range(from..=to).fold(Losses::default(), |sum, (_, losses)| Losses {
            users: sum.users + losses.users,
            deleted: sum.deleted + losses.deleted,
            memberships: sum.memberships + losses.memberships,
        })
    }

    /// The first of these parts in which something was lost.
    #[must_use]
    pub fn first_part(&self, from: i64, to: i64) -> Option<i64> {
        self.parts.range(from..=to).find(|(_, losses)| losses.most() > 0).map(|(part, _)| *part)
    }

    fn read(item: &super::calls::Item) -> Self {
        let reader = Reader(item);
        let number = |name: &str| item.get(name)?.as_n().ok()?.parse::<i64>().ok();
        let mut parts: BTreeMap<i64, Losses> = BTreeMap::new();
        for name in item.keys() {
            let Some(part) = name.get(1..).and_then(|part| part.parse::<i64>().ok()) else { continue };
            let (losses, number) = (parts.entry(part).or_default(), number(name).unwrap_or(0));
            match name.get(..1) {
                Some("u") => losses.users = number,
                Some("d") => losses.deleted = number,
                Some("m") => losses.memberships = number,
                _ => {}
            }
        }
        let time = |name| reader.number(name).and_then(|seconds| seconds.try_into().ok());
        Self { parts, allowed_until: time("allowedUntil"), tripped: time("tripped") }
    }
}

impl TenantStore {
    /// What the breaker has counted: `GetItem`.
    ///
    /// # Errors
    ///
    /// What the table said.
    pub async fn breaker(&self) -> Result<BreakerState, StoreError> {
        let found = self.get_item(&self.keys.breaker()).await?;
        Ok(found.as_ref().map(BreakerState::read).unwrap_or_default())
    }

    /// Adds losses to a part, and gives the state after that: `UpdateItem`, once in a while a second one that clears old
    /// parts away.
    pub(crate) async fn count_losses(&self, part: i64, losses: &Losses) -> Result<BreakerState, StoreError> {
        let [u, d, m] = NAMES.map(|name| format!("{name}{part}"));
        let expression = format!("ADD #{u} :u, #{d} :d, #{m} :m");
        let values = vec![("u", n(losses.users)), ("d", n(losses.deleted)), ("m", n(losses.memberships))];
        let item = self.update_item(&self.keys.breaker(), &expression, None, values).await?;
        let state = item.as_ref().map(BreakerState::read).unwrap_or_default();
        if state.parts.len() as u64 > KEPT_PARTS {
            // Those of another window's length may be from a time to come.
            let old = state.parts.keys().filter(|other| (part - **other).unsigned_abs() >= KEPT_PARTS / 2);
            let names: Vec<String> =
                old.flat_map(|part| NAMES.map(|name| format!("#{name}{part}"))).take(MAX_CLEARED).collect();
            if !names.is_empty() {
                self.update_item(&self.keys.breaker(), &format!("REMOVE {}", names.join(", ")), None, vec![]).await?;
            }
        }
        Ok(state)
    }
}

impl Transaction<'_> {
    /// Notes that something was stopped. Condition: that was not noted since `since`.
    pub(crate) fn trip(&mut self, now: i64, since: i64) {
        let condition = "attribute_not_exists(#tripped) OR #tripped < :since";
        let values = vec![("now", n(now)), ("since", n(since))];
        let key = self.store.keys.breaker();
        self.update(&key, "SET #tripped = :now", Some(condition), values, Refusal::Moved);
    }

    /// Lets everything through until a time, in seconds since 1970; one that is over ends that.
    pub fn allow_until(&mut self, until: i64) {
        let expression = "SET #allowedUntil = :until REMOVE #tripped";
        self.update(&self.store.keys.breaker(), expression, None, vec![("until", n(until))], Refusal::Moved);
    }
}
