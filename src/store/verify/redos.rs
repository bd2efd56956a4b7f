//! What redos leave behind: marks, intents, the register and chunks. What a sweep finishes is left to it.

use super::case::{Case, Decided, Finding};
use super::repair::Step;
use super::report::Kind;
use super::snapshot::{Snapshot, is_set, marks, text};
use crate::protocol::schema::ResourceType;
use crate::store::calls::Item;
use crate::store::items::s;
use crate::store::keys::Key;

/// Whether a redo of the register has happened.
fn is_committed(item: &Item) -> bool {
    text(item, "committed").is_some() && !is_set(item, "dead")
}

impl Case {
    fn group_key(&self, group: &str) -> Key {
        self.keys.resource(ResourceType::Group, group)
    }

    /// Whether the group names the intent.
    fn names(&self, snapshot: &Snapshot, group: &str, intent: &str) -> Result<bool, super::snapshot::Needs> {
        let item = snapshot.item(&self.group_key(group))?;
        Ok(item.and_then(|item| text(item, "intent")) == Some(intent))
    }

    pub(super) fn joining(&self, snapshot: &Snapshot, resource_type: ResourceType, id: &str, mark: &str) -> Decided {
        let key = self.keys.resource(resource_type, id);
        let has_it = |item: &Item| marks(item, "joining").iter().any(|entry| entry == mark);
        if !snapshot.item(&key)?.is_some_and(has_it) {
            return Ok(Vec::new());
        }
        let mut steps = vec![Step::check(snapshot, &key, &[])?.take("joining", mark)];
        let mut example = self.example().with("type", resource_type.name()).id("id", id);
        if let Some((group, intent)) = mark.rsplit_once('#') {
            let redo = self.keys.redo(&format!("members#{mark}"));
            if snapshot.item(&redo)?.is_some() || self.names(snapshot, group, intent)? {
                return Ok(Vec::new());
            }
            steps.push(Step::check(snapshot, &redo, &[])?);
            // A group may be what joins itself nowhere, but one item is named once in a transaction.
            if self.group_key(group) != key {
                steps.push(Step::check(snapshot, &self.group_key(group), &["intent"])?);
            }
            example = example.id("group", group).id("redo", intent);
        }
        Ok(vec![Finding::new(Kind::MarkStray, example, Some(steps))])
    }

    pub(super) fn leaving(&self, snapshot: &Snapshot, group: &str, mark: &str) -> Decided {
        let key = self.group_key(group);
        let has_it = |item: &Item| marks(item, "leaving").iter().any(|entry| entry == mark);
        if !snapshot.item(&key)?.is_some_and(has_it) {
            return Ok(Vec::new());
        }
        let mut steps = vec![Step::check(snapshot, &key, &["intent"])?.take("leaving", mark)];
        let mut example = self.example().id("group", group);
        if let Some((member, redo)) = mark.rsplit_once('#') {
            let redo_key = self.keys.redo(&format!("leave#{mark}"));
            if snapshot.item(&redo_key)?.is_some() {
                return Ok(Vec::new());
            }
            steps.push(Step::check(snapshot, &redo_key, &[])?);
            // Without the mark a membership of somebody who is gone would count again.
            if snapshot.member(&self.keys, member, ResourceType::User)?.is_none() {
                for gone in ResourceType::ALL {
                    steps.push(Step::check(snapshot, &self.keys.resource(gone, member), &[])?);
                }
                for edge in [self.keys.membership(group, member), self.keys.mirror(group, member)] {
                    steps.push(Step::check(snapshot, &edge, &[])?.delete());
                }
            }
            example = example.id("member", member).id("redo", redo);
        }
        Ok(vec![Finding::new(Kind::MarkStray, example, Some(steps)).changing(group)])
    }

    pub(super) fn intent(&self, snapshot: &Snapshot, group: &str) -> Decided {
        let key = self.group_key(group);
        let Some(intent) = snapshot.item(&key)?.and_then(|item| text(item, "intent")) else { return Ok(Vec::new()) };
        let redo = self.keys.redo(&format!("members#{group}#{intent}"));
        let registered = snapshot.item(&redo)?;
        if registered.is_some_and(is_committed) {
            return Ok(Vec::new());
        }
        // With the group's `intent` it has happened, whatever the register says.
        let now = || s(format!("{:.3}", crate::ambient::now()));
        let mut set = vec![("committed", now())];
        if registered.is_none_or(|item| !item.contains_key("staged")) {
            set.push(("staged", now()));
        }
        let steps = vec![
            Step::check(snapshot, &redo, &["staged", "committed", "dead"])?.set(set, vec!["dead"]),
            Step::check(snapshot, &key, &["intent"])?,
        ];
        let example = self.example().id("group", group).id("redo", intent);
        Ok(vec![Finding::new(Kind::IntentLost, example, Some(steps))])
    }

    pub(super) fn redo(&self, snapshot: &Snapshot, name: &str) -> Decided {
        let key = self.keys.redo(name);
        let Some(item) = snapshot.item(&key)? else { return Ok(Vec::new()) };
        let mut parts = name.splitn(3, '#');
        let (Some(kind @ ("members" | "leave")), Some(subject), Some(id)) = (parts.next(), parts.next(), parts.next())
        else {
            return Ok(vec![Finding::new(Kind::Foreign, self.example(), None)]);
        };
        let example = self.example().with("kind", kind).id("subject", subject).id("redo", id);
        let group = self.group_key(subject);
        // What is staged may yet happen; what a deleted group or a member leaves is swept.
        let is_over = kind == "members"
            && is_committed(item)
            && snapshot.item(&group)?.is_some()
            && !self.names(snapshot, subject, id)?;
        if !is_over {
            return Ok(vec![Finding::new(Kind::Pending, example, None)]);
        }
        let steps = vec![
            Step::check(snapshot, &key, &["committed", "dead"])?.delete(),
            Step::check(snapshot, &group, &["intent"])?,
        ];
        Ok(vec![Finding::new(Kind::RedoStray, example, Some(steps))])
    }

    pub(super) fn chunk(&self, snapshot: &Snapshot, group: &str, intent: &str, key: &Key) -> Decided {
        if snapshot.item(key)?.is_none() || self.names(snapshot, group, intent)? {
            return Ok(Vec::new());
        }
        let (redo, group_key) = (self.keys.redo(&format!("members#{group}#{intent}")), self.group_key(group));
        let is_over = match snapshot.item(&redo)? {
            None => true,
            Some(item) => is_committed(item) && snapshot.item(&group_key)?.is_some(),
        };
        if !is_over {
            return Ok(Vec::new());
        }
        let steps = vec![
            Step::check(snapshot, key, &[])?.delete(),
            Step::check(snapshot, &redo, &["committed", "dead"])?,
            Step::check(snapshot, &group_key, &["intent"])?,
        ];
        let example = self.example().id("group", group).id("redo", intent);
        Ok(vec![Finding::new(Kind::ChunkStray, example, Some(steps))])
    }
}
