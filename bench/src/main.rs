//! How fast it is, beside etcd: `cargo xtask bench`. Both run on this machine, in turn, each on three nodes
//! with fresh directories on a real disk; the same generator asks both.

mod cluster;
mod curve;
mod etcd;
mod measure;
mod report;
mod trials;

use clap::Parser;
use cluster::{Cluster, Programs, System};
use measure::{Workload, fill, measure};
use raft_native::bench::Operation;
use report::{Machine, Row};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use trials::Trial;

/// Measures raft-kv beside etcd
#[derive(Debug, Parser)]
struct Arguments {
    /// The node of ours
    #[arg(long, value_name = "FILE", default_value = "target/release/raft-kv")]
    ours: PathBuf,
    /// The etcd to compare with
    #[arg(long, value_name = "FILE", default_value = "etcd", env = "ETCD")]
    etcd: PathBuf,
    /// A folder on a real disk, which is emptied
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    dir: PathBuf,
    /// How often everything is measured
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=20))]
    repetitions: u8,
    /// How long each load lasts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How many different keys
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    keys: u64,
    /// The length of a value
    #[arg(long, value_name = "N", default_value_t = 256)]
    value_bytes: usize,
    /// Only what has this in its name: `put`, `256 clients`, `failover`, `catching up`, `many keys`, `many writes`
    #[arg(long, value_name = "WORDS", default_value = "")]
    only: String,
}

/// What is compared.
fn workloads() -> Vec<Workload> {
    let plain = |operation, clients: &[usize]| -> Vec<Workload> {
        clients
            .iter()
            .map(|clients| Workload { operation, clients: *clients, json: false })
            .collect()
    };
    [
        plain(Operation::Put, &[1, 16, 64, 256, 1_000, 4_000]),
        plain(Operation::Get, &[1, 16, 64, 256]),
        plain(Operation::LocalGet, &[64]),
        vec![
            Workload { operation: Operation::Put, clients: 256, json: true },
            Workload { operation: Operation::Get, clients: 256, json: true },
        ],
    ]
    .concat()
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // One thread, as raft-cli has: the load is not to take more of the machine than it must.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(run(&arguments)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), String> {
    let programs = Programs { ours: arguments.ours.clone(), etcd: arguments.etcd.clone() };
    let machine = Machine::look(&programs)?;
    println!("{machine}\n");
    let chosen: Vec<Workload> = workloads()
        .into_iter()
        .filter(|workload| workload.name().contains(&arguments.only))
        .collect();
    let mut rows: Vec<Row> = chosen.iter().map(|workload| Row::new(*workload)).collect();
    let repetitions = if rows.is_empty() { 0 } else { arguments.repetitions };
    for repetition in 1..=repetitions {
        for system in [System::Ours, System::Etcd] {
            let cluster = Cluster::start(system, &programs, &arguments.dir)?;
            fill(&cluster, system, arguments.keys, arguments.value_bytes).await?;
            for row in &mut rows {
                if system == System::Etcd && row.workload.json {
                    continue;
                }
                let duration = Duration::from_secs(arguments.seconds);
                let (keys, value_bytes) = (arguments.keys, arguments.value_bytes);
                let point =
                    measure(&cluster, system, row.workload, keys, value_bytes, duration).await?;
                println!(
                    "{repetition}/{}  {:8}  {:24}  {:>9.0} ops/s  p50 {:.2} ms  p99 {:.2} ms",
                    arguments.repetitions,
                    system.name(),
                    row.workload.name(),
                    point.ops_per_second,
                    point.p50_ms,
                    point.p99_ms
                );
                row.add(system, point);
            }
        }
    }
    let mut findings = Vec::new();
    for trial in Trial::ALL.into_iter().filter(|trial| trial.name().contains(&arguments.only)) {
        findings.extend(trial.run(&programs, &arguments.dir, arguments.value_bytes).await?);
    }
    report::write(&machine, &rows, &findings, &arguments.dir)
}
