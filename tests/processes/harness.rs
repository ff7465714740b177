//! Real nodes: started, watched, paused, killed with -9 and started again.

use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take that must happen. Only a test that fails waits for so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Nodes and their data, gone when dropped.
pub(crate) struct Cluster {
    dir: TempDir,
    /// The founding nodes first, then those that may join.
    addresses: Vec<String>,
    founders: usize,
    /// For every node.
    flags: Vec<String>,
    _ports: Vec<ClaimedPort>,
    nodes: Vec<Option<Node>>,
}

/// A running node.
pub(crate) struct Node {
    child: Child,
    pub(crate) lines: Lines,
    diagnostics: Lines,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Cluster {
    /// Three nodes, started, of which one leads.
    pub(crate) fn start() -> Self {
        Self::start_of(3, 0)
    }

    /// Addresses and an empty directory for three nodes.
    pub(crate) fn prepare() -> Self {
        Self::of(3, 0)
    }

    /// Addresses and an empty directory for a cluster of `founders`, and for nodes that join it.
    pub(crate) fn of(founders: usize, joiners: usize) -> Self {
        let nodes = founders + joiners;
        let ports: Vec<ClaimedPort> = (0..nodes).map(|_| ClaimedPort::new()).collect();
        Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
            addresses: ports.iter().map(|port| format!("localhost:{}", port.number)).collect(),
            founders,
            flags: Vec::new(),
            _ports: ports,
            nodes: (0..nodes).map(|_| None).collect(),
        }
    }

    /// The same, with its founding nodes started, of which one leads.
    pub(crate) fn start_of(founders: usize, joiners: usize) -> Self {
        let mut cluster = Self::of(founders, joiners);
        for id in 1..=founders as u64 {
            cluster.start_node(id);
        }
        cluster.leader();
        cluster
    }

    pub(crate) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    pub(crate) fn address(&self, id: u64) -> &str {
        &self.addresses[id as usize - 1]
    }

    pub(crate) fn running_addresses(&self) -> Vec<String> {
        self.running().iter().map(|id| self.address(*id).to_owned()).collect()
    }

    /// The list for `--cluster`.
    pub(crate) fn list(&self) -> String {
        self.addresses[..self.founders].join(",")
    }

    pub(crate) fn data_dir(&self, id: u64) -> PathBuf {
        self.dir.path().join(format!("node-{id}"))
    }

    /// The directory that holds the data directories.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The command that starts a node: a founding one, or one that joins.
    pub(crate) fn command(&self, id: u64) -> Command {
        let mut command = match id as usize <= self.founders {
            true => node_command(id, &self.list(), &self.data_dir(id)),
            false => join_command(id, &self.list(), self.address(id), &self.data_dir(id)),
        };
        command.args(&self.flags);
        command
    }

    /// Flags for every node that is started from now on.
    pub(crate) fn add_flags<const N: usize>(&mut self, flags: [&str; N]) {
        self.flags.extend(flags.map(str::to_owned));
    }

    pub(crate) fn start_node(&mut self, id: u64) {
        self.start_as(id, self.command(id));
    }

    /// Starts a node by another command than its own.
    pub(crate) fn start_as(&mut self, id: u64, mut command: Command) {
        let slot = &mut self.nodes[id as usize - 1];
        assert!(slot.is_none(), "node {id} runs already");
        *slot = Some(Node::spawn(&mut command));
    }

    pub(crate) fn node(&self, id: u64) -> &Node {
        self.nodes[id as usize - 1].as_ref().expect("the node runs")
    }

    /// The lines that node `id` has printed since it was started.
    pub(crate) fn lines(&self, id: u64) -> &Lines {
        &self.node(id).lines
    }

    /// What it has said on standard error since.
    pub(crate) fn diagnostics(&self, id: u64) -> &Lines {
        &self.node(id).diagnostics
    }

    /// `kill -9`, and the process is gone when this returns.
    pub(crate) fn kill(&mut self, id: u64) {
        let mut node = self.nodes[id as usize - 1].take().expect("the node runs");
        node.child.kill().expect("kill");
        node.child.wait().expect("the killed node ends");
    }

