//! What goes wrong in a run, drawn from its seed.

use crate::faults::{Command, Damage};
use crate::options::{FaultOptions, Options};
use crate::random::{Purpose, Random};
use raft_core::id::NodeId;
use raft_core::raft::membership::Goal;
use raft_core::time::Instant;
use raft_core::vec_map::VecSet;
use std::time::Duration;

/// Most rounds of a restart storm.
const STORM_ROUNDS_MAX: u64 = 8;

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
        let ends_at = begin + random.duration(Duration::ZERO, faults.duration_max);
        if let Kind::Storm = kind {
            storm(options, random, begin, ends_at.min(end), &mut plan);
            continue;
        }
        let (first, last) = fault(options, random, kind);
        plan.push((begin, first));
        plan.push((ends_at, last));
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Crash,
    CrashLeader,
    CrashAll,
    Storm,
    Split,
    IsolateLeader,
    DeafenLeader,
    Cut,
    Mesh,
    Loss,
    OldMessages,
    Pause,
    PauseLeader,
    SlowDisk,
    FullDisk,
    FailSync,
    Wipe,
    Damage,
    PutBack,
    Members,
    Transfer,
}

/// Every node, also those that wait to be added.
fn nodes(options: &Options) -> impl Iterator<Item = NodeId> {
    (1..=options.nodes + options.spares).map(NodeId)
}

fn kinds(faults: &FaultOptions) -> [(u32, Kind); 21] {
    [
        (faults.crash, Kind::Crash),
        (faults.crash_leader, Kind::CrashLeader),
        (faults.crash_all, Kind::CrashAll),
        (faults.storm, Kind::Storm),
        (faults.split, Kind::Split),
        (faults.isolate_leader, Kind::IsolateLeader),
        (faults.deafen_leader, Kind::DeafenLeader),
        (faults.cut, Kind::Cut),
        (faults.mesh, Kind::Mesh),
        (faults.loss, Kind::Loss),
        (faults.old_messages, Kind::OldMessages),
        (faults.pause, Kind::Pause),
        (faults.pause_leader, Kind::PauseLeader),
        (faults.slow_disk, Kind::SlowDisk),
        (faults.full_disk, Kind::FullDisk),
        (faults.fail_sync, Kind::FailSync),
        (faults.wipe, Kind::Wipe),
        (faults.damage, Kind::Damage),
        (faults.put_back, Kind::PutBack),
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
fn some_minority(options: &Options, random: &mut Random) -> VecSet<NodeId> {
    let spares = nodes(options).filter(|node| node.0 > options.nodes);
    let mut some: VecSet<NodeId> = spares.filter(|_| random.chance(300_000)).collect();
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
        Kind::Crash | Kind::Storm => (Command::Crash(node), Command::Restart(node)),
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
        Kind::Mesh => (Command::CutLinks(mesh(options, random, node)), Command::HealAll),
        Kind::Loss => {
            (Command::Lose(Some(random.pick(&[100_000, 300_000, 900_000]))), Command::Lose(None))
        }
        Kind::OldMessages => (Command::ReplayMessages, Command::ReplayMessages),
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
        Kind::FailSync => (Command::FailSync(node), Command::Restart(node)),
        Kind::Wipe => (Command::Wipe(node), Command::Restart(node)),
        Kind::Damage => {
            let kinds = [
                Damage::FlipBit,
                Damage::ZeroSector,
                Damage::StaleSector,
                Damage::Truncate,
                Damage::Vanish,
            ];
            let place = random.below(1 << 32) as u32;
            let damage = Command::Damage { node, damage: random.pick(&kinds), place };
            (damage, Command::Restart(node))
        }
        Kind::PutBack if random.chance(500_000) => (Command::Copy(node), Command::PutBack(node)),
        Kind::PutBack => (Command::PutBack(node), Command::Copy(node)),
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

/// Nodes crash and start, again and again: all at once, or one after the other.
fn storm(
    options: &Options,
    random: &mut Random,
    begin: Instant,
    end: Instant,
    plan: &mut Vec<(Instant, Command)>,
) {
    let in_phase = random.chance(500_000);
    let rounds = random.between(2, STORM_ROUNDS_MAX);
    let step = (end - begin) / (2 * rounds as u32);
    let mut at = begin;
    for _ in 0..rounds {
        let node = NodeId(random.between(1, options.nodes + options.spares));
        plan.push((at, if in_phase { Command::CrashAll } else { Command::Crash(node) }));
        plan.push((at + step, Command::RestartAll));
        at = at + step * 2;
    }
}

/// Links that are cut so that nodes see different parts of the cluster.
fn mesh(options: &Options, random: &mut Random, hub: NodeId) -> VecSet<(NodeId, NodeId)> {
    let all: Vec<NodeId> = nodes(options).collect();
    let shape = random.below(4);
    let sides: Vec<bool> = all.iter().map(|_| random.chance(500_000)).collect();
    let dense = random.pick(&[200_000, 500_000, 800_000]);
    let mut links = VecSet::new();
    for (place, one) in all.iter().enumerate() {
        for (other_place, other) in all.iter().enumerate().skip(place + 1) {
            let is_cut = match shape {
                // Two sides, and one node that both see.
                0 => *one != hub && *other != hub && sides[place] != sides[other_place],
                // One node that all see, and nobody sees another.
                1 => *one != hub && *other != hub,
                // A ring: each sees its two neighbours.
                2 => other_place - place != 1 && other_place - place != all.len() - 1,
                // Anything.
                _ => random.chance(dense),
            };
            if is_cut {
                links.insert((*one, *other));
            }
        }
    }
    links
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
