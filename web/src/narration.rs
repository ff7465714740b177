//! One sentence that says what is to be seen, and follows the state. Also what a screen reader says.

use crate::scene::{BallotState, Cell, Node, Role, Scene, Side};
use raft_core::id::Index;

/// What a visitor sees, in one or two short sentences.
pub fn sentence(scene: &Scene) -> String {
    if let Some(violation) = &scene.violation {
        return format!("{violation}. The run stops here.");
    }
    if scene.over {
        return "This run is over, and it ended well: every check held.".to_owned();
    }
    let (all, majority) = (scene.voters().count(), scene.voters().count() / 2 + 1);
    let up = scene.voters().filter(|node| node.role.is_up()).count();
    let leader = scene.leader();
    let rival = |leader: &&Node| {
        let leads = |node: &&Node| node.role == Role::Leader && node.id != leader.id;
        scene.nodes.iter().find(leads)
    };
    match (leader, leader.as_ref().and_then(rival)) {
        _ if up < majority => format!(
            "Only {up} of {all} nodes {} up. Without a majority nothing is committed, but nothing on disk is \
             lost.",
            if up == 1 { "is" } else { "are" }
        ),
        (Some(new), Some(old)) => format!(
            "Nodes {} and {} both believe they lead. Node {} is stuck in term {} and can commit nothing.",
            old.id, new.id, old.id, old.term
        ),
        (Some(leader), None) => led(scene, leader, majority),
        (None, _) => leaderless(scene, majority),
    }
}

/// The sentence with its numbers tied to the words before them, so that no line begins with a number.
pub fn unbroken(sentence: &str) -> String {
    let mut letters = sentence.chars().peekable();
    let mut unbroken = String::with_capacity(sentence.len() + 8);
    while let Some(letter) = letters.next() {
        let ties = letter == ' ' && letters.peek().is_some_and(char::is_ascii_digit);
        unbroken.push(if ties { '\u{a0}' } else { letter });
    }
    unbroken
}

fn led(scene: &Scene, leader: &Node, majority: usize) -> String {
    let Node { id, term, .. } = leader;
    if let Some(side) = side_of(scene, leader).filter(|side| !side.quorum) {
        let reach = match side.nodes.len() - 1 {
            0 => "reaches nobody".to_owned(),
            others => format!("reaches only {others} of the others"),
        };
        return format!(
            "Node {id} still leads term {term} but {reach}. It can commit nothing and will step down."
        );
    }
    if let Some(rival) = campaigner(scene).filter(|rival| rival.term > *term) {
        return campaign(rival, scene);
    }
    if leader.last > leader.commit {
        let have = scene.voters().filter(|node| node.durable >= leader.last).count();
        let does = match entry_of(scene, leader, leader.last) {
            Some("no-op") => format!("Node {id} won term {term} and sends an empty first entry."),
            Some(says) => format!("Leader {id} sends entry {} ({says}) to all.", leader.last),
            None => format!("Leader {id} sends entry {} to all.", leader.last),
        };
        let all = scene.voters().count();
        return format!("{does} It is on {have} of {all} disks; {majority} make it committed.");
    }
    let in_reach =
        |node: &&Node| node.role == Role::Follower && node.id != *id && !node.cut_from.contains(id);
    let late = scene.nodes.iter().filter(in_reach).find(|node| node.durable < leader.commit);
    if let Some(late) = late.filter(|late| leader.commit.0 - late.durable.0 > 1) {
        let behind = leader.commit.0 - late.durable.0;
        return format!(
            "Node {} missed {behind} entries. Leader {id} brings it up to date.",
            late.id
        );
    }
    let lagging = scene.nodes.iter().filter(in_reach).any(|node| node.commit < leader.commit);
    if lagging && leader.commit > Index(0) {
        let what = match entry_of(scene, leader, leader.commit) {
            Some("no-op") | None => String::new(),
            Some(says) => format!(" ({says})"),
        };
        return format!(
            "Entry {}{what} is on a majority of disks: committed, and never lost. Leader {id} tells the \
             others.",
            leader.commit
        );
    }
    if scene.nodes.len() == 1 {
        return format!("Node {id} leads term {term} alone: it is its own majority.");
    }
    format!(
        "Node {id} leads term {term}. Its heartbeats refill the rings of the others, so nobody else stands."
    )
}

