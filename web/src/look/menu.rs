//! What can be done with what is picked, and with the cluster as it is.

use crate::run::Run;
use crate::scene::group::Group;
use crate::scene::inside::Picked;
use crate::scene::menu::{Item, Menu};
use crate::scene::{Link, Message, Node, Role, Scene, Standing};
use crate::session::print_commands;
use raft_core::id::NodeId;
use raft_core::raft::membership::Goal;
use raft_core::vec_map::VecSet;
use raft_sim::options::PLAYGROUND_NODES_MAX;
use raft_sim::{Command, Fate};
use std::time::Duration;

/// A clock that is right, in millionths.
const TRUE_PPM: u32 = 1_000_000;

/// How much faster or slower a clock is set: enough to see it at once.
const CLOCK_TIMES: u32 = 4;

/// What all links lose, in percent, level by level: little, much, and more than gets through.
const LOSS_PERCENT: [u32; 3] = [10, 30, 60];

/// How much longer all messages take, in usual ways, level by level.
const DELAY_FLIGHTS: [u32; 3] = [1, 4, 9];

/// What a lossy link loses, in millionths.
const LOSS_PPM: u32 = 500_000;

/// What can be done with what is picked; nothing if it is not there any more.
pub(super) fn picked(run: &Run, scene: &Scene, picked: Option<Picked>) -> Menu {
    let flight = Duration::from_micros(super::usual_flight_us(run).max(10));
    match picked {
        Some(Picked::Node(id)) => {
            scene.node(id).map(|node| of_node(scene, node, flight)).unwrap_or_default()
        }
        Some(Picked::Group(group)) => of_group(scene, group),
        Some(Picked::Link(a, b)) => {
            let link = scene.links.iter().find(|link| link.pair == (a, b));
            link.map(|link| of_link(link, flight)).unwrap_or_default()
        }
        Some(Picked::Message(id)) => {
            let message = scene.messages.iter().find(|message| message.id == id);
            message.map(|message| of_message(message, flight)).unwrap_or_default()
        }
        Some(Picked::Entry(_)) | None => Menu::default(),
    }
}

/// What can be done with the cluster.
pub(super) fn tries(run: &Run, scene: &Scene) -> Menu {
    let leader = scene.leader().map(|leader| leader.id);
    let others = scene.nodes.len() > 1;
    let named = |act: &str, commands: Vec<Command>| Item {
        act: act.to_owned(),
        enabled: !commands.is_empty(),
        ..item(commands, "", "")
    };
    let of_leader = |act, command: fn(NodeId) -> Command| {
        named(
            act,
            leader.filter(|_| others || act == "crash-leader").map(command).into_iter().collect(),
        )
    };
    let splits = scene.nodes.len() > 2 && scene.sides.is_empty();
    let spare =
        run.sim().nodes().find(|node| !node.has_started() && node.id().0 <= PLAYGROUND_NODES_MAX);
    let add = spare.filter(|_| leader.is_some()).map(|node| node.id());
    let mut items = vec![
        Item {
            words: "Crash the leader".to_owned(),
            means: "It loses its power; the others elect another",
            key: "L",
            ..of_leader("crash-leader", Command::Crash)
        },
        Item {
            words: "Cut the leader off".to_owned(),
            means: "All its links are cut; the others elect another beside it",
            ..of_leader("cut-leader", |leader| Command::Split([leader].into()))
        },
        Item {
            words: "Split in two".to_owned(),
            means: "The leader stays on the smaller side",
            ..named(
                "split",
                if splits { vec![Command::Split(minority(scene))] } else { Vec::new() },
            )
        },
        Item {
            key: "G",
            enabled: others,
            act: format!("group:{}", Group::of(minority(scene))),
            ..item(
                Vec::new(),
                "Groups",
                "Pick several nodes: here, or with a loop drawn round them",
            )
        },
    ];
    items.extend(of_all_links(run));
    if let Some(node) = add {
        let commands = vec![Command::Restart(node), Command::Add { node, goal: Goal::Vote }];
        items.push(Item {
            words: format!("Add node {node}"),
            means: "A new node starts, fills up as a learner, and gets a vote",
            ..named("add-node", commands)
        });
    }
    items.push(Item {
        words: "Repair all".to_owned(),
        means: "Every link, disk and clock is well again, and every node runs",
        key: "H",
        ..named("repair", if scene.is_damaged() { repair(scene) } else { Vec::new() })
    });
    Menu { title: "Try".to_owned(), items }
}

