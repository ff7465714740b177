//! What a run is: everything but the commands given to it on the way.

use crate::random::{Purpose, Random};
use raft_core::config::{Limits, Timing};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The most nodes that a playground comes to have.
pub const PLAYGROUND_NODES_MAX: u64 = 9;

/// A run, as data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Decides every draw.
    pub seed: u64,
    /// How many nodes, from 1.
    pub nodes: u64,
    /// How many more there are, which wait to be added.
    pub spares: u64,
    /// Those run from the start. If not, each does once a command has started it.
    pub spares_run: bool,
    /// The founding members know each other's lives from the start. If not, the first leader learns them.
    pub known_lives: bool,
    /// The nodes' own timing.
    pub timing: Timing,
    /// The nodes' own limits.
    pub limits: Limits,
    /// The longest a node lets inputs gather before it takes them in; zero takes each in as it comes.
    pub work_max: Duration,
    /// How often a node takes in only some of what waits for it, times in a million.
    pub part_ppm: u32,
    /// How far each node's clock may run from true time, either way, in millionths: below a million.
    pub clock_skew_ppm: u32,
    /// What messages go through.
    pub network: NetworkOptions,
    /// What writes go through.
    pub disk: DiskOptions,
    /// What goes wrong; `None` leaves that to commands, and the run never ends by itself.
    pub faults: Option<FaultOptions>,
    /// What clients do; `None` leaves that to commands.
    pub workload: Option<WorkloadOptions>,
}

/// The network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkOptions {
    /// The shortest way of a message.
    pub delay_min: Duration,
    /// The longest usual way.
    pub delay_max: Duration,
    /// Messages that take longer, times in a million.
    pub straggler_ppm: u32,
    /// How long those take at most.
    pub straggler_delay_max: Duration,
    /// Messages that are lost, times in a million.
    pub loss_ppm: u32,
    /// Messages that arrive twice, times in a million.
    pub duplicate_ppm: u32,
    /// Messages from one node to another arrive in the order of their sending, as over one connection.
    pub in_order: bool,
    /// Messages between nodes are encoded to the bytes of a frame and decoded from them.
    pub frames: bool,
}

/// The disks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskOptions {
    /// The shortest sync.
    pub sync_min: Duration,
    /// The longest sync of a disk that is well.
    pub sync_max: Duration,
    /// The length of a log segment. Short ones make a short run open and retire many.
    pub segment_bytes: u64,
}

/// What goes wrong, until the cluster is healed and must prove itself well. Weights are relative to
/// each other; a fault of weight zero does not happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultOptions {
    /// Faults begin up to here; then everything is healed.
    pub lasting: Duration,
    /// How long the healed cluster may take to be well.
    pub healing_max: Duration,
    /// The longest pause between the beginnings of two faults.
    pub interval_max: Duration,
    /// How often a fault begins within a heartbeat of the one before it, times in a million: troubles
    /// that come together meet a cluster in the middle of what it does about the first.
    pub burst_ppm: u32,
    /// The longest a fault lasts.
    pub duration_max: Duration,
    /// A node crashes.
    pub crash: u32,
    /// The leader crashes.
    pub crash_leader: u32,
    /// Every node crashes.
    pub crash_all: u32,
    /// Nodes crash and start, again and again.
    pub storm: u32,
    /// The nodes part into two sides that cannot reach each other.
    pub split: u32,
    /// The leader is cut off.
    pub isolate_leader: u32,
    /// The leader hears nobody, and can still be heard.
    pub deafen_leader: u32,
    /// One link carries nothing in one direction.
    pub cut: u32,
    /// Links are cut so that nodes see different parts of the cluster: a bridge, a star, a ring.
    pub mesh: u32,
    /// Many messages are lost everywhere.
    pub loss: u32,
    /// Old messages arrive once more.
    pub old_messages: u32,
    /// A node stands still, its clock does not, and then it goes on.
    pub pause: u32,
    /// The leader stands still.
    pub pause_leader: u32,
    /// A node's disk is slow, or stuck.
    pub slow_disk: u32,
    /// A node's disk is full.
    pub full_disk: u32,
    /// A sync fails, and ends the process.
    pub fail_sync: u32,
    /// A node loses its data.
    pub wipe: u32,
    /// Bytes of a node's disk change.
    pub damage: u32,
    /// A node starts with an older copy of its data directory.
    pub put_back: u32,
    /// The members change.
    pub members: u32,
    /// Leadership is handed over.
    pub transfer: u32,
    /// How often some nodes stay down for ever when everything else is healed, times in a million.
    pub abandon_ppm: u32,
    /// Data may be lost on a majority of the nodes, and then the cluster must halt.
    pub beyond: bool,
}

