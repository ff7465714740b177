//! What a crash or a bad disk can make of a node's folder, image by image, and what the node must make of
//! it: after a crash exactly what was durable, or more that really was written; after damage the same, or
//! a refusal, and nothing else in silence.
//!
//! The runs are those of a small cluster, played from fixed seeds. `IMAGES_RUNS=N` looks at `N` of them
//! instead of as many as fit into half a minute.

#[path = "properties/cluster.rs"]
mod cluster;
#[path = "images/crash.rs"]
mod crash;
#[path = "images/damage.rs"]
mod damage;
#[path = "images/folder.rs"]
mod folder;
#[cfg(feature = "nodes")]
#[path = "images/native.rs"]
mod native;
#[path = "images/recording.rs"]
mod recording;
#[path = "properties/tape.rs"]
mod tape;

use cluster::{Cluster, apply};
use damage::Fault;
use folder::{Folder, Name, Step};
#[cfg(feature = "nodes")]
use native::Finding;
use raft_core::id::{Index, NodeId};
use raft_core::raft::HardState;
use raft_core::raft::message::{Entry, Payload};
use raft_core::time::ClusterTime;
use raft_core::wal::{Durable, Write};
use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg32;
use recording::{Record, Recording};
use tape::Tape;

/// Runs to look at: seeds of clusters.
const RUNS: u64 = 8;

/// Choices of a run: about one in three is a move of the cluster.
const RUN_BYTES: usize = 1000;

/// Lengths of segments, all small, so that a run needs many and uses some of them again.
const SEGMENT_BYTES: [u64; 3] = [384, 512, 1024];

/// One node of a run: what it wrote, and what its driver did about it.
struct Run {
    name: String,
    segment_bytes: u64,
    writes: Vec<Write>,
    recording: Recording,
}

fn runs() -> impl Iterator<Item = Run> {
    let count = std::env::var("IMAGES_RUNS").ok().and_then(|count| count.parse().ok());
    let segment_bytes = |seed: u64| SEGMENT_BYTES[seed as usize % SEGMENT_BYTES.len()];
    let seeds = 0..count.unwrap_or(RUNS);
    seeds.flat_map(move |seed| run(seed, RUN_BYTES, segment_bytes(seed))).chain([conflicts()])
}

/// The nodes of the cluster with this seed.
fn run(seed: u64, length: usize, segment_bytes: u64) -> Vec<Run> {
    let bytes = noise(seed, length);
    let (mut tape, mut cluster) = (Tape::new(&bytes), Cluster::new(3));
    while !tape.is_empty() {
        cluster.play(&mut tape);
    }
    let record = |node: cluster::Node| {
        let name = format!("run {seed}, node {}", node.replica.raft().id());
        Run::of(name, node.written, segment_bytes, &noise(!seed, length))
    };
    // One that has just lost its disk has nothing to show.
    cluster.nodes.into_iter().filter(|node| !node.written.is_empty()).map(record).collect()
}

/// A node that is contradicted again and again, more than chance would have it.
fn conflicts() -> Run {
    let (mut state, mut writes) = (Durable::default(), Vec::new());
    for _ in 0..10 {
        let more = other_writes(&state);
        more.iter().for_each(|write| apply(&mut state, write));
        writes.extend(more);
    }
    Run::of("conflicts".to_owned(), writes, SEGMENT_BYTES[0], &noise(1, RUN_BYTES))
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut rng = Pcg32::seed_from_u64(seed);
    (0..length).map(|_| rng.next_u32() as u8).collect()
}

#[test]
fn the_runs_hold_everything_that_a_disk_is_used_for() {
    let mut count = [0; 9];
    for run in runs() {
        let mut log = Durable::default();
        for write in &run.writes {
            let last = last(&log);
            let conflict = !write.entries.is_empty() && write.first <= last;
            count[0] += usize::from(write.hard_state.is_some());
            count[1] += usize::from(conflict);
            count[2] += usize::from(write.replaces_log);
            count[3] += usize::from(write.snapshot.is_some() && !write.replaces_log);
            let is_change = |entry: &Entry| matches!(entry.payload, Payload::Configuration(_));
            count[7] += usize::from(write.entries.iter().any(is_change));
            let vote = write.hard_state.is_some_and(|state| state.vote.is_some());
            count[8] += usize::from(vote && write.entries.is_empty());
            apply(&mut log, write);
        }
        for step in &run.recording.steps {
            match step {
                Step::Create { name: Name::Segment(_), .. } => count[4] += 1,
                Step::Rename { from: Name::Spare(_), .. } => count[5] += 1,
                Step::Remove { name: Name::Segment(_) } => count[6] += 1,
                _ => {}
            }
        }
    }
    let [terms, conflicts, installed, taken, opened, recycled, removed, changes, votes] = count;
    assert!(terms >= 50 && conflicts >= 10 && installed > 0 && taken >= 5, "{count:?}");
    assert!(opened >= 20 && recycled > 0 && removed > 0, "{count:?}");
    assert!(changes >= 10 && votes >= 10, "{count:?}");
}

