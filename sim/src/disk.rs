//! A disk: the real bytes of the write-ahead log, some of them synced and some not.
//!
//! Writes wait in memory while a sync is under way, and the next sync takes all of them (group commit).
//! A crash keeps what was synced. Of what was written and not synced, any part may have reached the
//! disk, in any order, since a page cache writes back as it likes; only a snapshot, which is synced
//! before the record that names it, is there as a whole or not at all.

mod damage;
mod files;

use crate::disk::files::{Files, Identity, written};
use crate::random::Random;
use crate::sometimes::{Point, Sometimes};
use raft_core::id::{ClusterId, EntryId, Incarnation, NodeId, WriteSeq};
use raft_core::time::Instant;
use raft_core::wal::{Durable, Op, Replayed, Tail, Wal, Write, snapshot};
use std::time::Duration;

/// Bytes that reach a disk as a whole or not at all.
const SECTOR_BYTES: usize = 512;

/// After how long without a write the newest record is marked, as the native node does it.
const MARK_AFTER: Duration = Duration::from_millis(100);

/// Whose disk it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) cluster: ClusterId,
    pub(crate) node: NodeId,
    pub(crate) incarnation: Incarnation,
    pub(crate) segment_bytes: u64,
}

/// A data directory and what is on its way there.
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
    /// What was on its way when the power failed.
    interrupted: Vec<Op>,
    /// Files that are needed no more, and go after the sync.
    retiring: Option<(u64, Option<EntryId>)>,
    /// Only while the node is up.
    wal: Option<Wal>,
    /// Since when nothing was written, and the node did not stand still.
    at_rest_since: Instant,
    /// What it held at an earlier time of this life.
    copy: Option<Box<Files>>,
    /// Some of its bytes are not what was written, and no start has noticed so far.
    is_damaged: bool,
}

/// What is in a directory.
pub(crate) struct Found {
    pub(crate) durable: Durable,
    replayed: Replayed,
}

/// What a starting node finds.
pub(crate) struct Recovered {
    pub(crate) durable: Durable,
    /// Whether there were traces of a write that was never confirmed.
    pub(crate) torn: bool,
    /// Whether such traces were left that would be read as soon as the write before them is repeated.
    pub(crate) is_haunted: bool,
}

impl Disk {
    /// An empty directory, in which a life begins.
    pub(crate) fn new(owner: Owner, is_founder: bool) -> Self {
        let identity = Identity { is_founder, ..Identity::default() };
        Self {
            owner,
            synced: Files { identity, ..Files::default() },
            unsynced: Vec::new(),
            syncing: None,
            waiting: Vec::new(),
            interrupted: Vec::new(),
            retiring: None,
            wal: None,
            at_rest_since: Instant(0),
            copy: None,
            is_damaged: false,
        }
    }

    /// The life that is led here.
    pub(crate) fn life(&self) -> Incarnation {
        self.owner.incarnation
    }

    /// How often a node was started in this life.
    pub(crate) fn starts(&self) -> u64 {
        self.synced.identity.starts
    }

    /// Whether this life was begun with the addresses that the cluster was founded with.
    pub(crate) fn is_founder(&self) -> bool {
        self.synced.identity.is_founder
    }

    /// Whether bytes were damaged since the last start.
    pub(crate) fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    /// The same disk with nothing on it: another life begins there.
    pub(crate) fn wiped(&self, life: Incarnation, is_founder: bool) -> Self {
        Self::new(Owner { incarnation: life, ..self.owner }, is_founder)
    }

    /// Keeps a copy of what is synced now.
    pub(crate) fn keep_copy(&mut self) {
        self.copy = Some(Box::new(self.synced.clone()));
    }

    /// The disk as it was when the copy was made; `None` if there is none.
    pub(crate) fn put_back(&self) -> Option<Self> {
        let copy = self.copy.as_deref()?;
        let synced = copy.clone();
        Some(Self { synced, copy: self.copy.clone(), ..Self::new(self.owner, false) })
    }

