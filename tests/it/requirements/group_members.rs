//! I. Groups: PATCH of the members.

use super::groups::{add, patch, users};
use super::*;
use crate::guarantees::is_intact;
use futures_util::future::join_all;

fn all(ids: &[String]) -> BTreeSet<String> {
    ids.iter().cloned().collect()
}

// 147, 148, 149, 168: Entra, Okta, Microsoft's Postman set
#[tokio::test]
async fn a_member_is_added_in_every_shape_and_only_once() {
    let app = App::start().await;
    let [ann, bob] = users(&app).await;
    let qualified = format!("{GROUP}:members");
    for (number, operation) in [
        json!({ "op": "Add", "path": "members", "value": [{ "$ref": null, "value": &ann }] }),
        json!({ "op": "add", "path": "members", "value": [{ "value": &ann }] }),
        json!({ "op": "add", "path": "members", "value": [{ "value": &ann, "display": "ann" }] }),
        json!({ "op": "add", "path": "members", "value": [{ "value": &ann, "display": null }] }),
        json!({ "op": "Add", "path": "members", "value": [{ "value": &ann, "displayName": "ann" }] }),
        json!({ "op": "Add", "path": "members", "value": [&ann] }),
        json!({ "op": "Add", "path": "members", "value": &ann }),
        json!({ "op": "add", "path": "members", "value": { "value": &ann } }),
        json!({ "op": "add", "path": "members", "value": [{ "value": &ann }, { "value": &ann }] }),
        json!({ "op": "add", "value": { "members": [{ "value": &ann }] } }),
        json!({ "op": "Add", "path": "MEMBERS", "value": [{ "Value": &ann }] }),
        json!({ "op": "add", "path": qualified, "value": [{ "value": &ann }] }),
    ]
    .into_iter()
    .enumerate()
    {
        let team = app.group(&format!("Team {number}"), &[&bob]).await;
        patch(&app, &team, json!([&operation])).await;
        assert_eq!(members(&app, &team).await, set([ann.as_str(), &bob]), "{operation}");
        assert!(groups_of(&app, &ann).await.contains(&team), "{operation}");
        changes_nothing(&app, app.operations(&format!("/Groups/{team}"), json!([&operation]))).await;
        assert_eq!(members(&app, &team).await, set([ann.as_str(), &bob]), "{operation} again");
    }
}

// 148: in one operation or in one each, and on both sides of what one transaction and one chunk hold
#[tokio::test]
async fn many_members_are_added_in_one_request() {
    let app = App::start().await;
    let ids: [String; 130] = users(&app).await;
    for count in [1, 2, 31, 32, 33, 34, 130] {
        let elements: Vec<Value> = ids[..count].iter().map(|id| json!({ "value": id })).collect();
        let team = app.group(&format!("Team {count}"), &[]).await;
        patch(&app, &team, json!([{ "op": "add", "path": "members", "value": elements }])).await;
        assert_eq!(members(&app, &team).await, all(&ids[..count]));

        let team = app.group(&format!("Other {count}"), &[]).await;
        let each: Vec<Value> =
            elements.iter().map(|element| json!({ "op": "add", "path": "members", "value": [element] })).collect();
        patch(&app, &team, json!(each)).await;
        assert_eq!(members(&app, &team).await, all(&ids[..count]));
    }
    is_intact(&app).await;
}

