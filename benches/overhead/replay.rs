//! DynamoDB's answers from a list, and the calls alone.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_sdk_dynamodb::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{
    Builder, Config, ConfigBag, HttpClient, Intercept, RuntimeComponents, SharedHttpClient,
};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemInput;
use aws_sdk_dynamodb::operation::get_item::GetItemInput;
use aws_sdk_dynamodb::operation::query::QueryInput;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsInput;
use aws_sdk_dynamodb::operation::update_item::UpdateItemInput;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::http::StatusCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// The input of a call, as the store made it.
#[derive(Debug, Clone)]
pub enum Input {
    Get(GetItemInput),
    BatchGet(BatchGetItemInput),
    Query(Box<QueryInput>),
    Transact(TransactWriteItemsInput),
    Update(Box<UpdateItemInput>),
}

/// Answers calls in the order of a list, over and over.
#[derive(Debug, Clone)]
pub struct Replay(Arc<State>);

#[derive(Debug)]
struct State {
    answers: Vec<bytes::Bytes>,
    next: AtomicUsize,
    inputs: Mutex<Vec<Input>>,
    is_recording: AtomicBool,
}

impl Replay {
    pub fn new(answers: &[String]) -> Self {
        let answers = answers.iter().map(|answer| bytes::Bytes::from(answer.clone())).collect();
        let (next, inputs) = (AtomicUsize::new(0), Mutex::default());
        Self(Arc::new(State { answers, next, inputs, is_recording: AtomicBool::new(true) }))
    }

    pub fn installed_in(&self, settings: Builder) -> Config {
        settings.http_client(SharedHttpClient::new(self.clone())).interceptor(self.clone()).build()
    }

    pub fn inputs(&self) -> Vec<Input> {
        self.0.inputs.lock().unwrap().clone()
    }

    pub fn stop_recording(&self) {
        self.0.is_recording.store(false, Ordering::Relaxed);
    }
}

impl HttpClient for Replay {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Replay {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let State { answers, next, .. } = &*self.0;
        let answer = answers[next.fetch_add(1, Ordering::Relaxed) % answers.len()].clone();
        let mut response = HttpResponse::new(StatusCode::try_from(200).unwrap(), answer.into());
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl Intercept for Replay {
    fn name(&self) -> &'static str {
        "Replay"
    }

    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if !self.0.is_recording.load(Ordering::Relaxed) {
            return Ok(());
        }
        let input = context.input();
        let known = (input.downcast_ref().cloned().map(Input::Get))
            .or_else(|| input.downcast_ref().cloned().map(Input::BatchGet))
            .or_else(|| input.downcast_ref().cloned().map(Box::new).map(Input::Query))
            .or_else(|| input.downcast_ref().cloned().map(Input::Transact))
            .or_else(|| input.downcast_ref().cloned().map(Box::new).map(Input::Update));
        self.0.inputs.lock().unwrap().push(known.ok_or("another kind of call")?);
        Ok(())
    }
}

/// The calls of one request, without the request.
#[derive(Debug)]
pub struct Bare {
    client: Client,
    inputs: Vec<Input>,
}

impl Bare {
    pub fn new(client: Client, inputs: Vec<Input>) -> Self {
        Self { client, inputs }
    }

    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Sets what the store sets.
    pub async fn send(&self) {
        for input in self.inputs.clone() {
            match input {
                Input::Get(input) => {
                    let call = self.client.get_item().set_table_name(input.table_name).set_key(input.key);
                    let call = call.set_consistent_read(input.consistent_read);
                    let call = call.set_return_consumed_capacity(input.return_consumed_capacity);
                    std::hint::black_box(call.send().await.unwrap());
                }
                Input::BatchGet(input) => {
                    let call = self.client.batch_get_item().set_request_items(input.request_items);
                    let call = call.set_return_consumed_capacity(input.return_consumed_capacity);
                    std::hint::black_box(call.send().await.unwrap());
                }
                Input::Update(input) => {
                    let call = self.client.update_item().set_table_name(input.table_name).set_key(input.key);
                    let call = call.set_update_expression(input.update_expression);
                    let call = call.set_expression_attribute_names(input.expression_attribute_names);
                    let call = call.set_expression_attribute_values(input.expression_attribute_values);
                    let call = call.set_return_values(input.return_values);
                    let call = call.set_return_consumed_capacity(input.return_consumed_capacity);
                    std::hint::black_box(call.send().await.unwrap());
                }
                Input::Query(input) => {
                    let call = self.client.query().set_table_name(input.table_name).set_limit(input.limit);
                    let call = call.set_key_condition_expression(input.key_condition_expression);
                    let call = call.set_expression_attribute_values(input.expression_attribute_values);
                    let call = call.set_consistent_read(input.consistent_read);
                    let call = call.set_scan_index_forward(input.scan_index_forward);
                    let call = call.set_exclusive_start_key(input.exclusive_start_key);
                    let call = call.set_return_consumed_capacity(input.return_consumed_capacity);
                    std::hint::black_box(call.send().await.unwrap());
                }
                Input::Transact(input) => {
                    let call = self.client.transact_write_items().set_transact_items(input.transact_items);
                    let call = call.set_return_consumed_capacity(input.return_consumed_capacity);
                    std::hint::black_box(call.send().await.unwrap());
                }
            }
        }
    }
}
