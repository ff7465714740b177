//! Changing the members (§6, thesis chapter 4): the leader's side. Which configuration follows from which
//! is in [`membership`](super::membership); here is when it may, and what the leader does by itself.

use crate::error::Error;
use crate::id::{EntryId, Incarnation, Index, NodeId};
use crate::raft::event::{Event, WhyFollower};
use crate::raft::membership::{Change, Configuration, Goal, Refusal};
use crate::raft::message::{Body, Payload};
use crate::raft::progress::{Mode, Progress};
use crate::raft::{Raft, Role};
use crate::seeded::{Bug, makes};
use crate::time::Instant;
use crate::vec_map::VecMap;

/// What a change leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The configuration now.
    pub before: Configuration,
    /// The next one.
    pub next: Configuration,
    /// Members that are heard from, this server among them.
    pub up: Vec<NodeId>,
}

impl Raft {
    /// What `change` would lead to, or why it may not be made now.
    pub fn look_at_change(&self, change: &Change) -> Result<Outlook, Error> {
        let Role::Leader(_) = &self.role else {
            return Err(Error::NotLeader { hint: self.leader() });
        };
        let next = self.next_configuration(change).map_err(|why| Error::Refused { why })?;
        let before = self.configuration().clone();
        let up = before.members.keys().copied().filter(|node| self.is_up(*node)).collect();
        Ok(Outlook { before, next, up })
    }

    /// Makes `change`. It is made when the entry returned is committed, if the entry there still has that
    /// term; a joint configuration is then left without further asking.
    pub fn change(&mut self, now: Instant, change: &Change) -> Result<(EntryId, Outlook), Error> {
        let before = self.begin(now);
        let outlook = self.look_at_change(change)?;
        if self.disk.is_full {
            return Err(Error::DiskFull);
        }
        let id = self.append(Payload::Configuration(Box::new(outlook.next.clone())));
        before.check(self);
        Ok((id, outlook))
    }

    fn next_configuration(&self, change: &Change) -> Result<Configuration, Refusal> {
        self.may_change()?;
        let next = self.configuration().after(change, self.config.limits.members_max)?;
        if let Change::Promote(node) = change {
            self.has_caught_up(*node)?;
        }
        if next.voters != self.configuration().voters {
            self.would_have_quorum(&next)?;
        }
        Ok(next)
    }

    /// One change at a time, and only by a leader that knows what is committed.
    fn may_change(&self) -> Result<(), Refusal> {
        let Role::Leader(leader) = &self.role else { return Err(Refusal::TermNotCommitted) };
        let (index, newest) = self.configurations.last().expect("never empty");
        // Two leaders could else each change the members with a majority of their own (Ongaro, raft-dev
        // 2015).
        if self.commit < leader.first && !makes(Bug::ChangesBeforeOwnCommit) {
            return Err(Refusal::TermNotCommitted);
        }
        let is_pending = *index > self.commit || newest.is_joint();
        if is_pending && !makes(Bug::ConcurrentChanges) {
            return Err(Refusal::InProgress);
        }
        match leader.transfer {
            Some(_) => Err(Refusal::TransferInProgress),
            None => Ok(()),
        }
    }

    /// A learner gets a vote once it has what the others have: until then it could only delay them
    /// (thesis §4.2.1).
    fn has_caught_up(&self, learner: NodeId) -> Result<(), Refusal> {
        let Role::Leader(leader) = &self.role else { return Ok(()) };
        let Some(progress) = leader.followers.get(&learner) else { return Ok(()) };
        if !self.is_up(learner) {
            return Err(Refusal::Silent(learner));
        }
        let entries = self.log.last().index.0 - progress.match_index.0;
        // It must know of itself that it is a member.
        let knows = progress.match_index >= self.configurations.last().expect("never empty").0;
        let follows = progress.mode == Mode::Replicate && knows;
        match follows && entries <= self.config.limits.promotion_lag_max {
            true => Ok(()),
            false => Err(Refusal::Lagging { node: learner, entries }),
        }
    }

    fn would_have_quorum(&self, next: &Configuration) -> Result<(), Refusal> {
        if next.has_quorum(|voter| self.is_up(voter)) {
            return Ok(());
        }
        let up = next.voters.iter().filter(|voter| self.is_up(**voter)).count();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Err(Refusal::LosesQuorum { voters: count(next.voters.len()), up: count(up) })
    }

    /// Whether this leader hears from `node`, or is it.
    pub(super) fn is_up(&self, node: NodeId) -> bool {
        let Role::Leader(leader) = &self.role else { return false };
        let heard_at = leader.followers.get(&node).and_then(|progress| progress.heard_at);
        let lately = |at: Instant| self.now - at <= self.config.timing.election_timeout_max;
        node == self.id() || heard_at.is_some_and(lately)
    }
}

/// What a leader does by itself, at each heartbeat, one thing at a time.
impl Raft {
    pub(super) fn tend_members(&mut self) {
        if self.may_change().is_err() || self.disk.is_full {
            return;
        }
        let next =
            self.known_lives().or_else(|| self.lost_member()).or_else(|| self.ready_learner());
        if let Some(next) = next {
            self.append(Payload::Configuration(Box::new(next)));
        }
    }

