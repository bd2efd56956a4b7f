//! Sorting (RFC 7644 section 3.4.2.3), on queries of both kinds.

use crate::harness::{Answer, App};
use crate::requirements::refused;
use crate::search::{query, search};
use serde_json::{Value, json};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// The answer to a query, which is the same by GET and by POST.
async fn sorted(app: &App, endpoint: &str, parameters: &Value) -> Answer {
    let read = app.get(&format!("{endpoint}?{}", query(parameters))).await;
    assert_eq!(read.status, 200, "{parameters}: {}", read.text);
    assert_eq!(search(app, endpoint, parameters.clone()).await.expect(200).body, read.body, "{parameters}");
    read
}

fn names(answer: &Answer) -> Vec<String> {
    let resources = answer.body["Resources"].as_array().unwrap();
    let name = |resource: &Value| resource.get("userName").or(resource.get("displayName")).unwrap().clone();
    resources.iter().map(|resource| name(resource).as_str().unwrap().to_owned()).collect()
}

async fn create(app: &App, endpoint: &str, resources: &[Value]) {
    for resource in resources {
        app.post(endpoint, resource.clone()).await.expect(201);
    }
}

/// Asserts the order of all users, ascending, and that no paging of it differs; `descending` is another order.
async fn is_order(app: &App, sort_by: &str, ascending: &[&str], descending: &[&str]) {
    let orders = [
        (json!({ "sortBy": sort_by }), ascending),
        (json!({ "sortBy": sort_by, "sortOrder": "ascending" }), ascending),
        (json!({ "sortBy": sort_by, "sortOrder": "descending" }), descending),
    ];
    for (parameters, expected) in orders {
        let whole = sorted(app, "/Users", &parameters).await;
        assert_eq!(names(&whole), expected, "{parameters}");
        assert_eq!(whole.total(), expected.len() as u64, "{parameters}");
        for (start, count) in [(1, 1), (1, 2), (2, 2), (3, 100), (expected.len(), 1), (expected.len() + 1, 5)] {
            let mut page = parameters.clone();
            page["startIndex"] = start.into();
            page["count"] = count.into();
            let answer = sorted(app, "/Users", &page).await;
            let part: Vec<&str> = expected.iter().skip(start - 1).take(count).copied().collect();
            assert_eq!(names(&answer), part, "{page}");
            assert_eq!(answer.total(), expected.len() as u64, "{page}");
        }
    }
}

#[tokio::test]
async fn rfc7644_section_3_4_2_3_each_type_of_attribute_has_its_order() {
    let app = App::start().await;
    let users = [
        json!({
            "userName": "bob", "externalId": "b", "title": "z", "active": true,
            "name": { "familyName": "éA" },
            "emails": [{ "value": "z@x", "type": "work" }, { "value": "b@x", "type": "home", "primary": true }],
            ENTERPRISE: { "department": "tools", "manager": { "value": "m2" } },
        }),
        json!({
            "userName": "Ann", "externalId": "B", "title": "Y", "active": false,
            "name": { "familyName": "Éaa" },
            "emails": [{ "value": "C@x", "type": "other" }, { "value": "a@x" }],
            ENTERPRISE: { "department": "Sales", "manager": { "value": "m1" } },
        }),
        json!({ "userName": "CID", "externalId": "a", "title": "x", "active": true, "name": { "familyName": "ÉB" } }),
        json!({
            "userName": "dee", "externalId": "A", "active": false,
            "emails": [{ "value": "a@x", "type": "work" }],
            ENTERPRISE: { "department": "admin" },
        }),
    ];
    create(&app, "/Users", &users).await;
    // Folded; caseExact.
    is_order(&app, "userName", &["Ann", "bob", "CID", "dee"], &["dee", "CID", "bob", "Ann"]).await;
    is_order(&app, "USERNAME", &["Ann", "bob", "CID", "dee"], &["dee", "CID", "bob", "Ann"]).await;
    is_order(&app, "externalId", &["dee", "Ann", "CID", "bob"], &["bob", "CID", "Ann", "dee"]).await;
    // A missing value is last ascending, first descending.
    is_order(&app, "title", &["CID", "Ann", "bob", "dee"], &["dee", "bob", "Ann", "CID"]).await;
    is_order(&app, "name.familyName", &["bob", "Ann", "CID", "dee"], &["dee", "CID", "Ann", "bob"]).await;
    // The primary value, or the first.
    is_order(&app, "emails", &["dee", "bob", "Ann", "CID"], &["CID", "Ann", "bob", "dee"]).await;
    is_order(&app, "emails.value", &["dee", "bob", "Ann", "CID"], &["CID", "Ann", "bob", "dee"]).await;
    is_order(&app, "emails.type", &["bob", "Ann", "dee", "CID"], &["CID", "dee", "Ann", "bob"]).await;
    let department = format!("{ENTERPRISE}:department");
    is_order(&app, &department, &["dee", "Ann", "bob", "CID"], &["CID", "bob", "Ann", "dee"]).await;
    let core = "urn:ietf:params:scim:schemas:core:2.0:User:userName";
    is_order(&app, core, &["Ann", "bob", "CID", "dee"], &["dee", "CID", "bob", "Ann"]).await;

    // Two values each, ties in whatever order: false before true.
    let active = async |order: &str| {
        let answer = sorted(&app, "/Users", &json!({ "sortBy": "active", "sortOrder": order })).await;
        let flags = answer.body["Resources"].as_array().unwrap().iter().map(|user| user["active"].clone());
        flags.collect::<Vec<_>>()
    };
    assert_eq!(active("ascending").await, [false, false, true, true]);
    assert_eq!(active("descending").await, [true, true, false, false]);
}

