//! What is under way between nodes, and between clients and nodes.

use crate::faults::DELAY_MAX;
use crate::options::NetworkOptions;
use crate::random::{Purpose, Random, mix};
use crate::words::{Answered, Asked};
use raft_core::id::{NodeId, Ticket};
use raft_core::replica::{Envelope, PeerBody};
use raft_core::request::{Request, Response};
use raft_core::time::Instant;
use raft_core::vec_map::{VecMap, VecSet};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Every so many-th message is kept, and so many of them at most: a sample of the whole run.
const OLD_EVERY: u64 = 29;
const OLD_MAX: u64 = 64;

/// Where messages come from and go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A node.
    Node(NodeId),
    /// A client, by its number. Client 0 is the one that commands speak through.
    Client(u64),
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flight {
    /// Its number, from 1 in the order of sending. The copy of a doubled message has its own.
    pub id: u64,
    /// From here.
    pub from: Place,
    /// Which start of that node sends it; 0 for clients.
    pub start: u64,
    /// To there.
    pub to: Place,
    /// What it carries.
    pub cargo: Cargo,
    /// When it was sent.
    pub sent_at: Instant,
    /// When it arrives, or would. Of one that is held only how long after [`Flight::since`] matters.
    pub arrives_at: Instant,
    /// It will not arrive. One that is not lost can still find its link cut or its node down.
    pub lost: bool,
    /// It stays where it is.
    pub held: bool,
    /// How much of its way it had behind it at [`Flight::since`], in millionths; 0 if no command has changed
    /// how it travels.
    pub share_ppm: u32,
    /// When a command last changed how it travels; when it was sent, if none did.
    pub since: Instant,
}

/// All of a message's way, in millionths.
const WAY_PPM: u64 = 1_000_000;

impl Flight {
    /// How much of its way it has behind it at a moment, in millionths.
    pub fn share_ppm_at(&self, now: Instant) -> u32 {
        if self.held {
            return self.share_ppm;
        }
        let whole_us = (self.arrives_at - self.since).as_micros().max(1) as u64;
        let gone_us = ((now - self.since).as_micros() as u64).min(whole_us);
        let before = u64::from(self.share_ppm);
        (before + (WAY_PPM - before) * gone_us / whole_us) as u32
    }

    /// From this moment on it travels the rest of its way anew, in the time that it has left.
    pub(crate) fn turn(&mut self, now: Instant) {
        let left = match self.held {
            true => self.arrives_at - self.since,
            false => self.arrives_at - now,
        };
        // More than nothing, so that it shows that the way was changed.
        (self.share_ppm, self.since) = (self.share_ppm_at(now).max(1), now);
        self.arrives_at = now + left;
    }
}

