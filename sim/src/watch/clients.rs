//! What shows in the questions of clients and in their answers.

use crate::sometimes::Point;
use crate::watch::{Watch, place};
use raft_core::error::Error;
use raft_core::id::{NodeId, Ticket};
use raft_core::raft::Raft;
use raft_core::raft::event::RoleName;
use raft_core::replica::{Effects, PeerBody};
use raft_core::request::{Consistency, Copies, Reply, Request, Response};
use raft_core::vec_map::VecMap;

/// Reads and writes that a node has taken in and not answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Questions(VecMap<Ticket, Question>);

#[derive(Clone, Copy, Debug)]
struct Question {
    node: NodeId,
    is_read: bool,
    /// The node led when it was asked.
    led: bool,
    /// But had committed nothing in its term.
    was_new: bool,
    /// The node has stood still since.
    paused: bool,
    /// How many AppendEntries the node had sent.
    appends: u64,
}

impl Questions {
    pub(super) fn crashed(&mut self, node: NodeId) {
        self.0.retain(|_, question| question.node != node);
    }

    pub(super) fn paused(&mut self, node: NodeId) {
        let asked = self.0.values_mut().filter(|question| question.node == node);
        asked.for_each(|question| question.paused = true);
    }
}

impl Watch {
    /// A client asks a node.
    pub(super) fn asked(&mut self, node: NodeId, raft: &Raft, ticket: Ticket, request: &Request) {
        let is_read = match request {
            Request::Read { consistency: Consistency::Linearizable, .. } => true,
            Request::Write { .. } => false,
            _ => return,
        };
        let led = raft.leader() == Some(node);
        let was_new = led && raft.log().term_at(raft.commit_index()) != Some(raft.term());
        let appends = self.nodes[place(node)].appends;
        let question = Question { node, is_read, led, was_new, paused: false, appends };
        self.questions.0.insert(ticket, question);
    }

    /// A node passes a client's request on to its leader.
    pub(super) fn passed_on(&mut self, request: &Request) {
        self.sometimes.hit_if(matches!(request, Request::Write { .. }), Point::WritePassedOn);
    }

    /// A node's answers leave.
    pub(super) fn answered(&mut self, raft: &Raft, effects: &Effects) {
        let s = &mut self.sometimes;
        let leads = raft.role_name() == RoleName::Leader;
        let mut reads = 0;
        for (ticket, response) in &effects.reply {
            match response {
                Ok(Reply::Written { copies: Some(Copies { have, of }), .. }) => {
                    s.hit_if(have == of, Point::CopiesOnAll);
                    s.hit_if(have < of, Point::CopiesOnSome);
                }
                Err(Error::ConditionFailed { .. }) => s.hit(Point::ConditionFailed),
                Err(Error::Overloaded { .. }) => {
                    s.hit(Point::Overloaded);
                    s.hit_if(raft.transfer_target().is_some(), Point::WriteWhileHandingOver);
                }
                Err(Error::NotLeader { hint: None }) => s.hit(Point::NoLeaderKnown),
                Err(Error::DiskFull) => s.hit(Point::WriteRefusedAsFull),
                _ => {}
            }
            let Some(question) = self.questions.0.remove(ticket) else { continue };
            let Question { is_read, led, was_new, paused, appends, .. } = question;
            let is_found = is_answer(response);
            if is_read && led {
                reads += usize::from(is_found && leads);
                s.hit_if(is_found, Point::ReadAnswered);
                s.hit_if(is_found && was_new, Point::ReadBeforeFirstCommit);
                s.hit_if(is_found && paused, Point::ReadConfirmedAfterPause);
                let asked_nobody = self.nodes[place(raft.id())].appends == appends;
                let is_alone = raft.configuration().all_voters().count() == 1;
                s.hit_if(is_found && asked_nobody && !is_alone, Point::ReadByLease);
                s.hit_if(is_found && !asked_nobody && self.has_leases, Point::ReadDespiteLease);
                s.hit_if(matches!(response, Err(Error::NotLeader { .. })), Point::ReadLostLeader);
            } else if is_read {
                s.hit_if(is_found && !leads, Point::ReadByFollower);
                let learns = raft.configuration().learners.contains_key(&raft.id());
                s.hit_if(is_found && learns, Point::ReadByLearner);
                let lost = matches!(response, Err(Error::NotLeader { .. }));
                s.hit_if(lost, Point::ReadLostFollowing);
            } else if led {
                s.hit_if(*response == Err(Error::OutcomeUnknown), Point::WriteLostLeader);
            }
        }
        let passed_back = effects.send.iter().filter(|envelope| {
            matches!(&envelope.body, PeerBody::Forwarded { response, .. } if is_answer(response))
        });
        s.hit_if(reads > 0 && reads + passed_back.count() > 1, Point::ReadsShareRound);
    }
}

/// Whether a read was answered, be it with nothing.
fn is_answer(response: &Response) -> bool {
    matches!(response, Ok(Reply::Item(_)) | Err(Error::NotFound))
}
