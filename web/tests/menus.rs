//! What can be done, and that it is done: every item of every menu, and how the scene shows it.
#![cfg(not(target_arch = "wasm32"))]

use raft_core::id::NodeId;
use raft_core::time::Instant;
use raft_web::controls::Action;
use raft_web::draw::stage;
use raft_web::look::{self, View};
use raft_web::run::Run;
use raft_web::scene::group::Group;
use raft_web::scene::inside::Picked;
use raft_web::scene::menu::Item;
use raft_web::scene::timeline::Window;
use raft_web::scene::{Machine, Node, Role, Scene, Standing, Trouble};
use raft_web::session::{Cluster, Session, print_commands, read_commands};
use std::time::Duration;

const VIEW: View = View::of(Window { from: Instant(0), length: Duration::from_secs(9) });

/// A cluster that has a leader, and a few heartbeats behind it.
fn led(nodes: u64) -> Run {
    let mut run = Run::new(Session::new(2, Cluster::Playground(nodes)));
    until(&mut run, |scene| scene.leader().is_some_and(|leader| leader.commit.0 > 0));
    run
}

fn see(run: &Run, picked: impl Into<Option<Picked>>) -> Scene {
    look::scene(run, &View { picked: picked.into(), ..VIEW })
}

#[track_caller]
fn until(run: &mut Run, is_so: impl Fn(&Scene) -> bool) -> Scene {
    while run.sim().now() < Instant(120_000_000) {
        let scene = see(run, None);
        if is_so(&scene) {
            return scene;
        }
        run.step();
    }
    panic!("it did not come to that");
}

fn item(scene: &Scene, words: &str) -> Item {
    let all = scene.menu.items.iter().chain(&scene.tries.items);
    let found = all.clone().find(|item| item.words == words);
    found.cloned().unwrap_or_else(|| {
        panic!("no {words} among {:?}", all.map(|i| &i.words).collect::<Vec<_>>())
    })
}

/// Presses a button, as the page does: by the name that it has there.
fn press(run: &mut Run, picked: impl Into<Option<Picked>>, words: &str) {
    let scene = see(run, picked);
    let item = item(&scene, words);
    assert!(item.enabled, "{words} makes no sense now");
    match Action::of_element(&item.act, &scene) {
        Some(Action::Do(commands)) => commands.into_iter().for_each(|command| run.act(command)),
        other => panic!("{words} is {other:?}"),
    }
}

fn node(scene: &Scene, id: NodeId) -> Node {
    scene.node(id).cloned().expect("on the stage")
}

fn follower(run: &Run) -> NodeId {
    let scene = see(run, None);
    scene.nodes.iter().find(|node| node.role == Role::Follower).expect("a follower").id
}

#[test]
fn switches_of_a_node_show_on_the_stage_and_are_taken_back_by_the_same_button() {
    let well = Machine { frozen: false, slow_disk: false, full_disk: false, clock_ppm: 1_000_000 };
    let ill = [
        ("Freeze", Machine { frozen: true, ..well }),
        ("Slow disk", Machine { slow_disk: true, ..well }),
        ("Full disk", Machine { full_disk: true, ..well }),
        ("Fast clock", Machine { clock_ppm: 4_000_000, ..well }),
        ("Slow clock", Machine { clock_ppm: 250_000, ..well }),
    ];
    for (words, machine) in ill {
        let mut run = led(3);
        let id = follower(&run);
        press(&mut run, Picked::Node(id), words);
        let scene = see(&run, Picked::Node(id));
        assert_eq!((node(&scene, id).machine, item(&scene, words).on), (machine, true), "{words}");
        assert!(scene.is_damaged() && machine.words().count() == 1);
        let mut repaired = run.fork();
        press(&mut run, Picked::Node(id), words);
        press(&mut repaired, None, "Repair all");
        for run in [run, repaired] {
            let scene = see(&run, Picked::Node(id));
            assert_eq!(
                (node(&scene, id).machine, item(&scene, words).on),
                (well, false),
                "{words}"
            );
            assert!(!scene.is_damaged());
        }
    }
}

