//! Who belongs to the cluster (§6, thesis chapter 4): configurations, and how one follows from another.
//!
//! A change that adds or removes one voter is one entry, since any majority before it overlaps any
//! majority after it (thesis §4.1). A change of more goes through a joint configuration, in which every
//! decision needs a majority of both sets (§6). A member is a server *and* the life of its data directory:
//! a life that was not admitted is a stranger under a known name, whose votes and acknowledgements count
//! for nothing (see [`lives`](super::lives)).

use crate::id::{Incarnation, NodeId};
use crate::raft::quorum;
use crate::seeded::{Bug, makes};
use crate::vec_map::{VecMap, VecSet};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One server and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    /// The server.
    pub id: NodeId,
    /// `host:port`.
    pub address: String,
    /// The life of its data directory that was admitted; [`Incarnation::UNKNOWN`] for a founding member
    /// of which no leader has heard yet.
    pub incarnation: Incarnation,
}

/// What a learner is to become when it has caught up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// A learner still.
    Stay,
    /// A voter.
    #[default]
    Vote,
    /// The voter that takes the place of this one.
    Replace(NodeId),
}

/// A configuration of the cluster. In force as soon as it is in the log (§6).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Configuration {
    /// The voters; of a joint configuration, the voters to come.
    pub voters: VecSet<NodeId>,
    /// The voters of before, while a joint configuration is in force; else empty.
    pub outgoing: VecSet<NodeId>,
    /// Servers that receive the log and have no vote.
    pub learners: VecMap<NodeId, Goal>,
    /// How to reach each of them.
    pub members: VecMap<NodeId, Member>,
}

/// A change of the members, as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A new server becomes a learner.
    Add {
        /// The server, and the life of its data directory.
        member: Member,
        /// What becomes of it when it has caught up.
        #[serde(default)]
        goal: Goal,
    },
    /// A learner that has caught up becomes a voter, whatever its goal was.
    Promote(NodeId),
    /// A server goes: a voter or a learner, and be it the leader.
    Remove(NodeId),
    /// A new server becomes a learner, and takes a voter's place when it has caught up.
    Replace {
        /// The voter.
        node: NodeId,
        /// The new server.
        by: Member,
    },
}

