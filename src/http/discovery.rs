//! `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas` and the base path. They hold nothing of a tenant's, so they
//! need no token: some clients read them before they have one.

use super::Api;
use super::reply;
use super::request;
use crate::protocol::discovery;
use crate::protocol::error::ScimError;
use crate::protocol::list::ListResponse;
use crate::protocol::schema::ResourceType;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use serde::Serialize;

pub async fn base(State(api): State<Api>, request: Request) -> Response {
    answer(&api, &request, |base_url| Ok(discovery::base(base_url, api.service.schemas())))
}

pub async fn service_provider_config(State(api): State<Api>, request: Request) -> Response {
    answer(&api, &request, |base_url| Ok(discovery::service_provider_config(base_url)))
}

pub async fn resource_types(State(api): State<Api>, request: Request) -> Response {
    answer(&api, &request, |base_url| {
        Ok(ListResponse::of_all(discovery::resource_types(base_url, api.service.schemas())))
    })
}

pub async fn resource_type(State(api): State<Api>, name: PathOf, request: Request) -> Response {
    let name = text(name);
    answer(&api, &request, |base_url| {
        let found = [ResourceType::User, ResourceType::Group]
            .into_iter()
            .find(|known| known.name().eq_ignore_ascii_case(&name));
        let found = found.ok_or_else(|| ScimError::not_found("ResourceType", &name))?;
        Ok(discovery::resource_type(base_url, api.service.schemas(), found))
    })
}

pub async fn schemas(State(api): State<Api>, request: Request) -> Response {
    answer(&api, &request, |base_url| Ok(ListResponse::of_all(discovery::schemas(base_url, api.service.schemas()))))
}

pub async fn schema(State(api): State<Api>, uri: PathOf, request: Request) -> Response {
    let uri = text(uri);
    answer(&api, &request, |base_url| {
        discovery::schema(base_url, api.service.schemas(), &uri).ok_or_else(|| ScimError::not_found("Schema", &uri))
    })
}

/// A segment of the path that need not be UTF-8.
type PathOf = Result<Path<String>, PathRejection>;

/// What is not UTF-8 names nothing.
fn text(segment: PathOf) -> String {
    segment.map(|Path(text)| text).unwrap_or_default()
}

fn answer<T: Serialize>(api: &Api, request: &Request, document: impl FnOnce(&str) -> Result<T, ScimError>) -> Response {
    let base_url = request::base_url(request, api);
    let checked = request::check_enabled(api).and_then(|()| check_filter(request));
    match checked.and_then(|()| document(&base_url)) {
        Ok(document) => reply::document(&document, request.headers(), api.config.settings.max_answer_bytes),
        Err(error) => reply::error(&error, request.headers()),
    }
}

/// RFC 7644 section 4: discovery answers are the same for everybody, and a `filter` on them is 403.
fn check_filter(request: &Request) -> Result<(), ScimError> {
    let query = request.uri().query().unwrap_or_default();
    if form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "filter") {
        return Err(ScimError::new(403, "A 'filter' is not allowed here (RFC 7644 section 4)."));
    }
    Ok(())
}
