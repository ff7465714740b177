//! What clients ask and what they are told.

use crate::error::Error;
use crate::id::{ClientId, Index, NodeId, Sequence, Term};
use crate::raft::event::RoleName;
use crate::raft::membership::Configuration;
use crate::text;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A client's request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Changes the store.
    Write {
        /// Makes the write take effect once however often it is sent. Without it, a write is never
        /// sent twice.
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
}

/// A client's session: see [`crate::kv::session`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The session's random name.
    pub client: ClientId,
    /// A commit index known when the session was opened, as told by the node's welcome.
    pub opened: Index,
    /// The number of this write; a retry has the same.
    pub sequence: Sequence,
}

/// A change of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Write {
    /// Gives a key a value.
    Set {
        /// The key.
        #[serde(with = "text")]
        key: Bytes,
        /// Its new value.
        #[serde(with = "text")]
        value: Bytes,
        /// Only if this holds.
        #[serde(default)]
        condition: Condition,
    },
    /// Removes a key.
    Delete {
        /// The key.
        #[serde(with = "text")]
        key: Bytes,
        /// Only if this holds.
        #[serde(default)]
        condition: Condition,
    },
}

/// What must hold of a key for a write to happen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Nothing.
    #[default]
    Any,
    /// The key does not exist.
    Absent,
    /// The key has this value.
    Value(#[serde(with = "text")] Bytes),
    /// The key was last modified at this revision.
    Revision(Index),
}

/// A question to the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Read {
    /// One key.
    Get {
        /// The key.
        #[serde(with = "text")]
        key: Bytes,
    },
    /// The keys that start with a prefix, in order, page by page.
    List {
        /// The prefix; empty for all keys.
        #[serde(with = "text")]
        prefix: Bytes,
        /// Go on after this key: the cursor of the page before.
        #[serde(default, with = "text::option")]
        after: Option<Bytes>,
        /// At most this many; the node's own limit holds too.
        limit: u32,
        /// Leave the values out.
        #[serde(default)]
        keys_only: bool,
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
}

/// How many nodes have a write on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// Nodes that have it.
    pub have: u32,
    /// Nodes there are.
    pub of: u32,
}

/// A key as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The key.
    #[serde(with = "text")]
    pub key: Bytes,
    /// Its value; left out of a page of keys only.
    #[serde(with = "text::option")]
    pub value: Option<Bytes>,
    /// The revision that created it.
    pub created: Index,
    /// The revision that last set it.
    pub modified: Index,
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

/// A command as it stands in the log: a write and its session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// For exactly-once.
    pub session: Option<Session>,
    /// What to do.
    pub write: Write,
}

impl Write {
    /// The key it is about.
    pub fn key(&self) -> &Bytes {
        match self {
            Self::Set { key, .. } | Self::Delete { key, .. } => key,
        }
    }

    /// The value it carries, if any.
    pub fn value(&self) -> Option<&Bytes> {
        match self {
            Self::Set { value, .. } => Some(value),
            Self::Delete { .. } => None,
        }
    }

    /// What must hold for it.
    pub fn condition(&self) -> &Condition {
        match self {
            Self::Set { condition, .. } | Self::Delete { condition, .. } => condition,
        }
    }
}
