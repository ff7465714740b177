//! A real cluster, as its nodes show it to whoever watches: what was seen of each of them, over time. Nothing
//! here can command anything.
//!
//! Moments are those at which sightings came, by the clock of who watches: the clocks of nodes have nothing to
//! do with each other. Everything is bounded, and the oldest goes first.

mod belief;
mod door;
mod fork;
mod inside;
mod look;
mod sample;
mod words;

pub use belief::believe;
pub use door::Door;
pub use fork::Fork;

use crate::layout::NODES_MAX;
use crate::record::Spell;
use crate::scene::{Happening, Role, Turn};
use crate::story::{Told, in_words};
use raft_core::id::{Index, NodeId, Term};
use raft_core::raft::event::{Event, RoleName};
use raft_core::raft::membership::Configuration;
use raft_core::request::FollowerStatus;
use raft_core::sighting::Sighting;
use raft_core::time::Instant;
use raft_core::vec_map::VecMap;
use sample::Samples;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// How long a node may say nothing before it counts as not heard from. A watched node says something four
/// times a second; beyond that comes what a busy browser holds up.
pub const SILENCE_MAX: Duration = Duration::from_millis(750);

/// The most moments kept of a node: at ten a second, which only a busy one has, those of nearly seven
/// minutes, in about 2 MiB.
const SEEN_MAX: usize = 4_000;

/// Moments nearer to each other than this become one, unless a role or a term changes.
const SEEN_INTERVAL: Duration = Duration::from_millis(100);

/// The most happenings and changes of a role kept, of each: far more than one reads.
const HAPPENINGS_MAX: usize = 10_000;

/// A cluster that is watched.
#[derive(Debug, Default)]
pub struct Live {
    now: Instant,
    /// The moment that is looked at; `None` for the present one.
    here: Option<Instant>,
    /// Nothing comes any more: all of it was recorded.
    is_recording: bool,
    nodes: VecMap<NodeId, Node>,
    happenings: VecDeque<Rc<Happening>>,
    /// The number of the next happening.
    next: u64,
    samples: Samples,
}

/// What is known of a node.
#[derive(Debug)]
struct Node {
    seen: VecDeque<Seen>,
    spells: VecDeque<Spell>,
    /// When it was last heard from.
    heard_at: Option<Instant>,
    /// What it left out, or was too slow to be told, since it was first heard from.
    missed: u64,
}

/// A node at a moment, as it showed itself.
#[derive(Clone, Debug)]
struct Seen {
    at: Instant,
    role: RoleName,
    term: Term,
    leader: Option<NodeId>,
    last: Index,
    durable: Index,
    commit: Index,
    applied: Index,
    snapshot: Index,
    keys: u64,
    members: Rc<Configuration>,
    followers: Vec<FollowerStatus>,
    tail: Vec<Term>,
}

impl Live {
    /// What was recorded of a cluster, from its beginning on.
    pub fn of_recording(moments: impl IntoIterator<Item = (Instant, Sighting)>) -> Self {
        let mut live = Self { is_recording: true, here: Some(Instant(0)), ..Self::default() };
        for (at, sighting) in moments {
            // A trace with anything in it that cannot be was refused as a whole.
            let _ = live.take_in(at, sighting);
        }
        live
    }

    /// Whether it was recorded, and nothing comes any more.
    pub fn is_recording(&self) -> bool {
        self.is_recording
    }

    /// Takes in what a node showed at a moment.
    ///
    /// # Errors
    /// Why no node can have shown it; then nothing of it is taken in.
    pub fn take_in(&mut self, at: Instant, sighting: Sighting) -> Result<(), String> {
        self.pass(at);
        believe(&sighting)?;
        let (id, status) = (sighting.status.node, &sighting.status);
        let expected = status.configuration.members.keys().copied();
        for node in expected.chain([id]) {
            if self.nodes.len() < NODES_MAX {
                self.nodes.get_or_insert_with(node, || Node::new(at));
            }
        }
        let Some(was) = self.nodes.get_mut(&id) else { return Ok(()) };
        let comes = was.heard_at.is_none() || was.spell().role == Role::Silent;
        was.heard_at = Some(at);
        if comes {
            let says = format!("is heard from: {}", words::status(status));
            self.tell(id, status.term, Told::of(&says, "", Turn::Started), None);
        }
        let gap = sighting.missed.saturating_add(sighting.left_out);
        if sighting.missed > 0 {
            let says = format!("showed {} moments that this page missed", sighting.missed);
            self.tell(id, status.term, Told::of(&says, "", Turn::Gap), None);
        }
        for event in &sighting.events {
            self.event(id, status.leader == Some(id), event);
        }
        let seen = Seen::of(at, &sighting);
        self.turn_into(id, role(seen.role), seen.term);
        let known = sighting.sent.iter().filter(|sent| self.nodes.contains_key(&sent.to));
        let before = self.nodes.get(&id).and_then(|node| node.seen.back());
        let has_stored = before.is_some_and(|before| before.durable < seen.durable);
        self.samples.take_in(at, id, seen.term, has_stored, known);
        if let Some(node) = self.nodes.get_mut(&id) {
            node.missed = node.missed.saturating_add(gap);
            node.keep(seen);
        }
        Ok(())
    }

