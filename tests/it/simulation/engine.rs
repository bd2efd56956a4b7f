//! The embedded engine behind the real client without a socket: a call is answered on the thread that makes it. With a
//! clock that stands still but for timers, what happens then depends on nothing but the seed.

use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use dynoxide::Database;
use dynoxide::DynoxideError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// An engine whose data is gone with its last clone.
#[derive(Clone)]
pub struct Engine(Database);

/// A call as it goes over the wire.
#[derive(Debug, Clone)]
pub struct Call {
    /// `GetItem`.
    pub operation: String,
    pub body: Vec<u8>,
}

impl Call {
    pub fn of(request: &HttpRequest) -> Self {
        let target = request.headers().get("x-amz-target").expect("a target");
        let operation = target.rsplit('.').next().unwrap().to_owned();
        Self { operation, body: request.body().bytes().expect("a body in memory").to_vec() }
    }
}

/// A status and a JSON body.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub body: String,
}

impl From<Reply> for HttpResponse {
    fn from(reply: Reply) -> Self {
        Self::new(reply.status.try_into().unwrap(), reply.body.into())
    }
}

impl Engine {
    pub fn new() -> Self {
        Self(Database::memory().unwrap())
    }

    /// Every item of a table, as it goes over the wire.
    pub fn items(&self, table: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut scan = json!({ "TableName": table });
        loop {
            let page: Value = serde_json::from_str(&self.call("Scan", &scan)).unwrap();
            items.extend(page["Items"].as_array().unwrap().iter().cloned());
            match page.get("LastEvaluatedKey") {
                Some(last) => scan["ExclusiveStartKey"] = last.clone(),
                None => return items,
            }
        }
    }

    /// Puts items into a table.
    pub fn put(&self, table: &str, items: &[Value]) {
        for batch in items.chunks(25) {
            let puts: Vec<Value> = batch.iter().map(|item| json!({ "PutRequest": { "Item": item } })).collect();
            self.call("BatchWriteItem", &json!({ "RequestItems": { table: puts } }));
        }
    }

    /// Carries out the first ones of a batch, as many as `count` makes of their number, and says that the others are left.
    pub fn part_of_batch(&self, call: &Call, count: impl FnOnce(usize) -> usize) -> Reply {
        let is_write = call.operation == "BatchWriteItem";
        let mut body: Value = serde_json::from_slice(&call.body).unwrap();
        let (table, wanted) = body["RequestItems"].as_object().unwrap().iter().next().unwrap();
        let (table, mut wanted) = (table.clone(), wanted.clone());
        let list = |wanted: &mut Value| {
            let list = if is_write { wanted } else { &mut wanted["Keys"] };
            list.as_array_mut().unwrap().clone()
        };
        let all = list(&mut wanted);
        let (now, later) = all.split_at(count(all.len()));
        let of = |part: &[Value]| {
            let mut items = wanted.clone();
            *(if is_write { &mut items } else { &mut items["Keys"] }) = part.to_vec().into();
            Value::from(Map::from_iter([(table.clone(), items)]))
        };
        let left = if is_write { "UnprocessedItems" } else { "UnprocessedKeys" };
        let mut answer = json!({ "Responses": {} });
        if !now.is_empty() {
            body["RequestItems"] = of(now);
            let reply = self.answer(&Call { operation: call.operation.clone(), body: body.to_string().into() });
            if reply.status != 200 {
                return reply;
            }
            answer = serde_json::from_str(&reply.body).unwrap();
        }
        answer[left] = of(later);
        Reply { status: 200, body: answer.to_string() }
    }

    /// Reads a batch at two moments: the items of groups after `time`.
    pub async fn torn_batch(&self, call: &Call, time: Duration) -> Reply {
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let (table, wanted) = body["RequestItems"].as_object().unwrap().iter().next().unwrap();
        let (groups, others): (Vec<Value>, Vec<Value>) = wanted["Keys"]
            .as_array()
            .unwrap()
            .iter()
            .cloned()
            .partition(|key| key["PK"]["S"].as_str().unwrap().ends_with("#GROUP"));
        let read = |keys: Vec<Value>| {
            let mut body = body.clone();
            body["RequestItems"][table]["Keys"] = keys.into();
            serde_json::from_str::<Value>(&self.call(&call.operation, &body)).unwrap()
        };
        let mut answer = if others.is_empty() { json!({ "Responses": { table: [] } }) } else { read(others) };
        tokio::time::sleep(time).await;
        let items = answer["Responses"][table].as_array_mut().unwrap();
        items.extend(read(groups)["Responses"][table].as_array().unwrap().iter().cloned());
        Reply { status: 200, body: answer.to_string() }
    }

    fn call(&self, operation: &str, body: &Value) -> String {
        let reply = self.answer(&Call { operation: operation.to_owned(), body: body.to_string().into_bytes() });
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    }

    /// Carries a call out.
    pub fn answer(&self, call: &Call) -> Reply {
        let Call { operation, body } = call;
        let database = &self.0;
        let done = match operation.as_str() {
            "GetItem" => run(body, |request| database.get_item(request)),
            "BatchGetItem" => run(body, |request| database.batch_get_item(request)),
            "Query" => run(body, |request| database.query(request)),
            "Scan" => run(body, |request| database.scan(request)),
            "PutItem" => run(body, |request| database.put_item(request)),
            "UpdateItem" => run(body, |request| database.update_item(request)),
            "DeleteItem" => run(body, |request| database.delete_item(request)),
            "BatchWriteItem" => run(body, |request| database.batch_write_item(request)),
            "TransactWriteItems" => run(body, |request| database.transact_write_items(request)),
            "TransactGetItems" => run(body, |request| database.transact_get_items(request)),
            "CreateTable" => run(body, |request| database.create_table(request)),
            "DescribeTable" => run(body, |request| database.describe_table(request)),
            "UpdateTimeToLive" => run(body, |request| database.update_time_to_live(request)),
            other => panic!("nobody makes the call {other}"),
        };
        match done {
            Ok(body) => Reply { status: 200, body },
            Err(error) => Reply { status: error.status_code(), body: error.to_json() },
        }
    }
}

fn run<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    call: impl FnOnce(Q) -> Result<A, DynoxideError>,
) -> Result<String, DynoxideError> {
    let request = serde_json::from_slice(body).expect("a request as the engine reads it");
    call(request).map(|answer| serde_json::to_string(&answer).unwrap())
}

/// What stands between the client and the engine.
pub trait Wire: Clone + Send + Sync + 'static {
    fn call(&self, call: Call) -> impl Future<Output = Result<HttpResponse, ConnectorError>> + Send;
}

impl Wire for Engine {
    async fn call(&self, call: Call) -> Result<HttpResponse, ConnectorError> {
        Ok(self.answer(&call).into())
    }
}

/// An HTTP client over a wire.
pub fn http_client(wire: impl Wire) -> SharedHttpClient {
    SharedHttpClient::new(Client(wire))
}

#[derive(Clone)]
struct Client<W>(W);

impl<W> std::fmt::Debug for Client<W> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an engine without a socket")
    }
}

impl<W: Wire> HttpClient for Client<W> {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl<W: Wire> HttpConnector for Client<W> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (wire, call) = (self.0.clone(), Call::of(&request));
        HttpConnectorFuture::new(async move { wire.call(call).await })
    }
}
