//! A cluster of three nodes as it is told to the checker: truths, among which a test puts its lie.

use raft_core::config::Limits;
use raft_core::id::{EntryId, Incarnation, Index, NodeId, Term, WriteSeq};
use raft_core::kv::command::{Command, Condition, Write as StoreWrite};
use raft_core::kv::store::Store;
use raft_core::raft::HardState;
use raft_core::raft::log::Log;
use raft_core::raft::membership::{Configuration, Member};
use raft_core::raft::message::{Body, Entry, Message, Payload};
use raft_core::raft::progress::Progress;
use raft_core::replica::{Effects, Envelope, PeerBody};
use raft_core::time::ClusterTime;
use raft_core::vec_map::{VecMap, VecSet};
use raft_core::wal::{Durable, Write};
use raft_sim::Sometimes;
use raft_sim::checker::{Check, Checker, Property, View};
use std::collections::BTreeMap;

pub(crate) fn broken(check: Check) -> Property {
    check.expect_err("the checker believed a lie").property
}

pub(crate) fn entry(term: u64) -> Entry {
    Entry { term: Term(term), time: ClusterTime(0), payload: Payload::Noop }
}

pub(crate) fn configuration(term: u64, configuration: &Configuration) -> Entry {
    Entry { payload: Payload::Configuration(Box::new(configuration.clone())), ..entry(term) }
}

pub(crate) fn voters(ids: &[u64]) -> Configuration {
    let voters: VecSet<NodeId> = ids.iter().copied().map(NodeId).collect();
    Configuration { voters, ..Configuration::default() }
}

pub(crate) fn set(key: &'static str, value: &'static str) -> Payload {
    let write = StoreWrite::Set { key: key.into(), value: value.into(), condition: Condition::Any };
    Payload::Command(postcard::to_allocvec(&Command { session: None, write }).unwrap().into())
}

/// What a test says of a node.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) id: u64,
    pub(crate) term: u64,
    pub(crate) vote: u64,
    pub(crate) entries: Vec<Entry>,
    pub(crate) leads: bool,
    pub(crate) commit: u64,
    pub(crate) applied: u64,
    pub(crate) store: Store,
    pub(crate) snapshot: EntryId,
    /// It takes all of its log to be durable.
    pub(crate) durable: bool,
}

impl Node {
    /// A follower whose log has entries of these terms.
    pub(crate) fn new(id: u64, term: u64, terms: &[u64]) -> Self {
        Self {
            id,
            term,
            vote: id,
            entries: terms.iter().map(|term| entry(*term)).collect(),
            leads: false,
            commit: 0,
            applied: 0,
            store: Store::default(),
            snapshot: EntryId::default(),
            durable: false,
        }
    }
}

