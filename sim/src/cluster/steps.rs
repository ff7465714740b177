//! How nodes are driven: started, given what arrives, and followed in what they want done.

use crate::checker::{Broken, Check, Property, View};
use crate::cluster::{Sim, cluster_id};
use crate::network::{Cargo, Place};
use crate::queue::Event;
use crate::random::mix;
use crate::sometimes::Point;
use raft_core::config::Config;
use raft_core::id::NodeId;
use raft_core::raft::event::Event as Happening;
use raft_core::replica::{Effects, Input, Replica};
use raft_core::time::Instant;
use std::time::Duration;

impl Sim {
    /// Starts a node that is down, from its disk, as the native node does it: it looks, greets the others,
    /// and begins a new life if its memory cannot be relied on.
    pub(super) fn start(&mut self, place: usize) -> Check {
        let node = &self.nodes[place];
        let found = match node.disk.look() {
            Err(damage) if node.disk.is_damaged() => {
                self.watch.sometimes.hit(Point::DamageFound);
                return self.start_anew(place, &damage);
            }
            Err(damage) => {
                let facts = format!("after a crash, node {} cannot start: {damage}", node.id);
                return Err(Broken { property: Property::Recovery, facts });
            }
            Ok(_) if self.is_told_that_it_is_a_copy(place, node.disk.starts() + 1) => {
                return self.start_anew(place, "it is an older copy of one that ran since");
            }
            Ok(found) => found,
        };
        let node = &mut self.nodes[place];
        self.watch.sometimes.hit_if(node.disk.is_damaged(), Point::DamageWithoutEffect);
        let recovered = node.disk.open(self.now, found, &mut self.watch.sometimes);
        if recovered.is_haunted {
            let facts = format!("node {} leaves traces of a write that may come back", node.id);
            return Err(Broken { property: Property::Recovery, facts });
        }
        self.counters.torn_tails += u64::from(recovered.torn);
        let restart = self.checker.started(node.id, &recovered.durable)?;
        node.starts += 1;
        node.clock = node.clock.restarted(self.now, self.clocks.origin(self.now));
        self.watch.started(self.now, node, &recovered.durable, restart);
        let config = Config {
            id: node.id,
            cluster: cluster_id(&self.members),
            incarnation: node.life(),
            members: if node.disk.is_founder() { self.members.clone() } else { Vec::new() },
            seed: mix(self.options.seed ^ mix(node.id.0) ^ mix(node.starts << 32)),
            timing: self.options.timing.clone(),
            limits: self.options.limits.clone(),
        };
        let replica = Replica::restore(config, recovered.durable, node.clock.shows(self.now));
        let (term, last) = (replica.raft().term(), replica.raft().log().last());
        self.trace.line(
            self.now,
            Some(Place::Node(node.id)),
            format_args!("starts in term {term} with a log up to {last}"),
        );
        node.replica = Some(replica);
        if node.disk_is_full {
            node.receive(Input::DiskFull(true));
        }
        self.run(place, false)
    }

    /// Gives a node an input. It takes it in at once, or after some work that gathers more.
    pub(super) fn deliver(&mut self, node: NodeId, input: Input) -> Check {
        let place = self.place(node);
        if !self.nodes[place].receive(input) {
            self.counters.lost += 1;
        }
        if self.nodes[place].run.is_some() || self.nodes[place].is_paused() {
            return Ok(());
        }
        if self.options.work_max.is_zero() {
            return self.run(place, false);
        }
        self.run_soon(place);
        Ok(())
    }

    fn run_soon(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        if node.run.is_none() {
            let work = self.random.duration(Duration::ZERO, self.options.work_max);
            node.run = Some(self.queue.at(self.now + work, Event::Run(node.id)));
        }
    }

