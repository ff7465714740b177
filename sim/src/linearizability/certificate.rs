//! The quick way to judge a history, where the log that was agreed on is known: it is itself the order
//! that [`check`](super::check) has to search for. Takes one look at every operation, so every run is judged.
//!
//! Each operation gets a place in the log: a write that of its effect, a read the earliest state that has
//! what it saw. An operation that began after another had returned must not have the earlier place, of
//! whatever keys they are. And what the log says was done, somebody must have asked for.

use crate::linearizability::{Call, Operation, Outcome};
use raft_core::bytes::Bytes;
use raft_core::id::Index;
use raft_core::kv::command::Condition;
use raft_core::vec_map::VecMap;

/// A write that took effect, as the log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Its entry, and so its revision.
    pub index: Index,
    /// The key.
    pub key: Bytes,
    /// What was done.
    pub call: Call,
    /// Whether the key existed before.
    pub existed: bool,
}

/// What became of the writes whose outcome nobody was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    /// They took effect.
    pub happened: u64,
    /// They never did.
    pub never: u64,
}

/// Whether the operations saw what the log says was done, each once and in the order of real time.
///
/// # Errors
/// A sentence about the first operation, in the order of returning, that did not.
pub fn certify(history: &[Operation], effects: &[Effect]) -> Result<Unknown, String> {
    let mut by_key: VecMap<&Bytes, Vec<&Effect>> = VecMap::new();
    for effect in effects {
        by_key.get_or_insert_with(&effect.key, Default::default).push(effect);
    }
    let of_key = |key: &Bytes| by_key.get(key).map(Vec::as_slice).unwrap_or_default();
    // At one moment calls come before returns: operations that touch are taken to overlap.
    let mut moments: Vec<(u64, bool, usize)> = Vec::with_capacity(history.len() * 2);
    for (number, operation) in history.iter().enumerate() {
        moments.push((operation.invoked, false, number));
        let returned = operation.returned.filter(|_| operation.result.is_some());
        moments.extend(returned.map(|at| (at.max(operation.invoked), true, number)));
    }
    moments.sort_unstable();
    // The latest place of those that have returned, and what it was when each operation began.
    let mut latest = Index(0);
    let mut floors = vec![Index(0); history.len()];
    let mut claimed: VecMap<Index, usize> = VecMap::new();
    for (_, is_return, number) in moments {
        if !is_return {
            floors[number] = latest;
            continue;
        }
        let operation = &history[number];
        let place = place(operation, of_key(&operation.key), floors[number]).ok_or_else(|| {
            format!("after entry {}, the log has no place for {operation}", floors[number])
        })?;
        if let Some(Outcome::Written { .. }) = operation.result
            && let Some(other) = claimed.insert(place, number)
        {
            return Err(format!("one entry cannot be both {operation} and {}", history[other]));
        }
        latest = latest.max(place);
    }
    explain_the_rest(history, &floors, effects, &claimed)
}

/// The earliest place of an operation not before `floor`.
fn place(operation: &Operation, effects: &[&Effect], floor: Index) -> Option<Index> {
    let outcome = operation.result.as_ref()?;
    if let Outcome::Written { revision, existed } = outcome {
        let at = effects.binary_search_by_key(revision, |effect| effect.index).ok()?;
        let Effect { call, existed: did, .. } = effects[at];
        return (*call == operation.call && did == existed && *revision > floor)
            .then_some(*revision);
    }
    // The states of the key, each from one effect to the next, beginning with that at `floor`. Before the
    // first effect it does not exist.
    let passed = effects.partition_point(|effect| effect.index <= floor);
    let last = passed.checked_sub(1).map(|place| effects[place]);
    let mut states =
        std::iter::once(last).chain(effects[passed..].iter().map(|effect| Some(*effect)));
    states.find_map(|state| {
        let held = state.and_then(|effect| match &effect.call {
            Call::Set { value, .. } => Some((value, effect.index)),
            Call::Delete { .. } | Call::Get => None,
        });
        let seen = match outcome {
            Outcome::Value { value, revision } => held == Some((value, *revision)),
            Outcome::NotFound => held.is_none(),
            Outcome::ConditionFailed { revision } => {
                held.map(|(_, at)| at) == *revision && !holds(&operation.call, held)
            }
            Outcome::Written { .. } => false,
        };
        let begin = state.map(|effect| effect.index).unwrap_or_default();
        seen.then_some(begin.max(floor))
    })
}

/// Whether the condition of a write holds where the key has this value, of this revision.
fn holds(call: &Call, held: Option<(&Bytes, Index)>) -> bool {
    match call {
        Call::Set { condition, .. } | Call::Delete { condition } => match condition {
            Condition::Any => true,
            Condition::Absent => held.is_none(),
            Condition::Value(wanted) => held.is_some_and(|(value, _)| value == wanted),
            Condition::Revision(wanted) => held.is_some_and(|(_, revision)| revision == *wanted),
        },
        Call::Get => true,
    }
}

/// What was done and is no known operation's doing must be that of one whose outcome is unknown, each
/// the doing of another one, and none done before it was asked for.
fn explain_the_rest(
    history: &[Operation],
    floors: &[Index],
    effects: &[Effect],
    claimed: &VecMap<Index, usize>,
) -> Result<Unknown, String> {
    let mut unknown: Vec<(&Operation, Index)> = history
        .iter()
        .zip(floors.iter().copied())
        .filter(|(operation, _)| operation.returned.is_none() && operation.call != Call::Get)
        .collect();
    // Of two that ask for the same, the one that began earlier has more to choose from.
    unknown.sort_by_key(|(_, floor)| *floor);
    let all = unknown.len() as u64;
    for effect in effects.iter().filter(|effect| !claimed.contains_key(&effect.index)) {
        let asked = unknown.iter().position(|(operation, floor)| {
            operation.key == effect.key && operation.call == effect.call && *floor < effect.index
        });
        let asked = asked.ok_or_else(|| {
            format!("entry {} took effect, and nobody asked for it: {effect:?}", effect.index)
        })?;
        unknown.remove(asked);
    }
    let never = unknown.len() as u64;
    Ok(Unknown { happened: all - never, never })
}
