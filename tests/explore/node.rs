//! One node: the real core, its disk, and how it takes an input. All that one node can be checked for by
//! itself is checked here.

use crate::chain::{ChainId, Chains};
use crate::checks::{self, Check, Facts, broken};
use crate::disk::{Disk, Image, Write};
use crate::form::Origin;
use raft_core::bytes::Bytes;
use raft_core::config::{Config, Limits, Timing};
use raft_core::id::{ClusterId, Incarnation, Index, NodeId, WriteSeq};
use raft_core::raft::event::Event;
use raft_core::raft::membership::{Change, Goal, Member};
use raft_core::raft::message::{Message, Payload};
use raft_core::raft::reads::ConfirmedRead;
use raft_core::raft::snapshot::Chunk;
use raft_core::raft::{Raft, Role};
use raft_core::time::Instant;
use std::time::Duration;

/// The one duration there is: a heartbeat's, and an election timeout's. Two silent heartbeats end a leader.
const STEP: Duration = Duration::from_secs(1);

/// Of the clock that all nodes share where there are leases; anything but much.
const LEASE_DRIFT_PERCENT: u32 = 1;

/// A node and its disk.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    config: Config,
    pub(crate) raft: Raft,
    pub(crate) disk: Disk,
    /// The newest snapshot.
    image: Option<Image>,
    history: History,
    now: Instant,
    /// How often it was started again.
    starts: u64,
    /// The newest write given to the disk.
    given: WriteSeq,
    /// Inputs were taken whose effects were not asked for yet.
    pub(crate) holds: bool,
}

/// A log as histories.
#[derive(Clone, Debug, Default)]
struct History {
    base: Index,
    /// The history up to the base, and up to each entry after it.
    chains: Vec<ChainId>,
}

/// Something that happens to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Input {
    /// A message comes.
    Deliver(PacketId),
    /// The deadline comes.
    Timeout,
    /// The deadline comes, but the node is not woken yet.
    LateWake,
    /// So many microseconds pass.
    Pass(u64),
    /// The oldest write under way is durable.
    Synced,
    /// The node stops, and starts again with what was synced and the `kept` oldest writes under way.
    Crash {
        /// So many.
        kept: u8,
    },
    /// A client writes this.
    Write(u8),
    /// A client reads.
    Read(u8),
    /// The log is compacted.
    Snapshot,
    /// An operator wants the members changed: this one added if it is none, removed if it is one.
    Change(NodeId),
    /// An operator wants a new one in the place of a voter, by way of a joint configuration.
    Replace {
        /// The voter.
        node: NodeId,
        /// The new one.
        by: NodeId,
    },
    /// An operator wants leadership handed over to this one.
    Transfer(NodeId),
    /// The disk has no room for entries, or has room again.
    DiskFull(bool),
    /// The node stops and starts again with an empty disk, as a new life.
    Wipe,
    /// The effects of inputs before are asked for.
    Flush,
}

/// How an input is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Handling {
    /// What it writes is durable at once.
    Prompt,
    /// What it writes stays under way.
    SlowDisk,
    /// It is one of a batch: its effects come with those of the next input.
    Batched,
}

/// The number of a message among those that were met.
pub(crate) type PacketId = u32;

/// A message under way.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) from: NodeId,
    /// The sender's.
    pub(crate) life: Incarnation,
    pub(crate) to: NodeId,
    pub(crate) message: Message,
}

/// What came of an input.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) sent: Vec<Packet>,
    pub(crate) reads: Vec<ConfirmedRead>,
    pub(crate) events: Vec<Event>,
    pub(crate) wrote: bool,
}

impl Node {
    /// A node that has never run. It knows the founders if it is one of them.
    pub(crate) fn new(id: NodeId, founders: u8, leases: bool) -> Self {
        let founders = 1..=u64::from(founders);
        let members = match founders.contains(&id.0) {
            true => founders.map(|id| member(NodeId(id))).collect(),
            false => Vec::new(),
        };
        let config = Config {
            id,
            cluster: ClusterId(1),
            incarnation: Incarnation(1),
            members,
            seed: seed(id, 0),
            timing: Timing {
                heartbeat_interval: STEP,
                election_timeout_min: STEP,
                election_timeout_max: STEP,
                lease_drift_percent: leases.then_some(LEASE_DRIFT_PERCENT),
                ..Timing::default()
            },
            limits: Limits { log_keep_entries: 0, writes_max: 2, ..Limits::default() },
        };
        let disk = Disk::default();
        let now = Instant(0);
        let raft = Raft::restore(config.clone(), disk.hard_state, None, Vec::new(), now);
        let history = History { base: Index(0), chains: vec![0] };
        let (starts, given) = (0, WriteSeq(0));
        Self { config, raft, disk, image: None, history, now, starts, given, holds: false }
    }

