//! What happened and why, as data: the core never logs. One definition feeds a node's own output, the
//! golden scripts, the simulator's checks and the page.

use crate::id::{EntryId, Index, NodeId, Term};
use crate::raft::membership::Configuration;
use crate::raft::message::VoteRefusal;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A role, without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleName {
    /// Follows a leader, or waits for one (§5.2).
    Follower,
    /// Asks whether it would win an election (thesis §9.6).
    PreCandidate,
    /// Stands for election (§5.2).
    Candidate,
    /// Leads (§5.3).
    Leader,
}

/// Something that happened in one node. New variants go to the end: formats are frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The election timeout passed: the node asks whether it would win (thesis §9.6).
    PreVoteStarted {
        /// The term it would stand for.
        campaign: Term,
    },
    /// The node stands for election.
    ElectionStarted {
        /// In this term.
        term: Term,
    },
    /// The node gave its vote. For a pre-vote, said that it would.
    VoteGranted {
        /// To this candidate.
        candidate: NodeId,
        /// In this term.
        campaign: Term,
        /// Whether it was only a question.
        pre_vote: bool,
    },
    /// The node refused its vote.
    VoteRefused {
        /// To this candidate.
        candidate: NodeId,
        /// In this term.
        campaign: Term,
        /// Whether it was only a question.
        pre_vote: bool,
        /// Why.
        why: VoteRefusal,
    },
    /// The node leads: it has the votes of a quorum, durable its own.
    BecameLeader {
        /// In this term.
        term: Term,
    },
    /// A leader or a candidate became a follower. A follower that enters a later term just goes on.
    BecameFollower {
        /// In this term.
        term: Term,
        /// Why.
        why: WhyFollower,
    },
    /// A follower learned who leads its term.
    LeaderKnown {
        /// The leader.
        leader: NodeId,
        /// Of this term.
        term: Term,
        /// How many committed entries the follower lacks at that moment.
        behind: u64,
    },
    /// A follower that was behind when it learned of its leader has all that was committed then.
    CaughtUp {
        /// The leader.
        leader: NodeId,
    },
    /// Entries from here on contradicted the leader's and were removed (§5.3).
    Truncated {
        /// The first entry removed.
        from: Index,
        /// The last entry removed.
        last: Index,
    },
    /// The commit index moved.
    Committed {
        /// To this entry.
        to: EntryId,
    },
    /// A snapshot was taken of the applied state (§7).
    SnapshotTaken {
        /// The last entry it includes.
        last: EntryId,
    },
    /// The leader's snapshot replaced log and state (§7).
    SnapshotInstalled {
        /// The last entry it includes.
        last: EntryId,
    },
    /// The leader's snapshot could not be read, and was dropped.
    SnapshotRejected {
        /// The last entry it includes.
        last: EntryId,
    },
    /// Another configuration is in force: a new one is in the log, or a snapshot brought it, or one that
    /// was not committed went with the end of the log (§6).
    ConfigurationAdopted {
        /// Its entry.
        index: Index,
        /// What it says.
        configuration: Box<Configuration>,
    },
    /// A leader begins to hand over (thesis §3.10).
    TransferStarted {
        /// To this node.
        to: NodeId,
    },
    /// The node did not take over in time: the leader leads on.
    TransferTimedOut {
        /// The node.
        to: NodeId,
    },
    /// The leader told this node to stand for election at once (thesis §3.10).
    ToldToStand {
        /// The leader.
        leader: NodeId,
    },
    /// The node learned that it was removed, or that its life is not the one that was admitted. It does
    /// not vote until it is admitted.
    NotAdmitted {
        /// From this node.
        by: NodeId,
    },
    /// A member has forgotten what it had acknowledged, or all it knew.
    MemberLost {
        /// The member.
        node: NodeId,
    },
    /// So many voters have lost what they knew that no quorum of those who remember is left. Nothing can
    /// be decided: only an operator can say what is to be believed.
    QuorumLost {
        /// Voters that came back as another life.
        lost: Vec<NodeId>,
    },
    /// The disk is full, or has space again.
    DiskFull {
        /// Whether it is full.
        is_full: bool,
    },
}

