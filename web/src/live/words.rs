//! A cluster that is watched, in sentences.

use super::{Live, Node};
use crate::layout::NODES_MAX;
use crate::record::Arrow;
use crate::scene::{Role, Standing, Turn};
use raft_core::id::{NodeId, Term};
use raft_core::raft::event::RoleName;
use raft_core::request::Status;
use raft_core::time::Instant;

/// Whether the cluster can decide anything, as far as can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// Voters that are heard from.
    pub heard: usize,
    /// All voters.
    pub voters: usize,
    /// Whether those that are heard from can decide, with those for which there is no room: of them nothing is
    /// known, and so nothing bad.
    pub holds: bool,
}

/// Elections are counted over so long.
const HOUR_US: u64 = 3_600_000_000;

impl Live {
    /// Whether there is a quorum at the moment that is looked at.
    pub fn quorum(&self) -> Quorum {
        let here = self.here();
        let is_heard = |node: &Node| node.spell_at(here).role != Role::Silent;
        let Some(best) = self.best(here) else {
            return Quorum { heard: 0, voters: 0, holds: false };
        };
        let voters: Vec<NodeId> = best.members.all_voters().collect();
        let heard = voters.iter().filter(|id| self.nodes.get(id).is_some_and(is_heard)).count();
        let holds = best.members.has_quorum(|id| self.nodes.get(&id).is_none_or(is_heard));
        Quorum { heard, voters: voters.len(), holds }
    }

    /// How the cluster is, in a few words each: what an operator looks for first.
    pub fn state(&self) -> Vec<String> {
        let (here, quorum) = (self.here(), self.quorum());
        if quorum.voters == 0 {
            return Vec::new();
        }
        let mut state = vec![format!("quorum: {} of {} heard from", quorum.heard, quorum.voters)];
        match self.beyond(here) {
            0 => {}
            1 => state.push(format!("1 more is not shown: there is room for {NODES_MAX}")),
            more => state.push(format!("{more} more are not shown: there is room for {NODES_MAX}")),
        }
        let leaders = self.nodes.iter().filter_map(|(id, node)| {
            let spell = node.spell_at(here);
            (spell.role == Role::Leader).then_some((spell.term, *id, spell.from))
        });
        state.push(match leaders.max() {
            Some((term, id, from)) => {
                format!("leader {id} of term {term} for {}", time(from, here))
            }
            None => match self.leader_beyond(here) {
                Some((id, term)) => format!("leader {id} of term {term}"),
                None => "no leader".to_owned(),
            },
        });
        let lost = |happening: &&std::rc::Rc<crate::scene::Happening>| {
            matches!(happening.turn, Turn::Elected | Turn::SecondLeader)
                && happening.at <= here
                && here.0 - happening.at.0 < HOUR_US
        };
        let elections = self.happenings.iter().filter(lost).count();
        let watched = time(Instant(0), Instant(here.0.min(HOUR_US)));
        state.push(match elections {
            0 => format!("no election in {watched}"),
            1 => format!("1 election in {watched}"),
            many => format!("{many} elections in {watched}"),
        });
        let missed = self.nodes.values().fold(0, |sum: u64, node| sum.saturating_add(node.missed));
        if missed > 0 {
            state.push(format!("{missed} things left out"));
        }
        state
    }

    /// What a visitor sees, in one or two sentences.
    pub fn sentence(&self) -> String {
        let (here, quorum) = (self.here(), self.quorum());
        if quorum.voters == 0 {
            return "No node of the cluster has answered yet.".to_owned();
        }
        let silent = |standing| {
            let shown = self.shown(here).into_iter();
            let silent = shown.filter(move |id| {
                self.nodes[id].spell_at(here).role == Role::Silent
                    && self.standing(*id, here) == standing
            });
            silent.map(|id| id.to_string()).collect::<Vec<String>>()
        };
        if !quorum.holds {
            let more = match (quorum.voters / 2 + 1).saturating_sub(quorum.heard) {
                0 | 1 => "one more answers".to_owned(),
                more => format!("{more} more answer"),
            };
            return format!(
                "Quorum lost: only {} of {} voters are heard from. Nothing can be written until {more}: start \
                 stopped nodes with their data directories, and nothing on disk is lost.",
                quorum.heard, quorum.voters
            );
        }
        let silent = silent(Standing::Voter);
        let but = match &*silent {
            [] => String::new(),
            [one] => {
                format!(" Node {one} is not heard from; the others are a majority without it.")
            }
            many => format!(
                " Nodes {} are not heard from; the others are a majority without them.",
                many.join(" and ")
            ),
        };
        let spells = self.nodes.iter().map(|(id, node)| (*id, *node.spell_at(here)));
        let role = |role| {
            let of = spells.clone().filter(move |(_, spell)| spell.role == role);
            of.max_by_key(|(_, spell)| spell.term)
        };
        if let Some((id, spell)) = role(Role::Candidate) {
            return format!("Node {id} stands for election in term {}.{but}", spell.term);
        }
        let Some((id, spell)) = role(Role::Leader) else {
            return match (self.leader_beyond(here), role(Role::PreCandidate)) {
                (Some((id, term)), _) => {
                    format!("Node {id}, which is not shown, leads term {term}.{but}")
                }
                (None, Some((id, _))) => {
                    format!("Nobody leads. Node {id} asks whether it would win an election.{but}")
                }
                (None, None) => {
                    format!("Nobody leads: an election begins when a timeout passes.{but}")
                }
            };
        };
        format!("Node {id} leads term {}.{}{but}", spell.term, self.lag(id))
    }

    /// The leader, with its term, if there is no room for it.
    fn leader_beyond(&self, at: Instant) -> Option<(NodeId, Term)> {
        let best = self.best(at)?;
        Some((best.leader.filter(|id| !self.nodes.contains_key(id))?, best.term))
    }

    /// How far the followers are behind their leader, in a sentence.
    fn lag(&self, leader: NodeId) -> String {
        let here = self.here();
        let Some(seen) = self.nodes[&leader].at(here) else { return String::new() };
        let is_heard = |id: NodeId| {
            self.nodes.get(&id).is_some_and(|node| node.spell_at(here).role != Role::Silent)
        };
        let lags = seen.followers.iter().filter(|follower| is_heard(follower.node));
        let lags = lags
            .map(|follower| (seen.commit.0.saturating_sub(follower.match_index.0), follower.node));
        match lags.max() {
            Some((0, _)) => " Its followers have all that is committed.".to_owned(),
            Some((1, id)) => format!(" Node {id} lacks 1 committed entry."),
            Some((lag, id)) => format!(" Node {id} lacks {lag} committed entries."),
            None => String::new(),
        }
    }
}

/// A message, in a line.
pub(super) fn message(arrow: &Arrow) -> String {
    let answer = match arrow.answer {
        Some(true) => ", answered yes",
        Some(false) => ", answered no",
        None => "",
    };
    format!("node {} to node {}: {}{answer}", arrow.from, arrow.to, arrow.kind.word())
}

/// How a node is, for whoever sees it for the first time.
pub(super) fn status(status: &Status) -> String {
    let Status { role, term, leader, last_index, .. } = status;
    let who = match (role, leader) {
        (RoleName::Leader, _) => format!("leads term {term}"),
        (_, Some(leader)) => format!("follows leader {leader} of term {term}"),
        (_, None) => format!("knows no leader in term {term}"),
    };
    format!("it {who}, its log goes to entry {last_index}")
}

/// A stretch of time, as coarse as one reads it.
pub(super) fn time(from: Instant, until: Instant) -> String {
    match until.0.saturating_sub(from.0) / 1_000_000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}
