//! The store as plainly as it can be said, and its snapshot byte by byte.

use crate::samples::meta;
use raft_core::error::Error;
use raft_core::id::{ClientId, Index, Sequence};
use raft_core::kv::command::{Command, Condition, Session, Write, Written};
use rand_core::Rng as _;
use rand_pcg::Pcg32;
use std::collections::BTreeMap;

pub(super) fn random_command(rng: &mut Pcg32, index: u64) -> Command {
    let mut below = |bound: u32| rng.next_u32() % bound;
    let key = vec![b'a' + below(3) as u8; [1, 2, 130][below(3) as usize]].into();
    let condition = match below(4) {
        0 => Condition::Absent,
        1 => Condition::Revision(Index(u64::from(below(60)))),
        _ => Condition::Any,
    };
    let write = match below(4) {
        0 => Write::Delete { key, condition },
        _ => Write::Set { key, value: vec![7; below(200) as usize].into(), condition },
    };
    let session = Session {
        client: ClientId(u64::from(below(6)) << below(60)),
        opened: Index(index - 1),
        sequence: Sequence(u64::from(below(4))),
    };
    Command { session: (below(2) == 0).then_some(session), write }
}

/// Keys and sessions.
#[derive(Default)]
pub(super) struct Model {
    /// Value, created, modified.
    keys: BTreeMap<Vec<u8>, (Vec<u8>, u64, u64)>,
    /// Used, sequence, result.
    sessions: BTreeMap<u64, (u64, u64, Result<Written, Error>)>,
    pub(super) forgotten: u64,
}

impl Model {
    pub(super) fn apply(
        &mut self,
        index: u64,
        command: &Command,
        most: usize,
    ) -> Result<Written, Error> {
        let Some(session) = command.session else { return self.write(index, &command.write) };
        let client = session.client.0;
        match self.sessions.get(&client) {
            Some((_, known, result)) if session.sequence.0 == *known => return result.clone(),
            Some((_, known, _)) if session.sequence.0 < *known => {
                return Err(Error::SequencePassed);
            }
            Some(_) => {}
            None if session.opened.0 < self.forgotten => return Err(Error::SessionExpired),
            None => {}
        }
        let result = self.write(index, &command.write);
        self.sessions.insert(client, (index, session.sequence.0, result.clone()));
        if self.sessions.len() > most {
            let oldest = self.sessions.iter().min_by_key(|(_, (used, _, _))| *used);
            let (client, used) =
                oldest.map(|(client, (used, _, _))| (*client, *used)).expect("some");
            self.sessions.remove(&client);
            self.forgotten = used;
        }
        result
    }

    fn write(&mut self, index: u64, write: &Write) -> Result<Written, Error> {
        let key = write.key().to_vec();
        let (created, modified) = match self.keys.get(&key) {
            Some((_, created, modified)) => (Some(*created), Some(*modified)),
            None => (None, None),
        };
        let holds = match write.condition() {
            Condition::Any => true,
            Condition::Absent => modified.is_none(),
            Condition::Revision(revision) => modified == Some(revision.0),
            Condition::Value(_) => unreachable!("no random command has it"),
        };
        if !holds {
            return Err(Error::ConditionFailed { revision: modified.map(Index) });
        }
        match write.value() {
            Some(value) => {
                self.keys.insert(key, (value.to_vec(), created.unwrap_or(index), index));
            }
            None => drop(self.keys.remove(&key)),
        }
        Ok(Written { revision: Index(index), existed: modified.is_some() })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut parts = vec![start_part(self.forgotten)];
        for (key, (value, created, modified)) in &self.keys {
            parts.push(key_part(key, value, *created, *modified));
        }
        for (client, (used, sequence, result)) in &self.sessions {
            parts.push(session_part(*client, *used, *sequence, result));
        }
        snapshot_of(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }
}

pub(super) fn start_part(forgotten: u64) -> Vec<u8> {
    let meta = postcard::to_allocvec(&meta()).expect("it encodes");
    [vec![0], meta, varint(forgotten)].concat()
}

pub(super) fn key_part(key: &[u8], value: &[u8], created: u64, modified: u64) -> Vec<u8> {
    let (key_bytes, value_bytes) = (varint(key.len() as u64), varint(value.len() as u64));
    let revisions = [varint(created), varint(modified)].concat();
    [&[1], &key_bytes[..], key, &value_bytes, value, &revisions].concat()
}

pub(super) fn session_part(
    client: u64,
    used: u64,
    sequence: u64,
    result: &Result<Written, Error>,
) -> Vec<u8> {
    let result = postcard::to_allocvec(result).expect("it encodes");
    [vec![2], varint(client), varint(used), varint(sequence), result].concat()
}

pub(super) fn snapshot_of(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = b"RAFTKVS\x01".to_vec();
    for part in parts {
        bytes.extend((part.len() as u32).to_le_bytes());
        bytes.extend(*part);
    }
    bytes.extend([0; 4]);
    bytes.extend(crc32(&bytes).to_le_bytes());
    bytes
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// CRC-32 as it is published: reflected, polynomial 0xedb88320.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    })
}
