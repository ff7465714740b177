//! Rules of the house that neither the compiler nor the lints can keep. Each test is one of them.

use std::fs;
use std::path::{Path, PathBuf};

/// Longer files want to be two.
const LINES_MAX: usize = 500;

/// Kinds of files with code in them.
const CODE: [&str; 4] = ["rs", "js", "css", "html"];

/// Kinds of files that people write.
const TEXT: [&str; 9] = ["rs", "js", "css", "html", "toml", "md", "json", "yml", "script"];

/// Folders that are built or belong to a tool.
const NOT_OURS: [&str; 6] = [".git", "target", "raft-data", "dist", "pkg", "node_modules"];

#[test]
fn consensus_knows_nothing_of_the_store_the_drivers_and_the_formats() {
    let named = code_lines("core/src/raft", |line| {
        ["kv", "replica", "request", "wire", "wal"].iter().any(|module| names(line, module))
    });
    none(&named, "core::raft carries opaque bytes; only core::replica joins it to the rest");
}

#[test]
fn the_store_knows_nothing_of_consensus_and_of_who_asks() {
    let named = code_lines("core/src/kv", |line| {
        ["raft", "replica", "request", "wire", "wal"].iter().any(|module| names(line, module))
    });
    none(&named, "core::kv is a state machine: it is handed committed commands");
}

#[test]
fn packages_depend_on_each_other_in_one_direction() {
    let allowed: [(&str, &[&str]); 8] = [
        ("bench", &["raft-core", "raft-native"]),
        ("bench/core", &["raft-core"]),
        ("core", &[]),
        ("sim", &["raft-core"]),
        ("native", &["raft-core"]),
        ("web", &["raft-core", "raft-sim"]),
        ("tests", &["raft-core", "raft-sim", "raft-native"]),
        ("xtask", &[]),
    ];
    let ours = [
        "raft-bench",
        "raft-core",
        "raft-core-bench",
        "raft-sim",
        "raft-native",
        "raft-web",
        "raft-tests",
        "xtask",
    ];
    for (package, allowed) in allowed {
        let manifest = read(&root().join(package).join("Cargo.toml"));
        for line in manifest.lines() {
            let key = line.split(['.', '=', ' ']).next().unwrap_or(line);
            assert!(
                !ours.contains(&key) || allowed.contains(&key),
                "{package} must not depend on {key}; it may on {allowed:?}"
            );
        }
    }
}

#[test]
fn only_the_disk_modules_of_a_node_touch_files() {
    let touching =
        code_lines("native/src", |line| line.contains("std::fs") || line.contains("tokio::fs"));
    let touching = outside(touching, &["disk.rs", "disk/", "datadir.rs", "datadir/"]);
    none(&touching, "what a node has on disk goes through its disk thread or its data directory");
}

#[test]
fn only_the_network_modules_of_a_node_touch_sockets() {
    let sockets = ["TcpStream", "TcpListener", "UdpSocket", "UnixStream", "UnixListener"];
    let touching =
        code_lines("native/src", |line| sockets.iter().any(|socket| line.contains(socket)));
    let network =
        ["listener.rs", "clients.rs", "peers.rs", "peers/", "http.rs", "socket.rs", "client.rs"];
    none(&outside(touching, &network), "bounds and deadlines of connections are kept in one place");
}

#[test]
fn only_the_loop_of_a_node_owns_the_replica() {
    let naming = code_lines("native/src", |line| words(line).any(|word| word == "Replica"));
    none(
        &outside(naming, &["node.rs", "server.rs"]),
        "send it an input: node makes it, server owns it",
    );
}

#[test]
fn every_golden_script_begins_with_a_sentence() {
    for script in files(&["script"]) {
        let text = read(&script);
        let opening: Vec<_> = text.lines().map_while(|line| line.strip_prefix("# ")).collect();
        assert!(
            opening.last().is_some_and(|line| line.ends_with('.')),
            "{} must begin with a comment that says its claim",
            shown(&script)
        );
    }
}

#[test]
fn no_file_of_code_is_longer_than_a_reader_can_hold() {
    let long: Vec<_> = files(&CODE)
        .into_iter()
        .map(|path| (read(&path).lines().count(), path))
        .filter(|(count, _)| *count > LINES_MAX)
        .map(|(count, path)| format!("{}: {count} lines", shown(&path)))
        .collect();
    none(&long, "find the two things in it and give each a file");
}

#[test]
fn nothing_is_left_to_be_done_later() {
    // In two halves, so that this file does not find itself.
    let words =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("db", "g!(")];
    let found = find(&TEXT, |line| words.iter().any(|word| line.contains(word)));
    none(&found, "do it, or say in plain words what is not done");
}

#[test]
fn no_line_ends_in_blanks() {
    let found = find(&TEXT, |line| line.ends_with([' ', '\t', '\r']));
    none(&found, "remove them");
}

#[test]
fn no_text_speaks_of_one_persons_machine() {
    let places = [
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("../sha", "red"),
    ];
    let found = find(&TEXT, |line| places.iter().any(|place| line.contains(place)));
    none(&found, "name things inside the repository");
}

#[test]
fn a_module_is_named_by_its_path_or_in_a_group() {
    assert!(names("use crate::kv::command;", "kv"));
    assert!(names("    crate::wal::Write { .. }", "wal"));
    assert!(names("use crate::{id, wire};", "wire"));
    assert!(!names("use crate::walrus;", "wal"));
    assert!(!names("let wal = crate::raft::log;", "wal"));
}

/// Whether a line of code names a module at the root of its crate.
fn names(line: &str, module: &str) -> bool {
    let grouped = line.contains("crate::{") && words(line).any(|word| word == module);
    grouped
        || ["crate", "super::super"].iter().any(|from| {
            line.split(&format!("{from}::{module}"))
                .skip(1)
                .any(|rest| !rest.starts_with(is_in_word))
        })
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c| !is_in_word(c))
}

fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The lines of code below `folder`, and in the file beside it, that are `wanted`; comments do not count.
fn code_lines(folder: &str, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let beside = format!("{folder}.rs");
    let inside = format!("{folder}/");
    find(&["rs"], |line| !line.trim_start().starts_with("//") && wanted(line))
        .into_iter()
        .filter(|found| found.starts_with(&inside) || found.starts_with(&beside))
        .collect()
}

/// Those that are in none of these files and folders of native/src.
fn outside(mut found: Vec<String>, places: &[&str]) -> Vec<String> {
    found.retain(|line| {
        !places.iter().any(|place| line.starts_with(&format!("native/src/{place}")))
    });
    found
}

/// Every wanted line of the files of these kinds, as `path:number: line`.
fn find(kinds: &[&str], wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for path in files(kinds) {
        for (number, line) in (1..).zip(read(&path).split('\n')) {
            if wanted(line) {
                found.push(format!("{}:{number}: {}", shown(&path), line.trim()));
            }
        }
    }
    found
}

fn none(found: &[String], advice: &str) {
    assert!(found.is_empty(), "{advice}:\n{}", found.join("\n"));
}

fn files(kinds: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder can be listed") {
            let path = entry.expect("a folder can be listed").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !NOT_OURS.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|kind| kinds.iter().any(|k| kind == *k)) {
                found.push(path);
            }
        }
    }
    assert!(
        !found.is_empty(),
        "there are no files of the kinds {kinds:?}: the test looks in the wrong place"
    );
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", shown(path)))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package is in the workspace")
        .to_owned()
}
