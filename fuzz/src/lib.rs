//! The functions that are fuzzed. The test target `properties` runs them on random bytes; here what the code
//! under test does with the bytes decides which come next.

#[path = "../../tests/properties/arguments.rs"]
mod arguments;
#[path = "../../tests/properties/cluster.rs"]
mod cluster;
#[path = "../../tests/scripts/disk.rs"]
mod disk;
#[path = "../../tests/properties/edit.rs"]
mod edit;
#[path = "../../tests/properties/frames.rs"]
mod frames;
#[path = "../../tests/properties/http.rs"]
mod http;
#[path = "../../tests/properties/logs.rs"]
mod logs;
#[path = "../../tests/formats/memory.rs"]
mod memory;
#[path = "../../tests/properties/peers.rs"]
mod peers;
#[path = "../../tests/formats/samples.rs"]
#[allow(dead_code, reason = "the tests of the formats use more of it")]
mod samples;
#[path = "../../tests/properties/snapshots.rs"]
mod snapshots;
#[path = "../../tests/properties/tape.rs"]
mod tape;

/// Command lines.
pub fn arguments(bytes: &[u8]) {
    arguments::check(bytes);
}

/// Frames in both forms.
pub fn frames(bytes: &[u8]) {
    frames::check(bytes);
}

/// Connections to a node.
pub fn http(bytes: &[u8]) {
    http::check(bytes);
}

/// The write-ahead log.
pub fn logs(bytes: &[u8]) {
    logs::check(bytes);
}

/// Messages of a mad peer.
pub fn peers(bytes: &[u8]) {
    peers::check(bytes);
}

/// Snapshots.
pub fn snapshots(bytes: &[u8]) {
    snapshots::check(bytes);
}
