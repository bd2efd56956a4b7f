//! Linearizability of a set: whether one serial order of the operations on a group explains what every client saw, in
//! which an operation that was answered before another one was sent comes first (Herlihy and Wing, 1990).
//!
//! Operations on one member touch nothing else. Once the others have their places in the order, each member is
//! independent of the rest, and what it may be like is a set of few configurations: whether it is in the group, and
//! which operations under way have had their effect. So a state of the search is such a set for each member, and which
//! of the larger operations have had theirs. All states are followed at once. An operation can wait with its effect for
//! the next answer of any (Lowe, 2017), so larger ones are tried before each answer and at no other time.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// Operations on one member that are under way at once, at most: a configuration is one of 2 × 2^6, a bit each.
const SLOTS: usize = 6;
/// The configurations in which the member is not in the group. The others are in the upper half.
const OUT: u128 = u64::MAX as u128;

/// What a client did and saw. Members are numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Add(BTreeSet<usize>),
    Remove(BTreeSet<usize>),
    Replace(BTreeSet<usize>),
    /// A read of the whole group.
    Saw(BTreeSet<usize>),
    /// A read of one member: whether it was in the group.
    SawOne(usize, bool),
}

/// An operation. All times of a history differ.
#[derive(Debug, Clone)]
pub struct Operation {
    pub action: Action,
    pub sent: usize,
    /// Without an answer it may have its effect at any time, or never.
    pub answered: Option<usize>,
}

/// What an operation does to one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Becomes(bool),
    Is(bool),
}

impl Action {
    /// The member and the effect, of an operation on one member.
    fn on_one(&self) -> Option<(usize, Effect)> {
        let (members, is_in) = match self {
            Self::SawOne(member, is_in) => return Some((*member, Effect::Is(*is_in))),
            Self::Add(members) => (members, true),
            Self::Remove(members) => (members, false),
            Self::Replace(_) | Self::Saw(_) => return None,
        };
        let only = members.first().filter(|_| members.len() == 1)?;
        Some((*only, Effect::Becomes(is_in)))
    }

    fn on(&self, member: usize) -> Option<Effect> {
        match self {
            Self::Add(members) => members.contains(&member).then_some(Effect::Becomes(true)),
            Self::Remove(members) => members.contains(&member).then_some(Effect::Becomes(false)),
            Self::Replace(members) => Some(Effect::Becomes(members.contains(&member))),
            Self::Saw(members) => Some(Effect::Is(members.contains(&member))),
            Self::SawOne(one, is_in) => (*one == member).then_some(Effect::Is(*is_in)),
        }
    }
}

/// The operations on one member that are under way, each in its slot.
type UnderWay = [Option<Effect>; SLOTS];

/// Configurations in which the operation of a slot has had its effect.
fn had_effect(slot: usize) -> u128 {
    // The numbers below 64 that have the bit.
    let half = [
        0xaaaa_aaaa_aaaa_aaaa,
        0xcccc_cccc_cccc_cccc,
        0xf0f0_f0f0_f0f0_f0f0,
        0xff00_ff00_ff00_ff00,
        0xffff_0000_ffff_0000,
        0xffff_ffff_0000_0000,
    ][slot];
    half | half << 64
}

/// All configurations that can follow when any of the operations under way have their effect.
fn reachable(mut configurations: u128, under_way: &UnderWay) -> u128 {
    loop {
        let before = configurations;
        for (slot, effect) in under_way.iter().enumerate() {
            let Some(effect) = effect else { continue };
            let after = (configurations & !had_effect(slot)) << (1 << slot);
            configurations |= happens(after, *effect);
        }
        if configurations == before {
            return configurations;
        }
    }
}

