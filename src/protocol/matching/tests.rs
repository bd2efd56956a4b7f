use super::*;
use crate::protocol::filter;
use crate::protocol::quirks::Quirks;
use crate::protocol::schema::{ENTERPRISE_URI, ResourceType, Schemas};
use serde_json::json;

/// The User schema with the data types that no core attribute has.
fn schema() -> ResourceSchema {
    let mut schema = Schemas::load(true).unwrap().of(ResourceType::User).clone();
    let plain = schema.attribute(None, "title").unwrap().clone();
    let add = |attributes: &mut Vec<Attribute>, name: &str, kind, multi_valued| {
        attributes.push(Attribute { name: name.into(), kind, multi_valued, ..plain.clone() });
    };
    add(&mut schema.core.attributes, "loginCount", Type::Integer, false);
    add(&mut schema.core.attributes, "score", Type::Decimal, false);
    add(&mut schema.core.attributes, "lastLogin", Type::DateTime, false);
    add(&mut schema.core.attributes, "tags", Type::String, true);
    schema.core.attributes.push(Attribute {
        name: "codes".into(),
        multi_valued: true,
        case_exact: true,
        ..plain.clone()
    });
    let emails = schema.core.attributes.iter_mut().find(|attribute| attribute.name == "emails").unwrap();
    add(&mut emails.sub_attributes, "verified", Type::Boolean, false);
    schema
}

fn ann() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE_URI],
        "id": "2819C223",
        "externalId": "Ann",
        "userName": "Ann@Example.com",
        "name": { "givenName": "Ann", "familyName": "Straße" },
        "displayName": "This is \"test\" \\ (a] 'é & # % : 😀",
        "nickName": "",
        "profileUrl": "https://example.com/Ann",
        "active": true,
        "loginCount": 7,
        "score": 1.5,
        "lastLogin": "2026-01-31T10:00:00.5+01:00",
        "tags": ["Red", "Green"],
        "codes": ["A"],
        "emails": [
            { "value": "ann@work.com", "type": "work", "primary": true },
            { "value": "ann@home.org", "type": "home" },
        ],
        "x509Certificates": [{ "value": "QUJD" }],
        "roles": [],
        ENTERPRISE_URI: { "department": "Sales", "manager": { "value": "M1", "displayName": "Max" } },
        "urn:example:2.0:User": {
            "badge": "007", "size": 44, "big": 9007199254740993_i64, "fit": false, "cars": [{ "colour": "Red" }],
            "when": "2026-01-31T09:00:00Z",
        },
        "meta": { "resourceType": "User", "created": "2026-01-31T09:00:00Z" },
    })
}

fn check(cases: &[(&str, bool)]) {
    let schema = schema();
    let user = ann();
    for &(text, expected) in cases {
        let filter = filter::parse(text, &schema, &mut Quirks::default());
        let filter = filter.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(matches(&filter, user.as_object().unwrap(), &schema), expected, "{text}");
    }
}

#[test]
fn rfc7644_table_3_every_operator_on_a_string() {
    check(&[
        ("name.givenName eq \"Ann\"", true),
        ("name.givenName eq \"An\"", false),
        ("name.givenName ne \"Ann\"", false),
        ("name.givenName ne \"An\"", true),
        ("name.givenName co \"n\"", true),
        ("name.givenName co \"x\"", false),
        ("name.givenName sw \"An\"", true),
        ("name.givenName sw \"Ann\"", true),
        ("name.givenName sw \"nn\"", false),
        ("name.givenName ew \"nn\"", true),
        ("name.givenName ew \"Ann\"", true),
        ("name.givenName ew \"An\"", false),
        ("name.givenName gt \"Amy\"", true),
        ("name.givenName gt \"Ann\"", false),
        ("name.givenName ge \"Ann\"", true),
        ("name.givenName lt \"Bob\"", true),
        ("name.givenName lt \"Ann\"", false),
        ("name.givenName le \"Ann\"", true),
        ("name.givenName le \"Amy\"", false),
        ("name.givenName co \"\"", true),
        ("title co \"\"", false),
    ]);
}

