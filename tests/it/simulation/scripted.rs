//! One thing that goes wrong at one moment.

mod batches;
mod late;

use super::engine::{Call, Engine, Wire, http_client};
use crate::administration::log::World;
use crate::administration::records;
use crate::big_groups::table::people;
use crate::guarantees::item;
use crate::harness::{App, TOKEN};
use crate::verify::{is_clean_but_for_leftovers, kinds, verify};
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_smithy_runtime_api::client::result::ConnectorError;
use scimlet::ambient;
use scimlet::config::Settings;
use scimlet::protocol::schema::Schemas;
use scimlet::service::Service;
use scimlet::store::StoreError;
use scimlet::store::verify::{Kind, Options};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// An engine, and what is done with each call, by its number and its text.
#[derive(Clone)]
struct Scripted<F>(Engine, F, Arc<AtomicUsize>);

/// What becomes of a call.
#[derive(Clone, Copy)]
enum Step {
    Answered,
    /// Answered after this time.
    After(Duration),
    /// Carried out, and answered with this status and body.
    Told(u16, &'static str),
    /// Not carried out, and answered so.
    Refused(u16, &'static str),
    /// Carried out after this time, and never answered.
    Late(Duration),
    /// Carried out for as many of a batch as this makes of their number, the others left.
    Part(fn(usize) -> usize),
    /// A batch, of which the groups are read this much later than the rest.
    Torn(Duration),
}

impl<F: Fn(usize, &str, &str) -> Step + Clone + Send + Sync + 'static> Wire for Scripted<F> {
    async fn call(&self, call: Call) -> Result<HttpResponse, ConnectorError> {
        let number = self.2.fetch_add(1, Ordering::Relaxed);
        let text = String::from_utf8(call.body.clone()).unwrap();
        let told = |status: u16, body: &str| Ok(HttpResponse::new(status.try_into().unwrap(), body.to_owned().into()));
        match (self.1)(number, &call.operation, &text) {
            Step::Answered => {}
            Step::After(time) => tokio::time::sleep(time).await,
            Step::Told(status, body) => {
                self.0.answer(&call);
                return told(status, body);
            }
            Step::Refused(status, body) => return told(status, body),
            Step::Torn(time) => return Ok(self.0.torn_batch(&call, time).await.into()),
            Step::Part(count) => return Ok(self.0.part_of_batch(&call, count).into()),
            Step::Late(time) => {
                let engine = self.0.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    engine.answer(&call);
                });
                return std::future::pending().await;
            }
        }
        Ok(self.0.answer(&call).into())
    }
}

const IN_PROGRESS: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionInProgressException"}"#;

const THROTTLED: &str = r#"{"__type":"com.amazon.coral.availability#ThrottlingException"}"#;

const CONFLICT: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
    "CancellationReasons":[{"Code":"TransactionConflict"}]}"#;

/// A service provider on an engine that answers, and another one on it to which this happens.
async fn failing(script: impl Fn(usize, &str, &str) -> Step + Clone + Send + Sync + 'static) -> (App, App) {
    let engine = Engine::new();
    let app = App::over(http_client(engine.clone()), &[]).await;
    let failing = scripted(&app, &engine, script);
    (app, failing)
}

fn scripted(
    app: &App,
    engine: &Engine,
    script: impl Fn(usize, &str, &str) -> Step + Clone + Send + Sync + 'static,
) -> App {
    app.beside(|_| http_client(Scripted(engine.clone(), script, Arc::default())))
}

/// The clock that stands still but for timers.
#[expect(clippy::disallowed_methods, reason = "no other clock knows what the test waited for")]
fn clock() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

fn add(ids: &[String]) -> Value {
    json!([{ "op": "add", "path": "members", "value": ids.iter().map(|id| json!({ "value": id })).collect::<Vec<_>>() }])
}

/// What is read in several batches is not of one moment: the group is read late, with the version that another request gave
/// it by adding members whose memberships were read before, in another batch. The other request adds three in a transaction,
/// or a hundred by an intent that began and ended between the two reads.
#[tokio::test(start_paused = true)]
async fn a_large_change_counts_no_member_twice_that_another_request_adds_while_it_reads() {
    for others in [3, 100] {
        let (app, failing) = failing(|_, operation, text| match operation {
            "BatchGetItem" if text.contains("#GROUP\"") => Step::After(Duration::from_millis(200)),
            _ => Step::Answered,
        })
        .await;
        // The group stands in the first batch of a hundred keys, the last memberships in the second.
        let users = people(&app, "user", 230).await;
        let path = format!("/Groups/{}", app.group("Team", &[]).await);
        let large = async { failing.operations(&path, add(&users)).await.expect(204) };
        let other = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            app.operations(&path, add(&users[230 - others..])).await.expect(204)
        };
        futures_util::future::join(large, other).await;
        assert_eq!(app.get(&path).await.expect(200).body["members"].as_array().unwrap().len(), 230, "{others}");
        is_clean_but_for_leftovers(&app, "after both").await;
    }
}

