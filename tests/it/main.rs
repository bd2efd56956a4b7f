//! Black-box tests: every request goes through the router to a real engine. One binary, because linking is what takes
//! the time.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]
#![expect(missing_docs, unused_crate_dependencies, reason = "a test binary")]

mod flows;
mod harness;
mod requirements;