#[test]
fn rfc7643_section_2_2_case_exact_decides_how_strings_compare() {
    check(&[
        ("userName eq \"aNN@example.COM\"", true),
        ("userName sw \"ANN\"", true),
        ("userName ew \".COM\"", true),
        ("userName gt \"ANM\"", true),
        ("name.familyName eq \"STRASSE\"", true),
        ("name.familyName co \"SS\"", true),
        ("externalId eq \"Ann\"", true),
        ("externalId eq \"ann\"", false),
        ("externalId sw \"a\"", false),
        ("id eq \"2819C223\"", true),
        ("id eq \"2819c223\"", false),
        ("profileUrl eq \"https://example.com/ann\"", false),
        ("emails[type eq \"WORK\"]", true),
        ("manager eq \"M1\"", true),
        ("manager eq \"m1\"", false),
        ("x509Certificates eq \"QUJD\"", true),
        ("x509Certificates eq \"qujd\"", false),
        ("meta.resourceType eq \"User\"", true),
    ]);
}

#[test]
fn rfc7643_section_2_3_5_instants_compare_whatever_their_offset() {
    check(&[
        ("meta.created eq \"2026-01-31T10:00:00+01:00\"", true),
        ("meta.created eq \"2026-01-31T04:00:00.000-05:00\"", true),
        ("meta.created ne \"2026-01-31T10:00:00+01:00\"", false),
        ("meta.created gt \"2026-01-31T09:59:59+01:00\"", true),
        ("meta.created gt \"2026-01-31T08:59:59-01:00\"", false),
        ("meta.created ge \"2026-01-31T09:00:00Z\"", true),
        ("meta.created lt \"2026-01-31T09:00:00.001Z\"", true),
        ("meta.created le \"2026-01-31T08:59:59.999Z\"", false),
        ("meta.created sw \"2026-01-31\"", true),
        ("lastLogin gt \"2026-01-31T09:00:00Z\"", true),
        ("lastLogin eq \"2026-01-31T09:00:00.500Z\"", true),
        ("meta.lastModified gt \"2026-01-31T09:00:00Z\"", false),
    ]);
}

#[test]
fn numbers_and_booleans_compare_by_value() {
    check(&[
        ("loginCount eq 7", true),
        ("loginCount eq 7.0", true),
        ("loginCount gt 10", false),
        ("loginCount lt 10", true),
        ("loginCount ge 7", true),
        ("loginCount ne 7", false),
        ("score gt 1", true),
        ("score le 1.5", true),
        ("score eq 15e-1", true),
        ("active eq true", true),
        ("active eq false", false),
        ("active ne false", true),
        ("active eq \"True\"", true),
        ("emails[primary eq true]", true),
        ("urn:example:2.0:User:size gt 43", true),
        ("urn:example:2.0:User:size eq \"44\"", false),
        ("urn:example:2.0:User:size ne \"44\"", true),
        ("urn:example:2.0:User:size co \"4\"", false),
        ("urn:example:2.0:User:big eq 9007199254740993", true),
        ("urn:example:2.0:User:big eq 9007199254740992", false),
        ("urn:example:2.0:User:fit eq false", true),
    ]);
}

