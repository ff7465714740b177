//! How entries travel and commit: the leader's and the follower's side of AppendEntries (§5.3), the
//! commit rule (§5.4.2), heartbeats and CheckQuorum (thesis §6.2).
//!
//! Nothing is sent in the middle of a step. What is new goes out when the output is taken, so that all
//! that arrived together travels in one message.

use crate::error::Error;
use crate::id::{EntryId, Epoch, Incarnation, Index, NodeId, Round};
use crate::raft::event::{Event, WhyFollower};
use crate::raft::message::{AppendResult, Body, Entry, Message, Payload};
use crate::raft::progress::{Mode, Progress};
use crate::raft::reads::Reads;
use crate::raft::snapshot::ChunkWanted;
use crate::raft::transfer::Transfer;
use crate::raft::{Raft, Role};
use crate::seeded::{Bug, makes};
use crate::time::{ClusterTime, Instant};
use crate::vec_map::VecMap;

/// A leader's state.
#[derive(Clone, Debug)]
pub struct Leader {
    /// The other servers as this leader sees them.
    pub followers: VecMap<NodeId, Progress>,
    /// Rounds, and reads that wait for them.
    pub(super) reads: Reads,
    /// When to speak even if there is nothing to say.
    pub(super) heartbeat_due: Instant,
    /// The first entry of this leader's term: a no-op (§8).
    pub(super) first: Index,
    /// A transfer under way.
    pub(super) transfer: Option<Transfer>,
    /// A successor was told to stand: nobody's promise to follow holds for the rest of the term.
    pub(super) lease_is_void: bool,
    /// Only rounds from here on have asked the voters of today.
    pub(super) lease_from: Round,
    /// The stream of the next follower that is new.
    pub(super) next_epoch: Epoch,
    /// Bytes of entries that are not committed.
    uncommitted_bytes: usize,
    /// When this leader's term began, and the cluster's clock then.
    clock: (Instant, ClusterTime),
}

/// What a follower owes its leader an answer for. One answer covers all that arrived since the last,
/// and another follows when the disk has caught up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Acknowledgement {
    epoch: Epoch,
    round: Round,
    /// The log equals the leader's up to here.
    pub(super) verified: Index,
    /// What the last answer said of it.
    acknowledged: Index,
    due: bool,
}

impl Leader {
    /// When this leader's term began.
    pub fn since(&self) -> Instant {
        self.clock.0
    }
}

impl Raft {
    /// §5.2: the votes of a quorum are there.
    pub(super) fn become_leader(&mut self) {
        let last = self.log.last().index;
        let uncommitted = (self.commit.next().0..=last.0).filter_map(|i| self.log.entry(Index(i)));
        let newest = self.log.entry(last).map(|entry| entry.time);
        let time = newest.or(self.snapshot.as_ref().map(|meta| meta.time)).unwrap_or_default();
        self.role = Role::Leader(Leader {
            followers: VecMap::new(),
            reads: Reads::new(self.now),
            heartbeat_due: self.now,
            first: last.next(),
            transfer: None,
            lease_is_void: false,
            lease_from: Round(1),
            next_epoch: Epoch(1),
            uncommitted_bytes: uncommitted.map(Entry::size).sum(),
            clock: (self.now, time),
        });
        self.follow_configuration();
        self.output.events.push(Event::BecameLeader { term: self.term() });
        // §8: only an entry of its own term tells a leader what is committed.
        if !makes(Bug::NoNoop) {
            self.append(Payload::Noop);
        }
        self.on_leader_wake();
    }

    /// Takes a command in (§5.3). It is committed when the commit index reaches the entry returned, if
    /// the entry there still has that term.
    pub fn propose(&mut self, now: Instant, payload: Payload) -> Result<EntryId, Error> {
        let before = self.begin(now);
        let Role::Leader(leader) = &self.role else {
            return Err(Error::NotLeader { hint: self.leader() });
        };
        let is_too_much = leader.uncommitted_bytes > self.config.limits.uncommitted_bytes_max;
        if is_too_much || leader.transfer.is_some() {
            return Err(Error::Overloaded { retry_after_ms: 100 });
        }
        if self.disk.is_full || !self.has_room() {
            return Err(Error::DiskFull);
        }
        let id = self.append(payload);
        before.check(self);
        Ok(id)
    }

    /// Adds an entry of this leader's term.
    pub(super) fn append(&mut self, payload: Payload) -> EntryId {
        let (now, term) = (self.now, self.term());
        let Role::Leader(leader) = &mut self.role else { unreachable!("only leaders append") };
        let (since, time) = leader.clock;
        let elapsed_us = u64::try_from((now - since).as_micros()).unwrap_or(u64::MAX);
        let entry = Entry { term, time: ClusterTime(time.0.saturating_add(elapsed_us)), payload };
        leader.uncommitted_bytes += entry.size();
        let id = self.log.append(entry);
        self.adopt_configurations(id.index);
        id
    }

