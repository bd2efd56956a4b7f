//! From an HTTP request to what a use case takes: the caller, the parameters, the body.

use super::mount::Mount;
use super::observe::{Budget, RequestId, Trace};
use super::reply::{self, Reply};
use super::{Api, mount};
use crate::config::{self, Scope, TokenOwner};
use crate::protocol::discovery::MAX_BODY_BYTES;
use crate::protocol::error::{ScimError, ScimType};
use crate::protocol::filter::{self, Filter};
use crate::protocol::list::Page;
use crate::protocol::projection::Projection;
use crate::protocol::quirks::Quirks;
use crate::protocol::representation;
use crate::protocol::schema::{ResourceSchema, ResourceType};
use crate::protocol::search;
use crate::protocol::sort::Sort;
use crate::service::cursor::Sealer;
use crate::service::query::{Paging, Query};
use crate::service::{Caller, Preconditions, ServiceError};
use crate::store::meter::Meter;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts as _, Path, Request};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method};
use axum::response::Response;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::Value;

/// One request of a caller whose token was checked. A handler that takes it cannot run without.
#[derive(Debug)]
pub struct Exchange {
    pub caller: Caller,
    headers: HeaderMap,
    parameters: Vec<(String, String)>,
    body: Bytes,
    id: Option<String>,
    max_answer_bytes: usize,
}

impl FromRequest<Api> for Exchange {
    type Rejection = Response;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Response> {
        let headers = reply::wishes(request.headers());
        read(request, api).await.map_err(|error| reply::service_error(&error, &headers))
    }
}

async fn read(request: Request, api: &Api) -> Result<Exchange, ServiceError> {
    check_enabled(api)?;
    let base_url = base_url(&request, api);
    let (mut parts, body) = request.into_parts();
    let meter = parts.extensions.get::<Meter>().cloned().unwrap_or_default();
    let owner = owner(&parts, api, &meter).await?;
    let mut caller = Caller {
        request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default(),
        client_request_id: client_request_id(&parts.headers),
        base_url,
        meter,
        quirks: if api.config.quirks { Quirks::default() } else { Quirks::off() },
        is_read_only: owner.scope == Scope::Read,
        cursor_secret: owner.digest,
        ..Caller::new(&owner.tenant, &owner.label, crate::ambient::monotonic())
    };
    if let Some(budget) = parts.extensions.get::<Budget>() {
        (caller.deadline, caller.finish_by) = (budget.write_until, budget.finish_until);
    }
    // An endpoint without an id has none; an id that is not UTF-8 is nobody's.
    let id = Path::<String>::from_request_parts(&mut parts, api).await.ok().map(|Path(id)| id);
    let body = whole(body).await?;
    // Form decoding as the clients encode: `+` and `%20`, raw quotes, empty pairs, a trailing `&`.
    let parameters = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let max_answer_bytes = api.config.settings.max_answer_bytes;
    Ok(Exchange { caller, headers: parts.headers, parameters, body, id, max_answer_bytes })
}

/// All of a body.
///
/// # Errors
///
/// 413 past the cap, 400 when the client ends it before its end.
pub async fn whole(body: Body) -> Result<Bytes, ScimError> {
    let body = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(|error| {
        if error.downcast_ref::<LengthLimitError>().is_some() {
            ScimError::new(413, format!("The request body is larger than {MAX_BODY_BYTES} bytes. Send less at a time."))
        } else {
            ScimError::invalid_syntax("The request body ended early.")
        }
    })?;
    Ok(body.to_bytes())
}

/// The headers in which clients name their requests, the first one first.
const CLIENT_REQUEST_IDS: [&str; 4] =
    ["x-request-id", "client-request-id", "x-ms-client-request-id", "x-correlation-id"];
/// Longest of these names that is kept.
const MAX_CLIENT_REQUEST_ID: usize = 128;

/// What the client calls the request, if that is a plain name.
fn client_request_id(headers: &HeaderMap) -> String {
    let named = CLIENT_REQUEST_IDS.iter().find_map(|name| headers.get(*name)?.to_str().ok());
    let is_plain =
        |name: &&str| name.len() <= MAX_CLIENT_REQUEST_ID && name.bytes().all(|byte| byte.is_ascii_graphic());
    named.filter(is_plain).unwrap_or_default().to_owned()
}

/// Whom the token stands for: a configured one, or one of the table. Its use is noted.
async fn owner(parts: &Parts, api: &Api, meter: &Meter) -> Result<TokenOwner, ServiceError> {
    let unknown = || ScimError::new(401, "The Authorization header holds no valid token. Send 'Bearer' and the token.");
    let token = token(&parts.headers).ok_or_else(unknown)?;
    let owner = match api.config.tokens.owner(token) {
        Some(owner) => owner.clone(),
        None if api.config.table_tokens => {
            let digest = config::digest(token);
            api.service.token_owner(&digest, meter).await?.ok_or_else(unknown)?
        }
        None => return Err(unknown().into()),
    };
    let today = crate::ambient::now().to_string();
    if owner.is_expired(today.get(..10).unwrap_or_default()) {
        let until = owner.until.unwrap_or_default();
        return Err(ScimError::new(401, format!("The token was valid until {until}. Send a new one.")).into());
    }
    let is_search = parts.uri.path().ends_with("/.search");
    if owner.scope == Scope::Read && parts.method != Method::GET && !is_search {
        let detail = format!("The token '{}' may only read. Send a token that may write.", owner.label);
        return Err(ScimError::new(403, detail).into());
    }
    api.service.note_use(&owner.digest).await;
    Ok(owner)
}

