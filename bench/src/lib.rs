//! What the benchmarks of the core and the count of its instructions share.

pub mod memory;
