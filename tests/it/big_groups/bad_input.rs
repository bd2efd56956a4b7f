//! Large lists that are wrong in some way: what is refused leaves the table as it was, and the rest is done whole.

use super::table::{group_of, holds, people};
use super::{add, list, set, whole};
use crate::guarantees::{is_intact, members};
use crate::harness::App;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// An id that this server could have given and did not.
fn unknown(number: usize) -> String {
    format!("{number:08x}-0000-4000-8000-00000000dead")
}

/// The cap on what one request may change, 100,000 memberships, is past what a body of 4 MiB can name: 85,598 ids. So
/// it is the body that is too large. A request that empties a larger group
/// names none: [`super::past_the_cap`].
#[tokio::test]
async fn a_list_of_100_001_members_is_413() {
    let app = App::start().await;
    let group = app.group("Team", &[]).await;
    let ids: Vec<String> = (0..100_001).map(unknown).collect();
    let before = app.dump().await;
    app.put(&format!("/Groups/{group}"), whole("Team", &ids)).await.is_error(413, None);
    app.operations(&format!("/Groups/{group}"), add(&ids)).await.is_error(413, None);
    app.post("/Groups", whole("Other", &ids)).await.is_error(413, None);
    assert_eq!(app.dump().await, before);
}

#[tokio::test]
async fn who_is_listed_twice_is_one_member() {
    let app = App::start().await;
    let people = people(&app, "u", 150).await;
    let twice: Vec<String> = people.iter().chain(people.iter().rev()).cloned().collect();
    let posted = app.post("/Groups", whole("Posted", &twice)).await.expect(201);
    assert_eq!(crate::guarantees::values(&posted.body["members"]), set(&people));
    holds(&app, &posted.id(), &set(&people), 1).await;
    let group = app.group("Team", &[]).await;
    let path = format!("/Groups/{group}");
    let put = app.put(&path, whole("Team", &twice)).await.expect(200);
    assert_eq!(crate::guarantees::values(&put.body["members"]), set(&people));
    holds(&app, &group, &set(&people), 2).await;
    let before = app.dump().await;
    app.operations(&path, add(&twice)).await.expect(204);
    assert_eq!(app.dump().await, before);
    is_intact(&app).await;
}

#[tokio::test]
async fn a_group_among_200_members_of_itself_is_refused() {
    let app = App::start().await;
    let people = people(&app, "u", 200).await;
    let group = app.group("Team", &[]).await;
    let path = format!("/Groups/{group}");
    let before = app.dump().await;
    let with_itself: Vec<String> = people.iter().chain([&group]).cloned().collect();
    app.operations(&path, add(&with_itself)).await.is_error(400, Some("invalidValue"));
    app.put(&path, whole("Team", &with_itself)).await.is_error(400, Some("invalidValue"));
    assert_eq!(app.dump().await, before);
}

#[tokio::test]
async fn large_groups_may_hold_each_other() {
    let app = App::start().await;
    let people = people(&app, "u", 120).await;
    let groups = [app.group("A", &[]).await, app.group("B", &[]).await];
    for (group, other) in [(0, 1), (1, 0)] {
        let ids = set(people.iter().chain([&groups[other]]));
        let name = ["A", "B"][group];
        app.put(&format!("/Groups/{}", groups[group]), whole(name, &ids)).await.expect(200);
        holds(&app, &groups[group], &ids, 2).await;
    }
    for (group, other) in [(0, 1), (1, 0)] {
        let ids = set(people.iter().chain([&groups[other]]));
        assert_eq!(members(&app, &groups[group]).await, ids);
        let found = app.find("/Groups", &format!("members eq \"{}\"", groups[other])).await.expect(200);
        assert_eq!(found.ids(), [groups[group].clone()]);
    }
    is_intact(&app).await;
    // Both ends go, one after the other.
    app.delete(&format!("/Groups/{}", groups[0])).await.expect(204);
    assert_eq!(members(&app, &groups[1]).await, set(&people));
    is_intact(&app).await;
    app.delete(&format!("/Groups/{}", groups[1])).await.expect(204);
    is_intact(&app).await;
}

