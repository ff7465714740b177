//! What happens seldom and matters when it does: a leader is killed, a node comes back, and a large store
//! starts.

use crate::cluster::{Cluster, Programs, System};
use crate::measure::{Workload, fill, measure};
use crate::report::Finding;
use raft_native::bench::Operation;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How many leaders are killed.
const KILLS: usize = 10;

/// How many entries a node has missed that comes back.
const MISSED: u64 = 100_000;

/// How many keys a large store has.
const MANY: u64 = 1_000_000;

/// How many clients write while a large store is looked at, and for how long: there are snapshots in that time.
const FEW_CLIENTS: usize = 16;
const LOOK: Duration = Duration::from_secs(15);

/// How many writes are many, how many clients make them, to how many keys, and how long a rate is measured.
const WRITES: f64 = 10_000_000.0;
const MANY_CLIENTS: usize = 256;
const WRITTEN_KEYS: u64 = 100_000;
const RATE_OVER: Duration = Duration::from_secs(5);

/// How often the leader that is to be killed is asked to write, and how often a write is tried while nobody
/// may be leading: a light load.
const TRY_INTERVAL: Duration = Duration::from_millis(10);

/// How long a leader is under that load before it is killed.
const LOAD_BEFORE: Duration = Duration::from_millis(500);

/// How long to wait for what should take moments.
const PATIENCE: Duration = Duration::from_secs(60);

/// A trial, by its name in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trial {
    /// From `kill -9` of the leader, under a light load, to the next write that is acknowledged.
    Failover,
    /// From the start of a node that missed entries until it has applied them.
    CatchingUp,
    /// Memory, disk, writes and a cold start with many keys.
    ManyKeys,
    /// What many writes leave behind. Of ours alone: the other takes ten minutes for them.
    ManyWrites,
}

impl Trial {
    /// All of them.
    pub(crate) const ALL: [Self; 4] =
        [Self::Failover, Self::CatchingUp, Self::ManyKeys, Self::ManyWrites];

    /// What `--only` is compared with.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::CatchingUp => "catching up",
            Self::ManyKeys => "many keys",
            Self::ManyWrites => "many writes",
        }
    }

    /// Runs it on a fresh cluster of each, one after the other.
    pub(crate) async fn run(
        self,
        programs: &Programs,
        dir: &Path,
        value_bytes: usize,
    ) -> Result<Vec<Finding>, String> {
        let mut findings: Vec<Finding> = Vec::new();
        let systems: &[System] = match self {
            Self::ManyWrites => &[System::Ours],
            _ => &[System::Ours, System::Etcd],
        };
        for system in systems.iter().copied() {
            let mut cluster = Cluster::start(system, programs, dir)?;
            let figures = match self {
                Self::Failover => failover(&mut cluster)?,
                Self::CatchingUp => catching_up(&mut cluster, system, value_bytes).await?,
                Self::ManyKeys => many_keys(&mut cluster, system, value_bytes).await?,
                Self::ManyWrites => many_writes(&cluster, system, value_bytes).await?,
            };
            for (name, figure) in figures {
                println!("{:8}  {name}: {figure:.3}", system.name());
                match findings.iter_mut().find(|finding| finding.name == name) {
                    Some(finding) => finding.add(system, figure),
                    None => findings.push(Finding::new(name, system, figure)),
                }
            }
        }
        Ok(findings)
    }
}

