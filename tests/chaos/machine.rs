//! What this machine lets a test do. The run moves into namespaces of its own, so that names, links,
//! mounts and processes are gone with it, and then tries each thing out before it relies on it.

use crate::volume::{Kind, Volume};
use std::fmt::Write as _;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs};

/// Set for the process inside.
const ISOLATED: &str = "RAFT_CHAOS_ISOLATED";

/// How long a tracer is watched before it is said to work.
const TRACER_LOOK: Duration = Duration::from_millis(300);

/// What can be done here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// Each node can be shown other addresses for the same names, and so be led through the proxies.
    pub(crate) has_links: bool,
    /// Each node can have a clock that shows another time than the others'.
    pub(crate) has_clocks: bool,
    /// The best kind of volume for a data directory.
    pub(crate) volumes: Kind,
    /// System calls of a running node can be made to fail and to wait.
    pub(crate) can_trace: bool,
}

/// Starts this program again in its own network, mounts and processes, and does not return if it can.
/// Returns inside, or where that is not allowed.
pub(crate) fn isolate() {
    if env::var_os(ISOLATED).is_some() {
        return;
    }
    let flags = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
    for identity in [&[][..], &["--user", "--map-root-user"]] {
        let unshare = || {
            let mut command = Command::new("unshare");
            command.args(identity).args(flags);
            command
        };
        if succeeds(unshare().arg("true"))
            && let Ok(this) = env::current_exe()
        {
            let error =
                unshare().arg(this).args(env::args_os().skip(1)).env(ISOLATED, "yes").exec();
            eprintln!("cannot run in namespaces ({error})");
        }
    }
}

impl Machine {
    /// Tries everything out in `dir`, and says in lines what works.
    pub(crate) fn probe(dir: &Path) -> (Self, String) {
        let mut lines = String::new();
        let mut tell = |what: &str, result: &Result<(), String>| {
            let _ = match result {
                Ok(()) => writeln!(lines, "  yes  {what}"),
                Err(why) => writeln!(lines, "  no   {what}: {why}"),
            };
            result.is_ok()
        };
        tell("kill -9, SIGSTOP and SIGCONT", &Ok(()));
        let has_links = tell("a faulty proxy on every link", &isolate_names(dir));
        let clocks = match has_links {
            true => try_clock(),
            false => Err("needs namespaces of its own".to_owned()),
        };
        let has_clocks = tell("a clock of its own for every start of a node", &clocks);
        let image = match has_links {
            true => try_power_cut(dir),
            false => Err("needs namespaces of its own".to_owned()),
        };
        let has_images = tell("power cuts (ext4 on a loop image)", &image);
        let tmpfs = match has_links {
            true => try_full_disk(dir),
            false => Err("needs namespaces of its own".to_owned()),
        };
        let has_tmpfs = tell("full disks", &tmpfs);
        let can_trace = tell("failing and slow syncs (strace)", &try_tracer());
        let volumes = match (has_images, has_tmpfs) {
            (true, _) => Kind::Image,
            (false, true) => Kind::Memory,
            (false, false) => Kind::Folder,
        };
        let wall = "there is one for the whole machine; no node looks at it";
        tell("jumps of the wall clock", &Err(wall.to_owned()));
        (Self { has_links, has_clocks, volumes, can_trace }, lines)
    }
}

/// Makes mounts of this process known to those it starts, and its own names for the nodes.
fn isolate_names(dir: &Path) -> Result<(), String> {
    if env::var_os(ISOLATED).is_none() {
        return Err("needs root, or user namespaces, and unshare(1)".to_owned());
    }
    // A volume that is unmounted here must not live on in the namespace of another node.
    run(Command::new("mount").args(["--make-rshared", "/"]))?;
    run(Command::new("ip").args(["link", "set", "lo", "up"]))?;
    let hosts = dir.join("hosts");
    fs::write(&hosts, "127.0.0.1 localhost\n").map_err(|error| error.to_string())?;
    run(Command::new("mount").arg("--bind").arg(&hosts).arg("/etc/hosts"))?;
    run(Command::new("umount").arg("/etc/hosts"))
}

