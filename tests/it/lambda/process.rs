//! The function as Lambda runs it: `bootstrap` as a process of its own, which asks for events at the Runtime API.
//!
//! The Runtime API is made here. With `SCIMLET_TEST_RIE`, the path of `aws-lambda-rie`, it is that emulator's, and
//! `SCIMLET_TEST_BOOTSTRAP` names another program than the one that was compiled beside the tests.

use super::shapes::{http_api, rest_api, with_body, with_header};
use super::{NO_ROUTE, Returned, TOKEN, USER, check_every_event, returned};
use crate::harness::App;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::IntoResponse as _;
use http::StatusCode;
use scimlet::ambient::variable;
use scimlet::protocol::discovery::MAX_BODY_BYTES;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{sleep, timeout};

/// More than a start and an answer take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const REQUEST_ID: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";

pub struct Function {
    child: Child,
    invocations: Invocations,
    log: tempfile::NamedTempFile,
}

enum Invocations {
    Own { events: mpsc::Sender<Value>, answers: Mutex<mpsc::Receiver<Value>> },
    Emulator(String),
}

/// Hands out events and takes answers, as the Runtime API of Lambda.
struct Runtime {
    events: Mutex<mpsc::Receiver<Value>>,
    answers: mpsc::Sender<Value>,
}

async fn serve(listener: TcpListener, router: Router) {
    axum::serve(listener, router).await.unwrap();
}

async fn runtime_api(State(runtime): State<Arc<Runtime>>, request: Request) -> axum::response::Response {
    let path = request.uri().path().to_owned();
    if path.ends_with("/invocation/next") {
        let Some(event) = runtime.events.lock().await.recv().await else { return StatusCode::GONE.into_response() };
        let headers = [
            ("lambda-runtime-aws-request-id", REQUEST_ID),
            ("lambda-runtime-deadline-ms", "4102444800000"),
            ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:scimlet"),
        ];
        return (headers, event.to_string()).into_response();
    }
    assert!(path.ends_with("/response"), "the function reports an error: {path}");
    let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
    runtime.answers.send(serde_json::from_slice(&body).unwrap_or(Value::Null)).await.unwrap();
    StatusCode::ACCEPTED.into_response()
}

fn bootstrap() -> PathBuf {
    variable("SCIMLET_TEST_BOOTSTRAP").map_or_else(|| env!("CARGO_BIN_EXE_bootstrap").into(), Into::into)
}

impl Function {
    /// The function with this handler and these variables, beside those that Lambda sets itself.
    pub async fn start(handler: &str, variables: &[(&str, &str)]) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        let (mut command, invocations) = match variable("SCIMLET_TEST_RIE") {
            None => {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let (events, next) = mpsc::channel(1);
                let (answered, answers) = mpsc::channel(1);
                let mut command = Command::new(bootstrap());
                command.env_clear().env("AWS_LAMBDA_RUNTIME_API", listener.local_addr().unwrap().to_string());
                let runtime = Arc::new(Runtime { events: Mutex::new(next), answers: answered });
                tokio::spawn(serve(listener, Router::new().fallback(runtime_api).with_state(runtime)));
                (command, Invocations::Own { events, answers: Mutex::new(answers) })
            }
            Some(emulator) => {
                // Two free ports: the emulator takes no 0.
                let free: Vec<_> = (0..2).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
                let addresses: Vec<_> = free.iter().map(|one| one.local_addr().unwrap().to_string()).collect();
                let mut command = Command::new(emulator);
                command.env_clear();
                command.args(["--runtime-interface-emulator-address", &addresses[0]]);
                command.args(["--runtime-api-address", &addresses[1]]).arg(bootstrap());
                (command, Invocations::Emulator(addresses[0].clone()))
            }
        };
        command.envs([
            ("_HANDLER", handler),
            ("AWS_LAMBDA_FUNCTION_NAME", "scimlet"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ]);
        command.envs(variables.iter().copied());
        // The emulator sends on what the program writes, to its own standard output.
        let output = log.reopen().unwrap();
        let child = command.stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap();
        Self { child, invocations, log }
    }

    /// The function that has this handler, on the table of `app`.
    pub async fn on(app: &App, handler: &str) -> Self {
        let endpoint = app.config.table.endpoint.as_deref().unwrap();
        let table = [("TABLE_NAME", app.store.table()), ("DYNAMODB_ENDPOINT", endpoint), ("SCIM_TOKEN", TOKEN)];
        Self::start(handler, &table).await
    }

    pub async fn raw(&self, event: &Value) -> Value {
        match &self.invocations {
            Invocations::Own { events, answers } => {
                events.send(event.clone()).await.unwrap();
                timeout(PATIENCE, answers.lock().await.recv())
                    .await
                    .unwrap_or_else(|_| panic!("{}", self.log()))
                    .unwrap()
            }
            Invocations::Emulator(address) => timeout(PATIENCE, invoke_by_emulator(address, event)).await.unwrap(),
        }
    }

