//! What was met so far, each thing once: nodes, messages, what was committed, and what each node makes of
//! each input.
//!
//! A node does the same in the same state with the same input, whatever the others do. So the real core is
//! asked once for each pair of them, and from then on the answer is looked up. That is what makes tens of
//! millions of states affordable.

use crate::chain::{ChainId, Chains};
use crate::checks::{Check, broken};
use crate::form::{Naming, Origin, form, mix, pair};
use crate::node::{Effects, Handling, Input, Node, Packet, PacketId};
use raft_core::id::NodeId;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// A node in one of its states.
pub(crate) type NodeState = u32;

/// What was ever committed; zero is nothing.
pub(crate) type TruthId = u32;

/// A committed entry, and those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Truth {
    pub(crate) before: TruthId,
    pub(crate) index: u8,
    /// The history up to it.
    pub(crate) chain: ChainId,
    /// The term of the leader that committed it.
    pub(crate) by: u8,
}

/// What a node makes of an input.
#[derive(Debug)]
pub(crate) struct Move {
    /// The node after it.
    pub(crate) to: NodeState,
    /// What it sends.
    pub(crate) sent: Vec<PacketId>,
    /// Reads that are answered, each with the index they see.
    pub(crate) reads: Vec<(u8, u8)>,
    /// Whether something was written to disk.
    pub(crate) wrote: bool,
}

/// Things, each with a number and with its forms, one for each naming.
#[derive(Debug)]
pub(crate) struct Table<T> {
    things: Vec<T>,
    known: HashMap<u64, u32>,
    forms: Vec<u64>,
}

/// All that was met.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) namings: Vec<Naming>,
    pub(crate) chains: Chains,
    pub(crate) nodes: Table<Node>,
    pub(crate) packets: Table<Packet>,
    pub(crate) truths: Table<Truth>,
    moves: HashMap<(NodeState, Input, Handling), Check<Rc<Move>>>,
}

impl<T> Table<T> {
    fn new() -> Self {
        Self { things: Vec::new(), known: HashMap::new(), forms: Vec::new() }
    }

    pub(crate) fn get(&self, number: u32) -> &T {
        &self.things[number as usize]
    }

    pub(crate) fn forms(&self, number: u32) -> &[u64] {
        let width = self.forms.len() / self.things.len();
        &self.forms[number as usize * width..][..width]
    }

    pub(crate) fn len(&self) -> usize {
        self.things.len()
    }

    /// The number of `thing`, whose form under one naming is `of`.
    fn add(&mut self, thing: T, namings: &[Naming], of: impl Fn(&T, usize) -> u64) -> u32 {
        let number = self.things.len() as u32;
        let known = *self.known.entry(of(&thing, 0)).or_insert(number);
        if known == number {
            self.forms.extend((0..namings.len()).map(|naming| mix(of(&thing, naming))));
            self.things.push(thing);
        }
        known
    }
}

impl Space {
    pub(crate) fn new(namings: Vec<Naming>) -> Self {
        let mut space = Self {
            chains: Chains::new(namings.clone()),
            namings,
            nodes: Table::new(),
            packets: Table::new(),
            truths: Table::new(),
            moves: HashMap::new(),
        };
        space.add_truth(Truth::default());
        space
    }

    pub(crate) fn node(&self, state: NodeState) -> &Node {
        self.nodes.get(state)
    }

    pub(crate) fn link_of(&self, packet: PacketId) -> (NodeId, NodeId) {
        let Packet { from, to, .. } = self.packets.get(packet);
        (*from, *to)
    }

    /// How many moves of single nodes were met.
    pub(crate) fn moves(&self) -> usize {
        self.moves.len()
    }

    pub(crate) fn add_node(&mut self, node: Node) -> NodeState {
        let Self { nodes, namings, .. } = self;
        let (text, origin) = node.show();
        nodes.add(node, namings, |node, naming| {
            let naming = &namings[naming];
            pair(naming[node.id().0 as usize], form(&text, &origin, naming))
        })
    }

    fn add_packet(&mut self, packet: Packet) -> PacketId {
        let Self { packets, namings, .. } = self;
        let text = format!("{packet:?}");
        packets.add(packet, namings, |_, naming| form(&text, &Origin::default(), &namings[naming]))
    }

    pub(crate) fn add_truth(&mut self, truth: Truth) -> TruthId {
        let Self { truths, namings, chains, .. } = self;
        let before = match truth.before {
            0 => vec![0; namings.len()],
            before => truths.forms(before).to_vec(),
        };
        truths.add(truth, namings, |truth, naming| {
            let entry = pair(chains.form(truth.chain, naming), u64::from(truth.by));
            pair(before[naming], entry)
        })
    }

    /// What the node makes of the input.
    pub(crate) fn look_up(
        &mut self,
        state: NodeState,
        input: Input,
        handling: Handling,
    ) -> Check<Rc<Move>> {
        if let Some(known) = self.moves.get(&(state, input, handling)) {
            return known.clone();
        }
        let made = self.play(state, input, handling).map(|(node, effects)| {
            let read = |read: &raft_core::raft::reads::ConfirmedRead| {
                (read.token as u8, read.index.0 as u8)
            };
            Rc::new(Move {
                to: self.add_node(node),
                reads: effects.reads.iter().map(read).collect(),
                wrote: effects.wrote,
                sent: effects.sent.into_iter().map(|packet| self.add_packet(packet)).collect(),
            })
        });
        self.moves.insert((state, input, handling), made.clone());
        made
    }

    /// Lets the real core take the input. That the core stops is a violation, too.
    pub(crate) fn play(
        &mut self,
        state: NodeState,
        input: Input,
        handling: Handling,
    ) -> Check<(Node, Effects)> {
        let mut node = self.node(state).clone();
        let Self { packets, chains, .. } = self;
        let packet = |id| packets.get(id);
        let done = catch_unwind(AssertUnwindSafe(|| node.take(input, handling, packet, chains)));
        match done {
            Ok(done) => done.map(|effects| (node, effects)),
            Err(panic) => {
                let said = panic.downcast_ref::<String>().map(String::as_str);
                let said = said.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
                Err(broken("The core's own checks", said.to_owned()))
            }
        }
    }
}
