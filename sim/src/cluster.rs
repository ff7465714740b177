//! The machine that plays a run: nodes, the queue of what will happen, and the clock.

#[cfg(test)]
mod asked;
mod atlas;
mod calm;
mod commands;
mod counters;
mod lives;
mod machines;
mod messages;
mod operator;
mod sightings;
mod steps;
mod verdict;

pub use counters::Counters;

use crate::checker::{Broken, Check, Checker, Property, Violation, frames};
use crate::clock::Clocks;
use crate::cluster::calm::Calm;
use crate::cluster::operator::Operator;
use crate::cluster::sightings::Sightings;
use crate::disk::{Disk, Owner};
use crate::faults::{self, Command};
use crate::linearizability::Operation;
use crate::linearizability::certificate::Effect;
use crate::network::{Cargo, Flight, Network, Place};
use crate::node::Node;
use crate::options::Options;
use crate::pieces::Pieces;
use crate::queue::{Event, Key, Queue};
use crate::random::{Purpose, Random};
use crate::sometimes::{Point, Sometimes};
use crate::trace::Trace;
use crate::watch::Watch;
use crate::workload::{Act, Answered, Asking, Workload};
use raft_core::id::{ClusterId, Incarnation, NodeId};
use raft_core::raft::membership::{Configuration, Member, Refusal};
use raft_core::replica::Input;
use raft_core::request::{Consistency, Request};
use raft_core::time::Instant;
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
    operator: Operator,
    client_timers: Vec<Option<Key>>,
    clocks: Clocks,
    watch: Watch,
    checker: Checker,
    trace: Trace,
    /// What the nodes show, if anybody wants to see it.
    sightings: Option<Sightings>,
    counters: Counters,
    /// A node has said that too few remember.
    is_loss_told: bool,
    /// Events at the present moment.
    events_now: u64,
    /// Everything is healed; the run ends when the cluster is well.
    ending: bool,
    /// It is well.
    calm: Option<Calm>,
    over: bool,
    violation: Option<Violation>,
}

impl Sim {
    /// A cluster whose nodes start for the first time, and everything that its options have planned.
    pub fn new(options: Options) -> Self {
        let plan = faults::plan(&options);
        Self::with_commands(options, plan)
    }

    /// The same, but what happens to the cluster is these commands, in the order of time.
    pub fn with_commands(
        options: Options,
        commands: impl IntoIterator<Item = (Instant, Command)>,
    ) -> Self {
        let seed = options.seed;
        let member = |id: u64| Member {
            id: NodeId(id),
            address: address(NodeId(id)),
            incarnation: if options.known_lives { Incarnation(id) } else { Incarnation::UNKNOWN },
        };
        let members: Vec<Member> = (1..=options.nodes).map(member).collect();
        let mut clocks = Clocks::new(options.clock_skew_ppm, seed);
        let node = |id: u64| {
            let owner = Owner {
                cluster: cluster_id(&members),
                node: NodeId(id),
                incarnation: Incarnation(id),
                segment_bytes: options.disk.segment_bytes,
            };
            let disk = Disk::new(owner, id <= options.nodes);
            Node::new(NodeId(id), disk, clocks.clock())
        };
        let nodes: Vec<Node> = (1..=options.nodes + options.spares).map(node).collect();
        let workload = Workload::new(&options);
        let mut checker = Checker::new(Configuration::founding(&members), options.limits.clone());
        nodes.iter().for_each(|node| checker.wiped(node.id, node.life()));
        let mut sim = Self {
            watch: Watch::new(nodes.len(), options.limits.clone(), &options.timing),
            checker,
            nodes,
            clocks,
            network: Network::new(options.network.clone(), seed),
            client_timers: vec![None; workload.len()],
            operator: Operator::default(),
            workload,
            random: Random::new(seed, Purpose::Schedule),
            disk_random: Random::new(seed, Purpose::Disk),
            members,
            options,
            now: Instant(0),
            queue: Queue::default(),
            trace: Trace::new(),
            sightings: None,
            counters: Counters::default(),
            is_loss_told: false,
            events_now: 0,
            ending: false,
            calm: None,
            over: false,
            violation: None,
        };
        sim.begin(commands);
        sim
    }

