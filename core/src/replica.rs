//! A node as a value: Raft, the store and the clients that wait. What every driver holds.
//!
//! A client's request is answered here if this node can, and passed on to the leader if it cannot. A
//! request that waits when leadership ends is answered at once: a read can be asked again, and a write
//! of a session too, since it takes effect once however often it is sent.

mod requests;
mod waiting;

use crate::config::Config;
use crate::id::{EntryId, Incarnation, Index, NodeId, Ticket, WriteSeq};
use crate::kv::command::Command;
use crate::kv::store::Store;
use crate::raft::disk::WriteOut;
use crate::raft::event::Event;
use crate::raft::message::{Entry, Message, Payload};
use crate::raft::progress::Progress;
use crate::raft::snapshot::{Chunk, ChunkWanted};
use crate::raft::{Output, Raft, Role};
use crate::replica::waiting::{Counting, Origin, Waiting};
use crate::request::{FollowerStatus, Reply, Request, Response, Status};
use crate::seeded::{Bug, makes};
use crate::time::Instant;
use crate::vec_map::VecMap;
use crate::wal::snapshot::{Decoder, Encoder};
use crate::wal::{Durable, Snapshot, Write};
use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg32;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

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
    /// The disk has no room for more commands, or has room again. What was handed out before must fit
    /// still, and small writes without commands (a term, a vote, a configuration) always: a driver keeps
    /// room for them.
    DiskFull(bool),
    /// Take a snapshot now, however short the log is (§7), unless one is being sent or the disk is full.
    Snapshot,
}

/// A message between replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Who sends it.
    pub from: NodeId,
    /// The life of the sender's data directory.
    pub incarnation: Incarnation,
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
    /// What is needed no more. To free much of it takes long, so a driver with threads has one do that.
    pub dropped: Vec<Dropped>,
}

