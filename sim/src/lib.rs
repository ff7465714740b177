//! A deterministic cluster: the core under a simulated clock, network and disk.
//!
//! A run is its [`Options`] and the [`Command`]s it was given: the same ones lead to the same run, event
//! by event, natively and in a browser. Nothing here reads a clock, a file or a thread's luck; time is
//! whole microseconds, and every draw comes from generators seeded by the options.
//!
//! In reading order: [`options`] says what a run is, [`cluster`] is the machine that plays it,
//! [`network`] and [`disk`] are what nodes stand on, [`faults`] and [`workload`] are what happens to
//! them, [`checker`] and [`linearizability`] are what must hold, [`trace`] is what a reader sees.

pub mod checker;
mod clock;
pub mod cluster;
pub mod disk;
pub mod faults;
pub mod linearizability;
pub mod network;
pub mod node;
pub mod options;
pub mod pieces;
mod queue;
mod random;
pub mod replay;
pub mod shrink;
pub mod sometimes;
pub mod trace;
mod watch;
mod words;
pub mod workload;

pub use checker::{Property, Violation};
pub use cluster::{Counters, Sim};
pub use faults::{Command, Fate};
pub use network::{Cargo, Flight, Place};
pub use node::Node;
pub use options::Options;
pub use sometimes::{Point, Sometimes};
pub use workload::Asking;
