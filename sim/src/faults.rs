//! What is done to a cluster, as data: by a seeded plan, by a script, or by a person.

use crate::options::{FaultOptions, Options};
use crate::random::{Purpose, Random};
use crate::words::Short;
use bytes::Bytes;
use raft_core::id::NodeId;
use raft_core::raft::membership::Goal;
use raft_core::text;
use raft_core::time::Instant;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// Something that is done to a cluster. What makes no sense at the moment (crashing a node that is
/// down) does nothing, so that a list of commands can be shortened at any place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// A node loses its power: all it has not synced may be gone, in part or in whole.
    Crash(NodeId),
    /// The leader, if there is one, crashes.
    CrashLeader,
    /// Every node crashes.
    CrashAll,
    /// A node that is down starts from its disk.
    Restart(NodeId),
    /// Every node that is down starts.
    RestartAll,
    /// A node stands still: time passes, messages pile up.
    Pause(NodeId),
    /// The leader, if there is one, stands still.
    PauseLeader,
    /// A node goes on.
    Resume(NodeId),
    /// Every node goes on.
    ResumeAll,
    /// A link carries nothing in this direction.
    Cut {
        /// From this node.
        from: NodeId,
        /// To this node.
        to: NodeId,
    },
    /// A link is whole again in this direction.
    Heal {
        /// From this node.
        from: NodeId,
        /// To this node.
        to: NodeId,
    },
    /// All links between these nodes and the others are cut, both ways.
    Split(BTreeSet<NodeId>),
    /// All links of the leader, if there is one, are cut, both ways.
    IsolateLeader,
    /// All links to the leader, if there is one, are cut; those from it are not.
    DeafenLeader,
    /// Every link is whole again.
    HealAll,
    /// Messages are lost this many times in a million, or as the options say if `None`.
    Lose(Option<u32>),
    /// A node's syncs take this long, or as long as the options say if `None`. A sync under way is
    /// measured anew.
    SlowDisk {
        /// The node.
        node: NodeId,
        /// How long a sync takes.
        sync: Option<Duration>,
    },
    /// A node's disk has no room for more commands, or has room again.
    FullDisk {
        /// The node.
        node: NodeId,
        /// Whether it is full.
        is_full: bool,
    },
    /// A node loses its power and its data, and will begin a new life. Does nothing if too few of those
    /// that remember would be left.
    Wipe(NodeId),
    /// The leader, if there is one, is asked to add a node.
    Add {
        /// The node.
        node: NodeId,
        /// What is to become of it.
        goal: Goal,
    },
    /// The leader, if there is one, is asked to give a learner a vote.
    Promote(NodeId),
    /// The leader, if there is one, is asked to remove a node.
    Remove(NodeId),
    /// The leader, if there is one, is asked to put one node in another's place.
    Replace {
        /// This node's place.
        node: NodeId,
        /// The new node.
        by: NodeId,
    },
    /// The leader, if there is one, is asked to hand over, to this node or to the fittest.
    Transfer(Option<NodeId>),
    /// When all faults end, these nodes stay down for ever. Does nothing if too few would be left.
    Abandon(BTreeSet<NodeId>),
    /// Client 0 sets a key.
    Write {
        /// The key.
        #[serde(with = "text")]
        key: Bytes,
        /// Its new value.
        #[serde(with = "text")]
        value: Bytes,
    },
    /// Client 0 reads a key.
    Read {
        /// The key.
        #[serde(with = "text")]
        key: Bytes,
    },
    /// Everything is healed and every node starts; from now on nothing goes wrong. A run with faults
    /// then ends when the cluster has proved itself well.
    EndFaults,
}

impl Command {
    /// Whether it breaks something.
    pub fn is_fault(&self) -> bool {
        match self {
            Self::Crash(_)
            | Self::CrashLeader
            | Self::CrashAll
            | Self::Pause(_)
            | Self::PauseLeader
            | Self::Cut { .. }
            | Self::Split(_)
            | Self::IsolateLeader
            | Self::DeafenLeader
            | Self::Lose(Some(_))
            | Self::SlowDisk { sync: Some(_), .. }
            | Self::FullDisk { is_full: true, .. }
            | Self::Wipe(_)
            | Self::Abandon(_) => true,
            Self::Restart(_)
            | Self::RestartAll
            | Self::Resume(_)
            | Self::ResumeAll
            | Self::Heal { .. }
            | Self::HealAll
            | Self::Lose(None)
            | Self::SlowDisk { sync: None, .. }
            | Self::FullDisk { is_full: false, .. }
            | Self::Add { .. }
            | Self::Promote(_)
            | Self::Remove(_)
            | Self::Replace { .. }
            | Self::Transfer(_)
            | Self::Write { .. }
            | Self::Read { .. }
            | Self::EndFaults => false,
        }
    }
}

