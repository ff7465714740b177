//! The built page, served over HTTP, in a real browser, as a visitor has it.
//!
//! One browser for all of it: starting one takes longer than most scenes. Each scene has a fresh page, and
//! whatever is on the browser's console at its end fails it. A scene that fails leaves a picture of the
//! page in target/e2e.
//!
//! Wants `web/dist` (`cargo xtask web`), nodes with that page inside (`cargo build -p raft-native`),
//! `chromedriver` and Chromium.

mod access;
mod browser;
mod budget;
mod cluster;
mod frames;
mod groups;
#[path = "../processes/harness.rs"]
#[expect(dead_code, reason = "the tests of real processes need more of it")]
mod harness;
mod hunt;
mod journeys;
mod keyboard;
mod lessons;
mod page;
mod pictures;
mod site;
mod states;
mod traces;

use libtest_mimic::{Arguments, Trial};
use page::Page;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

/// What is done on the page, and its name.
type Scene = (&'static str, fn(&Page));

/// Functions as scenes, which are called as the functions are.
macro_rules! scenes {
    ($($scene:ident),* $(,)?) => { &[$((stringify!($scene), $scene)),*] };
}
use scenes;

fn main() -> ExitCode {
    // Started by the first scene that runs, and closed after the last.
    let page = Arc::new(Mutex::new(None));
    let trial = |&(name, scene): &Scene| {
        let page = page.clone();
        Trial::test(name, move || {
            play(
                name,
                scene,
                page.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Page::start),
            );
            Ok(())
        })
    };
    let mut trials: Vec<Trial> = [
        journeys::SCENES,
        groups::SCENES,
        keyboard::SCENES,
        frames::SCENES,
        access::SCENES,
        lessons::SCENES,
        hunt::SCENES,
        traces::SCENES,
        cluster::SCENES,
        budget::SCENES,
    ]
    .concat()
    .iter()
    .map(trial)
    .collect();
    let commanded = [pictures::SCENES, budget::MEASURED].concat();
    trials.extend(commanded.iter().map(trial).map(|trial| trial.with_ignored_flag(true)));
    // There is one browser, and one window in it.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn play(name: &str, scene: fn(&Page), page: &Page) {
    page.forget();
    let done = catch_unwind(AssertUnwindSafe(|| {
        scene(page);
        let console = page.browser.console();
        assert!(console.is_empty(), "the browser's console must stay clean: {console:#?}");
    }));
    if let Err(panic) = done {
        page.browser.picture(&page::target().join(format!("e2e/{name}.png")));
        resume_unwind(panic);
    }
}
