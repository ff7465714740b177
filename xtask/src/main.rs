//! The project's automation. `cargo xtask help` says what there is; each command is a module.

mod bench;
mod chaos;
mod demo;
mod deny;
mod explore;
mod fuzz;
mod instructions;
mod mutants;
mod run;
mod seeded;
mod soak;
mod test;
mod tools;
mod web;

use std::env;
use std::path::Path;
use std::process::ExitCode;

const HELP: &str = "\
usage: cargo xtask COMMAND

  demo         build everything, run three nodes on localhost:8001..8003
  test         everything CI runs
  web          build the page into web/dist
  chaos        real nodes under kill -9, power cuts, full disks, broken links
  explore      everything that can happen to a small cluster, within bounds
  fuzz         any bytes into every reader, for as long as you say
  soak         simulated seeds, for as long as you say
  mutants      a thousand small mistakes in the core: do tests notice?
  seeded-bugs  the mistakes of other Rafts: does the simulator catch each?
  bench        how fast it is, beside etcd
  instructions what a request costs the core: has it become slower?
  deny         licences, advisories and duplicates of the dependencies
  help         this, or `cargo xtask help COMMAND`

Exit status: 0 done, 1 failed (the last line says why), 2 unknown command.

  cargo xtask demo
  cargo xtask help soak
";

const HELP_DEMO: &str = "\
usage: cargo xtask demo [--keep]

Builds the page and the binaries (release), starts three nodes on
localhost:8001, 8002 and 8003 and shows what they print as `Node 1: ...`. Every
node serves the page at its address, and the first one's is opened in a browser
where there is a display: BROWSER says which, and an empty BROWSER none. A node
that dies is reported and the others go on. Ctrl-C stops them all.

  cargo xtask demo           a fresh cluster: target/demo is emptied first
  cargo xtask demo --keep    go on with the data of the demo before
";

const HELP_TEST: &str = "\
usage: cargo xtask test

Runs everything CI runs, in order, and stops at the first step that fails:
formatting, the dependencies' licences, the page, lints, documentation, the
tests of every crate (simulated seeds, real processes and the page included),
real faults, seeded bugs and mutants (a slice of each), what a request costs the
core, and the page's own tests in a browser.
Fetches what it needs: the wasm target through rustup; wasm-bindgen, wasm-pack,
cargo-deny and cargo-mutants into target/tools, and axe-core through npm;
Chromium and valgrind (and npm, if there is none) through apt-get where that may
be used. What it cannot fetch it names. Nothing is skipped. At the end it says
how long each step took.

  cargo xtask test
";

const HELP_WEB: &str = "\
usage: cargo xtask web [--size | --budget | --screenshots | --serve [PORT]]

Builds the page into web/dist: static files, each with a compressed copy beside it. Any web server
will do, and nodes built afterwards carry them inside.

  cargo xtask web                 build
  cargo xtask web --size          and measure it, compressed, against web/size.txt: 5 % more is an error
  cargo xtask web --budget        and measure frames, seeks, memory and searches in Chromium, beside what they are to be
  cargo xtask web --screenshots   and take the README's pictures, and of everything into target/pictures
  cargo xtask web --serve         and serve it on http://localhost:8080/
  cargo xtask web --serve 9000    the same on another port
";

const HELP_DENY: &str = "\
usage: cargo xtask deny

Runs cargo-deny with deny.toml: licences, duplicates, sources and security
advisories. `test` checks all but the advisories, whose database is fetched here
each time.

  cargo xtask deny
";

const HELP_BENCH: &str = "\
usage: cargo xtask bench [--repetitions N] [--seconds N] [--keys N]
                         [--value-bytes N] [--only WORDS] [--dir DIR]

Builds the node and the generator (release) and measures raft-kv and etcd in
turn: three nodes each on this machine, fresh directories on a real disk, the
same load from the same generator. Prints requests per second, latencies,
processor time, syncs, and the ratios with their spread; then how long a killed
leader is missed, how a node catches up, what many keys take, and what many
writes leave behind. Leaves the tables in DIR/bench.md, the figures in DIR/bench.json, and the curve of writes
over clients in DIR/puts.svg. Uses the etcd that ETCD names,
or the machine's, or Debian's package, unpacked into target/tools. Leave the
machine alone meanwhile.

  cargo xtask bench                          about a quarter of an hour
  cargo xtask bench --only put --repetitions 1
  cargo xtask bench --only failover
  ETCD=/opt/etcd/etcd cargo xtask bench --dir /mnt/ssd
