//! `raft-cli status`: every node of the list is asked for itself, so that it answers without a quorum.

use super::Stop;
use super::output::{Output, print};
use crate::client::{self, Failure};
use futures_util::future::join_all;
use raft_core::error::Error;
use raft_core::id::{ClusterId, NodeId};
use raft_core::raft::event::RoleName;
use raft_core::raft::membership::{Configuration, Member};
use raft_core::request::Status;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::time::Duration;

/// How long a node may take to say how it is: a live one needs milliseconds.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);

/// What the nodes say of themselves, in the order of their ids.
pub(super) struct Report {
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
    let report = Report::gather(addresses, timeout).await?;
    if output.json {
        output.json(&report.to_json())?;
    } else {
        report.print()?;
    }
    if report.newest().is_some() { Ok(()) } else { report.failed() }
}

impl Report {
    /// Asks every node of the list at once, and then the members that are not in it. Fails if they are
    /// not of one cluster.
    pub(super) async fn gather(addresses: &[String], timeout: Duration) -> Result<Self, Failure> {
        let timeout = timeout.min(STATUS_TIMEOUT);
        let mut report = Self { nodes: Vec::new() };
        let mut cluster = None;
        report.ask(addresses, timeout, &mut cluster).await?;
        let members: Vec<Member> = report.newest().map_or_else(Vec::new, |newest| {
            newest.configuration.members.values().cloned().collect()
        });
        let is_listed = |member: &&Member| addresses.contains(&member.address);
        let others: Vec<String> =
            members.iter().filter(|m| !is_listed(m)).map(|m| m.address.clone()).collect();
        report.ask(&others, timeout, &mut cluster).await?;
        for node in report.nodes.iter_mut().filter(|node| node.answer.is_err()) {
            let member = members.iter().find(|member| member.address == node.address);
            node.id = member.map_or(node.id, |member| member.id);
        }
        report.nodes.sort_by_key(|node| node.id);
        Ok(report)
    }

    async fn ask(
        &mut self,
        addresses: &[String],
        timeout: Duration,
        cluster: &mut Option<ClusterId>,
    ) -> Result<(), Failure> {
        let answers =
            join_all(addresses.iter().map(|address| client::status(address, timeout))).await;
        for ((address, answer), place) in addresses.iter().zip(answers).zip(1..) {
            if let Ok((have, _)) = answer {
                let want = *cluster.get_or_insert(have);
                if have != want {
                    return Err(Failure::Refused(Error::ClusterMismatch { have, want }));
                }
            }
            let answer = answer.map(|(_, status)| status);
            let id = answer.as_ref().map_or(NodeId(place), |status| status.node);
            self.nodes.push(Node { id, address: address.clone(), answer });
        }
        Ok(())
    }

    fn statuses(&self) -> impl Iterator<Item = &Status> {
        self.nodes.iter().filter_map(|node| node.answer.as_ref().ok())
    }

    /// The leader; of two that think they are, the one of the later term.
    pub(super) fn leader(&self) -> Option<&Status> {
        let leaders = self.statuses().filter(|status| status.role == RoleName::Leader);
        leaders.max_by_key(|status| status.term)
    }

    /// The leader, or whoever knows most.
    pub(super) fn newest(&self) -> Option<&Status> {
        self.leader()
            .or_else(|| self.statuses().max_by_key(|status| (status.commit_index, status.term)))
    }

    /// The nodes that did not answer.
    pub(super) fn down(&self) -> Vec<NodeId> {
        self.nodes.iter().filter(|node| node.answer.is_err()).map(|node| node.id).collect()
    }

    /// How many entries a node lacks of those that the newest has.
    pub(super) fn behind(&self, id: NodeId) -> Option<u64> {
        let last = self.statuses().find(|status| status.node == id)?.last_index;
        Some(self.newest()?.last_index.0.saturating_sub(last.0))
    }

    /// No node has said how it is. A reason that a node gave tells more than silence.
    pub(super) fn failed(self) -> Result<(), Stop> {
        let failures = self.nodes.into_iter().filter_map(|node| node.answer.err());
        let failure = failures.max_by_key(|failure| matches!(failure, Failure::Refused(_)));
        failure.map_or(Ok(()), |failure| Err(Stop::Failed(failure)))
    }

    /// What keeps the cluster from answering requests, as far as the nodes show it.
    fn trouble(&self) -> Option<String> {
        let down = self.down();
        let configuration = self.newest().map(|status| &status.configuration);
        if !configuration.is_some_and(|members| members.has_quorum(|id| !down.contains(&id))) {
            let voters: Vec<NodeId> = match configuration {
                Some(configuration) => configuration.all_voters().collect(),
                None => self.nodes.iter().map(|node| node.id).collect(),
            };
            let (up, of) = (voters.iter().filter(|id| !down.contains(id)).count(), voters.len());
            return Some(format!(
                "No quorum: {up} of {of} nodes answered; requests wait until a majority is up"
            ));
        }
        let mut leaders = self.statuses().filter_map(|status| status.leader);
        match leaders.any(|leader| !down.contains(&leader)) {
            true => None,
            false => Some("No leader: an election is under way; ask again in a moment".to_owned()),
        }
    }

    fn print(&self) -> io::Result<()> {
        let leader = self.leader().map(|status| status.node);
        let configuration =
            self.newest().map(|status| status.configuration.clone()).unwrap_or_default();
        print(|out| {
            writeln!(out, "Cluster Status:")?;
            for node in &self.nodes {
                let id = node.id;
                match &node.answer {
                    Ok(status) => {
                        let mark = if leader == Some(id) { " *" } else { "" };
                        let role = short(status.role, id, &configuration);
                        let mut log = format!("log: {} entries", status.last_index);
                        let is_learner = configuration.learners.contains_key(&id);
                        if let (true, Some(behind @ 1..)) = (is_learner, self.behind(id)) {
                            log += &format!(", {behind} behind");
                        } else if !configuration.members.contains_key(&id) {
                            log += ", no member";
                        }
                        writeln!(out, "  Node {id}: {role:<9} ({log}){mark}")?;
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

/// A role in a word. A candidate that only asks (thesis §9.6) is a candidate to a person, and a follower
/// without a vote is none.
fn short(role: RoleName, id: NodeId, configuration: &Configuration) -> String {
    match role {
        RoleName::PreCandidate => RoleName::Candidate.to_string(),
        RoleName::Follower if configuration.learners.contains_key(&id) => "LEARNER".to_owned(),
        RoleName::Follower if !configuration.members.contains_key(&id) => "OUTSIDE".to_owned(),
        role => role.to_string(),
    }
}
