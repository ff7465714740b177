//! `raft-cli watch`: who watches sees a failover, with reasons and without values.

use crate::harness::{Cluster, Node, cli_command};

#[test]
fn who_watches_sees_a_leader_fail_and_the_next_and_never_a_value() {
    let mut cluster = Cluster::start();
    let leader = cluster.leader();
    let watch =
        Node::spawn(cli_command().env("RAFT_CLUSTER", cluster.list()).args(["watch", "--all"]));
    let leads = format!("node {leader}  leads term 1; its log goes to entry");
    watch.lines.wait_for("who leads", |line| line.contains(&leads));
    assert_eq!(cluster.cli(["set", "secret-key", "secret-value"]).code, 0);
    watch.lines.wait_for("a commit", |line| line.contains("commits up to "));
    cluster.kill(leader);
    let is_gone = format!("node {leader}  does not answer: ");
    watch.lines.wait_for("that it is gone", |line| line.contains(&is_gone));
    watch.lines.wait_for("why another stands", |line| {
        line.contains("stands for election in term 2 (§5.2)")
    });
    watch.lines.wait_for("the next leader", |line| line.ends_with("leads term 2 (§5.2)"));
    cluster.start_node(leader);
    let is_back = format!("node {leader}  follows leader");
    watch.lines.wait_for("that it is back", |line| line.contains(&is_back));
    let lines = watch.lines.all().join("\n");
    assert!(!lines.contains("secret"), "{lines}");
}

#[test]
fn in_json_a_sighting_is_a_line() {
    let cluster = Cluster::start();
    let watch =
        Node::spawn(cli_command().env("RAFT_CLUSTER", cluster.list()).args(["--json", "watch"]));
    let line = watch.lines.wait_for("a sighting", |line| line.contains("\"leader\""));
    let sighting: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(sighting["status"]["term"], 1, "{line}");
    assert_eq!(sighting["missed"], 0, "{line}");
}
