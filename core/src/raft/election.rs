//! Who may lead: elections (§5.2), the voting rule (§5.4.1), pre-votes (thesis §9.6) and the protection
//! of a working leader from candidates that cannot hear it (thesis §4.2.3).

use crate::id::{EntryId, NodeId, Term};
use crate::raft::event::{Event, WhyFollower};
use crate::raft::message::{Body, VoteRefusal};
use crate::raft::{Candidate, HardState, Raft, Role};
use std::collections::BTreeMap;

impl Raft {
    /// No leader was heard from for an election timeout: ask before standing (thesis §9.6).
    pub(super) fn on_election_timeout(&mut self) {
        if !self.configuration().is_voter(self.id()) || self.disk_is_stalled() {
            // One without a vote, or without a disk to keep one on, can only wait.
            let due = self.random_election_due();
            match &mut self.role {
                Role::Follower(follower) => {
                    follower.leader = None;
                    follower.election_due = due;
                }
                Role::Candidate(candidate) => candidate.election_due = due,
                Role::Leader(_) => {}
            }
            return;
        }
        let campaign = self.term().next();
        self.output.events.push(Event::PreVoteStarted { campaign });
        self.become_candidate(campaign, true);
    }

    /// Stands for election in its own term (§5.2), or asks about the next one.
    fn become_candidate(&mut self, campaign: Term, pre_vote: bool) {
        if !pre_vote {
            self.set_hard_state(HardState { term: campaign, vote: Some(self.id()) });
            self.output.events.push(Event::ElectionStarted { term: campaign });
        }
        let votes = BTreeMap::from([(self.id(), true)]);
        let election_due = self.random_election_due();
        self.role = Role::Candidate(Candidate { campaign, pre_vote, votes, election_due });
        self.incoming = None;
        let last = self.log.last();
        let id = self.id();
        let others: Vec<NodeId> = self.configuration().all_voters().filter(|v| *v != id).collect();
        for voter in others {
            self.send(voter, Body::RequestVote { campaign, pre_vote, last });
        }
        self.tally_votes();
    }

    /// RequestVote, receiver implementation (Figure 2), and the same as a question.
    pub(super) fn on_request_vote(
        &mut self,
        from: NodeId,
        campaign: Term,
        pre_vote: bool,
        last: EntryId,
    ) {
        let leader_alive = self.live_leader();
        if campaign > self.term() && !pre_vote && leader_alive.is_none() {
            // §5.1. A pre-vote changes nothing, and one who hears a leader is not disturbed.
            self.become_follower(campaign, None, WhyFollower::LaterTerm { from });
        }
        let refused = match (leader_alive, self.vote()) {
            _ if campaign < self.term() || (pre_vote && campaign == self.term()) => {
                Some(VoteRefusal::StaleTerm)
            }
            (Some(leader), _) => Some(VoteRefusal::LeaderAlive { leader }),
            (None, Some(candidate)) if campaign == self.term() && candidate != from => {
                Some(VoteRefusal::AlreadyVoted { candidate })
            }
            // §5.4.1: the log that ends in the later term, or is longer in the same, is newer.
            _ if last < self.log.last() => {
                Some(VoteRefusal::LogBehind { voter_last: self.log.last() })
            }
            _ => None,
        };
        match refused {
            None => {
                self.output.events.push(Event::VoteGranted { candidate: from, campaign, pre_vote });
                if !pre_vote {
                    self.grant_vote(from);
                }
            }
            Some(why) => {
                let event = Event::VoteRefused { candidate: from, campaign, pre_vote, why };
                self.output.events.push(event);
            }
        }
        self.send(from, Body::RequestVoteReply { campaign, pre_vote, refused });
    }

    fn grant_vote(&mut self, candidate: NodeId) {
        if self.vote().is_none() {
            self.set_hard_state(HardState { term: self.term(), vote: Some(candidate) });
        }
        // Figure 2: who grants a vote waits an election timeout for its effect.
        let due = self.random_election_due();
        if let Role::Follower(follower) = &mut self.role {
            follower.election_due = due;
        }
    }

    /// The leader, if it is so lately heard from that no candidate can be right (thesis §4.2.3).
    fn live_leader(&self) -> Option<NodeId> {
        match &self.role {
            Role::Leader(_) => Some(self.id()),
            Role::Candidate(_) => None,
            Role::Follower(follower) => {
                let silence = self.now - follower.heard_at;
                follower.leader.filter(|_| silence < self.config.timing.election_timeout_min)
            }
        }
    }

    /// An answer to this server's campaign.
    pub(super) fn on_vote_reply(
        &mut self,
        from: NodeId,
        campaign: Term,
        pre_vote: bool,
        granted: bool,
    ) {
        if let Role::Candidate(candidate) = &mut self.role
            && (candidate.campaign, candidate.pre_vote) == (campaign, pre_vote)
        {
            candidate.votes.insert(from, granted);
            self.tally_votes();
        }
    }

    /// Goes on once a quorum has said yes. A candidate's own vote counts when it is durable, as any.
    pub(super) fn tally_votes(&mut self) {
        let Role::Candidate(Candidate { campaign, pre_vote, votes, .. }) = &self.role else {
            return;
        };
        let (campaign, pre_vote) = (*campaign, *pre_vote);
        if !self.configuration().has_quorum(|voter| votes.get(&voter) == Some(&true)) {
            return;
        }
        if pre_vote {
            self.become_candidate(campaign, false);
        } else if self.outbox.is_open() {
            self.become_leader();
        }
    }
}