/// Why the members cannot be changed so, or leadership not be handed over, now. `Display` says what is to
/// be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// One change at a time (§6).
    InProgress,
    /// The leader has not committed an entry of its own term yet (Ongaro's erratum to thesis §4.1).
    TermNotCommitted,
    /// The server belongs to the cluster already.
    AlreadyAMember(NodeId),
    /// Another server has that address.
    AddressTaken {
        /// The other.
        by: NodeId,
    },
    /// No such server in the cluster.
    NotAMember(NodeId),
    /// It has a vote already.
    AlreadyAVoter(NodeId),
    /// It has no vote.
    NotAVoter(NodeId),
    /// The server is not heard from.
    Silent(NodeId),
    /// The learner has not caught up (thesis §4.2.1).
    Lagging {
        /// The learner.
        node: NodeId,
        /// By so many entries.
        entries: u64,
    },
    /// Too few of the voters that would be left are up.
    LosesQuorum {
        /// Voters that would be left.
        voters: u32,
        /// Those of them that are heard from.
        up: u32,
    },
    /// The last voter stays.
    LastVoter,
    /// There are as many members as there can be.
    Full,
    /// No other voter is heard from.
    NobodyElse,
    /// It leads already.
    AlreadyLeads(NodeId),
    /// Leadership is being handed over.
    TransferInProgress,
    /// The target did not take over within an election timeout; the leader leads on.
    TransferTimedOut(NodeId),
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

    /// Whether two sets of voters decide together.
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether `life` is another life of the member `node` than the one that was admitted.
    pub fn is_stranger(&self, node: NodeId, life: Incarnation) -> bool {
        let admitted = self.members.get(&node).map(|member| member.incarnation);
        admitted.is_some_and(|admitted| admitted != Incarnation::UNKNOWN && admitted != life)
    }

    /// Every voter, of both sets if the configuration is joint, once and in order.
    pub fn all_voters(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.voters.union(&self.outgoing)
    }

    /// Whether those for which `yes` holds decide: a majority of the voters and, if the configuration
    /// is joint, also of the outgoing ones.
    pub fn has_quorum(&self, yes: impl Fn(NodeId) -> bool) -> bool {
        if makes(Bug::LearnersCount) {
            return quorum::has_majority(&self.members.keys().copied().collect(), &yes);
        }
        if makes(Bug::JointLooksAtOneHalf) && self.voters.len() == 1 {
            return quorum::has_majority(&self.voters, &yes);
        }
        quorum::has_majority(&self.voters, &yes) && quorum::has_majority(&self.outgoing, &yes)
    }

    /// The largest value that a quorum has reached, when each voter has reached `value(voter)`.
    pub fn quorum_value<T: Ord + Copy>(&self, value: impl Fn(NodeId) -> T) -> Option<T> {
        if makes(Bug::LearnersCount) {
            return quorum::majority_value(&self.members.keys().copied().collect(), &value);
        }
        let incoming = quorum::majority_value(&self.voters, &value);
        if makes(Bug::JointLooksAtOneHalf) && self.voters.len() == 1 {
            return incoming;
        }
        let outgoing = quorum::majority_value(&self.outgoing, &value);
        match (incoming, outgoing) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

/// How one configuration follows from another. Pure: whether it may, now, is the leader's to say.
impl Configuration {
    /// The configuration after `change`; joint, if more than one voter comes or goes.
    pub fn after(&self, change: &Change, members_max: usize) -> Result<Self, Refusal> {
        let mut next = self.clone();
        match change {
            Change::Add { member, goal } => next.add_learner(member, *goal, members_max)?,
            Change::Replace { node, by } => {
                if !self.voters.contains(node) {
                    return Err(match self.members.contains_key(node) {
                        true => Refusal::NotAVoter(*node),
                        false => Refusal::NotAMember(*node),
                    });
                }
                next.add_learner(by, Goal::Replace(*node), members_max)?;
            }
            Change::Promote(node) => {
                let Some(goal) = next.learners.remove(node) else {
                    return Err(match self.voters.contains(node) {
                        true => Refusal::AlreadyAVoter(*node),
                        false => Refusal::NotAMember(*node),
                    });
                };
                next.voters.insert(*node);
                if let Goal::Replace(old) = goal {
                    match next.voters.remove(&old) {
                        true if makes(Bug::OneStepExchange) => {}
                        true => next.outgoing.clone_from(&self.voters),
                        // It lost its vote meanwhile, and needs none any more.
                        false if next.learners.remove(&old).is_some() => {
                            next.members.remove(&old);
                        }
                        false => {}
                    }
                }
            }
            Change::Remove(node) => {
                if next.members.remove(node).is_none() {
                    return Err(Refusal::NotAMember(*node));
                }
                next.learners.remove(node);
                next.voters.remove(node);
                if next.voters.is_empty() {
                    return Err(Refusal::LastVoter);
                }
            }
        }
        Ok(next)
    }

    /// The configuration after a joint one: the outgoing voters are gone.
    pub fn after_joint(&self) -> Self {
        let mut next = self.clone();
        let gone = std::mem::take(&mut next.outgoing);
        next.members.retain(|node, _| !gone.contains(node) || next.voters.contains(node));
        next
    }

    /// The configuration in which the lives of founding members are known.
    pub fn with_lives(&self, lives: &VecMap<NodeId, Incarnation>) -> Self {
        let mut next = self.clone();
        for member in next.members.values_mut() {
            if let (Incarnation::UNKNOWN, Some(life)) = (member.incarnation, lives.get(&member.id))
            {
                member.incarnation = *life;
            }
        }
        next
    }

    /// The configuration in which a member has lost what it knew: `life` is what it is now, a learner
    /// that is to vote again, or to be what it was to be.
    pub fn with_lost(&self, node: NodeId, life: Incarnation) -> Self {
        let mut next = self.clone();
        if next.voters.remove(&node) {
            next.learners.insert(node, Goal::Vote);
        }
        if let Some(member) = next.members.get_mut(&node) {
            member.incarnation = life;
        }
        next
    }

    fn add_learner(&mut self, member: &Member, goal: Goal, most: usize) -> Result<(), Refusal> {
        if self.members.contains_key(&member.id) {
            return Err(Refusal::AlreadyAMember(member.id));
        }
        if let Some(other) = self.members.values().find(|other| other.address == member.address) {
            return Err(Refusal::AddressTaken { by: other.id });
        }
        if self.members.len() >= most {
            return Err(Refusal::Full);
        }
        self.learners.insert(member.id, goal);
        self.members.insert(member.id, member.clone());
        Ok(())
    }
}

impl fmt::Display for Configuration {
    /// Voters, then learners, as in `voters 1 2 3, learners 4`; a joint configuration as `1 2 3 -> 1 2 4`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |nodes: &mut dyn Iterator<Item = &NodeId>| {
            nodes.map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        write!(f, "voters ")?;
        if self.is_joint() {
            write!(f, "{} -> ", list(&mut self.outgoing.iter()))?;
        }
        write!(f, "{}", list(&mut self.voters.iter()))?;
        match self.learners.is_empty() {
            true => Ok(()),
            false => write!(f, ", learners {}", list(&mut self.learners.keys())),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InProgress => {
                write!(f, "another change of the members is in progress; try again when it is done")
            }
            Self::TermNotCommitted => {
                write!(f, "the leader is new and has committed nothing yet; try again in a moment")
            }
            Self::AlreadyAMember(node) => {
                write!(f, "node {node} is a member already; see `member list`")
            }
            Self::AddressTaken { by } => {
                write!(f, "node {by} has that address; give the new node another")
            }
            Self::NotAMember(node) => write!(f, "node {node} is no member; see `member list`"),
            Self::AlreadyAVoter(node) => {
                write!(f, "node {node} is a voter already; nothing is to be done")
            }
            Self::NotAVoter(node) => {
                write!(f, "node {node} is no voter; name one, or promote it first")
            }
            Self::Silent(node) => {
                write!(f, "node {node} is not heard from; start it, and see that it can be reached")
            }
            Self::Lagging { node, entries } => {
                let entries = if *entries == 1 { "1 entry" } else { &format!("{entries} entries") };
                write!(f, "node {node} is lagging by {entries}; try again when it has caught up")
            }
            Self::LosesQuorum { voters, up } => write!(
                f,
                "it would lose the quorum, of {voters} voters left only {up} would be up; start those \
                 that are down first"
            ),
            Self::LastVoter => write!(f, "the last voter cannot go; add another first"),
            Self::Full => write!(f, "there are as many members as there can be; remove one first"),
            Self::NobodyElse => write!(f, "no other voter is up; start one first"),
            Self::AlreadyLeads(node) => {
                write!(f, "node {node} leads already; nothing is to be done")
            }
            Self::TransferInProgress => {
                write!(f, "leadership is being handed over; try again in a moment")
            }
            Self::TransferTimedOut(node) => write!(
                f,
                "node {node} did not take over in time, the leader leads on; see that it is up and try again"
            ),
        }
    }
}
