//! Every kind of request that writes, ended at every call that it makes to the table, before the call arrives and after.
//! Then another process starts, the client sends the request again, and the table must be what it is without a crash.
//! `SCIMLET_TEST_KILLS=all` takes every call, else some of each request are taken.
//! `crash` looks at what readers see in between, of the largest of them.

use super::engine::{Call, Engine, Wire, http_client};
use crate::administration::guards::{administrator, service};
use crate::crash::{sweep, takes_every_kill};
use crate::harness::{Answer, App};
use crate::verify::is_clean_but_for_leftovers;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_smithy_runtime_api::client::result::ConnectorError;
use scimlet::protocol::projection::Projection;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// More than one transaction takes in or out.
const MANY: usize = 50;
/// Groups of one user: more than the transaction of a deletion holds.
const GROUPS: usize = 33;

/// A wire on which one process ends.
#[derive(Clone)]
struct Deadly {
    engine: Engine,
    made: Arc<AtomicUsize>,
    /// Number of the last call, from 0; whether it arrives.
    last: (usize, bool),
    end: Arc<Notify>,
}

impl Wire for Deadly {
    async fn call(&self, call: Call) -> Result<HttpResponse, ConnectorError> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        if number < self.last.0 {
            return Ok(self.engine.answer(&call).into());
        }
        if number == self.last.0 {
            if self.last.1 {
                self.engine.answer(&call);
            }
            self.end.notify_one();
        }
        pending().await
    }
}

/// A request on a table where `u0`… and the groups of [`set_up`] are.
struct Case {
    name: &'static str,
    variables: &'static [(&'static str, &'static str)],
    method: &'static str,
    path: &'static str,
    body: Value,
    /// What a client may be told that has repeated it.
    again: &'static [u16],
}

impl Case {
    fn new(name: &'static str, method: &'static str, path: &'static str, body: Value) -> Self {
        let again: &[u16] = match method {
            "POST" if path != "/Bulk" => &[201, 409],
            "DELETE" => &[204, 404],
            _ => &[200, 204],
        };
        Self { name, variables: &[], method, path, body, again }
    }

    fn with(self, variables: &'static [(&'static str, &'static str)], again: &'static [u16]) -> Self {
        Self { variables, again, ..self }
    }
}

fn patch(operations: Value) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations })
}

fn member(name: &str) -> Value {
    json!({ "value": format!("{{{name}}}") })
}

fn members(names: impl Iterator<Item = usize>) -> Value {
    names.map(|number| member(&format!("u{number}"))).collect()
}

fn user(name: &str, more: Value) -> Value {
    let mut user = json!({ "schemas": [USER], "userName": name });
    user.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    user
}

fn group(name: &str, members: Value) -> Value {
    json!({ "schemas": [GROUP], "displayName": name, "members": members })
}

