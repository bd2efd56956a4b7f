//! The change log: what a record holds, how it is written, and how it is read back.
//!
//! A record stands in the partition of its day. What changed is JSON text, `{"before": {…}, "after": {…}}`. Text that is
//! longer than a record should be is compressed and cut into parts, items beside the record. A transaction carries a few;
//! more are written before it: without a record that names them they are nothing, and they expire like one.
//!
//! A record whose operation is `void` is of a change that did not happen (`super::commit`). Whoever reads here does not see
//! it.

use super::TenantStore;
use super::action::Refusal;
use super::calls::{Item, Range};
use super::commit::{VOID, Void, is_void};
use super::error::StoreError;
use super::items::{Reader, item, n, s};
use super::keys::{self, Key};
use super::transaction::Transaction;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use futures_util::future::try_join_all;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::ops::ControlFlow;

/// Bytes of before and after that stand in the record itself.
const MAX_INLINE_BYTES: usize = 128 * 1024;
/// Bytes of one part. An item holds 400 KB.
const PART_BYTES: usize = 300 * 1024;
/// Parts that a transaction carries beside the record; more are written before it.
const PARTS_IN_TRANSACTION: usize = 5;
/// Days that are looked for at the same time when the first day of the log is.
const DAYS_AT_ONCE: usize = 16;
/// What a void record says has changed.
const NO_CHANGES: &str = r#"{"before":{},"after":{}}"#;

/// One change, to be recorded.
#[derive(Debug, Clone)]
pub struct Change {
    /// Sorts by time; the record's sort key.
    pub id: String,
    /// `create`, `replace`, `patch`, `delete`, …
    pub operation: &'static str,
    /// Name of the type of the resource.
    pub resource_type: &'static str,
    /// Its id.
    pub resource_id: String,
    /// Label of the token that asked for it.
    pub actor: String,
    /// The request.
    pub request_id: String,
    /// What the client calls it; empty when it does not say.
    pub client_request_id: String,
    /// Names of the quirks that were applied to it, separated by commas.
    pub quirks: String,
    /// When, RFC 3339.
    pub at: String,
    /// When it may be forgotten, in seconds since 1970.
    pub expires_at: i64,
    /// Before and after of the changed attributes: JSON text.
    pub changes: String,
    /// `changes`, when it is too long for the record.
    parts: Option<Parts>,
}

/// Text that a record does not hold, compressed.
#[derive(Debug, Clone)]
struct Parts {
    count: usize,
    /// Those that are not written yet.
    to_write: Vec<Vec<u8>>,
}

impl Change {
    /// A change that is not recorded yet. `at` gives its place in the log: two changes of one resource have the order in
    /// which they happen if it is later for the second one.
    #[must_use]
    pub fn new(operation: &'static str, resource_type: &'static str, resource_id: &str, at: &str) -> Self {
        let time = at.parse().unwrap_or_else(|_| crate::ambient::now());
        Self {
            id: crate::ambient::new_time_ordered_id(time),
            operation,
            resource_type,
            resource_id: resource_id.to_owned(),
            actor: String::new(),
            request_id: String::new(),
            client_request_id: String::new(),
            quirks: String::new(),
            at: at.to_owned(),
            expires_at: 0,
            changes: String::new(),
            parts: None,
        }
    }
}

/// A record of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Sorts by time, and is no other record's.
    pub id: String,
    /// When, RFC 3339.
    pub at: String,
    /// `create`, `replace`, `patch`, `delete`, …
    pub operation: String,
    /// Name of the type of the resource.
    pub resource_type: String,
    /// Its id.
    pub resource_id: String,
    /// Label of the token that asked for it, or who else did.
    pub actor: String,
    /// The request.
    pub request_id: String,
    /// What the client calls it; empty when it does not say.
    pub client_request_id: String,
    /// Names of the quirks that were applied to it.
    pub quirks: Vec<String>,
    /// `{"before": {…}, "after": {…}}`, of the attributes that changed. Of a group, `members` has those who left before
    /// and those who came after; of what was deleted, `groups` has those that it was in.
    pub changes: Value,
}

