mod idp;
mod refused;
mod unknown;

use super::*;
use crate::protocol::schema::{ENTERPRISE_URI, ResourceType, Schemas, USER_URI};
use serde_json::json;

const EXAMPLE_URI: &str = "urn:example:2.0:User";

fn ann() -> Value {
    json!({
        "schemas": [USER_URI, ENTERPRISE_URI, EXAMPLE_URI],
        "userName": "ann",
        "active": true,
        "title": "Boss",
        "name": { "formatted": "Ann Lee", "givenName": "Ann", "familyName": "Lee" },
        "emails": [{ "value": "w@x", "type": "work", "primary": true }, { "value": "h@x", "type": "home" }],
        ENTERPRISE_URI: {
            "department": "Sales",
            "manager": { "value": "M1", "$ref": "https://example.com/Users/M1" },
        },
        EXAMPLE_URI: { "badge": "007", "cars": [{ "plate": "1" }], "desk": { "floor": 1 } },
    })
}

fn bare() -> Value {
    json!({ "schemas": [USER_URI], "userName": "bare", "active": true })
}

fn patched(user: &Value, operations: &Value) -> (Result<Value, ScimError>, Vec<&'static str>) {
    let schemas = Schemas::load(true).unwrap();
    let schema = schemas.of(ResourceType::User);
    let before = user.as_object().unwrap().clone();
    let mut quirks = Quirks::default();
    let result = parse(schema, &json!({ "Operations": operations }), &mut quirks)
        .and_then(|operations| apply(schema, &before, &operations, &mut quirks));
    assert_eq!(Value::Object(before), *user, "the resource is untouched: {operations}");
    (result.map(Value::Object), quirks.names().to_vec())
}

/// `user` with the members of `changes`; null takes one away. `schemas` follows the extensions.
fn changed(user: &Value, changes: &Value) -> Value {
    let mut user = user.as_object().unwrap().clone();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => user.shift_remove(name),
            value => user.insert(name.clone(), value.clone()),
        };
    }
    let extensions = user.keys().filter(|name| name.starts_with("urn:")).map(String::as_str);
    let schemas: Vec<&str> = std::iter::once(USER_URI).chain(extensions).collect();
    user.insert("schemas".into(), json!(schemas));
    Value::Object(user)
}

/// Each of `cases` is operations and the members of `user` that they change.
fn check_from(user: &Value, cases: &[(Value, Value)], strict: bool) {
    let sorted = |mut document: Value| {
        document["schemas"].as_array_mut().unwrap().sort_by_key(ToString::to_string);
        document
    };
    for (operations, changes) in cases {
        let (result, fired) = patched(user, operations);
        let result = result.unwrap_or_else(|error| panic!("{operations}: {error}"));
        assert_eq!(sorted(result), sorted(changed(user, changes)), "{operations}");
        assert!(!strict || fired.is_empty(), "{operations}: {fired:?}");
    }
}

#[test]
fn rfc7644_sections_3_5_2_1_to_3_5_2_3_examples_of_users() {
    let mut user = bare();
    user["nickName"] = "Barbara".into();
    user["emails"] = json!([
        { "value": "bjensen@example.com", "type": "work" }, { "value": "b@example.net", "type": "work" }
    ]);
    user["addresses"] = json!([
        { "type": "work", "streetAddress": "100 Universal City Plaza", "locality": "Hollywood" },
        { "type": "home", "streetAddress": "456 Hollywood Blvd", "primary": true },
    ]);
    let work = json!({
        "type": "work", "streetAddress": "911 Universal City Plaza", "locality": "Hollywood", "region": "CA",
        "postalCode": "91608", "country": "US",
        "formatted": "911 Universal City Plaza\nHollywood, CA 91608 US", "primary": true,
    });
    let two = json!([
        { "value": "bjensen@example.com", "type": "work", "primary": true },
        { "value": "babs@jensen.org", "type": "home" }
    ]);
    let cases = [
        (
            json!([{ "op": "add", "value": { "emails": [{ "value": "babs@jensen.org", "type": "home" }], "nickname": "Babs" } }]),
            json!({ "nickName": "Babs", "emails": [
                { "value": "bjensen@example.com", "type": "work" }, { "value": "b@example.net", "type": "work" },
                { "value": "babs@jensen.org", "type": "home" },
            ] }),
        ),
        (
            json!([{ "op": "remove", "path": "emails[type eq \"work\" and value ew \"example.com\"]" }]),
            json!({ "emails": [{ "value": "b@example.net", "type": "work" }] }),
        ),
        (
            json!([{ "op": "replace", "path": "addresses[type eq \"work\"]", "value": work }]),
            json!({ "addresses": [
                work, { "type": "home", "streetAddress": "456 Hollywood Blvd", "primary": false }
            ] }),
        ),
        (
            json!([{ "op": "replace", "path": "addresses[type eq \"work\"].streetAddress", "value": "1010 Broadway Ave" }]),
            json!({ "addresses": [
                { "type": "work", "streetAddress": "1010 Broadway Ave", "locality": "Hollywood" },
                { "type": "home", "streetAddress": "456 Hollywood Blvd", "primary": true },
            ] }),
        ),
        (
            json!([{ "op": "replace", "value": { "emails": two, "nickname": "Babs" } }]),
            json!({ "emails": two, "nickName": "Babs" }),
        ),
    ];
    check_from(&user, &cases, true);
}

