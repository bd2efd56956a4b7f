use super::*;

#[test]
fn rfc7644_section_3_7_what_each_operation_asks_for() {
    let data = json!({ "userName": "ann" });
    let asked =
        |method, bulk_id: Option<&str>, version: Option<&str>, resource_type, id: Option<&str>, data: &Value| {
            BulkOperation {
                method,
                bulk_id: bulk_id.map(str::to_owned),
                version: version.map(str::to_owned),
                resource_type,
                id: id.map(str::to_owned),
                data: data.clone(),
            }
        };
    let (user, group) = (ResourceType::User, ResourceType::Group);
    let cases = [
        (
            json!({ "method": "POST", "path": "/Users", "bulkId": "q", "data": data }),
            asked(Method::Post, Some("q"), None, user, None, &data),
        ),
        (
            json!({ "Method": "post", "PATH": "Groups/", "BULKID": "q", "Data": data }),
            asked(Method::Post, Some("q"), None, group, None, &data),
        ),
        (
            json!({ "method": "PUT", "path": "/Users/b7c1", "version": "W/\"4\"", "data": data }),
            asked(Method::Put, None, Some("W/\"4\""), user, Some("b7c1"), &data),
        ),
        (
            json!({ "method": "Patch", "path": "https://example.com/v2/GROUPS/bulkId:q", "bulkId": "", "data": {} }),
            asked(Method::Patch, None, None, group, Some("bulkId:q"), &json!({})),
        ),
        (
            json!({ "method": "DELETE", "path": "/Users/e9", "version": "", "data": null }),
            asked(Method::Delete, None, None, user, Some("e9"), &Value::Null),
        ),
        (
            json!({ "method": "DELETE", "path": "//Users//e9" }),
            asked(Method::Delete, None, None, user, Some("e9"), &Value::Null),
        ),
    ];
    for (operation, expected) in cases {
        let request = Request::parse(&json!({ "operations": [operation] })).unwrap();
        assert_eq!(request.fail_on_errors, None, "{operation}");
        let method = case::member(operation.as_object().unwrap(), "method").and_then(Value::as_str).unwrap();
        let bulk_id = expected.bulk_id.clone();
        let entry = Entry { method: method.into(), bulk_id, operation: Ok(expected) };
        assert_eq!(request.operations, [entry], "{operation}");
    }
}

#[test]
fn an_operation_that_cannot_be_read_is_an_error_of_its_own() {
    use ScimType::{InvalidPath, InvalidSyntax};
    let cases = [
        (json!(7), InvalidSyntax, "An operation's 'method' must be"),
        (json!({ "path": "/Users" }), InvalidSyntax, "An operation's 'method' must be"),
        (json!({ "method": "GET", "path": "/Users/1" }), InvalidSyntax, "An operation's 'method' must be"),
        (json!({ "method": "POST", "bulkId": "q" }), InvalidSyntax, "An operation needs a 'path'"),
        (json!({ "method": "POST", "path": "", "bulkId": "q" }), InvalidSyntax, "An operation needs a 'path'"),
        (json!({ "method": "POST", "path": "/", "bulkId": "q" }), InvalidPath, "The path '/' is neither"),
        (json!({ "method": "POST", "path": "/Me", "bulkId": "q" }), InvalidPath, "The path '/Me' is neither"),
        (json!({ "method": "PUT", "path": "/Users/1/x" }), InvalidPath, "The path '/Users/1/x' is neither"),
        (
            json!({ "method": "POST", "path": "/Users/1", "bulkId": "q", "data": {} }),
            InvalidPath,
            "A POST goes to /Users or /Groups, not to '/Users/1'",
        ),
        (json!({ "method": "POST", "path": "/Users", "data": {} }), InvalidSyntax, "A POST in a bulk request needs"),
        (
            json!({ "method": "POST", "path": "/Users", "bulkId": "", "data": {} }),
            InvalidSyntax,
            "A POST in a bulk request needs",
        ),
        (json!({ "method": "PUT", "path": "/Users", "data": {} }), InvalidPath, "PUT goes to one resource"),
        (json!({ "method": "PATCH", "path": "/Users", "data": {} }), InvalidPath, "PATCH goes to one resource"),
        (json!({ "method": "DELETE", "path": "/Groups" }), InvalidPath, "DELETE goes to one resource"),
        (json!({ "method": "POST", "path": "/Users", "bulkId": "q" }), InvalidSyntax, "POST needs 'data'"),
        (json!({ "method": "PUT", "path": "/Users/1", "data": [] }), InvalidSyntax, "PUT needs 'data'"),
        (json!({ "method": "PATCH", "path": "/Users/1", "data": "x" }), InvalidSyntax, "PATCH needs 'data'"),
    ];
    for (operation, scim_type, detail) in cases {
        let sound = json!({ "method": "DELETE", "path": "/Users/1" });
        let request = Request::parse(&json!({ "Operations": [operation, sound] })).unwrap();
        let text = |name| operation.get(name).and_then(Value::as_str).unwrap_or_default();
        let bulk_id = Some(text("bulkId").to_owned()).filter(|bulk_id| !bulk_id.is_empty());
        assert_eq!((&*request.operations[0].method, &request.operations[0].bulk_id), (text("method"), &bulk_id));
        let error = request.operations[0].operation.clone().unwrap_err();
        assert_eq!((error.status, error.scim_type), (400, Some(scim_type)), "{operation}: {error}");
        assert!(error.detail.starts_with(detail), "{operation}: {error}");
        assert!(request.operations[1].operation.is_ok(), "{operation}");
    }
}

