//! Notices which of the [points](Point) a run comes to, from what can be seen of its nodes and messages.
//! It changes nothing, and the nodes know nothing of it.

mod clients;
mod members;
mod messages;

use crate::checker::Restart;
use crate::node::Node;
use crate::sometimes::{Point, Sometimes};
use crate::watch::clients::Questions;
use crate::watch::members::Members;
use raft_core::config::{Limits, Timing};
use raft_core::id::{EntryId, Index, NodeId, Term, WriteSeq};
use raft_core::raft::event::{Event, RoleName, WhyFollower};
use raft_core::raft::membership::Configuration;
use raft_core::raft::message::VoteRefusal;
use raft_core::raft::progress::Mode;
use raft_core::raft::{Candidate, HardState, Raft, Role};
use raft_core::replica::{Effects, Replica};
use raft_core::time::Instant;
use raft_core::vec_map::VecMap;
use raft_core::wal::{Durable, Write};
use std::time::Duration;

/// What a run has come to so far, and what must be remembered to notice more.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) sometimes: Sometimes,
    limits: Limits,
    has_leases: bool,
    members: Members,
    /// Every node as it was, in order.
    nodes: Vec<Past>,
    leaders: VecMap<Term, NodeId>,
    /// No node has been up since the last election.
    all_were_down: bool,
    questions: Questions,
    /// The newest message that arrived from each node at each.
    newest: VecMap<(NodeId, NodeId), u64>,
}

/// A node as it was after its last step.
#[derive(Clone, Debug, Default)]
struct Past {
    role: Option<RoleName>,
    term: Term,
    vote: Option<NodeId>,
    commit: Index,
    last: EntryId,
    durable: Index,
    started_at: Instant,
    crashed_at: Instant,
    /// It led when it crashed.
    led: bool,
    /// It has asked for pre-votes, or stood, and nobody has won since.
    asked: bool,
    stood: bool,
    /// It led before and after it stood still, and what became of that is not known.
    led_through_pause: bool,
    /// The highest commit index it has been told in its term.
    told: Index,
    /// The leader's snapshot arrives in pieces, and has not ended.
    receiving: bool,
    /// Followers that are being sent a snapshot, and which.
    sending: VecMap<NodeId, EntryId>,
    /// Writes with a snapshot, and with a term or a vote, that are not durable.
    snapshots: Vec<WriteSeq>,
    votes: Vec<WriteSeq>,
    /// Of which snapshot a piece arrived last, from whom, and where the piece ended.
    snapshot_from: Option<(EntryId, NodeId, u64)>,
    /// The configuration it acts by, where that stands in the log, and how many AppendEntries it has sent.
    configured_at: Index,
    configuration: Configuration,
    appends: u64,
    /// It was told to stand for election, and nobody has won since.
    told_to_stand: bool,
    /// The number of its last ReadIndex.
    asked_index: Option<u64>,
    /// Where each follower last said that the logs do not agree, and in which term.
    refused: VecMap<NodeId, (Term, Index)>,
}

impl Watch {
    pub(crate) fn new(nodes: usize, limits: Limits, timing: &Timing) -> Self {
        Self {
            limits,
            has_leases: timing.lease_drift_percent.is_some(),
            members: Members::default(),
            sometimes: Sometimes::default(),
            nodes: vec![Past::default(); nodes],
            leaders: VecMap::new(),
            all_were_down: false,
            questions: Questions::default(),
            newest: VecMap::new(),
        }
    }

    /// A node has started, for the first time or again.
    pub(crate) fn started(&mut self, now: Instant, node: &Node, found: &Durable, restart: Restart) {
        let (place, is_again) = (place(node.id()), node.starts > 1);
        let s = &mut self.sometimes;
        let Durable { hard_state: HardState { vote, .. }, snapshot, entries } = found;
        let Restart { kept, lost } = restart;
        s.hit_if(lost > 0, Point::CrashLostWrites);
        s.hit_if(kept > 0, Point::CrashKeptWrites);
        s.hit_if(kept > 0 && lost > 0, Point::CrashKeptSome);
        s.hit_if(is_again && vote.is_some(), Point::RestartedWithVote);
        s.hit_if(is_again && *found == Durable::default(), Point::RestartedEmpty);
        s.hit_if(snapshot.is_some() && entries.is_empty(), Point::StartedFromSnapshot);
        s.hit_if(snapshot.is_some() && !entries.is_empty(), Point::StartedFromSnapshotAndLog);
        let before = &self.nodes[place];
        self.nodes[place] = Past {
            started_at: now,
            crashed_at: before.crashed_at,
            led: before.led,
            ..Past::default()
        };
    }

