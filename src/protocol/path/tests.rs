use super::*;
use crate::protocol::schema::{ENTERPRISE_URI, GROUP_URI, ResourceType, Schemas, USER_URI};

fn parsed(resource_type: ResourceType, text: &str) -> (Result<String, ScimError>, Vec<&'static str>) {
    let schemas = Schemas::load(true).unwrap();
    let mut quirks = Quirks::default();
    let target = parse(text, schemas.of(resource_type), &mut quirks);
    let shown = target.map(|target| match target {
        Target::Extension(_) => format!("extension {target}"),
        Target::Attribute(_) => target.to_string(),
        Target::Value { .. } => {
            let text = target.to_string();
            let (open, close) = (text.find('[').unwrap(), text.rfind(']').unwrap());
            format!("{}[…]{}", &text[..open], &text[close + 1..])
        }
    });
    (shown, quirks.names().to_vec())
}

#[test]
fn rfc7644_figure_8_and_section_3_10_paths_fire_no_quirk() {
    use ResourceType::{Group, User};
    let cases = [
        (Group, "members".to_owned(), "members".to_owned()),
        (User, "name.familyName".into(), "name.familyName".into()),
        (User, "addresses[type eq \"work\"]".into(), "addresses[…]".into()),
        (Group, "members[value eq \n \"2819c223-7f76-453a-919d-413861904646\"]".into(), "members[…]".into()),
        (Group, "members[value eq\"2819c223...919d-413861904646\"]".into(), "members[…]".into()),
        (Group, "members[value eq \"2819c223\"].display".into(), "members[…].display".into()),
        (User, "addresses[type eq \"work\"].streetAddress".into(), "addresses[…].streetAddress".into()),
        (User, "USERNAME".into(), "userName".into()),
        (User, "Name.GIVENNAME".into(), "name.givenName".into()),
        (User, "Emails[Type EQ \"work\"].Value".into(), "emails[…].value".into()),
        (User, "emails.value".into(), "emails.value".into()),
        (User, "externalId".into(), "externalId".into()),
        (User, "x509Certificates".into(), "x509Certificates".into()),
        (User, format!("{USER_URI}:userName"), "userName".into()),
        (User, format!("{USER_URI}:name.givenName"), "name.givenName".into()),
        (User, format!("{}:emails[type eq \"work\"].value", USER_URI.to_uppercase()), "emails[…].value".into()),
        (Group, format!("{GROUP_URI}:displayName"), "displayName".into()),
        (User, ENTERPRISE_URI.to_lowercase(), format!("extension {ENTERPRISE_URI}")),
        (User, format!("{ENTERPRISE_URI}:Department"), format!("{ENTERPRISE_URI}:department")),
        (User, format!("{ENTERPRISE_URI}:manager.$REF"), format!("{ENTERPRISE_URI}:manager.$ref")),
        (User, "urn:example:2.0:User".into(), "extension urn:example:2.0:User".into()),
        (User, "urn:example:2.0:User:Badge.no".into(), "urn:example:2.0:User:Badge.no".into()),
        // `2.0` is a version, and these are not.
        (User, "urn:example:a.b:badge".into(), "urn:example:a.b:badge".into()),
        (User, "urn:example:2:badge".into(), "urn:example:2:badge".into()),
        (User, "urn:example:2.0:badge".into(), "extension urn:example:2.0:badge".into()),
        (
            User,
            "urn:example:2.0:User:cars[colour eq \"red\"].plate".into(),
            "urn:example:2.0:User:cars[…].plate".into(),
        ),
        (
            Group,
            "urn:ietf:params:scim:schemas:exampleCo:2.0:hr:age".into(),
            "urn:ietf:params:scim:schemas:exampleCo:2.0:hr:age".into(),
        ),
    ];
    for (resource_type, text, expected) in cases {
        let (result, fired) = parsed(resource_type, &text);
        assert_eq!(result.unwrap(), expected, "{text}");
        assert!(fired.is_empty(), "{text}: {fired:?}");
    }
}

