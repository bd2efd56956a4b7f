//! The order of a group's changes in the change log, which is by their times.
//!
//! A transaction whose first attempts got lost is carried out seconds after its time. A group remembers when memberships
//! last ended or got another name, and when it was rewritten. A change of the same members with an earlier time is refused,
//! and decided anew. So that parallel changes of one group are hardly ever refused for nothing, it remembers that for
//! sixteenths of its members, by the first digit of their ids; that memberships began it need not remember, as they can
//! begin again only when they have ended.

use super::calls::Item;
use super::items::Reader;
use super::redo::MemberChange;
use std::collections::BTreeSet;

/// Item attributes of a group: times in ms since 1970, for each first digit of a member's id.
const OF_MEMBERS: [&str; 16] =
    ["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9", "ta", "tb", "tc", "td", "te", "tf"];
/// The same for the group itself.
const OF_GROUP: &str = "t";
/// Name of the value that an expression compares with them and sets them to: the change's time.
pub(super) const TIME: &str = "t";

/// The one of them that is about a member.
fn of_member(id: &str) -> &'static str {
    let digit = id.chars().next().and_then(|first| first.to_digit(16)).unwrap_or(0);
    OF_MEMBERS.get(digit as usize).copied().unwrap_or(OF_GROUP)
}

/// The condition that no change of the same members comes after these, to follow another one.
pub(super) fn and_in_order(changes: &[MemberChange]) -> String {
    let of_members: BTreeSet<_> = changes.iter().map(|change| of_member(change.id())).collect();
    let condition = |name| format!(" AND (attribute_not_exists(#{name}) OR #{name} < :{TIME})");
    of_members.into_iter().map(condition).collect()
}

/// What these changes leave for those that come after them, to follow another assignment.
pub(super) fn and_remembered(changes: &[MemberChange]) -> String {
    let is_to_be = |change: &&MemberChange| !matches!(change, MemberChange::Add { .. });
    let of_members: BTreeSet<_> = changes.iter().filter(is_to_be).map(|change| of_member(change.id())).collect();
    of_members.into_iter().map(|name| format!(", #{name} = :{TIME}")).collect()
}

/// The same, of a group that is rewritten.
pub(super) fn and_all_remembered(changes: &[MemberChange]) -> String {
    format!(", #{OF_GROUP} = :{TIME}{}", and_remembered(changes))
}

/// The last of the times that a group remembers, in ms since 1970.
pub(super) fn last_remembered(group: &Item) -> i64 {
    let time = |name: &&str| Reader(group).number(name).and_then(|time| i64::try_from(time).ok());
    OF_MEMBERS.iter().chain([&OF_GROUP]).filter_map(time).max().unwrap_or(0)
}

/// A time, RFC 3339, in ms since 1970.
pub(super) fn milliseconds(at: &str) -> i64 {
    at.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::schema::ResourceType;
    use crate::store::items::{item, n};
    use crate::store::keys::Key;

    #[test]
    fn changes_are_after_those_of_the_same_sixteenth_and_what_ended_is_remembered() {
        let resource_type = ResourceType::User;
        let add = |id: &str| MemberChange::Add { id: id.to_owned(), resource_type, display: None };
        let remove = |id: &str| MemberChange::Remove { id: id.to_owned(), resource_type };
        let rename = |id: &str| MemberChange::Rename { id: id.to_owned(), display: "Ann".to_owned() };
        let after = |name: &str| format!(" AND (attribute_not_exists(#{name}) OR #{name} < :t)");
        let cases = [
            (vec![add("2819c223")], after("t2"), ""),
            (vec![remove("F819c223")], after("tf"), ", #tf = :t"),
            (vec![rename("0819c223"), add("1"), add("1f")], after("t0") + &after("t1"), ", #t0 = :t"),
            (vec![remove("zoe"), add("")], after("t0"), ", #t0 = :t"),
        ];
        for (changes, condition, remembered) in cases {
            assert_eq!(and_in_order(&changes), condition, "{changes:?}");
            assert_eq!(and_remembered(&changes), remembered, "{changes:?}");
            assert_eq!(and_all_remembered(&changes), format!(", #t = :t{remembered}"), "{changes:?}");
        }
    }

    #[test]
    fn the_last_time_of_all_is_the_groups() {
        let key = Key { pk: "T#default#GROUP".into(), sk: "g".into() };
        assert_eq!(last_remembered(&item(&key, [])), 0);
        assert_eq!(last_remembered(&item(&key, [("t0", n(5)), ("tf", n(7)), ("t", n(6))])), 7);
        assert_eq!(last_remembered(&item(&key, [("t", n(8)), ("t1", n(7))])), 8);
        assert_eq!(milliseconds("1970-01-01T00:00:01.002Z"), 1_002);
    }
}