#[test]
fn every_operation_on_every_form_of_path() {
    let manager = format!("{ENTERPRISE_URI}:manager");
    let department = format!("{ENTERPRISE_URI}:department");
    let [work, home] = [ann()["emails"][0].clone(), ann()["emails"][1].clone()];
    let with = |element: &Value, name: &str, value: Value| {
        let mut element = element.clone();
        element[name] = value;
        element
    };
    let enterprise = |department: Value| {
        let mut extension = ann()[ENTERPRISE_URI].clone();
        extension["department"] = department;
        json!({ ENTERPRISE_URI: extension })
    };
    let name = |given: &str| json!({ "name": { "formatted": "Ann Lee", "givenName": given, "familyName": "Lee" } });
    for op in ["add", "replace"] {
        let is_add = op == "add";
        let other = json!({ "value": "o@x", "type": "other" });
        let emails = if is_add { json!([work, home, other]) } else { json!([other]) };
        let cases = [
            (
                json!([{ "op": op, "value": { "title": "T", "active": false } }]),
                json!({ "title": "T", "active": false }),
            ),
            (json!([{ "op": op, "value": { "name": { "givenName": "A" } } }]), name("A")),
            (json!([{ "op": op, "value": { ENTERPRISE_URI: { "Department": "IT" } } }]), enterprise(json!("IT"))),
            (json!([{ "op": op, "path": "TITLE", "value": "T" }]), json!({ "title": "T" })),
            (json!([{ "op": op, "path": "nickName", "value": "N" }]), json!({ "nickName": "N" })),
            (json!([{ "op": op, "path": format!("{USER_URI}:title"), "value": "T" }]), json!({ "title": "T" })),
            (json!([{ "op": op, "path": "name", "value": { "GIVENNAME": "A" } }]), name("A")),
            (
                json!([{ "op": op, "path": "name", "value": { "givenName": "A", "formatted": null } }]),
                json!({ "name": { "givenName": "A", "familyName": "Lee" } }),
            ),
            (json!([{ "op": op, "path": "name.givenName", "value": "A" }]), name("A")),
            (json!([{ "op": op, "path": "emails", "value": [other] }]), json!({ "emails": emails })),
            (json!([{ "op": op, "path": "ims", "value": [{ "value": "i" }] }]), json!({ "ims": [{ "value": "i" }] })),
            (
                json!([{ "op": op, "path": "emails.display", "value": "D" }]),
                json!({ "emails": [with(&work, "display", json!("D")), home] }),
            ),
            (
                json!([{ "op": op, "path": "emails[type eq \"HOME\"]", "value": { "display": "D" } }]),
                json!({ "emails": [work, with(&home, "display", json!("D"))] }),
            ),
            (
                json!([{ "op": op, "path": "emails[type eq \"home\"].value", "value": "n@x" }]),
                json!({ "emails": [work, with(&home, "value", json!("n@x"))] }),
            ),
            (
                json!([{ "op": op, "path": "emails[value pr].display", "value": "D" }]),
                json!({ "emails": [with(&work, "display", json!("D")), with(&home, "display", json!("D"))] }),
            ),
            (json!([{ "op": op, "path": department, "value": "IT" }]), enterprise(json!("IT"))),
            (json!([{ "op": op, "path": ENTERPRISE_URI, "value": { "department": "IT" } }]), enterprise(json!("IT"))),
            (json!([{ "op": op, "path": format!("{manager}.value"), "value": "M1" }]), json!({})),
            (
                json!([{ "op": op, "path": "urn:example:2.0:User:badge", "value": "008" }]),
                json!({ EXAMPLE_URI: { "badge": "008", "cars": [{ "plate": "1" }], "desk": { "floor": 1 } } }),
            ),
            (
                json!([{ "op": op, "path": "urn:example:2.0:User:desk.floor", "value": 2 }]),
                json!({ EXAMPLE_URI: { "badge": "007", "cars": [{ "plate": "1" }], "desk": { "floor": 2 } } }),
            ),
            (
                json!([{ "op": op, "path": "urn:example:2.0:User:cars[plate eq \"1\"].colour", "value": "red" }]),
                json!({ EXAMPLE_URI: { "badge": "007", "cars": [{ "plate": "1", "colour": "red" }], "desk": { "floor": 1 } } }),
            ),
            (
                json!([{ "op": op, "path": "urn:new:1.0:User:a.b", "value": [1] }]),
                json!({ "urn:new:1.0:User": { "a": { "b": [1] } } }),
            ),
            (
                json!([{ "op": op, "path": "urn:new:1.0:User", "value": { "a": { "b": 1 } } }]),
                json!({ "urn:new:1.0:User": { "a": { "b": 1 } } }),
            ),
            (json!([{ "op": op, "path": "title", "value": null }]), json!({ "title": null })),
            (json!([{ "op": op, "path": "password", "value": "secret" }]), json!({})),
        ];
        check_from(&ann(), &cases, true);
    }
    let cases = [
        (json!([{ "op": "remove", "path": "title" }]), json!({ "title": null })),
        (json!([{ "op": "remove", "path": "nickName" }]), json!({})),
        (
            json!([{ "op": "remove", "path": "name.givenName" }]),
            json!({ "name": { "formatted": "Ann Lee", "familyName": "Lee" } }),
        ),
        (json!([{ "op": "remove", "path": "name.middleName" }]), json!({})),
        (json!([{ "op": "remove", "path": "name" }]), json!({ "name": null })),
        (json!([{ "op": "remove", "path": "emails" }]), json!({ "emails": null })),
        (
            json!([{ "op": "remove", "path": "emails.type" }]),
            json!({ "emails": [{ "value": "w@x", "primary": true }, { "value": "h@x" }] }),
        ),
        (
            json!([{ "op": "remove", "path": "emails.type", "value": "work" }]),
            json!({ "emails": [{ "value": "w@x", "primary": true }, { "value": "h@x" }] }),
        ),
        (json!([{ "op": "remove", "path": "emails[type eq \"work\"]" }]), json!({ "emails": [home] })),
        (json!([{ "op": "remove", "path": "emails[type pr]" }]), json!({ "emails": null })),
        (json!([{ "op": "remove", "path": "emails[type eq \"fax\"]" }]), json!({})),
        (json!([{ "op": "remove", "path": "ims[type eq \"fax\"].value" }]), json!({})),
        (
            json!([{ "op": "remove", "path": "emails[type eq \"work\"].primary" }]),
            json!({ "emails": [{ "value": "w@x", "type": "work" }, home] }),
        ),
        (json!([{ "op": "remove", "path": manager }]), json!({ ENTERPRISE_URI: { "department": "Sales" } })),
        (
            json!([{ "op": "remove", "path": department }, { "op": "remove", "path": manager }]),
            json!({ ENTERPRISE_URI: null }),
        ),
        (json!([{ "op": "remove", "path": ENTERPRISE_URI }]), json!({ ENTERPRISE_URI: null })),
        (
            json!([{ "op": "remove", "path": "URN:EXAMPLE:2.0:USER:CARS" }]),
            json!({ EXAMPLE_URI: { "badge": "007", "desk": { "floor": 1 } } }),
        ),
        (
            json!([{ "op": "remove", "path": "urn:example:2.0:User:cars[plate eq \"1\"]" }]),
            json!({ EXAMPLE_URI: { "badge": "007", "desk": { "floor": 1 } } }),
        ),
        (
            json!([{ "op": "remove", "path": "urn:example:2.0:User:desk.floor" }]),
            json!({ EXAMPLE_URI: { "badge": "007", "cars": [{ "plate": "1" }] } }),
        ),
        (json!([{ "op": "remove", "path": "urn:other:2.0:User:x" }]), json!({})),
        (
            json!([{ "op": "remove", "path": "title" }, { "op": "add", "path": "title", "value": "A" },
            { "op": "replace", "path": "title", "value": "B" }]),
            json!({ "title": "B" }),
        ),
    ];
    check_from(&ann(), &cases, true);
}

