//! What a deployment can set: unknown attributes refused, quirks off, a budget for walks, schemas of its own.

use crate::guarantees::{is_intact, members, users};
use crate::harness::{Answer, App};
use crate::requirements::refused;
use crate::search::search;
use scimlet::config::Config;
use serde_json::{Value, json};

mod custom_schemas;
mod schema_files;
mod walks;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// An extension that no schema is there for.
const UNKNOWN: &str = "urn:example:params:scim:schemas:extension:unknown:2.0:User";

/// What is wrong with the configuration.
fn config_error(variables: &[(&str, &str)]) -> String {
    let read = Config::read(|name| {
        let given = variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        given.or_else(|| (name == "SCIM_TOKEN").then(|| "0123456789abcdef".into()))
    });
    read.err().unwrap_or_else(|| panic!("{variables:?} is no error")).to_string()
}

async fn found(app: &App, endpoint: &str, filter: &str) -> Vec<String> {
    let answer = app.find(endpoint, filter).await;
    assert_eq!(answer.status, 200, "{filter}: {}", answer.text);
    answer.ids()
}

#[test]
fn a_setting_that_cannot_be_used_is_named() {
    for (name, value) in [
        ("SCIM_STRICT", "maybe"),
        ("SCIM_QUIRKS", "off?"),
        ("SCIM_MAX_WALK", "many"),
        ("SCIM_MAX_WALK", "-1"),
        ("SCIM_MAX_WALK", "1.5"),
    ] {
        let error = config_error(&[(name, value)]);
        assert!(error.contains(name) && error.contains(value), "{error}");
    }
}

/// Bodies of a user with something that no schema names, and how an error names it.
fn unknown_attributes() -> Vec<(Value, String)> {
    vec![
        (json!({ "shoeSize": 44 }), "shoeSize".into()),
        (json!({ "shoes": { "size": 44 } }), "shoes".into()),
        (json!({ "name": { "givenName": "A", "nick": "A" } }), "name.nick".into()),
        (json!({ "emails": [{ "value": "a@b" }, { "value": "c@d", "shoe": 1 }] }), "emails.shoe".into()),
        (json!({ ENTERPRISE: { "department": "D", "badge": "7" } }), "badge".into()),
        (json!({ ENTERPRISE: { "manager": { "value": "x", "mood": "good" } } }), "mood".into()),
        (json!({ UNKNOWN: { "badge": "7" } }), UNKNOWN.into()),
    ]
}

fn merged(base: &Value, others: &Value) -> Value {
    let mut merged = base.clone();
    merged.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
    merged
}

#[tokio::test]
async fn strict_refuses_what_no_schema_names() {
    let app = App::start_with(&[("SCIM_STRICT", "true")]).await;
    let base = json!({ "schemas": [USER, ENTERPRISE], "userName": "ann" });
    let ann = format!("/Users/{}", app.post("/Users", base.clone()).await.expect(201).id());
    for (unknown, name) in unknown_attributes() {
        let with_name = merged(&json!({ "userName": "new" }), &unknown);
        let names = |answer: Answer| assert!(answer.detail().contains(&name), "{name}: {}", answer.text);
        names(refused(&app, app.post("/Users", with_name.clone()), 400, Some("invalidSyntax")).await);
        names(refused(&app, app.put(&ann, merged(&base, &unknown)), 400, Some("invalidSyntax")).await);
        for op in ["add", "replace"] {
            let operations = json!([{ "op": op, "value": unknown }]);
            names(refused(&app, app.operations(&ann, operations), 400, Some("invalidSyntax")).await);
        }
        let outcome = app
            .post(
                "/Bulk",
                json!({ "Operations": [{ "method": "POST", "path": "/Users", "bulkId": "b", "data": with_name }] }),
            )
            .await
            .expect(200);
        assert_eq!(outcome.body["Operations"][0]["response"]["scimType"], "invalidSyntax", "{}", outcome.text);
    }
    for (path, value) in [
        ("shoeSize".to_owned(), json!(44)),
        ("name.nick".into(), json!("A")),
        (format!("{ENTERPRISE}:badge"), json!("7")),
        (format!("{ENTERPRISE}:manager.mood"), json!("good")),
        (format!("{UNKNOWN}:badge"), json!("7")),
        ("emails[type eq \"work\"].shoe".into(), json!(1)),
    ] {
        let name = path.rsplit([':', '.']).next().unwrap();
        for op in ["add", "replace"] {
            let operations = json!([{ "op": op, "path": path, "value": value }]);
            let answer = refused(&app, app.operations(&ann, operations), 400, Some("invalidPath")).await;
            assert!(answer.detail().contains(name), "{path}: {}", answer.text);
        }
    }
    // A known path, an unknown member of its value.
    for (path, value) in [("name", json!({ "nick": "A" })), ("emails", json!([{ "value": "a@b", "shoe": 1 }]))] {
        let operations = json!([{ "op": "add", "path": path, "value": value }]);
        refused(&app, app.operations(&ann, operations), 400, Some("invalidSyntax")).await;
    }
    refused(&app, app.post("/Groups", json!({ "displayName": "G", "colour": "red" })), 400, Some("invalidSyntax"))
        .await;
    let group = format!("/Groups/{}", app.group("Team", &[]).await);
    let operations = json!([{ "op": "add", "path": "colour", "value": "red" }]);
    refused(&app, app.operations(&group, operations), 400, Some("invalidPath")).await;
}

