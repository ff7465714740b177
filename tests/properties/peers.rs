//! Messages of a mad peer: one that has a place in the cluster and says what no correct node would. A node
//! in any state takes them in, or stops and names the invariant that its peer has shown to be broken.

use crate::cluster::Cluster;
use crate::edit::edit;
use crate::tape::Tape;
use raft_core::id::{Epoch, Incarnation, NodeId, Round, Term};
use raft_core::raft::message::{Body, Message, SnapshotMeta};
use raft_core::replica::{Envelope, PeerBody};
use raft_core::time::ClusterTime;
use raft_core::wal::{Snapshot, snapshot};
use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// How a node may stop because of what it is told, by the first words: a lie of a peer can look as if the
/// cluster had broken its promise, and serving on would spread the damage.
const CRC_BYTES: usize = 4;

const STOPS: [&str; 3] = [
    "Election Safety is broken",
    "Leader Completeness is broken",
    "a committed command is readable",
];

/// Plays a cluster with a mad peer in it. Panics if a node does, for any reason but those above.
pub(crate) fn check(bytes: &[u8]) {
    static QUIET: Once = Once::new();
    QUIET.call_once(be_quiet_about_named_stops);
    let played = panic::catch_unwind(AssertUnwindSafe(|| play(bytes)));
    if let Err(stop) = played
        && !is_named(stop.as_ref())
    {
        panic::resume_unwind(stop);
    }
}

fn play(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let mut cluster = Cluster::new(1 + tape.below(4) as u64);
    while !tape.is_empty() {
        match tape.below(8) {
            0 => lie(&mut cluster, &mut tape),
            1 => invent(&mut cluster, &mut tape),
            _ => cluster.play(&mut tape),
        }
    }
}

/// A snapshot that no node ever took, whole and with the right checksum.
fn invent(cluster: &mut Cluster, tape: &mut Tape) {
    let mut node = || &cluster.nodes[tape.below(cluster.nodes.len())].replica;
    let (from, to, state) = (node(), node(), node());
    let (last, time) = (state.raft().log().last(), ClusterTime(0));
    let meta = SnapshotMeta { last, time, configuration: state.raft().configuration().clone() };
    let mut bytes = snapshot::encode(&meta, state.store());
    bytes.truncate(bytes.len() - CRC_BYTES);
    for _ in 0..tape.below(4) {
        edit(&mut bytes, tape);
    }
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    let Ok(Snapshot { meta, .. }) = snapshot::decode(&bytes) else { return };
    let (epoch, round) = (Epoch(1), Round(1));
    let body =
        Body::InstallSnapshot { epoch, round, meta, offset: 0, data: bytes.into(), done: true };
    let term = from.raft().term().max(to.raft().term());
    let (from, to) = (from.raft().id(), to.raft().id());
    let (incarnation, body) = (Incarnation(from.0), PeerBody::Raft(Message { term, body }));
    cluster.deliver(Envelope { from, incarnation, to, body });
}

/// A message that was sent once, changed and sent in the name of any member.
fn lie(cluster: &mut Cluster, tape: &mut Tape) {
    let Some(said) = cluster.said.get(tape.below(cluster.said.len())) else { return };
    let (from, to) = (said.from, said.to);
    let mut bytes = postcard::to_allocvec(said).expect("messages encode");
    for _ in 0..tape.below(4) {
        edit(&mut bytes, tape);
    }
    // What cannot be read never reaches a node.
    let Ok(mut envelope) = postcard::from_bytes::<Envelope>(&bytes) else { return };
    (envelope.from, envelope.to) = (from, to);
    if tape.below(4) == 0 {
        let other = NodeId(1 + tape.below(cluster.nodes.len()) as u64);
        envelope.from = if other == to { from } else { other };
    }
    if let PeerBody::Raft(message) = &mut envelope.body {
        let receiver = cluster.nodes.iter().find(|node| node.replica.raft().id() == to);
        let term = receiver.map_or(Term(0), |node| node.replica.raft().term());
        match tape.below(4) {
            0 => message.term = term,
            1 => message.term = term.next(),
            _ => {}
        }
    }
    cluster.deliver(envelope);
}

/// The words of a stop that is expected would hide those of one that is not; and a fuzzer ends at the
/// first words of any.
fn be_quiet_about_named_stops() {
    let say = panic::take_hook();
    panic::set_hook(Box::new(move |stop| {
        if !is_named(stop.payload()) {
            say(stop);
        }
    }));
}

fn is_named(stop: &(dyn Any + Send)) -> bool {
    let words = stop.downcast_ref::<String>().map(String::as_str);
    let words = words.or_else(|| stop.downcast_ref::<&str>().copied()).unwrap_or_default();
    STOPS.iter().any(|named| words.starts_with(named))
}
