use super::*;
use crate::protocol::error::ScimType;
use crate::protocol::schema::{ResourceType, Schemas};

/// The User schema with the data types that no core attribute has.
fn user() -> ResourceSchema {
    let mut schema = Schemas::load(true).unwrap().of(ResourceType::User).clone();
    for (name, kind) in [("loginCount", Type::Integer), ("score", Type::Decimal), ("lastLogin", Type::DateTime)] {
        let plain = schema.attribute(None, "title").unwrap().clone();
        schema.core.attributes.push(Attribute { name: name.into(), kind, ..plain });
    }
    schema
}

fn parsed(text: &str, schema: &ResourceSchema) -> (Result<Filter, ScimError>, Vec<&'static str>) {
    let mut quirks = Quirks::default();
    let result = parse(text, schema, &mut quirks);
    (result, quirks.names().to_vec())
}

/// A filter with its precedence in brackets.
fn shown(filter: &Filter) -> String {
    let list = |word: &str, terms: &[Filter]| format!("({})", terms.iter().map(shown).collect::<Vec<_>>().join(word));
    match filter {
        Filter::Present(path) => format!("{path} pr"),
        Filter::Compare(path, operator, value) => {
            let value = value.to_json().unwrap_or_default();
            format!("{path} {operator:?} {value}")
        }
        Filter::And(terms) => list(" and ", terms),
        Filter::Or(terms) => list(" or ", terms),
        Filter::Not(inner) => format!("not {}", shown(inner)),
        Filter::Value(path, inner) => format!("{path}[{}]", shown(inner)),
    }
}

#[test]
fn rfc7644_figure_2_every_example_is_a_filter_and_fires_no_quirk() {
    const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let schema = user();
    let cases = [
        ("userName Eq \"john\"".to_owned(), "userName Equal \"john\"".to_owned()),
        ("Username eq \"john\"".into(), "userName Equal \"john\"".into()),
        ("userName eq \"bjensen\"".into(), "userName Equal \"bjensen\"".into()),
        ("name.familyName co \"O'Malley\"".into(), "name.familyName Contains \"O'Malley\"".into()),
        ("userName sw \"J\"".into(), "userName StartsWith \"J\"".into()),
        (format!("{USER}:userName sw \"J\""), "userName StartsWith \"J\"".into()),
        ("title pr".into(), "title pr".into()),
        (
            "meta.lastModified gt \"2011-05-13T04:42:34Z\"".into(),
            "meta.lastModified GreaterThan \"2011-05-13T04:42:34Z\"".into(),
        ),
        (
            "meta.lastModified ge \"2011-05-13T04:42:34Z\"".into(),
            "meta.lastModified GreaterOrEqual \"2011-05-13T04:42:34Z\"".into(),
        ),
        (
            "meta.lastModified lt \"2011-05-13T04:42:34Z\"".into(),
            "meta.lastModified LessThan \"2011-05-13T04:42:34Z\"".into(),
        ),
        (
            "meta.lastModified le \"2011-05-13T04:42:34Z\"".into(),
            "meta.lastModified LessOrEqual \"2011-05-13T04:42:34Z\"".into(),
        ),
        ("title pr and userType eq \"Employee\"".into(), "(title pr and userType Equal \"Employee\")".into()),
        ("title pr or userType eq \"Intern\"".into(), "(title pr or userType Equal \"Intern\")".into()),
        (format!("schemas eq \"{ENTERPRISE}\""), format!("schemas Equal \"{ENTERPRISE}\"")),
        (
            "userType eq \"Employee\" and (emails co \"example.com\" or emails.value co \"example.org\")".into(),
            "(userType Equal \"Employee\" and (emails.value Contains \"example.com\" or emails.value Contains \"example.org\"))"
                .into(),
        ),
        (
            "userType ne \"Employee\" and not (emails co \"example.com\" or emails.value co \"example.org\")".into(),
            "(userType NotEqual \"Employee\" and not (emails.value Contains \"example.com\" or emails.value Contains \"example.org\"))"
                .into(),
        ),
        (
            "userType eq \"Employee\" and (emails.type eq \"work\")".into(),
            "(userType Equal \"Employee\" and emails.type Equal \"work\")".into(),
        ),
        (
            "userType eq \"Employee\" and emails[type eq \"work\" and value co \"@example.com\"]".into(),
            "(userType Equal \"Employee\" and emails[(type Equal \"work\" and value Contains \"@example.com\")])".into(),
        ),
        (
            "emails[type eq \"work\" and value co \"@example.com\"] or ims[type eq \"xmpp\" and value co \"@foo.com\"]".into(),
            "(emails[(type Equal \"work\" and value Contains \"@example.com\")] or ims[(type Equal \"xmpp\" and value Contains \"@foo.com\")])"
                .into(),
        ),
    ];
    for (text, expected) in cases {
        let (result, fired) = parsed(&text, &schema);
        assert_eq!(shown(&result.unwrap()), expected, "{text}");
        assert!(fired.is_empty(), "{text}: {fired:?}");
    }
}

