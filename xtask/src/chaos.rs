//! `cargo xtask chaos`: real nodes under real faults. The program is `tests/chaos`.

use crate::run::{self, Result, cargo};
use std::process::Command;

pub(crate) fn run(arguments: &[&str]) -> Result {
    let packages = ["--package", "raft-native", "--package", "raft-tests"];
    run::run(
        cargo(["build", "--release"]).args(packages).args(["--bin", "raft-kv", "--bin", "chaos"]),
    )?;
    run::run(Command::new(run::target_dir()?.join("release/chaos")).args(arguments))
}

/// Half a minute of it with the binaries that the other tests use: what every test run contains.
pub(crate) fn slice() -> Result {
    let chaos = run::target_dir()?.join("debug/chaos");
    run::run(Command::new(chaos).args(["--minutes", "0.5", "--seed", "1"]))
}
