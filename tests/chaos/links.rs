//! A proxy on every link. Place 0 are the clients, the others are the nodes. Who dials node 2 from place
//! 1 dials the address of the link 1 to 2, where this listens, and is carried on to where node 2 listens.
//!
//! The bytes that go from one place to another are on one *way*, whoever dialled the connection. A way
//! can be slow, narrow, broken or silent, and stays TCP: bytes come late or not at all, and in order.

use crate::random::Random;
use std::cell::RefCell;
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use std::{fs, io};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, sleep_until};

/// The port of all nodes: each has an address of its own.
pub(crate) const PORT: u16 = 8000;

/// Bytes read at once. A break is within such a piece.
const PIECE_BYTES: usize = 16 << 10;

/// Pieces on their way: with a buffer of TCP's at either end, about what a real link of some length holds.
const PIECES_MAX: usize = 64;

/// How the bytes from one place to another fare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) gate: Gate,
    /// Each piece is late by something between these two.
    pub(crate) delay: (Duration, Duration),
    /// At most so many bytes in a second.
    pub(crate) bytes_per_second: Option<u64>,
    /// How often, of a hundred pieces, one is cut off in its middle and the connection reset.
    pub(crate) breaks_percent: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    /// A black hole: connections stay, and nothing gets through until it is open again.
    Silent,
    /// Connections are reset, and no new ones are made.
    Shut,
}

impl Way {
    pub(crate) const OPEN: Self = Self {
        gate: Gate::Open,
        delay: (Duration::ZERO, Duration::ZERO),
        bytes_per_second: None,
        breaks_percent: 0,
    };
    pub(crate) const SILENT: Self = Self { gate: Gate::Silent, ..Self::OPEN };
    pub(crate) const SHUT: Self = Self { gate: Gate::Shut, ..Self::OPEN };
}

/// All ways, by where they lead from and to.
pub(crate) struct Links {
    ways: Vec<Vec<watch::Sender<Way>>>,
}

/// Where a node listens.
pub(crate) fn listens_at(node: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, node as u8)
}

/// What somebody at the place `from` dials to reach a node.
pub(crate) fn dialled_at(from: usize, to: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 1, from as u8, to as u8)
}

impl Links {
    /// Opens the links of `nodes` nodes and their clients.
    pub(crate) async fn start(nodes: usize, random: &mut Random) -> io::Result<Self> {
        let row = || (0..=nodes).map(|_| watch::Sender::new(Way::OPEN)).collect();
        let links = Self { ways: (0..=nodes).map(|_| row()).collect() };
        for from in 0..=nodes {
            for to in (1..=nodes).filter(|to| *to != from) {
                let listener = TcpListener::bind((dialled_at(from, to), PORT)).await?;
                let link = Link {
                    to: (listens_at(to), PORT).into(),
                    there: links.ways[from][to].subscribe(),
                    back: links.ways[to][from].subscribe(),
                    random: Rc::new(RefCell::new(random.fork())),
                };
                spawn_local(link.serve(listener));
            }
        }
        Ok(links)
    }

    pub(crate) fn nodes(&self) -> usize {
        self.ways.len() - 1
    }

    pub(crate) fn set(&self, from: usize, to: usize, way: Way) {
        self.ways[from][to].send_replace(way);
    }

    pub(crate) fn set_both(&self, one: usize, other: usize, way: Way) {
        self.set(one, other, way);
        self.set(other, one, way);
    }

    pub(crate) fn heal(&self) {
        self.ways.iter().flatten().for_each(|way| {
            way.send_replace(Way::OPEN);
        });
    }
}

#[derive(Clone)]
struct Link {
    to: SocketAddr,
    there: watch::Receiver<Way>,
    back: watch::Receiver<Way>,
    random: Rc<RefCell<Random>>,
}

