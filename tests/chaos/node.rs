//! One real node: its process, its volume, and what it prints.

use crate::machine::{Machine, at_time, run};
use crate::random::Random;
use crate::volume::Volume;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a process may take to end that was told to.
pub(crate) const END_TIMEOUT: Duration = Duration::from_secs(10);

const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// The end of the log, in bytes, that no damage is done to: what was written just before a crash cannot be
/// told from what was being written, which docs/formats.md says and nobody is promised.
const LOG_END_BYTES: u64 = 256 << 10;

/// By how many percent clocks may be fast or slow, as nodes that answer reads by leases are told. Those of
/// one machine run at one speed.
const LEASE_DRIFT_PERCENT: &str = "10";

/// What a clock shows at most when a node starts, in seconds since a boot: some years.
const CLOCK_SECONDS_MAX: u64 = 100_000_000;

pub(crate) struct Node {
    pub(crate) id: usize,
    pub(crate) volume: Volume,
    pub(crate) process: Option<Child>,
    /// Something has been done to it of which a node may end.
    pub(crate) may_end: bool,
    pub(crate) is_without_power: bool,
    /// How to start it, but for how it finds its cluster.
    command: Vec<OsString>,
    /// Draws what its clock shows at each start; `None` if all nodes share the machine's.
    clocks: Option<Random>,
    /// How its last process ended, if it ended by itself.
    end: Option<ExitStatus>,
    /// The flags of a founder, and those of a node that joins.
    founds: [String; 2],
    joins: [String; 4],
    /// It was not there when the cluster was founded, or has been removed from it.
    is_newcomer: bool,
    /// Everything it has printed.
    output: PathBuf,
}

impl Node {
    /// A node with an empty volume in `dir`, of a cluster founded by the first `founders` of `addresses`.
    pub(crate) fn create(
        dir: &Path,
        id: usize,
        addresses: &[String],
        founders: usize,
        machine: &Machine,
        has_leases: bool,
        random: &mut Random,
    ) -> Result<Self, String> {
        let volume = Volume::create(dir, &format!("node-{id}"), machine.volumes)?;
        let mut command: Vec<OsString> = Vec::new();
        if machine.has_links {
            // Names are files: in mounts of its own, a node reads its own.
            let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
            let unshare = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", script];
            command.extend(unshare.map(OsString::from));
            command.push(dir.join(format!("hosts-{id}")).into());
        }
        command.push(node_binary()?.into());
        command.extend(["--id".into(), id.to_string().into()]);
        command.extend(["--data-dir".into(), data_dir(&volume).into()]);
        if has_leases {
            command.extend(["--lease-reads".into(), LEASE_DRIFT_PERCENT.into()]);
        }
        let own = addresses[id - 1].clone();
        let others: Vec<String> = addresses.iter().filter(|at| **at != own).cloned().collect();
        Ok(Self {
            id,
            volume,
            process: None,
            may_end: false,
            is_without_power: false,
            command,
            clocks: machine.has_clocks.then(|| random.fork()),
            end: None,
            founds: ["--cluster".to_owned(), addresses[..founders].join(",")],
            joins: ["--join".to_owned(), others.join(","), "--listen".to_owned(), own],
            is_newcomer: id > founders,
            output: dir.join(format!("node-{id}.txt")),
        })
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        data_dir(&self.volume)
    }

    pub(crate) fn start(&mut self) -> Result<(), String> {
        let output = File::options().create(true).append(true).open(&self.output);
        let output = output.map_err(|error| format!("{}: {error}", self.output.display()))?;
        let copy = output.try_clone().map_err(|error| error.to_string())?;
        let clock = self.clocks.as_mut().map(|random| at_time(random.below(CLOCK_SECONDS_MAX)));
        let words =
            clock.iter().flatten().map(OsStr::new).chain(self.command.iter().map(OsStr::new));
        let words: Vec<&OsStr> = words.collect();
        let mut command = Command::new(words[0]);
        let place = if self.is_newcomer { &self.joins[..] } else { &self.founds[..] };
        command.args(&words[1..]).args(place);
        command.stdin(Stdio::null()).stdout(output).stderr(copy);
        // Ctrl-C is for this program: it ends the run, and then the nodes.
        let process = command.process_group(0).spawn();
        self.process = Some(process.map_err(|error| format!("cannot start a node: {error}"))?);
        Ok(())
    }

