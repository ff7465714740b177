//! What comes over a connection to a node: HTTP, and the WebSockets it upgrades to, through the node's own
//! listener. Whatever comes, it is answered or closed, and the node lives.

use crate::edit::{edit, rest};
use crate::samples;
use crate::tape::Tape;
use raft_core::config::{Config, Limits, Timing};
use raft_core::id::{ClusterId, Incarnation, NodeId, Start, Ticket};
use raft_core::raft::membership::Member;
use raft_core::replica::{Input, Replica};
use raft_core::time::Instant;
use raft_core::wal::Durable;
use raft_core::wire::{Frame, Hello, VERSION};
use raft_native::console::Console;
use raft_native::identity::{Identity, Origin};
use raft_native::listener::{Budget, Port};
use raft_native::node::Node;
use raft_native::origin::Names;
use raft_native::peers::seats::Seats;
use raft_native::server::{Arrival, Inbox, Replies};
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

/// The name that the node is known by, whatever its port really is.
const ADDRESS: &str = "localhost:8001";

/// The thread that the node runs in.
const THREAD: &str = "fuzzed node";

/// No answer takes so long: a node waits five seconds for a request, and for what is missing of one.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Requests after which the node begins anew, so that what it keeps stays small.
const REQUESTS_MAX: u64 = 10_000;

/// What a node may answer with. That it has failed is not among it.
const STATUSES: [&str; 15] = [
    "100", "101", "200", "400", "403", "404", "405", "409", "412", "413", "414", "426", "431",
    "503", "504",
];

/// Set when the node's thread panics: what a connection runs into is caught there, and not heard of.
static HAS_PANICKED: AtomicBool = AtomicBool::new(false);

/// Sends bytes over a connection of its own, and reads what comes back to its end.
pub(crate) fn check(bytes: &[u8]) {
    let message = message(&mut Tape::new(bytes));
    let mut stream = TcpStream::connect(("127.0.0.1", port())).expect("the node listens");
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).expect("a timeout can be set");
    // The node may have heard enough before it has heard all.
    let _ = stream.write_all(&message).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    let is_late = ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(!is_late, "no answer to {:?}", String::from_utf8_lossy(&message));
    assert!(!HAS_PANICKED.load(Ordering::SeqCst), "{:?}", String::from_utf8_lossy(&message));
    if let Some(line) = answer.strip_prefix(b"HTTP/1.1 ").or(answer.strip_prefix(b"HTTP/1.0 ")) {
        let status = String::from_utf8_lossy(&line[..3]);
        assert!(
            STATUSES.contains(&&*status),
            "{status} to {:?}",
            String::from_utf8_lossy(&message)
        );
    } else {
        assert!(answer.is_empty(), "{:?}", String::from_utf8_lossy(&answer));
    }
}

fn message(tape: &mut Tape) -> Vec<u8> {
    let way = tape.below(8);
    if way == 0 {
        return rest(tape);
    }
    let mut message = Vec::new();
    if way < 4 {
        for _ in 0..1 + tape.below(3) {
            message.extend_from_slice(request(tape).as_bytes());
        }
    } else {
        let path = *tape.pick(&["/v1/client", "/v1/client", "/v1/peer"]);
        message.extend_from_slice(upgrade(path).as_bytes());
        let hello = Hello { version: VERSION, cluster: None, peer: None };
        websocket(&Frame::Hello(hello), tape, &mut message);
        let samples = samples::frames();
        for _ in 0..tape.below(4) {
            let (_, frame) = tape.pick(&samples);
            websocket(frame, tape, &mut message);
        }
    }
    for _ in 0..tape.below(8).saturating_sub(3) {
        edit(&mut message, tape);
    }
    message
}