#[test]
fn a_request_that_cannot_be_read_is_refused_whole() {
    use ScimType::{InvalidSyntax, InvalidValue};
    let delete = json!({ "method": "DELETE", "path": "/Users/1" });
    let named = |bulk_id: &str| json!({ "method": "POST", "path": "/Users", "bulkId": bulk_id, "data": {} });
    let many = vec![delete; MAX_BULK_OPERATIONS];
    let accepted = [
        (json!({ "Operations": [] }), (None, 0)),
        (json!({ "Operations": [], "failOnErrors": null }), (None, 0)),
        (json!({ "OPERATIONS": [], "failonerrors": 1 }), (Some(1), 0)),
        (json!({ "Operations": [named("a"), named("A"), named("b")], "failOnErrors": 7 }), (Some(7), 3)),
        (json!({ "Operations": many }), (None, MAX_BULK_OPERATIONS)),
    ];
    for (body, expected) in accepted {
        let request = Request::parse(&body).unwrap();
        assert_eq!((request.fail_on_errors, request.operations.len()), expected);
    }
    let refused = [
        (json!([]), 400, Some(InvalidSyntax), "A bulk request is an object with 'Operations'"),
        (json!({}), 400, Some(InvalidSyntax), "A bulk request is an object with 'Operations'"),
        (json!({ "Operations": {} }), 400, Some(InvalidSyntax), "A bulk request is an object with 'Operations'"),
        (json!({ "Operations": [], "failOnErrors": 0 }), 400, Some(InvalidValue), "Attribute 'failOnErrors' expects"),
        (json!({ "Operations": [], "failOnErrors": -1 }), 400, Some(InvalidValue), "Attribute 'failOnErrors' expects"),
        (json!({ "Operations": [], "failOnErrors": "1" }), 400, Some(InvalidValue), "Attribute 'failOnErrors' expects"),
        (
            json!({ "Operations": [named("a"), named("a")] }),
            400,
            Some(InvalidValue),
            "Two operations have the bulkId 'a'",
        ),
        (json!({ "Operations": vec![7; MAX_BULK_OPERATIONS + 1] }), 413, None, "The request has 1001 operations"),
    ];
    for (body, status, scim_type, detail) in refused {
        let error = Request::parse(&body).unwrap_err();
        assert_eq!((error.status, error.scim_type), (status, scim_type), "{error}");
        assert!(error.detail.starts_with(detail), "{error}");
    }
}

#[test]
fn rfc7644_section_3_7_3_bulk_response() {
    let operations = vec![json!({ "method": "DELETE", "status": "204" })];
    let expected = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"],
        "Operations": [{ "method": "DELETE", "status": "204" }],
    });
    assert_eq!(Value::Object(response(operations)), expected);
}

