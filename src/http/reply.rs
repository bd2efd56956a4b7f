//! The only builder of responses.

use crate::protocol::Object;
use crate::protocol::error::ScimError;
use crate::protocol::representation;
use crate::service::{Answer, ServiceError};
use axum::body::Body;
use axum::http::header::{ACCEPT, CONTENT_LOCATION, CONTENT_TYPE, ETAG, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::Value;

/// Media type of SCIM (RFC 7644 section 8.1).
const SCIM_JSON: &str = "application/scim+json";
/// Media type for clients that accept nothing else.
const JSON: &str = "application/json";

/// What a handler answers.
#[derive(Debug)]
pub enum Reply {
    /// 201 with the resource and its location.
    Created(Answer),
    /// 200 with the resource.
    Resource(Answer),
    /// 200 with a document that has no version.
    Document(Object),
    /// 304.
    NotModified(Answer),
    /// 204.
    NoContent,
}

impl Reply {
    /// The response to a request with these headers.
    pub fn into_response(self, request: &HeaderMap, base_url: &str) -> Response {
        match self {
            Self::Created(answer) => {
                let location = representation::location(base_url, answer.meta.resource_type, &answer.meta.id);
                let mut response = resource(StatusCode::CREATED, answer, request, base_url);
                set(&mut response, LOCATION, &location);
                response
            }
            Self::Resource(answer) => resource(StatusCode::OK, answer, request, base_url),
            Self::Document(document) => json(StatusCode::OK, &Value::Object(document), request),
            Self::NotModified(answer) => {
                let mut response = empty(StatusCode::NOT_MODIFIED);
                set(&mut response, ETAG, &answer.meta.etag());
                response
            }
            Self::NoContent => empty(StatusCode::NO_CONTENT),
        }
    }
}

/// RFC 7643 section 3.1: `Content-Location` is the resource's `meta.location`, also when `attributes` leaves that out.
fn resource(status: StatusCode, answer: Answer, request: &HeaderMap, base_url: &str) -> Response {
    let etag = answer.meta.etag();
    let location = representation::location(base_url, answer.meta.resource_type, &answer.meta.id);
    let mut response = json(status, &Value::Object(answer.resource), request);
    set(&mut response, ETAG, &etag);
    set(&mut response, CONTENT_LOCATION, &location);
    response
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn json(status: StatusCode, body: &Value, request: &HeaderMap) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, media_type(request));
    response
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// `application/json` when the client names that and nothing that covers SCIM's own media type.
fn media_type(request: &HeaderMap) -> &'static str {
    let mut names_json = false;
    for accept in request.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()) {
        for range in accept.split(',') {
            match range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
                SCIM_JSON | "application/*" | "*/*" => return SCIM_JSON,
                JSON => names_json = true,
                _ => {}
            }
        }
    }
    if names_json { JSON } else { SCIM_JSON }
}

/// An error of the client's.
pub fn error(error: &ScimError, request: &HeaderMap) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(status, &error.to_json(), request);
    if status == StatusCode::UNAUTHORIZED {
        set(&mut response, WWW_AUTHENTICATE, "Bearer");
    }
    response
}

/// Any error of a use case. What the table said stays inside.
pub fn service_error(failure: &ServiceError, request: &HeaderMap) -> Response {
    let (scim, retry_after_seconds) = (failure.outside(), failure.retry_after_seconds());
    let mut response = error(&scim, request);
    if let Some(seconds) = retry_after_seconds {
        set(&mut response, RETRY_AFTER, &seconds.to_string());
    }
    response
}

/// The answer after a panic.
pub fn internal(request: &HeaderMap) -> Response {
    error(
        &ScimError::new(500, "The server failed; its log has the reason under the id in the x-request-id header."),
        request,
    )
}

/// The answer when the time for a request is over.
pub fn out_of_time(request: &HeaderMap) -> Response {
    let detail = "The request took too long. Read what it was to change, then send it again.";
    let mut response = error(&ScimError::new(503, detail), request);
    set(&mut response, RETRY_AFTER, "10");
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn the_media_type_is_scim_json_unless_the_client_names_json_alone() {
        let cases = [
            (None, SCIM_JSON),
            (Some("application/json"), JSON),
            (Some("application/json; charset=utf-8"), JSON),
            (Some("application/scim+json"), SCIM_JSON),
            (Some("application/json, application/scim+json"), SCIM_JSON),
            (Some("application/json, */*;q=0.1"), SCIM_JSON),
            (Some("text/html"), SCIM_JSON),
        ];
        for (accept, expected) in cases {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(media_type(&headers), expected, "{accept:?}");
        }
    }

    #[test]
    fn what_the_table_said_stays_inside_and_a_retry_is_in_whole_seconds() {
        let cases = [
            (ServiceError::Store(StoreError::Throttled("secret".into())), 429, true),
            (ServiceError::Store(StoreError::Unavailable("secret".into())), 503, true),
            (ServiceError::Store(StoreError::Refused { operation: "Query", message: "secret".into() }), 500, false),
            (ServiceError::Contended { attempts: 9 }, 429, true),
        ];
        for (failure, status, retry) in cases {
            let response = service_error(&failure, &HeaderMap::new());
            assert_eq!(response.status().as_u16(), status);
            let retry_after =
                response.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap().parse::<u32>().unwrap());
            assert_eq!(retry_after.is_some(), retry);
            let detail = failure.outside().detail;
            assert!(!detail.contains("secret"));
            assert_eq!(detail.contains("x-request-id"), status == 500, "where to look: {detail}");
        }
    }
}
