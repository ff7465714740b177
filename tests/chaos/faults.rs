//! What is done to a cluster.

use crate::cluster::Cluster;
use crate::links::{Links, Way};
use crate::machine::Machine;
use crate::random::Random;
use crate::volume::Kind;
use raft_core::config::Timing;
use std::fmt;
use std::time::Duration;
use tokio::time::sleep;

/// To whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// Any one node.
    One,
    /// The node that leads.
    Leader,
    /// Just so many that the others are no quorum.
    Majority,
    All,
}

/// Something that goes wrong and stays so until the cluster is healed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// `kill -9`.
    Kill(Who),
    /// `kill -9` of every node, again and again, and each started again at once.
    Storm,
    /// SIGTERM.
    Stop(Who),
    /// SIGSTOP.
    Pause(Who),
    /// No connection between a node and the others.
    Isolate(Who),
    /// No connection between a majority and the others.
    Halves,
    /// Two parties that reach each other through one node only.
    Bridge,
    /// A node hears nobody, and is heard.
    Deaf(Who),
    /// A node is heard by nobody, and hears.
    Mute(Who),
    /// A node is stopped nine tenths of the time.
    Starve(Who),
    /// Everything between nodes is late.
    Delay,
    /// Little gets through between nodes at a time.
    Narrow,
    /// Connections between nodes are reset in the middle of frames.
    Breaks,
    /// Connections of clients are reset in the middle of frames.
    ClientBreaks,
    /// No space left on the disk.
    FullDisk(Who),
    /// Every sync takes its time.
    SlowDisk(Who),
    /// A sync fails, which the node must not survive.
    FailedSync(Who),
    /// The disk loses what was not synced, and the node is gone.
    PowerCut(Who),
    /// A node loses its data directory.
    Wipe(Who),
    /// Bits of a data directory flip.
    Damage(Who),
    /// A data directory is put back as it was some seconds before.
    Rollback(Who),
    /// A node more, or one less.
    Resize(Who),
    /// A new node takes the place of another.
    Replace(Who),
    /// Leadership is handed over.
    Transfer,
}

impl Fault {
    /// All that can be done on this machine.
    pub(crate) fn possible(machine: &Machine) -> Vec<Self> {
        use Who::{All, Leader, Majority, One};
        let mut faults = vec![
            Self::Kill(One),
            Self::Kill(Leader),
            Self::Kill(Majority),
            Self::Kill(All),
            Self::Storm,
            Self::Stop(One),
            Self::Stop(Leader),
            Self::Pause(One),
            Self::Pause(Leader),
            Self::Pause(Majority),
            Self::Starve(One),
            Self::Starve(Leader),
            Self::Wipe(One),
            Self::Wipe(Leader),
            Self::Damage(One),
            Self::Damage(Leader),
            Self::Rollback(One),
            Self::Rollback(Leader),
            Self::Resize(One),
            Self::Resize(Leader),
            Self::Replace(One),
            Self::Replace(Leader),
            Self::Transfer,
        ];
        if machine.has_links {
            faults.extend([
                Self::Isolate(One),
                Self::Isolate(Leader),
                Self::Halves,
                Self::Bridge,
                Self::Deaf(One),
                Self::Deaf(Leader),
                Self::Mute(One),
                Self::Mute(Leader),
                Self::Delay,
                Self::Narrow,
                Self::Breaks,
                Self::ClientBreaks,
            ]);
        }
        if machine.volumes != Kind::Folder {
            faults.extend([One, Leader, Majority].map(Self::FullDisk));
        }
        if machine.can_trace {
            faults.extend([One, Leader].map(Self::SlowDisk));
            faults.extend([One, Leader].map(Self::FailedSync));
        }
        if machine.volumes == Kind::Image {
            faults.extend([One, Leader, Majority, All].map(Self::PowerCut));
        }
        faults
    }

    /// Whether a quorum of nodes can go on working meanwhile, and so must.
    pub(crate) fn leaves_a_quorum(self) -> bool {
        match self {
            Self::Storm => false,
            Self::Kill(who)
            | Self::Stop(who)
            | Self::Pause(who)
            | Self::Starve(who)
            | Self::Wipe(who)
            | Self::Damage(who)
            | Self::Rollback(who)
            | Self::FullDisk(who)
            | Self::PowerCut(who)
            | Self::Isolate(who)
            | Self::Deaf(who)
            | Self::Mute(who)
            | Self::SlowDisk(who)
            | Self::FailedSync(who) => matches!(who, Who::One | Who::Leader),
            Self::Halves | Self::Bridge | Self::Delay | Self::Narrow => true,
            Self::Breaks | Self::ClientBreaks => true,
            Self::Resize(_) | Self::Replace(_) | Self::Transfer => true,
        }
    }

    /// Whether two faults at once may take more than the others can make good: the memory of two nodes,
    /// or that of one while another is no member any more. An older copy is known to be one by those who
    /// saw the newer and run on.
    pub(crate) fn is_too_much_with(self, other: Self) -> bool {
        if [self, other].iter().any(|fault| matches!(fault, Self::Rollback(_))) {
            return true;
        }
        let takes_a_node = |fault| {
            matches!(fault, Self::Wipe(_) | Self::Damage(_) | Self::Resize(_) | Self::Replace(_))
        };
        takes_a_node(self) && takes_a_node(other)
    }

