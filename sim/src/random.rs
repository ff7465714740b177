//! Seeded draws. Each purpose has a generator of its own, so that one draw more in the network does not
//! change what the disks do.

use rand_core::Rng as _;
use rand_pcg::Pcg32;
use std::time::Duration;

/// What a generator is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Options = 1,
    Network = 2,
    Disk = 3,
    Faults = 4,
    Workload = 5,
    Schedule = 6,
    Clocks = 7,
}

#[derive(Clone, Debug)]
pub(crate) struct Random(Pcg32);

impl Random {
    pub(crate) fn new(seed: u64, purpose: Purpose) -> Self {
        // Streams of one PCG state are related, so the state differs by purpose too.
        Self(Pcg32::new(mix(seed ^ mix(purpose as u64)), purpose as u64))
    }

    /// A number from 0 to `bound` - 1; 0 if the bound is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `min` to `max`, both included.
    pub(crate) fn between(&mut self, min: u64, max: u64) -> u64 {
        min + self.below(max.saturating_sub(min) + 1)
    }

    /// A duration from `min` to `max`, in whole microseconds.
    pub(crate) fn duration(&mut self, min: Duration, max: Duration) -> Duration {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.between(micros(min), micros(max)))
    }

    /// True `ppm` times in a million.
    pub(crate) fn chance(&mut self, ppm: u32) -> bool {
        ppm > 0 && self.below(1_000_000) < u64::from(ppm)
    }

    /// One of `choices`, which must not be empty.
    pub(crate) fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }
}

/// Spreads a number over all 64 bits (the finisher of SplitMix64).
pub(crate) fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
