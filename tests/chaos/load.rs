//! Clients that keep a cluster busy through the real client library, and note all they are told.

use crate::book::{Book, Counts};
use crate::random::Random;
use crate::value;
use raft_core::bytes::Bytes;
use raft_core::error::Error;
use raft_core::id::{ClientId, Index, Sequence};
use raft_core::kv::command::{Condition, Read, Session, Write};
use raft_core::request::{Consistency, Reply, Request};
use raft_native::client::{Client, Failure};
use raft_sim::linearizability::{Call, Operation, Outcome};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::Instant;

/// Clients at once. Half of them are patient, and their requests live through a change of leaders.
const CLIENTS: u64 = 16;
pub(crate) const PATIENT_TIMEOUT: Duration = Duration::from_secs(20);
/// The others give up soon, and leave writes behind whose outcome nobody knows.
const IMPATIENT_TIMEOUT: Duration = Duration::from_millis(300);

/// Values of registers: few, so that a value that comes back is no surprise.
const VALUES: u64 = 5;

/// What clients use keys for, each with the number of keys in use at a time: few, so that they meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Read, set, swapped and removed.
    Register,
    /// Read and set to the next number.
    Counter,
    /// Read and set with one thing more at its end.
    List,
    /// Large values.
    Blob,
}

impl Kind {
    fn name(self) -> (&'static str, u64) {
        match self {
            Self::Register => ("register", 4),
            Self::Counter => ("counter", 2),
            Self::List => ("list", 2),
            Self::Blob => ("blob", 2),
        }
    }
}

/// Clients at work, until they are told to stop.
pub(crate) struct Load {
    shared: Rc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

struct Shared {
    begin: Instant,
    is_stopped: Cell<bool>,
    book: RefCell<Book>,
    /// How often the key in each place has been given up for a new one.
    generations: RefCell<BTreeMap<(Kind, u64), u64>>,
    /// When the last request was carried out, and the longest time between two since somebody looked.
    last: Cell<Instant>,
    longest: Cell<Duration>,
    /// What no client should be told.
    complaints: RefCell<Vec<String>>,
}

impl Load {
    pub(crate) fn start(addresses: &[String], random: &mut Random) -> Self {
        let shared = Rc::new(Shared {
            begin: Instant::now(),
            is_stopped: Cell::new(false),
            book: RefCell::default(),
            generations: RefCell::default(),
            last: Cell::new(Instant::now()),
            longest: Cell::default(),
            complaints: RefCell::default(),
        });
        let mut start = |id| {
            let worker = Worker::new(id, addresses, shared.clone(), random.fork());
            spawn_local(worker.run())
        };
        let clients = (1..=CLIENTS).map(&mut start).collect();
        Self { shared, clients }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.shared.book.borrow().counts
    }

    /// Begins to measure the longest time without service.
    pub(crate) fn watch_service(&self) {
        self.shared.longest.set(Duration::ZERO);
        self.shared.last.set(Instant::now());
    }

    /// The longest time between two requests that were carried out since [`Load::watch_service`], the
    /// time since the last of them included.
    pub(crate) fn longest_without_service(&self) -> Duration {
        self.shared.longest.get().max(self.shared.last.get().elapsed())
    }

    /// What was found so far, in sentences.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.shared.complaints.take()
    }

    pub(crate) fn with_book<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        look(&self.shared.book.borrow())
    }

    /// Ends the load once every request under way has ended, and hands out the book.
    pub(crate) async fn stop(self) -> Book {
        self.shared.is_stopped.set(true);
        for client in self.clients {
            client.await.expect("a client does not panic");
        }
        self.shared.book.take()
    }
}

impl Shared {
    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_nanos()).expect("a run is shorter than centuries")
    }

    fn served(&self) {
        let now = Instant::now();
        self.longest.set(self.longest.get().max(now - self.last.replace(now)));
    }

    /// A key of a kind, or its successor if it has been used enough.
    fn key(&self, kind: Kind, place: u64) -> Bytes {
        let mut generations = self.generations.borrow_mut();
        let generation = generations.entry((kind, place)).or_default();
        let name = |generation: u64| Bytes::from(format!("{}-{place}-{generation}", kind.name().0));
        let mut book = self.book.borrow_mut();
        if book.is_full(&name(*generation)) {
            book.give_up(&name(*generation));
            *generation += 1;
        }
        name(*generation)
    }
}

/// How a request went: what was done, `None` for certainly nothing, or not known.
type Known = Result<Option<Outcome>, ()>;

