//! The only builder of responses.

use super::encode::{Encoded, TooLarge, accepts_gzip, encode};
use crate::protocol::Object;
use crate::protocol::error::ScimError;
use crate::protocol::list::ListResponse;
use crate::protocol::members;
use crate::protocol::representation::{self, Meta, Shown};
use crate::service::{Answer, ServiceError};
use axum::body::Body;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LOCATION, CONTENT_TYPE, ETAG, LOCATION,
    RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;
use std::time::Duration;

/// Media type of SCIM (RFC 7644 section 8.1).
const SCIM_JSON: &str = "application/scim+json";
/// Media type for clients that accept nothing else.
const JSON: &str = "application/json";

/// What a handler answers.
#[derive(Debug)]
pub enum Reply {
    /// 201 with the resource and its location.
    Created(Answer),
    /// 200 with the resource after a change.
    Changed(Answer),
    /// 200 with the resource.
    Resource(Answer),
    /// 200 with a page of resources.
    List(ListResponse<Shown>),
    /// 200 with a document that has no version.
    Document(Object),
    /// 304.
    NotModified(Answer),
    /// 204.
    NoContent,
}

impl Reply {
    /// The response to a request with these headers. `limit` is what an answer may hold, in bytes as [`encode`] counts
    /// them: a query past it gets an error, and a change, which has happened, an answer without the members.
    pub fn into_response(self, request: &HeaderMap, base_url: &str, limit: usize) -> Response {
        match self {
            Self::Created(answer) => {
                let location = representation::location(base_url, answer.meta.resource_type, &answer.meta.id);
                let mut response = after_change(StatusCode::CREATED, answer, request, base_url, limit);
                set(&mut response, LOCATION, &location);
                response
            }
            Self::Changed(answer) => after_change(StatusCode::OK, answer, request, base_url, limit),
            Self::Resource(answer) => {
                let id = answer.meta.id.clone();
                let response = resource(StatusCode::OK, answer, request, base_url, limit);
                response.unwrap_or_else(|_| error(&too_large(&id, limit, request), request))
            }
            Self::List(list) => document(&list, request, limit),
            Self::Document(found) => document(&found, request, limit),
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
fn resource(
    status: StatusCode,
    answer: Answer,
    request: &HeaderMap,
    base_url: &str,
    limit: usize,
) -> Result<Response, Box<Answer>> {
    let Ok(mut response) = json(status, &answer.resource, request, limit) else { return Err(Box::new(answer)) };
    let Meta { resource_type, id, .. } = &answer.meta;
    set(&mut response, ETAG, &answer.meta.etag());
    set(&mut response, CONTENT_LOCATION, &representation::location(base_url, *resource_type, id));
    Ok(response)
}

fn after_change(status: StatusCode, answer: Answer, request: &HeaderMap, base_url: &str, limit: usize) -> Response {
    resource(status, answer, request, base_url, limit)
        .or_else(|answer| {
            let answer = Answer { resource: answer.resource.without_members(), meta: answer.meta };
            resource(status, answer, request, base_url, usize::MAX)
        })
        .unwrap_or_else(|_| internal(request))
}

/// 200 with a document, or the error that it is too large.
pub fn document(document: &impl Serialize, request: &HeaderMap, limit: usize) -> Response {
    json(StatusCode::OK, document, request, limit)
        .unwrap_or_else(|TooLarge| error(&too_large("<id>", limit, request), request))
}

fn too_large(group_id: &str, limit: usize, request: &HeaderMap) -> ScimError {
    let mut error = members::too_many_to_show(group_id, limit);
    if !accepts_gzip(request) {
        error.detail.push_str(" With 'Accept-Encoding: gzip' about four times as many fit.");
    }
    error
}

fn empty(status: StatusCode) -> Response {
    with_body(status, Body::empty())
}

/// Every answer is about people, or says what is there: nobody on the way keeps it (RFC 9111 section 5.2.2.5).
fn with_body(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    set(&mut response, CACHE_CONTROL, "no-store");
    response
}

fn json(status: StatusCode, body: &impl Serialize, request: &HeaderMap, limit: usize) -> Result<Response, TooLarge> {
    let Encoded { bytes, is_gzip, is_large } = encode(body, accepts_gzip(request), limit)?;
    let mut response = with_body(status, Body::from(bytes));
    set(&mut response, CONTENT_TYPE, media_type(request));
    if is_gzip {
        set(&mut response, CONTENT_ENCODING, "gzip");
    }
    if is_large {
        set(&mut response, VARY, "accept-encoding");
    }
    Ok(response)
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

/// The headers that say in which form an answer is wanted, of a request that will be gone when it is made.
pub fn wishes(request: &HeaderMap) -> HeaderMap {
    let mut wishes = HeaderMap::new();
    for name in [ACCEPT, ACCEPT_ENCODING] {
        for value in request.get_all(&name) {
            wishes.append(&name, value.clone());
        }
    }
    wishes
}

/// An error of the client's.
pub fn error(error: &ScimError, request: &HeaderMap) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(status, &error.to_json(), request, usize::MAX).unwrap_or_else(|_| empty(status));
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

/// The answer where there is no configuration to answer by.
pub fn unconfigured(request: &HeaderMap) -> Response {
    let detail = "The service provider is not set up. The first line of its log says which variable to change.";
    error(&ScimError::new(500, detail), request)
}

/// The answer where more is asked at one time than there is room for. Nothing was done.
pub fn overloaded(request: &HeaderMap) -> Response {
    let detail =
        "The server has as many connections or requests as it takes at one time. Nothing was changed; send it again.";
    let mut response = error(&ScimError::new(503, detail), request);
    set(&mut response, RETRY_AFTER, "5");
    response
}

/// The answer to a body that does not come.
pub fn too_slow(request: &HeaderMap, within: Duration) -> Response {
    let detail = format!("The body did not come within {} s. Nothing was changed; send it again.", within.as_secs());
    error(&ScimError::new(408, detail), request)
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