#[test]
fn rfc7644_section_3_7_2_references_are_found_filled_in_and_taken_out() {
    use super::references::{fill_in, of, take_out, target};
    let operation = |id: Option<&str>, data: Value| BulkOperation {
        method: Method::Patch,
        bulk_id: None,
        version: None,
        resource_type: ResourceType::Group,
        id: id.map(str::to_owned),
        data,
    };
    let ids = [("u".to_owned(), "2819c223".to_owned()), ("g".to_owned(), "e9e30dba".to_owned())].into();
    let path = "members[value eq \"bulkId:u\" or value eq \"BULKID:g\"]";
    let filled = "members[value eq \"2819c223\" or value eq \"e9e30dba\"]";
    // What is found in the data, and the data once the two that are known are filled in.
    let cases = [
        (json!(null), vec![], json!(null)),
        (
            json!([true, 7, "bulkId", "bulkI:u", "xbulkId:u"]),
            vec![],
            json!([true, 7, "bulkId", "bulkI:u", "xbulkId:u"]),
        ),
        (json!({ "value": "bulkId:u" }), vec!["u"], json!({ "value": "2819c223" })),
        (json!([[{ "a": ["BULKID:g"] }]]), vec!["g"], json!([[{ "a": ["e9e30dba"] }]])),
        (json!({ "value": "bulkId:other" }), vec!["other"], json!({ "value": "bulkId:other" })),
        (json!({ "path": path }), vec!["g", "u"], json!({ "path": filled })),
        (
            json!("bulkId:u\"bulkId:o\"bulkId:u\""),
            vec!["o", "u\"bulkId:o\"bulkId:u\""],
            json!("bulkId:u\"bulkId:o\"bulkId:u\""),
        ),
    ];
    for (data, expected, after) in cases {
        let names: Vec<String> = of(&operation(None, data.clone())).into_iter().collect();
        assert_eq!(names, expected, "{data}");
        let mut whole = data.clone();
        fill_in(&mut whole, &ids);
        assert_eq!(whole, after, "{data}");
    }
    for (id, found, expected) in [
        (None, vec![], None),
        (Some("2819"), vec![], Some("2819")),
        (Some("bulkId:u"), vec!["u"], Some("2819c223")),
        (Some("bulkId:x"), vec!["x"], Some("bulkId:x")),
    ] {
        let operation = operation(id, json!({}));
        assert_eq!(of(&operation).into_iter().collect::<Vec<_>>(), found, "{id:?}");
        assert_eq!(target(&operation, &ids), expected, "{id:?}");
    }

    const EXTENSION: &str = "urn:example:2.0:User";
    let later = ["u".to_owned()].into();
    // The data of a POST, what is left of it, and the operations that add the rest.
    let cases = [
        (json!("bulkId:u"), json!("bulkId:u"), json!([])),
        (
            json!({ "displayName": "a", "members": [{ "value": "bulkId:x" }] }),
            json!({ "displayName": "a", "members": [{ "value": "bulkId:x" }] }),
            json!([]),
        ),
        (
            json!({ "members": [{ "value": "bulkId:u" }, { "value": "bulkId:x" }, { "value": "bulkId:u", "type": "User" }] }),
            json!({ "members": [{ "value": "bulkId:x" }] }),
            json!([{ "op": "add", "path": "members", "value": [{ "value": "bulkId:u" }, { "value": "bulkId:u", "type": "User" }] }]),
        ),
        (
            json!({ "manager": { "value": "bulkId:u" }, EXTENSION: { "boss": { "value": "bulkId:u" }, "badge": "7" } }),
            json!({ EXTENSION: { "badge": "7" } }),
            json!([
                { "op": "add", "path": "manager", "value": { "value": "bulkId:u" } },
                { "op": "add", "path": format!("{EXTENSION}:boss"), "value": { "value": "bulkId:u" } },
            ]),
        ),
    ];
    for (data, left, operations) in cases {
        let mut rest = data.clone();
        assert_eq!(json!(take_out(&mut rest, &later).unwrap()), operations, "{data}");
        assert_eq!(rest, left, "{data}");
    }
    for (data, label) in [
        (json!({ "title": "bulkId:u" }), "title"),
        (json!({ EXTENSION: { "badge": "bulkId:u" } }), "urn:example:2.0:User:badge"),
    ] {
        let error = take_out(&mut data.clone(), &later).unwrap_err();
        assert_eq!((error.status, error.scim_type), (400, Some(ScimType::InvalidValue)), "{data}");
        assert!(error.detail.starts_with(&format!("Attribute '{label}' refers to a resource")), "{data}: {error}");
    }
}
