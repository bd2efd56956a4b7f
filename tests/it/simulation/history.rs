//! What was asked, what was answered, and whether one order of all of it explains what was seen.
//!
//! Each attribute of a user and each membership is a register: requests write it, others read it. What a read sees must
//! have been written by a request that began before the read ended, and that no other acknowledged write replaced between
//! the end of the one and the beginning of the other. A request without a definite answer may have written at any time
//! since it began; a refused one has not. That is necessary for linearizability and quick to check.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Attributes of a user that are followed.
pub const FOLLOWED: [&str; 6] = ["active", "department", "displayName", "email", "nickName", "title"];

/// Values of attributes, `None` for one that is not there.
pub type Values = BTreeMap<&'static str, Option<Value>>;

/// What a request is meant to do.
#[derive(Debug, Clone)]
pub enum Effect {
    Nothing,
    CreateUser {
        values: Values,
    },
    CreateGroup {
        members: Vec<String>,
    },
    SetUser {
        id: String,
        values: Values,
    },
    SetMembers {
        group: String,
        members: Vec<(String, bool)>,
        are_all: bool,
    },
    Delete {
        id: String,
    },
    /// The operations of a bulk request.
    Each(Vec<Effect>),
}

/// What an answer shows.
#[derive(Debug, Clone)]
pub enum Sight {
    /// A user, or that it is not there.
    User { id: String, values: Option<Values> },
    /// All members of a group.
    Members { group: String, members: BTreeSet<String> },
    /// Whether somebody is a member.
    Member { group: String, member: String, is_one: bool },
}

/// How sure it is that a request did what it was meant to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Refused,
    Unknown,
}

/// A request with its answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Places in the one order of beginnings and ends.
    pub began: u64,
    pub ended: u64,
    pub what: String,
    pub status: u16,
    /// `x-request-id`.
    pub id: String,
    pub effect: Effect,
    /// For each effect.
    pub outcomes: Vec<Outcome>,
    /// The ids that were given, for each effect.
    pub given: Vec<Option<String>>,
    pub sights: Vec<Sight>,
}

/// What became of a request, or of one operation of a bulk request.
pub fn outcome(status: u16, detail: &str) -> Outcome {
    match status {
        200..300 => Outcome::Done,
        // Throttled: an attempt before may have been carried out.
        429 if !detail.contains("Nothing was changed") => Outcome::Unknown,
        503 => Outcome::Unknown,
        304 | 400..=404 | 409 | 412 | 413 | 429 => Outcome::Refused,
        _ => panic!("nobody should be answered {status}: {detail}"),
    }
}

/// The followed attributes of a user.
pub fn followed(user: &Value) -> Values {
    let emails = user["emails"].as_array().map_or(&[][..], Vec::as_slice);
    let email = emails.iter().find(|email| email["type"] == "work").map(|email| email["value"].clone());
    let enterprise = &user["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"];
    let of = |attribute: &str| match attribute {
        "email" => email.clone(),
        "department" => enterprise.get(attribute).cloned(),
        _ => user.get(attribute).cloned(),
    };
    FOLLOWED.map(|attribute| (attribute, of(attribute))).into()
}

/// The ids in `members`.
pub fn member_ids(group: &Value) -> BTreeSet<String> {
    let members = group["members"].as_array().map_or(&[][..], Vec::as_slice);
    members.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect()
}

struct Write<'a> {
    began: u64,
    /// None when it may still come.
    ended: Option<u64>,
    value: Option<&'a Value>,
}

const FOREVER: u64 = u64::MAX;

/// Whether the writes explain what a read saw between `began` and `ended`.
fn explain(writes: &[Write<'_>], seen: Option<&Value>, began: u64, ended: u64) -> bool {
    writes.iter().filter(|write| write.value == seen && write.began < ended).any(|write| {
        let Some(end) = write.ended else { return true };
        !writes.iter().any(|later| {
            later.began > end && later.value != seen && later.ended.is_some_and(|later_end| later_end < began)
        })
    })
}

/// One effect of an exchange.
struct Deed<'a> {
    exchange: &'a Exchange,
    effect: &'a Effect,
    outcome: Outcome,
    given: Option<&'a str>,
}

impl Deed<'_> {
    /// When it was surely over.
    fn ended(&self) -> Option<u64> {
        (self.outcome == Outcome::Done).then_some(self.exchange.ended)
    }
}

/// What is in the table in the end.
#[derive(Debug, Default)]
pub struct Found {
    pub users: BTreeMap<String, Value>,
    pub groups: BTreeMap<String, Value>,
    pub members: BTreeMap<String, BTreeSet<String>>,
    /// Operation, type of the resource, its id and the id of the request, of each change record.
    pub records: Vec<[String; 4]>,
}

