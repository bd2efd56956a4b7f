//! I. Groups: create, name, answers, PUT, delete.

use super::*;

/// Sends operations to a group: the answer is 204 without a body.
pub(super) async fn patch(app: &App, group: &str, operations: Value) {
    let answer = app.operations(&format!("/Groups/{group}"), operations.clone()).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{operations}");
}

pub(super) fn add(member: &str) -> Value {
    json!([{ "op": "Add", "path": "members", "value": [{ "$ref": null, "value": member }] }])
}

pub(super) async fn users<const N: usize>(app: &App) -> [String; N] {
    let mut ids = [const { String::new() }; N];
    for (number, id) in ids.iter_mut().enumerate() {
        *id = app.user(&format!("user{number}@example.com")).await;
    }
    ids
}

// 141, 142, 143, 169: Entra, Okta, OneLogin, authentik
#[tokio::test]
async fn a_group_is_created_with_and_without_members() {
    let app = App::start().await;
    let [ann, bob] = users(&app).await;
    for (number, (attributes, expected)) in [
        (json!({}), set([])),
        (json!({ "members": [] }), set([])),
        (json!({ "members": [{ "value": &ann }, { "value": &bob, "display": "Bob" }] }), set([ann.as_str(), &bob])),
        (json!({ "members": [{ "value": &ann }, { "value": &ann }] }), set([ann.as_str()])),
        (
            json!({
                "schemas": [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
                "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159",
                "meta": { "resourceType": "Group" }
            }),
            set([]),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body = attributes.clone();
        body["displayName"] = format!("Team {number}").into();
        let answer = app.post("/Groups", body.clone()).await;
        assert_eq!(answer.status, 201, "{body}: {}", answer.text);
        assert!(has_schema(&answer.body, GROUP), "{}", answer.text);
        assert_holds(&answer.body, &without(&body, &["members", "meta"]));
        assert_eq!(values(&answer.body["members"]), expected, "{body}");
        let meta = &answer.body["meta"];
        assert_eq!((&meta["resourceType"], &meta["version"]), (&json!("Group"), &json!("W/\"1\"")));
        assert_eq!(meta["location"], header(&answer, "location"));
        assert_eq!(meta["version"], header(&answer, "etag"));
        assert_eq!(read(&app, &path_of(&meta["location"])).await, answer.body, "{body}");
    }
    assert_eq!(groups_of(&app, &ann).await.len(), 2);
    for body in [json!({}), json!({ "displayName": null })] {
        refused(&app, app.post("/Groups", body), 400, Some("invalidValue")).await;
    }
}

// 144, 157: Entra matches groups by name; a setting frees it
#[tokio::test]
async fn a_group_name_is_unique_in_any_case_unless_the_setting_frees_it() {
    let app = App::start().await;
    let team = app.group("Team A", &[]).await;
    let other = app.group("Team B", &[]).await;
    let path = format!("/Groups/{other}");
    for name in ["Team A", "team a", "TEAM A"] {
        refused(&app, app.post("/Groups", json!({ "displayName": name })), 409, Some("uniqueness")).await;
        refused(&app, app.put(&path, json!({ "displayName": name })), 409, Some("uniqueness")).await;
        let rename = json!([{ "op": "Replace", "path": "displayName", "value": name }]);
        refused(&app, app.operations(&path, rename), 409, Some("uniqueness")).await;
        assert_eq!(found(&app, "/Groups", &format!("displayName eq \"{name}\"")).await, set([team.as_str()]));
    }
    assert_eq!(read(&app, &path).await["displayName"], "Team B");

    let free = App::start_with(&[("SCIM_GROUP_NAME_UNIQUE", "false")]).await;
    let twins = set([free.group("Team A", &[]).await.as_str(), &free.group("team a", &[]).await]);
    assert_eq!(twins.len(), 2);
    assert_eq!(found(&free, "/Groups", "displayName eq \"Team A\"").await, twins);
}

// 145, 146: Entra, the SCIM Validator; Okta and authentik read the members
#[tokio::test]
async fn members_are_shown_unless_they_are_excluded() {
    let app = App::start().await;
    let [ann, bob] = users(&app).await;
    let team = app.group("Team A", &[&ann, &bob]).await;
    assert_eq!(members(&app, &team).await, set([ann.as_str(), &bob]));
    let filter = "filter=displayName%20eq%20%22Team%20A%22";
    let with = app.get(&format!("/Groups?{filter}")).await.expect(200);
    assert_eq!(values(&with.body["Resources"][0]["members"]), set([ann.as_str(), &bob]));

    for path in [
        format!("/Groups?excludedAttributes=members&{filter}"),
        format!("/Groups?{filter}&excludedAttributes=members"),
        "/Groups?excludedAttributes=Members".to_owned(),
        format!("/Groups?{filter}&attributes=displayName"),
    ] {
        let answer = app.get(&path).await.expect(200);
        assert_eq!(answer.ids(), [team.clone()], "{path}");
        let group = &answer.body["Resources"][0];
        assert_eq!(group["displayName"], "Team A", "{path}");
        assert!(group.get("members").is_none(), "{path}: {group}");
    }
    let one = read(&app, &format!("/Groups/{team}?excludedAttributes=members")).await;
    assert!(one.get("members").is_none() && one["displayName"] == "Team A", "{one}");
}

// 155, 157, 158, 165, 169: Okta right after the create, Entra, Rancher
#[tokio::test]
async fn a_rename_keeps_the_members_and_an_external_id_is_kept() {
    let app = App::start().await;
    let [ann] = users(&app).await;
    let team = app.group("Team A", &[&ann]).await;
    let path = format!("/Groups/{team}");
    changes_nothing(
        &app,
        app.operations(&path, json!([{ "op": "replace", "value": { "id": &team, "displayName": "Team A" } }])),
    )
    .await;
    for (operation, name) in [
        (json!({ "op": "replace", "value": { "id": &team, "displayName": "B" } }), "B"),
        (json!({ "op": "Replace", "path": "displayName", "value": "C" }), "C"),
        (json!({ "op": "Add", "path": "DisplayName", "value": "D" }), "D"),
        (json!({ "op": "replace", "path": format!("{GROUP}:displayName"), "value": "d" }), "d"),
    ] {
        let old = read(&app, &path).await["displayName"].clone();
        patch(&app, &team, json!([&operation])).await;
        let group = read(&app, &path).await;
        assert_eq!((&group["id"], &group["displayName"]), (&json!(&team), &json!(name)), "{operation}");
        assert_eq!(values(&group["members"]), set([ann.as_str()]), "{operation}");
        assert_eq!(found(&app, "/Groups", &format!("displayName eq \"{name}\"")).await, set([team.as_str()]));
        if old != "D" {
            assert_eq!(found(&app, "/Groups", &format!("displayName eq {old}")).await, set([]), "{operation}");
        }
    }
    for (op, value) in [("Add", "x"), ("Replace", "y")] {
        patch(&app, &team, json!([{ "op": op, "path": "externalId", "value": value }])).await;
        assert_eq!(read(&app, &path).await["externalId"], value);
        assert_eq!(found(&app, "/Groups", &format!("externalId eq \"{value}\"")).await, set([team.as_str()]));
    }
    assert_eq!(found(&app, "/Groups", "externalId eq \"x\"").await, set([]));

    let operations = json!([{ "op": "replace", "path": "displayName", "value": "E" }]);
    let answer = app.operations(&format!("{path}?attributes=displayName"), operations).await.expect(200);
    assert_eq!((&answer.body["id"], &answer.body["displayName"]), (&json!(&team), &json!("E")));
    assert!(answer.body.get("members").is_none(), "{}", answer.text);
}

// 159, 160: Okta AIW; without `members` a PUT empties the group (RFC 7644 section 3.5.1)
#[tokio::test]
async fn a_put_sets_the_name_and_the_exact_members() {
    let app = App::start().await;
    let [ann, bob, cid] = users(&app).await;
    let team = app.group("Team A", &[&ann, &bob]).await;
    let path = format!("/Groups/{team}");
    let echo = read(&app, &path).await;
    assert_eq!(changes_nothing(&app, app.put(&path, echo)).await.status, 200);

    let two = json!([{ "value": &bob, "display": null }, { "value": &cid, "display": "Cid" }]);
    for (attributes, expected) in [
        (json!({ "members": two }), set([bob.as_str(), &cid])),
        (json!({ "members": [{ "value": &ann }] }), set([ann.as_str()])),
        (json!({}), set([])),
        (json!({ "members": [{ "value": &bob }] }), set([bob.as_str()])),
        (json!({ "members": [] }), set([])),
    ] {
        let mut body = attributes.clone();
        body["schemas"] = json!([GROUP]);
        body["id"] = team.as_str().into();
        body["displayName"] = format!("Team with {}", expected.len()).into();
        let answer = app.put(&path, body.clone()).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text);
        assert_eq!(answer.body["displayName"], body["displayName"]);
        assert_eq!(values(&answer.body["members"]), expected, "{body}");
        assert_eq!(read(&app, &path).await, answer.body, "{body}");
        for user in [&ann, &bob, &cid] {
            assert_eq!(groups_of(&app, user).await.contains(&team), expected.contains(user), "{body}");
        }
    }
    assert_eq!(found(&app, "/Groups", "displayName eq \"Team A\"").await, set([]));
}

// 166, 167: Entra, Okta
#[tokio::test]
async fn a_deleted_group_is_gone_and_its_users_stay() {
    let app = App::start().await;
    let [ann, bob] = users(&app).await;
    let team = app.group("Team A", &[&ann, &bob]).await;
    let other = app.group("Team B", &[&ann]).await;
    let path = format!("/Groups/{team}");
    assert_eq!(app.delete(&path).await.expect(204).text, "");

    refused(&app, app.delete(&path), 404, None).await;
    refused(&app, app.get(&path), 404, None).await;
    refused(&app, app.operations(&path, add(&ann)), 404, None).await;
    refused(&app, app.put(&path, json!({ "displayName": "Team A" })), 404, None).await;
    refused(&app, app.operations(&format!("/Groups/{NOBODY}"), add(&ann)), 404, None).await;
    assert_eq!(groups_of(&app, &ann).await, set([other.as_str()]));
    assert_eq!(groups_of(&app, &bob).await, set([]));
    assert_eq!(app.get("/Users").await.expect(200).total(), 2);
    assert_eq!(app.get("/Groups").await.expect(200).ids(), [other]);
    assert_eq!(found(&app, "/Groups", "displayName eq \"Team A\"").await, set([]));

    let again = app.group("Team A", &[]).await;
    assert_ne!(again, team);
    assert_eq!(members(&app, &again).await, set([]));
}