#[tokio::test]
async fn strict_takes_what_the_schemas_name_in_any_case() {
    let app = App::start_with(&[("SCIM_STRICT", "true")]).await;
    let body = json!({
        "schemas": [USER, ENTERPRISE], "id": "x", "meta": { "resourceType": "User" }, "groups": [{ "value": "x" }],
        "USERNAME": "ann", "externalId": "E", "password": "s3cret", "active": true, "Name": { "GIVENNAME": "A" },
        "emails": [{ "value": "a@b", "type": "work", "primary": true, "display": "A" }],
        "x509Certificates": [{ "value": "AAAA" }], "addresses": [{ "formatted": "F", "type": "work", "primary": true }],
        ENTERPRISE: { "department": "D", "manager": { "value": "x", "$ref": "../Users/x", "displayName": "X" } },
    });
    let ann = app.post("/Users", body.clone()).await.expect(201);
    let path = format!("/Users/{}", ann.id());
    app.put(&path, body).await.expect(200);
    // What the server shows can be sent back.
    let shown = app.get(&path).await.expect(200).body;
    app.put(&path, shown).await.expect(200);
    let operations = json!([
        { "op": "Add", "path": "name.familyName", "value": "L" },
        { "op": "replace", "value": { "title": "T", format!("{ENTERPRISE}:department"): "E", ENTERPRISE: { "division": "V" } } },
        { "op": "replace", "path": "emails[type eq \"work\"].value", "value": "c@d" },
        { "op": "remove", "path": format!("{ENTERPRISE}:manager") },
    ]);
    let patched = app.operations(&path, operations).await.expect(200).body;
    assert_eq!((&patched["title"], &patched["emails"][0]["value"]), (&json!("T"), &json!("c@d")));
    assert_eq!(patched[ENTERPRISE], json!({ "department": "E", "division": "V" }));
    let member = json!({ "value": ann.id(), "$ref": "../Users/x", "type": "User", "display": "Ann" });
    let group = json!({ "schemas": [GROUP], "displayName": "Team", "externalId": "T", "members": [member] });
    let team = app.post("/Groups", group).await.expect(201).id();
    let shown = app.get(&format!("/Groups/{team}")).await.expect(200).body;
    app.put(&format!("/Groups/{team}"), shown).await.expect(200);
    is_intact(&app).await;
}

#[tokio::test]
async fn by_default_what_no_schema_names_is_kept() {
    for variables in [&[][..], &[("SCIM_STRICT", "false")]] {
        let app = App::start_with(variables).await;
        for (number, (unknown, name)) in unknown_attributes().into_iter().enumerate() {
            let base = json!({ "userName": format!("u{number}") });
            let posted = app.post("/Users", merged(&base, &unknown)).await.expect(201);
            let path = format!("/Users/{}", posted.id());
            let holds = async |sent: &Value| {
                let read = app.get(&path).await.expect(200).body;
                for (attribute, value) in sent.as_object().unwrap() {
                    assert_eq!(&read[attribute], value, "{name}");
                }
            };
            holds(&unknown).await;
            app.put(&path, base.clone()).await.expect(200);
            app.operations(&path, json!([{ "op": "add", "value": unknown }])).await.expect(200);
            holds(&unknown).await;
        }
        let path = format!("/Users/{}", app.user("path").await);
        let operations = json!([{ "op": "add", "path": format!("{UNKNOWN}:badge"), "value": "7" }]);
        assert_eq!(app.operations(&path, operations).await.expect(200).body[UNKNOWN]["badge"], "7");
    }
}