impl Link {
    async fn serve(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((dialled, _)) => drop(spawn_local(self.clone().carry(dialled))),
                // Too many open files, at worst: the dialler tries again, and so does this.
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Carries one connection until either side, or the way, ends it.
    async fn carry(self, mut dialled: TcpStream) {
        let Self { to, there, back, random } = self;
        let connected = async {
            // A connection needs both ways: one packet there and one back.
            pass(&mut there.clone()).await;
            pass(&mut back.clone()).await;
            TcpStream::connect(to).await
        };
        let shut = async {
            tokio::select! {
                () = is_shut(there.clone()) => (),
                () = is_shut(back.clone()) => (),
            }
        };
        tokio::pin!(shut);
        let arrived = tokio::select! {
            biased;
            () = &mut shut => None,
            arrived = connected => arrived.ok(),
        };
        let Some(mut arrived) = arrived else { return reset(&dialled) };
        if dialled.set_nodelay(true).and(arrived.set_nodelay(true)).is_err() {
            return reset(&dialled);
        }
        let carried = {
            let ((from_dialler, to_dialler), (from_node, to_node)) =
                (dialled.split(), arrived.split());
            let both = async {
                tokio::try_join!(
                    carry_one_way(from_dialler, to_node, there.clone(), &random),
                    carry_one_way(from_node, to_dialler, back.clone(), &random),
                )
            };
            tokio::select! {
                biased;
                () = &mut shut => None,
                carried = both => carried.ok(),
            }
        };
        if carried.is_none() {
            reset(&dialled);
            reset(&arrived);
        }
    }
}

/// A connection that is dropped after this ends without a goodbye.
fn reset(stream: &TcpStream) {
    // If it cannot be reset it is closed, and gone as well.
    let _ = stream.set_zero_linger();
}

/// Waits until the way is no black hole.
async fn pass(way: &mut watch::Receiver<Way>) {
    let _ = way.wait_for(|way| way.gate != Gate::Silent).await;
}

/// Waits until the way is shut.
async fn is_shut(mut way: watch::Receiver<Way>) {
    if way.wait_for(|way| way.gate == Gate::Shut).await.is_err() {
        // The run is over, and nobody shuts it.
        pending::<()>().await;
    }
}

async fn carry_one_way(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut way: watch::Receiver<Way>,
    random: &RefCell<Random>,
) -> io::Result<()> {
    let (on_their_way, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES_MAX);
    let delays = way.clone();
    let take_in = async move {
        let mut due = Instant::now();
        loop {
            let mut piece = vec![0; PIECE_BYTES];
            let length = from.read(&mut piece).await?;
            if length == 0 {
                return Ok::<(), io::Error>(());
            }
            piece.truncate(length);
            let (min, max) = delays.borrow().delay;
            due = due.max(Instant::now() + random.borrow_mut().duration(min, max));
            if on_their_way.send((due, piece)).await.is_err() {
                return Ok(());
            }
        }
    };
    let hand_on = async {
        while let Some((due, piece)) = arriving.recv().await {
            if due > Instant::now() {
                sleep_until(due).await;
            }
            pass(&mut way).await;
            let now = *way.borrow();
            if random.borrow_mut().chance(now.breaks_percent) {
                let length = random.borrow_mut().below(piece.len() as u64) as usize;
                to.write_all(&piece[..length]).await?;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            match now.bytes_per_second {
                None => to.write_all(&piece).await?,
                Some(rate) => trickle(&mut to, &piece, rate).await?,
            }
        }
        to.shutdown().await
    };
    tokio::try_join!(take_in, hand_on).map(|_| ())
}

/// Writes in small steps, as a narrow link would.
async fn trickle(to: &mut WriteHalf<'_>, piece: &[u8], rate: u64) -> io::Result<()> {
    for step in piece.chunks(1_400) {
        to.write_all(step).await?;
        sleep(Duration::from_secs(step.len() as u64) / rate.max(1) as u32).await;
    }
    Ok(())
}

/// Everybody's names: a node knows itself by where it listens, and the others by the links to them.
pub(crate) fn write_hosts(dir: &Path, nodes: usize) -> Result<(), String> {
    for place in 0..=nodes {
        let line = |node: usize| match node == place {
            true => format!("{} node{node}\n", listens_at(node)),
            false => format!("{} node{node}\n", dialled_at(place, node)),
        };
        let hosts = format!("127.0.0.1 localhost\n{}", (1..=nodes).map(line).collect::<String>());
        fs::write(dir.join(format!("hosts-{place}")), hosts)
            .map_err(|error| format!("{}: {error}", dir.display()))?;
    }
    Ok(())
}

/// Addresses without links, for nodes that share this machine's names with everything else on it.
pub(crate) fn free_addresses(nodes: usize) -> Vec<String> {
    // Below the ports that systems give to outgoing connections.
    let is_free = |port: &u16| std::net::TcpListener::bind(("localhost", *port)).is_ok();
    let free = (20_000..30_000).filter(is_free);
    free.take(nodes).map(|port| format!("localhost:{port}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    /// How long to wait for what must come, and for what must not.
    const PATIENCE: Duration = Duration::from_secs(10);
    const WHILE: Duration = Duration::from_millis(200);

    /// Plays with both ends of a connection whose ways there and back can be changed.
    fn with_link<F: Future<Output = ()>>(
        play: impl FnOnce(TcpStream, TcpStream, watch::Sender<Way>, watch::Sender<Way>) -> F,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let (there, back) = (watch::Sender::new(Way::OPEN), watch::Sender::new(Way::OPEN));
            let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = proxy.local_addr().unwrap();
            let link = Link {
                to: node.local_addr().unwrap(),
                there: there.subscribe(),
                back: back.subscribe(),
                random: Rc::new(RefCell::new(Random::new(1))),
            };
            spawn_local(link.serve(proxy));
            let dialled = TcpStream::connect(address).await.unwrap();
            let (accepted, _) = node.accept().await.unwrap();
            play(dialled, accepted, there, back).await;
        });
    }

    async fn receives(stream: &mut TcpStream, expected: &[u8]) -> bool {
        let mut bytes = vec![0; expected.len()];
        timeout(PATIENCE, stream.read_exact(&mut bytes)).await.unwrap().unwrap();
        bytes == expected
    }

    #[test]
    fn a_black_hole_holds_one_direction_back_and_loses_nothing() {
        with_link(|mut dialled, mut accepted, there, _back| async move {
            there.send_replace(Way::SILENT);
            dialled.write_all(b"hello").await.unwrap();
            accepted.write_all(b"welcome").await.unwrap();
            assert!(receives(&mut dialled, b"welcome").await);
            assert!(timeout(WHILE, accepted.peek(&mut [0; 8])).await.is_err());
            there.send_replace(Way::OPEN);
            assert!(receives(&mut accepted, b"hello").await);
        });
    }

    #[test]
    fn a_link_that_is_shut_resets_its_connections() {
        with_link(|mut dialled, mut accepted, _there, back| async move {
            dialled.write_all(b"hello").await.unwrap();
            assert!(receives(&mut accepted, b"hello").await);
            back.send_replace(Way::SHUT);
            for stream in [&mut dialled, &mut accepted] {
                let read = timeout(PATIENCE, stream.read(&mut [0; 8])).await.unwrap();
                assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
            }
        });
    }

    #[test]
    fn a_break_lets_a_part_through_and_resets() {
        with_link(|mut dialled, mut accepted, there, _back| async move {
            there.send_replace(Way { breaks_percent: 100, ..Way::OPEN });
            dialled.write_all(&[7; 1_000]).await.unwrap();
            let mut received = Vec::new();
            let read = timeout(PATIENCE, accepted.read_to_end(&mut received)).await.unwrap();
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
            assert!(received.len() < 1_000 && received.iter().all(|byte| *byte == 7));
        });
    }

    #[test]
    fn a_late_way_delays_and_keeps_the_order() {
        with_link(|mut dialled, mut accepted, there, _back| async move {
            let delay = (Duration::from_millis(50), Duration::from_millis(60));
            there.send_replace(Way { delay, ..Way::OPEN });
            let begin = Instant::now();
            dialled.write_all(b"one").await.unwrap();
            dialled.write_all(b"two").await.unwrap();
            assert!(receives(&mut accepted, b"onetwo").await);
            assert!(begin.elapsed() >= Duration::from_millis(50));
        });
    }
}
