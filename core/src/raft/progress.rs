//! One follower as its leader sees it (the thesis's `nextIndex` and `matchIndex`, and what is under way).

use crate::config::Limits;
use crate::id::{EntryId, Epoch, Incarnation, Index, Round};
use crate::time::Instant;
use std::collections::VecDeque;

/// Invariant: `match_index < next_index`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The stream of this follower. Replies of another are ignored.
    pub epoch: Epoch,
    /// The life of the follower that answers; [`Incarnation::UNKNOWN`] until a founding member has.
    pub life: Incarnation,
    /// The follower lacks what it had acknowledged.
    pub lost: bool,
    /// The follower's disk has no room for entries, as it said last.
    pub is_full: bool,
    /// The follower's log equals the leader's up to here, and is durable so far.
    pub match_index: Index,
    /// The round of the answer that said so.
    matched_in: Round,
    /// The next entry to send.
    pub next_index: Index,
    /// How to send it.
    pub mode: Mode,
    /// The newest round the follower has answered.
    pub round: Round,
    /// When it was last heard from in this term.
    pub heard_at: Option<Instant>,
    /// AppendEntries that are not acknowledged, oldest first: the last index and the bytes of each.
    window: VecDeque<(Index, usize)>,
    window_bytes: usize,
}

/// How a leader sends to a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is not known where the logs agree: one question at a time.
    Probe {
        /// A question is under way; the next heartbeat asks again.
        asked: bool,
    },
    /// The logs agree before `next_index`: entries go out without waiting (thesis §10.2.1).
    Replicate,
    /// The entries are compacted away: the snapshot goes out chunk by chunk (§7).
    Snapshot {
        /// Which snapshot.
        last: EntryId,
        /// The next chunk's place in it, in bytes.
        offset: u64,
        /// The leader's round when it moved there. Answers to older chunks carry no later one.
        since: Round,
        /// The chunk is under way; a reply shows how far it came.
        asked: bool,
    },
}

impl Progress {
    /// A follower of which nothing is known: its log may agree with the leader's up to the end.
    pub fn new(epoch: Epoch, life: Incarnation, last: Index) -> Self {
        Self {
            epoch,
            life,
            lost: false,
            is_full: false,
            matched_in: Round(0),
            match_index: Index(0),
            next_index: last.next(),
            mode: Mode::Probe { asked: false },
            round: Round(0),
            heard_at: None,
            window: VecDeque::new(),
            window_bytes: 0,
        }
    }

    /// Whether another AppendEntries with entries may go out now.
    pub fn has_room(&self, limits: &Limits) -> bool {
        self.mode == Mode::Replicate
            && self.window.len() < limits.append_messages_max
            && self.window_bytes < limits.append_window_bytes_max
    }

    /// Entries up to `last` were sent.
    pub fn sent(&mut self, last: Index, bytes: usize) {
        self.next_index = last.next();
        self.window.push_back((last, bytes));
        self.window_bytes += bytes;
    }

    /// The follower has the log up to `match_index`, durably, as it says in `round`. Returns whether that is
    /// news.
    pub fn matched(&mut self, match_index: Index, round: Round) -> bool {
        while let Some((_, bytes)) = self.window.pop_front_if(|(last, _)| *last <= match_index) {
            self.window_bytes -= bytes;
        }
        self.next_index = self.next_index.max(match_index.next());
        let news = match_index > self.match_index;
        if news {
            self.matched_in = round;
        }
        self.match_index = self.match_index.max(match_index);
        match self.mode {
            // Less than what was asked about is an answer to something else, or not on disk yet.
            Mode::Probe { .. } if match_index >= self.next_index.prev() => {
                self.mode = Mode::Replicate;
            }
            Mode::Snapshot { last, .. } if match_index >= last.index => {
                self.mode = Mode::Replicate;
                self.next_index = match_index.next();
            }
            Mode::Probe { .. } | Mode::Snapshot { .. } | Mode::Replicate => {}
        }
        news
    }

    /// Whether an answer in `round`, by which the follower has no more than `index`, takes back what it
    /// acknowledged before: its directory is an older copy (dragonboat #256, rethinkdb #5289).
    pub fn takes_back(&self, index: Index, round: Round) -> bool {
        index < self.match_index && round > self.matched_in
    }

    /// The follower has forgotten what it acknowledged: nothing of it counts any more.
    pub fn forget_all(&mut self) {
        self.lost = true;
        self.match_index = Index(0);
    }

    /// The logs do not agree where the follower was asked: go on after `index`.
    pub fn back_off(&mut self, index: Index) {
        self.next_index = index.max(self.match_index).next();
        self.mode = Mode::Probe { asked: false };
        self.window.clear();
        self.window_bytes = 0;
    }

    /// The follower can take no entries: ask at each heartbeat, and send none until it can.
    pub fn has_no_room(&mut self) {
        self.is_full = true;
        if self.mode == Mode::Replicate {
            self.back_off(self.match_index);
            self.mode = Mode::Probe { asked: true };
        }
    }

    /// The entry before `next_index` is compacted away: send the snapshot up to `snapshot`, or go on if
    /// that is under way.
    pub fn send_snapshot(&mut self, snapshot: EntryId, since: Round) {
        if !matches!(self.mode, Mode::Snapshot { last, .. } if last == snapshot) {
            self.mode = Mode::Snapshot { last: snapshot, offset: 0, since, asked: false };
            self.window.clear();
            self.window_bytes = 0;
        }
    }

    /// Whether the snapshot is on its way.
    pub fn is_in_snapshot(&self) -> bool {
        matches!(self.mode, Mode::Snapshot { .. })
    }

    /// What was asked may be lost: ask again.
    pub fn ask_again(&mut self) {
        match &mut self.mode {
            Mode::Probe { asked } | Mode::Snapshot { asked, .. } => *asked = false,
            Mode::Replicate => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_acknowledged_makes_room_for_as_many_bytes_as_it_had() {
        let limits = Limits { append_window_bytes_max: 100, ..Limits::default() };
        let mut progress = Progress::new(Epoch::default(), Incarnation(1), Index(0));
        progress.matched(Index(0), Round::default());
        progress.sent(Index(1), 60);
        progress.sent(Index(2), 60);
        assert!(!progress.has_room(&limits));
        progress.matched(Index(1), Round::default());
        assert!(progress.has_room(&limits));
        progress.sent(Index(3), 60);
        assert!(!progress.has_room(&limits));
    }
}
