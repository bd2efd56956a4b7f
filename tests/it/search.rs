//! Queries by POST (RFC 7644 section 3.4.3), on a resource type and on the root; and what the other endpoints answer to
//! a query.

use crate::guarantees::users;
use crate::harness::{ACME_TOKEN, Answer, App};
use crate::requirements::refused;
use serde_json::{Value, json};

const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// The root and the resource types.
const ENDPOINTS: [&str; 3] = ["", "/Users", "/Groups"];

/// A search with these parameters.
pub async fn search(app: &App, endpoint: &str, parameters: Value) -> Answer {
    let mut body = parameters;
    body["schemas"] = json!([SEARCH]);
    app.post(&format!("{endpoint}/.search"), body).await
}

/// The same parameters as a query string.
pub fn query(parameters: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(names) => names.iter().map(|name| name.as_str().unwrap()).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    };
    let pairs = parameters.as_object().unwrap().iter().map(|(name, value)| (name, text(value)));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

async fn ids(app: &App, endpoint: &str, parameters: Value) -> Vec<String> {
    let answer = search(app, endpoint, parameters.clone()).await;
    assert_eq!(answer.status, 200, "{parameters}: {}", answer.text);
    assert_eq!(answer.body["schemas"], json!([LIST]));
    assert_eq!(answer.total(), answer.ids().len() as u64, "{parameters}");
    answer.ids()
}

/// Four users and three groups, each in id order.
async fn both(app: &App) -> (Vec<String>, Vec<String>) {
    let mut users = Vec::new();
    for (name, display, external) in
        [("bob", "Zed", "E1"), ("ann", "Smith, Ann", "E2"), ("dee", "", "E3"), ("cid", "smithers", "E4")]
    {
        let mut body = json!({ "userName": name, "externalId": external, "active": name != "dee" });
        if !display.is_empty() {
            body["displayName"] = display.into();
        }
        users.push(app.post("/Users", body).await.expect(201).id());
    }
    let mut groups = Vec::new();
    for (name, external) in [("Smith Family", "E1"), ("Alpha", "G2"), ("zz", "G3")] {
        let body = json!({ "displayName": name, "externalId": external, "members": [{ "value": users[0] }] });
        groups.push(app.post("/Groups", body).await.expect(201).id());
    }
    users.sort();
    groups.sort();
    (users, groups)
}

#[tokio::test]
async fn rfc7644_section_3_4_3_a_search_is_the_query_with_the_same_parameters() {
    let app = App::start().await;
    let (users, _) = both(&app).await;
    let cases = [
        ("/Users", json!({})),
        ("/Users", json!({ "filter": "userName sw \"a\" or externalId eq \"E3\"" })),
        ("/Users", json!({ "filter": "userName eq \"ANN\"" })),
        ("/Users", json!({ "filter": "userName eq \"nobody\"" })),
        ("/Users", json!({ "filter": format!("id eq \"{}\"", users[0]) })),
        ("/Users", json!({ "attributes": ["userName", "displayName"] })),
        ("/Users", json!({ "attributes": ["userName"], "filter": "active eq true", "startIndex": 2, "count": 1 })),
        ("/Users", json!({ "excludedAttributes": ["groups", "meta", "externalId"] })),
        ("/Users", json!({ "startIndex": 2, "count": 2 })),
        ("/Users", json!({ "startIndex": 0, "count": -1 })),
        ("/Users", json!({ "startIndex": 9 })),
        ("/Users", json!({ "count": 0 })),
        ("/Users", json!({ "sortBy": "userName" })),
        ("/Users", json!({ "sortBy": "displayName", "sortOrder": "descending", "count": 3, "startIndex": 2 })),
        ("/Groups", json!({ "filter": format!("members.value eq \"{}\"", users[0]) })),
        ("/Groups", json!({ "filter": "displayName co \"a\"", "sortBy": "displayName", "attributes": ["members"] })),
        ("/Groups", json!({ "excludedAttributes": ["members"] })),
        ("/Groups", json!({ "attributes": ["displayName", "members.value"] })),
    ];
    for (endpoint, parameters) in cases {
        let read = app.get(&format!("{endpoint}?{}", query(&parameters))).await.expect(200);
        let found = search(&app, endpoint, parameters.clone()).await.expect(200);
        assert_eq!(found.body, read.body, "{endpoint} {parameters}");
        assert_eq!(found.headers["content-type"], read.headers["content-type"]);
    }
    for (endpoint, parameters) in [
        ("/Users", json!({ "filter": "userName eq" })),
        ("/Users", json!({ "filter": "shoeSize eq 1" })),
        ("/Users", json!({ "sortBy": "shoeSize" })),
        ("/Users", json!({ "sortBy": "userName", "sortOrder": "up" })),
        ("/Groups", json!({ "filter": "userName eq \"x\"" })),
        ("/Users", json!({ "startIndex": "one" })),
        ("/Users", json!({ "count": "many" })),
    ] {
        let read = app.get(&format!("{endpoint}?{}", query(&parameters))).await;
        let found =
            refused(&app, search(&app, endpoint, parameters.clone()), 400, read.body["scimType"].as_str()).await;
        assert_eq!(found.body, read.body, "{endpoint} {parameters}");
    }
}

