//! Three nodes on this machine, ours or etcd's, each with a fresh directory on a real disk.

use rustix::fs::statfs;
use serde_json::Value;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How many nodes: the usual number.
const NODES: usize = 3;

/// How long a cluster may take to have a leader.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a node may take to answer: it may have to wait for a leader.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// `f_type` of a file system in memory, where a sync costs nothing.
const TMPFS_MAGIC: i64 = 0x0102_1994;

/// Whose nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// raft-kv.
    Ours,
    /// etcd.
    Etcd,
}

/// The programs.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// `raft-kv`.
    pub(crate) ours: PathBuf,
    /// `etcd`.
    pub(crate) etcd: PathBuf,
}

/// Running nodes. They are killed, and what they stored removed, when this is dropped.
pub(crate) struct Cluster {
    system: System,
    programs: Programs,
    dir: PathBuf,
    /// The ports of each node: for clients, and for other nodes.
    ports: [(u16, u16); NODES],
    nodes: [Option<Child>; NODES],
}

impl System {
    /// The name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "raft-kv",
            Self::Etcd => "etcd",
        }
    }
}

impl Cluster {
    /// Starts nodes that have never run, and waits until one leads. `root` is emptied.
    pub(crate) fn start(system: System, programs: &Programs, root: &Path) -> Result<Self, String> {
        let dir = root.join(system.name());
        let failed = |error: io::Error| format!("cannot prepare {} ({error})", dir.display());
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(failed)?;
        }
        fs::create_dir_all(&dir).map_err(failed)?;
        let kind = statfs(&dir).map_err(|error| failed(error.into()))?;
        if kind.f_type as i64 == TMPFS_MAGIC {
            return Err(format!(
                "{} is in memory, where a sync is free; choose a folder on a disk",
                dir.display()
            ));
        }
        let ports = free_ports().map_err(failed)?;
        let mut cluster =
            Self { system, programs: programs.clone(), dir, ports, nodes: [const { None }; NODES] };
        for node in 0..NODES {
            cluster.start_node(node)?;
        }
        cluster.leader()?;
        Ok(cluster)
    }

    /// Starts a node, for the first time or again.
    pub(crate) fn start_node(&mut self, node: usize) -> Result<(), String> {
        let mut command = match self.system {
            System::Ours => self.our_node(node),
            System::Etcd => self.etcd_node(node),
        };
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.join(format!("node-{node}.log")))
            .map_err(|error| format!("cannot write a log ({error})"))?;
        let log_too = log.try_clone().map_err(|error| format!("cannot write a log ({error})"))?;
        let child = command.stdin(Stdio::null()).stdout(log).stderr(log_too).spawn();
        let child = child.map_err(|error| format!("cannot start {command:?} ({error})"))?;
        self.nodes[node] = Some(child);
        Ok(())
    }

    fn our_node(&self, node: usize) -> Command {
        let mut command = Command::new(&self.programs.ours);
        command.args(["--id", &(node + 1).to_string(), "--cluster", &self.addresses().join(",")]);
        command.arg("--data-dir").arg(self.dir.join(format!("data-{node}")));
        command
    }

    fn etcd_node(&self, node: usize) -> Command {
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let members: Vec<String> =
            (0..NODES).map(|other| format!("node-{other}={}", url(self.ports[other].1))).collect();
        let (client, peer) = (url(self.ports[node].0), url(self.ports[node].1));
        let mut command = Command::new(&self.programs.etcd);
        command
            .args(["--name", &format!("node-{node}"), "--initial-cluster", &members.join(",")])
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            // Its default of 2 GiB is soon full.
            .args(["--log-level", "error", "--quota-backend-bytes", "8589934592", "--data-dir"])
            .arg(self.dir.join(format!("data-{node}")));
        command
    }

    /// Where clients connect, node by node.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let host = if self.system == System::Ours { "localhost" } else { "127.0.0.1" };
        self.ports.iter().map(|(port, _)| format!("{host}:{port}")).collect()
    }

    /// The place of the node that leads; waits for one.
    pub(crate) fn leader(&self) -> Result<usize, String> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let leads = |node: &usize| self.nodes[*node].is_some() && self.leads(*node);
            if let Some(leader) = (0..NODES).find(leads) {
                return Ok(leader);
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "{} has no leader; see {}",
                    self.system.name(),
                    self.dir.display()
                ));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn leads(&self, node: usize) -> bool {
        let status = match self.system {
            System::Ours => ask(self.ports[node].0, "GET", "/v1/status", ""),
            System::Etcd => ask(self.ports[node].0, "POST", "/v3/maintenance/status", "{}"),
        };
        let Ok(status) = status else { return false };
        match self.system {
            System::Ours => status["role"] == "leader",
            System::Etcd => {
                !status["leader"].is_null() && status["leader"] == status["header"]["member_id"]
            }
        }
    }

    /// All nodes.
    pub(crate) fn all(&self) -> Vec<usize> {
        (0..NODES).collect()
    }

    /// All nodes but one.
    pub(crate) fn others(&self, node: usize) -> Vec<usize> {
        (0..NODES).filter(|other| *other != node).collect()
    }

    /// A write to this node over HTTP, to be made from any thread, that says whether it was acknowledged.
    pub(crate) fn write_to(&self, node: usize) -> impl FnOnce() -> bool + Send + use<> {
        let (system, port) = (self.system, self.ports[node].0);
        move || match system {
            System::Ours => ask(port, "PUT", "/v1/kv/trial", "1").is_ok(),
            // "trial" and "1" in base64.
            System::Etcd => {
                let put = r#"{"key":"dHJpYWw=","value":"MQ=="}"#;
                ask(port, "POST", "/v3/kv/put", put).is_ok()
            }
        }
    }

    /// How far a node has applied the log, if it answers.
    pub(crate) fn applied(&self, node: usize) -> Option<u64> {
        match self.system {
            System::Ours => {
                ask(self.ports[node].0, "GET", "/v1/status", "").ok()?["applied_index"].as_u64()
            }
            System::Etcd => {
                let status =
                    ask(self.ports[node].0, "POST", "/v3/maintenance/status", "{}").ok()?;
                status["raftAppliedIndex"].as_str()?.parse().ok()
            }
        }
    }

    /// What each node has on its disk, in bytes.
    pub(crate) fn stored_bytes(&self) -> Result<Vec<u64>, String> {
        let stored = |node| {
            let dir = self.dir.join(format!("data-{node}"));
            bytes_below(&dir).map_err(|error| format!("cannot read {} ({error})", dir.display()))
        };
        (0..NODES).map(stored).collect()
    }

    /// The process of each node that runs.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.nodes.iter().flatten().map(Child::id).collect()
    }

    /// Processor time that all nodes have used since they started.
    pub(crate) fn cpu(&self) -> Result<Duration, String> {
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        let mut ticks = 0.0;
        for pid in self.pids() {
            let stat = proc(pid, "stat")?;
            // Behind the name, which may hold anything, from the third field on.
            let fields: Vec<&str> =
                stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
            for place in [11, 12] {
                let field = fields.get(place).and_then(|field| field.parse::<f64>().ok());
                ticks += field.ok_or_else(|| format!("/proc/{pid}/stat is not understood"))?;
            }
        }
        Ok(Duration::from_secs_f64(ticks / per_second))
    }

    /// Resident memory of each node, in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<Vec<u64>, String> {
        let resident = |pid| {
            let status = proc(pid, "status")?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let kib =
                line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
            kib.map(|kib| kib << 10).ok_or_else(|| format!("/proc/{pid}/status is not understood"))
        };
        self.pids().into_iter().map(resident).collect()
    }

    /// Kills a node, as a crash of the process would.
    pub(crate) fn kill(&mut self, node: usize) {
        if let Some(mut child) = self.nodes[node].take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        (0..NODES).for_each(|node| self.kill(node));
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn proc(pid: u32, file: &str) -> Result<String, String> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).map_err(|error| format!("cannot read {path} ({error})"))
}

/// What all files below a folder take up on the disk.
fn bytes_below(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += match metadata.is_dir() {
            true => bytes_below(&entry.path())?,
            // In units of 512 bytes, whatever the file system's are.
            false => metadata.blocks() * 512,
        };
    }
    Ok(bytes)
}

/// Ports that are free now.
fn free_ports() -> io::Result<[(u16, u16); NODES]> {
    let mut held = Vec::new();
    let mut port = || {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        held.push(listener);
        Ok::<u16, io::Error>(port)
    };
    let mut ports = [(0, 0); NODES];
    for pair in &mut ports {
        *pair = (port()?, port()?);
    }
    Ok(ports)
}

/// A question over HTTP, and its answer in JSON.
fn ask(port: u16, method: &str, path: &str, body: &str) -> io::Result<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    // Of version 1.0, so that the answer ends with the connection and comes in one piece.
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: localhost:{port}\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    match head.split(' ').nth(1) {
        Some("200") => serde_json::from_str(body).map_err(io::Error::other),
        _ => Err(io::Error::other(answer)),
    }
}
