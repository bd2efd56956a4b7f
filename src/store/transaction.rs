//! Every write of the table but those that nobody refers to yet, or any more: one `TransactWriteItems`, each action with
//! the condition that what it assumes still holds.

use super::TenantStore;
use super::action::{Action, Refusal};
use super::commit::Void;
use super::error::{CommitError, StoreError};
use super::items::{self, Stored, item, n, s};
use super::keys::Key;
use super::log::Change;
use super::order;
use super::redo::MemberChange;
use crate::protocol::index::IndexedValue;
use crate::protocol::schema::ResourceType;
use aws_sdk_dynamodb::types::AttributeValue;

/// Actions in one `TransactWriteItems`.
pub const MAX_ACTIONS: usize = 100;
/// Largest sum of the items of one transaction. DynamoDB takes 4 MB.
const MAX_TRANSACTION_BYTES: usize = 4_000_000;

/// A group whose memberships change.
#[derive(Debug, Clone)]
pub(crate) struct GroupTouch<'a> {
    /// Id of the group.
    pub id: &'a str,
    /// Members more, or fewer.
    pub delta: i64,
    /// Of them, groups.
    pub groups_delta: i64,
    /// When, RFC 3339. `None` when it belongs to a change that has its time.
    pub at: Option<&'a str>,
    /// What the change log says of them.
    pub changes: &'a [MemberChange],
    /// The version the group must have; `None` when the change holds for any.
    pub version: Option<u64>,
    /// The intent that was pending when the group was read. No other one may be: it could be about the same members.
    pub intent: Option<&'a str>,
}

/// A transaction being put together.
#[derive(Debug)]
pub struct Transaction<'a> {
    pub(super) store: &'a TenantStore,
    pub(super) actions: Vec<Action>,
    pub(super) bytes: usize,
    pub(super) broken: Option<StoreError>,
    /// The record of one of its changes.
    pub(super) void: Option<Void>,
}

impl TenantStore {
    /// An empty transaction.
    #[must_use]
    pub fn transaction(&self) -> Transaction<'_> {
        Transaction { store: self, actions: Vec::new(), bytes: 0, broken: None, void: None }
    }
}

