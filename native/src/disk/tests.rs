use super::spares::SPARES_KEPT_MAX;
use super::*;
use crate::datadir;
use crate::identity::{Identity, Origin};
use raft_core::id::{ClusterId, Incarnation, Index, NodeId, Term};
use raft_core::kv::store::Store;
use raft_core::raft::message::{Entry, Payload, SnapshotMeta};
use raft_core::time::ClusterTime;

const VALUE_BYTES: usize = 1 << 20;

fn open(path: &Path) -> datadir::Opened {
    let cluster = ClusterId::of(&["localhost:8001"]);
    let (node, incarnation, origin) = (NodeId(1), Incarnation(7), Origin::Joined);
    let identity = Identity { cluster, node, incarnation, starts: 1, origin };
    datadir::look(path).unwrap().open(identity).unwrap()
}

/// A disk as a node has it, on a directory that outlives it.
struct Running {
    disk: Disk,
    state: watch::Receiver<DiskState>,
    thread: JoinHandle<()>,
}

impl Running {
    fn start(path: &Path) -> Self {
        let datadir::Opened { dir, identity, replayed, spares, .. } = open(path);
        let Identity { cluster, node, incarnation, .. } = identity;
        let wal = Wal::resume(cluster, node, incarnation, SEGMENT_BYTES, &replayed);
        let current = replayed.tail.segments.last().map(|(number, _)| *number);
        let (disk, state, thread) = start(dir, wal, current, spares, 4).unwrap();
        Self { disk, state, thread }
    }

    fn wait_for(&mut self, seq: u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.state.wait_for(|state| state.durable.0 >= seq)).unwrap();
    }

    fn stop(self) {
        drop(self.disk);
        self.thread.join().unwrap();
    }
}

/// The write that appends one large entry, numbered as its index.
fn append(index: u64) -> Write {
    let payload = Payload::Command(vec![index as u8; VALUE_BYTES].into());
    let entries = vec![Entry { term: Term(1), time: ClusterTime(index), payload }];
    Write { seq: WriteSeq(index), first: Index(index), entries, ..Default::default() }
}

fn snapshot(index: u64) -> Option<Snapshot> {
    let (last, time) = (EntryId::new(1, index), ClusterTime(index));
    let meta = SnapshotMeta { last, time, configuration: Default::default() };
    Some(Snapshot { meta, store: Store::default() })
}

/// The times of the entries that a directory holds: they are the indices they were made for.
fn entries(path: &Path) -> Vec<u64> {
    open(path).durable.entries.iter().map(|entry| entry.time.0).collect()
}

fn names(path: &Path, prefix: &str) -> Vec<String> {
    let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.to_str().unwrap().to_owned());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
    names.sort();
    names
}

#[test]
fn writes_over_several_segments_come_back_in_order_after_each_restart() {
    let directory = tempfile::tempdir().unwrap();
    for start in [1, 21] {
        let mut running = Running::start(directory.path());
        for index in start..start + 20 {
            running.disk.write(append(index));
            running.wait_for(index);
        }
        running.stop();
    }
    assert!(names(directory.path(), "segment-").len() >= 3);
    assert_eq!(entries(directory.path()), (1..=40).collect::<Vec<u64>>());
}

#[test]
fn segments_that_a_snapshot_covers_are_recycled_and_their_old_records_stay_dead() {
    let directory = tempfile::tempdir().unwrap();
    let mut running = Running::start(directory.path());
    for index in 1..=100 {
        let before = names(directory.path(), "segment-");
        let is_snapshot = index % 40 == 0;
        let taken = if is_snapshot { snapshot(index - 1) } else { None };
        running.disk.write(Write { snapshot: taken, ..append(index) });
        running.wait_for(index);
        // It is stored aside, then named, and then what it covers goes.
        let deadline = Instant::now() + Duration::from_secs(60);
        while is_snapshot && names(directory.path(), "segment-").first() == before.first() {
            assert!(Instant::now() < deadline, "the snapshot of {index} retires nothing");
            thread::yield_now();
        }
    }
    running.stop();

    // 40 MiB between two snapshots, and what one of them cannot retire yet.
    assert!(names(directory.path(), "segment-").len() <= 5);
    assert!((2..=SPARES_KEPT_MAX).contains(&names(directory.path(), "spare-").len()));
    assert_eq!(names(directory.path(), "snapshot-").len(), 1);
    assert_eq!(open(directory.path()).durable.snapshot, snapshot(79));
    assert_eq!(entries(directory.path()), (80..=100).collect::<Vec<u64>>());
}

#[test]
fn a_disk_that_stops_names_the_snapshot_it_is_storing() {
    let directory = tempfile::tempdir().unwrap();
    let mut running = Running::start(directory.path());
    let write = Write { snapshot: snapshot(1), ..append(1) };
    running.disk.write(write);
    running.wait_for(1);
    running.stop();
    assert_eq!(open(directory.path()).durable.snapshot, snapshot(1));
    assert_eq!(entries(directory.path()), [0; 0]);
}

#[test]
fn a_leader_s_snapshot_is_not_undone_by_an_older_one_of_the_node_s_own() {
    let directory = tempfile::tempdir().unwrap();
    let mut running = Running::start(directory.path());
    running.disk.write(Write { snapshot: snapshot(1), ..append(1) });
    let (seq, snapshot_of_leader) = (WriteSeq(2), snapshot(50));
    let write =
        Write { seq, snapshot: snapshot_of_leader, replaces_log: true, ..Default::default() };
    running.disk.write(write);
    running.wait_for(2);
    let stored = names(directory.path(), "snapshot-").pop();
    assert_eq!(stored.as_deref(), Some("snapshot-0000000000000001-0000000000000032.snap"));
    running.stop();
    assert_eq!(names(directory.path(), "snapshot-").len(), 1);
    assert_eq!(open(directory.path()).durable.snapshot, snapshot(50));
}

#[test]
fn a_snapshot_that_is_stored_and_not_yet_named_outlives_the_retirement_of_older_ones() {
    let directory = tempfile::tempdir().unwrap();
    let datadir::Opened { dir, spares, .. } = open(directory.path());
    let dir = Arc::new(dir);
    let mut spares = Spares::start(&dir, spares).unwrap();
    let ids = [(1, 4), (2, 3), (2, 5), (2, 6)].map(|(term, index)| EntryId::new(term, index));
    ids.iter()
        .for_each(|id| dir.store(&dir.snapshot(*id), |file| file.write_all(b"bytes")).unwrap());
    spares.retire(1, Some(ids[2]));
    spares.stop();
    assert_eq!(ids.map(|id| dir.snapshot(id).exists()), [false, false, true, true]);
}

#[test]
fn writes_handed_over_together_are_reported_once_all_are_durable() {
    let directory = tempfile::tempdir().unwrap();
    let mut running = Running::start(directory.path());
    (1..=4).for_each(|index| running.disk.write(append(index)));
    running.wait_for(4);
    assert_eq!(running.state.borrow().durable, WriteSeq(4));
    running.stop();
    assert_eq!(entries(directory.path()), [1, 2, 3, 4]);
}
