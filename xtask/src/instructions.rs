//! How many instructions a request costs the core. A count does not depend on what else the machine does, so
//! it can be a test, as a duration cannot.

use crate::run::{self, Result, cargo, output};
use crate::tools;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What it was when somebody last looked.
const KNOWN: &str = "bench/core/instructions.txt";

/// How much more may pass unnoticed.
const GROWTH_PERCENT_MAX: u64 = 5;

/// What is counted is the difference between these, so that the start is no part of it.
const REQUESTS: [u64; 2] = [640, 12_800];

/// Counts, and compares; with `--rewrite` what is counted is what is known from now on.
pub(crate) fn run(arguments: &[&str]) -> Result {
    let rewrite = match arguments {
        [] => false,
        ["--rewrite"] => true,
        other => return Err(format!("cannot make sense of `{}`", other.join(" "))),
    };
    tools::valgrind()?;
    run::run(&mut cargo(["build", "--release", "--package", "raft-core-bench"]))?;
    let program = run::target_dir()?.join("release/raft-core-bench");
    let known = fs::read_to_string(KNOWN).unwrap_or_default();
    let (mut counted, mut grown) = (String::new(), false);
    for what in ["puts", "gets"] {
        let [few, many] = REQUESTS.map(|requests| count(&program, what, requests));
        let each = (many? - few?) / (REQUESTS[1] - REQUESTS[0]);
        let line =
            known.lines().find_map(|line| line.strip_prefix(what)?.trim().parse::<u64>().ok());
        let before = line.map_or("unknown".to_owned(), |line| line.to_string());
        println!("{what}: {each} instructions each on all three nodes together; it was {before}");
        grown |= line.is_none_or(|line| each * 100 > line * (100 + GROWTH_PERCENT_MAX));
        let _ = writeln!(counted, "{what} {each}");
    }
    if rewrite {
        return fs::write(KNOWN, counted)
            .map_err(|error| format!("cannot write {KNOWN} ({error})"));
    }
    match grown {
        false => Ok(()),
        true => Err(format!(
            "more than {GROWTH_PERCENT_MAX} % above {KNOWN}; find out why, and if it is worth it run \
             `cargo xtask instructions --rewrite`"
        )),
    }
}

fn count(program: &Path, what: &str, requests: u64) -> std::result::Result<u64, String> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
    command.arg("--log-fd=1").arg(program).args([what, &requests.to_string()]);
    let printed = output(&mut command);
    let printed = printed.ok_or_else(|| format!("`{}` failed", run::line(&command)))?;
    let line = printed.lines().find_map(|line| line.split_once("refs:"));
    let number = line.and_then(|(_, number)| number.trim().replace(',', "").parse().ok());
    number.ok_or_else(|| format!("valgrind counted nothing: {printed}"))
}
