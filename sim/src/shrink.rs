//! Makes a failing run smaller for as long as it fails in the same way: fewer commands, then fewer nodes,
//! clients and kinds of trouble, until nothing more can go.

use crate::faults::Command;
use crate::options::{DiskOptions, NetworkOptions, Options, WorkloadOptions};
use crate::random::mix;
use crate::replay::{Failure, Replay};
use raft_core::config::Limits;
use std::time::Duration;

/// How many seeds are tried where options become simpler: the draws are others then anyway.
const SEEDS_TRIED: u64 = 4;

/// A failing run made small.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The run.
    pub replay: Replay,
    /// How it fails.
    pub failure: Failure,
    /// How many runs it took to find it.
    pub runs: u64,
}

/// The smallest run that fails as `replay` does and that is found before `events_max` events have been
/// played; `None` if it does not fail at all.
pub fn shrink(replay: &Replay, events_max: u64) -> Option<Shrunk> {
    let mut search = Search { best: None, runs: 0, events: 0, events_max };
    search.best = Some(search.failing(replay.clone())?);
    loop {
        let before = search.best.clone();
        search.drop_commands();
        search.end_sooner();
        search.simplify();
        if search.best == before || search.events >= events_max {
            let (replay, failure) = search.best?;
            return Some(Shrunk { replay, failure, runs: search.runs });
        }
    }
}

/// As few of these as will do: leaves out half of them, a quarter, and so on to single ones (delta
/// debugging). `try_out` returns what there is to go on with if those it is given will do.
pub fn fewer<T: Clone>(
    mut all: Vec<T>,
    mut try_out: impl FnMut(Vec<T>) -> Option<Vec<T>>,
) -> Vec<T> {
    let mut size = all.len().div_ceil(2);
    while size > 0 {
        let mut start = 0;
        while start < all.len() {
            let mut candidate = all.clone();
            candidate.drain(start..(start + size).min(all.len()));
            match try_out(candidate) {
                Some(fewer) => all = fewer,
                None => start += size,
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    all
}

struct Search {
    best: Option<(Replay, Failure)>,
    runs: u64,
    events: u64,
    events_max: u64,
}

impl Search {
    /// Plays a run. If it fails as it should, returns it without the commands that it no longer came to.
    fn failing(&mut self, mut replay: Replay) -> Option<(Replay, Failure)> {
        let outcome = replay.play();
        self.runs += 1;
        self.events += outcome.counters.events + 1;
        let failure = outcome.failure?;
        if self.best.as_ref().is_some_and(|(_, wanted)| !failure.is_like(wanted)) {
            return None;
        }
        replay.commands.retain(|(at, _)| *at <= outcome.ended_at);
        Some((replay, failure))
    }

    /// Whether a smaller run fails, too: then it is the best from now on.
    fn try_out(&mut self, candidate: Replay) -> bool {
        if self.events >= self.events_max {
            return false;
        }
        let found = self.failing(candidate);
        let fails = found.is_some();
        self.best = found.or(self.best.take());
        fails
    }

    fn replay(&self) -> Replay {
        self.best.as_ref().expect("set before anything is tried").0.clone()
    }

    fn drop_commands(&mut self) {
        let commands = self.replay().commands;
        fewer(commands, |commands| {
            let candidate = Replay { commands, ..self.replay() };
            self.try_out(candidate).then(|| self.replay().commands)
        });
    }

    /// Lets the faults end right after the last of them.
    fn end_sooner(&mut self) {
        let mut candidate = self.replay();
        let Some((end, Command::EndFaults)) = candidate.commands.pop() else { return };
        let last = candidate.commands.last().map(|(at, _)| *at).unwrap_or_default();
        let sooner = last + candidate.options.timing.election_timeout_max;
        if sooner < end {
            candidate.commands.push((sooner, Command::EndFaults));
            self.try_out(candidate);
        }
    }

    fn simplify(&mut self) {
        let nodes = self.replay().options.nodes;
        for fewer in 1..nodes {
            if self.try_simpler(|options| options.nodes = fewer) {
                break;
            }
        }
        for simpler in SIMPLER {
            self.try_simpler(simpler);
        }
        for simpler in WORKLOADS {
            self.try_simpler(|options| {
                if let Some(workload) = &mut options.workload {
                    simpler(workload);
                }
            });
        }
    }

    fn try_simpler(&mut self, simpler: impl Fn(&mut Options)) -> bool {
        let mut candidate = self.replay();
        simpler(&mut candidate.options);
        if candidate == self.replay() {
            return false;
        }
        let seed = candidate.options.seed;
        (0..SEEDS_TRIED).any(|number| {
            let mut candidate = candidate.clone();
            candidate.options.seed = if number == 0 { seed } else { mix(seed ^ number) };
            self.try_out(candidate)
        })
    }
}

/// What may be left out of a run's options.
const SIMPLER: &[fn(&mut Options)] = &[
    |options| options.limits = Limits::default(),
    |options| {
        let Limits { snapshot_log_entries, snapshot_log_bytes, log_keep_entries, .. } =
            options.limits;
        let bounds = Limits { snapshot_log_entries, snapshot_log_bytes, ..Limits::default() };
        options.limits = Limits { log_keep_entries, ..bounds };
    },
    |options| options.limits.snapshot_log_entries = Limits::default().snapshot_log_entries,
    |options| options.clock_skew_ppm = 0,
    |options| options.part_ppm = 0,
    |options| options.work_max = Duration::ZERO,
    |options| {
        let NetworkOptions { straggler_ppm, loss_ppm, duplicate_ppm, .. } = &mut options.network;
        (*straggler_ppm, *loss_ppm, *duplicate_ppm) = (0, 0, 0);
    },
    |options| options.network.straggler_ppm = 0,
    |options| options.network.loss_ppm = 0,
    |options| options.network.duplicate_ppm = 0,
    |options| options.network.in_order = true,
    |options| options.network.frames = false,
    |options| options.network.delay_max = options.network.delay_min,
    |options| {
        let DiskOptions { sync_min, sync_max, segment_bytes } = &mut options.disk;
        (*sync_max, *segment_bytes) = (*sync_min, 64 << 10);
    },
];

/// What may be left out of a run's workload.
const WORKLOADS: &[fn(&mut WorkloadOptions)] = &[
    |workload| workload.clients = 0,
    |workload| workload.clients = 1,
    |workload| workload.clients = workload.clients.div_ceil(2),
    |workload| workload.keys = 1,
    |workload| workload.value_bytes_max = 0,
    |workload| workload.give_up_ppm = 0,
    |workload| workload.read_ppm = 0,
    |workload| workload.delete_ppm = 0,
    |workload| workload.condition_ppm = 0,
    |workload| workload.sessionless_ppm = 0,
    |workload| workload.copies_ppm = 0,
];
