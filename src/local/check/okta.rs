//! What Okta does.

use super::player::Player;
use crate::ambient;
use serde_json::{Value, json};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

const OF_A_USER: [&str; 6] = [
    "is told of a userName that is taken",
    "reads the user and writes it back changed (custom app)",
    "takes access away by a PUT (custom app)",
    "finds the user who has no access",
    "gives access back by a PATCH without a path (catalogue app)",
    "pushes the same profile again, which changes nothing",
];
const OF_A_GROUP: [&str; 5] = [
    "adds and removes a member (catalogue app)",
    "replaces all members",
    "renames the group by a PATCH without a path",
    "writes the whole group (custom app)",
    "deletes the group",
];

pub async fn play(player: &mut Player<'_>) {
    let listed = first_page(player).await;
    player.step("Test Connector Configuration: reads two users", listed);
    let nobody = ambient::new_id();
    let found = player.find_nobody("/Users", &format!("userName eq \"{nobody}\"")).await;
    player.step("looks for a user who is not there", found);

    let name = format!("{}@example.com", player.prefix);
    let user = json!({
        "schemas": [USER], "userName": name, "name": { "givenName": "Ann", "familyName": "Check" },
        "emails": [{ "primary": true, "value": name, "type": "work" }], "displayName": "Ann Check", "locale": "en-US",
        "externalId": player.prefix, "groups": [], "password": ambient::new_id(), "active": true,
    });
    let created = player.create("/Users", &user).await;
    let Some(id) = player.step("creates a user", created) else {
        player.skip(&OF_A_USER);
        player.skip(&["pushes a group with its members"]);
        player.skip(&OF_A_GROUP);
        return;
    };
    of_user(player, &id, &name, &user).await;
    group(player, &id).await;
}

async fn first_page(player: &Player<'_>) -> Result<(), String> {
    let reply = player.get("/Users?startIndex=1&count=2").await?;
    if reply.status != 200 {
        return Err(format!("A list of users is answered {}; expected is 200.", reply.said()));
    }
    for name in ["totalResults", "startIndex", "itemsPerPage"] {
        if !reply.body[name].is_u64() {
            return Err(format!("The list has {} for '{name}'; Okta reads whole numbers alone.", reply.body[name]));
        }
    }
    match reply.body["Resources"].as_array().map(Vec::len) {
        Some(0..=2) => Ok(()),
        Some(more) => {
            Err(format!("A page of 2 has {more} users: 'count' is ignored, and Okta reads them again and again."))
        }
        None => Err("The list has no 'Resources'.".to_owned()),
    }
}

async fn of_user(player: &mut Player<'_>, id: &str, name: &str, user: &Value) {
    let path = format!("/Users/{id}");
    let [taken, changed, off, still, back, again] = OF_A_USER;
    let done = player.create_again("/Users", user).await;
    player.step(taken, done);
    let done = rewritten(player, &path, id, "/name/givenName", json!("Anna")).await;
    player.step(changed, done);
    let done = rewritten(player, &path, id, "/active", json!(false)).await;
    player.step(off, done);
    let found = player.find_one("/Users", &format!("userName eq \"{name}\""), id).await;
    player.step(still, found);
    let done = async {
        player.patch(&path, json!([{ "op": "replace", "value": { "active": true } }])).await?;
        player.has(&path, &[("/active", json!(true))]).await
    };
    let done = done.await;
    player.step(back, done);
    let done = unchanged(player, &path).await;
    player.step(again, done);
}

/// Reads a user, changes one value, writes it back and reads it again.
async fn rewritten(player: &Player<'_>, path: &str, id: &str, pointer: &str, value: Value) -> Result<(), String> {
    let mut user = player.get(path).await?.body;
    let place = user.pointer_mut(pointer).ok_or_else(|| format!("A GET of the user does not show {pointer}."))?;
    *place = value.clone();
    player.put(path, &user).await?;
    player.has(path, &[(pointer, value), ("/id", json!(id))]).await
}

/// Writes back what was read: what is shown then is the same, `meta` aside.
async fn unchanged(player: &Player<'_>, path: &str) -> Result<(), String> {
    let without_meta = |mut user: Value| {
        if let Some(user) = user.as_object_mut() {
            user.remove("meta");
        }
        user
    };
    let before = player.get(path).await?.body;
    player.put(path, &before).await?;
    let after = player.get(path).await?.body;
    if without_meta(before) == without_meta(after) {
        return Ok(());
    }
    Err("A user that was written back as it was read is shown otherwise: Okta would push it in every cycle.".to_owned())
}

async fn group(player: &mut Player<'_>, user: &str) {
    let name = format!("{} group", player.prefix);
    let member = json!([{ "value": user, "display": "Ann" }]);
    let body = json!({ "schemas": [GROUP], "displayName": name, "members": member });
    let created = player.create("/Groups", &body).await;
    let Some(id) = player.step("pushes a group with its members", created) else {
        player.skip(&OF_A_GROUP);
        return;
    };
    let path = format!("/Groups/{id}");
    let [one, all, renamed, whole, deleted] = OF_A_GROUP;
    let done = async {
        player.has_members(&path, &[user]).await?;
        player.patch(&path, json!([{ "op": "remove", "path": format!("members[value eq \"{user}\"]") }])).await?;
        player.has_members(&path, &[]).await?;
        player.patch(&path, json!([{ "op": "add", "path": "members", "value": member }])).await?;
        player.has_members(&path, &[user]).await
    };
    let done = done.await;
    player.step(one, done);
    let done = async {
        player.patch(&path, json!([{ "op": "replace", "path": "members", "value": [] }])).await?;
        player.has_members(&path, &[]).await?;
        player.patch(&path, json!([{ "op": "replace", "path": "members", "value": member }])).await?;
        player.has_members(&path, &[user]).await
    };
    let done = done.await;
    player.step(all, done);
    let new_name = format!("{name} 2");
    let done = async {
        player.patch(&path, json!([{ "op": "replace", "value": { "id": id, "displayName": new_name } }])).await?;
        player.has(&path, &[("/displayName", json!(new_name))]).await?;
        player.has_members(&path, &[user]).await
    };
    let done = done.await;
    player.step(renamed, done);
    let done = async {
        player.put(&path, &json!({ "schemas": [GROUP], "id": id, "displayName": name, "members": [] })).await?;
        player.has(&path, &[("/displayName", json!(name))]).await?;
        player.has_members(&path, &[]).await
    };
    let done = done.await;
    player.step(whole, done);
    let gone = player.delete(&path).await;
    player.step(deleted, gone);
}
