//! What happened in a run, as far as it has ever been played: the roles of nodes over time, messages,
//! clients' operations, and happenings in sentences. Going back does not shorten it.

mod arrows;

pub use arrows::Arrow;

use crate::look;
use crate::record::arrows::Arrows;
use crate::scene::{Happening, Role, Turn};
use crate::story;
use raft_core::id::{NodeId, Term};
use raft_core::time::Instant;
use raft_sim::{Sim, Violation};
use std::collections::VecDeque;
use std::rc::Rc;

/// The most happenings, changes of a role and operations of clients kept, of each: some 2 MiB, and far
/// more than one reads.
const HAPPENINGS_MAX: usize = 10_000;

/// What happened in a run.
#[derive(Clone, Debug)]
pub struct Record {
    steps: u64,
    end: Instant,
    hash: u64,
    lanes: Vec<Lane>,
    arrows: Arrows,
    bands: VecDeque<Band>,
    /// Operations in the simulation's history that are in `bands`, or were.
    invoked: usize,
    happenings: VecDeque<Rc<Happening>>,
    broken: Option<(u64, Violation)>,
}

/// The roles of a node over time.
#[derive(Clone, Debug)]
pub struct Lane {
    /// Whose.
    pub node: NodeId,
    spells: VecDeque<Spell>,
}

/// A stretch of time in which a node's role and term stay the same. It ends where the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spell {
    /// The step it begins with.
    pub step: u64,
    /// When it begins.
    pub from: Instant,
    /// The role.
    pub role: Role,
    /// The term; of a node that is down, the last one.
    pub term: Term,
}

/// An operation of a client, from asking to the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// The step of asking.
    pub step: u64,
    /// Its place in the history.
    pub place: usize,
    /// When it was asked.
    pub from: Instant,
    /// The step and the moment of the answer, if there is one.
    pub until: Option<(u64, Instant)>,
    /// Whether it was carried out; `None` as long as nobody knows.
    pub done: Option<bool>,
    /// What was asked.
    pub asks: String,
}

impl Lane {
    /// Whether the node was ever up.
    pub fn has_run(&self) -> bool {
        self.spells.len() > 1 || self.spells.iter().any(|spell| spell.role != Role::Down)
    }

    /// The spells that reach into a stretch of time.
    pub fn spells(&self, from: Instant, until: Instant) -> impl Iterator<Item = &Spell> {
        let begun = self.spells.partition_point(|spell| spell.from <= from);
        let reached = self.spells.partition_point(|spell| spell.from <= until);
        self.spells.range(begun.saturating_sub(1).min(reached)..reached)
    }
}

impl Record {
    /// Nothing has happened but the beginning.
    pub fn new(sim: &Sim) -> Self {
        let now = sim.now();
        let lane = |node: &raft_sim::Node| Lane {
            node: node.id(),
            spells: [spell(node, 0, now, Term(0))].into(),
        };
        let mut record = Self {
            steps: 0,
            end: now,
            hash: sim.trace_hash(),
            lanes: sim.nodes().map(lane).collect(),
            arrows: Arrows::default(),
            bands: VecDeque::new(),
            invoked: 0,
            happenings: VecDeque::new(),
            broken: None,
        };
        for line in sim.trace().lines() {
            record.tell(sim, line);
        }
        record
    }

    /// How many steps are in it.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The latest moment it was played to.
    pub fn end(&self) -> Instant {
        self.end
    }

    /// The fingerprint of everything up to there.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The nodes' roles over time, in the order of the nodes.
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// Who leads at a moment, or at the last one played, and how far is committed, in words.
    pub fn state_at(&self, at: Instant) -> String {
        let at = at.min(self.end);
        let spells =
            self.lanes.iter().filter_map(|lane| Some((lane.node, lane.spells(at, at).last()?)));
        let leaders = spells.filter(|(_, spell)| spell.role == Role::Leader);
        let led = match leaders.max_by_key(|(_, spell)| spell.term) {
            Some((node, spell)) => format!("node {node} leads term {}", spell.term),
            None => "nobody leads".to_owned(),
        };
        let told = self.happenings.iter().take_while(|told| told.at <= at);
        let committed = told.filter_map(|told| told.reaches).max().unwrap_or_default();
        format!("{led}, {committed} committed")
    }

    /// The messages that were under way in a stretch of time and have ended, in the order of arrival.
    pub fn arrows(&self, from: Instant, until: Instant) -> impl Iterator<Item = &Arrow> {
        self.arrows.between(from, until)
    }

    /// How many messages are kept of those that ended in each of as many equal parts of the whole run,
    /// and since when they all are.
    pub fn density(&self, parts: usize) -> (Vec<u32>, Instant) {
        self.arrows.density(parts, self.end)
    }

    /// The operations of clients that were under way in a stretch of time.
    pub fn bands(&self, from: Instant, until: Instant) -> impl Iterator<Item = &Band> {
        let reached = self.bands.partition_point(|band| band.from <= until);
        let lasts = move |band: &&Band| band.until.is_none_or(|(_, end)| end >= from);
        self.bands.range(..reached).filter(lasts)
    }

    /// The check that failed, and the step after which; it was the last.
    pub fn broken(&self) -> Option<&(u64, Violation)> {
        self.broken.as_ref()
    }