    /// `kill -9`, and it is gone when this returns.
    pub(crate) fn kill(&mut self) {
        self.end = None;
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            let _ = kill_process(Pid::from_child(process), signal);
        }
    }

    /// How the process ended, if it did by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        if let Some(process) = &mut self.process {
            self.end = process.try_wait().ok().flatten();
        }
        self.end
    }

    /// Whether its last process has said that.
    pub(crate) fn has_said(&self, words: &str) -> bool {
        let output = fs::read(&self.output).unwrap_or_default();
        let output = String::from_utf8_lossy(&output);
        let mut last = output.lines().rev().take_while(|line| !line.ends_with(" starting..."));
        last.any(|line| line.contains(words))
    }

    pub(crate) fn last_words(&self) -> String {
        let output = fs::read(&self.output).unwrap_or_default();
        let output = String::from_utf8_lossy(&output);
        output.lines().last().unwrap_or("it said nothing").to_owned()
    }

    /// Ends the node, which is no member any more: it begins anew when it is added again.
    pub(crate) fn retire(&mut self) -> Result<(), String> {
        self.kill();
        self.is_newcomer = true;
        self.wipe()
    }

    /// Loses everything the node has on disk. It must not run.
    pub(crate) fn wipe(&self) -> Result<(), String> {
        fs::remove_dir_all(self.data_dir()).map_err(|error| format!("wipe: {error}"))
    }

    /// Keeps a copy of what the node has on disk. It must not run.
    pub(crate) fn copy_data(&self) -> Result<(), String> {
        let _ = fs::remove_dir_all(self.copy());
        run(Command::new("cp").arg("-r").arg(self.data_dir()).arg(self.copy()))
    }

    /// Puts the copy in the place of what the node has on disk. It must not run.
    pub(crate) fn put_copy_back(&self) -> Result<(), String> {
        self.wipe()?;
        fs::rename(self.copy(), self.data_dir()).map_err(|error| format!("copy: {error}"))
    }

    fn copy(&self) -> PathBuf {
        self.volume.path().join("copy")
    }

    /// Flips bits in what the node has on disk, but for the last it has written. It must not run.
    pub(crate) fn damage(&self, random: &mut Random) -> Result<(), String> {
        let mut files = Vec::new();
        let listed = fs::read_dir(self.data_dir()).map_err(|error| error.to_string())?;
        for entry in listed.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let end_bytes = match name.split('-').next() {
                Some("segment") => LOG_END_BYTES,
                Some("snapshot" | "identity") => 0,
                _ => continue,
            };
            files.push((entry.path(), end_bytes));
        }
        files.sort();
        for _ in 0..=random.below(8) {
            let drawn = files.get(random.below(files.len() as u64) as usize);
            let Some((path, end_bytes)) = drawn else { break };
            flip(path, *end_bytes, random)
                .map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A file system of its own is not empty when it is new, so the directory is one inside.
fn data_dir(volume: &Volume) -> PathBuf {
    volume.path().join("data")
}

/// Flips one bit of what was written into a file, but for the last `end_bytes`.
fn flip(path: &Path, end_bytes: u64, random: &mut Random) -> std::io::Result<()> {
    let bytes = fs::read(path)?;
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap_or_default() as u64;
    let place = random.below(written.saturating_sub(end_bytes).max(1));
    let flipped = bytes.get(place as usize).map_or(1, |byte| byte ^ (1 << random.below(8)));
    let file = File::options().write(true).open(path)?;
    file.write_all_at(&[flipped], place)?;
    file.sync_all()
}

/// Waits for a process that was told to end; it is killed if it does not.
pub(crate) async fn wait_for_end(process: &mut Child) -> Option<ExitStatus> {
    let deadline = Instant::now() + END_TIMEOUT;
    while Instant::now() < deadline {
        if let Ok(Some(status)) = process.try_wait() {
            return Some(status);
        }
        sleep(LOOK_INTERVAL).await;
    }
    let _ = process.kill();
    let _ = process.wait();
    None
}

/// The node that was built together with this program.
fn node_binary() -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|error| format!("cannot find myself: {error}"))?;
    let path = this.with_file_name("raft-kv");
    match path.exists() {
        true => Ok(path),
        false => Err(format!("{} is missing; build it with `cargo build`", path.display())),
    }
}