/// What was synced survives a power cut, and what was not does not.
fn try_power_cut(dir: &Path) -> Result<(), String> {
    let volume = Volume::create(dir, "probe", Kind::Image)?;
    let (kept, lost) = (volume.path().join("kept"), volume.path().join("lost"));
    let synced = || {
        fs::write(&kept, "kept")?;
        fs::File::open(&kept)?.sync_all()?;
        fs::File::open(volume.path())?.sync_all()?;
        fs::write(&lost, "lost")
    };
    synced().map_err(|error| error.to_string())?;
    volume.cut_power()?;
    volume.power_up()?;
    let survived = fs::read(&kept).is_ok_and(|bytes| bytes == b"kept");
    let vanished = fs::read(&lost).is_ok_and(|bytes| bytes.is_empty()) || !lost.exists();
    volume.remove();
    match (survived, vanished) {
        (true, true) => Ok(()),
        (false, _) => Err("a synced file did not survive".to_owned()),
        (_, false) => Err("an unsynced file survived".to_owned()),
    }
}

fn try_clock() -> Result<(), String> {
    const SECONDS: u64 = 1_000_000_000;
    let words = at_time(SECONDS);
    let shown = Command::new(&words[0]).args(&words[1..]).args(["cat", "/proc/uptime"]).output();
    let shown = String::from_utf8(shown.map_err(|error| error.to_string())?.stdout);
    let seconds = shown.ok().and_then(|text| text.split('.').next()?.parse::<u64>().ok());
    match seconds.is_some_and(|seconds| seconds >= SECONDS) {
        true => Ok(()),
        false => Err("needs a kernel that changes clocks at exec, and time namespaces".to_owned()),
    }
}

/// Words before a command: it is shown a clock that is so many seconds ahead of the machine's.
pub(crate) fn at_time(seconds: u64) -> [String; 6] {
    let seconds = seconds.to_string();
    ["unshare", "--time", "--boottime", &seconds, "--monotonic", &seconds].map(str::to_owned)
}

fn try_full_disk(dir: &Path) -> Result<(), String> {
    let volume = Volume::create(dir, "probe", Kind::Memory)?;
    let full = volume.fill(0);
    let refused = fs::write(volume.path().join("more"), [1; 8 << 10]).is_err();
    volume.remove();
    match full.map(|()| refused)? {
        true => Ok(()),
        false => Err("a full volume takes more".to_owned()),
    }
}

fn try_tracer() -> Result<(), String> {
    let sleeping = Command::new("sleep").arg("10").spawn();
    let mut sleeping = sleeping.map_err(|error| error.to_string())?;
    let tracer = tracer(sleeping.id(), "fdatasync:error=EIO").spawn();
    let works = tracer.map_err(|error| format!("strace: {error}")).and_then(|mut tracer| {
        std::thread::sleep(TRACER_LOOK);
        let ended = tracer.try_wait().ok().flatten();
        let _ = tracer.kill();
        let _ = tracer.wait();
        ended.map_or(Ok(()), |status| Err(format!("strace cannot attach ({status})")))
    });
    let _ = sleeping.kill();
    let _ = sleeping.wait();
    works
}

/// The command that tampers with system calls of a process, as strace's `inject` says.
pub(crate) fn tracer(pid: u32, inject: &str) -> Command {
    let calls = inject.split(':').next().unwrap_or_default();
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
    command.args(["-e", &format!("inject={inject}"), "-p", &pid.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs a command to its end; an error is what it said.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{name}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("{name}: {}", said.lines().next().unwrap_or("failed")))
        }
    }
}

fn succeeds(command: &mut Command) -> bool {
    run(command).is_ok()
}