    /// Everything told, oldest first.
    pub fn happenings(&self) -> impl DoubleEndedIterator<Item = &Rc<Happening>> {
        self.happenings.iter()
    }

    /// What was told up to a step, newest first.
    pub fn happenings_before(&self, steps: u64) -> impl Iterator<Item = &Rc<Happening>> {
        let after = self.happenings.partition_point(|happening| happening.step <= steps);
        self.happenings.range(..after).rev()
    }

    /// What the step changed.
    pub fn turns_at(&self, step: u64) -> impl Iterator<Item = Turn> {
        let told = self.happenings_before(step);
        told.take_while(move |happening| happening.step == step).map(|happening| happening.turn)
    }

    /// The first step of interest after a step.
    pub fn turn_after(&self, step: u64) -> Option<u64> {
        let first = self.happenings.partition_point(|happening| happening.step <= step);
        let mut later = self.happenings.range(first..);
        later.find(|happening| happening.turn.is_of_interest()).map(|happening| happening.step)
    }

    /// The last step of interest before a step.
    pub fn turn_before(&self, step: u64) -> Option<u64> {
        let mut earlier = self.happenings_before(step.checked_sub(1)?);
        earlier.find(|happening| happening.turn.is_of_interest()).map(|happening| happening.step)
    }

    /// Nothing happened up to this moment after the last step.
    pub fn lasts_until(&mut self, at: Instant) {
        self.end = self.end.max(at);
    }

    /// Takes in a step that has just been made for the first time.
    pub fn take_in(&mut self, step: u64, sim: &mut Sim, arrow: Option<Arrow>) {
        (self.steps, self.end, self.hash) = (step, sim.now(), sim.trace_hash());
        for line in sim.trace_mut().take() {
            self.tell(sim, &line);
        }
        let is_down = |node: NodeId| sim.nodes().any(|other| other.id() == node && !other.is_up());
        if let Some(arrow) = arrow {
            let lost = arrow.lost || is_down(arrow.to);
            self.arrows.push(Arrow { step, lost, ..arrow });
        }
        for (lane, node) in self.lanes.iter_mut().zip(sim.nodes()) {
            let last = lane.spells.back().expect("a lane begins with a spell");
            let next = spell(node, step, sim.now(), last.term);
            if (next.role, next.term) != (last.role, last.term) {
                lane.spells.push_back(next);
            }
            bound(&mut lane.spells, HAPPENINGS_MAX);
        }
        self.broken = sim.violation().map(|violation| (step, violation.clone()));
        self.follow_clients(step, sim);
        bound(&mut self.bands, HAPPENINGS_MAX);
        bound(&mut self.happenings, HAPPENINGS_MAX);
    }

    /// Forgets what came after a step, which is where the simulation is now.
    pub fn forget_after(&mut self, step: u64, sim: &Sim) {
        (self.steps, self.end, self.hash) = (step, sim.now(), sim.trace_hash());
        self.arrows.forget_after(step);
        self.broken = self.broken.take().filter(|(at, _)| *at <= step);
        self.happenings.retain(|happening| happening.step <= step);
        self.bands.retain(|band| band.step <= step);
        for band in &mut self.bands {
            if band.until.is_some_and(|(end, _)| end > step) {
                (band.until, band.done) = (None, None);
            }
        }
        self.invoked = sim.history().len();
        for lane in &mut self.lanes {
            let kept = lane.spells.partition_point(|spell| spell.step <= step);
            // Of a lane that has forgotten its beginning, something is kept all the same.
            lane.spells.truncate(kept.max(1));
        }
    }

    fn tell(&mut self, sim: &Sim, line: &raft_sim::trace::Line) {
        let seen = |node: NodeId| {
            let lane = self.lanes.iter().find(|lane| lane.node == node)?;
            lane.spells.back().copied()
        };
        let Some(mut happening) = story::happening(sim, line, self.steps, seen) else { return };
        if let Some(both) =
            self.happenings.back().and_then(|last| story::both_ways(last, &happening))
        {
            self.happenings.pop_back();
            happening.says = both;
        }
        self.happenings.push_back(Rc::new(happening));
    }

    fn follow_clients(&mut self, step: u64, sim: &Sim) {
        let history = sim.history();
        for (place, operation) in (self.invoked..).zip(history.since(self.invoked)) {
            let from = Instant(operation.invoked);
            let asks = look::asks(operation);
            self.bands.push_back(Band { step, place, from, until: None, done: None, asks });
        }
        self.invoked = history.len();
        // A client has one operation at a time, so that the open ones are among the newest.
        for band in self.bands.iter_mut().rev().take(64).filter(|band| band.until.is_none()) {
            if let Some(returned) = history[band.place].returned {
                band.until = Some((step, Instant(returned)));
                band.done = Some(history[band.place].result.is_some());
            }
        }
    }
}

fn spell(node: &raft_sim::Node, step: u64, from: Instant, term: Term) -> Spell {
    match node.replica() {
        Some(replica) => {
            Spell { step, from, role: look::role(replica.raft()), term: replica.raft().term() }
        }
        None => Spell { step, from, role: Role::Down, term },
    }
}

fn bound<T>(newest: &mut VecDeque<T>, most: usize) {
    if newest.len() > most {
        newest.pop_front();
    }
}
