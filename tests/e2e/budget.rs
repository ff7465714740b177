//! What the page costs a browser: `cargo xtask web --budget`. Times depend on the machine, so
//! they are printed beside what they are to be, and fail nothing. What does not is a claim like any other.

use crate::browser::Browser;
use crate::page::{ELECTION_MAX, Page};
use crate::{Scene, scenes};
use raft_sim::Options;
use raft_sim::options::{FaultOptions, WorkloadOptions};
use raft_sim::replay::Replay;
use serde_json::json;
use std::fs;
use std::thread::{available_parallelism, sleep};
use std::time::Duration;

pub(crate) const SCENES: &[Scene] = scenes![hundred_thousand_events_fit_into_64_mib];

/// Run by `cargo xtask web --budget` alone.
pub(crate) const MEASURED: &[Scene] = scenes![budget];

/// How often each figure is taken. The median is what counts.
const ROUNDS: usize = 5;

/// How long frames are counted in a round: it is the time that is wanted, and nothing that comes after it.
const FRAMES_FOR: Duration = Duration::from_secs(3);

/// How many moments are gone to in a round.
const SEEKS: u32 = 100;

/// How long a search goes on in a round, for as long a time has the rate that is measured.
const HUNT_FOR: Duration = Duration::from_secs(2);

/// When the busy cluster has logs of a thousand entries and 150 messages under way.
const BUSY_STEPS: u64 = 25_000;

/// How far a long run goes.
const LONG_STEPS: u64 = 100_000;

const MEMORY_MIB_MAX: f64 = 64.0;

/// A figure, and what it is to be.
struct Row {
    what: &'static str,
    unit: &'static str,
    target: Target,
    rounds: Vec<f64>,
}

enum Target {
    AtMost(f64),
    AtLeast(f64),
    None,
}

/// Nine nodes, logs of a thousand entries, and as many clients as keep 150 messages under way; at the pace of
/// what a visitor begins with. The link is to the moment after so many steps.
fn busy(steps: u64) -> String {
    let playground = Options::playground(1, 9);
    let swarm = Options::swarm(1);
    let (secs, ms) = (Duration::from_secs, Duration::from_millis);
    let mut options = Options {
        // None come: there are no commands. But a history without faults is judged after every answer.
        faults: swarm.faults.map(|faults| FaultOptions { lasting: secs(1 << 20), ..faults }),
        workload: swarm.workload.map(|workload| WorkloadOptions {
            clients: 64,
            keys: 5,
            value_bytes_max: 8,
            think_max: ms(10),
            patience: secs(60),
            give_up_ppm: 0,
            read_ppm: 0,
            sessionless_ppm: 0,
            copies_ppm: 0,
            ..workload
        }),
        ..playground
    };
    (options.limits.snapshot_log_entries, options.limits.log_keep_entries) = (100, 950);
    let replay = Replay { options, commands: Vec::new() };
    let mut sim = replay.begin();
    (0..steps).for_each(|_| assert!(sim.step(), "the run goes on"));
    format!("/#v1.replay={replay}.at={steps}-{:016x}", sim.trace_hash())
}

fn hundred_thousand_events_fit_into_64_mib(page: &Page) {
    page.open(&busy(LONG_STEPS));
    assert_eq!(page.browser.attribute("[data-events]", "data-events"), LONG_STEPS.to_string());
    let (wasm, heap) = memory_mib(&page.browser);
    assert!(wasm + heap <= MEMORY_MIB_MAX, "{wasm} MiB of wasm memory, {heap} MiB in the heap");
}

fn budget(page: &Page) {
    let browser = &page.browser;
    browser.screen((1280, 800));
    let mut rows = Vec::new();
    let starts = (0..ROUNDS).map(|_| {
        page.open("/");
        browser.number("performance.getEntriesByName('drawn')[0].startTime")
    });
    rows.push(Row::new("start: from nothing to the first scene", "ms", Target::None, starts));
    rows.extend(frames(page));
    rows.extend(seeks(page));
    rows.push(hunt(page));

    let version = browser.protocol("Browser.getVersion", json!({}));
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "\n{}, {} processors, load {}; medians of {ROUNDS} rounds, with the least and the most",
        version["product"].as_str().unwrap_or("an unknown browser"),
        available_parallelism().map_or(0, usize::from),
        load.split(' ').next().unwrap_or_default(),
    );
    rows.iter().for_each(Row::print);
}

/// Frames of nine nodes with 150 messages under way, at the speed that such a run begins with.
fn frames(page: &Page) -> Vec<Row> {
    let browser = &page.browser;
    page.open(&busy(BUSY_STEPS));
    browser.script(
        "const ask = requestAnimationFrame.bind(window), channel = new MessageChannel(); \
         window.spent = { script: [], frame: [], tick: [] }; \
         let began = 0; \
         channel.port1.onmessage = () => spent.frame.push(performance.now() - began); \
         window.requestAnimationFrame = (draw) => ask((tick) => { \
             began = performance.now(); \
             draw(tick); \
             spent.tick.push(tick); \
             spent.script.push(performance.now() - began); \
             channel.port2.postMessage(0); \
         }); \
         return ''",
    );
    page.press("#play");
    let (mut script, mut frame, mut late) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        browser.script("for (const times of Object.values(spent)) times.length = 0; return ''");
        sleep(FRAMES_FOR);
        script.push(p95(browser.numbers("spent.script")));
        frame.push(p95(browser.numbers("spent.frame")));
        let ticks = browser.numbers("spent.tick");
        let steps: Vec<f64> = ticks.windows(2).map(|ticks| ticks[1] - ticks[0]).collect();
        let are_late = steps.iter().filter(|step| **step > 1_500.0 / 60.0).count();
        late.push(100.0 * are_late as f64 / steps.len() as f64);
    }
    page.press("#play");
    vec![
        Row::new("frame: our script, p95", "ms", Target::AtMost(4.0), script),
        Row::new("frame: script, style, layout and paint, p95", "ms", Target::AtMost(16.7), frame),
        Row::new("frames that come later than 60 in a second", "%", Target::AtMost(5.0), late),
    ]
}