    /// The lives of founding members, once all were heard or there was time enough for it: from then on
    /// a member that has forgotten everything is told from one that remembers.
    fn known_lives(&self) -> Option<Configuration> {
        let Role::Leader(leader) = &self.role else { return None };
        let configuration = self.configuration();
        let unknown =
            configuration.members.values().filter(|m| m.incarnation == Incarnation::UNKNOWN);
        let unknown: Vec<NodeId> = unknown.map(|member| member.id).collect();
        let mut lives: VecMap<NodeId, Incarnation> = leader
            .followers
            .iter()
            .filter(|(_, progress)| progress.life != Incarnation::UNKNOWN)
            .map(|(node, progress)| (*node, progress.life))
            .collect();
        lives.insert(self.id(), self.config.incarnation);
        let known = unknown.iter().filter(|node| lives.contains_key(node)).count();
        let waited = self.now - leader.since() >= self.config.timing.election_timeout_max;
        let is_time = known > 0 && (known == unknown.len() || waited);
        is_time.then(|| configuration.with_lives(&lives))
    }

    /// A member that has forgotten what it knew: one whose admitted life is silent while another speaks,
    /// or one that lacks what it had acknowledged. It becomes a learner and starts anew.
    fn lost_member(&mut self) -> Option<Configuration> {
        let Role::Leader(leader) = &self.role else { return None };
        let has_waited = self.now - leader.since() >= self.config.timing.election_timeout_max;
        let (node, life) = leader.followers.iter().find_map(|(node, progress)| {
            let stranger = self.stranger(*node).filter(|_| has_waited && !self.is_up(*node));
            let life = if progress.lost { Some(progress.life) } else { stranger };
            life.map(|life| (*node, life))
        })?;
        let next = self.configuration().with_lost(node, life);
        if next.voters.is_empty() {
            return None;
        }
        self.output.events.push(Event::MemberLost { node });
        Some(next)
    }

    /// A learner that has caught up and is to vote.
    fn ready_learner(&self) -> Option<Configuration> {
        let learners = self.configuration().learners.iter();
        let mut to_vote = learners.filter(|(_, goal)| *goal != Goal::Stay).map(|(node, _)| *node);
        to_vote.find_map(|node| self.next_configuration(&Change::Promote(node)).ok())
    }

    /// A joint configuration is committed: the outgoing voters can go (§6).
    pub(super) fn leave_joint(&mut self) {
        let (index, newest) = self.configurations.last().expect("never empty");
        if matches!(self.role, Role::Leader(_)) && newest.is_joint() && *index <= self.commit {
            let next = newest.after_joint();
            self.append(Payload::Configuration(Box::new(next)));
        }
    }

    /// A leader that is no voter has led to its end when it has committed in its term: its removal, or what
    /// it alone had (thesis §4.2.2). It has its successor told, so that nobody waits for an election timeout.
    pub fn go_if_removed(&mut self) {
        let (index, newest) = self.configurations.last().expect("never empty");
        let leads = matches!(self.role, Role::Leader(_));
        let has_committed = self.log.term_at(self.commit) == Some(self.term());
        if !leads || newest.is_voter(self.id()) || *index > self.commit || !has_committed {
            return;
        }
        if let Some(successor) = self.fittest_voter() {
            self.send(successor, Body::TimeoutNow);
        }
        self.become_follower(self.term(), WhyFollower::Removed);
    }

    /// Another configuration is in force: the leader sends to whom it names, and to nobody else.
    pub(super) fn follow_configuration(&mut self) {
        let (id, last) = (self.id(), self.log.last().index);
        let configuration = &self.configurations.last().expect("never empty").1;
        let Role::Leader(leader) = &mut self.role else { return };
        leader.followers.retain(|node, progress| {
            configuration.members.get(node).is_some_and(|member| {
                let is_first = member.incarnation == Incarnation::UNKNOWN;
                !progress.lost && (is_first || progress.life == member.incarnation)
            }) || makes(Bug::SameStreamAfterRejoin)
        });
        // What is under way from before is of another stream (drmingdrmer, raft-rejoin-bug).
        let epoch = leader.next_epoch;
        leader.next_epoch = epoch.next();
        for member in configuration.members.values().filter(|member| member.id != id) {
            let new = || Progress::new(epoch, member.incarnation, last);
            leader.followers.get_or_insert_with(member.id, new);
        }
        leader.lease_from = leader.reads.round().next();
    }

    /// Entries from `first` on are new to the log: the newest configuration among them is in force at
    /// once (§6).
    pub(super) fn adopt_configurations(&mut self, first: Index) {
        let before = self.configurations.len();
        for index in first.0..=self.log.last().index.0 {
            if makes(Bug::ConfigurationAtCommit) && index > self.commit.0 {
                break;
            }
            if let Some(configuration) = self.log.configuration_at(Index(index)) {
                self.configurations.push((Index(index), configuration.clone()));
            }
        }
        if self.configurations.len() > before {
            self.configuration_changed();
        }
    }

    /// Entries from `first` on are gone: the configuration before them is in force again.
    pub(super) fn drop_configurations(&mut self, first: Index) {
        let before = self.configurations.len();
        self.configurations.retain(|(index, _)| *index < first);
        if self.configurations.len() < before {
            self.configuration_changed();
        }
    }

    pub(super) fn configuration_changed(&mut self) {
        let (index, configuration) = self.configurations.last().expect("never empty");
        let configuration = Box::new(configuration.clone());
        self.output.events.push(Event::ConfigurationAdopted { index: *index, configuration });
        self.look_at_lives();
        self.follow_configuration();
    }
}
