//! A way through the states, in lines to read.

use crate::bounds::Bounds;
use crate::cluster::Cluster;
use crate::node::{Handling, Input, Node};
use crate::space::Space;
use crate::steps::Step;

/// The steps that lead from `root` along the forms of `way`, and then one that breaks a property.
pub(crate) fn story(
    root: &Cluster,
    way: &[u64],
    space: &mut Space,
    bounds: &Bounds,
) -> Vec<String> {
    let nodes = &root.nodes[..usize::from(bounds.nodes)];
    let mut lines: Vec<String> =
        nodes.iter().map(|node| format!("   {}", look(space.node(*node)))).collect();
    let mut cluster = *root;
    let (mut steps, mut after) = (Vec::new(), Vec::new());
    for form in &way[1..] {
        cluster.steps(space, bounds, &mut steps);
        let found = steps.iter().find_map(|step| {
            cluster.take(*step, space, bounds, &mut after).ok()?;
            let next = after.iter().find(|next| next.form(space, bounds) == *form)?;
            Some((*step, *next))
        });
        let (step, next) = found.expect("what was reached once is reached again");
        tell(&mut lines, &cluster, step, Some(&next), space);
        cluster = next;
    }
    // The state may be the one in question with other names, so the step is looked for once more.
    cluster.steps(space, bounds, &mut steps);
    let breaks = |step: &&Step| cluster.take(**step, space, bounds, &mut after).is_err();
    if let Some(step) = steps.iter().find(breaks) {
        tell(&mut lines, &cluster, *step, None, space);
    }
    lines
}

fn tell(
    lines: &mut Vec<String>,
    cluster: &Cluster,
    step: Step,
    next: Option<&Cluster>,
    space: &mut Space,
) {
    let number = 1 + lines.iter().filter(|line| !line.starts_with(' ')).count();
    let what = match step.input {
        Input::Deliver(packet) => {
            let packet = space.packets.get(packet);
            let kept = if step.doubled { ", and is still under way" } else { "" };
            format!("receives from node {}: {}{kept}", packet.from, packet.message)
        }
        Input::Timeout => "is woken at its deadline".to_owned(),
        Input::LateWake => "is not woken at its deadline yet".to_owned(),
        Input::Pass(us) => format!("is {us} us older"),
        Input::Synced => "has its oldest write on disk".to_owned(),
        Input::Crash { kept } => {
            format!("crashes with {kept} of its writes kept, and starts again")
        }
        Input::Write(value) => format!("is asked to write command {value}"),
        Input::Read(token) => format!("is asked to read ({token})"),
        Input::Snapshot => "compacts its log".to_owned(),
        Input::Change(node) => format!("is asked to add or remove node {node}"),
        Input::Replace { node, by } => {
            format!("is asked to put node {by} in the place of node {node}")
        }
        Input::Transfer(to) => format!("is asked to hand over to node {to}"),
        Input::DiskFull(true) => "has a full disk".to_owned(),
        Input::DiskFull(false) => "has room on its disk again".to_owned(),
        Input::Wipe => "loses its disk, and starts again as a new life".to_owned(),
        Input::Flush => "is asked for the effects".to_owned(),
    };
    let how = match step.handling {
        Handling::Prompt => "",
        Handling::SlowDisk => " (slow disk)",
        Handling::Batched => " (effects later)",
    };
    lines.push(format!("{number}. node {} {what}{how}", step.place + 1));
    if let Ok((node, effects)) = space.play(cluster.nodes[step.place], step.input, step.handling) {
        lines.extend(effects.events.iter().map(|event| format!("     {event}")));
        for packet in effects.sent {
            lines.push(format!("     sends to node {}: {}", packet.to, packet.message));
        }
        for read in effects.reads {
            lines.push(format!("     answers read {} as of entry {}", read.token, read.index));
        }
        lines.push(format!("   {}", look(&node)));
    }
    for lost in next
        .into_iter()
        .flat_map(|next| cluster.net.packets().iter().filter(|p| !next.net.packets().contains(p)))
    {
        if Input::Deliver(*lost) != step.input {
            let packet = space.packets.get(*lost);
            lines.push(format!(
                "     lost, from {} to {}: {}",
                packet.from, packet.to, packet.message
            ));
        }
    }
}

/// A node in a line.
fn look(node: &Node) -> String {
    let raft = &node.raft;
    let log: Vec<String> = (raft.log().base().index.0..=raft.log().last().index.0)
        .filter_map(|index| raft.log().term_at(raft_core::id::Index(index)))
        .map(|term| term.to_string())
        .collect();
    format!(
        "node {}: {} t{} vote {} log [{}] commit {} durable {} under way {}",
        node.id(),
        raft.role_name(),
        raft.term(),
        raft.vote().map_or("-".to_owned(), |vote| vote.to_string()),
        log.join(" "),
        raft.commit_index(),
        raft.log().durable(),
        node.disk.under_way.len(),
    )
}
