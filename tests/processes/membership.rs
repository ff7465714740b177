//! Nodes that come and go, and leadership that is handed over.

use crate::harness::{Cluster, cli_command, wait_until};
use crate::load::{Load, write_a_lot};
use raft_core::config::Timing;
use serde_json::{Value, json};
use std::time::Instant;

#[test]
fn a_node_that_joins_waits_is_added_catches_up_and_votes_in_these_words() {
    let mut cluster = Cluster::start_of(3, 1);
    for number in 0..50 {
        assert_eq!(cluster.cli(["set", &format!("key-{number}"), "value"]).code, 0);
    }
    start_waiting(&mut cluster, 4);
    let list = cluster.addresses()[..3].join(", ");
    let begin =
        ["Node 4 starting...", &format!("Cluster: [{list}]"), "[LEARNER] Waiting to be added..."];
    assert_eq!(cluster.lines(4).all(), begin);
    let address = cluster.address(4).to_owned();

    let dry_run = cluster.cli(["member", "add", &address, "--dry-run"]);
    let after = "  3 voters -> 4 voters: quorum 3, can lose 1\n  All are up\n";
    let would = format!(
        "Would be done (node 4 at {address}: learner, votes when it has caught up)\n{after}"
    );
    assert_eq!(dry_run.all(), (0, would.as_str(), ""));
    assert_eq!(members(&cluster).len(), 3);
    let add = cluster.cli(["member", "add", &address]);
    let done = would.replace("Would be done", "OK");
    assert_eq!(add.all(), (0, done.as_str(), ""));

    cluster.lines(4).wait_for("that it votes", |line| line == "[FOLLOWER] Votes from now on");
    let lines = cluster.lines(4).all();
    let place = |wanted: &str| lines.iter().position(|line| line.starts_with(wanted)).unwrap();
    assert!(place("[LEARNER] Catching up... (") < place("[LEARNER] Caught up! Leader is node "));
    assert!(place("[LEARNER] Caught up!") < place("[FOLLOWER] Votes"));
    cluster.leader();
    let set = cluster.cli(["set", "name", "Alice"]);
    assert_eq!(set.all(), (0, "OK (committed to 4/4 nodes)\n", ""));
    // It goes on after a restart, though nobody is there whom it could ask.
    cluster.kill(4);
    (1..=3).for_each(|id| cluster.kill(id));
    (1..=4).rev().for_each(|id| cluster.start_node(id));
    cluster.leader();
    let get = cluster.cli(["--cluster", &address, "get", "name"]);
    assert_eq!(get.all(), (0, "Alice\n", ""));
}

#[test]
fn a_learner_gets_every_write_and_its_vote_when_it_is_promoted() {
    let mut cluster = Cluster::start_of(3, 1);
    start_waiting(&mut cluster, 4);
    let address = cluster.address(4).to_owned();
    let add = cluster.cli(["--json", "member", "add", &address, "--learner"]);
    let add: Value = serde_json::from_str(&add.stdout).unwrap_or_else(|_| panic!("{add:?}"));
    assert_eq!((&add["quorum"], &add["can_lose"]), (&json!(2), &json!(1)));
    assert_eq!(add["after"]["learners"], json!({ "4": "stay" }));
    assert_eq!(cluster.cli(["set", "name", "Alice"]).stdout, "OK (committed to 3/3 nodes)\n");
    wait_until("the learner has all", || {
        let status = cluster.cli(["status"]).stdout;
        let line = status.lines().find(|line| line.starts_with("  Node 4: LEARNER   (log: "));
        line.is_some_and(|line| line.ends_with(" entries)"))
    });
    let list = cluster.cli(["member", "list"]).stdout;
    assert!(list.contains(&format!("  Node 4: LEARNER   {address}\n")), "{list}");
    assert!(list.ends_with("  3 voters and 1 learner: quorum 2, can lose 1\n"), "{list}");

    let promote = cluster.cli(["member", "promote", "4"]);
    let words = "OK (node 4: voter)\n  3 voters and 1 learner -> 4 voters: quorum 3, can lose 1\n  All are up\n";
    assert_eq!(promote.all(), (0, words, ""));
    assert_eq!(cluster.cli(["set", "name", "Bob"]).stdout, "OK (committed to 4/4 nodes)\n");
    is_refused(&cluster, &["member", "promote", "4"], "node 4 is a voter already");
}

