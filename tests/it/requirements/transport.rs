//! A. Transport, authorization, errors.

use super::*;
use crate::harness::{ACME_TOKEN, OTHER_TOKEN, TOKEN};
use sha2::{Digest, Sha256};

const SCIM_JSON: (&str, &str) = ("content-type", "application/scim+json");
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

fn bytes(body: &Value) -> Option<Vec<u8>> {
    (!body.is_null()).then(|| body.to_string().into_bytes())
}

async fn as_bearer(app: &App, token: &str, method: &str, path: &str, body: Value) -> Answer {
    let authorization = format!("Bearer {token}");
    app.send(method, path, &[("authorization", &authorization), SCIM_JSON], bytes(&body)).await
}

// 1, 2, 3, 4: everybody; Okta OIN "Header" mode; Okta AIW with a second prefix; secrets pasted with white space
#[tokio::test]
async fn a_token_is_read_with_and_without_its_scheme() {
    let app = App::start().await;
    let ann = app.user("ann@example.com").await;
    for authorization in [
        format!("Bearer {TOKEN}"),
        format!("bearer {TOKEN}"),
        format!("BEARER {TOKEN}"),
        TOKEN.to_owned(),
        format!("Bearer Bearer {TOKEN}"),
        format!("Bearer bearer {TOKEN}"),
        format!("  {TOKEN}  "),
        format!(" Bearer   {TOKEN} "),
        format!("Bearer {TOKEN}\t"),
    ] {
        let answer = app.send("GET", "/Users", &[("authorization", &authorization)], None).await;
        assert_eq!(answer.status, 200, "{authorization:?}: {}", answer.text);
        assert_eq!(answer.ids(), [ann.clone()], "{authorization:?}");
    }
}

// 5, 6: Okta SPEC test
#[tokio::test]
async fn a_missing_or_unknown_token_is_401_on_every_endpoint_and_writes_nothing() {
    let app = App::start().await;
    let ann = app.user("ann@example.com").await;
    let before = app.dump().await;
    let one = format!("/Users/{ann}");
    let basic = format!("Basic {TOKEN}");
    let rename =
        json!({ "schemas": [PATCH_OP], "Operations": [{ "op": "replace", "path": "displayName", "value": "B" }] });
    // The empty value stands for no header at all.
    for authorization in ["", "non-token", "Bearer non-token", "Bearer", &basic, &TOKEN[1..]] {
        let headers = [("authorization", authorization), SCIM_JSON];
        let plain = app.send("GET", "/Users", &headers, None).await;
        plain.is_error(401, None);
        for (method, path, body) in [
            ("GET", "/Users?filter=userName%20eq%20%22ann%40example.com%22", Value::Null),
            ("GET", "/Groups", Value::Null),
            ("GET", &one, Value::Null),
            ("POST", "/Users", json!({ "userName": "bob@example.com" })),
            ("PUT", &one, json!({ "userName": "bob@example.com" })),
            ("PATCH", &one, rename.clone()),
            ("DELETE", &one, Value::Null),
        ] {
            let answer = app.send(method, path, &headers, bytes(&body)).await;
            assert_eq!(answer.status, 401, "{authorization:?} {method} {path}: {}", answer.text);
            answer.is_error(401, None);
            assert_eq!(answer.body, plain.body, "{authorization:?} {method} {path}");
        }
    }
    assert_eq!(app.dump().await, before);
}

// 7: rotation at Entra and Okta
#[tokio::test]
async fn two_tokens_work_at_once_and_revoking_one_leaves_the_other() {
    let app = App::start().await;
    let ann = app.user("ann@example.com").await;
    for token in [TOKEN, OTHER_TOKEN] {
        assert_eq!(as_bearer(&app, token, "GET", "/Users", Value::Null).await.expect(200).ids(), [ann.clone()]);
    }

    let digest: String = Sha256::digest(OTHER_TOKEN).iter().map(|byte| format!("{byte:02x}")).collect();
    let rotated = App::start_with(&[("SCIM_TOKEN_SHA256", &format!("second:{digest}"))]).await;
    as_bearer(&rotated, TOKEN, "GET", "/Users", Value::Null).await.is_error(401, None);
    as_bearer(&rotated, OTHER_TOKEN, "GET", "/Users", Value::Null).await.expect(200);
}

