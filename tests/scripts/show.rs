//! How things look in a trace. What the core can say about itself is said in its own words.

use raft_core::id::{EntryId, Incarnation, Index, Term};
use raft_core::kv::command::{Command, Condition, Item, Read, Write};
use raft_core::raft::log::Log;
use raft_core::raft::membership::{Change, Member};
use raft_core::raft::message::{Entry, Payload};
use raft_core::replica::{PeerBody, Replica};
use raft_core::request::{Consistency, Reply, Request, Response};
use raft_core::text::display;
use raft_core::wal;

/// One node in a line.
pub(crate) fn status(replica: &Replica) -> String {
    let status = replica.status();
    let leader = status.leader.map_or_else(|| "-".to_owned(), |leader| format!("n{leader}"));
    format!(
        "{:<13} term {}  leader {leader:<2}  log {}  commit {}  applied {}",
        status.role.to_string(),
        status.term,
        status.last_index,
        status.commit_index,
        status.applied_index
    )
}

/// A log as in Figure 7, the terms of its entries in a row. `|` is the commit index, `( )` is around
/// entries that are not on disk, `[n]` stands for what was compacted away up to entry n.
pub(crate) fn terms(replica: &Replica) -> String {
    let (log, commit) = (replica.raft().log(), replica.raft().commit_index());
    let mut row = Vec::new();
    if log.base().index > Index(0) {
        row.push(format!("[{}]", log.base().index));
    }
    for index in log.base().index.0..=log.last().index.0 {
        let index = Index(index);
        if let Some(Entry { term, .. }) = log.entry(index) {
            let on_disk = index <= log.durable();
            row.push(if on_disk { term.to_string() } else { format!("({term})") });
        }
        if index == commit {
            row.push("|".to_owned());
        }
    }
    row.join(" ")
}

/// Every entry of a log, one a line.
pub(crate) fn entries(log: &Log) -> Vec<String> {
    let first = log.base().index.next();
    let held = (first.0..=log.last().index.0).map_while(|index| log.entry(Index(index)).cloned());
    list(first, &held.collect::<Vec<_>>())
}

/// The lives that a node's configuration admits: its number for a first life, a hundred more for each
/// later one.
pub(crate) fn lives(replica: &Replica) -> String {
    let members = replica.raft().configuration().members.values();
    let life = |member: &Member| match member.incarnation {
        Incarnation::UNKNOWN => format!("{}:?", member.id),
        Incarnation(life) => format!("{}:{life}", member.id),
    };
    format!("admits {}", members.map(life).collect::<Vec<_>>().join(" "))
}

/// A write on its way to the disk.
pub(crate) fn write(write: &wal::Write) -> String {
    let mut parts = Vec::new();
    if let Some(hard_state) = write.hard_state {
        let vote = hard_state.vote.map(|vote| format!(", vote n{vote}")).unwrap_or_default();
        parts.push(format!("term {}{vote}", hard_state.term));
    }
    if let Some(snapshot) = &write.snapshot {
        parts.push(format!("snapshot {}", snapshot.meta.last));
    }
    parts.extend(list(write.first, &write.entries));
    parts.join(", ")
}

fn list(first: Index, entries: &[Entry]) -> Vec<String> {
    let places = first.0..;
    places.zip(entries).map(|(index, e)| entry(EntryId::new(e.term.0, index), e)).collect()
}

fn entry(id: EntryId, entry: &Entry) -> String {
    match &entry.payload {
        Payload::Noop => format!("{id} noop"),
        Payload::Configuration(configuration) => format!("{id} {configuration}"),
        Payload::Command(bytes) => match postcard::from_bytes::<Command>(bytes) {
            Ok(command) => format!("{id} {}", change(&command.write)),
            Err(_) => format!("{id} unreadable"),
        },
    }
}

/// What nodes say to each other.
pub(crate) fn body(body: &PeerBody) -> String {
    match body {
        PeerBody::Raft(message) => message.to_string(),
        PeerBody::Forward { request: asked, .. } => format!("Forward {}", request(asked)),
        PeerBody::Forwarded { response: answer, .. } => format!("Forwarded {}", response(answer)),
    }
}

