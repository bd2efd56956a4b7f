//! What stages, commits, applies and clears a redo.

use super::super::TenantStore;
use super::super::action::Refusal;
use super::super::error::StoreError;
use super::super::items::{item, n, s};
use super::super::keys::Key;
use super::super::transaction::{GroupTouch, MAX_ACTIONS, Transaction};
use super::{Chunk, Kind, MemberChange, Redo, Row};
use crate::protocol::schema::ResourceType;
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::BTreeSet;

/// Most bytes of a chunk's changes. An item holds 400 KB; a chunk is small unless members carry long display names.
const MAX_CHUNK_BYTES: usize = 200 * 1024;

/// Cuts changes, which are in the order of their ids, into chunks that one transaction applies each.
///
/// # Errors
///
/// [`StoreError::TooLarge`] when one change alone is too large.
pub(crate) fn cut(changes: &[MemberChange], at: &str) -> Result<Vec<Chunk>, StoreError> {
    let mut chunks: Vec<Chunk> = Vec::new();
    let (mut actions, mut bytes) = (usize::MAX, 0);
    for change in changes {
        let display = match change {
            // As JSON, in which a control character takes six bytes.
            MemberChange::Add { display: Some(display), .. } | MemberChange::Rename { display, .. } => {
                serde_json::to_string(display).map_or(usize::MAX, |text| text.len())
            }
            MemberChange::Add { .. } | MemberChange::Remove { .. } => 0,
        };
        if display > MAX_CHUNK_BYTES {
            return Err(StoreError::TooLarge { bytes: display, limit: MAX_CHUNK_BYTES });
        }
        actions = actions.saturating_add(change.actions());
        bytes = display.saturating_add(bytes);
        match chunks.last_mut() {
            // One action takes the chunk away.
            Some(chunk) if actions < MAX_ACTIONS && bytes <= MAX_CHUNK_BYTES => chunk.changes.push(change.clone()),
            last => {
                let first = if last.is_some() { change.id().to_owned() } else { String::new() };
                if let Some(last) = last {
                    last.until = Some(first.clone());
                }
                (actions, bytes) = (change.actions(), display);
                chunks.push(Chunk { first, until: None, changes: vec![change.clone()], at: at.to_owned() });
            }
        }
    }
    Ok(chunks)
}

fn one(mark: &str) -> AttributeValue {
    AttributeValue::Ss(vec![mark.to_owned()])
}

