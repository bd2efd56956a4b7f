//! What a use case can end in, but for an answer.

use super::breaker::Stopped;
use crate::protocol::error::ScimError;
use crate::store::{CommitError, StoreError};

/// An error of the client's, or of the table.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// What the client is told.
    #[error(transparent)]
    Scim(#[from] ScimError),
    /// What the client is told nothing of, but for when to try again.
    #[error(transparent)]
    Store(StoreError),
    /// More is taken away than may be meant. Nothing was written.
    #[error("stopped by the breaker")]
    Stopped(Stopped),
    /// Others were writing to the same resource until the time was over. Nothing was written.
    #[error("gave up after {attempts} attempts at a contended resource")]
    Contended {
        /// How often it was tried.
        attempts: u32,
    },
}

impl ServiceError {
    /// What the client is told. What the table said stays inside.
    #[must_use]
    pub fn outside(&self) -> ScimError {
        match self {
            Self::Scim(error) => error.clone(),
            Self::Stopped(stopped) => ScimError::new(429, stopped.detail.clone()),
            Self::Contended { .. } => ScimError::new(
                429,
                "Too many changes of this resource at once. Nothing was changed; send the request again.",
            ),
            Self::Store(StoreError::Throttled(_)) => {
                ScimError::new(429, "Too many requests at once. Send the request again later.")
            }
            Self::Store(StoreError::Unavailable(_)) => {
                ScimError::new(503, "The table cannot be reached. Send the request again later.")
            }
            Self::Store(
                StoreError::Refused { .. }
                | StoreError::Corrupt { .. }
                | StoreError::TooManyActions { .. }
                | StoreError::TooLarge { .. },
            ) => ScimError::new(
                500,
                "The server failed; its log has the reason under the id in the x-request-id header.",
            ),
        }
    }

    /// After how many seconds the client may try again: whole ones, as clients read no others.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::Stopped(stopped) => Some(stopped.retry_after),
            Self::Contended { .. } => Some(2),
            Self::Store(StoreError::Throttled(_)) => Some(5),
            Self::Store(StoreError::Unavailable(_)) => Some(10),
            Self::Scim(_) | Self::Store(_) => None,
        }
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TooManyActions { needed } => {
                let limit = crate::store::transaction::MAX_ACTIONS;
                Self::Scim(ScimError::new(
                    413,
                    format!(
                        "The request changes too much at once: it needs {needed} actions in one transaction of {limit}. \
                         A request may change about 90 e-mail addresses; send the rest in further requests."
                    ),
                ))
            }
            StoreError::TooLarge { bytes, limit } => Self::Scim(ScimError::new(
                413,
                format!(
                    "The request is too large to be kept: it needs {bytes} bytes of {limit}. Send shorter values; those \
                     of userName, displayName, externalId and e-mail addresses count twice."
                ),
            )),
            other => Self::Store(other),
        }
    }
}

/// What one attempt at a write ends in.
#[derive(Debug)]
pub enum AttemptError {
    /// Read again and decide anew.
    Moved,
    /// It will not do.
    Final(ServiceError),
}

impl<E: Into<ServiceError>> From<E> for AttemptError {
    fn from(error: E) -> Self {
        Self::Final(error.into())
    }
}

impl From<CommitError> for AttemptError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Moved | CommitError::Gone(_) => Self::Moved,
            CommitError::Store(error) => Self::Final(error.into()),
            CommitError::Taken { attribute, holder } => {
                let (resource_type, attribute) = attribute.split_once('.').unwrap_or(("resource", &attribute));
                let holder = holder.map(|id| format!(" '{id}'")).unwrap_or_default();
                Self::Final(
                    ScimError::uniqueness(format!(
                        "Another {resource_type}{holder} has this '{attribute}'. It must be unique, in any case of letters."
                    ))
                    .into(),
                )
            }
        }
    }
}