    /// A node crashes, with so many writes on their way to its disk.
    pub(crate) fn crashes(&mut self, now: Instant, nodes: &[Node], crashed: NodeId, writes: bool) {
        let node = &nodes[place(crashed)];
        let past = &mut self.nodes[place(crashed)];
        let s = &mut self.sometimes;
        s.hit_if(!writes, Point::CrashIdle);
        s.hit_if(!past.votes.is_empty(), Point::CrashBeforeVoteWasDurable);
        s.hit_if(!past.snapshots.is_empty(), Point::CrashBeforeSnapshotWasDurable);
        (past.crashed_at, past.led) = (now, node.leads());
        self.all_were_down |= nodes.iter().all(|other| other.id() == crashed || !other.is_up());
        self.questions.crashed(crashed);
    }

    /// A node goes on after it stood still since `since`.
    pub(crate) fn resumes(&mut self, now: Instant, node: &Node, since: Instant, timeout: Duration) {
        self.sometimes.hit_if(node.waiting() >= 100, Point::Piled);
        self.nodes[place(node.id())].led_through_pause = node.leads() && now - since >= timeout / 2;
        self.questions.paused(node.id());
    }

    /// A write of a node is durable.
    pub(crate) fn synced(&mut self, node: NodeId, seq: WriteSeq) {
        let Past { snapshots, votes, .. } = &mut self.nodes[place(node)];
        snapshots.retain(|snapshot| *snapshot > seq);
        votes.retain(|vote| *vote > seq);
    }

    /// A node has taken a step, and this leaves it.
    pub(crate) fn stepped(
        &mut self,
        nodes: &[Node],
        stepped: NodeId,
        cut: bool,
        effects: &Effects,
    ) {
        let node = &nodes[place(stepped)];
        let Some(replica) = node.replica() else { return };
        let raft = replica.raft();
        for event in &effects.events {
            self.happened(nodes, node, raft, event, cut);
        }
        if let Some(Write { seq, snapshot, hard_state, .. }) = &effects.write {
            let past = &mut self.nodes[place(stepped)];
            let second = snapshot.is_some() && !past.snapshots.is_empty();
            self.sometimes.hit_if(second, Point::SecondSnapshotUnderWay);
            past.snapshots.extend(snapshot.as_ref().map(|_| *seq));
            past.votes.extend(hard_state.map(|_| *seq));
        }
        self.look(replica);
        self.leave(raft, effects);
        let past = &mut self.nodes[place(stepped)];
        (past.term, past.vote, past.commit) = (raft.term(), raft.vote(), raft.commit_index());
        (past.last, past.durable) = (raft.log().last(), raft.log().durable());
        past.role = Some(raft.role_name());
        if past.configuration != *raft.configuration() {
            past.configuration = raft.configuration().clone();
        }
    }

