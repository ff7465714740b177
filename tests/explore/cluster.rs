//! One state of the whole: the nodes, what is under way between them, and what an onlooker remembers.

use crate::bounds::{Bounds, KINDS};
use crate::form::{mix, pair};
use crate::node::{Node, PacketId};
use crate::space::{NodeState, Space, TruthId};
use raft_core::id::NodeId;

/// Nodes, terms, reads and messages under way that there is room for.
pub(crate) const NODES_MAX: usize = 4;
const TERMS_MAX: usize = 8;
const READS_MAX: usize = 4;
const NET_MAX: usize = 24;

/// Ways to name so many nodes.
const NAMINGS_MAX: usize = 24;

/// One state of the whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cluster {
    pub(crate) nodes: [NodeState; NODES_MAX],
    pub(crate) net: Net,
    /// How much of what is scarce has been used.
    pub(crate) used: [u8; KINDS],
    /// All that was ever committed.
    pub(crate) truth: TruthId,
    /// Who led which term; zero for nobody.
    pub(crate) leaders: [u8; TERMS_MAX],
    /// For each read that is not answered, one more than the index that it must see.
    pub(crate) reads: [u8; READS_MAX],
}

/// Messages under way, in rising order, none twice: that one is lost is always possible, and that one
/// arrives twice is a choice of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Net {
    count: usize,
    packets: [PacketId; NET_MAX],
}

impl Net {
    pub(crate) const EMPTY: Self = Self { count: 0, packets: [0; NET_MAX] };

    pub(crate) fn packets(&self) -> &[PacketId] {
        &self.packets[..self.count]
    }

    pub(crate) fn insert(&mut self, packet: PacketId) {
        if let Err(place) = self.packets().binary_search(&packet) {
            assert!(self.count < NET_MAX, "more messages under way than there is room for");
            self.packets.copy_within(place..self.count, place + 1);
            self.packets[place] = packet;
            self.count += 1;
        }
    }

    pub(crate) fn remove(&mut self, packet: PacketId) {
        if let Ok(place) = self.packets().binary_search(&packet) {
            self.packets.copy_within(place + 1..self.count, place);
            self.count -= 1;
        }
    }
}

impl Cluster {
    /// Nothing has happened yet.
    pub(crate) fn new(space: &mut Space, bounds: &Bounds) -> Self {
        let mut nodes = [0; NODES_MAX];
        for (place, id) in (0..usize::from(bounds.nodes)).zip(1..) {
            nodes[place] =
                space.add_node(Node::new(NodeId(id), bounds.founders, bounds.has_leases()));
        }
        Self {
            nodes,
            net: Net::EMPTY,
            used: [0; KINDS],
            truth: 0,
            leaders: [0; TERMS_MAX],
            reads: [0; READS_MAX],
        }
    }

    /// As few words as possible: a search holds many states.
    pub(crate) fn pack(&self, bounds: &Bounds, words: &mut Vec<u32>) {
        let (used, leaders, reads) =
            (nibbles(&self.used), nibbles(&self.leaders), nibbles(&self.reads));
        words.push(self.net.count as u32);
        words.extend_from_slice(&self.nodes[..usize::from(bounds.nodes)]);
        words.extend([self.truth, used as u32, (used >> 32) as u32, leaders as u32, reads as u32]);
        words.extend_from_slice(self.net.packets());
    }

    /// Takes one off the front of `words`.
    pub(crate) fn unpack(bounds: &Bounds, words: &mut &[u32]) -> Self {
        let mut next = || *words.split_off_first().expect("states are packed whole");
        let count = next() as usize;
        let (mut nodes, mut net) = ([0; NODES_MAX], Net { count, packets: [0; NET_MAX] });
        nodes[..usize::from(bounds.nodes)].fill_with(&mut next);
        let truth = next();
        let used = u64::from(next()) | u64::from(next()) << 32;
        let (leaders, reads) = (u64::from(next()), u64::from(next()));
        net.packets[..count].fill_with(&mut next);
        Self {
            nodes,
            net,
            truth,
            used: from_nibbles(used),
            leaders: from_nibbles(leaders),
            reads: from_nibbles(reads),
        }
    }

    /// The least of its forms under all the exchanges of names that `space` knows.
    pub(crate) fn form(&self, space: &Space, bounds: &Bounds) -> u64 {
        self.forms(space, bounds).min().expect("there is a way to name nodes")
    }

    /// How many states differ from this one in nothing but names, this one included.
    pub(crate) fn copies(&self, space: &Space, bounds: &Bounds) -> u64 {
        let mut forms: Vec<u64> = self.forms(space, bounds).collect();
        forms.sort_unstable();
        forms.dedup();
        forms.len() as u64
    }

    fn forms<'a>(&'a self, space: &'a Space, bounds: &Bounds) -> impl Iterator<Item = u64> + 'a {
        let mut sums = [0; NAMINGS_MAX];
        let mut add = |row: &[u64]| {
            for (sum, form) in sums.iter_mut().zip(row) {
                *sum = form.wrapping_add(*sum);
            }
        };
        for node in &self.nodes[..usize::from(bounds.nodes)] {
            add(space.nodes.forms(*node));
        }
        for packet in self.net.packets() {
            add(space.packets.forms(*packet));
        }
        add(space.truths.forms(self.truth));
        let rest = pair(nibbles(&self.used), nibbles(&self.reads));
        sums.into_iter().zip(&space.namings).map(move |(sum, names)| {
            let leaders = self.leaders.map(|leader| names[usize::from(leader)]);
            pair(mix(sum ^ leaders.iter().fold(0, |word, leader| (word << 4) | leader)), rest)
        })
    }
}

/// Small numbers in one.
fn nibbles(values: &[u8]) -> u64 {
    values.iter().rev().fold(0, |word, value| (word << 4) | u64::from(*value))
}

fn from_nibbles<const COUNT: usize>(word: u64) -> [u8; COUNT] {
    std::array::from_fn(|place| (word >> (4 * place)) as u8 & 15)
}
