//! F. User PUT.

use super::*;

async fn put(app: &App, path: &str, body: Value) -> Value {
    let answer = app.put(path, body.clone()).await;
    assert_eq!(answer.status, 200, "{body}: {}", answer.text);
    assert_eq!(answer.body, read(app, path).await, "the GET differs from the PUT of {body}");
    answer.body
}

// 86: Okta AIW sends back what it read
#[tokio::test]
async fn a_put_of_what_was_read_changes_nothing() {
    let app = App::start().await;
    let mut body = ann();
    body[ENTERPRISE]["manager"] = json!({ "value": NOBODY });
    body["favouriteColour"] = "blue".into();
    body[CUSTOM] = json!({ "badge": "B1" });
    let path = create(&app, "/Users", body).await;
    let user = read(&app, &path).await;
    let group = app.group("Team A", &[&id_of(&user)]).await;
    let user = read(&app, &path).await;
    assert_eq!(values(&user["groups"]), set([group.as_str()]));

    for echo in [user.clone(), without(&user, &["meta"]), without(&user, &["groups"]), without(&user, &["id"])] {
        let answer = changes_nothing(&app, app.put(&path, echo)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, user);
    }
    assert_eq!(read(&app, &path).await, user);
    assert_eq!(groups_of(&app, &id_of(&user)).await, set([group.as_str()]));
}

// 87, 89: Okta AIW; without `active` the stored value stays
#[tokio::test]
async fn a_put_deactivates_and_reactivates_and_without_active_keeps_the_state() {
    let app = App::start().await;
    let path = create(&app, "/Users", ann()).await;
    for (active, expected) in [
        (json!(false), false),
        (Value::Null, false),
        (json!(true), true),
        (Value::Null, true),
        (json!("False"), false),
        (json!("True"), true),
    ] {
        let mut body = without(&ann(), &["active"]);
        if !active.is_null() {
            body["active"] = active.clone();
        }
        let user = put(&app, &path, body).await;
        assert_eq!(user["active"], expected, "after {active}");
        assert_holds(&user, &without(&ann(), &["active"]));
        assert_eq!(found(&app, "/Users", &format!("active eq {expected}")).await.len(), 1);
    }
}

// 88: RFC 7644 section 3.5.1
#[tokio::test]
async fn a_put_drops_what_it_does_not_name() {
    let app = App::start().await;
    let path = create(&app, "/Users", ann()).await;
    let before = read(&app, &path).await;
    let group = app.group("Team A", &[&id_of(&before)]).await;
    let user = put(&app, &path, json!({ "schemas": [USER], "userName": "ann@example.com", "nickName": "A" })).await;

    for name in ["externalId", "displayName", "title", "name", "emails", "phoneNumbers", ENTERPRISE] {
        assert!(user.get(name).is_none(), "{name} in {user}");
    }
    assert_eq!(user["schemas"], json!([USER]));
    assert_eq!(user["nickName"], "A");
    assert_eq!((&user["id"], &user["meta"]["created"]), (&before["id"], &before["meta"]["created"]));
    assert_ne!(user["meta"]["version"], before["meta"]["version"]);
    assert_eq!(user["active"], true);
    assert_eq!(values(&user["groups"]), set([group.as_str()]));
    for filter in ["externalId eq \"ann\"", "emails.value eq \"ann@example.com\"", "emails pr"] {
        assert_eq!(found(&app, "/Users", filter).await, set([]), "{filter}");
    }
}

// 90: RFC 7644 section 3.5.1; authentik creates again after a 404
#[tokio::test]
async fn a_put_to_an_unknown_id_creates_nothing() {
    let app = App::start().await;
    app.user("bob@example.com").await;
    refused(&app, app.put(&format!("/Users/{NOBODY}"), ann()), 404, None).await;
    assert_eq!(found(&app, "/Users", "userName eq \"ann@example.com\"").await, set([]));
    let group = json!({ "schemas": [GROUP], "displayName": "Team A" });
    refused(&app, app.put(&format!("/Groups/{NOBODY}"), group), 404, None).await;
}

