//! The embedded DynamoDB-compatible engine. It is reached over HTTP through the real client, so that what runs here is
//! what runs on AWS.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Name of the engine's file in the data folder.
pub const FILE: &str = "table.db";

/// A running engine. Dropping it stops it.
#[derive(Debug)]
pub struct Engine {
    endpoint: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Starts an engine whose data is gone when it stops.
    ///
    /// # Errors
    ///
    /// When no port of the loopback address is to be had.
    pub fn in_memory() -> io::Result<Self> {
        Self::start(dynoxide::Database::memory().map_err(io::Error::other)?)
    }

    /// Starts an engine on the file in `folder`, which is made if it is missing. Each write is on disk before it is
    /// answered.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made or written.
    pub fn persistent(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let file = folder.join(FILE);
        // The engine's own error does not say why; a file that cannot be opened for writing does.
        std::fs::OpenOptions::new().append(true).create(true).open(&file)?;
        Self::start(dynoxide::Database::new(&file.to_string_lossy()).map_err(io::Error::other)?)
    }

    /// On a thread of its own: the engine calls `SQLite` synchronously, and each write waits for the disk.
    fn start(database: dynoxide::Database) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                let until = async {
                    let _either_way = stopped.await;
                };
                let _ended = dynoxide::server::serve_with_shutdown(listener, database, until).await;
            });
        });
        Ok(Self { endpoint, stop: Some(stop), thread: Some(thread) })
    }

    /// Where the engine answers.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _gone_already = stop.send(());
        }
        // The thread is not waited for: it ends when the last connection does, and every answered write is on disk.
        drop(self.thread.take());
    }
}