#[test]
fn rfc7644_section_3_5_2_3_what_is_not_there_is_added() {
    let cases = [
        (json!([{ "op": "replace", "path": "name.givenName", "value": "A" }]), json!({ "name": { "givenName": "A" } })),
        (
            json!([{ "op": "replace", "path": "name", "value": { "givenName": "A" } }]),
            json!({ "name": { "givenName": "A" } }),
        ),
        (
            json!([{ "op": "replace", "path": "emails.value", "value": "a@b" }]),
            json!({ "emails": [{ "value": "a@b" }] }),
        ),
        (
            json!([{ "op": "replace", "path": format!("{ENTERPRISE_URI}:manager.value"), "value": "M" }]),
            json!({ ENTERPRISE_URI: { "manager": { "value": "M" } } }),
        ),
        (json!([{ "op": "replace", "path": ENTERPRISE_URI, "value": {} }]), json!({})),
        (json!([{ "op": "replace", "path": "emails", "value": [] }]), json!({})),
        // An element that is there already is not added again.
        (
            json!([{ "op": "add", "path": "emails", "value": [{ "value": "a" }] }, { "op": "add", "path": "emails", "value": [{ "value": "a" }] }]),
            json!({ "emails": [{ "value": "a" }] }),
        ),
    ];
    check_from(&bare(), &cases, true);
}

