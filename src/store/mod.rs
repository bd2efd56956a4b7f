//! The only layer that names DynamoDB. One table, two string keys, no secondary index, every read strongly
//! consistent: a secondary index is eventually consistent, and a lookup that misses a user created 200 ms ago ends in
//! a duplicate.
//!
//! [`keys`] holds every key, [`items`] every item shape, [`calls`] every kind of call but the one that writes,
//! [`transaction`] every write, `action` what it is made of, `commit` what becomes of it (and of its attempts, `attempts`),
//! `order` in which place of the log it comes, [`log`] what was changed, `redo` the changes that no transaction holds,
//! `related` who is a member of what, [`setup`] whether the table can be used, and [`verify`] what must hold of all of it.
//! `once` is for the embedded engine alone.

mod action;
mod attempts;
pub mod breaker;
pub mod calls;
mod commit;
pub mod connect;
pub mod error;
pub mod items;
pub mod keys;
pub mod log;
pub mod meter;
#[cfg(feature = "local")]
mod once;
mod order;
pub mod reads;
pub(crate) mod redo;
pub(crate) mod related;
pub mod setup;
pub mod tokens;
pub mod transaction;
pub mod verify;

pub use error::{CommitError, StoreError};
pub use items::Stored;
pub use transaction::Transaction;

use aws_sdk_dynamodb::Client;
use keys::Keys;
use meter::Meter;
use std::sync::Arc;

/// The table.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    table: Arc<str>,
}

impl Store {
    /// A table that exists; see [`connect`].
    #[must_use]
    pub fn new(client: Client, table: &str) -> Self {
        Self { client, table: table.into() }
    }

    /// The part of the table that belongs to `tenant`, with its cost counted by `meter`.
    #[must_use]
    pub fn tenant(&self, tenant: &str, meter: &Meter) -> TenantStore {
        TenantStore {
            client: self.client.clone(),
            table: self.table.clone(),
            keys: Keys::new(tenant),
            meter: meter.clone(),
        }
    }

    /// The client, for what is not a tenant's: creating the table.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Name of the table.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }
}

/// One tenant's part of the table, for one request.
#[derive(Debug, Clone)]
pub struct TenantStore {
    client: Client,
    table: Arc<str>,
    keys: Keys,
    meter: Meter,
}
