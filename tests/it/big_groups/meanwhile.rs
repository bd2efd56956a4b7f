//! What happens between two calls of one request.

use super::query;
use super::table::{group_of, is_clean_after_the_sweep, people};
use crate::harness::App;
use aws_sdk_dynamodb::config::http::HttpRequest;
use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Holds the first call of an operation until it is let go.
#[derive(Debug, Clone)]
struct Hold(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    operation: &'static str,
    seen: AtomicUsize,
    reached: Notify,
    go: Notify,
}

impl Hold {
    fn first(operation: &'static str) -> Self {
        let shared = Shared { operation, seen: AtomicUsize::new(0), reached: Notify::new(), go: Notify::new() };
        Self(Arc::new(shared))
    }

    fn wrap(&self, inner: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Holding { hold: self.clone(), inner })
    }
}

#[derive(Debug, Clone)]
struct Holding<C> {
    hold: Hold,
    inner: C,
}

impl HttpClient for Holding<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Holding { hold: self.hold.clone(), inner })
    }
}

impl HttpConnector for Holding<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (Hold(shared), inner) = (self.hold.clone(), self.inner.clone());
        HttpConnectorFuture::new(async move {
            let target = request.headers().get("x-amz-target").unwrap_or_default();
            if target.ends_with(shared.operation) && shared.seen.fetch_add(1, Ordering::SeqCst) == 0 {
                shared.reached.notify_one();
                shared.go.notified().await;
            }
            inner.call(request).await
        })
    }
}

/// Somebody who is in more groups than a transaction holds leaves without a change of any group's version.
#[tokio::test]
async fn a_page_of_members_counts_nobody_who_was_deleted_while_it_was_read() {
    let app = App::start().await;
    let people = people(&app, "u", 40).await;
    let group = group_of(&app, "Team", &people).await;
    for number in 0..35 {
        group_of(&app, &format!("Other {number}"), &people[3..4]).await;
    }
    let hold = Hold::first(".BatchGetItem");
    let reader = app.beside(|inner| hold.wrap(inner));
    let filter = format!("groups.value eq \"{group}\"");
    let path = query("/Users", &[("filter", &filter), ("count", "10"), ("excludedAttributes", "groups")]);
    let deletion = async {
        hold.0.reached.notified().await;
        app.delete(&format!("/Users/{}", people[3])).await.expect(204);
        hold.0.go.notify_one();
    };
    let (found, ()) = tokio::join!(reader.get(&path), deletion);
    let expected: Vec<String> = [&people[..3], &people[4..11]].concat();
    assert_eq!((found.ids(), found.total()), (expected, 39));
    is_clean_after_the_sweep(&app, "a deletion beside a page").await;
}
