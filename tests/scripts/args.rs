//! What stands behind the name of a command.

use crate::cluster::member;
use raft_core::config::Limits;
use raft_core::id::{ClientId, Incarnation, Index, NodeId, Sequence};
use raft_core::kv::command::{Condition, Read, Session, Write};
use raft_core::raft::membership::{Change, Goal};
use raft_core::replica::Envelope;
use raft_core::request::{Consistency, Request};
use std::collections::{BTreeMap, VecDeque};
use std::str::FromStr;
use std::time::Duration;

/// The words of a command: some by their place, some as `name=value`.
pub(crate) struct Args<'a> {
    words: VecDeque<&'a str>,
    named: BTreeMap<&'a str, &'a str>,
}

impl<'a> Args<'a> {
    pub(crate) fn new(command: &'a str) -> Self {
        let words = command.split_whitespace();
        let (named, words) = words.partition::<Vec<_>, _>(|word| word.contains('='));
        let named = named.into_iter().filter_map(|word| word.split_once('=')).collect();
        Self { words: words.into(), named }
    }

    /// The next word, which is `what`.
    pub(crate) fn word(&mut self, what: &str) -> Result<&'a str, String> {
        self.words.pop_front().ok_or_else(|| format!("{what} is missing"))
    }

    /// The next word, which is a node.
    pub(crate) fn node(&mut self) -> Result<NodeId, String> {
        self.word("a node").and_then(parse).map(NodeId)
    }

    /// The words that are left, as nodes.
    pub(crate) fn nodes(&mut self) -> Result<Vec<NodeId>, String> {
        self.words.drain(..).map(|word| parse(word).map(NodeId)).collect()
    }

    /// The words that are left, as nodes on the sides of bars: `1 2 | 3`.
    pub(crate) fn sides(&mut self) -> Result<Vec<Vec<NodeId>>, String> {
        let words: Vec<&str> = self.words.drain(..).collect();
        let side = |side: &[&str]| side.iter().map(|id| parse(id).map(NodeId)).collect();
        words.split(|word| *word == "|").map(side).collect()
    }

    /// Whether the next word is `word`.
    pub(crate) fn flag(&mut self, word: &str) -> bool {
        self.words.pop_front_if(|next| *next == word).is_some()
    }

    /// The value of `name=`, as it is.
    pub(crate) fn text(&mut self, name: &str) -> Option<&'a str> {
        self.named.remove(name)
    }

    /// The value of `name=`, read.
    pub(crate) fn named<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, String> {
        self.text(name).map(parse).transpose()
    }

    /// Every word must have had a use: a misspelt one would make a script say what it does not do.
    pub(crate) fn end(self) -> Result<(), String> {
        let unused = self.words.into_iter().chain(self.named.into_keys());
        match unused.collect::<Vec<_>>().as_slice() {
            [] => Ok(()),
            unused => Err(format!("no use for {}", unused.join(", "))),
        }
    }

    /// Takes messages out of `from`: those of `1->2`, `1->` or `->2`, all of them if nothing is said,
    /// and at most `n=`. To choose nothing is an error, since the story would not be what it says.
    pub(crate) fn take(&mut self, from: &mut Vec<Envelope>) -> Result<Vec<Envelope>, String> {
        let link = self.words.pop_front().unwrap_or("->");
        let (source, target) =
            link.split_once("->").ok_or_else(|| format!("a link is like 1->2, not {link}"))?;
        let side = |text: &str| match text {
            "" => Ok(None),
            text => parse(text).map(NodeId).map(Some),
        };
        let (source, target) = (side(source)?, side(target)?);
        let most = self.named("n")?.unwrap_or(usize::MAX);
        let wanted = |envelope: &Envelope| {
            source.is_none_or(|id| envelope.from == id) && target.is_none_or(|id| envelope.to == id)
        };
        let mut taken = Vec::new();
        let mut left = Vec::new();
        for envelope in from.drain(..) {
            match wanted(&envelope) && taken.len() < most {
                true => taken.push(envelope),
                false => left.push(envelope),
            }
        }
        *from = left;
        if taken.is_empty() { Err(format!("no message {link}")) } else { Ok(taken) }
    }

    /// What a client asks with the command `name`.
    pub(crate) fn request(&mut self, name: &str) -> Result<Request, String> {
        match name {
            "get" => {
                let key = self.word("a key")?.to_owned().into();
                let local = self.flag("local");
                let consistency =
                    if local { Consistency::Local } else { Consistency::Linearizable };
                Ok(Request::Read { read: Read::Get { key }, consistency })
            }
            "list" => {
                let prefix = self.words.pop_front().unwrap_or_default().to_owned().into();
                let after = self.text("after").map(|key| key.to_owned().into());
                let limit = self.named("limit")?.unwrap_or(100);
                let read = Read::List { prefix, after, limit, keys_only: false };
                Ok(Request::Read { read, consistency: Consistency::Linearizable })
            }
            "set" => {
                let key = self.word("a key")?.to_owned().into();
                let value = self.word("a value")?.to_owned().into();
                let condition = self.condition()?;
                self.write(Write::Set { key, value, condition })
            }
            "delete" => {
                let key = self.word("a key")?.to_owned().into();
                let condition = self.condition()?;
                self.write(Write::Delete { key, condition })
            }
            "transfer" => {
                let to = self.words.pop_front().map(parse).transpose()?;
                Ok(Request::Transfer { to: to.map(NodeId) })
            }
            _ => {
                let node = self.node()?;
                let change = match name {
                    "add" => {
                        let goal = if self.flag("stay") { Goal::Stay } else { Goal::Vote };
                        let mut member = member(node);
                        member.address = self.text("at").map_or(member.address, str::to_owned);
                        let life = self.named("life")?.map(Incarnation);
                        member.incarnation = life.unwrap_or(member.incarnation);
                        Change::Add { member, goal }
                    }
                    "promote" => Change::Promote(node),
                    "remove" => Change::Remove(node),
                    _ => Change::Replace { node, by: member(self.node()?) },
                };
                Ok(Request::Change { change, dry_run: self.flag("dry") })
            }
        }
    }

    fn write(&mut self, write: Write) -> Result<Request, String> {
        let opened = Index(self.named("opened")?.unwrap_or_default());
        let session = match self.text("session") {
            None => None,
            Some(text) => {
                let (client, sequence) = text.split_once('#').ok_or("a session is like 7#1")?;
                let (client, sequence) = (ClientId(parse(client)?), Sequence(parse(sequence)?));
                Some(Session { client, opened, sequence })
            }
        };
        let count_copies = self.named("copies")?.unwrap_or(false);
        Ok(Request::Write { session, write, count_copies })
    }

    fn condition(&mut self) -> Result<Condition, String> {
        let Some(text) = self.text("if") else { return Ok(Condition::Any) };
        match text.split_once(':') {
            None if text == "absent" => Ok(Condition::Absent),
            Some(("value", value)) => Ok(Condition::Value(value.to_owned().into())),
            Some(("revision", at)) => Ok(Condition::Revision(Index(parse(at)?))),
            _ => Err(format!("there is no condition {text}")),
        }
    }

    /// Limits that a story needs smaller than usual, by their names.
    pub(crate) fn limits(&mut self) -> Result<Limits, String> {
        let mut limits = Limits::default();
        for (name, limit) in [
            ("append_entries_max", &mut limits.append_entries_max),
            ("append_messages_max", &mut limits.append_messages_max),
            ("sessions_max", &mut limits.sessions_max),
            ("snapshot_chunk_bytes", &mut limits.snapshot_chunk_bytes),
            ("uncommitted_bytes_max", &mut limits.uncommitted_bytes_max),
            ("value_bytes_max", &mut limits.value_bytes_max),
            ("requests_max", &mut limits.requests_max),
            ("members_max", &mut limits.members_max),
            ("list_keys_max", &mut limits.list_keys_max),
            ("list_bytes_max", &mut limits.list_bytes_max),
            ("append_bytes_max", &mut limits.append_bytes_max),
            ("apply_entries_max", &mut limits.apply_entries_max),
            ("append_window_bytes_max", &mut limits.append_window_bytes_max),
            ("writes_max", &mut limits.writes_max),
        ] {
            *limit = self.named(name)?.unwrap_or(*limit);
        }
        for (name, limit) in [
            ("snapshot_log_entries", &mut limits.snapshot_log_entries),
            ("log_keep_entries", &mut limits.log_keep_entries),
            ("snapshot_bytes_max", &mut limits.snapshot_bytes_max),
            ("promotion_lag_max", &mut limits.promotion_lag_max),
        ] {
            *limit = self.named(name)?.unwrap_or(*limit);
        }
        Ok(limits)
    }
}

/// A duration like `100ms`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let millis =
        text.strip_suffix("ms").ok_or_else(|| format!("{text} is no duration like 100ms"))?;
    parse(millis).map(Duration::from_millis)
}

/// A number, or whatever else is written as one word.
pub(crate) fn parse<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is not what belongs here"))
}