#[test]
fn rfc7644_section_3_4_2_2_not_binds_before_and_and_before_or() {
    let schema = user();
    let cases = [
        ("title pr or title pr and active pr", "(title pr or (title pr and active pr))"),
        ("title pr and title pr or active pr", "((title pr and title pr) or active pr)"),
        ("title pr and (title pr or active pr)", "(title pr and (title pr or active pr))"),
        ("title pr or title pr or active pr", "(title pr or title pr or active pr)"),
        ("not (title pr) and active pr", "(not title pr and active pr)"),
        ("not (title pr and active pr)", "not (title pr and active pr)"),
        ("not (title pr) or not (active pr)", "(not title pr or not active pr)"),
        ("NOT(title PR)AND(active Pr)OR(not(title pr))", "((not title pr and active pr) or not title pr)"),
        ("((title pr))", "title pr"),
        ("not (not (title pr))", "not not title pr"),
        ("  title \t pr \r\n and  active pr ", "(title pr and active pr)"),
        ("emails[not (type pr) and (value pr or display pr)]", "emails[(not type pr and (value pr or display pr))]"),
    ];
    for (text, expected) in cases {
        let (result, fired) = parsed(text, &schema);
        assert_eq!(shown(&result.unwrap()), expected, "{text}");
        assert!(fired.is_empty(), "{text}: {fired:?}");
    }
}

#[test]
fn what_a_filter_names_how_many_comparisons_it_makes_and_how_it_is_written() {
    let schema = user();
    // The filter as it is written, its comparisons, and the attributes outside value filters.
    let cases = [
        ("title pr", 1, &["title"][..]),
        ("userName eq \"ann \\\"x\\\"\"", 1, &["userName"]),
        ("not (title pr)", 1, &["title"]),
        ("title pr and (active eq true or displayName eq null)", 3, &["title", "active", "displayName"]),
        ("(title pr and active pr) or (not (title pr) and locale sw \"e\")", 4, &["title", "active", "locale"]),
        ("emails[type eq \"work\" and not (value co \"@\")]", 2, &["emails"]),
    ];
    for (text, terms, names) in cases {
        let (result, _) = parsed(text, &schema);
        let filter = result.unwrap();
        assert_eq!(filter.to_string(), text);
        assert_eq!(filter.terms(), terms, "{text}");
        for name in ["userName", "title", "active", "displayName", "locale", "emails", "type", "value"] {
            assert_eq!(filter.names(&|path| path.is_core(name)), names.contains(&name), "{text}: {name}");
        }
    }
}

