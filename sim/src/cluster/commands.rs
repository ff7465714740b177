//! What commands do.

use crate::checker::Check;
use crate::cluster::Sim;
use crate::faults::Command;
use crate::linearizability::Call;
use crate::network::Place;
use crate::queue::Event;
use raft_core::bytes::Bytes;
use raft_core::id::NodeId;
use raft_core::kv::command::Condition;
use raft_core::replica::Input;
use raft_core::vec_map::VecSet;
use std::time::Duration;

impl Sim {
    pub(super) fn carry_out(&mut self, command: Command) -> Check {
        self.trace.line(self.now, None, format_args!("{command}"));
        self.counters.faults += u64::from(command.is_fault());
        match command {
            Command::Crash(node) => self.each(|sim, place| sim.named(place, node), Self::crash),
            Command::CrashLeader => self.each(Self::is_leader, Self::crash),
            Command::CrashAll => self.each(|_, _| true, Self::crash),
            Command::Restart(node) => self.each(|sim, place| sim.named(place, node), Self::restart),
            // One that has never been started waits for a command of its own.
            Command::RestartAll => {
                self.each(|sim, place| sim.nodes[place].starts > 0, Self::restart)
            }
            Command::Pause(node) => self.each(|sim, place| sim.named(place, node), Self::pause),
            Command::PauseLeader => self.each(Self::is_leader, Self::pause),
            Command::Resume(node) => self.each(|sim, place| sim.named(place, node), Self::resume),
            Command::ResumeAll => self.each(|_, _| true, Self::resume),
            Command::Cut { from, to } => {
                self.network.cut(from, to);
                Ok(())
            }
            Command::Heal { from, to } => {
                self.network.heal(from, to);
                Ok(())
            }
            Command::Split(side) => {
                self.split(&side);
                Ok(())
            }
            Command::CutLinks(links) => {
                for (one, other) in links {
                    self.network.cut(one, other);
                    self.network.cut(other, one);
                }
                Ok(())
            }
            Command::IsolateLeader => self.each(Self::is_leader, |sim, place| {
                sim.split(&VecSet::from([sim.nodes[place].id]));
                Ok(())
            }),
            Command::DeafenLeader => self.each(Self::is_leader, |sim, place| {
                let leader = sim.nodes[place].id;
                let others = sim.nodes.iter().map(|node| node.id).filter(|node| *node != leader);
                others.for_each(|other| sim.network.cut(other, leader));
                Ok(())
            }),
            Command::HealAll => {
                self.network.heal_all();
                Ok(())
            }
            Command::Lose(ppm) => {
                self.network.lose(ppm);
                Ok(())
            }
            Command::Slow(by) => {
                self.network.slow_all(by);
                Ok(())
            }
            Command::SlowDisk { node, sync } => self
                .each(|sim, place| sim.named(place, node), |sim, place| sim.set_disk(place, sync)),
            Command::FullDisk { node, is_full } => self.each(
                |sim, place| sim.named(place, node),
                |sim, place| sim.fill_disk(place, is_full),
            ),
            // From the end of all faults on nothing goes wrong any more.
            Command::ReplayMessages if self.ending => Ok(()),
            Command::ReplayMessages => {
                self.workload.may_be_doubled();
                for flight in self.network.replay(self.now) {
                    self.counters.messages += 1;
                    self.queue.at(flight.arrives_at, Event::Arrive(Box::new(flight)));
                }
                Ok(())
            }
            Command::FailSync(node) => self.each(
                |sim, place| sim.named(place, node),
                |sim, place| {
                    sim.nodes[place].sync_fails = true;
                    Ok(())
                },
            ),
            Command::Wipe(node) => self.each(|sim, place| sim.named(place, node), Self::wipe),
            Command::Damage { node, damage, place: at } => self.each(
                |sim, place| sim.named(place, node),
                |sim, place| sim.damage(place, damage, at),
            ),
            Command::Copy(node) => self.each(|sim, place| sim.named(place, node), Self::copy),
            Command::PutBack(node) => {
                self.each(|sim, place| sim.named(place, node), Self::put_back)
            }
            Command::Add { .. }
            | Command::Promote(_)
            | Command::Remove(_)
            | Command::Replace { .. }
            | Command::Transfer(_) => self.ask_leader(command),
            Command::Abandon(nodes) => self.each(
                |sim, place| nodes.contains(&sim.nodes[place].id),
                |sim, place| {
                    sim.nodes[place].abandoned = true;
                    Ok(())
                },
            ),
            Command::Write { key, value } => {
                self.script(key, Call::Set { value, condition: Condition::Any });
                Ok(())
            }
            Command::Read { key } => {
                self.script(key, Call::Get);
                Ok(())
            }
            Command::WriteIf { key, value, condition } => {
                self.script(key, Call::Set { value, condition });
                Ok(())
            }
            Command::Delete { key } => {
                self.script(key, Call::Delete { condition: Condition::Any });
                Ok(())
            }
            Command::SetClock { node, rate_ppm } => self.each(
                |sim, place| sim.named(place, node),
                |sim, place| sim.set_rate(place, rate_ppm),
            ),
            Command::FireTimer(node) => {
                self.each(|sim, place| sim.named(place, node), Self::fire_timer)
            }
            Command::Snapshot(node) => {
                self.each(|sim, place| sim.named(place, node), Self::ask_for_snapshot)
            }
            Command::SlowLink { from, to, by } => {
                self.network.slow(from, to, by);
                Ok(())
            }
            Command::LossyLink { from, to, ppm } => {
                self.network.lose_on(from, to, ppm);
                Ok(())
            }
            Command::Message { id, fate } => {
                self.decide(id, fate);
                Ok(())
            }
            Command::EndFaults => self.end_faults(),
        }
    }