    /// The heartbeat is due: look whether leading still makes sense, and start a round.
    pub(super) fn on_leader_wake(&mut self) {
        let timing = self.config.timing.clone();
        let stalled = self.disk_is_stalled();
        let (id, configuration) = (self.id(), self.configuration().clone());
        let Role::Leader(leader) = &mut self.role else { return };
        leader.reads.count(&configuration, id, &leader.followers);
        let why = if stalled {
            // Others commit without this disk, but nobody can tell for how long (hashicorp/raft #503).
            WhyFollower::DiskStalled
        } else if self.now - leader.reads.quorum_at() > timing.election_timeout_max {
            WhyFollower::NoQuorum
        } else if self.now >= leader.heartbeat_due {
            leader.heartbeat_due = self.now + timing.heartbeat_interval;
            leader.reads.begin_round(self.now);
            for progress in leader.followers.values_mut() {
                progress.ask_again();
            }
            self.look_at_transfer();
            self.make_way_if_full();
            return self.tend_members();
        } else {
            return;
        };
        self.become_follower(self.term(), why);
    }

    /// A leader's messages: what is new for each follower, or the round alone.
    pub(super) fn send_entries(&mut self) {
        self.go_on_with_transfer();
        self.read_by_lease();
        let (id, term) = (self.id(), self.term());
        let (limits, log, commit) = (&self.config.limits, &self.log, self.commit);
        let Role::Leader(leader) = &mut self.role else { return };
        let announce = leader.reads.begin_due_round(self.now);
        let round = leader.reads.round();
        for (node, progress) in leader.followers.iter_mut() {
            let compacted = log.term_at(progress.next_index.prev()).is_none();
            if compacted || progress.is_in_snapshot() {
                // A transfer under way goes on, unless a newer snapshot has taken the place of its own.
                if makes(Bug::NoSnapshotWhenCompacted) {
                    continue;
                }
                let newest = self.snapshot.as_ref().expect("the log was compacted").last;
                progress.send_snapshot(newest, round);
            }
            let mut send = |progress: &mut Progress, entries: Vec<Entry>| {
                let index = progress.next_index.prev();
                let prev = EntryId { term: log.term_at(index).expect("looked up before"), index };
                let epoch = progress.epoch;
                let body = Body::AppendEntries { epoch, round, prev, commit, entries };
                self.outbox.send(*node, Message { term, body });
            };
            match &mut progress.mode {
                Mode::Probe { asked: true } if !announce => {}
                Mode::Probe { asked } => {
                    *asked = true;
                    // A full disk has room for what is small, and else its owner could commit nothing.
                    let small = match progress.is_full {
                        true => log.small_slice(
                            progress.next_index,
                            limits.append_entries_max,
                            limits.append_bytes_max,
                        ),
                        false => Vec::new(),
                    };
                    send(progress, small);
                }
                Mode::Snapshot { last, offset, asked, .. } => {
                    // A full disk keeps no chunk: none goes there until an answer says that it has room.
                    if !*asked && !progress.is_full {
                        *asked = true;
                        let chunk = ChunkWanted { to: *node, last: *last, offset: *offset };
                        self.output.chunks.push(chunk);
                    }
                    if announce {
                        // However long the chunk is on its way, the heartbeat is not. It asks for nothing:
                        // before its first entry every log is like every other.
                        let (epoch, prev, entries) = (progress.epoch, EntryId::default(), vec![]);
                        let body = Body::AppendEntries { epoch, round, prev, commit, entries };
                        self.outbox.send(*node, Message { term, body });
                    }
                }
                Mode::Replicate => {
                    let mut silent = true;
                    while progress.has_room(limits) && progress.next_index <= log.last().index {
                        let (most, bytes) = (limits.append_entries_max, limits.append_bytes_max);
                        let entries = log.slice(progress.next_index, most, bytes);
                        let bytes = entries.iter().map(Entry::size).sum();
                        let last = Index(progress.next_index.0 + entries.len() as u64 - 1);
                        send(progress, entries);
                        progress.sent(last, bytes);
                        silent = false;
                    }
                    if silent && announce {
                        send(progress, Vec::new());
                    }
                }
            }
        }
        if announce {
            let configuration = &self.configurations.last().expect("never empty").1;
            leader.reads.count(configuration, id, &leader.followers);
        }
        self.confirm_reads();
    }

