//! The space-time diagram, as data: what happened in a stretch of time, node by node.

use crate::record::{Arrow, Band, Spell};
use crate::scene::Turn;
use raft_core::id::NodeId;
use raft_core::time::Instant;
use std::time::Duration;

/// A stretch of time in view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its beginning.
    pub from: Instant,
    /// How long it is.
    pub length: Duration,
}

/// The longest window: beyond it a picture is a smear.
const WINDOW_MAX: Duration = Duration::from_secs(3_600);

/// The space-time diagram of a stretch of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// The stretch.
    pub window: Window,
    /// The moment on the stage.
    pub now: Instant,
    /// How far the run has ever been played.
    pub end: Instant,
    /// The nodes' lanes.
    pub lanes: Vec<Lane>,
    /// Messages, those under way among them.
    pub arrows: Vec<Arrow>,
    /// Whether there are too many messages to draw them one by one.
    pub crowded: bool,
    /// What clients asked.
    pub bands: Vec<Band>,
    /// Turning points.
    pub flags: Vec<Flag>,
    /// How many messages ended in each of as many equal parts of the whole run.
    pub density: Vec<u32>,
    /// Messages that ended before this moment have been forgotten.
    pub kept_from: Instant,
    /// The branches, if there are several.
    pub branches: Vec<Tab>,
    /// How the branch in view differs from the one it parted from, or the last one that parted from it.
    pub difference: Option<Versus>,
    /// Whether acting now would begin another branch.
    pub in_the_past: bool,
}

/// A node's lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// The node.
    pub node: NodeId,
    /// Whether the visitor has picked it.
    pub selected: bool,
    /// Its roles.
    pub spells: Vec<Spell>,
    /// Its roles in the branch that this one is compared with.
    pub beside: Vec<Spell>,
}

/// Something to go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The step.
    pub step: u64,
    /// The moment.
    pub at: Instant,
    /// In which lane; above all of them if it is about none.
    pub node: Option<NodeId>,
    /// What it is.
    pub turn: Turn,
    /// In words.
    pub says: String,
}

/// A branch, to be gone to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tab {
    /// Its place among the branches.
    pub place: usize,
    /// Its name.
    pub name: String,
    /// The name of the branch it parted from, and when.
    pub fork: Option<(String, Instant)>,
    /// Whether it is in view.
    pub current: bool,
}

/// How two branches differ, in view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versus {
    /// The other branch's name.
    pub name: String,
    /// When they parted.
    pub at: Instant,
    /// What this one and the other have come to by now, in words.
    pub states: [String; 2],
    /// The nodes whose roles or terms differ after that.
    pub nodes: Vec<NodeId>,
}

impl Window {
    /// Its end.
    pub fn until(self) -> Instant {
        self.from + self.length
    }

    /// The window turned like a page, if the moment is not well inside it.
    pub fn holding(self, now: Instant) -> Self {
        let length_us = self.length.as_micros() as u64;
        let before = match now.0.checked_sub(self.from.0) {
            None => length_us / 2,
            Some(inside) if inside > length_us / 20 * 19 => length_us / 3,
            Some(_) => return self,
        };
        Self { from: Instant(now.0.saturating_sub(before)), ..self }
    }

    /// The window so many times as long, with a moment in the same place of it.
    pub fn zoomed(self, now: Instant, (times, of): (u32, u32), shortest: Duration) -> Self {
        let length = (self.length * times / of).clamp(shortest, WINDOW_MAX);
        let before = now.0.saturating_sub(self.from.0) as f64 / self.length.as_micros() as f64;
        let before = (length.as_micros() as f64 * before) as u64;
        Self { from: Instant(now.0.saturating_sub(before)), length }
    }

    /// Which share of it lies before a moment: from 0 to 1 inside.
    pub fn share(self, at: Instant) -> f64 {
        (at.0 as f64 - self.from.0 as f64) / self.length.as_micros().max(1) as f64
    }
}
