//! The store: an ordered map of keys. Applying the same commands in the same order gives the same store
//! on every node. A clone costs nothing and is a snapshot.

use crate::bytes::Bytes;
use crate::config::Limits;
use crate::error::Error;
use crate::id::Index;
use crate::kv::command::{Command, Condition, Found, Item, Read, Write, Written};
use crate::kv::key::Key;
use crate::kv::keys::{Keys, Record};
use crate::kv::session::Sessions;
use crate::seeded::{Bug, makes};
use std::ops::Bound;

/// Keys, values and sessions, up to some entry of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Store {
    keys: Keys,
    sessions: Sessions,
}

impl Store {
    /// Carries out a committed command at `index`, at most once for each session and sequence.
    pub fn apply(
        &mut self,
        index: Index,
        command: &Command,
        limits: &Limits,
    ) -> Result<Written, Error> {
        let Some(session) = &command.session else { return self.write(index, &command.write) };
        if let Some(result) = self.sessions.answer(session)
            && !makes(Bug::AppliesTwice)
        {
            return result;
        }
        let result = self.write(index, &command.write);
        self.sessions.remember(session, index, result.clone(), limits.sessions_max);
        result
    }

    fn write(&mut self, index: Index, write: &Write) -> Result<Written, Error> {
        let key = Key::new(write.key());
        self.check(&key, write.condition())?;
        let existed = match write {
            Write::Set { value, .. } => self.keys.set(key, value.clone(), index),
            Write::Delete { .. } => self.keys.delete(key),
        };
        Ok(Written { revision: index, existed })
    }

    fn check(&self, key: &Key, condition: &Condition) -> Result<(), Error> {
        if matches!(condition, Condition::Any) {
            return Ok(());
        }
        let before = self.keys.get(key);
        let holds = match condition {
            Condition::Any => true,
            Condition::Absent => before.is_none(),
            Condition::Value(value) => before.is_some_and(|record| record.value == *value),
            Condition::Revision(revision) => {
                before.is_some_and(|record| record.modified == *revision)
            }
        };
        match holds {
            true => Ok(()),
            false => Err(Error::ConditionFailed { revision: before.map(|record| record.modified) }),
        }
    }

    /// Answers a read from the state as it is.
    pub fn read(&self, read: &Read, limits: &Limits) -> Result<Found, Error> {
        match read {
            Read::Get { key } => match self.keys.get(&Key::new(key)) {
                Some(record) => Ok(Found::Item(item(key.clone(), record, false))),
                None => Err(Error::NotFound),
            },
            Read::List { prefix, after, limit, keys_only } => {
                let limit = (*limit as usize).clamp(1, limits.list_keys_max);
                Ok(self.page(prefix, after.as_ref(), limit, *keys_only, limits.list_bytes_max))
            }
        }
    }

    fn page(
        &self,
        prefix: &Bytes,
        after: Option<&Bytes>,
        limit: usize,
        keys_only: bool,
        bytes_max: usize,
    ) -> Found {
        let start: Bound<&[u8]> = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let mut matching = self
            .keys
            .range(start)
            .map(|(key, record)| (key.as_bytes(), record))
            .take_while(|(key, _)| key.starts_with(prefix))
            .peekable();
        let (mut items, mut bytes) = (Vec::new(), 0);
        while let Some((key, record)) = matching.peek() {
            bytes += key.len() + if keys_only { 0 } else { record.value.len() };
            if items.len() == limit || (bytes > bytes_max && !items.is_empty()) {
                break;
            }
            items.push(item(Bytes::copy_from_slice(key), record, keys_only));
            matching.next();
        }
        let more = matching.peek().is_some();
        let next = if more { items.last().map(|item| item.key.clone()) } else { None };
        Found::Page { items, next }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.len() == 0
    }

    /// Every key with its value, in order.
    pub fn iter(&self) -> impl Iterator<Item = Item> + '_ {
        self.keys.iter().map(|(key, record)| item(key.to_bytes(), record, false))
    }

    /// The sessions that writes are remembered for.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }
}

