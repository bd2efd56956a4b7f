//! Room for requests, where a server stands alone: how many are worked on at one time, and how long a body may take to
//! come. Before a function, API Gateway and Lambda see to both.

use super::observe::note_refusal;
use super::reply;
use super::request::whole;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower::ServiceExt as _;

/// A router with room for so many requests at one time.
#[derive(Debug, Clone)]
pub struct Room {
    router: Router,
    places: Arc<Semaphore>,
    body_time: Duration,
    wait: Duration,
}

impl Room {
    /// Room for `places` requests. A body may take `body_time`, and a request may wait for a place as long as `wait`.
    #[must_use]
    pub fn new(router: Router, places: usize, body_time: Duration, wait: Duration) -> Self {
        Self { router, places: Arc::new(Semaphore::new(places)), body_time, wait }
    }

    /// The answer of the router; 408 or 503 where it is not asked. A place is taken when the whole body is there, so that
    /// whoever sends slowly is in nobody's way.
    pub async fn answer(self, request: Request) -> Response {
        let wishes = reply::wishes(request.headers());
        let method = request.method().clone();
        let refused = |response, why| note_refusal(response, &method, why);
        let (parts, body) = request.into_parts();
        let body = match timeout(self.body_time, whole(body)).await {
            Ok(Ok(body)) => body,
            Ok(Err(error)) => return refused(reply::error(&error, &wishes), "body"),
            Err(_elapsed) => return refused(reply::too_slow(&wishes, self.body_time), "slow body"),
        };
        let Ok(Ok(_place)) = timeout(self.wait, self.places.acquire()).await else {
            return refused(reply::overloaded(&wishes), "too many requests");
        };
        let answered = self.router.oneshot(Request::from_parts(parts, Body::from(body))).await;
        answered.unwrap_or_else(|never| match never {})
    }
}

/// 503 for whoever is one connection too many.
#[must_use]
pub fn refusal(request: &Request) -> Response {
    note_refusal(reply::overloaded(&reply::wishes(request.headers())), request.method(), "too many connections")
}
