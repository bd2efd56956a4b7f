//! Users, one user by name, groups, members and the log, as requests leave them.

use super::languages::Language;
use crate::administration::records;
use crate::harness::App;
use serde_json::{Value, json};

fn user(name: &str, more: Value) -> Value {
    let mut user = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name });
    user.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    user
}

async fn create(app: &App, name: &str, more: Value) -> String {
    app.post("/Users", user(name, more)).await.expect(201).id()
}

fn ids(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["id"].as_str().unwrap()).collect()
}

/// Reads in every language that is at hand, and expects the same of each.
pub async fn all_read(app: &App, arguments: &[&str], expected: &[Value]) {
    for language in Language::ALL {
        if let Some(lines) = language.read(app, arguments).await {
            assert_eq!(lines, expected, "{language:?} {arguments:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_language_reads_what_the_requests_left() {
    let app = App::start().await;
    let emails = json!([{ "value": "other@example.com" }, { "value": "ann@example.com", "primary": true }]);
    let ann = create(&app, "Ann", json!({ "active": true, "emails": emails })).await;
    let bob = create(&app, "bob", json!({})).await;
    let carol = create(&app, "carol", json!({ "active": false })).await;
    let gone = create(&app, "gone", json!({})).await;
    let inner = app.group("Inner", &[&ann]).await;
    let outer = app.group("Outer", &[&ann, &gone, &inner]).await;
    let named = json!([{ "op": "add", "path": "members", "value": [{ "value": bob, "display": "Bob B." }] }]);
    app.operations(&format!("/Groups/{outer}"), named).await.expect(204);
    app.delete(&format!("/Users/{gone}")).await.expect(204);

    let mut users = vec![
        json!({ "id": ann, "userName": "Ann", "active": true, "email": "ann@example.com" }),
        json!({ "id": bob, "userName": "bob", "active": true }),
        json!({ "id": carol, "userName": "carol", "active": false }),
    ];
    for user in &users {
        all_read(&app, &["user", user["userName"].as_str().unwrap()], &[user.clone()]).await;
    }
    users.sort_by_key(|user| user["id"].as_str().unwrap().to_owned());
    all_read(&app, &["users"], &users).await;
    all_read(&app, &["user", "gone"], &[]).await;

    let mut members = vec![
        json!({ "id": ann, "type": "User" }),
        json!({ "id": bob, "type": "User", "display": "Bob B." }),
        json!({ "id": inner, "type": "Group" }),
    ];
    members.sort_by_key(|member| member["id"].as_str().unwrap().to_owned());
    all_read(&app, &["members", &outer], &members).await;
    all_read(&app, &["members", "nobody"], &[]).await;

    let (in_inner, in_outer) =
        (json!({ "id": inner, "displayName": "Inner" }), json!({ "id": outer, "displayName": "Outer" }));
    let mut both = [in_inner, in_outer.clone()];
    both.sort_by_key(|group| group["id"].as_str().unwrap().to_owned());
    all_read(&app, &["groups", &ann], &both).await;
    all_read(&app, &["groups", &inner], &[in_outer]).await;
    all_read(&app, &["groups", &carol], &[]).await;
    all_read(&app, &["groups", &gone], &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_found_by_her_name_in_any_case_of_letters() {
    let app = App::start().await;
    let (long, long_in_capitals) = ("ä".repeat(600), "Ä".repeat(600));
    for (name, asked) in [
        ("ann@example.com", "ANN@Example.COM"),
        ("Straße", "STRASSE"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("Jos\u{e9}", "JOSE\u{301}"),
        ("ᏣᎳᎩ", "ꮳꮃꭹ"),
        ("İzmir", "i\u{307}zmir"),
        ("\u{fb01}n", "FIN"),
        ("ılk", "ılk"),
        // A dotless letter is no other one's capital.
        ("ilk", "ILK"),
        (&long, &long_in_capitals),
    ] {
        let id = create(&app, name, json!({})).await;
        let found = json!({ "id": id, "userName": name, "active": true });
        all_read(&app, &["user", asked], &[found]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_of_the_last_day_is_read_with_records_of_any_size() {
    let app = App::start().await;
    let ann = create(&app, "ann", json!({})).await;
    // Text that does not compress well: more than one part.
    for seed in 1..3_u32 {
        let mut state = seed;
        let mut letter = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b' ' + (state >> 25) as u8 % 94)
        };
        let title: String = (0..255_000).map(|_| letter()).filter(|letter| !"\"\\".contains(*letter)).collect();
        app.put(&format!("/Users/{ann}"), user("ann", json!({ "title": title }))).await.expect(200);
    }
    app.operations(&format!("/Users/{ann}"), json!([{ "op": "remove", "path": "title" }])).await.expect(200);
    app.delete(&format!("/Users/{ann}")).await.expect(204);

    let parts = app.dump().await.keys().filter(|(pk, sk)| pk.contains("#LOG#") && sk.contains('#')).count();
    assert!(parts > 3, "{parts} parts of three records");
    let records = records(&app, "default").await;
    for language in Language::ALL {
        let Some(lines) = language.read(&app, &["log"]).await else { continue };
        assert_eq!(ids(&lines), records.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), "{language:?}");
        for (line, record) in lines.iter().zip(&records) {
            assert!(line["changes"] == record.changes, "{language:?}: the changes of {} are others", record.operation);
            let said = ["operation", "resourceType", "resourceId", "actor", "requestId", "at"].map(|name| &line[name]);
            let expected = [
                &record.operation,
                &record.resource_type,
                &record.resource_id,
                &record.actor,
                &record.request_id,
                &record.at,
            ];
            assert_eq!(said, expected.map(|text| json!(text)).each_ref(), "{language:?}");
        }
    }
}
