//! Real nodes, each with its own volume and its own idea of where the others are.

use crate::links::{Links, PORT, free_addresses, write_hosts};
use crate::machine::{Machine, run, tracer};
use crate::node::{END_TIMEOUT, Node, wait_for_end};
use crate::random::Random;
use futures_util::future::join_all;
use raft_core::id::{Index, NodeId};
use raft_core::raft::event::RoleName;
use raft_core::request::Status;
use raft_native::client;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_blocking, spawn_local};
use tokio::time::{Instant, sleep};

/// How long the nodes may take to be one cluster again once nothing is wrong any more.
pub(crate) const HEAL_TIMEOUT: Duration = Duration::from_secs(60);

/// Nodes there are beside as many as the founders: one to be added, and one to replace another.
const SPARES: usize = 2;

/// How much later one node may be started than another: others can elect a leader meanwhile.
const LATE_START_MAX: Duration = Duration::from_millis(1_500);

/// A node that is starved runs for a tenth of this, again and again. As long as a heartbeat interval: such a
/// node is late with every heartbeat, and with none by as much as an election timeout.
const STARVE_INTERVAL: Duration = Duration::from_millis(50);

const STATUS_TIMEOUT: Duration = Duration::from_millis(500);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

pub(crate) struct Cluster {
    /// Of all nodes, spares included: what clients dial.
    pub(crate) addresses: Vec<String>,
    pub(crate) links: Option<Links>,
    /// How many nodes the cluster was founded with.
    pub(crate) founders: usize,
    /// The nodes that are to be its members.
    pub(crate) members: BTreeSet<usize>,
    nodes: Vec<Node>,
    tracers: Vec<Child>,
    starvers: Vec<JoinHandle<()>>,
}

impl Cluster {
    /// Nodes with empty volumes in `dir`, of which the first `founders` are started and found a cluster.
    pub(crate) async fn found(
        dir: &Path,
        founders: usize,
        has_leases: bool,
        machine: &Machine,
        random: &mut Random,
    ) -> Result<Self, String> {
        let all = founders + SPARES;
        let (links, addresses) = match machine.has_links {
            true => {
                let links = Links::start(all, random).await;
                let links = links.map_err(|error| format!("cannot open the links: {error}"))?;
                write_hosts(dir, all)?;
                let hosts = dir.join("hosts-0");
                run(Command::new("mount").arg("--bind").arg(hosts).arg("/etc/hosts"))?;
                (Some(links), (1..=all).map(|node| format!("node{node}:{PORT}")).collect())
            }
            false => (None, free_addresses(all)),
        };
        let create = |id| Node::create(dir, id, &addresses, founders, machine, has_leases, random);
        let nodes = (1..=all).map(create).collect::<Result<_, _>>()?;
        let (members, tracers, starvers) = ((1..=founders).collect(), Vec::new(), Vec::new());
        let mut cluster = Self { addresses, links, founders, members, nodes, tracers, starvers };
        cluster.ids().into_iter().try_for_each(|id| cluster.start(id))?;
        cluster.become_whole().await?;
        Ok(cluster)
    }

    pub(crate) fn ids(&self) -> Vec<usize> {
        self.members.iter().copied().collect()
    }

    pub(crate) fn data_dir(&self, id: usize) -> PathBuf {
        self.node(id).data_dir()
    }

    pub(crate) fn address(&self, id: usize) -> &str {
        &self.addresses[id - 1]
    }

    fn node(&self, id: usize) -> &Node {
        &self.nodes[id - 1]
    }

    pub(crate) fn node_mut(&mut self, id: usize) -> &mut Node {
        &mut self.nodes[id - 1]
    }

    pub(crate) fn kill(&mut self, id: usize) {
        self.node_mut(id).kill();
    }

    /// Starts a node that does not run.
    pub(crate) fn start(&mut self, id: usize) -> Result<(), String> {
        self.node_mut(id).start()
    }

    /// SIGSTOP; it goes on when the cluster is healed.
    pub(crate) fn pause(&self, id: usize) {
        self.node(id).signal(Signal::STOP);
    }

    /// SIGSTOP and SIGCONT by turns: it gets a tenth of the time, until the cluster is healed.
    pub(crate) fn starve(&mut self, id: usize) {
        let Some(process) = self.node(id).process.as_ref().map(Pid::from_child) else { return };
        self.starvers.push(spawn_local(async move {
            while kill_process(process, Signal::STOP).is_ok() {
                sleep(STARVE_INTERVAL * 9 / 10).await;
                let _ = kill_process(process, Signal::CONT);
                sleep(STARVE_INTERVAL / 10).await;
            }
        }));
    }

