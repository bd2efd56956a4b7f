//! Requests that are not applied.

use super::*;
use crate::protocol::filter::Filter;
use crate::protocol::path::MAX_PATH_BYTES;

#[test]
fn a_request_that_fails_says_why_and_changes_nothing() {
    use ScimType::{InvalidPath, InvalidSyntax, InvalidValue, Mutability, NoTarget};
    let display_name = format!("{ENTERPRISE_URI}:manager.displayName");
    let cases = [
        (json!({ "op": "remove" }), NoTarget, "needs a 'path'"),
        (json!({ "op": "remove", "path": "", "value": { "title": null } }), NoTarget, "needs a 'path'"),
        (
            json!({ "op": "replace", "path": "ims[not (type eq \"x\")].value", "value": "v" }),
            NoTarget,
            "No value of 'ims'",
        ),
        (
            json!({ "op": "replace", "path": "ims[type eq \"x\" or type eq \"y\"]", "value": { "value": "v" } }),
            NoTarget,
            "'ims'",
        ),
        (json!({ "op": "add", "path": "emails[value co \"nobody\"].type", "value": "v" }), NoTarget, "'emails'"),
        (
            json!({ "op": "replace", "path": "emails[display eq null and type eq \"z\"].value", "value": "v" }),
            NoTarget,
            "'emails'",
        ),
        (json!({ "op": "replace", "path": "id", "value": "7" }), Mutability, "'id' is read-only"),
        (json!({ "op": "remove", "path": "meta.version" }), Mutability, "'meta.version' is read-only"),
        (json!({ "op": "add", "path": "groups", "value": [] }), Mutability, "'groups' is read-only"),
        (
            json!({ "op": "remove", "path": "groups[value eq \"g\"]" }),
            Mutability,
            "'groups[value eq \"g\"]' is read-only",
        ),
        (json!({ "op": "replace", "path": display_name, "value": "M" }), Mutability, "is read-only"),
        (json!({ "op": "remove", "path": "userName" }), Mutability, "'userName' is required"),
        (
            json!({ "op": "replace", "path": "shoeSize", "value": 44 }),
            InvalidPath,
            "'shoeSize', which no schema of User has",
        ),
        (json!({ "op": "replace", "path": "emails[type eq", "value": "v" }), InvalidPath, "expected a value"),
        (json!({ "op": "replace", "path": USER_URI, "value": {} }), InvalidPath, "alone"),
        (
            json!({ "op": "replace", "path": "name[givenName eq \"Z\"].familyName", "value": "v" }),
            InvalidPath,
            "one value",
        ),
        (
            json!({ "op": "replace", "path": "urn:example:2.0:User:badge.x", "value": 1 }),
            InvalidPath,
            "'badge' does not hold an object",
        ),
        (
            json!({ "op": "add", "path": "urn:example:2.0:User:badge[x eq 1]", "value": {} }),
            InvalidPath,
            "does not hold an array",
        ),
        (json!({ "op": "replace", "value": { "emails[type eq": "v" } }), InvalidPath, "<emails[type eq>"),
        (json!({ "op": "replace", "path": "title" }), InvalidValue, "'title' has no 'value'"),
        (json!({ "op": "replace", "path": 7, "value": "v" }), InvalidValue, "'path' expects a string"),
        (json!({ "op": "replace", "value": "v" }), InvalidValue, "'value' expects an object of attributes"),
        (json!({ "op": "add" }), InvalidValue, "the request has null"),
        (
            json!({ "op": "replace", "path": "title", "value": 7 }),
            InvalidValue,
            "'title' expects a string; the request has the number 7",
        ),
        (json!({ "op": "replace", "path": "name.givenName", "value": 7 }), InvalidValue, "'name.givenName' expects"),
        (json!({ "op": "replace", "path": "emails.value", "value": 7 }), InvalidValue, "'emails.value' expects"),
        (json!({ "op": "replace", "path": "active", "value": "yes" }), InvalidValue, "'active' expects true or false"),
        (json!({ "op": "remove", "path": "active" }), Mutability, "'active' is required"),
        (json!({ "op": "replace", "path": "userName", "value": null }), InvalidValue, "'userName' is required"),
        (json!({ "op": "replace", "path": "name", "value": "Ann" }), InvalidValue, "'name' expects an object"),
        (
            json!({ "op": "replace", "path": "emails[type eq \"work\"].primary", "value": 1 }),
            InvalidValue,
            "'emails.primary' expects true or false",
        ),
        (json!({ "op": "replace", "path": ENTERPRISE_URI, "value": "v" }), InvalidValue, "expects an object"),
        (
            json!({ "op": "add", "path": "emails", "value": [{ "value": "a", "primary": true }, { "value": "b", "primary": true }] }),
            InvalidValue,
            "'emails' has 2 primary values",
        ),
        (
            json!({ "op": "remove", "path": "emails", "value": [{ "type": { "a": 1 } }] }),
            InvalidValue,
            "Each value to remove from 'emails'",
        ),
        (json!({ "op": "move", "path": "title" }), InvalidSyntax, "the request has 'move'"),
        (json!({ "path": "title", "value": "v" }), InvalidSyntax, "the request has none"),
        (json!("replace"), InvalidSyntax, "one of the operations is not an object"),
    ];
    for (operation, scim_type, detail) in cases {
        let error =
            patched(&ann(), &json!([{ "op": "replace", "path": "title", "value": "T" }, operation])).0.unwrap_err();
        assert_eq!((error.status, error.scim_type), (400, Some(scim_type)), "{operation}: {error}");
        assert!(error.detail.contains(detail), "{operation}: {error}");
    }
    let mut user = ann();
    user["emails"][0].as_object_mut().unwrap().shift_remove("primary");
    let error = patched(&user, &json!([{ "op": "replace", "path": "emails.value", "value": "n@x" }])).0.unwrap_err();
    assert_eq!(error.scim_type, Some(InvalidPath));
    assert!(error.detail.contains("could mean 2 values"), "{error}");
}

