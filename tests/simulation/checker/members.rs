//! Lies about who belongs to the cluster, and whose word counts.

use crate::checker::world::{Node, World, broken, configuration, entry, voters};
use raft_core::id::{Incarnation, NodeId};
use raft_core::raft::membership::{Configuration, Goal, Member};
use raft_sim::checker::Property;

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
fn no_learner_helps_to_commit() {
    let mut world = World::new();
    world.configuration.voters.remove(&NodeId(3));
    world.configuration.learners.insert(NodeId(3), Goal::Stay);
    world.found();
    world.leader(1, 2, &[2]).unwrap();
    world.sync(1, 2, &[2]);
    world.sync(3, 2, &[2]);
    let leader = Node { commit: 1, leads: true, ..Node::new(1, 2, &[2]) };
    assert_eq!(broken(world.look(leader.clone())), Property::DurableQuorum);
    world.sync(2, 2, &[2]);
    world.look(leader).unwrap();
}

#[test]
fn no_learner_helps_to_elect() {
    let mut world = World::new();
    world.configuration.voters.remove(&NodeId(3));
    world.configuration.learners.insert(NodeId(3), Goal::Stay);
    world.found();
    world.vote(3, 1, 5).unwrap();
    world.sync(1, 5, &[1]);
    let leader = Node { leads: true, ..Node::new(1, 5, &[1]) };
    assert_eq!(broken(world.look(leader)), Property::ElectionSafety);
}

#[test]
fn no_life_that_was_not_admitted_helps_to_elect() {
    let mut world = World::new();
    for id in [1, 2, 3] {
        let member = world.configuration.members.get_mut(&NodeId(id)).expect("a founder");
        // What speaks for nodes 2 and 3 are other lives than those that were admitted.
        member.incarnation = Incarnation(if id == 1 { 1 } else { 9 });
    }
    world.found();
    assert_eq!(broken(world.leader(1, 5, &[1])), Property::ElectionSafety);
}

#[test]
fn no_vote_that_another_life_asked_for_helps_to_elect() {
    let mut world = World::new();
    world.vote_for_life(2, 1, Incarnation(9), 5).unwrap();
    world.vote_for_life(3, 1, Incarnation(9), 5).unwrap();
    world.write(1, 5, 1, Vec::new());
    let leader = Node { leads: true, ..Node::new(1, 5, &[1]) };
    assert_eq!(broken(world.look(leader)), Property::ElectionSafety);
}

#[test]
fn both_majorities_of_a_joint_configuration_commit() {
    let member = |id| Member {
        id: NodeId(id),
        address: format!("node-{id}:8000"),
        incarnation: Incarnation::UNKNOWN,
    };
    let joint = Configuration {
        outgoing: [1].map(NodeId).into(),
        members: (1..=3).map(|id| (NodeId(id), member(id))).collect(),
        ..voters(&[2])
    };
    for (disks, may) in [([2, 3], false), ([1, 3], false), ([1, 2], true)] {
        let mut world = World::new();
        world.configuration = joint.clone();
        world.found();
        world.leader(1, 2, &[2]).unwrap();
        disks.into_iter().for_each(|id| world.sync(id, 2, &[2]));
        let check = world.look(Node { commit: 1, leads: true, ..Node::new(1, 2, &[2]) });
        assert_eq!(check.is_ok(), may, "{disks:?}");
        assert!(may || broken(check) == Property::DurableQuorum);
    }
}
