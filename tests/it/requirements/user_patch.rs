//! G. User PATCH: operations with a path.

use super::*;

/// Sends operations to a user: the answer is 200 and the full resource, as a GET then gives it (131).
pub(super) async fn patched(app: &App, path: &str, operations: Value) -> Value {
    let answer = app.operations(path, operations.clone()).await;
    assert_eq!(answer.status, 200, "{operations}: {}", answer.text);
    assert_eq!(answer.body, read(app, path).await, "the GET differs from the PATCH {operations}");
    assert!(answer.body["active"].is_boolean(), "{operations}: {}", answer.text);
    answer.body
}

/// A user called `userNN` with the attributes of `body`.
async fn user_with(app: &App, number: usize, body: Value) -> String {
    let mut body = body;
    body["userName"] = format!("user{number}@example.com").into();
    create(app, "/Users", body).await
}

// 95, 96, 97, 100, 114, 131: Entra legacy, Rancher's and Keycloak's threads
#[tokio::test]
async fn active_is_set_in_every_spelling_and_the_rest_stays() {
    let app = App::start().await;
    let core = format!("{USER}:active");
    for (number, (op, path, value, expected)) in [
        ("Replace", "active", json!("False"), false),
        ("Add", "active", json!("False"), false),
        ("replace", "active", json!("false"), false),
        ("replace", "active", json!(false), false),
        ("add", "Active", json!(false), false),
        ("ADD", "ACTIVE", json!("FALSE"), false),
        ("REPLACE", core.as_str(), json!(false), false),
        ("Replace", "active", json!("True"), true),
        ("Add", "active", json!("true"), true),
        ("replace", "active", json!(true), true),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body = ann();
        body["active"] = (!expected).into();
        let user = user_with(&app, number, body).await;
        let before = read(&app, &user).await;
        let after = patched(&app, &user, json!([{ "op": op, "path": path, "value": value }])).await;
        assert_eq!(after["active"], expected, "{op} {path} {value}");
        assert_eq!(without(&after, &["active", "meta"]), without(&before, &["active", "meta"]), "{op} {path} {value}");
        let filter = format!("userName eq \"user{number}@example.com\" and active eq {expected}");
        assert_eq!(found(&app, "/Users", &filter).await.len(), 1, "{filter}");
    }
}

// 101, 134: a 2xx for what was not understood would never be sent again
#[tokio::test]
async fn an_operation_that_is_not_understood_is_refused_and_nothing_is_applied() {
    let app = App::start().await;
    let user = create(&app, "/Users", ann()).await;
    for (operation, scim_type) in [
        (json!({ "op": "Upsert", "path": "title", "value": "x" }), "invalidSyntax"),
        (json!({ "path": "title", "value": "x" }), "invalidSyntax"),
        (json!({ "op": 1, "path": "title", "value": "x" }), "invalidSyntax"),
        (json!({ "op": "replace", "path": "emails[type eq \"work\"", "value": "x" }), "invalidPath"),
        (json!({ "op": "replace", "path": "emails[type eq \"work\"]value", "value": "x" }), "invalidPath"),
        (json!({ "op": "replace", "path": "emails]type", "value": "x" }), "invalidPath"),
        (json!({ "op": "replace", "path": "name..givenName", "value": "x" }), "invalidPath"),
        (json!({ "op": "replace", "path": "name.", "value": "x" }), "invalidPath"),
        (json!({ "op": "replace", "path": "display name", "value": "x" }), "invalidPath"),
        (json!({ "op": "replace", "path": "favouriteColour", "value": "x" }), "invalidPath"),
        (json!({ "op": "add", "path": "name.nothing", "value": "x" }), "invalidPath"),
        (json!({ "op": "replace", "path": "active", "value": "perhaps" }), "invalidValue"),
        (json!({ "op": "replace", "path": "active", "value": null }), "invalidValue"),
        (json!({ "op": "remove", "path": "userName" }), "mutability"),
        (json!({ "op": "replace", "path": "displayName", "value": { "a": 1 } }), "invalidValue"),
    ] {
        let operations = json!([{ "op": "replace", "path": "displayName", "value": "First" }, operation]);
        let answer = refused(&app, app.operations(&user, operations), 400, Some(scim_type)).await;
        if scim_type == "invalidPath" {
            let path = operation["path"].as_str().unwrap_or_default();
            let name = path.split(['.', '[', ']', ' ']).next().unwrap_or_default();
            assert!(answer.detail().contains(name), "{path}: {}", answer.detail());
        }
    }
    assert_eq!(read(&app, &user).await["displayName"], "Ann Lee");
}

