//! One point of the comparison: a load on a cluster, and what it cost.

use crate::cluster::{Cluster, System};
use crate::etcd::ToEtcd;
use raft_native::bench::wire::ToNode;
use raft_native::bench::{CLIENTS_EACH, Load, Operation, Report};
use raft_native::socket::Form;
use serde::Serialize;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a load lasts before it is measured.
const WARM_UP: Duration = Duration::from_secs(1);

/// What is asked, and by how many.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Workload {
    /// What is asked.
    pub(crate) operation: Operation,
    /// Clients at a time.
    pub(crate) clients: usize,
    /// JSON instead of the binary form; etcd has none, and is asked in its own.
    pub(crate) json: bool,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Point {
    /// Requests carried out per second.
    pub(crate) ops_per_second: f64,
    /// Half of them took no longer, in milliseconds.
    pub(crate) p50_ms: f64,
    /// All but a hundredth took no longer, in milliseconds.
    pub(crate) p99_ms: f64,
    /// The longest that one of them took, in milliseconds.
    pub(crate) longest_ms: f64,
    /// Processor seconds of all nodes for a thousand of them.
    pub(crate) cpu_seconds_per_1000: f64,
    /// Syncs of all nodes for each; `None` where they cannot be counted.
    pub(crate) syncs_each: Option<f64>,
    /// Resident memory of the largest node afterwards, in MiB.
    pub(crate) resident_mib: f64,
    /// Requests that were not carried out.
    pub(crate) failed: u64,
}

impl Workload {
    /// What is asked, in words.
    pub(crate) fn name(&self) -> String {
        let form = if self.json { " (JSON)" } else { "" };
        format!("{}{form}, {} clients", self.operation.name(), self.clients)
    }

    fn load(&self, keys: u64, value_bytes: usize, duration: Duration) -> Load {
        Load {
            operation: self.operation,
            clients: self.clients,
            connections: self.clients.div_ceil(CLIENTS_EACH),
            keys,
            value_bytes,
            warm_up: Duration::ZERO,
            duration,
            form: if self.json { Form::Text } else { Form::Binary },
        }
    }
}

/// Writes every key once.
pub(crate) async fn fill(
    cluster: &Cluster,
    system: System,
    keys: u64,
    value_bytes: usize,
) -> Result<(), String> {
    let put = Workload { operation: Operation::Put, clients: 256, json: false };
    let load = put.load(keys, value_bytes, Duration::ZERO);
    let leader = leader_address(cluster)?;
    let filled = match system {
        System::Ours => load.fill::<ToNode>(&leader, |_| {}).await,
        System::Etcd => load.fill::<ToEtcd>(&leader, |_| {}).await,
    };
    let filled = filled.map_err(|failure| failure.to_string())?;
    match filled.failed.is_empty() {
        true => Ok(()),
        false => Err(format!("{} refused writes: {:?}", system.name(), filled.failed)),
    }
}

/// Measures a workload, to the leader.
pub(crate) async fn measure(
    cluster: &Cluster,
    system: System,
    workload: Workload,
    keys: u64,
    value_bytes: usize,
    duration: Duration,
) -> Result<Point, String> {
    let leader = leader_address(cluster)?;
    run(system, &workload.load(keys, value_bytes, WARM_UP), &leader).await?;
    let syncs = Syncs::count(&cluster.pids(), duration);
    let before = cluster.cpu()?;
    let report = run(system, &workload.load(keys, value_bytes, duration), &leader).await?;
    let cpu = (cluster.cpu()? - before).as_secs_f64();
    let operations = report.latency_us.len() as f64;
    let ms = |quantile| report.latency_us.value_at_quantile(quantile) as f64 / 1_000.0;
    let resident = cluster.resident_bytes()?.into_iter().max().unwrap_or_default();
    Ok(Point {
        ops_per_second: report.rate(),
        p50_ms: ms(0.5),
        p99_ms: ms(0.99),
        longest_ms: ms(1.0),
        cpu_seconds_per_1000: cpu / operations * 1_000.0,
        syncs_each: syncs.and_then(Syncs::end).map(|syncs| syncs as f64 / operations),
        resident_mib: resident as f64 / f64::from(1 << 20),
        failed: report.failed.values().sum(),
    })
}

async fn run(system: System, load: &Load, leader: &[String]) -> Result<Report, String> {
    let report = match system {
        System::Ours => load.run::<ToNode>(leader, |_| {}).await,
        System::Etcd => load.run::<ToEtcd>(leader, |_| {}).await,
    };
    report.map_err(|failure| failure.to_string())
}

fn leader_address(cluster: &Cluster) -> Result<Vec<String>, String> {
    Ok(vec![cluster.addresses().swap_remove(cluster.leader()?)])
}

/// Counts system calls without slowing them, where `perf` is installed and may.
struct Syncs(Child);

impl Syncs {
    fn count(pids: &[u32], duration: Duration) -> Option<Self> {
        let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
        let events = "syscalls:sys_enter_fsync,syscalls:sys_enter_fdatasync";
        Command::new("perf")
            .args(["stat", "--field-separator", ",", "--event", events, "--pid", &pids.join(",")])
            .args(["--timeout", &duration.as_millis().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .ok()
            .map(Self)
    }

    fn end(self) -> Option<u64> {
        let output = self.0.wait_with_output().ok().filter(|output| output.status.success())?;
        let text = String::from_utf8(output.stderr).ok()?;
        let counts = text.lines().filter_map(|line| line.split(',').next()?.parse::<u64>().ok());
        Some(counts.collect::<Vec<_>>()).filter(|counts| counts.len() == 2).map(|c| c.iter().sum())
    }
}
