//! Traces: what nodes showed of themselves, as a file with a line of JSON for each time. The simulator writes
//! them, and so does `raft-cli --json watch`. A trace may come from anywhere, so that nothing in it is believed.

use crate::layout::NODES_MAX;
use crate::live::believe;
use crate::play::Play;
use crate::session::Session;
use raft_core::id::NodeId;
use raft_core::sighting::Sighting;
use raft_core::time::Instant;
use raft_core::vec_map::VecMap;
use raft_sim::trace::{print_sighting, read_sighting};
use std::time::Duration;

/// The longest trace that is read or written, in bytes: a run of some 20,000 sightings, and what a browser
/// takes in within a second or two.
pub const BYTES_MAX: usize = 16 << 20;

/// The clocks of nodes that differ by less than this when they are first seen are one clock.
const SAME_CLOCK: Duration = Duration::from_secs(1);

/// What was shown, and when by one clock for all nodes, which begins with the trace.
pub type Moments = Vec<(Instant, Sighting)>;

/// The trace of a session up to so many steps, and whether that is all of it: a trace that would be too long
/// ends before.
pub fn print(session: &Session, steps: u64) -> (String, bool) {
    let (mut play, mut text) = (Play::begin(session), String::new());
    play.sim.keep_sightings();
    while play.steps < steps && play.step(session) {
        for sighting in play.sim.take_sightings() {
            let line = print_sighting(&sighting);
            if text.len() + line.len() >= BYTES_MAX {
                return (text, false);
            }
            text.push_str(&line);
            text.push('\n');
        }
    }
    (text, true)
}

/// The moments of a trace, in order.
///
/// # Errors
/// A sentence, with the number of the line if one is to blame.
pub fn read(text: &str) -> Result<Moments, String> {
    if text.len() > BYTES_MAX {
        return Err(too_long());
    }
    let (mut moments, mut clocks) = (Moments::new(), Clocks::default());
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let sighting = read_sighting(line).and_then(believable);
        let sighting = sighting.map_err(|why| {
            let why: String = why.chars().take(150).collect();
            format!("Line {number} of this trace cannot be read: {why}.")
        })?;
        let at = clocks.time(sighting.status.node, sighting.at);
        moments.push((at, sighting));
    }
    match moments.is_empty() {
        true => Err("This trace is empty: it wants a line of JSON for each moment.".to_owned()),
        false => Ok(moments),
    }
}

/// What there is to say of a trace that is too long.
pub fn too_long() -> String {
    format!("A trace has at most {} MiB: take a part of it, whole lines.", BYTES_MAX >> 20)
}

/// The sighting, if a node could have shown it and there is room for its cluster.
fn believable(sighting: Sighting) -> Result<Sighting, String> {
    believe(&sighting)?;
    let members = sighting.status.configuration.members.len();
    match members > NODES_MAX {
        true => Err(format!("{members} nodes are more than the {NODES_MAX} that can be shown")),
        false => Ok(sighting),
    }
}

/// Puts the clocks of nodes, which have nothing to do with each other, on that of the trace.
#[derive(Default)]
struct Clocks {
    /// The newest moment.
    now: Instant,
    /// What each node's clock showed last, and what the trace's did then.
    last: VecMap<NodeId, (Instant, Instant)>,
}

impl Clocks {
    fn time(&mut self, node: NodeId, shows: Instant) -> Instant {
        let began = self.last.is_empty();
        let at = match self.last.get(&node) {
            Some((before, at)) if shows >= *before => *at + (shows - *before),
            // It is another start of the node, and another clock.
            Some(_) => self.now,
            None if began => Instant(0),
            None => {
                let (before, at) = self.last.values().max_by_key(|(_, at)| *at).expect("not empty");
                let apart = shows.0.abs_diff(before.0);
                match apart < SAME_CLOCK.as_micros() as u64 {
                    true => Instant(at.0.saturating_add(shows.0).saturating_sub(before.0)),
                    false => self.now,
                }
            }
        };
        self.last.insert(node, (shows, at));
        // Lines are in the order in which they were heard.
        self.now = self.now.max(at);
        self.now
    }
}