    fn begin(&mut self, commands: impl IntoIterator<Item = (Instant, Command)>) {
        let runs = if self.options.spares_run { self.nodes.len() } else { self.members.len() };
        for place in 0..runs {
            let check = self.start(place);
            self.settle(check);
        }
        for client in 1..self.workload.len() {
            self.client_at(client, self.now);
        }
        let mut ends = false;
        for (time, command) in commands {
            ends |= command == Command::EndFaults;
            self.queue.at(time, Event::Command(Box::new(command)));
        }
        // A run with faults has an end, whatever was left out of its plan.
        if let Some(faults) = self.options.faults.as_ref().filter(|_| !ends) {
            let end = Instant(0) + faults.lasting;
            self.queue.at(end, Event::Command(Box::new(Command::EndFaults)));
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
        self.show_quiet(time);
        self.events_now = if time == self.now { self.events_now + 1 } else { 0 };
        self.now = time;
        self.counters.events += 1;
        self.counters.simulated_us = time.0;
        let check = self.happen(event).and_then(|()| self.look_for_the_end());
        self.settle(check);
        true
    }

    /// Lets everything happen up to `time`, and moves the clock there.
    pub fn run_until(&mut self, time: Instant) {
        while self.next_event_at().is_some_and(|at| at <= time) {
            self.step();
        }
        self.show_quiet(time);
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

    /// The message that the next event brings, if it brings one.
    pub fn next_flight(&self) -> Option<&Flight> {
        if self.over { None } else { self.queue.next_flight() }
    }

    /// Every message under way, in the order of arrival, and then those that are held.
    pub fn flights(&self) -> impl Iterator<Item = &Flight> {
        self.queue.flights().chain(self.network.held())
    }

    /// Whether the link carries nothing in this direction.
    pub fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.network.is_cut(Place::Node(from), Place::Node(to))
    }

    /// How much longer than others the link takes in this direction, and how many messages in a million it
    /// loses, as far as commands say.
    pub fn trouble(&self, from: NodeId, to: NodeId) -> (Duration, u32) {
        self.network.trouble(Place::Node(from), Place::Node(to))
    }

    /// How much longer than usual every message takes, and how many in a million are lost, as far as commands
    /// say of all links alike.
    pub fn trouble_of_all(&self) -> (Duration, u32) {
        self.network.trouble_of_all()
    }

    /// Whether lines of trace are kept for [`Sim::trace`]. They are not at first.
    pub fn keep_trace(&mut self, keep: bool) {
        self.trace.keep(keep);
    }

    /// What happened.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// What happened, for a reader who takes lines away.
    pub fn trace_mut(&mut self) -> &mut Trace {
        &mut self.trace
    }

    /// The fingerprint of everything that happened so far.
    pub fn trace_hash(&self) -> u64 {
        self.trace.hash()
    }

    /// What it has come to.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How often it has come to each of the points that a long batch must come to.
    pub fn sometimes(&self) -> &Sometimes {
        &self.watch.sometimes
    }

    /// The property that does not hold, if one does not. The run is over then.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// What clients did, in the order of asking.
    pub fn history(&self) -> &Pieces<Operation> {
        self.workload.history()
    }

    /// What the client that does what commands say is about, if it is about anything.
    pub fn asking(&self) -> Option<Asking> {
        self.workload.asking()
    }

    /// Why the leader refused the change or the transfer that it was asked for last, if it did.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.operator.refusal.as_ref()
    }

