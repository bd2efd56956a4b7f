//! A schema of the deployment's own, enforced like one that is compiled in: types, mutability, returned, uniqueness,
//! requirement; filtered, sorted and patched.

use super::schema_files::{BADGE, TEAM, attribute, schema, start, start_with};
use super::*;
use crate::harness::ACME_TOKEN;

/// An extension with an attribute of each kind.
fn badge() -> Value {
    let sub_attributes = json!([attribute("value", "string", json!({})), attribute("floor", "integer", json!({}))]);
    schema(
        "User",
        BADGE,
        json!([
            attribute("number", "string", json!({ "uniqueness": "server", "caseExact": true })),
            attribute("alias", "string", json!({ "uniqueness": "server" })),
            attribute("kind", "string", json!({ "canonicalValues": ["visitor", "staff"] })),
            attribute("level", "integer", json!({})),
            attribute("score", "decimal", json!({})),
            attribute("vetted", "boolean", json!({})),
            attribute("since", "dateTime", json!({})),
            attribute("photo", "binary", json!({})),
            attribute("serial", "string", json!({ "mutability": "immutable" })),
            attribute("audit", "string", json!({ "mutability": "readOnly" })),
            attribute("pin", "string", json!({ "mutability": "writeOnly", "returned": "never" })),
            attribute("note", "string", json!({ "returned": "request" })),
            attribute("site", "string", json!({ "returned": "always" })),
            attribute("tags", "string", json!({ "multiValued": true })),
            attribute("lockers", "complex", json!({ "multiValued": true, "subAttributes": sub_attributes })),
            attribute("desk", "complex", json!({ "subAttributes": sub_attributes })),
        ]),
    )
}

fn user(name: &str, badge: Value) -> Value {
    json!({ "schemas": [USER, BADGE], "userName": name, BADGE: badge })
}

async fn create(app: &App, name: &str, badge: Value) -> String {
    format!("/Users/{}", app.post("/Users", user(name, badge)).await.expect(201).id())
}

/// The extension as a GET shows it.
async fn shown(app: &App, path: &str) -> Value {
    app.get(path).await.expect(200).body[BADGE].clone()
}

fn path_to(attribute: &str) -> String {
    format!("{BADGE}:{attribute}")
}

fn one(op: &str, attribute: &str, value: Value) -> Value {
    json!([{ "op": op, "path": path_to(attribute), "value": value }])
}

