//! A node as a value: Raft, the store and the clients that wait. What every driver holds.
//!
//! A client's request is answered here if this node can, and passed on to the leader if it cannot. A
//! request that waits when leadership ends is answered at once: a read can be asked again, and a write
//! of a session too, since it takes effect once however often it is sent.

mod waiting;

use crate::config::Config;
use crate::error::Error;
use crate::id::{ClientId, EntryId, Index, NodeId, Sequence, Ticket, WriteSeq};
use crate::kv::command::{Command, Session};
use crate::kv::store::Store;
use crate::raft::event::Event;
use crate::raft::message::{Message, Payload};
use crate::raft::snapshot::ChunkWanted;
use crate::raft::{Output, Raft, Role, WriteOut};
use crate::replica::waiting::{Counting, Origin, PassedOn, Waiting};
use crate::request::{Consistency, Copies, FollowerStatus, Reply, Request, Response, Status};
use crate::time::Instant;
use crate::wal::{Durable, Snapshot, Write, snapshot};
use bytes::Bytes;
use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg32;
use serde::{Deserialize, Serialize};

/// Something that happens to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// A message from another node.
    Peer(Envelope),
    /// A client's request; the reply comes with the same ticket. A ticket is used once.
    Client {
        /// The driver's name for the request.
        ticket: Ticket,
        /// What is asked.
        request: Request,
    },
    /// Every write up to this one is durable.
    Persisted(WriteSeq),
    /// The deadline has come. Early or needless wakes do no harm.
    Wake,
}

/// A message between replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Who sends it.
    pub from: NodeId,
    /// Who receives it.
    pub to: NodeId,
    /// What it says.
    pub body: PeerBody,
}

/// What replicas say to each other. New variants go to the end: formats are frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerBody {
    /// Raft's own messages.
    Raft(Message),
    /// A client's request, passed on to the leader. A write has a session, for the network may double it.
    Forward {
        /// The passing node's name for the request.
        ticket: Ticket,
        /// What is asked.
        request: Request,
    },
    /// The leader's answer to a request that was passed on.
    Forwarded {
        /// The passing node's name for the request.
        ticket: Ticket,
        /// The answer.
        response: Response,
    },
}

/// What a node wants done. Lanes are independent of each other: see the [driver contract](crate).
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct Effects {
    /// To be made durable, in order, and reported with [`Input::Persisted`].
    pub write: Option<Write>,
    /// To be sent; each may be lost, doubled or reordered.
    pub send: Vec<Envelope>,
    /// Answers for clients.
    pub reply: Vec<(Ticket, Response)>,
    /// What happened, for logs, traces and pictures.
    pub events: Vec<Event>,
}

/// A node.
#[derive(Clone, Debug)]
pub struct Replica {
    config: Config,
    now: Instant,
    raft: Raft,
    store: Store,
    applied: EntryId,
    /// Bytes of log applied since the newest snapshot.
    applied_bytes: usize,
    snapshot: Option<Snapshot>,
    /// The newest snapshot as bytes, while a follower is being sent it.
    encoded: Option<(EntryId, Bytes)>,
    waiting: Waiting,
    rng: Pcg32,
    effects: Effects,
}

impl Replica {
    /// The node as its disk remembers it. It begins as a follower (§5.2).
    pub fn restore(config: Config, durable: Durable, now: Instant) -> Self {
        let meta = durable.snapshot.as_ref().map(|snapshot| snapshot.meta.clone());
        let (hard_state, entries) = (durable.hard_state, durable.entries);
        let applied = meta.as_ref().map(|meta| meta.last).unwrap_or_default();
        let mut rng = Pcg32::seed_from_u64(!config.seed);
        Self {
            raft: Raft::restore(config.clone(), hard_state, meta, entries, now),
            config,
            now,
            store: durable.snapshot.as_ref().map(|s| s.store.clone()).unwrap_or_default(),
            applied,
            applied_bytes: 0,
            snapshot: durable.snapshot,
            encoded: None,
            waiting: Waiting::new(Ticket(rng.next_u64() >> 1)),
            rng,
            effects: Effects::default(),
        }
    }

