//! The order in which the operations of a bulk request are done.

use super::{BulkOperation, Method, Request, references};
use crate::protocol::error::ScimError;
use std::collections::{BTreeMap, BTreeSet};

/// One step. The number is that of the operation in the request.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Do the operation; leave out references to `later`.
    Do {
        /// Which.
        operation: usize,
        /// bulkIds of resources that are created after it.
        later: BTreeSet<String>,
    },
    /// Add the references that were left out: all of them exist now.
    Link(usize),
    /// The operation cannot be done.
    Refuse(usize, ScimError),
}

/// Orders the operations: as in the request, but what is referenced comes first. References that run in a circle are
/// cut at the operation that closes it, and linked when all are there.
#[must_use]
pub fn plan(request: &Request) -> Vec<Step> {
    let creators: BTreeMap<&str, usize> = request
        .operations
        .iter()
        .enumerate()
        .filter_map(|(index, entry)| match &entry.operation {
            Ok(BulkOperation { method: Method::Post, bulk_id: Some(bulk_id), .. }) => Some((bulk_id.as_str(), index)),
            _ => None,
        })
        .collect();
    let (state, cuts, waits) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut planner = Planner { request, creators, state, cuts, waits, steps: Vec::new() };
    for index in 0..request.operations.len() {
        planner.visit(index);
    }
    planner.steps
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    UnderWay,
    Done,
}

struct Planner<'a> {
    request: &'a Request,
    creators: BTreeMap<&'a str, usize>,
    state: BTreeMap<usize, State>,
    /// By the operation that is still to come: those that wait to be linked with it.
    cuts: BTreeMap<usize, Vec<usize>>,
    /// By operation: how many it waits for.
    waits: BTreeMap<usize, usize>,
    steps: Vec<Step>,
}

impl Planner<'_> {
    /// Depth first: at most as deep as there are operations, of which there are [`super::MAX_BULK_OPERATIONS`].
    fn visit(&mut self, index: usize) {
        if self.state.contains_key(&index) {
            return;
        }
        self.state.insert(index, State::UnderWay);
        let operation = match &self.request.operations[index].operation {
            Ok(operation) => operation,
            Err(error) => return self.refuse(index, error.clone()),
        };
        // First whether it can be done at all: nothing is to wait for one that is refused.
        let mut references = Vec::new();
        for bulk_id in references::of(operation) {
            match self.creators.get(bulk_id.as_str()) {
                Some(&creator) if creator == index => {
                    let detail = "The operation refers to the resource that it creates.";
                    return self.refuse(index, ScimError::invalid_value(detail));
                }
                Some(&creator) => references.push((bulk_id, creator)),
                None => {
                    let detail = format!("No POST of this request has the bulkId '{bulk_id}'.");
                    return self.refuse(index, ScimError::invalid_value(detail));
                }
            }
        }
        let mut later = BTreeSet::new();
        for (bulk_id, creator) in references {
            self.visit(creator);
            if self.state.get(&creator) == Some(&State::UnderWay) {
                later.insert(bulk_id);
                self.cuts.entry(creator).or_default().push(index);
                *self.waits.entry(index).or_default() += 1;
            }
        }
        self.steps.push(Step::Do { operation: index, later });
        self.finish(index);
    }

    fn refuse(&mut self, index: usize, error: ScimError) {
        self.steps.push(Step::Refuse(index, error));
        self.finish(index);
    }

    /// Those that waited for this operation can be linked, if they wait for no other.
    fn finish(&mut self, index: usize) {
        self.state.insert(index, State::Done);
        for waiting in self.cuts.remove(&index).unwrap_or_default() {
            let left = self.waits.entry(waiting).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.steps.push(Step::Link(waiting));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn group(bulk_id: &str, members: &[&str]) -> Value {
        let members: Vec<Value> = members.iter().map(|name| json!({ "value": format!("bulkId:{name}") })).collect();
        json!({ "method": "POST", "path": "/Groups", "bulkId": bulk_id, "data": { "displayName": bulk_id, "members": members } })
    }

    /// `a` for an operation done whole, `a-b` for one without its reference to b, `+a` for a link, `!0` for a refusal.
    fn steps(operations: &Value) -> Vec<String> {
        let request = Request::parse(&json!({ "Operations": operations })).unwrap();
        let name = |index: usize| request.operations[index].bulk_id.clone().unwrap_or_else(|| index.to_string());
        plan(&request)
            .into_iter()
            .map(|step| match step {
                Step::Do { operation, later } => {
                    std::iter::once(name(operation)).chain(later).collect::<Vec<_>>().join("-")
                }
                Step::Link(index) => format!("+{}", name(index)),
                Step::Refuse(index, _) => format!("!{}", name(index)),
            })
            .collect()
    }

    #[test]
    fn rfc7644_section_3_7_1_what_is_referenced_comes_first_and_circles_are_cut() {
        let cases = [
            (json!([group("a", &[]), group("b", &["a"])]), vec!["a", "b"]),
            (json!([group("b", &["a"]), group("a", &[])]), vec!["a", "b"]),
            (json!([group("a", &["b"]), group("b", &["a"])]), vec!["b-a", "a", "+b"]),
            (json!([group("a", &["b", "c"]), group("b", &["c"]), group("c", &["a"])]), vec!["c-a", "b", "a", "+c"]),
            // Linked when all that it waits for are there.
            (json!([group("a", &["b"]), group("b", &["c"]), group("c", &["a", "b"])]), vec!["c-a-b", "b", "a", "+c"]),
            (json!([group("a", &["nobody"]), group("b", &[])]), vec!["!a", "b"]),
            (json!([group("a", &["a"])]), vec!["!a"]),
            // What is refused is not linked later.
            (json!([group("a", &["b"]), group("b", &["a", "nobody"])]), vec!["!b", "a"]),
            (json!([{ "method": "DELETE", "path": "/Users/bulkId:a" }, group("a", &[])]), vec!["a", "0"]),
            // The data of a DELETE is not looked at.
            (
                json!([{ "method": "DELETE", "path": "/Users/1", "data": ["bulkId:a"] }, group("a", &[])]),
                vec!["0", "a"],
            ),
        ];
        for (operations, expected) in cases {
            assert_eq!(steps(&operations), expected, "{operations}");
        }
    }

    #[test]
    fn a_chain_of_a_thousand_references_is_ordered() {
        let names: Vec<String> = (0..1000).map(|number| format!("g{number}")).collect();
        let chain: Vec<Value> = (0..1000)
            .map(|number| {
                group(&names[number], &names.get(number + 1).map(String::as_str).into_iter().collect::<Vec<_>>())
            })
            .collect();
        let steps = steps(&json!(chain));
        assert_eq!((steps[0].as_str(), steps[999].as_str()), ("g999", "g0"));
    }
}
