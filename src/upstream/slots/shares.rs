//! Shares: how many calls of one login a target works on at once.
//!
//! A program that asks in a loop would take every slot that is free, and a Python server with all of them taken answers
//! nobody quickly. Holders are dealt to a fixed number of shares by hash, so that nothing grows and nothing is looked
//! up under a lock; clients that meet in one share take turns in it.
//! Limits: `services.*.per_client`.

use super::{NO_LIMIT, Slots};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Shares of a target, as a power of two: so many that a flood meets few others in its own.
const SHARES_LOG2: u32 = 9;

/// Whose share it is: a login, or a ClearML worker that has none, as a hash with a seed that nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder(pub u64);

/// The shares of one target.
#[derive(Debug)]
pub(super) struct Shares {
    max: AtomicU32,
    queue_max: AtomicUsize,
    // Made when the first holder comes: most targets are never asked by one.
    shares: OnceLock<Vec<Arc<Slots>>>,
}

impl Shares {
    pub(super) fn new(max: u32, queue_max: usize) -> Self {
        Self { max: AtomicU32::new(max), queue_max: AtomicUsize::new(queue_max), shares: OnceLock::new() }
    }

    /// Goes on with other limits.
    pub(super) fn follow(&self, max: u32, queue_max: usize) {
        self.max.store(max, Ordering::SeqCst);
        self.queue_max.store(queue_max, Ordering::SeqCst);
        // Made now where they are not: whoever makes them at this moment may have read the limits before.
        self.all(max).iter().for_each(|share| share.follow(max, queue_max));
    }

    /// The share of `holder`; `None` without a limit.
    pub(super) fn of(&self, holder: Holder) -> Option<&Arc<Slots>> {
        let max = self.max.load(Ordering::Relaxed);
        if max == NO_LIMIT {
            return None;
        }
        self.all(max).get(usize::try_from(holder.0 >> (u64::BITS - SHARES_LOG2)).unwrap_or_default())
    }

    /// Requests that wait for one.
    pub(super) fn queued(&self) -> u64 {
        self.shares.get().map_or(0, |shares| shares.iter().map(|share| share.level().1).sum())
    }

    fn all(&self, max: u32) -> &[Arc<Slots>] {
        let make = || Slots::new(max, self.queue_max.load(Ordering::SeqCst));
        self.shares.get_or_init(|| (0..1 << SHARES_LOG2).map(|_| make()).collect())
    }
}
