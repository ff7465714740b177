//! Looking inside what is picked.

use super::{View, message, says};
use crate::record::Spell;
use crate::run::Run;
use crate::scene::group::Group;
use crate::scene::inside::{Fact, Inside, Near, Picked};
use crate::scene::{Happening, Turn};
use raft_core::id::{Index, NodeId};
use raft_core::raft::progress::Mode;
use raft_core::raft::{self, Raft};
use raft_core::replica::Replica;
use raft_core::text;
use raft_core::time::Instant;
use raft_core::wal::Durable;
use raft_sim::{Flight, Node, Place};
use std::rc::Rc;

/// The most reasons shown.
const WHY_MAX: usize = 8;

/// The most messages near a node shown.
const NEAR_MAX: usize = 16;

/// The most sessions of a store shown.
const SESSIONS_MAX: usize = 4;

/// The most keys of a store shown.
const KEYS_MAX: usize = 12;

/// What is picked, from inside; `None` if it is not there at this moment.
pub fn inside(run: &Run, view: &View) -> Option<Inside> {
    match view.picked? {
        Picked::Node(id) => node(run, run.sim().nodes().find(|node| node.id() == id)?),
        Picked::Group(group) => Some(self::group(run, group)),
        Picked::Link(a, b) => link(run, a, b),
        Picked::Entry(index) => Some(entry(run, index)),
        Picked::Message(id) => message(run, id),
    }
}

fn fact(name: &'static str, value: impl ToString) -> Fact {
    Fact { name, value: value.to_string(), since: None }
}

fn since(fact: Fact, since: Option<(u64, Instant)>) -> Fact {
    Fact { since, ..fact }
}

fn node(run: &Run, node: &Node) -> Option<Inside> {
    let id = node.id();
    let mine = |happening: &&Rc<Happening>| happening.node == Some(id);
    let told = || run.record().happenings_before(run.steps()).filter(mine);
    let last = |turn: Turn| told().find(|told| told.turn == turn).map(|told| (told.step, told.at));
    let role = spell(run, id).map(|spell| (spell.step, spell.from));
    let mut facts = match (node.replica(), run.on_disk(id)) {
        (Some(replica), _) => up(run, node, replica),
        (None, Some(disk)) => down(disk),
        (None, None) => vec![fact("role", "down")],
    };
    for fact in &mut facts {
        fact.since = match fact.name {
            "role" => role,
            "voted for" if fact.value == format!("node {id}") => role,
            "voted for" if fact.value != "nobody" => last(Turn::Voted),
            "committed" => last(Turn::Committed),
            "members" => last(Turn::Members),
            _ => None,
        };
    }
    Some(Inside {
        title: format!("Node {id}"),
        facts,
        why: told().take(WHY_MAX).cloned().collect(),
        near: near(run, id),
    })
}

/// The links of a node, and the messages to it and from it.
fn near(run: &Run, id: NodeId) -> Vec<Near> {
    let sim = run.sim();
    let others = sim.nodes().filter(|node| node.has_started() && node.id() != id);
    let link = |node: &Node| {
        let (low, high) = (id.min(node.id()), id.max(node.id()));
        Near { act: format!("link:{low}-{high}"), words: format!("link {low}–{high}") }
    };
    let mine = |flight: &&Flight| flight.from == Place::Node(id) || flight.to == Place::Node(id);
    let message = |flight: &Flight| {
        let (kind, answer, _) = message::kind(sim, flight);
        let answer = if answer.is_some() { ", answered" } else { "" };
        let words = format!("{}{answer}, {} to {}", kind.word(), flight.from, flight.to);
        Near { act: format!("message:{}", flight.id), words: words.replace("node ", "") }
    };
    let messages = sim.flights().filter(mine).take(NEAR_MAX).map(message);
    others.map(link).chain(messages).collect()
}

fn spell(run: &Run, id: NodeId) -> Option<Spell> {
    let lane = run.record().lanes().iter().find(|lane| lane.node == id)?;
    let now = run.sim().now();
    lane.spells(now, now).filter(|spell| spell.step <= run.steps()).last().copied()
}

fn up(run: &Run, node: &Node, replica: &Replica) -> Vec<Fact> {
    let raft = replica.raft();
    let (log, name) = (raft.log(), super::role(raft).name());
    let frozen = if node.is_paused() { ", stands still" } else { "" };
    let sync = node.slow_sync().map(|sync| format!("; a sync takes {} ms", sync.as_millis()));
    let full = if node.disk_is_full() { "; it is full" } else { "" };
    let mut facts = vec![
        fact("role", format!("{name} in term {}{frozen}", raft.term())),
        fact("voted for", raft.vote().map_or("nobody".to_owned(), |vote| format!("node {vote}"))),
        fact(
            "leader",
            raft.leader().map_or("none known".to_owned(), |node| format!("node {node}")),
        ),
        fact("log", format!("entries {} to {}", log.base().index.next(), log.last().index)),
        fact(
            "on disk",
            format!(
                "up to entry {}{}{full}",
                log.durable().min(log.last().index),
                sync.unwrap_or_default()
            ),
        ),
        fact("committed", format!("up to entry {}", raft.commit_index())),
        fact("applied", format!("up to entry {}", replica.applied_index())),
    ];
    if log.last().index.0 == log.base().index.0 {
        facts[3].value = "empty".to_owned();
    }
    if log.base().index.0 > 0 {
        facts.push(fact("snapshot", format!("up to entry {}", raft.snapshot_last().index)));
    }
    match raft.role() {
        raft::Role::Leader(_) => facts.extend(followers(run, node, raft)),
        raft::Role::Candidate(candidate) => {
            let votes = candidate.votes.iter().map(|(voter, granted)| match granted {
                true => format!("node {voter} yes"),
                false => format!("node {voter} no"),
            });
            facts.push(fact("votes", votes.collect::<Vec<String>>().join(", ")));
        }
        raft::Role::Follower(_) => {}
    }
    facts.push(fact("members", raft.configuration()));
    facts.extend(store(replica));
    facts
}

