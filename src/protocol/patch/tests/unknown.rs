//! What no schema names: it is kept as it came.

use super::*;

#[test]
fn a_list_that_no_schema_names_is_added_to_or_replaced() {
    let example = |cars: Value| json!({ EXAMPLE_URI: { "badge": "007", "cars": cars, "desk": { "floor": 1 } } });
    let cars = "urn:example:2.0:User:cars";
    let two = json!([{ "plate": "2" }]);
    let both = json!([{ "plate": "1" }, { "plate": "2" }]);
    let cases = [
        (json!([{ "op": "add", "path": cars, "value": two }]), example(both.clone())),
        (json!([{ "op": "replace", "path": cars, "value": two }]), example(two.clone())),
        (json!([{ "op": "add", "path": cars, "value": both }]), example(both.clone())),
        (json!([{ "op": "add", "path": cars, "value": 7 }]), example(json!(7))),
        (json!([{ "op": "add", "value": { EXAMPLE_URI: { "cars": two } } }]), example(both)),
        (json!([{ "op": "replace", "value": { EXAMPLE_URI: { "cars": two } } }]), example(two)),
    ];
    check_from(&ann(), &cases, true);
}

#[test]
fn a_key_that_no_schema_names_is_kept_as_it_came() {
    // The key, its value, and whether the key looks like a path.
    let cases = [
        ("shoeSize", json!(44), false),
        ("shoeSize", json!({ "eu": 44 }), false),
        ("urn:x", json!({ "a": [1] }), false),
        ("urn:example:2.0:badge of", json!({ "a": 1 }), false),
        ("shoe.size", json!(44), true),
        ("urn:x", json!(7), true),
        ("a.b.c", json!({ "d": 1 }), true),
    ];
    for (key, value, is_path) in cases {
        let (result, fired) = patched(&ann(), &json!([{ "op": "add", "value": { key: value } }]));
        assert_eq!(result.unwrap()[key], value, "{key}");
        assert_eq!(fired, if is_path { vec!["path_as_key"] } else { vec![] }, "{key}");
    }
}
