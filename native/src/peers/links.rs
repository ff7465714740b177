//! The sending ends of the connections to the other nodes: to every member of the configuration, and to
//! whoever dialled us, who waits for an answer.

use crate::node::Node;
use crate::peers::dial;
use raft_core::id::NodeId;
use raft_core::raft::membership::Configuration;
use raft_core::raft::message::Body;
use raft_core::replica::{Envelope, PeerBody};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Batches that wait for a slow connection. A batch that finds no room is dropped: Raft sends again.
const QUEUE_BATCHES_MAX: usize = 128;

/// Chunks of a snapshot that wait for a slow connection; the core has few under way.
const BULK_BATCHES_MAX: usize = 4;

/// How long a node that is no member is dialled after it was connected last: long enough to tell one
/// that was removed, short enough to forget it.
const LEAVER_KEPT: Duration = Duration::from_secs(10);

/// Most nodes that are dialled though they are no members.
const STRANGERS_MAX: usize = 16;

/// The links of a node.
#[derive(Debug)]
pub struct Links {
    node: Arc<Node>,
    links: BTreeMap<NodeId, Link>,
    /// When to look for links that nobody needs any more.
    look_at: Instant,
}

#[derive(Debug)]
struct Link {
    address: String,
    queue: mpsc::Sender<Vec<Envelope>>,
    bulk: mpsc::Sender<Vec<Envelope>>,
    /// Ends with the link.
    _tasks: JoinSet<()>,
    /// For a node that is no member: when it is no longer dialled.
    ends_at: Option<Instant>,
}

impl Links {
    /// No links yet.
    pub fn new(node: &Arc<Node>) -> Self {
        Self { node: node.clone(), links: BTreeMap::new(), look_at: Instant::now() }
    }

    /// Dials the members of a configuration. One that left it is dialled a little longer.
    pub fn follow(&mut self, configuration: &Configuration) {
        for (id, link) in &mut self.links {
            if !configuration.members.contains_key(id) {
                link.ends_at.get_or_insert_with(|| Instant::now() + LEAVER_KEPT);
            }
        }
        for member in configuration.members.values() {
            if member.id == self.node.identity.node {
                continue;
            }
            match self.links.get_mut(&member.id) {
                Some(link) if link.address == member.address => link.ends_at = None,
                _ => {
                    let link = Link::start(&self.node, member.id, &member.address, None);
                    self.links.insert(member.id, link);
                }
            }
        }
    }

    /// Dials a node that said hello, if it is not dialled already: it waits for an answer.
    pub fn answer(&mut self, id: NodeId, address: &str) {
        let ends_at = Instant::now() + LEAVER_KEPT;
        match self.links.get_mut(&id) {
            // A member is where the configuration says.
            Some(Link { ends_at: None, .. }) => {}
            Some(link) if link.address == address => link.ends_at = Some(ends_at),
            known => {
                let is_new = known.is_none();
                let strangers = self.links.values().filter(|link| link.ends_at.is_some());
                if !is_new || strangers.count() < STRANGERS_MAX {
                    let link = Link::start(&self.node, id, address, Some(ends_at));
                    self.links.insert(id, link);
                }
            }
        }
    }

    /// Sends each envelope to its node, in one batch for each; drops what finds no room.
    pub fn send(&mut self, mut envelopes: Vec<Envelope>) {
        self.drop_those_that_ended();
        for (id, Link { queue, bulk, .. }) in &self.links {
            let mut batch: Vec<Envelope> =
                envelopes.extract_if(.., |envelope| envelope.to == *id).collect();
            let chunks: Vec<Envelope> =
                batch.extract_if(.., |envelope| is_chunk(envelope)).collect();
            if !batch.is_empty() {
                let _ = queue.try_send(batch);
            }
            if !chunks.is_empty() {
                let _ = bulk.try_send(chunks);
            }
        }
    }

    /// Looks now and then which links have come to their end.
    fn drop_those_that_ended(&mut self) {
        let now = Instant::now();
        if now < self.look_at {
            return;
        }
        self.look_at = now + LEAVER_KEPT / 10;
        self.links.retain(|id, link| {
            if link.ends_at.is_some() && self.node.seats.is_taken(*id) {
                link.ends_at = Some(now + LEAVER_KEPT);
            }
            link.ends_at.is_none_or(|end| end > now)
        });
    }
}

impl Link {
    fn start(node: &Arc<Node>, id: NodeId, address: &str, ends_at: Option<Instant>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_BATCHES_MAX);
        let (bulk, chunks) = mpsc::channel(BULK_BATCHES_MAX);
        let mut tasks = JoinSet::new();
        tasks.spawn(dial::keep_connected(node.clone(), id, address.to_owned(), waiting));
        tasks.spawn(dial::carry_snapshots(node.clone(), id, address.to_owned(), chunks));
        Self { address: address.to_owned(), queue, bulk, _tasks: tasks, ends_at }
    }
}

fn is_chunk(envelope: &Envelope) -> bool {
    let PeerBody::Raft(message) = &envelope.body else { return false };
    matches!(message.body, Body::InstallSnapshot { .. })
}
