//! What this server's disk has been given, has finished, and has room for.

use crate::id::{Index, NodeId, WriteSeq};
use crate::raft::event::Event;
use crate::raft::message::Entry;
use crate::raft::{HardState, Raft, Role};
use crate::time::Instant;
use std::collections::VecDeque;

/// What changed since the last write.
#[derive(Clone, Debug)]
pub struct WriteOut {
    /// The write's number.
    pub seq: WriteSeq,
    /// Term and vote, if they changed.
    pub hard_state: Option<HardState>,
    /// Whether the newest snapshot is new to the disk.
    pub snapshot: bool,
    /// Whether a leader's snapshot has taken the place of the log.
    pub replaces_log: bool,
    /// The index of the first of `entries`.
    pub first: Index,
    /// The log from `first` on.
    pub entries: Vec<Entry>,
}

/// How far the disk is.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    /// The newest write given.
    pub(super) given: WriteSeq,
    /// Writes that are not finished, oldest first, with the moment they were given.
    under_way: VecDeque<(WriteSeq, Instant)>,
    /// Term or vote changed since the newest write.
    pub(super) hard_state_changed: bool,
    /// The snapshot changed since the newest write.
    pub(super) snapshot_changed: bool,
    /// A leader's snapshot took the place of the log since the newest write.
    pub(super) log_replaced: bool,
    /// No entries can be taken in.
    pub(super) is_full: bool,
}

impl Raft {
    /// Every write up to `seq` is durable: what waited for it can happen.
    pub fn persisted(&mut self, now: Instant, seq: WriteSeq) {
        let before = self.begin(now);
        let seq = seq.min(self.disk.given);
        while self.disk.under_way.pop_front_if(|(write, _)| *write <= seq).is_some() {}
        self.log.persisted(seq);
        self.outbox.persisted(seq);
        self.tally_votes();
        // A leader's own disk is one more follower (thesis §10.2.1).
        self.advance_commit();
        before.check(self);
    }

    /// The disk has no room for commands, or has room again.
    pub fn disk_full(&mut self, now: Instant, is_full: bool) {
        let before = self.begin(now);
        if is_full != self.disk.is_full {
            self.disk.is_full = is_full;
            self.output.events.push(Event::DiskFull { is_full });
            self.make_way_if_full();
        }
        before.check(self);
    }

    /// A leader that can take no writes hands over to one that can. If there is none it leads on, since
    /// someone must answer reads.
    pub(super) fn make_way_if_full(&mut self) {
        let Role::Leader(leader) = &self.role else { return };
        let has_room = |node: &NodeId| leader.followers.get(node).is_some_and(|p| !p.is_full);
        if self.disk.is_full
            && leader.transfer.is_none()
            && self.commit >= leader.first
            && let Some(to) = self.fittest_voter().filter(has_room)
        {
            let _ = self.begin_transfer(Some(to));
        }
    }

    /// Whether a quorum of disks has room for commands, as far as this leader knows.
    pub(super) fn has_room(&self) -> bool {
        let Role::Leader(leader) = &self.role else { return false };
        let is_full = |voter| leader.followers.get(&voter).is_some_and(|p| p.is_full);
        // Nearly always nobody is, and then there is nothing to count.
        !leader.followers.values().any(|p| p.is_full)
            || self.configuration().has_quorum(|voter| !is_full(voter))
    }

    /// Whether the disk takes no commands.
    pub fn disk_is_full(&self) -> bool {
        self.disk.is_full
    }

    /// Whether the newest snapshot is still to be handed out.
    pub fn has_snapshot_to_write(&self) -> bool {
        self.disk.snapshot_changed
    }

    pub(super) fn next_write(&mut self) -> Option<WriteOut> {
        let disk = &mut self.disk;
        let changed = disk.hard_state_changed || disk.snapshot_changed || self.log.has_unwritten();
        if !changed || disk.under_way.len() >= self.config.limits.writes_max {
            return None;
        }
        disk.given = disk.given.next();
        disk.under_way.push_back((disk.given, self.now));
        let (first, entries) = self.log.hand_out(disk.given);
        Some(WriteOut {
            seq: disk.given,
            hard_state: std::mem::take(&mut disk.hard_state_changed).then_some(self.hard_state),
            snapshot: std::mem::take(&mut disk.snapshot_changed),
            replaces_log: std::mem::take(&mut disk.log_replaced),
            first,
            entries,
        })
    }

    /// Whether the disk has finished nothing for an election timeout: such a node must not lead.
    pub(super) fn disk_is_stalled(&self) -> bool {
        let oldest = self.disk.under_way.front();
        oldest
            .is_some_and(|(_, given)| self.now - *given >= self.config.timing.election_timeout_max)
    }
}
