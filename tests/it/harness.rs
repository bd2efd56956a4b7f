//! One service provider for each test: a fresh in-memory engine, its table, and the functions of the template.

use crate::deployed::{Seen, as_function, functions};
use crate::logs::{self, Secrets};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_sdk_dynamodb::config::retry::{RetryPartition, TokenBucket};
use axum::Router;
use axum::body::{Body, to_bytes};
use http::{HeaderMap, Request};
use scimlet::config::Config;
use scimlet::local::engine::Engine;
use scimlet::protocol::error::ERROR_URI;
use scimlet::store::Store;
use scimlet::store::connect::connect;
use scimlet::store::keys::hex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tower::ServiceExt as _;

/// A token of the tenant `default`.
pub const TOKEN: &str = "token-of-entra";
/// Another token of the same tenant.
pub const OTHER_TOKEN: &str = "token-of-okta";
/// A token of the tenant `acme`.
pub const ACME_TOKEN: &str = "token-of-acme";

pub const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// What the SDK gives a process for retries.
const RETRY_TOKENS: usize = 500;

/// Service providers that were started: each has a table of its own, on whatever engine.
static STARTED: AtomicUsize = AtomicUsize::new(0);

/// A service provider.
pub struct App {
    pub router: Router,
    pub store: Store,
    pub config: Config,
    /// The calls that its functions made.
    pub seen: Seen,
    engine: Option<Arc<Engine>>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
    pub text: String,
    /// The line of the log about it.
    pub log: String,
}

/// What a request cost, from its `Server-Timing` header.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    pub calls: u32,
    pub trips: u32,
    pub reads: f64,
    pub writes: f64,
}

impl App {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub async fn start_with(variables: &[(&str, &str)]) -> Self {
        // Another engine, where the environment names one: a table of its own there, as in memory.
        let elsewhere = scimlet::ambient::variable("SCIMLET_TEST_ENDPOINT");
        let engine = elsewhere.is_none().then(|| Arc::new(Engine::in_memory().unwrap()));
        let endpoint = elsewhere.or(engine.as_ref().map(|engine| engine.endpoint().to_owned()));
        let table = format!("scimlet-test-{}-{}", std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
        let config = config(variables, &table, endpoint.as_deref());
        let store = connect(&config.table).await;
        store.create_table_if_missing().await.unwrap();
        let seen = Seen::default();
        let router = functions(&config, &store, &seen);
        Self { router, store, config, seen, engine }
    }

    /// A service provider over what `http_client` leads to.
    pub async fn over(http_client: SharedHttpClient, variables: &[(&str, &str)]) -> Self {
        let config = config(variables, "scimlet-test", Some("http://127.0.0.1:1"));
        let settings = connect(&config.table).await.client().config().to_builder().http_client(http_client);
        let store = Store::new(Client::from_conf(settings.build()), &config.table.name);
        store.create_table_if_missing().await.unwrap();
        let seen = Seen::default();
        Self { router: functions(&config, &store, &seen), store, config, seen, engine: None }
    }

    /// Its table with the rights of the function that has this handler.
    pub fn store_of(&self, handler: &str) -> Store {
        as_function(&self.store, handler, &self.seen)
    }

    /// Another process on the same engine: it shares nothing with this one but the table. What it sends to the engine
    /// goes through what `wrap` makes of an HTTP client that works.
    pub fn beside(&self, wrap: impl FnOnce(SharedHttpClient) -> SharedHttpClient) -> Self {
        self.beside_with(RETRY_TOKENS, wrap)
    }

    /// The same, with as many tokens as its client has for retries: each takes five or ten until it succeeds.
    pub fn beside_with(&self, retry_tokens: usize, wrap: impl FnOnce(SharedHttpClient) -> SharedHttpClient) -> Self {
        let settings = self.store.client().config();
        let http_client = wrap(settings.http_client().unwrap());
        // By default all clients of a process take from one bucket: here each is a process.
        let bucket = TokenBucket::new(retry_tokens);
        let retries = RetryPartition::custom("a process").token_bucket(bucket).build();
        let client = settings.to_builder().http_client(http_client).retry_partition(retries).build();
        let client = Client::from_conf(client);
        let store = Store::new(client, self.store.table());
        let router = functions(&self.config, &store, &self.seen);
        Self { router, store, config: self.config.clone(), seen: self.seen.clone(), engine: self.engine.clone() }
    }

    /// The same table, served as other variables say.
    pub fn with(&self, variables: &[(&str, &str)]) -> Self {
        let config = config(variables, self.store.table(), self.config.table.endpoint.as_deref());
        let router = functions(&config, &self.store, &self.seen);
        Self { router, store: self.store.clone(), config, seen: self.seen.clone(), engine: self.engine.clone() }
    }

    /// `path` is relative to `/scim/v2` unless it begins with `/scim`. The token is added unless `headers` has an
    /// authorization; an empty one stands for none.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Answer {
        let path = if path.starts_with("/scim") { path.to_owned() } else { format!("/scim/v2{path}") };
        let mut request = Request::builder().method(method).uri(&path).header("host", "scim.test");
        let authorized = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        if !authorized {
            request = request.header("authorization", format!("Bearer {TOKEN}"));
        }
        for (name, value) in headers {
            if !(name.eq_ignore_ascii_case("authorization") && value.is_empty()) {
                request = request.header(*name, *value);
            }
        }
        let request = request.body(()).unwrap();
        let mut secrets = Secrets::of(&request, body.as_deref());
        let sent = body.map_or_else(Body::empty, Body::from);
        logs::begin();
        let response = self.router.clone().oneshot(request.clone().map(|()| sent)).await.unwrap();
        let lines = logs::taken();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        let mut answer =
            Answer { status: parts.status.as_u16(), headers: parts.headers, body, text, log: String::new() };
        if answer.status < 300 {
            secrets.add_body(answer.text.as_bytes());
        }
        answer.log = logs::check(&lines, &secrets, &answer).clone();
        answer
    }