/// What clients do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadOptions {
    /// How many clients, each with one operation under way at a time.
    pub clients: u64,
    /// How many keys they share.
    pub keys: u64,
    /// The longest value in bytes.
    pub value_bytes_max: u64,
    /// The longest pause between two operations of a client.
    pub think_max: Duration,
    /// How long a client waits for an answer before it asks another node.
    pub patience: Duration,
    /// How often it gives up then instead, times in a million.
    pub give_up_ppm: u32,
    /// Reads, times in a million.
    pub read_ppm: u32,
    /// Deletes among the writes, times in a million.
    pub delete_ppm: u32,
    /// Writes with a condition, times in a million.
    pub condition_ppm: u32,
    /// Writes without a session, times in a million. They are sent once.
    pub sessionless_ppm: u32,
    /// Writes that ask how many nodes have them on disk, times in a million.
    pub copies_ppm: u32,
}

impl Options {
    /// A calm cluster to play with: no faults and no clients but those of commands, and slow enough
    /// for the eye at the speed of life.
    pub fn playground(seed: u64, nodes: u64) -> Self {
        let ms = Duration::from_millis;
        Self {
            seed,
            nodes,
            spares: PLAYGROUND_NODES_MAX.saturating_sub(nodes),
            spares_run: false,
            known_lives: true,
            timing: Timing {
                heartbeat_interval: ms(500),
                election_timeout_min: ms(2_000),
                election_timeout_max: ms(4_000),
                request_timeout: ms(10_000),
                copies_wait: ms(1_000),
                lease_drift_percent: None,
            },
            limits: Limits {
                requests_max: 256,
                snapshot_log_entries: 64,
                log_keep_entries: 32,
                ..Limits::default()
            },
            work_max: Duration::ZERO,
            part_ppm: 0,
            clock_skew_ppm: 0,
            network: NetworkOptions {
                delay_min: ms(120),
                delay_max: ms(240),
                straggler_ppm: 0,
                straggler_delay_max: Duration::ZERO,
                loss_ppm: 0,
                duplicate_ppm: 0,
                in_order: true,
                frames: false,
            },
            disk: DiskOptions { sync_min: ms(40), sync_max: ms(80), segment_bytes: 16 << 10 },
            faults: None,
            workload: None,
        }
    }

    /// A run in which everything is drawn from the seed: size, timing, limits, every rate of every
    /// fault including none, and what clients do.
    pub fn swarm(seed: u64) -> Self {
        let random = &mut Random::new(seed, Purpose::Options);
        let clock_skew_ppm = random.pick(&[0, 1_000, 50_000, 200_000]);
        let timing = timing(random, clock_skew_ppm);
        let network = network(random, &timing);
        Self {
            seed,
            nodes: random.pick(&[1, 2, 3, 3, 3, 4, 5, 5, 5, 6, 7]),
            spares: random.pick(&[0, 0, 1, 2, 3]),
            spares_run: true,
            known_lives: random.chance(300_000),
            limits: limits(random),
            work_max: random.pick(&[Duration::ZERO, Duration::from_micros(200), network.delay_max]),
            part_ppm: random.pick(&[0, 0, 100_000, 500_000]),
            clock_skew_ppm,
            disk: disk(random, &timing),
            faults: Some(faults(random, &timing)),
            workload: Some(workload(random, &timing)),
            network,
            timing,
        }
    }

    /// The same, but data may be lost on any number of nodes. The cluster comes well out of it, or halts.
    pub fn beyond(seed: u64) -> Self {
        let mut options = Self::swarm(seed);
        if let Some(faults) = &mut options.faults {
            faults.beyond = true;
            (faults.wipe, faults.damage) = (faults.wipe.max(1), faults.damage.max(1));
        }
        options
    }
}

fn timing(random: &mut Random, clock_skew_ppm: u32) -> Timing {
    let heartbeat_interval = Duration::from_millis(random.pick(&[20, 50, 50, 100]));
    let election_timeout_min = heartbeat_interval * random.pick(&[3, 5, 6, 10]);
    Timing {
        heartbeat_interval,
        election_timeout_min,
        election_timeout_max: election_timeout_min * random.pick(&[2, 2, 3]),
        request_timeout: election_timeout_min * random.pick(&[1, 4, 15]),
        copies_wait: heartbeat_interval * 4,
        // Leases are promised only while no clock is further off than they say.
        lease_drift_percent: random.pick(&[None, Some(clock_skew_ppm.div_ceil(10_000))]),
    }
}

