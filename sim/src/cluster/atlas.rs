//! What may be destroyed: of everything that was acknowledged, and of every configuration in any log, the
//! atlas knows on whose disks it is, and in which lives. A fault that destroys data is allowed only while
//!
//! 1. in each configuration that may yet count, those voters are a quorum that remember: they are in the
//!    life that it admits, and none of their data is lost, or about to be found lost;
//! 2. the lives of its voters are known, so that who forgets is told from who remembers;
//! 3. no node that lacks something committed could be elected by those who lack it, too, and those who
//!    forgot it and pass for who they were: by a configuration that is old, and that only its log holds.
//!
//! In a run that goes beyond, the first is not asked: then the cluster has to halt.

use crate::cluster::Sim;
use crate::network::{Cargo, Place};
use crate::node::Node;
use raft_core::id::{EntryId, Incarnation, NodeId};
use raft_core::raft::Role;
use raft_core::raft::membership::{Change, Configuration, Goal};
use raft_core::replica::Input;
use raft_core::request::Request;

/// What becomes of the data of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// Its directory is empty. A new life begins, which may take the cluster for new.
    Wiped,
    /// It is noticed when the node starts. A new life begins, which waits to be admitted.
    Noticed,
    /// The same life goes on from this entry, and nobody else may notice.
    Entries(EntryId),
}

impl Sim {
    /// Whether a node may lose its data now.
    pub(super) fn may_lose(&self, place: usize, loss: Loss) -> bool {
        let id = self.nodes[place].id;
        let is_known = self.checker.configurations().all(|configuration| {
            let member = configuration.members.get(&id);
            member.is_none_or(|member| member.incarnation != Incarnation::UNKNOWN)
        });
        is_known
            && !self.ending
            && !self.is_change_asked()
            && (self.goes_beyond() || self.has_well_quorum(|node| node == id))
            && self.nobody_usurps(place, loss)
    }

    /// Whether data may be lost on any number of nodes.
    pub(super) fn goes_beyond(&self) -> bool {
        self.options.faults.as_ref().is_some_and(|faults| faults.beyond)
    }

    /// Whether every configuration that may come into force has a quorum of voters that are well, and not
    /// `without` these.
    pub(super) fn has_well_quorum(&self, without: impl Fn(NodeId) -> bool) -> bool {
        self.checker.configurations().all(|now| self.is_well(now, &without))
    }

    /// Whether a change of the members can be survived, as far as anyone can know. The leader may not know
    /// yet who has lost its data, and would refuse it if it did (docs/guarantees.md, "A change
    /// under way counts").
    pub(super) fn may_change(&self, change: &Change) -> bool {
        let most = self.options.limits.members_max;
        let next = |now: &Configuration| now.after(change, most).ok();
        let nobody = |_| false;
        let all = || self.checker.configurations();
        all()
            .filter_map(next)
            .all(|next| self.is_well(&next, &nobody) || !self.has_well_quorum(nobody))
    }

    /// The configuration, and each that it leads to by itself.
    fn is_well(&self, now: &Configuration, without: &impl Fn(NodeId) -> bool) -> bool {
        let has_quorum = |configuration: &Configuration| {
            configuration
                .has_quorum(|voter| !without(voter) && self.remembers(configuration, voter))
        };
        let most = self.options.limits.members_max;
        let mut possible = vec![now.clone()];
        for (learner, goal) in &now.learners {
            if *goal == Goal::Stay {
                continue;
            }
            for place in 0..possible.len() {
                let promoted = possible[place].after(&Change::Promote(*learner), most);
                if let Ok(promoted) = promoted {
                    possible.push(promoted.after_joint());
                    possible.push(promoted);
                }
            }
        }
        possible.iter().all(has_quorum)
    }

    /// Whether a voter of this configuration has all that it had when it was admitted.
    pub(super) fn remembers(&self, configuration: &Configuration, voter: NodeId) -> bool {
        let Some(node) = self.nodes.get(voter.0 as usize - 1) else { return false };
        let admitted = configuration.members.get(&voter).map(|member| member.incarnation);
        let is_admitted = match admitted {
            Some(Incarnation::UNKNOWN) => node.is_in_first_life(),
            admitted => admitted == Some(node.life()),
        };
        is_admitted && !node.disk.is_damaged() && !self.will_be_noticed(node)
    }

