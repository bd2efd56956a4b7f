//! The change log's record: what was there before and after, of the attributes that changed.

use super::{Caller, Service};
use crate::protocol::members::Membership;
use crate::protocol::representation::Meta;
use crate::protocol::schema::ResourceType;
use crate::protocol::{self, Object};
use crate::store::log::Change;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::borrow::Cow;

/// What a record is about that is about no resource.
pub const TENANT: &str = "Tenant";
/// Seconds of a day.
const DAY: i64 = 24 * 60 * 60;

/// What changed: `{"before": {…}, "after": {…}}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Difference<'a> {
    before: Side<'a>,
    after: Side<'a>,
}

/// Attributes of one of the two states.
#[derive(Debug, Clone, Default, PartialEq)]
struct Side<'a>(Vec<(&'a str, Cow<'a, Value>)>);

impl Serialize for Side<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'a> Difference<'a> {
    /// The attributes in which two states of a resource differ. `schemas` follows from the others.
    #[must_use]
    pub fn between(before: &'a Object, after: &'a Object) -> Self {
        let differing = |left: &'a Object, right: &Object| {
            let differing = left.iter().filter(|(name, value)| *name != "schemas" && right.get(*name) != Some(*value));
            Side(differing.map(|(name, value)| (name.as_str(), Cow::Borrowed(value))).collect())
        };
        Self { before: differing(before, after), after: differing(after, before) }
    }

    /// Adds the members that a group lost, or had before they got other names, and those that it gained or that have
    /// other names.
    #[must_use]
    pub fn with_members(self, before: Vec<Value>, after: Vec<Value>) -> Self {
        self.with("members", before, after)
    }

    /// Adds the groups that a resource was in.
    #[must_use]
    pub fn with_groups_left(self, ids: &[String]) -> Self {
        self.with("groups", ids.iter().map(|id| json!({ "value": id })).collect(), Vec::new())
    }

    fn with(mut self, name: &'a str, before: Vec<Value>, after: Vec<Value>) -> Self {
        for (side, values) in [(&mut self.before, before), (&mut self.after, after)] {
            if !values.is_empty() {
                side.0.push((name, Cow::Owned(Value::Array(values))));
            }
        }
        self
    }

    /// The record, to be kept until `expires_at`, in seconds since 1970.
    #[must_use]
    pub fn record(&self, operation: &'static str, meta: &Meta, caller: &Caller, at: &str, expires_at: i64) -> Change {
        let mut change = Change::new(caller.operation.unwrap_or(operation), meta.resource_type.name(), &meta.id, at);
        change.actor.clone_from(&caller.actor);
        change.request_id.clone_from(&caller.request_id);
        change.client_request_id.clone_from(&caller.client_request_id);
        change.quirks = caller.quirks.names().join(",");
        change.expires_at = expires_at;
        change.changes = protocol::json_text(self);
        change
    }
}

/// How a record names a member: its type unless it is a user, and what it is shown as if that was said.
#[must_use]
pub fn member_entry(id: &str, resource_type: ResourceType, display: Option<&str>) -> Value {
    let mut entry = json!({ "value": id });
    if let Some(object) = entry.as_object_mut() {
        if resource_type != ResourceType::User {
            object.insert("type".into(), resource_type.name().into());
        }
        object.extend(display.map(|display| ("display".to_owned(), display.into())));
    }
    entry
}

/// The same of a membership.
#[must_use]
pub fn entry_of(member: &Membership) -> Value {
    member_entry(&member.id, member.resource_type, member.display.as_deref())
}

/// Until when a record is kept that is made now, in seconds since 1970.
#[must_use]
pub fn expiry(log_days: u32) -> i64 {
    crate::ambient::now().as_second() + i64::from(log_days) * DAY
}

impl Service {
    /// The same, as the settings say.
    pub(super) fn expiry(&self) -> i64 {
        expiry(self.settings.log_days)
    }

    /// The record of what happens to the tenant as a whole, beside the changes of resources.
    pub(super) fn record_of_tenant(&self, caller: &Caller, operation: &'static str, after: &Value) -> Change {
        let mut record = Change::new(operation, TENANT, &caller.tenant, &super::write::now());
        record.actor.clone_from(&caller.actor);
        record.request_id.clone_from(&caller.request_id);
        record.client_request_id.clone_from(&caller.client_request_id);
        record.expires_at = self.expiry();
        record.changes = json!({ "before": {}, "after": after }).to_string();
        record
    }
}
