//! The checker sees every lie it is told: each test tells it one, among truths.

use raft_core::config::Limits;
use raft_core::id::{EntryId, Epoch, Incarnation, Index, NodeId, Round, Term, Ticket, WriteSeq};
use raft_core::kv::command::{Command, Condition, Write as StoreWrite};
use raft_core::kv::store::Store;
use raft_core::raft::HardState;
use raft_core::raft::log::Log;
use raft_core::raft::membership::{Configuration, Member};
use raft_core::raft::message::{AppendResult, Body, Entry, Message, Payload};
use raft_core::raft::progress::Progress;
use raft_core::replica::{Effects, Envelope, PeerBody};
use raft_core::request::Reply;
use raft_core::time::ClusterTime;
use raft_core::wal::{Durable, Write};
use raft_sim::Sometimes;
use raft_sim::checker::{Check, Checker, Property, View};
use raft_sim::linearizability::{Call, Operation, Outcome};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn no_two_leaders_in_one_term() {
    let mut world = World::new();
    world.leader(1, 5, &[1]).unwrap();
    assert_eq!(
        broken(world.look(Node { leads: true, ..Node::new(2, 5, &[1]) })),
        Property::ElectionSafety
    );
}

#[test]
fn no_leader_without_the_votes_of_a_quorum() {
    let mut world = World::new();
    world.sync(1, 5, &[1]);
    world.vote(2, 3, 5).unwrap();
    assert_eq!(
        broken(world.look(Node { leads: true, ..Node::new(1, 5, &[1]) })),
        Property::ElectionSafety
    );
}

#[test]
fn a_leader_does_not_change_its_log() {
    let mut world = World::new();
    world.leader(1, 5, &[1, 5]).unwrap();
    assert_eq!(
        broken(world.look(Node { leads: true, ..Node::new(1, 5, &[1]) })),
        Property::LeaderAppendOnly
    );
}

#[test]
fn one_index_and_term_is_one_entry() {
    let mut world = World::new();
    world.look(Node::new(1, 1, &[1, 1])).unwrap();
    // Another entry 1, and so another log before the same entry 2.
    let mut other = Node::new(2, 1, &[1, 1]);
    other.entries[0].payload = set("k", "other");
    assert_eq!(broken(world.look(other)), Property::LogMatching);
}

#[test]
fn a_new_leader_has_all_that_was_committed_before() {
    let mut world = World::new();
    world.commit(1, 2, &[2, 2]).unwrap();
    assert_eq!(broken(world.leader(3, 3, &[2])), Property::LeaderCompleteness);
}

#[test]
fn no_leader_commits_an_old_entry_by_counting() {
    let mut world = World::new();
    assert_eq!(broken(world.commit(1, 4, &[2])), Property::CommitRule);
}

#[test]
fn no_two_entries_are_committed_at_one_index() {
    let mut world = World::new();
    world.commit(1, 2, &[2, 2]).unwrap();
    let other = Node { commit: 1, ..Node::new(3, 3, &[1]) };
    assert_eq!(broken(world.look(other)), Property::StateMachineSafety);
}

#[test]
fn no_state_but_that_of_the_log() {
    let mut world = World::new();
    world.commit(1, 2, &[2]).unwrap();
    let applied = Node { commit: 1, applied: 1, ..Node::new(2, 2, &[2]) };
    world.look(applied.clone()).unwrap();
    let mut store = Store::default();
    let write = StoreWrite::Set { key: "k".into(), value: "v".into(), condition: Condition::Any };
    let _ = store.apply(Index(1), &Command { session: None, write }, &Limits::default());
    let other = Node { id: 3, vote: 3, store, ..applied };
    assert_eq!(broken(world.look(other)), Property::StateMachineSafety);
}

#[test]
fn no_commit_without_a_quorum_of_disks() {
    let mut world = World::new();
    world.leader(1, 2, &[2]).unwrap();
    // One disk of three has the entry.
    world.sync(1, 2, &[2]);
    let leader = Node { commit: 1, leads: true, ..Node::new(1, 2, &[2]) };
    assert_eq!(broken(world.look(leader)), Property::DurableQuorum);
}

#[test]
fn terms_do_not_fall() {
    let mut world = World::new();
    world.look(Node::new(1, 5, &[])).unwrap();
    assert_eq!(broken(world.look(Node::new(1, 4, &[]))), Property::Monotonicity);
}

#[test]
fn nothing_is_applied_that_is_not_committed() {
    let mut world = World::new();
    assert_eq!(broken(world.look(Node { applied: 1, ..Node::new(1, 5, &[5]) })), Property::Order);
}

