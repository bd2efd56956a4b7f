//! The service provider behind API Gateway: HTTP API (payload 2.0) and REST API (1.0) events.

use crate::http::{EndsAt, RequestId};
use axum::Router;
use axum::http::header::{CONTENT_LENGTH, HOST};
use axum::http::method::InvalidMethod;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_http::aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use lambda_http::request::LambdaRequest;
use lambda_http::tower::{Service as _, ServiceBuilder};
use lambda_http::{Adapter, LambdaEvent};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::mem::take;

/// An event of either payload version.
#[derive(Debug)]
pub struct Event {
    head: Head,
    /// Method and body.
    rest: LambdaRequest,
}

/// What of an event makes a request. Fields of both versions: `lambda_http` would try one and then the other, reads what
/// nobody asks for, and refuses the whole event for a header with a letter beyond ASCII.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    /// An HTTP API writes `2.0`, a REST API nothing.
    version: Option<String>,
    http_method: Option<String>,
    path: Option<String>,
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    query_string_parameters: Option<BTreeMap<String, Option<String>>>,
    multi_value_query_string_parameters: Option<BTreeMap<String, Option<Vec<String>>>>,
    headers: Option<BTreeMap<String, Option<String>>>,
    multi_value_headers: Option<BTreeMap<String, Option<Vec<String>>>>,
    request_context: Option<RequestContext>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    domain_name: Option<String>,
    path: Option<String>,
    http: Option<Http>,
}

#[derive(Deserialize)]
struct Http {
    method: Option<String>,
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Sent::deserialize(deserializer)?.event().map_err(D::Error::custom)
    }
}

impl Sent {
    fn event(self) -> Result<Event, InvalidMethod> {
        let (body, is_base64_encoded) = text_of(self.body, self.is_base64_encoded.unwrap_or_default());
        let context = self.request_context.unwrap_or_default();
        let one = self.headers.unwrap_or_default();
        let one = one.into_iter().filter_map(|(name, value)| Some((name, value?)));
        if self.version.as_deref() == Some("2.0") {
            let (path, query) = (self.raw_path.unwrap_or_default(), self.raw_query_string.unwrap_or_default());
            let mut rest = ApiGatewayV2httpRequest::default();
            rest.request_context.http.method = method(context.http.and_then(|http| http.method).as_deref())?;
            (rest.body, rest.is_base64_encoded) = (body, is_base64_encoded);
            let head = Head::new(&path, &query, headers(one, []), context.domain_name);
            return Ok(Event { head, rest: LambdaRequest::ApiGatewayV2(rest) });
        }
        // The path with the stage or the base path before it. SAM's local API writes the route here instead.
        let sent = context.path.filter(|path| !path.contains('{'));
        let path = sent.or(self.path).unwrap_or_default();
        let mut query = form_urlencoded::Serializer::new(String::new());
        match self.multi_value_query_string_parameters.filter(|all| !all.is_empty()) {
            Some(all) => query.extend_pairs(each(all)),
            None => query.extend_pairs(
                self.query_string_parameters.iter().flatten().filter_map(|(name, last)| Some((name, last.as_ref()?))),
            ),
        };
        let all = self.multi_value_headers.unwrap_or_default();
        let mut rest = ApiGatewayProxyRequest::default();
        rest.http_method = method(self.http_method.as_deref())?;
        (rest.body, rest.is_base64_encoded) = (body, is_base64_encoded);
        let head = Head::new(&path, &query.finish(), headers(one, each(all)), context.domain_name);
        Ok(Event { head, rest: LambdaRequest::ApiGatewayV1(rest) })
    }
}

fn method(name: Option<&str>) -> Result<Method, InvalidMethod> {
    name.filter(|name| !name.is_empty()).map_or(Ok(Method::GET), str::parse)
}

/// Each value with its name.
fn each(all: BTreeMap<String, Option<Vec<String>>>) -> impl Iterator<Item = (String, String)> {
    all.into_iter().flat_map(|(name, values)| values.into_iter().flatten().map(move |value| (name.clone(), value)))
}