#[test]
fn names_values_and_operators_in_every_form_of_the_grammar() {
    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let schema = user();
    let cases = [
        ("USERNAME eQ \"a\"".to_owned(), "userName Equal \"a\"".to_owned()),
        ("userName NE \"a\"".into(), "userName NotEqual \"a\"".into()),
        ("userName Ew \"a\"".into(), "userName EndsWith \"a\"".into()),
        ("userName eq\"a\"".into(), "userName Equal \"a\"".into()),
        ("active eq true".into(), "active Equal true".into()),
        ("active ne false".into(), "active NotEqual false".into()),
        ("title eq null".into(), "title Equal null".into()),
        ("active ne null".into(), "active NotEqual null".into()),
        ("loginCount gt 3".into(), "loginCount GreaterThan 3".into()),
        ("loginCount le -7".into(), "loginCount LessOrEqual -7".into()),
        ("score lt 1.5e3".into(), "score LessThan 1500.0".into()),
        ("meta.created sw \"2026-01\"".into(), "meta.created StartsWith \"2026-01\"".into()),
        ("emails eq \"a@b\"".into(), "emails.value Equal \"a@b\"".into()),
        ("emails.VALUE eq \"a@b\"".into(), "emails.value Equal \"a@b\"".into()),
        ("groups.$ref pr".into(), "groups.$ref pr".into()),
        ("emails[PRIMARY eq true]".into(), "emails[primary Equal true]".into()),
        ("schemas[value eq \"urn:x\"]".into(), "schemas[value Equal \"urn:x\"]".into()),
        (format!("{ENTERPRISE}:department eq \"x\""), format!("{ENTERPRISE}:department Equal \"x\"")),
        (
            format!("{}:MANAGER.DISPLAYNAME eq \"x\"", ENTERPRISE.to_uppercase()),
            format!("{ENTERPRISE}:manager.displayName Equal \"x\""),
        ),
        (format!("{ENTERPRISE}:manager eq \"7\""), format!("{ENTERPRISE}:manager.value Equal \"7\"")),
        ("urn:ietf:params:scim:schemas:core:2.0:User:name.givenName pr".into(), "name.givenName pr".into()),
        ("urn:example:2.0:User:badge eq \"007\"".into(), "urn:example:2.0:User:badge Equal \"007\"".into()),
        ("urn:example:2.0:User:size ge 44".into(), "urn:example:2.0:User:size GreaterOrEqual 44".into()),
        (
            "urn:example:2.0:User:cars[colour eq \"red\"]".into(),
            "urn:example:2.0:User:cars[colour Equal \"red\"]".into(),
        ),
        (
            r#"displayName eq "a \"b\" \\ \u00e9 \ud83d\ude00 \n""#.into(),
            r#"displayName Equal "a \"b\" \\ é 😀 \n""#.into(),
        ),
        (
            r#"displayName eq "a-!@#$%^&*()_+=-{}][\":;'/.,?\\1""#.into(),
            r#"displayName Equal "a-!@#$%^&*()_+=-{}][\":;'/.,?\\1""#.into(),
        ),
        ("displayName eq \"Ζωή 😀 and or not (\"".into(), "displayName Equal \"Ζωή 😀 and or not (\"".into()),
        ("displayName eq \"\"".into(), "displayName Equal \"\"".into()),
    ];
    for (text, expected) in cases {
        let (result, fired) = parsed(&text, &schema);
        assert_eq!(shown(&result.unwrap()), expected, "{text}");
        assert!(fired.is_empty(), "{text}: {fired:?}");
    }
}

