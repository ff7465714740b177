//! `raft-cli bench`: what it says it did, the cluster has seen.

use crate::harness::Cluster;

#[test]
fn what_a_bench_says_was_written_is_in_the_log() {
    let cluster = Cluster::start();
    let load =
        ["bench", "put", "--clients", "20", "--keys", "50", "--value-bytes", "7", "--seconds", "1"];
    let report = cluster.cli(["--json"].into_iter().chain(load)).json();
    let operations = report["operations"].as_u64().unwrap();
    assert!(operations > 0 && report["failed"] == serde_json::json!({}), "{report}");
    assert_eq!((&report["clients"], &report["connections"]), (&20.into(), &2.into()));
    assert!(report["latency_us"]["p50"].as_u64() > Some(0), "{report}");
    // What was written in the first second does not count.
    assert!(cluster.report()["commit_index"].as_u64().unwrap() > operations);
    let keys = cluster.cli(["list", "--keys-only"]);
    assert!(keys.stdout.lines().all(|key| key.starts_with("bench/00000000")), "{keys:?}");
    let some = cluster.cli(["--raw", "get", keys.stdout.lines().next().unwrap()]);
    assert_eq!(some.code, 0);
}

#[test]
fn reads_are_of_keys_that_are_there_on_every_node() {
    let cluster = Cluster::start();
    for load in [["bench", "get"], ["bench", "mixed"], ["bench", "local-get"]] {
        let flags = ["--clients", "3", "--keys", "10", "--seconds", "0.2", "--all-nodes", "--json"];
        let ran = cluster.cli(load.into_iter().chain(flags));
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.json()["operations"].as_u64() > Some(0), "{ran:?}");
    }
    assert_eq!(cluster.cli(["list", "--keys-only"]).stdout.lines().count(), 10);
}

#[test]
fn a_bench_of_nobody_is_an_error() {
    let cluster = Cluster::prepare();
    let ran = cluster.cli(["bench", "--seconds", "0.1"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (5, ""));
}
