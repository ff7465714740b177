//! The search for an order of the operations on one key.

use crate::linearizability::{Call, Operation, Outcome, Violation};
use raft_core::bytes::Bytes;
use raft_core::id::Index;
use raft_core::kv::command::Condition;
use std::collections::{BTreeMap, BTreeSet};

/// Most tries of an operation for one key: some seconds, and some hundred megabytes of memory of where the
/// search has been. A search that needs more has found out nothing.
const TRIES_MAX: u64 = 2_000_000;

/// What a key holds while the search goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    /// The value, if the key exists, and the revision that set it, if that is known.
    held: Option<(Bytes, Option<Index>)>,
    /// The highest revision seen so far. Revisions rise.
    floor: Index,
}

/// An operation to be put into the order.
struct Candidate<'a> {
    operation: &'a Operation,
    /// When it had taken effect at the latest; `None` if it may never have.
    by: Option<u64>,
    /// The revision it made, if that is known.
    revision: Option<Index>,
    /// It sets a value that nobody speaks of.
    unseen: bool,
}

impl Candidate<'_> {
    /// Whether nobody could tell one from the other.
    fn is_like(&self, other: &Self) -> bool {
        match (&self.operation.call, &other.operation.call) {
            (Call::Set { condition, .. }, Call::Set { condition: others, .. })
                if self.unseen && other.unseen =>
            {
                condition == others
            }
            (call, others) => call == others,
        }
    }
}

/// Operations that took effect are a list in the order of time: one element where an operation
/// begins, another where it returns. What is put into the order is taken out of the list; what may come
/// next is what begins before the first return. Writes that may never have taken effect have no return, and are
/// tried last: most of them need not be in the order at all.
pub(super) struct Search<'a> {
    candidates: Vec<Candidate<'a>>,
    elements: Vec<Element>,
    /// The list: elements by their neighbours, with the head as the last element.
    next: Vec<usize>,
    before: Vec<usize>,
    /// Writes of unknown outcome, by when they began.
    unknown: Vec<usize>,
    /// Which operations are in the order, a bit for each.
    done: Vec<u64>,
    state: State,
    /// Where the search has been: with these operations done, in this state.
    been: BTreeSet<(Vec<u64>, State)>,
    /// The order so far, each with the state before it.
    order: Vec<(Choice, State)>,
}

#[derive(Clone, Copy)]
enum Element {
    Call { operation: usize, returns: usize },
    Return { operation: usize },
    Head,
}

/// What may come next: the operation that begins at an element, or the n-th of unknown outcome.
#[derive(Clone, Copy)]
enum Choice {
    Known(usize),
    Unknown(usize),
}

impl<'a> Search<'a> {
    pub(super) fn new(operations: Vec<&'a Operation>) -> Self {
        let candidates = candidates(&operations);
        let (mut moments, mut unknown) = (Vec::new(), Vec::new());
        for (number, Candidate { operation, by, .. }) in candidates.iter().enumerate() {
            let Some(by) = by else {
                unknown.push(number);
                continue;
            };
            // At one moment calls come before returns: operations that touch are taken to overlap.
            moments.push((operation.invoked, false, number));
            moments.push(((*by).max(operation.invoked), true, number));
        }
        moments.sort_unstable();
        unknown.sort_by_key(|number| candidates[*number].operation.invoked);
        let mut returns = vec![0; candidates.len()];
        for (place, (_, is_return, operation)) in moments.iter().enumerate() {
            if *is_return {
                returns[*operation] = place;
            }
        }
        let element = |(_, is_return, operation): &(u64, bool, usize)| match is_return {
            false => Element::Call { operation: *operation, returns: returns[*operation] },
            true => Element::Return { operation: *operation },
        };
        let head = moments.len();
        Self {
            elements: moments.iter().map(element).chain([Element::Head]).collect(),
            next: (1..=head).chain([0]).collect(),
            before: std::iter::once(head).chain(0..head).collect(),
            unknown,
            done: vec![0; candidates.len().div_ceil(64)],
            state: State::default(),
            been: BTreeSet::new(),
            order: Vec::new(),
            candidates,
        }
    }