fn happens(configurations: u128, effect: Effect) -> u128 {
    match effect {
        Effect::Is(false) => configurations & OUT,
        Effect::Is(true) => configurations & !OUT,
        Effect::Becomes(false) => (configurations & OUT) | (configurations >> 64),
        Effect::Becomes(true) => (configurations & !OUT) | (configurations << 64),
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    /// The larger operations under way that have had their effect.
    had_effect: BTreeSet<usize>,
    members: Vec<u128>,
}

/// A state, and what it waits for: larger operations that could not have their effect, each for one of the members.
struct Path {
    state: State,
    waits: BTreeMap<usize, usize>,
}

/// The state after a larger operation had its effect, or a member that rules this out.
fn after(state: &State, operation: usize, action: &Action, under_way: &[UnderWay]) -> Result<State, usize> {
    let member = |(member, configurations): (usize, &u128)| {
        let Some(effect) = action.on(member) else { return Ok(*configurations) };
        let configurations = happens(reachable(*configurations, &under_way[member]), effect);
        if configurations == 0 { Err(member) } else { Ok(configurations) }
    };
    let members = state.members.iter().enumerate().map(member).collect::<Result<_, usize>>()?;
    let had_effect = state.had_effect.iter().copied().chain([operation]).collect();
    Ok(State { had_effect, members })
}

/// Whether some serial order explains a history of a group that began with `initial`, of members below `members`.
///
/// # Errors
///
/// The operation whose answer no order explains.
pub fn check(history: &[Operation], members: usize, initial: &BTreeSet<usize>) -> Result<(), usize> {
    let mut events: Vec<(usize, usize, bool)> = Vec::new();
    for (number, operation) in history.iter().enumerate() {
        events.push((operation.sent, number, false));
        events.extend(operation.answered.map(|at| (at, number, true)));
    }
    events.sort_unstable();
    let begin = |member| if initial.contains(&member) { 1_u128 << 64 } else { 1 };
    let first = State { had_effect: BTreeSet::new(), members: (0..members).map(begin).collect() };
    let mut paths = vec![Path { state: first, waits: BTreeMap::new() }];
    let mut different = 1;
    // Members that an operation was sent for or answered since the larger ones were last tried.
    let mut touched: BTreeSet<usize> = BTreeSet::new();
    let mut under_way: Vec<UnderWay> = vec![[None; SLOTS]; members];
    let mut slots = vec![0; history.len()];
    let mut larger: BTreeSet<usize> = BTreeSet::new();
    for (_, number, is_answer) in events {
        let one = history[number].action.on_one();
        if !is_answer {
            match one {
                Some((member, effect)) => {
                    let free = under_way[member].iter().position(Option::is_none);
                    slots[number] = free.expect("no more operations on one member under way than there are slots");
                    under_way[member][slots[number]] = Some(effect);
                    touched.insert(member);
                }
                None => drop(larger.insert(number)),
            }
            continue;
        }
        // What is pushed has its turn too.
        let mut at = 0;
        while let Some(Path { state, waits }) = paths.get_mut(at) {
            waits.retain(|other, member| larger.contains(other) && !touched.contains(member));
            let mut next = Vec::new();
            for other in larger.iter().filter(|other| !state.had_effect.contains(other)) {
                let Entry::Vacant(waiting) = waits.entry(*other) else { continue };
                match after(state, *other, &history[*other].action, &under_way) {
                    Ok(state) => next.push(Path { state, waits: BTreeMap::new() }),
                    Err(member) => drop(waiting.insert(member)),
                }
            }
            paths.extend(next);
            at += 1;
        }
        touched.clear();
        match one {
            Some((member, _)) => {
                let slot = slots[number];
                paths.retain_mut(|Path { state, .. }| {
                    let had = reachable(state.members[member], &under_way[member]) & had_effect(slot);
                    state.members[member] = had >> (1 << slot);
                    had != 0
                });
                under_way[member][slot] = None;
                touched.insert(member);
            }
            None => {
                larger.remove(&number);
                paths.retain_mut(|Path { state, .. }| state.had_effect.remove(&number));
            }
        }
        // Different paths often come to one state.
        if one.is_none() || paths.len() > 2 * different {
            paths.sort_unstable_by(|left, right| left.state.cmp(&right.state));
            paths.dedup_by(|left, right| left.state == right.state);
            different = paths.len();
        }
        if paths.is_empty() {
            return Err(number);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: usize = 0;
    const B: usize = 1;

    fn set(members: &[usize]) -> BTreeSet<usize> {
        members.iter().copied().collect()
    }

    fn operation(action: Action, sent: usize, answered: impl Into<Option<usize>>) -> Operation {
        Operation { action, sent, answered: answered.into() }
    }

    #[test]
    fn known_histories() {
        use Action::{Add, Remove, Replace, Saw, SawOne};
        let add_a = || operation(Add(set(&[A])), 0, 3);
        for (name, history, expected) in [
            ("one after the other", vec![operation(Add(set(&[A])), 0, 1), operation(Saw(set(&[A])), 2, 3)], Ok(())),
            ("a lost update", vec![operation(Add(set(&[A])), 0, 1), operation(Saw(set(&[])), 2, 3)], Err(1)),
            ("a read beside it sees it", vec![add_a(), operation(Saw(set(&[A])), 1, 2)], Ok(())),
            ("a read beside it does not", vec![add_a(), operation(Saw(set(&[])), 1, 2)], Ok(())),
            (
                "seen, and then not any more",
                vec![
                    operation(Add(set(&[A])), 0, 5),
                    operation(Saw(set(&[A])), 1, 2),
                    operation(SawOne(A, false), 3, 4),
                ],
                Err(2),
            ),
            (
                "half of a large change",
                vec![operation(Replace(set(&[A, B])), 0, 3), operation(Saw(set(&[A])), 1, 2)],
                Err(1),
            ),
            (
                "half of a large change, by two reads of one each",
                vec![
                    operation(Replace(set(&[A, B])), 0, 5),
                    operation(SawOne(A, true), 1, 2),
                    operation(SawOne(B, false), 3, 4),
                ],
                Err(2),
            ),
            (
                "a list that brings back who was removed before it was sent",
                vec![
                    operation(Replace(set(&[A])), 0, 1),
                    operation(Remove(set(&[A])), 2, 3),
                    operation(Saw(set(&[A])), 4, 5),
                ],
                Err(2),
            ),
            (
                "a removal beside the list comes before or after it",
                vec![
                    operation(Replace(set(&[A])), 0, 2),
                    operation(Remove(set(&[A])), 1, 3),
                    operation(Saw(set(&[A])), 4, 5),
                ],
                Ok(()),
            ),
            (
                "reads that disagree about the order of two",
                vec![
                    operation(Add(set(&[A])), 0, 10),
                    operation(Add(set(&[B])), 1, 11),
                    operation(Saw(set(&[A])), 2, 3),
                    operation(Saw(set(&[B])), 4, 5),
                ],
                Err(3),
            ),
            (
                "no answer, and an effect much later",
                vec![
                    operation(Add(set(&[A])), 0, None),
                    operation(Saw(set(&[])), 1, 2),
                    operation(Saw(set(&[A])), 3, 4),
                ],
                Ok(()),
            ),
            (
                "no answer, and no effect",
                vec![operation(Add(set(&[A, B])), 0, None), operation(Saw(set(&[])), 1, 2)],
                Ok(()),
            ),
            (
                "no answer, and half an effect",
                vec![operation(Add(set(&[A, B])), 0, None), operation(Saw(set(&[B])), 1, 2)],
                Err(1),
            ),
        ] {
            assert_eq!(check(&history, 2, &set(&[])), expected, "{name}");
        }
    }

    /// Tries every order.
    fn is_explained(history: &[Operation], left: &BTreeSet<usize>, now: &BTreeSet<usize>) -> bool {
        let waiting = left.iter().filter_map(|number| history[*number].answered);
        let Some(first_answer) = waiting.min() else { return true };
        left.iter().filter(|number| history[**number].sent < first_answer).any(|number| {
            let mut next = now.clone();
            let is_possible = match &history[*number].action {
                Action::Add(members) => {
                    next.extend(members);
                    true
                }
                Action::Remove(members) => {
                    next.retain(|member| !members.contains(member));
                    true
                }
                Action::Replace(members) => {
                    next.clone_from(members);
                    true
                }
                Action::Saw(members) => members == now,
                Action::SawOne(member, is_in) => now.contains(member) == *is_in,
            };
            is_possible && is_explained(history, &(left - &BTreeSet::from([*number])), &next)
        })
    }

    /// An action on three members: which kind, and which members by their bits.
    fn action(kind: usize, bits: usize) -> Action {
        let members: BTreeSet<usize> = (0..3).filter(|member| bits >> member & 1 == 1).collect();
        match kind {
            0 => Action::Add(members),
            1 => Action::Remove(members),
            2 => Action::Replace(members),
            3 => Action::Saw(members),
            _ => Action::SawOne(bits % 3, bits > 3),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn the_checker_says_what_a_trial_of_every_order_says(
            made in prop::collection::vec((0..5_usize, 0..8_usize, 0..20_usize, 1..12_usize, 0..8_usize), 1..7),
            initial in 0..8_usize,
        ) {
            let operations = made.iter().enumerate().map(|(number, (kind, bits, sent, lasts, unanswered))| {
                // Distinct times: 16 for each tick.
                let answered = (*unanswered > 0).then_some((sent + lasts) * 16 + 8 + number);
                operation(action(*kind, *bits), sent * 16 + number, answered)
            });
            let history: Vec<Operation> = operations.collect();
            let initial: BTreeSet<usize> = (0..3).filter(|member| initial >> member & 1 == 1).collect();
            let expected = is_explained(&history, &(0..history.len()).collect(), &initial);
            prop_assert_eq!(check(&history, 3, &initial).is_ok(), expected);
        }
    }
}
