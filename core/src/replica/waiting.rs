//! Requests that wait for their answer.

use crate::error::Error;
use crate::id::{EntryId, Index, NodeId, Term, Ticket};
use crate::kv::command::{Read, Session, Written};
use crate::raft::change::Outlook;
use crate::raft::reads::{ConfirmedRead, ReadToken};
use crate::request::Response;
use crate::time::Instant;
use std::collections::VecDeque;

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

/// A transfer of leadership that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handover {
    pub(super) origin: Origin,
    pub(super) to: NodeId,
    /// When to say that nobody knows who leads.
    pub(super) due: Instant,
}

/// What waits by rising names, and is mostly taken in their order: then neither takes long, however many wait.
#[derive(Clone, Debug)]
struct Queue<K, V>(VecDeque<(K, V)>);

#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    /// Writes in the log of this leader's term, by their place.
    writes: Queue<EntryId, (Origin, bool)>,
    /// Changes of the members in the log of this leader's term, by their place.
    changes: Queue<EntryId, (Origin, Outlook)>,
    transfers: Vec<Handover>,
    /// Reads that wait for the leader's word, by their token, with who led when they were asked.
    reads: Queue<ReadToken, (Origin, Read, (NodeId, Term))>,
    next_read: ReadToken,
    /// Reads that wait for the state to be applied so far.
    confirmed: VecDeque<ConfirmedRead>,
    counting: Vec<Counting>,
    /// By this node's own ticket; older ones first, and so due first.
    passed_on: Queue<Ticket, PassedOn>,
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
        let proposed = self.writes.len() + self.changes.len() + self.transfers.len();
        proposed + self.reads.len() + self.counting.len() + self.passed_on.len()
    }

    /// When the next of them must be looked at.
    pub(super) fn deadline(&self) -> Instant {
        let counting = self.counting.iter().map(|counting| counting.due).min();
        let passed_on = self.passed_on.0.front().map(|(_, passed_on)| passed_on.due);
        let transfers = self.transfers.iter().map(|handover| handover.due).min();
        let passed_on = passed_on.into_iter().chain(transfers).min();
        counting.unwrap_or(Instant::MAX).min(passed_on.unwrap_or(Instant::MAX))
    }

    pub(super) fn write(&mut self, id: EntryId, origin: Origin, count_copies: bool) {
        self.writes.push(id, (origin, count_copies));
    }

    pub(super) fn take_write(&mut self, id: EntryId) -> Option<(Origin, bool)> {
        self.writes.take(id)
    }

    pub(super) fn change(&mut self, id: EntryId, origin: Origin, outlook: Outlook) {
        self.changes.push(id, (origin, outlook));
    }

    pub(super) fn take_change(&mut self, id: EntryId) -> Option<(Origin, Outlook)> {
        self.changes.take(id)
    }

    /// Writes and changes whose fate a leader that was can no longer tell.
    pub(super) fn take_proposed(&mut self) -> Vec<Origin> {
        let writes = self.writes.0.drain(..).map(|(_, (origin, _))| origin);
        let changes = self.changes.0.drain(..).map(|(_, (origin, _))| origin);
        writes.chain(changes).collect()
    }

    pub(super) fn transfer(&mut self, handover: Handover) {
        self.transfers.push(handover);
    }

    pub(super) fn take_transfers(&mut self) -> Vec<Handover> {
        std::mem::take(&mut self.transfers)
    }

    pub(super) fn read(&mut self, origin: Origin, read: Read, leader: (NodeId, Term)) -> ReadToken {
        self.next_read += 1;
        self.reads.push(self.next_read, (origin, read, leader));
        self.next_read
    }

    pub(super) fn confirm(&mut self, reads: Vec<ConfirmedRead>) {
        self.confirmed.extend(reads);
    }

    /// Confirmed reads that the state, applied up to `applied`, can answer.
    pub(super) fn take_confirmed(&mut self, applied: Index) -> Vec<(Origin, Read)> {
        let mut ready = Vec::new();
        while let Some(read) = self.confirmed.pop_front_if(|read| read.index <= applied) {
            let read = self.reads.take(read.token);
            ready.extend(read.map(|(origin, read, _)| (origin, read)));
        }
        ready
    }

    /// Reads that were asked under another leader, or none: nobody will confirm them. Older ones come
    /// first, so if the first is of today all are.
    pub(super) fn take_lost_reads(&mut self, leader: Option<(NodeId, Term)>) -> Vec<Origin> {
        let mut lost = Vec::new();
        let is_lost =
            |(_, read): &mut (ReadToken, (Origin, Read, (NodeId, Term)))| Some(read.2) != leader;
        while let Some((_, (origin, ..))) = self.reads.0.pop_front_if(is_lost) {
            lost.push(origin);
        }
        lost
    }

    pub(super) fn count(&mut self, counting: Counting) {
        self.counting.push(counting);
    }

    pub(super) fn take_counting(&mut self) -> Vec<Counting> {
        std::mem::take(&mut self.counting)
    }

    pub(super) fn pass_on(&mut self, passed_on: PassedOn) -> Ticket {
        self.next_passed_on = self.next_passed_on.next();
        self.passed_on.push(self.next_passed_on, passed_on);
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
        let PassedOn { ticket, lent, .. } = self.passed_on.take(ticket)?;
        let nothing_done = |error: &Error| error.is_retriable() || *error == Error::DiskFull;
        let unknown = matches!(&response, Err(error) if nothing_done(error))
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
        let oldest = self.passed_on.0.front();
        if oldest.is_none_or(|(_, oldest)| oldest.due > now && Some(oldest.leader) == leader) {
            return Vec::new();
        }
        let lost = |passed_on: &PassedOn| passed_on.due <= now || Some(passed_on.leader) != leader;
        let all = self.passed_on.0.iter().map(|(_, passed_on)| *passed_on);
        let taken = all.filter(|passed_on| lost(passed_on)).collect();
        self.passed_on.0.retain(|(_, passed_on)| !lost(passed_on));
        taken
    }
}

impl<K: Ord, V> Queue<K, V> {
    fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds what has a higher name than all before it.
    fn push(&mut self, name: K, value: V) {
        assert!(self.0.back().is_none_or(|(last, _)| *last < name), "names rise");
        self.0.push_back((name, value));
    }

    fn take(&mut self, name: K) -> Option<V> {
        let place = self.0.binary_search_by(|(own, _)| own.cmp(&name)).ok()?;
        self.0.remove(place).map(|(_, value)| value)
    }
}

impl<K, V> Default for Queue<K, V> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}