// 8: several tenants in one table
#[tokio::test]
async fn another_tenants_resources_are_404_and_cannot_be_written() {
    let app = App::start().await;
    let ann = app.user("ann@example.com").await;
    let team = app.group("Team A", &[&ann]).await;
    let before = app.dump().await;

    let put = json!({ "userName": "mallory@example.com", "displayName": "M" });
    let patch = json!({ "schemas": [PATCH_OP], "Operations": [{ "op": "replace", "value": { "displayName": "M" } }] });
    for path in [format!("/Users/{ann}"), format!("/Groups/{team}")] {
        for (method, body) in
            [("GET", Value::Null), ("PUT", put.clone()), ("PATCH", patch.clone()), ("DELETE", Value::Null)]
        {
            let answer = as_bearer(&app, ACME_TOKEN, method, &path, body).await;
            assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
            answer.is_error(404, None);
        }
    }
    for path in [
        "/Users".to_owned(),
        "/Groups".to_owned(),
        "/Users?filter=userName%20eq%20%22ann%40example.com%22".to_owned(),
        format!("/Groups?filter=id%20eq%20%22{team}%22%20and%20members%20eq%20%22{ann}%22"),
    ] {
        let answer = as_bearer(&app, ACME_TOKEN, "GET", &path, Value::Null).await.expect(200);
        assert_eq!((answer.total(), answer.ids()), (0, vec![]), "{path}");
    }
    assert_eq!(app.dump().await, before);

    let twin = as_bearer(&app, ACME_TOKEN, "POST", "/Users", json!({ "userName": "ann@example.com" })).await;
    let twin = id_of(&twin.expect(201).body);
    let group = as_bearer(&app, ACME_TOKEN, "POST", "/Groups", json!({ "displayName": "Team A" })).await.expect(201);
    let group = path_of(&group.body["meta"]["location"]);
    let add = json!({ "Operations": [{ "op": "add", "path": "members", "value": [{ "value": &ann }] }] });
    refused(&app, as_bearer(&app, ACME_TOKEN, "PATCH", &group, add), 400, Some("invalidValue")).await;
    assert_eq!(app.get("/Users").await.expect(200).ids(), [ann.clone()]);
    app.get(&format!("/Users/{twin}")).await.is_error(404, None);
    assert_eq!(groups_of(&app, &ann).await, set([team.as_str()]));
}

// 9: Okta refuses a base URL with `_`
#[tokio::test]
async fn no_location_holds_an_underscore() {
    let app = App::start().await;
    let user = app.post("/Users", ann()).await.expect(201);
    let group = app.post("/Groups", json!({ "displayName": "Team A" })).await.expect(201);
    let config = read(&app, "/ServiceProviderConfig").await;
    for location in [
        header(&user, "location"),
        user.body["meta"]["location"].as_str().unwrap_or_default(),
        group.body["meta"]["location"].as_str().unwrap_or_default(),
        config["meta"]["location"].as_str().unwrap_or_default(),
    ] {
        assert!(location.starts_with("http") && location.contains("/scim/v2/"), "{location:?}");
        assert!(!location.contains('_'), "{location}");
    }
}

// 10: Entra, Okta, OneLogin
#[tokio::test]
async fn a_body_may_come_as_scim_json_or_json_with_any_parameters() {
    let app = App::start().await;
    for (number, content_type) in [
        "application/scim+json",
        "application/scim+json; charset=utf-8",
        "application/json",
        "application/json; charset=UTF-8",
        "Application/SCIM+JSON;charset=utf-8",
    ]
    .into_iter()
    .enumerate()
    {
        let headers = [("content-type", content_type)];
        let name = format!("user{number}@example.com");
        let post = app.send("POST", "/Users", &headers, bytes(&json!({ "userName": &name }))).await.expect(201);
        let path = format!("/Users/{}", id_of(&post.body));

        let replacement = json!({ "schemas": [USER], "userName": &name, "title": "Put" });
        app.send("PUT", &path, &headers, bytes(&replacement)).await.expect(200);
        assert_eq!(read(&app, &path).await["title"], "Put", "{content_type}");

        let operations = json!({ "Operations": [{ "op": "replace", "path": "title", "value": "Patched" }] });
        app.send("PATCH", &path, &headers, bytes(&operations)).await.expect(200);
        assert_eq!(read(&app, &path).await["title"], "Patched", "{content_type}");
    }
}

// 11, 14: Okta SPEC test; headers that Entra, Okta and OneLogin send
#[tokio::test]
async fn headers_that_say_nothing_about_the_resource_change_nothing() {
    let app = App::start().await;
    let path = create(&app, "/Users", ann()).await;
    for path in [path.as_str(), "/Users", "/ServiceProviderConfig"] {
        let plain = app.get(path).await.expect(200);
        for headers in [
            [("content-type", "application/scim+json; charset=utf-8")],
            [("content-type", "application/json")],
            [("accept-charset", "utf-8")],
            [("adscimversion", "6.0")],
            [("user-agent", "")],
            [("accept-encoding", "gzip,deflate")],
        ] {
            let answer = app.send("GET", path, &headers, None).await.expect(200);
            assert_eq!(answer.text, plain.text, "{path} {headers:?}");
            assert_eq!(media_type(&answer), "application/scim+json", "{path} {headers:?}");
        }
    }
}

