//! Messages, as far as they are shown: of a kind that a node sends another again and again, one now and then.

use super::bound;
use crate::record::Arrow;
use crate::scene::Kind;
use raft_core::id::{NodeId, Term};
use raft_core::sighting::{self, Sent};
use raft_core::time::Instant;
use raft_core::vec_map::VecMap;
use std::collections::VecDeque;
use std::time::Duration;

/// How long a message is shown under way. A real one takes less than a screen needs to show it.
pub(super) const FLIGHT: Duration = Duration::from_millis(600);

/// The least time between two of the same kind between the same nodes.
const INTERVAL: Duration = Duration::from_millis(400);

/// The most messages kept.
const ARROWS_MAX: usize = 20_000;

/// Who was sent after this moment is under way.
pub(super) fn before(now: Instant) -> Instant {
    Instant(now.0.saturating_sub(FLIGHT.as_micros() as u64))
}

/// The messages that are shown.
#[derive(Debug, Default)]
pub(super) struct Samples {
    arrows: VecDeque<Arrow>,
    /// When the last was shown, of each kind between each two nodes.
    last: VecMap<(NodeId, NodeId, &'static str, Option<bool>), Instant>,
    next: u64,
    /// Whether some have been forgotten.
    forgot: bool,
}

impl Samples {
    /// Takes in what a node sent. `has_stored` is whether there is more on its disk than before.
    pub(super) fn take_in<'a>(
        &mut self,
        at: Instant,
        from: NodeId,
        term: Term,
        has_stored: bool,
        sent: impl Iterator<Item = &'a Sent>,
    ) {
        for Sent { to, kind } in sent {
            let (kind, answer) = match self::kind(*kind) {
                // The answer to a heartbeat is no other, and says nothing new.
                (Kind::Append(_), Some(true)) if !has_stored => (Kind::Heartbeat, Some(true)),
                known => known,
            };
            let which = (from, *to, kind.word(), answer);
            if self.last.get(&which).is_some_and(|last| at - *last < INTERVAL) {
                continue;
            }
            self.last.insert(which, at);
            self.next += 1;
            self.forgot |= self.arrows.len() == ARROWS_MAX;
            self.arrows.push_back(Arrow {
                step: 0,
                id: self.next,
                from,
                to: *to,
                sent: at,
                arrived: at,
                kind,
                answer,
                term,
                lost: false,
            });
            bound(&mut self.arrows, ARROWS_MAX);
        }
    }

    /// Those sent in a stretch of time, in order.
    pub(super) fn between(&self, from: Instant, until: Instant) -> impl Iterator<Item = &Arrow> {
        let first = self.arrows.partition_point(|arrow| arrow.sent < from);
        self.arrows.range(first..).take_while(move |arrow| arrow.sent <= until)
    }

    /// How many there are in each of as many equal parts of the time up to `end`.
    pub(super) fn density(&self, parts: usize, end: Instant) -> Vec<u32> {
        let mut density = vec![0; parts];
        let share = parts as f64 / end.0.max(1) as f64;
        for arrow in &self.arrows {
            density[((arrow.sent.0 as f64 * share) as usize).min(parts - 1)] += 1;
        }
        density
    }

    /// How many there are.
    pub(super) fn kept(&self) -> usize {
        self.arrows.len()
    }

    /// Messages sent before this moment have been forgotten.
    pub(super) fn kept_from(&self) -> Instant {
        self.arrows.front().filter(|_| self.forgot).map_or(Instant(0), |arrow| arrow.sent)
    }
}

/// What a message is and, for an answer, whether it is a yes.
fn kind(kind: sighting::Kind) -> (Kind, Option<bool>) {
    match kind {
        sighting::Kind::PreVote => (Kind::PreVote, None),
        // The leader asks for a candidacy as a candidate asks for a vote.
        sighting::Kind::Vote | sighting::Kind::TimeoutNow => (Kind::Vote, None),
        sighting::Kind::Granted => (Kind::Vote, Some(true)),
        sighting::Kind::Refused => (Kind::Vote, Some(false)),
        sighting::Kind::Heartbeat => (Kind::Heartbeat, None),
        sighting::Kind::Entries { count } => (Kind::Append(count as usize), None),
        sighting::Kind::Stored => (Kind::Append(1), Some(true)),
        sighting::Kind::Rejected => (Kind::Append(1), Some(false)),
        sighting::Kind::Snapshot => (Kind::Snapshot, None),
        sighting::Kind::ReadIndex | sighting::Kind::Forwarded => (Kind::Forward, None),
    }
}
