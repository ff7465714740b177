//! The one who changes the members and hands leadership over. It asks whoever leads, once: a plan asks
//! often enough.

use crate::checker::Check;
use crate::cluster::{Sim, address};
use crate::faults::Command;
use crate::network::{Cargo, Place};
use raft_core::error::Error;
use raft_core::id::NodeId;
use raft_core::raft::membership::{Change, Member, Refusal};
use raft_core::request::{Reply, Request, Response};

/// What came of the operator's questions.
#[derive(Clone, Debug, Default)]
pub(super) struct Operator {
    pub(super) changes: u64,
    pub(super) transfers: u64,
    /// Nodes that were told to stand for election.
    pub(super) told: u64,
    /// Why the leader refused what it was asked last, if it did.
    pub(super) refusal: Option<Refusal>,
}

impl Sim {
    /// Asks the leader, if there is one, for what a command says. There are only so many nodes that it could
    /// be asked to add.
    pub(super) fn ask_leader(&mut self, command: Command) -> Check {
        let Some(place) = (0..self.nodes.len()).find(|place| self.is_leader(*place)) else {
            return Ok(());
        };
        let member = |id: NodeId| {
            let node = self.nodes.iter().find(|node| node.id == id);
            node.map(|node| Member { id, address: address(id), incarnation: node.life() })
        };
        let change = |change| Request::Change { change, dry_run: false };
        let request = match command {
            Command::Add { node, goal } => {
                member(node).map(|member| change(Change::Add { member, goal }))
            }
            Command::Promote(node) => Some(change(Change::Promote(node))),
            Command::Remove(node) => Some(change(Change::Remove(node))),
            Command::Replace { node, by } => {
                member(by).map(|by| change(Change::Replace { node, by }))
            }
            Command::Transfer(to) => Some(Request::Transfer { to }),
            _ => None,
        };
        let Some(request) = request else { return Ok(()) };
        let operator = self.workload.operator();
        let ticket = self.workload.ticket(operator);
        let to = Place::Node(self.nodes[place].id);
        self.send(Place::Client(operator), to, Cargo::Request { ticket, request })
    }

    pub(super) fn operator_hears(&mut self, response: &Response) {
        match response {
            Ok(Reply::Changed(_)) => self.operator.changes += 1,
            Ok(Reply::Transferred { .. }) => self.operator.transfers += 1,
            Err(Error::Refused { why }) => self.watch.refused(why),
            _ => {}
        }
        self.operator.refusal = match response {
            Err(Error::Refused { why }) => Some(*why),
            _ => None,
        };
    }
}
