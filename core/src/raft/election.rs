//! Who may lead: elections (§5.2), the voting rule (§5.4.1), pre-votes (thesis §9.6) and the protection
//! of a working leader from candidates that cannot hear it (thesis §4.2.3).

use crate::id::{EntryId, Incarnation, NodeId, Term};
use crate::raft::event::{Event, WhyFollower};
use crate::raft::message::{Body, VoteRefusal};
use crate::raft::{Candidate, HardState, Raft, Role};
use crate::seeded::{Bug, makes};
use crate::vec_map::VecMap;

/// What a candidate asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ballot {
    pub(super) life: Incarnation,
    pub(super) campaign: Term,
    pub(super) pre_vote: bool,
    pub(super) transfer: bool,
    pub(super) last: EntryId,
}

impl Raft {
    /// No leader was heard from for an election timeout: ask before standing (thesis §9.6).
    pub(super) fn on_election_timeout(&mut self) {
        if !self.may_stand() || self.disk_is_stalled() || self.is_bound_by_lease() {
            return self.wait_for_a_leader();
        }
        if self.is_newborn() && self.has_votes() {
            // Nobody else has answered, so nobody who is up remembers.
            return self.become_candidate(self.term().next(), false, false);
        }
        let campaign = self.term().next();
        let asks_first = !makes(Bug::NoPreVote);
        if asks_first {
            self.output.events.push(Event::PreVoteStarted { campaign });
        }
        self.become_candidate(campaign, asks_first, false);
    }

    /// One without a vote, or without a disk to keep one on, can only wait.
    pub(super) fn wait_for_a_leader(&mut self) {
        let due = self.random_election_due();
        match &mut self.role {
            Role::Follower(follower) => {
                follower.leader = None;
                follower.election_due = due;
            }
            Role::Candidate(candidate) => candidate.election_due = due,
            Role::Leader(_) => {}
        }
    }

    /// The leader has told this server to stand: it asks nobody first (thesis §3.10).
    pub(super) fn stand_as_told(&mut self) {
        self.become_candidate(self.term().next(), false, true);
    }

    /// Stands for election in its own term (§5.2), or asks about the next one.
    fn become_candidate(&mut self, campaign: Term, pre_vote: bool, transfer: bool) {
        if !pre_vote {
            self.set_hard_state(HardState { term: campaign, vote: Some(self.id()) });
            self.output.events.push(Event::ElectionStarted { term: campaign });
        }
        let votes = VecMap::from([(self.id(), true)]);
        let election_due = self.random_election_due();
        self.role =
            Role::Candidate(Candidate { campaign, pre_vote, transfer, votes, election_due });
        let last = self.log.last();
        let id = self.id();
        let others: Vec<NodeId> = self.configuration().all_voters().filter(|v| *v != id).collect();
        for voter in others {
            self.send(voter, Body::RequestVote { campaign, pre_vote, transfer, last });
        }
        self.tally_votes();
    }

