//! One cluster from its founding to its end: load, faults one after the other, and the balance.

use crate::balance;
use crate::book::{Book, Counts, Finding};
use crate::cluster::{Cluster, HEAL_TIMEOUT};
use crate::faults::Fault;
use crate::load::Load;
use crate::machine::Machine;
use crate::random::Random;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A fault that meets no load proves nothing: so many requests must be carried out in each second before.
const LOAD_MIN: u64 = 100;

/// How long the load is measured before a fault.
const GATE: Duration = Duration::from_secs(1);

/// How long a majority that can reach each other may need until it serves clients, faults or not. A new
/// leader takes about a second; the rest is for machines with too much to do.
const SERVICE_TIMEOUT: Duration = Duration::from_secs(20);

const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How often, in a hundred, a second fault comes on top of the first.
const SECOND_FAULT_PERCENT: u64 = 25;

/// What came of an episode.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Where all of it is kept.
    dir: PathBuf,
    pub(crate) counts: Counts,
    /// How often each fault was done, and the longest time without service if it was ever done alone.
    pub(crate) faults: BTreeMap<Fault, (u64, Option<Duration>)>,
    /// Keys that do not hold what was acknowledged last; `None` if it did not come to a count.
    pub(crate) lost: Option<u64>,
    /// What is wrong, in sentences.
    pub(crate) violations: Vec<String>,
}

/// Plays until `end`, with faults from `deck`, into which all `faults` go when it is used up.
pub(crate) async fn play(
    dir: &Path,
    nodes: usize,
    machine: &Machine,
    random: &mut Random,
    faults: &[Fault],
    deck: &mut Vec<Fault>,
    end: Instant,
) -> Result<Outcome, String> {
    let has_leases = random.chance(50);
    if has_leases {
        println!("  reads by leases");
    }
    let cluster = Cluster::found(dir, nodes, has_leases, machine, random).await?;
    let load = Load::start(&cluster.addresses, random);
    let outcome = Outcome { dir: dir.to_owned(), ..Outcome::default() };
    let mut round = Round { cluster, load, random, outcome };
    while Instant::now() < end && round.outcome.violations.is_empty() {
        if deck.is_empty() {
            deck.extend(faults);
            round.random.shuffle(deck);
        }
        let first = deck.pop().expect("some fault is always possible");
        let is_double = round.random.chance(SECOND_FAULT_PERCENT);
        let is_bearable = |second: &mut Fault| is_double && !first.is_too_much_with(*second);
        let second = deck.pop_if(is_bearable);
        if let Err(violation) = round.play(first, second).await {
            round.outcome.violations.push(violation);
        }
    }
    let Round { cluster, load, random, mut outcome } = round;
    balance::draw(cluster, load, random, &mut outcome).await;
    Ok(outcome)
}

impl Outcome {
    /// Notes a history that no order explains, and keeps it.
    pub(crate) fn report(&mut self, finding: &Finding) {
        let file = self.dir.join(format!("history-{}.jsonl", self.violations.len() + 1));
        let lines = finding.history.iter().map(|operation| {
            serde_json::to_string(operation).expect("an operation is plain data") + "\n"
        });
        let kept = fs::write(&file, lines.collect::<String>());
        let place = kept.map_or_else(|error| error.to_string(), |()| file.display().to_string());
        self.violations.push(format!("{} ({place})", finding.violation));
    }
}

struct Round<'a> {
    cluster: Cluster,
    load: Load,
    random: &'a mut Random,
    outcome: Outcome,
}

impl Round<'_> {
    /// One fault, or two at once, under load, until all is well again. An error is a violation.
    async fn play(&mut self, first: Fault, second: Option<Fault>) -> Result<(), String> {
        let rate = self.await_load().await?;
        self.load.watch_service();
        let begin = Instant::now();
        let mut told = Vec::new();
        for fault in [Some(first), second].into_iter().flatten() {
            let nodes = fault.inject(&mut self.cluster, self.random).await;
            let nodes = nodes.map_err(|error| format!("{fault} cannot be done: {error}"))?;
            told.push(format!("{fault} {nodes:?}"));
            self.outcome.faults.entry(fault).or_default().0 += 1;
            let duration = fault.duration(self.random);
            self.wait(duration).await?;
            let is_failed_sync = matches!(fault, Fault::FailedSync(_)) && second.is_none();
            let mut failed = nodes.iter().filter(|_| is_failed_sync);
            if !failed.all(|node| self.cluster.has_ended_for_its_disk(*node)) {
                return Err(format!("node {nodes:?} has not ended as it must after a failed sync"));
            }
        }
        let held = begin.elapsed();
        let without = self.load.longest_without_service();
        let is_single = second.is_none() && first.leaves_a_quorum();
        if is_single && without > SERVICE_TIMEOUT {
            return Err(format!("no service for {without:?} though a quorum was up: {first}"));
        }
        self.cluster.heal(self.random).await?;
        if !is_single {
            // Nobody could serve meanwhile. What counts is how soon they do once they can.
            self.load.watch_service();
        }
        self.cluster.become_whole().await?;
        self.await_load().await?;
        let without = self.load.longest_without_service();
        if second.is_none() {
            let longest = &mut self.outcome.faults.entry(first).or_default().1;
            *longest = (*longest).max(Some(without));
        }
        println!(
            "  {rate:>5} ops/s, then {}, for {:.1} s; longest without service {:.2} s",
            told.join(" and "),
            held.as_secs_f64(),
            without.as_secs_f64()
        );
        Ok(())
    }

    /// Waits until the clients are served well enough for a fault to mean something, and returns how many
    /// requests were carried out in the last second.
    async fn await_load(&mut self) -> Result<u64, String> {
        let deadline = Instant::now() + HEAL_TIMEOUT;
        loop {
            let before = self.load.counts().acknowledged;
            self.wait(GATE).await?;
            let rate = self.load.counts().acknowledged - before;
            if rate >= LOAD_MIN {
                return Ok(rate);
            }
            if Instant::now() > deadline {
                return Err(format!("only {rate} requests a second {HEAL_TIMEOUT:?} after faults"));
            }
        }
    }

    /// Waits, and looks meanwhile whether something is wrong.
    async fn wait(&mut self, duration: Duration) -> Result<(), String> {
        let until = Instant::now() + duration;
        loop {
            if let Some(end) = self.cluster.unexpected_end() {
                return Err(end);
            }
            if let Some(complaint) = self.load.complaints().into_iter().next() {
                return Err(complaint);
            }
            let findings = self.load.with_book(Book::findings);
            if !findings.is_empty() {
                findings.iter().for_each(|finding| self.outcome.report(finding));
                return Err("the clients' histories above are not linearizable".to_owned());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            sleep(left.min(LOOK_INTERVAL)).await;
        }
    }
}