/// Part by part, for snapshots.
impl Store {
    /// No keys yet.
    pub(crate) fn new(sessions: Sessions) -> Self {
        Self { keys: Keys::default(), sessions }
    }

    /// The keys after `key`, or all, in order.
    pub(crate) fn after(&self, key: Option<&Key>) -> impl Iterator<Item = (&Key, &Record)> {
        self.keys.range(key.map_or(Bound::Unbounded, |key| Bound::Excluded(key.as_bytes())))
    }

    /// Adds the key that comes after all there are; `false` if `key` does not.
    pub(crate) fn push(&mut self, key: &[u8], record: Record) -> bool {
        self.keys.push(key, record)
    }

    /// The sessions, to be added to.
    pub(crate) fn sessions_mut(&mut self) -> &mut Sessions {
        &mut self.sessions
    }
}

fn item(key: Bytes, record: &Record, key_only: bool) -> Item {
    Item {
        key,
        value: (!key_only).then(|| record.value.clone()),
        created: record.created,
        modified: record.modified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ClientId, Sequence};
    use crate::kv::command::Session;

    fn set(key: &'static str, value: &'static str, condition: Condition) -> Write {
        Write::Set { key: key.into(), value: value.into(), condition }
    }

    fn apply(
        store: &mut Store,
        index: u64,
        session: Option<Session>,
        write: Write,
    ) -> Result<Written, Error> {
        let limits = Limits { sessions_max: 2, ..Limits::default() };
        store.apply(Index(index), &Command { session, write }, &limits)
    }

    fn session(client: u64, opened: u64, sequence: u64) -> Option<Session> {
        let (client, sequence) = (ClientId(client), Sequence(sequence));
        Some(Session { client, opened: Index(opened), sequence })
    }

    fn written(revision: u64, existed: bool) -> Result<Written, Error> {
        Ok(Written { revision: Index(revision), existed })
    }

    #[test]
    fn a_condition_that_fails_changes_nothing_and_tells_the_revision() {
        let mut store = Store::default();
        assert_eq!(apply(&mut store, 1, None, set("a", "1", Condition::Absent)), written(1, false));
        let before = store.clone();
        let failed = Err(Error::ConditionFailed { revision: Some(Index(1)) });
        assert_eq!(apply(&mut store, 2, None, set("a", "2", Condition::Absent)), failed);
        let stale = Condition::Revision(Index(7));
        assert_eq!(apply(&mut store, 3, None, set("a", "2", stale)), failed);
        assert_eq!(apply(&mut store, 4, None, set("a", "2", Condition::Value("0".into()))), failed);
        assert_eq!(store, before);
        let current = Condition::Revision(Index(1));
        assert_eq!(apply(&mut store, 5, None, set("a", "2", current)), written(5, true));
    }

    #[test]
    fn setting_a_key_again_keeps_its_created_revision_and_deleting_ends_it() {
        let mut store = Store::default();
        let _ = apply(&mut store, 1, None, set("a", "1", Condition::Any));
        let _ = apply(&mut store, 2, None, set("a", "2", Condition::Any));
        let item = store.iter().next().unwrap();
        assert_eq!((item.created, item.modified), (Index(1), Index(2)));
        let delete = Write::Delete { key: "a".into(), condition: Condition::Any };
        assert_eq!(apply(&mut store, 3, None, delete.clone()), written(3, true));
        assert_eq!(apply(&mut store, 4, None, delete), written(4, false));
        let _ = apply(&mut store, 5, None, set("a", "3", Condition::Any));
        assert_eq!(store.iter().next().unwrap().created, Index(5));
    }

    #[test]
    fn keys_and_sessions_are_counted() {
        let mut store = Store::default();
        assert!(store.is_empty() && store.sessions().is_empty());
        for (index, key) in [(1, "a"), (2, "b")] {
            let _ = apply(&mut store, index, session(index, 0, 1), set(key, "v", Condition::Any));
        }
        assert!(!store.is_empty() && !store.sessions().is_empty());
        assert_eq!((store.len(), store.sessions().len()), (2, 2));
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_overlap() {
        let mut store = Store::default();
        for (place, key) in ["a", "b1", "b2", "b3", "b4", "b5", "c"].into_iter().enumerate() {
            let _ = apply(&mut store, place as u64 + 1, None, set(key, "v", Condition::Any));
        }
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let read = Read::List { prefix: "b".into(), after, limit: 2, keys_only: true };
            let Ok(Found::Page { items, next }) = store.read(&read, &Limits::default()) else {
                panic!("a list answers with a page")
            };
            assert!(items.len() <= 2 && items.iter().all(|item| item.value.is_none()));
            seen.extend(items.into_iter().map(|item| item.key));
            match next {
                Some(cursor) => after = Some(cursor),
                None => break,
            }
        }
        assert_eq!(seen, ["b1", "b2", "b3", "b4", "b5"].map(Bytes::from));
    }

    #[test]
    fn a_retry_gets_the_first_answer_and_changes_nothing() {
        let mut store = Store::default();
        let write = set("a", "1", Condition::Absent);
        assert_eq!(apply(&mut store, 1, session(9, 0, 1), write.clone()), written(1, false));
        let before = store.clone();
        assert_eq!(apply(&mut store, 2, session(9, 0, 1), write), written(1, false));
        assert_eq!(store, before);
        let _ = apply(&mut store, 3, session(9, 0, 2), set("a", "2", Condition::Any));
        let late = apply(&mut store, 4, session(9, 0, 1), set("a", "1", Condition::Any));
        assert_eq!(late, Err(Error::SequencePassed));
    }

    #[test]
    fn a_forgotten_session_is_refused_and_a_new_one_is_not() {
        let mut store = Store::default();
        for client in 1..=3 {
            let _ = apply(&mut store, client, session(client, 0, 1), set("a", "v", Condition::Any));
        }
        assert_eq!(store.sessions().len(), 2);
        let retry = apply(&mut store, 4, session(1, 0, 1), set("a", "again", Condition::Any));
        assert_eq!(retry, Err(Error::SessionExpired));
        let new = apply(&mut store, 5, session(4, 3, 1), set("b", "v", Condition::Any));
        assert_eq!(new, written(5, false));
    }

    #[test]
    fn of_too_many_sessions_the_oldest_part_is_forgotten_at_once() {
        let (mut store, limits) =
            (Store::default(), Limits { sessions_max: 64, ..Limits::default() });
        let mut write = |index: u64, client: u64, opened: u64| {
            let write = set("a", "v", Condition::Any);
            let command = Command { session: session(client, opened, index), write };
            store.apply(Index(index), &command, &limits).map(|_| store.sessions().len())
        };
        (1..64).for_each(|client| assert_eq!(write(client, client, 0), Ok(client as usize)));
        // The oldest is used again, and so is the youngest but one.
        assert_eq!(write(64, 1, 0), Ok(63));
        assert_eq!(write(65, 64, 0), Ok(64));
        // One more is one too many: the five of 65 that were idle longest go, which are those of 2 to 6.
        assert_eq!(write(66, 65, 0), Ok(60));
        assert_eq!(write(67, 7, 0), Ok(60));
        assert_eq!(write(68, 6, 5), Err(Error::SessionExpired));
        assert_eq!(write(69, 6, 6), Ok(61));
    }

    #[test]
    fn of_sixteen_sessions_one_is_forgotten_and_of_seventeen_two_are() {
        for (sessions_max, left) in [(15, 15), (16, 15)] {
            let (mut store, limits) =
                (Store::default(), Limits { sessions_max, ..Limits::default() });
            for client in 1..=sessions_max as u64 + 1 {
                let write = set("a", "v", Condition::Any);
                let command = Command { session: session(client, 0, 1), write };
                let _ = store.apply(Index(client), &command, &limits);
            }
            assert_eq!(store.sessions().len(), left);
        }
    }
}
