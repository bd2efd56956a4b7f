//! `SCIM_MAX_WALK`: how many resources one query may read; and the plan of each query, which says whether it walks.

use super::*;
use crate::search::query;

/// `plan` of the `Server-Timing` header.
#[track_caller]
fn plan(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let header = answer.headers["server-timing"].to_str().unwrap();
    let rest = header.split("plan=").nth(1).unwrap_or_else(|| panic!("no plan in {header}"));
    rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap().to_owned()
}

#[tokio::test]
async fn each_query_says_how_it_was_answered() {
    let app = App::start().await;
    let ann = json!({ "userName": "ann", "externalId": "E", "emails": [{ "value": "a@b", "type": "work" }] });
    let ann = app.post("/Users", ann).await.expect(201).id();
    let team = app.group("Team", &[&ann]).await;
    let filter = |text: &str| json!({ "filter": text });
    let cases = [
        ("/Users", filter(&format!("id eq \"{ann}\"")), "point"),
        ("/Users", filter(&format!("active eq true and id eq \"{ann}\"")), "point"),
        ("/Groups", filter(&format!("id eq \"{team}\" and members eq \"{ann}\"")), "point"),
        ("/Users", filter("userName eq \"ann\""), "lookup"),
        ("/Users", filter("userName eq \"nobody\""), "lookup"),
        ("/Users", filter("active eq true and userName eq \"ANN\""), "lookup"),
        ("/Users", filter("externalId eq \"E\""), "lookup"),
        ("/Users", filter("emails eq \"a@b\""), "lookup"),
        ("/Users", filter("emails.value eq \"a@b\""), "lookup"),
        ("/Users", filter("emails[type eq \"work\" and value eq \"a@b\"]"), "lookup"),
        ("/Users", filter("emails[type eq \"work\"].value eq \"a@b\""), "lookup"),
        ("/Groups", filter("displayName eq \"team\""), "lookup"),
        ("/Groups", filter("externalId eq \"x\""), "lookup"),
        ("/Groups", filter(&format!("members.value eq \"{ann}\"")), "lookup"),
        ("/Groups", filter(&format!("members[value eq \"{ann}\"]")), "lookup"),
        ("/Users", json!({ "filter": "userName eq \"ann\"", "sortBy": "userName" }), "lookup"),
        ("/Users", json!({ "filter": "externalId eq \"E\"", "cursor": "" }), "lookup"),
        ("/Users", json!({}), "range"),
        ("/Users", json!({ "startIndex": 2, "count": 1 }), "range"),
        ("/Users", json!({ "count": 0 }), "range"),
        ("/Users", json!({ "cursor": "" }), "range"),
        ("/Groups", json!({ "attributes": ["displayName"] }), "range"),
        ("/Users", filter("userName co \"a\""), "walk"),
        ("/Users", filter("userName sw \"a\""), "walk"),
        ("/Users", filter("userName ne \"a\""), "walk"),
        ("/Users", filter("active eq true"), "walk"),
        ("/Users", filter("not (userName eq \"ann\")"), "walk"),
        ("/Users", filter("userName eq \"ann\" or title pr"), "walk"),
        ("/Users", json!({ "sortBy": "userName" }), "walk"),
        ("/Users", json!({ "sortBy": "userName", "count": 1 }), "walk"),
        ("/Users", json!({ "filter": "active eq true", "cursor": "" }), "walk"),
        ("/Groups", json!({ "sortBy": "displayName", "cursor": "" }), "walk"),
    ];
    for (endpoint, parameters, expected) in cases {
        let read = app.get(&format!("{endpoint}?{}", query(&parameters))).await;
        assert_eq!(plan(&read), expected, "{endpoint} {parameters}");
        assert_eq!(plan(&search(&app, endpoint, parameters.clone()).await), expected, "{endpoint} {parameters}");
    }
    // No query, no plan.
    for path in [format!("/Users/{ann}"), "/ServiceProviderConfig".into()] {
        let header = app.get(&path).await.expect(200).headers["server-timing"].to_str().unwrap().to_owned();
        assert!(!header.contains("plan="), "{path}: {header}");
    }
}