    /// A follower's answer (Figure 2, "Rules for Servers", leaders).
    pub(super) fn on_append_reply(
        &mut self,
        from: NodeId,
        life: Incarnation,
        epoch: Epoch,
        round: Round,
        result: AppendResult,
    ) {
        let last = self.log.last().index;
        let agreed = match result {
            AppendResult::Matched { .. } | AppendResult::Full { .. } => last,
            AppendResult::Mismatch { refused, hint } => match makes(Bug::HintDoesNotMove) {
                true => refused,
                false => self.log.conflict_hint(hint).index.min(refused.prev()),
            },
            // It answers a message of an earlier term. If that was ours, too, its round was one of then,
            // and must not confirm a read of today.
            AppendResult::StaleTerm => return,
        };
        let Some(progress) = self.heard_from(from, life, epoch, round) else { return };
        match result {
            AppendResult::Matched { match_index } => {
                progress.is_full = false;
                if match_index <= last && progress.matched(match_index, round) {
                    self.advance_commit();
                }
            }
            AppendResult::Full { match_index } => {
                let is_news = match_index <= last && progress.matched(match_index, round);
                progress.has_no_room();
                if is_news {
                    self.advance_commit();
                }
            }
            AppendResult::Mismatch { hint, .. } if progress.takes_back(hint.index, round) => {
                progress.forget_all();
            }
            AppendResult::Mismatch { refused, .. } => {
                // Only the answer to the newest question counts; a late one says nothing new.
                let stale = match progress.mode {
                    Mode::Probe { .. } => refused != progress.next_index.prev(),
                    Mode::Replicate => refused <= progress.match_index,
                    Mode::Snapshot { .. } => true,
                };
                if !stale {
                    progress.back_off(agreed);
                }
            }
            AppendResult::StaleTerm => unreachable!("returned above"),
        }
    }

    /// Notes that a follower answered, if this server leads and the answer is of today's stream.
    pub(super) fn heard_from(
        &mut self,
        from: NodeId,
        life: Incarnation,
        epoch: Epoch,
        round: Round,
    ) -> Option<&mut Progress> {
        let id = self.id();
        let Role::Leader(leader) = &mut self.role else { return None };
        let progress = leader.followers.get_mut(&from).filter(|known| known.epoch == epoch)?;
        progress.life = life;
        progress.heard_at = Some(self.now);
        if progress.lost {
            return None;
        }
        // A round that has not begun yet is nothing that anyone could have heard of in this term.
        if round > progress.round && round <= leader.reads.round() {
            progress.round = round;
            let configuration = &self.configurations.last().expect("never empty").1;
            leader.reads.count(configuration, id, &leader.followers);
        }
        leader.followers.get_mut(&from)
    }

    /// §5.3 and §5.4.2: an entry is committed once a quorum has it on disk, the leader's own disk being
    /// one of them, and only an entry of the leader's own term is committed by counting.
    pub(super) fn advance_commit(&mut self) {
        let (id, mut durable) = (self.id(), self.log.durable());
        let is_alone = || self.configuration().all_voters().eq([id]);
        if makes(Bug::LeaderDoesNotWait) || (makes(Bug::LoneVoterDoesNotWait) && is_alone()) {
            durable = self.log.last().index;
        }
        let Role::Leader(leader) = &self.role else { return };
        let reached =
            self.configuration().quorum_value(|voter| match leader.followers.get(&voter) {
                Some(progress) => progress.match_index,
                None if voter == id => durable,
                None => Index(0),
            });
        let Some(reached) = reached.filter(|reached| *reached > self.commit) else { return };
        let is_own_term = self.log.term_at(reached) == Some(self.term());
        if !is_own_term && !makes(Bug::CommitsOldTermsByCounting) {
            return;
        }
        let newly = (self.commit.next().0..=reached.0).filter_map(|i| self.log.entry(Index(i)));
        let bytes: usize = newly.map(Entry::size).sum();
        if let Role::Leader(leader) = &mut self.role {
            leader.uncommitted_bytes = leader.uncommitted_bytes.saturating_sub(bytes);
        }
        self.commit_to(reached);
        self.leave_joint();
    }

    pub(super) fn commit_to(&mut self, index: Index) {
        if index <= self.commit {
            return;
        }
        let before = std::mem::replace(&mut self.commit, index);
        // The entries have come another way.
        self.incoming.take_if(|incoming| incoming.last.index <= index);
        if makes(Bug::ConfigurationAtCommit) {
            self.adopt_configurations(before.next());
        }
        let term = self.log.term_at(index).expect("only entries of the log are committed");
        self.output.events.push(Event::Committed { to: EntryId { term, index } });
        if let Role::Follower(follower) = &mut self.role
            && let Some(leader) = follower.leader
            && follower.catching_up_to.take_if(|target| *target <= index).is_some()
        {
            self.output.events.push(Event::CaughtUp { leader });
        }
    }

