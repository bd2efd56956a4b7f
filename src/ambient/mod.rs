//! The one home of the clock, of randomness and of the environment. `clippy.toml` bans them everywhere else, so that
//! what depends on them is seen in a signature.

#![expect(clippy::disallowed_methods, reason = "this is their one home")]

#[cfg(feature = "local")]
mod repeatable;

#[cfg(feature = "local")]
pub use repeatable::{Repeatable, repeatable};

use jiff::{Timestamp, TimestampRound, Unit};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// What a seed says in place of the clock or the system, where there is one: in a test that can be repeated.
macro_rules! unless_seeded {
    ($take:expr) => {
        #[cfg(feature = "local")]
        if let Some(taken) = repeatable::seeded($take) {
            return taken;
        }
    };
}

/// The time of day in UTC, to the millisecond: what `meta.created` shows.
#[must_use]
pub fn now() -> Timestamp {
    unless_seeded!(|source| source.now());
    let now = Timestamp::now();
    now.round(TimestampRound::new().smallest(Unit::Millisecond)).unwrap_or(now)
}

/// A clock that only goes forward, for durations and deadlines.
#[must_use]
pub fn monotonic() -> Instant {
    unless_seeded!(|_| tokio::time::Instant::now().into_std());
    Instant::now()
}

/// A fresh resource id: `UUIDv4`, opaque and uniformly spread.
#[must_use]
pub fn new_id() -> String {
    unless_seeded!(repeatable::Source::new_id);
    uuid::Uuid::new_v4().to_string()
}

/// A fresh id that sorts by this time: `UUIDv7`. Of one millisecond, those of one process are in the order in which they
/// were made, but for one in 65,536.
#[must_use]
pub fn new_time_ordered_id(at: Timestamp) -> String {
    unless_seeded!(|source| source.new_time_ordered_id(at));
    let (seconds, rest) = (at.as_second().unsigned_abs(), at.subsec_nanosecond().unsigned_abs());
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    uuid::Uuid::new_v7(uuid::Timestamp::from_unix_time(seconds, rest, count.into(), COUNT_BITS)).to_string()
}

/// How many time-ordered ids this process has made.
static COUNT: AtomicU16 = AtomicU16::new(0);
/// The bits of [`COUNT`]. The other 58 behind the milliseconds are random.
const COUNT_BITS: u8 = 16;

/// A random part of `longest`, to spread retries.
#[must_use]
pub fn jitter(longest: Duration) -> Duration {
    unless_seeded!(|source| source.part(longest));
    longest.mul_f64(f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX))
}

/// 256 random bits in hexadecimal digits.
///
/// # Errors
///
/// When the system has no randomness to give.
pub fn random_token() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 32];
    fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// 96 random bits, for one sealing. `None` when the system has no randomness to give.
#[must_use]
pub fn nonce() -> Option<[u8; 12]> {
    let mut bytes = [0_u8; 12];
    fill(&mut bytes).ok().map(|()| bytes)
}

fn fill(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
    unless_seeded!(|source| {
        source.fill(bytes);
        Ok(())
    });
    getrandom::fill(bytes)
}

/// An environment variable; an empty one counts as unset.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
