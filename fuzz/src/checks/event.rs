//! An event of API Gateway, of either payload version: it is answered in SCIM, and what is refused has changed nothing.

use super::function::{Function, Returned};
use scimlet::lambda::Event;
use serde_json::Value;

thread_local! {
    static FUNCTION: Function = Function::start();
}

pub fn check(text: &str) {
    // What is no event does not come from API Gateway.
    let Ok(event) = serde_json::from_str::<Event>(text) else { return };
    let returned = answer(event);
    if returned.body.is_null() && names_head(text) {
        // The header fields of the answer to GET, and no body: RFC 9110 section 9.3.2.
        is_no_failure(&returned);
        assert!(returned.content_type.as_deref().is_none_or(is_type) && !returned.wrote, "{returned:?}");
    } else {
        is_scim(&returned);
    }
}

/// 501 is the answer at `/Me`.
#[track_caller]
fn is_no_failure(returned: &Returned) {
    assert!(returned.status < 500 || returned.status == 501, "{returned:?}");
}

fn is_type(content_type: &str) -> bool {
    matches!(content_type, "application/scim+json" | "application/json")
}

/// Whether the method is HEAD, where either payload version has it.
fn names_head(text: &str) -> bool {
    let event: Value = serde_json::from_str(text).unwrap_or_default();
    [&event["httpMethod"], &event["requestContext"]["http"]["method"]].iter().any(|method| **method == "HEAD")
}

/// The answer of the functions.
pub fn answer(event: Event) -> Returned {
    FUNCTION.with(|function| function.answer(event))
}

#[track_caller]
pub fn is_scim(returned: &Returned) {
    let Returned { status, content_type, body, wrote } = returned;
    is_no_failure(returned);
    match body {
        Value::Null => assert_eq!(content_type, &None, "{returned:?}"),
        _ => assert!(content_type.as_deref().is_some_and(is_type), "{returned:?}"),
    }
    if *status >= 400 {
        assert!(!wrote, "refused, and something was written: {returned:?}");
        let is_error = body["schemas"][0] == "urn:ietf:params:scim:api:messages:2.0:Error";
        assert!(
            is_error && body["status"].as_str() == Some(&status.to_string()) && body["detail"].is_string(),
            "{returned:?}"
        );
    } else if let Value::Object(body) = body {
        assert!(body["schemas"].is_array(), "{returned:?}");
    }
}
