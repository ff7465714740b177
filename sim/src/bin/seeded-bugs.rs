//! Makes the mistakes of `raft_core::seeded` one by one, and shows how soon the simulator catches each:
//! what its silence is worth.

#![cfg_attr(
    seeded_bugs,
    expect(clippy::disallowed_types, reason = "says how long it took, and runs on all cores")
)]

use std::process::ExitCode;

const HELP: &str = "\
Makes the mistakes of other implementations of Raft, one by one, and runs seeds until one is caught.

  --seeds COUNT   at most this many seeds for each, 100000 if not given
  --only NUMBER   only this one, like B01; may be given more than once
  --at-least N    be content if so many are caught
  --help          this text

The exit code is 0 if each was caught, or as many as --at-least says, 1 if not, 2 for a mistake in the
arguments.
";

#[cfg(not(seeded_bugs))]
fn main() -> ExitCode {
    print!("{HELP}");
    eprintln!("error: this build makes no mistakes; run `cargo xtask seeded-bugs`");
    ExitCode::from(2)
}

#[cfg(seeded_bugs)]
fn main() -> ExitCode {
    match table::parse(std::env::args().skip(1)) {
        Ok(None) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Some(asked)) => table::print(&asked),
        Err(mistake) => {
            eprintln!("error: {mistake}; see --help");
            ExitCode::from(2)
        }
    }
}

#[cfg(seeded_bugs)]
mod table {
    use raft_core::seeded::{self, Bug, LIST, Mistake};
    use raft_sim::{Options, Sim};
    use std::cell::RefCell;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::process::ExitCode;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Instant;

    pub(crate) struct Asked {
        seeds: u64,
        only: Vec<String>,
        at_least: Option<usize>,
    }

    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Asked>, String> {
        let mut asked = Asked { seeds: 100_000, only: Vec::new(), at_least: None };
        while let Some(word) = words.next() {
            let mut next = || words.next().ok_or_else(|| format!("{word} wants a value"));
            let number = |text: String| text.parse().map_err(|_| format!("'{text}' is no number"));
            match word.as_str() {
                "--seeds" => asked.seeds = number(next()?)?,
                "--at-least" => asked.at_least = Some(number(next()?)? as usize),
                "--only" => asked.only.push(next()?),
                "--help" | "-h" => return Ok(None),
                unknown => return Err(format!("unknown argument '{unknown}'")),
            }
        }
        let is_known = |number: &String| LIST.iter().any(|origin| origin.number == number);
        match asked.only.iter().find(|number| !is_known(number)) {
            Some(number) => Err(format!("there is no mistake {number}")),
            None => Ok(Some(asked)),
        }
    }

    thread_local! {
        /// What the last panic of this thread said.
        static SAID: RefCell<String> = const { RefCell::new(String::new()) };
    }

    /// Prints a line for each mistake as soon as it is known, and what it comes to.
    pub(crate) fn print(asked: &Asked) -> ExitCode {
        // A node that stops itself is a catch, and no news for the terminal.
        std::panic::set_hook(Box::new(|info| {
            let message = info.payload_as_str().unwrap_or("a panic without words");
            SAID.with_borrow_mut(|said| message.clone_into(said));
        }));
        println!(
            "| bug | origin | mistake | caught by | seeds | seconds |\n|---|---|---|---|---|---|"
        );
        let (mut needed, mut missed) = (Vec::new(), 0);
        for row in LIST {
            if !asked.only.is_empty() && !asked.only.iter().any(|number| number == row.number) {
                continue;
            }
            let (number, origin) = (row.number, row.origin);
            match row.mistake {
                Mistake::NoPlace(why) => println!("| {number} | {origin} | {why} | | | |"),
                Mistake::Made(bug) => {
                    let began = Instant::now();
                    let caught = seeds_until_caught(bug, asked.seeds);
                    let took = began.elapsed().as_secs_f64();
                    let (by, seeds) = match &caught {
                        Some((seed, by)) => (by.as_str(), (seed + 1).to_string()),
                        None => ("**nothing**", format!("over {}", asked.seeds)),
                    };
                    println!("| {number} | {origin} | {bug:?} | {by} | {seeds} | {took:.1} |");
                    match caught {
                        Some((seed, _)) => needed.push(seed + 1),
                        None => missed += 1,
                    }
                }
            }
        }
        needed.sort_unstable();
        let median = needed.get(needed.len() / 2).copied().unwrap_or_default();
        let caught = needed.len();
        println!("\n{caught} caught, {missed} not; median {median} seeds");
        let enough = asked.at_least.map_or(missed == 0, |least| caught >= least);
        ExitCode::from(u8::from(!enough))
    }

    /// The first seed that shows the mistake, and what catches it.
    fn seeds_until_caught(bug: Bug, seeds: u64) -> Option<(u64, String)> {
        seeded::make(Some(bug));
        let next = AtomicU64::new(0);
        let first: Mutex<Option<(u64, String)>> = Mutex::new(None);
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        let mut known = first.lock().expect("nobody panics with it");
                        if seed >= seeds || known.as_ref().is_some_and(|(least, _)| seed > *least) {
                            return;
                        }
                        drop(known);
                        if let Some(by) = what_catches(seed) {
                            known = first.lock().expect("nobody panics with it");
                            if known.as_ref().is_none_or(|(least, _)| seed < *least) {
                                *known = Some((seed, by));
                            }
                        }
                    }
                });
            }
        });
        first.into_inner().expect("nobody panics with it")
    }

    fn what_catches(seed: u64) -> Option<String> {
        let run = || {
            let mut sim = Sim::new(Options::swarm(seed));
            while sim.step() {}
            sim.violation().map(|violation| violation.property.to_string())
        };
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
            let said = SAID.take();
            let invariant = said.split(['\n', ':']).next().unwrap_or_default();
            Some(format!("the node itself: {invariant}"))
        })
    }
}
