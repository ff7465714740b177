//! `raft-cli status`: every node of the list is asked for itself, so that it answers without a quorum.

use super::Stop;
use super::output::{Output, print};
use crate::client::{self, Failure};
use futures_util::future::join_all;
use raft_core::error::Error;
use raft_core::id::{ClusterId, NodeId};
use raft_core::raft::event::RoleName;
use raft_core::request::Status;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::time::Duration;

/// How long a node may take to say how it is: a live one needs milliseconds.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);

/// What the nodes say of themselves, in the order of their ids.
struct Report {
    nodes: Vec<Node>,
}

struct Node {
    /// For one that does not answer: what the others call its address, or else its place in the list.
    id: NodeId,
    address: String,
    answer: Result<Status, Failure>,
}

pub(super) async fn run(
    addresses: &[String],
    timeout: Duration,
    output: &Output,
) -> Result<(), Stop> {
    let report = Report::gather(addresses, timeout.min(STATUS_TIMEOUT)).await?;
    if output.json {
        output.json(&report.to_json())?;
    } else {
        report.print()?;
    }
    if report.newest().is_some() {
        return Ok(());
    }
    // A reason that a node gave tells more than silence.
    let failures = report.nodes.into_iter().filter_map(|node| node.answer.err());
    let failure = failures.max_by_key(|failure| matches!(failure, Failure::Refused(_)));
    failure.map_or(Ok(()), |failure| Err(Stop::Failed(failure)))
}

impl Report {
    /// Asks every node at once. Fails if they are not of one cluster.
    async fn gather(addresses: &[String], timeout: Duration) -> Result<Self, Failure> {
        let answers =
            join_all(addresses.iter().map(|address| client::status(address, timeout))).await;
        let mut clusters = answers.iter().flatten().map(|(cluster, _)| *cluster);
        if let Some(want) = clusters.next()
            && let Some(have) = clusters.find(|have: &ClusterId| *have != want)
        {
            return Err(Failure::Refused(Error::ClusterMismatch { have, want }));
        }
        let nodes = addresses.iter().zip(answers).zip(1..).map(|((address, answer), place)| Node {
            id: NodeId(place),
            address: address.clone(),
            answer: answer.map(|(_, status)| status),
        });
        let mut report = Self { nodes: nodes.collect() };
        let members = report.newest().map(|status| status.configuration.members.clone());
        for node in &mut report.nodes {
            let mut members = members.iter().flat_map(|members| members.values());
            node.id = match &node.answer {
                Ok(status) => status.node,
                Err(_) => members
                    .find(|member| member.address == node.address)
                    .map_or(node.id, |member| member.id),
            };
        }
        report.nodes.sort_by_key(|node| node.id);
        Ok(report)
    }

    fn statuses(&self) -> impl Iterator<Item = &Status> {
        self.nodes.iter().filter_map(|node| node.answer.as_ref().ok())
    }

    /// The leader; of two that think they are, the one of the later term.
    fn leader(&self) -> Option<&Status> {
        let leaders = self.statuses().filter(|status| status.role == RoleName::Leader);
        leaders.max_by_key(|status| status.term)
    }

    /// The leader, or whoever knows most.
    fn newest(&self) -> Option<&Status> {
        self.leader()
            .or_else(|| self.statuses().max_by_key(|status| (status.commit_index, status.term)))
    }

    /// What keeps the cluster from answering requests, as far as the listed nodes show it.
    fn trouble(&self) -> Option<String> {
        let is_down =
            |id: NodeId| self.nodes.iter().any(|node| node.id == id && node.answer.is_err());
        let configuration = self.newest().map(|status| &status.configuration);
        if !configuration.is_some_and(|members| members.has_quorum(|id| !is_down(id))) {
            let (up, of) = (self.statuses().count(), self.nodes.len());
            return Some(format!(
                "No quorum: {up} of {of} nodes answered; requests wait until a majority is up"
            ));
        }
        let mut leaders = self.statuses().filter_map(|status| status.leader);
        match leaders.any(|leader| !is_down(leader)) {
            true => None,
            false => Some("No leader: an election is under way; ask again in a moment".to_owned()),
        }
    }

    fn print(&self) -> io::Result<()> {
        let leader = self.leader().map(|status| status.node);
        print(|out| {
            writeln!(out, "Cluster Status:")?;
            for node in &self.nodes {
                let id = node.id;
                match &node.answer {
                    Ok(status) => {
                        let mark = if leader == Some(id) { " *" } else { "" };
                        let (role, entries) = (short(status.role), status.last_index);
                        writeln!(out, "  Node {id}: {role:<9} (log: {entries} entries){mark}")?;
                    }
                    Err(Failure::Unreachable { .. }) => {
                        writeln!(out, "  Node {id}: {:<9} (unreachable)", "DOWN")?;
                    }
                    Err(Failure::Refused(error)) => {
                        writeln!(out, "  Node {id}: {:<9} ({})", "REFUSED", error.code())?;
                    }
                }
            }
            if let Some(newest) = self.newest() {
                writeln!(out, "  Commit index: {}", newest.commit_index)?;
                writeln!(out, "  Last applied: {}", newest.applied_index)?;
            }
            self.trouble().map_or(Ok(()), |trouble| writeln!(out, "  {trouble}"))
        })
    }

    fn to_json(&self) -> Value {
        let nodes = self.nodes.iter().map(|node| match &node.answer {
            Ok(status) => json!({ "node": node.id, "address": node.address, "status": status }),
            Err(failure) => {
                let error = json!({ "code": failure.code(), "message": failure.to_string() });
                json!({ "node": node.id, "address": node.address, "error": error })
            }
        });
        json!({
            "nodes": nodes.collect::<Vec<Value>>(),
            "leader": self.leader().map(|status| status.node),
            "commit_index": self.newest().map(|status| status.commit_index),
            "applied_index": self.newest().map(|status| status.applied_index),
            "trouble": self.trouble(),
        })
    }
}

/// A candidate that only asks (thesis §9.6) is a candidate to a person.
fn short(role: RoleName) -> String {
    match role {
        RoleName::PreCandidate => RoleName::Candidate.to_string(),
        role => role.to_string(),
    }
}
