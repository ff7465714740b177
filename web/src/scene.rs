//! What there is to see, as plain data: who plays which role, what is under way, what the logs hold. A
//! scene is made from a simulation and a moment; everything drawn, read aloud or tested comes from it.

pub mod group;
pub mod inside;
pub mod menu;
pub mod timeline;

use crate::layout::{Layout, Point};
use crate::scene::group::Group;
use crate::scene::menu::Menu;
use raft_core::id::{Index, NodeId, Term};
use raft_core::time::Instant;
use std::rc::Rc;

/// Everything there is to see at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// Where things are.
    pub layout: Layout,
    /// The moment, in simulated time.
    pub now: Instant,
    /// The nodes, in the order of the ring.
    pub nodes: Vec<Node>,
    /// Every pair of nodes, the lower id first.
    pub links: Vec<Link>,
    /// What is the matter with all links alike.
    pub everywhere: Trouble,
    /// The sides of a partition; empty while every node that is up reaches every other.
    pub sides: Vec<Side>,
    /// Messages under way.
    pub messages: Vec<Message>,
    /// Whether time runs too fast to show messages one by one; lanes then show traffic.
    pub fast: bool,
    /// What the nodes' logs hold.
    pub logs: Logs,
    /// What clients asked for last, newest first.
    pub requests: Vec<Request>,
    /// What happened, newest first.
    pub story: Vec<Rc<Happening>>,
    /// The nodes that are picked together, if some are.
    pub group: Option<Group>,
    /// What can be done with what is picked.
    pub menu: Menu,
    /// What can be done with the cluster.
    pub tries: Menu,
    /// Whether the five properties of the paper's Figure 3 have held so far; else what broke.
    pub violation: Option<String>,
    /// Whether nothing will happen any more.
    pub over: bool,
    /// Events since the start.
    pub events: u64,
    /// The hash of everything that happened so far.
    pub trace_hash: u64,
}

/// A node's role, as far as it can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Crashed.
    Down,
    /// Of a real cluster: not heard from. It may be crashed, stand still or be cut off from who watches.
    Silent,
    /// Follows a leader, or waits for one (§5.2).
    Follower,
    /// Asks whether it would win an election (thesis §9.6).
    PreCandidate,
    /// Stands for election (§5.2).
    Candidate,
    /// Leads (§5.3).
    Leader,
}

/// What a node is to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It votes, and counts for commits.
    Voter,
    /// It receives the log, and counts for nothing (thesis §4.2.1).
    Learner,
    /// It was removed, or is not added yet.
    Outside,
}

/// What is the matter with a node's machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// It stands still.
    pub frozen: bool,
    /// Its syncs take long.
    pub slow_disk: bool,
    /// Its disk has no room for more commands.
    pub full_disk: bool,
    /// What its clock shows of a true second, in millionths.
    pub clock_ppm: u64,
}

/// What is the matter with a link in one direction, unless it is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// How much longer messages take, in milliseconds.
    pub later_ms: u64,
    /// How many of a hundred are lost.
    pub loss_percent: u32,
}

/// A node.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name.
    pub id: NodeId,
    /// Where it stands on the stage.
    pub at: Point,
    /// Which way is outwards.
    pub outwards: Point,
    /// Its role.
    pub role: Role,
    /// Its term; of a node that is down, the last one seen.
    pub term: Term,
    /// Whom it voted for in its term.
    pub vote: Option<NodeId>,
    /// The leader it follows.
    pub leader: Option<NodeId>,
    /// Microseconds until it stands for election.
    pub timer_us: Option<u64>,
    /// The same as a share of the longest election timeout, from 0 to 1.
    pub timer: Option<f64>,
    /// A candidate's votes, its own among them.
    pub ballots: Vec<Ballot>,
    /// How many votes a candidate needs.
    pub majority: usize,
    /// The last entry of its log.
    pub last: Index,
    /// The last entry on its disk.
    pub durable: Index,
    /// Its commit index.
    pub commit: Index,
    /// The last entry applied to its store.
    pub applied: Index,
    /// What it is to the cluster.
    pub standing: Standing,
    /// What is the matter with its machine.
    pub machine: Machine,
    /// The nodes it has no working link with, in either direction.
    pub cut_from: Vec<NodeId>,
    /// Whether the visitor has picked it.
    pub selected: bool,
}