    async fn send_json(&self, method: &str, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/scim+json")];
        self.send(method, path, &headers, Some(body.to_string().into_bytes())).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send_json("POST", path, &body).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send_json("PUT", path, &body).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send_json("PATCH", path, &body).await
    }

    pub async fn operations(&self, path: &str, operations: Value) -> Answer {
        self.patch(path, json!({ "schemas": [PATCH_OP], "Operations": operations })).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], None).await
    }

    pub async fn find(&self, endpoint: &str, filter: &str) -> Answer {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("filter", filter).finish();
        self.get(&format!("{endpoint}?{query}")).await
    }

    pub async fn user(&self, name: &str) -> String {
        let user = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name });
        self.post("/Users", user).await.expect(201).id()
    }

    pub async fn group(&self, name: &str, members: &[&str]) -> String {
        let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
        let group = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name, "members": members,
        });
        self.post("/Groups", group).await.expect(201).id()
    }

    /// Every item of the table. Only a test may scan it.
    pub async fn dump(&self) -> BTreeMap<(String, String), Value> {
        let mut items = BTreeMap::new();
        let mut start = None;
        loop {
            let scan = self.store.client().scan().table_name(self.store.table()).consistent_read(true);
            let page = scan.set_exclusive_start_key(start.take()).send().await.unwrap();
            for item in page.items() {
                let attributes: serde_json::Map<String, Value> =
                    item.iter().map(|(name, value)| (name.clone(), plain(value))).collect();
                let key = |name: &str| attributes[name].as_str().unwrap().to_owned();
                items.insert((key("PK"), key("SK")), Value::Object(attributes));
            }
            match page.last_evaluated_key {
                Some(last) if !last.is_empty() => start = Some(last),
                _ => return items,
            }
        }
    }
}

/// The digest of a token, in hexadecimal digits.
pub fn digest(token: &str) -> String {
    hex(&Sha256::digest(token))
}

fn config(variables: &[(&str, &str)], table: &str, endpoint: Option<&str>) -> Config {
    let tokens = [("entra", TOKEN), ("okta", OTHER_TOKEN), ("acme/idp", ACME_TOKEN)]
        .map(|(label, token)| format!("{label}:{}", digest(token)))
        .join(",");
    Config::read(|name| {
        let given = variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        given.or_else(|| match name {
            "SCIM_TOKEN_SHA256" => Some(tokens.clone()),
            "SCIM_SERVER_TIMING" => Some("1".into()),
            // What a request costs, and what it leaves in the table, is what is looked at.
            "SCIM_TOKEN_LAST_USE" => Some("0".into()),
            // Tests of large groups take away more at once than an identity provider should.
            "SCIM_BREAKER_SHARE" => Some("0".into()),
            "TABLE_NAME" => Some(table.to_owned()),
            "DYNAMODB_ENDPOINT" => endpoint.map(str::to_owned),
            _ => None,
        })
    })
    .unwrap()
}

fn plain(value: &aws_sdk_dynamodb::types::AttributeValue) -> Value {
    use aws_sdk_dynamodb::types::AttributeValue as A;
    match value {
        A::S(text) => text.clone().into(),
        A::N(number) => serde_json::from_str(number).unwrap(),
        A::Bool(flag) => (*flag).into(),
        other => format!("{other:?}").into(),
    }
}

impl Answer {
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    #[track_caller]
    pub fn id(&self) -> String {
        self.body["id"].as_str().expect("an id").to_owned()
    }

    #[track_caller]
    pub fn ids(&self) -> Vec<String> {
        let resources = self.body["Resources"].as_array().expect("Resources");
        resources.iter().map(|resource| resource["id"].as_str().expect("an id").to_owned()).collect()
    }

    #[track_caller]
    pub fn total(&self) -> u64 {
        self.body["totalResults"].as_u64().expect("totalResults")
    }

    #[track_caller]
    pub fn detail(&self) -> &str {
        self.body["detail"].as_str().expect("a detail")
    }

    #[track_caller]
    pub fn is_error(&self, status: u16, scim_type: Option<&str>) {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.body["schemas"], json!([ERROR_URI]), "{}", self.text);
        assert_eq!(self.body["status"], json!(status.to_string()), "{}", self.text);
        assert_eq!(self.body.get("scimType").and_then(Value::as_str), scim_type, "{}", self.text);
        assert!(!self.detail().is_empty());
        let content_type = self.headers["content-type"].to_str().unwrap();
        assert!(content_type.starts_with("application/scim+json") || content_type == "application/json");
        let known = ["schemas", "status", "scimType", "detail"];
        let members = self.body.as_object().unwrap();
        assert!(members.keys().all(|name| known.contains(&name.as_str())), "{}", self.text);
    }

    #[track_caller]
    pub fn cost(&self) -> Cost {
        let header = self.headers["server-timing"].to_str().unwrap();
        let number = |name: &str| {
            let rest = header.split(&format!("{name}=")).nth(1).expect(name);
            rest.split(|c: char| c != '.' && !c.is_ascii_digit()).next().unwrap().parse::<f64>().unwrap()
        };
        let count = |name| number(name) as u32;
        Cost { calls: count("calls"), trips: count("trips"), reads: number("rcu"), writes: number("wcu") }
    }
}