/// Loss and delay of all links alike: each time the next level, and then none again.
fn of_all_links(run: &Run) -> [Item; 2] {
    let (later, loss_ppm) = run.sim().trouble_of_all();
    let flight = Duration::from_micros(super::usual_flight_us(run).max(10));
    let loss = LOSS_PERCENT.map(|percent| percent * 10_000).into_iter().find(|ppm| *ppm > loss_ppm);
    let delay = DELAY_FLIGHTS.map(|times| flight * times).into_iter().find(|delay| *delay > later);
    let words = |name: &str, now: u64, unit: &str| match now {
        0 => name.to_owned(),
        now => format!("{name} {now} {unit}"),
    };
    let loss_words = words("Loss", u64::from(loss_ppm.div_ceil(10_000)), "%");
    let delay_words = words("Delay", later.as_millis() as u64, "ms");
    let lose = item(
        vec![Command::Lose(loss)],
        &loss_words,
        "All links lose messages: more each time, then none",
    );
    let slow = item(
        vec![Command::Slow(delay.unwrap_or_default())],
        &delay_words,
        "All messages take longer: more each time, then as usual",
    );
    [Item { key: "O", on: loss_ppm > 0, ..lose }, Item { key: "Y", on: !later.is_zero(), ..slow }]
}

fn item(commands: Vec<Command>, words: &str, means: &'static str) -> Item {
    Item {
        act: format!("do:{}", print_commands(&commands)),
        commands,
        words: words.to_owned(),
        means,
        key: "",
        on: false,
        enabled: true,
    }
}

/// Something that is so or not, and the command for each.
fn switch(on: bool, [to_on, to_off]: [Command; 2], words: &str, means: &'static str) -> Item {
    Item { on, ..item(vec![if on { to_off } else { to_on }], words, means) }
}

fn of_node(scene: &Scene, node: &Node, flight: Duration) -> Menu {
    let (id, up) = (node.id, node.role != Role::Down);
    let mut items = Vec::new();
    if !up {
        let means = "It starts from its disk and catches up";
        items.push(Item { key: "K", ..item(vec![Command::Restart(id)], "Restart", means) });
    } else {
        let means = "It loses its power: memory goes, what is on its disk stays";
        items.push(Item { key: "K", ..item(vec![Command::Crash(id)], "Crash", means) });
        let means = "It stands still, as in a long pause: messages pile up, time goes on";
        let freeze = [Command::Pause(id), Command::Resume(id)];
        items.push(Item { key: "Z", ..switch(node.machine.frozen, freeze, "Freeze", means) });
    }
    items.push(cut_off(scene, Group::of([id])));
    items.push(Item {
        key: "G",
        act: format!("group:{id}"),
        enabled: scene.nodes.len() > 1,
        ..item(Vec::new(), "Group", "Pick others with it")
    });
    if up {
        items.extend(while_up(scene, node, flight));
    }
    let means =
        "Its disk is emptied: it comes back as a new life, without a vote until it has refilled";
    items.push(item(vec![Command::Wipe(id)], "Wipe disk", means));
    items.extend(of_member(scene, node));
    Menu { title: format!("Node {id}"), items }
}

/// Nodes that are picked together: who is one of them, and what can be done with all of them at once.
fn of_group(scene: &Scene, group: Group) -> Menu {
    let member = |node: &Node| Item {
        act: format!("group:{}", group.turned(node.id)),
        on: group.has(node.id),
        ..item(Vec::new(), &format!("{}", node.id), "One of them, or not")
    };
    let mut items: Vec<Item> = scene.nodes.iter().map(member).collect();
    items.push(cut_off(scene, group));
    let all = |of: fn(NodeId) -> Command, are_up: bool| -> Vec<Command> {
        let nodes = scene.nodes.iter().filter(|node| group.has(node.id));
        nodes.filter(|node| (node.role != Role::Down) == are_up).map(|node| of(node.id)).collect()
    };
    let crash = match all(Command::Crash, true) {
        none if none.is_empty() => {
            item(all(Command::Restart, false), "Restart", "They start from their disks")
        }
        crash => item(crash, "Crash", "They lose their power; what is on their disks stays"),
    };
    items.push(Item { key: "K", enabled: !crash.commands.is_empty(), ..crash });
    Menu { title: "Group".to_owned(), items }
}

