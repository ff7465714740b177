//! Compaction, and InstallSnapshot for followers that need what was compacted away (§7).
//!
//! Consensus says which piece of which snapshot goes where; the bytes come from the one who knows the
//! state.

use crate::bytes::Bytes;
use crate::id::{EntryId, Epoch, Incarnation, Index, NodeId, Round};
use crate::raft::event::Event;
use crate::raft::message::{Body, Entry, SnapshotMeta};
use crate::raft::progress::{Mode, Progress};
use crate::raft::{Raft, Role};
use crate::seeded::{Bug, makes};
use crate::time::Instant;

/// A follower that has said nothing for so many election timeouts is away: a minute or so. It may be for days, and
/// the leader does not let its log grow and keep a snapshot all the while. A shorter silence is that of a bad link
/// or a busy disk, and a transfer is left to end.
const AWAY_TIMEOUTS: u32 = 200;

/// A piece of the newest snapshot that a follower waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkWanted {
    /// Who waits.
    pub to: NodeId,
    /// Which snapshot.
    pub last: EntryId,
    /// From which byte on.
    pub offset: u64,
}

/// A piece of a leader's snapshot that has arrived. They come in a row, from the start on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Of which snapshot.
    pub meta: SnapshotMeta,
    /// From which byte on.
    pub offset: u64,
    /// The piece.
    pub data: Bytes,
    /// Whether it is the last.
    pub done: bool,
}

/// How much of a leader's snapshot has arrived. It is the same bytes from every leader, so another can
/// go on with it.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    pub(super) last: EntryId,
    /// The next chunk's place in it, in bytes.
    offset: u64,
}

impl Raft {
    /// The state up to `applied` is kept as a snapshot: describes it, and forgets the log up to there
    /// but for the newest `log_keep_entries`. `None` if there is nothing to keep.
    pub fn compact(&mut self, now: Instant, applied: Index) -> Option<SnapshotMeta> {
        let before = self.begin(now);
        if applied <= self.snapshot_last().index || applied > self.commit {
            return None;
        }
        let Entry { term, time, .. } = self.log.entry(applied)?;
        let mut in_force = self.configurations.iter().rfind(|(index, _)| *index <= applied)?;
        if makes(Bug::SnapshotWithOldMembers) {
            in_force = self.configurations.first()?;
        } else if makes(Bug::SnapshotWithUncommittedMembers) {
            in_force = self.configurations.last()?;
        }
        if in_force.1.members.is_empty() {
            // A new node does not know yet who belonged to the cluster at that entry.
            return None;
        }
        let last = EntryId { term: *term, index: applied };
        let meta = SnapshotMeta { last, time: *time, configuration: in_force.1.clone() };
        self.snapshot = Some(meta.clone());
        self.disk.snapshot_changed = true;
        self.output.events.push(Event::SnapshotTaken { last });
        let keep = self.config.limits.log_keep_entries;
        let forgotten = self.log.compact(Index(applied.0.saturating_sub(keep)));
        self.output.forgotten.push(forgotten);
        let base = self.log.base().index;
        let in_force_at_base = self.configurations.partition_point(|(index, _)| *index <= base);
        self.configurations.drain(..in_force_at_base.saturating_sub(1));
        before.check(self);
        Some(meta)
    }

    /// Whether some follower needs the newest snapshot: its next entry is compacted away, or the snapshot is
    /// on its way. One that is away needs none until it is back.
    pub fn is_sending_snapshot(&self) -> bool {
        let Role::Leader(leader) = &self.role else { return false };
        let away = self.config.timing.election_timeout_max * AWAY_TIMEOUTS;
        let is_in_need = |follower: &Progress| {
            follower.heard_at.is_some_and(|at| self.now - at <= away)
                && (follower.is_in_snapshot()
                    || self.log.term_at(follower.next_index.prev()).is_none())
        };
        leader.followers.values().any(is_in_need)
    }

    /// Sends the piece that a [`ChunkWanted`] asked for.
    pub fn send_chunk(&mut self, wanted: ChunkWanted, data: Bytes, done: bool) {
        let ChunkWanted { to, last, offset } = wanted;
        let Role::Leader(leader) = &self.role else { return };
        let Some(progress) = leader.followers.get(&to) else { return };
        let Some(meta) = self.snapshot.clone().filter(|meta| meta.last == last) else { return };
        let (epoch, round) = (progress.epoch, leader.reads.round());
        self.send(to, Body::InstallSnapshot { epoch, round, meta, offset, data, done });
    }