#[test]
fn no_vote_is_given_before_it_is_on_disk() {
    let mut world = World::new();
    let vote = Body::RequestVoteReply { campaign: Term(3), pre_vote: false, refused: None };
    assert_eq!(broken(world.say(1, 3, vote.clone())), Property::DurablePromises);
    world.sync(1, 3, &[]);
    // The term is durable, the vote is another's.
    assert_eq!(broken(world.say(1, 3, vote)), Property::DurablePromises);
}

#[test]
fn no_entry_is_acknowledged_before_it_is_on_disk() {
    let mut world = World::new();
    world.sync(1, 3, &[3]);
    let matched = |match_index| Body::AppendEntriesReply {
        epoch: Epoch(1),
        round: Round(1),
        result: AppendResult::Matched { match_index: Index(match_index) },
    };
    world.say(1, 3, matched(1)).unwrap();
    assert_eq!(broken(world.say(1, 3, matched(2))), Property::DurablePromises);
}

#[test]
fn no_answer_speaks_of_what_is_not_applied() {
    let mut world = World::new();
    world.commit(1, 2, &[2]).unwrap();
    let reply = Reply::Written { revision: Index(1), existed: false, copies: None };
    let effects = Effects { reply: vec![(Ticket(1), Ok(reply))], ..Effects::default() };
    let leader = Node { commit: 1, leads: true, ..Node::new(1, 2, &[2]) };
    assert_eq!(broken(world.step(leader.clone(), &effects)), Property::DurablePromises);
    world.step(Node { applied: 1, ..leader }, &effects).unwrap();
}

#[test]
fn what_was_synced_comes_back() {
    let mut world = World::new();
    world.sync(1, 3, &[3, 3]);
    let found = |entries: &[u64]| Durable {
        hard_state: HardState { term: Term(3), vote: Some(NodeId(1)) },
        snapshot: None,
        entries: entries.iter().map(|term| entry(*term)).collect(),
    };
    let started = world.checker.started(NodeId(1), &found(&[3]));
    assert_eq!(broken(started.map(drop)), Property::Recovery);
}

#[test]
fn no_leader_believes_more_than_is_on_a_disk() {
    let mut world = World::new();
    world.leader(1, 2, &[2, 2]).unwrap();
    world.sync(2, 2, &[2]);
    let mut progress = Progress::new(Epoch(1), Incarnation::UNKNOWN, Index(2));
    progress.matched(Index(1), Round(1));
    world.followers.insert(NodeId(2), progress.clone());
    let leader = Node { leads: true, ..Node::new(1, 2, &[2, 2]) };
    world.look(leader.clone()).unwrap();
    progress.matched(Index(2), Round(2));
    world.followers.insert(NodeId(2), progress);
    assert_eq!(broken(world.look(leader)), Property::HonestProgress);
}

#[test]
fn no_more_goes_into_a_message_than_the_limits_say() {
    let mut world = World::new();
    world.sync(1, 3, &[]);
    let entries = vec![entry(3); Limits::default().append_entries_max + 1];
    let (epoch, round) = (Epoch(1), Round(1));
    let (prev, commit) = (EntryId::default(), Index(0));
    let append = Body::AppendEntries { epoch, round, prev, commit, entries };
    assert_eq!(broken(world.say(1, 3, append)), Property::Bounds);
}

#[test]
fn a_node_acts_by_the_latest_configuration_in_its_log() {
    let mut world = World::new();
    let next = voters(&[1, 2, 3, 4]);
    let log = || vec![entry(5), configuration(5, &next)];
    let node = Node { entries: log(), ..Node::new(1, 5, &[]) };
    assert_eq!(broken(world.look(node.clone())), Property::Membership);
    let mut world = World::new();
    world.configuration.clone_from(&next);
    world.look(node).unwrap();
}

#[test]
fn no_configuration_is_proposed_before_the_one_before_is_committed() {
    let mut world = World::new();
    let (next, after) = (voters(&[1, 2, 3, 4]), voters(&[1, 2, 3, 4, 5]));
    world.commit(1, 5, &[5]).unwrap();
    let mut leader = Node { leads: true, commit: 1, ..Node::new(1, 5, &[5]) };
    leader.entries.push(configuration(5, &next));
    world.configuration = next;
    world.look(leader.clone()).unwrap();
    leader.entries.push(configuration(5, &after));
    world.configuration = after;
    assert_eq!(broken(world.look(leader)), Property::Membership);
}

#[test]
fn no_configuration_is_proposed_by_a_leader_that_has_committed_nothing() {
    let mut world = World::new();
    let next = voters(&[1, 2, 3, 4]);
    world.leader(1, 5, &[5]).unwrap();
    let mut leader = Node { leads: true, ..Node::new(1, 5, &[5]) };
    leader.entries.push(configuration(5, &next));
    world.configuration = next;
    assert_eq!(broken(world.look(leader)), Property::Membership);
}

