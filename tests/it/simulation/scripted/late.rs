//! Attempts that arrive when their sender has given them up.

use super::{CONFLICT, Step, add, failing, scripted};
use crate::administration::log::World;
use crate::administration::records;
use crate::harness::{App, PATCH_OP};
use crate::simulation::engine::{Engine, http_client};
use crate::verify::{is_clean_but_for_late_chunks, is_clean_but_for_leftovers};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The first attempt arrives when its sender has given it up, and has been told of the second one that another transaction
/// is in its way. After that each call takes its time.
fn late(app: &App, engine: &Engine) -> App {
    let writes = Arc::new(AtomicUsize::new(0));
    scripted(app, engine, move |_, operation, _| match operation {
        "TransactWriteItems" => match writes.fetch_add(1, Ordering::Relaxed) {
            0 => Step::Late(Duration::from_millis(5_500)),
            1 => Step::Refused(400, CONFLICT),
            _ => Step::After(Duration::from_secs(1)),
        },
        _ if writes.load(Ordering::Relaxed) > 1 => Step::After(Duration::from_secs(1)),
        _ => Step::Answered,
    })
}

/// What the next attempt finds to be there is its own doing.
#[tokio::test(start_paused = true)]
async fn a_creation_that_arrives_late_is_answered_as_one() {
    let engine = Engine::new();
    let app = App::over(http_client(engine.clone()), &[]).await;
    for (endpoint, body) in
        [("/Users", json!({ "userName": "ann@example.com" })), ("/Groups", json!({ "displayName": "Team" }))]
    {
        let id = late(&app, &engine).post(endpoint, body).await.expect(201).id();
        assert_eq!(app.get(endpoint).await.expect(200).ids(), [id], "{endpoint}");
    }
    assert_eq!(records(&app, "default").await.len(), 2);
    is_clean_but_for_leftovers(&app, "after both").await;
}

/// The version that the next attempt finds is its own doing. Somebody else's is refused, after an attempt too.
#[tokio::test(start_paused = true)]
async fn a_change_that_arrives_late_is_answered_as_done() {
    let engine = Engine::new();
    let app = App::over(http_client(engine.clone()), &[]).await;
    let (user, group) = (app.user("ann@example.com").await, app.group("Team", &[]).await);
    for (path, name) in [(format!("/Users/{user}"), "title"), (format!("/Groups/{group}"), "displayName")] {
        let replace = |value: &str| json!([{ "op": "replace", "path": name, "value": value }]);
        let conditional = async |app: &App, value: &str| {
            let version = app.get(&path).await.expect(200).headers["etag"].to_str().unwrap().to_owned();
            let body = json!({ "schemas": [PATCH_OP], "Operations": replace(value) }).to_string();
            let headers = [("content-type", "application/scim+json"), ("if-match", version.as_str())];
            app.send("PATCH", &path, &headers, Some(body.into_bytes())).await
        };
        let before = records(&app, "default").await.len();
        let answer = conditional(&late(&app, &engine), "Late").await;
        assert!(matches!(answer.status, 200 | 204), "{path}: {} {}", answer.status, answer.text);
        assert_eq!(app.get(&path).await.expect(200).body[name], "Late", "{path}");
        assert_eq!(records(&app, "default").await.len(), before + 1, "{path}");

        let writes = Arc::new(AtomicUsize::new(0));
        let overtaken = scripted(&app, &engine, {
            let writes = writes.clone();
            move |_, operation, _| match operation {
                "TransactWriteItems" if writes.fetch_add(1, Ordering::Relaxed) == 0 => Step::Refused(400, CONFLICT),
                _ => Step::Answered,
            }
        });
        let (refused, _) = tokio::join!(conditional(&overtaken, "Mine"), async {
            tokio::time::sleep(Duration::from_micros(1)).await;
            app.operations(&path, replace("Theirs")).await
        });
        refused.is_error(412, None);
        assert_eq!(writes.load(Ordering::Relaxed), 1, "{path}: there was an attempt, and then no other");
        assert_eq!(app.get(&path).await.expect(200).body[name], "Theirs", "{path}");
        assert_eq!(records(&app, "default").await.len(), before + 2, "{path}");
    }
    is_clean_but_for_leftovers(&app, "after both").await;
}

