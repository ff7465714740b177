//! What becomes of a request: answered here, led, passed on, or given up.

use crate::error::Error;
use crate::id::{ClientId, NodeId, Sequence, Ticket};
use crate::kv::command::{Command, Read, Session};
use crate::raft::Role;
use crate::raft::membership::Refusal;
use crate::raft::message::Payload;
use crate::replica::waiting::{Counting, Handover, Origin, PassedOn};
use crate::replica::{PeerBody, Replica};
use crate::request::{Consistency, Copies, Reply, Request, Response};
use rand_core::Rng as _;

impl Replica {
    pub(super) fn on_request(&mut self, origin: Origin, request: Request) {
        if let Err(error) = request.check(&self.config.limits) {
            return self.answer(origin, Err(error));
        }
        match &request {
            Request::Status => self.answer(origin, Ok(Reply::Status(Box::new(self.status())))),
            Request::Read { read, consistency: Consistency::Local } => {
                let found = self.store.read(read, &self.config.limits);
                self.answer(origin, found.map(Reply::from));
            }
            Request::Change { change, dry_run: true } => {
                let outlook = self.raft.look_at_change(change);
                self.answer(origin, outlook.map(|outlook| Reply::changed(outlook, None)));
            }
            Request::Read { .. }
            | Request::Write { .. }
            | Request::Change { .. }
            | Request::Transfer { .. } => {
                if self.waiting.len() >= self.config.limits.requests_max {
                    return self.answer(origin, Err(Error::Overloaded { retry_after_ms: 50 }));
                }
                let hint = self.raft.leader();
                match (request, hint, origin) {
                    (Request::Read { read, .. }, Some(leader), _) => {
                        self.read(leader, origin, read);
                    }
                    (request, Some(leader), _) if leader == self.config.id => {
                        self.lead(origin, request);
                    }
                    (request @ Request::Write { .. }, Some(leader), Origin::Client(ticket)) => {
                        self.pass_on(leader, ticket, request);
                    }
                    // What was passed on once is not passed on again: the first node looks anew. And to
                    // change the members twice is not the same as once.
                    (_, hint, _) => self.answer(origin, Err(Error::NotLeader { hint })),
                }
            }
        }
    }

    /// Waits until the state is known to cover every write acknowledged before (thesis §6.4).
    fn read(&mut self, leader: NodeId, origin: Origin, read: Read) {
        let token = self.waiting.read(origin, read, (leader, self.raft.term()));
        self.raft.read(self.now, token).expect("the leader is known");
    }

    /// The leader's part of a request.
    fn lead(&mut self, origin: Origin, request: Request) {
        match request {
            Request::Write { session, write, count_copies } => {
                let payload = Payload::Command(Command { session, write }.encode());
                match self.raft.propose(self.now, payload) {
                    Ok(id) => self.waiting.write(id, origin, count_copies),
                    Err(error) => self.answer(origin, Err(error)),
                }
            }
            Request::Change { change, .. } => match self.raft.change(self.now, &change) {
                Ok((id, outlook)) => self.waiting.change(id, origin, outlook),
                Err(error) => self.answer(origin, Err(error)),
            },
            Request::Transfer { to } => match self.raft.transfer(self.now, to) {
                Ok(to) => {
                    let due = self.now + self.config.timing.election_timeout_max * 2;
                    self.waiting.transfer(Handover { origin, to, due });
                }
                Err(error) => self.answer(origin, Err(error)),
            },
            Request::Read { .. } | Request::Status => {}
        }
    }