/// 403 while `SCIM_ENABLED` is false.
///
/// # Errors
///
/// The 403.
pub fn check_enabled(api: &Api) -> Result<(), ScimError> {
    if api.config.enabled {
        return Ok(());
    }
    Err(ScimError::new(403, "Provisioning is switched off (SCIM_ENABLED is false). Users, groups and tokens are kept."))
}

/// `https://host/scim/v2`: configured, or as the client wrote it.
pub fn base_url(request: &Request, api: &Api) -> String {
    if let Some(configured) = &api.config.base_url {
        return configured.clone();
    }
    let header = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let scheme =
        header(HeaderName::from_static("x-forwarded-proto")).filter(|scheme| *scheme == "https").unwrap_or("http");
    let host = header(HOST).or_else(|| request.uri().host()).unwrap_or("localhost");
    let mount = request.extensions().get::<Mount>().map_or(mount::PREFIX, |mount| mount.0.as_str());
    format!("{scheme}://{host}{mount}")
}

/// `Bearer x`, `bearer x`, `x` alone (Okta's header mode), and one doubled prefix (Okta writes one, and so did the
/// administrator).
fn token(headers: &HeaderMap) -> Option<&str> {
    let mut token = headers.get(AUTHORIZATION)?.to_str().ok()?.trim();
    for _ in 0..2 {
        if let Some((scheme, rest)) = token.split_once(char::is_whitespace)
            && scheme.eq_ignore_ascii_case("bearer")
        {
            token = rest.trim_start();
        }
    }
    (!token.is_empty()).then_some(token)
}