    /// Reads the disk and changes nothing. Fails, in words, if something that was written is not there.
    pub(crate) fn look(&self) -> Result<Found, String> {
        if self.synced.identity.is_damaged {
            return Err("its identity file is not what was written".to_owned());
        }
        let mut replayed = self.synced.replay().map_err(|damage| damage.to_string())?;
        let snapshot = match &replayed.snapshot {
            None => None,
            Some(meta) => {
                let last = meta.last;
                let bytes = self.synced.snapshots.get(&last);
                let bytes = bytes.ok_or_else(|| format!("snapshot {last} is missing"))?;
                let snapshot = snapshot::decode(bytes);
                let snapshot = snapshot.map_err(|error| format!("snapshot {last} is {error}"))?;
                if snapshot.meta != *meta {
                    return Err(format!("snapshot {last} is that of another entry"));
                }
                Some(snapshot)
            }
        };
        let entries = std::mem::take(&mut replayed.entries);
        Ok(Found {
            durable: Durable { hard_state: replayed.hard_state, snapshot, entries },
            replayed,
        })
    }

    /// Goes on with what was found, and clears the traces of writes that were never confirmed.
    pub(crate) fn open(
        &mut self,
        now: Instant,
        found: Found,
        sometimes: &mut Sometimes,
    ) -> Recovered {
        let Found { durable, replayed } = found;
        let Owner { cluster, node, incarnation, segment_bytes } = self.owner;
        self.wal = Some(Wal::resume(cluster, node, incarnation, segment_bytes, &replayed));
        self.synced.identity.starts += 1;
        (self.at_rest_since, self.is_damaged) = (now, false);
        let tail = &replayed.tail;
        sometimes.hit_if(tail.torn, Point::TornTail);
        if tail.torn {
            self.synced.repair(tail);
        }
        let last = replayed.snapshot.as_ref().map(|meta| meta.last);
        let is_named = |name: &EntryId| Some(*name) == last;
        sometimes.hit_if(!self.synced.snapshots.keys().all(is_named), Point::SnapshotNotNamed);
        self.synced.snapshots.retain(|name, _| is_named(name));
        let is_haunted = self.is_haunted(tail);
        self.interrupted.clear();
        Recovered { durable, torn: tail.torn, is_haunted }
    }

    /// Whether a write that was not confirmed comes back once the one before it, which was not either, is made
    /// again just as it was.
    fn is_haunted(&self, tail: &Tail) -> bool {
        let end = tail.segments.last().map(|(number, _)| (*number, tail.offset));
        let is_next = |op: &&Op| matches!(op, Op::Write { number, offset, .. } if Some((*number, *offset)) == end);
        let Some(next) = self.interrupted.iter().find(is_next) else { return false };
        let mut again = self.synced.clone();
        again.carry_out(next.clone());
        let length = written(next).len() as u64;
        again.replay().is_ok_and(|replayed| replayed.tail.offset > tail.offset + length)
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
        self.retire();
        let wal = self.wal.as_mut().expect("a node that writes is up");
        for write in self.waiting.drain(..) {
            self.unsynced.extend(wal.append(&write));
        }
        true
    }

    /// Ends the sync under way: returns the newest write that is durable now.
    pub(crate) fn finish_sync(&mut self, now: Instant, sometimes: &mut Sometimes) -> WriteSeq {
        self.carry_out(sometimes);
        self.at_rest_since = now;
        self.syncing.take().expect("a sync is under way")
    }

    fn carry_out(&mut self, sometimes: &mut Sometimes) {
        for op in self.unsynced.drain(..) {
            self.synced.notice(&op, self.owner.segment_bytes, sometimes);
            match op {
                Op::Retire { segment, snapshot } => self.retiring = Some((segment, snapshot)),
                op => self.synced.carry_out(op),
            }
        }
        self.wal.as_mut().expect("a node that syncs is up").synced();
    }