    /// AppendEntries, receiver implementation (Figure 2).
    pub(super) fn on_append_entries(
        &mut self,
        from: NodeId,
        epoch: Epoch,
        round: Round,
        prev: EntryId,
        commit: Index,
        entries: Vec<Entry>,
    ) {
        if !self.follow(from, epoch, round, commit) {
            return;
        }
        let known = prev.index < self.log.base().index;
        if known && makes(Bug::CompactedIsConflict) {
            self.log.cut_after(self.log.base().index);
        }
        if !known && self.log.term_at(prev.index) != Some(prev.term) {
            let hint = self.log.conflict_hint(prev);
            let result = AppendResult::Mismatch { refused: prev.index, hint };
            self.answered();
            return self.send(from, Body::AppendEntriesReply { epoch, round, result });
        }
        let only_asks = entries.is_empty();
        let entries = self.log.admissible(prev.index, entries, self.disk.is_full);
        let verified = Index(prev.index.0.saturating_add(entries.len() as u64));
        let before = self.log.last().index;
        if let Some((first, last)) = self.log.take_over(prev.index, entries) {
            assert!(
                first > self.commit,
                "Leader Completeness is broken: leader {from} of term {} contradicts entry {first}, \
                 which is committed up to {}",
                self.term(),
                self.commit
            );
            self.output.events.push(Event::Truncated { from: first, last });
            self.drop_configurations(first);
            self.adopt_configurations(first);
        } else {
            self.adopt_configurations(before.next());
        }
        self.verify(verified, only_asks);
        // Only up to what this very message has shown to agree (§5.3).
        self.commit_to(commit.min(verified).min(self.log.last().index));
    }

    /// Follows `leader`, from whom a message of this term came. `false` if the message is of a stream
    /// that was since begun anew.
    pub(super) fn follow(
        &mut self,
        leader: NodeId,
        epoch: Epoch,
        round: Round,
        commit: Index,
    ) -> bool {
        let term = self.term();
        if matches!(self.role, Role::Candidate(_)) {
            self.become_follower(term, WhyFollower::LeaderHeard { leader });
        }
        self.hear_from_leader();
        let (now, election_due) = (self.now, self.random_election_due());
        let Role::Follower(follower) = &mut self.role else {
            panic!("Election Safety is broken: node {leader} leads term {term}, and so do I");
        };
        (follower.heard_at, follower.election_due) = (now, election_due);
        self.leader_heard_at = now;
        match follower.leader {
            None => {
                let behind = commit.0.saturating_sub(self.log.last().index.0);
                follower.leader = Some(leader);
                follower.acknowledgement = Acknowledgement::default();
                follower.catching_up_to = (behind > 0).then_some(commit);
                self.output.events.push(Event::LeaderKnown { leader, term, behind });
            }
            Some(known) => assert!(
                known == leader,
                "Election Safety is broken: nodes {known} and {leader} both lead term {term}"
            ),
        }
        let acknowledgement = &mut follower.acknowledgement;
        if epoch > acknowledgement.epoch {
            *acknowledgement = Acknowledgement { epoch, ..Acknowledgement::default() };
        }
        if round > acknowledgement.round {
            acknowledgement.round = round;
            acknowledgement.due = true;
        }
        epoch == acknowledgement.epoch
    }

    /// The log equals the leader's up to `index`. A question is answered at once, even with old news;
    /// what must first reach the disk is answered when it has.
    pub(super) fn verify(&mut self, index: Index, answer_now: bool) {
        // What is committed is in every later leader's log (§5.4.3).
        let index = index.max(self.commit);
        if let Role::Follower(follower) = &mut self.role {
            let acknowledgement = &mut follower.acknowledgement;
            acknowledgement.verified = acknowledgement.verified.max(index);
            acknowledgement.due |= answer_now;
        }
    }

    /// Another answer than an acknowledgement goes out: it answers the round, too.
    pub(super) fn answered(&mut self) {
        if let Role::Follower(follower) = &mut self.role {
            follower.acknowledgement.due = false;
        }
    }

    /// A follower's answer to all that came since the last.
    pub(super) fn send_acknowledgement(&mut self) {
        let (durable, last) = (self.log.durable(), self.log.last().index);
        let Role::Follower(follower) = &mut self.role else { return };
        let Some(leader) = follower.leader else { return };
        let acknowledgement = &mut follower.acknowledgement;
        let too_early = makes(Bug::AcknowledgesBeforeDurable);
        let match_index = if too_early { last } else { durable }.min(acknowledgement.verified);
        if !acknowledgement.due && match_index <= acknowledgement.acknowledged {
            return;
        }
        acknowledgement.due = false;
        acknowledgement.acknowledged = match_index;
        let (epoch, round) = (acknowledgement.epoch, acknowledgement.round);
        let result = match self.disk.is_full {
            true => AppendResult::Full { match_index },
            false => AppendResult::Matched { match_index },
        };
        self.send(leader, Body::AppendEntriesReply { epoch, round, result });
    }
}
