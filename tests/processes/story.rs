//! The story that the command-line contract tells, word by word.

use crate::harness::{Cluster, wait_until};
use crate::load::{block_on, set};
use raft_native::client::Client;
use std::time::Duration;

#[test]
fn three_nodes_elect_serve_survive_kill_9_and_catch_up_in_the_words_of_the_contract() {
    let mut cluster = Cluster::prepare();
    for id in 1..=3 {
        cluster.start_node(id);
    }
    for id in 1..=3 {
        cluster.lines(id).wait_for("the third line", |line| line.starts_with("[FOLLOWER]"));
        let lines = cluster.lines(id).all();
        assert_eq!(lines[0], format!("Node {id} starting..."));
        assert_eq!(lines[1], format!("Cluster: [{}]", cluster.addresses().join(", ")));
        assert_eq!(lines[2], "[FOLLOWER] Waiting for leader...");
    }
    let first = cluster.leader();
    let term = says_that_it_was_elected(&cluster, first);
    others_say_who_leads(&cluster, first);

    let set_name = cluster.cli(["set", "name", "Alice"]);
    assert_eq!(set_name.all(), (0, "OK (committed to 3/3 nodes)\n", ""));
    let get_name = cluster.cli(["get", "name"]);
    assert_eq!(get_name.all(), (0, "Alice\n", ""));

    cluster.kill(first);
    let second = cluster.leader();
    assert_ne!(second, first);
    assert!(says_that_it_was_elected(&cluster, second) > term);
    others_say_who_leads(&cluster, second);

    // The client's first node is the dead one, so another answers, and the client says which.
    let mut ids = vec![first];
    ids.extend(cluster.running());
    let list: Vec<&str> = ids.iter().map(|id| cluster.address(*id)).collect();
    let get_name = cluster.cli(["--cluster", &list.join(","), "get", "name"]);
    assert_eq!(get_name.all(), (0, "Alice\n", format!(" (from node {})\n", ids[1]).as_str()));
    let set_name = cluster.cli(["set", "name", "Bob"]);
    assert_eq!(set_name.all(), (0, "OK (committed to 2/3 nodes)\n", ""));
    let status = cluster.cli(["status"]);
    assert_eq!((status.code, status.stderr.as_str()), (0, ""));
    let down = format!("  Node {first}: DOWN      (unreachable)\n");
    assert!(status.stdout.contains(&down), "{status:?}");

    block_on(async {
        let mut client = Client::new(cluster.running_addresses(), Duration::from_secs(10));
        for number in 0..100 {
            set(&mut client, &format!("key-{number}"), "value").await.unwrap();
        }
    });
    cluster.start_node(first);
    let behind = cluster.lines(first).wait_for("a line that it catches up", |line| {
        line.starts_with("[FOLLOWER] Catching up... (")
    });
    let entries = behind.strip_prefix("[FOLLOWER] Catching up... (").unwrap();
    let entries: u64 = entries.strip_suffix(" log entries)").unwrap().parse().unwrap();
    assert!(entries >= 100, "{behind}");
    let leader = cluster.leader();
    cluster.lines(first).wait_for("a line that it caught up", |line| {
        line == format!("[FOLLOWER] Caught up! Leader is node {leader}")
    });

    // Every node learns the commit index with the leader's next message.
    wait_until("all nodes show the same log", || {
        let report = cluster.report();
        let index = report["commit_index"].as_u64().unwrap();
        let roles = (1..=3).map(|id| match id == leader {
            true => format!("  Node {id}: LEADER    (log: {index} entries) *\n"),
            false => format!("  Node {id}: FOLLOWER  (log: {index} entries)\n"),
        });
        let roles: String = roles.collect();
        let expected =
            format!("Cluster Status:\n{roles}  Commit index: {index}\n  Last applied: {index}\n");
        cluster.cli(["status"]).all() == (0, &expected, "")
    });
}

fn says_that_it_was_elected(cluster: &Cluster, leader: u64) -> u64 {
    let line = cluster
        .lines(leader)
        .wait_for("a line of election", |line| line.starts_with("[LEADER] Elected! Term: "));
    let term: u64 = line.strip_prefix("[LEADER] Elected! Term: ").unwrap().parse().unwrap();
    let candidate = format!("[CANDIDATE] Starting election for term {term}");
    assert!(cluster.lines(leader).all().contains(&candidate), "{}", cluster.transcript());
    term
}

fn others_say_who_leads(cluster: &Cluster, leader: u64) {
    let expected = format!("[FOLLOWER] Leader is node {leader}");
    for id in cluster.running().into_iter().filter(|id| *id != leader) {
        cluster.lines(id).wait_for("the new leader", |line| line == expected);
    }
}