/// `{name}` stands for an id.
fn cases() -> Vec<Case> {
    let change = |path: &str, value: Value| patch(json!([{ "op": "replace", "path": path, "value": value }]));
    let add = |members: Value| patch(json!([{ "op": "add", "path": "members", "value": members }]));
    let remove = |members: Value| patch(json!([{ "op": "remove", "path": "members", "value": members }]));
    let mail = json!({ "externalId": "x", "emails": [{ "value": "new@example.com" }] });
    let long: Vec<Value> = (0..40).map(|number| json!({ "value": format!("{number}{}", "r".repeat(4_000)) })).collect();
    let bulk = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
        { "method": "POST", "path": "/Users", "bulkId": "a", "data": user("bulk", json!({})) },
        { "method": "PATCH", "path": "/Users/{u3}", "data": change("title", json!("Head")) },
        { "method": "PATCH", "path": "/Groups/{small}", "data": add(members(6..8)) },
        { "method": "DELETE", "path": "/Users/{u4}" },
    ] });
    vec![
        Case::new("POST of a user", "POST", "/Users", user("new", mail.clone())),
        Case::new("POST of a user with a long record", "POST", "/Users", user("new", json!({ "roles": long }))),
        Case::new("PUT of a user with another name", "PUT", "/Users/{u1}", user("renamed", mail)),
        Case::new("PATCH of a user", "PATCH", "/Users/{u1}", change("title", json!("Head"))),
        Case::new("PATCH of active", "PATCH", "/Users/{u1}", change("active", json!(false)))
            .with(&[("SCIM_BREAKER_SHARE", "50"), ("SCIM_BREAKER_MIN_USERS", "1")], &[200]),
        Case::new("PATCH of active that the breaker stops", "PATCH", "/Users/{u1}", change("active", json!(false)))
            .with(&[("SCIM_BREAKER_SHARE", "1"), ("SCIM_BREAKER_MIN_USERS", "1")], &[429]),
        Case::new("DELETE of a user in a group", "DELETE", "/Users/{u2}", Value::Null),
        Case::new("DELETE of a user in no group", "DELETE", "/Users/{loner}", Value::Null),
        Case::new("DELETE of a user in many groups", "DELETE", "/Users/{joiner}", Value::Null),
        Case::new("POST of a user who was deactivated", "POST", "/Users", user("off", json!({ "title": "Back" })))
            .with(&[("SCIM_REPROVISION", "revive")], &[201, 409]),
        Case::new("POST of a user of a known name", "POST", "/Users", user("off", json!({ "title": "Other" })))
            .with(&[("SCIM_REPROVISION", "new")], &[201, 409]),
        Case::new("POST of the application's user", "POST", "/Users", user("own", json!({ "title": "Ours" })))
            .with(&[("SCIM_ADOPT_EXISTING", "true")], &[201, 409]),
        Case::new("a lookup that takes a user over", "GET", "/Users?filter=userName+eq+%22own%22", Value::Null)
            .with(&[("SCIM_ADOPT_EXISTING", "true")], &[200]),
        Case::new("POST of a group", "POST", "/Groups", group("new", members(0..3))),
        Case::new("POST of a large group", "POST", "/Groups", group("new", members(0..MANY))),
        Case::new("PUT of a group", "PUT", "/Groups/{small}", group("renamed", members(1..4))),
        Case::new("PUT of many members", "PUT", "/Groups/{small}", group("small", members(2..MANY))),
        Case::new("PUT of no members", "PUT", "/Groups/{large}", group("large", json!([]))),
        Case::new("PATCH of a group's name", "PATCH", "/Groups/{small}", change("displayName", json!("renamed"))),
        Case::new("PATCH, one member more", "PATCH", "/Groups/{small}", add(members(5..6))),
        Case::new("PATCH, one member less", "PATCH", "/Groups/{small}", remove(members(1..2))),
        Case::new("PATCH, many members more", "PATCH", "/Groups/{small}", add(members(0..MANY))),
        Case::new("PATCH, many members less", "PATCH", "/Groups/{large}", remove(members(0..MANY - 1))),
        Case::new("DELETE of a group", "DELETE", "/Groups/{small}", Value::Null),
        Case::new("DELETE of a group in a group", "DELETE", "/Groups/{inner}", Value::Null),
        Case::new("DELETE of a large group", "DELETE", "/Groups/{large}", Value::Null),
        Case::new("a bulk request", "POST", "/Bulk", bulk),
    ]
}

/// Users and groups by name, with their ids.
async fn set_up(app: &App) -> BTreeMap<String, String> {
    let mut ids = BTreeMap::new();
    let names = (0..MANY).map(|number| format!("u{number}")).chain(["loner", "joiner", "off"].map(str::to_owned));
    for name in names {
        ids.insert(name.clone(), app.user(&name).await);
    }
    app.operations(&format!("/Users/{}", ids["off"]), json!([{ "op": "replace", "path": "active", "value": false }]))
        .await
        .expect(200);
    let own = user("own", json!({}));
    let own = service(app, true).create_user(&mut administrator(), own, &Projection::default()).await.unwrap();
    ids.insert("own".into(), own.meta.id);
    let everybody: Vec<String> = (0..MANY).map(|number| ids[&format!("u{number}")].clone()).collect();
    let everybody: Vec<&str> = everybody.iter().map(String::as_str).collect();
    ids.insert("small".into(), app.group("small", &everybody[..3]).await);
    ids.insert("large".into(), app.group("large", &everybody).await);
    ids.insert("inner".into(), app.group("inner", &[]).await);
    app.group("outer", &[&ids["inner"], &ids["off"]]).await;
    for number in 0..GROUPS {
        app.group(&format!("g{number}"), &[&ids["joiner"]]).await;
    }
    ids
}

async fn send(app: &App, case: &Case, ids: &BTreeMap<String, String>) -> Answer {
    let named = |text: &str| {
        let mut text = text.to_owned();
        for (name, id) in ids {
            text = text.replace(&format!("{{{name}}}"), id);
        }
        text
    };
    let body = (!case.body.is_null()).then(|| named(&case.body.to_string()).into_bytes());
    app.send(case.method, &named(case.path), &[("content-type", "application/scim+json")], body).await
}

