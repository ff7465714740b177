//! The store: an ordered map of keys. Applying the same commands in the same order gives the same store
//! on every node. Maps share structure, so a clone costs nothing and is a snapshot.

use crate::config::Limits;
use crate::error::Error;
use crate::id::Index;
use crate::kv::command::{Command, Condition, Item, Read, Reply, Request, Response, Write};
use crate::kv::session::Sessions;
use bytes::Bytes;
use imbl::OrdMap;
use serde::{Deserialize, Serialize};
use std::ops::Bound;

/// Keys, values and sessions, up to some entry of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    keys: OrdMap<Bytes, Record>,
    sessions: Sessions,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    value: Bytes,
    created: Index,
    modified: Index,
}

impl Store {
    /// Carries out a committed command at `index`, at most once for each session and sequence.
    pub fn apply(&mut self, index: Index, command: &Command, limits: &Limits) -> Response {
        let Some(session) = &command.session else { return self.write(index, &command.write) };
        if let Some(response) = self.sessions.answer(session) {
            return response;
        }
        let response = self.write(index, &command.write);
        self.sessions.remember(session, index, response.clone(), limits.sessions_max);
        response
    }

    fn write(&mut self, index: Index, write: &Write) -> Response {
        let before = self.keys.get(write.key());
        let holds = match write.condition() {
            Condition::Any => true,
            Condition::Absent => before.is_none(),
            Condition::Value(value) => before.is_some_and(|record| record.value == *value),
            Condition::Revision(revision) => {
                before.is_some_and(|record| record.modified == *revision)
            }
        };
        if !holds {
            return Err(Error::ConditionFailed { revision: before.map(|record| record.modified) });
        }
        let existed = before.is_some();
        match write {
            Write::Set { key, value, .. } => {
                let created = before.map_or(index, |record| record.created);
                let record = Record { value: value.clone(), created, modified: index };
                self.keys.insert(key.clone(), record);
            }
            Write::Delete { key, .. } => {
                self.keys.remove(key);
            }
        }
        Ok(Reply::Written { revision: index, existed, copies: None })
    }

    /// Answers a read from the state as it is.
    pub fn read(&self, read: &Read, limits: &Limits) -> Response {
        match read {
            Read::Get { key } => match self.keys.get_key_value(key) {
                Some((key, record)) => Ok(Reply::Item(item(key, record, false))),
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
    ) -> Reply {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after.clone()),
            _ => Bound::Included(prefix.clone()),
        };
        let mut matching = self
            .keys
            .range((start, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .peekable();
        let (mut items, mut bytes) = (Vec::new(), 0);
        while let Some((key, record)) = matching.peek() {
            bytes += key.len() + if keys_only { 0 } else { record.value.len() };
            if items.len() == limit || (bytes > bytes_max && !items.is_empty()) {
                break;
            }
            items.push(item(key, record, keys_only));
            matching.next();
        }
        let more = matching.peek().is_some();
        let next = if more { items.last().map(|item| item.key.clone()) } else { None };
        Reply::Page { items, next }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Every key with its value, in order.
    pub fn iter(&self) -> impl Iterator<Item = Item> + '_ {
        self.keys.iter().map(|(key, record)| item(key, record, false))
    }

    /// The sessions that writes are remembered for.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }
}

/// Refuses a request that is over a limit, before it goes anywhere.
pub fn check(request: &Request, limits: &Limits) -> Result<(), Error> {
    let within = |limit: usize, actual: usize| match actual > limit {
        true => Err(Error::TooLarge { limit: limit as u64, actual: actual as u64 }),
        false => Ok(()),
    };
    let key = |key: &Bytes| match key.is_empty() {
        true => Err(Error::Invalid { reason: "the key is empty; give it a name".to_owned() }),
        false => within(limits.key_bytes_max, key.len()),
    };
    match request {
        Request::Write { write, .. } => {
            key(write.key())?;
            within(limits.value_bytes_max, write.value().map_or(0, Bytes::len))?;
            match write.condition() {
                Condition::Value(value) => within(limits.value_bytes_max, value.len()),
                Condition::Any | Condition::Absent | Condition::Revision(_) => Ok(()),
            }
        }
        Request::Read { read: Read::Get { key: name }, .. } => key(name),
        Request::Read { read: Read::List { prefix, after, .. }, .. } => {
            within(limits.key_bytes_max, prefix.len())?;
            within(limits.key_bytes_max, after.as_ref().map_or(0, Bytes::len))
        }
        Request::Status => Ok(()),
    }
}

fn item(key: &Bytes, record: &Record, key_only: bool) -> Item {
    Item {
        key: key.clone(),
        value: (!key_only).then(|| record.value.clone()),
        created: record.created,
        modified: record.modified,
    }
}
