//! From writes to disk operations.

use crate::checksum::crc32;
use crate::id::{ClusterId, EntryId, Incarnation, Index, NodeId};
use crate::raft::HardState;
use crate::raft::message::SnapshotMeta;
use crate::seeded::{Bug, makes};
use crate::wal::record::{self, Body};
use crate::wal::{Op, Replayed, Snapshot, Tail, Write, snapshot};
use std::collections::VecDeque;

/// The usual length of a segment, in bytes: long enough that opening one is rare, short enough that
/// recycling keeps the disk small.
pub const SEGMENT_BYTES: u64 = 16 << 20;

/// Bytes before the first record of a segment.
pub const SEGMENT_HEADER_BYTES: u64 = 64;

const MAGIC: &[u8; 8] = b"RAFTKVWL";

/// The first bytes of a segment: whose log it is, and where it stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
    /// The life of the node's data directory.
    pub incarnation: Incarnation,
    /// The segment's number.
    pub number: u64,
    /// The position of its first record in the whole log, in bytes.
    pub position: u64,
    /// The checksum of the last record before it.
    pub link: u32,
}

impl SegmentHeader {
    /// The header as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES as usize);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[record::VERSION, 0, 0, 0, 0, 0, 0, 0]);
        let numbers = [self.cluster.0, self.node.0, self.incarnation.0, self.number, self.position];
        numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        bytes.extend_from_slice(&self.link.to_le_bytes());
        bytes.extend_from_slice(&crc32(0, &bytes).to_le_bytes());
        bytes
    }

    /// The header at the start of a segment; `None` if there is none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..SEGMENT_HEADER_BYTES as usize)?;
        let (content, crc) = bytes.split_at(SEGMENT_HEADER_BYTES as usize - 4);
        let number =
            |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let valid = content.starts_with(MAGIC)
            && content[8] == record::VERSION
            && crc == crc32(0, content).to_le_bytes();
        valid.then(|| Self {
            cluster: ClusterId(number(16)),
            node: NodeId(number(24)),
            incarnation: Incarnation(number(32)),
            number: number(40),
            position: number(48),
            link: u32::from_le_bytes(bytes[56..60].try_into().expect("four bytes")),
        })
    }
}

/// The writing end of the log: knows where the next record goes and what older segments still hold.
#[derive(Clone, Debug)]
pub struct Wal {
    cluster: ClusterId,
    node: NodeId,
    incarnation: Incarnation,
    segment_bytes: u64,
    /// Segments that are needed, oldest first, each with the last index it holds an entry for. The last
    /// is being written to.
    segments: VecDeque<(u64, Index)>,
    /// Where the next record goes in the last segment, and how long that segment is.
    offset: u64,
    length: u64,
    position: u64,
    synced: u64,
    link: u32,
    hard_state: HardState,
    snapshot: Option<SnapshotMeta>,
    /// The index that comes after the last entry.
    end: Index,
    /// The newest record is a mark.
    is_marked: bool,
}

impl Wal {
    /// The writing end of a log that was replayed, or of a new one if nothing was there. New segments
    /// are `segment_bytes` long.
    pub fn resume(
        cluster: ClusterId,
        node: NodeId,
        incarnation: Incarnation,
        segment_bytes: u64,
        replayed: &Replayed,
    ) -> Self {
        let Tail { segments, offset, length, position, link, end, .. } = replayed.tail.clone();
        Self {
            cluster,
            node,
            incarnation,
            segment_bytes,
            segments: segments.into(),
            offset,
            length,
            position,
            synced: position,
            link,
            hard_state: replayed.hard_state,
            snapshot: replayed.snapshot.clone(),
            end,
            is_marked: false,
        }
    }

    /// The operations that make `write` durable, once they are carried out and synced.
    pub fn append(&mut self, write: &Write) -> Vec<Op> {
        let mut ops = Vec::new();
        if let Some(Snapshot { meta, store }) = &write.snapshot {
            ops.push(Op::StoreSnapshot { last: meta.last, bytes: snapshot::encode(meta, store) });
        }
        self.append_record(
            Body {
                hard_state: write.hard_state,
                snapshot: write.snapshot.as_ref().map(|snapshot| snapshot.meta.clone()),
                replaces_log: write.replaces_log,
                first: write.first,
                entries: write.entries.clone(),
            },
            &mut ops,
        );
        ops
    }

