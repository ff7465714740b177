//! What is picked, looked at from inside: all that is known of it, and why it is as it is.

use crate::scene::Happening;
use crate::scene::group::Group;
use raft_core::id::{Index, NodeId};
use raft_core::time::Instant;
use std::rc::Rc;

/// What a visitor can pick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picked {
    /// A node.
    Node(NodeId),
    /// Several nodes.
    Group(Group),
    /// The link between two nodes, the lower id first.
    Link(NodeId, NodeId),
    /// An index of the log.
    Entry(Index),
    /// A message, by its number.
    Message(u64),
}

/// What is picked, from inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inside {
    /// What it is.
    pub title: String,
    /// All that is known of it.
    pub facts: Vec<Fact>,
    /// What led to it, newest first.
    pub why: Vec<Rc<Happening>>,
    /// What is near it, to be picked: links, messages.
    pub near: Vec<Near>,
}

/// Something near what is picked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// Its name in the page.
    pub act: String,
    /// In words.
    pub words: String,
}

/// Something known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What is known.
    pub name: &'static str,
    /// In words.
    pub value: String,
    /// The step and the moment since which it is so, if that was seen.
    pub since: Option<(u64, Instant)>,
}