// 150, 151, 152, 153, 168: Entra, JumpCloud, authentik, Okta, the mitodl plug-in
#[tokio::test]
async fn a_remove_takes_exactly_the_members_it_names() {
    let app = App::start().await;
    let [ann, bob, cid] = users(&app).await;
    let by_value = |path: &str| format!("{path}[value eq \"{ann}\"]");
    let (without_ann, nobody) = (set([bob.as_str(), &cid]), set([]));
    for (number, (operation, expected)) in [
        (json!({ "op": "Remove", "path": "members", "value": [{ "$ref": null, "value": &ann }] }), &without_ann),
        (json!({ "op": "remove", "path": "members", "value": [{ "value": &ann }] }), &without_ann),
        (json!({ "op": "Remove", "path": "members", "value": [{ "value": &ann }, { "value": &bob }] }), &set([&*cid])),
        (json!({ "op": "Remove", "path": "members", "value": &ann }), &without_ann),
        (json!({ "op": "Remove", "path": "members", "value": { "value": &ann } }), &without_ann),
        (json!({ "op": "remove", "path": by_value("members") }), &without_ann),
        (json!({ "op": "Remove", "path": by_value("Members").replace("value eq", "VALUE Eq") }), &without_ann),
        (json!({ "op": "remove", "path": by_value(&format!("{GROUP}:members")) }), &without_ann),
        (json!({ "op": "remove", "path": "members" }), &nobody),
        (json!({ "op": "remove", "path": "members", "value": null }), &nobody),
        (json!({ "op": "Remove", "path": "MEMBERS" }), &nobody),
    ]
    .into_iter()
    .enumerate()
    {
        let team = app.group(&format!("Team {number}"), &[&ann, &bob, &cid]).await;
        patch(&app, &team, json!([&operation])).await;
        assert_eq!(&members(&app, &team).await, expected, "{operation}");
        assert!(!groups_of(&app, &ann).await.contains(&team), "{operation}");
        assert_eq!(groups_of(&app, &cid).await.contains(&team), expected.contains(&cid), "{operation}");
        changes_nothing(&app, app.operations(&format!("/Groups/{team}"), json!([&operation]))).await;
    }

    let team = app.group("Team", &[&bob]).await;
    for operation in [
        json!({ "op": "remove", "path": "members", "value": [] }),
        json!({ "op": "Remove", "path": "members", "value": [{ "value": &ann }] }),
        json!({ "op": "Remove", "path": "members", "value": [{ "value": NOBODY }] }),
        json!({ "op": "remove", "path": by_value("members") }),
    ] {
        changes_nothing(&app, app.operations(&format!("/Groups/{team}"), json!([operation]))).await;
        assert_eq!(members(&app, &team).await, set([bob.as_str()]), "{operation}");
    }
}

// 154, 156: Okta's full push, scimgateway
#[tokio::test]
async fn a_replace_sets_the_exact_list() {
    let app = App::start().await;
    let [ann, bob, cid] = users(&app).await;
    let two = json!([{ "value": &bob }, { "value": &cid, "display": "Cid" }]);
    for (number, (operation, expected, name)) in [
        (json!({ "op": "replace", "path": "members", "value": &two }), set([bob.as_str(), &cid]), None),
        (json!({ "op": "replace", "path": "members", "value": [] }), set([]), None),
        (json!({ "op": "Replace", "path": "members", "value": [{ "value": &ann }] }), set([ann.as_str()]), None),
        (json!({ "op": "replace", "value": { "members": &two } }), set([bob.as_str(), &cid]), None),
        (json!({ "op": "replace", "value": { "displayName": "B", "members": &two } }), set([&*bob, &cid]), Some("B")),
        (json!({ "op": "replace", "value": { "displayName": "C", "members": [] } }), set([]), Some("C")),
    ]
    .into_iter()
    .enumerate()
    {
        let team = app.group(&format!("Team {number}"), &[&ann, &bob]).await;
        let mut operation = operation;
        if name.is_some() {
            operation["value"]["id"] = team.as_str().into();
        }
        patch(&app, &team, json!([&operation])).await;
        let group = read(&app, &format!("/Groups/{team}")).await;
        assert_eq!(values(&group["members"]), expected, "{operation}");
        assert_eq!(group["displayName"], name.map_or(format!("Team {number}"), str::to_owned), "{operation}");
        for user in [&ann, &bob, &cid] {
            assert_eq!(groups_of(&app, user).await.contains(&team), expected.contains(user), "{operation}");
        }
        changes_nothing(&app, app.operations(&format!("/Groups/{team}"), json!([&operation]))).await;
    }
}