#[tokio::test]
async fn a_date_time_is_sorted_as_an_instant() {
    let app = App::start().await;
    let mut ids = Vec::new();
    for name in ["ann", "bob", "cid"] {
        ids.push(app.user(name).await);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    is_order(&app, "meta.created", &["ann", "bob", "cid"], &["cid", "bob", "ann"]).await;
    let change = json!([{ "op": "add", "path": "title", "value": "T" }]);
    app.operations(&format!("/Users/{}", ids[0]), change).await.expect(200);
    is_order(&app, "meta.lastModified", &["bob", "cid", "ann"], &["ann", "cid", "bob"]).await;
}

#[tokio::test]
async fn equals_are_sorted_by_id_on_every_page() {
    let app = App::start().await;
    for number in 0..30 {
        let title = ["Same", "same", "SAME"][number % 3];
        let mut user = json!({ "userName": format!("u{number}"), "title": title });
        if number >= 24 {
            user.as_object_mut().unwrap().shift_remove("title");
        }
        app.post("/Users", user).await.expect(201);
    }
    let of = async |filter: &str| app.find("/Users", filter).await.expect(200).ids();
    let (with, without) = (of("title pr").await, of("not (title pr)").await);
    let expected = [with, without].concat();
    let whole = sorted(&app, "/Users", &json!({ "sortBy": "title" })).await;
    assert_eq!(whole.ids(), expected);
    for (order, whole) in [
        ("ascending", whole.ids()),
        ("descending", sorted(&app, "/Users", &json!({ "sortBy": "title", "sortOrder": "descending" })).await.ids()),
    ] {
        for count in [1, 7, 30] {
            let mut pages = Vec::new();
            for start in (1..=30).step_by(count) {
                let page = json!({ "sortBy": "title", "sortOrder": order, "startIndex": start, "count": count });
                pages.extend(sorted(&app, "/Users", &page).await.ids());
            }
            assert_eq!(pages, whole, "{order}, {count} a page");
        }
    }
}

#[tokio::test]
async fn what_a_filter_finds_is_sorted() {
    let app = App::start().await;
    let users = ["dee", "Bob", "ann", "CID"].map(|name| {
        json!({ "userName": name, "title": if name == "CID" { "b" } else { "a" }, "externalId": "same", "emails": [{ "value": "team@x" }] })
    });
    create(&app, "/Users", &users).await;
    create(&app, "/Groups", &["b", "C", "a"].map(|name| json!({ "displayName": name, "externalId": "same" }))).await;
    for (filter, expected) in [
        ("title eq \"a\"", vec!["ann", "Bob", "dee"]),
        ("externalId eq \"same\"", vec!["ann", "Bob", "CID", "dee"]),
        ("emails eq \"team@x\" and title eq \"b\"", vec!["CID"]),
        ("userName eq \"nobody\"", vec![]),
    ] {
        let parameters = json!({ "filter": filter, "sortBy": "userName" });
        assert_eq!(names(&sorted(&app, "/Users", &parameters).await), expected, "{filter}");
        let parameters = json!({ "filter": filter, "sortBy": "userName", "startIndex": 2, "count": 1 });
        let answer = sorted(&app, "/Users", &parameters).await;
        assert_eq!(names(&answer), expected.iter().skip(1).take(1).copied().collect::<Vec<_>>(), "{filter}");
        assert_eq!(answer.total(), expected.len() as u64, "{filter}");
    }
    let parameters = json!({ "sortBy": "displayName", "attributes": ["id"] });
    let groups = sorted(&app, "/Groups", &parameters).await;
    assert_eq!(groups.total(), 3);
    let parameters = json!({ "sortBy": "displayName", "filter": "externalId eq \"same\"", "sortOrder": "descending" });
    assert_eq!(names(&sorted(&app, "/Groups", &parameters).await), ["C", "b", "a"]);
    // What is sorted by need not be shown.
    let named = sorted(&app, "/Groups", &json!({ "sortBy": "displayName" })).await;
    assert_eq!((names(&named), named.ids()), (vec!["a".into(), "b".into(), "C".into()], groups.ids()));
}

/// More than one page, more than one read of the table.
#[tokio::test]
async fn paging_runs_over_the_sorted_whole() {
    let app = App::start().await;
    let mut expected = Vec::new();
    for number in 0..250_u64 {
        // Neither the order of creation nor that of ids.
        let name = format!("u{:03}", number * 101 % 250);
        app.user(&name).await;
        expected.push(name);
    }
    expected.sort();
    let mut pages = Vec::new();
    for start in [1, 101, 201] {
        let answer = sorted(&app, "/Users", &json!({ "sortBy": "userName", "startIndex": start })).await;
        assert_eq!(answer.total(), 250);
        pages.extend(names(&answer));
    }
    assert_eq!(pages, expected);
}

#[tokio::test]
async fn what_cannot_be_sorted_by_is_refused() {
    let app = App::start().await;
    app.user("ann").await;
    app.group("Team", &[]).await;
    let unknown = format!("{ENTERPRISE}:shoeSize");
    let cases = [
        ("/Users", json!({ "sortBy": "shoeSize" }), "invalidPath"),
        ("/Users", json!({ "sortBy": "name" }), "invalidPath"),
        ("/Users", json!({ "sortBy": "name.shoe" }), "invalidPath"),
        ("/Users", json!({ "sortBy": "meta" }), "invalidPath"),
        ("/Users", json!({ "sortBy": "a b" }), "invalidPath"),
        ("/Users", json!({ "sortBy": "emails[type eq \"work\"]" }), "invalidPath"),
        ("/Users", json!({ "sortBy": unknown }), "invalidPath"),
        ("/Groups", json!({ "sortBy": "userName" }), "invalidPath"),
        ("/Users", json!({ "sortBy": "userName", "sortOrder": "up" }), "invalidValue"),
        ("/Users", json!({ "sortBy": "userName", "sortOrder": "desc" }), "invalidValue"),
    ];
    for (endpoint, parameters, scim_type) in cases {
        let path = format!("{endpoint}?{}", query(&parameters));
        let read = refused(&app, app.get(&path), 400, Some(scim_type)).await;
        let found = refused(&app, search(&app, endpoint, parameters), 400, Some(scim_type)).await;
        assert_eq!(found.body, read.body, "{path}");
    }
    let answer = app.get("/Users?sortBy=userName&sortOrder=up").await;
    assert!(answer.detail().contains("sortOrder") && answer.detail().contains("up"), "{}", answer.text);
    assert!(app.get("/Users?sortBy=shoeSize").await.detail().contains("shoeSize"));
    for path in ["/Users?sortBy=", "/Users?sortOrder=descending", "/Users?sortBy=groups", "/Groups?sortBy=members"] {
        assert_eq!(app.get(path).await.expect(200).total(), 1, "{path}");
    }
}

#[tokio::test]
async fn sort_is_published() {
    let config = App::start().await.get("/ServiceProviderConfig").await.expect(200).body;
    assert_eq!(config["sort"], json!({ "supported": true }));
}
