//! The names of what must hold, and what a run says when something does not.

use raft_core::time::Instant;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What must hold: the properties of the paper's Figure 3 by their names, and what else is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Property {
    /// At most one leader can be elected in a given term, and by a quorum of votes (§5.2).
    ElectionSafety,
    /// A leader never overwrites or deletes entries in its log (§5.3).
    LeaderAppendOnly,
    /// Logs with an entry of the same index and term are identical up to it (§5.3).
    LogMatching,
    /// What is committed in a term is in the logs of the leaders of all later terms (§5.4).
    LeaderCompleteness,
    /// No two servers apply different commands at the same index (§5.4.3).
    StateMachineSafety,
    /// What a leader commits is on the disks of a quorum (§5.3).
    DurableQuorum,
    /// No message and no answer leaves before what it promises is on disk, or committed and applied.
    DurablePromises,
    /// Terms, votes, commit and applied indexes never go back.
    Monotonicity,
    /// A log begins no later than the snapshot ends, and what is applied is committed.
    Order,
    /// What a leader believes of a follower's disk is there.
    HonestProgress,
    /// Only entries of a leader's own term are committed by counting (§5.4.2).
    CommitRule,
    /// One change at a time, overlapping quorums, and everyone acts by the configuration of its log (§6).
    Membership,
    /// A read sees every write acknowledged before it was asked (thesis §6.4).
    FreshReads,
    /// A write that is sent again takes effect once (thesis §6.3).
    ExactlyOnce,
    /// No committed entry is lost.
    NoLoss,
    /// Clients see one store, in the order of real time (thesis §6.4).
    Linearizability,
    /// What was synced comes back, from every disk and at any moment.
    Recovery,
    /// A cluster that is healed elects a leader, converges and answers.
    Liveness,
    /// A leader that a quorum hears leads on (thesis §4.2.3).
    Stability,
    /// Everything that can fill up has a bound, and keeps it.
    Bounds,
    /// The same seed is the same run.
    Determinism,
    /// Messages survive their way through bytes.
    Frames,
}

impl Property {
    /// Every one, those of Figure 3 first.
    pub const ALL: [Self; 22] = [
        Self::ElectionSafety,
        Self::LeaderAppendOnly,
        Self::LogMatching,
        Self::LeaderCompleteness,
        Self::StateMachineSafety,
        Self::DurableQuorum,
        Self::DurablePromises,
        Self::Monotonicity,
        Self::Order,
        Self::HonestProgress,
        Self::CommitRule,
        Self::Membership,
        Self::FreshReads,
        Self::ExactlyOnce,
        Self::NoLoss,
        Self::Linearizability,
        Self::Recovery,
        Self::Liveness,
        Self::Stability,
        Self::Bounds,
        Self::Determinism,
        Self::Frames,
    ];
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ElectionSafety => "Election Safety",
            Self::LeaderAppendOnly => "Leader Append-Only",
            Self::LogMatching => "Log Matching",
            Self::LeaderCompleteness => "Leader Completeness",
            Self::StateMachineSafety => "State Machine Safety",
            Self::DurableQuorum => "Durable Quorum",
            Self::DurablePromises => "Durable Promises",
            Self::Monotonicity => "Monotonicity",
            Self::Order => "Order",
            Self::HonestProgress => "Honest Progress",
            Self::CommitRule => "Commit Rule",
            Self::Membership => "Membership",
            Self::FreshReads => "Fresh Reads",
            Self::ExactlyOnce => "Exactly Once",
            Self::NoLoss => "No Loss",
            Self::Linearizability => "Linearizability",
            Self::Recovery => "Recovery",
            Self::Liveness => "Liveness",
            Self::Stability => "Stability",
            Self::Bounds => "Bounds",
            Self::Determinism => "Determinism",
            Self::Frames => "Frames",
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
        write!(f, "{property} is violated at {at} s, event {event} of seed {seed}: {facts}")
    }
}
