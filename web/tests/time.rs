//! Going through time: any way to a moment leads to the same moment, and no course of things is lost.
#![cfg(not(target_arch = "wasm32"))]

use raft_core::id::NodeId;
use raft_core::time::Instant;
use raft_sim::Command;
use raft_web::branches::{BRANCHES_MAX, Branches};
use raft_web::run::Run;
use raft_web::scene::{PauseWhen, Turn};
use raft_web::session::{Cluster, Session};

/// Numbers that look random, the same for the same seed (Knuth's constants).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn command(&mut self, nodes: u64) -> Command {
        let mut node = || NodeId(1 + self.below(nodes));
        let (a, b) = (node(), node());
        match self.below(8) {
            0 => Command::Crash(a),
            1 => Command::CrashLeader,
            2 => Command::RestartAll,
            3 => Command::Cut { from: a, to: b },
            4 => Command::HealAll,
            5 => Command::Split([a, b].into()),
            _ => Command::Write { key: "k".into(), value: format!("{a}").into() },
        }
    }

    /// A session in which much is done, as a visitor would do it.
    fn session(&mut self) -> Session {
        let nodes = 1 + self.below(7);
        let seed = self.below(1_000);
        let mut run = Run::new(Session::new(seed, Cluster::Playground(nodes)));
        for _ in 0..self.below(30) {
            let pause_us = self.below(3_000_000);
            run.advance(Instant(run.sim().now().0 + pause_us), u64::MAX, None);
            run.act(self.command(nodes));
        }
        run.session().clone()
    }
}

/// All that can be seen of a moment.
fn moment(run: &Run) -> (u64, Instant, u64) {
    (run.steps(), run.sim().now(), run.sim().trace_hash())
}

fn playground(seed: u64, nodes: u64) -> Branches {
    Branches::new(Session::new(seed, Cluster::Playground(nodes)))
}

#[test]
fn rewind_equals_replay() {
    for seed in 0..40 {
        let mut numbers = Numbers(seed);
        let session = match seed % 4 {
            0 => Session::new(seed, Cluster::Swarm),
            _ => numbers.session(),
        };
        let mut straight = Run::new(session.clone());
        let mut hashes = vec![straight.sim().trace_hash()];
        while hashes.len() < 3_000 && straight.step() {
            hashes.push(straight.sim().trace_hash());
        }
        let mut run = Run::new(session.clone());
        for _ in 0..30 {
            let steps = numbers.below(hashes.len() as u64);
            run.seek(steps);
            let now = run.sim().trace_hash();
            assert_eq!((run.steps(), now), (steps, hashes[steps as usize]), "seed {seed}");
        }
        // However one went there, it was recorded once and in order.
        run.seek(hashes.len() as u64 - 1);
        let told = |run: &Run| run.record().happenings().cloned().collect::<Vec<_>>();
        assert_eq!(told(&run), told(&straight), "seed {seed}");
        let (from, until) = (Instant(0), run.record().end());
        let arrows = |run: &Run| run.record().arrows(from, until).copied().collect::<Vec<_>>();
        assert_eq!(arrows(&run), arrows(&straight), "seed {seed}");
        for (lane, same) in run.record().lanes().iter().zip(straight.record().lanes()) {
            assert!(lane.spells(from, until).eq(same.spells(from, until)), "seed {seed}");
        }
    }
}

#[test]
fn going_by_the_clock_there_and_back_is_the_same_moment() {
    for seed in 0..20 {
        let mut numbers = Numbers(seed);
        let mut run = Run::new(numbers.session());
        run.advance(Instant(60_000_000), 20_000, None);
        let end = run.sim().now().0;
        let at = Instant(numbers.below(end));
        run.seek_time(at);
        let first = moment(&run);
        assert_eq!(first.1, at);
        run.seek_time(Instant(numbers.below(end)));
        run.seek(numbers.below(first.0 + 100));
        run.seek_time(at);
        assert_eq!(moment(&run), first, "seed {seed}");
    }
}

#[test]
fn acting_in_the_past_keeps_both_futures() {
    let mut branches = playground(11, 5);
    branches.run_mut().advance(Instant(10_000_000), u64::MAX, None);
    branches.act(Command::CrashLeader);
    branches.run_mut().advance(Instant(20_000_000), u64::MAX, None);
    let first = moment(branches.run());
    assert_eq!(branches.all().len(), 1, "acting at the end begins no other branch");

    branches.run_mut().seek_time(Instant(5_000_000));
    branches.act(Command::Crash(NodeId(2)));
    assert_eq!((branches.all().len(), branches.current()), (2, 1));
    branches.run_mut().advance(Instant(20_000_000), u64::MAX, None);
    let second = moment(branches.run());
    assert_ne!(first.2, second.2);
    let fork = branches.all()[1].fork.clone().expect("it parted from the first");
    assert_eq!((&*fork.from, fork.at), ("A", Instant(5_000_000)));

    let difference = branches.difference(0, 1).expect("they are two");
    assert_eq!(difference.at, Instant(5_000_000));
    assert_eq!(difference.hashes.1, branches.run().record().hash());
    assert!(difference.nodes.contains(&NodeId(2)), "{difference:?}");

    branches.switch(0);
    assert_eq!(moment(branches.run()), first);
    branches.switch(1);
    assert_eq!(moment(branches.run()), second);
    let mut again = Run::new(branches.run().session().clone());
    again.advance(Instant(20_000_000), u64::MAX, None);
    assert_eq!(moment(&again), second, "a branch is a session like any other");
}