/// What a message carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cargo {
    /// From node to node.
    Peer(Envelope),
    /// From a client to a node.
    Request {
        /// The client's name for it.
        ticket: Ticket,
        /// What is asked.
        request: Request,
    },
    /// From a node to a client.
    Response {
        /// The client's name for the request.
        ticket: Ticket,
        /// The answer.
        response: Response,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Network {
    options: NetworkOptions,
    random: Random,
    /// What a command said about loss.
    loss_ppm: Option<u32>,
    /// What a command said that all messages take longer.
    later: Duration,
    cuts: VecSet<(NodeId, NodeId)>,
    /// What commands said of single links: how much longer they take, and what they lose in a million.
    troubles: VecMap<(NodeId, NodeId), (Duration, u32)>,
    /// Messages that stay where they are.
    held: Vec<Flight>,
    sent: u64,
    /// When the newest message of each link arrives, if links keep the order.
    last_arrival: VecMap<(Place, Place), Instant>,
    /// Some of the messages of the whole run, to arrive once more.
    old: VecMap<u64, Box<Flight>>,
}

impl Network {
    pub(crate) fn new(options: NetworkOptions, seed: u64) -> Self {
        Self {
            options,
            random: Random::new(seed, Purpose::Network),
            loss_ppm: None,
            later: Duration::ZERO,
            cuts: VecSet::new(),
            troubles: VecMap::new(),
            held: Vec::new(),
            sent: 0,
            last_arrival: VecMap::new(),
            old: VecMap::new(),
        }
    }

    /// Sends a message: usually one flight, now and then two.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        (from, start): (Place, u64),
        to: Place,
        cargo: Cargo,
    ) -> (Box<Flight>, Option<Box<Flight>>) {
        let loss_ppm = self.loss_ppm.unwrap_or(self.options.loss_ppm);
        let (_, link_loss_ppm) = self.trouble(from, to);
        // A link without trouble draws nothing, so that runs without it stay what they were.
        let lost = self.is_cut(from, to)
            || self.random.chance(loss_ppm)
            || (link_loss_ppm > 0 && self.random.chance(link_loss_ppm));
        // A client's connection loses everything at once or nothing, and doubles nothing.
        let doubled =
            matches!(cargo, Cargo::Peer(_)) && self.random.chance(self.options.duplicate_ppm);
        let copy = doubled.then(|| cargo.clone());
        let flight = self.flight(now, (from, start), to, cargo, lost);
        if flight.id.is_multiple_of(OLD_EVERY) && matches!(flight.cargo, Cargo::Peer(_)) {
            // Drawn by its number, so that some of the oldest stay.
            self.old.insert(mix(flight.id) % OLD_MAX, flight.clone());
        }
        (flight, copy.map(|cargo| self.flight(now, (from, start), to, cargo, lost)))
    }

    /// Messages that were sent long ago, or not so long, on their way once more.
    pub(crate) fn replay(&mut self, now: Instant) -> Vec<Flight> {
        let Self { old, random, sent, options, .. } = self;
        let again = old.values().map(|old| {
            let arrives_at = now + random.duration(Duration::ZERO, options.delay_max);
            *sent += 1;
            Flight { id: *sent, arrives_at, lost: false, since: now, ..Flight::clone(old) }
        });
        again.collect()
    }

    fn flight(
        &mut self,
        now: Instant,
        (from, start): (Place, u64),
        to: Place,
        cargo: Cargo,
        lost: bool,
    ) -> Box<Flight> {
        let NetworkOptions { delay_min, delay_max, straggler_delay_max, .. } = self.options;
        let straggles = self.random.chance(self.options.straggler_ppm);
        let longest = if straggles { straggler_delay_max } else { delay_max };
        let (by, _) = self.trouble(from, to);
        let mut arrives_at =
            now + self.random.duration(delay_min, longest.max(delay_min)) + self.later + by;
        if self.options.in_order {
            let last = self.last_arrival.get_or_insert_with((from, to), Default::default);
            arrives_at = arrives_at.max(*last);
            *last = arrives_at;
        }
        self.sent += 1;
        Box::new(Flight {
            id: self.sent,
            from,
            start,
            to,
            cargo,
            sent_at: now,
            arrives_at,
            lost,
            held: false,
            share_ppm: 0,
            since: now,
        })
    }

    /// The same message once more, from the beginning of its way, in the longest usual time.
    pub(crate) fn again(&mut self, now: Instant, flight: &Flight) -> Box<Flight> {
        self.sent += 1;
        let arrives_at = now + self.options.delay_max;
        let copy = flight.clone();
        let copy = Flight { id: self.sent, arrives_at, lost: false, held: false, ..copy };
        Box::new(Flight { share_ppm: 0, since: now, ..copy })
    }

    /// Messages that are held.
    pub(crate) fn held(&self) -> impl Iterator<Item = &Flight> {
        self.held.iter()
    }

    /// Keeps a message where it is.
    pub(crate) fn hold(&mut self, flight: Box<Flight>) {
        self.held.push(Flight { held: true, ..*flight });
    }

    /// Takes a message that is held, if it is.
    pub(crate) fn take_held(&mut self, id: u64) -> Option<Box<Flight>> {
        let place = self.held.iter().position(|flight| flight.id == id)?;
        Some(Box::new(self.held.remove(place)))
    }

    /// Whether the link carries nothing in this direction. Those of clients are never cut.
    pub(crate) fn is_cut(&self, from: Place, to: Place) -> bool {
        match (from, to) {
            (Place::Node(from), Place::Node(to)) => self.cuts.contains(&(from, to)),
            _ => false,
        }
    }

    /// How much longer a link takes than others, and how many messages in a million it loses.
    pub(crate) fn trouble(&self, from: Place, to: Place) -> (Duration, u32) {
        match (from, to) {
            (Place::Node(from), Place::Node(to)) => {
                self.troubles.get(&(from, to)).copied().unwrap_or_default()
            }
            _ => (Duration::ZERO, 0),
        }
    }

    /// How much longer every message takes, and how many in a million are lost, as far as commands say.
    pub(crate) fn trouble_of_all(&self) -> (Duration, u32) {
        (self.later, self.loss_ppm.unwrap_or_default())
    }

    pub(crate) fn slow_all(&mut self, by: Duration) {
        self.later = by.min(DELAY_MAX);
    }

    pub(crate) fn slow(&mut self, from: NodeId, to: NodeId, by: Duration) {
        self.troubles.get_or_insert_with((from, to), Default::default).0 = by.min(DELAY_MAX);
    }

    pub(crate) fn lose_on(&mut self, from: NodeId, to: NodeId, ppm: u32) {
        self.troubles.get_or_insert_with((from, to), Default::default).1 = ppm;
    }

    /// Whether nothing is cut between two nodes, either way.
    pub(crate) fn is_whole(&self, one: NodeId, other: NodeId) -> bool {
        !self.cuts.contains(&(one, other)) && !self.cuts.contains(&(other, one))
    }

    /// Whether any link carries nothing.
    pub(crate) fn has_cuts(&self) -> bool {
        !self.cuts.is_empty()
    }

    pub(crate) fn cut(&mut self, from: NodeId, to: NodeId) {
        self.cuts.insert((from, to));
    }

    pub(crate) fn heal(&mut self, from: NodeId, to: NodeId) {
        self.cuts.remove(&(from, to));
    }

    pub(crate) fn heal_all(&mut self) {
        self.cuts.clear();
        self.troubles.clear();
        self.later = Duration::ZERO;
    }

    pub(crate) fn lose(&mut self, ppm: Option<u32>) {
        self.loss_ppm = ppm;
    }

    /// From now on nothing goes wrong, and no message takes longer than usual.
    pub(crate) fn calm(&mut self) {
        self.heal_all();
        self.loss_ppm = None;
        self.options.loss_ppm = 0;
        self.options.straggler_ppm = 0;
        // Nor does any wait behind one that did.
        self.last_arrival.clear();
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(f, "node {node}"),
            Self::Client(client) => write!(f, "client {client}"),
        }
    }
}

impl fmt::Display for Cargo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(Envelope { body: PeerBody::Raft(message), .. }) => write!(f, "{message}"),
            Self::Peer(Envelope { body: PeerBody::Forward { ticket, request }, .. }) => {
                write!(f, "Forward #{ticket} {}", Asked(request))
            }
            Self::Peer(Envelope { body: PeerBody::Forwarded { ticket, response }, .. }) => {
                write!(f, "Forwarded #{ticket} {}", Answered(response))
            }
            Self::Request { ticket, request } => write!(f, "Request #{ticket} {}", Asked(request)),
            Self::Response { ticket, response } => {
                write!(f, "Response #{ticket} {}", Answered(response))
            }
        }
    }
}
