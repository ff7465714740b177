//! Breadth-first search: the first violation found is one with the fewest steps.

use crate::bounds::{Bounds, KINDS, Scarce, Start};
use crate::checks::{Broken, Check};
use crate::cluster::Cluster;
use crate::form::Naming;
use crate::node::Input;
use crate::space::Space;
use crate::steps::Step;
use crate::words;
use raft_core::id::NodeId;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::time::{Duration, Instant};

/// When to stop though not everything was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) states: usize,
    pub(crate) until: Instant,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// States that differ in more than the names of nodes.
    pub(crate) states: usize,
    /// States that differ in names, too.
    pub(crate) named: u64,
    pub(crate) transitions: u64,
    /// Steps from the start within which every state was seen.
    pub(crate) depth: usize,
    /// Every state within the bounds was seen.
    pub(crate) is_whole: bool,
    pub(crate) time: Duration,
    /// States of single nodes.
    pub(crate) nodes: usize,
    /// Inputs that the real core was given.
    pub(crate) moves: usize,
    /// The property that does not hold, and how to get there.
    pub(crate) violation: Option<(Broken, Vec<String>)>,
}

/// More heartbeats than it takes until a new node has caught up.
const HEARTBEATS_TO_JOINT_MAX: usize = 4;

/// How often a search in progress says how far it is.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

/// Sees everything within the bounds, or what the limit leaves time and room for. States that only the
/// exchanges of names in `namings` tell apart count as one.
pub(crate) fn search(
    bounds: &Bounds,
    limit: Limit,
    namings: Vec<Naming>,
    tell: impl Fn(&Report),
) -> Report {
    let (begun, mut told) = (Instant::now(), Instant::now());
    let mut report = Report::default();
    let mut space = Space::new(namings);
    let root = match start(&mut space, bounds) {
        Ok(root) => root,
        Err(broken) => {
            let story =
                vec!["the plainest run, on the way to where this exploration starts".to_owned()];
            return Report { violation: Some((broken, story)), ..report };
        }
    };
    // From each state's form to the form of the one it was reached from.
    let mut seen: HashMap<u64, u64> = HashMap::new();
    let root_form = root.form(&space, bounds);
    seen.insert(root_form, root_form);
    report.named = root.copies(&space, bounds);
    let (mut frontier, mut next) = (Vec::new(), Vec::new());
    root.pack(bounds, &mut frontier);
    let (mut steps, mut after) = (Vec::new(), Vec::new());
    while !frontier.is_empty() && report.violation.is_none() {
        let mut words = frontier.as_slice();
        while !words.is_empty() {
            let cluster = Cluster::unpack(bounds, &mut words);
            let form = cluster.form(&space, bounds);
            cluster.steps(&space, bounds, &mut steps);
            for step in &steps {
                if let Err(broken) = cluster.take(*step, &mut space, bounds, &mut after) {
                    let way = way_to(form, &seen, root_form);
                    report.violation =
                        Some((broken, words::story(&root, &way, &mut space, bounds)));
                    break;
                }
                report.transitions += after.len() as u64;
                for cluster in &after {
                    if let Entry::Vacant(entry) = seen.entry(cluster.form(&space, bounds)) {
                        entry.insert(form);
                        report.named += cluster.copies(&space, bounds);
                        cluster.pack(bounds, &mut next);
                    }
                }
            }
            (report.states, report.time) = (seen.len(), begun.elapsed());
            (report.nodes, report.moves) = (space.nodes.len(), space.moves());
            if told.elapsed() >= TELL_INTERVAL {
                told = Instant::now();
                tell(&report);
            }
            let is_enough = seen.len() >= limit.states || Instant::now() >= limit.until;
            if report.violation.is_some() || is_enough {
                return report;
            }
        }
        report.depth += usize::from(!next.is_empty());
        frontier.clear();
        std::mem::swap(&mut frontier, &mut next);
    }
    report.is_whole = true;
    report
}

/// The forms on the way from the start to `form`, that one included.
fn way_to(form: u64, seen: &HashMap<u64, u64>, root: u64) -> Vec<u64> {
    let mut way = vec![form];
    while way[way.len() - 1] != root {
        way.push(seen[&way[way.len() - 1]]);
    }
    way.reverse();
    way
}

/// Where the exploration starts.
fn start(space: &mut Space, bounds: &Bounds) -> Check<Cluster> {
    let mut cluster = Cluster::new(space, bounds);
    if bounds.start == Start::Nothing {
        return Ok(cluster);
    }
    let ample = Bounds { link: 8, terms: 1, ..bounds.clone() }.with(Scarce::Heartbeat, 15);
    let ample =
        ample.with(Scarce::Change, 1).with(Scarce::Tick, 15 * u8::from(bounds.has_leases()));
    // Node 1 stands and is elected; then a heartbeat, so that the others learn of the commit.
    for _ in 0..2 {
        cluster.run(Input::Timeout, space, &ample)?;
    }
    assert!(space.node(cluster.nodes[0]).leads(), "after the plainest run node 1 leads");
    if bounds.start == Start::Joint {
        let (node, by) = (NodeId(3), NodeId(4));
        cluster.run(Input::Replace { node, by }, space, &ample)?;
        for _ in 0..HEARTBEATS_TO_JOINT_MAX {
            cluster.run(Input::Timeout, space, &ample)?;
        }
        assert!(cluster.is_joint(space), "a new node catches up and takes part");
    }
    cluster.used = [0; KINDS];
    Ok(cluster)
}

impl Cluster {
    /// Node 1 takes the input, and all that is said arrives, in order, until nobody has more to say, or the
    /// configuration is joint.
    fn run(&mut self, input: Input, space: &mut Space, ample: &Bounds) -> Check {
        let (mut step, mut after) = (Some(Step::prompt(0, input)), Vec::new());
        while let Some(next) = step.filter(|_| !self.is_joint(space)) {
            self.take(next, space, ample, &mut after)?;
            match (after.pop(), next.input) {
                (Some(next), _) => *self = next,
                // It changes nothing: out of the way with it.
                (None, Input::Deliver(packet)) => self.net.remove(packet),
                (None, _) => {}
            }
            step = self.net.packets().first().map(|packet| {
                let (_, to) = space.link_of(*packet);
                Step::prompt(to.0 as usize - 1, Input::Deliver(*packet))
            });
        }
        Ok(())
    }

    fn is_joint(&self, space: &Space) -> bool {
        space.node(self.nodes[0]).raft.configuration().is_joint()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, named, transitions, depth, time, nodes, moves, .. } = self;
        let extent = match self.is_whole {
            true => "all there are".to_owned(),
            false => format!("all within {depth} steps, and some of those beyond"),
        };
        write!(
            f,
            "{states} states ({extent}; {named} with names), {transitions} transitions, {depth} steps deep, \
             {nodes} states of a node, {moves} inputs to the core, {:.1} s",
            time.as_secs_f64()
        )
    }
}
