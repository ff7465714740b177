//! What the client library does when a node fails it: against scripts first, then against a cluster.

use crate::fake::{CLUSTER, COMMIT_INDEX, Does, FakeNode, refuse, written};
use crate::harness::Cluster;
use crate::load::{block_on, get_request, set, set_request};
use raft_core::error::Error;
use raft_core::id::{ClientId, Index, Sequence};
use raft_core::kv::command::{Condition, Item, Session};
use raft_core::request::{Reply, Request};
use raft_native::client::{Client, Failure};
use std::net::TcpListener;
use std::time::{Duration, Instant};

const PATIENT: Duration = Duration::from_secs(20);
const IMPATIENT: Duration = Duration::from_millis(1_500);

fn client_of(nodes: &[&FakeNode], timeout: Duration) -> Client {
    Client::new(nodes.iter().map(|node| node.address.clone()).collect(), timeout)
}

fn session_of(request: &Request) -> Session {
    match request {
        Request::Write { session: Some(session), .. } => *session,
        other => panic!("no write of a session: {other:?}"),
    }
}

fn revision(result: &Result<Reply, Failure>) -> Index {
    match result {
        Ok(Reply::Written { revision, .. }) => *revision,
        other => panic!("not written: {other:?}"),
    }
}

#[test]
fn a_write_without_an_answer_is_sent_to_the_next_node_under_the_same_number() {
    let (first, second) =
        (FakeNode::start(1, vec![Does::HangUp]), FakeNode::start(2, vec![written(5)]));
    let mut client = client_of(&[&first, &second], PATIENT);
    let result = block_on(set(&mut client, "name", "Alice"));
    assert_eq!(revision(&result), Index(5));
    let (once, again) = (first.requests.recv().unwrap(), second.requests.recv().unwrap());
    assert_eq!(once, again);
    assert_eq!(session_of(&once).opened, COMMIT_INDEX);
}

#[test]
fn a_node_that_says_nothing_is_left_in_time_for_the_next() {
    let (first, second) =
        (FakeNode::start(1, vec![Does::Nothing]), FakeNode::start(2, vec![written(5)]));
    let mut client = client_of(&[&first, &second], Duration::from_secs(3));
    let result = block_on(set(&mut client, "name", "Alice"));
    assert_eq!(revision(&result), Index(5));
}

#[test]
fn a_host_that_accepts_and_never_welcomes_does_not_use_up_the_request() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let second = FakeNode::start(2, vec![written(5)]);
    let addresses = vec![silent.local_addr().unwrap().to_string(), second.address];
    let begin = Instant::now();
    let result = block_on(set(&mut Client::new(addresses, PATIENT), "name", "Alice"));
    assert_eq!(revision(&result), Index(5));
    assert!(begin.elapsed() < PATIENT / 2, "{:?}", begin.elapsed());
}

#[test]
fn writes_of_a_client_are_numbered_one_by_one_in_one_session() {
    let node = FakeNode::start(1, vec![written(5)]);
    let mut client = client_of(&[&node], PATIENT);
    block_on(async {
        for _ in 0..3 {
            set(&mut client, "name", "Alice").await.unwrap();
        }
    });
    let sessions: Vec<Session> = node.requests.try_iter().map(|r| session_of(&r)).collect();
    let sequences: Vec<u64> = sessions.iter().map(|session| session.sequence.0).collect();
    assert_eq!(sequences, [1, 2, 3]);
    assert!(sessions.iter().all(|session| session.client == sessions[0].client));
}

#[test]
fn refusals_of_every_try_mean_that_nothing_was_done() {
    for error in [Error::NoQuorum, Error::Overloaded { retry_after_ms: 1 }] {
        let node = FakeNode::start(1, vec![refuse(error.clone())]);
        let result = block_on(set(&mut client_of(&[&node], IMPATIENT), "name", "Alice"));
        assert_eq!(result, Err(Failure::Refused(error)));
        assert!(node.requests.try_iter().count() > 1, "it was tried again");
    }
}

#[test]
fn one_try_without_an_answer_leaves_the_outcome_unknown_whatever_later_tries_say() {
    for later in [Error::NoQuorum, Error::DiskFull, Error::SessionExpired] {
        let node = FakeNode::start(1, vec![Does::HangUp, refuse(later.clone())]);
        let result = block_on(set(&mut client_of(&[&node], IMPATIENT), "name", "Alice"));
        assert_eq!(result, Err(Failure::Refused(Error::OutcomeUnknown)), "{later:?}");
    }
}