#[test]
fn a_leader_that_is_removed_leads_until_then_and_says_so_and_the_others_go_on() {
    let mut cluster = Cluster::start();
    let leader = cluster.leader();
    let load = Load::start(cluster.addresses());
    let remove = cluster.cli(["member", "remove", &leader.to_string()]);
    let words = format!(
        "OK (node {leader}: removed)\n  3 voters -> 2 voters: quorum 2, can lose 0\n  All are up\n"
    );
    assert_eq!(remove.all(), (0, words.as_str(), ""));
    let gone = "[LEARNER] Not a member. Waiting to be added...";
    cluster.lines(leader).wait_for("that it is gone", |line| line == gone);
    let status = || cluster.cli(["status"]).stdout;
    wait_until("another leads", || status().contains("LEADER"));
    let line = format!("  Node {leader}: OUTSIDE   (log: ");
    assert!(status().contains(&line) && status().contains(", no member)"), "{}", status());
    assert_eq!(members(&cluster).len(), 2);
    // It is up and disturbs nobody.
    let enough = load.acknowledged() + 300;
    wait_until("the clients are served", || load.acknowledged() >= enough);
    cluster.kill(leader);
    load.stop_and_check();
}

#[test]
fn a_voter_is_replaced_in_one_step() {
    let mut cluster = Cluster::start_of(3, 1);
    assert_eq!(cluster.cli(["set", "name", "Alice"]).code, 0);
    let leader = cluster.leader();
    let old = leader % 3 + 1;
    // Dead for good: that is what it is replaced for.
    cluster.kill(old);
    start_waiting(&mut cluster, 4);
    let (address, old) = (cluster.address(4).to_owned(), old.to_string());
    let replace = cluster.cli(["member", "replace", &old, &address]);
    assert_eq!((replace.code, replace.stderr.as_str()), (0, ""), "{replace:?}");
    let words = format!("takes the place of node {old} when it has caught up)\n");
    assert!(replace.stdout.contains(&words), "{replace:?}");
    assert!(
        replace.stdout.contains("  3 voters -> 3 voters: quorum 2, can lose 1\n"),
        "{replace:?}"
    );
    cluster.lines(4).wait_for("that it votes", |line| line == "[FOLLOWER] Votes from now on");
    wait_until("the old one is gone", || {
        let members = members(&cluster);
        members.len() == 3 && !members.contains(&old)
    });
    assert_eq!(cluster.cli(["set", "name", "Bob"]).stdout, "OK (committed to 3/3 nodes)\n");
    // A client that knows only the founders finds the new one.
    let status = cluster.cli(["status"]).stdout;
    assert!(status.contains("  Node 4: FOLLOWER  (log: "), "{status}");
}