#[tokio::test]
async fn the_root_lists_users_and_then_groups_and_pages_cross_from_one_to_the_other() {
    let app = App::start().await;
    assert_eq!(search(&app, "", json!({})).await.expect(200).total(), 0);
    let (users, groups) = both(&app).await;
    let all = [users, groups].concat();
    for filter in [None, Some("meta.resourceType eq \"User\" or displayName pr"), Some("externalId pr")] {
        for count in 0..=8 {
            for start in 1..=9 {
                let mut parameters = json!({ "startIndex": start, "count": count });
                if let Some(filter) = filter {
                    parameters["filter"] = filter.into();
                }
                let answer = search(&app, "", parameters.clone()).await.expect(200);
                let expected: Vec<String> = all.iter().skip(start - 1).take(count).cloned().collect();
                assert_eq!(answer.ids(), expected, "{parameters}");
                assert_eq!(answer.total(), 7, "{parameters}");
                assert_eq!(answer.body["startIndex"], json!(start), "{parameters}");
                assert_eq!(answer.body["itemsPerPage"], json!(expected.len()), "{parameters}");
            }
        }
    }
    let whole = search(&app, "", json!({})).await.expect(200);
    for resource in whole.body["Resources"].as_array().unwrap() {
        let location = resource["meta"]["location"].as_str().unwrap();
        let alone = app.get(location.split_once("scim.test").unwrap().1).await.expect(200).body;
        assert_eq!(resource, &alone, "as it is read alone");
    }
}

/// As in a list of one type (a Lambda answer holds 6 MB).
#[tokio::test]
async fn a_root_page_ends_early_when_its_resources_are_large() {
    let app = App::start().await;
    for number in 0..30 {
        let user = json!({ "userName": format!("u{number}"), "title": "t".repeat(200_000) });
        app.post("/Users", user).await.expect(201);
        app.group(&format!("g{number}"), &[]).await;
    }
    let mut seen = Vec::new();
    while seen.len() < 60 {
        let answer = search(&app, "", json!({ "startIndex": seen.len() + 1 })).await.expect(200);
        assert!(answer.text.len() < 5_000_000, "{} bytes", answer.text.len());
        assert_eq!((answer.total(), answer.body["itemsPerPage"].as_u64()), (60, Some(answer.ids().len() as u64)));
        assert!(!answer.ids().is_empty());
        seen.extend(answer.ids());
    }
    let unique: std::collections::BTreeSet<&String> = seen.iter().collect();
    assert_eq!(unique.len(), 60);
}

/// A resource type whose resources outnumber a page.
#[tokio::test]
async fn a_root_page_that_lies_far_behind_is_exact() {
    let app = App::start().await;
    let mut all = users(&app, 130).await;
    all.sort();
    let mut groups = Vec::new();
    for number in 0..20 {
        groups.push(app.group(&format!("group{number}"), &[]).await);
    }
    groups.sort();
    all.extend(groups);
    for (start, count) in [(1, 100), (50, 100), (100, 50), (101, 100), (125, 10), (130, 1), (131, 5), (140, 100)] {
        let answer = search(&app, "", json!({ "startIndex": start, "count": count })).await.expect(200);
        assert_eq!(answer.total(), 150);
        let expected: Vec<String> = all.iter().skip(start - 1).take(count).cloned().collect();
        assert_eq!(answer.ids(), expected, "startIndex {start}, count {count}");
    }
}

