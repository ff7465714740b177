//! Finding a seed: clusters in trouble are played, one seed after the other, until one shows what is wanted.
//! Then the run is made small. Plain Rust; the page lets it run in a worker, beside what is on the screen.

mod news;
mod small;
mod trouble;
mod wanted;

pub use news::News;
pub use small::smaller;
pub use trouble::{LASTING, in_trouble};
pub use wanted::{ALL, Wanted, named};

use crate::hunt::wanted::Watch;
use crate::link::{Link, Seen};
use crate::play::Play;
use crate::session::{Cluster, Session};
use raft_core::time::Instant;

/// Seeds after which a search gives up: a browser plays them in a few minutes.
pub const SEEDS_MAX: u64 = 20_000;

/// What to look for, and in which clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// What is wanted.
    pub wanted: &'static Wanted,
    /// How many nodes the clusters have.
    pub nodes: u64,
    /// The first seed that is tried.
    pub seed: u64,
    /// The mistake that the code makes.
    pub what_if: Option<&'static crate::whatif::WhatIf>,
}

/// A run that shows what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The run: what happened before the moment is in it, and nothing after.
    pub session: Session,
    /// The moment.
    pub seen: Seen,
    /// When that is.
    pub at: Instant,
}

/// What a search has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Runs that were played, or begun.
    pub runs: u64,
    /// Events and commands in them.
    pub events: u64,
}

/// A search.
#[derive(Clone, Debug)]
pub struct Hunt {
    task: Task,
    /// How far it is.
    pub spent: Spent,
}

impl Task {
    /// The task in letters: `two-leaders v1.seed=43.nodes=5`.
    pub fn print(&self) -> String {
        let session = Session { what_if: self.what_if, ..self.cluster() };
        format!("{} {}", self.wanted.name, session.to_link())
    }

    /// The task of such letters; `None` if they are none.
    pub fn read(text: &str) -> Option<Self> {
        let (name, link) = text.split_once(' ')?;
        let Session { seed, cluster: Cluster::Playground(nodes), what_if, .. } =
            Session::from_link(link).ok()?
        else {
            return None;
        };
        Some(Self { wanted: named(name)?, nodes, seed, what_if })
    }

    fn cluster(&self) -> Session {
        Session::new(self.seed, Cluster::Playground(self.nodes))
    }
}

impl Hunt {
    /// A search that has not begun.
    pub fn new(task: Task) -> Self {
        Self { task, spent: Spent::default() }
    }

    /// Whether as many seeds were tried as are worth it.
    pub fn is_over(&self) -> bool {
        self.spent.runs >= SEEDS_MAX
    }

    /// Plays the next seed.
    pub fn play_next(&mut self) -> Option<Found> {
        let Task { wanted, nodes, seed, what_if } = self.task;
        let seed = seed.wrapping_add(self.spent.runs);
        let session = Session { what_if, ..in_trouble(seed, nodes) };
        first(session, wanted, &mut self.spent)
    }
}

/// The first moment of a session that shows what is wanted.
fn first(mut session: Session, wanted: &Wanted, spent: &mut Spent) -> Option<Found> {
    let (mut play, mut watch) = (Play::begin(&session), Watch::new(wanted));
    // Only a run that is found needs a fingerprint.
    play.sim.trace_mut().turn_off();
    spent.runs += 1;
    while play.next_at(&session).is_some_and(|at| at <= LASTING) && play.step(&session) {
        spent.events += 1;
        if watch.sees(&play.sim) {
            session.commands.truncate(play.given);
            let (steps, at) = (play.steps, play.sim.now());
            let mut again = Play::begin(&session);
            while again.steps < steps && again.step(&session) {}
            let seen = Seen { steps, hash: again.sim.trace_hash(), picked: None };
            return Some(Found { session, seen, at });
        }
    }
    None
}

impl Found {
    /// A link to the moment.
    pub fn link(&self) -> Link {
        Link { session: self.session.clone(), lesson: None, seen: Some(self.seen) }
    }

    /// The run in a few words: `5 nodes, 12 commands, 23.4 s`.
    pub fn size(&self) -> String {
        let nodes = match self.session.cluster {
            Cluster::Playground(nodes) => nodes,
            Cluster::Swarm => 0,
        };
        let commands = self.session.commands.len();
        let plural = if commands == 1 { "" } else { "s" };
        let seconds = crate::mark::length(self.at.0 as f64 / 1e6);
        format!("{nodes} nodes, {commands} command{plural}, {seconds} s")
    }
}
