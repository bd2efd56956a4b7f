//! Whole flows: what an identity provider sends from its connection test to the last delete, in
//! that order, one JSON file for each.
//!
//! A step is a request, the answer it must get, what to keep of it for later steps (`save`), and
//! what an identical second request gets where that differs (`again`). An expected object names the
//! members that must be there; an array has the expected length, its elements in any order.
//! `{{NAME}}` stands for a saved value. Steps named `check:` are the test's own reads.
//!
//! The requests follow Microsoft's entra-docs, okta-developer-docs, developers.onelogin.com,
//! JumpCloud's support pages, authentik's provider source, and traffic in public issue threads.

use crate::harness::{Answer, App};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

macro_rules! flows {
    ($($module:ident = $file:literal;)*) => {$(
        mod $module {
            use super::*;

            pub fn script() -> Script {
                Script::parse($file, include_str!(concat!("flows/", $file)))
            }

            #[tokio::test]
            async fn every_step_is_answered_as_written() {
                Replay::new(&App::start().await, &script()).play(Delivery::Once).await;
            }

            #[tokio::test]
            async fn a_write_sent_twice_in_a_row_writes_once() {
                Replay::new(&App::start().await, &script()).play(Delivery::WritesTwice).await;
            }

            #[tokio::test]
            async fn the_whole_flow_twice_ends_as_once() {
                let (app, script) = (App::start().await, script());
                let mut replay = Replay::new(&app, &script);
                replay.play(Delivery::Once).await;
                let once = end_state(&app).await;
                replay.play(Delivery::SecondRun).await;
                assert_same_state($file, &once, &end_state(&app).await);
            }
        }
    )*};
}

flows! {
    entra_default = "entra-default.json";
    entra_aad_optscim062020 = "entra-aadOptscim062020.json";
    okta_custom_app = "okta-custom-app.json";
    okta_catalogue_app = "okta-catalogue-app.json";
    onelogin = "onelogin.json";
    jumpcloud = "jumpcloud.json";
    authentik = "authentik.json";
}

/// Entra repeats a request whose answer it never saw. A create is then refused, so it looks the
/// resource up.
#[tokio::test]
async fn entra_ends_in_the_same_state_when_every_answer_is_lost_once() {
    let script = entra_default::script();
    let (calm, lossy) = (App::start().await, App::start().await);
    Replay::new(&calm, &script).play(Delivery::Once).await;
    Replay::new(&lossy, &script).play(Delivery::AnswersLost).await;
    assert_same_state(script.file, &end_state(&calm).await, &end_state(&lossy).await);
}

#[derive(Clone, Copy, PartialEq)]
enum Delivery {
    Once,
    /// Over what the first run left: resources exist already, so only the statuses are as written.
    SecondRun,
    /// Each write arrives a second time at once; the second may change nothing in the table.
    WritesTwice,
    /// Each request arrives twice, and only the second answer reaches the identity provider.
    AnswersLost,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    #[serde(skip)]
    file: &'static str,
    idp: String,
    /// Unread: a step becomes a [`Step`] once the values saved so far are filled in.
    steps: Vec<Value>,
}