    /// The connection to a node is gone.
    pub fn lose(&mut self, at: Instant, id: NodeId) {
        self.now = self.now.max(at);
        self.silence(id, "the connection to it ended");
    }

    /// Time passes: who has said nothing for too long is not heard from any more.
    pub fn pass(&mut self, at: Instant) {
        self.now = self.now.max(at);
        let now = self.now;
        let is_late = |node: &Node| node.heard_at.is_some_and(|heard| now - heard > SILENCE_MAX);
        let late = self.nodes.iter().filter(|(_, node)| is_late(node)).map(|(id, _)| *id);
        for id in late.collect::<Vec<NodeId>>() {
            self.silence(id, "it said nothing for too long");
        }
    }

    fn silence(&mut self, id: NodeId, why: &str) {
        let Some(node) = self.nodes.get(&id) else { return };
        let Spell { role, term, .. } = *node.spell();
        if role == Role::Silent {
            return;
        }
        let says = "is not heard from: it crashed, stands still or is cut off";
        let told = Told { why: why.to_owned(), ..Told::of(says, "", Turn::Fault) };
        self.tell(id, term, told, None);
        self.turn_into(id, Role::Silent, term);
    }

    fn event(&mut self, id: NodeId, leads: bool, event: &Event) {
        if matches!(event, Event::Committed { .. }) && !leads {
            return;
        }
        let Some(before) = self.nodes.get(&id).map(|node| *node.spell()) else { return };
        let others = self.nodes.iter().filter(|(other, _)| *other != id);
        let others = others.map(|(other, node)| (*other, *node.spell()));
        let told = Told::of_event(&event.to_string(), event, Some(before), others);
        let (role, term) = match event {
            Event::PreVoteStarted { .. } => (Role::PreCandidate, before.term),
            Event::ElectionStarted { term } => (Role::Candidate, *term),
            Event::BecameLeader { term } => (Role::Leader, *term),
            Event::BecameFollower { term, .. } => (Role::Follower, *term),
            _ => (before.role, before.term),
        };
        let reaches = match event {
            Event::Committed { to } => Some(to.index),
            _ => None,
        };
        self.tell(id, term, told, reaches);
        self.turn_into(id, role, term);
    }

    /// Adds to the story. Of commits in a row only the last stays: a busy cluster has twenty a second.
    fn tell(&mut self, id: NodeId, term: Term, told: Told, reaches: Option<Index>) {
        let is_commit = |happening: &Rc<Happening>| {
            happening.node == Some(id) && happening.turn == Turn::Committed
        };
        if reaches.is_some() && self.happenings.back().is_some_and(is_commit) {
            self.happenings.pop_back();
        }
        let (number, at) = (self.next, self.now);
        self.next += 1;
        self.happenings.push_back(Rc::new(Happening {
            id: number,
            step: number,
            at,
            node: Some(id),
            by: told.by,
            term,
            says: in_words(&told.says),
            why: in_words(&told.why),
            turn: told.turn,
            reaches,
        }));
        bound(&mut self.happenings, HAPPENINGS_MAX);
    }

    fn turn_into(&mut self, id: NodeId, role: Role, term: Term) {
        let spell = Spell { step: self.next.saturating_sub(1), from: self.now, role, term };
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let last = *node.spell();
        if (last.role, last.term) != (role, term) {
            node.spells.push_back(spell);
            bound(&mut node.spells, HAPPENINGS_MAX);
        }
    }

    /// Whether something is on its way on the stage.
    pub fn moves(&self) -> bool {
        self.follows() && self.samples.between(sample::before(self.now), self.now).next().is_some()
    }

    /// How many moments, changes, happenings and messages are kept.
    pub fn kept(&self) -> usize {
        let nodes = self.nodes.values().map(|node| node.seen.len() + node.spells.len());
        nodes.sum::<usize>() + self.happenings.len() + self.samples.kept()
    }

    /// The members, with their addresses, as the node says that knows best now.
    pub fn members(&self) -> Vec<(NodeId, String)> {
        let best = self.best(self.now);
        let members = best.iter().flat_map(|seen| seen.members.members.values());
        members.map(|member| (member.id, member.address.clone())).collect()
    }

    /// The members at a moment for which there is no room.
    fn beyond(&self, at: Instant) -> usize {
        let members = self.best(at).into_iter().flat_map(|seen| seen.members.members.keys());
        members.filter(|id| !self.nodes.contains_key(id)).count()
    }

    /// The moment that is looked at.
    pub fn here(&self) -> Instant {
        self.here.unwrap_or(self.now)
    }

    /// The newest moment.
    pub fn end(&self) -> Instant {
        self.now
    }

    /// Whether what is looked at moves on with time.
    pub fn follows(&self) -> bool {
        self.here.is_none()
    }

    /// Looks at the present from now on.
    pub fn follow(&mut self) {
        self.here = None;
    }

