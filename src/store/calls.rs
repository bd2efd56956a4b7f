//! One function for each kind of call: each is metered, strongly consistent, and loops over what DynamoDB did not
//! process. The SDK's future of a call is some KB: on the heap it is not copied with each future around it.

use super::TenantStore;
use super::action::{names, placeholders as value_placeholders};
use super::attempts::watched;
use super::error::StoreError;
use super::keys::{self, Key, PK, SK};
use super::meter::{Call, Units};
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConsumedCapacity, DeleteRequest, KeysAndAttributes, PutRequest, ReturnConsumedCapacity,
    ReturnValue, WriteRequest,
};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::time::Duration;

/// An item as the SDK gives it.
pub type Item = HashMap<String, AttributeValue>;

/// Keys in one `BatchGetItem`.
const BATCH_GET_KEYS: usize = 100;
/// Requests in one `BatchWriteItem`.
const BATCH_WRITE_REQUESTS: usize = 25;
/// Batches under way at the same time.
const BATCHES_AT_ONCE: usize = 16;
/// Rounds in which a batch may leave something unprocessed before that counts as throttling.
const BATCH_ROUNDS: u32 = 6;

/// A part of a partition, in sort key order.
#[derive(Debug, Clone, Default)]
pub struct Range {
    /// First sort key, included.
    pub from: Option<String>,
    /// Last sort key, included.
    pub to: Option<String>,
    /// Most items to read.
    pub limit: Option<usize>,
    /// From the last sort key to the first.
    pub is_descending: bool,
}

impl TenantStore {
    /// `GetItem`.
    pub(super) async fn get_item(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        if !key.is_possible() {
            return Ok(None);
        }
        let call = self.meter.start();
        let answer = Box::pin(
            self.client
                .get_item()
                .table_name(&*self.table)
                .set_key(Some(key_item(key)))
                .consistent_read(true)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send(),
        )
        .await
        .map_err(|error| store_error("GetItem", &error))?;
        note(&call, Units::Read, answer.consumed_capacity());
        Ok(answer.item)
    }

    /// `BatchGetItem` of any number of keys, by key. Absent items are absent from the result. `projection` says which
    /// item attributes are sent: fewer bytes, the same read units.
    pub(super) async fn batch_get(
        &self,
        keys: Vec<Key>,
        projection: Option<&'static str>,
    ) -> Result<BTreeMap<Key, Item>, StoreError> {
        let mut found = BTreeMap::new();
        self.batch_get_each(keys, projection, |key, item| {
            found.insert(key, item);
        })
        .await?;
        Ok(found)
    }

    /// The same, each item given to `visit`.
    pub(super) async fn batch_get_each(
        &self,
        mut keys: Vec<Key>,
        projection: Option<&'static str>,
        mut visit: impl FnMut(Key, Item),
    ) -> Result<(), StoreError> {
        keys.retain(Key::is_possible);
        keys.sort();
        keys.dedup();
        let batches: Vec<_> = keys.chunks(BATCH_GET_KEYS).map(|batch| self.batch_get_one(batch, projection)).collect();
        let mut answers = stream::iter(batches).buffer_unordered(BATCHES_AT_ONCE);
        while let Some(items) = answers.try_next().await? {
            for item in items {
                visit(key_of(&item), item);
            }
        }
        Ok(())
    }

    async fn batch_get_one(&self, keys: &[Key], projection: Option<&'static str>) -> Result<Vec<Item>, StoreError> {
        let mut wanted: Vec<Item> = keys.iter().map(key_item).collect();
        let mut found = Vec::new();
        for round in 0..BATCH_ROUNDS {
            let request = KeysAndAttributes::builder()
                .set_keys(Some(wanted))
                .consistent_read(true)
                .set_projection_expression(projection.map(str::to_owned))
                .set_expression_attribute_names(projection.and_then(placeholders))
                .build()
                .map_err(|error| StoreError::Refused { operation: "BatchGetItem", message: error.to_string() })?;
            let call = self.meter.start();
            let answer = Box::pin(
                self.client
                    .batch_get_item()
                    .request_items(&*self.table, request)
                    .return_consumed_capacity(ReturnConsumedCapacity::Total)
                    .send(),
            )
            .await
            .map_err(|error| store_error("BatchGetItem", &error))?;
            note(&call, Units::Read, answer.consumed_capacity().first());
            drop(call);
            found.extend(answer.responses.unwrap_or_default().remove(&*self.table).unwrap_or_default());
            wanted = match answer.unprocessed_keys.unwrap_or_default().remove(&*self.table) {
                Some(left) if !left.keys.is_empty() => left.keys,
                _ => return Ok(found),
            };
            pause(round).await;
        }
        Err(StoreError::Throttled("BatchGetItem left keys unprocessed".into()))
    }

