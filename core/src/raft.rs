//! Consensus (the paper's §5 to §8). Carries opaque bytes, and knows nothing of what they mean.
//!
//! [`Raft`] takes messages, proposals, reads, finished writes and the passing of time, and collects what
//! follows from them until [`Raft::output`]. One rule runs through all of it: **a message leaves only
//! once the term it speaks in, and the vote cast in it, are durable** ([`outbox`]), and an
//! acknowledgement covers only what is durable ([`log`]).
//!
//! Where to look: who may lead is in [`election`], how entries travel and commit in [`replication`],
//! reads in [`reads`], the short cut for those far behind in [`snapshot`].

pub mod election;
pub mod event;
mod invariants;
pub mod log;
pub mod membership;
pub mod message;
pub mod outbox;
pub mod progress;
pub mod quorum;
pub mod reads;
pub mod replication;
pub mod snapshot;

use crate::config::Config;
use crate::id::{EntryId, Index, NodeId, Term, WriteSeq};
use crate::raft::event::{Event, RoleName, WhyFollower};
use crate::raft::invariants::Facts;
use crate::raft::log::Log;
use crate::raft::membership::Configuration;
use crate::raft::message::{Body, Entry, Message, SnapshotMeta};
use crate::raft::outbox::Outbox;
use crate::raft::reads::ConfirmedRead;
use crate::raft::replication::Leader;
use crate::raft::snapshot::{ChunkWanted, Incoming};
use crate::time::Instant;
use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg32;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The state of Figure 2 that every server must remember besides its log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardState {
    /// The latest term the server has seen.
    pub term: Term,
    /// The candidate that got its vote in that term.
    pub vote: Option<NodeId>,
}

/// One server's consensus state.
#[derive(Clone, Debug)]
pub struct Raft {
    config: Config,
    now: Instant,
    rng: Pcg32,
    hard_state: HardState,
    log: Log,
    commit: Index,
    /// The configurations in the log, oldest first, each with its index; the last is in force.
    configurations: Vec<(Index, Configuration)>,
    /// The newest snapshot, ours or our leader's.
    snapshot: Option<SnapshotMeta>,
    role: Role,
    outbox: Outbox,
    disk: DiskProgress,
    /// The leader's snapshot as far as it has arrived.
    incoming: Option<Incoming>,
    /// The leader's snapshot, complete.
    received: Option<(SnapshotMeta, Vec<u8>)>,
    output: Output,
}

/// What a server does, with the data that has meaning only while it does it. Assigned as a whole, and
/// only by the `become_` functions.
#[derive(Clone, Debug)]
pub enum Role {
    /// Follows a leader or waits for one.
    Follower(Follower),
    /// Stands for election, or asks whether it would win.
    Candidate(Candidate),
    /// Leads.
    Leader(Leader),
}

/// A follower's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follower {
    /// Who leads this term, if that is known.
    pub leader: Option<NodeId>,
    /// When to stand for election unless a leader is heard from.
    pub election_due: Instant,
    /// When the leader was last heard from.
    heard_at: Instant,
    /// What the leader is owed an answer for.
    acknowledgement: replication::Acknowledgement,
    /// Set while the follower is behind what was committed when it learned of its leader.
    catching_up_to: Option<Index>,
}

/// A candidate's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The term it stands for: its own, or the next while it only asks (thesis §9.6).
    pub campaign: Term,
    /// Whether it only asks.
    pub pre_vote: bool,
    /// The answers: `true` is a vote.
    pub votes: BTreeMap<NodeId, bool>,
    /// When to try again.
    pub election_due: Instant,
}

/// What follows from the steps since the last [`Raft::output`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Output {
    /// To make durable.
    pub write: Option<WriteOut>,
    /// To send.
    pub send: Vec<(NodeId, Message)>,
    /// Reads that are confirmed: each can be answered once the state is applied so far.
    pub reads: Vec<ConfirmedRead>,
    /// Pieces of the snapshot to hand to [`Raft::send_chunk`].
    pub chunks: Vec<ChunkWanted>,
    /// What happened.
    pub events: Vec<Event>,
}

