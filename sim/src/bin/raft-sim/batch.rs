//! Many seeds on all cores.

#![expect(clippy::disallowed_types, reason = "measures how fast this machine runs seeds")]

use raft_sim::replay::{Failure, Outcome, Replay, judge};
use raft_sim::{Counters, Sometimes};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often a batch says how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// When a batch ends, if no seed fails before.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// After so many seeds.
    Seeds(u64),
    /// After so many minutes.
    Minutes(u64),
}

/// What came of some seeds.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) seeds: u64,
    pub(crate) counters: Counters,
    pub(crate) sometimes: Sometimes,
    /// Seeds that failed. More than one only if they ran at the same time.
    pub(crate) failed: BTreeMap<u64, Failure>,
    next: u64,
    began: Instant,
    progress_at: Instant,
}

impl Batch {
    fn new(seed_from: u64) -> Self {
        Self {
            seeds: 0,
            counters: Counters::default(),
            sometimes: Sometimes::default(),
            failed: BTreeMap::new(),
            next: seed_from,
            began: Instant::now(),
            progress_at: Instant::now() + PROGRESS_INTERVAL,
        }
    }

    /// A single run.
    pub(crate) fn of(replay: &Replay) -> Self {
        let mut batch = Self::new(0);
        batch.add(replay.options.seed, replay.play());
        batch
    }

    /// Seeds from `seed_from` on, each the run that `run_of` makes of it.
    pub(crate) fn run(seed_from: u64, until: Until, run_of: fn(u64) -> Replay) -> Self {
        let batch = Mutex::new(Self::new(seed_from));
        let lock = || batch.lock().expect("no worker panics while it holds the lock");
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        quietly(|| {
            std::thread::scope(|scope| {
                for _ in 0..workers {
                    scope.spawn(|| {
                        while let Some(seed) = { lock().take_seed(seed_from, until) } {
                            let outcome = judge(&run_of(seed));
                            lock().add(seed, outcome);
                        }
                    });
                }
            });
        });
        batch.into_inner().expect("every worker is done")
    }

    fn take_seed(&mut self, seed_from: u64, until: Until) -> Option<u64> {
        let is_over = match until {
            Until::Seeds(seeds) => self.next - seed_from >= seeds,
            Until::Minutes(minutes) => self.began.elapsed() >= Duration::from_secs(60 * minutes),
        };
        if is_over || !self.failed.is_empty() {
            return None;
        }
        self.next += 1;
        Some(self.next - 1)
    }

    fn add(&mut self, seed: u64, outcome: Outcome) {
        self.seeds += 1;
        self.counters.add(&outcome.counters);
        self.sometimes.add(&outcome.sometimes);
        self.failed.extend(outcome.failure.map(|failure| (seed, failure)));
        if Instant::now() >= self.progress_at {
            self.progress_at = Instant::now() + PROGRESS_INTERVAL;
            eprintln!("{self}");
        }
    }
}

/// A node that stops is reported with its seed; its cry in between would only confuse.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> T {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = work();
    std::panic::set_hook(hook);
    result
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counters { simulated_us, events, faults, lives_lost, halts, .. } = &self.counters;
        let Counters { elections, commits, .. } = &self.counters;
        let (seeds, violations) = (self.seeds, self.failed.len());
        let hours = *simulated_us as f64 / 3_600e6;
        let took = self.began.elapsed().as_secs_f64();
        write!(
            f,
            "{seeds} seeds, {hours:.1} simulated hours, {events} events, {faults} faults, {lives_lost} disks lost, \
             {halts} halts, {elections} elections, {commits} commits, {violations} violations; {:.0} s, \
             {:.0} seeds/s, {:.0} events/s",
            took,
            seeds as f64 / took,
            *events as f64 / took
        )?;
        let Counters { certified, searched, .. } = &self.counters;
        write!(f, "; {certified} histories certified, {searched} searched as well")
    }
}
