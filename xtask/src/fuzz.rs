//! Fuzzing: the functions of tests/properties, on input that is chosen by what the code does with it.

use crate::run::{self, Result};
use crate::tools;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

const USAGE: &str = "say for how long: `cargo xtask fuzz --minutes M [TARGET]...`";

/// Every target; each is a file of fuzz/fuzz_targets.
const TARGETS: [&str; 6] = ["arguments", "frames", "http", "logs", "peers", "snapshots"];

/// Bounds on each run: on an input in bytes, on the time for one in seconds, and on memory in MiB. What
/// needs more is a finding.
const BOUNDS: [&str; 3] = ["-max_len=2048", "-timeout=25", "-rss_limit_mb=2048"];

/// Lines of a log that say what was found.
const LAST_LINES: usize = 40;

/// Runs the targets one after the other, all of them or those that are named.
pub(crate) fn run(arguments: &[&str]) -> Result {
    let ["--minutes", minutes, targets @ ..] = arguments else { return Err(USAGE.to_owned()) };
    // Without an end is not for here.
    let minutes = minutes.parse().ok().filter(|minutes: &u64| *minutes > 0).ok_or(USAGE)?;
    let targets = if targets.is_empty() { &TARGETS } else { targets };
    if let Some(unknown) = targets.iter().find(|target| !TARGETS.contains(target)) {
        return Err(format!("no target `{unknown}`; there are {}", TARGETS.join(", ")));
    }
    tools::nightly()?;
    tools::cargo_fuzz()?;
    let folder = run::target_dir()?.join("fuzz");
    run::run(&mut cargo_fuzz("build", &folder)?)?;
    let mut found = Vec::new();
    for target in targets {
        println!("{target}: {minutes} min, log in {}", log_of(&folder, target));
        match fuzz(target, minutes, &folder)? {
            Ok(figures) => println!("{target}: {figures}"),
            Err(last_lines) => {
                println!("{last_lines}\n{target}: failed; the input is named above");
                found.push(*target);
            }
        }
    }
    match found.is_empty() {
        true => Ok(()),
        false => {
            Err(format!("{} failed; make each input a test in tests/properties", found.join(", ")))
        }
    }
}

/// Runs one target: its figures, or the last words of one that failed.
fn fuzz(target: &str, minutes: u64, folder: &Path) -> Result<std::result::Result<String, String>> {
    let path = log_of(folder, target);
    let log = File::create(&path).map_err(|error| format!("cannot write {path}: {error}"))?;
    let mut command = cargo_fuzz("run", folder)?;
    command.args([target, "--", "-print_final_stats=1"]).args(BOUNDS);
    command.arg(format!("-max_total_time={}", minutes * 60)).stderr(log);
    let status = command.status();
    let status = status.map_err(|error| run::not_started(&run::line(&command), &error))?;
    let bytes = fs::read(&path).map_err(|error| format!("cannot read {path}: {error}"))?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    if !status.success() {
        return Ok(Err(lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")));
    }
    let figure = |name: &str| {
        let line = lines.iter().rev().find_map(|line| line.strip_prefix(name));
        line.unwrap_or("?").trim().to_owned()
    };
    let (runs, speed) =
        (figure("stat::number_of_executed_units:"), figure("stat::average_exec_per_sec:"));
    Ok(Ok(format!("{runs} executions, {speed} a second, no failure")))
}

/// Without a sanitizer: the code is safe Rust, and what is looked for are its own assertions.
fn cargo_fuzz(command: &str, folder: &Path) -> Result<Command> {
    let mut cargo = tools::tool("rustup", ["run", "nightly", "cargo", "fuzz", command])?;
    cargo.args(["--sanitizer", "none", "--target-dir"]).arg(folder);
    // The toolchain of the repository would come before the one that is asked for.
    cargo.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO").env_remove("RUSTC");
    Ok(cargo)
}

fn log_of(folder: &Path, target: &str) -> String {
    folder.join(format!("{target}.log")).display().to_string()
}
