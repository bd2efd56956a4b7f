//! What has to hold for any input, one module for each fuzz target. The fuzzers look for an input for which it does not;
//! `cargo test` gives it the inputs that they have collected.

pub mod bulk;
#[cfg(feature = "server")]
pub mod cursor;
#[cfg(feature = "server")]
pub mod event;
pub mod filter;
#[cfg(feature = "server")]
mod function;
pub mod patch;
pub mod path;
#[cfg(feature = "server")]
pub mod query;
mod samples;

/// What a target asserts of a text.
type Check = fn(&str);

/// Each target, by its name.
pub const TARGETS: &[(&str, Check)] = &[
    ("filter", filter::check),
    ("path", path::check),
    ("patch", patch::check),
    ("bulk", bulk::check),
    #[cfg(feature = "server")]
    ("cursor", cursor::check),
    #[cfg(feature = "server")]
    ("query", query::check),
    #[cfg(feature = "server")]
    ("event", event::check),
];