impl Script {
    fn parse(file: &'static str, text: &str) -> Self {
        let script: Self = serde_json::from_str(text).unwrap_or_else(|error| panic!("{file}: {error}"));
        Self { file, ..script }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    name: String,
    request: Request,
    response: Expected,
    #[serde(default)]
    save: BTreeMap<String, String>,
    again: Option<Expected>,
}

impl Step {
    /// The step with its placeholders filled in. Saved values need no escape, and JSON has `{{`
    /// nowhere but in a string.
    fn read(raw: &Value, saved: &BTreeMap<String, String>) -> Result<Self, String> {
        let fill = |text: String, (name, value): (&String, &String)| text.replace(&format!("{{{{{name}}}}}"), value);
        let text = saved.iter().fold(raw.to_string(), fill);
        match text.split_once("{{") {
            Some((_, rest)) => Err(format!("no earlier step saved {{{{{:.20}", rest)),
            None => serde_json::from_str(&text).map_err(|error| error.to_string()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    status: u16,
    body: Option<Value>,
    #[serde(default)]
    absent: Vec<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// One identity provider at work: the script, and what it remembers of earlier answers.
struct Replay<'a> {
    app: &'a App,
    script: &'a Script,
    saved: BTreeMap<String, String>,
}

impl<'a> Replay<'a> {
    fn new(app: &'a App, script: &'a Script) -> Self {
        Self { app, script, saved: BTreeMap::new() }
    }

    async fn play(&mut self, delivery: Delivery) {
        let Script { file, idp, steps } = self.script;
        for (index, raw) in steps.iter().enumerate() {
            let label = format!("{file} ({idp}), step {}", index + 1);
            let step = Step::read(raw, &self.saved).unwrap_or_else(|why| panic!("{label}: {why}"));
            let label = format!("{label} \"{}\"", step.name);
            let answer = self.deliver(&step, delivery, &label).await;
            self.remember(&step, delivery, &answer, &label).await;
        }
    }

    /// Sends the step as often as `delivery` says, and gives the answer that the identity provider
    /// sees.
    async fn deliver(&self, step: &Step, delivery: Delivery, label: &str) -> Answer {
        let first = step.request.send(self.app).await;
        let again = step.again.as_ref().unwrap_or(&step.response);
        if delivery == Delivery::SecondRun {
            let allowed = [step.response.status, again.status];
            if !allowed.contains(&first.status) {
                fail(label, &format!("second run: expected a status of {allowed:?}"), &first);
            }
            return first;
        }
        step.response.check(&first).unwrap_or_else(|why| fail(label, &why, &first));
        let resend = match delivery {
            Delivery::AnswersLost => true,
            Delivery::WritesTwice => step.request.method != "GET",
            Delivery::Once | Delivery::SecondRun => false,
        };
        if !resend {
            return first;
        }
        let label = format!("{label}, sent again");
        let before = self.app.dump().await;
        let second = step.request.send(self.app).await;
        again.check(&second).unwrap_or_else(|why| fail(&label, &why, &second));
        let after = self.app.dump().await;
        for key in before.keys().chain(after.keys()) {
            let (was, is) = (before.get(key), after.get(key));
            assert!(was == is, "{label}: expected no write, item {key:?} was {was:?}, is {is:?}");
        }
        if delivery == Delivery::AnswersLost { second } else { first }
    }

    async fn remember(&mut self, step: &Step, delivery: Delivery, answer: &Answer, label: &str) {
        if step.save.is_empty() {
            return;
        }
        let source = if answer.status == step.response.status {
            answer.body.clone()
        } else if delivery == Delivery::AnswersLost {
            step.request.look_up(self.app, label).await
        } else {
            return;
        };
        for (name, pointer) in &step.save {
            let missing = || fail(label, &format!("expected something at {pointer}"), answer);
            let value = source.pointer(pointer).unwrap_or_else(missing);
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            self.saved.insert(name.clone(), text);
        }
    }
}

impl Request {
    async fn send(&self, app: &App) -> Answer {
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let body = self.body.as_ref().map(|body| body.to_string().into_bytes());
        app.send(&self.method, &self.path, &headers, body).await
    }

    /// The resource that a refused create collided with, found as its sender finds it: by name.
    async fn look_up(&self, app: &App, label: &str) -> Value {
        let attribute = if self.path == "/Users" { "userName" } else { "displayName" };
        let name = self.body.as_ref().and_then(|body| body[attribute].as_str()).unwrap_or_default();
        let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        let path = format!("{}?filter={attribute}+eq+%22{name}%22", self.path);
        let answer = app.send("GET", &path, &[], None).await;
        match answer.body["Resources"].as_array().map(Vec::as_slice) {
            Some([resource]) => resource.clone(),
            _ => fail(label, &format!("after the 409 expected {path} to find one"), &answer),
        }
    }
}

impl Expected {
    fn check(&self, answer: &Answer) -> Result<(), String> {
        if answer.status != self.status {
            return Err(format!("expected status {}", self.status));
        }
        if let Some(body) = &self.body {
            holds(body, &answer.body, "")?;
        }
        for pointer in &self.absent {
            if let Some(found) = answer.body.pointer(pointer) {
                return Err(format!("expected nothing at {pointer}, got {found}"));
            }
        }
        for (name, prefix) in &self.headers {
            let got = header(answer, name);
            if !got.starts_with(prefix) {
                return Err(format!("expected header {name} to begin {prefix:?}, got {got:?}"));
            }
        }
        self.check_form(answer)
    }

    /// What RFC 7644 §3.3, §3.6 and §3.12 ask of any answer with this status.
    fn check_form(&self, answer: &Answer) -> Result<(), String> {
        match self.status {
            201 => {
                let location = json!({ "meta": { "location": header(answer, "location") } });
                holds(&location, &answer.body, "")
            }
            204 => holds(&Value::Null, &answer.body, ""),
            400.. => {
                let schemas = ["urn:ietf:params:scim:api:messages:2.0:Error"];
                let error = json!({ "schemas": schemas, "status": self.status.to_string() });
                holds(&error, &answer.body, "")
            }
            _ => Ok(()),
        }
    }
}

/// Ok when `got` holds all that `expected` names; otherwise the first place where it does not.
fn holds(expected: &Value, got: &Value, at: &str) -> Result<(), String> {
    let same = match (expected, got) {
        (Value::Object(members), Value::Object(_)) => {
            return members.iter().try_for_each(|(key, value)| holds(value, &got[key], &format!("{at}/{key}")));
        }
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len() && pairs_off(wanted, &found.iter().collect::<Vec<_>>())
        }
        _ => expected == got,
    };
    if same { Ok(()) } else { Err(format!("at \"{at}\" expected {expected}, got {got}")) }
}

/// Whether each of `wanted` is held by an element of `found` of its own.
fn pairs_off(wanted: &[Value], found: &[&Value]) -> bool {
    let Some((first, rest)) = wanted.split_first() else { return true };
    (0..found.len()).any(|index| {
        let mut others = found.to_vec();
        let candidate = others.swap_remove(index);
        holds(first, candidate, "").is_ok() && pairs_off(rest, &others)
    })
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn fail(label: &str, why: &str, answer: &Answer) -> ! {
    panic!("{label}: {why}; the answer was {} {:#}", answer.status, answer.body)
}

/// All users and groups, without what differs between two servers: references, meta, and ids, for
/// which the names stand in.
async fn end_state(app: &App) -> Value {
    let users = app.send("GET", "/Users", &[], None).await.body;
    let groups = app.send("GET", "/Groups", &[], None).await.body;
    let mut state = json!([users["Resources"], groups["Resources"]]).to_string();
    for (list, attribute) in [(&users, "userName"), (&groups, "displayName")] {
        let resources = list["Resources"].as_array().expect("a ListResponse");
        assert_eq!(list["totalResults"], resources.len(), "expected every resource on one page");
        for resource in resources {
            let (id, name) = (resource["id"].as_str(), resource[attribute].as_str());
            state = state.replace(id.expect("an id"), name.expect("a name"));
        }
    }
    settle(serde_json::from_str(&state).expect("names that need no escape"))
}

/// `value` in one order, whatever order the ids gave it.
fn settle(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(settle).collect();
            items.sort_by_cached_key(Value::to_string);
            Value::Array(items)
        }
        Value::Object(mut members) => {
            members.retain(|key, _| !["id", "meta", "$ref"].contains(&key.as_str()));
            members.sort_keys();
            Value::Object(members.into_iter().map(|(key, member)| (key, settle(member))).collect())
        }
        other => other,
    }
}

fn assert_same_state(file: &str, expected: &Value, got: &Value) {
    assert!(expected == got, "{file}: expected the end state {expected:#}, got {got:#}");
}
