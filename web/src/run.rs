//! A session as it is played: the cluster at one moment, what came before it, and what is still to come.
//!
//! Going to another moment is the nearest checkpoint before it, and playing on from there. What happened
//! is recorded the first time only, and stays when one goes back.

use crate::play::{Next, Play};
use crate::record::{Arrow, Record};
use crate::scene::PauseWhen;
use crate::session::Session;
use raft_core::id::{Incarnation, NodeId};
use raft_core::time::Instant;
use raft_core::vec_map::VecMap;
use raft_core::wal::Durable;
use raft_sim::{Command, Sim};
use std::rc::Rc;

/// The most checkpoints kept. A cluster that a person plays with is 100 KiB, one of nine nodes with a
/// thousand entries each 800 KiB; what only grows they share.
const CHECKPOINTS_MAX: usize = 32;

/// Steps between two checkpoints in a short run. Whenever there are too many checkpoints, every second
/// one goes and the distance doubles: a run of 100,000 steps has one every 4,096, which takes a browser
/// some 20 milliseconds to play.
const CHECKPOINT_STEPS_MIN: u64 = 256;

/// The most steps that looking for something interesting takes: a quiet cluster has none for ever.
const LOOK_STEPS_MAX: u64 = 2_000;

/// A session and how far it has been played.
#[derive(Clone, Debug)]
pub struct Run {
    session: Session,
    here: Moment,
    /// Earlier and later moments of the same run, in order; the first is the beginning.
    checkpoints: Vec<Rc<Moment>>,
    checkpoint_steps: u64,
    record: Record,
}

/// The cluster at one moment.
#[derive(Clone, Debug)]
struct Moment {
    play: Play,
    /// What the nodes that are down have on their disks.
    disks: VecMap<NodeId, (Incarnation, Rc<Durable>)>,
}

