//! What stands around the service provider on a desk: the embedded engine, the server, and what fills and checks a table.

pub mod admin;
pub mod columns;
pub mod engine;
pub mod population;
pub mod progress;
pub mod seed;
pub mod serve;
pub mod table;
pub mod verify;
pub mod when;
