//! The last part of a run: the healed cluster is well, and must stay so. Nothing goes wrong any more but that
//! one node does not hear the leader for a while, which must not cost the leader its office; nor may those
//! who belong to the cluster no more (thesis §4.2.3).

use crate::checker::{Broken, Check, Property};
use crate::cluster::Sim;
use crate::faults::Command;
use crate::options::Options;
use crate::queue::Event;
use crate::sometimes::Point;
use raft_core::id::NodeId;
use raft_core::time::Instant;

/// The calm, from when the cluster was well.
#[derive(Clone, Debug)]
pub(super) struct Calm {
    /// Elections before it.
    elections: u64,
    /// Nodes that had been told to stand.
    told: u64,
    /// Lives that had been lost.
    lives_lost: u64,
    until: Instant,
}

impl Sim {
    /// The cluster is well. Where messages may take too long for anyone to tell a leader that is slow from
    /// one that is gone, the run ends here.
    pub(super) fn begin_calm(&mut self) -> Check {
        if !is_prompt(&self.options) {
            return self.end();
        }
        let timeout = self.options.timing.election_timeout_max;
        // Long enough for the slowest clock, and then for the leader to be heard again.
        let (heard_again_at, until) = (self.now + timeout * 2, self.now + timeout * 3);
        let (elections, told) = (self.counters.elections, self.operator.told);
        let lives_lost = self.counters.lives_lost;
        self.calm = Some(Calm { elections, told, lives_lost, until });
        self.queue.at(until, Event::Verdict);
        let Some((leader, deaf)) = self.who_goes_deaf() else { return Ok(()) };
        self.watch.sometimes.hit(Point::DeafNode);
        let heal = Command::Heal { from: leader, to: deaf };
        self.queue.at(heard_again_at, Event::Command(Box::new(heal)));
        self.carry_out(Command::Cut { from: leader, to: deaf })
    }

    /// The leader, and a voter that it can do without.
    fn who_goes_deaf(&mut self) -> Option<(NodeId, NodeId)> {
        let leader = self.leader()?;
        let configuration = leader.raft().configuration();
        let id = leader.raft().id();
        let is_up = |node: NodeId| self.nodes[node.0 as usize - 1].is_up();
        let can_miss =
            |deaf: NodeId| configuration.has_quorum(|voter| voter != deaf && is_up(voter));
        let voters = configuration.voters.iter().copied();
        let deaf: Vec<NodeId> =
            voters.filter(|voter| *voter != id && is_up(*voter) && can_miss(*voter)).collect();
        if deaf.is_empty() { None } else { Some((id, self.random.pick(&deaf))) }
    }

    /// Whether the calm was one, if it is over.
    pub(super) fn judge_calm(&mut self, calm: Calm) -> Check {
        let Calm { elections, told, lives_lost, until } = calm;
        if self.now < until {
            return Ok(());
        }
        let is_led_on = self.counters.elections == elections;
        if is_led_on && self.has_converged() {
            return self.end();
        }
        let is_disturbed = self.operator.told > told || self.counters.lives_lost > lives_lost;
        if is_led_on || is_disturbed {
            // A word from before the healing came late: a write is under way still, leadership was handed over,
            // or an older copy was found to be one. Once more, and there is time enough for it again.
            self.calm = None;
            self.await_verdict();
            return self.look_for_the_end();
        }
        let facts = format!(
            "the cluster was well and nothing went wrong but that one node did not hear its leader, yet \
             there were {} elections:{}",
            self.counters.elections - elections,
            self.states()
        );
        Err(Broken { property: Property::Stability, facts })
    }
}

/// Whether heartbeats reach every node, and the answers their leader, well before an election timeout has
/// passed on the fastest clock, the leader's own being the slowest.
fn is_prompt(options: &Options) -> bool {
    let Options { timing, network, .. } = options;
    let turns = if options.part_ppm > 0 { 8 } else { 4 };
    let ways = network.delay_max.max(network.delay_min) * 2 + options.work_max * turns;
    let (slowest, fastest) =
        (1_000_000 - options.clock_skew_ppm, 1_000_000 + options.clock_skew_ppm);
    let heartbeat = timing.heartbeat_interval * 1_000_000 / slowest;
    heartbeat + ways < timing.election_timeout_min * 1_000_000 / fastest
}
