//! What one node must do by itself: go forward, and promise nothing that its disk does not hold.

use crate::chain::ChainId;
use crate::cluster::NODES_MAX;
use crate::node::Node;
use raft_core::id::{EntryId, Index, NodeId, Term};
use raft_core::raft::log::Log;
use raft_core::raft::membership::Configuration;
use raft_core::raft::message::{AppendResult, Body, Message};

/// A property that does not hold, and the facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) property: &'static str,
    pub(crate) facts: String,
}

pub(crate) type Check<T = ()> = Result<T, Broken>;

pub(crate) fn broken(property: &'static str, facts: String) -> Broken {
    Broken { property, facts }
}

/// Checks one condition.
pub(crate) fn ensure(holds: bool, property: &'static str, facts: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(broken(property, facts())) }
}

/// A message leaves: what it says must be on its sender's disk.
pub(crate) fn promise(node: &Node, to: NodeId, Message { term, body }: &Message) -> Check {
    let (id, durable) = (node.id(), node.disk.hard_state);
    ensure(*term <= durable.term, "Send preconditions", || {
        format!("node {id} speaks in term {term}, its disk knows term {}", durable.term)
    })?;
    let has_voted = |campaign, candidate| {
        let voted = durable.term > campaign || durable.vote == Some(candidate);
        ensure(voted, "Send preconditions", || {
            format!(
                "node {id} votes for node {candidate} in term {campaign}, its disk says {durable:?}"
            )
        })
    };
    match body {
        Body::RequestVote { campaign, pre_vote: false, .. } => has_voted(*campaign, id),
        Body::RequestVoteReply { campaign, pre_vote: false, refused: None, .. } => {
            has_voted(*campaign, to)
        }
        // One that was held over a change of term speaks of a log that has gone since.
        Body::AppendEntriesReply {
            result: AppendResult::Matched { match_index } | AppendResult::Full { match_index },
            ..
        } if *term == node.raft.term() => {
            ensure(on_disk(node, *match_index), "Send preconditions", || {
                format!("node {id} acknowledges entry {match_index}, which is not on its disk")
            })
        }
        _ => Ok(()),
    }
}

/// Whether a node's disk has the log up to `index` as the node has it.
fn on_disk(node: &Node, index: Index) -> bool {
    index < node.raft.log().base().index
        || node.chain_at(index).is_some_and(|chain| node.disk.holds(index, chain))
}

/// A node before it takes an input.
pub(crate) struct Facts {
    term: Term,
    vote: Option<NodeId>,
    leads: bool,
    commit: (Index, Option<ChainId>),
    last: (Index, Option<ChainId>),
    snapshot: EntryId,
}

impl Facts {
    pub(crate) fn of(node: &Node) -> Self {
        let raft = &node.raft;
        let (commit, last) = (raft.commit_index(), raft.log().last().index);
        Self {
            term: raft.term(),
            vote: raft.vote(),
            leads: node.leads(),
            commit: (commit, node.chain_at(commit)),
            last: (last, node.chain_at(last)),
            snapshot: raft.snapshot_last(),
        }
    }

