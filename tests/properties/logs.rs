//! The write-ahead log: whatever bytes come, they are refused or read without a panic; and of a log that
//! was damaged in a few places nothing comes back that was not written.

use crate::cluster::apply;
use crate::disk::{CLUSTER, Disk};
use crate::edit::{edit, rest};
use crate::samples;
use crate::tape::Tape;
use raft_core::id::{EntryId, Incarnation, Index, NodeId};
use raft_core::kv::store::Store;
use raft_core::raft::HardState;
use raft_core::raft::message::{Entry, Payload, SnapshotMeta};
use raft_core::time::ClusterTime;
use raft_core::wal::{
    Durable, Op, SEGMENT_HEADER_BYTES, SegmentHeader, Snapshot, Wal, Write, replay,
};

const NODE: NodeId = NodeId(1);
const INCARNATION: Incarnation = Incarnation(0xa1);

/// A short log that fills several of these.
const SEGMENT_BYTES: u64 = 512;

/// Bytes of the header of a record.
const RECORD_HEADER_BYTES: usize = 32;

/// Reads segments of any bytes, a record of any body, or a log that was written and then damaged.
pub(crate) fn check(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    match tape.below(8) {
        0 => {
            let (first, gap) = (tape.below(3) as u64, 1 + tape.below(2) as u64);
            let bytes = rest(&mut tape);
            let (one, other) = bytes.split_at(bytes.len() / 2);
            read(&[(first, one), (first + gap, other)]);
        }
        1 | 2 => any_body(&mut tape),
        _ => damaged(&mut tape),
    }
}

/// What can be read can be written to.
fn read(segments: &[(u64, &[u8])]) {
    let Ok(replayed) = replay(segments) else { return };
    let tail = &replayed.tail;
    assert!(tail.offset <= tail.length, "{tail:?}");
    let mut wal = Wal::resume(CLUSTER, NODE, INCARNATION, SEGMENT_BYTES, &replayed);
    let write = Write { first: Index(1), entries: samples::entries(), ..Write::default() };
    let _ = wal.append(&write);
}

/// Records of any body, each with the right checksum in the right place.
fn any_body(tape: &mut Tape) {
    let (cluster, node, incarnation) = (CLUSTER, NODE, INCARNATION);
    let header = SegmentHeader { cluster, node, incarnation, number: 1, position: 0, link: 0 };
    let (mut segment, mut link) = (header.encode(), 0);
    let mut wal =
        Disk::default().wal(NODE, INCARNATION, 1 << 20).expect("an empty disk is not damaged");
    for write in writes(tape) {
        for op in wal.append(&write) {
            let Op::Write { bytes, .. } = op else { continue };
            let length = u32::from_le_bytes(bytes[..4].try_into().expect("four bytes"));
            let mut body = bytes[RECORD_HEADER_BYTES..][..length as usize].to_vec();
            for _ in 0..tape.below(4) {
                edit(&mut body, tape);
            }
            link = append_record(&mut segment, &body, link);
        }
    }
    segment.resize(segment.len() + 64, 0);
    read(&[(1, &segment)]);
}

