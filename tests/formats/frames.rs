//! Frames between nodes, clients and the page.

use crate::memory::peak_of;
use crate::samples::{frames, requests, responses};
use crate::{flip_every_bit, golden, hex};
use raft_core::wire::{DecodeError, Frame, VERSION};
use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg32;

/// A decoder may use this many bytes of memory for each byte it is given. Entries and envelopes are
/// large in memory and can be very small on the wire.
const BYTES_PER_BYTE_MAX: usize = 100;

/// And this much in any case: what serde sets aside before it looks.
const BYTES_MAX: usize = 1 << 20;

#[test]
fn frames_are_these_bytes() {
    let samples = frames().into_iter().map(|(name, frame)| (name, hex(&frame.encode())));
    golden("frames.golden", &samples.collect::<Vec<_>>());
}

#[test]
fn requests_and_responses_are_this_json() {
    let json = |(name, frame): (String, Frame)| {
        (name, serde_json::to_string(&frame).expect("frames encode"))
    };
    let travels_as_json = |frame: &Frame| !matches!(frame, Frame::Peer(_));
    let samples = frames().into_iter().filter(|(_, frame)| travels_as_json(frame)).map(json);
    golden("json.golden", &samples.collect::<Vec<_>>());
}

#[test]
fn what_is_encoded_decodes_to_the_same() {
    for (name, frame) in frames() {
        assert_eq!(Frame::decode(&frame.encode()).as_ref(), Ok(&frame), "{name}");
        let json = serde_json::to_string(&frame).expect("frames encode");
        assert_eq!(serde_json::from_str::<Frame>(&json).expect("frames decode"), frame, "{name}");
    }
}

#[test]
fn fields_that_json_may_leave_out_have_their_usual_values() {
    for (short, sample) in [
        (r#"{"write":{"write":{"set":{"key":"name","value":"Alice"}}}}"#, "set"),
        (r#"{"read":{"read":{"get":{"key":"name"}}}}"#, "get"),
        (r#"{"read":{"read":{"list":{"prefix":"n","limit":10}}}}"#, "list"),
        (
            r#"{"change":{"change":{"add":{"member":{"id":4,"address":"h4:8000","incarnation":"4"}}}}}"#,
            "add",
        ),
        (r#"{"change":{"change":{"remove":4}}}"#, "remove"),
        (r#"{"transfer":{}}"#, "transfer"),
    ] {
        let expected = requests().into_iter().find(|(name, _)| *name == sample);
        let decoded = serde_json::from_str(short).expect("it is a request");
        assert_eq!(Some((sample, decoded)), expected);
    }
}

#[test]
fn a_frame_that_is_cut_short_or_too_long_is_refused() {
    assert_eq!(Frame::decode(&[]), Err(DecodeError::Empty));
    for (name, frame) in frames() {
        let mut bytes = frame.encode();
        for length in 1..bytes.len() {
            assert_eq!(Frame::decode(&bytes[..length]), Err(DecodeError::Malformed), "{name}");
        }
        bytes.push(0);
        assert_eq!(Frame::decode(&bytes), Err(DecodeError::Trailing), "{name}");
    }
}

#[test]
fn a_frame_of_another_version_is_refused_by_its_version() {
    for (_, frame) in frames() {
        let mut bytes = frame.encode();
        for version in (0..=u8::MAX).filter(|version| *version != VERSION) {
            bytes[0] = version;
            assert_eq!(Frame::decode(&bytes), Err(DecodeError::Version(version)));
        }
    }
}

#[test]
fn changed_bytes_are_refused_or_read_with_little_memory() {
    for (name, frame) in frames() {
        flip_every_bit(&frame.encode(), |place, bytes| {
            let _ = decode_within_bounds(&format!("{name}, byte {place}"), bytes);
        });
    }
}

#[test]
fn random_bytes_are_refused_or_read_with_little_memory() {
    let mut rng = Pcg32::seed_from_u64(1);
    let samples: Vec<Vec<u8>> = frames().iter().map(|(_, frame)| frame.encode()).collect();
    for round in 0..20_000 {
        let mut bytes = samples[rng.next_u32() as usize % samples.len()].clone();
        for _ in 0..1 + rng.next_u32() % 8 {
            let place = rng.next_u32() as usize % bytes.len();
            match rng.next_u32() % 4 {
                // Numbers that are large, or do not end.
                0 => bytes[place] = 0xff,
                1 => bytes.insert(place, 0xff),
                2 => bytes.truncate(place.max(1)),
                _ => bytes[place] = rng.next_u32() as u8,
            }
        }
        bytes[0] = VERSION;
        let _ = decode_within_bounds(&format!("round {round}"), &bytes);
    }
}

/// The smallest things there are, as many as fit, in every place that takes many.
#[test]
fn many_small_things_cost_a_small_multiple_of_their_bytes() {
    const MANY: usize = 100_000;
    let count = |n: usize| postcard::to_allocvec(&(n as u64)).expect("numbers encode");
    let peer = |body: &[u8]| [&[VERSION, 3, 1, 1, 1, 2][..], body].concat();
    // A Raft message of term 1: AppendEntries with its numbers zero, and then its entries.
    let append = peer(&[0, 1, 2, 0, 0, 0, 0, 0]);
    let page: &[u8] = &[VERSION, 5, 7, 0, 2];
    for (name, head, small) in [
        ("envelopes", vec![VERSION, 3], &[1, 1, 2, 2, 1, 1, 2][..]),
        ("entries", append, &[1, 0, 0][..]),
        ("items", page.to_vec(), &[0, 0, 0, 0][..]),
    ] {
        let mut bytes = [head, count(MANY), small.repeat(MANY)].concat();
        if name == "items" {
            bytes.push(0);
        }
        let frame = decode_within_bounds(name, &bytes);
        assert!(frame.is_ok(), "{name}: the test wants a frame that is read to its end: {frame:?}");
    }
}

#[test]
fn json_that_is_no_frame_is_refused() {
    for (name, response) in responses() {
        let json = serde_json::to_string(&Frame::Response { id: 1, response }).expect("encodes");
        for length in (0..json.len()).filter(|length| json.is_char_boundary(*length)) {
            assert!(serde_json::from_str::<Frame>(&json[..length]).is_err(), "{name}");
        }
    }
    let deep = "[".repeat(100_000);
    assert!(serde_json::from_str::<Frame>(&deep).is_err());
}

fn decode_within_bounds(what: &str, bytes: &[u8]) -> Result<Frame, DecodeError> {
    let (frame, peak) = peak_of(|| Frame::decode(bytes));
    let bound = BYTES_MAX + BYTES_PER_BYTE_MAX * bytes.len();
    assert!(peak <= bound, "{what}: {} bytes took {peak} bytes of memory", bytes.len());
    frame
}
