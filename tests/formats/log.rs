//! The write-ahead log on a disk that tears, flips and reuses bytes.

use crate::disk::{CLUSTER, Disk};
use crate::run::{LIFE, NODE, Run, run, runs};
use crate::{flip_every_bit, golden, hex};
use raft_core::id::Index;
use raft_core::wal::{Damage, Op, SEGMENT_HEADER_BYTES, SegmentHeader, Wal, replay};

/// Bytes before the first record of a segment.
pub(crate) const HEADER: usize = SEGMENT_HEADER_BYTES as usize;

/// Bytes of a record before its body.
const RECORD_HEADER: usize = 32;

#[test]
fn segments_and_records_are_these_bytes() {
    let header = SegmentHeader {
        cluster: CLUSTER,
        node: NODE,
        incarnation: LIFE,
        number: 3,
        position: 4096,
        link: 0xdead_beef,
    };
    assert_eq!(SegmentHeader::decode(&header.encode()), Some(header));
    let mut samples = vec![("segment header".to_owned(), hex(&header.encode()))];
    for op in run(512).ops.iter().flatten() {
        if let Op::Write { number, offset, bytes } = op {
            samples.push((format!("record in segment {number} at {offset}"), hex(bytes)));
        }
    }
    let (_, mark) = run(512).marked(run(512).writes.len());
    let (number, offset, bytes) = record(&mark);
    samples.push((format!("mark in segment {number} at {offset}"), hex(bytes)));
    golden("log.golden", &samples);
}

#[test]
fn a_log_reads_back_as_it_was_written_over_many_segments() {
    let (mut most, mut reused) = (0, false);
    for run in runs() {
        for (place, (disk, _)) in run.before.iter().enumerate() {
            run.expect(place, disk);
            most = most.max(disk.segments.len());
            reused |= run.ops.get(place).is_some_and(|ops| opens(ops)) && !disk.retired.is_empty();
        }
    }
    assert!(most >= 4, "the runs are too short to need several segments: {most}");
    assert!(reused, "the runs use no segment again");
}

#[test]
fn a_write_torn_at_any_byte_leaves_what_was_durable() {
    for run in runs() {
        for place in 0..run.writes.len() {
            for (whole, disk) in torn(&run.before[place].0, &run.ops[place]) {
                let durable = disk.durable();
                let (before, after) = (Ok(&run.durable[place]), Ok(&run.durable[place + 1]));
                assert!(
                    durable.as_ref() == before || (whole && durable.as_ref() == after),
                    "segments of {}, write {place}: {durable:?}",
                    run.segment_bytes
                );
            }
        }
    }
}

#[test]
fn a_torn_log_goes_on() {
    for run in runs() {
        for place in 0..run.writes.len() {
            for (_, mut disk) in torn(&run.before[place].0, &run.ops[place]) {
                run.repair_and_go_on(place, &mut disk);
            }
        }
    }
}

#[test]
fn later_writes_do_not_outlive_a_torn_one_before_them() {
    const UNDER_WAY_MAX: usize = 4;
    for run in runs() {
        for place in 0..run.writes.len() {
            let (disk, wal) = &run.before[place];
            let mut wal = wal.clone();
            let first = wal.append(&run.writes[place]);
            let mut later = Vec::new();
            for last in place + 1..run.writes.len().min(place + UNDER_WAY_MAX) {
                // All are under way: nothing was synced in between.
                later.extend(wal.append(&run.writes[last]));
                for (whole, mut disk) in torn(disk, &first) {
                    carry_out_unsynced(&mut disk, &later);
                    let durable = disk.durable();
                    let (before, after) = (Ok(&run.durable[place]), Ok(&run.durable[last + 1]));
                    assert!(
                        durable.as_ref() == before || (whole && durable.as_ref() == after),
                        "segments of {}, writes {place} to {last}: {durable:?}",
                        run.segment_bytes
                    );
                    // Nor do they come back when the torn one is written again.
                    if durable.as_ref() == before {
                        let mut wal = run.repair(&mut disk);
                        disk.carry_out(wal.append(&run.writes[place]));
                        run.expect(place + 1, &disk);
                    }
                }
            }
        }
    }
}

