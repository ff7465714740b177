//! What a page hears on a connection: the frames that a node sends to who only watches.

use raft_core::error::Error;
use raft_core::sighting::Sighting;
use raft_core::wire::VERSION;
use serde::Deserialize;

/// A frame, in the order of [`Frame`](raft_core::wire::Frame), of which only those are read that come. To read
/// all of them would cost a visitor of the page as much as all else that this view costs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub enum Heard {
    /// Not sent by nodes.
    Hello,
    /// The page may watch.
    Welcome,
    /// It may not, for this reason.
    Goodbye(Error),
    /// Between nodes alone.
    Peer,
    /// Not sent by nodes.
    Request,
    /// Nothing was requested.
    Response,
    /// Not sent by nodes.
    Watch,
    /// How the node is.
    Sighting(Box<Sighting>),
}

impl Heard {
    /// A binary frame; `None` if it is of another version or damaged.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (version, body) = bytes.split_first()?;
        // Of a frame that says nothing here, the rest is left unread.
        postcard::take_from_bytes(body).ok().filter(|_| *version == VERSION).map(|(heard, _)| heard)
    }
}
