//! What clients ask of a node and what they are told.

use crate::bytes::Bytes;
use crate::config::Limits;
use crate::error::Error;
use crate::id::{Index, NodeId, Term};
use crate::kv::command::{Condition, Found, Item, Read, Session, Write, Written};
use crate::raft::change::Outlook;
use crate::raft::event::RoleName;
use crate::raft::membership::{Change, Configuration};
use crate::text;
use serde::{Deserialize, Serialize};

/// A client's request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Changes the store.
    Write {
        /// Makes the write take effect once however often the client sends it. Without it, the client
        /// must not send it twice.
        #[serde(default)]
        session: Option<Session>,
        /// What to do.
        write: Write,
        /// Wait a moment for slower nodes and say how many have the write on disk.
        #[serde(default)]
        count_copies: bool,
    },
    /// Reads the store.
    Read {
        /// What to read.
        read: Read,
        /// How fresh it must be.
        #[serde(default)]
        consistency: Consistency,
    },
    /// Asks the node that receives it how it is.
    Status,
    /// Changes who belongs to the cluster (§6). Only the leader answers, when the change is committed;
    /// promotion follows by itself once a learner with that goal has caught up.
    Change {
        /// What to change.
        change: Change,
        /// Only say what would be.
        #[serde(default)]
        dry_run: bool,
    },
    /// Hands leadership over (thesis §3.10). Only the leader answers, when another leads.
    Transfer {
        /// To this voter; to the one whose log is longest if left out.
        #[serde(default)]
        to: Option<NodeId>,
    },
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consistency {
    /// It sees every write acknowledged before it was asked (thesis §6.4).
    #[default]
    Linearizable,
    /// Whatever the node that receives it has applied: fast, and possibly old.
    Local,
}

/// The answer to a [`Request`].
pub type Response = Result<Reply, Error>;

/// What a request that was carried out returns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The write is committed and applied.
    Written {
        /// Its revision.
        revision: Index,
        /// Whether the key existed before.
        existed: bool,
        /// How many nodes have it on disk, if that was asked.
        copies: Option<Copies>,
    },
    /// The key's item.
    Item(Item),
    /// A page of items.
    Page {
        /// The items in the order of their keys.
        items: Vec<Item>,
        /// The cursor of the next page, if there is one.
        #[serde(with = "text::option")]
        next: Option<Bytes>,
    },
    /// How the node is.
    Status(Box<Status>),
    /// The members were changed, or would be.
    Changed(Box<Changed>),
    /// Another leads.
    Transferred {
        /// The new leader.
        leader: NodeId,
    },
}

/// A change of the members, done or only looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The configuration before it.
    pub before: Configuration,
    /// The configuration after it: of a change that goes through a joint one, the one behind that.
    pub after: Configuration,
    /// Members that the leader hears from, itself among them.
    pub up: Vec<NodeId>,
    /// The entry, if it was done.
    pub index: Option<Index>,
}

/// How many nodes have a write on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// Nodes that have it.
    pub have: u32,
    /// Nodes there are.
    pub of: u32,
}

/// How a node is, as it sees itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The node.
    pub node: NodeId,
    /// Its role.
    pub role: RoleName,
    /// Its term.
    pub term: Term,
    /// The leader it knows of.
    pub leader: Option<NodeId>,
    /// The last index of its log.
    pub last_index: Index,
    /// The last index that is on its disk.
    pub durable_index: Index,
    /// Its commit index.
    pub commit_index: Index,
    /// The last entry applied to its store.
    pub applied_index: Index,
    /// The last entry in its newest snapshot.
    pub snapshot_index: Index,
    /// Keys in its store.
    pub keys: u64,
    /// The configuration it acts by.
    pub configuration: Configuration,
    /// A leader's view of the others.
    pub followers: Vec<FollowerStatus>,
}

/// A follower as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowerStatus {
    /// The follower.
    pub node: NodeId,
    /// The last index known to be on its disk and equal to the leader's.
    pub match_index: Index,
    /// Milliseconds since it was last heard from, if ever in this term.
    pub silent_ms: Option<u64>,
}

impl Request {
    /// Refuses a request that is over a limit, before it goes anywhere.
    pub fn check(&self, limits: &Limits) -> Result<(), Error> {
        let within = |limit: usize, actual: usize| match actual > limit {
            true => Err(Error::TooLarge { limit: limit as u64, actual: actual as u64 }),
            false => Ok(()),
        };
        let key = |key: &Bytes| match key.is_empty() {
            true => Err(Error::Invalid { reason: "the key is empty; give it a name".to_owned() }),
            false => within(limits.key_bytes_max, key.len()),
        };
        match self {
            Self::Write { write, .. } => {
                key(write.key())?;
                within(limits.value_bytes_max, write.value().map_or(0, |value| value.len()))?;
                match write.condition() {
                    Condition::Value(value) => within(limits.value_bytes_max, value.len()),
                    Condition::Any | Condition::Absent | Condition::Revision(_) => Ok(()),
                }
            }
            Self::Read { read: Read::Get { key: name }, .. } => key(name),
            Self::Read { read: Read::List { prefix, after, .. }, .. } => {
                within(limits.key_bytes_max, prefix.len())?;
                within(limits.key_bytes_max, after.as_ref().map_or(0, |after| after.len()))
            }
            Self::Change {
                change: Change::Add { member, .. } | Change::Replace { by: member, .. },
                ..
            } => within(limits.address_bytes_max, member.address.len()),
            Self::Change { .. } | Self::Transfer { .. } | Self::Status => Ok(()),
        }
    }
}

impl From<Found> for Reply {
    fn from(found: Found) -> Self {
        match found {
            Found::Item(item) => Self::Item(item),
            Found::Page { items, next } => Self::Page { items, next },
        }
    }
}

impl Reply {
    /// The reply to a write, with the number of its copies if that was asked.
    pub fn written(written: Written, copies: Option<Copies>) -> Self {
        Self::Written { revision: written.revision, existed: written.existed, copies }
    }

    /// The reply to a change of the members, with its entry if it was made.
    pub fn changed(outlook: Outlook, index: Option<Index>) -> Self {
        let Outlook { before, next, up } = outlook;
        let after = if next.is_joint() { next.after_joint() } else { next };
        Self::Changed(Box::new(Changed { before, after, up, index }))
    }
}
