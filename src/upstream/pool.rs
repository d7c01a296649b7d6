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
    kept: Mutex<Kept>,
    /// Set for good when the process drains.
    closed: AtomicBool,
    metrics: WorkerMetrics,
}

#[derive(Debug)]
struct Kept {
    shelves: Vec<Shelf>,
    settings: PoolSettings,
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
        let kept = Mutex::new(Kept { shelves: Vec::new(), settings });
        Self { kept, closed: AtomicBool::new(false), metrics }
    }

    /// Keeps connections by other settings from now on, and only those to targets that `wanted` names.
    pub fn change(&self, settings: PoolSettings, wanted: impl Fn(u64) -> bool) {
        let mut kept = self.kept();
        kept.settings = settings;
        let most = kept.settings.idle_per_target;
        for shelf in &mut kept.shelves {
            let room = if wanted(shelf.target) { most } else { 0 };
            let surplus = shelf.idle.len().saturating_sub(room);
            // The ones used last are the least likely to be closed by their target.
            shelf.idle.drain(..surplus);
            self.metrics.add(Counter::PoolEvictions, surplus as u64);
        }
        kept.shelves.retain(|shelf| !shelf.idle.is_empty());
    }

    /// Closes connections that were idle for too long or were closed by their target. Called once a second.
    pub fn sweep(&self) {
        let mut kept = self.kept();
        let oldest = now().checked_sub(kept.settings.idle_age);
        for shelf in &mut kept.shelves {
            let before = shelf.idle.len();
            shelf.idle.retain_mut(|idle| oldest.is_none_or(|oldest| idle.since > oldest) && idle.connection.quiet());
            self.metrics.add(Counter::PoolEvictions, (before - shelf.idle.len()) as u64);
        }
        kept.shelves.retain(|shelf| !shelf.idle.is_empty());
    }

    /// Closes all of them and keeps no more.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.kept().shelves.clear();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to `target` that was used last, and whether it is young enough.
    fn pop(&self, target: u64) -> Option<(Idle, bool)> {
        let mut kept = self.kept();
        let age = kept.settings.idle_age;
        let idle = kept.shelves.iter_mut().find(|shelf| shelf.target == target)?.idle.pop()?;
        let young = now().saturating_duration_since(idle.since) < age;
        Some((idle, young))
    }

    /// Keeps `connection` for the next request; drops it when enough are kept.
    pub fn put_back(&self, connection: Connection) {
        if self.closed.load(Ordering::Relaxed) {
            return;
        }
        let target = connection.target();
        let idle = Idle { connection, since: now(), _counted: self.metrics.gauge(Gauge::PooledConnections) };
        let mut kept = self.kept();
        let most = kept.settings.idle_per_target;
        match kept.shelves.iter_mut().find(|shelf| shelf.target == target) {
            Some(shelf) if shelf.idle.len() >= most => self.metrics.add(Counter::PoolEvictions, 1),
            Some(shelf) => shelf.idle.push(idle),
            None if most == 0 => {}
            None => kept.shelves.push(Shelf { target, idle: vec![idle] }),
        }
    }

    /// The connection to target `target` that was used last, if one is open and young enough.
    pub fn take(&self, target: u64) -> Option<Connection> {
        loop {
            let (Idle { mut connection, .. }, young) = self.pop(target)?;
            if young && connection.quiet() {
                self.metrics.add(Counter::PoolReuses, 1);
                return Some(connection);
            }
            self.metrics.add(Counter::PoolEvictions, 1);
        }
    }
}
