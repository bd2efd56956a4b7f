//! A route has one name: in the router, as the `Handler` of its function, as the prefix of its events. And the
//! template sends each path to the function that serves it.

use super::{NO_ROUTE, events, read, route_of_file};
use scimlet::http::Route;
use std::collections::{BTreeMap, BTreeSet};

/// Handler and paths of each function; `$default` stands for whatever no path names.
fn functions() -> BTreeMap<String, BTreeSet<String>> {
    let template = read("template.yaml");
    let mut functions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut handler = None;
    for line in template.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("Handler:") {
            handler = Some(name.trim().to_owned());
            let is_new = functions.insert(name.trim().to_owned(), BTreeSet::new()).is_none();
            assert!(is_new, "two functions have the handler {name}");
        } else if line.contains("Type: HttpApi") {
            assert!(
                line.ends_with("} }") && line.contains("ApiId: !Ref Api"),
                "this reads an event on one line: {line}"
            );
            let path = line
                .split_once(" Path: ")
                .map_or("$default", |(_, rest)| rest.trim_start_matches('"').split(['"', ',', ' ']).next().unwrap());
            assert_eq!(path == "$default", !line.contains("Method: ANY"), "{line}");
            let function = handler.as_ref().expect("an event belongs to a function");
            assert!(functions.get_mut(function).unwrap().insert(path.to_owned()), "twice: {line}");
        }
    }
    functions
}

/// The handler that API Gateway would choose: a full match, then the longest greedy one, then `$default`.
fn handler_of<'a>(functions: &'a BTreeMap<String, BTreeSet<String>>, path: &str) -> Option<&'a str> {
    let rank = |route: &str| match route.strip_suffix("{proxy+}") {
        _ if route == path => Some(usize::MAX),
        Some(prefix) => path.strip_prefix(prefix).filter(|rest| !rest.is_empty()).map(|_| prefix.len()),
        None => (route == "$default").then_some(0),
    };
    let routes = functions.iter().flat_map(|(handler, routes)| routes.iter().map(move |route| (handler, route)));
    let ranked = routes.filter_map(|(handler, route)| Some((rank(route)?, handler.as_str())));
    ranked.max().map(|(_, handler)| handler)
}

#[test]
fn every_route_has_a_function_of_its_name_and_an_event() {
    let routes: BTreeSet<String> = Route::ALL.iter().map(|route| route.name().to_owned()).collect();
    let mut handlers: BTreeSet<String> = functions().into_keys().collect();
    assert!(handlers.remove(NO_ROUTE), "template.yaml has the function that is called by a schedule");
    assert_eq!(handlers, routes, "Handler of each function in template.yaml");
    let prefixes: BTreeSet<String> = events().keys().map(|name| route_of_file(name).name().to_owned()).collect();
    assert_eq!(prefixes, routes, "what the names in events/ begin with");
}

#[test]
fn every_path_of_a_route_reaches_its_function() {
    let functions = functions();
    for route in Route::ALL {
        for path in route.paths() {
            for base in ["/scim/v2", "/scim"] {
                let path = format!("{base}{}", path.trim_end_matches('/')).replace(['{', '}'], "");
                assert_eq!(handler_of(&functions, &path), Some(route.name()), "{path} in template.yaml");
            }
            // Only greedy routes take the slash that some clients put before the query.
            if path.ends_with("/{id}") {
                let list = format!("/scim/v2{}/", path.trim_end_matches("/{id}"));
                assert!(functions[route.name()].contains(&format!("{list}{{proxy+}}")), "{list} in template.yaml");
            }
        }
    }
    for unknown in ["/", "/scim", "/scim/v2/Unknown", "/Users", "/favicon.ico"] {
        assert_eq!(handler_of(&functions, unknown), Some("discovery"), "{unknown}");
    }
}

#[test]
fn every_path_of_the_template_is_one_of_its_route() {
    for (handler, paths) in functions() {
        if handler == NO_ROUTE {
            assert_eq!(paths, BTreeSet::new(), "nobody calls the sweep from outside");
            continue;
        }
        let route: Route = handler.parse().unwrap();
        let patterns: Vec<String> = route.paths().iter().map(|path| greedy(path)).collect();
        for path in paths {
            if path == "$default" {
                assert_eq!(route, Route::Discovery, "unknown paths go to the function that has no table");
                continue;
            }
            let endpoint = path.strip_prefix("/scim/v2").or(path.strip_prefix("/scim"));
            let endpoint = endpoint.map(|endpoint| if endpoint.is_empty() { "/" } else { endpoint }.to_owned());
            assert!(endpoint.is_some_and(|endpoint| patterns.contains(&endpoint)), "{handler} does not serve {path}");
        }
    }
}

/// `/Users/{id}` as the template has it: `/Users/{proxy+}`.
fn greedy(path: &str) -> String {
    path.split_once('{').map_or(path.to_owned(), |(fixed, _)| format!("{fixed}{{proxy+}}"))
}