    fn happened(&mut self, nodes: &[Node], node: &Node, raft: &Raft, event: &Event, cut: bool) {
        let s = &mut self.sometimes;
        let past = &mut self.nodes[place(node.id())];
        match event {
            Event::PreVoteStarted { .. } => {
                s.hit_if(past.asked, Point::AskedAgain);
                past.asked = true;
            }
            Event::ElectionStarted { term } => {
                s.hit_if(past.stood, Point::StoodAgain);
                (past.asked, past.stood) = (false, true);
                let rival = |other: &Node| {
                    other.id() != node.id()
                        && other.replica().is_some_and(|other| {
                            let other = other.raft();
                            other.term() == *term && other.role_name() == RoleName::Candidate
                        })
                };
                s.hit_if(nodes.iter().any(rival), Point::SplitVote);
            }
            Event::VoteGranted { candidate, pre_vote: false, .. } => {
                let again = past.term == raft.term() && past.vote == Some(*candidate);
                s.hit_if(again, Point::VoteRepeated);
            }
            Event::VoteRefused { pre_vote, why, .. } => match (why, pre_vote) {
                (VoteRefusal::NotAVoter, _) => s.hit(Point::VotelessAsked),
                (VoteRefusal::LeaseMayLast, _) => s.hit(Point::VoteRefusedForLease),
                (VoteRefusal::LogBehind { .. }, true) => s.hit(Point::PreVoteRefusedForLog),
                (VoteRefusal::LogBehind { .. }, false) => s.hit(Point::VoteRefusedForLog),
                (VoteRefusal::LeaderAlive { .. }, true) => s.hit(Point::PreVoteRefusedForLeader),
                (VoteRefusal::LeaderAlive { .. }, false) => s.hit(Point::VoteRefusedForLeader),
                (VoteRefusal::StaleTerm, true) => s.hit(Point::PreVoteRefusedForTerm),
                (VoteRefusal::StaleTerm, false) => s.hit(Point::VoteRefusedForTerm),
                (VoteRefusal::AlreadyVoted { .. }, _) => s.hit(Point::VoteRefusedAsGiven),
                _ => {}
            },
            Event::BecameLeader { term } => {
                (past.asked, past.stood) = (false, false);
                self.elected(nodes, node, raft, *term, cut);
            }
            Event::BecameFollower { why, .. } => {
                let led = past.role == Some(RoleName::Leader);
                (past.asked, past.stood) = (false, false);
                s.hit_if(std::mem::take(&mut past.told_to_stand), Point::StoodInVain);
                s.hit_if(std::mem::take(&mut past.led_through_pause), Point::PausedLeaderDeposed);
                match why {
                    WhyFollower::LaterTerm { .. } if led => s.hit(Point::LeaderHeardOfLaterTerm),
                    WhyFollower::LaterTerm { .. } => s.hit(Point::CandidateHeardOfLaterTerm),
                    WhyFollower::LeaderHeard { .. } => s.hit(Point::CandidateHeardLeader),
                    WhyFollower::NoQuorum => s.hit(Point::LeaderLostQuorum),
                    WhyFollower::DiskStalled => s.hit(Point::LeaderLostDisk),
                    WhyFollower::Removed => s.hit(Point::RemovedLeaderGone),
                    _ => {}
                }
            }
            Event::LeaderKnown { .. } => {
                (past.asked, past.stood) = (false, false);
                s.hit_if(std::mem::take(&mut past.led), Point::CrashedLeaderFollows);
                s.hit_if(std::mem::take(&mut past.receiving), Point::SnapshotCutOff);
            }
            Event::CaughtUp { .. } => s.hit(Point::CaughtUp),
            Event::Truncated { from, last } => {
                s.hit(Point::Truncated);
                s.hit_if(last.0 - from.0 >= 9, Point::TruncatedMany);
                let own = self.leaders.get(&past.last.term) == Some(&node.id());
                s.hit_if(own && past.last.index >= *from, Point::TruncatedOwn);
            }
            Event::Committed { to } => self.committed(node, raft, *to, cut),
            Event::SnapshotTaken { .. } => s.hit(Point::SnapshotTaken),
            Event::SnapshotInstalled { last } => {
                s.hit(Point::SnapshotInstalled);
                s.hit_if(past.last.index > last.index, Point::SnapshotOverConflict);
                past.receiving = false;
            }
            event => self.belongs(nodes, node, raft, event, cut),
        }
    }

    fn elected(&mut self, nodes: &[Node], node: &Node, raft: &Raft, term: Term, cut: bool) {
        let s = &mut self.sometimes;
        let voters = raft.configuration().voters.len();
        s.hit_if(voters == 1, Point::ElectedAlone);
        s.hit_if(voters.is_multiple_of(2), Point::ElectedInEvenCluster);
        let awake = nodes.iter().filter(|node| node.is_up() && !node.is_paused()).count();
        s.hit_if(awake < voters && awake == voters / 2 + 1, Point::ElectedByLastQuorum);
        s.hit_if(nodes.iter().any(|node| !node.is_up()), Point::ElectedWhileNodesAreDown);
        s.hit_if(cut, Point::ElectedWhileLinksAreCut);
        if let Some((_, before)) = self.leaders.last() {
            s.hit_if(*before == node.id(), Point::ElectedAgain);
            s.hit_if(*before != node.id(), Point::ElectedAfterAnother);
        }
        self.leaders.insert(term, node.id());
        let mut others = nodes.iter().filter(|other| other.id() != node.id());
        let beside_another = others.clone().any(Node::leads);
        s.hit_if(beside_another, Point::ElectedBesideOldLeader);
        let past = &mut self.nodes[place(node.id())];
        let told = std::mem::take(&mut past.told_to_stand);
        s.hit_if(told, Point::ElectedAsTold);
        s.hit_if(told && beside_another, Point::HandedOverBesideOldLeader);
        s.hit_if(past.configured_at > raft.commit_index(), Point::ElectedWithChange);
        s.hit_if(raft.configuration().is_joint(), Point::ElectedInJoint);
        let configuration = raft.configuration();
        let lost = |other: &Node| {
            configuration.is_voter(other.id())
                && configuration.is_stranger(other.id(), other.life())
        };
        s.hit_if(nodes.iter().any(lost), Point::ElectedWithoutLost);
        // The no-op of its own term is in the log already.
        let last = raft.log().last().index.prev();
        let ends = raft.log().term_at(last).map(|term| EntryId { term, index: last });
        let is_longer = |other: &Node| {
            other.replica().zip(ends).is_some_and(|(other, ends)| {
                let other = other.raft().log().last();
                other.index > ends.index && other.term < ends.term
            })
        };
        s.hit_if(others.any(is_longer), Point::ElectedWithShorterLog);
        s.hit_if(last > raft.commit_index(), Point::ElectedWithUncommitted);
        s.hit_if(std::mem::take(&mut self.all_were_down), Point::ElectedAfterAllCrashed);
        let rates = || nodes.iter().map(|node| node.clock.rate_ppm());
        if rates().min() < rates().max() {
            let rate = Some(node.clock.rate_ppm());
            s.hit_if(rates().min() == rate, Point::ElectedWithSlowestClock);
            s.hit_if(rates().max() == rate, Point::ElectedWithFastestClock);
        }
    }