#[test]
fn a_body_is_an_object_with_operations_in_any_case_and_whatever_else() {
    let schemas = Schemas::load(true).unwrap();
    let schema = schemas.of(ResourceType::User);
    let one = json!([{ "OP": "replace", "Path": "title", "VALUE": "T", "name": "x" }]);
    for body in
        [json!({ "operations": one, "id": null, "meta": {} }), json!({ "schemas": ["urn:x"], "Operations": one })]
    {
        let mut quirks = Quirks::default();
        assert_eq!(parse(schema, &body, &mut quirks).unwrap().len(), 1, "{body}");
        assert!(quirks.names().is_empty(), "{body}");
    }
    for body in [
        json!([]),
        json!(null),
        json!({}),
        json!({ "Operations": [] }),
        json!({ "Operations": {} }),
        json!({ "members": [{ "value": "1" }] }),
    ] {
        let error = parse(schema, &body, &mut Quirks::default()).unwrap_err();
        assert_eq!((error.status, error.scim_type), (400, Some(ScimType::InvalidSyntax)), "{body}");
        assert!(error.detail.contains("a non-empty array"), "{body}: {error}");
    }
}

#[test]
fn operations_end_at_max_operations_and_paths_at_max_path_bytes() {
    let removal =
        |count: usize| json!([{ "op": "remove", "path": "emails", "value": vec![json!({ "value": "x" }); count] }]);
    let plain = |count: usize| json!(vec![json!({ "op": "add", "path": "title", "value": "T" }); count]);
    let keys = |count: usize| {
        let members: Object = (0..count).map(|key| (format!("x{key}"), json!(1))).collect();
        json!([{ "op": "add", "value": members }])
    };
    let extension = |count: usize| {
        let members: Object = (0..count).map(|key| (format!("x{key}"), json!(1))).collect();
        json!([{ "op": "add", "path": EXAMPLE_URI, "value": members }])
    };
    for operations in [removal as fn(usize) -> Value, plain, keys, extension] {
        assert!(patched(&ann(), &operations(MAX_OPERATIONS)).0.is_ok());
        let error = patched(&ann(), &operations(MAX_OPERATIONS + 1)).0.unwrap_err();
        assert_eq!((error.status, error.scim_type), (413, None));
    }
    let long = format!("ims[type eq \"{}\"].value", "x".repeat(MAX_PATH_BYTES));
    for operation in
        [json!({ "op": "add", "path": long, "value": "v" }), json!({ "op": "add", "value": { long.as_str(): "v" } })]
    {
        let error = patched(&ann(), &json!([operation])).0.unwrap_err();
        assert_eq!(error.scim_type, Some(ScimType::InvalidPath));
        assert!(error.detail.contains("at most 4096 bytes"));
    }
}

#[test]
fn value_filters_end_at_max_compared_bytes() {
    let schemas = Schemas::load(true).unwrap();
    let schema = schemas.of(ResourceType::User);
    for uri in [None, Some("urn:example:2.0:User")] {
        let path = AttributePath { extension: uri.map(str::to_owned), ..AttributePath::core("roles") };
        // What is compared stops at the first term; all of them are counted.
        let absent = Filter::Present(AttributePath::sub_attribute_alone("absent"));
        let remove = |terms: usize| Operation {
            op: Op::Remove,
            target: Target::Value {
                path: path.clone(),
                filter: Filter::And(vec![absent.clone(); terms]),
                sub_attribute: None,
            },
            value: None,
        };
        let bytes = crate::protocol::size::MAX_RESOURCE_BYTES / 2;
        let roles = json!([{ "value": "x".repeat(bytes - "[{\"value\":\"\"}]".len()) }]);
        let mut user = bare();
        match uri {
            None => user["roles"] = roles,
            Some(uri) => user[uri] = json!({ "roles": roles }),
        }
        let done = |operations: &[Operation]| {
            apply(schema, user.as_object().unwrap(), operations, &mut Quirks::default()).map(drop)
        };
        let twice = [remove(MAX_OPERATIONS), remove(MAX_OPERATIONS)];
        assert_eq!(done(&twice), Ok(()), "{uri:?}");
        assert_eq!(done(&[&twice[..], &[remove(1)]].concat()).unwrap_err().status, 413, "{uri:?}");
    }
}

/// With each value compared with each, it would take minutes.
#[test]
fn as_many_values_as_a_body_can_hold_are_too_large() {
    let add = |path: &str, values: Vec<Value>| json!({ "op": "add", "path": path, "value": values });
    for path in ["roles", "urn:example:2.0:User:list"] {
        let values = |from: u32| (from..from + 40_000).map(|number| json!({ "value": number.to_string() })).collect();
        let operations = json!([add(path, values(0)), add(path, values(20_000))]);
        assert_eq!(patched(&ann(), &operations).0.unwrap_err().status, 413, "{path}");
    }
}
