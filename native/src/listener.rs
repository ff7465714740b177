//! The one port of a node: HTTP, and what upgrades from it. Binds what its address says, bounds how many
//! connections there are, and lets none keep what it does not use.

use crate::http;
use crate::node::Node;
use crate::refusal::Refusal;
use crate::socket::HANDSHAKE_TIMEOUT;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Most connections of clients, WebSocket and HTTP. Together with the arriving ones and the other nodes'
/// they fit into the 1,024 open files that a process usually may have.
const CLIENTS_MAX: usize = 768;

/// Most connections that have not said yet whose they are. Other nodes arrive through these, so clients
/// cannot shut them out; each has [`HANDSHAKE_TIMEOUT`] to say it.
const ARRIVING_MAX: usize = 128;

/// The largest head of a request in bytes: a key of the largest size, every byte of it escaped, and room
/// for the headers.
const HEAD_BYTES_MAX: usize = 32 << 10;

/// Most headers of a request.
const HEADERS_MAX: usize = 64;

/// How long an HTTP connection is used before it is asked to end, and how long it may then take: what a
/// client that reads slowly can hold.
const HTTP_AGE_MAX: Duration = Duration::from_secs(300);
const HTTP_END_MAX: Duration = Duration::from_secs(30);

/// How long to wait when no more connections can be accepted, as when files run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many connections may wait to be accepted: all nodes and many clients may come back at once.
const BACKLOG: u32 = 1_024;

/// The node's port: taken at first, and listened on once the node serves. Until then whoever dials is
/// turned away at once, so that nodes which start together do not wait for each other.
#[derive(Debug)]
pub struct Port {
    address: String,
    taken: Vec<TcpSocket>,
    listeners: Vec<TcpListener>,
}

impl Port {
    /// Takes the port: every address that the host of `own` stands for on this machine, and no other.
    pub fn take(own: &str) -> Result<Self, Refusal> {
        let resolved = own.to_socket_addrs().map_err(|error| {
            Refusal::other(format!("{own} leads nowhere ({error}); check the host name"))
        })?;
        let (mut taken, mut failure) = (Vec::new(), None);
        for address in resolved {
            match take(address) {
                Ok(socket) => taken.push(socket),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(in_use(own)),
                Err(error) => failure = Some(error),
            }
        }
        // A host may stand for an address of a kind that this machine does not have, as ::1 without IPv6.
        match failure {
            Some(error) if taken.is_empty() => Err(cannot_listen(own, &error)),
            _ => Ok(Self { address: own.to_owned(), taken, listeners: Vec::new() }),
        }
    }

    /// Accepts connections for `node` from now on, as long as its runtime is there.
    pub fn serve(&mut self, node: &Arc<Node>) -> Result<(), Refusal> {
        let cannot = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => in_use(&self.address),
            _ => cannot_listen(&self.address, &error),
        };
        for socket in self.taken.drain(..) {
            let listener = socket.listen(BACKLOG).and_then(tokio::net::TcpListener::into_std);
            self.listeners.push(listener.map_err(cannot)?);
        }
        for listener in &self.listeners {
            let listener = listener.try_clone().and_then(tokio::net::TcpListener::from_std);
            tokio::spawn(accept(node.clone(), listener.map_err(cannot)?));
        }
        Ok(())
    }
}

fn take(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections of a process before this one may still be on their way out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn in_use(address: &str) -> Refusal {
    Refusal::other(format!(
        "port in use: {address} is taken by another process; stop that one or choose another port"
    ))
}

fn cannot_listen(address: &str, error: &io::Error) -> Refusal {
    Refusal::other(format!(
        "cannot listen at {address} ({error}); give this node an address of this machine"
    ))
}

async fn accept(node: Arc<Node>, listener: tokio::net::TcpListener) {
    loop {
        let Ok(arriving) = node.budget.arriving.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve_connection(node.clone(), stream, arriving));
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn serve_connection(node: Arc<Node>, stream: TcpStream, arriving: OwnedSemaphorePermit) {
    // Answers are small and waited for.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let place = Arc::new(Place { permit: Mutex::new(Some(arriving)) });
    let answer = service_fn(|request| http::answer(node.clone(), place.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    let mut connection = pin!(connection);
    if timeout(HTTP_AGE_MAX, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(HTTP_END_MAX, connection).await;
    }
}

/// How many connections there may be.
#[derive(Debug)]
pub struct Budget {
    arriving: Arc<Semaphore>,
    clients: Arc<Semaphore>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            arriving: Arc::new(Semaphore::new(ARRIVING_MAX)),
            clients: Arc::new(Semaphore::new(CLIENTS_MAX)),
        }
    }
}

/// A connection's place in the [`Budget`]: among the arriving at first.
#[derive(Debug)]
pub struct Place {
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Place {
    /// Moves to the clients; `false` if they are too many.
    pub fn move_to_clients(&self, budget: &Budget) -> bool {
        let mut permit = self.permit.lock().unwrap_or_else(PoisonError::into_inner);
        if permit.as_ref().is_some_and(|permit| Arc::ptr_eq(permit.semaphore(), &budget.clients)) {
            return true;
        }
        let client = budget.clients.clone().try_acquire_owned();
        let has_moved = client.is_ok();
        *permit = client.ok().or_else(|| permit.take());
        has_moved
    }

    /// Gives the place up: the connection is another node's, and those are few by themselves.
    pub fn give_up(&self) {
        self.permit.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
