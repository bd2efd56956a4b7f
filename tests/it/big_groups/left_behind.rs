//! Whatever is asked of a group whose large change was cut off, it is answered as if the change had happened whole, or
//! not at all; nothing is lost, and the sweep leaves nothing of it.

use super::cut::{Point, cut};
use super::table::{group_of, is_clean_after_the_sweep, people};
use super::{add, remove, set, shows, whole};
use crate::guarantees::members;
use crate::harness::{Answer, App};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What is asked after the cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    AddAnother,
    RemoveKept,
    RemoveNamed,
    AddNamedAgain,
    AddWhoLeft,
    Rename,
    RenameByPut,
    RemoveAll,
    DeleteWhoCame,
    DeleteWhoLeft,
    DeleteKept,
    DeleteGroup,
    PutOthers,
    AddMany,
}

const ALL: [Then; 14] = [
    Then::AddAnother,
    Then::RemoveKept,
    Then::RemoveNamed,
    Then::AddNamedAgain,
    Then::AddWhoLeft,
    Then::Rename,
    Then::RenameByPut,
    Then::RemoveAll,
    Then::DeleteWhoCame,
    Then::DeleteWhoLeft,
    Then::DeleteKept,
    Then::DeleteGroup,
    Then::PutOthers,
    Then::AddMany,
];

/// Calls after the commit until the first of two chunks is applied.
const PART: usize = 5;

/// Who is in the group, and who shall be.
struct Cast<'a> {
    old: &'a [String],
    others: &'a [String],
    left: &'a String,
    kept: &'a String,
    came: &'a String,
}

impl Then {
    /// Asks, and changes `expected` as the answer must have changed the members.
    async fn ask(self, app: &App, group: &str, cast: &Cast<'_>, expected: &mut BTreeSet<String>) -> Answer {
        let path = format!("/Groups/{group}");
        let name = json!([{ "op": "replace", "path": "displayName", "value": format!("Renamed {group}") }]);
        let all = json!([{ "op": "replace", "path": "members", "value": [] }]);
        let delete = async |id: &String| app.delete(&format!("/Users/{id}")).await;
        let patch = async |operations: Value| app.operations(&path, operations).await;
        match self {
            Self::AddAnother => {
                expected.insert(cast.others[0].clone());
                patch(add([&cast.others[0]])).await
            }
            Self::RemoveKept => {
                expected.remove(cast.kept);
                patch(remove(cast.kept)).await
            }
            Self::RemoveNamed => {
                expected.remove(cast.came);
                patch(remove(cast.came)).await
            }
            Self::AddNamedAgain => {
                expected.insert(cast.came.clone());
                patch(add([cast.came])).await
            }
            Self::AddWhoLeft => {
                expected.insert(cast.left.clone());
                patch(add([cast.left])).await
            }
            Self::Rename => patch(name).await,
            Self::RenameByPut => {
                *expected = set(cast.old);
                app.put(&path, whole(&format!("Renamed {group}"), cast.old)).await
            }
            Self::RemoveAll => {
                expected.clear();
                patch(all).await
            }
            Self::DeleteWhoCame => {
                expected.remove(cast.came);
                delete(cast.came).await
            }
            Self::DeleteWhoLeft => {
                expected.remove(cast.left);
                delete(cast.left).await
            }
            Self::DeleteKept => {
                expected.remove(cast.kept);
                delete(cast.kept).await
            }
            Self::DeleteGroup => {
                expected.clear();
                app.delete(&path).await
            }
            Self::PutOthers => {
                *expected = set(cast.others);
                app.put(&path, whole(&format!("Team {group}"), cast.others)).await
            }
            Self::AddMany => {
                expected.extend(cast.others.iter().cloned());
                patch(add(cast.others)).await
            }
        }
    }
}

