//! Frames between peers, clients and the page: defined once, in two forms. A binary WebSocket message is
//! a version byte and a postcard body; a text message is the same value as JSON. `docs/formats.md`
//! describes the bytes.
//!
//! A connection begins with [`Frame::Hello`] from the side that dialled and [`Frame::Welcome`] or
//! [`Frame::Goodbye`] from the other. A peer then sends [`Frame::Peer`] one way; a client sends
//! [`Frame::Request`] and receives [`Frame::Response`], many at a time and in any order, and after a
//! [`Frame::Watch`] a [`Frame::Sighting`] from time to time.

use crate::binary;
use crate::error::Error;
use crate::id::{ClusterId, Incarnation, Index, NodeId, Start, Term};
use crate::replica::Envelope;
use crate::request::{Request, Response};
use crate::sighting::Sighting;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The version of the protocol and of its encoding, first byte of every binary frame.
pub const VERSION: u8 = 1;

/// The largest frame a client may send, in bytes: a value, its key and room for the rest, twice over
/// for JSON's escapes.
pub const CLIENT_FRAME_BYTES_MAX: usize = 4 << 20;

/// The largest frame between peers, in bytes.
pub const PEER_FRAME_BYTES_MAX: usize = 16 << 20;

/// One message of a connection. New variants go to the end: formats are frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// First, from the side that dialled.
    Hello(Hello),
    /// Answers a hello that is accepted.
    Welcome(Welcome),
    /// Says why the connection is closed, and closes it.
    Goodbye(Error),
    /// Messages between replicas, in the order of their sending.
    Peer(Vec<Envelope>),
    /// A client's request, and a number for its response.
    Request {
        /// The client's choice, once per connection at a time.
        id: u64,
        /// The request.
        request: Request,
    },
    /// The answer to the request of the same number.
    Response {
        /// The request's number.
        id: u64,
        /// The answer.
        response: Response,
    },
    /// A client wants to be shown the node from now on.
    Watch,
    /// The node as a watcher is shown it.
    Sighting(Box<Sighting>),
}

/// Who dials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Hello {
    /// The version spoken, as in [`VERSION`]; JSON has no version byte.
    pub version: u8,
    /// The cluster that is asked for; a client that does not know leaves it out.
    pub cluster: Option<ClusterId>,
    /// The peer that dials; a client leaves it out.
    pub peer: Option<PeerId>,
}

/// A node and the life of its data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerId {
    /// The node.
    pub node: NodeId,
    /// The node that is meant on the other side.
    pub to: NodeId,
    /// The life of the dialling node's data directory.
    pub incarnation: Incarnation,
    /// The dialling process.
    pub start: Start,
    /// Where the dialling node can be dialled, as `host:port`: whoever was never told of it can answer.
    pub address: String,
    /// The connection carries only snapshots, so that nothing else waits behind them.
    pub bulk: bool,
}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version spoken.
    pub version: u8,
    /// The cluster.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
    /// The life of its data directory.
    pub incarnation: Incarnation,
    /// Its term.
    pub term: Term,
    /// The leader it knows of.
    pub leader: Option<NodeId>,
    /// Its commit index: the `opened` of a session that starts here.
    pub commit_index: Index,
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// No bytes at all.
    Empty,
    /// Another version of the protocol.
    Version(u8),
    /// The bytes do not fit the format.
    Malformed,
    /// Bytes are left over behind the frame.
    Trailing,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "an empty frame"),
            Self::Version(have) => {
                write!(f, "a frame of version {have}, where {VERSION} is spoken")
            }
            Self::Malformed => write!(f, "a malformed frame"),
            Self::Trailing => write!(f, "a frame with bytes left over"),
        }
    }
}

impl std::error::Error for DecodeError {}

impl Frame {
    /// The frame as a binary message.
    pub fn encode(&self) -> Vec<u8> {
        binary::encode(&[VERSION], self)
    }

    /// A binary message as a frame. Allocates no more than a small multiple of `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (version, body) = bytes.split_first().ok_or(DecodeError::Empty)?;
        if *version != VERSION {
            return Err(DecodeError::Version(*version));
        }
        match postcard::take_from_bytes(body) {
            Ok((frame, [])) => Ok(frame),
            Ok(_) => Err(DecodeError::Trailing),
            Err(_) => Err(DecodeError::Malformed),
        }
    }
}
