//! Connections between nodes. Each node dials every other and sends; what it receives comes over the
//! connections that the others dialled. So a connection has one direction and one owner who restores it.

pub mod dial;
pub mod seats;

use crate::node::Node;
use crate::server::Arrival;
use crate::socket::{self, Fault, Form, Socket, invalid};
use futures_util::StreamExt;
use raft_core::error::Error;
use raft_core::id::NodeId;
use raft_core::replica::Envelope;
use raft_core::wire::{Frame, Hello, PeerId};
use seats::Seat;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The path at which a node takes the connections of other nodes.
pub const PEER_PATH: &str = "/v1/peer";

/// Batches that wait for a slow connection. A batch that finds no room is dropped: Raft sends again.
const QUEUE_BATCHES_MAX: usize = 128;

/// A dialling node pings this often, so that both sides notice when the other is gone without a word.
pub const PING_INTERVAL: Duration = Duration::from_secs(2);

/// Silence after which a connection is given up: three pings.
pub const SILENCE_MAX: Duration = Duration::from_secs(6);

/// The read buffer of a peer's connection in bytes: a batch of entries in few reads, though it is zeroed for
/// each of them.
pub const READ_BUFFER_BYTES: usize = 64 << 10;

/// The sending ends of the connections to all other nodes.
#[derive(Debug)]
pub struct Links {
    links: Vec<Link>,
}

#[derive(Debug)]
struct Link {
    to: NodeId,
    queue: mpsc::Sender<Vec<Envelope>>,
}

impl Links {
    /// Starts to dial every other node, and goes on with it.
    pub fn start(node: &Arc<Node>) -> Self {
        let others = node.identity.members().filter(|(id, _)| *id != node.identity.node);
        let start = |(to, address): (NodeId, &str)| {
            let (queue, waiting) = mpsc::channel(QUEUE_BATCHES_MAX);
            tokio::spawn(dial::keep_connected(node.clone(), to, address.to_owned(), waiting));
            Link { to, queue }
        };
        Self { links: others.map(start).collect() }
    }

    /// Sends each envelope to its node, in one batch for each; drops what finds no room.
    pub fn send(&self, mut envelopes: Vec<Envelope>) {
        for Link { to, queue } in &self.links {
            let batch: Vec<Envelope> =
                envelopes.extract_if(.., |envelope| envelope.to == *to).collect();
            if !batch.is_empty() {
                let _ = queue.try_send(batch);
            }
        }
    }
}

/// Receives what another node sends, from its hello on, until the connection ends. `on_welcome` is called
/// when it is known to be another node.
pub async fn receive(node: Arc<Node>, mut socket: Socket, on_welcome: impl FnOnce()) {
    let fault = match node.receive_hello(&mut socket).await {
        Ok((hello, Form::Binary)) => match admit(&node, &hello) {
            Ok((peer, seat)) => {
                on_welcome();
                receive_batches(&node, &mut socket, peer, seat).await
            }
            Err(error) => Fault::Foul(error),
        },
        Ok((_, Form::Text)) => Fault::Foul(invalid("peers speak binary frames; send no JSON")),
        Err(fault) => fault,
    };
    if let Fault::Foul(error) = fault {
        socket::say_goodbye(socket, Form::Binary, error).await;
    }
}

/// Decides whether a node may connect.
fn admit(node: &Node, hello: &Hello) -> Result<(PeerId, Seat), Error> {
    let denied = |reason: String| Error::Denied { reason };
    let own = node.identity.node;
    let Some(peer) = hello.peer else {
        return Err(denied(format!(
            "this is for nodes; clients connect to {}",
            crate::client::CLIENT_PATH
        )));
    };
    if hello.cluster.is_none() {
        return Err(denied("a node must name its cluster; give it".to_owned()));
    }
    if peer.to != own {
        return Err(denied(format!(
            "this is node {own}, not node {}; check the addresses",
            peer.to
        )));
    }
    if peer.node == own {
        return Err(denied(format!("node {own} is this node; give each node its own --id")));
    }
    if node.identity.members().all(|(id, _)| id != peer.node) {
        return Err(denied(format!("node {} is not in the cluster; check --cluster", peer.node)));
    }
    Ok((peer, node.seats.take(peer.node, peer.incarnation)?))
}

async fn receive_batches(node: &Node, socket: &mut Socket, peer: PeerId, mut seat: Seat) -> Fault {
    if let Err(fault) = node.send_welcome(socket, Form::Binary).await {
        return fault;
    }
    let mut heard = Instant::now();
    let mut look = tokio::time::interval(PING_INTERVAL);
    loop {
        let received = tokio::select! {
            biased;
            () = seat.replaced() => return Fault::Gone("a newer connection took its place".to_owned()),
            received = socket.next() => received,
            _ = look.tick() => match heard.elapsed() > SILENCE_MAX {
                true => return Fault::Gone("silence".to_owned()),
                false => continue,
            },
        };
        heard = Instant::now();
        let envelopes = match socket::decode(received) {
            Ok(Some((Frame::Peer(envelopes), _))) => envelopes,
            Ok(Some((Frame::Goodbye(error), _))) => return Fault::Gone(error.to_string()),
            Ok(Some(_)) => {
                return Fault::Foul(invalid("a peer sends its batches and nothing else"));
            }
            Ok(None) => continue,
            Err(fault) => return fault,
        };
        let is_proper =
            |envelope: &Envelope| (envelope.from, envelope.to) == (peer.node, node.identity.node);
        if !envelopes.iter().all(is_proper) {
            return Fault::Foul(Error::Denied {
                reason: format!(
                    "node {} may send its own messages to this node, no others",
                    peer.node
                ),
            });
        }
        node.inbox.put(Arrival::Peer(envelopes)).await;
    }
}
