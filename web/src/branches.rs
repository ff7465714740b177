//! What might have been: acting in the past begins another branch, and keeps the one that was.

use crate::run::Run;
use crate::session::Session;
use raft_core::id::NodeId;
use raft_core::time::Instant;
use raft_sim::Command;

/// The most branches kept. Each has a record and checkpoints of its own from its fork on.
pub const BRANCHES_MAX: usize = 8;

/// All that was played of one beginning. There is always at least one branch.
#[derive(Clone, Debug)]
pub struct Branches {
    branches: Vec<Branch>,
    current: usize,
    /// Branches so far: names are not given twice.
    begun: usize,
}

/// One course of things.
#[derive(Clone, Debug)]
pub struct Branch {
    /// Its name: A for the first, then B and so on.
    pub name: String,
    /// Where it parted from another; `None` for the first.
    pub fork: Option<Fork>,
    run: Run,
}

/// Where a branch parted from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The name of the branch it parted from.
    pub from: String,
    /// After so many events and commands.
    pub step: u64,
    /// When.
    pub at: Instant,
}

/// How two branches differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// When they parted.
    pub at: Instant,
    /// The fingerprint of everything that was played of each.
    pub hashes: (u64, u64),
    /// The nodes whose roles and terms were not the same after that, up to where the shorter one ends.
    pub nodes: Vec<NodeId>,
}

impl Branch {
    /// What was played of it.
    pub fn run(&self) -> &Run {
        &self.run
    }
}

impl Branches {
    /// The beginning of a session.
    pub fn new(session: Session) -> Self {
        let first = Branch { name: name(0), fork: None, run: Run::new(session) };
        Self { branches: vec![first], current: 0, begun: 1 }
    }

    /// The branches, in the order of their beginnings.
    pub fn all(&self) -> &[Branch] {
        &self.branches
    }

    /// The place of the branch before the visitor.
    pub fn current(&self) -> usize {
        self.current
    }

    /// The branch before the visitor.
    pub fn run(&self) -> &Run {
        &self.branches[self.current].run
    }

    /// The same, to be played.
    pub fn run_mut(&mut self) -> &mut Run {
        &mut self.branches[self.current].run
    }

    /// Does something now. If the branch has been played further, or has commands in store, this begins
    /// another one.
    pub fn act(&mut self, command: Command) {
        self.run_mut().settle();
        // Nothing can be done to a run that a failed check has stopped; before that moment it can.
        if self.run().sim().violation().is_some() {
            return;
        }
        if self.run().has_future() {
            self.fork();
        }
        self.run_mut().act(command);
    }

    /// Goes to another branch, to the same moment in it or as near as it was played.
    pub fn switch(&mut self, place: usize) {
        if place < self.branches.len() {
            let at = self.run().sim().now();
            self.current = place;
            let run = self.run_mut();
            let end = run.record().end();
            run.seek_time(at.min(end));
        }
    }

    /// How two branches differ; `None` if they are the same or there is no such branch.
    pub fn difference(&self, a: usize, b: usize) -> Option<Difference> {
        let (one, other) = (self.branches.get(a)?, self.branches.get(b).filter(|_| a != b)?);
        let (one, other) = (one.run.record(), other.run.record());
        let at = self.parted_at(a, b)?;
        let until = one.end().min(other.end());
        let nodes = one.lanes().iter().zip(other.lanes());
        let differs =
            nodes.filter(|(one, other)| !one.spells(at, until).eq(other.spells(at, until)));
        Some(Difference {
            at,
            hashes: (one.hash(), other.hash()),
            nodes: differs.map(|(lane, _)| lane.node).collect(),
        })
    }

    /// When two branches parted: their records are the same up to there.
    fn parted_at(&self, a: usize, b: usize) -> Option<Instant> {
        // From the later one back to the earlier, or to where both came from.
        let forks = |place: usize| {
            let mut forks = Vec::new();
            let mut next = self.branches.get(place);
            while let Some(branch) = next {
                let fork = branch.fork.as_ref();
                forks.push((branch.name.clone(), fork.map_or(Instant::MAX, |fork| fork.at)));
                next = fork.and_then(|fork| self.branches.iter().find(|b| b.name == fork.from));
            }
            forks
        };
        let (a, b) = (forks(a), forks(b));
        let common = a.iter().find(|(name, _)| b.iter().any(|(other, _)| other == name))?;
        let before = |forks: &[(String, Instant)]| {
            let earlier = forks.iter().take_while(|(name, _)| *name != common.0);
            earlier.map(|(_, at)| *at).last().unwrap_or(Instant::MAX)
        };
        Some(before(&a).min(before(&b)))
    }

    fn fork(&mut self) {
        let from = &self.branches[self.current];
        let fork =
            Fork { from: from.name.clone(), step: from.run.steps(), at: from.run.sim().now() };
        let run = from.run.fork();
        if self.branches.len() == BRANCHES_MAX {
            self.forget_one();
        }
        self.branches.push(Branch { name: name(self.begun), fork: Some(fork), run });
        self.begun += 1;
        self.current = self.branches.len() - 1;
    }

    /// Forgets the oldest branch that is not before the visitor. Every branch is whole without the others.
    fn forget_one(&mut self) {
        let oldest = usize::from(self.current == 0);
        self.branches.remove(oldest);
        self.current -= usize::from(oldest < self.current);
    }
}

fn name(place: usize) -> String {
    let letter = char::from(b'A' + (place % 26) as u8);
    match place / 26 {
        0 => letter.to_string(),
        lap => format!("{letter}{lap}"),
    }
}

/// The place of the branch to compare this one with: the one it parted from, or the last one that parted
/// from it.
pub fn beside(branches: &Branches) -> Option<usize> {
    let current = &branches.branches[branches.current];
    let parent = current.fork.as_ref().map(|fork| &*fork.from);
    let is_child =
        |branch: &Branch| branch.fork.as_ref().is_some_and(|fork| fork.from == current.name);
    let all = &branches.branches;
    all.iter()
        .position(|branch| Some(&*branch.name) == parent)
        .or_else(|| all.iter().rposition(is_child))
}
