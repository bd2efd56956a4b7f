//! Tokens of the configuration and of the table: whom they stand for, what they allow, and until when.

use super::user;
use crate::harness::{Answer, App, digest};
use scimlet::config::Scope;
use scimlet::store::meter::Meter;
use scimlet::store::tokens::TableToken;
use serde_json::{Value, json};

async fn by(app: &App, token: &str, method: &str, path: &str, body: Value) -> Answer {
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/scim+json")];
    let body = (!body.is_null()).then(|| body.to_string().into_bytes());
    app.send(method, path, &headers, body).await
}

fn made(token: &str, tenant: &str, scope: Scope, until: Option<&str>) -> TableToken {
    TableToken {
        digest: digest(token),
        tenant: tenant.into(),
        label: format!("label-of-{token}"),
        scope,
        until: until.map(str::to_owned),
        created: "2026-01-01T00:00:00.000Z".into(),
    }
}

#[tokio::test]
async fn a_token_of_the_table_works_at_once_and_is_refused_at_once_when_it_is_revoked() {
    let app = App::start().await;
    by(&app, "one", "GET", "/Users", Value::Null).await.is_error(401, None);
    for token in ["one", "two"] {
        app.store.create_token(&made(token, "acme", Scope::Write, None)).await.unwrap();
    }
    assert!(app.store.create_token(&made("one", "other", Scope::Write, None)).await.is_err(), "it is known");
    let id = by(&app, "one", "POST", "/Users", user("ann@example.com")).await.expect(201).id();
    assert_eq!(by(&app, "two", "GET", "/Users", Value::Null).await.expect(200).ids(), [id.clone()]);
    // Another tenant's.
    app.get(&format!("/Users/{id}")).await.is_error(404, None);
    let record = super::records(&app, "acme").await.remove(0);
    assert_eq!((record.actor.as_str(), record.operation.as_str()), ("label-of-one", "create"));
    app.store.delete_token(&digest("one")).await.unwrap();
    by(&app, "one", "GET", "/Users", Value::Null).await.is_error(401, None);
    by(&app, "two", "GET", "/Users", Value::Null).await.expect(200);
    app.get("/Users").await.expect(200);
}

#[tokio::test]
async fn a_token_that_may_only_read_changes_nothing() {
    let digests = format!("reader:{}:read", digest("r"));
    let app = App::start().await;
    let id = app.user("ann@example.com").await;
    let group = app.group("Team", &[&id]).await;
    app.store.create_token(&made("t", "default", Scope::Read, None)).await.unwrap();
    let app = app.with(&[("SCIM_TOKEN_SHA256", &digests)]);
    let table = app.dump().await;
    let search = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": "userName pr" });
    for token in ["r", "t"] {
        for (path, body) in [
            ("/Users", Value::Null),
            ("/Groups", Value::Null),
            ("/Users/.search", search.clone()),
            ("/.search", search.clone()),
        ] {
            let method = if body.is_null() { "GET" } else { "POST" };
            assert!(by(&app, token, method, path, body).await.expect(200).total() > 0, "{path}");
        }
        for (method, path) in [
            ("POST", "/Users".to_owned()),
            ("POST", "/Groups".to_owned()),
            ("POST", "/Bulk".to_owned()),
            ("PUT", format!("/Users/{id}")),
            ("PATCH", format!("/Users/{id}")),
            ("DELETE", format!("/Users/{id}")),
            ("PUT", format!("/Groups/{group}")),
            ("PATCH", format!("/Groups/{group}")),
            ("DELETE", format!("/Groups/{group}")),
        ] {
            let refused = by(&app, token, method, &path, json!({})).await;
            refused.is_error(403, None);
            assert!(refused.detail().contains("may only read"), "{}", refused.detail());
        }
    }
    assert_eq!(app.dump().await, table);
}

#[tokio::test]
async fn a_token_is_refused_from_the_day_after_its_last_one() {
    let now = scimlet::ambient::now();
    let day = |days: i64| (now + jiff::SignedDuration::from_hours(24 * days)).to_string()[..10].to_owned();
    let digests = format!("old:{}:until={},new:{}:until={}", digest("old"), day(-1), digest("new"), day(1));
    let app = App::start_with(&[("SCIM_TOKEN_SHA256", &digests)]).await;
    app.store.create_token(&made("gone", "default", Scope::Write, Some(&day(-1)))).await.unwrap();
    for token in ["old", "gone"] {
        let refused = by(&app, token, "GET", "/Users", Value::Null).await;
        refused.is_error(401, None);
        assert!(refused.detail().contains(&day(-1)), "{}", refused.detail());
    }
    by(&app, "new", "GET", "/Users", Value::Null).await.expect(200);
}

#[tokio::test]
async fn tokens_of_the_table_are_not_looked_for_when_that_is_off() {
    let app = App::start_with(&[("SCIM_TABLE_TOKENS", "false")]).await;
    app.store.create_token(&made("t", "default", Scope::Write, None)).await.unwrap();
    by(&app, "t", "GET", "/Users", Value::Null).await.is_error(401, None);
}

#[tokio::test]
async fn the_last_use_of_a_token_is_noted_once_a_minute() {
    let app = App::start_with(&[("SCIM_TOKEN_LAST_USE", "true")]).await;
    app.store.create_token(&made("t", "default", Scope::Write, None)).await.unwrap();
    let uses = || async { app.store.tokens(&Meter::default()).await.unwrap().1 };
    assert!(uses().await.is_empty());
    by(&app, "t", "GET", "/Users", Value::Null).await.expect(200);
    app.get("/Users").await.expect(200);
    by(&app, "nobody's", "GET", "/Users", Value::Null).await.is_error(401, None);
    let first = uses().await;
    assert_eq!(
        first.keys().cloned().collect::<std::collections::BTreeSet<_>>(),
        [digest("t"), digest(crate::harness::TOKEN)].into()
    );
    // Another process does not write it again within the minute either.
    let other = app.with(&[("SCIM_TOKEN_LAST_USE", "true")]);
    by(&other, "t", "GET", "/Users", Value::Null).await.expect(200);
    assert_eq!(uses().await, first);
}
