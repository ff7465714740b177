//! What must hold after every event, checked by one who sees all nodes at once.
//!
//! The checker trusts no node. It is shown a node after each of its steps, and all that leaves it, and
//! compares them with what it remembers: who led each term; a hash for every log entry there ever was,
//! over the entry and all before it, so that equal hashes mean equal logs; what was committed, and in
//! which term; and what each disk holds. Looking at a step costs as much as the step changed.

mod chain;
mod memory;
mod violation;

pub use violation::{Broken, Check, Property, Violation};

use crate::checker::chain::{Chain, Chains, SeenLog};
use crate::checker::memory::Memory;
use crate::checker::violation::ensure;
use raft_core::id::{EntryId, Index, NodeId, Term, WriteSeq};
use raft_core::kv::command::Item;
use raft_core::kv::store::Store;
use raft_core::raft::Role;
use raft_core::raft::log::Log;
use raft_core::raft::membership::Configuration;
use raft_core::raft::message::{AppendResult, Body, Message};
use raft_core::raft::progress::Progress;
use raft_core::replica::{Effects, Envelope, PeerBody, Replica};
use raft_core::request::Reply;
use raft_core::wal::Durable;
use std::collections::BTreeMap;

/// Stores kept for comparison. A node further behind than the oldest is compared again at a later index.
const STORES_MAX: usize = 512;

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
    pub leads: Option<&'a BTreeMap<NodeId, Progress>>,
    /// Its commit index.
    pub commit: Index,
    /// The last entry it has applied.
    pub applied: Index,
    /// The last entry of its newest snapshot.
    pub snapshot: EntryId,
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
            configuration: raft.configuration(),
            log: raft.log(),
            store: replica.store(),
        }
    }
}

/// The one who sees all nodes at once.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    leaders: BTreeMap<Term, NodeId>,
    chains: Chains,
    committed: Vec<Committed>,
    stores: BTreeMap<Index, Store>,
    nodes: BTreeMap<NodeId, Seen>,
}

/// A committed entry.
#[derive(Clone, Copy, Debug)]
struct Committed {
    term: Term,
    chain: Chain,
    /// The term of the leader that committed it.
    by: Term,
}

/// A node as it was last seen.
#[derive(Clone, Debug, Default)]
struct Seen {
    term: Term,
    vote: Option<NodeId>,
    leads: bool,
    commit: Index,
    applied: Index,
    snapshot: EntryId,
    log: SeenLog,
    memory: Memory,
}

impl Checker {
    /// How many entries are committed.
    pub fn committed(&self) -> u64 {
        self.committed.len() as u64
    }

    /// A node has started with what it found on its disk.
    pub fn started(&mut self, node: NodeId, found: &Durable) -> Check {
        let seen = self.nodes.entry(node).or_default();
        seen.memory.restarted(node, found)?;
        let base = found.snapshot.as_ref().map(|snapshot| snapshot.meta.last).unwrap_or_default();
        *seen = Seen {
            term: found.hard_state.term,
            vote: found.hard_state.vote,
            leads: false,
            commit: base.index,
            applied: base.index,
            snapshot: base,
            log: SeenLog::beginning_at(base, &self.chains)?,
            memory: std::mem::take(&mut seen.memory),
        };
        Ok(())
    }

    /// A node has taken a step, and this leaves it.
    pub fn stepped(&mut self, view: &View<'_>, effects: &Effects) -> Check {
        self.look(view)?;
        effects.send.iter().try_for_each(|envelope| self.check_promise(envelope))?;
        for (_, response) in &effects.reply {
            if let Ok(
                Reply::Written { revision, .. } | Reply::Item(Item { modified: revision, .. }),
            ) = response
            {
                ensure(revision.0 <= self.committed(), Property::Durability, || {
                    let node = view.node;
                    format!("node {node} answers with revision {revision}, which is not committed")
                })?;
            }
        }
        if let Some(write) = &effects.write {
            self.nodes.entry(view.node).or_default().memory.given(write);
        }
        Ok(())
    }

    /// A node's disk has synced everything up to this write.
    pub fn synced(&mut self, node: NodeId, seq: WriteSeq) -> Check {
        self.nodes.entry(node).or_default().memory.synced(node, seq)
    }

    /// Looks at a node once more, and at all of its log.
    pub fn check_whole(&mut self, view: &View<'_>) -> Check {
        self.look(view)?;
        self.nodes.entry(view.node).or_default().log.check_whole(view.node, view.log)
    }