fn request(tape: &mut Tape) -> String {
    let method = *tape.pick(&["GET", "PUT", "DELETE", "HEAD", "POST", "OPTIONS"]);
    let path = *tape.pick(&[
        "/v1/kv/key",
        "/v1/kv/%00%ff",
        "/v1/kv/",
        "/v1/kv/%",
        "/v1/status",
        "/livez",
        "/readyz",
        "/",
        "/index.html",
        "/v1/client",
        "/../x",
        "http://localhost:8001/v1/kv/key",
    ]);
    let query = *tape.pick(&[
        "",
        "?consistency=local",
        "?if_absent",
        "?if_value=%41",
        "?if_revision=1",
        "?if_revision=x",
        "?a=1&b=2",
        "?%",
    ]);
    let host = *tape.pick(&["Host: localhost:8001\r\n", "Host: evil.example\r\n", ""]);
    let origin =
        *tape.pick(&["", "", "Origin: http://localhost:8001\r\n", "Origin: http://evil\r\n"]);
    let body = *tape.pick(&[
        "\r\n",
        "Content-Length: 5\r\n\r\nAlice",
        "Content-Length: 9\r\n\r\nAlice",
        "Content-Length: 99999999999\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nAlice\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n1",
        "Content-Length: 1\r\nContent-Length: 2\r\n\r\n1",
    ]);
    format!("{method} {path}{query} HTTP/1.1\r\n{host}{origin}{body}")
}

fn upgrade(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {ADDRESS}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A frame as a WebSocket message of a client, in either form.
fn websocket(frame: &Frame, tape: &mut Tape, message: &mut Vec<u8>) {
    let (opcode, payload) = match tape.below(2) {
        0 => (2, frame.encode()),
        _ => (1, serde_json::to_vec(frame).expect("frames encode")),
    };
    message.push(0x80 | opcode);
    message.push(0x80 | 126);
    message.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    // The mask, which must be there.
    message.extend_from_slice(&[0; 4]);
    message.extend_from_slice(&payload);
}

/// The port of a node of a cluster of one.
fn port() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| {
        let say = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if thread::current().name() == Some(THREAD) {
                HAS_PANICKED.store(true, Ordering::SeqCst);
            }
            say(info);
        }));
        let (sender, receiver) = mpsc::channel();
        let node = thread::Builder::new().name(THREAD.to_owned()).spawn(move || run(&sender));
        node.expect("a thread can be started");
        receiver.recv().expect("the node starts")
    })
}

fn run(started: &mpsc::Sender<u16>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be built").block_on(async {
        let (inbox, mut arrivals) = Inbox::new();
        let identity = Identity {
            cluster: ClusterId(1),
            node: NodeId(1),
            incarnation: Incarnation(1),
            starts: 1,
            origin: Origin::Founded(vec![ADDRESS.to_owned()]),
        };
        let node = Arc::new(Node {
            identity,
            start: Start::new(1, 1),
            address: ADDRESS.to_owned(),
            names: Names::of(ADDRESS, [ADDRESS]),
            inbox,
            seats: Seats::default(),
            budget: Budget::default(),
            console: Console::start().expect("a console can be started"),
            watchers: Default::default(),
            older_copy: Default::default(),
        });
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let port = free.expect("a port is free").port();
        let mut listening =
            Port::take(&format!("127.0.0.1:{port}")).expect("it was free a moment ago");
        listening.serve(&node).expect("it can be listened at");
        started.send(port).expect("the test waits");
        loop {
            answer(replica(), &mut arrivals).await;
        }
    });
}

/// The node's loop, with a disk that is never late.
async fn answer(mut replica: Replica, arrivals: &mut tokio::sync::mpsc::Receiver<Arrival>) {
    let mut waiting: HashMap<Ticket, (u64, Replies)> = HashMap::new();
    let mut now = Instant(0);
    for next in 1..REQUESTS_MAX {
        now = now.max(replica.deadline());
        replica.step(now, Input::Wake);
        loop {
            let effects = replica.effects();
            for (ticket, response) in effects.reply {
                if let Some((id, replies)) = waiting.remove(&ticket) {
                    // A client that is gone has no use for its answer.
                    let _ = replies.try_send((id, response));
                }
            }
            let Some(write) = effects.write else { break };
            replica.step(now, Input::Persisted(write.seq));
        }
        if let Some(Arrival::Client { requests, replies }) = arrivals.recv().await {
            for (number, (id, request)) in (0..).zip(requests) {
                let ticket = Ticket(next << 32 | number);
                waiting.insert(ticket, (id, replies.clone()));
                replica.step(now, Input::Client { ticket, request });
            }
        }
    }
}

fn replica() -> Replica {
    let (id, incarnation) = (NodeId(1), Incarnation(1));
    let config = Config {
        id,
        cluster: ClusterId(1),
        incarnation,
        members: vec![Member { id, address: ADDRESS.to_owned(), incarnation }],
        seed: 1,
        timing: Timing::default(),
        limits: Limits::default(),
    };
    Replica::restore(config, Durable::default(), Instant(0))
}
