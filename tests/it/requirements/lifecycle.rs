//! H. Deactivate, delete, come back.

use super::*;

fn active(value: Value) -> Value {
    json!([{ "op": "Replace", "path": "active", "value": value }])
}

// 135: Entra
#[tokio::test]
async fn a_deactivated_user_keeps_its_memberships() {
    let app = App::start().await;
    let (ann, bob) = (app.user("ann@example.com").await, app.user("bob@example.com").await);
    let team = app.group("Team A", &[&ann, &bob]).await;
    let other = app.group("Team B", &[&ann]).await;
    for (value, expected) in [(json!("False"), false), (json!("True"), true)] {
        let answer = app.operations(&format!("/Users/{ann}"), active(value)).await.expect(200);
        assert_eq!(answer.body["active"], expected);
        assert_eq!(members(&app, &team).await, set([ann.as_str(), &bob]), "active {expected}");
        assert_eq!(members(&app, &other).await, set([ann.as_str()]), "active {expected}");
        assert_eq!(groups_of(&app, &ann).await, set([team.as_str(), &other]), "active {expected}");
    }
}

// 136: the SCIM Validator
#[tokio::test]
async fn a_deleted_user_is_gone_at_once() {
    let app = App::start().await;
    let bob = app.user("bob@example.com").await;
    let path = create(&app, "/Users", ann()).await;
    let answer = app.delete(&path).await.expect(204);
    assert_eq!(answer.text, "");

    let operations = json!({ "schemas": [PATCH_OP], "Operations": active(json!(true)) });
    refused(&app, app.delete(&path), 404, None).await;
    refused(&app, app.get(&path), 404, None).await;
    refused(&app, app.put(&path, ann()), 404, None).await;
    refused(&app, app.patch(&path, operations), 404, None).await;
    refused(&app, app.delete(&format!("/Users/{NOBODY}")), 404, None).await;
    for filter in [
        "userName eq \"ann@example.com\"",
        "externalId eq \"ann\"",
        "emails.value eq \"ann@example.com\"",
        "emails[type eq \"work\"].value eq \"ann@example.com\"",
        "displayName eq \"Ann Lee\"",
    ] {
        assert_eq!(found(&app, "/Users", filter).await, set([]), "{filter}");
    }
    let list = app.get("/Users").await.expect(200);
    assert_eq!((list.total(), list.ids()), (1, vec![bob]));
}

// 137: no group shows a user that is gone
#[tokio::test]
async fn a_deleted_user_leaves_all_its_groups() {
    let app = App::start().await;
    let (ann, bob) = (app.user("ann@example.com").await, app.user("bob@example.com").await);
    let mut groups = Vec::new();
    for number in 0..5 {
        groups.push(app.group(&format!("Team {number}"), &[&ann, &bob]).await);
    }
    app.delete(&format!("/Users/{ann}")).await.expect(204);
    for group in &groups {
        assert_eq!(members(&app, group).await, set([bob.as_str()]));
        let filter = format!("id eq \"{group}\" and members eq \"{ann}\"");
        assert_eq!(found(&app, "/Groups", &filter).await, set([]));
        let filter = format!("id eq \"{group}\" and members eq \"{bob}\"");
        assert_eq!(found(&app, "/Groups", &filter).await, set([group.as_str()]));
    }
    assert_eq!(groups_of(&app, &bob).await, groups.into_iter().collect());
    let dump = app.dump().await;
    let left: Vec<_> = dump
        .keys()
        .filter(|(pk, sk)| pk.contains("#MEMBER") && (pk.contains(ann.as_str()) || sk.contains(ann.as_str())))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

// 138: JumpCloud
#[tokio::test]
async fn a_user_created_again_after_its_delete_is_another_one() {
    let app = App::start().await;
    let first = create(&app, "/Users", ann()).await;
    let team = app.group("Team A", &[&id_of(&read(&app, &first).await)]).await;
    app.delete(&first).await.expect(204);
    let second = create(&app, "/Users", ann()).await;
    assert_ne!(first, second);
    let user = read(&app, &second).await;
    assert_holds(&user, &ann());
    assert_eq!(user["meta"]["version"], "W/\"1\"");
    app.get(&first).await.is_error(404, None);
    for filter in ["userName eq \"ann@example.com\"", "externalId eq \"ann\"", "emails eq \"ann@example.com\""] {
        assert_eq!(found(&app, "/Users", filter).await, set([id_of(&user).as_str()]), "{filter}");
    }
    assert_eq!(members(&app, &team).await, set([]), "the new user is in the groups of the old one");
    assert_eq!(values(&user["groups"]), set([]));
}

// 139: retries of Entra and Okta
#[tokio::test]
async fn deactivating_the_inactive_and_activating_the_active_changes_nothing() {
    let app = App::start().await;
    let path = create(&app, "/Users", ann()).await;
    for (spellings, expected) in
        [([json!(true), json!("True"), json!("true")], true), ([json!(false), json!("False"), json!("false")], false)]
    {
        app.operations(&path, active(json!(expected))).await.expect(200);
        for value in spellings {
            let answer = changes_nothing(&app, app.operations(&path, active(value))).await;
            assert_eq!((answer.status, &answer.body["active"]), (200, &json!(expected)));
            let value = json!([{ "op": "replace", "value": { "active": expected } }]);
            changes_nothing(&app, app.operations(&path, value)).await;
        }
        let mut body = ann();
        body["active"] = expected.into();
        changes_nothing(&app, app.put(&path, body)).await;
        assert_eq!(read(&app, &path).await["active"], expected);
    }
}

// 140: a user that exists inactive is a conflict, and is found and enabled in its place
#[tokio::test]
async fn creating_a_user_that_exists_inactive_is_a_conflict() {
    let app = App::start().await;
    let path = create(&app, "/Users", ann()).await;
    app.operations(&path, active(json!(false))).await.expect(200);
    refused(&app, app.post("/Users", ann()), 409, Some("uniqueness")).await;
    refused(&app, app.post("/Users", json!({ "userName": "ANN@example.com" })), 409, Some("uniqueness")).await;

    let hit = app.find("/Users", "userName eq \"ann@example.com\"").await.expect(200);
    assert_eq!(hit.total(), 1);
    assert_eq!(hit.body["Resources"][0]["active"], false);
    assert_eq!(format!("/Users/{}", hit.ids()[0]), path);
    app.operations(&path, active(json!(true))).await.expect(200);
    assert_eq!(read(&app, &path).await["active"], true);
}
