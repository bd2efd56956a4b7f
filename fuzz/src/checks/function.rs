//! The functions over a table that is a map. It reads as DynamoDB does; it takes every write, whatever the condition, and
//! does those that put or delete an item.

use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::http::StatusCode;
use lambda_http::{Context, LambdaEvent};
use scimlet::config::{Config, Table};
use scimlet::http::{Api, Route, router};
use scimlet::lambda::Event;
use scimlet::store::Store;
use scimlet::store::connect::connect;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The token in `events/`.
pub const TOKEN: &str = "local-invoke-token";
/// The users and the group of the table. The first user and the group are those in `events/`.
pub const USERS: [(&str, &str); 2] =
    [("2819c223-7f76-453a-919d-413861904646", "bjensen@example.com"), ("902c246b-6245-4190-8e05-00816be7344a", "Ann")];
pub const GROUP: &str = "6c5bb468-14b2-4183-baf2-06d523e03bd3";

type Items = BTreeMap<(String, String), Value>;

#[derive(Debug, Default)]
struct Held {
    items: Items,
    writes: usize,
}

#[derive(Debug, Clone)]
struct InMemory(Arc<Mutex<Held>>);

/// The functions, all routes in one.
pub struct Function {
    runtime: tokio::runtime::Runtime,
    api: Api,
    table: InMemory,
}

/// What API Gateway gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Returned {
    pub status: u64,
    pub content_type: Option<String>,
    pub body: Value,
    /// Whether the table was written to.
    pub wrote: bool,
}

impl Function {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let table = InMemory(Arc::default());
        let place = Table { name: "scimlet".into(), endpoint: Some("http://127.0.0.1:9".into()) };
        let settings = runtime.block_on(connect(&place)).client().config().to_builder();
        let settings = settings.http_client(SharedHttpClient::new(table.clone())).build();
        let mut config = Config::read(|name| match name {
            "SCIM_TOKEN" => Some(TOKEN.to_owned()),
            "SCIM_TOKEN_LAST_USE" => Some("false".to_owned()),
            _ => None,
        })
        .expect("a configuration");
        config.table = place;
        let store = Store::new(aws_sdk_dynamodb::Client::from_conf(settings), "scimlet");
        Self { runtime, api: Api::new(config, store), table }
    }

    /// The answer to an event, over the table as it is at first.
    pub fn answer(&self, event: Event) -> Returned {
        *self.table.0.lock().expect("one thread") = Held { items: first_items(), writes: 0 };
        let functions = router(&self.api, &Route::ALL);
        let event = LambdaEvent::new(event, Context::default());
        let Ok(answer) = self.runtime.block_on(scimlet::lambda::answer(functions, event));
        let answer = serde_json::to_value(answer).expect("an answer is JSON");
        let wrote = self.table.0.lock().expect("one thread").writes > 0;
        returned(&answer, wrote)
    }
}

/// As API Gateway reads it: the headers are in the one member or in the other.
fn returned(answer: &Value, wrote: bool) -> Returned {
    let header = |name: &str| {
        let single = answer["headers"].get(name);
        single.or_else(|| answer["multiValueHeaders"].get(name)?.get(0)).and_then(Value::as_str).map(str::to_owned)
    };
    let body = answer["body"].as_str().unwrap_or_default();
    let is_gzip = header("content-encoding").is_some();
    assert_eq!(answer["isBase64Encoded"], json!(is_gzip), "bytes are sent in base64, and text is not: {answer}");
    let body = match body {
        "" => Value::Null,
        // What it unpacks to is for the tests of the encoding.
        packed if is_gzip => packed.into(),
        text => serde_json::from_str(text).expect("a body is JSON"),
    };
    let status = answer["statusCode"].as_u64().expect("an answer has a status");
    assert!(header("x-request-id").is_some(), "{answer}");
    Returned { status, content_type: header("content-type"), body, wrote }
}