#[test]
fn a_crash_leaves_what_was_durable_and_nothing_that_was_not_written() {
    let (mut images, mut torn) = (0_u64, 0_u64);
    for run in runs() {
        crash::images(&Folder::default(), &run.recording.steps, |steps, folder| {
            images += 1;
            torn += u64::from(run.expect(steps, &folder));
        });
    }
    println!("{images} images, {torn} of them torn");
    assert!(images > 100_000, "only {images} images: the runs are too short");
}

#[test]
fn a_crash_while_a_crash_is_repaired_changes_nothing() {
    let mut images = 0_u64;
    for run in runs() {
        let mut turn = 0;
        crash::images(&Folder::default(), &run.recording.steps, |steps, folder| {
            turn += 1;
            let (_, replayed) = folder.recover().expect("another test says so");
            if turn % 128 > 0 || !replayed.tail.torn {
                return;
            }
            let expected = &run.recording.states[run.recording.records_in(&folder, steps)];
            crash::images(&folder, &folder.repair(&replayed.tail), |_, again| {
                images += 1;
                let (durable, _) =
                    again.recover().unwrap_or_else(|damage| panic!("{}: {damage}", run.name));
                assert!(
                    durable == *expected,
                    "{}: a repair that was cut off loses or invents",
                    run.name
                );
            });
        });
    }
    println!("{images} images");
    assert!(images > 100_000, "only {images} images");
}

/// Every moment at which all was durable and the log had been marked: the folder, and what it says.
fn marked(run: &Run, every: usize) -> impl Iterator<Item = (Folder, Durable)> + '_ {
    run.recording.rests().step_by(every).map(|steps| {
        let mut folder = run.recording.folder_after(steps);
        let mark = Recording::of(&folder, &[], run.segment_bytes, &mut Tape::new(&[]));
        mark.steps.iter().for_each(|step| folder.carry_out(step));
        let (durable, _) = folder.recover().expect("nothing happened to it");
        (folder, durable)
    })
}

#[test]
fn no_flipped_bit_of_a_marked_folder_changes_what_it_says_in_silence() {
    let (mut found_out, mut without_effect) = (0_u64, 0_u64);
    for run in runs() {
        for (folder, expected) in marked(&run, 4) {
            damage::flips(&folder, |name, byte, damaged| match damaged.recover() {
                Err(_) => found_out += 1,
                Ok((durable, _)) => {
                    without_effect += 1;
                    assert!(
                        durable == expected,
                        "{}: a flip in byte {byte} of {name:?} passes",
                        run.name
                    );
                }
            });
        }
    }
    println!("{found_out} flips found out, {without_effect} without effect");
    assert!(
        found_out > 100_000,
        "only {found_out} flips are found out: the folders hold too little"
    );
}

/// Why there are marks: of the newest record nothing behind it says that it was durable.
#[test]
fn a_flipped_bit_of_an_unmarked_folder_may_cut_off_the_newest_record_and_nothing_else() {
    let (mut found_out, mut without_effect, mut cut) = (0_u64, 0_u64, 0_u64);
    for run in runs() {
        let steps = run.recording.rests().last().expect("it wrote something");
        let folder = run.recording.folder_after(steps);
        let (before, _) = folder.recover().expect("nothing happened to it");
        let writes = &other_writes(&before)[..1];
        let more = Recording::of(&folder, writes, run.segment_bytes, &mut Tape::new(&[]));
        let unmarked = more.rests().next().expect("it wrote something");
        let mut folder = folder;
        more.steps[..unmarked].iter().for_each(|step| folder.carry_out(step));
        let (after, _) = folder.recover().expect("nothing happened to it");
        damage::flips(&folder, |name, byte, damaged| match damaged.recover() {
            Err(_) => found_out += 1,
            Ok((durable, _)) if durable == after => without_effect += 1,
            Ok((durable, _)) => {
                cut += 1;
                let newest = &more.records[0];
                let is_newest = folder.names[&name] == newest.file && newest.covers(byte);
                assert!(durable == before && is_newest, "{}: byte {byte} of {name:?}", run.name);
            }
        });
    }
    println!(
        "{found_out} flips found out, {without_effect} without effect, {cut} cut the newest record off"
    );
    assert!(cut > 1_000, "only {cut} flips cut a record off: the test looks in the wrong place");
}

