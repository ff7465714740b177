//! What the store can do, and what comes of it.

use crate::id::{ClientId, Index, Sequence};
use crate::text;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

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

/// A write that was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Its revision.
    pub revision: Index,
    /// Whether the key existed before.
    pub existed: bool,
}

/// What a read found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The key's item.
    Item(Item),
    /// A page of items.
    Page {
        /// The items in the order of their keys.
        items: Vec<Item>,
        /// The cursor of the next page, if there is one.
        next: Option<Bytes>,
    },
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
