//! Snapshots: whatever bytes come, they are refused or read with little memory, and what was read is
//! written and read again as the same. A change that the checksum shows is refused.

use crate::edit::{edit, rest};
use crate::memory::peak_of;
use crate::samples;
use crate::tape::Tape;
use raft_core::config::Limits;
use raft_core::id::{ClientId, Index, Sequence};
use raft_core::kv::command::{Command, Condition, Session, Write};
use raft_core::kv::store::Store;
use raft_core::wal::Snapshot;
use raft_core::wal::snapshot::{decode, encode};

/// What the decoder may use for each byte: an item of a map is large in memory and can be a few bytes here.
const BYTES_PER_BYTE_MAX: usize = 200;

/// And what in any case.
const BYTES_MAX: usize = 1 << 20;

/// Bytes of the checksum at the end.
const CRC_BYTES: usize = 4;

/// Reads a snapshot from bytes, or from one that was changed, with its checksum or a right one.
pub(crate) fn check(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    match tape.below(4) {
        0 => drop(read(&rest(&mut tape))),
        1 => drop(read(&with_checksum(rest(&mut tape)))),
        way => {
            let meta = samples::meta();
            let store = store(&mut tape);
            let whole = encode(&meta, &store);
            let mut bytes = whole.clone();
            if way == 2 {
                bytes.truncate(bytes.len() - CRC_BYTES);
            }
            for _ in 0..tape.below(6) {
                edit(&mut bytes, &mut tape);
            }
            if way == 2 {
                read(&with_checksum(bytes));
            } else if let Some(read) = read(&bytes) {
                assert!(bytes == whole && read == Snapshot { meta, store }, "a change passes");
            }
        }
    }
}

fn read(bytes: &[u8]) -> Option<Snapshot> {
    let (snapshot, peak) = peak_of(|| decode(bytes).ok());
    let bound = BYTES_MAX + BYTES_PER_BYTE_MAX * bytes.len();
    assert!(peak <= bound, "{} bytes took {peak} bytes of memory", bytes.len());
    let snapshot = snapshot?;
    let again = decode(&encode(&snapshot.meta, &snapshot.store));
    assert_eq!(again.as_ref(), Ok(&snapshot));
    Some(snapshot)
}

fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// A store after a few writes.
fn store(tape: &mut Tape) -> Store {
    let (mut store, limits) = (Store::default(), Limits { sessions_max: 3, ..Limits::default() });
    for index in 1..1 + tape.below(16) as u64 {
        let key = vec![b'k'; 1 + tape.below(4)];
        let condition = tape.pick(&[Condition::Any, Condition::Absent]).clone();
        let write = match tape.below(4) {
            0 => Write::Delete { key: key.into(), condition },
            length => {
                Write::Set { key: key.into(), value: vec![b'v'; 8 * length].into(), condition }
            }
        };
        let client = ClientId(tape.below(5) as u64);
        let session = Session { client, opened: Index(0), sequence: Sequence(index) };
        let command = Command { session: (client.0 > 0).then_some(session), write };
        // A refusal is a result to remember, too.
        let _ = store.apply(Index(index), &command, &limits);
    }
    store
}
