//! `cargo xtask bench`: how fast it is, beside etcd. The program is `bench`.

use crate::run::{self, Result, cargo};
use crate::tools;
use std::process::Command;

pub(crate) fn run(arguments: &[&str]) -> Result {
    let etcd = tools::etcd()?;
    let packages = ["--package", "raft-native", "--package", "raft-bench"];
    run::run(cargo(["build", "--release"]).args(packages).args([
        "--bin",
        "raft-kv",
        "--bin",
        "raft-bench",
    ]))?;
    let target = run::target_dir()?;
    run::run(
        Command::new(target.join("release/raft-bench"))
            .arg("--ours")
            .arg(target.join("release/raft-kv"))
            .arg("--etcd")
            .arg(etcd)
            .arg("--dir")
            .arg(target.join("bench"))
            .args(arguments),
    )
}