    /// SIGTERM: it ends as it likes, and is started again when the cluster is healed.
    pub(crate) fn stop(&mut self, id: usize) {
        self.node_mut(id).may_end = true;
        self.node(id).signal(Signal::TERM);
    }

    /// Kills a node that then loses what it has on disk.
    pub(crate) fn wipe(&mut self, id: usize) -> Result<(), String> {
        self.kill(id);
        self.node(id).wipe()
    }

    /// Kills a node, and flips bits of what it has on disk.
    pub(crate) fn damage(&mut self, id: usize, random: &mut Random) -> Result<(), String> {
        self.kill(id);
        self.node(id).damage(random)
    }

    /// Kills a node and puts its disk back as it was `duration` before: all it has done since is undone.
    pub(crate) async fn roll_back(&mut self, id: usize, duration: Duration) -> Result<(), String> {
        self.kill(id);
        self.node(id).copy_data()?;
        self.start(id)?;
        sleep(duration).await;
        self.kill(id);
        self.node(id).put_copy_back()
    }

    /// Takes all of a node's disk but `left` bytes, until the cluster is healed.
    pub(crate) fn fill_disk(&mut self, id: usize, left: u64) -> Result<(), String> {
        self.node(id).volume.fill(left)
    }

    /// Cuts the power of nodes, until the cluster is healed: first their disks stop, all at one moment
    /// as far as possible, and then they are gone.
    pub(crate) fn cut_power(&mut self, ids: &[usize]) -> Result<(), String> {
        for id in ids {
            self.node(*id).volume.cut_power()?;
            self.node_mut(*id).is_without_power = true;
        }
        ids.iter().for_each(|id| self.kill(*id));
        Ok(())
    }

    /// Makes system calls of a node fail or wait, as strace's `inject` says, until the cluster is healed.
    pub(crate) fn tamper(&mut self, id: usize, inject: &str) -> Result<(), String> {
        let node = self.node_mut(id);
        let Some(process) = &node.process else { return Ok(()) };
        node.may_end = inject.contains("error=");
        let tracer = tracer(process.id(), inject).spawn();
        self.tracers.push(tracer.map_err(|error| format!("strace: {error}"))?);
        Ok(())
    }

    pub(crate) fn is_running(&mut self, id: usize) -> bool {
        let node = self.node_mut(id);
        node.ended().is_none() && node.process.is_some()
    }

    /// Whether a node has ended as one must whose disk fails: with its words, and exit code 1.
    pub(crate) fn has_ended_for_its_disk(&mut self, id: usize) -> bool {
        let node = self.node_mut(id);
        node.ended().is_some_and(|status| status.code() == Some(1)) && node.has_said("cannot write")
    }

    /// A node that has ended though nothing was done to it of which a node may end, in a sentence.
    pub(crate) fn unexpected_end(&mut self) -> Option<String> {
        self.nodes.iter_mut().find_map(|node| {
            let status = node.ended().filter(|_| node.process.take().is_some())?;
            let words = node.last_words();
            (!node.may_end).then(|| format!("node {} ended ({status}): {words}", node.id))
        })
    }

    /// Ends every fault: after this all members run, have power and space, and reach each other.
    pub(crate) async fn heal(&mut self, random: &mut Random) -> Result<(), String> {
        self.links.iter().for_each(Links::heal);
        self.starvers.drain(..).for_each(|starver| starver.abort());
        self.nodes.iter().for_each(|node| node.signal(Signal::CONT));
        for mut tracer in std::mem::take(&mut self.tracers) {
            // Killed, it would leave what it traces in the middle of a call.
            let _ = kill_process(Pid::from_child(&tracer), Signal::TERM);
            wait_for_end(&mut tracer).await;
        }
        for node in &mut self.nodes {
            node.volume.empty();
            if node.is_without_power {
                let volume = node.volume.clone();
                spawn_blocking(move || volume.power_up()).await.expect("no panic")?;
                node.is_without_power = false;
            }
        }
        // Who comes late finds that others have gone on without what only it knows.
        let (mut ids, is_staggered) = (self.ids(), random.chance(50));
        random.shuffle(&mut ids);
        for id in ids {
            if !self.is_running(id) {
                self.start(id)?;
                if is_staggered {
                    sleep(random.duration(Duration::ZERO, LATE_START_MAX)).await;
                }
            }
        }
        Ok(())
    }

