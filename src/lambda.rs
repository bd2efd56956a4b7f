//! The service provider behind API Gateway: HTTP API (payload 2.0) and REST API (1.0) events.

use crate::http::RequestId;
use axum::Router;
use lambda_http::request::LambdaRequest;
use lambda_http::tower::{Service as _, ServiceBuilder};
use lambda_http::{Adapter, LambdaEvent};
use std::convert::Infallible;

/// Answers one event with what API Gateway expects.
///
/// # Errors
///
/// None: every failure is a response.
pub async fn answer(
    router: Router,
    event: LambdaEvent<LambdaRequest>,
) -> Result<impl serde::Serialize + Send + 'static, Infallible> {
    let id = event.context.request_id.clone();
    let service = ServiceBuilder::new()
        .map_request(move |mut request: lambda_http::Request| {
            request.extensions_mut().insert(RequestId(id.clone()));
            request
        })
        .service(router);
    let event = LambdaEvent::new(as_the_client_wrote_it(event.payload), event.context);
    Adapter::from(service).call(event).await
}

/// Gives an event the path and the query that the client sent.
///
/// `lambda_http` puts the stage before the path, which is wrong behind a custom domain: what the client wrote is in
/// the event. And it panics on a raw query string with a quote, which Entra ID is known to send.
fn as_the_client_wrote_it(event: LambdaRequest) -> LambdaRequest {
    match event {
        LambdaRequest::ApiGatewayV1(mut event) => {
            event.path = event.request_context.path.clone().or(event.path);
            event.request_context.stage = None;
            LambdaRequest::ApiGatewayV1(event)
        }
        LambdaRequest::ApiGatewayV2(mut event) => {
            // The raw path of an HTTP API holds the stage, if it has a name.
            event.request_context.stage = None;
            event.raw_query_string = event.raw_query_string.as_deref().map(escaped);
            LambdaRequest::ApiGatewayV2(event)
        }
        other => other,
    }
}

/// `query` with what a URI cannot hold percent-encoded.
fn escaped(query: &str) -> String {
    let mut escaped = String::with_capacity(query.len());
    for byte in query.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_quote_and_a_space_are_escaped_and_an_escape_is_left_alone() {
        assert_eq!(escaped("filter=externalId+eq+\"é x\"&a=%22"), "filter=externalId+eq+%22%C3%A9%20x%22&a=%22");
    }
}