fn leaderless(scene: &Scene, majority: usize) -> String {
    if !scene.sides.is_empty() && scene.sides.iter().all(|side| !side.quorum) {
        return "No side has a majority, so nobody can be elected. Heal a link and see.".to_owned();
    }
    if let Some(candidate) = campaigner(scene) {
        return campaign(candidate, scene);
    }
    // Only a node that reaches a majority has a chance.
    let has_chance = |node: &&Node| side_of(scene, node).is_none_or(|side| side.quorum);
    let next = scene
        .nodes
        .iter()
        .filter(has_chance)
        .filter_map(|node| Some((node.timer_us?, node.id)))
        .min()
        .map(|(_, id)| id);
    let first = scene.nodes.iter().all(|node| node.term.0 == 0);
    match (first, next) {
        (true, Some(next)) if scene.nodes.len() > 1 => format!(
            "No leader yet. When the ring around a node runs out, it stands for election. Node {next} is \
             next."
        ),
        (_, Some(next)) => format!(
            "Nobody leads and no heartbeats come. The ring of node {next} runs out first; it will need \
             {majority} votes."
        ),
        (_, None) => "Nobody leads.".to_owned(),
    }
}

/// Who stands for election; the one furthest on if there are several.
fn campaigner(scene: &Scene) -> Option<&Node> {
    let candidates = scene
        .nodes
        .iter()
        .filter(|node| matches!(node.role, Role::Candidate | Role::PreCandidate))
        .filter(|node| side_of(scene, node).is_none_or(|side| side.quorum));
    candidates.max_by_key(|node| (node.term, node.role == Role::Candidate, votes(node)))
}

fn campaign(node: &Node, scene: &Scene) -> String {
    let Node { id, term, majority, .. } = node;
    if node.role == Role::PreCandidate {
        return format!(
            "The ring of node {id} ran out. Before it stands for election, it asks who would vote for it."
        );
    }
    let rivals = scene
        .nodes
        .iter()
        .filter(|other| other.role == Role::Candidate && other.term == *term)
        .count();
    if rivals > 1 {
        return format!(
            "{rivals} nodes stand in term {term} at once. The votes may split; then a random timeout breaks \
             the tie."
        );
    }
    format!(
        "Node {id} stands for election in term {term}. It has {} of the {majority} votes it needs.",
        votes(node)
    )
}

fn votes(node: &Node) -> usize {
    node.ballots.iter().filter(|ballot| ballot.state == BallotState::Granted).count()
}

fn side_of<'a>(scene: &'a Scene, node: &Node) -> Option<&'a Side> {
    scene.sides.iter().find(|side| side.nodes.contains(&node.id))
}

/// What an entry says, if it is in view.
fn entry_of<'a>(scene: &'a Scene, node: &Node, index: Index) -> Option<&'a str> {
    let row = scene.nodes.iter().position(|other| other.id == node.id)?;
    let column = scene.logs.indexes.iter().position(|shown| *shown == index)?;
    match scene.logs.rows.get(row)?.get(column)? {
        Cell::Entry { says, .. } => Some(says),
        Cell::Empty | Cell::Folded => None,
    }
}

#[cfg(test)]
mod tests {
    use super::unbroken;

    #[test]
    fn no_line_begins_with_a_number() {
        assert_eq!(unbroken("Node 2 has 1 of 3 votes."), "Node\u{a0}2 has\u{a0}1 of\u{a0}3 votes.");
    }
}
