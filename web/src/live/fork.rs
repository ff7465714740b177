//! From a cluster that is watched to a session of the simulator that begins as like it as one can.

use super::Live;
use crate::layout::NODES_MAX;
use crate::link::Link;
use crate::run::Run;
use crate::scene::{Role, Standing};
use crate::session::{Cluster, Session};
use raft_core::id::NodeId;
use raft_core::raft::event::RoleName;
use raft_core::raft::membership::Goal;
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
const TERM_MAX: u64 = 32;

/// The most entries that are written, and so the most that a node can be behind.
const ENTRIES_MAX: u64 = 12;

/// How long one thing may take in the simulation.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster as it is to be, its nodes numbered from 1: the voters first.
struct Plan {
    voters: u64,
    /// Who leads, or led last.
    leader: NodeId,
    leads: bool,
    term: u64,
    entries: u64,
    nodes: Vec<Sketch>,
}

/// What is known of a node.
struct Sketch {
    id: NodeId,
    is_up: bool,
    /// Entries of the leader that it has not.
    behind: u64,
}

impl Live {
    /// A session with the same members, the same one leading in the same term, the same ones down, and the same
    /// ones behind, as far as commands of a session can bring that about.
    pub fn fork(&self) -> Fork {
        let (here, shown) = (self.here(), self.shown(self.here()));
        let are = |standing| shown.iter().filter(move |id| self.standing(**id, here) == standing);
        // The simulator founds a cluster with the nodes from 1 on, and adds the others.
        let ids = are(Standing::Voter).chain(are(Standing::Learner)).take(NODES_MAX).copied();
        let ids: Vec<NodeId> = ids.collect();
        let mut run = Run::new(Session::new(1, Cluster::Playground(ids.len().max(1) as u64)));
        let mut has = Vec::new();
        if let Some(plan) = self.plan(&ids, are(Standing::Voter).count()) {
            run = Run::new(Session::new(1, Cluster::Playground(plan.voters)));
            has = plan.build(&mut run);
        }
        let is_numbered = ids.iter().zip(1..).all(|(id, number)| id.0 == number);
        let says = format!(
            "A simulation that begins as your cluster was: {}. Keys and values are not copied: nodes never show \
             them, nor what is on its way, nor how long each will wait.{}{}",
            has.join(", "),
            if is_numbered { "" } else { " Nodes are numbered anew from 1." },
            if ids.len() < shown.len() { " Who is not a member is left out." } else { "" },
        );
        Fork { link: Link::to(&run, None, None), says }
    }

    /// What is known at the moment that is looked at of these nodes, the first of which vote.
    fn plan(&self, ids: &[NodeId], voters: usize) -> Option<Plan> {
        let here = self.here();
        let role = |id: NodeId| self.nodes[&id].spell_at(here).role;
        let seen = |id: NodeId| self.nodes[&id].at(here);
        let voters = ids.get(..voters.min(ids.len()))?;
        let knows = |id: NodeId| {
            (
                role(id) == Role::Leader,
                seen(id).map(|seen| (seen.term, seen.role == RoleName::Leader, seen.last)),
            )
        };
        let leader = voters.iter().copied().max_by_key(|id| knows(*id))?;
        let best = seen(leader);
        let last = best.map_or(0, |seen| seen.last.0);
        // By its own word and its leader's: each may be the older one.
        let has = |id: NodeId| {
            let followers = best.map_or(&[][..], |seen| &seen.followers).iter();
            let told = followers.filter(|follower| follower.node == id).map(|f| f.match_index.0);
            told.chain(seen(id).map(|seen| seen.last.0)).max()
        };
        let sketch = |(id, number): (&NodeId, u64)| Sketch {
            id: NodeId(number),
            is_up: role(*id) != Role::Silent,
            behind: last - has(*id).unwrap_or(last).min(last),
        };
        let place = ids.iter().position(|id| *id == leader)?;
        Some(Plan {
            voters: voters.len() as u64,
            leader: NodeId(place as u64 + 1),
            leads: role(leader) == Role::Leader,
            term: best.map_or(1, |seen| seen.term.0),
            entries: last,
            nodes: ids.iter().zip(1..).map(sketch).collect(),
        })
    }
}

