//! Connections between nodes. Each node dials the others and sends; what it receives comes over the
//! connections that the others dialled. So a connection has one direction and one owner who restores it.
//! Snapshots travel on connections of their own, so that nothing waits behind them.

pub mod dial;
pub mod greeting;
pub mod links;
pub mod seats;

use crate::node::Node;
use crate::server::Arrival;
use crate::socket::{self, Fault, Form, Socket, invalid};
use futures_util::StreamExt;
use raft_core::error::Error;
use raft_core::replica::Envelope;
use raft_core::wire::{Frame, Hello, PeerId};
use seats::Seat;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The path at which a node takes the connections of other nodes.
pub const PEER_PATH: &str = "/v1/peer";

/// A dialling node pings this often, so that both sides notice when the other is gone without a word.
pub const PING_INTERVAL: Duration = Duration::from_secs(2);

/// Silence after which a connection is given up: three pings.
pub const SILENCE_MAX: Duration = Duration::from_secs(6);

/// The read buffer of a peer's connection in bytes: a batch of entries in few reads, though it is zeroed for
/// each of them.
pub const READ_BUFFER_BYTES: usize = 64 << 10;

/// Receives what another node sends, from its hello on, until the connection ends. `on_welcome` is called
/// when it is known to be another node.
pub async fn receive(node: Arc<Node>, mut socket: Socket, on_welcome: impl FnOnce()) {
    let fault = match node.receive_hello(&mut socket).await {
        Ok((hello, Form::Binary)) => match admit(&node, hello) {
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

/// Decides whether a node may connect. It need not be in any configuration that is known here: a node
/// that joins has none, and the leader that adds it may be a stranger to it.
fn admit(node: &Node, hello: Hello) -> Result<(PeerId, Seat), Error> {
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
    if peer.address.parse::<crate::address::Address>().is_err() {
        return Err(denied("a node must name its address; give it".to_owned()));
    }
    let seat = node.seats.take(&peer)?;
    Ok((peer, seat))
}

async fn receive_batches(node: &Node, socket: &mut Socket, peer: PeerId, mut seat: Seat) -> Fault {
    if let Err(fault) = node.send_welcome(socket, Form::Binary).await {
        return fault;
    }
    node.inbox.put(Arrival::Hello { node: peer.node, address: peer.address.clone() }).await;
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
            Ok(None) => {
                seat.heard(false);
                continue;
            }
            Err(fault) => return fault,
        };
        let is_proper = |envelope: &Envelope| {
            (envelope.from, envelope.incarnation, envelope.to)
                == (peer.node, peer.incarnation, node.identity.node)
        };
        if !envelopes.iter().all(is_proper) {
            return Fault::Foul(Error::Denied {
                reason: format!(
                    "node {} may send its own messages of this life to this node, no others",
                    peer.node
                ),
            });
        }
        seat.heard(true);
        node.inbox.put(Arrival::Peer(envelopes)).await;
    }
}
