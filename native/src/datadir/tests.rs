use super::*;
use crate::disk;
use crate::identity::Origin;
use crate::refusal::{EXIT_IDENTITY, EXIT_OTHER};
use raft_core::id::{Incarnation, Index, Term, WriteSeq};
use raft_core::raft::HardState;
use raft_core::raft::message::{Entry, Payload, SnapshotMeta};
use raft_core::time::ClusterTime;
use raft_core::wal::{SEGMENT_BYTES, Snapshot, Wal, Write as WalWrite};
use std::collections::BTreeMap;
use tempfile::TempDir;

fn founders() -> Vec<String> {
    ["localhost:8001", "localhost:8002"].map(str::to_owned).to_vec()
}

fn identity(node: u64) -> Identity {
    Identity {
        cluster: ClusterId::of(&founders()),
        node: NodeId(node),
        incarnation: Incarnation(7),
        starts: 1,
        origin: Origin::Founded(founders()),
    }
}

/// The life that follows.
fn next_life() -> Identity {
    Identity { incarnation: Incarnation(8), origin: Origin::Joined, ..identity(1) }
}

/// Every file with its bytes.
fn content(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    files.map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

fn names(path: &Path, prefix: &str) -> Vec<String> {
    let names = content(path).into_keys().map(|file| file.file_name().unwrap().to_owned());
    let names = names.map(|name| name.into_string().unwrap());
    names.filter(|name| name.starts_with(prefix)).collect()
}

/// Looked at and found to be `wanted`'s.
fn look_as(path: &Path, wanted: &Identity) -> Result<Found, Refusal> {
    let found = look(path)?;
    found.check_owner(wanted.node, Some(wanted.cluster))?;
    Ok(found)
}

/// Goes on with the life that is there, or begins the first.
fn open(path: &Path, first: &Identity) -> Opened {
    let found = look_as(path, first).unwrap();
    let identity = match &found.content {
        Content::Whole(memory) => memory.identity.clone().started(),
        _ => first.clone(),
    };
    found.open(identity).unwrap()
}

/// Refused with this exit code and these words, and nothing on disk changes.
fn assert_refused(path: &Path, wanted: &Identity, exit: u8, words: &str) {
    let before = content(path);
    let refusal = look_as(path, wanted).unwrap_err();
    assert_eq!(refusal.exit, exit, "{refusal}");
    assert!(refusal.sentence.contains(words), "{refusal}");
    assert!(refusal.sentence.contains("; "), "{refusal}");
    assert_eq!(content(path), before, "{refusal}");
}

/// Found to be node 1's and damaged, with these words; and looking has changed nothing.
fn assert_damaged(path: &Path, words: &str) {
    let before = content(path);
    let found = look_as(path, &identity(1)).unwrap();
    let Content::Damaged { why, .. } = &found.content else { panic!("{:?}", found.content) };
    assert!(why.contains(words), "{why}");
    assert_eq!(content(path), before, "{why}");
}

fn noop(term: u64) -> Entry {
    Entry { term: Term(term), time: ClusterTime(0), payload: Payload::Noop }
}

/// A directory of node 1 with term 3, two entries and, if wanted, a snapshot of the first.
fn used_directory(with_snapshot: bool) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let opened = open(directory.path(), &identity(1));
    let Identity { cluster, node, incarnation, .. } = identity(1);
    let wal = Wal::resume(cluster, node, incarnation, SEGMENT_BYTES, &opened.replayed);
    let (disk, mut state, thread) = disk::start(opened.dir, wal, None, opened.spares, 4).unwrap();
    let hard_state = Some(HardState { term: Term(3), vote: None });
    let entries = vec![noop(3), noop(3)];
    let (seq, first) = (WriteSeq(1), Index(1));
    disk.write(WalWrite { seq, hard_state, first, entries, ..Default::default() });
    if with_snapshot {
        // The next record is to say that this one is durable.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(state.wait_for(|state| state.durable == WriteSeq(1))).unwrap();
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
fn a_missing_directory_is_made_and_keeps_its_life_and_counts_its_starts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("raft-data/node-1");
    for starts in 1..=3 {
        let opened = open(&path, &Identity { incarnation: Incarnation(starts + 6), ..identity(1) });
        assert_eq!(opened.durable, Durable::default());
        assert_eq!(opened.identity, Identity { starts: starts as u32, ..identity(1) });
        let stored = fs::read_to_string(path.join(IDENTITY)).unwrap();
        assert_eq!(Identity::decode(&stored), Ok(opened.identity));
    }
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let directory = used_directory(true);
    let opened = open(directory.path(), &identity(1));
    assert_eq!(opened.durable.hard_state.term, Term(3));
    assert_eq!(opened.durable.snapshot.unwrap().meta.last, EntryId::new(3, 1));
    assert_eq!(opened.durable.entries, [noop(3)]);
    assert_eq!((opened.repair, opened.has_set_aside), (None, false));
}

#[test]
fn the_directory_of_another_node_or_cluster_is_refused() {
    let directory = used_directory(false);
    assert_refused(directory.path(), &identity(2), EXIT_IDENTITY, "belongs to node 1, not node 2");
    let other = Identity { cluster: ClusterId(1), ..identity(1) };
    let words = "belongs to the cluster localhost:8001,localhost:8002";
    assert_refused(directory.path(), &other, EXIT_IDENTITY, words);
    // Also if only its log tells whose it is.
    fs::remove_file(directory.path().join(IDENTITY)).unwrap();
    assert_refused(directory.path(), &identity(2), EXIT_IDENTITY, "belongs to node 1, not node 2");
    let words = identity(1).cluster.to_string();
    assert_refused(directory.path(), &other, EXIT_IDENTITY, &words);
}

#[test]
fn a_directory_in_use_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let _opened = open(directory.path(), &identity(1));
    assert_refused(directory.path(), &identity(1), EXIT_OTHER, "in use by another process");
}