#[test]
fn node_is_crashed_restarted_cut_off_and_rejoined_by_the_menu_and_by_its_keys() {
    let mut run = led(5);
    let id = follower(&run);
    let picked = Picked::Node(id);
    for (key, words) in [("k", "Crash"), ("K", "Restart"), ("x", "Cut off"), ("x", "Cut off")] {
        let scene = see(&run, picked);
        let by_key = Action::of_key(key, &scene).expect(words);
        assert_eq!(
            Some(by_key.clone()),
            Action::of_element(&item(&scene, words).act, &scene),
            "{words}"
        );
        let Action::Do(commands) = by_key else { panic!("{by_key:?}") };
        commands.into_iter().for_each(|command| run.act(command));
        let scene = see(&run, picked);
        match (key, item(&scene, "Cut off").on) {
            ("k", _) => assert_eq!(node(&scene, id).role, Role::Down),
            ("K", _) => assert_ne!(node(&scene, id).role, Role::Down),
            (_, is_alone) => assert_eq!(is_alone, node(&scene, id).cut_from.len() == 4),
        }
    }
    assert!(!see(&run, None).is_damaged());
}

#[test]
fn timer_fires_leadership_is_handed_over_and_a_snapshot_is_taken() {
    let mut run = led(3);
    let id = follower(&run);
    press(&mut run, Picked::Node(id), "Fire timer");
    assert_eq!(node(&see(&run, None), id).role, Role::PreCandidate);
    let mut run = led(3);
    let id = follower(&run);
    press(&mut run, Picked::Node(id), "Make leader");
    until(&mut run, |scene| scene.leader().is_some_and(|leader| leader.id == id));
    until(&mut run, |scene| node(scene, id).applied.0 > 0);
    press(&mut run, Picked::Node(id), "Snapshot");
    assert_eq!(run.sim().counters().snapshots_taken, 1);
    assert!(
        !item(&see(&run, Picked::Node(id)), "Fire timer").enabled,
        "a leader has no such timer"
    );
}

#[test]
fn nodes_are_added_promoted_and_removed_and_nine_are_the_most() {
    let mut run = led(3);
    press(&mut run, None, "Add node 4");
    let added = NodeId(4);
    until(&mut run, |scene| {
        scene.node(added).is_some_and(|node| node.standing == Standing::Learner)
    });
    until(&mut run, |scene| scene.node(added).is_some_and(|node| node.standing == Standing::Voter));
    // One change at a time: the next is refused until this is committed, and the story says why.
    press(&mut run, Picked::Node(added), "Remove");
    until(&mut run, |scene| scene.story.iter().any(|told| told.why.contains("in progress")));
    press(&mut run, Picked::Node(added), "Remove");
    until(&mut run, |scene| {
        scene.node(added).is_some_and(|node| node.standing == Standing::Outside)
    });
    until(&mut run, |scene| scene.leader().is_some_and(|leader| leader.commit == leader.last));
    press(&mut run, Picked::Node(added), "Add");
    until(&mut run, |scene| scene.node(added).is_some_and(|node| node.standing == Standing::Voter));
    for id in 5..=9 {
        until(&mut run, |scene| scene.leader().is_some_and(|leader| leader.commit == leader.last));
        press(&mut run, None, &format!("Add node {id}"));
        until(&mut run, |scene| scene.voters().count() == id as usize);
    }
    assert!(see(&run, None).tries.items.iter().all(|item| !item.words.starts_with("Add")));
}

#[test]
fn wiped_node_comes_back_as_a_learner_and_gets_its_vote_again() {
    let mut run = led(5);
    let id = follower(&run);
    press(&mut run, Picked::Node(id), "Wipe disk");
    assert_eq!(node(&see(&run, None), id).role, Role::Down);
    press(&mut run, Picked::Node(id), "Restart");
    until(&mut run, |scene| node(scene, id).standing == Standing::Learner);
    until(&mut run, |scene| node(scene, id).standing == Standing::Voter);
}

