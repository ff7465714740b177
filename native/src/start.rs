//! What is settled before a node takes part: whose directory it is, which life of it begins or goes on,
//! and that no other node has its id. Until all that is settled nothing is written.

use crate::args::{Orders, Place};
use crate::client;
use crate::datadir::{self, Content, Found, Opened};
use crate::identity::{Identity, Origin};
use crate::peers::SILENCE_MAX;
use crate::peers::greeting::greet;
use crate::refusal::Refusal;
use raft_core::error::Error;
use raft_core::id::{ClusterId, Incarnation, NodeId, Start};
use raft_core::raft::membership::Configuration;
use raft_core::wire::{Hello, PeerId, VERSION};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a node that is asked for its cluster may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// Pause before peers are greeted again that say that another process with our id is alive: the one
/// before ours may have been killed a moment ago.
const GREETING_PAUSE: Duration = Duration::from_millis(200);

/// Why a node begins anew whose directory is whole.
pub const OLDER_COPY: &str = "it is an older copy of one that ran since";

/// A node that may begin.
#[derive(Debug)]
pub struct Settled {
    /// Its directory.
    pub opened: Opened,
    /// The number of this process, as its hello tells it.
    pub start: Start,
    /// Where the cluster is, as far as is known.
    pub addresses: Vec<String>,
    /// What a person should know of its directory.
    pub notice: Option<String>,
}

/// The cluster as a node knows it before it begins.
struct Known {
    cluster: ClusterId,
    members: Vec<(NodeId, String)>,
    /// What to show of it.
    addresses: Vec<String>,
}

/// Settles it all. With `must_begin_anew` the directory's memory is not to be relied on, and that is why.
pub async fn settle(
    orders: &Orders,
    must_begin_anew: Option<&'static str>,
) -> Result<Settled, Refusal> {
    let found = datadir::look(&orders.data_dir)?;
    let founded = match &orders.place {
        Place::Founder(addresses) => Some(ClusterId::of(addresses)),
        Place::Joins(_) => None,
    };
    found.check_owner(orders.id, founded)?;
    let known = Known::of(orders, &found).await?;
    found.check_owner(orders.id, Some(known.cluster))?;

    let mut peers = known.members;
    peers.retain(|(id, address)| *id != orders.id && *address != orders.address);
    let mut lost = match &found.content {
        Content::Damaged { why, .. } => Some(why.clone()),
        Content::Whole(_) => must_begin_anew.map(str::to_owned),
        Content::Nothing => None,
    };
    let random_start = random()? as u32;
    let deadline = Instant::now() + SILENCE_MAX;
    let (identity, start) = loop {
        let identity = identity(orders, known.cluster, &found, lost.as_deref())?;
        let start = Start::new(identity.starts, random_start);
        let refusals = greet(&hello(orders, &identity, start), &peers).await;
        let is_older_copy = |error: &Error| matches!(error, Error::OlderCopy { .. });
        let is_taken = |error: &&Error| matches!(error, Error::NodeTaken { .. });
        let is_foreign = |error: &&Error| matches!(error, Error::ClusterMismatch { .. });
        if lost.is_none() && refusals.iter().any(is_older_copy) {
            lost = Some(OLDER_COPY.to_owned());
        } else if let Some(taken) = refusals.iter().find(is_taken) {
            if Instant::now() >= deadline {
                return Err(Refusal::identity(taken.to_string()));
            }
            sleep(GREETING_PAUSE).await;
        } else if let (Content::Nothing, Some(foreign)) =
            (&found.content, refusals.iter().find(is_foreign))
        {
            return Err(Refusal::identity(foreign.to_string()));
        } else {
            break (identity, start);
        }
    };
    let path = orders.data_dir.display().to_string();
    let (opened, notice) = match lost {
        None => (found.open(identity)?, None),
        Some(why) => {
            let notice = format!(
                "data directory {path} cannot be relied on: {why}; its files are set aside as damaged-*, \
                 and the other nodes fill it anew"
            );
            (found.open_anew(identity)?, Some(notice))
        }
    };
    let notice = notice.or_else(|| opened.repair.clone());
    Ok(Settled { opened, start, addresses: known.addresses, notice })
}