    /// Takes one input in. What it leads to is in the next [`Replica::effects`].
    pub fn step(&mut self, now: Instant, input: Input) {
        self.now = self.now.max(now);
        match input {
            Input::Peer(envelope) => self.on_envelope(envelope),
            Input::Client { ticket, request } => self.on_request(Origin::Client(ticket), request),
            Input::Persisted(seq) => self.raft.persisted(now, seq),
            Input::Wake => self.raft.wake(now),
        }
    }

    /// Everything to be done since the last call.
    pub fn effects(&mut self) -> Effects {
        self.give_up_lost_requests();
        self.apply();
        self.take_snapshot();
        let output = self.raft.output();
        let chunks = self.carry_out(output);
        self.answer_reads();
        self.answer_counted();
        if !chunks.is_empty() {
            self.send_chunks(chunks);
        }
        std::mem::take(&mut self.effects)
    }

    /// When to step [`Input::Wake`] at the latest.
    pub fn deadline(&self) -> Instant {
        if self.applied.index < self.raft.commit_index() {
            return self.now;
        }
        self.raft.deadline().min(self.waiting.deadline())
    }

    fn on_envelope(&mut self, envelope: Envelope) {
        let Envelope { from, to, body } = envelope;
        if to != self.config.id {
            return;
        }
        match body {
            PeerBody::Raft(message) => {
                self.raft.step(self.now, from, message);
                self.install_received();
            }
            PeerBody::Forward { ticket, request } => {
                self.on_request(Origin::Peer { node: from, ticket }, request);
            }
            PeerBody::Forwarded { ticket, response } => {
                self.effects.reply.extend(self.waiting.take_answered(ticket, response));
            }
        }
    }

    fn on_request(&mut self, origin: Origin, request: Request) {
        if let Err(error) = request.check(&self.config.limits) {
            return self.answer(origin, Err(error));
        }
        match &request {
            Request::Status => self.answer(origin, Ok(Reply::Status(Box::new(self.status())))),
            Request::Read { read, consistency: Consistency::Local } => {
                let found = self.store.read(read, &self.config.limits);
                self.answer(origin, found.map(Reply::from));
            }
            Request::Read { .. } | Request::Write { .. } => {
                if self.waiting.len() >= self.config.limits.requests_max {
                    return self.answer(origin, Err(Error::Overloaded { retry_after_ms: 50 }));
                }
                match (self.raft.leader(), origin) {
                    (Some(leader), _) if leader == self.config.id => self.lead(origin, request),
                    (Some(leader), Origin::Client(ticket)) => self.pass_on(leader, ticket, request),
                    // What was passed on once is not passed on again: the first node looks anew.
                    (hint, _) => self.answer(origin, Err(Error::NotLeader { hint })),
                }
            }
        }
    }

    /// The leader's part of a request.
    fn lead(&mut self, origin: Origin, request: Request) {
        match request {
            Request::Write { session, write, count_copies } => {
                let command = postcard::to_allocvec(&Command { session, write });
                let payload = Payload::Command(command.expect("commands always encode").into());
                match self.raft.propose(self.now, payload) {
                    Ok(id) => self.waiting.write(id, origin, count_copies),
                    Err(error) => self.answer(origin, Err(error)),
                }
            }
            Request::Read { read, .. } => {
                let token = self.waiting.read(origin, read);
                self.raft.read(self.now, token).expect("only leaders get here");
            }
            Request::Status => {}
        }
    }

    fn pass_on(&mut self, leader: NodeId, ticket: Ticket, mut request: Request) {
        let mut lent = None;
        if let Request::Write { session: session @ None, .. } = &mut request {
            // The network may double what is passed on, so it goes in a session of this node's own.
            let new = Session {
                client: ClientId(self.rng.next_u64()),
                opened: self.raft.commit_index(),
                sequence: Sequence(1),
            };
            lent = Some(self.waiting.lend_session().unwrap_or(new));
            *session = lent;
        }
        let passed_on = PassedOn {
            ticket,
            leader: (leader, self.raft.term()),
            is_write: matches!(request, Request::Write { .. }),
            lent,
            due: self.now + self.config.timing.request_timeout,
        };
        let ticket = self.waiting.pass_on(passed_on);
        self.send(leader, PeerBody::Forward { ticket, request });
    }

