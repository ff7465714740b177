//! How a run with faults ends: the healed cluster elects, converges and answers, and what clients saw
//! all along was one store.

use crate::checker::{Broken, Check, Property, View};
use crate::cluster::Sim;
use crate::linearizability::certificate::{Effect, certify};
use crate::linearizability::{self, Operation};
use crate::queue::Event;
use crate::sometimes::Point;
use raft_core::raft::log::Log;
use raft_core::raft::membership::{Goal, Member};
use raft_core::replica::Replica;
use std::fmt::Write as _;

/// Every so many-th seed, the history is judged by a search as well.
const SEARCH_EVERY: u64 = 100;

impl Sim {
    /// Whether the healed cluster is well, of which more is asked then.
    pub(super) fn look_for_the_end(&mut self) -> Check {
        let is_healing = self.ending && self.calm.is_none();
        if is_healing && self.workload.has_ended() && self.has_converged() {
            self.begin_calm()
        } else {
            Ok(())
        }
    }

    /// From now on there is so much time for healing.
    pub(super) fn await_verdict(&mut self) {
        if let Some(faults) = &self.options.faults {
            self.queue.at(self.now + faults.healing_max, Event::Verdict);
        }
    }

    /// The time for healing is over, or that for staying well.
    pub(super) fn verdict(&mut self) -> Check {
        if self.goes_beyond() && self.has_halted() {
            self.counters.halts += 1;
            self.over = true;
            return self.check_history();
        }
        if let Some(calm) = self.calm.clone() {
            return self.judge_calm(calm);
        }
        let open = self.history().iter().filter(|operation| operation.returned.is_none()).count();
        let facts = format!(
            "the healed cluster is not well in time, and {open} operations have no outcome:{}",
            self.states()
        );
        Err(Broken { property: Property::Liveness, facts })
    }

    /// Ends a run that went well, after a last look at everything.
    pub(super) fn end(&mut self) -> Check {
        self.over = true;
        let members = self.leader().map(|leader| leader.raft().configuration().members.clone());
        for node in &self.nodes {
            let is_member = members.as_ref().is_some_and(|members| members.contains_key(&node.id));
            let Some(replica) = node.replica().filter(|_| is_member) else { continue };
            let found = node.disk.look();
            let found = found.map_err(|damage| Broken {
                property: Property::Recovery,
                facts: format!("the disk of node {} cannot be read: {damage}", node.id),
            })?;
            self.checker.check_whole(&View::of(replica), &found.durable)?;
        }
        self.check_history()?;
        self.trace.line(self.now, None, format_args!("all is well"));
        Ok(())
    }

    /// Linearizability of a run that has no end to be judged at: after every answer. There are few, since a
    /// person asks.
    pub(super) fn check_history_so_far(&self) -> Check {
        if self.options.faults.is_some() {
            return Ok(());
        }
        match linearizability::check(self.workload.history().iter()) {
            Ok(()) | Err(linearizability::Violation::Undecided { .. }) => Ok(()),
            Err(found) => {
                Err(Broken { property: Property::Linearizability, facts: found.to_string() })
            }
        }
    }

    /// Linearizability, by the certificate that the log is. Now and then by a search, too, which knows
    /// nothing of the log and must agree.
    fn check_history(&mut self) -> Check {
        let history: Vec<Operation> = self.workload.history().iter().cloned().collect();
        let effects: Vec<Effect> = self.checker.effects().iter().cloned().collect();
        let certified = certify(&history, &effects);
        let mut searched = Ok(());
        self.counters.certified += 1;
        if certified.is_err() || self.options.seed.is_multiple_of(SEARCH_EVERY) {
            self.counters.searched += 1;
            searched = linearizability::check(&history).map_err(|found| found.to_string());
        }
        let facts = match (certified, searched) {
            (Ok(unknown), Ok(())) => {
                let sometimes = &mut self.watch.sometimes;
                sometimes.hit_if(unknown.happened > 0, Point::UnknownHappened);
                sometimes.hit_if(unknown.never > 0, Point::UnknownNeverHappened);
                return Ok(());
            }
            (Ok(_), Err(found)) => format!("{found}; but the log explains every operation"),
            (Err(facts), Ok(())) => format!("{facts}; but each key alone could be in order"),
            (Err(facts), Err(found)) => format!("{facts}; {found}"),
        };
        Err(Broken { property: Property::Linearizability, facts })
    }

