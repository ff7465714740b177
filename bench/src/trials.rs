//! What happens seldom and matters when it does: a leader is killed, a node comes back, and a large store
//! starts.

use crate::cluster::{Cluster, Programs, System};
use crate::measure::fill;
use crate::report::Finding;
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
    /// Memory, disk and a cold start with many keys.
    ManyKeys,
}

impl Trial {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Failover, Self::CatchingUp, Self::ManyKeys];

    /// What `--only` is compared with.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::CatchingUp => "catching up",
            Self::ManyKeys => "many keys",
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
        for system in [System::Ours, System::Etcd] {
            let mut cluster = Cluster::start(system, programs, dir)?;
            let figures = match self {
                Self::Failover => failover(&mut cluster)?,
                Self::CatchingUp => catching_up(&mut cluster, system, value_bytes).await?,
                Self::ManyKeys => many_keys(&mut cluster, system, value_bytes).await?,
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
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let resident = cluster.resident_bytes()?.into_iter().max().unwrap_or_default();
    let stored = cluster.stored_bytes()?.into_iter().max().unwrap_or_default();
    let all: Vec<usize> = cluster.all();
    all.iter().for_each(|node| cluster.kill(*node));
    let start = Instant::now();
    all.iter().try_for_each(|node| cluster.start_node(*node))?;
    first_write(cluster, &all)?;
    Ok(vec![
        ("1,000,000 keys: memory of a node (MiB)", mib(resident)),
        ("1,000,000 keys: disk of a node (MiB)", mib(stored)),
        ("1,000,000 keys: cold start (s)", start.elapsed().as_secs_f64()),
    ])
}
