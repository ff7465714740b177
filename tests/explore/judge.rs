//! What must hold of all nodes together, looked at after every step. What cannot have changed is not looked
//! at again.

use crate::bounds::{Bounds, Scarce, Start};
use crate::chain::ChainId;
use crate::checks::{Check, ensure, is_quorum};
use crate::cluster::Cluster;
use crate::node::Node;
use crate::space::{Move, NodeState, Space, Truth};
use raft_core::id::{Incarnation, Index, NodeId, Term};
use raft_core::raft::Role;
use raft_core::raft::membership::Configuration;

impl Cluster {
    /// The node at `place` was in state `before`, and is in the one after the move.
    pub(crate) fn judge(
        &mut self,
        before: NodeState,
        place: usize,
        made: &Move,
        space: &mut Space,
        bounds: &Bounds,
    ) -> Check {
        if made.to != before {
            self.check_leader(before, place, space)?;
            self.check_commits(before, place, space)?;
            for other in 0..usize::from(bounds.nodes) {
                if other != place {
                    let (node, other) = (space.node(made.to), space.node(self.nodes[other]));
                    check_log_matching(node, other)?;
                    check_progress(node, other)?;
                    check_progress(other, node)?;
                }
            }
            let has_changes = bounds.most(Scarce::Change) > 0 || bounds.start == Start::Joint;
            if !has_changes && bounds.most(Scarce::Wipe) == 0 {
                self.check_nothing_is_lost(space, bounds)?;
            }
        }
        for (token, index) in &made.reads {
            let must_see = std::mem::take(&mut self.reads[usize::from(*token)]);
            ensure(must_see > 0 && *index + 1 >= must_see, "Linearizable reads", || {
                format!(
                    "node {} answers read {token} as of entry {index}, but entry {} was committed before it \
                     was asked",
                    place + 1,
                    must_see.saturating_sub(1)
                )
            })?;
        }
        Ok(())
    }

    /// Election Safety (§5.2) and Leader Completeness (§5.4).
    fn check_leader(&mut self, before: NodeState, place: usize, space: &Space) -> Check {
        let (before, node) = (space.node(before), space.node(self.nodes[place]));
        let (id, term) = (node.id(), node.raft.term());
        if !node.leads() || (before.leads() && before.raft.term() == term) {
            return Ok(());
        }
        let leader = &mut self.leaders[term.0 as usize];
        ensure([0, id.0 as u8].contains(leader), "Election Safety", || {
            format!("nodes {leader} and {id} both lead term {term}")
        })?;
        *leader = id.0 as u8;
        let mut truth = space.truths.get(self.truth);
        // Leaders of late terms commit late entries, so the last one from an earlier term decides.
        while truth.index > 0 && u64::from(truth.by) >= term.0 {
            truth = space.truths.get(truth.before);
        }
        let index = Index(truth.index.into());
        let has = index < node.raft.log().base().index || node.chain_at(index) == Some(truth.chain);
        ensure(has, "Leader Completeness", || {
            format!(
                "leader {id} of term {term} lacks entry {index}, which term {} committed",
                truth.by
            )
        })
    }

