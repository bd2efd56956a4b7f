//! What the log holds of a request: nothing of what its client sent, nothing of what it was answered with. Every request
//! of the suite that goes through [`crate::harness`] is looked at; the tests here are those of what a good request does not
//! meet, and of the looking itself.

use crate::harness::{Answer, App, TOKEN};
use failing::{BROKE, Fails, client};
use http::Request;
use scimlet::http::{log_panic, logger, usual_levels};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Mutex, Once};

mod failing;

/// Bodies up to this many bytes are looked into.
const MAX_LOOKED_AT: usize = 64 * 1024;
/// Shorter values are words of any log line.
const LEAST_CHARS: usize = 4;
/// What a client sends and the log says for a reason of its own: labels, tenants, endpoints.
const NO_SECRETS: [&str; 17] = [
    "scim",
    "User",
    "Users",
    "Group",
    "Groups",
    "Bulk",
    ".search",
    "Schema",
    "Schemas",
    "ResourceType",
    "ResourceTypes",
    "ServiceProviderConfig",
    "default",
    "acme",
    "entra",
    "okta",
    "members",
];
/// What a field says that has a few words for all there is to say: how a query was answered, what became of a change.
const WORDS: [&str; 8] = ["point", "lookup", "range", "walk", "tripped", "refused", "ended", "left to the sweep"];
/// Fields of a line that the client has no part in.
const OURS: [&str; 4] = ["timestamp", "message", "request_id", "level"];

thread_local! {
    /// Lines that this thread has logged since somebody looked. A request is answered on the thread that logged it last.
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.push(String::from_utf8_lossy(line).into_owned()));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Logs as a function does, to where [`taken`] finds it.
pub fn begin() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(logger(usual_levels(), || Lines)).unwrap());
}

/// What this thread has logged since the last time.
pub fn taken() -> Vec<String> {
    LINES.take()
}

/// What a client sent, as far as it could be about somebody or open something.
#[derive(Debug, Default)]
pub struct Secrets(BTreeSet<String>);

impl Secrets {
    pub fn of<B>(request: &Request<B>, body: Option<&[u8]>) -> Self {
        let mut secrets = Self::default();
        for (name, value) in request.headers() {
            let value = value.to_str().unwrap_or_default();
            match name.as_str() {
                "host" | "content-type" | "accept" => {}
                _ => value.split_whitespace().for_each(|word| secrets.add(word)),
            }
        }
        secrets.add_path(request.uri().path());
        for (_, value) in form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()) {
            secrets.add_text(&value);
        }
        secrets.add_body(body.unwrap_or_default());
        secrets
    }

    pub fn add_body(&mut self, body: &[u8]) {
        if body.len() <= MAX_LOOKED_AT {
            match serde_json::from_slice(body) {
                Ok(value) => self.add_values("", &value),
                Err(_) => self.add(&String::from_utf8_lossy(body)),
            }
        }
    }

    fn add_values(&mut self, name: &str, value: &Value) {
        match value {
            Value::String(_) if ["schemas", "resourceType", "op", "method"].contains(&name) => {}
            Value::String(text) => self.add_text(text),
            Value::Array(values) => values.iter().for_each(|value| self.add_values(name, value)),
            Value::Object(members) => members.iter().for_each(|(name, value)| self.add_values(name, value)),
            _ => {}
        }
    }

    /// A text, and what it quotes: a filter.
    fn add_text(&mut self, text: &str) {
        text.split('"').skip(1).step_by(2).for_each(|quoted| self.add(quoted));
        if text.starts_with('/') { self.add_path(text) } else { self.add(text) }
    }

    fn add_path(&mut self, path: &str) {
        for segment in path.split('/') {
            self.add(segment);
            let decoded = form_urlencoded::parse(segment.as_bytes()).map(|(name, _)| name.into_owned()).next();
            decoded.iter().for_each(|segment| self.add(segment));
        }
    }

    fn add(&mut self, text: &str) {
        let is_secret = text.chars().count() >= LEAST_CHARS && !is_id(text) && !NO_SECRETS.contains(&text);
        if is_secret {
            self.0.insert(text.to_owned());
        }
    }

    /// Whether the client itself sent a word.
    fn hold(&self, word: &str) -> bool {
        self.0.iter().any(|secret| secret.contains(word))
    }

    /// The first of them that a line holds.
    fn first_in(&self, line: &str) -> Option<&str> {
        let fields: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON line: {line}"));
        let fields = fields.as_object().unwrap().iter().filter(|(name, _)| !OURS.contains(&name.as_str()));
        let said = fields.filter_map(|(_, value)| value.as_str()).filter(|text| !WORDS.contains(text));
        // A route names what stands in its place.
        let said: Vec<String> =
            said.map(|text| text.replace("/{name}", "").replace("/{uri}", "").replace("/{id}", "")).collect();
        self.0.iter().map(String::as_str).find(|secret| said.iter().any(|text| text.contains(secret)))
    }
}

