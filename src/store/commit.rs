//! Carrying a transaction out, and what became of it.
//!
//! An attempt that the SDK has given up may arrive when its next one has been refused: `DynamoDB` keeps the token of a
//! transaction that was carried out, not of one that was cancelled. Meanwhile what stood in its way may be gone. So the
//! refusal of a later attempt is told when no earlier one can happen any more: each change writes a record on condition
//! that it is not there, and a record that says `void` takes its place.

use super::TenantStore;
use super::action::{Action, Refusal};
use super::attempts::watched;
use super::calls::{Item, innermost, note, store_error, without_values};
use super::error::{CommitError, StoreError};
use super::items::{Reader, item};
use super::keys::Key;
use super::meter::Units;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, Put, ReturnConsumedCapacity, TransactWriteItem};

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
        let (sent, may_yet_happen) = watched(self.send(items)).await;
        let Err(error) = sent else { return Ok(()) };
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
        // These say that nothing is known, or that it is no time for more calls.
        let is_not_known = matches!(refused, CommitError::Store(StoreError::Unavailable(_) | StoreError::Throttled(_)));
        if let Some(void) = void.filter(|_| may_yet_happen && !is_not_known)
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
        let Err(error) = self.send(vec![put]).await else { return Ok(false) };
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

    async fn send(&self, items: Vec<TransactWriteItem>) -> Result<(), SdkError<TransactWriteItemsError, HttpResponse>> {
        let call = self.meter.start();
        let answer = Box::pin(
            self.client
                .transact_write_items()
                .set_transact_items(Some(items))
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send(),
        )
        .await?;
        note(&call, Units::Write, answer.consumed_capacity().first());
        Ok(())
    }
}

/// Whether a record of the change log says that its change did not happen.
pub(super) fn is_void(record: &Item) -> bool {
    Reader(record).optional("operation") == Some(VOID)
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

#[cfg(test)]
mod tests {
    use super::super::items::s;
    use super::*;

    fn reason(code: &str, item: Option<Item>) -> CancellationReason {
        let message = format!("{code}: the value 'ann@example.com' is not as it should be");
        CancellationReason::builder().code(code).message(message).set_item(item).build()
    }

    fn said(reasons: &[CancellationReason], refusals: &[Refusal]) -> String {
        cancelled_because(reasons, refusals).map_or_else(|| "done".to_owned(), |error| format!("{error:?}"))
    }

    #[test]
    fn a_cancelled_transaction_says_what_stood_in_its_way() {
        let failed = |item| reason("ConditionalCheckFailed", item);
        let none = || reason("None", None);
        let held_by = |id: &str| failed(Some(Item::from([("id".to_owned(), s(id))])));
        let record = |operation: &str| failed(Some(Item::from([("operation".to_owned(), s(operation))])));
        let taken = || Refusal::Taken { attribute: "userName".into(), id: "me".into() };
        let gone = |id: &str| Refusal::Gone { id: id.into() };
        let moved = || Refusal::Moved;
        let taken_by_other = r#"Taken { attribute: "userName", holder: Some("other") }"#;
        let cases = [
            // Its own record says that it was done before; a void one, that it never will be.
            (vec![none(), record("create")], vec![moved(), Refusal::Recorded], "done"),
            (vec![none(), record(VOID)], vec![moved(), Refusal::Recorded], "Moved"),
            (vec![none(), failed(None)], vec![moved(), Refusal::Recorded], "Moved"),
            (vec![record("create")], vec![moved()], "Moved"),
            // A value of another resource outweighs the rest; its own was given to it meanwhile.
            (vec![failed(None), held_by("other"), failed(None)], vec![moved(), taken(), gone("bob")], taken_by_other),
            (vec![held_by("me")], vec![taken()], "Moved"),
            (vec![failed(None)], vec![taken()], r#"Taken { attribute: "userName", holder: None }"#),
            (
                vec![failed(None), none(), failed(None), failed(None)],
                vec![gone("bob"), gone("ann"), gone("eve"), moved()],
                r#"Gone(["bob", "eve"])"#,
            ),
            (vec![none(), reason("TransactionConflict", None)], vec![moved(), gone("bob")], "Moved"),
            (vec![reason("ThrottlingError", None)], vec![moved()], r#"Store(Throttled("a transaction"))"#),
            (
                vec![none(), reason("ProvisionedThroughputExceeded", None)],
                vec![moved(), moved()],
                r#"Store(Throttled("a transaction"))"#,
            ),
            (vec![reason("ThrottlingError", None), failed(None)], vec![moved(), moved()], "Moved"),
            (
                vec![reason("ValidationError", None)],
                vec![moved()],
                r#"Store(Refused { operation: "TransactWriteItems", message: "ValidationError: the value '…' is not as it should be" })"#,
            ),
        ];
        for (reasons, refusals, expected) in cases {
            assert_eq!(said(&reasons, &refusals), expected, "{reasons:?} {refusals:?}");
        }
    }
}
