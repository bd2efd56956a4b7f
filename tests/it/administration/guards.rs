//! Protected users, and users of the application's own.

use super::{create, operations_on, set_active, user};
use crate::guarantees::is_intact;
use crate::harness::{App, PATCH_OP};
use scimlet::config::Settings;
use scimlet::protocol::projection::Projection;
use scimlet::protocol::schema::Schemas;
use scimlet::service::{Caller, Preconditions, Service};
use serde_json::{Value, json};
use std::time::Duration;

/// Who makes changes past the identity provider.
pub fn administrator() -> Caller {
    Caller::new("default", "command-line", scimlet::ambient::monotonic() + Duration::from_secs(20))
}

pub fn service(app: &App, creates_unmanaged: bool) -> Service {
    let settings = Settings { creates_unmanaged, ..Settings::unlimited() };
    Service::new(app.store.clone(), Schemas::load(true).unwrap(), settings)
}

/// A user of the application's own.
async fn unmanaged(app: &App, body: Value) -> String {
    let projection = Projection::default();
    service(app, true).create_user(&mut administrator(), body, &projection).await.unwrap().meta.id
}

#[tokio::test]
async fn a_protected_user_is_read_and_stays_as_it_is_and_in_its_groups() {
    let before = App::start().await;
    let (root, ann) = (before.user("Root@Example.com").await, before.user("ann@example.com").await);
    let admins = before.group("Admins", &[&root, &ann]).await;
    let app = before.with(&[("SCIM_PROTECTED_USERS", "break-glass@example.com, root@EXAMPLE.com")]);
    let (path, group) = (format!("/Users/{root}"), format!("/Groups/{admins}"));
    let table = app.dump().await;

    assert_eq!(app.get(&path).await.expect(200).body["groups"][0]["value"], json!(admins));
    let renamed = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "Root@Example.com", "title": "x" });
    let without = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Admins", "members": [{ "value": ann }] });
    let remove = json!([{ "op": "remove", "path": format!("members[value eq \"{root}\"]") }]);
    for refused in [
        set_active(&app, &root, false).await,
        app.put(&path, renamed).await,
        app.delete(&path).await,
        app.operations(&group, remove).await,
        app.operations(&group, json!([{ "op": "remove", "path": "members" }])).await,
        app.put(&group, without).await,
        app.delete(&group).await,
    ] {
        refused.is_error(403, None);
        assert!(refused.detail().contains("SCIM_PROTECTED_USERS") && refused.detail().contains(&root));
    }
    let taken = create(&app, user("root@example.com")).await;
    taken.is_error(409, Some("uniqueness"));
    assert!(taken.detail().contains("SCIM_PROTECTED_USERS"), "{}", taken.detail());
    assert_eq!(app.dump().await, table, "nothing was written");

    // What changes nothing is no change, and the others are as free as before.
    set_active(&app, &root, true).await.expect(200);
    set_active(&app, &ann, false).await.expect(200);
    let remove = json!([{ "op": "remove", "path": format!("members[value eq \"{ann}\"]") }]);
    app.operations(&group, remove).await.expect(204);
    app.delete(&format!("/Users/{ann}")).await.expect(204);
    is_intact(&app).await;
}

#[tokio::test]
async fn a_user_of_the_applications_own_is_read_and_not_touched() {
    let app = App::start().await;
    let id = unmanaged(&app, user("owner@example.com")).await;
    let table = app.dump().await;
    assert_eq!(app.find("/Users", "userName eq \"OWNER@example.com\"").await.expect(200).ids(), [id.clone()]);
    let conflict = create(&app, user("owner@example.com")).await;
    conflict.is_error(409, Some("uniqueness"));
    assert!(conflict.detail().contains("SCIM_ADOPT_EXISTING"), "{}", conflict.detail());
    for refused in [set_active(&app, &id, false).await, app.delete(&format!("/Users/{id}")).await] {
        refused.is_error(403, None);
        assert!(refused.detail().contains("SCIM_ADOPT_EXISTING"), "{}", refused.detail());
    }
    assert_eq!(app.dump().await, table);
    // Who changes it past the identity provider leaves it the application's own.
    let title =
        json!({ "schemas": [PATCH_OP], "Operations": [{ "op": "replace", "path": "title", "value": "Owner" }] });
    let (any, shown) = (Preconditions::default(), Projection::default());
    service(&app, false).patch_user(&mut administrator(), &id, &title, &any, &shown).await.unwrap();
    assert_eq!(app.get(&format!("/Users/{id}")).await.expect(200).body["title"], "Owner");
    set_active(&app, &id, false).await.is_error(403, None);
    // It may be a member like any other.
    app.group("Team", &[&id]).await;
    is_intact(&app).await;
}

#[tokio::test]
async fn a_post_takes_an_existing_user_over_and_says_so_in_the_log() {
    let app = App::start().await;
    let id = unmanaged(&app, user("owner@example.com")).await;
    let team = app.group("Team", &[&id]).await;
    let app = app.with(&[("SCIM_ADOPT_EXISTING", "true")]);
    app.delete(&format!("/Users/{id}")).await.is_error(403, None);
    let mut body = user("Owner@example.com");
    body["title"] = json!("Head");
    let answer = create(&app, body).await.expect(201);
    assert_eq!((answer.id(), &answer.body["title"]), (id.clone(), &json!("Head")));
    assert_eq!(answer.body["groups"][0]["value"], json!(team));
    assert_eq!(operations_on(&app, &id).await, ["create", "adopt"]);
    is_intact(&app).await;
    // From now on it is the identity provider's.
    create(&app, user("owner@example.com")).await.is_error(409, Some("uniqueness"));
    app.delete(&format!("/Users/{id}")).await.expect(204);
}

#[tokio::test]
async fn a_lookup_by_user_name_takes_an_existing_user_over_and_nothing_else_does() {
    let app = App::start().await;
    let id = unmanaged(&app, user("owner@example.com")).await;
    let reader = format!("idp:{},reader:{}:read", crate::harness::digest("w"), crate::harness::digest("r"));
    let app = app.with(&[("SCIM_ADOPT_EXISTING", "true"), ("SCIM_TOKEN_SHA256", &reader)]);
    let by = |token: &'static str, path: String| {
        let app = &app;
        async move { app.send("GET", &path, &[("authorization", &format!("Bearer {token}"))], None).await }
    };
    let lookup = "/Users?filter=userName+eq+%22owner@example.com%22".to_owned();
    by("w", "/Users".into()).await.expect(200);
    by("w", format!("/Users/{id}")).await.expect(200);
    by("w", "/Users?filter=userName+sw+%22owner%22".into()).await.expect(200);
    by("r", lookup.clone()).await.expect(200);
    assert_eq!(operations_on(&app, &id).await, ["create"]);
    let found = by("w", lookup.clone()).await.expect(200);
    assert_eq!(found.ids(), [id.clone()]);
    by("w", lookup).await.expect(200);
    assert_eq!(operations_on(&app, &id).await, ["create", "adopt"]);
    is_intact(&app).await;
}
