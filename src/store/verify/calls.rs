//! The two kinds of call that only a look at the whole table makes.

use crate::store::calls::{Item, key_item, note, store_error};
use crate::store::keys::Key;
use crate::store::meter::Units;
use crate::store::{StoreError, TenantStore};
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_get_items::TransactGetItemsError;
use aws_sdk_dynamodb::types::{Get, ReturnConsumedCapacity, TransactGetItem};

impl TenantStore {
    /// `TransactGetItems` of up to 100 keys, which must be possible: all as they are at one moment, in the same order.
    pub(super) async fn snapshot(&self, keys: &[&Key]) -> Result<Vec<Option<Item>>, StoreError> {
        let refused =
            |error: BuildError| StoreError::Refused { operation: "TransactGetItems", message: error.to_string() };
        let mut wanted = Vec::with_capacity(keys.len());
        for key in keys {
            let get = Get::builder().table_name(&*self.table).set_key(Some(key_item(key))).build().map_err(refused)?;
            wanted.push(TransactGetItem::builder().get(get).build());
        }
        let call = self.meter.start();
        let answer = self
            .client
            .transact_get_items()
            .set_transact_items(Some(wanted))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| match error.as_service_error() {
                // A write of one of the items was under way.
                Some(TransactGetItemsError::TransactionCanceledException(_)) => {
                    StoreError::Throttled("TransactGetItems met a transaction".into())
                }
                _ => store_error("TransactGetItems", &error),
            })?;
        note(&call, Units::Read, answer.consumed_capacity().first());
        Ok(answer.responses.unwrap_or_default().into_iter().map(|found| found.item).collect())
    }

    /// One page of a `Scan` of the table, or of a segment of it: segment and number of segments. Items of every tenant;
    /// and where the next page starts.
    pub(super) async fn scan_page(
        &self,
        segment: Option<(i32, i32)>,
        start: Option<Item>,
        limit: i32,
    ) -> Result<(Vec<Item>, Option<Item>), StoreError> {
        let call = self.meter.start();
        let answer = self
            .client
            .scan()
            .table_name(&*self.table)
            .consistent_read(true)
            .set_segment(segment.map(|(segment, _)| segment))
            .set_total_segments(segment.map(|(_, segments)| segments))
            .set_exclusive_start_key(start)
            .limit(limit)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| store_error("Scan", &error))?;
        note(&call, Units::Read, answer.consumed_capacity());
        let last = answer.last_evaluated_key.filter(|last| !last.is_empty());
        Ok((answer.items.unwrap_or_default(), last))
    }
}
