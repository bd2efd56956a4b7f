//! `scimlet verify`: a table that only requests have written is clean; each invariant, broken by hand, is found as what
//! it is, repaired, and then holds again.

use crate::big_groups::table::people;
use crate::guarantees::{is_intact, item, users};
use crate::harness::{ACME_TOKEN, App};
use aws_sdk_dynamodb::types::AttributeValue;
use scimlet::config::Settings;
use scimlet::protocol::schema::Schemas;
use scimlet::service::Service;
use scimlet::store::verify::{Example, Kind, Options, Progress, Report};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

mod command;
mod redos;
mod values;

const NOBODY: &str = "6c5bb468-14b2-4183-baf2-06d523e03bd3";
const NO_GROUP: &str = "2819c223-7f76-453a-919d-413861904646";

async fn verify_with(app: &App, schemas: Schemas, options: Options) -> Report {
    let service = Service::new(app.store.clone(), schemas, Settings::unlimited());
    service.verify(options, Arc::new(|_| {})).await.unwrap()
}

pub async fn verify(app: &App, repair: bool) -> Report {
    verify_with(app, Schemas::load(true).unwrap(), Options { repair, segments: 1 }).await
}

/// What was found, by kind, and how much of it was repaired.
pub fn kinds(report: &Report) -> BTreeMap<Kind, (u64, u64)> {
    report.findings.iter().map(|(kind, found)| (*kind, (found.count, found.repaired))).collect()
}

/// The table is clean.
#[track_caller]
fn is_clean(report: &Report) {
    assert_eq!((report.left(), report.repaired()), (0, 0), "{:#?}", report.findings);
}

/// Asserts that `verify` finds nothing but memberships that deleted groups left behind, which nobody can reach; that it
/// clears these, and that then nothing is left.
pub async fn is_clean_but_for_leftovers(app: &App, when: &str) {
    is_clean_but_for(app, &[Kind::Leftover], when).await;
}

/// The same, where staged chunks may have arrived late.
pub async fn is_clean_but_for_late_chunks(app: &App, when: &str) {
    is_clean_but_for(app, &[Kind::Leftover, Kind::ChunkStray], when).await;
}

async fn is_clean_but_for(app: &App, left: &[Kind], when: &str) {
    let found = kinds(&verify(app, true).await);
    assert!(found.keys().all(|kind| left.contains(kind)), "{when}: {found:?}");
    is_clean(&verify(app, false).await);
    is_intact(app).await;
}

/// Exactly these findings, all of which can be repaired; then none, and the table is intact.
async fn is_found_and_repaired(app: &App, expected: &[(Kind, u64)]) {
    is_found_and_repaired_with(app, expected, &[]).await;
}