fn first_items() -> Items {
    let at = "2026-01-31T09:00:00.000Z";
    let mut items = vec![json!({
        "PK": { "S": "T#default#GROUP" }, "SK": { "S": GROUP }, "version": { "N": "2" },
        "created": { "S": at }, "lastModified": { "S": at }, "memberCount": { "N": "1" },
        "resource": { "S": r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Team A"}"# },
    })];
    for (id, name) in USERS {
        let resource = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": name, "active": true, "emails": [{ "value": name, "type": "work" }],
        });
        items.push(json!({
            "PK": { "S": "T#default#USER" }, "SK": { "S": id }, "version": { "N": "1" },
            "created": { "S": at }, "lastModified": { "S": at }, "resource": { "S": resource.to_string() },
            "joins": { "N": if id == USERS[0].0 { "1" } else { "0" } },
        }));
        let key = format!("T#default#KEY#User.userName#{}", name.to_lowercase());
        items.push(json!({ "PK": { "S": key }, "SK": { "S": "-" }, "id": { "S": id } }));
        items.push(json!({ "PK": { "S": "T#default#COUNT#USER" }, "SK": { "S": &id[..2] }, "n": { "N": "1" }, &id[2..3]: { "N": "1" } }));
    }
    items.extend([
        json!({ "PK": { "S": "T#default#KEY#Group.displayName#team a" }, "SK": { "S": "-" }, "id": { "S": GROUP } }),
        json!({ "PK": { "S": "T#default#COUNT#GROUP" }, "SK": { "S": "6c" }, "n": { "N": "1" }, "5": { "N": "1" } }),
        json!({
            "PK": { "S": format!("T#default#MEMBERS#{GROUP}") }, "SK": { "S": USERS[0].0 },
            "type": { "S": "User" }, "added": { "S": at },
        }),
        json!({
            "PK": { "S": format!("T#default#MEMBEROF#{}", USERS[0].0) }, "SK": { "S": GROUP },
            "type": { "S": "User" }, "added": { "S": at },
        }),
    ]);
    items.into_iter().map(|item| (key_of(&item), item)).collect()
}

fn key_of(item: &Value) -> (String, String) {
    let part = |name: &str| item[name]["S"].as_str().expect("a key").to_owned();
    (part("PK"), part("SK"))
}

impl HttpClient for InMemory {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InMemory {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        let input: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default();
        let answer = self.0.lock().expect("one thread").answer(operation, &input).to_string();
        let mut response = HttpResponse::new(StatusCode::try_from(200).expect("a status"), answer.into());
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl Held {
    fn answer(&mut self, operation: &str, input: &Value) -> Value {
        match operation {
            "GetItem" => match self.items.get(&key_of(&input["Key"])) {
                Some(item) => json!({ "Item": item }),
                None => json!({}),
            },
            "BatchGetItem" => {
                let keys = input["RequestItems"]["scimlet"]["Keys"].as_array().into_iter().flatten();
                let found: Vec<&Value> = keys.filter_map(|key| self.items.get(&key_of(key))).collect();
                json!({ "Responses": { "scimlet": found }, "UnprocessedKeys": {} })
            }
            "Query" => self.query(input),
            "TransactWriteItems" => {
                let actions = input["TransactItems"].as_array().into_iter().flatten();
                actions.for_each(|action| self.write(&action["Put"]["Item"], &action["Delete"]["Key"]));
                self.writes += 1;
                json!({})
            }
            "BatchWriteItem" => {
                let requests = input["RequestItems"]["scimlet"].as_array().into_iter().flatten();
                for request in requests {
                    self.write(&request["PutRequest"]["Item"], &request["DeleteRequest"]["Key"]);
                }
                self.writes += 1;
                json!({ "UnprocessedItems": {} })
            }
            "PutItem" | "DeleteItem" | "UpdateItem" => {
                self.write(&input["Item"], if operation == "DeleteItem" { &input["Key"] } else { &Value::Null });
                self.writes += 1;
                json!({})
            }
            other => panic!("a call of {other}"),
        }
    }

    fn write(&mut self, item: &Value, gone: &Value) {
        if item.is_object() {
            self.items.insert(key_of(item), item.clone());
        }
        if gone.is_object() {
            self.items.remove(&key_of(gone));
        }
    }

    fn query(&self, input: &Value) -> Value {
        let bound = |name: &str| input["ExpressionAttributeValues"][name]["S"].as_str();
        let partition = bound(":pk").unwrap_or_default();
        let is_in_range = |key: &(String, String)| {
            key.0 == partition
                && bound(":from").is_none_or(|from| key.1.as_str() >= from)
                && bound(":to").is_none_or(|to| key.1.as_str() <= to)
        };
        let mut found: Vec<&Value> =
            self.items.iter().filter(|(key, _)| is_in_range(key)).map(|(_, item)| item).collect();
        if input["ScanIndexForward"] == json!(false) {
            found.reverse();
        }
        if let Some(start) = input.get("ExclusiveStartKey").filter(|start| start.is_object()) {
            let at = found.iter().position(|item| key_of(item) == key_of(start));
            found.drain(..at.map_or(0, |at| at + 1));
        }
        let limit = input["Limit"].as_u64().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let last = found.get(limit.wrapping_sub(1)).filter(|_| found.len() > limit).map(|item| key_of(item));
        found.truncate(limit);
        let mut answer = json!({ "Items": found, "Count": found.len() });
        if let Some((pk, sk)) = last {
            answer["LastEvaluatedKey"] = json!({ "PK": { "S": pk }, "SK": { "S": sk } });
        }
        answer
    }
}
