//! What the checker sees of a node.

use raft_core::id::{EntryId, Index, NodeId, Term};
use raft_core::kv::store::Store;
use raft_core::raft::Role;
use raft_core::raft::log::Log;
use raft_core::raft::membership::Configuration;
use raft_core::raft::progress::Progress;
use raft_core::replica::Replica;
use raft_core::vec_map::VecMap;

/// What the checker sees of a node.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Which node.
    pub node: NodeId,
    /// Its term.
    pub term: Term,
    /// Its vote in that term.
    pub vote: Option<NodeId>,
    /// If it leads, the others as it sees them.
    pub leads: Option<&'a VecMap<NodeId, Progress>>,
    /// Its commit index.
    pub commit: Index,
    /// The last entry it has applied.
    pub applied: Index,
    /// The last entry of its newest snapshot.
    pub snapshot: EntryId,
    /// Whether its disk has no room for more.
    pub disk_is_full: bool,
    /// The configuration it acts by.
    pub configuration: &'a Configuration,
    /// Its log.
    pub log: &'a Log,
    /// Its store.
    pub store: &'a Store,
}

impl<'a> View<'a> {
    /// The view of a replica.
    pub fn of(replica: &'a Replica) -> Self {
        let raft = replica.raft();
        Self {
            node: raft.id(),
            term: raft.term(),
            vote: raft.vote(),
            leads: match raft.role() {
                Role::Leader(leader) => Some(&leader.followers),
                Role::Follower(_) | Role::Candidate(_) => None,
            },
            commit: raft.commit_index(),
            applied: replica.applied_index(),
            snapshot: raft.snapshot_last(),
            disk_is_full: raft.disk_is_full(),
            configuration: raft.configuration(),
            log: raft.log(),
            store: replica.store(),
        }
    }
}
