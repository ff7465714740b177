//! Commands as words.

use crate::faults::{Command, Damage, Fate};
use crate::words::{OnlyIf, Short};
use raft_core::raft::membership::Goal;
use std::fmt;

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash(node) => write!(f, "crash node {node}"),
            Self::CrashLeader => write!(f, "crash the leader"),
            Self::CrashAll => write!(f, "crash all nodes"),
            Self::Restart(node) => write!(f, "restart node {node}"),
            Self::RestartAll => write!(f, "restart all nodes"),
            Self::Pause(node) => write!(f, "pause node {node}"),
            Self::PauseLeader => write!(f, "pause the leader"),
            Self::Resume(node) => write!(f, "resume node {node}"),
            Self::ResumeAll => write!(f, "resume all nodes"),
            Self::Cut { from, to } => write!(f, "cut {from}->{to}"),
            Self::Heal { from, to } => write!(f, "heal {from}->{to}"),
            Self::Split(side) => {
                write!(f, "split off")?;
                side.iter().try_for_each(|node| write!(f, " {node}"))
            }
            Self::CutLinks(links) => {
                write!(f, "cut")?;
                links.iter().try_for_each(|(one, other)| write!(f, " {one}-{other}"))
            }
            Self::IsolateLeader => write!(f, "isolate the leader"),
            Self::DeafenLeader => write!(f, "cut all links to the leader"),
            Self::HealAll => write!(f, "heal all links"),
            Self::Lose(Some(ppm)) => write!(f, "lose {ppm} messages in a million"),
            Self::Lose(None) => write!(f, "lose messages as usual"),
            Self::Slow(by) => write!(f, "delay all messages by {} us", by.as_micros()),
            Self::SlowDisk { node, sync: Some(sync) } => {
                write!(f, "slow the disk of node {node} to {} us a sync", sync.as_micros())
            }
            Self::SlowDisk { node, sync: None } => write!(f, "mend the disk of node {node}"),
            Self::FullDisk { node, is_full: true } => write!(f, "fill the disk of node {node}"),
            Self::FullDisk { node, is_full: false } => {
                write!(f, "make room on the disk of node {node}")
            }
            Self::ReplayMessages => write!(f, "let old messages arrive once more"),
            Self::FailSync(node) => write!(f, "let the next sync of node {node} fail"),
            Self::Wipe(node) => write!(f, "wipe node {node}"),
            Self::Damage { node, damage, place } => {
                let what = match damage {
                    Damage::FlipBit => "flip a bit",
                    Damage::ZeroSector => "zero a sector",
                    Damage::StaleSector => "put an old sector",
                    Damage::Truncate => "truncate a file",
                    Damage::Vanish => "lose a file",
                };
                write!(f, "{what} on the disk of node {node} (place {place})")
            }
            Self::Copy(node) => write!(f, "copy the disk of node {node}"),
            Self::PutBack(node) => write!(f, "put back the copy of the disk of node {node}"),
            Self::Add { node, goal: Goal::Stay } => write!(f, "add node {node} as a learner"),
            Self::Add { node, .. } => write!(f, "add node {node}"),
            Self::Promote(node) => write!(f, "promote node {node}"),
            Self::Remove(node) => write!(f, "remove node {node}"),
            Self::Replace { node, by } => write!(f, "replace node {node} by node {by}"),
            Self::Transfer(Some(node)) => write!(f, "transfer leadership to node {node}"),
            Self::Transfer(None) => write!(f, "transfer leadership"),
            Self::Abandon(nodes) => {
                write!(f, "abandon")?;
                nodes.iter().try_for_each(|node| write!(f, " {node}"))
            }
            Self::Write { key, value } => {
                write!(f, "set {}={}", Short(key), Short(value))
            }
            Self::Read { key } => write!(f, "get {}", Short(key)),
            Self::WriteIf { key, value, condition } => {
                write!(f, "set {}={}{}", Short(key), Short(value), OnlyIf(condition))
            }
            Self::Delete { key } => write!(f, "delete {}", Short(key)),
            Self::SetClock { node, rate_ppm } => {
                write!(
                    f,
                    "let the clock of node {node} run at {}.{:02} times the speed",
                    rate_ppm / 1_000_000,
                    rate_ppm % 1_000_000 / 10_000
                )
            }
            Self::FireTimer(node) => write!(f, "fire the election timer of node {node}"),
            Self::Snapshot(node) => write!(f, "let node {node} take a snapshot"),
            Self::SlowLink { from, to, by } => {
                write!(f, "delay {from}->{to} by {} us", by.as_micros())
            }
            Self::LossyLink { from, to, ppm } => {
                write!(f, "lose {ppm} in a million of {from}->{to}")
            }
            Self::Message { id, fate: Fate::Drop } => write!(f, "drop message {id}"),
            Self::Message { id, fate: Fate::Hold } => write!(f, "hold message {id}"),
            Self::Message { id, fate: Fate::Release } => write!(f, "release message {id}"),
            Self::Message { id, fate: Fate::Delay(by) } => {
                write!(f, "delay message {id} by {} us", by.as_micros())
            }
            Self::Message { id, fate: Fate::Duplicate } => write!(f, "double message {id}"),
            Self::Message { id, fate: Fate::Deliver } => write!(f, "deliver message {id} now"),
            Self::EndFaults => write!(f, "end all faults"),
        }
    }
}
