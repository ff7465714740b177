//! What must hold for any input from outside: no panic but of a named invariant, no flood of memory, and
//! nothing made up. Here on random input from fixed seeds, in a few seconds; `cargo xtask fuzz` looks for
//! input that reaches further. What that found stays here as a test.

#[cfg(feature = "nodes")]
#[path = "properties/arguments.rs"]
mod arguments;
#[path = "properties/cluster.rs"]
mod cluster;
#[path = "scripts/disk.rs"]
mod disk;
#[path = "properties/edit.rs"]
mod edit;
#[path = "properties/frames.rs"]
mod frames;
#[cfg(feature = "nodes")]
#[path = "properties/http.rs"]
mod http;
#[path = "properties/logs.rs"]
mod logs;
#[path = "formats/memory.rs"]
mod memory;
#[path = "properties/peers.rs"]
mod peers;
#[path = "formats/samples.rs"]
mod samples;
#[path = "properties/snapshots.rs"]
mod snapshots;
#[path = "properties/tape.rs"]
mod tape;

use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg32;
use std::panic::{self, AssertUnwindSafe};
use tape::Tape;

#[test]
fn frames_are_refused_or_read_and_written_as_the_same() {
    for_any_bytes(100_000, 60, frames::check);
}

#[test]
fn of_a_damaged_log_comes_back_what_was_written_or_nothing() {
    for_any_bytes(100_000, 200, logs::check);
}

#[test]
fn snapshots_are_refused_or_read_and_written_as_the_same() {
    for_any_bytes(100_000, 100, snapshots::check);
}

#[test]
fn a_mad_peer_stops_no_node_but_by_a_named_invariant() {
    for_any_bytes(10_000, 500, peers::check);
}

/// The same moves without the mad peer: what stops a node here is a fault of ours, named or not.
#[test]
fn sound_peers_stop_no_node() {
    for_any_bytes(10_000, 500, |bytes| {
        let mut tape = Tape::new(bytes);
        let mut cluster = cluster::Cluster::new(1 + tape.below(4) as u64);
        while !tape.is_empty() {
            cluster.play(&mut tape);
        }
    });
}

#[cfg(feature = "nodes")]
#[test]
fn command_lines_are_understood_or_refused_in_one_line() {
    for_any_bytes(20_000, 30, arguments::check);
}

#[cfg(feature = "nodes")]
#[test]
fn connections_are_answered_or_closed_whatever_comes() {
    for_any_bytes(5_000, 60, http::check);
}

/// Of a log whose older segments had gone, the record that named the snapshot was lost with all behind it:
/// what was left passed for a node without a log.
#[test]
fn a_log_that_has_lost_the_record_of_its_snapshot_does_not_pass_for_a_short_one() {
    logs::check(
        b"#####\x92#####'######$!#a####\xf4\xf4@\x00\x00\x00\x00\x00\x00\x00\xdd\xdc\x1d\x1d\xff\x00\xd9\xfe\xff\xff\xff?\x00\x00\x80\x00\x00\x00\x00\xff######\xff",
    );
}

/// Calls `check` with so many random byte strings, each of some length below `length`. A failure prints
/// the bytes.
fn for_any_bytes(count: usize, length: usize, check: impl Fn(&[u8])) {
    let mut rng = Pcg32::seed_from_u64(1);
    for _ in 0..count {
        let length = rng.next_u32() as usize % length;
        let bytes: Vec<u8> = (0..length).map(|_| rng.next_u32() as u8).collect();
        if let Err(failure) = panic::catch_unwind(AssertUnwindSafe(|| check(&bytes))) {
            eprintln!("with {bytes:?}");
            panic::resume_unwind(failure);
        }
    }
}
