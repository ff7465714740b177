//! The log: the tail after the newest snapshot, in memory, and how much of it is durable.
//!
//! **The durability watermark.** Entries are handed out in numbered writes that finish later. Each write
//! under way is remembered with the last index it covers. When the log is truncated at `i`, the durable
//! index, the handed-out index and every mark under way are lowered to `i - 1`: a write that finishes
//! after the truncation can then never vouch for the entries that took the place of its own.

use crate::id::{EntryId, Index, Term, WriteSeq};
use crate::raft::membership::Configuration;
use crate::raft::message::{Entry, Payload};
use crate::seeded::{Bug, makes};
use std::collections::VecDeque;

/// Invariant: `base.index <= last().index`, and `durable <= handed out <= last().index`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The entry before the first one held.
    base: EntryId,
    entries: VecDeque<Entry>,
    /// Entries up to here were given to a write, or came from the disk.
    handed_out: Index,
    /// Writes that are not finished, oldest first, each with the last index it covers.
    under_way: VecDeque<(WriteSeq, Index)>,
    /// Entries up to here are on this node's disk.
    durable: Index,
}

impl Log {
    /// The log as the disk remembers it: `entries` follow `base`.
    pub fn restore(base: EntryId, entries: Vec<Entry>) -> Self {
        let last = Index(base.index.0 + entries.len() as u64);
        let under_way = VecDeque::new();
        Self { base, entries: entries.into(), handed_out: last, under_way, durable: last }
    }

    /// The entry before the first one held: the last that was compacted away.
    pub fn base(&self) -> EntryId {
        self.base
    }

    /// The last entry.
    pub fn last(&self) -> EntryId {
        let index = Index(self.base.index.0 + self.entries.len() as u64);
        EntryId { term: self.entries.back().map_or(self.base.term, |entry| entry.term), index }
    }

    /// Entries up to here are on this node's disk.
    pub fn durable(&self) -> Index {
        self.durable
    }

    /// The entry at `index`, if it is held.
    pub fn entry(&self, index: Index) -> Option<&Entry> {
        let place = index.0.checked_sub(self.base.index.0 + 1)?;
        self.entries.get(usize::try_from(place).ok()?)
    }

    /// The configuration that the entry at `index` holds, if it holds one.
    pub fn configuration_at(&self, index: Index) -> Option<&Configuration> {
        match &self.entry(index)?.payload {
            Payload::Configuration(configuration) => Some(configuration),
            Payload::Noop | Payload::Command(_) => None,
        }
    }

