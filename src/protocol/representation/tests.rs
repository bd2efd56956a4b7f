use super::*;
use crate::protocol::quirks::Quirks;
use crate::protocol::schema::Schemas;

const BASE: &str = "https://example.com/scim/v2";

fn meta() -> Meta {
    Meta {
        resource_type: ResourceType::Group,
        id: "g7".into(),
        version: 3,
        created: "2026-01-01T00:00:00Z".into(),
        last_modified: "2026-02-01T00:00:00Z".into(),
    }
}

fn object(value: &Value) -> Object {
    value.as_object().unwrap().clone()
}

#[test]
fn rfc7644_section_3_14_an_etag_names_one_version() {
    let cases = [
        ("W/\"3\"", Some(3)),
        ("\"3\"", Some(3)),
        ("\"18446744073709551615\"", Some(u64::MAX)),
        ("3", None),
        ("\"3", None),
        ("w/\"3\"", None),
        ("W/W/\"3\"", None),
        ("\"\"", None),
        ("\"", None),
        ("\"a3\"", None),
        ("\"-3\"", None),
        ("*", None),
        ("", None),
    ];
    for (tag, expected) in cases {
        assert_eq!(parse_etag(tag), expected, "{tag}");
    }
    assert_eq!((etag(3), meta().etag()), ("W/\"3\"".to_owned(), "W/\"3\"".to_owned()));
}

#[test]
fn rfc7643_section_3_1_what_the_server_assigns() {
    let meta_json = json!({
        "resourceType": "Group",
        "created": "2026-01-01T00:00:00Z",
        "lastModified": "2026-02-01T00:00:00Z",
        "location": "https://example.com/scim/v2/Groups/g7",
        "version": "W/\"3\"",
    });
    let members = json!([member(BASE, "u1", ResourceType::User, None)]);
    // In the order in which the members stand in the text.
    let cases = [
        (json!({}), None, json!({ "id": "g7", "meta": meta_json })),
        (
            json!({ "schemas": ["x"], "displayName": "D" }),
            None,
            json!({ "schemas": ["x"], "id": "g7", "displayName": "D", "meta": meta_json }),
        ),
        (json!({ "displayName": "D" }), Some(json!([])), json!({ "id": "g7", "displayName": "D", "meta": meta_json })),
        (
            json!({ "displayName": "D" }),
            Some(members.clone()),
            json!({ "id": "g7", "displayName": "D", "members": members, "meta": meta_json }),
        ),
    ];
    for (kept, related, expected) in cases {
        let shown = represent(BASE, &meta(), object(&kept), related.map(|members| (MEMBERS, members)));
        assert_eq!(Value::Object(shown).to_string(), expected.to_string(), "{kept}");
    }
}

#[test]
fn rfc7643_sections_4_1_2_and_4_2_groups_and_members() {
    let listed = [
        GroupOfUser { id: "g1".into(), display: "One".into() },
        GroupOfUser { id: "g2".into(), display: "Two".into() },
    ];
    let group = |id: &str, display: &str| json!({ "value": id, "$ref": format!("{BASE}/Groups/{id}"), "display": display, "type": "direct" });
    assert_eq!(groups(BASE, &listed), json!([group("g1", "One"), group("g2", "Two")]));
    assert_eq!(groups(BASE, &[]), json!([]));

    let memberships = [
        Membership { id: "u1".into(), resource_type: ResourceType::User, display: Some("Ann".into()) },
        Membership { id: "g2".into(), resource_type: ResourceType::Group, display: None },
    ];
    let expected = json!([
        { "value": "u1", "$ref": format!("{BASE}/Users/u1"), "type": "User", "display": "Ann" },
        { "value": "g2", "$ref": format!("{BASE}/Groups/g2"), "type": "Group" },
    ]);
    assert_eq!(members(BASE, &memberships), expected);

    let schemas = Schemas::load(true).unwrap();
    let schema = schemas.of(ResourceType::Group);
    let resource = json!({ "id": "g7", "displayName": "D", "meta": { "version": "W/\"3\"" } });
    let [ann, two] = [&expected[0], &expected[1]];
    // attributes, excludedAttributes, and the answer in the order of its text.
    let cases = [
        (
            None,
            None,
            json!({ "id": "g7", "displayName": "D", "members": [ann, two], "meta": { "version": "W/\"3\"" } }),
        ),
        (Some("members"), None, json!({ "id": "g7", "members": [ann, two] })),
        (Some("members.value"), None, json!({ "id": "g7", "members": [{ "value": "u1" }, { "value": "g2" }] })),
        (Some("members.display"), None, json!({ "id": "g7", "members": [{ "display": "Ann" }, {}] })),
        (Some("displayName"), None, json!({ "id": "g7", "displayName": "D" })),
        (None, Some("members,meta"), json!({ "id": "g7", "displayName": "D" })),
        (
            Some("members"),
            Some("members.$ref,members.display"),
            json!({ "id": "g7", "members": [{ "value": "u1", "type": "User" }, { "value": "g2", "type": "Group" }] }),
        ),
    ];
    for (attributes, excluded, expected) in cases {
        let projection = Projection::parse(attributes, excluded, schema, &mut Quirks::default()).unwrap();
        let shown = |members: &[Membership]| {
            Shown::with_members(object(&resource), BASE, members.to_vec(), &projection, schema)
        };
        let text = serde_json::to_string(&shown(&memberships)).unwrap();
        assert_eq!(text, expected.to_string(), "{attributes:?} {excluded:?}");
        let alone = Shown::new(object(&resource), &projection, schema);
        assert_eq!(shown(&memberships).without_members(), alone, "{attributes:?} {excluded:?}");
        assert_eq!(shown(&[]), alone, "{attributes:?} {excluded:?}");
    }
}
