//! Clients, and the history of what they did.
//!
//! A client has one operation under way at a time. When no answer comes in time, or one that says that
//! nothing was done or nobody knows, it asks another node: a write of a session with the same number, so
//! that it takes effect once. Client 0 does what commands say; the others do as they like.

use crate::linearizability::{Call, Operation, Outcome};
use crate::node::Node;
use crate::options::{Options, WorkloadOptions};
use crate::pieces::Pieces;
use crate::random::{Purpose, Random};
use crate::sometimes::{Point, Sometimes};
use raft_core::bytes::Bytes;
use raft_core::error::Error;
use raft_core::id::{ClientId, Index, NodeId, Sequence, Ticket};
use raft_core::kv::command::{Condition, Item, Read, Session, Write};
use raft_core::request::{Consistency, Reply, Request, Response};
use raft_core::time::Instant;
use raft_core::vec_map::VecMap;
use std::collections::VecDeque;
use std::time::Duration;

/// Most operations that wait for client 0; more are dropped.
const SCRIPT_MAX: usize = 64;

/// How many times longer than at first a client waits at most.
const PATIENCE_GROWTH_MAX: u32 = 8;

#[derive(Clone, Debug)]
pub(crate) struct Workload {
    options: WorkloadOptions,
    random: Random,
    clients: Vec<Client>,
    history: Pieces<Operation>,
    /// The newest write of each key that any client knows of.
    newest: VecMap<Bytes, Index>,
    tickets: u64,
    sessions: u64,
    /// The network may double what nodes pass on for a client.
    doubles: bool,
    /// No new operations are begun but those of client 0.
    ending: bool,
}

#[derive(Clone, Debug)]
struct Client {
    session: Option<Session>,
    sequence: Sequence,
    /// Operations that are to be done next, before any others.
    script: VecDeque<(Bytes, Call)>,
    under_way: Option<UnderWay>,
    /// The key's revision that the client saw last, for conditions.
    seen: Option<(Bytes, Index)>,
}

#[derive(Clone, Debug)]
struct UnderWay {
    /// Its place in the history.
    operation: usize,
    request: Request,
    /// The newest write of the key that any client knew of when it began.
    newest: Index,
    /// Times it was sent.
    sent: u32,
    /// The name of the question under way, if one is.
    waiting: Option<(Ticket, NodeId)>,
}

/// What client 0, which does what commands say, is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    /// The operation's place in the history.
    pub operation: usize,
    /// How often it was asked so far.
    pub sent: u32,
    /// The node that it waits for; none while it looks for one.
    pub node: Option<NodeId>,
    /// Which write of which session it is, if it is one.
    pub session: Option<Session>,
    /// How many operations are to follow.
    pub queued: usize,
}

/// What a client does when it acts.
pub(crate) struct Act {
    /// It sends this.
    pub(crate) send: Option<(NodeId, Ticket, Request)>,
    /// It acts again then, unless it gets an answer before.
    pub(crate) again_at: Option<Instant>,
}

/// What an answer leads to.
pub(crate) struct Answered {
    pub(crate) act: Act,
    /// The operation that is over, if it is, with the newest write of its key that any client knew of when
    /// it began.
    pub(crate) ended: Option<(usize, Index)>,
}

impl Workload {
    pub(crate) fn new(options: &Options) -> Self {
        let clients = options.workload.as_ref().map_or(0, |workload| workload.clients);
        let client = Client {
            session: None,
            sequence: Sequence(0),
            script: VecDeque::new(),
            under_way: None,
            seen: None,
        };
        Self {
            random: Random::new(options.seed, Purpose::Workload),
            clients: vec![client; clients as usize + 1],
            history: Pieces::default(),
            newest: VecMap::new(),
            tickets: 0,
            sessions: 0,
            doubles: options.network.duplicate_ppm > 0,
            ending: false,
            options: options.workload.clone().unwrap_or(WorkloadOptions {
                clients: 0,
                keys: 0,
                value_bytes_max: 0,
                think_max: Duration::ZERO,
                patience: options.timing.election_timeout_max * 2,
                give_up_ppm: 0,
                read_ppm: 0,
                delete_ppm: 0,
                condition_ppm: 0,
                sessionless_ppm: 0,
                copies_ppm: 0,
            }),
        }
    }