/// All links between these nodes and the others, to be cut or to be healed.
fn cut_off(scene: &Scene, group: Group) -> Item {
    let border = || {
        let links = scene.links.iter();
        links.filter(|link| group.has(link.pair.0) != group.has(link.pair.1))
    };
    let enabled = border().next().is_some();
    let on = enabled && border().all(|link| link.cut_there && link.cut_back);
    let commands = match on {
        true => {
            border().flat_map(|Link { pair: (a, b), .. }| [heal(*a, *b), heal(*b, *a)]).collect()
        }
        false => vec![Command::Split(group.nodes().collect())],
    };
    let means = "All links to the others are cut, both ways";
    Item { key: "X", on, enabled, ..item(commands, "Cut off", means) }
}

fn while_up(scene: &Scene, node: &Node, flight: Duration) -> Vec<Item> {
    let (id, machine) = (node.id, &node.machine);
    let votes = node.standing == Standing::Voter;
    let leads = node.role == Role::Leader;
    let fire =
        item(vec![Command::FireTimer(id)], "Fire timer", "Its election timeout ends now (§5.2)");
    let hand_over = item(
        vec![Command::Transfer(Some(id))],
        "Make leader",
        "The leader brings it up to date and hands over (thesis §3.10)",
    );
    let sync = Some(flight * 8);
    let slow = [Command::SlowDisk { node: id, sync }, Command::SlowDisk { node: id, sync: None }];
    let full = [true, false].map(|is_full| Command::FullDisk { node: id, is_full });
    let clock =
        |rate_ppm| [rate_ppm, TRUE_PPM].map(|rate_ppm| Command::SetClock { node: id, rate_ppm });
    let rate = machine.clock_ppm;
    vec![
        Item { key: "T", enabled: votes && !leads, ..fire },
        Item { enabled: votes && !leads && scene.leader().is_some(), ..hand_over },
        switch(
            machine.slow_disk,
            slow,
            "Slow disk",
            "Every sync takes eight times as long as a message",
        ),
        switch(
            machine.full_disk,
            full,
            "Full disk",
            "It has no room for more commands, and refuses them",
        ),
        switch(
            rate > u64::from(TRUE_PPM),
            clock(TRUE_PPM * CLOCK_TIMES),
            "Fast clock",
            "Its clock runs four times as fast, and its patience ends early",
        ),
        switch(
            rate < u64::from(TRUE_PPM),
            clock(TRUE_PPM / CLOCK_TIMES),
            "Slow clock",
            "Its clock runs at a quarter of the speed, and its patience lasts",
        ),
        item(
            vec![Command::Snapshot(id)],
            "Snapshot",
            "It keeps its state in place of the log so far (§7)",
        ),
    ]
}

/// Changes of the members that a node is about.
fn of_member(scene: &Scene, node: &Node) -> Vec<Item> {
    let (id, leads) = (node.id, scene.leader().is_some());
    let asked =
        |command, words, means| Item { enabled: leads, ..item(vec![command], words, means) };
    let remove = |means| asked(Command::Remove(id), "Remove", means);
    match node.standing {
        Standing::Voter if scene.nodes.len() > 1 => {
            vec![remove("The leader takes it out of the cluster (§6)")]
        }
        Standing::Voter => Vec::new(),
        Standing::Learner => vec![
            asked(
                Command::Promote(id),
                "Promote",
                "It gets a vote, if it has caught up (thesis §4.2.1)",
            ),
            remove("The leader takes it out of the cluster (§6)"),
        ],
        Standing::Outside => vec![asked(
            Command::Add { node: id, goal: Goal::Vote },
            "Add",
            "It becomes a learner, and a voter once it has caught up (thesis §4.2.1)",
        )],
    }
}

