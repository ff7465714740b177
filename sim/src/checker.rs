//! What must hold after every event, checked by one who sees all nodes at once.
//!
//! The checker trusts no node. It is shown a node after each of its steps, and all that leaves it, and
//! compares them with what it remembers: who led each term and by whose votes; every log entry there ever
//! was, with a hash over it and all before it, so that equal hashes mean equal logs; what was committed, in
//! which term, and what that means; and what each disk holds. Looking at a step costs as much as the step
//! changed.

mod bounds;
mod chain;
mod disks;
pub(crate) mod frames;
mod members;
mod memory;
mod promises;
mod truth;
mod view;
mod violation;

pub use view::View;
pub use violation::{Broken, Check, Property, Violation};

use crate::checker::chain::{Chain, Chains, SeenLog};
use crate::checker::memory::Memory;
pub(crate) use crate::checker::memory::Restart;
use crate::checker::truth::Truth;
use crate::checker::violation::ensure;
use crate::linearizability::Operation;
use crate::linearizability::certificate::Effect;
use crate::pieces::Pieces;
use crate::sometimes::Sometimes;
use raft_core::config::Limits;
use raft_core::id::{EntryId, Incarnation, Index, NodeId, Term, Ticket, WriteSeq};
use raft_core::raft::membership::Configuration;
use raft_core::raft::message::{Body, Message};
use raft_core::replica::{Effects, Envelope, PeerBody};
use raft_core::vec_map::VecMap;
use raft_core::wal::Durable;

/// The one who sees all nodes at once.
#[derive(Clone, Debug)]
pub struct Checker {
    limits: Limits,
    founding: Configuration,
    leaders: VecMap<Term, NodeId>,
    /// Whom each voter gave its vote in each term, asked by which life, and in which life of its own.
    votes: VecMap<(Term, NodeId, Incarnation), (NodeId, Incarnation)>,
    chains: Chains,
    committed: Pieces<Committed>,
    truth: Truth,
    nodes: VecMap<NodeId, Box<Seen>>,
    /// For each read that a node has been asked, how many entries were committed then.
    reads: VecMap<Ticket, Index>,
    /// What disks held when they were wiped, or set back.
    graves: VecMap<(NodeId, Incarnation), Vec<Memory>>,
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
    life: Incarnation,
    term: Term,
    vote: Option<NodeId>,
    leads: bool,
    commit: Index,
    applied: Index,
    snapshot: EntryId,
    last: EntryId,
    log: SeenLog,
    memory: Memory,
}

impl Checker {
    /// Nothing has happened yet.
    pub fn new(founding: Configuration, limits: Limits) -> Self {
        Self {
            founding,
            leaders: VecMap::new(),
            votes: VecMap::new(),
            chains: Chains::default(),
            committed: Pieces::default(),
            truth: Truth::new(limits.clone()),
            nodes: VecMap::new(),
            reads: VecMap::new(),
            graves: VecMap::new(),
            limits,
        }
    }

    /// How many entries are committed.
    pub fn committed(&self) -> Index {
        Index(self.committed.len() as u64)
    }

    /// Every write that took effect, in order.
    pub fn effects(&self) -> &Pieces<Effect> {
        self.truth.effects()
    }

    /// The configurations that may be in force anywhere: the one committed last, and all after it.
    pub fn configurations(&self) -> impl Iterator<Item = &Configuration> {
        let by = self.chains.configured_by(self.last_committed());
        self.chains.configurations_from(by, &self.founding)
    }

    /// A node's disk was wiped: a new life begins, and remembers nothing.
    pub fn wiped(&mut self, node: NodeId, life: Incarnation) {
        let before = self.nodes.insert(node, Box::new(Seen { life, ..Seen::default() }));
        if let Some(seen) = before {
            self.graves.get_or_insert_with((node, seen.life), Default::default).push(seen.memory);
        }
    }

    /// A node's disk is what it was at an earlier time of the same life.
    pub fn set_back(&mut self, node: NodeId, found: &Durable) {
        let seen = self.nodes.get_or_insert_with(node, Default::default);
        let before = std::mem::replace(&mut seen.memory, Memory::of(found));
        self.graves.get_or_insert_with((node, seen.life), Default::default).push(before);
    }

    /// A node has started with what it found on its disk. Returns what became of the writes that were on
    /// their way there.
    pub fn started(&mut self, node: NodeId, found: &Durable) -> Result<Restart, Broken> {
        let seen = self.nodes.get_or_insert_with(node, Default::default);
        let restart = seen.memory.restarted(node, found)?;
        let base = found.snapshot.as_ref().map(|snapshot| snapshot.meta.last).unwrap_or_default();
        **seen = Seen {
            life: seen.life,
            term: found.hard_state.term,
            vote: found.hard_state.vote,
            leads: false,
            commit: base.index,
            applied: base.index,
            snapshot: base,
            last: base,
            log: SeenLog::beginning_at(base, &self.chains)?,
            memory: std::mem::take(&mut seen.memory),
        };
        Ok(restart)
    }

