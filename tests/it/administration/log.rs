//! The change log: replayed from empty it gives the table.

use super::{create, records, set_active, user};
use crate::big_groups::table::people;
use crate::harness::App;
use crate::simulation::engine::{Engine, http_client};
use scimlet::ambient;
use scimlet::store::log::Record;
use scimlet::store::meter::Meter;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

/// What the log says there is: resources by type and id, and members by group, each as a record names it.
#[derive(Debug, Default, PartialEq)]
pub struct World {
    pub resources: BTreeMap<(String, String), Map<String, Value>>,
    pub members: BTreeMap<(String, String), (String, Option<String>)>,
}

impl World {
    fn apply(&mut self, record: &Record) {
        let key = (record.resource_type.clone(), record.resource_id.clone());
        let side = |name: &str| record.changes[name].as_object().cloned().unwrap_or_default();
        let (mut before, mut after) = (side("before"), side("after"));
        if record.operation == "delete" {
            self.resources.remove(&key);
            self.members.retain(|(group, member), _| *group != key.1 && *member != key.1);
            return;
        }
        if record.resource_type == "Group" {
            let list = |side: &mut Map<String, Value>| {
                side.remove("members").and_then(|list| list.as_array().cloned()).unwrap_or_default()
            };
            let (left, came) = (list(&mut before), list(&mut after));
            let id = |entry: &Value| (key.1.clone(), entry["value"].as_str().unwrap().to_owned());
            for entry in left {
                self.members.remove(&id(&entry));
            }
            for entry in came {
                let kind = entry["type"].as_str().unwrap_or("User").to_owned();
                self.members.insert(id(&entry), (kind, entry["display"].as_str().map(str::to_owned)));
            }
        }
        let resource = self.resources.entry(key).or_default();
        for name in before.keys() {
            resource.remove(name);
        }
        resource.extend(after);
    }

    pub fn replayed(records: &[Record]) -> Self {
        let mut world = Self::default();
        records.iter().for_each(|record| world.apply(record));
        world
    }

    /// Without the memberships of groups that are gone, which a crash may leave: they show nowhere.
    pub fn without_deleted(mut self) -> Self {
        let Self { resources, members } = &mut self;
        members.retain(|(group, _), _| resources.contains_key(&("Group".into(), group.clone())));
        self
    }

    pub async fn of_table(app: &App) -> Self {
        let mut world = Self::default();
        for ((pk, sk), item) in app.dump().await {
            let rest = pk.strip_prefix("T#default#").unwrap_or_default().to_owned();
            match rest.split_once('#') {
                None if rest == "USER" || rest == "GROUP" => {
                    let mut kept: Map<String, Value> =
                        serde_json::from_str(item["resource"].as_str().unwrap()).unwrap();
                    kept.remove("schemas");
                    let kind = if rest == "USER" { "User" } else { "Group" };
                    world.resources.insert((kind.into(), sk), kept);
                }
                Some(("MEMBERS", group)) => {
                    let display = item["display"].as_str().map(str::to_owned);
                    world.members.insert((group.into(), sk), (item["type"].as_str().unwrap().into(), display));
                }
                _ => {}
            }
        }
        world
    }
}

fn members(ids: &[String]) -> Vec<Value> {
    ids.iter().map(|id| json!({ "value": id })).collect()
}

