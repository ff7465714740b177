//! Traces are outside input: whatever they say, they are refused in a sentence or shown, and nothing stops.
#![cfg(not(target_arch = "wasm32"))]

#[path = "links/draw.rs"]
mod draw;

use draw::Draw;
use raft_core::id::NodeId;
use raft_core::raft::event::{Event, RoleName};
use raft_core::time::Instant;
use raft_sim::trace::read_sighting;
use raft_web::live::Live;
use raft_web::look::View;
use raft_web::play::Play;
use raft_web::scene::timeline::Window;
use raft_web::session::{Cluster, Session};
use raft_web::trace::{self, BYTES_MAX, Moments};
use std::time::Duration;

/// As many damaged traces as take a few seconds.
const TRACES: u64 = 3_000;

const VIEW: View = View::of(Window { from: Instant(0), length: Duration::from_secs(9) });

fn session(link: &str) -> Session {
    Session::from_link(link).expect("a good link")
}

/// A trace with an election, a write, a crash and another election.
fn good() -> String {
    let link = "v1.seed=2.nodes=3.do=5000000-set-x-1~7000000-crashleader~14000000-restartall";
    let (text, is_whole) = trace::print(&session(link), 700);
    assert!(is_whole);
    text
}

#[test]
fn trace_of_a_run_tells_what_happened_in_it() {
    let text = good();
    let moments = trace::read(&text).expect("a good trace");
    assert_eq!(moments.len(), text.lines().count());
    assert!(moments.is_sorted_by_key(|(at, _)| *at));
    let mut play = Play::begin(&session(
        "v1.seed=2.nodes=3.do=5000000-set-x-1~7000000-crashleader~14000000-restartall",
    ));
    play.sim.keep_trace(true);
    let mut said: Vec<(Instant, NodeId, Event)> = Vec::new();
    let session =
        session("v1.seed=2.nodes=3.do=5000000-set-x-1~7000000-crashleader~14000000-restartall");
    while play.steps < 700 && play.step(&session) {
        let lines = play.sim.trace_mut().take();
        said.extend(lines.into_iter().filter_map(|line| Some((line.at, line.node?, line.event?))));
    }
    let told = moments.iter().flat_map(|(at, sighting)| {
        sighting.events.iter().map(|event| (*at, sighting.status.node, event.clone()))
    });
    assert_eq!(told.collect::<Vec<_>>(), said);
    // And how the nodes are, at the end.
    for node in play.sim.nodes().filter_map(raft_sim::Node::replica) {
        let (_, last) =
            moments.iter().rfind(|(_, seen)| seen.status.node == node.raft().id()).unwrap();
        assert_eq!(
            (last.status.term, last.status.commit_index),
            (node.raft().term(), node.raft().commit_index())
        );
    }
    assert!(moments.iter().any(|(_, seen)| seen.status.role == RoleName::Leader));
}

#[test]
fn whoever_is_up_shows_something_every_half_second_and_whoever_is_not_shows_nothing() {
    let moments = trace::read(&good()).unwrap();
    let leader = moments.iter().find(|(_, seen)| seen.status.role == RoleName::Leader).unwrap();
    let crashed = leader.1.status.node;
    let end = moments.last().unwrap().0;
    for node in 1..=3 {
        let of_node = moments.iter().filter(|(_, seen)| seen.status.node == NodeId(node));
        let times: Vec<u64> = of_node.map(|(at, _)| at.0).chain([end.0]).collect();
        let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        let is_down = NodeId(node) == crashed;
        assert_eq!(longest > 6_000_000, is_down, "node {node}: {longest} us");
        assert!(is_down || longest <= 500_000, "node {node}: {longest} us");
    }
}

#[test]
fn writing_a_trace_changes_nothing_in_the_run() {
    let session = Session::new(3, Cluster::Swarm);
    let (mut plain, mut shown) = (Play::begin(&session), Play::begin(&session));
    shown.sim.keep_sightings();
    while plain.steps < 2_000 && plain.step(&session) {
        shown.step(&session);
    }
    assert_eq!(plain.sim.trace_hash(), shown.sim.trace_hash());
    assert!(!shown.sim.take_sightings().is_empty() && shown.sim.take_sightings().is_empty());
}

#[test]
fn clocks_of_nodes_become_one_clock() {
    let line = good().lines().next().unwrap().to_owned();
    let at = |node: u64, at: u64| {
        let line = line.replacen("\"at\":0", &format!("\"at\":{at}"), 1);
        line.replacen("\"node\":1", &format!("\"node\":{node}"), 1)
    };
    // Node 2 has run for an hour longer, and node 1 starts again.
    let text = [
        at(1, 50_000_000),
        at(2, 3_650_000_000),
        at(1, 50_400_000),
        at(2, 3_650_500_000),
        at(1, 7),
    ];
    let times: Vec<u64> =
        trace::read(&text.join("\n")).unwrap().iter().map(|(at, _)| at.0).collect();
    assert_eq!(times, [0, 0, 400_000, 500_000, 500_000]);
}

