//! E. User create.

use super::*;
use futures_util::future::join_all;

/// Creates a user, and gives what a GET then gives, which is what the POST answered.
async fn created(app: &App, body: Value) -> Value {
    let answer = app.post("/Users", body.clone()).await;
    assert_eq!(answer.status, 201, "{body}: {}", answer.text);
    let read = read(app, &format!("/Users/{}", id_of(&answer.body))).await;
    assert_eq!(read, answer.body, "the GET differs from the POST of {body}");
    read
}

/// A user called `userNN` with one more attribute.
fn user_with(number: usize, name: &str, value: &Value) -> Value {
    let mut body = json!({ "schemas": [USER], "userName": format!("user{number}@example.com") });
    body[name] = value.clone();
    body
}

// 62: RFC 7644 section 3.3
#[tokio::test]
async fn a_created_user_comes_back_with_its_location_and_all_that_was_sent() {
    let app = App::start().await;
    let answer = app.post("/Users", ann()).await.expect(201);
    assert_holds(&answer.body, &ann());
    assert!(has_schema(&answer.body, USER) && has_schema(&answer.body, ENTERPRISE), "{}", answer.text);

    let meta = &answer.body["meta"];
    assert_eq!(meta["resourceType"], "User");
    assert!(meta["created"].is_string() && meta["created"] == meta["lastModified"], "{meta}");
    assert_eq!(meta["version"], "W/\"1\"");
    assert_eq!(meta["version"], header(&answer, "etag"));
    assert_eq!(meta["location"], header(&answer, "location"));
    assert!(!id_of(&answer.body).is_empty());
    assert_eq!(path_of(&meta["location"]), format!("/Users/{}", id_of(&answer.body)));

    let got = app.get(&path_of(&meta["location"])).await.expect(200);
    assert_eq!(got.body, answer.body);
    assert_eq!(meta["version"], header(&got, "etag"));
}

// 63, 65: Entra, Okta, authentik
#[tokio::test]
async fn a_taken_user_name_is_a_conflict_in_any_case_and_the_filter_finds_its_owner() {
    let app = App::start().await;
    let owner = app.user("ann@example.com").await;
    for name in ["ann@example.com", "Ann@Example.com", "ANN@EXAMPLE.COM"] {
        let request = app.post("/Users", json!({ "userName": name, "externalId": "other" }));
        refused(&app, request, 409, Some("uniqueness")).await;
        assert_eq!(found(&app, "/Users", &format!("userName eq \"{name}\"")).await, set([owner.as_str()]));
    }
    assert_eq!(app.get("/Users").await.expect(200).total(), 1);
}

// 64: Entra repeats a POST whose answer was lost
#[tokio::test]
async fn racing_creates_of_one_user_name_have_exactly_one_winner() {
    let app = App::start().await;
    for round in 0..5 {
        let body = json!({ "userName": format!("user{round}@example.com") });
        let answers = join_all((0..8).map(|_| app.post("/Users", body.clone()))).await;
        let won: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 201).collect();
        assert_eq!(won.len(), 1, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
        for lost in answers.iter().filter(|answer| answer.status != 201) {
            lost.is_error(409, Some("uniqueness"));
        }
        let filter = format!("userName eq \"user{round}@example.com\"");
        assert_eq!(found(&app, "/Users", &filter).await, set([id_of(&won[0].body).as_str()]));
        assert_eq!(app.get("/Users").await.expect(200).total(), round + 1);
    }
}

// 66: Okta re-assigns with a new userName
#[tokio::test]
async fn an_external_id_may_repeat() {
    let app = App::start().await;
    let first = created(&app, json!({ "userName": "ann@example.com", "externalId": "00u1" })).await;
    let second = created(&app, json!({ "userName": "ann.lee@example.com", "externalId": "00u1" })).await;
    let both = set([id_of(&first).as_str(), &id_of(&second)]);
    assert_eq!(found(&app, "/Users", "externalId eq \"00u1\"").await, both);
}

