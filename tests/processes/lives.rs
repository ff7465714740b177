//! Directories that are wiped, damaged, rolled back or there twice: the node never passes for one that
//! remembers, and comes back by itself where others can fill it.

use crate::files::{copy, files, flip_a_bit, segments, write_a_little};
use crate::harness::{Cluster, Ran, join_command, wait_until};
use crate::load::{Load, block_on};
use crate::membership::start_waiting;
use crate::refusals::is_refused;
use futures_util::{SinkExt, StreamExt};
use raft_core::id::{ClusterId, Incarnation, NodeId, Start};
use raft_core::wire::{Frame, Hello, PeerId, VERSION};
use raft_native::identity::Identity;
use raft_native::peers::PEER_PATH;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

const WAITS: &str = "[LEARNER] Waiting to be added...";
const VOTES: &str = "[FOLLOWER] Votes from now on";

#[test]
fn a_wiped_directory_comes_back_as_a_new_life_and_is_filled_again() {
    let mut cluster = start_of(0);
    for id in 1..=3 {
        write_a_little(&cluster);
        let before = life(&cluster, id);
        cluster.kill(id);
        fs::remove_dir_all(cluster.data_dir(id)).unwrap();
        cluster.start_node(id);
        is_admitted_again(&cluster, id, before);
    }
    all_have_the_same(&cluster);
}

#[test]
fn a_node_that_joined_and_lost_its_directory_is_filled_again() {
    let mut cluster = start_of(1);
    start_waiting(&mut cluster, 4);
    write_a_little(&cluster);
    let address = cluster.address(4).to_owned();
    assert_eq!(cluster.cli(["member", "add", &address]).code, 0);
    cluster.lines(4).wait_for("that it votes", |line| line == VOTES);
    for harm in ["wiped", "damaged"] {
        let before = life(&cluster, 4);
        cluster.kill(4);
        match harm {
            "wiped" => fs::remove_dir_all(cluster.data_dir(4)).unwrap(),
            _ => flip_a_bit(&segments(&cluster.data_dir(4))[0]),
        }
        cluster.start_node(4);
        is_admitted_again(&cluster, 4, before);
    }
}

#[test]
fn a_damaged_log_is_filled_by_the_others_and_nothing_acknowledged_is_lost() {
    let mut cluster = start_of(0);
    let load = Load::start(cluster.addresses());
    for id in 1..=3 {
        let enough = load.acknowledged() + 300;
        wait_until("the clients are served", || load.acknowledged() >= enough);
        let before = life(&cluster, id);
        cluster.kill(id);
        flip_a_bit(&segments(&cluster.data_dir(id))[0]);
        cluster.start_node(id);
        cluster.diagnostics(id).wait_for("what is damaged", |line| {
            line.contains("is damaged at byte") && line.contains("set aside as damaged-*")
        });
        cluster.lines(id).wait_for("that it waits", |line| line == WAITS);
        cluster.lines(id).wait_for("that it votes", |line| line == VOTES);
        is_admitted_again(&cluster, id, before);
        wait_until("the damaged files are gone", || {
            files(&cluster.data_dir(id), "damaged-").is_empty()
        });
    }
    load.stop_and_check();
    all_have_the_same(&cluster);
}

#[test]
fn damage_to_the_very_last_record_of_a_log_at_rest_is_noticed() {
    let mut cluster = start_of(0);
    write_a_little(&cluster);
    let dir = cluster.data_dir(1);
    let is_value = |bytes: &[u8]| bytes.iter().all(|byte| *byte == b'x');
    let mut last = 0;
    wait_until("a mark stands behind the last write", || {
        let bytes = fs::read(&segments(&dir)[0]).unwrap();
        last = bytes.windows(1_000).rposition(is_value).unwrap() + 999;
        // The write ends in a few bytes more, and a mark is longer.
        bytes[last + 32..].iter().any(|byte| *byte != 0)
    });
    let life_before = life(&cluster, 1);
    cluster.kill(1);
    let mut bytes = fs::read(&segments(&dir)[0]).unwrap();
    bytes[last] ^= 1;
    fs::write(&segments(&dir)[0], bytes).unwrap();
    cluster.start_node(1);
    cluster.diagnostics(1).wait_for("the damage", |line| line.contains("is damaged at byte"));
    is_admitted_again(&cluster, 1, life_before);
}