/// `all`, and of `one` what is not among them. What no header can hold is left out.
fn headers(one: impl Iterator<Item = (String, String)>, all: impl IntoIterator<Item = (String, String)>) -> HeaderMap {
    let read = |(name, value): (String, String)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in all.into_iter().filter_map(read) {
        headers.append(name, value);
    }
    for (name, value) in one.filter_map(read) {
        headers.entry(name).or_insert(value);
    }
    headers
}

/// The body, decoded if it is a text, and whether it is still encoded. What says that it is and is not stays as it is:
/// `lambda_http` would panic.
fn text_of(body: Option<String>, is_encoded: bool) -> (Option<String>, bool) {
    let encoded = match body {
        Some(encoded) if is_encoded => encoded,
        body => return (body, false),
    };
    match STANDARD.decode(&encoded).map(String::from_utf8) {
        Ok(Ok(text)) => (Some(text), false),
        Ok(Err(_binary)) => (Some(encoded), true),
        Err(_) => (Some(encoded), false),
    }
}

/// Answers one event with what API Gateway expects.
///
/// # Errors
///
/// None: every failure is a response.
pub async fn answer(
    router: Router,
    event: LambdaEvent<Event>,
) -> Result<impl serde::Serialize + Send + 'static, Infallible> {
    let LambdaEvent { payload: Event { mut head, rest }, context } = event;
    let id = RequestId(context.request_id.clone());
    // Where nobody says, as in a test of a console, there is none.
    let ends_at = (context.deadline > 0).then_some(EndsAt(context.deadline));
    let service = ServiceBuilder::new()
        .map_request(move |mut request: lambda_http::Request| {
            let Head { uri, headers } = take(&mut head);
            *request.uri_mut() = uri;
            *request.headers_mut() = headers;
            request.extensions_mut().insert(id.clone());
            if let Some(ends_at) = ends_at {
                request.extensions_mut().insert(ends_at);
            }
            request
        })
        .map_response(|mut response: axum::response::Response| {
            // API Gateway counts a body itself, and 204 and 304 have no length (RFC 9110 section 8.6).
            response.headers_mut().remove(CONTENT_LENGTH);
            response
        })
        .service(router);
    Adapter::from(service).call(LambdaEvent::new(rest, context)).await
}

/// Path, query and headers as the client wrote them.
///
/// They go around `lambda_http`. It puts the stage before the path, which is wrong behind a custom domain; it resolves
/// `..`; it keeps one of a header's values; and it panics on a host that is none and on a query string with a quote,
/// which Entra ID is known to send.
#[derive(Debug, Default, Clone)]
struct Head {
    uri: Uri,
    headers: HeaderMap,
}

impl Head {
    /// API Gateway adds `Host` and `X-Forwarded-Proto` to a client's request, but not to a test from its console.
    fn new(path: &str, query: &str, mut headers: HeaderMap, domain: Option<String>) -> Self {
        let domain = domain.and_then(|domain| HeaderValue::try_from(domain).ok());
        if let Some(domain) = domain.filter(|_| !headers.contains_key(HOST)) {
            headers.insert(HOST, domain);
        }
        let scheme = HeaderName::from_static("x-forwarded-proto");
        headers.entry(scheme).or_insert(HeaderValue::from_static("https"));
        let slash = if path.starts_with('/') { "" } else { "/" };
        let mark = if query.is_empty() { "" } else { "?" };
        let uri = format!("{slash}{}{mark}{}", escaped(path, b"?"), escaped(query, b""));
        // What fails is longer than API Gateway lets through.
        Self { uri: uri.parse().unwrap_or_default(), headers }
    }
}

