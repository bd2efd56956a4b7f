//! Bulk requests (RFC 7644 section 3.7): what is asked for, and in which order it can be done.
//!
//! [`Request::parse`] reads the message, [`plan`] orders its operations so that what is referenced exists first, and
//! [`references`] finds and fills in `bulkId:` references.

pub mod plan;
pub mod references;

use super::error::{ScimError, ScimType};
use super::schema::ResourceType;
use super::{Object, case};
use serde_json::{Value, json};

/// Schema URI of a bulk response.
pub const BULK_RESPONSE_URI: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
/// Most operations in one request.
pub const MAX_BULK_OPERATIONS: usize = 1000;

/// HTTP method of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are HTTP's")]
pub enum Method {
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    /// As it stands in a request.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Post, Self::Put, Self::Patch, Self::Delete]
            .into_iter()
            .find(|known| known.name().eq_ignore_ascii_case(name))
    }
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkOperation {
    /// What to do.
    pub method: Method,
    /// The client's name for what a POST creates.
    pub bulk_id: Option<String>,
    /// The version that PUT, PATCH or DELETE must find: an `ETag`.
    pub version: Option<String>,
    /// Type of the resource.
    pub resource_type: ResourceType,
    /// Id of the resource, or `bulkId:` and a client's name; none for POST.
    pub id: Option<String>,
    /// The body of POST, PUT or PATCH; of DELETE null, whatever was sent.
    pub data: Value,
}

/// A bulk request. An operation that cannot be read is an error of its own and costs the others nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// After how many errors to stop; `None` never.
    pub fail_on_errors: Option<usize>,
    /// In the order of the request.
    pub operations: Vec<Entry>,
}

/// One element of `Operations`: what the answer repeats of it, and what it asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// `method` as it was sent.
    pub method: String,
    /// `bulkId` as it was sent.
    pub bulk_id: Option<String>,
    /// What is asked for, or why that cannot be told.
    pub operation: Result<BulkOperation, ScimError>,
}

impl Request {
    /// Reads the message.
    ///
    /// # Errors
    ///
    /// 400 `invalidSyntax` for a body that is no bulk request, 400 `invalidValue` for a bulkId that two operations
    /// have, 413 past [`MAX_BULK_OPERATIONS`].
    pub fn parse(body: &Value) -> Result<Self, ScimError> {
        let operations = body
            .as_object()
            .and_then(|body| case::member(body, "Operations"))
            .and_then(Value::as_array)
            .ok_or_else(|| {
            ScimError::invalid_syntax("A bulk request is an object with 'Operations', an array (RFC 7644 section 3.7).")
        })?;
        if operations.len() > MAX_BULK_OPERATIONS {
            return Err(ScimError::new(
                413,
                format!(
                    "The request has {} operations; at most {MAX_BULK_OPERATIONS} are done at once.",
                    operations.len()
                ),
            ));
        }
        let fail_on_errors = body.as_object().and_then(|body| case::member(body, "failOnErrors"));
        let fail_on_errors = match fail_on_errors {
            None | Some(Value::Null) => None,
            Some(value) => {
                match value.as_u64().and_then(|number| usize::try_from(number).ok()).filter(|&number| number > 0) {
                    Some(number) => Some(number),
                    None => return Err(ScimError::wrong_type("failOnErrors", "an integer above 0", value)),
                }
            }
        };
        let operations: Vec<Entry> = operations.iter().map(entry).collect();
        let mut seen = std::collections::BTreeSet::new();
        for bulk_id in operations.iter().filter_map(|entry| entry.bulk_id.as_ref()) {
            if !seen.insert(bulk_id) {
                return Err(ScimError::invalid_value(format!(
                    "Two operations have the bulkId '{bulk_id}'. It must be unique."
                )));
            }
        }
        Ok(Self { fail_on_errors, operations })
    }
}

fn entry(value: &Value) -> Entry {
    let empty = Object::new();
    let object = value.as_object().unwrap_or(&empty);
    let text = |name: &str| case::member(object, name).and_then(Value::as_str).filter(|text| !text.is_empty());
    Entry {
        method: text("method").unwrap_or_default().to_owned(),
        bulk_id: text("bulkId").map(str::to_owned),
        operation: operation(object, &text),
    }
}

fn operation<'a>(object: &Object, text: &dyn Fn(&str) -> Option<&'a str>) -> Result<BulkOperation, ScimError> {
    let method = text("method").and_then(Method::parse).ok_or_else(|| {
        ScimError::invalid_syntax("An operation's 'method' must be POST, PUT, PATCH or DELETE (RFC 7644 section 3.7).")
    })?;
    let path = text("path")
        .ok_or_else(|| ScimError::invalid_syntax("An operation needs a 'path', such as /Users or /Users/{id}."))?;
    let (resource_type, id) = target(path)?;
    match (method, &id) {
        (Method::Post, Some(_)) => {
            return Err(ScimError::bad_request(
                ScimType::InvalidPath,
                format!("A POST goes to /Users or /Groups, not to '{path}'."),
            ));
        }
        (Method::Post, None) if text("bulkId").is_none() => {
            return Err(ScimError::invalid_syntax("A POST in a bulk request needs a 'bulkId'."));
        }
        (Method::Put | Method::Patch | Method::Delete, None) => {
            return Err(ScimError::bad_request(
                ScimType::InvalidPath,
                format!("{} goes to one resource, not to '{path}'.", method.name()),
            ));
        }
        _ => {}
    }
    let data = match case::member(object, "data") {
        _ if method == Method::Delete => Value::Null,
        Some(data) if data.is_object() => data.clone(),
        _ => return Err(ScimError::invalid_syntax(format!("{} needs 'data', an object.", method.name()))),
    };
    Ok(BulkOperation {
        method,
        bulk_id: text("bulkId").map(str::to_owned),
        version: text("version").map(str::to_owned),
        resource_type,
        id,
        data,
    })
}

/// The type and the id in `/Users/2819c223`. What precedes the endpoint, in a whole URL, is not looked at.
fn target(path: &str) -> Result<(ResourceType, Option<String>), ScimError> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let endpoint = |segment: &str| {
        [ResourceType::User, ResourceType::Group]
            .into_iter()
            .find(|known| known.endpoint()[1..].eq_ignore_ascii_case(segment))
    };
    let found = match segments[..] {
        [segment] => endpoint(segment).map(|resource_type| (resource_type, None)),
        [.., segment, id] => endpoint(segment).map(|resource_type| (resource_type, Some(id.to_owned()))),
        [] => None,
    };
    found.ok_or_else(|| {
        ScimError::bad_request(
            ScimType::InvalidPath,
            format!("The path '{path}' is neither /Users, /Groups nor a resource below them."),
        )
    })
}

/// The bulk response.
#[must_use]
pub fn response(operations: Vec<Value>) -> Object {
    let mut body = Object::new();
    body.insert("schemas".into(), json!([BULK_RESPONSE_URI]));
    body.insert("Operations".into(), operations.into());
    body
}

#[cfg(test)]
mod tests;
