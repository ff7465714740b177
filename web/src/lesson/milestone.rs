//! Milestones: what can be so of a run since some moment in it. Written as in a lesson's file.

use crate::look;
use crate::run::Run;
use crate::scene::{Role, Turn};
use raft_core::id::{Index, Term};
use raft_core::replica::Replica;
use raft_core::time::Instant;
use raft_sim::linearizability::{Call, Operation};

/// Something that can be so of a run. Those that name a happening are about what happened since then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Milestone {
    /// `leader`: a node leads that a majority can follow.
    Leader,
    /// `no leader`: none leads.
    NoLeader,
    /// `two leaders`: two nodes believe that they lead.
    TwoLeaders,
    /// `candidates 2`: so many nodes stand for election at once.
    Candidates(usize),
    /// `elected`: a node won an election. `elected 2` times.
    Elected(usize),
    /// `no winner`: an election ended without a winner.
    NoWinner,
    /// `stepped down`: a leader gave up.
    SteppedDown,
    /// `term 3`: some node is in this term or a later one.
    Term(u64),
    /// `committed`: something was. `committed 3`: so many entries.
    Committed(u64),
    /// `appended 1`: the leader's log is so many entries longer.
    Appended(u64),
    /// `stored 2`: so many nodes have the newest entry of the leader on disk.
    Stored(usize),
    /// `written`: so many writes of clients were acknowledged.
    Written(usize),
    /// `read`: a read was answered.
    Read,
    /// `waits 3000`: an operation of a client has waited so many milliseconds.
    Waits(u64),
    /// `down 1`: so many nodes are down, or more.
    Down(usize),
    /// `all up`: none is.
    AllUp,
    /// `cut`: some link carries nothing.
    Cut,
    /// `whole`: every link carries.
    Whole,
    /// `same`: all logs of nodes that are up are the same, and committed to the end.
    Same,
    /// `voters 4`: so many nodes vote, as the leader has it, and no change is under way.
    Voters(usize),
    /// `learner`: the leader fills a node that does not vote yet.
    Learner,
    /// `joint`: two configurations are in force at once.
    Joint,
    /// `tells WORDS`: a happening says so.
    Tells(String),
    /// `fails`: a check does not hold. `fails Election Safety`: that one.
    Fails(String),
    /// `time 500`: so many milliseconds have passed.
    Time(u64),
}

/// How a run was at the moment that milestones look back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    steps: u64,
    at: Instant,
    commit: Index,
    last: Index,
}

impl Since {
    /// The run as it is now.
    pub fn now(run: &Run) -> Self {
        Self { steps: run.steps(), at: run.sim().now(), commit: commit(run), last: last(run) }
    }

    /// When that was.
    pub fn at(&self) -> Instant {
        self.at
    }

    /// The step at that moment.
    pub fn steps(&self) -> u64 {
        self.steps
    }
}

impl Milestone {
    /// The milestone that a text names.
    pub fn read(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let number = |text: &str| text.parse::<u64>().ok();
        let count = |text: &str| text.parse::<usize>().ok();
        Some(match words[..] {
            ["leader"] => Self::Leader,
            ["no", "leader"] => Self::NoLeader,
            ["two", "leaders"] => Self::TwoLeaders,
            ["candidates", n] => Self::Candidates(count(n)?),
            ["elected"] => Self::Elected(1),
            ["elected", n] => Self::Elected(count(n)?),
            ["no", "winner"] => Self::NoWinner,
            ["stepped", "down"] => Self::SteppedDown,
            ["term", n] => Self::Term(number(n)?),
            ["committed"] => Self::Committed(1),
            ["committed", n] => Self::Committed(number(n)?),
            ["appended", n] => Self::Appended(number(n)?),
            ["stored", n] => Self::Stored(count(n)?),
            ["written"] => Self::Written(1),
            ["written", n] => Self::Written(count(n)?),
            ["read"] => Self::Read,
            ["waits", ms] => Self::Waits(number(ms)?),
            ["down", n] => Self::Down(count(n)?),
            ["all", "up"] => Self::AllUp,
            ["cut"] => Self::Cut,
            ["whole"] => Self::Whole,
            ["same"] => Self::Same,
            ["voters", n] => Self::Voters(count(n)?),
            ["learner"] => Self::Learner,
            ["joint"] => Self::Joint,
            ["tells", ..] => Self::Tells(text.strip_prefix("tells ")?.to_owned()),
            ["fails"] => Self::Fails(String::new()),
            ["fails", ..] => Self::Fails(text.strip_prefix("fails ")?.to_owned()),
            ["time", ms] => Self::Time(number(ms)?),
            _ => return None,
        })
    }

