//! Runs a script: see [`crate`] for the language.

use crate::args::{Args, duration, parse};
use crate::cluster::Cluster;
use crate::show;
use raft_core::config::{Limits, Timing};
use raft_core::id::{Index, NodeId, Term, WriteSeq};
use raft_core::raft::HardState;
use raft_core::raft::message::{Entry, Payload};
use raft_core::replica::{Envelope, Input, Replica};
use raft_core::time::ClusterTime;
use raft_core::wal::Write;
use std::fmt::Write as _;

/// Runs the commands of `script` and returns it with the output as it came this time.
pub(crate) fn run(script: &str) -> Result<String, String> {
    let mut cluster = Cluster::new(0, true, Timing::default(), Limits::default());
    let mut out = String::new();
    for (number, line) in (1..).zip(script.lines()) {
        if line.starts_with(' ') {
            continue; // The output of last time.
        }
        writeln!(out, "{line}").expect("a string takes it");
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (quietly, commands) = match line.strip_prefix("quietly ") {
            Some(commands) => (true, commands),
            None => (false, line),
        };
        for together in commands.split("; ") {
            execute(&mut cluster, together).map_err(|error| format!("line {number}: {error}"))?;
        }
        for said in cluster.take_trace() {
            if !quietly {
                writeln!(out, "    {said}").expect("a string takes it");
            }
        }
    }
    Ok(out)
}

/// Commands joined by `&` reach their nodes before any of these acts on them.
fn execute(cluster: &mut Cluster, together: &str) -> Result<(), String> {
    for command in together.split(" & ") {
        let mut args = Args::new(command);
        let name = args.word("a command")?;
        match name {
            "cluster" | "node" => prepare(cluster, name, &mut args)?,
            "deliver" | "drop" | "hold" | "release" | "duplicate" | "messages" | "stabilize"
            | "partition" | "heal" => network(cluster, name, &mut args)?,
            "disk" | "sync" | "crash" | "restart" | "join" | "wipe" | "damage" | "copy"
            | "back" => machine(cluster, name, &mut args)?,
            "time" | "timeout" | "heartbeat" | "wake" => clock(cluster, name, &mut args)?,
            "set" | "delete" | "get" | "list" | "add" | "promote" | "remove" | "replace"
            | "transfer" => {
                let id = args.node()?;
                cluster.ask(id, args.request(name)?)?;
            }
            "status" | "logs" | "log" | "store" | "members" | "lives" => {
                look(cluster, name, &args.nodes()?);
            }
            other => return Err(format!("there is no command {other}")),
        }
        args.end()?;
    }
    cluster.settle()
}

/// Commands at the beginning of a story.
fn prepare(cluster: &mut Cluster, name: &str, args: &mut Args<'_>) -> Result<(), String> {
    if name == "node" {
        let id = args.node()?;
        return cluster.begin_with(id, &on_disk(args)?);
    }
    let (size, leader) = (args.named("nodes")?.unwrap_or(3), args.named("leader")?);
    let mut timing = Timing::default();
    if let Some(timeout) = args.text("request_timeout") {
        timing.request_timeout = duration(timeout)?;
    }
    timing.lease_drift_percent = args.named("lease")?;
    let knows_lives = !args.flag("strangers");
    *cluster = Cluster::new(size, knows_lives, timing, args.limits()?);
    if let Some(leader) = leader {
        for step in ["timeout", "heartbeat"] {
            execute(cluster, &format!("{step} {leader}"))?;
            cluster.stabilize()?;
        }
        let term = cluster.replica(NodeId(leader))?.raft().term();
        cluster.take_trace();
        cluster.say(format!("n{leader} leads term {term}"));
    }
    Ok(())
}

