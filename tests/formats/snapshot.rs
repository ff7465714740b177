//! Snapshots on disk and on their way.

mod model;

use crate::memory::peak_of;
use crate::samples::meta;
use crate::{flip_every_bit, golden, hex};
use model::{Model, crc32, key_part, random_command, session_part, snapshot_of, start_part};
use raft_core::bytes::Bytes;
use raft_core::config::Limits;
use raft_core::id::{ClientId, Index, Sequence};
use raft_core::kv::command::{Command, Condition, Session, Write, Written};
use raft_core::kv::store::Store;
use raft_core::wal::Snapshot;
use raft_core::wal::snapshot::{Decoder, Encoder, SnapshotError, decode, encode};
use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg32;

/// The longest value a key may have.
const LONG_VALUE_BYTES: usize = 1 << 20;

#[test]
fn a_snapshot_is_these_bytes() {
    golden("snapshot.golden", &[("snapshot".to_owned(), hex(&encode(&meta(), &store())))]);
}

#[test]
fn a_snapshot_decodes_to_what_was_encoded() {
    for store in [Store::default(), store(), large_store()] {
        let meta = meta();
        assert_eq!(decode(&encode(&meta, &store)), Ok(Snapshot { meta, store }));
    }
}

#[test]
fn the_same_state_is_the_same_bytes_however_it_came_about() {
    let mut other = store();
    let set = |key: &'static str| Write::Set {
        key: key.into(),
        value: "1".into(),
        condition: Condition::Any,
    };
    let delete = Write::Delete { key: "z".into(), condition: Condition::Any };
    for write in [set("z"), delete] {
        let command = Command { session: None, write };
        other.apply(Index(899), &command, &Limits::default()).expect("nothing forbids it");
    }
    assert_eq!(encode(&meta(), &other), encode(&meta(), &store()));
}

#[test]
fn random_states_are_encoded_as_a_naive_model_encodes_them() {
    let limits = Limits { sessions_max: 3, ..Limits::default() };
    let mut forgot = false;
    for seed in 0..200 {
        let mut rng = Pcg32::seed_from_u64(seed);
        let (mut store, mut model) = (Store::default(), Model::default());
        for index in 1..=u64::from(rng.next_u32() % 60) {
            let command = random_command(&mut rng, index);
            let result = store.apply(Index(index), &command, &limits);
            assert_eq!(result, model.apply(index, &command, limits.sessions_max), "seed {seed}");
        }
        let bytes = encode(&meta(), &store);
        assert_eq!(bytes, model.encode(), "seed {seed}");
        assert_eq!(decode(&bytes), Ok(Snapshot { meta: meta(), store }), "seed {seed}");
        forgot |= model.forgotten > 0;
    }
    assert!(forgot, "no session was ever forgotten");
}

#[test]
fn pieces_of_any_size_are_the_same_bytes() {
    for (store, sizes) in [
        (store(), (1..=300).collect::<Vec<_>>()),
        (large_store(), vec![1_000, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 512 << 10, 8 << 20]),
    ] {
        let whole = encode(&meta(), &store);
        for limit in sizes {
            let mut encoder = encoder(&store, limit);
            let (mut bytes, mut is_last) = (Vec::new(), false);
            while !is_last {
                let piece = encoder.piece(bytes.len() as u64);
                let (piece, last) = piece.expect("pieces in a row come at once");
                assert!(!piece.is_empty() && piece.len() <= limit);
                bytes.extend_from_slice(&piece);
                is_last = last;
            }
            assert!(bytes == whole, "pieces of {limit}");
        }
    }
}

#[test]
fn any_piece_can_be_asked_for_at_any_time() {
    let store = large_store();
    let whole = encode(&meta(), &store);
    let mut rng = Pcg32::seed_from_u64(1);
    for limit in [5_000, 100_000, 512 << 10] {
        let mut encoder = encoder(&store, limit);
        for _ in 0..100 {
            let offset = rng.next_u32() as usize % (whole.len() + 100);
            let (piece, is_last) = walk(&mut encoder, offset as u64).0;
            let rest = &whole[offset.min(whole.len())..];
            assert!(rest.starts_with(&piece), "{limit} bytes at {offset} of {}", whole.len());
            assert!(piece.len() <= limit && piece.is_empty() == rest.is_empty());
            assert_eq!(is_last, piece.len() == rest.len());
        }
    }
}

