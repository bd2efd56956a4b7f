//! What a repair writes: one transaction, each action with the condition that the item is as it was read.

use super::super::action::{Action, Refusal};
use super::super::calls::Item;
use super::super::error::StoreError;
use super::super::items;
use super::super::keys::Key;
use super::snapshot::{Needs, Snapshot};
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem, Update};
use std::collections::HashMap;

type Attribute = (&'static str, AttributeValue);

/// What becomes of an item.
#[derive(Debug, Clone)]
enum Edit {
    Keep,
    Delete,
    Put(Vec<Attribute>),
    Change { set: Vec<Attribute>, remove: Vec<&'static str>, take: Vec<Attribute> },
}

/// One action of a repair.
#[derive(Debug, Clone)]
pub(super) struct Step {
    key: Key,
    edit: Edit,
    /// The item attributes that matter, as they were read; `None` when there was no item.
    read: Option<Vec<(&'static str, Option<AttributeValue>)>>,
}

impl Step {
    /// Nothing becomes of the item, but it must be as it was read: there or not there, with the same `watched` item
    /// attributes.
    pub(super) fn check(snapshot: &Snapshot, key: &Key, watched: &[&'static str]) -> Result<Self, Needs> {
        Ok(Self::of(key, snapshot.item(key)?, watched))
    }

    /// The same, of an item that was read by itself.
    pub(super) fn of(key: &Key, item: Option<&Item>, watched: &[&'static str]) -> Self {
        let read = item.map(|item| watched.iter().map(|name| (*name, item.get(*name).cloned())).collect());
        Self { key: key.clone(), edit: Edit::Keep, read }
    }

    /// The item goes.
    pub(super) fn delete(self) -> Self {
        Self { edit: Edit::Delete, ..self }
    }

    /// The item is this one afterwards.
    pub(super) fn put(self, attributes: Vec<Attribute>) -> Self {
        Self { edit: Edit::Put(attributes), ..self }
    }

    /// Some of its item attributes are these afterwards, and some are gone.
    pub(super) fn set(self, set: Vec<Attribute>, remove: Vec<&'static str>) -> Self {
        Self { edit: Edit::Change { set, remove, take: Vec::new() }, ..self }
    }

    /// A set has an entry less.
    pub(super) fn take(self, name: &'static str, entry: &str) -> Self {
        let take = vec![(name, AttributeValue::Ss(vec![entry.to_owned()]))];
        Self { edit: Edit::Change { set: Vec::new(), remove: Vec::new(), take }, ..self }
    }

    fn action(self, table: &str) -> Result<TransactWriteItem, BuildError> {
        let mut terms = Terms::default();
        let condition = match &self.read {
            None => "attribute_not_exists(PK)".to_owned(),
            Some(read) => {
                let each = read.iter().map(|(name, value)| match value {
                    None => format!("attribute_not_exists({})", terms.name(name)),
                    Some(value) => format!("{} = {}", terms.name(name), terms.value(value.clone())),
                });
                let each: Vec<String> = each.collect();
                ["attribute_exists(PK)".to_owned()].into_iter().chain(each).collect::<Vec<_>>().join(" AND ")
            }
        };
        let key = Some(items::item(&self.key, []));
        let builder = TransactWriteItem::builder();
        let action = match self.edit {
            Edit::Keep => builder.condition_check(
                ConditionCheck::builder()
                    .table_name(table)
                    .set_key(key)
                    .condition_expression(condition)
                    .set_expression_attribute_names(terms.names())
                    .set_expression_attribute_values(terms.values())
                    .build()?,
            ),
            Edit::Delete => builder.delete(
                Delete::builder()
                    .table_name(table)
                    .set_key(key)
                    .condition_expression(condition)
                    .set_expression_attribute_names(terms.names())
                    .set_expression_attribute_values(terms.values())
                    .build()?,
            ),
            Edit::Put(attributes) => builder.put(
                Put::builder()
                    .table_name(table)
                    .set_item(Some(items::item(&self.key, attributes)))
                    .condition_expression(condition)
                    .set_expression_attribute_names(terms.names())
                    .set_expression_attribute_values(terms.values())
                    .build()?,
            ),
            Edit::Change { set, remove, take } => {
                let mut clauses = Vec::new();
                let set: Vec<String> = set
                    .into_iter()
                    .map(|(name, value)| format!("{} = {}", terms.name(name), terms.value(value)))
                    .collect();
                let remove: Vec<String> = remove.into_iter().map(|name| terms.name(name)).collect();
                let take: Vec<String> = take
                    .into_iter()
                    .map(|(name, value)| format!("{} {}", terms.name(name), terms.value(value)))
                    .collect();
                for (clause, parts) in [("SET", set), ("REMOVE", remove), ("DELETE", take)] {
                    if !parts.is_empty() {
                        clauses.push(format!("{clause} {}", parts.join(", ")));
                    }
                }
                builder.update(
                    Update::builder()
                        .table_name(table)
                        .set_key(key)
                        .update_expression(clauses.join(" "))
                        .condition_expression(condition)
                        .set_expression_attribute_names(terms.names())
                        .set_expression_attribute_values(terms.values())
                        .build()?,
                )
            }
        };
        Ok(action.build())
    }
}

/// The actions of a repair. Keys that nothing can have need no check.
pub(super) fn actions(steps: &[Step], table: &str) -> Result<Vec<Action>, StoreError> {
    let refused =
        |error: BuildError| StoreError::Refused { operation: "TransactWriteItems", message: error.to_string() };
    let possible = steps.iter().filter(|step| step.key.is_possible()).cloned();
    possible.map(|step| Ok(Action { item: step.action(table).map_err(refused)?, refusal: Refusal::Moved })).collect()
}

/// The placeholders of an action.
#[derive(Default)]
struct Terms {
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Terms {
    fn name(&mut self, name: &str) -> String {
        let placeholder = format!("#{name}");
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    fn names(&mut self) -> Option<HashMap<String, String>> {
        Some(std::mem::take(&mut self.names)).filter(|names| !names.is_empty())
    }

    fn values(&mut self) -> Option<HashMap<String, AttributeValue>> {
        Some(std::mem::take(&mut self.values)).filter(|values| !values.is_empty())
    }
}