/// One client: what it does is drawn from its own generator.
struct Worker {
    id: u64,
    client: Client,
    /// Repeats what the first one sent.
    second: Client,
    /// The session of what is sent twice.
    session: Session,
    shared: Rc<Shared>,
    random: Random,
    writes: u64,
    /// What it saw last of the keys.
    seen: BTreeMap<Bytes, (Bytes, Index)>,
}

impl Worker {
    fn new(id: u64, addresses: &[String], shared: Rc<Shared>, mut random: Random) -> Self {
        let timeout = if id.is_multiple_of(2) { PATIENT_TIMEOUT } else { IMPATIENT_TIMEOUT };
        let client = |first: u64| {
            let mut addresses = addresses.to_vec();
            let nodes = addresses.len();
            addresses.rotate_left(first as usize % nodes);
            Client::new(addresses, timeout)
        };
        let name = ClientId(random.below(u64::MAX));
        Self {
            id,
            client: client(id),
            second: client(id + 1),
            session: Session { client: name, opened: Index(0), sequence: Sequence(0) },
            shared,
            random,
            writes: 0,
            seen: BTreeMap::new(),
        }
    }

    async fn run(mut self) {
        while !self.shared.is_stopped.get() {
            match self.random.below(20) {
                0..=4 => drop(self.read(Kind::Register).await),
                5..=6 => self.set(|_| Condition::Any).await,
                7..=8 => self.set(|seen| seen.map_or(Condition::Absent, is_value)).await,
                9 => self.set(|seen| seen.map_or(Condition::Absent, is_revision)).await,
                10 => self.delete().await,
                11..=12 => self.count().await,
                13..=14 => self.append().await,
                15 => drop(self.read(Kind::Blob).await),
                16 => self.fill().await,
                17..=18 => self.keep().await,
                _ => self.set_twice().await,
            }
        }
    }

    async fn read(&mut self, kind: Kind) -> Option<Outcome> {
        let key = self.draw_key(kind);
        self.perform(key, Call::Get).await
    }

    /// Sets a register, on a condition made of what was seen of it last.
    async fn set(&mut self, condition: impl Fn(Option<(Bytes, Index)>) -> Condition) {
        let key = self.draw_key(Kind::Register);
        let condition = condition(self.seen.get(&key).cloned());
        let value = self.draw_value();
        self.perform(key, Call::Set { value, condition }).await;
    }

    async fn delete(&mut self) {
        let key = self.draw_key(Kind::Register);
        self.perform(key, Call::Delete { condition: Condition::Any }).await;
    }

    async fn count(&mut self) {
        let key = self.draw_key(Kind::Counter);
        let (value, condition) = match self.perform(key.clone(), Call::Get).await {
            Some(Outcome::Value { value, revision }) => {
                let number = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
                (number.unwrap_or(0) + 1, Condition::Revision(revision))
            }
            Some(Outcome::NotFound) => (1_u64, Condition::Absent),
            _ => return,
        };
        self.perform(key, Call::Set { value: value.to_string().into(), condition }).await;
    }

    async fn append(&mut self) {
        let key = self.draw_key(Kind::List);
        let (list, condition) = match self.perform(key.clone(), Call::Get).await {
            Some(Outcome::Value { value, .. }) => (value.clone(), Condition::Value(value)),
            Some(Outcome::NotFound) => (Bytes::new(), Condition::Absent),
            _ => return,
        };
        let value = [&list[..], b",", &self.new_name()].concat().into();
        self.perform(key, Call::Set { value, condition }).await;
    }

    async fn fill(&mut self) {
        let key = self.draw_key(Kind::Blob);
        let value = value::large(&self.new_name());
        self.perform(key, Call::Set { value, condition: Condition::Any }).await;
    }

    /// A key of its own that nobody writes again.
    async fn keep(&mut self) {
        let name = self.new_name();
        let key = Bytes::from([b"kept-", &name[..]].concat());
        self.perform(key.clone(), Call::Set { value: name, condition: Condition::Absent }).await;
        self.shared.book.borrow_mut().give_up(&key);
    }

