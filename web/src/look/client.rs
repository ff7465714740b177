//! What the visitor's client asked for, and how far it has come.

use crate::scene::Request;
use raft_core::kv::command::Command;
use raft_core::raft::message::Payload;
use raft_core::text;
use raft_sim::linearizability::{Call, Operation, Outcome};
use raft_sim::{Asking, Sim};

/// The most client requests shown.
const REQUESTS_MAX: usize = 12;

/// How far back in the leader's log a write under way is looked for: others may come before it, not many.
const ENTRIES_MAX: u64 = 64;

/// What it asked for, newest first.
pub(super) fn requests(sim: &Sim) -> Vec<Request> {
    let asking = sim.asking();
    let asked = sim.history().iter().enumerate().rev();
    let asked = asked.filter(|(_, operation)| operation.client == 0).take(REQUESTS_MAX);
    let request = |(id, operation): (usize, &Operation)| match &asking {
        Some(asking) if asking.operation == id => Request {
            id: id as u64,
            asks: asks(operation),
            done: None,
            answer: under_way(sim, asking),
        },
        _ => request(id as u64, operation),
    };
    asked.map(request).collect()
}

/// What a client asks, in a few words.
pub(crate) fn asks(operation: &Operation) -> String {
    let key = text::display(&operation.key);
    match &operation.call {
        Call::Set { value, .. } => format!("{key} = {}", text::display(value)),
        Call::Delete { .. } => format!("delete {key}"),
        Call::Get => format!("get {key}"),
    }
}

/// How far the question has come that the client waits for.
fn under_way(sim: &Sim, asking: &Asking) -> String {
    let again = match asking.sent {
        0 | 1 => String::new(),
        sent => format!(", asked {sent} times"),
    };
    let more = match asking.queued {
        0 => String::new(),
        queued => format!("; {queued} more wait"),
    };
    let where_it_is = match (in_log(sim, asking), asking.node) {
        (Some(entry), _) => entry,
        (None, Some(node)) => format!("waits for node {node}"),
        (None, None) if asking.sent > 0 => "nobody could say: asks again soon".to_owned(),
        (None, None) => "looks for a node".to_owned(),
    };
    format!("{where_it_is}{again}{more}")
}

/// A write that has become an entry: how many disks hold it, and whether that is enough.
fn in_log(sim: &Sim, asking: &Asking) -> Option<String> {
    asking.session?;
    let leader = super::latest_leader(sim)?.raft();
    let last = leader.log().last().index;
    let is_it = |payload: &Payload| match payload {
        Payload::Command(bytes) => postcard::from_bytes::<Command>(bytes)
            .is_ok_and(|command| command.session == asking.session),
        Payload::Noop | Payload::Configuration(_) => false,
    };
    let mut latest = (last.0.saturating_sub(ENTRIES_MAX)..=last.0).rev().map(raft_core::id::Index);
    let index = latest
        .find(|index| leader.log().entry(*index).is_some_and(|entry| is_it(&entry.payload)))?;
    if index <= leader.commit_index() {
        return Some(format!("entry {index} is committed, the answer comes"));
    }
    let has = |node: &&raft_sim::Node| {
        node.replica().is_some_and(|replica| replica.raft().log().durable() >= index)
    };
    Some(match sim.nodes().filter(has).count() {
        0 => format!("entry {index} is only in memory"),
        1 => format!("entry {index} is on 1 disk"),
        disks => format!("entry {index} is on {disks} disks"),
    })
}

fn request(id: u64, operation: &Operation) -> Request {
    let asks = asks(operation);
    let took_ms = operation.returned.map(|returned| (returned - operation.invoked) / 1_000);
    let took = took_ms.map_or_else(String::new, |ms| format!(", {ms} ms"));
    let (done, answer) = match (&operation.result, operation.returned) {
        (Some(Outcome::Written { revision, .. }), _) => {
            (Some(true), format!("entry {revision}{took}"))
        }
        (Some(Outcome::Value { value, .. }), _) => {
            (Some(true), format!("{}{took}", text::display(value)))
        }
        (Some(Outcome::NotFound), _) => (Some(true), format!("no such key{took}")),
        (Some(Outcome::ConditionFailed { .. }), _) => (Some(false), "condition failed".to_owned()),
        (None, Some(_)) => (Some(false), "refused".to_owned()),
        (None, None) => (None, "outcome unknown".to_owned()),
    };
    Request { id, asks, done, answer }
}
