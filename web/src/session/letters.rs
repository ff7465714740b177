//! A command in the letters of a link: a verb and what it is about, as in `cut-1-2`.
//!
//! Nodes and messages are their numbers, stretches of time are microseconds, rates are millionths. Keys
//! and values are letters and digits; any other byte is `!` and two hexadecimal digits.

use raft_core::id::NodeId;
use raft_core::kv::command::Condition;
use raft_core::raft::membership::Goal;
use raft_core::vec_map::VecSet;
use raft_sim::faults::{DELAY_MAX, RATE_PPM_MAX, RATE_PPM_MIN};
use raft_sim::{Command, Fate};
use std::time::Duration;

/// The highest number of a node in a link: the largest cluster that the simulator takes from outside.
const NODE_MAX: u64 = 16;

/// The most parts of a command: a verb and every node.
const PARTS_MAX: usize = NODE_MAX as usize + 1;

/// All messages, in millionths.
const ALL_PPM: u32 = 1_000_000;

/// A command in letters; `None` for those that only the simulator's tests give: they destroy what no visitor
/// can see.
pub(super) fn print(command: &Command) -> Option<String> {
    let one = |verb: &str, node: &NodeId| format!("{verb}-{node}");
    let two = |verb: &str, from: &NodeId, to: &NodeId| format!("{verb}-{from}-{to}");
    Some(match command {
        Command::Crash(node) => one("crash", node),
        Command::CrashLeader => "crashleader".to_owned(),
        Command::CrashAll => "crashall".to_owned(),
        Command::Restart(node) => one("restart", node),
        Command::RestartAll => "restartall".to_owned(),
        Command::Pause(node) => one("pause", node),
        Command::PauseLeader => "pauseleader".to_owned(),
        Command::Resume(node) => one("resume", node),
        Command::ResumeAll => "resumeall".to_owned(),
        Command::Wipe(node) => one("wipe", node),
        Command::SlowDisk { node, sync: Some(sync) } => {
            format!("slowdisk-{node}-{}", sync.as_micros())
        }
        Command::SlowDisk { node, sync: None } => one("mend", node),
        Command::FullDisk { node, is_full: true } => one("full", node),
        Command::FullDisk { node, is_full: false } => one("room", node),
        Command::FailSync(node) => one("failsync", node),
        Command::SetClock { node, rate_ppm } => format!("clock-{node}-{rate_ppm}"),
        Command::FireTimer(node) => one("fire", node),
        Command::Snapshot(node) => one("snapshot", node),
        Command::Transfer(Some(node)) => one("transfer", node),
        Command::Transfer(None) => "transfer".to_owned(),
        Command::Add { node, goal: Goal::Vote } => one("add", node),
        Command::Add { node, goal: Goal::Stay } => one("learn", node),
        Command::Promote(node) => one("promote", node),
        Command::Remove(node) => one("remove", node),
        Command::Replace { node, by } => two("replace", node, by),
        Command::Cut { from, to } => two("cut", from, to),
        Command::Heal { from, to } => two("heal", from, to),
        Command::HealAll => "healall".to_owned(),
        Command::Split(nodes) => {
            nodes.iter().fold("split".to_owned(), |text, node| format!("{text}-{node}"))
        }
        Command::IsolateLeader => "isolateleader".to_owned(),
        Command::DeafenLeader => "deafenleader".to_owned(),
        Command::SlowLink { from, to, by } => {
            format!("slow-{from}-{to}-{}", by.as_micros())
        }
        Command::LossyLink { from, to, ppm } => format!("lossy-{from}-{to}-{ppm}"),
        Command::Lose(Some(ppm)) => format!("lose-{ppm}"),
        Command::Lose(None) => "lose".to_owned(),
        Command::Slow(by) => format!("slow-{}", by.as_micros()),
        Command::Message { id, fate } => match fate {
            Fate::Drop => format!("drop-{id}"),
            Fate::Hold => format!("hold-{id}"),
            Fate::Release => format!("release-{id}"),
            Fate::Delay(by) => format!("delay-{id}-{}", by.as_micros()),
            Fate::Duplicate => format!("double-{id}"),
            Fate::Deliver => format!("deliver-{id}"),
        },
        Command::Write { key, value } => format!("set-{}-{}", plain(key), plain(value)),
        Command::WriteIf { key, value, condition } => match condition {
            Condition::Absent => format!("create-{}-{}", plain(key), plain(value)),
            Condition::Value(old) => {
                format!("swap-{}-{}-{}", plain(key), plain(old), plain(value))
            }
            Condition::Any | Condition::Revision(_) => return None,
        },
        Command::Delete { key } => format!("delete-{}", plain(key)),
        Command::Read { key } => format!("get-{}", plain(key)),
        _ => return None,
    })
}