/// What changed since the last write.
#[derive(Clone, Debug)]
pub struct WriteOut {
    /// The write's number.
    pub seq: WriteSeq,
    /// Term and vote, if they changed.
    pub hard_state: Option<HardState>,
    /// Whether the newest snapshot is new to the disk.
    pub snapshot: bool,
    /// Whether a leader's snapshot has taken the place of the log.
    pub replaces_log: bool,
    /// The index of the first of `entries`.
    pub first: Index,
    /// The log from `first` on.
    pub entries: Vec<Entry>,
}

/// What this node's disk has been given, and what it has finished.
#[derive(Clone, Debug, Default)]
struct DiskProgress {
    /// The newest write given.
    given: WriteSeq,
    /// Writes that are not finished, oldest first, with the moment they were given.
    under_way: VecDeque<(WriteSeq, Instant)>,
    /// Term or vote changed since the newest write.
    hard_state_changed: bool,
    /// The snapshot changed since the newest write.
    snapshot_changed: bool,
    /// A leader's snapshot took the place of the log since the newest write.
    log_replaced: bool,
}

impl Raft {
    /// The server as its disk remembers it: a follower that waits for a leader (§5.2).
    pub fn restore(
        config: Config,
        hard_state: HardState,
        snapshot: Option<SnapshotMeta>,
        entries: Vec<Entry>,
        now: Instant,
    ) -> Self {
        let base = snapshot.as_ref().map(|meta| meta.last).unwrap_or_default();
        let founding = match &snapshot {
            Some(meta) => meta.configuration.clone(),
            None => Configuration::founding(&config.members),
        };
        let mut raft = Self {
            rng: Pcg32::seed_from_u64(config.seed ^ config.id.0.rotate_left(32)),
            now,
            hard_state,
            commit: base.index,
            configurations: vec![(base.index, founding)],
            log: Log::restore(base, entries),
            snapshot,
            role: Role::Follower(Follower::waiting(now, now)),
            outbox: Outbox::default(),
            disk: DiskProgress::default(),
            incoming: None,
            received: None,
            output: Output::default(),
            config,
        };
        raft.adopt_configurations(base.index.next());
        let election_due = raft.random_election_due();
        raft.role = Role::Follower(Follower::waiting(now, election_due));
        raft
    }

    /// Takes in a message from another server (Figure 2, "Rules for Servers").
    pub fn step(&mut self, now: Instant, from: NodeId, message: Message) {
        let before = self.begin(now);
        let term = message.term;
        if from == self.id() {
            // Nobody else speaks in our name: a misdelivered message.
        } else if let Body::RequestVote { campaign, pre_vote, last } = message.body {
            // A candidate may be turned away without regard to its term (thesis §4.2.3).
            self.on_request_vote(from, campaign, pre_vote, last);
        } else {
            if term > self.term() {
                // §5.1: whoever hears of a later term follows in it.
                self.become_follower(term, None, WhyFollower::LaterTerm { from });
            }
            if term == self.term() {
                self.on_current(from, message.body);
            } else {
                self.on_stale(from, message.body);
            }
        }
        before.check(self);
    }

    /// A message of this server's own term.
    fn on_current(&mut self, from: NodeId, body: Body) {
        match body {
            Body::RequestVote { .. } => unreachable!("handled before the term is looked at"),
            Body::RequestVoteReply { campaign, pre_vote, refused } => {
                self.on_vote_reply(from, campaign, pre_vote, refused.is_none());
            }
            Body::AppendEntries { epoch, round, prev, commit, entries } => {
                self.on_append_entries(from, epoch, round, prev, commit, entries);
            }
            Body::AppendEntriesReply { epoch, round, result } => {
                self.on_append_reply(from, epoch, round, result);
            }
            Body::InstallSnapshot { epoch, round, meta, offset, data, done } => {
                self.on_install_snapshot(from, epoch, round, meta, offset, &data, done);
            }
            Body::InstallSnapshotReply { epoch, round, last, next_offset } => {
                self.on_snapshot_reply(from, epoch, round, last, next_offset);
            }
        }
    }