    /// Does `what` to every node for which `which` holds now.
    fn each(
        &mut self,
        which: impl Fn(&Self, usize) -> bool,
        what: impl Fn(&mut Self, usize) -> Check,
    ) -> Check {
        let places: Vec<usize> =
            (0..self.nodes.len()).filter(|place| which(self, *place)).collect();
        places.into_iter().try_for_each(|place| what(self, place))
    }

    fn named(&self, place: usize, node: NodeId) -> bool {
        self.nodes[place].id == node
    }

    /// The leader: of several that think so, the one of the latest term.
    pub(super) fn is_leader(&self, place: usize) -> bool {
        let term = |place: usize| {
            let node = &self.nodes[place];
            node.replica().filter(|_| node.leads()).map(|replica| replica.raft().term())
        };
        term(place).is_some() && term(place) == (0..self.nodes.len()).filter_map(term).max()
    }

    pub(super) fn crash(&mut self, place: usize) -> Check {
        let node = &self.nodes[place];
        if !node.is_up() {
            return Ok(());
        }
        let id = node.id;
        let writes = node.disk.has_writes_under_way();
        self.rest(place);
        self.watch.crashes(self.now, &self.nodes, id, writes);
        let node = &mut self.nodes[place];
        node.forget();
        node.disk.crash(&mut self.disk_random);
        let keys = [node.run.take(), node.wake.take().map(|(_, key)| key), node.synced.take()];
        keys.into_iter().for_each(|key| self.queue.cancel(key));
        self.counters.crashes += 1;
        self.trace.line(self.now, Some(Place::Node(id)), format_args!("crashes"));
        for client in self.workload.hung_up(id) {
            self.client_at(client, self.now);
        }
        Ok(())
    }

    fn restart(&mut self, place: usize) -> Check {
        let node = &self.nodes[place];
        let stays = node.is_up() || (node.abandoned && self.ending);
        if stays { Ok(()) } else { self.start(place) }
    }

    fn pause(&mut self, place: usize) -> Check {
        self.rest(place);
        let node = &mut self.nodes[place];
        if node.is_up() && !node.is_paused() {
            node.paused = Some(self.now);
        }
        Ok(())
    }

    fn resume(&mut self, place: usize) -> Check {
        let node = &mut self.nodes[place];
        let Some(since) = node.paused.take() else { return Ok(()) };
        node.disk.did_not_rest(self.now);
        self.watch.resumes(self.now, node, since, self.options.timing.election_timeout_min);
        // What arrived meanwhile comes before the deadline that passed meanwhile.
        self.queue.cancel(node.run.take());
        self.queue.cancel(node.wake.take().map(|(_, key)| key));
        self.run(place, false)
    }

    fn split(&mut self, side: &VecSet<NodeId>) {
        let nodes = 1..=self.nodes.len() as u64;
        for from in nodes.clone().map(NodeId) {
            for to in nodes.clone().map(NodeId) {
                if side.contains(&from) != side.contains(&to) {
                    self.network.cut(from, to);
                }
            }
        }
    }

    fn set_disk(&mut self, place: usize, sync: Option<Duration>) -> Check {
        let node = &mut self.nodes[place];
        node.slow_sync = sync;
        if let Some(key) = node.synced.take() {
            self.queue.cancel(Some(key));
            let ends_at = self.now + sync.unwrap_or(self.options.disk.sync_min);
            node.synced = Some(self.queue.at(ends_at, Event::Synced(node.id)));
        }
        Ok(())
    }

    fn fill_disk(&mut self, place: usize, is_full: bool) -> Check {
        self.rest(place);
        let node = &mut self.nodes[place];
        node.disk_is_full = is_full;
        let id = node.id;
        if node.is_up() { self.deliver(id, Input::DiskFull(is_full)) } else { Ok(()) }
    }

    /// Nodes stay down for ever, if enough others are left, and no change is asked that may need them.
    fn abandon(&mut self) -> Check {
        let abandoned = |node: NodeId| self.nodes[node.0 as usize - 1].abandoned;
        let enough = !self.is_change_asked() && self.has_well_quorum(abandoned);
        self.nodes.iter_mut().for_each(|node| node.abandoned &= enough);
        self.each(|sim, place| sim.nodes[place].abandoned, Self::crash)
    }

    pub(super) fn script(&mut self, key: Bytes, call: Call) {
        let idle = self.workload.is_idle();
        self.workload.script(key, call);
        if idle {
            self.client_at(0, self.now);
        }
    }

    /// Heals everything. A run with faults then has to prove itself well.
    fn end_faults(&mut self) -> Check {
        self.network.calm();
        self.abandon()?;
        self.each(|_, _| true, |sim, place| sim.set_disk(place, None))?;
        self.each(|_, _| true, |sim, place| sim.fill_disk(place, false))?;
        self.nodes.iter_mut().for_each(|node| node.sync_fails = false);
        self.each(|_, _| true, Self::mend_clock)?;
        self.release_all();
        self.each(|sim, place| !sim.nodes[place].abandoned, Self::restart)?;
        self.each(|_, _| true, Self::resume)?;
        if self.options.faults.is_some() && !self.ending {
            self.ending = true;
            self.await_verdict();
            self.workload.end();
            for key in self.workload.keys().collect::<Vec<_>>() {
                let value = Bytes::from("after all");
                self.script(key.clone(), Call::Set { value, condition: Condition::Any });
                self.script(key, Call::Get);
            }
        }
        Ok(())
    }
}
