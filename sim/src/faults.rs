//! What is done to a cluster, as data: by a seeded plan, by a script, or by a person.

mod plan;
mod words;

pub(crate) use plan::plan;

use crate::clock::TRUE_RATE_PPM;
use raft_core::bytes::Bytes;
use raft_core::id::NodeId;
use raft_core::kv::command::Condition;
use raft_core::raft::membership::Goal;
use raft_core::text;
use raft_core::vec_map::VecSet;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Something that is done to a cluster. What makes no sense at the moment (crashing a node that is
/// down) does nothing, so that a list of commands can be shortened at any place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// A node loses its power: all it has not synced may be gone, in part or in whole.
    Crash(NodeId),
    /// The leader, if there is one, crashes.
    CrashLeader,
    /// Every node crashes.
    CrashAll,
    /// A node that is down starts from its disk.
    Restart(NodeId),
    /// Every node that is down starts.
    RestartAll,
    /// A node stands still: time passes, messages pile up.
    Pause(NodeId),
    /// The leader, if there is one, stands still.
    PauseLeader,
    /// A node goes on.
    Resume(NodeId),
    /// Every node goes on.
    ResumeAll,
    /// A link carries nothing in this direction.
    Cut {
        /// From this node.
        from: NodeId,
        /// To this node.
        to: NodeId,
    },
    /// A link is whole again in this direction.
    Heal {
        /// From this node.
        from: NodeId,
        /// To this node.
        to: NodeId,
    },
    /// All links between these nodes and the others are cut, both ways.
    Split(VecSet<NodeId>),
    /// Each of these links is cut, both ways.
    CutLinks(VecSet<(NodeId, NodeId)>),
    /// All links of the leader, if there is one, are cut, both ways.
    IsolateLeader,
    /// All links to the leader, if there is one, are cut; those from it are not.
    DeafenLeader,
    /// Every link is whole again.
    HealAll,
    /// Messages are lost this many times in a million, or as the options say if `None`.
    Lose(Option<u32>),
    /// Every message takes this much longer, up to [`DELAY_MAX`]; zero for none.
    Slow(Duration),
    /// A node's syncs take this long, or as long as the options say if `None`. A sync under way is
    /// measured anew.
    SlowDisk {
        /// The node.
        node: NodeId,
        /// How long a sync takes.
        sync: Option<Duration>,
    },
    /// A node's disk has no room for more commands, or has room again.
    FullDisk {
        /// The node.
        node: NodeId,
        /// Whether it is full.
        is_full: bool,
    },
    /// Some of the messages between nodes that were under way up to now arrive once more, however old.
    ReplayMessages,
    /// The next sync of a node's disk fails: the process ends.
    FailSync(NodeId),
    /// A node loses its power and its data, and will begin a new life. Does nothing if too few of those
    /// that remember would be left.
    Wipe(NodeId),
    /// A node loses its power, and bytes of its disk are not any more what was written. Does nothing if too
    /// few of those that remember would be left.
    Damage {
        /// The node.
        node: NodeId,
        /// What happens to them.
        damage: Damage,
        /// Draws which.
        place: u32,
    },
    /// A copy of a node's data directory is made.
    Copy(NodeId),
    /// A node loses its power, and starts with the copy of its data directory. Does nothing if nobody could
    /// notice whom it matters to.
    PutBack(NodeId),
    /// The leader, if there is one, is asked to add a node.
    Add {
        /// The node.
        node: NodeId,
        /// What is to become of it.
        goal: Goal,
    },
    /// The leader, if there is one, is asked to give a learner a vote.
    Promote(NodeId),
    /// The leader, if there is one, is asked to remove a node.
    Remove(NodeId),
    /// The leader, if there is one, is asked to put one node in another's place.
    Replace {
        /// This node's place.
        node: NodeId,
        /// The new node.
        by: NodeId,
    },
    /// The leader, if there is one, is asked to hand over, to this node or to the fittest.
    Transfer(Option<NodeId>),
    /// When all faults end, these nodes stay down for ever. Does nothing if too few would be left.
    Abandon(VecSet<NodeId>),
    /// Client 0 sets a key.
    Write {
        /// The key.
        #[serde(with = "text")]
        key: Bytes,
        /// Its new value.
        #[serde(with = "text")]
        value: Bytes,
    },
    /// Client 0 reads a key.
    Read {
        /// The key.
        #[serde(with = "text")]
        key: Bytes,
    },
    /// Everything is healed and every node starts; from now on nothing goes wrong. A run with faults
    /// then ends when the cluster has proved itself well.
    EndFaults,
    /// Client 0 sets a key on a condition.
    WriteIf {
        /// The key.
        #[serde(with = "text")]
        key: Bytes,
        /// Its new value.
        #[serde(with = "text")]
        value: Bytes,
        /// What must hold of the key.
        condition: Condition,
    },
    /// Client 0 deletes a key.
    Delete {
        /// The key.
        #[serde(with = "text")]
        key: Bytes,
    },
    /// A node's clock goes at this rate until it is set again, also after a restart.
    SetClock {
        /// The node.
        node: NodeId,
        /// What it shows of a true second, in millionths: from [`RATE_PPM_MIN`] to [`RATE_PPM_MAX`].
        rate_ppm: u32,
    },
    /// A node's clock jumps to the moment at which it stands for election, if it waits for one (§5.2).
    FireTimer(NodeId),
    /// A node takes a snapshot, however little it has applied since the last (§7).
    Snapshot(NodeId),
    /// A link takes this much longer in this direction; zero makes it as fast as the others.
    SlowLink {
        /// From this node.
        from: NodeId,
        /// To this node.
        to: NodeId,
        /// How much longer, up to [`DELAY_MAX`].
        by: Duration,
    },
    /// A link loses messages in this direction, beyond what all links lose.
    LossyLink {
        /// From this node.
        from: NodeId,
        /// To this node.
        to: NodeId,
        /// How many in a million; zero for none.
        ppm: u32,
    },
    /// Something is done to a message that is under way.
    Message {
        /// Its number: [`Flight::id`](crate::Flight::id).
        id: u64,
        /// What is done to it.
        fate: Fate,
    },
}

