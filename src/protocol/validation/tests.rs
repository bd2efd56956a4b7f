use super::*;
use crate::protocol::schema::{ENTERPRISE_URI, ResourceType, Schemas, USER_URI};
use serde_json::json;

fn user(body: Value) -> (Result<Object, ScimError>, Vec<&'static str>) {
    let schemas = Schemas::load(true).unwrap();
    let mut quirks = Quirks::default();
    let result = accept(schemas.of(ResourceType::User), body, &mut quirks);
    (result, quirks.names().to_vec())
}

#[test]
fn what_a_client_sent_is_kept_in_canonical_spelling() {
    let cases = [
        (
            json!({"UserName": "a", "Name": {"GIVENNAME": "A"}}),
            json!({"userName": "a", "name": {"givenName": "A"}}),
            vec![],
        ),
        (json!({"title": null, "roles": [], "name": {}, "shoeSize": null}), json!({}), vec![]),
        (json!({"name": {"nick": null}, "urn:example:2.0:User": {"badge": null}}), json!({}), vec![]),
        (json!({ENTERPRISE_URI: null, "urn:example:2.0:User": null}), json!({}), vec![]),
        (json!({"id": "x", "meta": {}, "groups": [{}], "password": "p"}), json!({}), vec![]),
        (json!({"active": "False"}), json!({"active": false}), vec!["boolean_as_string"]),
        (json!({"emails": {"value": "a@b"}}), json!({"emails": [{"value": "a@b"}]}), vec!["single_value_as_array"]),
        (json!({"emails": ["a@b"]}), json!({"emails": [{"value": "a@b"}]}), vec!["string_as_complex"]),
        (json!({"shoeSize": 44, "x": {"y": null}}), json!({"shoeSize": 44, "x": {"y": null}}), vec![]),
        (
            json!({"urn:scim:schemas:extension:enterprise:1.0": {"manager": {"managerId": "7"}}}),
            json!({"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": "7"}}}),
            vec!["misspelt_schema_uri", "manager_id"],
        ),
        (json!({"urn:example:2.0:User": {"badge": "007"}}), json!({"urn:example:2.0:User": {"badge": "007"}}), vec![]),
    ];
    for (body, expected, fired) in cases {
        let (result, quirks) = user(body.clone());
        assert_eq!(Value::Object(result.unwrap()), expected, "{body}");
        assert_eq!(quirks, fired, "{body}");
    }
}

#[test]
fn a_value_of_the_wrong_type_names_attribute_expected_and_got() {
    let cases = [
        (json!({"active": "yes"}), "'active' expects true or false; the request has the string \"yes\""),
        (json!({"title": 7}), "'title' expects a string; the request has the number 7"),
        (json!({"name": "Ann"}), "'name' expects an object; the request has the string \"Ann\""),
        (json!({"emails": [7]}), "'emails' expects an object; the request has the number 7"),
        (json!({"emails": [{"primary": 1}]}), "'emails.primary' expects true or false"),
        (json!({"x509Certificates": [{"value": "%"}]}), "'x509Certificates.value' expects a base64 string"),
        (json!({"title": "a", "Title": "b"}), "'title' stands in the request twice"),
        (json!({"shoeSize": 1, "x": 2, "ShoeSize": 3}), "'ShoeSize' stands in the request twice"),
        (json!({"name": {"nick": 1, "Nick": 2}}), "'Nick' stands in the request twice"),
        (json!({"urn:example:2.0:User": {"badge": 1, "Badge": 2}}), "'Badge' stands in the request twice"),
        (json!({"urn:example:2.0:User": {"badge": 1}, "URN:example:2.0:User": {"badge": 1}}), "twice"),
        (
            json!({"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": []}}),
            "'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department' expects a string",
        ),
    ];
    for (body, expected) in cases {
        let error = user(body.clone()).0.unwrap_err();
        assert!(error.detail.contains(expected), "{body}: {}", error.detail);
    }
}

#[test]
fn settle_requires_what_the_schema_requires() {
    let schemas = Schemas::load(true).unwrap();
    let schema = schemas.of(ResourceType::User);
    let settled = |body: Value| settle(schema, body.as_object().unwrap().clone());
    assert!(settled(json!({"active": true})).unwrap_err().detail.contains("'userName' is required"));
    assert!(settled(json!({"userName": " ", "active": true})).unwrap_err().detail.contains("'userName'"));
    assert!(settled(json!({"userName": "a"})).unwrap_err().detail.contains("'active'"));
    let two = json!({"userName": "a", "active": true, "emails": [{"primary": true}, {"primary": true}]});
    assert!(settled(two).unwrap_err().detail.contains("2 primary"));
    let big = json!({"userName": "a", "active": true, "x": "y".repeat(size::MAX_RESOURCE_BYTES)});
    assert_eq!(settled(big).unwrap_err().status, 413);
}

