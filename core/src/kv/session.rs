//! Exactly-once: a write that is sent twice takes effect once (thesis §6.3).
//!
//! A client opens a session by choosing a random [`ClientId`] and taking the commit index of the node
//! that welcomed it as `opened`. It numbers its writes and has one under way at a time. The table
//! remembers the newest number of each session with its reply, and answers a retry from it.
//!
//! The table is bounded: the session that has been idle longest, by log position, is forgotten. A write
//! of a session that is not in the table is a new session's first if the session was opened after
//! everything that was ever forgotten, and might be a retry of a forgotten write if not. In that case
//! it is refused. So opening needs no entry of its own, and forgetting never lets a write apply twice.

use crate::error::Error;
use crate::id::{ClientId, Index, Sequence};
use crate::kv::command::{Session, Written};
use imbl::OrdMap;
use serde::{Deserialize, Serialize};

/// The sessions of a store. Part of its state, and so of every snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    by_client: OrdMap<ClientId, Remembered>,
    /// By the log position of the newest write: who has been idle longest comes first.
    by_use: OrdMap<Index, ClientId>,
    /// The newest use of any session that was forgotten.
    forgotten: Index,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    used: Index,
    sequence: Sequence,
    result: Result<Written, Error>,
}

impl Sessions {
    /// What to answer without applying the write: the remembered result, or a refusal. `None` if the
    /// write is new.
    pub fn answer(&self, session: &Session) -> Option<Result<Written, Error>> {
        match self.by_client.get(&session.client) {
            Some(known) if session.sequence == known.sequence => Some(known.result.clone()),
            Some(known) if session.sequence < known.sequence => Some(Err(Error::SequencePassed)),
            Some(_) => None,
            None if session.opened < self.forgotten => Some(Err(Error::SessionExpired)),
            None => None,
        }
    }

    /// Remembers the result of a write at `index`, and forgets the oldest sessions beyond `limit`.
    pub fn remember(
        &mut self,
        session: &Session,
        index: Index,
        result: Result<Written, Error>,
        limit: usize,
    ) {
        let remembered = Remembered { used: index, sequence: session.sequence, result };
        if let Some(before) = self.by_client.insert(session.client, remembered) {
            self.by_use.remove(&before.used);
        }
        self.by_use.insert(index, session.client);
        while self.by_client.len() > limit.max(1) {
            let Some((used, client)) = self.by_use.get_min().cloned() else { return };
            self.by_use.remove(&used);
            self.by_client.remove(&client);
            self.forgotten = used;
        }
    }

    /// How many sessions are remembered.
    pub fn len(&self) -> usize {
        self.by_client.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }
}
