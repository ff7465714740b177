//! Looking at a run over time.

use super::View;
use crate::branches::{self, Branches};
use crate::record::{Arrow, Spell};
use crate::run::Run;
use crate::scene::timeline::{Flag, Lane, Tab, Timeline, Versus, Window};
use crate::scene::{Kind, Turn};
use raft_core::time::Instant;
use raft_sim::{Flight, Place, Sim};
use std::time::Duration;

/// The most arrows in one picture: more are neither told apart nor quickly drawn.
pub const ARROWS_MAX: usize = 400;

/// The most bands and flags in one picture.
const MARKS_MAX: usize = 200;

/// Into how many parts the whole run is divided for its overview.
pub(crate) const PARTS: usize = 120;

/// How many usual flights long a window is at first: each is then wide enough to be followed.
const WINDOW_FLIGHTS: u32 = 50;

/// The timeline of the branch in view.
pub fn timeline(branches: &Branches, view: &View) -> Timeline {
    let (run, window) = (branches.run(), view.window);
    let record = run.record();
    let (from, until) = (window.from, window.until());
    let other = branches::beside(branches);
    let lanes = record.lanes().iter().enumerate().filter(|(_, lane)| lane.has_run());
    let lanes = lanes.map(|(place, lane)| Lane {
        node: lane.node,
        selected: view.has_picked(lane.node),
        spells: lane.spells(from, until).copied().collect(),
        beside: other
            .map_or_else(Vec::new, |other| beside(branches.all()[other].run(), place, from, until)),
    });
    let (arrows, crowded) = arrows(run, window);
    let (density, kept_from) = record.density(PARTS);
    Timeline {
        window,
        now: run.sim().now(),
        end: record.end().max(run.sim().now()),
        lanes: lanes.collect(),
        arrows,
        crowded,
        bands: record.bands(from, until).take(MARKS_MAX).cloned().collect(),
        flags: flags(record.happenings(), window),
        density,
        kept_from,
        branches: tabs(branches),
        difference: other.and_then(|other| versus(branches, other)),
        in_the_past: run.has_future(),
    }
}

/// The first window of a run.
pub fn first_window(run: &Run) -> Window {
    Window { from: Instant(0), length: flights(run, WINDOW_FLIGHTS) }
}

/// The shortest window of a run.
pub fn shortest_window(run: &Run) -> Duration {
    flights(run, 4)
}

fn flights(run: &Run, flights: u32) -> Duration {
    Duration::from_micros(super::usual_flight_us(run).max(10)) * flights
}

fn beside(other: &Run, place: usize, from: Instant, until: Instant) -> Vec<Spell> {
    let until = until.min(other.record().end());
    other
        .record()
        .lanes()
        .get(place)
        .map_or_else(Vec::new, |lane| lane.spells(from, until).copied().collect())
}

/// The messages in a window: if they are too many, those that do more than keep a leader in office; and
/// if even those are, none.
fn arrows(run: &Run, window: Window) -> (Vec<Arrow>, bool) {
    let (from, until) = (window.from, window.until());
    let recorded = || run.record().arrows(from, until);
    let sim = run.sim();
    let at_the_end = run.steps() == run.record().steps();
    let flights = sim.flights().filter(|flight| at_the_end && flight.sent_at <= until);
    let flying = flights.filter_map(|flight| under_way(sim, flight));
    if recorded().take(ARROWS_MAX + 1).count() <= ARROWS_MAX - ARROWS_MAX / 8 {
        let arrows = recorded().copied().chain(flying).take(ARROWS_MAX);
        return (arrows.collect(), false);
    }
    let mut telling = recorded().filter(|arrow| arrow.kind != Kind::Heartbeat);
    let arrows: Vec<Arrow> = telling.by_ref().take(ARROWS_MAX).copied().collect();
    if telling.next().is_some() { (Vec::new(), true) } else { (arrows, true) }
}

fn under_way(sim: &Sim, flight: &Flight) -> Option<Arrow> {
    let (Place::Node(_), Place::Node(_)) = (flight.from, flight.to) else { return None };
    Arrow::of(sim, flight).map(|arrow| Arrow { step: u64::MAX, ..arrow })
}

/// What happened in a window, to be gone to.
pub(crate) fn flags<'a>(
    happenings: impl Iterator<Item = &'a std::rc::Rc<crate::scene::Happening>>,
    window: Window,
) -> Vec<Flag> {
    let inside = |at: Instant| at >= window.from && at <= window.until();
    let told = happenings.filter(|happening| inside(happening.at));
    // Elections and their ends show in the lanes.
    let shown = told.filter(|happening| {
        happening.turn.is_of_interest()
            && !matches!(happening.turn, Turn::Campaign | Turn::Elected | Turn::SteppedDown)
    });
    let flag = |happening: &std::rc::Rc<crate::scene::Happening>| Flag {
        step: happening.step,
        at: happening.at,
        node: happening.node,
        turn: happening.turn,
        says: match happening.node {
            Some(node) => format!("node {node} {}", happening.says),
            None => format!("{}: {}", happening.by, happening.says),
        },
    };
    shown.take(MARKS_MAX).map(flag).collect()
}

fn tabs(branches: &Branches) -> Vec<Tab> {
    let all = branches.all();
    if all.len() == 1 {
        return Vec::new();
    }
    let tab = |(place, branch): (usize, &branches::Branch)| Tab {
        place,
        name: branch.name.clone(),
        fork: branch.fork.as_ref().map(|fork| (fork.from.clone(), fork.at)),
        current: place == branches.current(),
    };
    all.iter().enumerate().map(tab).collect()
}

fn versus(branches: &Branches, other: usize) -> Option<Versus> {
    let difference = branches.difference(branches.current(), other)?;
    let now = branches.run().sim().now();
    Some(Versus {
        name: branches.all()[other].name.clone(),
        at: difference.at,
        states: [branches.current(), other]
            .map(|place| branches.all()[place].run().record().state_at(now)),
        nodes: difference.nodes,
    })
}
