//! What happened, in sentences with reasons: the simulator's trace without the coming and going of
//! single messages, which stage and timeline show.

use crate::record::Spell;
use crate::scene::{Happening, Role, Turn};
use raft_core::id::{NodeId, Term};
use raft_core::raft::event::{Event, WhyFollower};
use raft_sim::Sim;
use raft_sim::trace::Line;

/// What a line of the trace tells, if it is worth telling. `seen` is how a node was before.
pub(crate) fn happening(
    sim: &Sim,
    line: &Line,
    step: u64,
    seen: impl Fn(NodeId) -> Option<Spell>,
) -> Option<Happening> {
    let told = match (line.node, &line.event) {
        (Some(node), Some(event)) => of_event(sim, line, node, event, seen)?,
        (Some(_), None) if line.text.starts_with("starts") => {
            Told::of(&line.text, "", Turn::Started)
        }
        // Messages and syncs; and the command that makes a node crash stands in the line before.
        (Some(_), None) => return None,
        // `hears from node 3: Response #7 written at revision 5`.
        (None, _) if line.client.is_some() => {
            let answer = line.text.split_once("Response ")?.1.split_once(' ')?.1;
            let why = sim.refusal().filter(|_| answer == "refused").map(ToString::to_string);
            let why = why.unwrap_or_default();
            Told { says: format!("answer: {answer}"), why, by: "client", turn: Turn::Detail }
        }
        (None, _) if let Some(violation) = sim.violation() => Told {
            says: format!("{} does not hold any more", violation.property),
            why: violation.facts.clone(),
            by: "check",
            turn: Turn::CheckFailed,
        },
        (None, _) if sim.options().faults.is_some() => Told::of(&line.text, "plan", Turn::Fault),
        (None, _) => Told::of(&line.text, "you", Turn::Fault),
    };
    let term = line.node.and_then(|id| sim.nodes().find(|node| node.id() == id)?.replica());
    Some(Happening {
        id: line.number,
        step,
        at: line.at,
        node: line.node,
        by: told.by,
        term: term.map_or(Term(0), |replica| replica.raft().term()),
        says: in_words(&told.says),
        why: in_words(&told.why),
        turn: told.turn,
        reaches: match line.event {
            Some(Event::Committed { to }) => Some(to.index),
            _ => None,
        },
    })
}

/// What is told of something that happened.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) says: String,
    pub(crate) why: String,
    pub(crate) by: &'static str,
    pub(crate) turn: Turn,
}

impl Told {
    pub(crate) fn of(says: &str, by: &'static str, turn: Turn) -> Self {
        Self { says: says.to_owned(), why: String::new(), by, turn }
    }
}

fn of_event(
    sim: &Sim,
    line: &Line,
    node: NodeId,
    event: &Event,
    seen: impl Fn(NodeId) -> Option<Spell>,
) -> Option<Told> {
    let leads = || {
        let replica = sim.nodes().find(|other| other.id() == node)?.replica()?;
        Some(replica.raft().leader() == Some(node))
    };
    if matches!(event, Event::Committed { .. }) && leads() != Some(true) {
        return None;
    }
    let others = sim.nodes().map(raft_sim::Node::id).filter(|other| *other != node);
    let others = others.filter_map(|other| Some((other, seen(other)?)));
    Some(Told::of_event(&line.text, event, seen(node), others))
}

impl Told {
    /// What an event of a node tells. `before` is how the node was; `others` is how the others are. That
    /// followers learn of a commit shows in their logs: only a leader's is worth telling.
    pub(crate) fn of_event(
        text: &str,
        event: &Event,
        before: Option<Spell>,
        mut others: impl Iterator<Item = (NodeId, Spell)>,
    ) -> Self {
        let (says, why) = text.split_once(": ").unwrap_or((text, ""));
        let mut why = why.to_owned();
        let turn = match event {
            Event::Committed { .. } => Turn::Committed,
            Event::PreVoteStarted { .. } | Event::ElectionStarted { .. } => match before {
                Some(Spell { role: Role::Candidate, term, .. }) => {
                    why = format!("nobody won the election of term {term}");
                    Turn::NoWinner
                }
                _ => Turn::Campaign,
            },
            Event::BecameLeader { .. } => {
                match others.find(|(_, spell)| spell.role == Role::Leader) {
                    Some((rival, Spell { term, .. })) => {
                        why = format!("node {rival} still believes that it leads term {term}");
                        Turn::SecondLeader
                    }
                    None => Turn::Elected,
                }
            }
            Event::BecameFollower {
                why: WhyFollower::NoQuorum | WhyFollower::DiskStalled, ..
            } => Turn::SteppedDown,
            Event::BecameFollower { .. } => match before {
                Some(Spell { role: Role::Leader, .. }) => Turn::SteppedDown,
                _ => Turn::Detail,
            },
            Event::Truncated { .. }
            | Event::SnapshotTaken { .. }
            | Event::SnapshotInstalled { .. }
            | Event::SnapshotRejected { .. }
            | Event::CaughtUp { .. } => Turn::Log,
            Event::ConfigurationAdopted { .. }
            | Event::TransferStarted { .. }
            | Event::TransferTimedOut { .. }
            | Event::NotAdmitted { .. }
            | Event::MemberLost { .. }
            | Event::QuorumLost { .. }
            | Event::DiskFull { .. } => Turn::Members,
            Event::VoteGranted { pre_vote: false, .. } => Turn::Voted,
            Event::VoteGranted { .. }
            | Event::VoteRefused { .. }
            | Event::LeaderKnown { .. }
            | Event::ToldToStand { .. } => Turn::Detail,
        };
        Self { says: says.to_owned(), why, by: "", turn }
    }
}

/// Entry ids as `5@t2` are for traces; a sentence says entry 5 of term 2.
pub(crate) fn in_words(text: &str) -> String {
    let word = |word: &str| match word.split_once("@t") {
        Some((index, term)) if index.parse::<u64>().is_ok() => {
            format!("entry {index} of term {term}")
        }
        _ => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<String>>().join(" ")
}

/// Both directions of a link, cut or healed at once, in one sentence.
pub(crate) fn both_ways(last: &Happening, new: &Happening) -> Option<String> {
    let parts = |happening: &Happening| {
        let (verb, link) = happening.says.split_once(' ')?;
        let (from, to) = link.split_once("->")?;
        Some((verb.to_owned(), from.to_owned(), to.to_owned()))
    };
    let ((verb, from, to), (again, back_from, back_to)) = (parts(last)?, parts(new)?);
    let is_pair = last.at == new.at && verb == again && (&from, &to) == (&back_to, &back_from);
    is_pair.then(|| format!("{verb} the link between {from} and {to}"))
}