    /// Every write that took effect, in the order of the log.
    pub fn effects(&self) -> &Pieces<Effect> {
        self.checker.effects()
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
                let act =
                    self.workload.act(client, self.now, &self.nodes, &mut self.watch.sometimes);
                self.act(client, act)
            }
            Event::Command(command) => self.carry_out(*command),
            Event::Verdict => self.verdict(),
        }
    }

    fn arrive(&mut self, flight: Flight) -> Check {
        let Flight { from, to, lost, .. } = flight;
        let is_down = match to {
            Place::Node(node) => !self.nodes[self.place(node)].is_up(),
            Place::Client(_) => false,
        };
        let cut = self.network.is_cut(from, to);
        // Whoever asked for changes asks no more when everything is healed.
        let unwanted = self.is_operator(from) && !self.is_wanted_still(&flight.cargo);
        if lost || is_down || cut || unwanted {
            let one_way = cut && !self.network.is_cut(to, from);
            self.watch.missed(&flight, is_down, cut, one_way);
            let Flight { cargo, .. } = flight;
            self.trace.line(self.now, Some(to), format_args!("misses from {from}: {cargo}"));
            self.counters.lost += 1;
            return Ok(());
        }
        if let (Place::Node(from), Place::Node(to)) = (from, to)
            && self.is_older_copy(from, to, flight.start)
        {
            return self.begin_anew(from);
        }
        self.watch.arrives(&self.nodes, &flight);
        if let Cargo::Request { ticket, request: Request::Read { consistency, .. } } = &flight.cargo
            && *consistency == Consistency::Linearizable
        {
            self.checker.asked(*ticket);
        }
        let Flight { cargo, .. } = flight;
        self.trace.line(self.now, Some(to), format_args!("hears from {from}: {cargo}"));
        match (to, cargo) {
            (Place::Node(node), Cargo::Peer(envelope)) => self.deliver(node, Input::Peer(envelope)),
            (Place::Node(node), Cargo::Request { ticket, request }) => {
                self.deliver(node, Input::Client { ticket, request })
            }
            (Place::Client(client), Cargo::Response { response, .. })
                if client == self.workload.operator() =>
            {
                self.operator_hears(&response);
                Ok(())
            }
            (Place::Client(client), Cargo::Response { ticket, response }) => {
                let client = client as usize;
                let answer = self.workload.answer(client, self.now, ticket, &response);
                let answer =
                    answer.map_err(|facts| Broken { property: Property::ExactlyOnce, facts })?;
                let Some(Answered { act, ended }) = answer else { return Ok(()) };
                if let Some((operation, newest)) = ended {
                    self.checker.answered(&self.workload.history()[operation], newest)?;
                    self.check_history_so_far()?;
                }
                self.act(client, act)
            }
            (Place::Node(_), Cargo::Response { .. }) | (Place::Client(_), _) => {
                unreachable!("clients ask and nodes answer")
            }
        }
    }

    fn send(&mut self, from: Place, to: Place, cargo: Cargo) -> Check {
        let cargo = match cargo {
            Cargo::Peer(envelope) if self.options.network.frames => {
                Cargo::Peer(frames::decode_sent(&envelope, &frames::encode(&envelope))?)
            }
            cargo => cargo,
        };
        let start = match from {
            Place::Node(node) => self.nodes[self.place(node)].starts,
            Place::Client(_) => 0,
        };
        let (flight, copy) = self.network.send(self.now, (from, start), to, cargo);
        self.watch.sometimes.hit_if(copy.is_some() && !flight.lost, Point::Duplicate);
        for flight in std::iter::once(flight).chain(copy) {
            self.counters.messages += 1;
            self.queue.at(flight.arrives_at, Event::Arrive(flight));
        }
        Ok(())
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

fn address(node: NodeId) -> String {
    format!("node-{node}:8000")
}

fn cluster_id(members: &[Member]) -> ClusterId {
    let addresses: Vec<&str> = members.iter().map(|member| member.address.as_str()).collect();
    ClusterId::of(&addresses)
}
