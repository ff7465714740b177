//! `raft-cli member` and `raft-cli transfer`: who belongs to the cluster, and who leads it.

use super::args::node_id;
use super::output::{Output, print};
use super::status::Report;
use super::{Stop, unexpected};
use crate::address::Address;
use crate::client::{self, Client, Failure};
use clap::Subcommand;
use raft_core::error::Error;
use raft_core::id::NodeId;
use raft_core::raft::membership::{Change, Configuration, Goal, Member};
use raft_core::request::{Changed, Reply, Request};
use raft_core::vec_map::VecSet;
use serde_json::json;
use std::io::Write;
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  raft-cli member list
  raft-kv --id 4 --join localhost:8001 --listen localhost:8004      the new node, elsewhere
  raft-cli member add localhost:8004 --dry-run
  raft-cli member add localhost:8004
  raft-cli member replace 3 localhost:8004
  raft-cli member remove 1
One change at a time. Each is done when a majority has it on disk; a new node gets its vote by
itself once it has caught up.";

const ADD_EXAMPLES: &str = "\
Examples:
  raft-kv --id 4 --join localhost:8001 --listen localhost:8004      first, on its own machine
  raft-cli member add localhost:8004
  raft-cli member add localhost:8004 --learner       gets every write, never votes";

const PROMOTE_EXAMPLES: &str = "\
Examples:
  raft-cli member promote 4";

const REMOVE_EXAMPLES: &str = "\
Examples:
  raft-cli member remove 3 --dry-run
  raft-cli member remove 3";

const REPLACE_EXAMPLES: &str = "\
Examples:
  raft-kv --id 4 --join localhost:8001 --listen localhost:8004      first, on its own machine
  raft-cli member replace 3 localhost:8004";

const LIST_EXAMPLES: &str = "\
Examples:
  raft-cli member list
  raft-cli --json member list";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print who votes, who learns, and what the cluster can lose
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Add a node that waits for it: a learner at first, a voter once it has caught up
    #[command(after_help = ADD_EXAMPLES)]
    Add {
        /// Where it listens
        #[arg(value_name = "HOST:PORT")]
        address: Address,
        /// It stays a learner
        #[arg(long)]
        learner: bool,
        #[command(flatten)]
        only: Only,
    },
    /// Give a learner a vote now; refused if it lags behind
    #[command(after_help = PROMOTE_EXAMPLES)]
    Promote {
        /// The learner
        #[arg(value_parser = node_id)]
        id: NodeId,
        #[command(flatten)]
        only: Only,
    },
    /// Remove a node, and be it the leader; refused if too few would be left up
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        /// The node
        #[arg(value_parser = node_id)]
        id: NodeId,
        #[command(flatten)]
        only: Only,
    },
    /// Put a new node in the place of a voter, in one step once it has caught up
    #[command(after_help = REPLACE_EXAMPLES)]
    Replace {
        /// The voter that goes
        #[arg(value_parser = node_id)]
        id: NodeId,
        /// Where the new node listens
        #[arg(value_name = "HOST:PORT")]
        address: Address,
        #[command(flatten)]
        only: Only,
    },
}

