//! What there is to see, from real runs of the simulator: sessions, scenes, sentences and pictures.
#![cfg(not(target_arch = "wasm32"))]

use raft_core::id::NodeId;
use raft_core::time::Instant;
use raft_sim::Command;
use raft_web::controls::Action;
use raft_web::draw::{panels, stage};
use raft_web::look::{self, View};
use raft_web::narration;
use raft_web::run::Run;
use raft_web::scene::inside::Picked;
use raft_web::scene::timeline::Window;
use raft_web::scene::{BallotState, Cell, Role, Scene};
use raft_web::session::{Cluster, Session};
use std::time::Duration;

const VIEW: View = View::of(Window { from: Instant(0), length: Duration::from_secs(9) });

fn playground(seed: u64, nodes: u64) -> Run {
    Run::new(Session::new(seed, Cluster::Playground(nodes)))
}

fn see(run: &Run) -> Scene {
    look::scene(run, &VIEW)
}

/// Goes on until there is something to see; fails if it does not come within a minute of the run.
fn until(run: &mut Run, mut what: impl FnMut(&Scene) -> bool) -> Scene {
    while run.sim().now() < Instant(60_000_000) {
        let scene = see(run);
        if what(&scene) {
            return scene;
        }
        run.step();
    }
    panic!("it did not come: {}", narration::sentence(&see(run)));
}

fn press(run: &mut Run, act: &str) {
    match Action::of_element(act, &see(run)) {
        Some(Action::Do(commands)) => commands.into_iter().for_each(|command| run.act(command)),
        other => panic!("{act} is {other:?}"),
    }
}

fn is_settled(scene: &Scene) -> bool {
    let last = scene.leader().map(|leader| leader.last);
    last.is_some()
        && scene.nodes.iter().all(|node| node.role == Role::Down || Some(node.applied) == last)
}

#[test]
fn fresh_cluster_is_followers_whose_timers_run() {
    let scene = see(&playground(1, 5));
    assert_eq!(scene.nodes.len(), 5);
    for node in &scene.nodes {
        assert_eq!((node.role, node.leader), (Role::Follower, None));
        assert!(node.timer.is_some_and(|share| (0.5..=1.0).contains(&share)));
    }
    assert!(scene.messages.is_empty() && scene.sides.is_empty() && !scene.is_damaged());
    let first = scene.nodes.iter().min_by_key(|node| node.timer_us).unwrap();
    assert!(narration::sentence(&scene).contains(&format!("Node {} is next", first.id)));
}

#[test]
fn timer_that_is_shortest_starts_the_election() {
    for seed in 1..20 {
        let mut run = playground(seed, 5);
        let start = see(&run);
        let first = start.nodes.iter().min_by_key(|node| node.timer_us).unwrap().id;
        let scene =
            until(&mut run, |scene| scene.nodes.iter().any(|node| node.role != Role::Follower));
        let campaigner = scene.nodes.iter().find(|node| node.role != Role::Follower).unwrap();
        assert_eq!((campaigner.id, campaigner.role), (first, Role::PreCandidate), "seed {seed}");
    }
}

#[test]
fn first_visit_sees_elections_that_one_node_wins_at_the_first_try() {
    let mut run = Run::new(Session::default());
    for term in 1..=2 {
        let mut campaigners = std::collections::BTreeSet::new();
        let scene = until(&mut run, |scene| {
            let campaigns = |role| matches!(role, Role::PreCandidate | Role::Candidate);
            campaigners
                .extend(scene.nodes.iter().filter(|node| campaigns(node.role)).map(|node| node.id));
            scene.leader().is_some()
        });
        assert_eq!(
            (campaigners.len(), scene.leader().unwrap().term.0),
            (1, term),
            "choose another seed"
        );
        run.advance(Instant(scene.now.0 + 4_000_000), u64::MAX, None);
        press(&mut run, "crash-leader");
    }
}

