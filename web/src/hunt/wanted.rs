//! What one may want to see.

use raft_core::id::Term;
use raft_sim::{Point, Sim};

/// Something to look for.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name in the page.
    pub name: &'static str,
    /// What happens, in a sentence without its full stop.
    pub says: &'static str,
    sign: Sign,
}

/// What shows that it has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    /// The run comes to this point.
    At(Point),
    /// Candidates stand in so many terms, and nobody is elected in between.
    Rounds(u64),
    /// A check fails.
    CheckFails,
}

macro_rules! wanted {
    ($($name:literal $says:literal $sign:expr,)*) => {
        &[$(Wanted { name: $name, says: $says, sign: $sign }),*]
    };
}

/// Everything to look for, in the order in which one learns of it.
pub const ALL: &[Wanted] = wanted! {
    "split-vote" "two candidates stand in one term" Sign::At(Point::SplitVote),
    "three-rounds" "an election takes three rounds" Sign::Rounds(3),
    "two-leaders" "two nodes believe that they lead" Sign::At(Point::ElectedBesideOldLeader),
    "deposed" "a leader that reaches no majority steps down" Sign::At(Point::LeaderLostQuorum),
    "refused" "a candidate is refused, since its log is behind" Sign::At(Point::VoteRefusedForLog),
    "overwritten" "a leader loses entries that it made itself" Sign::At(Point::TruncatedOwn),
    "shorter-log" "the shorter log wins, since its last term is later" Sign::At(Point::ElectedWithShorterLog),
    "figure-8" "an entry of an older term is committed by a later one" Sign::At(Point::CommittedIndirectly),
    "snapshot" "a snapshot is installed" Sign::At(Point::SnapshotInstalled),
    "handed-over" "leadership is handed over" Sign::At(Point::ElectedAsTold),
    "back" "a node that lost its disk gets its vote back" Sign::At(Point::MemberBack),
    "check-fails" "a check fails" Sign::CheckFails,
};

/// What has this name.
pub fn named(name: &str) -> Option<&'static Wanted> {
    ALL.iter().find(|wanted| wanted.name == name)
}

/// Looks out for something in a run.
pub(super) struct Watch {
    sign: Sign,
    /// How often somebody was elected, and the latest term then.
    elected: (u64, Term),
}

impl Watch {
    pub(super) fn new(wanted: &Wanted) -> Self {
        Self { sign: wanted.sign, elected: (0, Term(0)) }
    }

    /// Whether it has happened, after each step.
    pub(super) fn sees(&mut self, sim: &Sim) -> bool {
        match self.sign {
            Sign::At(point) => sim.sometimes().hits(point) > 0,
            Sign::Rounds(rounds) => {
                // Asking for pre-votes begins no term, so that each term is somebody's candidacy.
                let running = sim.nodes().filter_map(raft_sim::Node::replica);
                let term = running.map(|node| node.raft().term()).max().unwrap_or_default();
                if sim.counters().elections > self.elected.0 {
                    self.elected = (sim.counters().elections, term);
                }
                term.0 >= self.elected.1.0 + rounds
            }
            Sign::CheckFails => sim.violation().is_some(),
        }
    }
}
