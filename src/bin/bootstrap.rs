//! The Lambda handler: serves the route that `_HANDLER` names, or sweeps.

use lambda_http::{Error, LambdaEvent, lambda_runtime, service_fn};
use scimlet::config::Config;
use scimlet::http::{ABANDONED_AFTER, Api, Route, log_to_stderr, router, sweep};
use scimlet::store::connect::connect;
use scimlet::{ambient, lambda};
use serde::de::IgnoredAny;
use std::time::Duration;

/// How long one sweep may take; its function's timeout is a minute more.
const SWEEP_TIME: Duration = Duration::from_secs(240);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log_to_stderr();
    let config = Config::read(ambient::variable)?;
    let handler = ambient::variable("_HANDLER").unwrap_or_default();
    let store = connect(&config.table).await;
    if handler == "sweep" {
        // Whatever the event says: it comes from a schedule. A failure is the function's, so that its alarm rings.
        let api = Api::new(config, store);
        let once = |_: LambdaEvent<IgnoredAny>| async { sweep(&api, SWEEP_TIME, ABANDONED_AFTER).await.map(|_| ()) };
        return lambda_runtime::run(service_fn(once)).await;
    }
    let route: Route = handler.parse()?;
    let router = router(&Api::new(config, store), &[route]);
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| lambda::answer(router.clone(), event))).await
}