    pub(crate) fn id(&self) -> NodeId {
        self.config.id
    }

    pub(crate) fn life(&self) -> Incarnation {
        self.config.incarnation
    }

    pub(crate) fn leads(&self) -> bool {
        matches!(self.raft.role(), Role::Leader(_))
    }

    /// How long it is until the deadline, in microseconds.
    pub(crate) fn until_deadline_us(&self) -> u64 {
        self.raft.deadline().0.saturating_sub(self.now.0)
    }

    /// The history up to `index`, if the log begins before it and holds it.
    pub(crate) fn chain_at(&self, index: Index) -> Option<ChainId> {
        self.history.chains.get(index.0.checked_sub(self.history.base.0)? as usize).copied()
    }

    /// What there is to see of it, and what its clocks and numbers are relative to.
    pub(crate) fn show(&self) -> (String, Origin) {
        let Self { raft, disk, image, given, holds, .. } = self;
        let origin = Origin {
            now_us: self.now.0,
            past_us_max: 2 * STEP.as_micros() as u64,
            has_leases: self.config.timing.lease_drift_percent.is_some(),
            given: given.0,
            durable: disk.under_way.front().map_or(*given, |write| write.out.seq.prev()).0,
        };
        let life = self.config.incarnation;
        (format!("{raft:?} {life:?} {disk:?} {image:?} {holds}"), origin)
    }

