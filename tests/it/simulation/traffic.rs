//! What identity providers do all day, drawn from a seed: each knows some people and groups by the ids that it was given,
//! and sends its own shapes. Several of them work on the same people and groups.

use super::history::{Effect, Exchange, Outcome, Sight, Values, followed, member_ids, outcome};
use crate::harness::{Answer, App, OTHER_TOKEN, TOKEN};
use fastrand::Rng;
use scimlet::protocol::schema::{ENTERPRISE_URI, GROUP_URI, USER_URI};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

/// userNames that the providers share.
const USERS: usize = 140;
/// displayNames of groups that they share.
const GROUPS: usize = 36;
/// Members of a change that no transaction holds.
const MANY: usize = 45;

const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const BULK: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";

/// Whose shapes a provider sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Entra,
    EntraStrict,
    Okta,
    OneLogin,
    JumpCloud,
    Authentik,
}

pub const SHAPES: [Shape; 6] =
    [Shape::Entra, Shape::EntraStrict, Shape::Okta, Shape::OneLogin, Shape::JumpCloud, Shape::Authentik];

/// All requests of a run, in the order of their ends.
#[derive(Default)]
pub struct Ledger {
    clock: Cell<u64>,
    exchanges: RefCell<Vec<Exchange>>,
}

impl Ledger {
    fn tick(&self) -> u64 {
        self.clock.set(self.clock.get() + 1);
        self.clock.get()
    }

    pub fn len(&self) -> usize {
        self.exchanges.borrow().len()
    }

    pub fn exchanges(&self) -> Vec<Exchange> {
        self.exchanges.borrow().clone()
    }
}

/// One identity provider.
pub struct Provider<'a> {
    app: &'a App,
    ledger: &'a Ledger,
    shape: Shape,
    random: Rng,
    users: BTreeMap<String, String>,
    groups: BTreeMap<String, String>,
}

impl<'a> Provider<'a> {
    pub fn new(app: &'a App, ledger: &'a Ledger, shape: Shape, random: Rng) -> Self {
        Self { app, ledger, shape, random, users: BTreeMap::new(), groups: BTreeMap::new() }
    }

    /// Works until the ledger has so many requests.
    pub async fn work(mut self, requests: usize) {
        while self.ledger.len() < requests {
            match self.random.usize(..100) {
                0..14 => self.provision().await,
                14..34 => self.update().await,
                34..42 => self.switch().await,
                42..46 => self.remove_user().await,
                46..50 => self.read_user().await,
                50..53 => self.list().await,
                53..60 => self.provision_group().await,
                60..80 => self.change_members().await,
                80..84 => self.change_many_members().await,
                84..88 => self.replace_members().await,
                88..90 => self.remove_group().await,
                90..96 => self.ask_membership().await,
                96..98 => self.read_group().await,
                _ => self.bulk().await,
            }
        }
    }

    /// Sends, and notes what was meant and what came of it.
    async fn send(&mut self, method: &str, path: &str, body: Option<Value>, effect: Effect) -> Answer {
        let began = self.ledger.tick();
        let token = if self.shape == Shape::Okta { OTHER_TOKEN } else { TOKEN };
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/scim+json")];
        let answer = self.app.send(method, path, &headers, body.as_ref().map(|body| body.to_string().into())).await;
        let ended = self.ledger.tick();
        self.check(&answer);
        let detail = answer.body["detail"].as_str().unwrap_or_default();
        let whole = outcome(answer.status, detail);
        let id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
        let created = |body: &Value| body["id"].as_str().map(str::to_owned);
        let (outcomes, given) = match &effect {
            Effect::Nothing => (Vec::new(), Vec::new()),
            Effect::Each(each) => of_operations(&answer, each.len(), whole),
            _ => (vec![whole], vec![created(&answer.body).filter(|_| answer.status == 201)]),
        };
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let body: String = body.chars().take(400).collect();
        let what =
            format!("{:?} {began}-{ended} {method} {path} {body} -> {} {}", self.shape, answer.status, answer.text);
        let sights = sights(&effect, &answer);
        let status = answer.status;
        let exchange = Exchange { began, ended, what, status, id, effect, outcomes, given, sights };
        self.ledger.exchanges.borrow_mut().push(exchange);
        answer
    }

