//! Requests and answers in a few words, for lines that people read.

use raft_core::kv::command::{Condition, Item, Read};
use raft_core::request::{Reply, Request, Response};
use raft_core::text;
use std::fmt;

/// Bytes of a value that are shown; long values would hide everything else.
const SHOWN_BYTES_MAX: usize = 24;

/// A key or a value, shortened.
pub(crate) struct Short<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get(..SHOWN_BYTES_MAX).filter(|_| self.0.len() > SHOWN_BYTES_MAX) {
            Some(shown) => write!(f, "{}... ({} bytes)", text::display(shown), self.0.len()),
            None => f.write_str(&text::display(self.0)),
        }
    }
}

/// What must hold for a write, as the end of a sentence.
pub(crate) struct OnlyIf<'a>(pub(crate) &'a Condition);

impl fmt::Display for OnlyIf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Condition::Any => Ok(()),
            Condition::Absent => write!(f, " if absent"),
            Condition::Value(value) => write!(f, " if it is {}", Short(value)),
            Condition::Revision(revision) => write!(f, " if at revision {revision}"),
        }
    }
}

/// A request.
pub(crate) struct Asked<'a>(pub(crate) &'a Request);

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Request::Write { session, write, .. } => {
                match write.value() {
                    Some(value) => write!(f, "set {}={}", Short(write.key()), Short(value))?,
                    None => write!(f, "delete {}", Short(write.key()))?,
                }
                write!(f, "{}", OnlyIf(write.condition()))?;
                match session {
                    Some(session) => write!(f, " (write {} of its session)", session.sequence),
                    None => Ok(()),
                }
            }
            Request::Read { read: Read::Get { key }, .. } => write!(f, "get {}", Short(key)),
            Request::Read { read: Read::List { prefix, .. }, .. } => {
                write!(f, "list {}", Short(prefix))
            }
            Request::Status => write!(f, "status"),
            Request::Change { .. } => write!(f, "change of the members"),
            Request::Transfer { .. } => write!(f, "transfer of leadership"),
        }
    }
}

/// A response.
pub(crate) struct Answered<'a>(pub(crate) &'a Response);

impl fmt::Display for Answered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(Reply::Written { revision, .. }) => write!(f, "written at revision {revision}"),
            Ok(Reply::Item(Item { value, modified, .. })) => {
                write!(f, "{} of revision {modified}", Short(value.as_deref().unwrap_or_default()))
            }
            Ok(Reply::Page { items, .. }) => write!(f, "{} keys", items.len()),
            Ok(Reply::Status(status)) => write!(f, "status of node {}", status.node),
            Ok(Reply::Changed(changed)) => write!(f, "{}", changed.after),
            Ok(Reply::Transferred { leader }) => write!(f, "node {leader} leads"),
            Err(error) => write!(f, "{}", error.code()),
        }
    }
}