#[test]
fn a_sub_attribute_that_no_schema_names_is_one_in_any_case() {
    let mut user = ann();
    user["emails"][1]["Note"] = json!(1);
    user["name"]["Nick"] = json!("A");
    let home = |note: u8| json!({ "value": "h@x", "type": "home", "Note": note });
    let name = json!({ "formatted": "Ann Lee", "givenName": "Ann", "familyName": "Lee", "Nick": "B" });
    let desk = |floor: u8| json!({ "badge": "007", "cars": [{ "plate": "1" }], "desk": { "floor": floor } });
    let cases = [
        (
            json!([{ "op": "replace", "path": "emails[type eq \"home\"]", "value": { "note": 2, "NOTE2": 3 } }]),
            json!({ "emails": [user["emails"][0], { "value": "h@x", "type": "home", "Note": 2, "NOTE2": 3 }] }),
        ),
        (
            json!([{ "op": "add", "path": "emails[type eq \"home\"]", "value": { "nOTE": 4 } }]),
            json!({ "emails": [user["emails"][0], home(4)] }),
        ),
        (json!([{ "op": "replace", "path": "name", "value": { "nick": "B" } }]), json!({ "name": name })),
        (
            json!([{ "op": "add", "path": "urn:example:2.0:User:desk", "value": { "Floor": 2 } }]),
            json!({ EXAMPLE_URI: desk(2) }),
        ),
        (
            json!([{ "op": "replace", "path": "urn:example:2.0:User:desk.FLOOR", "value": 3 }]),
            json!({ EXAMPLE_URI: desk(3) }),
        ),
    ];
    check_from(&user, &cases, true);
}

#[test]
fn rfc7643_section_2_5_null_is_the_same_as_an_empty_array() {
    let cases = [
        (json!([{ "op": "add", "path": "emails", "value": [] }]), json!({})),
        (json!([{ "op": "add", "path": "emails", "value": null }]), json!({})),
        (json!([{ "op": "add", "value": { "emails": null, "ims": [] } }]), json!({})),
        (json!([{ "op": "replace", "path": "emails", "value": [] }]), json!({ "emails": null })),
        (json!([{ "op": "replace", "path": "emails", "value": null }]), json!({ "emails": null })),
        (json!([{ "op": "replace", "value": { "emails": null } }]), json!({ "emails": null })),
    ];
    check_from(&ann(), &cases, true);
}

