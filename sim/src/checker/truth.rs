//! What the committed log means, worked out by one who carries out every entry once and remembers
//! everything: which writes took effect, what each was answered, and the state after each entry.

use crate::checker::violation::{Check, Property, ensure};
use crate::linearizability::certificate::Effect;
use crate::linearizability::{Call, Operation, Outcome};
use crate::pieces::Pieces;
use crate::sometimes::{Point, Sometimes};
use raft_core::bytes::Bytes;
use raft_core::config::Limits;
use raft_core::error::Error;
use raft_core::id::{ClientId, Index, NodeId, Sequence};
use raft_core::kv::command::{Command, Condition, Session, Written};
use raft_core::kv::store::Store;
use raft_core::raft::message::{Entry, Payload};
use raft_core::vec_map::VecMap;
use raft_core::wal::Durable;
use std::collections::VecDeque;

/// States kept for comparison. A node further behind than the oldest is compared again at a later index.
/// Each is a tree of its own, and a run is kept at many moments.
const STATES_MAX: usize = 64;

/// The meaning of the committed log so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Truth {
    limits: Limits,
    applied: Index,
    store: Store,
    /// The newest states, one for each entry; the last is that of today.
    states: VecDeque<Store>,
    /// The keys once more, kept in the plainest way: values with their revisions.
    plain: VecMap<Bytes, (Bytes, Index)>,
    /// What the newest write of each session was answered when it first stood in the log.
    answers: VecMap<ClientId, (Sequence, Result<Written, Error>)>,
    /// Every write that took effect, in order.
    effects: Pieces<Effect>,
    /// The same by key: their places in `effects`.
    by_key: VecMap<Bytes, Vec<usize>>,
}

