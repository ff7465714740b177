//! From bytes back to what a node remembers.

use crate::id::{EntryId, Index};
use crate::raft::HardState;
use crate::raft::message::{Entry, SnapshotMeta};
use crate::seeded::{Bug, makes};
use crate::wal::record::{self, ALIGN, Body, Record};
use crate::wal::{SEGMENT_HEADER_BYTES, SegmentHeader};
use std::fmt;

/// What a log says, and where it goes on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replayed {
    /// Term and vote.
    pub hard_state: HardState,
    /// The newest snapshot's description; the driver reads the snapshot of that name.
    pub snapshot: Option<SnapshotMeta>,
    /// The index of the first of `entries`.
    pub first: Index,
    /// The entries after the snapshot.
    pub entries: Vec<Entry>,
    /// Where writing goes on.
    pub tail: Tail,
}

/// The end of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// The segments in use, oldest first, each with the last index it holds an entry for.
    pub segments: Vec<(u64, Index)>,
    /// Where the next record goes in the last of them.
    pub offset: u64,
    /// The length of the last of them.
    pub length: u64,
    /// Where that is in the whole log, in bytes.
    pub position: u64,
    /// The checksum of the last record.
    pub link: u32,
    /// The index that comes after the last entry.
    pub end: Index,
    /// Whether a record begins at `offset` that does not end, or segments follow that were never in
    /// use: a write that was never confirmed. The driver zeroes the bytes and removes the segments
    /// before it writes.
    pub torn: bool,
}

/// Why a log cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A segment's header is unreadable, though later segments are in use.
    Header {
        /// The segment.
        segment: u64,
    },
    /// A record is unreadable, though it was durable once.
    Record {
        /// The segment.
        segment: u64,
        /// Where in it.
        offset: u64,
    },
    /// A segment is missing.
    Missing {
        /// The first segment missing.
        segment: u64,
    },
    /// Entries are missing between two records.
    Gap {
        /// The first index missing.
        index: Index,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { segment } => write!(f, "log segment {segment} has a damaged header"),
            Self::Record { segment, offset } => {
                write!(f, "log segment {segment} is damaged at byte {offset}, before its end")
            }
            Self::Missing { segment } => write!(f, "log segment {segment} is missing"),
            Self::Gap { index } => write!(f, "log entry {index} is missing"),
        }
    }
}

impl std::error::Error for Damage {}

/// Reads the segments of a log, given with their numbers in rising order. Never panics, whatever the
/// bytes. The caller has checked that the headers name the right cluster and node.
pub fn replay(segments: &[(u64, &[u8])]) -> Result<Replayed, Damage> {
    let mut replayed = Replayed::default();
    for (place, (number, bytes)) in segments.iter().enumerate() {
        let later = &segments[place + 1..];
        let tail = &mut replayed.tail;
        let Some(header) = SegmentHeader::decode(bytes).filter(|header| header.number == *number)
        else {
            // It may have been on its way to being opened, and so may those behind it. But the oldest
            // of several uses was open, and so was one with something durable in it or behind it.
            let records = bytes.get(SEGMENT_HEADER_BYTES as usize..).unwrap_or_default();
            let was_open = (place == 0 && *number > 1)
                || durable_record_in(records, tail.position, tail.position)
                || is_durable_after(later, tail.position);
            if was_open {
                return Err(Damage::Header { segment: *number });
            }
            tail.torn = true;
            return replayed.finish();
        };
        if place == 0 {
            (tail.position, tail.link) = (header.position, header.link);
        } else if *number != segments[place - 1].0 + 1
            || (header.position, header.link) != (tail.position, tail.link)
        {
            // The log ended before. Cut there, unless what is missing was durable once.
            let (segment, offset) = (segments[place - 1].0, tail.offset);
            if is_durable_after(&segments[place..], tail.position) {
                return Err(match *number == segment + 1 {
                    true => Damage::Record { segment, offset },
                    false => Damage::Missing { segment: segment + 1 },
                });
            }
            tail.torn = true;
            return replayed.finish();
        }
        tail.segments.push((*number, Index(0)));
        tail.offset = SEGMENT_HEADER_BYTES;
        tail.length = bytes.len() as u64;
        read_segment(&mut replayed, bytes)?;
        let tail = &mut replayed.tail;
        let rest = bytes.get(tail.offset as usize..).unwrap_or_default();
        // Older segments went only after a record was durable in one of those that stayed.
        let lost_all =
            place == 0 && *number > 1 && later.is_empty() && tail.offset == SEGMENT_HEADER_BYTES;
        if lost_all || durable_record_in(rest, tail.position, tail.position) {
            return Err(Damage::Record { segment: *number, offset: tail.offset });
        }
        // Of a torn write nothing may be left, and of the write behind it all: that must not come back.
        let is_begun = || record::is_begun(rest, tail.position);
        let is_followed = || records_in(rest, tail.position).next().is_some();
        tail.torn = later.is_empty() && (is_begun() || is_followed());
        if tail.torn && makes(Bug::TornTailIsDamage) {
            return Err(Damage::Record { segment: *number, offset: tail.offset });
        }
        tail.torn &= !makes(Bug::TornTailStays);
    }
    replayed.finish()
}

