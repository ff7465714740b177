//! Runs seeds: one with its trace, or many on all cores. What fails is made small.

mod batch;

use crate::batch::{Batch, Until, quietly};
use raft_sim::replay::{Failure, Replay};
use raft_sim::shrink::{Shrunk, shrink};
use raft_sim::trace::print_sighting;
use raft_sim::{Options, Point, Sometimes};
use std::io::{BufWriter, Write as _};
use std::process::ExitCode;

const HELP: &str = "\
Runs a simulated cluster under faults and checks what must hold after every event.

  --seed N        run this seed
  --replay CODE   run what a failing seed was made into
  --trace         and print what happens, line by line
  --json          and print what the nodes show of themselves, as lines of JSON: a file for the page to show
  --seeds COUNT   run this many seeds on all cores
  --minutes M     run seeds on all cores for this long
  --seed-from N   the first of them, 0 if not given
  --beyond        with any of these: data may be lost on a majority, and then the cluster must halt
  --points        and print how often they came to each point that long batches must come to
  --help          this text

The first seed that fails ends the batch and is made small: fewer commands, nodes, clients and kinds of
trouble. A batch of 20000 seeds or more must come to every point. The last line sums up. The exit code
is 0 if nothing was violated, 1 if something was, 2 for a mistake in the arguments.
";

/// A batch of so many seeds must come to every point. The rarest come up a few times in a thousand seeds.
const SEEDS_FOR_ALL_POINTS: u64 = 20_000;

/// How many events are spent on making a failing run small: some tens of seconds.
const SHRINK_EVENTS_MAX: u64 = 40_000_000;

#[derive(Default)]
struct Args {
    seed: Option<u64>,
    replay: Option<Replay>,
    trace: bool,
    json: bool,
    seeds: Option<u64>,
    minutes: Option<u64>,
    seed_from: u64,
    beyond: bool,
    points: bool,
    help: bool,
}

fn main() -> ExitCode {
    let args = match parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(mistake) => return usage(&mistake),
    };
    if args.help {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let many = args.seeds.map(Until::Seeds).or(args.minutes.map(Until::Minutes));
    let run_of = match args.beyond {
        true => |seed| Replay::of(Options::beyond(seed)),
        false => Replay::of_seed,
    };
    match (args.seed, &args.replay, many) {
        (Some(seed), None, None) => run_one(&run_of(seed), &args),
        (None, Some(replay), None) => run_one(replay, &args),
        (None, None, Some(until)) if !args.trace && !args.json => {
            let batch = Batch::run(args.seed_from, until, run_of);
            sum_up(&batch, run_of, &args)
        }
        _ => usage(
            "say one of --seed, --replay (both with or without --trace or --json), --seeds and --minutes",
        ),
    }
}

fn usage(mistake: &str) -> ExitCode {
    eprintln!("error: {mistake}; see --help");
    ExitCode::from(2)
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut args = Args::default();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        let number =
            |text: String| text.parse().map_err(|_| format!("{word} wants a number, not '{text}'"));
        match word.as_str() {
            "--seed" => args.seed = Some(number(value()?)?),
            "--replay" => args.replay = Some(value()?.parse()?),
            "--seeds" => args.seeds = Some(number(value()?)?),
            "--minutes" => args.minutes = Some(number(value()?)?),
            "--seed-from" => args.seed_from = number(value()?)?,
            "--trace" => args.trace = true,
            "--json" => args.json = true,
            "--beyond" => args.beyond = true,
            "--points" => args.points = true,
            "--help" | "-h" => args.help = true,
            unknown => return Err(format!("unknown argument '{unknown}'")),
        }
    }
    Ok(args)
}

fn run_one(replay: &Replay, args: &Args) -> ExitCode {
    let printed = match (args.json, args.trace) {
        (true, _) => print_sightings(replay),
        (false, true) => print_trace(replay),
        (false, false) => Ok(()),
    };
    if printed.is_err() {
        // The reader has seen enough.
        return ExitCode::SUCCESS;
    }
    let batch = Batch::of(replay);
    let small = !args.trace && !args.json;
    let failed = batch.failed.values().map(|failure| report(replay, failure, small)).count();
    match args.json {
        // What is printed is a file of one kind.
        true => eprintln!("{batch}"),
        false => println!("{batch}"),
    }
    ExitCode::from(u8::from(failed > 0))
}

fn print_sightings(replay: &Replay) -> std::io::Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut sim = replay.begin();
    sim.keep_sightings();
    loop {
        let goes_on = sim.step();
        for sighting in sim.take_sightings() {
            writeln!(out, "{}", print_sighting(&sighting))?;
        }
        if !goes_on {
            return out.flush();
        }
    }
}

fn print_trace(replay: &Replay) -> std::io::Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut sim = replay.begin();
    sim.keep_trace(true);
    let mut printed = 0;
    loop {
        for line in sim.trace().lines().iter().filter(|line| line.number > printed) {
            writeln!(out, "{line}")?;
        }
        // A node that stops must not take the lines before it along.
        out.flush()?;
        printed = sim.trace().lines().back().map_or(printed, |line| line.number);
        if !sim.step() {
            writeln!(out, "trace hash {:016x}", sim.trace_hash())?;
            return out.flush();
        }
    }
}

fn sum_up(batch: &Batch, run_of: fn(u64) -> Replay, args: &Args) -> ExitCode {
    let Args { points, beyond, .. } = *args;
    let mut well = true;
    if let Some((seed, failure)) = batch.failed.first_key_value() {
        report(&run_of(*seed), failure, true);
        well = false;
    }
    if points {
        print_points(&batch.sometimes);
    }
    if well && !beyond && batch.seeds >= SEEDS_FOR_ALL_POINTS {
        for point in batch.sometimes.never() {
            eprintln!("error: in {} seeds it never happened that {point} ({point:?})", batch.seeds);
            well = false;
        }
    }
    println!("{batch}");
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print_points(sometimes: &Sometimes) {
    for point in Point::ALL {
        println!("{:>10} times {point}", sometimes.hits(*point));
    }
}

/// Says how a run failed, and what the smallest run is that fails so.
fn report(replay: &Replay, failure: &Failure, with_small: bool) {
    let seed = replay.options.seed;
    eprintln!("error: seed {seed}: {failure}");
    if !with_small {
        return;
    }
    let shrunk = quietly(|| shrink(replay, SHRINK_EVENTS_MAX));
    let Some(Shrunk { replay, failure, runs }) = shrunk else {
        eprintln!("It does not fail when it is played again, which is a failure of its own.");
        return;
    };
    let clients = replay.options.workload.as_ref().map_or(0, |workload| workload.clients);
    eprintln!(
        "\nMade small in {runs} runs: {} nodes, {clients} clients, {} commands",
        replay.options.nodes,
        replay.commands.len()
    );
    for (at, command) in &replay.commands {
        eprintln!("  {at}  {command}");
    }
    eprintln!("{failure}");
    eprintln!("\nReplay it:    cargo run --release -p raft-sim -- --trace --replay {replay}");
    eprintln!("On the page:  http://localhost:8080/#{}\n", replay.link());
}
