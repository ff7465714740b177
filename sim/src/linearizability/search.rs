//! The search for an order of the operations on one key.

use crate::linearizability::{Call, Operation, Outcome, Violation};
use bytes::Bytes;
use raft_core::id::Index;
use raft_core::kv::command::Condition;
use std::collections::BTreeSet;

/// Most tries of an operation for one key: some seconds, and some hundred megabytes of memory of where the
/// search has been. A search that needs more has found out nothing.
const TRIES_MAX: u64 = 2_000_000;

/// What a key holds: its value and, if that is known, the revision that set it.
type State = Option<(Bytes, Option<Index>)>;

/// The history of one key as a list in the order of time. An operation is one element when it begins
/// and another when it returns; one that was put into the order is taken out of the list.
pub(super) struct Search<'a> {
    operations: Vec<&'a Operation>,
    /// Element n begins or ends an operation; elements are linked through `next` and `before`, with the
    /// head of the list as the last element.
    elements: Vec<Element>,
    next: Vec<usize>,
    before: Vec<usize>,
    /// Which operations are in the order so far, a bit for each.
    done: Vec<u64>,
    /// Where the search has been: with these operations done, in this state.
    been: BTreeSet<(Vec<u64>, State)>,
}

#[derive(Clone, Copy)]
enum Element {
    Call { operation: usize, returns: Option<usize> },
    Return { operation: usize },
    Head,
}

impl<'a> Search<'a> {
    pub(super) fn new(operations: Vec<&'a Operation>) -> Self {
        // At one moment calls come before returns: operations that touch are taken to overlap.
        let calls = operations.iter().enumerate().map(|(n, o)| (o.invoked, 0, n));
        let returns = operations.iter().enumerate();
        let returns = returns.filter_map(|(n, o)| o.returned.map(|at| (at.max(o.invoked), 1, n)));
        let mut moments: Vec<(u64, u8, usize)> = calls.chain(returns).collect();
        moments.sort_unstable();
        let mut returns = vec![None; operations.len()];
        for (place, (_, kind, operation)) in moments.iter().enumerate() {
            if *kind == 1 {
                returns[*operation] = Some(place);
            }
        }
        let element = |(_, kind, operation): &(u64, u8, usize)| match kind {
            0 => Element::Call { operation: *operation, returns: returns[*operation] },
            _ => Element::Return { operation: *operation },
        };
        let head = moments.len();
        Self {
            elements: moments.iter().map(element).chain([Element::Head]).collect(),
            next: (1..=head).chain([0]).collect(),
            before: std::iter::once(head).chain(0..head).collect(),
            done: vec![0; operations.len().div_ceil(64)],
            been: BTreeSet::new(),
            operations,
        }
    }

    /// Finds an order, or says why not.
    pub(super) fn run(mut self, key: &Bytes) -> Result<(), Violation> {
        let head = self.elements.len() - 1;
        let (mut state, mut at) = (State::None, self.next[head]);
        // What was put into the order, with the state before, to be taken back.
        let mut order: Vec<(usize, State)> = Vec::new();
        let mut explained = Vec::new();
        let mut stuck = None;
        for _ in 0..TRIES_MAX {
            match self.elements[at] {
                // Nothing is left that has returned: writes of unknown outcome need not have happened.
                Element::Head => return Ok(()),
                Element::Call { operation, .. } => {
                    let after = step(&state, self.operations[operation]);
                    self.done[operation / 64] ^= 1 << (operation % 64);
                    match after {
                        Some(after) if self.been.insert((self.done.clone(), after.clone())) => {
                            order.push((at, std::mem::replace(&mut state, after)));
                            self.take_out(at);
                            at = self.next[head];
                        }
                        _ => {
                            self.done[operation / 64] ^= 1 << (operation % 64);
                            at = self.next[at];
                        }
                    }
                }
                Element::Return { operation } => {
                    // This one should have been in the order by now: the last choice was wrong.
                    if stuck.is_none() || order.len() > explained.len() {
                        explained = order.iter().map(|(place, _)| *place).collect();
                        stuck = Some(operation);
                    }
                    let Some((place, before)) = order.pop() else {
                        return Err(self.impossible(key, &explained, stuck.unwrap_or(operation)));
                    };
                    state = before;
                    self.put_back(place);
                    at = self.next[place];
                }
            }
        }
        Err(Violation::Undecided { key: key.clone(), operations: self.operations.len() })
    }

