//! Looking at a run: from a simulation at one moment to a scene.

pub mod checks;
mod client;
pub mod inside;
mod menu;
pub(crate) mod message;
pub mod timeline;

use crate::layout::{Layout, Point};
use crate::run::Run;
use crate::scene::inside::Picked;
use crate::scene::menu::Menu;
use crate::scene::timeline::Window;
use crate::scene::{
    Ballot, BallotState, Cell, Link, Logs, Machine, Node, Role, Scene, Side, Standing, Trouble,
};
use crate::story;
pub(crate) use client::asks;
use raft_core::id::{Index, NodeId, Term};
use raft_core::kv::command::{Command, Write};
use raft_core::raft::membership::Configuration;
use raft_core::raft::message::{Body, Entry, Payload};
use raft_core::raft::{self, Raft};
use raft_core::replica::{Envelope, PeerBody, Replica};
use raft_core::text;
use raft_core::time::Instant;
use raft_core::wal::Durable;
use raft_sim::{Cargo, Flight, Place, Sim};
use std::time::Duration;

/// How a visitor looks at a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// What is picked.
    pub picked: Option<Picked>,
    /// Whether the screen is narrow.
    pub narrow: bool,
    /// How many times as high as wide the stage's frame is.
    pub aspect: f64,
    /// Whether messages stand still half-way, for visitors who want less motion.
    pub still: bool,
    /// Whether time runs too fast to follow single messages.
    pub fast: bool,
    /// The stretch of time on the timeline.
    pub window: Window,
}

/// How many times as high as wide the stage is where nothing says otherwise.
pub const ASPECT: f64 = 0.7;

impl View {
    /// In a wide frame, with nothing picked.
    pub const fn of(window: Window) -> Self {
        let (picked, narrow, still, fast) = (None, false, false, false);
        Self { picked, narrow, aspect: ASPECT, still, fast, window }
    }

    pub(crate) fn has_picked(&self, node: NodeId) -> bool {
        match self.picked {
            Some(Picked::Node(picked)) => picked == node,
            Some(Picked::Group(group)) => group.has(node),
            _ => false,
        }
    }

    pub(crate) fn log_columns(&self) -> u64 {
        if self.narrow { 6 } else { 10 }
    }
}

/// The most happenings shown: what one cares to scroll through.
pub(crate) const STORY_MAX: usize = 120;

/// What there is to see of a run at its moment.
pub fn scene(run: &Run, view: &View) -> Scene {
    let sim = run.sim();
    let stage = Stage::new(started(sim).map(raft_sim::Node::id).collect(), view);
    let nodes: Vec<Node> = started(sim).map(|node| self::node(run, view, &stage, node)).collect();
    // Too fast for single messages, only those are shown that stand still.
    let shown = sim.flights().filter(|flight| !view.fast || flight.held);
    let messages = shown.filter_map(|flight| message::message(sim, view, &stage, flight)).collect();
    let story = run.record().happenings_before(run.steps());
    let mut scene = Scene {
        now: sim.now(),
        links: links(sim, view, &stage),
        everywhere: trouble(sim.trouble_of_all()),
        sides: sides(sim),
        messages,
        fast: view.fast,
        logs: logs(run, view, &nodes),
        requests: client::requests(sim),
        group: match view.picked {
            Some(Picked::Group(group)) => Some(group),
            _ => None,
        },
        menu: Menu::default(),
        tries: Menu::default(),
        story: story.take(STORY_MAX).cloned().collect(),
        violation: sim.violation().map(|violation| {
            format!(
                "{} does not hold any more: {}",
                violation.property,
                // How every node stands is there to be seen.
                story::in_words(violation.facts.split(": node ").next().unwrap_or_default())
            )
        }),
        over: run.next_at().is_none(),
        events: sim.counters().events,
        trace_hash: sim.trace_hash(),
        nodes,
        layout: stage.layout,
    };
    scene.menu = menu::picked(run, &scene, view.picked);
    scene.tries = menu::tries(run, &scene);
    scene
}

/// The nodes that were ever started: the others are nobody yet.
fn started(sim: &Sim) -> impl Iterator<Item = &raft_sim::Node> {
    sim.nodes().filter(|node| node.has_started())
}

