//! Clients that keep a cluster busy and remember everything they were told.

use futures_util::future::join_all;
use raft_core::bytes::Bytes;
use raft_core::error::Error;
use raft_core::kv::command::{Condition, Read, Write};
use raft_core::request::{Consistency, Reply, Request};
use raft_native::client::{Client, Failure};
use raft_sim::linearizability::{Call, Operation, Outcome, check};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Clients at once. Half of them are patient, and their requests live through a change of leaders.
const CLIENTS: u64 = 8;
const PATIENT_TIMEOUT: Duration = Duration::from_secs(20);
/// The others give up soon, and leave writes behind whose outcome nobody knows.
const IMPATIENT_TIMEOUT: Duration = Duration::from_millis(300);

/// Keys that all clients read and write: few, so that they meet.
const SHARED_KEYS: u64 = 4;

/// Runs a future on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// A write without a condition.
pub(crate) async fn set(client: &mut Client, key: &str, value: &str) -> Result<Reply, Failure> {
    client.request(set_request(key, value, Condition::Any)).await
}

pub(crate) fn set_request(key: &str, value: &str, condition: Condition) -> Request {
    let (key, value) = (Bytes::from(key.to_owned()), Bytes::from(value.to_owned()));
    let write = Write::Set { key, value, condition };
    Request::Write { session: None, write, count_copies: false }
}

pub(crate) fn get_request(key: &str) -> Request {
    let read = Read::Get { key: key.to_owned().into() };
    Request::Read { read, consistency: Consistency::Linearizable }
}

/// Writes so much that a node takes a snapshot, which it does after 80 to 128 MiB of log, each node at another
/// length; and when it does, it has more entries than are kept behind a snapshot.
pub(crate) fn write_a_lot(addresses: &[String]) {
    block_on(async {
        let clients = (0..32).map(async |first| {
            let mut client = Client::new(addresses.to_vec(), PATIENT_TIMEOUT);
            let value = "x".repeat(3_600);
            for number in (first..38_000).step_by(32) {
                set(&mut client, &format!("key-{number}"), &value).await.unwrap();
            }
        });
        join_all(clients).await;
    });
}

/// Clients at work in a thread of their own.
pub(crate) struct Load {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
    addresses: Vec<String>,
}

struct Shared {
    begin: Instant,
    stopped: AtomicBool,
    acknowledged: AtomicU64,
    history: Mutex<Vec<Operation>>,
    /// Keys that are written once, with the value whose write was acknowledged.
    kept: Mutex<BTreeMap<Bytes, Bytes>>,
}

impl Load {
    pub(crate) fn start(addresses: &[String]) -> Self {
        let shared = Arc::new(Shared {
            begin: Instant::now(),
            stopped: AtomicBool::new(false),
            acknowledged: AtomicU64::new(0),
            history: Mutex::default(),
            kept: Mutex::default(),
        });
        let thread = std::thread::spawn({
            let (shared, addresses) = (shared.clone(), addresses.to_vec());
            move || {
                block_on(async {
                    let sessions = (1..=CLIENTS).map(|id| Session::new(id, &addresses, &shared));
                    join_all(sessions.map(Session::run)).await;
                });
            }
        });
        Self { shared, thread, addresses: addresses.to_vec() }
    }

    /// How many requests have been carried out, of all clients.
    pub(crate) fn acknowledged(&self) -> u64 {
        assert!(!self.thread.is_finished(), "a client has panicked");
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Ends the load, and reads every key once more. No acknowledged write may be missing, and the
    /// history must be linearizable.
    pub(crate) fn stop_and_check(self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        self.thread.join().expect("no client panics");
        let shared = &self.shared;
        let kept = std::mem::take(&mut *shared.kept.lock().unwrap());
        assert!(!kept.is_empty(), "the load has written something");
        block_on(async {
            let mut reader = Session::new(CLIENTS + 1, &self.addresses, shared);
            for number in 0..SHARED_KEYS {
                reader.perform(shared_key(number), Call::Get).await.expect("the cluster is whole");
            }
            for (key, value) in kept {
                let read = Read::Get { key: key.clone() };
                let consistency = Consistency::Linearizable;
                let reply = reader.client.request(Request::Read { read, consistency }).await;
                let Ok(Reply::Item(item)) = reply else {
                    panic!("the acknowledged write of {key:?} is lost: {reply:?}");
                };
                assert_eq!(item.value, Some(value), "{key:?}");
            }
        });
        let history = std::mem::take(&mut *shared.history.lock().unwrap());
        let unknown = history.iter().filter(|operation| operation.returned.is_none()).count();
        println!("{} operations, of {unknown} of which the outcome is unknown", history.len());
        if let Err(violation) = check(&history) {
            panic!("{violation}");
        }
    }
}

/// One client: what it does is drawn from its own generator.
struct Session<'a> {
    id: u64,
    client: Client,
    shared: &'a Shared,
    draws: u64,
    writes: u64,
    /// The value of each shared key that it saw last.
    seen: BTreeMap<Bytes, Bytes>,
}

