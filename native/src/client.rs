//! The client library: a request to the cluster, tried at one node after the other until it is answered
//! or its time is up. A write is retried under its own sequence number, so it never applies twice
//! (thesis §6.3).

use crate::socket::{self, Fault, Form, Socket, next_frame};
use futures_util::SinkExt;
use raft_core::error::Error;
use raft_core::id::{ClientId, ClusterId, NodeId, Sequence};
use raft_core::kv::command::Session;
use raft_core::raft::membership::Refusal;
use raft_core::request::{Reply, Request, Response, Status};
use raft_core::wire::{CLIENT_FRAME_BYTES_MAX, Frame, Hello, VERSION, Welcome};
use std::time::Duration;
use std::{fmt, io};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::{
    self,
    http::{self, StatusCode},
};

/// The path at which a node takes clients.
pub const CLIENT_PATH: &str = "/v1/client";

/// How long a node may take to accept a connection and to welcome it. A live one needs a round trip or
/// three; a dead host must not use up the time of a whole request.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long one node may take to answer when the request has more time than that: as long as a node
/// itself keeps a request (`Timing::request_timeout`).
const ANSWER_TIMEOUT_MAX: Duration = Duration::from_secs(5);

/// The pauses between two tries double from the first to the second of these: a closed port costs next
/// to nothing, and an election that takes its time is not flooded.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(320);

/// The read buffer of a connection in bytes: most answers are small, and larger ones are read in steps.
const READ_BUFFER_BYTES: usize = 16 << 10;

/// A client of a cluster, with one session: one request at a time. Clients that work at the same time
/// each want their own.
#[derive(Debug)]
pub struct Client {
    addresses: Vec<String>,
    timeout: Duration,
    /// The place in `addresses` of the node in use.
    current: usize,
    connection: Option<Connection>,
    /// The cluster of the first node that welcomed this client. A retry must not stray to another.
    cluster: Option<ClusterId>,
    session: Option<Session>,
    /// Where the leader is, if the last node said so to a request that only leaders answer.
    hint: Option<String>,
}

/// Why a request was not carried out. `Display` gives one sentence: what happened; what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No node of the list answered: nothing was done.
    Unreachable {
        /// The node that was tried last, as `host:port`.
        address: String,
        /// What went wrong there.
        reason: String,
    },
    /// A node refused it, or what it did cannot be known.
    Refused(Error),
}

/// How one try at one node went.
enum Attempt {
    Answered(Response),
    /// It never left, so nothing was done.
    NotSent(Failure),
    /// It left, and may have been done.
    NotAnswered(Failure),
}

/// A WebSocket to one node that has welcomed us.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: Socket,
    pub(crate) welcome: Welcome,
    /// The number of the last request; an answer to an earlier one has nobody waiting.
    last_id: u64,
}

impl Client {
    /// A client of the cluster whose nodes, or some of them, have these addresses, each `host:port`. It
    /// starts with the first. Each request gets `timeout`, tries at other nodes included.
    pub fn new(addresses: Vec<String>, timeout: Duration) -> Self {
        let (connection, cluster, session, hint) = (None, None, None, None);
        Self { addresses, timeout, current: 0, connection, cluster, session, hint }
    }

    /// Carries out a request. A write without a session gets the next number of the client's own. A
    /// change of the members and a transfer go to the leader, and are sent once: twice is another thing.
    ///
    /// A failure that says "nothing was done" means it of every try. [`Error::OutcomeUnknown`] means
    /// that some try may take effect, even later.
    pub async fn request(&mut self, mut request: Request) -> Result<Reply, Failure> {
        let deadline = Instant::now() + self.timeout;
        let is_write = matches!(request, Request::Write { .. });
        let once = goes_once(&request);
        let (mut in_doubt, mut refusal, mut pause) = (false, None, PAUSE_MIN);
        loop {
            let failure = match self.attempt(&mut request, deadline).await {
                Attempt::Answered(Ok(reply)) => return Ok(reply),
                Attempt::Answered(Err(Error::OutcomeUnknown)) | Attempt::NotAnswered(_) if once => {
                    return Err(Failure::Refused(Error::OutcomeUnknown));
                }
                Attempt::Answered(Err(error)) if may_pass(&error) => {
                    in_doubt |= is_write && error == Error::OutcomeUnknown;
                    refusal = Some(error.clone());
                    Failure::Refused(error)
                }
                Attempt::Answered(Err(error)) => {
                    let certain = !in_doubt || holds_for_every_try(&error);
                    let error = if certain { error } else { Error::OutcomeUnknown };
                    return Err(Failure::Refused(error));
                }
                Attempt::NotSent(failure) => failure,
                Attempt::NotAnswered(failure) => {
                    in_doubt |= is_write;
                    failure
                }
            };
            let next_try = Instant::now() + pause;
            if next_try >= deadline {
                let error = if in_doubt { Some(Error::OutcomeUnknown) } else { refusal };
                return Err(error.map_or(failure, Failure::Refused));
            }
            sleep_until(next_try).await;
            pause = PAUSE_MAX.min(pause * 2);
            self.move_on();
        }
    }

