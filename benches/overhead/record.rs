//! Writes `calls.json`: the embedded engine answers each operation once.

use crate::{CALLS, Operations, Recorded, answer, config};
use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use http_body_util::BodyExt as _;
use scimlet::config::Table;
use scimlet::http::Api;
use scimlet::local::engine::Engine;
use scimlet::store::Store;
use scimlet::store::connect::connect;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// In the order in which they can be carried out.
const EVENTS: [(&str, &str); 4] =
    [("POST", "users-create"), ("GET", "users-get"), ("lookup", "users-find"), ("PATCH", "users-patch")];
/// The id in the events.
const PLACEHOLDER: &str = "2819c223-7f76-453a-919d-413861904646";

pub fn record() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let operations = runtime.block_on(async {
        let engine = Engine::in_memory().unwrap();
        let table = Table { name: "scimlet".into(), endpoint: Some(engine.endpoint().to_owned()) };
        let store = connect(&table).await;
        store.create_table_if_missing().await.unwrap();
        let settings = store.client().config();
        let recorder = Recorder { inner: settings.http_client().unwrap(), answers: Arc::default() };
        let http_client = SharedHttpClient::new(recorder.clone());
        let client = aws_sdk_dynamodb::Client::from_conf(settings.to_builder().http_client(http_client).build());
        let api = Api::new(config(table), Store::new(client, "scimlet"));
        let mut operations = Operations::new();
        let mut id = PLACEHOLDER.to_owned();
        for (operation, file) in EVENTS {
            let path = format!("{}/events/{file}.json", env!("CARGO_MANIFEST_DIR"));
            let event = std::fs::read_to_string(path).unwrap().replace(PLACEHOLDER, &id);
            recorder.answers.lock().unwrap().clear();
            let returned: Value = serde_json::from_slice(&answer(&api, &event).await).unwrap();
            let status = returned["statusCode"].as_u64().unwrap().try_into().unwrap();
            if operation == "POST" {
                let user: Value = serde_json::from_str(returned["body"].as_str().unwrap()).unwrap();
                id = user["id"].as_str().unwrap().to_owned();
            }
            if operation == "lookup" {
                assert!(returned["body"].as_str().unwrap().contains(&id), "the lookup finds the user: {returned}");
            }
            let answers = recorder.answers.lock().unwrap().clone();
            operations.insert(operation.to_owned(), Recorded { event: event.parse().unwrap(), status, answers });
        }
        operations
    });
    std::fs::write(CALLS, serde_json::to_string_pretty(&json!(operations)).unwrap() + "\n").unwrap();
}

#[derive(Debug, Clone)]
struct Recorder {
    inner: SharedHttpClient,
    answers: Arc<Mutex<Vec<String>>>,
}

impl HttpClient for Recorder {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let connector = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(RecordingConnector { connector, answers: self.answers.clone() })
    }
}

#[derive(Debug)]
struct RecordingConnector {
    connector: SharedHttpConnector,
    answers: Arc<Mutex<Vec<String>>>,
}

impl HttpConnector for RecordingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (called, answers) = (self.connector.call(request), self.answers.clone());
        HttpConnectorFuture::new(async move {
            let mut response: HttpResponse = called.await?;
            let body = std::mem::replace(response.body_mut(), Vec::new().into()).collect().await.unwrap().to_bytes();
            answers.lock().unwrap().push(String::from_utf8(body.to_vec()).unwrap());
            *response.body_mut() = body.into();
            Ok(response)
        })
    }
}
