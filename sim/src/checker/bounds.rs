//! Whatever can fill up has a bound, and keeps it.

use crate::checker::view::View;
use crate::checker::violation::{Check, Property, ensure};
use raft_core::config::Limits;
use raft_core::id::{Index, NodeId};
use raft_core::raft::message::{Body, Entry, Message, Payload};
use raft_core::raft::progress::{Mode, Progress};

/// What a node keeps: sessions, and the log since its snapshot.
pub(super) fn check_node(view: &View<'_>, limits: &Limits) -> Check {
    let node = view.node;
    let sessions = view.store.sessions().len();
    ensure(sessions <= limits.sessions_max.max(1), Property::Bounds, || {
        format!("node {node} remembers {sessions} sessions")
    })?;
    let entries = view.applied.0.saturating_sub(view.snapshot.index.0);
    let most = limits.snapshot_log_entries.saturating_mul(4);
    // A node that joined takes its first snapshot when it knows who belonged to the cluster then.
    let is_first = view.snapshot.index == Index(0);
    // A full disk takes no snapshot either.
    ensure(is_first || view.disk_is_full || entries < most, Property::Bounds, || {
        format!("the log of node {node} has grown by {entries} entries since its snapshot")
    })
}

/// What a node has handed to its disk.
pub(super) fn check_writes(node: NodeId, under_way: usize, limits: &Limits) -> Check {
    ensure(under_way <= limits.writes_max, Property::Bounds, || {
        format!("node {node} has {under_way} writes under way")
    })
}

/// What a leader has accepted ahead of what is committed. The last command may go beyond the limit.
pub(super) fn check_uncommitted(view: &View<'_>, limits: &Limits) -> Check {
    let own = (view.commit.next().0..=view.log.last().index.0)
        .filter_map(|index| view.log.entry(Index(index)))
        .filter(|e| e.term == view.term && matches!(e.payload, Payload::Command(_)));
    let (bytes, last) = own.fold((0, 0), |(sum, _), entry| (sum + entry.size(), entry.size()));
    ensure(bytes - last <= limits.uncommitted_bytes_max, Property::Bounds, || {
        format!("leader {} has accepted {bytes} bytes that are not committed", view.node)
    })
}

/// What goes into a message, and what is under way to one follower.
pub(super) fn check_message(
    view: &View<'_>,
    to: NodeId,
    message: &Message,
    limits: &Limits,
) -> Check {
    let node = view.node;
    match &message.body {
        Body::AppendEntries { entries, prev, epoch, .. } if !entries.is_empty() => {
            let bytes: usize = entries.iter().map(Entry::size).sum();
            let fits = entries.len() <= limits.append_entries_max.max(1)
                && (bytes <= limits.append_bytes_max || entries.len() == 1);
            ensure(fits, Property::Bounds, || {
                format!("leader {node} sends {} entries of {bytes} bytes at once", entries.len())
            })?;
            let progress = view.leads.and_then(|followers| followers.get(&to));
            // One that turned out to have lost its data is counted anew, in the same step or soon. Small
            // entries for a full disk go with a question, and where the logs agree is not known then.
            let is_counted =
                |p: &&Progress| p.epoch == *epoch && !p.lost && p.mode == Mode::Replicate;
            let Some(progress) = progress.filter(is_counted) else { return Ok(()) };
            let before = (progress.match_index.next().0..=prev.index.0)
                .filter_map(|index| view.log.entry(Index(index)));
            let under_way: usize = before.map(Entry::size).sum();
            ensure(under_way <= limits.append_window_bytes_max, Property::Bounds, || {
                format!("leader {node} sends more while {under_way} bytes are under way to {to}")
            })
        }
        Body::InstallSnapshot { data, .. } => {
            ensure(data.len() <= limits.snapshot_chunk_bytes, Property::Bounds, || {
                format!("leader {node} sends {} bytes of its snapshot at once", data.len())
            })
        }
        _ => Ok(()),
    }
}