#[tokio::test]
async fn what_is_sent_is_kept_in_canonical_spelling_and_named_in_schemas() {
    for variables in [&[][..], &[("SCIM_STRICT", "true")], &[("SCIM_QUIRKS", "false")]] {
        let app = start_with(&[badge()], variables).await;
        let sent = json!({
            "number": "B1", "kind": "guest", "level": 3, "score": 1.5, "vetted": true, "since": "2026-01-31T09:00:00Z",
            "photo": "AAAA", "tags": ["a", "b"], "lockers": [{ "value": "L", "floor": 2 }], "desk": { "floor": 1 },
        });
        let path = create(&app, "ann", sent.clone()).await;
        let read = app.get(&path).await.expect(200).body;
        assert_eq!(read[BADGE], sent);
        assert!(read["schemas"].as_array().unwrap().contains(&json!(BADGE)), "{read}");
        let odd = json!({ "userName": "bob", BADGE.to_uppercase(): { "NUMBER": "B2", "Desk": { "FLOOR": 4 } } });
        let odd = app.post("/Users", odd).await.expect(201).body;
        assert_eq!(odd[BADGE], json!({ "number": "B2", "desk": { "floor": 4 } }));
        let put = app.put(&path, user("ann", json!({ "level": 4, "tags": [], "desk": null }))).await.expect(200).body;
        assert_eq!(put[BADGE], json!({ "level": 4 }));
        let put = app.put(&path, json!({ "userName": "ann" })).await.expect(200).body;
        assert!(put.get(BADGE).is_none() && !put["schemas"].as_array().unwrap().contains(&json!(BADGE)), "{put}");
    }
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_refused_by_name() {
    let app = start(&[badge()]).await;
    let path = create(&app, "ann", json!({ "lockers": [{ "value": "L", "floor": 2 }] })).await;
    for (name, value) in [
        ("kind", json!(7)),
        ("level", json!("3")),
        ("level", json!(1.5)),
        ("score", json!("x")),
        ("vetted", json!("yes")),
        ("since", json!("yesterday")),
        ("photo", json!("%")),
        ("tags", json!([1])),
        ("lockers", json!([{ "floor": "two" }])),
        ("desk", json!(7)),
        ("desk", json!({ "floor": true })),
    ] {
        let wrong = user("new", json!({ name: value }));
        for answer in [
            refused(&app, app.post("/Users", wrong.clone()), 400, Some("invalidValue")).await,
            refused(&app, app.put(&path, wrong.clone()), 400, Some("invalidValue")).await,
            refused(&app, app.operations(&path, one("replace", name, value.clone())), 400, Some("invalidValue")).await,
            refused(
                &app,
                app.operations(&path, json!([{ "op": "add", "value": { BADGE: { name: value } } }])),
                400,
                Some("invalidValue"),
            )
            .await,
        ] {
            assert!(answer.detail().contains(name), "{name} {value}: {}", answer.text);
        }
    }
    let floor = one("replace", "lockers[value eq \"L\"].floor", json!("two"));
    refused(&app, app.operations(&path, floor), 400, Some("invalidValue")).await;
}

#[tokio::test]
async fn it_is_filtered_and_sorted_by_its_types() {
    let app = start(&[badge()]).await;
    let badges = [
        (
            "ann",
            json!({ "level": 9, "kind": "Staff", "since": "2026-01-01T00:00:00Z", "tags": ["x", "y"], "site": "a" }),
        ),
        ("bob", json!({ "level": 10, "vetted": true, "since": "2026-01-01T02:00:00+03:00", "number": "b" })),
        ("cid", json!({ "lockers": [{ "value": "L1", "floor": 1 }, { "value": "L2", "floor": 2 }], "number": "B" })),
        ("dee", json!({ "score": 0.5, "desk": { "value": "D", "floor": 12 } })),
    ];
    let mut ids = Vec::new();
    for (name, badge) in badges {
        ids.push(create(&app, name, badge).await[7..].to_owned());
    }
    let filters = [
        ("level gt 9", vec![1]),
        ("level ge 9", vec![0, 1]),
        ("level eq 10", vec![1]),
        ("kind eq \"STAFF\"", vec![0]),
        ("kind pr", vec![0]),
        ("vetted eq true", vec![1]),
        ("since lt \"2026-01-01T00:00:00Z\"", vec![1]),
        ("tags eq \"X\"", vec![0]),
        ("number eq \"B\"", vec![2]),
        ("number sw \"b\"", vec![1]),
        ("lockers.floor eq 2", vec![2]),
        ("lockers[value eq \"l1\" and floor eq 1]", vec![2]),
        ("lockers[value eq \"L1\" and floor eq 2]", vec![]),
        ("score lt 1", vec![3]),
        ("desk.floor gt 9", vec![3]),
    ];
    for (filter, expected) in filters {
        let mut expected: Vec<String> = expected.into_iter().map(|index: usize| ids[index].clone()).collect();
        expected.sort();
        assert_eq!(found(&app, "/Users", &path_to(filter)).await, expected, "{filter}");
    }
    for filter in ["level eq \"nine\"", "shoe eq 1", "desk.shoe pr"] {
        refused(&app, app.find("/Users", &path_to(filter)), 400, Some("invalidFilter")).await;
    }
    let sorted = async |attribute: &str| {
        let answer = search(&app, "/Users", json!({ "sortBy": path_to(attribute) })).await.expect(200);
        let found = answer.ids();
        found.iter().map(|id| ids.iter().position(|known| known == id).unwrap()).collect::<Vec<_>>()
    };
    // 9 before 10; an instant, not a text; caseExact.
    assert_eq!(sorted("level").await[..2], [0, 1]);
    assert_eq!(sorted("since").await[..2], [1, 0]);
    assert_eq!(sorted("number").await[..2], [2, 1]);
    assert_eq!(sorted("desk.floor").await[0], 3);
    refused(&app, search(&app, "/Users", json!({ "sortBy": path_to("shoe") })), 400, Some("invalidPath")).await;
}

#[tokio::test]
async fn it_is_patched_in_every_form() {
    let app = start(&[badge()]).await;
    let path = create(&app, "ann", json!({ "level": 1, "lockers": [{ "value": "L1", "floor": 1 }] })).await;
    let steps = [
        (one("replace", "level", json!(2)), json!({ "level": 2 })),
        (one("add", "TAGS", json!(["a"])), json!({ "tags": ["a"] })),
        (one("add", "tags", json!(["b"])), json!({ "tags": ["a", "b"] })),
        (
            json!([{ "op": "replace", "value": { BADGE: { "kind": "staff", "level": 3 } } }]),
            json!({ "kind": "staff", "level": 3 }),
        ),
        (json!([{ "op": "add", "value": { path_to("vetted"): true } }]), json!({ "vetted": true })),
        (
            one("add", "lockers", json!([{ "value": "L2", "floor": 2 }])),
            json!({ "lockers": [{ "value": "L1", "floor": 1 }, { "value": "L2", "floor": 2 }] }),
        ),
        (
            one("replace", "lockers[value eq \"L2\"].floor", json!(5)),
            json!({ "lockers": [{ "value": "L1", "floor": 1 }, { "value": "L2", "floor": 5 }] }),
        ),
        (
            json!([{ "op": "remove", "path": path_to("lockers[floor gt 4]") }]),
            json!({ "lockers": [{ "value": "L1", "floor": 1 }] }),
        ),
        (one("add", "desk.floor", json!(7)), json!({ "desk": { "floor": 7 } })),
        (json!([{ "op": "remove", "path": path_to("kind") }]), json!({ "kind": null })),
    ];
    for (operations, expected) in steps {
        app.operations(&path, operations.clone()).await.expect(200);
        let extension = shown(&app, &path).await;
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&extension[name], value, "{operations}");
        }
    }
    app.operations(&path, json!([{ "op": "remove", "path": BADGE }])).await.expect(200);
    assert_eq!(shown(&app, &path).await, Value::Null);
}

