//! Whether a history could have been the work of one store that does one thing at a time. For histories
//! of the simulator and of real processes alike.

pub mod certificate;
mod search;

use crate::linearizability::search::Search;
use crate::words::{OnlyIf, Short};
use raft_core::bytes::Bytes;
use raft_core::id::Index;
use raft_core::kv::command::{Condition, Write};
use raft_core::vec_map::VecMap;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One operation of a client on one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Who.
    pub client: u64,
    /// On which key.
    pub key: Bytes,
    /// What.
    pub call: Call,
    /// When it began. All times of a history are of one clock, in any unit.
    pub invoked: u64,
    /// When its outcome became known. `None`: it is not known, and a write may take effect at any time
    /// after `invoked`, or never.
    pub returned: Option<u64>,
    /// The outcome; `None` if it is not known, or if `returned` is set and certainly nothing was done.
    pub result: Option<Outcome>,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call {
    /// Give the key a value.
    Set {
        /// The value.
        value: Bytes,
        /// Only if this holds.
        condition: Condition,
    },
    /// Remove the key.
    Delete {
        /// Only if this holds.
        condition: Condition,
    },
    /// Read the key.
    Get,
}

impl Call {
    /// The call that asks for `write`.
    pub fn of(write: &Write) -> Self {
        match write.clone() {
            Write::Set { value, condition, .. } => Self::Set { value, condition },
            Write::Delete { condition, .. } => Self::Delete { condition },
        }
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The write took effect.
    Written {
        /// Its revision.
        revision: Index,
        /// Whether the key existed before.
        existed: bool,
    },
    /// The condition did not hold.
    ConditionFailed {
        /// The key's revision, if it existed.
        revision: Option<Index>,
    },
    /// The key's value.
    Value {
        /// The value.
        value: Bytes,
        /// The revision that set it.
        revision: Index,
    },
    /// The key does not exist.
    NotFound,
}

/// Why a history is not known to be linearizable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// No order of the operations on a key explains their outcomes.
    Impossible {
        /// The key.
        key: Bytes,
        /// As many operations as some order explains, in that order.
        explained: Vec<Operation>,
        /// An operation that returned before any of those left out began, and that cannot come next.
        stuck: Box<Operation>,
    },
    /// The search took too long, and nothing is known.
    Undecided {
        /// The key.
        key: Bytes,
        /// How many operations there are on it.
        operations: usize,
    },
}

/// Whether the operations on each key can be put in an order that respects real time and explains every
/// outcome (Wing and Gong's search, with Lowe's memory of states it has been in).
pub fn check<'a>(history: impl IntoIterator<Item = &'a Operation>) -> Result<(), Violation> {
    let mut keys: VecMap<&Bytes, Vec<&Operation>> = VecMap::new();
    for operation in history.into_iter().filter(|operation| may_have_effect(operation)) {
        keys.get_or_insert_with(&operation.key, Default::default).push(operation);
    }
    keys.into_iter().try_for_each(|(key, operations)| Search::new(operations).run(key))
}

/// Reads without an outcome, and writes that certainly failed, explain nothing and need no explanation.
fn may_have_effect(operation: &Operation) -> bool {
    let unknown_write = operation.returned.is_none() && operation.call != Call::Get;
    operation.result.is_some() || unknown_write
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Impossible { key, explained, stuck } => {
                let key = Short(key);
                write!(f, "no order of the operations on {key} explains them; after")?;
                // The end of the order shows what the next one ran into.
                let shown = explained.len().saturating_sub(6);
                for operation in &explained[shown..] {
                    write!(f, " [{operation}]")?;
                }
                write!(f, " there is no room for [{stuck}]")
            }
            Self::Undecided { key, operations } => write!(
                f,
                "too many orders of {operations} operations on {}; use more keys, or fewer operations \
                 of unknown outcome",
                Short(key)
            ),
        }
    }
}

