//! Cursors (RFC 9865): a walk gives each resource once, and a cursor is good for the query that gave it alone.

use crate::guarantees::users;
use crate::harness::{ACME_TOKEN, Answer, App, OTHER_TOKEN, TOKEN};
use crate::requirements::refused;
use crate::search::{query, search};
use crate::seed::{fill, population};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The parameters of a page.
fn with_cursor(parameters: &Value, cursor: &str) -> Value {
    let mut parameters = parameters.clone();
    parameters["cursor"] = cursor.into();
    parameters
}

async fn page(app: &App, endpoint: &str, parameters: &Value, cursor: &str) -> Answer {
    app.get(&format!("{endpoint}?{}", query(&with_cursor(parameters, cursor)))).await
}

async fn page_with_token(app: &App, token: &str, endpoint: &str, parameters: &Value, cursor: &str) -> Answer {
    let path = format!("{endpoint}?{}", query(&with_cursor(parameters, cursor)));
    app.send("GET", &path, &[("authorization", &format!("Bearer {token}"))], None).await
}

/// Checks what section 2 says of a page, and gives the cursor for the next one.
#[track_caller]
fn next(answer: &Answer) -> Option<String> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.body.get("startIndex").is_none(), "{}", answer.text);
    assert_eq!(answer.body["itemsPerPage"], json!(answer.ids().len()), "{}", answer.text);
    let cursor = answer.body.get("nextCursor")?.as_str().expect("a string").to_owned();
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    assert!(!cursor.is_empty() && cursor.bytes().all(is_unreserved), "{cursor}");
    assert!(cursor.len() < 4096, "{} bytes: the URL must carry it", cursor.len());
    Some(cursor)
}

/// The pages of a query. The number of resources does not change meanwhile.
async fn walk(app: &App, endpoint: &str, parameters: &Value, by_post: bool) -> Vec<Vec<String>> {
    let (mut pages, mut cursor, mut total) = (Vec::new(), String::new(), None);
    loop {
        let answer = if by_post {
            search(app, endpoint, with_cursor(parameters, &cursor)).await
        } else {
            page(app, endpoint, parameters, &cursor).await
        };
        let following = next(&answer);
        assert_eq!(*total.get_or_insert(answer.total()), answer.total(), "{parameters}");
        pages.push(answer.ids());
        match following {
            Some(following) => cursor = following,
            None => break,
        }
        assert!(pages.len() < 1000, "{parameters}: no end");
    }
    assert_eq!(total, Some(pages.iter().map(Vec::len).sum::<usize>() as u64), "{parameters}: totalResults");
    pages
}

/// The first page of two users of three, and its cursor.
async fn first(app: &App, parameters: &Value) -> String {
    next(&page(app, "/Users", parameters, "").await).expect("a next page")
}