/// The followers as their leader sees them (the thesis's `nextIndex` and `matchIndex`).
fn followers(run: &Run, node: &Node, raft: &Raft) -> Vec<Fact> {
    let raft::Role::Leader(leader) = raft.role() else { return Vec::new() };
    let now = node.time(run.sim().now());
    let follower = |(id, progress): &(NodeId, raft::progress::Progress)| {
        let sends = match progress.mode {
            Mode::Probe { .. } => "asks where the logs agree",
            Mode::Replicate => "sends as entries come",
            Mode::Snapshot { .. } => "sends a snapshot",
        };
        let heard = progress.heard_at.map_or_else(
            || "not heard".to_owned(),
            |at| format!("heard {} ms ago", now.0.saturating_sub(at.0) / 1_000),
        );
        let (has, next) = (progress.match_index, progress.next_index);
        fact("follower", format!("{id}: has {has}, next {next}; {sends}; {heard}"))
    };
    leader.followers.iter().map(follower).collect()
}

fn store(replica: &Replica) -> Vec<Fact> {
    let store = replica.store();
    let mut keys: Vec<String> = store
        .iter()
        .take(KEYS_MAX)
        .map(|item| {
            let value = item.value.as_deref().unwrap_or_default();
            format!("{} = {}", text::display(&item.key), text::display(value))
        })
        .collect();
    if store.len() > KEYS_MAX {
        keys.push(format!("and {} more", store.len() - KEYS_MAX));
    }
    if keys.is_empty() {
        keys.push("empty".to_owned());
    }
    let sessions = store.sessions().newest().take(SESSIONS_MAX);
    let sessions = sessions.map(|(client, number, at)| {
        fact("session", format!("client {:x}: write {number} is done, as entry {at}", client.0))
    });
    let mut facts = vec![fact("store", keys.join(", "))];
    facts.extend(sessions);
    if store.sessions().len() > SESSIONS_MAX {
        facts.push(fact("sessions", format!("{} in all", store.sessions().len())));
    }
    facts
}

fn down(disk: &Durable) -> Vec<Fact> {
    let base = disk.snapshot.as_ref().map_or(Index(0), |snapshot| snapshot.meta.last.index);
    let vote = disk.hard_state.vote.map_or("nobody".to_owned(), |vote| format!("node {vote}"));
    vec![
        fact("role", "down: what is not on its disk is gone"),
        fact("term on disk", disk.hard_state.term),
        fact("vote on disk", vote),
        fact(
            "log on disk",
            match disk.entries.len() as u64 {
                0 => "empty".to_owned(),
                entries => format!("entries {} to {}", base.next(), base.0 + entries),
            },
        ),
    ]
}

/// Several nodes: what they could decide among themselves.
fn group(run: &Run, group: Group) -> Inside {
    let members = super::configuration(run.sim());
    let voters = || members.into_iter().flat_map(|members| &members.voters).copied();
    let is_majority = members.is_some_and(|members| members.has_quorum(|id| group.has(id)));
    let nodes: Vec<String> = group.nodes().map(|id| id.to_string()).collect();
    let votes = format!(
        "{} of {}: {}",
        voters().filter(|id| group.has(*id)).count(),
        voters().count(),
        if is_majority { "a majority, so they can elect and commit" } else { "no majority" }
    );
    let leads = super::latest_leader(run.sim()).map(|replica| replica.raft().id());
    let leader = match leads {
        Some(id) if group.has(id) => format!("node {id}, one of them"),
        Some(id) => format!("node {id}, on the other side"),
        None => "none".to_owned(),
    };
    let near = |id: &String| Near { act: format!("open:{id}"), words: format!("node {id}") };
    Inside {
        title: format!("Nodes {}", nodes.join(", ")),
        facts: vec![fact("votes", votes), fact("leader", leader)],
        why: Vec::new(),
        near: nodes.iter().map(near).collect(),
    }
}

