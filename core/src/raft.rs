//! Consensus (the paper's §5 to §8). Carries opaque bytes, and knows nothing of what they mean.
//!
//! [`Raft`] takes messages, proposals, reads, finished writes and the passing of time, and collects what
//! follows from them until [`Raft::output`]. One rule runs through all of it: **a message leaves only
//! once the term it speaks in, and the vote cast in it, are durable** ([`outbox`]), and an
//! acknowledgement covers only what is durable ([`log`]).
//!
//! Where to look: who may lead is in [`election`] and [`transfer`], how entries travel and commit in
//! [`replication`], reads in [`reads`], the short cut for those far behind in [`snapshot`], who belongs
//! to the cluster in [`membership`], [`change`] and [`lives`].

pub mod change;
pub mod disk;
pub mod election;
pub mod event;
mod invariants;
pub mod lives;
pub mod log;
pub mod membership;
pub mod message;
pub mod outbox;
pub mod progress;
pub mod quorum;
pub mod reads;
pub mod replication;
pub mod snapshot;
pub mod transfer;

use crate::config::Config;
use crate::id::{EntryId, Incarnation, Index, NodeId, Term};
use crate::raft::disk::{Disk, WriteOut};
use crate::raft::election::Ballot;
use crate::raft::event::{Event, RoleName, WhyFollower};
use crate::raft::invariants::Facts;
use crate::raft::lives::Lives;
use crate::raft::log::Log;
use crate::raft::membership::Configuration;
use crate::raft::message::{Body, Entry, Message, SnapshotMeta, VoteRefusal};
use crate::raft::outbox::Outbox;
use crate::raft::reads::ConfirmedRead;
use crate::raft::replication::Leader;
use crate::raft::snapshot::{Chunk, ChunkWanted, Incoming};
use crate::seeded::{Bug, makes};
use crate::time::Instant;
use crate::vec_map::VecMap;
use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg32;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// How far a message may be ahead of this server in terms and entries: more than any cluster gets through
/// in a lifetime. Beyond it a sender is out of its mind, and one such message must not use up all terms.
const LEAP_MAX: u64 = 1 << 40;

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
    disk: Disk,
    lives: Lives,
    /// When a leader was last heard from, in whatever term; at first, when the server started.
    leader_heard_at: Instant,
    /// The number of the next ReadIndex.
    next_read_index: u64,
    /// How much of a leader's snapshot has arrived.
    incoming: Option<Incoming>,
    /// The chunk of it that has just arrived.
    received: Option<Chunk>,
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
    /// Reads that wait for the leader's word.
    reads: reads::Asking,
}

