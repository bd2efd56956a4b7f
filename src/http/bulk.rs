//! `/Bulk`.

use super::Api;
use super::reply::Reply;
use super::request::Exchange;
use axum::extract::State;
use axum::response::Response;

pub async fn bulk(State(api): State<Api>, mut exchange: Exchange) -> Response {
    let result = async {
        let body = exchange.json()?;
        Ok(Reply::Document(api.service.bulk(&mut exchange.caller, &body).await?))
    };
    let result = result.await;
    exchange.finish(result)
}
