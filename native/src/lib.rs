//! The core on a real machine: the node `raft-kv`, the command-line client `raft-cli`, and the client
//! library. One task owns the replica, one thread the files; the rest is sockets.
//!
//! The node, in the order in which things pass through it: [`listener`] accepts, [`http`] answers or
//! hands a connection on to [`peers`] or [`clients`], [`server`] is the loop around the core, [`disk`]
//! makes its writes durable, [`console`] says what happened. [`node`] starts all of it, and [`args`],
//! [`address`], [`datadir`], [`identity`] and [`origin`] are what it checks before.

#[cfg(seeded_bugs)]
compile_error!(
    "a node cannot be built with `--cfg seeded_bugs`: it would make the mistakes of others"
);

pub mod address;
pub mod args;
pub mod background;
pub mod bench;
pub mod cli;
pub mod client;
pub mod clients;
pub mod clock;
pub mod console;
pub mod datadir;
pub mod disk;
pub mod handshake;
pub mod http;
pub mod identity;
pub mod listener;
pub mod node;
pub mod origin;
pub mod page;
pub mod peers;
pub mod refusal;
pub mod server;
pub mod socket;
pub mod start;
pub mod watchers;
