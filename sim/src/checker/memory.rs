//! What a node's disk holds, as plain data: the yardstick for what the node promises, and for what it
//! remembers after a crash.

use crate::checker::violation::{Broken, Check, Property, ensure};
use raft_core::id::{EntryId, Index, NodeId, Term, WriteSeq};
use raft_core::raft::HardState;
use raft_core::vec_map::VecMap;
use raft_core::wal::{Durable, Write};
use std::collections::VecDeque;

/// What is durable, and what is on its way to be.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    pub(super) hard_state: HardState,
    /// The newest snapshot's last entry.
    base: EntryId,
    /// The terms of the entries after it.
    terms: VecDeque<Term>,
    under_way: VecDeque<Pending>,
    /// For each term, how far the log reached at most while the term was the node's own: an
    /// acknowledgement that leaves late may speak of an earlier term.
    reached: VecMap<Term, Index>,
}

/// What became of the writes that were on their way to the disk when a node crashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restart {
    /// These were there, though nobody had been told.
    pub kept: usize,
    /// These were not.
    pub lost: usize,
}

/// A write that is not durable yet.
#[derive(Clone, Debug)]
struct Pending {
    seq: WriteSeq,
    hard_state: Option<HardState>,
    snapshot: Option<EntryId>,
    first: Index,
    terms: Vec<Term>,
}

impl Memory {
    /// A disk that holds this, and nothing is on its way there.
    pub(super) fn of(found: &Durable) -> Self {
        let base = found.snapshot.as_ref().map(|snapshot| snapshot.meta.last).unwrap_or_default();
        let terms = found.entries.iter().map(|entry| entry.term).collect();
        Self { hard_state: found.hard_state, base, terms, ..Self::default() }
    }

    /// The node has handed a write to its disk.
    pub(super) fn given(&mut self, write: &Write) {
        self.under_way.push_back(Pending {
            seq: write.seq,
            hard_state: write.hard_state,
            snapshot: write.snapshot.as_ref().map(|snapshot| snapshot.meta.last),
            first: write.first,
            terms: write.entries.iter().map(|entry| entry.term).collect(),
        });
    }

    /// The disk has synced everything up to this write.
    pub(super) fn synced(&mut self, node: NodeId, seq: WriteSeq) -> Check {
        while let Some(pending) = self.under_way.pop_front_if(|pending| pending.seq <= seq) {
            self.fold(node, pending)?;
        }
        Ok(())
    }

    fn fold(&mut self, node: NodeId, pending: Pending) -> Check {
        let Pending { hard_state, snapshot, first, terms, .. } = pending;
        self.hard_state = hard_state.unwrap_or(self.hard_state);
        if let Some(last) = snapshot {
            match self.holds(last) && last.index > self.base.index {
                true => drop(self.terms.drain(..(last.index.0 - self.base.index.0) as usize)),
                false => self.terms.clear(),
            }
            self.base = last;
        }
        if !terms.is_empty() {
            ensure(first <= self.last().next(), Property::Recovery, || {
                format!("node {node} writes from entry {first} on, after entry {}", self.last())
            })?;
            let covered = (self.base.index.next().0.saturating_sub(first.0)) as usize;
            self.terms.truncate(first.0.saturating_sub(self.base.index.0 + 1) as usize);
            self.terms.extend(terms.into_iter().skip(covered));
        }
        let last = self.last();
        let reached = self.reached.get_or_insert_with(self.hard_state.term, Default::default);
        *reached = last.max(*reached);
        Ok(())
    }

    /// How many writes are not durable yet.
    pub(super) fn writes_under_way(&self) -> usize {
        self.under_way.len()
    }

    /// The node starts again with what it found on its disk: what was synced, or that and some of the
    /// writes after it, whole and in order.
    pub(super) fn restarted(&mut self, node: NodeId, found: &Durable) -> Result<Restart, Broken> {
        let synced = self.to_string();
        let under_way = self.under_way.len();
        while !self.is(found) {
            let Some(pending) = self.under_way.pop_front() else {
                let seen = Self::of(found);
                let facts = format!(
                    "node {node} starts with {seen}; its disk had synced {synced}, and {self} was written"
                );
                return Err(Broken { property: Property::Recovery, facts });
            };
            self.fold(node, pending)?;
        }
        let lost = self.under_way.len();
        self.under_way.clear();
        Ok(Restart { kept: under_way - lost, lost })
    }

    fn is(&self, found: &Durable) -> bool {
        let base = found.snapshot.as_ref().map(|snapshot| snapshot.meta.last).unwrap_or_default();
        self.hard_state == found.hard_state
            && self.base == base
            && self.terms.iter().copied().eq(found.entries.iter().map(|entry| entry.term))
    }

    /// The last entry's index.
    pub(super) fn last(&self) -> Index {
        Index(self.base.index.0 + self.terms.len() as u64)
    }

    /// The last entry.
    pub(super) fn last_id(&self) -> EntryId {
        match self.terms.back() {
            Some(term) => EntryId { term: *term, index: self.last() },
            None => self.base,
        }
    }

    /// Whether this entry is durable. One that the snapshot includes is taken to be the same.
    pub(super) fn holds(&self, id: EntryId) -> bool {
        match id.index.0.checked_sub(self.base.index.0 + 1) {
            None => true,
            Some(place) => self.terms.get(place as usize) == Some(&id.term),
        }
    }

    /// How far the log reached at most in this term or after it, durably; now, if it is the present one.
    pub(super) fn reached_in(&self, term: Term) -> Index {
        match term == self.hard_state.term {
            true => self.last(),
            false => {
                self.reached.at_least(&term).iter().map(|(_, last)| *last).max().unwrap_or_default()
            }
        }
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let HardState { term, vote } = self.hard_state;
        write!(f, "term {term}, ")?;
        match vote {
            Some(vote) => write!(f, "a vote for node {vote}, ")?,
            None => write!(f, "no vote, ")?,
        }
        write!(f, "a snapshot to {} and a log to {}", self.base, self.last_id())
    }
}
