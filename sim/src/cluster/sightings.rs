//! What the nodes of a run show of themselves, as real ones do to whoever watches them: a trace of a run, in
//! the same words as that of a cluster.

use crate::cluster::Sim;
use raft_core::replica::Effects;
use raft_core::sighting::{Collected, Sighting};
use raft_core::time::Instant;
use std::time::Duration;

/// A node that has nothing new to show says so this often: who says nothing for longer is not well. Real nodes
/// do twice as often, because someone waits; in a recording each time is a line.
const QUIET_INTERVAL: Duration = Duration::from_millis(500);

/// What was shown and not yet taken, and what is about to be.
#[derive(Clone, Debug)]
pub(crate) struct Sightings {
    shown: Vec<Sighting>,
    collected: Vec<Collected>,
    /// In which of its starts each node showed something last, and when.
    last: Vec<Option<(u64, Instant)>>,
}

impl Sightings {
    /// A step of the node at this place led to these effects.
    pub(crate) fn add(&mut self, place: usize, effects: &Effects) {
        self.collected[place].add(effects);
    }
}

impl Sim {
    /// From now on what the nodes show is kept until it is taken.
    pub fn keep_sightings(&mut self) {
        let nodes = self.nodes.len();
        self.sightings = Some(Sightings {
            shown: Vec::new(),
            collected: vec![Collected::default(); nodes],
            last: vec![None; nodes],
        });
    }

    /// What the nodes have shown since it was last taken, in the order of time. All of it is by one clock,
    /// that of the run.
    pub fn take_sightings(&mut self) -> Vec<Sighting> {
        self.sightings.as_mut().map(|kept| std::mem::take(&mut kept.shown)).unwrap_or_default()
    }

    /// The node at this place shows itself as it is now.
    pub(crate) fn show(&mut self, place: usize) {
        self.show_at(place, self.now);
    }

    /// Nodes that have nothing new to show up to a moment show that.
    pub(crate) fn show_quiet(&mut self, until: Instant) {
        let Some(kept) = &self.sightings else { return };
        let mut due = Vec::new();
        for (place, node) in self.nodes.iter().enumerate() {
            if !node.is_up() || node.is_paused() {
                continue;
            }
            let last = kept.last[place].filter(|(starts, _)| *starts == node.starts);
            let mut at = last.map_or(self.now, |(_, at)| (at + QUIET_INTERVAL).max(self.now));
            while at < until {
                due.push((at, place));
                at = at + QUIET_INTERVAL;
            }
        }
        due.sort_unstable();
        due.into_iter().for_each(|(at, place)| self.show_at(place, at));
    }

    fn show_at(&mut self, place: usize, at: Instant) {
        let node = &self.nodes[place];
        if let (Some(kept), Some(replica)) = (&mut self.sightings, &node.replica) {
            kept.shown.push(kept.collected[place].take(at, replica));
            kept.last[place] = Some((node.starts, at));
        }
    }
}
