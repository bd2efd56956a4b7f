//! Groups and who is in them, seen from both ends.

use super::{etag, is_intact, item, members, users, values};
use crate::harness::App;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn refs<'a>(ids: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
    ids.into_iter().map(String::as_str).collect()
}

async fn groups_of(app: &App, user: &str) -> BTreeSet<String> {
    values(&app.get(&format!("/Users/{user}")).await.expect(200).body["groups"])
}

async fn groups(app: &App, count: usize, members: &[&str]) -> Vec<String> {
    let mut groups = Vec::with_capacity(count);
    for number in 0..count {
        groups.push(app.group(&format!("Team {number}"), members).await);
    }
    groups
}

#[tokio::test]
async fn a_group_can_be_a_member_and_either_end_can_go_first() {
    let app = App::start().await;
    for outer_first in [true, false] {
        let ann = app.user("ann").await;
        let inner = app.group("Inner", &[&ann]).await;
        let outer = app.group("Outer", &[&inner, &ann]).await;
        let shown = app.get(&format!("/Groups/{outer}")).await.expect(200);
        let member = shown.body["members"].as_array().unwrap().iter().find(|member| member["value"] == inner).unwrap();
        assert_eq!(member["type"], "Group");
        assert_eq!(member["$ref"], format!("http://scim.test/scim/v2/Groups/{inner}"));
        // Direct memberships alone: RFC 7643 section 4.1.2 leaves the rest open.
        assert_eq!(groups_of(&app, &ann).await, [inner.clone(), outer.clone()].into());
        let found = app.find("/Groups", &format!("members.value eq \"{inner}\"")).await.expect(200);
        assert_eq!(found.ids(), [outer.clone()]);
        is_intact(&app).await;

        let (first, second) = if outer_first { (&outer, &inner) } else { (&inner, &outer) };
        app.delete(&format!("/Groups/{first}")).await.expect(204);
        is_intact(&app).await;
        assert_eq!(members(&app, second).await, [ann.clone()].into());
        assert_eq!(groups_of(&app, &ann).await, [second.clone()].into());
        app.delete(&format!("/Groups/{second}")).await.expect(204);
        app.delete(&format!("/Users/{ann}")).await.expect(204);
        is_intact(&app).await;
    }
}

#[tokio::test]
async fn groups_may_hold_each_other() {
    let app = App::start().await;
    let one = app.group("One", &[]).await;
    let two = app.group("Two", &[&one]).await;
    let add = json!([{ "op": "add", "path": "members", "value": [{ "value": two, "type": "Group" }] }]);
    app.operations(&format!("/Groups/{one}"), add).await.expect(204);
    is_intact(&app).await;
    app.delete(&format!("/Groups/{one}")).await.expect(204);
    assert_eq!(members(&app, &two).await, BTreeSet::new());
    is_intact(&app).await;
}

#[tokio::test]
async fn a_user_in_30_groups_leaves_all_of_them_with_its_deletion() {
    let app = App::start().await;
    let users = users(&app, 2).await;
    let groups = groups(&app, 30, &refs(&users)).await;
    assert_eq!(groups_of(&app, &users[0]).await, groups.iter().cloned().collect());
    app.delete(&format!("/Users/{}", users[0])).await.expect(204);
    for group in &groups {
        let shown = app.get(&format!("/Groups/{group}")).await.expect(200);
        assert_eq!(values(&shown.body["members"]), [users[1].clone()].into());
        assert_eq!(shown.body["meta"]["version"], etag(2));
    }
    assert_eq!(groups_of(&app, &users[1]).await, groups.into_iter().collect());
    is_intact(&app).await;
}

#[tokio::test]
async fn a_user_and_a_group_in_more_groups_than_a_transaction_holds_can_go() {
    let app = App::start().await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let team = app.group("Team", &[&bob]).await;
    let groups = groups(&app, 40, &[&ann, &bob, &team]).await;
    for path in [format!("/Users/{ann}"), format!("/Groups/{team}")] {
        app.delete(&path).await.expect(204);
        app.get(&path).await.is_error(404, None);
        app.delete(&path).await.is_error(404, None);
        is_intact(&app).await;
    }
    for group in &groups {
        let shown = app.get(&format!("/Groups/{group}")).await.expect(200);
        assert_eq!(values(&shown.body["members"]), [bob.clone()].into());
        assert_eq!(shown.body["meta"]["version"], etag(3));
    }
    let items = app.dump().await;
    assert!(items.keys().all(|(pk, _)| !pk.contains("#REDO") && !pk.contains("#INTENT#")));
    assert!(items.values().all(|item| item.get("leaving").is_none()));
}

