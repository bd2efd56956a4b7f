//! The Lambda handler: serves the route that `_HANDLER` names, or sweeps.

use lambda_http::{Error, LambdaEvent, lambda_runtime, service_fn};
use scimlet::config::Config;
use scimlet::http::{ABANDONED_AFTER, Api, Route, log_to_stderr, router, sweep, unconfigured};
use scimlet::store::connect::connect;
use scimlet::{ambient, lambda};
use serde::de::IgnoredAny;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long one sweep may take; its function's timeout is a minute more.
const SWEEP_TIME: Duration = Duration::from_secs(240);
/// The handler of the function that a schedule calls.
const SWEEP: &str = "sweep";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log_to_stderr();
    let handler = ambient::variable("_HANDLER").unwrap_or_default();
    if handler == SWEEP {
        // Whatever the event says: it comes from a schedule. A failure is the function's, so that its alarm rings.
        let api = start(None).await.inspect_err(log)?;
        let once = |_: LambdaEvent<IgnoredAny>| async { sweep(&api, SWEEP_TIME, ABANDONED_AFTER).await.map(|_| ()) };
        return lambda_runtime::run(service_fn(once)).await;
    }
    let started = async {
        let route: Route = handler.parse()?;
        Ok::<_, Error>(router(&start(Some(route)).await?, &[route]))
    };
    // A function that does not start is answered for by API Gateway, with a body that no SCIM client understands.
    let router = started.await.unwrap_or_else(|error| {
        log(&error);
        unconfigured(error.to_string())
    });
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| lambda::answer(router.clone(), event))).await
}

/// What is read and opened once. A table that cannot be used is logged and no failure: it may be there when it is needed.
async fn start(route: Option<Route>) -> Result<Api, Error> {
    let config = Config::read(ambient::variable)?;
    let store = connect(&config.table).await;
    if route.is_none_or(Route::needs_table) {
        // Opens the connection, too, while Lambda gives the function more than its share of a processor.
        if let Err(error) = store.probe().await {
            tracing::error!(error = %error, "table");
        }
    }
    Ok(Api::new(config, store))
}

fn log(error: &Error) {
    tracing::error!(error = %error, "configuration");
}