/// An id that this server gave is no secret: a log line names members by it.
fn is_id(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// After a request: it was logged, under the id that its answer names, and nothing that it carried was. Nobody on the way
/// keeps the answer, and an error says nothing of the inside. Gives the line about it.
#[track_caller]
pub fn check<'line>(lines: &'line [String], secrets: &Secrets, answer: &Answer) -> &'line String {
    let id = answer.headers["x-request-id"].to_str().unwrap();
    let about_it = lines.iter().filter(|line| line.contains(&format!("\"request_id\":\"{id}\"")));
    let [about] = about_it.collect::<Vec<_>>()[..] else { panic!("one line a request: {lines:#?}") };
    for line in lines {
        let found = secrets.first_in(line);
        assert!(found.is_none(), "a log line holds {found:?}: {line}");
    }
    assert_eq!(answer.headers["cache-control"], "no-store");
    if let Some(detail) = answer.body.get("detail").and_then(Value::as_str).filter(|_| answer.status >= 400) {
        let said = INSIDE.into_iter().find(|word| detail.contains(word) && !secrets.hold(word));
        assert!(said.is_none(), "an answer says {said:?}: {detail}");
    }
    about
}

/// What no answer says: names of what stands behind it, and where in the program it was made.
const INSIDE: [&str; 10] = [
    "panicked",
    ".rs:",
    "src/",
    "backtrace",
    "DynamoDB",
    "dynamodb",
    "Exception",
    "TransactWriteItems",
    "SdkError",
    "T#",
];

#[test]
fn the_reader_finds_what_was_sent_wherever_it_stands_in_a_line() {
    let request = Request::builder()
        .uri("/scim/v2/Users/ann%40example.com?filter=emails+eq+%22bob@example.com%22&count=10")
        .header("authorization", "Bearer the-token")
        .header("host", "scim.test")
        .body(())
        .unwrap();
    let body = json!({ "schemas": ["urn:x"], "name": { "familyName": "Müller" }, "members": [{ "value": "cid-17" }],
        "Operations": [{ "op": "replace", "path": "emails[value eq \"dee@example.com\"]" }] });
    let secrets = Secrets::of(&request, Some(body.to_string().as_bytes()));
    for leaked in ["ann@example.com", "bob@example.com", "the-token", "Müller", "cid-17", "dee@example.com"] {
        for line in [
            json!({ "message": "request", "route": format!("/Users/{leaked}") }),
            json!({ "message": "request", "actor": "entra", "error": format!("refused: '{leaked}'") }),
            json!({ "message": "panic", "place": leaked }),
        ] {
            assert_eq!(secrets.first_in(&line.to_string()), Some(leaked), "{line}");
        }
    }
    let clean = json!({ "message": "request", "level": "INFO", "route": "/Users/{id}", "tenant": "default", "actor": "entra",
        "request_id": "the-token", "skipped_members": "2819c223-7f76-453a-919d-413861904646" });
    assert_eq!(secrets.first_in(&clean.to_string()), None);
}

/// What a table says when it fails repeats what it was asked, and what breaks may say what it broke on.
#[tokio::test]
async fn neither_log_nor_answer_repeats_what_the_table_or_a_panic_says() {
    for (fails, status) in [
        (Fails::Error(400, "ValidationException"), 500),
        (Fails::Error(400, "ResourceNotFoundException"), 500),
        (Fails::Error(400, "AccessDeniedException"), 500),
        (Fails::Error(400, "ProvisionedThroughputExceededException"), 429),
        (Fails::Error(500, "InternalServerError"), 503),
        (Fails::Panic, 500),
    ] {
        let app = App::start().await.beside(|_| client(fails));
        quiet_here();
        let user = json!({ "userName": "ann@example.com", "name": { "familyName": "Example-Family" } });
        let group = json!({ "displayName": "Secret Project", "members": [] });
        let mut answers = vec![
            app.post("/Users", user.clone()).await,
            app.post("/Groups", group).await,
            app.get("/Users/ann@example.com").await,
            app.put("/Users/ann@example.com", user).await,
            app.find("/Users", "userName eq \"ann@example.com\"").await,
            app.find("/Users", "title co \"Example-Title\"").await,
            app.delete("/Groups/Secret-Project").await,
        ];
        // Who is asked for: a token of the table.
        answers.push(app.send("GET", "/Users", &[("authorization", "Bearer unknown-token")], None).await);
        for answer in answers {
            answer.is_error(status, None);
            assert_eq!(answer.headers["cache-control"], "no-store");
            for word in ["ann@", "Example-", "Secret", "validation error", "unknown-token", TOKEN] {
                assert!(!answer.text.contains(word), "{fails:?}: {}", answer.text);
            }
        }
    }
}