    /// Whether it is so.
    pub fn is_met(&self, run: &Run, since: &Since) -> bool {
        let sim = run.sim();
        let nodes = || sim.nodes().filter_map(raft_sim::Node::replica);
        let has_role = |role| nodes().filter(move |node| look::role(node.raft()) == role).count();
        let turns = |wanted: fn(Turn) -> bool| {
            happened(run, since).filter(|happening| wanted(happening.turn)).count()
        };
        let answered = || {
            let is_new = |op: &&Operation| op.returned.is_some_and(|at| at >= since.at.0);
            sim.history().iter().filter(is_new).filter(|op| op.result.is_some())
        };
        let is_down = |node: &&raft_sim::Node| node.has_started() && !node.is_up();
        let configuration = || leader(run).map(|leader| leader.raft().configuration());
        match self {
            Self::Leader => leader(run).is_some(),
            Self::NoLeader => has_role(Role::Leader) == 0,
            Self::TwoLeaders => has_role(Role::Leader) > 1,
            Self::Candidates(n) => has_role(Role::Candidate) >= *n,
            Self::Elected(n) => turns(|t| matches!(t, Turn::Elected | Turn::SecondLeader)) >= *n,
            Self::NoWinner => turns(|turn| turn == Turn::NoWinner) > 0,
            Self::SteppedDown => turns(|turn| turn == Turn::SteppedDown) > 0,
            Self::Term(n) => nodes().any(|node| node.raft().term() >= Term(*n)),
            Self::Committed(n) => commit(run).0 >= since.commit.0 + n,
            Self::Appended(n) => last(run).0 >= since.last.0 + n,
            Self::Stored(n) => leader(run).is_some_and(|leader| stored(run, leader) >= *n),
            Self::Written(n) => answered().filter(|op| op.call != Call::Get).count() >= *n,
            Self::Read => answered().any(|op| op.call == Call::Get),
            Self::Waits(ms) => sim.history().iter().any(|op| {
                op.returned.is_none() && sim.now().0.saturating_sub(op.invoked) >= ms * 1_000
            }),
            Self::Down(n) => sim.nodes().filter(is_down).count() >= *n,
            Self::AllUp => !sim.nodes().any(|node| is_down(&node)),
            Self::Cut => is_cut(run),
            Self::Whole => !is_cut(run),
            Self::Same => are_same(run),
            Self::Voters(n) => {
                configuration().is_some_and(|c| !c.is_joint() && c.all_voters().count() == *n)
            }
            Self::Learner => configuration().is_some_and(|c| !c.learners.is_empty()),
            Self::Joint => configuration().is_some_and(|c| c.is_joint()),
            Self::Tells(words) => happened(run, since)
                .any(|happening| happening.says.contains(words) || happening.why.contains(words)),
            Self::Fails(name) => sim.violation().is_some_and(|violation| {
                name.is_empty() || violation.property.to_string() == *name
            }),
            Self::Time(ms) => sim.now().0 >= since.at.0 + ms * 1_000,
        }
    }
}

fn happened<'a>(run: &'a Run, since: &Since) -> impl Iterator<Item = &'a crate::scene::Happening> {
    let steps = since.steps;
    let newest = run.record().happenings_before(run.steps());
    newest.take_while(move |happening| happening.step > steps).map(|happening| &**happening)
}

/// The leader of the latest term.
fn leader(run: &Run) -> Option<&Replica> {
    let nodes = run.sim().nodes().filter_map(raft_sim::Node::replica);
    let leaders = nodes.filter(|node| look::role(node.raft()) == Role::Leader);
    leaders.max_by_key(|node| node.raft().term())
}

/// The furthest commit index of a node that is up.
fn commit(run: &Run) -> Index {
    let nodes = run.sim().nodes().filter_map(raft_sim::Node::replica);
    nodes.map(|node| node.raft().commit_index()).max().unwrap_or_default()
}

/// The last entry of the leader.
fn last(run: &Run) -> Index {
    leader(run).map_or(Index(0), |leader| leader.raft().log().last().index)
}

/// How many nodes have the leader's newest entry on disk.
fn stored(run: &Run, leader: &Replica) -> usize {
    let last = leader.raft().log().last();
    let has = |node: &&Replica| {
        let log = node.raft().log();
        log.term_at(last.index) == Some(last.term) && log.durable() >= last.index
    };
    run.sim().nodes().filter_map(raft_sim::Node::replica).filter(has).count()
}

fn is_cut(run: &Run) -> bool {
    let started = || run.sim().nodes().filter(|node| node.has_started());
    let ids = || started().map(raft_sim::Node::id);
    ids().any(|from| ids().any(|to| from != to && run.sim().is_cut(from, to)))
}

fn are_same(run: &Run) -> bool {
    let Some(leader) = leader(run) else { return false };
    let last = leader.raft().log().last();
    run.sim().nodes().filter_map(raft_sim::Node::replica).all(|node| {
        let raft = node.raft();
        raft.log().last() == last && raft.commit_index() == last.index
    })
}