#[tokio::test]
async fn quirks_are_refused_when_they_are_off() {
    let app = App::start_with(&[("SCIM_QUIRKS", "false")]).await;
    let work = json!([{ "value": "a@b", "type": "work", "primary": true }]);
    let body = json!({ "userName": "ann", "emails": work, "roles": [{ "value": "r", "primary": true }] });
    let ann = app.post("/Users", body).await.expect(201).id();
    let bob = app.user("bob").await;
    let team = format!("/Groups/{}", app.group("Team", &[&ann, &bob]).await);
    let path = format!("/Users/{ann}");

    for body in [
        json!({ "userName": "new", "active": "False" }),
        json!({ "userName": "new", "emails": { "value": "x@y", "type": "work" } }),
        json!({ "userName": "new", "emails": "x@y" }),
        json!({ "userName": "new", "emails": ["x@y"] }),
        json!({ "userName": "new", "emails": [{ "value": "x@y", "primary": "True" }] }),
        json!({ "userName": "new", ENTERPRISE: { "manager": "26118915" } }),
        json!({ "userName": "new", ENTERPRISE: { "manager": [{ "value": "26118915" }] } }),
    ] {
        let answer = refused(&app, app.post("/Users", body.clone()), 400, Some("invalidValue")).await;
        assert!(!answer.detail().is_empty(), "{body}");
        refused(&app, app.put(&path, body), 400, Some("invalidValue")).await;
    }
    refused(&app, app.post("/Groups", json!({ "displayName": "G", "members": [ann] })), 400, Some("invalidValue"))
        .await;

    let patches = [
        (&path, json!({ "op": "Replace", "path": "title", "value": "T" })),
        (&path, json!({ "op": "ADD", "value": { "title": "T" } })),
        (&path, json!({ "op": "replace", "path": "active", "value": "False" })),
        (&path, json!({ "op": "replace", "value": { "active": "true" } })),
        (&path, json!({ "op": "replace", "value": "{\"title\":\"T\"}" })),
        (&path, json!({ "op": "replace", "value": { "name.givenName": "A" } })),
        (&path, json!({ "op": "replace", "value": { "emails[type eq \"work\"].value": "x@y" } })),
        (&path, json!({ "op": "replace", "value": { format!("{ENTERPRISE}:department"): "D" } })),
        (&path, json!({ "op": "add", "path": "emails", "value": { "value": "x@y" } })),
        (&path, json!({ "op": "add", "path": format!("{ENTERPRISE}:manager"), "value": "26118915" })),
        (&path, json!({ "op": "replace", "path": "emails[type eq \"home\"].value", "value": "x@y" })),
        (&path, json!({ "op": "replace", "path": "roles[primary eq \"True\"].value", "value": "s" })),
        (&team, json!({ "op": "remove", "path": "members", "value": [{ "value": ann }] })),
        (&team, json!({ "op": "add", "path": "members", "value": [bob] })),
    ];
    for (path, operation) in patches {
        let before = app.dump().await;
        let answer = app.operations(path, json!([operation])).await;
        assert_eq!(answer.status, 400, "{operation}: {}", answer.text);
        assert_eq!(app.dump().await, before, "{operation}");
    }
    for filter in [
        "userName eq ann",
        "active eq \"True\"",
        "roles[primary eq \"True\"]",
        "emails[type eq \"work\"].value eq \"a@b\"",
    ] {
        let answer = refused(&app, app.find("/Users", filter), 400, Some("invalidFilter")).await;
        assert!(!answer.detail().is_empty(), "{filter}");
        let answer = search(&app, "/Users", json!({ "filter": filter })).await;
        assert_eq!(answer.status, 400, "{filter}");
    }
}

#[tokio::test]
async fn strict_scim_needs_no_quirk() {
    for variables in [&[("SCIM_QUIRKS", "false")][..], &[("SCIM_QUIRKS", "false"), ("SCIM_STRICT", "true")]] {
        let app = App::start_with(variables).await;
        let body = json!({
            "schemas": [USER, ENTERPRISE], "UserName": "ann", "active": true, "externalId": "E",
            "emails": [{ "value": "a@b", "type": "work", "primary": true }], "roles": [], "title": null,
            ENTERPRISE: { "department": "D", "manager": { "value": "26118915" } },
        });
        let ann = app.post("/Users", body).await.expect(201).id();
        let bob = app.user("bob").await;
        let team = app.group("Team", &[&ann]).await;
        let path = format!("/Users/{ann}");
        let operations = json!([
            { "op": "add", "path": "name.givenName", "value": "A" },
            { "op": "replace", "value": { "active": false, "nickName": "N", ENTERPRISE: { "division": "V" } } },
            { "op": "add", "path": "emails", "value": [{ "value": "c@d", "type": "home" }] },
            { "op": "replace", "path": "emails[type eq \"work\"].value", "value": "x@y" },
            { "op": "replace", "path": format!("{ENTERPRISE}:manager"), "value": { "value": "7" } },
            { "op": "remove", "path": "emails[type eq \"home\"]" },
        ]);
        let patched = app.operations(&path, operations).await.expect(200).body;
        assert_eq!(patched["active"], false);
        assert_eq!(patched["emails"], json!([{ "value": "x@y", "type": "work", "primary": true }]));
        assert_eq!(patched[ENTERPRISE], json!({ "department": "D", "manager": { "value": "7" }, "division": "V" }));
        let operations = json!([
            { "op": "add", "path": "members", "value": [{ "value": bob }] },
            { "op": "remove", "path": format!("members[value eq \"{ann}\"]") },
        ]);
        app.operations(&format!("/Groups/{team}"), operations).await.expect(204);
        assert_eq!(members(&app, &team).await, [bob.clone()].into());
        for (filter, expected) in [
            ("USERNAME Eq \"ANN\"", vec![ann.clone()]),
            ("active eq false and emails[type eq \"work\" and value co \"x@\"]", vec![ann.clone()]),
            ("not (externalId pr)", vec![bob.clone()]),
        ] {
            assert_eq!(found(&app, "/Users", filter).await, expected, "{filter}");
        }
        app.operations(&format!("/Groups/{team}"), json!([{ "op": "remove", "path": "members" }])).await.expect(204);
        app.delete(&path).await.expect(204);
        is_intact(&app).await;
    }
}
