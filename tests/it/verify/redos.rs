//! What redos leave behind.

use super::{NO_GROUP, NOBODY, World, is_clean, is_found_and_repaired, kinds, put, s, set, ss, verify, world};
use crate::guarantees::item;
use scimlet::store::verify::Kind;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const REDO: &str = "0a0a0a0a-14b2-4183-baf2-06d523e03bd3";

/// A group whose committed intent adds Carl and removes Ann, and is not applied yet.
async fn pending() -> (World, String) {
    let world = world().await;
    let World { app, ann, team, .. } = &world;
    let carl = app.user("carl").await;
    let mut changes = [
        (&carl, json!({ "add": carl, "type": "User" })),
        (ann, json!({ "remove": ann, "type": "User" })),
        (team, json!({ "add": team, "type": "Group" })),
    ];
    changes.sort_by_key(|(id, _)| *id);
    let changes = Value::from_iter(changes.map(|(_, change)| change));
    let chunk = [("changes", s(&changes.to_string())), ("at", s("2026-01-01T00:00:00.000Z"))];
    put(app, &format!("INTENT#{team}"), &format!("{REDO}#"), &chunk).await;
    let register = [("staged", s("2026-01-01")), ("committed", s("2026-01-01"))];
    put(app, "REDO", &format!("members#{team}#{REDO}"), &register).await;
    set(app, "GROUP", team, "intent", Some(s(REDO))).await;
    set(app, "GROUP", team, "memberCount", Some(super::n(3))).await;
    set(app, "GROUP", team, "memberGroups", Some(super::n(1))).await;
    set(app, "USER", &carl, "joining", Some(ss(&[&format!("{team}#{REDO}")]))).await;
    set(app, "USER", &carl, "joins", Some(super::n(1))).await;
    (world, carl)
}

#[tokio::test]
async fn a_pending_intent_is_no_error_and_its_members_are_counted_in() {
    let (World { app, team, .. }, _) = pending().await;
    for repair in [false, true] {
        let report = verify(&app, repair).await;
        is_clean(&report);
        assert_eq!(kinds(&report), BTreeMap::from([(Kind::Pending, (1, 0))]));
    }
    set(&app, "GROUP", &team, "memberCount", Some(super::n(2))).await;
    assert_eq!(verify(&app, true).await.repaired(), 1);
    assert_eq!(item(&app, "GROUP", &team).await["memberCount"], json!(3));
    is_clean(&verify(&app, false).await);
}

/// What is read beside a pending intent is what it says, whatever another one that is only staged would say.
#[tokio::test]
async fn a_mark_of_what_is_only_staged_makes_nobody_a_member() {
    let (World { app, ann, team, .. }, carl) = pending().await;
    let staged = format!("{team}#{NOBODY}");
    put(&app, "REDO", &format!("members#{staged}"), &[("staged", s("2026"))]).await;
    set(&app, "USER", &ann, "joining", Some(ss(&[&staged]))).await;
    let groups = async |id: &str| app.get(&format!("/Users/{id}")).await.expect(200).body.get("groups").cloned();
    assert_eq!(groups(&ann).await, None);
    assert_eq!(groups(&carl).await.unwrap()[0]["value"], json!(team));
}

#[tokio::test]
async fn an_intent_that_is_lost_is_registered_again() {
    let (World { app, team, .. }, _) = pending().await;
    let name = format!("members#{team}#{REDO}");
    let pending = BTreeMap::from([(Kind::Pending, (1, 0))]);
    for breaks in 0..3 {
        let staged = item(&app, "REDO", &name).await["staged"].clone();
        let without = match breaks {
            0 => {
                super::delete(&app, "REDO", &name).await;
                BTreeMap::new()
            }
            1 => {
                set(&app, "REDO", &name, "committed", None).await;
                pending.clone()
            }
            _ => {
                set(&app, "REDO", &name, "dead", Some(aws_sdk_dynamodb::types::AttributeValue::Bool(true))).await;
                pending.clone()
            }
        };
        let mut expected = without;
        expected.insert(Kind::IntentLost, (1, 0));
        assert_eq!(kinds(&verify(&app, false).await), expected);
        assert_eq!(verify(&app, true).await.findings[&Kind::IntentLost].repaired, 1);
        assert_eq!(kinds(&verify(&app, false).await), pending);
        let register = item(&app, "REDO", &name).await;
        assert!(register["committed"].is_string() && register["staged"].is_string(), "{register}");
        assert_eq!(breaks > 0, register["staged"] == staged, "{register}, staged {staged}");
        assert!(register.get("dead").is_none(), "{register}");
    }
}