    /// The term of the entry at `index`; known from the base on.
    pub fn term_at(&self, index: Index) -> Option<Term> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        self.entry(index).map(|entry| entry.term)
    }

    /// Entries from `first` on, as many as fit into both limits, but at least one if there is one.
    pub fn slice(&self, first: Index, entries_max: usize, bytes_max: usize) -> Vec<Entry> {
        let mut bytes = 0;
        (first.0..=self.last().index.0)
            .map_while(|index| self.entry(Index(index)))
            .take(entries_max)
            .enumerate()
            .take_while(|(place, entry)| {
                bytes += entry.size();
                *place == 0 || bytes <= bytes_max
            })
            .map(|(_, entry)| entry.clone())
            .collect()
    }

    /// The same, but only up to the first command.
    pub fn small_slice(&self, first: Index, entries_max: usize, bytes_max: usize) -> Vec<Entry> {
        let mut entries = self.slice(first, entries_max, bytes_max);
        let is_command = |entry: &Entry| matches!(entry.payload, Payload::Command(_));
        entries.truncate(entries.iter().position(is_command).unwrap_or(entries.len()));
        entries
    }

    /// Adds an entry at the end (a leader's own; it never overwrites: Leader Append-Only).
    pub fn append(&mut self, entry: Entry) -> EntryId {
        self.entries.push_back(entry);
        self.last()
    }

    /// Takes over a leader's `entries` after `prev`, which this log has (§5.3). Entries it has already
    /// are left alone, so that a late message cannot undo a newer one; from the first that contradicts,
    /// the old ones go. Returns the range that went.
    pub fn take_over(&mut self, prev: Index, entries: Vec<Entry>) -> Option<(Index, Index)> {
        let mut removed = None;
        let mut index = prev;
        if makes(Bug::LateMessageTruncates) && prev >= self.base.index {
            self.cut_after(prev);
        }
        for entry in entries {
            index = index.next();
            let is_compacted = index <= self.base.index && !makes(Bug::AppendsCompacted);
            if is_compacted || self.term_at(index) == Some(entry.term) {
                continue;
            }
            if index <= self.last().index {
                removed = Some((index, self.last().index));
                self.truncate(index);
            }
            self.entries.push_back(entry);
        }
        removed
    }

    /// Those of a leader's `entries` after `prev` that can be taken over: all, or if the disk is full only
    /// the first ones that are here already, or so small that there is always room for them.
    pub fn admissible(&self, prev: Index, mut entries: Vec<Entry>, is_full: bool) -> Vec<Entry> {
        let is_here = |(place, entry): (u64, &Entry)| {
            let index = Index(prev.0 + 1 + place);
            let is_small = !matches!(entry.payload, Payload::Command(_));
            index <= self.base.index || self.term_at(index) == Some(entry.term) || is_small
        };
        if is_full {
            let here = (0..).zip(&entries).take_while(|at| is_here(*at)).count();
            entries.truncate(here);
        }
        entries
    }

    /// The last entry at or before `prev` with a term not above its: the logs can agree no later.
    pub fn conflict_hint(&self, prev: EntryId) -> EntryId {
        let up_to = prev.index.0.saturating_sub(self.base.index.0).min(self.entries.len() as u64);
        // Terms never fall along a log, so the entries with a small enough term come first.
        let agreeable = self.entries.partition_point(|entry| entry.term <= prev.term) as u64;
        let index = Index(self.base.index.0 + up_to.min(agreeable));
        EntryId { term: self.term_at(index).unwrap_or_default(), index }
    }

    /// Forgets entries up to `index`, which a snapshot includes, but none that no write has carried yet:
    /// the disk's log stays whole even where the snapshot takes longer to get there. Returns them.
    pub fn compact(&mut self, index: Index) -> VecDeque<Entry> {
        let index = index.min(self.handed_out);
        let Some(term) = self.term_at(index) else { return VecDeque::new() };
        let kept = self.entries.split_off((index.0 - self.base.index.0) as usize);
        self.base = EntryId { term, index };
        std::mem::replace(&mut self.entries, kept)
    }

    /// Replaces the whole log by a snapshot up to `base`. The log agreed with the leader's up to
    /// `agreed`, the commit index; beyond it, nothing on disk counts until the snapshot is there. Returns
    /// the entries that went.
    pub fn reset(&mut self, base: EntryId, agreed: Index) -> VecDeque<Entry> {
        self.base = base;
        self.lower_marks(agreed);
        std::mem::take(&mut self.entries)
    }

    /// Entries for the next write, with the index of the first.
    pub fn hand_out(&mut self, seq: WriteSeq) -> (Index, Vec<Entry>) {
        let first = self.handed_out.max(self.base.index).next();
        let entries = self.slice(first, usize::MAX, usize::MAX);
        let last = self.last().index;
        if self.handed_out != last {
            self.handed_out = last;
            self.under_way.push_back((seq, last));
        }
        (first, entries)
    }

    /// Whether there is something for the next write.
    pub fn has_unwritten(&self) -> bool {
        self.handed_out < self.last().index
    }

    /// Every write up to `seq` is durable.
    pub fn persisted(&mut self, seq: WriteSeq) {
        if makes(Bug::OlderReportOverwrites) && self.under_way.len() > 1 {
            self.under_way.truncate(1);
        }
        while let Some((_, last)) = self.under_way.pop_front_if(|(write, _)| *write <= seq) {
            self.durable = self.durable.max(last);
            if makes(Bug::ReportsAreNotCumulative) {
                break;
            }
        }
    }

    /// Removes the entries behind `index`.
    pub(super) fn cut_after(&mut self, index: Index) {
        if index < self.last().index {
            self.truncate(index.next());
        }
    }

    fn truncate(&mut self, from: Index) {
        self.entries.truncate((from.0 - self.base.index.0 - 1) as usize);
        self.lower_marks(from.prev());
    }

    fn lower_marks(&mut self, to: Index) {
        self.handed_out = self.handed_out.min(to);
        self.durable = self.durable.min(to);
        for (_, last) in &mut self.under_way {
            *last = (*last).min(to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ClusterTime;
    use rand_core::{Rng as _, SeedableRng as _};
    use rand_pcg::Pcg32;

    fn entry(term: u64) -> Entry {
        Entry { term: Term(term), time: ClusterTime(0), payload: Payload::Noop }
    }

    fn log(terms: &[u64]) -> Log {
        Log::restore(EntryId::default(), terms.iter().map(|term| entry(*term)).collect())
    }

    #[test]
    fn a_late_message_does_not_undo_a_newer_one() {
        let mut log = log(&[1, 1, 2]);
        assert_eq!(log.take_over(Index(0), vec![entry(1)]), None);
        assert_eq!(log.last(), EntryId::new(2, 3));
    }

    #[test]
    fn a_conflict_removes_the_rest_of_the_log() {
        let mut log = log(&[1, 1, 2, 2]);
        assert_eq!(log.take_over(Index(2), vec![entry(3)]), Some((Index(3), Index(4))));
        assert_eq!(log.last(), EntryId::new(3, 3));
        assert_eq!(log.durable(), Index(2));
    }

    #[test]
    fn the_hint_skips_a_whole_term() {
        let log = log(&[1, 1, 3, 3, 3]);
        assert_eq!(log.conflict_hint(EntryId::new(2, 5)), EntryId::new(1, 2));
        assert_eq!(log.conflict_hint(EntryId::new(4, 9)), EntryId::new(3, 5));
    }

    /// Random truncations, writes and late reports: what the log calls durable must be on the disk,
    /// whichever of the writes under way have reached it. Without lowering the marks under way, this
    /// fails at once.
    #[test]
    fn a_finished_write_never_vouches_for_replaced_entries() {
        let mut rng = Pcg32::seed_from_u64(1);
        for _ in 0..500 {
            let (mut log, mut disk, mut seq) = (log(&[]), Vec::new(), WriteSeq(0));
            let mut writes: VecDeque<(WriteSeq, Index, Vec<Entry>)> = VecDeque::new();
            for term in 1..60 {
                match rng.next_u32() % 3 {
                    0 => {
                        let prev = Index(u64::from(rng.next_u32()) % (log.last().index.0 + 1));
                        log.take_over(prev, vec![entry(term); rng.next_u32() as usize % 4]);
                    }
                    1 if log.has_unwritten() => {
                        seq = seq.next();
                        let (first, entries) = log.hand_out(seq);
                        writes.push_back((seq, first, entries));
                    }
                    _ => {
                        let Some((seq, first, entries)) = writes.pop_front() else { continue };
                        disk.truncate(first.0 as usize - 1);
                        disk.extend(entries);
                        log.persisted(seq);
                    }
                }
                for index in 1..=log.durable().0 {
                    assert_eq!(disk.get(index as usize - 1), log.entry(Index(index)));
                }
            }
        }
    }
}
