//! What can happen next, within the bounds, and what it leads to.

use crate::bounds::{Bounds, Scarce};
use crate::checks::Check;
use crate::cluster::Cluster;
use crate::node::{Handling, Input, PacketId};
use crate::space::Space;
use raft_core::id::{NodeId, Term};

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// To whom; the first node is 0.
    pub(crate) place: usize,
    pub(crate) input: Input,
    pub(crate) handling: Handling,
    /// The message is still under way.
    pub(crate) doubled: bool,
}

impl Step {
    pub(crate) fn prompt(place: usize, input: Input) -> Self {
        Self { place, input, handling: Handling::Prompt, doubled: false }
    }
}

impl Cluster {
    /// Everything that can happen next.
    pub(crate) fn steps(&self, space: &Space, bounds: &Bounds, steps: &mut Vec<Step>) {
        steps.clear();
        for place in 0..usize::from(bounds.nodes) {
            let first = steps.len();
            self.inputs(place, space, bounds, |input| steps.push(Step::prompt(place, input)));
            let is_idle = space.node(self.nodes[place]).disk.under_way.is_empty();
            for prompt in first..steps.len() {
                let step = steps[prompt];
                // What is written behind a write under way is slow anyway.
                if is_idle && self.has(Scarce::SlowWrite, bounds) {
                    steps.push(Step { handling: Handling::SlowDisk, ..step });
                }
                if self.has(Scarce::Batch, bounds) {
                    steps.push(Step { handling: Handling::Batched, ..step });
                }
            }
            if self.has(Scarce::Duplicate, bounds) {
                for once in first..steps.len() {
                    if matches!(steps[once].input, Input::Deliver(_)) {
                        steps.push(Step { doubled: true, ..steps[once] });
                    }
                }
            }
            self.faults(place, space, bounds, |input| steps.push(Step::prompt(place, input)));
        }
    }

    fn has(&self, kind: Scarce, bounds: &Bounds) -> bool {
        self.used[kind as usize] < bounds.most(kind)
    }

    fn inputs(&self, place: usize, space: &Space, bounds: &Bounds, mut give: impl FnMut(Input)) {
        let node = space.node(self.nodes[place]);
        let (id, leads) = (node.id(), node.leads());
        let others = (1..=u64::from(bounds.nodes)).map(NodeId);
        let has = |kind| self.has(kind, bounds);
        for packet in self.net.packets() {
            if space.link_of(*packet).1 == id {
                give(Input::Deliver(*packet));
            }
        }
        if match leads {
            true => has(Scarce::Heartbeat),
            false => node.raft.term() < Term(u64::from(bounds.terms)),
        } {
            give(Input::Timeout);
        }
        if !node.disk.under_way.is_empty() {
            give(Input::Synced);
        }
        if leads && has(Scarce::Write) {
            give(Input::Write(self.used[Scarce::Write as usize]));
        }
        if node.raft.leader().is_some() && has(Scarce::Read) {
            give(Input::Read(self.used[Scarce::Read as usize]));
        }
        if node.raft.commit_index() > node.raft.snapshot_last().index && has(Scarce::Snapshot) {
            give(Input::Snapshot);
        }
        if leads && has(Scarce::Change) {
            others.clone().for_each(|other| give(Input::Change(other)));
            let configuration = node.raft.configuration();
            let is_new = |id: &NodeId| !configuration.members.contains_key(id);
            for by in others.clone().filter(is_new) {
                configuration
                    .voters
                    .iter()
                    .for_each(|node| give(Input::Replace { node: *node, by }));
            }
        }
        if leads && has(Scarce::Transfer) {
            others.filter(|other| *other != id).for_each(|other| give(Input::Transfer(other)));
        }
        if has(Scarce::DiskFull) {
            give(Input::DiskFull(!node.raft.disk_is_full()));
        }
    }

    /// What happens to a node without its core being asked for more than it has already.
    fn faults(&self, place: usize, space: &Space, bounds: &Bounds, mut give: impl FnMut(Input)) {
        let node = space.node(self.nodes[place]);
        if node.holds {
            give(Input::Flush);
        }
        if node.until_deadline_us() > 0 && self.has(Scarce::LateWake, bounds) {
            give(Input::LateWake);
        }
        if self.has(Scarce::Crash, bounds) {
            (0..=node.disk.under_way.len() as u8).for_each(|kept| give(Input::Crash { kept }));
        }
        if self.has(Scarce::Wipe, bounds) {
            give(Input::Wipe);
        }
    }

