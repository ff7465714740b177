//! Seeds that show what one looks for, found and made small.
#![cfg(not(target_arch = "wasm32"))]

use raft_core::id::{EntryId, NodeId};
use raft_core::raft::event::Event;
use raft_core::replica::Replica;
use raft_sim::trace::Line;
use raft_sim::{Node, Sim};
use raft_web::hunt::{self, Found, Hunt, News, SEEDS_MAX, Spent, Task, Wanted, smaller};
use raft_web::link::Link;
use raft_web::play::Play;
use raft_web::run::Run;
use raft_web::session::{Cluster, Session};
use std::collections::BTreeSet;

/// Seeds within which each must be found in five nodes.
const WITHIN_SEEDS: u64 = 200;

fn hunt(name: &str, seed: u64) -> Hunt {
    let wanted = hunt::named(name).unwrap_or_else(|| panic!("{name} can be looked for"));
    Hunt::new(Task { wanted, nodes: 5, seed, what_if: None })
}

fn find(wanted: &Wanted) -> Found {
    let mut hunt = hunt(wanted.name, 1);
    while hunt.spent.runs < WITHIN_SEEDS {
        if let Some(found) = hunt.play_next() {
            return found;
        }
    }
    panic!("{} in none of {:?}", wanted.name, hunt.spent);
}

/// Everything that the core said up to the moment, the cluster one step before it, and the cluster then.
struct Scene {
    lines: Vec<Line>,
    before: Sim,
    then: Sim,
}

impl Scene {
    fn of(found: &Found) -> Self {
        let (mut play, mut lines) = (Play::begin(&found.session), Vec::new());
        play.sim.keep_trace(true);
        let mut before = play.sim.clone();
        while play.steps < found.seen.steps {
            before = play.sim.clone();
            play.step(&found.session);
            lines.extend(play.sim.trace_mut().take());
        }
        Self { lines, before, then: play.sim }
    }

    fn events(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Event)> {
        self.lines.iter().filter_map(|line| Some((line.node?, line.event.as_ref()?)))
    }

    /// What was said in the last step, among it what is wanted.
    fn ends_with(&self, is_wanted: impl Fn(&Event) -> bool) -> bool {
        let last = self.then.now();
        let lines = self.lines.iter().rev().take_while(|line| line.at == last);
        lines.filter_map(|line| line.event.as_ref()).any(is_wanted)
    }

    /// The terms in which nodes stood since somebody was elected, each with the node.
    fn stood(&self) -> Vec<(u64, NodeId)> {
        let since = self
            .events()
            .rev()
            .take_while(|(_, event)| !matches!(event, Event::BecameLeader { .. }));
        let stood = since.filter_map(|(node, event)| match event {
            Event::ElectionStarted { term } => Some((term.0, node)),
            _ => None,
        });
        stood.collect()
    }
}

fn running(sim: &Sim) -> impl Iterator<Item = &Replica> {
    sim.nodes().filter_map(Node::replica)
}

fn leads(node: &Replica) -> bool {
    matches!(node.raft().role(), raft_core::raft::Role::Leader(_))
}

/// Whether the moment shows what it was found for, by what can be seen of the nodes and was said by them.
fn shows(name: &str, scene: &Scene) -> bool {
    let leaders = || running(&scene.then).filter(|node| leads(node));
    match name {
        "split-vote" => {
            let stood = scene.stood();
            stood.iter().any(|(term, node)| stood.iter().any(|(t, n)| t == term && n != node))
        }
        "three-rounds" => {
            scene.stood().iter().map(|(term, _)| term).collect::<BTreeSet<_>>().len() == 3
        }
        "two-leaders" => leaders().count() == 2,
        "deposed" => {
            let stands_down = |event: &Event| event.to_string().contains("no quorum answered");
            scene.ends_with(stands_down)
                && leaders().count() < running(&scene.before).filter(|node| leads(node)).count()
        }
        "refused" => scene.ends_with(|event| {
            matches!(event, Event::VoteRefused { pre_vote: false, .. })
                && event.to_string().contains("log")
        }),
        "overwritten" => {
            let removed = scene.events().rev().find_map(|(node, event)| match event {
                Event::Truncated { from, .. } => Some((node, *from)),
                _ => None,
            });
            let Some((node, from)) = removed else { return false };
            let had = running(&scene.before).find(|replica| replica.raft().id() == node).unwrap();
            let term = had.raft().log().term_at(from).expect("the entry was there");
            scene
                .events()
                .any(|(leader, event)| leader == node && *event == Event::BecameLeader { term })
        }
        "shorter-log" => leaders().any(|leader| {
            let last = leader.raft().log().last();
            let is_longer = |other: EntryId| other.index > last.index && other.term < last.term;
            // The leader's first entry is new; that of the election is the one before it.
            let before = running(&scene.before).find(|node| node.raft().id() == leader.raft().id());
            let own = before.map(|node| node.raft().log().last());
            running(&scene.then).any(|node| is_longer(node.raft().log().last()))
                || own.is_some_and(|own| {
                    running(&scene.then).any(|node| {
                        let other = node.raft().log().last();
                        other.index > own.index && other.term < own.term
                    })
                })
        }),
        "figure-8" => leaders().any(|leader| {
            let raft = leader.raft();
            let before = running(&scene.before).find(|node| node.raft().id() == raft.id()).unwrap();
            let first = before.raft().commit_index().next();
            first <= raft.commit_index()
                && raft.log().term_at(first).is_some_and(|term| term < raft.term())
        }),
        "snapshot" => scene.ends_with(|event| matches!(event, Event::SnapshotInstalled { .. })),
        "handed-over" => {
            let told = scene.events().rev().find_map(|(node, event)| match event {
                Event::ToldToStand { .. } => Some(node),
                _ => None,
            });
            scene.ends_with(|event| matches!(event, Event::BecameLeader { .. }))
                && leaders().any(|leader| Some(leader.raft().id()) == told)
        }
        // Its vote is not counted in one step, and is in the next.
        "back" => {
            let is_voter = |sim: &Sim, id| {
                running(sim)
                    .filter(|node| leads(node))
                    .all(|node| node.raft().configuration().is_voter(id))
            };
            let lost = scene.lines.iter().filter_map(|line| match line.event {
                Some(Event::MemberLost { node }) => Some(node),
                _ => None,
            });
            lost.into_iter()
                .any(|node| is_voter(&scene.then, node) && !is_voter(&scene.before, node))
        }
        other => panic!("nobody knows how {other} shows"),
    }
}

