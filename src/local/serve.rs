//! `scimlet serve`: every route, over HTTP.

use super::connections::{self, Limits};
use super::table::{OpenTable, TableError};
use crate::ambient;
use crate::config::{Config, ConfigError};
use crate::http::{ABANDONED_AFTER, Api, Route, router, sweep};
use axum::Router;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The pause between two sweeps, and the longest time that one takes.
const SWEPT_EVERY: Duration = Duration::from_secs(300);

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
    #[error(transparent)]
    Table(#[from] TableError),
    #[error("No random token can be made: {0}. Set SCIM_TOKEN.")]
    Token(String),
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// A server that listens and is not yet answering.
#[derive(Debug)]
pub struct Server {
    api: Api,
    listener: tokio::net::TcpListener,
    router: Router,
    /// The URL to give to clients.
    pub base_url: String,
    /// The token, unless only its digest is configured.
    pub token: Option<String>,
    /// Where the data is.
    pub table: OpenTable,
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
        let config = Config::read(|name| match name {
            "SCIM_TOKEN" => token.clone(),
            "SCIM_BASE_URL" => options.base_url.clone().or_else(|| variable(name)),
            _ => variable(name),
        })?;
        let table = OpenTable::open(options.data_dir.as_deref(), true, variable).await?;
        let base_url = config.base_url.clone().unwrap_or_else(|| format!("http://{address}/scim/v2"));
        let api = Api::new(config, table.store.clone());
        let router = router(&api, &Route::ALL);
        Ok(Self { api, listener, router, base_url, token, table })
    }

    /// Answers until `stop` is ready, and then until every request under way is answered.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) {
        let Self { api, listener, router, .. } = self;
        let sweeps = tokio::spawn(async move {
            loop {
                // What it cannot do is in its log line, and for the next time.
                let _swept = sweep(&api, SWEPT_EVERY, ABANDONED_AFTER).await;
                tokio::time::sleep(SWEPT_EVERY).await;
            }
        });
        connections::serve(listener, router, Limits::default(), stop).await;
        sweeps.abort();
    }
}
