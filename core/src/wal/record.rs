//! One record: a write as bytes.

use crate::binary;
use crate::checksum::crc32;
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

/// A record as bytes, and its checksum.
pub(crate) fn encode(body: &Body, position: u64, synced: u64, link: u32) -> (Vec<u8>, u32) {
    let mut record = binary::encode(&[0; HEADER_BYTES], body);
    let length = u32::try_from(record.len() - HEADER_BYTES).expect("writes are below 4 GiB");
    record[0..4].copy_from_slice(&length.to_le_bytes());
    record[8..16].copy_from_slice(&position.to_le_bytes());
    record[16..24].copy_from_slice(&synced.to_le_bytes());
    record[24..28].copy_from_slice(&link.to_le_bytes());
    record[28] = VERSION;
    let crc = checksum(&record);
    record[4..8].copy_from_slice(&crc.to_le_bytes());
    record.resize(record.len().next_multiple_of(ALIGN), 0);
    (record, crc)
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
    crc32(crc32(0, &record[..4]), &record[8..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{EntryId, Term};
    use crate::raft::membership::Configuration;
    use crate::raft::message::Payload;
    use crate::time::ClusterTime;

    fn read(body: &Body) -> Option<Body> {
        decode(&encode(body, 8, 8, 0).0, 8).map(|record| record.body)
    }

    #[test]
    fn a_record_that_reaches_beyond_the_last_index_is_none() {
        let entry = Entry { term: Term(1), time: ClusterTime(0), payload: Payload::Noop };
        let from =
            |first| Body { first: Index(first), entries: vec![entry.clone()], ..Body::default() };
        assert_eq!(read(&from(u64::MAX - 2)), Some(from(u64::MAX - 2)));
        assert_eq!(read(&from(u64::MAX - 1)), None);
        let behind = |index| {
            let (last, configuration) = (EntryId::new(1, index), Configuration::default());
            let meta = SnapshotMeta { last, time: ClusterTime(0), configuration };
            Body { snapshot: Some(meta), ..from(1) }
        };
        assert_eq!(read(&behind(u64::MAX - 2)), Some(behind(u64::MAX - 2)));
        assert_eq!(read(&behind(u64::MAX - 1)), None);
    }

    #[test]
    fn a_record_with_something_behind_its_body_is_none() {
        let (mut bytes, _) = encode(&Body::default(), 8, 8, 0);
        assert!(decode(&bytes, 8).is_some());
        let length = u32::from_le_bytes(bytes[..4].try_into().unwrap()) + 1;
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        let crc = checksum(&bytes[..HEADER_BYTES + length as usize]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(decode(&bytes, 8), None);
    }
}
