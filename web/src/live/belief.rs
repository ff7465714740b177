//! What is believed of a sighting, wherever it came from: of a file, or of a node.

use raft_core::id::Index;
use raft_core::sighting::{Sighting, TAIL_MAX};

/// Numbers in a sighting are at most this: what every program can hold in a number of JSON.
const NUMBER_MAX: u64 = 1 << 53;

/// Whether a node could have shown this.
///
/// # Errors
/// Why it could not.
pub fn believe(sighting: &Sighting) -> Result<(), String> {
    let status = &sighting.status;
    let indexes = [
        status.last_index,
        status.durable_index,
        status.commit_index,
        status.applied_index,
        status.snapshot_index,
    ];
    let numbers = indexes.map(|Index(index)| index);
    let numbers = numbers.into_iter().chain([sighting.at.0, status.term.0, status.keys]);
    if numbers.chain([sighting.left_out, sighting.missed]).any(|number| number > NUMBER_MAX) {
        return Err("a number is too large".to_owned());
    }
    let tail = sighting.tail.len() as u64;
    if tail > TAIL_MAX {
        return Err(format!("a log's end has at most {TAIL_MAX} entries"));
    }
    if tail > status.last_index.0 {
        return Err("the log ends before it begins".to_owned());
    }
    Ok(())
}