    /// Whether a node goes on with an older copy of its directory, and somebody will notice.
    fn will_be_noticed(&self, node: &Node) -> bool {
        let notices = |other: &Node| {
            let role = other.replica().map(|replica| replica.raft().role());
            let is_missed = match role {
                Some(Role::Leader(leader)) => {
                    leader.followers.get(&node.id).is_some_and(|f| f.lost)
                }
                _ => false,
            };
            is_missed || other.refuses(node.id, node.process())
        };
        let is_set_back = self.checker.last_on_disk(node.id) < node.set_back_from;
        is_set_back || self.nodes.iter().any(notices)
    }

    /// A question to change the members is on its way, or waits to be read: what it leads to is not known.
    pub(super) fn is_change_asked(&self) -> bool {
        let is_change = |request: &Request| matches!(request, Request::Change { .. });
        let mut waiting = self.nodes.iter().flat_map(|node| node.inbox());
        let mut flying = self.flights();
        waiting.any(|input| matches!(input, Input::Client { request, .. } if is_change(request)))
            || flying.any(|flight| match &flight.cargo {
                Cargo::Request { request, .. } => is_change(request),
                Cargo::Peer(_) | Cargo::Response { .. } => false,
            })
    }

    fn nobody_usurps(&self, place: usize, loss: Loss) -> bool {
        let lost = &self.nodes[place];
        let committed = self.checker.last_committed();
        let last = |node: &Node| match (node.id == lost.id, loss) {
            (false, _) => self.checker.last_on_disk(node.id),
            (true, Loss::Entries(last)) => last,
            (true, Loss::Wiped | Loss::Noticed) => EntryId::default(),
        };
        let votes_for = |configuration: &Configuration, ends: EntryId, voter: NodeId| {
            let Some(node) = self.nodes.get(voter.0 as usize - 1) else { return false };
            let admitted = configuration.members.get(&voter).map(|member| member.incarnation);
            let passes = match admitted {
                Some(Incarnation::UNKNOWN) => true,
                admitted => {
                    let goes_on = node.id != lost.id || matches!(loss, Loss::Entries(_));
                    goes_on && admitted == Some(node.life())
                }
            };
            passes && last(node) <= ends
        };
        self.nodes.iter().all(|candidate| {
            let (ends, known) = match (candidate.id == lost.id, loss) {
                (false, _) if self.checker.holds(candidate.id, committed) => return true,
                (false, _) => self.checker.may_act_by(candidate.id),
                (true, Loss::Noticed) => return true,
                (true, Loss::Wiped) => (EntryId::default(), vec![EntryId::default()]),
                (true, Loss::Entries(last)) => (last, vec![self.checker.configured_by(last)]),
            };
            known.into_iter().all(|id| {
                let is_founder = candidate.disk.is_founder() || candidate.id == lost.id;
                let knows_none =
                    id == EntryId::default() && !(candidate.is_told_founders && is_founder);
                let configuration = self.checker.configuration(id);
                let elects = |voter| voter == candidate.id || votes_for(configuration, ends, voter);
                knows_none || !configuration.has_quorum(elects)
            })
        })
    }

    /// Whether a node that would be up again at once is told by one it can reach that its directory is an
    /// older copy.
    pub(super) fn is_told_that_it_is_a_copy(&self, place: usize, count: u64) -> bool {
        let node = &self.nodes[place];
        let process = crate::node::Process { count, number: u64::MAX, ..node.process() };
        self.nodes.iter().any(|other| {
            let is_awake = other.is_up() && !other.is_paused();
            is_awake && self.network.is_whole(node.id, other.id) && other.refuses(node.id, process)
        })
    }

    /// Whether this is the one who changes the members.
    pub(super) fn is_operator(&self, place: Place) -> bool {
        place == Place::Client(self.workload.operator())
    }
}
