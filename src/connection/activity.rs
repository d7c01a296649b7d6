//! Whether a connection has requests running, and since when it has none.

use crate::runtime::now;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Requests running on one connection.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    running: AtomicUsize,
    /// Milliseconds from `opened` to the end of the last request.
    idle_since: AtomicU64,
    /// Requests ever begun.
    begun: AtomicU64,
}

/// One running request; counts down when dropped.
#[derive(Debug)]
pub(super) struct Running(Arc<Activity>);

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            opened: now(),
            running: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            begun: AtomicU64::new(0),
        })
    }

    /// Counts a request as begun; returns its number on this connection, from 0.
    pub(super) fn begin(self: &Arc<Self>) -> (u64, Running) {
        self.running.fetch_add(1, Ordering::Relaxed);
        (self.begun.fetch_add(1, Ordering::Relaxed), Running(Arc::clone(self)))
    }

    pub(super) fn idle(&self) -> bool {
        self.running.load(Ordering::Relaxed) == 0
    }

    /// When a connection without a request is to be closed: `first` after it was opened, while it never had one, or
    /// `keep_alive` after the last one. `None` while one is running.
    pub(super) fn expiry(&self, first: Duration, keep_alive: Duration) -> Option<Instant> {
        if !self.idle() {
            return None;
        }
        Some(match self.begun.load(Ordering::Relaxed) {
            0 => self.opened + first,
            _ => self.opened + Duration::from_millis(self.idle_since.load(Ordering::Relaxed)) + keep_alive,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let since = now().saturating_duration_since(self.0.opened).as_millis();
        self.0.idle_since.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}
