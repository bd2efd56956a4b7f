//! A route has one name: in the router, as the `Handler` of its function, as the prefix of its events. And the
//! template sends each path to the function that serves it.

use super::{NO_ROUTE, events, route_of_file};
use crate::template::TEMPLATE;
use scimlet::http::Route;
use std::collections::BTreeSet;

#[test]
fn every_route_has_a_function_of_its_name_and_an_event() {
    let routes: BTreeSet<String> = Route::ALL.iter().map(|route| route.name().to_owned()).collect();
    let mut handlers: BTreeSet<String> = TEMPLATE.functions.keys().cloned().collect();
    assert!(handlers.remove(NO_ROUTE), "template.yaml has the function that is called by a schedule");
    assert_eq!(handlers, routes, "Handler of each function in template.yaml");
    let prefixes: BTreeSet<String> = events().keys().map(|name| route_of_file(name).name().to_owned()).collect();
    assert_eq!(prefixes, routes, "what the names in events/ begin with");
}

/// The methods that the endpoint of `path` has, as HTTP API routes name them.
fn methods(path: &str) -> &'static [&'static str] {
    match path {
        "/Users" | "/Groups" => &["GET", "HEAD", "POST"],
        "/Users/{id}" | "/Groups/{id}" => &["GET", "HEAD", "PUT", "PATCH", "DELETE"],
        "/Bulk" | "/.search" | "/Users/.search" | "/Groups/.search" => &["POST"],
        "/Me" => &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        _ => &["GET", "HEAD"],
    }
}

#[test]
fn every_endpoint_of_a_route_reaches_its_function() {
    for route in Route::ALL {
        for path in route.paths() {
            for base in ["/scim/v2", "/scim"] {
                for method in methods(path) {
                    let path = format!("{base}{}", path.trim_end_matches('/')).replace(['{', '}'], "");
                    assert_eq!(TEMPLATE.handler_of(method, &path), route.name(), "{method} {path} in template.yaml");
                }
            }
        }
    }
    // Some clients put a slash before the query.
    for (method, path) in [("GET", "/Users/"), ("POST", "/Users/"), ("GET", "/Groups/"), ("POST", "/Groups/")] {
        let handler = TEMPLATE.handler_of(method, &format!("/scim/v2{path}"));
        assert!(path.to_lowercase().contains(handler), "{method} {path} goes to {handler}");
    }
}

#[test]
fn what_no_route_names_reaches_the_function_that_has_no_table() {
    for path in ["/", "/scim", "/scim/v2/Unknown", "/Users", "/favicon.ico", "/scim/v2/Users/a/b"] {
        assert_eq!(TEMPLATE.handler_of("OPTIONS", path), "discovery", "{path}");
    }
    for (method, path) in [("PUT", "/Users"), ("DELETE", "/Groups"), ("GET", "/Bulk"), ("OPTIONS", "/Users/id")] {
        assert_eq!(TEMPLATE.handler_of(method, &format!("/scim/v2{path}")), "discovery", "{method} {path}");
    }
    assert_eq!(TEMPLATE.functions["discovery"].calls, BTreeSet::new());
}

#[test]
fn every_route_of_the_template_is_an_endpoint_of_its_function() {
    for (handler, function) in &TEMPLATE.functions {
        if handler == NO_ROUTE {
            assert_eq!(function.routes, BTreeSet::new(), "nobody calls the sweep from outside");
            continue;
        }
        let route: Route = handler.parse().unwrap();
        for key in &function.routes {
            if key == "$default" {
                assert_eq!(route, Route::Discovery);
                continue;
            }
            let (method, path) = key.split_once(' ').unwrap();
            let endpoint = path.strip_prefix("/scim/v2").or(path.strip_prefix("/scim")).expect("a base path");
            let endpoint = if endpoint.is_empty() { "/" } else { endpoint };
            let served = route.paths().iter().find(|path| greedy(path) == endpoint);
            let served = served.unwrap_or_else(|| panic!("{handler} does not serve {key}"));
            // A POST that ends in a slash looks like one on a resource.
            let with_slash = method == "POST" && endpoint.ends_with("s/{proxy+}");
            assert!(methods(served).contains(&method) || with_slash, "{handler} does not serve {key}");
        }
    }
}

/// `/Users/{id}` as the template has it: `/Users/{proxy+}`.
fn greedy(path: &str) -> String {
    path.split_once('{').map_or(path.to_owned(), |(fixed, _)| format!("{fixed}{{proxy+}}"))
}