fn read_segment(replayed: &mut Replayed, bytes: &[u8]) -> Result<(), Damage> {
    loop {
        let tail = &mut replayed.tail;
        let rest = bytes.get(tail.offset as usize..).unwrap_or_default();
        let Some(record) = record::decode(rest, tail.position) else { return Ok(()) };
        if record.link != tail.link {
            return Ok(());
        }
        let Record { crc, bytes: length, body, .. } = record;
        tail.offset += length as u64;
        tail.position += length as u64;
        tail.link = crc;
        if let (Some((_, last)), false) = (tail.segments.last_mut(), body.entries.is_empty()) {
            *last = (*last).max(Index(body.first.0 + body.entries.len() as u64 - 1));
        }
        fold(replayed, body)?;
    }
}

/// What one record changes. Entries may begin behind the snapshot known so far: what came before them
/// was in segments that a later snapshot made needless.
fn fold(replayed: &mut Replayed, body: Body) -> Result<(), Damage> {
    if let Some(hard_state) = body.hard_state {
        replayed.hard_state = hard_state;
    }
    if let Some(snapshot) = body.snapshot {
        if body.replaces_log {
            replayed.entries.clear();
            replayed.first = snapshot.last.index.next();
        }
        replayed.drop_covered(snapshot.last);
        replayed.snapshot = Some(snapshot);
    }
    let end = replayed.end();
    if replayed.entries.is_empty() {
        // Even without entries it says where the log goes on: what came before may be gone.
        replayed.first = match body.entries.is_empty() {
            true => replayed.first.max(body.first),
            false => body.first,
        };
        replayed.entries = body.entries;
    } else if body.first > end {
        return Err(Damage::Gap { index: end });
    } else if body.first < replayed.first && !body.entries.is_empty() {
        replayed.first = body.first;
        replayed.entries = body.entries;
    } else if !body.entries.is_empty() {
        if !makes(Bug::ReplayKeepsReplaced) {
            replayed.entries.truncate((body.first.0 - replayed.first.0) as usize);
        }
        replayed.entries.extend(body.entries);
    }
    Ok(())
}

impl Replayed {
    /// The index that comes after the last entry.
    fn end(&self) -> Index {
        Index(self.first.0.max(1) + self.entries.len() as u64)
    }

    /// Drops the entries that a snapshot includes.
    fn drop_covered(&mut self, last: EntryId) {
        let covered = last.index.next().0.saturating_sub(self.first.0) as usize;
        self.entries.drain(..covered.min(self.entries.len()));
        self.first = self.first.max(last.index.next());
    }

    /// The log must go on where the snapshot ends.
    fn finish(mut self) -> Result<Self, Damage> {
        // Segments go only once a record that names a snapshot is durable in one of those that stay.
        let first_segment = self.tail.segments.first().map_or(1, |(number, _)| *number);
        if first_segment > 1 && self.snapshot.is_none() {
            return Err(Damage::Missing { segment: 1 });
        }
        let last = self.snapshot.as_ref().map(|snapshot| snapshot.last).unwrap_or_default();
        self.drop_covered(last);
        self.tail.end = self.end();
        match self.first > last.index.next() {
            true => Err(Damage::Gap { index: last.index.next() }),
            false => Ok(self),
        }
    }
}

/// Whether a record in one of `segments` shows that the log was durable beyond `position`.
fn is_durable_after(segments: &[(u64, &[u8])], position: u64) -> bool {
    segments.iter().any(|(_, bytes)| {
        let records = bytes.get(SEGMENT_HEADER_BYTES as usize..).unwrap_or_default();
        SegmentHeader::decode(bytes)
            .is_some_and(|header| durable_record_in(records, header.position, position))
    })
}

/// Whether some record in `bytes`, which start at position `start`, was written when the log was
/// durable beyond `position`.
fn durable_record_in(bytes: &[u8], start: u64, position: u64) -> bool {
    if makes(Bug::DamageIsTornTail) {
        return false;
    }
    records_in(bytes, start).any(|record| record.synced > position)
}

/// The records in `bytes`, which start at position `start`, wherever they are.
fn records_in(bytes: &[u8], start: u64) -> impl Iterator<Item = Record> {
    (0..bytes.len().saturating_sub(record::HEADER_BYTES)).step_by(ALIGN).filter_map(move |offset| {
        // Most of a segment is zeros; no record's position is zero behind the first.
        match bytes[offset..offset + record::HEADER_BYTES] == [0; record::HEADER_BYTES] {
            true => None,
            false => record::decode(&bytes[offset..], start + offset as u64),
        }
    })
}