    /// The cluster of the nodes that have answered; `None` if none did.
    pub fn cluster(&self) -> Option<ClusterId> {
        self.cluster
    }

    /// Turns to the leader if the last node said where it is, or else to the next node of the list.
    fn move_on(&mut self) {
        let next = (self.current + 1) % self.addresses.len();
        self.current = match self.hint.take() {
            Some(leader) => {
                let known = self.addresses.iter().position(|address| *address == leader);
                known.unwrap_or_else(|| {
                    self.addresses.push(leader);
                    self.addresses.len() - 1
                })
            }
            None => next,
        };
    }

    /// The node that answered the last request: its place in the list of addresses, from 0, and its id.
    /// `None` if none did.
    pub fn answered_by(&self) -> Option<(usize, NodeId)> {
        self.connection.as_ref().map(|connection| (self.current, connection.welcome.node))
    }

    /// One try at the current node. The connection outlives only a reply.
    async fn attempt(&mut self, request: &mut Request, deadline: Instant) -> Attempt {
        let Some(address) = self.addresses.get(self.current) else {
            let reason = "the list of addresses is empty; give at least one".to_owned();
            return Attempt::Answered(Err(Error::Invalid { reason }));
        };
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => match Connection::open(address, self.cluster, Form::Binary, deadline).await {
                Ok(connection) => connection,
                Err(Failure::Refused(error)) => return Attempt::Answered(Err(error)),
                Err(failure) => return Attempt::NotSent(failure),
            },
        };
        self.cluster.get_or_insert(connection.welcome.cluster);
        if let Request::Write { session: session @ None, .. } = request {
            *session = Some(self.next_session(&connection.welcome));
        }
        let once = goes_once(request);
        // What cannot be sent again can wait for its answer as long as there is time.
        let patience = if once { self.timeout } else { ANSWER_TIMEOUT_MAX.min(self.timeout / 3) };
        match connection.ask(request, deadline.min(Instant::now() + patience)).await {
            Ok(Err(Error::NotLeader { hint: Some(leader) })) if once => {
                self.hint = connection.address_of(leader, deadline).await;
                Attempt::Answered(Err(Error::NotLeader { hint: Some(leader) }))
            }
            Ok(Err(Error::SessionExpired)) => {
                self.session = None;
                Attempt::Answered(Err(Error::SessionExpired))
            }
            Ok(response) => {
                if !response.as_ref().is_err_and(may_pass) {
                    self.connection = Some(connection);
                }
                Attempt::Answered(response)
            }
            Err(reason) => Attempt::NotAnswered(unreachable(&self.addresses[self.current], reason)),
        }
    }

    /// The client's session with the number of its next write. The session begins with the first write.
    fn next_session(&mut self, welcome: &Welcome) -> Session {
        let session = self.session.get_or_insert_with(|| Session {
            client: ClientId(getrandom::u64().expect("the system gives random numbers")),
            opened: welcome.commit_index,
            sequence: Sequence(0),
        });
        session.sequence = session.sequence.next();
        *session
    }
}

/// Whether a request is for leaders, and for once: to change the members twice is not the same as once.
fn goes_once(request: &Request) -> bool {
    matches!(request, Request::Change { .. } | Request::Transfer { .. })
}

/// Whether another try, at another node or a little later, may do better.
fn may_pass(error: &Error) -> bool {
    let why_passes = |why: &Refusal| {
        use Refusal::{InProgress, TermNotCommitted, TransferInProgress};
        matches!(why, InProgress | TermNotCommitted | TransferInProgress)
    };
    match error {
        Error::OutcomeUnknown => true,
        Error::Refused { why } => why_passes(why),
        error => error.is_retriable(),
    }
}

/// Whether no other try can have gone better: all copies of a write have one answer, so a condition that
/// failed has failed for all, and what makes no sense or is too large does so everywhere.
fn holds_for_every_try(error: &Error) -> bool {
    matches!(error, Error::ConditionFailed { .. } | Error::Invalid { .. } | Error::TooLarge { .. })
}

/// Asks the node at `address`, once, how it is and which cluster it belongs to.
pub async fn status(address: &str, timeout: Duration) -> Result<(ClusterId, Status), Failure> {
    let deadline = Instant::now() + timeout;
    let mut connection = Connection::open(address, None, Form::Binary, deadline).await?;
    match connection.ask(&Request::Status, deadline).await {
        Ok(Ok(Reply::Status(status))) => Ok((connection.welcome.cluster, *status)),
        Ok(Ok(_)) => Err(unreachable(address, "it answered another question")),
        Ok(Err(error)) => Err(Failure::Refused(error)),
        Err(reason) => Err(unreachable(address, reason)),
    }
}

