//! A run as data: what it is and what is done to it. Short enough to be a word on a command line or in a
//! link, so that whoever finds something can hand it on.

use crate::checker::{Property, Violation};
use crate::cluster::{Counters, Sim};
use crate::faults::{self, Command};
use crate::options::Options;
use crate::random::mix;
use crate::sometimes::Sometimes;
use raft_core::time::Instant;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;

/// The largest cluster that is played from outside data: larger ones only take long.
const NODES_MAX: u64 = 16;

/// The most clients, for the same reason.
const CLIENTS_MAX: u64 = 64;

/// The most commands, for the same reason.
const COMMANDS_MAX: usize = 10_000;

/// Every so many-th seed is played twice.
const TWICE_EVERY: u64 = 100;

/// A run from beginning to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// What it is.
    pub options: Options,
    /// What is done to it, in the order of time.
    pub commands: Vec<(Instant, Command)>,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// In numbers.
    pub counters: Counters,
    /// The points it came to.
    pub sometimes: Sometimes,
    /// Its fingerprint.
    pub trace_hash: u64,
    /// When it ended.
    pub ended_at: Instant,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The checker found a property broken.
    Violation(Violation),
    /// A node stopped because its own checks failed, with this message.
    Stopped(String),
}

impl Replay {
    /// The run that a seed stands for.
    pub fn of_seed(seed: u64) -> Self {
        Self::of(Options::swarm(seed))
    }

    /// The run that options stand for, with the commands that they plan.
    pub fn of(options: Options) -> Self {
        let mut commands = faults::plan(&options);
        commands.sort_by_key(|(at, _)| *at);
        Self { options, commands }
    }

    /// The run at its beginning.
    pub fn begin(&self) -> Sim {
        Sim::with_commands(self.options.clone(), self.commands.iter().cloned())
    }

    /// The run as the fragment of a link to the page, which opens it where it ends if a check fails there, and
    /// else at its beginning.
    pub fn link(&self) -> String {
        let outcome = self.play();
        let at = match outcome.failure {
            Some(Failure::Violation(violation)) => {
                format!(".at={}-{:016x}", violation.event, outcome.trace_hash)
            }
            // Who stops takes the page along, and other ends are nothing to see.
            Some(Failure::Stopped(_)) | None => String::new(),
        };
        format!("v1.replay={self}{at}")
    }

    /// Plays it to its end.
    pub fn play(&self) -> Outcome {
        let mut sim = None;
        let stopped = catch_unwind(AssertUnwindSafe(|| {
            let sim = sim.insert(self.begin());
            while sim.step() {}
        }));
        let stopped = stopped.err().map(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Failure::Stopped(text.unwrap_or_else(|| "a panic without words".to_owned()))
        });
        let violation = || sim.as_ref().and_then(Sim::violation).cloned().map(Failure::Violation);
        Outcome {
            failure: stopped.or_else(violation),
            counters: sim.as_ref().map(|sim| sim.counters().clone()).unwrap_or_default(),
            sometimes: sim.as_ref().map(|sim| sim.sometimes().clone()).unwrap_or_default(),
            trace_hash: sim.as_ref().map_or(0, Sim::trace_hash),
            ended_at: sim.as_ref().map_or(Instant(0), Sim::now),
        }
    }
}

/// Plays a run. That of every so many-th seed is played twice, and must come out the same.
pub fn judge(replay: &Replay) -> Outcome {
    let seed = replay.options.seed;
    let mut outcome = replay.play();
    if outcome.failure.is_none() && seed % TWICE_EVERY == TWICE_EVERY / 2 {
        outcome.failure = outcome.differs(&replay.play(), seed);
    }
    outcome
}

impl Outcome {
    /// How the run failed to be the same when it was played `again`.
    fn differs(&self, again: &Self, seed: u64) -> Option<Failure> {
        let is_same = (self.trace_hash, &self.counters) == (again.trace_hash, &again.counters);
        let violation = || Violation {
            property: Property::Determinism,
            at: self.ended_at,
            event: self.counters.events,
            seed,
            facts: "the run was another one when it was played again".to_owned(),
        };
        (!is_same).then(|| Failure::Violation(violation()))
    }
}

