//! One connection of a load, and the clients that share it.

use super::{Keys, Load, Operation, Tally, histogram};
use crate::client::{Connection, Failure};
use crate::socket::{self, Fault};
use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
use raft_core::error::Error;
use raft_core::id::{ClientId, Index, Sequence};
use raft_core::kv::command::{Condition, Read, Session, Write};
use raft_core::request::{Consistency, Request, Response};
use raft_core::wire::Frame;
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg32;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection that answers nothing for this long is given up. Nodes answer every request in less.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// How long a client rests that was refused, and how long all of them before a lost connection is made
/// again: a cluster without a leader is not to be flooded.
const REST: Duration = Duration::from_millis(10);

pub(super) struct Lane {
    load: Load,
    addresses: Vec<String>,
    /// The place in `addresses` of the node at the other end.
    at: usize,
    connection: Connection,
    /// Those who ask, by the number of their requests.
    clients: Vec<Client>,
    /// Clients that were refused, and when they ask again.
    resting: VecDeque<(Instant, usize)>,
    keys: Keys,
    random: Pcg32,
    value: Bytes,
    /// Requests carried out, for whoever watches.
    count: Arc<AtomicU64>,
    tally: Tally,
}

struct Client {
    session: Session,
    /// When its request under way was asked.
    asked_at: Option<Instant>,
}

impl Lane {
    pub(super) async fn connect(
        load: &Load,
        addresses: &[String],
        place: usize,
        clients: usize,
        keys: Keys,
        count: Arc<AtomicU64>,
    ) -> Result<Self, Failure> {
        let at = place % addresses.len();
        let connection = open(load, &addresses[at]).await?;
        let seed = getrandom::u64().expect("the system gives random numbers");
        let mut random = Pcg32::seed_from_u64(seed);
        let mut value = vec![0; load.value_bytes];
        random.fill_bytes(&mut value);
        let client = |_| Client {
            session: session(&mut random, connection.welcome.commit_index),
            asked_at: None,
        };
        Ok(Self {
            clients: (0..clients).map(client).collect(),
            load: load.clone(),
            addresses: addresses.to_vec(),
            at,
            connection,
            resting: VecDeque::new(),
            keys,
            random,
            value: value.into(),
            count,
            tally: Tally { latency_us: histogram(), failed: BTreeMap::new() },
        })
    }

    /// Asks until the keys or the time are used up. What is answered from `start` on counts.
    pub(super) async fn run(mut self, start: Instant) -> Tally {
        while self.converse(start).await.is_err() {
            let lost = self.clients.iter_mut().filter_map(|client| client.asked_at.take()).count();
            *self.tally.failed.entry("connection_lost").or_default() += lost as u64;
            self.resting.clear();
            loop {
                self.at = (self.at + 1) % self.addresses.len();
                match open(&self.load, &self.addresses[self.at]).await {
                    Ok(connection) => break self.connection = connection,
                    Err(_) if self.is_over() => return self.tally,
                    Err(_) => sleep(REST).await,
                }
            }
        }
        self.tally
    }

    /// Asks and hears until nobody asks any more. `Err` if the connection is lost.
    async fn converse(&mut self, start: Instant) -> Result<(), Fault> {
        for client in 0..self.clients.len() {
            self.ask(client, Instant::now()).await?;
        }
        loop {
            self.connection.socket.flush().await.map_err(lost)?;
            let rested = self.resting.front().map(|(at, _)| *at);
            if rested.is_none() && self.clients.iter().all(|client| client.asked_at.is_none()) {
                return Ok(());
            }
            tokio::select! {
                biased;
                received = timeout(SILENCE_MAX, self.connection.socket.next()) => {
                    let received = received.map_err(|_| Fault::Gone("silence".to_owned()))?;
                    self.hear(received, start).await?;
                }
                () = sleep_until(rested.unwrap_or_else(Instant::now)), if rested.is_some() => {
                    let now = Instant::now();
                    while let Some((_, client)) = self.resting.pop_front_if(|(at, _)| *at <= now) {
                        self.ask(client, now).await?;
                    }
                }
            }
        }
    }

