//! What a request costs: calls, the longest chain of them, time and capacity units. Calls, chain and units are exact
//! and repeatable.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The cost of one request so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Calls to DynamoDB.
    pub calls: u32,
    /// Calls that had to wait for one another: the longest chain.
    pub round_trips: u32,
    /// Read capacity units.
    pub read_units: f64,
    /// Write capacity units.
    pub write_units: f64,
    /// Time in which at least one call was under way.
    pub busy: Duration,
}

/// Counts one request's calls. Clones share the count.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    cost: Cost,
    under_way: u32,
    busy_since: Option<std::time::Instant>,
}

/// A call under way.
#[derive(Debug)]
pub struct Call {
    meter: Meter,
    depth: u32,
}

/// Which units a call consumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Units {
    /// Read capacity units.
    Read,
    /// Write capacity units.
    Write,
}

impl Meter {
    /// The cost so far.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.state().cost
    }

    /// Notes that a call starts. It comes after every call that has ended by now.
    #[must_use]
    pub fn start(&self) -> Call {
        let mut state = self.state();
        state.cost.calls += 1;
        state.under_way += 1;
        if state.under_way == 1 {
            state.busy_since = Some(crate::ambient::monotonic());
        }
        Call { meter: self.clone(), depth: state.cost.round_trips + 1 }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call {
    /// Notes the units of the call.
    pub fn consumed(&self, units: Units, amount: f64) {
        let mut state = self.meter.state();
        match units {
            Units::Read => state.cost.read_units += amount,
            Units::Write => state.cost.write_units += amount,
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut state = self.meter.state();
        state.cost.round_trips = state.cost.round_trips.max(self.depth);
        state.under_way -= 1;
        if state.under_way == 0
            && let Some(since) = state.busy_since.take()
        {
            state.cost.busy += since.elapsed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_at_the_same_time_are_one_round_trip_and_calls_in_turn_are_two() {
        let meter = Meter::default();
        let (first, second) = (meter.start(), meter.start());
        first.consumed(Units::Read, 0.5);
        drop(first);
        drop(second);
        meter.start().consumed(Units::Write, 2.0);
        let cost = meter.cost();
        assert_eq!((cost.calls, cost.round_trips), (3, 2));
        assert_eq!((cost.read_units, cost.write_units), (0.5, 2.0));
    }

    #[test]
    fn time_with_a_call_under_way_counts_once() {
        const LONG: Duration = Duration::from_millis(2);
        let meter = Meter::default();
        let only = meter.start();
        std::thread::sleep(LONG);
        drop(only);
        let before = meter.cost().busy;
        assert!(before >= LONG);
        let (first, second) = (meter.start(), meter.start());
        std::thread::sleep(LONG);
        drop(first);
        assert_eq!(meter.cost().busy, before, "one is under way");
        drop(second);
        assert!(meter.cost().busy >= before + LONG);
    }
}