    /// Looks at this moment and stays there, while what happens goes on being kept.
    pub fn stay(&mut self, at: Instant) {
        self.here = Some(at.min(self.now));
    }

    /// Looks at the moment of a happening.
    pub fn go(&mut self, step: u64) {
        let place = self.happenings.partition_point(|happening| happening.step < step);
        if let Some(happening) = self.happenings.get(place).or(self.happenings.back()) {
            self.stay(happening.at);
        }
    }

    /// Looks at the next thing that happened or, with `turns`, at the next of interest.
    pub fn go_on(&mut self, turns: bool) {
        let here = self.here();
        let later =
            self.happenings.iter().find(|happening| happening.at > here && happening.is(turns));
        self.here = later.map(|happening| happening.at);
    }

    /// Looks at the last thing that happened before or, with `turns`, at the last of interest.
    pub fn go_back(&mut self, turns: bool) {
        let here = self.here();
        let mut earlier = self.happenings.iter().rev();
        let earlier = earlier.find(|happening| happening.at < here && happening.is(turns));
        self.stay(earlier.map_or(Instant(0), |happening| happening.at));
    }

    /// What the node showed at a moment that knows best who belongs to the cluster: the leader of the latest
    /// term, or who was last led.
    fn best(&self, at: Instant) -> Option<&Seen> {
        let seen = self.nodes.values().filter_map(|node| node.at(at));
        seen.max_by_key(|seen| (seen.term, seen.role == RoleName::Leader, seen.last))
    }
}

impl Happening {
    fn is(&self, turns: bool) -> bool {
        !turns || self.turn.is_turning_point()
    }
}

impl Node {
    fn new(at: Instant) -> Self {
        let spell = Spell { step: 0, from: at, role: Role::Silent, term: Term(0) };
        Self { seen: VecDeque::new(), spells: [spell].into(), heard_at: None, missed: 0 }
    }

    /// What it is now.
    fn spell(&self) -> &Spell {
        self.spells.back().expect("a node begins with a spell, and the newest is kept")
    }

    /// What it was at a moment.
    fn spell_at(&self, at: Instant) -> &Spell {
        let begun = self.spells.partition_point(|spell| spell.from <= at);
        &self.spells[begun.saturating_sub(1)]
    }

    /// How it showed itself at a moment, or last before it.
    fn at(&self, at: Instant) -> Option<&Seen> {
        let shown = self.seen.partition_point(|seen| seen.at <= at);
        self.seen.get(shown.checked_sub(1)?)
    }

    /// Keeps a moment, if it is not as the one before.
    fn keep(&mut self, seen: Seen) {
        if let Some(last) = self.seen.back_mut() {
            let is_near = seen.at - last.at < SEEN_INTERVAL && seen.stands_as(last);
            if is_near || seen.is_as(last) {
                *last = Seen { at: last.at, ..seen };
                return;
            }
        }
        let members = self.seen.back().map(|last| &last.members);
        let members = members.filter(|members| **members == seen.members).cloned();
        self.seen.push_back(Seen { members: members.unwrap_or(seen.members.clone()), ..seen });
        bound(&mut self.seen, SEEN_MAX);
    }
}

impl Seen {
    fn of(at: Instant, sighting: &Sighting) -> Self {
        let status = sighting.status.clone();
        Self {
            at,
            role: status.role,
            term: status.term,
            leader: status.leader,
            last: status.last_index,
            durable: status.durable_index,
            commit: status.commit_index,
            applied: status.applied_index,
            snapshot: status.snapshot_index,
            keys: status.keys,
            members: Rc::new(status.configuration),
            followers: status.followers,
            tail: sighting.tail.clone(),
        }
    }

    /// The term of an entry, if it was shown.
    fn term_at(&self, index: Index) -> Option<Term> {
        let from_end = self.last.0.checked_sub(index.0)?;
        self.tail.iter().rev().nth(usize::try_from(from_end).ok()?).copied()
    }

    fn stands_as(&self, other: &Self) -> bool {
        (self.role, self.term, self.leader) == (other.role, other.term, other.leader)
    }

    /// Whether nothing has changed but for how long nothing has.
    fn is_as(&self, other: &Self) -> bool {
        let logs =
            |seen: &Self| (seen.last, seen.durable, seen.commit, seen.applied, seen.snapshot);
        let has = |seen: &Self| seen.followers.iter().map(|f| (f.node, f.match_index)).collect();
        let (these, those): (Vec<_>, Vec<_>) = (has(self), has(other));
        self.stands_as(other)
            && logs(self) == logs(other)
            && these == those
            && self.tail == other.tail
            && self.members == other.members
    }
}

fn role(name: RoleName) -> Role {
    match name {
        RoleName::Follower => Role::Follower,
        RoleName::PreCandidate => Role::PreCandidate,
        RoleName::Candidate => Role::Candidate,
        RoleName::Leader => Role::Leader,
    }
}

fn bound<T>(newest: &mut VecDeque<T>, most: usize) {
    if newest.len() > most {
        newest.pop_front();
    }
}
