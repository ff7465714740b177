//! The one list of errors, the same in Rust, on the wire, over HTTP and in exit codes.

use crate::id::{ClusterId, Index, NodeId};
use crate::raft::membership::Refusal;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a request was not carried out. `Display` gives one sentence: what happened; what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Error {
    /// The key does not exist.
    NotFound,
    /// The condition of a write did not hold, so nothing was written.
    ConditionFailed {
        /// The revision the key has, or `None` if it does not exist.
        revision: Option<Index>,
    },
    /// No leader, or no quorum to confirm it: nothing was done.
    NoQuorum,
    /// The node is not the leader and cannot pass the request on: nothing was done.
    NotLeader {
        /// The leader it knows of.
        hint: Option<NodeId>,
    },
    /// The write may or may not take effect. Retrying it in the same session is safe.
    OutcomeUnknown,
    /// The session was forgotten, so it cannot be said whether this write has been applied before.
    SessionExpired,
    /// A newer write of the same session has been applied: this one is a late duplicate.
    SequencePassed,
    /// Over a size limit: nothing was done.
    TooLarge {
        /// Largest size allowed, in bytes.
        limit: u64,
        /// The size that was asked for, in bytes.
        actual: u64,
    },
    /// Too much is waiting already: nothing was done.
    Overloaded {
        /// When another try makes sense, in milliseconds.
        retry_after_ms: u64,
    },
    /// The disk of the node is full: nothing was done.
    DiskFull,
    /// Not allowed: nothing was done.
    Denied {
        /// What was refused, and why.
        reason: String,
    },
    /// The request makes no sense: nothing was done.
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
    /// The node belongs to another cluster.
    ClusterMismatch {
        /// The cluster of the node that answers.
        have: ClusterId,
        /// The cluster that was asked for.
        want: ClusterId,
    },
    /// The node speaks another version of the protocol.
    VersionMismatch {
        /// The version of the node that answers.
        have: u8,
        /// The version that was asked for.
        want: u8,
    },
    /// The members cannot be changed so, or leadership not be handed over, now: nothing was done.
    Refused {
        /// Why, and what to do.
        why: Refusal,
    },
    /// Another process with the node's id is connected and alive, on another data directory or on a copy
    /// of the same.
    NodeTaken {
        /// The node.
        node: NodeId,
    },
    /// A later start of the node's data directory was seen: this one is an older copy.
    OlderCopy {
        /// The node.
        node: NodeId,
    },
}

impl Error {
    /// The stable name of the error, as in JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::ConditionFailed { .. } => "condition_failed",
            Self::NoQuorum => "no_quorum",
            Self::NotLeader { .. } => "not_leader",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::SessionExpired => "session_expired",
            Self::SequencePassed => "sequence_passed",
            Self::TooLarge { .. } => "too_large",
            Self::Overloaded { .. } => "overloaded",
            Self::DiskFull => "disk_full",
            Self::Refused { .. } => "refused",
            Self::NodeTaken { .. } => "node_taken",
            Self::OlderCopy { .. } => "older_copy",
            Self::Denied { .. } => "denied",
            Self::Invalid { .. } => "invalid",
            Self::ClusterMismatch { .. } => "cluster_mismatch",
            Self::VersionMismatch { .. } => "version_mismatch",
        }
    }

    /// Whether the request certainly had no effect and a later try, there or elsewhere, may succeed.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::NoQuorum | Self::NotLeader { .. } | Self::Overloaded { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => write!(f, "key not found; check the key, or list keys by prefix"),
            Self::ConditionFailed { revision: Some(revision) } => {
                write!(
                    f,
                    "condition failed, the key is at revision {revision}; read it and try again"
                )
            }
            Self::ConditionFailed { revision: None } => {
                write!(f, "condition failed, the key does not exist; read it and try again")
            }
            Self::NoQuorum => {
                write!(
                    f,
                    "no leader with a quorum, nothing was done; try again when a majority is up"
                )
            }
            Self::NotLeader { hint: Some(node) } => {
                write!(f, "not the leader, nothing was done; ask node {node}")
            }
            Self::NotLeader { hint: None } => {
                write!(f, "no leader is known, nothing was done; try again in a moment")
            }
            Self::OutcomeUnknown => {
                write!(
                    f,
                    "outcome unknown, the write may or may not take effect; read the key to see"
                )
            }
            Self::SessionExpired => {
                write!(
                    f,
                    "session expired, the write may have been applied before; read the key to see"
                )
            }
            Self::SequencePassed => {
                write!(
                    f,
                    "a newer write of the same session was applied; use a larger sequence number"
                )
            }
            Self::TooLarge { limit, actual } => {
                write!(f, "too large, {actual} bytes where {limit} are allowed; send less")
            }
            Self::Overloaded { retry_after_ms } => {
                write!(f, "overloaded, nothing was done; try again in {retry_after_ms} ms")
            }
            Self::DiskFull => write!(f, "disk full, nothing was done; free some space on the node"),
            Self::Refused { why } => write!(f, "refused, {why}"),
            Self::NodeTaken { node } => {
                write!(f, "another node {node} is connected and alive; stop one of the two")
            }
            Self::OlderCopy { node } => write!(
                f,
                "the data directory of node {node} is an older copy of one that ran since; let the node \
                 begin a new life"
            ),
            Self::Denied { reason } => write!(f, "denied: {reason}"),
            Self::Invalid { reason } => write!(f, "invalid request: {reason}"),
            Self::ClusterMismatch { have, want } => write!(
                f,
                "wrong cluster, the node is of {have} and {want} was asked for; check --cluster"
            ),
            Self::VersionMismatch { have, want } => write!(
                f,
                "wrong protocol version, the node speaks {have} and {want} was asked for; upgrade the older"
            ),
        }
    }
}

impl std::error::Error for Error {}