    /// Takes one input in.
    pub(crate) fn take<'a>(
        &mut self,
        input: Input,
        handling: Handling,
        packet: impl Fn(PacketId) -> &'a Packet,
        chains: &mut Chains,
    ) -> Check<Effects> {
        let before = Facts::of(self);
        let mut effects = Effects::default();
        let now = self.now;
        match input {
            Input::Deliver(id) => {
                let Packet { from, life, message, .. } = packet(id);
                self.raft.step(now, *from, *life, message.clone());
                self.install()?;
            }
            Input::Timeout => {
                self.now = now.max(self.raft.deadline());
                self.raft.wake(self.now);
            }
            Input::LateWake => self.now = now.max(self.raft.deadline()),
            Input::Pass(us) => self.now = now + Duration::from_micros(us),
            Input::Synced => {
                if let Some(seq) = self.disk.sync()? {
                    self.raft.persisted(now, seq);
                }
            }
            Input::Crash { kept } => {
                for _ in 0..kept {
                    self.disk.sync()?;
                }
                self.disk.under_way.clear();
                self.restart(chains)?;
                before.check_restart(self)?;
                return Ok(effects);
            }
            Input::Wipe => {
                self.disk = Disk::default();
                // What a node without a memory knows of the founding, it does not trust.
                self.config.members.clear();
                self.config.incarnation.0 += 1;
                self.restart(chains)?;
                return Ok(effects);
            }
            Input::Write(value) => {
                let payload = Payload::Command(Bytes::copy_from_slice(&[value]));
                // A refusal changes nothing.
                let _ = self.raft.propose(now, payload);
            }
            Input::Read(token) => {
                let _ = self.raft.read(now, u64::from(token));
            }
            Input::Snapshot => {
                if let Some(meta) = self.raft.compact(now, self.raft.commit_index()) {
                    let chain =
                        self.chain_at(meta.last.index).expect("committed entries are there");
                    self.image = Some((meta, chain));
                }
            }
            Input::Change(node) => {
                let change = match self.raft.configuration().members.contains_key(&node) {
                    true => Change::Remove(node),
                    false => Change::Add { member: member(node), goal: Goal::Vote },
                };
                let _ = self.raft.change(now, &change);
            }
            Input::Replace { node, by } => {
                let _ = self.raft.change(now, &Change::Replace { node, by: member(by) });
            }
            Input::Transfer(to) => {
                let _ = self.raft.transfer(now, Some(to));
            }
            Input::DiskFull(is_full) => self.raft.disk_full(now, is_full),
            Input::Flush => {}
        }
        self.follow_log(chains);
        if handling == Handling::Batched {
            self.holds = true;
        } else {
            self.flush(handling, chains, &mut effects)?;
        }
        before.check(self)?;
        Ok(effects)
    }

    /// Carries out what follows from the inputs so far.
    fn flush(&mut self, handling: Handling, chains: &mut Chains, effects: &mut Effects) -> Check {
        self.holds = false;
        loop {
            let output = self.raft.output();
            let mut sent = output.send;
            for wanted in output.chunks {
                if let Some((meta, chain)) = &self.image
                    && meta.last == wanted.last
                {
                    let data = Bytes::copy_from_slice(&chain.to_le_bytes());
                    self.raft.send_chunk(wanted, data, true);
                }
            }
            sent.extend(self.raft.take_messages());
            for (to, message) in sent {
                checks::promise(self, to, &message)?;
                effects.sent.push(Packet {
                    from: self.id(),
                    life: self.config.incarnation,
                    to,
                    message,
                });
            }
            effects.reads.extend(output.reads);
            effects.events.extend(output.events);
            let Some(out) = output.write else { return Ok(()) };
            effects.wrote = true;
            self.given = out.seq;
            let image = if out.snapshot { self.image.clone() } else { None };
            let index = |place| Index(out.first.0 + place as u64);
            let chain = |place| self.chain_at(index(place)).expect("what is written is in the log");
            let histories = (0..out.entries.len()).map(chain).collect();
            self.disk.under_way.push_back(Write { out, image, histories });
            if handling == Handling::SlowDisk || self.disk.under_way.len() > 1 {
                return Ok(());
            }
            if let Some(seq) = self.disk.sync()? {
                self.raft.persisted(self.now, seq);
                self.follow_log(chains);
            }
        }
    }

    fn restart(&mut self, chains: &mut Chains) -> Check {
        self.image = self.disk.snapshot.clone();
        self.starts += 1;
        self.config.seed = seed(self.id(), self.starts);
        let meta = self.image.as_ref().map(|(meta, _)| meta.clone());
        let (config, hard_state) = (self.config.clone(), self.disk.hard_state);
        self.raft = Raft::restore(config, hard_state, meta, self.disk.read()?, self.now);
        self.given = WriteSeq(0);
        self.holds = false;
        self.follow_log(chains);
        Ok(())
    }

    /// What a replica does with a leader's snapshot, which here comes in one chunk.
    fn install(&mut self) -> Check {
        let Some(Chunk { meta, data, .. }) = self.raft.take_received() else { return Ok(()) };
        let chain = data.as_ref().try_into().map(ChainId::from_le_bytes).map_err(|_| {
            broken("Snapshots", format!("the snapshot up to {} came as {data:?}", meta.last))
        })?;
        self.raft.install(self.now, meta.clone());
        self.image = Some((meta, chain));
        Ok(())
    }

    /// Looks at the log again.
    fn follow_log(&mut self, chains: &mut Chains) {
        let log = self.raft.log();
        let base = log.base();
        let from_image = self.image.as_ref().filter(|(meta, _)| meta.last == base);
        let at_base = match from_image {
            Some((_, chain)) => *chain,
            None => self.chain_at(base.index).unwrap_or_default(),
        };
        let mut now = vec![at_base];
        for index in base.index.next().0..=log.last().index.0 {
            let entry = log.entry(Index(index)).expect("a log has no gaps");
            now.push(chains.after(now[now.len() - 1], entry));
        }
        self.history = History { base: base.index, chains: now };
    }
}

/// The first life of a node.
fn member(id: NodeId) -> Member {
    Member { id, address: id.to_string(), incarnation: Incarnation(1) }
}

/// The core draws from this seed and its id. Here what it draws depends on neither, since nodes are to be alike,
/// but on how often it was started, since what it draws then must be new.
fn seed(id: NodeId, starts: u64) -> u64 {
    id.0.rotate_left(32) ^ starts
}
