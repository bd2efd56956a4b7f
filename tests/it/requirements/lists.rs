//! C. Connection tests and lists.

use super::*;

const RANDOM: &str = "6d1d8d22-5b55-4a21-8b57-6fd1f3f5d0c1";

/// A list whose numbers are integers and fit its resources (38).
async fn page(app: &App, path: &str) -> Answer {
    let answer = app.get(path).await.expect(200);
    assert_eq!(answer.body["schemas"], json!([LIST]), "{path}");
    assert!(answer.body["totalResults"].is_u64(), "{path}: {}", answer.text);
    assert_eq!(answer.body["itemsPerPage"].as_u64(), Some(answer.ids().len() as u64), "{path}: itemsPerPage");
    answer
}

async fn five_users(app: &App) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for number in 0..5 {
        ids.insert(app.user(&format!("user{number}@example.com")).await);
    }
    ids
}

// 31, 32, 33: Entra, OneLogin
#[tokio::test]
async fn a_filter_for_a_value_that_nobody_has_is_an_empty_list() {
    let app = App::start().await;
    let mut user = ann();
    user["displayName"] = "Ann".into();
    let user = create(&app, "/Users", user).await;
    app.post("/Groups", json!({ "displayName": "Team A", "externalId": "team" })).await.expect(201);
    for (endpoint, filter) in [
        ("/Users", format!("userName eq \"{RANDOM}\"")),
        ("/Users", format!("externalId eq \"{RANDOM}\"")),
        ("/Users", format!("displayName eq \"{RANDOM}\"")),
        ("/Users", format!("emails[type eq \"work\"].value eq \"{RANDOM}\"")),
        ("/Users", format!("id eq \"{RANDOM}\"")),
        ("/Groups", format!("displayName eq \"{RANDOM}\"")),
        ("/Groups", format!("externalId eq \"{RANDOM}\"")),
        ("/Groups", format!("id eq \"{RANDOM}\"")),
    ] {
        let answer = app.find(endpoint, &filter).await;
        assert_eq!(answer.status, 200, "{filter}: {}", answer.text);
        let empty =
            json!({ "schemas": [LIST], "totalResults": 0, "startIndex": 1, "itemsPerPage": 0, "Resources": [] });
        assert_eq!(answer.body, empty, "{endpoint} {filter}");
    }
    assert_eq!(page(&app, "/Users").await.ids(), [id_of(&read(&app, &user).await)]);
}

// 34, 35, 36: Okta, CyberArk, clients without parameters
#[tokio::test]
async fn a_page_holds_at_most_count_resources() {
    let app = App::start().await;
    assert_eq!(page(&app, "/Users").await.total(), 0);
    assert_eq!(page(&app, "/Groups").await.total(), 0);
    let users = five_users(&app).await;
    let group = app.group("Team A", &[]).await;
    for (path, length) in [
        ("/Users?startIndex=1&count=2", 2),
        ("/Users?count=1", 1),
        ("/Users?startIndex=5&count=2", 1),
        ("/Users?startIndex=3", 3),
        ("/Users", 5),
    ] {
        let answer = page(&app, path).await;
        assert_eq!(answer.ids().len(), length, "{path}");
        assert_eq!(answer.total(), 5, "{path}");
        assert!(answer.ids().iter().all(|id| users.contains(id)), "{path}");
    }
    assert_eq!(page(&app, "/Groups").await.ids(), [group]);
}

// 37, 41: Okta; RFC 7644 section 3.4.2.4
#[tokio::test]
async fn numbers_outside_the_list_are_read_as_the_rfc_says() {
    let app = App::start().await;
    five_users(&app).await;
    let all = page(&app, "/Users").await;
    for (path, ids) in [
        ("/Users?startIndex=101&count=100", vec![]),
        ("/Users?startIndex=6", vec![]),
        ("/Users?count=0", vec![]),
        ("/Users?count=-1", vec![]),
        ("/Users?startIndex=0", all.ids()),
        ("/Users?startIndex=-1", all.ids()),
        ("/Users?startIndex=0&count=2", all.ids()[..2].to_vec()),
    ] {
        let answer = page(&app, path).await;
        assert_eq!(answer.ids(), ids, "{path}");
        assert!(answer.body["Resources"].is_array(), "{path}: {}", answer.text);
        assert_eq!(answer.total(), 5, "{path}");
        assert!(answer.body["startIndex"].as_u64() >= Some(1), "{path}: {}", answer.text);
        if !ids.is_empty() {
            assert_eq!(answer.body["startIndex"], 1, "{path}");
        }
    }
}