    /// How many clients there are, client 0 among them.
    pub(crate) fn len(&self) -> usize {
        self.clients.len()
    }

    pub(crate) fn history(&self) -> &Pieces<Operation> {
        &self.history
    }

    /// What client 0 is about, if it is about anything.
    pub(crate) fn asking(&self) -> Option<Asking> {
        let client = &self.clients[0];
        let under_way = client.under_way.as_ref()?;
        Some(Asking {
            operation: under_way.operation,
            sent: under_way.sent,
            node: under_way.waiting.map(|(_, node)| node),
            session: match &under_way.request {
                Request::Write { session, .. } => *session,
                _ => None,
            },
            queued: client.script.len(),
        })
    }

    /// Every key that clients write, and one that only client 0 does.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Bytes> + use<> {
        (0..=self.options.keys).map(key)
    }

    /// Gives client 0 something to do.
    pub(crate) fn script(&mut self, key: Bytes, call: Call) {
        if self.clients[0].script.len() < SCRIPT_MAX {
            self.clients[0].script.push_back((key, call));
        }
    }

    /// Whether client 0 has nothing under way, so that it must be told to act.
    pub(crate) fn is_idle(&self) -> bool {
        self.clients[0].under_way.is_none()
    }

    /// No new operations, but for client 0. Every operation under way is seen through to its end.
    pub(crate) fn end(&mut self) {
        self.ending = true;
    }

    /// From now on a question may arrive twice.
    pub(crate) fn may_be_doubled(&mut self) {
        self.doubles = true;
    }

    /// Whether nothing is under way and nothing will be.
    pub(crate) fn has_ended(&self) -> bool {
        let done = |client: &Client| client.under_way.is_none() && client.script.is_empty();
        self.ending && self.clients.iter().all(done)
    }

    /// The number of the one who changes the members: the next after all clients.
    pub(crate) fn operator(&self) -> u64 {
        self.clients.len() as u64
    }

    /// The client that a question is from.
    pub(crate) fn asker(&self, ticket: Ticket) -> u64 {
        ticket.0 % (self.operator() + 1)
    }

    /// A new name for a question of a client.
    pub(crate) fn ticket(&mut self, client: u64) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets * (self.operator() + 1) + client)
    }

    /// A client's pause or patience has ended.
    pub(crate) fn act(
        &mut self,
        client: usize,
        now: Instant,
        nodes: &[Node],
        sometimes: &mut Sometimes,
    ) -> Act {
        if self.clients[client].under_way.is_none() && !self.begin(client, now) {
            return Act { send: None, again_at: None };
        }
        let under_way = self.clients[client].under_way.as_mut().expect("begun");
        let unanswered = under_way.waiting.take().is_some();
        let gives_up = unanswered && !self.ending && self.random.chance(self.options.give_up_ppm);
        sometimes.hit_if(gives_up, Point::GaveUp);
        if gives_up || (unanswered && is_sent_once(&under_way.request)) {
            return self.finish(client, now, None, None);
        }
        let is_write = matches!(under_way.request, Request::Write { .. });
        sometimes.hit_if(is_write && under_way.sent > 0, Point::AskedElsewhere);
        self.ask(client, now, nodes)
    }

    /// An answer has come. `None` if it is not to a question that still waits. Fails, in words, if the
    /// answer is one that cannot be.
    pub(crate) fn answer(
        &mut self,
        client: usize,
        now: Instant,
        ticket: Ticket,
        response: &Response,
    ) -> Result<Option<Answered>, String> {
        let Some(under_way) = &mut self.clients[client].under_way else { return Ok(None) };
        if under_way.waiting.take_if(|(waiting, _)| *waiting == ticket).is_none() {
            return Ok(None);
        }
        let ended = Some((under_way.operation, under_way.newest));
        let once = is_sent_once(&under_way.request);
        let certainly_once = under_way.sent == 1 && !self.doubles;
        let is_read = matches!(under_way.request, Request::Read { .. });
        let known = |outcome: Outcome| (Some(now), Some(outcome));
        let (returned, result) = match response {
            Ok(Reply::Written { revision, existed, .. }) => {
                known(Outcome::Written { revision: *revision, existed: *existed })
            }
            Ok(Reply::Item(Item { key, value: Some(value), modified, .. })) => {
                self.clients[client].seen = Some((key.clone(), *modified));
                known(Outcome::Value { value: value.clone(), revision: *modified })
            }
            Err(Error::NotFound) => known(Outcome::NotFound),
            Err(Error::ConditionFailed { revision }) => {
                known(Outcome::ConditionFailed { revision: *revision })
            }
            Err(Error::OutcomeUnknown) if once => (None, None),
            Err(Error::SessionExpired) => {
                self.clients[client].session = None;
                // Only a second copy can be refused after the first took effect.
                (certainly_once.then_some(now), None)
            }
            Err(error) if is_refusal(error) && once && !is_read => (Some(now), None),
            Err(error) if is_refusal(error) || *error == Error::OutcomeUnknown => {
                let pause = self.random.duration(Duration::ZERO, self.options.patience / 4);
                let act = Act { send: None, again_at: Some(now + pause) };
                return Ok(Some(Answered { act, ended: None }));
            }
            other => return Err(format!("client {client} was answered {other:?}")),
        };
        Ok(Some(Answered { act: self.finish(client, now, returned, result), ended }))
    }

    /// A node went down: clients that wait for it notice that their connection is gone.
    pub(crate) fn hung_up(&self, node: NodeId) -> Vec<usize> {
        let waits = |client: &Client| {
            let waiting = client.under_way.as_ref().and_then(|under_way| under_way.waiting);
            waiting.is_some_and(|(_, asked)| asked == node)
        };
        (0..self.clients.len()).filter(|client| waits(&self.clients[*client])).collect()
    }

    /// Begins the next operation. `false` if there is none.
    fn begin(&mut self, client: usize, now: Instant) -> bool {
        let scripted = self.clients[client].script.pop_front();
        let Some((key, call)) = scripted.or_else(|| self.invent(client)) else { return false };
        let read = Request::Read {
            read: Read::Get { key: key.clone() },
            consistency: Consistency::Linearizable,
        };
        let count_copies = self.random.chance(self.options.copies_ppm);
        let write = |write| Request::Write { session: None, write, count_copies };
        let mut request = match call.clone() {
            Call::Get => read,
            Call::Set { value, condition } => {
                write(Write::Set { key: key.clone(), value, condition })
            }
            Call::Delete { condition } => write(Write::Delete { key: key.clone(), condition }),
        };
        if let Request::Write { session, .. } = &mut request
            && (client == 0 || !self.random.chance(self.options.sessionless_ppm))
        {
            let client = &mut self.clients[client];
            client.sequence = client.sequence.next();
            // Which session it is of is settled when a node is asked.
            *session =
                Some(Session { client: ClientId(0), opened: Index(0), sequence: client.sequence });
        }
        let newest = self.newest.get(&key).copied().unwrap_or_default();
        self.clients[client].under_way = Some(UnderWay {
            operation: self.history.len(),
            request,
            newest,
            sent: 0,
            waiting: None,
        });
        self.history.push(Operation {
            client: client as u64,
            key,
            call,
            invoked: now.0,
            returned: None,
            result: None,
        });
        true
    }

    /// What a client likes to do next.
    fn invent(&mut self, client: usize) -> Option<(Bytes, Call)> {
        if client == 0 || self.ending {
            return None;
        }
        let random = &mut self.random;
        let key = key(random.between(1, self.options.keys));
        if random.chance(self.options.read_ppm) {
            return Some((key, Call::Get));
        }
        let value = |number: u64, bytes: u64| {
            let mut value = format!("{number}").into_bytes();
            value.resize(value.len().max(bytes as usize), b'.');
            Bytes::from(value)
        };
        // Values are unlike each other, so that a read says which write it saw.
        let number = self.history.len() as u64;
        let condition = if !random.chance(self.options.condition_ppm) {
            Condition::Any
        } else {
            match (random.below(3), &self.clients[client].seen) {
                (0, _) => Condition::Absent,
                (1, Some((seen, revision))) if *seen == key => Condition::Revision(*revision),
                _ => Condition::Value(value(random.below(number + 1), 0)),
            }
        };
        if random.chance(self.options.delete_ppm) {
            return Some((key, Call::Delete { condition }));
        }
        let bytes = random.between(0, self.options.value_bytes_max);
        Some((key, Call::Set { value: value(number, bytes), condition }))
    }

    /// Sends the question, again or for the first time, to some node that is up. In the end clients are
    /// told where the cluster has gone: of six nodes it may be one by then.
    fn ask(&mut self, client: usize, now: Instant, nodes: &[Node]) -> Act {
        let knows_a_leader =
            |node: &&Node| node.replica().is_some_and(|replica| replica.raft().leader().is_some());
        let told: Vec<&Node> =
            nodes.iter().filter(|_| self.ending).filter(knows_a_leader).collect();
        // One that was never started is nobody that a client knows.
        let known: Vec<&Node> = match told.is_empty() {
            true => nodes.iter().filter(|node| node.has_started()).collect(),
            false => told,
        };
        let node = known[self.random.below(known.len() as u64) as usize];
        let Some(replica) = node.replica() else {
            // Refused at once: nothing is sent.
            let pause = self.random.duration(Duration::ZERO, self.options.patience / 4);
            return Act { send: None, again_at: Some(now + pause) };
        };
        let ticket = self.ticket(client as u64);
        let Client { session, sequence, under_way, .. } = &mut self.clients[client];
        let under_way = under_way.as_mut().expect("something is under way");
        if let Request::Write { session: Some(asked), .. } = &mut under_way.request
            && under_way.sent == 0
        {
            let sessions = &mut self.sessions;
            let opened = replica.raft().commit_index();
            let session = session.get_or_insert_with(|| {
                *sessions += 1;
                Session { client: ClientId(*sessions), opened, sequence: *sequence }
            });
            *asked = Session { sequence: *sequence, ..*session };
        }
        under_way.sent += 1;
        under_way.waiting = Some((ticket, node.id()));
        // Patience grows, or a slow cluster would drown in questions asked again.
        let again_at = Some(now + self.options.patience * under_way.sent.min(PATIENCE_GROWTH_MAX));
        Act { send: Some((node.id(), ticket, under_way.request.clone())), again_at }
    }

    fn finish(
        &mut self,
        client: usize,
        now: Instant,
        returned: Option<Instant>,
        result: Option<Outcome>,
    ) -> Act {
        let under_way = self.clients[client].under_way.take().expect("something is under way");
        let operation = self.history.get_mut(under_way.operation).expect("it was begun");
        operation.returned = returned.map(|at| at.0);
        operation.result = result;
        if let Some(Outcome::Written { revision, .. } | Outcome::Value { revision, .. }) =
            operation.result
        {
            let newest = self.newest.get_or_insert_with(operation.key.clone(), Default::default);
            *newest = revision.max(*newest);
        }
        if client == 0 && returned.is_none() {
            // Commands are seen through: once more, as a new operation.
            let again = (operation.key.clone(), operation.call.clone());
            self.clients[0].script.push_front(again);
        }
        // Who does what commands say does not pause to think.
        let think_max = if client == 0 { Duration::ZERO } else { self.options.think_max };
        let pause = self.random.duration(Duration::ZERO, think_max);
        Act { send: None, again_at: Some(now + pause) }
    }
}

fn key(number: u64) -> Bytes {
    Bytes::from(format!("key-{number}"))
}

/// Whether nothing was done, and may be later or elsewhere.
fn is_refusal(error: &Error) -> bool {
    error.is_retriable() || *error == Error::DiskFull
}

/// Whether a second sending could take effect a second time.
fn is_sent_once(request: &Request) -> bool {
    matches!(request, Request::Write { session: None, .. })
}
