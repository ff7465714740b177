//! Every mistake that a visitor can switch on: in its scenario a check turns red, and with the right code
//! none does. Only a build with `--cfg seeded_bugs` can make them: `cargo xtask seeded-bugs --slice`.
#![cfg(not(target_arch = "wasm32"))]

use raft_web::look::checks::{self, State};
use raft_web::run::Run;
use raft_web::session::Session;
use raft_web::whatif::{self, WhatIf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The longest scenario, in steps.
const STEPS_MAX: u64 = 5_000;

/// The mistake that the code makes is one for the whole process: tests that play take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn played(what_if: &'static WhatIf, is_made: bool) -> Run {
    let session = Session::from_link(&format!("v1.{}", what_if.shows)).expect("a good session");
    assert!(session.what_if.is_none(), "{}: the scenario is one of the right code", what_if.name);
    let mut run = Run::new(Session { what_if: is_made.then_some(what_if), ..session });
    while run.steps() < STEPS_MAX && run.step() {}
    run
}

#[test]
fn right_code_passes_every_scenario() {
    let _turn = turn();
    for what_if in whatif::ALL {
        let run = played(what_if, false);
        assert_eq!(run.sim().violation(), None, "{}", what_if.name);
        assert_eq!(checks::checks(&run).broken, None);
    }
}

#[test]
#[cfg_attr(
    not(seeded_bugs),
    ignore = "this build makes no mistakes; cargo xtask seeded-bugs --slice"
)]
fn every_mistake_is_caught_in_its_scenario() {
    let _turn = turn();
    for what_if in whatif::ALL {
        let mut run = played(what_if, true);
        let violation = run.sim().violation().cloned();
        let violation = violation.unwrap_or_else(|| panic!("{} is not caught", what_if.name));
        println!("{}: {violation}", what_if.name);
        let checks = checks::checks(&run);
        let broken = checks.broken.expect("the check that failed");
        assert!(!broken.is_ahead && !broken.about.is_empty(), "{}: {broken:?}", what_if.name);
        let bad = checks.groups.iter().flat_map(|group| &group.lines);
        let bad: Vec<&str> =
            bad.filter(|line| line.state == State::Broken).map(|line| &*line.name).collect();
        assert_eq!(bad, [violation.property.to_string()], "{}", what_if.name);
        // Going back leaves the mark, and the way there again.
        assert!(!run.step(), "nothing happens after a check that failed");
        run.seek(broken.step / 2);
        let before = checks::checks(&run);
        assert!(before.broken.as_ref().is_some_and(|broken| broken.is_ahead));
        assert!(before.groups.iter().flat_map(|g| &g.lines).all(|l| l.state != State::Broken));
        run.seek(broken.step);
        assert_eq!(run.sim().violation(), Some(&violation));
    }
}