    /// The operations that make a snapshot of the node's own the newest, after a driver has stored it
    /// apart from the write it came with, so that the log did not wait for it.
    pub fn append_stored(&mut self, snapshot: SnapshotMeta) -> Vec<Op> {
        let mut ops = Vec::new();
        self.append_record(Body { snapshot: Some(snapshot), ..Body::default() }, &mut ops);
        ops
    }

    /// The operations that mark the end of a log which is durable and at rest; `None` if that is done. A
    /// mark is a record that says nothing, but that all before it was durable: without it, damage to the
    /// newest record would look like a write that was never confirmed. Damage to the mark itself loses
    /// nothing. A driver appends it when it has been idle for a moment, and nobody waits for it.
    pub fn mark(&mut self) -> Option<Vec<Op>> {
        if self.is_marked || self.segments.is_empty() || self.synced != self.position {
            return None;
        }
        let mut ops = Vec::new();
        self.append_record(Body::default(), &mut ops);
        self.is_marked = true;
        Some(ops)
    }

    fn append_record(&mut self, mut body: Body, ops: &mut Vec<Op>) {
        self.is_marked = false;
        let has_snapshot = body.snapshot.is_some();
        self.hard_state = body.hard_state.unwrap_or(self.hard_state);
        if has_snapshot {
            self.snapshot.clone_from(&body.snapshot);
        }
        if let (Some(meta), true) = (&body.snapshot, body.replaces_log) {
            self.end = meta.last.index.next();
        }
        if !body.entries.is_empty() {
            self.end = Index(body.first.0 + body.entries.len() as u64);
        }
        let (mut bytes, mut crc) = (Vec::new(), 0);
        if !self.is_first_in_segment() {
            (bytes, crc) = record::encode(&body, self.position, self.synced, self.link);
        }
        if self.is_first_in_segment() || !self.fits(&bytes) {
            // A segment begins with all that older segments say besides entries, so that they can go.
            if !makes(Bug::SegmentWithoutVote) {
                body.hard_state = Some(self.hard_state);
            }
            body.snapshot.clone_from(&self.snapshot);
            // And where the log goes on, so that it shows if older segments are gone that are needed.
            if body.entries.is_empty() && self.end > Index(1) {
                body.first = self.end;
            }
            (bytes, crc) = record::encode(&body, self.position, self.synced, self.link);
            if !self.fits(&bytes) {
                ops.push(self.open_segment(bytes.len() as u64));
            }
        }
        let (number, last) = self.segments.back_mut().expect("a segment is open");
        if !body.entries.is_empty() {
            *last = (*last).max(Index(body.first.0 + body.entries.len() as u64 - 1));
        }
        let (number, offset) = (*number, self.offset);
        self.offset += bytes.len() as u64;
        self.position += bytes.len() as u64;
        self.link = crc;
        ops.push(Op::Write { number, offset, bytes });
        if has_snapshot {
            ops.push(self.retire());
        }
    }

    /// Every operation so far is durable: records to come will say so.
    pub fn synced(&mut self) {
        self.synced = self.position;
    }

    fn is_first_in_segment(&self) -> bool {
        self.segments.is_empty() || self.offset == SEGMENT_HEADER_BYTES
    }

    fn fits(&self, record: &[u8]) -> bool {
        !self.segments.is_empty() && self.offset + record.len() as u64 <= self.length
    }

    fn open_segment(&mut self, record_bytes: u64) -> Op {
        let number = self.segments.back().map_or(1, |(number, _)| number + 1);
        let length = self.segment_bytes.max(SEGMENT_HEADER_BYTES + record_bytes);
        let header = SegmentHeader {
            cluster: self.cluster,
            node: self.node,
            incarnation: self.incarnation,
            number,
            position: self.position,
            link: self.link,
        };
        self.segments.push_back((number, Index(0)));
        self.offset = SEGMENT_HEADER_BYTES;
        self.length = length;
        Op::OpenSegment { number, bytes: length, header: header.encode() }
    }

    /// Old segments whose entries the snapshot all includes.
    fn retire(&mut self) -> Op {
        let last: Option<EntryId> = self.snapshot.as_ref().map(|snapshot| snapshot.last);
        let covered = last.unwrap_or_default().index;
        while self.segments.len() > 1 && self.segments[0].1 <= covered {
            self.segments.pop_front();
        }
        Op::Retire { segment: self.segments[0].0, snapshot: last }
    }
}
