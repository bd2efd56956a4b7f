use super::*;
use crate::protocol::patch;
use crate::protocol::schema::Schemas;
use serde_json::json;

/// How many operations are not on members, and the edits of those that are.
type Edits = (usize, Vec<MemberEdit>);

fn edits(operations: &Value) -> (Result<Edits, ScimError>, Vec<&'static str>) {
    let schemas = Schemas::load(true).unwrap();
    let schema = schemas.of(ResourceType::Group);
    let mut quirks = Quirks::default();
    let result = patch::parse(schema, &json!({ "Operations": operations }), &mut quirks)
        .and_then(|operations| split(schema, operations, &mut quirks))
        .map(|(others, edits)| (others.len(), edits));
    (result, quirks.names().to_vec())
}

fn plain(id: &str) -> Member {
    Member { id: id.into(), resource_type: None, display: None }
}

fn check(cases: Vec<(Value, usize, Vec<MemberEdit>, Vec<&str>)>) {
    for (operations, others, expected, names) in cases {
        let (result, fired) = edits(&operations);
        assert_eq!(result.unwrap(), (others, expected), "{operations}");
        assert_eq!(fired, names, "{operations}");
    }
}

fn remove(id: &str) -> MemberEdit {
    MemberEdit::Remove(vec![id.into()])
}

#[test]
fn rfc7644_sections_3_5_2_1_to_3_5_2_3_examples_of_groups() {
    let named = |id: &str, display: &str| Member {
        id: id.into(),
        resource_type: Some(ResourceType::User),
        display: Some(display.into()),
    };
    let babs = json!({
        "display": "Babs Jensen",
        "$ref": "https://example.com/v2/Users/2819c223...413861904646",
        "value": "2819c223-7f76-453a-919d-413861904646",
    });
    let james = json!({
        "display": "James Smith",
        "$ref": "https://example.com/v2/Users/08e1d05d...473d93df9210",
        "value": "08e1d05d...473d93df9210",
    });
    let is_babs = named("2819c223-7f76-453a-919d-413861904646", "Babs Jensen");
    let is_james = named("08e1d05d...473d93df9210", "James Smith");
    check(vec![
        (
            json!([{ "op": "add", "path": "members", "value": [babs] }]),
            0,
            vec![MemberEdit::Add(vec![is_babs.clone()])],
            vec![],
        ),
        (
            json!([{ "op": "remove", "path": "members[value eq \"2819c223-7f76-...413861904646\"]" }]),
            0,
            vec![remove("2819c223-7f76-...413861904646")],
            vec![],
        ),
        (json!([{ "op": "remove", "path": "members" }]), 0, vec![MemberEdit::Replace(vec![])], vec![]),
        (
            json!([
                { "op": "remove", "path": "members[value eq\"2819c223...919d-413861904646\"]" },
                { "op": "add", "path": "members", "value": [james] }
            ]),
            0,
            vec![remove("2819c223...919d-413861904646"), MemberEdit::Add(vec![is_james.clone()])],
            vec![],
        ),
        (
            json!([{ "op": "remove", "path": "members" }, { "op": "add", "path": "members", "value": [babs, james] }]),
            0,
            vec![MemberEdit::Replace(vec![]), MemberEdit::Add(vec![is_babs.clone(), is_james.clone()])],
            vec![],
        ),
        (
            json!([{ "op": "replace", "path": "members", "value": [babs, james] }]),
            0,
            vec![MemberEdit::Replace(vec![is_babs, is_james])],
            vec![],
        ),
    ]);
}

#[test]
fn every_form_of_adding_members_that_idps_send() {
    let add = |ids: &[&str]| vec![MemberEdit::Add(ids.iter().map(|id| plain(id)).collect())];
    let group_uri = "urn:ietf:params:scim:schemas:core:2.0:Group";
    check(vec![
        (
            json!([{ "op": "Add", "path": "members", "value": [{ "$ref": null, "value": "U1" }] }]),
            0,
            add(&["U1"]),
            vec!["capitalised_op"],
        ),
        (
            json!([{ "op": "add", "path": "members", "value": [{ "value": "U1", "displayName": "x" }] }]),
            0,
            add(&["U1"]),
            vec![],
        ),
        (
            json!([{ "op": "add", "path": "Members", "value": [{ "Value": "U1" }, { "value": "U2" }] }]),
            0,
            add(&["U1", "U2"]),
            vec![],
        ),
        (
            json!([{ "op": "add", "path": format!("{group_uri}:members"), "value": [{ "value": "U1" }] }]),
            0,
            add(&["U1"]),
            vec![],
        ),
        (
            json!([{ "op": "add", "path": "members", "value": "U1" }]),
            0,
            add(&["U1"]),
            vec!["single_value_as_array", "string_as_complex"],
        ),
        (json!([{ "op": "add", "path": "members", "value": ["U1"] }]), 0, add(&["U1"]), vec!["string_as_complex"]),
        (
            json!([{ "op": "add", "path": "members", "value": { "value": "U1" } }]),
            0,
            add(&["U1"]),
            vec!["single_value_as_array"],
        ),
        (json!([{ "op": "add", "value": { "members": [{ "value": "U1" }] } }]), 0, add(&["U1"]), vec![]),
        (
            json!([{ "op": "add", "path": "members", "value": [{ "value": "U1" }, { "value": "U1" }] }]),
            0,
            add(&["U1"]),
            vec![],
        ),
        (json!([{ "op": "add", "path": "members", "value": [] }]), 0, add(&[]), vec![]),
        (json!([{ "op": "add", "path": "members", "value": null }]), 0, add(&[]), vec![]),
        (
            json!([{ "op": "add", "path": "members", "value": [{ "value": "U1" }] },
                { "op": "add", "path": "members", "value": [{ "value": "U2" }] }]),
            0,
            [add(&["U1"]), add(&["U2"])].concat(),
            vec![],
        ),
    ]);
}