impl Exchange {
    /// The response, with what the log line needs.
    pub fn finish(self, result: Result<Reply, ServiceError>) -> Response {
        let failure = match &result {
            Err(ServiceError::Scim(_)) | Ok(_) => None,
            Err(other) => Some(other.to_string()),
        };
        let mut response = match result {
            Ok(reply) => reply.into_response(&self.headers, &self.caller.base_url, self.max_answer_bytes),
            Err(error) => reply::service_error(&error, &self.headers),
        };
        response.extensions_mut().insert(Trace {
            tenant: self.caller.tenant,
            actor: self.caller.actor,
            quirks: self.caller.quirks,
            skipped_members: self.caller.skipped_members,
            plan: self.caller.plan,
            redo: self.caller.redo,
            breaker: self.caller.breaker,
            failure,
        });
        response
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The id in the path, as the client wrote it.
    ///
    /// # Errors
    ///
    /// 404 when it cannot be read: no resource has such an id.
    pub fn id(&self) -> Result<String, ServiceError> {
        self.id.clone().ok_or_else(|| ScimError::new(404, "The resource does not exist.").into())
    }

    /// Takes the parameters from a `SearchRequest` in the body instead of the query string.
    ///
    /// # Errors
    ///
    /// 400 for the body.
    pub fn take_search_request(&mut self) -> Result<(), ServiceError> {
        self.parameters = search::parameters(&self.json()?)?;
        Ok(())
    }

    /// Runs `read` with the parameters, a schema, and the quirks of the request.
    fn parsed<T>(
        &mut self,
        schema: &ResourceSchema,
        read: impl FnOnce(&Self, &ResourceSchema, &mut Quirks) -> Result<T, ScimError>,
    ) -> Result<T, ServiceError> {
        let mut quirks = std::mem::take(&mut self.caller.quirks);
        let result = read(self, schema, &mut quirks);
        self.caller.quirks = quirks;
        Ok(result?)
    }

    /// `attributes` and `excludedAttributes`.
    ///
    /// # Errors
    ///
    /// 400 `invalidPath`.
    pub fn projection(&mut self, api: &Api, resource_type: ResourceType) -> Result<Projection, ServiceError> {
        self.parsed(api.service.schemas().of(resource_type), |this, schema, quirks| {
            Projection::parse(this.parameter("attributes"), this.parameter("excludedAttributes"), schema, quirks)
        })
    }

    /// `filter`.
    ///
    /// # Errors
    ///
    /// 400 `invalidFilter`.
    pub fn filter(&mut self, schema: &ResourceSchema) -> Result<Option<Filter>, ServiceError> {
        self.parsed(schema, |this, schema, quirks| {
            this.parameter("filter").map(|text| filter::parse(text, schema, quirks)).transpose()
        })
    }

    /// `sortBy` and `sortOrder`.
    ///
    /// # Errors
    ///
    /// 400 `invalidPath` or `invalidValue`.
    pub fn sort(&mut self, schema: &ResourceSchema) -> Result<Option<Sort>, ServiceError> {
        self.parsed(schema, |this, schema, quirks| {
            Sort::parse(this.parameter("sortBy"), this.parameter("sortOrder"), schema, quirks)
        })
    }

    /// `startIndex` and `count`.
    ///
    /// # Errors
    ///
    /// 400 `invalidValue`.
    pub fn page(&self) -> Result<Page, ServiceError> {
        Ok(Page::parse(self.parameter("startIndex"), self.parameter("count"))?)
    }

    /// Whether the client pages by cursor.
    pub fn has_cursor(&self) -> bool {
        self.parameter("cursor").is_some()
    }

    /// A query of one resource type.
    ///
    /// # Errors
    ///
    /// 400 `invalidFilter`, `invalidValue`, `invalidPath`, `invalidCursor`, `expiredCursor` or `invalidCount`.
    pub fn query(&mut self, api: &Api, resource_type: ResourceType) -> Result<Query, ServiceError> {
        let projection = self.projection(api, resource_type)?;
        let schema = api.service.schemas().of(resource_type);
        let (filter, sort) = (self.filter(schema)?, self.sort(schema)?);
        let page = self.page()?;
        let paging = match self.parameter("cursor") {
            None => Paging::Index(page),
            Some(cursor) => self.cursor(cursor, resource_type, page)?,
        };
        Ok(Query { filter, sort, paging, projection })
    }

    fn cursor(&self, cursor: &str, resource_type: ResourceType, page: Page) -> Result<Paging, ServiceError> {
        if self.parameter("startIndex").is_some() {
            return Err(ScimError::invalid_value("'startIndex' and 'cursor' cannot be used together.").into());
        }
        let asked = self.parameter("count").and_then(|count| count.trim().parse::<i64>().ok()).unwrap_or(0);
        if usize::try_from(asked).is_ok_and(|asked| asked > page.count) {
            let detail = format!("'count' is {asked}; with a cursor it is 0 to {}.", page.count);
            return Err(ScimError::bad_request(ScimType::InvalidCount, detail).into());
        }
        let text = |name| self.parameter(name).unwrap_or_default();
        let bound = [&self.caller.tenant, resource_type.name(), text("filter"), text("sortBy"), text("sortOrder")];
        let sealer = Sealer::new(&self.caller.cursor_secret, &bound);
        let now = crate::ambient::now().as_second();
        let after = if cursor.is_empty() { None } else { Some(sealer.open(cursor, page.count, now)?) };
        Ok(Paging::Cursor { after, count: page.count, sealer })
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// 415 for another media type, 400 `invalidSyntax`.
    pub fn json(&self) -> Result<Value, ServiceError> {
        let content_type = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if !matches!(media_type.as_str(), "" | "application/scim+json" | "application/json" | "text/json") {
            let detail = format!("The Content-Type is '{media_type}'. Send application/scim+json.");
            return Err(ScimError::new(415, detail).into());
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| ScimError::invalid_syntax(format!("The request body is not JSON: {error}.")).into())
    }

    /// `If-Match` and `If-None-Match` of a write.
    pub fn preconditions(&self) -> Preconditions {
        let versions = match self.tags(&IF_MATCH) {
            None => None,
            Some(tags) if tags.contains(&"*") => None,
            Some(tags) => Some(tags.into_iter().filter_map(representation::parse_etag).collect()),
        };
        let unwanted = self.tags(&IF_NONE_MATCH).unwrap_or_default();
        Preconditions {
            versions,
            must_not_exist: unwanted.contains(&"*"),
            unwanted: unwanted.into_iter().filter_map(representation::parse_etag).collect(),
        }
    }

    /// 304 instead of the resource when `If-None-Match` names its version.
    pub fn unless_known(&self, answer: crate::service::Answer) -> Reply {
        let known = self.tags(&IF_NONE_MATCH).is_some_and(|tags| {
            tags.iter().any(|&tag| tag == "*" || representation::parse_etag(tag) == Some(answer.meta.version))
        });
        if known { Reply::NotModified(answer) } else { Reply::Resource(answer) }
    }

    fn tags(&self, name: &HeaderName) -> Option<Vec<&str>> {
        let values: Vec<&str> = self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        let tags =
            values.iter().flat_map(|value| value.split(',')).map(str::trim).filter(|tag| !tag.is_empty()).collect();
        (!values.is_empty()).then_some(tags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_in_every_form_that_clients_send() {
        let cases = [
            (Some("Bearer t0ken"), Some("t0ken")),
            (Some("bearer   t0ken "), Some("t0ken")),
            (Some("t0ken"), Some("t0ken")),
            (Some("Bearer Bearer t0ken"), Some("t0ken")),
            (Some("Bearer Bearer Bearer t0ken"), Some("Bearer t0ken")),
            (Some("  "), None),
            (Some("Bearer"), Some("Bearer")),
            (None, None),
        ];
        for (value, expected) in cases {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(token(&headers), expected, "{value:?}");
        }
    }
}