impl TenantStore {
    /// Cuts the text of a change that is too long for its record, and writes the parts if they are too many for the
    /// transaction. It has not happened by that: only [`Transaction::log`] refers to them.
    ///
    /// # Errors
    ///
    /// What the table said.
    pub async fn stage_change(&self, change: &mut Change) -> Result<(), StoreError> {
        if change.changes.len() <= MAX_INLINE_BYTES {
            return Ok(());
        }
        let failed = |error: std::io::Error| StoreError::Unavailable(format!("the log cannot be compressed: {error}"));
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(change.changes.as_bytes()).map_err(failed)?;
        let packed = encoder.finish().map_err(failed)?;
        let parts: Vec<Vec<u8>> = packed.chunks(PART_BYTES).map(<[u8]>::to_vec).collect();
        let count = parts.len();
        if count <= PARTS_IN_TRANSACTION {
            change.parts = Some(Parts { count, to_write: parts });
            return Ok(());
        }
        let record = self.key_of_change(change);
        let items = parts.into_iter().enumerate().map(|(number, part)| part_item(&record, number, part, change));
        let items = items.collect();
        change.parts = Some(Parts { count, to_write: Vec::new() });
        self.batch_write(items, &[]).await.map(drop)
    }

    /// The key of its record.
    pub(crate) fn key_of_change(&self, change: &Change) -> Key {
        self.keys.change(change.at.get(..10).unwrap_or_default(), &change.id)
    }

    /// The records of one day in UTC, `yyyy-mm-dd`, in order of time, from the one with the id `from` on.
    ///
    /// # Errors
    ///
    /// What the table said, or `visit`.
    pub async fn records_of(
        &self,
        day: &str,
        from: Option<&str>,
        mut visit: impl FnMut(Record) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let range = Range { from: from.map(str::to_owned), ..Range::default() };
        let mut parts: Vec<Item> = Vec::new();
        let mut flow = ControlFlow::Continue(());
        // A record comes before its parts, and nothing but they begins with its id.
        let mut open: Option<Item> = None;
        let mut close = |open: &mut Option<Item>, parts: &mut Vec<Item>| -> Result<ControlFlow<()>, StoreError> {
            let parts = std::mem::take(parts);
            match open.take() {
                Some(item) if !is_void(&item) => Ok(visit(record(&item, &parts)?)),
                _ => Ok(ControlFlow::Continue(())),
            }
        };
        self.query_each(&self.keys.changes(day), &range, |item| {
            let is_part = Reader(&item).text(keys::SK)?.contains('#');
            if is_part {
                parts.push(item);
                return Ok(ControlFlow::Continue(()));
            }
            flow = close(&mut open, &mut parts)?;
            open = Some(item);
            Ok(flow)
        })
        .await?;
        if flow.is_continue() {
            flow = close(&mut open, &mut parts)?;
        }
        Ok(flow)
    }