    /// State Machine Safety (§5.4.3), and what a leader may commit: an entry of its own term (§5.4.2)
    /// that is on the disks of a quorum.
    fn check_commits(&mut self, before: NodeState, place: usize, space: &mut Space) -> Check {
        let state = self.nodes[place];
        let led = space.node(before).leads();
        let node = space.node(state);
        let (id, term, commit) = (node.id(), node.raft.term(), node.raft.commit_index());
        // What comes before the base was compared when it was committed, or is part of the history there.
        let first = space.node(before).raft.commit_index().next().max(node.raft.log().base().index);
        for index in first.0.max(1)..=commit.0 {
            let index = Index(index);
            let node = space.node(state);
            let chain = node.chain_at(index).unwrap_or_default();
            if let Some(known) = self.committed(index, space) {
                ensure(known == chain, "State Machine Safety", || {
                    format!("node {id} commits another entry {index} than was committed before")
                })?;
                continue;
            }
            let is_next = u64::from(space.truths.get(self.truth).index) + 1 == index.0;
            ensure(is_next && (led || node.leads()), "State Machine Safety", || {
                format!("node {id} commits entry {index} before any leader has")
            })?;
            if index == commit {
                let of = node.raft.log().term_at(index).unwrap_or_default();
                ensure(of == term, "Leader Completeness", || {
                    format!(
                        "leader {id} of term {term} commits entry {index} of term {of} by counting (§5.4.2)"
                    )
                })?;
                let has = |voter: NodeId| {
                    let state = self.nodes.get(voter.0 as usize - 1).copied();
                    let disk_was_lost = |node: &Node| node.life() != Incarnation(1);
                    let had = |node: &Node| node.disk.holds(index, chain) || disk_was_lost(node);
                    // A disk that is lost may have held it when it said so.
                    state.is_some_and(|state| had(space.node(state)))
                };
                let in_force = in_force(space.node(before), node);
                ensure(is_quorum(in_force, has), "Durable quorum", || {
                    format!(
                        "leader {id} commits entry {index}, which is not on the disks of a quorum"
                    )
                })?;
            }
            let truth = Truth { before: self.truth, index: index.0 as u8, chain, by: term.0 as u8 };
            self.truth = space.add_truth(truth);
        }
        Ok(())
    }

    /// The history up to `index`, if it is committed.
    fn committed(&self, index: Index, space: &Space) -> Option<ChainId> {
        let mut truth = space.truths.get(self.truth);
        while u64::from(truth.index) > index.0 {
            truth = space.truths.get(truth.before);
        }
        (u64::from(truth.index) == index.0).then_some(truth.chain)
    }

    /// The disks of a majority hold all that was ever committed, at every moment.
    fn check_nothing_is_lost(&self, space: &Space, bounds: &Bounds) -> Check {
        let truth = space.truths.get(self.truth);
        let index = Index(truth.index.into());
        let nodes = &self.nodes[..usize::from(bounds.founders)];
        let have =
            nodes.iter().filter(|node| space.node(**node).disk.holds(index, truth.chain)).count();
        ensure(have > nodes.len() / 2, "Durability", || {
            format!("entry {index} was committed, and is on {have} of {} disks", nodes.len())
        })
    }
}

/// The configuration by which a node committed: the newest in its log, but for one that it wrote because of what
/// it committed.
fn in_force<'a>(before: &'a Node, node: &'a Node) -> &'a Configuration {
    let log = node.raft.log();
    let last = before.raft.log().last().index.max(node.raft.commit_index());
    let mut indexes = (log.base().index.0 + 1..=last.0).rev().map(Index);
    let newest = indexes.find_map(|index| log.configuration_at(index));
    newest.unwrap_or(before.raft.configuration())
}

/// Log Matching (§5.3): an index and a term name one entry, and one log before it.
fn check_log_matching(node: &Node, other: &Node) -> Check {
    let (log, others) = (node.raft.log(), other.raft.log());
    let first = log.base().index.max(others.base().index);
    let last = log.last().index.min(others.last().index);
    for index in first.0..=last.0 {
        let index = Index(index);
        let same_term = log.term_at(index) == others.term_at(index);
        ensure(
            !same_term || node.chain_at(index) == other.chain_at(index),
            "Log Matching",
            || {
                format!(
                    "entry {index}, or one before it, differs on nodes {} and {}",
                    node.id(),
                    other.id()
                )
            },
        )?;
    }
    Ok(())
}

/// What a leader believes to be on a follower's disk is there, as long as the follower is in its term
/// and in the life that the leader knows.
fn check_progress(leader: &Node, follower: &Node) -> Check {
    let Role::Leader(role) = leader.raft.role() else { return Ok(()) };
    let term: Term = leader.raft.term();
    let Some(progress) = role.followers.get(&follower.id()) else { return Ok(()) };
    let index = progress.match_index;
    let is_of_this_life = progress.life == follower.life() && follower.disk.hard_state.term <= term;
    let (Some(chain), true) = (leader.chain_at(index), is_of_this_life) else { return Ok(()) };
    ensure(follower.disk.holds(index, chain), "Durability", || {
        format!(
            "leader {} of term {term} takes entry {index} to be on the disk of node {}, which it is not",
            leader.id(),
            follower.id()
        )
    })
}
