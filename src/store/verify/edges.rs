//! Memberships and their mirrors. The membership is what counts: a mirror follows it.

use super::case::{Case, Decided, Finding};
use super::repair::Step;
use super::report::Kind;
use super::snapshot::{Snapshot, marks, number, said_type};
use crate::protocol::schema::ResourceType;
use crate::store::items::{n, s};

/// What a membership and its mirror have in common.
const COMMON: [&str; 2] = ["type", "added"];

impl Case {
    pub(super) fn membership(&self, snapshot: &Snapshot, group: &str, member: &str, likely: ResourceType) -> Decided {
        let keys = &self.keys;
        let key = keys.membership(group, member);
        let Some(item) = snapshot.item(&key)? else { return Ok(Vec::new()) };
        let example = self.example().id("group", group).id("member", member);
        let group_key = keys.resource(ResourceType::Group, group);
        let check = |key, watched: &[&'static str]| Step::check(snapshot, key, watched);
        let Some(group_item) = snapshot.item(&group_key)? else {
            let mirror = Step::check(snapshot, &keys.mirror(group, member), &[])?.delete();
            let steps = vec![check(&key, &[])?.delete(), mirror, check(&group_key, &[])?];
            return Ok(vec![Finding::new(Kind::Leftover, example, Some(steps))]);
        };
        let mirror_key = keys.mirror(group, member);
        let Some((is, member_item)) = snapshot.member(keys, member, likely)? else {
            // A redo takes it away, or verify does with the mark that the redo left.
            let is_leaving = |mark: &String| mark.rsplit_once('#').is_some_and(|(subject, _)| subject == member);
            if group_item.contains_key("intent") || marks(group_item, "leaving").iter().any(is_leaving) {
                return Ok(Vec::new());
            }
            let mut steps = vec![check(&key, &[])?.delete(), check(&group_key, &["intent", "leaving"])?];
            steps.push(check(&mirror_key, &[])?.delete());
            for resource_type in ResourceType::ALL {
                steps.push(Step::check(snapshot, &keys.resource(resource_type, member), &[])?);
            }
            return Ok(vec![Finding::new(Kind::MemberMissing, example, Some(steps)).changing(group)]);
        };
        let mut found = Vec::new();
        let member_key = keys.resource(is, member);
        let added = item.get("added").map(|added| ("added", added.clone()));
        let right: Vec<_> = [("type", s(is.name()))].into_iter().chain(added).collect();
        let follows =
            |mirror: &crate::store::calls::Item| COMMON.iter().all(|name| mirror.get(*name) == item.get(*name));
        if said_type(item) != Some(is) {
            let steps = vec![
                check(&key, &COMMON)?.set(vec![("type", s(is.name()))], Vec::new()),
                check(&mirror_key, &COMMON)?.put(right),
                check(&member_key, &[])?,
            ];
            let example = example.clone().with("is", is.name());
            found.push(Finding::new(Kind::MemberType, example, Some(steps)).changing(group));
        } else if !snapshot.item(&mirror_key)?.is_some_and(follows) {
            let steps = vec![check(&mirror_key, &COMMON)?.put(right), check(&key, &COMMON)?, check(&member_key, &[])?];
            found.push(Finding::new(Kind::MirrorMissing, example.clone(), Some(steps)));
        }
        if number(member_item, "joins").is_none_or(|joins| joins < 1) {
            let steps = vec![check(&member_key, &["joins"])?.set(vec![("joins", n(1))], Vec::new()), check(&key, &[])?];
            found.push(Finding::new(Kind::Joins, example, Some(steps)));
        }
        Ok(found)
    }

    pub(super) fn mirror(&self, snapshot: &Snapshot, group: &str, member: &str) -> Decided {
        let key = self.keys.mirror(group, member);
        if snapshot.item(&key)?.is_none() {
            return Ok(Vec::new());
        }
        let membership_key = self.keys.membership(group, member);
        if snapshot.item(&membership_key)?.is_some() {
            return Ok(Vec::new());
        }
        let is_group = snapshot.item(&self.keys.resource(ResourceType::Group, group))?.is_some();
        let kind = if is_group { Kind::MirrorStray } else { Kind::Leftover };
        let steps = vec![Step::check(snapshot, &key, &[])?.delete(), Step::check(snapshot, &membership_key, &[])?];
        let example = self.example().id("group", group).id("member", member);
        Ok(vec![Finding::new(kind, example, Some(steps))])
    }
}
