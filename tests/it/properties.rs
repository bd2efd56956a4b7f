//! What holds for any input.

use crate::harness::App;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use scimlet::protocol::filter::{self, CompareValue, Filter, Operator};
use scimlet::protocol::path::{self, AttributePath, Target};
use scimlet::protocol::quirks::Quirks;
use scimlet::protocol::schema::{ENTERPRISE_URI, ResourceType, Schemas};
use serde_json::{Value, json};

fn operator() -> impl Strategy<Value = Operator> {
    use Operator as O;
    prop::sample::select(vec![
        O::Equal,
        O::NotEqual,
        O::Contains,
        O::StartsWith,
        O::EndsWith,
        O::GreaterThan,
        O::GreaterOrEqual,
        O::LessThan,
        O::LessOrEqual,
    ])
}

fn text_path() -> impl Strategy<Value = AttributePath> {
    let path = |extension: Option<&str>, attribute: &str, sub_attribute: Option<&str>| AttributePath {
        extension: extension.map(str::to_owned),
        attribute: attribute.to_owned(),
        sub_attribute: sub_attribute.map(str::to_owned),
    };
    prop::sample::select(vec![
        path(None, "userName", None),
        path(None, "externalId", None),
        path(None, "name", Some("familyName")),
        path(None, "emails", Some("value")),
        path(Some(ENTERPRISE_URI), "department", None),
        path(Some(ENTERPRISE_URI), "manager", Some("value")),
        path(Some("urn:example:2.0:User"), "badge", None),
    ])
}

fn comparison(path: impl Strategy<Value = AttributePath>) -> impl Strategy<Value = Filter> {
    (path, operator(), any::<String>())
        .prop_map(|(path, operator, text)| Filter::Compare(path, operator, CompareValue::Text(text)))
}

fn chains(leaf: impl Strategy<Value = Filter> + 'static) -> impl Strategy<Value = Filter> {
    leaf.prop_recursive(3, 12, 3, |inner| {
        // A chain inside a chain of the same word is the one chain when it is read again.
        let other = |terms: &Vec<Filter>, is_and: bool| {
            !terms
                .iter()
                .any(|term| if is_and { matches!(term, Filter::And(_)) } else { matches!(term, Filter::Or(_)) })
        };
        let terms = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            terms.clone().prop_filter("one chain", move |terms| other(terms, true)).prop_map(Filter::And),
            terms.prop_filter("one chain", move |terms| other(terms, false)).prop_map(Filter::Or),
            inner.prop_map(|inner| Filter::Not(Box::new(inner))),
        ]
    })
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let sub = prop::sample::select(vec!["value", "type", "display"]).prop_map(AttributePath::sub_attribute_alone);
    let inner = chains(comparison(sub));
    let leaf = prop_oneof![
        4 => comparison(text_path()),
        1 => text_path().prop_map(Filter::Present),
        1 => inner.prop_map(|inner| Filter::Value(AttributePath::core("emails"), Box::new(inner))),
        1 => any::<bool>().prop_map(|flag| {
            Filter::Compare(AttributePath::core("active"), Operator::Equal, CompareValue::Boolean(flag))
        }),
    ];
    chains(leaf)
}

fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        3 => prop::sample::select(vec![
            "schemas", "userName", "displayName", "active", "name", "givenName", "emails", "value", "type", "primary",
            "members", "Operations", "op", "path", "id", "meta", "manager", "password", "externalId", ENTERPRISE_URI,
            "add", "replace", "remove", "emails[type eq \"work\"].value", "method", "bulkId", "data", "filter", "count",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,12}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        name.clone().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new_with_rng(
        Config { cases, failure_persistence: None, ..Config::default() },
        prop::test_runner::TestRng::deterministic_rng(prop::test_runner::RngAlgorithm::ChaCha),
    )
}

