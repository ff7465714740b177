//! The balance of an episode: what was promised is there, on every node and on every disk.

use crate::book::{Balance, Held, judge};
use crate::cluster::Cluster;
use crate::episode::Outcome;
use crate::load::{Load, PATIENT_TIMEOUT};
use crate::random::Random;
use crate::value;
use raft_core::bytes::Bytes;
use raft_core::config::Limits;
use raft_core::id::Index;
use raft_core::kv::command::{Command, Item, Read};
use raft_core::kv::store::Store;
use raft_core::raft::message::Payload;
use raft_core::request::{Consistency, Reply, Request};
use raft_native::client::Client;
use raft_native::datadir::{self, Content};
use raft_sim::linearizability::{self, Call, Operation};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long nodes may take to apply the last entry once no more come.
const QUIET_TIMEOUT: Duration = Duration::from_secs(30);

const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Ends every fault and the load, and compares: what clients were told with what the cluster says, that
/// with what each node says, and that with what is on its disk. Removes the volumes if all is well.
pub(crate) async fn draw(
    mut cluster: Cluster,
    load: Load,
    random: &mut Random,
    outcome: &mut Outcome,
) {
    let healed = match cluster.heal(random).await {
        Ok(()) => cluster.become_whole().await,
        Err(error) => Err(error),
    };
    outcome.violations.extend(healed.err());
    let complaints = load.complaints();
    outcome.violations.extend(complaints);
    let book = load.stop().await;
    outcome.counts = book.counts;
    let balance = book.balance();
    balance.findings.iter().for_each(|finding| outcome.report(finding));
    if let Err(violation) = compare(&mut cluster, balance, outcome).await {
        outcome.violations.push(violation);
    }
    if outcome.violations.is_empty() {
        cluster.remove();
    }
}

async fn compare(
    cluster: &mut Cluster,
    balance: Balance,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let commit = become_quiet(cluster).await?;
    let mut client = Client::new(cluster.addresses.clone(), PATIENT_TIMEOUT);
    let items = list(&mut client, Consistency::Linearizable).await?;
    account(&items, balance, outcome);
    for id in cluster.ids() {
        let mut client = Client::new(vec![cluster.address(id).to_owned()], PATIENT_TIMEOUT);
        if list(&mut client, Consistency::Local).await? != items {
            return Err(format!("node {id} has another store than the cluster says"));
        }
    }
    cluster.stop_all().await?;
    for id in cluster.ids() {
        if !reopen(cluster, id, commit)?.iter().eq(items.iter().cloned()) {
            return Err(format!("the disk of node {id} holds another store than it said"));
        }
    }
    Ok(())
}

/// Waits until every node has applied all there is, and returns the index of the last entry.
async fn become_quiet(cluster: &Cluster) -> Result<Index, String> {
    let deadline = Instant::now() + QUIET_TIMEOUT;
    while Instant::now() < deadline {
        let statuses = cluster.statuses().await;
        let mut applied = statuses.iter().map(|status| {
            let status = status.as_ref()?;
            (status.applied_index == status.last_index).then_some(status.last_index)
        });
        let first = applied.next().flatten();
        if let Some(first) = first
            && applied.all(|index| index == Some(first))
        {
            return Ok(first);
        }
        sleep(LOOK_INTERVAL).await;
    }
    Err(format!("the nodes are not at one entry {QUIET_TIMEOUT:?} after the last request"))
}

async fn list(client: &mut Client, consistency: Consistency) -> Result<Vec<Item>, String> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let read = Read::List { prefix: Bytes::new(), after, limit: 1_000, keys_only: false };
        match client.request(Request::Read { read, consistency }).await {
            Ok(Reply::Page { items, next }) => {
                all.extend(items);
                match next {
                    Some(next) => after = Some(next),
                    None => return Ok(all),
                }
            }
            other => return Err(format!("the store cannot be listed: {other:?}")),
        }
    }
}

/// Compares what the cluster holds in the end with what clients were told.
fn account(items: &[Item], balance: Balance, outcome: &mut Outcome) {
    let held = |item: &Item| {
        let value = item.value.as_ref().and_then(value::short).unwrap_or_default();
        (item.key.clone(), (value, item.modified))
    };
    let mut found: BTreeMap<Bytes, (Bytes, Index)> = items.iter().map(held).collect();
    let mut lost = 0;
    for (key, promised) in balance.settled {
        let found = found.remove(&key);
        if found != promised {
            let is_lost = |(_, promised): &(Bytes, Index)| {
                found.as_ref().is_none_or(|(_, found)| found < promised)
            };
            lost += u64::from(promised.as_ref().is_some_and(is_lost));
            let (found, promised) = (show(&found), show(&promised));
            outcome.violations.push(format!("{key:?} holds {found}, and {promised} was promised"));
        }
    }
    for (key, mut history) in balance.unsettled {
        history.push(last_read(&key, found.remove(&key)));
        if let Some(finding) = judge(history) {
            outcome.report(&finding);
        }
    }
    outcome.lost = Some(lost);
    for key in found.keys() {
        outcome.violations.push(format!("{key:?} was written by nobody"));
    }
}

fn show(held: &Held) -> String {
    match held {
        Some((value, revision)) => format!("{value:?} of revision {revision}"),
        None => "nothing".to_owned(),
    }
}

/// A read after everything else.
fn last_read(key: &Bytes, found: Held) -> Operation {
    let outcome = match found {
        Some((value, revision)) => linearizability::Outcome::Value { value, revision },
        None => linearizability::Outcome::NotFound,
    };
    Operation {
        client: 0,
        key: key.clone(),
        call: Call::Get,
        invoked: u64::MAX - 1,
        returned: Some(u64::MAX),
        result: Some(outcome),
    }
}

/// The store as the data directory of a node that has ended tells it, up to an entry.
fn reopen(cluster: &Cluster, id: usize, commit: Index) -> Result<Store, String> {
    let found = datadir::look(&cluster.data_dir(id)).map_err(|error| error.to_string())?;
    let durable = match found.content {
        Content::Whole(memory) => memory.durable,
        Content::Nothing => return Err(format!("the disk of node {id} is empty")),
        Content::Damaged { why, .. } => {
            return Err(format!("the disk of node {id} is damaged: {why}"));
        }
    };
    let (mut last, mut store) = match durable.snapshot {
        Some(snapshot) => (snapshot.meta.last.index, snapshot.store),
        None => (Index(0), Store::default()),
    };
    for entry in durable.entries {
        last = last.next();
        if last > commit {
            break;
        }
        if let Payload::Command(bytes) = entry.payload {
            let command: Command = postcard::from_bytes(&bytes)
                .map_err(|error| format!("entry {last} of node {id} is unreadable: {error}"))?;
            // A refusal is part of the state: it is the answer to a retry.
            let _ = store.apply(last, &command, &Limits::default());
        }
    }
    match last >= commit {
        true => Ok(store),
        false => Err(format!("the disk of node {id} ends at entry {last} of {commit}")),
    }
}
