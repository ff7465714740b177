//! A disk: the real bytes of the write-ahead log, some of them synced and some not.
//!
//! Writes wait in memory while a sync is under way, and the next sync takes all of them (group commit).
//! A crash keeps what was synced. Of what was written and not synced, any part may have reached the
//! disk, in any order, since a page cache writes back as it likes; only a snapshot, which is synced
//! before the record that names it, is there as a whole or not at all.

use crate::random::Random;
use crate::sometimes::{Point, Sometimes};
use bytes::Bytes;
use raft_core::id::{ClusterId, EntryId, Incarnation, NodeId, WriteSeq};
use raft_core::wal::{self, Durable, Op, Replayed, SEGMENT_HEADER_BYTES, Wal, Write, snapshot};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

/// Bytes that reach a disk as a whole or not at all.
const SECTOR_BYTES: usize = 512;

/// Used segments kept for recycling, as the native node keeps them.
const SPARES_MAX: usize = 2;

/// Whose disk it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) cluster: ClusterId,
    pub(crate) node: NodeId,
    pub(crate) incarnation: Incarnation,
    pub(crate) segment_bytes: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Disk {
    owner: Owner,
    /// What is there after a crash, whatever else is.
    synced: Files,
    /// Carried out since the last sync, in order.
    unsynced: Vec<Op>,
    /// The newest write among those, if a sync is under way.
    syncing: Option<WriteSeq>,
    /// Writes that wait for the sync under way to end.
    waiting: Vec<Write>,
    /// Only while the node is up.
    wal: Option<Wal>,
}

/// Files share their bytes between clones of a disk.
#[derive(Clone, Debug, Default)]
struct Files {
    segments: BTreeMap<u64, Arc<Vec<u8>>>,
    snapshots: BTreeMap<EntryId, Bytes>,
    spares: VecDeque<Arc<Vec<u8>>>,
}

/// What a starting node finds.
pub(crate) struct Recovered {
    pub(crate) durable: Durable,
    /// Whether there were traces of a write that was never confirmed.
    pub(crate) torn: bool,
}

impl Disk {
    pub(crate) fn new(owner: Owner) -> Self {
        let synced = Files::default();
        Self { owner, synced, unsynced: Vec::new(), syncing: None, waiting: Vec::new(), wal: None }
    }

    pub(crate) fn life(&self) -> Incarnation {
        self.owner.incarnation
    }

    /// The same disk after it was wiped: another life begins on it.
    pub(crate) fn wiped(&self, life: Incarnation) -> Self {
        Self::new(Owner { incarnation: life, ..self.owner })
    }

    /// Reads the disk as a node does when it starts, and repairs a torn tail. Fails, in words, if the
    /// disk is damaged, which no crash may lead to.
    pub(crate) fn start(&mut self, sometimes: &mut Sometimes) -> Result<Recovered, String> {
        let Replayed { hard_state, snapshot: meta, entries, tail, .. } = {
            let files = self.synced.segments.iter();
            let segments: Vec<(u64, &[u8])> =
                files.map(|(number, bytes)| (*number, bytes.as_slice())).collect();
            let replayed = wal::replay(&segments).map_err(|damage| damage.to_string())?;
            let Owner { cluster, node, incarnation, segment_bytes } = self.owner;
            self.wal = Some(Wal::resume(cluster, node, incarnation, segment_bytes, &replayed));
            replayed
        };
        sometimes.hit_if(tail.torn, Point::TornTail);
        if tail.torn {
            self.synced.repair(&tail);
        }
        let last = meta.as_ref().map(|meta| meta.last);
        let is_named = |name: &EntryId| Some(*name) == last;
        sometimes.hit_if(!self.synced.snapshots.keys().all(is_named), Point::SnapshotNotNamed);
        self.synced.snapshots.retain(|name, _| is_named(name));
        let snapshot = match last {
            None => None,
            Some(last) => {
                let bytes = self.synced.snapshots.get(&last);
                let bytes = bytes.ok_or_else(|| format!("snapshot {last} is missing"))?;
                Some(snapshot::decode(bytes).map_err(|e| format!("snapshot {last} is {e}"))?)
            }
        };
        Ok(Recovered { durable: Durable { hard_state, snapshot, entries }, torn: tail.torn })
    }

    /// Takes a write in. It becomes durable with the next sync that begins.
    pub(crate) fn write(&mut self, write: Write) {
        self.waiting.push(write);
    }

    /// Begins a sync of all that waits, if none is under way and something does. Returns whether.
    pub(crate) fn begin_sync(&mut self, sometimes: &mut Sometimes) -> bool {
        let (None, Some(last)) = (self.syncing, self.waiting.last()) else { return false };
        self.syncing = Some(last.seq);
        sometimes.hit_if(self.waiting.len() > 1, Point::GroupCommit);
        let wal = self.wal.as_mut().expect("a node that writes is up");
        for write in self.waiting.drain(..) {
            self.unsynced.extend(wal.append(&write));
        }
        true
    }