    /// One leader, followed by every member that is left; every log the same, committed, applied and
    /// durable; no change of the members under way, and nobody left who waits to vote.
    pub(super) fn has_converged(&self) -> bool {
        let Some(leader) = self.leader() else { return false };
        let configuration = leader.raft().configuration();
        let state = |replica: &Replica| {
            let (raft, log): (_, &Log) = (replica.raft(), replica.raft().log());
            (raft.term(), raft.leader(), log.last(), raft.commit_index(), replica.applied_index())
        };
        let is_quiet = |replica: &Replica| {
            let log = replica.raft().log();
            let last = log.last().index;
            log.durable() == last && replica.applied_index() == last
        };
        let is_settled = |member: &Member| {
            let node = &self.nodes[member.id.0 as usize - 1];
            let waits = configuration.learners.get(&member.id).is_some_and(|g| *g != Goal::Stay);
            node.abandoned
                || (member.incarnation == node.life()
                    && !waits
                    && node.replica().is_some_and(|o| is_quiet(o) && state(o) == state(leader)))
        };
        !configuration.is_joint() && configuration.members.values().all(is_settled)
    }

    /// The leader, if there is one.
    pub(super) fn leader(&self) -> Option<&Replica> {
        let leader = (0..self.nodes.len()).find(|place| self.is_leader(*place));
        leader.and_then(|place| self.nodes[place].replica())
    }

    /// How each node that is up is, in words.
    pub(super) fn states(&self) -> String {
        let mut states = String::new();
        for node in &self.nodes {
            let Some(replica) = node.replica() else { continue };
            let (raft, last) = (replica.raft(), replica.raft().log().last());
            let _ = write!(
                states,
                " node {} of life {} is {} of term {}, log to {last}, durable {}, commit {}, applied {}, {};",
                node.id,
                node.life(),
                raft.role_name(),
                raft.term(),
                raft.log().durable(),
                raft.commit_index(),
                replica.applied_index(),
                raft.configuration()
            );
        }
        states
    }
}

#[cfg(test)]
mod tests {
    use crate::{Cargo, Command, Options, Property, Sim};
    use raft_core::error::Error;
    use raft_core::id::{Index, Ticket};
    use raft_core::kv::command::Item;
    use raft_core::request::{Reply, Response};

    /// A cluster whose client 0 waits for an answer to what a command has made it ask, by this ticket.
    fn asked(command: Command) -> (Sim, Ticket) {
        let mut sim = Sim::new(Options::playground(1, 1));
        sim.command(command);
        loop {
            let request = sim.flights().find_map(|flight| match flight.cargo {
                Cargo::Request { ticket, .. } => Some(ticket),
                Cargo::Peer(_) | Cargo::Response { .. } => None,
            });
            match request {
                Some(ticket) => return (sim, ticket),
                None => assert!(sim.step()),
            }
        }
    }

    fn write() -> Command {
        Command::Write { key: "k".into(), value: "v".into() }
    }

    #[test]
    fn a_history_of_two_stores_is_reported() {
        let item = |value: &'static str| Item {
            key: "k".into(),
            value: Some(value.into()),
            created: Index(1),
            modified: Index(1),
        };
        let told = |response: Response| {
            let (mut sim, ticket) = asked(Command::Read { key: "k".into() });
            sim.workload.answer(0, sim.now, ticket, &response).expect("it is an answer");
            sim.check_history().map_err(|broken| broken.property)
        };
        assert_eq!(told(Err(Error::NotFound)), Ok(()));
        // Nobody has ever set it.
        assert_eq!(told(Ok(Reply::Item(item("v")))), Err(Property::Linearizability));
    }

    #[test]
    fn an_answer_that_speaks_of_a_newer_write_is_reported() {
        let answer = |response: Response| {
            let (mut sim, ticket) = asked(write());
            sim.workload.answer(0, sim.now, ticket, &response)
        };
        assert!(answer(Err(Error::SequencePassed)).is_err());
        assert!(answer(Err(Error::OutcomeUnknown)).is_ok());
    }

    #[test]
    fn playground_judges_its_history_after_every_answer() {
        let judged = |existed: bool| {
            let (mut sim, ticket) = asked(write());
            let reply = Reply::Written { revision: Index(2), existed, copies: None };
            sim.workload.answer(0, sim.now, ticket, &Ok(reply)).expect("a good answer");
            sim.check_history_so_far()
        };
        assert!(judged(false).is_ok());
        let broken = judged(true).expect_err("nobody wrote the key before");
        assert_eq!(broken.property, Property::Linearizability);
    }
}
