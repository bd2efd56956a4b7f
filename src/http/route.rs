//! The routes: the unit that a Lambda function serves.

use super::reply;
use super::request::check_enabled;
use super::{Api, bulk, discovery, groups, search, users};
use crate::protocol::error::{ScimError, ScimType};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{get, post};

/// A group of endpoints with the same needs. Its name is the `Handler` of its function in `template.yaml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// `/Users`.
    Users,
    /// `/Groups`.
    Groups,
    /// `/Bulk`.
    Bulk,
    /// `/.search`, on the root and on each resource type.
    Search,
    /// `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas` and the base path. Touches no table.
    Discovery,
    /// `/Me`.
    Me,
}

/// A handler name that is no route.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is no route. The handler of the function must be one of users, groups, bulk, search, discovery, me.")]
pub struct UnknownRoute(String);

impl Route {
    /// Every route.
    pub const ALL: [Self; 6] = [Self::Users, Self::Groups, Self::Bulk, Self::Search, Self::Discovery, Self::Me];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Groups => "groups",
            Self::Bulk => "bulk",
            Self::Search => "search",
            Self::Discovery => "discovery",
            Self::Me => "me",
        }
    }

    /// The paths it serves, below the base URL.
    #[must_use]
    pub const fn paths(self) -> &'static [&'static str] {
        match self {
            Self::Users => &["/Users", "/Users/{id}"],
            Self::Groups => &["/Groups", "/Groups/{id}"],
            Self::Bulk => &["/Bulk"],
            Self::Search => &["/.search", "/Users/.search", "/Groups/.search"],
            Self::Discovery => &[
                "/",
                "/ServiceProviderConfig",
                "/ResourceTypes",
                "/ResourceTypes/{name}",
                "/Schemas",
                "/Schemas/{uri}",
            ],
            Self::Me => &["/Me"],
        }
    }

    /// Whether its function reads and writes the table.
    #[must_use]
    pub const fn needs_table(self) -> bool {
        !matches!(self, Self::Discovery | Self::Me)
    }

    pub(super) fn endpoints(self) -> Router<Api> {
        let serve = |handlers: &[axum::routing::MethodRouter<Api>]| {
            self.paths()
                .iter()
                .zip(handlers)
                .fold(Router::new(), |router, (path, handler)| router.route(path, handler.clone()))
        };
        match self {
            Self::Users => serve(&[
                get(users::list).post(users::create),
                get(users::get).put(users::replace).patch(users::patch).delete(users::delete),
            ]),
            Self::Groups => serve(&[
                get(groups::list).post(groups::create),
                get(groups::get).put(groups::replace).patch(groups::patch).delete(groups::delete),
            ]),
            Self::Discovery => serve(&[
                get(discovery::base),
                get(discovery::service_provider_config),
                get(discovery::resource_types),
                get(discovery::resource_type),
                get(discovery::schemas),
                get(discovery::schema),
            ]),
            Self::Bulk => serve(&[post(bulk::bulk)]),
            Self::Search => serve(&[post(search::search), post(users::search), post(groups::search)]),
            Self::Me => serve(&[get(not_implemented)
                .post(not_implemented)
                .put(not_implemented)
                .patch(not_implemented)
                .delete(not_implemented)]),
        }
    }

    /// Its endpoints where it is not served. They are not found, and they still know which methods they have: a wrong
    /// one on any path reaches the function for what no route of the API names.
    pub(super) fn elsewhere(self) -> Router<Api> {
        self.endpoints().route_layer(axum::middleware::from_fn(|request: Request, _next: Next| not_found(request)))
    }
}

impl std::str::FromStr for Route {
    type Err = UnknownRoute;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|route| route.name() == name).ok_or_else(|| UnknownRoute(name.to_owned()))
    }
}

/// RFC 7644 section 3.11: a service provider without an authenticated subject that is a resource answers 501.
async fn not_implemented(State(api): State<Api>, request: Request) -> Response {
    let detail = "A token stands for an identity provider, not for a user: there is no /Me.";
    let error = check_enabled(&api).err().unwrap_or_else(|| ScimError::new(501, detail));
    reply::error(&error, request.headers())
}

pub(super) async fn not_found(request: Request) -> Response {
    if let Some(version) = version(request.uri().path()) {
        let detail = format!("SCIM version '{version}' is not supported. The base URL ends in /scim/v2.");
        return reply::error(&ScimError::bad_request(ScimType::InvalidVers, detail), request.headers());
    }
    let detail = "There is no such endpoint. The base URL ends in /scim/v2; below it are /Users, /Groups, /ServiceProviderConfig, /ResourceTypes and /Schemas.";
    reply::error(&ScimError::new(404, detail), request.headers())
}

/// The protocol version in `/scim/v1/Users` (RFC 7644 section 3.13).
fn version(path: &str) -> Option<&str> {
    let segment = path.strip_prefix(super::mount::PREFIX)?.strip_prefix('/')?.split('/').next()?;
    let number = segment.strip_prefix('v')?;
    (number.starts_with(|first: char| first.is_ascii_digit())).then_some(segment)
}

pub(super) async fn method_not_allowed(request: Request) -> Response {
    let detail = format!("{} is not supported here; the Allow header says what is.", request.method());
    reply::error(&ScimError::new(405, detail), request.headers())
}