/// What the next attempt finds to be gone is its own doing.
#[tokio::test(start_paused = true)]
async fn a_deletion_that_arrives_late_is_not_taken_for_somebody_elses() {
    let engine = Engine::new();
    let app = App::over(http_client(engine.clone()), &[]).await;
    let (user, group) = (app.user("ann@example.com").await, app.group("Team", &[]).await);
    for path in [format!("/Users/{user}"), format!("/Groups/{group}")] {
        let deleting = late(&app, &engine);
        deleting.delete(&path).await.expect(204);
        app.get(&path).await.is_error(404, None);
        deleting.delete(&path).await.is_error(404, None);
    }
    is_clean_but_for_leftovers(&app, "after both").await;
}

/// What was refused does not happen when what stood in its way is gone, and what was done is not done again.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_arrives_after_its_answer_is_nothing() {
    let engine = Engine::new();
    let app = App::over(http_client(engine.clone()), &[]).await;
    let user = app.user("bob@example.com").await;
    let group = app.group("Other", &[]).await;
    let arrival = Duration::from_secs(9);
    let first_is_late = |then: Step| {
        let writes = Arc::new(AtomicUsize::new(0));
        scripted(&app, &engine, move |_, operation, _| match operation {
            "TransactWriteItems" => match writes.fetch_add(1, Ordering::Relaxed) {
                0 => Step::Late(arrival),
                1 => then,
                _ => Step::Answered,
            },
            _ => Step::Answered,
        })
    };
    for (endpoint, body) in
        [("/Users", json!({ "userName": "ann@example.com" })), ("/Groups", json!({ "displayName": "Team" }))]
    {
        let (before, began) = (app.get(endpoint).await.expect(200).ids(), records(&app, "default").await.len());
        let creating = first_is_late(Step::Answered);
        let (refused, other) = tokio::join!(creating.post(endpoint, body.clone()), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            app.post(endpoint, body.clone()).await.expect(201).id()
        });
        refused.is_error(409, Some("uniqueness"));
        app.delete(&format!("{endpoint}/{other}")).await.expect(204);
        tokio::time::sleep(arrival).await;
        assert_eq!(app.get(endpoint).await.expect(200).ids(), before, "{endpoint}");
        assert_eq!(records(&app, "default").await.len(), began + 2, "{endpoint}: created and deleted");
    }

    let path = format!("/Groups/{group}");
    let before = records(&app, "default").await.len();
    first_is_late(Step::Refused(400, CONFLICT)).operations(&path, add(&[user.clone()])).await.expect(204);
    let remove = json!([{ "op": "remove", "path": format!("members[value eq \"{user}\"]") }]);
    app.operations(&path, remove).await.expect(204);
    tokio::time::sleep(arrival).await;
    assert_eq!(app.get(&path).await.expect(200).body.get("members"), None);
    assert_eq!(records(&app, "default").await.len(), before + 2, "added and removed");
    is_clean_but_for_leftovers(&app, "after all").await;
}

/// While an attempt may yet arrive, and that cannot be prevented, nobody is told that it was refused.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_cannot_be_prevented_is_no_refusal() {
    let arrival = Duration::from_secs(9);
    let writes = Arc::new(AtomicUsize::new(0));
    let (app, failing) = failing({
        let writes = writes.clone();
        move |_, operation, _| match operation {
            "TransactWriteItems" if writes.fetch_add(1, Ordering::Relaxed) == 0 => Step::Late(arrival),
            "TransactWriteItems" => Step::Refused(400, CONFLICT),
            _ => Step::Answered,
        }
    })
    .await;
    let answer = failing.post("/Users", json!({ "userName": "ann@example.com" })).await;
    answer.is_error(503, None);
    assert!(answer.headers.contains_key("retry-after"), "{:?}", answer.headers);
    assert_eq!(writes.load(Ordering::Relaxed), 3, "the attempt, another one, and what should prevent the first");
    tokio::time::sleep(arrival).await;
    assert_eq!(app.get("/Users").await.expect(200).ids().len(), 1);
}