/// The members as the node sees them that knows best: the leader of the latest term, or who was last led.
fn configuration(sim: &Sim) -> Option<&Configuration> {
    let running = sim.nodes().filter_map(raft_sim::Node::replica).map(Replica::raft);
    let best = latest_leader(sim).map(Replica::raft);
    best.or_else(|| running.max_by_key(|raft| (raft.term(), raft.log().last())))
        .map(Raft::configuration)
}

/// The leader of the latest term, if some node leads.
fn latest_leader(sim: &Sim) -> Option<&Replica> {
    let running = sim.nodes().filter_map(raft_sim::Node::replica);
    let leaders = running.filter(|replica| matches!(replica.raft().role(), raft::Role::Leader(_)));
    leaders.max_by_key(|replica| replica.raft().term())
}

fn standing(sim: &Sim, node: NodeId) -> Standing {
    match configuration(sim) {
        Some(members) if members.is_voter(node) => Standing::Voter,
        Some(members) if members.learners.contains_key(&node) => Standing::Learner,
        Some(_) => Standing::Outside,
        // With every node down nobody says; founders are known.
        None if node.0 <= sim.options().nodes => Standing::Voter,
        None => Standing::Outside,
    }
}

/// Who stands where.
pub(crate) struct Stage {
    pub(crate) layout: Layout,
    pub(crate) ids: Vec<NodeId>,
    places: Vec<Point>,
}

impl Stage {
    /// These nodes in a ring.
    pub(crate) fn new(ids: Vec<NodeId>, view: &View) -> Self {
        let layout = Layout::new(ids.len(), view.narrow, view.aspect);
        let places = (0..ids.len()).map(|place| layout.node(place)).collect();
        Self { layout, ids, places }
    }

    pub(crate) fn at(&self, node: NodeId) -> Point {
        let place = self.ids.iter().position(|id| *id == node);
        place.map_or_else(|| self.layout.center(), |place| self.places[place])
    }

