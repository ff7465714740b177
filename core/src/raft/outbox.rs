//! Messages on their way out.
//!
//! A message speaks in its sender's term, and may carry its vote. A server that forgot either after a
//! crash could vote twice or follow two leaders of one term. So what is said after term or vote changed
//! waits until that change is durable. Everything a server said before, it may say at once.

use crate::id::{NodeId, WriteSeq};
use crate::raft::message::Message;
use crate::seeded::{Bug, makes};
use std::collections::VecDeque;

/// Most messages held: a disk that hangs must not fill the memory with answers to those who ask again and
/// again. What is not held is lost, as in any network, and asked for again.
const HELD_MAX: usize = 1024;

/// Messages that may go, and messages that wait for the disk.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    ready: Vec<(NodeId, Message)>,
    held: VecDeque<(WriteSeq, NodeId, Message)>,
    /// The write that carries the latest change of term or vote.
    needs: WriteSeq,
    durable: WriteSeq,
}

impl Outbox {
    /// Term or vote changed; write `seq` will carry the change.
    pub fn hold_until(&mut self, seq: WriteSeq) {
        self.needs = seq;
    }

    /// Whether term and vote are durable as they are.
    pub fn is_open(&self) -> bool {
        self.durable >= self.needs
    }

    /// Sends, now or when it may.
    pub fn send(&mut self, to: NodeId, message: Message) {
        if self.is_open() || makes(Bug::VotesBeforeDurable) {
            self.ready.push((to, message));
        } else if self.held.len() < HELD_MAX {
            self.held.push_back((self.needs, to, message));
        }
    }

    /// Every write up to `seq` is durable.
    pub fn persisted(&mut self, seq: WriteSeq) {
        self.durable = self.durable.max(seq);
        while let Some((_, to, message)) = self.held.pop_front_if(|(needs, ..)| *needs <= seq) {
            self.ready.push((to, message));
        }
    }

    /// The messages that may go.
    pub fn take(&mut self) -> Vec<(NodeId, Message)> {
        std::mem::take(&mut self.ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Term;
    use crate::raft::message::Body;

    #[test]
    fn a_disk_that_hangs_does_not_fill_the_memory() {
        let mut outbox = Outbox::default();
        outbox.hold_until(WriteSeq(1));
        for _ in 0..2 * HELD_MAX {
            outbox.send(NodeId(2), Message { term: Term(1), body: Body::TimeoutNow });
        }
        assert!(outbox.take().is_empty());
        outbox.persisted(WriteSeq(1));
        assert_eq!(outbox.take().len(), HELD_MAX);
    }
}