#[tokio::test]
async fn returned_says_when_an_attribute_is_shown() {
    let app = start(&[badge()]).await;
    let sent = json!({ "level": 1, "pin": "1234", "note": "N", "site": "S" });
    let posted = app.post("/Users", user("ann", sent.clone())).await.expect(201);
    let path = format!("/Users/{}", posted.id());
    let by_default = json!({ "level": 1, "site": "S" });
    assert_eq!(posted.body[BADGE], by_default);
    assert_eq!(shown(&app, &path).await, by_default);
    assert_eq!(app.put(&path, user("ann", sent)).await.expect(200).body[BADGE], by_default);
    let cases = [
        ("attributes=userName".to_owned(), json!({ "site": "S" })),
        (format!("attributes={}", path_to("note")), json!({ "note": "N", "site": "S" })),
        (format!("attributes={}", path_to("pin")), json!({ "site": "S" })),
        (format!("attributes={}", path_to("level")), json!({ "level": 1, "site": "S" })),
        (format!("excludedAttributes={}", path_to("site")), by_default.clone()),
        (format!("excludedAttributes={}", path_to("level")), json!({ "site": "S" })),
    ];
    for (query, expected) in cases {
        assert_eq!(app.get(&format!("{path}?{query}")).await.expect(200).body[BADGE], expected, "{query}");
        let list = app.get(&format!("/Users?{query}")).await.expect(200).body;
        assert_eq!(list["Resources"][0][BADGE], expected, "{query}");
    }
    let pin = app.operations(&path, one("replace", "pin", json!("9999"))).await;
    assert_eq!(pin.status, 200, "{}", pin.text);
    assert!(!pin.text.contains("9999"), "{}", pin.text);
}

