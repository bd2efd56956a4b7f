//! RFC 9865, cursor-based pagination.

use super::*;
use crate::harness::{ACME_TOKEN, OTHER_TOKEN};

async fn users(app: &App, count: usize) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for number in 0..count {
        ids.insert(app.user(&format!("j{number:02}")).await);
    }
    ids
}

fn cursor(page: &Answer) -> Option<String> {
    page.body.get("nextCursor").map(|cursor| cursor.as_str().expect("a string").to_owned())
}

// Section 2: the example, with all pages
#[tokio::test]
async fn section_2_every_page_but_the_last_has_a_next_cursor() {
    let app = App::start().await;
    let expected = users(&app, 25).await;
    app.user("zed").await;
    let query = "/Users?filter=userName%20sw%20J&count=10";
    for first in ["&cursor", "&cursor="] {
        let (mut ids, mut next, mut lengths) = (Vec::new(), first.to_owned(), Vec::new());
        loop {
            let page = app.get(&format!("{query}{next}")).await.expect(200);
            assert_eq!(page.body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:ListResponse"]));
            assert_eq!((page.total(), page.body["itemsPerPage"].as_u64()), (25, Some(page.ids().len() as u64)));
            assert!(next != first || page.body.get("previousCursor").is_none(), "{}", page.text);
            lengths.push(page.ids().len());
            ids.extend(page.ids());
            let Some(cursor) = cursor(&page) else { break };
            assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)), "{cursor}");
            next = format!("&cursor={cursor}");
        }
        assert_eq!(lengths, [10, 10, 5]);
        assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

// Section 2: count
#[tokio::test]
async fn section_2_count_is_kept_and_below_zero_it_is_zero() {
    let app = App::start().await;
    users(&app, 3).await;
    for count in ["0", "-1"] {
        let page = app.get(&format!("/Users?cursor&count={count}")).await.expect(200);
        assert_eq!((page.total(), page.ids().len()), (3, 0), "count={count}");
    }
    for (count, length) in [(1, 1), (2, 2), (3, 3), (4, 3)] {
        let page = app.get(&format!("/Users?cursor&count={count}")).await.expect(200);
        assert_eq!((page.total(), page.ids().len(), cursor(&page).is_none()), (3, length, count >= 3), "count={count}");
    }
}

// Section 2.1
#[tokio::test]
async fn section_2_1_what_is_wrong_with_the_paging_is_a_scim_error() {
    let app = App::start().await;
    users(&app, 5).await;
    let next = cursor(&app.get("/Users?cursor&count=2").await.expect(200)).expect("a cursor");
    app.get("/Users?cursor=VZUTiyhEQJ94IR&count=2").await.is_error(400, Some("invalidCursor"));
    app.get(&format!("/Users?cursor={next}&count=3")).await.is_error(400, Some("invalidCount"));
    for other in [
        format!("/Groups?cursor={next}&count=2"),
        format!("/Users?cursor={next}&count=2&filter=userName%20pr"),
        format!("/Users?cursor={next}x&count=2"),
    ] {
        app.get(&other).await.is_error(400, Some("invalidCursor"));
    }
    assert_eq!(app.get("/Users?cursor&count=two").await.status, 400);
}

// Section 2.4
#[tokio::test]
async fn section_2_4_without_a_cursor_pages_are_by_index_as_announced() {
    let app = App::start().await;
    users(&app, 5).await;
    let config = app.get("/ServiceProviderConfig").await.expect(200).body["pagination"].clone();
    assert_eq!(config["defaultPaginationMethod"], "index");
    for query in ["", "?count=2", "?startIndex=3&count=2"] {
        let page = app.get(&format!("/Users{query}")).await.expect(200);
        assert!(page.body["startIndex"].is_u64() && cursor(&page).is_none(), "{query}: {}", page.text);
    }
}

// Section 3
#[tokio::test]
async fn section_3_a_search_takes_the_cursor_in_its_body() {
    let app = App::start().await;
    let expected = users(&app, 5).await;
    let mut ids = BTreeSet::new();
    let mut next = Some(String::new());
    while let Some(cursor_) = next {
        let body = json!({
            "schemas": [SEARCH], "attributes": ["displayName", "userName"], "filter": "userName sw \"j\"", "cursor": cursor_, "count": 2,
        });
        let page = app.post("/Users/.search", body).await.expect(200);
        assert_eq!(page.total(), 5);
        ids.extend(page.ids());
        next = cursor(&page);
    }
    assert_eq!(ids, expected);
}

// Section 4
#[tokio::test]
async fn section_4_the_configuration_says_how_pages_are_cut() {
    let app = App::start().await;
    let pagination = app.get("/ServiceProviderConfig").await.expect(200).body["pagination"].clone();
    assert_eq!((&pagination["cursor"], &pagination["index"]), (&json!(true), &json!(true)));
    for name in ["defaultPageSize", "maxPageSize", "cursorTimeout"] {
        assert!(pagination[name].as_u64().is_some_and(|number| number > 0), "{name} in {pagination}");
    }
    let most = size(&pagination["maxPageSize"]);
    users(&app, most + 1).await;
    let page = app.get(&format!("/Users?cursor&count={most}")).await.expect(200);
    assert_eq!((page.ids().len(), cursor(&page).is_some()), (most, true));
}

// Section 5.2
#[tokio::test]
async fn section_5_2_a_cursor_gives_nothing_to_whom_it_was_not_given() {
    let app = App::start().await;
    let ours = users(&app, 5).await;
    let next = cursor(&app.get("/Users?cursor&count=2").await.expect(200)).expect("a cursor");
    let path = format!("/Users?cursor={next}&count=2");
    let with = async |path: &str, token: &str| {
        app.send("GET", path, &[("authorization", &format!("Bearer {token}"))], None).await
    };
    let stolen = with(&path, ACME_TOKEN).await;
    stolen.is_error(400, Some("invalidCursor"));
    // A forged one is answered in the same words.
    assert_eq!(with("/Users?cursor=AAAA&count=2", ACME_TOKEN).await.text, stolen.text);
    let other = with(&path, OTHER_TOKEN).await;
    assert!(other.status == 400 || other.ids().iter().all(|id| ours.contains(id)), "{}", other.text);
    with(&path, "no-token").await.is_error(401, None);
}

// Section 5.2: the data is read anew with each page
#[tokio::test]
async fn section_5_2_what_was_deleted_meanwhile_is_on_no_page() {
    let app = App::start().await;
    let all = users(&app, 6).await;
    let first = app.get("/Users?cursor&count=2").await.expect(200);
    let left: Vec<&String> = all.iter().filter(|id| !first.ids().contains(id)).collect();
    app.delete(&format!("/Users/{}", left[0])).await.expect(204);
    let next = cursor(&first).expect("a cursor");
    let second = app.get(&format!("/Users?cursor={next}&count=2")).await.expect(200);
    assert!(!second.ids().contains(left[0]), "{}", second.text);
    assert_eq!(second.ids().len(), 2);
}
