//! What comes in over the one port and does not belong there: it is told so, its connection is closed,
//! and the node goes on.

use crate::harness::Cluster;
use crate::load::block_on;
use futures_util::{SinkExt, StreamExt};
use raft_core::bytes::Bytes;
use raft_core::error::Error;
use raft_core::id::{ClusterId, Incarnation, NodeId, Start};
use raft_core::replica::{Envelope, PeerBody};
use raft_core::request::Request;
use raft_core::wire::{CLIENT_FRAME_BYTES_MAX, Frame, Hello, PeerId, VERSION};
use raft_native::client::CLIENT_PATH;
use raft_native::peers::PEER_PATH;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

type Socket = WebSocketStream<TcpStream>;

#[test]
fn frames_that_are_malformed_foreign_or_out_of_place_close_the_connection_with_a_reason() {
    let cluster = Cluster::start();
    let address = cluster.address(1);
    let hello = |version, cluster, peer| Frame::Hello(Hello { version, cluster, peer }).encode();
    let mut newer = hello(VERSION, None, None);
    newer[0] = VERSION + 1;
    let mut trailing = hello(VERSION, None, None);
    trailing.push(0);
    let stranger = ClusterId(1);
    let peer = peer_id(2, 1);
    let first: [(&str, Vec<u8>, &str); 8] = [
        ("nothing", vec![], "invalid"),
        ("noise", vec![VERSION, 0xff, 0xff, 0xff], "invalid"),
        ("a frame with more behind it", trailing, "invalid"),
        ("a newer version's frame", newer, "version_mismatch"),
        ("a newer version's hello", hello(VERSION + 1, None, None), "version_mismatch"),
        ("another cluster's client", hello(VERSION, Some(stranger), None), "cluster_mismatch"),
        ("a peer in a client's place", hello(VERSION, None, Some(peer)), "denied"),
        ("a request before the hello", request(1), "invalid"),
    ];
    block_on(async {
        for (what, bytes, code) in first {
            let mut socket = dial(address, CLIENT_PATH).await;
            socket.send(Message::Binary(bytes.into())).await.unwrap();
            is_told_goodbye(&mut socket, what, code).await;
        }
        let envelope = Envelope {
            from: NodeId(2),
            incarnation: Incarnation(1),
            to: NodeId(1),
            body: PeerBody::Forwarded {
                ticket: Default::default(),
                response: Err(Error::NotFound),
            },
        };
        let second: [(&str, Vec<u8>, &str); 4] = [
            ("noise", vec![VERSION, 0xff, 0xff, 0xff], "invalid"),
            ("another hello", hello(VERSION, None, None), "invalid"),
            ("a peer's message", Frame::Peer(vec![envelope]).encode(), "invalid"),
            ("too much", vec![0; CLIENT_FRAME_BYTES_MAX + 1], "too_large"),
        ];
        for (what, bytes, code) in second {
            let mut socket = welcomed(address).await;
            // The node may close before all of it is sent.
            let _ = socket.send(Message::Binary(bytes.into())).await;
            is_told_goodbye(&mut socket, what, code).await;
        }
        let mut socket = dial(address, CLIENT_PATH).await;
        socket.send(Message::Text("{\"no\": \"frame\"}".into())).await.unwrap();
        is_told_goodbye(&mut socket, "JSON that is no frame", "invalid").await;
    });
    goes_on(&cluster);
}

