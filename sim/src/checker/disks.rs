//! What is on which disk, for whoever wants to destroy some of it.

use crate::checker::{Checker, Seen, members};
use raft_core::id::{EntryId, Index, NodeId};
use raft_core::raft::HardState;
use raft_core::raft::membership::Configuration;

impl Checker {
    /// The last entry that is committed.
    pub fn last_committed(&self) -> EntryId {
        let last = self.committed.iter().next_back().map(|committed| committed.term);
        EntryId { term: last.unwrap_or_default(), index: self.committed() }
    }

    /// The last entry on a node's disk.
    pub fn last_on_disk(&self, node: NodeId) -> EntryId {
        self.nodes.get(&node).map(|seen| seen.memory.last_id()).unwrap_or_default()
    }

    /// Whether this entry is on a node's disk.
    pub fn holds(&self, node: NodeId, id: EntryId) -> bool {
        self.nodes.get(&node).is_some_and(|seen| seen.memory.holds(id))
    }

    /// Whether a node's disk holds just this term and vote.
    pub fn has_voted_as(&self, node: NodeId, hard_state: HardState) -> bool {
        self.nodes.get(&node).is_some_and(|seen| seen.memory.hard_state == hard_state)
    }

    /// How far a node's log may go when it acts next without the last committed entry, and the entries with
    /// the configurations by which it may act then: what is not durable may be lost, what is not committed may
    /// be replaced, and what it lacks of the committed log may be on its way to it.
    pub fn may_act_by(&self, node: NodeId) -> (EntryId, Vec<EntryId>) {
        let Some(seen) = self.nodes.get(&node) else { return Default::default() };
        let Seen { log, memory, commit, .. } = &**seen;
        let on_disk = memory.last_id();
        let first = on_disk.index.min(*commit).max(log.base().index);
        let in_memory = (first.0..=log.last().0).filter_map(|index| {
            let index = Index(index);
            log.at(index).map(|(term, _)| EntryId { term, index })
        });
        let mut ends = on_disk;
        let mut configured: Vec<EntryId> = vec![self.chains.configured_by(on_disk)];
        for id in in_memory {
            ends = ends.max(id);
            configured.push(self.chains.configured_by(id));
        }
        let last_but_one = self.committed().0.saturating_sub(1);
        for index in on_disk.index.next().0..=last_but_one {
            let id = EntryId { term: self.committed[index as usize - 1].term, index: Index(index) };
            ends = ends.max(id);
            configured.push(self.chains.configured_by(id));
        }
        configured.sort_unstable();
        configured.dedup();
        (ends, configured)
    }

    /// The entry with the configuration in force at this one.
    pub fn configured_by(&self, id: EntryId) -> EntryId {
        self.chains.configured_by(id)
    }

    /// The configuration of this entry; the founding one before the first.
    pub fn configuration(&self, id: EntryId) -> &Configuration {
        members::in_force(id, &self.chains, &self.founding)
    }
}
