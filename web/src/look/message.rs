//! What a message under way looks like, and where it is.

use super::{Stage, View};
use crate::scene::inside::Picked;
use crate::scene::{Kind, Message};
use raft_core::id::{Index, Term};
use raft_core::raft;
use raft_core::raft::message::{AppendResult, Body};
use raft_core::replica::{Envelope, PeerBody};
use raft_core::time::Instant;
use raft_sim::{Cargo, Flight, Place, Sim};

/// A flight as it is seen at the moment; `None` once it has been lost.
pub(super) fn message(sim: &Sim, view: &View, stage: &Stage, flight: &Flight) -> Option<Message> {
    let (kind, answer, term) = kind(sim, flight);
    let cut = match (flight.from, flight.to) {
        (Place::Node(from), Place::Node(to)) => sim.is_cut(from, to),
        _ => false,
    };
    let share = if view.still { 0.5 } else { way(flight, sim.now()) };
    // What is lost gets half-way, falls there, and is gone; what a command drops falls where it is.
    let turned = f64::from(flight.share_ppm) / 1e6;
    let falls_at = if flight.lost && flight.share_ppm > 0 { turned } else { 0.5 };
    let lost = (flight.lost || cut) && share >= falls_at;
    if lost && share > falls_at + (1.0 - falls_at) / 2.0 {
        return None;
    }
    let lane = stage.layout.lane(stage.rim(flight.from), stage.rim(flight.to));
    let share = if lost { falls_at } else { share };
    Some(Message {
        id: flight.id,
        kind,
        answer,
        term,
        at: lane.at(share),
        heading: lane.heading(share),
        lost,
        held: flight.held,
        late: flight.share_ppm > 0 && !flight.held && !flight.lost,
        can_double: matches!(flight.cargo, Cargo::Peer(_)),
        selected: view.picked == Some(Picked::Message(flight.id)),
        says: format!("{} to {}: {}", flight.from, flight.to, flight.cargo),
    })
}

/// How much of its way a message has behind it, from 0 to 1.
fn way(flight: &Flight, now: Instant) -> f64 {
    f64::from(flight.share_ppm_at(now)) / 1e6
}

/// What a flight is, what it answers, and the term it speaks in.
pub(crate) fn kind(sim: &Sim, flight: &Flight) -> (Kind, Option<bool>, Term) {
    let message = match &flight.cargo {
        Cargo::Request { .. } => return (Kind::Forward, None, Term(0)),
        Cargo::Response { response, .. } => {
            return (Kind::Forward, Some(response.is_ok()), Term(0));
        }
        Cargo::Peer(Envelope { body: PeerBody::Forward { .. }, .. }) => {
            return (Kind::Forward, None, Term(0));
        }
        Cargo::Peer(Envelope { body: PeerBody::Forwarded { response, .. }, .. }) => {
            return (Kind::Forward, Some(response.is_ok()), Term(0));
        }
        Cargo::Peer(Envelope { body: PeerBody::Raft(message), .. }) => message,
    };
    let vote = |pre_vote: bool| if pre_vote { Kind::PreVote } else { Kind::Vote };
    let (kind, answer, term) = match &message.body {
        Body::RequestVote { pre_vote, campaign, .. } => (vote(*pre_vote), None, *campaign),
        Body::RequestVoteReply { pre_vote, refused, campaign, .. } => {
            (vote(*pre_vote), Some(refused.is_none()), *campaign)
        }
        Body::AppendEntries { entries, .. } => match entries.len() {
            0 => (Kind::Heartbeat, None, message.term),
            entries => (Kind::Append(entries), None, message.term),
        },
        Body::AppendEntriesReply { result, .. } => match result {
            AppendResult::Matched { match_index } => {
                let news = is_news(sim, flight, *match_index);
                let kind = if news { Kind::Append(1) } else { Kind::Heartbeat };
                (kind, Some(true), message.term)
            }
            AppendResult::Mismatch { .. } | AppendResult::StaleTerm | AppendResult::Full { .. } => {
                (Kind::Append(1), Some(false), message.term)
            }
        },
        Body::InstallSnapshot { .. } => (Kind::Snapshot, None, message.term),
        Body::InstallSnapshotReply { .. } => (Kind::Snapshot, Some(true), message.term),
        // The leader asks for a candidacy as a candidate asks for a vote.
        Body::TimeoutNow => (Kind::Vote, None, message.term),
        Body::ReadIndex { .. } => (Kind::Forward, None, message.term),
        Body::ReadIndexReply { .. } => (Kind::Forward, Some(true), message.term),
    };
    (kind, answer, term)
}

/// Whether an acknowledgement tells the leader of entries it did not know to be on that disk.
fn is_news(sim: &Sim, flight: &Flight, match_index: Index) -> bool {
    let (Place::Node(from), Place::Node(to)) = (flight.from, flight.to) else { return false };
    let leader = sim.nodes().find(|node| node.id() == to).and_then(raft_sim::Node::replica);
    match leader.map(|replica| replica.raft().role()) {
        Some(raft::Role::Leader(leader)) => {
            leader.followers.get(&from).is_some_and(|progress| match_index > progress.match_index)
        }
        _ => false,
    }
}