#[test]
fn a_file_or_a_folder_of_other_things_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("notes.txt");
    fs::write(&file, "mine").unwrap();
    assert_refused(directory.path(), &identity(1), EXIT_OTHER, "not empty");
    let refusal = look(&file).unwrap_err();
    assert!(refusal.sentence.contains("no directory"), "{refusal}");
}

#[test]
fn a_newer_format_is_refused_and_so_is_a_directory_that_nothing_tells_the_owner_of() {
    let directory = used_directory(false);
    let file = directory.path().join(IDENTITY);
    let whole = fs::read_to_string(&file).unwrap();
    let lines = whole.replace("raft-kv 2", "raft-kv 3");
    let (lines, _) = lines.split_once("crc32").unwrap();
    fs::write(&file, format!("{lines}crc32 {:08x}\n", crc32fast::hash(lines.as_bytes()))).unwrap();
    assert_refused(directory.path(), &identity(1), EXIT_IDENTITY, "format 3");
    fs::write(&file, "").unwrap();
    fs::remove_file(segment(&directory, 1)).unwrap();
    assert_refused(directory.path(), &identity(1), EXIT_OTHER, "no other file tells whose it is");
}

#[test]
fn a_segment_of_another_directory_is_refused() {
    let (directory, other) = (used_directory(false), tempfile::tempdir().unwrap());
    drop(open(other.path(), &Identity { incarnation: Incarnation(9), ..identity(1) }));
    fs::copy(segment(&directory, 1), segment(&other, 1)).unwrap();
    assert_refused(other.path(), &identity(1), EXIT_IDENTITY, "belongs to another data directory");
}

#[test]
fn damage_is_found_wherever_it_is() {
    let directory = used_directory(true);
    let snapshot = directory.path().join(&names(directory.path(), "snapshot-")[0]);
    let identity = directory.path().join(IDENTITY);
    // The second record says that the first was durable.
    let cases = [
        (&segment(&directory, 1), SEGMENT_HEADER_BYTES + 40, "log segment 1 is damaged at byte 64"),
        (&segment(&directory, 1), 20, "log segment 1 has a damaged header"),
        (&snapshot, 20, "a damaged snapshot"),
        (&identity, 30, "identity file is not what was written"),
    ];
    for (file, offset, words) in cases {
        let whole = fs::read(file).unwrap();
        overwrite(file, offset, &[whole[offset as usize] ^ 0x40]);
        assert_damaged(directory.path(), words);
        fs::remove_file(file).unwrap();
        if *file != segment(&directory, 1) {
            assert_damaged(directory.path(), "missing");
        }
        fs::write(file, whole).unwrap();
    }
    assert!(matches!(look(directory.path()).unwrap().content, Content::Whole(_)));
}