// 67, 68: Entra sends meta, Okta groups, a OneLogin template `"id": null`
#[tokio::test]
async fn what_only_the_server_decides_is_ignored() {
    let app = App::start().await;
    let group = app.group("Team A", &[]).await;
    for (number, id) in [json!(NOBODY), Value::Null, json!(""), json!("bulkId:1")].into_iter().enumerate() {
        let user = created(
            &app,
            json!({
                "schemas": [USER],
                "id": id,
                "userName": format!("user{number}@example.com"),
                "meta": { "resourceType": "Group", "version": "W/\"99\"", "created": "2001-01-01T00:00:00Z", "location": "x" },
                "groups": [{ "value": &group, "display": "Team A" }]
            }),
        )
        .await;
        assert_ne!(user["id"], id);
        assert_eq!((&user["meta"]["resourceType"], &user["meta"]["version"]), (&json!("User"), &json!("W/\"1\"")));
        assert_ne!(user["meta"]["created"], "2001-01-01T00:00:00Z");
        assert_eq!(path_of(&user["meta"]["location"]), format!("/Users/{}", id_of(&user)));
        assert_eq!(values(&user["groups"]), set([]));
    }
    assert_eq!(members(&app, &group).await, set([]));
    app.get(&format!("/Users/{NOBODY}")).await.is_error(404, None);
}

// 69, 74: Entra, the suvera plug-in; cloud-only users without mail
#[tokio::test]
async fn null_and_empty_arrays_are_unassigned_and_only_the_user_name_is_needed() {
    let app = App::start().await;
    let mut body = json!({ "schemas": [USER, ENTERPRISE], "userName": "ann@example.com" });
    let null = ["displayName", "title", "addresses", "externalId", "name", "nickName"];
    let empty = ["roles", "groups", "photos", "ims", "entitlements", "x509Certificates", "emails", "phoneNumbers"];
    null.iter().for_each(|name| body[*name] = Value::Null);
    empty.iter().for_each(|name| body[*name] = json!([]));
    body[ENTERPRISE] = json!({ "manager": null, "department": null });
    let user = created(&app, body).await;
    for name in null.iter().chain(&empty) {
        assert!(user.get(name).is_none(), "{name} in {user}");
    }
    assert!(user[ENTERPRISE].get("manager").is_none() && user[ENTERPRISE].get("department").is_none(), "{user}");
    assert_eq!(found(&app, "/Users", "displayName pr or externalId pr or emails pr").await, set([]));

    let least = created(&app, json!({ "userName": "bob@example.com" })).await;
    assert_eq!(least["userName"], "bob@example.com");
    assert!(has_schema(&least, USER), "{least}");
}

// 70: Entra
#[tokio::test]
async fn active_is_stored_as_a_boolean_and_is_true_when_absent() {
    let app = App::start().await;
    let spellings = [
        (json!("True"), true),
        (json!("true"), true),
        (json!("False"), false),
        (json!("false"), false),
        (json!(true), true),
        (json!(false), false),
    ];
    for (number, (sent, expected)) in spellings.into_iter().enumerate() {
        assert_eq!(created(&app, user_with(number, "active", &sent)).await["active"], expected, "{sent}");
    }
    assert_eq!(created(&app, json!({ "userName": "ann@example.com" })).await["active"], true);
    assert_eq!(found(&app, "/Users", "active eq false").await.len(), 3);
    for sent in [json!("yes"), json!(2), json!(["true"]), json!({})] {
        refused(&app, app.post("/Users", user_with(99, "active", &sent)), 400, Some("invalidValue")).await;
    }
}

// 71, 72, 73, 79, 123: the SCIM Validator, OneLogin templates, Entra roles
#[tokio::test]
async fn multi_valued_attributes_are_read_in_the_shapes_that_clients_send() {
    let app = App::start().await;
    let role = "{\"id\":\"1\",\"value\":\"Admin\",\"displayName\":\"Admin\"}";
    let shapes = [
        ("roles", json!([{ "value": "A", "primary": "True" }]), json!([{ "value": "A", "primary": true }])),
        ("emails", json!([{ "value": "a@x", "primary": "true" }]), json!([{ "value": "a@x", "primary": true }])),
        ("emails", json!([{ "value": "a@x", "primary": "False" }]), json!([{ "value": "a@x", "primary": false }])),
        ("emails", json!({ "value": "a@x", "type": "work" }), json!([{ "value": "a@x", "type": "work" }])),
        ("emails", json!(["a@x", "b@x"]), json!([{ "value": "a@x" }, { "value": "b@x" }])),
        ("roles", json!([{ "value": role }]), json!([{ "value": role }])),
        ("addresses", json!([{ "locality": "Bern" }]), json!([{ "locality": "Bern" }])),
    ];
    for (number, (name, sent, expected)) in shapes.into_iter().enumerate() {
        assert_eq!(created(&app, user_with(number, name, &sent)).await[name], expected, "{name}: {sent}");
    }
}