// 102, 108, 109, 110, 111: Entra legacy
#[tokio::test]
async fn a_value_path_changes_the_matching_element_and_keeps_the_others() {
    let app = App::start().await;
    let home = json!({ "value": "h@x", "type": "home" });
    let work = json!({ "value": "w@x", "type": "work", "primary": true, "display": "W" });
    for (number, (path, value, name, changed)) in [
        ("emails[type eq \"work\"].value", json!("n@x"), "value", json!("n@x")),
        ("emails[type eq \"WORK\"].value", json!("n@x"), "value", json!("n@x")),
        ("Emails[Type Eq \"work\"].Value", json!("n@x"), "value", json!("n@x")),
        ("emails[primary eq true].value", json!("n@x"), "value", json!("n@x")),
        ("emails[primary eq \"True\"].value", json!("n@x"), "value", json!("n@x")),
        ("emails[value eq \"w@x\"].value", json!("n@x"), "value", json!("n@x")),
        ("emails[type eq \"work\" and primary eq true].value", json!("n@x"), "value", json!("n@x")),
        ("emails[type eq \"work\"].display", json!("New"), "display", json!("New")),
        ("emails[type eq \"work\"].primary", json!("false"), "primary", json!(false)),
        ("emails[type eq \"work\"].type", json!("other"), "type", json!("other")),
    ]
    .into_iter()
    .enumerate()
    {
        for (offset, op) in ["Replace", "Add"].into_iter().enumerate() {
            let user = user_with(&app, number * 2 + offset, json!({ "emails": [&home, &work] })).await;
            let after = patched(&app, &user, json!([{ "op": op, "path": path, "value": &value }])).await;
            let mut expected = work.clone();
            expected[name] = changed.clone();
            assert_eq!(after["emails"], json!([&home, expected]), "{op} {path}");
        }
    }
    let user = user_with(&app, 99, json!({ "emails": [&home] })).await;
    let operations = json!([{ "op": "Replace", "path": "emails[type eq \"home\"].primary", "value": "true" }]);
    assert_eq!(patched(&app, &user, operations).await["emails"][0]["primary"], true);
}

// 103, 104, 107, 110: eight threads of clients that got `noTarget` for this
#[tokio::test]
async fn a_value_path_without_a_match_creates_the_element() {
    let app = App::start().await;
    for (number, (path, name, expected)) in [
        ("emails[type eq \"work\"].value", "emails", json!([{ "type": "work", "value": "new" }])),
        ("emails[type eq \"other\"].Value", "emails", json!([{ "type": "other", "value": "new" }])),
        ("addresses[type eq \"other\"].Formatted", "addresses", json!([{ "type": "other", "formatted": "new" }])),
        ("phoneNumbers[type eq \"mobile\"].value", "phoneNumbers", json!([{ "type": "mobile", "value": "new" }])),
        ("roles[primary eq \"True\"].value", "roles", json!([{ "primary": true, "value": "new" }])),
        ("emails[primary eq true].value", "emails", json!([{ "primary": true, "value": "new" }])),
    ]
    .into_iter()
    .enumerate()
    {
        for (offset, op) in ["Replace", "Add"].into_iter().enumerate() {
            let user = user_with(&app, number * 2 + offset, json!({})).await;
            let operations = json!([{ "op": op, "path": path, "value": "new" }]);
            assert_eq!(patched(&app, &user, operations.clone()).await[name], expected, "{op} {path}");
            changes_nothing(&app, app.operations(&user, operations)).await;
        }
    }
}

