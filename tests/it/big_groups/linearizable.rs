//! Guarantee 2, no lost update, of one group whose members everybody changes at once: what every client was answered
//! and saw can be explained by one serial order of the requests, and the group is in the end as that order leaves it.

mod checker;

use super::table::{group_of, is_clean_after_the_sweep, people};
use super::{add, id_and_member, patch, query, remove, whole};
use crate::guarantees::{members, values};
use crate::harness::{Answer, App};
use checker::{Action, Operation, check};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Clients that each change one member, again and again.
const WRITERS: usize = 200;
/// Requests of each.
const CHANGES: usize = 3;
/// Writers that change the same member.
const SHARING: usize = 4;
/// Members that two or more writers change.
const SHARED: usize = 40;
const MEMBERS: usize = 160;
/// Members of the large changes: more than one transaction holds.
const LARGE: std::ops::Range<usize> = 20..110;

struct Race {
    app: App,
    group: String,
    people: Vec<String>,
    clock: AtomicUsize,
    history: Mutex<Vec<Operation>>,
    writers_left: AtomicUsize,
    large_left: AtomicBool,
}

impl Race {
    fn tick(&self) -> usize {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn ids<'a>(&'a self, members: &'a BTreeSet<usize>) -> impl Iterator<Item = &'a String> {
        members.iter().map(|member| &self.people[*member])
    }

    fn number(&self, id: &str) -> usize {
        self.people.binary_search_by(|known| known.as_str().cmp(id)).unwrap()
    }

    /// Sends a change until it is not refused for the conflicts it met: such an answer says that nothing has happened.
    async fn change(&self, action: Action) {
        let path = format!("/Groups/{}", self.group);
        loop {
            let sent = self.tick();
            let answer = match &action {
                Action::Add(members) => self.app.patch(&path, patch(add(self.ids(members)))).await,
                Action::Remove(members) => {
                    let operations: Vec<Value> = self.ids(members).map(|id| remove(id)[0].clone()).collect();
                    self.app.patch(&path, patch(operations.into())).await
                }
                Action::Replace(members) => self.app.put(&path, whole("Team", self.ids(members))).await,
                Action::Saw(_) | Action::SawOne(..) => panic!("reads change nothing"),
            };
            let answered = Some(self.tick());
            match answer.status {
                200 | 204 => return self.note(Operation { action, sent, answered }),
                429 => assert!(answer.headers.contains_key("retry-after"), "{}", answer.text),
                _ => panic!("{action:?}: {} {}", answer.status, answer.text),
            }
        }
    }

    async fn read(&self, path: &str, saw: impl FnOnce(&Answer) -> Action) {
        let sent = self.tick();
        let answer = self.app.get(path).await;
        let answered = Some(self.tick());
        self.note(Operation { action: saw(&answer.expect(200)), sent, answered });
    }

    async fn read_all(&self) {
        let saw =
            |answer: &Answer| Action::Saw(values(&answer.body["members"]).iter().map(|id| self.number(id)).collect());
        self.read(&format!("/Groups/{}", self.group), saw).await;
    }

    async fn read_one(&self, member: usize) {
        let filter = id_and_member(&self.group, &self.people[member]);
        let path = query("/Groups", &[("filter", &filter), ("excludedAttributes", "members")]);
        self.read(&path, |answer| Action::SawOne(member, answer.total() == 1)).await;
    }

    fn note(&self, operation: Operation) {
        self.history.lock().unwrap().push(operation);
    }

    /// A client that adds and removes one member in turn: one of those that others change too, or one of its own.
    async fn write(self: Arc<Self>, writer: usize) {
        let member = if writer < SHARED * SHARING { writer % SHARED } else { SHARED + writer % (MEMBERS - SHARED) };
        for turn in 0..CHANGES {
            let only = BTreeSet::from([member]);
            let is_added = (turn + writer / SHARED).is_multiple_of(2);
            self.change(if is_added { Action::Add(only) } else { Action::Remove(only) }).await;
        }
        self.writers_left.fetch_sub(1, Ordering::SeqCst);
    }

    /// A client that sends the whole list, or adds or removes many, one after the other.
    async fn change_many(self: Arc<Self>) {
        for turn in 0..7 {
            self.change(match turn {
                0 | 4 => Action::Replace(LARGE.chain(150..155).collect()),
                2 | 6 => Action::Replace((0..MEMBERS).step_by(2 + turn / 6).collect()),
                3 => Action::Remove(LARGE.collect()),
                _ => Action::Add(LARGE.collect()),
            })
            .await;
        }
        self.large_left.store(false, Ordering::SeqCst);
    }

    async fn watch(self: Arc<Self>) {
        for turn in 0.. {
            self.read_all().await;
            self.read_one((7 * turn) % MEMBERS).await;
            if self.writers_left.load(Ordering::SeqCst) == 0 && !self.large_left.load(Ordering::SeqCst) {
                return;
            }
        }
    }
}

/// A history, and what is wrong with it if something is.
fn explained(history: &[Operation], initial: &BTreeSet<usize>) -> Result<(), String> {
    check(history, MEMBERS, initial).map_err(|number| format!("nothing explains {:?}", history[number]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_serial_order_explains_what_two_hundred_writers_and_their_readers_saw() {
    let app = App::start().await;
    let people = people(&app, "u", MEMBERS).await;
    let initial: BTreeSet<usize> = (0..MEMBERS).step_by(3).collect();
    let first: Vec<String> = initial.iter().map(|member| people[*member].clone()).collect();
    let group = group_of(&app, "Team", &first).await;
    let race = Arc::new(Race {
        app,
        group,
        people,
        clock: AtomicUsize::new(0),
        history: Mutex::default(),
        writers_left: AtomicUsize::new(WRITERS),
        large_left: AtomicBool::new(true),
    });
    let mut clients: Vec<_> = (0..WRITERS).map(|writer| tokio::spawn(Arc::clone(&race).write(writer))).collect();
    clients.push(tokio::spawn(Arc::clone(&race).change_many()));
    clients.push(tokio::spawn(Arc::clone(&race).watch()));
    for client in clients {
        client.await.unwrap();
    }
    race.read_all().await;
    for member in 0..MEMBERS {
        race.read_one(member).await;
    }
    let history = race.history.lock().unwrap().clone();
    let is_change = |operation: &&Operation| !matches!(operation.action, Action::Saw(_) | Action::SawOne(..));
    assert_eq!(history.iter().filter(is_change).count(), WRITERS * CHANGES + 7);
    explained(&history, &initial).unwrap();

    // The checker would have seen a lost update: the same history with one member fewer, or one more, in the end.
    let last = history.iter().rposition(|operation| matches!(operation.action, Action::Saw(_))).unwrap();
    for member in [SHARED / 2, MEMBERS - 1] {
        let mut other = history.clone();
        let Action::Saw(seen) = &mut other[last].action else { panic!("a read of all") };
        if !seen.remove(&member) {
            seen.insert(member);
        }
        explained(&other, &initial).unwrap_err();
    }

    let seen = members(&race.app, &race.group).await;
    is_clean_after_the_sweep(&race.app, "after the race").await;
    assert_eq!(members(&race.app, &race.group).await, seen);
    let path = format!("/Groups/{}", race.group);
    let rename = json!([{ "op": "replace", "path": "displayName", "value": "Done" }]);
    race.app.operations(&path, rename).await.expect(204);
    assert_eq!(members(&race.app, &race.group).await, seen);
}