    /// The states that a step leads to: none if nothing changes, several if messages can be lost.
    pub(crate) fn take(
        &self,
        step: Step,
        space: &mut Space,
        bounds: &Bounds,
        after: &mut Vec<Self>,
    ) -> Check {
        after.clear();
        let Step { place, input, handling, doubled } = step;
        let before = self.nodes[place];
        let made = space.look_up(before, input, handling)?;
        // A message that changes nothing may as well stay under way: whatever can happen without it can
        // happen with it, since it is lost when its link is full.
        let stays = made.to == before && made.sent.is_empty() && made.reads.is_empty();
        let is_prompt = handling == Handling::SlowDisk && !made.wrote;
        let is_beyond = space.node(made.to).raft.term() > Term(u64::from(bounds.terms));
        if stays || is_prompt || is_beyond {
            return Ok(());
        }
        let mut next = *self;
        let passes_us = space.node(before).until_deadline_us();
        if bounds.has_leases() && input == Input::Timeout && passes_us > 0 {
            if !self.has(Scarce::Tick, bounds) {
                return Ok(());
            }
            next.used[Scarce::Tick as usize] += 1;
            for other in (0..usize::from(bounds.nodes)).filter(|other| *other != place) {
                let node = &mut next.nodes[other];
                *node = space.look_up(*node, Input::Pass(passes_us), Handling::Prompt)?.to;
            }
        }
        next.nodes[place] = made.to;
        let led = space.node(before).leads();
        for kind in step.uses(led) {
            next.used[kind as usize] += 1;
        }
        match input {
            Input::Deliver(packet) if !doubled => next.net.remove(packet),
            Input::Read(token) => {
                next.reads[usize::from(token)] = space.truths.get(self.truth).index + 1;
            }
            _ => {}
        }
        next.judge(before, place, &made, space, bounds)?;
        next.send(&made.sent, space, bounds, after);
        Ok(())
    }

    /// Where a link is full, every choice of what is lost.
    fn send(mut self, sent: &[PacketId], space: &Space, bounds: &Bounds, after: &mut Vec<Self>) {
        let Some(first) = sent.first() else { return after.push(self) };
        let link = space.link_of(*first);
        let (mut on_link, rest): (Vec<PacketId>, Vec<PacketId>) =
            sent.iter().partition(|packet| space.link_of(**packet) == link);
        on_link.extend(self.net.packets().iter().filter(|packet| space.link_of(**packet) == link));
        on_link.sort_unstable();
        on_link.dedup();
        on_link.iter().for_each(|packet| self.net.remove(*packet));
        let stay = on_link.len().min(bounds.link) as u32;
        for choice in (0u32..1 << on_link.len()).filter(|choice| choice.count_ones() == stay) {
            let mut next = self;
            for (place, packet) in on_link.iter().enumerate() {
                if choice & 1 << place != 0 {
                    next.net.insert(*packet);
                }
            }
            next.send(&rest, space, bounds, after);
        }
    }
}

impl Step {
    /// What it uses up, if the node `led` before.
    fn uses(&self, led: bool) -> impl Iterator<Item = Scarce> {
        let for_input = match self.input {
            Input::Deliver(_) | Input::Synced | Input::Pass(_) | Input::Flush => None,
            Input::Timeout => led.then_some(Scarce::Heartbeat),
            Input::LateWake => Some(Scarce::LateWake),
            Input::Crash { .. } => Some(Scarce::Crash),
            Input::Write(_) => Some(Scarce::Write),
            Input::Read(_) => Some(Scarce::Read),
            Input::Snapshot => Some(Scarce::Snapshot),
            Input::Change(_) | Input::Replace { .. } => Some(Scarce::Change),
            Input::Transfer(_) => Some(Scarce::Transfer),
            Input::DiskFull(_) => Some(Scarce::DiskFull),
            Input::Wipe => Some(Scarce::Wipe),
        };
        let for_handling = match self.handling {
            Handling::Prompt => None,
            Handling::SlowDisk => Some(Scarce::SlowWrite),
            Handling::Batched => Some(Scarce::Batch),
        };
        let for_double = self.doubled.then_some(Scarce::Duplicate);
        [for_input, for_handling, for_double].into_iter().flatten()
    }
}
