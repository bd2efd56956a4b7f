use super::*;
use crate::protocol::schema::{ENTERPRISE_URI, ResourceType, Schemas, USER_URI};
use serde_json::json;

fn schema() -> ResourceSchema {
    let mut schema = Schemas::load(true).unwrap().of(ResourceType::User).clone();
    for attribute in &mut schema.core.attributes {
        if attribute.name == "timezone" {
            attribute.returned = Returned::Request;
        }
    }
    schema
}

fn ann() -> Value {
    json!({
        "schemas": [USER_URI],
        "id": "7",
        "externalId": "e",
        "userName": "ann",
        "name": { "givenName": "Ann", "familyName": "Lee" },
        "timezone": "Europe/Zurich",
        "password": "never kept, and not shown if it were",
        "emails": [{ "value": "a@b", "type": "work" }, { "type": "home" }],
        "shoeSize": 44,
        ENTERPRISE_URI: { "department": "Sales", "manager": { "value": "M1", "displayName": "Max" } },
        "urn:example:2.0:User": { "badge": "007", "car": { "plate": "ZH 1" } },
        "meta": { "resourceType": "User", "version": "W/\"1\"" },
    })
}

/// The answer without `schemas` and `id`, which are in every one.
fn projected(attributes: Option<&str>, excluded: Option<&str>) -> (Value, Vec<&'static str>) {
    let schema = schema();
    let mut quirks = Quirks::default();
    let projection = Projection::parse(attributes, excluded, &schema, &mut quirks).unwrap();
    let mut resource = ann().as_object().unwrap().clone();
    projection.apply(&mut resource, &schema);
    assert_eq!(resource.shift_remove("id"), Some("7".into()), "{attributes:?} {excluded:?}");
    assert!(resource.shift_remove("schemas").is_some(), "{attributes:?} {excluded:?}");
    (Value::Object(resource), quirks.names().to_vec())
}

/// [`ann`] as the default shows her, without the members called `names`.
fn shown_without(names: &[&str]) -> Value {
    let mut user = ann();
    for name in ["schemas", "id", "timezone", "password"].iter().chain(names) {
        user.as_object_mut().unwrap().shift_remove(*name);
    }
    user
}

#[test]
fn rfc7643_section_7_returned_decides_what_is_shown_by_default() {
    assert_eq!(projected(None, None), (shown_without(&[]), vec![]));
    assert_eq!(projected(Some(""), Some("")), (shown_without(&[]), vec![]));
}

#[test]
fn rfc7644_section_3_9_attributes_are_the_minimum_and_what_is_named() {
    let enterprise = |value: Value| json!({ ENTERPRISE_URI: value });
    let cases = [
        ("userName".to_owned(), json!({ "userName": "ann" })),
        ("USERNAME, Name".into(), json!({ "userName": "ann", "name": { "givenName": "Ann", "familyName": "Lee" } })),
        ("id".into(), json!({})),
        (",".into(), json!({})),
        ("title,roles".into(), json!({})),
        ("unheardOf".into(), json!({})),
        ("password".into(), json!({})),
        ("timezone".into(), json!({ "timezone": "Europe/Zurich" })),
        ("name.givenName".into(), json!({ "name": { "givenName": "Ann" } })),
        ("name.givenName,name".into(), json!({ "name": { "givenName": "Ann", "familyName": "Lee" } })),
        ("name.middleName".into(), json!({})),
        ("emails.VALUE".into(), json!({ "emails": [{ "value": "a@b" }] })),
        ("emails.type".into(), json!({ "emails": [{ "type": "work" }, { "type": "home" }] })),
        ("meta.version".into(), json!({ "meta": { "version": "W/\"1\"" } })),
        ("shoeSize".into(), json!({ "shoeSize": 44 })),
        (format!("{USER_URI}:userName"), json!({ "userName": "ann" })),
        (format!("{USER_URI}:name.familyName"), json!({ "name": { "familyName": "Lee" } })),
        (
            USER_URI.to_uppercase(),
            json!({
                "userName": "ann",
                "name": { "givenName": "Ann", "familyName": "Lee" },
                "timezone": "Europe/Zurich",
                "emails": [{ "value": "a@b", "type": "work" }, { "type": "home" }],
            }),
        ),
        (format!("{ENTERPRISE_URI}:department"), enterprise(json!({ "department": "Sales" }))),
        (format!("{ENTERPRISE_URI}:manager.value"), enterprise(json!({ "manager": { "value": "M1" } }))),
        (ENTERPRISE_URI.to_lowercase(), enterprise(ann()[ENTERPRISE_URI].clone())),
        ("urn:example:2.0:User:badge".into(), json!({ "urn:example:2.0:User": { "badge": "007" } })),
        ("URN:EXAMPLE:2.0:User:CAR.plate".into(), json!({ "urn:example:2.0:User": { "car": { "plate": "ZH 1" } } })),
        ("urn:example:2.0:User".into(), json!({ "urn:example:2.0:User": ann()["urn:example:2.0:User"] })),
        ("urn:other:2.0:User".into(), json!({})),
    ];
    for (attributes, expected) in cases {
        assert_eq!(projected(Some(&attributes), None), (expected, vec![]), "{attributes}");
    }
}

