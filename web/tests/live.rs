//! A cluster that is watched: from sightings, as nodes show them, to what there is to see.

use raft_core::id::{EntryId, Incarnation, Index, NodeId, Term};
use raft_core::raft::Raft;
use raft_core::raft::event::{Event, RoleName, WhyFollower};
use raft_core::raft::membership::{Configuration, Goal, Member};
use raft_core::replica::Replica;
use raft_core::request::{FollowerStatus, Status};
use raft_core::sighting::{Kind, Sent, Sighting};
use raft_core::time::Instant;
use raft_web::draw::{inside, panels, stage, timeline};
use raft_web::link::Link;
use raft_web::live::{Live, SILENCE_MAX};
use raft_web::look::View;
use raft_web::run::Run;
use raft_web::scene::inside::Picked;
use raft_web::scene::timeline::Window;
use raft_web::scene::{Cell, Role, Scene, Turn};
use std::time::Duration;

const NODES: u64 = 3;

fn ms(ms: u64) -> Instant {
    Instant(ms * 1_000)
}

fn view(picked: Option<Picked>) -> View {
    let window = Window { from: Instant(0), length: Duration::from_secs(20) };
    View { picked, narrow: false, aspect: 0.7, still: false, fast: false, window }
}

fn members() -> Configuration {
    let member = |id: u64| Member {
        id: NodeId(id),
        address: format!("localhost:800{id}"),
        incarnation: Incarnation(id),
    };
    Configuration::founding(&(1..=NODES).map(member).collect::<Vec<Member>>())
}

/// A node that follows `leader`, or is the leader, with `last` entries of that term, all committed.
fn sighting(node: u64, leader: u64, term: u64, last: u64) -> Sighting {
    let leads = node == leader;
    let follower = |id: u64| FollowerStatus {
        node: NodeId(id),
        match_index: Index(last),
        silent_ms: Some(10),
    };
    let followers = (1..=NODES).filter(|id| leads && *id != node).map(follower).collect();
    let status = Status {
        node: NodeId(node),
        role: if leads { RoleName::Leader } else { RoleName::Follower },
        term: Term(term),
        leader: Some(NodeId(leader)),
        last_index: Index(last),
        durable_index: Index(last),
        commit_index: Index(last),
        applied_index: Index(last),
        snapshot_index: Index(0),
        keys: 1,
        configuration: members(),
        followers,
    };
    let tail = (1..=last.min(12)).map(|_| Term(term)).collect();
    let at = Instant(0);
    Sighting { at, status, events: Vec::new(), sent: Vec::new(), tail, left_out: 0, missed: 0 }
}

/// All three are heard from every 50 milliseconds.
fn healthy(live: &mut Live, from_ms: u64, until_ms: u64, nodes: &[u64], leader: u64, term: u64) {
    for at in (from_ms..until_ms).step_by(50) {
        for node in nodes {
            live.take_in(ms(at), sighting(*node, leader, term, 7)).unwrap();
        }
    }
}

fn roles(scene: &Scene) -> Vec<(u64, Role, u64)> {
    scene.nodes.iter().map(|node| (node.id.0, node.role, node.term.0)).collect()
}

#[test]
fn cluster_is_shown_as_its_nodes_say_it_is() {
    let mut live = Live::default();
    healthy(&mut live, 0, 1_000, &[1, 2, 3], 2, 4);
    let scene = live.scene(&view(None));
    let follower = Role::Follower;
    assert_eq!(roles(&scene), [(1, follower, 4), (2, Role::Leader, 4), (3, follower, 4)]);
    assert_eq!(scene.leader().map(|leader| leader.commit), Some(Index(7)));
    let cell = &scene.logs.rows[0][0];
    assert!(matches!(cell, Cell::Entry { term: Term(4), applied: true, .. }), "{cell:?}");
    let words = "Node 2 leads term 4. Its followers have all that is committed.";
    assert_eq!(live.sentence(), words);
    assert_eq!(live.state()[0], "quorum: 3 of 3 heard from");
    // It can be drawn by what draws runs.
    assert!(stage::svg_string(&scene).contains("data-role=\"leader\""));
    assert_eq!(panels::table(&scene).len(), 3);
}

