//! Calls of many items that DynamoDB does in part.

use super::{Step, add, failing};
use crate::big_groups::table::people;
use crate::guarantees::values;
use crate::verify::is_clean_but_for_leftovers;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// Two of three are done each time, and in the end all.
#[tokio::test(start_paused = true)]
async fn what_a_batch_leaves_is_asked_for_again() {
    let (app, failing) = failing(|_, operation, _| match operation {
        "BatchGetItem" | "BatchWriteItem" => Step::Part(|all| (2 * all).div_ceil(3)),
        _ => Step::Answered,
    })
    .await;
    let users = people(&app, "user", 600).await;
    let path = format!("/Groups/{}", app.group("Team", &[]).await);
    failing.operations(&path, add(&users)).await.expect(204);
    assert_eq!(app.get(&path).await.expect(200).body["members"].as_array().unwrap().len(), users.len());
    failing.operations(&path, json!([{ "op": "remove", "path": "members" }])).await.expect(204);
    assert_eq!(app.get(&path).await.expect(200).body.get("members"), None);
    is_clean_but_for_leftovers(&app, "after both").await;
}

/// A table that is overloaded for as long as the request is tried.
#[tokio::test(start_paused = true)]
async fn a_batch_of_which_nothing_is_ever_done_is_429_and_changes_nothing() {
    for overloaded in ["BatchGetItem", "BatchWriteItem"] {
        let (app, failing) = failing(move |_, operation, _| match operation {
            operation if operation == overloaded => Step::Part(|_| 0),
            _ => Step::Answered,
        })
        .await;
        let users = people(&app, "user", 600).await;
        let path = format!("/Groups/{}", app.group("Team", &[&users[0]]).await);
        let answer = failing.operations(&path, add(&users)).await;
        answer.is_error(429, None);
        assert!(answer.headers.contains_key("retry-after"), "{overloaded}: {:?}", answer.headers);
        let members = app.get(&path).await.expect(200).body["members"].as_array().unwrap().len();
        assert_eq!(members, 1, "{overloaded}");
        is_clean_but_for_leftovers(&app, overloaded).await;
    }
}

/// The answer to a batch has memberships from before a large change that ended meanwhile, and the group from after it: with
/// the version that this change gave it.
#[tokio::test(start_paused = true)]
async fn what_is_read_on_both_sides_of_a_change_is_read_again() {
    let (app, torn) = failing(|_, operation, text| match operation {
        "BatchGetItem" if text.contains("#GROUP\"") => Step::Torn(Duration::from_millis(200)),
        _ => Step::Answered,
    })
    .await;
    let users = people(&app, "user", 201).await;
    let (before, rest) = users.split_at(100);
    let (after, other) = rest.split_at(100);
    let path = format!("/Groups/{}", app.group("Team", &[]).await);
    app.operations(&path, add(before)).await.expect(204);
    // One who is a member by what was read first, and one who is none either way.
    let two = [before[7].clone(), other[0].clone()];
    let small = async { torn.operations(&path, add(&two)).await.expect(204) };
    let large = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let list: Vec<_> = after.iter().map(|id| json!({ "value": id })).collect();
        app.operations(&path, json!([{ "op": "replace", "path": "members", "value": list }])).await.expect(204)
    };
    futures_util::future::join(small, large).await;
    let expected: BTreeSet<String> = after.iter().chain(&two).cloned().collect();
    let group = app.get(&path).await.expect(200);
    assert_eq!(values(&group.body["members"]), expected, "the small change came last");
    is_clean_but_for_leftovers(&app, "after both").await;
}
