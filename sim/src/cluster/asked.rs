//! What a person's commands do, one by one.

use crate::faults::{Fate, RATE_PPM_MAX};
use crate::{Cargo, Command, Flight, Options, Place, Sim};
use raft_core::id::NodeId;
use raft_core::kv::command::Condition;
use raft_core::raft::event::RoleName;
use raft_core::raft::membership::Goal;
use std::time::Duration;

fn id(node: u64) -> NodeId {
    NodeId(node)
}

/// A cluster of three that has a leader and nothing under way but heartbeats.
fn led() -> Sim {
    let mut sim = Sim::new(Options::playground(2, 3));
    until(&mut sim, |sim| leader(sim).is_some());
    sim.run_until(sim.now() + Duration::from_secs(3));
    sim
}

fn leader(sim: &Sim) -> Option<NodeId> {
    sim.nodes().find(|node| node.leads()).map(|node| node.id())
}

fn follower(sim: &Sim) -> NodeId {
    sim.nodes()
        .find(|node| node.is_up() && !node.leads())
        .map(|node| node.id())
        .expect("three nodes")
}

fn until(sim: &mut Sim, is_so: impl Fn(&Sim) -> bool) {
    for _ in 0..100_000 {
        if is_so(sim) {
            return;
        }
        assert!(sim.step(), "{:?}", sim.violation());
    }
    panic!("it has not come to that");
}

/// The next message between nodes that is sent from now on.
fn sent(sim: &mut Sim) -> Flight {
    let last = sim.flights().map(|flight| flight.id).max().unwrap_or_default();
    let is_new = |flight: &&Flight| flight.id > last && matches!(flight.cargo, Cargo::Peer(_));
    until(sim, |sim| sim.flights().any(|flight| is_new(&flight)));
    sim.flights().find(is_new).cloned().expect("just seen")
}

fn fate(sim: &mut Sim, id: u64, fate: Fate) {
    sim.command(Command::Message { id, fate });
}

fn flight(sim: &Sim, id: u64) -> Option<&Flight> {
    sim.flights().find(|flight| flight.id == id)
}

/// Whether a message is heard when its time has come.
fn is_heard(sim: &mut Sim, message: &Flight) -> bool {
    sim.keep_trace(true);
    until(sim, |sim| sim.next_flight().is_some_and(|next| next.id == message.id));
    sim.trace_mut().take();
    sim.step();
    let lines = sim.trace_mut().take();
    lines.front().is_some_and(|line| line.text.starts_with("hears"))
}

#[test]
fn dropped_message_does_not_arrive() {
    let mut sim = led();
    let message = sent(&mut sim);
    assert!(is_heard(&mut sim.clone(), &message));
    fate(&mut sim, message.id, Fate::Drop);
    assert!(!is_heard(&mut sim, &message));
}

#[test]
fn held_message_stays_where_it_is_until_it_is_released() {
    let mut sim = led();
    let message = sent(&mut sim);
    sim.run_until(message.sent_at + (message.arrives_at - message.sent_at) / 2);
    let share = flight(&sim, message.id).expect("on its way").share_ppm_at(sim.now());
    assert!((400_000..600_000).contains(&share), "{share}");
    fate(&mut sim, message.id, Fate::Hold);
    sim.run_until(sim.now() + Duration::from_secs(10));
    let held = flight(&sim, message.id).expect("held");
    assert_eq!((held.held, held.share_ppm_at(sim.now())), (true, share));
    fate(&mut sim, message.id, Fate::Release);
    let released = flight(&sim, message.id).expect("on its way again");
    let left = message.arrives_at - message.sent_at - (message.arrives_at - message.sent_at) / 2;
    assert_eq!((released.share_ppm_at(sim.now()), released.arrives_at), (share, sim.now() + left));
    assert!(is_heard(&mut sim, &message));
}

#[test]
fn delayed_message_arrives_so_much_later() {
    let mut sim = led();
    let message = sent(&mut sim);
    fate(&mut sim, message.id, Fate::Delay(Duration::from_secs(2)));
    until(&mut sim, |sim| flight(sim, message.id).is_none());
    assert_eq!(sim.now(), message.arrives_at + Duration::from_secs(2));
}

