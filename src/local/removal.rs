//! `scimlet delete-users` and `scimlet delete-groups`.

use super::admin::Admin;
use super::progress;
use crate::config::Guards;
use crate::protocol::schema::ResourceType;
use crate::service::removal::{Candidate, Verdict};
use futures_util::stream::{self, StreamExt as _};
use std::sync::atomic::{AtomicBool, Ordering};

/// Deletions under way at the same time.
const AT_ONCE: usize = 16;
/// Reasons that are told of what could not be deleted.
const REASONS: usize = 5;

/// What there is to delete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Those that go.
    pub go: u64,
    /// Users of the application's own, and protected ones: they stay.
    pub stay: u64,
    /// Of those that go, users with access.
    pub active: u64,
}

/// What became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Deleted.
    pub deleted: u64,
    /// Those that stay.
    pub stay: u64,
    /// Not deleted though they should be.
    pub left: u64,
    /// Why, of the first ones.
    pub reasons: Vec<String>,
    /// Whether it was stopped before it came to its end.
    pub is_stopped: bool,
}

/// Counts what would be deleted: reads every resource of the type.
///
/// # Errors
///
/// What the table said, in a sentence.
pub async fn count(admin: &Admin, resource_type: ResourceType, guards: &Guards) -> Result<Counted, String> {
    let (mut counted, mut after) = (Counted::default(), None);
    loop {
        let some = next(admin, resource_type, after.as_deref(), guards).await?;
        for candidate in &some {
            let goes = candidate.verdict == Verdict::Goes;
            counted.go += u64::from(goes);
            counted.stay += u64::from(!goes);
            counted.active += u64::from(goes && candidate.is_active);
        }
        match some.last() {
            Some(last) => after = Some(last.id.clone()),
            None => return Ok(counted),
        }
    }
}

async fn next(
    admin: &Admin,
    resource_type: ResourceType,
    after: Option<&str>,
    guards: &Guards,
) -> Result<Vec<Candidate>, String> {
    let found = admin.service.candidates(&admin.caller(), resource_type, after, guards).await;
    found.map_err(|error| error.to_string())
}

/// Deletes them, each with its change record, and records how many. It goes on behind what cannot be deleted, and ends
/// after what is under way once `stop` is set; run again it goes on.
///
/// # Errors
///
/// What the table said, in a sentence.
pub async fn run(
    admin: &Admin,
    resource_type: ResourceType,
    guards: &Guards,
    counted: Counted,
    stop: &AtomicBool,
) -> Result<Removed, String> {
    let bar = progress::bar(counted.go);
    bar.set_message("deleted");
    let (mut removed, mut after) = (Removed::default(), None::<String>);
    while !stop.load(Ordering::Relaxed) {
        let some = next(admin, resource_type, after.as_deref(), guards).await?;
        let Some(last) = some.last() else { break };
        after = Some(last.id.clone());
        let going: Vec<&Candidate> = some.iter().filter(|candidate| candidate.verdict == Verdict::Goes).collect();
        removed.stay += (some.len() - going.len()) as u64;
        // Lazily: what is not begun when it is stopped is not begun.
        let mut deletions = stream::iter(&going)
            .take_while(|_| std::future::ready(!stop.load(Ordering::Relaxed)))
            .map(|candidate| async {
                let done = admin.service.remove(&mut admin.caller(), resource_type, &candidate.id).await;
                done.map_err(|error| format!("{} '{}': {error}", resource_type.name(), candidate.id))
            })
            .buffer_unordered(AT_ONCE);
        while let Some(done) = deletions.next().await {
            bar.inc(1);
            match done {
                Ok(()) => removed.deleted += 1,
                Err(reason) => {
                    removed.left += 1;
                    if removed.reasons.len() < REASONS {
                        removed.reasons.push(reason);
                    }
                }
            }
        }
    }
    bar.finish_and_clear();
    removed.is_stopped = stop.load(Ordering::Relaxed) && removed.deleted + removed.left < counted.go;
    if removed.deleted + removed.left > 0 {
        let recorded =
            admin.service.record_removal(&admin.caller(), resource_type, removed.deleted, removed.left).await;
        recorded.map_err(|error| error.to_string())?;
    }
    Ok(removed)
}
