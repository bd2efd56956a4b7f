//! Guarantee 2, no lost update: writers at one resource at the same time, on several threads, and what the table holds
//! when all of them have their answer.

use crate::guarantees::{etag, is_intact, item, members, users};
use crate::harness::{Answer, App};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// One request of a race.
#[derive(Clone)]
struct Request {
    method: &'static str,
    path: String,
    if_match: Option<String>,
    body: Value,
}

impl Request {
    fn new(method: &'static str, path: impl Into<String>, body: Value) -> Self {
        Self { method, path: path.into(), if_match: None, body }
    }

    fn patch(path: impl Into<String>, operations: Value) -> Self {
        let schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
        Self::new("PATCH", path, json!({ "schemas": [schema], "Operations": operations }))
    }

    fn add(group: &str, user: &str) -> Self {
        let operation = json!([{ "op": "add", "path": "members", "value": [{ "value": user }] }]);
        Self::patch(format!("/Groups/{group}"), operation)
    }

    fn remove(group: &str, user: &str) -> Self {
        let operation = json!([{ "op": "remove", "path": format!("members[value eq \"{user}\"]") }]);
        Self::patch(format!("/Groups/{group}"), operation)
    }

    fn delete(path: impl Into<String>) -> Self {
        Self::new("DELETE", path, Value::Null)
    }

    fn if_match(self, etag: &str) -> Self {
        Self { if_match: Some(etag.to_owned()), ..self }
    }
}

/// Sends all of them at once, and gives their answers in the same order.
async fn race(app: &Arc<App>, requests: impl IntoIterator<Item = Request>) -> Vec<Answer> {
    let send = |request: Request| {
        let app = Arc::clone(app);
        tokio::spawn(async move {
            let mut headers = vec![("content-type", "application/scim+json")];
            headers.extend(request.if_match.as_deref().map(|etag| ("if-match", etag)));
            let body = (!request.body.is_null()).then(|| request.body.to_string().into_bytes());
            app.send(request.method, &request.path, &headers, body).await
        })
    };
    let sent: Vec<_> = requests.into_iter().map(send).collect();
    let mut answers = Vec::new();
    for answer in sent {
        answers.push(answer.await.unwrap());
    }
    answers
}

/// How many answers have this status; each other one must be a SCIM error of `otherwise`.
#[track_caller]
fn count(answers: &[Answer], status: u16, otherwise: (u16, Option<&str>)) -> usize {
    let (right, rest): (Vec<&Answer>, Vec<_>) = answers.iter().partition(|answer| answer.status == status);
    rest.iter().for_each(|answer| answer.is_error(otherwise.0, otherwise.1));
    right.len()
}

#[track_caller]
fn all(answers: &[Answer], status: u16) {
    for answer in answers {
        assert_eq!(answer.status, status, "{}", answer.text);
    }
}