    /// SIGTERM. Returns the exit code and the lines of standard output, once the process has ended.
    pub(crate) fn terminate(&mut self, id: u64) -> (i32, Vec<String>) {
        kill_process(self.node(id).pid(), Signal::TERM).expect("SIGTERM");
        let (code, lines, _) = self.wait_for_the_end(id);
        (code, lines)
    }

    /// Waits until a node has ended by itself. Returns its exit code, and what it printed on standard
    /// output and on standard error.
    pub(crate) fn wait_for_the_end(&mut self, id: u64) -> (i32, Vec<String>, Vec<String>) {
        let mut node = self.nodes[id as usize - 1].take().expect("the node runs");
        let watchdog = Watchdog::start(node.pid());
        let status = node.child.wait().expect("the node ends");
        watchdog.stop();
        node.lines.wait_for_the_end();
        node.diagnostics.wait_for_the_end();
        (exit_code(status), node.lines.all(), node.diagnostics.all())
    }

    pub(crate) fn running(&self) -> Vec<u64> {
        (1..).zip(&self.nodes).filter(|(_, node)| node.is_some()).map(|(id, _)| id).collect()
    }

    /// The running node that leads, once all others that run follow it and it has heard so.
    pub(crate) fn leader(&self) -> u64 {
        let mut leader = None;
        wait_until("one node leads and all others follow it", || {
            let report = self.report();
            let Some(id) = report["leader"].as_u64() else { return false };
            let nodes = report["nodes"].as_array().expect("a list of nodes");
            let status = |id: u64| {
                let node = nodes.iter().find(|node| node["node"] == id);
                node.map(|node| node["status"].clone()).unwrap_or_default()
            };
            let heard_from = |other: u64| {
                let status = status(id);
                let followers = status["followers"].as_array().into_iter().flatten();
                let mut its = followers.filter(|follower| follower["node"] == other);
                its.any(|its| its["silent_ms"].as_u64().is_some_and(|silence| silence < 100))
            };
            let mut others = self.running().into_iter().filter(|other| *other != id);
            leader = others
                .all(|other| status(other)["leader"] == id && heard_from(other))
                .then_some(id);
            leader.is_some()
        });
        leader.expect("the wait is over")
    }

    /// What `raft-cli --json status` says.
    pub(crate) fn report(&self) -> serde_json::Value {
        let status = self.cli(["--json", "status"]);
        serde_json::from_str(&status.stdout).unwrap_or_else(|error| panic!("{error}: {status:?}"))
    }

    /// Runs `raft-cli` with the addresses of this cluster.
    pub(crate) fn cli<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ran {
        Ran::of(cli_command().env("RAFT_CLUSTER", self.list()).args(arguments))
    }

    /// What all running nodes printed, for the message of a failure.
    pub(crate) fn transcript(&self) -> String {
        let mut text = String::new();
        for id in self.running() {
            let Node { lines, diagnostics, .. } = self.node(id);
            for line in lines.all().iter().chain(&diagnostics.all()) {
                let _ = writeln!(text, "Node {id}: {line}");
            }
        }
        text
    }
}

/// A test that failed shows what its nodes said.
impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.transcript());
        }
    }
}

/// Says that a test cannot be made here, and why. Not through the harness's capture: whoever runs the
/// tests must see it.
pub(crate) fn skipped(what: &str) {
    let stderr = std::fs::File::options().write(true).open("/dev/stderr");
    let _ = writeln!(stderr.expect("standard error"), "SKIPPED: {what}");
}

/// Looks until `holds`. What is waited for happens by itself, and nothing announces it.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `raft-kv` with its flags.
pub(crate) fn node_command(id: u64, list: &str, data_dir: &Path) -> Command {
    let mut command = Command::new(binary("raft-kv"));
    command.args(["--id", &id.to_string(), "--cluster", list, "--data-dir"]).arg(data_dir);
    command
}

/// `raft-kv` with the flags of a node that joins.
pub(crate) fn join_command(id: u64, join: &str, listen: &str, data_dir: &Path) -> Command {
    let mut command = Command::new(binary("raft-kv"));
    command.args(["--id", &id.to_string(), "--join", join, "--listen", listen, "--data-dir"]);
    command.arg(data_dir);
    command
}

