//! Runs seeds: one with its trace, or many on all cores.

#![expect(clippy::disallowed_types, reason = "measures how fast this machine runs seeds")]

use raft_sim::{Counters, Options, Sim};
use std::io::{BufWriter, Write as _};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const HELP: &str = "\
Runs a simulated cluster under faults and checks what must hold after every event.

  --seed N        run this seed
  --trace         and print what happens, line by line
  --seeds COUNT   run this many seeds on all cores
  --seed-from N   the first of them, 0 if not given
  --help          this text

The last line sums up. The exit code is 0 if nothing was violated, 1 if something was, 2 for a mistake
in the arguments.
";

#[derive(Default)]
struct Args {
    seed: Option<u64>,
    trace: bool,
    seeds: Option<u64>,
    seed_from: u64,
    help: bool,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(Args { help: true, .. }) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Args { seed: Some(seed), trace, seeds: None, .. }) => run_one(seed, trace),
        Ok(Args { seed: None, trace: false, seeds: Some(seeds), seed_from, .. }) => {
            run_many(seed_from..seed_from.saturating_add(seeds))
        }
        Ok(_) => usage("say either --seed N [--trace] or --seeds COUNT [--seed-from N]"),
        Err(mistake) => usage(&mistake),
    }
}

fn usage(mistake: &str) -> ExitCode {
    eprintln!("error: {mistake}; see --help");
    ExitCode::from(2)
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut args = Args::default();
    while let Some(word) = words.next() {
        let mut number = || {
            let text = words.next().ok_or_else(|| format!("{word} wants a number"))?;
            text.parse().map_err(|_| format!("{word} wants a number, not '{text}'"))
        };
        match word.as_str() {
            "--seed" => args.seed = Some(number()?),
            "--seeds" => args.seeds = Some(number()?),
            "--seed-from" => args.seed_from = number()?,
            "--trace" => args.trace = true,
            "--help" | "-h" => args.help = true,
            unknown => return Err(format!("unknown argument '{unknown}'")),
        }
    }
    Ok(args)
}

fn run_one(seed: u64, trace: bool) -> ExitCode {
    let began = Instant::now();
    let mut sim = Sim::new(Options::swarm(seed));
    sim.keep_trace(trace);
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut printed = 0;
    loop {
        for line in sim.trace().lines().iter().filter(|line| line.number > printed) {
            if writeln!(out, "{line}").is_err() {
                // The reader has seen enough.
                return ExitCode::SUCCESS;
            }
        }
        printed = sim.trace().lines().back().map_or(printed, |line| line.number);
        if !sim.step() {
            break;
        }
    }
    if writeln!(out, "trace hash {:016x}", sim.trace_hash()).and_then(|()| out.flush()).is_err() {
        return ExitCode::SUCCESS;
    }
    drop(out);
    if let Some(violation) = sim.violation() {
        eprintln!("error: {violation}");
    }
    sum_up(1, sim.counters(), u64::from(sim.violation().is_some()), began.elapsed());
    ExitCode::from(u8::from(sim.violation().is_some()))
}

fn run_many(seeds: Range<u64>) -> ExitCode {
    let began = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let total = Mutex::new((0, Counters::default(), Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let (counters, failure) = run_quietly(seed);
                    let mut total = total.lock().expect("no worker panics while it holds the lock");
                    total.0 += 1;
                    total.1.add(&counters);
                    if let Some(failure) = failure {
                        eprintln!("error: {failure}");
                        total.2.push(seed);
                    }
                    if total.0 % 1_000 == 0 {
                        eprintln!("{} seeds, {} events", total.0, total.1.events);
                    }
                }
            });
        }
    });
    let (done, counters, failed) = total.into_inner().expect("every worker is done");
    sum_up(done, &counters, failed.len() as u64, began.elapsed());
    match failed.iter().min() {
        None => ExitCode::SUCCESS,
        Some(seed) => {
            eprintln!("first failing seed {seed}: {}", replay(*seed));
            ExitCode::FAILURE
        }
    }
}

/// Runs a seed to its end. A node that stops because its own checks fail is a failure as well.
fn run_quietly(seed: u64) -> (Counters, Option<String>) {
    let run = || {
        let mut sim = Sim::new(Options::swarm(seed));
        while sim.step() {}
        (sim.counters().clone(), sim.violation().map(ToString::to_string))
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        let failure = format!("a node of seed {seed} stopped; replay it with: {}", replay(seed));
        (Counters::default(), Some(failure))
    })
}

fn replay(seed: u64) -> String {
    format!("cargo run --release -p raft-sim -- --seed {seed} --trace")
}

fn sum_up(seeds: u64, counters: &Counters, violations: u64, took: Duration) {
    let Counters { events, faults, elections, commits, .. } = counters;
    let per_second = u128::from(*events) * 1_000_000 / took.as_micros().max(1);
    println!(
        "{seeds} seeds, {events} events, {faults} faults, {elections} elections, {commits} commits, \
         {violations} violations, {per_second} events/s"
    );
}