#[test]
fn link_is_cut_slow_and_lossy_in_each_direction_by_itself() {
    let (a, b) = (NodeId(1), NodeId(3));
    let picked = Picked::Link(a, b);
    let state = |scene: &Scene| {
        let link = scene.links.iter().find(|link| link.pair == (a, b)).expect("a link");
        assert!(link.selected);
        (link.cut_there, link.cut_back, link.there, link.back)
    };
    let well = Trouble::default();
    let (slow, lossy) = (Trouble { later_ms: 720, ..well }, Trouble { loss_percent: 50, ..well });
    for (words, ill) in [
        ("Cut", (true, true, well, well)),
        ("Cut 1→3", (true, false, well, well)),
        ("Cut 3→1", (false, true, well, well)),
        ("Slow 1→3", (false, false, slow, well)),
        ("Slow 3→1", (false, false, well, slow)),
        ("Lossy 1→3", (false, false, lossy, well)),
        ("Lossy 3→1", (false, false, well, lossy)),
    ] {
        let mut run = led(3);
        for expected in [ill, (false, false, well, well)] {
            press(&mut run, picked, words);
            let scene = see(&run, picked);
            assert_eq!(state(&scene), expected, "{words}");
            assert_eq!(scene.is_damaged(), expected == ill);
        }
    }
}

#[test]
fn nodes_are_picked_together_by_keys_and_are_cut_off_and_crashed_together() {
    let mut run = led(5);
    // The group begins as the fewer side; each number adds a node or takes it away.
    let mut picked = Action::of_key("g", &see(&run, None)).expect("a group");
    let Action::Pick(Picked::Group(first)) = picked else { panic!("{picked:?}") };
    assert_eq!(first.nodes().count(), 2);
    for key in ["1", "2", "3", "4", "5"].into_iter().filter(|key| first.to_string().contains(key)) {
        let Action::Pick(group) = picked else { panic!("{picked:?}") };
        picked = Action::of_key(key, &see(&run, group)).expect(key);
    }
    assert_eq!(picked, Action::Pick(Picked::Group(Group::default())));
    let (one, other) = (Group::of([1, 3].map(NodeId)), Group::of([2, 5].map(NodeId)));
    let on = |run: &Run, group| item(&see(run, Picked::Group(group)), "Cut off").on;
    assert!(!item(&see(&run, Picked::Group(Group::default())), "Cut off").enabled);
    // Two groups and who is left: three sides.
    press(&mut run, Picked::Group(one), "Cut off");
    assert!(on(&run, one) && on(&run, Group::of([2, 4, 5].map(NodeId))) && !on(&run, other));
    press(&mut run, Picked::Group(other), "Cut off");
    let sides: Vec<usize> = see(&run, None).sides.iter().map(|side| side.nodes.len()).collect();
    assert_eq!(sides, [2, 2, 1]);
    assert_eq!(Action::of_key("x", &see(&run, Picked::Group(other))), {
        let scene = see(&run, Picked::Group(other));
        Action::of_element(&item(&scene, "Cut off").act, &scene)
    });
    // The same button heals what is between these and all others, and nothing else.
    press(&mut run, Picked::Group(other), "Cut off");
    let cut: Vec<NodeId> = node(&see(&run, None), NodeId(4)).cut_from;
    assert!(cut == [NodeId(1), NodeId(3)] && !on(&run, other));
    press(&mut run, None, "Repair all");
    assert!(!see(&run, None).is_damaged());
    press(&mut run, Picked::Group(one), "Crash");
    let down = |run: &Run| see(run, None).nodes.iter().filter(|n| n.role == Role::Down).count();
    assert_eq!(down(&run), 2);
    press(&mut run, Picked::Group(one), "Restart");
    assert_eq!(down(&run), 0);
}

