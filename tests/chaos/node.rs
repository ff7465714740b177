//! One real node: its process, its volume, and what it prints.

use crate::machine::Machine;
use crate::random::Random;
use crate::volume::Volume;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
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

pub(crate) struct Node {
    pub(crate) id: usize,
    pub(crate) volume: Volume,
    pub(crate) process: Option<Child>,
    /// Something has been done to it of which a node may end.
    pub(crate) may_end: bool,
    pub(crate) is_without_power: bool,
    /// How to start it, but for how it finds its cluster.
    command: Vec<OsString>,
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
        let own = addresses[id - 1].clone();
        let others: Vec<String> = addresses.iter().filter(|at| **at != own).cloned().collect();
        Ok(Self {
            id,
            volume,
            process: None,
            may_end: false,
            is_without_power: false,
            command,
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
        let mut command = Command::new(&self.command[0]);
        let place = if self.is_newcomer { &self.joins[..] } else { &self.founds[..] };
        command.args(&self.command[1..]).args(place);
        command.stdin(Stdio::null()).stdout(output).stderr(copy);
        // Ctrl-C is for this program: it ends the run, and then the nodes.
        let process = command.process_group(0).spawn();
        self.process = Some(process.map_err(|error| format!("cannot start a node: {error}"))?);
        Ok(())
    }

    /// `kill -9`, and it is gone when this returns.
    pub(crate) fn kill(&mut self) {
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

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.as_mut().and_then(|process| process.try_wait().ok().flatten())
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

    /// Flips bits in what the node has on disk, but for the last it has written. It must not run.
    pub(crate) fn damage(&self, random: &mut Random) -> Result<(), String> {
        let mut files = Vec::new();
        let listed = fs::read_dir(self.data_dir()).map_err(|error| error.to_string())?;
        for entry in listed.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("segment-") || name.starts_with("snapshot-") {
                files.push(entry.path());
            }
        }
        files.sort();
        for _ in 0..=random.below(8) {
            let Some(path) = files.get(random.below(files.len() as u64) as usize) else { break };
            flip(path, random).map_err(|error| format!("{}: {error}", path.display()))?;
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

/// Flips one bit of what was written into a file.
fn flip(path: &Path, random: &mut Random) -> std::io::Result<()> {
    let bytes = fs::read(path)?;
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap_or_default() as u64;
    let place = random.below(written.saturating_sub(LOG_END_BYTES).max(1));
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