/// Asks who answers at `address`.
pub async fn welcome(address: &str, timeout: Duration) -> Result<Welcome, Failure> {
    let by = Instant::now() + timeout;
    Ok(Connection::open(address, None, Form::Binary, by).await?.welcome)
}

impl Connection {
    /// Dials, says hello and waits for the welcome. [`Failure::Refused`] if the node says goodbye.
    pub(crate) async fn open(
        address: &str,
        cluster: Option<ClusterId>,
        form: Form,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let by = deadline.min(Instant::now() + CONNECT_TIMEOUT);
        let dialled = timeout_at(by, Self::dial(address, cluster, form)).await;
        match dialled.unwrap_or_else(|_| Err(unreachable(address, "no answer")))? {
            (socket, Frame::Welcome(welcome)) => Ok(Self { socket, welcome, last_id: 0 }),
            (_, Frame::Goodbye(error)) => Err(Failure::Refused(error)),
            _ => Err(unreachable(address, "it does not welcome clients")),
        }
    }

    /// A connection and the first frame that comes from it.
    async fn dial(
        address: &str,
        cluster: Option<ClusterId>,
        form: Form,
    ) -> Result<(Socket, Frame), Failure> {
        let broken = |error: io::Error| unreachable(address, error.to_string());
        let stream = TcpStream::connect(address).await.map_err(broken)?;
        // A request is one small write that must not wait for the acknowledgement of the one before.
        stream.set_nodelay(true).map_err(broken)?;
        let config = socket::config(CLIENT_FRAME_BYTES_MAX, READ_BUFFER_BYTES);
        let url = format!("ws://{address}{CLIENT_PATH}");
        let upgraded = client_async_with_config(url, stream, Some(config)).await;
        let (mut socket, _) = upgraded.map_err(|error| match error {
            tungstenite::Error::Http(response) => refused(address, &response),
            error => unreachable(address, error.to_string()),
        })?;
        let hello = Frame::Hello(Hello { version: VERSION, cluster, peer: None });
        let sent = socket.send(socket::encode(&hello, form)).await;
        sent.map_err(|error| unreachable(address, error.to_string()))?;
        let first = next_frame(&mut socket).await;
        let (first, _) = first.map_err(|fault| unreachable(address, reason(fault)))?;
        Ok((socket, first))
    }

    /// Where a member is, as the node at the other end knows it.
    async fn address_of(&mut self, member: NodeId, by: Instant) -> Option<String> {
        match self.ask(&Request::Status, by).await {
            Ok(Ok(Reply::Status(status))) => {
                let member = status.configuration.members.get(&member);
                member.map(|member| member.address.clone())
            }
            _ => None,
        }
    }

    /// Sends a request and waits for its answer. `Err` says why none came, and the connection is done.
    async fn ask(&mut self, request: &Request, by: Instant) -> Result<Response, String> {
        self.last_id += 1;
        let frame = Frame::Request { id: self.last_id, request: request.clone() };
        let frame = socket::encode(&frame, Form::Binary);
        if frame.len() > CLIENT_FRAME_BYTES_MAX {
            let (limit, actual) = (CLIENT_FRAME_BYTES_MAX as u64, frame.len() as u64);
            return Ok(Err(Error::TooLarge { limit, actual }));
        }
        let answer = async {
            self.socket.send(frame).await.map_err(|error| error.to_string())?;
            loop {
                match next_frame(&mut self.socket).await.map_err(reason)?.0 {
                    Frame::Response { id, response } if id == self.last_id => return Ok(response),
                    Frame::Goodbye(error) => return Err(error.to_string()),
                    _ => {}
                }
            }
        };
        timeout_at(by, answer).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }
}

/// Why nothing more comes, in words.
fn reason(fault: Fault) -> String {
    match fault {
        Fault::Gone(reason) => reason,
        Fault::Foul(error) => format!("it sent what is not acceptable: {error}"),
    }
}

/// What an answer to the upgrade means that is not the upgrade.
fn refused(address: &str, response: &http::Response<Option<Vec<u8>>>) -> Failure {
    let body = response.body().as_deref().unwrap_or_default();
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let message =
        body["error"]["message"].as_str().unwrap_or("it does not say why; see its address");
    match response.status() {
        StatusCode::FORBIDDEN => {
            let reason = message.trim_start_matches("denied: ").to_owned();
            Failure::Refused(Error::Denied { reason })
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            Failure::Refused(Error::Overloaded { retry_after_ms: 1_000 })
        }
        status => unreachable(address, format!("it answers {status}")),
    }
}

fn unreachable(address: &str, reason: impl Into<String>) -> Failure {
    Failure::Unreachable { address: address.to_owned(), reason: reason.into() }
}

impl Failure {
    /// The stable name of the failure, as in JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Refused(error) => error.code(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { address, reason } => write!(
                f,
                "no node answers, nothing was done ({address}: {reason}); start the nodes or check --cluster"
            ),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Failure {}