#[test]
fn candidate_shows_each_voters_answer() {
    let mut run = playground(7, 5);
    let scene =
        until(&mut run, |scene| scene.nodes.iter().any(|node| node.role == Role::Candidate));
    let candidate = scene.nodes.iter().find(|node| node.role == Role::Candidate).unwrap();
    assert_eq!(candidate.ballots.len(), 5);
    let coming = |scene: &Scene| {
        let candidates = scene.nodes.iter().filter(|node| node.role == Role::Candidate);
        candidates.flat_map(|node| &node.ballots).any(|ballot| ballot.state == BallotState::Coming)
    };
    until(&mut run, coming);
    let scene = until(&mut run, |scene| scene.leader().is_some());
    assert!(scene.leader().unwrap().ballots.is_empty());
}

#[test]
fn write_goes_from_memory_to_disk_to_committed_to_applied() {
    let mut run = playground(3, 3);
    until(&mut run, is_settled);
    run.act(Command::Write { key: "x".into(), value: "1".into() });
    let cell_of =
        |scene: &Scene, wanted: &Cell| scene.logs.rows.iter().flatten().any(|cell| cell == wanted);
    let term = see(&run).leader().unwrap().term;
    let says = "x=1".to_owned();
    let steps = [(false, false, false), (true, false, false), (true, true, true)];
    for (durable, committed, applied) in steps {
        let wanted = Cell::Entry { term, says: says.clone(), durable, committed, applied };
        until(&mut run, |scene| cell_of(scene, &wanted));
    }
    let scene =
        until(&mut run, |scene| scene.requests.first().is_some_and(|ask| ask.done.is_some()));
    assert_eq!((&*scene.requests[0].asks, scene.requests[0].done), ("x = 1", Some(true)));
}

#[test]
fn crashed_node_keeps_its_disk_and_loses_its_memory() {
    let mut run = playground(3, 3);
    until(&mut run, is_settled);
    let leader = see(&run).leader().unwrap().id;
    press(&mut run, "crash-leader");
    let scene = see(&run);
    let place = scene.nodes.iter().position(|node| node.id == leader).unwrap();
    assert_eq!((scene.nodes[place].role, scene.nodes[place].timer), (Role::Down, None));
    let kept = &scene.logs.rows[place][0];
    assert!(matches!(kept, Cell::Entry { durable: true, committed: false, .. }), "{kept:?}");
    let scene = until(&mut run, |scene| scene.leader().is_some());
    assert_ne!(scene.leader().unwrap().id, leader);
    press(&mut run, "repair");
    until(&mut run, |scene| !scene.is_damaged() && is_settled(scene));
}

#[test]
fn split_shows_two_sides_and_only_one_with_a_majority() {
    let mut run = playground(5, 5);
    until(&mut run, is_settled);
    press(&mut run, "split");
    let scene = see(&run);
    let leader = scene.leader().unwrap().id;
    assert_eq!(scene.sides.iter().map(|side| side.nodes.len()).max(), Some(3));
    for side in &scene.sides {
        assert_eq!(side.quorum, !side.nodes.contains(&leader));
    }
    assert_eq!(scene.links.iter().filter(|link| link.cut_there && link.cut_back).count(), 6);
    press(&mut run, "repair");
    let scene = until(&mut run, is_settled);
    assert!(scene.sides.is_empty());
}

#[test]
fn old_leader_without_a_majority_can_overlap_with_a_new_one() {
    let overlaps = |seed: &u64| {
        let mut run = playground(*seed, 5);
        until(&mut run, is_settled);
        press(&mut run, "split");
        let steps_down = Instant(run.sim().now().0 + 10_000_000);
        while run.sim().now() < steps_down {
            run.step();
            let scene = see(&run);
            if scene.nodes.iter().filter(|node| node.role == Role::Leader).count() == 2 {
                return narration::sentence(&scene).contains("both believe they lead");
            }
        }
        false
    };
    assert!((0..50).any(|seed| overlaps(&seed)));
}