    pub async fn invoke(&self, event: &Value) -> Returned {
        returned(&self.raw(event).await, event.get("httpMethod").is_some())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    /// The first line that the program wrote, past those of the emulator.
    async fn first_log_line(&self) -> Value {
        for _ in 0..600 {
            let log = self.log();
            // An unfinished line does not parse.
            if let Some(line) = log.lines().find_map(|line| serde_json::from_str::<Value>(line).ok()) {
                return line;
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("no line in {}", self.log());
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped_already = self.child.wait();
    }
}

async fn invoke_by_emulator(address: &str, event: &Value) -> Value {
    let mut stream = loop {
        match TcpStream::connect(address).await {
            Ok(stream) => break stream,
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    };
    let body = event.to_string();
    // HTTP/1.0, so that the answer is not in chunks.
    let head = format!(
        "POST /2015-03-31/functions/function/invocations HTTP/1.0\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
}

#[tokio::test]
async fn every_event_is_answered_by_the_program_as_its_name_says() {
    check_every_event(async |app, route, event| Function::on(app, route.name()).await.invoke(event).await).await;
}

#[tokio::test]
async fn the_program_takes_every_shape_of_a_request() {
    let app = App::start().await;
    app.user("a+b@example.com").await;
    let users = Function::on(&app, "users").await;
    let path = "/scim/v2/Users";
    let found: [(Value, Option<&str>); 4] = [
        (
            http_api("GET", path, "filter=userName+eq+%22a%2Bb%40example.com%22&filter=userName+eq+%22b%22"),
            Some("/scim/v2"),
        ),
        (http_api("GET", "/prod/scim/v2/Users", "filter=userName eq \"a%2Bb@example.com\"&"), Some("/prod/scim/v2")),
        (
            rest_api("GET", path, &[("filter", &["userName eq \"a+b@example.com\"", "userName eq \"b\""])]),
            Some("/prod/scim/v2"),
        ),
        (rest_api("GET", path, &[("filter", &["userName eq \"b\"", "userName eq \"a+b@example.com\""])]), None),
    ];
    for (event, base) in found {
        let list = users.invoke(&event).await.expect(200);
        assert_eq!(list.body["totalResults"], json!(u8::from(base.is_some())), "{event}: {list:?}");
        if let Some(base) = base {
            let location = list.body["Resources"][0]["meta"]["location"].as_str().unwrap();
            assert!(location.contains(&format!("amazonaws.com{base}/Users/")), "{location}");
        }
    }
    let user = |name: &str| json!({ "schemas": [USER], "userName": name }).to_string();
    for (number, is_encoded) in [false, true].into_iter().enumerate() {
        for (version, event) in [http_api("POST", path, ""), rest_api("POST", path, &[])].into_iter().enumerate() {
            let name = format!("é-{number}-{version}@example.com");
            let created = users.invoke(&with_body(event.clone(), &user(&name), is_encoded)).await.expect(201);
            assert_eq!(created.body["userName"], name);
            let mut long = user("long@example.com");
            long.push_str(&" ".repeat(MAX_BODY_BYTES + 1 - long.len()));
            users.invoke(&with_body(event, &long, is_encoded)).await.is_error(413);
        }
    }
    users.invoke(&with_header(http_api("GET", path, ""), "authorization", None)).await.is_error(401);
    assert_eq!(app.get("/Users?count=0").await.total(), 5, "what was too long is not there");
    let log = users.log();
    assert!(log.contains("\"status\":413"), "{log}");
    assert!(!log.contains("example.com") && !log.contains(TOKEN), "{log}");
}

#[tokio::test]
async fn the_sweep_answers_its_schedule() {
    let app = App::start().await;
    let event: Value = serde_json::from_str(&super::read(&format!("events/{NO_ROUTE}.json"))).unwrap();
    assert_eq!(Function::on(&app, NO_ROUTE).await.raw(&event).await, Value::Null);
}

/// Handler, variables, the status that a client gets, and parts of the first log line.
type Case<'a> = (&'a str, Vec<(&'a str, &'a str)>, u64, &'a [&'a str]);

/// A DynamoDB that answers every call with an error.
async fn refusing(code: &'static str, message: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let body = json!({ "__type": format!("com.amazon.coral.service#{code}"), "message": message }).to_string();
    let answer =
        move || async move { (StatusCode::BAD_REQUEST, [("content-type", "application/x-amz-json-1.0")], body) };
    tokio::spawn(serve(listener, Router::new().fallback(answer)));
    endpoint
}

#[tokio::test]
async fn a_setting_that_cannot_be_used_is_named_in_the_first_log_line_and_the_client_gets_a_scim_error() {
    let app = App::start().await;
    let (endpoint, table) = (app.config.table.endpoint.as_deref().unwrap(), app.store.table());
    let other_keys = format!("{table}-other-keys");
    with_other_keys(&app, &other_keys).await;
    let denied = refusing(
        "AccessDeniedException",
        "User: arn:aws:sts::123456789012:assumed-role/r/users is not authorized to perform: dynamodb:GetItem",
    )
    .await;
    let elsewhere = refusing("ResourceNotFoundException", "Requested resource not found").await;
    let expired = refusing("ExpiredTokenException", "The security token included in the request is expired").await;
    let token = ("SCIM_TOKEN", TOKEN);
    let at = ("DYNAMODB_ENDPOINT", endpoint);
    let there = ("TABLE_NAME", table);
    let cases: [Case; 11] = [
        ("users", vec![at, there, ("SCIM_TABLE_TOKENS", "0")], 500, &["SCIM_TOKEN_SHA256", "label:digest"]),
        ("users", vec![at, there, ("SCIM_TOKEN_SHA256", "entra:abc")], 500, &["SCIM_TOKEN_SHA256", "64 hexadecimal"]),
        ("discovery", vec![token, ("SCIM_ENABLED", "perhaps")], 500, &["SCIM_ENABLED", "true or false"]),
        ("people", vec![at, there, token], 500, &["'people'", "handler", "users"]),
        (
            "users",
            vec![at, token, ("TABLE_NAME", "nowhere")],
            500,
            &["TABLE_NAME is 'nowhere'", "us-east-1", "TableName"],
        ),
        ("groups", vec![at, token, ("TABLE_NAME", &other_keys)], 500, &["TABLE_NAME", &other_keys, "PK and SK"]),
        ("users", vec![("DYNAMODB_ENDPOINT", &denied), there, token], 500, &["TABLE_NAME", "role", "dynamodb:GetItem"]),
        (
            "search",
            vec![("DYNAMODB_ENDPOINT", &elsewhere), there, token, ("AWS_REGION", "eu-west-1")],
            500,
            &["TABLE_NAME", "eu-west-1 (AWS_REGION)"],
        ),
        ("users", vec![("DYNAMODB_ENDPOINT", &expired), there, token], 500, &["AWS_SESSION_TOKEN", "expired"]),
        (
            "users",
            vec![("DYNAMODB_ENDPOINT", "http://127.0.0.1:9"), there, token],
            503,
            &["DYNAMODB_ENDPOINT", "refused"],
        ),
        ("bulk", vec![at, token, ("TABLE_NAME", "no")], 500, &["TABLE_NAME", "3"]),
    ];
    for (handler, variables, status, expected) in cases {
        let function = Function::start(handler, &variables).await;
        let event = match handler {
            "groups" => http_api("GET", "/scim/v2/Groups", ""),
            "search" | "bulk" => {
                let path = if handler == "bulk" { "/scim/v2/Bulk" } else { "/scim/v2/Users/.search" };
                let schema = if handler == "bulk" { "BulkRequest" } else { "SearchRequest" };
                let operation = json!({ "method": "DELETE", "path": "/Users/2819c223-7f76-453a-919d-413861904646" });
                let mut body = json!({ "schemas": [format!("urn:ietf:params:scim:api:messages:2.0:{schema}")] });
                if handler == "bulk" {
                    body["Operations"] = json!([operation]);
                }
                with_body(http_api("POST", path, ""), &body.to_string(), true)
            }
            "discovery" => rest_api("GET", "/scim/v2/Schemas", &[]),
            _ => rest_api("GET", "/scim/v2/Users", &[]),
        };
        let answer = function.invoke(&event).await;
        if handler == "bulk" {
            // RFC 7644 section 3.7.3: the request was carried out, its operation was not.
            let operation = &answer.expect(200).body["Operations"][0];
            assert_eq!(operation["status"], "500", "{operation}");
        } else {
            answer.is_error(status);
        }
        let line = function.first_log_line().await;
        let error = line["error"].as_str().unwrap();
        assert_eq!(line["level"], "ERROR");
        assert!(expected.iter().all(|part| error.contains(part)), "{expected:?} in {error}");
        assert!(!function.log().contains(TOKEN));
    }
}

#[tokio::test]
async fn a_sweep_without_a_configuration_fails_so_that_its_alarm_rings() {
    let mut command = Command::new(bootstrap());
    command.env_clear().envs([("_HANDLER", NO_ROUTE), ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")]);
    command.env("SCIM_TOKEN_SHA256", "entra");
    let output = command.output().unwrap();
    assert!(!output.status.success());
    let log = String::from_utf8(output.stderr).unwrap();
    let first: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert!(first["error"].as_str().unwrap().contains("SCIM_TOKEN_SHA256"), "{log}");
}

/// A table that something else has made.
async fn with_other_keys(app: &App, name: &str) {
    use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build().unwrap();
    let attribute =
        AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S).build().unwrap();
    let create = app.store.client().create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    create.key_schema(key).attribute_definitions(attribute).send().await.unwrap();
}