#[test]
fn rfc7644_section_3_4_2_2_one_of_many_values_is_enough() {
    check(&[
        ("emails eq \"ann@home.org\"", true),
        ("emails.value co \"@WORK\"", true),
        ("emails.type eq \"work\" and emails.value eq \"ann@home.org\"", true),
        ("emails[type eq \"work\" and value eq \"ann@home.org\"]", false),
        ("emails[type eq \"work\"].value eq \"ann@home.org\"", false),
        ("emails[type eq \"home\"].value eq \"ann@home.org\"", true),
        ("emails.type ne \"work\"", true),
        ("not (emails.type eq \"work\")", false),
        ("emails[not (type eq \"work\")]", true),
        ("emails[not (type pr)]", false),
        ("emails[primary ne true]", true),
        ("emails[type eq \"home\" and primary eq false]", true),
        ("emails[type eq \"work\" and primary eq false]", false),
        ("emails.primary eq false", true),
        ("emails[primary eq null]", true),
        ("emails[display pr]", false),
        ("emails[type eq \"home\" and primary pr]", false),
        ("tags eq \"green\"", true),
        ("tags[value sw \"r\"]", true),
        ("codes[value eq \"A\"]", true),
        ("codes[value eq \"a\"]", false),
        ("emails[verified eq false]", false),
        ("emails.verified eq false", false),
        ("tags eq \"blue\"", false),
        ("schemas eq \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\"", true),
        ("urn:example:2.0:User:cars[colour eq \"red\"]", true),
        ("urn:example:2.0:User:cars.colour eq \"red\"", true),
        ("roles[value pr]", false),
    ]);
}

#[test]
fn rfc7643_section_2_5_null_empty_and_absent_are_unassigned() {
    check(&[
        ("userName pr", true),
        ("title pr", false),
        ("nickName pr", false),
        ("roles pr", false),
        ("name pr", true),
        ("name.middleName pr", false),
        ("emails pr", true),
        ("emails.display pr", false),
        ("title eq null", true),
        ("title ne null", false),
        ("userName eq null", false),
        ("userName ne null", true),
        ("roles eq null", true),
        ("title ne \"x\"", true),
        ("title eq \"x\"", false),
        ("not (title eq \"x\")", true),
        ("title gt \"\"", false),
        ("nickName eq \"\"", true),
        ("active ne null", true),
    ]);
}

#[test]
fn attributes_of_extensions_known_and_unknown() {
    check(&[
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"sales\"", true),
        ("URN:IETF:params:scim:schemas:extension:enterprise:2.0:user:DEPARTMENT eq \"sales\"", true),
        ("department eq \"Sales\"", true),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName sw \"m\"", true),
        ("urn:example:2.0:User:badge eq \"007\"", true),
        ("URN:EXAMPLE:2.0:USER:BADGE eq \"007\"", true),
        ("urn:example:2.0:User:badge.value eq \"007\"", true),
        ("urn:example:2.0:User:badge.part eq \"007\"", false),
        ("urn:example:2.0:User:cars[sold eq false]", false),
        ("urn:example:2.0:User:when eq \"2026-01-31T10:00:00+01:00\"", false),
        ("urn:example:2.0:User:nothing pr", false),
        ("urn:example:2.0:User:nothing ne 1", true),
        ("urn:other:2.0:User:badge pr", false),
        ("urn:other:2.0:User:badge eq \"007\"", false),
        ("urn:other:2.0:User:badge eq null", true),
        ("id eq \"2819C223\" and manager eq \"M1\"", true),
        ("id eq \"2819C223\" and manager eq \"M2\"", false),
    ]);
}

#[test]
fn precedence_decides_the_answer() {
    check(&[
        ("active eq true or title pr and title pr", true),
        ("(active eq true or title pr) and title pr", false),
        ("not (title pr) and active eq true", true),
        ("not (title pr and active eq true)", true),
        ("not (title pr or active eq true)", false),
    ]);
}

#[test]
fn entra_scim_sdk_913_a_display_name_of_special_characters_is_found() {
    let schema = schema();
    for name in [
        "This is \"test\" group",
        "a-!@#$%^&*()_+=-{}][\":;'/.,?\\1",
        "naïve – Ζωή 😀 \u{2028}",
        " and or not pr ",
        "tab\there",
    ] {
        let text = format!("displayName eq {}", Value::from(name));
        let filter = filter::parse(&text, &schema, &mut Quirks::default()).unwrap();
        assert!(matches(&filter, json!({ "displayName": name }).as_object().unwrap(), &schema), "{text}");
    }
}
