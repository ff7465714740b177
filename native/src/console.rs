//! What a person sees: the node's transcript on standard output, diagnostics on standard error. A thread
//! of its own prints, so that a terminal that is held (Ctrl-S) or a pipe that nobody reads stops no node.

use crate::identity::Identity;
use raft_core::id::{Incarnation, NodeId, Term};
use raft_core::raft::event::Event;
use raft_core::raft::membership::Configuration;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that wait for a slow terminal; beyond it they are dropped.
const LINES_MAX: usize = 1_024;

/// How long a node that ends waits for its last lines.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The way to the printing thread.
#[derive(Clone, Debug)]
pub struct Console {
    lines: SyncSender<Line>,
}

/// Something for the printing thread.
#[derive(Debug)]
pub enum Line {
    /// For standard output: a script may rely on it.
    Transcript(String),
    /// For standard error.
    Diagnostic(String),
    /// To be answered when all before it is printed.
    Flush(SyncSender<()>),
}

impl Console {
    /// Starts the printing thread.
    pub fn start() -> io::Result<Self> {
        let (lines, printed) = sync_channel(LINES_MAX);
        thread::Builder::new().name("console".to_owned()).spawn(move || print(&printed))?;
        Ok(Self { lines })
    }

    /// Prints a line, unless too many wait.
    pub fn say(&self, line: Line) {
        let _ = self.lines.try_send(line);
    }

    /// Prints a line on standard error, unless too many wait.
    pub fn diagnostic(&self, line: String) {
        self.say(Line::Diagnostic(line));
    }

    /// Waits a moment until everything said so far is printed.
    pub fn flush(&self) {
        let (flushed, done) = sync_channel(1);
        self.say(Line::Flush(flushed));
        let _ = done.recv_timeout(FLUSH_TIMEOUT);
    }
}

/// Makes the node's lines from the core's events.
#[derive(Debug)]
pub struct Transcript {
    node: NodeId,
    incarnation: Incarnation,
    /// What the node is in the configuration that is in force.
    standing: Standing,
    /// What it was when that was last told.
    told_standing: Standing,
    /// Whether it leads, or stands for election: becoming a follower is news then.
    leads: bool,
    stands: bool,
    /// Whether it lacks entries: configurations on the way there are history.
    is_behind: bool,
    /// The leader and term of the last line, if it was about a leader.
    told: Option<(NodeId, Term)>,
}

/// What a node is to its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It votes.
    Voter,
    /// It is being filled.
    Learner,
    /// Nothing, or not yet.
    Outside,
}

impl Transcript {
    /// The first lines.
    pub fn greeting(node: NodeId, addresses: &[String]) -> [Line; 2] {
        [
            Line::Transcript(format!("Node {node} starting...")),
            Line::Transcript(format!("Cluster: [{}]", addresses.join(", "))),
        ]
    }

    /// For a node that begins with this configuration.
    pub fn begin(identity: &Identity, configuration: &Configuration) -> Self {
        let mut transcript = Self {
            node: identity.node,
            incarnation: identity.incarnation,
            standing: Standing::Outside,
            told_standing: Standing::Outside,
            leads: false,
            stands: false,
            is_behind: false,
            told: None,
        };
        transcript.standing = transcript.standing_in(configuration);
        transcript.told_standing = transcript.standing;
        transcript
    }

    /// The line of a node that knows no leader.
    pub fn waiting(&self) -> Line {
        Line::Transcript(match self.standing {
            Standing::Outside => "[LEARNER] Waiting to be added...".to_owned(),
            _ => format!("[{}] Waiting for leader...", self.role()),
        })
    }

    /// The lines for the events of one look at the core.
    pub fn lines(&mut self, events: &[Event]) -> Vec<Line> {
        let mut lines = Vec::new();
        for (place, event) in events.iter().enumerate() {
            // A leader that is known in the same moment is not waited for.
            let knows = |event: &Event| matches!(event, Event::LeaderKnown { .. });
            let is_led = events[place..].iter().any(knows);
            self.tell(event, is_led, &mut lines);
        }
        self.tell_standing(&mut lines);
        lines
    }

