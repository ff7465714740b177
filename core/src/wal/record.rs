//! One record: a write as bytes.

use crate::id::Index;
use crate::raft::HardState;
use crate::raft::message::{Entry, SnapshotMeta};
use serde::{Deserialize, Serialize};

/// The version of the record format.
pub(crate) const VERSION: u8 = 1;

/// Bytes before a record's body.
pub(crate) const HEADER_BYTES: usize = 32;

/// Records start at multiples of this.
pub(crate) const ALIGN: usize = 8;

/// What a record says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Body {
    pub(crate) hard_state: Option<HardState>,
    pub(crate) snapshot: Option<SnapshotMeta>,
    pub(crate) replaces_log: bool,
    pub(crate) first: Index,
    pub(crate) entries: Vec<Entry>,
}

/// A record read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Where it stands in the whole log, in bytes.
    pub(crate) position: u64,
    /// What was durable when it was written, as a position.
    pub(crate) synced: u64,
    /// The checksum of the record before.
    pub(crate) link: u32,
    /// Its own checksum.
    pub(crate) crc: u32,
    pub(crate) body: Body,
    /// Bytes from its start to the start of the next.
    pub(crate) bytes: usize,
}

/// Appends a record to `out` and returns its checksum.
pub(crate) fn encode(body: &Body, position: u64, synced: u64, link: u32, out: &mut Vec<u8>) -> u32 {
    let start = out.len();
    // About as long as it will be, so that it is written without being moved.
    let entries: usize = body.entries.iter().map(Entry::size).sum();
    out.reserve(HEADER_BYTES + 64 + entries);
    out.extend_from_slice(&[0; HEADER_BYTES]);
    *out = postcard::to_extend(body, std::mem::take(out)).expect("records always encode");
    let length = u32::try_from(out.len() - start - HEADER_BYTES).expect("writes are below 4 GiB");
    let header = &mut out[start..start + HEADER_BYTES];
    header[0..4].copy_from_slice(&length.to_le_bytes());
    header[8..16].copy_from_slice(&position.to_le_bytes());
    header[16..24].copy_from_slice(&synced.to_le_bytes());
    header[24..28].copy_from_slice(&link.to_le_bytes());
    header[28] = VERSION;
    let crc = checksum(&out[start..]);
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    out.resize(start + (out.len() - start).next_multiple_of(ALIGN), 0);
    crc
}

/// Reads the record at the start of `bytes`; `None` if there is none that belongs at `position`.
pub(crate) fn decode(bytes: &[u8], position: u64) -> Option<Record> {
    let header = bytes.get(..HEADER_BYTES)?;
    let u32_at = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
    let u64_at =
        |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"));
    // The cheap tests come first: a search for records tries every aligned offset.
    if u64_at(8) != position || header[28] != VERSION {
        return None;
    }
    let whole = bytes.get(..HEADER_BYTES.checked_add(u32_at(0) as usize)?)?;
    if checksum(whole) != u32_at(4) {
        return None;
    }
    let (body, rest) = postcard::take_from_bytes(&whole[HEADER_BYTES..]).ok()?;
    let body: Body = body;
    // A forged record could name places in the log that no number reaches.
    let last = body.snapshot.as_ref().map_or(body.first, |meta| meta.last.index.max(body.first));
    if !rest.is_empty() || last.0.checked_add(body.entries.len() as u64 + 1).is_none() {
        return None;
    }
    Some(Record {
        position,
        synced: u64_at(16),
        link: u32_at(24),
        crc: u32_at(4),
        body,
        bytes: whole.len().next_multiple_of(ALIGN),
    })
}

/// Whether somebody began to write a record for `position` at the start of `bytes`. An older use of a
/// recycled segment does not look so.
pub(crate) fn is_begun(bytes: &[u8], position: u64) -> bool {
    let header = bytes.get(..HEADER_BYTES).unwrap_or_default();
    header.iter().any(|byte| *byte != 0) && header[8..16] == position.to_le_bytes()
}

/// CRC-32 of a record, without the four bytes that hold it.
fn checksum(record: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&record[..4]);
    hasher.update(&record[8..]);
    hasher.finalize()
}