    /// A message of an earlier term: its sender learns of the later one by the answer (§5.1).
    fn on_stale(&mut self, from: NodeId, body: Body) {
        match body {
            Body::AppendEntries { epoch, round, .. }
            | Body::InstallSnapshot { epoch, round, .. } => {
                let result = message::AppendResult::StaleTerm;
                self.send(from, Body::AppendEntriesReply { epoch, round, result });
            }
            // Someone who would vote for us is allowed to be in an earlier term.
            Body::RequestVoteReply { campaign, pre_vote: true, refused: None } => {
                self.on_vote_reply(from, campaign, true, true);
            }
            Body::RequestVote { .. }
            | Body::RequestVoteReply { .. }
            | Body::AppendEntriesReply { .. }
            | Body::InstallSnapshotReply { .. } => {}
        }
    }

    /// Every write up to `seq` is durable: what waited for it can happen.
    pub fn persisted(&mut self, now: Instant, seq: WriteSeq) {
        let before = self.begin(now);
        let seq = seq.min(self.disk.given);
        while self.disk.under_way.pop_front_if(|(write, _)| *write <= seq).is_some() {}
        self.log.persisted(seq);
        self.outbox.persisted(seq);
        self.tally_votes();
        // A leader's own disk is one more follower (thesis §10.2.1).
        self.advance_commit();
        before.check(self);
    }

    /// Time has passed.
    pub fn wake(&mut self, now: Instant) {
        let before = self.begin(now);
        match &self.role {
            Role::Follower(Follower { election_due, .. })
            | Role::Candidate(Candidate { election_due, .. }) => {
                if now >= *election_due {
                    self.on_election_timeout();
                }
            }
            Role::Leader(_) => self.on_leader_wake(),
        }
        before.check(self);
    }

    /// When [`Raft::wake`] has something to do.
    pub fn deadline(&self) -> Instant {
        match &self.role {
            Role::Follower(follower) => follower.election_due,
            Role::Candidate(candidate) => candidate.election_due,
            Role::Leader(leader) => leader.heartbeat_due,
        }
    }

    /// Takes all that follows from the steps since the last call.
    pub fn output(&mut self) -> Output {
        self.send_entries();
        self.send_acknowledgement();
        self.output.write = self.next_write();
        self.output.send = self.outbox.take();
        std::mem::take(&mut self.output)
    }

    /// Takes the messages that may go, after [`Raft::output`] and [`Raft::send_chunk`].
    pub fn take_messages(&mut self) -> Vec<(NodeId, Message)> {
        self.outbox.take()
    }

    fn next_write(&mut self) -> Option<WriteOut> {
        let disk = &mut self.disk;
        let changed = disk.hard_state_changed || disk.snapshot_changed || self.log.has_unwritten();
        if !changed || disk.under_way.len() >= self.config.limits.writes_max {
            return None;
        }
        disk.given = disk.given.next();
        disk.under_way.push_back((disk.given, self.now));
        let (first, entries) = self.log.hand_out(disk.given);
        Some(WriteOut {
            seq: disk.given,
            hard_state: std::mem::take(&mut disk.hard_state_changed).then_some(self.hard_state),
            snapshot: std::mem::take(&mut disk.snapshot_changed),
            replaces_log: std::mem::take(&mut disk.log_replaced),
            first,
            entries,
        })
    }

