//! Snapshots have connections of their own: one that is stuck delays nothing else.

use crate::harness::{Cluster, join_command, wait_until};
use crate::load::write_a_lot;
use raft_core::wire::{Frame, Hello};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

#[test]
fn while_a_snapshot_is_stuck_its_receiver_answers_heartbeats_and_the_leader_reads() {
    let mut cluster = Cluster::start_of(2, 1);
    // Node 3 listens at one address of this machine, and is known by another, where the gate is.
    let port = cluster.address(3).rsplit_once(':').unwrap().1.to_owned();
    let (listens, known) = (format!("127.0.0.2:{port}"), format!("127.0.0.1:{port}"));
    let gate = Gate::open(&known, &listens);
    let start = |cluster: &mut Cluster| {
        let command = join_command(3, &cluster.list(), &listens, &cluster.data_dir(3));
        cluster.start_as(3, command);
    };
    start(&mut cluster);
    cluster.lines(3).wait_for("that it waits", |line| line.contains("Waiting to be added"));
    assert_eq!(cluster.cli(["member", "add", &known]).code, 0);
    cluster.lines(3).wait_for("that it votes", |line| line == "[FOLLOWER] Votes from now on");

    cluster.kill(3);
    write_a_lot(&cluster.addresses()[..2]);
    let leader = cluster.leader();
    wait_until("the leader has forgotten what node 3 lacks", || {
        let report = cluster.report();
        let status = &report["nodes"][leader as usize - 1]["status"];
        status["snapshot_index"].as_u64().is_some_and(|index| index > 20_000)
    });
    start(&mut cluster);
    gate.wait_for_a_snapshot();
    // From here on node 3 is the only one that can confirm that the leader leads, as each read needs.
    let other = 3 - leader;
    cluster.kill(other);
    for _ in 0..50 {
        let get = cluster.cli(["--cluster", cluster.address(leader), "get", "key-1"]);
        assert_eq!(get.code, 0, "{get:?}\n{}", cluster.transcript());
    }
    assert!(gate.is_shut(), "it was stuck all the time");

    gate.let_through();
    // And the only one on whose disk this can be.
    let set = cluster.cli(["--timeout", "25", "set", "name", "Alice"]);
    assert_eq!(set.all(), (0, "OK (committed to 2/3 nodes)\n", ""));
}

/// Stands before a node, and holds connections for snapshots back until it is told otherwise.
#[derive(Clone)]
struct Gate(Arc<(Mutex<Held>, Condvar)>);

#[derive(Default)]
struct Held {
    has_come: bool,
    may_pass: bool,
}

impl Gate {
    /// Carries what comes to `known` on to `listens`.
    fn open(known: &str, listens: &str) -> Self {
        let gate = Self(Arc::default());
        let (listener, listens) = (TcpListener::bind(known).unwrap(), listens.to_owned());
        let carrier = gate.clone();
        std::thread::spawn(move || {
            for dialled in listener.incoming().map_while(Result::ok) {
                // The node may be down, and then nobody listens.
                let Ok(node) = TcpStream::connect(&listens) else { continue };
                let (from_node, to_dialler) =
                    (node.try_clone().unwrap(), dialled.try_clone().unwrap());
                let carrier = carrier.clone();
                std::thread::spawn(move || carrier.carry(dialled, node, true));
                let carrier = Self(Arc::default());
                std::thread::spawn(move || carrier.carry(from_node, to_dialler, false));
            }
        });
        gate
    }

    fn wait_for_a_snapshot(&self) {
        wait_until("a connection for a snapshot", || self.0.0.lock().unwrap().has_come);
    }

    fn is_shut(&self) -> bool {
        let held = self.0.0.lock().unwrap();
        held.has_come && !held.may_pass
    }

    fn let_through(&self) {
        self.0.0.lock().unwrap().may_pass = true;
        self.0.1.notify_all();
    }

    /// Carries bytes one way; the hello among the first of them says what the connection is for.
    fn carry(&self, mut from: TcpStream, mut to: TcpStream, has_hello: bool) {
        let (mut first, mut piece) = (Some(Vec::new()).filter(|_| has_hello), [0; 16 << 10]);
        while let Ok(length @ 1..) = from.read(&mut piece) {
            if let Some(bytes) = &mut first {
                bytes.extend_from_slice(&piece[..length]);
                if let Some(hello) = hello_in(bytes) {
                    if hello.peer.is_some_and(|peer| peer.bulk) {
                        self.hold();
                    }
                    first = None;
                }
            }
            if to.write_all(&piece[..length]).is_err() {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }

    /// Waits until it may pass.
    fn hold(&self) {
        let mut held = self.0.0.lock().unwrap();
        held.has_come = true;
        drop(self.0.1.wait_while(held, |held| !held.may_pass));
    }
}

/// The hello behind the request for a WebSocket: a short frame, masked as those of clients are (RFC 6455,
/// section 5.2).
fn hello_in(bytes: &[u8]) -> Option<Hello> {
    let start = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let (&[_, length, ..], rest) = bytes[start..].split_at_checked(2)? else { return None };
    let length = usize::from(length & 0x7f);
    assert!(length < 126, "a hello is short");
    let (mask, rest) = rest.split_at_checked(4)?;
    let payload = rest.get(..length)?;
    let payload: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m).collect();
    match Frame::decode(&payload) {
        Ok(Frame::Hello(hello)) => Some(hello),
        other => panic!("no hello: {other:?}"),
    }
}
