//! What may leave a node: no message before what it promises is on its sender's disk, and no answer before
//! what it speaks of is committed and applied.

use crate::checker::memory::Memory;
use crate::checker::view::View;
use crate::checker::violation::{Check, Property, ensure};
use raft_core::error::Error;
use raft_core::id::{Index, NodeId};
use raft_core::kv::command::Item;
use raft_core::raft::message::{AppendResult, Body, Message};
use raft_core::request::{Reply, Response};

/// A message of consensus leaves for `to`.
pub(super) fn check_message(
    view: &View<'_>,
    memory: &Memory,
    to: NodeId,
    message: &Message,
) -> Check {
    let Message { term, body } = message;
    let (node, durable) = (view.node, memory.hard_state);
    ensure(*term <= durable.term, Property::DurablePromises, || {
        format!("node {node} speaks in term {term}, but its disk holds {memory}")
    })?;
    match body {
        Body::RequestVote { campaign, pre_vote: false, .. } => {
            let has_voted = durable.term > *campaign || durable.vote == Some(node);
            ensure(has_voted, Property::DurablePromises, || {
                format!("node {node} asks for votes before its own is durable: {memory}")
            })
        }
        Body::RequestVoteReply { campaign, pre_vote: false, refused: None, .. } => {
            let has_voted = durable.term > *campaign || durable.vote == Some(to);
            ensure(has_voted, Property::DurablePromises, || {
                format!("node {node} votes for node {to} in term {campaign}, but holds {memory}")
            })
        }
        Body::AppendEntriesReply {
            result: AppendResult::Matched { match_index } | AppendResult::Full { match_index },
            ..
        } => ensure(*match_index <= memory.reached_in(*term), Property::DurablePromises, || {
            format!(
                "node {node} acknowledges entries up to {match_index} in term {term}, but its disk \
                     holds {memory}"
            )
        }),
        _ => Ok(()),
    }
}

/// An answer leaves for a client, or for the node that passed its request on. Whoever leads answers from
/// what it has applied; who passes an answer on may be behind.
pub(super) fn check_response(view: &View<'_>, response: &Response, committed: Index) -> Check {
    let (Ok(Reply::Written { revision, .. }) | Ok(Reply::Item(Item { modified: revision, .. }))) =
        response
    else {
        return Ok(());
    };
    let known = if view.leads.is_some() { view.applied } else { committed };
    ensure(*revision <= known, Property::DurablePromises, || {
        format!("node {} answers with revision {revision}, which is not committed", view.node)
    })
}

/// A linearizable read is answered, and so many entries were committed before it came: whoever answers must
/// have applied them, whatever keys they are about (thesis §6.4).
pub(super) fn check_read(view: &View<'_>, response: &Response, committed: Index) -> Check {
    let is_answer = matches!(response, Ok(Reply::Item(_)) | Err(Error::NotFound));
    ensure(!is_answer || view.applied >= committed, Property::FreshReads, || {
        let View { node, applied, .. } = view;
        format!(
            "node {node} answers a read as of entry {applied}, but {committed} were committed when it came"
        )
    })
}
