//! What is done to a node's machine other than crashes: its clock, and what its operator asks of it.

use crate::checker::Check;
use crate::clock::{Clock, TRUE_RATE_PPM};
use crate::cluster::Sim;
use crate::faults::{RATE_PPM_MAX, RATE_PPM_MIN};
use raft_core::replica::Input;

impl Sim {
    pub(super) fn set_rate(&mut self, place: usize, rate_ppm: u32) -> Check {
        let rate_ppm = u64::from(rate_ppm.clamp(RATE_PPM_MIN, RATE_PPM_MAX));
        self.set_clock(place, self.nodes[place].clock.at_rate(self.now, rate_ppm))
    }

    /// A clock that is further off than the options say is right again.
    pub(super) fn mend_clock(&mut self, place: usize) -> Check {
        let clock = self.nodes[place].clock;
        match clock.rate_ppm().abs_diff(TRUE_RATE_PPM) > u64::from(self.options.clock_skew_ppm) {
            true => self.set_clock(place, clock.at_rate(self.now, TRUE_RATE_PPM)),
            false => Ok(()),
        }
    }

    /// The clock jumps: whoever waits for an election timeout has waited for it. Nothing in the node is
    /// touched, so that what follows is what it does when the time has come.
    pub(super) fn fire_timer(&mut self, place: usize) -> Check {
        let node = &self.nodes[place];
        let due = node.replica().and_then(|replica| replica.raft().election_due());
        match due.filter(|due| *due > node.time(self.now)) {
            Some(due) => self.set_clock(place, node.clock.restarted(self.now, due)),
            None => Ok(()),
        }
    }

    pub(super) fn ask_for_snapshot(&mut self, place: usize) -> Check {
        let node = &self.nodes[place];
        if node.is_up() { self.deliver(node.id, Input::Snapshot) } else { Ok(()) }
    }

    fn set_clock(&mut self, place: usize, clock: Clock) -> Check {
        let node = &mut self.nodes[place];
        node.clock = clock;
        // The alarm was set by the clock as it was.
        self.queue.cancel(node.wake.take().map(|(_, key)| key));
        self.set_alarm(place);
        Ok(())
    }
}
