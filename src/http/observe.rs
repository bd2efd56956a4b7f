//! What surrounds every request: its id, its time limit, the end of a panic, one log line, and its cost.

use super::{Api, reply};
use crate::ambient;
use crate::protocol::quirks::Quirks;
use crate::store::meter::{Cost, Meter};
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt as _;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, PanicHookInfo};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// In which every request is answered: API Gateway gives up after 29 or 30 s, and its answer would be no SCIM error.
const ANSWER_TIME: Duration = Duration::from_secs(25);
/// What a function needs to get an answer out before its own time is over.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// When whoever runs this process ends it, in milliseconds since 1970: Lambda says so with each event.
#[derive(Debug, Clone, Copy)]
pub struct EndsAt(pub u64);

/// The time that a request has. Whatever it does ends in it: retries, pages, what a committed change leaves to be done.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Until when a contended write may be tried again.
    pub write_until: Instant,
    /// Until when what was committed may be applied before the answer.
    pub finish_until: Instant,
    /// When an answer must be made.
    answer_until: Instant,
}

impl Budget {
    /// 25 s, or less in a function that is given less: 72 % of it for the change itself, 88 % with what follows a commit.
    fn of(request: &Request, started: Instant) -> Self {
        let left = request.extensions().get::<EndsAt>().map(|ends| {
            let now = u64::try_from(ambient::now().as_millisecond()).unwrap_or_default();
            Duration::from_millis(ends.0.saturating_sub(now)).saturating_sub(LAST_MOMENT)
        });
        let time = left.map_or(ANSWER_TIME, |left| left.min(ANSWER_TIME));
        Self {
            write_until: started + time * 72 / 100,
            finish_until: started + time * 88 / 100,
            answer_until: started + time,
        }
    }
}

/// The id of a request, from whoever gave it one: Lambda.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Members that a log line names.
const NAMED_MEMBERS: usize = 20;

/// Sends the log to standard error, one JSON line a request, and of a panic where it was. `RUST_LOG` says what is in it
/// (`warn`, `scimlet=debug`, …); unset, the requests and what libraries call errors.
pub fn log_to_stderr() {
    let levels = ambient::variable("RUST_LOG").and_then(|text| text.parse().ok()).unwrap_or_else(usual_levels);
    // A second call, in a test, changes nothing.
    let _set_already = logger(levels, std::io::stderr).try_init();
    std::panic::set_hook(Box::new(log_panic));
}

/// What is logged when `RUST_LOG` says nothing.
#[must_use]
pub fn usual_levels() -> Targets {
    Targets::new().with_default(LevelFilter::ERROR).with_target("scimlet", LevelFilter::INFO)
}

/// One JSON line an event, to where `writer` leads.
pub fn logger<W>(levels: Targets, writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'line> MakeWriter<'line> + Send + Sync + 'static,
{
    let layer = fmt::layer().json().flatten_event(true).with_target(false).with_writer(writer);
    tracing_subscriber::registry().with(layer).with(levels)
}

/// Where a panic was, and not what it says: that of a text cut in the middle of a letter holds the text.
pub fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place = place.as_str(), "panic");
}

/// What a handler leaves for the log line.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    pub tenant: String,
    pub actor: String,
    pub quirks: Quirks,
    pub skipped_members: BTreeSet<String>,
    /// How a query was answered.
    pub plan: Option<&'static str>,
    /// What became of a change that no single transaction held.
    pub redo: Option<&'static str>,
    /// What the breaker did.
    pub breaker: Option<&'static str>,
    /// What the table said; never a client's error.
    pub failure: Option<String>,
}