// 12, 13: Entra; OneLogin
#[tokio::test]
async fn answers_are_scim_json_unless_accept_names_only_json() {
    let app = App::start().await;
    let path = create(&app, "/Users", ann()).await;
    let missing = format!("/Users/{NOBODY}");
    for (path, status) in [(path.as_str(), 200), ("/Users", 200), ("/Schemas", 200), (&missing, 404)] {
        assert_eq!(media_type(&app.get(path).await.expect(status)), "application/scim+json", "{path}");
        for (accept, expected) in [
            ("*/*", "application/scim+json"),
            ("application/scim+json", "application/scim+json"),
            ("application/scim+json; charset=utf-8", "application/scim+json"),
            ("application/scim+json, application/json", "application/scim+json"),
            ("application/json, application/scim+json", "application/scim+json"),
            ("application/json", "application/json"),
            ("Application/JSON; charset=utf-8", "application/json"),
        ] {
            let answer = app.send("GET", path, &[("accept", accept)], None).await.expect(status);
            assert_eq!(media_type(&answer), expected, "{path} accept: {accept}");
            assert!(answer.body.is_object(), "{path} accept: {accept}");
        }
    }
    let created = app.post("/Users", json!({ "userName": "bob@example.com" })).await.expect(201);
    assert_eq!(media_type(&created), "application/scim+json");
}

// 15, 16: Entra's flag in the tenant URL, OneLogin's trailing `&` and `?`, a slash before the query
#[tokio::test]
async fn unknown_parameters_empty_pairs_and_a_trailing_slash_are_noise() {
    let app = App::start().await;
    let post = app.post("/Users/", json!({ "userName": "ann@example.com" })).await.expect(201);
    let ann = id_of(&post.body);
    app.user("bob@example.com").await;
    let filter = "filter=userName%20eq%20%22ann%40example.com%22";
    for path in [
        format!("/Users?{filter}"),
        format!("/Users/?{filter}"),
        format!("/Users?{filter}&"),
        format!("/Users?&&{filter}"),
        format!("/Users?aadOptscim062020&{filter}"),
        format!("/Users?aadOptscim062020=&{filter}&AzureAdScimPatch2017=1"),
    ] {
        assert_eq!(app.get(&path).await.expect(200).ids(), [ann.clone()], "{path}");
    }
    let list = app.get("/Users").await.expect(200);
    for path in ["/Users/", "/Users?", "/Users/?", "/Users?&", "/Users?aadOptscim062020"] {
        assert_eq!(app.get(path).await.expect(200).text, list.text, "{path}");
    }
    for path in ["/Groups/", "/Groups/?startIndex=1"] {
        assert_eq!(app.get(path).await.expect(200).total(), 0, "{path}");
    }

    let one = format!("/Users/{ann}");
    for noise in ["?", "?&", "?aadOptscim062020"] {
        let plain = read(&app, &one).await;
        assert_eq!(read(&app, &format!("{one}{noise}")).await, plain, "{noise}");
        let value = json!([{ "op": "replace", "path": "title", "value": noise }]);
        app.operations(&format!("{one}{noise}"), value).await.expect(200);
        assert_eq!(read(&app, &one).await["title"], noise);
    }
}