";

const HELP_INSTRUCTIONS: &str = "\
usage: cargo xtask instructions [--rewrite]

Counts the instructions that a put and a linearizable get cost three nodes in
memory: the core, its frames and its log, without sockets and disks. Exits 1 if
that is more than 5 % above bench/core/instructions.txt. A count is the same
on a busy machine. Needs valgrind, which it installs where it may.

  cargo xtask instructions
  cargo xtask instructions --rewrite     what is counted is right from now on
";

const HELP_CHAOS: &str = "\
usage: cargo xtask chaos --minutes M [--seed S] [--nodes 3|5] [--only WORDS]

Builds the node (release), runs clusters of it, and does to them what the
machine allows: kill -9, SIGSTOP, proxies that cut, delay and break every link,
full and slow and failing disks, power cuts, lost and damaged data, clocks of
their own, nodes that come and go. Clients keep them busy meanwhile; what they
were told must be linearizable, and nothing that was acknowledged may be
missing. As root in namespaces of its own, so that nothing is left behind; with
fewer rights it does less, and says what. The last line has the figures; exits 1
if anything is wrong, and then names the folder with the histories and what the
nodes printed.

  cargo xtask chaos --minutes 10
  cargo xtask chaos --minutes 2 --seed 7       the same faults in the same order
  cargo xtask chaos --minutes 0.5 --only 'power cut'    only faults called so
";

const HELP_EXPLORE: &str = "\
usage: cargo xtask explore [--states N] [--minutes M]

Takes one to four nodes with the real core through everything that can happen to
them, within bounds: every order of messages, losses, deadlines, crashes,
writes, reads, changes of the members. Checks every property after every step,
and shows a violation as the shortest way to it. One line for each set of
bounds; then one that sums up. Exits 1 on any violation. M is a whole number.

  cargo xtask explore                     at most 10,000,000 states for each set
  cargo xtask explore --states 100000000  more of the larger sets
  cargo xtask explore --minutes 10        each set has its share of the time
";

const HELP_FUZZ: &str = "\
usage: cargo xtask fuzz --minutes M [TARGET]...

Runs the fuzz targets one after the other, M minutes each, a whole number:
arguments, frames, http, logs, peers, snapshots. They are the functions of
tests/properties. Needs a C++ compiler; fetches a nightly toolchain through
rustup and cargo-fuzz into target/tools. What the targets learn stays in
fuzz/corpus, and an input that fails is left in fuzz/artifacts. A line of
figures for each; exits 1 if one fails.

  cargo xtask fuzz --minutes 10
  cargo xtask fuzz --minutes 60 peers
";

const HELP_MUTANTS: &str = "\
usage: cargo xtask mutants [--slice | --again]

Makes small mistakes in core/src/raft, core/src/wal and core/src/kv, one at a
time, and runs the golden scripts on each. What is not noticed must be listed in
tests/mutants.txt with the reason; on what is not listed the formats and the
core's own tests run, then crash images and properties, then simulated seeds,
each only on what survived those before. The last lines have the figures; exits
1 below 85 %, and if something survives that is not listed. Fetches
cargo-mutants into target/tools. What was tried is in target/mutants/mutants.out.

  cargo xtask mutants            all of them; an hour and a half on two cores
  cargo xtask mutants --again    those again that nobody noticed, and new ones
  cargo xtask mutants --slice    of two files only: two minutes (`test` does it)
";

const HELP_SOAK: &str = "\
usage: cargo xtask soak --minutes M [--seed-from S] [--points] [--beyond]

Runs simulated clusters under faults on all cores, each seed another one, with
every check after every event. The first seed that fails ends it and is made
small. The last line sums up: seeds, simulated time, events, faults, elections,
commits, violations. Exits 1 on any violation, and if after 20,000 seeds some
point that runs must come to was never reached; --points prints them all. With
--beyond data may be lost on a majority, and then the cluster must halt. M is a
whole number.

  cargo xtask soak --minutes 5
  cargo xtask soak --minutes 480 --seed-from 1000000