/// An intent is applied while a member of it is being deleted: between the reads of the member's memberships and of the
/// groups that the intents of its marks belong to.
#[tokio::test(start_paused = true)]
async fn who_is_deleted_while_an_intent_adds_it_is_no_member_of_anything() {
    let engine = Engine::new();
    let app = App::over(http_client(engine.clone()), &[]).await;
    let deleting = scripted(&app, &engine, |_, operation, text| match operation {
        "BatchGetItem" if text.contains("#GROUP\"") => Step::After(Duration::from_millis(600)),
        _ => Step::Answered,
    });
    let mut users = Vec::new();
    for number in 0..60 {
        users.push(app.user(&format!("u{number}@example.com")).await);
    }
    let path = format!("/Groups/{}", app.group("Team", &[]).await);
    let adding = scripted(&app, &engine, |_, operation, text| match operation {
        // A chunk is applied.
        "TransactWriteItems" if text.contains("#INTENT#") => Step::After(Duration::from_millis(400)),
        _ => Step::Answered,
    });
    let large = async { adding.operations(&path, add(&users)).await.expect(204) };
    let deletion = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        deleting.delete(&format!("/Users/{}", users[7])).await.expect(204)
    };
    futures_util::future::join(large, deletion).await;
    assert_eq!(app.get(&path).await.expect(200).body["members"].as_array().unwrap().len(), 59);
    crate::crash::sweep(&app).await;
    is_clean_but_for_leftovers(&app, "after the sweep").await;
}

/// A user and a group are deleted when the change that adds them is staged and not yet committed.
#[tokio::test(start_paused = true)]
async fn who_is_deleted_before_the_change_that_adds_it_is_committed_is_no_member() {
    let (app, adding) = failing(|_, operation, text| match operation {
        "TransactWriteItems" if text.contains("SET #committed") => Step::After(Duration::from_secs(1)),
        _ => Step::Answered,
    })
    .await;
    let mut members = people(&app, "user", 120).await;
    let deleted = [format!("/Users/{}", members[7]), format!("/Groups/{}", app.group("Inner", &[]).await)];
    members.push(deleted[1]["/Groups/".len()..].to_owned());
    members.push(app.group("Other", &[]).await);
    let path = format!("/Groups/{}", app.group("Team", &[]).await);
    let large = async { adding.operations(&path, add(&members)).await.expect(204) };
    let deletions = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        for path in &deleted {
            app.delete(path).await.expect(204);
        }
    };
    futures_util::future::join(large, deletions).await;
    assert_eq!(app.get(&path).await.expect(200).body["members"].as_array().unwrap().len(), members.len() - 2);
    crate::crash::sweep(&app).await;
    is_clean_but_for_leftovers(&app, "after the sweep").await;
}

/// A large change is committed and its process ends there: who adds some of its members again adds nobody.
#[tokio::test(start_paused = true)]
async fn members_of_a_change_that_is_not_applied_yet_are_members() {
    for again in [3, 17, 40] {
        let (app, ending) = failing(|_, operation, text| match operation {
            "TransactWriteItems" if text.contains("#INTENT#") => Step::Refused(400, THROTTLED),
            _ => Step::Answered,
        })
        .await;
        let users = people(&app, "user", 100).await;
        let id = app.group("Team", &[]).await;
        let path = format!("/Groups/{id}");
        // It is, whoever applies it.
        ending.operations(&path, add(&users)).await.expect(204);
        assert!(item(&app, "GROUP", &id).await["intent"].is_string(), "it is committed");
        app.operations(&path, add(&users[..again])).await.expect(204);
        assert_eq!(app.get(&path).await.expect(200).body["members"].as_array().unwrap().len(), 100, "{again}");
        crate::crash::sweep(&app).await;
        is_clean_but_for_leftovers(&app, "after the sweep").await;
    }
}

/// Items of members that somebody takes out of the table, past the service provider, are not waited for.
#[tokio::test(start_paused = true)]
async fn a_change_is_applied_without_the_members_whose_items_are_gone() {
    let (app, adding) = failing(|_, operation, text| match operation {
        "TransactWriteItems" if text.contains("SET #committed") => Step::After(Duration::from_secs(1)),
        _ => Step::Answered,
    })
    .await;
    let mut members = people(&app, "user", 120).await;
    let inner = [app.group("Inner", &[]).await, app.group("Other", &[]).await];
    let gone = [("USER", members[7].clone()), ("USER", members[70].clone()), ("GROUP", inner[0].clone())];
    members.extend(inner);
    let id = app.group("Team", &[]).await;
    let path = format!("/Groups/{id}");
    let large = async { adding.operations(&path, add(&members)).await.expect(204) };
    let taken = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        for (kind, id) in &gone {
            crate::verify::delete(&app, kind, id).await;
        }
    };
    futures_util::future::join(large, taken).await;
    assert_eq!(app.get(&path).await.expect(200).body["members"].as_array().unwrap().len(), 119);
    let group = item(&app, "GROUP", &id).await;
    assert_eq!((&group["memberCount"], &group["memberGroups"], group.get("intent")), (&json!(119), &json!(1), None));
}