pub async fn observe(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let started = ambient::monotonic();
    let meter = Meter::default();
    let id = request.extensions().get::<RequestId>().map_or_else(ambient::new_id, |id| id.0.clone());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", endpoint).to_owned();
    let headers = reply::wishes(request.headers());
    let budget = Budget::of(&request, started);
    request.extensions_mut().insert(RequestId(id.clone()));
    request.extensions_mut().insert(meter.clone());
    request.extensions_mut().insert(budget);

    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    let (mut response, failure) = match tokio::time::timeout(budget.answer_until - started, answer).await {
        Ok(Ok(response)) => (response, None),
        Ok(Err(_panic)) => (reply::internal(&headers), Some("panic")),
        Err(_elapsed) => (reply::out_of_time(&headers), Some("out of time")),
    };

    let trace = response.extensions_mut().remove::<Trace>().unwrap_or_default();
    let cost = meter.cost();
    tracing::info!(
        method = method.as_str(),
        route = route.as_str(),
        status = response.status().as_u16(),
        duration_ms = milliseconds(started.elapsed()),
        request_id = id.as_str(),
        tenant = trace.tenant.as_str(),
        actor = trace.actor.as_str(),
        quirks = trace.quirks.names().join(","),
        skipped_members = named(&trace.skipped_members),
        plan = trace.plan,
        redo = trace.redo,
        breaker = trace.breaker,
        error = failure.or(trace.failure.as_deref()),
        dynamodb.calls = cost.calls,
        dynamodb.round_trips = cost.round_trips,
        dynamodb.read_units = cost.read_units,
        dynamodb.write_units = cost.write_units,
        dynamodb.duration_ms = milliseconds(cost.busy),
        "request"
    );
    set(&mut response, "x-request-id", &id);
    if api.config.server_timing {
        set(&mut response, "server-timing", &server_timing(&cost, trace.plan));
    }
    response
}

/// Answers every request 500, where there is no configuration to answer by, and writes a log line that says why.
pub fn unconfigured(reason: String) -> Router {
    let reason: Arc<str> = reason.into();
    Router::new().fallback(move |request: Request| {
        let reason = reason.clone();
        async move {
            let mut response = reply::unconfigured(request.headers());
            let id = request.extensions().get::<RequestId>().map_or_else(ambient::new_id, |id| id.0.clone());
            let (method, status) = (request.method().as_str(), response.status().as_u16());
            tracing::error!(method, status, request_id = id.as_str(), error = &*reason, "request");
            set(&mut response, "x-request-id", &id);
            response
        }
    })
}

/// Gives the answer to a request that never comes to the router its id and its log line.
pub fn note_refusal(mut response: Response, method: &Method, why: &str) -> Response {
    let (id, status) = (ambient::new_id(), response.status().as_u16());
    tracing::warn!(method = method.as_str(), status, request_id = id.as_str(), error = why, "request");
    set(&mut response, "x-request-id", &id);
    response
}

/// The first of these ids, and how many more there are. A client may send anything for an id, an e-mail address too: what
/// this server cannot have given is counted and not named.
fn named(ids: &BTreeSet<String>) -> String {
    let is_given = |id: &&String| id.len() == 36 && id.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    let mut names: Vec<&str> = ids.iter().filter(is_given).take(NAMED_MEMBERS).map(String::as_str).collect();
    let more = format!("and {} more", ids.len() - names.len());
    if names.len() < ids.len() {
        names.push(&more);
    }
    names.join(",")
}

/// `/Users/{id}`: the endpoint without what the router stands it under.
fn endpoint(path: &MatchedPath) -> &str {
    match path.as_str().strip_prefix(super::mount::PREFIX) {
        None | Some("") => "/",
        Some(endpoint) => endpoint,
    }
}

/// `dynamodb;dur=1.9;desc="calls=2 trips=2 rcu=3 wcu=10"`, and the plan of a query.
fn server_timing(cost: &Cost, plan: Option<&str>) -> String {
    let Cost { calls, round_trips, read_units, write_units, busy } = cost;
    let duration = milliseconds(*busy);
    let plan = plan.map(|plan| format!(" plan={plan}")).unwrap_or_default();
    format!(
        "dynamodb;dur={duration};desc=\"calls={calls} trips={round_trips} rcu={read_units} wcu={write_units}{plan}\""
    )
}

/// To a tenth.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

fn set(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}