#[test]
fn what_idps_send_that_the_grammar_lacks_is_the_strict_filter_and_a_named_quirk() {
    let schema = user();
    let manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";
    let cases = [
        ("userName eq ann@example.com", "userName Equal \"ann@example.com\"".to_owned(), "unquoted_filter_value"),
        ("userName eq true", "userName Equal \"true\"".into(), "unquoted_filter_value"),
        ("title eq 7", "title Equal \"7\"".into(), "unquoted_filter_value"),
        ("userName eq zoë", "userName Equal \"zoë\"".into(), "unquoted_filter_value"),
        ("(meta.resourceType eq User)", "meta.resourceType Equal \"User\"".into(), "unquoted_filter_value"),
        (
            "meta.created gt 2026-01-31T09:00:00Z",
            "meta.created GreaterThan \"2026-01-31T09:00:00Z\"".into(),
            "unquoted_filter_value",
        ),
        ("active eq \"True\"", "active Equal true".into(), "boolean_in_filter_as_string"),
        ("active eq FALSE", "active Equal false".into(), "boolean_in_filter_as_string"),
        ("roles[primary eq \"True\"]", "roles[primary Equal true]".into(), "boolean_in_filter_as_string"),
        ("manager eq \"7\"", format!("{manager}.value Equal \"7\""), "unqualified_extension_attribute"),
        (
            "urn:scim:schemas:extension:enterprise:1.0:manager.value eq \"7\"",
            format!("{manager}.value Equal \"7\""),
            "misspelt_schema_uri",
        ),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User.manager pr",
            format!("{manager} pr"),
            "dot_after_schema_uri",
        ),
        (
            "emails[type eq \"work\"].value eq \"x\"",
            "emails[(type Equal \"work\" and value Equal \"x\")]".into(),
            "comparison_after_value_path",
        ),
        (
            "emails[type eq \"a\" or type eq \"b\"].value pr and title pr",
            "(emails[((type Equal \"a\" or type Equal \"b\") and value pr)] and title pr)".into(),
            "comparison_after_value_path",
        ),
        (
            "ims[type pr].value eq \"x\" or emails[type pr].value eq \"y\"",
            "(ims[(type pr and value Equal \"x\")] or emails[(type pr and value Equal \"y\")])".into(),
            "comparison_after_value_path",
        ),
    ];
    for (text, expected, name) in cases {
        let (result, fired) = parsed(text, &schema);
        assert_eq!(shown(&result.unwrap()), expected, "{text}");
        assert_eq!(fired, [name], "{text}");
    }
}

