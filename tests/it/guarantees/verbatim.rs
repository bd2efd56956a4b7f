//! Guarantee 6, verbatim: what was accepted comes back as sent, whatever it holds. And the names under which resources
//! are found: long ones, odd ones, and ones that are freed.

use super::{is_intact, item};
use crate::harness::App;
use serde_json::{Value, json};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const CUSTOM: &str = "urn:example:params:scim:schemas:extension:acme:2.0:User";

/// What no schema names, in every JSON type.
fn unknown() -> Value {
    json!({
        "nested": { "null": null, "list": [null, [], {}, [null, { "deep": null }]], "empty": "" },
        "numbers": [0, -1, 1.5, 1e300, 18_446_744_073_709_551_615_u64, -9_223_372_036_854_775_808_i64],
        "text": "\u{0}\u{7f}\u{feff}\u{202e}\u{e000}\u{10ffff} e\u{301} é 👩‍👩‍👧 İıſß \"\\/\n\t",
        "Ключ": { "ключ": "значение", "": "no name", "a.b[c]": 1 },
    })
}

fn rich_user() -> Value {
    json!({
        "schemas": [USER, ENTERPRISE, CUSTOM],
        "userName": "Žofie.O'Brien+tag@exämple.com",
        "externalId": "  leading and trailing  ",
        "name": { "formatted": "Dr. Žofie \u{2019}O\u{2019} Brien", "familyName": "O'Brien", "givenName": "Žofie" },
        "displayName": "Žofie 👩‍🚀",
        "active": false,
        "emails": [
            { "value": "z@exämple.com", "type": "work", "primary": true, "x-verified": null },
            { "value": "Z@Home.example", "type": "weekend", "display": "home" },
        ],
        "addresses": [{ "formatted": "1 Rue\nF-75000 Paris", "country": "FR", "floor": 3 }],
        "roles": [{ "value": "{\"id\":\"7\",\"value\":\"admin\"}", "primary": true }],
        "x509Certificates": [{ "value": "MIIDQzCCAqygAwIBAgICEAAwDQYJKoZIhvcNAQEFBQAwTjELMAkGA1UEBhMCVVM=" }],
        "unknown": unknown(),
        ENTERPRISE: { "employeeNumber": "007", "manager": { "value": "26118915", "since": 2019 }, "shift": unknown() },
        CUSTOM: { "badge": unknown(), "none": null, "list": [] },
    })
}

fn rich_group() -> Value {
    json!({
        "schemas": [GROUP, CUSTOM],
        "displayName": "Zürich / «R&D» \u{200b}",
        "externalId": "S-1-5-21",
        "unknown": unknown(),
        CUSTOM: { "owner": unknown() },
    })
}

/// Without what the server adds, and what is null by itself: RFC 7643 section 2.5 makes null the same as absent.
fn as_sent(resource: &Value) -> Value {
    let mut sent = resource.as_object().unwrap().clone();
    sent.retain(|name, _| !["id", "meta", "groups"].contains(&name.as_str()));
    let custom = sent.get_mut(CUSTOM).and_then(Value::as_object_mut);
    custom.unwrap().retain(|_, value| !value.is_null());
    if let Some(email) = sent.get_mut("emails").and_then(|emails| emails[0].as_object_mut()) {
        email.retain(|_, value| !value.is_null());
    }
    Value::Object(sent)
}

#[tokio::test]
async fn a_rich_resource_comes_back_as_sent() {
    let app = App::start().await;
    for (endpoint, kind, body) in [("/Users", "USER", rich_user()), ("/Groups", "GROUP", rich_group())] {
        let created = app.post(endpoint, body.clone()).await.expect(201);
        let path = format!("{endpoint}/{}", created.id());
        let expected = as_sent(&body);
        let shown = app.get(&path).await.expect(200);
        let listed = app.get(endpoint).await.expect(200);
        for resource in [&created.body, &shown.body, &listed.body["Resources"][0]] {
            assert_eq!(as_sent(resource), expected);
        }
        // The members of each object stand in the order in which they were sent.
        let order = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(order(&shown.body["unknown"]), order(&body["unknown"]));
        assert_eq!(shown.body["unknown"].to_string(), body["unknown"].to_string());

        // Sent back as it was read, or as it was created, it changes nothing.
        let before = app.dump().await;
        app.put(&path, shown.body.clone()).await.expect(200);
        app.put(&path, body).await.expect(200);
        assert_eq!(app.dump().await, before);

        // What one change leaves alone stays as it was.
        let operations = json!([{ "op": "add", "path": "externalId", "value": "changed" }]);
        app.operations(&path, operations).await;
        let mut changed = expected;
        changed["externalId"] = "changed".into();
        assert_eq!(as_sent(&app.get(&path).await.expect(200).body), changed);
        assert_eq!(item(&app, kind, &created.id()).await["version"], json!(2));
    }
    is_intact(&app).await;
}

