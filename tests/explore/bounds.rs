//! How far an exploration goes. Within these bounds it leaves out nothing.

use std::fmt;

/// What there is a bounded number of in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Scarce {
    /// A client's write.
    Write,
    /// A client's read.
    Read,
    /// A crash, with the restart.
    Crash,
    /// A leader's heartbeat, or its end by CheckQuorum.
    Heartbeat,
    /// A write that does not reach the disk within the step that gave it.
    SlowWrite,
    /// A message that arrives and is still under way.
    Duplicate,
    /// A deadline that passes a while before the node is woken.
    LateWake,
    /// Inputs that are taken together with the next, as one batch.
    Batch,
    /// A snapshot.
    Snapshot,
    /// A change of the members.
    Change,
    /// A transfer of leadership.
    Transfer,
    /// A disk that has no room, or has it again.
    DiskFull,
    /// A disk that is lost, with all that was on it.
    Wipe,
    /// A step of a clock that all nodes share, to the deadline of the one that is woken. With it leaders answer
    /// reads by lease; without it each node has a clock of its own that goes as it likes.
    Tick,
}

/// How many kinds there are.
pub(crate) const KINDS: usize = 14;

const NAMES: [&str; KINDS] = [
    "writes",
    "reads",
    "crashes",
    "heartbeats",
    "slow disk writes",
    "duplicates",
    "late wakes",
    "batches",
    "snapshots",
    "changes of members",
    "transfers",
    "full disks",
    "lost disks",
    "steps of one clock, leases",
];

/// Where an exploration starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Nothing has happened yet.
    Nothing,
    /// Node 1 leads term 1, and every node knows that its first entry is committed.
    Leader,
    /// And then it was asked to put node 4 in the place of node 3, and has just written the joint
    /// configuration.
    Joint,
}

/// One exploration.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// Where it starts.
    pub(crate) start: Start,
    /// How many nodes there are.
    pub(crate) nodes: u8,
    /// The first so many of them are members at the start.
    pub(crate) founders: u8,
    /// No node stands for election beyond this term.
    pub(crate) terms: u8,
    /// Messages under way from one node to another. When there are more, some are lost: every choice of
    /// those that stay is explored.
    pub(crate) link: usize,
    /// How much there is of everything that is scarce, at most 15.
    pub(crate) scarce: [u8; KINDS],
}

impl Bounds {
    pub(crate) fn new(start: Start, terms: u8) -> Self {
        Self { start, nodes: 3, founders: 3, terms, link: 1, scarce: [0; KINDS] }
    }

    pub(crate) fn with(mut self, kind: Scarce, most: u8) -> Self {
        self.scarce[kind as usize] = most;
        self
    }

    pub(crate) fn link(mut self, messages: usize) -> Self {
        self.link = messages;
        self
    }

    pub(crate) fn nodes(mut self, nodes: u8) -> Self {
        self.nodes = nodes;
        self
    }

    pub(crate) fn founders(mut self, founders: u8) -> Self {
        self.founders = founders;
        self
    }

    /// Whether leaders answer reads by lease.
    pub(crate) fn has_leases(&self) -> bool {
        self.most(Scarce::Tick) > 0
    }

    pub(crate) fn most(&self, kind: Scarce) -> u8 {
        self.scarce[kind as usize]
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = match self.start {
            Start::Nothing => "from nothing",
            Start::Leader => "from a leader",
            Start::Joint => "from a joint configuration",
        };
        write!(
            f,
            "{start}, {} nodes, {} of them founders, terms to {}, {} under way on a link",
            self.nodes, self.founders, self.terms, self.link
        )?;
        for (name, most) in NAMES.iter().zip(self.scarce).filter(|(_, most)| *most > 0) {
            write!(f, ", {most} {name}")?;
        }
        Ok(())
    }
}
