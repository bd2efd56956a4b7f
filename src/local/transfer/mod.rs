//! `scimlet export` and `scimlet import`: a directory as SCIM resources in JSON, one a line.

pub mod export;
pub mod import;
mod lines;
