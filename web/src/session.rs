//! A session is data: what the cluster is, its seed, and what was done to it and when. Everything on the
//! page follows from it, so a session is also a link, and going back is playing it again.

mod letters;

use crate::whatif::{self, WhatIf};
use raft_core::time::Instant;
use raft_sim::options::PLAYGROUND_NODES_MAX;
use raft_sim::replay::Replay;
use raft_sim::{Command, Options, Sim};

/// The most commands a link may carry: more than a person gives, and little to hold.
const COMMANDS_MAX: usize = 1_000;

/// The longest link that is read, in bytes: [`COMMANDS_MAX`] of the longest commands fit.
const LINK_BYTES_MAX: usize = 100_000;

/// A session from beginning to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// What the cluster is.
    pub cluster: Cluster,
    /// What was done to it, in order. A command comes after every event of its moment.
    pub commands: Vec<(Instant, Command)>,
    /// A run that the simulator's tests found, whole: it takes the place of seed and cluster.
    pub replay: Option<Replay>,
    /// Leaders of a playground answer reads by lease, on the word that no clock is off by more than so many
    /// percent (thesis §6.4.1).
    pub lease: Option<u32>,
    /// The mistake that the code makes.
    pub what_if: Option<&'static WhatIf>,
}

/// What a session's cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cluster {
    /// So many nodes, in peace until the visitor acts.
    Playground(u64),
    /// One of the simulator's own test runs, where everything is drawn from the seed.
    Swarm,
}

/// What a first visit shows: an election that one node wins at the first try, as most are.
const FIRST_SEED: u64 = 42;

impl Default for Session {
    /// A first visit.
    fn default() -> Self {
        Self::new(FIRST_SEED, Cluster::Playground(5))
    }
}

impl Session {
    /// A fresh session: nothing has been done yet.
    pub fn new(seed: u64, cluster: Cluster) -> Self {
        Self { seed, cluster, commands: Vec::new(), replay: None, lease: None, what_if: None }
    }

    /// The cluster at the beginning.
    pub fn begin(&self) -> Sim {
        whatif::make(self.what_if);
        match (&self.replay, self.cluster) {
            (Some(replay), _) => replay.begin(),
            (None, Cluster::Playground(nodes)) => {
                let mut options = Options::playground(self.seed, nodes);
                options.timing.lease_drift_percent = self.lease;
                Sim::new(options)
            }
            (None, Cluster::Swarm) => Sim::new(Options::swarm(self.seed)),
        }
    }

    /// The session as the fragment of a link: `v1.seed=42.nodes=5.do=1500000-crash-3`.
    pub fn to_link(&self) -> String {
        let mut link = match (&self.replay, self.cluster) {
            (Some(replay), _) => format!("v1.replay={replay}"),
            (None, Cluster::Playground(nodes)) => format!("v1.seed={}.nodes={nodes}", self.seed),
            (None, Cluster::Swarm) => format!("v1.seed={}.run=swarm", self.seed),
        };
        if let Some(percent) = self.lease {
            link.push_str(&format!(".lease={percent}"));
        }
        if let Some(what_if) = self.what_if {
            link.push_str(&format!(".mistake={}", what_if.name));
        }
        let commands: Vec<String> = self
            .commands
            .iter()
            .filter_map(|(at, command)| Some(format!("{}-{}", at.0, letters::print(command)?)))
            .collect();
        if !commands.is_empty() {
            link.push_str(&format!(".do={}", commands.join("~")));
        }
        link
    }

    /// The session of a link's fragment, with or without its `#`. An empty one is a first visit.
    ///
    /// # Errors
    /// A sentence, if the link is damaged or from a later version of the page.
    pub fn from_link(link: &str) -> Result<Self, String> {
        let link = link.strip_prefix('#').unwrap_or(link);
        let mut session = Self::default();
        if link.is_empty() {
            return Ok(session);
        }
        let fields = link.strip_prefix("v1").filter(|_| link.len() <= LINK_BYTES_MAX);
        let fields = fields.ok_or("This link is damaged, or from a later version of the page.")?;
        for field in fields.split('.').filter(|field| !field.is_empty()) {
            session.read_field(field).ok_or_else(|| {
                let shown: String = field.chars().take(40).collect();
                format!("This link says “{shown}”, which is damaged or from a later version of the page.")
            })?;
        }
        Ok(session)
    }