#[tokio::test]
async fn an_unknown_id_among_500_is_skipped_and_named_in_the_log() {
    let app = App::start().await;
    let people = people(&app, "u", 499).await;
    let stale = unknown(7);
    let ids = set(people.iter().chain([&stale]));
    let group = app.group("Team", &[]).await;
    let answer = app.operations(&format!("/Groups/{group}"), add(&ids)).await.expect(204);
    let line: Value = serde_json::from_str(&answer.log).unwrap();
    assert_eq!((&line["skipped_members"], &line["redo"]), (&json!(stale), &json!("ended")), "{line}");
    assert_eq!(members(&app, &group).await, set(&people));
    holds(&app, &group, &set(&people), 2).await;
    // The same list again changes nothing, and is no error either.
    let before = app.dump().await;
    app.operations(&format!("/Groups/{group}"), add(&ids)).await.expect(204);
    assert_eq!(app.dump().await, before);
}

#[tokio::test]
async fn a_list_of_200_unknown_ids_is_refused_in_few_words() {
    let app = App::start().await;
    let ann = app.user("ann@example.com").await;
    let group = app.group("Team", &[&ann]).await;
    let ids: Vec<String> = (0..200).map(unknown).collect();
    let before = app.dump().await;
    let path = format!("/Groups/{group}");
    for answer in [
        app.operations(&path, add(&ids)).await,
        app.put(&path, whole("Team", &ids)).await,
        app.post("/Groups", whole("Other", &ids)).await,
    ] {
        answer.is_error(400, Some("invalidValue"));
        let named = ids.iter().filter(|id| answer.detail().contains(*id)).count();
        assert!((1..=20).contains(&named), "{named} are named");
        assert!(answer.detail().contains(&format!("and {} more", 200 - named)), "{}", answer.detail());
        assert!(answer.detail().len() < 1200, "{}", answer.detail());
    }
    assert_eq!(app.dump().await, before);
}

#[tokio::test]
async fn a_stale_if_match_with_200_members_is_412_and_stages_nothing() {
    let app = App::start().await;
    let people = people(&app, "u", 201).await;
    let group = group_of(&app, "Team", &people[200..]).await;
    let path = format!("/Groups/{group}");
    app.operations(&path, json!([{ "op": "add", "path": "externalId", "value": "e" }])).await.expect(204);
    let before = app.dump().await;
    let headers = [("content-type", "application/scim+json"), ("if-match", "W/\"1\"")];
    for (method, body) in [("PATCH", super::patch(add(&people))), ("PUT", whole("Team", &people))] {
        app.send(method, &path, &headers, Some(body.to_string().into_bytes())).await.is_error(412, None);
    }
    assert_eq!(app.dump().await, before);
    let headers = [("content-type", "application/scim+json"), ("if-match", "W/\"2\"")];
    let body = super::patch(add(&people)).to_string().into_bytes();
    app.send("PATCH", &path, &headers, Some(body)).await.expect(204);
    holds(&app, &group, &set(&people), 3).await;
    is_intact(&app).await;
}

#[tokio::test]
async fn one_that_has_no_value_spoils_the_whole_list() {
    let app = App::start().await;
    let people = people(&app, "u", 200).await;
    let group = app.group("Team", &[]).await;
    let path = format!("/Groups/{group}");
    let before = app.dump().await;
    for wrong in [json!({ "display": "Ann" }), json!({ "value": 7 }), json!({ "value": "" }), json!([])] {
        let mut members = list(&people);
        members.as_array_mut().unwrap().insert(100, wrong.clone());
        let put = app.put(&path, json!({ "displayName": "Team", "members": members })).await;
        assert_eq!(put.status, 400, "{wrong}: {}", put.text);
        let patched = app.operations(&path, json!([{ "op": "add", "path": "members", "value": members }])).await;
        assert_eq!(patched.status, 400, "{wrong}: {}", patched.text);
        assert_eq!(app.dump().await, before, "{wrong}");
    }
    assert_eq!(members(&app, &group).await, BTreeSet::new());
}