#[tokio::test]
async fn what_is_read_only_is_the_servers() {
    let app = start(&[badge()]).await;
    let path = create(&app, "ann", json!({ "level": 1, "audit": "mine" })).await;
    assert_eq!(shown(&app, &path).await, json!({ "level": 1 }));
    let put = app.put(&path, user("ann", json!({ "level": 2, "audit": "mine" }))).await.expect(200).body;
    assert_eq!(put[BADGE], json!({ "level": 2 }));
    for op in ["add", "replace", "remove"] {
        refused(&app, app.operations(&path, one(op, "audit", json!("mine"))), 400, Some("mutability")).await;
    }
}

#[tokio::test]
async fn what_is_immutable_is_set_once() {
    let app = start(&[badge()]).await;
    let made = create(&app, "made", json!({ "serial": "S1", "level": 1 })).await;
    // Absent, it can be set by PATCH and by PUT.
    let (patched, put) = (app.user("patched").await, app.user("put").await);
    let (patched, put) = (format!("/Users/{patched}"), format!("/Users/{put}"));
    app.operations(&patched, one("add", "serial", json!("S1"))).await.expect(200);
    app.put(&put, user("put", json!({ "serial": "S1" }))).await.expect(200);
    for path in [&made, &patched, &put] {
        assert_eq!(shown(&app, path).await["serial"], "S1");
        let name = app.get(path).await.expect(200).body["userName"].as_str().unwrap().to_owned();
        let changes = [
            one("replace", "serial", json!("S2")),
            one("add", "serial", json!("S2")),
            json!([{ "op": "remove", "path": path_to("serial") }]),
            json!([{ "op": "replace", "value": { BADGE: { "serial": "S2" } } }]),
            json!([{ "op": "remove", "path": BADGE }]),
        ];
        for change in changes {
            let answer = refused(&app, app.operations(path, change.clone()), 400, Some("mutability")).await;
            assert!(answer.detail().contains("serial"), "{change}: {}", answer.text);
        }
        let change = app.put(path, user(&name, json!({ "serial": "S2" })));
        refused(&app, change, 400, Some("mutability")).await;
        // Left out of a PUT it is not changed, in the extension and with it.
        let without = app.put(path, user(&name, json!({ "level": 6 }))).await.expect(200);
        assert_eq!(without.body[BADGE], json!({ "level": 6, "serial": "S1" }));
        assert_eq!(app.put(path, json!({ "userName": name })).await.expect(200).body[BADGE], json!({ "serial": "S1" }));
        // The same value, beside another that changes.
        let same = user(&name, json!({ "serial": "S1", "level": 7 }));
        assert_eq!(app.put(path, same).await.expect(200).body[BADGE], json!({ "serial": "S1", "level": 7 }));
        app.operations(path, one("replace", "serial", json!("S1"))).await.expect(200);
        app.operations(path, json!([{ "op": "add", "value": { BADGE: { "serial": "S1", "level": 8 } } }]))
            .await
            .expect(200);
        assert_eq!(shown(&app, path).await, json!({ "serial": "S1", "level": 8 }));
    }
}

