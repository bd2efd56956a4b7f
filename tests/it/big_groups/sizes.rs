//! Changes of 1,000 and of more members: each is one version, one change record, and exactly the list it asked for.

use super::table::{bare_people, group_of, holds, people, sweep_all};
use super::{add, list, set, shows, whole};
use crate::guarantees::{is_intact, members};
use crate::harness::App;
use crate::verify::is_clean_but_for_leftovers;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[tokio::test]
async fn a_thousand_members_are_added_replaced_and_removed() {
    let app = App::start().await;
    let people = people(&app, "u", 1010).await;
    let nested = [app.group("One", &[]).await, app.group("Two", &[]).await];
    let group = app.group("Team", &[]).await;
    let path = format!("/Groups/{group}");

    let first = set(&people[..1000]);
    app.operations(&path, add(&first)).await.expect(204);
    holds(&app, &group, &first, 2).await;
    shows(&app, &group, &first, &[&people[0], &people[999], &people[1000]], "added").await;
    let again = app.operations(&path, add(&first)).await.expect(204);
    assert_eq!(again.cost().writes, 0.0, "who is a member is not added again");

    // Five go and five come.
    let second = set(&people[5..1005]);
    let put = app.put(&path, whole("Team", &second)).await.expect(200);
    assert_eq!(put.body["members"].as_array().map(Vec::len), Some(1000));
    holds(&app, &group, &second, 3).await;
    let before = app.dump().await;
    let put = app.put(&path, whole("Team", &second)).await.expect(200);
    assert_eq!(put.body["meta"]["version"], "W/\"3\"");
    assert_eq!(app.dump().await, before, "a PUT of what is there writes nothing");

    // Groups and people at once; then all people go, and nobody else.
    app.operations(&path, add(nested.iter().chain(&people[1005..]))).await.expect(204);
    let many: Vec<String> = people[5..405].to_vec();
    app.operations(&path, json!([{ "op": "remove", "path": "members", "value": list(&many) }])).await.expect(204);
    let third: BTreeSet<String> = people[405..].iter().chain(&nested).cloned().collect();
    holds(&app, &group, &third, 5).await;
    app.operations(&path, json!([{ "op": "remove", "path": "members[type eq \"User\"]" }])).await.expect(204);
    holds(&app, &group, &set(&nested), 6).await;
    assert_eq!(members(&app, &group).await, set(&nested));
    is_intact(&app).await;
}

#[tokio::test]
async fn a_replace_with_nothing_and_a_remove_of_all_empty_a_group_of_any_size() {
    let app = App::start().await;
    let people = people(&app, "u", 300).await;
    for (number, operation) in [
        json!({ "op": "replace", "path": "members", "value": [] }),
        json!({ "op": "remove", "path": "members" }),
        json!({ "op": "replace", "value": { "members": [], "externalId": "e" } }),
    ]
    .into_iter()
    .enumerate()
    {
        let group = group_of(&app, &format!("Team {number}"), &people).await;
        app.operations(&format!("/Groups/{group}"), json!([operation])).await.expect(204);
        holds(&app, &group, &BTreeSet::new(), 2).await;
        let got = app.get(&format!("/Groups/{group}")).await.expect(200);
        assert!(got.body.get("members").is_none_or(|members| members == &json!([])), "{}", got.text);
        shows(&app, &group, &BTreeSet::new(), &[&people[0], &people[299]], &operation.to_string()).await;
    }
    is_intact(&app).await;
}

#[tokio::test]
async fn members_get_other_display_names_at_once() {
    let app = App::start().await;
    let people = people(&app, "u", 150).await;
    let group = group_of(&app, "Team", &people[..120]).await;
    // 120 get another name, 30 come with one.
    let named: Vec<Value> = people.iter().map(|id| json!({ "value": id, "display": format!("Name {id}") })).collect();
    let operation = json!([{ "op": "add", "path": "members", "value": named }]);
    app.operations(&format!("/Groups/{group}"), operation.clone()).await.expect(204);
    let got = app.get(&format!("/Groups/{group}")).await.expect(200);
    let shown: BTreeMap<&str, &str> = got.body["members"].as_array().unwrap().iter().map(pair).collect();
    assert_eq!(shown.len(), 150);
    assert!(shown.iter().all(|(id, display)| *display == format!("Name {id}")));
    holds(&app, &group, &set(&people), 2).await;
    is_intact(&app).await;
    let before = app.dump().await;
    app.operations(&format!("/Groups/{group}"), operation).await.expect(204);
    assert_eq!(app.dump().await, before);
}

fn pair(member: &Value) -> (&str, &str) {
    (member["value"].as_str().unwrap(), member["display"].as_str().unwrap())
}

/// Members of the largest list: the PUT of it takes 18 s in a debug build, and no request has more than 25.
const MOST: usize = 3_000;

/// The list that a large directory sends. What the request has no time for, the sweep does.
#[tokio::test]
async fn thousands_of_members_come_with_one_request() {
    let app = App::start().await;
    let people = bare_people(&app, MOST + 5).await;
    let group = app.group("Everyone", &[]).await;
    let path = format!("/Groups/{group}");
    let without_members = format!("{path}?excludedAttributes=members");
    let first = set(&people[..MOST]);
    let put = app.put(&without_members, whole("Everyone", &first)).await.expect(200);
    assert_eq!(put.body["meta"]["version"], "W/\"2\"");
    assert!(members(&app, &group).await == first);
    sweep_all(&app, "the largest list").await;

    let second = set(&people[5..]);
    let put = app.put(&without_members, whole("Everyone", &second)).await.expect(200);
    let cost = put.cost();
    assert!(cost.writes < 150.0, "five come and five go, and that is all that is written: {cost:?}");
    let put = app.put(&without_members, whole("Everyone", &second)).await.expect(200);
    assert_eq!((&put.body["meta"]["version"], put.cost().writes), (&json!("W/\"3\""), 0.0));
    holds(&app, &group, &second, 3).await;
}

/// On either side of what one transaction holds: three actions for who is added, two for who is removed, and three for each
/// group that a deleted user leaves.
#[tokio::test]
async fn every_size_around_that_of_a_transaction_is_done_whole() {
    let app = App::start().await;
    let users = people(&app, "user", 50).await;
    let count = async |path: &str| app.get(path).await.expect(200).body["members"].as_array().map_or(0, Vec::len);
    for size in (28..=36).chain(44..=50) {
        let some: Vec<&str> = users[..size].iter().map(String::as_str).collect();
        let path = format!("/Groups/{}", app.group("Team", &some).await);
        assert_eq!(count(&path).await, size);
        let members = json!(some.iter().map(|id| json!({ "value": id })).collect::<Vec<_>>());
        let change = |op: &str| json!([{ "op": op, "path": "members", "value": members }]);
        app.operations(&path, change("remove")).await.expect(204);
        assert_eq!(count(&path).await, 0, "{size}");
        app.operations(&path, change("add")).await.expect(204);
        assert_eq!(count(&path).await, size);
        app.delete(&path).await.expect(204);
    }
    // The first user is in 27 groups, the next one in one more.
    let (fewest, leavers) = (27, &users[..8]);
    for number in 0..fewest + leavers.len() {
        let members: Vec<&str> = leavers.iter().skip((number + 1).saturating_sub(fewest)).map(String::as_str).collect();
        app.group(&format!("Group {number}"), &members).await;
    }
    for user in leavers {
        app.delete(&format!("/Users/{user}")).await.expect(204);
    }
    is_clean_but_for_leftovers(&app, "after all").await;
}