#[test]
fn a_member_is_shown_before_it_is_heard_from_and_is_to_be_dialled() {
    let mut live = Live::default();
    live.take_in(ms(1), sighting(1, 1, 1, 2)).unwrap();
    assert_eq!(live.scene(&view(None)).nodes.len(), 3);
    assert_eq!(live.scene(&view(None)).nodes[2].role, Role::Silent);
    assert_eq!(live.members()[2], (NodeId(3), "localhost:8003".to_owned()));
    assert_eq!(live.quorum().heard, 1);
    assert!(live.sentence().starts_with("Quorum lost: only 1 of 3"), "{}", live.sentence());
}

#[test]
fn a_node_that_falls_silent_is_shown_so_within_a_second() {
    let mut live = Live::default();
    healthy(&mut live, 0, 1_000, &[1, 2, 3], 2, 4);
    // Node 2 stands still: its connection stays, and it says nothing.
    healthy(&mut live, 1_000, 1_950, &[1, 3], 2, 4);
    let scene = live.scene(&view(None));
    assert_eq!(scene.nodes[1].role, Role::Silent);
    assert_eq!(live.quorum().heard, 2);
    let says = &scene.story[0];
    assert_eq!((says.node, says.turn), (Some(NodeId(2)), Turn::Fault), "{says:?}");
    // And its end is on the timeline, where it can be gone to.
    let timeline = live.timeline(&view(None));
    assert_eq!(timeline.lanes[1].spells.last().map(|spell| spell.role), Some(Role::Silent));
    assert!(timeline.flags.iter().any(|flag| flag.node == Some(NodeId(2))));
    // Not one moment earlier than silence counts.
    let mut live = Live::default();
    healthy(&mut live, 0, 1_000, &[1, 2, 3], 2, 4);
    live.pass(ms(950) + SILENCE_MAX);
    assert!(live.quorum().heard == 3);
}

#[test]
fn a_connection_that_ends_shows_at_once_and_so_does_its_return() {
    let mut live = Live::default();
    healthy(&mut live, 0, 1_000, &[1, 2, 3], 2, 4);
    live.lose(ms(1_001), NodeId(2));
    assert_eq!(live.scene(&view(None)).nodes[1].role, Role::Silent);
    live.take_in(ms(1_500), sighting(2, 3, 5, 8)).unwrap();
    assert_eq!(live.scene(&view(None)).nodes[1].role, Role::Follower);
    let says = &live.scene(&view(None)).story[0].says;
    assert!(says.starts_with("is heard from"), "{says}");
}

#[test]
fn an_election_is_told_in_its_order_with_reasons() {
    let mut live = Live::default();
    healthy(&mut live, 0, 1_000, &[1, 2, 3], 2, 4);
    live.lose(ms(1_001), NodeId(2));
    let mut wins = sighting(3, 3, 5, 8);
    let to = EntryId { term: Term(5), index: Index(8) };
    wins.events = vec![
        Event::PreVoteStarted { campaign: Term(5) },
        Event::ElectionStarted { term: Term(5) },
        Event::BecameLeader { term: Term(5) },
        Event::Committed { to },
        Event::Committed { to },
    ];
    live.take_in(ms(1_400), wins).unwrap();
    let why = WhyFollower::LaterTerm { from: NodeId(3) };
    let mut follows = sighting(1, 3, 5, 8);
    follows.events = vec![
        Event::BecameFollower { term: Term(5), why },
        Event::LeaderKnown { leader: NodeId(3), term: Term(5), behind: 0 },
        Event::Committed { to },
    ];
    live.take_in(ms(1_410), follows).unwrap();
    let story = live.scene(&view(None)).story;
    let turns: Vec<Turn> = story.iter().rev().skip(3).map(|told| told.turn).collect();
    use Turn::{Campaign, Committed, Detail, Elected, Fault};
    assert_eq!(turns, [Fault, Campaign, Campaign, Elected, Committed, Detail, Detail]);
    let because = story.iter().find(|told| told.why.contains("§5.1"));
    assert_eq!(because.map(|told| told.node), Some(Some(NodeId(1))), "{story:#?}");
    assert!(live.state().contains(&"1 election in 1 s".to_owned()), "{:?}", live.state());
}

#[test]
fn what_was_missed_is_said() {
    let mut live = Live::default();
    live.take_in(ms(1), sighting(1, 1, 1, 2)).unwrap();
    live.take_in(ms(60), Sighting { missed: 12, left_out: 3, ..sighting(1, 1, 1, 2) }).unwrap();
    let gaps: Vec<Turn> = live.scene(&view(None)).story.iter().map(|told| told.turn).collect();
    assert_eq!(gaps, [Turn::Gap, Turn::Started]);
    assert_eq!(live.state().last().map(String::as_str), Some("15 things left out"));
}

