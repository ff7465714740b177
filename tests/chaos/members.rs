//! Nodes that come and go, as an administrator has them do.

use crate::cluster::Cluster;
use raft_core::id::NodeId;
use raft_core::raft::membership::{Change, Configuration, Goal, Member};
use raft_core::request::Request;
use raft_native::client::{self, Client};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a change may take before it is tried again later. It may take effect all the same.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a node that is started may take to answer.
const START_TIMEOUT: Duration = Duration::from_secs(5);

impl Cluster {
    /// Adds a node if there are as many as the founders, or else removes `old`; says whom it was about.
    pub(crate) async fn resize(&mut self, old: usize) -> Result<usize, String> {
        if self.members.len() > self.founders {
            self.members.remove(&old);
            self.node_mut(old).may_end = true;
            self.change(Change::Remove(node_id(old))).await;
            return Ok(old);
        }
        let new = self.start_spare()?;
        if let Some(member) = self.introduce(new).await {
            self.change(Change::Add { member, goal: Goal::Vote }).await;
        }
        Ok(new)
    }

    /// Puts a new node in the place of `old`, and says which.
    pub(crate) async fn replace(&mut self, old: usize) -> Result<usize, String> {
        let new = self.start_spare()?;
        self.members.remove(&old);
        self.node_mut(old).may_end = true;
        if let Some(by) = self.introduce(new).await {
            self.change(Change::Replace { node: node_id(old), by }).await;
        }
        Ok(new)
    }

    /// Hands leadership over.
    pub(crate) async fn transfer(&self) {
        self.ask(Request::Transfer { to: None }).await;
    }

    /// Whether the members are not those that are wanted.
    pub(crate) fn lacks(&self, configuration: &Configuration) -> bool {
        let voters = configuration.voters.iter().map(|node| node.0 as usize);
        !voters.eq(self.members.iter().copied())
            || configuration.is_joint()
            || !configuration.learners.is_empty()
    }

    /// Takes a step towards the members that are wanted, if none is being taken.
    pub(crate) async fn change_members(&mut self, configuration: &Configuration) {
        let is_known = |id: &usize| configuration.members.contains_key(&node_id(*id));
        let missing = self.members.iter().copied().find(|id| !is_known(id));
        let voters = configuration.voters.iter().map(|node| node.0 as usize);
        let extra = voters.into_iter().find(|id| !self.members.contains(id));
        if let Some(new) = missing {
            if let Some(member) = self.introduce(new).await {
                self.change(Change::Add { member, goal: Goal::Vote }).await;
            }
        } else if let (Some(old), true) = (extra, configuration.learners.is_empty()) {
            self.change(Change::Remove(node_id(old))).await;
        }
    }

    /// Starts a node that is no member, and wants it to be one.
    fn start_spare(&mut self) -> Result<usize, String> {
        let new = (1..).find(|id| !self.members.contains(id)).unwrap_or_default();
        if !self.is_running(new) {
            self.start(new)?;
        }
        // With another fault going on there may be nobody to join, and then it says so and ends.
        self.node_mut(new).may_end = true;
        self.members.insert(new);
        Ok(new)
    }

    /// A node as the cluster is to know it, once it is up.
    async fn introduce(&self, id: usize) -> Option<Member> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if let Ok(welcome) = client::welcome(self.address(id), CHANGE_TIMEOUT).await {
                let address = self.address(id).to_owned();
                return Some(Member { id: node_id(id), address, incarnation: welcome.incarnation });
            }
            sleep(Duration::from_millis(50)).await;
        }
        None
    }

    /// Asks for a change. If it is refused, or nobody knows, the next look shows what is to be done.
    async fn change(&self, change: Change) {
        self.ask(Request::Change { change, dry_run: false }).await;
    }

    async fn ask(&self, request: Request) {
        let members = self.members.iter().map(|id| self.address(*id).to_owned()).collect();
        let _ = Client::new(members, CHANGE_TIMEOUT).request(request).await;
    }
}

fn node_id(id: usize) -> NodeId {
    NodeId(id as u64)
}