#[test]
fn a_printed_filter_parses_to_itself() {
    let schemas = Schemas::load(true).unwrap();
    let schema = schemas.of(ResourceType::User);
    runner(1500)
        .run(&any_filter(), |filter| {
            let text = filter.to_string();
            prop_assume!(text.len() <= filter::MAX_FILTER_BYTES);
            let mut quirks = Quirks::default();
            let parsed = filter::parse(&text, schema, &mut quirks);
            prop_assert_eq!(parsed.map_err(|error| error.detail), Ok(filter), "{}", text);
            prop_assert!(quirks.names().is_empty(), "{:?}: {}", quirks, text);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_printed_path_parses_to_itself() {
    let schemas = Schemas::load(true).unwrap();
    let schema = schemas.of(ResourceType::User);
    let sub = prop::sample::select(vec!["value", "type", "display"]).prop_map(AttributePath::sub_attribute_alone);
    let value_path = (chains(comparison(sub)), prop::option::of(prop::sample::select(vec!["value", "primary"])))
        .prop_map(|(filter, name)| Target::Value {
            path: AttributePath::core("emails"),
            filter,
            sub_attribute: name.map(str::to_owned),
        });
    let target = prop_oneof![text_path().prop_map(Target::Attribute), value_path];
    runner(1500)
        .run(&target, |target| {
            let text = target.to_string();
            prop_assume!(text.len() <= path::MAX_PATH_BYTES);
            let parsed = path::parse(&text, schema, &mut Quirks::default());
            prop_assert_eq!(parsed.map_err(|error| error.detail), Ok(target), "{}", text);
            Ok(())
        })
        .unwrap();
}

/// Any body gives a 2xx or a SCIM 4xx. Whatever was accepted survives a PUT of its own GET unchanged.
#[test]
fn any_body_is_done_or_refused_and_what_is_kept_survives_its_own_put() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let app = runtime.block_on(App::start());
    let user = runtime.block_on(app.user("property@example.com"));
    let group = runtime.block_on(app.group("Property", &[&user]));
    let requests = [
        ("POST", "/Users".to_owned()),
        ("PUT", format!("/Users/{user}")),
        ("PATCH", format!("/Users/{user}")),
        ("POST", "/Groups".to_owned()),
        ("PUT", format!("/Groups/{group}")),
        ("PATCH", format!("/Groups/{group}")),
        ("POST", "/Bulk".to_owned()),
        ("POST", "/Users/.search".to_owned()),
    ];
    let body = prop_oneof![
        any_json(),
        any_json().prop_map(|value| json!({ "userName": "x", "displayName": "x", "title": "t", "extra": value })),
        (
            any_json(),
            prop::sample::select(vec!["emails", "name.givenName", "members", "emails[type eq \"w\"]", "manager"])
        )
            .prop_map(|(value, path)| json!({ "Operations": [{ "op": "add", "path": path, "value": value }] })),
        any_json()
            .prop_map(|value| json!({ "Operations": [{ "op": "replace", "value": { "nickName": "n", "x": value } }] })),
        any_json().prop_map(|value| json!({ "Operations": [
            { "method": "POST", "path": "/Users", "bulkId": "a", "data": { "userName": "bulk", "x": value } },
        ]})),
    ];
    runner(250)
        .run(&body, |body| {
            for (method, path) in &requests {
                let sent = Some(body.to_string().into_bytes());
                let answer =
                    runtime.block_on(app.send(method, path, &[("content-type", "application/scim+json")], sent));
                prop_assert!(
                    (200..300).contains(&answer.status) || (400..500).contains(&answer.status),
                    "{}",
                    answer.text
                );
                if answer.status >= 400 {
                    answer.is_error(answer.status, answer.body["scimType"].as_str());
                }
                let Some(id) = answer.body.get("id").and_then(Value::as_str).filter(|_| answer.status < 300) else {
                    continue;
                };
                let one = format!("{}/{id}", if path.starts_with("/Users") { "/Users" } else { "/Groups" });
                let before = runtime.block_on(app.get(&one)).expect(200).body;
                let put = runtime.block_on(app.put(&one, before.clone())).expect(200).body;
                prop_assert_eq!(put, before);
                if *method == "POST" {
                    runtime.block_on(app.delete(&one)).expect(204);
                }
            }
            Ok(())
        })
        .unwrap();
}

/// A PATCH and its inverse: the resource is what it was.
#[test]
fn a_patch_and_its_inverse_leave_the_start() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let app = runtime.block_on(App::start());
    let one = format!("/Users/{}", runtime.block_on(app.user("inverse@example.com")));
    let strip = |mut resource: Value| {
        resource.as_object_mut().unwrap().remove("meta");
        resource
    };
    let paths = vec![
        "title",
        "name.givenName",
        "nickName",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:division",
    ];
    let change = (prop::sample::select(paths), "[a-zA-Z0-9é\"\\\\ ]{1,20}", "[a-z]{1,8}");
    runner(60)
        .run(&change, |(path, value, email)| {
            let start = strip(runtime.block_on(app.get(&one)).body);
            let add = json!([
                { "op": "add", "path": path, "value": value },
                { "op": "add", "path": "emails", "value": [{ "type": email, "value": value }] },
            ]);
            let remove = json!([
                { "op": "remove", "path": format!("emails[type eq \"{email}\"]") },
                { "op": "remove", "path": path },
            ]);
            let changed = strip(runtime.block_on(app.operations(&one, add)).expect(200).body);
            prop_assert_ne!(&changed, &start);
            let back = strip(runtime.block_on(app.operations(&one, remove)).expect(200).body);
            prop_assert_eq!(back, start);
            Ok(())
        })
        .unwrap();
}
