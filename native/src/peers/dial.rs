//! The connections to one other node: dialled, kept, and restored when they are lost.

use crate::node::Node;
use crate::peers::{PEER_PATH, PING_INTERVAL, READ_BUFFER_BYTES, SILENCE_MAX};
use crate::socket::{self, Fault, Form, HANDSHAKE_TIMEOUT, Socket};
use futures_util::{SinkExt, StreamExt};
use raft_core::error::Error;
use raft_core::id::NodeId;
use raft_core::replica::Envelope;
use raft_core::wire::{Frame, Hello, PEER_FRAME_BYTES_MAX, VERSION, Welcome};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{interval_at, timeout};
use tokio_tungstenite::tungstenite::{self, Message};

/// How long a host may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a node may take to make room for what is sent to it.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// Pauses between tries double from the first to the second of these, and vary by a half, so that nodes
/// that lost each other do not dial in step.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Batches taken from the queue for one flush.
const BATCHES_MAX: usize = 32;

/// How long a connection for snapshots is kept without one: a transfer under way pauses less.
const BULK_IDLE_MAX: Duration = Duration::from_secs(15);

/// Dials `to` for ever and sends what is put into `queue`. Says when it finds and when it loses the node,
/// once each time.
pub async fn keep_connected(
    node: Arc<Node>,
    to: NodeId,
    address: String,
    mut queue: mpsc::Receiver<Vec<Envelope>>,
) {
    let arrival = node.seats.arrival(to);
    let (mut said, mut pause) = (None, PAUSE_MIN);
    loop {
        let trouble = match dial(&node, to, &address, false).await {
            Ok(mut socket) => {
                node.console.diagnostic(format!("connected to node {to} at {address}"));
                (said, pause) = (None, PAUSE_MIN);
                // What has waited while there was no connection is old by now.
                while queue.try_recv().is_ok() {}
                send_batches(&mut socket, &mut queue, None).await
            }
            Err(trouble) => trouble,
        };
        if trouble.refusal == Some(Error::OlderCopy { node: node.identity.node }) {
            node.older_copy.notify_one();
        }
        if !said.as_ref().is_some_and(|said| trouble.is_old_news_after(said)) {
            let reason = &trouble.reason;
            node.console.diagnostic(format!(
                "no connection to node {to} at {address}: {reason}; trying on"
            ));
            said = Some(trouble);
        }
        let _ = timeout(vary(pause), arrival.notified()).await;
        pause = PAUSE_MAX.min(pause * 2);
    }
}

/// Sends what is put into `queue` over a connection that is there only while it is needed. What is lost
/// with it the core sends again.
pub async fn carry_snapshots(
    node: Arc<Node>,
    to: NodeId,
    address: String,
    mut queue: mpsc::Receiver<Vec<Envelope>>,
) {
    while let Some(first) = queue.recv().await {
        let Ok(mut socket) = dial(&node, to, &address, true).await else {
            tokio::time::sleep(vary(PAUSE_MIN)).await;
            continue;
        };
        let mut messages = Vec::new();
        encode_batch(first, &mut messages);
        if let Ok(Ok(())) = timeout(SEND_TIMEOUT, send_all(&mut socket, messages)).await {
            send_batches(&mut socket, &mut queue, Some(BULK_IDLE_MAX)).await;
        }
    }
}

/// Why there is no connection.
#[derive(Debug, PartialEq, Eq)]
struct Trouble {
    /// Set if the node is there and wants none, so that a person has to do something.
    refusal: Option<Error>,
    /// For people.
    reason: String,
}

impl Trouble {
    fn gone(reason: impl ToString) -> Self {
        Self { refusal: None, reason: reason.to_string() }
    }

    fn refused(error: Error) -> Self {
        Self { reason: error.to_string(), refusal: Some(error) }
    }

    fn wrong(reason: &str) -> Self {
        let reason = reason.to_owned();
        Self { refusal: Some(Error::Denied { reason: reason.clone() }), reason }
    }

    /// A node that is gone can be gone in many ways; a refusal is told again if the reason is another.
    fn is_old_news_after(&self, said: &Self) -> bool {
        self == said || (self.refusal.is_none() && said.refusal.is_none())
    }
}

/// A connection that is welcomed by the right node.
async fn dial(node: &Node, to: NodeId, address: &str, bulk: bool) -> Result<Socket, Trouble> {
    let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(address))
        .await
        .map_err(|_| Trouble::gone("no answer"))?
        .map_err(Trouble::gone)?;
    match timeout(HANDSHAKE_TIMEOUT, introduce(node.hello(to, bulk), address, stream)).await {
        Err(_) => Err(Trouble::gone("it accepts and says nothing")),
        Ok(Err(Fault::Gone(reason))) => Err(Trouble::gone(reason)),
        Ok(Err(Fault::Foul(error))) => Err(Trouble::refused(error)),
        Ok(Ok((_, Frame::Goodbye(error)))) => Err(Trouble::refused(error)),
        Ok(Ok((socket, Frame::Welcome(Welcome { version, cluster, node: who, .. }))))
            if (version, cluster, who) == (VERSION, node.identity.cluster, to) =>
        {
            Ok(socket)
        }
        Ok(Ok((_, Frame::Welcome(Welcome { node: who, .. })))) => {
            Err(Trouble::wrong(&format!("node {who} answers there")))
        }
        Ok(Ok(_)) => Err(Trouble::wrong("who answers there is no node")),
    }
}

