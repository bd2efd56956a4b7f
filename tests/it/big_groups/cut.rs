//! A request whose process ends at a chosen point of its redo: before its commit, or some calls after it.

use crate::harness::App;
use aws_sdk_dynamodb::config::http::HttpRequest;
use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use serde_json::Value;
use std::future::pending;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// What every commit of a redo says, and no other call.
const COMMIT: &[u8] = b"SET #committed = :at";

/// Where the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Everything is staged, and the commit is never sent.
    Staged,
    /// The commit happens, and so many calls after it.
    Committed(usize),
}

/// Sends a request from a process of its own that ends at `point`.
pub async fn cut(app: &App, point: Point, method: &str, path: &str, body: &Value) {
    let shared = Arc::new(Shared { point, state: Mutex::default(), dead: Notify::new() });
    let process = app.beside(|client| SharedHttpClient::new(CutClient { shared: Arc::clone(&shared), client }));
    let headers = [("content-type", "application/scim+json")];
    tokio::select! {
        biased;
        answer = process.send(method, path, &headers, Some(body.to_string().into_bytes())) => {
            panic!("{method} {path} came to its end: {} {}", answer.status, answer.text)
        }
        () = shared.dead.notified() => {}
    }
}

#[derive(Debug)]
struct Shared {
    point: Point,
    state: Mutex<State>,
    dead: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Calls that may still be sent, once the commit was.
    left: Option<usize>,
    under_way: usize,
    ended: bool,
}

impl Shared {
    /// Whether a call is sent.
    fn admit(&self, body: &[u8]) -> bool {
        let mut state = self.state.lock().unwrap();
        let is_commit = body.windows(COMMIT.len()).any(|part| part == COMMIT);
        let is_sent = match (state.left, self.point) {
            _ if state.ended => false,
            (None, Point::Staged) => !is_commit,
            (None, Point::Committed(later)) => {
                state.left = is_commit.then_some(later);
                true
            }
            (Some(left), _) => {
                state.left = Some(left.saturating_sub(1));
                left > 0
            }
        };
        if is_sent {
            state.under_way += 1;
        } else {
            self.end(&mut state);
        }
        is_sent
    }

    /// Whether the process lives to hear an answer.
    fn answered(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        state.under_way -= 1;
        if state.ended || (state.left == Some(0) && state.under_way == 0) {
            self.end(&mut state);
        }
        !state.ended
    }

    fn end(&self, state: &mut State) {
        state.ended = true;
        if state.under_way == 0 {
            self.dead.notify_one();
        }
    }
}

#[derive(Debug)]
struct CutClient {
    shared: Arc<Shared>,
    client: SharedHttpClient,
}

impl HttpClient for CutClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let connector = self.client.http_connector(settings, components);
        SharedHttpConnector::new(CutConnector { shared: Arc::clone(&self.shared), connector })
    }
}

#[derive(Debug)]
struct CutConnector {
    shared: Arc<Shared>,
    connector: SharedHttpConnector,
}

impl HttpConnector for CutConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (shared, connector) = (Arc::clone(&self.shared), self.connector.clone());
        HttpConnectorFuture::new(async move {
            if !shared.admit(request.body().bytes().unwrap_or_default()) {
                return pending().await;
            }
            // On a task of its own: what was sent reaches the engine, even if the request's future is dropped.
            let sent = tokio::spawn(async move {
                let answer = connector.call(request).await;
                (shared.answered(), answer)
            });
            match sent.await.unwrap() {
                (true, answer) => answer,
                (false, _unheard) => pending().await,
            }
        })
    }
}
