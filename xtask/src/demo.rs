//! `cargo xtask demo`: three nodes on this machine, to play with and to kill.

use crate::run::{self, Result, cargo};
use crate::web;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

const CLUSTER: &str = "localhost:8001,localhost:8002,localhost:8003";

/// Where the first node shows the cluster.
const PAGE: &str = "http://localhost:8001/";

/// How often to look whether a node has died or Ctrl-C was pressed.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// The terminal sends Ctrl-C to the nodes too; after this long those that have not heeded it are killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// What the nodes start from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Data {
    /// Nothing: each demo tells the same story.
    Fresh,
    /// What the demo before left.
    Kept,
}

pub(crate) fn run(data: Data) -> Result {
    ports_are_free()?;
    web::build()?;
    run::run(&mut cargo(["build", "--release", "--package", "raft-native", "--bins"]))?;

    let target = run::target_dir()?;
    let folder = target.join("demo");
    if data == Data::Fresh && folder.exists() {
        fs::remove_dir_all(&folder)
            .map_err(|error| format!("cannot empty {}: {error}", folder.display()))?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|error| format!("cannot catch Ctrl-C: {error}"))?;
    }
    let (sender, lines) = channel();
    let mut nodes = Vec::new();
    for id in 1..=CLUSTER.split(',').count() {
        nodes.push(Node::start(id, &target, &folder, &sender)?);
    }
    drop(sender);
    watch(&mut nodes, &lines, &stop, &target)
}

/// The address that somebody else listens on, if there is one, in a sentence.
fn ports_are_free() -> Result {
    for address in CLUSTER.split(',') {
        if let Err(error) = TcpListener::bind(address) {
            return Err(format!(
                "cannot use {address} ({error}); the demo needs ports 8001 to 8003: stop what listens there, \
                 perhaps another demo, and try again"
            ));
        }
    }
    Ok(())
}

/// Shows lines and deaths until told to stop.
fn watch(nodes: &mut [Node], lines: &Receiver<String>, stop: &AtomicBool, target: &Path) -> Result {
    let mut told = false;
    while !stop.load(Ordering::Relaxed) {
        if let Ok(line) = lines.recv_timeout(LOOK_INTERVAL) {
            println!("{line}");
            if !told && line.contains("[LEADER] Elected!") {
                told = true;
                tell(nodes, target);
                show();
            }
        }
        for node in nodes.iter_mut() {
            // Ctrl-C has come to the nodes as well, and their end is then no news.
            if !node.dead && node.has_exited() && !stop.load(Ordering::Relaxed) {
                node.report_death(lines);
            }
        }
        if nodes.iter().all(|node| node.dead) {
            return Err("no node is left; `cargo xtask demo --keep` starts them again".to_owned());
        }
    }
    println!("Stopping...");
    let patience = Instant::now() + STOP_TIMEOUT;
    while nodes.iter_mut().any(|node| !node.has_exited()) && Instant::now() < patience {
        thread::sleep(LOOK_INTERVAL);
    }
    // Dropping a node kills it, and it loses nothing by that.
    Ok(())
}

fn tell(nodes: &[Node], target: &Path) {
    let folder = target.join("demo");
    let cli = target.join("release/raft-cli");
    let cli = cli.display();
    println!();
    println!("The page:   {PAGE}  shows this cluster live (and 8002, 8003: every node serves it)");
    println!("Try:        {cli} set name \"Alice\"");
    println!("            {cli} get name");
    println!("            {cli} status");
    for (node, label) in nodes.iter().zip(["Kill one:", "", ""]) {
        println!("{label:<12}kill -9 {}    (node {})", node.child.id(), node.id);
    }
    println!(
        "Data:       {} (a new demo starts empty; `cargo xtask demo --keep` goes on with it)",
        folder.display()
    );
    println!("Ctrl-C stops all three.");
    println!();
}

/// Opens the page in the browser of whoever sits here, if somebody does: the address is printed anyway.
fn show() {
    let Some(browser) = browser(env::consts::OS, |name| env::var(name).ok()) else { return };
    let opened = Command::new(&browser)
        .arg(PAGE)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    // One that ends is waited for, so that none is left as a zombie; the demo does not wait.
    if let Ok(mut opened) = opened {
        thread::spawn(move || opened.wait());
    }
}

/// What opens an address here: what `BROWSER` names, or what the desktop has; an empty `BROWSER` is nothing.
fn browser(os: &str, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
    match (variable("BROWSER"), os) {
        // Several may be named, the best first.
        (Some(named), _) => {
            named.split(':').next().filter(|first| !first.is_empty()).map(str::to_owned)
        }
        (None, "macos") => Some("open".to_owned()),
        (None, _) => {
            (is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")).then(|| "xdg-open".to_owned())
        }
    }
}

struct Node {
    id: usize,
    child: Child,
    /// How to start it again.
    line: String,
    dead: bool,
}

impl Node {
    fn start(id: usize, target: &Path, folder: &Path, lines: &Sender<String>) -> Result<Self> {
        let data: PathBuf = folder.join(format!("node-{id}"));
        let mut command = Command::new(target.join("release/raft-kv"));
        command.args(["--id", &id.to_string(), "--cluster", CLUSTER, "--data-dir"]).arg(data);
        let line = run::line(&command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| run::not_started(&line, &error))?;
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|output| Box::new(output) as _),
            child.stderr.take().map(|output| Box::new(output) as _),
        ];
        for output in outputs.into_iter().flatten() {
            let lines = lines.clone();
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
                    if lines.send(format!("Node {id}: {line}")).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Self { id, child, line, dead: false })
    }

    fn has_exited(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Says that the node has died and how to start it again.
    fn report_death(&mut self, lines: &Receiver<String>) {
        self.dead = true;
        // Its last words first.
        thread::sleep(LOOK_INTERVAL);
        for line in lines.try_iter() {
            println!("{line}");
        }
        let how = self
            .child
            .try_wait()
            .ok()
            .flatten()
            .map_or_else(String::new, |status| format!(" ({status})"));
        println!("Node {} has ended{how}. To start it again, in another terminal:", self.id);
        println!("  {}", self.line);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::browser;

    #[test]
    fn browser_is_the_one_that_is_named_or_the_one_of_the_desktop() {
        let with = |os, set: &[(&str, &str)]| {
            let value = |name: &str| Some(set.iter().find(|(set, _)| *set == name)?.1.to_owned());
            browser(os, value).unwrap_or_else(|| "none".to_owned())
        };
        assert_eq!(with("linux", &[]), "none", "nobody looks at a machine without a display");
        assert_eq!(with("linux", &[("DISPLAY", ":0")]), "xdg-open");
        assert_eq!(with("linux", &[("WAYLAND_DISPLAY", "wayland-0")]), "xdg-open");
        assert_eq!(with("linux", &[("DISPLAY", ""), ("SHELL", "sh")]), "none");
        assert_eq!(with("macos", &[]), "open");
        assert_eq!(with("linux", &[("BROWSER", "firefox:lynx")]), "firefox");
        assert_eq!(with("macos", &[("BROWSER", "")]), "none");
    }
}