    /// §5.1: enters a term, or gives a role up within it.
    fn become_follower(&mut self, term: Term, leader: Option<NodeId>, why: WhyFollower) {
        let was_follower = matches!(self.role, Role::Follower(_));
        if term > self.term() {
            self.set_hard_state(HardState { term, vote: None });
        }
        // A follower's clock runs on: a later term alone is no sign of a leader.
        let election_due = match &self.role {
            Role::Follower(follower) => follower.election_due,
            Role::Candidate(_) | Role::Leader(_) => self.random_election_due(),
        };
        self.role =
            Role::Follower(Follower { leader, ..Follower::waiting(self.now, election_due) });
        self.incoming = None;
        if !was_follower {
            self.output.events.push(Event::BecameFollower { term, why });
        }
    }

    fn set_hard_state(&mut self, hard_state: HardState) {
        self.hard_state = hard_state;
        self.disk.hard_state_changed = true;
        self.outbox.hold_until(self.disk.given.next());
    }

    fn send(&mut self, to: NodeId, body: Body) {
        self.outbox.send(to, Message { term: self.hard_state.term, body });
    }

    fn begin(&mut self, now: Instant) -> Facts {
        self.now = self.now.max(now);
        Facts::of(self)
    }

    /// Whether the disk has finished nothing for an election timeout: such a node must not lead.
    fn disk_is_stalled(&self) -> bool {
        let oldest = self.disk.under_way.front();
        oldest
            .is_some_and(|(_, given)| self.now - *given >= self.config.timing.election_timeout_max)
    }

    fn random_election_due(&mut self) -> Instant {
        let timing = &self.config.timing;
        let spread = timing.election_timeout_max.saturating_sub(timing.election_timeout_min);
        let spread_us = u64::try_from(spread.as_micros()).unwrap_or(u64::MAX).max(1);
        let extra = Duration::from_micros(self.rng.next_u64() % spread_us);
        self.now + self.config.timing.election_timeout_min + extra
    }
}

impl Follower {
    fn waiting(now: Instant, election_due: Instant) -> Self {
        Self {
            leader: None,
            election_due,
            heard_at: now,
            acknowledgement: replication::Acknowledgement::default(),
            catching_up_to: None,
        }
    }
}

/// What others may see of a server.
impl Raft {
    /// This server.
    pub fn id(&self) -> NodeId {
        self.config.id
    }

    /// Its term.
    pub fn term(&self) -> Term {
        self.hard_state.term
    }

    /// Who got its vote in its term.
    pub fn vote(&self) -> Option<NodeId> {
        self.hard_state.vote
    }

    /// What it does.
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// What it does, in a word.
    pub fn role_name(&self) -> RoleName {
        match &self.role {
            Role::Follower(_) => RoleName::Follower,
            Role::Candidate(candidate) if candidate.pre_vote => RoleName::PreCandidate,
            Role::Candidate(_) => RoleName::Candidate,
            Role::Leader(_) => RoleName::Leader,
        }
    }

    /// Who leads its term, as far as it knows.
    pub fn leader(&self) -> Option<NodeId> {
        match &self.role {
            Role::Follower(follower) => follower.leader,
            Role::Candidate(_) => None,
            Role::Leader(_) => Some(self.id()),
        }
    }

    /// When it stands for election, unless it leads.
    pub fn election_due(&self) -> Option<Instant> {
        match &self.role {
            Role::Follower(follower) => Some(follower.election_due),
            Role::Candidate(candidate) => Some(candidate.election_due),
            Role::Leader(_) => None,
        }
    }

    /// Its log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Entries up to here are committed (§5.3).
    pub fn commit_index(&self) -> Index {
        self.commit
    }

    /// The configuration it acts by: the latest in its log (§6).
    pub fn configuration(&self) -> &Configuration {
        &self.configurations.last().expect("the founding one stays").1
    }

    /// The last entry in its newest snapshot.
    pub fn snapshot_last(&self) -> EntryId {
        self.snapshot.as_ref().map(|meta| meta.last).unwrap_or_default()
    }
}
