//! What happened, line by line, and a fingerprint of it.

use raft_core::id::NodeId;
use raft_core::kv::command::{Condition, Item, Read};
use raft_core::request::{Reply, Request, Response};
use raft_core::text;
use raft_core::time::Instant;
use std::collections::VecDeque;
use std::fmt;

/// Lines kept for a reader; older ones are forgotten.
pub const LINES_MAX: usize = 1_000;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub number: u64,
    /// When.
    pub at: Instant,
    /// Where; `None` if it is about the whole cluster or a client.
    pub node: Option<NodeId>,
    /// What.
    pub text: String,
}

/// The newest lines, and a running hash of every line there ever was: equal hashes mean equal runs.
#[derive(Clone, Debug)]
pub struct Trace {
    hash: u64,
    number: u64,
    keep: bool,
    lines: VecDeque<Line>,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, number: 0, keep: false, lines: VecDeque::new() }
    }

    /// Whether lines are kept for a reader. The hash goes on either way.
    pub fn keep(&mut self, keep: bool) {
        self.keep = keep;
    }

    /// The lines kept, oldest first.
    pub fn lines(&self) -> &VecDeque<Line> {
        &self.lines
    }

    /// The hash of all lines so far (FNV-1a, 64 bits, of their texts, times and places).
    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn line(&mut self, at: Instant, node: Option<NodeId>, text: fmt::Arguments<'_>) {
        self.number += 1;
        self.mix(at.0);
        self.mix(node.unwrap_or_default().0);
        fmt::write(self, text).expect("hashing cannot fail");
        if self.keep {
            if self.lines.len() == LINES_MAX {
                self.lines.pop_front();
            }
            self.lines.push_back(Line { number: self.number, at, node, text: text.to_string() });
        }
    }

    fn mix(&mut self, number: u64) {
        self.hash = (self.hash ^ number).wrapping_mul(0x0100_0000_01b3);
    }
}

impl fmt::Write for Trace {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| self.mix(u64::from(byte)));
        Ok(())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.node {
            Some(node) => write!(f, "{} node {node} {}", self.at, self.text),
            None => write!(f, "{} {}", self.at, self.text),
        }
    }
}

/// A request in a few words.
pub(crate) struct Asked<'a>(pub(crate) &'a Request);

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Request::Write { session, write, .. } => {
                let name = if write.value().is_some() { "set" } else { "delete" };
                write!(f, "{name} {}", text::display(write.key()))?;
                if let Some(value) = write.value() {
                    write!(f, "={}", text::display(value))?;
                }
                match write.condition() {
                    Condition::Any => {}
                    Condition::Absent => write!(f, " if absent")?,
                    Condition::Value(value) => write!(f, " if it is {}", text::display(value))?,
                    Condition::Revision(revision) => write!(f, " if at revision {revision}")?,
                }
                match session {
                    Some(session) => write!(f, " (write {} of its session)", session.sequence),
                    None => Ok(()),
                }
            }
            Request::Read { read: Read::Get { key }, .. } => {
                write!(f, "get {}", text::display(key))
            }
            Request::Read { read: Read::List { prefix, .. }, .. } => {
                write!(f, "list {}", text::display(prefix))
            }
            Request::Status => write!(f, "status"),
        }
    }
}

/// A response in a few words.
pub(crate) struct Answered<'a>(pub(crate) &'a Response);

impl fmt::Display for Answered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(Reply::Written { revision, .. }) => write!(f, "written at revision {revision}"),
            Ok(Reply::Item(Item { value, modified, .. })) => {
                let value = value.as_deref().unwrap_or_default();
                write!(f, "{} of revision {modified}", text::display(value))
            }
            Ok(Reply::Page { items, .. }) => write!(f, "{} keys", items.len()),
            Ok(Reply::Status(status)) => write!(f, "status of node {}", status.node),
            Err(error) => write!(f, "{}", error.code()),
        }
    }
}
