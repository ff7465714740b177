//! What the store can do, and what comes of it.

use crate::bytes::Bytes;
use crate::id::{ClientId, Index, Sequence};
use crate::{binary, text};
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

impl Command {
    /// The command as it stands in the log.
    pub fn encode(&self) -> Bytes {
        binary::encode_shared(self)
    }

    /// The command that stands in the log as `bytes`; `None` if it is none. It shares them, but for a value
    /// that makes up less than half: who keeps that would keep all of them.
    pub fn decode(bytes: &Bytes) -> Option<Self> {
        let Borrowed { session, write } = postcard::from_bytes(bytes).ok()?;
        let take = |part: &[u8]| bytes.slice_ref(part);
        let take_value = |value: &[u8]| match value.len() > bytes.len() / 2 {
            true => take(value),
            false => Bytes::copy_from_slice(value),
        };
        let take_condition = |condition| match condition {
            BorrowedCondition::Any => Condition::Any,
            BorrowedCondition::Absent => Condition::Absent,
            BorrowedCondition::Value(value) => Condition::Value(take(value)),
            BorrowedCondition::Revision(revision) => Condition::Revision(revision),
        };
        let write = match write {
            BorrowedWrite::Set { key, value, condition } => Write::Set {
                key: take(key),
                value: take_value(value),
                condition: take_condition(condition),
            },
            BorrowedWrite::Delete { key, condition } => {
                Write::Delete { key: take(key), condition: take_condition(condition) }
            }
        };
        Some(Self { session, write })
    }
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

/// A command whose bytes lie where it was read: the same format as [`Command`], without a copy.
#[derive(Deserialize)]
struct Borrowed<'a> {
    session: Option<Session>,
    #[serde(borrow)]
    write: BorrowedWrite<'a>,
}

#[derive(Deserialize)]
enum BorrowedWrite<'a> {
    Set {
        key: &'a [u8],
        value: &'a [u8],
        #[serde(borrow)]
        condition: BorrowedCondition<'a>,
    },
    Delete {
        key: &'a [u8],
        #[serde(borrow)]
        condition: BorrowedCondition<'a>,
    },
}

#[derive(Deserialize)]
enum BorrowedCondition<'a> {
    Any,
    Absent,
    Value(&'a [u8]),
    Revision(Index),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ClientId, Sequence};

    #[test]
    fn every_command_comes_back_from_the_log_as_it_was_and_shares_a_long_value() {
        let session = Session { client: ClientId(7), opened: Index(1), sequence: Sequence(300) };
        let long = Bytes::from(vec![7; 1_000]);
        let conditions = [
            Condition::Any,
            Condition::Absent,
            Condition::Value("old".into()),
            Condition::Revision(Index(u64::MAX)),
        ];
        for condition in conditions {
            let (key, value) = (Bytes::from("key"), long.clone());
            for write in [
                Write::Set { key: key.clone(), value, condition: condition.clone() },
                Write::Delete { key: key.clone(), condition: condition.clone() },
            ] {
                for session in [None, Some(session)] {
                    let command = Command { session, write: write.clone() };
                    let bytes = command.encode();
                    assert_eq!(Command::decode(&bytes), Some(command.clone()));
                    assert_eq!(postcard::from_bytes(&bytes), Ok(command));
                    assert_eq!(Command::decode(&bytes.slice(1..bytes.len())), None);
                }
            }
        }
        let expected = Condition::Value(long);
        let write = Write::Set { key: "key".into(), value: "new".into(), condition: expected };
        let bytes = Command { session: None, write }.encode();
        let shared = |part: &Bytes| bytes.as_ptr_range().contains(&part.as_ptr());
        let Some(Command { write, .. }) = Command::decode(&bytes) else { panic!("a command") };
        let Condition::Value(expected) = write.condition() else { panic!("as it was") };
        assert!(shared(expected), "it makes up most of the bytes");
        assert!(!write.value().is_some_and(shared), "it would keep all of them");
    }
}
