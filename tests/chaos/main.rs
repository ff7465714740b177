//! Real nodes under real faults, judged by what their clients were told: `cargo xtask chaos`.
//!
//! In reading order: [`machine`] says what can be done here, [`episode`] plays one cluster, [`faults`]
//! are done to it through [`cluster`], [`links`] and [`volume`], [`load`] keeps it busy, [`book`] holds
//! what clients were told, and [`balance`] compares that with what there is in the end.

mod balance;
mod book;
mod cluster;
mod episode;
mod faults;
mod links;
mod load;
mod machine;
mod members;
mod node;
mod random;
mod value;
mod volume;

use crate::book::Counts;
use crate::episode::Outcome;
use crate::faults::Fault;
use crate::machine::Machine;
use crate::random::Random;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs};
use tokio::signal::ctrl_c;
use tokio::task::LocalSet;
use tokio::time::Instant;

const USAGE: &str = "usage: chaos --minutes M [--seed S] [--nodes 3|5] [--only WORDS]";

/// A cluster is used for so long: long enough for snapshots, short enough for many balances.
const EPISODE: Duration = Duration::from_secs(120);

struct Options {
    duration: Duration,
    seed: u64,
    nodes: Option<usize>,
    /// Only faults with this in their names.
    only: String,
}

fn main() -> ExitCode {
    let options = match Options::parse(env::args().skip(1).collect()) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}; {USAGE}");
            return ExitCode::from(2);
        }
    };
    machine::isolate();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Options {
    fn parse(arguments: Vec<String>) -> Result<Self, String> {
        let mut options = Self {
            duration: Duration::ZERO,
            seed: getrandom::u32().map_err(|error| error.to_string())?.into(),
            nodes: None,
            only: String::new(),
        };
        for pair in arguments.chunks(2) {
            let [flag, value] = pair else { return Err(format!("{} has no value", pair[0])) };
            let wrong = || format!("{flag} {value} makes no sense");
            match flag.as_str() {
                "--minutes" => {
                    let minutes: f64 = value.parse().map_err(|_| wrong())?;
                    options.duration =
                        Duration::try_from_secs_f64(minutes * 60.0).map_err(|_| wrong())?;
                }
                "--seed" => options.seed = value.parse().map_err(|_| wrong())?,
                "--nodes" => {
                    let nodes = value.parse().ok().filter(|nodes| [3, 5].contains(nodes));
                    options.nodes = Some(nodes.ok_or_else(wrong)?);
                }
                "--only" => options.only = value.clone(),
                _ => return Err(format!("{flag} is unknown")),
            }
        }
        match options.duration.is_zero() {
            true => Err("give it some minutes".to_owned()),
            false => Ok(options),
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let dir = run_dir(options.seed)?;
    let (machine, abilities) = Machine::probe(&dir);
    println!("Seed {}. What this machine allows:\n{abilities}", options.seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;

    let mut faults = Fault::possible(&machine);
    faults.retain(|fault| fault.to_string().contains(&options.only));
    if faults.is_empty() {
        return Err(format!("no fault that is possible here is called `{}`", options.only));
    }
    let (mut random, mut deck) = (Random::new(options.seed), Vec::new());
    let mut total = Total { lost: Some(0), ..Total::default() };
    let begin = Instant::now();
    let episodes = options.duration.as_secs().div_ceil(EPISODE.as_secs()).max(1) as u32;
    for number in 1..=episodes {
        let drawn = random.pick(&[3, 3, 5]);
        let nodes = options.nodes.unwrap_or(drawn);
        println!("Cluster {number} of {episodes}: {nodes} nodes");
        let dir = dir.join(format!("cluster-{number}"));
        fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let end = begin + options.duration * number / episodes;
        // Dropping the set ends what an episode has left running.
        let tasks = LocalSet::new();
        let episode = async {
            tokio::select! {
                played = episode::play(&dir, nodes, &machine, &mut random, &faults, &mut deck, end) => played,
                _ = ctrl_c() => Err("interrupted, and nothing can be said".to_owned()),
            }
        };
        total.add(runtime.block_on(tasks.run_until(episode))?);
        if !total.violations.is_empty() {
            break;
        }
    }
    total.report(begin.elapsed(), options.seed);
    total.verdict(&dir)
}

/// Where everything is kept that the run leaves behind, beside the directory of this program.
fn run_dir(seed: u64) -> Result<PathBuf, String> {
    let this = env::current_exe().map_err(|error| format!("cannot find myself: {error}"))?;
    let target = this.ancestors().nth(2).ok_or("not in a target directory")?;
    let dir = target.join("chaos").join(format!("seed-{seed}"));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    Ok(dir)
}

/// What came of all episodes.
#[derive(Default)]
struct Total {
    clusters: u64,
    counts: Counts,
    faults: BTreeMap<Fault, (u64, Option<Duration>)>,
    /// `None` once an episode has not come to a count.
    lost: Option<u64>,
    violations: Vec<String>,
}

impl Total {
    fn add(&mut self, outcome: Outcome) {
        self.clusters += 1;
        self.counts.acknowledged += outcome.counts.acknowledged;
        self.counts.written += outcome.counts.written;
        self.counts.refused += outcome.counts.refused;
        self.counts.unknown += outcome.counts.unknown;
        for (fault, (times, longest)) in outcome.faults {
            let total = self.faults.entry(fault).or_default();
            total.0 += times;
            total.1 = longest.max(total.1);
        }
        self.lost = self.lost.zip(outcome.lost).map(|(before, lost)| before + lost);
        self.violations.extend(outcome.violations);
    }

    fn report(&self, elapsed: Duration, seed: u64) {
        println!("\n{:>6}  {:>8}  fault", "times", "longest");
        for (fault, (times, longest)) in &self.faults {
            let after = if fault.leaves_a_quorum() { "" } else { " (from its end)" };
            let longest = longest.map(|longest| format!("{:.2} s", longest.as_secs_f64()));
            println!("{times:>6}  {:>8}  {fault}{after}", longest.as_deref().unwrap_or("-"));
        }
        let all = || self.faults.iter();
        let faults: u64 = all().map(|(_, (times, _))| times).sum();
        let cuts = all().filter(|(fault, _)| matches!(fault, Fault::PowerCut(_)));
        let cuts: u64 = cuts.map(|(_, (times, _))| times).sum();
        let single = all().filter(|(fault, _)| fault.leaves_a_quorum());
        let longest = single.filter_map(|(_, (_, longest))| *longest).max().unwrap_or_default();
        let Counts { acknowledged, written, refused, unknown } = self.counts;
        println!(
            "\n{:.1} min, {} clusters: {acknowledged} operations acknowledged ({written} writes), \
             {refused} refused, {unknown} of unknown outcome; {faults} faults, {cuts} power cuts; {} \
             acknowledged writes lost, longest unavailability after a single fault {:.2} s, {} violations; \
             seed {seed}",
            elapsed.as_secs_f64() / 60.0,
            self.clusters,
            self.lost.map_or("unknown".to_owned(), |lost| lost.to_string()),
            longest.as_secs_f64(),
            self.violations.len(),
        );
    }

    fn verdict(&self, dir: &Path) -> Result<(), String> {
        for violation in &self.violations {
            eprintln!("violation: {violation}");
        }
        match (self.violations.len(), self.faults.is_empty() || self.counts.written == 0) {
            (0, false) => {
                let _ = fs::remove_dir_all(dir);
                Ok(())
            }
            (0, true) => Err("nothing was tested; give it more minutes".to_owned()),
            (count, _) => {
                Err(format!("{count} violations; what was seen is kept in {}", dir.display()))
            }
        }
    }
}
