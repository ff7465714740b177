//! The loop: one task that owns the replica, so there is no lock. It steps everything that waits, takes
//! the effects once, and hands the lanes out; batching comes from that.

use crate::clock::Clock;
use crate::console::{Console, Transcript};
use crate::disk::Disk;
use crate::peers::Links;
use raft_core::error::Error;
use raft_core::id::{Ticket, WriteSeq};
use raft_core::replica::{Effects, Envelope, Input, Replica};
use raft_core::request::{Request, Response};
use std::collections::HashMap;
use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;

/// Most arrivals that wait for the loop, each at most a frame of a peer or a batch of a client. Beyond
/// it connections are not read: who sends feels it, and memory does not.
pub const ARRIVALS_MAX: usize = 256;

/// Something that arrived for the replica.
#[derive(Debug)]
pub enum Arrival {
    /// From another node, checked to be from it and for us.
    Peer(Vec<Envelope>),
    /// From a client: requests, each with the client's number for it.
    Client {
        /// The requests.
        requests: Vec<(u64, Request)>,
        /// Where the answers go.
        replies: Replies,
    },
}

/// Where answers go, each with the client's number. It must hold as many as requests are under way: an
/// answer that finds no room is dropped.
pub type Replies = mpsc::Sender<(u64, Response)>;

/// The way to the loop.
#[derive(Clone, Debug)]
pub struct Inbox {
    arrivals: mpsc::Sender<Arrival>,
}

impl Inbox {
    /// An inbox, and its other end for [`Server::run`].
    pub fn new() -> (Self, mpsc::Receiver<Arrival>) {
        let (arrivals, receiver) = mpsc::channel(ARRIVALS_MAX);
        (Self { arrivals }, receiver)
    }

    /// Hands something over; waits while the loop has enough.
    pub async fn put(&self, arrival: Arrival) {
        // The loop ends only with the process.
        let _ = self.arrivals.send(arrival).await;
    }

    /// Asks one thing and waits for the answer.
    pub async fn ask(&self, request: Request) -> Response {
        let (replies, mut answer) = mpsc::channel(1);
        self.put(Arrival::Client { requests: vec![(0, request)], replies }).await;
        answer.recv().await.map_or(Err(Error::OutcomeUnknown), |(_, response)| response)
    }
}

/// The owner of the replica.
#[derive(Debug)]
pub struct Server {
    replica: Replica,
    clock: Clock,
    disk: Disk,
    links: Links,
    console: Console,
    transcript: Transcript,
    /// The last write that was reported to the replica.
    persisted: WriteSeq,
    /// The next ticket. The first is random: a late answer to a ticket of the process before this one
    /// must not be taken for an answer to one of ours.
    next_ticket: u64,
    /// Who waits for the answer to a ticket. The replica answers each, and bounds how many there are.
    waiting: HashMap<Ticket, (u64, Replies)>,
}

impl Server {
    /// A server; `first_ticket` is random.
    pub fn new(
        replica: Replica,
        clock: Clock,
        disk: Disk,
        links: Links,
        console: Console,
        first_ticket: u64,
    ) -> Self {
        Self {
            replica,
            clock,
            disk,
            links,
            console,
            transcript: Transcript::default(),
            persisted: WriteSeq::default(),
            next_ticket: first_ticket,
            waiting: HashMap::new(),
        }
    }

    /// Runs until the disk thread or every sender of the inbox is gone.
    pub async fn run(
        mut self,
        mut arrivals: mpsc::Receiver<Arrival>,
        mut persisted: watch::Receiver<WriteSeq>,
    ) {
        let mut batch = Vec::with_capacity(ARRIVALS_MAX);
        let timer = tokio::time::sleep_until(self.clock.timer(self.replica.deadline()));
        tokio::pin!(timer);
        loop {
            self.hand_out_effects();
            timer.as_mut().reset(self.clock.timer(self.replica.deadline()));
            tokio::select! {
                biased;
                change = persisted.changed() => if change.is_err() { return },
                received = arrivals.recv_many(&mut batch, ARRIVALS_MAX) => if received == 0 { return },
                () = &mut timer => {}
            }
            self.step_arrived(&mut batch, &mut arrivals, &mut persisted);
            if self.clock.now() >= self.replica.deadline() {
                // What is in the sockets has arrived, too, and if the process was paused it is news of a
                // leader: the tasks that read get a turn before the time that passed counts.
                yield_now().await;
                self.step_arrived(&mut batch, &mut arrivals, &mut persisted);
                let now = self.clock.now();
                if now >= self.replica.deadline() {
                    self.replica.step(now, Input::Wake);
                }
            }
        }
    }

    /// Steps all that waits: what is in `batch`, in `arrivals` and in `persisted`.
    fn step_arrived(
        &mut self,
        batch: &mut Vec<Arrival>,
        arrivals: &mut mpsc::Receiver<Arrival>,
        persisted: &mut watch::Receiver<WriteSeq>,
    ) {
        let now = self.clock.now();
        let durable = *persisted.borrow_and_update();
        if durable > self.persisted {
            self.persisted = durable;
            self.replica.step(now, Input::Persisted(durable));
        }
        while batch.len() < ARRIVALS_MAX
            && let Ok(arrival) = arrivals.try_recv()
        {
            batch.push(arrival);
        }
        for arrival in batch.drain(..) {
            match arrival {
                Arrival::Peer(envelopes) => {
                    for envelope in envelopes {
                        self.replica.step(now, Input::Peer(envelope));
                    }
                }
                Arrival::Client { requests, replies } => {
                    for (id, request) in requests {
                        let ticket = Ticket(self.next_ticket);
                        self.next_ticket = self.next_ticket.wrapping_add(1);
                        self.waiting.insert(ticket, (id, replies.clone()));
                        self.replica.step(now, Input::Client { ticket, request });
                    }
                }
            }
        }
    }

    fn hand_out_effects(&mut self) {
        let Effects { write, send, reply, events } = self.replica.effects();
        if let Some(write) = write {
            self.disk.write(write);
        }
        self.links.send(send);
        for (ticket, response) in reply {
            // A client that is gone has no use for its answer.
            if let Some((id, replies)) = self.waiting.remove(&ticket) {
                let _ = replies.try_send((id, response));
            }
        }
        for line in self.transcript.lines(&events) {
            self.console.say(line);
        }
    }
}
