//! The schemas and resources against which an input is read.

use scimlet::protocol::Object;
use scimlet::protocol::error::{ScimError, ScimType};
use scimlet::protocol::quirks::Quirks;
use scimlet::protocol::schema::{ResourceSchema, ResourceType, Schemas};
use serde_json::Value;
use std::sync::LazyLock;

/// An extension with an attribute of each type and of each characteristic.
const BADGE: &str = r#"{
    "id": "urn:example:params:scim:schemas:extension:badge:2.0:User",
    "resourceType": "User",
    "attributes": [
        { "name": "number", "type": "integer" },
        { "name": "weight", "type": "decimal" },
        { "name": "issued", "type": "dateTime", "mutability": "immutable" },
        { "name": "picture", "type": "binary", "caseExact": true },
        { "name": "owner", "type": "reference", "referenceTypes": ["User"] },
        { "name": "code", "uniqueness": "server", "caseExact": true },
        { "name": "secret", "mutability": "writeOnly", "returned": "never" },
        { "name": "notes", "returned": "request", "multiValued": true },
        { "name": "seen", "type": "dateTime", "mutability": "readOnly" },
        { "name": "doors", "type": "complex", "multiValued": true, "subAttributes": [
            { "name": "value", "required": true }, { "name": "open", "type": "boolean" },
            { "name": "pin", "returned": "request" }, { "name": "primary", "type": "boolean" }
        ] },
        { "name": "holder", "type": "complex", "subAttributes": [{ "name": "name" }, { "name": "since", "type": "dateTime" }] }
    ]
}"#;

/// What a service provider reads by.
pub struct Setting {
    pub schemas: Schemas,
    pub quirks: fn() -> Quirks,
    pub is_lenient: bool,
}

impl Setting {
    pub fn each_schema(&self) -> impl Iterator<Item = &ResourceSchema> {
        ResourceType::ALL.into_iter().map(|resource_type| self.schemas.of(resource_type))
    }
}

pub static SETTINGS: LazyLock<[Setting; 2]> = LazyLock::new(|| {
    let mut schemas = Schemas::load(true).expect("the schemas that are compiled in");
    schemas.add("badge.json", BADGE).expect("an extension");
    [
        Setting { schemas: schemas.clone(), quirks: Quirks::default, is_lenient: true },
        Setting { schemas: schemas.strict(), quirks: Quirks::off, is_lenient: false },
    ]
});

const USERS: [&str; 4] = [
    r#"{
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": "2819c223-7f76-453a-919d-413861904646",
        "externalId": "701984",
        "userName": "bjensen@example.com",
        "name": { "formatted": "Ms. Barbara J Jensen, III", "familyName": "Jensen", "givenName": "Barbara" },
        "displayName": "Babs Jensen",
        "title": "Tour Guide",
        "active": true,
        "emails": [
            { "value": "bjensen@example.com", "type": "work", "primary": true },
            { "value": "babs@jensen.org", "type": "home" }
        ],
        "addresses": [{ "type": "work", "country": "USA", "locality": "Hollywood" }],
        "x509Certificates": [{ "value": "MIIDQzCCAqygAwIBAgICEAA=" }],
        "groups": [
            { "value": "e9e30dba-f08f-4109-8486-d5c6a331660a", "display": "Tour Guides", "type": "direct" },
            { "value": "fc348aa8-3835-40eb-a20b-c726e15c55b5", "display": "Employees", "type": "direct" }
        ],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
            "employeeNumber": "701984",
            "department": "Tour Operations",
            "manager": { "value": "26118915-6090-4610-87e4-49d8ca9f808d", "displayName": "John Smith" }
        },
        "urn:example:params:scim:schemas:extension:badge:2.0:User": {
            "number": 7,
            "weight": 1.5,
            "issued": "2026-01-31T09:00:00Z",
            "code": "aB",
            "notes": ["a", "b"],
            "doors": [{ "value": "north", "open": true, "pin": "1", "primary": true }, { "value": "south" }],
            "holder": { "name": "Ann", "since": "2026-01-31T09:00:00+02:00" }
        },
        "urn:example:2.0:Pass": { "level": 3, "Doors": ["x"] },
        "shoeSize": { "eu": [42] },
        "meta": { "resourceType": "User", "created": "2010-01-23T04:56:22Z", "lastModified": "2011-05-13T04:42:34Z" }
    }"#,
    r#"{ "id": "5", "userName": "ÄNN", "emails": [{ "value": "ÄNN@example.com" }], "active": false }"#,
    r#"{ "id": "6", "userName": "c", "emails": [{ "type": "work" }], "shoeSize": [1, "1"] }"#,
    r#"{ "id": "7", "userName": "d", "roles": [{ "value": "a", "primary": true }, { "display": "b" }] }"#,
];

const GROUPS: [&str; 2] = [
    r#"{
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "id": "e9e30dba-f08f-4109-8486-d5c6a331660a",
        "externalId": "g1",
        "displayName": "Tour Guides",
        "members": [
            { "value": "2819c223-7f76-453a-919d-413861904646", "type": "User", "display": "Babs Jensen" },
            { "value": "902c246b-6245-4190-8e05-00816be7344a", "type": "Group" }
        ],
        "meta": { "resourceType": "Group", "created": "2010-01-23T04:56:22Z" }
    }"#,
    r#"{ "id": "5", "displayName": "É" }"#,
];

static SAMPLES: LazyLock<[Vec<Object>; 2]> = LazyLock::new(|| {
    let read = |texts: &[&str]| texts.iter().map(|text| serde_json::from_str(text).expect("a resource")).collect();
    [read(&USERS), read(&GROUPS)]
});

/// Resources as a client sees them.
pub fn resources(resource_type: ResourceType) -> &'static [Object] {
    match resource_type {
        ResourceType::User => &SAMPLES[0],
        ResourceType::Group => &SAMPLES[1],
    }
}

/// A refusal is the client's to understand: a status of its own fault, and a text that grows with what was sent.
#[track_caller]
pub fn is_refusal(error: &ScimError, sent: usize) {
    assert!([400, 413].contains(&error.status), "{error:?}");
    assert_eq!(error.status == 400, error.scim_type.is_some(), "{error:?}");
    assert!(error.detail.len() <= 4 * sent + 1000, "{} bytes of detail for {sent}: {error:?}", error.detail.len());
}

/// What was read of a text. A refusal has to be one of this kind.
#[track_caller]
pub fn unless_refused<T>(read: Result<T, ScimError>, text: &str, scim_type: ScimType) -> Option<T> {
    read.inspect_err(|error| {
        is_refusal(error, text.len());
        assert_eq!(error.scim_type, Some(scim_type), "{error:?}");
    })
    .ok()
}

/// Whether an element of a multi-valued attribute has this `value`.
pub fn has_value(resource: &Object, attribute: &str, value: &str) -> bool {
    let elements = resource.get(attribute).and_then(Value::as_array).into_iter().flatten();
    elements.into_iter().any(|element| element.get("value").and_then(Value::as_str) == Some(value))
}