/// What a client asks.
pub(crate) fn request(request: &Request) -> String {
    match request {
        Request::Status => "status".to_owned(),
        Request::Read { read: Read::Get { key }, consistency } => {
            let local = if *consistency == Consistency::Local { " locally" } else { "" };
            format!("get {}{local}", display(key))
        }
        Request::Read { read: Read::List { prefix, .. }, .. } => {
            format!("list {}", display(prefix)).trim_end().to_owned()
        }
        Request::Change { change, dry_run } => {
            let dry = if *dry_run { ", only looking" } else { "" };
            let what = match change {
                Change::Add { member, .. } => format!("add n{}", member.id),
                Change::Promote(node) => format!("promote n{node}"),
                Change::Remove(node) => format!("remove n{node}"),
                Change::Replace { node, by } => format!("replace n{node} by n{}", by.id),
            };
            format!("{what}{dry}")
        }
        Request::Transfer { to } => {
            format!("transfer{}", to.map(|to| format!(" to n{to}")).unwrap_or_default())
        }
        Request::Write { session: None, write, .. } => change(write),
        Request::Write { session: Some(session), write, .. } => match session.client.0 {
            ..1_000 => format!("{} [{}#{}]", change(write), session.client.0, session.sequence),
            _ => format!("{} [own session]", change(write)),
        },
    }
}

fn change(write: &Write) -> String {
    let condition = match write.condition() {
        Condition::Any => String::new(),
        Condition::Absent => " if absent".to_owned(),
        Condition::Value(value) => format!(" if it is {}", display(value)),
        Condition::Revision(revision) => format!(" if at revision {revision}"),
    };
    match write {
        Write::Set { key, value, .. } => {
            format!("set {}={}{condition}", display(key), display(value))
        }
        Write::Delete { key, .. } => format!("delete {}{condition}", display(key)),
    }
}

/// What a client is told.
pub(crate) fn response(response: &Response) -> String {
    match response {
        Err(error) => format!("error: {error}"),
        Ok(Reply::Status(status)) => format!("{} in term {}", status.role, status.term),
        Ok(Reply::Changed(changed)) => {
            let at = changed.index.map(|index| format!(" (entry {index})")).unwrap_or_default();
            format!("{} to {}{at}", changed.before, changed.after)
        }
        Ok(Reply::Transferred { leader }) => format!("n{leader} leads"),
        Ok(Reply::Item(one)) => item(one),
        Ok(Reply::Page { items, next }) => {
            let mut parts: Vec<String> = items.iter().map(item).collect();
            parts.extend(next.as_ref().map(|after| format!("more after {}", display(after))));
            if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
        }
        Ok(Reply::Written { revision, existed, copies }) => {
            let key = if *existed { "the key existed" } else { "the key did not exist" };
            let copies = copies.map(|c| format!(", on {}/{} disks", c.have, c.of));
            format!("done at revision {revision}, {key}{}", copies.unwrap_or_default())
        }
    }
}

fn item(item: &Item) -> String {
    let value = item.value.as_ref().map(|value| format!("={}", display(value)));
    format!("{}{} (revision {})", display(&item.key), value.unwrap_or_default(), item.modified)
}

/// What a node remembers when it starts.
pub(crate) fn durable(durable: &wal::Durable) -> String {
    let mut parts = vec![format!("term {}", durable.hard_state.term)];
    parts.extend(durable.hard_state.vote.map(|vote| format!("vote n{vote}")));
    let terms: Vec<Term> = durable.entries.iter().map(|entry| entry.term).collect();
    let mut log: Vec<String> =
        durable.snapshot.iter().map(|s| format!("[{}]", s.meta.last.index)).collect();
    log.extend(terms.iter().map(Term::to_string));
    parts.push(if log.is_empty() {
        "empty log".to_owned()
    } else {
        format!("log {}", log.join(" "))
    });
    parts.join(", ")
}

/// Keys and values, in a line.
pub(crate) fn store(replica: &Replica) -> String {
    let items: Vec<String> = replica.store().iter().map(|one| item(&one)).collect();
    if items.is_empty() { "empty".to_owned() } else { items.join(", ") }
}