    /// How long it stays.
    pub(crate) fn duration(self, random: &mut Random) -> Duration {
        let election = Timing::default().election_timeout_max;
        let seconds = Duration::from_secs_f64;
        match self {
            Self::Pause(_) => random.duration(election, election * 20),
            // Syncs are awaited: a node that syncs after a failure has to be seen.
            Self::FailedSync(_) => random.duration(seconds(1.0), seconds(3.0)),
            Self::Kill(_) | Self::PowerCut(_) => random.duration(seconds(0.05), seconds(4.0)),
            _ => random.duration(seconds(1.0), seconds(6.0)),
        }
    }

    /// Does it, and says to which nodes.
    pub(crate) async fn inject(
        self,
        cluster: &mut Cluster,
        random: &mut Random,
    ) -> Result<Vec<usize>, String> {
        match self {
            Self::Kill(who) => {
                let nodes = choose(who, cluster, random).await;
                nodes.iter().for_each(|node| cluster.kill(*node));
                Ok(nodes)
            }
            Self::Storm => storm(cluster, random).await,
            Self::Stop(who) => {
                let nodes = choose(who, cluster, random).await;
                nodes.iter().for_each(|node| cluster.stop(*node));
                Ok(nodes)
            }
            Self::Pause(who) => {
                let nodes = choose(who, cluster, random).await;
                nodes.iter().for_each(|node| cluster.pause(*node));
                Ok(nodes)
            }
            Self::Starve(who) => {
                let nodes = choose(who, cluster, random).await;
                nodes.iter().for_each(|node| cluster.starve(*node));
                Ok(nodes)
            }
            Self::FullDisk(who) => {
                let nodes = choose(who, cluster, random).await;
                for node in &nodes {
                    cluster.fill_disk(*node, random.below(256 << 10))?;
                }
                Ok(nodes)
            }
            Self::SlowDisk(who) => {
                let nodes = choose(who, cluster, random).await;
                let millis = random.below(1_500) + 20;
                let inject = format!("fdatasync,fsync:delay_enter={}", millis * 1_000);
                nodes.iter().try_for_each(|node| cluster.tamper(*node, &inject))?;
                Ok(nodes)
            }
            Self::FailedSync(who) => {
                let nodes = choose(who, cluster, random).await;
                let inject = "fdatasync,fsync:error=EIO:when=1+";
                nodes.iter().try_for_each(|node| cluster.tamper(*node, inject))?;
                Ok(nodes)
            }
            Self::PowerCut(who) => {
                let nodes = choose(who, cluster, random).await;
                cluster.cut_power(&nodes)?;
                Ok(nodes)
            }
            Self::Wipe(who) => {
                let nodes = choose(who, cluster, random).await;
                nodes.iter().try_for_each(|node| cluster.wipe(*node))?;
                Ok(nodes)
            }
            Self::Damage(who) => {
                let nodes = choose(who, cluster, random).await;
                nodes.iter().try_for_each(|node| cluster.damage(*node, random))?;
                Ok(nodes)
            }
            Self::Rollback(who) => {
                let node = choose(who, cluster, random).await[0];
                let duration = random.duration(Duration::from_secs(1), Duration::from_secs(3));
                cluster.roll_back(node, duration).await?;
                Ok(vec![node])
            }
            Self::Resize(who) => {
                let old = choose(who, cluster, random).await[0];
                Ok(vec![cluster.resize(old).await?])
            }
            Self::Replace(who) => {
                let old = choose(who, cluster, random).await[0];
                Ok(vec![old, cluster.replace(old).await?])
            }
            Self::Transfer => {
                cluster.transfer().await;
                Ok(Vec::new())
            }
            Self::Isolate(who) | Self::Deaf(who) | Self::Mute(who) => {
                let nodes = choose(who, cluster, random).await;
                cluster.links.iter().for_each(|links| self.disturb(links, &nodes, random));
                Ok(nodes)
            }
            Self::Halves | Self::Bridge => {
                let mut nodes = cluster.ids();
                random.shuffle(&mut nodes);
                cluster.links.iter().for_each(|links| self.disturb(links, &nodes, random));
                Ok(nodes)
            }
            Self::Delay | Self::Narrow | Self::Breaks | Self::ClientBreaks => {
                cluster.links.iter().for_each(|links| self.disturb(links, &[], random));
                Ok(Vec::new())
            }
        }
    }