/// A vote, from the candidate's side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ballot {
    /// Whose.
    pub voter: NodeId,
    /// In which direction the voter stands.
    pub towards: Point,
    /// What has come of it.
    pub state: BallotState,
}

/// What has come of a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BallotState {
    /// Nothing yet.
    Open,
    /// An answer that grants it is under way.
    Coming,
    /// Granted.
    Granted,
    /// Refused.
    Refused,
}

/// The two directions between a pair of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The pair, the lower id first.
    pub pair: (NodeId, NodeId),
    /// Whether messages from the first to the second are lost.
    pub cut_there: bool,
    /// Whether messages from the second to the first are lost.
    pub cut_back: bool,
    /// What else is the matter from the first to the second.
    pub there: Trouble,
    /// And from the second to the first.
    pub back: Trouble,
    /// Messages under way, each direction.
    pub traffic: (usize, usize),
    /// Whether the visitor has picked it.
    pub selected: bool,
}

/// Nodes that reach each other and no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// The nodes.
    pub nodes: Vec<NodeId>,
    /// Whether they are a majority of the cluster.
    pub quorum: bool,
}

/// What a message is, one shape for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A candidate asks whether it would get a vote.
    PreVote,
    /// A candidate asks for a vote.
    Vote,
    /// The leader speaks, and has no entries to send.
    Heartbeat,
    /// The leader sends this many entries.
    Append(usize),
    /// The leader sends a piece of a snapshot.
    Snapshot,
    /// A client's request, passed on to the leader.
    Forward,
}

impl Kind {
    /// It in a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::PreVote => "pre-vote",
            Self::Vote => "vote",
            Self::Heartbeat => "heartbeat",
            Self::Append(_) => "append",
            Self::Snapshot => "snapshot",
            Self::Forward => "forward",
        }
    }
}

/// A message under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its number.
    pub id: u64,
    /// What it is, or what it answers.
    pub kind: Kind,
    /// For an answer, whether it is a yes.
    pub answer: Option<bool>,
    /// The term it speaks in.
    pub term: Term,
    /// Where it is.
    pub at: Point,
    /// Where it is heading.
    pub heading: Point,
    /// Whether it has just been lost there.
    pub lost: bool,
    /// Whether it is held there.
    pub held: bool,
    /// Whether it takes longer than it would have.
    pub late: bool,
    /// Whether it could arrive twice.
    pub can_double: bool,
    /// Whether the visitor has picked it.
    pub selected: bool,
    /// What it says, in one line.
    pub says: String,
}

/// The logs side by side: a window of indexes, the same for all nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logs {
    /// The indexes shown.
    pub indexes: Vec<Index>,
    /// One row per node, in the order of the nodes.
    pub rows: Vec<Vec<Cell>>,
}

/// One index of one node's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// The log does not reach so far.
    Empty,
    /// Held only as part of a snapshot.
    Folded,
    /// An entry.
    Entry {
        /// The term of the leader that made it.
        term: Term,
        /// What it says, in a few letters.
        says: String,
        /// Whether it is on this node's disk.
        durable: bool,
        /// Whether this node knows that it is committed.
        committed: bool,
        /// Whether this node has carried it out.
        applied: bool,
    },
}

/// What a client asked, and what has come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its number.
    pub id: u64,
    /// What was asked.
    pub asks: String,
    /// `None` while it waits; else whether it was carried out.
    pub done: Option<bool>,
    /// The answer, in words.
    pub answer: String,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// Its number.
    pub id: u64,
    /// The step it came with.
    pub step: u64,
    /// When.
    pub at: Instant,
    /// To which node; none for what the visitor or a client did.
    pub node: Option<NodeId>,
    /// Who did it, if no node did.
    pub by: &'static str,
    /// The node's term.
    pub term: Term,
    /// In a sentence.
    pub says: String,
    /// Why, if there is a reason to give.
    pub why: String,
    /// What it changes.
    pub turn: Turn,
    /// The entry up to which it commits, if it does.
    pub reaches: Option<Index>,
}

