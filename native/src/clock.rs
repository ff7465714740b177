//! The node's clock: the core's [`Instant`] against a time of the system that nobody can set, and that
//! runs on while the machine is suspended: a lease must not outlast a sleep.

use raft_core::time::Instant;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Linux's monotonic clock stands still in a suspended machine; this one does not.
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;

/// Elsewhere the monotonic clock is the one that counts sleep, as on macOS.
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

/// The longest sleep. Timers do not reach to [`Instant::MAX`], and a needless wake does no harm.
const SLEEP_MAX: Duration = Duration::from_secs(3_600);

/// Counts microseconds since it was made, at the start of the process.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Duration,
}

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Self {
        Self { origin: since_boot() }
    }

    /// What time it is.
    pub fn now(&self) -> Instant {
        Instant::default() + since_boot().saturating_sub(self.origin)
    }

    /// When to wake up for `deadline`, as a timer understands it.
    pub fn timer(&self, deadline: Instant) -> tokio::time::Instant {
        let sleep = (deadline - self.now()).min(SLEEP_MAX);
        tokio::time::Instant::now() + sleep
    }
}

fn since_boot() -> Duration {
    clock_gettime(CLOCK).try_into().expect("a clock that counts from the boot is never negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_runs_and_never_goes_back() {
        let clock = Clock::start();
        let mut before = clock.now();
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_millis(20) {
            let now = clock.now();
            assert!(now >= before);
            before = now;
        }
        assert!(before - Instant::default() >= Duration::from_millis(19));
    }
}
