//! The table of mistakes that the simulator has to catch.

use crate::run::{self, cargo};

/// What every test run does: so many seeds for each mistake take a quarter of a minute and catch most of
/// them, always the same ones.
const SLICE: &[&str] = &["--seeds", "60", "--at-least", "27"];

/// Builds the simulator with the mistakes inside, in a place of its own, and runs the table.
pub(crate) fn run(arguments: &[&str]) -> run::Result {
    let arguments = if arguments == ["--slice"] { SLICE } else { arguments };
    let target = run::target_dir()?.join("seeded");
    let mut command =
        cargo(["run", "--release", "-q", "-p", "raft-sim", "--bin", "seeded-bugs", "--"]);
    command.args(arguments).env("RUSTFLAGS", "--cfg seeded_bugs").env("CARGO_TARGET_DIR", target);
    run::run(&mut command)
}
