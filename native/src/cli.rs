//! `raft-cli`: what a person types and a script relies on. Answers go to standard output, all else to
//! standard error, and the exit code says which kind of failure it was.

mod bench;
mod member;
mod output;
mod status;

use crate::address::Addresses;
use crate::client::{Client, Failure};
use bytes::Bytes;
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use output::Output;
use raft_core::error::Error;
use raft_core::id::{Index, NodeId};
use raft_core::kv::command::{Condition, Read, Write};
use raft_core::request::{Consistency, Reply, Request};
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

/// Keys asked for at once when listing; a node may send fewer.
const PAGE_KEYS: u32 = 1_000;

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
struct Cli {
    /// The nodes, or some of them; the first that answers is used
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "HOST:PORT,...")]
    #[arg(env = "RAFT_CLUSTER", hide_env_values = true)]
    #[arg(default_value = "localhost:8001,localhost:8002,localhost:8003")]
    cluster: Addresses,

    /// How long to try before giving up
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "SECS")]
    #[arg(default_value = "5", value_parser = seconds, allow_negative_numbers = true)]
    timeout: Duration,

    /// Print answers and errors as JSON
    #[arg(long, global = true, help_heading = GLOBAL)]
    json: bool,

    /// get: print the bytes of the value alone, without a newline
    #[arg(long, global = true, help_heading = GLOBAL, conflicts_with = "json")]
    raw: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
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
struct ConditionArgs {
    /// Only if the key does not exist
    #[arg(long)]
    if_absent: bool,
    /// Only if the key has this value
    #[arg(long, value_name = "V", allow_hyphen_values = true)]
    if_value: Option<OsString>,
    /// Only if the key was last modified at this revision
    #[arg(long, value_name = "R")]
    if_revision: Option<u64>,
}

/// Why a command ended without its answer.
enum Stop {
    Failed(Failure),
    /// Standard output takes no more.
    Output(io::Error),
    /// Something else: its code, what happened and what to do, and the exit code.
    Other(&'static str, String, u8),
}

/// Runs `raft-cli` with the arguments of the process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let output = Output { json: cli.json, raw: cli.raw };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            return output.error("io", &format!("cannot start ({error}); free some resources"), 1);
        }
    };
    let result = runtime.block_on(run(cli, &output));
    // A look-up of a host name that hangs must not outlast the timeout.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has read enough, as in `raft-cli list | head`.
        Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Stop::Output(error)) => output.error(
            "io",
            &format!("cannot print the answer ({error}); look where it goes to"),
            1,
        ),
        Err(Stop::Failed(failure)) => output.failure(&failure),
        Err(Stop::Other(code, message, exit)) => output.error(code, &message, exit),
    }
}

/// Prints help, the version, or what is wrong with the arguments, in one line.
fn usage(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::{
        DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion,
    };
    match error.kind() {
        DisplayHelp | DisplayVersion | DisplayHelpOnMissingArgumentOrSubcommand => {
            // Help that nobody reads to its end has done its duty.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { 2 } else { 0 })
        }
        _ => {
            let text = error.to_string();
            let mut paragraphs = text.split("\n\n").map(str::trim);
            let what = paragraphs.next().unwrap_or_default().trim_start_matches("error: ");
            let what = what.split_whitespace().collect::<Vec<&str>>().join(" ");
            let tip = paragraphs.find_map(|paragraph| paragraph.strip_prefix("tip: "));
            let message = match tip {
                _ if what.contains("; ") => what,
                Some(tip) => format!("{what}; {}", tip.lines().next().unwrap_or_default()),
                None => format!("{what}; see raft-cli --help"),
            };
            let json = std::env::args_os().any(|argument| argument == "--json");
            Output { json, raw: false }.error("invalid", &message, 2)
        }
    }
}