    /// `Query` of a partition or a part of it, page by page until `range.limit` items or the end.
    pub(super) async fn query(&self, pk: &str, range: &Range) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        self.query_each(pk, range, |item| {
            items.push(item);
            Ok(ControlFlow::Continue(()))
        })
        .await?;
        Ok(items)
    }

    /// The same, each item given to `visit` until it breaks: no more than a page is held, whatever the partition holds.
    pub(super) async fn query_each(
        &self,
        pk: &str,
        range: &Range,
        mut visit: impl FnMut(Item) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let mut read = 0;
        let mut start = None;
        if !keys::is_possible_partition(pk) {
            return Ok(());
        }
        loop {
            let left = range.limit.map(|limit| limit.saturating_sub(read));
            if left == Some(0) {
                return Ok(());
            }
            let mut values = HashMap::from([(":pk".to_owned(), AttributeValue::S(pk.to_owned()))]);
            let condition = match (&range.from, &range.to) {
                (None, None) => "PK = :pk",
                (Some(_), None) => "PK = :pk AND SK >= :from",
                (None, Some(_)) => "PK = :pk AND SK <= :to",
                (Some(_), Some(_)) => "PK = :pk AND SK BETWEEN :from AND :to",
            };
            for (name, bound) in [(":from", &range.from), (":to", &range.to)] {
                if let Some(bound) = bound {
                    values.insert(name.to_owned(), AttributeValue::S(bound.clone()));
                }
            }
            let call = self.meter.start();
            let answer = Box::pin(
                self.client
                    .query()
                    .table_name(&*self.table)
                    .key_condition_expression(condition)
                    .set_expression_attribute_values(Some(values))
                    .consistent_read(true)
                    .scan_index_forward(!range.is_descending)
                    .set_limit(left.map(|left| i32::try_from(left).unwrap_or(i32::MAX)))
                    .set_exclusive_start_key(start.take())
                    .return_consumed_capacity(ReturnConsumedCapacity::Total)
                    .send(),
            )
            .await
            .map_err(|error| store_error("Query", &error))?;
            note(&call, Units::Read, answer.consumed_capacity());
            drop(call);
            for item in answer.items.unwrap_or_default() {
                read += 1;
                if visit(item)?.is_break() {
                    return Ok(());
                }
            }
            match answer.last_evaluated_key {
                Some(last) if !last.is_empty() => start = Some(last),
                _ => return Ok(()),
            }
        }
    }

    /// `UpdateItem`: the item after the change, or none when the condition does not hold. For what is counted and noted
    /// beside the resources; these change in transactions alone.
    pub(super) async fn update_item(
        &self,
        key: &Key,
        expression: &str,
        condition: Option<&str>,
        values: Vec<(&'static str, AttributeValue)>,
    ) -> Result<Option<Item>, StoreError> {
        let names = names(expression).chain(names(condition.unwrap_or_default())).collect();
        let call = self.meter.start();
        let answer = Box::pin(
            self.client
                .update_item()
                .table_name(&*self.table)
                .set_key(Some(key_item(key)))
                .update_expression(expression)
                .set_condition_expression(condition.map(str::to_owned))
                .set_expression_attribute_names(Some(names))
                .set_expression_attribute_values((!values.is_empty()).then(|| value_placeholders(values)))
                .return_values(ReturnValue::AllNew)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send(),
        )
        .await;
        match answer {
            Ok(answer) => {
                note(&call, Units::Write, answer.consumed_capacity());
                Ok(Some(answer.attributes.unwrap_or_default()))
            }
            Err(error)
                if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(store_error("UpdateItem", &error)),
        }
    }

    /// `BatchWriteItem`: puts items and deletes keys, without conditions. No key may be named twice. Gives whether some of
    /// it may yet be done once more.
    pub(super) async fn batch_write(&self, put: Vec<Item>, delete: &[Key]) -> Result<bool, StoreError> {
        let refused =
            |error: BuildError| StoreError::Refused { operation: "BatchWriteItem", message: error.to_string() };
        let mut requests = Vec::with_capacity(put.len() + delete.len());
        for item in put {
            let put = PutRequest::builder().set_item(Some(item)).build().map_err(refused)?;
            requests.push(WriteRequest::builder().put_request(put).build());
        }
        for key in delete {
            let delete = DeleteRequest::builder().set_key(Some(key_item(key))).build().map_err(refused)?;
            requests.push(WriteRequest::builder().delete_request(delete).build());
        }
        let batches: Vec<_> =
            requests.chunks(BATCH_WRITE_REQUESTS).map(|batch| self.batch_write_one(batch.to_vec())).collect();
        let writes = stream::iter(batches).buffer_unordered(BATCHES_AT_ONCE).try_collect();
        let (done, may_happen_again): (Result<(), StoreError>, bool) = watched(writes).await;
        done.map(|()| may_happen_again)
    }

    async fn batch_write_one(&self, mut wanted: Vec<WriteRequest>) -> Result<(), StoreError> {
        for round in 0..BATCH_ROUNDS {
            let call = self.meter.start();
            let answer = Box::pin(
                self.client
                    .batch_write_item()
                    .request_items(&*self.table, wanted)
                    .return_consumed_capacity(ReturnConsumedCapacity::Total)
                    .send(),
            )
            .await
            .map_err(|error| store_error("BatchWriteItem", &error))?;
            note(&call, Units::Write, answer.consumed_capacity().first());
            drop(call);
            wanted = match answer.unprocessed_items.unwrap_or_default().remove(&*self.table) {
                Some(left) if !left.is_empty() => left,
                _ => return Ok(()),
            };
            pause(round).await;
        }
        Err(StoreError::Throttled("BatchWriteItem left items unprocessed".into()))
    }
}

