//! The simulator: seeds pass, runs repeat, and the checker sees every lie it is told.

use raft_core::id::{EntryId, Epoch, Index, NodeId, Term, WriteSeq};
use raft_core::kv::command::{Command as StoreCommand, Condition, Write as StoreWrite};
use raft_core::kv::store::Store;
use raft_core::raft::HardState;
use raft_core::raft::log::Log;
use raft_core::raft::membership::{Configuration, Member};
use raft_core::raft::message::{AppendResult, Body, Entry, Message, Payload};
use raft_core::raft::progress::Progress;
use raft_core::replica::{Effects, Envelope, PeerBody};
use raft_core::time::{ClusterTime, Instant};
use raft_core::wal::{Durable, Write};
use raft_sim::checker::{Check, Checker, Property, View};
use raft_sim::{Command, Counters, Options, Sim};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Fast enough for every run of the tests; `cargo run --release -p raft-sim -- --seeds N` runs more.
const SEEDS: u64 = 600;

#[test]
fn swarm_seeds_pass() {
    let next = AtomicU64::new(0);
    let run = || {
        let mut total = Counters::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= SEEDS {
                return total;
            }
            let mut sim = Sim::new(Options::swarm(seed));
            while sim.step() {}
            assert_eq!(sim.violation().map(ToString::to_string), None);
            total.add(sim.counters());
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let mut total = Counters::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(run)).collect();
        for worker in workers {
            total.add(&worker.join().expect("every seed passes"));
        }
    });
    // A run in which nothing happens proves nothing.
    assert!(total.elections > SEEDS && total.commits > 10 * SEEDS, "{total:?}");
    assert!(total.crashes > SEEDS && total.torn_tails > SEEDS / 10, "{total:?}");
    assert!(total.snapshots_taken > SEEDS && total.snapshots_installed > SEEDS / 10, "{total:?}");
    assert!(total.lost > SEEDS && total.operations > 10 * SEEDS, "{total:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..20 {
        let run = || {
            let mut sim = Sim::new(Options::swarm(seed));
            while sim.step() {}
            (sim.trace_hash(), sim.counters().clone())
        };
        assert_eq!(run(), run(), "seed {seed}");
    }
}

#[test]
fn another_seed_is_another_run() {
    let hash = |seed| {
        let mut sim = Sim::new(Options::playground(seed, 3));
        sim.run_until(Instant(20_000_000));
        sim.trace_hash()
    };
    assert_ne!(hash(1), hash(2));
}

#[test]
fn a_clone_goes_on_as_the_original() {
    let mut original = Sim::new(Options::swarm(7));
    for _ in 0..2_000 {
        original.step();
    }
    let mut clone = original.clone();
    while original.step() {}
    while clone.step() {}
    assert_eq!(original.trace_hash(), clone.trace_hash());
    assert_eq!(original.counters(), clone.counters());
}

#[test]
fn reading_the_trace_does_not_change_the_run() {
    let hash = |keep| {
        let mut sim = Sim::new(Options::swarm(3));
        sim.keep_trace(keep);
        while sim.step() {}
        sim.trace_hash()
    };
    assert_eq!(hash(true), hash(false));
}

#[test]
fn a_calm_cluster_elects_once_and_keeps_its_leader() {
    for seed in 0..20 {
        let mut sim = Sim::new(Options::playground(seed, 5));
        sim.run_until(Instant(120_000_000));
        assert_eq!(sim.violation(), None);
        let leaders: Vec<Term> = sim
            .nodes()
            .filter_map(|node| node.replica())
            .filter(|replica| replica.raft().leader() == Some(replica.raft().id()))
            .map(|replica| replica.raft().term())
            .collect();
        // Split votes may cost a term or two; a working leader is never deposed.
        assert_eq!(sim.counters().elections, 1, "seed {seed}");
        assert!(leaders.len() == 1 && leaders[0] <= Term(3), "seed {seed}: {leaders:?}");
    }
}

