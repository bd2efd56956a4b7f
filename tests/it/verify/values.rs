//! Indexed values and their keys.

use super::{
    NO_GROUP, NOBODY, World, delete, is_clean, is_found_and_repaired, kinds, put, s, set, verify, verify_with, world,
};
use crate::harness::App;
use scimlet::protocol::schema::Schemas;
use scimlet::store::verify::{Kind, Options};
use serde_json::json;
use std::collections::BTreeMap;

#[tokio::test]
async fn a_value_without_its_key() {
    let World { app, ann, .. } = world().await;
    delete(&app, "KEY#User.userName#ann", "-").await;
    delete(&app, "KEY#User.externalId#E1", &ann).await;
    delete(&app, "KEY#User.emails.value#a@b", &ann).await;
    assert_eq!(app.find("/Users", "userName eq \"ann\"").await.expect(200).total(), 0);
    is_found_and_repaired(&app, &[(Kind::KeyMissing, 3)]).await;
    assert_eq!(app.find("/Users", "userName eq \"ann\"").await.expect(200).ids(), [ann]);
}

#[tokio::test]
async fn a_key_without_its_resource_or_its_value() {
    let World { app, ann, .. } = world().await;
    put(&app, "KEY#User.userName#gone", "-", &[("id", s(NOBODY))]).await;
    put(&app, "KEY#User.userName#nameless", "-", &[]).await;
    put(&app, "KEY#User.userName#former", "-", &[("id", s(&ann))]).await;
    put(&app, "KEY#User.externalId#E2", &ann, &[]).await;
    put(&app, "KEY#Group.displayName#gone", "-", &[("id", s(NO_GROUP))]).await;
    put(&app, "DIGEST#User.emails.value#0123", &ann, &[]).await;
    // Of an attribute that nothing indexes, and nobody has.
    put(&app, "KEY#User.urn:example:badge:number#7", "-", &[("id", s(NOBODY))]).await;
    is_found_and_repaired(&app, &[(Kind::KeyStray, 7)]).await;
}

#[tokio::test]
async fn a_key_that_is_anothers() {
    let World { app, ann, bob, .. } = world().await;
    set(&app, "KEY#User.userName#ann", "-", "id", Some(s(&bob))).await;
    set(&app, "KEY#Group.displayName#team", "-", "id", Some(s(NO_GROUP))).await;
    set(&app, "KEY#User.externalId#E1", &ann, "id", Some(s(&bob))).await;
    is_found_and_repaired(&app, &[(Kind::KeyOfAnother, 3)]).await;
}

#[tokio::test]
async fn a_key_of_an_attribute_that_is_not_configured_is_left_alone() {
    let World { app, ann, .. } = world().await;
    put(&app, "KEY#User.urn:example:badge:number#7", "-", &[("id", s(&ann))]).await;
    let before = app.dump().await;
    let report = verify(&app, true).await;
    is_clean(&report);
    assert_eq!(kinds(&report), BTreeMap::from([(Kind::NotIndexed, (1, 0))]));
    let example = report.findings[&Kind::NotIndexed].examples[0].to_string();
    assert_eq!(example, format!("tenant default, attribute User.urn:example:badge:number, id {ann}"));
    assert_eq!(app.dump().await, before);
}

const BADGE: &str = r#"{
    "id": "urn:example:params:scim:schemas:extension:badge:2.0:User", "resourceType": "User",
    "attributes": [{ "name": "number", "uniqueness": "UNIQUENESS" }]
}"#;

