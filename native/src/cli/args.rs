//! The command line of `raft-cli`.

use super::{bench, member, watch};
use crate::address::Addresses;
use crate::refusal::Refusal;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use raft_core::id::NodeId;
use std::ffi::OsString;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  raft-cli set name Alice
  raft-cli get name
  raft-cli set lock me --if-absent
  raft-cli list user/ --limit 10
  raft-cli --cluster db1:8001,db2:8001,db3:8001 status
  raft-cli member add db4:8001 --dry-run";

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  anything else; a change of the members that is refused, and why
  2  usage: unknown flag, bad value
  3  key not found
  4  condition failed
  5  no leader, no quorum or no node reachable: nothing was done
  6  outcome unknown: the request may or may not take effect
  7  denied
  8  over a limit or overloaded
  9  wrong cluster, node identity or version

With --json, an answer is one object per line on standard output, and an error is one object on
standard error with `code` and `message`. Bytes that are not UTF-8 show as {\"base16\": \"00ff\"}.";

const SET_EXAMPLES: &str = "\
Examples:
  raft-cli set name Alice
  raft-cli set lock me --if-absent
  raft-cli set counter 2 --if-value 1
  raft-cli set name Bob --if-revision 17
  raft-cli set offset -- --5          a value that begins with dashes";

const GET_EXAMPLES: &str = "\
Examples:
  raft-cli get name
  raft-cli --raw get picture > picture.png
  raft-cli --json get name            value and revisions";

const DELETE_EXAMPLES: &str = "\
Examples:
  raft-cli delete name";

const LIST_EXAMPLES: &str = "\
Examples:
  raft-cli list                       every key and its value, separated by a tab
  raft-cli list user/ --limit 10
  raft-cli list --keys-only | wc -l
Tabs, newlines, backslashes and bytes that are not UTF-8 show as \\t, \\n, \\r, \\\\ and \\xFF.
Every page is up to date when it is read; keys may change between one page and the next.";

const STATUS_EXAMPLES: &str = "\
Examples:
  raft-cli status
  raft-cli --json status";

const TRANSFER_EXAMPLES: &str = "\
Examples:
  raft-cli transfer                   to the node whose log is longest
  raft-cli transfer 2
Clients notice nothing: writes wait for the moment it takes.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  raft-cli completions bash > ~/.local/share/bash-completion/completions/raft-cli
  raft-cli completions zsh > ~/.zfunc/_raft-cli";

/// Where the flags that every command takes stand in the help.
const GLOBAL: &str = "Global options";

/// Reads and writes a raft-kv cluster.
#[derive(Debug, Parser)]
#[command(name = "raft-cli", version, propagate_version = true)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct Cli {
    /// The nodes, or some of them; the first that answers is used
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "HOST:PORT,...")]
    #[arg(env = "RAFT_CLUSTER", hide_env_values = true)]
    #[arg(default_value = "localhost:8001,localhost:8002,localhost:8003")]
    pub(super) cluster: Addresses,

    /// How long to try before giving up
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "SECS")]
    #[arg(default_value = "5", value_parser = seconds, allow_negative_numbers = true)]
    pub(super) timeout: Duration,

    /// Print answers and errors as JSON
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(super) json: bool,

    /// get: print the bytes of the value alone, without a newline
    #[arg(long, global = true, help_heading = GLOBAL, conflicts_with = "json")]
    pub(super) raw: bool,

    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Give a key a value
    #[command(after_help = SET_EXAMPLES)]
    Set {
        /// The key
        key: OsString,
        /// Its new value
        #[arg(allow_negative_numbers = true)]
        value: OsString,
        #[command(flatten)]
        condition: ConditionArgs,
    },
    /// Print the value of a key
    #[command(after_help = GET_EXAMPLES)]
    Get {
        /// The key
        key: OsString,
    },
    /// Remove a key; one that does not exist is no error
    #[command(after_help = DELETE_EXAMPLES)]
    Delete {
        /// The key
        key: OsString,
    },
    /// Print the keys that start with a prefix, in order, and their values
    #[command(after_help = LIST_EXAMPLES)]
    List {
        /// What the keys start with; all keys without it
        #[arg(default_value = "", hide_default_value = true)]
        prefix: OsString,
        /// Print at most this many
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
        /// Leave the values out
        #[arg(long)]
        keys_only: bool,
    },
    /// Print how the nodes are
    #[command(after_help = STATUS_EXAMPLES)]
    Status,
    /// Print the members, or change them
    #[command(subcommand, after_help = member::EXAMPLES)]
    Member(member::Command),
    /// Hand leadership over to another node
    #[command(after_help = TRANSFER_EXAMPLES)]
    Transfer {
        /// The node that is to lead; without it the one whose log is longest
        #[arg(value_parser = node_id)]
        id: Option<NodeId>,
    },
    /// Print what happens in the nodes while it happens, and why
    #[command(after_help = watch::EXAMPLES)]
    Watch {
        /// Also every few entries that are committed
        #[arg(long)]
        all: bool,
    },
    /// Measure how fast the cluster is
    #[command(after_help = bench::EXAMPLES)]
    Bench(bench::Bench),
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Args, Debug)]
#[group(multiple = false)]
pub(super) struct ConditionArgs {
    /// Only if the key does not exist
    #[arg(long)]
    pub(super) if_absent: bool,
    /// Only if the key has this value
    #[arg(long, value_name = "V", allow_hyphen_values = true)]
    pub(super) if_value: Option<OsString>,
    /// Only if the key was last modified at this revision
    #[arg(long, value_name = "R")]
    pub(super) if_revision: Option<u64>,
}

/// What a command line asks for.
#[derive(Debug)]
pub enum Asked {
    /// Carry out a command.
    Command(Box<Cli>),
    /// Print this: help or the version.
    Print(clap::Error),
}

/// Understands a command line, the program's name first. A refusal is one line, whatever clap makes of it.
pub fn parse(command_line: impl IntoIterator<Item = OsString>) -> Result<Asked, Refusal> {
    match Cli::try_parse_from(command_line) {
        Ok(cli) => Ok(Asked::Command(Box::new(cli))),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Ok(Asked::Print(error)),
            _ => Err(Refusal::usage(one_line(&error))),
        },
    }
}

/// What is wrong, and clap's tip if it has one.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let mut paragraphs = text.split("\n\n").map(str::trim);
    let what = paragraphs.next().unwrap_or_default().trim_start_matches("error: ");
    let what = what.split_whitespace().collect::<Vec<&str>>().join(" ");
    let tip = paragraphs.find_map(|paragraph| paragraph.strip_prefix("tip: "));
    match tip {
        _ if what.contains("; ") => what,
        Some(tip) => format!("{what}; {}", tip.lines().next().unwrap_or_default()),
        None => format!("{what}; see raft-cli --help"),
    }
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 =
        text.parse().map_err(|_| "give a number of seconds, such as 5 or 0.5".to_owned())?;
    match seconds {
        0.001..=86_400.0 => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("give a number of seconds from 0.001 to 86400".to_owned()),
    }
}

pub(super) fn node_id(text: &str) -> Result<NodeId, String> {
    match text.parse() {
        Ok(id) if id > 0 => Ok(NodeId(id)),
        _ => Err("give the number of a node, such as 2".to_owned()),
    }
}