/// Of the newest segment only its length says that something stood behind the cut.
#[test]
fn a_segment_that_was_cut_short_is_damage() {
    for length in [0, 64, 100, 4096, SEGMENT_BYTES - 1] {
        let directory = used_directory(false);
        let file = File::options().write(true).open(segment(&directory, 1)).unwrap();
        file.set_len(length).unwrap();
        assert_damaged(directory.path(), "cut short");
    }
}

#[test]
fn a_new_life_remembers_nothing_and_sets_the_files_of_the_old_one_aside_once() {
    let directory = used_directory(true);
    fs::write(directory.path().join("damaged-segment-of-old"), "from the life before").unwrap();
    let before = content(directory.path());
    let opened = look(directory.path()).unwrap().open_anew(next_life()).unwrap();
    assert_eq!((opened.identity.clone(), opened.durable), (next_life(), Durable::default()));
    assert!(opened.has_set_aside && opened.spares.is_empty());
    let segment = "segment-0000000000000001.wal";
    let snapshot = "snapshot-0000000000000003-0000000000000001.snap";
    let aside = [IDENTITY, segment, snapshot].map(|name| format!("{SET_ASIDE}{name}"));
    assert_eq!(names(directory.path(), SET_ASIDE), aside);
    for name in [IDENTITY, segment, snapshot] {
        let kept = fs::read(directory.path().join(format!("{SET_ASIDE}{name}"))).unwrap();
        assert_eq!(kept, before[&directory.path().join(name)], "{name}");
    }
    assert!(names(directory.path(), "spare-").is_empty(), "old records would come back to life");
    opened.dir.remove_set_aside().unwrap();
    drop(opened.dir);
    assert_eq!(names(directory.path(), ""), [IDENTITY]);
    let again = open(directory.path(), &identity(1));
    assert_eq!(again.identity, next_life().started());
    assert!(!again.has_set_aside);
}

#[test]
fn a_crash_while_a_new_life_begins_leaves_no_life_that_has_forgotten() {
    let directory = used_directory(true);
    let files = ["segment-0000000000000001.wal", "snapshot-0000000000000003-0000000000000001.snap"];
    // The identity goes first, and then one file after the other.
    for name in [IDENTITY].iter().chain(&files) {
        let aside = directory.path().join(format!("{SET_ASIDE}{name}"));
        fs::rename(directory.path().join(name), aside).unwrap();
        assert_damaged(directory.path(), "identity file is missing");
    }
    let opened = look(directory.path()).unwrap().open_anew(next_life()).unwrap();
    assert_eq!(opened.identity, next_life());
    assert_eq!(names(directory.path(), SET_ASIDE).len(), 3, "this accident's files are kept");
}

#[test]
fn a_torn_tail_is_cleared_and_told_and_the_log_before_it_kept() {
    let directory = used_directory(false);
    let offset = open(directory.path(), &identity(1)).replayed.tail.offset;
    overwrite(&segment(&directory, 1), offset, b"half a record");
    // A segment whose header never arrived.
    fs::write(segment(&directory, 2), vec![0; SEGMENT_BYTES as usize]).unwrap();
    let opened = open(directory.path(), &identity(1));
    let repair = opened.repair.unwrap();
    assert!(repair.ends_with(&format!("at byte {offset} of segment 1")), "{repair}");
    assert_eq!(opened.durable.entries, [noop(3), noop(3)]);
    drop(opened.dir);
    assert!(!segment(&directory, 2).exists());
    let again = open(directory.path(), &identity(1));
    assert_eq!((again.repair, again.replayed.tail.offset), (None, offset));
}

#[test]
fn what_a_crash_left_half_made_is_removed() {
    let directory = used_directory(true);
    let left = [
        "spare-0000000000000000.wal.tmp",
        "identity.tmp",
        "snapshot-x.snap.tmp",
        "snapshot-of-no-record.snap",
        "spare-short.wal",
    ];
    for name in left {
        fs::write(directory.path().join(name), "half").unwrap();
    }
    drop(open(directory.path(), &identity(1)));
    for name in left {
        assert!(!directory.path().join(name).exists(), "{name}");
    }
}