#[test]
fn doubled_message_arrives_twice_and_that_of_a_client_once() {
    let mut sim = led();
    let message = sent(&mut sim);
    let copies = |sim: &Sim, of: &Cargo| sim.flights().filter(|flight| flight.cargo == *of).count();
    fate(&mut sim, message.id, Fate::Duplicate);
    assert_eq!(copies(&sim, &message.cargo), 2);
    sim.command(Command::Read { key: "k".into() });
    let asks =
        |sim: &Sim| sim.flights().find(|flight| matches!(flight.from, Place::Client(_))).cloned();
    until(&mut sim, |sim| asks(sim).is_some());
    let question = asks(&sim).expect("just seen");
    fate(&mut sim, question.id, Fate::Duplicate);
    assert_eq!(copies(&sim, &question.cargo), 1);
}

#[test]
fn delivered_message_is_the_next_event() {
    let mut sim = led();
    let message = sent(&mut sim);
    fate(&mut sim, message.id, Fate::Deliver);
    let now = sim.now();
    until(&mut sim, |sim| flight(sim, message.id).is_none());
    assert_eq!(sim.now(), now);
}

#[test]
fn fate_of_a_message_that_is_gone_is_no_matter() {
    let mut sim = led();
    let mut same = sim.clone();
    let fates = [Fate::Drop, Fate::Hold, Fate::Release, Fate::Duplicate, Fate::Deliver];
    fates.into_iter().for_each(|what| fate(&mut sim, u64::MAX, what));
    assert!(sim.flights().eq(same.flights()) && sim.step() == same.step());
}

#[test]
fn slow_link_and_lossy_link_are_so_in_their_direction_only() {
    let mut sim = led();
    let (leader, other) = (leader(&sim).expect("led"), follower(&sim));
    let by = Duration::from_secs(1);
    sim.command(Command::SlowLink { from: leader, to: other, by });
    sim.command(Command::LossyLink { from: other, to: leader, ppm: 1_000_000 });
    let (there, back) =
        ((Place::Node(leader), Place::Node(other)), (Place::Node(other), Place::Node(leader)));
    let last = sim.flights().map(|flight| flight.id).max().unwrap_or_default();
    let mut seen = [0, 0];
    for _ in 0..2_000 {
        sim.step();
        for flight in sim.flights().filter(|flight| flight.id > last) {
            let takes = flight.arrives_at - flight.sent_at;
            if (flight.from, flight.to) == there {
                assert!(takes > by && !flight.lost);
                seen[0] += 1;
            } else if (flight.from, flight.to) == back {
                assert!(takes < by && flight.lost);
                seen[1] += 1;
            } else {
                assert!(takes < by && !flight.lost);
            }
        }
    }
    assert!(seen.iter().all(|seen| *seen > 0), "{seen:?}");
    sim.command(Command::HealAll);
    assert_eq!(sim.trouble(leader, other), Default::default());
    assert_eq!(sim.trouble(other, leader), Default::default());
}

#[test]
fn all_messages_take_longer_until_all_links_are_healed() {
    let mut sim = led();
    let by = Duration::from_secs(1);
    sim.command(Command::Slow(by));
    assert_eq!(sim.trouble_of_all(), (by, 0));
    let last = sim.flights().map(|flight| flight.id).max().unwrap_or_default();
    until(&mut sim, |sim| sim.flights().filter(|flight| flight.id > last).count() > 1);
    let sent = sim.flights().filter(|flight| flight.id > last);
    assert!(sent.into_iter().all(|flight| flight.arrives_at - flight.sent_at > by));
    sim.command(Command::HealAll);
    assert_eq!(sim.trouble_of_all(), (Duration::ZERO, 0));
}

#[test]
fn fired_timer_is_a_candidacy_at_once() {
    let mut sim = led();
    let other = follower(&sim);
    sim.command(Command::FireTimer(other));
    let (now, stands) = (sim.now(), |sim: &Sim| {
        let node = sim.nodes().find(|node| node.id() == other);
        node.and_then(|node| node.replica())
            .is_some_and(|replica| replica.raft().role_name() != RoleName::Follower)
    });
    until(&mut sim, stands);
    assert_eq!(sim.now(), now);
    // The leader has no such timer.
    let mut sim = led();
    let leads = leader(&sim).expect("led");
    sim.command(Command::FireTimer(leads));
    sim.run_until(sim.now() + Duration::from_secs(5));
    assert_eq!(leader(&sim), Some(leads));
}

