//! The loop: one task that owns the replica, so there is no lock. It steps everything that waits, takes
//! the effects once, and hands the lanes out; batching comes from that.

use crate::background;
use crate::clock::Clock;
use crate::console::Transcript;
use crate::disk::{Disk, DiskState};
use crate::identity::Identity;
use crate::node::Node;
use crate::peers::links::Links;
use crate::watchers::Shown;
use raft_core::error::Error;
use raft_core::id::{NodeId, Ticket};
use raft_core::raft::event::Event;
use raft_core::raft::membership::{Configuration, Member};
use raft_core::replica::{Effects, Envelope, Input, Replica};
use raft_core::request::{Request, Response};
use raft_core::sighting::Collected;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;

/// Most arrivals that wait for the loop, each at most a frame of a peer or a batch of a client. Beyond
/// it connections are not read: who sends feels it, and memory does not.
pub const ARRIVALS_MAX: usize = 256;

/// Something that arrived for the replica.
#[derive(Debug)]
pub enum Arrival {
    /// Another node has connected, and can be dialled at this address.
    Hello {
        /// The node.
        node: NodeId,
        /// As `host:port`.
        address: String,
    },
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
    node: Arc<Node>,
    replica: Replica,
    clock: Clock,
    disk: Disk,
    links: Links,
    transcript: Transcript,
    /// What was last reported to the replica.
    reported: DiskState,
    /// Whether files of an earlier life wait for this one to vote.
    has_set_aside: bool,
    /// The next ticket. The first is random: a late answer to a ticket of the process before this one
    /// must not be taken for an answer to one of ours.
    next_ticket: u64,
    /// What watchers are yet to be shown.
    shown: Shown,
    /// Who waits for the answer to a ticket. The replica answers each, and bounds how many there are.
    waiting: HashMap<Ticket, (u64, Replies)>,
}

impl Server {
    /// A server; `first_ticket` is random.
    pub fn new(
        node: &Arc<Node>,
        replica: Replica,
        clock: Clock,
        disk: Disk,
        transcript: Transcript,
        has_set_aside: bool,
        first_ticket: u64,
    ) -> Self {
        let configuration = replica.raft().configuration().clone();
        let mut server = Self {
            node: node.clone(),
            replica,
            clock,
            disk,
            links: Links::new(node),
            transcript,
            reported: DiskState::default(),
            has_set_aside,
            next_ticket: first_ticket,
            shown: Shown::default(),
            waiting: HashMap::new(),
        };
        server.follow(&configuration);
        server
    }

    /// Runs until the disk thread or every sender of the inbox is gone.
    pub async fn run(
        mut self,
        mut arrivals: mpsc::Receiver<Arrival>,
        mut disk: watch::Receiver<DiskState>,
    ) {
        let mut batch = Vec::with_capacity(ARRIVALS_MAX);
        let timer = tokio::time::sleep_until(self.clock.timer(self.replica.deadline()));
        tokio::pin!(timer);
        loop {
            self.hand_out_effects();
            let due = self.replica.deadline().min(self.node.watchers.due(&self.shown));
            timer.as_mut().reset(self.clock.timer(due));
            tokio::select! {
                biased;
                change = disk.changed() => if change.is_err() { return },
                received = arrivals.recv_many(&mut batch, ARRIVALS_MAX) => if received == 0 { return },
                () = &mut timer => {}
            }
            self.step_arrived(&mut batch, &mut arrivals, &mut disk);
            if self.clock.now() >= self.replica.deadline() {
                // What is in the sockets has arrived, too, and if the process was paused it is news of a
                // leader: the tasks that read get a turn before the time that passed counts.
                yield_now().await;
                self.step_arrived(&mut batch, &mut arrivals, &mut disk);
                let now = self.clock.now();
                if now >= self.replica.deadline() {
                    self.replica.step(now, Input::Wake);
                }
            }
        }
    }

    /// Steps all that waits: what is in `batch`, in `arrivals` and in `disk`.
    fn step_arrived(
        &mut self,
        batch: &mut Vec<Arrival>,
        arrivals: &mut mpsc::Receiver<Arrival>,
        disk: &mut watch::Receiver<DiskState>,
    ) {
        let now = self.clock.now();
        let DiskState { durable, is_full } = *disk.borrow_and_update();
        if durable > self.reported.durable {
            self.replica.step(now, Input::Persisted(durable));
        }
        if is_full != self.reported.is_full {
            self.replica.step(now, Input::DiskFull(is_full));
        }
        self.reported = DiskState { durable, is_full };
        while batch.len() < ARRIVALS_MAX
            && let Ok(arrival) = arrivals.try_recv()
        {
            batch.push(arrival);
        }
        for arrival in batch.drain(..) {
            match arrival {
                Arrival::Hello { node, address } => self.links.answer(node, &address),
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
        let effects = self.replica.effects();
        let now = self.clock.now();
        let sight = |collected: &mut Collected| collected.take(now, &self.replica);
        self.node.watchers.show(&mut self.shown, &effects, now, sight);
        let Effects { write, send, reply, events, dropped } = effects;
        if !dropped.is_empty() {
            // Without a thread to be had it is freed here, and the loop waits.
            let _ = background::spawn("drop", move || drop(dropped));
        }
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
        for event in &events {
            if let Event::ConfigurationAdopted { configuration, .. } = event {
                self.follow(configuration);
            }
        }
        for line in self.transcript.lines(&events) {
            self.node.console.say(line);
        }
    }

    /// Acts by a configuration that is in force from now on.
    fn follow(&mut self, configuration: &Configuration) {
        let Identity { node, incarnation, .. } = self.node.identity;
        self.links.follow(configuration);
        let addresses = configuration.members.values().map(|member| &member.address);
        if !configuration.members.is_empty() {
            self.node.names.follow(addresses);
        }
        let is_admitted = |member: &Member| member.incarnation == incarnation;
        let votes = configuration.is_voter(node)
            && configuration.members.get(&node).is_some_and(is_admitted);
        if self.has_set_aside && votes {
            self.has_set_aside = false;
            self.disk.remove_set_aside();
        }
    }
}