    /// Whether a node would find on its disk what the disk has synced.
    pub fn check_image(&self, node: NodeId, found: &Durable) -> Check {
        self.nodes.get(&node).map_or(Ok(()), |seen| seen.memory.clone().restarted(node, found))
    }

    fn look(&mut self, view: &View<'_>) -> Check {
        let mut seen = self.nodes.remove(&view.node).unwrap_or_default();
        let check = self.compare(&mut seen, view);
        self.nodes.insert(view.node, seen);
        check?;
        if view.leads.is_some() { self.check_followers(view) } else { Ok(()) }
    }

    fn compare(&mut self, seen: &mut Seen, view: &View<'_>) -> Check {
        check_order(seen, view)?;
        let led_on = seen.leads && view.leads.is_some() && seen.term == view.term;
        let last = seen.log.last();
        let changed = seen.log.follow(view.node, view.log, &mut self.chains)?;
        ensure(!led_on || changed > last, Property::LeaderAppendOnly, || {
            let View { node, term, .. } = view;
            format!("leader {node} of term {term} changed its log from entry {changed} on (§5.3)")
        })?;
        ensure(changed > seen.commit, Property::StateMachineSafety, || {
            format!("node {} removes entry {changed}, which it had committed", view.node)
        })?;
        if view.leads.is_some() && !led_on {
            self.check_new_leader(seen, view)?;
        }
        self.check_commits(seen, view)?;
        seen.log.forget(view.log);
        self.check_disk(seen, view)?;
        if view.applied != seen.applied {
            self.check_store(view)?;
        }
        (seen.term, seen.vote, seen.leads) = (view.term, view.vote, view.leads.is_some());
        (seen.commit, seen.applied, seen.snapshot) = (view.commit, view.applied, view.snapshot);
        Ok(())
    }

    fn check_new_leader(&mut self, seen: &Seen, view: &View<'_>) -> Check {
        let View { node, term, .. } = *view;
        let leader = *self.leaders.entry(term).or_insert(node);
        ensure(leader == node, Property::ElectionSafety, || {
            format!("nodes {leader} and {node} both lead term {term} (§5.2)")
        })?;
        // Leaders of late terms commit late entries, so the last one from an earlier term decides.
        let from_earlier = self.committed.iter().rposition(|committed| committed.by < term);
        let Some(place) = from_earlier else { return Ok(()) };
        let index = Index(place as u64 + 1);
        let committed = self.committed[place];
        let has = match seen.log.base().index > index {
            true => true,
            false => seen.log.at(index).is_some_and(|(_, chain)| chain == committed.chain),
        };
        ensure(has, Property::LeaderCompleteness, || {
            format!(
                "leader {node} of term {term} lacks entry {index}@t{}, which term {} committed (§5.4)",
                committed.term, committed.by
            )
        })
    }

