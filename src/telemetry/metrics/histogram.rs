//! Histogram: how long something took, counted in fixed buckets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper ends of the buckets in microseconds, each included; behind the last one is a bucket without an end. From
/// a call inside one machine to an upload that the SDK still waits for.
pub const BOUNDS_MICROS: [u64; 15] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    60_000_000,
    300_000_000,
];

const BUCKETS: usize = BOUNDS_MICROS.len() + 1;

/// Adds to a count that one thread writes and others only read: without the locked instruction that an addition by
/// several would need, of which a request would take a dozen.
pub(super) fn grow(count: &AtomicU64, by: u64) {
    count.store(count.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

/// Durations by bucket, and their sum. Counted by one thread.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_micros: AtomicU64,
}

impl Histogram {
    /// Counts one duration.
    pub(super) fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(BOUNDS_MICROS.partition_point(|bound| *bound < micros)) {
            grow(bucket, 1);
        }
        grow(&self.sum_micros, micros);
    }

    /// Adds what was counted so far to `into`.
    pub(super) fn add_to(&self, into: &mut Durations) {
        for (sum, bucket) in into.buckets.iter_mut().zip(&self.buckets) {
            *sum = sum.wrapping_add(bucket.load(Ordering::Relaxed));
        }
        into.sum_micros = into.sum_micros.wrapping_add(self.sum_micros.load(Ordering::Relaxed));
    }
}

/// A histogram at one moment, over all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// How many fell into each bucket of `BOUNDS_MICROS` alone, and behind the last.
    pub buckets: [u64; BUCKETS],
    /// All of them together.
    pub sum_micros: u64,
}

impl Durations {
    /// Adds what `other` counted.
    pub(in super::super) fn add(&mut self, other: &Self) {
        for (sum, bucket) in self.buckets.iter_mut().zip(&other.buckets) {
            *sum = sum.wrapping_add(*bucket);
        }
        self.sum_micros = self.sum_micros.wrapping_add(other.sum_micros);
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// What was counted after `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = *self;
        for (count, before) in since.buckets.iter_mut().zip(&earlier.buckets) {
            *count = count.saturating_sub(*before);
        }
        since.sum_micros = self.sum_micros.saturating_sub(earlier.sum_micros);
        since
    }

    /// What the `percent` smallest took at most, estimated: those in one bucket are taken to be spread evenly over it.
    /// `None` without any. Behind the last bound it is that bound.
    #[must_use]
    pub fn estimate(&self, percent: u64) -> Option<Duration> {
        let wanted = (self.count() * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            if seen + count >= wanted {
                let bound = |index: usize| BOUNDS_MICROS.get(index).copied();
                let begin = index.checked_sub(1).and_then(bound).unwrap_or(0);
                let width = bound(index).map_or(0, |end| end - begin);
                return Some(Duration::from_micros(begin + width * (wanted - seen) / count));
            }
            seen += count;
        }
        None
    }

    /// The end of the bucket that the `percent` smallest reach into: an upper bound of that percentile. `None` without
    /// any, or where it lies behind the last bound.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Option<Duration> {
        let wanted = (self.count() * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let reaches = |count: &u64| {
            seen += count;
            seen >= wanted
        };
        let bucket = self.buckets.iter().position(reaches)?;
        BOUNDS_MICROS.get(bucket).map(|micros| Duration::from_micros(*micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(observed: &[u64]) -> Durations {
        let histogram = Histogram::default();
        observed.iter().for_each(|micros| histogram.observe(Duration::from_micros(*micros)));
        let mut durations = Durations::default();
        histogram.add_to(&mut durations);
        durations
    }

    #[test]
    fn a_duration_falls_into_the_bucket_that_ends_with_it() {
        assert!(BOUNDS_MICROS.is_sorted());
        for (micros, bucket) in [(0, 0), (1_000, 0), (1_001, 1), (300_000_000, 14), (300_000_001, 15), (u64::MAX, 15)] {
            let durations = after(&[micros]);
            assert_eq!(
                (durations.buckets[bucket], durations.count(), durations.sum_micros),
                (1, 1, micros),
                "{micros}"
            );
        }
    }

    #[test]
    fn estimates_lie_inside_their_bucket() {
        let durations = after(&[900, 900, 900, 900, 900, 900, 900, 900, 900, 40_000]);
        let micros = |percent| durations.estimate(percent).unwrap().as_micros();
        assert_eq!((micros(50), micros(90), micros(100)), (555, 1_000, 50_000));
        assert_eq!(after(&[]).estimate(50), None);
        assert_eq!(after(&[u64::MAX]).estimate(50), Some(Duration::from_secs(300)));
        let later = after(&[900, 900, 900, 900, 900, 900, 900, 900, 900, 40_000, 700_000]);
        let since = later.since(&durations);
        assert_eq!((since.count(), since.sum_micros), (1, 700_000));
    }

    #[test]
    fn percentiles_are_the_end_of_their_bucket() {
        let durations = after(&[900, 900, 900, 900, 900, 900, 900, 900, 900, 40_000]);
        assert_eq!(durations.percentile(50), Some(Duration::from_millis(1)));
        assert_eq!(durations.percentile(90), Some(Duration::from_millis(1)));
        assert_eq!(durations.percentile(91), Some(Duration::from_millis(50)));
        assert_eq!(after(&[]).percentile(50), None);
        assert_eq!(after(&[u64::MAX]).percentile(50), None);
    }
}
