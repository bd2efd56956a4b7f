//! What ends the program from outside: Ctrl-C, a termination signal, a terminal that is closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinHandle;

/// Listens until it is dropped, while something long is done: what is under way ends, and no more is begun.
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
                tokio::select! {
                    () = interrupted() => {}
                    () = hung_up() => {}
                }
                asked.store(true, Ordering::Relaxed);
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

/// Ready at Ctrl-C, and on Unix at a termination signal.
pub async fn interrupted() {
    let interrupted = async {
        let _cannot_listen = tokio::signal::ctrl_c().await;
    };
    #[cfg(unix)]
    {
        let Ok(mut terminated) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
            return interrupted.await;
        };
        tokio::select! {
            () = interrupted => {}
            _ = terminated.recv() => {}
        }
    }
    #[cfg(not(unix))]
    interrupted.await;
}

/// Ready when the terminal is closed. Never where that is ignored, as under `nohup`: who listens is no longer left alone.
async fn hung_up() {
    #[cfg(unix)]
    if !is_hangup_ignored()
        && let Ok(mut hung_up) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())
    {
        hung_up.recv().await;
        return;
    }
    std::future::pending::<()>().await;
}

/// Also where it cannot be told: the system then ends the program at once, as it does without a listener.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_none_or(|mask| mask & 1 == 1)
}
