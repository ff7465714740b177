//! A small cluster played by a tape: messages that arrive, double and vanish, disks that lag, nodes that
//! crash, clients that write. No checker watches: what it is good for is that every node is in a state
//! that nodes come to.

use crate::tape::Tape;
use raft_core::config::{Config, Limits, Timing};
use raft_core::id::{ClusterId, Incarnation, NodeId, Ticket};
use raft_core::kv::command::{self, Condition, Read};
use raft_core::raft::membership::{Change, Goal, Member};
use raft_core::raft::message::Entry;
use raft_core::replica::{Effects, Envelope, Input, Replica};
use raft_core::request::{Consistency, Request};
use raft_core::time::Instant;
use raft_core::wal::{Durable, Write};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Most messages under way; the oldest is lost beyond it, as in a full queue.
const FLYING_MAX: usize = 256;

/// Most messages remembered after they were sent.
const SAID_MAX: usize = 64;

pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    flying: VecDeque<Envelope>,
    /// What was said lately, whether or not it arrived.
    pub(crate) said: VecDeque<Envelope>,
    /// Nodes that nobody hears and that hear nobody.
    cut: Vec<NodeId>,
    /// Whose disk fails, if one does.
    unlucky: Option<usize>,
    now: Instant,
    next: u64,
}

pub(crate) struct Node {
    pub(crate) replica: Replica,
    config: Config,
    /// Writes that are not durable.
    under_way: VecDeque<Write>,
    /// What a crash leaves.
    disk: Durable,
    /// Every write that became durable, in order.
    pub(crate) written: Vec<Write>,
}

impl Cluster {
    /// A cluster of `founders`, and a node that waits to be added. Limits are so small that a short run
    /// comes to all of them.
    pub(crate) fn new(founders: u64) -> Self {
        let members: Vec<Member> =
            (1..=founders).map(|id| member(id, Incarnation::UNKNOWN)).collect();
        let config = |id| Config {
            id: NodeId(id),
            cluster: ClusterId(1),
            incarnation: Incarnation(id),
            members: if id > founders { Vec::new() } else { members.clone() },
            seed: id,
            timing: Timing::default(),
            limits: Limits {
                snapshot_log_entries: 8,
                log_keep_entries: 3,
                snapshot_chunk_bytes: 64,
                snapshot_bytes_max: 4 << 10,
                append_entries_max: 3,
                sessions_max: 4,
                ..Limits::default()
            },
        };
        Self {
            nodes: (1..=founders + 1).map(|id| Node::new(config(id))).collect(),
            flying: VecDeque::new(),
            said: VecDeque::new(),
            cut: Vec::new(),
            unlucky: None,
            now: Instant(1),
            next: 1,
        }
    }

    /// One thing happens.
    pub(crate) fn play(&mut self, tape: &mut Tape) {
        let kind = tape.below(32);
        let leader =
            self.nodes.iter().position(|node| node.replica.raft().leader() == Some(node.config.id));
        let any = tape.below(2 * self.nodes.len());
        // One of them, and as often the one that leads, if one does.
        let node = leader.filter(|_| any >= self.nodes.len()).unwrap_or(any % self.nodes.len());
        match kind {
            0..=10 => self.settle(),
            11 => self.arrive(tape, false),
            12 => self.arrive(tape, true),
            13 => {
                let place = tape.below(self.flying.len());
                self.flying.remove(place);
            }
            14..=16 => {
                let due = self.nodes.iter().map(|node| node.replica.deadline()).min();
                self.now = self.now.max(due.unwrap_or(self.now));
                self.wake();
            }
            17 => {
                self.now = self.now.max(self.nodes[node].replica.deadline());
                self.wake();
            }
            18..=23 => {
                let request = ask(tape);
                self.ask(node, request);
            }
            24 => self.persist(node),
            25 | 26 => self.cut = vec![self.nodes[node].config.id],
            27 => self.cut.clear(),
            28 => {
                let (target, other) = (tape.below(self.nodes.len()), tape.below(self.nodes.len()));
                let change = self.change(target, other, tape);
                self.ask(node, Request::Change { change, dry_run: tape.below(8) == 1 });
            }
            29 => {
                let to =
                    Some(NodeId(tape.below(self.nodes.len() + 1) as u64)).filter(|to| to.0 > 0);
                self.ask(node, Request::Transfer { to });
            }
            30 => self.step(node, [Input::DiskFull(tape.below(4) == 1)]),
            _ => {
                // In one of eight cases the disk is lost, and the node begins a new life. Only one node
                // has such luck: a cluster of which most have forgotten everything stands still, rightly.
                let loses = tape.below(8) == 1 && *self.unlucky.get_or_insert(node) == node;
                let life = loses.then_some(Incarnation(self.next << 8));
                self.crash(node, life);
            }
        }
        while self.flying.len() > FLYING_MAX {
            self.flying.pop_front();
        }
    }

    /// Gives a node a message, whoever made it.
    pub(crate) fn deliver(&mut self, envelope: Envelope) {
        if let Some(node) = self.nodes.iter().position(|node| node.config.id == envelope.to) {
            self.step(node, [Input::Peer(envelope)]);
        }
    }