    /// InstallSnapshot, receiver implementation (Figure 13).
    #[expect(clippy::too_many_arguments, reason = "the arguments of the paper's call")]
    pub(super) fn on_install_snapshot(
        &mut self,
        from: NodeId,
        epoch: Epoch,
        round: Round,
        meta: SnapshotMeta,
        offset: u64,
        data: Bytes,
        done: bool,
    ) {
        let last = meta.last;
        if !self.follow(from, epoch, round, last.index) {
            return;
        }
        let term_there = self.log.term_at(last.index);
        let has_it = term_there == Some(last.term)
            || (makes(Bug::SnapshotByIndexOnly) && term_there.is_some());
        let is_old = last.index <= self.commit && !makes(Bug::InstallsOlderSnapshot);
        if is_old || has_it {
            // The log has it all: the leader need not send more.
            self.incoming = None;
            return self.verify(last.index, true);
        }
        if self.disk.is_full {
            // As if it were lost: the leader sends it again.
            return;
        }
        let known = self.incoming.take().filter(|incoming| incoming.last == last);
        let incoming = self.incoming.insert(known.unwrap_or(Incoming { last, offset: 0 }));
        let end = offset.saturating_add(data.len() as u64);
        let fits = end <= self.config.limits.snapshot_bytes_max;
        if offset == incoming.offset && fits {
            incoming.offset = end;
            self.received = Some(Chunk { meta, offset, data, done });
            if done {
                // Answered as any entries are: once it is durable.
                self.incoming = None;
                return;
            }
        }
        let next_offset = incoming.offset;
        self.answered();
        self.send(from, Body::InstallSnapshotReply { epoch, round, last, next_offset });
    }

    /// The chunk that has just arrived: to be read, and if it is the last, to be installed. If it cannot
    /// be read, the snapshot is to be rejected.
    pub fn take_received(&mut self) -> Option<Chunk> {
        self.received.take()
    }

    /// Whether some of a leader's snapshot has arrived and the rest is awaited.
    pub fn is_receiving_snapshot(&self) -> bool {
        self.incoming.is_some()
    }

    /// The snapshot was read: it takes the place of the log.
    pub fn install(&mut self, now: Instant, meta: SnapshotMeta) {
        let before = self.begin(now);
        let last = meta.last;
        let forgotten = self.log.reset(last, self.commit);
        self.output.forgotten.push(forgotten);
        self.commit = last.index;
        let configuration = self.configuration().clone();
        if !makes(Bug::SnapshotLeavesConfiguration) {
            self.configurations = vec![(last.index, meta.configuration.clone())];
        }
        if configuration != meta.configuration {
            self.configuration_changed();
        }
        self.snapshot = Some(meta);
        self.disk.snapshot_changed = true;
        self.disk.log_replaced = true;
        self.output.events.push(Event::SnapshotInstalled { last });
        self.verify(last.index, false);
        before.check(self);
    }

    /// The snapshot could not be read: as if it had not come.
    pub fn reject(&mut self, meta: &SnapshotMeta) {
        self.incoming = None;
        self.output.events.push(Event::SnapshotRejected { last: meta.last });
    }

    /// The follower wants to go on at `next_offset`.
    pub(super) fn on_snapshot_reply(
        &mut self,
        from: NodeId,
        life: Incarnation,
        epoch: Epoch,
        round: Round,
        snapshot: EntryId,
        next_offset: u64,
    ) {
        if self.heard_from(from, life, epoch, round).is_none() {
            return;
        }
        let Role::Leader(leader) = &mut self.role else { return };
        let newest = leader.reads.round();
        // A late or doubled answer must not start a second row of chunks. One that asks for less than is
        // known to be there is believed if it is newer: the follower has lost what it had.
        if let Some(progress) = leader.followers.get_mut(&from)
            && let Mode::Snapshot { last, offset, since, asked } = &mut progress.mode
            && *last == snapshot
            && (next_offset > *offset || (next_offset < *offset && round > *since))
        {
            (*offset, *since, *asked) = (next_offset, newest, false);
        }
    }
}
