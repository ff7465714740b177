//! Mistakes that other implementations of Raft have shipped, to be made again on purpose: the simulator
//! has to catch each of them, or its silence means little.
//!
//! A mistake is made only in a build with `--cfg seeded_bugs`, which refuses to contain a node, and only
//! when `make` has chosen it. In any other build `makes` is `false` at compile time, and leaves no
//! trace in the program. At each place the right rule stands beside the mistake that teaches it.

#[cfg(seeded_bugs)]
use std::sync::atomic::{AtomicU8, Ordering};

/// A mistake of the list, by what goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// Entries of earlier terms are committed by counting copies.
    CommitsOldTermsByCounting = 1,
    /// What a majority has reached is looked up in an unsorted list.
    UnsortedMatchIndexes,
    /// A snapshot leaves the configuration of the log it replaces in force.
    SnapshotLeavesConfiguration,
    /// A new leader answers reads from the commit index it happens to know.
    ReadsBeforeOwnCommit,
    /// A new leader commits no entry of its own.
    NoNoop,
    /// Lease reads go on while leadership is handed over.
    LeaseDuringTransfer,
    /// A configuration is in force only when it is committed.
    ConfigurationAtCommit,
    /// A leader changes the members before it has committed anything in its term.
    ChangesBeforeOwnCommit,
    /// The vote is forgotten in a restart.
    ForgetsVote,
    /// The longer log counts as newer even if it ends in an earlier term.
    ComparesLength,
    /// Half of an even number of voters is a majority.
    HalfIsMajority,
    /// A voter that is alone commits before its disk has the entry.
    LoneVoterDoesNotWait,
    /// Followers acknowledge entries before they are durable.
    AcknowledgesBeforeDurable,
    /// Votes leave before they are durable.
    VotesBeforeDurable,
    /// A late AppendEntries removes the entries behind its own.
    LateMessageTruncates,
    /// A message about entries that were compacted away empties the log.
    CompactedIsConflict,
    /// A snapshot older than the state is installed.
    InstallsOlderSnapshot,
    /// A single voter of the new set decides alone in a joint configuration.
    JointLooksAtOneHalf,
    /// An entry at the index of a snapshot is taken for the snapshot's, whatever its term.
    SnapshotByIndexOnly,
    /// A write that was applied is applied again when it comes again.
    AppliesTwice,
    /// Reports of finished writes count only one by one.
    ReportsAreNotCumulative,
    /// A life that has forgotten everything is taken for the one that remembered.
    TrustsAnyLife,
    /// A snapshot moves the applied index, and not the state.
    KeepsOldState,
    /// Entries that are compacted away are appended again.
    AppendsCompacted,
    /// The members are changed while another change is not committed.
    ConcurrentChanges,
    /// A snapshot names the members of the oldest configuration known.
    SnapshotWithOldMembers,
    /// A new segment of the log does not carry term and vote.
    SegmentWithoutVote,
    /// Replay does not remove the entries that a record replaces.
    ReplayKeepsReplaced,
    /// A server that comes back is answered as the one that left.
    SameStreamAfterRejoin,
    /// The leader's own copy counts before it is durable.
    LeaderDoesNotWait,
    /// Damage in the middle of the log is cut off as if it were a torn tail.
    DamageIsTornTail,
    /// Two voters are exchanged in one step.
    OneStepExchange,
    /// A candidate is listened to though a leader is alive, and a pre-vote counts as news of a leader.
    NoStickiness,
    /// Refused pre-votes teach no term.
    PreVoteTeachesNothing,
    /// A follower that needs what was compacted away is sent nothing.
    NoSnapshotWhenCompacted,
    /// The hint after a mismatch does not move.
    HintDoesNotMove,
    /// The report of an older write makes forget the newer ones under way.
    OlderReportOverwrites,
    /// A torn tail is taken for damage.
    TornTailIsDamage,
    /// What stood behind the end of the log is left there.
    TornTailStays,
    /// A snapshot names the newest configuration, committed or not.
    SnapshotWithUncommittedMembers,
    /// Learners count as voters.
    LearnersCount,
    /// A leader answers reads from its own store, without asking whether it still leads.
    ReadsLocally,
    /// A server stands for election without asking first whether it would win.
    NoPreVote,
}

