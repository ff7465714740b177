//! `raft-cli`: what a person types and a script relies on. Answers go to standard output, all else to
//! standard error, and the exit code says which kind of failure it was.

pub mod args;
mod bench;
mod member;
mod output;
mod status;
mod watch;

use crate::client::{Client, Failure};
use crate::refusal::{EXIT_USAGE, Refusal};
use args::{Asked, Cli, Command, ConditionArgs};
use clap::CommandFactory as _;
use output::Output;
use raft_core::bytes::Bytes;
use raft_core::error::Error;
use raft_core::id::Index;
use raft_core::kv::command::{Condition, Read, Write};
use raft_core::request::{Consistency, Reply, Request};
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// Keys asked for at once when listing; a node may send fewer.
const PAGE_KEYS: u32 = 1_000;

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
    let command_line: Vec<OsString> = std::env::args_os().collect();
    // Where answers are JSON, so is a refusal.
    let json = command_line.iter().any(|argument| argument == "--json");
    let cli = match args::parse(command_line) {
        Ok(Asked::Command(cli)) => *cli,
        Ok(Asked::Print(text)) => {
            // Help that nobody reads to its end has done its duty.
            let _ = text.print();
            return ExitCode::from(if text.use_stderr() { EXIT_USAGE } else { 0 });
        }
        Err(Refusal { exit, sentence }) => {
            return Output { json, raw: false }.error("invalid", &sentence, exit);
        }
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
        Command::Watch { all } => watch::run(&cli.cluster.0, all, output).await,
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
