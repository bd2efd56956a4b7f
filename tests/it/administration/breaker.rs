//! The breaker: what it counts, when it stops, and what lets through again.

use super::{records, set_active};
use crate::big_groups::table::people;
use crate::guarantees::is_intact;
use crate::harness::App;
use crate::simulation::engine::{Engine, http_client};
use scimlet::ambient;
use scimlet::store::breaker::BreakerState;
use scimlet::store::meter::Meter;
use serde_json::{Value, json};
use std::time::Duration;

async fn state(app: &App) -> BreakerState {
    app.store.tenant("default", &Meter::default()).breaker().await.unwrap()
}

async fn allow_until(app: &App, until: i64) {
    let store = app.store.tenant("default", &Meter::default());
    let mut transaction = store.transaction();
    transaction.allow_until(until);
    transaction.commit().await.unwrap();
}

fn remove(ids: &[String]) -> Value {
    let members: Vec<Value> = ids.iter().map(|id| json!({ "value": id })).collect();
    json!([{ "op": "remove", "path": "members", "value": members }])
}

#[tokio::test]
async fn the_share_of_an_hour_is_let_through_and_the_next_one_is_429() {
    let app = App::start_with(&[("SCIM_BREAKER_SHARE", "20")]).await;
    let ids = people(&app, "user", 60).await;
    // 20 % of 60 are 12: six deactivated, six deleted, one of them twice the same.
    for id in &ids[..6] {
        set_active(&app, id, false).await.expect(200);
        set_active(&app, id, false).await.expect(200);
    }
    for id in &ids[6..12] {
        app.delete(&format!("/Users/{id}")).await.expect(204);
        app.delete(&format!("/Users/{id}")).await.is_error(404, None);
    }
    let table = app.dump().await;
    for refused in [set_active(&app, &ids[12], false).await, app.delete(&format!("/Users/{}", ids[12])).await] {
        refused.is_error(429, None);
        let retry_after: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((3_000..=3_600).contains(&retry_after), "{retry_after}");
        for said in ["13 users", "60 minutes", "20 % of 60 users", "scimlet breaker allow"] {
            assert!(refused.detail().contains(said), "{said} in {}", refused.detail());
        }
    }
    let resources = |table: &std::collections::BTreeMap<(String, String), Value>| {
        table
            .iter()
            .filter(|((pk, _), _)| !pk.contains("BREAKER") && !pk.contains("LOG"))
            .map(|(key, item)| (key.clone(), item.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(resources(&app.dump().await), resources(&table), "nothing was lost");
    let stops: Vec<_> =
        records(&app, "default").await.into_iter().filter(|record| record.operation == "stop").collect();
    assert_eq!(stops.len(), 1, "one record, however often it refuses");
    assert_eq!((stops[0].resource_type.as_str(), stops[0].actor.as_str()), ("Tenant", "entra"));
    assert!(stops[0].changes["after"]["reason"].as_str().unwrap().contains("13 users"));

    // What takes nothing away goes on.
    set_active(&app, &ids[0], true).await.expect(200);
    app.user("new@example.com").await;
    // Until the administrator says that it is meant.
    let now = ambient::now().as_second();
    allow_until(&app, now + 3_600).await;
    for id in &ids[12..20] {
        app.delete(&format!("/Users/{id}")).await.expect(204);
    }
    assert_eq!(state(&app).await.allowed_until, Some(now + 3_600));
    is_intact(&app).await;
}

/// `Retry-After` is the time until what was lost first is an hour old, and then the way is free.
#[tokio::test(start_paused = true)]
async fn the_wait_ends_when_the_first_losses_have_left_the_window() {
    let app = App::over(http_client(Engine::new()), &[("SCIM_BREAKER_SHARE", "20")]).await;
    let _clock = ambient::repeatable(1, "2026-11-24T08:00:00Z".parse().unwrap());
    let ids = people(&app, "user", 60).await;
    for id in &ids[..12] {
        app.delete(&format!("/Users/{id}")).await.expect(204);
    }
    tokio::time::sleep(Duration::from_mins(40)).await;
    let path = format!("/Users/{}", ids[12]);
    let refused = app.delete(&path).await;
    refused.is_error(429, None);
    assert_eq!(refused.headers["retry-after"], (20 * 60).to_string());
    tokio::time::sleep(Duration::from_mins(20)).await;
    app.delete(&path).await.expect(204);
}

#[tokio::test]
async fn memberships_count_by_themselves_and_a_group_counts_with_all_its_members() {
    let app = App::start_with(&[("SCIM_BREAKER_SHARE", "20")]).await;
    let ids = people(&app, "user", 60).await;
    let members: Vec<&str> = ids[..13].iter().map(String::as_str).collect();
    let large = app.group("Large", &members).await;
    let small = app.group("Small", &members[..3]).await;
    let path = format!("/Groups/{large}");
    app.delete(&path).await.is_error(429, None);
    app.operations(&path, json!([{ "op": "remove", "path": "members" }])).await.is_error(429, None);
    app.operations(&path, remove(&ids[..13])).await.is_error(429, None);
    let empty = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Large" });
    app.put(&path, empty).await.is_error(429, None);
    assert_eq!(app.get(&path).await.body["members"].as_array().unwrap().len(), 13);
    // Three of twelve; a repeated removal takes nothing away.
    app.delete(&format!("/Groups/{small}")).await.expect(204);
    for _ in 0..3 {
        app.operations(&path, remove(&ids[..9])).await.expect(204);
    }
    let refused = app.operations(&path, remove(&ids[9..10])).await;
    refused.is_error(429, None);
    assert!(refused.detail().contains("13 members"), "{}", refused.detail());
    // Users have their own share, also the other way round.
    for id in &ids[..12] {
        set_active(&app, id, false).await.expect(200);
    }
    set_active(&app, &ids[12], false).await.is_error(429, None);
    let of_four = app.group("Of four", &members[..4]).await;
    let now = ambient::now().as_second();
    allow_until(&app, now + 60).await;
    app.operations(&path, remove(&ids[9..13])).await.expect(204);
    allow_until(&app, 0).await;
    app.delete(&format!("/Groups/{of_four}")).await.is_error(429, None);
    is_intact(&app).await;
}

#[tokio::test]
async fn a_number_stops_too_and_few_users_are_never_stopped() {
    let app = App::start_with(&[("SCIM_BREAKER_COUNT", "2"), ("SCIM_BREAKER_MIN_USERS", "5")]).await;
    let ids = people(&app, "user", 5).await;
    for id in &ids[..2] {
        set_active(&app, id, false).await.expect(200);
    }
    let refused = set_active(&app, &ids[2], false).await;
    refused.is_error(429, None);
    assert!(refused.detail().contains("more than 2 (SCIM_BREAKER_COUNT)"), "{}", refused.detail());

    let few = App::start_with(&[("SCIM_BREAKER_SHARE", "1")]).await;
    for id in people(&few, "user", 49).await {
        few.delete(&format!("/Users/{id}")).await.expect(204);
    }
}

#[tokio::test]
async fn a_request_in_bulk_is_stopped_operation_by_operation() {
    let app = App::start_with(&[("SCIM_BREAKER_COUNT", "2"), ("SCIM_BREAKER_MIN_USERS", "0")]).await;
    let ids = people(&app, "user", 4).await;
    let operations: Vec<Value> =
        ids.iter().map(|id| json!({ "method": "DELETE", "path": format!("/Users/{id}") })).collect();
    let request = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations });
    let answer = app.post("/Bulk", request).await.expect(200);
    let statuses: Vec<&str> =
        answer.body["Operations"].as_array().unwrap().iter().map(|done| done["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["204", "204", "429", "429"]);
}

#[tokio::test]
async fn what_was_counted_long_ago_is_cleared_away() {
    let app = App::start_with(&[("SCIM_BREAKER_COUNT", "1000"), ("SCIM_BREAKER_MIN_USERS", "0")]).await;
    let user = people(&app, "user", 2).await;
    let client = app.store.client();
    let s = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    let mut put = client.put_item().table_name(app.store.table()).item("PK", s("T#default#BREAKER")).item("SK", s("-"));
    for part in 1..=50 {
        put = put.item(format!("u{part}"), aws_sdk_dynamodb::types::AttributeValue::N("7".into()));
    }
    put.send().await.unwrap();
    set_active(&app, &user[0], false).await.expect(200);
    set_active(&app, &user[1], false).await.expect(200);
    assert_eq!(state(&app).await.sum(0, i64::MAX).users, 7 * 14 + 2, "36 of 51 went");
}
