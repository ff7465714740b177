//! One node: everything in its place, in the order in which a start may still be refused.

use crate::args::{self, Asked, Orders};
use crate::clock::Clock;
use crate::console::{Console, Transcript};
use crate::datadir::Opened;
use crate::disk::{self, Disk, DiskState};
use crate::identity::Identity;
use crate::listener::{Budget, Port};
use crate::origin::Names;
use crate::peers::seats::Seats;
use crate::refusal::Refusal;
use crate::server::{Inbox, Server};
use crate::start::{OLDER_COPY, Settled, random, settle};
use crate::watchers::Watchers;
use raft_core::config::{Config, Limits, Timing};
use raft_core::id::{Incarnation, NodeId, Start};
use raft_core::raft::membership::Member;
use raft_core::replica::Replica;
use raft_core::request::Request;
use raft_core::wal::{SEGMENT_BYTES, Wal};
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

/// What all connections of a node share.
#[derive(Debug)]
pub struct Node {
    /// Who the node is.
    pub identity: Identity,
    /// This process, among the starts of its directory.
    pub start: Start,
    /// Where it can be dialled.
    pub address: String,
    /// The names it is known by, and the pages it answers.
    pub names: Names,
    /// The way to its replica.
    pub inbox: Inbox,
    /// Which other nodes are connected to it.
    pub seats: Seats,
    /// How many connections it may have.
    pub budget: Budget,
    /// Where its lines are printed.
    pub console: Console,
    /// Who watches it.
    pub watchers: Watchers,
    /// Woken when a peer knows a later start of the data directory.
    pub older_copy: Notify,
}

/// How the life of a node ended in this process.
enum End {
    /// It was told to stop.
    Told,
    /// Its data directory is an older copy: another life has to begin.
    OlderCopy,
}

/// Runs `raft-kv` with the arguments of the process.
pub fn main() -> ExitCode {
    let result = match args::parse(std::env::args_os()) {
        Ok(Asked::Print(text)) => {
            // Whoever reads it may have closed the pipe.
            let _ = text.print();
            Ok(())
        }
        Ok(Asked::Node(orders)) => run(&orders),
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
fn run(orders: &Orders) -> Result<(), Refusal> {
    let clock = Clock::start();
    let mut port = Port::take(&orders.address)?;
    let console = Console::start().map_err(cannot_start)?;
    let mut begin_anew = None;
    loop {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(cannot_start)?;
        let mut disk = None;
        let life = live(orders, &mut port, clock, &console, begin_anew, &mut disk);
        let ended = runtime.block_on(life);
        // Dropping the runtime drops the server and with it the queue to the disk, which is then emptied.
        drop(runtime);
        if let Some(thread) = disk {
            let _ = thread.join();
        }
        console.flush();
        match ended? {
            End::Told => return Ok(()),
            End::OlderCopy => begin_anew = Some(OLDER_COPY),
        }
    }
}

/// One life of the node, from its start on. Leaves the disk thread in `disk`, to be waited for.
async fn live(
    orders: &Orders,
    port: &mut Port,
    clock: Clock,
    console: &Console,
    begin_anew: Option<&'static str>,
    disk: &mut Option<JoinHandle<()>>,
) -> Result<End, Refusal> {
    let mut signals = Signals::new().map_err(cannot_start)?;
    let settled = tokio::select! {
        () = signals.received() => return Ok(End::Told),
        settled = settle(orders, begin_anew) => settled?,
    };
    let Settled { opened, start, addresses, notice } = settled;
    let (inbox, arrivals) = Inbox::new();
    let node = Arc::new(Node {
        identity: opened.identity.clone(),
        start,
        address: orders.address.clone(),
        names: Names::of(&orders.address, &addresses),
        inbox,
        seats: Seats::default(),
        budget: Budget::default(),
        console: console.clone(),
        watchers: Watchers::default(),
        older_copy: Notify::new(),
    });
    let has_set_aside = opened.has_set_aside;
    let (replica, queue, state, thread) = restore(orders, opened, clock)?;
    *disk = Some(thread);
    let transcript = Transcript::begin(&node.identity, replica.raft().configuration());
    if begin_anew.is_none() {
        Transcript::greeting(node.identity.node, &addresses)
            .into_iter()
            .for_each(|line| console.say(line));
    }
    if let Some(notice) = notice {
        console.diagnostic(notice);
    }
    port.serve(&node)?;
    // Whoever reads this may dial.
    console.say(transcript.waiting());
    let server = Server::new(&node, replica, clock, queue, transcript, has_set_aside, random()?);
    // A task like all others: it gets its turn after those that read what has arrived.
    let server = tokio::spawn(server.run(arrivals, state));
    tokio::select! {
        () = signals.received() => {}
        () = node.older_copy.notified() => return Ok(End::OlderCopy),
        // The thread that ended, or the assertion that failed, has said why.
        _ = server => return Err(Refusal::other("the node has stopped; see the lines above".to_owned())),
    }
    tokio::select! {
        () = hand_over(&node) => {}
        // Whoever tells it twice does not want to wait.
        () = signals.received() => {}
    }
    Ok(End::Told)
}

/// A leader hands over before it goes, so that the others need not first miss it.
async fn hand_over(node: &Node) {
    let transfer = node.inbox.ask(Request::Transfer { to: None });
    let _ = timeout(Timing::default().election_timeout_max, transfer).await;
}

/// In how many different moments the nodes of a cluster take snapshots. Of five nodes, numbered as usual, two
/// share one; more turns would leave less time between two of them.
const SNAPSHOT_TURNS: u64 = 4;

/// The usual limits, but for when snapshots are taken. All nodes apply the same log, and with the same limits
/// all would take them in the same moment; so they take turns, all in the second half of the usual stretch: none
/// takes twice as many as another.
fn limits(node: NodeId) -> Limits {
    let Limits { snapshot_log_bytes: bytes, snapshot_log_entries: entries, .. } = Limits::default();
    let (turn, turns) = (node.0 % SNAPSHOT_TURNS, 2 * SNAPSHOT_TURNS);
    Limits {
        snapshot_log_bytes: bytes - bytes / turns as usize * turn as usize,
        snapshot_log_entries: entries - entries / turns * turn,
        ..Limits::default()
    }
}

/// The replica as the disk remembers it, and the thread that will write for it.
#[allow(clippy::type_complexity)]
fn restore(
    orders: &Orders,
    opened: Opened,
    clock: Clock,
) -> Result<(Replica, Disk, watch::Receiver<DiskState>, JoinHandle<()>), Refusal> {
    let Opened { dir, identity, durable, replayed, spares, .. } = opened;
    let Identity { cluster, node, incarnation, .. } = identity;
    let limits = limits(node);
    let wal = Wal::resume(cluster, node, incarnation, SEGMENT_BYTES, &replayed);
    let current = replayed.tail.segments.last().map(|(number, _)| *number);
    let (disk, state, thread) =
        disk::start(dir, wal, current, spares, limits.writes_max).map_err(cannot_start)?;
    let founders = identity.founders().map(|(id, address)| Member {
        id,
        address: address.to_owned(),
        incarnation: Incarnation::UNKNOWN,
    });
    let timing = Timing { lease_drift_percent: orders.lease_drift_percent, ..Timing::default() };
    let config = Config {
        id: node,
        cluster,
        incarnation,
        members: founders.collect(),
        seed: random()?,
        timing,
        limits,
    };
    Ok((Replica::restore(config, durable, clock.now()), disk, state, thread))
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn cannot_start(error: io::Error) -> Refusal {
    Refusal::other(format!("cannot start threads and timers ({error}); free some resources"))
}