    /// Sets the ways as the fault wants them. What `nodes` are depends on it.
    fn disturb(self, links: &Links, nodes: &[usize], random: &mut Random) {
        let every = |from: std::ops::RangeInclusive<usize>| {
            let to = 1..=links.nodes();
            from.flat_map(move |from| to.clone().map(move |to| (from, to))).filter(|(a, b)| a != b)
        };
        let among_nodes = || every(1..=links.nodes());
        // A link that is cut resets its connections, and a black hole keeps them: both happen.
        let cut = if random.chance(50) { Way::SHUT } else { Way::SILENT };
        match self {
            Self::Isolate(_) => among_nodes()
                .filter(|(from, to)| nodes.contains(from) != nodes.contains(to))
                .for_each(|(from, to)| links.set(from, to, cut)),
            Self::Deaf(_) => among_nodes()
                .filter(|(from, to)| nodes.contains(to) && !nodes.contains(from))
                .for_each(|(from, to)| links.set(from, to, Way::SILENT)),
            Self::Mute(_) => among_nodes()
                .filter(|(from, to)| nodes.contains(from) && !nodes.contains(to))
                .for_each(|(from, to)| links.set(from, to, Way::SILENT)),
            Self::Halves | Self::Bridge => {
                let mut parties = nodes.to_vec();
                if self == Self::Bridge {
                    parties.pop();
                }
                let (few, many) = parties.split_at(parties.len() / 2);
                for one in few {
                    many.iter().for_each(|other| links.set_both(*one, *other, cut));
                }
            }
            Self::Delay => {
                let most = random.duration(Duration::from_millis(2), Duration::from_millis(200));
                among_nodes().for_each(|(from, to)| {
                    let max = random.duration(Duration::ZERO, most);
                    links.set(from, to, Way { delay: (max / 4, max), ..Way::OPEN });
                });
            }
            Self::Narrow => {
                // From 64 KiB to 4 MiB a second.
                let rate = 64 << (10 + random.below(7));
                let way = Way { bytes_per_second: Some(rate), ..Way::OPEN };
                among_nodes().for_each(|(from, to)| links.set(from, to, way));
            }
            Self::Breaks => {
                let way = Way { breaks_percent: random.below(5) + 1, ..Way::OPEN };
                among_nodes().for_each(|(from, to)| links.set(from, to, way));
            }
            Self::ClientBreaks => {
                let way = Way { breaks_percent: random.below(10) + 1, ..Way::OPEN };
                every(0..=0).for_each(|(client, node)| links.set_both(client, node, way));
            }
            _ => {}
        }
    }
}

/// Kills and starts for a while, and leaves all nodes running.
async fn storm(cluster: &mut Cluster, random: &mut Random) -> Result<Vec<usize>, String> {
    let nodes = cluster.ids();
    for _ in 0..random.below(6) + 3 {
        let in_phase = random.chance(50);
        for node in &nodes {
            cluster.kill(*node);
            if !in_phase {
                cluster.start(*node)?;
                sleep(random.duration(Duration::ZERO, Duration::from_millis(300))).await;
            }
        }
        if in_phase {
            nodes.iter().try_for_each(|node| cluster.start(*node))?;
        }
        sleep(random.duration(Duration::from_millis(100), Duration::from_millis(1_000))).await;
    }
    Ok(nodes)
}

async fn choose(who: Who, cluster: &Cluster, random: &mut Random) -> Vec<usize> {
    let mut nodes = cluster.ids();
    random.shuffle(&mut nodes);
    match who {
        Who::All => {}
        Who::Majority => nodes.truncate(nodes.len() / 2 + 1),
        Who::One => nodes.truncate(1),
        // Whoever it is that leads, the others go on without it.
        Who::Leader => nodes = vec![cluster.leader().await.unwrap_or(nodes[0])],
    }
    nodes
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One => "one node",
            Self::Leader => "the leader",
            Self::Majority => "a majority",
            Self::All => "all nodes",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(who) => write!(f, "kill -9 of {who}"),
            Self::Storm => write!(f, "restart storm"),
            Self::Stop(who) => write!(f, "SIGTERM of {who}"),
            Self::Pause(who) => write!(f, "pause of {who}"),
            Self::Starve(who) => write!(f, "starvation of {who}"),
            Self::Isolate(who) => write!(f, "isolation of {who}"),
            Self::Halves => write!(f, "split into majority and minority"),
            Self::Bridge => write!(f, "two parties and a bridge"),
            Self::Deaf(who) => write!(f, "deafness of {who}"),
            Self::Mute(who) => write!(f, "muteness of {who}"),
            Self::Delay => write!(f, "late links"),
            Self::Narrow => write!(f, "narrow links"),
            Self::Breaks => write!(f, "links that break"),
            Self::ClientBreaks => write!(f, "client links that break"),
            Self::FullDisk(who) => write!(f, "full disk of {who}"),
            Self::SlowDisk(who) => write!(f, "slow disk of {who}"),
            Self::FailedSync(who) => write!(f, "failed sync of {who}"),
            Self::PowerCut(who) => write!(f, "power cut of {who}"),
            Self::Wipe(who) => write!(f, "loss of the data of {who}"),
            Self::Damage(who) => write!(f, "flipped bits in the data of {who}"),
            Self::Rollback(who) => write!(f, "older copy of the data of {who}"),
            Self::Resize(who) => write!(f, "a node more, or without {who}"),
            Self::Replace(who) => write!(f, "a new node for {who}"),
            Self::Transfer => write!(f, "handover of leadership"),
        }
    }
}