#[test]
fn changes_that_would_do_harm_are_refused_in_words() {
    let mut cluster = Cluster::start_of(3, 1);
    let leader = cluster.leader();
    let (down, up) = (leader % 3 + 1, (leader + 1) % 3 + 1);
    let own = cluster.address(up).to_owned();
    is_refused(&cluster, &["member", "add", &own], &format!("node {up} is a member already"));
    is_refused(&cluster, &["member", "remove", "9"], "node 9 is no member");
    is_refused(&cluster, &["transfer", "9"], "node 9 is no voter");
    is_refused(&cluster, &["transfer", &leader.to_string()], "leads already");
    let nobody = cluster.cli(["member", "add", cluster.address(4)]);
    assert_eq!(nobody.code, 5, "{nobody:?}");
    assert!(nobody.stderr.contains("start it first"), "{nobody:?}");
    let stranger = Cluster::start_of(1, 0);
    let foreign = cluster.cli(["member", "add", stranger.address(1)]);
    assert_eq!(foreign.code, 9, "{foreign:?}");
    assert!(foreign.stderr.contains("wrong cluster"), "{foreign:?}");

    cluster.kill(down);
    let words = "would lose the quorum, of 2 voters left only 1 would be up";
    wait_until("the leader misses it", || {
        let remove = cluster.cli(["member", "remove", &up.to_string(), "--dry-run"]);
        remove.code == 1 && remove.stderr.contains(words)
    });
    is_refused(&cluster, &["member", "remove", &up.to_string()], words);
    assert_eq!(members(&cluster).len(), 3);
    let json = cluster.cli(["--json", "member", "remove", &up.to_string()]);
    let error: Value = serde_json::from_str(&json.stderr).unwrap();
    assert_eq!(error["code"], "refused");
    assert_eq!(error["why"], json!({ "loses_quorum": { "voters": 2, "up": 1 } }));
}

#[test]
fn leadership_is_handed_over_on_demand_and_clients_notice_nothing() {
    let cluster = Cluster::start();
    let load = Load::start(cluster.addresses());
    for round in 0..6 {
        let enough = load.acknowledged() + 100;
        wait_until("the clients are served", || load.acknowledged() >= enough);
        let leader = cluster.leader();
        let to = leader % 3 + 1;
        // Any node can be asked: the client finds the leader.
        let asked = cluster.address(round % 3 + 1);
        let command = ["--cluster", asked, "transfer", &to.to_string()].map(str::to_owned);
        let transfer = cluster.cli(&command[..if round < 4 { 4 } else { 3 }]);
        assert_eq!((transfer.code, transfer.stderr.as_str()), (0, ""), "{transfer:?}");
        let next = cluster.leader();
        assert_ne!(next, leader);
        assert_eq!(transfer.stdout, format!("OK (node {next} leads)\n"));
        assert!(round >= 4 || next == to, "{transfer:?}");
    }
    load.stop_and_check();
}

#[test]
fn a_leader_that_is_told_to_end_hands_over_first() {
    let mut cluster = Cluster::start();
    let mut handed_over = 0;
    for _ in 0..20 {
        let leader = cluster.leader();
        let told = Instant::now();
        let (code, lines) = cluster.terminate(leader);
        assert_eq!(code, 0);
        let is_handing_over = |line: &String| line.starts_with("[LEADER] Handing over to node ");
        let is_followed = |line: &String| line.starts_with("[FOLLOWER] Leader is node ");
        match lines.iter().position(is_handing_over) {
            // It ends when it has heard from its successor: nobody has to miss it.
            Some(place) if lines[place..].iter().any(is_followed) => handed_over += 1,
            // On a busy machine no successor may be so quick. Then it has waited for one.
            Some(_) => {
                assert!(told.elapsed() >= Timing::default().election_timeout_max, "{lines:?}");
            }
            // Or it was deposed before it was told.
            None => assert!(!lines.last().unwrap().starts_with("[LEADER] "), "{lines:?}"),
        }
        if handed_over == 3 {
            return;
        }
        cluster.start_node(leader);
    }
    panic!("of 20 leaders {handed_over} handed over");
}

#[test]
fn a_follower_and_a_node_alone_end_at_once_when_they_are_told_to() {
    let mut alone = Cluster::start_of(1, 0);
    assert_eq!(alone.terminate(1).0, 0);
    let mut cluster = Cluster::start();
    let leader = cluster.leader();
    let (code, lines) = cluster.terminate(leader % 3 + 1);
    assert_eq!(code, 0);
    assert!(!lines.iter().any(|line| line.contains("Handing over")), "{lines:?}");
    assert_eq!(cluster.leader(), leader);
}