/// A mistake, and where it was found.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// A number to speak of it.
    pub number: &'static str,
    /// Where it was found: repositories with issue or commit.
    pub origin: &'static str,
    /// The mistake.
    pub mistake: Mistake,
}

/// Whether a mistake can be made here.
#[derive(Clone, Copy, Debug)]
pub enum Mistake {
    /// It can.
    Made(Bug),
    /// What it is, and why this design leaves no place for it.
    NoPlace(&'static str),
}

/// Every mistake of the list, in the order of the cases it was taken from.
pub const LIST: &[Origin] = &[
    Origin {
        number: "B01",
        origin: "logcabin#44, PySyncObj#169",
        mistake: Mistake::Made(Bug::CommitsOldTermsByCounting),
    },
    Origin {
        number: "B02",
        origin: "openraft#1802",
        mistake: Mistake::Made(Bug::UnsortedMatchIndexes),
    },
    Origin {
        number: "B03",
        origin: "scylladb#9551, etcd#11510",
        mistake: Mistake::Made(Bug::SnapshotLeavesConfiguration),
    },
    Origin {
        number: "B04",
        origin: "etcd#7331, tikv#9208",
        mistake: Mistake::Made(Bug::ReadsBeforeOwnCommit),
    },
    Origin { number: "B05", origin: "redisraft#18, #19", mistake: Mistake::Made(Bug::NoNoop) },
    Origin {
        number: "B06",
        origin: "openraft#1747",
        mistake: Mistake::Made(Bug::LeaseDuringTransfer),
    },
    Origin {
        number: "B07",
        origin: "etcd#7280, #7625, #11284",
        mistake: Mistake::Made(Bug::ConfigurationAtCommit),
    },
    Origin {
        number: "B08",
        origin: "raft-dev 2015, erratum to thesis §4.1",
        mistake: Mistake::Made(Bug::ChangesBeforeOwnCommit),
    },
    Origin { number: "B09", origin: "akka-raft#56, #47", mistake: Mistake::Made(Bug::ForgetsVote) },
    Origin {
        number: "B10",
        origin: "hashicorp/raft#94",
        mistake: Mistake::Made(Bug::ComparesLength),
    },
    Origin {
        number: "B11",
        origin: "hashicorp/raft 163a55f",
        mistake: Mistake::Made(Bug::HalfIsMajority),
    },
    Origin {
        number: "B12",
        origin: "etcd#14370",
        mistake: Mistake::Made(Bug::LoneVoterDoesNotWait),
    },
    Origin {
        number: "B13",
        origin: "openraft ee460f37",
        mistake: Mistake::Made(Bug::AcknowledgesBeforeDurable),
    },
    Origin {
        number: "B13",
        origin: "openraft ee460f37",
        mistake: Mistake::Made(Bug::VotesBeforeDurable),
    },
    Origin {
        number: "B14",
        origin: "openraft 9540c904",
        mistake: Mistake::Made(Bug::LateMessageTruncates),
    },
    Origin {
        number: "B15",
        origin: "openraft 44381b0c, 71a290cd",
        mistake: Mistake::Made(Bug::CompactedIsConflict),
    },
    Origin {
        number: "B16",
        origin: "openraft eed681d5",
        mistake: Mistake::Made(Bug::InstallsOlderSnapshot),
    },
    Origin {
        number: "B17",
        origin: "openraft 6c0ccaf3",
        mistake: Mistake::Made(Bug::JointLooksAtOneHalf),
    },
    Origin {
        number: "B18",
        origin: "openraft#1892",
        mistake: Mistake::Made(Bug::SnapshotByIndexOnly),
    },
    Origin {
        number: "B19",
        origin: "etcd#13766",
        mistake: Mistake::NoPlace(
            "an applied index that is durable before the state: here the state is on disk only as a snapshot, one value with its index, sessions and configuration",
        ),
    },
    Origin { number: "B20", origin: "etcd#14685", mistake: Mistake::Made(Bug::AppliesTwice) },
    Origin {
        number: "B21",
        origin: "etcd#18055",
        mistake: Mistake::NoPlace(
            "two snapshots in a short time: here a snapshot is a value, and the newer takes the place of the older",
        ),
    },
    Origin {
        number: "B22",
        origin: "raft-rs#417",
        mistake: Mistake::Made(Bug::ReportsAreNotCumulative),
    },
    Origin {
        number: "B23",
        origin: "tikv#7353, #10078, dragonboat#256, #393",
        mistake: Mistake::Made(Bug::TrustsAnyLife),
    },
    Origin {
        number: "B24",
        origin: "dragonboat#369, #156",
        mistake: Mistake::Made(Bug::KeepsOldState),
    },
    Origin {
        number: "B25",
        origin: "willemt/raft#118, redislabs/raft#49",
        mistake: Mistake::Made(Bug::AppendsCompacted),
    },
    Origin {
        number: "B26",
        origin: "redisraft#17, #28",
        mistake: Mistake::Made(Bug::ConcurrentChanges),
    },
    Origin {
        number: "B27",
        origin: "redisraft#43, #44",
        mistake: Mistake::Made(Bug::SnapshotWithOldMembers),
    },
    Origin {
        number: "B28",
        origin: "redisraft 46a6ad0",
        mistake: Mistake::Made(Bug::SegmentWithoutVote),
    },
    Origin {
        number: "B29",
        origin: "redisraft#53",
        mistake: Mistake::Made(Bug::ReplayKeepsReplaced),
    },
    Origin {
        number: "B30",
        origin: "rethinkdb#5289, raft-rejoin-bug",
        mistake: Mistake::Made(Bug::SameStreamAfterRejoin),
    },
    Origin {
        number: "B31",
        origin: "nats-server#7567",
        mistake: Mistake::Made(Bug::LeaderDoesNotWait),
    },
    Origin {
        number: "B32",
        origin: "nats-server#7556",
        mistake: Mistake::Made(Bug::DamageIsTornTail),
    },
    Origin {
        number: "B33",
        origin: "nats-server#7545",
        mistake: Mistake::Made(Bug::OneStepExchange),
    },
    Origin {
        number: "B34",
        origin: "hashicorp/raft#524, #605, #609",
        mistake: Mistake::Made(Bug::NoStickiness),
    },
    Origin {
        number: "B35",
        origin: "openraft#1796, canonical/raft#279, ra#439",
        mistake: Mistake::Made(Bug::PreVoteTeachesNothing),
    },
    Origin {
        number: "B36",
        origin: "openraft#1828",
        mistake: Mistake::Made(Bug::NoSnapshotWhenCompacted),
    },
    Origin {
        number: "B37",
        origin: "openraft 6d53aa12",
        mistake: Mistake::Made(Bug::HintDoesNotMove),
    },
    Origin {
        number: "B38",
        origin: "openraft#1960",
        mistake: Mistake::Made(Bug::OlderReportOverwrites),
    },
    Origin {
        number: "B39",
        origin: "etcd#5230, #6515, #11488, #2736",
        mistake: Mistake::Made(Bug::TornTailIsDamage),
    },
    Origin {
        number: "B40",
        origin: "qdrant#1235, raft-engine#142, #288",
        mistake: Mistake::Made(Bug::TornTailStays),
    },
    Origin {
        number: "B41",
        origin: "canonical/raft#386, #250, #323",
        mistake: Mistake::Made(Bug::SnapshotWithUncommittedMembers),
    },
    Origin {
        number: "B42",
        origin: "hashicorp/raft#308, etcd-io/raft db54973, abb533c",
        mistake: Mistake::Made(Bug::LearnersCount),
    },
    Origin { number: "B43", origin: "etcd#741", mistake: Mistake::Made(Bug::ReadsLocally) },
    Origin { number: "B44", origin: "etcd#9333", mistake: Mistake::Made(Bug::NoPreVote) },
];

/// Chooses the mistake that is made from now on, by all threads; `None` is the right code again.
#[cfg(seeded_bugs)]
pub fn make(bug: Option<Bug>) {
    CHOSEN.store(bug.map_or(0, |bug| bug as u8), Ordering::Relaxed);
}

#[cfg(seeded_bugs)]
static CHOSEN: AtomicU8 = AtomicU8::new(0);

/// Whether the mistake is to be made.
#[cfg(seeded_bugs)]
pub(crate) fn makes(bug: Bug) -> bool {
    CHOSEN.load(Ordering::Relaxed) == bug as u8
}

/// Whether the mistake is to be made: never.
#[cfg(not(seeded_bugs))]
#[inline(always)]
pub(crate) const fn makes(_: Bug) -> bool {
    false
}