    fn saw(&self, sight: Sight) {
        if let Some(exchange) = self.ledger.exchanges.borrow_mut().last_mut() {
            exchange.sights.push(sight);
        }
    }

    /// What every answer must be, whatever went wrong.
    fn check(&self, answer: &Answer) {
        if answer.status >= 400 {
            let scim_type = answer.body.get("scimType").and_then(Value::as_str);
            answer.is_error(answer.status, scim_type);
        }
        if matches!(answer.status, 429 | 503) {
            let seconds = answer.headers["retry-after"].to_str().unwrap();
            assert!(seconds.parse::<u32>().is_ok_and(|seconds| seconds > 0), "Retry-After: {seconds}");
        }
    }

    fn name(&mut self) -> String {
        format!("user{}@example.com", self.random.usize(..USERS))
    }

    fn group_name(&mut self) -> String {
        format!("Group {}", self.random.usize(..GROUPS))
    }

    fn known(&mut self, of_groups: bool) -> Option<(String, String)> {
        let known = if of_groups { &self.groups } else { &self.users };
        let at = self.random.usize(..known.len().max(1));
        known.iter().nth(at).map(|(name, id)| (name.clone(), id.clone()))
    }

    fn some_users(&mut self, most: usize) -> Vec<String> {
        let mut ids: Vec<String> = self.users.values().cloned().collect();
        self.random.shuffle(&mut ids);
        ids.truncate(1 + self.random.usize(..most));
        ids
    }

    fn text(&mut self) -> Value {
        format!("v{}", self.random.u32(..1_000_000)).into()
    }

    fn user_body(&mut self, name: &str) -> Value {
        let mut user = json!({
            "schemas": [USER_URI, ENTERPRISE_URI], "userName": name, "externalId": format!("x-{name}"),
            "active": true, "displayName": self.text(), "name": { "familyName": "F", "givenName": "G" },
            "emails": [{ "value": format!("{}@mail.example.com", self.random.u32(..1_000_000)), "type": "work", "primary": true }],
        });
        if self.random.bool() {
            user["title"] = self.text();
            user[ENTERPRISE_URI] = json!({ "department": self.text() });
        }
        if self.shape == Shape::OneLogin {
            // One object in place of the list, and no extension.
            user["emails"] = user["emails"][0].clone();
            user["schemas"] = json!([USER_URI]);
            user.as_object_mut().unwrap().remove(ENTERPRISE_URI);
        }
        user
    }

    async fn look_up(&mut self, endpoint: &str, attribute: &str, name: &str) -> Option<String> {
        let filter = match self.shape {
            Shape::Authentik => format!("{attribute} eq {name}").replace(' ', "+"),
            _ => format!("{attribute} eq \"{name}\"").replace(' ', "+").replace('"', "%22"),
        };
        // Without quotes there is no value with a space.
        let filter =
            if name.contains(' ') { format!("{attribute}+eq+%22{}%22", name.replace(' ', "+")) } else { filter };
        let more = if endpoint == "/Groups" { "&excludedAttributes=members" } else { "" };
        let answer = self.send("GET", &format!("{endpoint}?filter={filter}{more}"), None, Effect::Nothing).await;
        let found = answer.body["Resources"].as_array()?.first()?.clone();
        if endpoint == "/Users" {
            self.saw_user(&found);
        }
        found["id"].as_str().map(str::to_owned)
    }

    fn saw_user(&self, user: &Value) {
        self.saw(Sight::User { id: user["id"].as_str().unwrap().to_owned(), values: Some(followed(user)) });
    }