    fn tell(&mut self, event: &Event, is_led: bool, lines: &mut Vec<Line>) {
        let role = self.role();
        let line = match event {
            Event::ElectionStarted { term } => {
                (self.leads, self.stands, self.told) = (false, true, None);
                format!("[CANDIDATE] Starting election for term {term}")
            }
            Event::BecameLeader { term } => {
                (self.leads, self.is_behind, self.told) = (true, false, None);
                format!("[LEADER] Elected! Term: {term}")
            }
            Event::BecameFollower { term, why } if self.leads || self.stands => {
                (self.leads, self.stands) = (false, false);
                lines.push(Line::Diagnostic(format!("steps down in term {term}: {why}")));
                // That it is no member any more says what it waits for.
                let is_told_next = self.standing != self.told_standing;
                if !is_led && !is_told_next {
                    lines.push(self.waiting());
                }
                return;
            }
            // A follower that asked for pre-votes in vain finds its old leader again: no news.
            Event::LeaderKnown { leader, term, behind: 0 }
                if self.told == Some((*leader, *term)) =>
            {
                return;
            }
            Event::LeaderKnown { leader, term, behind } => {
                (self.told, self.is_behind) = (Some((*leader, *term)), *behind > 0);
                match behind {
                    0 => format!("[{role}] Leader is node {leader}"),
                    _ => format!("[{role}] Catching up... ({behind} log entries)"),
                }
            }
            Event::CaughtUp { leader } => {
                self.is_behind = false;
                format!("[{role}] Caught up! Leader is node {leader}")
            }
            Event::ConfigurationAdopted { index, configuration } => {
                self.standing = self.standing_in(configuration);
                lines.push(Line::Diagnostic(format!(
                    "members from entry {index} on: {configuration}"
                )));
                return;
            }
            Event::NotAdmitted { by } => {
                self.standing = Standing::Outside;
                lines.push(Line::Diagnostic(format!(
                    "node {by} says that this node is not admitted, or its data directory is not"
                )));
                return;
            }
            Event::TransferStarted { to } => format!("[LEADER] Handing over to node {to}..."),
            Event::TransferTimedOut { to } => {
                format!("[LEADER] Node {to} did not take over in time: leading on")
            }
            Event::DiskFull { is_full: true } => {
                format!("[{role}] Disk full: read-only until there is room")
            }
            Event::DiskFull { is_full: false } => {
                format!("[{role}] Disk has room again: takes writes")
            }
            Event::MemberLost { node } => {
                lines.push(Line::Diagnostic(format!(
                    "node {node} has lost what it knew; it votes again when it has caught up"
                )));
                return;
            }
            Event::QuorumLost { lost } => {
                let lost: Vec<String> = lost.iter().map(ToString::to_string).collect();
                lines.push(Line::Diagnostic(format!(
                    "error: nodes {} have lost what they knew, and those that remember are no majority: \
                     nothing can be decided; put the data directory of one of them back as it was, or found \
                     a new cluster and copy into it what this node has (/v1/kv/KEY?consistency=local)",
                    lost.join(" and ")
                )));
                return;
            }
            _ => return,
        };
        lines.push(Line::Transcript(line));
    }

    /// Says what has become of the node, once it is up to date.
    fn tell_standing(&mut self, lines: &mut Vec<Line>) {
        // A leader that is removed leads until that is committed.
        if self.is_behind || self.leads || self.standing == self.told_standing {
            return;
        }
        let line = match (self.told_standing, self.standing) {
            (_, Standing::Voter) => Some("[FOLLOWER] Votes from now on".to_owned()),
            (Standing::Voter, Standing::Learner) => {
                Some("[LEARNER] Without a vote until it has caught up".to_owned())
            }
            (Standing::Outside, Standing::Learner) => None,
            (_, Standing::Outside) => {
                Some("[LEARNER] Not a member. Waiting to be added...".to_owned())
            }
            (Standing::Learner, Standing::Learner) => None,
        };
        self.told_standing = self.standing;
        lines.extend(line.map(Line::Transcript));
    }

    fn role(&self) -> &'static str {
        match self.standing {
            _ if self.leads => "LEADER",
            Standing::Voter => "FOLLOWER",
            Standing::Learner | Standing::Outside => "LEARNER",
        }
    }

    fn standing_in(&self, configuration: &Configuration) -> Standing {
        if configuration.is_stranger(self.node, self.incarnation) {
            Standing::Outside
        } else if configuration.is_voter(self.node) {
            Standing::Voter
        } else if configuration.learners.contains_key(&self.node) {
            Standing::Learner
        } else {
            Standing::Outside
        }
    }
}

