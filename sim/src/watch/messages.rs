//! What shows in messages, as they leave and as they arrive.

use crate::network::{Cargo, Flight, Place};
use crate::node::Node;
use crate::sometimes::{Point, Sometimes};
use crate::watch::{Watch, place};
use raft_core::id::{EntryId, Index, NodeId};
use raft_core::raft::message::{AppendResult, Body, Entry, Message};
use raft_core::raft::progress::Mode;
use raft_core::raft::{Raft, Role};
use raft_core::replica::{Effects, Envelope, PeerBody};

impl Watch {
    /// Messages leave a node after a step.
    pub(super) fn leave(&mut self, raft: &Raft, effects: &Effects) {
        let mut carried = None;
        let past = &mut self.nodes[place(raft.id())];
        for Envelope { to, body, .. } in &effects.send {
            let PeerBody::Raft(Message { body, .. }) = body else { continue };
            let s = &mut self.sometimes;
            match body {
                Body::AppendEntries { entries, .. } => {
                    past.appends += 1;
                    s.hit_if(carried == Some(*to) && !entries.is_empty(), Point::PipelinedAppends);
                    carried = if entries.is_empty() { carried } else { Some(*to) };
                }
                Body::AppendEntriesReply {
                    result: AppendResult::Mismatch { refused, hint },
                    ..
                } => hinted(s, raft, *refused, *hint),
                Body::ReadIndex { number } => {
                    let before = past.asked_index.replace(*number);
                    s.hit_if(before == Some(*number), Point::ReadAskedAgain);
                }
                _ => {}
            }
        }
        self.answered(raft, effects);
    }

    /// A message is at its end: at the door of a node that is down, if that is so, or at a link that is
    /// `cut`, in one direction only if `one_way`.
    pub(crate) fn missed(&mut self, flight: &Flight, is_down: bool, cut: bool, one_way: bool) {
        let s = &mut self.sometimes;
        s.hit_if(is_down, Point::DownAtArrival);
        s.hit_if(cut && !flight.lost, Point::CutUnderWay);
        s.hit_if(one_way, Point::OneWay);
    }

    /// A message arrives at a node that is up.
    pub(crate) fn arrives(&mut self, nodes: &[Node], flight: &Flight) {
        let Place::Node(to) = flight.to else { return };
        let Some(replica) = nodes[place(to)].replica() else { return };
        if let Place::Node(from) = flight.from {
            let newest = self.newest.get_or_insert_with((from, to), Default::default);
            self.sometimes.hit_if(*newest > flight.id, Point::Overtaken);
            *newest = flight.id.max(*newest);
            let crashed_at = self.nodes[place(from)].crashed_at;
            self.sometimes.hit_if(crashed_at > flight.sent_at, Point::SentBeforeCrash);
        }
        match &flight.cargo {
            Cargo::Peer(Envelope { from, body: PeerBody::Raft(message), .. }) => {
                self.hears(to, replica.raft(), *from, message, flight);
            }
            Cargo::Peer(Envelope { body: PeerBody::Forward { request, .. }, .. }) => {
                self.passed_on(request);
            }
            Cargo::Request { ticket, request } => {
                self.asked(to, replica.raft(), *ticket, request);
            }
            Cargo::Peer(_) | Cargo::Response { .. } => {}
        }
    }

    fn hears(&mut self, to: NodeId, raft: &Raft, from: NodeId, message: &Message, flight: &Flight) {
        let s = &mut self.sometimes;
        let past = &mut self.nodes[place(to)];
        let is_current = message.term == raft.term();
        match &message.body {
            Body::AppendEntries { prev, commit, entries, .. } => {
                if is_current {
                    past.told = past.told.max(*commit);
                }
                if entries.is_empty() {
                    return;
                }
                s.hit_if(message.term < raft.term(), Point::AppendOfOldTerm);
                s.hit_if(past.started_at > flight.sent_at, Point::AppendAfterRestart);
                s.hit_if(prev.index < raft.snapshot_last().index, Point::AppendBehindSnapshot);
                s.hit_if(is_current && has_all(raft, *prev, entries), Point::AppendOfKnown);
            }
            Body::AppendEntriesReply { result: AppendResult::Mismatch { refused, .. }, .. }
                if is_current && probes(raft, from) =>
            {
                let before = past.refused.insert(from, (raft.term(), *refused));
                let twice = before.is_some_and(|(term, at)| term == raft.term() && *refused < at);
                s.hit_if(twice, Point::ProbedTwice);
            }
            Body::AppendEntriesReply { result: AppendResult::Full { .. }, .. } => {
                s.hit(Point::FullFollower);
            }
            Body::InstallSnapshot { meta, offset, data, done, .. } if is_current => {
                let end = offset + data.len() as u64;
                let before = past.snapshot_from.replace((meta.last, from, end));
                // The leader passes over what another had sent.
                let passes_over = before.is_some_and(|(last, by, end)| {
                    (last, by) == (meta.last, from) && *offset > end
                });
                s.hit_if(passes_over, Point::SnapshotWentOn);
                s.hit_if(*offset > 0, Point::SnapshotInPieces);
                s.hit_if(meta.last.index <= raft.commit_index(), Point::SnapshotNeedless);
                past.receiving = !done && meta.last.index > raft.commit_index();
            }
            Body::ReadIndex { .. } => s.hit(Point::ReadPassedOn),
            _ => {}
        }
    }
}

fn has_all(raft: &Raft, prev: EntryId, entries: &[Entry]) -> bool {
    (prev.index.next().0..)
        .zip(entries)
        .all(|(index, entry)| raft.log().term_at(Index(index)) == Some(entry.term))
}

/// Whether a leader does not know yet where its log and the follower's agree.
fn probes(raft: &Raft, follower: NodeId) -> bool {
    let Role::Leader(leader) = raft.role() else { return false };
    let progress = leader.followers.get(&follower);
    progress.is_some_and(|progress| matches!(progress.mode, Mode::Probe { .. }))
}

/// A follower says where its log and the leader's can agree at the latest.
fn hinted(s: &mut Sometimes, raft: &Raft, refused: Index, hint: EntryId) {
    let log = raft.log();
    s.hit_if(refused > log.last().index, Point::HintForShortLog);
    let skipped: Vec<_> =
        (hint.index.next().0..=refused.0).filter_map(|index| log.term_at(Index(index))).collect();
    s.hit_if(skipped.len() > 1, Point::HintSkippedEntries);
    s.hit_if(skipped.first() != skipped.last(), Point::HintSkippedTerms);
}
