//! A snapshot as bytes: on disk and on its way to a follower it is the same.

use crate::kv::store::Store;
use crate::raft::message::SnapshotMeta;
use crate::wal::Snapshot;
use bytes::{BufMut, Bytes, BytesMut};
use std::fmt;

const MAGIC: &[u8; 7] = b"RAFTKVS";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 8;

/// Why bytes are no snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// They do not begin as a snapshot does.
    NotASnapshot,
    /// A snapshot of another version.
    Version(u8),
    /// Some of them are not what was written.
    Damaged,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotASnapshot => write!(f, "not a snapshot"),
            Self::Version(have) => write!(f, "a snapshot of version {have}, not {VERSION}"),
            Self::Damaged => write!(f, "a damaged snapshot"),
        }
    }
}

impl std::error::Error for SnapshotError {}

/// The snapshot as bytes. The same state gives the same bytes on every node, so that a transfer begun
/// by one leader can be ended by another.
pub fn encode(meta: &SnapshotMeta, store: &Store) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    bytes.put_slice(MAGIC);
    bytes.put_u8(VERSION);
    let mut bytes = postcard::to_extend(&(meta, store), Vec::from(bytes)).expect("always encodes");
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// The inverse of [`encode`]. Never panics, whatever the bytes.
pub fn decode(bytes: &[u8]) -> Result<Snapshot, SnapshotError> {
    let (header, rest) = bytes.split_at_checked(HEADER_BYTES).ok_or(SnapshotError::NotASnapshot)?;
    if !header.starts_with(MAGIC) {
        return Err(SnapshotError::NotASnapshot);
    }
    if header[MAGIC.len()] != VERSION {
        return Err(SnapshotError::Version(header[MAGIC.len()]));
    }
    let (body, crc) = rest.split_last_chunk::<4>().ok_or(SnapshotError::Damaged)?;
    if crc32fast::hash(&bytes[..bytes.len() - 4]).to_le_bytes() != *crc {
        return Err(SnapshotError::Damaged);
    }
    match postcard::take_from_bytes(body) {
        Ok(((meta, store), [])) => Ok(Snapshot { meta, store }),
        _ => Err(SnapshotError::Damaged),
    }
}

/// A piece of `bytes` from `offset` on, at most `limit` long, and whether it is the last.
pub fn chunk(bytes: &Bytes, offset: u64, limit: usize) -> (Bytes, bool) {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    let end = start.saturating_add(limit).min(bytes.len());
    (bytes.slice(start..end), end == bytes.len())
}
