//! The machine that plays a run: nodes, the queue of what will happen, and the clock.

mod commands;
mod counters;
mod verdict;

pub use counters::Counters;

use crate::checker::{Broken, Check, Checker, Property, View, Violation};
use crate::disk::{Disk, Owner};
use crate::faults::{self, Command};
use crate::linearizability::Operation;
use crate::network::{Cargo, Flight, Network, Place};
use crate::node::Node;
use crate::options::Options;
use crate::queue::{Event, Key, Queue};
use crate::random::{Purpose, Random, mix};
use crate::trace::Trace;
use crate::workload::{Act, Workload};
use raft_core::config::Config;
use raft_core::id::{ClusterId, Incarnation, NodeId};
use raft_core::raft::event::Event as Happening;
use raft_core::raft::membership::Member;
use raft_core::replica::{Effects, Input, Replica};
use raft_core::time::Instant;
use raft_core::wire::Frame;
use std::time::Duration;

/// Most events at one moment: beyond it, nodes keep each other or themselves busy without end.
const EVENTS_AT_ONCE_MAX: u64 = 100_000;

/// A cluster at one moment of a run. A clone goes on as the original would.
#[derive(Clone, Debug)]
pub struct Sim {
    options: Options,
    members: Vec<Member>,
    now: Instant,
    queue: Queue,
    /// Decides when nodes turn to their inputs, and how many they take.
    random: Random,
    nodes: Vec<Node>,
    disk_random: Random,
    network: Network,
    workload: Workload,
    client_timers: Vec<Option<Key>>,
    checker: Checker,
    trace: Trace,
    counters: Counters,
    /// Events at the present moment.
    events_now: u64,
    /// Everything is healed; the run ends when the cluster is well.
    ending: bool,
    over: bool,
    violation: Option<Violation>,
}

impl Sim {
    /// A cluster whose nodes start for the first time.
    pub fn new(options: Options) -> Self {
        let seed = options.seed;
        let member = |id: u64| Member {
            id: NodeId(id),
            address: format!("node-{id}:8000"),
            incarnation: Incarnation::UNKNOWN,
        };
        let members: Vec<Member> = (1..=options.nodes).map(member).collect();
        let owner = |member: &Member| Owner {
            cluster: cluster_id(&members),
            node: member.id,
            incarnation: Incarnation(member.id.0),
            segment_bytes: options.disk.segment_bytes,
        };
        let nodes = members.iter().map(|member| Node::new(member.id, Disk::new(owner(member))));
        let workload = Workload::new(&options);
        let mut sim = Self {
            nodes: nodes.collect(),
            network: Network::new(options.network.clone(), seed),
            client_timers: vec![None; workload.len()],
            workload,
            random: Random::new(seed, Purpose::Schedule),
            disk_random: Random::new(seed, Purpose::Disk),
            members,
            options,
            now: Instant(0),
            queue: Queue::default(),
            checker: Checker::default(),
            trace: Trace::new(),
            counters: Counters::default(),
            events_now: 0,
            ending: false,
            over: false,
            violation: None,
        };
        sim.begin();
        sim
    }

    fn begin(&mut self) {
        for place in 0..self.nodes.len() {
            let check = self.start(place);
            self.settle(check);
        }
        for client in 1..self.workload.len() {
            self.client_at(client, self.now);
        }
        for (time, command) in faults::plan(&self.options) {
            self.queue.at(time, Event::Command(command));
        }
    }

    /// What the run is.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// When the next event happens; `None` if the run is over.
    pub fn next_event_at(&self) -> Option<Instant> {
        if self.over { None } else { self.queue.next_at() }
    }

    /// Lets one event happen. Returns false, and does nothing, if the run is over: a property was
    /// violated, or the cluster came well out of all its faults.
    pub fn step(&mut self) -> bool {
        if self.over {
            return false;
        }
        let Some((time, event)) = self.queue.pop() else { return false };
        self.events_now = if time == self.now { self.events_now + 1 } else { 0 };
        self.now = time;
        self.counters.events += 1;
        let check = self.happen(event).and_then(|()| self.look_for_the_end());
        self.settle(check);
        true
    }

    /// Lets everything happen up to `time`, and moves the clock there.
    pub fn run_until(&mut self, time: Instant) {
        while self.next_event_at().is_some_and(|at| at <= time) {
            self.step();
        }
        self.now = self.now.max(time);
    }

    /// Does something to the cluster, now.
    pub fn command(&mut self, command: Command) {
        if !self.over {
            let check = self.carry_out(command);
            self.settle(check);
        }
    }