    fn pass_on(&mut self, leader: NodeId, ticket: Ticket, mut request: Request) {
        let mut lent = None;
        if let Request::Write { session: session @ None, .. } = &mut request {
            // The network may double what is passed on, so it goes in a session of this node's own.
            let new = Session {
                client: ClientId(self.rng.next_u64()),
                opened: self.raft.commit_index(),
                sequence: Sequence(1),
            };
            lent = Some(self.waiting.lend_session().unwrap_or(new));
            *session = lent;
        }
        let passed_on = PassedOn {
            ticket,
            leader: (leader, self.raft.term()),
            lent,
            due: self.now + self.config.timing.request_timeout,
        };
        let ticket = self.waiting.pass_on(passed_on);
        self.send(leader, PeerBody::Forward { ticket, request });
    }

    /// Requests that can no longer be answered well are answered as they stand.
    pub(super) fn give_up_lost_requests(&mut self) {
        let hint = self.raft.leader();
        let leads = hint == Some(self.config.id);
        let in_power = hint.map(|leader| (leader, self.raft.term()));
        if !leads {
            for origin in self.waiting.take_proposed() {
                self.answer(origin, Err(Error::OutcomeUnknown));
            }
            for Counting { origin, written, .. } in self.waiting.take_counting() {
                // Committed and applied, only nobody counts any more.
                self.answer(origin, Ok(Reply::written(written, None)));
            }
        }
        for origin in self.waiting.take_lost_reads(in_power) {
            self.answer(origin, Err(Error::NotLeader { hint }));
        }
        for PassedOn { ticket, .. } in self.waiting.take_lost(in_power, self.now) {
            self.effects.reply.push((ticket, Err(Error::OutcomeUnknown)));
        }
        self.answer_transfers(hint);
    }

    /// A transfer is over when another leads, or when this node leads on.
    fn answer_transfers(&mut self, leader: Option<NodeId>) {
        for handover in self.waiting.take_transfers() {
            let Handover { origin, to, due } = handover;
            let response = match leader {
                Some(leader) if leader != self.config.id => Ok(Reply::Transferred { leader }),
                // A leader with a full disk may be trying again.
                Some(_) if self.raft.transfer_target() != Some(to) || self.now >= due => {
                    Err(Error::Refused { why: Refusal::TransferTimedOut(to) })
                }
                None if self.now >= due => Err(Error::OutcomeUnknown),
                _ => {
                    self.waiting.transfer(handover);
                    continue;
                }
            };
            self.answer(origin, response);
        }
    }

    pub(super) fn answer_reads(&mut self) {
        for (origin, read) in self.waiting.take_confirmed(self.applied.index) {
            let found = self.store.read(&read, &self.config.limits);
            self.answer(origin, found.map(Reply::from));
        }
    }

    /// Writes whose copies are counted are answered when all nodes that are up have them, or in time.
    pub(super) fn answer_counted(&mut self) {
        for counting in self.waiting.take_counting() {
            let Role::Leader(leader) = self.raft.role() else { return };
            let silence_max = self.config.timing.heartbeat_interval * 3;
            let (mut have, mut of, mut missing) = (0, 0, false);
            for voter in self.raft.configuration().all_voters() {
                let progress = leader.followers.get(&voter);
                let on_disk = match progress {
                    Some(progress) => progress.match_index,
                    None => self.raft.log().durable(),
                };
                // One that was not heard from yet counts as up for as long as one that just fell silent.
                let heard_at = progress.map(|progress| progress.heard_at.unwrap_or(leader.since()));
                let is_up = heard_at.is_none_or(|at| self.now - at <= silence_max);
                of += 1;
                have += u32::from(on_disk >= counting.index);
                missing |= on_disk < counting.index && is_up;
            }
            if missing && self.now < counting.due {
                self.waiting.count(counting);
                continue;
            }
            let reply = Reply::written(counting.written, Some(Copies { have, of }));
            self.answer(counting.origin, Ok(reply));
        }
    }

    pub(super) fn answer(&mut self, origin: Origin, response: Response) {
        match origin {
            Origin::Client(ticket) => self.effects.reply.push((ticket, response)),
            Origin::Peer { node, ticket } => {
                self.send(node, PeerBody::Forwarded { ticket, response });
            }
        }
    }
}