#[tokio::test]
async fn rfc7644_section_3_4_2_1_an_attribute_that_one_type_has_is_absent_on_the_other() {
    let app = App::start().await;
    let (users, groups) = both(&app).await;
    let all = [users.clone(), groups.clone()].concat();
    let of = async |endpoint: &str, filter: &str| app.find(endpoint, filter).await.expect(200).ids();
    let mut cases = vec![
        ("meta.resourceType eq \"User\"".to_owned(), users.clone()),
        ("meta.resourceType eq \"Group\"".into(), groups.clone()),
        ("(meta.resourceType eq \"User\") or (meta.resourceType eq \"Group\")".into(), all.clone()),
        ("meta.resourceType eq \"Device\"".into(), vec![]),
        ("userName pr".into(), users.clone()),
        ("active pr".into(), users.clone()),
        ("members pr".into(), groups.clone()),
        ("not (userName pr)".into(), groups.clone()),
        ("not (members pr)".into(), users.clone()),
        ("id pr".into(), all.clone()),
        (format!("id eq \"{}\"", users[1]), vec![users[1].clone()]),
        (format!("id eq \"{}\"", groups[1]), vec![groups[1].clone()]),
        (format!("schemas eq \"{USER}\""), users.clone()),
        ("members.value eq \"nobody\" or userName eq \"nobody\"".into(), vec![]),
        (format!("{ENTERPRISE}:department eq \"x\" or members pr"), groups.clone()),
    ];
    // On both types: what each of them finds alone.
    for filter in ["externalId eq \"E1\"", "displayName co \"smith\"", "displayName eq \"zz\"", "externalId sw \"G\""] {
        cases.push((filter.into(), [of("/Users", filter).await, of("/Groups", filter).await].concat()));
    }
    let ann = of("/Users", "userName eq \"ann\"").await;
    cases.push(("userName eq \"ANN\"".into(), ann.clone()));
    let alpha = of("/Groups", "displayName eq \"alpha\"").await;
    cases.push(("userName eq \"ANN\" or displayName eq \"alpha\"".into(), [ann, alpha].concat()));
    for (filter, expected) in cases {
        assert_eq!(ids(&app, "", json!({ "filter": filter })).await, expected, "{filter}");
    }
    for filter in ["shoeSize eq 1", "userName pr and shoeSize pr", "name.shoe eq \"x\"", "userName eq"] {
        refused(&app, search(&app, "", json!({ "filter": filter })), 400, Some("invalidFilter")).await;
    }
}

#[tokio::test]
async fn the_root_sorts_users_and_groups_together() {
    let app = App::start().await;
    let (users, groups) = both(&app).await;
    let names = async |parameters: Value| {
        let answer = search(&app, "", parameters).await.expect(200);
        assert_eq!(answer.total(), 7);
        let name = |resource: &Value| resource["displayName"].as_str().unwrap_or("-").to_owned();
        answer.body["Resources"].as_array().unwrap().iter().map(name).collect::<Vec<_>>()
    };
    let ascending = ["Alpha", "Smith Family", "Smith, Ann", "smithers", "Zed", "zz", "-"];
    assert_eq!(names(json!({ "sortBy": "displayName" })).await, ascending);
    assert_eq!(names(json!({ "sortBy": "displayName", "startIndex": 2, "count": 3 })).await, ascending[1..4]);
    let descending: Vec<&str> = ascending.into_iter().rev().collect();
    assert_eq!(names(json!({ "sortBy": "displayName", "sortOrder": "descending" })).await, descending);

    // Groups have no userName: last ascending, first descending, by id among themselves.
    let by_user_name = ids(&app, "", json!({ "sortBy": "userName" })).await;
    let users_sorted = ids(&app, "/Users", json!({ "sortBy": "userName" })).await;
    assert_eq!(by_user_name, [users_sorted.clone(), groups.clone()].concat());
    let descending = ids(&app, "", json!({ "sortBy": "userName", "sortOrder": "descending" })).await;
    assert_eq!(descending[groups.len()..], users_sorted.iter().rev().cloned().collect::<Vec<_>>());
    let mut all = [users, groups].concat();
    all.sort();
    assert_eq!(ids(&app, "", json!({ "sortBy": "id" })).await, all);

    // By what one type has, of what the other has.
    let filtered = json!({ "filter": "members pr or userName eq \"ann\"", "sortBy": "userName" });
    let ann = ids(&app, "/Users", json!({ "filter": "userName eq \"ann\"" })).await;
    let groups = all.iter().filter(|id| !users_sorted.contains(id)).cloned().collect();
    assert_eq!(ids(&app, "", filtered).await, [ann, groups].concat());

    for sort_by in ["shoeSize", "name", "name.shoe"] {
        refused(&app, search(&app, "", json!({ "sortBy": sort_by })), 400, Some("invalidPath")).await;
    }
}

