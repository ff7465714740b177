//! Messages on their way out.
//!
//! A message speaks in its sender's term, and may carry its vote. A server that forgot either after a
//! crash could vote twice or follow two leaders of one term. So what is said after term or vote changed
//! waits until that change is durable. Everything a server said before, it may say at once.

use crate::id::{NodeId, WriteSeq};
use crate::raft::message::Message;
use crate::seeded::{Bug, makes};
use std::collections::VecDeque;

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
        } else {
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