#[test]
fn rfc7643_section_7_returned_decides_of_a_sub_attribute_too() {
    let mut schema = schema();
    let name = schema.core.attributes.iter_mut().find(|attribute| attribute.name == "name").unwrap();
    for sub in &mut name.sub_attributes {
        match sub.name.as_str() {
            "honorificPrefix" => sub.returned = Returned::Request,
            "honorificSuffix" => sub.returned = Returned::Never,
            _ => {}
        }
    }
    let stored = json!({ "name": { "givenName": "Ann", "honorificPrefix": "Dr", "honorificSuffix": "III" } });
    let cases = [
        (None, None, json!({ "name": { "givenName": "Ann" } })),
        (Some("name"), None, json!({ "name": { "givenName": "Ann" } })),
        (Some("name.givenName"), None, json!({ "name": { "givenName": "Ann" } })),
        (Some("name.honorificPrefix"), None, json!({ "name": { "honorificPrefix": "Dr" } })),
        (Some("name.honorificSuffix"), None, json!({})),
        (None, Some("name.givenName"), json!({})),
    ];
    for (attributes, excluded, expected) in cases {
        let projection = Projection::parse(attributes, excluded, &schema, &mut Quirks::default()).unwrap();
        let mut shown = stored.as_object().unwrap().clone();
        projection.apply(&mut shown, &schema);
        assert_eq!(Value::Object(shown), expected, "{attributes:?} {excluded:?}");
    }
}

#[test]
fn rfc7644_section_3_9_excluded_attributes_are_taken_from_the_default() {
    let mut without_given_name = shown_without(&[]);
    without_given_name["name"] = json!({ "familyName": "Lee" });
    let mut without_types = shown_without(&[]);
    without_types["emails"] = json!([{ "value": "a@b" }]);
    let mut without_department = shown_without(&[]);
    without_department[ENTERPRISE_URI].as_object_mut().unwrap().shift_remove("department");
    let cases = [
        ("id,schemas".to_owned(), shown_without(&[])),
        ("members".into(), shown_without(&[])),
        ("NAME, emails".into(), shown_without(&["name", "emails"])),
        ("name.givenName".into(), without_given_name),
        ("name.givenName,name.familyName".into(), shown_without(&["name"])),
        ("emails.type".into(), without_types),
        ("shoeSize,meta".into(), shown_without(&["shoeSize", "meta"])),
        (format!("{USER_URI}:userName"), shown_without(&["userName"])),
        (USER_URI.into(), shown_without(&["userName", "name", "emails"])),
        (ENTERPRISE_URI.to_uppercase(), shown_without(&[ENTERPRISE_URI])),
        (format!("{ENTERPRISE_URI}:department"), without_department),
        (format!("{ENTERPRISE_URI}:department,{ENTERPRISE_URI}:manager"), shown_without(&[ENTERPRISE_URI])),
        ("urn:example:2.0:User".into(), shown_without(&["urn:example:2.0:User"])),
    ];
    for (excluded, expected) in cases {
        assert_eq!(projected(None, Some(&excluded)), (expected, vec![]), "{excluded}");
    }
}