    fn rim(&self, place: Place) -> (Point, f64) {
        match place {
            Place::Node(node) => (self.at(node), self.layout.radius),
            Place::Client(_) => (self.layout.client(), self.layout.client_radius()),
        }
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (NodeId, NodeId)> {
        let ids = &self.ids;
        (0..ids.len()).flat_map(move |a| (a + 1..ids.len()).map(move |b| (ids[a], ids[b])))
    }
}

fn node(run: &Run, view: &View, stage: &Stage, node: &raft_sim::Node) -> Node {
    let (sim, id) = (run.sim(), node.id());
    let place = stage.ids.iter().position(|other| *other == id).unwrap_or_default();
    let cut = |other: &NodeId| sim.is_cut(id, *other) || sim.is_cut(*other, id);
    let scene = Node {
        id,
        at: stage.places[place],
        outwards: stage.layout.outwards(place),
        role: Role::Down,
        term: Term(0),
        vote: None,
        leader: None,
        timer_us: None,
        timer: None,
        ballots: Vec::new(),
        majority: 0,
        last: Index(0),
        durable: Index(0),
        commit: Index(0),
        applied: Index(0),
        cut_from: stage.ids.iter().filter(|other| **other != id && cut(other)).copied().collect(),
        selected: view.has_picked(id),
        standing: standing(sim, id),
        machine: Machine {
            frozen: node.is_paused(),
            slow_disk: node.slow_sync().is_some(),
            full_disk: node.disk_is_full(),
            clock_ppm: match sim.options().clock_skew_ppm {
                0 => node.clock_rate_ppm(),
                // Where no clock is right, none is wrong.
                _ => 1_000_000,
            },
        },
    };
    let Some(replica) = node.replica() else {
        let state = run.on_disk(id).map(|disk| disk.hard_state).unwrap_or_default();
        return Node { term: state.term, vote: state.vote, ..scene };
    };
    let raft = replica.raft();
    let longest_us = sim.options().timing.election_timeout_max.as_micros() as f64;
    let timer_us = patience_us(sim, raft, node.time(sim.now()));
    let last = raft.log().last().index;
    Node {
        role: role(raft),
        term: raft.term(),
        vote: raft.vote(),
        leader: raft.leader(),
        timer_us,
        timer: timer_us.map(|left| left as f64 / longest_us),
        ballots: ballots(sim, stage, raft, scene.outwards),
        last,
        durable: raft.log().durable().min(last),
        majority: raft.configuration().voters.len() / 2 + 1,
        commit: raft.commit_index(),
        applied: replica.applied_index(),
        ..scene
    }
}

/// Microseconds until the node stands for election or, if it leads, until it steps down because it has
/// heard from no quorum. `now` is what its own clock shows.
fn patience_us(sim: &Sim, raft: &Raft, now: Instant) -> Option<u64> {
    if let Some(due) = raft.election_due() {
        return Some(due.0.saturating_sub(now.0));
    }
    let raft::Role::Leader(leader) = raft.role() else { return None };
    let heard_at = |voter: &NodeId| match leader.followers.get(voter) {
        Some(progress) => progress.heard_at.unwrap_or_default(),
        None => now,
    };
    let voters = || raft.configuration().all_voters();
    // The latest moment since which a quorum has been heard from.
    let heard_at = voters()
        .map(|voter| heard_at(&voter))
        .filter(|moment| raft.configuration().has_quorum(|voter| heard_at(&voter) >= *moment))
        .max()?;
    let due = heard_at + sim.options().timing.election_timeout_max;
    (heard_at > Instant(0)).then(|| due.0.saturating_sub(now.0))
}

pub(crate) fn role(raft: &Raft) -> Role {
    match raft.role() {
        raft::Role::Follower(_) => Role::Follower,
        raft::Role::Candidate(candidate) if candidate.pre_vote => Role::PreCandidate,
        raft::Role::Candidate(_) => Role::Candidate,
        raft::Role::Leader(_) => Role::Leader,
    }
}

fn ballots(sim: &Sim, stage: &Stage, raft: &Raft, outwards: Point) -> Vec<Ballot> {
    let raft::Role::Candidate(candidate) = raft.role() else { return Vec::new() };
    let is_coming = |voter: NodeId| {
        sim.flights().filter_map(envelope).any(|envelope| {
            let answer = matches!(&envelope.body, PeerBody::Raft(message) if matches!(message.body,
                Body::RequestVoteReply { campaign, pre_vote, refused: None, .. }
                    if campaign == candidate.campaign && pre_vote == candidate.pre_vote));
            envelope.from == voter && envelope.to == raft.id() && answer
        })
    };
    let own = stage.at(raft.id());
    let ballot = |voter: &NodeId| Ballot {
        voter: *voter,
        towards: match *voter == raft.id() {
            true => outwards,
            false => own.towards(stage.at(*voter)),
        },
        state: match candidate.votes.get(voter) {
            Some(true) => BallotState::Granted,
            Some(false) => BallotState::Refused,
            None if is_coming(*voter) => BallotState::Coming,
            None => BallotState::Open,
        },
    };
    stage.ids.iter().filter(|id| raft.configuration().is_voter(**id)).map(ballot).collect()
}

fn envelope(flight: &Flight) -> Option<&Envelope> {
    match &flight.cargo {
        Cargo::Peer(envelope) => Some(envelope),
        Cargo::Request { .. } | Cargo::Response { .. } => None,
    }
}

fn links(sim: &Sim, view: &View, stage: &Stage) -> Vec<Link> {
    let traffic = |from: NodeId, to: NodeId| {
        let along =
            |flight: &&Flight| flight.from == Place::Node(from) && flight.to == Place::Node(to);
        sim.flights().filter(along).count()
    };
    stage
        .pairs()
        .map(|(a, b)| Link {
            pair: (a, b),
            cut_there: sim.is_cut(a, b),
            cut_back: sim.is_cut(b, a),
            there: trouble(sim.trouble(a, b)),
            back: trouble(sim.trouble(b, a)),
            traffic: (traffic(a, b), traffic(b, a)),
            selected: view.picked == Some(Picked::Link(a, b)),
        })
        .collect()
}

fn trouble((by, loss_ppm): (Duration, u32)) -> Trouble {
    Trouble { later_ms: by.as_millis() as u64, loss_percent: loss_ppm.div_ceil(10_000) }
}

/// The groups of running nodes that reach each other both ways, if there is more than one.
fn sides(sim: &Sim) -> Vec<Side> {
    let mut left: Vec<NodeId> =
        sim.nodes().filter(|node| node.is_up()).map(raft_sim::Node::id).collect();
    let mut sides = Vec::new();
    while !left.is_empty() {
        let mut nodes = vec![left.remove(0)];
        let mut reached = 0;
        while let Some(&from) = nodes.get(reached) {
            let is_linked = |to: &mut NodeId| !sim.is_cut(from, *to) && !sim.is_cut(*to, from);
            nodes.extend(left.extract_if(.., is_linked));
            reached += 1;
        }
        let quorum =
            configuration(sim).is_some_and(|members| members.has_quorum(|id| nodes.contains(&id)));
        sides.push(Side { nodes, quorum });
    }
    if sides.len() > 1 { sides } else { Vec::new() }
}

fn logs(run: &Run, view: &View, nodes: &[Node]) -> Logs {
    let log = |node: &Node| {
        let up = run.sim().nodes().find(|up| up.id() == node.id).and_then(raft_sim::Node::replica);
        up.map(Log::Running).or_else(|| run.on_disk(node.id).map(Log::OnDisk))
    };
    let logs: Vec<Option<Log<'_>>> = nodes.iter().map(log).collect();
    let last = logs.iter().flatten().map(Log::last).max().unwrap_or_default();
    // One column stays free: the next entry has a place to appear in.
    let first = (last.0 + 2).saturating_sub(view.log_columns()).max(1);
    let indexes: Vec<Index> = (first..first + view.log_columns()).map(Index).collect();
    let row = |log: &Option<Log<'_>>| {
        let cell = |index: &Index| log.as_ref().map_or(Cell::Empty, |log| log.cell(*index));
        indexes.iter().map(cell).collect()
    };
    Logs { rows: logs.iter().map(row).collect(), indexes }
}