#[test]
fn a_block_that_is_not_what_was_written_is_found_out_unless_the_log_ends_in_it() {
    for size in [512, 4096] {
        let (mut found_out, mut without_effect, mut at_the_end) = (0_u64, 0_u64, 0_u64);
        for run in (0..2).flat_map(|seed| run(seed, 16 * RUN_BYTES, 32 << 10)) {
            let history: Vec<Folder> =
                run.recording.rests().map(|steps| run.recording.folder_after(steps)).collect();
            let folder = history.last().expect("it wrote something");
            let (recording, (expected, _)) =
                (&run.recording, folder.recover().expect("nothing happened"));
            let mark = recording.records.last().expect("it wrote something");
            damage::blocks(folder, &history, size, |fault, damaged| match damaged.recover() {
                Err(_) => found_out += 1,
                Ok((durable, _)) if durable == expected => without_effect += 1,
                Ok((durable, _)) => {
                    at_the_end += 1;
                    let Fault { what, file, place } = fault;
                    let overlaps = |record: &&Record| {
                        record.file == *file
                            && record.offset < place.end
                            && place.start < record.offset + record.bytes.len()
                    };
                    let first = recording.records.iter().position(|record| overlaps(&record));
                    let is_earlier =
                        first.is_some_and(|n| recording.states[n..].contains(&durable));
                    assert!(
                        overlaps(&mark) && is_earlier,
                        "{}: a block of {what} at {place:?} of file {file} passes: {durable:?}",
                        run.name
                    );
                }
            });
        }
        println!(
            "{size} bytes: {found_out} blocks found out, {without_effect} without effect, {at_the_end} at the end"
        );
        assert!(found_out > 100, "only {found_out} blocks are found out");
    }
}

/// The node that comes back does other things than it was about to. What it did before the crash, and
/// nobody was told of, may come back only as long as nothing was written over it.
#[test]
fn a_second_crash_leaves_what_was_durable_in_the_second_life() {
    let (mut images, mut revived) = (0_u64, 0_u64);
    for run in runs() {
        let mut turn = 0;
        crash::images(&Folder::default(), &run.recording.steps, |steps, mut folder| {
            turn += 1;
            if turn % 1499 > 0 {
                return;
            }
            let there = run.recording.records_in(&folder, steps);
            let (durable, replayed) = folder.recover().expect("another test says so");
            folder.repair(&replayed.tail).iter().for_each(|step| folder.carry_out(step));
            let (writes, bytes) = (other_writes(&durable), noise(turn, 8));
            let second = Recording::of(&folder, &writes, run.segment_bytes, &mut Tape::new(&bytes));
            let earlier = &run.recording.states[there..];
            crash::images(&folder, &second.steps, |steps, folder| {
                images += 1;
                let expected = &second.states[second.records_in(&folder, steps)];
                let (durable, _) =
                    folder.recover().unwrap_or_else(|damage| panic!("{}: {damage}", run.name));
                let comes_back = durable != *expected;
                revived += u64::from(comes_back);
                let may = second.records_in(&folder, steps) == 0 && earlier.contains(&durable);
                assert!(
                    !comes_back || may,
                    "{}, image {turn}: \n{durable:?}\nand not\n{expected:?}",
                    run.name
                );
            });
        });
    }
    println!("{images} images, {revived} with what was written before the first crash");
    assert!(images > 100_000, "only {images} images");
}

