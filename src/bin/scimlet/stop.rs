//! Ctrl-C while something long is done: what is under way ends, and no more is begun.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinHandle;

/// Listens until it is dropped.
pub struct Stop {
    asked: Arc<AtomicBool>,
    listener: JoinHandle<()>,
}

impl Stop {
    pub fn on_interrupt() -> Self {
        let asked = Arc::new(AtomicBool::new(false));
        let listener = tokio::spawn({
            let asked = asked.clone();
            async move {
                if tokio::signal::ctrl_c().await.is_ok() {
                    asked.store(true, Ordering::Relaxed);
                }
            }
        });
        Self { asked, listener }
    }

    /// Set once it was asked for.
    pub fn asked(&self) -> &AtomicBool {
        &self.asked
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.listener.abort();
    }
}