fn of_link(link: &Link, flight: Duration) -> Menu {
    let (a, b) = link.pair;
    let cut = link.cut_there || link.cut_back;
    let both = |command: fn(NodeId, NodeId) -> Command| vec![command(a, b), command(b, a)];
    let all = both(if cut { heal } else { self::cut });
    let means = "Nothing gets through, either way";
    let mut items = vec![Item { key: "X", on: cut, ..item(all, "Cut", means) }];
    let ways = [(a, b, link.cut_there, link.there), (b, a, link.cut_back, link.back)];
    for (from, to, cut, _) in ways {
        let commands = [self::cut(from, to), heal(from, to)];
        items.push(switch(
            cut,
            commands,
            &format!("Cut {from}→{to}"),
            "Nothing gets through this way",
        ));
    }
    for (from, to, _, trouble) in ways {
        let slow = [flight * 4, Duration::ZERO].map(|by| Command::SlowLink { from, to, by });
        let means = "Messages take five times as long this way";
        items.push(switch(trouble.later_ms > 0, slow, &format!("Slow {from}→{to}"), means));
    }
    for (from, to, _, trouble) in ways {
        let lossy = [LOSS_PPM, 0].map(|ppm| Command::LossyLink { from, to, ppm });
        let means = "Half of the messages are lost this way";
        items.push(switch(trouble.loss_percent > 0, lossy, &format!("Lossy {from}→{to}"), means));
    }
    Menu { title: format!("Link {a}–{b}"), items }
}

fn of_message(message: &Message, flight: Duration) -> Menu {
    let id = message.id;
    let fate = |fate| Command::Message { id, fate };
    let hold = [fate(Fate::Hold), fate(Fate::Release)];
    let (drop, delay) = (vec![fate(Fate::Drop)], vec![fate(Fate::Delay(flight * 2))]);
    let double =
        item(vec![fate(Fate::Duplicate)], "Duplicate", "It arrives once more, a little later");
    let mut items = vec![
        Item { key: "D", ..item(drop, "Drop", "It does not arrive; nobody is told") },
        Item {
            key: "Z",
            ..switch(message.held, hold, "Hold", "It stays where it is until you let it go")
        },
        item(delay, "Delay", "It takes a round trip longer"),
        Item { key: "U", enabled: message.can_double, ..double },
        item(vec![fate(Fate::Deliver)], "Deliver now", "It arrives at this moment"),
    ];
    items.iter_mut().for_each(|item| item.enabled &= !message.lost);
    Menu { title: format!("Message {id}"), items }
}

fn heal(from: NodeId, to: NodeId) -> Command {
    Command::Heal { from, to }
}

fn cut(from: NodeId, to: NodeId) -> Command {
    Command::Cut { from, to }
}

/// The most nodes that are not a majority, the leader among them: the split from which most is learnt.
fn minority(scene: &Scene) -> VecSet<NodeId> {
    let ids: Vec<NodeId> = scene.nodes.iter().map(|node| node.id).collect();
    let leader = scene.leader().map(|leader| leader.id);
    let first = ids.iter().position(|id| Some(*id) == leader).unwrap_or_default();
    let size = ids.len().saturating_sub(1) / 2;
    ids.iter().cycle().skip(first).take(size).copied().collect()
}

/// Everything that makes what is broken whole.
fn repair(scene: &Scene) -> Vec<Command> {
    let mut commands = vec![Command::HealAll, Command::ResumeAll, Command::RestartAll];
    if scene.everywhere.loss_percent > 0 {
        commands.push(Command::Lose(None));
    }
    for node in &scene.nodes {
        let (id, machine) = (node.id, &node.machine);
        if machine.slow_disk {
            commands.push(Command::SlowDisk { node: id, sync: None });
        }
        if machine.full_disk {
            commands.push(Command::FullDisk { node: id, is_full: false });
        }
        if machine.clock_ppm != u64::from(TRUE_PPM) {
            commands.push(Command::SetClock { node: id, rate_ppm: TRUE_PPM });
        }
    }
    let held = scene.messages.iter().filter(|message| message.held);
    commands.extend(held.map(|message| Command::Message { id: message.id, fate: Fate::Release }));
    commands
}