    fn read_field(&mut self, field: &str) -> Option<()> {
        match field.split_once('=')? {
            ("seed", seed) => self.seed = seed.parse().ok()?,
            ("nodes", nodes) => {
                let nodes = nodes
                    .parse()
                    .ok()
                    .filter(|nodes| (1..=PLAYGROUND_NODES_MAX).contains(nodes))?;
                self.cluster = Cluster::Playground(nodes);
            }
            ("lease", percent) => {
                self.lease = Some(percent.parse().ok().filter(|percent| *percent < 100)?);
            }
            ("mistake", name) => self.what_if = Some(whatif::named(name)?),
            ("run", "swarm") => self.cluster = Cluster::Swarm,
            ("replay", run) => self.replay = Some(run.parse().ok()?),
            ("do", commands) => {
                let commands = commands.split('~').take(COMMANDS_MAX + 1);
                self.commands = commands.map(timed_command).collect::<Option<_>>()?;
                let in_order = self.commands.is_sorted_by_key(|(at, _)| *at);
                return (in_order && self.commands.len() <= COMMANDS_MAX).then_some(());
            }
            _ => return None,
        }
        Some(())
    }
}

/// The command of these letters, as in a link; `None` if they are none.
pub fn command(letters: &str) -> Option<Command> {
    letters::read(letters)
}

/// Commands as letters: `cut-1-2~cut-2-1`. Those that no visitor gives are left out.
pub fn print_commands(commands: &[Command]) -> String {
    commands.iter().filter_map(letters::print).collect::<Vec<String>>().join("~")
}

/// The commands of such letters; `None` if they are none.
pub fn read_commands(text: &str) -> Option<Vec<Command>> {
    text.split('~').take(COMMANDS_MAX).map(letters::read).collect()
}

