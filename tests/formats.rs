//! Formats are frozen: golden bytes of every frame, record and file; and what is not of these bytes is
//! refused without a panic, a flood of memory or a silent loss. `docs/formats.md` describes them.
//!
//! The bytes are in `formats/*.golden`. A difference is a new format and needs a new version byte. New
//! samples are added by
//!
//! ```text
//! UPDATE_FORMATS=1 cargo test -p raft-tests --test formats
//! ```

#[path = "scripts/disk.rs"]
mod disk;
#[path = "formats/frames.rs"]
mod frames;
#[path = "formats/log.rs"]
mod log;
#[path = "formats/memory.rs"]
mod memory;
#[path = "formats/run.rs"]
mod run;
#[path = "formats/samples.rs"]
mod samples;
#[path = "formats/segments.rs"]
mod segments;
#[path = "formats/snapshot.rs"]
mod snapshot;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Compares named samples with those in a golden file.
fn golden(file: &str, samples: &[(String, String)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("formats").join(file);
    let mut actual = String::new();
    for (name, content) in samples {
        writeln!(actual, "# {name}\n{content}\n").expect("a string takes it");
    }
    if std::env::var_os("UPDATE_FORMATS").is_some() {
        return fs::write(&path, actual).expect("the golden file can be written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    for (before, now) in expected.split("\n\n").zip(actual.split("\n\n")) {
        assert_eq!(before, now, "{file}: a format is frozen; a new one needs a new version byte");
    }
    assert_eq!(expected.len(), actual.len(), "{file}: see the top of formats.rs for new samples");
}

/// Bytes for a golden file: 32 a line.
fn hex(bytes: &[u8]) -> String {
    bytes.chunks(32).map(raft_core::text::base16).collect::<Vec<_>>().join("\n")
}

/// Calls `with` on every version of `bytes` that differs in one bit.
fn flip_every_bit(bytes: &[u8], mut with: impl FnMut(usize, &[u8])) {
    let mut changed = bytes.to_vec();
    for place in 0..bytes.len() {
        for bit in 0..8 {
            changed[place] ^= 1 << bit;
            with(place, &changed);
            changed[place] ^= 1 << bit;
        }
    }
}
