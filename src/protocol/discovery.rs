//! The discovery documents (RFC 7644 section 4, RFC 7643 sections 5 and 6).

use super::Object;
use super::bulk::MAX_BULK_OPERATIONS;
use super::list::{ListResponse, MAX_COUNT};
use super::schema::{ResourceType, Schemas};
use serde_json::{Value, json};

const CONFIG_URI: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
const RESOURCE_TYPE_URI: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";

/// How long a cursor is good for, in seconds (RFC 9865).
pub const CURSOR_TIMEOUT_SECONDS: i64 = 3600;

/// Largest request body in bytes. A Lambda event holds 6 MB, the base64 of the body included.
pub const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// `/ServiceProviderConfig`: what is compiled in and nothing else.
#[must_use]
pub fn service_provider_config(base_url: &str) -> Object {
    object(json!({
        "schemas": [CONFIG_URI],
        "patch": { "supported": true },
        "bulk": { "supported": true, "maxOperations": MAX_BULK_OPERATIONS, "maxPayloadSize": MAX_BODY_BYTES },
        "filter": { "supported": true, "maxResults": MAX_COUNT },
        "changePassword": { "supported": false },
        "sort": { "supported": true },
        "etag": { "supported": true },
        "pagination": {
            "cursor": true,
            "index": true,
            "defaultPaginationMethod": "index",
            "defaultPageSize": MAX_COUNT,
            "maxPageSize": MAX_COUNT,
            "cursorTimeout": CURSOR_TIMEOUT_SECONDS,
        },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A long-lived token in the Authorization header (RFC 6750)",
            "specUri": "https://www.rfc-editor.org/rfc/rfc6750",
            "primary": true,
        }],
        "meta": { "resourceType": "ServiceProviderConfig", "location": format!("{base_url}/ServiceProviderConfig") },
    }))
}

/// `/ResourceTypes`.
#[must_use]
pub fn resource_types(base_url: &str, schemas: &Schemas) -> Vec<Object> {
    [ResourceType::User, ResourceType::Group].into_iter().map(|found| resource_type(base_url, schemas, found)).collect()
}

/// `/ResourceTypes/{name}`.
#[must_use]
pub fn resource_type(base_url: &str, schemas: &Schemas, resource_type: ResourceType) -> Object {
    let schema = schemas.of(resource_type);
    let extensions: Vec<Value> = schema
        .extensions
        .iter()
        .map(|extension| json!({ "schema": extension.id, "required": extension.required }))
        .collect();
    let mut document = object(json!({
        "schemas": [RESOURCE_TYPE_URI],
        "id": resource_type.name(),
        "name": resource_type.name(),
        "endpoint": resource_type.endpoint(),
        "description": schema.core.description,
        "schema": schema.core.id,
    }));
    if !extensions.is_empty() {
        document.insert("schemaExtensions".into(), extensions.into());
    }
    let location = format!("{base_url}/ResourceTypes/{}", resource_type.name());
    document.insert("meta".into(), json!({ "resourceType": "ResourceType", "location": location }));
    document
}

/// `/Schemas`.
#[must_use]
pub fn schemas(base_url: &str, schemas: &Schemas) -> Vec<Object> {
    schemas.documents().iter().map(|document| schema_document(base_url, document)).collect()
}

/// `/Schemas/{uri}`, in any case.
#[must_use]
pub fn schema(base_url: &str, schemas: &Schemas, uri: &str) -> Option<Object> {
    let is_this = |document: &&Object| document["id"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(uri));
    schemas.documents().iter().find(is_this).map(|document| schema_document(base_url, document))
}

fn schema_document(base_url: &str, document: &Object) -> Object {
    let mut document = document.clone();
    let location = format!("{base_url}/Schemas/{}", document["id"].as_str().unwrap_or_default());
    document.insert("meta".into(), json!({ "resourceType": "Schema", "location": location }));
    document
}

/// The bare base URL: a `ListResponse` of the resource types, so that a client that only looks whether something is
/// there finds what there is.
#[must_use]
pub fn base(base_url: &str, known: &Schemas) -> ListResponse<Object> {
    ListResponse::of_all(resource_types(base_url, known))
}

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}
