//! Looking at a cluster that is watched: from what was seen to a scene, as of a run of the simulator.

use super::sample::{self, FLIGHT};
use super::{Live, Node, Seen, words};
use crate::look::timeline::{ARROWS_MAX, PARTS, flags};
use crate::look::{STORY_MAX, Stage, View};
use crate::record::Arrow;
use crate::scene::inside::Picked;
use crate::scene::menu::{Item, Menu};
use crate::scene::timeline::{Lane, Timeline};
use crate::scene::{
    self, Cell, Kind, Link, Logs, Machine, Message, Role, Scene, Standing, Trouble,
};
use raft_core::id::{Index, NodeId, Term};
use raft_core::time::Instant;
use std::rc::Rc;

impl Live {
    /// What there is to see at the moment that is looked at.
    pub fn scene(&self, view: &View) -> Scene {
        let here = self.here();
        let stage = Stage::new(self.shown(here), view);
        let nodes: Vec<scene::Node> =
            stage.ids.iter().map(|id| self.scene_node(view, &stage, *id)).collect();
        let told = self.happenings.iter().rev().skip_while(|happening| happening.at > here);
        Scene {
            now: here,
            links: links(&stage),
            everywhere: Trouble::default(),
            sides: Vec::new(),
            messages: self.messages(view, &stage),
            fast: false,
            logs: self.logs(view, &nodes),
            requests: Vec::new(),
            story: told.take(STORY_MAX).map(Rc::clone).collect(),
            group: None,
            menu: Menu::default(),
            tries: self.tries(),
            violation: None,
            over: false,
            events: self.next,
            trace_hash: 0,
            layout: stage.layout,
            nodes,
        }
    }

    /// The nodes over time.
    pub fn timeline(&self, view: &View) -> Timeline {
        let (window, now) = (view.window, self.here());
        let (from, until) = (window.from, window.until());
        let lane = |id: NodeId| {
            let spells = self.nodes.get(&id).map(|node| node.spells_between(from, until));
            Lane {
                node: id,
                selected: view.has_picked(id),
                spells: spells.unwrap_or_default(),
                beside: Vec::new(),
            }
        };
        let all = || self.samples.between(from, until);
        let crowded = all().take(ARROWS_MAX + 1).count() > ARROWS_MAX;
        let is_shown = |arrow: &&Arrow| !crowded || arrow.kind != Kind::Heartbeat;
        Timeline {
            window,
            now,
            end: self.end(),
            lanes: self.shown(now).into_iter().map(lane).collect(),
            arrows: all().filter(is_shown).take(ARROWS_MAX).copied().collect(),
            crowded,
            bands: Vec::new(),
            flags: flags(self.happenings.iter(), window),
            density: self.samples.density(PARTS, self.end()),
            kept_from: self.samples.kept_from(),
            branches: Vec::new(),
            difference: None,
            in_the_past: false,
        }
    }

    /// The nodes that are shown: the members of the moment, and who was heard from besides.
    pub(super) fn shown(&self, at: Instant) -> Vec<NodeId> {
        let best = self.best(at);
        let is_member = |id: NodeId| best.is_none_or(|seen| seen.members.members.contains_key(&id));
        let is_heard = |node: &Node| node.spell_at(at).role != Role::Silent;
        let shown = self.nodes.iter().filter(|(id, node)| is_member(*id) || is_heard(node));
        shown.map(|(id, _)| *id).collect()
    }

    /// What a node is to the cluster at a moment.
    pub(super) fn standing(&self, id: NodeId, at: Instant) -> Standing {
        match self.best(at).map(|seen| &seen.members) {
            Some(members) if members.is_voter(id) => Standing::Voter,
            Some(members) if members.learners.contains_key(&id) => Standing::Learner,
            Some(_) => Standing::Outside,
            None => Standing::Voter,
        }
    }

    fn scene_node(&self, view: &View, stage: &Stage, id: NodeId) -> scene::Node {
        let here = self.here();
        let place = stage.ids.iter().position(|other| *other == id).unwrap_or_default();
        let spell = self.nodes.get(&id).map(|node| *node.spell_at(here));
        let seen = self.nodes.get(&id).and_then(|node| node.at(here));
        let index = |index: fn(&Seen) -> Index| seen.map_or(Index(0), index);
        scene::Node {
            id,
            at: stage.at(id),
            outwards: stage.layout.outwards(place),
            role: spell.map_or(Role::Silent, |spell| spell.role),
            term: spell.map_or(Term(0), |spell| spell.term),
            vote: None,
            leader: seen.and_then(|seen| seen.leader),
            timer_us: None,
            timer: None,
            ballots: Vec::new(),
            majority: seen.map_or(0, |seen| seen.members.voters.len() / 2 + 1),
            last: index(|seen| seen.last),
            durable: index(|seen| seen.durable.min(seen.last)),
            commit: index(|seen| seen.commit),
            applied: index(|seen| seen.applied),
            standing: self.standing(id, here),
            machine: Machine {
                frozen: false,
                slow_disk: false,
                full_disk: false,
                clock_ppm: 1_000_000,
            },
            cut_from: Vec::new(),
            selected: view.has_picked(id),
        }
    }

