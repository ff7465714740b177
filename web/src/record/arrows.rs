//! The messages of a run, in the order of arrival. There are as many as events, so they are kept in pieces
//! which branches of a run share.

use crate::look;
use crate::scene::Kind;
use raft_core::id::{NodeId, Term};
use raft_core::time::Instant;
use raft_sim::{Flight, Place, Sim};
use std::collections::VecDeque;
use std::rc::Rc;

/// How many messages a piece holds.
const PIECE: usize = 1_024;

/// The most pieces kept: 100,000 messages, as many as there are in about as many events, in 8 MiB.
const PIECES_MAX: usize = 98;

/// A message between nodes that has arrived or was lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrow {
    /// The step of its arrival.
    pub step: u64,
    /// Its number.
    pub id: u64,
    /// From this node.
    pub from: NodeId,
    /// To this node.
    pub to: NodeId,
    /// When it was sent.
    pub sent: Instant,
    /// When it arrived, or would have.
    pub arrived: Instant,
    /// What it is, or what it answers.
    pub kind: Kind,
    /// For an answer, whether it is a yes.
    pub answer: Option<bool>,
    /// The term it speaks in.
    pub term: Term,
    /// Whether it was lost.
    pub lost: bool,
}

/// The newest messages of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrows {
    pieces: VecDeque<Rc<Vec<Arrow>>>,
    /// The moment of the last one that was forgotten.
    forgotten: Option<Instant>,
}

impl Arrow {
    /// The message of a flight that is about to end, if it is between nodes.
    pub fn of(sim: &Sim, flight: &Flight) -> Option<Self> {
        let (Place::Node(from), Place::Node(to)) = (flight.from, flight.to) else { return None };
        let (kind, answer, term) = look::message::kind(sim, flight);
        let (sent, arrived) = (flight.sent_at, flight.arrives_at);
        let lost = flight.lost || sim.is_cut(from, to);
        Some(Self { step: 0, id: flight.id, from, to, sent, arrived, kind, answer, term, lost })
    }
}

impl Arrows {
    pub(super) fn push(&mut self, arrow: Arrow) {
        if self.pieces.back().is_none_or(|piece| piece.len() == PIECE) {
            self.pieces.push_back(Rc::new(Vec::with_capacity(PIECE)));
        }
        if let Some(piece) = self.pieces.back_mut() {
            Rc::make_mut(piece).push(arrow);
        }
        if self.pieces.len() > PIECES_MAX {
            let oldest = self.pieces.pop_front();
            self.forgotten = oldest.and_then(|piece| Some(piece.last()?.arrived));
        }
    }

    /// Forgets what came after a step.
    pub(super) fn forget_after(&mut self, step: u64) {
        self.pieces.retain(|piece| piece[0].step <= step);
        if let Some(piece) = self.pieces.back_mut() {
            Rc::make_mut(piece).retain(|arrow| arrow.step <= step);
        }
    }

    pub(super) fn between(&self, from: Instant, until: Instant) -> impl Iterator<Item = &Arrow> {
        let ends_before = |piece: &Rc<Vec<Arrow>>| piece[piece.len() - 1].arrived < from;
        let pieces = self.pieces.range(self.pieces.partition_point(ends_before)..);
        let first =
            move |piece: &Rc<Vec<Arrow>>| piece.partition_point(|arrow| arrow.arrived < from);
        let arrows = pieces.flat_map(move |piece| &piece[first(piece)..]);
        arrows.filter(move |arrow| arrow.sent <= until)
    }

    pub(super) fn density(&self, parts: usize, end: Instant) -> (Vec<u32>, Instant) {
        let mut density = vec![0; parts];
        let share = parts as f64 / end.0.max(1) as f64;
        for arrow in self.pieces.iter().flat_map(|piece| &**piece) {
            let part = (arrow.arrived.0 as f64 * share) as usize;
            density[part.min(parts - 1)] += 1;
        }
        (density, self.forgotten.unwrap_or_default())
    }
}
