//! `scimlet check`, against this service provider and against some that make one mistake each.

use crate::harness::{App, TOKEN};
use crate::serve::{Server, scimlet};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, StatusCode, Uri};
use scimlet::local::check::{Options, Outcome, Provider, Report, Trouble, run};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/scim/v2")
}

async fn check(url: &str, token: &str) -> Result<Report, Trouble> {
    check_until(url, token, &AtomicBool::new(false)).await
}

async fn check_until(url: &str, token: &str, stop: &AtomicBool) -> Result<Report, Trouble> {
    let providers = vec![Provider::Entra, Provider::Okta];
    let options =
        Options { url: url.into(), token: token.into(), providers, timeout: Duration::from_secs(10), keep: false };
    run(&options, stop).await
}

fn problems(report: &Report) -> Vec<(&'static str, &str)> {
    let found = report.steps.iter().filter_map(|step| match &step.outcome {
        Outcome::Problem(problem) => Some((step.name, problem.as_str())),
        Outcome::Fine | Outcome::Skipped => None,
    });
    found.collect()
}

#[tokio::test]
async fn nothing_is_in_the_way_here_and_nothing_is_left() {
    let app = App::start().await;
    let url = serve(app.router.clone()).await;
    let report = check(&format!("{url}/?aadOptscim062020"), TOKEN).await.unwrap();
    assert_eq!((problems(&report), report.left.len()), (vec![], 0), "{}", report.text());
    assert!(report.steps.len() > 30 && report.text().contains("Nothing is in the way."));
    assert!(!report.json().to_string().contains(TOKEN));
    for endpoint in ["/Users", "/Groups"] {
        assert_eq!(app.get(endpoint).await.total(), 0);
    }
    crate::guarantees::is_intact(&app).await;
}

#[tokio::test]
async fn a_check_that_is_stopped_deletes_what_it_has_created_and_finds_no_fault_in_the_rest() {
    let app = App::start().await;
    let stop = Arc::new(AtomicBool::new(false));
    // Once a user and a group are there.
    let asked = stop.clone();
    let stopping = from_fn(move |request: Request, next: Next| {
        let stop = asked.clone();
        async move {
            let is_group = request.method() == Method::POST && request.uri().path().ends_with("/Groups");
            let answer = next.run(request).await;
            stop.fetch_or(is_group, Ordering::Relaxed);
            answer
        }
    });
    let url = serve(app.router.clone().layer(stopping)).await;
    let report = check_until(&url, TOKEN, &stop).await.unwrap();
    assert_eq!((problems(&report), report.left.len()), (vec![], 0), "{}", report.text());
    assert!(report.is_stopped && !report.is_clean() && report.text().contains("stopped before its end"));
    assert!(report.steps.iter().all(|step| step.provider == "Entra ID"), "Okta is not begun");
    let of = |expected: &Outcome| report.steps.iter().filter(|step| step.outcome == *expected).count();
    assert!(of(&Outcome::Fine) > 3 && of(&Outcome::Skipped) > 3, "{}", report.text());
    for endpoint in ["/Users", "/Groups"] {
        assert_eq!(app.get(endpoint).await.total(), 0);
    }
}

/// What a service provider does wrong.
#[derive(Debug, Clone, Copy)]
enum Mistake {
    IgnoresFilters,
    AcceptsPatchesOfUsersAndDoesNothing,
    AcceptsPatchesOfGroupsAndDoesNothing,
    ConflictsWithoutScimType,
    AnswersDeletionsWithABody,
    ComparesNamesByLetters,
    AnswersGroupsWithAPage,
    CountsInText,
    IsSlow,
}

