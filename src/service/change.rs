//! The change log's record: what was there before and after, of the attributes that changed.

use super::Caller;
use crate::protocol::Object;
use crate::protocol::representation::Meta;
use crate::store::transaction::Change;
use serde_json::{Value, json};

/// Bytes of before and after that a record keeps. Beyond, it keeps the names of the attributes alone: an item holds
/// 400 KB, and before and after of the largest resource would be more.
const MAX_CHANGES_BYTES: usize = 128 * 1024;

/// What changed: `{"before": {…}, "after": {…}}`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Difference {
    before: Object,
    after: Object,
}

impl Difference {
    /// The attributes in which two states of a resource differ. `schemas` follows from the others.
    #[must_use]
    pub fn between(before: &Object, after: &Object) -> Self {
        let differing = |left: &Object, right: &Object| {
            left.iter()
                .filter(|(name, value)| *name != "schemas" && right.get(*name) != Some(*value))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        };
        Self { before: differing(before, after), after: differing(after, before) }
    }

    /// Adds the members that a group lost and gained.
    #[must_use]
    pub fn with_ids(mut self, name: &str, removed: &[String], added: &[String]) -> Self {
        for (side, ids) in [(&mut self.before, removed), (&mut self.after, added)] {
            if !ids.is_empty() {
                side.insert(name.to_owned(), ids.iter().map(|id| json!({ "value": id })).collect());
            }
        }
        self
    }

    fn to_text(&self) -> String {
        let text = json!({ "before": self.before, "after": self.after }).to_string();
        if text.len() <= MAX_CHANGES_BYTES {
            return text;
        }
        let names = |side: &Object| side.keys().cloned().map(Value::from).collect::<Vec<_>>();
        json!({ "tooLarge": { "before": names(&self.before), "after": names(&self.after) } }).to_string()
    }

    /// The record.
    #[must_use]
    pub fn record(&self, operation: &'static str, meta: &Meta, caller: &Caller, at: &str) -> Change {
        Change {
            operation,
            resource_type: meta.resource_type,
            id: meta.id.clone(),
            actor: caller.actor.clone(),
            request_id: caller.request_id.clone(),
            at: at.to_owned(),
            changes: self.to_text(),
        }
    }
}