#[test]
fn a_damaged_or_missing_identity_is_known_by_its_log_and_filled_by_the_others() {
    let mut cluster = start_of(0);
    write_a_little(&cluster);
    for (id, harm) in [(1, "flip"), (2, "remove")] {
        let before = life(&cluster, id);
        cluster.kill(id);
        let identity = cluster.data_dir(id).join("identity");
        match harm {
            "flip" => flip_a_bit(&identity),
            _ => fs::remove_file(&identity).unwrap(),
        }
        // Not as another node.
        let other =
            &mut crate::harness::node_command(id, &cluster.list(), &cluster.data_dir(3 - id));
        assert_ne!(Ran::of(other).code, 0);
        cluster.start_node(id);
        cluster.diagnostics(id).wait_for("the damage", |line| line.contains("identity file"));
        is_admitted_again(&cluster, id, before);
    }
    all_have_the_same(&cluster);
}

/// Node 1 is down, and its directory is a copy from before its last start. Also which life that is.
fn older_copy_put_back() -> (Cluster, Incarnation) {
    let mut cluster = start_of(0);
    write_a_little(&cluster);
    let (dir, backup) = (cluster.data_dir(1), cluster.dir().join("backup"));
    cluster.kill(1);
    copy(&dir, &backup);
    cluster.start_node(1);
    // Who has not heard it cannot know better.
    cluster.leader();
    write_a_little(&cluster);
    let before = life(&cluster, 1);
    cluster.kill(1);
    fs::remove_dir_all(&dir).unwrap();
    fs::rename(&backup, &dir).unwrap();
    (cluster, before)
}

#[test]
fn an_older_copy_of_a_directory_is_noticed_and_begins_a_new_life() {
    let (mut cluster, before) = older_copy_put_back();
    cluster.start_node(1);
    cluster.diagnostics(1).wait_for("that it is older", |line| line.contains("an older copy"));
    is_admitted_again(&cluster, 1, before);
    all_have_the_same(&cluster);
}

#[test]
fn an_older_copy_that_meets_who_knows_better_only_later_begins_a_new_life_then() {
    let (mut cluster, before) = older_copy_put_back();
    // Nobody answers while it starts.
    cluster.node(2).pause();
    cluster.node(3).pause();
    cluster.start_node(1);
    cluster.lines(1).wait_for("that it runs", |line| line == "[FOLLOWER] Waiting for leader...");
    cluster.node(2).resume();
    cluster.node(3).resume();
    cluster.diagnostics(1).wait_for("that it is older", |line| line.contains("set aside"));
    is_admitted_again(&cluster, 1, before);
    all_have_the_same(&cluster);
}

#[test]
fn a_second_node_of_the_same_id_is_refused_before_it_writes_anything_as_long_as_the_first_is_alive()
{
    let mut cluster = Cluster::prepare();
    cluster.start_node(1);
    cluster.start_node(3);
    cluster.leader();
    // Somewhere else there is a node 2.
    let first = Pretender::start(&cluster);
    is_refused(&Ran::of(&mut cluster.command(2)), 9, "another node 2 is connected and alive");
    assert!(!cluster.data_dir(2).exists());
    // It hangs. Its connections stay, and nothing comes over them.
    first.fall_silent();
    cluster.start_node(2);
    cluster.leader();
    assert_eq!(cluster.cli(["set", "a", "b"]).all(), (0, "OK (committed to 3/3 nodes)\n", ""));
}

#[test]
fn damage_on_a_majority_decides_nothing_and_says_so() {
    let mut cluster = start_of(0);
    write_a_little(&cluster);
    (1..=3).for_each(|id| cluster.kill(id));
    for id in [1, 2] {
        flip_a_bit(&segments(&cluster.data_dir(id))[0]);
    }
    (1..=3).for_each(|id| cluster.start_node(id));
    let line = cluster.diagnostics(3).wait_for("what is lost", |line| line.starts_with("error: "));
    assert!(line.contains("nodes 1 and 2 have lost what they knew"), "{line}");
    assert!(line.contains("; "), "{line}");
    let set = cluster.cli(["--timeout", "1", "set", "name", "Alice"]);
    assert_eq!((set.code, set.stdout.as_str()), (5, ""), "{set:?}");
    assert!(cluster.report()["leader"].is_null(), "{}", cluster.transcript());
    // What it still has can be read there.
    assert_eq!(files(&cluster.data_dir(1), "damaged-").len(), 2);
}

