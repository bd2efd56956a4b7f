//! Where the service provider stands: what precedes `/scim/v2` or `/scim` in a path (an API Gateway stage, a custom
//! domain's base path) is set aside, and so is a slash at the end.

use axum::extract::Request;
use axum::http::Uri;

/// Under which the endpoints are routed.
pub const PREFIX: &str = "/scim";

/// The path as the client wrote it up to the endpoints: `/prod/scim/v2`.
#[derive(Debug, Clone)]
pub struct Mount(pub String);

/// Rewrites `/prod/scim/v2/Users/` to `/scim/Users`. A path without a `scim` segment stays as it is.
pub fn mount(mut request: Request) -> Request {
    let path = request.uri().path();
    if let Some((mount, endpoint)) = split(path) {
        let mount = Mount(mount.to_owned());
        let endpoint = endpoint.trim_end_matches('/');
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(uri) = format!("{PREFIX}{endpoint}{query}").parse::<Uri>() {
            *request.uri_mut() = uri;
            request.extensions_mut().insert(mount);
        }
    }
    request
}

/// Splits after the first `/scim/v2`, or else after the first `/scim`.
fn split(path: &str) -> Option<(&str, &str)> {
    let starts = path.match_indices('/').map(|(at, _)| at);
    let ends_segment = |at: usize| path[at..].is_empty() || path[at..].starts_with('/');
    for start in starts {
        let end = start + PREFIX.len();
        if path[start..].starts_with(PREFIX) && ends_segment(end) {
            let versioned = end + "/v2".len();
            let is_versioned = path[end..].starts_with("/v2") && ends_segment(versioned);
            return Some(path.split_at(if is_versioned { versioned } else { end }));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_precedes_the_endpoints_is_set_aside() {
        let cases = [
            ("/scim/v2/Users", Some(("/scim/v2", "/Users"))),
            ("/scim/Users/1", Some(("/scim", "/Users/1"))),
            ("/prod/scim/v2", Some(("/prod/scim/v2", ""))),
            ("/scim/v2beta", Some(("/scim", "/v2beta"))),
            ("/scimlet/Users", None),
            ("/Users", None),
            ("/", None),
        ];
        for (path, expected) in cases {
            assert_eq!(split(path), expected, "{path}");
        }
    }
}
