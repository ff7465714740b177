//! Nodes that die under load. What was acknowledged stays, and every history is linearizable.

use crate::harness::{Cluster, wait_until};
use crate::load::Load;

/// Requests that must be carried out between one fault and the next, so that each one hits.
const BETWEEN_FAULTS: u64 = 300;

#[test]
fn kill_9_of_the_leader_under_load_loses_nothing_and_stays_linearizable() {
    let mut cluster = Cluster::start();
    let load = Load::start(cluster.addresses());
    for _ in 0..4 {
        keep_busy(&load);
        let leader = cluster.leader();
        cluster.kill(leader);
        keep_busy(&load);
        cluster.start_node(leader);
    }
    keep_busy(&load);
    load.stop_and_check();
}

#[test]
fn a_leader_that_stands_still_under_load_and_wakes_up_serves_nothing_stale() {
    let cluster = Cluster::start();
    let load = Load::start(cluster.addresses());
    for _ in 0..3 {
        keep_busy(&load);
        let leader = cluster.leader();
        cluster.node(leader).pause();
        wait_until("another node leads", || {
            cluster.report()["leader"].as_u64().is_some_and(|id| id != leader)
        });
        keep_busy(&load);
        cluster.node(leader).resume();
    }
    keep_busy(&load);
    load.stop_and_check();
}

#[test]
fn kill_9_of_all_nodes_under_load_loses_no_acknowledged_write() {
    let mut cluster = Cluster::start();
    let load = Load::start(cluster.addresses());
    for round in 0..3 {
        keep_busy(&load);
        // Another node dies first each time.
        for place in 0..3 {
            cluster.kill((round + place) % 3 + 1);
        }
        for id in 1..=3 {
            cluster.start_node(id);
        }
    }
    keep_busy(&load);
    load.stop_and_check();
}

#[test]
fn without_a_quorum_nothing_is_acknowledged_and_with_one_again_all_is_as_before() {
    for leader_survives in [true, false] {
        let mut cluster = Cluster::start();
        assert_eq!(cluster.cli(["set", "name", "Alice"]).code, 0);
        let leader = cluster.leader();
        let follower = leader % 3 + 1;
        let survivor = if leader_survives { leader } else { follower };
        let dead: Vec<u64> = (1..=3).filter(|id| *id != survivor).collect();
        dead.iter().for_each(|id| cluster.kill(*id));

        let set = cluster.cli(["--timeout", "2", "set", "name", "Bob"]);
        assert!(matches!(set.code, 5 | 6), "{set:?}");
        assert_eq!(set.stdout, "");
        let get = cluster.cli(["--timeout", "1", "get", "name"]);
        assert_eq!((get.code, get.stdout.as_str()), (5, ""), "{get:?}");
        let status = cluster.cli(["status"]);
        assert_eq!(status.code, 0, "{status:?}");
        let line = "  No quorum: 1 of 3 nodes answered; requests wait until a majority is up\n";
        assert!(status.stdout.ends_with(line), "{status:?}");

        dead.iter().for_each(|id| cluster.start_node(*id));
        cluster.leader();
        let get = cluster.cli(["get", "name"]);
        let possible: &[&str] = if set.code == 5 { &["Alice\n"] } else { &["Alice\n", "Bob\n"] };
        assert!(get.code == 0 && possible.contains(&get.stdout.as_str()), "{set:?} {get:?}");
    }
}

fn keep_busy(load: &Load) {
    let enough = load.acknowledged() + BETWEEN_FAULTS;
    wait_until("the clients are served", || load.acknowledged() >= enough);
}
