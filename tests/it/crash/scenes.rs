//! The requests that are cut off.

use super::{Scene, World, at_every_call};
use crate::guarantees::users;
use crate::harness::App;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Members that the PATCH adds.
const ADDED: usize = 80;
/// Members of the group that is replaced.
const REPLACED: usize = 60;
/// Members that take their place.
const REPLACING: usize = 50;
/// Members of both lists.
const KEPT: usize = 10;
/// Members of the group that is created.
const CREATED: usize = 80;
/// Groups of the user who is deleted.
const LEFT: usize = 35;
/// Members of the group that is deleted.
const DELETED: usize = 60;

fn set(ids: &[String]) -> BTreeSet<String> {
    ids.iter().cloned().collect()
}

fn list(ids: &[String]) -> Value {
    ids.iter().map(|id| json!({ "value": id })).collect()
}

fn refs(ids: &[String]) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}

/// Some users, and one more who is in no group.
async fn people(app: &App, count: usize) -> (Vec<String>, String) {
    let people = users(app, count).await;
    (people, app.user("outsider@example.com").await)
}

/// What is there when `users` and `outsider` exist, and one group.
fn world(users: &[String], outsider: &str, group: Option<(&str, &[String])>) -> World {
    World {
        groups: group.into_iter().map(|(name, members)| (name.to_owned(), set(members))).collect(),
        users: users.iter().cloned().chain([outsider.to_owned()]).collect(),
    }
}

/// Deletes the groups that are left, so that a user's groups do not grow from round to round.
async fn delete_groups(app: &App, _scene: &Scene, left: &World) {
    for name in left.groups.keys() {
        for id in app.find("/Groups", &format!("displayName eq \"{name}\"")).await.expect(200).ids() {
            app.delete(&format!("/Groups/{id}")).await.expect(204);
        }
    }
}

#[tokio::test]
async fn a_patch_of_many_members_happens_whole_or_not_at_all() {
    let app = App::start().await;
    let (users, outsider) = people(&app, ADDED + 1).await;
    let set_up = async |app: &App, round: usize| {
        let name = format!("Team {round}");
        let (old, new) = users.split_at(1);
        let group = app.group(&name, &refs(old)).await;
        let operation = json!({ "op": "add", "path": "members", "value": list(new) });
        Scene {
            method: "PATCH",
            path: format!("/Groups/{group}"),
            body: json!({ "Operations": [operation] }),
            before: world(&users, &outsider, Some((&name, old))),
            after: world(&users, &outsider, Some((&name, &users))),
            first: vec![name.clone(), old[0].clone(), outsider.clone()],
            touched: name,
            outsider: outsider.clone(),
        }
    };
    at_every_call(&app, set_up, delete_groups).await;
}

#[tokio::test]
async fn a_put_of_many_members_happens_whole_or_not_at_all() {
    let app = App::start().await;
    let (users, outsider) = people(&app, REPLACED + REPLACING).await;
    let set_up = async |app: &App, round: usize| {
        let name = format!("Team {round}");
        let (old, new) = (&users[..REPLACED], &users[REPLACED - KEPT..]);
        let group = app.group(&name, &refs(old)).await;
        Scene {
            method: "PUT",
            path: format!("/Groups/{group}"),
            body: json!({ "displayName": name, "members": list(new) }),
            before: world(&users, &outsider, Some((&name, old))),
            after: world(&users, &outsider, Some((&name, new))),
            first: vec![name.clone(), old[0].clone(), users[REPLACED - 1].clone(), outsider.clone()],
            touched: name,
            outsider: outsider.clone(),
        }
    };
    at_every_call(&app, set_up, delete_groups).await;
}

