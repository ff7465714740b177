//! The first two frames of every connection: a node's own hello, and how it takes those of others.

use crate::node::Node;
use crate::socket::{self, Fault, Form, HANDSHAKE_TIMEOUT, Socket, invalid};
use futures_util::SinkExt;
use raft_core::error::Error;
use raft_core::id::NodeId;
use raft_core::request::{Reply, Request};
use raft_core::wire::{Frame, Hello, PeerId, VERSION, Welcome};
use tokio::time::timeout;

impl Node {
    /// The node's hello to another, for a connection of snapshots or for the usual one.
    pub fn hello(&self, to: NodeId, bulk: bool) -> Hello {
        let peer = PeerId {
            node: self.identity.node,
            to,
            incarnation: self.identity.incarnation,
            start: self.start,
            address: self.address.clone(),
            bulk,
        };
        Hello { version: VERSION, cluster: Some(self.identity.cluster), peer: Some(peer) }
    }

    /// Waits for the hello of whoever dialled: of this version, and for this cluster if it names one.
    pub async fn receive_hello(&self, socket: &mut Socket) -> Result<(Hello, Form), Fault> {
        let first = timeout(HANDSHAKE_TIMEOUT, socket::next_frame(socket)).await;
        let (hello, form) = match first {
            Ok(Ok((Frame::Hello(hello), form))) => (hello, form),
            Ok(Ok(_)) => {
                return Err(Fault::Foul(invalid("the first frame is no hello; say hello")));
            }
            Ok(Err(fault)) => return Err(fault),
            Err(_) => {
                return Err(Fault::Foul(invalid("no hello in time; say hello within 5 seconds")));
            }
        };
        if hello.version != VERSION {
            let error = Error::VersionMismatch { have: VERSION, want: hello.version };
            return Err(Fault::Foul(error));
        }
        match hello.cluster {
            Some(want) if want != self.identity.cluster => {
                Err(Fault::Foul(Error::ClusterMismatch { have: self.identity.cluster, want }))
            }
            _ => Ok((hello, form)),
        }
    }

    /// Says who answers and what it knows.
    pub async fn send_welcome(&self, socket: &mut Socket, form: Form) -> Result<(), Fault> {
        let status = match self.inbox.ask(Request::Status).await {
            Ok(Reply::Status(status)) => status,
            Ok(_) => return Err(Fault::Foul(Error::OutcomeUnknown)),
            Err(error) => return Err(Fault::Foul(error)),
        };
        let welcome = Frame::Welcome(Welcome {
            version: VERSION,
            cluster: self.identity.cluster,
            node: self.identity.node,
            incarnation: self.identity.incarnation,
            term: status.term,
            leader: status.leader,
            commit_index: status.commit_index,
        });
        let sent = timeout(HANDSHAKE_TIMEOUT, socket.send(socket::encode(&welcome, form))).await;
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Fault::Gone(error.to_string())),
            Err(_) => Err(Fault::Gone("it takes nothing in".to_owned())),
        }
    }
}
