//! What a life remembers: read from its files, and cleared of what a crash left.

use super::listing::Listing;
use super::{DataDir, fill_with_zeros};
use crate::identity::Identity;
use raft_core::raft::membership::Configuration;
use raft_core::raft::message::{Payload, SnapshotMeta};
use raft_core::wal::snapshot::{Decoder, SnapshotError};
use raft_core::wal::{self, Durable, Replayed, SEGMENT_BYTES, SegmentHeader, Snapshot};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// How much of a snapshot is read at once, in bytes.
const READ_BYTES: usize = 64 << 10;

/// What a life remembers, whole.
#[derive(Debug)]
pub struct Memory {
    /// Whose life it is.
    pub identity: Identity,
    /// What the node remembers.
    pub durable: Durable,
    /// Where the log goes on; the entries are in `durable`.
    pub replayed: Replayed,
}

/// Why files are no memory.
#[derive(Debug)]
pub(super) enum Unfit {
    /// A file cannot be read now, and may be another time.
    Unreadable(PathBuf, io::Error),
    /// A segment of another directory.
    Foreign(PathBuf),
    /// Something that was written is gone.
    Damaged(String),
}

impl Memory {
    pub(super) fn read(
        dir: &DataDir,
        listing: &Listing,
        identity: Identity,
    ) -> Result<Self, Unfit> {
        let mut segments = Vec::new();
        for (number, file) in &listing.segments {
            let bytes = read(file)?;
            let is_foreign = |header: SegmentHeader| {
                (header.cluster, header.node, header.incarnation)
                    != (identity.cluster, identity.node, identity.incarnation)
            };
            if SegmentHeader::decode(&bytes).is_some_and(is_foreign) {
                return Err(Unfit::Foreign(file.clone()));
            }
            // Filled and synced before it got its name: no crash makes it shorter, and what is cut off
            // could be the end of the log.
            if (bytes.len() as u64) < SEGMENT_BYTES {
                return Err(Unfit::Damaged(format!("{} has been cut short", file.display())));
            }
            segments.push((*number, bytes));
        }
        let borrowed: Vec<(u64, &[u8])> =
            segments.iter().map(|(number, bytes)| (*number, bytes.as_slice())).collect();
        let mut replayed =
            wal::replay(&borrowed).map_err(|damage| Unfit::Damaged(damage.to_string()))?;
        let meta = replayed.snapshot.as_ref();
        let snapshot = meta.map(|meta| read_snapshot(dir, meta)).transpose()?;
        let entries = std::mem::take(&mut replayed.entries);
        let durable = Durable { hard_state: replayed.hard_state, snapshot, entries };
        Ok(Self { identity, durable, replayed })
    }

    /// The last configuration it holds, if any: where the others were.
    pub fn configuration(&self) -> Option<&Configuration> {
        let newest = self.durable.entries.iter().rev().find_map(|entry| match &entry.payload {
            Payload::Configuration(configuration) => Some(&**configuration),
            Payload::Noop | Payload::Command(_) => None,
        });
        newest.or_else(|| self.durable.snapshot.as_ref().map(|s| &s.meta.configuration))
    }

    /// A process that was killed may have left what it wrote in the system's cache only. The node will
    /// vouch for all that was read, and older snapshots go, so it must be on the disk first.
    pub(super) fn sync(&self, dir: &DataDir, listing: &Listing) -> io::Result<()> {
        let snapshot = self.snapshot_file(dir);
        for file in listing.segments.iter().map(|(_, file)| file).chain(&snapshot) {
            File::open(file)?.sync_all()?;
        }
        dir.sync()
    }

    /// Clears what crashes left: snapshots that no record names, and bytes behind the end of the log.
    /// Says what was cleared, if a person wants to know.
    pub(super) fn repair(&self, dir: &DataDir, listing: &Listing) -> io::Result<Option<String>> {
        let kept = self.snapshot_file(dir);
        for file in listing.snapshots.iter().filter(|file| Some(*file) != kept.as_ref()) {
            fs::remove_file(file)?;
        }
        let tail = &self.replayed.tail;
        if !tail.torn {
            return Ok(None);
        }
        let last = tail.segments.last().map(|(number, _)| *number);
        if let Some(number) = last {
            let mut file = File::options().write(true).open(dir.segment(number))?;
            fill_with_zeros(&mut file, tail.offset, tail.length)?;
            file.sync_all()?;
        }
        // From the last to the first, so that a crash in between leaves no gap.
        let mut later = listing.segments.iter().filter(|(number, _)| Some(*number) > last).rev();
        later.try_for_each(|(_, file)| fs::remove_file(file))?;
        dir.sync()?;
        Ok(Some(format!(
            "cleared what stood behind the end of the log, at byte {} of segment {}",
            tail.offset,
            last.unwrap_or_default()
        )))
    }

    fn snapshot_file(&self, dir: &DataDir) -> Option<PathBuf> {
        self.durable.snapshot.as_ref().map(|snapshot| dir.snapshot(snapshot.meta.last))
    }
}

/// A file's bytes.
fn read(file: &Path) -> Result<Vec<u8>, Unfit> {
    fs::read(file).map_err(|error| unfit(file, error))
}

/// Reads a snapshot a piece at a time: all of its bytes at once would be as much memory again as what
/// they stand for.
fn read_snapshot(dir: &DataDir, meta: &SnapshotMeta) -> Result<Snapshot, Unfit> {
    let path = dir.snapshot(meta.last);
    let wrong = |why: &str| Unfit::Damaged(format!("{} is {why}", path.display()));
    let damaged = |error: SnapshotError| wrong(&error.to_string());
    let mut file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(wrong("missing")),
        opened => opened.map_err(|error| unfit(&path, error))?,
    };
    let (mut decoder, mut piece) = (Decoder::default(), vec![0; READ_BYTES]);
    loop {
        let length = file.read(&mut piece).map_err(|error| unfit(&path, error))?;
        if length == 0 {
            break;
        }
        decoder.push(&piece[..length]).map_err(damaged)?;
    }
    let snapshot = decoder.finish().map_err(damaged)?;
    let is_named = snapshot.meta == *meta;
    is_named.then_some(snapshot).ok_or_else(|| wrong("the snapshot of another entry"))
}

/// A disk that cannot read a place any more has lost it as one that reads it wrong.
fn unfit(file: &Path, error: io::Error) -> Unfit {
    match error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) {
        true => Unfit::Damaged(format!("{} cannot be read any more ({error})", file.display())),
        false => Unfit::Unreadable(file.to_owned(), error),
    }
}
