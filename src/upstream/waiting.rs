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

    /// A generator with a seed.
    fn random(seed: u64) -> impl FnMut(u64) -> u64 {
        let mut state = seed;
        move |below| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        }
    }

    /// Requests come, give up while they wait, are woken and find nobody, or get through. Time is simulated.
    #[tokio::test(start_paused = true)]
    async fn whatever_happens_no_request_is_forgotten_and_no_place_is_lost_in_a_simulation() {
        for seed in 1..=30 {
            let mut next = random(seed);
            let waiting = Arc::new(Waiting::default());
            let limits = HoldLimits { requests: 64, bytes: ByteSize::bytes(2_000) };
            let accepts = Arc::new(std::sync::atomic::AtomicBool::new(false));
            let served = Arc::new(AtomicUsize::new(0));
            let mut tasks = tokio::task::JoinSet::new();
            let mut patient = 0;
            for step in 0..400 {
                accepts.store(step > 300 || next(4) == 0, Ordering::Relaxed);
                for _ in 0..next(4) {
                    let Some(held) = waiting.hold(next(100), &limits) else { continue };
                    let (accepts, served) = (Arc::clone(&accepts), Arc::clone(&served));
                    let gives_up = next(3) == 0;
                    let patience = std::time::Duration::from_millis(1 + next(200));
                    patient += usize::from(!gives_up);
                    tasks.spawn(async move {
                        let search = async {
                            loop {
                                held.turn().await;
                                if accepts.load(Ordering::Relaxed) {
                                    break;
                                }
                            }
                        };
                        if gives_up {
                            if tokio::time::timeout(patience, search).await.is_ok() {
                                held.go();
                            }
                        } else {
                            search.await;
                            served.fetch_add(1, Ordering::Relaxed);
                            held.go();
                        }
                    });
                }
                assert!(waiting.count() <= limits.requests + 1 && waiting.bytes.load(Ordering::Relaxed) <= 2_100);
                tokio::time::sleep(std::time::Duration::from_millis(next(20))).await;
                // What the watcher does after a good look.
                if accepts.load(Ordering::Relaxed) {
                    waiting.wake();
                }
            }
            while waiting.count() > 0 {
                waiting.wake();
                tokio::time::sleep(std::time::Duration::from_millis(250)).await;
            }
            while tasks.join_next().await.is_some() {}
            assert_eq!(served.load(Ordering::Relaxed), patient, "seed {seed}");
            assert_eq!((waiting.count(), waiting.bytes.load(Ordering::Relaxed)), (0, 0));
        }
    }
}
