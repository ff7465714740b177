//! What happened, line by line, and a fingerprint of it.

mod reader;

use crate::network::Place;
use raft_core::id::NodeId;
use raft_core::raft::event::Event;
use raft_core::sighting::Sighting;
use raft_core::time::Instant;
use std::collections::VecDeque;
use std::fmt;

/// Lines kept for a reader; older ones are forgotten.
pub const LINES_MAX: usize = 1_000;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub number: u64,
    /// When.
    pub at: Instant,
    /// In which node; `None` if it is about a client or the whole cluster.
    pub node: Option<NodeId>,
    /// With which client; `None` if it is about a node or the whole cluster.
    pub client: Option<u64>,
    /// What.
    pub text: String,
    /// The same as data, if a node says it of itself.
    pub event: Option<Event>,
}

/// The newest lines, and a running hash of every line there ever was: equal hashes mean equal runs.
#[derive(Clone, Debug)]
pub struct Trace {
    hash: u64,
    number: u64,
    keep: bool,
    is_off: bool,
    lines: VecDeque<Line>,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            number: 0,
            keep: false,
            is_off: false,
            lines: VecDeque::new(),
        }
    }

    /// Whether lines are kept for a reader. The hash goes on either way.
    pub fn keep(&mut self, keep: bool) {
        self.keep = keep;
    }

    /// From now on nothing is kept and nothing hashed. That is a fifth of what a run costs, and a run whose
    /// fingerprint is wanted after all can be played again.
    pub fn turn_off(&mut self) {
        self.is_off = true;
    }

    /// The lines kept, oldest first.
    pub fn lines(&self) -> &VecDeque<Line> {
        &self.lines
    }

    /// Takes the lines kept so far, so that a reader who follows a run sees each once.
    pub fn take(&mut self) -> VecDeque<Line> {
        std::mem::take(&mut self.lines)
    }

    /// The hash of all lines so far: of their texts, times and places.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn event(&mut self, at: Instant, node: NodeId, event: &Event) {
        self.line(at, Some(Place::Node(node)), format_args!("{event}"));
        if let Some(line) = self.lines.back_mut().filter(|_| self.keep) {
            line.event = Some(event.clone());
        }
    }

    pub(crate) fn line(&mut self, at: Instant, place: Option<Place>, text: fmt::Arguments<'_>) {
        if self.is_off {
            return;
        }
        let (node, client) = match place {
            Some(Place::Node(node)) => (Some(node), None),
            Some(Place::Client(client)) => (None, Some(client)),
            None => (None, None),
        };
        self.number += 1;
        self.mix(at.0);
        self.mix(node.map_or(0, |node| node.0));
        self.mix(client.map_or(0, |client| !client));
        fmt::write(self, text).expect("hashing cannot fail");
        if self.keep {
            if self.lines.len() == LINES_MAX {
                self.lines.pop_front();
            }
            let text = text.to_string();
            self.lines.push_back(Line { number: self.number, at, node, client, text, event: None });
        }
    }

    fn mix(&mut self, number: u64) {
        self.hash = (self.hash ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
}

/// What a node showed, as a line of JSON without its end: the form in which `raft-cli --json watch` prints it.
pub fn print_sighting(sighting: &Sighting) -> String {
    serde_json::to_string(sighting).expect("sightings are plain data")
}

/// What a node showed, from such a line.
///
/// # Errors
/// What is wrong with it, and in which column.
pub fn read_sighting(line: &str) -> Result<Sighting, String> {
    reader::read(line)
}

impl fmt::Write for Trace {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for chunk in text.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
        Ok(())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.at)?;
        match (self.node, self.client) {
            (Some(node), _) => write!(f, "node {node} {}", self.text),
            (None, Some(client)) => write!(f, "client {client} {}", self.text),
            (None, None) => write!(f, "{}", self.text),
        }
    }
}
