//! Small changes while a large one is under way: each succeeds, and none is lost.

use super::table::{is_clean_after_the_sweep, people, residue};
use super::{add, patch, remove, set, whole};
use crate::guarantees::{is_intact, item, members};
use crate::harness::{Answer, App};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

fn spawn(app: &Arc<App>, after: u64, method: &'static str, path: String, body: Value) -> JoinHandle<Answer> {
    let app = Arc::clone(app);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(after)).await;
        let headers = [("content-type", "application/scim+json")];
        let body = (!body.is_null()).then(|| body.to_string().into_bytes());
        app.send(method, &path, &headers, body).await
    })
}

async fn all(sent: Vec<JoinHandle<Answer>>) -> Vec<Answer> {
    join_all(sent).await.into_iter().map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn small_changes_beside_a_large_one_all_survive() {
    let app = Arc::new(App::start().await);
    let people = people(&app, "u", 400).await;
    let (large, rest) = people.split_at(300);
    let (second, rest) = rest.split_at(50);
    let (came, rest) = rest.split_at(10);
    let (left, rest) = rest.split_at(10);
    let (deleted, _) = rest.split_at(4);
    let group = app.group("Team", &[]).await;
    let path = format!("/Groups/{group}");
    app.operations(&path, add(left)).await.expect(204);
    let mut sent = vec![spawn(&app, 0, "PATCH", path.clone(), patch(add(large.iter().chain(deleted))))];
    sent.push(spawn(&app, 60, "PATCH", path.clone(), patch(add(second))));
    for (number, id) in came.iter().enumerate() {
        sent.push(spawn(&app, 40 * number as u64, "PATCH", path.clone(), patch(add([id]))));
    }
    for (number, id) in left.iter().enumerate() {
        sent.push(spawn(&app, 40 * number as u64, "PATCH", path.clone(), patch(remove(id))));
    }
    for (number, id) in deleted.iter().enumerate() {
        sent.push(spawn(&app, 100 * number as u64, "DELETE", format!("/Users/{id}"), Value::Null));
    }
    let rename = json!([{ "op": "replace", "path": "displayName", "value": "Renamed" }]);
    sent.push(spawn(&app, 150, "PATCH", path.clone(), patch(rename)));
    for answer in all(sent).await {
        assert_eq!(answer.status, 204, "{}", answer.text);
    }
    let expected = set(large.iter().chain(second).chain(came));
    assert_eq!(members(&app, &group).await, expected);
    assert_eq!(app.get(&path).await.body["displayName"], "Renamed");
    is_clean_after_the_sweep(&app, "small changes").await;
    assert_eq!(members(&app, &group).await, expected);
    for id in left {
        assert_eq!(app.find("/Groups", &format!("members eq \"{id}\"")).await.expect(200).total(), 0);
    }
}

/// Adds and removes of the very members that the large change adds: each of them comes before or after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn small_changes_of_the_members_of_a_large_one_come_before_or_after_it() {
    let app = Arc::new(App::start().await);
    let people = people(&app, "u", 160).await;
    let group = app.group("Team", &[]).await;
    let path = format!("/Groups/{group}");
    let mut sent = vec![spawn(&app, 0, "PATCH", path.clone(), patch(add(&people)))];
    for (number, id) in people.iter().step_by(8).enumerate() {
        let operations = if number % 2 == 0 { add([id]) } else { remove(id) };
        sent.push(spawn(&app, 20 * number as u64, "PATCH", path.clone(), patch(operations)));
    }
    for answer in all(sent).await {
        assert_eq!(answer.status, 204, "{}", answer.text);
    }
    let seen = members(&app, &group).await;
    let may_be_gone = set(people.iter().step_by(8).skip(1).step_by(2));
    assert!(set(&people).difference(&seen).all(|id| may_be_gone.contains(id)));
    is_clean_after_the_sweep(&app, "changes of the same members").await;
    assert_eq!(members(&app, &group).await, seen);
    assert_eq!(item(&app, "GROUP", &group).await["memberCount"], json!(seen.len()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_whole_lists_at_once_one_is_there_in_the_end() {
    let app = Arc::new(App::start().await);
    let people = people(&app, "u", 240).await;
    let lists = [&people[..150], &people[90..]];
    for round in 0..2 {
        let group = app.group(&format!("Team {round}"), &[]).await;
        let path = format!("/Groups/{group}");
        let name = format!("Team {round}");
        let put =
            |number: usize| spawn(&app, 30 * (round * number) as u64, "PUT", path.clone(), whole(&name, lists[number]));
        for (answer, list) in all(vec![put(0), put(1)]).await.into_iter().zip(lists) {
            assert_eq!(crate::guarantees::values(&answer.expect(200).body["members"]), set(list));
        }
        let seen = members(&app, &group).await;
        assert!(lists.iter().any(|list| set(*list) == seen), "{} members", seen.len());
        assert_eq!(item(&app, "GROUP", &group).await["version"], json!(3));
        is_clean_after_the_sweep(&app, "two lists").await;
        assert_eq!(members(&app, &group).await, seen);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_user_deleted_while_a_large_change_adds_it_is_no_member() {
    let app = Arc::new(App::start().await);
    let people = people(&app, "u", 60).await;
    for round in 0..8 {
        let ann = app.user(&format!("ann{round}@example.com")).await;
        let group = app.group(&format!("Team {round}"), &[]).await;
        let path = format!("/Groups/{group}");
        let answers = all(vec![
            spawn(&app, 0, "PATCH", path.clone(), patch(add(people.iter().chain([&ann])))),
            spawn(&app, 7 * round, "DELETE", format!("/Users/{ann}"), Value::Null),
        ]);
        for answer in answers.await {
            assert_eq!(answer.status, 204, "round {round}: {}", answer.text);
        }
        app.get(&format!("/Users/{ann}")).await.is_error(404, None);
        assert_eq!(members(&app, &group).await, set(&people), "round {round}");
        assert_eq!(app.find("/Groups", &format!("members eq \"{ann}\"")).await.expect(200).total(), 0);
        is_clean_after_the_sweep(&app, &format!("round {round}")).await;
        assert_eq!(item(&app, "GROUP", &group).await["memberCount"], json!(60), "round {round}");
        app.delete(&path).await.expect(204);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_group_deleted_while_a_large_change_is_under_way_is_gone() {
    let app = Arc::new(App::start().await);
    let people = people(&app, "u", 120).await;
    for round in 0..5 {
        let group = app.group(&format!("Team {round}"), &[]).await;
        let path = format!("/Groups/{group}");
        let answers = all(vec![
            spawn(&app, 0, "PATCH", path.clone(), patch(add(&people))),
            spawn(&app, 40 * round, "DELETE", path.clone(), Value::Null),
        ])
        .await;
        assert!(matches!(answers[0].status, 204 | 404), "round {round}: {}", answers[0].text);
        assert_eq!(answers[1].status, 204, "round {round}: {}", answers[1].text);
        app.get(&path).await.is_error(404, None);
        let groups = app.get(&format!("/Users/{}", people[0])).await.expect(200);
        assert_eq!(crate::guarantees::values(&groups.body["groups"]), BTreeSet::new());
        is_clean_after_the_sweep(&app, &format!("round {round}")).await;
    }
    assert_eq!(residue(&app.dump().await), Vec::<String>::new());
    is_intact(&app).await;
}