#[tokio::test]
async fn a_query_that_would_read_too_much_is_refused_and_says_what_to_ask_instead() {
    let app = App::start_with(&[("SCIM_MAX_WALK", "50")]).await;
    let ids = users(&app, 60).await;
    let team = app.group("Team", &[&ids[0]]).await;
    let too_many = [
        json!({ "filter": "userName co \"x\"" }),
        json!({ "filter": "userName sw \"user1\"" }),
        json!({ "filter": "active eq true", "count": 1 }),
        json!({ "filter": "not (userName eq \"user1@example.com\")", "count": 0 }),
        json!({ "filter": "userName eq \"user1@example.com\" or title pr" }),
        json!({ "filter": "active eq true", "cursor": "" }),
        json!({ "sortBy": "userName" }),
        json!({ "sortBy": "userName", "count": 10 }),
        json!({ "sortBy": "userName", "cursor": "", "count": 10 }),
        json!({ "sortBy": "userName", "filter": "active eq true" }),
    ];
    let says_what_to_do = |answer: Answer| {
        let detail = answer.detail();
        assert!(detail.contains("50"), "{detail}");
        assert!(["userName", "externalId", "emails"].iter().any(|name| detail.contains(name)), "{detail}");
    };
    for parameters in &too_many {
        let path = format!("/Users?{}", query(parameters));
        says_what_to_do(refused(&app, app.get(&path), 400, Some("tooMany")).await);
        says_what_to_do(refused(&app, search(&app, "/Users", parameters.clone()), 400, Some("tooMany")).await);
    }
    refused(&app, search(&app, "", json!({ "filter": "displayName co \"x\"" })), 400, Some("tooMany")).await;

    for (filter, expected) in [
        (format!("id eq \"{}\"", ids[3]), &ids[3]),
        ("userName eq \"user7@example.com\"".into(), &ids[7]),
        ("userName eq \"user7@example.com\" and active eq true".into(), &ids[7]),
        (format!("groups.value eq \"{team}\""), &ids[0]),
    ] {
        assert_eq!(found(&app, "/Users", &filter).await, std::slice::from_ref(expected), "{filter}");
        let sorted = json!({ "filter": filter, "sortBy": "userName" });
        assert_eq!(search(&app, "/Users", sorted).await.expect(200).ids(), std::slice::from_ref(expected), "{filter}");
    }
    for filter in ["externalId eq \"x\"", "emails.value eq \"x@y\"", "emails[type eq \"work\"].value eq \"x@y\""] {
        assert!(found(&app, "/Users", filter).await.is_empty(), "{filter}");
    }
    // The other type is small.
    for parameters in [json!({ "filter": "displayName co \"ea\"" }), json!({ "sortBy": "displayName" })] {
        assert_eq!(search(&app, "/Groups", parameters).await.expect(200).ids(), [team.clone()]);
    }

    // Lists of everything are no walk.
    let list = app.get("/Users?startIndex=55").await.expect(200);
    assert_eq!((list.ids().len(), list.total()), (6, 60));
    assert_eq!(search(&app, "/Users", json!({})).await.expect(200).ids().len(), 60);
    let mut seen = Vec::new();
    let mut cursor = Some(String::new());
    while let Some(at) = cursor {
        let page = app.get(&format!("/Users?count=25&cursor={at}")).await.expect(200);
        seen.extend(page.ids());
        cursor = page.body["nextCursor"].as_str().map(str::to_owned);
    }
    assert_eq!(seen.len(), 60);

    // The budget itself is within the budget.
    for id in &ids[50..] {
        app.delete(&format!("/Users/{id}")).await.expect(204);
    }
    for parameters in &too_many {
        let answer = app.get(&format!("/Users?{}", query(parameters))).await;
        assert_eq!(answer.status, 200, "{parameters}: {}", answer.text);
    }
    app.user("51").await;
    for parameters in &too_many {
        app.get(&format!("/Users?{}", query(parameters))).await.is_error(400, Some("tooMany"));
    }
}

#[tokio::test]
async fn by_default_small_tenants_are_walked() {
    let app = App::start().await;
    users(&app, 60).await;
    assert_eq!(found(&app, "/Users", "userName co \"user1\"").await.len(), 11);
    assert_eq!(search(&app, "/Users", json!({ "sortBy": "userName" })).await.expect(200).total(), 60);
}
