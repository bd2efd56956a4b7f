//! Carrying a transaction out, and what became of it.
//!
//! An attempt whose answer nobody heard may arrive when the SDK's next one has been refused: `DynamoDB` keeps the token of
//! a transaction that was carried out, not of one that was cancelled. Meanwhile what stood in its way may be gone. So a
//! refusal after such an attempt is told when it can no longer happen: each change writes a record on condition that it
//! is not there, and a record that says `void` takes its place.

use super::TenantStore;
use super::calls::{Item, innermost, note, store_error, without_values};
use super::error::{CommitError, StoreError};
use super::items::{Reader, item};
use super::keys::Key;
use super::meter::Units;
use super::transaction::{Action, Refusal};
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::{BoxError, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, Put, ReturnConsumedCapacity, TransactWriteItem};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The operation of a record whose change did not happen.
pub(super) const VOID: &str = "void";

/// The record that a transaction writes, as it is when the transaction is not carried out.
#[derive(Debug)]
pub(super) struct Void {
    pub(super) key: Key,
    pub(super) attributes: Vec<(&'static str, AttributeValue)>,
}

impl TenantStore {
    /// `TransactWriteItems`. The SDK adds a client request token, so that its own retries are carried out once.
    pub(super) async fn transact(&self, actions: Vec<Action>, void: Option<Void>) -> Result<(), CommitError> {
        let (items, refusals): (Vec<_>, Vec<_>) =
            actions.into_iter().map(|action| (action.item, action.refusal)).unzip();
        let unheard = Unheard::default();
        let Err(error) = self.send(items, unheard.clone()).await else { return Ok(()) };
        let refused = match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                match cancelled_because(cancelled.cancellation_reasons(), &refusals) {
                    None => return Ok(()),
                    Some(refused) => refused,
                }
            }
            // Whether it happens is not known, and to decide anew could find the own change and call it another's.
            Some(TransactWriteItemsError::TransactionInProgressException(_)) => {
                StoreError::Unavailable("TransactWriteItems: still under way".into()).into()
            }
            _ => store_error("TransactWriteItems", &error).into(),
        };
        let is_known = !matches!(refused, CommitError::Store(StoreError::Unavailable(_)));
        if let Some(void) = void.filter(|_| is_known && unheard.0.load(Ordering::Relaxed))
            && self.has_happened(void).await?
        {
            return Ok(());
        }
        Err(refused)
    }

    /// Whether a transaction was carried out. If it was not, it will not be.
    async fn has_happened(&self, Void { key, attributes }: Void) -> Result<bool, StoreError> {
        let put = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(item(&key, attributes)))
            .condition_expression("attribute_not_exists(PK)")
            .build()
            .map_err(|error| StoreError::Refused { operation: "TransactWriteItems", message: error.to_string() })?;
        let put = TransactWriteItem::builder().put(put).build();
        let Err(error) = self.send(vec![put], Unheard::default()).await else { return Ok(false) };
        let is_there = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled))
                if cancelled.cancellation_reasons().iter().any(is_there) =>
            {
                // Its record, or the void one by an attempt of this call.
                Ok(self.get_item(&key).await?.is_some_and(|record| !is_void(&record)))
            }
            _ => {
                Err(StoreError::Unavailable(format!("TransactWriteItems: not known to be over: {}", innermost(&error))))
            }
        }
    }

    async fn send(
        &self,
        items: Vec<TransactWriteItem>,
        unheard: Unheard,
    ) -> Result<(), SdkError<TransactWriteItemsError, HttpResponse>> {
        let call = self.meter.start();
        let answer = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .interceptor(unheard)
            .send()
            .await?;
        note(&call, Units::Write, answer.consumed_capacity().first());
        Ok(())
    }
}

/// Whether a record of the change log says that its change did not happen.
pub(super) fn is_void(record: &Item) -> bool {
    Reader(record).optional("operation") == Some(VOID)
}

/// Whether an attempt may be carried out yet, or was, without an answer that says so.
#[derive(Debug, Clone, Default)]
struct Unheard(Arc<AtomicBool>);

impl Intercept for Unheard {
    fn name(&self) -> &'static str {
        "Unheard"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(Err(error)) = context.output_or_error() else { return Ok(()) };
        let is_under_way = error
            .as_operation_error()
            .and_then(|error| error.downcast_ref::<TransactWriteItemsError>())
            .is_some_and(TransactWriteItemsError::is_transaction_in_progress_exception);
        let is_refused = context.response().is_some_and(|response| response.status().is_client_error());
        if is_under_way || !is_refused {
            self.0.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// What a cancelled transaction says to whoever asked for it; `None` when it was carried out before. A value that another
/// resource holds outweighs the rest: it would be held again. One that the resource itself holds was given to it since it
/// was read.
fn cancelled_because(reasons: &[CancellationReason], refusals: &[Refusal]) -> Option<CommitError> {
    let code = |reason: &CancellationReason| reason.code().unwrap_or_default().to_owned();
    let failed = || reasons.iter().zip(refusals).filter(|(reason, _)| code(reason) == "ConditionalCheckFailed");
    let is_recorded = |reason: &CancellationReason| reason.item().is_some_and(|record| !is_void(record));
    if failed().any(|(reason, refusal)| matches!(refusal, Refusal::Recorded) && is_recorded(reason)) {
        return None;
    }
    let taken = failed().find_map(|(reason, refusal)| match refusal {
        Refusal::Taken { attribute, id } => {
            let holder = reason.item().and_then(|item| item.get("id")).and_then(|id| id.as_s().ok()).cloned();
            (holder.as_ref() != Some(id)).then(|| CommitError::Taken { attribute: attribute.clone(), holder })
        }
        _ => None,
    });
    let gone: Vec<String> = failed()
        .filter_map(|(_, refusal)| match refusal {
            Refusal::Gone { id } => Some(id.clone()),
            Refusal::Moved | Refusal::Taken { .. } | Refusal::Recorded => None,
        })
        .collect();
    let moved =
        reasons.iter().any(|reason| matches!(code(reason).as_str(), "ConditionalCheckFailed" | "TransactionConflict"));
    let throttled = reasons
        .iter()
        .any(|reason| matches!(code(reason).as_str(), "ThrottlingError" | "ProvisionedThroughputExceeded"));
    Some(match taken {
        Some(taken) => taken,
        None if !gone.is_empty() => CommitError::Gone(gone),
        None if moved => CommitError::Moved,
        None if throttled => CommitError::Store(StoreError::Throttled("a transaction".into())),
        None => {
            let messages: Vec<_> = reasons.iter().filter_map(CancellationReason::message).map(without_values).collect();
            CommitError::Store(StoreError::Refused { operation: "TransactWriteItems", message: messages.join("; ") })
        }
    })
}
