//! Golden scripts: Raft in the paper's order, one claim a file, in `scripts/`.
//!
//! A script is commands and, indented below each, what came of it. It runs a cluster of real replicas in
//! which nothing happens that is not commanded, and fails if the trace is not the one in the file. Every
//! script is a test of its own name: `cargo test -p raft-tests --test scripts 04-commit`. To change a trace
//! on purpose:
//!
//! ```text
//! UPDATE_SCRIPTS=1 cargo test -p raft-tests --test scripts
//! ```
//!
//! and then *read* the difference: a claim is lost as easily as it is updated.
//!
//! The runner is our own, and `libtest-mimic` shows each file as a test; it brings one crate that is not in
//! the tree anyway. The `goldenscript` crate would bring sixteen for the same two hundred lines.
//!
//! # Commands
//!
//! ```text
//! cluster nodes=3 leader=1   a new cluster; with leader=, elected already. Limits by name: sessions_max=2,
//!                            request_timeout=500ms, lease=10. `strangers` if no life is known at first
//! node 1 log=1,1,4 term=5    a node that starts with this log (the terms of its entries), term, vote=2
//!
//! timeout 1                  its election timeout passes      heartbeat 1   its heartbeat is due
//! time 100ms                 the clock goes on, all asleep    wake 1        it looks at the clock
//!
//! deliver 1->2 n=1           messages in flight arrive: of a link (1->2, 1->, ->2), or all; the first n
//! stabilize                  they arrive, and so do the answers, until all is quiet
//! drop  duplicate            they are lost; they arrive twice
//! hold  release              they are late, and then on their way again
//! partition 1 2 | 3   heal   no message passes the bar, also not one sent before; all do again
//! messages                   what is in flight
//!
//! disk 1 manual              writes wait for `sync`; as `auto`, they finish at once
//! sync 1 n=1                 the disk has finished all its writes, or the oldest n
//! sync 1 unreported          the same, but the node has not heard of it
//! crash 1   restart 1        loses memory and unsynced writes; starts on what is left
//! disk 1 full   disk 1 free  it has no room for entries; it has again
//! wipe 1   damage 1          a node that is down loses all: it starts anew as if at the founding; as one
//!                            that noticed, and waits
//! copy 1   back 1            its disk is copied; the copy is put back
//! join 4                     a new node starts and waits to be added
//!
//! set 1 x 5 if=absent session=7#1 opened=0 copies=true
//!                            asks node 1; the rest is optional: if=value:5, if=revision:3; client#sequence
//! delete 1 x   get 1 x   get 1 x local   list 1 prefix limit=2 after=x
//!
//! add 1 4 stay   promote 1 4   remove 1 3   replace 1 3 4   (dry)
//!                            asks node 1 to change the members; or only what would be. What is added is
//!                            at=n4:8000 and in its first life, life=4, if nothing else is said
//! transfer 1 2               asks node 1 to hand leadership over
//!
//! status   logs   log 1   store 1   members 1   lives 1
//!                            roles; logs as in Figure 7, `|` the commit index, `( )` not on disk, `[5]`
//!                            compacted up to 5; entries; keys; who belongs to the cluster; which lives of
//!                            them are admitted, `3:103` the one after the first. Of these nodes, or of all
//!
//! a; b                       one after the other
//! a & b                      both reach the node before it acts        quietly a; b  without the trace
//! ```
//!
//! In the trace, `n1 -> n2 n3: ...` is a message on its way and `n1 -x n3: ...` one that is lost. `[7#1]` is
//! a session's write, `[own session]` one of a session that a node opens for a write it passes on.

#[path = "scripts/args.rs"]
mod args;
#[path = "scripts/cluster.rs"]
mod cluster;
#[path = "scripts/disk.rs"]
mod disk;
#[path = "scripts/runner.rs"]
mod runner;
#[path = "scripts/show.rs"]
mod show;

use libtest_mimic::{Arguments, Failed, Trial};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let scripts = scripts_below(&root);
    assert!(!scripts.is_empty(), "there are no scripts in {}", root.display());
    let trials = scripts.into_iter().map(|path| {
        let name = path.with_extension("").strip_prefix(&root).expect("found below").to_owned();
        Trial::test(name.to_string_lossy(), move || check(&path))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn scripts_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder can be listed") {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            found.extend(scripts_below(&path));
        } else if path.extension().is_some_and(|kind| kind == "script") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn check(path: &Path) -> Result<(), Failed> {
    let expected = fs::read_to_string(path)?;
    if !expected.starts_with("# ") {
        return Err("a script begins with a comment that says its claim".into());
    }
    let actual = runner::run(&expected)?;
    if actual == expected {
        return Ok(());
    }
    if std::env::var_os("UPDATE_SCRIPTS").is_some() {
        return Ok(fs::write(path, actual)?);
    }
    let same = expected.lines().zip(actual.lines()).take_while(|(a, b)| a == b).count();
    let from = |text: &str| {
        let lines = text.lines().skip(same).take(5);
        lines.map(|line| format!("    {line}\n")).collect::<String>()
    };
    Err(format!(
        "{}, line {}, says\n{}and this time it went\n{}\
         If that is right, run again with UPDATE_SCRIPTS=1 and read the difference.",
        path.display(),
        same + 1,
        from(&expected),
        from(&actual)
    )
    .into())
}
