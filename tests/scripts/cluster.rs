//! A cluster driven by hand: nothing happens unless it is asked for. Every function says what came of it
//! in lines of trace.

use crate::disk::{CLUSTER, Disk};
use crate::show;
use raft_core::config::{Config, Limits, Timing};
use raft_core::id::{Incarnation, NodeId, Ticket};
use raft_core::raft::membership::Member;
use raft_core::replica::{Effects, Envelope, Input, Replica};
use raft_core::request::Request;
use raft_core::time::Instant;
use raft_core::wal::{Wal, Write};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Bytes in a segment of a script's log: small, so that stories cross from one to the next.
const SEGMENT_BYTES: u64 = 1024;

/// More rounds of messages than any story needs: a cluster that does not come to rest fails the script.
const ROUNDS_MAX: usize = 100;

pub(crate) struct Cluster {
    pub(crate) now: Instant,
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    /// Sent and not delivered, oldest first.
    pub(crate) in_flight: Vec<Envelope>,
    /// Taken aside by the script, to be let go later.
    pub(crate) held: Vec<Envelope>,
    /// Who cannot reach whom.
    pub(crate) cut: BTreeSet<(NodeId, NodeId)>,
    /// Nodes that were given something and have not acted on it.
    stepped: BTreeSet<NodeId>,
    /// Requests as they were asked, by ticket.
    requests: BTreeMap<Ticket, String>,
    timing: Timing,
    limits: Limits,
    trace: Vec<String>,
}

pub(crate) struct Node {
    config: Config,
    /// `None` while the node is down.
    replica: Option<Replica>,
    disk: Disk,
    /// The disk as it was when the script copied it, and whose life it held.
    copy: Option<(Disk, Incarnation)>,
    wal: Wal,
    /// Whether writes wait until the script syncs them.
    pub(crate) manual: bool,
    /// Writes that the disk was given and has not finished.
    unsynced: VecDeque<Write>,
}

impl Cluster {
    /// A cluster in which everybody knows the first lives of all, or nobody does.
    pub(crate) fn new(size: u64, knows_lives: bool, timing: Timing, limits: Limits) -> Self {
        let founder = |id| match knows_lives {
            true => member(NodeId(id)),
            false => Member { incarnation: Incarnation::UNKNOWN, ..member(NodeId(id)) },
        };
        let members: Vec<Member> = (1..=size).map(founder).collect();
        let mut cluster = Self {
            now: Instant(0),
            nodes: BTreeMap::new(),
            in_flight: Vec::new(),
            held: Vec::new(),
            cut: BTreeSet::new(),
            stepped: BTreeSet::new(),
            requests: BTreeMap::new(),
            timing,
            limits,
            trace: Vec::new(),
        };
        for id in (1..=size).map(NodeId) {
            cluster.start(id, members.clone(), Instant(0));
        }
        cluster
    }

    /// Starts a node that was not there at the founding: it waits to be added.
    pub(crate) fn join(&mut self, id: NodeId) {
        self.start(id, Vec::new(), self.now);
    }

    fn start(&mut self, id: NodeId, members: Vec<Member>, now: Instant) {
        let config = Config {
            id,
            cluster: CLUSTER,
            incarnation: member(id).incarnation,
            members,
            seed: id.0,
            timing: self.timing.clone(),
            limits: self.limits.clone(),
        };
        self.nodes.insert(id, Node::start(config, Disk::default(), now));
    }

    /// The lines of trace since the last call.
    pub(crate) fn take_trace(&mut self) -> Vec<String> {
        std::mem::take(&mut self.trace)
    }

    pub(crate) fn say(&mut self, line: String) {
        self.trace.push(line);
    }

    pub(crate) fn node(&mut self, id: NodeId) -> Result<&mut Node, String> {
        self.nodes.get_mut(&id).ok_or_else(|| format!("there is no node {id}"))
    }