impl Known {
    async fn of(orders: &Orders, found: &Found) -> Result<Self, Refusal> {
        if let Content::Whole(memory) = &found.content {
            let cluster = memory.identity.cluster;
            let configuration = memory.configuration().filter(|last| !last.members.is_empty());
            let members: Vec<(NodeId, String)> = match configuration {
                Some(configuration) => members_of(configuration),
                None => memory.identity.founders().map(|(id, at)| (id, at.to_owned())).collect(),
            };
            let mut addresses: Vec<String> = members.iter().map(|(_, at)| at.clone()).collect();
            if let (true, Place::Joins(join)) = (addresses.is_empty(), &orders.place) {
                addresses.clone_from(join);
            }
            return Ok(Self { cluster, members, addresses });
        }
        match &orders.place {
            Place::Founder(addresses) => Ok(Self {
                cluster: ClusterId::of(addresses),
                members: (1..).map(NodeId).zip(addresses.iter().cloned()).collect(),
                addresses: addresses.clone(),
            }),
            Place::Joins(addresses) => {
                let (cluster, configuration) = ask(addresses).await?;
                check_place(orders, &configuration)?;
                let members = members_of(&configuration);
                let mut addresses: Vec<String> = members.iter().map(|(_, at)| at.clone()).collect();
                addresses.retain(|address| *address != orders.address);
                Ok(Self { cluster, members, addresses })
            }
        }
    }
}

/// Asks for the cluster at each address, until one answers.
async fn ask(addresses: &[String]) -> Result<(ClusterId, Configuration), Refusal> {
    let mut reason = "no address is given".to_owned();
    for address in addresses {
        match client::status(address, ASK_TIMEOUT).await {
            Ok((cluster, status)) => return Ok((cluster, status.configuration)),
            Err(client::Failure::Unreachable { reason: why, .. }) => reason = why,
            Err(client::Failure::Refused(error)) => reason = error.to_string(),
        }
    }
    Err(Refusal::other(format!(
        "no node answers at --join {} ({reason}); start one of them or check the addresses",
        addresses.join(",")
    )))
}

/// Refuses an id or an address that another node of the cluster has.
fn check_place(orders: &Orders, configuration: &Configuration) -> Result<(), Refusal> {
    let Orders { id, address, .. } = orders;
    for member in configuration.members.values() {
        if member.id == *id && member.address != *address {
            return Err(Refusal::identity(format!(
                "node {id} of this cluster is at {}; choose another --id, or listen there",
                member.address
            )));
        }
        if member.id != *id && member.address == *address {
            return Err(Refusal::identity(format!(
                "{address} is the address of node {} of this cluster; choose another --listen",
                member.id
            )));
        }
    }
    Ok(())
}

/// Who the node will be: the life that goes on, or a new one.
fn identity(
    orders: &Orders,
    cluster: ClusterId,
    found: &Found,
    lost: Option<&str>,
) -> Result<Identity, Refusal> {
    let origin = match (&found.content, &orders.place, lost) {
        (Content::Whole(memory), _, None) => return Ok(memory.identity.clone().started()),
        (_, Place::Founder(addresses), Some(why)) if addresses.len() == 1 => {
            return Err(found.lone_founder_lost(why));
        }
        (Content::Nothing, Place::Founder(addresses), _) => Origin::Founded(addresses.clone()),
        _ => Origin::Joined,
    };
    let incarnation = Incarnation(random()?.max(1));
    Ok(Identity { cluster, node: orders.id, incarnation, starts: 1, origin })
}

fn hello(orders: &Orders, identity: &Identity, start: Start) -> Hello {
    let peer = PeerId {
        node: identity.node,
        to: identity.node,
        incarnation: identity.incarnation,
        start,
        address: orders.address.clone(),
        bulk: false,
    };
    Hello { version: VERSION, cluster: Some(identity.cluster), peer: Some(peer) }
}

fn members_of(configuration: &Configuration) -> Vec<(NodeId, String)> {
    configuration.members.values().map(|member| (member.id, member.address.clone())).collect()
}

/// A random number.
pub fn random() -> Result<u64, Refusal> {
    getrandom::u64().map_err(|error| {
        Refusal::other(format!("the system gives no random numbers ({error}); see getrandom(2)"))
    })
}
