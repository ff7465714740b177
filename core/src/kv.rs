//! The state machine: an ordered map from keys to values, and the sessions that make a retried write
//! take effect once. Knows nothing of terms, leaders or disks: committed commands come in, in order.

pub mod command;
pub(crate) mod key;
pub(crate) mod keys;
pub mod session;
pub mod store;
mod table;
