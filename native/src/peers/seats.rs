//! One seat for each other node: which life of it is connected to us.

use raft_core::error::Error;
use raft_core::id::{Incarnation, NodeId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, oneshot};

/// The seats of a node. Only the tasks of connections use the lock, when one begins or ends.
#[derive(Debug, Default)]
pub struct Seats {
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    taken: BTreeMap<NodeId, Taken>,
    /// Counts up, so that a connection that ends leaves its successor alone.
    next_number: u64,
    /// Woken when the node connects to us: then it is up and can be dialled.
    arrived: BTreeMap<NodeId, Arc<Notify>>,
}

#[derive(Debug)]
struct Taken {
    incarnation: Incarnation,
    number: u64,
    /// Dropped when the seat is taken again, which ends the connection before.
    _sitting: oneshot::Sender<()>,
}

/// A seat that is taken, until it is dropped.
#[derive(Debug)]
pub struct Seat {
    node: NodeId,
    number: u64,
    sitting: oneshot::Receiver<()>,
    table: Arc<Mutex<Table>>,
}

impl Seats {
    /// Takes the seat of a node. A new connection of the same life replaces the one before, which may be
    /// dead without our knowing. Another life is refused: its data directory is another, and two of them
    /// must not pass for one node.
    pub fn take(&self, node: NodeId, incarnation: Incarnation) -> Result<Seat, Error> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.taken.get(&node).is_some_and(|taken| taken.incarnation != incarnation) {
            let reason = format!("another node {node} is connected; stop one of the two");
            return Err(Error::Denied { reason });
        }
        table.next_number += 1;
        let number = table.next_number;
        let (_sitting, sitting) = oneshot::channel();
        table.taken.insert(node, Taken { incarnation, number, _sitting });
        table.arrived.entry(node).or_default().notify_one();
        Ok(Seat { node, number, sitting, table: self.table.clone() })
    }

    /// What is woken when the node takes its seat.
    pub fn arrival(&self, node: NodeId) -> Arc<Notify> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.arrived.entry(node).or_default().clone()
    }
}

impl Seat {
    /// Waits until another connection of the same node takes the seat.
    pub async fn replaced(&mut self) {
        let _ = (&mut self.sitting).await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.taken.get(&self.node).is_some_and(|taken| taken.number == self.number) {
            table.taken.remove(&self.node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const NODE: NodeId = NodeId(2);

    #[test]
    fn another_life_of_a_node_is_refused_while_one_is_connected() {
        let seats = Seats::default();
        let seat = seats.take(NODE, Incarnation(1)).unwrap();
        assert!(matches!(seats.take(NODE, Incarnation(2)), Err(Error::Denied { .. })));
        assert!(seats.take(NodeId(3), Incarnation(2)).is_ok());
        drop(seat);
        assert!(seats.take(NODE, Incarnation(2)).is_ok());
    }

    #[test]
    fn a_new_connection_of_the_same_life_ends_the_one_before() {
        let seats = Seats::default();
        let mut first = seats.take(NODE, Incarnation(1)).unwrap();
        assert_eq!(first.replaced().now_or_never(), None);
        let mut second = seats.take(NODE, Incarnation(1)).unwrap();
        assert_eq!(first.replaced().now_or_never(), Some(()));
        drop(first);
        assert_eq!(second.replaced().now_or_never(), None);
        // The first one's end has not freed the seat.
        assert!(seats.take(NODE, Incarnation(2)).is_err());
    }
}
