//! Who a token stands for, when the configuration does not say so.

use super::{Service, ServiceError};
use crate::ambient;
use crate::config::TokenOwner;
use crate::store::StoreError;
use crate::store::keys::hex;
use crate::store::meter::Meter;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Seconds within which one use of a token is noted.
const NOTED_EVERY: i64 = 60;

/// When this process last noted the use of each token, in seconds since 1970.
#[derive(Debug, Clone, Default)]
pub(super) struct Uses(Arc<Mutex<BTreeMap<[u8; 32], i64>>>);

impl Uses {
    /// Whether it is time to note a use again.
    fn is_due(&self, digest: &[u8; 32], now: i64) -> bool {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = uses.get(digest).is_none_or(|noted| now - noted >= NOTED_EVERY);
        if is_due {
            uses.insert(*digest, now);
        }
        is_due
    }
}

impl Service {
    /// The owner of a token of the table, by its digest.
    ///
    /// # Errors
    ///
    /// What the table said.
    pub async fn token_owner(&self, digest: &[u8; 32], meter: &Meter) -> Result<Option<TokenOwner>, ServiceError> {
        let found = self.store.token(&hex(digest), meter).await?;
        Ok(found.map(|token| TokenOwner {
            tenant: token.tenant,
            label: token.label,
            scope: token.scope,
            until: token.until,
            digest: *digest,
        }))
    }

    /// Notes that a token was used: once a minute at most, whatever the number of processes. That it cannot be noted is no
    /// failure of the request.
    pub async fn note_use(&self, digest: &[u8; 32]) {
        let now = ambient::now();
        if !self.settings.notes_uses || !self.uses.is_due(digest, now.as_second()) {
            return;
        }
        let since = now - jiff::SignedDuration::from_secs(NOTED_EVERY);
        if let Err(error) = self.store.note_use(&hex(digest), &format!("{now:.3}"), &format!("{since:.3}")).await {
            tracing::debug!(error = %error, "the use of a token is not noted");
        }
    }

    /// The tenants that have a token in the table.
    ///
    /// # Errors
    ///
    /// What the table said.
    pub async fn tenants_of_table(&self) -> Result<BTreeSet<String>, StoreError> {
        let (tokens, _) = self.store.tokens(&Meter::default()).await?;
        Ok(tokens.into_iter().map(|token| token.tenant).collect())
    }
}
