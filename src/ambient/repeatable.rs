//! Time, ids and randomness from a seed: under tokio's paused clock a run can then be repeated, whatever it does.
//!
//! A test, not a deployment, asks for it, and for its own thread alone.

use jiff::{SignedDuration, Timestamp};
use std::cell::RefCell;
use std::marker::PhantomData;
use std::time::Duration;
use tokio::time::Instant;

thread_local! {
    static SOURCE: RefCell<Option<Source>> = const { RefCell::new(None) };
}

/// What stands in place of the clock and of the system's randomness.
pub(super) struct Source {
    random: fastrand::Rng,
    /// The time of day at `began`.
    at: Timestamp,
    began: Instant,
    /// The last time-ordered id: its milliseconds, and how many there were in them.
    last: (u64, u32),
}

/// While it lives, what this thread asks of [`super`] comes from the seed.
#[derive(Debug)]
pub struct Repeatable(PhantomData<*const ()>);

/// From now on, on this thread, the time is `at` and goes on as tokio's clock does, and ids and random bytes are those of
/// the seed. The runtime must have one thread.
#[must_use]
pub fn repeatable(seed: u64, at: Timestamp) -> Repeatable {
    let source = Source { random: fastrand::Rng::with_seed(seed), at, began: Instant::now(), last: (0, 0) };
    SOURCE.set(Some(source));
    Repeatable(PhantomData)
}

impl Drop for Repeatable {
    fn drop(&mut self) {
        SOURCE.set(None);
    }
}

/// What `take` takes from the seed; `None` where there is none.
pub(super) fn seeded<T>(take: impl FnOnce(&mut Source) -> T) -> Option<T> {
    SOURCE.with_borrow_mut(|source| source.as_mut().map(take))
}

impl Source {
    pub(super) fn now(&self) -> Timestamp {
        let gone = SignedDuration::try_from(self.began.elapsed()).unwrap_or_default();
        self.at.saturating_add(gone).unwrap_or(self.at)
    }

    pub(super) fn new_id(&mut self) -> String {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// Those of one millisecond are in order, too.
    pub(super) fn new_time_ordered_id(&mut self, at: Timestamp) -> String {
        let milliseconds = u64::try_from(at.as_millisecond()).unwrap_or_default();
        let count = if milliseconds == self.last.0 { self.last.1 + 1 } else { 0 };
        self.last = (milliseconds, count);
        let mut rest = [0; 10];
        self.random.fill(&mut rest);
        // The first byte loses its upper half to the version, the third its upper quarter to the variant.
        let [_, _, high, low] = count.to_be_bytes();
        rest[..2].copy_from_slice(&[high, low]);
        uuid::Builder::from_unix_timestamp_millis(milliseconds, &rest).into_uuid().to_string()
    }

    pub(super) fn part(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(self.random.f64())
    }

    pub(super) fn fill(&mut self, bytes: &mut [u8]) {
        self.random.fill(bytes);
    }
}

#[cfg(test)]
mod tests {
    use crate::ambient;
    use jiff::Timestamp;
    use std::time::Duration;

    /// Everything that a run could depend on, at three moments.
    fn run(seed: u64) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let _seeded = ambient::repeatable(seed, Timestamp::UNIX_EPOCH);
            let began = ambient::monotonic();
            let mut seen = Vec::new();
            for _ in 0..3 {
                seen.extend([
                    ambient::now().to_string(),
                    format!("{:?}", ambient::monotonic() - began),
                    ambient::new_id(),
                    ambient::new_time_ordered_id(ambient::now()),
                    ambient::new_time_ordered_id(ambient::now()),
                    format!("{:?}", ambient::jitter(Duration::from_secs(1))),
                    ambient::random_token().unwrap(),
                    format!("{:?}", ambient::nonce()),
                ]);
                tokio::time::sleep(Duration::from_millis(1500)).await;
            }
            seen
        })
    }

    #[test]
    fn a_seed_gives_the_same_again_and_another_seed_something_else() {
        let (first, again, other) = (run(1), run(1), run(2));
        assert_eq!(first, again);
        assert_eq!(first[0], "1970-01-01T00:00:00Z");
        assert_eq!((first[8].as_str(), first[9].as_str()), ("1970-01-01T00:00:01.5Z", "1.5s"));
        assert!(first[2..8].iter().zip(&other[2..8]).all(|(one, another)| one != another));
    }

    #[test]
    fn time_ordered_ids_are_in_order() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let _seeded = ambient::repeatable(1, "2026-11-24T12:00:00Z".parse().unwrap());
            let ids: Vec<String> = (0..600).map(|_| ambient::new_time_ordered_id(ambient::now())).collect();
            assert!(ids.is_sorted());
            let uuid: uuid::Uuid = ids[0].parse().unwrap();
            assert_eq!((uuid.get_version_num(), &ids[0][..8]), (7, "01a20d6d"));
        });
    }

    #[test]
    fn without_a_seed_there_is_the_clock() {
        assert!(ambient::now().as_second() > 1_700_000_000);
        assert_ne!(ambient::new_id(), ambient::new_id());
    }
}
