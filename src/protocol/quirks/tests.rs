use super::*;
use crate::protocol::error::ScimError;
use crate::protocol::schema::{ResourceType, Schemas, USER_URI};
use crate::protocol::{filter, members, patch, validation};
use serde_json::json;
use std::collections::BTreeSet;

/// Where a quirk can be.
#[derive(Debug)]
enum Sent {
    Filter(&'static str),
    Post(Value),
    Patch(Value),
    GroupPatch(Value),
}

/// What is understood, in a form that can be compared, and the quirks that fired.
fn understood(sent: &Sent) -> (Result<String, ScimError>, Vec<&'static str>) {
    let schemas = Schemas::load(true).unwrap();
    let user = schemas.of(ResourceType::User);
    let group = schemas.of(ResourceType::Group);
    let mut quirks = Quirks::default();
    let before = json!({
        "userName": "ann", "active": true, "title": "Boss",
        "emails": [{ "value": "a", "type": "work" }, { "value": "b" }],
        ENTERPRISE_URI: { "department": "Sales", "manager": { "value": "M1", "displayName": "Max" } },
    });
    let result = match sent {
        Sent::Filter(text) => filter::parse(text, user, &mut quirks).map(|filter| format!("{filter:?}")),
        Sent::Post(body) => {
            validation::accept(user, body.clone(), &mut quirks).map(|kept| Value::Object(kept).to_string())
        }
        Sent::Patch(operation) => patch::parse(user, &json!({ "Operations": [operation] }), &mut quirks)
            .and_then(|operations| patch::apply(user, before.as_object().unwrap(), &operations, &mut quirks))
            .map(|after| Value::Object(after).to_string()),
        Sent::GroupPatch(operation) => patch::parse(group, &json!({ "Operations": [operation] }), &mut quirks)
            .and_then(|operations| members::split(group, operations, &mut quirks))
            .map(|edits| format!("{edits:?}")),
    };
    (result, quirks.names().to_vec())
}

/// The name that fires, who sends it and how, and the strict form of the same.
fn cases() -> Vec<(&'static str, Sent, Sent)> {
    use Sent::{Filter, GroupPatch, Patch, Post};
    let manager = format!("{ENTERPRISE_URI}:manager");
    let replace = |path: &str, value: Value| json!({ "op": "replace", "path": path, "value": value });
    let set_manager = |value: Value| Patch(replace(&manager, value));
    let strict_manager = || set_manager(json!({ "value": "M2" }));
    let enterprise = |value: Value| Post(json!({ ENTERPRISE_URI: value }));
    vec![
        (
            "capitalised_op",
            Patch(json!({ "op": "Replace", "path": "title", "value": "T" })),
            Patch(replace("title", json!("T"))),
        ),
        (
            "capitalised_op",
            Patch(json!({ "op": "REMOVE", "path": "title" })),
            Patch(json!({ "op": "remove", "path": "title" })),
        ),
        ("boolean_as_string", Patch(replace("active", json!("False"))), Patch(replace("active", json!(false)))),
        ("boolean_as_string", Post(json!({ "active": "true" })), Post(json!({ "active": true }))),
        (
            "boolean_as_string",
            Post(json!({ "roles": [{ "value": "x", "primary": "True" }] })),
            Post(json!({ "roles": [{ "value": "x", "primary": true }] })),
        ),
        (
            "single_value_as_array",
            Post(json!({ "emails": { "value": "a" } })),
            Post(json!({ "emails": [{ "value": "a" }] })),
        ),
        ("string_as_complex", Post(json!({ "emails": ["a"] })), Post(json!({ "emails": [{ "value": "a" }] }))),
        ("string_as_complex", set_manager(json!("M2")), strict_manager()),
        (
            "string_as_complex",
            enterprise(json!({ "manager": "M2" })),
            enterprise(json!({ "manager": { "value": "M2" } })),
        ),
        ("array_as_single_value", set_manager(json!([{ "value": "M2" }])), strict_manager()),
        (
            "array_as_single_value",
            enterprise(json!({ "manager": [{ "value": "M2" }] })),
            enterprise(json!({ "manager": { "value": "M2" } })),
        ),
        ("manager_id", set_manager(json!({ "ManagerId": "M2" })), strict_manager()),
        (
            "misspelt_schema_uri",
            Post(json!({ "urn:scim:schemas:extension:enterprise:1.0": { "department": "D" } })),
            enterprise(json!({ "department": "D" })),
        ),
        (
            "misspelt_schema_uri",
            Post(json!({ "urn:ietf:params:scim:schemas:extension:enterprise:2.0User": { "department": "D" } })),
            enterprise(json!({ "department": "D" })),
        ),
        (
            "dot_after_schema_uri",
            Patch(replace(&format!("{ENTERPRISE_URI}.department"), json!("D"))),
            Patch(replace(&format!("{ENTERPRISE_URI}:department"), json!("D"))),
        ),
        (
            "unqualified_extension_attribute",
            Patch(replace("department", json!("D"))),
            Patch(replace(&format!("{ENTERPRISE_URI}:department"), json!("D"))),
        ),
        ("unquoted_filter_value", Filter("userName eq ann@example.com"), Filter("userName eq \"ann@example.com\"")),
        ("boolean_in_filter_as_string", Filter("roles[primary eq \"True\"]"), Filter("roles[primary eq true]")),
        ("boolean_in_filter_as_string", Filter("active ne FALSE"), Filter("active ne false")),
        (
            "comparison_after_value_path",
            Filter("emails[type eq \"work\"].value eq \"x\" or title pr"),
            Filter("emails[(type eq \"work\") and value eq \"x\"] or title pr"),
        ),
        (
            "comparison_after_value_path",
            Filter("emails[type eq \"work\"].value pr"),
            Filter("emails[type eq \"work\" and value pr]"),
        ),
        (
            "object_as_json_string",
            Patch(json!({ "op": "replace", "value": "{\"title\":\"T\"}" })),
            Patch(json!({ "op": "replace", "value": { "title": "T" } })),
        ),
        (
            "path_as_key",
            Patch(json!({ "op": "replace", "value": { "name.givenName": "A" } })),
            Patch(json!({ "op": "replace", "value": { "name": { "givenName": "A" } } })),
        ),
        (
            "path_as_key",
            Patch(json!({ "op": "add", "value": { format!("{ENTERPRISE_URI}:department"): "D" } })),
            Patch(json!({ "op": "add", "value": { ENTERPRISE_URI: { "department": "D" } } })),
        ),
        (
            "path_as_key",
            Patch(json!({ "op": "add", "value": { "emails[type eq \"work\"].value": "x" } })),
            Patch(json!({ "op": "add", "path": "emails[type eq \"work\"].value", "value": "x" })),
        ),
        ("empty_string_clears", Patch(replace("title", json!(""))), Patch(replace("title", json!(null)))),
        ("empty_string_clears", set_manager(json!("")), set_manager(json!(null))),
        ("empty_string_clears", set_manager(json!({ "value": "" })), set_manager(json!(null))),
        (
            "remove_with_value",
            GroupPatch(json!({ "op": "remove", "path": "members", "value": [{ "value": "U1" }] })),
            GroupPatch(json!({ "op": "remove", "path": "members[value eq \"U1\"]" })),
        ),
        (
            "remove_with_value",
            Patch(json!({ "op": "remove", "path": "emails", "value": [{ "value": null, "type": "work" }] })),
            Patch(json!({ "op": "remove", "path": "emails[type eq \"work\"]" })),
        ),
        (
            "value_path_creates",
            Patch(replace("ims[type eq \"x\" and primary eq true].value", json!("i"))),
            Patch(json!({ "op": "add", "path": "ims", "value": [{ "type": "x", "primary": true, "value": "i" }] })),
        ),
    ]
}

#[test]
fn each_quirk_means_the_strict_form_and_fires_its_own_name_alone() {
    for (name, sent, strict) in cases() {
        let (result, fired) = understood(&sent);
        let (expected, strict_fired) = understood(&strict);
        assert_eq!(result.unwrap(), expected.unwrap(), "{sent:?}");
        assert_eq!(fired, [name], "{sent:?}");
        assert!(strict_fired.is_empty(), "{strict:?}: {strict_fired:?}");
    }
}

#[test]
fn each_quirk_is_named_for_its_function_and_stands_in_a_case() {
    let source = include_str!("../quirks.rs");
    let mut function = "";
    let mut names = BTreeSet::new();
    for line in source.lines() {
        if let Some(rest) = line.strip_prefix("pub fn ") {
            function = rest.split(['(', '<']).next().unwrap();
        }
        if let Some((_, rest)) = line.split_once("quirks.fire(\"") {
            let name = rest.split('"').next().unwrap();
            assert_eq!(name, function);
            names.insert(name);
        }
    }
    assert_eq!(names, cases().iter().map(|(name, ..)| *name).collect());
}

#[test]
fn what_is_not_the_quirk_is_left_alone() {
    use Sent::{Filter, Patch, Post};
    let refused = [
        Patch(json!({ "op": "replace", "path": "active", "value": "yes" })),
        Patch(json!({ "op": "replace", "path": "active", "value": 0 })),
        Patch(json!({ "op": "replace", "path": "active", "value": "" , "x": 1 })),
        Patch(json!({ "op": "replace", "path": "name", "value": [{ "givenName": "A" }, { "givenName": "B" }] })),
        Patch(json!({ "op": "replace", "path": "name", "value": "Ann" })),
        Patch(json!({ "op": "replace", "value": "[1]" })),
        Patch(json!({ "op": "adds", "path": "title", "value": "T" })),
        Post(json!({ "name": "Ann" })),
        Post(json!({ "addresses": ["Main St"] })),
        Filter("active eq \"yes\""),
        Filter("emails[type eq \"work\"].value"),
        Filter("emails[type eq \"work\"].value eq"),
        Filter("emails[type eq \"work\"]value eq \"x\""),
        Filter("type eq \"work\"].value eq \"x\""),
    ];
    for sent in refused {
        assert!(understood(&sent).0.is_err(), "{sent:?}");
    }
    let strict = [
        Post(json!({ "title": null, "roles": [], "USERNAME": "a", "active": false, USER_URI: "x" })),
        Post(json!({ "title": "true", "nickName": "" })),
        Post(json!({ "name": { "givenName": "A", "managerId": "M1" } })),
        Post(json!({ ENTERPRISE_URI: { "manager": { "value": "M1", "managerId": "M2" } } })),
        Post(json!({ "roles": [{ "value": "{\"id\":\"1\",\"value\":\"Admin\"}" }] })),
        Patch(json!({ "op": "add", "path": "roles", "value": [{ "value": "{\"id\":\"1\"}" }] })),
        Patch(json!({ "op": "replace", "path": "title", "value": " " })),
        Patch(json!({ "op": "replace", "value": { "NAME": { "givenName": "A" } } })),
        Patch(json!({ "op": "replace", "value": { ENTERPRISE_URI.to_uppercase(): { "department": "D" } } })),
        Patch(json!({ "op": "replace", "value": { "urn:example:2.0:User": { "badge": 1 } } })),
        Filter("active eq true and title eq \"true\" and title ne null"),
    ];
    for sent in strict {
        let (result, fired) = understood(&sent);
        assert!(result.is_ok(), "{sent:?}: {result:?}");
        assert!(fired.is_empty(), "{sent:?}: {fired:?}");
    }
}

#[test]
fn a_name_is_kept_once_in_the_order_it_fired() {
    let mut quirks = Quirks::default();
    for name in ["b", "a", "b"] {
        quirks.fire(name);
    }
    assert_eq!(quirks.names(), ["b", "a"]);
}
