//! Starts that are refused: one line, an exit code, and nothing on disk has changed.

use crate::files::{contents, flip_a_bit, segments, write_a_little};
use crate::harness::{Cluster, Ran, join_command, node_command};
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

const THREE: &str = "localhost:9001,localhost:9002,localhost:9003";

#[test]
fn bad_flags_are_refused_and_leave_no_directory_behind() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let cases = [
        (0, THREE, "outside the list"),
        (4, THREE, "outside the list"),
        (1, "localhost", "localhost"),
        (1, "localhost:0,localhost:9002", "localhost:0"),
        (1, "localhost:9001,,localhost:9003", "''"),
        (1, "localhost:9001,localhost:9001", "twice"),
        (1, "http://localhost:9001", "http://localhost:9001"),
    ];
    for (id, list, named) in cases {
        is_refused(&Ran::of(&mut node_command(id, list, &data_dir)), 2, named);
        assert!(!data_dir.exists(), "{list}");
    }
    let mut unknown = node_command(1, THREE, &data_dir);
    is_refused(&Ran::of(unknown.arg("--no-such-flag")), 2, "--no-such-flag");
    assert!(!data_dir.exists());
}

#[test]
fn a_port_in_use_is_refused() {
    let cluster = Cluster::prepare();
    let address = cluster.address(1).replace("localhost", "127.0.0.1");
    let _other = TcpListener::bind(&address).unwrap();
    let ran = Ran::of(&mut node_command(1, &cluster.list(), &cluster.data_dir(1)));
    is_refused(&ran, 1, cluster.address(1));
    assert!(!cluster.data_dir(1).exists());
}

#[test]
fn a_directory_of_another_node_or_cluster_is_refused_and_untouched() {
    let cluster = stopped_cluster();
    let before = contents(cluster.dir());
    let of_another_node = &mut node_command(2, &cluster.list(), &cluster.data_dir(1));
    is_refused(&Ran::of(of_another_node), 9, "node 1");
    let stranger = Cluster::prepare();
    let of_another_cluster = &mut node_command(1, &stranger.list(), &cluster.data_dir(1));
    is_refused(&Ran::of(of_another_cluster), 9, "cluster");
    assert_eq!(contents(cluster.dir()), before);
}

#[test]
fn a_directory_in_use_by_another_process_is_refused_and_untouched() {
    let cluster = Cluster::start();
    // It holds its directory, and changes nothing in it meanwhile.
    cluster.node(1).pause();
    let before = contents(&cluster.data_dir(1));
    let same_port = &mut node_command(1, &cluster.list(), &cluster.data_dir(1));
    is_refused(&Ran::of(same_port), 1, "port in use");
    let another_port = Cluster::prepare().list();
    let another_port = &mut node_command(1, &another_port, &cluster.data_dir(1));
    is_refused(&Ran::of(another_port), 1, "in use by another process");
    assert_eq!(contents(&cluster.data_dir(1)), before);
    cluster.node(1).resume();
    cluster.leader();
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    let cluster = Cluster::prepare();
    let file = cluster.dir().join("file");
    fs::write(&file, "not a directory").unwrap();
    for data_dir in [file.clone(), file.join("node-1"), PathBuf::from("/proc/raft-kv/node-1")] {
        let ran = Ran::of(&mut node_command(1, &cluster.list(), &data_dir));
        is_refused(&ran, 1, &data_dir.display().to_string());
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "not a directory");
}

#[test]
fn damage_that_no_peer_can_repair_is_refused_and_untouched() {
    let mut cluster = Cluster::start_of(1, 0);
    write_a_little(&cluster);
    cluster.kill(1);
    flip_a_bit(&segments(&cluster.data_dir(1))[0]);
    let before = contents(cluster.dir());
    is_refused(&Ran::of(&mut cluster.command(1)), 1, "damage");
    assert_eq!(contents(cluster.dir()), before);
}

#[test]
fn a_node_that_joins_is_refused_unless_it_finds_its_cluster_and_a_place_in_it() {
    let nobody = Cluster::prepare();
    let cluster = Cluster::of(1, 1);
    let data_dir = cluster.data_dir(2);
    let join =
        |id: u64, at: &str, listen: &str| Ran::of(&mut join_command(id, at, listen, &data_dir));
    is_refused(&join(2, &nobody.list(), cluster.address(2)), 1, "no node answers at --join");
    assert!(!data_dir.exists());

    let mut cluster = Cluster::start_of(1, 1);
    let data_dir = cluster.data_dir(2);
    let join =
        |id: u64, at: &str, listen: &str| Ran::of(&mut join_command(id, at, listen, &data_dir));
    is_refused(&join(1, &cluster.list(), cluster.address(2)), 9, "choose another --id");
    assert!(!data_dir.exists());
    cluster.start_node(2);
    cluster.lines(2).wait_for("waiting", |line| line == "[LEARNER] Waiting to be added...");
    cluster.kill(2);
    let stranger = Cluster::start_of(1, 1);
    let before = contents(&data_dir);
    let of_another = &mut node_command(1, &stranger.list(), &data_dir);
    is_refused(&Ran::of(of_another), 1, "port in use");
    let of_another = &mut node_command(1, stranger.address(2), &data_dir);
    is_refused(&Ran::of(of_another), 9, "belongs to the cluster");
    let another_id = &mut join_command(3, &cluster.list(), cluster.address(2), &data_dir);
    is_refused(&Ran::of(another_id), 9, "belongs to node 2, not node 3");
    assert_eq!(contents(&data_dir), before);
}

#[test]
fn a_new_node_whose_peers_are_of_another_cluster_is_refused_and_writes_nothing() {
    let cluster = Cluster::start();
    let mut stranger = Cluster::of(1, 0);
    // Its list names a node that runs for another cluster.
    let list = format!("{},{}", stranger.address(1), cluster.address(2));
    let data_dir = stranger.data_dir(1);
    is_refused(&Ran::of(&mut node_command(1, &list, &data_dir)), 9, "wrong cluster");
    assert!(!data_dir.exists());
    stranger.start_node(1);
    stranger.leader();
}

/// Three nodes that have run, written a few entries and were killed.
fn stopped_cluster() -> Cluster {
    let mut cluster = Cluster::start();
    write_a_little(&cluster);
    for id in 1..=3 {
        cluster.kill(id);
    }
    cluster
}

pub(crate) fn is_refused(ran: &Ran, code: i32, named: &str) {
    assert_eq!(ran.code, code, "{ran:?}");
    assert_eq!(ran.stdout, "", "{ran:?}");
    let line = ran.stderr.strip_suffix('\n').unwrap_or_default();
    assert!(line.starts_with("error: ") && line.contains("; "), "{ran:?}");
    assert!(!line.contains('\n') && line.contains(named), "{ran:?} should name {named}");
}