// 17: Okta shows "Invalid JSON" for anything else
#[tokio::test]
async fn every_error_is_a_scim_error() {
    let app = App::start().await;
    let one = format!("/Users/{}", app.user("ann@example.com").await);
    for (method, path, status) in [
        ("GET", "/Nothing", 404),
        ("GET", "/Users/a/b", 404),
        ("GET", &format!("/Users/{NOBODY}"), 404),
        ("GET", &format!("/Groups/{NOBODY}"), 404),
        ("GET", "/Users/not-an-id", 404),
        ("GET", "/Me", 501),
        ("POST", "/Me", 501),
    ] {
        let body = (method == "POST").then(|| b"{}".to_vec());
        let answer = app.send(method, path, &[SCIM_JSON], body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        answer.is_error(status, None);
    }
    for (method, path, allowed) in [
        ("PUT", "/Users", ["GET", "POST"].as_slice()),
        ("DELETE", "/Groups", &["GET", "POST"]),
        ("POST", &one, &["GET", "PUT", "PATCH", "DELETE"]),
        ("POST", "/Schemas", &["GET"]),
        ("DELETE", "/ServiceProviderConfig", &["GET"]),
    ] {
        let answer = refused(&app, app.send(method, path, &[SCIM_JSON], Some(b"{}".to_vec())), 405, None).await;
        let allow = header(&answer, "allow");
        for method in allowed {
            assert!(allow.split(',').any(|each| each.trim() == *method), "{path} allows {allow:?}, not {method}");
        }
    }
}

// 17: one byte past the cap, and at the cap
#[tokio::test]
async fn a_body_over_4_mib_and_a_resource_over_256_kib_are_413() {
    let app = App::start().await;
    let padded = |size: usize| {
        let mut body = json!({ "userName": "ann@example.com" }).to_string().into_bytes();
        body.resize(size, b' ');
        Some(body)
    };
    refused(&app, app.send("POST", "/Users", &[SCIM_JSON], padded(MAX_BODY_BYTES + 1)), 413, None).await;
    let answer = app.send("POST", "/Users", &[SCIM_JSON], padded(MAX_BODY_BYTES)).await.expect(201);
    let path = format!("/Users/{}", id_of(&answer.body));

    let long = "x".repeat(256 * 1024);
    let large = json!({ "userName": "bob@example.com", "nickName": &long });
    refused(&app, app.post("/Users", large), 413, None).await;
    let large = json!({ "userName": "ann@example.com", "nickName": &long });
    refused(&app, app.put(&path, large), 413, None).await;
    let operations = json!([{ "op": "add", "path": "nickName", "value": &long }]);
    refused(&app, app.operations(&path, operations), 413, None).await;

    let fits = "x".repeat(128 * 1024);
    app.operations(&path, json!([{ "op": "add", "path": "nickName", "value": &fits }])).await.expect(200);
    assert_eq!(read(&app, &path).await["nickName"], fits.as_str());
}

// 18: RFC 7644 section 3.12
#[tokio::test]
async fn malformed_json_is_invalid_syntax() {
    let app = App::start().await;
    let user = format!("/Users/{}", app.user("ann@example.com").await);
    let group = format!("/Groups/{}", app.group("Team A", &[]).await);
    let bodies: [&[u8]; 7] =
        [b"", b"{", b"not json", b"{\"userName\":\"b\",}", b"{'userName':'b'}", b"{\"userName\":\"\xff\"}", b"{} {}"];
    for body in bodies {
        for (method, path) in [
            ("POST", "/Users"),
            ("POST", "/Groups"),
            ("PUT", &user),
            ("PATCH", &user),
            ("PUT", &group),
            ("PATCH", &group),
        ] {
            let request = app.send(method, path, &[SCIM_JSON], Some(body.to_vec()));
            refused(&app, request, 400, Some("invalidSyntax")).await;
        }
    }
    for body in ["[]", "\"text\"", "1", "null"] {
        let request = app.send("POST", "/Users", &[SCIM_JSON], Some(body.into()));
        let answer = request.await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text);
    }
}

// 22: asked for before a connection is saved
#[tokio::test]
async fn the_bare_base_url_answers_json() {
    let app = App::start().await;
    for path in ["/scim/v2", "/scim/v2/", "/scim/v2?"] {
        let answer = app.get(path).await.expect(200);
        assert_eq!(media_type(&answer), "application/scim+json", "{path}");
        assert!(answer.body.is_object(), "{path}: {}", answer.text);
    }
}

// 23, 83: Okta
#[tokio::test]
async fn a_password_is_accepted_and_neither_stored_nor_returned() {
    let app = App::start().await;
    let mut body = ann();
    body["password"] = "Rnd0m!-created".into();
    let mut answers = vec![app.post("/Users", body.clone()).await.expect(201)];
    let path = format!("/Users/{}", id_of(&answers[0].body));

    body["password"] = "Rnd0m!-put".into();
    answers.push(app.put(&path, body).await.expect(200));
    let by_path = json!([{ "op": "replace", "path": "password", "value": "Rnd0m!-path" }]);
    answers.push(app.operations(&path, by_path).await.expect(200));
    let without_path = json!([{ "op": "replace", "value": { "password": "Rnd0m!-value", "title": "Lead" } }]);
    answers.push(app.operations(&path, without_path).await.expect(200));
    for read in [path.as_str(), "/Users", &format!("{path}?attributes=password"), "/Users?attributes=userName,password"]
    {
        answers.push(app.get(read).await.expect(200));
    }

    for answer in &answers {
        assert!(!answer.text.contains("Rnd0m!") && !answer.text.contains("password"), "{}", answer.text);
    }
    assert!(!format!("{:?}", app.dump().await).contains("Rnd0m!"), "the table holds a password");
    assert_eq!(read(&app, &path).await["title"], "Lead");
}