/// Going anywhere in a long run of the same cluster, and what it takes up then.
fn seeks(page: &Page) -> Vec<Row> {
    let browser = &page.browser;
    page.open(&busy(LONG_STEPS));
    let (mut script, mut frame) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let both = browser.script_later(&format!(
            "const done = arguments[0], script = [], frame = [], channel = new MessageChannel(); \
             const go = document.querySelector('main').appendChild(document.createElement('button')); \
             let place = {round}, left = {SEEKS}; \
             const next = () => {{ \
                 if (left-- === 0) {{ go.remove(); done(JSON.stringify([script, frame])); return; }} \
                 place = place * 48271 % 2147483647; \
                 go.dataset.act = `go:${{place % {LONG_STEPS}}}`; \
                 const began = performance.now(); \
                 go.click(); \
                 const ours = performance.now() - began; \
                 script.push(ours); \
                 requestAnimationFrame(() => {{ \
                     const drawing = performance.now(); \
                     channel.port1.onmessage = () => {{ frame.push(ours + performance.now() - drawing); next(); }}; \
                     channel.port2.postMessage(0); \
                 }}); \
             }}; \
             next()"
        ));
        let both: [Vec<f64>; 2] = serde_json::from_str(&both).expect("two lists of numbers");
        let [ours, all] = both;
        script.push(p95(ours));
        frame.push(p95(all));
    }
    let (wasm, heap) = memory_mib(browser);
    vec![
        Row::new("seek in 100,000 events: our script, p95", "ms", Target::AtMost(50.0), script),
        Row::new("seek: with style, layout and paint, p95", "ms", Target::AtMost(50.0), frame),
        Row::new("memory there: of the module", "MiB", Target::AtMost(MEMORY_MIB_MAX), [wasm]),
        Row::new("memory there: JavaScript and elements", "MiB", Target::None, [heap]),
    ]
}

fn hunt(page: &Page) -> Row {
    let browser = &page.browser;
    page.open("/#v1.seed=2.nodes=5");
    browser.wait_for("#play[aria-pressed=true]", ELECTION_MAX);
    page.press("#play");
    browser.script("document.querySelector('#wanted').value = 'check-fails'; return ''");
    let rounds = (0..ROUNDS).map(|_| {
        page.press("[data-act=hunt]");
        sleep(HUNT_FOR);
        let says = browser.text("#hunt-says");
        page.press("[data-act=end-hunt]");
        let events = says.split(" seeds and ").nth(1).and_then(|rest| rest.split(' ').next());
        let events = events.map(|events| events.replace(',', "")).unwrap_or_default();
        events.parse::<f64>().unwrap_or_else(|_| panic!("no rate in: {says}"))
    });
    let rounds: Vec<f64> = rounds.collect();
    Row::new("seed search in one worker", "events/s", Target::AtLeast(300_000.0), rounds)
}

/// What the module has taken of memory, which it never gives back, and what JavaScript and the elements need
/// after everything that is not needed has been given back.
fn memory_mib(browser: &Browser) -> (f64, f64) {
    let wasm = browser.script_later(
        "const done = arguments[0]; \
         import('/raft_web.js').then((module) => module.default()) \
             .then((wasm) => done(String(wasm.memory.buffer.byteLength)))",
    );
    browser.protocol("HeapProfiler.collectGarbage", json!({}));
    let heap = browser.protocol("Runtime.getHeapUsage", json!({}));
    let bytes = |name: &str| heap[name].as_f64().unwrap_or_else(|| panic!("no {name} in {heap}"));
    let wasm: f64 = wasm.parse().expect("a number");
    let mib = f64::from(1 << 20);
    (wasm / mib, (bytes("usedSize") + bytes("embedderHeapUsedSize")) / mib)
}

impl Browser {
    fn number(&self, expression: &str) -> f64 {
        self.script(&format!("return String({expression})")).parse().expect("a number")
    }

    fn numbers(&self, expression: &str) -> Vec<f64> {
        let list = self.script(&format!("return JSON.stringify({expression})"));
        serde_json::from_str(&list).unwrap_or_else(|_| panic!("{expression} gives {list}"))
    }
}

impl Row {
    fn new(
        what: &'static str,
        unit: &'static str,
        target: Target,
        rounds: impl IntoIterator<Item = f64>,
    ) -> Self {
        let mut rounds: Vec<f64> = rounds.into_iter().collect();
        rounds.sort_by(f64::total_cmp);
        Self { what, unit, target, rounds }
    }

    fn print(&self) {
        let Self { what, unit, target, rounds } = self;
        let digits = if rounds[0] < 1_000.0 { 1 } else { 0 };
        let median = rounds[rounds.len() / 2];
        let (target, word) = match target {
            Target::AtMost(most) => {
                (format!("<= {most}"), if median <= *most { "ok" } else { "over" })
            }
            Target::AtLeast(least) => {
                (format!(">= {least}"), if median >= *least { "ok" } else { "under" })
            }
            Target::None => ("-".to_owned(), "-"),
        };
        let range = match &**rounds {
            [least, .., most] => format!("({least:.digits$} to {most:.digits$})"),
            _ => String::new(),
        };
        println!("{what:<44} {target:>9} {median:>8.digits$} {unit:<8} {word:<5} {range}");
    }
}

fn p95(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() * 95 / 100).copied().expect("something was measured")
}
