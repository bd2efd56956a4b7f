//! Whether the table holds what the schemas say, and its repair.

use super::Service;
use crate::protocol::index;
use crate::protocol::schema::ResourceType;
use crate::store::StoreError;
use crate::store::verify::{Observer, Options, Report, Rules};
use std::sync::Arc;

impl Service {
    /// Checks the whole table, of every tenant, and repairs it if that is asked for.
    ///
    /// # Errors
    ///
    /// When the table cannot be read, or not be written in a repair.
    pub async fn verify(&self, options: Options, observer: Observer) -> Result<Report, StoreError> {
        let schemas = Arc::clone(&self.schemas);
        let names = ResourceType::ALL.map(|resource_type| index::names(schemas.of(resource_type)));
        let rules = Rules {
            attributes: names.concat(),
            values: Box::new(move |resource_type, kept| index::values(schemas.of(resource_type), kept)),
        };
        self.store.verify(rules, options, observer).await
    }
}
