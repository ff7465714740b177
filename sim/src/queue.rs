//! What will happen, in the order of time; what falls on the same microsecond, in the order of asking.

use crate::faults::Command;
use crate::network::Flight;
use raft_core::id::NodeId;
use raft_core::time::Instant;

/// Something that is going to happen.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A message arrives, or is seen to be lost.
    Arrive(Box<Flight>),
    /// A node turns to what has arrived.
    Run(NodeId),
    /// A node's deadline comes.
    Wake(NodeId),
    /// A node's disk finishes a sync.
    Synced(NodeId),
    /// A client's pause or patience ends.
    Client(usize),
    /// Something is done to the cluster.
    Command(Box<Command>),
    /// The healed cluster must be well by now.
    Verdict,
}

/// The name of an event in the queue.
pub(crate) type Key = (Instant, u64);

#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    /// The next one last: what is asked for is mostly soon, and moves few of the others.
    events: Vec<(Key, Event)>,
    asked: u64,
}

impl Queue {
    pub(crate) fn at(&mut self, time: Instant, event: Event) -> Key {
        self.asked += 1;
        let key = (time, self.asked);
        let later = self.events.partition_point(|(other, _)| *other > key);
        self.events.insert(later, (key, event));
        key
    }

    /// Takes an event back. Does nothing if it has happened.
    pub(crate) fn cancel(&mut self, key: Option<Key>) {
        let place = key.map(|key| self.events.binary_search_by(|(own, _)| key.cmp(own)));
        if let Some(Ok(place)) = place {
            self.events.remove(place);
        }
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.events.last().map(|((time, _), _)| *time)
    }

    pub(crate) fn pop(&mut self) -> Option<(Instant, Event)> {
        self.events.pop().map(|((time, _), event)| (time, event))
    }

    pub(crate) fn next_flight(&self) -> Option<&Flight> {
        match self.events.last() {
            Some((_, Event::Arrive(flight))) => Some(flight),
            _ => None,
        }
    }

    /// Takes a message off its way, if it is on it.
    pub(crate) fn take_flight(&mut self, id: u64) -> Option<Box<Flight>> {
        let is_it = |event: &Event| matches!(event, Event::Arrive(flight) if flight.id == id);
        let place = self.events.iter().position(|(_, event)| is_it(event))?;
        match self.events.remove(place).1 {
            Event::Arrive(flight) => Some(flight),
            _ => None,
        }
    }

    pub(crate) fn flights(&self) -> impl Iterator<Item = &Flight> {
        self.events.iter().rev().filter_map(|(_, event)| match event {
            Event::Arrive(flight) => Some(&**flight),
            _ => None,
        })
    }
}
