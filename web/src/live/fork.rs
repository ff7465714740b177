//! From a cluster that is watched to a session of the simulator that begins as like it as one can.

use super::Live;
use crate::layout::NODES_MAX;
use crate::link::Link;
use crate::run::Run;
use crate::scene::{Role, Standing};
use crate::session::{Cluster, Session};
use raft_core::id::{Index, NodeId};
use raft_core::raft::{self, Raft};
use raft_core::replica::Replica;
use raft_sim::Command;
use std::time::Duration;

/// A session that begins as a cluster was.
#[derive(Clone, Debug)]
pub struct Fork {
    /// It, and the moment in it where the visitor goes on.
    pub link: Link,
    /// What it has of the cluster, and what not.
    pub says: String,
}

/// The latest term that is played up to: each takes a hand-over.
const TERM_MAX: u64 = 12;

/// The most entries that are written.
const ENTRIES_MAX: u64 = 8;

/// How long one thing may take in the simulation.
const PATIENCE: Duration = Duration::from_secs(60);

impl Live {
    /// A session with as many nodes, the same one leading in the same term, and the same ones down, as far as
    /// commands of a session can bring that about.
    pub fn fork(&self) -> Fork {
        let here = self.here();
        let voters = self.shown(here).into_iter();
        let voters = voters.filter(|id| self.standing(*id, here) == Standing::Voter);
        let voters: Vec<NodeId> = voters.take(NODES_MAX).collect();
        // The simulator numbers its nodes from 1.
        let numbered = |id: NodeId| {
            let place = voters.iter().position(|voter| *voter == id)?;
            Some(NodeId(place as u64 + 1))
        };
        let roles = voters.iter().map(|id| (*id, *self.nodes[id].spell_at(here)));
        let leader = roles.clone().filter(|(_, spell)| spell.role == Role::Leader);
        let leader = leader.max_by_key(|(_, spell)| spell.term);
        let down: Vec<NodeId> = roles
            .filter(|(_, spell)| spell.role == Role::Silent)
            .filter_map(|(id, _)| numbered(id))
            .collect();
        let mut run = Run::new(Session::new(1, Cluster::Playground(voters.len().max(1) as u64)));
        let mut has = Vec::new();
        if let Some((id, spell)) = leader
            && let Some(leads) = numbered(id)
        {
            let entries = self.best(here).map_or(0, |seen| seen.last.0);
            let term = lead(&mut run, leads, spell.term.0);
            let written = write(&mut run, entries);
            has.push(match term == spell.term.0 {
                true => format!("node {leads} leads term {term}"),
                false => format!("node {leads} leads, in term {term} and not {}", spell.term),
            });
            has.push(match entries > written {
                true => format!("{written} of {entries} entries are there, with other values"),
                false => format!("{written} entries are there, with other values"),
            });
        }
        if leader.is_none() {
            has.push("nobody leads, and terms begin anew".to_owned());
        }
        for node in &down {
            run.act(Command::Crash(*node));
            has.push(format!("node {node} is down"));
        }
        let names = match voters.iter().zip(1..).all(|(id, number)| id.0 == number) {
            true => String::new(),
            false => " Nodes are numbered anew from 1.".to_owned(),
        };
        let learners = match self.shown(here).len() - voters.len() {
            0 => "",
            _ => " Those without a vote are left out.",
        };
        let says = format!(
            "A simulation that begins as your cluster was: {} nodes{}{}. Keys and values are not copied: \
             nodes never show them.{names}{learners}",
            voters.len(),
            if has.is_empty() { "" } else { ", " },
            has.join(", ")
        );
        Fork { link: Link::to(&run, None, None), says }
    }
}

/// Lets a node lead a term, or as late a one as is worth the time. Returns the term.
fn lead(run: &mut Run, node: NodeId, term: u64) -> u64 {
    let nodes = run.sim().options().nodes;
    let other = NodeId(node.0 % nodes + 1);
    let terms = if nodes == 1 { 1 } else { term.clamp(1, TERM_MAX) };
    // Each hand-over is a term later: it goes to and fro with another node, and ends with this one.
    let mut leads = if terms % 2 == 1 { node } else { other };
    run.act(Command::FireTimer(leads));
    wait(run, leads);
    for _ in 1..terms {
        leads = if leads == node { other } else { node };
        run.act(Command::Transfer(Some(leads)));
        wait(run, leads);
    }
    leader(run).map_or(0, |raft| raft.term().0)
}

/// Writes until the log is so long, or has a few entries. Returns how long it is.
fn write(run: &mut Run, entries: u64) -> u64 {
    let last = |run: &Run| leader(run).map_or(Index(0), |raft| raft.log().last().index).0;
    for number in 1..=entries.saturating_sub(last(run)).min(ENTRIES_MAX) {
        let value = number.to_string().into();
        run.act(Command::Write { key: "entry".into(), value });
        let Some(leads) = leader(run).map(Raft::id) else { break };
        let asked = last(run);
        play(run, |run| last(run) > asked);
        wait(run, leads);
    }
    last(run)
}

/// Waits until a node leads, and all have all of its log.
fn wait(run: &mut Run, leads: NodeId) {
    play(run, |run| {
        let Some(raft) = leader(run).filter(|raft| raft.id() == leads) else { return false };
        let last = raft.log().last();
        let replicas = run.sim().nodes().filter_map(raft_sim::Node::replica);
        replicas
            .map(Replica::raft)
            .all(|raft| raft.log().last() == last && raft.commit_index() == last.index)
    });
}

fn play(run: &mut Run, is_there: impl Fn(&Run) -> bool) {
    let end = run.sim().now() + PATIENCE;
    while !is_there(run) && run.sim().now() < end && run.step() {}
}

/// The leader of the latest term.
fn leader(run: &Run) -> Option<&Raft> {
    let rafts = run.sim().nodes().filter_map(raft_sim::Node::replica).map(Replica::raft);
    let leaders = rafts.filter(|raft| matches!(raft.role(), raft::Role::Leader(_)));
    leaders.max_by_key(|raft| raft.term())
}