#[tokio::test]
async fn the_root_shows_of_each_type_what_it_has() {
    let app = App::start().await;
    both(&app).await;
    let keys = async |parameters: Value| {
        let answer = search(&app, "", parameters).await.expect(200);
        let resources = answer.body["Resources"].as_array().unwrap().clone();
        let keys = |resource: &Value| {
            let mut keys: Vec<String> = resource.as_object().unwrap().keys().cloned().collect();
            keys.retain(|key| key != "schemas");
            keys.sort();
            keys.join(" ")
        };
        (keys(&resources[0]), keys(&resources[1]))
    };
    let one_of_each = json!({ "filter": "userName eq \"ann\" or displayName eq \"Alpha\"" });
    let with = |name: &str, names: Value| {
        let mut parameters = one_of_each.clone();
        parameters[name] = names;
        parameters
    };
    let cases = [
        (with("attributes", json!(["displayName", "userName"])), "displayName id userName", "displayName id"),
        (with("attributes", json!(["members", "active"])), "active id", "id members"),
        (
            with("excludedAttributes", json!(["members", "meta", "active"])),
            "displayName externalId id userName",
            "displayName externalId id",
        ),
    ];
    for (parameters, user, group) in cases {
        let (found_user, found_group) = keys(parameters.clone()).await;
        assert_eq!((found_user.as_str(), found_group.as_str()), (user, group), "{parameters}");
    }
}

#[tokio::test]
async fn a_search_stays_within_its_tenant_and_needs_a_token() {
    let app = App::start().await;
    both(&app).await;
    for endpoint in ENDPOINTS {
        let path = format!("{endpoint}/.search");
        let send = async |token: &str| {
            let headers = [("authorization", token), ("content-type", "application/scim+json")];
            app.send("POST", &path, &headers, Some(b"{}".to_vec())).await
        };
        assert_eq!(send(&format!("Bearer {ACME_TOKEN}")).await.expect(200).total(), 0, "{path}");
        send("").await.is_error(401, None);
        send("Bearer wrong").await.is_error(401, None);
    }
}

#[tokio::test]
async fn a_search_is_a_post_of_an_object() {
    let app = App::start().await;
    for endpoint in ENDPOINTS {
        let path = format!("{endpoint}/.search");
        for method in ["GET", "PUT", "PATCH", "DELETE"] {
            let answer = app.send(method, &path, &[], None).await;
            answer.is_error(405, None);
            assert_eq!(answer.headers["allow"], "POST", "{method} {path}");
        }
        for body in [json!([]), json!("userName pr"), json!(null), json!(7)] {
            refused(&app, app.post(&path, body), 400, Some("invalidSyntax")).await;
        }
        for body in [json!({ "filter": 7 }), json!({ "attributes": { "a": 1 } }), json!({ "count": [] })] {
            refused(&app, app.post(&path, body), 400, Some("invalidValue")).await;
        }
        let sent = app.send("POST", &path, &[("content-type", "application/scim+json")], Some(b"{".to_vec()));
        refused(&app, sent, 400, Some("invalidSyntax")).await;
        let sent = app.send("POST", &path, &[("content-type", "text/plain")], Some(b"{}".to_vec()));
        refused(&app, sent, 415, None).await;
        // null and unknown members stand for nothing.
        let body = json!({ "filter": null, "sortBy": null, "count": null, "shoeSize": 44 });
        assert_eq!(search(&app, endpoint, body).await.expect(200).total(), 0);
    }
}

#[tokio::test]
async fn rfc7644_section_4_discovery_is_not_filtered() {
    let app = App::start().await;
    for path in ["/ServiceProviderConfig", "/Schemas", "/ResourceTypes"] {
        for filter in ["id%20pr", "id%20eq%20%22User%22", "nonsense"] {
            app.get(&format!("{path}?filter={filter}")).await.is_error(403, None);
        }
        // Other parameters are ignored.
        let plain = app.get(path).await.expect(200);
        assert_eq!(
            app.get(&format!("{path}?startIndex=2&count=1&sortBy=id&cursor")).await.expect(200).body,
            plain.body
        );
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let answer =
                app.send(method, path, &[("content-type", "application/scim+json")], Some(b"{}".to_vec())).await;
            answer.is_error(405, None);
            assert!(answer.headers["allow"].to_str().unwrap().contains("GET"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn rfc7644_section_3_11_me_is_not_implemented() {
    let app = App::start().await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let body = (method != "GET" && method != "DELETE").then(|| b"{}".to_vec());
        refused(&app, app.send(method, "/Me", &[("content-type", "application/scim+json")], body), 501, None).await;
    }
}
