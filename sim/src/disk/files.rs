//! The files of a data directory, and what operations and crashes make of them.

use crate::random::Random;
use crate::sometimes::{Point, Sometimes};
use raft_core::bytes::Bytes;
use raft_core::id::EntryId;
use raft_core::vec_map::VecMap;
use raft_core::wal::{self, Damage, Op, Replayed, SEGMENT_HEADER_BYTES};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// Used segments kept for recycling, as the native node keeps them.
const SPARES_MAX: usize = 2;

/// The files of a directory. Clones share their bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    pub(super) identity: Identity,
    pub(super) segments: VecMap<u64, Arc<Vec<u8>>>,
    pub(super) snapshots: VecMap<EntryId, Bytes>,
    pub(super) spares: VecDeque<Arc<Vec<u8>>>,
}

/// What the identity file says, besides whose it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Identity {
    /// How often a node was started in this life.
    pub(super) starts: u64,
    /// This life was begun with the addresses that the cluster was founded with.
    pub(super) is_founder: bool,
    pub(super) is_damaged: bool,
}

/// Which bytes of its file an operation writes.
pub(super) fn written(op: &Op) -> Range<usize> {
    match op {
        Op::OpenSegment { header, .. } => 0..header.len(),
        Op::Write { offset, bytes, .. } => *offset as usize..*offset as usize + bytes.len(),
        Op::StoreSnapshot { .. } | Op::Retire { .. } => 0..0,
    }
}

impl Files {
    /// Which points an operation comes to, just before it is carried out.
    pub(super) fn notice(&self, op: &Op, usual_bytes: u64, sometimes: &mut Sometimes) {
        match op {
            Op::OpenSegment { number, bytes, .. } => {
                sometimes.hit_if(*number > 1, Point::SegmentOpened);
                sometimes.hit_if(*bytes > usual_bytes, Point::SegmentTooShort);
                let fits = |spare: &Arc<Vec<u8>>| spare.len() as u64 >= *bytes;
                sometimes.hit_if(self.spares.iter().any(fits), Point::SegmentRecycled);
            }
            Op::Retire { segment, .. } => {
                let first = self.segments.first();
                sometimes.hit_if(first.is_some_and(|(n, _)| n < segment), Point::SegmentRetired);
            }
            Op::StoreSnapshot { .. } | Op::Write { .. } => {}
        }
    }

    /// What a node that starts reads in the log.
    pub(super) fn replay(&self) -> Result<Replayed, Damage> {
        let files = self.segments.iter();
        let segments: Vec<(u64, &[u8])> =
            files.map(|(number, bytes)| (*number, bytes.as_slice())).collect();
        wal::replay(&segments)
    }

    pub(super) fn carry_out(&mut self, op: Op) {
        match op {
            Op::StoreSnapshot { last, bytes } => {
                self.snapshots.insert(last, bytes.into());
            }
            Op::OpenSegment { .. } | Op::Write { .. } => {
                if let Some((place, bytes)) = self.place_of(op) {
                    place.copy_from_slice(&bytes);
                }
            }
            Op::Retire { segment, snapshot } => {
                self.snapshots.retain(|name, _| Some(*name) == snapshot);
                self.retire(segment, usize::MAX);
            }
        }
    }

    /// A crash while old files were being removed: the folder was not synced, so some names are there still.
    /// Segments go in rising order, so that no gap is left.
    pub(super) fn retire_some(
        &mut self,
        segment: u64,
        snapshot: Option<EntryId>,
        random: &mut Random,
    ) {
        self.snapshots.retain(|name, _| Some(*name) == snapshot || random.chance(500_000));
        let old = self.segments.keys().filter(|number| **number < segment).count();
        self.retire(segment, random.between(0, old as u64) as usize);
    }

    /// At most `most` of the segments below `segment` become spares.
    fn retire(&mut self, segment: u64, most: usize) {
        for _ in 0..most {
            if self.segments.first().is_none_or(|(number, _)| *number >= segment) {
                break;
            }
            self.spares.extend(self.segments.pop_first().map(|(_, bytes)| bytes));
        }
        let needless = self.spares.len().saturating_sub(SPARES_MAX);
        self.spares.drain(..needless);
    }

    /// The same, but only the bytes that `reach` the disk do.
    pub(super) fn carry_out_some(&mut self, op: Op, reaches: impl Fn(usize) -> bool) {
        let Some((place, bytes)) = self.place_of(op) else { return };
        for (at, byte) in bytes.into_iter().enumerate().filter(|(at, _)| reaches(*at)) {
            place[at] = byte;
        }
    }

    /// Where in a segment bytes go, and which. A write into a segment whose opening was lost is lost.
    fn place_of(&mut self, op: Op) -> Option<(&mut [u8], Vec<u8>)> {
        let (number, offset, bytes) = match op {
            Op::OpenSegment { number, bytes: length, header } => {
                let spare = self.spares.iter().position(|spare| spare.len() as u64 >= length);
                let spare = spare.and_then(|place| self.spares.remove(place));
                let segment = spare.unwrap_or_else(|| Arc::new(vec![0; length as usize]));
                self.segments.insert(number, segment);
                (number, 0, header)
            }
            Op::Write { number, offset, bytes } => (number, offset as usize, bytes),
            Op::StoreSnapshot { .. } | Op::Retire { .. } => return None,
        };
        let segment = Arc::make_mut(self.segments.get_mut(&number)?);
        Some((&mut segment[offset..offset + bytes.len()], bytes))
    }

    /// Removes the traces of a write that was never confirmed.
    pub(super) fn repair(&mut self, tail: &wal::Tail) {
        let last = tail.segments.last().map_or(0, |(number, _)| *number);
        self.segments.retain(|number, _| *number <= last);
        if let Some(segment) = self.segments.get_mut(&last) {
            let offset = tail.offset.max(SEGMENT_HEADER_BYTES) as usize;
            Arc::make_mut(segment)[offset..].fill(0);
        }
    }
}