#[test]
fn group_is_seen_on_the_stage_and_says_what_it_could_decide() {
    let run = led(5);
    let leader = see(&run, None).leader().expect("led").id;
    let inside = |group| {
        let picked = Some(Picked::Group(group));
        let inside = look::inside::inside(&run, &View { picked, ..VIEW }).expect("picked");
        inside.facts.into_iter().map(|fact| fact.value).collect::<Vec<String>>().join("; ")
    };
    let all = (1..=5).map(NodeId);
    let two = Group::of(all.filter(|id| *id != leader).take(2));
    assert_eq!(inside(two), format!("2 of 5: no majority; node {leader}, on the other side"));
    let three = two.turned(leader);
    assert!(inside(three).starts_with("3 of 5: a majority"), "{}", inside(three));
    let selected = |group| {
        let scene = see(&run, Picked::Group(group));
        Group::of(scene.nodes.iter().filter(|node| node.selected).map(|node| node.id))
    };
    assert_eq!(selected(three), three);
}

#[test]
fn all_links_lose_and_delay_more_with_each_press_and_then_nothing() {
    let named = |run: &Run, name: &str| {
        let scene = see(run, None);
        let mut items = scene.tries.items.iter();
        let item = items.find(|item| item.words.starts_with(name)).expect(name).clone();
        (item.words, item.key, item.on)
    };
    for (name, words) in [
        ("Loss", ["Loss 10 %", "Loss 30 %", "Loss 60 %", "Loss"]),
        ("Delay", ["Delay 180 ms", "Delay 720 ms", "Delay 1620 ms", "Delay"]),
    ] {
        let mut run = led(3);
        for (press, expected) in words.into_iter().enumerate() {
            let (_, key, _) = named(&run, name);
            let Some(Action::Do(commands)) = Action::of_key(key, &see(&run, None)) else {
                panic!("{key} does nothing")
            };
            commands.into_iter().for_each(|command| run.act(command));
            let (words, _, on) = named(&run, name);
            let scene = see(&run, None);
            assert_eq!((&*words, on, scene.is_damaged()), (expected, press < 3, press < 3));
            let drawn = stage::svg_string(&scene);
            assert_eq!(drawn.contains("all links"), press < 3, "{expected}");
            if press == 1 {
                let mut repaired = run.fork();
                self::press(&mut repaired, None, "Repair all");
                assert_eq!(see(&repaired, None).everywhere, Trouble::default());
            }
        }
    }
}

#[test]
fn message_is_dropped_held_released_delayed_doubled_and_delivered() {
    let mut run = led(3);
    let id = until(&mut run, |scene| scene.messages.iter().any(|m| m.can_double && !m.lost))
        .messages
        .iter()
        .find(|message| message.can_double)
        .expect("between nodes")
        .id;
    let picked = Picked::Message(id);
    let message =
        |run: &Run| see(run, picked).messages.iter().find(|message| message.id == id).cloned();
    let at = message(&run).expect("under way").at;

    let mut dropped = run.fork();
    press(&mut dropped, picked, "Drop");
    let lost = message(&dropped).expect("it falls where it is");
    assert!(
        lost.lost && lost.at.distance(at) < 1.0 && !item(&see(&dropped, picked), "Drop").enabled
    );

    // Also one that has only just been sent.
    let mut at_once = led(3);
    let known: Vec<u64> = see(&at_once, None).messages.iter().map(|message| message.id).collect();
    let fresh =
        |scene: &Scene| scene.messages.iter().find(|message| !known.contains(&message.id)).cloned();
    let fresh = fresh(&until(&mut at_once, |scene| fresh(scene).is_some())).expect("just sent");
    press(&mut at_once, Picked::Message(fresh.id), "Drop");
    assert!(
        see(&at_once, None).messages.iter().any(|message| message.id == fresh.id && message.lost)
    );

    let mut held = run.fork();
    press(&mut held, picked, "Hold");
    held.advance(held.sim().now() + Duration::from_secs(1), u64::MAX, None);
    let waits = message(&held).expect("it stays");
    assert!(waits.held && waits.at.distance(at) < 1.0 && see(&held, None).is_damaged());
    press(&mut held, picked, "Hold");
    assert!(message(&held).is_some_and(|goes_on| !goes_on.held && goes_on.at.distance(at) < 1.0));

    let mut delayed = run.fork();
    press(&mut delayed, picked, "Delay");
    assert!(message(&delayed).is_some_and(|late| late.late && late.at.distance(at) < 1.0));

    let mut doubled = run.fork();
    let before = see(&doubled, None).messages.len();
    press(&mut doubled, picked, "Duplicate");
    assert_eq!(see(&doubled, None).messages.len(), before + 1);

    let mut delivered = run.fork();
    let now = delivered.sim().now();
    press(&mut delivered, picked, "Deliver now");
    assert_eq!((message(&delivered), delivered.sim().now()), (None, now));
}

