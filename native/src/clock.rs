//! The node's clock: the core's [`Instant`] against the system's monotonic time.

use raft_core::time::Instant;
use std::time::Duration;

/// The longest sleep. Timers do not reach to [`Instant::MAX`], and a needless wake does no harm.
const SLEEP_MAX: Duration = Duration::from_secs(3_600);

/// Counts microseconds since it was made, at the start of the process.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Self {
        Self { origin: std::time::Instant::now() }
    }

    /// What time it is.
    pub fn now(&self) -> Instant {
        Instant::default() + self.origin.elapsed()
    }

    /// When to wake up for `deadline`, as a timer understands it.
    pub fn timer(&self, deadline: Instant) -> tokio::time::Instant {
        let sleep = (deadline - self.now()).min(SLEEP_MAX);
        tokio::time::Instant::now() + sleep
    }
}
