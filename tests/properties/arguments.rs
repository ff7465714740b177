//! Command lines of `raft-kv` and `raft-cli`: understood, or refused in one line that says what to do.

use crate::edit::edit;
use crate::tape::Tape;
use raft_native::args::{self, Place};
use raft_native::cli;
use raft_native::refusal::{EXIT_USAGE, Refusal};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

/// What both have.
const WORDS: [&str; 20] = [
    "--cluster",
    "--help",
    "--version",
    "-h",
    "--",
    "--cluster=a:1,b:2",
    "0",
    "1",
    "2",
    "50",
    "0.5",
    "18446744073709551615",
    "-1",
    "localhost:8001",
    "a:1,b:2,c:3",
    "[::1]:8001",
    "a:1,a:1",
    "",
    "; ",
    "\n\n",
];

const OF_A_NODE: [&str; 6] =
    ["--id", "--id=1", "--join", "--listen", "--data-dir", "--lease-reads"];

const OF_A_CLIENT: [&str; 30] = [
    "set",
    "get",
    "delete",
    "list",
    "status",
    "member",
    "transfer",
    "completions",
    "help",
    "add",
    "promote",
    "remove",
    "replace",
    "--dry-run",
    "--learner",
    "--if-absent",
    "--if-value",
    "--if-value=v",
    "--if-revision",
    "--if-revision=7",
    "--limit",
    "--limit=3",
    "--keys-only",
    "--timeout",
    "--timeout=5",
    "--json",
    "--raw",
    "bash",
    "key",
    "value",
];

/// Parses a command line of known words, some of them changed.
pub(crate) fn check(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    match tape.below(2) {
        0 => node(&line("raft-kv", &OF_A_NODE, &mut tape)),
        _ => client(&line("raft-cli", &OF_A_CLIENT, &mut tape)),
    }
}

fn line(program: &str, own: &[&str], tape: &mut Tape) -> Vec<OsString> {
    let words = [own, &WORDS].concat();
    let mut line = vec![OsString::from(program)];
    while !tape.is_empty() && line.len() < 16 {
        let mut word = tape.pick(&words).as_bytes().to_vec();
        for _ in 0..tape.below(8).saturating_sub(4) {
            edit(&mut word, tape);
        }
        line.push(OsString::from_vec(word));
    }
    line
}

fn node(line: &[OsString]) {
    match args::parse(line.to_vec()) {
        Ok(args::Asked::Node(orders)) => {
            assert!(orders.id.0 > 0, "{line:?}");
            if let Place::Founder(addresses) = orders.place {
                assert_eq!(
                    addresses.get(orders.id.0 as usize - 1),
                    Some(&orders.address),
                    "{line:?}"
                );
            }
        }
        Ok(args::Asked::Print(text)) => assert!(!text.to_string().is_empty(), "{line:?}"),
        Err(refusal) => assert_says_what_to_do(&refusal, line),
    }
}

fn client(line: &[OsString]) {
    match cli::args::parse(line.to_vec()) {
        Ok(cli::args::Asked::Command(_)) => {}
        Ok(cli::args::Asked::Print(text)) => assert!(!text.to_string().is_empty(), "{line:?}"),
        Err(refusal) => assert_says_what_to_do(&refusal, line),
    }
}

fn assert_says_what_to_do(Refusal { exit, sentence }: &Refusal, line: &[OsString]) {
    assert_eq!(*exit, EXIT_USAGE, "{line:?}: {sentence}");
    assert!(!sentence.contains('\n') && sentence.contains("; "), "{line:?}: {sentence}");
}