#[test]
fn an_error_shows_the_filter_the_offset_what_was_expected_and_what_stands_there() {
    const OPERATORS: &str = "an operator (eq, ne, co, sw, ew, gt, ge, lt, le or pr)";
    const VALUE: &str = "a value (a quoted string, true, false, null or a number)";
    const START: &str = "an attribute path, 'not' or '('";
    const END: &str = "'and', 'or' or the end of the filter";
    const DATE: &str = "a dateTime such as \"2026-01-31T09:00:00Z\" for 'meta.created'";
    let schema = user();
    let cases = [
        ("", 0, START, "the end"),
        ("   ", 3, START, "the end"),
        ("()", 1, START, "')'"),
        ("\"a\" eq title", 0, START, "a quoted string"),
        ("title", 5, OPERATORS, "the end"),
        ("title regex \"a\"", 6, OPERATORS, "'regex'"),
        ("title \"a\"", 6, OPERATORS, "a quoted string"),
        ("title eq", 8, VALUE, "the end"),
        ("title eq (", 9, VALUE, "'('"),
        ("title eq [1]", 9, VALUE, "'['"),
        ("title eq \"a", 9, "a string that ends with '\"'", "no closing quote"),
        ("title eq \"a\\\"", 9, "a string that ends with '\"'", "no closing quote"),
        ("title eq \"a\\", 9, "a string that ends with '\"'", "no closing quote"),
        ("title eq \"\\q\"", 9, "a JSON string", "an escape or control character that JSON does not have"),
        ("title eq \"\\ud83d\"", 9, "a JSON string", "an escape or control character that JSON does not have"),
        ("title eq \"a\nb\"", 9, "a JSON string", "an escape or control character that JSON does not have"),
        ("title pr and", 12, START, "the end"),
        ("title pr and and title pr", 13, "an attribute of User", "'and'"),
        ("title pr title pr", 9, END, "'title'"),
        ("title eq Vice President", 14, END, "'President'"),
        ("title eq \"é\" x", 14, END, "'x'"),
        ("title pr)", 8, END, "')'"),
        ("(title pr", 9, "'and', 'or' or ')'", "the end"),
        ("(title pr]", 9, "'and', 'or' or ')'", "']'"),
        ("emails[type pr", 14, "'and', 'or' or ']'", "the end"),
        ("emails[]", 7, START, "']'"),
        ("emails[kind eq \"x\"]", 7, "a sub-attribute of 'emails'", "'kind'"),
        ("emails[emails.type eq \"x\"]", 7, "a sub-attribute of 'emails'", "'emails.type'"),
        ("emails[value[type pr]]", 7, "no value filter inside a value filter", "'value['"),
        ("emails[type pr].value", 15, END, "'.value'"),
        ("emails[type pr].value eq \"x\" .type eq \"y\"", 29, END, "'.type'"),
        ("not title pr", 0, "an attribute of User", "'not'"),
        ("shoeSize eq 44", 0, "an attribute of User", "'shoeSize'"),
        ("name.shoeSize pr", 0, "an attribute of User", "'name.shoeSize'"),
        ("name.givenName.x pr", 0, "an attribute path", "'name.givenName.x'"),
        ("emails. pr", 0, "an attribute path", "'emails.'"),
        ("9lives pr", 0, "an attribute path", "'9lives'"),
        ("é pr", 0, "an attribute path", "'é'"),
        ("title\u{a0}pr", 0, "an attribute path", "'title\u{a0}pr'"),
        ("urn:example:2.0:User pr", 0, "an attribute path", "the schema URI 'urn:example:2.0:User' alone"),
        ("urn:example:2.0:User:a[1 eq 2]", 23, "an attribute path", "'1'"),
        ("name eq \"x\"", 0, "a sub-attribute of 'name'", "a complex attribute"),
        ("addresses co \"x\"", 0, "a sub-attribute of 'addresses'", "a complex attribute"),
        ("active gt true", 0, "eq or ne after the boolean 'active'", "another comparison"),
        ("active co \"true\"", 0, "eq or ne after the boolean 'active'", "another comparison"),
        ("active eq \"yes\"", 0, "true or false for 'active'", "another comparison"),
        ("active eq 1", 0, "true or false for 'active'", "another comparison"),
        ("active eq yes", 10, "true or false", "'yes'"),
        ("emails[primary ge true]", 7, "eq or ne after the boolean 'primary'", "another comparison"),
        ("x509Certificates lt \"QQ==\"", 0, "no order after the binary 'x509Certificates.value'", "another comparison"),
        ("title gt null", 0, "eq or ne before null", "another comparison"),
        ("title co null", 0, "eq or ne before null", "another comparison"),
        ("loginCount sw 1", 0, "a comparison of 'loginCount' with a number", "another comparison"),
        ("score eq \"1\"", 0, "a comparison of 'score' with a number", "another comparison"),
        ("loginCount eq one", 14, VALUE, "'one'"),
        ("loginCount eq 01", 14, VALUE, "'01'"),
        ("meta.created gt \"yesterday\"", 0, DATE, "another comparison"),
        ("meta.created eq \"2026-01-31\"", 0, DATE, "another comparison"),
    ];
    for (text, offset, expected, found) in cases {
        let error = parsed(text, &schema).0.unwrap_err();
        let detail = format!("The filter <{text}> is wrong at offset {offset}: expected {expected}, found {found}.");
        assert_eq!(error, ScimError::bad_request(ScimType::InvalidFilter, detail), "{text}");
    }
}

/// RFC 7643 section 2.4: the elements of a multi-valued attribute that is not complex have a `value` alone.
#[test]
fn a_value_filter_on_plain_elements_names_their_value() {
    let mut schema = user();
    let plain = schema.attribute(None, "active").unwrap().clone();
    schema.core.attributes.push(Attribute { name: "answers".into(), multi_valued: true, ..plain });
    assert_eq!(shown(&parsed("answers[value eq true]", &schema).0.unwrap()), "answers[value Equal true]");
    for (text, expected) in [
        ("answers[value gt true]", "eq or ne after the boolean 'value'"),
        ("answers[type eq true]", "a sub-attribute of 'answers'"),
        ("addresses[value eq \"A\"]", "a sub-attribute of 'addresses'"),
    ] {
        let error = parsed(text, &schema).0.unwrap_err();
        assert!(error.detail.contains(expected), "{text}: {}", error.detail);
    }
}