impl Plan {
    /// Brings it about. Returns what has come of it, in words.
    fn build(&self, run: &mut Run) -> Vec<String> {
        let learners = self.nodes.len() as u64 - self.voters;
        let mut has = vec![format!("{} voters", self.voters)];
        let term = lead(run, self.leader, self.term);
        for number in self.voters + 1..=self.nodes.len() as u64 {
            add(run, NodeId(number));
        }
        if learners > 0 {
            has.push(format!("{learners} learner{}", if learners == 1 { "" } else { "s" }));
        }
        let leads = if self.leads { "leads" } else { "led" };
        has.push(match term == self.term {
            true => format!("node {} {leads} term {term}", self.leader),
            false => format!("node {} {leads} term {term} and not {}", self.leader, self.term),
        });
        let written = self.entries.saturating_sub(last(run)).min(ENTRIES_MAX);
        has.push(match self.write(run, written) {
            some if some < self.entries => format!("{some} of {} entries are there", self.entries),
            all => format!("{all} entries are there"),
        });
        for node in &self.nodes {
            match (node.behind.min(written), node.behind) {
                (0, _) => {}
                (some, all) if some < all => {
                    has.push(format!("node {} is behind by {some} and not {all}", node.id));
                }
                (all, _) => has.push(format!("node {} is behind by {all}", node.id)),
            }
            if !node.is_up {
                has.push(format!("node {} is down", node.id));
            }
        }
        if !self.leads {
            has.push("nobody leads".to_owned());
        }
        has
    }

    /// Writes so many entries, of which those that are behind miss the last. Then who is down crashes. Returns
    /// how many entries there are.
    fn write(&self, run: &mut Run, entries: u64) -> u64 {
        let (mut apart, end) = (Vec::new(), last(run) + entries);
        for left in (0..=entries).rev() {
            let late = self.nodes.iter().filter(|node| node.behind.min(entries) == left);
            let late: Vec<NodeId> = late.map(|node| node.id).collect();
            if left == 0 || !late.is_empty() {
                play(run, |run| last(run) >= end - left);
                settle(run, self.leader, &apart);
            }
            if left > 0 {
                late.iter().for_each(|id| run.act(Command::Split([*id].into())));
                apart.extend(late);
                let value = (entries - left + 1).to_string().into();
                run.act(Command::Write { key: "entry".into(), value });
            }
        }
        let last = last(run);
        for node in self.nodes.iter().filter(|node| !node.is_up) {
            run.act(Command::Crash(node.id));
        }
        if !self.leads && self.nodes.iter().any(|node| node.id == self.leader && node.is_up) {
            run.act(Command::Crash(self.leader));
            run.act(Command::Restart(self.leader));
        }
        if !apart.is_empty() {
            run.act(Command::HealAll);
        }
        last
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
    settle(run, leads, &[]);
    for _ in 1..terms {
        leads = if leads == node { other } else { node };
        run.act(Command::Transfer(Some(leads)));
        settle(run, leads, &[]);
    }
    leader(run).map_or(0, |raft| raft.term().0)
}

/// A new node becomes a learner, and stays one.
fn add(run: &mut Run, node: NodeId) {
    let Some(leads) = leader(run).map(Raft::id) else { return };
    run.act(Command::Restart(node));
    run.act(Command::Add { node, goal: Goal::Stay });
    play(run, |run| {
        leader(run).is_some_and(|raft| raft.configuration().learners.contains_key(&node))
    });
    settle(run, leads, &[]);
}

/// Waits until a node leads, and all but some have all of its log.
fn settle(run: &mut Run, leads: NodeId, apart: &[NodeId]) {
    play(run, |run| {
        let Some(raft) = leader(run).filter(|raft| raft.id() == leads) else { return false };
        let last = raft.log().last();
        let is_majority = raft.configuration().has_quorum(|id| !apart.contains(&id));
        let replicas = run.sim().nodes().filter_map(raft_sim::Node::replica).map(Replica::raft);
        replicas.filter(|raft| !apart.contains(&raft.id())).all(|raft| {
            raft.log().last() == last
                && raft.log().durable() == last.index
                && (raft.commit_index() == last.index || !is_majority)
        })
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

/// The last index of its log.
fn last(run: &Run) -> u64 {
    leader(run).map_or(0, |raft| raft.log().last().index.0)
}
