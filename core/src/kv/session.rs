//! Exactly-once: a write that is sent twice takes effect once (thesis §6.3).
//!
//! A client opens a session by choosing a random [`ClientId`] and taking the commit index of the node
//! that welcomed it as `opened`. It numbers its writes and has one under way at a time. The table
//! remembers the newest number of each session with its reply, and answers a retry from it.
//!
//! The table is bounded: when it is full, the sessions that have been idle longest, by log position, are
//! forgotten, a part of them at once. A write of a session that is not in the table is a new session's
//! first if the session was opened after everything that was ever forgotten, and might be a retry of a
//! forgotten write if not. In that case it is refused. So opening needs no entry of its own, and
//! forgetting never lets a write apply twice.

use crate::error::Error;
use crate::id::{ClientId, Index, Sequence};
use crate::kv::command::{Session, Written};
use imbl::OrdMap;
use std::ops::Bound;

/// One in so many sessions is forgotten when there are too many.
const FORGOTTEN_SHARE: usize = 16;

/// The sessions of a store. Part of its state, and so of every snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    by_client: OrdMap<ClientId, Remembered>,
    /// The newest use of any session that was forgotten.
    forgotten: Index,
}

/// The newest write of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// Its log position.
    pub(crate) used: Index,
    /// Its number.
    pub(crate) sequence: Sequence,
    /// What was answered.
    pub(crate) result: Result<Written, Error>,
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

    /// Remembers the result of a write at `index`. With more than `limit` sessions the oldest are forgotten.
    pub fn remember(
        &mut self,
        session: &Session,
        index: Index,
        result: Result<Written, Error>,
        limit: usize,
    ) {
        let remembered = Remembered { used: index, sequence: session.sequence, result };
        // Most sessions are known, and to change what is there is cheaper than to put it there again.
        if let Some(known) = self.by_client.get_mut(&session.client) {
            *known = remembered;
            return;
        }
        self.by_client.insert(session.client, remembered);
        if self.by_client.len() > limit.max(1) {
            self.forget_oldest();
        }
    }

    /// Forgets one in [`FORGOTTEN_SHARE`] of the sessions. To look at all of them for that is cheap if it is
    /// done for many at once, and needs no second table in the order of their use.
    fn forget_oldest(&mut self) {
        let mut uses: Vec<Index> = self.by_client.values().map(|known| known.used).collect();
        let newest_forgotten = (uses.len() - 1) / FORGOTTEN_SHARE;
        let (_, forgotten, _) = uses.select_nth_unstable(newest_forgotten);
        self.forgotten = *forgotten;
        let old: Vec<ClientId> = self
            .by_client
            .iter()
            .filter(|(_, known)| known.used <= self.forgotten)
            .map(|(client, _)| *client)
            .collect();
        for client in old {
            self.by_client.remove(&client);
        }
    }

    /// The clients with the number and the log position of the newest write of each, in the order of their names.
    pub fn newest(&self) -> impl Iterator<Item = (ClientId, Sequence, Index)> {
        self.by_client.iter().map(|(client, known)| (*client, known.sequence, known.used))
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

/// Part by part, for snapshots.
impl Sessions {
    /// None remembered yet, and some forgotten up to this use.
    pub(crate) fn new(forgotten: Index) -> Self {
        Self { forgotten, ..Self::default() }
    }

    /// The newest use of any session that was forgotten.
    pub(crate) fn forgotten(&self) -> Index {
        self.forgotten
    }

    /// The sessions after `client`, or all, in the order of their names.
    pub(crate) fn after(
        &self,
        client: Option<ClientId>,
    ) -> impl Iterator<Item = (ClientId, &Remembered)> {
        let start = client.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_client.range((start, Bound::Unbounded)).map(|(client, known)| (*client, known))
    }

    /// Adds the session that comes after all there are; `false` if `client` does not, or if it should have
    /// been forgotten.
    pub(crate) fn push(&mut self, client: ClientId, remembered: Remembered) -> bool {
        let follows = self.by_client.get_max().is_none_or(|(last, _)| *last < client);
        let belongs = follows && remembered.used > self.forgotten;
        if belongs {
            self.by_client.insert(client, remembered);
        }
        belongs
    }
}