async fn start() -> Arc<App> {
    Arc::new(App::start().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_parallel_adds_to_one_group_leave_fifty_members() {
    let app = start().await;
    let users = users(&app, 50).await;
    let team = app.group("Team", &[]).await;
    let answers = race(&app, users.iter().map(|user| Request::add(&team, user))).await;
    all(&answers, 204);
    assert_eq!(members(&app, &team).await, users.iter().cloned().collect());
    let item = item(&app, "GROUP", &team).await;
    assert_eq!((&item["memberCount"], &item["version"]), (&json!(50), &json!(51)));
    is_intact(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_parallel_creates_of_one_user_name_leave_one_user() {
    let app = start().await;
    let spelling = |number: usize| {
        let letter = |(at, letter): (usize, char)| match (number >> (at % 5)) & 1 {
            0 => letter,
            _ => letter.to_ascii_uppercase(),
        };
        "straße@example.com".chars().enumerate().map(letter).collect::<String>()
    };
    let create = |number| Request::new("POST", "/Users", json!({ "userName": spelling(number) }));
    let answers = race(&app, (0..20).map(create)).await;
    assert_eq!(count(&answers, 201, (409, Some("uniqueness"))), 1);
    let winner = answers.iter().find(|answer| answer.status == 201).unwrap().id();
    assert_eq!(app.find("/Users", "userName eq \"STRASSE@example.com\"").await.expect(200).ids(), [winner.clone()]);
    for answer in answers.iter().filter(|answer| answer.status == 409) {
        assert!(answer.detail().contains(&winner) && answer.detail().contains("userName"), "{}", answer.text);
    }
    let list = app.get("/Users").await.expect(200);
    assert_eq!((list.total(), list.ids()), (1, vec![winner]));
    is_intact(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_patches_of_different_attributes_all_survive() {
    let app = start().await;
    let path = format!("/Users/{}", app.user("ann@example.com").await);
    let department = format!("{ENTERPRISE}:department");
    let changes = [
        ("title", "/title"),
        ("displayName", "/displayName"),
        ("nickName", "/nickName"),
        ("locale", "/locale"),
        ("userType", "/userType"),
        ("timezone", "/timezone"),
        ("externalId", "/externalId"),
        ("name.givenName", "/name/givenName"),
        ("name.familyName", "/name/familyName"),
        ("emails[type eq \"work\"].value", "/emails/0/value"),
        ("addresses[type eq \"home\"].locality", "/addresses/0/locality"),
        (department.as_str(), "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/department"),
    ];
    let patch = |(attribute, _): &(&str, &str)| {
        Request::patch(&path, json!([{ "op": "add", "path": attribute, "value": format!("the {attribute}") }]))
    };
    all(&race(&app, changes.iter().map(patch)).await, 200);
    let user = app.get(&path).await.expect(200);
    for (attribute, pointer) in changes {
        assert_eq!(user.body.pointer(pointer), Some(&json!(format!("the {attribute}"))), "{}", user.text);
    }
    assert_eq!(user.body["meta"]["version"], etag(1 + changes.len()));
    is_intact(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_adds_and_removes_of_different_users_all_survive() {
    let app = start().await;
    let users = users(&app, 40).await;
    let (old, new) = users.split_at(20);
    let team = app.group("Team", &old.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let pairs = old.iter().zip(new);
    let answers =
        race(&app, pairs.flat_map(|(old, new)| [Request::remove(&team, old), Request::add(&team, new)])).await;
    all(&answers, 204);
    assert_eq!(members(&app, &team).await, new.iter().cloned().collect());
    assert_eq!(item(&app, "GROUP", &team).await["version"], json!(41));
    is_intact(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn adds_beside_a_replace_of_all_members_come_before_or_after_it() {
    let app = start().await;
    let users = users(&app, 12).await;
    let team = app.group("Team", &[&users[0]]).await;
    let whole = json!({ "displayName": "Team", "members": [{ "value": users[1] }] });
    let put = Request::new("PUT", format!("/Groups/{team}"), whole);
    let adds = users[2..].iter().map(|user| Request::add(&team, user));
    let answers = race(&app, adds.chain([put])).await;
    all(&answers[..10], 204);
    answers[10].clone().expect(200);
    let left = members(&app, &team).await;
    assert!(left.contains(&users[1]) && !left.contains(&users[0]), "{left:?}");
    assert_eq!(item(&app, "GROUP", &team).await["version"], json!(12));
    is_intact(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_user_deleted_while_groups_add_it_is_in_none_of_them() {
    let app = start().await;
    let mut groups = Vec::new();
    for number in 0..6 {
        groups.push(app.group(&format!("Team {number}"), &[]).await);
    }
    for round in 0..6 {
        let ann = app.user(&format!("ann{round}@example.com")).await;
        let mut requests: Vec<_> = groups.iter().map(|group| Request::add(group, &ann)).collect();
        requests.insert(round, Request::delete(format!("/Users/{ann}")));
        let mut answers = race(&app, requests).await;
        answers.remove(round).expect(204);
        count(&answers, 204, (400, Some("invalidValue")));
        app.get(&format!("/Users/{ann}")).await.is_error(404, None);
        for group in &groups {
            assert_eq!(members(&app, group).await, BTreeSet::new());
        }
        let dump = app.dump().await;
        let of_ann = |(pk, sk): &(String, String)| !pk.contains("#GONE#") && (pk.contains(&ann) || sk == &ann);
        assert_eq!(dump.keys().find(|key| of_ann(key)), None);
        is_intact(&app).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_group_deleted_while_it_gains_members_leaves_nothing() {
    let app = start().await;
    let users = users(&app, 6).await;
    for round in 0..6 {
        let team = app.group(&format!("Team {round}"), &[]).await;
        let mut requests: Vec<_> = users.iter().map(|user| Request::add(&team, user)).collect();
        requests.insert(round, Request::delete(format!("/Groups/{team}")));
        let mut answers = race(&app, requests).await;
        answers.remove(round).expect(204);
        count(&answers, 204, (404, None));
        for user in &users {
            assert_eq!(app.get(&format!("/Users/{user}")).await.expect(200).body["groups"], Value::Null);
        }
        is_intact(&app).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn both_ends_of_a_membership_can_be_deleted_at_once() {
    let app = start().await;
    for round in 0..6 {
        let ann = app.user("ann@example.com").await;
        let team = app.group("Team", &[&ann]).await;
        let mut ends = vec![Request::delete(format!("/Users/{ann}")), Request::delete(format!("/Groups/{team}"))];
        ends.rotate_left(round % 2);
        all(&race(&app, ends).await, 204);
        is_intact(&app).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_parallel_deletes_one_finds_the_resource() {
    let app = start().await;
    let ann = app.user("ann@example.com").await;
    let team = app.group("Team", &[&ann]).await;
    for path in [format!("/Users/{ann}"), format!("/Groups/{team}")] {
        let answers = race(&app, vec![Request::delete(&path); 8]).await;
        assert_eq!(count(&answers, 204, (404, None)), 1, "{path}");
        is_intact(&app).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_parallel_renames_to_one_name_one_wins() {
    let app = start().await;
    let mut requests = Vec::new();
    for number in 0..10 {
        let name = if number % 2 == 0 { "Sales" } else { "SALES" };
        let path = format!("/Groups/{}", app.group(&format!("Team {number}"), &[]).await);
        requests.push(Request::patch(path, json!([{ "op": "replace", "path": "displayName", "value": name }])));
    }
    let answers = race(&app, requests.clone()).await;
    assert_eq!(count(&answers, 204, (409, Some("uniqueness"))), 1);
    let winner = answers.iter().position(|answer| answer.status == 204).unwrap();
    let found = app.find("/Groups", "displayName eq \"sales\"").await.expect(200).ids();
    assert_eq!(found, [requests[winner].path.trim_start_matches("/Groups/")]);
    is_intact(&app).await;
}

/// A client that repeats a request before the first answer must not be told that its own resource is in the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_rename_sent_in_parallel_happens_once_and_succeeds_every_time() {
    let app = start().await;
    let ann = format!("/Users/{}", app.user("ann@example.com").await);
    let team = format!("/Groups/{}", app.group("Team", &[]).await);
    for round in 1..=4 {
        for (path, attribute, status) in [(&ann, "userName", 200), (&team, "displayName", 204)] {
            let rename = json!([{ "op": "replace", "path": attribute, "value": format!("name {round}") }]);
            all(&race(&app, vec![Request::patch(path, rename); 8]).await, status);
            let found = app.get(path).await.expect(200);
            assert_eq!(found.body["meta"]["version"], etag(round + 1), "{}", found.text);
        }
    }
    is_intact(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_ten_writers_with_one_etag_exactly_one_wins() {
    let app = start().await;
    let users = users(&app, 10).await;
    let team = app.group("Team", &[]).await;
    let (path, group) = (format!("/Users/{}", users[0]), format!("/Groups/{team}"));
    let title = |number: usize| json!([{ "op": "replace", "path": "title", "value": format!("title {number}") }]);
    let put = |number: usize| json!({ "userName": "user0@example.com", "title": format!("put {number}") });
    let rename = |number: usize| json!([{ "op": "replace", "path": "displayName", "value": format!("Team {number}") }]);
    let races: [(&str, Vec<Request>, u16); 4] = [
        (&path, (0..10).map(|number| Request::patch(&path, title(number))).collect(), 200),
        (&path, (0..10).map(|number| Request::new("PUT", &path, put(number))).collect(), 200),
        (&group, users.iter().map(|user| Request::add(&team, user)).collect(), 204),
        (&group, (0..10).map(|number| Request::patch(&group, rename(number))).collect(), 204),
    ];
    for (path, requests, status) in races {
        let before = app.get(path).await.expect(200).body["meta"]["version"].as_str().unwrap().to_owned();
        let answers = race(&app, requests.into_iter().map(|request| request.if_match(&before))).await;
        assert_eq!(count(&answers, status, (412, None)), 1, "{path}");
        is_intact(&app).await;
    }
    assert_eq!(item(&app, "GROUP", &team).await["memberCount"], json!(1));
}