    fn impossible(&self, key: &Bytes, explained: &[usize], stuck: usize) -> Violation {
        let operation = |place: &usize| match self.elements[*place] {
            Element::Call { operation, .. } => Some(self.operations[operation].clone()),
            Element::Return { .. } | Element::Head => None,
        };
        Violation::Impossible {
            key: key.clone(),
            explained: explained.iter().filter_map(operation).collect(),
            stuck: Box::new(self.operations[stuck].clone()),
        }
    }

    /// Takes an operation, by the element that begins it, out of the list.
    fn take_out(&mut self, call: usize) {
        let Element::Call { returns, .. } = self.elements[call] else { return };
        for element in std::iter::once(call).chain(returns) {
            let (before, next) = (self.before[element], self.next[element]);
            self.next[before] = next;
            self.before[next] = before;
        }
    }

    /// Undoes the newest [`Search::take_out`].
    fn put_back(&mut self, call: usize) {
        let Element::Call { operation, returns } = self.elements[call] else { return };
        self.done[operation / 64] ^= 1 << (operation % 64);
        for element in returns.into_iter().chain([call]) {
            let (before, next) = (self.before[element], self.next[element]);
            self.next[before] = element;
            self.before[next] = element;
        }
    }
}

/// The state after `operation`, if it could take effect with its outcome in `state`. A write of unknown
/// outcome whose condition does not hold did nothing, which is the same as not happening.
fn step(state: &State, operation: &Operation) -> Option<State> {
    let held = state.as_ref();
    let revision_held = held.and_then(|(_, revision)| *revision);
    let may_be = |revision: Index| revision_held.is_none_or(|known| known == revision);
    match (&operation.call, &operation.result) {
        (Call::Get, Some(Outcome::NotFound)) => held.is_none().then_some(None),
        (Call::Get, Some(Outcome::Value { value, revision })) => {
            let fits = held.is_some_and(|(have, _)| have == value) && may_be(*revision);
            // The read says which revision it was, if the write could not.
            fits.then(|| Some((value.clone(), Some(*revision))))
        }
        (Call::Get, _) => None,
        (Call::Set { condition, .. } | Call::Delete { condition }, result) => {
            let holds = match condition {
                Condition::Any => true,
                Condition::Absent => held.is_none(),
                Condition::Value(value) => held.is_some_and(|(have, _)| have == value),
                Condition::Revision(revision) => held.is_some() && may_be(*revision),
            };
            match result {
                Some(Outcome::ConditionFailed { revision: None }) => {
                    (held.is_none() && !holds).then_some(None)
                }
                Some(Outcome::ConditionFailed { revision: Some(revision) }) => {
                    let (value, _) = held.filter(|_| may_be(*revision))?;
                    let fails = match condition {
                        Condition::Revision(wanted) => wanted != revision,
                        _ => !holds,
                    };
                    fails.then(|| Some((value.clone(), Some(*revision))))
                }
                Some(Outcome::Written { revision, existed }) => {
                    let rises = revision_held.is_none_or(|known| known < *revision);
                    let fits = holds && rises && *existed == held.is_some();
                    fits.then(|| written(&operation.call, Some(*revision)))
                }
                None => holds.then(|| written(&operation.call, None)),
                Some(Outcome::Value { .. } | Outcome::NotFound) => None,
            }
        }
    }
}

fn written(call: &Call, revision: Option<Index>) -> State {
    match call {
        Call::Set { value, .. } => Some((value.clone(), revision)),
        Call::Delete { .. } | Call::Get => None,
    }
}