#[test]
fn looking_back_shows_what_was_and_goes_on_keeping_what_is() {
    let mut live = Live::default();
    healthy(&mut live, 0, 1_000, &[1, 2, 3], 2, 4);
    live.stay(ms(500));
    live.lose(ms(1_001), NodeId(2));
    healthy(&mut live, 1_050, 3_000, &[1, 3], 3, 5);
    let then = live.scene(&view(None));
    assert_eq!(
        (then.now, then.nodes[1].role, then.nodes[1].term),
        (ms(500), Role::Leader, Term(4))
    );
    assert!(then.story.iter().all(|told| told.at <= ms(500)));
    assert_eq!(live.quorum().heard, 3);
    assert_eq!(live.timeline(&view(None)).end, ms(2_950));
    // On to what happened next, and back to the present.
    live.go_on(true);
    assert_eq!(live.here(), ms(1_001));
    live.follow();
    assert_eq!(live.scene(&view(None)).nodes[1].role, Role::Silent);
}

#[test]
fn messages_are_sampled_and_fly_for_a_moment() {
    let mut live = Live::default();
    let sent = |kind| Sent { to: NodeId(2), kind };
    for at in (0..10_000).step_by(50) {
        let heartbeats = vec![
            sent(Kind::Heartbeat),
            sent(Kind::Heartbeat),
            Sent { to: NodeId(99), ..sent(Kind::Vote) },
        ];
        live.take_in(ms(at), Sighting { sent: heartbeats, ..sighting(1, 1, 1, 2) }).unwrap();
    }
    let arrows = live.timeline(&view(None)).arrows;
    assert!((20..=26).contains(&arrows.len()), "{} arrows", arrows.len());
    assert!(arrows.iter().all(|arrow| arrow.to == NodeId(2)), "only between nodes that are known");
    let flying = live.scene(&view(None)).messages;
    assert!((1..=2).contains(&flying.len()), "{} under way", flying.len());
    let frame = timeline::Frame { down: false, along: 1_000.0, across: 180.0 };
    assert!(!timeline::draw(&live.timeline(&view(None)), &frame).is_empty());
}

#[test]
fn history_is_bounded_however_long_and_busy() {
    let mut live = Live::default();
    let kinds = [Kind::PreVote, Kind::Vote, Kind::Granted, Kind::Refused, Kind::Heartbeat];
    let more = [Kind::Entries { count: 1 }, Kind::Stored, Kind::Rejected, Kind::Snapshot];
    let sent = kinds.into_iter().chain(more).map(|kind| Sent { to: NodeId(1), kind });
    let sent: Vec<Sent> = sent.collect();
    for n in 0..60_000_u64 {
        let (node, term) = (1 + n % 2, Term(n));
        let mut seen = sighting(node, node, n, n);
        seen.events = vec![Event::BecameLeader { term }, Event::DiskFull { is_full: true }];
        seen.sent = sent.clone();
        live.take_in(ms(n * 40), seen).unwrap();
        // A node that names another each time adds nobody beyond whom there is room for.
        let mut liar = sighting(1, 1, 1, 1);
        liar.status.node = NodeId(10 + n);
        live.take_in(ms(n * 40), liar).unwrap();
    }
    // Moments and roles of two nodes, the story, messages; and little of the seven that are only named.
    let most = 2 * (4_000 + 10_000) + 10_000 + 20_000;
    let kept = live.kept();
    assert!((most..most + 100).contains(&kept), "{kept} things kept");
    assert_eq!(live.scene(&view(None)).nodes.len(), 3);
}

#[test]
fn inside_of_a_node_is_what_it_shows_and_why() {
    let mut live = Live::default();
    healthy(&mut live, 0, 1_000, &[1, 2, 3], 2, 4);
    let node = live.inside(&view(Some(Picked::Node(NodeId(2)))));
    let fact = |name: &str| node.facts.iter().find(|fact| fact.name == name).unwrap().value.clone();
    assert_eq!(fact("role"), "leader in term 4");
    assert_eq!(fact("follower"), "1: has all; heard 10 ms ago");
    assert_eq!(fact("address"), "localhost:8002");
    assert!(!node.why.is_empty());
    let entry = live.inside(&view(Some(Picked::Entry(Index(7)))));
    assert!(entry.facts[0].value.contains("of term 4, on disk, applied"), "{entry:?}");
    assert!(!inside::draw(Some(&live.inside(&view(None)))).is_empty());
}