#[test]
fn quorums_before_and_after_a_change_overlap() {
    for (next, may) in
        [(voters(&[1, 2]), true), (voters(&[1, 4]), false), (voters(&[3, 4, 5]), false)]
    {
        let mut world = World::new();
        world.commit(1, 5, &[5]).unwrap();
        let mut leader = Node { leads: true, commit: 1, ..Node::new(1, 5, &[5]) };
        leader.entries.push(configuration(5, &next));
        world.configuration.clone_from(&next);
        let check = world.look(leader);
        assert_eq!(check.is_ok(), may, "{next}");
        assert!(may || broken(check) == Property::Membership);
    }
}

#[test]
fn no_read_misses_what_was_acknowledged_before_it() {
    let mut world = World::new();
    let log = [set("k", "old"), set("k", "new"), set("other", "x")];
    world.commit_all(1, 2, &log).unwrap();
    let read = |value: &'static str, revision| Operation {
        client: 1,
        key: "k".into(),
        call: Call::Get,
        invoked: 10,
        returned: Some(11),
        result: Some(Outcome::Value { value: value.into(), revision: Index(revision) }),
    };
    world.checker.answered(&read("new", 2), Index(2)).unwrap();
    world.checker.answered(&read("old", 1), Index(1)).unwrap();
    let nothing = Operation { result: Some(Outcome::NotFound), ..read("", 0) };
    world.checker.answered(&nothing, Index(0)).unwrap();
    for (stale, newest) in
        [(read("old", 1), 2), (read("new", 1), 1), (read("old", 2), 2), (nothing, 1)]
    {
        assert_eq!(broken(world.checker.answered(&stale, Index(newest))), Property::FreshReads);
    }
}

#[test]
fn no_write_is_acknowledged_that_is_not_in_the_log() {
    let mut world = World::new();
    world.commit_all(1, 2, &[set("k", "v")]).unwrap();
    let written = |value: &'static str, existed| Operation {
        client: 1,
        key: "k".into(),
        call: Call::Set { value: value.into(), condition: Condition::Any },
        invoked: 10,
        returned: Some(11),
        result: Some(Outcome::Written { revision: Index(1), existed }),
    };
    world.checker.answered(&written("v", false), Index(0)).unwrap();
    for lie in [written("v", true), written("w", false)] {
        assert_eq!(broken(world.checker.answered(&lie, Index(0))), Property::ExactlyOnce);
    }
}

#[test]
fn committed_entries_that_are_gone_in_the_end_are_missed() {
    let mut world = World::new();
    world.commit(1, 2, &[2, 2]).unwrap();
    let late = Node { commit: 1, applied: 1, ..Node::new(2, 2, &[2, 2]) };
    assert_eq!(broken(world.whole(late, &[2, 2])), Property::NoLoss);
    let well = Node { commit: 2, applied: 2, ..Node::new(2, 2, &[2, 2]) };
    world.whole(well, &[2, 2]).unwrap();
}

fn broken(check: Check) -> Property {
    check.expect_err("the checker believed a lie").property
}

fn entry(term: u64) -> Entry {
    Entry { term: Term(term), time: ClusterTime(0), payload: Payload::Noop }
}

fn configuration(term: u64, configuration: &Configuration) -> Entry {
    Entry { payload: Payload::Configuration(Box::new(configuration.clone())), ..entry(term) }
}

fn voters(ids: &[u64]) -> Configuration {
    let voters: BTreeSet<NodeId> = ids.iter().copied().map(NodeId).collect();
    Configuration { voters, ..Configuration::default() }
}

fn set(key: &'static str, value: &'static str) -> Payload {
    let write = StoreWrite::Set { key: key.into(), value: value.into(), condition: Condition::Any };
    Payload::Command(postcard::to_allocvec(&Command { session: None, write }).unwrap().into())
}

/// What a test says of a node.
#[derive(Clone)]
struct Node {
    id: u64,
    term: u64,
    vote: u64,
    entries: Vec<Entry>,
    leads: bool,
    commit: u64,
    applied: u64,
    store: Store,
}

impl Node {
    /// A follower whose log has entries of these terms.
    fn new(id: u64, term: u64, terms: &[u64]) -> Self {
        Self {
            id,
            term,
            vote: id,
            entries: terms.iter().map(|term| entry(*term)).collect(),
            leads: false,
            commit: 0,
            applied: 0,
            store: Store::default(),
        }
    }
}