    /// A node takes in what has arrived, and then its deadline if that has come.
    pub(super) fn run(&mut self, place: usize, wake: bool) -> Check {
        let node = &mut self.nodes[place];
        if node.is_paused() {
            return Ok(());
        }
        let waiting = node.waiting();
        let count = match !wake && self.random.chance(self.options.part_ppm) {
            true => waiting.min(self.random.between(1, waiting.max(1) as u64) as usize),
            false => waiting,
        };
        self.watch.sometimes.hit_if(count < waiting, Point::TookPart);
        let Some(effects) = node.work(self.now, count, wake) else { return Ok(()) };
        if node.waiting() > 0 {
            self.run_soon(place);
        }
        self.follow(place, effects)
    }

    /// Carries out what a node wants done, under the eyes of the checker.
    fn follow(&mut self, place: usize, effects: Effects) -> Check {
        if let Some(kept) = &mut self.sightings {
            kept.add(place, &effects);
        }
        self.show(place);
        let Some(replica) = &self.nodes[place].replica else { return Ok(()) };
        let id = self.nodes[place].id;
        for event in &effects.events {
            self.trace.event(self.now, id, event);
            match event {
                Happening::BecameLeader { .. } => self.counters.elections += 1,
                Happening::ToldToStand { .. } => self.operator.told += 1,
                Happening::QuorumLost { .. } => self.is_loss_told = true,
                Happening::SnapshotTaken { .. } => self.counters.snapshots_taken += 1,
                Happening::SnapshotInstalled { .. } => self.counters.snapshots_installed += 1,
                _ => {}
            }
        }
        let sometimes = &mut self.watch.sometimes;
        self.checker.stepped(&View::of(replica), &effects, sometimes)?;
        self.counters.commits = self.checker.committed().0;
        self.watch.stepped(&self.nodes, id, self.network.has_cuts(), &effects);
        if let Some(write) = effects.write {
            self.rest(place);
            self.nodes[place].disk.write(write);
            self.begin_sync(place);
        }
        for envelope in effects.send {
            let to = Place::Node(envelope.to);
            self.send(Place::Node(id), to, Cargo::Peer(envelope))?;
        }
        for (ticket, response) in effects.reply {
            let client = Place::Client(self.workload.asker(ticket));
            self.send(Place::Node(id), client, Cargo::Response { ticket, response })?;
        }
        self.set_alarm(place);
        Ok(())
    }

    /// Sets a node's alarm to its deadline.
    pub(super) fn set_alarm(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        let Some(replica) = &node.replica else { return };
        let deadline = replica.deadline();
        if node.wake.is_some_and(|(set, _)| set == deadline) {
            return;
        }
        self.queue.cancel(node.wake.take().map(|(_, key)| key));
        if deadline != Instant::MAX {
            let late = self.random.duration(Duration::ZERO, self.options.work_max);
            let key =
                self.queue.at(node.clock.when(deadline).max(self.now) + late, Event::Wake(node.id));
            node.wake = Some((deadline, key));
        }
    }

    fn begin_sync(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        if node.disk.begin_sync(&mut self.watch.sometimes) {
            let disk = &self.options.disk;
            let usual = self.disk_random.duration(disk.sync_min, disk.sync_max);
            let takes = node.slow_sync.unwrap_or(usual);
            let stalls = takes >= self.options.timing.election_timeout_max;
            self.watch.sometimes.hit_if(stalls, Point::DiskStalled);
            node.synced = Some(self.queue.at(self.now + takes, Event::Synced(node.id)));
        }
    }

    pub(super) fn finish_sync(&mut self, place: usize) -> Check {
        let node = &mut self.nodes[place];
        node.synced = None;
        if std::mem::take(&mut node.sync_fails) {
            self.watch.sometimes.hit(Point::SyncFailed);
            return self.crash(place);
        }
        let seq = node.disk.finish_sync(self.now, &mut self.watch.sometimes);
        let id = node.id;
        self.counters.syncs += 1;
        self.trace.line(
            self.now,
            Some(Place::Node(id)),
            format_args!("has write {seq} on its disk"),
        );
        self.checker.synced(id, seq)?;
        self.watch.synced(id, seq);
        self.begin_sync(place);
        self.deliver(id, Input::Persisted(seq))
    }
}
