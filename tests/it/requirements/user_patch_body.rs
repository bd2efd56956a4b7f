//! G. User PATCH: operations without a path, and the request as a whole.

use super::user_patch::patched;
use super::*;

// 98, 99, 121, 131: Okta OIN
#[tokio::test]
async fn active_in_a_value_without_a_path_disables_and_enables_and_keeps_the_rest() {
    let app = App::start().await;
    let user = create(&app, "/Users", ann()).await;
    let before = read(&app, &user).await;
    for (op, active, expected) in [
        ("replace", json!(false), false),
        ("replace", json!(true), true),
        ("Replace", json!("False"), false),
        ("Add", json!("True"), true),
    ] {
        let after = patched(&app, &user, json!([{ "op": op, "value": { "active": active } }])).await;
        assert_eq!(after["active"], expected, "{op} {active}");
        assert_eq!(without(&after, &["active", "meta"]), without(&before, &["active", "meta"]), "{op} {active}");
    }
}

// 118: Entra with its 2020 flag
#[tokio::test]
async fn keys_of_a_value_without_a_path_are_paths() {
    let app = App::start().await;
    let number_key = format!("{ENTERPRISE}:employeeNumber");
    let value = json!({
        "displayName": "Anna",
        "name.givenName": "Anna",
        "emails[type eq \"work\"].value": "anna@example.com",
        "phoneNumbers[type eq \"mobile\"].value": "2",
        number_key: "8"
    });
    for (number, op) in ["add", "replace", "Add", "Replace"].into_iter().enumerate() {
        let mut full = ann();
        full["userName"] = format!("full{number}@example.com").into();
        let full = create(&app, "/Users", full).await;
        let after = patched(&app, &full, json!([{ "op": op, "value": &value }])).await;
        let expected = json!({
            "displayName": "Anna",
            "title": "Engineer",
            "name": { "formatted": "Ann Lee", "givenName": "Anna", "familyName": "Lee" },
            "emails": [{ "value": "anna@example.com", "type": "work", "primary": true }],
            "phoneNumbers": [{ "value": "+1 (555) 01-00", "type": "work" }, { "value": "2", "type": "mobile" }],
            ENTERPRISE: { "employeeNumber": "8", "department": "Tools" }
        });
        assert_holds(&after, &expected);
        assert_no_path_keys(&after);

        let bare = create(&app, "/Users", json!({ "userName": format!("bare{number}@example.com") })).await;
        let after = patched(&app, &bare, json!([{ "op": op, "value": &value }])).await;
        let expected = json!({
            "displayName": "Anna",
            "name": { "givenName": "Anna" },
            "emails": [{ "value": "anna@example.com", "type": "work" }],
            "phoneNumbers": [{ "value": "2", "type": "mobile" }],
            ENTERPRISE: { "employeeNumber": "8" }
        });
        assert_holds(&after, &expected);
        assert!(has_schema(&after, ENTERPRISE), "{after}");
        assert_no_path_keys(&after);

        let after = patched(&app, &full, json!([{ "op": op, "value": { "emails.value": "lee@example.com" } }])).await;
        assert_eq!(after["emails"], json!([{ "value": "lee@example.com", "type": "work", "primary": true }]), "{op}");
        assert_no_path_keys(&after);
    }
}

#[track_caller]
fn assert_no_path_keys(user: &Value) {
    let names = user.as_object().into_iter().flat_map(|attributes| attributes.keys());
    let paths: Vec<&String> = names.filter(|name| name.contains(['.', '[']) && *name != ENTERPRISE).collect();
    assert!(paths.is_empty(), "stored as they stand: {paths:?}");
}

// 119, 120, 121: RFC 7644 section 3.5.2; scim-for-keycloak sends the object as a string
#[tokio::test]
async fn a_value_without_a_path_is_merged_also_when_it_is_json_in_a_string() {
    let app = App::start().await;
    let value = json!({
        "title": "Lead",
        "name": { "givenName": "Anna" },
        ENTERPRISE: { "department": "Sales", "manager": { "value": NOBODY } },
        CUSTOM: { "badge": "B1" }
    });
    for (number, (op, value)) in [
        ("replace", value.clone()),
        ("add", value.clone()),
        ("replace", json!(value.to_string())),
        ("Add", json!(value.to_string())),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body = ann();
        body["userName"] = format!("user{number}@example.com").into();
        let user = create(&app, "/Users", body.clone()).await;
        let after = patched(&app, &user, json!([{ "op": op, "value": value }])).await;
        assert_holds(&after, &without(&body, &["title", "name", ENTERPRISE]));
        assert_eq!(after["title"], "Lead", "{op} {value}");
        assert_eq!(after["name"]["givenName"], "Anna", "{op} {value}");
        let enterprise = &after[ENTERPRISE];
        assert_eq!((&enterprise["department"], &enterprise["employeeNumber"]), (&json!("Sales"), &json!("7")));
        assert_eq!(enterprise["manager"]["value"], NOBODY);
        assert_eq!(after[CUSTOM], json!({ "badge": "B1" }));
        assert!(has_schema(&after, CUSTOM), "{}", after["schemas"]);
    }
}

