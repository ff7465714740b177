//! A session as it is played: the simulation at one moment, and what is still to come.

use crate::session::Session;
use crate::story::Story;
use raft_core::id::NodeId;
use raft_core::replica::Replica;
use raft_core::time::Instant;
use raft_sim::{Command, Sim};

/// A session and how far it has been played.
#[derive(Clone, Debug)]
pub struct Run {
    session: Session,
    sim: Sim,
    /// How many of the session's commands have been given.
    given: usize,
    /// Events and commands so far.
    steps: u64,
    /// Nodes as they were when a command took them down: what is on their disks has not gone.
    fallen: Vec<Replica>,
    story: Story,
}

impl Run {
    /// The beginning of a session.
    pub fn new(session: Session) -> Self {
        let mut sim = session.begin();
        sim.keep_trace(true);
        let mut story = Story::default();
        story.follow(&sim);
        Self { session, sim, given: 0, steps: 0, fallen: Vec::new(), story }
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The cluster at this moment.
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    /// A node that is down, as it was before.
    pub fn fallen(&self, node: NodeId) -> Option<&Replica> {
        self.fallen.iter().find(|replica| replica.raft().id() == node)
    }

    /// What happened.
    pub fn story(&self) -> &Story {
        &self.story
    }

    /// How many events and commands there have been.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// When something happens next; `None` if nothing ever will.
    pub fn next_at(&self) -> Option<Instant> {
        match (self.sim.next_event_at(), self.next_command_at()) {
            (Some(event), Some(command)) => Some(event.min(command)),
            (event, command) => event.or(command),
        }
    }

    /// Goes on to a moment, or until `steps_max` things have happened, so that no call takes long.
    pub fn advance(&mut self, until: Instant, steps_max: u64) {
        let last = self.steps.saturating_add(steps_max);
        while self.next_at().is_some_and(|at| at <= until) {
            if self.steps == last {
                return;
            }
            self.step();
        }
        self.sim.run_until(until);
    }

    /// Lets the next thing happen: an event or, after all events of its moment, a command.
    pub fn step(&mut self) {
        let event_at = self.sim.next_event_at();
        match self.next_command_at() {
            Some(at) if event_at.is_none_or(|event| at < event) => {
                let command = self.session.commands[self.given].1.clone();
                self.sim.run_until(at);
                self.give(command);
            }
            _ if event_at.is_some() => {
                self.sim.step();
                self.steps += 1;
                self.story.follow(&self.sim);
            }
            _ => {}
        }
    }

    /// Goes back by one step, by playing the session again up to there.
    pub fn back(&mut self) {
        let steps = self.steps.saturating_sub(1);
        *self = Self::new(std::mem::take(&mut self.session));
        while self.steps < steps {
            self.step();
        }
    }

    /// Does something now. What the session had in store for later is forgotten: it belonged to a run
    /// that does not happen any more.
    pub fn act(&mut self, command: Command) {
        let now = self.sim.now();
        // Events of the same moment come first, as they will when the session is played again.
        while self.sim.next_event_at().is_some_and(|at| at <= now) {
            self.step();
        }
        self.session.commands.truncate(self.given);
        self.session.commands.push((now, command.clone()));
        self.give(command);
    }

    fn next_command_at(&self) -> Option<Instant> {
        self.session.commands.get(self.given).map(|(at, _)| *at)
    }

    fn give(&mut self, command: Command) {
        if let Command::Crash(id) = command
            && let Some(replica) =
                self.sim.nodes().find(|node| node.id() == id).and_then(raft_sim::Node::replica)
        {
            self.fallen.retain(|fallen| fallen.raft().id() != id);
            self.fallen.push(replica.clone());
        }
        self.sim.command(command);
        self.given += 1;
        self.steps += 1;
        self.story.follow(&self.sim);
    }
}
