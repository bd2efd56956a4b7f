//! The service provider behind API Gateway: HTTP API (payload 2.0) and REST API (1.0) events.

use crate::http::{EndsAt, RequestId};
use axum::Router;
use axum::http::header::{CONTENT_LENGTH, HOST};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use lambda_http::request::LambdaRequest;
use lambda_http::tower::{Service as _, ServiceBuilder};
use lambda_http::{Adapter, LambdaEvent};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::convert::Infallible;
use std::mem::take;

/// An event of either payload version.
#[derive(Debug)]
pub struct Event(LambdaRequest);

/// What tells them apart: an HTTP API writes `2.0`, a REST API nothing.
#[derive(Deserialize)]
struct Version<'a> {
    #[serde(borrow, default)]
    version: Option<Cow<'a, str>>,
}

impl<'a> Version<'a> {
    fn of(event: &'a str) -> Option<Cow<'a, str>> {
        serde_json::from_str::<Self>(event).ok()?.version
    }
}

impl<'de> Deserialize<'de> for Event {
    /// `lambda_http` reads every event as payload 1.0 first, which costs as much as the right one.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        // An HTTP API writes its version first: what follows is then read once.
        let is_2 = text.get().starts_with(r#"{"version":"2.0","#) || Version::of(text.get()).as_deref() == Some("2.0");
        let read = if is_2 {
            serde_json::from_str(text.get()).map(LambdaRequest::ApiGatewayV2)
        } else {
            serde_json::from_str(text.get())
        };
        read.map(Self).map_err(D::Error::custom)
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
    let LambdaEvent { payload: Event(mut payload), context } = event;
    let id = RequestId(context.request_id.clone());
    // Where nobody says, as in a test of a console, there is none.
    let ends_at = (context.deadline > 0).then_some(EndsAt(context.deadline));
    let mut head = Head::take_from(&mut payload);
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
    Adapter::from(service).call(LambdaEvent::new(payload, context)).await
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
    fn take_from(event: &mut LambdaRequest) -> Self {
        match event {
            LambdaRequest::ApiGatewayV1(event) => {
                let context = &mut event.request_context;
                context.stage = None;
                // The path with the stage or the base path before it. SAM's local API writes the route here instead.
                let sent = context.path.take().filter(|path| !path.contains('{'));
                let (path, domain) = (event.path.take(), context.domain_name.take());
                let mut headers = take(&mut event.multi_value_headers);
                for (name, value) in &take(&mut event.headers) {
                    if !headers.contains_key(name) {
                        headers.insert(name, value.clone());
                    }
                }
                let all = take(&mut event.multi_value_query_string_parameters);
                let last = take(&mut event.query_string_parameters);
                let query = if all.is_empty() { last } else { all }.to_query_string();
                Self::new(&sent.or(path).unwrap_or_default(), &query, headers, domain)
            }
            LambdaRequest::ApiGatewayV2(event) => {
                let context = &mut event.request_context;
                // The raw path of an HTTP API holds the stage, if it has a name.
                context.stage = None;
                let (path, query) = (event.raw_path.take(), event.raw_query_string.take());
                let headers = take(&mut event.headers);
                Self::new(&path.unwrap_or_default(), &query.unwrap_or_default(), headers, context.domain_name.take())
            }
            // No other event is compiled in.
            _ => Self::default(),
        }
    }

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
            let Event(read) = serde_json::from_str(&text).unwrap();
            assert_eq!(matches!(read, LambdaRequest::ApiGatewayV2(_)), is_2, "{text}");
            assert_eq!(matches!(read, LambdaRequest::ApiGatewayV1(_)), !is_2, "{text}");
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