/// The same, where the repair leads to further ones.
async fn is_found_and_repaired_with(app: &App, expected: &[(Kind, u64)], further: &[(Kind, u64)]) {
    let before = app.dump().await;
    let found = kinds(&verify(app, false).await);
    assert_eq!(found, expected.iter().map(|(kind, count)| (*kind, (*count, 0))).collect(), "found");
    assert_eq!(app.dump().await, before, "a look changes nothing");
    let repaired = kinds(&verify(app, true).await);
    let all = expected.iter().chain(further).map(|(kind, count)| (*kind, (*count, *count)));
    assert_eq!(repaired, all.collect(), "repaired");
    is_clean(&verify(app, false).await);
    is_intact(app).await;
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn n(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn ss(entries: &[&str]) -> AttributeValue {
    AttributeValue::Ss(entries.iter().map(|entry| (*entry).to_owned()).collect())
}

/// Writes an item of the tenant `default` past the server.
async fn put(app: &App, kind: &str, sk: &str, attributes: &[(&str, AttributeValue)]) {
    let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    let key = [("PK".to_owned(), s(&format!("T#default#{kind}"))), ("SK".to_owned(), s(sk))];
    let item: HashMap<String, AttributeValue> = key.into_iter().chain(attributes).collect();
    app.store.client().put_item().table_name(app.store.table()).set_item(Some(item)).send().await.unwrap();
}

/// Takes an item of the tenant `default` away, past the service provider.
pub async fn delete(app: &App, kind: &str, sk: &str) {
    let delete = app.store.client().delete_item().table_name(app.store.table());
    let delete = delete.key("PK", s(&format!("T#default#{kind}"))).key("SK", s(sk));
    let gone = delete.return_values(aws_sdk_dynamodb::types::ReturnValue::AllOld).send().await.unwrap();
    assert!(gone.attributes.is_some(), "{kind} / {sk} was not there");
}

/// Sets an item attribute, or removes it.
async fn set(app: &App, kind: &str, sk: &str, name: &str, value: Option<AttributeValue>) {
    let update = app.store.client().update_item().table_name(app.store.table());
    let update = update.key("PK", s(&format!("T#default#{kind}"))).key("SK", s(sk));
    let update = update.expression_attribute_names("#name", name).condition_expression("attribute_exists(PK)");
    let update = match value {
        Some(value) => update.update_expression("SET #name = :value").expression_attribute_values(":value", value),
        None => update.update_expression("REMOVE #name"),
    };
    update.send().await.unwrap();
}

/// Ann, who has all that is indexed, Bob, and a team of both.
struct World {
    app: App,
    ann: String,
    bob: String,
    team: String,
}

async fn world() -> World {
    let app = App::start().await;
    let ann = json!({ "userName": "Ann", "externalId": "E1", "emails": [{ "value": "A@b" }, { "value": "c@d" }] });
    let ann = app.post("/Users", ann).await.expect(201).id();
    let bob = app.user("bob").await;
    let team = app.group("Team", &[&ann, &bob]).await;
    World { app, ann, bob, team }
}

/// Creates, changes and deletes of every sort, in two tenants.
async fn busy_history(app: &App) {
    let ids = users(app, 40).await;
    let mut groups = Vec::new();
    for (number, some) in ids.chunks(8).enumerate() {
        let members: Vec<&str> = some.iter().map(String::as_str).collect();
        groups.push(app.group(&format!("Team {number}"), &members).await);
    }
    let rich = json!({
        "userName": "Straße@example.com", "externalId": "E1", "displayName": "x".repeat(2000),
        "emails": [{ "value": format!("{}@example.com", "y".repeat(1500)), "primary": true }, { "value": "A@b" }],
    });
    let rich = app.post("/Users", rich).await.expect(201).id();
    for (number, id) in ids.iter().enumerate() {
        let path = format!("/Users/{id}");
        match number % 4 {
            0 => drop(app.delete(&path).await.expect(204)),
            1 => {
                let body =
                    json!({ "userName": format!("renamed{number}"), "emails": [{ "value": "same@example.com" }] });
                app.put(&path, body).await.expect(200);
            }
            2 => {
                let change = json!([{ "op": "add", "path": "externalId", "value": "same" }]);
                app.operations(&path, change).await.expect(200);
            }
            _ => {}
        }
    }
    let add = |id: &str| json!([{ "op": "add", "path": "members", "value": [{ "value": id }] }]);
    app.operations(&format!("/Groups/{}", groups[0]), add(&groups[1])).await.expect(204);
    app.operations(&format!("/Groups/{}", groups[1]), add(&groups[0])).await.expect(204);
    app.operations(&format!("/Groups/{}", groups[2]), add(&rich)).await.expect(204);
    app.delete(&format!("/Groups/{}", groups[3])).await.expect(204);
    app.put(&format!("/Groups/{}", groups[4]), json!({ "displayName": "Renamed" })).await.expect(200);
    let headers = [("authorization", format!("Bearer {ACME_TOKEN}")), ("content-type", "application/scim+json".into())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let body = json!({ "userName": "user1@example.com" }).to_string().into_bytes();
    app.send("POST", "/Users", &headers, Some(body)).await.expect(201);
}

#[tokio::test]
async fn a_table_that_only_requests_have_written_is_clean() {
    let app = App::start().await;
    is_clean(&verify(&app, false).await);
    busy_history(&app).await;
    let before = app.dump().await;
    for (repair, segments) in [(false, 1), (true, 1), (false, 4), (true, 7)] {
        let report = verify_with(&app, Schemas::load(true).unwrap(), Options { repair, segments }).await;
        is_clean(&report);
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        let tenants: Vec<&str> = report.tenants.keys().map(String::as_str).collect();
        assert_eq!(tenants, ["acme", "default"]);
        let count =
            |kind: &str| before.keys().filter(|(pk, _)| pk.starts_with(&format!("T#default#{kind}"))).count() as u64;
        let seen = report.tenants["default"];
        assert_eq!((seen.users, seen.groups), (31, 4));
        assert_eq!((seen.memberships, seen.changes), (count("MEMBERS#"), count("LOG#")));
        assert_eq!(seen.keys, count("KEY#") + count("DIGEST#"));
        assert_eq!(report.items, before.len() as u64);
        assert!(report.cost.read_units > 0.0 && report.cost.write_units == 0.0);
    }
    assert_eq!(app.dump().await, before);
    is_intact(&app).await;
}

#[tokio::test]
async fn progress_comes_to_its_end() {
    let World { app, bob, .. } = world().await;
    set(&app, "COUNT#USER", &bob[..2], "n", Some(n(7))).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&told);
    let service = Service::new(app.store.clone(), Schemas::load(true).unwrap(), Settings::unlimited());
    let observer = Arc::new(move |progress| noted.lock().unwrap().push(progress));
    service.verify(Options { repair: false, segments: 2 }, observer).await.unwrap();
    let items = app.dump().await.len() as u64;
    let told = told.lock().unwrap();
    assert!(told.contains(&Progress::Items { checked: items, of: items }), "{told:?}");
    assert_eq!(told.last(), Some(&Progress::Counts { checked: 1, of: 1 }));
}

#[tokio::test]
async fn a_membership_without_its_mirror() {
    let World { app, ann, bob, team } = world().await;
    delete(&app, &format!("MEMBEROF#{ann}"), &team).await;
    set(&app, &format!("MEMBEROF#{bob}"), &team, "added", Some(s("2020-01-01T00:00:00.000Z"))).await;
    is_found_and_repaired(&app, &[(Kind::MirrorMissing, 2)]).await;
    let groups = app.get(&format!("/Users/{ann}")).await.expect(200);
    assert_eq!(groups.body["groups"][0]["value"], json!(team));
}

#[tokio::test]
async fn a_mirror_without_its_membership() {
    let World { app, ann, .. } = world().await;
    let other = app.group("Other", &[]).await;
    put(&app, &format!("MEMBEROF#{ann}"), &other, &[("type", s("User")), ("added", s("2020"))]).await;
    is_found_and_repaired(&app, &[(Kind::MirrorStray, 1)]).await;
}

#[tokio::test]
async fn what_a_deleted_group_left_behind() {
    let World { app, ann, bob, .. } = world().await;
    for member in [&ann, &bob] {
        let edge = [("type", s("User")), ("added", s("2020"))];
        put(&app, &format!("MEMBERS#{NO_GROUP}"), member, &edge).await;
        put(&app, &format!("MEMBEROF#{member}"), NO_GROUP, &edge).await;
    }
    put(&app, &format!("MEMBEROF#{NOBODY}"), NO_GROUP, &[]).await;
    is_found_and_repaired(&app, &[(Kind::Leftover, 3)]).await;
}

#[tokio::test]
async fn a_membership_of_nobody() {
    let World { app, team, .. } = world().await;
    let edge = [("type", s("User")), ("added", s("2020"))];
    put(&app, &format!("MEMBERS#{team}"), NOBODY, &edge).await;
    put(&app, &format!("MEMBEROF#{NOBODY}"), &team, &edge).await;
    set(&app, "GROUP", &team, "memberCount", Some(n(3))).await;
    is_found_and_repaired_with(&app, &[(Kind::MemberMissing, 1)], &[(Kind::MemberCount, 1)]).await;
}

#[tokio::test]
async fn a_membership_of_the_wrong_type() {
    let World { app, ann, bob, team } = world().await;
    for (member, said) in [(&ann, "Group"), (&bob, "Robot")] {
        set(&app, &format!("MEMBERS#{team}"), member, "type", Some(s(said))).await;
        set(&app, &format!("MEMBEROF#{member}"), &team, "type", Some(s(said))).await;
    }
    // Ann counted as a group is another finding, as the group does not say so.
    let report = kinds(&verify(&app, false).await);
    assert_eq!(report, BTreeMap::from([(Kind::MemberType, (2, 0)), (Kind::MemberCount, (1, 0))]));
    assert_eq!(kinds(&verify(&app, true).await), BTreeMap::from([(Kind::MemberType, (2, 2))]));
    is_clean(&verify(&app, false).await);
    is_intact(&app).await;
}

#[tokio::test]
async fn a_member_that_never_joined() {
    let World { app, ann, bob, .. } = world().await;
    set(&app, "USER", &ann, "joins", None).await;
    set(&app, "USER", &bob, "joins", Some(n(0))).await;
    is_found_and_repaired(&app, &[(Kind::Joins, 2)]).await;
}

#[tokio::test]
async fn several_things_wrong_with_one_membership() {
    let World { app, ann, team, .. } = world().await;
    set(&app, "USER", &ann, "joins", None).await;
    delete(&app, &format!("MEMBEROF#{ann}"), &team).await;
    is_found_and_repaired(&app, &[(Kind::MirrorMissing, 1), (Kind::Joins, 1)]).await;
}

#[tokio::test]
async fn a_group_that_does_not_count_its_members() {
    let World { app, team, .. } = world().await;
    let version = item(&app, "GROUP", &team).await["version"].clone();
    for count in [Some(n(1)), Some(n(-1)), Some(s("many")), None] {
        set(&app, "GROUP", &team, "memberCount", count).await;
        is_found_and_repaired(&app, &[(Kind::MemberCount, 1)]).await;
    }
    set(&app, "GROUP", &team, "memberGroups", Some(n(1))).await;
    is_found_and_repaired(&app, &[(Kind::MemberCount, 1)]).await;
    // No client has to read it again for that.
    assert_eq!(item(&app, "GROUP", &team).await["version"], version);
}

#[tokio::test]
async fn groups_among_the_members_are_counted() {
    let World { app, team, .. } = world().await;
    let inner = app.group("Inner", &[]).await;
    let outer = app.group("Outer", &[&inner, &team]).await;
    set(&app, "GROUP", &outer, "memberGroups", None).await;
    is_found_and_repaired(&app, &[(Kind::MemberCount, 1)]).await;
    let outer = item(&app, "GROUP", &outer).await;
    assert_eq!((&outer["memberCount"], &outer["memberGroups"]), (&json!(2), &json!(2)));
}

#[tokio::test]
async fn a_counter_that_does_not_count() {
    let World { app, ann, bob, team } = world().await;
    for (kind, id, name, value) in [
        ("COUNT#USER", &ann, "n", Some(n(5))),
        ("COUNT#USER", &bob, &bob[2..3], Some(n(0))),
        ("COUNT#GROUP", &team, "n", Some(s("many"))),
    ] {
        set(&app, kind, &id[..2], name, value).await;
    }
    let found = verify(&app, false).await.findings.remove(&Kind::Counter).unwrap();
    let digits: Vec<&(&str, String)> =
        found.examples.iter().flat_map(|Example(parts)| parts).filter(|(name, _)| *name == "digits").collect();
    assert_eq!(digits.len(), 3);
    for id in [&ann, &bob, &team] {
        assert!(digits.contains(&&("digits", id[..2].to_owned())), "{digits:?}");
    }
    is_found_and_repaired(&app, &[(Kind::Counter, 3)]).await;
    delete(&app, "COUNT#GROUP", &team[..2]).await;
    put(&app, "COUNT#GROUP", "zz", &[("n", n(1))]).await;
    is_found_and_repaired(&app, &[(Kind::Counter, 2)]).await;
    assert_eq!(app.get("/Groups").await.expect(200).total(), 1);
}

/// A table from before third digits were counted: its lists are right, and `--repair` makes them cheap.
#[tokio::test]
async fn counters_without_third_digits_list_all_the_same_and_are_filled_in() {
    let app = App::start().await;
    let mut ids = users(&app, 30).await;
    ids.sort();
    let prefixes: std::collections::BTreeSet<&str> = ids.iter().map(|id| &id[..2]).collect();
    for prefix in &prefixes {
        let of_prefix = ids.iter().filter(|id| id.starts_with(prefix)).count();
        put(&app, "COUNT#USER", prefix, &[("n", n(of_prefix as i64))]).await;
    }
    let list = async || {
        let mut listed = Vec::new();
        for start in (1..=30).step_by(7) {
            let page = app.get(&format!("/Users?startIndex={start}&count=7")).await.expect(200);
            assert_eq!(page.total(), 30);
            listed.extend(page.ids());
        }
        listed
    };
    assert_eq!(list().await, ids);
    is_found_and_repaired(&app, &[(Kind::Counter, prefixes.len() as u64)]).await;
    assert_eq!(list().await, ids);
}

#[tokio::test]
async fn copies_that_differ() {
    let World { app, ann, bob, team } = world().await;
    set(&app, "USER", &ann, "active", Some(AttributeValue::Bool(false))).await;
    set(&app, "USER", &ann, "email", None).await;
    set(&app, "USER", &bob, "externalId", Some(s("E9"))).await;
    set(&app, "GROUP", &team, "displayName", Some(s("Other"))).await;
    let report = verify(&app, false).await;
    let examples: Vec<String> = report.findings[&Kind::Copy].examples.iter().map(ToString::to_string).collect();
    assert!(
        examples.contains(&format!("tenant default, type User, id {ann}, copies active and email")),
        "{examples:?}"
    );
    is_found_and_repaired(&app, &[(Kind::Copy, 3)]).await;
}

#[tokio::test]
async fn a_resource_that_cannot_be_read_is_reported_and_left_alone() {
    let World { app, ann, bob, team } = world().await;
    set(&app, "USER", &ann, "resource", Some(s("{\"userName\": "))).await;
    set(&app, "USER", &bob, "version", None).await;
    set(&app, "GROUP", &team, "resource", Some(s("[]"))).await;
    for name in ["created", "lastModified"] {
        set(&app, "USER", &app.user(name).await, name, None).await;
    }
    let before = app.dump().await;
    for repair in [false, true] {
        assert_eq!(kinds(&verify(&app, repair).await), BTreeMap::from([(Kind::Unreadable, (5, 0))]));
    }
    assert_eq!(app.dump().await, before);
}

/// A table of several pages of a `Scan`, in segments and without.
#[tokio::test]
async fn all_of_a_large_table_is_checked() {
    let app = App::start().await;
    let ids = people(&app, "user", 800).await;
    let broken: Vec<&String> = ids.iter().step_by(20).collect();
    for id in &broken {
        set(&app, "USER", id, "active", Some(AttributeValue::Bool(false))).await;
    }
    for segments in [1, 3] {
        let report = verify_with(&app, Schemas::load(true).unwrap(), Options { repair: false, segments }).await;
        assert_eq!(kinds(&report), BTreeMap::from([(Kind::Copy, (broken.len() as u64, 0))]), "{segments}");
        assert_eq!(report.tenants["default"].users, 800, "{segments}");
    }
    is_found_and_repaired(&app, &[(Kind::Copy, broken.len() as u64)]).await;
}

#[tokio::test]
async fn items_of_others_are_left_alone() {
    let World { app, .. } = world().await;
    for pk in ["T#default#OTHER", "mine", "T#a b#USER"] {
        let put = app.store.client().put_item().table_name(app.store.table());
        put.item("PK", s(pk)).item("SK", s("x")).send().await.unwrap();
    }
    let before = app.dump().await;
    let report = verify(&app, true).await;
    is_clean(&report);
    assert_eq!(kinds(&report), BTreeMap::from([(Kind::Foreign, (3, 0))]));
    assert_eq!(app.dump().await, before);
}

#[tokio::test]
async fn ids_that_may_be_personal_are_not_named() {
    let World { app, ann, team, .. } = world().await;
    let edge = [("type", s("User")), ("added", s("2020"))];
    put(&app, &format!("MEMBERS#{team}"), "ann@example.com", &edge).await;
    put(&app, "MEMBEROF#ann@example.com", &team, &edge).await;
    put(&app, "KEY#User.externalId#secret", "ann@example.com", &[]).await;
    put(&app, "KEY#User.ann@example.com", &ann, &[]).await;
    put(&app, "COUNT#USER", "ann@example.com", &[("n", n(1))]).await;
    // As long as an id, and of the characters of one.
    for odd in ["anna.maria.long@people.example.com..", "4912345678"] {
        put(&app, &format!("MEMBERS#{team}"), odd, &edge).await;
        put(&app, &format!("MEMBEROF#{odd}"), &team, &edge).await;
    }
    let report = verify(&app, false).await;
    assert!(report.left() > 3, "{:?}", report.findings);
    let examples: String =
        report.findings.values().flat_map(|found| &found.examples).map(|example| format!("{example}\n")).collect();
    for personal in ["example.com", "secret", "4912345678"] {
        assert!(!examples.contains(personal), "{examples}");
    }
    assert!(examples.contains("(not an id)"), "{examples}");
}

/// Whatever writers do meanwhile, nothing is found, and nothing is repaired that is not broken.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn beside_live_traffic_nothing_is_found() {
    let app = Arc::new(App::start().await);
    let ids = users(&app, 30).await;
    let team = app.group("Team", &[]).await;
    let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let (app, ids, team) = (Arc::clone(&app), ids.clone(), team.clone());
            let (stop, rounds) = (Arc::clone(&stop), Arc::clone(&rounds));
            tokio::spawn(async move {
                let mut round = 0;
                while !stop.load(Ordering::Relaxed) {
                    round += 1;
                    let own = app.user(&format!("w{writer}-{round}")).await;
                    let group = app.group(&format!("g{writer}-{round}"), &[&own, &ids[round % 30]]).await;
                    let change = |op: &str, id: &str| match op {
                        "add" => json!([{ "op": "add", "path": "members", "value": [{ "value": id }] }]),
                        _ => json!([{ "op": "remove", "path": format!("members[value eq \"{id}\"]") }]),
                    };
                    for op in ["add", "remove"] {
                        let id = &ids[(round + 10 * writer) % 30];
                        app.operations(&format!("/Groups/{team}"), change(op, id)).await.expect(204);
                    }
                    let rename =
                        json!([{ "op": "replace", "path": "userName", "value": format!("r{writer}-{round}") }]);
                    app.operations(&format!("/Users/{own}"), rename).await.expect(200);
                    app.delete(&format!("/Users/{own}")).await.expect(204);
                    app.delete(&format!("/Groups/{group}")).await.expect(204);
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut look = 0;
    while look < 6 || rounds.load(Ordering::Relaxed) < 20 {
        look += 1;
        let options = Options { repair: look % 2 == 1, segments: 2 };
        let report = verify_with(&app, Schemas::load(true).unwrap(), options).await;
        // What a deletion has not swept yet is what it will sweep.
        let found: Vec<_> =
            report.findings.iter().filter(|(kind, _)| !kind.is_note() && **kind != Kind::Leftover).collect();
        assert!(found.is_empty(), "{found:#?}");
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    is_clean(&verify(&app, false).await);
    is_intact(&app).await;
}

/// The parts of an example, as JSON has them.
fn parts(report: &Value, kind: &str) -> Value {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().find(|found| found["kind"] == kind).expect(kind)["examples"][0].clone()
}