#[test]
fn a_node_that_is_not_of_the_cluster_or_meant_another_is_refused_with_a_reason() {
    let cluster = Cluster::start();
    let ours = Some(ClusterId::of(cluster.addresses()));
    let peer = |node, to| Some(peer_id(node, to));
    let homeless = PeerId { address: String::new(), ..peer_id(4, 1) };
    let hellos = [
        ("a client in a peer's place", None, None, "denied"),
        ("a node without a cluster", None, peer(2, 1), "denied"),
        ("a node of another cluster", Some(ClusterId(1)), peer(2, 1), "cluster_mismatch"),
        ("a node that looks for another", ours, peer(2, 3), "denied"),
        ("a node that takes itself for this one", ours, peer(1, 1), "denied"),
        ("a node that does not say where it is", ours, Some(homeless), "denied"),
        ("another node 2 than the one that is alive", ours, peer(2, 1), "node_taken"),
    ];
    block_on(async {
        for (what, cluster_id, peer, code) in hellos {
            let mut socket = dial(cluster.address(1), PEER_PATH).await;
            let hello = Frame::Hello(Hello { version: VERSION, cluster: cluster_id, peer });
            socket.send(Message::Binary(hello.encode().into())).await.unwrap();
            is_told_goodbye(&mut socket, what, code).await;
        }
    });
    goes_on(&cluster);
}

#[test]
fn a_node_that_speaks_for_another_or_for_another_life_loses_its_connection() {
    let cluster = Cluster::start();
    let hello = Hello {
        version: VERSION,
        cluster: Some(ClusterId::of(cluster.addresses())),
        // In no configuration: it may be the leader that is about to add this one.
        peer: Some(peer_id(4, 1)),
    };
    let envelope = |from, life, to| Envelope {
        from: NodeId(from),
        incarnation: Incarnation(life),
        to: NodeId(to),
        body: PeerBody::Forwarded { ticket: Default::default(), response: Err(Error::NotFound) },
    };
    let proper = envelope(4, 1, 1);
    block_on(async {
        for (what, foul) in [
            ("another node's message", envelope(2, 1, 1)),
            ("a message of another life", envelope(4, 2, 1)),
            ("a message for another node", envelope(4, 1, 2)),
        ] {
            let mut socket = dial(cluster.address(1), PEER_PATH).await;
            let hello = Frame::Hello(hello.clone()).encode();
            socket.send(Message::Binary(hello.into())).await.unwrap();
            assert!(matches!(next_frame(&mut socket).await, Some(Frame::Welcome(_))), "{what}");
            for batch in [vec![proper.clone()], vec![proper.clone(), foul]] {
                let batch = Frame::Peer(batch).encode();
                socket.send(Message::Binary(batch.into())).await.unwrap();
            }
            is_told_goodbye(&mut socket, what, "denied").await;
        }
    });
    goes_on(&cluster);
}

#[test]
fn bytes_that_are_no_http_and_handshakes_that_never_end_are_cut_off() {
    let cluster = Cluster::start();
    block_on(async {
        let mut noise = TcpStream::connect(cluster.address(1)).await.unwrap();
        noise.write_all(&[0xff; 4_096]).await.unwrap();
        is_closed(&mut noise).await;
        let mut endless = TcpStream::connect(cluster.address(1)).await.unwrap();
        endless.write_all(b"GET / HTTP/1.1\r\nHost: ").await.unwrap();
        let mut mute = dial(cluster.address(1), CLIENT_PATH).await;
        is_closed(&mut endless).await;
        is_told_goodbye(&mut mute, "no hello", "invalid").await;
    });
    goes_on(&cluster);
}

#[test]
fn pages_of_other_origins_and_names_of_other_hosts_are_refused_before_the_upgrade() {
    let cluster = Cluster::start();
    let address = cluster.address(1);
    let upgrade = async |host: &str, origin: Option<&str>| {
        let mut request = format!("ws://{address}{CLIENT_PATH}").into_client_request().unwrap();
        request.headers_mut().insert("Host", HeaderValue::from_str(host).unwrap());
        if let Some(origin) = origin {
            request.headers_mut().insert("Origin", HeaderValue::from_str(origin).unwrap());
        }
        let stream = TcpStream::connect(address).await.unwrap();
        match client_async(request, stream).await {
            Ok(_) => 101,
            Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
            Err(error) => panic!("no answer in HTTP: {error}"),
        }
    };
    block_on(async {
        assert_eq!(upgrade(address, None).await, 101);
        assert_eq!(upgrade(address, Some(&format!("http://{address}"))).await, 101);
        let another = format!("http://{}", cluster.address(2));
        assert_eq!(upgrade(address, Some(&another)).await, 101, "the page of another node");
        for origin in ["http://evil.example", "null", "http://localhost:1", "https://localhost"] {
            assert_eq!(upgrade(address, Some(origin)).await, 403, "{origin}");
        }
        for host in ["evil.example", "localhost:1", cluster.address(2)] {
            assert_eq!(upgrade(host, None).await, 403, "{host}");
        }
    });
    goes_on(&cluster);
}

