//! What is done to single messages.

use crate::cluster::Sim;
use crate::faults::{DELAY_MAX, Fate};
use crate::network::{Cargo, Flight};
use crate::queue::Event;

impl Sim {
    /// Decides what becomes of a message, if it is under way.
    pub(super) fn decide(&mut self, id: u64, fate: Fate) {
        let flying = self.queue.take_flight(id).or_else(|| self.network.take_held(id));
        let Some(mut flight) = flying else { return };
        flight.turn(self.now);
        match fate {
            // From the end of all faults on nothing goes wrong any more.
            Fate::Drop | Fate::Hold | Fate::Delay(_) | Fate::Duplicate if self.ending => {}
            Fate::Drop => flight.lost = true,
            Fate::Hold => return self.network.hold(flight),
            Fate::Delay(by) => flight.arrives_at = flight.arrives_at + by.min(DELAY_MAX),
            Fate::Duplicate => self.double(&flight),
            Fate::Release => flight.held = false,
            Fate::Deliver => flight.arrives_at = self.now,
        }
        match flight.held && matches!(fate, Fate::Delay(_) | Fate::Duplicate) {
            true => self.network.hold(flight),
            false => self.fly(flight),
        }
    }

    /// Every message that is held goes on.
    pub(super) fn release_all(&mut self) {
        let held: Vec<u64> = self.network.held().map(|flight| flight.id).collect();
        held.into_iter().for_each(|id| self.decide(id, Fate::Release));
    }

    fn double(&mut self, flight: &Flight) {
        if matches!(flight.cargo, Cargo::Peer(_)) {
            let copy = self.network.again(self.now, flight);
            self.counters.messages += 1;
            self.workload.may_be_doubled();
            self.fly(copy);
        }
    }

    fn fly(&mut self, flight: Box<Flight>) {
        let flight = Box::new(Flight { held: false, ..*flight });
        self.queue.at(flight.arrives_at, Event::Arrive(flight));
    }
}