#[test]
fn what_is_excluded_is_taken_from_what_is_included() {
    for (attributes, excluded, expected) in [
        ("userName,name", "name", json!({ "userName": "ann" })),
        ("name", "name.givenName", json!({ "name": { "familyName": "Lee" } })),
        ("id", "id", json!({})),
    ] {
        assert_eq!(projected(Some(attributes), Some(excluded)).0, expected, "{attributes} without {excluded}");
    }
}

#[test]
fn a_short_name_of_an_extension_attribute_is_shown_and_named() {
    let (shown, fired) = projected(Some("manager"), None);
    assert_eq!(shown, json!({ ENTERPRISE_URI: { "manager": { "value": "M1", "displayName": "Max" } } }));
    assert_eq!(fired, ["unqualified_extension_attribute"]);
}

#[test]
fn text_that_is_not_a_name_is_refused() {
    let schema = schema();
    for (attributes, excluded, detail) in [
        (Some("userName,9lives"), None, "'9lives' in 'attributes' is not an attribute name."),
        (
            None,
            Some("emails[type eq \"work\"]"),
            "'emails[type eq \"work\"]' in 'excludedAttributes' is not an attribute name.",
        ),
        (Some("é"), None, "'é' in 'attributes' is not an attribute name."),
    ] {
        let error = Projection::parse(attributes, excluded, &schema, &mut Quirks::default()).unwrap_err();
        assert_eq!(error, ScimError::bad_request(ScimType::InvalidPath, detail));
    }
}

#[test]
fn what_is_expensive_is_read_only_when_it_can_be_shown() {
    let schema = Schemas::load(true).unwrap();
    let group = schema.of(ResourceType::Group);
    let cases = [
        (None, None, true, false),
        (Some("members"), None, true, true),
        (Some("members.value"), None, true, true),
        (Some("urn:ietf:params:scim:schemas:core:2.0:Group"), None, true, true),
        (Some("displayName"), None, false, true),
        (Some("id"), None, false, true),
        (None, Some("Members"), false, false),
        (None, Some("members.value"), true, false),
        (None, Some("displayName"), true, false),
        (Some("members"), Some("members"), false, true),
    ];
    for (attributes, excluded, shows, explicit) in cases {
        let projection = Projection::parse(attributes, excluded, group, &mut Quirks::default()).unwrap();
        assert_eq!(projection.shows("members"), shows, "{attributes:?} {excluded:?}");
        assert_eq!(projection.is_explicit(), explicit, "{attributes:?} {excluded:?}");
    }
}

#[test]
fn a_list_of_names_ends_at_max_names() {
    let schemas = Schemas::load(true).unwrap();
    let schema = schemas.of(ResourceType::User);
    let parsed =
        |list: &str, excluded: &str| Projection::parse(Some(list), Some(excluded), schema, &mut Quirks::default());
    let longest = ["title"; MAX_NAMES].join(",");
    assert!(parsed(&longest, &longest).is_ok());
    let longer = format!("{longest},title");
    for (list, excluded, parameter) in
        [(&longer, &longest, "'attributes'"), (&longest, &longer, "'excludedAttributes'")]
    {
        let error = parsed(list, excluded).unwrap_err();
        assert_eq!((error.status, error.scim_type), (400, Some(ScimType::InvalidValue)));
        assert_eq!(
            error.detail,
            format!("{parameter} names more than 500 attributes. Name fewer, or none to get all.")
        );
    }
}