#[tokio::test]
async fn replayed_from_empty_it_gives_the_table() {
    let app = App::start_with(&[("SCIM_REPROVISION", "revive")]).await;
    let mut ids = Vec::new();
    for number in 0..150 {
        let mut body = user(&format!("u{number}@example.com"));
        body["emails"] = json!([{ "value": format!("u{number}@example.com"), "type": "work" }]);
        body["password"] = json!("never kept");
        ids.push(create(&app, body).await.expect(201).id());
    }
    let team = app.group("Team", &[&ids[0], &ids[1]]).await;
    let nested = app.group("Nested", &[&team, &ids[2]]).await;
    let path = |id: &str| format!("/Groups/{id}");
    // One member, many in one transaction, more than one transaction holds, all of them replaced, and a new name.
    app.operations(&path(&team), json!([{ "op": "add", "path": "members", "value": members(&ids[3..4]) }]))
        .await
        .expect(204);
    app.operations(&path(&team), json!([{ "op": "add", "path": "members", "value": members(&ids[..20]) }]))
        .await
        .expect(204);
    app.operations(&path(&team), json!([{ "op": "add", "path": "members", "value": members(&ids[..140]) }]))
        .await
        .expect(204);
    app.operations(&path(&team), json!([{ "op": "remove", "path": "members", "value": members(&ids[5..9]) }]))
        .await
        .expect(204);
    let named =
        json!([{ "value": ids[0], "display": "Ann" }, { "value": ids[1] }, { "value": nested, "display": "N" }]);
    let schemas = json!(["urn:ietf:params:scim:schemas:core:2.0:Group"]);
    let replaced = json!({ "schemas": schemas, "displayName": "Team of Ann", "externalId": "t", "members": named });
    app.operations(&path(&nested), json!([{ "op": "remove", "path": format!("members[value eq \"{team}\"]") }]))
        .await
        .expect(204);
    app.put(&path(&team), replaced).await.expect(200);
    let renamed = json!([{ "op": "add", "path": "members", "value": [{ "value": ids[0], "display": "Anna" }] }]);
    app.operations(&path(&team), renamed).await.expect(204);
    // Users: attributes that come, change and go, deactivated, back, deleted.
    let user_path = format!("/Users/{}", ids[0]);
    app.operations(&user_path, json!([
        { "op": "add", "path": "title", "value": "Head" },
        { "op": "replace", "path": "emails[type eq \"work\"].value", "value": "ann@example.com" },
        { "op": "add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "value": "R&D" },
    ])).await.expect(200);
    app.operations(&user_path, json!([{ "op": "remove", "path": "title" }])).await.expect(200);
    set_active(&app, &ids[1], false).await.expect(200);
    create(&app, user("U1@example.com")).await.expect(201);
    app.delete(&format!("/Users/{}", ids[2])).await.expect(204);
    app.delete(&format!("/Users/{}", ids[0])).await.expect(204);
    app.delete(&path(&nested)).await.expect(204);
    // What changes nothing, and what is refused, is no change.
    let before = records(&app, "default").await.len();
    set_active(&app, &ids[5], true).await.expect(200);
    create(&app, user("u5@example.com")).await.is_error(409, Some("uniqueness"));
    app.delete(&format!("/Users/{}", ids[0])).await.is_error(404, None);

    let records = records(&app, "default").await;
    assert_eq!(records.len(), before);
    assert_eq!(World::replayed(&records), World::of_table(&app).await);
    assert!(!format!("{records:?}").contains("never kept"), "no password");
    let deleted = records.iter().find(|record| record.operation == "delete" && record.resource_id == nested).unwrap();
    assert_eq!(deleted.changes["before"]["displayName"], "Nested");
}

#[tokio::test]
async fn the_record_of_a_very_large_change_is_whole() {
    let app = App::start().await;
    let mut ids = people(&app, "user", 5_000).await;
    let group = app.group("Everyone", &[]).await;
    app.operations(&format!("/Groups/{group}"), json!([{ "op": "add", "path": "members", "value": members(&ids) }]))
        .await
        .expect(204);
    app.delete(&format!("/Groups/{group}")).await.expect(204);
    ids.sort();
    let records = records(&app, "default").await;
    let of_group: Vec<&Record> = records.iter().filter(|record| record.resource_id == group).collect();
    for (record, side) in [(of_group[1], "after"), (of_group[2], "before")] {
        let mut named: Vec<String> = record.changes[side]["members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["value"].as_str().unwrap().to_owned())
            .collect();
        named.sort();
        assert_eq!(named, ids, "{}", record.operation);
    }
}

#[tokio::test]
async fn a_record_names_the_request_the_token_and_the_quirks_and_expires() {
    let app = App::start_with(&[("SCIM_LOG_DAYS", "10")]).await;
    let id = app.user("ann@example.com").await;
    let answer = app
        .operations(&format!("/Users/{id}"), json!([{ "op": "Replace", "path": "active", "value": "False" }]))
        .await
        .expect(200);
    let headers = [("client-request-id", "5f0c-of-the-provider"), ("x-correlation-id", "another")];
    app.send("DELETE", &format!("/Users/{id}"), &headers, None).await.expect(204);
    let records = records(&app, "default").await;
    assert_eq!(records[1].request_id, answer.headers["x-request-id"].to_str().unwrap());
    assert_eq!(
        (records[1].client_request_id.as_str(), records[2].client_request_id.as_str()),
        ("", "5f0c-of-the-provider")
    );
    assert_eq!(records[1].actor, "entra");
    assert!(records[1].quirks.len() == 2, "{:?}", records[1].quirks);
    assert_eq!(records[1].changes, json!({ "before": { "active": true }, "after": { "active": false } }));
    let now = ambient::now().as_second();
    for ((pk, _), item) in app.dump().await {
        let expires = item["expiresAt"].as_i64();
        assert_eq!(expires.is_some(), pk.contains("#LOG#") || pk.contains("#GONE#"), "{pk}");
        assert!(expires.is_none_or(|at| (at - now - 10 * 86_400).abs() < 600), "{pk}: {expires:?}");
    }
}

#[tokio::test]
async fn who_asks_for_what_is_new_does_not_pay_for_what_is_old() {
    let app = App::start().await;
    let mut body = user("old@example.com");
    body["title"] = json!("x".repeat(60_000));
    let id = create(&app, body).await.expect(201).id();
    for number in 0..8 {
        let title = json!([{ "op": "replace", "path": "title", "value": number.to_string().repeat(60_000) }]);
        app.operations(&format!("/Users/{id}"), title).await.expect(200);
    }
    let read = async |from: jiff::Timestamp| {
        let meter = Meter::default();
        let (from, until) = (format!("{from:.3}"), format!("{:.3}", from + jiff::SignedDuration::from_hours(1)));
        let mut found = 0;
        let visit = |_| {
            found += 1;
            ControlFlow::Continue(())
        };
        app.store.tenant("default", &meter).records(&from, &until, visit).await.unwrap();
        (found, meter.cost().read_units)
    };
    let now = ambient::now();
    let (all, cost) = read(now - jiff::SignedDuration::from_mins(30)).await;
    assert!(all == 9 && cost > 200.0, "{all} {cost}");
    // Ten minutes later, whatever the day: what is there is not read.
    let (none, cost) = read(now + jiff::SignedDuration::from_mins(10)).await;
    assert!(none == 0 && cost <= 2.0, "{none} {cost}");
}

/// Of three changes, the last one on another day, those from a time on and before another one: the first time is included,
/// the other is not.
#[tokio::test(start_paused = true)]
async fn it_is_read_from_a_time_until_another() {
    let app = App::over(http_client(Engine::new()), &[]).await;
    let _clock = ambient::repeatable(1, "2026-11-24T23:59:30Z".parse().unwrap());
    for name in ["ann", "bob", "eve"] {
        app.user(name).await;
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    let all = records(&app, "default").await;
    let times: Vec<&str> = all.iter().map(|record| record.at.as_str()).collect();
    assert!(times[1] < "2026-11-25" && times[2] > "2026-11-25", "{times:?}");
    let read = async |from: &str, until: &str| {
        let mut found = Vec::new();
        let visit = |record: Record| {
            found.push(record.at);
            ControlFlow::Continue(())
        };
        app.store.tenant("default", &Meter::default()).records(from, until, visit).await.unwrap();
        found
    };
    let (before, after) = ("2026-11-24T00:00:00.000Z", "2026-11-26T00:00:00.000Z");
    assert_eq!(read(before, after).await, times);
    for (from, until, expected) in [(1, 2, 1..2), (0, 2, 0..2), (1, 1, 1..1)] {
        assert_eq!(read(times[from], times[until]).await, times[expected], "{from} {until}");
    }
    assert_eq!(read(times[1], after).await, times[1..]);
    assert_eq!(read(before, times[1]).await, times[..1]);
}
