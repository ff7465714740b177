//! Linearizable reads without an entry of their own (ReadIndex, thesis §6.4), and the rounds that they
//! share with CheckQuorum (thesis §6.2).
//!
//! A leader numbers its broadcasts. Followers echo the number, so an echo of round `r` shows that the
//! follower still followed when, or after, `r` began. A read that waits for a quorum of echoes of a
//! round begun after it was asked knows that no later leader had been elected by then, so that the commit
//! index of that moment covers every write acknowledged before. The numbers are the leader's own and are
//! never used twice.

use crate::error::Error;
use crate::id::{Index, NodeId, Round};
use crate::raft::membership::Configuration;
use crate::raft::progress::Progress;
use crate::raft::{Raft, Role};
use crate::time::Instant;
use std::collections::{BTreeMap, VecDeque};

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
    waiting: VecDeque<(Round, ConfirmedRead)>,
    /// Reads that came since the newest round began.
    new: Vec<ConfirmedRead>,
}

impl Raft {
    /// Takes a read in. It comes back as a [`ConfirmedRead`], unless this server stops leading first:
    /// then it never does.
    pub fn read(&mut self, now: Instant, token: ReadToken) -> Result<(), Error> {
        let before = self.begin(now);
        let hint = self.leader();
        let Role::Leader(leader) = &mut self.role else { return Err(Error::NotLeader { hint }) };
        // Until an entry of its own term is committed, a leader does not know what is (§8).
        let index = self.commit.max(leader.first);
        leader.reads.new.push(ConfirmedRead { token, index });
        before.check(self);
        Ok(())
    }

    pub(super) fn confirm_reads(&mut self) {
        if let Role::Leader(leader) = &mut self.role
            && self.commit >= leader.first
        {
            let reads = &mut leader.reads;
            let quorum_round = reads.quorum_round;
            while let Some((_, read)) =
                reads.waiting.pop_front_if(|(round, _)| *round <= quorum_round)
            {
                self.output.reads.push(read);
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
        followers: &BTreeMap<NodeId, Progress>,
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
