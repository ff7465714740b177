use super::*;
use crate::disk;
use crate::refusal::{EXIT_IDENTITY, EXIT_OTHER};
use raft_core::id::{ClusterId, Index, NodeId, Term, WriteSeq};
use raft_core::raft::HardState;
use raft_core::raft::message::{Entry, Payload, SnapshotMeta};
use raft_core::time::ClusterTime;
use raft_core::wal::{SEGMENT_HEADER_BYTES, Wal, Write as WalWrite};
use std::collections::BTreeMap;
use tempfile::TempDir;

fn identity(node: u64) -> Identity {
    let founded_by = vec!["localhost:8001".to_owned(), "localhost:8002".to_owned()];
    let incarnation = Incarnation(7);
    Identity { cluster: ClusterId::of(&founded_by), node: NodeId(node), incarnation, founded_by }
}

/// Every file with its bytes.
fn content(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    files.map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

/// Refused with this exit code and these words, and nothing on disk changes.
fn assert_refused(path: &Path, wanted: &Identity, exit: u8, words: &str) {
    let before = content(path);
    let refusal = open(path, wanted).unwrap_err();
    assert_eq!(refusal.exit, exit, "{refusal}");
    assert!(refusal.sentence.contains(words), "{refusal}");
    assert!(refusal.sentence.contains("; "), "{refusal}");
    assert_eq!(content(path), before, "{refusal}");
}

fn noop(term: u64) -> Entry {
    Entry { term: Term(term), time: ClusterTime(0), payload: Payload::Noop }
}

/// A directory of node 1 with term 3, two entries and, if wanted, a snapshot of the first.
fn used_directory(with_snapshot: bool) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let opened = open(directory.path(), &identity(1)).unwrap();
    let Identity { cluster, node, incarnation, .. } = identity(1);
    let wal = Wal::resume(cluster, node, incarnation, SEGMENT_BYTES, &opened.replayed);
    let (disk, mut persisted, thread) =
        disk::start(opened.dir, wal, None, opened.spares, 4).unwrap();
    let hard_state = Some(HardState { term: Term(3), vote: None });
    let entries = vec![noop(3), noop(3)];
    let (seq, first) = (WriteSeq(1), Index(1));
    disk.write(WalWrite { seq, hard_state, first, entries, ..Default::default() });
    if with_snapshot {
        // The next record is to say that this one is durable.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(persisted.changed()).unwrap();
        let (last, time) = (EntryId::new(3, 1), ClusterTime(0));
        let meta = SnapshotMeta { last, time, configuration: Default::default() };
        let snapshot = Some(Snapshot { meta, store: Default::default() });
        disk.write(WalWrite { seq: WriteSeq(2), snapshot, ..Default::default() });
    }
    drop(disk);
    thread.join().unwrap();
    directory
}

fn segment(directory: &TempDir, number: u64) -> PathBuf {
    directory.path().join(format!("segment-{number:016x}.wal"))
}

fn overwrite(file: &Path, offset: u64, bytes: &[u8]) {
    let mut file = File::options().write(true).open(file).unwrap();
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn a_missing_directory_is_made_and_keeps_its_first_incarnation() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("raft-data/node-1");
    let opened = open(&path, &identity(1)).unwrap();
    assert_eq!((opened.incarnation, opened.durable), (Incarnation(7), Durable::default()));
    drop(opened.dir);
    let later = Identity { incarnation: Incarnation(8), ..identity(1) };
    assert_eq!(open(&path, &later).unwrap().incarnation, Incarnation(7));
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let directory = used_directory(true);
    let opened = open(directory.path(), &identity(1)).unwrap();
    assert_eq!(opened.durable.hard_state.term, Term(3));
    assert_eq!(opened.durable.snapshot.unwrap().meta.last, EntryId::new(3, 1));
    assert_eq!(opened.durable.entries, [noop(3)]);
    assert_eq!(opened.repair, None);
}

#[test]
fn the_directory_of_another_node_or_cluster_is_refused() {
    let directory = used_directory(false);
    assert_refused(directory.path(), &identity(2), EXIT_IDENTITY, "belongs to node 1, not node 2");
    let other = Identity { cluster: ClusterId(1), ..identity(1) };
    let words = "belongs to the cluster localhost:8001,localhost:8002";
    assert_refused(directory.path(), &other, EXIT_IDENTITY, words);
}