    /// Finds an order, or says why not.
    pub(super) fn run(mut self, key: &Bytes) -> Result<(), Violation> {
        let mut choice = Choice::Known(self.first());
        // As many operations as any order explained, and the one that then had no place.
        let (mut explained, mut stuck) = (Vec::new(), 0);
        for _ in 0..TRIES_MAX {
            choice = match (choice, self.element(choice)) {
                // What is left are writes that need not have happened.
                (_, Some(Element::Head)) => return Ok(()),
                (_, Some(Element::Return { operation })) => {
                    if self.order.len() >= explained.len() {
                        explained = self.order.iter().map(|(c, _)| self.operation(*c)).collect();
                        stuck = operation;
                    }
                    Choice::Unknown(0)
                }
                (Choice::Unknown(n), None) if !self.may_begin(n) => match self.take_back() {
                    Some(last) => self.after(last),
                    None => {
                        let copy = |number: usize| self.candidates[number].operation.clone();
                        return Err(Violation::Impossible {
                            key: key.clone(),
                            explained: explained.into_iter().map(copy).collect(),
                            stuck: Box::new(copy(stuck)),
                        });
                    }
                },
                _ if self.take(choice) => Choice::Known(self.first()),
                _ => self.after(choice),
            };
        }
        Err(Violation::Undecided { key: key.clone(), operations: self.candidates.len() })
    }

    fn element(&self, choice: Choice) -> Option<Element> {
        match choice {
            Choice::Known(at) => Some(self.elements[at]),
            Choice::Unknown(_) => None,
        }
    }

    /// What to try after a choice that did not do.
    fn after(&self, choice: Choice) -> Choice {
        match choice {
            Choice::Known(at) => Choice::Known(self.next[at]),
            Choice::Unknown(n) => Choice::Unknown(n + 1),
        }
    }

    /// The first element of the list.
    fn first(&self) -> usize {
        self.next[self.elements.len() - 1]
    }

    fn operation(&self, choice: Choice) -> usize {
        match choice {
            Choice::Unknown(n) => self.unknown[n],
            Choice::Known(at) => match self.elements[at] {
                Element::Call { operation, .. } | Element::Return { operation } => operation,
                Element::Head => unreachable!("the head is no choice"),
            },
        }
    }

    /// Whether there is an n-th write of unknown outcome, begun before the first return.
    fn may_begin(&self, n: usize) -> bool {
        let Some(number) = self.unknown.get(n) else { return false };
        let mut at = self.first();
        while let Element::Call { .. } = self.elements[at] {
            at = self.next[at];
        }
        match self.elements[at] {
            Element::Return { operation } => {
                let by = self.candidates[operation].by.unwrap_or(u64::MAX);
                self.candidates[*number].operation.invoked <= by
            }
            Element::Call { .. } | Element::Head => true,
        }
    }

    /// Whether the choice is a write of unknown outcome just like an older one that is not in the order:
    /// either could come next, so only the older is tried.
    fn is_second_of_two(&self, choice: Choice) -> bool {
        let Choice::Unknown(n) = choice else { return false };
        let candidate = &self.candidates[self.unknown[n]];
        let mut older = self.unknown[..n].iter();
        older.any(|m| !self.is_done(*m) && self.candidates[*m].is_like(candidate))
    }

    fn is_done(&self, number: usize) -> bool {
        self.done[number / 64] & (1 << (number % 64)) != 0
    }

    /// Puts a choice into the order, if it fits and leads to where the search has not been.
    fn take(&mut self, choice: Choice) -> bool {
        let number = self.operation(choice);
        if self.is_done(number) || self.is_second_of_two(choice) {
            return false;
        }
        let candidate = &self.candidates[number];
        let Some(after) = step(&self.state, candidate) else { return false };
        if let Some((Choice::Unknown(_), before)) = self.order.last()
            && step(before, candidate).as_ref() == Some(&after)
        {
            // The write of unknown outcome just before made no difference: it is better kept for later.
            return false;
        }
        let (word, bit) = (number / 64, 1 << (number % 64));
        self.done[word] |= bit;
        if !self.been.insert((self.done.clone(), after.clone())) {
            self.done[word] &= !bit;
            return false;
        }
        self.order.push((choice, std::mem::replace(&mut self.state, after)));
        if let Choice::Known(call) = choice
            && let Element::Call { returns, .. } = self.elements[call]
        {
            for element in [call, returns] {
                let (before, next) = (self.before[element], self.next[element]);
                (self.next[before], self.before[next]) = (next, before);
            }
        }
        true
    }

    /// Takes the last choice back, and returns it.
    fn take_back(&mut self) -> Option<Choice> {
        let (choice, before) = self.order.pop()?;
        self.state = before;
        let number = self.operation(choice);
        self.done[number / 64] &= !(1 << (number % 64));
        if let Choice::Known(call) = choice
            && let Element::Call { returns, .. } = self.elements[call]
        {
            for element in [returns, call] {
                let (before, next) = (self.before[element], self.next[element]);
                (self.next[before], self.before[next]) = (element, element);
            }
        }
        Some(choice)
    }
}