    pub(crate) fn replica(&mut self, id: NodeId) -> Result<&mut Replica, String> {
        self.node(id)?.replica.as_mut().ok_or_else(|| format!("node {id} is down"))
    }

    /// Replaces a node that has done nothing yet by one that starts with `write` on its disk.
    pub(crate) fn begin_with(&mut self, id: NodeId, write: &Write) -> Result<(), String> {
        let node = self.node(id)?;
        node.disk.carry_out(node.wal.append(write));
        *node = Node::start(node.config.clone(), std::mem::take(&mut node.disk), Instant(0));
        Ok(())
    }

    /// Hands an input to a node. What comes of it waits for [`Cluster::settle`].
    pub(crate) fn step(&mut self, id: NodeId, input: Input) -> Result<(), String> {
        let now = self.now;
        self.replica(id)?.step(now, input);
        self.stepped.insert(id);
        Ok(())
    }

    /// Asks a node something, as a client.
    pub(crate) fn ask(&mut self, id: NodeId, request: Request) -> Result<(), String> {
        let ticket = Ticket(self.requests.len() as u64 + 1);
        self.requests.insert(ticket, show::request(&request));
        self.step(id, Input::Client { ticket, request })
    }

    /// Carries out what follows from all steps so far: messages fly, automatic disks finish at once.
    pub(crate) fn settle(&mut self) -> Result<(), String> {
        while let Some(id) = self.stepped.pop_first() {
            let Effects { write, send, reply, events, .. } = self.replica(id)?.effects();
            for event in events {
                self.say(format!("n{id} {event}"));
            }
            self.send(id, send);
            for (ticket, response) in reply {
                let asked = &self.requests[&ticket];
                let line = format!("n{id} answers {asked}: {}", show::response(&response));
                self.say(line);
            }
            let Some(write) = write else { continue };
            let (seq, shown) = (write.seq, show::write(&write));
            let node = self.node(id)?;
            node.unsynced.push_back(write);
            if node.manual {
                self.say(format!("n{id} writes #{seq}: {shown}"));
            } else {
                node.sync(1);
                self.step(id, Input::Persisted(seq))?;
            }
        }
        Ok(())
    }

    /// Messages fly, and are lost where the network is cut. Said once if several get the same.
    fn send(&mut self, from: NodeId, envelopes: Vec<Envelope>) {
        let mut lines: Vec<(String, bool, String)> = Vec::new();
        for envelope in envelopes {
            let (to, text) = (envelope.to, show::body(&envelope.body));
            let arrives = !self.cut.contains(&(from, to));
            if arrives {
                self.in_flight.push(envelope);
            }
            let to = format!("n{to}");
            match lines.iter_mut().find(|(to_all, a, t)| {
                (*a, t) == (arrives, &text) && !to_all.split(' ').any(|known| known == to)
            }) {
                Some((receivers, ..)) => *receivers += &format!(" {to}"),
                None => lines.push((to, arrives, text)),
            }
        }
        for (receivers, arrives, text) in lines {
            let arrow = if arrives { "->" } else { "-x" };
            self.say(format!("n{from} {arrow} {receivers}: {text}"));
        }
    }

    /// Delivers messages, to each node all of its own at once (the driver contract's first rule).
    pub(crate) fn deliver(&mut self, envelopes: Vec<Envelope>) -> Result<(), String> {
        for envelope in envelopes {
            let (from, to) = (envelope.from, envelope.to);
            if self.cut.contains(&(from, to)) || self.node(to)?.replica.is_none() {
                continue;
            }
            self.step(to, Input::Peer(envelope))?;
        }
        self.settle()
    }

    /// Delivers until nobody has anything to say.
    pub(crate) fn stabilize(&mut self) -> Result<(), String> {
        for _ in 0..ROUNDS_MAX {
            if self.in_flight.is_empty() {
                return Ok(());
            }
            let envelopes = std::mem::take(&mut self.in_flight);
            self.deliver(envelopes)?;
        }
        Err(format!("after {ROUNDS_MAX} rounds the cluster is still talking"))
    }