#[test]
fn a_person_can_break_and_mend_a_cluster() {
    let mut sim = Sim::new(Options::playground(1, 3));
    let seconds = |sim: &mut Sim, n| sim.run_until(sim.now() + Duration::from_secs(n));
    let key = || b"name".as_slice().into();
    seconds(&mut sim, 20);
    sim.command(Command::Write { key: key(), value: b"Alice".as_slice().into() });
    sim.command(Command::CrashLeader);
    seconds(&mut sim, 40);
    assert_eq!(sim.counters().elections, 2);
    sim.command(Command::RestartAll);
    sim.command(Command::Read { key: key() });
    seconds(&mut sim, 40);
    assert!(
        sim.history().iter().all(|operation| operation.result.is_some()),
        "{:?}",
        sim.history()
    );
    assert_eq!(sim.history().len(), 2);
    assert_eq!(sim.violation(), None);
}

#[test]
fn a_cluster_that_is_not_well_in_time_is_reported() {
    let mut options = Options::swarm(1);
    options.faults.as_mut().expect("a swarm has faults").healing_max = Duration::from_micros(1);
    let mut sim = Sim::new(options);
    while sim.step() {}
    assert_eq!(sim.violation().map(|violation| violation.property), Some(Property::Liveness));
}

#[test]
fn no_two_leaders_in_one_term() {
    let mut world = World::new();
    world.leader(1, 5, &[1]).unwrap();
    assert_eq!(broken(world.leader(2, 5, &[1])), Property::ElectionSafety);
}

#[test]
fn a_leader_does_not_change_its_log() {
    let mut world = World::new();
    world.leader(1, 5, &[1, 5]).unwrap();
    assert_eq!(broken(world.leader(1, 5, &[1])), Property::LeaderAppendOnly);
}

#[test]
fn one_index_and_term_is_one_entry() {
    let mut world = World::new();
    world.look(Node::new(1, 1, &[1, 1])).unwrap();
    // Another entry 1, and so another log before the same entry 2.
    let mut other = Node::new(2, 1, &[1, 1]);
    other.entries[0].payload = Payload::Command("other".into());
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
    assert_eq!(broken(world.commit(1, 4, &[2])), Property::LeaderCompleteness);
}

#[test]
fn no_two_entries_are_committed_at_one_index() {
    let mut world = World::new();
    world.commit(1, 2, &[2, 2]).unwrap();
    let other = Node { commit: 1, ..Node::new(3, 3, &[1]) };
    assert_eq!(broken(world.look(other)), Property::StateMachineSafety);
}

#[test]
fn no_two_states_at_one_index() {
    let mut world = World::new();
    world.commit(1, 2, &[2]).unwrap();
    let applied = Node { commit: 1, applied: 1, ..Node::new(2, 2, &[2]) };
    world.look(applied.clone()).unwrap();
    let mut store = Store::default();
    let write = StoreWrite::Set { key: "k".into(), value: "v".into(), condition: Condition::Any };
    let command = StoreCommand { session: None, write };
    let _ = store.apply(Index(1), &command, &raft_core::config::Limits::default());
    let other = Node { id: 3, store, ..applied };
    assert_eq!(broken(world.look(other)), Property::StateMachineSafety);
}

#[test]
fn no_commit_without_a_quorum_of_disks() {
    let mut world = World::new();
    // One disk of three has the entry.
    world.sync(1, 2, &[2]);
    let leader = Node { commit: 1, leads: true, ..Node::new(1, 2, &[2]) };
    assert_eq!(broken(world.look(leader)), Property::Durability);
}

#[test]
fn terms_do_not_fall() {
    let mut world = World::new();
    world.look(Node::new(1, 5, &[])).unwrap();
    assert_eq!(broken(world.look(Node::new(1, 4, &[]))), Property::Monotonicity);
}

#[test]
fn no_vote_is_given_before_it_is_on_disk() {
    let mut world = World::new();
    let vote = Body::RequestVoteReply { campaign: Term(3), pre_vote: false, refused: None };
    assert_eq!(broken(world.say(1, 3, vote.clone())), Property::Durability);
    world.sync(1, 3, &[]);
    // The term is durable, the vote is another's.
    assert_eq!(broken(world.say(1, 3, vote)), Property::Durability);
}