    fn check_commits(&mut self, seen: &Seen, view: &View<'_>) -> Check {
        let View { node, .. } = *view;
        // What a snapshot brought in is compared where it ends: a chain stands for all before it.
        let first = seen.commit.next().max(seen.log.base().index);
        for index in first.0.max(1)..=view.commit.0 {
            let index = Index(index);
            let Some((term, chain)) = seen.log.at(index) else { continue };
            match self.committed.get(index.0 as usize - 1) {
                Some(committed) => {
                    ensure(committed.chain == chain, Property::StateMachineSafety, || {
                        let known = committed.term;
                        format!(
                            "node {node} commits {index}@t{term}, but {index}@t{known} was committed"
                        )
                    })?;
                }
                None => {
                    // A leader may have given up its role right after, in the same step.
                    let leads = view.leads.is_some() || seen.leads;
                    let is_next = self.committed.len() as u64 + 1 == index.0;
                    ensure(leads && is_next, Property::StateMachineSafety, || {
                        format!("node {node} commits {index}@t{term} before any leader has")
                    })?;
                    let by = if view.leads.is_some() { view.term } else { seen.term };
                    self.committed.push(Committed { term, chain, by });
                    if index == view.commit {
                        self.check_quorum(seen, view, by, EntryId { term, index })?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What a leader may commit: an entry of its own term that is on the disks of a quorum (§5.4.2).
    fn check_quorum(&self, seen: &Seen, view: &View<'_>, term: Term, id: EntryId) -> Check {
        let node = view.node;
        ensure(id.term == term, Property::LeaderCompleteness, || {
            format!("leader {node} of term {term} commits {id} by counting copies (§5.4.2)")
        })?;
        let has = |voter| {
            let other = if voter == node { Some(seen) } else { self.nodes.get(&voter) };
            other.is_some_and(|other| other.memory.holds(id))
        };
        ensure(view.configuration.has_quorum(has), Property::Durability, || {
            format!("leader {node} commits {id}, which is not on the disks of a quorum")
        })
    }

    /// What a node takes to be durable is.
    fn check_disk(&self, seen: &Seen, view: &View<'_>) -> Check {
        let View { node, log, .. } = *view;
        let index = log.durable();
        let Some(term) = log.term_at(index) else { return Ok(()) };
        let id = EntryId { term, index };
        ensure(seen.memory.holds(id), Property::Durability, || {
            format!("node {node} takes {id} to be durable, but its disk holds {}", seen.memory)
        })
    }

    fn check_store(&mut self, view: &View<'_>) -> Check {
        let View { node, applied, store, .. } = *view;
        if let Some(known) = self.stores.get(&applied) {
            return ensure(known == store, Property::StateMachineSafety, || {
                format!("node {node} has another state after entry {applied} than a node before it")
            });
        }
        self.stores.insert(applied, store.clone());
        if self.stores.len() > STORES_MAX {
            self.stores.pop_first();
        }
        Ok(())
    }

    /// What a leader believes of a follower's log is on the follower's disk, as long as the follower is
    /// in the leader's term.
    fn check_followers(&self, view: &View<'_>) -> Check {
        for (follower, progress) in view.leads.into_iter().flatten() {
            let index = progress.match_index;
            let (Some(term), Some(seen)) = (view.log.term_at(index), self.nodes.get(follower))
            else {
                continue;
            };
            let id = EntryId { term, index };
            let moved_on = seen.memory.hard_state.term > view.term;
            ensure(moved_on || seen.memory.holds(id), Property::Durability, || {
                format!(
                    "leader {} of term {} takes {id} to be on the disk of node {follower}, which holds {}",
                    view.node, view.term, seen.memory
                )
            })?;
        }
        Ok(())
    }

    /// No message leaves before what it promises is on its sender's disk.
    fn check_promise(&self, envelope: &Envelope) -> Check {
        let Envelope { from, to, body: PeerBody::Raft(Message { term, body }) } = envelope else {
            return Ok(());
        };
        let Some(Seen { memory, .. }) = self.nodes.get(from) else { return Ok(()) };
        let durable = memory.hard_state;
        ensure(*term <= durable.term, Property::Durability, || {
            format!("node {from} speaks in term {term}, but its disk holds {memory}")
        })?;
        match body {
            Body::RequestVote { campaign, pre_vote: false, .. } => {
                let has_voted = durable.term > *campaign || durable.vote == Some(*from);
                ensure(has_voted, Property::Durability, || {
                    format!("node {from} asks for votes before its own is durable: {memory}")
                })
            }
            Body::RequestVoteReply { campaign, pre_vote: false, refused: None } => {
                let has_voted = durable.term > *campaign || durable.vote == Some(*to);
                ensure(has_voted, Property::Durability, || {
                    format!(
                        "node {from} votes for node {to} in term {campaign}, but holds {memory}"
                    )
                })
            }
            Body::AppendEntriesReply { result: AppendResult::Matched { match_index }, .. } => {
                ensure(*match_index <= memory.reached_in(*term), Property::Durability, || {
                    format!(
                        "node {from} acknowledges entries up to {match_index} in term {term}, but its disk \
                     holds {memory}"
                    )
                })
            }
            _ => Ok(()),
        }
    }
}

/// What never goes back, and what never overtakes what.
fn check_order(seen: &Seen, view: &View<'_>) -> Check {
    let View { node, term, vote, commit, applied, snapshot, log, .. } = *view;
    let one_vote = term > seen.term || seen.vote.is_none() || vote == seen.vote;
    ensure(term >= seen.term && one_vote, Property::Monotonicity, || {
        format!(
            "node {node} was in term {} with vote {:?}, and is in term {term} with vote {vote:?}",
            seen.term, seen.vote
        )
    })?;
    let forward = commit >= seen.commit && applied >= seen.applied && snapshot >= seen.snapshot;
    ensure(forward, Property::Monotonicity, || {
        format!(
            "node {node} goes back: commit {} to {commit}, applied {} to {applied}, snapshot {} to \
             {snapshot}",
            seen.commit, seen.applied, seen.snapshot
        )
    })?;
    let last = log.last().index;
    let in_order = log.base().index <= snapshot.index
        && snapshot.index <= applied
        && applied <= commit
        && commit <= last;
    ensure(in_order, Property::Monotonicity, || {
        format!(
            "node {node} is out of order: log from {}, snapshot to {snapshot}, applied {applied}, \
             commit {commit}, last {last}",
            log.base()
        )
    })
}