#[test]
fn a_lone_founder_that_is_damaged_asks_for_the_others_and_is_filled_by_them() {
    let mut cluster = Cluster::start_of(1, 2);
    write_a_little(&cluster);
    for id in [2, 3] {
        start_waiting(&mut cluster, id);
        let address = cluster.address(id).to_owned();
        assert_eq!(cluster.cli(["member", "add", &address]).code, 0);
        cluster.lines(id).wait_for("that it votes", |line| line == VOTES);
    }
    let before = life(&cluster, 1);
    cluster.kill(1);
    flip_a_bit(&segments(&cluster.data_dir(1))[0]);
    is_refused(&Ran::of(&mut cluster.command(1)), 1, "start it with --join and the address of one");
    let command = join_command(1, cluster.address(2), cluster.address(1), &cluster.data_dir(1));
    cluster.start_as(1, command);
    is_admitted_again(&cluster, 1, before);
    all_have_the_same(&cluster);
}

/// Another node 2, of which there is only its connections to nodes 1 and 3.
struct Pretender {
    is_silent: Arc<AtomicBool>,
}

impl Pretender {
    fn start(cluster: &Cluster) -> Self {
        let is_silent = Arc::new(AtomicBool::new(false));
        let silent = is_silent.clone();
        let cluster_id = ClusterId::of(cluster.addresses());
        let addresses = [1, 3].map(|id| (id, cluster.address(id).to_owned()));
        let (connected, is_connected) = channel();
        std::thread::spawn(move || {
            block_on(async {
                let mut sockets = Vec::new();
                for (id, address) in addresses {
                    sockets.push(say_hello_as_node_2(cluster_id, id, &address).await);
                }
                connected.send(()).unwrap();
                // More often than a node would, and for as long as any test takes.
                for _ in 0..600 {
                    for socket in &mut sockets {
                        if !silent.load(Ordering::Relaxed) {
                            socket.send(Message::Ping(Vec::new().into())).await.unwrap();
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            });
        });
        is_connected.recv().unwrap();
        Self { is_silent }
    }

    fn fall_silent(&self) {
        self.is_silent.store(true, Ordering::Relaxed);
    }
}

async fn say_hello_as_node_2(
    cluster: ClusterId,
    to: u64,
    address: &str,
) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut socket, _) = client_async(format!("ws://{address}{PEER_PATH}"), stream).await.unwrap();
    let peer = PeerId {
        node: NodeId(2),
        to: NodeId(to),
        incarnation: Incarnation(1),
        start: Start::new(1, 0),
        address: "localhost:1".to_owned(),
        bulk: false,
    };
    let hello = Hello { version: VERSION, cluster: Some(cluster), peer: Some(peer) };
    socket.send(Message::Binary(Frame::Hello(hello).encode().into())).await.unwrap();
    let welcome = socket.next().await.unwrap().unwrap();
    assert!(matches!(Frame::decode(&welcome.into_data()), Ok(Frame::Welcome(_))));
    socket
}

/// Three nodes and room for others, whose lives are known to each other: only then can one that has
/// forgotten be told from one that was never there.
fn start_of(joiners: usize) -> Cluster {
    let cluster = Cluster::start_of(3, joiners);
    wait_until("the lives of all nodes are known to all", || {
        let report = cluster.report();
        let mut nodes = report["nodes"].as_array().unwrap().iter();
        nodes.all(|node| {
            let members = node["status"]["configuration"]["members"].as_object();
            members.is_some_and(|members| {
                members.values().all(|member| member["incarnation"] != Incarnation(0).to_string())
            })
        })
    });
    cluster
}

/// The life that a node's directory says it is.
fn life(cluster: &Cluster, id: u64) -> Incarnation {
    let file = cluster.data_dir(id).join("identity");
    wait_until("the directory has an identity", || file.exists());
    Identity::decode(&fs::read_to_string(file).unwrap()).unwrap().incarnation
}

/// The node runs as another life than before, and votes.
fn is_admitted_again(cluster: &Cluster, id: u64, before: Incarnation) {
    wait_until("the new life is a voter on all nodes", || {
        let report = cluster.report();
        let now = life(cluster, id);
        if now == before {
            return false;
        }
        let nodes = report["nodes"].as_array().unwrap();
        nodes.iter().all(|node| {
            let configuration = &node["status"]["configuration"];
            let member = &configuration["members"][id.to_string()];
            let voters = configuration["voters"].as_array();
            voters.is_some_and(|voters| voters.iter().any(|voter| *voter == id))
                && member["incarnation"] == now.to_string()
        })
    });
    cluster.leader();
}

/// Every node answers for itself with what was written.
fn all_have_the_same(cluster: &Cluster) {
    assert_eq!(
        cluster.cli(["set", "name", "Alice"]).all(),
        (0, "OK (committed to 3/3 nodes)\n", "")
    );
    let list = cluster.cli(["list"]);
    for id in 1..=3 {
        let its = cluster.cli(["--cluster", cluster.address(id), "list"]);
        assert_eq!(its.all(), list.all(), "node {id}");
    }
}