#[test]
fn no_entry_is_acknowledged_before_it_is_on_disk() {
    let mut world = World::new();
    world.sync(1, 3, &[3]);
    let matched = |match_index| Body::AppendEntriesReply {
        epoch: Epoch(1),
        round: raft_core::id::Round(1),
        result: AppendResult::Matched { match_index: Index(match_index) },
    };
    world.say(1, 3, matched(1)).unwrap();
    assert_eq!(broken(world.say(1, 3, matched(2))), Property::Durability);
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
    assert_eq!(broken(world.checker.started(NodeId(1), &found(&[3]))), Property::Durability);
}

fn broken(check: Check) -> Property {
    check.expect_err("the checker believed a lie").property
}

fn entry(term: u64) -> Entry {
    Entry { term: Term(term), time: ClusterTime(0), payload: Payload::Noop }
}

/// What a test says of a node.
#[derive(Clone)]
struct Node {
    id: u64,
    term: u64,
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
}

impl World {
    fn new() -> Self {
        let member = |id| Member {
            id: NodeId(id),
            address: format!("node-{id}:8000"),
            incarnation: raft_core::id::Incarnation::UNKNOWN,
        };
        let members: Vec<Member> = (1..=3).map(member).collect();
        Self { checker: Checker::default(), configuration: Configuration::founding(&members) }
    }

    fn look(&mut self, node: Node) -> Check {
        self.step(node, &Effects::default())
    }

    /// Node `id` leads `term` with a log of these terms.
    fn leader(&mut self, id: u64, term: u64, terms: &[u64]) -> Check {
        self.look(Node { leads: true, ..Node::new(id, term, terms) })
    }

    /// Every disk has the log, and node `id`, which leads, commits all of it.
    fn commit(&mut self, id: u64, term: u64, terms: &[u64]) -> Check {
        for node in 1..=3 {
            self.sync(node, term, terms);
        }
        self.leader(id, term, terms)?;
        let commit = terms.len() as u64;
        self.look(Node { leads: true, commit, ..Node::new(id, term, terms) })
    }

    /// Node `id` writes term, a vote for itself and a whole log, and its disk syncs them.
    fn sync(&mut self, id: u64, term: u64, terms: &[u64]) {
        let write = Write {
            seq: WriteSeq(1),
            hard_state: Some(HardState { term: Term(term), vote: Some(NodeId(id)) }),
            first: Index(1),
            entries: terms.iter().map(|term| entry(*term)).collect(),
            ..Write::default()
        };
        let effects = Effects { write: Some(write), ..Effects::default() };
        self.step(Node::new(id, term, terms), &effects).unwrap();
        self.checker.synced(NodeId(id), WriteSeq(1)).unwrap();
    }

    /// Node `id`, in `term`, sends this to node 2.
    fn say(&mut self, id: u64, term: u64, body: Body) -> Check {
        let message = Message { term: Term(term), body };
        let envelope = Envelope { from: NodeId(id), to: NodeId(2), body: PeerBody::Raft(message) };
        let effects = Effects { send: vec![envelope], ..Effects::default() };
        self.step(Node::new(id, term, &[]), &effects)
    }

    fn step(&mut self, node: Node, effects: &Effects) -> Check {
        let followers = BTreeMap::<NodeId, Progress>::new();
        // Nothing in these logs is durable as far as the node itself says.
        let mut log = Log::restore(EntryId::default(), Vec::new());
        for entry in node.entries {
            log.append(entry);
        }
        self.checker.stepped(
            &View {
                node: NodeId(node.id),
                term: Term(node.term),
                vote: Some(NodeId(node.id)),
                leads: node.leads.then_some(&followers),
                commit: Index(node.commit),
                applied: Index(node.applied),
                snapshot: EntryId::default(),
                configuration: &self.configuration,
                log: &log,
                store: &node.store,
            },
            effects,
        )
    }
}
