//! The table that the commands work on: the embedded engine's, that of the engine at `DYNAMODB_ENDPOINT`, or on AWS.

use super::engine::{self, Engine};
use crate::config::Table;
use crate::store::Store;
use crate::store::connect::{connect, connect_to_embedded};
use crate::store::setup::SetupError;
use std::io;
use std::path::{Path, PathBuf};

/// A table that is there.
#[derive(Debug)]
pub struct OpenTable {
    /// The table.
    pub store: Store,
    /// Where it is, in words.
    pub place: String,
    /// Whether it is on AWS, where writing costs money.
    pub is_on_aws: bool,
    _engine: Option<Engine>,
}

/// Why there is no table. Each says what to do.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the text is the documentation")]
pub enum TableError {
    #[error("Cannot keep data in {}: {source}. Choose a folder that you may write with --data-dir.", folder.display())]
    DataDir { folder: PathBuf, source: io::Error },
    #[error("The embedded engine does not start: {0}.")]
    Engine(io::Error),
    #[error(
        "No usable answer from DYNAMODB_ENDPOINT {endpoint} ({reason}). Start the engine there, or unset DYNAMODB_ENDPOINT to use the embedded one."
    )]
    Endpoint { endpoint: String, reason: String },
    #[error("{0} Or unset TABLE_NAME and DYNAMODB_ENDPOINT to use the embedded engine.")]
    Setup(#[from] SetupError),
}

impl OpenTable {
    /// Whether there may be a table: false when no variable names one and `data_dir` holds no data.
    #[must_use]
    pub fn is_there(data_dir: &Path, variable: impl Fn(&str) -> Option<String>) -> bool {
        let is_named = variable("DYNAMODB_ENDPOINT").is_some() || variable("TABLE_NAME").is_some();
        is_named || data_dir.join(engine::FILE).is_file()
    }

    /// Opens the table that the environment names. With neither `DYNAMODB_ENDPOINT` nor `TABLE_NAME` it is the embedded
    /// engine's, in `data_dir` or, without one, in memory. Off AWS the table is made if it is missing and `may_make` says
    /// so.
    ///
    /// # Errors
    ///
    /// [`TableError`], one sentence that says what to do.
    pub async fn open(
        data_dir: Option<&Path>,
        may_make: bool,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, TableError> {
        let mut table = Table::read(&variable);
        let is_on_aws = table.endpoint.is_none() && variable("TABLE_NAME").is_some();
        if is_on_aws {
            let store = connect(&table).await;
            let place = format!("{} on AWS", table.name);
            store.probe().await?;
            return Ok(Self { store, place, is_on_aws, _engine: None });
        }
        let (engine, place) = match (&table.endpoint, data_dir) {
            (Some(endpoint), _) => (None, format!("{} at {endpoint}", table.name)),
            (None, None) => {
                (Some(Engine::in_memory().map_err(TableError::Engine)?), "in memory: gone when this ends".to_owned())
            }
            (None, Some(folder)) => {
                let failed = |source| TableError::DataDir { folder: folder.to_owned(), source };
                let engine = Engine::persistent(folder).map_err(failed)?;
                (Some(engine), format!("{} (embedded engine)", folder.join(engine::FILE).display()))
            }
        };
        let store = if let Some(engine) = &engine {
            table.endpoint = Some(engine.endpoint().to_owned());
            connect_to_embedded(&table).await
        } else {
            connect(&table).await
        };
        let endpoint = table.endpoint.unwrap_or_default();
        let unusable = |reason| TableError::Endpoint { endpoint: endpoint.clone(), reason };
        if may_make {
            store.create_table_if_missing().await.map_err(|error| unusable(error.to_string()))?;
        }
        store.probe().await.map_err(|error| match error {
            SetupError::Unreachable { message, .. } => unusable(message),
            other => other.into(),
        })?;
        Ok(Self { store, place, is_on_aws, _engine: engine })
    }
}
