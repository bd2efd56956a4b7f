//! Black-box tests: every request goes through the router to a real engine. One binary, because linking is what takes
//! the time.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

mod concurrency;
mod conformance;
mod cost;
mod errors;
mod flows;
mod guarantees;
mod harness;
mod lambda;
mod layers;
mod preconditions;
mod properties;
mod requirements;
mod rfc;
mod serve;