/// The same with a new name: attributes and members change together.
#[tokio::test]
async fn a_put_of_a_name_and_many_members_happens_whole_or_not_at_all() {
    let app = App::start().await;
    let (users, outsider) = people(&app, ADDED + 1).await;
    let set_up = async |app: &App, round: usize| {
        let (name, renamed) = (format!("Team {round}"), format!("Renamed {round}"));
        let old = &users[..1];
        let group = app.group(&name, &refs(old)).await;
        Scene {
            method: "PUT",
            path: format!("/Groups/{group}"),
            body: json!({ "displayName": renamed, "members": list(&users) }),
            before: world(&users, &outsider, Some((&name, old))),
            after: world(&users, &outsider, Some((&renamed, &users))),
            first: vec![name, renamed.clone(), old[0].clone(), outsider.clone()],
            touched: renamed,
            outsider: outsider.clone(),
        }
    };
    at_every_call(&app, set_up, delete_groups).await;
}

#[tokio::test]
async fn a_group_of_many_members_is_created_whole_or_not_at_all() {
    let app = App::start().await;
    let (users, outsider) = people(&app, CREATED).await;
    let set_up = async |_: &App, round: usize| {
        let name = format!("Team {round}");
        Scene {
            method: "POST",
            path: "/Groups".into(),
            body: json!({ "displayName": name, "members": list(&users) }),
            before: world(&users, &outsider, None),
            after: world(&users, &outsider, Some((&name, &users))),
            first: vec![name.clone(), outsider.clone()],
            touched: name,
            outsider: outsider.clone(),
        }
    };
    at_every_call(&app, set_up, delete_groups).await;
}

#[tokio::test]
async fn a_group_of_many_members_is_deleted_whole_or_not_at_all() {
    let app = App::start().await;
    let (users, outsider) = people(&app, DELETED).await;
    let set_up = async |app: &App, round: usize| {
        let name = format!("Team {round}");
        let group = app.group(&name, &refs(&users)).await;
        Scene {
            method: "DELETE",
            path: format!("/Groups/{group}"),
            body: Value::Null,
            before: world(&users, &outsider, Some((&name, &users))),
            after: world(&users, &outsider, None),
            first: vec![name.clone(), outsider.clone()],
            touched: name,
            outsider: outsider.clone(),
        }
    };
    at_every_call(&app, set_up, delete_groups).await;
}

#[tokio::test]
async fn a_user_in_many_groups_is_deleted_whole_or_not_at_all() {
    let app = App::start().await;
    let (users, outsider) = people(&app, 2).await;
    let mut groups = Vec::new();
    for number in 0..LEFT {
        groups.push(app.group(&format!("Team {number}"), &[&users[number % 2]]).await);
    }
    let set_up = async |app: &App, round: usize| {
        let ann = app.user(&format!("ann{round}@example.com")).await;
        for group in &groups {
            let add = json!([{ "op": "add", "path": "members", "value": [{ "value": ann }] }]);
            app.operations(&format!("/Groups/{group}"), add).await.expect(204);
        }
        let name = |number: usize| format!("Team {number}");
        let mut after = world(&users, &outsider, None);
        after.groups = (0..LEFT).map(|number| (name(number), [users[number % 2].clone()].into())).collect();
        let mut before = after.clone();
        before.users.insert(ann.clone());
        before.groups.values_mut().for_each(|members| members.extend([ann.clone()]));
        Scene {
            method: "DELETE",
            path: format!("/Users/{ann}"),
            body: Value::Null,
            before,
            after,
            first: vec![name(0), ann, outsider.clone()],
            touched: name(round % LEFT),
            outsider: outsider.clone(),
        }
    };
    let tear_down = async |app: &App, scene: &Scene, left: &World| {
        if left.users.len() > scene.after.users.len() {
            app.delete(&scene.path).await.expect(204);
        }
        let (name, members) = scene.after.groups.get_key_value(&scene.touched).unwrap();
        let found = app.find("/Groups", &format!("displayName eq \"{name}\"")).await.expect(200).ids();
        let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
        app.put(&format!("/Groups/{}", found[0]), json!({ "displayName": name, "members": members })).await.expect(200);
    };
    at_every_call(&app, set_up, tear_down).await;
}
