//! Attempts of a call that may be carried out when the SDK has made the next one. Nobody answered them, or `DynamoDB`
//! answered that it failed itself.

use aws_sdk_dynamodb::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use std::cell::Cell;

tokio::task_local! {
    /// Of the call that is watched: whether it had such an attempt.
    static IS_OPEN: Cell<bool>;
}

/// Makes a call, with the SDK's retries. Gives what it ended in, and whether it had such an attempt.
pub(super) async fn watched<T>(call: impl Future<Output = T>) -> (T, bool) {
    IS_OPEN.scope(Cell::new(false), async { (call.await, IS_OPEN.with(Cell::get)) }).await
}

/// In the SDK's client: tells [`watched`] of each attempt.
#[derive(Debug)]
pub(super) struct Attempts;

#[dyn_dispatch_hint]
impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "Attempts"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.response().is_none_or(|response| response.status().is_server_error()) {
            let _nobody_watches = IS_OPEN.try_with(|is_open| is_open.set(true));
        }
        Ok(())
    }
}