#[test]
fn clocks_that_run_out_of_numbers_stand_still() {
    let line = good().lines().next().unwrap().to_owned();
    let at = |node: u64, at: u64| {
        let line = line.replacen("\"at\":0", &format!("\"at\":{at}"), 1);
        line.replacen("\"node\":1", &format!("\"node\":{node}"), 1)
    };
    // Each start of node 1 lasts as long as a number can say.
    let mut lines: Vec<String> = (0..2_049).flat_map(|_| [at(1, 0), at(1, 1 << 53)]).collect();
    lines.push(at(2, 1 << 53));
    let moments = trace::read(&lines.join("\n")).unwrap();
    assert!(moments.is_sorted_by_key(|(at, _)| *at));
    assert_eq!(moments.last().unwrap().0, Instant::MAX);
    let mut live = Live::of_recording(moments);
    live.stay(Instant::MAX);
    let window = Window { from: Instant::MAX, length: Duration::from_secs(9) };
    assert_eq!(live.scene(&View::of(window)).now, Instant::MAX);
    live.timeline(&View::of(window));
}

#[test]
fn bad_traces_are_refused_in_a_sentence_with_the_line() {
    let line = good().lines().next().unwrap().to_owned();
    let refused = |text: &str| {
        let why = trace::read(text).expect_err("a bad trace");
        assert!(why.ends_with('.') && why.len() < 300, "{why}");
        why
    };
    assert!(refused("").contains("empty") && refused("\n \n").contains("empty"));
    assert!(refused("hello").starts_with("Line 1 "));
    assert!(refused(&format!("{line}\n\n{line}\n{{}}\n")).starts_with("Line 4 "));
    assert!(refused(&format!("{line}\n{}", &line[..200])).starts_with("Line 2 "));
    let large = line.replacen("\"last_index\":0", "\"last_index\":18446744073709551615", 1);
    assert!(refused(&large).contains("too large"));
    assert!(refused(&line.replacen("\"tail\":[]", "\"tail\":[1]", 1)).contains("log"));
    assert!(refused(&" ".repeat(BYTES_MAX + 1)).contains("16 MiB"));
    assert!(refused(&"[".repeat(100_000)).starts_with("Line 1 "));
}

#[test]
fn trace_of_a_long_run_ends_where_it_would_be_too_long() {
    let (text, is_whole) = trace::print(&Session::new(2, Cluster::Swarm), 200_000);
    assert!(is_whole || text.len() + (1 << 16) > BYTES_MAX);
    assert!(text.len() <= BYTES_MAX && trace::read(&text).is_ok());
}

/// Goes to a few moments of a trace, and looks.
fn look_at(moments: Moments, draw: &mut Draw) {
    let mut live = Live::of_recording(moments);
    assert!(live.is_recording() && !live.follows() && live.here() == Instant(0));
    for _ in 0..3 {
        live.stay(Instant(draw.below(live.end().0 as usize + 1) as u64));
        let scene = live.scene(&VIEW);
        assert!(scene.now == live.here() && scene.nodes.len() <= 9, "{scene:?}");
        live.inside(&VIEW);
        live.timeline(&VIEW);
    }
}

#[test]
fn any_trace_is_refused_in_a_sentence_or_shown() {
    let (good, draw) = (good(), &mut Draw(1));
    let lines: Vec<&str> = good.lines().collect();
    let mut shown = 0;
    for _ in 0..TRACES {
        let count = 1 + draw.below(20);
        let mut text = String::new();
        for _ in 0..count {
            text.push_str(lines[draw.below(lines.len())]);
            text.push('\n');
        }
        let mut bytes = text.into_bytes();
        for _ in 0..draw.below(4) {
            let place = draw.below(bytes.len());
            bytes[place] = b"0123456789\",:{}[]-e\xff\n"[draw.below(21)];
        }
        match trace::read(&String::from_utf8_lossy(&bytes)) {
            Err(why) => assert!(why.ends_with('.') && why.len() < 300, "{why}"),
            Ok(moments) => {
                shown += 1;
                assert!(moments.is_sorted_by_key(|(at, _)| *at));
                look_at(moments, draw);
            }
        }
    }
    assert!(shown > TRACES / 10 && shown < TRACES, "{shown} of {TRACES} were shown");
    assert!(read_sighting("{}").is_err());
}
