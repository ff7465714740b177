//! More than there may be.

use crate::checker::world::{Node, World, broken, entry, set};
use raft_core::bytes::Bytes;
use raft_core::config::Limits;
use raft_core::id::{EntryId, Epoch, Incarnation, Index, NodeId, Round, Term};
use raft_core::raft::membership::Configuration;
use raft_core::raft::message::{Body, Entry, SnapshotMeta};
use raft_core::raft::progress::{Mode, Progress};
use raft_core::time::ClusterTime;
use raft_sim::checker::Property;

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
fn no_more_bytes_go_into_a_message_than_the_limits_say() {
    let limits = Limits { append_bytes_max: 2 * entry(3).size(), ..Limits::default() };
    let mut world = World::with(limits);
    world.sync(1, 3, &[]);
    let append = |entries| {
        let (epoch, round) = (Epoch(1), Round(1));
        let (prev, commit) = (EntryId::default(), Index(0));
        Body::AppendEntries { epoch, round, prev, commit, entries: vec![entry(3); entries] }
    };
    world.say(1, 3, append(2)).unwrap();
    assert_eq!(broken(world.say(1, 3, append(3))), Property::Bounds);
}

#[test]
fn no_more_is_under_way_to_a_follower_than_the_limits_say() {
    let limits = Limits { append_window_bytes_max: 2 * entry(2).size(), ..Limits::default() };
    let mut world = World::with(limits);
    world.leader(1, 2, &[2, 2, 2, 2]).unwrap();
    world.sync(1, 2, &[2, 2, 2, 2]);
    let mut progress = Progress::new(Epoch(1), Incarnation::UNKNOWN, Index(0));
    progress.mode = Mode::Replicate;
    world.followers.insert(NodeId(2), progress);
    let mut send = |before: u64| {
        let prev = EntryId { term: Term(2), index: Index(before) };
        let (epoch, round, commit) = (Epoch(1), Round(1), Index(0));
        let append = Body::AppendEntries { epoch, round, prev, commit, entries: vec![entry(2)] };
        let leader = Node { leads: true, ..Node::new(1, 2, &[2, 2, 2, 2]) };
        world.says(leader, append)
    };
    send(2).unwrap();
    assert_eq!(broken(send(3)), Property::Bounds);
}

#[test]
fn no_more_is_accepted_ahead_of_the_commit_than_the_limits_say() {
    let command = || Entry { payload: set("k", "v"), ..entry(2) };
    let limits = Limits { uncommitted_bytes_max: command().size(), ..Limits::default() };
    let mut world = World::with(limits);
    world.leader(1, 2, &[]).unwrap();
    let leader = |commands: usize| Node {
        leads: true,
        entries: vec![command(); commands],
        ..Node::new(1, 2, &[])
    };
    world.look(leader(2)).unwrap();
    assert_eq!(broken(world.look(leader(3))), Property::Bounds);
}

#[test]
fn no_more_writes_are_under_way_to_the_disk_than_the_limits_say() {
    let mut world = World::with(Limits { writes_max: 2, ..Limits::default() });
    world.hand_to_disk(1).unwrap();
    world.hand_to_disk(1).unwrap();
    assert_eq!(broken(world.hand_to_disk(1)), Property::Bounds);
}

#[test]
fn no_log_grows_for_ever_behind_a_snapshot() {
    let mut world = World::with(Limits { snapshot_log_entries: 1, ..Limits::default() });
    let log = [2; 6];
    world.commit(1, 2, &log).unwrap();
    let node = |snapshot, applied| Node {
        snapshot: EntryId { term: Term(2), index: Index(snapshot) },
        commit: 6,
        applied,
        ..Node::new(2, 2, &log)
    };
    world.look(node(1, 4)).unwrap();
    assert_eq!(broken(world.look(node(1, 5))), Property::Bounds);
}

#[test]
fn no_more_of_a_snapshot_goes_into_a_message_than_the_limits_say() {
    let mut world = World::with(Limits { snapshot_chunk_bytes: 4, ..Limits::default() });
    world.sync(1, 3, &[]);
    let chunk = |bytes: usize| Body::InstallSnapshot {
        epoch: Epoch(1),
        round: Round(1),
        meta: SnapshotMeta {
            last: EntryId::default(),
            time: ClusterTime(0),
            configuration: Configuration::default(),
        },
        offset: 0,
        data: Bytes::from(vec![0; bytes]),
        done: false,
    };
    world.say(1, 3, chunk(4)).unwrap();
    assert_eq!(broken(world.say(1, 3, chunk(5))), Property::Bounds);
}
