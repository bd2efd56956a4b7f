//! The body of a bulk request: every operation is done or refused once, and after what it refers to.

use super::samples;
use scimlet::protocol::bulk::plan::{Step, plan};
use scimlet::protocol::bulk::{BulkOperation, MAX_BULK_OPERATIONS, Method, Request, references};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub fn check(text: &str) {
    let Ok(body) = serde_json::from_str::<Value>(text) else { return };
    let request = match Request::parse(&body) {
        Ok(request) => request,
        Err(error) => return samples::is_refusal(&error, text.len()),
    };
    assert!(request.operations.len() <= MAX_BULK_OPERATIONS);
    for entry in &request.operations {
        match &entry.operation {
            Ok(operation) => is_whole(operation),
            Err(error) => samples::is_refusal(error, text.len()),
        }
    }
    is_in_order(&request);
}

fn is_whole(operation: &BulkOperation) {
    let is_post = operation.method == Method::Post;
    assert_eq!(operation.id.is_none(), is_post, "{operation:?}");
    assert!(!is_post || operation.bulk_id.is_some(), "{operation:?}");
    assert!(operation.method == Method::Delete || operation.data.is_object(), "{operation:?}");
    let refers_to = references::of(operation);
    let ids: BTreeMap<String, String> = refers_to.iter().cloned().zip((0..).map(|id: u32| id.to_string())).collect();
    let mut filled = operation.clone();
    references::fill_in(&mut filled.data, &ids);
    filled.id = references::target(operation, &ids).map(str::to_owned);
    assert_eq!(references::of(&filled), BTreeSet::new(), "{operation:?} filled in is {filled:?}");
    if let Ok(linked) = references::take_out(&mut filled.data, &refers_to) {
        assert_eq!(linked, [Value::Null; 0], "nothing is left to be linked: {filled:?}");
    }
    let mut without = BulkOperation { id: None, ..operation.clone() };
    let referring = references::of(&without);
    if references::take_out(&mut without.data, &refers_to).is_ok() {
        assert_eq!(references::of(&without), BTreeSet::new(), "{operation:?} without {referring:?}");
    }
}

fn is_in_order(request: &Request) {
    let mut settled = BTreeSet::new();
    let mut waits: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    let creator = |name: &String| {
        let creates =
            |operation: &BulkOperation| operation.method == Method::Post && operation.bulk_id.as_ref() == Some(name);
        request.operations.iter().position(|entry| entry.operation.as_ref().is_ok_and(creates))
    };
    for step in plan(request) {
        match step {
            Step::Refuse(index, error) => {
                assert!(error.status == 400, "{error:?}");
                assert!(settled.insert(index), "operation {index} twice");
            }
            Step::Do { operation: index, later } => {
                let operation = request.operations[index].operation.as_ref().expect("an operation that can be read");
                let names = references::of(operation);
                assert!(later.is_subset(&names), "{later:?} of {names:?}");
                for name in names.difference(&later) {
                    let creator = creator(name).expect("a POST with that bulkId");
                    assert!(settled.contains(&creator), "operation {index} before {name}, which it refers to");
                }
                if !later.is_empty() {
                    waits.insert(index, later);
                }
                assert!(settled.insert(index), "operation {index} twice");
            }
            Step::Link(index) => {
                let later = waits.remove(&index).expect("an operation that waits to be linked");
                let all_there = later.iter().all(|name| creator(name).is_some_and(|found| settled.contains(&found)));
                assert!(all_there, "operation {index} is linked before {later:?}");
            }
        }
    }
    assert_eq!(settled.len(), request.operations.len());
    assert_eq!(waits, BTreeMap::new(), "operations that are never linked");
}
