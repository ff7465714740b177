//! `cargo xtask test`: everything CI runs.

use crate::run::{self, Result, cargo};
use crate::{chaos, deny, instructions, mutants, seeded, tools, web};
use std::time::{Duration, Instant};

/// A part of the whole, with a heading and a duration of its own.
struct Step {
    name: &'static str,
    run: fn() -> Result,
}

/// What is done, in order: the quick answers first, the page before the binaries that carry it.
const STEPS: &[Step] = &[
    Step { name: "tools", run: tools },
    Step { name: "format", run: format },
    Step { name: "dependencies", run: deny::without_advisories },
    Step { name: "page", run: web::build },
    Step { name: "page size", run: web::size },
    Step { name: "lints", run: lints },
    Step { name: "documentation", run: documentation },
    Step { name: "binaries", run: binaries },
    Step { name: "tests", run: tests },
    Step { name: "real faults", run: chaos::slice },
    Step { name: "seeded bugs", run: || seeded::run(&["--slice"]) },
    Step { name: "mutants", run: || mutants::run(&["--slice"]) },
    Step { name: "instructions", run: || instructions::run(&[]) },
    Step { name: "page in a browser", run: browser },
];

pub(crate) fn run() -> Result {
    let mut times = Vec::new();
    for (number, Step { name, run }) in (1..).zip(STEPS) {
        println!("\n=== {number}/{} {name}", STEPS.len());
        let start = Instant::now();
        let done = run();
        times.push((*name, start.elapsed()));
        if let Err(error) = done {
            summary(&times);
            return Err(format!("step {number} of {}, {name}: {error}", STEPS.len()));
        }
    }
    summary(&times);
    println!("All {} steps passed.", STEPS.len());
    Ok(())
}

fn summary(times: &[(&str, Duration)]) {
    println!("\n=== summary");
    for (name, time) in times {
        println!("{:>7.1} s  {name}", time.as_secs_f64());
    }
    let total: Duration = times.iter().map(|(_, time)| time).sum();
    println!("{:>7.1} s  in all", total.as_secs_f64());
}

fn tools() -> Result {
    tools::wasm_target()?;
    tools::wasm_bindgen()?;
    tools::wasm_pack()?;
    tools::cargo_deny()?;
    tools::axe()?;
    tools::browser()
}

fn format() -> Result {
    run::run(&mut cargo(["fmt", "--all", "--check"]))
}

fn lints() -> Result {
    run::run(cargo(["clippy", "--workspace", "--all-targets"]).args(["--", "-D", "warnings"]))?;
    // The page again, as it is really built.
    run::run(
        cargo(["clippy", "--package", "raft-web", "--all-targets", "--target", tools::WASM])
            .args(["--", "-D", "warnings"]),
    )
}

fn documentation() -> Result {
    run::run(cargo(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}

/// The tests that start real processes find them in the target directory.
fn binaries() -> Result {
    run::run(&mut cargo(["build", "--workspace", "--bins"]))
}

fn tests() -> Result {
    run::run(&mut cargo(["test", "--workspace", "--no-fail-fast"]))
}

fn browser() -> Result {
    run::run(&mut tools::tool(
        "wasm-pack",
        // Nothing may be downloaded here: the tools are of the versions that step 1 chose.
        ["test", "--mode", "no-install", "--headless", "--chrome", "web"],
    )?)
}
