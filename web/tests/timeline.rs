//! The space-time diagram, from real runs of the simulator.
#![cfg(not(target_arch = "wasm32"))]

use raft_core::id::NodeId;
use raft_core::time::Instant;
use raft_sim::Command;
use raft_web::branches::Branches;
use raft_web::controls::Action;
use raft_web::draw::{panels, timeline as picture};
use raft_web::layout::Point;
use raft_web::look::{self, View};
use raft_web::scene::timeline::{Timeline, Window};
use raft_web::scene::{Role, Turn};
use raft_web::session::{Cluster, Session};
use std::time::Duration;

const FRAME: picture::Frame = picture::Frame { down: false, along: 1_240.0, across: 180.0 };
const DOWN: picture::Frame = picture::Frame { down: true, along: 460.0, across: 300.0 };
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/timeline.svg");

/// An election, a write, a crash of the leader, and the next one.
const STORY: &str =
    "v1.seed=42.nodes=3.do=5000000-set-x-1~6500000-crash-1~6500000-crash-2~9000000-restartall";

fn played(link: &str, until_ms: u64) -> Branches {
    let mut branches = Branches::new(Session::from_link(link).expect("a link that can be read"));
    branches.run_mut().advance(Instant(until_ms * 1_000), u64::MAX, None);
    branches
}

fn see(branches: &Branches, from_ms: u64, length_ms: u64) -> Timeline {
    let window =
        Window { from: Instant(from_ms * 1_000), length: Duration::from_millis(length_ms) };
    look::timeline::timeline(branches, &View::of(window))
}

#[test]
fn picture_of_a_story_is_the_golden_one() {
    let mut branches = played(STORY, 14_000);
    branches.run_mut().seek_time(Instant(8_000_000));
    let mut now = picture::svg_string(&see(&branches, 0, 14_000), &FRAME).replace("><", ">\n<");
    now.push('\n');
    if std::env::var_os("RAFT_REWRITE").is_some() {
        std::fs::write(GOLDEN, &now).expect("the picture can be written");
    }
    let golden = std::fs::read_to_string(GOLDEN).expect("the golden picture is there");
    let same = now.lines().zip(golden.lines()).take_while(|(a, b)| a == b).count();
    assert!(
        now == golden,
        "line {} differs; if that is meant, RAFT_REWRITE=1 cargo test -p raft-web --test timeline",
        same + 1
    );
}

#[test]
fn lanes_show_who_led_when_and_who_was_down() {
    let branches = played(STORY, 14_000);
    let timeline = see(&branches, 0, 14_000);
    assert_eq!(timeline.lanes.len(), 3);
    for (lane, node) in timeline.lanes.iter().zip(branches.run().sim().nodes()) {
        assert_eq!(lane.spells[0].from, Instant(0));
        assert!(lane.spells.is_sorted_by_key(|spell| spell.from));
        let last = lane.spells.last().expect("a lane is never empty");
        assert_eq!(last.role == Role::Down, !node.is_up());
        let was_down = lane.spells.iter().any(|spell| spell.role == Role::Down);
        assert_eq!(was_down, lane.node <= NodeId(2), "{:?}", lane.spells);
    }
    let leads = timeline.lanes.iter().flat_map(|lane| &lane.spells);
    assert!(leads.filter(|spell| spell.role == Role::Leader).count() >= 2);
}

#[test]
fn arrows_are_the_messages_of_the_window_with_what_was_lost() {
    let branches = played(STORY, 8_900);
    let timeline = see(&branches, 6_000, 3_000);
    let sim = branches.run().sim();
    assert!(!timeline.arrows.is_empty() && !timeline.crowded);
    for arrow in &timeline.arrows {
        assert!(arrow.sent < arrow.arrived && arrow.from != arrow.to);
        assert!(arrow.arrived >= Instant(6_000_000) && arrow.sent <= Instant(9_000_000));
        assert_eq!(arrow.step == u64::MAX, arrow.arrived > sim.now(), "{arrow:?}");
    }
    let lost = timeline.arrows.iter().filter(|arrow| arrow.lost && arrow.from == NodeId(3));
    assert!(lost.count() > 0, "what was sent to a node that is down is lost");
}

#[test]
fn writes_are_bands_and_faults_are_flags_that_lead_to_their_moment() {
    let mut branches = played(STORY, 14_000);
    let timeline = see(&branches, 0, 14_000);
    assert_eq!(timeline.bands.len(), 1);
    assert_eq!((&*timeline.bands[0].asks, timeline.bands[0].from), ("x = 1", Instant(5_000_000)));
    let faults: Vec<_> =
        timeline.flags.iter().filter(|flag| flag.turn == Turn::Fault).cloned().collect();
    assert_eq!(faults.len(), 4, "{faults:?}");
    for flag in faults {
        branches.run_mut().seek(flag.step);
        assert_eq!(branches.run().sim().now(), flag.at);
    }
}