/// Why a node became a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyFollower {
    /// It heard of a later term (§5.1).
    LaterTerm {
        /// From this node.
        from: NodeId,
    },
    /// It stood for election, or asked to, and heard that another leads its term (§5.2).
    LeaderHeard {
        /// This one.
        leader: NodeId,
    },
    /// It led, and heard from no quorum for an election timeout (thesis §6.2).
    NoQuorum,
    /// It led, and its own disk finished no write for an election timeout.
    DiskStalled,
    /// It led, and its removal is committed (thesis §4.2.2).
    Removed,
    /// It stood for election, or asked to, and heard that it is not admitted.
    NotAdmitted {
        /// From this node.
        by: NodeId,
    },
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Follower => "FOLLOWER",
            Self::PreCandidate => "PRE-CANDIDATE",
            Self::Candidate => "CANDIDATE",
            Self::Leader => "LEADER",
        })
    }
}

impl fmt::Display for WhyFollower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LaterTerm { from } => write!(f, "node {from} is in a later term (§5.1)"),
            Self::LeaderHeard { leader } => write!(f, "node {leader} leads this term (§5.2)"),
            Self::NoQuorum => write!(f, "no quorum answered for an election timeout (thesis §6.2)"),
            Self::DiskStalled => write!(f, "the disk finished no write for an election timeout"),
            Self::NotAdmitted { by } => write!(f, "node {by} says that it is not admitted"),
            Self::Removed => write!(f, "it is no voter any more (thesis §4.2.2)"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pre = |pre_vote: &bool| if *pre_vote { "pre-vote" } else { "vote" };
        match self {
            Self::PreVoteStarted { campaign } => {
                write!(f, "asks for pre-votes for term {campaign} (thesis §9.6)")
            }
            Self::ElectionStarted { term } => {
                write!(f, "stands for election in term {term} (§5.2)")
            }
            Self::VoteGranted { candidate, campaign, pre_vote } => {
                write!(f, "grants node {candidate} its {} for term {campaign}", pre(pre_vote))
            }
            Self::VoteRefused { candidate, campaign, pre_vote, why } => {
                write!(
                    f,
                    "refuses node {candidate} its {} for term {campaign}: {why}",
                    pre(pre_vote)
                )
            }
            Self::BecameLeader { term } => write!(f, "leads term {term} (§5.2)"),
            Self::BecameFollower { term, why } => write!(f, "follows in term {term}: {why}"),
            Self::LeaderKnown { leader, term, behind: 0 } => {
                write!(f, "follows leader {leader} of term {term}")
            }
            Self::LeaderKnown { leader, term, behind: 1 } => {
                write!(f, "follows leader {leader} of term {term}, 1 entry behind")
            }
            Self::LeaderKnown { leader, term, behind } => {
                write!(f, "follows leader {leader} of term {term}, {behind} entries behind")
            }
            Self::CaughtUp { leader } => write!(f, "has caught up with leader {leader}"),
            Self::Truncated { from, last } if from == last => {
                write!(f, "removes entry {from}, which contradicts the leader's (§5.3)")
            }
            Self::Truncated { from, last } => {
                write!(f, "removes entries {from} to {last}, which contradict the leader's (§5.3)")
            }
            Self::Committed { to } => write!(f, "commits up to {to}"),
            Self::SnapshotTaken { last } => write!(f, "takes a snapshot up to {last} (§7)"),
            Self::SnapshotInstalled { last } => write!(f, "installs a snapshot up to {last} (§7)"),
            Self::SnapshotRejected { last } => {
                write!(f, "drops an unreadable snapshot up to {last}")
            }
            Self::ConfigurationAdopted { index, configuration } => {
                write!(f, "acts by configuration {index}: {configuration} (§6)")
            }
            Self::TransferStarted { to } => write!(f, "hands over to node {to} (thesis §3.10)"),
            Self::TransferTimedOut { to } => {
                write!(f, "leads on: node {to} did not take over in time (thesis §3.10)")
            }
            Self::ToldToStand { leader } => {
                write!(f, "is told by leader {leader} to stand for election (thesis §3.10)")
            }
            Self::NotAdmitted { by } => write!(f, "learns from node {by} that it is not admitted"),
            Self::MemberLost { node } => {
                write!(f, "finds that node {node} has lost what it knew")
            }
            Self::QuorumLost { lost } => {
                let lost: Vec<String> = lost.iter().map(ToString::to_string).collect();
                let lost = lost.join(", ");
                write!(f, "cannot go on: too few voters remember, those that do not are {lost}")
            }
            Self::DiskFull { is_full: true } => write!(f, "has a full disk and takes no writes"),
            Self::DiskFull { is_full: false } => write!(f, "has space on its disk again"),
        }
    }
}
