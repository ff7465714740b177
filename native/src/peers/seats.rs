//! Seats for the other nodes: which process of each is connected to us. A node is a life of a data
//! directory, and a process is one start of it. Two at a time must not pass for one node, and neither may
//! a copy of the directory that is older than what was seen.

use crate::peers::SILENCE_MAX;
use raft_core::error::Error;
use raft_core::id::{Incarnation, NodeId, Start};
use raft_core::wire::PeerId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// A process that was heard from within this time is alive: it pings more often.
pub const ALIVE_MAX: Duration = SILENCE_MAX.checked_div(2).unwrap();

/// Most nodes of which something is remembered. Clusters are smaller; whoever else comes is refused.
const NODES_MAX: usize = 64;

/// The seats of a node. Only the tasks of connections use the lock, briefly.
#[derive(Debug, Default)]
pub struct Seats {
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    nodes: BTreeMap<NodeId, Known>,
    /// Counts up, so that a connection that ends leaves its successor alone.
    next_number: u64,
}

/// What is known of another node.
#[derive(Debug, Default)]
struct Known {
    /// The process that spoke last, not only said hello.
    last: Option<Process>,
    /// Its connections: the usual one, and the one for snapshots.
    taken: [Option<Taken>; 2],
    /// Woken when the node connects to us: then it is up and can be dialled.
    arrived: Arc<Notify>,
}

/// One start of one life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    incarnation: Incarnation,
    start: Start,
}

#[derive(Debug)]
struct Taken {
    process: Process,
    number: u64,
    heard_at: Instant,
    /// Dropped when the seat is taken again, which ends the connection before.
    _sitting: oneshot::Sender<()>,
}

/// A seat that is taken, until it is dropped.
#[derive(Debug)]
pub struct Seat {
    node: NodeId,
    place: usize,
    process: Process,
    number: u64,
    sitting: oneshot::Receiver<()>,
    table: Arc<Mutex<Table>>,
}

impl Seats {
    /// Takes a seat for who says hello. A new connection of the same process replaces the one before,
    /// which may be dead without our knowing. Another process is refused while one is alive: two of
    /// them must not pass for one node. So is one of a directory that is older than what was seen.
    pub fn take(&self, peer: &PeerId) -> Result<Seat, Error> {
        let PeerId { node, incarnation, start, .. } = *peer;
        let process = Process { incarnation, start };
        let mut table = self.lock();
        if !table.nodes.contains_key(&node) && table.nodes.len() >= NODES_MAX {
            return Err(Error::Overloaded { retry_after_ms: 1_000 });
        }
        table.next_number += 1;
        let number = table.next_number;
        let known = table.nodes.entry(node).or_default();
        let is_other_alive =
            |taken: &Taken| taken.process != process && taken.heard_at.elapsed() <= ALIVE_MAX;
        if known.taken.iter().flatten().any(is_other_alive) {
            return Err(Error::NodeTaken { node });
        }
        if known.last.is_some_and(|last| process.is_copy_from_before(last)) {
            return Err(Error::OlderCopy { node });
        }
        let (_sitting, sitting) = oneshot::channel();
        let place = usize::from(peer.bulk);
        let heard_at = Instant::now();
        known.taken[place] = Some(Taken { process, number, heard_at, _sitting });
        if !peer.bulk {
            known.arrived.notify_one();
        }
        Ok(Seat { node, place, process, number, sitting, table: self.table.clone() })
    }

    /// Whether the node is connected.
    pub fn is_taken(&self, node: NodeId) -> bool {
        self.lock().nodes.get(&node).is_some_and(|known| known.taken.iter().any(Option::is_some))
    }

