//! Disks that fail. What a failed sync left behind is not known, so the node ends rather than guess.

use crate::harness::{Cluster, skipped, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Command, Stdio};

#[test]
fn a_node_whose_sync_fails_ends_in_these_words_and_has_acknowledged_nothing_it_forgets() {
    let mut cluster = Cluster::start_of(1, 0);
    assert_eq!(cluster.cli(["set", "name", "Alice"]).code, 0);
    let Some(tracer) = Tracer::attach(&cluster, 1, "fdatasync:error=EIO") else { return };
    let set = cluster.cli(["--timeout", "2", "set", "name", "Bob"]);
    assert!(matches!(set.code, 5 | 6), "{set:?}");
    assert_eq!(set.stdout, "");
    let (code, _, diagnostics) = cluster.wait_for_the_end(1);
    drop(tracer);
    let last = diagnostics.last().unwrap();
    let log = cluster.data_dir(1).join("segment-0000000000000001.wal");
    let words = format!(
        "error: cannot write {} (Input/output error (os error 5)); check the disk, then start the node again",
        log.display()
    );
    assert_eq!((code, last), (1, &words));
    cluster.start_node(1);
    cluster.leader();
    let get = cluster.cli(["get", "name"]);
    assert!(["Alice\n", "Bob\n"].contains(&get.stdout.as_str()), "{get:?}");
}

#[test]
fn a_leader_whose_disk_hangs_is_replaced_and_nothing_waits_for_it() {
    let cluster = Cluster::start();
    let leader = cluster.leader();
    let hang = "fdatasync:delay_enter=20s";
    let Some(_tracer) = Tracer::attach(&cluster, leader, hang) else { return };
    let set = cluster.cli(["--timeout", "20", "set", "name", "Alice"]);
    assert_eq!((set.code, set.stderr.as_str()), (0, ""), "{set:?}\n{}", cluster.transcript());
    wait_until("another leads", || {
        cluster.report()["leader"].as_u64().is_some_and(|id| id != leader)
    });
}

/// strace, which makes system calls of a node fail or wait as long as it lives.
struct Tracer(Child);

impl Tracer {
    /// `None` where that is not possible: then the test cannot be made.
    fn attach(cluster: &Cluster, id: u64, inject: &str) -> Option<Self> {
        let pid = cluster.node(id).pid().as_raw_nonzero();
        let call = inject.split(':').next().unwrap();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-p", &pid.to_string()]);
        strace.args(["-e", &format!("trace={call}"), "-e", &format!("inject={inject}")]);
        let spawned = strace.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut tracer = match spawned {
            Ok(tracer) => Self(tracer),
            Err(error) => {
                skipped(&format!(
                    "failing syncs are not tested, since strace does not start: {error}"
                ));
                return None;
            }
        };
        // Every thread of it, since any may be the one that syncs.
        let is_traced = || {
            let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
            tasks.flatten().all(|task| {
                let status =
                    std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
                !status.contains("\nTracerPid:\t0\n")
            })
        };
        let mut has_ended = false;
        wait_until("strace has attached, or says that it may not", || {
            has_ended = tracer.0.try_wait().unwrap().is_some();
            has_ended || is_traced()
        });
        if has_ended {
            skipped("failing syncs are not tested, since strace may not attach to a process");
            return None;
        }
        Some(tracer)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Killed, it would leave what it traces in the middle of a call.
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}
