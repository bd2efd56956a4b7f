//! What an application reads, by the examples that docs/application.md shows it: in Rust, in JavaScript and in Python,
//! the latter two as processes, against a table that requests have filled. A language that is not at hand is said to be
//! skipped.

mod cost;
#[path = "../../../examples/read/directory.rs"]
mod directory;
mod languages;
mod large;
mod policy;
mod read;
mod stream;