    async fn provision(&mut self) {
        let name = self.name();
        if self.shape != Shape::Authentik
            && let Some(id) = self.look_up("/Users", "userName", &name).await
        {
            self.users.insert(name, id);
            return;
        }
        let body = self.user_body(&name);
        let mut described = body.clone();
        if described["emails"].is_object() {
            described["emails"] = json!([described["emails"]]);
        }
        let effect = Effect::CreateUser { values: followed(&described) };
        let answer = self.send("POST", "/Users", Some(body), effect).await;
        match answer.status {
            201 => drop(self.users.insert(name, answer.id())),
            409 => {
                if let Some(id) = self.look_up("/Users", "userName", &name).await {
                    self.users.insert(name, id);
                }
            }
            _ => {}
        }
    }

    async fn patch_user(&mut self, name: &str, id: &str, operations: Value, values: Values) {
        let body = json!({ "schemas": [PATCH_OP], "Operations": operations });
        let effect = Effect::SetUser { id: id.to_owned(), values };
        let answer = self.send("PATCH", &format!("/Users/{id}"), Some(body), effect).await;
        if answer.status == 404 {
            self.users.remove(name);
        }
    }

    async fn update(&mut self) {
        let Some((name, id)) = self.known(false) else { return };
        let (one, other) = (self.text(), self.text());
        let some = |value: &Value| Some(value.clone());
        let (operations, values): (Value, Values) = match self.shape {
            Shape::Entra => (
                json!([
                    { "op": "Replace", "path": "displayName", "value": one },
                    { "op": "Add", "path": format!("{ENTERPRISE_URI}:department"), "value": other },
                    { "op": "Replace", "path": "emails[type eq \"work\"].value", "value": other },
                ]),
                [("displayName", some(&one)), ("department", some(&other)), ("email", some(&other))].into(),
            ),
            Shape::EntraStrict => (
                json!([{ "op": "replace", "value": { "displayName": one, "title": other } }]),
                [("displayName", some(&one)), ("title", some(&other))].into(),
            ),
            Shape::OneLogin => (
                json!([{ "op": "replace", "path": "title", "value": one }, { "op": "remove", "path": "nickName" }]),
                [("title", some(&one)), ("nickName", None)].into(),
            ),
            Shape::Okta | Shape::JumpCloud | Shape::Authentik => return self.replace_user(&name, &id).await,
        };
        self.patch_user(&name, &id, operations, values).await;
    }

    /// Reads the user and writes it back whole, with something else in it.
    async fn replace_user(&mut self, name: &str, id: &str) {
        let path = format!("/Users/{id}");
        let answer = self.send("GET", &path, None, Effect::Nothing).await;
        self.note_user(name, id, &answer);
        if answer.status != 200 {
            return;
        }
        let mut body = answer.body.clone();
        body["nickName"] = self.text();
        if self.random.bool() {
            body["active"] = self.random.bool().into();
        }
        let effect = Effect::SetUser { id: id.to_owned(), values: followed(&body) };
        let answer = self.send("PUT", &path, Some(body), effect).await;
        if answer.status == 404 {
            self.users.remove(name);
        }
    }

    fn note_user(&mut self, name: &str, id: &str, answer: &Answer) {
        match answer.status {
            200 => self.saw_user(&answer.body),
            404 => {
                self.users.remove(name);
                self.saw(Sight::User { id: id.to_owned(), values: None });
            }
            _ => {}
        }
    }

    async fn switch(&mut self) {
        let Some((name, id)) = self.known(false) else { return };
        let active = self.random.bool();
        let value: Value = match (self.shape, active) {
            (Shape::Entra, true) => "True".into(),
            (Shape::Entra, false) => "False".into(),
            _ => active.into(),
        };
        let operation = match self.shape {
            Shape::Okta => json!({ "op": "replace", "value": { "active": value } }),
            _ => json!({ "op": "Replace", "path": "active", "value": value }),
        };
        self.patch_user(&name, &id, json!([operation]), [("active", Some(active.into()))].into()).await;
    }

