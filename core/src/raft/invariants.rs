//! What must hold of one server from step to step. Broken safety stops the process: serving on would
//! spread the damage. Checked always, since it costs a few comparisons.

use crate::id::{Index, NodeId, Term};
use crate::raft::Raft;
use crate::raft::event::RoleName;

/// What is compared before and after a step.
pub(super) struct Facts {
    term: Term,
    vote: Option<NodeId>,
    commit: Index,
    last: Index,
    role: RoleName,
}

impl Facts {
    pub(super) fn of(raft: &Raft) -> Self {
        Self {
            term: raft.term(),
            vote: raft.vote(),
            commit: raft.commit_index(),
            last: raft.log().last().index,
            role: raft.role_name(),
        }
    }

    /// Panics, naming the invariant, if the step from these facts to the present ones broke one.
    pub(super) fn check(&self, raft: &Raft) {
        let now = Self::of(raft);
        let same_term = self.term == now.term;
        assert!(now.term >= self.term, "terms never fall: {} after {}", now.term, self.term);
        assert!(
            !same_term || self.vote.is_none() || self.vote == now.vote,
            "one vote in a term: {:?} after {:?} in term {}",
            now.vote,
            self.vote,
            self.term
        );
        assert!(
            now.commit >= self.commit,
            "commits never fall: {} after {}",
            now.commit,
            self.commit
        );
        assert!(now.commit <= now.last, "committed entries exist: {} of {}", now.commit, now.last);
        assert!(
            raft.log().base().index <= now.commit,
            "only committed entries are compacted: {} beyond {}",
            raft.log().base(),
            now.commit
        );
        let led_on = same_term && self.role == RoleName::Leader && now.role == RoleName::Leader;
        assert!(
            !led_on || now.last >= self.last,
            "Leader Append-Only: the log ends at {} after {}",
            now.last,
            self.last
        );
    }
}
