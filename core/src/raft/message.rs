//! What servers say to each other, in the paper's words (§5, §7, Figures 2 and 13).

use crate::bytes::Bytes;
use crate::id::{EntryId, Epoch, Incarnation, Index, NodeId, Round, Term};
use crate::raft::membership::Configuration;
use crate::time::ClusterTime;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One entry of the log. Its index is its place: the log and every message hold entries in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The term of the leader that created it.
    pub term: Term,
    /// The cluster's clock when it was created.
    pub time: ClusterTime,
    /// What it says.
    pub payload: Payload,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// Nothing. A new leader commits one to learn what is committed (§8).
    Noop,
    /// A command for the state machine, opaque to consensus.
    Command(Bytes),
    /// A new configuration (§6).
    Configuration(Box<Configuration>),
}

impl Entry {
    /// What the entry counts for in windows and limits, in bytes: its payload and a little for itself.
    pub fn size(&self) -> usize {
        32 + match &self.payload {
            Payload::Noop => 0,
            Payload::Command(command) => command.len(),
            Payload::Configuration(configuration) => 64 * configuration.members.len(),
        }
    }
}

/// What a snapshot stands for; the state itself travels beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotMeta {
    /// The last entry the snapshot includes.
    pub last: EntryId,
    /// The cluster's clock at that entry.
    pub time: ClusterTime,
    /// The configuration in force at that entry.
    pub configuration: Configuration,
}

/// A message and the term its sender is in (§5.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The sender's term.
    pub term: Term,
    /// What it says.
    pub body: Body,
}

/// The remote procedure calls of the paper, each way. New variants go to the end: formats are frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// A candidate asks for a vote (§5.2), or whether it would get one (thesis §9.6).
    RequestVote {
        /// The term the candidate stands for: the sender's own, or for a pre-vote the next.
        campaign: Term,
        /// Only a question: no vote is cast and no term changes.
        pre_vote: bool,
        /// The leader has told the candidate to stand, and so gives itself up (thesis §3.10).
        transfer: bool,
        /// The candidate's last entry, for §5.4.1.
        last: EntryId,
    },
    /// The answer.
    RequestVoteReply {
        /// The campaign that is answered.
        campaign: Term,
        /// As in the question.
        pre_vote: bool,
        /// The life that asked: a later one must not count a vote that was not given to it.
        life: Incarnation,
        /// `None` is a vote; anything else says why not.
        refused: Option<VoteRefusal>,
    },
    /// The leader's entries, or none as a heartbeat (§5.3).
    AppendEntries {
        /// The stream this belongs to.
        epoch: Epoch,
        /// The leader's newest round.
        round: Round,
        /// The entry before the first of `entries`.
        prev: EntryId,
        /// The leader's commit index.
        commit: Index,
        /// The entries after `prev`.
        entries: Vec<Entry>,
    },
    /// The answer.
    AppendEntriesReply {
        /// The stream that is answered.
        epoch: Epoch,
        /// The round that is answered.
        round: Round,
        /// How it went.
        result: AppendResult,
    },
    /// A piece of the leader's snapshot, for a follower that needs entries the log no longer has (§7).
    InstallSnapshot {
        /// The stream this belongs to.
        epoch: Epoch,
        /// The leader's newest round.
        round: Round,
        /// Which snapshot.
        meta: SnapshotMeta,
        /// Where `data` starts in it, in bytes.
        offset: u64,
        /// The piece.
        data: Bytes,
        /// Whether it is the last.
        done: bool,
    },
    /// The answer.
    InstallSnapshotReply {
        /// The stream that is answered.
        epoch: Epoch,
        /// The round that is answered.
        round: Round,
        /// Which snapshot.
        last: EntryId,
        /// Where the follower wants to go on, in bytes.
        next_offset: u64,
    },
    /// The leader tells a follower to stand for election at once (thesis §3.10).
    TimeoutNow,
    /// A follower asks how far it must apply the log to answer the reads that wait for it (thesis §6.4).
    ReadIndex {
        /// The follower's own number for the question, used once.
        number: u64,
    },
    /// The leader's answer, once it has shown that it still led after the question came.
    ReadIndexReply {
        /// The question.
        number: u64,
        /// Applied so far, the state covers every write acknowledged before the question came.
        index: Index,
    },
}

