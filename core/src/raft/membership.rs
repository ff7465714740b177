//! Who belongs to the cluster (§6, thesis chapter 4). A configuration can be joint from the first
//! format on: with `outgoing` set, every decision needs a majority of both sets.

use crate::id::{Incarnation, NodeId};
use crate::raft::quorum;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One server and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The server.
    pub id: NodeId,
    /// `host:port`.
    pub address: String,
    /// The life of its data directory that was admitted; [`Incarnation::UNKNOWN`] for a founding member.
    pub incarnation: Incarnation,
}

/// A configuration of the cluster. In force as soon as it is in the log (§6).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// The voters; of a joint configuration, the voters to come.
    pub voters: BTreeSet<NodeId>,
    /// The voters of before, while a joint configuration is in force; else empty.
    pub outgoing: BTreeSet<NodeId>,
    /// Servers that receive the log and have no vote.
    pub learners: BTreeSet<NodeId>,
    /// How to reach each of them.
    pub members: BTreeMap<NodeId, Member>,
}

impl Configuration {
    /// The configuration a cluster is founded with: every member votes.
    pub fn founding(members: &[Member]) -> Self {
        Self {
            voters: members.iter().map(|member| member.id).collect(),
            members: members.iter().map(|member| (member.id, member.clone())).collect(),
            ..Self::default()
        }
    }

    /// Whether `node` has a vote.
    pub fn is_voter(&self, node: NodeId) -> bool {
        self.voters.contains(&node) || self.outgoing.contains(&node)
    }

    /// Every voter, of both sets if the configuration is joint, once and in order.
    pub fn all_voters(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.voters.union(&self.outgoing).copied()
    }

    /// Every server that receives the log, but for `except`, in order.
    pub fn others(&self, except: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        self.members.keys().copied().filter(move |node| *node != except)
    }

    /// Whether those for which `yes` holds decide: a majority of the voters and, if the configuration
    /// is joint, also of the outgoing ones.
    pub fn has_quorum(&self, yes: impl Fn(NodeId) -> bool) -> bool {
        quorum::has_majority(&self.voters, &yes) && quorum::has_majority(&self.outgoing, &yes)
    }

    /// The largest value that a quorum has reached, when each voter has reached `value(voter)`.
    pub fn quorum_value<T: Ord + Copy>(&self, value: impl Fn(NodeId) -> T) -> Option<T> {
        let incoming = quorum::majority_value(&self.voters, &value);
        let outgoing = quorum::majority_value(&self.outgoing, &value);
        match (incoming, outgoing) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}