/// Three nodes, as far as tests tell the checker of them.
struct World {
    checker: Checker,
    configuration: Configuration,
    followers: BTreeMap<NodeId, Progress>,
    /// Every node as it was shown last.
    nodes: BTreeMap<u64, Node>,
    writes: u64,
}

impl World {
    fn new() -> Self {
        let member = |id| Member {
            id: NodeId(id),
            address: format!("node-{id}:8000"),
            incarnation: Incarnation::UNKNOWN,
        };
        let members: Vec<Member> = (1..=3).map(member).collect();
        let configuration = Configuration::founding(&members);
        Self {
            checker: Checker::new(configuration.clone(), Limits::default()),
            configuration,
            followers: BTreeMap::new(),
            nodes: (1..=3).map(|id| (id, Node::new(id, 0, &[]))).collect(),
            writes: 0,
        }
    }

    fn look(&mut self, node: Node) -> Check {
        self.step(node, &Effects::default())
    }

    /// Node `id` gets the votes of all and leads `term` with a log of these terms.
    fn leader(&mut self, id: u64, term: u64, terms: &[u64]) -> Check {
        for voter in (1..=3).filter(|voter| *voter != id) {
            self.vote(voter, id, term)?;
        }
        self.write(id, term, id, Vec::new());
        self.look(Node { leads: true, ..Node::new(id, term, terms) })
    }

    /// A node gives another its vote.
    fn vote(&mut self, voter: u64, candidate: u64, term: u64) -> Check {
        self.write(voter, term, candidate, Vec::new());
        let node = Node { term, vote: candidate, leads: false, ..self.nodes[&voter].clone() };
        let campaign = Term(term);
        let body = Body::RequestVoteReply { campaign, pre_vote: false, refused: None };
        self.step(node, &sends(voter, candidate, term, body))
    }

    /// Every disk has the log, and node `id`, which leads, commits all of it.
    fn commit(&mut self, id: u64, term: u64, terms: &[u64]) -> Check {
        self.leader(id, term, terms)?;
        for node in 1..=3 {
            let entries = terms.iter().map(|term| entry(*term)).collect();
            self.write(node, term, id, entries);
        }
        let commit = terms.len() as u64;
        self.look(Node { leads: true, commit, ..Node::new(id, term, terms) })
    }

    /// The same with a log of these commands, all of term `term`.
    fn commit_all(&mut self, id: u64, term: u64, log: &[Payload]) -> Check {
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
    fn sync(&mut self, id: u64, term: u64, terms: &[u64]) {
        let before = &self.nodes[&id];
        let vote = if before.term == term { before.vote } else { id };
        self.write(id, term, vote, terms.iter().map(|term| entry(*term)).collect());
    }

    fn write(&mut self, id: u64, term: u64, vote: u64, entries: Vec<Entry>) {
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

    /// Node `id`, in `term`, sends this to node 2.
    fn say(&mut self, id: u64, term: u64, body: Body) -> Check {
        self.step(Node::new(id, term, &[]), &sends(id, 2, term, body))
    }

    /// A last look at a node and its disk.
    fn whole(&mut self, node: Node, disk: &[u64]) -> Check {
        let node = Node { vote: self.nodes[&node.id].vote, ..node };
        let hard_state = HardState { term: Term(node.term), vote: Some(NodeId(node.vote)) };
        let entries = disk.iter().map(|term| entry(*term)).collect();
        let found = Durable { hard_state, snapshot: None, entries };
        let log = log(&node);
        self.checker.check_whole(&view(&node, &log, &self.configuration, &self.followers), &found)
    }

    fn step(&mut self, mut node: Node, effects: &Effects) -> Check {
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

fn sends(from: u64, to: u64, term: u64, body: Body) -> Effects {
    let body = PeerBody::Raft(Message { term: Term(term), body });
    let (from, to, incarnation) = (NodeId(from), NodeId(to), Incarnation(from));
    Effects { send: vec![Envelope { from, incarnation, to, body }], ..Effects::default() }
}

/// Nothing in these logs is durable as far as the node itself says.
fn log(node: &Node) -> Log {
    let mut log = Log::restore(EntryId::default(), Vec::new());
    node.entries.iter().cloned().for_each(|entry| _ = log.append(entry));
    log
}

fn view<'a>(
    node: &'a Node,
    log: &'a Log,
    configuration: &'a Configuration,
    followers: &'a BTreeMap<NodeId, Progress>,
) -> View<'a> {
    View {
        node: NodeId(node.id),
        term: Term(node.term),
        vote: Some(NodeId(node.vote)),
        leads: node.leads.then_some(followers),
        commit: Index(node.commit),
        applied: Index(node.applied),
        snapshot: EntryId::default(),
        disk_is_full: false,
        configuration,
        log,
        store: &node.store,
    }
}
