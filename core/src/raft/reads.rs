//! Linearizable reads without an entry of their own (ReadIndex, thesis §6.4), and the rounds that they
//! share with CheckQuorum (thesis §6.2).
//!
//! A leader numbers its broadcasts. Followers echo the number, so an echo of round `r` shows that the
//! follower still followed when, or after, `r` began. A read that waits for a quorum of echoes of a
//! round begun after it was asked knows that no later leader had been elected by then, so that the commit
//! index of that moment covers every write acknowledged before. The numbers are the leader's own and are
//! never used twice. A follower answers reads, too: it asks the leader how far to apply the log. Leases,
//! if they are asked for, save the round and trust clocks instead (thesis §6.4.1).

use crate::error::Error;
use crate::id::{Index, NodeId, Round};
use crate::raft::membership::Configuration;
use crate::raft::message::Body;
use crate::raft::progress::Progress;
use crate::raft::{Follower, Raft, Role};
use crate::seeded::{Bug, makes};
use crate::time::Instant;
use crate::vec_map::VecMap;
use std::collections::VecDeque;

/// The caller's name for a read.
pub type ReadToken = u64;

/// A read that may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfirmedRead {
    /// Which read.
    pub token: ReadToken,
    /// The state must be applied so far.
    pub index: Index,
}

/// A leader's rounds, and the reads that wait for them.
#[derive(Clone, Debug)]
pub(super) struct Reads {
    round: Round,
    /// A round has begun and was not sent yet.
    unsent: bool,
    /// When each round began that no quorum has answered yet.
    begun: VecDeque<(Round, Instant)>,
    quorum_round: Round,
    quorum_at: Instant,
    /// Reads with the round they wait for, oldest first.
    waiting: VecDeque<(Round, Pending)>,
    /// Reads that came since the newest round began.
    new: Vec<Pending>,
}

/// A read, and how far the log must be applied for it.
#[derive(Clone, Copy, Debug)]
struct Pending {
    reader: Reader,
    index: Index,
}

/// Who waits for a read.
#[derive(Clone, Copy, Debug)]
enum Reader {
    /// A caller of this server.
    Own(ReadToken),
    /// A follower, for all reads behind its question of that number.
    Follower(NodeId, u64),
}

/// A follower's reads. One question is under way at a time; it covers all reads that came before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asking {
    new: Vec<ReadToken>,
    asked: Option<Asked>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    number: u64,
    at: Instant,
    tokens: Vec<ReadToken>,
}

impl Raft {
    /// Takes a read in. It comes back as a [`ConfirmedRead`], unless this server stops leading, or
    /// following its leader, first: then it never does.
    pub fn read(&mut self, now: Instant, token: ReadToken) -> Result<(), Error> {
        let before = self.begin(now);
        match &mut self.role {
            Role::Leader(_) => self.take_read(Reader::Own(token)),
            Role::Follower(follower) if follower.leader.is_some() => follower.reads.new.push(token),
            Role::Follower(_) | Role::Candidate(_) => return Err(Error::NotLeader { hint: None }),
        }
        before.check(self);
        Ok(())
    }

    fn take_read(&mut self, reader: Reader) {
        if let Role::Leader(leader) = &mut self.role {
            // Until an entry of its own term is committed, a leader does not know what is (§8).
            let forgets = makes(Bug::ReadsBeforeOwnCommit) || makes(Bug::NoNoop);
            let index = if forgets { self.commit } else { self.commit.max(leader.first) };
            leader.reads.new.push(Pending { reader, index });
        }
    }

    /// A follower's reads: asks the leader how far to apply, or asks again if no answer came.
    pub(super) fn send_read_index(&mut self) {
        let patience = self.config.timing.heartbeat_interval * 2;
        let Role::Follower(Follower { leader: Some(leader), reads, .. }) = &mut self.role else {
            return;
        };
        let leader = *leader;
        let number = match &mut reads.asked {
            // The same number again: an answer to either is an answer to both.
            Some(asked) if self.now - asked.at >= patience => {
                asked.at = self.now;
                asked.number
            }
            None if !reads.new.is_empty() => {
                let number = self.next_read_index;
                self.next_read_index = number.wrapping_add(1);
                let tokens = std::mem::take(&mut reads.new);
                reads.asked = Some(Asked { number, at: self.now, tokens });
                number
            }
            _ => return,
        };
        self.send(leader, Body::ReadIndex { number });
    }

    /// ReadIndex, the leader's side.
    pub(super) fn on_read_index(&mut self, from: NodeId, number: u64) {
        self.take_read(Reader::Follower(from, number));
    }

