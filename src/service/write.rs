//! What all writes share: the retry of an attempt that another writer overtook, and the next state of a resource.

use super::error::AttemptError;
use super::{Service, ServiceError};
use crate::ambient;
use crate::protocol::Object;
use crate::protocol::error::ScimError;
use crate::protocol::representation::Meta;
use crate::protocol::schema::ResourceType;
use crate::store::items::Marks;
use crate::store::{Stored, TenantStore};
use jiff::{SignedDuration, Timestamp};
use std::time::{Duration, Instant};

/// Longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_millis(800);

/// The retry of attempts that another writer overtakes: at once, then after pauses that grow to [`MAX_PAUSE`], each
/// with full jitter, until the caller's deadline.
#[derive(Debug)]
pub(super) struct Retry {
    deadline: Instant,
    attempts: u32,
}

impl Retry {
    pub(super) fn until(deadline: Instant) -> Self {
        Self { deadline, attempts: 0 }
    }

    /// The outcome of an attempt that was not overtaken. `None`, after a pause, asks for another one.
    ///
    /// # Errors
    ///
    /// What the attempt ended in, or [`ServiceError::Contended`] at the deadline.
    pub(super) async fn settled<T>(&mut self, attempt: Result<T, AttemptError>) -> Result<Option<T>, ServiceError> {
        match attempt {
            Ok(done) => return Ok(Some(done)),
            Err(AttemptError::Final(error)) => return Err(error),
            Err(AttemptError::Moved) => self.attempts += 1,
        }
        let pause = ambient::jitter(Duration::from_millis(10 << self.attempts.min(7)).min(MAX_PAUSE));
        if ambient::monotonic() + pause >= self.deadline {
            return Err(ServiceError::Contended { attempts: self.attempts });
        }
        tokio::time::sleep(pause).await;
        Ok(None)
    }
}

/// The time of day, always with three digits of a second: sorted as text, times stand in their order.
#[must_use]
pub fn now() -> String {
    text(ambient::now())
}

/// The time of a change: now, but at the least a millisecond after the last change of each of these, as they were read. The
/// clock that it has its time of may be ahead.
pub(super) fn now_after<'r>(read: impl IntoIterator<Item = &'r Stored>) -> String {
    later_than(read.into_iter().map(Stored::last_change).max())
}

/// Now, but at the least a millisecond after this time.
pub(super) fn later_than(last: Option<Timestamp>) -> String {
    let next = last.and_then(|last| last.checked_add(SignedDuration::from_millis(1)).ok());
    text(next.map_or_else(ambient::now, |next| next.max(ambient::now())))
}

fn text(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// A resource that does not exist yet.
#[must_use]
pub fn created(resource_type: ResourceType, kept: Object) -> Stored {
    let now = now();
    let meta = Meta { resource_type, id: ambient::new_id(), version: 1, created: now.clone(), last_modified: now };
    let marks = Marks::default();
    Stored { meta, kept, joins: 0, member_count: 0, member_groups: 0, is_unmanaged: false, ordered: 0, marks }
}

/// Gives a resource that does not exist yet the time at which it comes to be.
pub(super) fn date(meta: &mut Meta, at: String) {
    meta.last_modified.clone_from(&at);
    meta.created = at;
}

/// The state after a change of `before`.
pub(super) fn changed(before: &Stored, kept: Object) -> Stored {
    let last_modified = now_after([before]);
    let meta = Meta { version: before.meta.version + 1, last_modified, ..before.meta.clone() };
    let &Stored { joins, member_count, member_groups, is_unmanaged, ordered, .. } = before;
    Stored { meta, kept, joins, member_count, member_groups, is_unmanaged, ordered, marks: before.marks.clone() }
}

impl Service {
    /// The resource, or 404.
    pub(super) async fn existing(
        &self,
        store: &TenantStore,
        resource_type: ResourceType,
        id: &str,
    ) -> Result<Stored, ServiceError> {
        match store.resource(resource_type, id).await? {
            Some(stored) => Ok(stored),
            None => Err(ScimError::not_found(resource_type.name(), id).into()),
        }
    }
}
