//! Requests that wait for a target of one service that accepts.
//!
//! They are woken a few at a time when somebody accepts again, and each that gets its connection wakes two more: a
//! server that just started is not run over.
//! Limits: `limits.held_requests`, `limits.held_bytes`.

use crate::domain::settings::HoldLimits;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Woken when a target is found to accept.
const FIRST: usize = 8;

/// Woken by each that got its connection.
const MORE: usize = 2;

/// The requests that wait; shared by the groups of one service from one configuration to the next.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    turns: Notify,
    requests: AtomicUsize,
    bytes: AtomicU64,
}

/// A request that waits; gives its place back when dropped.
#[derive(Debug)]
pub struct Held {
    waiting: Arc<Waiting>,
    bytes: u64,
}

impl Waiting {
    /// Takes a place for a request that keeps `bytes`; `None` when there is none.
    pub(super) fn hold(self: &Arc<Self>, bytes: u64, limits: &HoldLimits) -> Option<Held> {
        let requests = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let kept = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let held = Held { waiting: Arc::clone(self), bytes };
        (requests <= limits.requests && kept <= limits.bytes.get()).then_some(held)
    }

    /// How many wait.
    pub(super) fn count(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Somebody accepts: the first ones may go.
    pub(super) fn wake(&self) {
        self.wake_some(FIRST);
    }

    fn wake_some(&self, most: usize) {
        // Waking nobody would be kept for whoever waits next.
        for _ in 0..most.min(self.count()) {
            self.turns.notify_one();
        }
    }
}

impl Held {
    /// Ready when it is this request's turn to try. Hears every turn given from the first poll on.
    pub fn turn(&self) -> Notified<'_> {
        self.waiting.turns.notified()
    }

    /// It got its connection: others may go.
    pub fn go(self) {
        let waiting = Arc::clone(&self.waiting);
        drop(self);
        waiting.wake_some(MORE);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.waiting.requests.fetch_sub(1, Ordering::Relaxed);
        self.waiting.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::units::ByteSize;

    #[test]
    fn places_are_limited_by_number_and_bytes_and_given_back() {
        let waiting = Arc::new(Waiting::default());
        let limits = HoldLimits { requests: 2, bytes: ByteSize::bytes(10) };
        let first = waiting.hold(4, &limits).unwrap();
        assert!(waiting.hold(7, &limits).is_none(), "too many bytes");
        let second = waiting.hold(6, &limits).unwrap();
        assert!(waiting.hold(0, &limits).is_none(), "too many requests");
        drop(first);
        assert!(waiting.hold(4, &limits).is_some());
        drop(second);
        assert_eq!((waiting.count(), waiting.bytes.load(Ordering::Relaxed)), (0, 0));
    }

    #[tokio::test]
    async fn each_that_goes_wakes_two_more_and_no_turn_is_lost() {
        let waiting = Arc::new(Waiting::default());
        let limits = HoldLimits { requests: 1_000, bytes: ByteSize::mib(1) };
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..200 {
            let held = waiting.hold(1, &limits).unwrap();
            tasks.spawn(async move {
                held.turn().await;
                held.go();
            });
        }
        tokio::task::yield_now().await;
        waiting.wake();
        while tasks.join_next().await.is_some() {}
        assert_eq!(waiting.count(), 0);
    }
}