// 105, 106, 107: the SCIM Validator's "verbose add"
#[tokio::test]
async fn operations_with_one_value_filter_land_in_one_element() {
    let app = App::start().await;
    let user = create(&app, "/Users", json!({ "userName": "ann@example.com" })).await;
    let after = patched(
        &app,
        &user,
        json!([
            { "op": "Add", "path": "addresses[type eq \"work\"].streetAddress", "value": "Main St 1" },
            { "op": "Add", "path": "addresses[type eq \"work\"].locality", "value": "Bern" },
            { "op": "Add", "path": "addresses[type eq \"work\"].country", "value": "CH" },
            { "op": "Add", "path": "phoneNumbers[type eq \"work\"].value", "value": "1" },
            { "op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "2" },
            { "op": "Add", "path": "roles[primary eq \"True\"].value", "value": "Admin" },
            { "op": "Add", "path": "roles[primary eq \"True\"].display", "value": "Administrator" }
        ]),
    )
    .await;
    let expected = json!({
        "addresses": [{ "type": "work", "streetAddress": "Main St 1", "locality": "Bern", "country": "CH" }],
        "phoneNumbers": [{ "type": "work", "value": "1" }, { "type": "mobile", "value": "2" }],
        "roles": [{ "primary": true, "value": "Admin", "display": "Administrator" }]
    });
    assert_holds(&after, &expected);

    let operations = json!([{ "op": "Replace", "path": "roles[primary eq \"True\"].value", "value": "Reader" }]);
    let roles = patched(&app, &user, operations).await["roles"].clone();
    assert_eq!(roles, json!([{ "primary": true, "value": "Reader", "display": "Administrator" }]));
}

// 112, 113, 114, 115: Entra; Rancher's threads; a path under an unknown extension is stored
#[tokio::test]
async fn a_path_creates_what_holds_its_attribute() {
    let app = App::start().await;
    for (number, (path, holder, name)) in [
        ("name.givenName".to_owned(), "name", "givenName"),
        ("Name.GivenName".to_owned(), "name", "givenName"),
        (format!("{USER}:name.givenName"), "name", "givenName"),
        (format!("{ENTERPRISE}:department"), ENTERPRISE, "department"),
        (format!("{ENTERPRISE}:Department"), ENTERPRISE, "department"),
        (format!("{ENTERPRISE}.department"), ENTERPRISE, "department"),
        (format!("{CUSTOM}:badge"), CUSTOM, "badge"),
    ]
    .into_iter()
    .enumerate()
    {
        for (offset, op) in ["Add", "Replace"].into_iter().enumerate() {
            let user = user_with(&app, number * 2 + offset, json!({ "schemas": [USER] })).await;
            let after = patched(&app, &user, json!([{ "op": op, "path": &path, "value": "X" }])).await;
            assert_eq!(after[holder], json!({ name: "X" }), "{op} {path}: {after}");
            assert_eq!(has_schema(&after, holder), holder != "name", "{op} {path}: {}", after["schemas"]);
        }
    }

    let user = create(&app, "/Users", ann()).await;
    let operations = json!([
        { "op": "replace", "path": "name.givenName", "value": "Anna" },
        { "op": "replace", "path": format!("{ENTERPRISE}:department"), "value": "Sales" },
        { "op": "replace", "path": format!("{USER}:userName"), "value": "anna@example.com" }
    ]);
    let after = patched(&app, &user, operations).await;
    assert_eq!(after["name"], json!({ "formatted": "Ann Lee", "givenName": "Anna", "familyName": "Lee" }));
    assert_eq!(after[ENTERPRISE], json!({ "employeeNumber": "7", "department": "Sales" }));
    assert_eq!(after["userName"], "anna@example.com");
    assert!(after.get(USER).is_none(), "{after}");
    assert_eq!(found(&app, "/Users", "userName eq \"anna@example.com\"").await, set([id_of(&after).as_str()]));
    assert_eq!(found(&app, "/Users", "userName eq \"ann@example.com\"").await, set([]));
}

// 115, 116: Entra, in the forms of its documentation and of its traffic
#[tokio::test]
async fn a_manager_is_set_in_every_shape() {
    let app = App::start().await;
    let boss = app.user("boss@example.com").await;
    let mut number = 0;
    for path in
        [format!("{ENTERPRISE}:manager"), format!("{ENTERPRISE}.manager"), "manager".to_owned(), "Manager".to_owned()]
    {
        for value in [
            json!(&boss),
            json!({ "value": &boss }),
            json!([{ "value": &boss }]),
            json!([{ "$ref": format!("https://example.com/scim/v2/Users/{boss}"), "value": &boss }]),
        ] {
            for op in ["Add", "Replace"] {
                number += 1;
                let user = user_with(&app, number, json!({ "schemas": [USER] })).await;
                let after = patched(&app, &user, json!([{ "op": op, "path": &path, "value": &value }])).await;
                assert_eq!(after[ENTERPRISE]["manager"]["value"], boss.as_str(), "{op} {path} {value}: {after}");
                assert!(
                    has_schema(&after, ENTERPRISE) && after.get("manager").is_none(),
                    "{op} {path} {value}: {after}"
                );
            }
        }
    }
}

// 117, 134: the SCIM Validator
#[tokio::test]
async fn a_manager_is_cleared_in_every_shape() {
    let app = App::start().await;
    let path = format!("{ENTERPRISE}:manager");
    for (number, operation) in [
        json!({ "op": "Replace", "path": &path, "value": "" }),
        json!({ "op": "Replace", "path": &path, "value": { "value": "" } }),
        json!({ "op": "Replace", "path": &path, "value": null }),
        json!({ "op": "Remove", "path": &path }),
        json!({ "op": "Remove", "path": "manager" }),
        json!({ "op": "replace", "value": { ENTERPRISE: { "manager": null } } }),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({ ENTERPRISE: { "department": "Tools", "manager": { "value": NOBODY } } });
        let user = user_with(&app, number, body).await;
        assert_eq!(read(&app, &user).await[ENTERPRISE]["manager"]["value"], NOBODY);
        let after = patched(&app, &user, json!([&operation])).await;
        assert_eq!(after[ENTERPRISE], json!({ "department": "Tools" }), "{operation}");
        changes_nothing(&app, app.operations(&user, json!([&operation]))).await;
    }
}

// 123, 124, 132, 133: Entra's role assignments; RFC 7644 section 3.5.2.1
#[tokio::test]
async fn lists_are_added_to_without_doubles_and_replaced_whole() {
    let app = App::start().await;
    let user = create(&app, "/Users", ann()).await;
    let json_in_a_string = json!([{ "value": "{\"id\":\"1\",\"value\":\"Admin\",\"displayName\":\"Admin\"}" }]);
    let add = |path: &str, value: &Value| json!([{ "op": "Add", "path": path, "value": value }]);
    assert_eq!(patched(&app, &user, add("roles", &json_in_a_string)).await["roles"], json_in_a_string);
    changes_nothing(&app, app.operations(&user, add("roles", &json_in_a_string))).await;

    let list = json!([{ "value": "A", "primary": false }, { "value": "B", "primary": false }]);
    let replace = json!([{ "op": "replace", "path": "roles", "value": &list }]);
    assert_eq!(patched(&app, &user, replace.clone()).await["roles"], list);
    changes_nothing(&app, app.operations(&user, replace)).await;

    let home = json!([{ "value": "home@example.com", "type": "home" }]);
    let emails = patched(&app, &user, add("emails", &home)).await["emails"].clone();
    assert_eq!(emails, json!([ann()["emails"][0], home[0]]));
    changes_nothing(&app, app.operations(&user, add("emails", &home))).await;

    let operations = json!([{ "op": "replace", "path": "emails[type eq \"home\"].primary", "value": true }]);
    let emails = patched(&app, &user, operations).await["emails"].clone();
    assert_eq!((&emails[1]["primary"], emails[0]["primary"] == true), (&json!(true), false), "{emails}");
    let third = json!([{ "value": "third@example.com", "type": "other", "primary": true }]);
    let emails = patched(&app, &user, add("emails", &third)).await["emails"].clone();
    let primary: Vec<&Value> = emails.as_array().into_iter().flatten().filter(|each| each["primary"] == true).collect();
    assert_eq!(primary, [&third[0]], "{emails}");
    assert_eq!(emails.as_array().map(Vec::len), Some(3));
}

// 125: the SCIM Validator
#[tokio::test]
async fn operations_apply_in_their_order() {
    let app = App::start().await;
    let user = create(&app, "/Users", ann()).await;
    let remove = json!({ "op": "Remove", "path": "title" });
    let add = json!({ "op": "Add", "path": "title", "value": "Added" });
    let replace = json!({ "op": "Replace", "path": "title", "value": "Replaced" });
    for (operations, expected) in [
        (json!([&remove, &add, &replace]), Some("Replaced")),
        (json!([&replace, &add]), Some("Added")),
        (json!([&add, &replace, &remove]), None),
        (json!([&remove, &add]), Some("Added")),
    ] {
        let after = patched(&app, &user, operations.clone()).await;
        assert_eq!(after.get("title").and_then(Value::as_str), expected, "{operations}");
    }
    let back_and_forth = json!([&replace, &add]);
    changes_nothing(&app, app.operations(&user, back_and_forth)).await;
}

// 126, 134: clients repeat what is done already
#[tokio::test]
async fn removing_takes_away_only_what_is_there() {
    let app = App::start().await;
    let user = create(&app, "/Users", ann()).await;
    for path in [
        "nickName".to_owned(),
        "addresses".to_owned(),
        "emails[type eq \"home\"]".to_owned(),
        "emails[type eq \"home\"].value".to_owned(),
        "emails[type eq \"work\"].display".to_owned(),
        "name.middleName".to_owned(),
        format!("{ENTERPRISE}:manager"),
        format!("{CUSTOM}:badge"),
    ] {
        let answer = changes_nothing(&app, app.operations(&user, json!([{ "op": "Remove", "path": path }]))).await;
        assert_holds(&answer.body, &ann());
    }
    let mut gone = vec![];
    for (operation, name) in [
        (json!({ "op": "Remove", "path": "title" }), "title"),
        (json!({ "op": "replace", "path": "displayName", "value": null }), "displayName"),
        (json!({ "op": "replace", "value": { "externalId": null } }), "externalId"),
        (json!({ "op": "remove", "path": "emails[type eq \"work\"]" }), "emails"),
        (json!({ "op": "remove", "path": "phoneNumbers" }), "phoneNumbers"),
    ] {
        gone.push(name);
        let after = patched(&app, &user, json!([&operation])).await;
        assert!(after.get(name).is_none(), "{operation}: {after}");
        assert_holds(&after, &without(&ann(), &gone));
    }
    let operations = json!([{ "op": "replace", "path": "name.givenName", "value": null }]);
    assert_eq!(patched(&app, &user, operations).await["name"], json!({ "formatted": "Ann Lee", "familyName": "Lee" }));
    assert_eq!(found(&app, "/Users", "externalId eq \"ann\"").await, set([]));
    assert_eq!(found(&app, "/Users", "emails eq \"ann@example.com\"").await, set([]));
}