/// Of the images, as many as a real file system has time for.
#[cfg(feature = "nodes")]
#[test]
fn a_node_on_a_real_file_system_finds_and_repairs_the_same() {
    let directory = native::directory();
    let (path, identity) = (directory.path(), native::identity().encode());
    let (mut images, mut repaired) = (0_u64, 0_u64);
    for run in runs() {
        let mut turn = 0;
        crash::images(&Folder::default(), &run.recording.steps, |steps, folder| {
            turn += 1;
            if turn % 797 > 0 {
                return;
            }
            images += 1;
            let expected = &run.recording.states[run.recording.records_in(&folder, steps)];
            let memory = Finding::Memory(Box::new((native::identity(), expected.clone())));
            native::fill(path, &folder, identity.as_bytes());
            assert!(native::look(path) == memory, "{}, image {turn}", run.name);
            let (durable, was_torn) = native::open(path);
            repaired += u64::from(was_torn);
            assert!(
                durable == *expected,
                "{}, image {turn}: the start changes what is remembered",
                run.name
            );
            let (durable, was_torn) = native::open(path);
            assert!(durable == *expected && !was_torn, "{}, image {turn}: not repaired", run.name);
        });
    }
    println!("{images} images, {repaired} of them repaired");
    assert!(images > 100 && repaired > 30, "only {images} images, {repaired} of them repaired");
}

#[cfg(feature = "nodes")]
#[test]
fn a_node_on_a_real_file_system_finds_out_every_flipped_bit() {
    let directory = native::directory();
    let (path, identity) = (directory.path(), native::identity().encode().into_bytes());
    let (mut flips, mut found_out) = (0_u64, 0_u64);
    for run in run(0, RUN_BYTES, SEGMENT_BYTES[0]) {
        for (folder, expected) in marked(&run, 16) {
            let memory = Finding::Memory(Box::new((native::identity(), expected)));
            let mut look = |folder: &Folder, identity: &[u8]| {
                flips += 1;
                native::fill(path, folder, identity);
                let finding = native::look(path);
                found_out += u64::from(finding != memory);
                let is_refusal = matches!(finding, Finding::Refusal(_));
                assert!(is_refusal || finding == memory, "{}: {finding:?}", run.name);
            };
            damage::flips(&folder, |_, byte, damaged| {
                // Each bit was tried where it costs less; here, some.
                if byte % 13 == 0 {
                    look(damaged, &identity);
                }
            });
            for bit in 0..identity.len() * 8 {
                let mut changed = identity.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                look(&folder, &changed);
            }
        }
    }
    println!("{flips} flips, {found_out} of them found out");
    assert!(found_out > 1_000, "only {found_out} of {flips} flips are found out");
}

impl Run {
    fn of(name: String, writes: Vec<Write>, segment_bytes: u64, choices: &[u8]) -> Self {
        let tape = &mut Tape::new(choices);
        let recording = Recording::of(&Folder::default(), &writes, segment_bytes, tape);
        Self { name, segment_bytes, writes, recording }
    }

    /// After a crash the folder says exactly what the bytes in it were written for. Returns whether there
    /// are traces of more.
    fn expect(&self, steps: usize, folder: &Folder) -> bool {
        let recording = &self.recording;
        let there = recording.records_in(folder, steps);
        let (durable, replayed) = folder.recover().unwrap_or_else(|damage| {
            panic!("{}, crash after step {steps}: no crash is damage, but {damage}", self.name)
        });
        let found = || recording.states.iter().rposition(|state| *state == durable);
        assert!(
            durable == recording.states[there],
            "{}, crash after step {steps}: {there} records are there, and it says the state after {:?}: {durable:?}",
            self.name,
            found()
        );
        replayed.tail.torn
    }
}

/// What a node might do next that it did not do before: a later term, other entries, a conflict.
fn other_writes(state: &Durable) -> Vec<Write> {
    let HardState { term, .. } = state.hard_state;
    let (term, last) = (term.next(), last(state));
    let entry = |term, index: u64| Entry {
        term,
        time: ClusterTime(index),
        payload: Payload::Command(format!("entry {index} of another life").into_bytes().into()),
    };
    let hard_state = Some(HardState { term, vote: Some(NodeId(2)) });
    let (first, entries) = (last.next(), vec![entry(term, 1), entry(term, 2)]);
    let conflict = vec![entry(term.next(), 3)];
    vec![
        Write { hard_state, ..Write::default() },
        Write { first, entries, ..Write::default() },
        Write { first: first.next(), entries: conflict, ..Write::default() },
    ]
}

fn last(log: &Durable) -> Index {
    let base = log.snapshot.as_ref().map_or(0, |snapshot| snapshot.meta.last.index.0);
    Index(base + log.entries.len() as u64)
}