    /// Every node, in order.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter()
    }

    /// Every message under way, in the order of arrival.
    pub fn flights(&self) -> impl Iterator<Item = &Flight> {
        self.queue.flights()
    }

    /// Whether the link carries nothing in this direction.
    pub fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.network.is_cut(Place::Node(from), Place::Node(to))
    }

    /// Whether lines of trace are kept for [`Sim::trace`]. They are not at first.
    pub fn keep_trace(&mut self, keep: bool) {
        self.trace.keep(keep);
    }

    /// What happened.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The fingerprint of everything that happened so far.
    pub fn trace_hash(&self) -> u64 {
        self.trace.hash()
    }

    /// What it has come to.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The property that does not hold, if one does not. The run is over then.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// What clients did, in the order of asking.
    pub fn history(&self) -> &[Operation] {
        self.workload.history()
    }

    fn happen(&mut self, event: Event) -> Check {
        match event {
            Event::Arrive(flight) => self.arrive(*flight),
            Event::Run(node) => {
                let place = self.place(node);
                self.nodes[place].run = None;
                self.run(place, false)
            }
            Event::Wake(node) => {
                let place = self.place(node);
                self.nodes[place].wake = None;
                self.run(place, true)
            }
            Event::Synced(node) => self.finish_sync(self.place(node)),
            Event::Client(client) => {
                self.client_timers[client] = None;
                let act = self.workload.act(client, self.now, &self.nodes);
                self.act(client, act)
            }
            Event::Command(command) => self.carry_out(command),
            Event::Verdict => self.verdict(),
        }
    }

    fn arrive(&mut self, flight: Flight) -> Check {
        let Flight { from, to, cargo, lost, .. } = flight;
        let is_down = match to {
            Place::Node(node) => !self.nodes[self.place(node)].is_up(),
            Place::Client(_) => false,
        };
        if lost || is_down || self.network.is_cut(from, to) {
            self.trace.line(self.now, Some(to), format_args!("misses from {from}: {cargo}"));
            self.counters.lost += 1;
            return Ok(());
        }
        self.trace.line(self.now, Some(to), format_args!("hears from {from}: {cargo}"));
        match (to, cargo) {
            (Place::Node(node), Cargo::Peer(envelope)) => self.deliver(node, Input::Peer(envelope)),
            (Place::Node(node), Cargo::Request { ticket, request }) => {
                self.deliver(node, Input::Client { ticket, request })
            }
            (Place::Client(client), Cargo::Response { ticket, response }) => {
                let client = client as usize;
                match self.workload.answer(client, self.now, ticket, &response) {
                    Ok(Some(act)) => self.act(client, act),
                    Ok(None) => Ok(()),
                    Err(facts) => Err(Broken { property: Property::ExactlyOnce, facts }),
                }
            }
            (Place::Node(_), Cargo::Response { .. }) | (Place::Client(_), _) => {
                unreachable!("clients ask and nodes answer")
            }
        }
    }

    /// Gives a node an input. It takes it in at once, or after some work that gathers more.
    fn deliver(&mut self, node: NodeId, input: Input) -> Check {
        let place = self.place(node);
        if !self.nodes[place].receive(input) {
            self.counters.lost += 1;
        }
        if self.nodes[place].run.is_some() || self.nodes[place].paused {
            return Ok(());
        }
        if self.options.work_max.is_zero() {
            return self.run(place, false);
        }
        self.run_soon(place);
        Ok(())
    }

    fn run_soon(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        if node.run.is_none() {
            let work = self.random.duration(Duration::ZERO, self.options.work_max);
            node.run = Some(self.queue.at(self.now + work, Event::Run(node.id)));
        }
    }

    /// A node takes in what has arrived, and then its deadline if that has come.
    fn run(&mut self, place: usize, wake: bool) -> Check {
        let node = &mut self.nodes[place];
        if node.paused {
            return Ok(());
        }
        let waiting = node.waiting();
        let count = match !wake && self.random.chance(self.options.part_ppm) {
            true => self.random.between(1, waiting.max(1) as u64) as usize,
            false => waiting,
        };
        let Some(effects) = node.work(self.now, count.min(waiting), wake) else { return Ok(()) };
        if node.waiting() > 0 {
            self.run_soon(place);
        }
        self.follow(place, effects)
    }

    /// Carries out what a node wants done, under the eyes of the checker.
    fn follow(&mut self, place: usize, effects: Effects) -> Check {
        let Some(replica) = &self.nodes[place].replica else { return Ok(()) };
        let id = self.nodes[place].id;
        for event in &effects.events {
            self.trace.line(self.now, Some(Place::Node(id)), format_args!("{event}"));
            match event {
                Happening::BecameLeader { .. } => self.counters.elections += 1,
                Happening::SnapshotTaken { .. } => self.counters.snapshots_taken += 1,
                Happening::SnapshotInstalled { .. } => self.counters.snapshots_installed += 1,
                _ => {}
            }
        }
        self.checker.stepped(&View::of(replica), &effects)?;
        self.counters.commits = self.checker.committed();
        if let Some(write) = effects.write {
            self.nodes[place].disk.write(write);
            self.begin_sync(place);
        }
        for envelope in effects.send {
            let to = Place::Node(envelope.to);
            self.send(Place::Node(id), to, Cargo::Peer(envelope))?;
        }
        for (ticket, response) in effects.reply {
            let client = Place::Client(self.workload.asker(ticket));
            self.send(Place::Node(id), client, Cargo::Response { ticket, response })?;
        }
        self.set_alarm(place);
        Ok(())
    }

    fn send(&mut self, from: Place, to: Place, cargo: Cargo) -> Check {
        let cargo = match cargo {
            Cargo::Peer(envelope) if self.options.network.frames => {
                let frame = Frame::Peer(vec![envelope]);
                match Frame::decode(&frame.encode()) {
                    Ok(Frame::Peer(mut decoded)) if frame == Frame::Peer(decoded.clone()) => {
                        Cargo::Peer(decoded.remove(0))
                    }
                    other => {
                        let facts = format!("{frame:?} comes back as {other:?}");
                        return Err(Broken { property: Property::Frames, facts });
                    }
                }
            }
            cargo => cargo,
        };
        let (flight, copy) = self.network.send(self.now, from, to, cargo);
        for flight in std::iter::once(flight).chain(copy) {
            self.counters.messages += 1;
            self.queue.at(flight.arrives_at, Event::Arrive(Box::new(flight)));
        }
        Ok(())
    }

    /// Sets a node's alarm to its deadline.
    fn set_alarm(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        let Some(replica) = &node.replica else { return };
        let deadline = replica.deadline();
        if node.wake.is_some_and(|(set, _)| set == deadline) {
            return;
        }
        self.queue.cancel(node.wake.take().map(|(_, key)| key));
        if deadline != Instant::MAX {
            let late = self.random.duration(Duration::ZERO, self.options.work_max);
            let key = self.queue.at(deadline.max(self.now) + late, Event::Wake(node.id));
            node.wake = Some((deadline, key));
        }
    }

    fn begin_sync(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        if node.disk.begin_sync() {
            let disk = &self.options.disk;
            let usual = self.disk_random.duration(disk.sync_min, disk.sync_max);
            let ends_at = self.now + node.slow_sync.unwrap_or(usual);
            node.synced = Some(self.queue.at(ends_at, Event::Synced(node.id)));
        }
    }

    fn finish_sync(&mut self, place: usize) -> Check {
        let node = &mut self.nodes[place];
        node.synced = None;
        let seq = node.disk.finish_sync();
        let id = node.id;
        self.counters.syncs += 1;
        self.trace.line(
            self.now,
            Some(Place::Node(id)),
            format_args!("has write {seq} on its disk"),
        );
        self.checker.synced(id, seq)?;
        self.begin_sync(place);
        self.deliver(id, Input::Persisted(seq))
    }

    fn act(&mut self, client: usize, act: Act) -> Check {
        self.counters.operations = self.workload.history().len() as u64;
        if let Some(at) = act.again_at {
            self.client_at(client, at);
        }
        match act.send {
            Some((node, ticket, request)) => {
                let from = Place::Client(client as u64);
                self.send(from, Place::Node(node), Cargo::Request { ticket, request })
            }
            None => Ok(()),
        }
    }

    fn client_at(&mut self, client: usize, time: Instant) {
        self.queue.cancel(self.client_timers[client].take());
        self.client_timers[client] = Some(self.queue.at(time, Event::Client(client)));
    }

    /// Starts a node that is down, from its disk.
    fn start(&mut self, place: usize) -> Check {
        let node = &mut self.nodes[place];
        let recovered = node.disk.start().map_err(|damage| Broken {
            property: Property::Durability,
            facts: format!("after a crash, node {} cannot start: {damage}", node.id),
        })?;
        self.counters.torn_tails += u64::from(recovered.torn);
        self.checker.started(node.id, &recovered.durable)?;
        node.lives += 1;
        let config = Config {
            id: node.id,
            cluster: cluster_id(&self.members),
            incarnation: Incarnation(node.id.0),
            members: self.members.clone(),
            seed: mix(self.options.seed ^ mix(node.id.0) ^ mix(node.lives << 32)),
            timing: self.options.timing.clone(),
            limits: self.options.limits.clone(),
        };
        let replica = Replica::restore(config, recovered.durable, self.now);
        let (term, last) = (replica.raft().term(), replica.raft().log().last());
        self.trace.line(
            self.now,
            Some(Place::Node(node.id)),
            format_args!("starts in term {term} with a log up to {last}"),
        );
        node.replica = Some(replica);
        self.run(place, false)
    }

    /// A violation ends the run.
    fn settle(&mut self, check: Check) {
        let check = check.and_then(|()| match self.events_now < EVENTS_AT_ONCE_MAX {
            true => Ok(()),
            false => Err(Broken {
                property: Property::Liveness,
                facts: format!("{EVENTS_AT_ONCE_MAX} events at one moment, and no end"),
            }),
        });
        let Err(Broken { property, facts }) = check else { return };
        let (at, event, seed) = (self.now, self.counters.events, self.options.seed);
        let violation = Violation { property, at, event, seed, facts };
        self.trace.line(at, None, format_args!("{violation}"));
        self.violation = Some(violation);
        self.over = true;
    }

    fn place(&self, node: NodeId) -> usize {
        node.0 as usize - 1
    }
}

fn cluster_id(members: &[Member]) -> ClusterId {
    let addresses: Vec<&str> = members.iter().map(|member| member.address.as_str()).collect();
    ClusterId::of(&addresses)
}