    /// What is woken when the node takes its seat.
    pub fn arrival(&self, node: NodeId) -> Arc<Notify> {
        self.lock().nodes.entry(node).or_default().arrived.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process {
    /// Whether this process began with the directory as it was before `last` began with it: an equal count
    /// of another process is a copy, too.
    fn is_copy_from_before(self, last: Self) -> bool {
        let same_life = self.incarnation == last.incarnation;
        same_life && self.start != last.start && self.start.count() <= last.start.count()
    }
}

impl Seat {
    /// Notes that the node was heard from, and whether it said more than hello.
    pub fn heard(&self, has_spoken: bool) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = table.nodes.get_mut(&self.node) else { return };
        if let Some(taken) = &mut known.taken[self.place]
            && taken.number == self.number
        {
            taken.heard_at = Instant::now();
            if has_spoken {
                known.last = Some(self.process);
            }
        }
    }

    /// Waits until another connection of the same node takes the seat.
    pub async fn replaced(&mut self) {
        let _ = (&mut self.sitting).await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = table.nodes.get_mut(&self.node) else { return };
        let taken = &mut known.taken[self.place];
        if taken.as_ref().is_some_and(|taken| taken.number == self.number) {
            *taken = None;
        }
        // Who only looked in leaves nothing behind.
        let is_known = known.last.is_some() || known.taken.iter().any(Option::is_some);
        if !is_known && Arc::strong_count(&known.arrived) == 1 {
            table.nodes.remove(&self.node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const NODE: NodeId = NodeId(2);

    /// Process `random` of the `count`-th start of a life.
    fn peer(life: u64, count: u32, random: u32) -> PeerId {
        let (incarnation, start) = (Incarnation(life), Start::new(count, random));
        PeerId {
            node: NODE,
            to: NodeId(1),
            incarnation,
            start,
            address: String::new(),
            bulk: false,
        }
    }

    #[test]
    fn another_process_of_a_node_is_refused_while_one_is_connected_and_alive() {
        let seats = Seats::default();
        let seat = seats.take(&peer(1, 1, 0)).unwrap();
        for other in [peer(2, 1, 0), peer(1, 2, 0), PeerId { bulk: true, ..peer(2, 1, 0) }] {
            assert_eq!(seats.take(&other).unwrap_err(), Error::NodeTaken { node: NODE });
        }
        assert!(seats.take(&PeerId { node: NodeId(3), ..peer(2, 1, 0) }).is_ok());
        let bulk = seats.take(&PeerId { bulk: true, ..peer(1, 1, 0) }).unwrap();
        drop(seat);
        assert!(seats.take(&peer(2, 1, 0)).is_err(), "its other connection is alive");
        drop(bulk);
        assert!(seats.take(&peer(2, 1, 0)).is_ok());
    }

    #[test]
    fn a_new_connection_of_the_same_process_ends_the_one_before() {
        let seats = Seats::default();
        let mut first = seats.take(&peer(1, 1, 0)).unwrap();
        assert_eq!(first.replaced().now_or_never(), None);
        let mut second = seats.take(&peer(1, 1, 0)).unwrap();
        assert_eq!(first.replaced().now_or_never(), Some(()));
        drop(first);
        assert_eq!(second.replaced().now_or_never(), None);
        // The first one's end has not freed the seat.
        assert!(seats.take(&peer(2, 1, 0)).is_err());
    }

    #[test]
    fn a_copy_of_the_directory_from_before_is_refused_and_a_restart_is_not() {
        let seats = Seats::default();
        let seen = seats.take(&peer(1, 5, 77)).unwrap();
        seen.heard(true);
        drop(seen);
        for older in [peer(1, 4, 99), peer(1, 5, 99), peer(1, 5, 1)] {
            assert_eq!(seats.take(&older).unwrap_err(), Error::OlderCopy { node: NODE });
        }
        for fine in [peer(1, 5, 77), peer(1, 6, 0), peer(2, 1, 0)] {
            assert!(seats.take(&fine).is_ok(), "{fine:?}");
        }
    }

    #[test]
    fn who_only_said_hello_is_not_remembered() {
        let seats = Seats::default();
        drop(seats.take(&peer(1, 5, 77)).unwrap());
        assert!(seats.take(&peer(1, 5, 99)).is_ok());
        assert!(seats.lock().nodes.is_empty());
    }
}
