//! What a node does before it begins: it greets its peers, so that they can refuse it while nothing is
//! written yet. Another process with its id may be alive, its directory may be an older copy, or who
//! answers may be of another cluster.

use crate::peers::dial::introduce;
use crate::socket::Fault;
use futures_util::future::join_all;
use raft_core::error::Error;
use raft_core::id::NodeId;
use raft_core::wire::{Frame, Hello, PeerId};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long peers have to answer. Those that are up need milliseconds, and a start must not wait for
/// those that are down.
const GREETING_TIMEOUT: Duration = Duration::from_secs(1);

/// Says `hello` to every peer at once, and returns how those refuse it that do. A peer forgets who only
/// looked in.
pub async fn greet(hello: &Hello, peers: &[(NodeId, String)]) -> Vec<Error> {
    let answers = peers.iter().map(|(to, address)| async move {
        let peer = hello.peer.clone().map(|peer| PeerId { to: *to, ..peer });
        let hello = Hello { peer, ..hello.clone() };
        let greeting = async {
            let stream = TcpStream::connect(address).await.ok()?;
            match introduce(hello, address, stream).await {
                Ok((_, Frame::Goodbye(error))) | Err(Fault::Foul(error)) => Some(error),
                Ok(_) | Err(Fault::Gone(_)) => None,
            }
        };
        timeout(GREETING_TIMEOUT, greeting).await.ok().flatten()
    });
    join_all(answers).await.into_iter().flatten().collect()
}
