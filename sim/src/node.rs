//! A node and its machine.

use crate::clock::Clock;
use crate::disk::Disk;
use crate::queue::Key;
use raft_core::id::{EntryId, Incarnation, NodeId};
use raft_core::replica::{Effects, Input, Replica};
use raft_core::time::Instant;
use raft_core::vec_map::VecMap;
use raft_core::wal::Durable;
use std::collections::VecDeque;
use std::time::Duration;

/// Inputs that wait for a node, at most: what comes then is lost, as from a full socket. A node that
/// stands still for long gets there.
const INBOX_MAX: usize = 10_000;

/// A start of a node, as others know it: native's nodes tell it when they connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) life: Incarnation,
    /// Which start of the life it is, as its directory counts them.
    pub(crate) count: u64,
    /// Tells processes apart that count the same.
    pub(crate) number: u64,
}

impl Process {
    /// Whether this process began with the directory as it was before `last` began with it.
    pub(crate) fn is_copy_from_before(self, last: Self) -> bool {
        self.life == last.life && self.number != last.number && self.count <= last.count
    }
}

/// A node, up or down.
#[derive(Clone, Debug)]
pub struct Node {
    pub(crate) id: NodeId,
    pub(crate) replica: Option<Replica>,
    pub(crate) disk: Disk,
    pub(crate) clock: Clock,
    /// It is started with the addresses that the cluster was founded with.
    pub(crate) is_told_founders: bool,
    /// The next sync of its disk fails.
    pub(crate) sync_fails: bool,
    /// How far its log went before an older copy took its place.
    pub(crate) set_back_from: EntryId,
    /// The process of each other node that it heard last.
    pub(crate) seats: VecMap<NodeId, Process>,
    /// Its disk has no room for more commands.
    pub(crate) disk_is_full: bool,
    /// It stays down for ever when everything else is healed.
    pub(crate) abandoned: bool,
    /// Since when it has stood still, if it does.
    pub(crate) paused: Option<Instant>,
    /// How long a sync takes, if a command has said so.
    pub(crate) slow_sync: Option<Duration>,
    /// How often it has started.
    pub(crate) starts: u64,
    /// What has arrived and was not taken in.
    inbox: VecDeque<Input>,
    /// Its events in the queue.
    pub(crate) run: Option<Key>,
    pub(crate) wake: Option<(Instant, Key)>,
    pub(crate) synced: Option<Key>,
}

impl Node {
    pub(crate) fn new(id: NodeId, disk: Disk, clock: Clock) -> Self {
        Self {
            id,
            replica: None,
            clock,
            is_told_founders: disk.is_founder(),
            sync_fails: false,
            set_back_from: EntryId::default(),
            seats: VecMap::new(),
            disk_is_full: false,
            abandoned: false,
            disk,
            paused: None,
            slow_sync: None,
            starts: 0,
            inbox: VecDeque::new(),
            run: None,
            wake: None,
            synced: None,
        }
    }

    /// Its id, from 1.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Whether it runs. A paused node is up.
    pub fn is_up(&self) -> bool {
        self.replica.is_some()
    }

    /// Whether it was ever started.
    pub fn has_started(&self) -> bool {
        self.starts > 0
    }

    /// Whether its disk has no room for more commands.
    pub fn disk_is_full(&self) -> bool {
        self.disk_is_full
    }

    /// What its clock shows of a true second, in millionths.
    pub fn clock_rate_ppm(&self) -> u64 {
        self.clock.rate_ppm()
    }

    /// Whether it stands still.
    pub fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// Its state; `None` while it is down.
    pub fn replica(&self) -> Option<&Replica> {
        self.replica.as_ref()
    }

    /// What it would find on its disk if it started now; `None` if the disk is damaged.
    pub fn on_disk(&self) -> Option<Durable> {
        self.disk.look().ok().map(|found| found.durable)
    }

    /// What its own clock shows at a moment of the run.
    pub fn time(&self, now: Instant) -> Instant {
        self.clock.shows(now)
    }

    /// How long a sync of its disk takes, if a command has said so.
    pub fn slow_sync(&self) -> Option<Duration> {
        self.slow_sync
    }

    /// The life of its disk: another one after the disk was wiped.
    pub fn life(&self) -> Incarnation {
        self.disk.life()
    }

    /// Whether its disk is still that of its first life.
    pub(crate) fn is_in_first_life(&self) -> bool {
        self.life() == Incarnation(self.id.0)
    }

    /// Its present start.
    pub(crate) fn process(&self) -> Process {
        Process { life: self.life(), count: self.disk.starts(), number: self.starts }
    }

    /// Whether it would refuse to talk to this process: it knows a later one of the same directory.
    pub(crate) fn refuses(&self, node: NodeId, process: Process) -> bool {
        let last = self.seats.get(&node).filter(|_| self.is_up());
        last.is_some_and(|last| process.is_copy_from_before(*last))
    }

    /// Whether it leads, as far as it knows.
    pub(crate) fn leads(&self) -> bool {
        self.replica().is_some_and(|replica| replica.raft().leader() == Some(self.id))
    }

    /// Puts an input where the node will find it. `false` if there is no room.
    pub(crate) fn receive(&mut self, input: Input) -> bool {
        let has_room = self.inbox.len() < INBOX_MAX
            || matches!(input, Input::Persisted(_) | Input::DiskFull(_));
        if has_room {
            self.inbox.push_back(input);
        }
        has_room
    }

    /// What waits.
    pub(crate) fn inbox(&self) -> impl Iterator<Item = &Input> {
        self.inbox.iter()
    }

    /// How many inputs wait.
    pub(crate) fn waiting(&self) -> usize {
        self.inbox.len()
    }

    /// Takes in the first `count` inputs, then the deadline if it has come, and returns what follows.
    pub(crate) fn work(&mut self, now: Instant, count: usize, wake: bool) -> Option<Effects> {
        let replica = self.replica.as_mut()?;
        let now = self.clock.shows(now);
        for input in self.inbox.drain(..count) {
            replica.step(now, input);
        }
        if wake {
            replica.step(now, Input::Wake);
        }
        Some(replica.effects())
    }

    /// Loses all that is only in memory.
    pub(crate) fn forget(&mut self) {
        self.replica = None;
        self.paused = None;
        self.inbox.clear();
        self.seats.clear();
    }
}
