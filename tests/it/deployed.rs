//! The service provider as it is deployed: a router for each function of the template, to which API Gateway's choice of
//! route leads, and which may ask of the table what its role allows. Whatever else it asks is a failed test.

use crate::template::{TEMPLATE, in_transaction, of_key};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpRequest;
use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use axum::Router;
use axum::body::Body;
use http::Request;
use scimlet::config::Config;
use scimlet::http::{Api, Route, router};
use scimlet::store::Store;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock};
use tower::ServiceExt as _;

/// The calls that were seen, by handler.
#[derive(Debug, Clone, Default)]
pub struct Seen(Arc<Mutex<BTreeMap<String, BTreeSet<String>>>>);

impl Seen {
    pub fn of(&self, handler: &str) -> BTreeSet<String> {
        self.0.lock().unwrap().get(handler).cloned().unwrap_or_default()
    }

    fn note(&self, handler: &str, request: &HttpRequest) {
        for call in calls(request) {
            let is_allowed = TEMPLATE.functions[handler].calls.contains(&call);
            assert!(is_allowed, "the role of {handler} in template.yaml does not allow {call}");
            self.0.lock().unwrap().entry(handler.to_owned()).or_default().insert(call);
        }
    }
}

/// Every function in one router: a request reaches the one to which the template leads it. A function is made when the
/// first request reaches it, as on Lambda: many tests start many processes that serve one request each.
pub fn functions(config: &Config, store: &Store, seen: &Seen) -> Router {
    let made: Arc<[(Route, OnceLock<Router>)]> = Route::ALL.map(|route| (route, OnceLock::new())).into();
    // The router copies what a handler holds for each request.
    let shared = Arc::new((config.clone(), store.clone(), seen.clone()));
    Router::new().fallback(async move |request: Request<Body>| {
        let handler = TEMPLATE.handler_of(request.method().as_str(), request.uri().path());
        let (route, function) = made.iter().find(|(route, _)| route.name() == handler).expect("a route");
        let (config, store, seen) = &*shared;
        let make = || router(&Api::new(config.clone(), as_function(store, handler, seen)), &[*route]);
        function.get_or_init(make).clone().oneshot(request).await
    })
}

/// `store` with the rights of the function that has this handler.
pub fn as_function(store: &Store, handler: &str, seen: &Seen) -> Store {
    let settings = store.client().config();
    let client = settings.http_client().unwrap();
    let watched = SharedHttpClient::new(Watched { handler: handler.to_owned(), seen: seen.clone(), client });
    Store::new(Client::from_conf(settings.to_builder().http_client(watched).build()), store.table())
}

/// `GetItem`; for a transaction each action in it, and for a change outside of one its partition: what a policy is about.
fn calls(request: &HttpRequest) -> BTreeSet<String> {
    let target = request.headers().get("x-amz-target").expect("a target");
    let operation = target.rsplit('.').next().unwrap();
    let body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
    if operation == "UpdateItem" {
        let partition = body["Key"]["PK"]["S"].as_str().unwrap();
        let is_breaker = partition.starts_with("T#") && partition.ends_with("#BREAKER");
        return BTreeSet::from([of_key(operation, if is_breaker { "T#*#BREAKER" } else { partition })]);
    }
    if operation != "TransactWriteItems" {
        return BTreeSet::from([operation.to_owned()]);
    }
    let items = body["TransactItems"].as_array().unwrap();
    let action = |item: &Value| match item.as_object().unwrap().keys().next().unwrap().as_str() {
        "ConditionCheck" => in_transaction("ConditionCheckItem"),
        kind => in_transaction(&format!("{kind}Item")),
    };
    items.iter().map(action).collect()
}

#[derive(Debug)]
struct Watched {
    handler: String,
    seen: Seen,
    client: SharedHttpClient,
}

impl HttpClient for Watched {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let connector = self.client.http_connector(settings, components);
        SharedHttpConnector::new(WatchedConnector { handler: self.handler.clone(), seen: self.seen.clone(), connector })
    }
}

#[derive(Debug)]
struct WatchedConnector {
    handler: String,
    seen: Seen,
    connector: SharedHttpConnector,
}

impl HttpConnector for WatchedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.seen.note(&self.handler, &request);
        self.connector.call(request)
    }
}
