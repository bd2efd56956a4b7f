//! What stands around the service provider on a desk: the embedded engine and the server.

pub mod engine;
pub mod serve;