    /// The disk of a node finishes the oldest of its writes. If that is not `reported`, the node does
    /// not learn of it.
    pub(crate) fn sync(&mut self, id: NodeId, writes: usize, reported: bool) -> Result<(), String> {
        let Some(seq) = self.node(id)?.sync(writes) else {
            return Err(format!("node {id} has no write under way"));
        };
        self.say(format!("n{id} synced #{seq}"));
        if !reported {
            return Ok(());
        }
        self.step(id, Input::Persisted(seq))
    }

    /// Power off: what was not synced is gone.
    pub(crate) fn crash(&mut self, id: NodeId) -> Result<(), String> {
        let node = self.node(id)?;
        let lost: Vec<String> = node.unsynced.drain(..).map(|w| format!("#{}", w.seq)).collect();
        if node.replica.take().is_none() {
            return Err(format!("node {id} is down already"));
        }
        if !lost.is_empty() {
            self.say(format!("n{id} loses {}", lost.join(" ")));
        }
        Ok(())
    }

    /// A node that is down loses its data directory: it will start in a new life. One that notices knows
    /// that it cannot be one of the founders.
    pub(crate) fn wipe(&mut self, id: NodeId, notices: bool) -> Result<(), String> {
        let node = self.node(id)?;
        if node.replica.is_some() {
            return Err(format!("node {id} is up"));
        }
        node.disk = Disk::default();
        node.config.incarnation.0 += 100;
        if notices {
            node.config.members.clear();
        }
        Ok(())
    }

    /// The disk of a node is copied, or the copy is put back into a node that is down.
    pub(crate) fn copy(&mut self, id: NodeId, put_back: bool) -> Result<(), String> {
        let node = self.node(id)?;
        match put_back {
            false => node.copy = Some((node.disk.clone(), node.config.incarnation)),
            true if node.replica.is_some() => return Err(format!("node {id} is up")),
            true => {
                (node.disk, node.config.incarnation) =
                    node.copy.take().ok_or("there is no copy")?;
            }
        }
        Ok(())
    }

    /// Power on.
    pub(crate) fn restart(&mut self, id: NodeId) -> Result<(), String> {
        let now = self.now;
        let node = self.node(id)?;
        if node.replica.is_some() {
            return Err(format!("node {id} is up"));
        }
        let durable = node.disk.durable()?;
        let shown = show::durable(&durable);
        let life = node.config.incarnation;
        node.wal = node.disk.wal(id, life, SEGMENT_BYTES).map_err(|damage| damage.to_string())?;
        // No two starts of any two nodes have the same seed.
        node.config.seed += 1_000;
        node.replica = Some(Replica::restore(node.config.clone(), durable, now));
        self.say(format!("n{id} restarts with {shown}"));
        Ok(())
    }
}

impl Node {
    fn start(config: Config, disk: Disk, now: Instant) -> Self {
        let durable = disk.durable().expect("a script's disk is not damaged");
        let wal = disk.wal(config.id, config.incarnation, SEGMENT_BYTES);
        let wal = wal.expect("a script's disk is not damaged");
        let replica = Some(Replica::restore(config.clone(), durable, now));
        let unsynced = VecDeque::new();
        Self { config, replica, disk, copy: None, wal, manual: false, unsynced }
    }

    /// A node that is up.
    pub(crate) fn up(&self) -> Option<&Replica> {
        self.replica.as_ref()
    }

    fn sync(&mut self, writes: usize) -> Option<raft_core::id::WriteSeq> {
        let count = writes.min(self.unsynced.len());
        let mut newest = None;
        for write in self.unsynced.drain(..count) {
            self.disk.carry_out(self.wal.append(&write));
            newest = Some(write.seq);
        }
        self.wal.synced();
        newest
    }
}

/// A node in its first life.
pub(crate) fn member(id: NodeId) -> Member {
    Member { id, address: format!("n{id}:8000"), incarnation: Incarnation(id.0) }
}
