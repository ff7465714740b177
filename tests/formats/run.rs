//! What a node wrote to its disk, step by step.

use crate::disk::Disk;
use crate::samples::configuration;
use raft_core::id::{EntryId, Incarnation, Index, NodeId, Term, WriteSeq};
use raft_core::kv::store::Store;
use raft_core::raft::HardState;
use raft_core::raft::message::{Entry, Payload, SnapshotMeta};
use raft_core::time::ClusterTime;
use raft_core::wal::{Durable, Op, Snapshot, Wal, Write};

/// Whose disk it is.
pub(crate) const NODE: NodeId = NodeId(1);
pub(crate) const LIFE: Incarnation = Incarnation(0xa1);

/// Lengths of segments, all small, so that the run needs many and uses some of them again. Each puts the
/// borders in other places.
const SEGMENT_BYTES: [u64; 4] = [256, 384, 512, 768];

/// A run: what was written, the disk before and after each write, and what a node should remember then.
pub(crate) struct Run {
    pub(crate) segment_bytes: u64,
    pub(crate) writes: Vec<Write>,
    /// The operations of each write.
    pub(crate) ops: Vec<Vec<Op>>,
    /// The disk, and the writing end of the log, before each write; and both after the last.
    pub(crate) before: Vec<(Disk, Wal)>,
    /// What was durable before each write; and after the last.
    pub(crate) durable: Vec<Durable>,
}

/// The run, once for every length of segments.
pub(crate) fn runs() -> impl Iterator<Item = Run> {
    SEGMENT_BYTES.into_iter().map(run)
}

/// Terms, votes, entries, conflicts and snapshots, each write synced before the next.
pub(crate) fn run(segment_bytes: u64) -> Run {
    let mut run =
        Run { segment_bytes, writes: writes(), ops: vec![], before: vec![], durable: vec![] };
    let (mut disk, mut log) = (Disk::default(), Durable::default());
    let mut wal = disk.wal(NODE, LIFE, segment_bytes).expect("an empty disk is not damaged");
    for write in &run.writes {
        run.before.push((disk.clone(), wal.clone()));
        run.durable.push(log.clone());
        let ops = wal.append(write);
        disk.carry_out(ops.clone());
        wal.synced();
        run.ops.push(ops);
        apply(&mut log, write);
    }
    run.before.push((disk, wal));
    run.durable.push(log);
    run
}

/// What a write means, in the plainest words.
fn apply(durable: &mut Durable, write: &Write) {
    durable.hard_state = write.hard_state.unwrap_or(durable.hard_state);
    let base = |durable: &Durable| durable.snapshot.as_ref().map_or(0, |s| s.meta.last.index.0);
    if let Some(snapshot) = &write.snapshot {
        let covered = (snapshot.meta.last.index.0 - base(durable)) as usize;
        match write.replaces_log {
            true => durable.entries.clear(),
            false => drop(durable.entries.drain(..covered)),
        }
        durable.snapshot = Some(snapshot.clone());
    }
    if !write.entries.is_empty() {
        durable.entries.truncate((write.first.0 - base(durable) - 1) as usize);
        durable.entries.extend(write.entries.iter().cloned());
    }
}

fn writes() -> Vec<Write> {
    let term = |term, vote: Option<u64>| Write {
        hard_state: Some(HardState { term: Term(term), vote: vote.map(NodeId) }),
        ..Write::default()
    };
    let entries = |first, terms: &[u64]| Write {
        first: Index(first),
        entries: (first..).zip(terms).map(|(index, term)| entry(index, *term)).collect(),
        ..Write::default()
    };
    let snapshot = |term, index| Write {
        snapshot: Some(snapshot(term, index)),
        first: Index(index + 1),
        ..Write::default()
    };
    let installed = |term, index| Write { replaces_log: true, ..snapshot(term, index) };
    let mut writes = vec![
        term(1, Some(1)),
        entries(1, &[1, 1, 1]),
        entries(4, &[1]),
        // Another leader, and a conflict.
        term(2, None),
        entries(3, &[2, 2, 2]),
        entries(6, &[2]),
        snapshot(2, 4),
        entries(7, &[2, 2]),
        // All in one: a later term, a conflict and more.
        Write { hard_state: term(3, Some(2)).hard_state, ..entries(8, &[3]) },
        snapshot(3, 8),
        entries(9, &[3, 3]),
        entries(11, &[3]),
        // The leader's snapshot replaces a log that is too short.
        installed(4, 20),
        entries(21, &[4, 4, 4, 4, 4]),
        entries(26, &[4]),
        entries(27, &[4, 4]),
        entries(29, &[4, 4, 4]),
        Write { hard_state: term(5, Some(1)).hard_state, ..entries(32, &[4]) },
        entries(33, &[5]),
        entries(34, &[5]),
        entries(35, &[5, 5, 5]),
        entries(38, &[5]),
        // And one that contradicts it, though it is longer.
        installed(6, 34),
        entries(35, &[6, 6]),
        entries(37, &[6]),
        snapshot(6, 36),
        entries(38, &[6, 6, 6]),
        entries(41, &[6]),
    ];
    for (seq, write) in (1..).zip(&mut writes) {
        write.seq = WriteSeq(seq);
    }
    writes
}

fn entry(index: u64, term: u64) -> Entry {
    let payload = match index % 3 {
        0 => Payload::Noop,
        1 => Payload::Command(format!("a command at {index}, as long as many").into()),
        _ => Payload::Command(vec![index as u8; 40].into()),
    };
    Entry { term: Term(term), time: ClusterTime(index * 1_000), payload }
}

fn snapshot(term: u64, index: u64) -> Snapshot {
    let (last, time) = (EntryId::new(term, index), ClusterTime(index * 1_000));
    let meta = SnapshotMeta { last, time, configuration: configuration() };
    Snapshot { meta, store: Store::default() }
}