async fn run(cli: Cli, output: &Output) -> Result<(), Stop> {
    let mut client = Client::new(cli.cluster.0.clone(), cli.timeout);
    match cli.command {
        Command::Set { key, value, condition } => {
            let condition = condition.into_condition()?;
            write(
                &mut client,
                Write::Set { key: bytes(key)?, value: bytes(value)?, condition },
                output,
            )
            .await
        }
        Command::Get { key } => match client.request(read(Read::Get { key: bytes(key)? })).await? {
            Reply::Item(item) => Ok(output.item(&item, client.answered_by())?),
            reply => Err(unexpected(&reply)),
        },
        Command::Delete { key } => {
            let condition = Condition::Any;
            write(&mut client, Write::Delete { key: bytes(key)?, condition }, output).await
        }
        Command::List { prefix, limit, keys_only } => {
            list(&mut client, bytes(prefix)?, limit.unwrap_or(u64::MAX), keys_only, output).await
        }
        Command::Status => status::run(&cli.cluster.0, cli.timeout, output).await,
        Command::Member(command) => {
            member::run(command, &cli.cluster.0, &mut client, cli.timeout, output).await
        }
        Command::Transfer { id } => member::transfer(id, &mut client, output).await,
        Command::Bench(load) => bench::run(load, &cli.cluster.0, cli.timeout, output).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "raft-cli", &mut script);
            Ok(output::print(|out| out.write_all(&script))?)
        }
    }
}

async fn write(client: &mut Client, write: Write, output: &Output) -> Result<(), Stop> {
    let is_delete = matches!(write, Write::Delete { .. });
    match client.request(Request::Write { session: None, write, count_copies: true }).await? {
        Reply::Written { revision, existed, copies } => {
            Ok(output.written(revision, existed, copies, is_delete)?)
        }
        reply => Err(unexpected(&reply)),
    }
}

async fn list(
    client: &mut Client,
    prefix: Bytes,
    limit: u64,
    keys_only: bool,
    output: &Output,
) -> Result<(), Stop> {
    let (mut after, mut left) = (None, limit);
    loop {
        let limit = left.min(PAGE_KEYS.into()) as u32;
        let page = Read::List { prefix: prefix.clone(), after, limit, keys_only };
        match client.request(read(page)).await? {
            Reply::Page { items, next } => {
                output.page(&items)?;
                left = left.saturating_sub(items.len() as u64);
                after = next;
            }
            reply => return Err(unexpected(&reply)),
        }
        if after.is_none() || left == 0 {
            return Ok(());
        }
    }
}

fn read(read: Read) -> Request {
    Request::Read { read, consistency: Consistency::Linearizable }
}

fn unexpected(reply: &Reply) -> Stop {
    let reason = format!("the node answered another question ({reply:?}); upgrade the older side");
    Stop::Failed(Failure::Refused(Error::Invalid { reason }))
}

impl ConditionArgs {
    fn into_condition(self) -> Result<Condition, Stop> {
        Ok(match (self.if_value, self.if_revision) {
            _ if self.if_absent => Condition::Absent,
            (Some(value), _) => Condition::Value(bytes(value)?),
            (None, Some(revision)) => Condition::Revision(Index(revision)),
            (None, None) => Condition::Any,
        })
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// The exit code of each failure, as `--help` lists them.
fn exit_code(failure: &Failure) -> u8 {
    let Failure::Refused(error) = failure else { return 5 };
    match error {
        Error::Invalid { .. } => 2,
        Error::NotFound => 3,
        Error::ConditionFailed { .. } => 4,
        Error::NoQuorum | Error::NotLeader { .. } => 5,
        Error::OutcomeUnknown | Error::SessionExpired | Error::SequencePassed => 6,
        Error::Denied { .. } => 7,
        Error::TooLarge { .. } | Error::Overloaded { .. } | Error::DiskFull => 8,
        Error::ClusterMismatch { .. }
        | Error::VersionMismatch { .. }
        | Error::NodeTaken { .. }
        | Error::OlderCopy { .. } => 9,
        Error::Refused { .. } => 1,
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 =
        text.parse().map_err(|_| "give a number of seconds, such as 5 or 0.5".to_owned())?;
    match seconds {
        0.001..=86_400.0 => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("give a number of seconds from 0.001 to 86400".to_owned()),
    }
}

fn node_id(text: &str) -> Result<NodeId, String> {
    match text.parse() {
        Ok(id) if id > 0 => Ok(NodeId(id)),
        _ => Err("give the number of a node, such as 2".to_owned()),
    }
}

/// An argument as bytes. Keys and values need not be UTF-8 where arguments need not be.
#[cfg(unix)]
fn bytes(argument: OsString) -> Result<Bytes, Stop> {
    Ok(std::os::unix::ffi::OsStringExt::into_vec(argument).into())
}

/// An argument as bytes.
#[cfg(not(unix))]
fn bytes(argument: OsString) -> Result<Bytes, Stop> {
    let reason = "an argument is not Unicode; give one that is".to_owned();
    let text = argument.into_string().map_err(|_| Failure::Refused(Error::Invalid { reason }))?;
    Ok(text.into())
}