/// A node's log: of one that is down, what is on its disk. The rest went with its memory.
enum Log<'a> {
    Running(&'a Replica),
    OnDisk(&'a Durable),
}

impl Log<'_> {
    fn last(&self) -> Index {
        match self {
            Self::Running(replica) => replica.raft().log().last().index,
            Self::OnDisk(disk) => Index(self.base().0 + disk.entries.len() as u64),
        }
    }

    fn base(&self) -> Index {
        match self {
            Self::Running(replica) => replica.raft().log().base().index,
            Self::OnDisk(disk) => {
                disk.snapshot.as_ref().map_or(Index(0), |snapshot| snapshot.meta.last.index)
            }
        }
    }

    fn entry(&self, index: Index) -> Option<&Entry> {
        match self {
            Self::Running(replica) => replica.raft().log().entry(index),
            Self::OnDisk(disk) => disk.entries.get((index.0 - self.base().0) as usize - 1),
        }
    }

    /// One place of the log.
    fn cell(&self, index: Index) -> Cell {
        if index <= self.base() {
            return Cell::Folded;
        }
        let Some(entry) = self.entry(index) else { return Cell::Empty };
        let (durable, committed, applied) = match self {
            Self::Running(replica) => (
                index <= replica.raft().log().durable(),
                index <= replica.raft().commit_index(),
                index <= replica.applied_index(),
            ),
            Self::OnDisk(_) => (true, false, false),
        };
        Cell::Entry { term: entry.term, says: says(entry), durable, committed, applied }
    }
}

fn says(entry: &Entry) -> String {
    match &entry.payload {
        Payload::Noop => "no-op".to_owned(),
        Payload::Configuration(_) => "members".to_owned(),
        Payload::Command(bytes) => match postcard::from_bytes::<Command>(bytes) {
            Ok(command) => match command.write {
                Write::Set { key, value, .. } => {
                    format!("{}={}", text::display(&key), text::display(&value))
                }
                Write::Delete { key, .. } => format!("−{}", text::display(&key)),
            },
            Err(_) => "command".to_owned(),
        },
    }
}

/// How long a message usually takes, in simulated microseconds.
pub fn usual_flight_us(run: &Run) -> u64 {
    let network = &run.sim().options().network;
    ((network.delay_min + network.delay_max) / 2).as_micros() as u64
}

/// Whether anything is on its way at a moment; if not, there is nothing to see but time.
pub fn is_quiet(run: &Run) -> bool {
    run.sim().flights().next().is_none()
}

/// Whether some node leads.
pub fn has_leader(run: &Run) -> bool {
    run.sim()
        .nodes()
        .filter_map(raft_sim::Node::replica)
        .any(|replica| role(replica.raft()) == Role::Leader)
}