#[tokio::test]
async fn what_is_unique_is_given_once_and_looked_up() {
    let app = start_with(&[badge()], &[("SCIM_MAX_WALK", "1")]).await;
    let ann = create(&app, "ann", json!({ "number": "B1", "alias": "Lynx" })).await;
    let bob = create(&app, "bob", json!({ "number": "b1", "alias": "Fox" })).await;
    for taken in [json!({ "number": "B1" }), json!({ "alias": "LYNX" })] {
        let (name, value) = taken.as_object().unwrap().iter().next().unwrap();
        let is_taken = |answer: Answer| {
            answer.is_error(409, Some("uniqueness"));
            assert!(answer.detail().contains(name.as_str()), "{}", answer.text);
        };
        let before = app.dump().await;
        is_taken(app.post("/Users", user("new", taken.clone())).await);
        is_taken(app.put(&bob, user("bob", taken.clone())).await);
        is_taken(app.operations(&bob, one("replace", name, value.clone())).await);
        assert_eq!(app.dump().await, before);
    }
    let plan = |answer: &Answer| answer.headers["server-timing"].to_str().unwrap().contains("plan=lookup");
    for (filter, expected) in [
        ("number eq \"B1\"", &ann),
        ("number eq \"b1\"", &bob),
        ("alias eq \"lynx\"", &ann),
        ("ALIAS eq \"FOX\"", &bob),
    ] {
        let answer = app.find("/Users", &path_to(filter)).await.expect(200);
        assert_eq!(answer.ids(), [expected[7..].to_owned()], "{filter}");
        assert!(plan(&answer), "{filter}: {:?}", answer.headers["server-timing"]);
    }
    // One's own value is free to oneself; a value that was given up is free to all, and found at its new holder.
    app.put(&ann, user("ann", json!({ "number": "B1", "alias": "LYNX" }))).await.expect(200);
    app.operations(&ann, json!([{ "op": "remove", "path": path_to("number") }])).await.expect(200);
    app.operations(&bob, one("replace", "number", json!("B1"))).await.expect(200);
    assert_eq!(found(&app, "/Users", &path_to("number eq \"B1\"")).await, [bob[7..].to_owned()]);
    assert!(found(&app, "/Users", &path_to("number eq \"b1\"")).await.is_empty());
    app.delete(&ann).await.expect(204);
    create(&app, "cid", json!({ "alias": "lynx" })).await;
    // Of this tenant.
    let headers = [("authorization", format!("Bearer {ACME_TOKEN}")), ("content-type", "application/json".into())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let body = user("ann", json!({ "number": "B1", "alias": "lynx" })).to_string().into_bytes();
    app.send("POST", "/Users", &headers, Some(body)).await.expect(201);
}

#[tokio::test]
async fn a_required_extension_and_what_it_requires_must_be_there() {
    let required = json!({ "required": true });
    let locker = json!([attribute("value", "string", required.clone()), attribute("floor", "integer", json!({}))]);
    let attributes = json!([
        attribute("number", "string", required.clone()),
        attribute("lockers", "complex", json!({ "multiValued": true, "subAttributes": locker })),
    ]);
    let app = start(&[merged(&schema("User", BADGE, attributes), &required)]).await;
    let path = create(&app, "ann", json!({ "number": "B1" })).await;
    for (body, name) in [
        (json!({ "userName": "new" }), BADGE),
        (user("new", json!({})), BADGE),
        (user("new", json!({ "lockers": [{ "value": "L" }] })), "number"),
        (user("new", json!({ "number": "" })), "number"),
        (user("new", json!({ "number": "B2", "lockers": [{ "value": "L" }, { "floor": 1 }] })), "value"),
    ] {
        for answer in [
            refused(&app, app.post("/Users", body.clone()), 400, Some("invalidValue")).await,
            refused(&app, app.put(&path, body.clone()), 400, Some("invalidValue")).await,
        ] {
            assert!(answer.detail().contains(name), "{body}: {}", answer.text);
        }
    }
    for operations in [
        json!([{ "op": "remove", "path": path_to("number") }]),
        json!([{ "op": "remove", "path": BADGE }]),
        json!([{ "op": "add", "path": path_to("lockers"), "value": [{ "floor": 1 }] }]),
    ] {
        let before = app.dump().await;
        let answer = app.operations(&path, operations.clone()).await;
        assert_eq!(answer.status, 400, "{operations}: {}", answer.text);
        assert_eq!(app.dump().await, before);
    }
    assert_eq!(shown(&app, &path).await, json!({ "number": "B1" }));
    // Without the requirement.
    let app = start(&[badge()]).await;
    app.post("/Users", json!({ "userName": "new" })).await.expect(201);
}

#[tokio::test]
async fn core_attributes_and_extensions_of_groups_work_alike() {
    let files = [
        schema(
            "User",
            USER,
            json!([attribute("shirtSize", "string", json!({})), attribute("rank", "integer", json!({}))]),
        ),
        schema("Group", GROUP, json!([attribute("code", "string", json!({ "uniqueness": "server" }))])),
        schema("Group", TEAM, json!([attribute("cost", "integer", json!({}))])),
    ];
    let app = start_with(&files, &[("SCIM_STRICT", "true")]).await;
    let sizes = [("ann", "M", 10), ("bob", "s", 9)];
    let mut ids = Vec::new();
    for (name, size, rank) in sizes {
        let body = json!({ "schemas": [USER], "userName": name, "SHIRTSIZE": size, "rank": rank });
        let created = app.post("/Users", body).await.expect(201);
        assert_eq!((&created.body["shirtSize"], &created.body["schemas"]), (&json!(size), &json!([USER])));
        ids.push(created.id());
    }
    assert_eq!(found(&app, "/Users", "shirtSize eq \"m\"").await, [ids[0].clone()]);
    assert_eq!(found(&app, "/Users", &format!("{USER}:rank lt 10")).await, [ids[1].clone()]);
    let sorted = search(&app, "/Users", json!({ "sortBy": "rank" })).await.expect(200);
    assert_eq!(sorted.ids(), [ids[1].clone(), ids[0].clone()]);
    let path = format!("/Users/{}", ids[0]);
    refused(&app, app.post("/Users", json!({ "userName": "new", "rank": "x" })), 400, Some("invalidValue")).await;
    let patched = app.operations(&path, json!([{ "op": "replace", "path": "rank", "value": 1 }])).await.expect(200);
    assert_eq!(patched.body["rank"], 1);

    let group = json!({ "displayName": "Team", "code": "T1", TEAM: { "cost": 7 }, "members": [{ "value": ids[0] }] });
    let team = app.post("/Groups", group).await.expect(201);
    assert_eq!((&team.body["code"], &team.body[TEAM]), (&json!("T1"), &json!({ "cost": 7 })));
    let again = json!({ "displayName": "Other", "code": "t1" });
    refused(&app, app.post("/Groups", again), 409, Some("uniqueness")).await;
    for filter in [
        "code eq \"t1\"".to_owned(),
        format!("{TEAM}:cost gt 6"),
        format!("{TEAM}:cost eq 7 and members eq \"{}\"", ids[0]),
    ] {
        assert_eq!(found(&app, "/Groups", &filter).await, [team.id()], "{filter}");
    }
    let cost = json!([{ "op": "replace", "path": format!("{TEAM}:cost"), "value": 8 }]);
    app.operations(&format!("/Groups/{}", team.id()), cost).await.expect(204);
    let read = app.get(&format!("/Groups/{}", team.id())).await.expect(200).body;
    assert_eq!((&read[TEAM]["cost"], &read["members"][0]["value"]), (&json!(8), &json!(ids[0])));
    // What one type has the root takes for absent on the other.
    let both = search(&app, "", json!({ "filter": format!("rank eq 1 or {TEAM}:cost eq 8") })).await.expect(200);
    assert_eq!(both.ids(), [ids[0].clone(), team.id()]);
}

#[tokio::test]
async fn a_walk_in_the_order_of_decimals_gives_each_user_once() {
    let app = start(&[badge()]).await;
    let mut created = Vec::new();
    for number in 1..=80_u32 {
        // Many digits, close to each other.
        let score = 1.0 + f64::from(number).sqrt() * 1e-14 + f64::from(number % 7) * 0.1;
        created.push(create(&app, &format!("u{number}"), json!({ "score": score })).await[7..].to_owned());
    }
    for order in ["ascending", "descending"] {
        let (mut seen, mut cursor) = (Vec::new(), Some(String::new()));
        while let Some(at) = cursor {
            let parameters = json!({ "sortBy": path_to("score"), "sortOrder": order, "count": 1, "cursor": at });
            let page = search(&app, "/Users", parameters).await.expect(200);
            seen.extend(page.ids());
            cursor = page.body["nextCursor"].as_str().map(str::to_owned);
            assert!(seen.len() <= created.len(), "{order}: a user was seen twice");
        }
        seen.sort();
        created.sort();
        assert_eq!(seen, created, "{order}");
    }
}
