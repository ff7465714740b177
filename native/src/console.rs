//! What a person sees: the node's transcript on standard output, diagnostics on standard error. A thread
//! of its own prints, so that a terminal that is held (Ctrl-S) or a pipe that nobody reads stops no node.

use raft_core::id::{NodeId, Term};
use raft_core::raft::event::Event;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that wait for a slow terminal; beyond it they are dropped.
const LINES_MAX: usize = 1_024;

/// How long a node that ends waits for its last lines.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

const WAITING: &str = "[FOLLOWER] Waiting for leader...";

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
#[derive(Debug, Default)]
pub struct Transcript {
    /// Whether the node leads or stands for election, so that becoming a follower is news.
    stands_out: bool,
    /// The leader and term of the last line, if it was about a leader.
    told: Option<(NodeId, Term)>,
}

impl Transcript {
    /// The first lines.
    pub fn begin(node: NodeId, addresses: &[String]) -> [Line; 3] {
        [
            Line::Transcript(format!("Node {node} starting...")),
            Line::Transcript(format!("Cluster: [{}]", addresses.join(", "))),
            Line::Transcript(WAITING.to_owned()),
        ]
    }

    /// The lines for the events of one look at the core.
    pub fn lines(&mut self, events: &[Event]) -> Vec<Line> {
        let mut lines = Vec::new();
        for (place, event) in events.iter().enumerate() {
            let line = match event {
                Event::ElectionStarted { term } => {
                    (self.stands_out, self.told) = (true, None);
                    format!("[CANDIDATE] Starting election for term {term}")
                }
                Event::BecameLeader { term } => {
                    (self.stands_out, self.told) = (true, None);
                    format!("[LEADER] Elected! Term: {term}")
                }
                Event::BecameFollower { term, why } if self.stands_out => {
                    self.stands_out = false;
                    lines.push(Line::Diagnostic(format!("steps down in term {term}: {why}")));
                    // A leader that is known in the same moment is not waited for.
                    let knows = |event: &Event| matches!(event, Event::LeaderKnown { .. });
                    if events[place..].iter().any(knows) {
                        continue;
                    }
                    WAITING.to_owned()
                }
                // A follower that asked for pre-votes in vain finds its old leader again: no news.
                Event::LeaderKnown { leader, term, behind: 0 }
                    if self.told == Some((*leader, *term)) =>
                {
                    continue;
                }
                Event::LeaderKnown { leader, term, behind } => {
                    self.told = Some((*leader, *term));
                    match behind {
                        0 => format!("[FOLLOWER] Leader is node {leader}"),
                        _ => format!("[FOLLOWER] Catching up... ({behind} log entries)"),
                    }
                }
                Event::CaughtUp { leader } => {
                    format!("[FOLLOWER] Caught up! Leader is node {leader}")
                }
                _ => continue,
            };
            lines.push(Line::Transcript(line));
        }
        lines
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
    use raft_core::raft::event::WhyFollower;

    /// The transcript of events that come in batches.
    fn transcript(batches: &[&[Event]]) -> Vec<String> {
        let mut transcript = Transcript::default();
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
    fn a_follower_that_enters_a_later_term_says_nothing() {
        assert!(transcript(&[&[became_follower()], &[became_follower()]]).is_empty());
    }
}
