//! `scimlet serve`: every route, over HTTP.

use super::engine::{self, Engine};
use crate::ambient;
use crate::config::{Config, ConfigError};
use crate::http::{Api, Route, router};
use crate::store::connect::connect;
use crate::store::{Store, StoreError};
use axum::Router;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// How to serve.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address and port.
    pub listen: SocketAddr,
    /// Folder of the embedded engine's file; `None` keeps the data in memory.
    pub data_dir: Option<PathBuf>,
    /// What locations begin with, if not the address.
    pub base_url: Option<String>,
}

/// Why the server does not start. Each says what to do.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the text is the documentation")]
pub enum ServeError {
    #[error("Cannot listen on {address}: {source}. Stop the program that uses it, or choose another with --listen.")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("Cannot keep data in {}: {source}. Choose a folder that you may write with --data-dir, or use --in-memory.", folder.display())]
    DataDir { folder: PathBuf, source: io::Error },
    #[error("The embedded engine does not start: {0}.")]
    Engine(io::Error),
    #[error(
        "No usable answer from DYNAMODB_ENDPOINT {endpoint} ({source}). Start the engine there, or unset DYNAMODB_ENDPOINT to use the embedded one."
    )]
    Endpoint { endpoint: String, source: StoreError },
    #[error(
        "Table {table} on AWS cannot be used ({source}). Deploy template.yaml and check region and credentials, or unset TABLE_NAME to use the embedded engine."
    )]
    Aws { table: String, source: StoreError },
    #[error("No random token can be made: {0}. Set SCIM_TOKEN.")]
    Token(String),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("The server stopped: {0}.")]
    Stopped(io::Error),
}

/// A server that listens and is not yet answering.
#[derive(Debug)]
pub struct Server {
    listener: tokio::net::TcpListener,
    router: Router,
    /// The URL to give to clients.
    pub base_url: String,
    /// The token, unless only its digest is configured.
    pub token: Option<String>,
    /// Where the data is, in words.
    pub table: String,
    _engine: Option<Engine>,
}

impl Server {
    /// Reads the configuration, starts the engine, makes the table and listens.
    ///
    /// # Errors
    ///
    /// [`ServeError`], one sentence that says what to do.
    pub async fn start(options: &Options, variable: impl Fn(&str) -> Option<String>) -> Result<Self, ServeError> {
        let listen = |source| ServeError::Listen { address: options.listen, source };
        let listener = tokio::net::TcpListener::bind(options.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let token = match (variable("SCIM_TOKEN"), variable("SCIM_TOKEN_SHA256")) {
            (Some(token), _) => Some(token),
            (None, Some(_)) => None,
            (None, None) => Some(ambient::random_token().map_err(|error| ServeError::Token(error.to_string()))?),
        };
        let mut config = Config::read(|name| match name {
            "SCIM_TOKEN" => token.clone(),
            "SCIM_BASE_URL" => options.base_url.clone().or_else(|| variable(name)),
            _ => variable(name),
        })?;
        let on_aws = config.table.endpoint.is_none() && variable("TABLE_NAME").is_some();
        let running = if config.table.endpoint.is_none() && !on_aws { Some(start_engine(options)?) } else { None };
        let table = match (&running, &config.table.endpoint, &options.data_dir) {
            (Some(_), _, None) => "in memory: gone when this ends".to_owned(),
            (Some(_), _, Some(folder)) => format!("{} (embedded engine)", folder.join(engine::FILE).display()),
            (None, Some(endpoint), _) => format!("{} at {endpoint}", config.table.name),
            (None, None, _) => format!("{} on AWS", config.table.name),
        };
        if let Some(engine) = &running {
            config.table.endpoint = Some(engine.endpoint().to_owned());
        }
        let store = connect(&config.table).await;
        prepare(&store, &config, on_aws).await?;
        let base_url = config.base_url.clone().unwrap_or_else(|| format!("http://{address}/scim/v2"));
        let router = router(&Api::new(config, store), &Route::ALL);
        Ok(Self { listener, router, base_url, token, table, _engine: running })
    }

    /// Answers until `stop` is ready, and then until every request under way is answered.
    ///
    /// # Errors
    ///
    /// When the listener fails.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
        axum::serve(self.listener, self.router).with_graceful_shutdown(stop).await.map_err(ServeError::Stopped)
    }
}

fn start_engine(options: &Options) -> Result<Engine, ServeError> {
    match &options.data_dir {
        None => Engine::in_memory().map_err(ServeError::Engine),
        Some(folder) => {
            Engine::persistent(folder).map_err(|source| ServeError::DataDir { folder: folder.clone(), source })
        }
    }
}

/// Makes the table on a local engine; on AWS it has to be there.
async fn prepare(store: &Store, config: &Config, on_aws: bool) -> Result<(), ServeError> {
    if on_aws {
        let table = config.table.name.clone();
        return store.check_table().await.map_err(|source| ServeError::Aws { table, source });
    }
    let endpoint = config.table.endpoint.clone().unwrap_or_default();
    store.create_table_if_missing().await.map_err(|source| ServeError::Endpoint { endpoint, source })
}
