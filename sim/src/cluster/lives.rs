//! Disks that lose what they held, and the lives that begin after.

use crate::checker::Check;
use crate::cluster::Sim;
use crate::cluster::atlas::Loss;
use crate::faults::Damage;
use crate::network::{Cargo, Place};
use crate::node::Node;
use crate::sometimes::Point;
use raft_core::id::{EntryId, Incarnation, Index, NodeId};
use raft_core::request::Request;
use raft_core::wal::Durable;

/// Lives of the founding are the numbers of their nodes; later ones come after this.
const FIRST_LATER_LIFE: u64 = 1_000;

impl Sim {
    /// A node loses its power and all its data, if it may.
    pub(super) fn wipe(&mut self, place: usize) -> Check {
        // It is started as it always was, and cannot know that it had data. Where it might take the cluster
        // for new and find others that do, it is told to join.
        let as_before = self.nodes[place].is_told_founders && self.may_lose(place, Loss::Wiped);
        if !as_before && !self.may_lose(place, Loss::Noticed) {
            self.watch.sometimes.hit(Point::LossForbidden);
            return Ok(());
        }
        self.crash(place)?;
        self.watch.sometimes.hit_if(as_before, Point::FoundedAgain);
        self.lose_life(place, as_before);
        Ok(())
    }

    /// A node loses its power, and bytes of its disk change, if it may lose its data.
    pub(super) fn damage(&mut self, place: usize, damage: Damage, at: u32) -> Check {
        // Who was founded alone and is not alone any more refuses to start, and a person must remove it.
        let waits_for_ever = self.is_irreparable(place) && self.nodes.len() > 1;
        if waits_for_ever || !self.may_lose(place, Loss::Noticed) {
            self.watch.sometimes.hit(Point::LossForbidden);
            return Ok(());
        }
        self.crash(place)?;
        self.nodes[place].disk.damage(damage, at);
        Ok(())
    }

    pub(super) fn copy(&mut self, place: usize) -> Check {
        self.nodes[place].disk.keep_copy();
        Ok(())
    }

    /// A node loses its power and starts at once with an older copy of its directory, if somebody notices
    /// whom that matters to: one who knows a later start, or the leader that it had acknowledged more to.
    pub(super) fn put_back(&mut self, place: usize) -> Check {
        let node = &self.nodes[place];
        // Where nobody could fill it again, it would be up to a person to heed what the node says.
        let is_fit = !node.disk.is_damaged() && !self.is_irreparable(place);
        let Some(disk) = node.disk.put_back().filter(|_| is_fit) else { return Ok(()) };
        let Ok(found) = disk.look() else { return Ok(()) };
        let found = found.durable;
        let id = node.id;
        let is_told = self.is_told_that_it_is_a_copy(place, disk.starts() + 1);
        let allowed = match is_told {
            true => self.may_lose(place, Loss::Noticed),
            false => {
                // Votes are not taken back, and of what is taken back nothing is needed.
                self.checker.has_voted_as(id, found.hard_state)
                    && self.checker.last_on_disk(id).index <= self.checker.committed()
                    && self.may_lose(place, Loss::Entries(last(&found)))
            }
        };
        if !allowed {
            self.watch.sometimes.hit(Point::LossForbidden);
            return Ok(());
        }
        self.crash(place)?;
        self.watch.sometimes.hit_if(is_told, Point::CopyFoundAtStart);
        self.watch.sometimes.hit_if(!is_told, Point::CopyNotFound);
        let from = &mut self.nodes[place].set_back_from;
        *from = self.checker.last_on_disk(id).max(*from);
        self.checker.set_back(id, &found);
        self.nodes[place].disk = disk;
        self.start(place)
    }

    /// Nothing can be relied on: the files are set aside, and another life begins that waits to be admitted.
    pub(super) fn start_anew(&mut self, place: usize, why: &str) -> Check {
        let node = Some(Place::Node(self.nodes[place].id));
        if self.is_irreparable(place) {
            self.trace.line(self.now, node, format_args!("refuses to start: {why}"));
            self.is_loss_told = true;
            return Ok(());
        }
        self.trace.line(self.now, node, format_args!("begins a new life: {why}"));
        self.lose_life(place, false);
        self.start(place)
    }

    /// Whether a node was founded alone, so that nobody could fill it again: native refuses to start then,
    /// and leaves everything as it is.
    fn is_irreparable(&self, place: usize) -> bool {
        self.nodes[place].is_told_founders && self.members.len() == 1
    }

    /// Whether too few nodes remember, so that nothing can be decided, nobody leads, and somebody has said why:
    /// one who remembers, or one who refuses to start.
    pub(super) fn has_halted(&self) -> bool {
        let nobody_leads = !self.nodes.iter().any(Node::leads);
        let too_few = !self.has_well_quorum(|node| self.nodes[self.place(node)].abandoned);
        let all_forgot = !self.checker.configurations().any(|configuration| {
            let mut voters = configuration.all_voters();
            voters.any(|voter| {
                self.nodes[self.place(voter)].is_up() && self.remembers(configuration, voter)
            })
        });
        nobody_leads && too_few && (self.is_loss_told || all_forgot)
    }

    fn lose_life(&mut self, place: usize, is_founder: bool) {
        self.counters.lives_lost += 1;
        let life = Incarnation(FIRST_LATER_LIFE + self.counters.lives_lost);
        let node = &mut self.nodes[place];
        node.disk = node.disk.wiped(life, is_founder);
        node.set_back_from = EntryId::default();
        self.checker.wiped(node.id, life);
    }

    /// A message has come from one node to another: whether the one is told that its directory is an older
    /// copy. Nodes tell when they connect, so this is about processes that run now.
    pub(super) fn is_older_copy(&mut self, from: NodeId, to: NodeId, start: u64) -> bool {
        let sender = &self.nodes[self.place(from)];
        if !sender.is_up() || sender.starts != start {
            return false;
        }
        let process = sender.process();
        let place = self.place(to);
        let is_copy = self.nodes[place].refuses(from, process);
        if !is_copy {
            self.nodes[place].seats.insert(from, process);
        }
        is_copy
    }

    /// A node that runs has been told that its directory is an older copy.
    pub(super) fn begin_anew(&mut self, node: NodeId) -> Check {
        let place = self.place(node);
        self.watch.sometimes.hit(Point::CopyFoundLater);
        self.crash(place)?;
        self.start_anew(place, "it is an older copy of one that ran since")
    }

    /// The disk of a node does what it does when there is nothing to write.
    pub(super) fn rest(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        // The reserve is not for marks, and who stands still makes none.
        if !node.disk_is_full && !node.is_paused() {
            node.disk.rest(self.now, &mut self.watch.sometimes);
        }
    }

    /// Whether the operator wants this still: not when all is healed, and not when too few remember.
    pub(super) fn is_wanted_still(&self, cargo: &Cargo) -> bool {
        match cargo {
            Cargo::Request { request: Request::Change { change, .. }, .. } => {
                !self.ending && self.may_change(change)
            }
            _ => !self.ending,
        }
    }
}

/// The last entry of a log.
fn last(found: &Durable) -> EntryId {
    let base = found.snapshot.as_ref().map(|snapshot| snapshot.meta.last).unwrap_or_default();
    let entry = found.entries.last().map(|entry| EntryId {
        term: entry.term,
        index: Index(base.index.0 + found.entries.len() as u64),
    });
    entry.unwrap_or(base)
}