/// The command of these letters; `None` if they are none.
pub(super) fn read(text: &str) -> Option<Command> {
    let mut parts = text.split('-');
    let verb = parts.next()?;
    let parts: Vec<&str> = parts.take(PARTS_MAX).collect();
    Some(match (verb, &*parts) {
        ("crash", [id]) => Command::Crash(node(id)?),
        ("crashleader", []) => Command::CrashLeader,
        ("crashall", []) => Command::CrashAll,
        ("restart", [id]) => Command::Restart(node(id)?),
        ("restartall", []) => Command::RestartAll,
        ("pause", [id]) => Command::Pause(node(id)?),
        ("pauseleader", []) => Command::PauseLeader,
        ("resume", [id]) => Command::Resume(node(id)?),
        ("resumeall", []) => Command::ResumeAll,
        ("wipe", [id]) => Command::Wipe(node(id)?),
        ("slowdisk", [id, sync]) => {
            Command::SlowDisk { node: node(id)?, sync: Some(stretch(sync)?) }
        }
        ("mend", [id]) => Command::SlowDisk { node: node(id)?, sync: None },
        ("full", [id]) => Command::FullDisk { node: node(id)?, is_full: true },
        ("room", [id]) => Command::FullDisk { node: node(id)?, is_full: false },
        ("failsync", [id]) => Command::FailSync(node(id)?),
        ("clock", [id, rate]) => {
            let rate =
                rate.parse().ok().filter(|rate| (RATE_PPM_MIN..=RATE_PPM_MAX).contains(rate));
            Command::SetClock { node: node(id)?, rate_ppm: rate? }
        }
        ("fire", [id]) => Command::FireTimer(node(id)?),
        ("snapshot", [id]) => Command::Snapshot(node(id)?),
        ("transfer", [id]) => Command::Transfer(Some(node(id)?)),
        ("transfer", []) => Command::Transfer(None),
        ("add", [id]) => Command::Add { node: node(id)?, goal: Goal::Vote },
        ("learn", [id]) => Command::Add { node: node(id)?, goal: Goal::Stay },
        ("promote", [id]) => Command::Promote(node(id)?),
        ("remove", [id]) => Command::Remove(node(id)?),
        ("replace", [id, by]) => Command::Replace { node: node(id)?, by: node(by)? },
        ("cut", [from, to]) => Command::Cut { from: node(from)?, to: node(to)? },
        ("heal", [from, to]) => Command::Heal { from: node(from)?, to: node(to)? },
        ("healall", []) => Command::HealAll,
        ("split", ids) => {
            Command::Split(ids.iter().map(|id| node(id)).collect::<Option<VecSet<NodeId>>>()?)
        }
        ("isolateleader", []) => Command::IsolateLeader,
        ("deafenleader", []) => Command::DeafenLeader,
        ("slow", [from, to, by]) => {
            Command::SlowLink { from: node(from)?, to: node(to)?, by: stretch(by)? }
        }
        ("lossy", [from, to, ppm]) => {
            Command::LossyLink { from: node(from)?, to: node(to)?, ppm: share(ppm)? }
        }
        ("lose", [ppm]) => Command::Lose(Some(share(ppm)?)),
        ("lose", []) => Command::Lose(None),
        ("slow", [by]) => Command::Slow(stretch(by)?),
        ("drop", [id]) => message(id, Fate::Drop)?,
        ("hold", [id]) => message(id, Fate::Hold)?,
        ("release", [id]) => message(id, Fate::Release)?,
        ("delay", [id, by]) => message(id, Fate::Delay(stretch(by)?))?,
        ("double", [id]) => message(id, Fate::Duplicate)?,
        ("deliver", [id]) => message(id, Fate::Deliver)?,
        ("set", [key, value]) => {
            Command::Write { key: from_plain(key)?.into(), value: from_plain(value)?.into() }
        }
        ("create", [key, value]) => write_if(key, value, Condition::Absent)?,
        ("swap", [key, old, value]) => {
            write_if(key, value, Condition::Value(from_plain(old)?.into()))?
        }
        ("delete", [key]) => Command::Delete { key: from_plain(key)?.into() },
        ("get", [key]) => Command::Read { key: from_plain(key)?.into() },
        _ => return None,
    })
}

fn node(text: &str) -> Option<NodeId> {
    text.parse().ok().filter(|id| (1..=NODE_MAX).contains(id)).map(NodeId)
}

fn stretch(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_micros).filter(|by| *by <= DELAY_MAX)
}

fn share(text: &str) -> Option<u32> {
    text.parse().ok().filter(|ppm| *ppm <= ALL_PPM)
}

fn message(id: &str, fate: Fate) -> Option<Command> {
    Some(Command::Message { id: id.parse().ok()?, fate })
}

fn write_if(key: &str, value: &str, condition: Condition) -> Option<Command> {
    Some(Command::WriteIf {
        key: from_plain(key)?.into(),
        value: from_plain(value)?.into(),
        condition,
    })
}

/// Bytes in letters that every link keeps as they are: letters and digits stand for themselves, any
/// other byte is `!` and two hexadecimal digits.
fn plain(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        match byte.is_ascii_alphanumeric() {
            true => text.push(char::from(*byte)),
            false => text.push_str(&format!("!{byte:02x}")),
        }
        text
    })
}

fn from_plain(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = match (first, after) {
            (b'!', [high, low, after @ ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                bytes.push((digit(*high)? << 4 | digit(*low)?) as u8);
                after
            }
            (byte, after) if byte.is_ascii_alphanumeric() => {
                bytes.push(*byte);
                after
            }
            _ => return None,
        };
    }
    Some(bytes)
}