#[test]
fn what_entra_and_onelogin_send_is_the_strict_path_and_a_named_quirk() {
    let manager = format!("{ENTERPRISE_URI}:manager");
    let cases = [
        ("manager".to_owned(), manager.clone(), "unqualified_extension_attribute"),
        ("Manager.value".into(), format!("{manager}.value"), "unqualified_extension_attribute"),
        (format!("{ENTERPRISE_URI}.manager"), manager.clone(), "dot_after_schema_uri"),
        (format!("{ENTERPRISE_URI}.manager.value"), format!("{manager}.value"), "dot_after_schema_uri"),
        (format!("{USER_URI}.userName"), "userName".into(), "dot_after_schema_uri"),
        ("urn:scim:schemas:extension:enterprise:1.0:manager".into(), manager.clone(), "misspelt_schema_uri"),
        ("urn:scim:schemas:extension:enterprise:2.0:manager".into(), manager.clone(), "misspelt_schema_uri"),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0User:manager".into(), manager, "misspelt_schema_uri"),
        (
            "URN:scim:schemas:extension:enterprise:1.0".into(),
            format!("extension {ENTERPRISE_URI}"),
            "misspelt_schema_uri",
        ),
        ("roles[primary eq \"True\"].value".into(), "roles[…].value".into(), "boolean_in_filter_as_string"),
        ("emails[type eq work].value".into(), "emails[…].value".into(), "unquoted_filter_value"),
    ];
    for (text, expected, name) in cases {
        let (result, fired) = parsed(ResourceType::User, &text);
        assert_eq!(result.unwrap(), expected, "{text}");
        assert_eq!(fired, [name], "{text}");
    }
}

#[test]
fn an_error_is_invalid_path_with_the_offset_and_what_was_expected() {
    const NAME: &str = "an attribute path";
    const AFTER: &str = "'.' and a sub-attribute, or the end";
    let core_alone = format!("the schema URI '{USER_URI}' alone");
    let cases = [
        ("", 0, NAME, "nothing"),
        ("  ", 0, NAME, "nothing"),
        ("[type pr]", 0, NAME, "'['"),
        ("\"emails\"", 0, NAME, "a quoted string"),
        ("9lives", 0, NAME, "'9lives'"),
        ("emails.", 0, NAME, "'emails.'"),
        (".value", 0, NAME, "'.value'"),
        ("name.givenName.x", 0, NAME, "'name.givenName.x'"),
        ("naïve", 0, NAME, "'naïve'"),
        ("urn:", 0, NAME, "'urn:'"),
        (USER_URI, 0, NAME, core_alone.as_str()),
        ("emails value", 7, "'[' or the end of the path", "'value'"),
        ("emails(type pr)", 6, "'[' or the end of the path", "'('"),
        ("emails[", 7, "an attribute path, 'not' or '('", "the end"),
        ("emails[]", 7, "an attribute path, 'not' or '('", "']'"),
        ("emails[type eq \"work\"", 21, "'and', 'or' or ']'", "the end"),
        ("emails[type eq \"work]", 15, "a string that ends with '\"'", "no closing quote"),
        ("emails[kind eq \"work\"]", 7, "a sub-attribute of 'emails'", "'kind'"),
        ("emails[primary gt true]", 7, "eq or ne after the boolean 'primary'", "another comparison"),
        ("emails[type pr]value", 15, AFTER, "'value'"),
        ("emails[type pr].", 15, AFTER, "'.'"),
        ("emails[type pr].value.x", 15, AFTER, "'.value.x'"),
        ("emails[type pr][value pr]", 16, "the end of the path", "'value'"),
        ("emails[type pr].value x", 22, "the end of the path", "'x'"),
        ("name[givenName eq \"A\"].familyName", 4, "no value filter after 'name', which has one value", "'['"),
        ("manager[value eq \"7\"]", 7, "no value filter after", "'['"),
        ("title[value eq \"A\"]", 5, "no value filter after 'title', which has one value", "'['"),
        ("emails.type[value eq \"A\"]", 11, "no value filter after 'emails.type', which has one value", "'['"),
    ];
    for (text, offset, expected, found) in cases {
        let error = parsed(ResourceType::User, text).0.unwrap_err();
        assert_eq!((error.status, error.scim_type), (400, Some(ScimType::InvalidPath)), "{text}");
        let start = format!("The path <{text}> is wrong at offset {offset}: expected {expected}");
        assert!(error.detail.starts_with(&start), "{text}: {}", error.detail);
        assert!(error.detail.ends_with(&format!(", found {found}.")), "{text}: {}", error.detail);
    }
}

