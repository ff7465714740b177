//! Frames in both forms: whatever bytes come, they are refused or read with little memory, and what was
//! read is written and read again as the same.

use crate::edit::{edit, rest};
use crate::memory::peak_of;
use crate::samples;
use crate::tape::Tape;
use raft_core::wire::Frame;

/// What a decoder may use for each byte it is given: entries and envelopes are large in memory and can be
/// very small on the wire.
const BYTES_PER_BYTE_MAX: usize = 100;

/// And what in any case: what serde sets aside before it looks.
const BYTES_MAX: usize = 1 << 20;

/// Reads a frame from bytes, or from a changed sample.
pub(crate) fn check(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    match tape.below(8) {
        0 => binary(&rest(&mut tape)),
        1 => json(&rest(&mut tape)),
        way => {
            let samples = samples::frames();
            let (_, frame) = tape.pick(&samples);
            let is_binary = way % 2 == 0;
            let mut bytes = match is_binary {
                true => frame.encode(),
                false => serde_json::to_vec(frame).expect("frames encode"),
            };
            while !tape.is_empty() {
                edit(&mut bytes, &mut tape);
            }
            if is_binary { binary(&bytes) } else { json(&bytes) }
        }
    }
}

fn binary(bytes: &[u8]) {
    let (frame, peak) = peak_of(|| Frame::decode(bytes));
    assert_bounded(bytes, peak);
    if let Ok(frame) = frame {
        assert_the_same(&frame);
    }
}

fn json(bytes: &[u8]) {
    let (frame, peak) = peak_of(|| serde_json::from_slice::<Frame>(bytes));
    assert_bounded(bytes, peak);
    if let Ok(frame) = frame {
        assert_the_same(&frame);
    }
}

fn assert_bounded(bytes: &[u8], peak: usize) {
    let bound = BYTES_MAX + BYTES_PER_BYTE_MAX * bytes.len();
    assert!(peak <= bound, "{} bytes took {peak} bytes of memory", bytes.len());
}

fn assert_the_same(frame: &Frame) {
    assert_eq!(Frame::decode(&frame.encode()).as_ref(), Ok(frame));
    let json = serde_json::to_vec(frame).expect("frames encode");
    assert_eq!(serde_json::from_slice::<Frame>(&json).ok().as_ref(), Some(frame));
}