impl Transaction<'_> {
    /// Puts a redo into the register.
    pub(crate) fn register(&mut self, redo: &Redo, at: &str) {
        let key = self.store.keys.redo(&redo.name());
        self.put(item(&key, [("staged", s(at))]), Some("attribute_not_exists(PK)"), Refusal::Moved);
    }

    /// Puts the redo of a member that is to be deleted into the register, or adds to the groups that it leaves.
    /// Condition: it is not dead.
    pub(crate) fn register_leave(&mut self, redo: &Redo, groups: &[String], at: &str) {
        let key = self.store.keys.redo(&redo.name());
        let expression = "SET #staged = if_not_exists(#staged, :at) ADD #groups :groups";
        let values = vec![("at", s(at)), ("groups", AttributeValue::Ss(groups.to_vec()))];
        self.update(&key, expression, Some("attribute_not_exists(#dead)"), values, Refusal::Moved);
    }

    /// Has a staged redo happen together with the rest of the transaction. Condition: it is not dead.
    pub(crate) fn commit_redo(&mut self, redo: &Redo, at: &str) {
        let key = self.store.keys.redo(&redo.name());
        let condition = "attribute_exists(PK) AND attribute_not_exists(#dead)";
        self.update(&key, "SET #committed = :at", Some(condition), vec![("at", s(at))], Refusal::Moved);
    }

    /// Makes sure that a staged redo can never be committed. Condition: it was not.
    pub(crate) fn kill_redo(&mut self, redo: &Redo) {
        let key = self.store.keys.redo(&redo.name());
        let condition = "attribute_exists(PK) AND attribute_not_exists(#committed)";
        let values = vec![("true", AttributeValue::Bool(true))];
        self.update(&key, "SET #dead = :true", Some(condition), values, Refusal::Moved);
    }

    /// Takes a redo out of the register.
    pub(crate) fn forget_redo(&mut self, redo: &Redo) {
        let key = self.store.keys.redo(&redo.name());
        self.delete(&key, None, Vec::new(), Refusal::Moved);
    }

    /// Notes on a member that an intent adds it. Condition: it exists.
    pub(crate) fn stage_member(&mut self, resource_type: ResourceType, id: &str, redo: &Redo) {
        let key = self.store.keys.resource(resource_type, id);
        let values = vec![("one", n(1)), ("mark", one(&redo.mark().to_string()))];
        let gone = Refusal::Gone { id: id.to_owned() };
        self.update(&key, "ADD #joins :one, #joining :mark", Some("attribute_exists(PK)"), values, gone);
    }

    /// Takes that note off. Condition: the member exists.
    pub(crate) fn unstage_member(&mut self, resource_type: ResourceType, id: &str, redo: &Redo) {
        let key = self.store.keys.resource(resource_type, id);
        let values = vec![("mark", one(&redo.mark().to_string()))];
        let gone = Refusal::Gone { id: id.to_owned() };
        self.update(&key, "DELETE #joining :mark", Some("attribute_exists(PK)"), values, gone);
    }

    /// Notes on a group that a member of it is about to be deleted. Condition: the group exists.
    pub(crate) fn stage_leave(&mut self, group_id: &str, redo: &Redo) {
        let key = self.store.keys.resource(ResourceType::Group, group_id);
        let values = vec![("mark", one(&redo.mark().to_string()))];
        let gone = Refusal::Gone { id: group_id.to_owned() };
        self.update(&key, "ADD #leaving :mark", Some("attribute_exists(PK)"), values, gone);
    }

    /// Takes that note off. Condition: the group exists.
    pub(crate) fn end_leave(&mut self, group_id: &str, redo: &Redo, at: &str) {
        let key = self.store.keys.resource(ResourceType::Group, group_id);
        let values = vec![("mark", one(&redo.mark().to_string())), ("at", s(at))];
        let expression = "SET #settled = :at DELETE #leaving :mark";
        let gone = Refusal::Gone { id: group_id.to_owned() };
        self.update(&key, expression, Some("attribute_exists(PK)"), values, gone);
    }

    /// Takes a deleted member out of a group, with the note. Conditions: it is a member, and the group exists and has no
    /// other intent than the one that was read.
    pub(crate) fn apply_leave(&mut self, touch: &GroupTouch<'_>, redo: &Redo, resource_type: ResourceType, at: &str) {
        let change = MemberChange::Remove { id: redo.subject.clone(), resource_type };
        self.write_membership(touch.id, &change, at, true);
        self.touch_group_and(touch, Some((one(&redo.mark().to_string()), at)));
    }

    /// Applies a chunk, and takes it away. `without` are members that do not exist, which the group then does not count.
    /// Conditions: the chunk is there, and the other members that it adds are.
    pub(crate) fn apply_chunk(&mut self, redo: &Redo, chunk: &Chunk, without: &[String]) {
        let key = self.store.keys.chunk(&redo.subject, &redo.id, &chunk.first);
        self.delete(&key, Some("attribute_exists(PK)"), Vec::new(), Refusal::Moved);
        for change in chunk.changes.iter().filter(|change| !without.iter().any(|id| id == change.id())) {
            self.write_membership(&redo.subject, change, &chunk.at, false);
            if let MemberChange::Add { id, resource_type, .. } = change {
                self.unstage_member(*resource_type, id, redo);
            }
        }
        let lost = |only: Option<ResourceType>| -> i64 {
            let is_lost = |change: &&MemberChange| match change {
                MemberChange::Add { id, resource_type, .. } => {
                    without.contains(id) && only.is_none_or(|only| only == *resource_type)
                }
                MemberChange::Remove { .. } | MemberChange::Rename { .. } => false,
            };
            i64::try_from(chunk.changes.iter().filter(is_lost).count()).unwrap_or(i64::MAX)
        };
        if !without.is_empty() {
            self.touch_group(&GroupTouch {
                id: &redo.subject,
                delta: -lost(None),
                groups_delta: -lost(Some(ResourceType::Group)),
                at: None,
                changes: &[],
                version: None,
                intent: Some(&redo.id),
            });
        }
    }

    /// Takes the mark of an intent off its group, when all of it is applied, and the intent out of the register.
    /// Condition: it is the group's intent.
    pub(crate) fn finish_intent(&mut self, redo: &Redo, at: &str) {
        let key = self.store.keys.resource(ResourceType::Group, &redo.subject);
        let values = vec![("intent", s(&redo.id)), ("at", s(at))];
        let expression = "SET #settled = :at REMOVE #intent";
        self.update(&key, expression, Some("#intent = :intent"), values, Refusal::Moved);
        self.forget_redo(redo);
    }
}

