//! What is in a data directory, by kind.

use super::{IDENTITY, SET_ASIDE};
use raft_core::wal::SEGMENT_BYTES;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The files of a directory.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) identity: Option<PathBuf>,
    /// In rising order.
    pub(super) segments: Vec<(u64, PathBuf)>,
    pub(super) snapshots: Vec<PathBuf>,
    /// Whole ones; the others are temporary.
    pub(super) spares: Vec<PathBuf>,
    pub(super) temporary: Vec<PathBuf>,
    /// What an earlier life left, and could not be relied on.
    pub(super) set_aside: Vec<PathBuf>,
    /// Nothing of ours.
    pub(super) foreign: Vec<PathBuf>,
}

impl Listing {
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let mut listing = Self::default();
        let is_own = |name: &str| {
            ["identity", "snapshot-", "spare-"].iter().any(|prefix| name.starts_with(prefix))
        };
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let (name, file) = (entry.file_name(), entry.path());
            let name = name.to_str().unwrap_or_default();
            let segment = name.strip_prefix("segment-").and_then(|name| name.strip_suffix(".wal"));
            if name == IDENTITY {
                listing.identity = Some(file);
            } else if name.starts_with(SET_ASIDE) {
                listing.set_aside.push(file);
            } else if name.strip_suffix(".tmp").is_some_and(is_own) {
                listing.temporary.push(file);
            } else if let Some(number) = segment.and_then(|hex| u64::from_str_radix(hex, 16).ok()) {
                listing.segments.push((number, file));
            } else if name.starts_with("snapshot-") {
                listing.snapshots.push(file);
            } else if name.starts_with("spare-") {
                match entry.metadata()?.len() >= SEGMENT_BYTES {
                    true => listing.spares.push(file),
                    false => listing.temporary.push(file),
                }
            } else if name != "lost+found" {
                // Every ext4 file system has a lost+found, so a whole one can be a data directory.
                listing.foreign.push(file);
            }
        }
        listing.segments.sort();
        Ok(listing)
    }

    /// Whether nothing is there that a node remembered.
    pub(super) fn holds_nothing(&self) -> bool {
        let Self { identity, segments, snapshots, set_aside, .. } = self;
        identity.is_none() && segments.is_empty() && snapshots.is_empty() && set_aside.is_empty()
    }

    /// What a life had: goes when the life ends.
    pub(super) fn of_this_life(&self) -> impl Iterator<Item = &PathBuf> {
        // The identity first: without it nothing left behind can pass for a life.
        let segments = self.segments.iter().map(|(_, file)| file);
        self.identity.iter().chain(&self.snapshots).chain(segments)
    }
}
