//! A folder as a crash finds it: names and files, each of them synced or not.

use raft_core::id::EntryId;
use raft_core::raft::message::SnapshotMeta;
use raft_core::wal::{Durable, Replayed, Tail, replay, snapshot};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A name of a data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    Segment(u64),
    Spare(u64),
    Snapshot(EntryId),
    /// Of a snapshot that is being written.
    Temporary(EntryId),
}

/// The number of a file, whatever it is called.
pub(crate) type FileId = usize;

/// What a driver does to its folder, as far as a crash can tell.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A file of zeros, which are synced, gets its first name.
    Create {
        name: Name,
        file: FileId,
        length: usize,
    },
    Rename {
        from: Name,
        to: Name,
    },
    Remove {
        name: Name,
    },
    Write {
        file: FileId,
        offset: usize,
        bytes: Vec<u8>,
    },
    /// What was written into the file is durable.
    SyncFile {
        file: FileId,
    },
    /// Names are durable.
    SyncFolder,
}

/// Names and bytes. Clones share the bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folder {
    pub(crate) names: BTreeMap<Name, FileId>,
    pub(crate) files: Vec<Arc<Vec<u8>>>,
}

impl Folder {
    /// Carries out a step as if nothing could go wrong.
    pub(crate) fn carry_out(&mut self, step: &Step) {
        match step {
            Step::Create { name, file, length } => {
                if *file == self.files.len() {
                    self.files.push(Arc::new(vec![0; *length]));
                }
                self.names.insert(*name, *file);
            }
            Step::Rename { from, to } => {
                if let Some(file) = self.names.remove(from) {
                    self.names.insert(*to, file);
                }
            }
            Step::Remove { name } => drop(self.names.remove(name)),
            Step::Write { file, offset, bytes } => self.write(*file, *offset, bytes),
            Step::SyncFile { .. } | Step::SyncFolder => {}
        }
    }

    pub(crate) fn write(&mut self, file: FileId, offset: usize, bytes: &[u8]) {
        let content = Arc::make_mut(&mut self.files[file]);
        content.resize(content.len().max(offset + bytes.len()), 0);
        content[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    pub(crate) fn flip(&mut self, file: FileId, byte: usize, bit: u32) {
        Arc::make_mut(&mut self.files[file])[byte] ^= 1 << bit;
    }

    /// The bytes under a name.
    pub(crate) fn bytes(&self, name: Name) -> Option<&[u8]> {
        self.names.get(&name).map(|file| self.files[*file].as_slice())
    }

    /// The segments of the log in rising order.
    pub(crate) fn segments(&self) -> Vec<(u64, &[u8])> {
        let segment = |(name, file): (&Name, &FileId)| match name {
            Name::Segment(number) => Some((*number, self.files[*file].as_slice())),
            Name::Spare(_) | Name::Snapshot(_) | Name::Temporary(_) => None,
        };
        self.names.iter().filter_map(segment).collect()
    }

    /// What a node that starts here remembers, and where its log goes on. A failure is damage, in words.
    pub(crate) fn recover(&self) -> Result<(Durable, Replayed), String> {
        let mut replayed = replay(&self.segments()).map_err(|damage| damage.to_string())?;
        let snapshot = match &replayed.snapshot {
            None => None,
            Some(SnapshotMeta { last, .. }) => {
                let bytes = self.bytes(Name::Snapshot(*last));
                let bytes = bytes.ok_or_else(|| format!("snapshot {last} is missing"))?;
                Some(snapshot::decode(bytes).map_err(|error| error.to_string())?)
            }
        };
        let entries = std::mem::take(&mut replayed.entries);
        Ok((Durable { hard_state: replayed.hard_state, snapshot, entries }, replayed))
    }

    /// What a driver does before it writes behind `tail`.
    pub(crate) fn repair(&self, tail: &Tail) -> Vec<Step> {
        let mut steps = Vec::new();
        if !tail.torn {
            return steps;
        }
        let last = tail.segments.last().map_or(0, |(number, _)| *number);
        if let Some(file) = self.names.get(&Name::Segment(last)).copied() {
            let offset = tail.offset as usize;
            let bytes = vec![0; self.files[file].len().saturating_sub(offset)];
            steps.push(Step::Write { file, offset, bytes });
            steps.push(Step::SyncFile { file });
        }
        let later = self.segments().into_iter().map(|(number, _)| number).filter(|n| *n > last);
        let later: Vec<u64> = later.collect();
        steps.extend(later.into_iter().rev().map(|n| Step::Remove { name: Name::Segment(n) }));
        steps.push(Step::SyncFolder);
        steps
    }
}