    fn retire(&mut self) {
        if let Some((segment, snapshot)) = self.retiring.take() {
            self.synced.carry_out(Op::Retire { segment, snapshot });
        }
    }

    /// Does what a disk does that has nothing to write: old files go, and after a while the newest record
    /// is marked, so that damage to it can be told from a torn tail. Nobody waits for a mark, so it is made
    /// when somebody is about to see it: before a write, and before anything happens to the disk.
    pub(crate) fn rest(&mut self, now: Instant, sometimes: &mut Sometimes) {
        let is_at_rest = self.syncing.is_none() && now - self.at_rest_since >= MARK_AFTER;
        let Some(wal) = self.wal.as_mut().filter(|_| is_at_rest) else { return };
        self.unsynced = wal.mark().unwrap_or_default();
        if !self.unsynced.is_empty() {
            sometimes.hit(Point::Marked);
            self.retire();
            self.carry_out(sometimes);
        }
    }

    /// The disk was not looked after up to now: no mark was made.
    pub(crate) fn did_not_rest(&mut self, now: Instant) {
        self.at_rest_since = now;
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
        if let Some((segment, snapshot)) = self.retiring.take() {
            self.synced.retire_some(segment, snapshot, random);
        }
        let ops = std::mem::take(&mut self.unsynced);
        self.interrupted.clone_from(&ops);
        let carried_out = random.between(0, ops.len() as u64) as usize;
        let fate =
            random.pick(&[Fate::Lost, Fate::Kept, Fate::Torn, Fate::Scattered, Fate::Unnamed]);
        let torn = random.below(carried_out as u64) as usize;
        for (number, op) in ops.into_iter().take(carried_out).enumerate() {
            match (fate, &op) {
                // What a sync must come before has not happened; what brings its own has.
                (_, Op::Retire { .. }) => {}
                (_, Op::StoreSnapshot { .. }) | (Fate::Kept, _) => self.synced.carry_out(op),
                (Fate::Lost, _) | (Fate::Unnamed, Op::OpenSegment { .. }) => {}
                (Fate::Unnamed, _) => self.synced.carry_out(op),
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
    /// All bytes are there, but not the names of new files.
    Unnamed,
}

#[cfg(test)]
mod tests {
    use super::*;
    use raft_core::id::Term;
    use raft_core::raft::HardState;

    /// A disk that has lost the first of two writes and kept the second.
    fn disk_with_a_hole() -> Disk {
        let owner = Owner {
            cluster: ClusterId(1),
            node: NodeId(1),
            incarnation: Incarnation(1),
            segment_bytes: 4 << 10,
        };
        let mut disk = Disk::new(owner, true);
        let found = disk.look().expect("nothing is there");
        disk.open(Instant(0), found, &mut Sometimes::default());
        for term in [1, 2] {
            let hard_state = Some(HardState { term: Term(term), vote: None });
            disk.write(Write { seq: WriteSeq(term), hard_state, ..Write::default() });
        }
        disk.begin_sync(&mut Sometimes::default());
        disk.interrupted = std::mem::take(&mut disk.unsynced);
        let lost = disk.interrupted.iter().position(|op| matches!(op, Op::Write { .. }));
        for (place, op) in disk.interrupted.clone().into_iter().enumerate() {
            if Some(place) != lost {
                disk.synced.carry_out(op);
            }
        }
        disk
    }

    #[test]
    fn a_torn_tail_that_is_left_is_reported() {
        let is_haunted = |mend: fn(&mut Tail)| {
            let mut disk = disk_with_a_hole();
            let mut found = disk.look().expect("a torn tail is no damage");
            assert!(found.replayed.tail.torn);
            mend(&mut found.replayed.tail);
            disk.open(Instant(1), found, &mut Sometimes::default()).is_haunted
        };
        assert!(!is_haunted(|_| ()));
        assert!(is_haunted(|tail| tail.torn = false));
    }
}