    /// Requests that can no longer be answered well are answered as they stand.
    fn give_up_lost_requests(&mut self) {
        let hint = self.raft.leader();
        let leads = hint == Some(self.config.id);
        let in_power = hint.map(|leader| (leader, self.raft.term()));
        if !leads {
            for origin in self.waiting.take_writes() {
                self.answer(origin, Err(Error::OutcomeUnknown));
            }
            for origin in self.waiting.take_reads() {
                self.answer(origin, Err(Error::NotLeader { hint }));
            }
            for Counting { origin, written, .. } in self.waiting.take_counting() {
                // Committed and applied, only nobody counts any more.
                self.answer(origin, Ok(Reply::written(written, None)));
            }
        }
        for PassedOn { ticket, is_write, .. } in self.waiting.take_lost(in_power, self.now) {
            let error = if is_write { Error::OutcomeUnknown } else { Error::NotLeader { hint } };
            self.effects.reply.push((ticket, Err(error)));
        }
    }

    /// Consensus' output, as effects. Returns the pieces of a snapshot that are to be sent.
    fn carry_out(&mut self, output: Output) -> Vec<ChunkWanted> {
        let Output { write, send, reads, chunks, events } = output;
        if let Some(write) = write {
            let WriteOut { seq, hard_state, snapshot, replaces_log, first, entries } = write;
            let snapshot = if snapshot { self.snapshot.clone() } else { None };
            self.effects.write =
                Some(Write { seq, hard_state, snapshot, replaces_log, first, entries });
        }
        for (to, message) in send {
            self.send(to, PeerBody::Raft(message));
        }
        self.waiting.confirm(reads);
        self.effects.events.extend(events);
        chunks
    }

    /// Carries committed entries out, at most so many that heartbeats are not kept waiting.
    fn apply(&mut self) {
        let limits = &self.config.limits;
        let most = Index(self.applied.index.0.saturating_add(limits.apply_entries_max as u64));
        for index in self.applied.index.next().0..=self.raft.commit_index().min(most).0 {
            let index = Index(index);
            let entry = self.raft.log().entry(index).expect("entries stay until they are applied");
            self.applied = EntryId { term: entry.term, index };
            self.applied_bytes += entry.size();
            let Payload::Command(bytes) = &entry.payload else { continue };
            let command: Command = postcard::from_bytes(bytes)
                .expect("a committed command is readable, or this version must not go on");
            let result = self.store.apply(index, &command, &self.config.limits);
            let Some((origin, count_copies)) = self.waiting.take_write(self.applied) else {
                continue;
            };
            match result {
                Ok(written) if count_copies => {
                    let due = self.now + self.config.timing.copies_wait;
                    self.waiting.count(Counting { origin, index, written, due });
                }
                Ok(written) => self.answer(origin, Ok(Reply::written(written, None))),
                Err(error) => self.answer(origin, Err(error)),
            }
        }
    }

    fn answer_reads(&mut self) {
        for (origin, read) in self.waiting.take_confirmed(self.applied.index) {
            let found = self.store.read(&read, &self.config.limits);
            self.answer(origin, found.map(Reply::from));
        }
    }

    /// Writes whose copies are counted are answered when all nodes that are up have them, or in time.
    fn answer_counted(&mut self) {
        for counting in self.waiting.take_counting() {
            let Role::Leader(leader) = self.raft.role() else { return };
            let silence_max = self.config.timing.heartbeat_interval * 3;
            let (mut have, mut of, mut missing) = (0, 0, false);
            for voter in self.raft.configuration().all_voters() {
                let progress = leader.followers.get(&voter);
                let on_disk = match progress {
                    Some(progress) => progress.match_index,
                    None => self.raft.log().durable(),
                };
                // One that was not heard from yet counts as up for as long as one that just fell silent.
                let heard_at = progress.map(|progress| progress.heard_at.unwrap_or(leader.since()));
                let is_up = heard_at.is_none_or(|at| self.now - at <= silence_max);
                of += 1;
                have += u32::from(on_disk >= counting.index);
                missing |= on_disk < counting.index && is_up;
            }
            if missing && self.now < counting.due {
                self.waiting.count(counting);
                continue;
            }
            let reply = Reply::written(counting.written, Some(Copies { have, of }));
            self.answer(counting.origin, Ok(reply));
        }
    }