/// The answer that says nothing of what becomes of a transaction is passed on as that.
#[tokio::test(start_paused = true)]
async fn a_transaction_that_stays_under_way_is_neither_done_nor_refused() {
    let (app, failing) = failing(|_, operation, _| match operation {
        "TransactWriteItems" => Step::Told(400, IN_PROGRESS),
        _ => Step::Answered,
    })
    .await;
    let user = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ann@example.com" });
    let answer = failing.post("/Users", user).await;
    answer.is_error(503, None);
    assert_eq!(answer.headers["retry-after"], "10");
    // It was, and the client that repeats the request finds it.
    let found = app.find("/Users", "userName eq \"ann@example.com\"").await.expect(200).ids();
    assert_eq!((found.len(), records(&app, "default").await.len()), (1, 1));
    let deleted = failing.delete(&format!("/Users/{}", found[0])).await;
    deleted.is_error(503, None);
    app.get(&format!("/Users/{}", found[0])).await.is_error(404, None);
}

/// The clocks of two functions differ: what the second one does comes after what the first one did, in the log and by
/// `lastModified`.
#[tokio::test(start_paused = true)]
async fn changes_of_one_resource_have_their_order_whatever_clocks_say() {
    let app = App::over(http_client(Engine::new()), &[]).await;
    let start: jiff::Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
    let ahead = ambient::repeatable(1, start + jiff::SignedDuration::from_secs(2));
    let (user, other) = (app.user("bob@example.com").await, app.user("ann@example.com").await);
    let group = app.group("Team", &[]).await;
    let (user_path, path) = (format!("/Users/{user}"), format!("/Groups/{group}"));
    let rename = |name: &str| json!([{ "op": "replace", "path": "displayName", "value": name }]);
    let remove = json!([{ "op": "remove", "path": format!("members[value eq \"{user}\"]") }]);
    app.operations(&user_path, rename("A")).await.expect(200);
    app.operations(&path, add(std::slice::from_ref(&user))).await.expect(204);
    drop(ahead);
    let _behind = ambient::repeatable(2, start);
    app.operations(&user_path, rename("B")).await.expect(200);
    app.operations(&path, remove).await.expect(204);
    app.operations(&path, add(&[user.clone(), other])).await.expect(204);
    app.operations(&path, rename("Team B")).await.expect(204);
    let modified = app.get(&path).await.expect(200).body["meta"]["lastModified"].clone();
    assert_eq!(modified, "2026-11-24T08:00:02.004Z");
    app.delete(&user_path).await.expect(204);
    let records = records(&app, "default").await;
    let last = records.last().unwrap();
    assert_eq!((last.operation.as_str(), last.at.as_str()), ("delete", "2026-11-24T08:00:02.005Z"));
    assert!(World::replayed(&records) == World::of_table(&app).await, "{records:#?}");
}

/// A table that takes seconds for each call: the request ends in time, with a SCIM error, and has changed all or nothing.
#[tokio::test(start_paused = true)]
async fn a_slow_table_is_answered_for_in_time() {
    let (app, failing) = failing(|_, _, _| Step::After(Duration::from_millis(4_500))).await;
    let mut users = Vec::new();
    for number in 0..150 {
        users.push(app.user(&format!("u{number}@example.com")).await);
    }
    let group = app.group("Team", &[]).await;
    let path = format!("/Groups/{group}");
    for (method, body) in [("PATCH", add(&users)), ("GET", Value::Null)] {
        let began = clock();
        let answer = match body {
            Value::Null => failing.get("/Users?filter=title+pr&sortBy=title").await,
            operations => failing.operations(&path, operations).await,
        };
        let took = began.elapsed();
        assert!(took <= Duration::from_secs(25), "{method}: {took:?}");
        assert!(matches!(answer.status, 200 | 204 | 503), "{method}: {}", answer.text);
    }
    crate::crash::sweep(&app).await;
    is_clean_but_for_leftovers(&app, "after the sweep").await;
    let members = app.get(&path).await.expect(200).body["members"].as_array().map_or(0, Vec::len);
    assert!(members == 0 || members == 150, "{members} members");
}

