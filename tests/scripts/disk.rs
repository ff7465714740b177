//! A disk in memory: carries out what [`Wal`] asks for, on bytes that a test can look at and damage.

use raft_core::id::{ClusterId, EntryId, Incarnation, NodeId};
use raft_core::wal::{Damage, Durable, Op, Replayed, Wal, replay, snapshot};
use std::collections::BTreeMap;

/// Whose disk it is.
pub(crate) const CLUSTER: ClusterId = ClusterId(0xc1);

/// What is on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Disk {
    /// Segments of the log by number, each as long as it was opened.
    pub(crate) segments: BTreeMap<u64, Vec<u8>>,
    /// Segments that are needed no more and wait for their next use.
    pub(crate) retired: Vec<Vec<u8>>,
    /// Snapshots by their last entry.
    pub(crate) snapshots: BTreeMap<EntryId, Vec<u8>>,
}

impl Disk {
    /// The writing end of the log on this disk.
    pub(crate) fn wal(
        &self,
        node: NodeId,
        life: Incarnation,
        segment_bytes: u64,
    ) -> Result<Wal, Damage> {
        Ok(Wal::resume(CLUSTER, node, life, segment_bytes, &self.replay()?))
    }

    /// What the log says.
    pub(crate) fn replay(&self) -> Result<Replayed, Damage> {
        let segments: Vec<(u64, &[u8])> =
            self.segments.iter().map(|(number, bytes)| (*number, bytes.as_slice())).collect();
        replay(&segments)
    }

    /// What a node that starts on this disk remembers.
    pub(crate) fn durable(&self) -> Result<Durable, String> {
        let Replayed { hard_state, snapshot: meta, entries, .. } =
            self.replay().map_err(|damage| damage.to_string())?;
        let mut snapshot = None;
        if let Some(last) = meta.map(|meta| meta.last) {
            let bytes =
                self.snapshots.get(&last).ok_or_else(|| format!("snapshot {last} is missing"))?;
            snapshot = Some(snapshot::decode(bytes).map_err(|error| error.to_string())?);
        }
        Ok(Durable { hard_state, snapshot, entries })
    }

    /// Carries out the operations of a write, and recycles what they retire.
    pub(crate) fn carry_out(&mut self, ops: Vec<Op>) {
        for op in ops {
            match op {
                Op::StoreSnapshot { last, bytes } => {
                    self.snapshots.insert(last, bytes);
                }
                Op::OpenSegment { number, bytes, header } => {
                    let length = usize::try_from(bytes).expect("segments of tests are small");
                    let old = self.retired.pop().filter(|old| old.len() >= length);
                    let mut segment = old.unwrap_or_else(|| vec![0; length]);
                    segment[..header.len()].copy_from_slice(&header);
                    self.segments.insert(number, segment);
                }
                Op::Write { number, offset, bytes } => {
                    let segment = self.segments.get_mut(&number).expect("opened before");
                    let start = usize::try_from(offset).expect("segments of tests are small");
                    segment[start..start + bytes.len()].copy_from_slice(&bytes);
                }
                Op::Retire { segment, snapshot } => {
                    let needed = self.segments.split_off(&segment);
                    self.retired
                        .extend(std::mem::replace(&mut self.segments, needed).into_values());
                    self.snapshots.retain(|last, _| Some(*last) == snapshot);
                }
            }
        }
    }
}