#[test]
fn picture_stays_small_however_long_the_window() {
    let mut branches = Branches::new(Session::new(9, Cluster::Playground(9)));
    branches.run_mut().seek(30_000);
    let end_ms = branches.run().record().end().0 / 1_000;
    for length_ms in [1_000, 10_000, 100_000, end_ms] {
        let timeline = see(&branches, 0, length_ms);
        assert!(timeline.arrows.len() <= look::timeline::ARROWS_MAX);
        let picture = picture::svg_string(&timeline, &FRAME);
        assert!(picture.matches('<').count() < 4_000, "{length_ms} ms");
    }
    assert!(see(&branches, 0, end_ms).crowded);
    let timeline = see(&branches, 0, 1_000);
    let all: u32 = timeline.density.iter().sum();
    assert!(all > 10_000, "the overview counts every message: {all}");
    assert_eq!(timeline.kept_from, Instant(0));
    branches.run_mut().seek(130_000);
    let timeline = see(&branches, 0, 1_000);
    assert!(timeline.kept_from > Instant(0) && timeline.arrows.is_empty(), "the oldest are gone");
}

#[test]
fn pointer_and_picture_agree_on_where_a_moment_is() {
    let mut branches = played(STORY, 14_000);
    branches.run_mut().seek_time(Instant(8_000_000));
    let timeline = see(&branches, 4_000, 8_000);
    for frame in [FRAME, DOWN] {
        let picture = picture::svg_string(&timeline, &frame);
        let now = picture.split("class=\"now\" d=\"M").last().expect("there is a now");
        let numbers: Vec<f64> = now
            .split(['"', ' ', 'L'])
            .filter(|word| !word.is_empty())
            .take(2)
            .map(|word| word.parse().expect("a number"))
            .collect();
        let at = Point { x: numbers[0], y: numbers[1] };
        let at = if frame.down { Point { x: 40.0, ..at } } else { Point { y: 40.0, ..at } };
        let moment = frame.moment(&timeline, at);
        assert!(moment.0.abs_diff(timeline.now.0) < 20_000, "{moment:?}");
    }
    // The overview is of the whole run, and no pointer leads beyond its end.
    let overview = |x: f64| FRAME.moment(&timeline, Point { x, y: FRAME.across - 2.0 });
    assert_eq!((overview(-9.0), overview(9_999.0)), (Instant(0), Instant(14_000_000)));
    assert_eq!(FRAME.moment(&timeline, Point { x: 9_999.0, y: 60.0 }), Instant(12_000_000));
}

#[test]
fn narrow_picture_is_the_wide_one_on_its_side() {
    let timeline = see(&played(STORY, 10_000), 0, 10_000);
    let lines = |frame| picture::svg_string(&timeline, &frame).matches("class=\"arrow").count();
    assert_eq!(lines(FRAME), lines(DOWN));
}

#[test]
fn window_turns_its_page_when_the_present_leaves_it_and_zooms_around_it() {
    let window = Window { from: Instant(0), length: Duration::from_secs(10) };
    assert_eq!(window.holding(Instant(9_000_000)), window);
    let next = window.holding(Instant(9_900_000));
    assert!(next.from > window.from && next.share(Instant(9_900_000)) < 0.5);
    let back = next.holding(Instant(1_000_000));
    assert!((0.0..=0.5).contains(&back.share(Instant(1_000_000))));
    let near = window.zoomed(Instant(5_000_000), (1, 2), Duration::from_secs(1));
    assert_eq!((near.from, near.length), (Instant(2_500_000), Duration::from_secs(5)));
    let least = Duration::from_secs(4);
    assert_eq!(near.zoomed(Instant(5_000_000), (1, 2), least).length, least);
}

#[test]
fn branches_are_shown_with_their_fork_and_their_difference() {
    let mut branches = played(STORY, 14_000);
    assert!(see(&branches, 0, 14_000).branches.is_empty());
    branches.run_mut().seek_time(Instant(5_500_000));
    assert!(see(&branches, 0, 14_000).in_the_past);
    branches.act(Command::Crash(NodeId(3)));
    branches.run_mut().advance(Instant(14_000_000), u64::MAX, None);
    let timeline = see(&branches, 0, 14_000);
    assert!(!timeline.in_the_past);
    let names: Vec<&str> = timeline.branches.iter().map(|tab| &*tab.name).collect();
    assert_eq!(names, ["A", "B"]);
    let difference = timeline.difference.clone().expect("they differ");
    assert_eq!((&*difference.name, difference.at), ("A", Instant(5_500_000)));
    assert!(difference.nodes.contains(&NodeId(3)));
    assert!(timeline.lanes.iter().all(|lane| !lane.beside.is_empty()));
    let printed: String =
        panels::branches(&timeline).iter().map(raft_web::mark::Mark::print).collect();
    assert!(printed.contains("Parted from A at 5.500 s"), "{printed}");
    let scene = look::scene(branches.run(), &View::of(timeline.window));
    let leader = scene.leader().expect("led");
    let state =
        format!("node {} leads term {}, {} committed", leader.id, leader.term, leader.commit);
    assert!(printed.contains(&format!("Here {state}; in A node")), "{state}: {printed}");
    // Also from the past of it, until they parted.
    branches.run_mut().seek_time(Instant(6_000_000));
    let printed = |branches: &Branches| -> String {
        let marks = panels::branches(&see(branches, 0, 14_000));
        marks.iter().map(raft_web::mark::Mark::print).collect()
    };
    assert!(printed(&branches).contains("another branch. Parted from A"));
    branches.run_mut().seek_time(Instant(5_000_000));
    assert!(!printed(&branches).contains("Parted from A at 5.500 s;"));
    assert_eq!(Action::of_element("branch:0", &scene), Some(Action::Branch(0)));
}