// 75: OneLogin, Entra
#[tokio::test]
async fn no_list_of_schemas_fails_the_request() {
    let app = App::start().await;
    for (number, schemas) in [
        json!(null),
        json!([]),
        json!([USER]),
        json!([USER, ENTERPRISE]),
        json!([USER, "urn:example:unknown"]),
        json!(["urn:scim:schemas:core:1.0"]),
        json!(["urn:scim:schemas:core:1.0", "urn:scim:schemas:extension:enterprise:1.0"]),
        json!(["urn:scim:schemas:core:2.0"]),
        json!([USER, "urn:ietf:params:scim:schemas:extension:enterprise:2.0User"]),
    ]
    .into_iter()
    .enumerate()
    {
        let user = created(&app, user_with(number, "schemas", &schemas)).await;
        assert!(has_schema(&user, USER), "{schemas}: {user}");
    }
    let user = created(&app, json!({ "userName": "ann@example.com" })).await;
    assert_eq!(user["schemas"], json!([USER]));
}

// 76, 77: Entra; whatever is mapped comes back
#[tokio::test]
async fn extensions_and_unknown_attributes_are_kept() {
    let app = App::start().await;
    let sent = json!({
        "schemas": [USER],
        "userName": "ann@example.com",
        "favouriteColour": { "name": "blue", "Shades": [1, 2.5, null, { "x": true }] },
        ENTERPRISE: { "department": "Tools", "unknownSub": "kept" },
        CUSTOM: { "badge": "B1", "Levels": [3, 2, 1] }
    });
    let user = created(&app, sent.clone()).await;
    assert_holds(&user, &sent);
    assert!([USER, ENTERPRISE, CUSTOM].iter().all(|uri| has_schema(&user, uri)), "{}", user["schemas"]);
}

// 78, 79, 80: Entra sends a bare string; OneLogin `managerId`; the manager may come later
#[tokio::test]
async fn a_manager_is_answered_as_an_object_and_need_not_exist() {
    let app = App::start().await;
    for (number, manager) in
        [json!(NOBODY), json!({ "value": NOBODY }), json!({ "managerId": NOBODY })].into_iter().enumerate()
    {
        let user =
            created(&app, user_with(number, ENTERPRISE, &json!({ "manager": manager, "costCenter": "1" }))).await;
        assert_eq!(user[ENTERPRISE]["manager"]["value"], NOBODY, "{manager}: {user}");
        assert_eq!(user[ENTERPRISE]["costCenter"], "1");
    }
    let old = "urn:scim:schemas:extension:enterprise:1.0";
    let user = created(&app, user_with(9, old, &json!({ "manager": { "managerId": NOBODY } }))).await;
    assert_eq!(user["userName"], "user9@example.com");
}

// 81: Microsoft's Postman set
#[tokio::test]
async fn keys_are_understood_in_any_case() {
    let app = App::start().await;
    let user = created(
        &app,
        json!({
            "Schemas": [USER],
            "UserName": "ann@example.com",
            "DISPLAYNAME": "Ann",
            "ExternalId": "ann",
            "Active": false,
            "Name": { "GivenName": "Ann" },
            "Emails": [{ "Value": "ann@example.com", "Type": "work", "Primary": true }],
            ENTERPRISE: { "Department": "Tools", "Manager": { "Value": NOBODY } }
        }),
    )
    .await;
    let expected = json!({
        "userName": "ann@example.com",
        "displayName": "Ann",
        "externalId": "ann",
        "active": false,
        "name": { "givenName": "Ann" },
        "emails": [{ "value": "ann@example.com", "type": "work", "primary": true }]
    });
    assert_holds(&user, &expected);
    assert_eq!(user[ENTERPRISE]["department"], "Tools");
    assert_eq!(user[ENTERPRISE]["manager"]["value"], NOBODY);
    for name in ["UserName", "DISPLAYNAME", "ExternalId", "Active", "Name", "Emails", "Schemas"] {
        assert!(user.get(name).is_none(), "{name} in {user}");
    }
    assert_eq!(found(&app, "/Users", "userName eq \"ann@example.com\"").await, set([id_of(&user).as_str()]));
    refused(&app, app.post("/Users", json!({ "USERNAME": "ann@example.com" })), 409, Some("uniqueness")).await;
}

