//! What stands around the service provider on a desk: the embedded engine, the server, and what fills and checks a table.

pub mod admin;
pub mod check;
pub mod columns;
pub mod connections;
pub mod engine;
pub mod history;
pub mod listing;
pub mod population;
pub mod progress;
pub mod removal;
pub mod seed;
pub mod serve;
pub mod status;
pub mod table;
pub mod transfer;
pub mod verify;
pub mod when;