    /// RequestVote, receiver implementation (Figure 2), and the same as a question.
    pub(super) fn on_request_vote(&mut self, from: NodeId, is_stranger: bool, ballot: Ballot) {
        let Ballot { life, campaign, pre_vote, transfer, last } = ballot;
        // A transfer is the leader's own will.
        let disturbs = makes(Bug::NoStickiness);
        let leader_alive = self.live_leader().filter(|_| !transfer && !disturbs);
        let lease = self.is_bound_by_lease() && !transfer;
        let must_stay_out = self.must_stay_out(from, is_stranger, last) && !disturbs;
        if campaign > self.term() && !pre_vote && leader_alive.is_none() && !must_stay_out {
            // §5.1. A pre-vote changes nothing, and one who hears a leader is not disturbed.
            self.become_follower(campaign, WhyFollower::LaterTerm { from });
        }
        let is_behind = match makes(Bug::ComparesLength) {
            true => last.index < self.log.last().index || last.term < self.log.last().term,
            false => last < self.log.last(),
        };
        let refused = match (leader_alive, self.vote()) {
            _ if must_stay_out => {
                let configuration = self.configurations.last().expect("never empty").0;
                Some(VoteRefusal::NotAdmitted { configuration })
            }
            _ if campaign < self.term() || (pre_vote && campaign == self.term()) => {
                Some(VoteRefusal::StaleTerm)
            }
            (Some(leader), _) => Some(VoteRefusal::LeaderAlive { leader }),
            _ if lease => Some(VoteRefusal::LeaseMayLast),
            _ if self.is_turned_away() => Some(VoteRefusal::NotAVoter),
            (None, Some(candidate)) if campaign == self.term() && candidate != from => {
                Some(VoteRefusal::AlreadyVoted { candidate })
            }
            // §5.4.1: the log that ends in the later term, or is longer in the same, is newer.
            _ if is_behind => Some(VoteRefusal::LogBehind { voter_last: self.log.last() }),
            _ => None,
        };
        match refused {
            None => {
                self.output.events.push(Event::VoteGranted { candidate: from, campaign, pre_vote });
                if !pre_vote {
                    self.grant_vote(from);
                } else if disturbs {
                    self.wait_for_a_leader();
                }
            }
            Some(why) => {
                if matches!(why, VoteRefusal::LogBehind { .. }) {
                    self.note_asked_in_vain();
                }
                let event = Event::VoteRefused { candidate: from, campaign, pre_vote, why };
                self.output.events.push(event);
            }
        }
        self.send(from, Body::RequestVoteReply { campaign, pre_vote, life, refused });
    }

    /// Whether this server knows that the candidate does not belong to the cluster, and should say so. A
    /// voter's own configuration may be old, so it is no reason to refuse a vote (camunda #57386): only a
    /// leader knows, and anybody who remembers, of a newborn that takes the cluster for unfounded.
    fn must_stay_out(&self, candidate: NodeId, is_stranger: bool, last: EntryId) -> bool {
        let (index, configuration) = self.configurations.last().expect("never empty");
        let is_no_member = !configuration.members.contains_key(&candidate) || is_stranger;
        let leads = matches!(self.role, Role::Leader(_)) && *index <= self.commit;
        (leads && is_no_member) || (is_stranger && last == EntryId::default())
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
        refused: Option<VoteRefusal>,
    ) {
        if let Role::Candidate(candidate) = &mut self.role
            && (candidate.campaign, candidate.pre_vote) == (campaign, pre_vote)
        {
            candidate.votes.insert(from, refused.is_none());
            self.tally_votes();
        }
    }

    /// Whether this server may have acknowledged a leader whose lease still lasts (thesis §6.4.1). What it
    /// heard before it started it does not remember.
    fn is_bound_by_lease(&self) -> bool {
        let timing = &self.config.timing;
        timing.lease_drift_percent.is_some()
            && self.now - self.leader_heard_at < timing.election_timeout_min
    }

    /// Goes on once a quorum has said yes. A candidate's own vote counts when it is durable, as any. One
    /// that takes the cluster for new hears all members out first, or waits an election timeout for them:
    /// if it is wrong, one of them can say so.
    pub(super) fn tally_votes(&mut self) {
        let Role::Candidate(Candidate { campaign, pre_vote, votes, .. }) = &self.role else {
            return;
        };
        let (campaign, pre_vote) = (*campaign, *pre_vote);
        let all_answered = votes.len() == self.configuration().all_voters().count();
        if !self.has_votes() || (pre_vote && self.is_newborn() && !all_answered) {
            return;
        }
        if pre_vote {
            self.become_candidate(campaign, false, false);
        } else if self.outbox.is_open() {
            self.become_leader();
        }
    }

    fn has_votes(&self) -> bool {
        let Role::Candidate(Candidate { votes, .. }) = &self.role else { return false };
        self.configuration().has_quorum(|voter| votes.get(&voter) == Some(&true))
    }
}
