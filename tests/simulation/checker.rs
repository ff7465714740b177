//! The checker sees every lie it is told: each test tells it one, among truths. Here those about elections,
//! logs and disks.

#[path = "checker/bounds.rs"]
mod bounds;
#[path = "checker/clients.rs"]
mod clients;
#[path = "checker/members.rs"]
mod members;
#[path = "checker/world.rs"]
mod world;

use crate::checker::world::{Node, World, broken, entry, set};
use raft_core::config::Limits;
use raft_core::id::{EntryId, Epoch, Incarnation, Index, NodeId, Round, Term};
use raft_core::kv::command::{Command, Condition, Write as StoreWrite};
use raft_core::kv::store::Store;
use raft_core::raft::HardState;
use raft_core::raft::message::{AppendResult, Body};
use raft_core::raft::progress::Progress;
use raft_core::wal::Durable;
use raft_sim::checker::Property;

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
    let (campaign, life) = (Term(3), Incarnation::UNKNOWN);
    let vote = Body::RequestVoteReply { campaign, pre_vote: false, life, refused: None };
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
fn indexes_do_not_fall() {
    let mut world = World::new();
    world.commit(1, 2, &[2, 2]).unwrap();
    world.look(Node { commit: 2, applied: 2, ..Node::new(2, 2, &[2, 2]) }).unwrap();
    for fallen in [(1, 1), (2, 1)] {
        let (commit, applied) = fallen;
        let node = Node { commit, applied, ..Node::new(2, 2, &[2, 2]) };
        assert_eq!(broken(world.look(node)), Property::Monotonicity, "{fallen:?}");
    }
}

#[test]
fn a_vote_is_not_taken_back() {
    let mut world = World::new();
    world.vote(2, 3, 5).unwrap();
    assert_eq!(
        broken(world.look_as(Node { vote: 1, ..Node::new(2, 5, &[]) })),
        Property::Monotonicity
    );
}

#[test]
fn no_node_speaks_in_a_term_that_its_disk_does_not_know() {
    let mut world = World::new();
    world.sync(1, 3, &[]);
    let ask = Body::ReadIndex { number: 1 };
    world.say(1, 3, ask.clone()).unwrap();
    assert_eq!(broken(world.say(1, 4, ask)), Property::DurablePromises);
}

#[test]
fn no_candidate_asks_for_votes_before_its_own_is_on_disk() {
    let mut world = World::new();
    world.vote(1, 3, 5).unwrap();
    let last = EntryId::default();
    let ask = Body::RequestVote { campaign: Term(5), pre_vote: false, transfer: false, last };
    // It is in the term, but its vote there is another's.
    assert_eq!(broken(world.say(1, 5, ask)), Property::DurablePromises);
}

#[test]
fn nothing_is_taken_to_be_durable_that_is_not() {
    let mut world = World::new();
    world.sync(1, 3, &[3]);
    world.look(Node { durable: true, ..Node::new(1, 3, &[3]) }).unwrap();
    let more = Node { durable: true, ..Node::new(1, 3, &[3, 3]) };
    assert_eq!(broken(world.look(more)), Property::DurablePromises);
}

#[test]
fn no_leader_sends_a_follower_what_it_has() {
    let mut world = World::new();
    world.leader(1, 2, &[2]).unwrap();
    world.sync(2, 2, &[2]);
    let mut progress = Progress::new(Epoch(1), Incarnation::UNKNOWN, Index(1));
    progress.matched(Index(1), Round(1));
    progress.next_index = Index(1);
    world.followers.insert(NodeId(2), progress);
    let leader = Node { leads: true, ..Node::new(1, 2, &[2]) };
    assert_eq!(broken(world.look(leader)), Property::HonestProgress);
}