// 91: authentik forgets its link at a 404
#[tokio::test]
async fn a_put_with_a_bad_body_to_an_existing_id_is_not_404() {
    let app = App::start().await;
    let path = create(&app, "/Users", ann()).await;
    for (body, scim_type) in [
        ("{", "invalidSyntax"),
        ("", "invalidSyntax"),
        ("{}", "invalidValue"),
        ("{\"userName\":null}", "invalidValue"),
        ("{\"userName\":\"ann@example.com\",\"active\":\"perhaps\"}", "invalidValue"),
        ("{\"userName\":\"ann@example.com\",\"name\":1}", "invalidValue"),
    ] {
        let request = app.send("PUT", &path, &[("content-type", "application/json")], Some(body.into()));
        refused(&app, request, 400, Some(scim_type)).await;
    }
    for headers in [[].as_slice(), &[("content-type", "text/plain")]] {
        let answer = app.send("PUT", &path, headers, Some(ann().to_string().into_bytes())).await;
        assert_ne!(answer.status, 404, "{headers:?}: {}", answer.text);
    }
    assert_holds(&read(&app, &path).await, &ann());
}

// 92: the unique name moves with its owner
#[tokio::test]
async fn a_put_may_change_the_user_name_unless_another_has_it() {
    let app = App::start().await;
    let bob = app.user("bob@example.com").await;
    let path = create(&app, "/Users", ann()).await;
    let named = |name: &str| {
        let mut body = ann();
        body["userName"] = name.into();
        body
    };
    for taken in ["bob@example.com", "BOB@example.com"] {
        refused(&app, app.put(&path, named(taken)), 409, Some("uniqueness")).await;
    }
    let ann = set([id_of(&read(&app, &path).await).as_str()]);

    assert_eq!(put(&app, &path, named("Ann@Example.COM")).await["userName"], "Ann@Example.COM");
    assert_eq!(found(&app, "/Users", "userName eq \"ann@example.com\"").await, ann);
    refused(&app, app.post("/Users", json!({ "userName": "ann@example.com" })), 409, Some("uniqueness")).await;

    put(&app, &path, named("lee@example.com")).await;
    assert_eq!(found(&app, "/Users", "userName eq \"lee@example.com\"").await, ann);
    assert_eq!(found(&app, "/Users", "userName eq \"ann@example.com\"").await, set([]));
    refused(&app, app.post("/Users", json!({ "userName": "LEE@example.com" })), 409, Some("uniqueness")).await;
    app.user("ann@example.com").await;
    assert_eq!(found(&app, "/Users", "userName eq \"bob@example.com\"").await, set([bob.as_str()]));
}

// 93, 94: OneLogin's trailing `?`; authentik compares the answer with what it sent
#[tokio::test]
async fn a_put_answers_all_that_it_wrote() {
    let app = App::start().await;
    let path = create(&app, "/Users", json!({ "userName": "ann@example.com" })).await;
    let mut body = ann();
    body["favouriteColour"] = json!(["blue", { "Dark": null }]);
    body[CUSTOM] = json!({ "badge": "B1" });
    let user = app.put(&format!("{path}?"), body.clone()).await.expect(200);
    assert_holds(&user.body, &body);
    assert!([USER, ENTERPRISE, CUSTOM].iter().all(|uri| has_schema(&user.body, uri)), "{}", user.text);
    assert_eq!(user.body["meta"]["version"], "W/\"2\"");
    assert_eq!(user.body["meta"]["version"], header(&user, "etag"));
    assert_eq!(read(&app, &path).await, user.body);
}

// 24: `etag` is announced; RFC 7644 section 3.14
#[tokio::test]
async fn a_stale_if_match_is_refused_and_the_current_one_is_not() {
    let app = App::start().await;
    let path = create(&app, "/Users", ann()).await;
    let stale = read(&app, &path).await["meta"]["version"].clone();
    app.operations(&path, json!([{ "op": "replace", "path": "title", "value": "Lead" }])).await.expect(200);
    let current = read(&app, &path).await["meta"]["version"].clone();
    assert_ne!(stale, current);

    let with = async |method: &str, version: &Value, body: Value| {
        let headers = [("content-type", "application/json"), ("if-match", version.as_str().unwrap_or_default())];
        let body = (!body.is_null()).then(|| body.to_string().into_bytes());
        app.send(method, &path, &headers, body).await
    };
    let patch = json!({ "Operations": [{ "op": "replace", "path": "title", "value": "Chief" }] });
    refused(&app, with("PUT", &stale, ann()), 412, None).await;
    refused(&app, with("PATCH", &stale, patch.clone()), 412, None).await;
    refused(&app, with("DELETE", &stale, Value::Null), 412, None).await;

    with("PATCH", &current, patch).await.expect(200);
    assert_eq!(read(&app, &path).await["title"], "Chief");
    with("PUT", &json!("*"), ann()).await.expect(200);
    assert_eq!(read(&app, &path).await["title"], "Engineer");
    let current = read(&app, &path).await["meta"]["version"].clone();
    with("DELETE", &current, Value::Null).await.expect(204);
}