/// The table without what differs between two runs of the same: ids are called by names, times and counts of attempts
/// are left out. Counters are left to the invariants.
async fn state(app: &App) -> BTreeSet<String> {
    let dump = app.dump().await;
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for ((pk, sk), item) in &dump {
        let kind = pk.trim_start_matches("T#default#").trim_start_matches("GONE#");
        if matches!(kind, "USER" | "GROUP") {
            let name = item.get("userName").or(item.get("displayName")).unwrap().as_str().unwrap();
            names.insert(sk.clone(), format!("<{name}>"));
        }
    }
    let mut changes = Vec::new();
    let mut left = BTreeSet::new();
    for ((pk, sk), item) in dump {
        let mut item = item;
        item.sort_all_objects();
        let attributes = item.as_object_mut().unwrap();
        for name in [
            "PK",
            "SK",
            "created",
            "lastModified",
            "added",
            "at",
            "deleted",
            "expiresAt",
            "settled",
            "joins",
            "requestId",
            "change",
        ] {
            attributes.shift_remove(name);
        }
        // The times that keep the log in order: `t`, and one for each first digit of a member's id.
        attributes.retain(|name, _| !matches!(name.strip_prefix('t'), Some(digit) if digit.len() < 2));
        let kind = pk.split('#').nth(2).unwrap_or_default();
        let key = match kind {
            "COUNT" | "BREAKER" | "VERIFIED" => continue,
            // Those of a record that was never written are rubbish that expires.
            "LOG" if sk.contains('#') => continue,
            "LOG" => {
                if attributes["operation"] == "stop" {
                    // How much would have been lost: what a process counted that was killed then counts too.
                    attributes.shift_remove("changes");
                }
                changes.push(item.to_string());
                continue;
            }
            _ => format!("{pk} / {sk}"),
        };
        left.insert(format!("{key}: {item}"));
    }
    changes.sort();
    left.extend(changes.into_iter().enumerate().map(|(number, change)| format!("change {number}: {change}")));
    let call_by_name = |line: String| names.iter().fold(line, |line, (id, name)| line.replace(id.as_str(), name));
    // Members of a record are in the order of their ids.
    left.into_iter().map(call_by_name).map(|line| sorted_members(&line)).collect()
}

fn sorted_members(line: &str) -> String {
    let mut parts: Vec<&str> = line.split("{\\\"value").collect();
    parts[1..].sort_unstable();
    parts.join("{\\\"value")
}

/// Does what an operator does: sweeps, and has `verify` clear what a deleted group left behind. Nothing else is left then.
async fn is_settled(app: &App, when: &str) {
    sweep(app).await;
    let residue = crate::big_groups::table::residue(&app.dump().await);
    assert!(residue.is_empty(), "{when}: {residue:?}");
    is_clean_but_for_leftovers(app, when).await;
}

#[test]
fn a_process_killed_at_any_call_of_any_write_leaves_what_a_retry_completes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let base = Engine::new();
        let ids = set_up(&App::over(http_client(base.clone()), &[]).await).await;
        let items = base.items("scimlet-test");
        let mut kills = 0;
        // Every call of every case takes minutes; some of each, other ones from case to case, do not.
        let step = if takes_every_kill() { 1 } else { 11 };
        for (offset, case) in cases().into_iter().enumerate() {
            let fresh = async || {
                let engine = Engine::new();
                let app = App::over(http_client(engine.clone()), case.variables).await;
                engine.put("scimlet-test", &items);
                (engine, app)
            };
            let (_, undisturbed) = fresh().await;
            let answer = send(&undisturbed, &case, &ids).await;
            assert!(case.again.contains(&answer.status), "{}: {}", case.name, answer.text);
            is_settled(&undisturbed, case.name).await;
            let expected = state(&undisturbed).await;
            for number in (offset % step..).step_by(step) {
                let mut reached = false;
                for arrives in [false, true] {
                    let (engine, app) = fresh().await;
                    let (made, end) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
                    let wire = Deadly { engine, made: made.clone(), last: (number, arrives), end: end.clone() };
                    let process = app.beside(|_| http_client(wire));
                    let when =
                        format!("{}, killed {} call {number}", case.name, if arrives { "after" } else { "before" });
                    tokio::select! {
                        biased;
                        _ = send(&process, &case, &ids) => {}
                        () = end.notified() => {}
                    }
                    drop(process);
                    reached |= made.load(Ordering::Relaxed) > number;
                    kills += 1;
                    let restarted = app.beside(|client| client);
                    let answer = send(&restarted, &case, &ids).await;
                    assert!(case.again.contains(&answer.status), "{when}: {} {}", answer.status, answer.text);
                    is_settled(&restarted, &when).await;
                    let found = state(&restarted).await;
                    let lost: Vec<_> = expected.difference(&found).collect();
                    let more: Vec<_> = found.difference(&expected).collect();
                    assert!(lost.is_empty() && more.is_empty(), "{when}:\nmissing {lost:#?}\ntoo much {more:#?}");
                }
                if !reached {
                    break;
                }
            }
        }
        println!("{kills} kills");
    });
}
