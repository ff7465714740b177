//! What is checked after every event, in words, and what came of it. The checks themselves are the
//! simulator's: the same that judge its tests.

use crate::run::Run;
use crate::scene::inside::Picked;
use crate::story;
use raft_core::id::{Index, NodeId};
use raft_core::time::Instant;
use raft_sim::Property;

/// Everything that is checked, and what came of it up to the moment in view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checks {
    /// What belongs together, in the order of reading.
    pub groups: Vec<Group>,
    /// The check that failed somewhere in this run.
    pub broken: Option<Broken>,
    /// Events up to the moment in view.
    pub events: u64,
}

/// Checks that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What they are about.
    pub name: &'static str,
    /// One line for each.
    pub lines: Vec<Line>,
}

/// A property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// What it claims, in a sentence.
    pub claims: &'static str,
    /// What came of it.
    pub state: State,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It has held after every event.
    Holds,
    /// It is looked at when a test run ends; a playground has no end.
    AtTheEnd,
    /// It does not hold.
    Broken,
}

/// A check that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The property.
    pub name: String,
    /// What was seen.
    pub facts: String,
    /// The moment, and the step to go there.
    pub at: Instant,
    /// The step.
    pub step: u64,
    /// The nodes and the entry that the facts speak of.
    pub about: Vec<Picked>,
    /// Whether the moment in view is before it.
    pub is_ahead: bool,
}

const GROUPS: [(&str, &[Property]); 5] = [
    (
        "The five of the paper’s Figure 3",
        &[
            Property::ElectionSafety,
            Property::LeaderAppendOnly,
            Property::LogMatching,
            Property::LeaderCompleteness,
            Property::StateMachineSafety,
        ],
    ),
    ("What clients see", &[Property::Linearizability, Property::FreshReads, Property::ExactlyOnce]),
    (
        "What is on disk",
        &[
            Property::DurableQuorum,
            Property::DurablePromises,
            Property::HonestProgress,
            Property::Recovery,
            Property::NoLoss,
        ],
    ),
    (
        "What never goes back",
        &[
            Property::Monotonicity,
            Property::Order,
            Property::CommitRule,
            Property::Membership,
            Property::Bounds,
        ],
    ),
    (
        "That it goes on",
        &[Property::Liveness, Property::Stability, Property::Frames, Property::Determinism],
    ),
];

fn claims(property: Property) -> &'static str {
    match property {
        Property::ElectionSafety => {
            "At most one leader in a term, by the votes of a majority (§5.2)"
        }
        Property::LeaderAppendOnly => "A leader never rewrites its own log (§5.3)",
        Property::LogMatching => "Same index and term: the same log up to there (§5.3)",
        Property::LeaderCompleteness => {
            "What is committed is in the log of every later leader (§5.4)"
        }
        Property::StateMachineSafety => {
            "No two nodes carry out different commands at one index (§5.4.3)"
        }
        Property::Linearizability => "All answers together could come from a single machine",
        Property::FreshReads => "A read sees every write acknowledged before it was asked",
        Property::ExactlyOnce => "A write that is sent again takes effect once",
        Property::DurableQuorum => "What is committed is on the disks of a majority",
        Property::DurablePromises => "Nobody promises what is not yet on its disk",
        Property::HonestProgress => "What a leader believes of another’s disk is there",
        Property::Recovery => "What was synced comes back after a crash",
        Property::NoLoss => "No committed entry is missing in the end",
        Property::Monotonicity => "Terms, votes and commits never go back",
        Property::Order => "Applied is committed, and committed is in the log",
        Property::CommitRule => "A leader counts copies only of entries of its own term (§5.4.2)",
        Property::Membership => "One change of the members at a time, with overlapping majorities",
        Property::Bounds => "Whatever can fill up has a bound",
        Property::Liveness => "A healed cluster elects a leader and answers",
        Property::Stability => "A leader that is heard stays",
        Property::Frames => "Messages survive their way through bytes",
        Property::Determinism => "The same seed is the same run",
    }
}

/// Whether a property is judged after every event of this run.
fn is_live(property: Property, run: &Run) -> bool {
    let options = run.sim().options();
    match property {
        Property::Liveness | Property::Stability | Property::NoLoss | Property::Determinism => {
            false
        }
        Property::Linearizability => options.faults.is_none(),
        Property::Frames => options.network.frames,
        _ => true,
    }
}

/// What is checked of a run, and what came of it.
pub fn checks(run: &Run) -> Checks {
    let broken = run.record().broken();
    let at_hand = run.sim().violation().map(|violation| violation.property);
    let line = |property: &Property| Line {
        name: property.to_string(),
        claims: claims(*property),
        state: match property {
            property if at_hand == Some(*property) => State::Broken,
            property if is_live(*property, run) => State::Holds,
            _ => State::AtTheEnd,
        },
    };
    let group = |(name, properties): &(&'static str, &[Property])| Group {
        name,
        lines: properties.iter().map(line).collect(),
    };
    Checks {
        groups: GROUPS.iter().map(group).collect(),
        broken: broken.map(|(step, violation)| Broken {
            name: violation.property.to_string(),
            facts: story::in_words(&violation.facts),
            at: violation.at,
            step: *step,
            about: about(&violation.facts, run),
            is_ahead: run.steps() < *step,
        }),
        events: run.sim().counters().events,
    }
}

/// The nodes that facts name, and the first entry: `nodes 1 and 3`, `leader 2`, `entry 5@t2`.
fn about(facts: &str, run: &Run) -> Vec<Picked> {
    let words = || facts.split(|c: char| c.is_whitespace() || ",;:(".contains(c));
    let number = |word: &str| word.parse::<u64>().ok();
    let is_node =
        |id: &NodeId| run.sim().nodes().any(|node| node.id() == *id && node.has_started());
    let mut nodes = Vec::new();
    let mut names_nodes = false;
    for word in words() {
        match number(word) {
            Some(id) if names_nodes => nodes.push(NodeId(id)),
            _ => {
                let is_list = names_nodes && word == "and";
                names_nodes = is_list || ["node", "nodes", "leader"].contains(&word);
            }
        }
    }
    nodes.sort_unstable();
    nodes.dedup();
    let named = words().zip(words().skip(1)).find_map(|(word, next)| match word.split_once("@t") {
        Some((index, _)) => number(index),
        None if word == "entry" || word == "configuration" => number(next),
        None => None,
    });
    let nodes = nodes.into_iter().filter(is_node).map(Picked::Node);
    nodes.chain(named.map(|index| Picked::Entry(Index(index)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Session;

    #[test]
    fn every_property_has_its_place() {
        for property in Property::ALL {
            let places = GROUPS.iter().flat_map(|(_, all)| *all).filter(|p| **p == property);
            assert_eq!(places.count(), 1, "{property}");
        }
    }

    #[test]
    fn facts_name_whom_to_look_at() {
        let run = Run::new(Session::default());
        let node = |id| Picked::Node(NodeId(id));
        for (facts, found) in [
            ("nodes 1 and 3 both lead term 4 (§5.2)", vec![node(1), node(3)]),
            (
                "leader 2 of term 3 lacks entry 5@t2, which term 2 committed",
                vec![node(2), Picked::Entry(Index(5))],
            ),
            ("node 9 is gone", vec![]),
            ("entry 3 repeats a write", vec![Picked::Entry(Index(3))]),
            ("nothing to see", vec![]),
        ] {
            assert_eq!(about(facts, &run), found, "{facts}");
        }
    }
}