#[test]
fn rfc7644_section_3_5_2_a_new_primary_takes_the_place_of_the_old_one() {
    let work = json!({ "value": "w@x", "type": "work", "primary": false });
    let home = json!({ "value": "h@x", "type": "home", "primary": true });
    let other = json!({ "value": "o@x", "primary": true });
    let cases = [
        (
            json!([{ "op": "replace", "path": "emails[type eq \"home\"].primary", "value": true }]),
            json!({ "emails": [work, home] }),
        ),
        (
            json!([{ "op": "add", "path": "emails[type eq \"home\"]", "value": { "primary": true } }]),
            json!({ "emails": [work, home] }),
        ),
        (
            json!([{ "op": "add", "path": "emails", "value": [other] }]),
            json!({ "emails": [work, { "value": "h@x", "type": "home" }, other] }),
        ),
        (
            json!([{ "op": "add", "value": { "emails": [other] } }]),
            json!({ "emails": [work, { "value": "h@x", "type": "home" }, other] }),
        ),
        (
            json!([{ "op": "add", "path": "emails", "value": [{ "value": "n@x" }, other] }]),
            json!({ "emails": [work, { "value": "h@x", "type": "home" }, { "value": "n@x" }, other] }),
        ),
        (json!([{ "op": "replace", "path": "emails", "value": [other] }]), json!({ "emails": [other] })),
        (
            json!([{ "op": "replace", "path": "emails[type eq \"work\"].primary", "value": false }]),
            json!({ "emails": [work, { "value": "h@x", "type": "home" }] }),
        ),
        (
            json!([{ "op": "replace", "path": "emails.value", "value": "n@x" }]),
            json!({ "emails": [{ "value": "n@x", "type": "work", "primary": true }, { "value": "h@x", "type": "home" }] }),
        ),
    ];
    check_from(&ann(), &cases, true);
    let two = json!([{ "op": "replace", "path": "emails", "value": [other, home] }]);
    assert_eq!(patched(&ann(), &two).0.unwrap_err().scim_type, Some(ScimType::InvalidValue));
}

#[test]
fn whatever_one_operation_leaves_is_what_a_post_of_it_would_keep() {
    let schemas = Schemas::load(true).unwrap();
    let schema = schemas.of(ResourceType::User);
    let paths = [
        "title",
        "name",
        "name.givenName",
        "emails",
        "emails.value",
        "emails[type eq \"work\"]",
        "emails[type eq \"x\"].value",
        "emails[type eq \"home\"].primary",
        "x509Certificates[type eq \"x\"].value",
        "manager",
        "manager.value",
        ENTERPRISE_URI,
        "name[givenName eq \"x\"]",
        "urn:new:1.0:User",
        "urn:example:2.0:User:cars",
        "urn:example:2.0:User:desk.floor",
    ];
    let values = [
        json!(null),
        json!(""),
        json!("é"),
        json!(7),
        json!(true),
        json!([]),
        json!({}),
        json!(["a"]),
        json!([{ "value": "a" }]),
        json!({ "value": "a", "primary": true }),
        json!({ "value": null }),
        json!([[]]),
        json!([null]),
        json!({ "title": {} }),
        json!([{ "primary": true }, { "primary": "true" }]),
        json!({ "emails.value": "QQ==", "manager": { "value": {} } }),
    ];
    for user in [ann(), bare()] {
        for (op, value) in
            ["add", "replace", "remove"].into_iter().flat_map(|op| values.iter().map(move |value| (op, value)))
        {
            let without_path = json!({ "op": op, "value": value });
            let with_path = paths.iter().map(|path| json!({ "op": op, "path": path, "value": value }));
            for operation in with_path.chain([without_path]) {
                let Ok(Value::Object(after)) = patched(&user, &json!([operation])).0 else { continue };
                let mut quirks = Quirks::default();
                let kept = crate::protocol::validation::accept(schema, after.clone().into(), &mut quirks).unwrap();
                let mut expected = after;
                expected.shift_remove("schemas");
                assert_eq!(Value::Object(kept), Value::Object(expected), "{operation}");
                assert!(quirks.names().is_empty(), "{operation}: {:?}", quirks.names());
            }
        }
    }
}
