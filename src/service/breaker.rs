//! The breaker: when more users or memberships are taken away within a time than may be meant, no more are.
//!
//! What is about to be lost is counted before it is lost, in one item of the tenant, in twelve parts of the window. What
//! would be too much is not counted: it did not happen.

use super::error::AttemptError;
use super::write::Retry;
use super::{Caller, Service, ServiceError};
use crate::ambient;
use crate::config::Breaker;
use crate::protocol::schema::ResourceType;
use crate::store::TenantStore;
use crate::store::breaker::{BreakerState, Losses};
use serde_json::json;

/// Parts of the window that are counted one by one.
const PARTS: i64 = 12;

/// What a request takes away.
pub(super) type Lost = Losses;

/// Whether the loss of a request is counted: once, however often it is tried.
#[derive(Debug, Default)]
pub(super) struct Loss {
    is_counted: bool,
}

impl Lost {
    pub(super) fn user() -> Self {
        Self { users: 1, ..Self::default() }
    }

    pub(super) fn deleted_user() -> Self {
        Self { users: 1, deleted: 1, ..Self::default() }
    }

    pub(super) fn memberships(number: u64) -> Self {
        Self { memberships: number.try_into().unwrap_or(i64::MAX), ..Self::default() }
    }
}

/// What the breaker stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// For the administrator.
    pub detail: String,
    /// When to try again, in seconds.
    pub retry_after: u32,
}

/// Seconds of a part of the window.
fn width(limits: &Breaker) -> i64 {
    i64::from(limits.window) * 60 / PARTS
}

/// The first and the last part of the window that ends at a time, in seconds since 1970.
#[must_use]
pub fn window(limits: &Breaker, now: i64) -> (i64, i64) {
    let part = now / width(limits);
    (part - PARTS + 1, part)
}

impl Service {
    /// Lets everything through until a time, or ends that when there is none, and records it.
    ///
    /// # Errors
    ///
    /// What the table said.
    pub async fn let_through(&self, caller: &Caller, until: Option<jiff::Timestamp>) -> Result<(), ServiceError> {
        let store = self.store(caller);
        let (operation, after) = match until {
            Some(until) => ("allow", json!({ "until": format!("{until:.3}") })),
            None => ("guard", json!({})),
        };
        let mut retry = Retry::until(caller.deadline);
        loop {
            let mut transaction = store.transaction();
            transaction.allow_until(until.map_or(0, jiff::Timestamp::as_second));
            transaction.log(&self.record_of_tenant(caller, operation, &after));
            let attempt = transaction.commit().await.map_err(AttemptError::from);
            if let Some(done) = retry.settled(attempt).await? {
                return Ok(done);
            }
        }
    }

    /// Counts what a request is about to take away, and refuses it when that would be too much.
    pub(super) async fn admit(
        &self,
        store: &TenantStore,
        caller: &mut Caller,
        loss: &mut Loss,
        lost: Lost,
    ) -> Result<(), ServiceError> {
        let Some(limits) = self.guards().and_then(|guards| guards.breaker.as_ref()) else { return Ok(()) };
        if std::mem::replace(&mut loss.is_counted, true) {
            return Ok(());
        }
        let now = ambient::now().as_second();
        let (width, (first, part)) = (width(limits), window(limits, now));
        let state = store.count_losses(part, &lost).await?;
        // What the request takes nothing of is nothing to stop it for.
        let sum = state.sum(first, part).of_kinds_in(&lost);
        if state.allowed_until.is_some_and(|until| now < until) || !limits.may_stop(&sum) {
            return Ok(());
        }
        let users = store.counters(ResourceType::User).await?.total();
        // As many as there were when the window began: those deleted since are gone from the counters.
        let users = users + u64::try_from(sum.deleted - lost.deleted).unwrap_or(0);
        let Some(reached) = limits.reached(&sum, users) else { return Ok(()) };
        store.count_losses(part, &lost.negated()).await?;
        let is_first = self.trip(store, caller, &state, limits, now, &reached).await?;
        caller.breaker = Some(if is_first { "tripped" } else { "refused" });
        let oldest = state.first_part(first, part).unwrap_or(part);
        let retry_after = ((oldest + PARTS) * width - now).clamp(1, i64::from(limits.window) * 60);
        let detail = format!(
            "The breaker stopped this: {reached}. Nothing was changed. If it is meant, run `scimlet breaker allow --for 1h`; \
             if not, look at the assignments and the scope filter in the identity provider."
        );
        if is_first {
            tracing::warn!(tenant = caller.tenant, reason = reached, "breaker");
        }
        Err(ServiceError::Stopped(Stopped { detail, retry_after: u32::try_from(retry_after).unwrap_or(u32::MAX) }))
    }

    /// Notes and records that something was stopped. False when it was noted within the window.
    async fn trip(
        &self,
        store: &TenantStore,
        caller: &Caller,
        state: &BreakerState,
        limits: &Breaker,
        now: i64,
        reached: &str,
    ) -> Result<bool, ServiceError> {
        let since = now - i64::from(limits.window) * 60;
        let mut tripped = state.tripped;
        let mut retry = Retry::until(caller.deadline);
        while tripped.is_none_or(|at| at < since) {
            let mut transaction = store.transaction();
            transaction.trip(now, since);
            transaction.log(&self.record_of_tenant(caller, "stop", &json!({ "reason": reached })));
            let attempt = transaction.commit().await.map_err(AttemptError::from);
            if retry.settled(attempt).await?.is_some() {
                return Ok(true);
            }
            tripped = store.breaker().await?.tripped;
        }
        Ok(false)
    }
}

impl Breaker {
    /// Whether this many can be too many with the fewest users that the breaker acts on; the users need not be counted
    /// when not.
    fn may_stop(&self, sum: &Losses) -> bool {
        let lost = sum.most();
        self.is_over_share(lost, self.min_users) || self.count.is_some_and(|count| lost > count)
    }

    fn is_over_share(&self, lost: u64, users: u64) -> bool {
        self.share > 0 && lost.saturating_mul(100) > self.share.saturating_mul(users)
    }

    /// What is too much, in words.
    fn reached(&self, sum: &Losses, users: u64) -> Option<String> {
        let Self { share, count, window, min_users } = self;
        if users < *min_users {
            return None;
        }
        let is_over = |lost: u64| self.is_over_share(lost, users) || count.is_some_and(|count| lost > count);
        let by_share = (*share > 0).then(|| format!("{share} % of {users} users (SCIM_BREAKER_SHARE)"));
        let by_count = count.map(|count| format!("{count} (SCIM_BREAKER_COUNT)"));
        let limits = by_share.into_iter().chain(by_count).collect::<Vec<_>>().join(" or ");
        let said = |lost: u64, what: &str| format!("with it {lost} {what} within {window} minutes, more than {limits}");
        match (sum.lost_users(), sum.lost_memberships()) {
            (users, _) if is_over(users) => Some(said(users, "users would have been deactivated or deleted")),
            (_, members) if is_over(members) => Some(said(members, "members would have been taken out of groups")),
            _ => None,
        }
    }
}
