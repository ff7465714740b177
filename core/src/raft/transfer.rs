//! Leadership transfer (thesis §3.10): the leader takes no more writes, waits until the target has the
//! whole log, and tells it to stand for election at once. Everybody votes as always, only that a leader
//! is no reason to refuse. If the target does not take over within an election timeout, the leader leads
//! on.

use crate::error::Error;
use crate::id::NodeId;
use crate::raft::event::Event;
use crate::raft::membership::Refusal;
use crate::raft::message::Body;
use crate::raft::{Raft, Role};
use crate::time::Instant;

/// A transfer under way, as the leader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transfer {
    to: NodeId,
    /// When to lead on.
    due: Instant,
    /// The target was told.
    told: bool,
}

impl Raft {
    /// Begins to hand over: to `to`, or to the voter that has most of the log. Returns to whom. Whether
    /// it succeeds shows in who leads, and in [`Raft::transfer_target`].
    pub fn transfer(&mut self, now: Instant, to: Option<NodeId>) -> Result<NodeId, Error> {
        let before = self.begin(now);
        let result = self.begin_transfer(to);
        before.check(self);
        result
    }

    /// To whom leadership is being handed over.
    pub fn transfer_target(&self) -> Option<NodeId> {
        match &self.role {
            Role::Leader(leader) => leader.transfer.map(|transfer| transfer.to),
            Role::Follower(_) | Role::Candidate(_) => None,
        }
    }

    pub(super) fn begin_transfer(&mut self, to: Option<NodeId>) -> Result<NodeId, Error> {
        let refuse = |why| Err(Error::Refused { why });
        let Role::Leader(leader) = &self.role else {
            return Err(Error::NotLeader { hint: self.leader() });
        };
        if leader.transfer.is_some() {
            return refuse(Refusal::TransferInProgress);
        }
        let to = match to {
            Some(to) if to == self.id() => return refuse(Refusal::AlreadyLeads(to)),
            // A learner can be told, and would never be elected (hashicorp/raft PR 308).
            Some(to) if !self.configuration().voters.contains(&to) => {
                return refuse(Refusal::NotAVoter(to));
            }
            Some(to) if !self.is_up(to) => return refuse(Refusal::Silent(to)),
            Some(to) => to,
            None => match self.fittest_voter() {
                Some(to) => to,
                None => return refuse(Refusal::NobodyElse),
            },
        };
        let due = self.now + self.config.timing.election_timeout_max;
        if let Role::Leader(leader) = &mut self.role {
            leader.transfer = Some(Transfer { to, due, told: false });
        }
        self.output.events.push(Event::TransferStarted { to });
        Ok(to)
    }

    /// The other voter that is up, has room for writes, and has most of the log.
    pub(super) fn fittest_voter(&self) -> Option<NodeId> {
        let Role::Leader(leader) = &self.role else { return None };
        let voters = &self.configuration().voters;
        let up = leader.followers.iter().filter(|(node, _)| voters.contains(node));
        let up = up.filter(|(node, _)| self.is_up(*node));
        // Of several, the first: the order of nodes is as good as any.
        let fittest = up.rev().max_by_key(|(_, p)| (!p.is_full, p.match_index));
        fittest.map(|(node, _)| *node)
    }

    /// Tells the target, once it has the log and all of it is committed, so that nobody is left waiting.
    pub(super) fn go_on_with_transfer(&mut self) {
        let (last, commit) = (self.log.last().index, self.commit);
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(transfer) = &mut leader.transfer else { return };
        let to = transfer.to;
        let has_all = leader.followers.get(&to).is_some_and(|p| p.match_index == last);
        if has_all && commit == last && !transfer.told {
            transfer.told = true;
            // From now on the target may be elected whatever the others have promised (etcd's and
            // openraft's lease reads failed here, openraft #1747).
            leader.lease_is_void = true;
            self.send(to, Body::TimeoutNow);
        }
    }

    /// At a heartbeat: leads on if the target did not take over, or tells it again.
    pub(super) fn look_at_transfer(&mut self) {
        let now = self.now;
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(transfer) = &mut leader.transfer else { return };
        if now >= transfer.due {
            let to = transfer.to;
            leader.transfer = None;
            self.output.events.push(Event::TransferTimedOut { to });
        } else {
            transfer.told = false;
        }
    }

    /// TimeoutNow, receiver implementation.
    pub(super) fn on_timeout_now(&mut self, from: NodeId) {
        let follows =
            matches!(&self.role, Role::Follower(follower) if follower.leader == Some(from));
        if !follows || !self.may_stand() || self.disk_is_stalled() {
            return;
        }
        self.output.events.push(Event::ToldToStand { leader: from });
        self.stand_as_told();
    }
}