/// JSON is read up to a depth: the server's own reader ends there, and so do its clients'. What a request nests must stay
/// readable in the table, in a list, and in the change log.
#[tokio::test]
async fn what_is_nested_as_deep_as_a_body_may_be_can_be_read_again() {
    let app = App::start().await;
    let nested = |depth: usize| format!("{}7{}", "[".repeat(depth), "]".repeat(depth));
    let headers = [("content-type", "application/scim+json")];
    let mut accepted = 0;
    for depth in 1..130 {
        let body = format!("{{\"userName\":\"deep{depth}\",\"deep\":{}}}", nested(depth));
        let answer = app.send("POST", "/Users", &headers, Some(body.into_bytes())).await;
        if answer.status != 201 {
            answer.is_error(400, answer.body["scimType"].as_str());
            continue;
        }
        accepted = depth;
        app.get(&format!("/Users/{}", answer.id())).await.expect(200);
    }
    assert!(accepted >= 16, "{accepted}");
    let ann = format!("/Users/{}", app.user("ann").await);
    for depth in 100..130 {
        let value = format!("{{\"{CUSTOM}\":{{\"deep\":{}}}}}", nested(depth));
        let answer = app.operations(&ann, json!([{ "op": "add", "value": value }])).await;
        assert!(matches!(answer.status, 200 | 400), "{depth}: {}", answer.text);
        app.get(&ann).await.expect(200);
        let value = format!("{{\"{CUSTOM}:deep\":{}}}", nested(depth));
        let answer = app.operations(&ann, json!([{ "op": "add", "value": value }])).await;
        assert!(matches!(answer.status, 200 | 400), "{depth}: {}", answer.text);
        app.get(&ann).await.expect(200);
    }
    app.get("/Users").await.expect(200);
    is_intact(&app).await;
}

#[tokio::test]
async fn long_and_odd_names_are_unique_are_found_and_are_freed() {
    let app = App::start().await;
    let long = "Lång".repeat(750);
    let odd = [
        long.as_str(),
        "a#b",
        "sha256:x",
        "-",
        "Ａ",
        "ǅ",
        "ﬃ",
        "İ",
        "\u{1f9d1}\u{200d}\u{1f692}",
        "T#acme#USER",
        " x ",
    ];
    let find = async |endpoint: &str, attribute: &str, value: &str| {
        app.find(endpoint, &format!("{attribute} eq {}", json!(value))).await.expect(200).ids()
    };
    for name in odd {
        let body = json!({ "userName": name, "externalId": name, "emails": [{ "value": name }] });
        let user = app.post("/Users", body.clone()).await.expect(201).id();
        let group = app.post("/Groups", json!({ "displayName": name, "externalId": name })).await.expect(201).id();
        for (endpoint, attribute, id) in [
            ("/Users", "userName", &user),
            ("/Users", "externalId", &user),
            ("/Users", "emails.value", &user),
            ("/Groups", "displayName", &group),
            ("/Groups", "externalId", &group),
        ] {
            assert_eq!(find(endpoint, attribute, name).await, [id.clone()], "{attribute} {name}");
            let case_exact = attribute == "externalId";
            let upper = name.to_uppercase();
            let found = find(endpoint, attribute, &upper).await;
            // One that upper-casing changes for good, such as İ, folds to something else.
            if case_exact {
                assert_eq!(found.is_empty(), upper != name, "{attribute} {upper}");
            } else if upper.to_lowercase() == name.to_lowercase() {
                assert_eq!(found, [id.clone()], "{attribute} {upper}");
            }
        }
        app.post("/Users", body).await.is_error(409, Some("uniqueness"));
        app.post("/Groups", json!({ "displayName": name })).await.is_error(409, Some("uniqueness"));
        is_intact(&app).await;
        app.delete(&format!("/Users/{user}")).await.expect(204);
        app.delete(&format!("/Groups/{group}")).await.expect(204);
        for (endpoint, attribute) in [("/Users", "userName"), ("/Users", "externalId"), ("/Groups", "displayName")] {
            assert_eq!(find(endpoint, attribute, name).await, Vec::<String>::new(), "{attribute} {name}");
        }
    }
    is_intact(&app).await;
}

/// The digest that stands for a long value is no value: nobody can take the name of another by it.
#[tokio::test]
async fn the_digest_of_a_long_name_is_a_name_of_its_own() {
    use sha2::{Digest, Sha256};
    let app = App::start().await;
    let long = "x".repeat(3000);
    let digest = scimlet::store::keys::hex(&Sha256::digest(&long));
    let mut names = vec![long];
    names.extend(["", "sha256:", "#", "DIGEST#User.userName#"].map(|prefix| format!("{prefix}{digest}")));
    for name in names {
        let user = app.user(&name).await;
        assert_eq!(app.find("/Users", &format!("userName eq \"{name}\"")).await.ids(), [user]);
    }
    is_intact(&app).await;
}

#[tokio::test]
async fn a_name_may_change_its_case_and_is_free_after_rename_and_delete() {
    let app = App::start().await;
    for (endpoint, name) in [("/Users", "userName"), ("/Groups", "displayName")] {
        let path = format!("{endpoint}/{}", app.post(endpoint, json!({ name: "straße" })).await.expect(201).id());
        for spelling in ["Straße", "STRASSE", "strasse"] {
            app.put(&path, json!({ name: spelling })).await.expect(200);
            assert_eq!(app.get(&path).await.expect(200).body[name], spelling);
            app.post(endpoint, json!({ name: "straSSe" })).await.is_error(409, Some("uniqueness"));
            is_intact(&app).await;
        }
        let rename = json!([{ "op": "replace", "path": name, "value": "avenue" }]);
        app.operations(&path, rename).await;
        let other = format!("{endpoint}/{}", app.post(endpoint, json!({ name: "STRASSE" })).await.expect(201).id());
        app.put(&other, json!({ name: "AVENUE" })).await.is_error(409, Some("uniqueness"));
        app.delete(&path).await.expect(204);
        app.put(&other, json!({ name: "AVENUE" })).await.expect(200);
        let found = app.find(endpoint, &format!("{name} eq \"avenue\"")).await.expect(200);
        assert_eq!(found.ids(), [other.rsplit('/').next().unwrap()]);
        is_intact(&app).await;
    }
}