// 38, 39, 40, 42: Okta's import
#[tokio::test]
async fn paging_by_100_through_250_users_gives_each_of_them_once_in_a_stable_order() {
    let app = App::start().await;
    let mut created = BTreeSet::new();
    for number in 0..250 {
        created.insert(app.user(&format!("user{number}@example.com")).await);
    }
    let mut rounds = Vec::new();
    for _ in 0..2 {
        let mut ids = Vec::new();
        for (start, length) in [(1, 100), (101, 100), (201, 50), (301, 0)] {
            let answer = page(&app, &format!("/Users?startIndex={start}&count=100")).await;
            assert_eq!((answer.ids().len(), answer.total()), (length, 250), "startIndex={start}");
            assert_eq!(answer.body["startIndex"], start);
            ids.extend(answer.ids());
        }
        rounds.push(ids);
    }
    assert_eq!(rounds[0], rounds[1]);
    assert_eq!(rounds[0].len(), 250);
    assert_eq!(rounds[0].iter().cloned().collect::<BTreeSet<_>>(), created);

    let odd = page(&app, "/Users?startIndex=93&count=17").await;
    assert_eq!(odd.ids(), rounds[0][92..109]);

    let most = read(&app, "/ServiceProviderConfig").await["filter"]["maxResults"].as_u64().unwrap_or_default();
    for path in ["/Users?count=100000", "/Users"] {
        let answer = page(&app, path).await;
        assert_eq!(answer.ids().len() as u64, most.min(250), "{path}");
        assert_eq!(answer.total(), 250, "{path}");
    }

    let filtered = app.find("/Users", "userName sw \"user1\"").await.expect(200);
    assert_eq!(filtered.total(), 111, "user1, user10 to user19, user100 to user199");
    let filter = "/Users?filter=userName%20sw%20%22user1%22";
    let mut ids = page(&app, &format!("{filter}&startIndex=1&count=60")).await.ids();
    let second = page(&app, &format!("{filter}&startIndex=61&count=60")).await;
    assert_eq!((second.ids().len(), second.total()), (51, 111));
    ids.extend(second.ids());
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>().len(), 111);
}

// 43, 44: Entra, Okta SPEC test, the SCIM Validator
#[tokio::test]
async fn every_listed_user_has_what_a_client_reads_and_inactive_ones_are_there() {
    let app = App::start().await;
    let active = app.user("ann@example.com").await;
    let inactive = app.post("/Users", json!({ "userName": "bob@example.com", "active": false })).await.expect(201);
    let inactive = id_of(&inactive.body);
    let list = page(&app, "/Users").await;
    assert_eq!(list.ids().into_iter().collect::<BTreeSet<_>>(), set([active.as_str(), &inactive]));
    for user in list.body["Resources"].as_array().into_iter().flatten() {
        assert!(has_schema(user, USER), "{user}");
        assert_eq!(user["meta"]["resourceType"], "User");
        for name in ["created", "lastModified", "location", "version"] {
            assert!(user["meta"][name].is_string(), "meta.{name} of {user}");
        }
        let expected =
            if user["id"] == inactive.as_str() { ("bob@example.com", false) } else { ("ann@example.com", true) };
        assert_eq!((&user["userName"], &user["active"]), (&json!(expected.0), &json!(expected.1)));
        assert_eq!(read(&app, &path_of(&user["meta"]["location"])).await, *user);
    }
    for filter in ["userName eq \"bob@example.com\"", "active eq false", "userName sw \"bob\" and active eq false"] {
        let answer = app.find("/Users", filter).await.expect(200);
        assert_eq!(answer.ids(), [inactive.clone()], "{filter}");
        assert_eq!(answer.body["Resources"][0]["active"], false, "{filter}");
    }
}

// 45: JumpCloud's connection test
#[tokio::test]
async fn a_name_is_free_again_as_soon_as_its_resource_is_deleted() {
    let app = App::start().await;
    for (endpoint, body) in
        [("/Users", json!({ "userName": "test@example.com" })), ("/Groups", json!({ "displayName": "Test" }))]
    {
        let mut seen = BTreeSet::new();
        for _ in 0..3 {
            let path = create(&app, endpoint, body.clone()).await;
            assert_eq!(page(&app, endpoint).await.total(), 1, "{endpoint}");
            app.delete(&path).await.expect(204);
            assert_eq!(page(&app, endpoint).await.total(), 0, "{endpoint}");
            assert!(seen.insert(path), "an id of {endpoint} came back");
        }
    }
}