#[tokio::test]
async fn groups_are_shown_wherever_a_user_is() {
    let app = App::start().await;
    let users = users(&app, 3).await;
    let a = app.group("Team A", &refs(&users[..2])).await;
    let b = app.group("Team B", &[&users[0]]).await;
    let expected = [BTreeSet::from([a.clone(), b.clone()]), BTreeSet::from([a.clone()]), BTreeSet::new()];
    let by_user = |resource: &Value| {
        let at = users.iter().position(|user| resource["id"] == *user).unwrap();
        assert_eq!(values(&resource["groups"]), expected[at], "{resource}");
        for group in resource["groups"].as_array().into_iter().flatten() {
            let id = group["value"].as_str().unwrap();
            let display = if id == a { "Team A" } else { "Team B" };
            let location = format!("http://scim.test/scim/v2/Groups/{id}");
            assert_eq!(*group, json!({ "value": id, "$ref": location, "display": display, "type": "direct" }));
        }
    };
    for path in ["/Users", "/Users?filter=userName%20pr", "/Users?filter=groups%20pr%20or%20userName%20pr"] {
        let listed = app.get(path).await.expect(200);
        assert_eq!(listed.total(), 3, "{path}");
        listed.body["Resources"].as_array().unwrap().iter().for_each(by_user);
    }
    for (user, number) in users.iter().zip(0..) {
        by_user(&app.get(&format!("/Users/{user}")).await.expect(200).body);
        let found = app.find("/Users", &format!("userName eq \"user{number}@example.com\"")).await.expect(200);
        by_user(&found.body["Resources"][0]);
        let operations = json!([{ "op": "replace", "path": "title", "value": "x" }]);
        by_user(&app.operations(&format!("/Users/{user}"), operations).await.expect(200).body);
    }
    app.operations(&format!("/Groups/{b}"), json!([{ "op": "replace", "path": "displayName", "value": "Team C" }]))
        .await;
    let shown = app.get(&format!("/Users/{}", users[0])).await.expect(200);
    let groups = shown.body["groups"].as_array().unwrap();
    let names: BTreeSet<&str> = groups.iter().map(|group| group["display"].as_str().unwrap()).collect();
    assert_eq!(names, ["Team A", "Team C"].into());
    is_intact(&app).await;
}

#[tokio::test]
async fn members_are_left_out_wherever_a_client_excludes_them() {
    let app = App::start().await;
    let users = users(&app, 5).await;
    let teams = [app.group("Team A", &refs(&users)).await, app.group("Team B", &refs(&users[..1])).await];
    for query in ["", "&filter=displayName%20pr", "&filter=displayName%20eq%20%22team%20a%22"] {
        let lean = app.get(&format!("/Groups?excludedAttributes=members{query}")).await.expect(200);
        let full = app.get(&format!("/Groups?count=100{query}")).await.expect(200);
        assert_eq!((lean.ids(), lean.total()), (full.ids(), full.total()));
        for (lean, full) in
            lean.body["Resources"].as_array().unwrap().iter().zip(full.body["Resources"].as_array().unwrap())
        {
            let mut full = full.clone();
            let members = full.as_object_mut().unwrap().shift_remove("members").unwrap();
            assert_eq!(*lean, full);
            let expected = if lean["id"] == teams[0] { 5 } else { 1 };
            assert_eq!(values(&members).len(), expected);
        }
    }
    for (team, count) in teams.iter().zip([5, 1]) {
        assert_eq!(item(&app, "GROUP", team).await["memberCount"], json!(count));
        let lean = app.get(&format!("/Groups/{team}?excludedAttributes=members")).await.expect(200);
        assert!(lean.body.get("members").is_none() && lean.body["meta"].is_object());
    }
}

