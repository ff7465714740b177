//! Real `raft-kv` and `raft-cli` processes on real sockets and files. `cargo build -p raft-native` first:
//! the tests run the binaries that stand beside them in the target directory.

mod bench;
mod bulk;
mod cli;
mod connections;
mod fake;
mod faults;
mod files;
mod full;
mod harness;
mod lives;
mod load;
mod membership;
mod refusals;
mod retries;
mod story;
mod syncs;
mod watch;
