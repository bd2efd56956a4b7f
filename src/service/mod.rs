//! The use cases of RFC 7644 section 3: load, decide with `protocol`, store.

pub mod breaker;
pub mod bulk;
pub mod change;
pub mod cursor;
pub mod error;
pub mod groups;
mod guards;
mod membership;
pub mod query;
pub mod redo;
pub mod removal;
mod reprovision;
pub mod restore;
mod select;
mod tokens;
pub mod users;
pub mod verify;
pub mod write;

pub use error::ServiceError;

use crate::config::Settings;
use crate::protocol::quirks::Quirks;
use crate::protocol::representation::{Meta, Shown};
use crate::protocol::schema::{ResourceSchema, ResourceType, Schemas};
use crate::store::meter::Meter;
use crate::store::{Store, TenantStore};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

/// The service provider.
#[derive(Debug, Clone)]
pub struct Service {
    store: Store,
    schemas: Arc<Schemas>,
    settings: Arc<Settings>,
    uses: tokens::Uses,
}

/// Who asks, and what the request has left behind so far. Only a checked token makes one.
#[derive(Debug)]
pub struct Caller {
    /// Whose resources it may see.
    pub tenant: String,
    /// Label of the token.
    pub actor: String,
    /// The request.
    pub request_id: String,
    /// What the client calls it; empty when it does not say.
    pub client_request_id: String,
    /// What locations begin with.
    pub base_url: String,
    /// Until when a change may be tried again.
    pub deadline: Instant,
    /// Until when what was committed may be applied before the answer. What is left then, the sweep does.
    pub finish_by: Instant,
    /// Counts what the request costs.
    pub meter: Meter,
    /// The quirks that fired.
    pub quirks: Quirks,
    /// What the client named as members, does not exist, and was left out: by all operations of the request.
    pub skipped_members: BTreeSet<String>,
    /// How a query was answered: `point`, `lookup`, `range` or `walk`.
    pub plan: Option<&'static str>,
    /// What became of a change that no single transaction held: `ended`, or `left to the sweep`.
    pub redo: Option<&'static str>,
    /// What the breaker did: `refused`, or `tripped` for the first request that it refused in a while.
    pub breaker: Option<&'static str>,
    /// What the change log calls what is done, when it has a name of its own: `restore`.
    pub operation: Option<&'static str>,
    /// Whether the token may only read.
    pub is_read_only: bool,
    /// Digest of the token: cursors are sealed with it.
    pub cursor_secret: [u8; 32],
}

impl Caller {
    /// Who asks for one thing of one tenant, until `deadline`, and has left nothing behind yet.
    #[must_use]
    pub fn new(tenant: &str, actor: &str, deadline: Instant) -> Self {
        Self {
            tenant: tenant.to_owned(),
            actor: actor.to_owned(),
            request_id: crate::ambient::new_id(),
            client_request_id: String::new(),
            base_url: String::new(),
            deadline,
            finish_by: deadline + redo::FINISH_TIME,
            meter: Meter::default(),
            quirks: Quirks::default(),
            skipped_members: BTreeSet::new(),
            plan: None,
            redo: None,
            breaker: None,
            operation: None,
            is_read_only: false,
            cursor_secret: [0; 32],
        }
    }
}

/// `If-Match` and `If-None-Match` of a write (RFC 7644 section 3.14, RFC 9110 section 13.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// The versions of which the resource must have one; `None` when any will do.
    pub versions: Option<Vec<u64>>,
    /// The versions of which the resource must have none.
    pub unwanted: Vec<u64>,
    /// `If-None-Match: *` on a resource that exists.
    pub must_not_exist: bool,
}

impl Preconditions {
    fn check(&self, meta: &Meta) -> Result<(), ServiceError> {
        let stale = self.versions.as_ref().is_some_and(|versions| !versions.contains(&meta.version));
        if stale || self.must_not_exist || self.unwanted.contains(&meta.version) {
            return Err(crate::protocol::error::ScimError::new(
                412,
                format!(
                    "{} '{}' has the version {} now. Read it again and repeat the change.",
                    meta.resource_type.name(),
                    meta.id,
                    meta.etag()
                ),
            )
            .into());
        }
        Ok(())
    }

    /// Whether the change may be made to one version alone.
    fn is_conditional(&self) -> bool {
        self.versions.is_some() || !self.unwanted.is_empty()
    }
}

/// A resource to answer with.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What the server assigned: location and version go into headers.
    pub meta: Meta,
    /// The resource, as far as the client asked to see it.
    pub resource: Shown,
}

impl Service {
    /// A service provider over a table.
    #[must_use]
    pub fn new(store: Store, schemas: Schemas, settings: Settings) -> Self {
        Self { store, schemas: Arc::new(schemas), settings: Arc::new(settings), uses: tokens::Uses::default() }
    }

    /// The schemas it enforces and serves.
    #[must_use]
    pub fn schemas(&self) -> &Schemas {
        &self.schemas
    }

    fn schema(&self, resource_type: ResourceType) -> &ResourceSchema {
        self.schemas.of(resource_type)
    }

    fn store(&self, caller: &Caller) -> TenantStore {
        self.store.tenant(&caller.tenant, &caller.meter)
    }
}