    /// Sets a register and sends the same again, through another node: it takes effect once, and both
    /// answers are the same.
    async fn set_twice(&mut self) {
        let key = self.draw_key(Kind::Register);
        let condition = self.seen.get(&key).cloned().map_or(Condition::Absent, is_value);
        let call = Call::Set { value: self.draw_value(), condition };
        self.session.sequence = self.session.sequence.next();
        let request = request(&key, &call, Some(self.session));
        if !self.shared.book.borrow_mut().begin(&key) {
            return;
        }
        let invoked = self.shared.now();
        let first = self.client.request(request.clone()).await;
        let second = self.second.request(request).await;
        let (first, second) = (self.known(first), self.known(second));
        if let (Ok(Some(first)), Ok(Some(second))) = (&first, &second)
            && first != second
        {
            let complaint = format!("a write was answered {first:?}, and its retry {second:?}");
            self.shared.complaints.borrow_mut().push(complaint);
        }
        let known = match (first, second) {
            (Ok(Some(outcome)), _) | (_, Ok(Some(outcome))) => Ok(Some(outcome)),
            (Ok(None), Ok(None)) => Ok(None),
            _ => Err(()),
        };
        self.note(key, call, invoked, known);
    }

    /// Carries a call out and notes how it went. `None` if that is not known or nothing was done.
    async fn perform(&mut self, key: Bytes, call: Call) -> Option<Outcome> {
        if !self.shared.book.borrow_mut().begin(&key) {
            return None;
        }
        let invoked = self.shared.now();
        let answer = self.client.request(request(&key, &call, None)).await;
        let known = self.known(answer);
        self.note(key, call, invoked, known)
    }

    fn note(&mut self, key: Bytes, call: Call, invoked: u64, known: Known) -> Option<Outcome> {
        let returned = known.is_ok().then(|| self.shared.now());
        let result = known.unwrap_or_default();
        if result.is_some() {
            self.shared.served();
        }
        match (&result, &call) {
            (Some(Outcome::Value { value, revision }), _)
            | (Some(Outcome::Written { revision, .. }), Call::Set { value, .. }) => {
                self.seen.insert(key.clone(), (value.clone(), *revision));
            }
            _ => drop(self.seen.remove(&key)),
        }
        if self.seen.len() > 100 {
            // Most of these keys have been given up.
            self.seen.clear();
        }
        let client = self.id;
        let operation = Operation { client, key, call, invoked, returned, result: result.clone() };
        self.shared.book.borrow_mut().end(operation);
        result
    }

    /// What an answer says of the request.
    fn known(&self, answer: Result<Reply, Failure>) -> Known {
        match answer {
            Ok(Reply::Written { revision, existed, .. }) => {
                Ok(Some(Outcome::Written { revision, existed }))
            }
            Ok(Reply::Item(item)) => match item.value.as_ref().and_then(value::short) {
                Some(value) => Ok(Some(Outcome::Value { value, revision: item.modified })),
                None => self.complain(&format!("a value that nobody wrote: {item:?}")),
            },
            Err(Failure::Refused(Error::NotFound)) => Ok(Some(Outcome::NotFound)),
            Err(Failure::Refused(Error::ConditionFailed { revision })) => {
                Ok(Some(Outcome::ConditionFailed { revision }))
            }
            Err(Failure::Refused(Error::OutcomeUnknown)) => Err(()),
            Err(Failure::Unreachable { .. } | Failure::Refused(Error::DiskFull)) => Ok(None),
            Err(Failure::Refused(error)) if error.is_retriable() => Ok(None),
            other => self.complain(&format!("what no client should be told: {other:?}")),
        }
    }

    fn complain(&self, complaint: &str) -> Known {
        self.shared.complaints.borrow_mut().push(complaint.to_owned());
        Err(())
    }

    fn new_name(&mut self) -> Bytes {
        self.writes += 1;
        format!("{}.{}", self.id, self.writes).into()
    }

    fn draw_key(&mut self, kind: Kind) -> Bytes {
        let place = self.random.below(kind.name().1);
        self.shared.key(kind, place)
    }

    fn draw_value(&mut self) -> Bytes {
        format!("value {}", self.random.below(VALUES)).into()
    }
}

fn is_value((value, _): (Bytes, Index)) -> Condition {
    Condition::Value(value)
}

fn is_revision((_, revision): (Bytes, Index)) -> Condition {
    Condition::Revision(revision)
}

fn request(key: &Bytes, call: &Call, session: Option<Session>) -> Request {
    let key = key.clone();
    let write = match call.clone() {
        Call::Set { value, condition } => Write::Set { key, value: value::full(&value), condition },
        Call::Delete { condition } => Write::Delete { key, condition },
        Call::Get => {
            let consistency = Consistency::Linearizable;
            return Request::Read { read: Read::Get { key }, consistency };
        }
    };
    Request::Write { session, write, count_copies: false }
}