    /// Waits until the members are those that are wanted, all follow one leader, and have what was
    /// committed when they did. Other nodes are gone then, and their data with them.
    pub(crate) async fn become_whole(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + HEAL_TIMEOUT;
        let mut goal = None;
        loop {
            let statuses = self.statuses().await;
            if let Some(leader) = self.agreed_leader(&statuses) {
                if self.lacks(&leader.configuration) {
                    self.change_members(&leader.configuration).await;
                } else {
                    let is_member = |s: &&Status| self.members.contains(&(s.node.0 as usize));
                    let known = || statuses.iter().flatten().filter(is_member);
                    let goal = *goal.get_or_insert(known().map(|s| s.commit_index).max());
                    if known().all(|status| Some(status.applied_index) >= goal) {
                        return self.clear_away();
                    }
                }
            }
            if let Some(end) = self.unexpected_end() {
                return Err(end);
            }
            // One that found nobody to join tries again, as a person would have it.
            for id in self.ids() {
                if !self.is_running(id) {
                    self.start(id)?;
                }
            }
            if Instant::now() > deadline {
                let seen = self.describe(&statuses, goal.flatten());
                return Err(format!("no whole cluster {HEAL_TIMEOUT:?} after the faults: {seen}"));
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// The leader, if all members of its configuration that are wanted say that it leads. Who waits to be
    /// added knows of none.
    fn agreed_leader<'a>(&self, statuses: &'a [Option<Status>]) -> Option<&'a Status> {
        let known = || statuses.iter().flatten();
        let leading = known().filter(|status| status.role == RoleName::Leader);
        let leader = leading.max_by_key(|status| status.term)?;
        let is_wanted = |id: &NodeId| self.members.contains(&(id.0 as usize));
        let mut members = leader.configuration.members.keys().filter(|id| is_wanted(id));
        let follows = |id: &NodeId| {
            known().any(|status| status.node == *id && status.leader == Some(leader.node))
        };
        members.all(follows).then_some(leader)
    }

    /// Ends nodes that are no members, and what they knew.
    fn clear_away(&mut self) -> Result<(), String> {
        for node in &mut self.nodes {
            node.may_end = false;
            if !self.members.contains(&node.id) && node.process.is_some() {
                node.retire()?;
            }
        }
        Ok(())
    }

    /// The node that leads as far as anybody says.
    pub(crate) async fn leader(&self) -> Option<usize> {
        let statuses = self.statuses().await;
        let leaders = statuses.iter().flatten().filter(|s| s.role == RoleName::Leader);
        leaders.max_by_key(|status| status.term).map(|status| status.node.0 as usize)
    }

    /// What each member says of itself, and each node that still runs.
    pub(crate) async fn statuses(&self) -> Vec<Option<Status>> {
        let asked = self.answerable().map(|id| client::status(self.address(id), STATUS_TIMEOUT));
        let answers = join_all(asked).await;
        answers.into_iter().map(|answer| Some(answer.ok()?.1)).collect()
    }

    /// Ends all nodes as a person would, and says which did not end well.
    pub(crate) async fn stop_all(&mut self) -> Result<(), String> {
        self.nodes.iter().for_each(|node| node.signal(Signal::TERM));
        for node in &mut self.nodes {
            let Some(mut process) = node.process.take() else { continue };
            match wait_for_end(&mut process).await {
                Some(status) if status.success() => {}
                Some(status) => {
                    let words = node.last_words();
                    return Err(format!("node {} ended badly ({status}): {words}", node.id));
                }
                None => return Err(format!("node {} did not end in {END_TIMEOUT:?}", node.id)),
            }
        }
        Ok(())
    }

    /// Removes what the volumes hold.
    pub(crate) fn remove(mut self) {
        for node in &mut self.nodes {
            node.kill();
            node.volume.remove();
        }
    }

    /// Members, and nodes that still run though they are to go: one of them may lead.
    fn answerable(&self) -> impl Iterator<Item = usize> {
        let nodes = self.nodes.iter();
        let answerable = |node: &&Node| self.members.contains(&node.id) || node.process.is_some();
        nodes.filter(answerable).map(|node| node.id)
    }

    fn describe(&self, statuses: &[Option<Status>], goal: Option<Index>) -> String {
        let one = |(id, status): (usize, &Option<Status>)| match status {
            None => format!("node {id} does not answer"),
            Some(status) => format!(
                "node {id} is {:?} in term {} with leader {:?} and {}, applied {} of {}",
                status.role,
                status.term,
                status.leader.map(|leader| leader.0),
                status.configuration,
                status.applied_index,
                goal.unwrap_or(status.commit_index)
            ),
        };
        self.answerable().zip(statuses).map(one).collect::<Vec<_>>().join("; ")
    }
}