#[test]
fn behind_the_end_there_is_nothing() {
    let end = encode(&meta(), &store()).len() as u64;
    for limit in [30, 1 << 20] {
        let mut encoder = encoder(&store(), limit);
        for offset in [end, end + 1, u64::MAX] {
            assert_eq!(walk(&mut encoder, offset).0, (Vec::new(), true), "{offset} of {end}");
        }
    }
}

#[test]
fn a_new_encoder_walks_to_a_distant_piece_in_steps_that_are_not_much_longer_than_a_piece() {
    const LIMIT: usize = 128 << 10;
    // A step is two blocks more than make a piece.
    const STEP_BYTES_MAX: usize = LIMIT + 2 * (65 << 10);
    let store = large_store();
    let whole = encode(&meta(), &store);
    let far = whole.len() * 4 / 5;
    let mut encoder = encoder(&store, LIMIT);
    let ((piece, _), steps) = walk(&mut encoder, far as u64);
    assert!(whole[far..].starts_with(&piece) && !piece.is_empty());
    // One of the steps is longer by the long value.
    assert!(steps > (far - LONG_VALUE_BYTES) / STEP_BYTES_MAX, "{steps} steps for {far} bytes");
    assert_eq!(walk(&mut encoder, far as u64).1, 1, "it knows the way now");
}

#[test]
fn a_piece_of_many_small_keys_is_shorter_since_each_key_costs_time() {
    // Blocks of 512, of which eight make a piece of this limit and two may be begun; and a long start.
    const PARTS_MAX: usize = 10 * 512 + 50;
    let mut store = Store::default();
    for index in 0..20_000_u32 {
        let (key, value) = (index.to_be_bytes().to_vec().into(), Bytes::new());
        let write = Write::Set { key, value, condition: Condition::Any };
        let command = Command { session: None, write };
        store.apply(Index(1), &command, &Limits::default()).expect("nothing forbids it");
    }
    let whole = encode(&meta(), &store);
    let (mut encoder, mut bytes) = (encoder(&store, 512 << 10), 0);
    while bytes < whole.len() {
        let (piece, _) = encoder.piece(bytes as u64).expect("it comes at once");
        let parts = piece.len() / (4 + key_part(&[0; 4], &[], 1, 1).len());
        assert!(parts <= PARTS_MAX, "{parts} keys in a piece");
        bytes += piece.len();
    }
}

#[test]
fn a_snapshot_cut_anywhere_is_read_as_if_it_were_whole() {
    let (meta, small) = (meta(), store());
    let bytes = encode(&meta, &small);
    let small = Ok(Snapshot { meta: meta.clone(), store: small });
    for first in 0..bytes.len() {
        for second in first..bytes.len() {
            let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
            assert_eq!(read(pieces), small, "cut at {first} and {second}");
        }
    }
    assert_eq!(read(bytes.chunks(1)), small);
    let large = large_store();
    let bytes = encode(&meta, &large);
    for size in [7, 4_096, 100_000, 512 << 10] {
        let snapshot = read(bytes.chunks(size)).expect("it is whole");
        assert!(snapshot.store == large, "pieces of {size}");
    }
}

#[test]
fn every_changed_bit_is_found_out() {
    flip_every_bit(&encode(&meta(), &store()), |place, bytes| {
        assert!(decode(bytes).is_err(), "byte {place} makes no difference");
    });
}

#[test]
fn what_is_no_snapshot_or_one_of_another_version_is_refused_in_these_words() {
    let refusal = |bytes: &[u8]| decode(bytes).expect_err("it is refused").to_string();
    let mut bytes = encode(&meta(), &store());
    bytes[7] = 9;
    assert_eq!(refusal(&bytes), "a snapshot of version 9, not 1");
    bytes[0] = 0;
    assert_eq!(refusal(&bytes), "not a snapshot");
    assert_eq!(refusal(&[]), "not a snapshot");
    assert_eq!(refusal(&encode(&meta(), &store())[..100]), "a damaged snapshot");
}

#[test]
fn a_snapshot_that_is_cut_short_or_too_long_is_refused() {
    let mut bytes = encode(&meta(), &store());
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length]).is_err(), "{length} of {} bytes pass", bytes.len());
    }
    bytes.push(0);
    assert_eq!(decode(&bytes), Err(SnapshotError::Damaged));
}

