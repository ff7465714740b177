//! What a node shows to those who watch it: how it is, what happened, and which messages it sent. Never a
//! key or a value. Whoever watches is told what was left out, and costs a node that nobody watches nothing.

use crate::id::{Index, NodeId, Term};
use crate::raft::event::Event;
use crate::raft::log::Log;
use crate::raft::message::{AppendResult, Body};
use crate::replica::{Effects, Envelope, PeerBody, Replica};
use crate::request::Status;
use crate::time::Instant;
use serde::{Deserialize, Serialize};

/// Most events in one sighting. Only a node in great trouble has more in a moment.
const EVENTS_MAX: usize = 256;

/// Most messages in one sighting: more than an eye can follow.
const MESSAGES_MAX: usize = 32;

/// Of how many entries a sighting has the term: as many as a screen shows side by side.
pub const TAIL_MAX: u64 = 12;

/// A moment of a node, and what happened since the moment shown before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// When, by the node's clock.
    pub at: Instant,
    /// How it is.
    pub status: Status,
    /// What happened, in order. Of several moves of the commit index in a row only the last is told.
    pub events: Vec<Event>,
    /// Messages that it sent, the first of them.
    pub sent: Vec<Sent>,
    /// The terms of the last entries of its log, as far as it holds them and at most [`TAIL_MAX`]; the last of
    /// them is the term of `status.last_index`.
    pub tail: Vec<Term>,
    /// How many events and messages there were besides.
    pub left_out: u64,
    /// How many sightings before this one were lost on a watcher that was too slow.
    pub missed: u64,
}

/// A message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// To this node.
    pub to: NodeId,
    /// What it is.
    pub kind: Kind,
}

/// What a message is. New variants go to the end: formats are frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A candidate asks whether it would get a vote (thesis §9.6).
    PreVote,
    /// A candidate asks for a vote (§5.2).
    Vote,
    /// The answer to either: yes.
    Granted,
    /// The answer to either: no.
    Refused,
    /// A leader that has nothing to send says that it leads.
    Heartbeat,
    /// Entries of the log.
    Entries {
        /// How many.
        count: u64,
    },
    /// A follower has what it was sent on its disk.
    Stored,
    /// A follower could not use what it was sent.
    Rejected,
    /// A piece of a snapshot, or the answer to one (§7).
    Snapshot,
    /// A leader tells a follower to stand for election (thesis §3.10).
    TimeoutNow,
    /// A follower asks how far to apply the log for a read, or is told (thesis §6.4).
    ReadIndex,
    /// A client's request on its way to the leader, or its answer.
    Forwarded,
}

/// What has happened since the last sighting.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    events: Vec<Event>,
    sent: Vec<Sent>,
    left_out: u64,
}

impl Collected {
    /// Adds what a step led to.
    pub fn add(&mut self, effects: &Effects) {
        for event in &effects.events {
            if let (Event::Committed { .. }, Some(last @ Event::Committed { .. })) =
                (event, self.events.last_mut())
            {
                last.clone_from(event);
            } else if self.events.len() < EVENTS_MAX {
                self.events.push(event.clone());
            } else {
                self.left_out += 1;
            }
        }
        let room = MESSAGES_MAX - self.sent.len();
        self.sent.extend(effects.send.iter().take(room).map(Sent::of));
        self.left_out += effects.send.len().saturating_sub(room) as u64;
    }

    /// The sighting of a node as it is now. What is collected begins anew.
    pub fn take(&mut self, at: Instant, replica: &Replica) -> Sighting {
        let Self { events, sent, left_out } = std::mem::take(self);
        let (status, tail) = (replica.status(), tail(replica.raft().log()));
        Sighting { at, status, events, sent, tail, left_out, missed: 0 }
    }
}

/// The terms of the last entries.
fn tail(log: &Log) -> Vec<Term> {
    let last = log.last().index.0;
    let first = last.saturating_sub(TAIL_MAX).max(log.base().index.0) + 1;
    (first..=last).filter_map(|index| log.term_at(Index(index))).collect()
}

impl Sent {
    fn of(envelope: &Envelope) -> Self {
        let kind = match &envelope.body {
            PeerBody::Raft(message) => Kind::of(&message.body),
            PeerBody::Forward { .. } | PeerBody::Forwarded { .. } => Kind::Forwarded,
        };
        Self { to: envelope.to, kind }
    }
}

impl Kind {
    fn of(body: &Body) -> Self {
        match body {
            Body::RequestVote { pre_vote: true, .. } => Self::PreVote,
            Body::RequestVote { .. } => Self::Vote,
            Body::RequestVoteReply { refused: None, .. } => Self::Granted,
            Body::RequestVoteReply { .. } => Self::Refused,
            Body::AppendEntries { entries, .. } if entries.is_empty() => Self::Heartbeat,
            Body::AppendEntries { entries, .. } => Self::Entries { count: entries.len() as u64 },
            Body::AppendEntriesReply { result: AppendResult::Matched { .. }, .. } => Self::Stored,
            Body::AppendEntriesReply { .. } => Self::Rejected,
            Body::InstallSnapshot { .. } | Body::InstallSnapshotReply { .. } => Self::Snapshot,
            Body::TimeoutNow => Self::TimeoutNow,
            Body::ReadIndex { .. } | Body::ReadIndexReply { .. } => Self::ReadIndex,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{EntryId, Incarnation};
    use crate::raft::message::{Entry, Message, Payload};
    use crate::time::ClusterTime;

    fn committed(index: u64) -> Event {
        Event::Committed { to: EntryId { term: Term(1), index: Index(index) } }
    }

    fn timeout_now() -> Envelope {
        let body = PeerBody::Raft(Message { term: Term(1), body: Body::TimeoutNow });
        Envelope { from: NodeId(1), incarnation: Incarnation(1), to: NodeId(2), body }
    }

    #[test]
    fn of_a_log_the_terms_of_its_last_entries_are_told_as_far_as_it_holds_them() {
        let base = EntryId { term: Term(1), index: Index(4) };
        let entry =
            |term| Entry { term: Term(term), time: ClusterTime::default(), payload: Payload::Noop };
        let terms = |entries: &[u64]| {
            let log = Log::restore(base, entries.iter().copied().map(entry).collect());
            tail(&log).into_iter().map(|term| term.0).collect::<Vec<u64>>()
        };
        assert_eq!(terms(&[]), []);
        assert_eq!(terms(&[2, 2, 3]), [2, 2, 3]);
        let long: Vec<u64> = (1..=TAIL_MAX + 5).collect();
        assert_eq!(terms(&long), long[5..]);
    }

    #[test]
    fn of_commits_in_a_row_the_last_is_told_and_what_is_too_much_is_counted() {
        let mut collected = Collected::default();
        let leads = Event::BecameLeader { term: Term(1) };
        for events in [vec![leads.clone(), committed(1)], vec![committed(7), leads.clone()]] {
            collected.add(&Effects { events, ..Effects::default() });
        }
        assert_eq!(collected.events, [leads.clone(), committed(7), leads.clone()]);
        let events = vec![leads; EVENTS_MAX];
        collected.add(&Effects { events, send: vec![timeout_now(); 30], ..Effects::default() });
        collected.add(&Effects { send: vec![timeout_now(); 30], ..Effects::default() });
        assert_eq!((collected.events.len(), collected.sent.len()), (EVENTS_MAX, MESSAGES_MAX));
        assert_eq!(collected.left_out, 3 + 60 - MESSAGES_MAX as u64);
        assert_eq!(collected.sent[0], Sent { to: NodeId(2), kind: Kind::TimeoutNow });
    }
}
