//! Long display names among many members: the request is refused with 413 and nothing is written, or it is done whole.

use super::table::{is_clean_after_the_sweep, people, residue};
use super::{list, set};
use crate::guarantees::{is_intact, members};
use crate::harness::App;
use serde_json::{Value, json};

/// Adds `count` members, some with a display name, by PATCH, PUT and POST; gives the statuses.
async fn add_with(count: usize, display: impl Fn(usize) -> Option<String>) -> [u16; 3] {
    let app = App::start().await;
    let people = people(&app, "u", count).await;
    let mut members_sent = list(&people);
    for (number, member) in members_sent.as_array_mut().unwrap().iter_mut().enumerate() {
        if let Some(display) = display(number) {
            member["display"] = display.into();
        }
    }
    let group = app.group("Team", &[]).await;
    let path = format!("/Groups/{group}");
    let body = |name: &str| json!({ "displayName": name, "members": members_sent });
    let mut statuses = [0; 3];
    for (number, status) in statuses.iter_mut().enumerate() {
        let before = app.dump().await;
        let answer = match number {
            0 => app.operations(&path, json!([{ "op": "add", "path": "members", "value": members_sent }])).await,
            1 => app.put(&path, body("Team")).await,
            _ => app.post("/Groups", body("Other")).await,
        };
        *status = answer.status;
        if answer.status < 300 {
            let id = if number == 2 { answer.id() } else { group.clone() };
            assert_eq!(members(&app, &id).await, set(&people));
            let got = app.get(&format!("/Groups/{id}")).await.expect(200);
            let sent = |member: &Value| {
                members_sent.as_array().unwrap().iter().find(|sent| sent["value"] == member["value"]).cloned()
            };
            let is_as_sent = |member: &Value| sent(member).unwrap().get("display") == member.get("display");
            assert!(got.body["members"].as_array().unwrap().iter().all(is_as_sent));
            is_intact(&app).await;
        } else {
            let after = app.dump().await;
            assert_eq!(residue(&after), Vec::<String>::new(), "request {number}: {}", answer.text);
            let is_same = after.iter().all(|(key, item)| {
                // A user may have been joined to nothing: the count of its joins only grows.
                key.0 == "T#default#USER" || before.get(key) == Some(item)
            });
            assert!(is_same && after.len() == before.len(), "request {number}: {}", answer.text);
        }
        is_clean_after_the_sweep(&app, &format!("request {number}")).await;
    }
    statuses
}

fn is_413_or_done(statuses: [u16; 3]) {
    assert!(statuses.iter().all(|status| matches!(status, 200 | 201 | 204 | 413)), "{statuses:?}");
}

#[tokio::test]
async fn one_of_300_kilobytes_among_50() {
    is_413_or_done(add_with(50, |number| (number == 20).then(|| "x".repeat(300_000))).await);
}

#[tokio::test]
async fn one_of_150_kilobytes_among_50() {
    let statuses = add_with(50, |number| (number == 20).then(|| "x".repeat(150_000))).await;
    assert_eq!(statuses, [204, 200, 201]);
}

/// All of them are 700 KB: more than one item holds.
#[tokio::test]
async fn thirty_five_of_20_kilobytes() {
    is_413_or_done(add_with(35, |_| Some("x".repeat(20_000))).await);
}

/// Six bytes of JSON for each.
#[tokio::test]
async fn one_of_control_characters_among_50() {
    is_413_or_done(add_with(50, |number| (number == 20).then(|| "\u{1}".repeat(80_000))).await);
}