#[tokio::test]
async fn a_redo_that_is_over_and_chunks_and_marks_of_none() {
    let World { app, ann, bob, team } = world().await;
    let register = [("staged", s("2026-01-01")), ("committed", s("2026-01-01"))];
    put(&app, "REDO", &format!("members#{team}#{REDO}"), &register).await;
    is_found_and_repaired(&app, &[(Kind::RedoStray, 1)]).await;
    put(&app, &format!("INTENT#{team}"), &format!("{REDO}#"), &[("changes", s("[]"))]).await;
    put(&app, &format!("INTENT#{NO_GROUP}"), &format!("{REDO}#{ann}"), &[("changes", s("[]"))]).await;
    is_found_and_repaired(&app, &[(Kind::ChunkStray, 2)]).await;
    // The group may have another intent.
    let gone = format!("{NO_GROUP}#{REDO}");
    set(&app, "USER", &ann, "joining", Some(ss(&[&gone, &format!("{team}#{REDO}"), "odd"]))).await;
    set(&app, "GROUP", &team, "leaving", Some(ss(&[&format!("{bob}#{REDO}"), &format!("{NOBODY}#{REDO}")]))).await;
    is_found_and_repaired(&app, &[(Kind::MarkStray, 5)]).await;
}

/// The only mark of a user; and one of a group that is to join itself, which a transaction names once.
#[tokio::test]
async fn a_mark_of_no_redo_that_stands_alone() {
    let World { app, ann, team, .. } = world().await;
    for (kind, id) in [("USER", &ann), ("GROUP", &team)] {
        set(&app, kind, id, "joining", Some(ss(&[&format!("{team}#{REDO}")]))).await;
        is_found_and_repaired(&app, &[(Kind::MarkStray, 1)]).await;
    }
}

#[tokio::test]
async fn a_mark_of_somebody_who_left_goes_with_the_membership() {
    let World { app, team, .. } = world().await;
    let edge = [("type", s("User")), ("added", s("2020"))];
    put(&app, &format!("MEMBERS#{team}"), NOBODY, &edge).await;
    put(&app, &format!("MEMBEROF#{NOBODY}"), &team, &edge).await;
    set(&app, "GROUP", &team, "memberCount", Some(super::n(3))).await;
    let mark = format!("{NOBODY}#{REDO}");
    set(&app, "GROUP", &team, "leaving", Some(ss(&[&mark]))).await;
    // While the redo is there, the sweep does it.
    put(&app, "REDO", &format!("leave#{mark}"), &[("staged", s("2026")), ("committed", s("2026"))]).await;
    let before = app.dump().await;
    for count in [3, 2] {
        set(&app, "GROUP", &team, "memberCount", Some(super::n(count))).await;
        let report = verify(&app, true).await;
        assert_eq!(kinds(&report), BTreeMap::from([(Kind::Pending, (1, 0))]));
    }
    set(&app, "GROUP", &team, "memberCount", Some(super::n(3))).await;
    assert_eq!(app.dump().await, before);
    super::delete(&app, "REDO", &format!("leave#{mark}")).await;
    super::is_found_and_repaired_with(&app, &[(Kind::MarkStray, 1)], &[(Kind::MemberCount, 1)]).await;
}

#[tokio::test]
async fn what_is_staged_is_left_to_the_sweep() {
    let World { app, ann, bob, team } = world().await;
    put(&app, "REDO", &format!("members#{team}#{REDO}"), &[("staged", s("2026"))]).await;
    put(&app, "REDO", &format!("leave#{bob}#{REDO}"), &[("staged", s("2026")), ("groups", ss(&[&team]))]).await;
    put(&app, &format!("INTENT#{team}"), &format!("{REDO}#"), &[("changes", s("[]"))]).await;
    set(&app, "USER", &ann, "joining", Some(ss(&[&format!("{team}#{REDO}")]))).await;
    set(&app, "GROUP", &team, "leaving", Some(ss(&[&format!("{bob}#{REDO}")]))).await;
    let before = app.dump().await;
    for repair in [false, true] {
        let report = verify(&app, repair).await;
        is_clean(&report);
        assert_eq!(kinds(&report), BTreeMap::from([(Kind::Pending, (2, 0))]));
    }
    assert_eq!(app.dump().await, before);
}
