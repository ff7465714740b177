//! What a run has come to, in numbers.

use serde::{Deserialize, Serialize};

/// What a run has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// How much time has passed, in microseconds of the run.
    pub simulated_us: u64,
    /// Events that happened.
    pub events: u64,
    /// Messages sent, between nodes and with clients.
    pub messages: u64,
    /// Messages lost on their way, or at the door of a node that is down.
    pub lost: u64,
    /// Commands that break something; those that mend it do not count.
    pub faults: u64,
    /// Elections won.
    pub elections: u64,
    /// Entries committed.
    pub commits: u64,
    /// Operations of clients.
    pub operations: u64,
    /// Histories of clients judged by their certificate: one for each run that came to its end.
    pub certified: u64,
    /// Those of them that a search judged as well, and found the same.
    pub searched: u64,
    /// Syncs of disks.
    pub syncs: u64,
    /// Crashes of nodes.
    pub crashes: u64,
    /// Restarts that found and repaired the traces of an unfinished write.
    pub torn_tails: u64,
    /// Lives that ended because their data was lost.
    pub lives_lost: u64,
    /// Runs in which too few remembered, so that nobody led any more, and somebody said why.
    pub halts: u64,
    /// Snapshots that nodes took.
    pub snapshots_taken: u64,
    /// Snapshots that nodes installed.
    pub snapshots_installed: u64,
}

impl Counters {
    /// Adds the counters of another run.
    pub fn add(&mut self, other: &Self) {
        let Self { events, messages, lost, faults, elections, commits, operations, .. } = other;
        self.simulated_us += other.simulated_us;
        self.events += events;
        self.messages += messages;
        self.lost += lost;
        self.faults += faults;
        self.elections += elections;
        self.commits += commits;
        self.operations += operations;
        self.certified += other.certified;
        self.searched += other.searched;
        self.syncs += other.syncs;
        self.crashes += other.crashes;
        self.torn_tails += other.torn_tails;
        self.lives_lost += other.lives_lost;
        self.halts += other.halts;
        self.snapshots_taken += other.snapshots_taken;
        self.snapshots_installed += other.snapshots_installed;
    }
}