/// Why a vote is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VoteRefusal {
    /// The voter is in a later term (§5.1).
    StaleTerm,
    /// The voter has voted for another in this term (§5.2).
    AlreadyVoted {
        /// For whom.
        candidate: NodeId,
    },
    /// The voter's log is more up to date (§5.4.1).
    LogBehind {
        /// The voter's last entry.
        voter_last: EntryId,
    },
    /// The voter hears from a leader (thesis §4.2.3).
    LeaderAlive {
        /// From whom.
        leader: NodeId,
    },
    /// The candidate was removed, or the life of its data directory is not the one that was admitted.
    NotAdmitted {
        /// The entry that says so. Who knows a newer configuration need not believe it.
        configuration: Index,
    },
    /// The voter followed a leader lately, or may have before it started, and its lease may last (thesis
    /// §6.4.1).
    LeaseMayLast,
    /// The voter has been told that it is not admitted itself.
    NotAVoter,
}

/// How an AppendEntries went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppendResult {
    /// The follower's log equals the leader's up to `match_index`, and is durable so far.
    Matched {
        /// The last index for which both hold.
        match_index: Index,
    },
    /// The follower has no entry equal to `prev` (§5.3).
    Mismatch {
        /// The index of the `prev` that is refused.
        refused: Index,
        /// The follower's last entry at or before it with a term not above its: the logs can agree no
        /// later than here.
        hint: EntryId,
    },
    /// The follower is in a later term (§5.1).
    StaleTerm,
    /// The same as `Matched`, from a follower whose disk has no room for more entries: until it says
    /// otherwise, only questions are of use.
    Full {
        /// The last index up to which its log equals the leader's and is durable.
        match_index: Index,
    },
}

impl fmt::Display for VoteRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StaleTerm => write!(f, "I am in a later term (§5.1)"),
            Self::AlreadyVoted { candidate } => {
                write!(f, "I voted for node {candidate} in this term (§5.2)")
            }
            Self::LogBehind { voter_last } => {
                write!(f, "my log ends at {voter_last}, which is more up to date (§5.4.1)")
            }
            Self::LeaderAlive { leader } => {
                write!(f, "I hear from leader {leader} (thesis §4.2.3)")
            }
            Self::NotAdmitted { .. } => write!(f, "you are not admitted to this cluster"),
            Self::LeaseMayLast => write!(f, "a leader's lease may last (thesis §6.4.1)"),
            Self::NotAVoter => write!(f, "I am not admitted to this cluster"),
        }
    }
}

impl fmt::Display for Message {
    /// One line, as traces and the page show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let term = self.term;
        match &self.body {
            Body::RequestVote { campaign, pre_vote, transfer, last } => {
                let name = if *pre_vote { "PreVote" } else { "RequestVote" };
                let told = if *transfer { " told to" } else { "" };
                write!(f, "{name} t{campaign} last={last}{told}")
            }
            Body::RequestVoteReply { campaign, pre_vote, refused, .. } => {
                let name = if *pre_vote { "PreVoteReply" } else { "RequestVoteReply" };
                match refused {
                    None => write!(f, "{name} t{campaign} granted"),
                    Some(why) => write!(f, "{name} t{campaign} refused: {why}"),
                }
            }
            Body::AppendEntries { prev, commit, entries, .. } => {
                write!(
                    f,
                    "AppendEntries t{term} prev={prev} commit={commit} entries={}",
                    entries.len()
                )
            }
            Body::AppendEntriesReply { result, .. } => match result {
                AppendResult::Matched { match_index } => {
                    write!(f, "AppendEntriesReply t{term} match={match_index}")
                }
                AppendResult::Mismatch { refused, hint } => {
                    write!(f, "AppendEntriesReply t{term} mismatch at {refused} hint={hint}")
                }
                AppendResult::StaleTerm => write!(f, "AppendEntriesReply t{term} stale term"),
                AppendResult::Full { match_index } => {
                    write!(f, "AppendEntriesReply t{term} match={match_index} disk full")
                }
            },
            Body::InstallSnapshot { meta, offset, data, done, .. } => write!(
                f,
                "InstallSnapshot t{term} last={} offset={offset} bytes={}{}",
                meta.last,
                data.len(),
                if *done { " done" } else { "" }
            ),
            Body::InstallSnapshotReply { last, next_offset, .. } => {
                write!(f, "InstallSnapshotReply t{term} last={last} next={next_offset}")
            }
            Body::TimeoutNow => write!(f, "TimeoutNow t{term}"),
            Body::ReadIndex { .. } => write!(f, "ReadIndex t{term}"),
            Body::ReadIndexReply { index, .. } => write!(f, "ReadIndexReply t{term} index={index}"),
        }
    }
}