    /// After an input.
    pub(crate) fn check(&self, node: &Node) -> Check {
        let (id, raft) = (node.id(), &node.raft);
        let (term, vote, commit) = (raft.term(), raft.vote(), raft.commit_index());
        let one_vote = term > self.term || self.vote.is_none() || vote == self.vote;
        ensure(term >= self.term && one_vote, "Monotonicity", || {
            format!(
                "node {id} goes from {:?} in term {} to {vote:?} in term {term}",
                self.vote, self.term
            )
        })?;
        let snapshot = raft.snapshot_last();
        let forward = commit >= self.commit.0 && snapshot >= self.snapshot;
        ensure(forward, "Monotonicity", || {
            let (before, snapshot_before) = (self.commit.0, self.snapshot);
            format!(
                "node {id} goes back: commit {before} to {commit}, snapshot {snapshot_before} to {snapshot}"
            )
        })?;
        let (base, last) = (raft.log().base().index, raft.log().last().index);
        let in_order = base <= snapshot.index && snapshot.index <= commit && commit <= last;
        ensure(in_order, "Monotonicity", || {
            format!(
                "node {id} is out of order: log from {base}, snapshot {snapshot}, commit {commit}, last {last}"
            )
        })?;
        // What it had committed is still there, or compacted away.
        let kept = |(index, chain)| index < base || node.chain_at(index) == chain;
        ensure(kept(self.commit), "State Machine Safety", || {
            format!("node {id} removes entry {}, which it had committed", self.commit.0)
        })?;
        let led_on = self.leads && node.leads() && term == self.term;
        ensure(!led_on || kept(self.last), "Leader Append-Only", || {
            format!("leader {id} of term {term} changes its log before entry {}", self.last.0)
        })?;
        check_changes(node)?;
        let durable = raft.log().durable();
        ensure(on_disk(node, durable), "Durability", || {
            format!("node {id} takes entry {durable} to be durable, which is not on its disk")
        })
    }

    /// After a crash: nothing it said in public may be forgotten. That its disk held it was checked when
    /// it was said, so what is left is that it reads what the disk holds.
    pub(crate) fn check_restart(&self, node: &Node) -> Check {
        let (id, raft) = (node.id(), &node.raft);
        let same =
            (raft.term(), raft.vote()) == (node.disk.hard_state.term, node.disk.hard_state.vote);
        ensure(same && raft.term() <= self.term, "Durability", || {
            format!("node {id} restarts in term {} with vote {:?}", raft.term(), raft.vote())
        })
    }
}

/// One change of the members at a time, and such that no two majorities can miss each other (§6).
fn check_changes(node: &Node) -> Check {
    let (id, raft) = (node.id(), &node.raft);
    let (log, commit) = (raft.log(), raft.commit_index());
    let mut last: Option<&Configuration> = None;
    let mut pending = 0;
    for index in log.base().index.0 + 1..=log.last().index.0 {
        let Some(next) = log.configuration_at(Index(index)) else { continue };
        pending += u32::from(index > commit.0);
        if let Some(before) = last {
            // Were there a quorum of one among those who are no quorum of the other, both could decide.
            let apart = (0u32..2 << NODES_MAX).any(|set| {
                let in_set = |voter: NodeId| set & 1 << voter.0 != 0;
                is_quorum(before, in_set) && is_quorum(next, |voter| !in_set(voter))
            });
            ensure(!apart, "Configurations", || {
                format!("node {id}: majorities of {before} and of {next} can miss each other")
            })?;
        }
        last = Some(next);
    }
    // Two leaders could else each change the members with a majority of their own (erratum to thesis §4.1).
    let newest = last.filter(|_| pending > 0 && node.leads());
    let is_own = newest.is_some() && newest_change_of(log) == Some(raft.term());
    ensure(!is_own || log.term_at(commit) == Some(raft.term()), "Configurations", || {
        format!("leader {id} changes the members before it has committed an entry of its term")
    })?;
    ensure(pending <= 1 || !node.leads(), "Configurations", || {
        format!("leader {id} has {pending} changes of the members that are not committed")
    })
}

/// The term of the newest entry that changes the members.
fn newest_change_of(log: &Log) -> Option<Term> {
    let mut indexes = (log.base().index.0 + 1..=log.last().index.0).rev().map(Index);
    let newest = indexes.find(|index| log.configuration_at(*index).is_some())?;
    log.term_at(newest)
}

/// A majority of the voters and, if there are any, of the outgoing ones. Counted here once more, since the
/// core's own count is on trial.
pub(crate) fn is_quorum(configuration: &Configuration, has: impl Fn(NodeId) -> bool) -> bool {
    [&configuration.voters, &configuration.outgoing].into_iter().all(|voters| {
        voters.is_empty() || 2 * voters.iter().filter(|voter| has(**voter)).count() > voters.len()
    })
}
