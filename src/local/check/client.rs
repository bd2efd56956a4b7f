//! Requests over HTTPS, and what is wrong with answers whatever was asked.

use crate::ambient;
use axum::body::Bytes;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION};
use axum::http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

/// Bytes of an answer that are read.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// Characters of a body that is no SCIM which are shown.
const SHOWN: usize = 120;

/// Why nothing can be asked. Each says what to do.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the text is the documentation")]
pub enum Trouble {
    #[error(
        "'{0}' is no URL. Give the base URL as the identity provider has it, such as https://scim.example.com/scim/v2."
    )]
    Url(String),
    #[error("The system's certificates cannot be read: {0}.")]
    Certificates(String),
    #[error("{url} cannot be reached: {reason}. Check the host name, the port and the network.")]
    Unreachable { url: String, reason: String },
    #[error("{url} does not speak HTTPS with a certificate that an identity provider trusts: {reason}.")]
    Tls { url: String, reason: String },
    #[error("{url} does not answer within {seconds} s.")]
    Silent { url: String, seconds: u64 },
    #[error(
        "{url} sends to {location} (status {status}), which no identity provider follows. Give that URL without what follows the base."
    )]
    Redirect { url: String, location: String, status: u16 },
    #[error("The token is refused (401): {0} Give the token itself, not its digest; `scimlet token check` knows it.")]
    Token(String),
    #[error("The service provider refuses every request (403): {0}")]
    Forbidden(String),
    #[error("{url} answers {status} and no list of users: {shown} Is it the base URL? scimlet's ends in /scim/v2.")]
    NotScim { url: String, status: u16, shown: String },
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub content_type: String,
    pub location: Option<String>,
    /// None when there is none, or when it is no JSON.
    pub body: Value,
    pub text: String,
}

impl Reply {
    /// `404: User 'x' does not exist.`
    pub fn said(&self) -> String {
        let detail = self.body["detail"].as_str().map_or_else(|| shown(&self.text), str::to_owned);
        if detail.is_empty() { self.status.to_string() } else { format!("{}: {detail}", self.status) }
    }
}

fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    crate::local::columns::cut(&line, SHOWN)
}

/// Asks one service provider.
#[derive(Debug)]
pub struct Client {
    base: String,
    token: String,
    timeout: Duration,
    http: hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    slowest: Mutex<Duration>,
}

impl Client {
    pub fn new(url: &str, token: &str, timeout: Duration) -> Result<Self, Trouble> {
        let wrong = || Trouble::Url(url.to_owned());
        let (address, _query) = url.split_once('?').unwrap_or((url, ""));
        let base = address.trim_end_matches('/').to_owned();
        let uri: Uri = base.parse().map_err(|_| wrong())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            return Err(wrong());
        }
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .map_err(|error| Trouble::Certificates(error.to_string()))?
            .https_or_http()
            .enable_http1()
            .build();
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { base, token: token.to_owned(), timeout, http, slowest: Mutex::default() })
    }

    /// The longest answer until now.
    pub fn slowest_ms(&self) -> u128 {
        self.slowest.lock().unwrap_or_else(PoisonError::into_inner).as_millis()
    }

    /// The first request, and what is in the way of all others.
    pub async fn try_out(&self) -> Result<(), Trouble> {
        let url = format!("{}/Users", self.base);
        let reply = self.send(&Method::GET, "/Users?count=1", None).await?;
        let detail = || reply.body["detail"].as_str().map_or_else(|| shown(&reply.text), str::to_owned);
        match reply.status {
            300..=399 => {
                let location = reply.location.clone().unwrap_or_else(|| "nowhere".to_owned());
                Err(Trouble::Redirect { url, location, status: reply.status })
            }
            401 => Err(Trouble::Token(detail())),
            403 => Err(Trouble::Forbidden(detail())),
            404 => Err(Trouble::NotScim { url, status: 404, shown: detail() }),
            status if !reply.body.is_object() => Err(Trouble::NotScim { url, status, shown: shown(&reply.text) }),
            _ => Ok(()),
        }
    }

    pub async fn send(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<Reply, Trouble> {
        let url = format!("{}{path}", self.base);
        let mut request = Request::builder()
            .method(method)
            .uri(&url)
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(ACCEPT, "application/scim+json");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/scim+json; charset=utf-8");
        }
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = request.body(Full::new(bytes)).map_err(|_| Trouble::Url(url.clone()))?;
        let started = ambient::monotonic();
        let asked = async {
            let response = self.http.request(request).await.map_err(|error| unreachable(&url, &error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
            let bytes = body.map_err(|error| Trouble::Unreachable { url: url.clone(), reason: error.to_string() })?;
            Ok((head, bytes.to_bytes()))
        };
        let silent = |_| Trouble::Silent { url: url.clone(), seconds: self.timeout.as_secs() };
        let (head, bytes) = tokio::time::timeout(self.timeout, asked).await.map_err(silent)??;
        let mut slowest = self.slowest.lock().unwrap_or_else(PoisonError::into_inner);
        *slowest = slowest.max(started.elapsed());
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Reply {
            status: head.status.as_u16(),
            content_type: header(CONTENT_TYPE).unwrap_or_default(),
            location: header(LOCATION),
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            text: String::from_utf8_lossy(&bytes).into_owned(),
        })
    }
}

fn unreachable(url: &str, error: &hyper_util::client::legacy::Error) -> Trouble {
    let causes: Vec<String> = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source())
        .map(ToString::to_string)
        .collect();
    let (url, reason) = (url.to_owned(), causes.last().cloned().unwrap_or_default());
    let is_tls = causes.iter().any(|cause| cause.contains("certificate") || cause.contains("corrupt message"));
    if is_tls { Trouble::Tls { url, reason } } else { Trouble::Unreachable { url, reason } }
}
