//! The lives of data directories: telling a server that remembers from one that has forgotten.
//!
//! Raft counts on every voter to remember its votes and its acknowledgements. A directory that was wiped,
//! or lost to damage, begins a new life under a new [`Incarnation`], and knows nothing. The configuration
//! names the life of each member that was admitted; what another life says of its vote and its log counts
//! for nothing. When the admitted life is silent and another is heard, the leader makes the member a
//! learner of that life, which refills and is promoted as any other ([`change`](super::change)). Since
//! that takes one voter away, it needs the votes of those who remember: if too few are left, nothing can
//! be decided, and that is right.

use crate::id::{EntryId, Incarnation, Index, NodeId, Term};
use crate::raft::event::{Event, WhyFollower};
use crate::raft::{Raft, Role};
use crate::seeded::{Bug, makes};
use crate::time::Instant;
use crate::vec_map::VecMap;

/// Which lives this server has heard of.
#[derive(Clone, Debug, Default)]
pub(super) struct Lives {
    /// Members that speak as another life than the admitted one.
    strangers: VecMap<NodeId, Stranger>,
    /// This server's own life is not admitted: it was founded by nobody and added by nobody yet, or
    /// someone who must know has said so.
    turned_away: bool,
    /// A candidate counts on the vote of this server, which is none by its own log, and cannot have it: the
    /// log here is newer, so it may be the only one that can win.
    asked_in_vain: bool,
    /// The strangers are so many that no quorum is left.
    quorum_lost: bool,
}

/// A life that was not admitted, as it was last heard.
#[derive(Clone, Copy, Debug)]
struct Stranger {
    life: Incarnation,
    term: Term,
    heard_at: Instant,
}

impl Raft {
    /// Hears from `life` of `node` in `term`. Returns whether that is not the life that was admitted.
    pub(super) fn meet(&mut self, node: NodeId, life: Incarnation, term: Term) -> bool {
        let heard_by_leader = match &self.role {
            Role::Leader(leader) => leader.followers.get(&node).map(|progress| progress.life),
            Role::Follower(_) | Role::Candidate(_) => None,
        };
        let is_stranger = match heard_by_leader {
            // Of a founding member, the first life that this leader heard of is the one.
            Some(known) => known != Incarnation::UNKNOWN && known != life,
            None => self.configuration().is_stranger(node, life),
        };
        if makes(Bug::TrustsAnyLife) {
            return false;
        }
        if is_stranger {
            self.lives.strangers.insert(node, Stranger { life, term, heard_at: self.now });
            self.look_for_a_quorum();
        } else if self.lives.strangers.remove(&node).is_some() {
            self.lives.quorum_lost = false;
        }
        is_stranger
    }

    /// The life that speaks as the member `node` now and is not the admitted one. A life of now answers the
    /// leader in its term: what was said in an earlier one may be late, from a life that was lost long ago,
    /// and no reason to take the vote from the one that was admitted since.
    pub(super) fn stranger(&self, node: NodeId) -> Option<Incarnation> {
        let Stranger { life, term, heard_at } = *self.lives.strangers.get(&node)?;
        let is_of_now = self.now - heard_at <= self.config.timing.election_timeout_max;
        (is_of_now && term >= self.term()).then_some(life)
    }

    /// Says so when too few voters remember for anything to be decided.
    fn look_for_a_quorum(&mut self) {
        let strangers = &self.lives.strangers;
        let is_lost = !self.configuration().has_quorum(|voter| !strangers.contains_key(&voter));
        if is_lost && !self.lives.quorum_lost {
            let configuration = self.configuration();
            let lost = configuration.all_voters().filter(|voter| strangers.contains_key(voter));
            let event = Event::QuorumLost { lost: lost.collect() };
            self.output.events.push(event);
        }
        self.lives.quorum_lost = is_lost;
    }

    /// Someone who must know says that the configuration at `index` does not admit this life: it stands in
    /// no election and votes in none until a newer one does. In whatever term it was said.
    pub(super) fn turn_away(&mut self, by: NodeId, index: Index) {
        let own = self.configurations.last().expect("never empty").0;
        if index <= own || self.lives.turned_away {
            return;
        }
        self.lives.turned_away = true;
        self.output.events.push(Event::NotAdmitted { by });
        self.become_follower(self.term(), WhyFollower::NotAdmitted { by });
    }

    /// Whether this server takes its cluster for new: it has nothing, and knows nobody's life. It may be
    /// wrong, if its directory was wiped.
    pub(super) fn is_newborn(&self) -> bool {
        let (index, configuration) = self.configurations.last().expect("never empty");
        let mut members = configuration.members.values();
        *index == Index(0)
            && self.log.last() == EntryId::default()
            && members.any(|member| member.incarnation == Incarnation::UNKNOWN)
    }

    /// Whether this life is not admitted, as far as it knows.
    pub(super) fn is_turned_away(&self) -> bool {
        self.lives.turned_away
    }

    /// A server that starts votes only if it was there at the founding, or its log has ever admitted it.
    pub(super) fn look_whether_admitted(&mut self) {
        let (id, life) = (self.id(), self.config.incarnation);
        let mut known = self.configurations.iter().map(|(_, configuration)| configuration);
        self.lives.turned_away =
            !known.any(|known| known.members.contains_key(&id) && !known.is_stranger(id, life));
    }

    /// Whether this life may stand for election: it has a vote, and nobody has said that it has not. A
    /// removal that is not committed does not count: it may be that nobody else can be elected, for want of
    /// the entry that removes this server. For the same reason a learner may stand whose vote others miss
    /// (thesis §4.2.2).
    pub(super) fn may_stand(&self) -> bool {
        let (id, life) = (self.id(), self.config.incarnation);
        let committed = self.configurations.partition_point(|(index, _)| *index <= self.commit);
        let mut known = self.configurations[committed.saturating_sub(1)..].iter();
        (known.any(|(_, configuration)| configuration.is_voter(id)) || self.lives.asked_in_vain)
            && !self.configuration().is_stranger(id, life)
            && !self.is_turned_away()
    }

    /// A candidate was refused its vote because of this server's log.
    pub(super) fn note_asked_in_vain(&mut self) {
        self.lives.asked_in_vain = self.configuration().members.contains_key(&self.id());
    }

    /// A configuration is in force that may name this life, or take back who was a stranger.
    pub(super) fn look_at_lives(&mut self) {
        self.hear_from_leader();
        let configuration = &self.configurations.last().expect("never empty").1;
        let strangers = &mut self.lives.strangers;
        strangers.retain(|node, stranger| configuration.is_stranger(*node, stranger.life));
    }

    /// A leader speaks to its members only: one that its own log admits was turned away for nothing, or
    /// long ago.
    pub(super) fn hear_from_leader(&mut self) {
        self.lives.asked_in_vain = false;
        if self.lives.turned_away {
            let (index, configuration) = self.configurations.last().expect("never empty");
            let own = configuration.members.get(&self.config.id);
            let is_admitted = own.is_some_and(|own| own.incarnation == self.config.incarnation);
            self.lives.turned_away = *index == Index(0) || !is_admitted;
        }
    }
}
