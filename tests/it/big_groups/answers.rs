//! Answers that hold a large group: compressed for those who take it, never past what may be sent, never cut short.

use super::table::{group_of, is_clean_after_the_sweep, people};
use super::{add, patch, query, set, whole};
use crate::guarantees::values;
use crate::harness::{App, TOKEN};
use axum::body::{Body, to_bytes};
use flate2::read::GzDecoder;
use http::{HeaderMap, Request};
use serde_json::{Value, json};
use std::io::Read as _;
use tower::ServiceExt as _;

const GZIP: (&str, &str) = ("accept-encoding", "gzip, deflate");
const LIMIT: (&str, &str) = ("SCIM_MAX_ANSWER_BYTES", "20000");

/// An answer as it is sent.
struct Sent {
    status: u16,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl Sent {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The document, whether it is compressed or not.
    #[track_caller]
    fn document(&self) -> Value {
        match self.header("content-encoding") {
            None => serde_json::from_slice(&self.bytes).unwrap(),
            Some(coding) => {
                assert_eq!(coding, "gzip");
                assert!(self.header("vary").is_some_and(|vary| vary.eq_ignore_ascii_case("accept-encoding")));
                let mut text = String::new();
                GzDecoder::new(&self.bytes[..]).read_to_string(&mut text).unwrap();
                serde_json::from_str(&text).unwrap()
            }
        }
    }

    #[track_caller]
    fn is_too_large(&self) {
        let body = self.document();
        assert_eq!((self.status, &body["scimType"]), (400, &json!("tooMany")), "{body}");
        for hint in ["excludedAttributes=members", "groups.value eq"] {
            assert!(body["detail"].as_str().unwrap().contains(hint), "{body}");
        }
    }
}

async fn send(app: &App, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Sent {
    let mut request = Request::builder().method(method).uri(format!("/scim/v2{path}")).header("host", "scim.test");
    request = request.header("authorization", format!("Bearer {TOKEN}"));
    for (name, value) in headers.iter().chain(&[("content-type", "application/scim+json")]) {
        request = request.header(*name, *value);
    }
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let response = app.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Sent { status: parts.status.as_u16(), headers: parts.headers, bytes }
}

async fn get(app: &App, path: &str, headers: &[(&str, &str)]) -> Sent {
    send(app, "GET", path, headers, Value::Null).await
}

#[tokio::test]
async fn a_large_answer_is_compressed_for_those_who_take_it() {
    let app = App::start().await;
    let people = people(&app, "u", 300).await;
    let (big, small) = (group_of(&app, "Big", &people).await, group_of(&app, "Small", &people[..2]).await);
    for path in [format!("/Groups/{big}"), "/Groups".to_owned(), "/Users?count=300".to_owned()] {
        let plain = get(&app, &path, &[]).await;
        assert_eq!((plain.status, plain.header("content-encoding")), (200, None));
        let packed = get(&app, &path, &[GZIP]).await;
        assert_eq!((packed.status, packed.header("content-encoding")), (200, Some("gzip")), "{path}");
        assert_eq!(packed.document(), plain.document());
        assert!(packed.bytes.len() < plain.bytes.len() / 3, "{} of {}", packed.bytes.len(), plain.bytes.len());
        assert_eq!(packed.header("etag"), plain.header("etag"));
        assert_eq!(packed.header("content-type"), Some("application/scim+json"));
        let refused = get(&app, &path, &[("accept-encoding", "gzip;q=0, identity")]).await;
        assert_eq!((refused.header("content-encoding"), &refused.bytes), (None, &plain.bytes));
    }
    let small = get(&app, &format!("/Groups/{small}"), &[GZIP]).await;
    assert_eq!((small.status, small.header("content-encoding")), (200, None));
    // A change is answered like a query.
    let put = send(&app, "PUT", &format!("/Groups/{big}"), &[GZIP], whole("Big", &people[..250])).await;
    assert_eq!((put.status, put.header("content-encoding")), (200, Some("gzip")));
    assert_eq!(values(&put.document()["members"]), set(&people[..250]));
    is_clean_after_the_sweep(&app, "answers").await;
}

#[tokio::test]
async fn a_group_that_no_answer_holds_is_refused_with_what_to_ask_instead() {
    let app = App::start_with(&[LIMIT]).await;
    let people = people(&app, "u", 200).await;
    let group = group_of(&app, "Team", &people).await;
    let path = format!("/Groups/{group}");
    let refused = get(&app, &path, &[]).await;
    refused.is_too_large();
    let detail = refused.document()["detail"].to_string();
    assert!(detail.contains(&group) && detail.contains("gzip"), "{detail}");
    let packed = get(&app, &path, &[GZIP]).await;
    assert_eq!((packed.status, values(&packed.document()["members"])), (200, set(&people)));
    assert!(packed.bytes.len().div_ceil(3) * 4 <= 20_000);

    // What the error says works.
    let without = get(&app, &format!("{path}?excludedAttributes=members"), &[]).await;
    assert_eq!((without.status, without.document().get("members")), (200, None));
    let filter = format!("groups.value eq \"{group}\"");
    let mut seen = Vec::new();
    while seen.len() < 200 {
        let start = (seen.len() + 1).to_string();
        let page = query(
            "/Users",
            &[("filter", &filter), ("startIndex", &start), ("count", "25"), ("attributes", "userName")],
        );
        let page = app.get(&page).await.expect(200);
        assert_eq!((page.total(), page.ids().is_empty()), (200, false));
        seen.extend(page.ids());
    }
    assert_eq!(seen, people);

    // A list says the same, or leaves the group to another page: it never shows a part of it.
    app.group("Small", &[&people[0]]).await;
    for path in [
        "/Groups".to_owned(),
        query("/Groups", &[("filter", "displayName eq \"Team\"")]),
        "/Groups?count=1&startIndex=1".into(),
        "/Groups?count=1&startIndex=2".into(),
        "/Groups?cursor=&count=2".into(),
    ] {
        for headers in [&[][..], &[GZIP]] {
            let listed = get(&app, &path, headers).await;
            if listed.status != 200 {
                listed.is_too_large();
                continue;
            }
            for shown in listed.document()["Resources"].as_array().unwrap() {
                let expected = if shown["id"] == group { 200 } else { 1 };
                assert_eq!(values(&shown["members"]).len(), expected, "{path}");
            }
        }
    }
    let search = json!({ "filter": "displayName eq \"Team\"" });
    send(&app, "POST", "/Groups/.search", &[], search).await.is_too_large();
}

#[tokio::test]
async fn a_change_whose_answer_is_too_large_has_happened() {
    let app = App::start_with(&[LIMIT]).await;
    let people = people(&app, "u", 210).await;
    let posted = send(&app, "POST", "/Groups", &[], whole("Team", &people[..200])).await;
    let body = posted.document();
    assert_eq!((posted.status, body.get("members"), &body["displayName"]), (201, None, &json!("Team")));
    let id = body["id"].as_str().unwrap().to_owned();
    let path = format!("/Groups/{id}");
    assert!(posted.header("location").is_some_and(|location| location.ends_with(&path)));
    assert_eq!(posted.header("etag"), Some("W/\"1\""));
    let members = async || values(&get(&app, &path, &[GZIP]).await.document()["members"]);
    assert_eq!(members().await, set(&people[..200]));

    let put = send(&app, "PUT", &path, &[], whole("Team", &people)).await;
    assert_eq!((put.status, put.document().get("members"), put.header("etag")), (200, None, Some("W/\"2\"")));
    assert_eq!(members().await, set(&people));
    let operations = patch(json!([{ "op": "remove", "path": format!("members[value eq \"{}\"]", people[0]) }]));
    let patched = send(&app, "PATCH", &format!("{path}?attributes=members"), &[], operations).await;
    assert_eq!((patched.status, patched.document().get("members")), (200, None));
    assert_eq!(members().await, set(&people[1..]));
    let packed = send(&app, "PUT", &path, &[GZIP], whole("Team", &people)).await;
    assert_eq!((packed.status, values(&packed.document()["members"])), (200, set(&people)));
    let patched = send(&app, "PATCH", &path, &[], patch(add(&people[..1]))).await;
    assert_eq!((patched.status, patched.bytes.is_empty()), (204, true));
    is_clean_after_the_sweep(&app, "changes").await;

    // Neither needs the members in its answer.
    let head = send(&app, "HEAD", &format!("{path}?excludedAttributes=members"), &[], Value::Null).await;
    assert_eq!((head.status, head.bytes.is_empty()), (200, true));
    for headers in [&[][..], &[GZIP]] {
        let (head, got) = (send(&app, "HEAD", &path, headers, Value::Null).await, get(&app, &path, headers).await);
        assert_eq!((head.status, head.bytes.is_empty(), head.header("etag")), (got.status, true, got.header("etag")));
    }
    let etag = get(&app, &format!("{path}?excludedAttributes=members"), &[]).await.header("etag").unwrap().to_owned();
    let known = get(&app, &path, &[("if-none-match", &etag)]).await;
    assert_eq!((known.status, known.bytes.is_empty(), known.header("etag")), (304, true, Some(etag.as_str())));
    assert_eq!(send(&app, "DELETE", &path, &[], Value::Null).await.status, 204);
}

/// An operation of a bulk request is answered without the resource; it is not in the way of the limit.
#[tokio::test]
async fn an_operation_of_a_bulk_request_with_a_large_group_is_carried_out() {
    let app = App::start_with(&[LIMIT]).await;
    let people = people(&app, "u", 150).await;
    let operations = json!([{ "method": "POST", "path": "/Groups", "bulkId": "g", "data": whole("Team", &people) }]);
    let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations });
    let done = app.post("/Bulk", body).await.expect(200);
    assert_eq!(done.body["Operations"][0]["status"], "201", "{}", done.text);
    let location = done.body["Operations"][0]["location"].as_str().unwrap();
    let id = location.rsplit('/').next().unwrap();
    let got = get(&app, &format!("/Groups/{id}"), &[GZIP]).await;
    assert_eq!((got.status, values(&got.document()["members"])), (200, set(&people)));
    is_clean_after_the_sweep(&app, "bulk").await;
}
