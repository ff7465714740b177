//! One connection of a load, and the clients that share it.

use super::wire::{Answer, Question, Wire};
use super::{Keys, Load, Operation, Tally, histogram};
use crate::client::Failure;
use raft_core::bytes::Bytes;
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg32;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// A connection that answers nothing for this long is given up. Servers answer every request in less.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// How long a client rests that was refused, and how long all of them before a lost connection is made
/// again: a cluster without a leader is not to be flooded.
const REST: Duration = Duration::from_millis(10);

pub(super) struct Lane<W> {
    load: Load,
    addresses: Vec<String>,
    /// The place in `addresses` of the server at the other end.
    at: usize,
    wire: W,
    /// When each client asked what is under way.
    asked_at: Vec<Option<Instant>>,
    /// Clients that were refused, and when they ask again.
    resting: VecDeque<(Instant, usize)>,
    keys: Keys,
    random: Pcg32,
    value: Bytes,
    /// Requests carried out, for whoever watches.
    count: Arc<AtomicU64>,
    tally: Tally,
}

impl<W: Wire> Lane<W> {
    pub(super) async fn connect(
        load: &Load,
        addresses: &[String],
        place: usize,
        clients: usize,
        keys: Keys,
        count: Arc<AtomicU64>,
    ) -> Result<Self, Failure> {
        let at = place % addresses.len();
        let seed = getrandom::u64().expect("the system gives random numbers");
        let mut random = Pcg32::seed_from_u64(seed);
        let mut value = vec![0; load.value_bytes];
        random.fill_bytes(&mut value);
        Ok(Self {
            wire: W::connect(&addresses[at], load, clients).await?,
            load: load.clone(),
            addresses: addresses.to_vec(),
            at,
            asked_at: vec![None; clients],
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
            let lost = self.asked_at.iter_mut().filter_map(Option::take).count();
            *self.tally.failed.entry("connection_lost").or_default() += lost as u64;
            self.resting.clear();
            loop {
                self.at = (self.at + 1) % self.addresses.len();
                let address = &self.addresses[self.at];
                match W::connect(address, &self.load, self.asked_at.len()).await {
                    Ok(wire) => break self.wire = wire,
                    Err(_) if self.is_over() => return self.tally,
                    Err(_) => sleep(REST).await,
                }
            }
        }
        self.tally
    }

    /// Asks and hears until nobody asks any more. `Err` if the connection is lost.
    async fn converse(&mut self, start: Instant) -> Result<(), String> {
        for client in 0..self.asked_at.len() {
            self.ask(client, Instant::now()).await?;
        }
        let mut answers = Vec::new();
        loop {
            let rested = self.resting.front().map(|(at, _)| *at);
            if rested.is_none() && self.asked_at.iter().all(Option::is_none) {
                return Ok(());
            }
            tokio::select! {
                biased;
                heard = timeout(SILENCE_MAX, self.wire.hear(&mut answers)) => {
                    heard.map_err(|_| "silence".to_owned())??;
                    let now = Instant::now();
                    for answer in answers.drain(..) {
                        self.answered(answer, now, start).await?;
                    }
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

    /// Takes an answer in; who was answered asks again.
    async fn answered(
        &mut self,
        answer: Answer,
        now: Instant,
        start: Instant,
    ) -> Result<(), String> {
        let Answer { client, result } = answer;
        let Some(asked_at) = self.asked_at.get_mut(client).and_then(Option::take) else {
            return Ok(());
        };
        match result {
            Ok(()) => {
                self.count.fetch_add(1, Ordering::Relaxed);
                if now >= start {
                    self.tally.latency_us.saturating_record((now - asked_at).as_micros() as u64);
                }
                self.ask(client, now).await
            }
            Err(code) => {
                *self.tally.failed.entry(code).or_default() += 1;
                self.resting.push_back((now + REST, client));
                Ok(())
            }
        }
    }

    /// Sends the client's next question, if there is to be one.
    async fn ask(&mut self, client: usize, now: Instant) -> Result<(), String> {
        let number = match &self.keys {
            Keys::Random { until } if now >= *until => return Ok(()),
            Keys::Random { .. } => self.random.next_u64() % self.load.keys,
            Keys::InTurn { next } => match next.fetch_add(1, Ordering::Relaxed) {
                number if number < self.load.keys => number,
                _ => return Ok(()),
            },
        };
        let key = Bytes::from(format!("bench/{number:010}"));
        let is_put = match self.load.operation {
            Operation::Put => true,
            Operation::Get | Operation::LocalGet => false,
            Operation::Mixed => self.random.next_u32().is_multiple_of(2),
        };
        let question = match self.load.operation {
            _ if is_put => Question::Put { key, value: self.value.clone() },
            Operation::LocalGet => Question::LocalGet(key),
            _ => Question::Get(key),
        };
        self.asked_at[client] = Some(now);
        self.wire.ask(client, question).await
    }

    fn is_over(&self) -> bool {
        match &self.keys {
            Keys::Random { until } => Instant::now() >= *until,
            Keys::InTurn { next } => next.load(Ordering::Relaxed) >= self.load.keys,
        }
    }
}
