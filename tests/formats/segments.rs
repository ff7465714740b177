//! The segments of a log: when one begins, and when it goes.

use crate::disk::Disk;
use crate::flip_every_bit;
use crate::log::{HEADER, record};
use crate::run::{LIFE, NODE, run, runs};
use raft_core::id::{Index, Term};
use raft_core::raft::HardState;
use raft_core::wal::snapshot::encode;
use raft_core::wal::{Damage, Op, SegmentHeader, Write};
use std::collections::BTreeMap;

#[test]
fn a_segment_header_with_any_bit_flipped_is_none() {
    let (_, bytes) = run(512).before[1].0.segments.pop_first().expect("there is a segment");
    flip_every_bit(&bytes[..HEADER], |byte, changed| {
        assert_eq!(SegmentHeader::decode(changed), None, "byte {byte} makes no difference");
    });
}

#[test]
fn a_segment_goes_as_soon_as_a_snapshot_covers_it_and_all_before_it() {
    for run in runs() {
        let mut newest: BTreeMap<u64, Index> = BTreeMap::new();
        for (write, ops) in run.writes.iter().zip(&run.ops) {
            let (segment, _, bytes) = record(ops);
            let last = Index((write.first.0 + write.entries.len() as u64).saturating_sub(1));
            let last = if write.entries.is_empty() { Index(0) } else { last };
            let newest_there = newest.entry(segment).or_default();
            *newest_there = last.max(*newest_there);
            for op in ops {
                match op {
                    Op::OpenSegment { bytes: length, .. } => {
                        assert_eq!(*length, run.segment_bytes.max((HEADER + bytes.len()) as u64));
                    }
                    Op::Retire { segment: first, snapshot } => {
                        let covered = snapshot.expect("one is named").index;
                        while newest.len() > 1
                            && newest.values().next().is_some_and(|last| *last <= covered)
                        {
                            newest.pop_first();
                        }
                        assert_eq!(Some(first), newest.keys().next());
                    }
                    Op::StoreSnapshot { .. } | Op::Write { .. } => {}
                }
            }
        }
    }
}

#[test]
fn a_snapshot_that_was_stored_apart_is_named_and_what_it_covers_goes() {
    for run in runs() {
        let place = run.writes.iter().position(|write| write.snapshot.is_some()).expect("one is");
        let (mut disk, mut wal) = run.before[place].clone();
        let snapshot = run.writes[place].snapshot.clone().expect("it has one");
        let bytes = encode(&snapshot.meta, &snapshot.store);
        disk.carry_out(vec![Op::StoreSnapshot { last: snapshot.meta.last, bytes }]);
        disk.carry_out(wal.append_stored(snapshot.meta));
        run.expect(place + 1, &disk);
        assert_eq!(disk.segments.keys().next(), run.before[place + 1].0.segments.keys().next());
    }
}

/// A node that starts again goes on as if it had not ended, byte by byte.
#[test]
fn what_a_node_writes_does_not_show_that_it_has_started_again() {
    for run in runs() {
        for (place, write) in run.writes.iter().enumerate() {
            let disk = &run.before[place].0;
            let mut wal = disk.wal(NODE, LIFE, run.segment_bytes).expect("nothing is damaged");
            assert_eq!(
                wal.append(write),
                run.ops[place],
                "segments of {}, write {place}",
                run.segment_bytes
            );
        }
    }
}

/// Of a log without entries no record says where it went on; that older segments are gone says enough.
#[test]
fn a_log_whose_older_segments_are_gone_does_not_pass_for_one_that_never_had_a_snapshot() {
    let mut disk = Disk::default();
    let mut wal = disk.wal(NODE, LIFE, 512).expect("an empty disk is not damaged");
    let mut durably = |disk: &mut Disk, write: &Write| {
        let ops = wal.append(write);
        disk.carry_out(ops.clone());
        wal.synced();
        ops
    };
    for term in 1.. {
        let hard_state = Some(HardState { term: Term(term), vote: None });
        durably(&mut disk, &Write { hard_state, ..Write::default() });
        if disk.segments.len() == 2 {
            break;
        }
    }
    let installed = |write: &&Write| write.replaces_log;
    let installed = run(512).writes.iter().find(installed).expect("one is").clone();
    let ops = durably(&mut disk, &installed);
    let (segment, start, _) = record(&ops);
    assert_eq!((segment, disk.segments.len()), (2, 1), "the first is gone");
    disk.segments.get_mut(&segment).expect("it stays")[start + 40] ^= 1;
    assert_eq!(disk.replay(), Err(Damage::Missing { segment: 1 }));
}