    /// Ends the sync under way: returns the newest write that is durable now.
    pub(crate) fn finish_sync(&mut self, sometimes: &mut Sometimes) -> WriteSeq {
        for op in self.unsynced.drain(..) {
            self.synced.notice(&op, self.owner.segment_bytes, sometimes);
            self.synced.carry_out(op);
        }
        self.wal.as_mut().expect("a node that syncs is up").synced();
        self.syncing.take().expect("a sync is under way")
    }

    /// Whether anything is on its way to the disk.
    pub(crate) fn has_writes_under_way(&self) -> bool {
        self.syncing.is_some() || !self.waiting.is_empty()
    }

    /// The power fails. What was written and not synced is lost, kept, or something between.
    pub(crate) fn crash(&mut self, random: &mut Random) {
        self.wal = None;
        self.syncing = None;
        self.waiting.clear();
        let ops = std::mem::take(&mut self.unsynced);
        let carried_out = random.between(0, ops.len() as u64) as usize;
        let fate = random.pick(&[Fate::Lost, Fate::Kept, Fate::Torn, Fate::Scattered]);
        let torn = random.below(carried_out as u64) as usize;
        for (number, op) in ops.into_iter().take(carried_out).enumerate() {
            match (fate, &op) {
                // What a sync must come before has not happened; what brings its own has.
                (_, Op::Retire { .. }) => {}
                (_, Op::StoreSnapshot { .. }) | (Fate::Kept, _) => self.synced.carry_out(op),
                (Fate::Lost, _) => {}
                (Fate::Torn, _) if number > torn => {}
                (Fate::Torn, _) if number < torn => self.synced.carry_out(op),
                (Fate::Torn, _) => {
                    let kept = random.below(1 << 16) as usize % (written(&op).len() + 1);
                    self.synced.carry_out_some(op, |at| at < kept);
                }
                (Fate::Scattered, Op::OpenSegment { .. }) if random.chance(300_000) => {}
                (Fate::Scattered, _) => {
                    let sectors = written(&op).end / SECTOR_BYTES + 1;
                    let start = written(&op).start;
                    let kept: Vec<bool> = (0..sectors).map(|_| random.chance(500_000)).collect();
                    self.synced.carry_out_some(op, |at| kept[(start + at) / SECTOR_BYTES]);
                }
            }
        }
    }
}

/// What becomes of what was written and not synced.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Lost,
    Kept,
    /// What came first is there, the last of it cut off at any byte.
    Torn,
    /// Any sectors are there.
    Scattered,
}

/// Which bytes of its file an operation writes.
fn written(op: &Op) -> Range<usize> {
    match op {
        Op::OpenSegment { header, .. } => 0..header.len(),
        Op::Write { offset, bytes, .. } => *offset as usize..*offset as usize + bytes.len(),
        Op::StoreSnapshot { .. } | Op::Retire { .. } => 0..0,
    }
}

impl Files {
    /// Which points an operation comes to, just before it is carried out.
    fn notice(&self, op: &Op, usual_bytes: u64, sometimes: &mut Sometimes) {
        match op {
            Op::OpenSegment { number, bytes, .. } => {
                sometimes.hit_if(*number > 1, Point::SegmentOpened);
                sometimes.hit_if(*bytes > usual_bytes, Point::SegmentTooShort);
                let fits = |spare: &Arc<Vec<u8>>| spare.len() as u64 >= *bytes;
                sometimes.hit_if(self.spares.iter().any(fits), Point::SegmentRecycled);
            }
            Op::Retire { segment, .. } => {
                let first = self.segments.first_key_value();
                sometimes.hit_if(first.is_some_and(|(n, _)| n < segment), Point::SegmentRetired);
            }
            Op::StoreSnapshot { .. } | Op::Write { .. } => {}
        }
    }

    fn carry_out(&mut self, op: Op) {
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
                while let Some(first) = self.segments.first_entry()
                    && *first.key() < segment
                {
                    self.spares.push_back(first.remove());
                }
                let needless = self.spares.len().saturating_sub(SPARES_MAX);
                self.spares.drain(..needless);
            }
        }
    }

    /// The same, but only the bytes that `reach` the disk do.
    fn carry_out_some(&mut self, op: Op, reaches: impl Fn(usize) -> bool) {
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
    fn repair(&mut self, tail: &wal::Tail) {
        let last = tail.segments.last().map_or(0, |(number, _)| *number);
        self.segments.split_off(&(last + 1));
        if let Some(segment) = self.segments.get_mut(&last) {
            let offset = tail.offset.max(SEGMENT_HEADER_BYTES) as usize;
            Arc::make_mut(segment)[offset..].fill(0);
        }
    }
}
