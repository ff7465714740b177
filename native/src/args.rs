//! The flags of `raft-kv`.

use crate::address::{Address, Addresses};
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
    http://localhost:8001/ shows the cluster live, and simulated ones to break
  A fourth node, which waits until it is added, and the command that adds it:
    raft-kv --id 4 --join localhost:8001 --listen localhost:8004
    raft-cli member add localhost:8004

A node is started again with the same flags. If its data directory is lost or damaged it comes back
empty, and the others fill it again before it votes.

Exit codes:
  0  stopped by SIGINT or SIGTERM; a leader hands over before it ends
  1  anything else: port in use, directory in use, damaged for good or unwritable, disk failed
  2  usage: unknown flag, bad value, id outside the list
  9  the data directory is of another node, cluster or version, or another node has the same id";

/// One node of a raft-kv cluster: a replicated key-value store.
#[derive(Clone, Debug, Parser)]
#[command(name = "raft-kv", version, after_help = EXAMPLES)]
struct Args {
    /// This node: its place in the list of addresses, from 1; with --join a number that is not taken
    #[arg(long, value_name = "N")]
    id: u64,

    /// Every node the cluster is founded with, the same list on each; the N-th address is the node's own
    #[arg(long, value_name = "HOST:PORT,...")]
    #[arg(required_unless_present = "join", conflicts_with_all = ["join", "listen"])]
    cluster: Option<Addresses>,

    /// Instead of --cluster: some nodes of a cluster that runs. This one waits to be added to it
    #[arg(long, value_name = "HOST:PORT,...", requires = "listen")]
    join: Option<Addresses>,

    /// With --join: the node's own address, at which the others reach it
    #[arg(long, value_name = "HOST:PORT", requires = "join")]
    listen: Option<Address>,

    /// Where the node keeps its log and snapshots [default: ./raft-data/node-N]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// A leader answers reads without asking the others, for as long as they cannot have elected
    /// another. Safe only while no node's clock is faster or slower than true time by more than
    /// PERCENT (1 to 50; suspended time counts), and only if all nodes are started with the same
    /// PERCENT. Without the flag no clock is trusted
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(1..=50))]
    lease_reads: Option<u32>,
}

/// What a command line asks for.
#[derive(Debug)]
pub enum Asked {
    /// Run a node.
    Node(Orders),
    /// Print this: help or the version.
    Print(clap::Error),
}

/// Which node to run, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orders {
    /// The node.
    pub id: NodeId,
    /// Its own address.
    pub address: String,
    /// How it finds its cluster.
    pub place: Place,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The bound on the drift of clocks under which a leader's lease is trusted, if it is.
    pub lease_drift_percent: Option<u32>,
}

/// How a node finds its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is one of those with which the cluster is founded, at these addresses.
    Founder(Vec<String>),
    /// It asks at these addresses.
    Joins(Vec<String>),
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
    let Args { id, cluster, join, listen, data_dir, lease_reads } = args;
    let (place, address) = match (cluster, join, listen) {
        (Some(Addresses(addresses)), ..) => {
            let nodes = addresses.len();
            let Some(own) = id.checked_sub(1).and_then(|place| addresses.get(place as usize))
            else {
                return Err(Refusal::usage(format!(
                    "--id {id} is outside the list of {nodes} addresses; give a number from 1 to {nodes}"
                )));
            };
            let own = own.clone();
            (Place::Founder(addresses), own)
        }
        (None, Some(Addresses(join)), Some(Address(own))) if id > 0 => (Place::Joins(join), own),
        _ => return Err(Refusal::usage("--id 0 is no node; give a number from 1 on".to_owned())),
    };
    let data_dir = data_dir.unwrap_or_else(|| format!("raft-data/node-{id}").into());
    let lease_drift_percent = lease_reads;
    Ok(Asked::Node(Orders { id: NodeId(id), address, place, data_dir, lease_drift_percent }))
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
    const ONE: &str = "localhost:8001";

    fn parse_words(words: &[&str]) -> Result<Asked, Refusal> {
        parse(std::iter::once("raft-kv").chain(words.iter().copied()).map(OsString::from))
    }

    fn orders(words: &[&str]) -> Orders {
        let Ok(Asked::Node(orders)) = parse_words(words) else { panic!("{words:?}") };
        orders
    }

    #[test]
    fn the_data_directory_has_the_node_s_number_unless_it_is_given() {
        for (words, expected) in [
            (vec!["--id", "2", "--cluster", THREE], "raft-data/node-2"),
            (vec!["--id", "2", "--cluster", THREE, "--data-dir", "/x"], "/x"),
            (vec!["--id", "2", "--join", ONE, "--listen", "localhost:8002"], "raft-data/node-2"),
        ] {
            let orders = orders(&words);
            assert_eq!((orders.id, orders.data_dir), (NodeId(2), PathBuf::from(expected)));
            assert_eq!(orders.address, "localhost:8002");
        }
    }

    #[test]
    fn clocks_are_trusted_only_if_that_is_asked_for() {
        assert_eq!(orders(&["--id", "1", "--cluster", ONE]).lease_drift_percent, None);
        let asked = orders(&["--id", "1", "--cluster", ONE, "--lease-reads", "5"]);
        assert_eq!(asked.lease_drift_percent, Some(5));
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
            vec!["--id", "4", "--join", ONE],
            vec!["--id", "4", "--listen", ONE],
            vec!["--id", "0", "--join", ONE, "--listen", "localhost:8004"],
            vec!["--id", "4", "--join", ONE, "--listen", "localhost"],
            vec!["--id", "1", "--cluster", THREE, "--listen", ONE],
            vec!["--id", "1", "--cluster", THREE, "--join", ONE],
            vec!["--id", "1", "--cluster", THREE, "--lease-reads", "0"],
            vec!["--id", "1", "--cluster", THREE, "--lease-reads", "51"],
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
