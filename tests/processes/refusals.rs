//! Starts that are refused: one line, an exit code, and nothing on disk has changed.

use crate::harness::{Cluster, Ran, node_command};
use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

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
fn a_damaged_log_is_refused_and_untouched() {
    let cluster = stopped_cluster();
    // In the middle of what was written, with good records behind it.
    let (segment, mut bytes, written) = fullest_file(&cluster.data_dir(1));
    bytes[written / 2] ^= 0x40;
    fs::write(&segment, bytes).unwrap();
    let before = contents(cluster.dir());
    let ran = Ran::of(&mut node_command(1, &cluster.list(), &cluster.data_dir(1)));
    is_refused(&ran, 1, "damage");
    assert_eq!(contents(cluster.dir()), before);
}

/// Three nodes that have run, written a few entries and were killed.
fn stopped_cluster() -> Cluster {
    let mut cluster = Cluster::start();
    for number in 0..5 {
        let set = cluster.cli(["set", "key", &"x".repeat(1_000 + number)]);
        assert_eq!(set.all(), (0, "OK (committed to 3/3 nodes)\n", ""));
    }
    for id in 1..=3 {
        cluster.kill(id);
    }
    cluster
}

fn is_refused(ran: &Ran, code: i32, named: &str) {
    assert_eq!(ran.code, code, "{ran:?}");
    assert_eq!(ran.stdout, "", "{ran:?}");
    let line = ran.stderr.strip_suffix('\n').unwrap_or_default();
    assert!(line.starts_with("error: ") && line.contains("; "), "{ran:?}");
    assert!(!line.contains('\n') && line.contains(named), "{ran:?} should name {named}");
}

/// Every file and directory below, with its bytes.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
            found.insert(path, None);
        } else {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, Some(bytes));
        }
    }
    found
}

/// The file with the most in it before its zeros: its path, its bytes and how many are written.
fn fullest_file(dir: &Path) -> (PathBuf, Vec<u8>, usize) {
    let files = contents(dir).into_iter().filter_map(|(path, bytes)| {
        let bytes = bytes?;
        let written = bytes.iter().rposition(|byte| *byte != 0)?;
        Some((path, bytes, written))
    });
    files.max_by_key(|(_, _, written)| *written).expect("a node has files")
}
