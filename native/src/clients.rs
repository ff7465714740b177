//! Clients' connections: requests in, answers out, many at a time and in any order.

use crate::node::Node;
use crate::server::Arrival;
use crate::socket::{self, Fault, Form, Socket, invalid};
use crate::watchers::{Sightings, next};
use futures_util::{FutureExt, SinkExt, StreamExt};
use raft_core::error::Error;
use raft_core::request::{Request, Response};
use raft_core::wire::Frame;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::{interval_at, timeout};
use tokio_tungstenite::tungstenite::{self, Message};

/// Most requests of one connection under way; beyond it nothing more is read, so the client waits.
const REQUESTS_MAX: usize = 1_024;

/// Most bytes of requests of one connection under way, as they came; the first always may be.
const REQUESTS_BYTES_MAX: usize = 4 << 20;

/// Most requests handed to the loop in one piece, so that one client keeps it from others only briefly.
const BATCH_MAX: usize = 256;

/// A client that says nothing for this long is pinged.
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// A client that says nothing for this long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// How long a client may take to make room for its answers.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// The read buffer of a client's connection in bytes: small, since there can be many, and it is zeroed for
/// every read.
pub const READ_BUFFER_BYTES: usize = 16 << 10;

/// Serves a client from its hello on, until the connection ends.
pub async fn serve(node: Arc<Node>, mut socket: Socket) {
    let (fault, form) = match greet(&node, &mut socket).await {
        Ok(form) => (Session::new(&node, form).run(&mut socket).await, form),
        Err(fault) => (fault, Form::Binary),
    };
    if let Fault::Foul(error) = fault {
        socket::say_goodbye(socket, form, error).await;
    }
}

async fn greet(node: &Node, socket: &mut Socket) -> Result<Form, Fault> {
    let (hello, form) = node.receive_hello(socket).await?;
    if hello.peer.is_some() {
        let reason = format!("this is for clients; nodes connect to {}", crate::peers::PEER_PATH);
        return Err(Fault::Foul(Error::Denied { reason }));
    }
    node.send_welcome(socket, form).await.map(|()| form)
}

/// A welcomed client.
struct Session<'a> {
    node: &'a Node,
    /// The form of the hello, in which everything is answered.
    form: Form,
    /// The requests under way, each with its length.
    under_way: HashMap<u64, usize>,
    under_way_bytes: usize,
    replies: mpsc::Sender<(u64, Response)>,
    answers: mpsc::Receiver<(u64, Response)>,
    /// What the node shows, if the client asked for that.
    sightings: Option<Sightings>,
}

impl<'a> Session<'a> {
    fn new(node: &'a Node, form: Form) -> Self {
        let (replies, answers) = mpsc::channel(REQUESTS_MAX);
        let (under_way, under_way_bytes) = (HashMap::new(), 0);
        Self { node, form, under_way, under_way_bytes, replies, answers, sightings: None }
    }

    async fn run(mut self, socket: &mut Socket) -> Fault {
        let mut answered = Vec::new();
        let mut heard = Instant::now();
        let mut ping = interval_at(tokio::time::Instant::now() + PING_INTERVAL, PING_INTERVAL);
        loop {
            let sent = tokio::select! {
                biased;
                _ = self.answers.recv_many(&mut answered, REQUESTS_MAX) => {
                    timeout(SEND_TIMEOUT, self.send_answers(socket, &mut answered)).await
                }
                received = socket.next(), if self.has_room() => {
                    heard = Instant::now();
                    if let Err(fault) = self.take_requests(socket, received).await {
                        return fault;
                    }
                    continue;
                }
                sighting = next(&mut self.sightings) => {
                    let frame = socket::encode(&Frame::Sighting(Box::new(sighting)), self.form);
                    timeout(SEND_TIMEOUT, socket.send(frame)).await
                }
                _ = ping.tick() => {
                    // While answers are owed it is for us to speak.
                    if self.under_way.is_empty() && heard.elapsed() > SILENCE_MAX {
                        return Fault::Gone("silence".to_owned());
                    }
                    timeout(SEND_TIMEOUT, socket.send(Message::Ping(Vec::new().into()))).await
                }
            };
            match sent {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Fault::Gone(error.to_string()),
                Err(_) => return Fault::Gone("it takes nothing in".to_owned()),
            }
        }
    }

    /// Hands the requests that have arrived to the loop, beginning with `received`.
    async fn take_requests(
        &mut self,
        socket: &mut Socket,
        mut received: Option<Result<Message, tungstenite::Error>>,
    ) -> Result<(), Fault> {
        let mut requests = Vec::new();
        let result = loop {
            match self.take_request(received) {
                Ok(request) => requests.extend(request),
                Err(fault) => break Err(fault),
            }
            if !self.has_room() || requests.len() == BATCH_MAX {
                break Ok(());
            }
            match socket.next().now_or_never() {
                Some(next) => received = next,
                None => break Ok(()),
            }
        };
        // What came before a fault was in order. A loop that sleeps is woken for who begins to watch.
        if !requests.is_empty() || self.sightings.is_some() {
            self.node.inbox.put(Arrival::Client { requests, replies: self.replies.clone() }).await;
        }
        result
    }

    fn take_request(
        &mut self,
        received: Option<Result<Message, tungstenite::Error>>,
    ) -> Result<Option<(u64, Request)>, Fault> {
        let bytes =
            received.as_ref().and_then(|message| message.as_ref().ok()).map_or(0, Message::len);
        match socket::decode(received)? {
            Some((Frame::Request { id, request }, _)) => {
                if self.under_way.insert(id, bytes).is_some() {
                    let reason = format!("request {id} is under way already; number each anew");
                    return Err(Fault::Foul(Error::Invalid { reason }));
                }
                self.under_way_bytes += bytes;
                Ok(Some((id, request)))
            }
            Some((Frame::Watch, _)) => {
                let sightings = self.node.watchers.subscribe();
                let busy = Fault::Foul(Error::Overloaded { retry_after_ms: 1_000 });
                self.sightings = Some(sightings.ok_or(busy)?);
                Ok(None)
            }
            Some((Frame::Goodbye(error), _)) => Err(Fault::Gone(error.to_string())),
            Some(_) => {
                Err(Fault::Foul(invalid("a client sends requests, or wants to watch, and no more")))
            }
            None => Ok(None),
        }
    }

    /// Sends answers with one flush.
    async fn send_answers(
        &mut self,
        socket: &mut Socket,
        answered: &mut Vec<(u64, Response)>,
    ) -> Result<(), tungstenite::Error> {
        for (id, response) in answered.drain(..) {
            self.under_way_bytes -= self.under_way.remove(&id).unwrap_or_default();
            socket.feed(socket::encode(&Frame::Response { id, response }, self.form)).await?;
        }
        socket.flush().await
    }

    fn has_room(&self) -> bool {
        self.under_way.len() < REQUESTS_MAX && self.under_way_bytes < REQUESTS_BYTES_MAX
    }
}