impl<'a> Session<'a> {
    fn new(id: u64, addresses: &[String], shared: &'a Shared) -> Self {
        let patient = id.is_multiple_of(2) || id > CLIENTS;
        let timeout = if patient { PATIENT_TIMEOUT } else { IMPATIENT_TIMEOUT };
        let mut addresses = addresses.to_vec();
        let nodes = addresses.len();
        addresses.rotate_left(id as usize % nodes);
        let client = Client::new(addresses, timeout);
        Self { id, client, shared, draws: id, writes: 0, seen: BTreeMap::new() }
    }

    async fn run(mut self) {
        while !self.shared.stopped.load(Ordering::Relaxed) {
            match self.draw(10) {
                0..=3 => {
                    let key = self.draw_key();
                    self.perform(key, Call::Get).await;
                }
                4..=5 => self.set(|_| Condition::Any).await,
                6 => self.set(|seen| seen.map_or(Condition::Absent, Condition::Value)).await,
                7 => {
                    let key = self.draw_key();
                    self.perform(key, Call::Delete { condition: Condition::Any }).await;
                }
                _ => self.keep().await,
            }
        }
    }

    /// A write to a shared key, on a condition made of the value seen last.
    async fn set(&mut self, condition: impl Fn(Option<Bytes>) -> Condition) {
        let key = self.draw_key();
        let condition = condition(self.seen.get(&key).cloned());
        let value = self.new_value();
        self.perform(key, Call::Set { value, condition }).await;
    }

    /// A write to a key of its own that nobody writes again.
    async fn keep(&mut self) {
        let value = self.new_value();
        let key = Bytes::from(format!("kept-{}-{}", self.id, self.writes));
        let write =
            Write::Set { key: key.clone(), value: value.clone(), condition: Condition::Absent };
        let request = Request::Write { session: None, write, count_copies: false };
        if self.client.request(request).await.is_ok() {
            self.shared.acknowledged.fetch_add(1, Ordering::Relaxed);
            self.shared.kept.lock().unwrap().insert(key, value);
        }
    }

    /// Carries a call out and remembers how it went. `None` if that is not known or nothing was done.
    async fn perform(&mut self, key: Bytes, call: Call) -> Option<Outcome> {
        let request = request(&key, &call);
        let invoked = self.now();
        let response = self.client.request(request).await;
        let known = outcome(response);
        let result = known.clone().unwrap_or_default();
        if result.is_some() {
            self.shared.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        match (&result, &call) {
            (Some(Outcome::Value { value, .. }), _) => self.seen.insert(key.clone(), value.clone()),
            (Some(Outcome::Written { .. }), Call::Set { value, .. }) => {
                self.seen.insert(key.clone(), value.clone())
            }
            _ => self.seen.remove(&key),
        };
        let returned = known.is_ok().then(|| self.now());
        let operation = Operation { client: self.id, key, call, invoked, returned, result };
        self.shared.history.lock().unwrap().push(operation.clone());
        operation.result
    }

    fn new_value(&mut self) -> Bytes {
        self.writes += 1;
        format!("{}-{}", self.id, self.writes).into()
    }

    fn draw_key(&mut self) -> Bytes {
        shared_key(self.draw(SHARED_KEYS))
    }

    /// A number below `bound` (splitmix64).
    fn draw(&mut self, bound: u64) -> u64 {
        self.draws = self.draws.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.draws ^ (self.draws >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn now(&self) -> u64 {
        u64::try_from(self.shared.begin.elapsed().as_nanos()).expect("a test is short")
    }
}

fn shared_key(number: u64) -> Bytes {
    format!("shared-{number}").into()
}

fn request(key: &Bytes, call: &Call) -> Request {
    let key = key.clone();
    let write = match call.clone() {
        Call::Set { value, condition } => Write::Set { key, value, condition },
        Call::Delete { condition } => Write::Delete { key, condition },
        Call::Get => {
            let consistency = Consistency::Linearizable;
            return Request::Read { read: Read::Get { key }, consistency };
        }
    };
    Request::Write { session: None, write, count_copies: false }
}

/// What was done; `Ok(None)` is certainly nothing, and `Err` is not known.
fn outcome(response: Result<Reply, Failure>) -> Result<Option<Outcome>, ()> {
    match response {
        Ok(Reply::Written { revision, existed, .. }) => {
            Ok(Some(Outcome::Written { revision, existed }))
        }
        Ok(Reply::Item(item)) => {
            let value = item.value.expect("a get brings the value");
            Ok(Some(Outcome::Value { value, revision: item.modified }))
        }
        Err(Failure::Refused(Error::NotFound)) => Ok(Some(Outcome::NotFound)),
        Err(Failure::Refused(Error::ConditionFailed { revision })) => {
            Ok(Some(Outcome::ConditionFailed { revision }))
        }
        Err(Failure::Refused(Error::OutcomeUnknown)) => Err(()),
        Err(Failure::Unreachable { .. }) => Ok(None),
        Err(Failure::Refused(error)) if error.is_retriable() => Ok(None),
        other => panic!("no client should be told this: {other:?}"),
    }
}