/// The answer with another body.
async fn rewritten(response: Response, change: fn(&mut Value)) -> Response {
    let (mut head, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let mut value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    change(&mut value);
    head.headers.remove("content-length");
    Response::from_parts(head, if bytes.is_empty() { Body::empty() } else { Body::from(value.to_string()) })
}

async fn mistaken(mistake: Mistake, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let of_users = path.contains("/Users");
    match mistake {
        Mistake::IgnoresFilters if request.uri().query().is_some_and(|query| query.contains("filter")) => {
            *request.uri_mut() = path.parse().unwrap();
        }
        Mistake::AcceptsPatchesOfUsersAndDoesNothing if request.method() == Method::PATCH && of_users => {
            return StatusCode::NO_CONTENT.into_response();
        }
        Mistake::AcceptsPatchesOfGroupsAndDoesNothing if request.method() == Method::PATCH && !of_users => {
            return StatusCode::NO_CONTENT.into_response();
        }
        Mistake::ComparesNamesByLetters
            if request.uri().query().is_some_and(|query| query.contains("SCIMLET-CHECK")) =>
        {
            *request.uri_mut() = Uri::from_static("/scim/v2/Users?filter=userName+eq+%22other%22");
        }
        Mistake::AnswersGroupsWithAPage if !of_users => {
            return ([(CONTENT_TYPE, "text/html")], "<html><title>Sign in</title></html>").into_response();
        }
        Mistake::IsSlow if path.ends_with("/Users") && request.method() == Method::POST => {
            tokio::time::sleep(Duration::from_millis(2_100)).await;
        }
        _ => {}
    }
    let (is_deletion, response) = (request.method() == Method::DELETE, next.run(request).await);
    match mistake {
        Mistake::ConflictsWithoutScimType if response.status() == 409 => {
            rewritten(response, |body| _ = body.as_object_mut().unwrap().remove("scimType")).await
        }
        Mistake::AnswersDeletionsWithABody if is_deletion && response.status() == 204 => {
            ([(CONTENT_TYPE, "application/scim+json")], "{}").into_response()
        }
        Mistake::CountsInText => {
            rewritten(response, |body| {
                if body["totalResults"].is_u64() {
                    body["totalResults"] = body["totalResults"].to_string().into();
                }
            })
            .await
        }
        _ => response,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mistake_is_named_at_the_step_that_meets_it() {
    use Mistake as M;
    for (mistake, step, said) in [
        (M::IgnoresFilters, "Test Connection", "the filter is ignored"),
        (M::AcceptsPatchesOfUsersAndDoesNothing, "takes access away", "accepted and not made"),
        (M::AcceptsPatchesOfGroupsAndDoesNothing, "adds a member", "accepted and not made"),
        (M::ConflictsWithoutScimType, "userName that is taken", "scimType uniqueness"),
        (M::AnswersDeletionsWithABody, "deletes the user", "204 without a body"),
        (M::ComparesNamesByLetters, "in other letters", "does not find"),
        (M::AnswersGroupsWithAPage, "looks for a group", "text/html"),
        (M::CountsInText, "reads two users", "whole numbers"),
        (M::IsSlow, "within two seconds", "took 2"),
    ] {
        let app = App::start().await;
        // Somebody is there already.
        app.user("somebody@example.com").await;
        let layer = from_fn(move |request: Request, next: Next| mistaken(mistake, request, next));
        let report = check(&serve(app.router.clone().layer(layer)).await, TOKEN).await.unwrap();
        let found = problems(&report);
        let is_named = found.iter().any(|(name, problem)| name.contains(step) && problem.contains(said));
        assert!(is_named, "{mistake:?}: {found:?}");
        assert!(!report.is_clean());
        assert_eq!(app.get("/Users").await.total(), 1, "{mistake:?} leaves nothing");
    }
}

#[tokio::test]
async fn what_is_in_the_way_of_every_request_is_one_sentence() {
    let app = App::start().await;
    let url = serve(app.router.clone()).await;
    let off = serve(app.with(&[("SCIM_ENABLED", "false")]).router).await;
    let elsewhere = Router::new().fallback(|| async {
        (StatusCode::MOVED_PERMANENTLY, [(LOCATION, HeaderValue::from_static("https://other.example/scim/v2"))])
    });
    let page = Router::new().fallback(|| async { ([(CONTENT_TYPE, "text/html")], "<html>Welcome</html>") });
    for (url, token, said) in [
        (url.clone(), "wrong", "The token is refused (401)"),
        (off, TOKEN, "SCIM_ENABLED"),
        (url.replace("/scim/v2", "/api"), TOKEN, "Is it the base URL?"),
        (serve(elsewhere).await, TOKEN, "https://other.example/scim/v2"),
        (serve(page).await, TOKEN, "Welcome"),
        (url.replace("http:", "https:"), TOKEN, "does not speak HTTPS"),
        ("http://127.0.0.1:9/scim/v2".to_owned(), TOKEN, "cannot be reached"),
        ("scim.example.com".to_owned(), TOKEN, "is no URL"),
    ] {
        let trouble = check(&url, token).await.unwrap_err().to_string();
        assert!(trouble.contains(said) && !trouble.contains('\n'), "{url}: {trouble}");
    }
}

#[test]
fn the_command_ends_with_its_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[("SCIM_TOKEN", "of-the-check")]);
    let url = server.url("");
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let output = scimlet(arguments, folder.path(), variables).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text, _) = run(&["check", &url], &[("SCIM_TOKEN", "of-the-check")]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("As Entra ID") && text.contains("As Okta"), "{text}");
    let (code, text, _) = run(&["check", &url, "--as", "okta", "--json", "--token", "of-the-check"], &[]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &report["clean"], &report["steps"][0]["as"]), (Some(0), &Value::Bool(true), &"Okta".into()));
    let (code, text, errors) = run(&["check", &url], &[]);
    assert_eq!((code, text.as_str()), (Some(2), ""));
    assert!(errors.contains("--token or SCIM_TOKEN"), "{errors}");
    assert_eq!(run(&["check", &url, "--token", "wrong"], &[]).0, Some(2));
}