    /// Messages that were sent a moment ago, on their way.
    fn messages(&self, view: &View, stage: &Stage) -> Vec<Message> {
        let here = self.here();
        let is_shown =
            |arrow: &&Arrow| [arrow.from, arrow.to].iter().all(|id| stage.ids.contains(id));
        let message = |arrow: &Arrow| {
            let flown = (here - arrow.sent).as_micros() as f64 / FLIGHT.as_micros() as f64;
            let share = if view.still { 0.5 } else { flown.min(1.0) };
            let rim = |id: NodeId| (stage.at(id), stage.layout.radius);
            let lane = stage.layout.lane(rim(arrow.from), rim(arrow.to));
            Message {
                id: arrow.id,
                kind: arrow.kind,
                answer: arrow.answer,
                term: arrow.term,
                at: lane.at(share),
                heading: lane.heading(share),
                lost: false,
                held: false,
                late: false,
                can_double: false,
                selected: view.picked == Some(Picked::Message(arrow.id)),
                says: words::message(arrow),
            }
        };
        self.samples.between(sample::before(here), here).filter(is_shown).map(message).collect()
    }

    fn logs(&self, view: &View, nodes: &[scene::Node]) -> Logs {
        let last = nodes.iter().map(|node| node.last).max().unwrap_or_default();
        // One column stays free: the next entry has a place to appear in.
        let first = last.0.saturating_add(2).saturating_sub(view.log_columns()).max(1);
        let indexes: Vec<Index> =
            (first..first.saturating_add(view.log_columns())).map(Index).collect();
        let row = |node: &scene::Node| {
            let seen = self.nodes.get(&node.id).and_then(|node| node.at(self.here()));
            let up = node.role.is_up();
            let cell = |index: &Index| seen.map_or(Cell::Empty, |seen| seen.cell(*index, up));
            indexes.iter().map(cell).collect()
        };
        Logs { rows: nodes.iter().map(row).collect(), indexes }
    }

    /// What can be done: with the view, not with the cluster.
    fn tries(&self) -> Menu {
        let item = |act: &str, words: &str, means, key| Item {
            act: act.to_owned(),
            commands: Vec::new(),
            words: words.to_owned(),
            means,
            key,
            on: false,
            enabled: true,
        };
        let means =
            "A simulation that begins as the cluster is at this moment, to be broken at will";
        let fork = item("fork", "Fork into the simulator", means, "");
        if self.is_recording() {
            return Menu { title: "A recording".to_owned(), items: vec![fork] };
        }
        let follow = match self.follows() {
            true => {
                item("play", "Freeze", "Look at this moment; what happens goes on being kept", "")
            }
            false => item("play", "Go live", "Look at the present again", ""),
        };
        Menu { title: "Read-only".to_owned(), items: vec![follow, fork] }
    }
}

impl Node {
    fn spells_between(&self, from: Instant, until: Instant) -> Vec<crate::record::Spell> {
        let begun = self.spells.partition_point(|spell| spell.from <= from);
        let reached = self.spells.partition_point(|spell| spell.from <= until);
        self.spells.range(begun.saturating_sub(1).min(reached)..reached).copied().collect()
    }
}

impl Seen {
    /// One place of the log. Of what a node that is not heard from had in memory nobody knows.
    fn cell(&self, index: Index, up: bool) -> Cell {
        if index > self.last {
            return Cell::Empty;
        }
        let Some(term) = self.term_at(index) else { return Cell::Folded };
        Cell::Entry {
            term,
            says: String::new(),
            durable: index <= self.durable,
            committed: up && index <= self.commit,
            applied: up && index <= self.applied,
        }
    }
}

fn links(stage: &Stage) -> Vec<Link> {
    let link = |pair| Link {
        pair,
        cut_there: false,
        cut_back: false,
        there: Trouble::default(),
        back: Trouble::default(),
        traffic: (0, 0),
        selected: false,
    };
    stage.pairs().map(link).collect()
}