#[derive(clap::Args, Debug)]
pub(super) struct Only {
    /// Only say what the quorum would be and what it could lose
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(
    command: Command,
    addresses: &[String],
    client: &mut Client,
    timeout: Duration,
    output: &Output,
) -> Result<(), Stop> {
    let (change, only) = match command {
        Command::List => return list(addresses, timeout, output).await,
        Command::Add { address, learner, only } => {
            let goal = if learner { Goal::Stay } else { Goal::Vote };
            (Change::Add { member: newcomer(client, address, timeout).await?, goal }, only)
        }
        Command::Promote { id, only } => (Change::Promote(id), only),
        Command::Remove { id, only } => (Change::Remove(id), only),
        Command::Replace { id, address, only } => {
            (Change::Replace { node: id, by: newcomer(client, address, timeout).await? }, only)
        }
    };
    let Only { dry_run } = only;
    let request = Request::Change { change: change.clone(), dry_run };
    match client.request(request).await {
        Ok(Reply::Changed(changed)) => tell(&change, &changed, output),
        Ok(reply) => Err(unexpected(&reply)),
        Err(Failure::Refused(Error::OutcomeUnknown)) => Err(in_doubt(
            "outcome unknown, the change may or may not take effect; see raft-cli member list",
        )),
        Err(failure) => Err(failure.into()),
    }
}

pub(super) async fn transfer(
    to: Option<NodeId>,
    client: &mut Client,
    output: &Output,
) -> Result<(), Stop> {
    match client.request(Request::Transfer { to }).await {
        Ok(Reply::Transferred { leader }) if output.json => {
            Ok(output.json(&json!({ "leader": leader }))?)
        }
        Ok(Reply::Transferred { leader }) => {
            Ok(print(|out| writeln!(out, "OK (node {leader} leads)"))?)
        }
        Ok(reply) => Err(unexpected(&reply)),
        Err(Failure::Refused(Error::OutcomeUnknown)) => {
            Err(in_doubt("outcome unknown, another node may lead by now; see raft-cli status"))
        }
        Err(failure) => Err(failure.into()),
    }
}

fn in_doubt(message: &str) -> Stop {
    Stop::Other(Error::OutcomeUnknown.code(), message.to_owned(), 6)
}

/// Asks a new node who it is: it must be of the same cluster.
async fn newcomer(
    client: &mut Client,
    Address(address): Address,
    timeout: Duration,
) -> Result<Member, Stop> {
    client.request(Request::Status).await?;
    let welcome = match client::welcome(&address, timeout).await {
        Err(Failure::Unreachable { reason, .. }) => {
            let message = format!(
                "no node answers at {address} ({reason}), nothing was done; start it first, \
                 with raft-kv --id N --join ... --listen {address}"
            );
            return Err(Stop::Other("unreachable", message, 5));
        }
        welcome => welcome?,
    };
    match client.cluster() {
        Some(want) if want != welcome.cluster => {
            let error = Error::ClusterMismatch { have: welcome.cluster, want };
            Err(Failure::Refused(error).into())
        }
        _ => Ok(Member { id: welcome.node, address, incarnation: welcome.incarnation }),
    }
}

/// What was done or would be, and what the cluster can lose then.
fn tell(change: &Change, changed: &Changed, output: &Output) -> Result<(), Stop> {
    let Changed { before, after, up, index } = changed;
    let later = in_the_end(after);
    let loss = Loss::of(&later);
    if output.json {
        return Ok(output.json(&json!({
            "change": change,
            "dry_run": index.is_none(),
            "index": index,
            "before": before,
            "after": after,
            "in_the_end": later,
            "quorum": loss.quorum,
            "can_lose": loss.can_lose,
            "up": up,
        }))?);
    }
    let what = match change {
        Change::Add { member, goal: Goal::Stay } => {
            format!("node {} at {}: learner", member.id, member.address)
        }
        Change::Add { member, .. } => {
            format!(
                "node {} at {}: learner, votes when it has caught up",
                member.id, member.address
            )
        }
        Change::Promote(id) => format!("node {id}: voter"),
        Change::Remove(id) => format!("node {id}: removed"),
        Change::Replace { node, by } => format!(
            "node {} at {}: learner, takes the place of node {node} when it has caught up",
            by.id, by.address
        ),
    };
    // A new node has just answered us; the leader has yet to hear from it.
    let is_down = |id: &&NodeId| !up.contains(id) && before.members.contains_key(id);
    let down = later.members.keys().filter(is_down);
    let down: Vec<String> = down.map(ToString::to_string).collect();
    Ok(print(|out| {
        match index {
            Some(_) => writeln!(out, "OK ({what})")?,
            None => writeln!(out, "Would be done ({what})")?,
        }
        writeln!(out, "  {} -> {loss}", voters(before))?;
        match down.is_empty() {
            true => writeln!(out, "  All are up"),
            false => writeln!(out, "  Down: {}", down.join(", ")),
        }
    })?)
}

async fn list(addresses: &[String], timeout: Duration, output: &Output) -> Result<(), Stop> {
    let report = Report::gather(addresses, timeout).await?;
    let Some(newest) = report.newest() else { return report.failed() };
    let configuration = &newest.configuration;
    let loss = Loss::of(configuration);
    if output.json {
        return Ok(output.json(&json!({
            "configuration": configuration,
            "leader": report.leader().map(|status| status.node),
            "quorum": loss.quorum,
            "can_lose": loss.can_lose,
            "down": report.down(),
        }))?);
    }
    let leader = report.leader().map(|status| status.node);
    let down = report.down();
    Ok(print(|out| {
        writeln!(out, "Members:")?;
        for Member { id, address, .. } in configuration.members.values() {
            let kind = if configuration.is_voter(*id) { "VOTER" } else { "LEARNER" };
            let mut notes = Vec::new();
            if down.contains(id) {
                notes.push("down".to_owned());
            } else if let Some(behind) = report.behind(*id).filter(|behind| *behind > 0) {
                notes.push(format!("{behind} behind"));
            }
            match configuration.learners.get(id) {
                Some(Goal::Vote) => notes.push("votes when it has caught up".to_owned()),
                Some(Goal::Replace(old)) => {
                    notes.push(format!("takes the place of node {old} when it has caught up"));
                }
                Some(Goal::Stay) | None => {}
            }
            let leaves = configuration.outgoing.contains(id) && !configuration.voters.contains(id);
            if leaves {
                notes.push("leaves".to_owned());
            }
            let notes = match notes.is_empty() {
                true => String::new(),
                false => format!("  ({})", notes.join(", ")),
            };
            let mark = if leader == Some(*id) { " *" } else { "" };
            writeln!(out, "  Node {id}: {kind:<9} {address}{notes}{mark}")?;
        }
        writeln!(out, "  {loss}")
    })?)
}

/// What a configuration needs, and what it can do without.
struct Loss {
    text: String,
    quorum: usize,
    can_lose: usize,
}

impl Loss {
    fn of(configuration: &Configuration) -> Self {
        let count = configuration.voters.len();
        let quorum = count / 2 + 1;
        let can_lose = count.saturating_sub(quorum);
        let text = format!("{}: quorum {quorum}, can lose {can_lose}", voters(configuration));
        Self { text, quorum, can_lose }
    }
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// How many vote and learn.
fn voters(configuration: &Configuration) -> String {
    let count = |number: usize, noun: &str| match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    };
    let voters = count(configuration.voters.len(), "voter");
    match configuration.learners.len() {
        0 => voters,
        learners => format!("{voters} and {}", count(learners, "learner")),
    }
}

/// The configuration when every learner is what it is to be.
fn in_the_end(configuration: &Configuration) -> Configuration {
    let mut end = configuration.clone();
    let learners = std::mem::take(&mut end.learners);
    for (id, goal) in learners {
        if goal == Goal::Stay {
            end.learners.insert(id, goal);
            continue;
        }
        end.voters.insert(id);
        if let Goal::Replace(old) = goal {
            end.voters.remove(&old);
        }
    }
    end.outgoing = VecSet::new();
    let (voters, learners) = (end.voters.clone(), end.learners.clone());
    end.members.retain(|id, _| voters.contains(id) || learners.contains_key(id));
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use raft_core::id::Incarnation;

    fn member(id: u64) -> Member {
        Member { id: NodeId(id), address: format!("db:{id}"), incarnation: Incarnation(id) }
    }

    #[test]
    fn what_a_cluster_can_lose_is_told_of_the_end_of_a_change() {
        let three = Configuration::founding(&[member(1), member(2), member(3)]);
        let after = |change: Change| Loss::of(&in_the_end(&three.after(&change, 9).unwrap())).text;
        let add = |goal| Change::Add { member: member(4), goal };
        assert_eq!(after(add(Goal::Vote)), "4 voters: quorum 3, can lose 1");
        assert_eq!(after(add(Goal::Stay)), "3 voters and 1 learner: quorum 2, can lose 1");
        assert_eq!(after(Change::Remove(NodeId(1))), "2 voters: quorum 2, can lose 0");
        let replace = Change::Replace { node: NodeId(3), by: member(4) };
        assert_eq!(after(replace.clone()), "3 voters: quorum 2, can lose 1");
        let end = in_the_end(&three.after(&replace, 9).unwrap());
        assert_eq!(end.members.keys().map(|id| id.0).collect::<Vec<u64>>(), [1, 2, 4]);
    }
}
