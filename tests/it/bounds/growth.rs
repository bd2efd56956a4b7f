//! Time grows with what is sent, not with its square: four times as much takes four times as long, and may take eight in
//! a test that is disturbed. What a client can make long is made four times as long here, up to its bound.

use scimlet::ambient;
use scimlet::protocol::bulk::{self, plan};
use scimlet::protocol::patch::{self, MAX_OPERATIONS};
use scimlet::protocol::quirks::Quirks;
use scimlet::protocol::schema::{ResourceSchema, ResourceType, Schemas};
use scimlet::protocol::{Object, filter, matching, members, projection, validation};
use serde_json::{Value, json};
use std::time::Duration;

const QUADRATIC_FROM: f64 = 8.0;

/// The shortest of some runs.
fn time(run: &dyn Fn()) -> Duration {
    let once = || {
        let started = ambient::monotonic();
        run();
        started.elapsed()
    };
    (0..5).map(|_| once()).min().unwrap()
}

/// `work` makes, of a size, what is measured.
#[track_caller]
fn is_linear<'w>(what: &str, quarter: usize, work: impl Fn(usize) -> Box<dyn Fn() + 'w>) {
    let (small, large) = (work(quarter), work(4 * quarter));
    // Four small ones are as long as a large one, so that what else runs on the machine is in the way of both.
    let ratio = || 4.0 * time(&*large).as_secs_f64() / time(&|| (0..4).for_each(|_| small())).as_secs_f64();
    // Disturbed once, it is looked at again.
    let ratio = (0..4).map(|_| ratio()).find(|ratio| *ratio < QUADRATIC_FROM).unwrap_or_else(ratio);
    assert!(ratio < QUADRATIC_FROM, "{what}: {quarter} to {} takes {ratio:.1} times as long", 4 * quarter);
}

fn values(from: usize, count: usize) -> Vec<Value> {
    (from..from + count).map(|number| json!({ "value": format!("e{number}") })).collect()
}

fn user(values: Vec<Value>) -> Object {
    json!({ "userName": "ann", "active": true, "entitlements": values }).as_object().unwrap().clone()
}

fn apply(schema: &ResourceSchema, resource: &Object, operations: &Value) {
    let operations = patch::parse(schema, &json!({ "Operations": operations }), &mut Quirks::default()).unwrap();
    patch::apply(schema, resource, &operations, &mut Quirks::default()).unwrap();
}

#[test]
fn four_times_as_much_does_not_take_sixteen_times_as_long() {
    let schemas = Schemas::load(true).unwrap();
    let schema = schemas.of(ResourceType::User);
    is_linear("values added to as many", 600, |count| {
        let (there, add) =
            (user(values(0, count)), json!([{ "op": "add", "path": "entitlements", "value": values(count, count) }]));
        Box::new(move || apply(schema, &there, &add))
    });
    is_linear("values that are all made primary", 1_000, |count| {
        let (there, set) = (
            user(values(0, count)),
            json!([{ "op": "replace", "path": "entitlements[value pr].primary", "value": true }]),
        );
        Box::new(move || apply(schema, &there, &set))
    });
    is_linear("operations", MAX_OPERATIONS / 4, |count| {
        let operation = |number: usize| json!({ "op": "replace", "path": "title", "value": format!("title {number}") });
        let operations: Value = (0..count).map(operation).collect();
        let there = user(values(0, 10));
        Box::new(move || apply(schema, &there, &operations))
    });
    is_linear("a resource that is accepted and settled", 1_000, |count| {
        let body = Value::Object(user(values(0, count)));
        Box::new(move || {
            let kept = validation::accept(schema, body.clone(), &mut Quirks::default()).unwrap();
            validation::settle(schema, kept).unwrap();
        })
    });
    is_linear("members of a group", 10_000, |count| {
        let members = json!({ "members": values(0, count) });
        Box::new(move || drop(members::take_members(&mut members.as_object().unwrap().clone()).unwrap()))
    });
    is_linear("terms of a filter", 200, |count| {
        let text = vec!["title pr"; count].join(" or ");
        let text = &text[..text.len().min(filter::MAX_FILTER_BYTES)];
        let text = text.rsplit_once(" or ").map_or(text, |(whole, _)| whole).to_owned();
        Box::new(move || {
            let filter = filter::parse(&text, schema, &mut Quirks::default()).unwrap();
            assert!(!matching::matches(&filter, &Object::new(), schema));
        })
    });
    is_linear("names of attributes", projection::MAX_NAMES / 4, |count| {
        let names = (0..count).map(|number| format!("a{number}")).collect::<Vec<_>>().join(",");
        Box::new(move || {
            let chosen = projection::Projection::parse(Some(&names), None, schema, &mut Quirks::default()).unwrap();
            chosen.apply(&mut user(values(0, 10)), schema);
        })
    });
}

/// Each group is a member of the next fifty and the last fifty: circles everywhere.
#[test]
fn a_bulk_request_of_circles_is_planned_in_time_that_grows_with_its_references() {
    is_linear("references in circles", 250, |count| {
        let group = |number: usize| {
            let others = (1..50).flat_map(|step| [(number + step) % count, (number + count - step) % count]);
            let members: Vec<Value> = others.map(|other| json!({ "value": format!("bulkId:g{other}") })).collect();
            let data = json!({ "displayName": format!("g{number}"), "members": members });
            json!({ "method": "POST", "path": "/Groups", "bulkId": format!("g{number}"), "data": data })
        };
        let body = json!({ "Operations": (0..count).map(group).collect::<Vec<_>>() });
        let request = bulk::Request::parse(&body).unwrap();
        Box::new(move || assert!(plan::plan(&request).len() > count))
    });
}
