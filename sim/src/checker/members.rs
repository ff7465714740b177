//! Who belongs to the cluster: one change at a time, from one configuration to another whose quorums
//! overlap with its own, and everyone acts by the latest in its log (§6, thesis chapter 4).

use crate::checker::chain::Chains;
use crate::checker::view::View;
use crate::checker::violation::{Check, Property, ensure};
use raft_core::id::{EntryId, Index, NodeId};
use raft_core::raft::membership::Configuration;
use raft_core::raft::message::Payload;
use raft_core::vec_map::VecSet;

/// The configuration in force at an entry.
pub(super) fn in_force<'a>(
    id: EntryId,
    chains: &'a Chains,
    founding: &'a Configuration,
) -> &'a Configuration {
    match chains.get(chains.configured_by(id)).map(|link| &link.entry.payload) {
        Some(Payload::Configuration(configuration)) => configuration,
        _ => founding,
    }
}

/// A node acts by the latest configuration in its log, after every truncation and every snapshot. Before
/// the first it acts by the founding one, or by none if it was not there.
pub(super) fn check_in_force(view: &View<'_>, chains: &Chains, founding: &Configuration) -> Check {
    let last = view.log.last();
    let expected = in_force(last, chains, founding);
    let was_not_there = chains.configured_by(last) == EntryId::default()
        && *view.configuration == Configuration::default();
    ensure(view.configuration == expected || was_not_there, Property::Membership, || {
        format!(
            "node {} acts by {}, but the latest configuration in its log is {expected}",
            view.node, view.configuration
        )
    })
}

/// A leader has put an entry into its log. If that is a configuration, it must have been allowed.
pub(super) fn check_proposed(
    view: &View<'_>,
    index: Index,
    chains: &Chains,
    founding: &Configuration,
) -> Check {
    let Some(entry) = view.log.entry(index).filter(|entry| entry.term == view.term) else {
        return Ok(());
    };
    let Payload::Configuration(next) = &entry.payload else { return Ok(()) };
    let Some(term) = view.log.term_at(index.prev()) else { return Ok(()) };
    let before = EntryId { term, index: index.prev() };
    let View { node, commit, .. } = *view;
    let pending = chains.configured_by(before).index;
    ensure(pending <= commit, Property::Membership, || {
        format!("leader {node} proposes configuration {index} before {pending} is committed (§6)")
    })?;
    ensure(view.log.term_at(commit) == Some(view.term), Property::Membership, || {
        format!("leader {node} proposes configuration {index} before it has committed in its term")
    })?;
    let now = in_force(before, chains, founding);
    ensure(overlap(now, next), Property::Membership, || {
        format!("a quorum of configuration {index}, {next}, need not overlap one of {now}")
    })
}

/// Whether the nodes for which `yes` holds decide. Counted here, since the core may count wrongly.
pub(super) fn has_quorum(configuration: &Configuration, yes: impl Fn(NodeId) -> bool) -> bool {
    [&configuration.voters, &configuration.outgoing].into_iter().all(|voters| {
        let count = voters.iter().filter(|voter| yes(**voter)).count();
        voters.is_empty() || count * 2 > voters.len()
    })
}

/// Whether every quorum of one configuration has a node in common with every quorum of the other.
fn overlap(one: &Configuration, other: &Configuration) -> bool {
    let sets = |configuration: &Configuration| -> Vec<VecSet<NodeId>> {
        let both = [configuration.voters.clone(), configuration.outgoing.clone()];
        both.into_iter().filter(|set| !set.is_empty()).collect()
    };
    let majority = |set: &VecSet<NodeId>| set.len() / 2 + 1;
    sets(one).iter().any(|one| {
        sets(other).iter().any(|other| majority(one) + majority(other) > one.union(other).count())
    })
}
