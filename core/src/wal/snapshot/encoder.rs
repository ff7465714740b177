//! From a state to bytes, a piece at a time and from any place on.

use crate::bytes::Bytes;
use crate::checksum::crc32;
use crate::id::ClientId;
use crate::kv::key::Key;
use crate::kv::store::Store;
use crate::wal::Snapshot;
use crate::wal::snapshot::{LENGTH_BYTES, MAGIC, NO_MORE_PARTS, Part, VERSION};

/// Encoding goes on block by block: as many parts as make so many bytes, or if they are small so many
/// parts. What two pieces share of a block is encoded twice, which costs little at this size; and there
/// is one mark for each.
const BLOCK_BYTES: usize = 64 << 10;
const BLOCK_PARTS: usize = 512;

/// Gives out a snapshot as bytes, in pieces and in any order, to as many followers as want it. It keeps
/// no bytes, only the places of blocks that it has passed.
#[derive(Clone, Debug)]
pub struct Encoder {
    snapshot: Snapshot,
    /// The longest piece, in bytes.
    limit: usize,
    /// Where the blocks begin that it knows of. The first block is always known.
    marks: Vec<Mark>,
}

/// A place between two parts.
#[derive(Clone, Debug, Default)]
struct Mark {
    /// How many bytes are before it.
    offset: u64,
    /// Their checksum.
    crc: u32,
    /// The last key before it.
    key: Option<Key>,
    /// The last session before it.
    client: Option<ClientId>,
}

impl Encoder {
    /// Costs nothing. Pieces are at most `limit` bytes long.
    pub fn new(snapshot: Snapshot, limit: usize) -> Self {
        Self { snapshot, limit: limit.max(1), marks: vec![Mark::default()] }
    }

    /// What is encoded.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The state that was encoded.
    pub fn into_store(self) -> Store {
        self.snapshot.store
    }

    /// The bytes from `offset` on, and whether they are the last. Behind the end there are none.
    ///
    /// A call encodes few more blocks than make a piece, so a piece of many small keys is shorter.
    /// `None` if that does not reach `offset`, as when a leader goes on with a transfer that another has
    /// begun: ask again. From the start, and where a piece ended that was given out before, something
    /// comes at once.
    pub fn piece(&mut self, offset: u64) -> Option<(Vec<u8>, bool)> {
        let end = offset.saturating_add(self.limit as u64);
        let mut block = self.marks.partition_point(|mark| mark.offset <= offset) - 1;
        let start = self.marks[block].offset;
        let (mut bytes, mut is_whole) = (Vec::new(), false);
        for _ in 0..self.limit / self.block_bytes() + 2 {
            if is_whole || start + bytes.len() as u64 >= end {
                break;
            }
            let next = self.append_block(&self.marks[block], &mut bytes);
            is_whole = next.is_none();
            block += 1;
            if block == self.marks.len() {
                self.marks.extend(next);
            }
        }
        let before = usize::try_from(offset - start).unwrap_or(usize::MAX).min(bytes.len());
        bytes.drain(..before);
        if bytes.is_empty() && !is_whole {
            return None;
        }
        let is_last = is_whole && bytes.len() <= self.limit;
        bytes.truncate(self.limit);
        Some((bytes, is_last))
    }

    fn block_bytes(&self) -> usize {
        self.limit.min(BLOCK_BYTES)
    }

    /// Encodes the block at `mark`. Returns where the next begins, if this was not the last.
    fn append_block(&self, mark: &Mark, bytes: &mut Vec<u8>) -> Option<Mark> {
        let start = bytes.len();
        if mark.offset == 0 {
            bytes.extend_from_slice(MAGIC);
            bytes.push(VERSION);
        }
        let (mut key, mut client) = (mark.key.as_ref(), mark.client);
        for (count, part) in (1..).zip(parts_after(&self.snapshot, mark)) {
            append_part(&part, bytes);
            match part {
                Part::Start { .. } => {}
                Part::Key { key: last, .. } => key = Some(last),
                Part::Session { client: last, .. } => client = Some(last),
            }
            let length = bytes.len() - start;
            if length >= self.block_bytes() || count == BLOCK_PARTS {
                let crc = crc32(mark.crc, &bytes[start..]);
                let offset = mark.offset + length as u64;
                return Some(Mark { offset, crc, key: key.cloned(), client });
            }
        }
        bytes.extend_from_slice(&NO_MORE_PARTS);
        let crc = crc32(mark.crc, &bytes[start..]);
        bytes.extend_from_slice(&crc.to_le_bytes());
        None
    }
}

/// The parts behind a mark, in order.
fn parts_after<'a>(
    Snapshot { meta, store }: &'a Snapshot,
    mark: &'a Mark,
) -> impl Iterator<Item = Part<&'a Key, &'a Bytes>> {
    let forgotten = store.sessions().forgotten();
    let start = (mark.offset == 0).then(|| Part::Start { meta: meta.clone(), forgotten });
    let keys = store.after(mark.key.as_ref()).map(|(key, record)| {
        let (created, modified) = (record.created, record.modified);
        Part::Key { key, value: &record.value, created, modified }
    });
    let sessions = store.sessions().after(mark.client).map(|(client, known)| {
        let (used, sequence, result) = (known.used, known.sequence, known.result.clone());
        Part::Session { client, used, sequence, result }
    });
    start.into_iter().chain(keys).chain(sessions)
}

fn append_part(part: &Part<&Key, &Bytes>, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; LENGTH_BYTES]);
    *bytes = postcard::to_extend(part, std::mem::take(bytes)).expect("parts always encode");
    let (length, part) = bytes[start..].split_at_mut(LENGTH_BYTES);
    let part_bytes = u32::try_from(part.len()).expect("keys and values are far below 4 GiB");
    length.copy_from_slice(&part_bytes.to_le_bytes());
}