/// Three nodes, as far as tests tell the checker of them.
pub(crate) struct World {
    pub(crate) checker: Checker,
    pub(crate) configuration: Configuration,
    pub(crate) followers: VecMap<NodeId, Progress>,
    limits: Limits,
    /// Every node as it was shown last.
    nodes: BTreeMap<u64, Node>,
    writes: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let member = |id| Member {
            id: NodeId(id),
            address: format!("node-{id}:8000"),
            incarnation: Incarnation::UNKNOWN,
        };
        let members: Vec<Member> = (1..=3).map(member).collect();
        let configuration = Configuration::founding(&members);
        let mut world = Self {
            checker: Checker::new(configuration.clone(), limits.clone()),
            limits,
            configuration,
            followers: VecMap::new(),
            nodes: (1..=3).map(|id| (id, Node::new(id, 0, &[]))).collect(),
            writes: 0,
        };
        world.found();
        world
    }

    /// Begins anew, with what the configuration has been made into meanwhile.
    pub(crate) fn found(&mut self) {
        self.checker = Checker::new(self.configuration.clone(), self.limits.clone());
        (1..=3).for_each(|id| self.checker.wiped(NodeId(id), Incarnation(id)));
    }

    pub(crate) fn look(&mut self, node: Node) -> Check {
        self.step(node, &Effects::default())
    }

    /// Node `id` gets the votes of all and leads `term` with a log of these terms.
    pub(crate) fn leader(&mut self, id: u64, term: u64, terms: &[u64]) -> Check {
        for voter in (1..=3).filter(|voter| *voter != id) {
            self.vote(voter, id, term)?;
        }
        self.write(id, term, id, Vec::new());
        self.look(Node { leads: true, ..Node::new(id, term, terms) })
    }

    /// A node gives another its vote.
    pub(crate) fn vote(&mut self, voter: u64, candidate: u64, term: u64) -> Check {
        self.vote_for_life(voter, candidate, Incarnation(candidate), term)
    }

    /// The same, and names the life that asked.
    pub(crate) fn vote_for_life(
        &mut self,
        voter: u64,
        candidate: u64,
        life: Incarnation,
        term: u64,
    ) -> Check {
        self.write(voter, term, candidate, Vec::new());
        let node = Node { term, vote: candidate, leads: false, ..self.nodes[&voter].clone() };
        let campaign = Term(term);
        let body = Body::RequestVoteReply { campaign, pre_vote: false, life, refused: None };
        self.step(node, &sends(voter, candidate, term, body))
    }

    /// Every disk has the log, and node `id`, which leads, commits all of it.
    pub(crate) fn commit(&mut self, id: u64, term: u64, terms: &[u64]) -> Check {
        self.leader(id, term, terms)?;
        for node in 1..=3 {
            let entries = terms.iter().map(|term| entry(*term)).collect();
            self.write(node, term, id, entries);
        }
        let commit = terms.len() as u64;
        self.look(Node { leads: true, commit, ..Node::new(id, term, terms) })
    }

    /// The same with a log of these commands, all of term `term`.
    pub(crate) fn commit_all(&mut self, id: u64, term: u64, log: &[Payload]) -> Check {
        self.leader(id, term, &[])?;
        let entry = |payload: &Payload| Entry { payload: payload.clone(), ..entry(term) };
        let entries: Vec<Entry> = log.iter().map(entry).collect();
        for node in 1..=3 {
            self.write(node, term, id, entries.clone());
        }
        let commit = entries.len() as u64;
        self.look(Node { leads: true, commit, entries, ..Node::new(id, term, &[]) })
    }

    /// Node `id` writes term, its vote, for itself if it has none, and a whole log, and its disk syncs them.
    pub(crate) fn sync(&mut self, id: u64, term: u64, terms: &[u64]) {
        let before = &self.nodes[&id];
        let vote = if before.term == term { before.vote } else { id };
        self.write(id, term, vote, terms.iter().map(|term| entry(*term)).collect());
    }

    pub(crate) fn write(&mut self, id: u64, term: u64, vote: u64, entries: Vec<Entry>) {
        self.writes += 1;
        let seq = WriteSeq(self.writes);
        let hard_state = Some(HardState { term: Term(term), vote: Some(NodeId(vote)) });
        let write = Write { seq, hard_state, first: Index(1), entries, ..Write::default() };
        let effects = Effects { write: Some(write), ..Effects::default() };
        let node = self.nodes[&id].clone();
        let leads = node.leads && node.term == term;
        self.step(Node { term, vote, leads, ..node }, &effects).unwrap();
        self.checker.synced(NodeId(id), seq).unwrap();
    }

    /// The same of a node whose vote is to be as the test says.
    pub(crate) fn look_as(&mut self, node: Node) -> Check {
        let log = log(&node);
        let view = view(&node, &log, &self.configuration, &self.followers);
        self.checker.stepped(&view, &Effects::default(), &mut Sometimes::default())
    }

    /// Node `id`, in `term`, sends this to node 2.
    pub(crate) fn say(&mut self, id: u64, term: u64, body: Body) -> Check {
        self.says(Node::new(id, term, &[]), body)
    }

    pub(crate) fn says(&mut self, node: Node, body: Body) -> Check {
        let effects = sends(node.id, 2, node.term, body);
        self.step(node, &effects)
    }

    /// Node `id` hands a write to its disk, which does not sync it.
    pub(crate) fn hand_to_disk(&mut self, id: u64) -> Check {
        self.writes += 1;
        let write = Write { seq: WriteSeq(self.writes), ..Write::default() };
        let effects = Effects { write: Some(write), ..Effects::default() };
        self.step(self.nodes[&id].clone(), &effects)
    }

    /// A last look at a node and its disk.
    pub(crate) fn whole(&mut self, node: Node, disk: &[u64]) -> Check {
        let node = Node { vote: self.nodes[&node.id].vote, ..node };
        let hard_state = HardState { term: Term(node.term), vote: Some(NodeId(node.vote)) };
        let entries = disk.iter().map(|term| entry(*term)).collect();
        let found = Durable { hard_state, snapshot: None, entries };
        let log = log(&node);
        self.checker.check_whole(&view(&node, &log, &self.configuration, &self.followers), &found)
    }

    pub(crate) fn step(&mut self, mut node: Node, effects: &Effects) -> Check {
        let before = &self.nodes[&node.id];
        if before.term == node.term {
            node.vote = before.vote;
        }
        let log = log(&node);
        let view = view(&node, &log, &self.configuration, &self.followers);
        self.checker.stepped(&view, effects, &mut Sometimes::default())?;
        self.nodes.insert(node.id, node);
        Ok(())
    }
}

pub(crate) fn sends(from: u64, to: u64, term: u64, body: Body) -> Effects {
    let body = PeerBody::Raft(Message { term: Term(term), body });
    let (from, to, incarnation) = (NodeId(from), NodeId(to), Incarnation(from));
    Effects { send: vec![Envelope { from, incarnation, to, body }], ..Effects::default() }
}

/// Nothing in a log is durable as far as the node itself says, or all of it.
fn log(node: &Node) -> Log {
    if node.durable {
        return Log::restore(EntryId::default(), node.entries.clone());
    }
    let mut log = Log::restore(EntryId::default(), Vec::new());
    node.entries.iter().cloned().for_each(|entry| _ = log.append(entry));
    log
}

fn view<'a>(
    node: &'a Node,
    log: &'a Log,
    configuration: &'a Configuration,
    followers: &'a VecMap<NodeId, Progress>,
) -> View<'a> {
    View {
        node: NodeId(node.id),
        term: Term(node.term),
        vote: Some(NodeId(node.vote)),
        leads: node.leads.then_some(followers),
        commit: Index(node.commit),
        applied: Index(node.applied),
        snapshot: node.snapshot,
        disk_is_full: false,
        configuration,
        log,
        store: &node.store,
    }
}
