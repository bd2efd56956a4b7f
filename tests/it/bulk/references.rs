//! `bulkId:` references (RFC 7644 section 3.7.2): backward, forward, in paths, in filters, and to nothing.

use super::*;
use crate::guarantees::members;

#[tokio::test]
async fn rfc7644_section_3_7_2_a_reference_becomes_the_id() {
    for forward in [false, true] {
        let app = App::start().await;
        let mut operations = [
            json!({
                "method": "POST", "path": "/Users", "bulkId": "qwerty",
                "data": { "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "Alice" },
            }),
            json!({
                "method": "POST", "path": "/Groups", "bulkId": "ytrewq",
                "data": {
                    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                    "displayName": "Tour Guides",
                    "members": [{ "type": "User", "value": "bulkId:qwerty" }],
                },
            }),
            json!({
                "method": "POST", "path": "/Users", "bulkId": "azerty",
                "data": {
                    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
                    "userName": "Bob",
                    ENTERPRISE: { "employeeNumber": "11250", "manager": { "value": "bulkId:qwerty" } },
                },
            }),
        ];
        if forward {
            operations.reverse();
        }
        let mut outcomes = bulk(&app, &operations).await;
        if forward {
            outcomes.reverse();
        }
        assert_eq!(statuses(&outcomes), [201, 201, 201]);
        let alice = id(&outcomes[0]);
        assert_eq!(members(&app, &id(&outcomes[1])).await, [alice.clone()].into());
        let bob = at(&app, &outcomes[2]).await;
        assert_eq!(bob[ENTERPRISE]["manager"]["value"], json!(alice), "{bob}");
        assert_eq!(bob[ENTERPRISE]["employeeNumber"], "11250");
        for outcome in &outcomes {
            assert_eq!(at(&app, outcome).await["meta"]["version"], outcome["version"]);
        }
    }
}

#[tokio::test]
async fn a_chain_of_references_is_followed_from_either_end() {
    for forward in [false, true] {
        let app = App::start().await;
        let names: Vec<String> = (0..40).map(|number| format!("g{number}")).collect();
        let mut operations = vec![user("ann"), group(&names[0], &["bulkId:ann"])];
        operations
            .extend(names.windows(2).map(|pair| group(&pair[1], &[&format!("bulkId:{}", pair[0]), "bulkId:ann"])));
        if forward {
            operations.reverse();
        }
        let mut outcomes = bulk(&app, &operations).await;
        if forward {
            outcomes.reverse();
        }
        assert!(outcomes.iter().all(|outcome| status(outcome) == 201), "{outcomes:#?}");
        let ann = id(&outcomes[0]);
        assert_eq!(members(&app, &id(&outcomes[1])).await, [ann.clone()].into());
        for pair in outcomes[1..].windows(2) {
            assert_eq!(members(&app, &id(&pair[1])).await, [ann.clone(), id(&pair[0])].into());
        }
    }
}

#[tokio::test]
async fn references_stand_in_paths_and_in_value_filters() {
    let app = App::start().await;
    let add = |value: Value| json!([{ "op": "add", "path": "members", "value": value }]);
    let remove = json!([{ "op": "remove", "path": "members[value eq \"bulkId:bob\"]" }]);
    let [zoe, old] = ["zoe", "old"].map(|name| app.user(name));
    let (zoe, old) = (zoe.await, old.await);
    let crew = app.group("Crew", &[&zoe]).await;
    let outcomes = bulk(
        &app,
        &[
            // Forward: both the target and the member come later.
            patch("/Groups/bulkId:team", add(json!([{ "value": "bulkId:ann" }, { "value": zoe }]))),
            group("team", &["bulkId:bob"]),
            user("ann"),
            user("bob"),
            user("gone"),
            patch("/Groups/bulkId:team", remove),
            operation("PUT", "/Users/bulkId:ann", json!({ "userName": "Anna", "title": "T" })),
            patch("/Users/bulkId:bob", json!([{ "op": "add", "value": { "nickName": "B" } }])),
            operation("DELETE", "/Users/bulkId:gone", Value::Null),
            patch(
                &format!("/Groups/{crew}"),
                json!([{ "op": "add", "value": { "members": [{ "value": "bulkId:ann" }] } }]),
            ),
            operation(
                "PUT",
                &format!("/Users/{old}"),
                json!({ "userName": "old", ENTERPRISE: { "manager": { "value": "bulkId:ann" } } }),
            ),
        ],
    )
    .await;
    assert_eq!(statuses(&outcomes), [204, 201, 201, 201, 201, 204, 200, 200, 204, 204, 200]);
    let [team, ann, bob, gone] = [1, 2, 3, 4].map(|index: usize| id(&outcomes[index]));
    for (target, expected) in [(0, &team), (5, &team), (6, &ann), (7, &bob), (8, &gone), (9, &crew), (10, &old)] {
        assert_eq!(&id(&outcomes[target]), expected, "{}", outcomes[target]);
    }
    assert_eq!(members(&app, &team).await, [ann.clone(), zoe.clone()].into());
    assert_eq!(members(&app, &crew).await, [ann.clone(), zoe].into());
    let anna = app.get(&format!("/Users/{ann}")).await.expect(200).body;
    assert_eq!((&anna["userName"], &anna["title"]), (&json!("Anna"), &json!("T")));
    assert_eq!(app.get(&format!("/Users/{bob}")).await.expect(200).body["nickName"], "B");
    app.get(&format!("/Users/{gone}")).await.is_error(404, None);
    let old = app.get(&format!("/Users/{old}")).await.expect(200).body;
    assert_eq!(old[ENTERPRISE]["manager"]["value"], json!(ann), "{old}");
}

#[tokio::test]
async fn a_reference_to_nothing_fails_its_operation_alone() {
    let app = App::start().await;
    let team = format!("/Groups/{}", app.group("Team", &[]).await);
    let lone = format!("/Users/{}", app.user("lone").await);
    let add = json!([{ "op": "add", "path": "members", "value": [{ "value": "bulkId:nobody" }] }]);
    let bad = [
        group("a", &["bulkId:nobody"]),
        group("a", &["bulkId:"]),
        post("/Users", "a", json!({ "userName": "a", ENTERPRISE: { "manager": { "value": "bulkId:nobody" } } })),
        patch(&team, add),
        patch(&team, json!([{ "op": "remove", "path": "members[value eq \"bulkId:nobody\"]" }])),
        patch("/Users/bulkId:nobody", json!([{ "op": "remove", "path": "title" }])),
        operation("PUT", "/Users/bulkId:nobody", json!({ "userName": "x" })),
        operation("DELETE", "/Groups/bulkId:nobody", Value::Null),
        // Only a POST makes something that has a bulkId.
        group("a", &["bulkId:put"]),
    ];
    let put = json!({ "method": "PUT", "path": lone, "bulkId": "put", "data": { "userName": "lone" } });
    for bad in bad {
        let before = total(&app, "/Groups").await;
        let outcomes = bulk(&app, &[put.clone(), bad.clone(), user("ok")]).await;
        assert_eq!(statuses(&outcomes), [200, 400, 201], "{bad}");
        is_error(&outcomes[1], 400, Some("invalidValue"));
        assert_eq!(total(&app, "/Groups").await, before, "{bad}");
        app.delete(&format!("/Users/{}", id(&outcomes[2]))).await.expect(204);
        assert_eq!(total(&app, "/Users").await, 1, "{bad}");
    }
}

#[tokio::test]
async fn what_refers_to_a_failed_operation_fails_and_so_on() {
    for forward in [false, true] {
        let app = App::start().await;
        app.user("taken").await;
        let mut operations = [
            user("taken"),
            user("free"),
            group("a", &["bulkId:taken", "bulkId:free"]),
            group("b", &["bulkId:a"]),
            group("c", &["bulkId:free"]),
            patch("/Groups/bulkId:c", json!([{ "op": "add", "path": "members", "value": [{ "value": "bulkId:b" }] }])),
            operation("DELETE", "/Groups/bulkId:b", Value::Null),
        ];
        if forward {
            operations.reverse();
        }
        let mut outcomes = bulk(&app, &operations).await;
        if forward {
            outcomes.reverse();
        }
        assert_eq!(statuses(&outcomes), [409, 201, 400, 400, 201, 400, 400], "forward {forward}");
        is_error(&outcomes[0], 409, Some("uniqueness"));
        for index in [2, 3, 5, 6] {
            is_error(&outcomes[index], 400, Some("invalidValue"));
        }
        assert_eq!((total(&app, "/Users").await, total(&app, "/Groups").await), (2, 1));
        assert_eq!(members(&app, &id(&outcomes[4])).await, [id(&outcomes[1])].into());
    }
}