#[test]
fn everything_is_found_soon_and_the_moment_shows_it_before_and_after_it_is_made_small() {
    for wanted in hunt::ALL.iter().filter(|wanted| wanted.name != "check-fails") {
        let found = find(wanted);
        assert!(
            shows(wanted.name, &Scene::of(&found)),
            "{}: {}",
            wanted.name,
            found.link().print()
        );
        let small = smaller(found.clone(), wanted, |_| {});
        eprintln!(
            "{}: {} -> {}: {}",
            wanted.name,
            found.size(),
            small.size(),
            small.link().print()
        );
        assert!(
            shows(wanted.name, &Scene::of(&small)),
            "{}: {}",
            wanted.name,
            small.link().print()
        );
        assert!(small.session.commands.len() <= found.session.commands.len());
        assert_eq!(small.session.cluster, Cluster::Playground(3), "{}", wanted.name);
    }
}

#[test]
fn what_is_found_is_a_link_that_plays_the_same_on_the_page() {
    for wanted in hunt::ALL.iter().filter(|wanted| wanted.name != "check-fails") {
        let found = find(wanted);
        let link = Link::read(&found.link().print()).expect("a good link");
        assert_eq!(link, found.link());
        let (mut run, seen) = (Run::new(link.session), link.seen.expect("a moment"));
        assert_eq!(Link::go(&seen, &mut run), None);
        assert_eq!(run.sim().now(), found.at);
    }
}

#[test]
fn of_a_run_made_small_no_command_can_be_spared() {
    let wanted = hunt::named("overwritten").unwrap();
    let small = smaller(find(wanted), wanted, |_| {});
    let mut commands = small.session.commands.clone();
    assert!(!commands.is_empty());
    for place in 0..commands.len() {
        let spared = commands.remove(place);
        let session = Session { commands: commands.clone(), ..small.session.clone() };
        let found = Found { session, ..small.clone() };
        assert!(!shows("overwritten", &Scene::of(&found)), "{spared:?} can be spared");
        commands.insert(place, spared);
    }
}

#[test]
fn no_check_fails_in_code_that_makes_no_mistake() {
    let mut hunt = hunt("check-fails", 1);
    while hunt.spent.runs < 50 {
        assert_eq!(hunt.play_next(), None);
    }
    assert!(hunt.spent.events > 10_000 && !hunt.is_over());
    hunt.spent.runs = SEEDS_MAX;
    assert!(hunt.is_over());
}

#[test]
fn tasks_and_news_survive_the_way_to_a_worker() {
    let spent = Spent { runs: 1_234, events: 5_678_901 };
    for wanted in hunt::ALL {
        let task = Task { wanted, nodes: 7, seed: 9, what_if: raft_web::whatif::ALL.first() };
        assert_eq!(Task::read(&task.print()), Some(task));
    }
    for damaged in ["", "two-leaders", "moon v1", "two-leaders v2", "two-leaders v1.run=swarm"] {
        assert_eq!(Task::read(damaged), None, "{damaged}");
    }
    let found = News::Found { link: "v1.seed=1".into(), was: "a".into(), is: "b".into() };
    for news in [
        News::Searches(spent, 1_000),
        News::MakesSmall(spent),
        found,
        News::Nothing(spent),
        News::Stopped("for a reason".into()),
    ] {
        assert_eq!(News::read(&news.print()), news);
        assert!(news.says().ends_with(['.', '…']), "{}", news.says());
    }
    let says = News::Searches(spent, 2_000).says();
    assert_eq!(says, "1,234 seeds so far. 617 seeds and 2,839,450 events a second.");
    for odd in ["", "searches", "found a|b", "searches 1 2", "stopped"] {
        assert!(matches!(News::read(odd), News::Stopped(_)), "{odd}");
    }
}