/// The run that a fork begins with, at its moment.
fn forked(live: &Live) -> (Run, String) {
    let fork = live.fork();
    let mut run = Run::new(fork.link.session.clone());
    assert_eq!(Link::go(&fork.link.seen.expect("a moment"), &mut run), None);
    assert!(fork.says.contains("Keys and values are not copied"), "{}", fork.says);
    (run, fork.says)
}

fn raft(run: &Run, id: u64) -> Option<&Raft> {
    let node = run.sim().nodes().find(|node| node.id().0 == id)?;
    node.replica().map(Replica::raft)
}

#[test]
fn fork_begins_as_the_cluster_is_and_says_what_it_has_not() {
    for (nodes, leader, term) in [(&[1, 2, 3][..], 2, 4), (&[1, 3], 3, 5), (&[1, 2, 3], 1, 300)] {
        let mut live = Live::default();
        healthy(&mut live, 0, 1_000, &[1, 2, 3], 2, 4);
        if nodes.len() < 3 {
            live.lose(ms(1_001), NodeId(2));
        }
        healthy(&mut live, 1_050, 1_500, nodes, leader, term);
        let (run, says) = forked(&live);
        let leads = raft(&run, leader).expect("the leader is up");
        assert_eq!(leads.leader(), Some(NodeId(leader)), "{says}");
        assert_eq!(leads.term().0, if term > 32 { 32 } else { term }, "{says}");
        for id in 1..=3 {
            assert_eq!(raft(&run, id).is_some(), nodes.contains(&id), "node {id}: {says}");
        }
        assert_eq!(says.contains("and not 300"), term == 300, "{says}");
        assert!(leads.log().last().index.0 >= 7, "{}", leads.log().last().index);
    }
}

#[test]
fn fork_has_the_learners_and_who_is_behind_is_behind() {
    let mut members = members();
    let learner =
        Member { id: NodeId(4), address: "localhost:8004".into(), incarnation: Incarnation(4) };
    members.learners.insert(NodeId(4), Goal::Stay);
    members.members.insert(NodeId(4), learner);
    let mut live = Live::default();
    // Node 1 has all, node 3 misses two entries, the learner far more than are played, and node 2 leads.
    for (node, last) in [(1, 40), (2, 40), (3, 38), (4, 5)] {
        let mut seen = sighting(node, 2, 3, last);
        seen.status.configuration = members.clone();
        // A leader hears of what its followers have a little later than they themselves.
        seen.status.followers.iter_mut().for_each(|follower| follower.match_index = Index(4));
        live.take_in(ms(node), seen).unwrap();
    }
    let (mut run, says) = forked(&live);
    let last = |run: &Run, id| raft(run, id).expect("it is up").log().last().index.0;
    let leads = raft(&run, 2).expect("it leads");
    assert_eq!((leads.term(), leads.leader()), (Term(3), Some(NodeId(2))), "{says}");
    assert!(leads.configuration().learners.contains_key(&NodeId(4)), "{says}");
    assert_eq!(leads.configuration().voters.len(), 3);
    let behind = [1, 3, 4].map(|id| last(&run, 2) - last(&run, id));
    assert_eq!(behind, [0, 2, 12], "{says}");
    assert!(says.contains("node 3 is behind by 2, node 4 is behind by 12 and not 35"), "{says}");
    assert!(says.contains("3 voters, 1 learner, node 2 leads term 3"), "{says}");
    // All links are whole: as it goes on, they catch up.
    run.advance(run.sim().now() + Duration::from_secs(5), u64::MAX, None);
    assert_eq!([1, 3, 4].map(|id| last(&run, 2) - last(&run, id)), [0, 0, 0]);
}

