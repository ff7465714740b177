//! A node that is only a script: for what real nodes do rarely, or never.

use raft_core::error::Error;
use raft_core::id::{ClusterId, Incarnation, Index, NodeId, Term};
use raft_core::request::{Reply, Request, Response};
use raft_core::wire::{Frame, Hello, VERSION, Welcome};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// The cluster that fake nodes belong to.
pub(crate) const CLUSTER: ClusterId = ClusterId(7);

/// The commit index in their welcome.
pub(crate) const COMMIT_INDEX: Index = Index(41);

/// What a fake node does with a request.
#[derive(Clone)]
pub(crate) enum Does {
    Answer(Response),
    /// Closes the connection without a word.
    HangUp,
    /// Leaves the connection open and says nothing.
    Nothing,
}

/// A fake node, and what it is sent.
pub(crate) struct FakeNode {
    pub(crate) address: String,
    pub(crate) hellos: Receiver<Hello>,
    pub(crate) requests: Receiver<Request>,
}

/// The reply to a write.
pub(crate) fn written(revision: u64) -> Does {
    Does::Answer(Ok(Reply::Written { revision: Index(revision), existed: false, copies: None }))
}

/// A refusal.
pub(crate) fn refuse(error: Error) -> Does {
    Does::Answer(Err(error))
}

impl FakeNode {
    /// Welcomes every client. Does with each request what the script says, and in the end always the
    /// last of it.
    pub(crate) fn start(node: u64, script: Vec<Does>) -> Self {
        let welcome = Frame::Welcome(Welcome {
            version: VERSION,
            cluster: CLUSTER,
            node: NodeId(node),
            incarnation: Incarnation(1),
            term: Term(1),
            leader: None,
            commit_index: COMMIT_INDEX,
        });
        Self::serve(welcome, script)
    }

    /// Welcomes nobody.
    pub(crate) fn refusing(error: Error) -> Self {
        Self::serve(Frame::Goodbye(error), vec![Does::HangUp])
    }

    fn serve(greeting: Frame, script: Vec<Does>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (hello_to, hellos) = channel();
        let (request_to, requests) = channel();
        std::thread::spawn(move || {
            let (last, mut first) = (script.last().cloned(), script.into_iter());
            let mut next = move || first.next().or_else(|| last.clone()).unwrap_or(Does::HangUp);
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that is gone is no news to a fake node.
                let _ = converse(stream, &greeting, &mut next, &hello_to, &request_to);
            }
        });
        Self { address, hellos, requests }
    }
}

fn converse(
    stream: TcpStream,
    greeting: &Frame,
    next: &mut impl FnMut() -> Does,
    hellos: &Sender<Hello>,
    requests: &Sender<Request>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut socket = tungstenite::accept(stream)?;
    let Frame::Hello(hello) = receive(&mut socket)? else { return Ok(()) };
    // A test may not care what a fake node is sent.
    let _ = hellos.send(hello);
    socket.send(Message::Binary(greeting.encode().into()))?;
    loop {
        let Frame::Request { id, request } = receive(&mut socket)? else { return Ok(()) };
        let _ = requests.send(request);
        match next() {
            Does::Answer(response) => {
                socket.send(Message::Binary(Frame::Response { id, response }.encode().into()))?;
            }
            Does::HangUp => return Ok(()),
            Does::Nothing => {}
        }
    }
}

fn receive(socket: &mut WebSocket<TcpStream>) -> Result<Frame, Box<dyn std::error::Error>> {
    Ok(Frame::decode(&socket.read()?.into_data())?)
}
