//! What shows in who belongs to the cluster, and in how leadership is handed over.

use crate::node::Node;
use crate::sometimes::Point;
use crate::watch::{Watch, place};
use raft_core::id::{Incarnation, Index, NodeId, Term};
use raft_core::raft::Raft;
use raft_core::raft::event::{Event, RoleName};
use raft_core::raft::membership::{Configuration, Refusal};
use raft_core::vec_map::VecSet;

/// What must be remembered of the members.
#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    removed: VecSet<NodeId>,
    /// Members that were found to have forgotten everything, and have no vote since.
    lost: VecSet<NodeId>,
    /// In which term two sets of voters began to decide together.
    joint_since: Option<Term>,
}

impl Watch {
    /// Something happened that is about belonging to the cluster.
    pub(super) fn belongs(
        &mut self,
        nodes: &[Node],
        node: &Node,
        raft: &Raft,
        event: &Event,
        cut: bool,
    ) {
        let s = &mut self.sometimes;
        let past = &mut self.nodes[place(node.id())];
        match event {
            Event::ConfigurationAdopted { index, configuration } => {
                let before = std::mem::replace(&mut past.configured_at, *index);
                let removed = *index < before;
                s.hit_if(removed, Point::MembersRolledBack);
                let log = raft.log();
                s.hit_if(!removed && log.base().index >= *index, Point::SnapshotBroughtMembers);
                if raft.role_name() == RoleName::Leader && log.last().index == *index {
                    let before = std::mem::take(&mut past.configuration);
                    self.changed(&before, configuration, raft.term());
                    let s = &mut self.sometimes;
                    s.hit_if(cut, Point::ChangeWhileCut);
                }
            }
            Event::NotAdmitted { .. } => {
                let newborn = raft.log().last().index == Index(0);
                s.hit(if newborn { Point::NewbornTurnedAway } else { Point::RemovedIsTold });
            }
            Event::MemberLost { node } => {
                self.members.lost.insert(*node);
                s.hit(Point::MemberLost);
            }
            Event::TransferStarted { to } => {
                s.hit(Point::TransferStarted);
                s.hit_if(raft.disk_is_full(), Point::FullLeaderHandedOver);
                let target = nodes[place(*to)].replica().map(|target| target.raft().log().last());
                s.hit_if(target != Some(raft.log().last()), Point::TransferWaited);
            }
            Event::TransferTimedOut { .. } => s.hit(Point::TransferTimedOut),
            Event::ToldToStand { .. } => past.told_to_stand = true,
            Event::DiskFull { is_full: true } => s.hit(Point::DiskFilled),
            Event::DiskFull { is_full: false } => s.hit(Point::DiskHadRoomAgain),
            _ => {}
        }
    }

    /// A leader has made one configuration into another.
    fn changed(&mut self, before: &Configuration, after: &Configuration, term: Term) {
        let (s, members) = (&mut self.sometimes, &mut self.members);
        for added in after.members.keys().filter(|node| !before.members.contains_key(node)) {
            s.hit(Point::LearnerAdded);
            s.hit_if(members.removed.contains(added), Point::AddedAgain);
        }
        for removed in before.members.keys().filter(|node| !after.members.contains_key(node)) {
            let voted = before.is_voter(*removed);
            s.hit(if voted { Point::VoterRemoved } else { Point::LearnerRemoved });
            members.removed.insert(*removed);
        }
        for promoted in after.voters.iter().filter(|voter| !before.voters.contains(voter)) {
            s.hit(Point::LearnerPromoted);
            s.hit_if(members.lost.remove(promoted), Point::MemberBack);
        }
        let unknown = |configuration: &Configuration| {
            configuration.members.values().any(|m| m.incarnation == Incarnation::UNKNOWN)
        };
        s.hit_if(unknown(before) && !unknown(after), Point::FoundersKnown);
        let (had, have) = (before.voters.len(), after.voters.len());
        s.hit_if(had == 2 && have == 1, Point::ShrankToOne);
        s.hit_if(had == 1 && have == 2, Point::GrewFromOne);
        s.hit_if(had != 4 && have == 4, Point::VotersOfFour);
        match (before.is_joint(), after.is_joint()) {
            (false, true) => {
                s.hit(Point::JointEntered);
                members.joint_since = Some(term);
            }
            (true, false) => {
                s.hit(Point::JointLeft);
                let since = members.joint_since.take();
                s.hit_if(since.is_some_and(|since| since < term), Point::JointLeftByAnother);
            }
            _ => {}
        }
    }

    /// Whoever asked for a change or for another leader was told why not.
    pub(crate) fn refused(&mut self, why: &Refusal) {
        let s = &mut self.sometimes;
        match why {
            Refusal::InProgress => s.hit(Point::ChangeInProgress),
            Refusal::TermNotCommitted => s.hit(Point::ChangeTooEarly),
            Refusal::LosesQuorum { .. } => s.hit(Point::ChangeLosesQuorum),
            Refusal::Lagging { .. } => s.hit(Point::ChangeLagging),
            Refusal::LastVoter => s.hit(Point::ChangeOfLast),
            _ => {}
        }
    }
}
