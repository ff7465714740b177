//! The names of what must hold, and what a run says when something does not.

use raft_core::time::Instant;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What must hold: the properties of the paper's Figure 3 by their names, and what else is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Property {
    /// At most one leader can be elected in a given term (§5.2).
    ElectionSafety,
    /// A leader never overwrites or deletes entries in its log (§5.3).
    LeaderAppendOnly,
    /// Logs with an entry of the same index and term are identical up to it (§5.3).
    LogMatching,
    /// What is committed in a term is in the logs of the leaders of all later terms (§5.4).
    LeaderCompleteness,
    /// No two servers apply different commands at the same index (§5.4.3).
    StateMachineSafety,
    /// Nothing is promised before it is on disk, and what is on disk comes back.
    Durability,
    /// Terms, votes, commit and applied indexes never go back.
    Monotonicity,
    /// Messages survive their way through bytes.
    Frames,
    /// A write that is sent again takes effect once (thesis §6.3).
    ExactlyOnce,
    /// Clients see one store, in the order of real time (thesis §6.4).
    Linearizability,
    /// A cluster that is healed elects a leader, converges and answers.
    Liveness,
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ElectionSafety => "Election Safety",
            Self::LeaderAppendOnly => "Leader Append-Only",
            Self::LogMatching => "Log Matching",
            Self::LeaderCompleteness => "Leader Completeness",
            Self::StateMachineSafety => "State Machine Safety",
            Self::Durability => "Durability",
            Self::Monotonicity => "Monotonicity",
            Self::Frames => "Frames",
            Self::ExactlyOnce => "Exactly Once",
            Self::Linearizability => "Linearizability",
            Self::Liveness => "Liveness",
        })
    }
}

/// A property that does not hold. It ends the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Which.
    pub property: Property,
    /// When.
    pub at: Instant,
    /// The number of the event after which it was seen.
    pub event: u64,
    /// The seed of the run.
    pub seed: u64,
    /// What was seen.
    pub facts: String,
}

/// What was found broken, before anyone says when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which property.
    pub property: Property,
    /// What was seen.
    pub facts: String,
}

/// Whether all is well.
pub type Check = Result<(), Broken>;

/// Checks that `holds`; if not, says what was seen.
pub(crate) fn ensure(holds: bool, property: Property, facts: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(Broken { property, facts: facts() }) }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { property, at, event, seed, facts } = self;
        write!(f, "{property} is violated at {at} s, event {event} of seed {seed}: {facts}; ")?;
        write!(f, "replay it with: cargo run --release -p raft-sim -- --seed {seed} --trace")
    }
}