/// The `#name` placeholders of an expression, if it has any.
fn placeholders(expression: &str) -> Option<HashMap<String, String>> {
    Some(names(expression).collect()).filter(|names: &HashMap<_, _>| !names.is_empty())
}

/// Exponential, from 20 ms, with jitter.
async fn pause(round: u32) {
    tokio::time::sleep(crate::ambient::jitter(Duration::from_millis(20 << round))).await;
}

pub(super) fn key_item(key: &Key) -> Item {
    HashMap::from([
        (PK.to_owned(), AttributeValue::S(key.pk.clone())),
        (SK.to_owned(), AttributeValue::S(key.sk.clone())),
    ])
}

/// The key of an item.
pub(super) fn key_of(item: &Item) -> Key {
    Key { pk: text(item, PK), sk: text(item, SK) }
}

fn text(item: &Item, name: &str) -> String {
    item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
}

pub(super) fn note(call: &Call, units: Units, capacity: Option<&ConsumedCapacity>) {
    if let Some(amount) = capacity.and_then(ConsumedCapacity::capacity_units) {
        call.consumed(units, amount);
    }
}

/// An error, what caused it, what caused that.
pub(super) fn causes(error: &dyn std::error::Error) -> impl Iterator<Item = &dyn std::error::Error> {
    std::iter::successors(Some(error), |error| error.source())
}

/// The first cause of an error: "Connection refused" rather than "dispatch failure".
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    causes(error).last().unwrap_or(error).to_string()
}

/// Longest message of the table that is kept, in characters: the longest known one names two ARNs.
const MESSAGE_CHARS: usize = 500;

/// A message of the table without what it quotes: the validation of AWS repeats the whole request, "Value '[…]' at
/// 'transactItems' failed to satisfy constraint: …", and it ends up in the log.
pub(super) fn without_values(message: &str) -> String {
    let is_quote = |c: char| matches!(c, '\'' | '"' | '`');
    let kept = match (message.find(is_quote), message.rfind(is_quote)) {
        (Some(first), Some(last)) if first < last => format!("{}'…'{}", &message[..first], &message[last + 1..]),
        (Some(only), _) => format!("{}'…", &message[..only]),
        _ => message.to_owned(),
    };
    kept.chars().take(MESSAGE_CHARS).collect()
}

/// The error of a call, without the item values that a service message could hold.
pub(super) fn store_error<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let SdkError::ServiceError(service) = error else {
        return StoreError::Unavailable(format!("{operation}: {}", innermost(error)));
    };
    let code = service.err().code().unwrap_or("unknown");
    let message = without_values(service.err().message().unwrap_or("no message"));
    match code {
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "TransactionConflictException" => StoreError::Throttled(format!("{operation}: {code}")),
        // Its own failures have many names: InternalServerError, ServiceUnavailable, InternalFailure, …
        _ if service.raw().status().is_server_error() => StoreError::Unavailable(format!("{operation}: {code}")),
        _ => StoreError::Refused { operation, message: format!("{code}: {message}") },
    }
}

#[cfg(test)]
mod tests {
    use super::without_values;

    #[test]
    fn what_a_message_of_the_table_quotes_is_left_out() {
        let denied = "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: dynamodb:GetItem";
        let cases = [
            (
                "1 validation error detected: Value '[{userName=ann's}]' at 'transactItems' failed to satisfy constraint",
                "1 validation error detected: Value '…' failed to satisfy constraint",
            ),
            ("Invalid value: \"ann\"", "Invalid value: '…'"),
            ("cut off in 'ann", "cut off in '…"),
            (denied, denied),
        ];
        for (message, expected) in cases {
            assert_eq!(without_values(message), expected);
        }
        assert_eq!(without_values(&"é".repeat(1000)).chars().count(), 500);
    }
}