/// What goes wrong in a run, from beginning to end: each fault with what ends it, and the end of all.
pub(crate) fn plan(options: &Options) -> Vec<(Instant, Command)> {
    let Some(faults) = &options.faults else { return Vec::new() };
    let random = &mut Random::new(options.seed, Purpose::Faults);
    let end = Instant(0) + faults.lasting;
    let mut plan = Vec::new();
    if random.chance(faults.abandon_ppm) {
        plan.push((end, Command::Abandon(some_minority(options, random))));
    }
    plan.push((end, Command::EndFaults));
    let kinds = kinds(faults);
    let weights = kinds.iter().map(|(weight, _)| u64::from(*weight)).sum();
    let mut begin = Instant(0);
    loop {
        let pause_max = match random.chance(faults.burst_ppm) {
            true => options.timing.heartbeat_interval,
            false => faults.interval_max,
        };
        begin = begin + random.duration(Duration::from_millis(1), pause_max);
        if weights == 0 || begin >= end {
            return plan;
        }
        let kind = draw(&kinds, random.below(weights));
        let (first, last) = fault(options, random, kind);
        plan.push((begin, first));
        plan.push((begin + random.duration(Duration::ZERO, faults.duration_max), last));
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Crash,
    CrashLeader,
    CrashAll,
    Split,
    IsolateLeader,
    DeafenLeader,
    Cut,
    Loss,
    Pause,
    PauseLeader,
    SlowDisk,
    FullDisk,
    Wipe,
    Members,
    Transfer,
}

/// Every node, also those that wait to be added.
fn nodes(options: &Options) -> impl Iterator<Item = NodeId> {
    (1..=options.nodes + options.spares).map(NodeId)
}

fn kinds(faults: &FaultOptions) -> [(u32, Kind); 15] {
    [
        (faults.crash, Kind::Crash),
        (faults.crash_leader, Kind::CrashLeader),
        (faults.crash_all, Kind::CrashAll),
        (faults.split, Kind::Split),
        (faults.isolate_leader, Kind::IsolateLeader),
        (faults.deafen_leader, Kind::DeafenLeader),
        (faults.cut, Kind::Cut),
        (faults.loss, Kind::Loss),
        (faults.pause, Kind::Pause),
        (faults.pause_leader, Kind::PauseLeader),
        (faults.slow_disk, Kind::SlowDisk),
        (faults.full_disk, Kind::FullDisk),
        (faults.wipe, Kind::Wipe),
        (faults.members, Kind::Members),
        (faults.transfer, Kind::Transfer),
    ]
}

/// The kind that the `number`-th unit of weight falls on.
fn draw(kinds: &[(u32, Kind)], mut number: u64) -> Kind {
    for (weight, kind) in kinds {
        match number.checked_sub(u64::from(*weight)) {
            Some(rest) => number = rest,
            None => return *kind,
        }
    }
    unreachable!("the number is below the sum of the weights")
}

/// Nodes that can stay down for ever: fewer than half of the founders, and any of those that wait.
fn some_minority(options: &Options, random: &mut Random) -> BTreeSet<NodeId> {
    let spares = nodes(options).filter(|node| node.0 > options.nodes);
    let mut some: BTreeSet<NodeId> = spares.filter(|_| random.chance(300_000)).collect();
    for _ in 0..random.between(0, options.nodes.div_ceil(2) - 1) {
        some.insert(NodeId(random.between(1, options.nodes)));
    }
    some
}

/// A fault and what ends it.
fn fault(options: &Options, random: &mut Random, kind: Kind) -> (Command, Command) {
    let all = options.nodes + options.spares;
    let node = NodeId(random.between(1, all));
    let other = NodeId(random.between(1, all));
    match kind {
        Kind::Crash => (Command::Crash(node), Command::Restart(node)),
        Kind::CrashLeader => (Command::CrashLeader, Command::RestartAll),
        Kind::CrashAll => (Command::CrashAll, Command::RestartAll),
        Kind::Split => {
            let side = nodes(options).filter(|_| random.chance(500_000));
            (Command::Split(side.collect()), Command::HealAll)
        }
        Kind::IsolateLeader => (Command::IsolateLeader, Command::HealAll),
        Kind::DeafenLeader => (Command::DeafenLeader, Command::HealAll),
        Kind::Cut => {
            (Command::Cut { from: node, to: other }, Command::Heal { from: node, to: other })
        }
        Kind::Loss => {
            (Command::Lose(Some(random.pick(&[100_000, 300_000, 900_000]))), Command::Lose(None))
        }
        Kind::Pause => (Command::Pause(node), Command::Resume(node)),
        Kind::PauseLeader => (Command::PauseLeader, Command::ResumeAll),
        Kind::SlowDisk => {
            let longest = options.timing.election_timeout_max * random.pick(&[1, 20]);
            let sync = random.duration(options.disk.sync_max, longest);
            (Command::SlowDisk { node, sync: Some(sync) }, Command::SlowDisk { node, sync: None })
        }
        Kind::FullDisk => {
            (Command::FullDisk { node, is_full: true }, Command::FullDisk { node, is_full: false })
        }
        Kind::Wipe => (Command::Wipe(node), Command::Restart(node)),
        Kind::Members if random.chance(500_000) => change(random, node, other),
        // Founders are members at first, and the others are not.
        Kind::Members => {
            let founder = NodeId(random.between(1, options.nodes));
            let other = NodeId(random.between(options.nodes + u64::from(options.spares > 0), all));
            change(random, founder, other)
        }
        Kind::Transfer => (Command::Transfer(Some(node)), Command::Transfer(None)),
    }
}

/// A change of the members, and what may undo it.
fn change(random: &mut Random, node: NodeId, other: NodeId) -> (Command, Command) {
    let goal = random.pick(&[Goal::Vote, Goal::Vote, Goal::Stay]);
    match random.below(4) {
        0 => (Command::Add { node, goal }, Command::Remove(node)),
        1 => (Command::Remove(node), Command::Add { node, goal }),
        2 => (Command::Add { node, goal }, Command::Promote(node)),
        _ => (Command::Replace { node, by: other }, Command::Remove(other)),
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash(node) => write!(f, "crash node {node}"),
            Self::CrashLeader => write!(f, "crash the leader"),
            Self::CrashAll => write!(f, "crash all nodes"),
            Self::Restart(node) => write!(f, "restart node {node}"),
            Self::RestartAll => write!(f, "restart all nodes"),
            Self::Pause(node) => write!(f, "pause node {node}"),
            Self::PauseLeader => write!(f, "pause the leader"),
            Self::Resume(node) => write!(f, "resume node {node}"),
            Self::ResumeAll => write!(f, "resume all nodes"),
            Self::Cut { from, to } => write!(f, "cut {from}->{to}"),
            Self::Heal { from, to } => write!(f, "heal {from}->{to}"),
            Self::Split(side) => {
                write!(f, "split off")?;
                side.iter().try_for_each(|node| write!(f, " {node}"))
            }
            Self::IsolateLeader => write!(f, "isolate the leader"),
            Self::DeafenLeader => write!(f, "cut all links to the leader"),
            Self::HealAll => write!(f, "heal all links"),
            Self::Lose(Some(ppm)) => write!(f, "lose {ppm} messages in a million"),
            Self::Lose(None) => write!(f, "lose messages as usual"),
            Self::SlowDisk { node, sync: Some(sync) } => {
                write!(f, "slow the disk of node {node} to {} us a sync", sync.as_micros())
            }
            Self::SlowDisk { node, sync: None } => write!(f, "mend the disk of node {node}"),
            Self::FullDisk { node, is_full: true } => write!(f, "fill the disk of node {node}"),
            Self::FullDisk { node, is_full: false } => {
                write!(f, "make room on the disk of node {node}")
            }
            Self::Wipe(node) => write!(f, "wipe node {node}"),
            Self::Add { node, goal: Goal::Stay } => write!(f, "add node {node} as a learner"),
            Self::Add { node, .. } => write!(f, "add node {node}"),
            Self::Promote(node) => write!(f, "promote node {node}"),
            Self::Remove(node) => write!(f, "remove node {node}"),
            Self::Replace { node, by } => write!(f, "replace node {node} by node {by}"),
            Self::Transfer(Some(node)) => write!(f, "transfer leadership to node {node}"),
            Self::Transfer(None) => write!(f, "transfer leadership"),
            Self::Abandon(nodes) => {
                write!(f, "abandon")?;
                nodes.iter().try_for_each(|node| write!(f, " {node}"))
            }
            Self::Write { key, value } => {
                write!(f, "set {}={}", Short(key), Short(value))
            }
            Self::Read { key } => write!(f, "get {}", Short(key)),
            Self::EndFaults => write!(f, "end all faults"),
        }
    }
}
