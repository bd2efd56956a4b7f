//! The table with its user, the events, and what must be answered.

use crate::Outcome;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_http::{Context, LambdaEvent};
use scimlet::config::Config;
use scimlet::http::{Api, Route, router};
use scimlet::lambda;
use scimlet::local::engine::Engine;
use scimlet::store::connect::connect;
use serde_json::{Value, json};
use std::cell::Cell;
use std::net::SocketAddr;

/// Name of the table.
pub const TABLE: &str = "scimlet";
/// SHA-256 of the token in `events`.
pub const TOKEN_DIGEST: &str = "2f5a5a475fce51f890c5d2a6e7db166df77b98d8cb1c02d5de9fcb98c794ae77";
/// Id of the user in `events`.
const ID: &str = "2819c223-7f76-453a-919d-413861904646";

/// The embedded engine with one user, who is in no group: to get it is one `GetItem`.
#[derive(Debug)]
pub struct Table {
    engine: Engine,
    /// The event that asks for the user.
    pub get: String,
    user: Value,
    posts: Cell<u32>,
}

impl Table {
    pub fn fill() -> Self {
        let engine = Engine::in_memory().unwrap();
        let config = Config::read(|name| match name {
            "SCIM_TOKEN_SHA256" => Some(format!("local:{TOKEN_DIGEST}")),
            "TABLE_NAME" => Some(TABLE.into()),
            "DYNAMODB_ENDPOINT" => Some(engine.endpoint().to_owned()),
            _ => None,
        })
        .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (get, user) = runtime.block_on(async {
            let store = connect(&config.table).await;
            store.create_table_if_missing().await.unwrap();
            let router = router(&Api::new(config, store), &Route::ALL);
            let answer = async |event: &str| {
                let event = LambdaEvent::new(serde_json::from_str(event).unwrap(), Context::default());
                serde_json::to_value(lambda::answer(router.clone(), event).await.unwrap()).unwrap()
            };
            let created = answer(&post_event(0)).await;
            let user: Value = body(&created, 201).unwrap();
            let get = include_str!("../../events/users-get.json").replace(ID, user["id"].as_str().unwrap());
            let user = body(&answer(&get).await, 200).unwrap();
            assert_eq!(user["userName"], user_name(0));
            (get, user)
        });
        Self { engine, get, user, posts: Cell::new(0) }
    }

    /// Where the engine answers, without TLS.
    pub fn address(&self) -> SocketAddr {
        self.engine.endpoint().trim_start_matches("http://").parse().unwrap()
    }

    /// A region in which no engine is.
    pub fn region(&self) -> &'static str {
        "us-east-1"
    }

    /// An event that creates a user like nobody else.
    pub fn post(&self) -> Post {
        self.posts.set(self.posts.get() + 1);
        Post { event: post_event(self.posts.get()), user_name: user_name(self.posts.get()) }
    }

    /// Whether what answers the event `get` holds the user.
    pub fn check_get(&self, answer: &[u8]) -> Outcome<()> {
        let user = body(&parsed(answer)?, 200)?;
        if user == self.user { Ok(()) } else { Err(format!("answered {user} instead of {}", self.user)) }
    }
}

/// An event that creates a user.
#[derive(Debug)]
pub struct Post {
    pub event: String,
    user_name: String,
}

impl Post {
    /// Whether the answer holds the new user.
    pub fn check(&self, answer: &[u8]) -> Outcome<()> {
        let user = body(&parsed(answer)?, 201)?;
        if user["userName"] == self.user_name { Ok(()) } else { Err(format!("answered {user} to POST")) }
    }
}

fn parsed(answer: &[u8]) -> Outcome<Value> {
    serde_json::from_slice(answer).map_err(|_| format!("answered {}", String::from_utf8_lossy(answer)))
}

/// The document in an answer for API Gateway.
fn body(answer: &Value, status: u16) -> Outcome<Value> {
    let text = answer["body"].as_str().filter(|_| answer["statusCode"] == status);
    text.and_then(|text| serde_json::from_str(text).ok()).ok_or_else(|| format!("answered {answer}"))
}

fn user_name(number: u32) -> String {
    format!("user.{number}@example.com")
}

/// The event `users-create.json` with another user.
fn post_event(number: u32) -> String {
    let mut event: Value = serde_json::from_str(include_str!("../../events/users-create.json")).unwrap();
    let text = STANDARD.decode(event["body"].as_str().unwrap()).unwrap();
    let mut user: Value = serde_json::from_slice(&text).unwrap();
    user["userName"] = json!(user_name(number));
    user["externalId"] = json!(format!("user.{number}"));
    user["emails"][0]["value"] = json!(user_name(number));
    let text = user.to_string();
    event["headers"]["content-length"] = json!(text.len().to_string());
    event["body"] = json!(STANDARD.encode(text));
    event.to_string()
}