/// From here on a panic of this thread is told to the log alone, as in a function.
fn quiet_here() {
    static QUIET: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    static ONCE: Once = Once::new();
    let name = || std::thread::current().name().unwrap_or_default().to_owned();
    QUIET.lock().unwrap().insert(name());
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let is_test_failure = panic.payload_as_str().is_none_or(|text| !text.contains(BROKE));
            if is_test_failure || !QUIET.lock().unwrap().contains(&name()) { loud(panic) } else { log_panic(panic) }
        }));
    });
}

#[tokio::test]
async fn a_panic_is_logged_by_its_place_alone() {
    let app = App::start().await.beside(|_| client(Fails::Panic));
    quiet_here();
    begin();
    let _earlier = taken();
    let request = Request::builder().uri("/scim/v2/Users/ann@example.com").header("authorization", TOKEN);
    let request = request.body(axum::body::Body::empty()).unwrap();
    let answer = tower::ServiceExt::oneshot(app.router.clone(), request).await.unwrap();
    assert_eq!(answer.status().as_u16(), 500);
    let lines = taken();
    let panic: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!((&panic["message"], &panic["level"]), (&json!("panic"), &json!("ERROR")));
    assert!(panic["place"].as_str().unwrap().contains(".rs:"), "{panic}");
    assert!(lines.len() == 2 && lines[1].contains("\"error\":\"panic\""), "{lines:#?}");
    assert!(lines.iter().all(|line| !line.contains("ann@")), "{lines:#?}");
}

/// Refusals of every kind, by people who send what they should not.
#[tokio::test]
async fn a_refused_request_is_logged_without_what_it_said() {
    let app = App::start().await;
    let ann = app.user("ann@example.com").await;
    let group = app.group("Secret Project", &[&ann]).await;
    let name = json!({ "userName": "ANN@example.com", "password": "correct horse", "externalId": "E-4711" });
    let (user, group) = (format!("/Users/{ann}"), format!("/Groups/{group}"));
    app.post("/Users", name.clone()).await.is_error(409, Some("uniqueness"));
    app.post("/Users", json!({ "userName": "bob@example.com", "active": "maybe-Bob" }))
        .await
        .is_error(400, Some("invalidValue"));
    app.put(&user, json!({ "userName": "ann@example.com", "emails": "ann@private.example" })).await;
    app.operations(&user, json!([{ "op": "replace", "path": "emails[value eq \"ann@private.example\"", "value": 1 }]))
        .await
        .is_error(400, Some("invalidPath"));
    app.operations(
        &group,
        json!([{ "op": "add", "path": "members", "value": [{ "value": "dee@example.com" }, { "value": ann }] }]),
    )
    .await
    .expect(204);
    app.operations(&group, json!([{ "op": "remove", "path": "members[display eq \"Ann Private\"]" }])).await;
    app.find("/Users", "userName is \"ann@example.com\"").await.is_error(400, Some("invalidFilter"));
    app.get("/Users?sortBy=ann@example.com").await.is_error(400, Some("invalidPath"));
    app.get("/Users?cursor=ann@example.com").await.is_error(400, Some("invalidCursor"));
    app.get("/ann@example.com").await.is_error(404, None);
    app.get("/Users/ann@example.com/extra").await.is_error(404, None);
    app.send("PURGE", "/Users/ann@example.com", &[], None).await.is_error(405, None);
    app.send("POST", "/Users", &[("content-type", "text/ann-private")], Some(b"ann@example.com".to_vec()))
        .await
        .is_error(415, None);
    app.send("POST", "/Users", &[("content-type", "application/json")], Some(b"{\"ann@example.com".to_vec()))
        .await
        .is_error(400, Some("invalidSyntax"));
    for token in ["Bearer wrong-token", "Basic YW5uOnNlY3JldA==", "wrong-token and more"] {
        app.send("GET", "/Users", &[("authorization", token), ("x-request-id", "ann@example.com")], None)
            .await
            .is_error(401, None);
    }
    let bulk = json!({ "Operations": [
        { "method": "POST", "path": "/Users", "bulkId": "ann-bulk-id", "data": name },
        { "method": "PATCH", "path": "/Users/ann@example.com", "data": { "Operations": [] } },
    ]});
    app.post("/Bulk", bulk).await.expect(200);
    app.with(&[("SCIM_PROTECTED_USERS", "ann@example.com")]).delete(&user).await;
    app.with(&[("SCIM_ENABLED", "false")]).post("/Users", name).await.is_error(403, None);
}
