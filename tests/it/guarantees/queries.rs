//! Guarantee 7, honest: a filter over a whole collection gives the exact set, and pages give each resource once.

use super::{is_intact, users};
use crate::big_groups::table::people;
use crate::harness::App;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// All ids that pages of `count` give, each once, while `totalResults` says `total`.
async fn paged(app: &App, query: &str, count: usize, total: usize) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for start in (1..=total.max(1)).step_by(count) {
        let page = app.get(&format!("/Users?startIndex={start}&count={count}{query}")).await.expect(200);
        assert_eq!(page.total(), total as u64, "startIndex {start}");
        assert_eq!(page.body["startIndex"], json!(start));
        assert_eq!(page.ids().len(), count.min(total + 1 - start), "startIndex {start}");
        assert_eq!(page.body["itemsPerPage"], json!(page.ids().len()));
        ids.extend(page.ids());
    }
    let distinct: BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "an id is on two pages");
    ids
}

fn encoded(filter: &str) -> String {
    format!("&{}", form_urlencoded::Serializer::new(String::new()).append_pair("filter", filter).finish())
}

#[tokio::test]
async fn a_filter_over_300_users_gives_the_exact_set_on_every_page() {
    let app = App::start().await;
    let mut created = BTreeMap::new();
    let families = ["Lee", "LEE", "Smith", "Łuć", "smith-jones"];
    for number in 0..300_usize {
        let mut user = json!({
            "userName": format!("{}{number:03}@example.{}", if number % 3 == 0 { "Ann" } else { "bob" }, if number % 2 == 0 { "com" } else { "org" }),
            "active": number % 4 != 0,
            "name": { "familyName": families[number % 5] },
            ENTERPRISE: { "costCenter": format!("{}", number % 7) },
        });
        if number % 10 == 0 {
            user["title"] = json!("Head");
            user["emails"] = json!([{ "value": format!("head{number}@x.example"), "type": "work" }, { "value": "all@x.example", "type": "other" }]);
        }
        let answer = app.post("/Users", user).await.expect(201);
        created.insert(number, (answer.id(), answer.body["meta"]["created"].as_str().unwrap().to_owned()));
    }
    let middle = created[&150].1.clone();
    let after = |number: usize| created[&number].1 > middle;
    type Claim<'a> = Box<dyn Fn(usize) -> bool + 'a>;
    let cases: Vec<(String, Claim<'_>)> = vec![
        ("userName co \"ANN\"".into(), Box::new(|n| n % 3 == 0)),
        ("userName sw \"bob\"".into(), Box::new(|n| n % 3 != 0)),
        ("userName ew \".ORG\"".into(), Box::new(|n| n % 2 == 1)),
        ("userName sw \"ann\" or userName ew \".org\"".into(), Box::new(|n| n % 3 == 0 || n % 2 == 1)),
        ("userName sw \"ann\" and userName ew \".org\"".into(), Box::new(|n| n % 3 == 0 && n % 2 == 1)),
        ("not (userName sw \"ann\")".into(), Box::new(|n| n % 3 != 0)),
        ("not (active eq true)".into(), Box::new(|n| n % 4 == 0)),
        ("active eq false and not (title pr)".into(), Box::new(|n| n % 4 == 0 && n % 10 != 0)),
        ("name.familyName eq \"lee\"".into(), Box::new(|n| n % 5 < 2)),
        ("name.familyName sw \"SMITH\"".into(), Box::new(|n| n % 5 == 2 || n % 5 == 4)),
        ("name.familyName eq \"ŁUĆ\"".into(), Box::new(|n| n % 5 == 3)),
        ("title eq \"head\"".into(), Box::new(|n| n % 10 == 0)),
        ("title ne \"head\"".into(), Box::new(|n| n % 10 != 0)),
        (
            "emails[type eq \"work\" and value sw \"head1\"]".into(),
            Box::new(|n| n == 10 || (100..200).contains(&n) && n % 10 == 0),
        ),
        ("emails eq \"ALL@x.example\"".into(), Box::new(|n| n % 10 == 0)),
        (format!("{ENTERPRISE}:costCenter eq \"3\""), Box::new(|n| n % 7 == 3)),
        (format!("meta.created gt \"{middle}\""), Box::new(after)),
        (format!("meta.created le \"{middle}\""), Box::new(|n| !after(n))),
        ("meta.created lt \"2000-01-01T00:00:00Z\"".into(), Box::new(|_| false)),
        ("id pr".into(), Box::new(|_| true)),
        ("userName eq \"ann000@example.com\" or userName eq \"BOB001@example.org\"".into(), Box::new(|n| n < 2)),
    ];
    for (filter, holds) in &cases {
        let expected: BTreeSet<String> =
            created.iter().filter(|(n, _)| holds(**n)).map(|(_, user)| user.0.clone()).collect();
        let found = paged(&app, &encoded(filter), 37, expected.len()).await;
        assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), expected, "{filter}");
        let beyond = app.get(&format!("/Users?startIndex={}{}", expected.len() + 1, encoded(filter))).await.expect(200);
        assert_eq!((beyond.total(), beyond.ids().len()), (expected.len() as u64, 0), "{filter}");
    }
}

