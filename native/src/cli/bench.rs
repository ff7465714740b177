//! `raft-cli bench`: how fast a cluster is.

use super::Stop;
use super::args::seconds;
use super::output::{Output, print};
use crate::bench::wire::ToNode;
use crate::bench::{self, CLIENTS_EACH, Load, Operation, Report};
use crate::client::Failure;
use crate::socket::Form;
use clap::Args;
use serde_json::json;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  raft-cli bench                            puts, 64 clients, 10 seconds
  raft-cli bench get --clients 256          linearizable reads
  raft-cli bench mixed --value-bytes 4096 --seconds 30
  raft-cli --json bench put | jq .ops_per_second
It writes keys named bench/0000000000 and on, and leaves them there.
Each client asks its next question when the last is answered; 16 of them share a connection.";

#[derive(Args, Debug)]
pub(super) struct Bench {
    /// What is asked
    #[arg(value_enum, value_name = "WORKLOAD", default_value_t = Operation::Put)]
    operation: Operation,
    /// How many clients
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = one_to(4_096))]
    clients: u64,
    /// How many connections they share [default: one for 16 clients]
    #[arg(long, value_name = "N", value_parser = one_to(4_096))]
    connections: Option<u64>,
    /// How many different keys
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = one_to(1_000_000_000))]
    keys: u64,
    /// The length of a value
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u64).range(..=1 << 20))]
    value_bytes: u64,
    /// How long, after one second that does not count
    #[arg(long, value_name = "SECS", default_value = "10", value_parser = seconds)]
    seconds: Duration,
    /// Ask all nodes of --cluster and not the leader alone
    #[arg(long)]
    all_nodes: bool,
    /// Send JSON instead of the binary form
    #[arg(long)]
    json_frames: bool,
    /// Do not write every key once before reads: they are there
    #[arg(long)]
    no_fill: bool,
}

fn one_to(most: u64) -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(1..=most)
}

pub(super) async fn run(
    bench: Bench,
    cluster: &[String],
    timeout: Duration,
    output: &Output,
) -> Result<(), Stop> {
    let clients = bench.clients as usize;
    let connections = bench.connections.map_or(clients.div_ceil(CLIENTS_EACH), |n| n as usize);
    let load = Load {
        operation: bench.operation,
        clients,
        connections: connections.min(clients),
        keys: bench.keys,
        value_bytes: bench.value_bytes as usize,
        warm_up: Duration::from_secs(1),
        duration: bench.seconds,
        form: if bench.json_frames { Form::Text } else { Form::Binary },
    };
    let (leader, address) = bench::leader(cluster, timeout).await?;
    let addresses = if bench.all_nodes { cluster.to_vec() } else { vec![address] };
    let to = if bench.all_nodes { "all nodes".to_owned() } else { format!("leader {leader}") };
    let Load { connections, keys, value_bytes, .. } = load;
    let word = load.operation.name();
    output.remark(&format!(
        "{word}: {clients} clients, {connections} connections, to {to}; {keys} keys, {value_bytes} B values"
    ));
    if load.operation != Operation::Put && !bench.no_fill {
        let mut filled = 0;
        let fill = load.fill::<ToNode>(&addresses, |more| {
            filled += more;
            say_passing(&format!("filling: {filled} of {keys} keys"));
        });
        all_went_well(&fill.await?)?;
    }
    let mut second = 0;
    let report = load.run::<ToNode>(&addresses, |operations| {
        second += 1;
        say_passing(&format!("{second} s: {operations} ops/s"));
    });
    let report = report.await?;
    say_passing("");
    print_report(&report, &load, output)?;
    all_went_well(&report)
}

fn print_report(report: &Report, load: &Load, output: &Output) -> io::Result<()> {
    let latency = &report.latency_us;
    let at = |quantile: f64| latency.value_at_quantile(quantile);
    let (rate, seconds) = (report.rate(), report.elapsed.as_secs_f64());
    let failed: u64 = report.failed.values().sum();
    if output.json {
        return output.json(&json!({
            "workload": load.operation.name(),
            "clients": load.clients,
            "connections": load.connections,
            "keys": load.keys,
            "value_bytes": load.value_bytes,
            "seconds": seconds,
            "operations": latency.len(),
            "ops_per_second": rate,
            "latency_us": {
                "mean": latency.mean(),
                "p50": at(0.5),
                "p99": at(0.99),
                "p99_9": at(0.999),
                "max": latency.max(),
            },
            "failed": report.failed,
        }));
    }
    let ms = |us: u64| format!("{:.2} ms", us as f64 / 1_000.0);
    print(|out| {
        writeln!(out, "{rate:.0} ops/s  ({} operations in {seconds:.1} s)", latency.len())?;
        writeln!(
            out,
            "latency: p50 {}, p99 {}, p99.9 {}, max {}",
            ms(at(0.5)),
            ms(at(0.99)),
            ms(at(0.999)),
            ms(latency.max())
        )?;
        writeln!(out, "failed: {failed}")?;
        report.failed.iter().try_for_each(|(code, times)| writeln!(out, "  {code}: {times}"))
    })
}

/// A load in which nothing was carried out measured nothing.
fn all_went_well(report: &Report) -> Result<(), Stop> {
    match report.latency_us.is_empty() {
        false => Ok(()),
        true => Err(Stop::Failed(Failure::Refused(raft_core::error::Error::NoQuorum))),
    }
}

/// A line that the next takes the place of; only for people.
fn say_passing(line: &str) {
    if io::stderr().is_terminal() {
        let _ = write!(io::stderr(), "\r\x1b[K{line}");
    }
}