/// A candidate's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The term it stands for: its own, or the next while it only asks (thesis §9.6).
    pub campaign: Term,
    /// Whether it only asks.
    pub pre_vote: bool,
    /// Whether the leader told it to stand (thesis §3.10).
    pub transfer: bool,
    /// The answers: `true` is a vote.
    pub votes: VecMap<NodeId, bool>,
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
    /// Entries that the log holds no more since a snapshot includes them.
    pub forgotten: Vec<VecDeque<Entry>>,
    /// What happened.
    pub events: Vec<Event>,
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
            hard_state: match makes(Bug::ForgetsVote) {
                true => HardState { vote: None, ..hard_state },
                false => hard_state,
            },
            commit: base.index,
            configurations: vec![(base.index, founding)],
            log: Log::restore(base, entries),
            snapshot,
            role: Role::Follower(Follower::waiting(now, now)),
            outbox: Outbox::default(),
            disk: Disk::default(),
            lives: Lives::default(),
            leader_heard_at: now,
            next_read_index: 0,
            incoming: None,
            received: None,
            output: Output::default(),
            config,
        };
        raft.adopt_configurations(base.index.next());
        raft.output.events.clear();
        raft.look_whether_admitted();
        // Random, so that an answer to the process before this one answers no question of ours.
        raft.next_read_index = raft.rng.next_u64() >> 1;
        let election_due = raft.random_election_due();
        raft.role = Role::Follower(Follower::waiting(now, election_due));
        raft
    }

    /// Takes in a message from another server (Figure 2, "Rules for Servers"), which speaks as `life`.
    pub fn step(&mut self, now: Instant, from: NodeId, life: Incarnation, message: Message) {
        let before = self.begin(now);
        let term = message.term;
        if from == self.id() || self.is_absurd(&message) {
            // Nobody else speaks in our name: a misdelivered message, or another life of ours.
            return;
        }
        let is_stranger = self.meet(from, life, term);
        if let Body::RequestVote { campaign, pre_vote, transfer, last } = message.body {
            // A candidate may be turned away without regard to its term (thesis §4.2.3).
            let ballot = Ballot { life, campaign, pre_vote, transfer, last };
            self.on_request_vote(from, is_stranger, ballot);
        } else {
            let is_refused_pre_vote = matches!(
                message.body,
                Body::RequestVoteReply { pre_vote: true, refused: Some(_), .. }
            );
            let unteachable = is_refused_pre_vote && makes(Bug::PreVoteTeachesNothing);
            if term > self.term() && !unteachable {
                // §5.1: whoever hears of a later term follows in it.
                self.become_follower(term, WhyFollower::LaterTerm { from });
            }
            match message.body {
                Body::RequestVoteReply { life, .. } if life != self.config.incarnation => {}
                Body::RequestVoteReply {
                    refused: Some(VoteRefusal::NotAdmitted { configuration }),
                    ..
                } if !is_stranger => self.turn_away(from, configuration),
                // What a forgetful life says of its log and its vote counts for nothing.
                Body::RequestVoteReply { .. }
                | Body::AppendEntriesReply { .. }
                | Body::InstallSnapshotReply { .. }
                    if is_stranger => {}
                body if term == self.term() => self.on_current(from, life, body),
                body => self.on_stale(from, body),
            }
        }
        before.check(self);
    }

    fn is_absurd(&self, message: &Message) -> bool {
        let (term, last) = (self.term().0, self.log.last().index.0);
        let (of_term, of_index) = match &message.body {
            Body::RequestVote { campaign, .. } => (campaign.0, 0),
            Body::InstallSnapshot { meta, .. } => (meta.last.term.0, meta.last.index.0),
            _ => (0, 0),
        };
        let leaps = |to: u64, from: u64| to.saturating_sub(from) > LEAP_MAX;
        leaps(message.term.0, term) || leaps(of_term, term) || leaps(of_index, last)
    }

    /// A message of this server's own term.
    fn on_current(&mut self, from: NodeId, life: Incarnation, body: Body) {
        match body {
            Body::RequestVote { .. } => unreachable!("handled before the term is looked at"),
            Body::RequestVoteReply { campaign, pre_vote, refused, .. } => {
                self.on_vote_reply(from, campaign, pre_vote, refused);
            }
            Body::AppendEntries { epoch, round, prev, commit, entries } => {
                self.on_append_entries(from, epoch, round, prev, commit, entries);
            }
            Body::AppendEntriesReply { epoch, round, result } => {
                self.on_append_reply(from, life, epoch, round, result);
            }
            Body::InstallSnapshot { epoch, round, meta, offset, data, done } => {
                self.on_install_snapshot(from, epoch, round, meta, offset, data, done);
            }
            Body::InstallSnapshotReply { epoch, round, last, next_offset } => {
                self.on_snapshot_reply(from, life, epoch, round, last, next_offset);
            }
            Body::TimeoutNow => self.on_timeout_now(from),
            Body::ReadIndex { number } => self.on_read_index(from, number),
            Body::ReadIndexReply { number, index } => self.on_read_index_reply(number, index),
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
            Body::RequestVoteReply { campaign, pre_vote: true, refused: None, .. } => {
                self.on_vote_reply(from, campaign, true, None);
            }
            Body::RequestVote { .. }
            | Body::RequestVoteReply { .. }
            | Body::AppendEntriesReply { .. }
            | Body::InstallSnapshotReply { .. }
            | Body::TimeoutNow
            | Body::ReadIndex { .. }
            | Body::ReadIndexReply { .. } => {}
        }
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
        self.send_read_index();
        self.output.write = self.next_write();
        self.output.send = self.outbox.take();
        std::mem::take(&mut self.output)
    }

    /// Takes the messages that may go, after [`Raft::output`] and [`Raft::send_chunk`].
    pub fn take_messages(&mut self) -> Vec<(NodeId, Message)> {
        self.outbox.take()
    }

    /// §5.1: enters a term, or gives a role up within it.
    fn become_follower(&mut self, term: Term, why: WhyFollower) {
        let was_follower = matches!(self.role, Role::Follower(_));
        if term > self.term() {
            self.set_hard_state(HardState { term, vote: None });
        }
        // A follower's clock runs on: a later term alone is no sign of a leader.
        let election_due = match &self.role {
            Role::Follower(follower) => follower.election_due,
            Role::Candidate(_) | Role::Leader(_) => self.random_election_due(),
        };
        self.role = Role::Follower(Follower::waiting(self.now, election_due));
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

    fn random_election_due(&mut self) -> Instant {
        let timing = &self.config.timing;
        // One that could take no writes stands later than others.
        let last = if self.disk.is_full { timing.election_timeout_max } else { Duration::ZERO };
        let spread = timing.election_timeout_max.saturating_sub(timing.election_timeout_min);
        let spread_us = u64::try_from(spread.as_micros()).unwrap_or(u64::MAX).max(1);
        let extra = Duration::from_micros(self.rng.next_u64() % spread_us);
        self.now + self.config.timing.election_timeout_min + last + extra
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
            reads: reads::Asking::default(),
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

    /// Its newest snapshot.
    pub fn snapshot(&self) -> Option<&SnapshotMeta> {
        self.snapshot.as_ref()
    }

    /// The last entry in its newest snapshot.
    pub fn snapshot_last(&self) -> EntryId {
        self.snapshot.as_ref().map(|meta| meta.last).unwrap_or_default()
    }
}
