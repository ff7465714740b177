//! Several nodes, picked together.

use raft_core::id::NodeId;
use std::fmt;

/// Nodes by their numbers, one bit each. A stage has nine at most; a number of 32 or more is in no group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Group(u32);

impl Group {
    /// These nodes.
    pub fn of(nodes: impl IntoIterator<Item = NodeId>) -> Self {
        nodes.into_iter().fold(Self(0), |group, node| Self(group.0 | bit(node)))
    }

    /// Whether a node is in it.
    pub fn has(self, node: NodeId) -> bool {
        self.0 & bit(node) != 0
    }

    /// The same with a node that was not in it, or without it.
    pub fn turned(self, node: NodeId) -> Self {
        Self(self.0 ^ bit(node))
    }

    /// The nodes, in order.
    pub fn nodes(self) -> impl Iterator<Item = NodeId> {
        (0..u64::from(u32::BITS)).map(NodeId).filter(move |node| self.has(*node))
    }

    /// The group of such letters: `1-3`; none are nobody. `None` if they are no nodes.
    pub fn read(text: &str) -> Option<Self> {
        let mut nodes = text.split('-').filter(|_| !text.is_empty());
        nodes.try_fold(Self(0), |group, node| Some(Self(group.0 | bit(NodeId(node.parse().ok()?)))))
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.nodes().enumerate().try_for_each(|(place, node)| {
            f.write_str(if place == 0 { "" } else { "-" })?;
            write!(f, "{node}")
        })
    }
}

fn bit(node: NodeId) -> u32 {
    u32::try_from(node.0).ok().and_then(|place| 1_u32.checked_shl(place)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_survives_its_letters() {
        for nodes in [&[][..], &[3], &[1, 2, 9], &[31]] {
            let group = Group::of(nodes.iter().copied().map(NodeId));
            assert_eq!(Group::read(&group.to_string()), Some(group), "{group}");
            assert!(group.nodes().map(|node| node.0).eq(nodes.iter().copied()));
        }
        assert_eq!([Group::read("1-"), Group::read("x"), Group::read("-1")], [None; 3]);
        assert_eq!(Group::read("32-4294967297"), Some(Group::default()), "nobody on a stage");
    }

    #[test]
    fn turning_a_node_twice_changes_nothing() {
        let group = Group::of([NodeId(1), NodeId(4)]);
        assert_eq!(group.turned(NodeId(4)).to_string(), "1");
        assert_eq!(group.turned(NodeId(2)).turned(NodeId(2)), group);
    }
}
