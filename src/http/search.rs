//! `/.search` on the root: users and groups at once (RFC 7644 section 3.4.2.1). Those below `/Users` and `/Groups` are in
//! [`users`](super::users) and [`groups`](super::groups).

use super::Api;
use super::reply::Reply;
use super::request::Exchange;
use crate::protocol::error::{ScimError, ScimType};
use crate::protocol::filter::Filter;
use crate::protocol::schema::ResourceType;
use crate::protocol::sort::Sort;
use crate::service::ServiceError;
use axum::extract::State;
use axum::response::Response;

pub async fn search(State(api): State<Api>, mut exchange: Exchange) -> Response {
    let result = async {
        exchange.take_search_request()?;
        if exchange.has_cursor() {
            let detail = "A search of users and groups at once is paged by startIndex. Search /Users/.search or /Groups/.search to use a cursor.";
            return Err(ScimError::bad_request(ScimType::InvalidCursor, detail).into());
        }
        let page = exchange.page()?;
        let users = parsed(&mut exchange, &api, ResourceType::User);
        let groups = parsed(&mut exchange, &api, ResourceType::Group);
        // An attribute that one of the types does not have is absent there, so the filter as the other type reads it
        // holds for both. One that neither has is an error.
        let (users, groups) = match (users, groups) {
            (Ok(users), Ok(groups)) => (users, groups),
            (Ok(users), Err(_)) => (users.clone(), users),
            (Err(_), Ok(groups)) => (groups.clone(), groups),
            (Err(error), Err(_)) => return Err(error),
        };
        let queries = [
            (ResourceType::User, users.0, users.1, exchange.projection(&api, ResourceType::User)?),
            (ResourceType::Group, groups.0, groups.1, exchange.projection(&api, ResourceType::Group)?),
        ];
        Ok(Reply::Document(api.service.list_all(&mut exchange.caller, &queries, page).await?))
    };
    let result = result.await;
    exchange.finish(result)
}

type Parsed = (Option<Filter>, Option<Sort>);

fn parsed(exchange: &mut Exchange, api: &Api, resource_type: ResourceType) -> Result<Parsed, ServiceError> {
    Ok((exchange.filter(api, resource_type)?, exchange.sort(api, resource_type)?))
}