#[tokio::test]
async fn rfc9865_section_2_a_walk_gives_each_resource_once() {
    let app = App::start().await;
    for number in 0..25 {
        let (name, title) = (format!("u{:02}", number * 7 % 25), if number % 2 == 0 { "a" } else { "B" });
        let mut user = json!({ "userName": name, "externalId": "same", "title": title });
        if number % 5 == 0 {
            user.as_object_mut().unwrap().shift_remove("title");
        }
        app.post("/Users", user).await.expect(201);
        if number % 3 == 0 {
            app.group(&format!("g{number}"), &[]).await;
        }
    }
    let queries = [
        ("/Users", json!({})),
        ("/Groups", json!({})),
        ("/Users", json!({ "filter": "title eq \"a\"" })),
        ("/Users", json!({ "filter": "externalId eq \"same\"" })),
        ("/Users", json!({ "filter": "userName eq \"u07\"" })),
        ("/Users", json!({ "filter": "userName eq \"nobody\"" })),
        ("/Groups", json!({ "filter": "displayName sw \"g1\"" })),
        ("/Users", json!({ "sortBy": "userName" })),
        ("/Users", json!({ "sortBy": "userName", "sortOrder": "descending" })),
        ("/Users", json!({ "sortBy": "title" })),
        ("/Users", json!({ "sortBy": "title", "sortOrder": "descending" })),
        ("/Users", json!({ "sortBy": "meta.created", "filter": "title pr" })),
        ("/Users", json!({ "sortBy": "externalId", "filter": "externalId eq \"same\"", "attributes": ["userName"] })),
        ("/Groups", json!({ "sortBy": "displayName", "excludedAttributes": ["members"] })),
    ];
    for (endpoint, parameters) in queries {
        // In the order of the same query paged by index.
        let all = app.get(&format!("{endpoint}?{}", query(&parameters))).await.expect(200).ids();
        for count in [None, Some(1), Some(4), Some(5), Some(100)] {
            let mut parameters = parameters.clone();
            if let Some(count) = count {
                parameters["count"] = count.into();
            }
            let pages = walk(&app, endpoint, &parameters, false).await;
            assert_eq!(pages.concat(), all, "{endpoint} {parameters}");
            assert_eq!(walk(&app, endpoint, &parameters, true).await, pages, "{endpoint} {parameters}: by POST");
            // The last page, and no other, is without a cursor: none is empty but the first of nothing.
            let count = count.unwrap_or(100);
            let expected: Vec<usize> =
                if all.is_empty() { vec![0] } else { all.chunks(count).map(<[_]>::len).collect() };
            assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), expected, "{endpoint} {parameters}");
        }
    }
}

#[tokio::test]
async fn the_first_cursor_is_empty_however_it_is_written() {
    let app = App::start().await;
    users(&app, 3).await;
    for path in ["/Users?cursor&count=2", "/Users?cursor=&count=2", "/Users?count=2&cursor"] {
        let answer = app.get(path).await.expect(200);
        assert!(next(&answer).is_some(), "{path}");
        assert_eq!((answer.ids().len(), answer.total()), (2, 3));
    }
    // Without it pages are counted, as ever.
    let plain = app.get("/Users?count=2").await.expect(200);
    assert_eq!(plain.body["startIndex"], 1);
    assert!(plain.body.get("nextCursor").is_none(), "{}", plain.text);
    let null = search(&app, "/Users", json!({ "cursor": null, "count": 2 })).await.expect(200);
    assert_eq!(null.body, plain.body);
}

#[tokio::test]
async fn a_cursor_that_was_edited_or_cut_is_refused() {
    let app = App::start().await;
    users(&app, 3).await;
    for parameters in [json!({ "count": 2 }), json!({ "count": 2, "sortBy": "userName" })] {
        let cursor = first(&app, &parameters).await;
        let mut wrong = vec!["x".to_owned(), "-".into(), "AAAA".into(), ".".into(), "%".into(), "ü".into(), " ".into()];
        wrong.extend(["a".repeat(5000), format!("{cursor}A"), format!("{cursor}{cursor}"), format!(" {cursor}")]);
        wrong.extend((1..cursor.len()).map(|length| cursor[..length].to_owned()));
        wrong.extend((1..cursor.len()).map(|start| cursor[start..].to_owned()));
        for (at, character) in cursor.char_indices() {
            let other = if character == 'A' { "B" } else { "A" };
            wrong.push(format!("{}{other}{}", &cursor[..at], &cursor[at + 1..]));
        }
        for wrong in &wrong {
            let answer = page(&app, "/Users", &parameters, wrong).await;
            assert_eq!(answer.status, 400, "{wrong}: {}", answer.text);
            answer.is_error(400, Some("invalidCursor"));
        }
        // By POST too; and what was tried has not spoilt the cursor.
        search(&app, "/Users", with_cursor(&parameters, &wrong[0])).await.is_error(400, Some("invalidCursor"));
        assert_eq!(next(&page(&app, "/Users", &parameters, &cursor).await), None);
    }
}