impl Run {
    /// The beginning of a session.
    pub fn new(session: Session) -> Self {
        let mut play = Play::begin(&session);
        play.sim.keep_trace(true);
        let record = Record::new(&play.sim);
        let here = Moment { play, disks: VecMap::new() };
        Self {
            session,
            checkpoints: vec![Rc::new(here.clone())],
            checkpoint_steps: CHECKPOINT_STEPS_MIN,
            here,
            record,
        }
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The cluster at this moment.
    pub fn sim(&self) -> &Sim {
        &self.here.play.sim
    }

    /// What a node that is down has on its disk.
    pub fn on_disk(&self, node: NodeId) -> Option<&Durable> {
        self.here.disks.get(&node).map(|(_, durable)| &**durable)
    }

    /// What happened, up to the latest moment ever played.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// How many events and commands there have been.
    pub fn steps(&self) -> u64 {
        self.here.play.steps
    }

    /// How many moments are kept to go back to.
    pub fn checkpoints(&self) -> usize {
        self.checkpoints.len()
    }

    /// Whether this run has been played beyond this moment, or has commands in store.
    pub fn has_future(&self) -> bool {
        self.here.play.steps < self.record.steps()
            || self.here.play.given < self.session.commands.len()
    }

    /// When something happens next; `None` if nothing ever will.
    pub fn next_at(&self) -> Option<Instant> {
        self.here.play.next_at(&self.session)
    }

    /// Goes on to a moment, or until `steps_max` things have happened, so that no call takes long, or
    /// until what one waits for. Returns whether that has come.
    pub fn advance(&mut self, until: Instant, steps_max: u64, pause: Option<PauseWhen>) -> bool {
        let last = self.here.play.steps.saturating_add(steps_max);
        while self.next_at().is_some_and(|at| at <= until) {
            if self.here.play.steps == last {
                return false;
            }
            self.step();
            if pause
                .is_some_and(|pause| self.record.turns_at(self.here.play.steps).any(pause.is_met()))
            {
                return true;
            }
        }
        // Time stands still at a check that failed.
        if self.here.play.sim.violation().is_some() {
            return true;
        }
        self.here.play.sim.run_until(until);
        if self.here.play.steps == self.record.steps() {
            self.record.lasts_until(until);
        }
        false
    }

    /// Lets the next thing happen: an event or, after all events of its moment, a command. Returns false
    /// if nothing will.
    pub fn step(&mut self) -> bool {
        let Some(next) = self.here.play.next(&self.session) else { return false };
        let is_new = self.here.play.steps == self.record.steps();
        let sim = &mut self.here.play.sim;
        sim.keep_trace(is_new);
        let flight = sim.next_flight().filter(|_| is_new && next == Next::Event);
        let arrow = flight.and_then(|flight| Arrow::of(sim, flight));
        self.here.play.step(&self.session);
        self.here.read_disks();
        if is_new {
            self.record.take_in(self.here.play.steps, &mut self.here.play.sim, arrow);
        }
        self.keep_checkpoint();
        true
    }

    /// Goes to the moment after so many events and commands.
    pub fn seek(&mut self, steps: u64) {
        self.start_from(|moment| moment.play.steps <= steps);
        while self.here.play.steps < steps && self.step() {}
    }

    /// Goes to a moment by the clock.
    pub fn seek_time(&mut self, at: Instant) {
        self.start_from(|moment| moment.play.sim.now() <= at);
        self.advance(at, u64::MAX, None);
    }

    /// Goes to the next thing of interest, playing on if it has not happened yet.
    pub fn seek_next_turn(&mut self) {
        let steps = self.here.play.steps;
        let last = steps + LOOK_STEPS_MAX;
        while self.record.turn_after(steps).is_none() && self.here.play.steps < last && self.step()
        {
        }
        if let Some(step) = self.record.turn_after(steps) {
            self.seek(step);
        }
    }

    /// Goes back to the thing of interest before this moment, or to the beginning.
    pub fn seek_last_turn(&mut self) {
        self.seek(self.record.turn_before(self.here.play.steps).unwrap_or_default());
    }

    /// Does something now. The run must have no future: see [`Run::fork`].
    pub fn act(&mut self, command: Command) {
        self.settle();
        debug_assert!(!self.has_future(), "what was to come belongs to another branch");
        self.session.commands.push((self.here.play.sim.now(), command));
        self.step();
        // What it leads to at once is seen at once: a message delivered now, a timer that fires.
        self.settle();
    }

    /// Lets the events of this moment happen that have not: when a session is played again they come
    /// before a command of the same moment.
    pub fn settle(&mut self) {
        let now = self.here.play.sim.now();
        while self.here.play.sim.next_event_at().is_some_and(|at| at <= now) {
            self.step();
        }
    }

    /// The same run up to this moment, and nothing after it.
    pub fn fork(&self) -> Self {
        let mut fork = self.clone();
        fork.session.commands.truncate(self.here.play.given);
        fork.checkpoints.retain(|moment| moment.play.steps <= self.here.play.steps);
        fork.record.forget_after(self.here.play.steps, &self.here.play.sim);
        fork
    }

    /// Stands at the last kept moment of which `is_before` holds, unless this one is as near.
    fn start_from(&mut self, is_before: impl Fn(&Moment) -> bool) {
        let after = self.checkpoints.partition_point(|moment| is_before(moment));
        let nearest = &self.checkpoints[after.saturating_sub(1)];
        if !is_before(&self.here) || self.here.play.steps < nearest.play.steps {
            self.here = (**nearest).clone();
        }
    }

    fn keep_checkpoint(&mut self) {
        let last = self.checkpoints.last().map_or(0, |moment| moment.play.steps);
        if self.here.play.steps < last + self.checkpoint_steps {
            return;
        }
        self.checkpoints.push(Rc::new(self.here.clone()));
        if self.checkpoints.len() > CHECKPOINTS_MAX {
            self.checkpoint_steps *= 2;
            let mut place = 0;
            self.checkpoints.retain(|_| {
                place += 1;
                place % 2 == 1
            });
        }
    }
}

impl Moment {
    /// Reads the disk of every node that has just gone down.
    fn read_disks(&mut self) {
        for node in self.play.sim.nodes() {
            let known = self.disks.get(&node.id());
            if node.is_up() {
                if known.is_some() {
                    self.disks.remove(&node.id());
                }
            } else if known.is_none_or(|(life, _)| *life != node.life())
                && let Some(durable) = node.on_disk()
            {
                self.disks.insert(node.id(), (node.life(), Rc::new(durable)));
            }
        }
    }
}