#[test]
fn a_directory_in_use_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let _opened = open(directory.path(), &identity(1)).unwrap();
    assert_refused(directory.path(), &identity(1), EXIT_OTHER, "in use by another process");
}

#[test]
fn a_file_or_a_folder_of_other_things_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("notes.txt");
    fs::write(&file, "mine").unwrap();
    assert_refused(directory.path(), &identity(1), EXIT_OTHER, "not empty");
    let refusal = open(&file, &identity(1)).unwrap_err();
    assert!(refusal.sentence.contains("no directory"), "{refusal}");
}

#[test]
fn a_damaged_newer_or_missing_identity_is_refused() {
    let directory = used_directory(false);
    let file = directory.path().join(IDENTITY);
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, whole.replace("node 1", "node 2")).unwrap();
    assert_refused(
        directory.path(),
        &identity(1),
        EXIT_OTHER,
        "identity file is not what was written",
    );
    fs::write(&file, whole.replace("raft-kv 1", "raft-kv 2")).unwrap();
    assert_refused(directory.path(), &identity(1), EXIT_IDENTITY, "format 2");
    fs::remove_file(&file).unwrap();
    assert_refused(directory.path(), &identity(1), EXIT_OTHER, "identity file is missing");
}

#[test]
fn a_segment_of_another_directory_is_refused() {
    let (directory, other) = (used_directory(false), tempfile::tempdir().unwrap());
    drop(open(other.path(), &Identity { incarnation: Incarnation(9), ..identity(1) }).unwrap());
    fs::copy(segment(&directory, 1), segment(&other, 1)).unwrap();
    assert_refused(other.path(), &identity(1), EXIT_IDENTITY, "belongs to another data directory");
}

#[test]
fn a_damaged_or_missing_snapshot_is_refused() {
    let directory = used_directory(true);
    let snapshot = content(directory.path())
        .into_keys()
        .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("snapshot-"))
        .unwrap();
    overwrite(&snapshot, 20, &[0xff]);
    assert_refused(directory.path(), &identity(1), EXIT_OTHER, "a damaged snapshot");
    fs::remove_file(&snapshot).unwrap();
    assert_refused(directory.path(), &identity(1), EXIT_OTHER, "unreadable");
}

#[test]
fn a_log_damaged_before_its_end_is_refused() {
    // The second record says that the first was durable.
    let directory = used_directory(true);
    overwrite(&segment(&directory, 1), SEGMENT_HEADER_BYTES + 40, &[0xff]);
    assert_refused(
        directory.path(),
        &identity(1),
        EXIT_OTHER,
        "log segment 1 is damaged at byte 64",
    );
}

#[test]
fn a_torn_tail_is_cleared_and_told_and_the_log_before_it_kept() {
    let directory = used_directory(false);
    let offset = open(directory.path(), &identity(1)).unwrap().replayed.tail.offset;
    overwrite(&segment(&directory, 1), offset, b"half a record");
    // A segment whose header never arrived.
    fs::write(segment(&directory, 2), vec![0; 4096]).unwrap();
    let opened = open(directory.path(), &identity(1)).unwrap();
    let repair = opened.repair.unwrap();
    assert!(repair.ends_with(&format!("at byte {offset} of segment 1")), "{repair}");
    assert_eq!(opened.durable.entries, [noop(3), noop(3)]);
    drop(opened.dir);
    assert!(!segment(&directory, 2).exists());
    let again = open(directory.path(), &identity(1)).unwrap();
    assert_eq!((again.repair, again.replayed.tail.offset), (None, offset));
}

#[test]
fn what_a_crash_left_half_made_is_removed() {
    let directory = used_directory(true);
    let left = [
        "spare-0000000000000000.wal.tmp",
        "snapshot-x.snap.tmp",
        "snapshot-of-no-record.snap",
        "spare-short.wal",
    ];
    for name in left {
        fs::write(directory.path().join(name), "half").unwrap();
    }
    drop(open(directory.path(), &identity(1)).unwrap());
    for name in left {
        assert!(!directory.path().join(name).exists(), "{name}");
    }
}
