//! A table that fails, and whose message repeats what it was asked: as the validation of AWS does.

use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use serde_json::json;

/// How the text of the panic begins.
pub const BROKE: &str = "the table broke at";

/// What it does with every call.
#[derive(Debug, Clone, Copy)]
pub enum Fails {
    /// A status and a code of DynamoDB's.
    Error(u16, &'static str),
    /// Ends the thread's work with the call in the text.
    Panic,
}

/// A client that leads to it.
pub fn client(fails: Fails) -> SharedHttpClient {
    SharedHttpClient::new(fails)
}

impl HttpClient for Fails {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(*self)
    }
}

impl HttpConnector for Fails {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let asked = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let (status, body) = match self {
            Self::Error(status, code) => {
                let message = format!("1 validation error detected: Value '{asked}' failed to satisfy constraint");
                (*status, json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": message }))
            }
            Self::Panic => panic!("{BROKE} {asked}"),
        };
        let mut response = HttpResponse::new(status.try_into().unwrap(), body.to_string().into());
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        HttpConnectorFuture::ready(Ok(response))
    }
}
