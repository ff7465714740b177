//! From bytes to a state, a piece at a time as they arrive.

use crate::bytes::Bytes;
use crate::checksum::crc32;
use crate::kv::keys::Record;
use crate::kv::session::{Remembered, Sessions};
use crate::kv::store::Store;
use crate::wal::Snapshot;
use crate::wal::snapshot::{HEADER_BYTES, LENGTH_BYTES, MAGIC, Part, SnapshotError, VERSION};

/// Builds the state as its bytes arrive. It keeps what it has built and the part that is not whole yet,
/// so it never has much more in memory than has arrived.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    /// What has arrived and is not read yet.
    rest: Vec<u8>,
    next: Next,
    /// Checksum of all that was read.
    crc: u32,
    snapshot: Option<Snapshot>,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Next {
    #[default]
    Header,
    Part,
    Checksum,
}

impl Decoder {
    /// Takes in the next bytes, however they are cut. After an error there is no way on.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.rest.extend_from_slice(bytes);
        let mut read = 0;
        if self.next == Next::Header {
            let Some(header) = self.rest.first_chunk() else { return Ok(()) };
            check_header(header)?;
            self.next = Next::Part;
            read = HEADER_BYTES;
        }
        while self.next == Next::Part
            && let Some((length, rest)) = self.rest[read..].split_first_chunk()
        {
            let length = u32::from_le_bytes(*length) as usize;
            let Some(part) = rest.get(..length) else { break };
            if length == 0 {
                self.next = Next::Checksum;
            } else if !add(part, &mut self.snapshot) {
                return Err(SnapshotError::Damaged);
            }
            read += LENGTH_BYTES + length;
        }
        self.crc = crc32(self.crc, &self.rest[..read]);
        self.rest.drain(..read);
        Ok(())
    }

    /// The snapshot, if all of it has arrived and nothing else.
    pub fn finish(self) -> Result<Snapshot, SnapshotError> {
        match (self.next, self.snapshot) {
            (Next::Header, _) => Err(SnapshotError::NotASnapshot),
            (Next::Checksum, Some(snapshot)) if self.rest == self.crc.to_le_bytes() => Ok(snapshot),
            (Next::Part | Next::Checksum, _) => Err(SnapshotError::Damaged),
        }
    }
}

fn check_header(header: &[u8; HEADER_BYTES]) -> Result<(), SnapshotError> {
    match header.strip_prefix(MAGIC) {
        Some([VERSION]) => Ok(()),
        Some([version]) => Err(SnapshotError::Version(*version)),
        _ => Err(SnapshotError::NotASnapshot),
    }
}

/// Adds a part to what there is; `false` if it is none, or does not belong there.
fn add(part: &[u8], to: &mut Option<Snapshot>) -> bool {
    let Ok((part, [])) = postcard::take_from_bytes::<Part<&[u8], &[u8]>>(part) else {
        return false;
    };
    match (part, to) {
        (Part::Start { meta, forgotten }, to @ None) => {
            *to = Some(Snapshot { meta, store: Store::new(Sessions::new(forgotten)) });
            true
        }
        (Part::Key { key, value, created, modified }, Some(Snapshot { store, .. })) => {
            // A copy, for a slice would keep all that arrived with it.
            let value = Bytes::copy_from_slice(value);
            let record = Record { value, created, modified };
            store.sessions().is_empty() && store.push(key, record)
        }
        (Part::Session { client, used, sequence, result }, Some(Snapshot { store, .. })) => {
            store.sessions_mut().push(client, Remembered { used, sequence, result })
        }
        (Part::Start { .. }, Some(_)) | (Part::Key { .. } | Part::Session { .. }, None) => false,
    }
}
