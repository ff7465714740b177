//! The flags of `raft-kv`.

use crate::address::Addresses;
use crate::refusal::Refusal;
use clap::Parser;
use clap::error::ErrorKind;
use raft_core::id::NodeId;
use std::ffi::OsString;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  A cluster of three on one machine, each in its own terminal:
    raft-kv --id 1 --cluster localhost:8001,localhost:8002,localhost:8003
    raft-kv --id 2 --cluster localhost:8001,localhost:8002,localhost:8003
    raft-kv --id 3 --cluster localhost:8001,localhost:8002,localhost:8003
  Then:
    raft-cli set name Alice
    http://localhost:8001/ is a page to watch Raft on: the same code, simulated

Exit codes:
  0  stopped by SIGINT or SIGTERM
  1  anything else: port in use, directory in use, damaged or unwritable, disk failed
  2  usage: unknown flag, bad value, id outside the list
  9  the data directory is of another node, cluster or version";

/// One node of a raft-kv cluster: a replicated key-value store.
#[derive(Clone, Debug, Parser)]
#[command(name = "raft-kv", version, after_help = EXAMPLES)]
pub struct Args {
    /// This node: its place in the list of addresses, from 1
    #[arg(long, value_name = "N")]
    id: u64,

    /// Every node of the cluster, the same list on each; the N-th address is the node's own
    #[arg(long, value_name = "HOST:PORT,...")]
    cluster: Addresses,

    /// Where the node keeps its log and snapshots [default: ./raft-data/node-N]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// What a command line asks for.
#[derive(Debug)]
pub enum Asked {
    /// Run a node.
    Node {
        /// Which.
        id: NodeId,
        /// Every node's address.
        addresses: Vec<String>,
        /// The data directory.
        data_dir: PathBuf,
    },
    /// Print this: help or the version.
    Print(clap::Error),
}

/// Understands a command line, the program's name first. A refusal is one line, whatever clap makes of it.
pub fn parse(command_line: impl IntoIterator<Item = OsString>) -> Result<Asked, Refusal> {
    let args = match Args::try_parse_from(command_line) {
        Ok(args) => args,
        Err(error)
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
        {
            return Ok(Asked::Print(error));
        }
        Err(error) => return Err(Refusal::usage(one_line(&error))),
    };
    let Addresses(addresses) = args.cluster;
    if args.id == 0 || args.id > addresses.len() as u64 {
        let (id, nodes) = (args.id, addresses.len());
        return Err(Refusal::usage(format!(
            "--id {id} is outside the list of {nodes} addresses; give a number from 1 to {nodes}"
        )));
    }
    let data_dir = args.data_dir.unwrap_or_else(|| format!("raft-data/node-{}", args.id).into());
    Ok(Asked::Node { id: NodeId(args.id), addresses, data_dir })
}

/// Clap's first paragraph without its `error: `, and where to find the rest.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = paragraph.split_whitespace().collect();
    let line = words.join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    match line.contains("; ") {
        true => line.to_owned(),
        false => format!("{line}; see raft-kv --help"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::EXIT_USAGE;

    const THREE: &str = "localhost:8001,localhost:8002,localhost:8003";

    fn parse_words(words: &[&str]) -> Result<Asked, Refusal> {
        parse(std::iter::once("raft-kv").chain(words.iter().copied()).map(OsString::from))
    }

    #[test]
    fn the_data_directory_has_the_node_s_number_unless_it_is_given() {
        for (words, expected) in [
            (vec!["--id", "2", "--cluster", THREE], "raft-data/node-2"),
            (vec!["--id", "2", "--cluster", THREE, "--data-dir", "/x"], "/x"),
        ] {
            let Ok(Asked::Node { id, addresses, data_dir }) = parse_words(&words) else { panic!() };
            assert_eq!((id, addresses.len()), (NodeId(2), 3));
            assert_eq!(data_dir, PathBuf::from(expected));
        }
    }

    #[test]
    fn every_bad_command_line_is_one_line_and_the_usage_exit_code() {
        for words in [
            vec![],
            vec!["--id", "1"],
            vec!["--cluster", THREE],
            vec!["--id", "0", "--cluster", THREE],
            vec!["--id", "4", "--cluster", THREE],
            vec!["--id", "x", "--cluster", THREE],
            vec!["--id", "1", "--cluster", "localhost"],
            vec!["--id", "1", "--cluster", "a:1,a:1"],
            vec!["--id", "1", "--cluster", THREE, "--verbose"],
        ] {
            let refusal = parse_words(&words).unwrap_err();
            assert_eq!(refusal.exit, EXIT_USAGE, "{words:?}");
            assert!(!refusal.sentence.contains('\n'), "{refusal}");
            assert!(refusal.sentence.contains("; "), "{refusal}");
            assert!(!refusal.sentence.starts_with("error"), "{refusal}");
        }
    }

    #[test]
    fn help_and_version_are_printed_and_nothing_runs() {
        let Ok(Asked::Print(help)) = parse_words(&["--help"]) else { panic!() };
        assert!(help.to_string().contains("Examples:"));
        let Ok(Asked::Print(version)) = parse_words(&["--version"]) else { panic!() };
        assert!(version.to_string().starts_with("raft-kv "));
    }
}
