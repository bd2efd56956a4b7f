use super::*;
use crate::protocol::schema::{ENTERPRISE_URI, ResourceType, Schemas, USER_URI};
use serde_json::json;

const BADGE_URI: &str = "urn:example:2.0:User";

/// With immutable attributes: `origin`, `birth.place` and `marks.id` of the core, `number` of an extension.
fn schemas() -> Schemas {
    let immutable = |name: &str| json!({ "name": name, "mutability": "immutable" });
    let complex = |name: &str, multi_valued: bool, sub: &str| json!({ "name": name, "type": "complex", "multiValued": multi_valued, "subAttributes": [immutable(sub), { "name": "note" }] });
    let core = json!({ "id": USER_URI, "resourceType": "User",
        "attributes": [immutable("origin"), complex("birth", false, "place"), complex("marks", true, "id")] });
    let badge =
        json!({ "id": BADGE_URI, "resourceType": "User", "attributes": [immutable("number"), { "name": "colour" }] });
    let mut schemas = Schemas::load(true).unwrap();
    for file in [core, badge] {
        schemas.add("test.json", &file.to_string()).unwrap();
    }
    schemas
}

fn object(value: &Value) -> Object {
    value.as_object().unwrap().clone()
}

#[test]
fn rfc7644_section_3_5_1_a_put_that_leaves_out_what_is_immutable_keeps_it() {
    let schemas = schemas();
    let before = json!({ "origin": "A", "title": "T", BADGE_URI: { "number": "7", "colour": "red" } });
    let cases = [
        (json!({}), json!({ "origin": "A", BADGE_URI: { "number": "7" } })),
        (
            json!({ "origin": "B", BADGE_URI: { "number": "8" } }),
            json!({ "origin": "B", BADGE_URI: { "number": "8" } }),
        ),
        (
            json!({ "title": "U", BADGE_URI: { "colour": "blue" } }),
            json!({ "title": "U", BADGE_URI: { "colour": "blue", "number": "7" }, "origin": "A" }),
        ),
        (json!({ BADGE_URI: "x" }), json!({ BADGE_URI: "x", "origin": "A" })),
    ];
    for (sent, expected) in cases {
        let mut after = object(&sent);
        keep_immutable(schemas.of(ResourceType::User), &object(&before), &mut after);
        assert_eq!(Value::Object(after), expected, "{sent}");
    }
    for before in [json!({}), json!({ BADGE_URI: { "colour": "red" } })] {
        let mut after = Object::new();
        keep_immutable(schemas.of(ResourceType::User), &object(&before), &mut after);
        assert_eq!(Value::Object(after), json!({}), "{before}");
    }
}

#[test]
fn rfc7643_section_7_what_is_immutable_is_set_once() {
    let schemas = schemas();
    let check = |before: &Value, after: &Value| check(schemas.of(ResourceType::User), &object(before), &object(after));
    let allowed = [
        (json!({}), json!({ "origin": "A", "birth": { "place": "P" }, BADGE_URI: { "number": "7" } })),
        (json!({ "origin": "A" }), json!({ "origin": "A", "title": "T" })),
        (json!({ "birth": { "note": "n" } }), json!({ "birth": { "note": "m", "place": "P" } })),
        (json!({ "birth": { "place": "P", "note": "n" } }), json!({ "birth": { "place": "P" } })),
        (json!({ BADGE_URI: { "number": "7", "colour": "red" } }), json!({ BADGE_URI: { "number": "7" } })),
        // Elements come and go.
        (json!({ "marks": [{ "id": "1" }, { "id": "2" }] }), json!({ "marks": [{ "id": "3" }] })),
        // Not strict: what no schema names is kept.
        (json!({}), json!({ "shoeSize": 44, "urn:example:9.0:User": { "a": 1 } })),
    ];
    for (before, after) in allowed {
        assert_eq!(check(&before, &after), Ok(()), "{before} {after}");
    }
    let refused = [
        (json!({ "origin": "A" }), json!({ "origin": "B" }), "origin"),
        (json!({ "origin": "A" }), json!({}), "origin"),
        (json!({ "birth": { "place": "P" } }), json!({ "birth": { "place": "Q" } }), "birth.place"),
        (json!({ "birth": { "place": "P" } }), json!({ "birth": { "note": "n" } }), "birth.place"),
        (json!({ "birth": { "place": "P" } }), json!({}), "birth.place"),
        (
            json!({ BADGE_URI: { "number": "7" } }),
            json!({ BADGE_URI: { "number": "8" } }),
            "urn:example:2.0:User:number",
        ),
        (json!({ BADGE_URI: { "number": "7" } }), json!({}), "urn:example:2.0:User:number"),
    ];
    for (before, after, label) in refused {
        let detail = format!("Attribute '{label}' is immutable: it was set before and cannot be changed.");
        let expected = ScimError::bad_request(ScimType::Mutability, detail);
        assert_eq!(check(&before, &after), Err(expected), "{before} {after}");
    }
}

#[test]
fn in_strict_mode_what_no_schema_names_is_refused_unless_it_was_there() {
    let schemas = schemas().strict();
    let check = |before: &Value, after: &Value| check(schemas.of(ResourceType::User), &object(before), &object(after));
    let allowed = [
        (
            json!({}),
            json!({ "userName": "a", "id": "7", "name": { "givenName": "A" }, "emails": [{ "value": "a@b" }],
                ENTERPRISE_URI: { "department": "D", "manager": { "value": "M" } } }),
        ),
        (json!({ "shoeSize": 44 }), json!({ "shoeSize": 44, "title": "T" })),
        (json!({ "emails": [{ "x": 1 }] }), json!({ "emails": [{ "x": 1 }] })),
        (json!({ "shoeSize": 44 }), json!({})),
        (json!({}), json!({ "title": { "x": 1 } })),
    ];
    for (before, after) in allowed {
        assert_eq!(check(&before, &after), Ok(()), "{before} {after}");
    }
    let refused = [
        (json!({}), json!({ "shoeSize": 44 }), "shoeSize".to_owned()),
        (json!({ "shoeSize": 44 }), json!({ "shoeSize": 45 }), "shoeSize".to_owned()),
        (json!({}), json!({ "name": { "givenName": "A", "nick": "B" } }), "name.nick".to_owned()),
        (json!({}), json!({ "emails": [{ "value": "a@b" }, { "x": 1 }] }), "emails.x".to_owned()),
        (json!({}), json!({ "urn:example:9.0:User": { "a": 1 } }), "urn:example:9.0:User".to_owned()),
        (json!({}), json!({ ENTERPRISE_URI: { "department": "D", "x": 1 } }), format!("{ENTERPRISE_URI}:x")),
        (json!({}), json!({ ENTERPRISE_URI: { "manager": { "x": 1 } } }), format!("{ENTERPRISE_URI}:manager.x")),
        (json!({}), json!({ ENTERPRISE_URI: 7 }), ENTERPRISE_URI.to_owned()),
    ];
    for (before, after, label) in refused {
        assert_eq!(check(&before, &after), Err(unknown(&label)), "{before} {after}");
        assert_eq!(unknown(&label).scim_type, Some(ScimType::InvalidSyntax));
    }
}