// 82: Microsoft's reference code; RFC 7643 section 4.1.1
#[tokio::test]
async fn a_user_without_a_user_name_is_invalid() {
    let app = App::start().await;
    for body in [
        json!({}),
        json!({ "schemas": [USER], "displayName": "Ann" }),
        json!({ "schemas": [USER], "userName": null }),
        json!({ "schemas": [USER], "userName": "" }),
    ] {
        let answer = refused(&app, app.post("/Users", body), 400, Some("invalidValue")).await;
        assert!(answer.detail().contains("userName"), "{}", answer.detail());
    }
}

// 17, 82: the detail names the attribute, what it expects and what came
#[tokio::test]
async fn a_value_of_the_wrong_json_type_is_invalid_and_named() {
    let app = App::start().await;
    for (name, value, got) in [
        ("userName", json!(5), "5"),
        ("displayName", json!({ "a": 1 }), "object"),
        ("title", json!(true), "true"),
        ("nickName", json!(["Ann"]), "array"),
        ("name", json!("Ann"), "Ann"),
        ("emails", json!(5), "5"),
    ] {
        let answer = refused(&app, app.post("/Users", user_with(1, name, &value)), 400, Some("invalidValue")).await;
        assert!(answer.detail().contains(name) && answer.detail().contains(got), "{name}: {}", answer.detail());
    }
}

// 84: Entra patches in every cycle what comes back changed
#[tokio::test]
async fn values_come_back_as_sent() {
    let app = App::start().await;
    let sent = json!({
        "schemas": [USER],
        "userName": "Ann.LEE+x@Example.COM",
        "externalId": " MiXed ",
        "displayName": "  Ann   Lee ",
        "nickName": "e\u{301}\u{e9} ß ﬁ 日本 🦀",
        "title": "<b>\"quoted\" \\ / \u{7f}</b>",
        "profileUrl": "HTTPS://Example.com:443/a/../b?x=%7e",
        "timezone": "europe/ZURICH",
        "locale": "en_us",
        "phoneNumbers": [
            { "value": "+1 (555) 01-00", "type": "mobile" },
            { "value": "tel:00 41 44;ext=1", "type": "work" },
            { "value": "+1 (555) 01-00", "type": "fax" }
        ],
        "addresses": [{ "formatted": "Line 1\r\nLine 2\n", "type": "work", "postalCode": "00123" }]
    });
    let user = created(&app, sent.clone()).await;
    assert_holds(&user, &sent);
    let texts = [user["phoneNumbers"].to_string(), sent["phoneNumbers"].to_string()];
    assert_eq!(texts[0], texts[1], "the order of elements or members changed");
    assert_eq!(app.get("/Users").await.expect(200).body["Resources"][0], user);
}

// 85: Okta
#[tokio::test]
async fn ids_are_the_servers_and_never_change_or_return() {
    let app = App::start().await;
    let mut seen = BTreeSet::new();
    for round in 0..10 {
        let id = id_of(&created(&app, json!({ "userName": "ann@example.com", "externalId": "ann" })).await);
        let path = format!("/Users/{id}");
        assert!(!id.is_empty() && !id.contains("bulkId"), "{id}");
        assert!(seen.insert(id.clone()), "{id} came back in round {round}");
        let put = app.put(&path, json!({ "id": NOBODY, "userName": "bob@example.com" })).await.expect(200);
        assert_eq!(put.body["id"], id.as_str());
        let rename = json!([{ "op": "replace", "path": "userName", "value": "ann@example.com" }]);
        assert_eq!(app.operations(&path, rename).await.expect(200).body["id"], id.as_str());
        app.delete(&path).await.expect(204);
    }
}
