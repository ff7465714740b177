//! Everything that can happen to a small cluster, within bounds.
//!
//! Three nodes with the real core, what is under way between them, and what their disks hold make a state. A step
//! is a message that arrives, a deadline, a write that reaches the disk, a crash, a client's wish. From a start, every
//! step is taken that the bounds allow, from every state that this leads to, until there are no new ones; after
//! each, every property is checked that must hold. A violation is shown as the shortest way to it.
//!
//! The small explorations are a test like any other. The large ones are `cargo xtask explore`.
//!
//! What the bounds leave out is left out for all to read in `explorations`. What is thought to lose nothing, and why:
//! in `form`, what a state is; in `steps`, that a message that changes nothing stays under way.
//! That a message is lost is no step of its own: one that never arrives does no more, and where a link is full
//! every choice of what is lost is explored. A node that is down does what a node does to which nothing
//! happens, so a crash is one step with the restart.
//!
//! Not explored: the store and sessions, which other tests have; leases whose clocks drift; and what bytes look like.

mod bounds;
mod chain;
mod checks;
mod cluster;
mod disk;
mod explorations;
mod form;
mod judge;
mod node;
mod search;
mod space;
mod steps;
mod words;

use bounds::{Bounds, Start};
use form::namings;
use search::{Limit, Report, search};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Long enough for anything, and yet an end.
const HOUR: Duration = Duration::from_secs(60 * 60);

#[test]
fn nothing_that_can_happen_within_small_bounds_breaks_a_property() {
    let limit = Limit { states: usize::MAX, until: Instant::now() + HOUR };
    let reports = explore(&explorations::small(), limit);
    assert!(reports.iter().all(|report| report.is_whole), "{reports:?}");
    // An exploration that gets nowhere proves nothing.
    assert!(reports.iter().map(|report| report.states).sum::<usize>() > 200_000, "{reports:?}");
}

/// `cargo xtask explore`. The environment says how far: RAFT_EXPLORE_STATES for each exploration, and
/// RAFT_EXPLORE_MINUTES for all of them.
#[test]
#[ignore = "takes minutes in a release build, hours in this one"]
fn nothing_that_can_happen_within_large_bounds_breaks_a_property() {
    let number = |name, default| match std::env::var(name) {
        Ok(value) => value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")),
        Err(_) => default,
    };
    let minutes = Duration::from_secs(60 * number("RAFT_EXPLORE_MINUTES", 24 * 60));
    let states = number("RAFT_EXPLORE_STATES", 10_000_000);
    let limit = Limit { states: states as usize, until: Instant::now() + minutes };
    let reports = explore(&explorations::large(), limit);
    let states: usize = reports.iter().map(|report| report.states).sum();
    let named: u64 = reports.iter().map(|report| report.named).sum();
    let transitions: u64 = reports.iter().map(|report| report.transitions).sum();
    let whole = reports.iter().filter(|report| report.is_whole).count();
    println!(
        "In all {states} states ({named} with names), {transitions} transitions; {whole} of {} explorations whole; \
         no violation.",
        reports.len()
    );
}

#[test]
fn names_of_nodes_make_no_difference() {
    let bounds = Bounds::new(Start::Nothing, 1);
    let limit = Limit { states: usize::MAX, until: Instant::now() + HOUR };
    let exchanged = search(&bounds, limit, namings(3), |_| {});
    let told_apart = search(&bounds, limit, namings(3)[..1].to_vec(), |_| {});
    assert!(exchanged.is_whole && told_apart.is_whole);
    assert_eq!(exchanged.named, told_apart.states as u64);
}

/// Explores on every core of the machine, each of these by itself. A violation ends the test.
fn explore(all: &[Bounds], limit: Limit) -> Vec<Report> {
    // The core's own checks are violations like any other, and are shown as such.
    std::panic::set_hook(Box::new(|info| {
        if std::thread::current().name().is_none_or(|name| name != "explorer") {
            eprintln!("{info}");
        }
    }));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, reports) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let run = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(bounds) = all.get(place) else { return };
            // Each has the same share of the time that is left; what it leaves, the later ones have.
            let left = limit.until.saturating_duration_since(Instant::now());
            let share = left * workers as u32 / (all.len() - place) as u32;
            let limit = Limit { until: Instant::now() + left.min(share), ..limit };
            let tell = |report: &Report| println!("  so far, {bounds}: {report}");
            let report = search(bounds, limit, namings(u64::from(bounds.nodes)), tell);
            println!("{bounds}: {report}");
            reports.lock().expect("nobody panics with it").push((bounds.clone(), report));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let explorer = std::thread::Builder::new().name("explorer".to_owned());
            explorer.spawn_scoped(scope, run).expect("threads can be had");
        }
    });
    let reports = reports.into_inner().expect("nobody panics with it");
    for (bounds, report) in &reports {
        if let Some((broken, story)) = &report.violation {
            let (property, facts, story) = (broken.property, &broken.facts, story.join("\n"));
            panic!("{property} is broken: {facts}\nWithin these bounds: {bounds}\n{story}");
        }
    }
    reports.into_iter().map(|(_, report)| report).collect()
}
