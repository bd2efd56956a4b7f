//! Routes, the token check, and the only response builder.

mod bulk;
mod discovery;
mod encode;
mod groups;
mod mount;
mod observe;
mod reply;
mod request;
mod room;
mod route;
mod search;
mod sweep;
mod users;

pub use observe::{EndsAt, RequestId, log_panic, log_to_stderr, logger, unconfigured, usual_levels};
pub use room::{Room, refusal};
pub use route::Route;
pub use sweep::{ABANDONED_AFTER, sweep};

use crate::config::Config;
use crate::service::Service;
use crate::store::Store;
use axum::Router;
use std::sync::Arc;

/// What every handler shares.
#[derive(Debug, Clone)]
pub struct Api {
    service: Service,
    config: Arc<Config>,
}

impl Api {
    /// The service provider that `config` describes, over a table.
    #[must_use]
    pub fn new(config: Config, store: Store) -> Self {
        let service = Service::new(store, config.schemas.clone(), config.settings.clone());
        Self { service, config: Arc::new(config) }
    }
}

/// The router for `routes`, under `/scim/v2` and `/scim`, whatever stands before them (a stage, a base path). A path of
/// another route is 404, or 405 with a method that this path never has.
pub fn router(api: &Api, routes: &[Route]) -> Router {
    let mut endpoints = Router::new();
    for route in Route::ALL {
        let is_served = routes.contains(&route);
        endpoints = endpoints.merge(if is_served { route.endpoints() } else { route.elsewhere() });
    }
    let endpoints = endpoints.method_not_allowed_fallback(route::method_not_allowed).with_state(api.clone());
    let mounted = Router::new()
        .nest(mount::PREFIX, endpoints)
        .fallback(route::not_found)
        .method_not_allowed_fallback(route::method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(api.clone(), observe::observe));
    // The path is rewritten before it is routed, which a layer of the router itself would be too late for.
    Router::new().fallback_service(tower::ServiceBuilder::new().map_request(mount::mount).service(mounted))
}
