//! A snapshot as bytes: on disk and on its way to a follower it is the same.
//!
//! It is a row of parts, each behind its length: what the snapshot stands for, the keys in order, the
//! sessions in order; then a checksum. Nothing in it depends on how it is cut into pieces, so a large one
//! is written by [`Encoder`] and read by [`Decoder`] a piece at a time, and no piece costs more than its
//! own length. `docs/formats.md` describes the bytes.

mod decoder;
mod encoder;

pub use decoder::Decoder;
pub use encoder::Encoder;

use crate::error::Error;
use crate::id::{ClientId, Index, Sequence};
use crate::kv::command::Written;
use crate::kv::store::Store;
use crate::raft::message::SnapshotMeta;
use crate::wal::Snapshot;
use serde::{Deserialize, Serialize};
use std::fmt;

const MAGIC: &[u8; 7] = b"RAFTKVS";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = MAGIC.len() + 1;

/// Stands in the place of a part's length where no more parts come.
const NO_MORE_PARTS: [u8; LENGTH_BYTES] = [0; LENGTH_BYTES];
const LENGTH_BYTES: usize = 4;

/// What a snapshot is made of, in this order. Keys and values are borrowed, since there are many.
#[derive(Serialize, Deserialize)]
enum Part<K, V> {
    /// Once.
    Start {
        meta: SnapshotMeta,
        /// The newest use of any session that was forgotten.
        forgotten: Index,
    },
    /// For each key, in rising order.
    Key { key: K, value: V, created: Index, modified: Index },
    /// For each session, in rising order of their names.
    Session { client: ClientId, used: Index, sequence: Sequence, result: Result<Written, Error> },
}

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

/// The whole snapshot as bytes, all at once. The same state gives the same bytes on every node.
pub fn encode(meta: &SnapshotMeta, store: &Store) -> Vec<u8> {
    let snapshot = Snapshot { meta: meta.clone(), store: store.clone() };
    let (bytes, _) = Encoder::new(snapshot, usize::MAX).piece(0).expect("the start comes at once");
    bytes
}

/// The inverse of [`encode`]. Never panics, whatever the bytes.
pub fn decode(bytes: &[u8]) -> Result<Snapshot, SnapshotError> {
    let mut decoder = Decoder::default();
    // In pieces, so that the decoder copies no more than one of them.
    for piece in bytes.chunks(64 << 10) {
        decoder.push(piece)?;
    }
    decoder.finish()
}