#[test]
fn sectors_may_reach_the_disk_in_any_order() {
    const SECTOR: usize = 64;
    for run in runs() {
        for place in 0..run.writes.len() {
            let (number, start, bytes) = record(&run.ops[place]);
            let is_record = |op: &Op| matches!(op, Op::Write { .. });
            let others: Vec<Op> =
                run.ops[place].iter().filter(|op| !is_record(op)).cloned().collect();
            let sectors = bytes.len().div_ceil(SECTOR);
            for present in 0..1_u32 << sectors {
                let mut disk = run.before[place].0.clone();
                carry_out_unsynced(&mut disk, &others);
                for sector in (0..sectors).filter(|sector| present >> sector & 1 == 1) {
                    let from = sector * SECTOR;
                    let bytes = bytes[from..bytes.len().min(from + SECTOR)].to_vec();
                    let offset = (start + from) as u64;
                    disk.carry_out(vec![Op::Write { number, offset, bytes }]);
                }
                // What is missing may be what was there before.
                let whole = disk.segments[&number][start..].starts_with(without_padding(bytes));
                run.expect(place + usize::from(whole), &disk);
                run.repair_and_go_on(place, &mut disk);
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_what_was_synced_is_found_out_or_without_effect() {
    let mut refused = 0;
    for run in runs() {
        for place in 1..run.before.len() {
            let (disk, same) = (&run.before[place].0, Ok(&run.durable[place]));
            // Of the very last record nothing behind it says that it was synced: it may pass for a torn
            // one. If it is alone in its segment, that may pass for one that was never in use.
            let (last, start, bytes) = record(&run.ops[place - 1]);
            let (end, without_last) = (start + bytes.len(), Ok(&run.durable[place - 1]));
            let start = if start == HEADER { 0 } else { start };
            for (number, bytes) in &disk.segments {
                let mut damaged = disk.clone();
                flip_every_bit(bytes, |byte, changed| {
                    damaged.segments.insert(*number, changed.to_vec());
                    let in_last = *number == last && (start..end).contains(&byte);
                    let durable = damaged.durable();
                    refused += usize::from(durable.is_err());
                    assert!(
                        durable.is_err()
                            || durable.as_ref() == same
                            || (in_last && durable.as_ref() == without_last),
                        "segments of {}, after write {place}, segment {number}, byte {byte}: {durable:?}",
                        run.segment_bytes
                    );
                });
            }
        }
    }
    assert!(refused > 10_000, "only {refused} flips were found out: the runs hold too little");
}

#[test]
fn behind_a_mark_no_record_passes_for_a_torn_one() {
    for run in runs() {
        for place in 1..run.before.len() {
            let (disk, mark) = run.marked(place);
            for (ops, is_mark) in [(&run.ops[place - 1], false), (&mark, true)] {
                let (number, start, bytes) = record(ops);
                let mut damaged = disk.clone();
                flip_every_bit(without_padding(bytes), |byte, changed| {
                    let segment = damaged.segments.get_mut(&number).expect("it was written to");
                    segment[start..start + changed.len()].copy_from_slice(changed);
                    let durable = damaged.durable();
                    assert!(
                        match is_mark {
                            true => durable.as_ref() == Ok(&run.durable[place]),
                            false => durable.is_err(),
                        },
                        "segments of {}, after write {place}, byte {byte}: {durable:?}",
                        run.segment_bytes
                    );
                });
            }
        }
    }
}

#[test]
fn a_mark_torn_at_any_byte_loses_nothing() {
    for run in runs() {
        for place in 1..run.before.len() {
            let (_, mark) = run.marked(place);
            for (_, mut disk) in torn(&run.before[place].0, &mark) {
                run.expect(place, &disk);
                if place < run.writes.len() {
                    run.repair_and_go_on(place, &mut disk);
                }
            }
        }
    }
}

#[test]
fn a_log_is_marked_once_and_only_when_all_of_it_is_durable() {
    let run = run(512);
    let (_, mut wal) = run.before[0].clone();
    assert_eq!(wal.mark(), None, "an empty log needs no mark");
    let _ = wal.append(&run.writes[0]);
    assert_eq!(wal.mark(), None, "what is not durable must not be marked as such");
    wal.synced();
    assert!(wal.mark().is_some());
    wal.synced();
    assert_eq!(wal.mark(), None, "one mark is enough");
    let _ = wal.append(&run.writes[1]);
    wal.synced();
    assert!(wal.mark().is_some());
}

#[test]
fn damage_is_named_by_its_place() {
    let mut alone = 0;
    for run in runs() {
        for place in 1..run.before.len() {
            let disk = &run.before[place].0;
            let (newest, newest_start, _) = record(&run.ops[place - 1]);
            // Where others went only after something in it was durable, nothing passes for a torn write.
            let is_alone = newest > 1 && newest_start == HEADER && disk.segments.len() == 1;
            alone += usize::from(is_alone);
            let damage = |segment: u64, byte: usize| {
                let mut damaged = disk.clone();
                damaged.segments.get_mut(&segment).expect("it is there")[byte] ^= 1;
                damaged.replay()
            };
            for segment in disk.segments.keys().copied() {
                if is_alone || (segment, HEADER) != (newest, newest_start) {
                    assert_eq!(damage(segment, 20), Err(Damage::Header { segment }));
                }
            }
            for (segment, start, _) in run.ops[..place].iter().map(|ops| record(ops)) {
                let is_newest = (segment, start) == (newest, newest_start);
                if disk.segments.contains_key(&segment) && (is_alone || !is_newest) {
                    let (found, offset) = (damage(segment, start + RECORD_HEADER), start as u64);
                    assert_eq!(found, Err(Damage::Record { segment, offset }));
                }
            }
        }
    }
    assert!(alone > 0, "in none of the runs a record is alone");
    for (damage, words) in [
        (Damage::Header { segment: 7 }, "log segment 7 has a damaged header"),
        (
            Damage::Record { segment: 7, offset: 64 },
            "log segment 7 is damaged at byte 64, before its end",
        ),
        (Damage::Missing { segment: 7 }, "log segment 7 is missing"),
        (Damage::Gap { index: Index(7) }, "log entry 7 is missing"),
    ] {
        assert_eq!(damage.to_string(), words);
    }
}

#[test]
fn a_missing_segment_is_found_out() {
    let mut gaps = 0;
    for run in runs() {
        for (disk, _) in &run.before {
            let numbers: Vec<u64> = disk.segments.keys().copied().collect();
            let Some((last, others)) = numbers.split_last() else { continue };
            for number in others.iter().skip(1) {
                let mut damaged = disk.clone();
                damaged.segments.remove(number);
                assert_eq!(damaged.replay(), Err(Damage::Missing { segment: *number }));
            }
            // The oldest may hold nothing that is needed any more. If it does, it is missed.
            let mut damaged = disk.clone();
            damaged.segments.pop_first();
            let is_whole = others.is_empty() || damaged.durable() == disk.durable();
            assert!(is_whole || damaged.replay().is_err(), "{:?}", damaged.replay());
            // Where the last segment has entries, those before them are missed.
            let mut damaged = disk.clone();
            damaged.segments.retain(|number, _| number == last);
            gaps += usize::from(matches!(damaged.replay(), Err(Damage::Gap { .. })));
        }
    }
    assert!(gaps > 0, "in none of the runs are entries spread over segments");
}

#[test]
fn a_torn_write_is_told_from_a_log_at_rest() {
    // As far as the position, which says that somebody began.
    const BEGUN: usize = 16;
    for run in runs() {
        for (place, write) in run.ops.iter().enumerate() {
            let disk = &run.before[place].0;
            assert!(!disk.replay().expect("nothing is damaged").tail.torn);
            let mut opened = disk.clone();
            let opens: Vec<Op> =
                write.iter().filter(|op| opens(std::slice::from_ref(op))).cloned().collect();
            carry_out_unsynced(&mut opened, &opens);
            assert!(
                !opened.replay().expect("nothing is damaged").tail.torn,
                "an empty segment is no torn write"
            );
            let (number, start, bytes) = record(write);
            for length in BEGUN..bytes.len() {
                let mut torn = opened.clone();
                let segment = torn.segments.get_mut(&number).expect("it was opened");
                segment[start..start + length].copy_from_slice(&bytes[..length]);
                let is_whole = segment[start..].starts_with(without_padding(bytes));
                let tail = torn.replay().expect("a torn write is no damage").tail;
                assert_eq!(tail.torn, !is_whole, "write {place} up to byte {length}");
            }
        }
    }
}

#[test]
fn records_of_an_older_use_of_a_segment_are_none() {
    let mut stale = 0;
    for run in runs() {
        for (place, (disk, _)) in run.before.iter().enumerate() {
            let tail = disk.replay().expect("nothing is damaged").tail;
            let Some(bytes) = disk.segments.values().next_back() else { continue };
            if bytes[tail.offset as usize..].iter().any(|byte| *byte != 0) {
                stale += 1;
                run.expect(place, disk);
                assert!(!tail.torn, "an older use is no torn write");
            }
        }
    }
    assert!(stale > 0, "the runs use no segment again");
}

#[test]
fn any_bytes_can_be_replayed_without_a_panic() {
    let run = run(512);
    let (disk, _) = run.before.last().expect("the run ends");
    let segments: Vec<(u64, &[u8])> =
        disk.segments.iter().map(|(number, bytes)| (*number, bytes.as_slice())).collect();
    for (place, (number, bytes)) in segments.iter().enumerate() {
        for length in 0..bytes.len() {
            let mut cut = segments.clone();
            cut[place] = (*number, &bytes[..length]);
            let _ = replay(&cut);
        }
    }
    for first in 0..=u8::MAX {
        let noise: Vec<u8> = (0..=u8::MAX).map(|byte| byte.wrapping_mul(37) ^ first).collect();
        let _ = replay(&[(1, &noise), (2, &noise)]);
    }
}

impl Run {
    /// What is on `disk` is what was durable before write `place`.
    pub(crate) fn expect(&self, place: usize, disk: &Disk) {
        let (durable, expected) = (disk.durable(), Ok(&self.durable[place]));
        let segments = self.segment_bytes;
        assert!(
            durable.as_ref() == expected,
            "segments of {segments}, before write {place}:\n{durable:?}\nand not\n{expected:?}"
        );
    }

    /// The disk before write `place` with its log marked, and the operations that marked it.
    fn marked(&self, place: usize) -> (Disk, Vec<Op>) {
        let (mut disk, mut wal) = self.before[place].clone();
        let mark = wal.mark().expect("all is durable and nothing is marked");
        disk.carry_out(mark.clone());
        (disk, mark)
    }

    /// The node starts again, and clears what a torn write has left, as a driver does.
    fn repair(&self, disk: &mut Disk) -> Wal {
        let tail = disk.replay().expect("a torn write is no damage").tail;
        if tail.torn {
            let last = tail.segments.last().map_or(0, |(number, _)| *number);
            disk.segments.retain(|number, _| *number <= last);
            if let Some(segment) = disk.segments.get_mut(&last) {
                segment[tail.offset as usize..].fill(0);
            }
        }
        disk.wal(NODE, LIFE, self.segment_bytes).expect("a torn write is no damage")
    }

    /// The node starts again on a disk where write `place` was torn, comes to the same write, if it was
    /// lost, and to all that follow.
    fn repair_and_go_on(&self, place: usize, disk: &mut Disk) {
        let mut wal = self.repair(disk);
        let again = usize::from(disk.durable().as_ref() == Ok(&self.durable[place + 1]));
        for place in place + again..self.writes.len() {
            disk.carry_out(wal.append(&self.writes[place]));
            wal.synced();
            self.expect(place + 1, disk);
        }
    }
}

/// Whether a segment is opened.
fn opens(ops: &[Op]) -> bool {
    ops.iter().any(|op| matches!(op, Op::OpenSegment { .. }))
}

/// The record among the operations of a write: its segment, its place there and its bytes.
pub(crate) fn record(ops: &[Op]) -> (u64, usize, &[u8]) {
    let record = ops.iter().find_map(|op| match op {
        Op::Write { number, offset, bytes } => Some((*number, *offset as usize, bytes.as_slice())),
        Op::StoreSnapshot { .. } | Op::OpenSegment { .. } | Op::Retire { .. } => None,
    });
    record.expect("every write has a record")
}

/// A record as far as its own length says.
fn without_padding(record: &[u8]) -> &[u8] {
    let length = u32::from_le_bytes(record[..4].try_into().expect("four bytes"));
    &record[..RECORD_HEADER + length as usize]
}

/// Every state of a disk in which a crash can leave it during a write, and whether the record is whole:
/// it is, if what is missing is what was there before.
fn torn(disk: &Disk, ops: &[Op]) -> Vec<(bool, Disk)> {
    let mut states = Vec::new();
    for (place, op) in ops.iter().enumerate() {
        let mut disk = disk.clone();
        carry_out_unsynced(&mut disk, &ops[..place]);
        let mut state = |whole: bool, op: Op| {
            let mut disk = disk.clone();
            carry_out_unsynced(&mut disk, &[op]);
            states.push((whole, disk));
        };
        match op {
            Op::OpenSegment { number, bytes, header } => {
                for length in 0..=header.len() {
                    let header = header[..length].to_vec();
                    state(false, Op::OpenSegment { number: *number, bytes: *bytes, header });
                }
            }
            Op::Write { number, offset, bytes: record } => {
                let is_same = |(new, old): (&u8, &u8)| new == old;
                let old = disk.segments[number][*offset as usize..].to_vec();
                for length in 0..=record.len() {
                    let (number, offset, bytes) = (*number, *offset, record[..length].to_vec());
                    let whole = without_padding(record).iter().zip(&old).skip(length).all(is_same);
                    state(whole, Op::Write { number, offset, bytes });
                }
            }
            Op::StoreSnapshot { .. } => state(false, op.clone()),
            // After the sync.
            Op::Retire { .. } => state(true, op.clone()),
        }
    }
    states
}

/// Carries operations out as far as a driver may before the sync. New names reach the disk in order, and
/// what goes into a file that the crash has lost is lost with it.
fn carry_out_unsynced(disk: &mut Disk, ops: &[Op]) {
    for op in ops {
        let newest = disk.segments.keys().next_back().copied();
        match op {
            Op::Retire { .. } => {}
            Op::OpenSegment { number, .. } if newest.unwrap_or_default() + 1 != *number => {}
            Op::Write { number, .. } if !disk.segments.contains_key(number) => {}
            op => disk.carry_out(vec![op.clone()]),
        }
    }
}