#[tokio::test]
async fn memberships_are_found_from_both_ends() {
    let app = App::start().await;
    let users = users(&app, 4).await;
    let a = app.group("Team A", &refs(&users[..3])).await;
    let b = app.group("Team B", &refs(&users[2..])).await;
    let empty = app.group("Team C", &[]).await;
    let ids = |ids: &[&String]| ids.iter().map(|id| (*id).clone()).collect::<BTreeSet<_>>();
    let [u0, u1, u2, u3] = [&users[0], &users[1], &users[2], &users[3]];
    for (endpoint, filter, expected) in [
        ("/Users", format!("groups.value eq \"{a}\""), ids(&[u0, u1, u2])),
        ("/Users", format!("groups eq \"{b}\""), ids(&[u2, u3])),
        ("/Users", format!("groups[value eq \"{b}\"]"), ids(&[u2, u3])),
        ("/Users", format!("groups.value eq \"{empty}\""), ids(&[])),
        ("/Users", format!("groups.value eq \"{a}\" and groups.value eq \"{b}\""), ids(&[u2])),
        ("/Users", format!("groups.value eq \"{a}\" or groups.value eq \"{b}\""), ids(&[u0, u1, u2, u3])),
        ("/Users", format!("groups.value eq \"{a}\" and not (groups.value eq \"{b}\")"), ids(&[u0, u1])),
        ("/Users", format!("not (groups.value eq \"{a}\")"), ids(&[u3])),
        ("/Users", "groups.display eq \"team b\"".into(), ids(&[u2, u3])),
        ("/Users", format!("groups.value eq \"{a}\" and userName sw \"user1\""), ids(&[u1])),
        ("/Groups", format!("members.value eq \"{u2}\""), ids(&[&a, &b])),
        ("/Groups", format!("members[value eq \"{u0}\" and type eq \"User\"]"), ids(&[&a])),
        ("/Groups", format!("members[value eq \"{u0}\" and type eq \"Group\"]"), ids(&[])),
        ("/Groups", format!("not (members.value eq \"{u2}\")"), ids(&[&empty])),
        ("/Groups", format!("id eq \"{a}\" and members.value eq \"{u0}\""), ids(&[&a])),
        ("/Groups", format!("id eq \"{b}\" and members.value eq \"{u0}\""), ids(&[])),
        ("/Groups", format!("displayName sw \"team\" and members.value eq \"{u3}\""), ids(&[&b])),
        ("/Groups", "members pr".into(), ids(&[&a, &b])),
        ("/Groups", "not (members pr)".into(), ids(&[&empty])),
    ] {
        let found = app.find(endpoint, &filter).await.expect(200);
        assert_eq!(found.ids().into_iter().collect::<BTreeSet<_>>(), expected, "{filter}");
        assert_eq!(found.total(), expected.len() as u64, "{filter}");
    }
    app.delete(&format!("/Groups/{a}")).await.expect(204);
    assert_eq!(app.find("/Users", &format!("groups.value eq \"{a}\"")).await.expect(200).total(), 0);
    assert_eq!(app.find("/Groups", &format!("members.value eq \"{u2}\"")).await.expect(200).ids(), [b]);
    is_intact(&app).await;
}

#[tokio::test]
async fn a_member_that_is_given_another_display_keeps_the_day_it_was_added() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let team = app.group("Team", &[&ann]).await;
    let added = item(&app, &format!("MEMBERS#{team}"), &ann).await["added"].clone();
    for (display, version) in [("Ann", 2), ("Ann", 2), ("Ann Lee", 3)] {
        let add = json!([{ "op": "add", "path": "members", "value": [{ "value": ann, "display": display }] }]);
        app.operations(&format!("/Groups/{team}"), add).await.expect(204);
        let shown = app.get(&format!("/Groups/{team}")).await.expect(200);
        assert_eq!(
            (&shown.body["members"][0]["display"], &shown.body["meta"]["version"]),
            (&json!(display), &etag(version))
        );
        assert_eq!(item(&app, &format!("MEMBERS#{team}"), &ann).await["added"], added);
        is_intact(&app).await;
    }
}