impl Transaction<'_> {
    /// Puts a new resource with its keys and counts it. Conditions: the id and each unique value are free.
    pub fn create(&mut self, stored: &Stored, indexed: &std::collections::BTreeSet<IndexedValue>) {
        self.create_uncounted(stored, indexed);
        self.count(stored.meta.resource_type, &stored.meta.id, 1);
    }

    /// The same for who creates many in one transaction: [`Self::count_created`] counts them, one action for all whose
    /// ids begin alike.
    pub fn create_uncounted(&mut self, stored: &Stored, indexed: &std::collections::BTreeSet<IndexedValue>) {
        let key = self.key(stored);
        self.put(items::new_resource(&key, stored), Some("attribute_not_exists(PK)"), Refusal::Moved);
        for value in indexed {
            self.hold(value, &stored.meta.id);
        }
    }

    /// Counts new resources of which all ids begin with the same two digits.
    pub fn count_created(&mut self, resource_type: ResourceType, ids: &[&str]) {
        let Some(first) = ids.first() else { return };
        let mut expression = "ADD #n :n".to_owned();
        let mut values = vec![("n", n(ids.len()))];
        for digit in items::COUNTED_DIGITS {
            let counted = ids.iter().filter(|id| items::counted_digit(id) == Some(digit)).count();
            if counted > 0 {
                expression.push_str(&format!(", #{digit} :{digit}"));
                values.push((digit, n(counted)));
            }
        }
        self.update(&self.store.keys.counter(resource_type, first), &expression, None, values, Refusal::Moved);
    }

    /// Rewrites a resource and moves its keys. Conditions: it has the version that was read, and each new unique value
    /// is free. `joins` and the members are left alone; `changes` is what becomes of these in the same transaction, or with
    /// the intent that it commits.
    pub(crate) fn rewrite(
        &mut self,
        before: &Stored,
        after: &Stored,
        indexed_before: &std::collections::BTreeSet<IndexedValue>,
        indexed_after: &std::collections::BTreeSet<IndexedValue>,
        changes: &[MemberChange],
    ) {
        let mut values = items::resource_attributes(after);
        if after.meta.resource_type == ResourceType::Group {
            values.push(("memberCount", n(after.member_count)));
            if before.member_groups + after.member_groups > 0 {
                values.push(("memberGroups", n(after.member_groups)));
            }
            // With this the changes that stand in its chunks have happened.
            let begins = after.marks.intent.as_ref().filter(|_| before.marks.intent.is_none());
            values.extend(begins.map(|intent| ("intent", s(intent))));
        }
        let mut missing: Vec<&str> =
            items::COPIES.into_iter().filter(|copy| !values.iter().any(|(name, _)| name == copy)).collect();
        missing.extend((before.is_unmanaged && !after.is_unmanaged).then_some(items::UNMANAGED));
        let mut expression = String::with_capacity(512);
        for (index, (name, _)) in values.iter().enumerate() {
            expression.extend([if index == 0 { "SET #" } else { ", #" }, name, " = :", name]);
        }
        if after.meta.resource_type == ResourceType::Group {
            expression.push_str(&order::and_all_remembered(changes));
            values.push((order::TIME, n(order::milliseconds(&after.meta.last_modified))));
        }
        for (index, name) in missing.iter().enumerate() {
            expression.extend([if index == 0 { " REMOVE #" } else { ", #" }, name]);
        }
        values.push(("read", n(before.meta.version)));
        let key = self.key(before);
        self.update(&key, &expression, Some("#version = :read"), values, Refusal::Moved);
        for value in indexed_before.difference(indexed_after) {
            self.delete(&self.store.keys.holder(value, &before.meta.id), None, Vec::new(), Refusal::Moved);
        }
        for value in indexed_after.difference(indexed_before) {
            self.hold(value, &after.meta.id);
        }
    }

    /// Deletes a resource with its keys, counts it down and leaves a tombstone that names the change record of the
    /// deletion and expires with it. Conditions: it has the version that was read, was added to no group since, and no
    /// intent that adds it was staged, applied or cleared.
    pub fn delete_resource(
        &mut self,
        stored: &Stored,
        indexed: &std::collections::BTreeSet<IndexedValue>,
        change: &Change,
    ) {
        let meta = &stored.meta;
        let mut condition = "#version = :version".to_owned();
        let mut values = vec![("version", n(meta.version))];
        if stored.joins == 0 {
            condition.push_str(" AND attribute_not_exists(#joins)");
        } else {
            condition.push_str(" AND #joins = :joins");
            values.push(("joins", n(stored.joins)));
        }
        if stored.marks.joining.is_empty() {
            condition.push_str(" AND attribute_not_exists(#joining)");
        } else {
            condition.push_str(" AND #joining = :joining");
            let marks = stored.marks.joining.iter().map(ToString::to_string).collect();
            values.push(("joining", AttributeValue::Ss(marks)));
        }
        self.delete(&self.key(stored), Some(&condition), values, Refusal::Moved);
        for value in indexed {
            self.delete(&self.store.keys.holder(value, &meta.id), None, Vec::new(), Refusal::Moved);
        }
        self.count(meta.resource_type, &meta.id, -1);
        let mut left = vec![
            ("deleted", s(&change.at)),
            ("change", s(&change.id)),
            ("version", n(meta.version)),
            ("expiresAt", n(change.expires_at)),
        ];
        let copies = items::copies(&stored.kept).into_iter();
        left.extend(copies.filter(|(name, _)| matches!(*name, "userName" | "displayName")));
        self.put(item(&self.store.keys.tombstone(meta.resource_type, &meta.id), left), None, Refusal::Moved);
    }

    /// Counts a change of a group's members that holds whatever else changes: version, lastModified and memberCount go
    /// on from what they are. Conditions: the group exists, none of its changes comes after these in the change log, as far
    /// as they hang together, it has `touch.version` if that is given, and no other intent than the one that was read.
    pub(crate) fn touch_group(&mut self, touch: &GroupTouch<'_>) {
        self.touch_group_and(touch, None);
    }

    /// The same, and the end of the redo of a member that left: its mark, and when.
    pub(super) fn touch_group_and(&mut self, touch: &GroupTouch<'_>, left: Option<(AttributeValue, &str)>) {
        let mut condition = "attribute_exists(PK)".to_owned();
        let mut values = vec![("one", n(1)), ("delta", n(touch.delta))];
        let mut expression = "SET #version = #version + :one, #memberCount = #memberCount + :delta".to_owned();
        if let Some(at) = touch.at {
            expression.push_str(", #lastModified = :at");
            values.push(("at", s(at)));
            if !touch.changes.is_empty() {
                condition.push_str(&order::and_in_order(touch.changes));
                expression.push_str(&order::and_remembered(touch.changes));
                values.push((order::TIME, n(order::milliseconds(at))));
            }
        }
        if let Some(version) = touch.version {
            condition.push_str(" AND #version = :version");
            values.push(("version", n(version)));
        }
        match touch.intent {
            None => condition.push_str(" AND attribute_not_exists(#intent)"),
            Some(intent) => {
                condition.push_str(" AND (attribute_not_exists(#intent) OR #intent = :intent)");
                values.push(("intent", s(intent)));
            }
        }
        if let Some((_, settled)) = &left {
            expression.push_str(", #settled = :settled");
            values.push(("settled", s(*settled)));
        }
        if touch.groups_delta != 0 {
            expression.push_str(" ADD #memberGroups :groups");
            values.push(("groups", n(touch.groups_delta)));
        }
        if let Some((mark, _)) = left {
            expression.push_str(" DELETE #leaving :mark");
            values.push(("mark", mark));
        }
        let key = self.store.keys.resource(ResourceType::Group, touch.id);
        self.update(&key, &expression, Some(&condition), values, Refusal::Moved);
    }

    /// Changes a membership and its mirror; who is added also counts the join. Conditions: it is as it was read, and who
    /// is added exists.
    pub(crate) fn change_member(&mut self, group_id: &str, change: &MemberChange, at: &str) {
        self.write_membership(group_id, change, at, true);
        if let MemberChange::Add { id, resource_type, .. } = change {
            let key = self.store.keys.resource(*resource_type, id);
            self.update(&key, "ADD #joins :one", Some("attribute_exists(PK)"), vec![("one", n(1))], Refusal::Moved);
        }
    }

    /// The change of a membership and its mirror. `as_read` has it on condition that it is as it was read.
    pub(super) fn write_membership(&mut self, group_id: &str, change: &MemberChange, at: &str, as_read: bool) {
        let membership = self.store.keys.membership(group_id, change.id());
        let mirror = self.store.keys.mirror(group_id, change.id());
        let (absent, present) = ("attribute_not_exists(PK)", "attribute_exists(PK)");
        match change {
            MemberChange::Add { resource_type, display, .. } => {
                let of_both = [("type", s(resource_type.name())), ("added", s(at))];
                let display = display.as_ref().map(|display| ("display", s(display)));
                let attributes = of_both.iter().cloned().chain(display);
                self.put(item(&membership, attributes), as_read.then_some(absent), Refusal::Moved);
                self.put(item(&mirror, of_both), None, Refusal::Moved);
            }
            MemberChange::Remove { .. } => {
                self.delete(&membership, as_read.then_some(present), Vec::new(), Refusal::Moved);
                self.delete(&mirror, None, Vec::new(), Refusal::Moved);
            }
            MemberChange::Rename { display, .. } => {
                let values = vec![("display", s(display))];
                self.update(&membership, "SET #display = :display", Some(present), values, Refusal::Moved);
            }
        }
    }

    /// How many actions it holds.
    #[must_use]
    pub fn actions(&self) -> usize {
        self.actions.len()
    }

    /// Carries it out, whole or not at all. An error but [`StoreError::Unavailable`] and [`StoreError::Throttled`] says
    /// that it was not, and if it has a record ([`Self::log`]) that it will not be either, however late an attempt arrives.
    ///
    /// # Errors
    ///
    /// [`CommitError::Moved`] when a condition does not hold or another transaction is at the same items,
    /// [`CommitError::Taken`] when a unique value is not free, [`CommitError::Gone`] when a member that a redo touches
    /// does not exist, [`StoreError::TooManyActions`] past [`MAX_ACTIONS`],
    /// [`StoreError::TooLarge`] for more than an item or a transaction holds.
    pub async fn commit(self) -> Result<(), CommitError> {
        if let Some(broken) = self.broken {
            return Err(broken.into());
        }
        if self.actions.len() > MAX_ACTIONS {
            return Err(StoreError::TooManyActions { needed: self.actions.len() }.into());
        }
        if self.bytes > MAX_TRANSACTION_BYTES {
            return Err(StoreError::TooLarge { bytes: self.bytes, limit: MAX_TRANSACTION_BYTES }.into());
        }
        self.store.transact(self.actions, self.void).await
    }

    /// Gives a unique value from one resource to another. Condition: the first one has it.
    pub fn hand_over(&mut self, value: &IndexedValue, from: &str, to: &str) {
        let key = self.store.keys.holder(value, to);
        let values = vec![("to", s(to)), ("from", s(from))];
        self.update(&key, "SET #id = :to", Some("#id = :from"), values, Refusal::Moved);
    }

    /// Takes the tombstone of a resource away, as it is created again. Condition: it is there.
    pub fn unbury(&mut self, resource_type: ResourceType, id: &str) {
        let key = self.store.keys.tombstone(resource_type, id);
        self.delete(&key, Some("attribute_exists(PK)"), Vec::new(), Refusal::Moved);
    }

    fn key(&self, stored: &Stored) -> Key {
        self.store.keys.resource(stored.meta.resource_type, &stored.meta.id)
    }

    fn hold(&mut self, value: &IndexedValue, id: &str) {
        let key = self.store.keys.holder(value, id);
        let taken = Refusal::Taken { attribute: value.attribute.clone(), id: id.to_owned() };
        if value.is_unique {
            self.put(item(&key, [("id", s(id))]), Some("attribute_not_exists(PK)"), taken);
        } else {
            self.put(item(&key, []), None, Refusal::Moved);
        }
    }

    fn count(&mut self, resource_type: ResourceType, id: &str, delta: i64) {
        let key = self.store.keys.counter(resource_type, id);
        let digit = items::counted_digit(id).map(|digit| format!(", #{digit} :delta")).unwrap_or_default();
        self.update(&key, &format!("ADD #n :delta{digit}"), None, vec![("delta", n(delta))], Refusal::Moved);
    }
}