/// Upgrades the connection, says hello, and takes the first frame that comes back.
pub(super) async fn introduce(
    hello: Hello,
    address: &str,
    stream: TcpStream,
) -> Result<(Socket, Frame), Fault> {
    let gone = |error: tungstenite::Error| Fault::Gone(error.to_string());
    // A batch is on its way as soon as it is flushed.
    stream.set_nodelay(true).map_err(|error| Fault::Gone(error.to_string()))?;
    let url = format!("ws://{address}{PEER_PATH}");
    let config = socket::config(PEER_FRAME_BYTES_MAX, READ_BUFFER_BYTES);
    let upgraded = tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await;
    let (mut socket, _) = upgraded.map_err(gone)?;
    socket.send(socket::encode(&Frame::Hello(hello), Form::Binary)).await.map_err(gone)?;
    let (frame, _) = socket::next_frame(&mut socket).await?;
    Ok((socket, frame))
}

/// Sends until the connection ends, or there was nothing to send for `idle_max`, and returns why.
async fn send_batches(
    socket: &mut Socket,
    queue: &mut mpsc::Receiver<Vec<Envelope>>,
    idle_max: Option<Duration>,
) -> Trouble {
    let mut batches = Vec::with_capacity(BATCHES_MAX);
    let (mut heard, mut sent) = (Instant::now(), Instant::now());
    let mut ping = interval_at(tokio::time::Instant::now() + PING_INTERVAL, PING_INTERVAL);
    loop {
        let mut messages = Vec::new();
        tokio::select! {
            biased;
            received = socket.next() => match socket::decode(received) {
                Ok(None) => {
                    heard = Instant::now();
                    continue;
                }
                Ok(Some((Frame::Goodbye(error), _))) => return Trouble::refused(error),
                Ok(Some(_)) => return Trouble::wrong("it sends what a node does not"),
                Err(Fault::Gone(reason)) => return Trouble::gone(reason),
                Err(Fault::Foul(error)) => return Trouble::refused(error),
            },
            _ = queue.recv_many(&mut batches, BATCHES_MAX) => {
                sent = Instant::now();
                batches.drain(..).for_each(|batch| encode_batch(batch, &mut messages));
            }
            _ = ping.tick() => {
                if heard.elapsed() > SILENCE_MAX {
                    return Trouble::gone("it is silent");
                }
                if idle_max.is_some_and(|max| sent.elapsed() > max) {
                    return Trouble::gone("it is not needed now");
                }
                messages.push(Message::Ping(Vec::new().into()));
            }
        }
        match timeout(SEND_TIMEOUT, send_all(socket, messages)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Trouble::gone(error),
            Err(_) => return Trouble::gone("it takes nothing in"),
        }
    }
}

/// All messages with one flush at the end.
async fn send_all(socket: &mut Socket, messages: Vec<Message>) -> Result<(), tungstenite::Error> {
    for message in messages {
        socket.feed(message).await?;
    }
    socket.flush().await
}

/// One frame for the batch, or as many as it takes to keep each below the limit. An envelope that is
/// above it alone is lost, as any may be.
fn encode_batch(batch: Vec<Envelope>, messages: &mut Vec<Message>) {
    let frame = Frame::Peer(batch);
    let bytes = frame.encode();
    match frame {
        _ if bytes.len() <= PEER_FRAME_BYTES_MAX => messages.push(Message::Binary(bytes.into())),
        Frame::Peer(mut batch) if batch.len() > 1 => {
            let rest = batch.split_off(batch.len() / 2);
            encode_batch(batch, messages);
            encode_batch(rest, messages);
        }
        _ => {}
    }
}

/// A duration between a half and three halves of `pause`.
fn vary(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    pause / 2 + pause.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use raft_core::id::{Incarnation, Ticket};
    use raft_core::kv::command::{Condition, Write};
    use raft_core::replica::PeerBody;
    use raft_core::request::Request;

    fn forward(ticket: u64, value_bytes: usize) -> Envelope {
        let value = vec![0; value_bytes].into();
        let write = Write::Set { key: "key".into(), value, condition: Condition::Any };
        let request = Request::Write { session: None, write, count_copies: false };
        let body = PeerBody::Forward { ticket: Ticket(ticket), request };
        Envelope { from: NodeId(1), incarnation: Incarnation(1), to: NodeId(2), body }
    }

    #[test]
    fn a_batch_over_the_frame_limit_goes_in_several_frames_in_order() {
        let batch: Vec<Envelope> = (0..40).map(|ticket| forward(ticket, 1 << 20)).collect();
        let mut messages = Vec::new();
        encode_batch(batch.clone(), &mut messages);
        assert!(messages.len() > 1);
        let received = messages.into_iter().flat_map(|message| {
            let bytes = message.into_data();
            assert!(bytes.len() <= PEER_FRAME_BYTES_MAX);
            match Frame::decode(&bytes) {
                Ok(Frame::Peer(envelopes)) => envelopes,
                other => panic!("{other:?}"),
            }
        });
        assert!(received.eq(batch));
    }

    #[test]
    fn an_envelope_that_fits_no_frame_is_dropped_and_the_others_go() {
        let batch = vec![forward(1, 1), forward(2, PEER_FRAME_BYTES_MAX + 1), forward(3, 1)];
        let mut messages = Vec::new();
        encode_batch(batch, &mut messages);
        assert_eq!(messages.len(), 2);
    }

    #[test]
    fn pauses_vary_by_a_half() {
        let pause = Duration::from_millis(100);
        for _ in 0..1_000 {
            assert!((pause / 2..=pause * 3 / 2).contains(&vary(pause)));
        }
    }
}
