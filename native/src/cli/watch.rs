//! `raft-cli watch`: what happens in the nodes, while it happens, and why.

use super::Stop;
use super::output::{Output, print};
use crate::client::{Connection, Failure};
use crate::socket::{self, Fault, Form, next_frame};
use futures_util::SinkExt;
use raft_core::id::NodeId;
use raft_core::raft::event::{Event, RoleName};
use raft_core::request::Status;
use raft_core::sighting::Sighting;
use raft_core::wire::Frame;
use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

pub(super) const EXAMPLES: &str = "\
Examples:
  raft-cli watch
  raft-cli watch --all                commits, too
  raft-cli --json watch | jq .status.term
It goes on until Ctrl-C. A line is the time since the start, the node, and what happened there, with the
section of the Raft paper or thesis that has the rule. Keys and values are never shown.";

/// How long a node may take to accept a watcher.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a node may say nothing: it shows something twenty times a second, or is paused, or cut off.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// How long to wait before a node is dialled again.
const DIAL_INTERVAL: Duration = Duration::from_millis(200);

/// Something about the node at an address.
enum News {
    Seen(Box<Sighting>),
    /// It does not answer any more, or not yet.
    Gone(String),
}

pub(super) async fn run(addresses: &[String], all: bool, output: &Output) -> Result<(), Stop> {
    let start = Instant::now();
    let (tell, mut news) = mpsc::channel(64);
    for address in addresses {
        tokio::spawn(keep_watching(address.clone(), tell.clone()));
    }
    drop(tell);
    let mut known: BTreeMap<String, Known> = BTreeMap::new();
    while let Some((address, news)) = news.recv().await {
        let known = known.entry(address.clone()).or_default();
        match news {
            News::Seen(sighting) if output.json => output.json(&sighting)?,
            News::Gone(_) if output.json => {}
            News::Seen(sighting) => {
                let node = sighting.status.node;
                let lines = known.lines(&sighting, all);
                say(start, &format!("node {node}"), &lines)?;
                known.node = Some(node);
            }
            News::Gone(reason) => {
                let name = known.node.map_or(address, |node| format!("node {node}"));
                if known.state.set(State::Gone) {
                    say(start, &name, &[format!("does not answer: {reason}")])?;
                }
            }
        }
    }
    Ok(())
}

/// What was said of a node.
#[derive(Default)]
struct Known {
    node: Option<NodeId>,
    state: State,
}

#[derive(Default, PartialEq, Eq)]
enum State {
    /// Nothing was said of it yet.
    #[default]
    New,
    Answers,
    Gone,
}

impl State {
    /// Whether that is new.
    fn set(&mut self, state: Self) -> bool {
        let is_new = *self != state;
        *self = state;
        is_new
    }
}

impl Known {
    /// What to say of a sighting.
    fn lines(&mut self, sighting: &Sighting, all: bool) -> Vec<String> {
        let mut lines = Vec::new();
        if self.state.set(State::Answers) {
            lines.push(describe(&sighting.status));
        }
        if sighting.missed > 0 {
            lines.push(format!("({} moments were missed here)", sighting.missed));
        }
        let is_shown = |event: &&Event| all || !matches!(event, Event::Committed { .. });
        lines.extend(sighting.events.iter().filter(is_shown).map(ToString::to_string));
        lines
    }
}

fn describe(status: &Status) -> String {
    let Status { role, term, leader, last_index, commit_index, .. } = status;
    let who = match (role, leader) {
        (RoleName::Leader, _) => format!("leads term {term}"),
        (_, Some(leader)) => format!("follows leader {leader} of term {term}"),
        (_, None) => format!("knows no leader in term {term}"),
    };
    format!("{who}; its log goes to entry {last_index}, {commit_index} of them committed")
}

fn say(start: Instant, who: &str, lines: &[String]) -> io::Result<()> {
    let seconds = start.elapsed().as_secs_f64();
    print(|out| lines.iter().try_for_each(|line| writeln!(out, "{seconds:9.3}  {who}  {line}")))
}

/// Watches the node at `address` for ever: it may come back.
async fn keep_watching(address: String, news: mpsc::Sender<(String, News)>) {
    loop {
        let reason = watch(&address, &news).await;
        if news.send((address.clone(), News::Gone(reason))).await.is_err() {
            return;
        }
        sleep(DIAL_INTERVAL).await;
    }
}

/// Watches until the connection ends, and says why it did.
async fn watch(address: &str, news: &mpsc::Sender<(String, News)>) -> String {
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    let mut socket = match Connection::open(address, None, Form::Binary, deadline).await {
        Ok(connection) => connection.socket,
        Err(Failure::Unreachable { reason, .. }) => return reason,
        Err(Failure::Refused(error)) => return error.to_string(),
    };
    if let Err(error) = socket.send(socket::encode(&Frame::Watch, Form::Binary)).await {
        return error.to_string();
    }
    loop {
        match timeout(SILENCE_MAX, next_frame(&mut socket)).await {
            Ok(Ok((Frame::Sighting(sighting), _))) => {
                if news.send((address.to_owned(), News::Seen(sighting))).await.is_err() {
                    return String::new();
                }
            }
            Ok(Ok((Frame::Goodbye(error), _)) | Err(Fault::Foul(error))) => {
                return error.to_string();
            }
            Ok(Ok(_)) => {}
            Ok(Err(Fault::Gone(reason))) => return reason,
            Err(_) => return "it is silent".to_owned(),
        }
    }
}
