//! Mutants: small mistakes made in the core, one at a time, and whether a test notices.

use crate::run::{self, Result, cargo};
use crate::tools;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

/// Fewer in a hundred that are noticed are too few.
const CAUGHT_PERCENT_MIN: usize = 85;

/// The mutants that no test notices, with reasons.
const SURVIVORS: &str = "tests/mutants.txt";

/// What CI has the time for: on what majorities agree, and what waits for the disk.
const SLICE: [&str; 2] = ["core/src/raft/quorum.rs", "core/src/raft/outbox.rs"];

/// Mutants that do not compile, of all runs since the last that began anew. In the folder of mutants.
const UNVIABLE: &str = "unviable.txt";

/// What is mutated: these modules and all inside.
const MODULES: [&str; 3] = ["core/src/kv", "core/src/raft", "core/src/wal"];

/// Some tests, and how they are built.
struct Pass {
    profile: &'static str,
    packages: &'static [&'static str],
    targets: &'static [&'static str],
    features: &'static str,
    /// After so many seconds the tests come to no end any more: many times what they take.
    timeout_s: u32,
}

/// The quick ones first. Only the first is for every mutant, each other one for what survived those before it
/// and is not named in [`SURVIVORS`]: the last two take minutes for each.
const PASSES: [Pass; 4] = [
    Pass {
        profile: "mutants",
        packages: &["raft-tests"],
        targets: &["--test=scripts"],
        features: "",
        timeout_s: 60,
    },
    Pass {
        profile: "dev",
        packages: &["raft-core", "raft-tests"],
        targets: &["--lib", "--test=formats"],
        features: "",
        timeout_s: 300,
    },
    Pass {
        profile: "dev",
        packages: &["raft-tests"],
        targets: &["--test=images", "--test=properties"],
        features: "",
        timeout_s: 600,
    },
    Pass {
        profile: "dev",
        packages: &["raft-tests"],
        targets: &["--test=simulation"],
        features: "raft-tests/sim",
        timeout_s: 600,
    },
];

/// Makes all mutants, or a slice of them, or those again that no test noticed last time, and runs the tests
/// on each.
pub(crate) fn run(arguments: &[&str]) -> Result {
    let (slice, again) = match arguments {
        [] => (false, false),
        ["--slice"] => (true, false),
        ["--again"] => (false, true),
        other => return Err(format!("cannot make sense of `{}`", other.join(" "))),
    };
    tools::cargo_mutants()?;
    let folder = run::target_dir()?.join("mutants");
    let (first, others) = PASSES.split_first().expect("there are some");
    first.run_unmutated()?;
    first.run_on_mutants(&folder, again, slice, &[])?;
    note_unviable(&folder, again)?;
    let listed = listed()?;
    let mut survivors = missed(&folder)?;
    for noticed in listed.difference(&survivors.values().cloned().collect()).filter(|_| !slice) {
        println!("noticed now, and still in {SURVIVORS}: {noticed}");
    }
    for tests in others {
        let unlisted = unlisted(&survivors, &listed);
        if unlisted.is_empty() {
            break;
        }
        tests.run_unmutated()?;
        tests.run_on_mutants(&folder, true, slice, &unlisted)?;
        let missed = missed(&folder)?;
        survivors.retain(|mutant, _| !unlisted.contains(mutant) || missed.contains_key(mutant));
    }
    let unviable: BTreeSet<String> = lines(&folder.join(UNVIABLE))?.into_iter().collect();
    let mut viable = all(slice)?;
    viable.retain(|mutant| !unviable.contains(mutant));
    let percent = sum_up(&viable, &survivors);
    let unlisted = unlisted(&survivors, &listed);
    for survivor in &unlisted {
        println!("nobody notices: {}", survivors[survivor]);
    }
    match unlisted.len() {
        0 if percent >= CAUGHT_PERCENT_MIN || slice => Ok(()),
        0 => Err(format!("{percent} % of the mutants are noticed; it takes {CAUGHT_PERCENT_MIN}")),
        count => Err(format!(
            "{count} mutants survive that {SURVIVORS} does not name; write the test that notices them, \
             or name them there with the reason why there can be none"
        )),
    }
}

impl Pass {
    /// What fails without a mutant would seem to notice every one.
    fn run_unmutated(&self) -> Result {
        let mut command = cargo(["test", "--quiet", "--no-default-features", "--features"]);
        command.args([self.features, "--profile", self.profile]).args(self.targets);
        command.args(self.packages.iter().map(|package| format!("--package={package}")));
        run::run(&mut command)
    }

