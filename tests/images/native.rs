//! The same images on a real file system, read and repaired by the code of the node.

use crate::folder::{Folder, Name};
use crate::recording::{CLUSTER, INCARNATION, NODE};
use raft_core::wal::{Durable, SEGMENT_BYTES};
use raft_native::datadir::{self, Content};
use raft_native::identity::{Identity, Origin};
use std::fs::{self, File};
use std::path::Path;
use tempfile::TempDir;

/// What a node finds in a data directory.
#[derive(Debug, PartialEq)]
pub(crate) enum Finding {
    /// What the life that it had remembers.
    Memory(Box<(Identity, Durable)>),
    /// That something is wrong.
    Refusal(String),
}

/// A data directory in memory, if the machine has one: thousands are made.
pub(crate) fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a directory can be made")
}

/// Whose directory it is.
pub(crate) fn identity() -> Identity {
    let origin = Origin::Founded(vec!["localhost:8001".to_owned(), "localhost:8002".to_owned()]);
    Identity { cluster: CLUSTER, node: NODE, incarnation: INCARNATION, starts: 1, origin }
}

/// Fills a directory, which may hold another folder, with this one.
pub(crate) fn fill(directory: &Path, folder: &Folder, identity: &[u8]) {
    for entry in fs::read_dir(directory).expect("it can be listed") {
        fs::remove_file(entry.expect("it can be listed").path()).expect("it can be removed");
    }
    fs::write(directory.join("identity"), identity).expect("it can be written");
    for (name, file) in &folder.names {
        let file_name = match name {
            Name::Segment(number) => format!("segment-{number:016x}.wal"),
            Name::Spare(number) => format!("spare-{number:016x}.wal"),
            Name::Snapshot(last) => snapshot(last.term.0, last.index.0),
            Name::Temporary(last) => snapshot(last.term.0, last.index.0) + ".tmp",
        };
        let path = directory.join(file_name);
        fs::write(&path, &*folder.files[*file]).expect("it can be written");
        if matches!(name, Name::Segment(_) | Name::Spare(_)) {
            // As long as a node makes them; what follows are zeros that take no room.
            let file = File::options().write(true).open(path).expect("it was written");
            file.set_len(SEGMENT_BYTES).expect("it can be longer");
        }
    }
}

fn snapshot(term: u64, index: u64) -> String {
    format!("snapshot-{term:016x}-{index:016x}.snap")
}

/// What a node that starts would find. Nothing is changed.
pub(crate) fn look(directory: &Path) -> Finding {
    let found = match datadir::look(directory) {
        Ok(found) => found,
        Err(refusal) => return Finding::Refusal(refusal.to_string()),
    };
    match found.content {
        Content::Whole(memory) => Finding::Memory(Box::new((memory.identity, memory.durable))),
        Content::Damaged { why, .. } => Finding::Refusal(why),
        Content::Nothing => Finding::Refusal("nothing".to_owned()),
    }
}

/// A node starts. Returns what it remembers, and whether it had something to repair.
pub(crate) fn open(directory: &Path) -> (Durable, bool) {
    let found = datadir::look(directory).expect("it was looked at before");
    let opened = found.open(identity()).expect("it was whole");
    (opened.durable, opened.repair.is_some())
}