/// `text` with what a URI cannot hold percent-encoded, and `more` too. What is percent-encoded stays as it is.
fn escaped(text: &str, more: &[u8]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        let is_special = matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'#');
        if byte.is_ascii_graphic() && !is_special && !more.contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_of_the_version_it_names_wherever_it_stands() {
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let http = read(include_str!("../events/users-patch.json"));
        let mut last = http.clone();
        let version = last.as_object_mut().unwrap().shift_remove("version").unwrap();
        last["version"] = version;
        let mut rest = read(include_str!("../events/users-create-rest.json"));
        rest["body"] = r#"{"version":"2.0","#.into();
        let mut named = rest.clone();
        named.as_object_mut().unwrap().shift_insert(0, "version".into(), "1.0".into());
        assert!(http.to_string().starts_with(r#"{"version":"2.0","#));
        // The event, and whether it is of payload 2.0.
        let cases = [
            (http.to_string(), true),
            (format!("{http:#}"), true),
            (last.to_string(), true),
            (rest.to_string(), false),
            (named.to_string(), false),
        ];
        for (text, is_2) in cases {
            let Event { rest, .. } = serde_json::from_str(&text).unwrap();
            assert_eq!(matches!(rest, LambdaRequest::ApiGatewayV2(_)), is_2, "{text}");
            assert_eq!(matches!(rest, LambdaRequest::ApiGatewayV1(_)), !is_2, "{text}");
        }
    }

    #[test]
    fn a_header_beyond_ascii_a_value_that_is_null_and_a_body_that_is_no_base64_refuse_no_event() {
        let sent = json!({
            "version": "2.0", "rawPath": "/scim/v2/Users", "rawQueryString": "count=1", "queryStringParameters": null,
            "headers": { "x-name": "é", "x-null": null, "x-line": "a\nb", "no name": "a" },
            "requestContext": { "domainName": "id.example", "stage": null, "http": { "method": "POST" } },
            "body": "{\"a\": 1}", "isBase64Encoded": true
        });
        let Event { head, rest } = serde_json::from_value(sent).unwrap();
        assert_eq!(head.uri, "/scim/v2/Users?count=1");
        assert_eq!(head.headers["x-name"].as_bytes(), "é".as_bytes());
        let names: Vec<&str> = head.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names.len(), 3, "{names:?}");
        assert_eq!(head.headers["host"], "id.example");
        assert_eq!(head.headers["x-forwarded-proto"], "https");
        let LambdaRequest::ApiGatewayV2(rest) = rest else { panic!("{rest:?}") };
        assert_eq!(rest.request_context.http.method, Method::POST);
        assert_eq!((rest.body.as_deref(), rest.is_base64_encoded), (Some("{\"a\": 1}"), false));
    }

    #[test]
    fn of_a_rest_event_repeated_parameters_and_headers_are_kept() {
        let sent = json!({
            "httpMethod": "GET", "path": "/Users", "requestContext": { "path": "/prod/Users" },
            "queryStringParameters": { "a": "2", "b": "é &" },
            "multiValueQueryStringParameters": { "a": ["1", "2"], "b": ["é &"], "c": null },
            "headers": { "accept": "b", "x-one": "1" }, "multiValueHeaders": { "Accept": ["a", "b"] },
            "body": null, "isBase64Encoded": false
        });
        let mut last = sent.clone();
        last["multiValueQueryStringParameters"] = json!(null);
        for (event, uri) in [(sent, "/prod/Users?a=1&a=2&b=%C3%A9+%26"), (last, "/prod/Users?a=2&b=%C3%A9+%26")] {
            let Event { head, rest } = serde_json::from_value(event).unwrap();
            assert_eq!(head.uri, uri);
            let accepted: Vec<_> = head.headers.get_all("accept").iter().collect();
            assert_eq!(accepted, ["a", "b"]);
            assert_eq!(head.headers["x-one"], "1");
            assert!(matches!(rest, LambdaRequest::ApiGatewayV1(rest) if rest.body.is_none()));
        }
    }

    #[test]
    fn a_raw_quote_and_a_space_are_escaped_and_an_escape_is_left_alone() {
        assert_eq!(escaped("filter=externalId+eq+\"é x\"&a=%22", b""), "filter=externalId+eq+%22%C3%A9%20x%22&a=%22");
        assert_eq!(escaped("/Users/a?b#c%3F", b"?"), "/Users/a%3Fb%23c%3F");
    }

    #[test]
    fn every_path_and_every_query_make_a_uri() {
        let texts: Vec<String> = (0..=0xFF_u32).filter_map(char::from_u32).map(|c| format!("/a{c}b")).collect();
        for text in texts.iter().map(String::as_str).chain(["", "*", ":1", "//a", "@a", "a b", "http://a:b", "/%zz"]) {
            let head = Head::new(text, text, HeaderMap::new(), None);
            assert!(text.is_empty() || head.uri.path().len() > 1, "{text:?}");
            assert_eq!(head.uri.query().is_none(), text.is_empty(), "{text:?}");
            assert_eq!(head.uri.host(), None, "{text:?}");
        }
    }
}
