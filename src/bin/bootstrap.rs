//! The Lambda handler: serves the route that `_HANDLER` names.

use lambda_http::{Error, LambdaEvent, lambda_runtime, service_fn};
use scimlet::config::Config;
use scimlet::http::{Api, Route, log_to_stderr, router};
use scimlet::store::connect::connect;
use scimlet::{ambient, lambda};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log_to_stderr();
    let config = Config::read(ambient::variable)?;
    let route: Route = ambient::variable("_HANDLER").unwrap_or_default().parse()?;
    let store = connect(&config.table).await;
    let router = router(&Api::new(config, store), &[route]);
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| lambda::answer(router.clone(), event))).await
}
