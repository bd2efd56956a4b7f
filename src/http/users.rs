//! `/Users`: each handler extracts, calls and answers.

use super::Api;
use super::reply::Reply;
use super::request::Exchange;
use crate::protocol::schema::ResourceType;
use axum::extract::State;
use axum::response::Response;

const USER: ResourceType = ResourceType::User;

pub async fn create(State(api): State<Api>, mut exchange: Exchange) -> Response {
    let result = async {
        let projection = exchange.projection(&api, USER)?;
        let body = exchange.json()?;
        Ok(Reply::Created(api.service.create_user(&mut exchange.caller, body, &projection).await?))
    };
    let result = result.await;
    exchange.finish(result)
}

pub async fn get(State(api): State<Api>, mut exchange: Exchange) -> Response {
    let result = async {
        let projection = exchange.projection(&api, USER)?;
        let id = exchange.id()?;
        let answer = api.service.get_user(&exchange.caller, &id, &projection).await?;
        Ok(exchange.unless_known(answer))
    };
    let result = result.await;
    exchange.finish(result)
}

pub async fn list(State(api): State<Api>, mut exchange: Exchange) -> Response {
    let result = async {
        let query = exchange.query(&api, USER)?;
        if !exchange.caller.is_read_only {
            api.service.adopt_looked_up(&mut exchange.caller, query.filter.as_ref()).await?;
        }
        Ok(Reply::List(api.service.list(&mut exchange.caller, USER, &query).await?))
    };
    let result = result.await;
    exchange.finish(result)
}

pub async fn search(State(api): State<Api>, mut exchange: Exchange) -> Response {
    let result = async {
        exchange.take_search_request()?;
        let query = exchange.query(&api, USER)?;
        Ok(Reply::List(api.service.list(&mut exchange.caller, USER, &query).await?))
    };
    let result = result.await;
    exchange.finish(result)
}

pub async fn replace(State(api): State<Api>, mut exchange: Exchange) -> Response {
    let result = async {
        let projection = exchange.projection(&api, USER)?;
        let (id, body, preconditions) = (exchange.id()?, exchange.json()?, exchange.preconditions());
        let caller = &mut exchange.caller;
        Ok(Reply::Changed(api.service.replace_user(caller, &id, body, &preconditions, &projection).await?))
    };
    let result = result.await;
    exchange.finish(result)
}

pub async fn patch(State(api): State<Api>, mut exchange: Exchange) -> Response {
    let result = async {
        let projection = exchange.projection(&api, USER)?;
        let (id, body, preconditions) = (exchange.id()?, exchange.json()?, exchange.preconditions());
        let caller = &mut exchange.caller;
        Ok(Reply::Changed(api.service.patch_user(caller, &id, &body, &preconditions, &projection).await?))
    };
    let result = result.await;
    exchange.finish(result)
}

pub async fn delete(State(api): State<Api>, mut exchange: Exchange) -> Response {
    let result = async {
        let (id, preconditions) = (exchange.id()?, exchange.preconditions());
        api.service.delete_user(&mut exchange.caller, &id, &preconditions).await?;
        Ok(Reply::NoContent)
    };
    let result = result.await;
    exchange.finish(result)
}