    /// Takes in all answers that have arrived, beginning with `received`; who was answered asks again.
    async fn hear(
        &mut self,
        mut received: Option<Result<tungstenite::Message, tungstenite::Error>>,
        start: Instant,
    ) -> Result<(), Fault> {
        let now = Instant::now();
        loop {
            match socket::decode(received)? {
                Some((Frame::Response { id, response }, _)) => {
                    self.answered(id as usize, &response, now, start).await?;
                }
                Some((Frame::Goodbye(error), _)) => return Err(Fault::Gone(error.to_string())),
                _ => {}
            }
            match self.connection.socket.next().now_or_never() {
                Some(next) => received = next,
                None => return Ok(()),
            }
        }
    }

    async fn answered(
        &mut self,
        client: usize,
        response: &Response,
        now: Instant,
        start: Instant,
    ) -> Result<(), Fault> {
        let Some(asked_at) = self.clients.get_mut(client).and_then(|c| c.asked_at.take()) else {
            return Ok(());
        };
        match response {
            Ok(_) | Err(Error::NotFound) => {
                self.count.fetch_add(1, Ordering::Relaxed);
                if now >= start {
                    self.tally.latency_us.saturating_record((now - asked_at).as_micros() as u64);
                }
                self.ask(client, now).await
            }
            Err(error) => {
                *self.tally.failed.entry(error.code()).or_default() += 1;
                if *error == Error::SessionExpired {
                    let opened = self.connection.welcome.commit_index;
                    self.clients[client].session = session(&mut self.random, opened);
                }
                self.resting.push_back((now + REST, client));
                Ok(())
            }
        }
    }

    /// Sends the client's next request, if there is to be one.
    async fn ask(&mut self, client: usize, now: Instant) -> Result<(), Fault> {
        let number = match &self.keys {
            Keys::Random { until } if now >= *until => return Ok(()),
            Keys::Random { .. } => self.random.next_u64() % self.load.keys,
            Keys::InTurn { next } => match next.fetch_add(1, Ordering::Relaxed) {
                number if number < self.load.keys => number,
                _ => return Ok(()),
            },
        };
        let key = Bytes::from(format!("bench/{number:010}"));
        let consistency = match self.load.operation {
            Operation::Put => None,
            Operation::Get => Some(Consistency::Linearizable),
            Operation::LocalGet => Some(Consistency::Local),
            Operation::Mixed if self.random.next_u32().is_multiple_of(2) => None,
            Operation::Mixed => Some(Consistency::Linearizable),
        };
        let asking = &mut self.clients[client];
        let request = match consistency {
            Some(consistency) => Request::Read { read: Read::Get { key }, consistency },
            None => {
                asking.session.sequence = asking.session.sequence.next();
                let value = self.value.clone();
                let write = Write::Set { key, value, condition: Condition::Any };
                Request::Write { session: Some(asking.session), write, count_copies: false }
            }
        };
        asking.asked_at = Some(now);
        let frame = Frame::Request { id: client as u64, request };
        self.connection.socket.feed(socket::encode(&frame, self.load.form)).await.map_err(lost)
    }

    fn is_over(&self) -> bool {
        match &self.keys {
            Keys::Random { until } => Instant::now() >= *until,
            Keys::InTurn { next } => next.load(Ordering::Relaxed) >= self.load.keys,
        }
    }
}

async fn open(load: &Load, address: &str) -> Result<Connection, Failure> {
    Connection::open(address, None, load.form, Instant::now() + CONNECT_TIMEOUT).await
}

fn session(random: &mut Pcg32, opened: Index) -> Session {
    Session { client: ClientId(random.next_u64()), opened, sequence: Sequence(0) }
}

fn lost(error: tungstenite::Error) -> Fault {
    Fault::Gone(error.to_string())
}
