//! Requests that wait for their answer.

use crate::error::Error;
use crate::id::{EntryId, Index, NodeId, Term, Ticket};
use crate::kv::command::{Read, Session, Written};
use crate::raft::reads::{ConfirmedRead, ReadToken};
use crate::request::Response;
use crate::time::Instant;
use std::collections::{BTreeMap, VecDeque};

/// Where an answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// To a client of this node.
    Client(Ticket),
    /// To a node that passed a client's request on.
    Peer { node: NodeId, ticket: Ticket },
}

/// A request that was passed on to the leader.
#[derive(Clone, Copy, Debug)]
pub(super) struct PassedOn {
    pub(super) ticket: Ticket,
    /// To whom, and in which term.
    pub(super) leader: (NodeId, Term),
    pub(super) is_write: bool,
    /// This node's own session that it goes in, if the client has none.
    pub(super) lent: Option<Session>,
    pub(super) due: Instant,
}

/// A write that is applied, and whose copies are being counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counting {
    pub(super) origin: Origin,
    pub(super) index: Index,
    pub(super) written: Written,
    pub(super) due: Instant,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    /// Writes in the log of this leader's term, by their place.
    writes: BTreeMap<EntryId, (Origin, bool)>,
    /// Reads that wait for a round, by their token.
    reads: BTreeMap<ReadToken, (Origin, Read)>,
    next_read: ReadToken,
    /// Reads that wait for the state to be applied so far.
    confirmed: VecDeque<ConfirmedRead>,
    counting: Vec<Counting>,
    /// By this node's own ticket; older ones first, and so due first.
    passed_on: BTreeMap<Ticket, PassedOn>,
    next_passed_on: Ticket,
    /// This node's own sessions with no write under way.
    sessions: Vec<Session>,
}

impl Waiting {
    /// Nothing waits. Tickets for what is passed on begin at a random place, so that a late answer to
    /// the process before this one is not taken for an answer to a new request.
    pub(super) fn new(next_passed_on: Ticket) -> Self {
        Self { next_passed_on, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.writes.len() + self.reads.len() + self.counting.len() + self.passed_on.len()
    }

    /// When the next of them must be looked at.
    pub(super) fn deadline(&self) -> Instant {
        let counting = self.counting.iter().map(|counting| counting.due).min();
        let passed_on = self.passed_on.values().next().map(|passed_on| passed_on.due);
        counting.unwrap_or(Instant::MAX).min(passed_on.unwrap_or(Instant::MAX))
    }

    pub(super) fn write(&mut self, id: EntryId, origin: Origin, count_copies: bool) {
        self.writes.insert(id, (origin, count_copies));
    }

    pub(super) fn take_write(&mut self, id: EntryId) -> Option<(Origin, bool)> {
        self.writes.remove(&id)
    }

    pub(super) fn take_writes(&mut self) -> Vec<Origin> {
        std::mem::take(&mut self.writes).into_values().map(|(origin, _)| origin).collect()
    }

    pub(super) fn read(&mut self, origin: Origin, read: Read) -> ReadToken {
        self.next_read += 1;
        self.reads.insert(self.next_read, (origin, read));
        self.next_read
    }

    pub(super) fn confirm(&mut self, reads: Vec<ConfirmedRead>) {
        self.confirmed.extend(reads);
    }

    /// Confirmed reads that the state, applied up to `applied`, can answer.
    pub(super) fn take_confirmed(&mut self, applied: Index) -> Vec<(Origin, Read)> {
        let mut ready = Vec::new();
        while let Some(read) = self.confirmed.pop_front_if(|read| read.index <= applied) {
            ready.extend(self.reads.remove(&read.token));
        }
        ready
    }

    pub(super) fn take_reads(&mut self) -> Vec<Origin> {
        self.confirmed.clear();
        std::mem::take(&mut self.reads).into_values().map(|(origin, _)| origin).collect()
    }

    pub(super) fn count(&mut self, counting: Counting) {
        self.counting.push(counting);
    }

    pub(super) fn take_counting(&mut self) -> Vec<Counting> {
        std::mem::take(&mut self.counting)
    }

    pub(super) fn pass_on(&mut self, passed_on: PassedOn) -> Ticket {
        self.next_passed_on = self.next_passed_on.next();
        self.passed_on.insert(self.next_passed_on, passed_on);
        self.next_passed_on
    }

    /// One of this node's own sessions, for one write.
    pub(super) fn lend_session(&mut self) -> Option<Session> {
        self.sessions.pop()
    }

    /// The leader's response to what was passed on, as an answer to the client. If the network doubled a
    /// write, one copy may have been taken in and the other refused: a refusal then proves nothing.
    pub(super) fn take_answered(
        &mut self,
        ticket: Ticket,
        response: Response,
    ) -> Option<(Ticket, Response)> {
        let PassedOn { ticket, is_write, lent, .. } = self.passed_on.remove(&ticket)?;
        let unknown = matches!(&response, Err(error) if is_write && error.is_retriable())
            || (lent.is_some() && response == Err(Error::SessionExpired));
        if unknown {
            return Some((ticket, Err(Error::OutcomeUnknown)));
        }
        // The write is done with, so the session is free for the next.
        let next = |session: Session| Session { sequence: session.sequence.next(), ..session };
        self.sessions.extend(lent.map(next));
        Some((ticket, response))
    }

    /// Requests passed on to a node that leads no more, or too long ago.
    pub(super) fn take_lost(
        &mut self,
        leader: Option<(NodeId, Term)>,
        now: Instant,
    ) -> Vec<PassedOn> {
        let oldest = self.passed_on.values().next();
        if oldest.is_none_or(|oldest| oldest.due > now && Some(oldest.leader) == leader) {
            return Vec::new();
        }
        let lost = |passed_on: &PassedOn| passed_on.due <= now || Some(passed_on.leader) != leader;
        self.passed_on
            .extract_if(.., |_, passed_on| lost(passed_on))
            .map(|(_, lost)| lost)
            .collect()
    }
}
