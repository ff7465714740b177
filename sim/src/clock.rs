//! A node's own clock: it runs a little faster or slower than true time, and begins anywhere. Nothing but
//! the node sees it.

use crate::random::{Purpose, Random};
use raft_core::time::Instant;

/// What a clock that is right shows of a second, in millionths.
pub(crate) const TRUE_RATE_PPM: u64 = 1_000_000;

/// A clock that is not right may show any time of this long after its origin when its node starts.
const ORIGIN_MAX_US: u64 = 3_600_000_000;

/// The clocks of a run.
#[derive(Clone, Debug)]
pub(crate) struct Clocks {
    /// The farthest a rate is from the true one.
    skew_ppm: u32,
    random: Random,
}

impl Clocks {
    pub(crate) fn new(skew_ppm: u32, seed: u64) -> Self {
        Self { skew_ppm, random: Random::new(seed, Purpose::Clocks) }
    }

    /// Another node's clock. The farthest rates are drawn as often as any between.
    pub(crate) fn clock(&mut self) -> Clock {
        let skew = u64::from(self.skew_ppm);
        let any = self.random.between(0, 2 * skew);
        Clock::new(TRUE_RATE_PPM - skew + self.random.pick(&[0, any, 2 * skew]))
    }

    /// What a clock shows when its node starts. Clocks that are right show the time of the run.
    pub(crate) fn origin(&mut self, now: Instant) -> Instant {
        if self.skew_ppm == 0 { now } else { Instant(self.random.below(ORIGIN_MAX_US)) }
    }
}

/// A clock since its node was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    started_at: Instant,
    /// What it showed then.
    origin: Instant,
    rate_ppm: u64,
}

impl Clock {
    pub(crate) fn new(rate_ppm: u64) -> Self {
        Self { started_at: Instant(0), origin: Instant(0), rate_ppm }
    }

    /// The same clock after its node was started again: it shows another time, at the same rate.
    pub(crate) fn restarted(self, now: Instant, origin: Instant) -> Self {
        Self { started_at: now, origin, ..self }
    }

    /// The same clock at another rate from now on.
    pub(crate) fn at_rate(self, now: Instant, rate_ppm: u64) -> Self {
        Self { started_at: now, origin: self.shows(now), rate_ppm }
    }

    pub(crate) fn rate_ppm(self) -> u64 {
        self.rate_ppm
    }

    /// What it shows at a moment of true time, rounded down.
    pub(crate) fn shows(self, now: Instant) -> Instant {
        let passed = u128::from(now.0.saturating_sub(self.started_at.0));
        let shown = passed * u128::from(self.rate_ppm) / u128::from(TRUE_RATE_PPM);
        Instant(self.origin.0.saturating_add(u64::try_from(shown).unwrap_or(u64::MAX)))
    }

    /// The first moment of true time at which it shows `time` or more.
    pub(crate) fn when(self, time: Instant) -> Instant {
        let Some(ahead) = time.0.checked_sub(self.origin.0) else { return self.started_at };
        let takes =
            (u128::from(ahead) * u128::from(TRUE_RATE_PPM)).div_ceil(u128::from(self.rate_ppm));
        Instant(self.started_at.0.saturating_add(u64::try_from(takes).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_shows_a_time_from_the_moment_that_it_says() {
        for rate_ppm in [800_000, 999_999, TRUE_RATE_PPM, 1_000_001, 1_200_000] {
            let clock = Clock::new(rate_ppm).restarted(Instant(70), Instant(1_234));
            assert_eq!(clock.shows(Instant(70)), Instant(1_234));
            for time in (1_234..3_000).map(Instant) {
                let when = clock.when(time);
                assert!(clock.shows(when) >= time);
                assert!(when == Instant(70) || clock.shows(Instant(when.0 - 1)) < time);
            }
        }
    }

    #[test]
    fn a_fast_clock_reaches_a_deadline_early_and_a_slow_one_late() {
        let when = |rate_ppm| Clock::new(rate_ppm).when(Instant(1_200_000)).0;
        assert_eq!((when(1_200_000), when(800_000)), (1_000_000, 1_500_000));
    }
}
