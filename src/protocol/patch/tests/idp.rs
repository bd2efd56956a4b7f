//! What identity providers send.

use super::*;

#[test]
fn entra_a_value_path_without_a_match_creates_what_its_filter_describes() {
    let cases = [
        (
            json!([{ "op": "replace", "path": "phoneNumbers[type eq \"fax\"].value", "value": "1" }]),
            json!({ "phoneNumbers": [{ "type": "fax", "value": "1" }] }),
        ),
        (
            json!([{ "op": "add", "path": "addresses[type eq \"work\"].locality", "value": "Bern" },
            { "op": "add", "path": "addresses[TYPE eq \"Work\"].country", "value": "CH" }]),
            json!({ "addresses": [{ "type": "work", "locality": "Bern", "country": "CH" }] }),
        ),
        (
            json!([{ "op": "Add", "path": "roles[primary eq \"True\"].value", "value": "X" }]),
            json!({ "roles": [{ "primary": true, "value": "X" }] }),
        ),
        (
            json!([{ "op": "add", "path": "emails[type eq \"x\" and primary eq true].value", "value": "x" }]),
            json!({ "emails": [
            { "value": "w@x", "type": "work", "primary": false }, { "value": "h@x", "type": "home" },
            { "type": "x", "primary": true, "value": "x" },
        ] }),
        ),
        (
            json!([{ "op": "add", "path": "urn:new:1.0:User:cars[plate eq 1].colour", "value": "red" }]),
            json!({ "urn:new:1.0:User": { "cars": [{ "plate": 1, "colour": "red" }] } }),
        ),
    ];
    check_from(&ann(), &cases, false);
    assert!(patched(&ann(), &cases[0].0).1.contains(&"value_path_creates"));
}

#[test]
fn entra_aadoptscim062020_keys_of_an_operation_without_a_path_are_paths() {
    for op in ["add", "replace"] {
        let cases = [
            (
                json!([{ "op": op, "value": {
                "displayName": "D", "name.givenName": "A", "emails[type eq \"work\"].value": "n@x", "emails.display": "E",
                format!("{ENTERPRISE_URI}:department"): "IT", "urn:example:2.0:User:badge": "9", "id": "7", "groups": [],
                "schemas": [], "meta": {}, "shoeSize": 44, format!("{ENTERPRISE_URI}:manager.displayName"): "ignored",
            } }]),
                json!({
                    "displayName": "D", "shoeSize": 44,
                    "name": { "formatted": "Ann Lee", "givenName": "A", "familyName": "Lee" },
                    "emails": [{ "value": "n@x", "type": "work", "primary": true, "display": "E" }, { "value": "h@x", "type": "home" }],
                    ENTERPRISE_URI: { "department": "IT", "manager": ann()[ENTERPRISE_URI]["manager"] },
                    EXAMPLE_URI: { "badge": "9", "cars": [{ "plate": "1" }], "desk": { "floor": 1 } },
                }),
            ),
            (
                json!([{ "op": op, "value": { USER_URI: { "title": "T" }, "displayName": "D" } }]),
                json!({ "title": "T", "displayName": "D" }),
            ),
            (
                json!([{ "op": op, "value": { "urn:okta:custom:1.0": { "a": 1 } } }]),
                json!({ "urn:okta:custom:1.0": { "a": 1 } }),
            ),
            (json!([{ "op": op, "value": "{\"title\": \"T\"}" }]), json!({ "title": "T" })),
            (
                json!([{ "op": op, "value": { format!("{USER_URI}:ims[type eq \"x\"]"): { "value": "i" } } }]),
                json!({ "ims": [{ "type": "x", "value": "i" }] }),
            ),
        ];
        check_from(&ann(), &cases, false);
        assert_eq!(patched(&ann(), &cases[0].0).1, ["path_as_key"]);
        assert_eq!(patched(&ann(), &cases[3].0).1, ["object_as_json_string"]);
    }
}

#[test]
fn a_manager_in_every_form_is_one_object_and_forgets_the_old_one() {
    let enterprise = |manager: Value| match manager {
        Value::Null => json!({ ENTERPRISE_URI: { "department": "Sales" } }),
        manager => json!({ ENTERPRISE_URI: { "department": "Sales", "manager": manager } }),
    };
    let m2 = enterprise(json!({ "value": "M2" }));
    let path = format!("{ENTERPRISE_URI}:manager");
    for op in ["Add", "replace"] {
        for path in [path.as_str(), "manager", &format!("{ENTERPRISE_URI}.manager")] {
            let cases = [
                (json!([{ "op": op, "path": path, "value": "M2" }]), m2.clone()),
                (json!([{ "op": op, "path": path, "value": { "value": "M2" } }]), m2.clone()),
                (json!([{ "op": op, "path": path, "value": { "managerId": "M2" } }]), m2.clone()),
                (json!([{ "op": op, "path": path, "value": [{ "value": "M2" }] }]), m2.clone()),
                (
                    json!([{ "op": op, "path": path, "value": [{ "value": "M2", "$ref": "r" }] }]),
                    enterprise(json!({ "value": "M2", "$ref": "r" })),
                ),
                (json!([{ "op": op, "path": format!("{path}.value"), "value": "M2" }]), m2.clone()),
                (json!([{ "op": op, "value": { path: "M2" } }]), m2.clone()),
                (json!([{ "op": op, "value": { path: { "value": "M2" } } }]), m2.clone()),
                (json!([{ "op": op, "value": { ENTERPRISE_URI: { "manager": { "value": "M2" } } } }]), m2.clone()),
                (json!([{ "op": op, "path": path, "value": "M1" }]), json!({})),
                (json!([{ "op": op, "path": path, "value": "" }]), enterprise(Value::Null)),
                (json!([{ "op": op, "path": path, "value": { "value": "" } }]), enterprise(Value::Null)),
                (json!([{ "op": op, "path": path, "value": null }]), enterprise(Value::Null)),
                (json!([{ "op": op, "value": { ENTERPRISE_URI: { "manager": null } } }]), enterprise(Value::Null)),
                (json!([{ "op": "Remove", "path": path }]), enterprise(Value::Null)),
                (json!([{ "op": "Remove", "path": path, "value": { "value": "M1" } }]), enterprise(Value::Null)),
            ];
            check_from(&ann(), &cases, false);
        }
    }
}
