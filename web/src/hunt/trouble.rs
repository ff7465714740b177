//! A cluster in trouble, drawn from a seed: the simulator's own plan of faults, at the pace of a playground,
//! and a client that writes all the while. What comes out is a session like any other.

use crate::session::{Cluster, Session};
use raft_core::id::NodeId;
use raft_core::time::Instant;
use raft_sim::options::FaultOptions;
use raft_sim::replay::Replay;
use raft_sim::{Command, Options};
use std::time::Duration;

/// How long a run lasts at most: some ten elections, and what a visitor waits for.
pub const LASTING: Instant = Instant(60_000_000);

/// How often the client writes: as soon as it has its answer, if all is well.
const WRITE_INTERVAL: Duration = Duration::from_millis(400);

/// When every node takes a snapshot: late enough that the log is longer than what is kept of it, early enough
/// that someone may need what is gone.
const SNAPSHOT_AT: Instant = Instant(35_000_000);

/// The session of a cluster that troubles of all kinds befall.
pub fn in_trouble(seed: u64, nodes: u64) -> Session {
    let options = Options { spares: 0, faults: Some(faults()), ..Options::playground(seed, nodes) };
    let mut commands = Replay::of(options).commands;
    commands.retain(|(at, command)| *at < LASTING && *command != Command::EndFaults);
    let writes = (1_u32..).map(|number| (Instant(0) + WRITE_INTERVAL * number, number));
    commands.extend(writes.take_while(|(at, _)| *at < LASTING).map(|(at, number)| {
        (at, Command::Write { key: "x".into(), value: number.to_string().into() })
    }));
    commands.extend((1..=nodes).map(|node| (SNAPSHOT_AT, Command::Snapshot(NodeId(node)))));
    commands.sort_by_key(|(at, _)| *at);
    Session { commands, ..Session::new(seed, Cluster::Playground(nodes)) }
}

/// Troubles that can be seen on the stage and told in a link.
fn faults() -> FaultOptions {
    FaultOptions {
        lasting: LASTING - Instant(0),
        healing_max: Duration::ZERO,
        interval_max: Duration::from_secs(5),
        burst_ppm: 200_000,
        duration_max: Duration::from_secs(12),
        crash: 3,
        crash_leader: 3,
        crash_all: 1,
        storm: 0,
        split: 3,
        isolate_leader: 3,
        deafen_leader: 1,
        cut: 2,
        mesh: 0,
        loss: 2,
        old_messages: 0,
        pause: 1,
        pause_leader: 2,
        slow_disk: 1,
        full_disk: 0,
        fail_sync: 0,
        wipe: 1,
        damage: 0,
        put_back: 0,
        members: 0,
        transfer: 2,
        abandon_ppm: 0,
        beyond: false,
    }
}
