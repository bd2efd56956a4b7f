//! What `restore` brings back, from the change log.

use super::guards::{administrator, service};
use super::{create, records, set_active, user};
use crate::guarantees::is_intact;
use crate::harness::App;
use scimlet::protocol::schema::ResourceType;
use scimlet::service::restore::Restored;
use serde_json::{Value, json};
use std::time::Duration;

const USER: ResourceType = ResourceType::User;
const GROUP: ResourceType = ResourceType::Group;

/// The time of day, with nothing recorded in the same millisecond.
async fn now() -> String {
    tokio::time::sleep(Duration::from_millis(3)).await;
    let now = format!("{:.3}", scimlet::ambient::now());
    tokio::time::sleep(Duration::from_millis(3)).await;
    now
}

async fn restore(
    app: &App,
    resource_type: ResourceType,
    id: &str,
    at: &str,
    members: bool,
) -> Result<Restored, String> {
    let service = service(app, false);
    let mut caller = administrator();
    let past = service.past(&caller, resource_type, id, at).await.map_err(|error| error.to_string())?;
    let done = service.restore(&mut caller, resource_type, id, &past, members).await;
    done.map_err(|error| error.outside().detail)
}

/// A resource without what changes with every change of it.
async fn shown(app: &App, path: &str) -> Value {
    let mut body = app.get(path).await.expect(200).body;
    body.as_object_mut().unwrap().remove("meta");
    body
}

#[tokio::test]
async fn a_user_is_what_it_was_before_it_was_changed_and_deleted_with_its_groups() {
    let app = App::start().await;
    let mut body = user("ann@example.com");
    body["emails"] = json!([{ "value": "ann@example.com", "primary": true }]);
    body["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"] = json!({ "department": "R&D" });
    let id = create(&app, body).await.expect(201).id();
    let (one, two) = (app.group("One", &[&id]).await, app.group("Two", &[&id]).await);
    let gone = app.group("Gone", &[&id]).await;
    let (path, then) = (format!("/Users/{id}"), now().await);
    let before = shown(&app, &path).await;

    set_active(&app, &id, false).await.expect(200);
    app.operations(
        &path,
        json!([{ "op": "remove", "path": "emails" }, { "op": "add", "path": "title", "value": "x" }]),
    )
    .await
    .expect(200);
    assert_eq!(restore(&app, USER, &id, &then, false).await.unwrap(), Restored::default());
    assert_eq!(shown(&app, &path).await, before);

    set_active(&app, &id, false).await.expect(200);
    app.delete(&path).await.expect(204);
    app.delete(&format!("/Groups/{gone}")).await.expect(204);
    let done = restore(&app, USER, &id, &then, false).await.unwrap();
    assert_eq!(done, Restored { is_created: true, memberships: 2, gone: 1 });
    let after = shown(&app, &path).await;
    let groups = |body: &Value| {
        body["groups"]
            .as_array()
            .unwrap()
            .iter()
            .map(|group| group["value"].as_str().unwrap().to_owned())
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(groups(&after), [one, two].into());
    for name in
        ["id", "userName", "active", "emails", "schemas", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]
    {
        assert_eq!(after[name], before[name], "{name}");
    }
    let records = records(&app, "default").await;
    let last = records.iter().rfind(|record| record.resource_id == id).unwrap();
    assert_eq!((last.operation.as_str(), last.actor.as_str()), ("restore", "command-line"));
    let etag = app.get(&path).await.headers["etag"].clone();
    assert_eq!(etag, "W/\"6\"", "a version that no earlier state had");
    // Again changes nothing, and it can be deleted like any other.
    restore(&app, USER, &id, &now().await, false).await.unwrap();
    is_intact(&app).await;
    app.delete(&path).await.expect(204);
    is_intact(&app).await;
}

#[tokio::test]
async fn a_group_has_the_members_it_had_but_for_those_who_are_gone() {
    let app = App::start().await;
    let ids = crate::guarantees::users(&app, 130).await;
    let members: Vec<&str> = ids[..120].iter().map(String::as_str).collect();
    let group = app.group("Everyone", &members).await;
    let path = format!("/Groups/{group}");
    app.operations(
        &path,
        json!([{ "op": "add", "path": "members", "value": [{ "value": ids[0], "display": "Ann" }] }]),
    )
    .await;
    let then = now().await;

    let replaced = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Nobody", "members": [{ "value": ids[125] }] });
    app.put(&path, replaced).await.expect(200);
    app.delete(&format!("/Users/{}", ids[3])).await.expect(204);
    // The attributes alone, then the members too.
    restore(&app, GROUP, &group, &then, false).await.unwrap();
    let now_is = app.get(&path).await.body;
    assert_eq!((&now_is["displayName"], now_is["members"].as_array().unwrap().len()), (&json!("Everyone"), 1));
    let done = restore(&app, GROUP, &group, &then, true).await.unwrap();
    assert_eq!(done, Restored { is_created: false, memberships: 119, gone: 1 });
    let now_is = app.get(&path).await.body;
    assert_eq!(now_is["members"].as_array().unwrap().len(), 119);
    assert_eq!(
        now_is["members"].as_array().unwrap().iter().find(|member| member["value"] == json!(ids[0])).unwrap()["display"],
        "Ann"
    );

    let then = now().await;
    app.delete(&format!("/Users/{}", ids[4])).await.expect(204);
    app.delete(&path).await.expect(204);
    let done = restore(&app, GROUP, &group, &then, true).await.unwrap();
    assert_eq!(done, Restored { is_created: true, memberships: 118, gone: 1 });
    assert_eq!(app.get(&path).await.expect(200).body["members"].as_array().unwrap().len(), 118);
    is_intact(&app).await;
}

#[tokio::test]
async fn what_was_not_there_and_whose_name_is_taken_is_an_error_and_changes_nothing() {
    let app = App::start().await;
    let before = now().await;
    let id = app.user("ann@example.com").await;
    let then = now().await;
    let error = restore(&app, USER, &id, &before, false).await.unwrap_err();
    assert!(error.contains("does not exist"), "{error}");
    app.delete(&format!("/Users/{id}")).await.expect(204);
    let other = app.user("Ann@example.com").await;
    let table = app.dump().await;
    let error = restore(&app, USER, &id, &then, false).await.unwrap_err();
    assert!(error.contains(&other) && error.contains("userName"), "{error}");
    assert_eq!(app.dump().await, table);
    // Restored and deleted again: each step is one of the log.
    app.delete(&format!("/Users/{other}")).await.expect(204);
    restore(&app, USER, &id, &then, false).await.unwrap();
    let later = now().await;
    app.delete(&format!("/Users/{id}")).await.expect(204);
    restore(&app, USER, &id, &later, false).await.unwrap();
    assert!(restore(&app, USER, &id, &before, false).await.unwrap_err().contains("does not exist"));
    is_intact(&app).await;
}