/// What was no index yet when the values were written: `--repair` writes the keys, and names who shares one.
#[tokio::test]
async fn an_attribute_that_became_unique_later() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("badge.json");
    std::fs::write(&file, BADGE.replace("UNIQUENESS", "none")).unwrap();
    let app = App::start_with(&[("SCIM_SCHEMAS", file.to_str().unwrap())]).await;
    let extension = "urn:example:params:scim:schemas:extension:badge:2.0:User";
    let user = async |name: &str, number: &str| {
        let user = json!({ "userName": name, extension: { "number": number } });
        app.post("/Users", user).await.expect(201).id()
    };
    let (one, two) = (user("a", "1").await, user("b", "2").await);
    let (same, other) = (user("c", "3").await, user("d", "3").await);
    let unique = || {
        let mut schemas = Schemas::load(true).unwrap();
        schemas.add("badge.json", &BADGE.replace("UNIQUENESS", "server")).unwrap();
        schemas
    };
    let look = Options { repair: false, segments: 1 };
    let repair = Options { repair: true, segments: 1 };
    let found = kinds(&verify_with(&app, unique(), look).await);
    assert_eq!(found, BTreeMap::from([(Kind::KeyMissing, (3, 0)), (Kind::Conflict, (1, 0))]));
    let report = verify_with(&app, unique(), repair).await;
    assert_eq!(kinds(&report), BTreeMap::from([(Kind::KeyMissing, (3, 3)), (Kind::Conflict, (1, 0))]));
    assert_eq!(report.left(), 1);
    let dump = app.dump().await;
    let holder = |number: &str| {
        let pk = format!("T#default#KEY#User.{extension}:number#{number}");
        dump[&(pk, "-".to_owned())]["id"].as_str().unwrap().to_owned()
    };
    assert_eq!((holder("1"), holder("2")), (one, two));
    let holds = holder("3");
    let (holds, lacks) = if holds == same { (&same, &other) } else { (&other, &same) };
    for again in [look, repair] {
        let report = verify_with(&app, unique(), again).await;
        assert_eq!(kinds(&report), BTreeMap::from([(Kind::Conflict, (1, 0))]));
        let example = report.findings[&Kind::Conflict].examples[0].to_string();
        assert_eq!(example, format!("tenant default, attribute User.{extension}:number, id {lacks}, other {holds}"));
    }
    // The conflict ends when one of them changes.
    app.put(&format!("/Users/{lacks}"), json!({ "userName": "e" })).await.expect(200);
    is_clean(&verify_with(&app, unique(), look).await);
}

/// Gives Bob the name of Ann, and takes the key of his own away.
async fn calls_ann(app: &App, bob: &str) {
    let kept = json!({ "userName": "ANN", "active": true }).to_string();
    set(app, "USER", bob, "resource", Some(s(&kept))).await;
    set(app, "USER", bob, "userName", Some(s("ANN"))).await;
    delete(app, "KEY#User.userName#bob", "-").await;
}

#[tokio::test]
async fn a_value_that_two_hold_is_a_conflict() {
    let World { app, ann, bob, .. } = world().await;
    calls_ann(&app, &bob).await;
    let before = app.dump().await;
    for repair in [false, true] {
        let report = verify(&app, repair).await;
        assert_eq!(kinds(&report), BTreeMap::from([(Kind::Conflict, (1, 0))]));
        let example = report.findings[&Kind::Conflict].examples[0].to_string();
        assert_eq!(example, format!("tenant default, attribute User.userName, id {bob}, other {ann}"));
    }
    assert_eq!(app.dump().await, before);
}

/// Two have a value, and the key of neither is there: the one that is looked at first gets it.
#[tokio::test]
async fn a_value_that_two_want_is_a_conflict_of_the_second() {
    let World { app, ann, bob, .. } = world().await;
    calls_ann(&app, &bob).await;
    delete(&app, "KEY#User.userName#ann", "-").await;
    let report = verify(&app, false).await;
    assert_eq!(kinds(&report), BTreeMap::from([(Kind::KeyMissing, (1, 0)), (Kind::Conflict, (1, 0))]));
    let example = report.findings[&Kind::Conflict].examples[0].to_string();
    let of = |id: &str, other: &str| format!("tenant default, attribute User.userName, id {id}, other {other}");
    assert!([of(&ann, &bob), of(&bob, &ann)].contains(&example), "{example}");
}

#[tokio::test]
async fn group_names_that_are_freed_and_made_unique_again() {
    let World { app, team, .. } = world().await;
    let freed = || Schemas::load(false).unwrap();
    let look = Options { repair: false, segments: 1 };
    let repair = Options { repair: true, segments: 1 };
    assert_eq!(
        kinds(&verify_with(&app, freed(), repair).await),
        BTreeMap::from([(Kind::KeyMissing, (1, 1)), (Kind::KeyStray, (1, 1))])
    );
    is_clean(&verify_with(&app, freed(), look).await);
    // The key of a name that many may have names nobody, not even another who has it.
    let freely = app.with(&[("SCIM_GROUP_NAME_UNIQUE", "false")]);
    let other = freely.group("Team", &[]).await;
    set(&app, "KEY#Group.displayName#team", &team, "id", Some(s(&other))).await;
    assert_eq!(kinds(&verify_with(&app, freed(), repair).await), BTreeMap::from([(Kind::KeyOfAnother, (1, 1))]));
    is_clean(&verify_with(&app, freed(), look).await);
    freely.delete(&format!("/Groups/{other}")).await.expect(204);
    is_found_and_repaired(&app, &[(Kind::KeyMissing, 1), (Kind::KeyStray, 1)]).await;
}
