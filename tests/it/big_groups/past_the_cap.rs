//! One request changes 100,000 memberships at most. A body that names more is too large; one that empties a group names
//! none. The group of one more than that is made up: its memberships are what an HTTP client in between answers.

use super::table::{group_of, people};
use crate::harness::App;
use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use serde_json::json;

const MAX_MEMBER_CHANGES: usize = 100_000;

/// Answers each `Query` of memberships with so many that are not there.
#[derive(Debug, Clone)]
struct MadeUp<C> {
    members: usize,
    inner: C,
}

impl HttpClient for MadeUp<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(MadeUp { members: self.members, inner })
    }
}

impl HttpConnector for MadeUp<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let is_query = request.headers().get("x-amz-target").is_some_and(|target| target.ends_with(".Query"));
        let body = std::str::from_utf8(request.body().bytes().unwrap_or_default()).unwrap();
        if !is_query || !body.contains("#MEMBERS#") {
            return self.inner.call(request);
        }
        let item = |number: usize| {
            format!(
                r#"{{"PK":{{"S":"-"}},"SK":{{"S":"{number:08x}-0000-4000-8000-000000000000"}},"type":{{"S":"User"}}}}"#
            )
        };
        let items: Vec<String> = (0..self.members).map(item).collect();
        let body = format!(r#"{{"Count":{0},"ScannedCount":{0},"Items":[{1}]}}"#, items.len(), items.join(","));
        let status = 200.try_into().unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, body.into())))
    }
}

#[tokio::test]
async fn a_request_that_takes_100_001_members_out_is_413() {
    let app = App::start().await;
    let group = group_of(&app, "Everyone", &people(&app, "u", 1).await).await;
    let members = MAX_MEMBER_CHANGES + 1;
    let process = app.beside(|inner| SharedHttpClient::new(MadeUp { members, inner }));
    let before = app.dump().await;
    let empty = json!([{ "op": "remove", "path": "members" }]);
    let refused = process.operations(&format!("/Groups/{group}"), empty).await;
    refused.is_error(413, None);
    assert!(refused.detail().contains("100001") && refused.detail().contains("100000"), "{}", refused.detail());
    assert_eq!(app.dump().await, before);
}
