//! `/.search` on the root: users and groups at once (RFC 7644 section 3.4.2.1). Those below `/Users` and `/Groups` are in
//! [`users`](super::users) and [`groups`](super::groups).

use super::Api;
use super::reply::Reply;
use super::request::Exchange;
use crate::protocol::error::{ScimError, ScimType};
use crate::protocol::schema::ResourceType;
use crate::service::ServiceError;
use crate::service::query::TypeQuery;
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
        let queries =
            [query(&mut exchange, &api, ResourceType::User)?, query(&mut exchange, &api, ResourceType::Group)?];
        Ok(Reply::List(api.service.list_all(&mut exchange.caller, &queries, page).await?))
    };
    let result = result.await;
    exchange.finish(result)
}

fn query(exchange: &mut Exchange, api: &Api, resource_type: ResourceType) -> Result<TypeQuery, ServiceError> {
    let schema = api.service.schemas().among_all(resource_type);
    Ok(TypeQuery {
        resource_type,
        filter: exchange.filter(&schema)?,
        sort: exchange.sort(&schema)?,
        projection: exchange.projection(api, resource_type)?,
    })
}
