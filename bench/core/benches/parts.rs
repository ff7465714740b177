//! How long the parts of the core take: `cargo bench -p raft-core-bench`. What it is like with disks and sockets
//! `cargo xtask bench` says.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use raft_core::bytes::Bytes;
use raft_core::config::Limits;
use raft_core::id::{ClusterId, EntryId, Incarnation, Index, NodeId, Term, WriteSeq};
use raft_core::kv::command::{Command, Condition, Read};
use raft_core::kv::store::Store;
use raft_core::raft::membership::Configuration;
use raft_core::raft::message::{Entry, Payload, SnapshotMeta};
use raft_core::time::ClusterTime;
use raft_core::wal::{Op, Replayed, SEGMENT_BYTES, Wal, Write, replay, snapshot};
use raft_core::wire::Frame;
use raft_core_bench::{Cluster, gets, puts};

const KEYS: u64 = 10_000;
const VALUE_BYTES: usize = 256;
const BATCH: u64 = 64;

fn main() {
    divan::main();
}

#[divan::bench]
fn puts_through_three_nodes(bencher: Bencher) {
    let (mut cluster, mut round) = (filled(), KEYS);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        round += 1;
        cluster.ask(&puts(BATCH, round, KEYS, VALUE_BYTES))
    });
}

#[divan::bench]
fn linearizable_gets_from_three_nodes(bencher: Bencher) {
    let (mut cluster, mut round) = (filled(), 0);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        round += 1;
        cluster.ask(&gets(BATCH, round, KEYS))
    });
}

fn filled() -> Cluster {
    let mut cluster = Cluster::new();
    for round in 0..KEYS.div_ceil(BATCH) {
        cluster.ask(&puts(BATCH, round, KEYS, VALUE_BYTES));
    }
    cluster
}

#[divan::bench]
fn a_request_is_encoded(bencher: Bencher) {
    let frame = Frame::decode(&puts(1, 1, KEYS, VALUE_BYTES)[0]).unwrap();
    bencher.counter(ItemsCount::new(1_u32)).bench(|| black_box(&frame).encode());
}

#[divan::bench]
fn a_request_is_decoded(bencher: Bencher) {
    let bytes = puts(1, 1, KEYS, VALUE_BYTES).remove(0);
    bencher.counter(ItemsCount::new(1_u32)).bench(|| Frame::decode(black_box(&bytes)));
}

fn command(number: u64) -> Command {
    let key = format!("key-{:012}", number * 7_919 % KEYS).into();
    let value = Bytes::from(vec![1; VALUE_BYTES]);
    let write = raft_core::kv::command::Write::Set { key, value, condition: Condition::Any };
    Command { session: None, write }
}

fn entries(first: u64) -> Vec<Entry> {
    let entry = |number| Entry {
        term: Term(1),
        time: ClusterTime(0),
        payload: Payload::Command(command(number).encode()),
    };
    (first..first + BATCH).map(entry).collect()
}

fn wal() -> Wal {
    Wal::resume(ClusterId(1), NodeId(1), Incarnation(1), SEGMENT_BYTES, &Replayed::default())
}

#[divan::bench]
fn a_write_is_appended_to_the_log(bencher: Bencher) {
    let mut wal = wal();
    let mut write = Write { first: Index(1), entries: entries(1), ..Write::default() };
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        write.seq = WriteSeq(write.seq.0 + 1);
        let ops = wal.append(&write);
        wal.synced();
        write.first = Index(write.first.0 + BATCH);
        ops
    });
}

#[divan::bench]
fn a_segment_is_replayed(bencher: Bencher) {
    let (mut wal, mut segment) = (wal(), Vec::new());
    for first in (1..40_000).step_by(BATCH as usize) {
        let (first, entries) = (Index(first), entries(first));
        let ops = wal.append(&Write { first, entries, ..Write::default() });
        if segment.len() > SEGMENT_BYTES as usize / 2 {
            break;
        }
        for op in ops {
            match op {
                Op::OpenSegment { header, .. } => segment.extend(header),
                Op::Write { offset, bytes, .. } => {
                    segment.resize(offset as usize, 0);
                    segment.extend(bytes);
                }
                Op::StoreSnapshot { .. } | Op::Retire { .. } => {}
            }
        }
    }
    segment.resize(SEGMENT_BYTES as usize, 0);
    let count = BytesCount::new(segment.len());
    bencher.counter(count).bench(|| replay(black_box(&[(1, &segment[..])])));
}

fn store() -> Store {
    let mut store = Store::default();
    for number in 0..KEYS {
        let _ = store.apply(Index(number + 1), &command(number), &Limits::default());
    }
    store
}

#[divan::bench]
fn the_store_applies_a_write(bencher: Bencher) {
    let (mut store, mut index, limits) = (store(), KEYS, Limits::default());
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        index += 1;
        store.apply(Index(index), &command(index), &limits)
    });
}

#[divan::bench]
fn the_store_answers_a_read(bencher: Bencher) {
    let (store, limits) = (store(), Limits::default());
    let read = Read::Get { key: format!("key-{:012}", 4_711).into() };
    bencher.counter(ItemsCount::new(1_u32)).bench(|| store.read(black_box(&read), &limits));
}

#[divan::bench]
fn a_snapshot_is_encoded(bencher: Bencher) {
    let (store, meta) = (store(), meta());
    let count = BytesCount::new(snapshot::encode(&meta, &store).len());
    bencher.counter(count).bench(|| snapshot::encode(black_box(&meta), &store));
}

#[divan::bench]
fn a_snapshot_is_decoded(bencher: Bencher) {
    let bytes = snapshot::encode(&meta(), &store());
    bencher.counter(BytesCount::new(bytes.len())).bench(|| {
        let mut decoder = snapshot::Decoder::default();
        decoder.push(black_box(&bytes)).and_then(|()| decoder.finish())
    });
}

fn meta() -> SnapshotMeta {
    SnapshotMeta {
        last: EntryId { term: Term(1), index: Index(KEYS) },
        time: ClusterTime(0),
        configuration: Configuration::default(),
    }
}