/// What a node has on its disk at the beginning of a story.
fn on_disk(args: &mut Args<'_>) -> Result<Write, String> {
    let terms: Vec<u64> = match args.text("log") {
        Some(log) => log.split(',').map(parse).collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    let term = args.named("term")?.or(terms.last().copied()).unwrap_or_default();
    let vote = args.named("vote")?.map(NodeId);
    let entry = |term| Entry { term: Term(term), time: ClusterTime(0), payload: Payload::Noop };
    Ok(Write {
        seq: WriteSeq(1),
        hard_state: Some(HardState { term: Term(term), vote }),
        first: Index(1),
        entries: terms.into_iter().map(entry).collect(),
        ..Write::default()
    })
}

/// Commands to the network.
fn network(cluster: &mut Cluster, name: &str, args: &mut Args<'_>) -> Result<(), String> {
    match name {
        "deliver" => {
            let chosen = args.take(&mut cluster.in_flight)?;
            cluster.deliver(chosen)?;
        }
        "drop" => drop(args.take(&mut cluster.in_flight)?),
        "hold" => {
            let chosen = args.take(&mut cluster.in_flight)?;
            cluster.held.extend(chosen);
        }
        "release" => {
            let chosen = args.take(&mut cluster.held)?;
            cluster.in_flight.extend(chosen);
        }
        "duplicate" => {
            let chosen = args.take(&mut cluster.in_flight)?;
            cluster.in_flight.extend(chosen.iter().cloned().chain(chosen.clone()));
        }
        "stabilize" => cluster.stabilize()?,
        "partition" => {
            let sides = args.sides()?;
            for (place, side) in sides.iter().enumerate() {
                let others = sides.iter().enumerate().filter(|(other, _)| *other != place);
                for to in others.flat_map(|(_, other)| other) {
                    cluster.cut.extend(side.iter().map(|from| (*from, *to)));
                }
            }
        }
        "heal" => cluster.cut.clear(),
        _ => {
            for Envelope { from, to, body, .. } in cluster.in_flight.clone() {
                cluster.say(format!("n{from} -> n{to}: {}", show::body(&body)));
            }
        }
    }
    Ok(())
}

/// Commands to the machine under a node.
fn machine(cluster: &mut Cluster, name: &str, args: &mut Args<'_>) -> Result<(), String> {
    let id = args.node()?;
    match name {
        "disk" => {
            cluster.node(id)?.manual = match args.word("manual or auto")? {
                "manual" => true,
                "auto" => false,
                "full" => return cluster.step(id, Input::DiskFull(true)),
                "free" => return cluster.step(id, Input::DiskFull(false)),
                other => {
                    return Err(format!("a disk is manual, auto, full or free, not {other}"));
                }
            };
            Ok(())
        }
        "sync" => {
            let unreported = args.flag("unreported");
            cluster.sync(id, args.named("n")?.unwrap_or(usize::MAX), !unreported)
        }
        "crash" => cluster.crash(id),
        "join" => {
            cluster.join(id);
            Ok(())
        }
        "wipe" | "damage" => cluster.wipe(id, name == "damage"),
        "copy" | "back" => cluster.copy(id, name == "back"),
        _ => cluster.restart(id),
    }
}

/// Commands to the clock.
fn clock(cluster: &mut Cluster, name: &str, args: &mut Args<'_>) -> Result<(), String> {
    if name == "time" {
        cluster.now = cluster.now + duration(args.word("a duration")?)?;
        return Ok(());
    }
    let id = args.node()?;
    let raft = cluster.replica(id)?.raft();
    let due = match (name, raft.election_due()) {
        ("timeout", Some(due)) => due,
        ("timeout", None) => return Err(format!("node {id} leads; its clock is the heartbeat")),
        ("heartbeat", None) => raft.deadline(),
        ("heartbeat", Some(_)) => return Err(format!("node {id} does not lead")),
        _ => cluster.now,
    };
    cluster.now = cluster.now.max(due);
    cluster.step(id, Input::Wake)
}

/// Looks at the named nodes, or at all: a line or more for each.
fn look(cluster: &mut Cluster, name: &str, named: &[NodeId]) {
    let lines_of = |replica: &Replica| match name {
        "status" => vec![show::status(replica)],
        "logs" => vec![show::terms(replica)],
        "log" => show::entries(replica.raft().log()),
        "members" => vec![replica.raft().configuration().to_string()],
        "lives" => vec![show::lives(replica)],
        _ => vec![show::store(replica)],
    };
    let mut said = Vec::new();
    for (id, node) in &cluster.nodes {
        if named.is_empty() || named.contains(id) {
            let lines = node.up().map_or_else(|| vec!["down".to_owned()], lines_of);
            said.extend(lines.iter().map(|line| format!("n{id} {line}").trim_end().to_owned()));
        }
    }
    said.into_iter().for_each(|line| cluster.say(line));
}
