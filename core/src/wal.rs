//! The write-ahead log: what a node keeps on disk, as a function from writes to bytes and back.
//!
//! Nothing here touches a file. [`Wal::append`] turns a [`Write`] into disk operations, a driver
//! carries them out, and [`replay`] turns the bytes that survived into what the node remembers. So the
//! simulator can tear the same bytes that a real disk would. `docs/formats.md` describes them.
//!
//! The log is a row of *segments*, files of a fixed size that are filled with zeros before use and
//! recycled after, because a file that grows pays for its metadata on every sync. A segment holds
//! *records*, one per write. A record says "from this index on, the log is these entries", so a
//! conflict never truncates a file, and it carries everything that a write changes, so that term, vote
//! and entries can never part.
//!
//! What a driver reads at the start it must sync before it restores a node from it: after a crash of the
//! process alone, some of it may still be in the system's cache only.
//!
//! What a record promises about itself:
//! - its checksum covers all of it;
//! - its *position* in the whole log and its *link* (the checksum of the record before) are its own,
//!   so that old bytes in a recycled segment, or bytes in the wrong place, are no records;
//! - its *synced* mark says how much of the log was durable when it was written. An unreadable record
//!   before the mark is damage. One behind every mark is a torn tail: a write that was never confirmed.

mod record;
mod replay;
mod segment;
pub mod snapshot;

pub use replay::{Damage, Replayed, Tail, replay};
pub use segment::{SEGMENT_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader, Wal};

use crate::id::{EntryId, Index, WriteSeq};
use crate::kv::store::Store;
use crate::raft::HardState;
use crate::raft::message::{Entry, SnapshotMeta};

/// One durable write: all that changed since the write before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Write {
    /// Its number; the driver reports it when it is durable.
    pub seq: WriteSeq,
    /// Term and vote, if they changed.
    pub hard_state: Option<HardState>,
    /// A new snapshot. The entries it includes are needed no more.
    pub snapshot: Option<Snapshot>,
    /// The snapshot is a leader's and takes the place of the whole log: what entries there were are void.
    pub replaces_log: bool,
    /// The index of the first of `entries`.
    pub first: Index,
    /// From `first` on, the log is these entries. If empty, the log stays as it is.
    pub entries: Vec<Entry>,
}

/// A snapshot: the store and what consensus knows of it. Cheap to clone, since stores share structure.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// What it stands for.
    pub meta: SnapshotMeta,
    /// The state at that entry.
    pub store: Store,
}

/// All that a node remembers when it starts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Durable {
    /// Term and vote.
    pub hard_state: HardState,
    /// The newest snapshot.
    pub snapshot: Option<Snapshot>,
    /// The entries after the snapshot, without a gap.
    pub entries: Vec<Entry>,
}

/// A step of a driver on its disk. Steps of one write are carried out in order; then every segment
/// written to is synced; only then is the write durable, and only then may `Retire` happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Store a snapshot as a whole or not at all: write to a temporary name, sync, rename, sync the
    /// folder.
    StoreSnapshot {
        /// Its name.
        last: EntryId,
        /// Its content.
        bytes: Vec<u8>,
    },
    /// Begin a segment of `bytes` zeros, or recycle one that is at least as long, and write `header` to
    /// its start.
    OpenSegment {
        /// Its number, which is its name.
        number: u64,
        /// Its length in bytes.
        bytes: u64,
        /// Its first bytes.
        header: Vec<u8>,
    },
    /// Write bytes into a segment.
    Write {
        /// Into this segment.
        number: u64,
        /// From this offset on.
        offset: u64,
        /// These bytes.
        bytes: Vec<u8>,
    },
    /// After the sync: segments below `segment` and snapshots other than `snapshot` are needed no more.
    Retire {
        /// The first segment still needed.
        segment: u64,
        /// The one snapshot still needed.
        snapshot: Option<EntryId>,
    },
}