    async fn remove_user(&mut self) {
        let Some((name, id)) = self.known(false) else { return };
        let effect = Effect::Delete { id: id.clone() };
        let answer = self.send("DELETE", &format!("/Users/{id}"), None, effect).await;
        if matches!(answer.status, 204 | 404) {
            self.users.remove(&name);
        }
    }

    async fn read_user(&mut self) {
        let Some((name, id)) = self.known(false) else { return };
        let answer = self.send("GET", &format!("/Users/{id}"), None, Effect::Nothing).await;
        self.note_user(&name, &id, &answer);
    }

    async fn list(&mut self) {
        let start = 1 + self.random.usize(..USERS);
        let path = format!("/Users?startIndex={start}&count=20&excludedAttributes=groups");
        let answer = self.send("GET", &path, None, Effect::Nothing).await;
        for user in answer.body["Resources"].as_array().into_iter().flatten() {
            self.saw_user(user);
        }
    }

    async fn provision_group(&mut self) {
        let name = self.group_name();
        if let Some(id) = self.look_up("/Groups", "displayName", &name).await {
            self.groups.insert(name, id);
            return;
        }
        let members = if self.random.bool() { Vec::new() } else { self.some_users(8) };
        let list: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
        let body = json!({ "schemas": [GROUP_URI], "displayName": name, "members": list });
        let effect = Effect::CreateGroup { members };
        let answer = self.send("POST", "/Groups", Some(body), effect).await;
        if answer.status == 201 {
            self.groups.insert(name, answer.id());
        }
    }

    async fn patch_group(&mut self, operations: Value, members: Vec<(String, bool)>, are_all: bool) {
        let Some((name, id)) = self.known(true) else { return };
        let body = json!({ "schemas": [PATCH_OP], "Operations": operations });
        let effect = Effect::SetMembers { group: id.clone(), members, are_all };
        let answer = self.send("PATCH", &format!("/Groups/{id}"), Some(body), effect).await;
        if answer.status == 404 {
            self.groups.remove(&name);
        }
    }

    async fn change_members(&mut self) {
        let (added, removed) = (self.some_users(3), self.some_users(2));
        let removed: Vec<String> = removed.into_iter().filter(|id| !added.contains(id)).collect();
        let list = |ids: &[String]| ids.iter().map(|id| json!({ "value": id })).collect::<Value>();
        let add = json!({ "op": "Add", "path": "members", "value": list(&added) });
        let mut operations = vec![add];
        let mut members: Vec<(String, bool)> = added.iter().map(|id| (id.clone(), true)).collect();
        for id in &removed {
            operations.push(match self.shape {
                Shape::Entra => json!({ "op": "Remove", "path": "members", "value": [{ "value": id }] }),
                _ => json!({ "op": "remove", "path": format!("members[value eq \"{id}\"]") }),
            });
            members.push((id.clone(), false));
        }
        self.patch_group(operations.into(), members, false).await;
    }

    async fn change_many_members(&mut self) {
        let ids = self.some_users(MANY * 2);
        let is_added = self.random.u32(..3) > 0;
        let list: Vec<Value> = ids.iter().map(|id| json!({ "value": id })).collect();
        let operation = json!({ "op": if is_added { "Add" } else { "Remove" }, "path": "members", "value": list });
        let members = ids.into_iter().map(|id| (id, is_added)).collect();
        self.patch_group(json!([operation]), members, false).await;
    }

    async fn replace_members(&mut self) {
        let most = if self.random.u32(..3) == 0 { MANY * 2 } else { 10 };
        let ids = self.some_users(most);
        let list: Vec<Value> = ids.iter().map(|id| json!({ "value": id })).collect();
        let members: Vec<(String, bool)> = ids.into_iter().map(|id| (id, true)).collect();
        if self.shape == Shape::Okta {
            let operation = json!({ "op": "replace", "path": "members", "value": list });
            return self.patch_group(json!([operation]), members, true).await;
        }
        let Some((name, id)) = self.known(true) else { return };
        let body = json!({ "schemas": [GROUP_URI], "displayName": name, "members": list });
        let effect = Effect::SetMembers { group: id.clone(), members, are_all: true };
        let answer = self.send("PUT", &format!("/Groups/{id}"), Some(body), effect).await;
        if answer.status == 404 {
            self.groups.remove(&name);
        }
    }

