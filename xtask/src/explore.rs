//! Everything that can happen to a small cluster: the large explorations of tests/explore.

use crate::run::{self, cargo};

/// Runs them on all cores. The arguments are pairs of a name and a number.
pub(crate) fn run(arguments: &[&str]) -> run::Result {
    let test = "nothing_that_can_happen_within_large_bounds_breaks_a_property";
    // Without what only real nodes need.
    let mut command =
        cargo(["test", "--release", "-q", "-p", "raft-tests", "--no-default-features"]);
    command.args(["--test", "explore", "--", test, "--exact", "--ignored", "--nocapture"]);
    for pair in arguments.chunks(2) {
        match pair {
            ["--states", number] => command.env("RAFT_EXPLORE_STATES", number),
            ["--minutes", number] => command.env("RAFT_EXPLORE_MINUTES", number),
            _ => {
                return Err(format!(
                    "cannot make sense of `{}`; see `cargo xtask help explore`",
                    pair.join(" ")
                ));
            }
        };
    }
    run::run(&mut command)
}
