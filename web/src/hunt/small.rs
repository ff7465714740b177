//! Making a run small that shows what is wanted: fewer nodes, then fewer commands, and all of it sooner.

use crate::hunt::{Found, Spent, Wanted, first, in_trouble};
use crate::session::{Cluster, Session};
use raft_core::time::Instant;
use raft_sim::shrink::fewer;

/// The smallest cluster that is tried: with fewer nodes there is nothing to learn about majorities.
const NODES_MIN: u64 = 3;

/// How many seeds are tried with fewer nodes: the draws are others then anyway.
const SEEDS_TRIED: u64 = 50;

/// How many events are played to make a run small: a few seconds of a browser.
const EVENTS_MAX: u64 = 2_000_000;

/// The smallest run that shows the same and is found before too much was played. `tell` hears how far it is
/// after each run.
pub fn smaller(found: Found, wanted: &Wanted, tell: impl FnMut(&Spent)) -> Found {
    let mut search = Search { best: found, wanted, spent: Spent::default(), tell };
    search.with_fewer_nodes();
    loop {
        let before = search.best.clone();
        search.drop_commands();
        search.hurry();
        if search.best == before {
            return before;
        }
    }
}

struct Search<'a, T> {
    best: Found,
    wanted: &'a Wanted,
    spent: Spent,
    tell: T,
}

impl<T: FnMut(&Spent)> Search<'_, T> {
    /// Whether a smaller session shows it, too: then it is the best from now on.
    fn try_out(&mut self, session: Session) -> bool {
        if self.spent.events >= EVENTS_MAX {
            return false;
        }
        let found = first(session, self.wanted, &mut self.spent);
        (self.tell)(&self.spent);
        let is_found = found.is_some();
        if let Some(found) = found {
            self.best = found;
        }
        is_found
    }

    fn with_fewer_nodes(&mut self) {
        let Session { seed, what_if, cluster: Cluster::Playground(nodes), .. } = self.best.session
        else {
            return;
        };
        for nodes in NODES_MIN..nodes {
            let seeds = (0..SEEDS_TRIED).map(|number| seed.wrapping_add(number));
            for seed in seeds {
                if self.try_out(Session { what_if, ..in_trouble(seed, nodes) }) {
                    return;
                }
            }
        }
    }

    fn drop_commands(&mut self) {
        let commands = self.best.session.commands.clone();
        fewer(commands, |commands| {
            let session = Session { commands, ..self.best.session.clone() };
            self.try_out(session).then(|| self.best.session.commands.clone())
        });
    }

    /// Takes half off all times, and then a fifth, as long as that goes.
    fn hurry(&mut self) {
        for (part, of) in [(1, 2), (4, 5)] {
            loop {
                let mut session = self.best.session.clone();
                session.commands.iter_mut().for_each(|(at, _)| *at = Instant(at.0 * part / of));
                if session == self.best.session || !self.try_out(session) {
                    break;
                }
            }
        }
    }
}