";

const HELP_SEEDED: &str = "\
usage: cargo xtask seeded-bugs [--slice]
       cargo xtask seeded-bugs [--seeds COUNT] [--only NUMBER]... [--at-least N]

Builds the simulator with mistakes that other implementations of Raft have
shipped (core/src/seeded.rs), makes them one by one, and prints a table: what
caught each, and how many seeds that took. Exits 1 if one is not caught, or
fewer than --at-least says.

  cargo xtask seeded-bugs                    at most 100,000 seeds for each
  cargo xtask seeded-bugs --slice            60 seeds for each (`test` does it)
  cargo xtask seeded-bugs --only B01 --seeds 5000
";

const PAGE_PORT: u16 = 8080;

fn main() -> ExitCode {
    if let Err(error) = to_the_root() {
        return fail(&error);
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        [] | ["help" | "--help" | "-h"] => help(HELP),
        ["help", "demo"] | ["demo", "--help" | "-h"] => help(HELP_DEMO),
        ["help", "test"] | ["test", "--help" | "-h"] => help(HELP_TEST),
        ["help", "web"] | ["web", "--help" | "-h"] => help(HELP_WEB),
        ["help", "deny"] | ["deny", "--help" | "-h"] => help(HELP_DENY),
        ["demo"] => demo::run(demo::Data::Fresh),
        ["demo", "--keep"] => demo::run(demo::Data::Kept),
        ["test"] => test::run(),
        ["web"] => web::build(),
        ["web", "--size"] => web::build().and_then(|()| web::size()),
        ["web", "--budget"] => web::build().and_then(|()| web::budget()),
        ["web", "--screenshots"] => web::build().and_then(|()| web::screenshots()),
        ["web", "--serve"] => web::build().and_then(|()| web::serve(PAGE_PORT)),
        ["web", "--serve", port] => match port.parse() {
            Ok(port) => web::build().and_then(|()| web::serve(port)),
            Err(_) => return usage(&format!("`{port}` is not a port")),
        },
        ["help", "bench"] | ["bench", "--help" | "-h"] => help(HELP_BENCH),
        ["bench", arguments @ ..] => bench::run(arguments),
        ["help", "chaos"] | ["chaos", "--help" | "-h"] => help(HELP_CHAOS),
        ["chaos", arguments @ ..] => chaos::run(arguments),
        ["help", "explore"] | ["explore", "--help" | "-h"] => help(HELP_EXPLORE),
        ["explore", arguments @ ..] => explore::run(arguments),
        ["help", "fuzz"] | ["fuzz", "--help" | "-h"] => help(HELP_FUZZ),
        ["fuzz", arguments @ ..] => fuzz::run(arguments),
        ["help", "mutants"] | ["mutants", "--help" | "-h"] => help(HELP_MUTANTS),
        ["mutants", arguments @ ..] => mutants::run(arguments),
        ["help", "soak"] | ["soak", "--help" | "-h"] => help(HELP_SOAK),
        ["soak", arguments @ ..] => soak::run(arguments),
        ["help", "seeded-bugs"] | ["seeded-bugs", "--help" | "-h"] => help(HELP_SEEDED),
        ["seeded-bugs", arguments @ ..] => seeded::run(arguments),
        ["help", "instructions"] | ["instructions", "--help" | "-h"] => help(HELP_INSTRUCTIONS),
        ["instructions", arguments @ ..] => instructions::run(arguments),
        ["deny"] => deny::run(),
        other => return usage(&format!("unknown: `{}`", other.join(" "))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// All paths here are relative to the root of the repository, wherever the command was given.
fn to_the_root() -> run::Result {
    let manifest = env::var("CARGO_MANIFEST_DIR")
        .map_err(|_| "started by hand; start it as `cargo xtask`".to_owned())?;
    let root = Path::new(&manifest).parent().ok_or("no folder above xtask")?;
    env::set_current_dir(root).map_err(|error| format!("cannot enter {}: {error}", root.display()))
}

fn help(text: &str) -> run::Result {
    print!("{text}");
    Ok(())
}

fn usage(what: &str) -> ExitCode {
    eprintln!("error: {what}; `cargo xtask help` lists the commands");
    ExitCode::from(2)
}

fn fail(error: &str) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}