#[test]
fn what_holds_for_every_try_is_the_answer_even_after_one_without_an_answer() {
    for answer in [
        Error::ConditionFailed { revision: Some(Index(9)) },
        Error::TooLarge { limit: 1, actual: 2 },
    ] {
        let node = FakeNode::start(1, vec![Does::HangUp, refuse(answer.clone())]);
        let mut client = client_of(&[&node], PATIENT);
        let result = block_on(client.request(set_request("name", "Alice", Condition::Absent)));
        assert_eq!(result, Err(Failure::Refused(answer)));
    }
}

#[test]
fn a_read_without_an_answer_is_in_no_doubt() {
    let node = FakeNode::start(1, vec![Does::HangUp, refuse(Error::NoQuorum)]);
    let result = block_on(client_of(&[&node], IMPATIENT).request(get_request("name")));
    assert_eq!(result, Err(Failure::Refused(Error::NoQuorum)));
}

#[test]
fn after_an_expired_session_the_next_write_begins_another() {
    let node = FakeNode::start(1, vec![refuse(Error::SessionExpired), written(5)]);
    let mut client = client_of(&[&node], PATIENT);
    let (first, second) = block_on(async {
        (set(&mut client, "name", "Alice").await, set(&mut client, "name", "Alice").await)
    });
    assert_eq!(first, Err(Failure::Refused(Error::SessionExpired)));
    assert_eq!(revision(&second), Index(5));
    let clients: Vec<ClientId> = node.requests.try_iter().map(|r| session_of(&r).client).collect();
    assert!(clients.len() == 2 && clients[0] != clients[1], "{clients:?}");
}

#[test]
fn a_retry_asks_only_nodes_of_the_cluster_of_the_first_try() {
    let first = FakeNode::start(1, vec![refuse(Error::NoQuorum)]);
    let second = FakeNode::start(2, vec![written(5)]);
    let result = block_on(set(&mut client_of(&[&first, &second], PATIENT), "name", "Alice"));
    assert_eq!(revision(&result), Index(5));
    assert_eq!(first.hellos.recv().unwrap().cluster, None);
    assert_eq!(second.hellos.recv().unwrap().cluster, Some(CLUSTER));
}

#[test]
fn a_write_sent_again_to_the_next_leader_applies_once() {
    let mut cluster = Cluster::start();
    let session = Session { client: ClientId(1), opened: Index(0), sequence: Sequence(1) };
    let request = |session| match set_request("counter", "1", Condition::Absent) {
        Request::Write { write, count_copies, .. } => {
            Request::Write { session: Some(session), write, count_copies }
        }
        other => other,
    };
    let leader = cluster.leader();
    let first = ask(&cluster, leader, request(session));
    // Somebody else's write, which a second application would undo.
    let other = ask(&cluster, leader, set_request("counter", "2", Condition::Any));
    cluster.kill(leader);
    let next = cluster.leader();
    assert_eq!(
        ask(&cluster, next, request(session)),
        first,
        "the retry has the first try's answer"
    );
    // The same write in a session of its own is another write, and its condition fails.
    let fresh = Session { client: ClientId(2), ..session };
    let failed = Error::ConditionFailed { revision: Some(revision(&other)) };
    assert_eq!(ask(&cluster, next, request(fresh)), Err(Failure::Refused(failed)));
    let Ok(Reply::Item(Item { value, created, modified, .. })) =
        ask(&cluster, next, get_request("counter"))
    else {
        panic!("the key is gone");
    };
    assert_eq!(value.as_deref(), Some(b"2".as_slice()));
    assert_eq!((created, modified), (revision(&first), revision(&other)));
}

#[test]
fn a_write_that_a_paused_leader_holds_applies_once_when_it_wakes() {
    let cluster = Cluster::start();
    let leader = cluster.leader();
    let mut addresses = cluster.addresses().to_vec();
    addresses.rotate_left(leader as usize - 1);
    let mut client = Client::new(addresses, PATIENT);
    block_on(async {
        client.request(set_request("counter", "0", Condition::Any)).await.unwrap();
        // The next request goes into the paused leader's socket, and waits there.
        cluster.node(leader).pause();
        let moved = client.request(set_request("counter", "1", Condition::Any)).await;
        let last = client.request(set_request("counter", "2", Condition::Any)).await;
        cluster.node(leader).resume();
        assert!(revision(&moved) < revision(&last));
        // By the time that it follows, the old leader has read what waited in its sockets.
        cluster.leader();
        let Ok(Reply::Item(item)) = client.request(get_request("counter")).await else {
            panic!("the key is gone");
        };
        assert_eq!(
            (item.value.as_deref(), item.modified),
            (Some(b"2".as_slice()), revision(&last))
        );
    });
}

/// Asks one node.
fn ask(cluster: &Cluster, id: u64, request: Request) -> Result<Reply, Failure> {
    let mut client = Client::new(vec![cluster.address(id).to_owned()], PATIENT);
    block_on(client.request(request))
}