/// Prints until the last [`Console`] is gone. A closed pipe is no reason to end: the node serves others.
fn print(lines: &Receiver<Line>) {
    for line in lines {
        let _ = match line {
            Line::Transcript(line) => {
                let mut out = io::stdout().lock();
                writeln!(out, "{line}").and_then(|()| out.flush())
            }
            Line::Diagnostic(line) => writeln!(io::stderr(), "{line}"),
            Line::Flush(done) => done.send(()).map_err(io::Error::other),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Origin;
    use raft_core::id::{ClusterId, Index};
    use raft_core::raft::event::WhyFollower;
    use raft_core::raft::membership::{Change, Goal, Member};

    fn member(id: u64, life: u64) -> Member {
        Member { id: NodeId(id), address: format!("db:{id}"), incarnation: Incarnation(life) }
    }

    fn three() -> Configuration {
        Configuration::founding(&[member(1, 1), member(2, 2), member(3, 3)])
    }

    fn adopted(configuration: Configuration) -> Event {
        Event::ConfigurationAdopted { index: Index(9), configuration: Box::new(configuration) }
    }

    /// The transcript of events that come in batches.
    fn transcript(batches: &[&[Event]]) -> Vec<String> {
        transcript_of(1, &three(), batches)
    }

    /// The same of another node, or of one that begins with another configuration.
    fn transcript_of(id: u64, begin: &Configuration, batches: &[&[Event]]) -> Vec<String> {
        let (cluster, origin) = (ClusterId(1), Origin::Joined);
        let (node, incarnation) = (NodeId(id), Incarnation(id));
        let identity = Identity { cluster, node, incarnation, starts: 1, origin };
        let mut transcript = Transcript::begin(&identity, begin);
        let lines = batches.iter().flat_map(|events| transcript.lines(events));
        lines
            .filter_map(|line| match line {
                Line::Transcript(line) => Some(line),
                Line::Diagnostic(_) | Line::Flush(_) => None,
            })
            .collect()
    }

    fn leader_known(leader: u64, behind: u64) -> Event {
        Event::LeaderKnown { leader: NodeId(leader), term: Term(2), behind }
    }

    fn became_follower() -> Event {
        Event::BecameFollower { term: Term(2), why: WhyFollower::LaterTerm { from: NodeId(2) } }
    }

    #[test]
    fn an_election_that_is_won_takes_two_lines_and_a_pre_vote_none() {
        let term = Term(1);
        let events = [
            Event::PreVoteStarted { campaign: term },
            Event::ElectionStarted { term },
            Event::BecameLeader { term },
        ];
        let expected = ["[CANDIDATE] Starting election for term 1", "[LEADER] Elected! Term: 1"];
        assert_eq!(transcript(&[&events]), expected);
    }

    #[test]
    fn a_follower_that_is_behind_says_when_it_has_caught_up_instead_of_who_leads() {
        let events: [&[Event]; 3] = [
            &[leader_known(1, 0)],
            &[leader_known(2, 100)],
            &[Event::CaughtUp { leader: NodeId(2) }],
        ];
        let expected = [
            "[FOLLOWER] Leader is node 1",
            "[FOLLOWER] Catching up... (100 log entries)",
            "[FOLLOWER] Caught up! Leader is node 2",
        ];
        assert_eq!(transcript(&events), expected);
    }

    #[test]
    fn who_steps_down_waits_for_a_leader_unless_it_knows_one() {
        let leads = Event::BecameLeader { term: Term(1) };
        let lines = transcript(&[
            std::slice::from_ref(&leads),
            &[became_follower()],
            &[leader_known(2, 0)],
        ]);
        assert_eq!(lines[1..], ["[FOLLOWER] Waiting for leader...", "[FOLLOWER] Leader is node 2"]);
        let lines = transcript(&[&[leads], &[became_follower(), leader_known(2, 0)]]);
        assert_eq!(lines[1..], ["[FOLLOWER] Leader is node 2"]);
    }

    #[test]
    fn a_leader_is_told_again_only_if_something_else_was_told_since() {
        let lines = transcript(&[&[leader_known(2, 0)], &[leader_known(2, 0)]]);
        assert_eq!(lines, ["[FOLLOWER] Leader is node 2"]);
        let stands = Event::ElectionStarted { term: Term(2) };
        let lines = transcript(&[&[leader_known(2, 0)], &[stands], &[leader_known(2, 0)]]);
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn a_node_that_joins_is_a_learner_until_it_votes() {
        let add = Change::Add { member: member(4, 4), goal: Goal::Vote };
        let learns = three().after(&add, 9).unwrap();
        let votes = learns.after(&Change::Promote(NodeId(4)), 9).unwrap();
        let gone = votes.after(&Change::Remove(NodeId(4)), 9).unwrap();
        let lines = transcript_of(
            4,
            &Configuration::default(),
            &[
                &[leader_known(1, 52)],
                // What the log says of the time before.
                &[adopted(three()), adopted(learns)],
                &[Event::CaughtUp { leader: NodeId(1) }],
                &[adopted(votes), leader_known(2, 0)],
                &[adopted(gone)],
            ],
        );
        let expected = [
            "[LEARNER] Catching up... (52 log entries)",
            "[LEARNER] Caught up! Leader is node 1",
            "[FOLLOWER] Leader is node 2",
            "[FOLLOWER] Votes from now on",
            "[LEARNER] Not a member. Waiting to be added...",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_new_life_is_no_voter_whatever_the_log_says_of_the_life_before() {
        let old = Configuration::founding(&[member(1, 11), member(2, 2), member(3, 3)]);
        let unknown = Configuration::founding(&[member(1, 0), member(2, 0), member(3, 0)]);
        let learns = old.with_lost(NodeId(1), Incarnation(1));
        let lines = transcript_of(
            1,
            &Configuration::default(),
            &[
                &[leader_known(2, 9), adopted(unknown)],
                &[adopted(old), adopted(learns)],
                &[Event::CaughtUp { leader: NodeId(2) }],
                &[adopted(three())],
            ],
        );
        let expected = [
            "[LEARNER] Catching up... (9 log entries)",
            "[LEARNER] Caught up! Leader is node 2",
            "[FOLLOWER] Votes from now on",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_follower_that_enters_a_later_term_says_nothing() {
        assert!(transcript(&[&[became_follower()], &[became_follower()]]).is_empty());
    }
}