/// Each of them, after a cut at `point`.
async fn each_after(point: Point, asked: &[Then]) {
    for &then in asked {
        let app = App::start().await;
        let when = format!("{then:?} after {point:?}");
        // 20 go, 4 stay, 28 come: 124 actions in two chunks.
        let people = people(&app, "u", 88).await;
        // Ids of all three kinds stand in both chunks.
        let pick = |rest: fn(usize) -> bool| -> Vec<String> {
            people.iter().enumerate().filter(|(number, _)| rest(number % 22)).map(|(_, id)| id.clone()).collect()
        };
        let (old, new) = (pick(|rest| rest < 6), pick(|rest| (5..13).contains(&rest)));
        let others = pick(|rest| rest >= 13);
        let cast = Cast { old: &old, others: &others, left: &old[18], kept: &people[5], came: &new[new.len() - 1] };
        let group = group_of(&app, &format!("Team {then:?}"), &old).await;
        let path = format!("/Groups/{group}");
        cut(&app, point, "PUT", &path, &whole(&format!("Team {then:?}"), &new)).await;
        let chunks = app.dump().await.keys().filter(|(pk, _)| pk.contains("#INTENT#")).count();
        assert_eq!(chunks, if point == Point::Committed(PART) { 1 } else { 2 }, "{when}");

        let mut expected = set(if point == Point::Staged { &old } else { &new });
        let asked = [cast.left, cast.kept, cast.came, &others[0]];
        let restarted = app.beside(|client| client);
        shows(&restarted, &group, &expected, &asked[2..], &format!("before {when}")).await;
        let answer = then.ask(&restarted, &group, &cast, &mut expected).await;
        assert!(matches!(answer.status, 200 | 204), "{when}: {} {}", answer.status, answer.text);
        let is_gone = then == Then::DeleteGroup;
        if is_gone {
            app.get(&path).await.is_error(404, None);
            assert_eq!(app.find("/Groups", &format!("members eq \"{}\"", cast.came)).await.expect(200).total(), 0);
        } else {
            shows(&app, &group, &expected, &asked, &when).await;
        }
        is_clean_after_the_sweep(&app, &when).await;
        if !is_gone {
            assert_eq!(members(&app, &group).await, expected, "{when}, swept");
        }
    }
}

/// Nothing has happened yet: those are asked that meet what is staged.
#[tokio::test]
async fn after_a_change_that_was_staged_alone() {
    let asked = [
        Then::AddAnother,
        Then::AddNamedAgain,
        Then::RenameByPut,
        Then::DeleteWhoCame,
        Then::DeleteWhoLeft,
        Then::DeleteGroup,
        Then::AddMany,
    ];
    each_after(Point::Staged, &asked).await;
}

#[tokio::test]
async fn after_a_change_that_was_committed_alone() {
    each_after(Point::Committed(0), &ALL).await;
}

/// What comes after the commit is two looks at the redo, one at the group and one at the chunks; then these are applied.
#[tokio::test]
async fn after_a_change_of_which_one_part_was_applied() {
    let asked = [
        Then::RemoveKept,
        Then::RemoveNamed,
        Then::AddWhoLeft,
        Then::Rename,
        Then::DeleteWhoCame,
        Then::DeleteWhoLeft,
        Then::DeleteKept,
        Then::DeleteGroup,
        Then::PutOthers,
        Then::AddMany,
    ];
    each_after(Point::Committed(PART), &asked).await;
}

#[tokio::test]
async fn names_that_were_committed_alone_are_shown() {
    let app = App::start().await;
    let people = people(&app, "u", 120).await;
    let group = group_of(&app, "Team", &people).await;
    let named: Vec<Value> = people.iter().map(|id| json!({ "value": id, "display": format!("Name {id}") })).collect();
    let body = super::patch(json!([{ "op": "add", "path": "members", "value": named }]));
    cut(&app, Point::Committed(0), "PATCH", &format!("/Groups/{group}"), &body).await;
    for when in ["left behind", "swept"] {
        let got = app.get(&format!("/Groups/{group}")).await.expect(200);
        let shown = got.body["members"].as_array().unwrap();
        let is_named = |member: &Value| member["display"] == format!("Name {}", member["value"].as_str().unwrap());
        assert!(shown.len() == 120 && shown.iter().all(is_named), "{when}: {}", got.text);
        is_clean_after_the_sweep(&app, when).await;
    }
}
