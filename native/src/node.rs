//! One node: everything in its place, in the order in which a start may still be refused.

use crate::args::{self, Asked};
use crate::clock::Clock;
use crate::console::{Console, Transcript};
use crate::datadir::{self, Opened};
use crate::disk::{self, Disk};
use crate::http;
use crate::identity::Identity;
use crate::listener::{self, Budget};
use crate::origin::Names;
use crate::peers::Links;
use crate::peers::seats::Seats;
use crate::refusal::Refusal;
use crate::server::{Inbox, Server};
use hyper::header::HeaderValue;
use raft_core::config::{Config, Limits, Timing};
use raft_core::id::{ClusterId, Incarnation, NodeId, WriteSeq};
use raft_core::raft::membership::Member;
use raft_core::replica::Replica;
use raft_core::wal::{SEGMENT_BYTES, Wal};
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// What all connections of a node share.
#[derive(Debug)]
pub struct Node {
    /// Who the node is.
    pub identity: Identity,
    /// The names it is known by, and the pages it answers.
    pub names: Names,
    /// The way to its replica.
    pub inbox: Inbox,
    /// Which other nodes are connected to it.
    pub seats: Seats,
    /// How many connections it may have.
    pub budget: Budget,
    /// What its pages may do, for the header of that name.
    pub content_policy: HeaderValue,
    /// Where its lines are printed.
    pub console: Console,
}

/// Runs `raft-kv` with the arguments of the process.
pub fn main() -> ExitCode {
    let result = match args::parse(std::env::args_os()) {
        Ok(Asked::Print(text)) => {
            // Whoever reads it may have closed the pipe.
            let _ = text.print();
            Ok(())
        }
        Ok(Asked::Node { id, addresses, data_dir }) => run(id, addresses, &data_dir),
        Err(refusal) => Err(refusal),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            eprintln!("error: {refusal}");
            ExitCode::from(refusal.exit)
        }
    }
}

/// Runs a node until it is told to stop. It has the port before it looks at the disk, and has checked
/// everything before it changes anything.
fn run(id: NodeId, addresses: Vec<String>, data_dir: &Path) -> Result<(), Refusal> {
    let clock = Clock::start();
    let own = addresses[id.0 as usize - 1].clone();
    let listeners = listener::bind(&own)?;
    let wanted = Identity {
        cluster: ClusterId::of(&addresses),
        node: id,
        incarnation: Incarnation(random()?.max(1)),
        founded_by: addresses,
    };
    let opened = datadir::open(data_dir, &wanted)?;

    let cannot = |error: io::Error| {
        Refusal::other(format!("cannot start threads and timers ({error}); free some resources"))
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;
    let console = Console::start().map_err(cannot)?;
    Transcript::begin(id, &wanted.founded_by).into_iter().for_each(|line| console.say(line));
    if let Some(repair) = &opened.repair {
        console.diagnostic(repair.clone());
    }

    let identity = Identity { incarnation: opened.incarnation, ..wanted };
    let names = Names::of(&own, &identity.founded_by);
    let (inbox, arrivals) = Inbox::new();
    let node = Arc::new(Node {
        content_policy: http::content_policy(names.origins()),
        identity,
        names,
        inbox,
        seats: Seats::default(),
        budget: Budget::default(),
        console,
    });
    let (replica, disk, persisted, disk_thread) = restore(&node.identity, opened, &clock)?;
    let first_ticket = random()?;

    let ended = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
        let links = Links::start(&node);
        for listener in listeners {
            listener::serve(&node, listener).map_err(cannot)?;
        }
        let server = Server::new(replica, clock, disk, links, node.console.clone(), first_ticket);
        // A task like all others: it gets its turn after those that read what has arrived.
        let server = tokio::spawn(server.run(arrivals, persisted));
        tokio::select! {
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
            // The thread that ended, or the assertion that failed, has said why.
            _ = server => Err(Refusal::other("the node has stopped; see the lines above".to_owned())),
        }
    });
    // Dropping the runtime drops the server and with it the queue to the disk, which is then emptied.
    drop(runtime);
    let _ = disk_thread.join();
    node.console.flush();
    ended
}

/// The replica as the disk remembers it, and the thread that will write for it.
fn restore(
    identity: &Identity,
    opened: Opened,
    clock: &Clock,
) -> Result<(Replica, Disk, watch::Receiver<WriteSeq>, JoinHandle<()>), Refusal> {
    let Opened { dir, durable, replayed, spares, .. } = opened;
    let Identity { cluster, node, incarnation, .. } = *identity;
    let limits = Limits::default();
    let wal = Wal::resume(cluster, node, incarnation, SEGMENT_BYTES, &replayed);
    let current = replayed.tail.segments.last().map(|(number, _)| *number);
    let (disk, persisted, thread) = disk::start(dir, wal, current, spares, limits.writes_max)
        .map_err(|error| {
            Refusal::other(format!("cannot start the disk thread ({error}); free some resources"))
        })?;
    let member = |(id, address): (NodeId, &str)| Member {
        id,
        address: address.to_owned(),
        incarnation: Incarnation::UNKNOWN,
    };
    let config = Config {
        id: node,
        cluster,
        incarnation,
        members: identity.members().map(member).collect(),
        seed: random()?,
        timing: Timing::default(),
        limits,
    };
    Ok((Replica::restore(config, durable, clock.now()), disk, persisted, thread))
}

fn random() -> Result<u64, Refusal> {
    getrandom::u64().map_err(|error| {
        Refusal::other(format!("the system gives no random numbers ({error}); see getrandom(2)"))
    })
}
