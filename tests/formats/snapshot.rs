//! Snapshots on disk and on their way.

use crate::samples::meta;
use crate::{flip_every_bit, golden, hex};
use raft_core::config::Limits;
use raft_core::id::{ClientId, Index, Sequence};
use raft_core::kv::command::{Command, Condition, Session, Write};
use raft_core::kv::store::Store;
use raft_core::wal::Snapshot;
use raft_core::wal::snapshot::{SnapshotError, decode, encode};

#[test]
fn a_snapshot_is_these_bytes() {
    golden("snapshot.golden", &[("snapshot".to_owned(), hex(&encode(&meta(), &store())))]);
}

#[test]
fn a_snapshot_decodes_to_what_was_encoded() {
    let (meta, store) = (meta(), store());
    assert_eq!(decode(&encode(&meta, &store)), Ok(Snapshot { meta, store }));
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
fn every_changed_bit_is_found_out() {
    flip_every_bit(&encode(&meta(), &store()), |place, bytes| {
        assert!(decode(bytes).is_err(), "byte {place} makes no difference");
    });
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

/// A store with two keys and two sessions, one of them with a refusal to remember.
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