#[test]
fn clock_that_is_set_fast_runs_out_early() {
    let due = |rate_ppm: u32| {
        let mut sim = led();
        let (leads, other) = (leader(&sim).expect("led"), follower(&sim));
        sim.command(Command::SetClock { node: other, rate_ppm });
        sim.command(Command::Crash(leads));
        let (begin, third) =
            (sim.now(), sim.nodes().map(|node| node.id()).find(|id| *id != leads && *id != other));
        sim.command(Command::Pause(third.expect("three nodes")));
        until(&mut sim, |sim| {
            let node = sim.nodes().find(|node| node.id() == other).and_then(|node| node.replica());
            node.is_some_and(|replica| replica.raft().role_name() != RoleName::Follower)
        });
        sim.now() - begin
    };
    let (usual, fast) = (due(1_000_000), due(4_000_000));
    assert!(fast < usual / 3 && fast > usual / 5, "{fast:?} instead of {usual:?}");
    let mut sim = led();
    sim.command(Command::SetClock { node: id(1), rate_ppm: u32::MAX });
    assert_eq!(sim.nodes().next().map(|node| node.clock_rate_ppm()), Some(u64::from(RATE_PPM_MAX)));
    sim.command(Command::EndFaults);
    assert_eq!(sim.nodes().next().map(|node| node.clock_rate_ppm()), Some(1_000_000));
}

#[test]
fn snapshot_is_taken_when_it_is_asked_for() {
    let mut sim = led();
    let node = follower(&sim);
    assert_eq!(sim.counters().snapshots_taken, 0);
    sim.command(Command::Snapshot(node));
    assert_eq!(sim.counters().snapshots_taken, 1);
    // There is nothing new to keep.
    sim.command(Command::Snapshot(node));
    assert_eq!(sim.counters().snapshots_taken, 1);
}

#[test]
fn client_writes_on_a_condition_and_deletes() {
    let mut sim = led();
    let (key, value) = (|| "k".into(), |value: &'static str| value.into());
    let write = |text, condition| Command::WriteIf { key: key(), value: value(text), condition };
    sim.command(write("1", Condition::Absent));
    sim.command(write("2", Condition::Value("1".into())));
    sim.command(write("3", Condition::Value("1".into())));
    sim.command(Command::Delete { key: key() });
    sim.command(Command::Read { key: key() });
    let done =
        |sim: &Sim| sim.history().iter().filter(|operation| operation.returned.is_some()).count();
    until(&mut sim, |sim| done(sim) == 5);
    let results: Vec<String> =
        sim.history().iter().map(|operation| format!("{:?}", operation.result)).collect();
    for (result, begins) in
        results.iter().zip(["Written", "Written", "ConditionFailed", "Written", "NotFound"])
    {
        assert!(result.starts_with(&format!("Some({begins}")), "{results:?}");
    }
}

#[test]
fn node_that_waits_to_be_added_runs_once_it_is_started_and_becomes_a_voter() {
    let mut sim = led();
    let spare = id(4);
    let node = |sim: &Sim| {
        sim.nodes().find(|node| node.id() == spare).map(|node| (node.has_started(), node.is_up()))
    };
    assert_eq!(node(&sim), Some((false, false)));
    sim.command(Command::RestartAll);
    assert_eq!(node(&sim), Some((false, false)));
    sim.command(Command::Restart(spare));
    sim.command(Command::Add { node: spare, goal: Goal::Vote });
    until(&mut sim, |sim| {
        let leads = sim.nodes().find(|node| node.leads()).and_then(|node| node.replica());
        leads.is_some_and(|replica| replica.raft().configuration().is_voter(spare))
    });
    // Nobody knows this one.
    sim.command(Command::Add { node: id(77), goal: Goal::Vote });
    sim.run_until(sim.now() + Duration::from_secs(5));
    assert_eq!(sim.violation(), None);
}