/// What a happening changes, as far as one may look for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Turn {
    /// Nothing that one would look for.
    #[default]
    Detail,
    /// A node gave its vote.
    Voted,
    /// A node stands for election, or asks whether it would win.
    Campaign,
    /// The same, after an election that nobody won.
    NoWinner,
    /// A node leads.
    Elected,
    /// A node leads while another believes that it does.
    SecondLeader,
    /// A leader leads no more.
    SteppedDown,
    /// The leader commits.
    Committed,
    /// A log is shortened, replaced or caught up.
    Log,
    /// The members, or what one of them can do, change.
    Members,
    /// A node starts.
    Started,
    /// Something was done to the cluster, good or bad.
    Fault,
    /// Who watches a real cluster missed something of it.
    Gap,
    /// A check failed.
    CheckFailed,
}

impl Turn {
    /// Whether it is worth a stop on the way through a run.
    pub fn is_of_interest(self) -> bool {
        !matches!(self, Self::Detail | Self::Voted)
    }

    /// Whether it stands out in the story, and has a flag on the timeline: commits are too many.
    pub fn is_turning_point(self) -> bool {
        self.is_of_interest() && self != Self::Committed
    }
}

/// What a run pauses at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseWhen {
    /// A node is elected.
    Elected,
    /// An entry is committed.
    Committed,
    /// An election ends without a winner.
    NoWinner,
    /// Two nodes believe that they lead.
    TwoLeaders,
    /// Something is done to the cluster, by a visitor or by a plan.
    Fault,
}

impl PauseWhen {
    /// Every one, with its name in the page and in words.
    pub const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Elected, "elected", "a leader is elected"),
        (Self::Committed, "committed", "an entry is committed"),
        (Self::NoWinner, "no-winner", "an election has no winner"),
        (Self::TwoLeaders, "two-leaders", "two nodes lead"),
        (Self::Fault, "fault", "a fault happens"),
    ];

    /// Whether a turn is what one waits for.
    pub fn is_met(self) -> impl Fn(Turn) -> bool {
        move |turn| match self {
            Self::Elected => matches!(turn, Turn::Elected | Turn::SecondLeader),
            Self::Committed => turn == Turn::Committed,
            Self::NoWinner => turn == Turn::NoWinner,
            Self::TwoLeaders => turn == Turn::SecondLeader,
            Self::Fault => turn == Turn::Fault,
        }
    }
}

impl Role {
    /// Whether the node runs, as far as can be seen.
    pub fn is_up(self) -> bool {
        !matches!(self, Self::Down | Self::Silent)
    }

    /// The role in words, and in the style sheet.
    pub fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Silent => "silent",
            Self::Follower => "follower",
            Self::PreCandidate => "pre-candidate",
            Self::Candidate => "candidate",
            Self::Leader => "leader",
        }
    }
}

impl Scene {
    /// The leader of the latest term, if some node leads.
    pub fn leader(&self) -> Option<&Node> {
        let leaders = self.nodes.iter().filter(|node| node.role == Role::Leader);
        leaders.max_by_key(|node| node.term)
    }

    /// The nodes that have a vote.
    pub fn voters(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.standing == Standing::Voter)
    }

    /// The node of this name.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// Whether something is not as it should be: a node, a link, a disk, a clock, a message that is held.
    pub fn is_damaged(&self) -> bool {
        self.nodes.iter().any(|node| !node.role.is_up() || node.machine.is_damaged())
            || self.links.iter().any(Link::is_damaged)
            || self.everywhere != Trouble::default()
            || self.messages.iter().any(|message| message.held)
    }
}

impl Machine {
    /// What is the matter, in two words each.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let troubles = [
            (self.frozen, "frozen"),
            (self.slow_disk, "slow disk"),
            (self.full_disk, "full disk"),
            (self.clock_ppm > 1_000_000, "fast clock"),
            (self.clock_ppm < 1_000_000, "slow clock"),
        ];
        troubles.into_iter().filter(|(is_so, _)| *is_so).map(|(_, words)| words)
    }

    /// Whether something is the matter.
    pub fn is_damaged(self) -> bool {
        self.words().next().is_some()
    }
}

impl Link {
    /// Whether something is the matter, in either direction.
    pub fn is_damaged(&self) -> bool {
        let well = Trouble::default();
        self.cut_there || self.cut_back || self.there != well || self.back != well
    }
}