// 122: Okta, authentik; read-only attributes are ignored, unknown ones kept
#[tokio::test]
async fn read_only_attributes_in_a_value_without_a_path_are_ignored() {
    let app = App::start().await;
    let group = app.group("Team A", &[]).await;
    let user = create(&app, "/Users", ann()).await;
    let before = read(&app, &user).await;
    let read_only = json!({
        "id": NOBODY,
        "schemas": ["urn:example:unknown"],
        "meta": { "resourceType": "Group", "version": "W/\"99\"" },
        "groups": [{ "value": group }]
    });
    for op in ["replace", "add"] {
        let request = app.operations(&user, json!([{ "op": op, "value": &read_only }]));
        assert_eq!(changes_nothing(&app, request).await.status, 200, "{op}");
        assert_eq!(read(&app, &user).await, before, "{op}");
    }
    let mut value = read_only.clone();
    value["title"] = "Lead".into();
    value["favouriteColour"] = json!({ "name": "blue" });
    let after = patched(&app, &user, json!([{ "op": "replace", "value": value }])).await;
    assert_eq!((&after["title"], &after["favouriteColour"]["name"]), (&json!("Lead"), &json!("blue")));
    let rest = ["title", "favouriteColour", "meta"];
    assert_eq!(without(&after, &rest), without(&before, &rest));
    assert_eq!(after["meta"]["resourceType"], "User");
    assert_eq!(members(&app, &group).await, set([]));
}

// 127, 128: the UnboundID SDK, Microsoft's Postman set, SCIM 1.1 connectors
#[tokio::test]
async fn the_message_around_the_operations_may_hold_more_or_less() {
    let app = App::start().await;
    let user = create(&app, "/Users", ann()).await;
    let operation = |title: &str| json!({ "op": "replace", "path": "title", "value": title, "name": "title" });
    for (title, body) in [
        ("1", json!({ "schemas": [PATCH_OP], "Operations": [operation("1")] })),
        ("2", json!({ "Operations": [operation("2")] })),
        ("3", json!({ "schemas": [], "id": null, "externalId": null, "meta": null, "Operations": [operation("3")] })),
        ("4", json!({ "id": NOBODY, "externalId": "x", "meta": { "a": 1 }, "Operations": [operation("4")] })),
        ("5", json!({ "schemas": [PATCH_OP], "operations": [operation("5")] })),
        ("6", json!({ "Schemas": [PATCH_OP], "OPERATIONS": [operation("6")] })),
    ] {
        let answer = app.patch(&user, body.clone()).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text);
        let after = read(&app, &user).await;
        assert_eq!(after["title"], title);
        assert_holds(&after, &without(&ann(), &["title"]));
    }

    let group = format!("/Groups/{}", app.group("Team A", &[]).await);
    for path in [&user, &group] {
        for body in [
            json!({}),
            json!({ "schemas": [PATCH_OP] }),
            json!({ "schemas": [PATCH_OP], "Operations": [] }),
            json!({ "schemas": [PATCH_OP], "Operations": null }),
            json!({ "schemas": ["urn:scim:schemas:core:1.0"], "members": [{ "value": NOBODY, "operation": "add" }] }),
        ] {
            refused(&app, app.patch(path, body), 400, Some("invalidSyntax")).await;
        }
    }
}

// 129: the name of another
#[tokio::test]
async fn a_patch_to_a_taken_user_name_is_a_conflict() {
    let app = App::start().await;
    let bob = app.user("bob@example.com").await;
    let user = create(&app, "/Users", ann()).await;
    for operation in [
        json!({ "op": "Replace", "path": "userName", "value": "bob@example.com" }),
        json!({ "op": "Add", "path": "userName", "value": "BOB@example.com" }),
        json!({ "op": "replace", "value": { "userName": "Bob@example.com" } }),
    ] {
        let operations = json!([{ "op": "replace", "path": "title", "value": "Lead" }, operation]);
        refused(&app, app.operations(&user, operations), 409, Some("uniqueness")).await;
    }
    assert_holds(&read(&app, &user).await, &ann());
    assert_eq!(found(&app, "/Users", "userName eq \"bob@example.com\"").await, set([bob.as_str()]));

    let recased = json!([{ "op": "replace", "path": "userName", "value": "ANN@example.com" }]);
    assert_eq!(patched(&app, &user, recased).await["userName"], "ANN@example.com");
    refused(&app, app.post("/Users", json!({ "userName": "ann@example.com" })), 409, Some("uniqueness")).await;
}

// 130: RFC 7644 section 3.5.2
#[tokio::test]
async fn a_failing_operation_undoes_those_before_it() {
    let app = App::start().await;
    let user = create(&app, "/Users", ann()).await;
    let good = [
        json!({ "op": "replace", "path": "displayName", "value": "Changed" }),
        json!({ "op": "add", "path": "emails", "value": [{ "value": "new@example.com", "type": "home" }] }),
        json!({ "op": "remove", "path": "title" }),
        json!({ "op": "replace", "value": { "active": false, "externalId": "changed" } }),
    ];
    for (bad, scim_type) in [
        (json!({ "op": "replace", "path": "active", "value": "perhaps" }), "invalidValue"),
        (json!({ "op": "replace", "path": "nothing", "value": "x" }), "invalidPath"),
        (json!({ "op": "replace", "value": { "name": "text" } }), "invalidValue"),
    ] {
        for place in 0..=good.len() {
            let mut operations = good.to_vec();
            operations.insert(place, bad.clone());
            refused(&app, app.operations(&user, json!(operations)), 400, Some(scim_type)).await;
        }
    }
    assert_holds(&read(&app, &user).await, &ann());
    let after = patched(&app, &user, json!(good)).await;
    assert_eq!((&after["displayName"], &after["active"]), (&json!("Changed"), &json!(false)));
}
