//! What else than a crash happens to the bytes of a disk.
//!
//! Damage to the newest record of a log looks like a write that was never confirmed, until a later record
//! says that it was durable (docs/guarantees.md, "The last write before a crash"). So no damage is done
//! that takes along all the records that could witness it.

use crate::disk::files::Files;
use crate::disk::{Disk, SECTOR_BYTES};
use crate::faults::Damage;
use crate::random::{Purpose, Random};
use raft_core::bytes::Bytes;
use raft_core::id::EntryId;
use raft_core::wal::{SEGMENT_HEADER_BYTES, SegmentHeader, Tail};
use std::ops::Range;
use std::sync::Arc;

/// A record of the log, as it lies in its segment.
struct Record {
    segment: u64,
    bytes: Range<usize>,
    /// Where it stands in the whole log, and how much of the log was durable when it was written.
    position: u64,
    synced: u64,
}

/// A file that is hit.
#[derive(Clone, Copy)]
enum Target {
    Identity,
    Snapshot(EntryId),
    Segment(u64),
}

impl Disk {
    /// Damages a disk whose node is down; `place` draws where. Returns whether anything changed: damage
    /// that nothing could show is not done, nor is more damage where there is some already.
    pub(crate) fn damage(&mut self, damage: Damage, place: u32) -> bool {
        let Ok(found) = self.look() else { return false };
        // What a damaged log reads like after another write says nothing of the one who reads it.
        self.interrupted.clear();
        let random = &mut Random::new(place.into(), Purpose::Disk);
        let changed = match self.target(random) {
            None => false,
            Some(Target::Identity) => {
                self.synced.identity.is_damaged = self.tells_its_owner();
                self.synced.identity.is_damaged
            }
            Some(Target::Snapshot(name)) => self.damage_snapshot(name, damage, random),
            Some(Target::Segment(number)) => {
                let records = self.synced.records(&found.replayed.tail);
                self.damage_segment(number, &records, damage, random)
            }
        };
        self.is_damaged |= changed;
        changed
    }

    fn target(&self, random: &mut Random) -> Option<Target> {
        let Files { segments, snapshots, .. } = &self.synced;
        let snapshots: Vec<Target> = snapshots.keys().copied().map(Target::Snapshot).collect();
        let segments: Vec<Target> = segments.keys().copied().map(Target::Segment).collect();
        let kinds = [snapshots, segments.clone(), segments, vec![Target::Identity]];
        let kinds: Vec<_> = kinds.into_iter().filter(|files| !files.is_empty()).collect();
        let files = random.pick(&kinds);
        (self.starts() > 0).then(|| random.pick(&files))
    }

    /// Without an identity file, only a segment can tell whose directory it is. If none does, a node
    /// refuses to start, and asks a person.
    fn tells_its_owner(&self) -> bool {
        self.synced.segments.values().any(|bytes| SegmentHeader::decode(bytes).is_some())
    }

    fn damage_snapshot(&mut self, name: EntryId, damage: Damage, random: &mut Random) -> bool {
        let whole = self.synced.snapshots[&name].to_vec();
        let bytes = match damage {
            Damage::Vanish => None,
            Damage::FlipBit => Some(with_flipped_bit(&whole, 0..whole.len(), random)),
            Damage::ZeroSector => {
                let sector = sector(&whole, 0..whole.len(), random);
                Some(with(&whole, sector.clone(), &vec![0; sector.len()]))
            }
            Damage::Truncate => Some(whole[..random.below(whole.len() as u64) as usize].to_vec()),
            Damage::StaleSector => {
                // The whole file is one that was there before.
                let copy = self.copy.as_ref().into_iter().flat_map(|copy| copy.snapshots.values());
                copy.last().map(|stale| stale.to_vec())
            }
        };
        if bytes.as_ref() == Some(&whole) {
            return false;
        }
        match bytes {
            Some(bytes) => self.synced.snapshots.insert(name, Bytes::from(bytes)),
            None => self.synced.snapshots.remove(&name),
        };
        true
    }

