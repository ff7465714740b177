//! Everything a node can be told, each number with its unit and its reason.

use crate::id::{ClusterId, Incarnation, NodeId};
use crate::raft::membership::Member;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One node's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// This node.
    pub id: NodeId,
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// The life of its data directory.
    pub incarnation: Incarnation,
    /// The founding members, the same on every node. In force until the log holds a configuration. None
    /// for a node that was not there at the founding, or has lost its data: it waits to be admitted.
    pub members: Vec<Member>,
    /// Seeds this node's generator: election timeouts, and the names of sessions it opens itself. It must
    /// be another one for every node and at every start.
    pub seed: u64,
    /// When things happen.
    pub timing: Timing,
    /// How much of everything there can be.
    pub limits: Limits,
}

/// When things happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// An idle leader speaks this often. A few of them must fit into an election timeout, so that one
    /// lost heartbeat does not start an election.
    pub heartbeat_interval: Duration,
    /// The shortest silence after which a follower stands for election, and the time for which it
    /// turns other candidates away after hearing from a leader (thesis §4.2.3).
    pub election_timeout_min: Duration,
    /// The longest silence. The random choice between the two is what ends split votes (§5.2). A leader
    /// that hears from no quorum, or whose disk writes nothing, for this long steps down.
    pub election_timeout_max: Duration,
    /// How long a node keeps a request for which no answer comes before it says so.
    pub request_timeout: Duration,
    /// How long a write that asks for the number of copies is held back for slower nodes.
    pub copies_wait: Duration,
    /// Leaders answer reads without asking, for as long as their lease lasts (thesis §6.4.1). Safe only
    /// while no clock of any node runs faster or slower than true time by more than this many percent,
    /// below 100, and while all nodes have the same number here and the same shortest election timeout.
    /// `None`: every read is confirmed by a quorum, and no clock is trusted.
    pub lease_drift_percent: Option<u32>,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat_interval: Duration::from_millis(50),
            election_timeout_min: Duration::from_millis(300),
            election_timeout_max: Duration::from_millis(600),
            request_timeout: Duration::from_secs(5),
            copies_wait: Duration::from_millis(250),
            lease_drift_percent: None,
        }
    }
}

/// How much of everything there can be. Full means a refusal, not growth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest key in bytes.
    pub key_bytes_max: usize,
    /// Longest value in bytes.
    pub value_bytes_max: usize,
    /// Most keys in one page of a list.
    pub list_keys_max: usize,
    /// Most bytes of keys and values in one page of a list; the first item always fits.
    pub list_bytes_max: usize,
    /// Most sessions remembered; beyond it those that have been idle longest are forgotten.
    pub sessions_max: usize,
    /// Most members of the cluster, learners included: a leader sends its log to each.
    pub members_max: usize,
    /// Longest address of a member in bytes: a host name and a port.
    pub address_bytes_max: usize,
    /// A learner that lacks at most so many entries has caught up: it gets them within an election timeout
    /// (thesis §4.2.1).
    pub promotion_lag_max: u64,
    /// Most requests waiting in a node for their answer.
    pub requests_max: usize,
    /// Most bytes of entries that a leader accepts ahead of what is committed.
    pub uncommitted_bytes_max: usize,
    /// Most bytes of entries in one AppendEntries; a single larger entry still goes, alone.
    pub append_bytes_max: usize,
    /// Most entries in one AppendEntries.
    pub append_entries_max: usize,
    /// Most AppendEntries under way to one follower.
    pub append_messages_max: usize,
    /// Most bytes of entries under way to one follower.
    pub append_window_bytes_max: usize,
    /// Most writes handed to the driver and not yet durable; beyond it the next write waits and grows.
    pub writes_max: usize,
    /// Most entries applied between two looks at the inputs, so that catching up starves no heartbeat.
    pub apply_entries_max: usize,
    /// A snapshot is taken when the log has grown by this many bytes since the last.
    pub snapshot_log_bytes: usize,
    /// Or by this many entries.
    pub snapshot_log_entries: u64,
    /// Entries kept behind a snapshot, so that a follower a little behind needs no snapshot.
    pub log_keep_entries: u64,
    /// Bytes in one chunk of a snapshot on its way to a follower.
    pub snapshot_chunk_bytes: usize,
    /// The largest snapshot accepted from a leader.
    pub snapshot_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            key_bytes_max: 4 << 10,
            value_bytes_max: 1 << 20,
            list_keys_max: 1_000,
            list_bytes_max: 1 << 20,
            sessions_max: 100_000,
            members_max: 16,
            address_bytes_max: 300,
            promotion_lag_max: 4_096,
            requests_max: 16_384,
            uncommitted_bytes_max: 64 << 20,
            append_bytes_max: 1 << 20,
            append_entries_max: 4_096,
            append_messages_max: 64,
            append_window_bytes_max: 8 << 20,
            writes_max: 4,
            apply_entries_max: 4_096,
            snapshot_log_bytes: 128 << 20,
            snapshot_log_entries: 400_000,
            log_keep_entries: 20_000,
            snapshot_chunk_bytes: 512 << 10,
            snapshot_bytes_max: 4 << 30,
        }
    }
}
