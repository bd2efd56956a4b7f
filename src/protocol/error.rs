//! The one error vocabulary: RFC 7644 section 3.12.

use serde_json::{Value, json};
use std::fmt;

/// Schema URI of an Error response.
pub const ERROR_URI: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// The detail error keywords of RFC 7644 Table 9 and RFC 9865 Table 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScimType {
    /// The filter syntax was invalid, or the attribute and comparison are not supported.
    InvalidFilter,
    /// The filter yields many more results than the server is willing to calculate.
    TooMany,
    /// One or more of the attribute values are already in use or reserved.
    Uniqueness,
    /// The modification is not compatible with the target attribute's mutability.
    Mutability,
    /// The request body message structure was invalid.
    InvalidSyntax,
    /// The `path` attribute was invalid or malformed.
    InvalidPath,
    /// The specified `path` did not yield an attribute that could be operated on.
    NoTarget,
    /// A required value was missing, or the value was not compatible with the attribute's type.
    InvalidValue,
    /// The SCIM protocol version is not supported.
    InvalidVers,
    /// The request cannot be completed because personal information would be in the URI.
    Sensitive,
    /// The cursor is not one for this query (RFC 9865 section 2.1).
    InvalidCursor,
    /// The cursor is too old (RFC 9865 section 2.1).
    ExpiredCursor,
    /// The count is out of bounds, or not that of the first page (RFC 9865 section 2.1).
    InvalidCount,
}

impl ScimType {
    /// The keyword as it stands in an answer.
    #[must_use]
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
            Self::InvalidVers => "invalidVers",
            Self::Sensitive => "sensitive",
            Self::InvalidCursor => "invalidCursor",
            Self::ExpiredCursor => "expiredCursor",
            Self::InvalidCount => "invalidCount",
        }
    }
}

/// An error as the client will read it. `detail` is written for the administrator of the identity provider: which
/// attribute, what was expected, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScimError {
    /// HTTP status code.
    pub status: u16,
    /// Keyword of RFC 7644 Table 9, for status 400 and 409.
    pub scim_type: Option<ScimType>,
    /// One or two sentences for a person.
    pub detail: String,
}

impl ScimError {
    /// An error without a keyword.
    #[must_use]
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Self { status, scim_type: None, detail: detail.into() }
    }

    /// Status 400 with a keyword.
    #[must_use]
    pub fn bad_request(scim_type: ScimType, detail: impl Into<String>) -> Self {
        Self { status: 400, scim_type: Some(scim_type), detail: detail.into() }
    }

    /// 400 `invalidValue`: `attribute` should hold `expected`, the client sent `got`.
    #[must_use]
    pub fn wrong_type(attribute: &str, expected: &str, got: &Value) -> Self {
        Self::bad_request(
            ScimType::InvalidValue,
            format!("Attribute '{attribute}' expects {expected}; the request has {}.", describe(got)),
        )
    }

    /// 400 `invalidValue`.
    #[must_use]
    pub fn invalid_value(detail: impl Into<String>) -> Self {
        Self::bad_request(ScimType::InvalidValue, detail)
    }

    /// 400 `invalidSyntax`.
    #[must_use]
    pub fn invalid_syntax(detail: impl Into<String>) -> Self {
        Self::bad_request(ScimType::InvalidSyntax, detail)
    }

    /// 409 `uniqueness`.
    #[must_use]
    pub fn uniqueness(detail: impl Into<String>) -> Self {
        Self { status: 409, scim_type: Some(ScimType::Uniqueness), detail: detail.into() }
    }

    /// 404 for a resource.
    #[must_use]
    pub fn not_found(resource_type: &str, id: &str) -> Self {
        Self::new(404, format!("{resource_type} '{id}' does not exist."))
    }

    /// The Error message body. Its members are those of RFC 7644 section 3.12 and no other.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut body = json!({ "schemas": [ERROR_URI], "status": self.status.to_string() });
        if let (Some(scim_type), Some(object)) = (self.scim_type, body.as_object_mut()) {
            object.insert("scimType".into(), scim_type.keyword().into());
        }
        if let Some(object) = body.as_object_mut() {
            object.insert("detail".into(), self.detail.clone().into());
        }
        body
    }
}

impl fmt::Display for ScimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.detail)
    }
}

impl std::error::Error for ScimError {}

/// What a JSON value is, in words that hold no personal data beyond what the client sent in this request.
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(flag) => format!("the boolean {flag}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() <= 40 => format!("the string \"{text}\""),
        Value::String(_) => "a string".into(),
        Value::Array(_) => "an array".into(),
        Value::Object(_) => "an object".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7644_section_3_12_status_is_a_string_and_no_other_member_is_there() {
        let error = ScimError::wrong_type("active", "true or false", &json!("yes"));
        assert_eq!(
            error.to_json(),
            json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
                "status": "400",
                "scimType": "invalidValue",
                "detail": "Attribute 'active' expects true or false; the request has the string \"yes\"."
            })
        );
        let plain = ScimError::new(500, "x");
        assert_eq!(plain.to_json(), json!({ "schemas": [ERROR_URI], "status": "500", "detail": "x" }));
        assert_eq!(plain.to_string(), "500 x");
    }

    #[test]
    fn rfc7644_table_9_and_rfc9865_table_3() {
        let cases = [
            (ScimType::InvalidFilter, "invalidFilter"),
            (ScimType::TooMany, "tooMany"),
            (ScimType::Uniqueness, "uniqueness"),
            (ScimType::Mutability, "mutability"),
            (ScimType::InvalidSyntax, "invalidSyntax"),
            (ScimType::InvalidPath, "invalidPath"),
            (ScimType::NoTarget, "noTarget"),
            (ScimType::InvalidValue, "invalidValue"),
            (ScimType::InvalidVers, "invalidVers"),
            (ScimType::Sensitive, "sensitive"),
            (ScimType::InvalidCursor, "invalidCursor"),
            (ScimType::ExpiredCursor, "expiredCursor"),
            (ScimType::InvalidCount, "invalidCount"),
        ];
        for (scim_type, keyword) in cases {
            let expected = json!({ "schemas": [ERROR_URI], "status": "400", "scimType": keyword, "detail": "x" });
            assert_eq!(ScimError::bad_request(scim_type, "x").to_json(), expected);
        }
        for (error, status, scim_type, detail) in [
            (ScimError::uniqueness("x"), 409, Some(ScimType::Uniqueness), "x"),
            (ScimError::invalid_value("x"), 400, Some(ScimType::InvalidValue), "x"),
            (ScimError::invalid_syntax("x"), 400, Some(ScimType::InvalidSyntax), "x"),
            (ScimError::not_found("User", "7"), 404, None, "User '7' does not exist."),
        ] {
            assert_eq!(error, ScimError { status, scim_type, detail: detail.into() });
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_is_shown_when_it_is_short() {
        let cases = [
            (json!(null), "null"),
            (json!(true), "the boolean true"),
            (json!(1.5), "the number 1.5"),
            (json!("é".repeat(40)), &format!("the string \"{}\"", "é".repeat(40))),
            (json!("é".repeat(41)), "a string"),
            (json!(["secret"]), "an array"),
            (json!({ "a": "secret" }), "an object"),
        ];
        for (value, expected) in cases {
            let detail = format!("Attribute 'a' expects b; the request has {expected}.");
            assert_eq!(ScimError::wrong_type("a", "b", &value).detail, detail);
        }
    }
}