    /// On each mutant, or on each that has survived so far; if some are named, only on these.
    fn run_on_mutants(
        &self,
        folder: &Path,
        survivors_only: bool,
        slice: bool,
        named: &[String],
    ) -> Result {
        let mut command = tools::tool("cargo", ["mutants", "--no-default-features", "--features"])?;
        command.args([self.features, "--profile", self.profile, "--output"]).arg(folder);
        command.args(self.packages.iter().map(|package| format!("--test-package={package}")));
        command.args(self.targets.iter().map(|target| format!("--cargo-arg={target}")));
        command.arg(format!("--timeout={}", self.timeout_s));
        command.args(["--baseline=skip", "--colors=never", "--no-times"]);
        // A mutant may fail hundreds of tests, and nobody reads where.
        command.env("RUST_BACKTRACE", "0");
        // Each job builds beside its own copy of the tree. In a folder that they share, one would run what
        // another has built of another mutant.
        command.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_BUILD_TARGET_DIR");
        if survivors_only {
            // A test that does not end has noticed something, too.
            let ended = lines(&list_of(folder, "timeout"))?.join("\n") + "\n";
            let path = list_of(folder, "caught");
            let mut caught = OpenOptions::new().append(true).open(&path).map_err(cannot(&path))?;
            caught.write_all(ended.as_bytes()).map_err(cannot(&path))?;
            command.arg("--iterate");
        }
        command.args(files(slice));
        command.args(named.iter().map(|mutant| format!("--re=^{}$", literally(mutant))));
        if !slice {
            command.arg(format!("--jobs={}", jobs()));
        }
        succeed(&mut command)
    }
}

/// Every mutant there is, as cargo-mutants calls it.
fn all(slice: bool) -> Result<Vec<String>> {
    let mut command = tools::tool("cargo", ["mutants", "--list", "--colors=never"])?;
    let listed = run::output(command.args(files(slice)));
    let listed = listed.ok_or("`cargo mutants --list` failed; run it to see why")?;
    Ok(listed.lines().map(str::to_owned).collect())
}

fn files(slice: bool) -> Vec<String> {
    let file = |path: &str| format!("--file={path}");
    match slice {
        true => SLICE.iter().map(|path| file(path)).collect(),
        false => MODULES
            .iter()
            .flat_map(|module| [file(&format!("{module}.rs")), file(&format!("{module}/**"))])
            .collect(),
    }
}

/// Keeps the names of mutants that do not compile: later passes do not make them.
fn note_unviable(folder: &Path, again: bool) -> Result {
    let path = folder.join(UNVIABLE);
    let mut unviable = lines(&list_of(folder, "unviable"))?;
    if again {
        unviable.extend(lines(&path)?);
    }
    fs::write(&path, unviable.join("\n") + "\n").map_err(cannot(&path))
}

fn jobs() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Survivors and tests that do not end are no failure here: 2 and 3.
fn succeed(command: &mut Command) -> Result {
    let line = run::line(command);
    eprintln!("$ {line}");
    let status = command.status().map_err(|error| run::not_started(&line, &error))?;
    match status.code() {
        Some(0 | 2 | 3) => Ok(()),
        _ => Err(format!("`{line}` failed ({status}); what it printed above says why")),
    }
}

/// Prints the figures, and returns how many of a hundred were noticed.
fn sum_up(viable: &[String], survivors: &BTreeMap<String, String>) -> usize {
    let line = |name: &str, folder: &str| {
        let is_there = |mutant: &&String| mutant.starts_with(folder);
        let all = viable.iter().filter(is_there).count();
        let missed = survivors.keys().filter(is_there).count();
        let permille = (all - missed) * 1000 / all.max(1);
        let percent = format!("{}.{} %", permille / 10, permille % 10);
        println!("{name}: {all} mutants, {} noticed, {missed} not: {percent}", all - missed);
        permille / 10
    };
    for module in MODULES {
        line(module, module);
    }
    line("in all", "core")
}

/// The mutants that no test has noticed in the last pass, each as it is listed.
fn missed(folder: &Path) -> Result<BTreeMap<String, String>> {
    let missed = lines(&list_of(folder, "missed"))?;
    missed.into_iter().map(|mutant| Ok((mutant.clone(), in_words(&mutant)?))).collect()
}

fn unlisted(survivors: &BTreeMap<String, String>, listed: &BTreeSet<String>) -> Vec<String> {
    let unlisted = survivors.iter().filter(|(_, in_words)| !listed.contains(*in_words));
    unlisted.map(|(mutant, _)| mutant.clone()).collect()
}

/// A regular expression for just this text.
fn literally(text: &str) -> String {
    let is_special = |c: char| r"\.+*?()|[]{}^$".contains(c);
    text.chars().flat_map(|c| is_special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// The survivors that are known, in words.
fn listed() -> Result<BTreeSet<String>> {
    let path = Path::new(SURVIVORS);
    let text = fs::read_to_string(path).map_err(cannot(path))?;
    let entries = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(entries.map(str::to_owned).collect())
}

/// A mutant as it is listed: by the line of code and not by its number, which changes with every line
/// above it.
fn in_words(mutant: &str) -> Result<String> {
    let mut parts = mutant.splitn(4, ':');
    let (Some(path), Some(number), Some(_column), Some(change)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(format!("cargo-mutants calls a mutant `{mutant}`"));
    };
    let number: usize = number.parse().map_err(|_| format!("no line number in `{mutant}`"))?;
    let text = fs::read_to_string(path).map_err(cannot(Path::new(path)))?;
    let code = text.lines().nth(number - 1).unwrap_or_default().trim();
    Ok(format!("{path} | {code} | {}", change.trim()))
}

fn lines(path: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(path).map_err(cannot(path))?;
    Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn list_of(folder: &Path, list: &str) -> std::path::PathBuf {
    folder.join("mutants.out").join(list).with_extension("txt")
}

fn cannot(path: &Path) -> impl Fn(std::io::Error) -> String + use<> {
    let path = path.display().to_string();
    move |error| format!("cannot use {path}: {error}")
}
