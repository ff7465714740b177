//! The client: see `raft-cli --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    raft_native::cli::main()
}
