//! Command lines of `raft-kv`: understood, or refused in one line that says what to do.

use crate::edit::edit;
use crate::tape::Tape;
use raft_native::args::{Asked, Place, parse};
use raft_native::refusal::EXIT_USAGE;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

const WORDS: [&str; 24] = [
    "--id",
    "--cluster",
    "--join",
    "--listen",
    "--data-dir",
    "--lease-reads",
    "--help",
    "--version",
    "-h",
    "--",
    "--id=1",
    "--cluster=a:1,b:2",
    "0",
    "1",
    "2",
    "50",
    "18446744073709551615",
    "-1",
    "localhost:8001",
    "a:1,b:2,c:3",
    "[::1]:8001",
    "a:1,a:1",
    "",
    "; ",
];

/// Parses a command line of known words, some of them changed.
pub(crate) fn check(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let mut line = vec![OsString::from("raft-kv")];
    while !tape.is_empty() && line.len() < 16 {
        let mut word = tape.pick(&WORDS).as_bytes().to_vec();
        for _ in 0..tape.below(8).saturating_sub(4) {
            edit(&mut word, &mut tape);
        }
        line.push(OsString::from_vec(word));
    }
    match parse(line.clone()) {
        Ok(Asked::Node(orders)) => {
            assert!(orders.id.0 > 0, "{line:?}");
            if let Place::Founder(addresses) = orders.place {
                assert_eq!(
                    addresses.get(orders.id.0 as usize - 1),
                    Some(&orders.address),
                    "{line:?}"
                );
            }
        }
        Ok(Asked::Print(text)) => assert!(!text.to_string().is_empty(), "{line:?}"),
        Err(refusal) => {
            let sentence = &refusal.sentence;
            assert_eq!(refusal.exit, EXIT_USAGE, "{line:?}: {sentence}");
            assert!(!sentence.contains('\n') && sentence.contains("; "), "{line:?}: {sentence}");
        }
    }
}
