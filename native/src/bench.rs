//! A load generator: many clients over few connections, each asking its next question as soon as its last
//! is answered (a closed loop). Everything runs in the caller's thread, so that it costs what it must and
//! measures what it says.

mod lane;
pub mod wire;

use crate::client::{self, Failure};
use crate::socket::Form;
use clap::ValueEnum;
use hdrhistogram::Histogram;
use lane::Lane;
use raft_core::id::NodeId;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at};
use wire::Wire;

/// The longest latency told apart, in microseconds: what takes longer counts as this.
const LATENCY_US_MAX: u64 = 60_000_000;

/// Clients that share a connection, if nobody says otherwise.
pub const CLIENTS_EACH: usize = 16;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Writes of random keys
    Put,
    /// Linearizable reads
    Get,
    /// Reads of what the node asked has applied
    LocalGet,
    /// As many puts as gets
    Mixed,
}

/// A load.
#[derive(Clone, Debug)]
pub struct Load {
    /// What is asked.
    pub operation: Operation,
    /// Clients, each with one request under way.
    pub clients: usize,
    /// Connections that they share, from 1.
    pub connections: usize,
    /// Different keys, from 1.
    pub keys: u64,
    /// The length of a value in bytes.
    pub value_bytes: usize,
    /// How long it lasts before anything counts.
    pub warm_up: Duration,
    /// How long it lasts from there on.
    pub duration: Duration,
    /// The form of all frames.
    pub form: Form,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// How long what counts took.
    pub elapsed: Duration,
    /// From asking to the answer, in microseconds, of every request that was carried out.
    pub latency_us: Histogram<u64>,
    /// Requests that were not, by the code of the failure.
    pub failed: BTreeMap<&'static str, u64>,
}

/// Which keys are asked for.
#[derive(Clone, Debug)]
enum Keys {
    /// Any, until the time is up.
    Random { until: Instant },
    /// Each once: this one is next.
    InTurn { next: Arc<AtomicU64> },
}

/// The member that leads, and where it is.
///
/// # Errors
/// If no node of the list answers, or none knows of a leader.
pub async fn leader(cluster: &[String], timeout: Duration) -> Result<(NodeId, String), Failure> {
    let mut failure = Failure::Refused(raft_core::error::Error::NotLeader { hint: None });
    for address in cluster {
        match client::status(address, timeout).await {
            Ok((_, status)) => {
                let member = status.leader.and_then(|id| status.configuration.members.get(&id));
                if let Some(member) = member {
                    return Ok((member.id, member.address.clone()));
                }
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

impl Operation {
    /// Its name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::LocalGet => "local-get",
            Self::Mixed => "mixed",
        }
    }
}

impl Load {
    /// Writes every key once. `progress` hears, every second, how many are written.
    pub async fn fill<W: Wire>(
        &self,
        addresses: &[String],
        progress: impl FnMut(u64),
    ) -> Result<Report, Failure> {
        let load = Self { operation: Operation::Put, warm_up: Duration::ZERO, ..self.clone() };
        load.play::<W>(addresses, &Keys::InTurn { next: Arc::default() }, progress).await
    }

    /// Puts the load on the servers at `addresses`, connection by connection in turn. `progress` hears, every
    /// second, how many requests were carried out in it.
    ///
    /// # Errors
    /// If a connection cannot be made at the start. Later failures are counted.
    pub async fn run<W: Wire>(
        &self,
        addresses: &[String],
        progress: impl FnMut(u64),
    ) -> Result<Report, Failure> {
        let until = Instant::now() + self.warm_up + self.duration;
        self.play::<W>(addresses, &Keys::Random { until }, progress).await
    }

    async fn play<W: Wire>(
        &self,
        addresses: &[String],
        keys: &Keys,
        mut progress: impl FnMut(u64),
    ) -> Result<Report, Failure> {
        let count = Arc::new(AtomicU64::new(0));
        let mut connected = Vec::with_capacity(self.connections);
        for place in 0..self.connections {
            let clients = self.clients / self.connections
                + usize::from(place < self.clients % self.connections);
            let lane =
                Lane::<W>::connect(self, addresses, place, clients, keys.clone(), count.clone());
            connected.push(lane.await?);
        }
        let start = Instant::now() + self.warm_up;
        let mut lanes = JoinSet::new();
        connected.into_iter().for_each(|lane| drop(lanes.spawn(lane.run(start))));
        let mut report =
            Report { elapsed: Duration::ZERO, latency_us: histogram(), failed: BTreeMap::new() };
        let mut second = interval_at(Instant::now() + SECOND, SECOND);
        loop {
            tokio::select! {
                lane = lanes.join_next() => match lane {
                    Some(lane) => report.add(&lane.expect("a lane does not panic")),
                    None => break,
                },
                _ = second.tick() => progress(count.swap(0, Ordering::Relaxed)),
            }
        }
        report.elapsed = start.elapsed();
        Ok(report)
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("the bounds are in order")
}

impl Report {
    /// Requests carried out per second.
    pub fn rate(&self) -> f64 {
        self.latency_us.len() as f64 / self.elapsed.as_secs_f64()
    }

    fn add(&mut self, tally: &Tally) {
        self.latency_us.add(&tally.latency_us).expect("all have the same bounds");
        for (code, times) in &tally.failed {
            *self.failed.entry(code).or_default() += times;
        }
    }
}

/// What one connection has seen.
#[derive(Debug)]
struct Tally {
    latency_us: Histogram<u64>,
    failed: BTreeMap<&'static str, u64>,
}
