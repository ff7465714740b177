//! Full disks: the node is read-only until there is room, and nothing acknowledged is lost.

use crate::harness::{Cluster, skipped, wait_until};
use crate::load::{Load, block_on, set};
use raft_core::error::Error;
use raft_native::client::{Client, Failure};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A segment and two spares are 48 MiB; after two more segments this is full.
const DISK_BYTES: &str = "size=90m";

const VALUE_BYTES: usize = 1 << 19;

#[test]
fn a_node_alone_whose_disk_is_full_refuses_writes_serves_reads_and_goes_on_when_there_is_room() {
    let mut cluster = Cluster::of(1, 0);
    let Some(disk) = SmallDisk::mount(&cluster.data_dir(1)) else { return };
    cluster.start_node(1);
    cluster.leader();
    let written = block_on(async {
        let mut client = Client::new(cluster.addresses().to_vec(), Duration::from_secs(20));
        let value = "x".repeat(VALUE_BYTES);
        for number in 0..200 {
            match set(&mut client, &format!("key-{number}"), &value).await {
                Ok(_) => {}
                Err(Failure::Refused(Error::DiskFull)) => return number,
                Err(failure) => panic!("{failure}"),
            }
        }
        panic!("100 MiB fit on a disk of 90 MiB");
    });
    let refused = cluster.cli(["set", "name", "Alice"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (8, ""), "{refused:?}");
    assert!(refused.stderr.starts_with("error: disk full, nothing was done; "), "{refused:?}");
    let full = |line: &str| line == "[LEADER] Disk full: read-only until there is room";
    cluster.lines(1).wait_for("that the disk is full", full);
    assert_eq!(cluster.cli(["get", "key-0"]).code, 0);
    // A node that starts on a disk without a byte of room remembers everything, too.
    cluster.kill(1);
    disk.fill();
    cluster.start_node(1);
    cluster.leader();
    cluster.lines(1).wait_for("that the disk is full", |line| line.contains("] Disk full: "));
    let keys = cluster.cli(["list", "--keys-only"]).stdout;
    assert_eq!(keys.lines().count(), written);

    disk.grow();
    let room = |line: &str| line == "[LEADER] Disk has room again: takes writes";
    cluster.lines(1).wait_for("that there is room", room);
    let set = cluster.cli(["set", "name", "Alice"]);
    assert_eq!(set.all(), (0, "OK (committed to 1/1 nodes)\n", ""));
}

#[test]
fn a_leader_whose_disk_is_full_hands_over_and_catches_up_when_there_is_room() {
    let mut cluster = Cluster::prepare();
    let Some(disk) = SmallDisk::mount(&cluster.data_dir(1)) else { return };
    (1..=3).for_each(|id| cluster.start_node(id));
    if cluster.leader() != 1 {
        assert_eq!(cluster.cli(["transfer", "1"]).all(), (0, "OK (node 1 leads)\n", ""));
    }
    let load = Load::start(cluster.addresses());
    block_on(async {
        let mut client = Client::new(cluster.addresses().to_vec(), Duration::from_secs(20));
        let value = "x".repeat(VALUE_BYTES);
        let is_full = |line: &String| line.contains("] Disk full: ");
        let mut number = 0;
        while !cluster.lines(1).all().iter().any(is_full) {
            set(&mut client, &format!("large-{number}"), &value).await.unwrap();
            number += 1;
            assert!(number * VALUE_BYTES < 200 << 20, "not full yet:\n{}", cluster.transcript());
        }
    });
    wait_until("another leads", || {
        cluster.report()["leader"].as_u64().is_some_and(|leader| leader != 1)
    });
    let enough = load.acknowledged() + 300;
    wait_until("the clients are served", || load.acknowledged() >= enough);
    disk.grow();
    cluster.lines(1).wait_for("that there is room", |line| {
        line.ends_with("] Disk has room again: takes writes")
    });
    load.stop_and_check();
    wait_until("it has caught up", || {
        let report = cluster.report();
        let last = |id: usize| report["nodes"][id - 1]["status"]["durable_index"].as_u64();
        last(1) == last(2) && last(2) == last(3)
    });
}

/// A small file system of its own for a data directory, and something in it that can go.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// `None` where nothing may be mounted: then the test cannot be made.
    fn mount(data_dir: &Path) -> Option<Self> {
        fs::create_dir_all(data_dir).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", DISK_BYTES, "raft-kv-test"]).arg(data_dir);
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        if !is_mounted {
            skipped("a full disk is not tested, since this process may not mount one");
            return None;
        }
        Some(Self { path: data_dir.to_owned() })
    }

    /// Leaves no byte of room.
    fn fill(&self) {
        let mut filler = File::create(self.path.join("filler")).unwrap();
        while filler.write_all(&[1; 4 << 10]).is_ok() {}
    }

    fn grow(&self) {
        let mut remount = Command::new("mount");
        remount.args(["-o", "remount,size=400m"]).arg(&self.path);
        assert!(remount.status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}