impl std::error::Error for Violation {}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {} from {}", self.client, self.invoked)?;
        match self.returned {
            Some(returned) => write!(f, " to {returned}: ")?,
            None => write!(f, " on: ")?,
        }
        match &self.call {
            Call::Set { value, condition } => {
                write!(f, "set {}{}", Short(value), OnlyIf(condition))?;
            }
            Call::Delete { condition } => write!(f, "delete{}", OnlyIf(condition))?,
            Call::Get => write!(f, "get")?,
        }
        match &self.result {
            Some(Outcome::Written { revision, existed }) => {
                let name = if *existed { "over" } else { "anew" };
                write!(f, " -> written {name} at {revision}")
            }
            Some(Outcome::ConditionFailed { revision: Some(revision) }) => {
                write!(f, " -> failed, at {revision}")
            }
            Some(Outcome::ConditionFailed { revision: None }) => write!(f, " -> failed, absent"),
            Some(Outcome::Value { value, revision }) => {
                write!(f, " -> {} of {revision}", Short(value))
            }
            Some(Outcome::NotFound) => write!(f, " -> not found"),
            None => write!(f, " -> unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Client `client` sets the key from `invoked` to `returned`, and it becomes revision `revision`.
    fn set(client: u64, value: &'static str, times: (u64, u64), revision: u64) -> Operation {
        let existed = revision > 1;
        Operation {
            client,
            key: "k".into(),
            call: Call::Set { value: value.into(), condition: Condition::Any },
            invoked: times.0,
            returned: Some(times.1),
            result: Some(Outcome::Written { revision: Index(revision), existed }),
        }
    }

    fn get(client: u64, times: (u64, u64), seen: Option<(&'static str, u64)>) -> Operation {
        let value = |(value, at): (&'static str, u64)| Outcome::Value {
            value: value.into(),
            revision: Index(at),
        };
        Operation {
            call: Call::Get,
            result: Some(seen.map_or(Outcome::NotFound, value)),
            ..set(client, "", times, 0)
        }
    }

    fn only_if(mut operation: Operation, wanted: Condition, result: Outcome) -> Operation {
        if let Call::Set { condition, .. } = &mut operation.call {
            *condition = wanted;
        }
        operation.result = Some(result);
        operation
    }

    fn unknown(mut operation: Operation) -> Operation {
        (operation.returned, operation.result) = (None, None);
        operation
    }

    fn failed(revision: Option<u64>) -> Outcome {
        Outcome::ConditionFailed { revision: revision.map(Index) }
    }

    #[track_caller]
    fn accepts(history: &[Operation]) {
        assert_eq!(check(history), Ok(()));
    }

    #[track_caller]
    fn rejects(history: &[Operation]) {
        let found = check(history);
        assert!(matches!(found, Err(Violation::Impossible { .. })), "{found:?}");
    }

    #[test]
    fn a_history_in_turn_is_accepted() {
        accepts(&[
            get(1, (0, 1), None),
            set(1, "a", (2, 3), 1),
            get(2, (4, 5), Some(("a", 1))),
            set(2, "b", (6, 7), 2),
            get(1, (8, 9), Some(("b", 2))),
        ]);
    }

    #[test]
    fn operations_that_overlap_may_take_effect_in_either_order() {
        accepts(&[set(1, "a", (0, 10), 1), set(2, "b", (0, 10), 2), get(3, (2, 3), None)]);
        accepts(&[
            set(2, "b", (0, 10), 2),
            set(1, "a", (0, 10), 1),
            get(3, (2, 9), Some(("a", 1))),
        ]);
    }

    #[test]
    fn a_stale_read_is_rejected() {
        rejects(&[set(1, "a", (0, 1), 1), set(1, "b", (2, 3), 2), get(2, (4, 5), Some(("a", 1)))]);
    }

    #[test]
    fn reads_that_go_back_are_rejected() {
        rejects(&[
            set(1, "a", (0, 1), 1),
            set(1, "b", (2, 20), 2),
            get(2, (3, 4), Some(("b", 2))),
            get(3, (5, 6), Some(("a", 1))),
        ]);
    }

    #[test]
    fn a_lost_write_is_rejected() {
        rejects(&[set(1, "a", (0, 1), 1), get(2, (2, 3), None)]);
    }

    #[test]
    fn a_write_from_nowhere_is_rejected() {
        rejects(&[get(2, (2, 3), Some(("a", 1)))]);
    }

    #[test]
    fn a_write_applied_twice_is_rejected() {
        // The set took effect again after the delete.
        let mut delete = set(2, "", (2, 3), 2);
        delete.call = Call::Delete { condition: Condition::Any };
        rejects(&[set(1, "a", (0, 1), 1), delete, get(3, (4, 5), Some(("a", 3)))]);
        // The second of two conditional writes was refused because of its own first time.
        let own = only_if(set(1, "a", (0, 1), 1), Condition::Absent, failed(Some(1)));
        rejects(&[own]);
    }

    #[test]
    fn conditions_are_judged_by_the_state_they_met() {
        let first = set(1, "a", (0, 1), 1);
        let swapped = Outcome::Written { revision: Index(2), existed: true };
        let current = Condition::Revision(Index(1));
        accepts(&[
            first.clone(),
            only_if(set(2, "b", (2, 3), 2), current.clone(), swapped.clone()),
        ]);
        accepts(&[
            first.clone(),
            only_if(set(2, "b", (2, 3), 2), Condition::Absent, failed(Some(1))),
        ]);
        rejects(&[first.clone(), only_if(set(2, "b", (2, 3), 2), current, failed(Some(1)))]);
        rejects(&[first, only_if(set(2, "b", (2, 3), 2), Condition::Value("x".into()), swapped)]);
    }

    #[test]
    fn a_write_of_unknown_outcome_may_take_effect_late_or_never() {
        let write = unknown(set(1, "a", (0, 0), 1));
        accepts(&[write.clone(), get(2, (5, 6), None)]);
        accepts(&[write.clone(), get(2, (5, 6), None), get(2, (7, 8), Some(("a", 4)))]);
        // But only once, and not before it was asked for.
        let back = [get(2, (5, 6), Some(("a", 4))), get(2, (7, 8), None)];
        rejects(&[&[write][..], &back].concat());
        rejects(&[unknown(set(1, "a", (9, 9), 1)), get(2, (5, 6), Some(("a", 4)))]);
    }

    #[test]
    fn an_operation_that_certainly_failed_needs_no_explanation() {
        let mut refused = set(1, "a", (0, 1), 1);
        refused.result = None;
        accepts(&[refused.clone(), get(2, (2, 3), None)]);
        rejects(&[refused, get(2, (2, 3), Some(("a", 1)))]);
    }

    #[test]
    fn keys_do_not_explain_each_other() {
        let mut other = get(2, (2, 3), Some(("a", 1)));
        other.key = "other".into();
        rejects(&[set(1, "a", (0, 1), 1), other]);
    }

    #[test]
    fn a_search_without_end_is_no_pass() {
        // Swaps of unknown outcome, each of which could come after any other, and at the end a read of
        // what none of them wrote.
        let swap = |n: u64| {
            let condition = Condition::Value(format!("{}", n % 16).into());
            let call = Call::Set { value: format!("{}", n / 16).into(), condition };
            Operation { call, ..unknown(set(n, "", (0, 0), 1)) }
        };
        let mut history: Vec<Operation> = (0..256).map(swap).collect();
        history.push(set(98, "0", (0, 1), 1));
        history.push(get(99, (5, 6), Some(("never written", 1))));
        assert!(matches!(check(&history), Err(Violation::Undecided { .. })));
    }
}