/// All that happened, seen from the end.
pub struct History<'a> {
    deeds: Vec<Deed<'a>>,
    exchanges: &'a [Exchange],
    found: &'a Found,
    /// Who created a resource, by its id: place in `deeds`.
    creators: BTreeMap<&'a str, usize>,
    deletions: BTreeMap<&'a str, Vec<usize>>,
    changes: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> History<'a> {
    pub fn new(exchanges: &'a [Exchange], found: &'a Found) -> Self {
        let mut deeds = Vec::new();
        for exchange in exchanges {
            let effects = match &exchange.effect {
                Effect::Nothing => &[][..],
                Effect::Each(each) => each,
                one => std::slice::from_ref(one),
            };
            for (number, effect) in effects.iter().enumerate() {
                let (outcome, given) = (exchange.outcomes[number], exchange.given[number].as_deref());
                deeds.push(Deed { exchange, effect, outcome, given });
            }
        }
        // The change log says which request created what, also when its answer was lost.
        let by_request: BTreeMap<(&str, &str), &str> = found
            .records
            .iter()
            .filter(|[operation, ..]| operation == "create")
            .map(|[_, kind, id, request]| ((request.as_str(), kind.as_str()), id.as_str()))
            .collect();
        let mut history = Self {
            deeds,
            exchanges,
            found,
            creators: BTreeMap::new(),
            deletions: BTreeMap::new(),
            changes: BTreeMap::new(),
        };
        for (number, deed) in history.deeds.iter().enumerate() {
            match deed.effect {
                Effect::CreateUser { .. } | Effect::CreateGroup { .. } => {
                    let kind = if matches!(deed.effect, Effect::CreateUser { .. }) { "User" } else { "Group" };
                    let logged = by_request.get(&(deed.exchange.id.as_str(), kind)).copied();
                    if let Some(id) = deed.given.or(logged) {
                        history.creators.insert(id, number);
                    }
                }
                Effect::Delete { id } => history.deletions.entry(id).or_default().push(number),
                Effect::SetUser { id, .. } | Effect::SetMembers { group: id, .. } => {
                    history.changes.entry(id).or_default().push(number);
                }
                Effect::Nothing | Effect::Each(_) => {}
            }
        }
        history
    }

    /// Panics with the first thing that no order explains.
    pub fn check(&self) {
        self.created_and_deleted();
        self.end_state();
        self.sights();
        self.records();
    }

    fn deletions_of(&self, id: &str) -> impl Iterator<Item = &Deed<'a>> {
        self.deletions.get(id).into_iter().flatten().map(|number| &self.deeds[*number])
    }

    fn writes_of_attribute(&self, id: &str, attribute: &str) -> Vec<Write<'_>> {
        let creator = self.creators.get(id).unwrap_or_else(|| panic!("nobody created the user {id}"));
        let changes = self.changes.get(id).into_iter().flatten();
        let deeds = std::iter::once(creator).chain(changes).map(|number| &self.deeds[*number]);
        let value = |deed: &Deed<'a>| match deed.effect {
            Effect::CreateUser { values, .. } | Effect::SetUser { values, .. } => values.get(attribute),
            _ => None,
        };
        deeds
            .filter(|deed| deed.outcome != Outcome::Refused)
            .filter_map(|deed| {
                let value = value(deed)?.as_ref();
                Some(Write { began: deed.exchange.began, ended: deed.ended(), value })
            })
            .collect()
    }

    /// Whether somebody surely was there from before a request until after it.
    fn was_there(&self, id: &str, during: &Exchange) -> bool {
        let creator = self.creators.get(id).map(|number| &self.deeds[*number]);
        creator.and_then(Deed::ended).is_some_and(|ended| ended < during.began)
            && !self.deletions_of(id).any(|deed| deed.exchange.began < during.ended)
    }

    fn writes_of_membership<'w>(
        &'w self,
        group: &str,
        member: &str,
        is: &'w Value,
        is_not: &'w Value,
    ) -> Vec<Write<'w>> {
        let mut writes = vec![Write { began: 0, ended: Some(0), value: Some(is_not) }];
        let creator = self.creators.get(group).unwrap_or_else(|| panic!("nobody created the group {group}"));
        let changes = self.changes.get(group).into_iter().flatten();
        for deed in std::iter::once(creator).chain(changes).map(|number| &self.deeds[*number]) {
            let wanted = match deed.effect {
                Effect::CreateGroup { members, .. } => members.iter().any(|id| id == member).then_some(true),
                Effect::SetMembers { members, are_all, .. } => {
                    let named = members.iter().rev().find(|(id, _)| id == member).map(|(_, wanted)| *wanted);
                    named.or(are_all.then_some(false))
                }
                _ => None,
            };
            let Some(wanted) = wanted.filter(|_| deed.outcome != Outcome::Refused) else { continue };
            // Who does not exist is left out of what is added.
            let ended = deed.ended().filter(|_| !wanted || self.was_there(member, deed.exchange));
            writes.push(Write { began: deed.exchange.began, ended, value: Some(if wanted { is } else { is_not }) });
        }
        for deed in self.deletions_of(member).filter(|deed| deed.outcome != Outcome::Refused) {
            writes.push(Write { began: deed.exchange.began, ended: deed.ended(), value: Some(is_not) });
        }
        writes
    }

    /// All requests that were meant to change a resource, for whoever has to find out.
    fn about(&self, id: &str) -> String {
        let of_it = [self.creators.get(id).map(std::slice::from_ref), self.changes.get(id).map(Vec::as_slice)];
        let deletions = self.deletions.get(id).map(Vec::as_slice);
        let mut numbers: Vec<usize> = of_it.into_iter().chain([deletions]).flatten().flatten().copied().collect();
        numbers.sort_unstable_by_key(|number| self.deeds[*number].exchange.began);
        let told = numbers.into_iter().map(|number| {
            let Deed { exchange, outcome, .. } = &self.deeds[number];
            format!("\n  {outcome:?}: {}", exchange.what)
        });
        told.collect()
    }

    fn created_and_deleted(&self) {
        let is_there = |id: &str| self.found.users.contains_key(id) || self.found.groups.contains_key(id);
        for deed in &self.deeds {
            let what = &deed.exchange.what;
            match (deed.effect, deed.outcome, deed.given) {
                (Effect::CreateUser { .. } | Effect::CreateGroup { .. }, Outcome::Done, Some(id)) => {
                    let may_be_gone = self.deletions_of(id).any(|deed| deed.outcome != Outcome::Refused);
                    assert!(is_there(id) || may_be_gone, "{id} was created, never deleted, and is gone: {what}");
                }
                (Effect::Delete { id }, Outcome::Done, _) => {
                    assert!(!is_there(id), "{id} was deleted and is there: {what}");
                }
                _ => {}
            }
        }
        for id in self.found.users.keys().chain(self.found.groups.keys()) {
            assert!(self.creators.contains_key(id.as_str()), "{id} is there and nobody created it");
        }
    }

    fn end_state(&self) {
        for (id, user) in &self.found.users {
            self.sees_user(id, &followed(user), FOREVER, FOREVER, "in the end");
        }
        for group in self.found.groups.keys() {
            let none = BTreeSet::new();
            let members = self.found.members.get(group).unwrap_or(&none);
            self.sees_members(group, members, FOREVER, FOREVER, "in the end");
        }
    }

    fn sees_user(&self, id: &str, values: &Values, began: u64, ended: u64, what: &str) {
        for (attribute, value) in values {
            let writes = self.writes_of_attribute(id, attribute);
            let is_explained = explain(&writes, value.as_ref(), began, ended);
            assert!(
                is_explained,
                "{what}: {attribute} of {id} is {value:?}, which nothing explains:{}",
                self.about(id)
            );
        }
    }

    fn sees_members(&self, group: &str, members: &BTreeSet<String>, began: u64, ended: u64, what: &str) {
        let users =
            self.creators.iter().filter(|(_, deed)| matches!(self.deeds[**deed].effect, Effect::CreateUser { .. }));
        for (user, _) in users {
            self.sees_member(group, user, members.contains(*user), began, ended, what);
        }
        for member in members {
            assert!(
                self.creators.contains_key(member.as_str()),
                "{what}: {group} has a member nobody created: {member}"
            );
        }
    }

    fn sees_member(&self, group: &str, member: &str, is_one: bool, began: u64, ended: u64, what: &str) {
        let (is, is_not) = (json!(true), json!(false));
        let writes = self.writes_of_membership(group, member, &is, &is_not);
        let is_explained = explain(&writes, Some(&json!(is_one)), began, ended);
        assert!(
            is_explained,
            "{what}: that {member} is a member of {group} is {is_one}, which nothing explains:{}",
            self.about(group)
        );
    }

    fn sights(&self) {
        for exchange in self.exchanges {
            let (began, ended, what) = (exchange.began, exchange.ended, &exchange.what);
            for sight in &exchange.sights {
                match sight {
                    Sight::User { id, values: Some(values) } => self.sees_user(id, values, began, ended, what),
                    Sight::User { id, values: None } => {
                        let may_be_gone = self
                            .deletions_of(id)
                            .any(|deed| deed.outcome != Outcome::Refused && deed.exchange.began < ended);
                        assert!(may_be_gone, "{what}: {id} is not there, and nobody has deleted it");
                    }
                    Sight::Members { group, members } => self.sees_members(group, members, began, ended, what),
                    Sight::Member { group, member, is_one } => {
                        let is_certain = !self.deletions.contains_key(group.as_str());
                        if is_certain || *is_one {
                            self.sees_member(group, member, *is_one, began, ended, what);
                        }
                    }
                }
            }
            // Once gone, always gone.
            for sight in &exchange.sights {
                if let Sight::User { id, values: Some(_) } = sight {
                    let gone = self.deletions_of(id).find(|deed| deed.ended().is_some_and(|end| end < began));
                    assert!(gone.is_none(), "{what}: {id} is there after its deletion");
                }
            }
        }
    }

    /// The change log has what happened and nothing else.
    fn records(&self) {
        let requests: BTreeMap<&str, &Exchange> =
            self.exchanges.iter().map(|exchange| (exchange.id.as_str(), exchange)).collect();
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for [operation, kind, id, request] in &self.found.records {
            let exchange = requests.get(request.as_str());
            let exchange = exchange.unwrap_or_else(|| panic!("{operation} of {kind} {id}: nobody made its request"));
            let is_refused = exchange.outcomes.iter().all(|outcome| *outcome == Outcome::Refused);
            assert!(!is_refused, "{operation} of {kind} {id}: its request was refused: {}", exchange.what);
            *counts.entry(request).or_default() += 1;
        }
        for exchange in self.exchanges {
            let count = counts.get(exchange.id.as_str()).copied().unwrap_or(0);
            let must_be_one = exchange.outcomes == [Outcome::Done]
                && matches!(
                    exchange.effect,
                    Effect::CreateUser { .. } | Effect::CreateGroup { .. } | Effect::Delete { .. }
                );
            let most = match &exchange.effect {
                Effect::Nothing => 0,
                Effect::Each(each) => each.len() as u64,
                _ => 1,
            };
            assert!(count <= most && (!must_be_one || count == 1), "{count} change records of {}", exchange.what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str, title: &str) -> Effect {
        Effect::SetUser { id: id.into(), values: [("title", Some(json!(title)))].into() }
    }

    fn exchange(began: u64, ended: u64, status: u16, effect: Effect) -> Exchange {
        let given = matches!(effect, Effect::CreateUser { .. }).then(|| "u1".to_owned());
        let outcomes = vec![outcome(status, "")];
        let (what, id) = (format!("at {began}"), format!("r{began}"));
        Exchange { began, ended, what, status, id, effect, outcomes, given: vec![given], sights: Vec::new() }
    }

    fn title(effects: Vec<Exchange>, seen: &str) -> bool {
        let mut exchanges = vec![exchange(1, 2, 201, Effect::CreateUser { values: [("title", None)].into() })];
        exchanges.extend(effects);
        let found = Found::default();
        let history = History::new(&exchanges, &found);
        explain(&history.writes_of_attribute("u1", "title"), Some(&json!(seen)), FOREVER, FOREVER)
    }

    #[test]
    fn the_last_acknowledged_write_is_what_is_there_unless_another_is_in_doubt() {
        let set = |began, ended, status, title| exchange(began, ended, status, user("u1", title));
        assert!(title(vec![set(3, 4, 200, "a"), set(5, 6, 200, "b")], "b"));
        assert!(!title(vec![set(3, 4, 200, "a"), set(5, 6, 200, "b")], "a"), "a lost update");
        assert!(title(vec![set(3, 6, 200, "a"), set(4, 5, 200, "b")], "a"), "they overlap");
        assert!(!title(vec![set(3, 4, 200, "a"), set(5, 6, 409, "b")], "b"), "a refused one is there");
        assert!(title(vec![set(3, 4, 503, "a"), set(5, 6, 200, "b")], "a"), "it came late");
        assert!(!title(vec![], "a"), "nobody wrote it");
    }

    #[test]
    #[should_panic(expected = "its request was refused")]
    fn a_record_of_a_refused_request_is_found() {
        let exchanges = [exchange(1, 2, 409, Effect::CreateUser { values: Values::new() })];
        let records = vec![["create", "User", "u1", "r1"].map(str::to_owned)];
        let found = Found { records, ..Found::default() };
        History::new(&exchanges, &found).check();
    }

    #[test]
    #[should_panic(expected = "was created, never deleted, and is gone")]
    fn a_lost_user_is_found() {
        let exchanges = [exchange(1, 2, 201, Effect::CreateUser { values: Values::new() })];
        let records = vec![["create", "User", "u1", "r1"].map(str::to_owned)];
        let found = Found { records, ..Found::default() };
        History::new(&exchanges, &found).check();
    }
}