#[test]
fn parts_that_make_no_state_are_refused_whatever_their_checksum() {
    let (start, a, b) = (start_part(3), key_part(b"a", b"1", 1, 1), key_part(b"b", b"2", 2, 2));
    let written = Ok(Written { revision: Index(4), existed: false });
    let (first, second) = (session_part(1, 4, 1, &written), session_part(2, 5, 1, &written));
    let whole: &[&[u8]] = &[&start, &a, &b, &first, &second];
    assert!(decode(&snapshot_of(whole)).is_ok());
    let too_long: &[u8] = &[&a[..], &[0]].concat();
    let wrong: [(&str, &[&[u8]]); 10] = [
        ("nothing at all", &[]),
        ("no start", &[&a, &b]),
        ("two starts", &[&start, &start]),
        ("falling keys", &[&start, &b, &a]),
        ("a key twice", &[&start, &a, &a]),
        ("a key behind a session", &[&start, &a, &first, &b]),
        ("falling sessions", &[&start, &second, &first]),
        ("a session twice", &[&start, &first, &first]),
        ("a session that was forgotten", &[&start, &session_part(1, 3, 1, &written)]),
        ("a part with something behind it", &[&start, too_long]),
    ];
    for (what, parts) in wrong {
        assert_eq!(decode(&snapshot_of(parts)), Err(SnapshotError::Damaged), "{what}");
    }
}

#[test]
fn whatever_arrives_is_read_in_bounded_memory_and_without_a_panic() {
    let sample = encode(&meta(), &store());
    let (mut rng, mut read) = (Pcg32::seed_from_u64(2), 0);
    for _ in 0..20_000 {
        let mut bytes = sample.clone();
        for _ in 0..=rng.next_u32() % 4 {
            let place = rng.next_u32() as usize % bytes.len();
            bytes[place] = [0, 1, 0x7f, 0xff, rng.next_u32() as u8][rng.next_u32() as usize % 5];
        }
        // With a checksum that holds, so that what is inside is looked at.
        let body = bytes.len() - 4;
        let crc = crc32(&bytes[..body]);
        bytes[body..].copy_from_slice(&crc.to_le_bytes());
        let (result, peak) = peak_of(|| decode(&bytes));
        assert!(peak <= 16_384, "{peak} bytes in memory for {}", bytes.len());
        read += u32::from(result.is_ok());
    }
    assert!(read > 100, "only {read} got as far as the checksum");
}

/// Two keys and two sessions, one of them with a refusal to remember.
fn store() -> Store {
    let mut store = Store::default();
    let commands = [("name", "Alice", Some(1)), ("city", "Oslo", None), ("name", "Bob", Some(2))];
    for (index, (key, value, client)) in (1..).zip(commands) {
        let session = client.map(|client| Session {
            client: ClientId(client),
            opened: Index(0),
            sequence: Sequence(1),
        });
        let condition = Condition::Absent;
        let write = Write::Set { key: key.into(), value: value.into(), condition };
        let command = Command { session, write };
        let refused = store.apply(Index(index), &command, &Limits::default()).is_err();
        assert_eq!(refused, index == 3);
    }
    store
}

/// A few MiB: many keys, one value longer than most pieces, many sessions.
fn large_store() -> Store {
    let (mut store, mut rng) = (Store::default(), Pcg32::seed_from_u64(3));
    for index in 1..=12_000 {
        let value_bytes =
            if index == 4_000 { LONG_VALUE_BYTES } else { rng.next_u32() as usize % 400 };
        let session = Session {
            client: ClientId(rng.next_u64()),
            opened: Index(0),
            sequence: Sequence(index),
        };
        let write = Write::Set {
            key: format!("key-{:08}", rng.next_u32()).into(),
            value: vec![rng.next_u32() as u8; value_bytes].into(),
            condition: Condition::Any,
        };
        let command = Command { session: (index % 3 == 0).then_some(session), write };
        store.apply(Index(index), &command, &Limits::default()).expect("nothing forbids it");
    }
    store
}

fn encoder(store: &Store, limit: usize) -> Encoder {
    Encoder::new(Snapshot { meta: meta(), store: store.clone() }, limit)
}

/// Asks until the piece comes. Returns it, and how often that was.
fn walk(encoder: &mut Encoder, offset: u64) -> ((Vec<u8>, bool), usize) {
    let answers = std::iter::repeat_with(|| encoder.piece(offset));
    let mut answers = (1..).zip(answers).take(2_000);
    let found = answers.find_map(|(asked, piece)| piece.map(|piece| (piece, asked)));
    found.expect("it gets there")
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Snapshot, SnapshotError> {
    let mut decoder = Decoder::default();
    for piece in pieces {
        decoder.push(piece)?;
    }
    decoder.finish()
}