    /// Keeps the state as a snapshot when the log has grown enough (§7). Costs no copy.
    fn take_snapshot(&mut self) {
        let limits = &self.config.limits;
        let entries = self.applied.index.0 - self.raft.snapshot_last().index.0;
        let grown = entries >= limits.snapshot_log_entries
            || self.applied_bytes >= limits.snapshot_log_bytes;
        // A transfer under way is left to end, unless the log grows far beyond its bound meanwhile.
        let far = entries >= limits.snapshot_log_entries.saturating_mul(4)
            || self.applied_bytes >= limits.snapshot_log_bytes.saturating_mul(4);
        if !grown || (self.raft.is_sending_snapshot() && !far) {
            return;
        }
        if let Some(meta) = self.raft.compact(self.now, self.applied.index) {
            self.snapshot = Some(Snapshot { meta, store: self.store.clone() });
            self.applied_bytes = 0;
        }
    }

    fn send_chunks(&mut self, chunks: Vec<ChunkWanted>) {
        let Some(snapshot) = &self.snapshot else { return };
        let last = snapshot.meta.last;
        if self.encoded.as_ref().is_none_or(|(encoded, _)| *encoded != last) {
            let bytes = snapshot::encode(&snapshot.meta, &snapshot.store);
            self.encoded = Some((last, bytes.into()));
        }
        let Some((_, bytes)) = &self.encoded else { return };
        for wanted in chunks.into_iter().filter(|wanted| wanted.last == last) {
            let limit = self.config.limits.snapshot_chunk_bytes;
            let (data, done) = snapshot::chunk(bytes, wanted.offset, limit);
            self.raft.send_chunk(wanted, data, done);
        }
        for (to, message) in self.raft.take_messages() {
            self.send(to, PeerBody::Raft(message));
        }
    }

    /// A leader's snapshot takes the place of log and state, all at once.
    fn install_received(&mut self) {
        let Some((meta, bytes)) = self.raft.take_received() else { return };
        match snapshot::decode(&bytes) {
            Ok(snapshot) if snapshot.meta == meta => {
                self.raft.install(self.now, meta);
                self.applied = snapshot.meta.last;
                self.applied_bytes = 0;
                self.store = snapshot.store.clone();
                self.snapshot = Some(snapshot);
            }
            Ok(_) | Err(_) => self.raft.reject(&meta),
        }
    }

    fn answer(&mut self, origin: Origin, response: Response) {
        match origin {
            Origin::Client(ticket) => self.effects.reply.push((ticket, response)),
            Origin::Peer { node, ticket } => {
                self.send(node, PeerBody::Forwarded { ticket, response });
            }
        }
    }

    fn send(&mut self, to: NodeId, body: PeerBody) {
        self.effects.send.push(Envelope { from: self.config.id, to, body });
    }
}

/// What others may see of a node.
impl Replica {
    /// How the node is, as `status` shows it.
    pub fn status(&self) -> Status {
        let raft = &self.raft;
        let followers = match raft.role() {
            Role::Leader(leader) => leader.followers.iter().collect(),
            Role::Follower(_) | Role::Candidate(_) => Vec::new(),
        };
        let follower =
            |(node, progress): (&NodeId, &crate::raft::progress::Progress)| FollowerStatus {
                node: *node,
                match_index: progress.match_index,
                silent_ms: progress
                    .heard_at
                    .map(|at| u64::try_from((self.now - at).as_millis()).unwrap_or(u64::MAX)),
            };
        Status {
            node: raft.id(),
            role: raft.role_name(),
            term: raft.term(),
            leader: raft.leader(),
            last_index: raft.log().last().index,
            durable_index: raft.log().durable(),
            commit_index: raft.commit_index(),
            applied_index: self.applied.index,
            snapshot_index: raft.snapshot_last().index,
            keys: self.store.len() as u64,
            configuration: raft.configuration().clone(),
            followers: followers.into_iter().map(follower).collect(),
        }
    }

    /// The store as applied so far.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Consensus.
    pub fn raft(&self) -> &Raft {
        &self.raft
    }

    /// The last entry applied to the store.
    pub fn applied_index(&self) -> Index {
        self.applied.index
    }
}