#[test]
fn nesting_ends_at_max_filter_depth() {
    let schema = user();
    let nested = |before: &str, open: &str, count: usize, after: &str| {
        format!("{before}{}title pr{}{after}", open.repeat(count), ")".repeat(count))
    };
    for open in ["(", "not (", "title pr and ("] {
        assert!(parsed(&nested("", open, MAX_FILTER_DEPTH, ""), &schema).0.is_ok(), "{open}");
        let error = parsed(&nested("", open, MAX_FILTER_DEPTH + 1, ""), &schema).0.unwrap_err();
        let offset = open.len() * (MAX_FILTER_DEPTH + 1) - 1;
        let expected = format!("is wrong at offset {offset}: expected at most 16 levels of nesting, found more.");
        assert!(error.detail.contains(&expected), "{open}: {}", error.detail);
        assert_eq!(error.scim_type, Some(ScimType::InvalidFilter));
    }
    let in_value_filter = |count: usize| nested("emails[", "(", count, "]").replace("title", "type");
    assert!(parsed(&in_value_filter(MAX_FILTER_DEPTH - 1), &schema).0.is_ok());
    assert!(parsed(&in_value_filter(MAX_FILTER_DEPTH), &schema).0.unwrap_err().detail.contains("levels of nesting"));
    let hostile = parsed(&"(".repeat(MAX_FILTER_BYTES), &schema).0.unwrap_err();
    assert!(hostile.detail.contains("levels of nesting"));
}

#[test]
fn length_ends_at_max_filter_bytes() {
    let schema = user();
    let long = |bytes: usize| format!("title eq \"{}\"", "x".repeat(bytes - "title eq \"\"".len()));
    assert!(parsed(&long(MAX_FILTER_BYTES), &schema).0.is_ok());
    let error = parsed(&long(MAX_FILTER_BYTES + 1), &schema).0.unwrap_err();
    assert_eq!(error.scim_type, Some(ScimType::InvalidFilter));
    assert!(error.detail.ends_with("at offset 8192: expected a filter of at most 8192 bytes, found more."));
    assert!(error.detail.len() < 300, "the error repeats the start of the filter alone: {}", error.detail.len());
}

#[test]
fn every_sequence_of_five_tokens_is_a_filter_or_invalid_filter() {
    const ALPHABET: [&str; 11] =
        ["emails", "urn:x:2.0:User:é", "eq", "pr", "\"é\"", "and", "not", "(", ")", "[", "].value"];
    let schema = user();
    let mut sequences = vec![String::new()];
    for _ in 0..5 {
        sequences = sequences.iter().flat_map(|left| ALPHABET.map(|token| format!("{left} {token}"))).collect();
        for text in &sequences {
            if let Err(error) = parse(text, &schema, &mut Quirks::default()) {
                assert_eq!(error.scim_type, Some(ScimType::InvalidFilter), "{text}");
            }
        }
    }
}

#[test]
fn every_truncation_and_every_splice_of_a_long_filter_is_a_filter_or_invalid_filter() {
    let schema = user();
    let long = r#"userName eq "zoë \"é\" 😀" and not (emails[type eq "wörk" and value co "@"].value eq "ü" or active eq "True") or urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "ß" and meta.created gt "2026-01-31T09:00:00+01:00" and title eq ünquoted"#;
    assert!(parse(long, &schema, &mut Quirks::default()).is_ok());
    let boundaries: Vec<usize> = long.char_indices().map(|(at, _)| at).collect();
    let check = |text: &str| {
        if let Err(error) = parse(text, &schema, &mut Quirks::default()) {
            assert_eq!(error.scim_type, Some(ScimType::InvalidFilter), "{text}");
        }
    };
    for &at in &boundaries {
        let (head, tail) = long.split_at(at);
        check(head);
        check(tail);
        for character in ["\"", "\\", "(", "]", "é", ".", ":", "\u{0}", "\u{2028}"] {
            check(&format!("{head}{character}{tail}"));
        }
    }
}
