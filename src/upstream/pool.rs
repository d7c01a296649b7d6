//! Idle connections of one worker, by target.
//!
//! Owns: how many are kept, for how long, and which may be used again.
//! Leaves: dialling to `connect`, choosing a target to `group`.
//! Limits: `pool.idle_per_target`, `pool.idle_age`.

use super::connection::Connection;
use crate::domain::settings::PoolSettings;
use crate::runtime::now;
use crate::telemetry::{Counter, Gauge, GaugeGuard, WorkerMetrics};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Idle connections of one worker.
///
/// The lock is taken by this worker's thread only, for a few instructions; it is there so that futures stay `Send`.
#[derive(Debug)]
pub struct Pool {
    shelves: Mutex<Vec<Shelf>>,
    /// Set for good when the process drains.
    closed: AtomicBool,
    settings: PoolSettings,
    metrics: WorkerMetrics,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
    _counted: GaugeGuard,
}

#[derive(Debug)]
struct Shelf {
    target: u64,
    idle: Vec<Idle>,
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub const fn new(settings: PoolSettings, metrics: WorkerMetrics) -> Self {
        Self { shelves: Mutex::new(Vec::new()), closed: AtomicBool::new(false), settings, metrics }
    }

    /// Closes connections that were idle for too long or were closed by their target. Called once a second.
    pub fn sweep(&self) {
        let oldest = now().checked_sub(self.settings.idle_age);
        let mut shelves = self.shelves();
        for shelf in shelves.iter_mut() {
            let before = shelf.idle.len();
            shelf.idle.retain_mut(|idle| oldest.is_none_or(|oldest| idle.since > oldest) && idle.connection.quiet());
            self.metrics.add(Counter::PoolEvictions, (before - shelf.idle.len()) as u64);
        }
        shelves.retain(|shelf| !shelf.idle.is_empty());
    }

    /// Closes all of them and keeps no more.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.shelves().clear();
    }

    fn shelves(&self) -> MutexGuard<'_, Vec<Shelf>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pop(&self, target: u64) -> Option<Idle> {
        self.shelves().iter_mut().find(|shelf| shelf.target == target)?.idle.pop()
    }

    /// Keeps `connection` for the next request; drops it when enough are kept.
    pub fn put_back(&self, connection: Connection) {
        if self.closed.load(Ordering::Relaxed) {
            return;
        }
        let target = connection.target();
        let idle = Idle { connection, since: now(), _counted: self.metrics.gauge(Gauge::PooledConnections) };
        let mut shelves = self.shelves();
        match shelves.iter_mut().find(|shelf| shelf.target == target) {
            Some(shelf) if shelf.idle.len() >= self.settings.idle_per_target => {
                self.metrics.add(Counter::PoolEvictions, 1)
            }
            Some(shelf) => shelf.idle.push(idle),
            None if self.settings.idle_per_target == 0 => {}
            None => shelves.push(Shelf { target, idle: vec![idle] }),
        }
    }

    /// The connection to target `target` that was used last, if one is open and young enough.
    pub fn take(&self, target: u64) -> Option<Connection> {
        loop {
            let Idle { mut connection, since, .. } = self.pop(target)?;
            if now().saturating_duration_since(since) < self.settings.idle_age && connection.quiet() {
                self.metrics.add(Counter::PoolReuses, 1);
                return Some(connection);
            }
            self.metrics.add(Counter::PoolEvictions, 1);
        }
    }
}