// 161, 162: Entra sends one member a request, several at once; lost updates are never repaired
#[tokio::test]
async fn parallel_adds_and_removes_all_survive() {
    let app = App::start().await;
    let ids: [String; 50] = users(&app).await;
    let team = app.group("Team A", &[]).await;
    join_all(ids.iter().map(|id| patch(&app, &team, add(id)))).await;
    assert_eq!(members(&app, &team).await, all(&ids));
    assert_eq!(groups_of(&app, &ids[49]).await, set([team.as_str()]));

    let mixed = app.group("Team B", &ids[..10].iter().map(String::as_str).collect::<Vec<_>>()).await;
    join_all(ids[..20].iter().enumerate().map(|(number, id)| {
        let operations = match number {
            0..10 if number % 2 == 0 => json!([{ "op": "remove", "path": format!("members[value eq \"{id}\"]") }]),
            0..10 => json!([{ "op": "Remove", "path": "members", "value": [{ "value": id }] }]),
            _ => add(id),
        };
        patch(&app, &mixed, operations)
    }))
    .await;
    assert_eq!(members(&app, &mixed).await, all(&ids[10..20]));
    assert_eq!(members(&app, &team).await, all(&ids));
}

// 163: one unknown id loses a whole push at Okta; a 5xx makes Entra repeat for ever
#[tokio::test]
async fn an_unknown_member_does_not_stop_the_known_ones() {
    let app = App::start().await;
    let [ann, bob] = users(&app).await;
    let both = set([ann.as_str(), &bob]);
    let batch = json!([{ "value": &ann }, { "value": NOBODY }, { "value": &bob }]);
    for (number, op) in ["add", "Add", "replace"].into_iter().enumerate() {
        let team = app.group(&format!("Team {number}"), &[]).await;
        patch(&app, &team, json!([{ "op": op, "path": "members", "value": &batch }])).await;
        assert_eq!(members(&app, &team).await, both, "{op}");
    }
    let path = create(&app, "/Groups", json!({ "displayName": "Team A", "members": &batch })).await;
    assert_eq!(values(&read(&app, &path).await["members"]), both);
    app.put(&path, json!({ "displayName": "Team B", "members": &batch })).await.expect(200);
    assert_eq!(values(&read(&app, &path).await["members"]), both);

    let other = "00000000-0000-4000-8000-000000000000";
    for value in [json!([{ "value": NOBODY }]), json!([{ "value": NOBODY }, { "value": other }])] {
        let request = app.operations(&path, json!([{ "op": "Add", "path": "members", "value": &value }]));
        let answer = refused(&app, request, 400, Some("invalidValue")).await;
        for id in values(&value) {
            assert!(answer.detail().contains(&id), "{}", answer.detail());
        }
    }
    assert_eq!(values(&read(&app, &path).await["members"]), both);
}

// 164: Entra adds the inner group's id
#[tokio::test]
async fn a_group_is_a_member_of_type_group() {
    let app = App::start().await;
    let [ann] = users(&app).await;
    let inner = app.group("Inner", &[&ann]).await;
    let outer = app.group("Outer", &[&ann]).await;
    patch(&app, &outer, add(&inner)).await;
    let group = read(&app, &format!("/Groups/{outer}")).await;
    assert_eq!(values(&group["members"]), set([ann.as_str(), &inner]));
    for member in group["members"].as_array().into_iter().flatten() {
        let expected = if member["value"] == inner.as_str() { "Group" } else { "User" };
        assert_eq!(member["type"], expected, "{member}");
    }
    patch(&app, &outer, json!([{ "op": "remove", "path": format!("members[value eq \"{inner}\"]") }])).await;
    assert_eq!(members(&app, &outer).await, set([ann.as_str()]));
    assert_eq!(members(&app, &inner).await, set([ann.as_str()]));
}
