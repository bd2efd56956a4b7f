//! What the example asks of the table is what the policy beside it allows, and the policy allows nothing else.

use super::directory::Directory;
use crate::harness::App;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpRequest;
use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Operations, and the partition keys that they name.
type Asked = Arc<Mutex<BTreeSet<(String, String)>>>;

#[derive(Debug)]
struct Watched(Asked, SharedHttpClient);

impl HttpClient for Watched {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(WatchedConnector(Arc::clone(&self.0), self.1.http_connector(settings, components)))
    }
}

#[derive(Debug)]
struct WatchedConnector(Asked, SharedHttpConnector);

impl HttpConnector for WatchedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request.headers().get("x-amz-target").unwrap().rsplit('.').next().unwrap().to_owned();
        let body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let mut asked = self.0.lock().unwrap();
        partitions(&body, &mut |pk| {
            asked.insert((operation.clone(), pk.to_owned()));
        });
        drop(asked);
        self.1.call(request)
    }
}

/// Every partition key in a request.
fn partitions(value: &Value, visit: &mut impl FnMut(&str)) {
    for (name, inner) in value.as_object().into_iter().flatten() {
        match inner["S"].as_str() {
            Some(pk) if name == "PK" || name == ":pk" => visit(pk),
            _ => partitions(inner, visit),
        }
    }
    value.as_array().into_iter().flatten().for_each(|inner| partitions(inner, visit));
}

fn example(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(path)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_allows_what_the_readers_ask_and_nothing_else() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let team = app.group("Team", &[&ann]).await;
    let asked = Asked::default();
    let settings = app.store.client().config();
    let watched = SharedHttpClient::new(Watched(Arc::clone(&asked), settings.http_client().unwrap()));
    let client = Client::from_conf(settings.to_builder().http_client(watched).build());
    let reader = Directory::new(client, app.store.table().to_owned(), "default".to_owned());
    let now = scimlet::ambient::now();
    reader.users().await.unwrap();
    reader.user_named("ann").await.unwrap();
    assert_eq!(reader.members(&team).await.unwrap().len(), 1);
    assert_eq!(reader.groups(&ann).await.unwrap().len(), 1);
    reader.changes(now - jiff::SignedDuration::from_hours(24), now).await.unwrap();

    let policy: Value = serde_json::from_str(&example("read/policy.json")).unwrap();
    let [statement] = policy["Statement"].as_array().unwrap().as_slice() else { panic!("one statement") };
    let asked = asked.lock().unwrap();
    let operations: BTreeSet<String> = asked.iter().map(|(operation, _)| format!("dynamodb:{operation}")).collect();
    assert_eq!(statement["Action"], json!(operations));
    let allowed = &statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
    let prefix = allowed[0].as_str().unwrap().strip_suffix('*').unwrap();
    assert_eq!((allowed.as_array().unwrap().len(), prefix), (1, "T#default#"));
    assert!(asked.len() > 8, "{asked:?}");
    for (operation, pk) in asked.iter() {
        assert!(pk.starts_with(prefix), "{operation} of {pk} is not allowed");
    }
    // A call without a partition key satisfies every ForAllValues.
    assert_eq!(statement["Condition"]["Null"], json!({ "dynamodb:LeadingKeys": "false" }));
    let template = example("stream/template.yaml");
    for line in [
        "Action: [\"dynamodb:BatchGetItem\", \"dynamodb:GetItem\", \"dynamodb:Query\"]",
        "\"ForAllValues:StringLike\": { \"dynamodb:LeadingKeys\": [!Sub \"T#${Tenant}#*\"] }",
        "\"Null\": { \"dynamodb:LeadingKeys\": \"false\" }",
    ] {
        assert!(template.contains(line), "{line} is not in the function's policy");
    }
}