#[test]
fn every_form_of_removing_and_replacing_members_that_idps_send() {
    let replace = |ids: &[&str]| vec![MemberEdit::Replace(ids.iter().map(|id| plain(id)).collect())];
    let group = json!({ "id": "G1", "displayName": "Team" });
    check(vec![
        (
            json!([{ "op": "Remove", "path": "members", "value": [{ "$ref": null, "value": "U1" }, { "value": "U2" }] }]),
            0,
            vec![remove("U1"), remove("U2")],
            vec!["capitalised_op", "remove_with_value"],
        ),
        (
            json!([{ "op": "remove", "path": "members", "value": "U1" }]),
            0,
            vec![remove("U1")],
            vec!["remove_with_value"],
        ),
        (
            json!([{ "op": "remove", "path": "members", "value": ["U1"] }]),
            0,
            vec![remove("U1")],
            vec!["remove_with_value"],
        ),
        (
            json!([{ "op": "remove", "path": "members", "value": { "Value": "U1" } }]),
            0,
            vec![remove("U1")],
            vec!["remove_with_value"],
        ),
        (json!([{ "op": "remove", "path": "members", "value": [] }]), 0, vec![], vec!["remove_with_value"]),
        (json!([{ "op": "remove", "path": "members", "value": null }]), 0, replace(&[]), vec![]),
        (json!([{ "op": "remove", "path": "Members[Value Eq \"U1\"]" }]), 0, vec![remove("U1")], vec![]),
        (json!([{ "op": "replace", "path": "members", "value": [] }]), 0, replace(&[]), vec![]),
        (json!([{ "op": "replace", "path": "members", "value": [{ "value": "U1" }] }]), 0, replace(&["U1"]), vec![]),
        (json!([{ "op": "replace", "value": group }]), 1, vec![], vec![]),
        (
            json!([{ "op": "replace", "value": { "id": "G1", "displayName": "Team", "members": [] } }]),
            1,
            replace(&[]),
            vec![],
        ),
        (
            json!([{ "op": "replace", "value": { "members": [{ "value": "U1" }], "displayName": "Team" } }]),
            1,
            replace(&["U1"]),
            vec![],
        ),
    ]);
    for path in [
        "members[type eq \"Group\"]",
        "members[value eq \"U1\" and type eq \"User\"]",
        "members[not (value eq \"U1\")]",
    ] {
        let result = edits(&json!([{ "op": "remove", "path": path }])).0.unwrap();
        assert!(matches!(&result.1[..], [MemberEdit::RemoveWhere(_)]), "{path}: {result:?}");
    }
}

#[test]
fn the_type_of_a_member_comes_from_type_or_else_from_ref() {
    let cases = [
        (json!({ "value": "1" }), None),
        (json!({ "value": "1", "type": "group" }), Some(ResourceType::Group)),
        (json!({ "value": "1", "type": "User", "$ref": "https://x/Groups/1" }), Some(ResourceType::User)),
        (json!({ "value": "1", "$ref": "https://x/scim/v2/Groups/1" }), Some(ResourceType::Group)),
        (json!({ "value": "1", "$ref": "../Users/1", "type": "direct" }), Some(ResourceType::User)),
        (json!({ "value": "1", "$ref": "1", "type": "" }), None),
        (json!({ "value": "1", "$ref": "../Groups/1", "type": "direct" }), Some(ResourceType::Group)),
    ];
    for (element, expected) in cases {
        let mut group = json!({ "displayName": "Team", "members": [element] }).as_object().unwrap().clone();
        let members = take_members(&mut group).unwrap();
        assert_eq!(members[0].resource_type, expected, "{element}");
        assert!(!group.contains_key(MEMBERS), "the members are taken out");
    }
    assert_eq!(take_members(&mut Object::new()).unwrap(), []);
}

#[test]
fn a_member_that_names_nobody_is_an_invalid_value_and_its_parts_are_immutable() {
    use ScimType::{InvalidPath, InvalidValue, Mutability};
    let cases = [
        (json!({ "op": "add", "path": "members", "value": [{ "display": "x" }] }), InvalidValue),
        (json!({ "op": "add", "path": "members", "value": [{ "value": "U1" }, { "value": "" }] }), InvalidValue),
        (json!({ "op": "add", "path": "members", "value": [7] }), InvalidValue),
        (json!({ "op": "add", "path": "members", "value": [{ "value": 7 }] }), InvalidValue),
        (json!({ "op": "remove", "path": "members", "value": [{ "value": null }] }), InvalidValue),
        (json!({ "op": "remove", "path": "members", "value": [{}] }), InvalidValue),
        (json!({ "op": "replace", "path": "members[value eq \"U1\"].display", "value": "x" }), Mutability),
        (json!({ "op": "replace", "path": "members[value eq \"U1\"]", "value": { "value": "U2" } }), Mutability),
        (json!({ "op": "remove", "path": "members[value eq \"U1\"].display" }), Mutability),
        (json!({ "op": "replace", "path": "members.value", "value": "U2" }), Mutability),
        (json!({ "op": "remove", "path": "members.display" }), Mutability),
        (json!({ "op": "remove", "path": "members[value eq \"U1\"" }), InvalidPath),
        (json!({ "op": "remove", "path": "members[id eq \"U1\"]" }), InvalidPath),
    ];
    for (operation, scim_type) in cases {
        let error = edits(&json!([operation])).0.unwrap_err();
        assert_eq!((error.status, error.scim_type), (400, Some(scim_type)), "{operation}: {error}");
    }
}