/// A collection of more than a thousand is read in ranges of ids side by side, which together are all of it.
#[tokio::test]
async fn a_filter_over_1700_users_gives_each_of_them_once() {
    let app = App::start().await;
    let sorted = people(&app, "user", 1_700).await;
    for start in [1, 801, 1_601] {
        let filter = encoded("userName sw \"user\"");
        let page = app.get(&format!("/Users?startIndex={start}&count=100{filter}")).await.expect(200);
        assert_eq!(
            (page.total(), page.ids().as_slice()),
            (1_700, &sorted[start - 1..start + 99]),
            "startIndex {start}"
        );
    }
}

#[tokio::test]
async fn paging_through_250_users_in_steps_of_7_gives_each_of_them_once() {
    let app = App::start().await;
    let created: BTreeSet<String> = users(&app, 250).await.into_iter().collect();
    let ids = paged(&app, "", 7, 250).await;
    assert_eq!(ids.iter().cloned().collect::<BTreeSet<_>>(), created);
    // Every page of every size stands at the same place of one order.
    for start in [1, 2, 7, 8, 99, 100, 101, 149, 249, 250] {
        for count in [1, 13, 100] {
            let page = app.get(&format!("/Users?startIndex={start}&count={count}")).await.expect(200);
            assert_eq!(page.ids(), ids[start - 1..(start - 1 + count).min(250)], "{start} {count}");
        }
    }
    for start in ["251", "252", "1000", "9223372036854775807"] {
        let beyond = app.get(&format!("/Users?startIndex={start}&count=7")).await.expect(200);
        assert_eq!((beyond.total(), beyond.ids().len(), &beyond.body["itemsPerPage"]), (250, 0, &json!(0)), "{start}");
    }
    let none = app.get("/Users?count=0").await.expect(200);
    assert_eq!((none.total(), none.ids().len()), (250, 0));
    is_intact(&app).await;
}

#[tokio::test]
async fn total_results_are_exact_while_users_go_and_come() {
    let app = App::start().await;
    let mut left = users(&app, 60).await;
    left.sort();
    let mut deleted = 0;
    while !left.is_empty() {
        // From the front, the middle and the end of the order in turn.
        let at = [0, left.len() / 2, left.len() - 1][deleted % 3];
        app.delete(&format!("/Users/{}", left.remove(at))).await.expect(204);
        deleted += 1;
        if deleted % 5 == 0 {
            left.push(app.user(&format!("new{deleted}@example.com")).await);
            left.sort();
        }
        if deleted % 10 == 0 {
            assert_eq!(paged(&app, "", 7, left.len()).await, left);
            assert_eq!(paged(&app, &encoded("userName pr"), 7, left.len()).await, left);
        }
    }
    let empty = app.get("/Users").await.expect(200);
    assert_eq!((empty.total(), empty.body["Resources"].clone()), (0, Value::Array(Vec::new())));
    is_intact(&app).await;
}
