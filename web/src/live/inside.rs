//! Looking inside a node, an entry or a message of a cluster that is watched.

use super::{Live, Seen, words};
use crate::look::View;
use crate::scene::Role;
use crate::scene::inside::{Fact, Inside, Picked};
use raft_core::id::{Index, NodeId};
use std::time::Duration;

/// The most reasons shown.
const WHY_MAX: usize = 8;

impl Live {
    /// What is picked, from inside, or how to read what is to be seen.
    pub fn inside(&self, view: &View) -> Inside {
        let picked = view.picked.and_then(|picked| match picked {
            Picked::Node(id) => self.node(id),
            Picked::Entry(index) => Some(self.entry(index)),
            Picked::Message(id) => self.message(id),
            Picked::Link(..) | Picked::Group(_) => None,
        });
        picked.unwrap_or_else(primer)
    }

    fn node(&self, id: NodeId) -> Option<Inside> {
        let (node, here) = (self.nodes.get(&id)?, self.here());
        let spell = node.spell_at(here);
        let mut facts = vec![match spell.role {
            Role::Silent => fact("role", "not heard from; below is how it was last seen"),
            role => fact("role", format!("{} in term {}", role.name(), spell.term)),
        }];
        facts[0].since = Some((spell.step, spell.from));
        if let Some(seen) = node.at(here) {
            facts.extend(facts_of(seen));
        }
        if let Some(member) = self.best(here).and_then(|seen| seen.members.members.get(&id)) {
            facts.push(fact("address", &member.address));
        }
        let told = self.happenings.iter().rev().skip_while(|happening| happening.at > here);
        let mine = told.filter(|happening| happening.node == Some(id));
        Some(Inside {
            title: format!("Node {id}"),
            facts,
            why: mine.take(WHY_MAX).cloned().collect(),
            near: Vec::new(),
        })
    }

    /// An index of the log: what the nodes have there, as far as they show it.
    fn entry(&self, index: Index) -> Inside {
        let here = self.here();
        let mut facts = Vec::new();
        for (id, seen) in self.nodes.iter().filter_map(|(id, node)| Some((id, node.at(here)?))) {
            let words = match index > seen.last {
                true => "has no such entry".to_owned(),
                false => {
                    let term = seen.term_at(index);
                    let term =
                        term.map_or("has it".to_owned(), |term| format!("has it, of term {term}"));
                    let disk = if index <= seen.durable { "on disk" } else { "in memory" };
                    let known = match (index <= seen.applied, index <= seen.commit) {
                        (true, _) => ", applied",
                        (false, true) => ", known to be committed",
                        (false, false) => ", not known to be committed",
                    };
                    format!("{term}, {disk}{known}")
                }
            };
            facts.push(fact("node", format!("{id} {words}")));
        }
        facts.push(fact("what it says", "is not shown: nodes tell watchers no keys and no values"));
        Inside { title: format!("Entry {index}"), facts, why: Vec::new(), near: Vec::new() }
    }

    fn message(&self, id: u64) -> Option<Inside> {
        let from = raft_core::time::Instant(self.here().0.saturating_sub(10_000_000));
        let arrow = self.samples.between(from, self.here()).find(|arrow| arrow.id == id)?;
        let facts = vec![
            fact("message", words::message(arrow)),
            fact("term", arrow.term),
            fact("sent", format!("{} ago", ms(self.here() - arrow.sent))),
            fact("shown", "a sample: most messages of this kind are left out, and all are quicker"),
        ];
        let title = format!("Message {id}");
        Some(Inside { title, facts, why: Vec::new(), near: Vec::new() })
    }
}

fn facts_of(seen: &Seen) -> Vec<Fact> {
    let leader = seen.leader.map_or("none known".to_owned(), |leader| format!("node {leader}"));
    let up_to = |index: Index| format!("up to entry {index}");
    let mut facts = vec![
        fact("leader", leader),
        fact("log", up_to(seen.last)),
        fact("on disk", up_to(seen.durable.min(seen.last))),
        fact("committed", up_to(seen.commit)),
        fact("applied", up_to(seen.applied)),
    ];
    if seen.snapshot > Index(0) {
        facts.push(fact("snapshot", up_to(seen.snapshot)));
    }
    for follower in &seen.followers {
        let lag = seen.last.0.saturating_sub(follower.match_index.0);
        let heard = follower.silent_ms.map_or("not heard in this term".to_owned(), |silent| {
            format!("heard {} ago", ms(Duration::from_millis(silent)))
        });
        let lag = if lag == 0 { "has all".to_owned() } else { format!("{lag} behind") };
        facts.push(fact("follower", format!("{}: {lag}; {heard}", follower.node)));
    }
    facts.push(fact("keys", seen.keys));
    facts.push(fact("members", &*seen.members));
    facts
}

/// What one reads before anything is picked.
fn primer() -> Inside {
    let facts = vec![
        fact(
            "circles",
            "are the cluster's nodes, as they say themselves. Colour and number are the term.",
        ),
        fact("a cross", "is a node that is not heard from: crashed, standing still or cut off."),
        fact("shapes", "between nodes are samples of their messages, slowed down to be seen."),
        fact("the timeline", "keeps what was seen. Drag along it to look back."),
        fact("nothing here", "changes the cluster, and no keys or values are shown."),
    ];
    Inside { title: "How to read it".to_owned(), facts, why: Vec::new(), near: Vec::new() }
}

fn ms(time: Duration) -> String {
    match time.as_millis() {
        ms @ 0..10_000 => format!("{ms} ms"),
        ms => format!("{} s", ms / 1_000),
    }
}

fn fact(name: &'static str, value: impl ToString) -> Fact {
    Fact { name, value: value.to_string(), since: None }
}
