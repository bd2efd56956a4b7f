//! The `SearchRequest` message (RFC 7644 section 3.4.3): the query parameters in a body.

use super::error::ScimError;
use super::{Object, case};
use serde_json::Value;

/// Members of the message that are lists of names.
const LISTS: [&str; 2] = ["attributes", "excludedAttributes"];
/// Members that are strings.
const TEXTS: [&str; 4] = ["filter", "sortBy", "sortOrder", "cursor"];
/// Members that are integers.
const NUMBERS: [&str; 2] = ["startIndex", "count"];

/// The parameters that the message stands for, named as in a query string. null stands for nothing.
///
/// # Errors
///
/// 400 `invalidSyntax` when the body is not an object, 400 `invalidValue` for a member of the wrong type.
pub fn parameters(body: &Value) -> Result<Vec<(String, String)>, ScimError> {
    let Value::Object(body) = body else {
        return Err(ScimError::invalid_syntax("A SearchRequest is a JSON object (RFC 7644 section 3.4.3)."));
    };
    let mut parameters = Vec::new();
    for (names, read) in [(&LISTS[..], list as Read), (&TEXTS[..], text), (&NUMBERS[..], number)] {
        for name in names {
            if let Some(value) = member(body, name) {
                parameters.push(((*name).to_owned(), read(name, value)?));
            }
        }
    }
    Ok(parameters)
}

type Read = fn(&str, &Value) -> Result<String, ScimError>;

fn member<'a>(body: &'a Object, name: &str) -> Option<&'a Value> {
    case::member(body, name).filter(|value| !value.is_null())
}

fn list(name: &str, value: &Value) -> Result<String, ScimError> {
    let wrong = || ScimError::wrong_type(name, "an array of attribute names", value);
    match value {
        Value::String(names) => Ok(names.clone()),
        Value::Array(names) => {
            let names: Option<Vec<&str>> = names.iter().map(Value::as_str).collect();
            names.map(|names| names.join(",")).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

fn text(name: &str, value: &Value) -> Result<String, ScimError> {
    value.as_str().map(str::to_owned).ok_or_else(|| ScimError::wrong_type(name, "a string", value))
}

fn number(name: &str, value: &Value) -> Result<String, ScimError> {
    match value {
        Value::Number(number) => Ok(number.to_string()),
        Value::String(digits) => Ok(digits.clone()),
        _ => Err(ScimError::wrong_type(name, "an integer", value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rfc7644_section_3_4_3_search_request() {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
            "attributes": ["displayName", "userName"],
            "filter": "displayName sw \"smith\"", "startIndex": 1, "count": 10, "cursor": null,
        });
        let expected = [
            ("attributes", "displayName,userName"),
            ("filter", "displayName sw \"smith\""),
            ("startIndex", "1"),
            ("count", "10"),
        ];
        assert_eq!(parameters(&body).unwrap(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        // What is written as in a query string.
        let (expected, mut body) = (parameters(&body).unwrap(), body);
        body["attributes"] = "displayName,userName".into();
        body["count"] = "10".into();
        assert_eq!(parameters(&body).unwrap(), expected);
        for wrong in [json!([]), json!({ "filter": 1 }), json!({ "count": {} }), json!({ "attributes": [1] })] {
            assert_eq!(parameters(&wrong).unwrap_err().status, 400, "{wrong}");
        }
    }
}
