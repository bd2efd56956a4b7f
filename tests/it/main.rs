//! Black-box tests: every request goes through the router to a real engine. One binary, because linking is what takes
//! the time.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cloned_ref_to_slice_refs,
    clippy::doc_markdown,
    clippy::needless_pass_by_value,
    clippy::semicolon_if_nothing_returned,
    clippy::uninlined_format_args,
    reason = "what a test says is short, and its numbers are small"
)]

mod administration;
mod application;
mod big_groups;
mod bounds;
mod bulk;
mod concurrency;
mod conformance;
mod cost;
mod crash;
mod cursor;
mod deployed;
mod documents;
mod errors;
mod flows;
mod fuzz;
mod guarantees;
mod harness;
mod lambda;
mod layers;
mod logs;
mod policies;
mod preconditions;
mod properties;
mod requirements;
mod rfc;
mod search;
mod seed;
mod serve;
mod settings;
mod simulation;
mod sort;
mod template;
mod tenants;
mod verify;