/// The slowest that a clock can be set, in millionths of true time.
pub const RATE_PPM_MIN: u32 = 100_000;

/// The fastest.
pub const RATE_PPM_MAX: u32 = 10_000_000;

/// The longest that a command delays a message: longer than any run lasts that a person watches.
pub const DELAY_MAX: Duration = Duration::from_secs(3_600);

/// What can be done to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It does not arrive.
    Drop,
    /// It stays where it is.
    Hold,
    /// It goes on, if it was held.
    Release,
    /// It arrives this much later, up to [`DELAY_MAX`].
    Delay(Duration),
    /// It arrives once more, a usual way later. Between a client and a node it does not: their connection
    /// doubles nothing.
    Duplicate,
    /// It arrives now.
    Deliver,
}

/// What happens to bytes on a disk, other than through a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// A bit is another.
    FlipBit,
    /// A sector is zeros.
    ZeroSector,
    /// A sector is what it was before, or what another one is: its last write was lost, or another went
    /// there by mistake.
    StaleSector,
    /// A file ends early.
    Truncate,
    /// A file is gone.
    Vanish,
}

impl Command {
    /// Whether it breaks something.
    pub fn is_fault(&self) -> bool {
        match self {
            Self::Crash(_)
            | Self::CrashLeader
            | Self::CrashAll
            | Self::Pause(_)
            | Self::PauseLeader
            | Self::Cut { .. }
            | Self::Split(_)
            | Self::CutLinks(_)
            | Self::IsolateLeader
            | Self::DeafenLeader
            | Self::ReplayMessages
            | Self::FailSync(_)
            | Self::Lose(Some(_))
            | Self::SlowDisk { sync: Some(_), .. }
            | Self::FullDisk { is_full: true, .. }
            | Self::Wipe(_)
            | Self::Damage { .. }
            | Self::PutBack(_)
            | Self::FireTimer(_)
            | Self::Abandon(_) => true,
            Self::SetClock { rate_ppm, .. } => u64::from(*rate_ppm) != TRUE_RATE_PPM,
            Self::Slow(by) | Self::SlowLink { by, .. } => !by.is_zero(),
            Self::LossyLink { ppm, .. } => *ppm > 0,
            Self::Message { fate, .. } => !matches!(fate, Fate::Release | Fate::Deliver),
            Self::Restart(_)
            | Self::RestartAll
            | Self::Resume(_)
            | Self::ResumeAll
            | Self::Heal { .. }
            | Self::HealAll
            | Self::Lose(None)
            | Self::SlowDisk { sync: None, .. }
            | Self::FullDisk { is_full: false, .. }
            | Self::Copy(_)
            | Self::Add { .. }
            | Self::Promote(_)
            | Self::Remove(_)
            | Self::Replace { .. }
            | Self::Transfer(_)
            | Self::Write { .. }
            | Self::Read { .. }
            | Self::WriteIf { .. }
            | Self::Delete { .. }
            | Self::Snapshot(_)
            | Self::EndFaults => false,
        }
    }
}
