//! Raft, the key-value state machine and their formats. Data in, data out: no I/O, no clock, no threads,
//! no logging, no randomness but a seeded generator that is part of the state.
//!
//! # The driver contract
//!
//! A node is a [`Replica`](replica::Replica), and a driver runs it with three calls:
//!
//! ```text
//! Replica::restore(config, durable, now) -> Replica
//! replica.step(now, input)        // a message, a request, a finished write, or the deadline
//! replica.effects() -> Effects    // what to write, send and answer, and what happened
//! replica.deadline() -> Instant   // when to step Input::Wake at the latest
//! ```
//!
//! 1. Step everything that is waiting, then take the effects, once. Batching comes from this.
//! 2. `write`: carry out in order; report `Input::Persisted(seq)` only when durable. Reports are
//!    cumulative. A failed sync ends the process: a second try can lie.
//! 3. `send`, `reply` and `events`: at once, in any order, from any thread. A `send` may be lost,
//!    doubled and reordered. `dropped` is what the node needs no more; freeing a hundred thousand values
//!    takes long, so a driver with threads has one do it.
//! 4. Deliver what has already arrived before `Input::Wake`: a paused process must not start an election
//!    with the leader's heartbeat in its socket.
//! 5. The disk is read only at the start.
//!
//! What a message promises is never ahead of the disk, and that is the core's own care: no message
//! leaves before the term it speaks in, and the vote cast in it, are durable, and no acknowledgement
//! covers an entry that is not. `docs/protocol.md` has the argument.

#![warn(missing_docs)]

mod binary;
pub mod bytes;
mod checksum;
pub mod config;
pub mod error;
pub mod id;
pub mod kv;
pub mod raft;
pub mod replica;
pub mod request;
pub mod seeded;
pub mod sighting;
pub mod text;
pub mod time;
pub mod vec_map;
pub mod wal;
pub mod wire;