    /// A node has taken a step, and this leaves it.
    pub fn stepped(
        &mut self,
        view: &View<'_>,
        effects: &Effects,
        sometimes: &mut Sometimes,
    ) -> Check {
        self.look(view, sometimes)?;
        for Envelope { to, body, .. } in &effects.send {
            match body {
                PeerBody::Raft(message) => self.check_message(view, *to, message)?,
                PeerBody::Forward { .. } => {}
                PeerBody::Forwarded { response, .. } => {
                    promises::check_response(view, response, self.committed())?;
                }
            }
        }
        for (ticket, response) in &effects.reply {
            promises::check_response(view, response, self.committed())?;
            if let Some(committed) = self.reads.remove(ticket) {
                promises::check_read(view, response, committed)?;
            }
        }
        if let Some(write) = &effects.write {
            let memory = &mut self.nodes.get_or_insert_with(view.node, Default::default).memory;
            memory.given(write);
            bounds::check_writes(view.node, memory.writes_under_way(), &self.limits)?;
        }
        Ok(())
    }

    /// A node's disk has synced everything up to this write.
    pub fn synced(&mut self, node: NodeId, seq: WriteSeq) -> Check {
        self.nodes.get_or_insert_with(node, Default::default).memory.synced(node, seq)
    }

    /// A linearizable read has come to a node.
    pub fn asked(&mut self, read: Ticket) {
        self.reads.insert(read, self.committed());
    }

    /// A client has its answer, and `newest` was the newest write of the key that anyone had been told of
    /// when it asked.
    pub fn answered(&self, operation: &Operation, newest: Index) -> Check {
        self.truth.check_answer(operation, newest)
    }

    /// Looks at a node of a healed cluster once more, at all of its log, and at what it would find on its
    /// disk if the power failed now.
    pub fn check_whole(&mut self, view: &View<'_>, found: &Durable) -> Check {
        self.look(view, &mut Sometimes::default())?;
        let (node, committed) = (view.node, self.committed());
        ensure(view.commit == committed, Property::NoLoss, || {
            format!("{committed} entries were committed, and node {node} knows of {}", view.commit)
        })?;
        let seen = self.nodes.get_or_insert_with(node, Default::default);
        seen.log.check_whole(node, view.log)?;
        seen.memory.clone().restarted(node, found)?;
        self.truth.check_image(node, found)
    }

    fn look(&mut self, view: &View<'_>, sometimes: &mut Sometimes) -> Check {
        let mut seen = self.nodes.remove(&view.node).unwrap_or_default();
        let check = self.compare(&mut seen, view, sometimes);
        self.nodes.insert(view.node, seen);
        check?;
        if view.leads.is_some() { self.check_followers(view) } else { Ok(()) }
    }

    fn compare(&mut self, seen: &mut Seen, view: &View<'_>, sometimes: &mut Sometimes) -> Check {
        check_order(seen, view)?;
        bounds::check_node(view, &self.limits)?;
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
        self.check_commits(seen, view, sometimes)?;
        if changed <= view.log.last().index || changed <= last {
            members::check_in_force(view, &self.chains, &self.founding)?;
        }
        if view.leads.is_some() {
            if changed <= view.log.last().index {
                bounds::check_uncommitted(view, &self.limits)?;
            }
            for index in changed.0..=view.log.last().index.0 {
                members::check_proposed(view, Index(index), &self.chains, &self.founding)?;
            }
        }
        seen.log.forget(view.log);
        self.check_disk(seen, view)?;
        if view.applied != seen.applied {
            self.truth.check_state(view.node, view.applied, view.store)?;
        }
        (seen.term, seen.vote, seen.leads) = (view.term, view.vote, view.leads.is_some());
        (seen.commit, seen.applied, seen.snapshot) = (view.commit, view.applied, view.snapshot);
        seen.last = view.log.last();
        Ok(())
    }