#[test]
fn every_button_drawn_does_something() {
    let mut run = playground(5, 5);
    until(&mut run, is_settled);
    press(&mut run, "split");
    let scene = look::scene(&run, &View { picked: Some(Picked::Node(NodeId(2))), ..VIEW });
    let drawn =
        [stage::draw(&scene), panels::dock(&scene), panels::table(&scene), panels::logs(&scene)];
    let printed: String = drawn.iter().flatten().map(raft_web::mark::Mark::print).collect();
    let acts: Vec<&str> =
        printed.split("data-act=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(acts.len() > 30, "{acts:?}");
    for act in acts {
        let is_off = printed.contains(&format!("data-act=\"{act}\" aria-disabled"));
        assert!(is_off || Action::of_element(act, &scene).is_some(), "{act}");
    }
}

#[test]
fn session_reopened_from_its_link_is_the_same_run() {
    let mut run = playground(11, 5);
    for act in ["do:cut-1-2~cut-2-1", "split", "do:crash-3", "repair", "do:split-1"] {
        run.advance(Instant(run.sim().now().0 + 1_234_567), u64::MAX, None);
        run.step();
        press(&mut run, act);
        run.act(Command::Write { key: "k".into(), value: act.to_owned().into() });
    }
    let end = Instant(run.sim().now().0 + 5_000_000);
    run.advance(end, u64::MAX, None);
    let link = run.session().to_link();
    let mut again = Run::new(Session::from_link(&link).unwrap());
    again.advance(end, u64::MAX, None);
    assert_eq!(again.sim().trace_hash(), run.sim().trace_hash(), "{link}");
    assert_eq!(see(&again), see(&run));
}

#[test]
fn sentences_are_short_whatever_happens() {
    let acts = [
        "crash-leader",
        "split",
        "repair",
        "add-node",
        "do:remove-2",
        "cut-leader",
        "do:crash-1",
        "do:cut-1-2",
        "do:restart-1",
    ];
    for seed in 0..30 {
        let mut run = playground(seed, 1 + seed % 9);
        for step in 0..3_000_u64 {
            run.step();
            let scene = see(&run);
            let sentence = narration::sentence(&scene);
            assert!(sentence.len() < 125 && sentence.ends_with('.'), "seed {seed}: {sentence}");
            let act = acts[((step + seed) % acts.len() as u64) as usize];
            if step % 97 == 0
                && let Some(Action::Do(commands)) = Action::of_element(act, &scene)
            {
                commands.into_iter().for_each(|command| run.act(command));
            }
        }
    }
}

#[test]
fn picture_has_every_node_and_every_message() {
    let mut run = playground(7, 5);
    let scene = until(&mut run, |scene| scene.messages.len() >= 4);
    let picture = stage::svg_string(&scene);
    assert_eq!(picture.matches("data-node=").count(), 5);
    assert_eq!(picture.matches("class=\"message\"").count(), scene.messages.len());
    assert!(picture.starts_with("<svg") && picture.ends_with("</svg>"));
}

#[test]
fn story_tells_of_elections_with_reasons_and_not_of_every_message() {
    let mut run = playground(7, 5);
    let scene = until(&mut run, is_settled);
    let told = |part: &str| scene.story.iter().any(|happening| happening.says.contains(part));
    assert!(told("stands for election in term 1") && told("leads term 1"));
    assert!(!told("hears from") && !told("has write"));
    assert!(scene.story.iter().any(|happening| happening.why.contains('§')));
    assert!(scene.story.iter().all(|happening| !happening.says.contains("@t")));
}

#[test]
fn every_test_run_of_the_simulator_can_be_drawn() {
    for seed in 0..20 {
        let mut run = Run::new(Session::new(seed, Cluster::Swarm));
        for _ in 0..300 {
            run.seek(run.steps() + 10);
            let scene = see(&run);
            assert!(!stage::svg_string(&scene).is_empty());
            assert!(!narration::sentence(&scene).is_empty());
            panels::logs(&scene);
            panels::story(&scene);
        }
    }
}