#[test]
fn reads_under_a_lease_are_linearizable_while_leaders_die() {
    let mut cluster = Cluster::prepare();
    cluster.add_flags(["--lease-reads", "5"]);
    (1..=3).for_each(|id| cluster.start_node(id));
    cluster.leader();
    let load = Load::start(cluster.addresses());
    for _ in 0..3 {
        let enough = load.acknowledged() + 300;
        wait_until("the clients are served", || load.acknowledged() >= enough);
        let leader = cluster.leader();
        cluster.node(leader).pause();
        wait_until("another node leads", || {
            cluster.report()["leader"].as_u64().is_some_and(|id| id != leader)
        });
        cluster.node(leader).resume();
        let leader = cluster.leader();
        cluster.kill(leader);
        let enough = load.acknowledged() + 300;
        wait_until("the clients are served", || load.acknowledged() >= enough);
        cluster.start_node(leader);
    }
    load.stop_and_check();
}

#[test]
fn a_node_that_needs_a_snapshot_gets_it_while_writes_go_on() {
    let mut cluster = Cluster::start_of(1, 1);
    write_a_lot(&cluster.addresses()[..1]);
    wait_until("a snapshot is taken", || {
        let report = cluster.report();
        report["nodes"][0]["status"]["snapshot_index"].as_u64().is_some_and(|index| index > 20_000)
    });
    let load = Load::start(&cluster.addresses()[..1]);
    start_waiting(&mut cluster, 2);
    let address = cluster.address(2).to_owned();
    assert_eq!(cluster.cli(["member", "add", &address]).code, 0);
    cluster.lines(2).wait_for("that it votes", |line| line == "[FOLLOWER] Votes from now on");
    let report = cluster.report();
    let status = &report["nodes"][1]["status"];
    assert!(status["snapshot_index"].as_u64().is_some_and(|index| index > 20_000), "{status}");
    let enough = load.acknowledged() + 300;
    wait_until("the clients are served", || load.acknowledged() >= enough);
    load.stop_and_check();
}

#[test]
fn every_command_for_members_has_examples_and_refuses_what_is_no_node() {
    let nobody = Cluster::prepare();
    for command in ["list", "add", "promote", "remove", "replace"] {
        let help = nobody.cli(["member", command, "--help"]);
        assert_eq!((help.code, help.stderr.as_str()), (0, ""));
        assert!(help.stdout.contains("Examples:"), "{}", help.stdout);
    }
    for wrong in
        [vec!["member", "add", "localhost"], vec!["member", "remove", "0"], vec!["transfer", "x"]]
    {
        let ran = nobody.cli(&wrong);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
    }
    let list =
        cli_command().args(["--cluster", &nobody.list(), "member", "list"]).output().unwrap();
    assert_eq!(list.status.code(), Some(5));
}

/// Starts a node, which then waits to be added.
pub(crate) fn start_waiting(cluster: &mut Cluster, id: u64) {
    cluster.start_node(id);
    cluster.lines(id).wait_for("that it waits", |line| line == "[LEARNER] Waiting to be added...");
}

/// The ids of the members, as `member list` prints them.
fn members(cluster: &Cluster) -> Vec<String> {
    let list = cluster.cli(["member", "list"]);
    let lines = list.stdout.lines().filter_map(|line| line.strip_prefix("  Node "));
    lines.filter_map(|line| line.split_once(':')).map(|(id, _)| id.to_owned()).collect()
}

/// `error: refused, ...; ...` and exit code 1.
fn is_refused(cluster: &Cluster, arguments: &[&str], words: &str) {
    let ran = cluster.cli(arguments);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{arguments:?}: {ran:?}");
    assert!(ran.stderr.starts_with("error: refused, "), "{ran:?}");
    assert!(ran.stderr.contains(words) && ran.stderr.contains("; "), "{ran:?}");
}