    async fn remove_group(&mut self) {
        let Some((name, id)) = self.known(true) else { return };
        let effect = Effect::Delete { id: id.clone() };
        let answer = self.send("DELETE", &format!("/Groups/{id}"), None, effect).await;
        if matches!(answer.status, 204 | 404) {
            self.groups.remove(&name);
        }
    }

    async fn ask_membership(&mut self) {
        let (Some((_, group)), Some((_, user))) = (self.known(true), self.known(false)) else { return };
        let filter = format!("id+eq+%22{group}%22+and+members+eq+%22{user}%22");
        let path = format!("/Groups?filter={filter}&excludedAttributes=members");
        let answer = self.send("GET", &path, None, Effect::Nothing).await;
        if answer.status == 200 {
            self.saw(Sight::Member { group, member: user, is_one: answer.total() == 1 });
        }
    }

    async fn read_group(&mut self) {
        let Some((name, id)) = self.known(true) else { return };
        let answer = self.send("GET", &format!("/Groups/{id}"), None, Effect::Nothing).await;
        match answer.status {
            200 => self.saw(Sight::Members { group: id, members: member_ids(&answer.body) }),
            404 => drop(self.groups.remove(&name)),
            _ => {}
        }
    }

    /// Some users at once: one new, others changed.
    async fn bulk(&mut self) {
        let name = self.name();
        let user = self.user_body(&name);
        if self.shape == Shape::OneLogin {
            return;
        }
        let mut operations = vec![json!({ "method": "POST", "path": "/Users", "bulkId": "new", "data": user })];
        let mut effects = vec![Effect::CreateUser { values: followed(&user) }];
        let ids: BTreeSet<String> = self.some_users(3).into_iter().collect();
        for id in ids {
            let title = self.text();
            let data =
                json!({ "schemas": [PATCH_OP], "Operations": [{ "op": "replace", "path": "title", "value": title }] });
            operations.push(json!({ "method": "PATCH", "path": format!("/Users/{id}"), "data": data }));
            effects.push(Effect::SetUser { id, values: [("title", Some(title))].into() });
        }
        let body = json!({ "schemas": [BULK], "Operations": operations });
        self.send("POST", "/Bulk", Some(body), Effect::Each(effects)).await;
    }
}

/// What became of each operation of a bulk request, and which id it gave.
fn of_operations(answer: &Answer, count: usize, whole: Outcome) -> (Vec<Outcome>, Vec<Option<String>>) {
    let Some(operations) = answer.body["Operations"].as_array() else { return (vec![whole; count], vec![None; count]) };
    let each = (0..count).map(|number| {
        let Some(operation) = operations.get(number) else { return (Outcome::Refused, None) };
        let status: u16 = operation["status"].as_str().unwrap().parse().unwrap();
        let detail = operation["response"]["detail"].as_str().unwrap_or_default();
        let location = operation["location"].as_str().and_then(|location| location.rsplit('/').next());
        (outcome(status, detail), location.filter(|_| status == 201).map(str::to_owned))
    });
    each.unzip()
}

/// What a changed resource in an answer shows.
fn sights(effect: &Effect, answer: &Answer) -> Vec<Sight> {
    let id = || answer.body["id"].as_str().unwrap().to_owned();
    match effect {
        Effect::CreateUser { .. } | Effect::SetUser { .. } if matches!(answer.status, 200 | 201) => {
            vec![Sight::User { id: id(), values: Some(followed(&answer.body)) }]
        }
        _ => Vec::new(),
    }
}
