//! A session as it goes on, one event or command after the other, and nothing besides: no way back, and no
//! record of what was.

use crate::session::Session;
use crate::whatif;
use raft_core::time::Instant;
use raft_sim::Sim;

/// The cluster of a session at one moment.
#[derive(Clone, Debug)]
pub struct Play {
    /// The cluster.
    pub sim: Sim,
    /// How many of the session's commands have been given.
    pub given: usize,
    /// Events and commands so far.
    pub steps: u64,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// An event.
    Event,
    /// A command, after all events of its moment.
    Command(Instant),
}

impl Play {
    /// The beginning of a session.
    pub fn begin(session: &Session) -> Self {
        Self { sim: session.begin(), given: 0, steps: 0 }
    }

    /// When something happens next; `None` if nothing ever will.
    pub fn next_at(&self, session: &Session) -> Option<Instant> {
        match self.next(session)? {
            Next::Event => self.sim.next_event_at(),
            Next::Command(at) => Some(at),
        }
    }

    /// What happens next; `None` if nothing ever will.
    pub fn next(&self, session: &Session) -> Option<Next> {
        if self.sim.violation().is_some() {
            return None;
        }
        let event_at = self.sim.next_event_at();
        match session.commands.get(self.given) {
            Some((at, _)) if event_at.is_none_or(|event| *at < event) => Some(Next::Command(*at)),
            _ => event_at.map(|_| Next::Event),
        }
    }

    /// Lets the next thing happen. Returns false if nothing will.
    pub fn step(&mut self, session: &Session) -> bool {
        // The mistake in the code is one for all that is played, and another session may be played as well.
        whatif::make(session.what_if);
        match self.next(session) {
            Some(Next::Event) => {
                self.sim.step();
            }
            Some(Next::Command(at)) => {
                self.sim.run_until(at);
                self.sim.command(session.commands[self.given].1.clone());
                self.given += 1;
            }
            None => return false,
        }
        self.steps += 1;
        true
    }
}