#[test]
fn branches_are_few_and_the_one_in_view_is_never_forgotten() {
    let mut branches = playground(3, 3);
    branches.run_mut().advance(Instant(20_000_000), u64::MAX, None);
    for n in 0..3 * BRANCHES_MAX as u64 {
        branches.run_mut().seek_time(Instant(1_000_000 + n * 10_000));
        branches.act(Command::Write { key: "k".into(), value: n.to_string().into() });
        let before = branches.run().session().clone();
        branches.run_mut().advance(Instant(21_000_000), u64::MAX, None);
        assert_eq!(*branches.run().session(), before);
        assert!(branches.all().len() <= BRANCHES_MAX);
        assert!(before.commands.len() as u64 <= n + 1);
    }
    let names: Vec<&str> = branches.all().iter().map(|branch| &*branch.name).collect();
    assert_eq!(names.len(), BRANCHES_MAX);
    assert!((1..names.len()).all(|n| !names[..n].contains(&names[n])), "{names:?}");
}

#[test]
fn both_directions_of_a_cut_are_one_branch() {
    let mut branches = playground(3, 3);
    branches.run_mut().advance(Instant(8_000_000), u64::MAX, None);
    branches.run_mut().seek_time(Instant(4_000_000));
    let (a, b) = (NodeId(1), NodeId(2));
    branches.act(Command::Cut { from: a, to: b });
    branches.act(Command::Cut { from: b, to: a });
    assert_eq!((branches.all().len(), branches.run().session().commands.len()), (2, 2));
}

#[test]
fn checkpoints_thin_out_as_a_run_grows() {
    let mut run = Run::new(Session::new(1, Cluster::Playground(5)));
    for steps in [10_000, 20_000, 40_000, 100_000] {
        run.seek(steps);
        assert!((steps / 4_096..=32).contains(&(run.checkpoints() as u64)), "{steps}");
    }
    let end = moment(&run);
    run.seek(50_000);
    run.seek(100_000);
    assert_eq!(moment(&run), end);
}

#[test]
fn next_and_last_turns_stop_at_the_same_steps() {
    let link =
        "v1.seed=42.nodes=5.do=6000000-crash-2~6000000-set-x-1~9000000-crash-5~15000000-restartall";
    let mut run = Run::new(Session::from_link(link).unwrap());
    let mut there = Vec::new();
    for _ in 0..10 {
        run.seek_next_turn();
        there.push(run.steps());
    }
    assert!(there.is_sorted() && there[0] > 0);
    assert!(run.record().turns_at(there[5]).any(Turn::is_of_interest));
    let mut back = Vec::new();
    while run.steps() > 0 {
        back.push(run.steps());
        run.seek_last_turn();
    }
    there.dedup();
    back.reverse();
    assert_eq!(there, back);
}

#[test]
fn run_pauses_at_what_one_waits_for_and_again_when_it_is_played_again() {
    for (pause, _, words) in PauseWhen::ALL {
        let mut run = Run::new(Session::new(3, Cluster::Playground(5)));
        run.act(Command::Crash(NodeId(5)));
        run.seek(0);
        // Three of five, of which two stand at once now and then: an election without a winner comes.
        let mut stops = Vec::new();
        for round in 0..400 {
            let leader = run.sim().nodes().find(|node| {
                let raft = node.replica().map(raft_core::replica::Replica::raft);
                raft.is_some_and(|raft| raft.leader() == Some(raft.id()))
            });
            if let Some(leader) = leader.map(raft_sim::Node::id)
                && round % 3 == 0
            {
                let side = [leader, NodeId(1 + leader.0 % 5)].into();
                run = run.fork();
                run.act(Command::Split(side));
                run.act(Command::Write { key: "k".into(), value: "v".into() });
            } else if round % 3 == 1 {
                run = run.fork();
                run.act(Command::HealAll);
            }
            let until = Instant(run.sim().now().0 + 8_000_000);
            if run.advance(until, u64::MAX, Some(pause)) {
                stops.push(moment(&run));
                break;
            }
        }
        let [stop] = stops[..] else { panic!("it never came that {words}") };
        assert!(run.record().turns_at(stop.0).any(pause.is_met()), "{words}");
        run.seek(stop.0 - 1);
        assert!(run.advance(Instant(stop.1.0 + 1), u64::MAX, Some(pause)), "{words}");
        assert_eq!(moment(&run), stop, "{words}");
    }
}