#[test]
fn an_attribute_that_no_schema_has_is_named_in_the_error() {
    for (resource_type, text, shown) in [
        (ResourceType::User, "shoeSize", "shoeSize"),
        (ResourceType::User, "title.x", "title.x"),
        (ResourceType::User, "emails[type pr].shoeSize", "emails.shoeSize"),
        (ResourceType::User, "members", "members"),
        (ResourceType::Group, "userName", "userName"),
        (ResourceType::Group, "manager", "manager"),
        (ResourceType::Group, "members[value eq \"2819c223\"].displayName", "members.displayName"),
    ] {
        let error = parsed(resource_type, text).0.unwrap_err();
        let detail = format!("The path names '{shown}', which no schema of {} has.", resource_type.name());
        assert_eq!(error, ScimError::bad_request(ScimType::InvalidPath, detail), "{text}");
    }
}

#[test]
fn length_ends_at_max_path_bytes_and_nesting_at_the_depth_of_a_filter() {
    let long = |bytes: usize| format!("emails[type eq \"{}\"]", "x".repeat(bytes - "emails[type eq \"\"]".len()));
    assert!(parsed(ResourceType::User, &long(MAX_PATH_BYTES)).0.is_ok());
    let error = parsed(ResourceType::User, &long(MAX_PATH_BYTES + 1)).0.unwrap_err();
    assert!(error.detail.ends_with("at offset 4096: expected a path of at most 4096 bytes, found more."));
    let deep = |count: usize| format!("emails[{}type pr{}]", "(".repeat(count), ")".repeat(count));
    assert!(parsed(ResourceType::User, &deep(filter::MAX_FILTER_DEPTH - 1)).0.is_ok());
    let error = parsed(ResourceType::User, &deep(filter::MAX_FILTER_DEPTH)).0.unwrap_err();
    assert_eq!(error.scim_type, Some(ScimType::InvalidPath));
    assert!(error.detail.contains("at most 16 levels of nesting"), "{}", error.detail);
}

#[test]
fn every_sequence_of_five_tokens_is_a_path_or_invalid_path() {
    const ALPHABET: [&str; 11] =
        ["emails", "name.", "urn:x:2.0:User:é", "urn:x:2.0:User", "type", "eq", "\"é\"", "[", "]", ".value", "("];
    let schemas = Schemas::load(true).unwrap();
    let schema = schemas.of(ResourceType::User);
    let mut sequences = vec![String::new()];
    for _ in 0..5 {
        sequences = sequences.iter().flat_map(|left| ALPHABET.map(|token| format!("{left}{token} "))).collect();
        for text in &sequences {
            for text in [text.as_str(), &text.replace(' ', "")] {
                if let Err(error) = parse(text, schema, &mut Quirks::default()) {
                    assert_eq!(error.scim_type, Some(ScimType::InvalidPath), "{text}");
                }
            }
        }
    }
}

#[test]
fn every_truncation_of_a_path_with_multi_byte_text_is_a_path_or_invalid_path() {
    let schemas = Schemas::load(true).unwrap();
    let long = format!("{USER_URI}:emails[type eq \"wörk 😀\" and not (value co \"ß\\\"\")].display");
    assert!(parsed(ResourceType::User, &long).0.is_ok());
    for (at, _) in long.char_indices() {
        for text in [&long[..at], &long[at..]] {
            for text in [text.to_owned(), format!("{text}é"), format!("é{text}")] {
                for resource_type in [ResourceType::User, ResourceType::Group] {
                    if let Err(error) = parse(&text, schemas.of(resource_type), &mut Quirks::default()) {
                        assert_eq!(error.scim_type, Some(ScimType::InvalidPath), "{text}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_strict_schema_has_no_other_extensions() {
    let schemas = Schemas::load(true).unwrap().strict();
    let parsed = |text: &str| parse(text, schemas.of(ResourceType::User), &mut Quirks::default());
    assert!(matches!(parsed(ENTERPRISE_URI), Ok(Target::Extension(_))));
    let error = parsed("urn:example:2.0:User").unwrap_err();
    assert!(error.detail.contains("the schema URI 'urn:example:2.0:User', which is not known"), "{}", error.detail);
}