/// Another life of a node.
fn peer_id(node: u64, to: u64) -> PeerId {
    PeerId {
        node: NodeId(node),
        to: NodeId(to),
        incarnation: Incarnation(1),
        start: Start::new(1, 0),
        address: "localhost:1".to_owned(),
        bulk: false,
    }
}

fn request(id: u64) -> Vec<u8> {
    Frame::Request { id, request: Request::Status }.encode()
}

/// A connection that is upgraded, and has not said hello.
async fn dial(address: &str, path: &str) -> Socket {
    let stream = TcpStream::connect(address).await.unwrap();
    client_async(format!("ws://{address}{path}"), stream).await.unwrap().0
}

/// A connection that has said hello, and serves.
async fn welcomed(address: &str) -> Socket {
    let mut socket = dial(address, CLIENT_PATH).await;
    let hello = Frame::Hello(Hello { version: VERSION, cluster: None, peer: None });
    socket.send(Message::Binary(hello.encode().into())).await.unwrap();
    assert!(matches!(next_frame(&mut socket).await, Some(Frame::Welcome(_))));
    socket.send(Message::Binary(request(1).into())).await.unwrap();
    assert!(matches!(next_frame(&mut socket).await, Some(Frame::Response { id: 1, .. })));
    socket
}

/// The next message that is not a ping; `None` if the connection ended.
async fn next_message(socket: &mut Socket) -> Option<Message> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Ping(_))) => {}
            Some(Ok(message)) => return Some(message),
            Some(Err(_)) | None => return None,
        }
    }
}

async fn next_frame(socket: &mut Socket) -> Option<Frame> {
    let message = next_message(socket).await?;
    Some(Frame::decode(&message.into_data()).unwrap())
}

async fn is_told_goodbye(socket: &mut Socket, what: &str, code: &str) {
    let goodbye =
        next_message(socket).await.unwrap_or_else(|| panic!("{what}: closed without a word"));
    let Ok(Frame::Goodbye(error)) = Frame::decode(&goodbye.into_data()) else {
        panic!("{what}: no goodbye");
    };
    assert_eq!(error.code(), code, "{what}: {error}");
    match next_message(socket).await {
        Some(Message::Close(Some(close))) => {
            assert!(error.to_string().starts_with(close.reason.as_str()), "{what}: {close}");
        }
        other => panic!("{what}: no reason in the close: {other:?}"),
    }
    assert_eq!(next_message(socket).await, None, "{what}: not closed");
}

async fn is_closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let closed = stream.read_to_end(&mut rest);
    let in_time = tokio::time::timeout(Duration::from_secs(20), closed).await;
    assert!(in_time.is_ok(), "the connection is still open: {:?}", Bytes::from(rest));
}

/// All nodes still serve, and none of them has said that it lost its leader.
fn goes_on(cluster: &Cluster) {
    let set = cluster.cli(["set", "name", "Alice"]);
    assert_eq!(set.all(), (0, "OK (committed to 3/3 nodes)\n", ""), "{}", cluster.transcript());
    for id in 1..=3 {
        let get = cluster.cli(["--cluster", cluster.address(id), "get", "name"]);
        assert_eq!(get.all(), (0, "Alice\n", ""));
    }
}