    /// The records from one time on and before another (RFC 3339), in order of time, until `visit` breaks. What was
    /// recorded before is not read: who follows the log asks every second.
    ///
    /// # Errors
    ///
    /// What the table said.
    pub async fn records(
        &self,
        from: &str,
        until: &str,
        mut visit: impl FnMut(Record) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut first = first_id(from);
        for day in days(from, until) {
            let flow = self
                .records_of(&day, first.take().as_deref(), |record| {
                    if record.at.as_str() < from || record.at.as_str() >= until {
                        return ControlFlow::Continue(());
                    }
                    visit(record)
                })
                .await?;
            if flow.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The first day of the last `days` that has a record. Half a read unit for each day without one.
    ///
    /// # Errors
    ///
    /// What the table said.
    pub async fn first_day_of_log(&self, days: u32) -> Result<Option<String>, StoreError> {
        let now = crate::ambient::now();
        let first = now - jiff::SignedDuration::from_hours(24 * i64::from(days));
        let all = self::days(&first.to_string(), &format!("{now:.3}"));
        for some in all.chunks(DAYS_AT_ONCE) {
            let looks = some.iter().map(|day| async move {
                let one = Range { limit: Some(1), ..Range::default() };
                Ok::<_, StoreError>(!self.query(&self.keys.changes(day), &one).await?.is_empty())
            });
            let found = try_join_all(looks).await?;
            if let Some(position) = found.into_iter().position(|is_there| is_there) {
                return Ok(some.get(position).cloned());
            }
        }
        Ok(None)
    }
}

impl Transaction<'_> {
    /// Writes the record of a change. What is longer than it holds was written by [`TenantStore::stage_change`].
    pub fn log(&mut self, change: &Change) {
        let key = self.store.key_of_change(change);
        let mut attributes = vec![
            ("operation", s(change.operation)),
            ("resourceType", s(change.resource_type)),
            ("resourceId", s(&change.resource_id)),
            ("actor", s(&change.actor)),
            ("requestId", s(&change.request_id)),
            ("at", s(&change.at)),
            ("expiresAt", n(change.expires_at)),
        ];
        for (name, text) in [("quirks", &change.quirks), ("clientRequestId", &change.client_request_id)] {
            if !text.is_empty() {
                attributes.push((name, s(text)));
            }
        }
        if self.void.is_none() {
            let of_void = [("operation", s(VOID)), ("changes", s(NO_CHANGES))];
            let attributes = attributes.iter().skip(1).cloned().chain(of_void).collect();
            self.void = Some(Void { key: key.clone(), attributes });
        }
        attributes.push(match &change.parts {
            Some(parts) => ("parts", n(parts.count)),
            None => ("changes", s(&change.changes)),
        });
        self.put(item(&key, attributes), Some("attribute_not_exists(PK)"), Refusal::Recorded);
        for (number, part) in change.parts.iter().flat_map(|parts| &parts.to_write).enumerate() {
            self.put(part_item(&key, number, part.clone(), change), None, Refusal::Moved);
        }
    }
}

fn part_item(record: &Key, number: usize, part: Vec<u8>, change: &Change) -> Item {
    let attributes = [("part", AttributeValue::B(Blob::new(part))), ("expiresAt", n(change.expires_at))];
    item(&keys::part_of_change(record, number), attributes)
}

/// A record from its item and the parts beside it.
fn record(item: &Item, parts: &[Item]) -> Result<Record, StoreError> {
    let reader = Reader(item);
    let changes = match reader.number("parts") {
        None => serde_json::from_str(reader.text("changes")?).map_err(|_| reader.corrupt("changes"))?,
        Some(count) => {
            let packed: Vec<&[u8]> =
                parts.iter().filter_map(|part| Some(part.get("part")?.as_b().ok()?.as_ref())).collect();
            if packed.len() as u64 != count {
                return Err(reader.corrupt("parts"));
            }
            let mut text = String::new();
            GzDecoder::new(packed.concat().as_slice())
                .read_to_string(&mut text)
                .map_err(|_| reader.corrupt("parts"))?;
            serde_json::from_str(&text).map_err(|_| reader.corrupt("parts"))?
        }
    };
    let text = |name| reader.text(name).map(str::to_owned);
    let quirks = reader.optional("quirks").unwrap_or_default();
    Ok(Record {
        id: text(keys::SK)?,
        at: text("at")?,
        operation: text("operation")?,
        resource_type: text("resourceType")?,
        resource_id: text("resourceId")?,
        actor: text("actor")?,
        request_id: text("requestId")?,
        client_request_id: reader.optional("clientRequestId").unwrap_or_default().to_owned(),
        quirks: quirks.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        changes,
    })
}

/// What sorts right before the ids of all records from a time on: an id begins with the milliseconds since 1970 (RFC 9562
/// section 5.7) of the time that its record has.
fn first_id(from: &str) -> Option<String> {
    let time = from.parse::<jiff::Timestamp>().ok()?.as_millisecond();
    let digits = format!("{:012x}", u64::try_from(time).ok()?);
    Some(format!("{}-{}", digits.get(..8)?, digits.get(8..12)?))
}

/// The days from one time to another, both RFC 3339, both included; none when one of them is no time.
fn days(from: &str, until: &str) -> Vec<String> {
    let date = |time: &str| time.get(..10)?.parse::<jiff::civil::Date>().ok();
    let (Some(first), Some(last)) = (date(from), date(until)) else { return Vec::new() };
    first.series(jiff::Span::new().days(1)).take_while(|day| *day <= last).map(|day| day.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_from_its_time_on_and_not_from_a_later_one() {
        let at = "2026-11-27T16:16:57.342Z";
        let id = Change::new("patch", "User", "2819c223", at).id;
        assert!(first_id(at).unwrap() <= id, "{id}");
        assert!(first_id("2026-11-27T16:16:57.343Z").unwrap() > id, "{id}");
        assert_eq!((first_id("yesterday"), first_id("1960-01-01T00:00:00Z")), (None, None));
    }

    #[test]
    fn days_stand_in_order_over_the_end_of_a_year() {
        assert_eq!(
            days("2026-12-30T23:59:59.999Z", "2027-01-01T00:00:00.000Z"),
            ["2026-12-30", "2026-12-31", "2027-01-01"]
        );
        assert_eq!(days("2026-12-31", "2026-12-30"), [""; 0]);
        assert_eq!(days("yesterday", "2026-12-30"), [""; 0]);
    }
}
