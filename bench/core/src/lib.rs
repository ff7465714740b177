//! Three nodes in memory: the real core, its frames and its log as bytes, but no socket, no disk and no
//! thread. What it costs is the core's own.

use raft_core::bytes::Bytes;
use raft_core::config::{Config, Limits, Timing};
use raft_core::id::{ClientId, ClusterId, Incarnation, Index, NodeId, Sequence, Ticket};
use raft_core::kv::command::{Condition, Read, Session, Write};
use raft_core::raft::event::RoleName;
use raft_core::raft::membership::Member;
use raft_core::replica::{Effects, Input, Replica};
use raft_core::request::{Consistency, Request};
use raft_core::time::Instant;
use raft_core::wal::{Durable, Replayed, SEGMENT_BYTES, Wal};
use raft_core::wire::Frame;
use std::collections::VecDeque;
use std::time::Duration;

/// How many nodes there are.
const NODES: u64 = 3;

/// The cluster, led by its first node.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    now: Instant,
    next_ticket: u64,
}

#[derive(Debug)]
struct Node {
    replica: Replica,
    wal: Wal,
    /// Frames of the other nodes.
    inbox: VecDeque<Vec<u8>>,
    /// Something was reported since its effects were last taken.
    has_news: bool,
}

impl Default for Cluster {
    fn default() -> Self {
        Self::new()
    }
}

impl Cluster {
    /// A cluster that has just elected its first node.
    pub fn new() -> Self {
        let mut cluster =
            Self { nodes: (1..=NODES).map(Node::new).collect(), now: Instant(0), next_ticket: 0 };
        let leader = &mut cluster.nodes[0];
        cluster.now = leader.replica.deadline();
        leader.replica.step(cluster.now, Input::Wake);
        while cluster.turn() != 0 || cluster.is_busy() {}
        assert_eq!(cluster.nodes[0].replica.status().role, RoleName::Leader);
        cluster
    }

    /// Has the leader carry out these requests, which are a client's frames, and returns how many it
    /// answered: all of them.
    pub fn ask(&mut self, frames: &[Vec<u8>]) -> usize {
        // A client's requests come in less than a heartbeat.
        self.now = self.now + Duration::from_millis(1);
        for frame in frames {
            let Ok(Frame::Request { request, .. }) = Frame::decode(frame) else { continue };
            let ticket = Ticket(self.next_ticket);
            self.next_ticket += 1;
            self.nodes[0].replica.step(self.now, Input::Client { ticket, request });
        }
        let mut answered = 0;
        loop {
            answered += self.turn();
            if !self.is_busy() {
                return answered;
            }
        }
    }

    /// Each node takes in what has come, and hands out what follows. Returns how many requests were
    /// answered well.
    fn turn(&mut self) -> usize {
        let mut answered = 0;
        for place in 0..self.nodes.len() {
            let node = &mut self.nodes[place];
            for frame in std::mem::take(&mut node.inbox) {
                let Ok(Frame::Peer(envelopes)) = Frame::decode(&frame) else { continue };
                for envelope in envelopes {
                    node.replica.step(self.now, Input::Peer(envelope));
                }
            }
            node.has_news = false;
            let Effects { write, send, reply, .. } = node.replica.effects();
            if let Some(write) = write {
                node.write(self.now, write);
            }
            for (Ticket(id), response) in reply {
                answered += usize::from(response.is_ok());
                std::hint::black_box(Frame::Response { id, response }.encode());
            }
            // One frame for each of the others, as over a connection.
            for to in (0..self.nodes.len()).filter(|to| *to != place) {
                let id = NodeId(to as u64 + 1);
                let batch: Vec<_> =
                    send.iter().filter(|envelope| envelope.to == id).cloned().collect();
                if !batch.is_empty() {
                    self.nodes[to].inbox.push_back(Frame::Peer(batch).encode());
                }
            }
        }
        answered
    }

    fn is_busy(&self) -> bool {
        self.nodes.iter().any(|node| node.has_news || !node.inbox.is_empty())
    }
}

impl Node {
    fn new(id: u64) -> Self {
        let (cluster, incarnation) = (ClusterId(1), Incarnation(id));
        let members = (1..=NODES).map(|id| {
            let address = format!("localhost:{}", 8000 + id);
            Member { id: NodeId(id), address, incarnation: Incarnation(id) }
        });
        let config = Config {
            id: NodeId(id),
            cluster,
            incarnation,
            members: members.collect(),
            seed: id,
            timing: Timing::default(),
            limits: Limits::default(),
        };
        Self {
            replica: Replica::restore(config, Durable::default(), Instant(0)),
            wal: Wal::resume(cluster, NodeId(id), incarnation, SEGMENT_BYTES, &Replayed::default()),
            inbox: VecDeque::new(),
            has_news: false,
        }
    }

    /// Makes the bytes, and reports them as written.
    fn write(&mut self, now: Instant, mut write: raft_core::wal::Write) {
        let seq = write.seq;
        // A node of its own stores its snapshots beside the log, in a thread of its own.
        let stored = write.snapshot.take();
        let mut ops = self.wal.append(&write);
        ops.extend(stored.into_iter().flat_map(|snapshot| self.wal.append_stored(snapshot.meta)));
        self.wal.synced();
        std::hint::black_box(ops);
        self.replica.step(now, Input::Persisted(seq));
        self.has_news = true;
    }
}

/// Frames of clients that each write once, with keys in no order.
pub fn puts(clients: u64, round: u64, keys: u64, value_bytes: usize) -> Vec<Vec<u8>> {
    (0..clients)
        .map(|client| {
            let session = Session {
                client: ClientId(client),
                opened: Index(0),
                sequence: Sequence(round + 1),
            };
            let write = Write::Set {
                key: key(round * clients + client, keys),
                value: Bytes::from(vec![client as u8; value_bytes]),
                condition: Condition::Any,
            };
            let request = Request::Write { session: Some(session), write, count_copies: false };
            Frame::Request { id: round, request }.encode()
        })
        .collect()
}

/// Frames of clients that each read one key.
pub fn gets(clients: u64, round: u64, keys: u64) -> Vec<Vec<u8>> {
    (0..clients)
        .map(|client| {
            let read = Read::Get { key: key(round * clients + client, keys) };
            let request = Request::Read { read, consistency: Consistency::Linearizable };
            Frame::Request { id: round, request }.encode()
        })
        .collect()
}

/// A key as long as those of `raft-cli bench`. One after the other they jump about, and come to all.
fn key(number: u64, keys: u64) -> Bytes {
    let scattered = number * 7_919 % keys;
    format!("key-{scattered:012}").into()
}