    /// The leader has shown that it led after the question was asked.
    pub(super) fn on_read_index_reply(&mut self, number: u64, index: Index) {
        let Role::Follower(follower) = &mut self.role else { return };
        if let Some(asked) = follower.reads.asked.take_if(|asked| asked.number == number) {
            let confirmed = asked.tokens.into_iter().map(|token| ConfirmedRead { token, index });
            self.output.reads.extend(confirmed);
            // The leader says that it is committed, and so is what is known to equal its log.
            let verified = follower.acknowledgement.verified.min(self.log.last().index);
            self.commit_to(index.min(verified));
        }
    }

    /// Reads for which no round is needed: while the lease lasts, no other leader can have been elected
    /// (thesis §6.4.1).
    pub(super) fn read_by_lease(&mut self) {
        if !self.lease_holds() {
            return;
        }
        let Role::Leader(leader) = &mut self.role else { return };
        for read in std::mem::take(&mut leader.reads.new) {
            self.confirm(read);
        }
    }

    /// Whether a quorum has promised, by answering a round, to elect nobody yet. The promise begins when
    /// the round is heard, which is not before it began; so this counts from its beginning, and by how
    /// much this clock may be slow and another fast.
    fn lease_holds(&self) -> bool {
        let timing = &self.config.timing;
        let lies = makes(Bug::ReadsLocally);
        let drift = timing.lease_drift_percent.or(lies.then_some(0));
        let (Role::Leader(leader), Some(drift)) = (&self.role, drift) else { return false };
        let drift = drift.min(100);
        let lease = timing.election_timeout_min * (100 - drift) / (100 + drift);
        let asked_today = leader.reads.quorum_round >= leader.lease_from;
        // With a transfer under way a successor may be elected at any moment.
        let is_handed_over = leader.lease_is_void || leader.transfer.is_some();
        let is_sure = !is_handed_over || makes(Bug::LeaseDuringTransfer);
        is_sure
            && self.commit >= leader.first
            && (lies || (asked_today && self.now - leader.reads.quorum_at < lease))
    }

    pub(super) fn confirm_reads(&mut self) {
        let mut confirmed = Vec::new();
        let forgets = makes(Bug::ReadsBeforeOwnCommit) || makes(Bug::NoNoop);
        if let Role::Leader(leader) = &mut self.role
            && (self.commit >= leader.first || forgets)
        {
            let reads = &mut leader.reads;
            let quorum_round = reads.quorum_round;
            while let Some((_, read)) =
                reads.waiting.pop_front_if(|(round, _)| *round <= quorum_round)
            {
                confirmed.push(read);
            }
        }
        confirmed.into_iter().for_each(|read| self.confirm(read));
    }

    fn confirm(&mut self, Pending { reader, index }: Pending) {
        match reader {
            Reader::Own(token) => self.output.reads.push(ConfirmedRead { token, index }),
            Reader::Follower(node, number) => {
                self.send(node, Body::ReadIndexReply { number, index });
            }
        }
    }
}

impl Reads {
    /// A leader's term begins.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            round: Round(0),
            unsent: false,
            begun: VecDeque::new(),
            quorum_round: Round(0),
            quorum_at: now,
            waiting: VecDeque::new(),
            new: Vec::new(),
        }
    }

    /// The newest round.
    pub(super) fn round(&self) -> Round {
        self.round
    }

    /// When the newest round began that a quorum has answered.
    pub(super) fn quorum_at(&self) -> Instant {
        self.quorum_at
    }

    pub(super) fn begin_round(&mut self, now: Instant) {
        self.round = self.round.next();
        self.begun.push_back((self.round, now));
        self.unsent = true;
        let round = self.round;
        self.waiting.extend(self.new.drain(..).map(|read| (round, read)));
    }

    /// Begins a round for the reads that came since the last, if there are any. Returns whether there
    /// is a round to send.
    pub(super) fn begin_due_round(&mut self, now: Instant) -> bool {
        if !self.new.is_empty() {
            self.begin_round(now);
        }
        std::mem::take(&mut self.unsent)
    }

    /// Looks which round a quorum has answered; the leader answers itself.
    pub(super) fn count(
        &mut self,
        configuration: &Configuration,
        id: NodeId,
        followers: &VecMap<NodeId, Progress>,
    ) {
        let answered = configuration.quorum_value(|voter| match followers.get(&voter) {
            Some(progress) => progress.round,
            None if voter == id => self.round,
            None => Round(0),
        });
        self.quorum_round = self.quorum_round.max(answered.unwrap_or_default());
        let quorum_round = self.quorum_round;
        while let Some((_, at)) = self.begun.pop_front_if(|(round, _)| *round <= quorum_round) {
            self.quorum_at = at;
        }
    }
}
