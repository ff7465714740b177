//! What a load is put on. `raft-cli bench` has one implementation, and whoever compares has more: the
//! generator is the same for all.

use super::Load;
use crate::client::{Connection, Failure};
use crate::socket::{self, Fault};
use futures_util::{FutureExt, SinkExt, StreamExt};
use raft_core::bytes::Bytes;
use raft_core::error::Error;
use raft_core::id::{ClientId, Sequence};
use raft_core::kv::command::{Condition, Read, Session, Write};
use raft_core::request::{Consistency, Request};
use raft_core::wire::Frame;
use std::time::Duration;
use tokio::time::Instant;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection that some clients share, numbered from 0, each with one question under way.
pub trait Wire: Sized + Send + 'static {
    /// Connects so many clients to the server at `address`, a `host:port`.
    fn connect(
        address: &str,
        load: &Load,
        clients: usize,
    ) -> impl Future<Output = Result<Self, Failure>> + Send;

    /// Asks on behalf of a client. It may lie here until the next [`Wire::hear`]. `Err` says why the
    /// connection is lost.
    fn ask(
        &mut self,
        client: usize,
        question: Question,
    ) -> impl Future<Output = Result<(), String>> + Send;

    /// Sends what was asked, waits for an answer, and takes in all that have come. No answer is lost if
    /// the wait is given up. `Err` says why the connection is lost.
    fn hear(
        &mut self,
        answers: &mut Vec<Answer>,
    ) -> impl Future<Output = Result<(), String>> + Send;
}

/// What a client asks.
#[derive(Clone, Debug)]
pub enum Question {
    /// To give a key a value; ours in a session, as the client library does.
    Put {
        /// The key.
        key: Bytes,
        /// Its new value.
        value: Bytes,
    },
    /// For the newest value of a key.
    Get(Bytes),
    /// For the value that the server asked has.
    LocalGet(Bytes),
}

/// What a client is told: whether it was done, or else the code of the failure.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The client.
    pub client: usize,
    /// What it is told.
    pub result: Result<(), &'static str>,
}

/// A connection to a node.
pub struct ToNode {
    connection: Connection,
    form: socket::Form,
    /// Each client's session, with the number of its last write.
    sessions: Vec<Session>,
}

impl Wire for ToNode {
    async fn connect(address: &str, load: &Load, clients: usize) -> Result<Self, Failure> {
        let by = Instant::now() + CONNECT_TIMEOUT;
        let connection = Connection::open(address, None, load.form, by).await?;
        let mut wire = Self { connection, form: load.form, sessions: Vec::new() };
        wire.sessions = (0..clients).map(|_| wire.new_session()).collect();
        Ok(wire)
    }

    async fn ask(&mut self, client: usize, question: Question) -> Result<(), String> {
        let read = |key, consistency| Request::Read { read: Read::Get { key }, consistency };
        let request = match question {
            Question::Get(key) => read(key, Consistency::Linearizable),
            Question::LocalGet(key) => read(key, Consistency::Local),
            Question::Put { key, value } => {
                let session = &mut self.sessions[client];
                session.sequence = session.sequence.next();
                let write = Write::Set { key, value, condition: Condition::Any };
                Request::Write { session: Some(*session), write, count_copies: false }
            }
        };
        let frame = Frame::Request { id: client as u64, request };
        let fed = self.connection.socket.feed(socket::encode(&frame, self.form)).await;
        fed.map_err(|error| error.to_string())
    }

    async fn hear(&mut self, answers: &mut Vec<Answer>) -> Result<(), String> {
        self.connection.socket.flush().await.map_err(|error| error.to_string())?;
        let mut received = self.connection.socket.next().await;
        loop {
            match socket::decode(received) {
                Ok(Some((Frame::Response { id, response }, _))) => {
                    let client = id as usize;
                    if response == Err(Error::SessionExpired) && client < self.sessions.len() {
                        self.sessions[client] = self.new_session();
                    }
                    let result = match response {
                        Ok(_) | Err(Error::NotFound) => Ok(()),
                        Err(error) => Err(error.code()),
                    };
                    answers.push(Answer { client, result });
                }
                Ok(Some((Frame::Goodbye(error), _))) => return Err(error.to_string()),
                Ok(_) => {}
                Err(Fault::Gone(reason)) => return Err(reason),
                Err(Fault::Foul(error)) => return Err(error.to_string()),
            }
            match self.connection.socket.next().now_or_never() {
                Some(next) => received = next,
                None => return Ok(()),
            }
        }
    }
}

impl ToNode {
    fn new_session(&self) -> Session {
        let client = ClientId(getrandom::u64().expect("the system gives random numbers"));
        let opened = self.connection.welcome.commit_index;
        Session { client, opened, sequence: Sequence(0) }
    }
}
