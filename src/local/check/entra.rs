//! What Microsoft Entra ID does.

use super::player::Player;
use crate::ambient;
use serde_json::{Value, json};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

const OF_A_USER: [&str; 8] = [
    "finds the new user in other letters",
    "is told of a userName that is taken",
    "changes attributes, in the older shapes",
    "takes access away (active \"False\")",
    "finds the user who has no access",
    "gives access back, in the newer shapes",
    "changes a user's attribute of the enterprise extension",
    "deletes the user for good",
];
const OF_A_GROUP: [&str; 5] = [
    "finds the new group",
    "adds a member",
    "asks whether somebody is a member",
    "removes the member, in the older and the newer shape",
    "deletes the group",
];

pub async fn play(player: &mut Player<'_>) {
    let nobody = ambient::new_id();
    let found = player.find_nobody("/Users", &format!("userName eq \"{nobody}\"")).await;
    player.step("Test Connection: looks for a user who is not there", found);
    let found = player.find_nobody("/Groups", &format!("displayName eq \"{nobody}\"")).await;
    player.step("looks for a group that is not there", found);

    let name = format!("{}@example.com", player.prefix);
    let user = json!({
        "schemas": [USER, ENTERPRISE], "externalId": player.prefix, "userName": name, "active": true,
        "displayName": "Check", "meta": { "resourceType": "User" }, "roles": [],
        "emails": [{ "primary": true, "type": "work", "value": name }],
        "name": { "formatted": "Ann Check", "familyName": "Check", "givenName": "Ann" },
    });
    let created = player.create("/Users", &user).await;
    let Some(id) = player.step("creates a user", created) else {
        player.skip(&OF_A_USER);
        player.skip(&["creates a group"]);
        player.skip(&OF_A_GROUP);
        return;
    };
    group(player, &id).await;
    of_user(player, &id, &name, &user).await;
}

async fn of_user(player: &mut Player<'_>, id: &str, name: &str, user: &Value) {
    let path = format!("/Users/{id}");
    let [in_capitals, taken, older, off, still, newer, extension, deleted] = OF_A_USER;
    let found = player.find_one("/Users", &format!("userName eq \"{}\"", name.to_uppercase()), id).await;
    player.step(in_capitals, found);
    let again = player.create_again("/Users", user).await;
    player.step(taken, again);

    let other = format!("other-{name}");
    let operations = json!([
        { "op": "Replace", "path": "displayName", "value": "Ann C." },
        { "op": "Replace", "path": "emails[type eq \"work\"].value", "value": other },
        { "op": "Add", "path": "title", "value": "Head" },
    ]);
    let expected = [("/displayName", json!("Ann C.")), ("/emails/0/value", json!(other)), ("/title", json!("Head"))];
    let done = changed(player, &path, operations, &expected).await;
    player.step(older, done);
    let off_operation = json!([{ "op": "Replace", "path": "active", "value": "False" }]);
    let done = changed(player, &path, off_operation, &[("/active", json!(false))]).await;
    player.step(off, done);
    let found = player.find_one("/Users", &format!("userName eq \"{name}\""), id).await;
    player.step(still, found);
    let back = json!([{ "op": "replace", "value": { "active": true, "name.givenName": "Anna" } }]);
    let done = changed(player, &path, back, &[("/active", json!(true)), ("/name/givenName", json!("Anna"))]).await;
    player.step(newer, done);
    let department = json!([{ "op": "Add", "path": format!("{ENTERPRISE}:department"), "value": "Check" }]);
    let pointer = format!("/{ENTERPRISE}/department");
    let done = changed(player, &path, department, &[(&pointer, json!("Check"))]).await;
    player.step(extension, done);
    let gone = player.delete(&path).await;
    player.step(deleted, gone);
}

async fn changed(player: &Player<'_>, path: &str, operations: Value, expected: &[(&str, Value)]) -> Result<(), String> {
    player.patch(path, operations).await?;
    player.has(path, expected).await
}

async fn group(player: &mut Player<'_>, user: &str) {
    let name = format!("{} group", player.prefix);
    let body = json!({ "schemas": [GROUP], "externalId": player.prefix, "displayName": name, "members": [] });
    let created = player.create("/Groups", &body).await;
    let Some(id) = player.step("creates a group", created) else {
        player.skip(&OF_A_GROUP);
        return;
    };
    let path = format!("/Groups/{id}");
    let [found_again, added, asked, removed, deleted] = OF_A_GROUP;
    let found = player.find_one("/Groups", &format!("displayName eq \"{name}\""), &id).await;
    player.step(found_again, found);
    let add = json!([{ "op": "Add", "path": "members", "value": [{ "value": user }] }]);
    let done = async {
        player.patch(&path, add.clone()).await?;
        player.has_members(&path, &[user]).await
    };
    let done = done.await;
    player.step(added, done);
    let found = player.find_one("/Groups", &format!("id eq \"{id}\" and members eq \"{user}\""), &id).await;
    player.step(asked, found);
    let done = async {
        player.patch(&path, json!([{ "op": "Remove", "path": "members", "value": [{ "value": user }] }])).await?;
        player.has_members(&path, &[]).await?;
        player.patch(&path, add).await?;
        let newer = json!([{ "op": "remove", "path": format!("members[value eq \"{user}\"]") }]);
        player.patch(&path, newer).await?;
        player.has_members(&path, &[]).await
    };
    let done = done.await;
    player.step(removed, done);
    let gone = player.delete(&path).await;
    player.step(deleted, gone);
}