/// Figures by their names.
type Figures = Vec<(&'static str, f64)>;

fn failover(cluster: &mut Cluster) -> Result<Figures, String> {
    let mut silent_ms = Vec::with_capacity(KILLS);
    for _ in 0..KILLS {
        let leader = cluster.leader()?;
        let survivors = cluster.others(leader);
        load(cluster, leader);
        cluster.kill(leader);
        silent_ms.push(first_write(cluster, &survivors)?.as_secs_f64() * 1_000.0);
        cluster.start_node(leader)?;
        has_applied_all(cluster, leader)?;
    }
    silent_ms.sort_by(f64::total_cmp);
    let (median, worst) = (silent_ms[KILLS / 2], silent_ms[KILLS - 1]);
    Ok(vec![("failover, median of 10 (ms)", median), ("failover, longest of 10 (ms)", worst)])
}

/// Writes to a node for a while, and ends with writes on their way.
fn load(cluster: &Cluster, node: usize) {
    let start = Instant::now();
    while start.elapsed() < LOAD_BEFORE {
        thread::spawn(cluster.write_to(node));
        thread::sleep(TRY_INTERVAL);
    }
}

/// How long it takes until a write is acknowledged that was sent from now on, to any of these nodes.
fn first_write(cluster: &Cluster, nodes: &[usize]) -> Result<Duration, String> {
    let start = Instant::now();
    let (report, acknowledged) = channel();
    for node in nodes.iter().cycle() {
        // Each in a thread of its own: some servers keep a write until they know a leader, some refuse it.
        let (write, report) = (cluster.write_to(*node), report.clone());
        thread::spawn(move || write().then(|| report.send(start.elapsed())));
        match acknowledged.recv_timeout(TRY_INTERVAL) {
            Ok(elapsed) => return Ok(elapsed),
            Err(RecvTimeoutError::Timeout) if start.elapsed() < PATIENCE => {}
            Err(_) => break,
        }
    }
    Err("no write is acknowledged any more".to_owned())
}

async fn catching_up(
    cluster: &mut Cluster,
    system: System,
    value_bytes: usize,
) -> Result<Figures, String> {
    let follower = cluster.others(cluster.leader()?)[0];
    cluster.kill(follower);
    fill(cluster, system, MISSED, value_bytes).await?;
    let start = Instant::now();
    cluster.start_node(follower)?;
    has_applied_all(cluster, follower)?;
    Ok(vec![("catching up 100,000 entries (s)", start.elapsed().as_secs_f64())])
}

/// Waits until a node has applied what the leader has.
fn has_applied_all(cluster: &Cluster, node: usize) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let leader = cluster.leader()?;
        if let (Some(there), Some(here)) = (cluster.applied(leader), cluster.applied(node))
            && here >= there
        {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(2));
    }
    Err("a node that came back does not catch up".to_owned())
}

async fn many_keys(
    cluster: &mut Cluster,
    system: System,
    value_bytes: usize,
) -> Result<Figures, String> {
    fill(cluster, system, MANY, value_bytes).await?;
    let (resident, stored) = sizes_mib(cluster)?;
    let put = Workload { operation: Operation::Put, clients: FEW_CLIENTS, json: false };
    let written = measure(cluster, system, put, MANY, value_bytes, LOOK).await?;
    let all: Vec<usize> = cluster.all();
    all.iter().for_each(|node| cluster.kill(*node));
    let start = Instant::now();
    all.iter().try_for_each(|node| cluster.start_node(*node))?;
    first_write(cluster, &all)?;
    Ok(vec![
        ("1,000,000 keys: memory of a node (MiB)", resident),
        ("1,000,000 keys: disk of a node (MiB)", stored),
        ("1,000,000 keys: longest wait of 16 clients for a write (ms)", written.longest_ms),
        ("1,000,000 keys: cold start (s)", start.elapsed().as_secs_f64()),
    ])
}

/// The memory and the disk of the node that has most.
fn sizes_mib(cluster: &Cluster) -> Result<(f64, f64), String> {
    let most =
        |bytes: Vec<u64>| bytes.into_iter().max().unwrap_or_default() as f64 / f64::from(1 << 20);
    Ok((most(cluster.resident_bytes()?), most(cluster.stored_bytes()?)))
}

async fn many_writes(
    cluster: &Cluster,
    system: System,
    value_bytes: usize,
) -> Result<Figures, String> {
    let put = Workload { operation: Operation::Put, clients: MANY_CLIENTS, json: false };
    fill(cluster, system, WRITTEN_KEYS, value_bytes).await?;
    let (mut rates, mut written) = (Vec::new(), 0.0);
    while written < WRITES {
        let point = measure(cluster, system, put, WRITTEN_KEYS, value_bytes, RATE_OVER).await?;
        written += point.ops_per_second * RATE_OVER.as_secs_f64();
        rates.push(point.ops_per_second);
    }
    let (resident, stored) = sizes_mib(cluster)?;
    let (first, last) = (rates[0], rates[rates.len() - 1]);
    Ok(vec![
        ("10,000,000 writes: the first 5 s (ops/s)", first),
        ("10,000,000 writes: the last 5 s (ops/s)", last),
        ("10,000,000 writes: memory of a node (MiB)", resident),
        ("10,000,000 writes: disk of a node (MiB)", stored),
    ])
}