/// Something large that a node has no use for any more.
#[derive(Clone, Debug, PartialEq)]
pub enum Dropped {
    /// Entries that a snapshot includes.
    Entries(VecDeque<Entry>),
    /// The state of an older snapshot, or from before a leader's.
    Store(Store),
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
    /// A snapshot was asked for.
    is_snapshot_asked: bool,
    /// The newest snapshot, until the disk has been given it and nobody is being sent it.
    snapshot: Option<Encoder>,
    /// The chunks of it that followers wait for.
    chunks: VecMap<NodeId, ChunkWanted>,
    /// A leader's snapshot as far as it has arrived.
    incoming: Decoder,
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
            store: durable.snapshot.map(|snapshot| snapshot.store).unwrap_or_default(),
            applied,
            applied_bytes: 0,
            is_snapshot_asked: false,
            snapshot: None,
            chunks: VecMap::new(),
            incoming: Decoder::default(),
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
            Input::DiskFull(is_full) => self.raft.disk_full(now, is_full),
            Input::Snapshot => self.is_snapshot_asked = true,
        }
    }

    /// Everything to be done since the last call.
    pub fn effects(&mut self) -> Effects {
        self.apply();
        self.raft.go_if_removed();
        self.give_up_lost_requests();
        self.take_snapshot();
        let output = self.raft.output();
        self.carry_out(output);
        self.answer_reads();
        self.answer_counted();
        self.send_chunk();
        self.let_snapshot_go();
        std::mem::take(&mut self.effects)
    }

    /// When to step [`Input::Wake`] at the latest.
    pub fn deadline(&self) -> Instant {
        if self.applied.index < self.raft.commit_index() || !self.chunks.is_empty() {
            return self.now;
        }
        self.raft.deadline().min(self.waiting.deadline())
    }

    fn on_envelope(&mut self, envelope: Envelope) {
        let Envelope { from, incarnation, to, body } = envelope;
        if to != self.config.id {
            return;
        }
        match body {
            PeerBody::Raft(message) => {
                self.raft.step(self.now, from, incarnation, message);
                self.read_received();
            }
            PeerBody::Forward { ticket, request } => {
                self.on_request(Origin::Peer { node: from, ticket }, request);
            }
            PeerBody::Forwarded { ticket, response } => {
                self.effects.reply.extend(self.waiting.take_answered(ticket, response));
            }
        }
    }

    /// Consensus' output, as effects.
    fn carry_out(&mut self, output: Output) {
        let Output { write, send, reads, chunks, forgotten, events } = output;
        if let Some(write) = write {
            let WriteOut { seq, hard_state, snapshot, replaces_log, first, entries } = write;
            let snapshot = self.snapshot.as_ref().filter(|_| snapshot);
            let snapshot = snapshot.map(|encoder| encoder.snapshot().clone());
            self.effects.write =
                Some(Write { seq, hard_state, snapshot, replaces_log, first, entries });
        }
        for (to, message) in send {
            self.send(to, PeerBody::Raft(message));
        }
        self.waiting.confirm(reads);
        self.effects.events.extend(events);
        let forgotten = forgotten.into_iter().filter(|entries| !entries.is_empty());
        self.effects.dropped.extend(forgotten.map(Dropped::Entries));
        self.chunks.extend(chunks.into_iter().map(|wanted| (wanted.to, wanted)));
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
            let bytes = match &entry.payload {
                Payload::Command(bytes) => bytes,
                Payload::Configuration(_) => {
                    if let Some((origin, outlook)) = self.waiting.take_change(self.applied) {
                        self.answer(origin, Ok(Reply::changed(outlook, Some(index))));
                    }
                    continue;
                }
                Payload::Noop => continue,
            };
            let command = Command::decode(bytes)
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

    /// Keeps the state as a snapshot when the log has grown enough (§7), or a follower needs one. Costs no
    /// copy.
    fn take_snapshot(&mut self) {
        let limits = &self.config.limits;
        let entries = self.applied.index.0 - self.raft.snapshot_last().index.0;
        let is_sending = self.raft.is_sending_snapshot();
        let is_missing = is_sending && self.snapshot.is_none();
        if is_missing
            && entries == 0
            && let Some(meta) = self.raft.snapshot()
        {
            // Nothing was applied since the newest.
            let snapshot = Snapshot { meta: meta.clone(), store: self.store.clone() };
            self.snapshot = Some(Encoder::new(snapshot, limits.snapshot_chunk_bytes));
            return;
        }
        let grown = std::mem::take(&mut self.is_snapshot_asked)
            || is_missing
            || entries >= limits.snapshot_log_entries
            || self.applied_bytes >= limits.snapshot_log_bytes;
        // A transfer under way is left to end, unless the log grows far beyond its bound meanwhile.
        let far = entries >= limits.snapshot_log_entries.saturating_mul(4)
            || self.applied_bytes >= limits.snapshot_log_bytes.saturating_mul(4);
        let is_postponed = is_sending && !is_missing && !far;
        if !grown || is_postponed || self.raft.disk_is_full() {
            return;
        }
        if let Some(meta) = self.raft.compact(self.now, self.applied.index) {
            self.keep(Snapshot { meta, store: self.store.clone() });
        }
    }

    /// Sends a chunk of the snapshot to a follower that waits for it: one in each call, so that however
    /// many wait, heartbeats do not.
    fn send_chunk(&mut self) {
        let Some((to, wanted)) = self.chunks.pop_first() else { return };
        let Some(encoder) = &mut self.snapshot else { return };
        if encoder.snapshot().meta.last != wanted.last {
            return;
        }
        match encoder.piece(wanted.offset) {
            Some((data, done)) => self.raft.send_chunk(wanted, data.into(), done),
            // It is a long way there, and the next call goes on.
            None => drop(self.chunks.insert(to, wanted)),
        }
        for (to, message) in self.raft.take_messages() {
            self.send(to, PeerBody::Raft(message));
        }
    }

    /// Reads the chunk of a leader's snapshot that has come, if one has. After the last, the snapshot
    /// takes the place of log and state, all at once.
    fn read_received(&mut self) {
        let chunk = self.raft.take_received();
        if chunk.is_none() && !self.raft.is_receiving_snapshot() {
            self.incoming = Decoder::default();
        }
        let Some(Chunk { meta, offset, data, done }) = chunk else { return };
        let known = std::mem::take(&mut self.incoming);
        let mut decoder = if offset == 0 { Decoder::default() } else { known };
        let read = decoder.push(&data);
        if read.is_ok() && !done {
            self.incoming = decoder;
            return;
        }
        match read.and_then(|()| decoder.finish()) {
            Ok(snapshot) if snapshot.meta == meta => {
                self.raft.install(self.now, meta);
                self.applied = snapshot.meta.last;
                if !makes(Bug::KeepsOldState) {
                    let old = std::mem::replace(&mut self.store, snapshot.store.clone());
                    self.effects.dropped.push(Dropped::Store(old));
                }
                self.keep(snapshot);
            }
            Ok(_) | Err(_) => self.raft.reject(&meta),
        }
    }

    /// The newest snapshot from now on.
    fn keep(&mut self, snapshot: Snapshot) {
        let newest = Encoder::new(snapshot, self.config.limits.snapshot_chunk_bytes);
        if let Some(old) = self.snapshot.replace(newest) {
            self.effects.dropped.push(Dropped::Store(old.into_store()));
        }
        self.applied_bytes = 0;
    }

    /// While a snapshot is kept, what changes is there twice.
    fn let_snapshot_go(&mut self) {
        if !self.raft.has_snapshot_to_write()
            && !self.raft.is_sending_snapshot()
            && let Some(encoder) = self.snapshot.take()
        {
            self.effects.dropped.push(Dropped::Store(encoder.into_store()));
        }
    }

    fn send(&mut self, to: NodeId, body: PeerBody) {
        let Config { id: from, incarnation, .. } = self.config;
        self.effects.send.push(Envelope { from, incarnation, to, body });
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
        let follower = |(node, progress): &(NodeId, Progress)| FollowerStatus {
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