impl TenantStore {
    /// Puts the chunks of a staged intent, and takes away those of an earlier try that are not among them. Nobody refers
    /// to them yet. Gives whether some of this may yet be done once more: such an intent cannot be committed, as a chunk
    /// that was applied would stand there again.
    pub(crate) async fn put_chunks(
        &self,
        redo: &Redo,
        chunks: &[Chunk],
        earlier: &[String],
    ) -> Result<bool, StoreError> {
        debug_assert_eq!(redo.kind, Kind::Members);
        let mut items = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let rows: Vec<Row> = chunk.changes.iter().map(Row::from).collect();
            let rows = serde_json::to_string(&rows)
                .map_err(|error| StoreError::Refused { operation: "BatchWriteItem", message: error.to_string() })?;
            let mut attributes = vec![("changes", s(rows)), ("at", s(&chunk.at))];
            attributes.extend(chunk.until.as_ref().map(|until| ("until", s(until))));
            items.push(item(&self.keys.chunk(&redo.subject, &redo.id, &chunk.first), attributes));
        }
        let now: BTreeSet<&String> = chunks.iter().map(|chunk| &chunk.first).collect();
        let stale: Vec<Key> = earlier
            .iter()
            .filter(|first| !now.contains(first))
            .map(|first| self.keys.chunk(&redo.subject, &redo.id, first))
            .collect();
        self.batch_write(items, &stale).await
    }

    /// Takes away chunks of an intent that can never be committed, or whose group is gone.
    pub(crate) async fn delete_chunks(&self, redo: &Redo, chunks: &[Chunk]) -> Result<(), StoreError> {
        let keys: Vec<Key> =
            chunks.iter().map(|chunk| self.keys.chunk(&redo.subject, &redo.id, &chunk.first)).collect();
        self.batch_write(Vec::new(), &keys).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(adds: usize, removes: usize) -> Vec<MemberChange> {
        let resource_type = ResourceType::User;
        let add = |id| MemberChange::Add { id: format!("{id:05}"), resource_type, display: None };
        let remove = |id| MemberChange::Remove { id: format!("{id:05}"), resource_type };
        (0..adds).map(add).chain((adds..adds + removes).map(remove)).collect()
    }

    #[test]
    fn chunks_hold_every_change_once_and_cover_all_ids_without_a_gap() {
        for (adds, removes, expected) in [(1, 0, 1), (33, 0, 1), (34, 0, 2), (0, 49, 1), (0, 50, 2), (100, 100, 6)] {
            let changes = changes(adds, removes);
            let chunks = cut(&changes, "now").unwrap();
            assert_eq!(chunks.len(), expected, "{adds} adds and {removes} removes");
            let held: Vec<_> = chunks.iter().flat_map(|chunk| chunk.changes.clone()).collect();
            assert_eq!(held, changes);
            assert_eq!((chunks[0].first.as_str(), &chunks[expected - 1].until), ("", &None));
            for pair in chunks.windows(2) {
                assert_eq!(pair[0].until.as_deref(), Some(pair[1].first.as_str()));
            }
            for chunk in &chunks {
                assert!(chunk.changes.iter().map(MemberChange::actions).sum::<usize>() < MAX_ACTIONS);
            }
        }
    }

    #[test]
    fn long_display_names_make_more_chunks_and_one_too_long_is_refused() {
        let long = |bytes: usize| MemberChange::Rename { id: "u".to_owned(), display: "x".repeat(bytes) };
        let half = MAX_CHUNK_BYTES / 2 + 1;
        assert_eq!(cut(&[long(half), long(half)], "now").unwrap().len(), 2);
        assert!(matches!(cut(&[long(MAX_CHUNK_BYTES + 1)], "now"), Err(StoreError::TooLarge { .. })));
    }
}