/// What a history says of a value.
#[derive(Default)]
struct Spoken {
    writers: u32,
    /// When it was first read, and its revision.
    first_read: Option<(u64, Index)>,
    is_condition: bool,
}

/// What is to be put into the order. If nobody else wrote a value, whoever read it tells when its write of
/// unknown outcome had taken effect, and as which revision.
fn candidates<'a>(operations: &[&'a Operation]) -> Vec<Candidate<'a>> {
    let mut spoken: BTreeMap<&Bytes, Spoken> = BTreeMap::new();
    for operation in operations {
        if let Call::Set { value, .. } = &operation.call {
            spoken.entry(value).or_default().writers += 1;
        }
        if let Call::Set { condition: Condition::Value(value), .. }
        | Call::Delete { condition: Condition::Value(value) } = &operation.call
        {
            spoken.entry(value).or_default().is_condition = true;
        }
        if let (Some(Outcome::Value { value, revision }), Some(at)) =
            (&operation.result, operation.returned)
        {
            let first = &mut spoken.entry(value).or_default().first_read;
            *first = Some(first.unwrap_or((at, *revision)).min((at, *revision)));
        }
    }
    let candidate = |operation: &&'a Operation| {
        let of_value = match &operation.call {
            Call::Set { value, .. } => spoken.get(value),
            Call::Delete { .. } | Call::Get => None,
        };
        let unseen = of_value.is_some_and(|of| of.first_read.is_none() && !of.is_condition);
        let (by, revision) = match (of_value, &operation.result) {
            (Some(of), None) if of.writers == 1 => of.first_read.unzip(),
            (_, Some(Outcome::Written { revision, .. })) => (operation.returned, Some(*revision)),
            _ => (operation.returned, None),
        };
        Candidate { operation, by, revision, unseen }
    };
    operations.iter().map(candidate).collect()
}

/// The state after a candidate, if it could take effect with its outcome in `state`. A write of unknown
/// outcome whose condition does not hold did nothing, which is the same as not happening.
fn step(state: &State, candidate: &Candidate<'_>) -> Option<State> {
    let operation = candidate.operation;
    let held = state.held.as_ref();
    let known = held.and_then(|(_, revision)| *revision);
    let may_be = |revision: Index| match known {
        Some(known) => known == revision,
        // Set by a write of unknown outcome, after everything that was seen before.
        None => revision > state.floor,
    };
    // An answer that names the revision tells it of a write that could not.
    let seen = |value: &Bytes, revision: Index| State {
        held: Some((value.clone(), Some(revision))),
        floor: state.floor.max(revision),
    };
    let written = || State {
        held: match &operation.call {
            Call::Set { value, .. } => Some((value.clone(), candidate.revision)),
            Call::Delete { .. } | Call::Get => None,
        },
        floor: state.floor.max(candidate.revision.unwrap_or_default()),
    };
    let rises = candidate.revision.is_none_or(|revision| revision > state.floor);
    let (Call::Set { condition, .. } | Call::Delete { condition }) = &operation.call else {
        return match &operation.result {
            Some(Outcome::NotFound) => held.is_none().then(|| state.clone()),
            Some(Outcome::Value { value, revision }) => {
                let fits = held.is_some_and(|(have, _)| have == value) && may_be(*revision);
                fits.then(|| seen(value, *revision))
            }
            _ => None,
        };
    };
    let holds = match condition {
        Condition::Any => true,
        Condition::Absent => held.is_none(),
        Condition::Value(value) => held.is_some_and(|(have, _)| have == value),
        Condition::Revision(revision) => held.is_some() && may_be(*revision),
    };
    match &operation.result {
        Some(Outcome::Written { existed, .. }) => {
            (holds && rises && *existed == held.is_some()).then(written)
        }
        Some(Outcome::ConditionFailed { revision: Some(revision) }) => {
            let (value, _) = held.filter(|_| may_be(*revision))?;
            let fails = match condition {
                Condition::Revision(wanted) => wanted != revision,
                _ => !holds,
            };
            fails.then(|| seen(value, *revision))
        }
        Some(Outcome::ConditionFailed { revision: None }) => {
            (held.is_none() && !holds).then(|| state.clone())
        }
        None => (holds && rises).then(written),
        Some(Outcome::Value { .. } | Outcome::NotFound) => None,
    }
}
