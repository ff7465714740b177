//! A node's disk: writes are carried out in order, and a crash leaves those that were synced and, of the
//! others, any number of the oldest. What the bytes look like is the affair of other tests.

use crate::chain::ChainId;
use crate::checks::{Check, broken};
use raft_core::id::{Index, WriteSeq};
use raft_core::raft::HardState;
use raft_core::raft::disk::WriteOut;
use raft_core::raft::message::{Entry, SnapshotMeta};
use std::collections::VecDeque;

/// A snapshot: what it stands for, and the state itself, which is here the history that led to it.
pub(crate) type Image = (SnapshotMeta, ChainId);

/// What a disk holds, and what is on its way there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    /// Term and vote.
    pub(crate) hard_state: HardState,
    /// The newest snapshot.
    pub(crate) snapshot: Option<Image>,
    /// The index of the first of `entries`.
    first: Index,
    /// The log, each entry with the history up to it.
    entries: Vec<(Entry, ChainId)>,
    /// Given, not synced, oldest first.
    pub(crate) under_way: VecDeque<Write>,
}

/// A write with all that belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    /// What consensus handed out.
    pub(crate) out: WriteOut,
    /// The newest snapshot, if the write carries it.
    pub(crate) image: Option<Image>,
    /// The histories up to each of the entries.
    pub(crate) histories: Vec<ChainId>,
}

impl Disk {
    /// The oldest write under way is done. Returns its number.
    pub(crate) fn sync(&mut self) -> Check<Option<WriteSeq>> {
        let Some(Write { out, image, histories }) = self.under_way.pop_front() else {
            return Ok(None);
        };
        if let Some(hard_state) = out.hard_state {
            self.hard_state = hard_state;
        }
        if let Some(image) = image {
            if out.replaces_log {
                self.entries.clear();
            }
            self.drop_covered(image.0.last.index);
            self.snapshot = Some(image);
        }
        if !out.entries.is_empty() {
            let end = self.end();
            if out.first > end && !self.entries.is_empty() {
                let facts = format!("entries from {end} to {} are missing", out.first.prev());
                return Err(broken("Disk", facts));
            }
            if self.entries.is_empty() || out.first < self.first {
                self.entries.clear();
                self.first = out.first;
            }
            self.entries.truncate((out.first.0 - self.first.0) as usize);
            self.entries.extend(out.entries.into_iter().zip(histories));
        }
        Ok(Some(out.seq))
    }

    /// The entries that a node finds when it starts: those after the snapshot.
    pub(crate) fn read(&self) -> Check<Vec<Entry>> {
        let base = self.snapshot.as_ref().map(|(meta, _)| meta.last).unwrap_or_default();
        let mut found = self.clone();
        found.drop_covered(base.index);
        if found.first != base.index.next() && !found.entries.is_empty() {
            let facts = format!("entries between {base} and {} are missing", found.first);
            return Err(broken("Disk", facts));
        }
        Ok(found.entries.into_iter().map(|(entry, _)| entry).collect())
    }

    /// Whether it holds the history `chain`, whose last entry is at `index`.
    pub(crate) fn holds(&self, index: Index, chain: ChainId) -> bool {
        match index.0.checked_sub(self.first.0) {
            Some(place) if index < self.end() => self.entries[place as usize].1 == chain,
            _ if index == Index(0) => true,
            // What a snapshot includes was committed, and is compared when it is taken and installed.
            _ => self.snapshot.as_ref().is_some_and(|(meta, _)| index <= meta.last.index),
        }
    }

    fn drop_covered(&mut self, last: Index) {
        let covered = last.next().0.saturating_sub(self.first.0) as usize;
        self.entries.drain(..covered.min(self.entries.len()));
        self.first = self.first.max(last.next());
    }

    fn end(&self) -> Index {
        Index(self.first.0 + self.entries.len() as u64)
    }
}
