//! The actions of a transaction: what each is to `DynamoDB`, and what its refusal means.

use super::calls::Item;
use super::error::StoreError;
use super::items::{self, item};
use super::keys::Key;
use super::transaction::Transaction;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use std::collections::HashMap;

/// Largest item. DynamoDB takes 400 KB; the difference is for what a change of an item does not name: its key, `created`
/// and `joins`.
const MAX_ITEM_BYTES: usize = 396 * 1024;

/// What it means when an action's condition fails.
#[derive(Debug, Clone)]
pub(super) enum Refusal {
    /// The item is not as it was read.
    Moved,
    /// Another resource than `id` holds the value.
    Taken { attribute: String, id: String },
    /// This resource does not exist.
    Gone { id: String },
    /// The transaction was carried out before: the record of the change is there.
    Recorded,
}

/// One action and what its refusal means.
#[derive(Debug)]
pub(super) struct Action {
    pub(super) item: TransactWriteItem,
    pub(super) refusal: Refusal,
}

impl Transaction<'_> {
    pub(super) fn put(&mut self, item: Item, condition: Option<&str>, refusal: Refusal) {
        self.weigh(item.iter().map(|(name, value)| (name.as_str(), value)));
        let put = Put::builder()
            .table_name(&*self.store.table)
            .set_item(Some(item))
            .set_condition_expression(condition.map(str::to_owned))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        self.push(put.map(|put| TransactWriteItem::builder().put(put).build()), refusal);
    }

    pub(super) fn update(
        &mut self,
        key: &Key,
        expression: &str,
        condition: Option<&str>,
        values: Vec<(&'static str, AttributeValue)>,
        refusal: Refusal,
    ) {
        self.weigh(values.iter().map(|(name, value)| (*name, value)));
        let mut all = HashMap::with_capacity(values.len() + 2);
        all.extend(names(expression).chain(names(condition.unwrap_or_default())));
        let update = Update::builder()
            .table_name(&*self.store.table)
            .set_key(Some(item(key, [])))
            .update_expression(expression)
            .set_condition_expression(condition.map(str::to_owned))
            .set_expression_attribute_names(Some(all))
            .set_expression_attribute_values(Some(placeholders(values)))
            .build();
        self.push(update.map(|update| TransactWriteItem::builder().update(update).build()), refusal);
    }

    pub(super) fn delete(
        &mut self,
        key: &Key,
        condition: Option<&str>,
        values: Vec<(&'static str, AttributeValue)>,
        refusal: Refusal,
    ) {
        let names: HashMap<_, _> = names(condition.unwrap_or_default()).collect();
        let delete = Delete::builder()
            .table_name(&*self.store.table)
            .set_key(Some(item(key, [])))
            .set_condition_expression(condition.map(str::to_owned))
            .set_expression_attribute_names((!names.is_empty()).then_some(names))
            .set_expression_attribute_values((!values.is_empty()).then(|| placeholders(values)))
            .build();
        self.push(delete.map(|delete| TransactWriteItem::builder().delete(delete).build()), refusal);
    }

    /// Counts what an action writes to one item.
    fn weigh<'v>(&mut self, attributes: impl Iterator<Item = (&'v str, &'v AttributeValue)>) {
        let bytes = attributes.map(|(name, value)| name.len() + items::size(value)).sum();
        self.bytes += bytes;
        if bytes > MAX_ITEM_BYTES {
            self.broken.get_or_insert(StoreError::TooLarge { bytes, limit: MAX_ITEM_BYTES });
        }
    }

    fn push(&mut self, item: Result<TransactWriteItem, aws_sdk_dynamodb::error::BuildError>, refusal: Refusal) {
        match item {
            Ok(item) => self.actions.push(Action { item, refusal }),
            Err(error) => {
                self.broken = Some(StoreError::Refused { operation: "TransactWriteItems", message: error.to_string() });
            }
        }
    }
}

/// The `#name` placeholders of an expression, each with the name it stands for. Every name is a placeholder, so that
/// none can be a reserved word.
pub(super) fn names(expression: &str) -> impl Iterator<Item = (String, String)> {
    expression
        .split('#')
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default())
        .map(|name| (["#", name].concat(), name.to_owned()))
}

pub(super) fn placeholders(values: Vec<(&'static str, AttributeValue)>) -> HashMap<String, AttributeValue> {
    values.into_iter().map(|(name, value)| ([":", name].concat(), value)).collect()
}