    fn committed(&mut self, node: &Node, raft: &Raft, to: EntryId, cut: bool) {
        let s = &mut self.sometimes;
        let past = &mut self.nodes[place(node.id())];
        let (log, first) = (raft.log(), past.commit.next());
        let Role::Leader(leader) = raft.role() else {
            let told = std::mem::take(&mut past.told);
            s.hit_if(to.index < told && raft.term() == past.term, Point::CommitHeldBack);
            return;
        };
        let mut older: Vec<Term> = (first.0..=to.index.0)
            .map_while(|index| log.term_at(Index(index)).filter(|term| *term < raft.term()))
            .collect();
        older.dedup();
        s.hit_if(!older.is_empty(), Point::CommittedIndirectly);
        s.hit_if(older.len() > 1, Point::CommittedTwoOlderTerms);
        s.hit_if(to.index.0 - past.commit.0 > 30, Point::CommittedMany);
        s.hit_if(cut, Point::CommittedWhileLinksAreCut);
        s.hit_if(raft.configuration().is_joint(), Point::CommittedInJoint);
        s.hit_if(log.durable() < to.index, Point::CommittedBeforeOwnDisk);
        let others = leader.followers.values().filter(|p| p.match_index >= to.index).count();
        let needs_own = others > 0 && others == raft.configuration().voters.len() / 2;
        s.hit_if(needs_own && past.durable < to.index, Point::CommittedByOwnDisk);
        let newest = self.leaders.last().map(|(term, _)| *term);
        s.hit_if(newest > Some(raft.term()), Point::CommittedByOldLeader);
        s.hit_if(std::mem::take(&mut past.led_through_pause), Point::PausedLeaderLedOn);
    }

    /// What shows in the state of a node, whatever has just happened.
    fn look(&mut self, replica: &Replica) {
        let raft = replica.raft();
        let s = &mut self.sometimes;
        let past = &mut self.nodes[place(raft.id())];
        s.hit_if(raft.log().has_unwritten(), Point::WritesFull);
        match raft.role() {
            Role::Follower(_) => past.sending.clear(),
            Role::Candidate(Candidate { pre_vote, votes, .. }) => {
                past.sending.clear();
                let has_quorum =
                    || raft.configuration().has_quorum(|voter| votes.get(&voter) == Some(&true));
                s.hit_if(!pre_vote && has_quorum(), Point::VotesBeforeOwnDisk);
            }
            Role::Leader(leader) => {
                let grown = replica.applied_index().0 - raft.snapshot_last().index.0;
                let postponed = grown >= self.limits.snapshot_log_entries;
                s.hit_if(postponed && raft.is_sending_snapshot(), Point::SnapshotPostponed);
                for (follower, progress) in &leader.followers {
                    let waits = progress.mode == Mode::Replicate
                        && progress.next_index <= raft.log().last().index;
                    s.hit_if(waits && !progress.has_room(&self.limits), Point::WindowFull);
                    match progress.mode {
                        Mode::Snapshot { last, .. } => match past.sending.insert(*follower, last) {
                            None => s.hit(Point::FellBehindLog),
                            Some(before) => s.hit_if(before != last, Point::SnapshotOvertaken),
                        },
                        Mode::Probe { .. } | Mode::Replicate => {
                            past.sending.remove(follower);
                        }
                    }
                }
            }
        }
    }
}

/// A node's place among all.
fn place(node: NodeId) -> usize {
    node.0 as usize - 1
}