    /// Everything under way arrives, and everything written is synced.
    fn settle(&mut self) {
        self.now = self.now + Duration::from_millis(1);
        let flying = std::mem::take(&mut self.flying);
        let (cut, arriving): (Vec<_>, Vec<_>) = flying.into_iter().partition(|envelope| {
            self.cut.contains(&envelope.from) || self.cut.contains(&envelope.to)
        });
        drop(cut);
        for node in 0..self.nodes.len() {
            let id = self.nodes[node].config.id;
            let own = arriving.iter().filter(|envelope| envelope.to == id);
            self.step(node, own.cloned().map(Input::Peer));
            self.persist(node);
        }
    }

    fn arrive(&mut self, tape: &mut Tape, doubled: bool) {
        let place = tape.below(self.flying.len());
        let Some(envelope) = self.flying.remove(place) else { return };
        if doubled {
            self.flying.push_back(envelope.clone());
        }
        self.deliver(envelope);
    }

    fn wake(&mut self) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].replica.deadline() <= self.now {
                self.step(node, [Input::Wake]);
            }
        }
    }

    fn change(&self, target: usize, other: usize, tape: &mut Tape) -> Change {
        let config = |place: usize| &self.nodes[place].config;
        let add = |place| member(config(place).id.0, config(place).incarnation);
        match tape.below(5) {
            0 | 1 => {
                Change::Add { member: add(target), goal: *tape.pick(&[Goal::Vote, Goal::Stay]) }
            }
            2 => Change::Promote(config(target).id),
            3 => Change::Remove(config(target).id),
            _ => Change::Replace { node: config(target).id, by: add(other) },
        }
    }

    fn ask(&mut self, node: usize, request: Request) {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.step(node, [Input::Client { ticket, request }]);
    }

    fn persist(&mut self, node: usize) {
        let Node { under_way, disk, written, .. } = &mut self.nodes[node];
        let Some(last) = under_way.back().map(|write| write.seq) else { return };
        for write in under_way.drain(..) {
            apply(disk, &write);
            written.push(write);
        }
        self.step(node, [Input::Persisted(last)]);
    }

    /// A node starts again with what was durable, or in a new life with nothing.
    fn crash(&mut self, node: usize, life: Option<Incarnation>) {
        self.next += 1;
        let (seed, now) = (self.next << 8, self.now);
        let node = &mut self.nodes[node];
        node.under_way.clear();
        node.config.seed = seed;
        if let Some(incarnation) = life {
            node.config.incarnation = incarnation;
            node.config.members.clear();
            node.disk = Durable::default();
            node.written.clear();
        }
        node.replica = Replica::restore(node.config.clone(), node.disk.clone(), now);
    }

    fn step(&mut self, node: usize, inputs: impl IntoIterator<Item = Input>) {
        let node = &mut self.nodes[node];
        for input in inputs {
            node.replica.step(self.now, input);
        }
        let Effects { write, send, .. } = node.replica.effects();
        node.under_way.extend(write);
        self.said.extend(send.iter().cloned());
        self.flying.extend(send);
        while self.said.len() > SAID_MAX {
            self.said.pop_front();
        }
    }
}

impl Node {
    fn new(config: Config) -> Self {
        Self {
            replica: Replica::restore(config.clone(), Durable::default(), Instant(0)),
            config,
            under_way: VecDeque::new(),
            disk: Durable::default(),
            written: Vec::new(),
        }
    }
}

fn member(id: u64, incarnation: Incarnation) -> Member {
    Member { id: NodeId(id), address: format!("h{id}:1"), incarnation }
}

/// What a client asks.
fn ask(tape: &mut Tape) -> Request {
    let key = vec![b'a' + tape.below(4) as u8];
    let value = vec![b'v'; tape.below(32)];
    let condition = Condition::Any;
    let set = command::Write::Set {
        key: key.clone().into(),
        value: value.into(),
        condition: condition.clone(),
    };
    let delete = command::Write::Delete { key: key.clone().into(), condition };
    let write = |write| Request::Write { session: None, write, count_copies: false };
    let read = Read::Get { key: key.into() };
    match tape.below(8) {
        0 => Request::Read { read, consistency: Consistency::Linearizable },
        1 => write(delete),
        _ => write(set),
    }
}

/// What a write means, in the plainest words.
pub(crate) fn apply(durable: &mut Durable, write: &Write) {
    durable.hard_state = write.hard_state.unwrap_or(durable.hard_state);
    let mut log: BTreeMap<u64, Entry> =
        (base(durable) + 1..).zip(durable.entries.drain(..)).collect();
    if write.replaces_log {
        log.clear();
    }
    if !write.entries.is_empty() {
        log.split_off(&write.first.0);
        log.extend((write.first.0..).zip(write.entries.iter().cloned()));
    }
    durable.snapshot = write.snapshot.clone().or(durable.snapshot.take());
    durable.entries = log.split_off(&(base(durable) + 1)).into_values().collect();
}

fn base(durable: &Durable) -> u64 {
    durable.snapshot.as_ref().map_or(0, |snapshot| snapshot.meta.last.index.0)
}