fn timed_command(text: &str) -> Option<(Instant, Command)> {
    let (at, command) = text.split_once('-')?;
    // A moment far beyond any run would make the page run for ever to reach it.
    let at = at.parse().ok().filter(|at| *at < 1 << 40)?;
    Some((Instant(at), letters::read(command)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use raft_core::id::NodeId;
    use raft_core::kv::command::Condition;
    use raft_core::raft::membership::Goal;
    use raft_sim::Fate;
    use std::time::Duration;

    /// Every command that a visitor, or trouble that is drawn, can give.
    fn commands() -> Vec<Command> {
        let (id, ms) = (NodeId, Duration::from_millis);
        let (from, to, node) = (id(1), id(9), id(3));
        let message = |fate| Command::Message { id: u64::MAX, fate };
        let (key, value) = (|| "kö.~-=#".into(), || "".into());
        let write_if = |condition| Command::WriteIf { key: key(), value: value(), condition };
        vec![
            Command::Crash(node),
            Command::CrashLeader,
            Command::CrashAll,
            Command::PauseLeader,
            Command::IsolateLeader,
            Command::DeafenLeader,
            Command::Restart(node),
            Command::RestartAll,
            Command::Pause(node),
            Command::Resume(node),
            Command::ResumeAll,
            Command::Wipe(node),
            Command::SlowDisk { node, sync: Some(ms(1_500)) },
            Command::SlowDisk { node, sync: None },
            Command::FullDisk { node, is_full: true },
            Command::FullDisk { node, is_full: false },
            Command::FailSync(node),
            Command::SetClock { node, rate_ppm: 1_200_000 },
            Command::FireTimer(node),
            Command::Snapshot(node),
            Command::Transfer(Some(node)),
            Command::Transfer(None),
            Command::Add { node, goal: Goal::Vote },
            Command::Add { node, goal: Goal::Stay },
            Command::Promote(node),
            Command::Remove(node),
            Command::Replace { node, by: to },
            Command::Cut { from, to },
            Command::Heal { from, to },
            Command::HealAll,
            Command::Split([from, to].into()),
            Command::SlowLink { from, to, by: ms(200) },
            Command::LossyLink { from, to, ppm: 500_000 },
            Command::Lose(Some(1_000_000)),
            Command::Lose(None),
            Command::Slow(ms(700)),
            message(Fate::Drop),
            message(Fate::Hold),
            message(Fate::Release),
            message(Fate::Delay(ms(700))),
            message(Fate::Duplicate),
            message(Fate::Deliver),
            Command::Write { key: key(), value: value() },
            write_if(Condition::Absent),
            write_if(Condition::Value("old".into())),
            Command::Delete { key: key() },
            Command::Read { key: key() },
        ]
    }

    fn busy() -> Session {
        let at = |(n, command)| (Instant(1_000 * n as u64), command);
        let commands = commands().into_iter().enumerate().map(at).collect();
        Session {
            seed: u64::MAX,
            cluster: Cluster::Playground(7),
            commands,
            replay: None,
            lease: Some(10),
            what_if: whatif::ALL.first(),
        }
    }

    #[test]
    fn a_session_survives_its_link() {
        for session in [Session::default(), Session::new(7, Cluster::Swarm), busy()] {
            let link = session.to_link();
            assert_eq!(Session::from_link(&link), Ok(session.clone()), "{link}");
            assert_eq!(Session::from_link(&format!("#{link}")), Ok(session));
        }
    }

    #[test]
    fn every_command_of_a_visitor_is_in_the_link() {
        let link = busy().to_link();
        assert_eq!(link.split('~').count(), commands().len(), "{link}");
    }

    #[test]
    fn links_need_no_escaping() {
        let safe = |c: char| c.is_ascii_alphanumeric() || "-._~!=".contains(c);
        assert!(busy().to_link().chars().all(safe), "{}", busy().to_link());
    }

    #[test]
    fn no_link_and_a_short_link_are_a_first_visit() {
        assert_eq!(Session::from_link(""), Ok(Session::default()));
        assert_eq!(Session::from_link("#v1"), Ok(Session::default()));
        let seven = Session::new(7, Cluster::Playground(5));
        assert_eq!(Session::from_link("#v1.seed=7"), Ok(seven));
    }

    #[test]
    fn damaged_links_are_refused_in_a_sentence() {
        let long = format!("v1.seed={}", "1".repeat(LINK_BYTES_MAX));
        let many = format!("v1.do={}", vec!["1-healall"; COMMANDS_MAX + 1].join("~"));
        let damaged = [
            "v2.seed=1",
            "hello",
            "v1.seed=",
            "v1.seed=-1",
            "v1.nodes=0",
            "v1.nodes=10",
            "v1.speed=1",
            "v1.mistake=none",
            "v1.lease=100",
            "v1.do=",
            "v1.do=5-crash-99",
            "v1.do=5-crash-1~4-crash-2",
            "v1.do=1-set-!f-1",
            "v1.do=1-set-é-1",
            "v1.do=99999999999999999-healall",
            "v1.do=1-crash-17",
            "v1.do=1-crash-0",
            "v1.do=1-crash-1-2",
            "v1.do=1-clock-1-99999999",
            "v1.do=1-slow-1-2-99999999999999",
            "v1.do=1-lossy-1-2-1000001",
            "v1.do=1-drop--1",
            "v1.do=1-swap-k-1",
            &long,
            &many,
        ];
        for link in damaged {
            let error = Session::from_link(link).expect_err(&link[..link.len().min(40)]);
            assert!(error.ends_with('.') && error.len() < 200, "{error}");
        }
    }

    #[test]
    fn run_that_a_test_found_is_a_link() {
        let replay = Replay::of_seed(7);
        let session = Session::from_link(&format!("v1.replay={replay}")).unwrap();
        assert_eq!(Session::from_link(&session.to_link()), Ok(session.clone()));
        let (mut sim, mut same) = (session.begin(), replay.begin());
        for _ in 0..500 {
            assert_eq!((sim.step(), sim.trace_hash()), (same.step(), same.trace_hash()));
        }
    }
}