/// A link: what gets through, each way, and what is on it.
fn link(run: &Run, a: NodeId, b: NodeId) -> Option<Inside> {
    let sim = run.sim();
    let known = |id: NodeId| sim.nodes().any(|node| node.id() == id && node.has_started());
    if !known(a) || !known(b) {
        return None;
    }
    let way = |from: NodeId, to: NodeId| {
        let (by, loss_ppm) = sim.trouble(from, to);
        let mut words = match sim.is_cut(from, to) {
            true => "cut: nothing gets through".to_owned(),
            false => "carries messages".to_owned(),
        };
        if !by.is_zero() {
            words.push_str(&format!(", {} ms later than others", by.as_millis()));
        }
        if loss_ppm > 0 {
            words.push_str(&format!(", loses {} %", loss_ppm.div_ceil(10_000)));
        }
        let ends = (Place::Node(from), Place::Node(to));
        let on_it = sim.flights().filter(|flight| (flight.from, flight.to) == ends).count();
        format!("{words}; {on_it} under way")
    };
    let names = [format!("{a} to {b}"), format!("{b} to {a}")];
    let [there, back] = names.clone().map(|name| name.replace(" to ", "->"));
    let told = run.record().happenings_before(run.steps());
    let of_it = |happening: &&Rc<Happening>| {
        happening.turn == Turn::Fault
            && [&there, &back, "heal all", "split"]
                .iter()
                .any(|words| happening.says.contains(*words))
    };
    let why = told.filter(of_it).take(WHY_MAX).cloned().collect();
    let mut facts = vec![
        fact("there", format!("{}: {}", names[0], way(a, b))),
        fact("back", format!("{}: {}", names[1], way(b, a))),
    ];
    let (later, loss_ppm) = sim.trouble_of_all();
    if !later.is_zero() || loss_ppm > 0 {
        let (later_ms, percent) = (later.as_millis(), loss_ppm.div_ceil(10_000));
        facts.push(fact("all links", format!("{later_ms} ms later than usual, lose {percent} %")));
    }
    Some(Inside { title: format!("Link {a}–{b}"), facts, why, near: Vec::new() })
}

/// An index of the log: what the nodes have there. They may have different entries.
fn entry(run: &Run, index: Index) -> Inside {
    let mut facts: Vec<Fact> = Vec::new();
    let mut committed = Vec::new();
    for node in run.sim().nodes() {
        let Some(replica) = node.replica() else { continue };
        let log = replica.raft().log();
        let Some(entry) = log.entry(index) else { continue };
        let holds = format!("{} of term {}", says(entry), entry.term);
        let disk = if index <= log.durable() { "on disk" } else { "in memory" };
        let word = format!("{} {disk}", node.id());
        match facts.iter_mut().find(|fact| fact.value.starts_with(&holds)) {
            Some(fact) => fact.value.push_str(&format!(", {word}")),
            None => facts.push(fact("entry", format!("{holds}: node {word}"))),
        }
        if index <= replica.raft().commit_index() {
            committed.push(node.id().to_string());
        }
    }
    if facts.is_empty() {
        facts.push(fact("entry", "no node that is up holds it"));
    }
    let words = match &*committed {
        [] => "by none that is up".to_owned(),
        nodes => format!("node {}", nodes.join(", ")),
    };
    let told = || run.record().happenings_before(run.steps());
    let names = |happening: &&Rc<Happening>| {
        happening.says.contains(&format!("entry {index} "))
            || happening.says.ends_with(&format!("entry {index}"))
    };
    // The first commit that reaches it.
    let commit = told()
        .filter(|told| told.turn == Turn::Committed)
        .filter(|told| told.reaches >= Some(index));
    let first = commit.last().map(|told| (told.step, told.at));
    facts.push(since(fact("known committed", words), first));
    let why = told().filter(names).take(WHY_MAX).cloned().collect();
    Inside { title: format!("Entry {index}"), facts, why, near: Vec::new() }
}

fn message(run: &Run, id: u64) -> Option<Inside> {
    let sim = run.sim();
    let flight = sim.flights().find(|flight| flight.id == id)?;
    let (_, _, term) = message::kind(sim, flight);
    let ms = |from: Instant, to: Instant| format!("{} ms", to.0.saturating_sub(from.0) / 1_000);
    let mut facts = vec![
        fact("from", flight.from),
        fact("to", flight.to),
        fact("says", &flight.cargo),
        fact("sent", format!("{} ago", ms(flight.sent_at, sim.now()))),
        fact(
            "arrives",
            match flight.lost {
                true => "never: it will be lost".to_owned(),
                false if flight.held => "when it is let go".to_owned(),
                false => format!("in {}", ms(sim.now(), flight.arrives_at)),
            },
        ),
    ];
    if term.0 > 0 {
        facts.insert(2, fact("term", term));
    }
    let Place::Node(from) = flight.from else {
        return Some(Inside {
            title: format!("Message {id}"),
            facts,
            why: Vec::new(),
            near: Vec::new(),
        });
    };
    // What its sender did at that moment, and last before.
    let told = run.record().happenings_before(run.steps());
    let why = told.filter(|told| told.node == Some(from) && told.at <= flight.sent_at).take(3);
    Some(Inside {
        title: format!("Message {id}"),
        facts,
        why: why.cloned().collect(),
        near: Vec::new(),
    })
}