    fn check_new_leader(&mut self, seen: &Seen, view: &View<'_>) -> Check {
        let View { node, term, .. } = *view;
        let leader = *self.leaders.get_or_insert_with(term, || node);
        ensure(leader == node, Property::ElectionSafety, || {
            format!("nodes {leader} and {node} both lead term {term} (§5.2)")
        })?;
        let own = seen.memory.hard_state;
        let voted = |voter| match voter == node {
            true => own.term > term || own.vote == Some(node),
            false => self.votes.get(&(term, voter, seen.life)).is_some_and(|(candidate, life)| {
                *candidate == node && !view.configuration.is_stranger(voter, *life)
            }),
        };
        ensure(members::has_quorum(view.configuration, voted), Property::ElectionSafety, || {
            format!("node {node} leads term {term} without the votes of a quorum (§5.2)")
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

    fn check_commits(&mut self, seen: &Seen, view: &View<'_>, sometimes: &mut Sometimes) -> Check {
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
                    let is_next = self.committed().next() == index;
                    ensure(leads && is_next, Property::StateMachineSafety, || {
                        format!("node {node} commits {index}@t{term} before any leader has")
                    })?;
                    let by = if view.leads.is_some() { view.term } else { seen.term };
                    self.committed.push(Committed { term, chain, by });
                    let id = EntryId { term, index };
                    let link = self.chains.get(id).expect("it is in this node's log");
                    self.truth.commit(&link.entry, sometimes)?;
                    if index == view.commit {
                        self.check_quorum(seen, view, by, id)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What a leader may commit: an entry of its own term that is on the disks of a quorum (§5.4.2).
    fn check_quorum(&self, seen: &Seen, view: &View<'_>, term: Term, id: EntryId) -> Check {
        let node = view.node;
        ensure(id.term == term, Property::CommitRule, || {
            format!("leader {node} of term {term} commits {id} by counting copies (§5.4.2)")
        })?;
        let has = |configuration: &Configuration, voter| {
            let member = configuration.members.get(&voter);
            let life = member.map(|member| member.incarnation).unwrap_or_default();
            let is_own = voter == node && seen.memory.holds(id);
            is_own || self.memories(voter, life).any(|memory| memory.holds(id))
        };
        // The leader may have put another configuration into its log right after, in the same step.
        let before = members::in_force(seen.last, &self.chains, &self.founding);
        let is_on = |c: &&Configuration| members::has_quorum(c, |voter| has(c, voter));
        let enough = [before, view.configuration].iter().any(is_on);
        ensure(enough, Property::DurableQuorum, || {
            format!("leader {node} commits {id}, which is not on the disks of a quorum")
        })
    }

    /// What a life's disk holds, or held to its end; that of any life, if none was admitted yet.
    fn memories(&self, node: NodeId, life: Incarnation) -> impl Iterator<Item = &Memory> {
        let is_it = move |own: Incarnation| life == Incarnation::UNKNOWN || life == own;
        let seen = self.nodes.get(&node).filter(|seen| is_it(seen.life)).map(|seen| &seen.memory);
        let graves =
            self.graves.iter().filter(move |((whose, own), _)| *whose == node && is_it(*own));
        let graves = graves.flat_map(|(_, memory)| memory);
        seen.into_iter().chain(graves)
    }

    /// What a node takes to be durable is.
    fn check_disk(&self, seen: &Seen, view: &View<'_>) -> Check {
        let View { node, log, .. } = *view;
        let index = log.durable();
        let Some(term) = log.term_at(index) else { return Ok(()) };
        let id = EntryId { term, index };
        ensure(seen.memory.holds(id), Property::DurablePromises, || {
            format!("node {node} takes {id} to be durable, but its disk holds {}", seen.memory)
        })
    }

    /// What a leader believes of a follower's log is on the follower's disk, as long as the follower is
    /// in the leader's term.
    fn check_followers(&self, view: &View<'_>) -> Check {
        for (follower, progress) in view.leads.into_iter().flatten() {
            let index = progress.match_index;
            ensure(progress.next_index > index, Property::HonestProgress, || {
                format!("leader {} would send node {follower} what it has", view.node)
            })?;
            let Some(term) = view.log.term_at(index) else { continue };
            let id = EntryId { term, index };
            let mut memories = self.memories(*follower, progress.life);
            let has = memories.any(|memory| memory.hard_state.term > view.term || memory.holds(id));
            ensure(has || index == Index(0), Property::HonestProgress, || {
                let View { node, term, .. } = view;
                format!(
                    "leader {node} of term {term} takes {id} to be on the disk of node {follower}"
                )
            })?;
        }
        Ok(())
    }

    fn check_message(&mut self, view: &View<'_>, to: NodeId, message: &Message) -> Check {
        let Some(Seen { memory, life, .. }) = self.nodes.get(&view.node).map(|seen| &**seen) else {
            return Ok(());
        };
        promises::check_message(view, memory, to, message)?;
        bounds::check_message(view, to, message, &self.limits)?;
        if let Body::RequestVoteReply { campaign, pre_vote: false, life: asked_by, refused: None } =
            message.body
        {
            self.votes.insert((campaign, view.node, asked_by), (to, *life));
        }
        Ok(())
    }
}

/// What never goes back, and what never overtakes what.
fn check_order(seen: &Seen, view: &View<'_>) -> Check {
    let View { node, term, vote, commit, applied, snapshot, log, .. } = *view;
    let one_vote = term > seen.term || seen.vote.is_none() || vote == seen.vote;
    ensure(term >= seen.term && one_vote, Property::Monotonicity, || {
        format!(
            "node {node} was in term {} with {}, and is in term {term} with {}",
            seen.term,
            vote_words(seen.vote),
            vote_words(vote)
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
    ensure(in_order, Property::Order, || {
        format!(
            "node {node} is out of order: log from {}, snapshot to {snapshot}, applied {applied}, \
             commit {commit}, last {last}",
            log.base()
        )
    })
}

fn vote_words(vote: Option<NodeId>) -> String {
    vote.map_or_else(|| "no vote".to_owned(), |node| format!("a vote for node {node}"))
}