impl Failure {
    /// Whether two runs failed in the same way, whatever the numbers are.
    pub fn is_like(&self, other: &Self) -> bool {
        let kind = |text: &str| text.split(':').next().map(str::to_owned);
        match (self, other) {
            (Self::Violation(one), Self::Violation(other)) => one.property == other.property,
            (Self::Stopped(one), Self::Stopped(other)) => kind(one) == kind(other),
            (Self::Violation(_), Self::Stopped(_)) | (Self::Stopped(_), Self::Violation(_)) => {
                false
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(violation) => write!(f, "{violation}"),
            Self::Stopped(text) => write!(f, "a node stopped: {text}"),
        }
    }
}

impl fmt::Display for Replay {
    /// Hexadecimal digits, the first eight of which check the others.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = postcard::to_allocvec(self).expect("runs always encode");
        write!(f, "{:08x}", checksum(&bytes))?;
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Replay {
    type Err = String;

    /// # Errors
    /// A sentence, if this is not what the same version of the program has printed.
    fn from_str(code: &str) -> Result<Self, String> {
        let damaged = || "this replay is damaged, or of another version; copy it again".to_owned();
        let digits = |digits: &[u8]| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = code.as_bytes().chunks(2).map(digits).collect();
        let bytes = bytes.filter(|_| code.len().is_multiple_of(2)).ok_or_else(damaged)?;
        let (check, bytes) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
        if u32::from_be_bytes(*check) != checksum(bytes) {
            return Err(damaged());
        }
        let replay: Self = postcard::from_bytes(bytes).map_err(|_| damaged())?;
        let clients = replay.options.workload.as_ref().map_or(0, |workload| workload.clients);
        let fits = (1..=NODES_MAX).contains(&replay.options.nodes)
            && clients <= CLIENTS_MAX
            && replay.commands.len() <= COMMANDS_MAX;
        if fits { Ok(replay) } else { Err("this replay is too large to be played".to_owned()) }
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(bytes.len() as u64, |sum, byte| mix(sum ^ u64::from(*byte))) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_survives_being_printed() {
        for seed in 0..100 {
            let replay = Replay::of_seed(seed);
            assert_eq!(replay.to_string().parse(), Ok(replay));
        }
    }

    #[test]
    fn a_damaged_replay_is_refused_in_a_sentence() {
        let code = Replay::of_seed(1).to_string();
        let changed = code.replacen(|digit| digit != '0', "0", 1);
        for damaged in
            ["", "0", "zz", "00000000", &code[..100], &format!("{code}00"), &changed, "é"]
        {
            assert!(damaged.parse::<Replay>().is_err_and(|why| why.contains(';')), "{damaged}");
        }
    }

    #[test]
    fn a_run_that_is_another_one_when_it_is_played_again_is_reported() {
        let outcome = Replay::of_seed(5).play();
        let reports = |again: &Outcome| match outcome.differs(again, 5) {
            Some(Failure::Violation(violation)) => violation.property == Property::Determinism,
            _ => false,
        };
        let hash = outcome.trace_hash ^ 1;
        let mut counters = outcome.counters.clone();
        counters.messages += 1;
        assert!(reports(&Outcome { trace_hash: hash, ..outcome.clone() }));
        assert!(reports(&Outcome { counters, ..outcome.clone() }));
        assert!(!reports(&outcome));
    }

    #[test]
    fn a_replay_is_the_run_of_its_seed() {
        let mut sim = Sim::new(Options::swarm(5));
        while sim.step() {}
        let outcome = Replay::of_seed(5).play();
        assert_eq!((outcome.trace_hash, &outcome.counters), (sim.trace_hash(), sim.counters()));
    }
}
