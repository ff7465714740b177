//! Simulated seeds for as long as there is time.

use crate::run::{self, cargo};

/// Runs seeds on all cores; the simulator itself says how far it is and what it has come to.
pub(crate) fn run(arguments: &[&str]) -> run::Result {
    if !arguments.contains(&"--minutes") {
        return Err("say for how long: `cargo xtask soak --minutes M [--seed-from S]`".to_owned());
    }
    let mut command =
        cargo(["run", "--release", "-q", "-p", "raft-sim", "--bin", "raft-sim", "--"]);
    run::run(command.args(arguments))
}
