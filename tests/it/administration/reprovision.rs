//! Deactivation keeps everything, and `SCIM_REPROVISION` says what a POST of the same userName does.

use super::{create, operations_on, set_active, user};
use crate::guarantees::is_intact;
use crate::harness::App;
use serde_json::json;

/// A deactivated user with an e-mail address and a group.
async fn deactivated(app: &App) -> (String, String) {
    let mut body = user("ann@example.com");
    body["emails"] = json!([{ "value": "ann@example.com", "primary": true }]);
    let id = create(app, body).await.expect(201).id();
    let team = app.group("Team", &[&id]).await;
    set_active(app, &id, false).await.expect(200);
    (id, team)
}

#[tokio::test]
async fn a_deactivated_user_keeps_id_mail_and_memberships_and_is_found() {
    let app = App::start().await;
    let (id, team) = deactivated(&app).await;
    for filter in ["userName eq \"ann@example.com\"", "emails.value eq \"ann@example.com\"", "active eq false"] {
        assert_eq!(app.find("/Users", filter).await.expect(200).ids(), [id.clone()], "{filter}");
    }
    assert_eq!(app.get(&format!("/Users/{id}")).await.body["groups"][0]["value"], json!(team));
    assert_eq!(app.get(&format!("/Groups/{team}")).await.body["members"][0]["value"], json!(id));
    set_active(&app, &id, true).await.expect(200);
    set_active(&app, &id, false).await.expect(200);
    let body = json!({ "schemas": user("x")["schemas"], "userName": "ann@example.com", "active": true });
    assert_eq!(app.put(&format!("/Users/{id}"), body).await.expect(200).id(), id);
    is_intact(&app).await;
}

#[tokio::test]
async fn by_default_a_post_of_its_name_is_409_and_says_what_to_do() {
    let app = App::start().await;
    let (id, _) = deactivated(&app).await;
    let table = app.dump().await;
    let refused = create(&app, user("Ann@example.com")).await;
    refused.is_error(409, Some("uniqueness"));
    assert!(refused.detail().contains(&id) && refused.detail().contains("SCIM_REPROVISION"), "{}", refused.detail());
    assert_eq!(app.dump().await, table);
    // A hard deletion frees the name at once.
    app.delete(&format!("/Users/{id}")).await.expect(204);
    app.get(&format!("/Users/{id}")).await.is_error(404, None);
    assert_ne!(create(&app, user("Ann@example.com")).await.expect(201).id(), id);
    is_intact(&app).await;
}

#[tokio::test]
async fn revive_gives_the_same_id_back_with_what_was_sent() {
    let app = App::start_with(&[("SCIM_REPROVISION", "revive")]).await;
    let (id, team) = deactivated(&app).await;
    let mut body = user("Ann@example.com");
    body["title"] = json!("Back");
    let answer = create(&app, body).await.expect(201);
    assert_eq!(
        (answer.id(), &answer.body["active"], &answer.body["title"]),
        (id.clone(), &json!(true), &json!("Back"))
    );
    assert!(answer.body.get("emails").is_none(), "as a replacement: what is not sent is not kept");
    assert_eq!(answer.body["groups"][0]["value"], json!(team));
    assert_eq!(operations_on(&app, &id).await, ["create", "patch", "revive"]);
    create(&app, user("ann@example.com")).await.is_error(409, Some("uniqueness"));
    is_intact(&app).await;
}

#[tokio::test]
async fn new_frees_the_name_and_keeps_the_old_record() {
    let app = App::start_with(&[("SCIM_REPROVISION", "new")]).await;
    let (old, _) = deactivated(&app).await;
    let new = create(&app, user("ann@example.com")).await.expect(201).id();
    assert_ne!(old, new);
    let kept = app.get(&format!("/Users/{old}")).await.expect(200).body;
    assert_eq!(kept["userName"], json!(format!("ann@example.com#{old}")));
    assert_eq!((&kept["active"], &kept["emails"][0]["value"]), (&json!(false), &json!("ann@example.com")));
    assert_eq!(app.find("/Users", "userName eq \"ann@example.com\"").await.ids(), [new.clone()]);
    assert_eq!(operations_on(&app, &old).await, ["create", "patch", "rename"]);
    assert_eq!(operations_on(&app, &new).await, ["create"]);
    is_intact(&app).await;
    set_active(&app, &new, false).await.expect(200);
    create(&app, user("ann@example.com")).await.expect(201);
    is_intact(&app).await;
}

#[tokio::test]
async fn racing_posts_of_one_name_have_one_winner_in_every_mode() {
    for mode in ["refuse", "revive", "new"] {
        let app = App::start_with(&[("SCIM_REPROVISION", mode)]).await;
        deactivated(&app).await;
        let posts = (0..8).map(|_| create(&app, user("ann@example.com")));
        let answers = futures_util::future::join_all(posts).await;
        let won = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(won, usize::from(mode != "refuse"), "{mode}");
        assert!(answers.iter().all(|answer| matches!(answer.status, 201 | 409)), "{mode}");
        is_intact(&app).await;
    }
}
