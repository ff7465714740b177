//! A fixed amount of the core's work, to count the instructions of: what a put costs three nodes, or a
//! linearizable get, without sockets and disks. `cargo xtask instructions` runs it.
//!
//!     cargo run --release -p raft-core-bench -- puts 100000

use raft_core_bench::{Cluster, gets, puts};
use std::process::ExitCode;

/// Requests that arrive together.
const CLIENTS: u64 = 64;

/// Different keys.
const KEYS: u64 = 10_000;

/// Bytes of a value.
const VALUE_BYTES: usize = 256;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let parsed = match &arguments[..] {
        [what, count] => count.parse().ok().map(|count: u64| (what.as_str(), count / CLIENTS)),
        _ => None,
    };
    let Some((what @ ("puts" | "gets"), rounds)) = parsed else {
        eprintln!("usage: raft-core-bench puts|gets COUNT");
        return ExitCode::from(2);
    };
    let mut cluster = Cluster::new();
    // Every key is there before anything counts.
    let fill = KEYS.div_ceil(CLIENTS);
    for round in 0..fill {
        cluster.ask(&puts(CLIENTS, round, KEYS, VALUE_BYTES));
    }
    let answered: usize = (fill..fill + rounds)
        .map(|round| match what {
            "puts" => cluster.ask(&puts(CLIENTS, round, KEYS, VALUE_BYTES)),
            _ => cluster.ask(&gets(CLIENTS, round, KEYS)),
        })
        .sum();
    println!("{answered} {what} answered");
    ExitCode::from(u8::from(answered as u64 != rounds * CLIENTS))
}