/// Appends a record with this body to a segment that is the first; returns its checksum.
fn append_record(segment: &mut Vec<u8>, body: &[u8], link: u32) -> u32 {
    let position = segment.len() as u64 - SEGMENT_HEADER_BYTES;
    let mut record = vec![0; RECORD_HEADER_BYTES];
    record[0..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
    record[8..16].copy_from_slice(&position.to_le_bytes());
    record[16..24].copy_from_slice(&position.to_le_bytes());
    record[24..28].copy_from_slice(&link.to_le_bytes());
    record[28] = 1;
    record.extend_from_slice(body);
    let crc = crc32fast::hash(&[&record[..4], &record[8..]].concat());
    record[4..8].copy_from_slice(&crc.to_le_bytes());
    record.resize(record.len().next_multiple_of(8), 0);
    segment.extend_from_slice(&record);
    crc
}

/// A log that was written, marked and then damaged in up to three places.
fn damaged(tape: &mut Tape) {
    let mut disk = Disk::default();
    let mut wal = disk.wal(NODE, INCARNATION, SEGMENT_BYTES).expect("an empty disk is not damaged");
    let (mut states, mut history) = (vec![Durable::default()], Vec::new());
    for write in writes(tape) {
        disk.carry_out(wal.append(&write));
        wal.synced();
        let mut state = states.last().expect("the first is there").clone();
        apply(&mut state, &write);
        states.push(state);
        history.push(disk.clone());
    }
    let mark = wal.mark().unwrap_or_default();
    disk.carry_out(mark.clone());
    let whole = disk.clone();
    for _ in 0..1 + tape.below(3) {
        damage(&mut disk, &history, tape);
    }
    let Ok(durable) = disk.durable() else { return };
    let newest = states.last().expect("the first is there");
    assert!(states.contains(&durable), "invented: {durable:?}");
    assert!(durable == *newest || !holds(&disk, &whole, &mark), "lost in silence: {durable:?}");
}

/// Whether the mark is still there, with the header of its segment.
fn holds(disk: &Disk, whole: &Disk, mark: &[Op]) -> bool {
    mark.iter().all(|op| {
        let Op::Write { number, offset, bytes } = op else { return true };
        let (start, end) = (*offset as usize, *offset as usize + bytes.len());
        let parts = |disk: &Disk| {
            let segment = disk.segments.get(number)?;
            Some((
                segment.get(..SEGMENT_HEADER_BYTES as usize)?.to_vec(),
                segment.get(start..end)?.to_vec(),
            ))
        };
        parts(disk) == parts(whole)
    })
}

/// One fault of a disk.
fn damage(disk: &mut Disk, history: &[Disk], tape: &mut Tape) {
    let files: Vec<Vec<u8>> =
        disk.segments.values().chain(disk.snapshots.values()).cloned().collect();
    let other = tape.pick(&files).clone();
    let before = history.get(tape.below(history.len())).cloned().unwrap_or_default();
    let number = tape.below(files.len());
    let (key, bytes) = match number.checked_sub(disk.segments.len()) {
        None => {
            let (key, bytes) = disk.segments.iter_mut().nth(number).expect("it is one of them");
            (Some(*key), bytes)
        }
        Some(number) => (None, disk.snapshots.values_mut().nth(number).expect("it is one of them")),
    };
    // A block of a disk has a size, and a place that is a multiple of it.
    let size = 64 << tape.below(4);
    let start = tape.below(bytes.len().div_ceil(size)) * size;
    let block = start..bytes.len().min(start + size);
    match tape.below(6) {
        0 => bytes.truncate(tape.below(bytes.len() + 1)),
        1 => bytes[block].fill(0),
        2 => copy(bytes, block.start, other.get(block).unwrap_or_default()),
        3 => {
            let from = tape.below(other.len().div_ceil(size)) * size;
            copy(bytes, block.start, &other[from..other.len().min(from + size)]);
        }
        4 => {
            let before = key.and_then(|key| before.segments.get(&key)?.get(block.clone()));
            copy(bytes, block.start, before.unwrap_or_default());
        }
        _ => {
            if let Some(byte) = tape.below(bytes.len()).checked_rem(bytes.len()) {
                bytes[byte] ^= 1 << tape.below(8);
            }
        }
    }
}

/// Writes as much of `block` to `bytes` as has room.
fn copy(bytes: &mut [u8], at: usize, block: &[u8]) {
    let length = block.len().min(bytes.len().saturating_sub(at));
    bytes[at..at + length].copy_from_slice(&block[..length]);
}

/// Writes as a node makes them: terms, votes, entries, conflicts and snapshots.
fn writes(tape: &mut Tape) -> Vec<Write> {
    let (mut log, mut writes) = (Durable::default(), Vec::new());
    for _ in 0..1 + tape.below(12) {
        let base = log.snapshot.as_ref().map_or(0, |snapshot| snapshot.meta.last.index.0);
        let last = base + log.entries.len() as u64;
        let mut write = Write::default();
        let kind = tape.below(8);
        if kind < 2 {
            let vote = Some(NodeId(tape.below(4) as u64)).filter(|vote| vote.0 > 0);
            write.hard_state = Some(HardState { term: log.hard_state.term.next(), vote });
        }
        if kind > 0 && kind < 6 {
            let count = 1 + tape.below(3);
            write.first = Index(last + 1 - tape.below(log.entries.len() + 1).min(2) as u64);
            write.entries = (0..count).map(|_| entry(&log, tape.below(40))).collect();
        }
        if kind >= 6 {
            let index = base + 1 + tape.below(log.entries.len() + 4) as u64;
            write.replaces_log = index > last;
            write.snapshot = Some(snapshot(&log, index));
        }
        apply(&mut log, &write);
        writes.push(write);
    }
    writes
}

fn entry(log: &Durable, bytes: usize) -> Entry {
    let payload =
        if bytes == 0 { Payload::Noop } else { Payload::Command(vec![b'c'; bytes].into()) };
    Entry { term: log.hard_state.term, time: ClusterTime(bytes as u64), payload }
}

fn snapshot(log: &Durable, index: u64) -> Snapshot {
    let last = EntryId { term: log.hard_state.term, index: Index(index) };
    Snapshot { meta: SnapshotMeta { last, ..samples::meta() }, store: Store::default() }
}