/// A change whose first attempt is lost comes after those that were made meanwhile, in the log too.
#[tokio::test(start_paused = true)]
async fn the_log_has_the_changes_of_a_group_in_the_order_in_which_they_happen() {
    let engine = Engine::new();
    let app = App::over(http_client(engine.clone()), &[]).await;
    let user = app.user("bob@example.com").await;
    let path = format!("/Groups/{}", app.group("Team", &[]).await);
    let writes = Arc::new(AtomicUsize::new(0));
    let losing = scripted(&app, &engine, move |_, operation, _| match operation {
        "TransactWriteItems" if writes.fetch_add(1, Ordering::Relaxed) == 0 => Step::Late(Duration::from_secs(3_600)),
        _ => Step::Answered,
    });
    let lost = async { losing.operations(&path, add(std::slice::from_ref(&user))).await.expect(204) };
    let others = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        app.operations(&path, add(std::slice::from_ref(&user))).await.expect(204);
        let remove = json!([{ "op": "remove", "path": format!("members[value eq \"{user}\"]") }]);
        app.operations(&path, remove).await.expect(204);
    };
    tokio::join!(lost, others);
    assert_eq!(app.get(&path).await.expect(200).body["members"][0]["value"], user);
    let records = records(&app, "default").await;
    assert_eq!(records.len(), 5, "both are created, and three changes");
    assert!(World::replayed(&records) == World::of_table(&app).await, "{records:#?}");
    is_clean_but_for_leftovers(&app, "after all").await;
}

/// A part of what was staged arrives a second time, when it was applied and one of the members was taken out again, while
/// another part is not applied yet.
#[tokio::test(start_paused = true)]
async fn what_was_staged_and_arrives_late_is_not_applied_again() {
    let engine = Engine::new();
    let app = App::over(http_client(engine.clone()), &[]).await;
    let mut users = Vec::new();
    for number in 0..60 {
        users.push(app.user(&format!("u{number}@example.com")).await);
    }
    // The first one stands in the first of two chunks.
    users.sort();
    let (first, last) = (users[0].clone(), users[59].clone());
    let path = format!("/Groups/{}", app.group("Team", &[]).await);
    let staged = Arc::new(AtomicUsize::new(0));
    let slow = scripted(&app, &engine, move |_, operation, text| match operation {
        "BatchWriteItem" if staged.fetch_add(1, Ordering::Relaxed) == 0 => Step::Late(Duration::from_secs(7)),
        "TransactWriteItems" if text.contains("#INTENT#") && text.contains(&last) => {
            Step::After(Duration::from_secs(4))
        }
        _ => Step::Answered,
    });
    let adding = async { slow.operations(&path, add(&users)).await.expect(204) };
    let removing = async {
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(app.get(&path).await.expect(200).body["members"].as_array().unwrap().len(), 60);
        let remove = json!([{ "op": "remove", "path": format!("members[value eq \"{first}\"]") }]);
        app.operations(&path, remove).await.expect(204);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let group = app.get(&path).await.expect(200).body;
        assert_eq!(group["members"].as_array().unwrap().len(), 59);
        let groups = app.get(&format!("/Users/{first}")).await.expect(200).body["groups"].clone();
        assert_eq!(groups, Value::Null);
    };
    tokio::join!(adding, removing);
    assert_eq!(app.get(&path).await.expect(200).body["members"].as_array().unwrap().len(), 59);
    is_clean_but_for_late_chunks(&app, "after both").await;
}