#[tokio::test]
async fn rfc9865_section_5_2_a_cursor_is_good_for_its_query_and_its_token_alone() {
    let app = App::start().await;
    users(&app, 3).await;
    for name in ["a", "b", "c"] {
        app.group(name, &[]).await;
        let headers =
            [("authorization", format!("Bearer {ACME_TOKEN}")), ("content-type", "application/scim+json".into())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let body = json!({ "userName": name }).to_string().into_bytes();
        app.send("POST", "/Users", &headers, Some(body)).await.expect(201);
    }
    let plain = json!({ "count": 2 });
    let filtered = json!({ "count": 2, "filter": "userName sw \"user\"" });
    let sorted = json!({ "count": 2, "sortBy": "userName" });
    let others = [
        plain.clone(),
        filtered.clone(),
        sorted.clone(),
        json!({ "count": 2, "filter": "userName sw \"use\"" }),
        json!({ "count": 2, "filter": "userName pr" }),
        json!({ "count": 2, "sortBy": "externalId" }),
        json!({ "count": 2, "sortBy": "userName", "sortOrder": "descending" }),
        json!({ "count": 2, "sortBy": "userName", "filter": "userName sw \"user\"" }),
    ];
    for own in [&plain, &filtered, &sorted] {
        let cursor = first(&app, own).await;
        for other in others.iter().filter(|other| other != &own) {
            let answer = page(&app, "/Users", other, &cursor).await;
            assert_eq!(answer.status, 400, "the cursor of {own} in {other}: {}", answer.text);
            answer.is_error(400, Some("invalidCursor"));
        }
        if own == &plain {
            page(&app, "/Groups", own, &cursor).await.is_error(400, Some("invalidCursor"));
        }
        for token in [OTHER_TOKEN, ACME_TOKEN] {
            let answer = page_with_token(&app, token, "/Users", own, &cursor).await;
            answer.is_error(400, Some("invalidCursor"));
        }
        page_with_token(&app, "wrong", "/Users", own, &cursor).await.is_error(401, None);
        let rest = page_with_token(&app, TOKEN, "/Users", own, &cursor).await;
        assert_eq!((next(&rest), rest.ids().len(), rest.total()), (None, 1, 3));
    }
    // A walk of a tenant sees its own alone.
    let theirs = page_with_token(&app, ACME_TOKEN, "/Users", &json!({}), "").await;
    assert_eq!((next(&theirs), theirs.ids().len(), theirs.total()), (None, 3, 3));
}

#[tokio::test]
async fn rfc9865_section_2_1_the_count_is_in_bounds_and_stays_the_same() {
    let app = App::start().await;
    users(&app, 5).await;
    let config = app.get("/ServiceProviderConfig").await.expect(200).body;
    let most = config["pagination"]["maxPageSize"].as_u64().unwrap();
    for parameters in [json!({}), json!({ "sortBy": "userName" }), json!({ "filter": "userName pr" })] {
        let with = |count: Value| {
            let mut parameters = parameters.clone();
            parameters["count"] = count;
            parameters
        };
        let cursor = first(&app, &with(json!(2))).await;
        for count in [1, 3, 100] {
            page(&app, "/Users", &with(json!(count)), &cursor).await.is_error(400, Some("invalidCount"));
            let body = with_cursor(&with(json!(count)), &cursor);
            search(&app, "/Users", body).await.is_error(400, Some("invalidCount"));
        }
        page(&app, "/Users", &parameters, &cursor).await.is_error(400, Some("invalidCount"));
        for over in [most + 1, 100_000] {
            page(&app, "/Users", &with(json!(over)), "").await.is_error(400, Some("invalidCount"));
            page(&app, "/Users", &with(json!(over)), &cursor).await.is_error(400, Some("invalidCount"));
        }
        assert_eq!(next(&page(&app, "/Users", &with(json!(most)), "").await), None);
        for none in [0, -1, -100] {
            let answer = page(&app, "/Users", &with(json!(none)), "").await.expect(200);
            next(&answer);
            assert_eq!((answer.ids().len(), answer.total()), (0, 5), "count {none}");
        }
        assert_eq!(page(&app, "/Users", &with(json!("many")), "").await.status, 400);
    }
    // Without a cursor a count over the bound is the bound.
    app.get(&format!("/Users?count={}", most + 1)).await.expect(200);
}

#[tokio::test]
async fn rfc9865_section_2_4_a_request_pages_by_cursor_or_by_index() {
    let app = App::start().await;
    users(&app, 3).await;
    let cursor = first(&app, &json!({ "count": 2 })).await;
    for cursor in ["", &cursor] {
        for start in [1, 2] {
            let parameters = json!({ "count": 2, "startIndex": start });
            refused(&app, page(&app, "/Users", &parameters, cursor), 400, Some("invalidValue")).await;
            let body = with_cursor(&parameters, cursor);
            refused(&app, search(&app, "/Users", body), 400, Some("invalidValue")).await;
        }
    }
}

#[tokio::test]
async fn the_root_with_a_cursor_is_answered_or_refused() {
    let app = App::start().await;
    users(&app, 3).await;
    app.group("Team", &[]).await;
    for parameters in [json!({ "count": 2 }), json!({ "sortBy": "id" }), json!({ "filter": "id pr" })] {
        let answer = search(&app, "", with_cursor(&parameters, "")).await;
        if answer.status == 200 {
            let pages = walk(&app, "", &parameters, true).await;
            assert_eq!(pages.concat().len(), 4, "{parameters}");
        } else {
            answer.is_error(400, Some("invalidCursor"));
        }
        let answer = search(&app, "", with_cursor(&parameters, "nonsense")).await;
        answer.is_error(400, Some("invalidCursor"));
    }
}

#[tokio::test]
async fn rfc9865_section_4_the_pagination_is_published() {
    let app = App::start().await;
    let config = app.get("/ServiceProviderConfig").await.expect(200).body;
    let pagination = &config["pagination"];
    for (name, expected) in [
        ("cursor", json!(true)),
        ("index", json!(true)),
        ("defaultPaginationMethod", json!("index")),
        ("cursorTimeout", json!(3600)),
    ] {
        assert_eq!(pagination[name], expected, "{name}");
    }
    let [default, most] = ["defaultPageSize", "maxPageSize"].map(|name| pagination[name].as_u64().unwrap() as usize);
    assert!(default <= most);
    users(&app, most + 1).await;
    assert_eq!(page(&app, "/Users", &json!({}), "").await.ids().len(), default);
    assert_eq!(page(&app, "/Users", &json!({ "count": most }), "").await.ids().len(), most);
}

/// A page ends where it ended, whether or not its last resource is still there.
#[tokio::test]
async fn a_walk_goes_on_when_the_last_resource_of_a_page_is_gone() {
    for parameters in [
        json!({ "count": 2 }),
        json!({ "count": 2, "sortBy": "userName" }),
        json!({ "count": 2, "filter": "userName pr" }),
    ] {
        let app = App::start().await;
        let created = users(&app, 7).await;
        let answer = page(&app, "/Users", &parameters, "").await;
        let (cursor, seen) = (next(&answer).unwrap(), answer.ids());
        app.delete(&format!("/Users/{}", seen[1])).await.expect(204);
        let mut rest = Vec::new();
        let mut cursor = Some(cursor);
        while let Some(at) = cursor {
            let answer = page(&app, "/Users", &parameters, &at).await;
            cursor = next(&answer);
            assert_eq!(answer.total(), 6);
            rest.extend(answer.ids());
        }
        let expected: BTreeSet<&String> = created.iter().filter(|id| !seen.contains(id)).collect();
        assert_eq!(rest.iter().collect::<BTreeSet<_>>(), expected, "{parameters}");
        assert_eq!(rest.len(), 5, "{parameters}");
    }
}

/// A page ends early when its resources are large; its cursor leads on from there.
#[tokio::test]
async fn large_resources_are_walked_in_shorter_pages() {
    let app = App::start().await;
    let mut created = BTreeSet::new();
    for number in 0..40 {
        let user = json!({ "userName": format!("u{number:02}"), "externalId": "same", "title": "t".repeat(200_000) });
        created.insert(app.post("/Users", user).await.expect(201).id());
    }
    for parameters in [
        json!({}),
        json!({ "sortBy": "userName", "count": 30 }),
        json!({ "sortBy": "title" }),
        json!({ "filter": "userName pr" }),
        json!({ "filter": "externalId eq \"same\"" }),
    ] {
        let pages = walk(&app, "/Users", &parameters, false).await;
        assert!((2..10).contains(&pages.len()), "{parameters}: {} pages", pages.len());
        let ids: BTreeSet<String> = pages.concat().into_iter().collect();
        assert_eq!(ids, created, "{parameters}");
    }
}

/// Walks while users come and go: none that was there all the time is missing, and none is there twice.
async fn walk_among_changes(app: &App, parameters: &Value, created: &[String], changes: usize) {
    let mut lived: BTreeSet<String> = created.iter().cloned().collect();
    let (mut seen, mut cursor, mut round) = (Vec::new(), String::new(), 0);
    loop {
        let answer = page(app, "/Users", parameters, &cursor).await;
        let following = next(&answer);
        seen.extend(answer.ids());
        let Some(following) = following else { break };
        cursor = following;
        // The last of the page, some that were seen, and some that were not.
        let mut gone: BTreeSet<String> = answer.ids().last().cloned().into_iter().collect();
        gone.extend(created.iter().skip(round % 17).step_by(created.len() / changes).cloned());
        gone.retain(|id| lived.contains(id));
        let deletes = gone.iter().map(|id| async move { app.delete(&format!("/Users/{id}")).await.expect(204) });
        join_all(deletes).await;
        gone.iter().for_each(|id| assert!(lived.remove(id)));
        join_all((0..changes).map(|number| async move { app.user(&format!("user{round}-{number}")).await })).await;
        round += 1;
        assert!(round < 1000, "no end");
    }
    let unique: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(unique.len(), seen.len(), "a user was seen twice");
    let missing: Vec<_> = lived.iter().filter(|id| !unique.contains(id)).collect();
    assert!(missing.is_empty(), "{} users of {} were missed", missing.len(), lived.len());
    assert!(round > 0 && lived.len() < created.len());
}

#[tokio::test]
async fn a_walk_of_10000_users_among_changes_misses_none_and_repeats_none() {
    let app = App::start().await;
    let population = population(10_000, 0, &[]);
    fill(&app, &population).await.unwrap();
    let created: Vec<String> = (0..10_000).map(|number| population.user_id(number)).collect();
    walk_among_changes(&app, &json!({ "count": 100, "attributes": ["userName"] }), &created, 15).await;
    let left = app.get("/Users?count=0").await.expect(200).total() as usize;
    let pages = walk(&app, "/Users", &json!({ "count": 100 }), false).await;
    assert_eq!(pages.len(), left.div_ceil(100));
}

#[tokio::test]
async fn a_filtered_and_a_sorted_walk_among_changes_miss_none_and_repeat_none() {
    for parameters in [
        json!({ "count": 10, "sortBy": "userName" }),
        json!({ "count": 10, "sortBy": "userName", "sortOrder": "descending" }),
        json!({ "count": 10, "sortBy": "title" }),
        json!({ "count": 10, "filter": "userName sw \"user\"" }),
    ] {
        let app = App::start().await;
        let created = users(&app, 100).await;
        walk_among_changes(&app, &parameters, &created, 4).await;
    }
}