/// Every error that DynamoDB documents for an overload or a failure of its own is one that the client may wait out.
#[tokio::test(start_paused = true)]
async fn what_dynamodb_fails_of_itself_is_429_or_503() {
    const CASES: [(&str, u16, u16); 5] = [
        (r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}"#, 400, 429),
        (THROTTLED, 400, 429),
        (r#"{"__type":"com.amazonaws.dynamodb.v20120810#RequestLimitExceeded"}"#, 400, 429),
        (r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError"}"#, 500, 503),
        (r#"{"__type":"com.amazon.coral.service#ServiceUnavailableException"}"#, 503, 503),
    ];
    for (body, status, expected) in CASES {
        let (app, failing) = failing(move |_, _, _| Step::Refused(status, body)).await;
        let id = app.user("ann@example.com").await;
        let operations = json!([{ "op": "replace", "path": "title", "value": "Head" }]);
        for answer in [
            failing.get(&format!("/Users/{id}")).await,
            failing.get("/Users").await,
            failing.find("/Users", "userName eq \"ann@example.com\"").await,
            failing.operations(&format!("/Users/{id}"), operations).await,
            failing.delete(&format!("/Users/{id}")).await,
        ] {
            answer.is_error(expected, None);
            let seconds = answer.headers["retry-after"].to_str().unwrap().parse::<u32>();
            assert!(seconds.is_ok_and(|seconds| seconds > 0), "{body}");
        }
    }
}

/// `scimlet verify` waits for a table that throttles: each kind of call a dozen times.
#[tokio::test(start_paused = true)]
async fn a_check_and_its_repairs_wait_for_a_table_that_throttles() {
    let calls: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let (app, failing) = failing({
        let calls = calls.clone();
        move |_, operation, _| {
            let mut calls = calls.lock().unwrap();
            let made = calls.entry(operation.to_owned()).or_default();
            *made += 1;
            match operation {
                "DescribeTable" | "Scan" | "Query" | "GetItem" | "BatchGetItem" | "TransactWriteItems"
                    if *made <= 12 =>
                {
                    Step::Refused(400, THROTTLED)
                }
                // A write of one of the items is under way.
                "TransactGetItems" if *made <= 4 => Step::Refused(400, CONFLICT),
                _ => Step::Answered,
            }
        }
    })
    .await;
    let user = app.user("ann@example.com").await;
    let group = app.group("Team", &[&user]).await;
    crate::verify::delete(&app, &format!("MEMBEROF#{user}"), &group).await;
    crate::verify::delete(&app, "COUNT#USER", &user[..2]).await;
    let found = kinds(&verify(&failing, true).await);
    assert_eq!(found, BTreeMap::from([(Kind::MirrorMissing, (1, 1)), (Kind::Counter, (1, 1))]));
    let made: Vec<_> =
        calls.lock().unwrap().iter().filter(|(_, made)| **made > 12).map(|(name, _)| name.clone()).collect();
    assert_eq!(made, ["BatchGetItem", "DescribeTable", "GetItem", "Query", "Scan", "TransactWriteItems"]);
    is_clean_but_for_leftovers(&app, "after the repair").await;
}

/// It does not wait for ever.
#[tokio::test(start_paused = true)]
async fn a_check_of_a_table_that_only_throttles_ends() {
    let (_, failing) = failing(|_, operation, _| match operation {
        "Scan" => Step::Refused(400, THROTTLED),
        _ => Step::Answered,
    })
    .await;
    let service = Service::new(failing.store.clone(), Schemas::load(true).unwrap(), Settings::unlimited());
    let ended = service.verify(Options { repair: false, segments: 1 }, Arc::new(|_| {})).await;
    assert!(matches!(ended, Err(StoreError::Throttled(_))), "{ended:?}");
}

/// A function that is given little time answers within it: half a second before it is ended.
#[tokio::test(start_paused = true)]
async fn the_time_that_lambda_gives_a_function_is_the_time_of_a_request() {
    let (_, failing) = failing(|_, _, _| Step::After(Duration::from_millis(2_600))).await;
    let event = include_str!("../../../events/users-list.json").replace("local-invoke-token", TOKEN);
    for (milliseconds, status) in [(3_000, 503), (20_000, 200)] {
        let now = ambient::now().as_millisecond() as u64;
        let mut context = lambda_http::Context::default();
        context.deadline = now + milliseconds;
        let mut event: Value = serde_json::from_str(&event).unwrap();
        event["rawQueryString"] = "filter=title+pr".into();
        let event = serde_json::from_value(event).unwrap();
        let began = clock();
        let router = failing.router.clone();
        let answer = scimlet::lambda::answer(router, lambda_http::LambdaEvent::new(event, context)).await.unwrap();
        let answer = serde_json::to_value(answer).unwrap();
        assert_eq!(answer["statusCode"], status, "{answer}");
        assert!(began.elapsed() < Duration::from_millis(milliseconds - 400), "{:?}", began.elapsed());
    }
}
