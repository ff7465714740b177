//! Lies to clients.

use crate::checker::world::{Node, World, broken, set};
use raft_core::error::Error;
use raft_core::id::{Index, Ticket};
use raft_core::kv::command::Condition;
use raft_core::replica::Effects;
use raft_core::request::Reply;
use raft_sim::checker::Property;
use raft_sim::linearizability::{Call, Operation, Outcome};

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

#[test]
fn no_read_is_answered_before_all_is_applied_that_was_committed_when_it_came() {
    let mut world = World::new();
    world.commit(1, 2, &[2, 2]).unwrap();
    let answer = |ticket| Effects {
        reply: vec![(Ticket(ticket), Err(Error::NotFound))],
        ..Effects::default()
    };
    let follower = |applied| Node { commit: 2, applied, ..Node::new(2, 2, &[2, 2]) };
    world.checker.asked(Ticket(7));
    world.checker.asked(Ticket(8));
    assert_eq!(broken(world.step(follower(1), &answer(7))), Property::FreshReads);
    world.step(follower(2), &answer(8)).unwrap();
}
