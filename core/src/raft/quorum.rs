//! Pure arithmetic over sets of voters.

use crate::id::NodeId;
use crate::seeded::{Bug, makes};
use crate::vec_map::VecSet;

/// Whether more than half of `voters` say yes. An empty set agrees to everything: it is the outgoing
/// half of a configuration that is not joint.
pub fn has_majority(voters: &VecSet<NodeId>, yes: impl Fn(NodeId) -> bool) -> bool {
    let count = voters.iter().filter(|voter| yes(**voter)).count();
    if makes(Bug::HalfIsMajority) {
        return count * 2 >= voters.len();
    }
    voters.is_empty() || count > voters.len() / 2
}

/// The largest value that more than half of `voters` have reached; `None` for an empty set.
pub fn majority_value<T: Ord + Copy>(
    voters: &VecSet<NodeId>,
    value: impl Fn(NodeId) -> T,
) -> Option<T> {
    let mut values: Vec<T> = voters.iter().map(|voter| value(*voter)).collect();
    if !makes(Bug::UnsortedMatchIndexes) {
        values.sort_unstable();
    }
    if makes(Bug::HalfIsMajority) {
        return values.get(values.len() / 2).copied();
    }
    // Of n values in rising order, the one with n/2 at or above it besides itself.
    values.get((values.len().max(1) - 1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voters(n: u64) -> VecSet<NodeId> {
        (1..=n).map(NodeId).collect()
    }

    #[test]
    fn majority_is_more_than_half_for_odd_and_even_sizes() {
        for (size, needed) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4)] {
            for yes in 0..=size {
                let agreed = has_majority(&voters(size), |node| node.0 <= yes);
                assert_eq!(agreed, yes >= needed, "{yes} of {size}");
            }
        }
    }

    #[test]
    fn majority_value_is_what_a_majority_has_reached() {
        for size in 1..=7 {
            // Voter n has reached n, so the (size/2 + 1)-th from the top is reached by a majority.
            let reached = majority_value(&voters(size), |node| node.0).unwrap();
            assert!(has_majority(&voters(size), |node| node.0 >= reached));
            assert!(!has_majority(&voters(size), |node| node.0 > reached));
        }
        assert_eq!(majority_value(&voters(0), |node| node.0), None);
    }
}