/// `raft-cli` without flags.
pub(crate) fn cli_command() -> Command {
    let mut command = Command::new(binary("raft-cli"));
    command.env_remove("RAFT_CLUSTER");
    command
}

/// A binary of the workspace. Tests of another package are not told where it is, but it is built into
/// the same target directory.
fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let profile_dir = test.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>");
    let path = profile_dir.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.exists(), "{} is missing; run `cargo build -p raft-native` first", path.display());
    path
}

impl Ran {
    /// Exit code, standard output and standard error, to be compared at once.
    pub(crate) fn all(&self) -> (i32, &str, &str) {
        (self.code, &self.stdout, &self.stderr)
    }

    /// Runs a command to its end. One that hangs is killed, and fails the test.
    pub(crate) fn of(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = piped.spawn().expect("the command starts");
        let pid = Pid::from_child(&child);
        let watchdog = Watchdog::start(pid);
        let output = child.wait_with_output().expect("the command ends");
        watchdog.stop();
        Self {
            code: exit_code(output.status),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| panic!("ended by a signal: {status}"))
}

impl Node {
    /// Starts a node and reads along.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the node starts");
        let lines = Lines::of(child.stdout.take().expect("standard output is piped"));
        let diagnostics = Lines::of(child.stderr.take().expect("standard error is piped"));
        Self { child, lines, diagnostics }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// SIGSTOP: the process stands still, its sockets stay open.
    pub(crate) fn pause(&self) {
        kill_process(self.pid(), Signal::STOP).expect("SIGSTOP");
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        kill_process(self.pid(), Signal::CONT).expect("SIGCONT");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a process, as they come.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<(Mutex<Printed>, Condvar)>);

#[derive(Default)]
struct Printed {
    lines: Vec<String>,
    closed: bool,
}

impl Lines {
    fn of(source: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let writer = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                writer.push(line);
            }
            writer.close();
        });
        lines
    }

    fn push(&self, line: String) {
        self.0.0.lock().unwrap().lines.push(line);
        self.0.1.notify_all();
    }

    fn close(&self) {
        self.0.0.lock().unwrap().closed = true;
        self.0.1.notify_all();
    }

    /// Waits until the process has closed its end.
    fn wait_for_the_end(&self) {
        let (mutex, changed) = &*self.0;
        let printed = mutex.lock().unwrap();
        let closed = changed.wait_timeout_while(printed, PATIENCE, |printed| !printed.closed);
        assert!(closed.unwrap().0.closed, "the output of a process that ended is still open");
    }

    /// All lines so far.
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.0.lock().unwrap().lines.clone()
    }

    /// Waits for the first line, past or future, that `wanted` holds for.
    pub(crate) fn wait_for(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        let (mutex, changed) = &*self.0;
        let mut printed = mutex.lock().unwrap();
        loop {
            if let Some(line) = printed.lines.iter().find(|line| wanted(line)) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let lines = printed.lines.join("\n");
            assert!(!printed.closed, "the process ended without {what}:\n{lines}");
            assert!(!left.is_zero(), "no {what} in {PATIENCE:?}:\n{lines}");
            printed = changed.wait_timeout(printed, left).unwrap().0;
        }
    }
}

/// Kills a process that is still there after [`PATIENCE`].
struct Watchdog {
    done: std::sync::mpsc::Sender<()>,
}

impl Watchdog {
    fn start(pid: Pid) -> Self {
        let (done, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            if ended.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        Self { done }
    }

    fn stop(self) {
        let _ = self.done.send(());
    }
}

/// A TCP port for a node. Below the range that systems give to outgoing connections: one of those could
/// sit on the port of a node that is down, or a client could connect to itself on it. The UDP port of
/// the same number is held as the claim, so that tests that run at the same time stay apart.
struct ClaimedPort {
    number: u16,
    _claim: UdpSocket,
}

impl ClaimedPort {
    fn new() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        for _ in 0..20_000 {
            let number = 10_000 + NEXT.fetch_add(1, Ordering::Relaxed) % 20_000;
            let Ok(claim) = UdpSocket::bind(("127.0.0.1", number)) else { continue };
            if TcpListener::bind(("127.0.0.1", number)).is_ok() {
                return Self { number, _claim: claim };
            }
        }
        panic!("no port is free between 10000 and 30000");
    }
}
