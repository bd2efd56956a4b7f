//! `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas` and the base path. They hold nothing of a tenant's, so they
//! need no token: some clients read them before they have one.

use super::Api;
use super::reply::{self, Reply};
use super::request;
use crate::protocol::Object;
use crate::protocol::discovery;
use crate::protocol::error::ScimError;
use crate::protocol::list;
use crate::protocol::schema::ResourceType;
use axum::extract::{Path, Request, State};
use axum::response::Response;

pub async fn base(State(api): State<Api>, request: Request) -> Response {
    answer(&api, &request, |base_url| Ok(discovery::base(base_url, api.service.schemas())))
}

pub async fn service_provider_config(State(api): State<Api>, request: Request) -> Response {
    answer(&api, &request, |base_url| Ok(discovery::service_provider_config(base_url)))
}

pub async fn resource_types(State(api): State<Api>, request: Request) -> Response {
    answer(&api, &request, |base_url| Ok(all(discovery::resource_types(base_url, api.service.schemas()))))
}

pub async fn resource_type(State(api): State<Api>, Path(name): Path<String>, request: Request) -> Response {
    answer(&api, &request, |base_url| {
        let found = [ResourceType::User, ResourceType::Group]
            .into_iter()
            .find(|known| known.name().eq_ignore_ascii_case(&name));
        let found = found.ok_or_else(|| ScimError::not_found("ResourceType", &name))?;
        Ok(discovery::resource_type(base_url, api.service.schemas(), found))
    })
}

pub async fn schemas(State(api): State<Api>, request: Request) -> Response {
    answer(&api, &request, |base_url| Ok(all(discovery::schemas(base_url, api.service.schemas()))))
}

pub async fn schema(State(api): State<Api>, Path(uri): Path<String>, request: Request) -> Response {
    answer(&api, &request, |base_url| {
        discovery::schema(base_url, api.service.schemas(), &uri).ok_or_else(|| ScimError::not_found("Schema", &uri))
    })
}

fn all(documents: Vec<Object>) -> Object {
    list::list_response(documents.len(), 1, documents)
}

fn answer(api: &Api, request: &Request, document: impl FnOnce(&str) -> Result<Object, ScimError>) -> Response {
    let base_url = request::base_url(request, api);
    match request::check_enabled(api).and_then(|()| document(&base_url)) {
        Ok(document) => Reply::Document(document).into_response(request.headers(), &base_url),
        Err(error) => reply::error(&error, request.headers()),
    }
}