#[test]
fn rfc7643_section_2_3_a_value_is_of_its_type() {
    let mut schemas = Schemas::load(true).unwrap();
    let attributes: Vec<Value> = ["string", "boolean", "decimal", "integer", "dateTime", "reference", "binary"]
        .into_iter()
        .map(|kind| json!({ "name": format!("x-{kind}"), "type": kind }))
        .collect();
    let file = json!({ "id": USER_URI, "resourceType": "User", "attributes": attributes });
    schemas.add("test.json", &file.to_string()).unwrap();
    // The values that each takes, and those that it does not.
    let cases = [
        ("string", json!(["a", ""]), json!([7, true, ["a"], { "value": "a" }])),
        ("boolean", json!([true, false]), json!(["", "1", 0, [true]])),
        ("decimal", json!([1.5, 7, -1e300]), json!(["1.5", true])),
        ("integer", json!([7, -7, i64::MIN, u64::MAX]), json!([7.0, 1.5, 1e300, "7", true])),
        (
            "dateTime",
            json!(["2026-01-31T09:00:00Z", "2026-01-31T10:00:00.5+01:00", "2026-01-31T09:00:00"]),
            json!(["2026-01-31", "2026-02-30T09:00:00Z", "now", "", 1_769_850_000]),
        ),
        ("reference", json!(["https://example.com", "../Users/1"]), json!([7, ["a"]])),
        ("binary", json!(["QUJD", "QQ==", "QQ", "-_-_", "+/+/", ""]), json!(["%", "Q", "+_+_", "Q Q", 7])),
    ];
    for (kind, taken, refused) in cases {
        let name = format!("x-{kind}");
        let accepted = |value: &Value| {
            accept(schemas.of(ResourceType::User), json!({ &*name: value }), &mut Quirks::off()).map(Value::Object)
        };
        for value in taken.as_array().unwrap() {
            assert_eq!(accepted(value), Ok(json!({ &*name: value })), "{kind}");
        }
        for value in refused.as_array().unwrap() {
            let error = accepted(value).expect_err(&format!("{kind} {value}"));
            assert_eq!(error.scim_type, Some(crate::protocol::error::ScimType::InvalidValue), "{kind} {value}");
            assert!(error.detail.starts_with(&format!("Attribute '{name}' expects")), "{kind} {value}: {error}");
        }
    }
}

#[test]
fn rfc7643_section_2_2_what_a_schema_of_ones_own_requires() {
    const URI: &str = "urn:example:2.0:User";
    let mut schemas = Schemas::load(true).unwrap();
    let file = json!({ "id": URI, "resourceType": "User", "required": true, "attributes": [
        { "name": "badge", "required": true },
        { "name": "stamp", "required": true, "mutability": "readOnly" },
        { "name": "cars", "type": "complex", "multiValued": true, "subAttributes": [
            { "name": "plate", "required": true }, { "name": "seen", "required": true, "mutability": "readOnly" },
        ] },
        { "name": "desk", "type": "complex", "subAttributes": [{ "name": "floor", "type": "integer", "required": true }] },
    ] });
    schemas.add("test.json", &file.to_string()).unwrap();
    let settled = |extension: Option<&Value>| {
        let mut user = json!({ "userName": "ann", "active": true });
        if let Some(extension) = extension {
            user[URI] = extension.clone();
        }
        settle(schemas.of(ResourceType::User), user.as_object().unwrap().clone()).map(|mut user| user.shift_remove(URI))
    };
    let whole = json!({ "badge": "7", "cars": [{ "plate": "1" }, { "plate": "2" }], "desk": { "floor": 0 } });
    for extension in [json!({ "badge": "7" }), whole] {
        assert_eq!(settled(Some(&extension)), Ok(Some(extension.clone())));
    }
    let refused = [
        (None, format!("The extension '{URI}' is required.")),
        (Some(json!({})), format!("Attribute '{URI}:badge' is required and must not be empty.")),
        (Some(json!({ "badge": "" })), format!("Attribute '{URI}:badge' is required and must not be empty.")),
        (
            Some(json!({ "badge": "7", "cars": [{ "plate": "1" }, { "x": "2" }] })),
            format!("Attribute '{URI}:cars.plate' is required."),
        ),
        (
            Some(json!({ "badge": "7", "cars": [{ "plate": "" }] })),
            format!("Attribute '{URI}:cars.plate' is required."),
        ),
        (Some(json!({ "badge": "7", "desk": { "x": 1 } })), format!("Attribute '{URI}:desk.floor' is required.")),
    ];
    for (extension, detail) in refused {
        assert_eq!(settled(extension.as_ref()), Err(ScimError::invalid_value(detail)));
    }
}

#[test]
fn rfc7643_section_3_schemas_names_what_is_there() {
    let schemas = Schemas::load(true).unwrap();
    let user = json!({
        "urn:example:2.0:User": { "a": 1 }, "userName": "ann", "active": true, "schemas": ["urn:x"],
        "urn:text": "x", "x": { "a": 1 }, ENTERPRISE_URI: { "department": "D" },
    });
    let settled = settle(schemas.of(ResourceType::User), user.as_object().unwrap().clone()).unwrap();
    assert_eq!(settled.keys().next().map(String::as_str), Some("schemas"));
    assert_eq!(settled["schemas"], json!([USER_URI, "urn:example:2.0:User", ENTERPRISE_URI]));
}

/// With each name compared with each, it would take minutes.
#[test]
fn as_many_members_as_a_body_can_hold_are_too_large_and_none_stands_twice() {
    let mut body: Object = (0..100_000).map(|number| (format!("x{number}"), json!(1))).collect();
    let schemas = Schemas::load(true).unwrap();
    let kept = user(Value::Object(body.clone())).0.unwrap();
    let required = [("userName".to_owned(), json!("ann")), ("active".to_owned(), json!(true))];
    let whole = kept.into_iter().chain(required).collect();
    assert_eq!(settle(schemas.of(ResourceType::User), whole).unwrap_err().status, 413);
    body.insert("X7".into(), json!(1));
    assert!(user(Value::Object(body)).0.unwrap_err().detail.contains("'X7' stands in the request twice"));
}