#[test]
fn keys_go_through_messages_and_links_and_the_key_of_one_works_on_it() {
    let mut run = led(3);
    until(&mut run, |scene| scene.messages.len() > 1);
    let scene = see(&run, None);
    let Some(Action::Pick(first)) = Action::of_key("m", &scene) else {
        panic!("messages are under way")
    };
    let Some(Action::Pick(second)) = Action::of_key("m", &see(&run, first)) else {
        panic!("there is another")
    };
    assert_ne!(first, second);
    let Picked::Message(id) = second else { panic!("{second:?}") };
    let dropped = Action::of_key("d", &see(&run, second));
    assert_eq!(dropped, read_commands(&format!("drop-{id}")).map(Action::Do));
    let Some(Action::Pick(link)) = Action::of_key("c", &scene) else { panic!("there are links") };
    assert_eq!(link, Picked::Link(NodeId(1), NodeId(2)));
    assert_eq!(
        Action::of_key("x", &see(&run, link)),
        read_commands("cut-1-2~cut-2-1").map(Action::Do)
    );
}

#[test]
fn what_a_menu_does_is_in_the_link() {
    let mut run = led(5);
    until(&mut run, |scene| !scene.messages.is_empty());
    let message = see(&run, None).messages[0].id;
    for picked in
        [Picked::Node(NodeId(1)), Picked::Link(NodeId(1), NodeId(2)), Picked::Message(message)]
    {
        let scene = see(&run, picked);
        assert!(scene.menu.items.len() >= 5, "{picked:?}");
        let items = scene.menu.items.iter().chain(&scene.tries.items);
        for item in items.filter(|item| item.enabled && !item.act.starts_with("group:")) {
            assert_eq!(
                read_commands(&print_commands(&item.commands)),
                Some(item.commands.clone()),
                "{item:?}"
            );
            assert!(!item.words.is_empty() && item.means.len() < 90, "{item:?}");
        }
        let mut keys: Vec<&str> =
            scene.menu.items.iter().map(|item| item.key).filter(|key| !key.is_empty()).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), scene.menu.items.iter().filter(|item| !item.key.is_empty()).count());
    }
}

#[test]
fn request_is_followed_from_the_asking_to_the_answer() {
    let mut run = led(3);
    press_write(&mut run);
    let mut stages: Vec<String> = Vec::new();
    while see(&run, None).requests.first().is_none_or(|request| request.done.is_none()) {
        if let Some(request) = see(&run, None).requests.first() {
            let stage: String =
                request.answer.chars().filter(|letter| !letter.is_ascii_digit()).collect();
            if stages.last() != Some(&stage) {
                stages.push(stage);
            }
        }
        run.step();
    }
    assert_eq!(
        stages,
        [
            "waits for node ",
            "entry  is only in memory",
            "entry  is on  disk",
            "entry  is on  disks",
            "entry  is committed, the answer comes"
        ]
    );
}

#[test]
fn inside_of_a_node_has_its_store_and_the_newest_write_of_each_client() {
    let mut run = led(3);
    press_write(&mut run);
    let scene =
        until(&mut run, |scene| scene.requests.iter().any(|request| request.done.is_some()));
    let picked = Some(Picked::Node(scene.leader().expect("led").id));
    let inside = look::inside::inside(&run, &View { picked, ..VIEW }).expect("it is there");
    let fact = |name| inside.facts.iter().find(|fact| fact.name == name).expect(name).value.clone();
    assert_eq!(fact("store"), "x = 1");
    assert_eq!(fact("session"), "client 1: write 1 is done, as entry 2");
}

fn press_write(run: &mut Run) {
    let commands = read_commands("set-x-1").expect("a write");
    commands.into_iter().for_each(|command| run.act(command));
}