fn limits(random: &mut Random) -> Limits {
    Limits {
        sessions_max: random.pick(&[4, 8, 1_000, 1_000]),
        requests_max: random.pick(&[2, 64, 1_024]),
        uncommitted_bytes_max: random.pick(&[2 << 10, 64 << 10, 1 << 20]),
        append_bytes_max: random.pick(&[100, 1 << 10, 64 << 10]),
        append_entries_max: random.pick(&[1, 2, 16, 1_024]),
        append_messages_max: random.pick(&[1, 2, 8, 64]),
        append_window_bytes_max: random.pick(&[256, 4 << 10, 1 << 20]),
        writes_max: random.pick(&[1, 2, 4, 16]),
        apply_entries_max: random.pick(&[1, 4, 64, 4_096]),
        snapshot_log_bytes: random.pick(&[4 << 10, 64 << 10, 1 << 20]),
        snapshot_log_entries: random.pick(&[5, 20, 100, 500]),
        log_keep_entries: random.pick(&[0, 1, 5, 50]),
        snapshot_chunk_bytes: random.pick(&[128, 1 << 10, 16 << 10]),
        ..Limits::default()
    }
}

fn network(random: &mut Random, timing: &Timing) -> NetworkOptions {
    let delay_min = Duration::from_micros(random.pick(&[50, 500, 2_000]));
    NetworkOptions {
        delay_min,
        delay_max: delay_min + timing.heartbeat_interval / random.pick(&[100, 10, 2]),
        straggler_ppm: random.pick(&[0, 0, 1_000, 50_000]),
        straggler_delay_max: timing.election_timeout_max * random.pick(&[1, 4]),
        loss_ppm: random.pick(&[0, 0, 1_000, 20_000, 150_000]),
        duplicate_ppm: random.pick(&[0, 0, 10_000, 300_000]),
        in_order: random.chance(500_000),
        frames: random.chance(250_000),
    }
}

fn disk(random: &mut Random, timing: &Timing) -> DiskOptions {
    let sync_min = Duration::from_micros(random.pick(&[20, 200, 1_000]));
    DiskOptions {
        sync_min,
        sync_max: sync_min + timing.heartbeat_interval / random.pick(&[50, 5, 1]),
        segment_bytes: random.pick(&[512, 4 << 10, 16 << 10, 64 << 10]),
    }
}

fn faults(random: &mut Random, timing: &Timing) -> FaultOptions {
    let mut weight = || random.pick(&[0, 0, 1, 4]);
    let [crash, crash_leader, crash_all, storm] = std::array::from_fn(|_| weight());
    let [split, isolate_leader, deafen_leader, cut, mesh] = std::array::from_fn(|_| weight());
    let [loss, old_messages] = std::array::from_fn(|_| weight());
    let [pause, pause_leader, slow_disk, full_disk, fail_sync] = std::array::from_fn(|_| weight());
    let [wipe, damage, put_back, members, transfer] = std::array::from_fn(|_| weight());
    let unit = timing.election_timeout_max;
    FaultOptions {
        lasting: unit * 30,
        healing_max: unit * 40,
        interval_max: unit * random.pick(&[1, 3, 8]),
        burst_ppm: random.pick(&[0, 300_000, 700_000]),
        duration_max: unit * random.pick(&[1, 3, 10]),
        crash,
        crash_leader,
        crash_all,
        storm,
        split,
        isolate_leader,
        deafen_leader,
        cut,
        mesh,
        loss,
        old_messages,
        pause,
        pause_leader,
        slow_disk,
        full_disk,
        fail_sync,
        wipe,
        damage,
        put_back,
        members,
        transfer,
        abandon_ppm: random.pick(&[0, 500_000]),
        beyond: false,
    }
}

fn workload(random: &mut Random, timing: &Timing) -> WorkloadOptions {
    WorkloadOptions {
        clients: random.between(1, 6),
        keys: random.between(1, 5),
        value_bytes_max: random.pick(&[0, 8, 100, 1_000]),
        think_max: timing.heartbeat_interval * random.pick(&[1, 4, 10]),
        patience: timing.election_timeout_max * random.pick(&[1, 3]),
        give_up_ppm: random.pick(&[0, 0, 100_000]),
        read_ppm: random.pick(&[100_000, 500_000, 800_000]),
        delete_ppm: random.pick(&[0, 200_000]),
        condition_ppm: random.pick(&[0, 300_000]),
        sessionless_ppm: random.pick(&[0, 0, 100_000]),
        copies_ppm: random.pick(&[0, 0, 300_000]),
    }
}
