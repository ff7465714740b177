//! The table of mistakes that the simulator has to catch.

use crate::run::{self, cargo};
use std::process::Command;

/// What every test run does: so many seeds for each mistake take a quarter of a minute and catch most of
/// them, always the same ones.
const SLICE: &[&str] = &["--seeds", "60", "--at-least", "27"];

/// Builds the simulator with the mistakes inside, in a place of its own, and runs the table. A slice ends with
/// the mistakes that the page offers, in their scenarios and lessons.
pub(crate) fn run(arguments: &[&str]) -> run::Result {
    let is_slice = arguments == ["--slice"];
    let arguments = if is_slice { SLICE } else { arguments };
    let target = run::target_dir()?.join("seeded");
    let made = |command: &mut Command| {
        run::run(command.env("RUSTFLAGS", "--cfg seeded_bugs").env("CARGO_TARGET_DIR", &target))
    };
    let table = ["run", "--release", "-q", "-p", "raft-sim", "--bin", "seeded-bugs", "--"];
    made(cargo(table).args(arguments))?;
    if !is_slice {
        return Ok(());
    }
    let page =
        ["test", "--release", "-q", "-p", "raft-web", "--test", "whatif", "--test", "lessons"];
    made(&mut cargo(page))
}