    fn damage_segment(
        &mut self,
        number: u64,
        records: &[Record],
        damage: Damage,
        random: &mut Random,
    ) -> bool {
        let whole = self.synced.segments[&number].clone();
        if whole.is_empty() {
            return false;
        }
        // Mostly where something stands. A file that was never more than opened may have been cut short.
        let end = records.iter().rfind(|record| record.segment == number);
        let end = end.map_or(SEGMENT_HEADER_BYTES as usize, |record| record.bytes.end);
        let used = 0..end.min(whole.len());
        let within = if random.chance(100_000) { 0..whole.len() } else { used };
        let (hit, bytes) = match damage {
            Damage::Vanish => (0..whole.len(), None),
            Damage::FlipBit => {
                let bytes = with_flipped_bit(&whole, within, random);
                let at = (0..whole.len()).find(|at| bytes[*at] != whole[*at]).unwrap_or_default();
                (at..at + 1, Some(bytes))
            }
            Damage::Truncate => {
                let length = within.start + random.below(within.len() as u64) as usize;
                (length..whole.len(), Some(whole[..length].to_vec()))
            }
            Damage::ZeroSector => {
                let sector = sector(&whole, within, random);
                (sector.clone(), Some(with(&whole, sector.clone(), &vec![0; sector.len()])))
            }
            Damage::StaleSector => {
                let sector = sector(&whole, within, random);
                let stale = self.stale(number, sector.clone(), random);
                (sector.clone(), Some(with(&whole, sector, &stale)))
            }
        };
        if bytes.as_ref().is_some_and(|bytes| bytes == &*whole)
            || !is_witnessed(number, &hit, records)
        {
            return false;
        }
        match bytes {
            Some(bytes) => self.synced.segments.insert(number, Arc::new(bytes)),
            None => self.synced.segments.remove(&number),
        };
        true
    }

    /// What stood in a sector before (its last write was lost), or stands in another (a write went there
    /// by mistake).
    fn stale(&self, number: u64, sector: Range<usize>, random: &mut Random) -> Vec<u8> {
        let before = self.copy.as_ref().and_then(|copy| copy.segments.get(&number));
        let from = match before.filter(|_| random.chance(500_000)) {
            Some(before) => before.get(sector.clone()),
            None => {
                let others: Vec<_> = self.synced.segments.values().collect();
                let other = random.pick(&others);
                let place = random.below((other.len() / SECTOR_BYTES) as u64) as usize;
                other.get(place * SECTOR_BYTES..).and_then(|bytes| bytes.get(..sector.len()))
            }
        };
        from.map_or_else(|| vec![0; sector.len()], <[u8]>::to_vec)
    }
}

/// Whether records that are not hit show that the first one that is was durable once.
fn is_witnessed(number: u64, hit: &Range<usize>, records: &[Record]) -> bool {
    let header = SEGMENT_HEADER_BYTES as usize;
    let is_hit = |record: &Record| {
        let with_header = match record.bytes.start == header {
            true => 0..record.bytes.end,
            false => record.bytes.clone(),
        };
        record.segment == number && with_header.start < hit.end && hit.start < with_header.end
    };
    let Some(first) = records.iter().find(|record| is_hit(record)) else { return true };
    let is_witness = |other: &&Record| {
        // In a segment without its header nothing can be found but by what stands before it.
        let bytes = &other.bytes;
        let is_whole = other.segment != number || bytes.start >= hit.end || bytes.end <= hit.start;
        is_whole && other.synced > first.position
    };
    records.iter().any(|other| is_witness(&other))
}

impl Files {
    /// The records of the log, in order.
    fn records(&self, tail: &Tail) -> Vec<Record> {
        let mut records = Vec::new();
        for (place, (number, _)) in tail.segments.iter().enumerate() {
            let bytes = &self.segments[number];
            let end = match tail.segments.get(place + 1) {
                None => tail.offset as usize,
                Some((next, _)) => {
                    let position = |number| SegmentHeader::decode(&self.segments[number]);
                    let position = |number| position(number).map_or(0, |header| header.position);
                    (SEGMENT_HEADER_BYTES + position(next) - position(number)) as usize
                }
            };
            let mut at = SEGMENT_HEADER_BYTES as usize;
            while at < end {
                let u64_at = |at: usize| {
                    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
                };
                // docs/formats.md: a length, a checksum, the position, what was synced, and the body from
                // byte 32 on; then up to a multiple of eight.
                let length = (u64_at(at) as u32 as usize + 32).next_multiple_of(8);
                let (position, synced) = (u64_at(at + 8), u64_at(at + 16));
                records.push(Record { segment: *number, bytes: at..at + length, position, synced });
                at += length;
            }
        }
        records
    }
}

/// A sector that overlaps `within`.
fn sector(bytes: &[u8], within: Range<usize>, random: &mut Random) -> Range<usize> {
    let place = within.start + random.below(within.len() as u64) as usize;
    let start = place / SECTOR_BYTES * SECTOR_BYTES;
    start..(start + SECTOR_BYTES).min(bytes.len())
}

fn with_flipped_bit(bytes: &[u8], within: Range<usize>, random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let place = within.start + random.below(within.len() as u64) as usize;
    bytes[place] ^= 1 << random.below(8);
    bytes
}

fn with(bytes: &[u8], place: Range<usize>, by: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[place].copy_from_slice(by);
    bytes
}