#[test]
fn fork_of_a_cluster_without_a_leader_has_none_and_keeps_the_term() {
    // The leader is gone, and was the last to write.
    let mut live = Live::default();
    healthy(&mut live, 0, 1_000, &[1, 2, 3], 2, 4);
    live.lose(ms(1_001), NodeId(2));
    let (run, says) = forked(&live);
    assert!(
        says.contains("node 2 led term 4, 7 entries are there, node 2 is down, nobody leads"),
        "{says}"
    );
    assert!(raft(&run, 2).is_none() && raft(&run, 1).expect("it is up").term() == Term(4));
    // It stepped down, because it reaches nobody.
    let mut live = Live::default();
    healthy(&mut live, 0, 1_000, &[1, 2, 3], 2, 4);
    [1, 3].into_iter().for_each(|id| live.lose(ms(1_001), NodeId(id)));
    live.take_in(ms(1_010), sighting(2, 9, 4, 7)).unwrap();
    let (run, says) = forked(&live);
    assert!(says.contains("node 1 is down, node 3 is down, nobody leads"), "{says}");
    let left = raft(&run, 2).expect("it is up");
    assert_eq!((left.role_name(), left.term()), (RoleName::Follower, Term(4)), "{says}");
    // Of nobody nothing is known.
    assert!(forked(&Live::default()).1.contains("Keys and values"));
}

#[test]
fn nothing_in_the_live_view_commands_a_cluster() {
    let mut live = Live::default();
    healthy(&mut live, 0, 1_000, &[1, 2, 3], 2, 4);
    let scene = live.scene(&view(Some(Picked::Node(NodeId(2)))));
    let items = scene.menu.items.iter().chain(&scene.tries.items);
    let acts: Vec<&str> = items.clone().map(|item| &*item.act).collect();
    assert_eq!(acts, ["play", "fork"]);
    assert!(items.into_iter().all(|item| item.commands.is_empty()));
}

#[test]
fn what_no_node_could_have_shown_is_not_taken_in() {
    let good = sighting(1, 1, 2, 7);
    let wrong = |change: fn(&mut Sighting)| {
        let mut sighting = good.clone();
        change(&mut sighting);
        sighting
    };
    let wrong = [
        wrong(|sighting| sighting.status.last_index = Index(u64::MAX)),
        wrong(|sighting| sighting.status.commit_index = Index(1 << 60)),
        wrong(|sighting| (sighting.missed, sighting.left_out) = (u64::MAX, 1)),
        wrong(|sighting| {
            sighting.status.last_index = Index(20);
            sighting.tail = vec![Term(1); 13];
        }),
        wrong(|sighting| sighting.tail = vec![Term(1); 8]),
    ];
    for wrong in wrong {
        let mut live = Live::default();
        live.take_in(ms(1), wrong.clone()).expect_err(&format!("{wrong:?}"));
        assert!(live.members().is_empty(), "{wrong:?}");
        live.take_in(ms(2), good.clone()).unwrap();
        assert_eq!(live.members().len(), 3);
    }
}

#[test]
fn numbers_from_outside_are_added_up_to_the_largest() {
    let mut live = Live::default();
    let most = 1 << 53;
    for at in 1..4_000 {
        let seen = Sighting { missed: most, left_out: most, ..sighting(1 + at % 2, 1, 1, 2) };
        live.take_in(ms(at), seen).unwrap();
    }
    assert!(live.state().contains(&format!("{} things left out", u64::MAX)));
}

#[test]
fn of_a_larger_cluster_the_page_says_how_many_are_left_out() {
    let large = |node: u64, leader: u64| {
        let mut seen = sighting(node, leader, 1, 2);
        let member = |id: u64| Member {
            id: NodeId(id),
            address: format!("localhost:{}", 8_000 + id),
            incarnation: Incarnation(id),
        };
        seen.status.configuration =
            Configuration::founding(&(1..=20).map(member).collect::<Vec<Member>>());
        seen
    };
    let mut live = Live::default();
    (1..=9).for_each(|node| live.take_in(ms(1), large(node, 1)).unwrap());
    assert_eq!(live.scene(&view(None)).nodes.len(), 9);
    let state = live.state();
    assert_eq!(state[0], "quorum: 9 of 20 heard from");
    assert_eq!(state[1], "11 more are not shown: there is room for 9");
    assert!(live.quorum().holds && live.sentence().starts_with("Node 1 leads term 1."));
    // Of who is not shown nothing is known, and so nothing bad.
    (1..=9).for_each(|node| live.take_in(ms(2), large(node, 12)).unwrap());
    assert_eq!(live.state()[2], "leader 12 of term 1");
    assert_eq!(live.sentence(), "Node 12, which is not shown, leads term 1.");
    [1, 2].into_iter().for_each(|id| live.lose(ms(3), NodeId(id)));
    assert!(live.quorum().holds);
}
