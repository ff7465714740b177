//! The table of mistakes that the simulator has to catch.

use crate::run::{self, cargo};

/// Builds the simulator with the mistakes inside, in a place of its own, and runs the table.
pub(crate) fn run(arguments: &[&str]) -> run::Result {
    let target = run::target_dir()?.join("seeded");
    let mut command =
        cargo(["run", "--release", "-q", "-p", "raft-sim", "--bin", "seeded-bugs", "--"]);
    command.args(arguments).env("RUSTFLAGS", "--cfg seeded_bugs").env("CARGO_TARGET_DIR", target);
    run::run(&mut command)
}