impl Truth {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, states: VecDeque::from([Store::default()]), ..Self::default() }
    }

    /// The next entry is committed.
    pub(super) fn commit(&mut self, entry: &Entry, sometimes: &mut Sometimes) -> Check {
        self.applied = self.applied.next();
        if let Payload::Command(bytes) = &entry.payload {
            let command: Command =
                postcard::from_bytes(bytes).expect("a leader's command is readable");
            self.carry_out(&command, sometimes)?;
        }
        self.states.push_back(self.store.clone());
        if self.states.len() > STATES_MAX {
            self.states.pop_front();
        }
        Ok(())
    }

    /// Exactly once: the first time a write of a session does what it says, and any other time nothing.
    fn carry_out(&mut self, command: &Command, sometimes: &mut Sometimes) -> Check {
        let Command { session, write } = command;
        let index = self.applied;
        let result = self.store.apply(index, command, &self.limits);
        let newest = session.and_then(|session| self.answers.get(&session.client));
        let before = newest.filter(|(newest, _)| session.is_some_and(|s| s.sequence <= *newest));
        let forgotten = matches!(result, Err(Error::SessionExpired | Error::SequencePassed));
        sometimes.hit_if(before.is_some() && !forgotten, Point::RetryRemembered);
        sometimes.hit_if(result == Err(Error::SequencePassed), Point::SequencePassed);
        sometimes.hit_if(result == Err(Error::SessionExpired), Point::SessionExpired);
        if let Some((newest, before)) = before {
            // Of one before the newest nothing is known but that it cannot take effect any more.
            let is_newest = session.is_some_and(|session| session.sequence == *newest);
            let is_same = forgotten || (is_newest && *before == result);
            ensure(is_same, Property::ExactlyOnce, || {
                let was = |result: &Result<Written, Error>| match result {
                    Ok(written) => format!("written as entry {}", written.revision),
                    Err(error) => format!("refused: {error}"),
                };
                let (before, again) = (was(before), was(&result));
                format!("entry {index} repeats a write that was {before}, and is now {again}")
            })?;
        } else if !forgotten {
            let call = Call::of(write);
            let plain = self.carry_out_plainly(index, write.key(), &call);
            ensure(plain == result, Property::ExactlyOnce, || {
                format!("entry {index} is a new write and leads to {result:?}, not {plain:?}")
            })?;
            if let Ok(Written { existed, .. }) = result {
                self.by_key
                    .get_or_insert_with(write.key().clone(), Default::default)
                    .push(self.effects.len());
                self.effects.push(Effect { index, key: write.key().clone(), call, existed });
            }
            if let Some(Session { client, sequence, .. }) = *session {
                self.answers.insert(client, (sequence, result));
            }
        }
        let plainly = self.store.iter().zip(&self.plain).all(|(item, (key, (value, revision)))| {
            item.key == *key && item.value.as_ref() == Some(value) && item.modified == *revision
        });
        ensure(plainly && self.store.len() == self.plain.len(), Property::ExactlyOnce, || {
            format!("after entry {index}, the store is not what the writes so far make of it")
        })
    }

    fn carry_out_plainly(
        &mut self,
        index: Index,
        key: &Bytes,
        call: &Call,
    ) -> Result<Written, Error> {
        let before = self.plain.get(key);
        let revision = before.map(|(_, revision)| *revision);
        let (Call::Set { condition, .. } | Call::Delete { condition }) = call else {
            unreachable!("no read is in the log")
        };
        let holds = match condition {
            Condition::Any => true,
            Condition::Absent => before.is_none(),
            Condition::Value(wanted) => before.is_some_and(|(value, _)| value == wanted),
            Condition::Revision(wanted) => revision == Some(*wanted),
        };
        if !holds {
            return Err(Error::ConditionFailed { revision });
        }
        match call {
            Call::Set { value, .. } => self.plain.insert(key.clone(), (value.clone(), index)),
            Call::Delete { .. } | Call::Get => self.plain.remove(key),
        };
        Ok(Written { revision: index, existed: revision.is_some() })
    }

    /// Every write that took effect, in order.
    pub(super) fn effects(&self) -> &Pieces<Effect> {
        &self.effects
    }

    /// State Machine Safety: after the same entries, the same state.
    pub(super) fn check_state(&self, node: NodeId, applied: Index, store: &Store) -> Check {
        let age = self.applied.0.checked_sub(applied.0);
        let known = age.and_then(|age| self.states.iter().nth_back(age as usize));
        ensure(known.is_none_or(|known| known == store), Property::StateMachineSafety, || {
            format!("node {node} has another state after entry {applied} than the log makes of it")
        })
    }

    /// No Loss: a snapshot and the entries after it lead to the state that the log leads to.
    pub(super) fn check_image(&self, node: NodeId, found: &Durable) -> Check {
        let base = found.snapshot.as_ref().map(|snapshot| snapshot.meta.last.index);
        let mut store = found.snapshot.as_ref().map(|s| s.store.clone()).unwrap_or_default();
        let mut index = base.unwrap_or_default();
        for entry in &found.entries {
            if index >= self.applied {
                break;
            }
            index = index.next();
            if let Payload::Command(bytes) = &entry.payload {
                let command: Command = postcard::from_bytes(bytes).expect("it was read before");
                let _ = store.apply(index, &command, &self.limits);
            }
        }
        ensure(index == self.applied && store == self.store, Property::NoLoss, || {
            let applied = self.applied;
            format!(
                "of {applied} committed entries, the disk of node {node} leads to another state"
            )
        })
    }

    /// An answer to a client, `newest` being the newest write of the key that was acknowledged before it
    /// asked.
    pub(super) fn check_answer(&self, operation: &Operation, newest: Index) -> Check {
        let Operation { key, call, result, .. } = operation;
        let effects =
            || self.by_key.get(key).into_iter().flatten().map(|place| &self.effects[*place]);
        let at = |revision: Index| effects().find(|effect| effect.index == revision);
        let holds = match result {
            None | Some(Outcome::ConditionFailed { .. }) => return Ok(()),
            Some(Outcome::Written { revision, existed }) => {
                let done = at(*revision).is_some_and(|e| e.call == *call && e.existed == *existed);
                return ensure(done, Property::ExactlyOnce, || {
                    format!("the log says nothing of this write: {operation}")
                });
            }
            Some(Outcome::Value { value, revision }) => *revision >= newest
                && at(*revision).is_some_and(
                    |effect| matches!(&effect.call, Call::Set { value: set, .. } if set == value),
                ),
            // Nothing was ever acknowledged, or something was removed since.
            Some(Outcome::NotFound) => {
                newest == Index(0)
                    || effects().any(|e| e.index >= newest && matches!(e.call, Call::Delete { .. }))
            }
        };
        ensure(holds, Property::FreshReads, || {
            format!(
                "a read misses what was acknowledged before it, at revision {newest}: {operation}"
            )
        })
    }
}
