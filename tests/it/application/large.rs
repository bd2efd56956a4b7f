//! Beside large changes: what is committed has happened, applied or not, and nobody sees a mix.

use super::languages::{Language, directory};
use super::read::all_read;
use crate::big_groups::cut::{Point, cut};
use crate::big_groups::table::{group_of, is_clean_after_the_sweep, people};
use crate::harness::App;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// More memberships than one transaction holds.
const MANY: usize = 160;

fn patch(operations: Value) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations })
}

fn values(ids: &[String]) -> Vec<Value> {
    ids.iter().map(|id| json!({ "value": id })).collect()
}

fn member(id: &String) -> Value {
    json!({ "id": id, "type": "User" })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_change_has_happened_when_it_is_committed_and_not_before() {
    for (number, point) in
        [Point::Staged, Point::Committed(0), Point::Committed(2), Point::Committed(4)].into_iter().enumerate()
    {
        let app = App::start().await;
        let ids = people(&app, "u", MANY).await;
        let (old, new) = (&ids[..20], &ids[10..]);
        let group = group_of(&app, "Team", old).await;
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Team", "members": values(new),
        });
        cut(&app, point, "PUT", &format!("/Groups/{group}"), &body).await;
        let now = if point == Point::Staged { old } else { new };
        let expected: Vec<Value> = now.iter().map(member).collect();
        all_read(&app, &["members", &group], &expected).await;
        // Of the old list alone, of both, of the new one alone: near the beginning and at the end.
        for id in [&ids[0], &ids[15], &ids[30], &ids[MANY - 1]] {
            let team = json!({ "id": group, "displayName": "Team" });
            let expected = if now.contains(id) { vec![team] } else { Vec::new() };
            all_read(&app, &["groups", id], &expected).await;
        }
        if number == 2 {
            is_clean_after_the_sweep(&app, "at the end").await;
            all_read(&app, &["members", &group], &expected).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_display_names_come_with_the_commit() {
    let app = App::start().await;
    let ids = people(&app, "u", MANY).await;
    let group = group_of(&app, "Team", &ids).await;
    let named: Vec<Value> = ids.iter().map(|id| json!({ "value": id, "display": "New" })).collect();
    let body = patch(json!([{ "op": "replace", "path": "members", "value": named }]));
    cut(&app, Point::Committed(2), "PATCH", &format!("/Groups/{group}"), &body).await;
    let expected: Vec<Value> = ids.iter().map(|id| json!({ "id": id, "type": "User", "display": "New" })).collect();
    all_read(&app, &["members", &group], &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_deleted_is_a_member_of_nothing_at_once() {
    for point in [Point::Staged, Point::Committed(0)] {
        let app = App::start().await;
        let ids = people(&app, "u", 2).await;
        let mut groups = Vec::new();
        for number in 0..40 {
            groups.push(group_of(&app, &format!("Team {number}"), &ids).await);
        }
        cut(&app, point, "DELETE", &format!("/Users/{}", ids[0]), &Value::Null).await;
        let (is_there, members) = match point {
            Point::Staged => (groups.len(), ids.iter().map(member).collect::<Vec<_>>()),
            Point::Committed(_) => (0, vec![member(&ids[1])]),
        };
        for group in [&groups[0], &groups[39]] {
            all_read(&app, &["members", group], &members).await;
        }
        for language in Language::ALL {
            let Some(found) = language.read(&app, &["groups", &ids[0]]).await else { continue };
            assert_eq!(found.len(), is_there, "{language:?} {point:?}");
            let found = language.read(&app, &["groups", &ids[1]]).await.unwrap();
            assert_eq!(found.len(), groups.len(), "{language:?} {point:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_beside_large_changes_sees_one_list_or_the_other() {
    let app = Arc::new(App::start().await);
    let ids = people(&app, "u", 300).await;
    let of = |keep: fn(usize) -> bool| -> Vec<String> {
        ids.iter().enumerate().filter(|(number, _)| keep(*number)).map(|(_, id)| id.clone()).collect()
    };
    let lists = [of(|number| number % 5 < 3), of(|number| number % 5 > 1 && number > 40)];
    let group = group_of(&app, "Team", &lists[0]).await;
    let has_ended = Arc::new(AtomicBool::new(false));
    let changes = {
        let (app, lists, group, has_ended) = (Arc::clone(&app), lists.clone(), group.clone(), Arc::clone(&has_ended));
        tokio::spawn(async move {
            for change in 1..=4 {
                let members = values(&lists[change % 2]);
                let schemas = json!(["urn:ietf:params:scim:schemas:core:2.0:Group"]);
                let body = json!({ "schemas": schemas, "displayName": "Team", "members": members });
                app.put(&format!("/Groups/{group}"), body).await.expect(200);
            }
            has_ended.store(true, Ordering::SeqCst);
        })
    };
    let reader = directory(&app);
    let lists = lists.map(|list| list.iter().map(member).collect::<Vec<_>>());
    let (mut looks, mut seen) = (0, [0, 0]);
    while !has_ended.load(Ordering::SeqCst) {
        let members = reader.members(&group).await.unwrap();
        let list = lists.iter().position(|list| *list == members);
        seen[list.unwrap_or_else(|| panic!("look {looks} is a mix of both lists"))] += 1;
        looks += 1;
        // Of both lists all the time.
        let groups = reader.groups(&ids[42]).await.unwrap();
        assert_eq!(groups.len(), 1, "look {looks}");
    }
    changes.await.unwrap();
    assert!(seen[0] > 0 && seen[1] > 0, "each list was seen: {seen:?}");
}
